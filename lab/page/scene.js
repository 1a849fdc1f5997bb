// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// The scene's panel: predict, run, explain; what each command has answered; the plot.

const ANSWERS_SHOWN_MOST = 60;

class ScenePanel {
  constructor() {
    this.root = $('scene');
    this.sweep = [];
  }

  get scene() {
    return app.model.scene(app.view.scene);
  }

  get state() {
    return app.model.step_of(app.view.scene, app.view.step);
  }

  get step() {
    return this.scene?.steps[app.view.step] ?? null;
  }

  get is_begun() {
    return app.model.begun?.scene === app.view.scene && app.model.begun.ok;
  }

  update() {
    const { scene } = this;
    set_text($('scene-number'), scene?.number || (scene ? '∞' : '–'));
    set_text($('scene-title'), scene?.title ?? 'VMMC lab');
    document.title = scene ? `${scene.title} – VMMC lab` : 'VMMC lab';
    if (!scene) {
      replace_children(this.root, el('h2', { text: 'Welcome' }), el('p', { text: app.model.hello ? 'Choose a scene.' : 'There is no machine to see. Start the lab, or open a run from a file: drop it anywhere on this page.' }));
      return;
    }
    if (this.shown !== `${scene.id}/${app.view.step}`) {
      this.shown = `${scene.id}/${app.view.step}`;
      this.root.scrollTop = 0;
    }
    replace_children(this.root, el('p', { class: 'learn', text: scene.learn ?? '' }), scene.explain ? el('p', { text: scene.explain }) : null, ...this.not_begun(), this.step_list(), ...this.step_parts());
    $('panel').classList.toggle('free', scene.steps.length === 0);
    this.reveal();
    this.continue_sweep();
  }

  /** When a run is done: what is to be looked at now comes into view. */
  reveal() {
    const { done } = this.state;
    if (done === this.revealed) return;
    this.revealed = done;
    if (done) ($('plot-card') ?? $('explain'))?.scrollIntoView({ block: 'nearest', behavior: app.reduced_motion ? 'auto' : 'smooth' });
  }

  not_begun() {
    if (this.is_begun || app.replaying) return [];
    const sentence = app.model.begun?.scene === app.view.scene ? app.model.begun.sentence : null;
    return [el('div', { class: 'card', id: 'scene-not-begun' }, el('span', { text: sentence ?? 'The processes of this scene are not running yet.' }),
      el('button', { type: 'button', id: 'begin-scene', text: 'Begin the scene', on: { click: () => app.begin(app.view.scene) } }))];
  }

  step_list() {
    const { steps } = this.scene;
    if (steps.length === 0) return null;
    const tabs = steps.map((step, index) => {
      const state = app.model.step_of(this.scene.id, index);
      const chosen = index === app.view.step;
      return el('button', { type: 'button', role: 'tab', id: `step-tab-${index}`, 'aria-selected': chosen, title: step.title ?? null, tabindex: chosen ? 0 : -1, data: { step: step.id ?? index }, on: { click: () => app.choose_step(index) } },
        el('span', { class: 'badge', text: state.done ? '✓' : index + 1 }), el('span', { class: 'step-name', text: step.title ?? step.id ?? `Step ${index + 1}` }));
    });
    const bar = el('div', { class: 'steps', role: 'tablist', 'aria-label': 'Steps of the scene' }, ...tabs);
    tab_keys(bar);
    return bar;
  }

  step_parts() {
    const { step, state } = this;
    if (!step) return [];
    return [this.predict_part(step, state), this.run_part(step, state), this.plot_part(step, state), this.explain_part(step, state), this.answers_part(state)];
  }

  predict_part(step, state) {
    if (!step.predict) return null;
    const choices = [...(step.predict.choices ?? []), 'I do not know'];
    const revealed = state.done !== null;
    const options = choices.map((text, index) => {
      const right = index === step.predict.answer;
      const verdict = revealed && right ? 'right' : revealed && state.guess === index ? 'wrong' : '';
      return el('label', { class: `choice ${verdict}`, data: { choice: index, verdict } },
        el('input', { type: 'radio', name: 'guess', value: index, checked: state.guess === index, disabled: revealed || state.running !== null, data: { focus: `guess-${index}` }, on: { change: () => this.guess(index) } }),
        el('span', { class: 'letter', text: String.fromCharCode(65 + index) }), el('span', { class: 'choice-text', text: String(text) }),
        verdict === 'right' ? icon('check') : verdict === 'wrong' ? el('span', { class: 'verdict', text: '✕' }) : null);
    });
    return el('section', { class: 'card', id: 'predict', data: { revealed } }, el('h3', {}, el('span', { class: 'phase', text: '1' }), 'Predict'), el('p', { text: step.predict.question ?? '' }), el('div', { role: 'radiogroup', 'aria-label': 'Your prediction' }, ...options));
  }

