// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// The words of a record: engines, kinds, and every event as one sentence.

const ENGINES = {
  control_server: 'Control server',
  processor: 'Processor',
  snoop_logic: 'Snoop logic',
  outgoing_page_table: 'Outgoing page table',
  packetizer: 'Packetizer',
  outgoing_fifo: 'Outgoing FIFO',
  deliberate_update_engine: 'Deliberate update engine',
  network_interface_chip: 'Network interface chip',
  backplane: 'Backplane',
  incoming_page_table: 'Incoming page table',
  incoming_dma_engine: 'Incoming DMA engine',
  notification: 'Notification',
};
const ENGINE_ORDER = Object.keys(ENGINES);

// Colours after Okabe and Ito; the shape says the same without colour.
const KINDS = {
  deliberate_update: { label: 'Deliberate update', colour: '#0072B2', dark: '#56B4E9', shape: 'square' },
  automatic_update: { label: 'Automatic update', colour: '#B87400', dark: '#E69F00', shape: 'circle' },
  fetch: { label: 'Fetch', colour: '#007A59', dark: '#00B888', shape: 'diamond' },
  atomic: { label: 'Atomic operation', colour: '#A8517F', dark: '#CC79A7', shape: 'triangle' },
  real_time_datagram: { label: 'Real-time datagram', colour: '#6B4FA0', dark: '#B7A1E8', shape: 'hexagon' },
};
const OTHER_KIND = { label: 'Other', colour: '#555555', dark: '#BBBBBB', shape: 'square' };
const BAD = { colour: '#B84A00', dark: '#FF8A3D' };
const kind_of = (record) => KINDS[record.kind] ?? OTHER_KIND;

const PACKET_EVENTS = new Set(['packet_made', 'fifo_entered', 'fifo_left', 'packet_sent', 'packet_crossed', 'memory_written']);
const FAULT_EVENTS = new Set(['packet_dropped', 'packet_corrupted', 'packet_delayed']);
const is_bad = (record) => (record.status !== undefined && record.status !== 'OK') || record.event === 'refused' ||
  record.event === 'request_refused' || FAULT_EVENTS.has(record.event);

const at_node = (node) => `node ${node ?? '?'}`;
const ANYBODY = 0xffffffff;
const who = (node, process) => (is_number(process) && process !== ANYBODY ? `process ${process} on ${at_node(node)}` : at_node(node));
const self = (r) => who(r.node, r.process);
const other = (r) => who(r.peer, r.peer_process);
const size = (r) => bytes_text(r.length ?? 0);
const packet = (r) => `packet ${r.packet ?? 0}${r.operation ? ` of operation ${r.operation}` : ''}`;
const kind_words = (r) => kind_of(r).label.toLowerCase();
const is_datagram = (r) => r.kind === 'real_time_datagram';
const buffer_place = (r) => `${is_datagram(r) ? 'channel' : 'buffer'} ${r.buffer ?? '?'} at ${number_text(r.offset ?? 0)}`;
const reason = (r) => r.status ?? 'refused';

