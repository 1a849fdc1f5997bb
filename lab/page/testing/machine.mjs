// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// A made-up machine that says what nicsim would: snapshots, records, bytes. It is deterministic, and only as right as the page's tests need.

import { scenes } from './scenes.mjs';

const PAGE = 4096;
const hex_of = (bytes) => Buffer.from(bytes).toString('hex');

export class Machine {
  constructor({ rows = 1, columns = 2, clock = 'shrimp-2', scene = null } = {}) {
    Object.assign(this, { rows, columns, clock, scene, time: 0, number: 0, operation: 0, pace: 'full', records: [], faults: [], dropped: 0 });
    this.actors = [];
    this.exports = [];
    this.imports = [];
    this.bindings = [];
    this.errors = [];
    this.memory = new Map();
    if (scene) for (const [index, actor] of scenes.find((one) => one.id === scene).actors.entries()) this.add_actor(actor, index);
  }

  add_actor({ name, node }, index) {
    this.actors.push({ name, node, process: index, pid: 4100 + index, state: 'running', how: null, busy: 0, counters: { sends: 0, bytes_sent: 0, packets_sent: 0, packets_received: 0, refused: 0 } });
  }

  actor(name) {
    return this.actors.find((one) => one.name === name);
  }

  record(event, engine, members) {
    this.time += 40;
    this.records.push({ n: this.number++, time: this.time, duration: 0, event, engine, ...members });
    return this.records[this.records.length - 1];
  }

  take_records() {
    return this.records.splice(0);
  }

  kill(name) {
    const actor = this.actor(name);
    Object.assign(actor, { state: 'ended', how: 'killed by signal 9' });
    this.exports = this.exports.filter((one) => one.process !== actor.process);
    for (const one of this.imports) if (one.exporter?.process === actor.process) one.state = 'peer_dead';
    this.record('left', 'control_server', { node: actor.node, process: actor.process });
  }

  restart(name) {
    Object.assign(this.actor(name), { state: 'running', how: null, pid: this.actor(name).pid + 100 });
  }

  error(status, what, actor, sentence) {
    const known = this.errors.find((one) => one.status === status && one.what === what && one.process === actor.process);
    if (known) known.count++;
    else this.errors.push({ status, what, node: actor.node, process: actor.process, peer: null, buffer: null, count: 1, first_ns: this.time, last_ns: this.time, sentence });
    actor.counters.refused++;
    return { ok: false, status, sentence };
  }

  /** Carries out one command of an actor: the answer. */
  do(command) {
    const actor = this.actor(command.actor);
    const calls = { export: 'vmmc_export(buffer, …)', import: `vmmc_import(${command.from}, ${command.buffer})`, send: `vmmc_send(source, ${command.proxy} + ${command.offset ?? 0}, ${command.bytes ?? 'text'})` };
    const began_ns = this.time;
    const result = { export: () => this.export(actor, command), import: () => this.import(actor, command), send: () => this.send(actor, command), update: () => this.update(actor, command),
      bind: () => this.bind(actor, command), store: () => this.store(actor, command) }[command.do]?.() ?? { ok: false, sentence: 'There is no such command.' };
    return { ok: true, call: calls[command.do] ?? `vmmc_${command.do}(…)`, status: 'OK', began_ns, took_ns: this.time - began_ns, ...result };
  }

  export(actor, { buffer, pages = 1 }) {
    const first = 8 + this.exports.length * 8;
    this.exports.push({ node: actor.node, process: actor.process, buffer, bytes: pages * PAGE, page_offset: 0, first_incoming_page: first, pages, access: 'rw', for_user: null, for_node: null, for_process: null, executor: 'any', handler: false,
      accepts_notifications: false, redirectable: false, redirections: 0, closing: false, extents: [{ segment: 2, first_page: 0, pages }], importers: [] });
    this.record('exported', 'control_server', { node: actor.node, process: actor.process, buffer, length: pages * PAGE, page: first });
    return { segment_page: 0 };
  }

