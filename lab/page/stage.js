// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// The stage: records wait here until it is their turn. A clock of the stage's own runs through the records' time, much slower than the machine
// did; where nothing happened it jumps. The longer the queue the faster it runs, so that the page never falls behind for long.

const STAGE_QUEUE_MOST = 20000;
const STAGE_KEPT_MOST = 20000;  // records that have been on stage, for the time ruler
const STAGE_FRAME_MOST = 4000;  // records that are taken up in one frame
const STAGE_SPAN_MS = 1800;  // a queue is played in about this time
const STAGE_LEAST_RATE = 2;  // ns of the machine in a ms: half a million times slower
const STAGE_GAP_MS = 250;
const FLIGHTS_MOST = 2000;
const FLIGHT_LEAST_MS = 450;  // so long a packet can be seen at least
const GLOW_MS = 900;
const AHEAD_MOST = 3000;  // records that are looked through for a packet's arrival

class Stage {
  constructor() {
    this.received = 0;
    this.reset();
  }

  reset() {
    this.queue = [];
    this.kept = [];
    this.lanes = new Set();  // "node/engine" of every record that was kept
    this.kept_first = 0;  // how many are gone from the front of `kept`
    this.time = null;
    this.rate = STAGE_LEAST_RATE;
    this.flights = [];
    this.arrivals = new Map();  // packet -> when it arrives on the screen
    this.late = [];  // {at, record}: of packets that have arrived by their time, but not yet on the screen
    this.mark = null;  // the first record of what the ruler follows: of a step, or of a call
    this.glows = new Map();  // "node/engine" -> {at, record}
    this.fifo = new Map();  // node -> bytes
    this.writes = new Map();  // "node/process/buffer" -> [{offset, length, at}]
    this.skipped = 0;
    this.last_number = 0;
    this.last_record = null;
  }

  add(records) {
    const good = list(records).filter((record) => is_number(record.time) && typeof record.event === 'string');
    if (good.length === 0) return;
    this.received += good.length;
    if (is_number(good[0].n) && good[0].n < this.last_number) this.begin_anew();
    this.last_number = good[good.length - 1].n ?? 0;
    for (const record of good) this.queue.push(record);
    this.queue.sort((a, b) => a.time - b.time);
    if (this.queue.length > STAGE_QUEUE_MOST) {
      const cut = this.queue.length - STAGE_QUEUE_MOST / 2;
      this.skipped += cut;
      this.queue.splice(0, cut);
    }
  }

  /** nicsim has started anew: its time begins at 0 again. */
  begin_anew() {
    const received = this.received;
    this.reset();
    this.received = received;
  }

  /** One frame: `elapsed` ms after the last one, at `now`. */
  tick(now, elapsed, reduced_motion) {
    if (this.queue.length === 0) this.rate = STAGE_LEAST_RATE;
    else this.advance(Math.min(elapsed, 100), now, reduced_motion);
    this.flights = this.flights.filter((flight) => now < flight.ends + flight.rest);
    this.note_late(now);
  }

  /** What comes from now on is one thing: a step, or a call. */
  set_mark() {
    this.mark = null;
    this.mark_next = true;
  }

  advance(elapsed, now, reduced_motion) {
    const first = this.queue[0].time;
    if (this.time === null || this.time > first) this.time = first;
    const span = this.active_span();
    this.rate = Math.max(STAGE_LEAST_RATE, span / STAGE_SPAN_MS, this.rate * 0.995);
    if (first - this.time > this.rate * STAGE_GAP_MS) this.time = first - this.rate * 20;
    this.time += this.rate * elapsed;
    let taken = 0;
    while (taken < this.queue.length && taken < STAGE_FRAME_MOST && this.queue[taken].time <= this.time) {
      this.present(this.queue[taken], now, reduced_motion);
      taken++;
    }
    this.queue.splice(0, taken);
  }

  /** How long the waiting records last, without the long gaps between them. */
  active_span() {
    const { queue } = this;
    const whole = queue[queue.length - 1].time - this.time;
    const gap = Math.max(whole / 20, this.rate * STAGE_GAP_MS);
    let span = 0;
    const stride = Math.max(1, Math.floor(queue.length / 256));
    for (let i = stride; i < queue.length; i += stride) span += Math.min(gap, queue[i].time - queue[i - stride].time);
    return span;
  }

  /** Everything at once: after a jump in a replayed run. */
  flush(now) {
    for (const record of this.queue) this.keep(record);
    for (const { record } of this.late) this.note(record, now - GLOW_MS);
    for (const record of this.queue.slice(-200)) this.note(record, now - GLOW_MS);
    this.late = [];
    this.arrivals.clear();
    if (this.queue.length > 0) this.time = this.queue[this.queue.length - 1].time;
    this.queue = [];
    this.flights = [];
  }

