// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// What the server has said. Views read it; nobody but apply() writes it. The same whether the messages come over a socket or out of a file.

const ERRORS_MOST = 200;
const PROBLEMS_MOST = 50;
const RUNS_MOST = 20;
const PROBLEM_TEXT_MOST = 2000;
const list = (value) => (Array.isArray(value) ? value.filter((item) => item !== null && typeof item === 'object') : []);

class Model {
  constructor() {
    this.dirty = new Set();
    this.reset();
  }

  reset() {
    this.hello = null;
    this.scenes = [];
    this.snapshot = null;
    this.actors = [];
    this.begun = null;  // {scene, ok, sentence}
    this.pages = new Map();  // "node/process/segment/page" -> {hex, generation, changed}
    this.problems = [];
    this.step_state = new Map();  // "scene/step index" -> see step_of()
    this.ran = new Set();  // ids of the steps that have run since this page began the scene
    this.play_answers = [];
    this.baseline = null;  // the snapshot that changes are counted from
    this.settled = null;  // the snapshot after the last step, or when the scene was begun
    this.touch('hello', 'snapshot', 'actors', 'bytes', 'step', 'problem');
  }

  touch(...what) {
    for (const one of what) this.dirty.add(one);
  }

  /** @returns {boolean} whether the message was one. Never throws. */
  apply(message) {
    if (message === null || typeof message !== 'object' || typeof message.type !== 'string') return this.complain('The server sent something that is no message.');
    const handler = HANDLERS[message.type];
    if (!handler) return this.complain(`The server sent a message of an unknown type: ${message.type.slice(0, 40)}.`);
    try {
      handler(this, message);
      return true;
    } catch (error) {
      return this.complain(`The server sent a message (${message.type}) that makes no sense: ${error.message}`);
    }
  }

  complain(sentence) {
    const text = String(sentence ?? 'Something went wrong.').slice(0, PROBLEM_TEXT_MOST);
    const known = this.problems.find((problem) => problem.sentence === text);
    if (known) known.count++;
    else this.problems.push({ sentence: text, count: 1 });
    if (this.problems.length > PROBLEMS_MOST) this.problems.shift();
    this.touch('problem');
    return false;
  }

  get rows() {
    return this.snapshot?.nicsim?.rows ?? this.hello?.rows ?? 1;
  }

  get columns() {
    return this.snapshot?.nicsim?.columns ?? this.hello?.columns ?? 2;
  }

  get nodes() {
    return clamp(this.rows * this.columns, 1, 64);
  }

  get simulated() {
    const clock = this.snapshot?.nicsim?.clock ?? this.hello?.clock ?? 'real';
    return clock !== 'real';
  }

  scene(id) {
    return this.scenes.find((scene) => scene.id === id) ?? null;
  }

  /** What is known of a step: the guess, whether it has been run, answers, failures, points of its plot. */
  step_of(scene, index) {
    const key = `${scene}/${index}`;
    if (!this.step_state.has(key)) {
      this.step_state.set(key, { guess: null, running: null, done: null, runs: [], answers: [], points: [], parameters: {} });
    }
    return this.step_state.get(key);
  }

  /** The step of the scene that has been begun; answers belong to it. */
  running_step(index) {
    const scene = this.begun?.scene ?? this.hello?.scene;
    return scene && is_number(index) ? this.step_of(scene, index) : null;
  }

  actor_name(node, process) {
    return this.actors.find((actor) => actor.node === node && actor.process === process)?.name ?? null;
  }
}

