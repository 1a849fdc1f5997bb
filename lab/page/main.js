// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Starts the page, and draws: everything that has changed, once a frame.

const app = new App();
let ready = false;

function app_is_ready() {
  return ready;
}

function start_live() {
  app.source = new LiveSource({
    message: (message, characters) => app.receive(message, characters),
    state: (state, sentence) => app.set_connection(state, sentence),
  });
  app.source.connect();
}

async function open_run(file) {
  if (!file) return;
  try {
    start_replay(await read_run(file));
  } catch (error) {
    app.model.complain(`${file.name} cannot be replayed. ${error.message}`);
  }
}

function start_replay(run) {
  app.source?.close?.();
  const empty = () => {
    const { problems } = app.model;
    app.model.reset();
    app.model.problems = problems;
    app.stage.begin_anew();
  };
  empty();
  app.view.scene = null;
  app.view.look = [];
  app.source = new ReplaySource(run, {
    message: (message) => app.receive(message, 0),
    restart: empty,
    sought: () => app.stage.flush(performance.now()),
  });
  app.recorder.clear();
  app.transport.set('full');
  app.model.touch('connection', 'step');
}

App.prototype.seek = function seek(share) {
  if (!this.replaying) return;
  this.source.seek(share * this.source.length);
  this.ruler.touch();
};

/** In a replayed run: the pages are those that were looked at when it was recorded. */
function follow_replayed_pages() {
  if (!app.replaying) return;
  const look = [...app.model.pages.keys()].slice(-LOOKS_MOST).map((key) => {
    const [node, process, segment, page] = key.split('/').map(Number);
    return { node, process, segment, page };
  });
  if (look.every((at) => app.is_looked_at(at))) return;
  app.view.look = look;
  app.model.touch('look');
}

const UPDATES = [
  [['hello', 'snapshot', 'nodes', 'actors'], () => { app.transport.update_machine(); app.mesh.update(); }],
  [['hello', 'snapshot', 'nodes', 'actors', 'look'], () => app.cards.forEach((card) => card.update())],
  [['snapshot', 'actors', 'hello'], () => { if (!app.replaying) app.look_default(); }],
  [['hello', 'snapshot', 'actors', 'connection', 'play', 'look'], () => { app.dock.update(); app.tables.update(); }],
  [['hello', 'step', 'connection', 'actors'], () => app.scene_panel.update()],
  [['hello', 'connection', 'snapshot', 'step'], () => app.transport.update()],
  [['problem'], () => update_notices()],
  [['bytes'], () => follow_replayed_pages()],
  [['look', 'nodes'], () => app.memory.rebuild()],
  [['bytes'], () => app.memory.update()],
  [['look', 'nodes', 'hello'], () => update_below()],
];

function update_below() {
  $('below').dataset.below = app.view.below;
  for (const tab of document.querySelectorAll('#below-tabs [role=tab]')) {
    const chosen = tab.dataset.below === app.view.below;
    set_attribute(tab, 'aria-selected', chosen);
    set_attribute(tab, 'tabindex', chosen ? 0 : -1);
  }
}

let last_frame = 0;
let last_states = 0;

function frame(now) {
  requestAnimationFrame(frame);
  const elapsed = now - last_frame;
  last_frame = now;
  if (app.replaying) app.source.tick(elapsed);
  const moving = app.stage.moving(now);
  app.stage.tick(now, elapsed, app.reduced_motion);
  const dirty = new Set(app.model.dirty);
  app.model.dirty.clear();
  for (const [of, update] of UPDATES) if (of.some((one) => dirty.has(one) || app.model.dirty.has(one))) update();
  if (moving || dirty.size > 0) draw_moving(now);
  app.ruler.draw(now);
  if (now - last_states > 250) {
    last_states = now;
    app.transport.update_states();
    update_sample(now);
  }
  app.transport.update_seek();
  app.frames++;
}

function draw_moving(now) {
  if (app.stage.take_fresh()) app.ruler.dirty = true;
  app.mesh.draw(now);
  app.drawn += app.mesh.drawn;
  for (const card of app.cards) card.draw(now);
}

/** Says openly when not everything is drawn, and how much slower than the machine it is shown. */
function update_sample(now) {
  const { shown, total, lost } = app.sample;
  const recent = now - (app.sampled_at ?? -Infinity) < SAMPLE_SHOWN_MS * 2;
  const parts = [];
  if (recent && total > shown) parts.push(`A sample: ${number_text(shown)} of ${number_text(total)} records`);
  if (recent && lost > 0) parts.push(`${number_text(lost)} lost`);
  if (app.mesh.sampled > app.mesh.drawn) parts.push(`${number_text(app.mesh.drawn)} of ${number_text(app.mesh.sampled)} packets drawn`);
  fill($('sample'), { data: { shown: recent ? shown : 0, total: recent ? total : 0, lost: recent ? lost : 0 } });
  set_text($('sample'), parts.join(' · '));
  const slower = 1e6 / app.stage.rate;
  const busy = app.stage.queue.length > 0 || app.stage.flights.length > 0;
  set_text($('pace-note'), busy ? `${rough(slower)} × slower` : '');
}

function listen() {
  window.addEventListener('hashchange', () => app.follow_hash());
  document.addEventListener('keydown', on_key);
  $('help-button').addEventListener('click', open_help);
  $('scene-menu-button').addEventListener('click', open_scene_menu);
  $('theme').addEventListener('click', () => app.toggle_theme());
  $('save-run').addEventListener('click', () => save_run(app.recorder, app.view.scene ?? 'lab'));
  $('open-run').addEventListener('click', () => $('run-file').click());
  $('run-file').addEventListener('change', (event) => {
    open_run(event.target.files[0]);
    event.target.value = '';
  });
  $('skip-link').addEventListener('click', (event) => {
    event.preventDefault();
    $('panel').focus();
  });
  for (const tab of document.querySelectorAll('#below-tabs [role=tab]')) tab.addEventListener('click', () => app.choose_below(tab.dataset.below));
  tab_keys($('below-tabs'));
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    $('drop-hint').hidden = false;
  });
  document.addEventListener('dragleave', (event) => { if (!event.relatedTarget) $('drop-hint').hidden = true; });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    $('drop-hint').hidden = true;
    open_run(event.dataTransfer?.files[0]);
  });
}

function first_theme() {
  try {
    const kept = localStorage.getItem('vmmc-lab-theme');
    if (kept === 'dark' || kept === 'light') return kept;
  } catch {
    // Nothing is kept here.
  }
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

app.set_theme(first_theme());
app.build();
ready = true;
listen();
if (location.protocol === 'http:' || location.protocol === 'https:') start_live();
else app.set_connection('closed', 'No machine: open a run');
requestAnimationFrame(frame);

// For tests: numbers, read only.
Object.defineProperty(window, 'lab', { value: Object.freeze({
  get frames() { return app.frames; },
  get records_received() { return app.stage.received; },
  get records_waiting() { return app.stage.queue.length; },
  get records_kept() { return app.stage.kept.length; },
  get records_skipped() { return app.stage.skipped; },
  get packets_drawn() { return app.drawn; },
  get packets_flying() { return app.stage.flights.length; },
  get packets_in_frame() { return app.mesh.drawn; },
  get packet_places() { return app.mesh.places; },
  get messages_recorded() { return app.recorder.messages.length; },
}) });
