// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// One chosen node: its processes with the pages of their memory, and its network interface.

const PAGES_SHOWN_MOST = 256;  // of one segment
const WRITE_SHOWN_MS = 1500;
const PAGE_BYTES = 4096;

class NodeCard {
  constructor(root, side) {
    this.root = root;
    this.side = side;
    this.nic = new NicDiagram(side === 1);
    this.title = el('h2');
    this.summary = el('span', { class: 'dim' });
    this.processes = el('div', { class: 'processes' });
    this.last = el('p', { class: 'node-last' });
    root.append(el('div', { class: 'card-head' }, this.title, this.summary), this.processes, el('div', { class: 'nic-frame' }, this.nic.root), this.last);
  }

  get node() {
    return app.view.nodes[this.side];
  }

  update() {
    const { snapshot } = app.model;
    const node = this.node;
    set_text(this.title, `Node ${node}`);
    this.root.dataset.node = node;
    const processes = list(snapshot?.processes).filter((process) => process.node === node);
    const runs = (name) => list(snapshot?.[name]).filter((run) => run.node === node).reduce((sum, run) => sum + (run.count ?? 0), 0);
    set_text(this.summary, snapshot ? `outgoing ${plural(runs('outgoing_pages'), 'page')} · incoming ${plural(runs('incoming_pages'), 'page')}` : '');
    const boxes = processes.map((process) => this.process_box(process));
    const ended = app.model.actors.filter((actor) => actor.node === node && actor.state === 'ended').map((actor) =>
      el('div', { class: 'process ended', data: { processEnded: actor.name } }, el('b', { text: actor.name }), ` ✕ ended: ${actor.how ?? ''}`));
    if (boxes.length + ended.length === 0) boxes.push(el('p', { class: 'dim empty', text: 'No process is attached here.' }));
    update_children(this.processes, ...boxes, ...ended);
  }

  process_box(process) {
    const id = process.process;
    const name = app.model.actor_name(this.node, id);
    const queue = process.send_queue ?? {};
    const head = el('div', { class: 'process-head' }, el('b', { text: name ?? `process ${id}` }),
      el('span', { class: 'dim', text: `process ${id} · pid ${process.pid ?? '?'}` }), el('span', { class: 'spacer' }),
      el('span', { class: `queue${queue.depth ? ' waiting' : ''}`, data: { queue: queue.depth ?? 0 }, text: `send queue ${queue.depth ?? 0}`, title: `${queue.published ?? 0} taken on, ${queue.completed ?? 0} completed` }));
    if (process.notifications?.queued) head.append(el('span', { class: 'queue waiting', text: `✉ ${process.notifications.queued}` }));
    const mine = (items) => list(items).filter((item) => item.node === this.node && item.process === id);
    const { snapshot } = app.model;
    return el('div', { class: 'process', data: { process: id } }, head,
      ...list(process.segments).map((segment) => this.segment_row(id, segment, mine(snapshot.exports), mine(snapshot.bindings))),
      ...mine(snapshot.imports).map((item) => proxy_row(item)),
      ...mine(snapshot.bindings).map((item) => binding_row(item)));
  }

  segment_row(process, segment, exports, bindings) {
    const owners = new Map();
    for (const one of exports) {
      for (const extent of list(one.extents)) {
        if (extent.segment !== segment.segment) continue;
        for (let page = extent.first_page; page < extent.first_page + extent.pages && page < PAGES_SHOWN_MOST; page++) owners.set(page, one);
      }
    }
    const bound = new Map();
    for (const one of bindings) {
      if (one.segment !== segment.segment || !is_number(one.page)) continue;
      for (let page = one.page; page < one.page + pages_in(one) && page < PAGES_SHOWN_MOST; page++) bound.set(page, one);
    }
    const shown = Math.min(segment.pages ?? 0, PAGES_SHOWN_MOST);
    const grid = el('div', { class: 'pages', role: 'group', 'aria-label': `Pages of segment ${segment.segment}; arrows go from page to page`, on: { keydown: go_along_pages } });
    for (let page = 0; page < shown; page++) grid.append(this.page_button(process, segment.segment, page, owners.get(page), bound.get(page)));
    const buffers = [...new Set(owners.values())].map((one) => `buffer ${one.buffer} (${one.access})`);
    const names = [...buffers, ...[...new Set(bound.values())].map((one) => `binding ${one.binding}`)].join(', ');
    const label = `memory, segment ${segment.segment}${names ? ` · ${names}` : ''}${shown < segment.pages ? ` · ${shown} of ${number_text(segment.pages)} pages` : ''}`;
    return el('div', { class: 'memory-row' }, el('span', { class: 'row-label', text: label }), grid);
  }