  import(actor, { from, buffer, as }) {
    const owner = this.actor(from);
    const one = this.exports.find((item) => item.process === owner?.process && item.buffer === buffer);
    if (!one) {
      this.record('request_refused', 'control_server', { node: actor.node, process: actor.process, status: 'PERMISSION_DENIED', value: 5 });
      return this.error('PERMISSION_DENIED', 'import', actor, `Buffer ${buffer} of ${from} does not admit ${actor.name}.`);
    }
    const slot = this.imports.length;
    one.importers.push({ node: actor.node, process: actor.process, slot });
    this.imports.push({ node: actor.node, process: actor.process, slot, generation: 1, state: 'granted', exporter: { node: owner.node, process: owner.process }, buffer, access: 'w', first_page: slot * 8, pages: one.pages, as });
    this.record('imported', 'control_server', { node: actor.node, process: actor.process, peer: owner.node, peer_process: owner.process, buffer, length: one.bytes, page: slot * 8 });
    return { bytes: one.bytes };
  }

  bind(actor, { proxy, as, pages = 1 }) {
    const item = this.imports.find((one) => one.as === proxy && one.process === actor.process);
    if (!item) return { ok: false, sentence: `There is no proxy ${proxy}.` };
    this.bindings.push({ node: actor.node, process: actor.process, binding: this.bindings.length, slot: item.slot, exporter: item.exporter, buffer: item.buffer, offset: 0, bytes: pages * PAGE, address: 4096, capture: 'trap', combining: 'timer', timer_ns: 50000, notifies: false, as });
    return { capture: 'trap' };
  }

  store(actor, { binding, offset, text }) {
    const bound = this.bindings.find((one) => one.as === binding);
    const item = bound && this.imports.find((one) => one.slot === bound.slot);
    if (!item) return { ok: false, sentence: `There is no binding ${binding}.` };
    this.transfer(actor, item, offset, Buffer.from(text), 'automatic_update');
    return {};
  }

  send(actor, { proxy, offset = 0, bytes, text }) {
    const item = this.imports.find((one) => one.as === proxy && one.process === actor.process);
    if (!item) return { ok: false, sentence: `There is no proxy ${proxy}.` };
    const data = text === undefined ? Buffer.alloc(bytes, `${this.operation + 1}: a pattern of bytes. `) : Buffer.from(text);
    if (item.state !== 'granted') return this.error('PEER_DEAD', 'send', actor, 'The exporting process has ended.');
    if (offset + data.length > item.pages * PAGE) return this.error('OUTSIDE_PROXY', 'send', actor, `Bytes ${offset} to ${offset + data.length} are not inside the imported buffer of ${item.pages * PAGE}.`);
    this.transfer(actor, item, offset, data, 'deliberate_update');
    return {};
  }

  update(actor, { density, by }) {
    const item = this.imports.find((one) => one.process === actor.process);
    this.transfer(actor, item, 0, Buffer.alloc(64, by), `${by}_update`);
    return { ns: by === 'deliberate' ? 84000 + density * 20 : 9000 + density * 4200, packets: by === 'deliberate' ? 1 : density * 10 };
  }

  transfer(actor, item, offset, data, kind) {
    const operation = ++this.operation;
    const whole = { operation, kind, node: actor.node, process: actor.process, peer: item.exporter.node, peer_process: item.exporter.process, buffer: item.buffer, status: 'OK' };
    if (kind === 'deliberate_update') this.record('taken', 'processor', { ...whole, length: data.length, offset });
    else this.record('store_snooped', 'snoop_logic', { ...whole, length: data.length, offset });
    const began = this.time;
    for (let at = 0, packet = 0; at < data.length; packet++) {
      const length = Math.min(data.length - at, PAGE - ((offset + at) % PAGE));
      this.packet(actor, item, { ...whole, packet, offset: offset + at, length, last_packet: at + length >= data.length }, data.subarray(at, at + length));
      at += length;
    }
    this.record('completed', kind === 'deliberate_update' ? 'deliberate_update_engine' : 'packetizer', { ...whole, value: (this.time - began) * 1000 });
    actor.counters.sends++;
    actor.counters.bytes_sent += data.length;
  }

