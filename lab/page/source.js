// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Where the messages come from: the server's socket, or a run out of a file.

const RETRY_MS = [300, 600, 1200, 2500, 4000];

/** The socket. Connects again and again when the connection is lost: the server restarts itself when the machine changes. */
class LiveSource {
  /** @param handlers message(object, characters), state(name, sentence), garbage() */
  constructor(handlers) {
    this.handlers = handlers;
    this.tries = 0;
    this.socket = null;
    this.timer = null;
    this.closed = false;
  }

  connect() {
    clearTimeout(this.timer);
    if (this.closed || this.socket) return;
    const url = new URL('socket', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    url.hash = '';
    url.search = '';
    this.handlers.state('connecting', this.tries ? 'Connecting again …' : 'Connecting …');
    try {
      this.socket = new WebSocket(url);
    } catch (error) {
      this.lost(error.message);
      return;
    }
    this.socket.addEventListener('open', () => this.opened());
    this.socket.addEventListener('message', (event) => this.received(event.data));
    this.socket.addEventListener('close', () => this.lost());
  }

  opened() {
    this.tries = 0;
    this.handlers.state('open', 'Connected');
  }

  received(text) {
    let message = null;
    try {
      message = JSON.parse(text);
    } catch {
      message = null;
    }
    this.handlers.message(message, typeof text === 'string' ? text.length : 0);
  }

  lost() {
    this.socket = null;
    if (this.closed) return;
    const wait = RETRY_MS[Math.min(this.tries, RETRY_MS.length - 1)];
    this.tries++;
    this.handlers.state('lost', 'Connection lost; trying again');
    this.timer = setTimeout(() => this.connect(), wait);
  }

  /** @returns {boolean} whether it went out */
  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket?.close();
    this.socket = null;
  }
}

/** A run out of a file, with a clock of its own (`at`, ms in the run). */
class ReplaySource {
  /** @param run of parse_run(); handlers: message(object), restart() (begin from an empty page), sought() */
  constructor(run, handlers) {
    this.entries = run.entries;
    this.left_out = run.left_out;
    this.handlers = handlers;
    this.next = 0;
    this.at = 0;
    this.mode = 'full';
    this.speed = 1;
  }

  get length() {
    return this.entries[this.entries.length - 1].at_ms;
  }

  get ended() {
    return this.next >= this.entries.length;
  }

  tick(elapsed) {
    if (this.mode === 'paused' || this.ended) return;
    this.at = Math.min(this.length, this.at + elapsed * (this.mode === 'slow' ? this.speed : 1));
    this.deliver_until(this.at);
  }

  deliver_until(at) {
    while (!this.ended && this.entries[this.next].at_ms <= at) this.handlers.message(this.entries[this.next++].message);
  }

  /** To the next message that has a packet in it. */
  step() {
    this.mode = 'paused';
    while (!this.ended) {
      const { at_ms, message } = this.entries[this.next++];
      this.at = at_ms;
      this.handlers.message(message);
      if (message.type === 'records' && list(message.records).some((record) => PACKET_EVENTS.has(record.event))) return;
    }
  }

  seek(at) {
    if (at < this.at) {
      this.handlers.restart();
      this.next = 0;
    }
    this.at = clamp(at, 0, this.length);
    this.deliver_until(this.at);
    this.handlers.sought();
  }

  set_mode(mode, speed) {
    if (mode === 'full' && this.ended) this.seek(0);
    this.mode = mode;
    this.speed = speed ?? this.speed;
  }
}
