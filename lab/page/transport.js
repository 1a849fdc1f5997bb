// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Play, pause, step by packet, slow motion; which clock, how many nodes; what the connection and the recording do.

class Transport {
  constructor() {
    this.mode = 'full';
    $('play').addEventListener('click', () => this.set('full'));
    $('pause').addEventListener('click', () => this.set('paused'));
    $('slow').addEventListener('click', () => this.set('slow'));
    $('step-packet').addEventListener('click', () => this.step());
    $('slowness').addEventListener('input', () => this.slowness_changed());
    $('seek').addEventListener('input', () => app.seek(Number($('seek').value) / 1000));
    $('clock-chooser').addEventListener('change', (event) => this.choose_clock(event.target.value));
    $('nodes-chooser').addEventListener('change', (event) => this.choose_nodes(Number(event.target.value)));
    $('nodes-chooser').append(...Array.from({ length: 15 }, (_, index) => {
      const { rows, columns } = mesh_of(index + 2);
      return el('option', { value: index + 2, text: `${index + 2} (${rows}×${columns})` });
    }));
    this.show_slowness();
  }

  toggle() {
    this.set(this.mode === 'paused' ? 'full' : 'paused');
  }

  set(mode) {
    this.mode = mode;
    this.apply();
    this.update();
  }

  apply() {
    const { mode } = this;
    if (app.replaying) app.source.set_mode(mode, 1 / this.replay_slowdown());
    else if (mode !== 'slow') app.send({ type: 'pace', mode });
    else if (app.model.simulated) app.send({ type: 'pace', mode, slowdown: this.slowdown() });
    else app.send({ type: 'pace', mode, interval_ms: this.interval_ms() });
  }

  step() {
    this.mode = 'paused';
    if (app.replaying) app.source.step();
    else app.send({ type: 'pace', mode: 'step' });
    this.update();
  }

  get share() {
    return Number($('slowness').value) / 20;
  }

  // 10 ms to 2 s between packets; a thousand to a million times slower; 2 to 50 times slower.
  interval_ms() {
    return Math.round(10 * 200 ** this.share);
  }

  slowdown() {
    return Math.round(1e3 * 1e3 ** this.share);
  }

  replay_slowdown() {
    return 2 * 25 ** this.share;
  }

  slowness_changed() {
    this.show_slowness();
    if (this.mode === 'slow') this.apply();
  }

  show_slowness() {
    const text = app_is_ready() && app.replaying ? `÷ ${rough(this.replay_slowdown())}`
      : app_is_ready() && app.model.simulated ? `÷ ${rough(this.slowdown())}` : `${this.interval_ms()} ms`;
    set_text($('slowness-value'), text);
    set_attribute($('slowness'), 'aria-valuetext', text);
  }

  choose_clock(clock) {
    app.begin(app.view.scene ?? 'free-play', clock);
  }

  choose_nodes(nodes) {
    app.begin_machine({ ...mesh_of(nodes), clock: $('clock-chooser').value || 'real' });
  }

  /** nicsim's own pace, as the snapshot tells it: another page may have changed it. */
  follow_snapshot() {
    const mode = app.model.snapshot?.pace?.mode;
    if (!app.replaying && ['full', 'paused', 'slow'].includes(mode)) this.mode = mode;
  }

  update() {
    for (const button of document.querySelectorAll('#transport [data-pace]')) set_attribute(button, 'aria-pressed', button.dataset.pace === this.mode);
    const usable = app.replaying || app.connection === 'open';
    for (const control of document.querySelectorAll('#transport button, #slowness')) control.disabled = !usable;
    const live = app.connection === 'open' && !app.replaying;
    $('clock-chooser').disabled = !live;
    $('nodes-chooser').disabled = !live;
    $('seek-label').hidden = !app.replaying;
    this.show_slowness();
  }

  update_machine() {
    const { hello, snapshot, nodes } = app.model;
    const clocks = ['real', ...(Array.isArray(hello?.models) ? hello.models.map(String) : [])];
    const chooser = $('clock-chooser');
    if (chooser.dataset.clocks !== clocks.join()) {
      chooser.dataset.clocks = clocks.join();
      chooser.replaceChildren(...clocks.map((clock) => el('option', { value: clock, text: clock === 'real' ? 'real time' : clock })));
    }
    const model = snapshot?.nicsim?.clock === 'simulated' ? snapshot.nicsim.model : snapshot ? 'real' : hello?.clock;
    if (document.activeElement !== chooser) chooser.value = model ?? 'real';
    if (document.activeElement !== $('nodes-chooser')) $('nodes-chooser').value = String(nodes);
    const now = snapshot?.nicsim?.time_ns;
    set_text($('clock'), !snapshot ? '–' : app.model.simulated ? time_text(now) : clock_text(now));
    set_text($('clock-kind'), !hello ? 'no machine' : app.model.simulated ? `simulated, ${model ?? ''}` : 'real time');
  }

  update_states() {
    const { state, sentence } = app.connection_state();
    set_attribute($('connection'), 'data-state', state);
    set_text($('connection'), sentence);
    document.body.dataset.connection = state;
    const { messages, left_out } = app.recorder;
    const kept = app.replaying ? `Replay${app.source.left_out ? `; ${plural(app.source.left_out, 'message')} left out` : ''}`
      : left_out ? `Full; ${number_text(left_out)} left out` : messages.length ? `Recorded ${number_text(messages.length)}` : 'Not recording';
    set_attribute($('recording'), 'data-state', app.replaying ? 'replay' : left_out ? 'full' : messages.length ? 'on' : 'off');
    set_text($('recording'), kept);
    $('save-run').disabled = app.replaying || messages.length === 0;
  }

  update_seek() {
    if (!app.replaying) return;
    const { at, length } = app.source;
    if (document.activeElement !== $('seek') || this.mode !== 'paused') $('seek').value = Math.round(length ? at / length * 1000 : 0);
    set_text($('seek-value'), `${(at / 1000).toFixed(1)} / ${(length / 1000).toFixed(1)} s`);
    if (app.source.ended && app.source.mode !== 'paused') {
      app.source.mode = 'paused';
      this.mode = 'paused';
      this.update();
    }
  }
}

function clock_text(ns) {
  return is_number(ns) ? new Date(ns / 1e6).toLocaleTimeString('en-GB') : '–';
}