const SENTENCES = {
  attached: (r) => `${self(r)} attaches`,
  left: (r) => `${self(r)} leaves`,
  exported: (r) => `${self(r)} exports buffer ${r.buffer}, ${size(r)}, from incoming page ${r.page ?? '?'} on`,
  unexported: (r) => `${self(r)} takes buffer ${r.buffer} back`,
  imported: (r) => `${self(r)} imports buffer ${r.buffer} of ${other(r)}, ${size(r)}, from outgoing page ${r.page ?? '?'} on`,
  unimported: (r) => `${self(r)} gives up its import of buffer ${r.buffer} of ${other(r)}`,
  request_refused: (r) => `the control server refuses a request of ${self(r)}: ${reason(r)}`,
  bound: (r) => `${self(r)} binds ${size(r)} to ${buffer_place(r)} of ${other(r)}`,
  unbound: (r) => `${self(r)} ends its binding to buffer ${r.buffer} of ${other(r)}`,
  taken: (r) => (is_datagram(r)
    ? `real-time datagram ${number_text(r.value ?? 0)} of channel ${r.buffer ?? '?'}, ${size(r)}, is taken from the outgoing queue of ${self(r)}, for ${other(r)}`
    : `a ${kind_words(r)} of ${size(r)} is taken from the send queue of ${self(r)}, for ${buffer_place(r)} of ${other(r)}`),
  store_snooped: (r) => `the snoop logic of ${at_node(r.node)} sees a store of ${size(r)} to a bound page, for ${buffer_place(r)}`,
  outgoing_lookup: (r) => `outgoing page ${r.page} of ${at_node(r.node)} leads to incoming page ${r.value ?? '?'} of ${at_node(r.peer)}`,
  packet_made: (r) => `the packetizer of ${at_node(r.node)} makes ${packet(r)}: ${size(r)} for ${buffer_place(r)}`,
  fifo_entered: (r) => `${packet(r)} enters the outgoing FIFO of ${at_node(r.node)}, which now holds ${bytes_text(r.value ?? 0)}`,
  fifo_left: (r) => `${packet(r)} leaves the outgoing FIFO of ${at_node(r.node)}, which now holds ${bytes_text(r.value ?? 0)}`,
  source_read: (r) => `the deliberate update engine of ${at_node(r.node)} reads ${size(r)} from the memory of ${self(r)}`,
  packet_sent: (r) => `${at_node(r.node)} hands ${packet(r)}, ${size(r)}, to the backplane, for ${at_node(r.peer)}`,
  packet_crossed: (r) => (r.lends_page ? `${packet(r)} from ${at_node(r.peer)} lends page ${r.page ?? '?'} of ${other(r)}, with ${size(r)}, to ${self(r)}: no byte is moved`
    : `${packet(r)} from ${at_node(r.peer)} has crossed the backplane in ${plural(r.value ?? 0, 'hop')}`),
  incoming_lookup: (r) => (is_bad(r) ? `incoming page ${r.page} of ${at_node(r.node)} does not admit ${packet(r)}: ${reason(r)}`
    : `incoming page ${r.page} of ${at_node(r.node)} admits ${packet(r)}`),
  memory_written: (r) => `the incoming DMA engine of ${at_node(r.node)} writes ${size(r)} to ${buffer_place(r)} of ${self(r)}`,
  completed: (r) => `operation ${r.operation} of ${self(r)} is complete: ${r.status ?? 'OK'}${r.value ? ` after ${time_text(r.value / 1000)}` : ''}${
    r.lends_page ? `; page ${r.page ?? '?'} is now lent to ${other(r)}` : ''}`,
  refused: (r) => `${at_node(r.node)} refuses operation ${r.operation} of ${self(r)} before anything has left: ${reason(r)}`,
  interrupt: (r) => `the interface interrupts the processor of ${at_node(r.node)}`,
  notified: (r) => `a notification is queued for ${self(r)}; ${number_text(r.value ?? 0)} are queued now`,
  notification_stall: (r) => `${self(r)} waits for room in the notification queue of ${other(r)}`,
  packet_dropped: (r) => `the fault plan drops ${packet(r)} from ${at_node(r.peer)} to ${at_node(r.node)}`,
  packet_corrupted: (r) => `the fault plan corrupts ${packet(r)}: its checksum is wrong, and the receiving interface throws it away`,
  packet_delayed: (r) => `the fault plan delays ${packet(r)} by ${time_text((r.value ?? 0) / 1000)}`,
};

/** Everything of a record in one sentence. */
function sentence_of(record) {
  const words = (SENTENCES[record.event] ?? ((r) => `${words_of(r.event)} at ${at_node(r.node)}`))(record);
  const extra = [];
  if (record.duration > 0) extra.push(`takes ${time_text(record.duration)}`);
  if (record.notifies) extra.push('asks for a notification');
  if (record.last_packet) extra.push('the last packet');
  if (record.content) extra.push(`begins with ${record.content.slice(0, 32)}`);
  const text = `${words}${extra.length ? ` (${extra.join('; ')})` : ''}`;
  return `${time_text(record.time)}: ${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

const sentence_case = (text) => (text ? text.charAt(0).toUpperCase() + text.slice(1) : '');
