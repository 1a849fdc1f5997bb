// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Joins everything: one place for what is chosen, one redraw a frame.

const SAMPLE_SHOWN_MS = 2000;

class App {
  constructor() {
    this.model = new Model();
    this.stage = new Stage();
    this.recorder = new Recorder();
    this.view = { scene: null, step: 0, nodes: [0, 1], nodes_chosen: false, below: 'ruler', dock: 'counters', look: [] };
    this.source = null;
    this.connection = 'closed';
    this.connection_sentence = '';
    this.request = Math.floor(Math.random() * 1e6) * 1000;  // several pages may be open
    this.frames = 0;
    this.drawn = 0;
    this.sample = { at: 0, shown: 0, total: 0, lost: 0 };
    this.reduced_motion = matchMedia('(prefers-reduced-motion: reduce)').matches;
    matchMedia('(prefers-reduced-motion: reduce)').addEventListener('change', (event) => { this.reduced_motion = event.matches; });
  }

  get replaying() {
    return this.source instanceof ReplaySource;
  }

  build() {
    this.mesh = new Mesh();
    this.cards = [new NodeCard($('node-a'), 0), new NodeCard($('node-b'), 1)];
    this.memory = new MemoryView();
    this.tables = new Tables();
    this.ruler = new Ruler();
    this.scene_panel = new ScenePanel();
    this.transport = new Transport();
    this.dock = new Dock();
    build_legend();
  }

  redraw() {
    this.model.touch('view');
  }

  next_request() {
    return ++this.request;
  }

  // What comes in.

  receive(message, characters) {
    if (message?.type === 'hello') this.new_machine();
    const good = this.model.apply(message);
    if (!this.replaying && good) this.recorder.keep(message, characters);
    if (!good) return;
    if (message.type === 'hello') this.follow_hello();
    else if (message.type === 'records') this.take_records(message);
    else if (message.type === 'snapshot') this.transport.follow_snapshot();
    else if (message.type === 'begun') this.follow_begun();
    else if (message.type === 'actors') this.choose_default_nodes();
  }

  new_machine() {
    this.stage.begin_anew();
    this.ruler.select(null);
    if (!this.replaying) this.recorder.clear();
  }

  take_records(message) {
    this.stage.add(message.records);
    this.ruler.touch();
    const now = performance.now();
    if (now - this.sample.at > SAMPLE_SHOWN_MS) this.sample = { at: now, shown: 0, total: 0, lost: 0 };
    const count = list(message.records).length;
    const shown = message.shown ?? count;
    const total = message.total ?? shown;
    this.sample.shown += shown;
    this.sample.total += total;
    this.sample.lost += message.lost ?? 0;
    if (total > shown || message.lost) this.sampled_at = now;
  }

  /**
   * A server with another scene than the address names when the page is opened: that one is begun. When the page finds itself
   * connected again it follows the server, else two pages would take the machine from each other for ever.
   */
  follow_hello() {
    const { hello } = this.model;
    const again = this.greeted && !this.replaying;
    this.greeted = true;
    const wanted = this.wanted ?? (again && hello.scene ? { scene: hello.scene } : parse_hash(location.hash));
    const scene = this.model.scene(wanted.scene) ?? this.model.scene(hello.scene) ?? (this.replaying ? this.model.scenes[0] : null);
    if (scene) this.show_scene(scene, wanted);
    else this.view.scene = null;
    this.wanted = null;
    if (scene && !again && hello.scene !== scene.id && !this.replaying) this.begin(scene.id);
    this.send_look();
  }

  follow_begun() {
    const { begun } = this.model;
    this.stage.glows.clear();
    this.stage.set_mark();
    if (begun.ok && this.model.scene(begun.scene) && this.replaying) this.show_scene(this.model.scene(begun.scene), {});
    this.look_default();
  }

  // What is chosen.

  show_scene(scene, { step, nodes, below, dock }) {
    const fresh = this.view.scene !== scene.id;
    this.view.scene = scene.id;
    const index = scene.steps.findIndex((one, place) => one.id === step || String(place) === step);
    this.view.step = index >= 0 ? index : fresh ? 0 : clamp(this.view.step, 0, Math.max(0, scene.steps.length - 1));
    if (nodes) Object.assign(this.view, { nodes, nodes_chosen: true });
    else if (fresh) this.view.nodes_chosen = false;
    this.view.below = below ?? this.view.below;
    this.view.dock = dock ?? (fresh && scene.id === 'free-play' ? 'play' : this.view.dock);
    if (fresh) this.forget_look();
    this.choose_default_nodes();
    this.changed();
  }

  /** The nodes of the scene's first two actors, unless others were chosen. */
  choose_default_nodes() {
    const most = this.model.nodes;
    const actors = this.model.actors.length > 0 ? this.model.actors : list(this.model.scene(this.view.scene)?.actors);
    let nodes = this.view.nodes_chosen ? this.view.nodes : actors.map((actor) => actor.node).filter(is_number);
    nodes = [...new Set([...nodes, 0, 1])].filter((node) => node < most || most < 2).slice(0, 2);
    nodes = nodes.length === 2 ? nodes : [0, 1];
    if (nodes.join() === this.view.nodes.join()) return;
    this.view.nodes = nodes;
    this.model.touch('nodes');
  }