  packet(actor, item, members, data) {
    const content = hex_of(data.subarray(0, 36));
    const receiver = { ...members, node: members.peer, peer: members.node, process: members.peer_process, peer_process: members.process };
    const one = this.exports.find((exported) => exported.process === item.exporter.process && exported.buffer === item.buffer);
    const page = Math.floor(members.offset / PAGE);
    this.record('outgoing_lookup', 'outgoing_page_table', { ...members, page: item.first_page + page, value: one.first_incoming_page + page });
    if (members.kind === 'deliberate_update') this.slice('source_read', 'deliberate_update_engine', members, 200 + data.length / 2);
    this.record('packet_made', 'packetizer', { ...members, content });
    this.record('fifo_entered', 'outgoing_fifo', { ...members, value: data.length + 24 });
    this.record('fifo_left', 'outgoing_fifo', { ...members, value: 0 });
    this.slice('packet_sent', 'network_interface_chip', members, 100 + data.length / 4);
    actor.counters.packets_sent++;
    const fault = this.faults.shift();
    if (fault === 'drop') {
      this.dropped++;
      this.record('packet_dropped', 'backplane', members);
      return;
    }
    this.slice('packet_crossed', 'backplane', { ...members, value: this.hops(members.node, members.peer) }, 300 + data.length / 4);
    this.record('incoming_lookup', 'incoming_page_table', { ...receiver, page: one.first_incoming_page + page });
    this.slice('memory_written', 'incoming_dma_engine', { ...receiver, content }, 150 + data.length / 3);
    this.actors.find((other) => other.process === item.exporter.process).counters.packets_received++;
    this.write(item.exporter, page, members.offset % PAGE, data);
  }

  slice(event, engine, members, duration) {
    this.record(event, engine, { ...members, duration });
    this.time += duration;
  }

  hops(from, to) {
    return Math.abs((from % this.columns) - (to % this.columns)) + Math.abs(Math.floor(from / this.columns) - Math.floor(to / this.columns));
  }

  write({ node, process }, page, offset, data) {
    const key = `${node}/${process}/2/${page}`;
    const memory = this.memory.get(key) ?? { bytes: Buffer.alloc(PAGE), generation: 1 };
    data.copy(memory.bytes, offset);
    memory.generation++;
    this.memory.set(key, memory);
  }

  bytes_of({ node, process, segment, page }) {
    const memory = this.memory.get(`${node}/${process}/${segment}/${page}`) ?? { bytes: Buffer.alloc(PAGE), generation: 0 };
    return { type: 'bytes', node, process, segment, page, hex: hex_of(memory.bytes), generation: memory.generation };
  }

  hello() {
    return { type: 'hello', protocol: 1, scenes, models: ['shrimp-2', 'myrinet'], clock: this.clock, rows: this.rows, columns: this.columns, scene: this.scene };
  }

  actors_message() {
    return { type: 'actors', actors: this.actors.map(({ name, node, process, pid, state, how, busy }) => ({ name, node, process, pid, state, how, busy, started: false })) };
  }

  snapshot() {
    const alive = this.actors.filter((actor) => actor.state === 'running');
    return { type: 'snapshot', snapshot: {
      format: 'vmmc-snapshot', version: 1,
      nicsim: { version: '0.1.0', wire_version: 5, socket: '@vmmc-0', clock: this.clock === 'real' ? 'real' : 'simulated', model: this.clock === 'real' ? 'none' : this.clock, rows: this.rows, columns: this.columns, time_ns: this.clock === 'real' ? 1.7e18 + this.time : this.time, uptime_ns: this.time, watchers: 1, observers: 1 },
      trace: { on: true, capacity: 131072, written: this.number, overwritten: 0 }, pace: { mode: this.pace, interval_ns: 0, slowdown: 1 }, faults: { planned: this.faults.length, dropped: this.dropped, corrupted: 0, delayed: 0 },
      processes: alive.map((actor) => ({ node: actor.node, process: actor.process, pid: actor.pid, user: 1000, reads_memory: true, send_queue: { slots: 256, published: actor.counters.sends, completed: actor.counters.sends, depth: 0, stalled_on: null },
        notifications: { slots: 512, queued: 0, kept: 0, accepted: true }, segments: [{ segment: 1, pages: 6, lendable: true }, { segment: 2, pages: 16, lendable: true }], counters: { ...actor.counters } })),
      exports: this.exports, imports: this.imports, waiting_imports: [], bindings: this.bindings,
      outgoing_pages: this.imports.map((one) => ({ node: one.node, process: one.process, first: one.first_page, count: one.pages, slot: one.slot, access: one.access, to_node: one.exporter.node, first_incoming_page: 8 })),
      incoming_pages: this.exports.map((one) => ({ node: one.node, first: one.first_incoming_page, count: one.pages, process: one.process, buffer: one.buffer, interrupts: false })),
      hardware: [], errors: this.errors.map((error) => ({ ...error })), errors_not_kept: 0, latencies: [],
    } };
  }
}
