// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// The page tables of a node as tables of runs, in a window that goes on living while it is open.

const TABLE_ROWS_MOST = 300;

class Tables {
  constructor() {
    this.dialog = $('table-dialog');
    this.open_table = null;
    this.dialog.addEventListener('close', () => { this.open_table = null; });
  }

  open(table, node) {
    this.open_table = { table, node };
    this.update();
    if (!this.dialog.open) this.dialog.showModal();
  }

  update() {
    if (!this.open_table) return;
    const { table, node } = this.open_table;
    const outgoing = table === 'outgoing';
    const runs = list(app.model.snapshot?.[outgoing ? 'outgoing_pages' : 'incoming_pages']).filter((run) => run.node === node);
    const heads = outgoing ? ['Outgoing pages', 'Process', 'Proxy', 'Access', 'To node', 'Incoming pages there'] : ['Incoming pages', 'Process', 'Buffer', 'Interrupts'];
    const name = (process) => app.model.actor_name(node, process) ?? `process ${process}`;
    const range = (first, count) => (count > 1 ? `${first} – ${first + count - 1}` : `${first}`);
    const cells_of = (run) => (outgoing
      ? [range(run.first, run.count), name(run.process), run.slot, run.access, `node ${run.to_node}`, range(run.first_incoming_page, run.count)]
      : [range(run.first, run.count), name(run.process), run.buffer, run.interrupts ? 'yes' : 'no']);
    const rows = runs.slice(0, TABLE_ROWS_MOST).map((run) => el('tr', { data: { page: run.first, count: run.count, process: run.process } }, ...cells_of(run).map((text) => el('td', { text }))));
    replace_children(this.dialog, dialog_head(`${outgoing ? 'Outgoing' : 'Incoming'} page table of node ${node}`),
      el('p', { class: 'dim', text: outgoing ? 'Where a page of destination space leads. An entry is there because an import was granted.' : 'Which pages of memory the incoming DMA engine may write. An entry is there because a buffer is exported.' }),
      el('table', { data: { table, node } }, el('thead', {}, el('tr', {}, ...heads.map((text) => el('th', { scope: 'col', text })))),
        el('tbody', {}, ...rows, rows.length === 0 ? el('tr', {}, el('td', { colspan: heads.length, class: 'dim', text: 'Empty: nothing is allowed yet.' })) : null)),
      runs.length > TABLE_ROWS_MOST ? el('p', { class: 'dim', text: `${TABLE_ROWS_MOST} of ${runs.length} runs` }) : null);
  }
}

function dialog_head(title) {
  return el('div', { class: 'dialog-head' }, el('h2', { text: title }), el('button', { type: 'button', text: 'Close', data: { focus: 'dialog-close' }, on: { click: (event) => event.target.closest('dialog').close() } }));
}