  page_button(process, segment, page, owner, binding) {
    const node = this.node;
    const at = { node, process, segment, page };
    const looked = app.is_looked_at(at);
    const imported = owner && list(owner.importers).length > 0;
    const state = owner ? (imported ? 'imported' : 'exported') : 'plain';
    const words = `Page ${page} of segment ${segment}${owner ? `: buffer ${owner.buffer}, exported${imported ? ` and imported by ${list(owner.importers).map((one) => who(one.node, one.process)).join(', ')}` : ''}` : ''}${binding ? `: bound, binding ${binding.binding}; a store here is sent` : ''}`;
    return el('button', { type: 'button', class: 'page', title: words, 'aria-label': words, 'aria-pressed': looked,
      tabindex: page === 0 ? 0 : -1, text: binding ? 'B' : owner ? (imported ? 'I' : 'E') : '', on: { click: () => app.toggle_look(at) },
      data: { page: `${node}/${process}/${segment}/${page}`, state, buffer: owner?.buffer ?? '', ...(binding ? { bound: binding.binding } : {}), focus: `page-${node}/${process}/${segment}/${page}` } });
  }

  /** Every frame: lights, and pages that have just been written. */
  draw(now) {
    this.nic.draw(this.node, now);
    this.draw_writes(now);
    const { last_record: record } = app.stage;
    if (record && record.node === this.node && record !== this.shown) {
      this.shown = record;
      set_text(this.last, sentence_of(record));
    }
  }

  draw_writes(now) {
    const fresh = new Map();
    for (const one of list(app.model.snapshot?.exports)) {
      if (one.node !== this.node) continue;
      for (const write of app.stage.writes.get(`${one.node}/${one.process}/${one.buffer}`) ?? []) {
        if (now - write.at > WRITE_SHOWN_MS) continue;
        for (const place of pages_of_write(one, write)) fresh.set(`${one.node}/${one.process}/${place.segment}/${place.page}`, true);
      }
    }
    for (const page of this.processes.querySelectorAll('.page[data-written]')) if (!fresh.has(page.dataset.page)) delete page.dataset.written;
    if (fresh.size === 0) return;
    for (const page of this.processes.querySelectorAll('.page')) if (fresh.has(page.dataset.page)) page.dataset.written = 'yes';
  }
}

/** The pages of its exporter's segments that a write to a buffer has reached. */
function pages_of_write(one, write) {
  const start = (one.page_offset ?? 0) + write.offset;
  const first = Math.floor(start / PAGE_BYTES);
  const last = Math.floor((start + Math.max(1, write.length) - 1) / PAGE_BYTES);
  const places = [];
  let before = 0;
  for (const extent of list(one.extents)) {
    for (let page = Math.max(first, before); page <= Math.min(last, before + extent.pages - 1); page++) {
      places.push({ segment: extent.segment, page: extent.first_page + page - before });
    }
    before += extent.pages;
  }
  return places;
}

/** A grid of pages is one stop of the Tab key; arrows go on from there. */
function go_along_pages(event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.matches('.page')) return;
  event.preventDefault();
  event.stopPropagation();
  const pages = [...event.currentTarget.children];
  pages[clamp(pages.indexOf(event.target) + step, 0, pages.length - 1)].focus();
}

function cells(count, letter, state) {
  const shown = Math.min(count ?? 0, 64);
  return el('div', { class: 'pages' }, ...Array.from({ length: shown }, () => el('span', { class: 'page', text: letter, data: { state } })),
    shown < count ? el('span', { class: 'dim', text: ` of ${count}` }) : null);
}

function proxy_row(item) {
  const whose = item.exporter ? `buffer ${item.buffer ?? '?'} of ${who(item.exporter.node, item.exporter.process)}` : 'nobody any more';
  const gone = !String(item.state).startsWith('granted');
  return el('div', { class: `memory-row${gone ? ' gone' : ''}`, data: { proxy: item.slot, state: item.state } },
    el('span', { class: 'row-label', text: `proxy ${item.slot} → ${whose}${gone ? ` · ✕ ${words_of(item.state)}` : item.state === 'granted_to_host' ? ' · host executor' : ''}` }),
    cells(item.pages, gone ? '✕' : 'P', gone ? 'gone' : 'proxy'));
}

function binding_row(item) {
  const combining = item.combining === 'timer' ? `timer ${time_text(item.timer_ns)}` : item.combining;
  return el('div', { class: 'memory-row', data: { binding: item.binding } },
    el('span', { class: 'row-label', text: `binding ${item.binding} → ${item.exporter ? `buffer ${item.buffer} of ${who(item.exporter.node, item.exporter.process)}` : 'nobody'} · ${item.capture} · combining ${combining}` }),
    is_number(item.segment) ? null : cells(pages_in(item), 'B', 'bound'));
}

const pages_in = (binding) => Math.ceil((binding.bytes ?? 0) / PAGE_BYTES);