const HANDLERS = {
  hello(model, message) {
    const scenes = list(message.scenes).filter((scene) => typeof scene.id === 'string');
    model.hello = message;
    model.scenes = scenes.map((scene, index) => ({ ...scene, number: scene.number ?? index + 1, steps: list(scene.steps) }));
    if (!model.scene('free-play')) {
      model.scenes.push({ id: 'free-play', number: 0, title: 'Free play', learn: 'Do what you like: every button is a call of the public interface.', steps: [], actors: [] });
    }
    model.snapshot = null;
    model.actors = [];
    model.pages.clear();
    model.begun = null;  // the server says so after its greeting
    model.baseline = null;
    for (const state of model.step_state.values()) Object.assign(state, { running: null, answering: false });
    if (message.protocol !== 1) model.complain(`The server speaks version ${message.protocol} of the protocol, this page version 1.`);
    model.touch('hello', 'snapshot', 'actors', 'bytes', 'step');
  },
  snapshot(model, message) {
    if (message.snapshot === null || typeof message.snapshot !== 'object') throw new Error('there is no snapshot in it');
    model.snapshot = message.snapshot;
    model.baseline ??= message.snapshot;
    model.touch('snapshot');
  },
  records(model) {
    model.touch('records');
  },
  bytes(model, message) {
    if (typeof message.hex !== 'string' || !/^[0-9a-f]*$/i.test(message.hex)) throw new Error('the bytes are not hexadecimal');
    const key = page_key(message);
    const before = model.pages.get(key);
    model.pages.set(key, { hex: message.hex, before: before?.hex ?? null, generation: message.generation });
    if (model.pages.size > 16) model.pages.delete(model.pages.keys().next().value);
    model.touch('bytes');
  },
  actors(model, message) {
    if (!Array.isArray(message.actors)) throw new Error('the actors are no list');
    model.actors = list(message.actors).filter((actor) => typeof actor.name === 'string');
    model.touch('actors');
  },
  begun(model, message) {
    model.begun = { scene: message.scene, ok: message.ok !== false, sentence: message.sentence ?? null };
    model.baseline = model.snapshot;
    model.settled = model.snapshot;
    if (message.ok === false) model.complain(message.sentence ?? 'The scene could not be begun.');
    model.touch('step', 'snapshot');
  },
  answer(model, message) {
    const entry = { number: message.number, command: message.command ?? {}, answer: message.answer ?? {} };
    if (message.step === null || message.step === undefined) {
      model.play_answers.unshift({ ...entry, request: message.request });
      model.play_answers.length = Math.min(model.play_answers.length, RUNS_MOST);
      model.touch('play');
      return;
    }
    const state = model.running_step(message.step);
    if (!state) return;
    if (!state.answering) {
      state.answering = true;
      state.answers = [];
      // Somebody else's step, or one out of a file.
      if (state.running === null || state.running !== message.request) model.baseline = model.settled ?? model.baseline;
    }
    if (state.answers.length < 500) state.answers.push(entry);
    model.touch('step');
  },
  step_done(model, message) {
    const state = model.running_step(message.step);
    if (!state) return;
    state.running = null;
    state.answering = false;
    model.settled = model.snapshot;
    const scene = model.scene(model.begun?.scene ?? model.hello?.scene);
    model.ran.add(scene?.steps[message.step]?.id);
    state.done = { ok: message.ok !== false, own_clock: message.own_clock !== false, failed: (Array.isArray(message.failed) ? message.failed : []).map(String) };
    add_points(model, state, message.step);
    model.touch('step');
  },
  problem(model, message) {
    for (const state of model.step_state.values()) {
      if (state.running !== null && state.running === message.request) state.running = null;
    }
    model.touch('step');
    model.complain(message.sentence);
  },
};

const page_key = (at) => `${at.node}/${at.process}/${at.segment}/${at.page}`;

/** A run of a step with a plot is a point of each of its curves; curves are drawn with the other parameters as they were in the last run. */
function add_points(model, state, index) {
  const scene = model.scene(model.begun?.scene ?? model.hello?.scene);
  const plot = scene?.steps[index]?.plot;
  if (!plot) return;
  const others = JSON.stringify(Object.entries(state.used ?? {}).filter(([name]) => name !== plot.x));
  state.others = others;
  for (const [curve, { command }] of list(plot.of).entries()) {
    const { answer, command: given } = state.answers.find((entry) => entry.number === command) ?? {};
    const y = answer?.[plot.y];
    const x = state.used?.[plot.x] ?? given?.[plot.x];
    if (!is_number(x) || !is_number(y)) continue;
    state.points = state.points.filter((point) => point.curve !== curve || point.x !== x || point.others !== others);
    state.points.push({ curve, x, y, others });
  }
}
