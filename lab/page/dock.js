// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Below the scene: counters that have changed, errors, the actors' processes, free play.

const DOCK_TABS = { counters: 'Counters', errors: 'Errors', actors: 'Actors', play: 'Free play' };
const COUNTERS_SHOWN_MOST = 200;

class Dock {
  constructor() {
    this.tabs = $('dock-tabs');
    this.body = $('dock-body');
    this.free_play = new FreePlay();
    tab_keys(this.tabs);
  }

  update() {
    const errors = list(app.model.snapshot?.errors);
    const counts = { errors: errors.length, actors: app.model.actors.length };
    update_children(this.tabs, ...Object.entries(DOCK_TABS).map(([name, label]) => {
      const chosen = app.view.dock === name;
      const badge = counts[name] ? el('span', { class: `badge${name === 'errors' ? ' bad' : ''}`, text: counts[name] }) : null;
      return el('button', { type: 'button', role: 'tab', id: `dock-${name}`, 'aria-selected': chosen, 'aria-controls': 'dock-body', tabindex: chosen ? 0 : -1, data: { dock: name }, on: { click: () => app.choose_dock(name) } },
        name === 'errors' && errors.length ? icon('error') : null, label, badge);
    }));
    set_attribute(this.body, 'role', 'tabpanel');
    set_attribute(this.body, 'aria-labelledby', `dock-${app.view.dock}`);
    if (app.view.dock === 'play') {
      this.free_play.update(this.body);
      return;
    }
    const parts = { counters: () => this.counters(), errors: () => this.errors(errors), actors: () => this.actors() }[app.view.dock]();
    update_children(this.body, ...parts);
  }

  counters() {
    const changes = counter_changes(app.model.baseline, app.model.snapshot);
    if (changes.length === 0) return [el('p', { class: 'dim empty', text: 'No counter has changed since the step was begun.' })];
    const rows = changes.slice(0, COUNTERS_SHOWN_MOST).map((change) => el('tr', { data: { counter: change.key, grown: change.by, value: change.value } },
      el('td', { text: change.who }), el('td', { text: words_of(change.name) }), el('td', { class: 'number', text: `+${number_text(change.by)}` }), el('td', { class: 'number dim', text: number_text(change.value) })));
    return [el('table', { id: 'counters' }, el('thead', {}, el('tr', {}, ...['Of', 'Counter', 'Change', 'Total'].map((text) => el('th', { scope: 'col', text })))), el('tbody', {}, ...rows))];
  }

  errors(errors) {
    if (errors.length === 0) return [el('p', { class: 'dim empty', text: 'No errors.' })];
    const rows = errors.slice(0, ERRORS_MOST).map((error) => el('li', { class: 'error', data: { error: error.status, what: error.what, count: error.count } }, icon('error'),
      el('div', {}, el('b', { text: `${error.status} ` }), el('span', { text: error.what ?? '' }), el('span', { class: 'count', text: ` × ${number_text(error.count)}` }),
        el('div', { text: error.sentence ?? '' }), el('div', { class: 'dim', text: `${who(error.node, error.process)}${error.peer ? `, with ${who(error.peer.node, error.peer.process)}` : ''}${is_number(error.buffer) ? `, buffer ${error.buffer}` : ''}` }))));
    const lost = app.model.snapshot.errors_not_kept;
    return [el('ul', { id: 'errors', class: 'errors' }, ...rows), lost ? el('p', { class: 'dim', text: `${plural(lost, 'further error')} not kept` }) : null];
  }

  actors() {
    if (app.model.actors.length === 0) return [el('p', { class: 'dim empty', text: 'No actors.' })];
    const may = app.connection === 'open' && !app.replaying;
    const rows = app.model.actors.map((actor) => {
      const ended = actor.state === 'ended';
      return el('tr', { data: { actor: actor.name, state: actor.state } }, el('td', {}, el('b', { text: actor.name })), el('td', { text: at_node(actor.node), title: who(actor.node, actor.process) }),
        el('td', { text: ended ? `✕ ended${actor.how ? `: ${actor.how}` : ''}` : `● running${actor.busy ? `, ${plural(actor.busy, 'command')} under way` : ''}` }),
        el('td', { class: 'number' }, el('button', { type: 'button', disabled: !may, text: ended ? 'Restart' : 'Kill', class: ended ? '' : 'danger', 'aria-label': `${ended ? 'Restart' : 'Kill'} ${actor.name}`, data: { act: ended ? 'restart' : 'kill', focus: `actor-${actor.name}` },
          on: { click: () => app.send({ type: ended ? 'restart' : 'kill', actor: actor.name }) } })));
    });
    return [el('table', { id: 'actors' }, el('thead', {}, el('tr', {}, ...['Actor', 'Where', 'State', ''].map((text) => el('th', { scope: 'col', text })))), el('tbody', {}, ...rows))];
  }
}

/** What has grown between two snapshots: [{key, who, name, by, value}], by process, then the hardware of each node. */
function counter_changes(before, now) {
  if (!now) return [];
  const changes = [];
  const compare = (key, label, old, counters) => {
    for (const [name, value] of Object.entries(counters ?? {})) {
      const by = value - (old?.[name] ?? 0);
      if (is_number(by) && by !== 0) changes.push({ key: `${key}/${name}`, who: label, name, by, value });
    }
  };
  for (const process of list(now.processes)) {
    const old = list(before?.processes).find((one) => one.node === process.node && one.process === process.process && one.pid === process.pid);
    compare(`${process.node}/${process.process}`, app.model.actor_name(process.node, process.process) ?? who(process.node, process.process), old?.counters, process.counters);
  }
  for (const node of list(now.hardware)) {
    compare(`${node.node}`, at_node(node.node), list(before?.hardware).find((one) => one.node === node.node)?.counters, node.counters);
  }
  return changes;
}

/** Problems and answers of the connection, over everything until they are put away; none blocks. */
function update_notices() {
  const notices = app.model.problems.slice(-3).map((problem) => el('div', { class: 'notice bad', role: 'alert', data: { problem: problem.count } }, icon('error'), el('span', { text: problem.sentence }),
    problem.count > 1 ? el('span', { class: 'count', text: `× ${problem.count}` }) : null,
    el('button', { type: 'button', class: 'small', text: '×', 'aria-label': 'Put this message away', on: { click: () => app.dismiss(problem) } })));
  replace_children($('notices'), ...notices);
}
