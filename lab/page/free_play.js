// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Free play: forms for one call each, a bound page to type into, faults for the next packet.

// Fields: name, label, kind, initial value. `actor` and `from` are choosers of actors, `proxy` and `binding` names that were given.
const PLAY_FORMS = [
  { id: 'export', title: 'Export', fields: [['buffer', 'buffer', 'number', 1], ['pages', 'pages', 'number', 1], ['access', 'access', 'rw|w|r']] },
  { id: 'import', title: 'Import', fields: [['from', 'from', 'actor'], ['buffer', 'buffer', 'number', 1], ['as', 'as', 'text', 'p1'], ['access', 'access', 'w|rw|r']] },
  { id: 'send', title: 'Send', fields: [['proxy', 'proxy', 'text', 'p1'], ['offset', 'at', 'number', 0], ['text', 'text', 'text', 'Hello']] },
  { id: 'send-bytes', title: 'Send bytes', command: 'send', fields: [['proxy', 'proxy', 'text', 'p1'], ['offset', 'at', 'number', 0], ['bytes', 'bytes', 'number', 4096]] },
  { id: 'send-outside', title: 'Send out of bounds', command: 'send', fields: [['proxy', 'proxy', 'text', 'p1'], ['offset', 'at', 'number', 4092], ['bytes', 'bytes', 'number', 64]] },
  { id: 'bind', title: 'Bind', fields: [['proxy', 'proxy', 'text', 'p1'], ['as', 'as', 'text', 'b1'], ['pages', 'pages', 'number', 1], ['capture', 'capture', 'trap|typed|shared'], ['combining', 'combining', 'timer|block|single|off']] },
];
const FAULTS = [['drop', 'Drop'], ['corrupt', 'Corrupt'], ['delay', 'Delay']];

class FreePlay {
  constructor() {
    this.typed = 0;
    this.chosen = new Map();  // form -> actor
    this.values = new Map();  // the fields' values, as they were left
    this.answers = el('ol', { class: 'answers', id: 'play-answers' });
    this.shape = '';
  }

  update(body) {
    const names = app.model.actors.map((actor) => actor.name);
    const shape = `${names.join()}/${app.connection}/${app.replaying}`;
    if (this.shape !== shape || !body.contains(this.answers)) {
      this.shape = shape;
      this.build(body, names);
    }
    this.answers.replaceChildren(...app.model.play_answers.map(answer_row));
  }

  build(body, names) {
    if (app.replaying || app.connection !== 'open') {
      replace_children(body, el('p', { class: 'dim empty', text: 'Free play needs a running machine.' }), this.answers);
      return;
    }
    if (names.length === 0) {
      replace_children(body, el('p', { class: 'dim empty', text: 'No actors are running.' }), el('button', { type: 'button', id: 'begin-free-play', text: 'Begin free play', on: { click: () => app.choose_scene('free-play') } }), this.answers);
      return;
    }
    replace_children(body, ...PLAY_FORMS.map((form) => this.form(form, names)), this.typing(names), this.faults(), el('h3', { text: 'Answers' }), this.answers);
  }

  form(form, names) {
    const root = el('form', { class: 'play', data: { play: form.id } });
    root.append(el('b', { text: form.title }), this.actor_chooser(`${form.id}-actor`, 'actor', names, form.id === 'export' ? names[names.length - 1] : names[0]),
      ...form.fields.map((field) => this.field(form, field, names)), el('button', { type: 'submit', text: form.title }));
    root.addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit(form, root);
    });
    return root;
  }

  remember(key, input) {
    if (this.values.has(key)) input.value = this.values.get(key);
    input.addEventListener('input', () => this.values.set(key, input.value));
    return input;
  }

  actor_chooser(key, label, names, initial) {
    const select = el('select', { name: label, 'aria-label': label, data: { focus: key } }, ...names.map((name) => el('option', { value: name, text: name })));
    select.value = initial;
    return el('label', {}, el('span', { text: label }), this.remember(key, select));
  }

  field(form, [name, label, kind, initial], names) {
    const key = `${form.id}-${name}`;
    if (kind === 'actor') return this.actor_chooser(key, name, names, names[names.length - 1]);
    const options = kind.includes('|') ? kind.split('|') : null;
    const input = options ? el('select', { name, data: { focus: key } }, ...options.map((text) => el('option', { value: text, text })))
      : el('input', { name, type: kind, value: initial, size: kind === 'number' ? 5 : 7, min: 0, maxlength: 256, required: true, data: { focus: key } });
    return el('label', {}, el('span', { text: label }), this.remember(key, input));
  }

  submit(form, root) {
    const data = new FormData(root);
    const command = { do: form.command ?? form.id };
    for (const [name, , kind] of form.fields) command[name] = kind === 'number' ? Number(data.get(name)) : data.get(name);
    this.send(data.get('actor'), command);
  }

  send(actor, command) {
    if (command.do !== 'store') app.stage.set_mark();
    app.send({ type: 'play', request: app.next_request(), actor, command });
  }

  /** A bound page to type into: each key is a store. */
  typing(names) {
    const binding = this.remember('typing-binding', el('input', { value: 'b1', size: 6, 'aria-label': 'binding', data: { focus: 'typing-binding' } }));
    const chooser = this.actor_chooser('typing-actor', 'actor', names, names[0]);
    const area = el('textarea', { rows: 2, id: 'typing', placeholder: 'Type here: each key is a store to the bound page', 'aria-label': 'Type into a bound page', data: { focus: 'typing' } });
    area.addEventListener('beforeinput', (event) => {
      const text = event.inputType === 'insertLineBreak' ? '\n' : event.data ?? '';
      const offset = area.selectionStart;
      if (!/^[\x20-\x7e\n]{1,64}$/.test(text)) {
        if (text) event.preventDefault();
        return;
      }
      if (offset + text.length > PAGE_BYTES) event.preventDefault();
      else this.send(chooser.querySelector('select').value, { do: 'store', binding: binding.value, offset, text });
    });
    return el('div', { class: 'play', data: { play: 'typing' } }, el('b', { text: 'Type into a bound page' }), chooser, el('label', {}, el('span', { text: 'binding' }), binding), area);
  }

  faults() {
    const nodes = ['any', ...Array.from({ length: app.model.nodes }, (_, node) => String(node))];
    const chooser = (key, label) => {
      const select = this.remember(key, el('select', { 'aria-label': `${label} node`, data: { focus: key } }, ...nodes.map((text) => el('option', { value: text, text }))));
      return { select, root: el('label', {}, el('span', { text: label }), select) };
    };
    const from = chooser('fault-from', 'from');
    const to = chooser('fault-to', 'to');
    const delay = this.remember('fault-delay', el('input', { type: 'number', value: 1000000, min: 1, size: 8, 'aria-label': 'delay in ns', data: { focus: 'fault-delay' } }));
    const node_of = (select) => (select.value === 'any' ? null : Number(select.value));
    const buttons = FAULTS.map(([action, label]) => el('button', { type: 'button', text: label, data: { fault: action, focus: `fault-${action}` },
      on: { click: () => app.send({ type: 'fault', action, from: node_of(from.select), to: node_of(to.select), skip: 0, ...(action === 'delay' ? { delay_ns: Number(delay.value) } : {}) }) } }));
    return el('div', { class: 'play', data: { play: 'faults' } }, el('b', { text: 'The next packet' }), from.root, to.root, el('label', {}, el('span', { text: 'delay ns' }), delay), ...buttons);
  }
}
