// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// The network interface of a node as a diagram: memory bus on one side, backplane on the other. Parts light up when a record names them.

const NIC_WIDTH = 420;
const NIC_HEIGHT = 178;
// Engine: x, y, width, the lines of its name. The right-hand node is drawn as in a mirror, so that both backplane sides face the mesh.
const NIC_PARTS = {
  processor: [4, 6, 86, ['Processor']],
  snoop_logic: [4, 50, 86, ['Snoop logic']],
  outgoing_page_table: [102, 28, 86, ['Outgoing', 'page table']],
  deliberate_update_engine: [102, 72, 86, ['Delib. update', 'engine']],
  packetizer: [200, 50, 86, ['Packetizer']],
  outgoing_fifo: [298, 50, 86, ['Outgoing', 'FIFO']],
  notification: [4, 136, 86, ['Notification']],
  incoming_dma_engine: [102, 136, 86, ['Incoming', 'DMA engine']],
  incoming_page_table: [200, 136, 86, ['Incoming', 'page table']],
};
const NIC_CHIP = [298, 100, 86, ['Network', 'interface chip']];
const NIC_ROW = 36;
const NIC_ARROWS = [[90, 62, 102, 50], [90, 26, 102, 82], [188, 50, 200, 62], [188, 90, 200, 74], [286, 68, 298, 68], [341, 86, 341, 100], [384, 118, 418, 118],
  [298, 128, 286, 148], [200, 154, 188, 154], [102, 154, 90, 154]];
const NIC_TABLES = { outgoing_page_table: 'outgoing', incoming_page_table: 'incoming' };
const FIFO_FULL = 4096;  // bytes, for the bar only, when the model does not say more

class NicDiagram {
  constructor(mirrored) {
    this.mirrored = mirrored;
    this.node = null;
    this.parts = new Map();
    this.fifo_most = FIFO_FULL;
    this.root = svg('svg', { class: 'nic', viewBox: `0 0 ${NIC_WIDTH} ${NIC_HEIGHT}`, role: 'group', 'aria-label': 'Network interface' });
    for (const [x1, y1, x2, y2] of NIC_ARROWS) this.root.append(this.arrow(x1, y1, x2, y2));
    for (const [engine, [x, y, width, lines]] of Object.entries({ ...NIC_PARTS, network_interface_chip: NIC_CHIP })) {
      this.root.append(this.part(engine, this.mirror(x, width), y, width, lines));
    }
  }

  mirror(x, width = 0) {
    return this.mirrored ? NIC_WIDTH - x - width : x;
  }

  arrow(x1, y1, x2, y2) {
    const [ax, bx] = [this.mirror(x1), this.mirror(x2)];
    const angle = Math.atan2(y2 - y1, bx - ax);
    const tip = (turn) => `L${(bx - 6 * Math.cos(angle + turn)).toFixed(1)} ${(y2 - 6 * Math.sin(angle + turn)).toFixed(1)}`;
    return svg('path', { class: 'nic-arrow', d: `M${ax} ${y1}L${bx} ${y2}${tip(0.5)}M${bx} ${y2}${tip(-0.5)}` });
  }

  part(engine, x, y, width, lines) {
    const table = NIC_TABLES[engine];
    const group = svg('g', { class: `nic-part${table ? ' nic-table' : ''}`, data: { engine } });
    group.append(svg('title', { text: `${ENGINES[engine]}${table ? ': show its entries' : ''}` }),
      svg('rect', { x, y, width, height: NIC_ROW, rx: 4, class: 'nic-box' }), svg('rect', { x, y, width, height: NIC_ROW, rx: 4, class: 'nic-glow' }));
    if (engine === 'outgoing_fifo') group.append(svg('rect', { x: x + 3, y: y + NIC_ROW - 8, width: 0, height: 5, class: 'nic-fill' }));
    const top = y + NIC_ROW / 2 + 4 - (lines.length - 1) * 6 - (engine === 'outgoing_fifo' ? 2 : 0);
    lines.forEach((line, index) => group.append(svg('text', { x: x + width / 2, y: top + index * 12, text: line })));
    if (table) this.make_button(group, table);
    this.parts.set(engine, { group, glow: group.querySelector('.nic-glow'), shown: 0 });
    return group;
  }

  make_button(group, table) {
    fill(group, { tabindex: 0, role: 'button', 'aria-label': `${table === 'outgoing' ? 'Outgoing' : 'Incoming'} page table: show its entries`, data: { table } });
    const open = () => app.tables.open(table, this.node);
    group.addEventListener('click', open);
    group.addEventListener('keydown', (event) => { if (event.key === 'Enter') open(); });
  }

  /** Every frame. */
  draw(node, now) {
    this.node = node;
    for (const [engine, part] of this.parts) {
      const glow = Math.round(app.stage.glow(node, engine, now) * 20) / 20;
      if (glow === part.shown) continue;
      part.shown = glow;
      part.glow.style.opacity = glow > 0.35 ? 0.75 + glow * 0.25 : glow;
      const { record } = app.stage.glows.get(`${node}/${engine}`) ?? {};
      set_attribute(part.group, 'data-lit', glow > 0.35 ? 'strong' : glow > 0 ? 'weak' : null);
      set_attribute(part.group, 'data-bad', glow > 0 && record && is_bad(record) ? 'yes' : null);
    }
    const bytes = app.stage.fifo.get(node) ?? 0;
    this.fifo_most = Math.max(this.fifo_most, bytes);
    const bar = this.parts.get('outgoing_fifo').group.querySelector('.nic-fill');
    set_attribute(bar, 'width', Math.round(80 * bytes / this.fifo_most));
    set_attribute(bar, 'data-bytes', bytes);
  }
}