  choose_scene(id) {
    const scene = this.model.scene(id);
    if (!scene) return;
    this.show_scene(scene, {});
    if (!this.replaying && this.model.begun?.scene !== id) this.begin(id);
  }

  choose_scene_number(number) {
    const scene = this.model.scenes.find((one) => one.number === number);
    if (scene) this.choose_scene(scene.id);
  }

  choose_scene_beside(step) {
    const index = this.model.scenes.findIndex((one) => one.id === this.view.scene) + step;
    if (this.model.scenes[index]) this.choose_scene(this.model.scenes[index].id);
  }

  choose_step(index) {
    const scene = this.model.scene(this.view.scene);
    if (!scene || index < 0 || index >= scene.steps.length) return;
    this.view.step = index;
    this.changed();
  }

  /** A node in the mesh is clicked: it takes the place of the one that was chosen longer ago. */
  choose_node(node) {
    if (this.view.nodes.includes(node)) return;
    this.next_side = this.next_side ? 0 : 1;
    this.view.nodes = this.view.nodes.map((one, side) => (side === this.next_side ? node : one));
    this.view.nodes_chosen = true;
    this.changed();
  }

  choose_below(below) {
    this.view.below = below;
    this.changed();
  }

  choose_dock(dock) {
    this.view.dock = dock;
    this.changed();
  }

  choose_dock_beside() {
    const names = Object.keys(DOCK_TABS);
    this.choose_dock(names[(names.indexOf(this.view.dock) + 1) % names.length]);
  }

  changed() {
    this.model.touch('nodes', 'step', 'snapshot', 'look');
    this.ruler.touch();
    const hash = hash_of(this.view, this.model.scene(this.view.scene));
    if (hash && hash !== location.hash) history.replaceState(null, '', hash);
  }

  follow_hash() {
    const wanted = parse_hash(location.hash);
    const scene = this.model.scene(wanted.scene);
    if (!scene) {
      this.wanted = wanted;
      if (wanted.scene && this.model.hello) this.model.complain(`There is no scene "${wanted.scene}".`);
      return;
    }
    this.show_scene(scene, wanted);
    if (!this.replaying && this.model.begun?.scene !== scene.id) this.begin(scene.id);
  }

  is_looked_at(at) {
    return this.view.look.some((one) => page_key(one) === page_key(at));
  }

  toggle_look(at) {
    const looked = this.is_looked_at(at);
    this.view.look = looked ? this.view.look.filter((one) => page_key(one) !== page_key(at)) : [...this.view.look, at].slice(-LOOKS_MOST);
    if (!looked) this.view.below = 'memory';
    this.looked_by_hand = true;
    this.changed();
    this.send_look();
  }

  /** The pages that the scene says are worth looking at, as soon as they are known. */
  look_default() {
    const scene = this.model.scene(this.view.scene);
    const { snapshot } = this.model;
    if (this.looked_by_hand || !scene?.look || !snapshot) return;
    const look = [];
    for (const { actor: name, buffer, page } of list(scene.look)) {
      const actor = this.model.actors.find((one) => one.name === name);
      const one = actor && list(snapshot.exports).find((item) => item.node === actor.node && item.process === actor.process && item.buffer === buffer);
      const [place] = one ? pages_of_write(one, { offset: (page ?? 0) * PAGE_BYTES, length: 1 }) : [];
      if (place) look.push({ node: one.node, process: one.process, ...place });
    }
    look.length = Math.min(look.length, LOOKS_MOST);
    if (look.length === 0 || look.map(page_key).join() === this.view.look.map(page_key).join()) return;
    this.view.look = look;
    this.model.touch('look', 'snapshot');
    this.send_look();
  }

  forget_look() {
    this.view.look = [];
    this.looked_by_hand = false;
  }

  send_look() {
    this.model.pages.clear();
    this.send({ type: 'look', at: this.view.look });
  }

  // What goes out.

  send(message) {
    if (this.replaying || !(this.source instanceof LiveSource)) return false;
    return this.source.send(message);
  }

  begin(scene, clock) {
    if (this.replaying) return;
    this.recorder.begin_scene();
    this.model.begun = null;
    this.model.ran.clear();
    this.forget_look();
    for (const state of this.model.step_state.values()) state.running = null;
    this.send({ type: 'begin', scene, ...(clock ? { clock } : {}) });
    this.changed();
  }

  begin_machine(machine) {
    this.wanted = { scene: 'free-play' };
    this.send({ type: 'machine', ...machine });
  }

  dismiss(problem) {
    this.model.problems = this.model.problems.filter((one) => one !== problem);
    this.model.touch('problem');
  }

  connection_state() {
    if (this.replaying) return { state: 'replay', sentence: 'Replaying a file' };
    return { state: this.connection, sentence: this.connection_sentence || 'No connection' };
  }

  set_connection(state, sentence) {
    this.connection = state;
    this.connection_sentence = sentence;
    this.model.touch('connection', 'step', 'snapshot');
  }

  toggle_theme() {
    this.set_theme(this.dark ? 'light' : 'dark');
  }

  set_theme(theme) {
    this.dark = theme === 'dark';
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem('vmmc-lab-theme', theme);
    } catch {
      // Not kept: this page may store nothing.
    }
    this.ruler?.touch();
  }
}