  guess(index) {
    const { step, state } = this;
    if (!step?.predict || state.done || state.running !== null || index > (step.predict.choices ?? []).length) return;
    state.guess = index;
    app.model.touch('step');
    app.redraw();
  }

  run_part(step, state) {
    const sliders = list(step.parameters).map((parameter) => this.slider(parameter, state));
    const may = this.may_run();
    const label = state.running !== null ? 'Running …' : state.done ? 'Run again' : 'Run';
    const hint = app.replaying ? 'In a replayed run nothing can be run.' : !may && step.predict && state.guess === null ? 'Predict first: then run.' : this.order_hint(step);
    const x = step.plot && list(step.parameters).find((parameter) => parameter.name === step.plot.x);
    return el('section', { class: 'card', id: 'run-card' }, el('h3', {}, el('span', { class: 'phase', text: step.predict ? 2 : 1 }), 'Run'), ...sliders,
      el('div', { class: 'row' }, el('button', { type: 'button', id: 'run-step', class: 'primary', disabled: !may, 'aria-busy': state.running !== null, text: label, on: { click: () => this.run() } }),
        x ? el('button', { type: 'button', id: 'run-all', disabled: !may, title: `Every value of ${x.label ?? x.name}, one after the other`, text: `Run all ${x.values.length} values`, on: { click: () => this.run_all(x) } }) : null,
        el('span', { class: 'dim', id: 'run-hint', text: hint })),
      state.done ? el('div', { id: 'step-verdict', class: `verdict-line ${state.done.ok ? 'good' : 'bad'}`, data: { ok: state.done.ok }, role: 'status' }, icon(state.done.ok ? 'check' : 'error'),
        el('span', { text: this.verdict(state.done) })) : null);
  }

  verdict({ ok, own_clock, failed }) {
    if (!ok) return `Not as expected: ${failed.join(' ')}`;
    if (own_clock || failed.length === 0) return 'As the scene expects.';
    return `The scene's figures are for its own clock. With this one: ${failed.join(' ')}`;
  }

  /** A step may be run in any order; but it was written to follow others, or for once. */
  order_hint(step) {
    if (step.once && app.model.ran.has(step.id)) return 'Written to be run once: begin the scene anew to see the same again.';
    const titles = list(step.after).filter((id) => !app.model.ran.has(id)).map((id) => this.scene?.steps.find((one) => one.id === id)?.title ?? id);
    return titles.length ? `Comes after: ${titles.join(', ')}.` : '';
  }

  slider(parameter, state) {
    const values = Array.isArray(parameter.values) && parameter.values.length ? parameter.values : [0];
    const value = this.value_of(parameter, state);
    const output = el('output', { text: is_number(value) ? number_text(value) : words_of(value) });
    const input = el('input', { type: 'range', min: 0, max: values.length - 1, step: 1, value: Math.max(0, values.indexOf(value)), 'aria-label': parameter.label ?? parameter.name, 'aria-valuetext': String(value), data: { parameter: parameter.name, focus: `parameter-${parameter.name}` } });
    input.addEventListener('input', () => {
      const chosen = values[Number(input.value)];
      state.parameters[parameter.name] = chosen;
      set_text(output, is_number(chosen) ? number_text(chosen) : words_of(chosen));
      set_attribute(input, 'aria-valuetext', chosen);
    });
    return el('label', { class: 'parameter' }, el('span', { text: parameter.label ?? words_of(parameter.name) }), input, output);
  }

  value_of(parameter, state) {
    return state.parameters[parameter.name] ?? parameter.initial ?? parameter.values?.[0];
  }

