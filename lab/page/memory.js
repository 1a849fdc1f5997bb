// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Live hex of the pages that are looked at: bytes that have changed are marked, and the mark fades.

const LOOKS_MOST = 4;

class MemoryView {
  constructor() {
    this.root = $('memory');
    this.panes = new Map();  // page key -> Pane
    this.width = 0;
    new ResizeObserver(() => this.resized()).observe(this.root);
  }

  resized() {
    if (this.root.clientWidth === this.width) return;
    this.width = this.root.clientWidth;
    app.model.touch('look');
    app.redraw();
  }

  /** So many bytes a row as fit; a power of two. */
  bytes_per_row(panes) {
    const probe = el('span', { class: 'hex-rows hex-probe', text: '0'.repeat(100) });
    this.root.append(probe);
    const letters = (this.width / Math.max(1, panes) - 48) / (probe.offsetWidth / 100);
    probe.remove();
    return [64, 32, 16, 8].find((count) => count * 3 + count / 8 + count + 7 <= letters) ?? 8;
  }

  /** After the choice of pages, or the width, has changed. */
  rebuild() {
    const keys = app.view.look.map(page_key);
    const wide = this.bytes_per_row(keys.length) >= 16 || keys.length < 2;
    this.root.classList.toggle('stacked', !wide);
    const columns = this.bytes_per_row(wide ? keys.length : 1);
    for (const key of [...this.panes.keys()]) if (!keys.includes(key)) this.panes.delete(key);
    for (const at of app.view.look) {
      const key = page_key(at);
      if (this.panes.get(key)?.columns !== columns) this.panes.set(key, new MemoryPane(at, columns));
    }
    if (keys.length === 0) {
      this.root.replaceChildren(el('p', { class: 'dim empty', text: 'Click on a page of a process: here you see its bytes, live.' }));
      return;
    }
    replace_children(this.root, ...keys.map((key) => this.panes.get(key).root));
    this.update();
  }

  update() {
    for (const [key, pane] of this.panes) {
      const page = app.model.pages.get(key);
      if (page && page.generation !== pane.generation) pane.show(page);
    }
  }
}

class MemoryPane {
  constructor(at, columns) {
    this.at = at;
    this.columns = columns;
    this.rows = [];
    this.hex = null;
    this.generation = null;
    this.body = el('div', { class: 'hex-rows', tabindex: 0, role: 'group', 'aria-label': 'Bytes' });
    this.note = el('span', { class: 'dim', text: 'waiting for its bytes …' });
    const name = app.model.actor_name(at.node, at.process);
    const close = el('button', { type: 'button', class: 'small', text: '×', 'aria-label': 'Do not look at this page any more', on: { click: () => app.toggle_look(at) } });
    this.root = el('div', { class: 'hex', data: { hex: page_key(at) } }, el('div', { class: 'hex-head' },
      el('b', { text: `Node ${at.node} · ${name ?? `process ${at.process}`}` }), el('span', { text: `segment ${at.segment}, page ${at.page}` }), this.note, el('span', { class: 'spacer' }), close), this.body);
  }

  show(page) {
    const before = this.hex;
    this.hex = page.hex;
    this.generation = page.generation;
    const bytes = page.hex.length / 2;
    const count = Math.ceil(bytes / this.columns);
    if (this.rows.length !== count) this.build(count);
    const width = this.columns * 2;
    let changed = 0;
    let first = null;
    for (let row = 0; row < count; row++) {
      const now = page.hex.slice(row * width, row * width + width);
      const then = before === null ? null : before.slice(row * width, row * width + width);
      if (now === then) continue;
      const marks = this.show_row(row, now, then);
      changed += marks;
      if (marks > 0) first ??= row;
    }
    this.root.dataset.changed = changed;
    set_text(this.note, before === null ? '' : `${plural(changed, 'byte')} changed`);
    if (first !== null) this.reveal(first);
  }

  build(count) {
    this.rows = Array.from({ length: count }, (_, row) => el('div', { class: 'hex-row', data: { row } }));
    this.body.replaceChildren(...this.rows);
  }

  /** A row: place, bytes, the same as text. @returns how many bytes have changed */
  show_row(row, now, then) {
    const digits = document.createDocumentFragment();
    const text = document.createDocumentFragment();
    let marks = 0;
    let run = ['', '', false];
    const close = () => {
      if (run[0]) digits.append(run[2] ? el('mark', { text: run[0] }) : run[0]);
      if (run[1]) text.append(run[2] ? el('mark', { text: run[1] }) : run[1]);
    };
    for (let i = 0; i < now.length; i += 2) {
      const byte = now.slice(i, i + 2);
      const fresh = then !== null && then.slice(i, i + 2) !== byte;
      if (fresh) marks++;
      if (fresh !== run[2]) {
        close();
        run = ['', '', fresh];
      }
      const code = parseInt(byte, 16);
      run[0] += byte + (i % 16 === 14 ? '  ' : ' ');
      run[1] += code >= 32 && code < 127 ? String.fromCharCode(code) : '·';
    }
    close();
    const line = this.rows[row];
    line.dataset.bytes = now;
    line.classList.toggle('zero', /^0*$/.test(now));
    line.replaceChildren(el('span', { class: 'hex-place', text: (row * this.columns).toString(16).padStart(3, '0') }), el('span', { class: 'hex-bytes' }, digits), el('span', { class: 'hex-text' }, text));
    return marks;
  }

  reveal(row) {
    const top = this.rows[row].offsetTop - this.body.offsetTop;
    if (top < this.body.scrollTop || top > this.body.scrollTop + this.body.clientHeight - 20) this.body.scrollTop = Math.max(0, top - 20);
  }
}
