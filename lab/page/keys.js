// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// The keyboard: everything can be done without a mouse. And the windows that list the scenes and the keys.

const KEYS = [
  ['Space', 'play or pause', [' '], () => app.transport.toggle()],
  ['n or →', 'one packet on', ['n', 'ArrowRight'], () => app.transport.step()],
  ['s', 'slow motion', ['s'], () => app.transport.set('slow')],
  ['p', 'full speed', ['p'], () => app.transport.set('full')],
  ['1 … 9, 0', 'scene 1 … 9, 10', [...'1234567890'], (key) => app.choose_scene_number(key === '0' ? 10 : Number(key))],
  ['[ and ]', 'the scene before, the next scene', ['[', ']'], (key) => app.choose_scene_beside(key === '[' ? -1 : 1)],
  ['m', 'all scenes', ['m'], () => open_scene_menu()],
  ['< and >', 'the step before, the next step', ['<', '>'], (key) => app.choose_step(app.view.step + (key === '<' ? -1 : 1))],
  ['a … e', 'predict', [...'abcde'], (key) => app.scene_panel.guess(key.charCodeAt(0) - 97)],
  ['r', 'run the step', ['r'], () => app.scene_panel.run()],
  ['v', 'time ruler or memory', ['v'], () => app.choose_below(app.view.below === 'ruler' ? 'memory' : 'ruler')],
  ['x', 'counters, errors, actors, free play', ['x'], () => app.choose_dock_beside()],
  ['z', 'into the time ruler (there: arrows, + −, comma and full stop, 0, f)', ['z'], () => $('ruler-canvas').focus()],
  ['t', 'dark or light', ['t'], () => app.toggle_theme()],
  ['?', 'this list', ['?'], () => open_help()],
  ['Esc', 'closes a window', [], null],
  ['Tab', 'from control to control', [], null],
];
const KEY_ACTIONS = new Map(KEYS.flatMap(([, , keys, action]) => keys.map((key) => [key, action])));

function is_writing(target) {
  return target.matches('textarea, select, input:not([type=range]):not([type=radio]):not([type=file])') || target.isContentEditable;
}

function on_key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || is_writing(event.target)) return;
  if (document.querySelector('dialog[open]')) return;
  const on_control = event.target.matches('button, [role=button], a');
  if (on_control && (event.key === ' ' || event.key === 'Enter')) return;
  if (event.target.matches('input[type=range], input[type=radio]') && /^Arrow| /.test(event.key)) return;
  const action = KEY_ACTIONS.get(event.key);
  if (!action) return;
  event.preventDefault();
  action(event.key);
}

function open_help() {
  const rows = KEYS.map(([keys, what]) => el('tr', {}, el('td', {}, el('kbd', { text: keys })), el('td', { text: what })));
  $('help').replaceChildren(dialog_head('Keys'), el('table', { id: 'keys' }, el('tbody', {}, ...rows)),
    el('p', { class: 'dim', text: 'The address of this page leads to the scene and step that you see. A run can be saved as a file and opened again without a machine.' }));
  $('help').showModal();
}

function open_scene_menu() {
  const items = app.model.scenes.map((scene) => el('li', {}, el('button', { type: 'button', class: 'scene-choice', 'aria-current': scene.id === app.view.scene ? 'true' : null, data: { scene: scene.id },
    on: { click: () => { $('scene-menu').close(); app.choose_scene(scene.id); } } },
  el('span', { class: 'badge', text: scene.number || '∞' }), el('span', {}, el('b', { text: scene.title ?? scene.id }), el('span', { class: 'dim', text: scene.learn ?? '' })))));
  $('scene-menu').replaceChildren(dialog_head('Scenes'), items.length ? el('ul', { class: 'scene-list' }, ...items) : el('p', { class: 'dim', text: 'No machine has told its scenes yet.' }));
  $('scene-menu').showModal();
  $('scene-menu').querySelector('[aria-current]')?.focus();
}