  may_run() {
    const { step, state } = this;
    return Boolean(step) && !app.replaying && this.is_begun && app.connection === 'open' && state.running === null && (!step.predict || state.guess !== null);
  }

  run() {
    if (!this.may_run()) return;
    const { step, state } = this;
    const parameters = Object.fromEntries(list(step.parameters).map((parameter) => [parameter.name, this.value_of(parameter, state)]));
    state.running = app.next_request();
    state.used = parameters;
    app.model.baseline = app.model.snapshot;
    app.stage.set_mark();
    app.send({ type: 'step', request: state.running, step: app.view.step, parameters });
    app.model.touch('step', 'snapshot');
  }

  run_all(parameter) {
    if (!this.may_run()) return;
    this.sweep = parameter.values.map((value) => ({ scene: app.view.scene, step: app.view.step, name: parameter.name, value }));
    this.continue_sweep();
  }

  continue_sweep() {
    if (this.sweep.length === 0) return;
    const next = this.sweep[0];
    if (next.scene !== app.view.scene || next.step !== app.view.step || app.connection !== 'open') this.sweep = [];
    else if (this.may_run()) {
      this.sweep.shift();
      this.state.parameters[next.name] = next.value;
      this.run();
    }
  }

  explain_part(step, state) {
    const seen = state.done !== null;
    return el('section', { class: 'card', id: 'explain', data: { revealed: seen } }, el('h3', {}, el('span', { class: 'phase', text: step.predict ? 3 : 2 }), 'Explain'),
      el('p', { class: seen ? '' : 'dim', text: seen ? step.explain ?? '' : 'Comes after the run.' }));
  }

  plot_part(step, state) {
    if (!step.plot) return null;
    const parameter = list(step.parameters).find((one) => one.name === step.plot.x);
    return el('section', { class: 'card', id: 'plot-card' }, plot_legend(step.plot), build_plot(step.plot, state.points.filter((point) => point.others === state.others), parameter?.label ?? words_of(step.plot.x ?? '')));
  }

  answers_part(state) {
    if (state.answers.length === 0) return null;
    const left = state.answers.length - ANSWERS_SHOWN_MOST;
    return el('section', { class: 'card', id: 'answers' }, el('h3', { text: 'What the calls answered' }), el('ol', { class: 'answers' }, ...state.answers.slice(0, ANSWERS_SHOWN_MOST).map(answer_row)),
      left > 0 ? el('p', { class: 'dim', text: `and ${plural(left, 'more answer')}` }) : null);
  }
}

const ANSWER_KNOWN = new Set(['ok', 'call', 'status', 'sentence', 'began_ns', 'took_ns']);

/** One answer of an actor: what was called, how it ended, what came of it. */
function answer_row({ command, answer, number }) {
  const ok = answer.ok !== false && (answer.status === undefined || answer.status === 'OK');
  const details = Object.entries(answer).filter(([name]) => !ANSWER_KNOWN.has(name)).map(([name, value]) => `${words_of(name)} ${detail_text(name, value)}`);
  const status = answer.status ?? (answer.ok === false ? 'not done' : 'done');
  return el('li', { class: `answer ${ok ? 'good' : 'bad'}`, data: { answerNumber: number ?? '', answerStatus: status, answerDo: command.do ?? '' } },
    el('div', { class: 'answer-head' }, icon(ok ? 'check' : 'error'), el('b', { text: command.actor ?? 'stage' }), el('code', { text: answer.call ?? call_text(command) })),
    el('div', { class: 'answer-result' }, el('span', { class: 'status', text: status }), is_number(answer.took_ns) ? el('span', { class: 'dim', text: `took ${time_text(answer.took_ns)}` }) : null,
      ...details.map((text) => el('span', { class: 'detail', text }))),
    answer.sentence ? el('div', { class: 'answer-sentence', text: answer.sentence }) : null);
}

function call_text(command) {
  const rest = Object.entries(command).filter(([name]) => !['do', 'actor'].includes(name)).map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  return `${words_of(command.do ?? '?')}${rest.length ? ` (${rest.join(', ')})` : ''}`;
}

function detail_text(name, value) {
  if (is_number(value)) return name === 'ns' || name.endsWith('_ns') || name.startsWith('ns_') ? time_text(value) : number_text(value);
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.length > 160 ? `${text.slice(0, 160)} …` : text;
}