  present(record, now, reduced_motion) {
    this.keep(record);
    if (record.event === 'packet_sent') {
      this.note(record, now);
      this.fly(record, now, reduced_motion);
      return;
    }
    const arrives = AT_RECEIVER.has(record.event) ? this.arrivals.get(packet_key(record.peer, record)) : undefined;
    if (arrives > now) this.late.push({ at: arrives, record });
    else this.note(record, now);
  }

  /** Packets are shown slower than the rest, so that they can be seen: what they bring about waits for them. */
  note_late(now) {
    if (this.late.length === 0) return;
    for (const { at, record } of this.late) if (at <= now) this.note(record, now);
    this.late = this.late.filter(({ at }) => at > now);
  }

  keep(record) {
    this.kept.push(record);
    this.fresh = true;
    if (this.mark_next) {
      this.mark = record;
      this.mark_next = false;
    }
    this.lanes.add(`${record.node}/${record.engine}`);
    if (this.kept.length < STAGE_KEPT_MOST * 1.2) return;
    const cut = this.kept.length - STAGE_KEPT_MOST;
    this.kept.splice(0, cut);
    this.kept_first += cut;
  }

  note(record, now) {
    this.last_record = record;
    this.glows.set(`${record.node}/${record.engine}`, { at: now, record });
    if (record.event === 'fifo_entered' || record.event === 'fifo_left') this.fifo.set(record.node, record.value ?? 0);
    if (record.event === 'memory_written' && !is_datagram(record)) this.note_write(record, now); // a channel is no buffer
  }

  note_write(record, now) {
    const key = `${record.node}/${record.process}/${record.buffer}`;
    const writes = this.writes.get(key) ?? [];
    writes.push({ offset: record.offset ?? 0, length: record.length ?? 0, at: now });
    if (writes.length > 128) writes.splice(0, writes.length - 128);
    this.writes.set(key, writes);
  }

  /** A packet sets out. Its way takes the records' time at the stage's rate, or longer so that it can be seen. */
  fly(record, now, reduced_motion) {
    if (this.flights.length >= FLIGHTS_MOST) {
      this.skipped++;
      return;
    }
    const key = packet_key(record.node, record);
    const arrival = this.arrival_of(key);
    const bad = { packet_dropped: 'dropped', packet_corrupted: 'corrupted' }[arrival?.event] ?? null;
    const lasts = clamp(((arrival?.time ?? record.time) - record.time) / this.rate, FLIGHT_LEAST_MS, 3000);
    this.flights.push({ from: record.node, to: record.peer, record, bad, began: now, ends: now + lasts, rest: bad || reduced_motion ? 700 : 0 });
    this.arrivals.delete(key);
    this.arrivals.set(key, now + lasts);
    if (this.arrivals.size > 4000) this.arrivals.delete(this.arrivals.keys().next().value);
  }

  /** The record of a packet's end, if it is here already: it has crossed, or the fault plan has struck it. */
  arrival_of(key) {
    const most = Math.min(this.queue.length, AHEAD_MOST);
    let found = null;
    for (let i = 0; i < most; i++) {
      const record = this.queue[i];
      if (!AT_RECEIVER.has(record.event) || packet_key(record.peer, record) !== key) continue;
      if (FAULT_EVENTS.has(record.event)) return record;
      found ??= record;
      if (record.event === 'incoming_lookup') break;
    }
    return found;
  }

  /** Whether records have come on stage since this was asked. */
  take_fresh() {
    const { fresh } = this;
    this.fresh = false;
    return fresh;
  }

  /** 1 just now, 0 long ago. */
  glow(node, engine, now) {
    const glow = this.glows.get(`${node}/${engine}`);
    return glow ? clamp(1 - (now - glow.at) / GLOW_MS, 0, 1) : 0;
  }

  /** Whether views have to go on drawing although nothing new has come. */
  moving(now) {
    if (this.queue.length > 0 || this.flights.length > 0 || this.late.length > 0) return true;
    for (const glow of this.glows.values()) if (now - glow.at < GLOW_MS + 100) return true;
    return false;
  }
}

// What is recorded where a packet goes to; `peer` is where it comes from.
const AT_RECEIVER = new Set(['packet_crossed', 'incoming_lookup', 'memory_written', 'packet_dropped', 'packet_corrupted']);
const packet_key = (from, record) => `${from}:${record.operation}:${record.packet}`;
