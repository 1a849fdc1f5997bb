// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// A stand-in for the lab's server: speaks lab/protocol.md over a made-up machine. By itself: node fake_server.mjs PAGE.HTML [PORT]

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { Machine } from './machine.mjs';
import { scenes } from './scenes.mjs';
import { accept } from './web_socket.mjs';

const TOKEN = '0123456789abcdef0123456789abcdef';

export class FakeServer {
  constructor(page) {
    this.page = page;
    this.clients = new Set();
    this.requests = [];  // paths that were asked for
    this.received = [];  // messages of the page
    this.looks = [];
    this.machine = new Machine();
    this.server = createServer((request, response) => this.respond(request, response));
    this.server.on('upgrade', (request, socket) => this.upgrade(request, socket));
  }

  /** @returns {Promise<string>} the page's address */
  async listen(port = 0) {
    await new Promise((resolve) => { this.server.listen(port, '127.0.0.1', resolve); });
    this.port = this.server.address().port;
    return `http://127.0.0.1:${this.port}/${TOKEN}/`;
  }

  async close() {
    this.drop_all();
    this.server.closeAllConnections();
    await new Promise((resolve) => { this.server.close(resolve); });
  }

  respond(request, response) {
    this.requests.push(request.url);
    if (request.url !== `/${TOKEN}/`) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(readFileSync(this.page));
  }

  upgrade(request, socket) {
    this.requests.push(request.url);
    const client = accept(request, socket, { on_text: (text) => this.handle(JSON.parse(text)), on_close: () => this.clients.delete(client) });
    this.clients.add(client);
    for (const message of [this.machine.hello(), this.machine.actors_message(), this.machine.snapshot()]) client.send(JSON.stringify(message));
    if (this.machine.scene) client.send(JSON.stringify({ type: 'begun', scene: this.machine.scene, ok: true }));
  }

  send(message) {
    this.send_raw(JSON.stringify(message));
  }

  send_raw(text) {
    for (const client of this.clients) client.send(text);
  }

  /** The connection is lost. */
  drop_all() {
    for (const client of this.clients) client.end();
    this.clients.clear();
  }

  handle(message) {
    this.received.push(message);
    const handler = { begin: this.begin, step: this.step, play: this.play, kill: this.kill, restart: this.restart, pace: this.set_pace, fault: this.fault, look: this.look, machine: this.change_machine }[message.type];
    if (handler) handler.call(this, message);
    else this.send({ type: 'problem', sentence: `There is no message ${message.type}.`, request: message.request ?? null });
  }

  /** What has happened since: records, snapshot, actors, bytes. */
  tell() {
    const records = this.machine.take_records();
    if (records.length > 0) this.send({ type: 'records', records, total: records.length, shown: records.length, lost: 0 });
    this.send(this.machine.actors_message());
    this.send(this.machine.snapshot());
    for (const at of this.looks) this.send(this.machine.bytes_of(at));
  }

  begin({ scene, clock }) {
    const one = scenes.find((item) => item.id === scene);
    if (!one) {
      this.send({ type: 'problem', sentence: `There is no scene ${scene}.`, request: null });
      return;
    }
    const { rows, columns } = one.machine;
    const before = this.machine;
    this.machine = new Machine({ rows, columns, clock: clock ?? one.machine.clock, scene });
    this.machine.number = before.number;
    for (const command of one.setup) this.machine.do(command);
    if (before.rows !== rows || before.columns !== columns || before.clock !== this.machine.clock) {
      this.drop_all();
      return;
    }
    this.tell();
    this.send({ type: 'begun', scene, ok: true });
  }

  change_machine({ rows, columns, clock }) {
    this.machine = new Machine({ rows, columns, clock, scene: null });
    this.machine.scene = 'free-play';
    this.machine.add_actor({ name: 'ann', node: 0 }, 0);
    this.machine.add_actor({ name: 'bob', node: rows * columns - 1 }, 1);
    this.drop_all();
  }

  step({ request, step, parameters }) {
    const { commands } = scenes.find((one) => one.id === this.machine.scene).steps[step];
    const failed = [];
    for (const [number, given] of commands.entries()) {
      const command = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, typeof value === 'string' && value.startsWith('$') ? parameters[value.slice(1)] : value]));
      if (command.do === 'kill') this.machine.kill(command.actor);
      const answer = command.do === 'kill' ? { ok: true } : this.machine.do(command);
      this.tell();
      this.send({ type: 'answer', request, step, number, command, answer });
    }
    this.send({ type: 'step_done', request, step, ok: failed.length === 0, failed });
  }

  play({ request, actor, command }) {
    const answer = this.machine.do({ ...command, actor });
    this.tell();
    this.send({ type: 'answer', request, step: null, number: 0, command: { ...command, actor }, answer });
  }

  kill({ actor }) {
    this.machine.kill(actor);
    this.tell();
  }

  restart({ actor }) {
    this.machine.restart(actor);
    this.tell();
  }

  set_pace({ mode }) {
    this.machine.pace = mode === 'step' ? 'paused' : mode;
    this.tell();
  }

  fault({ action }) {
    this.machine.faults.push(action);
    this.tell();
  }

  look({ at }) {
    this.looks = at;
    for (const one of at) this.send(this.machine.bytes_of(one));
  }

  /** So many packets a second, for so long and until it is `enough`, shown in part as the real server does. */
  async flood({ packets_per_second, seconds, enough = () => true }) {
    const actor = this.machine.actors[0];
    const item = this.machine.imports[0];
    const each = packets_per_second / 20;
    for (let round = 0; round < seconds * 20 || !enough(); round++) {
      for (let i = 0; i < each; i++) this.machine.transfer(actor, item, (i % 60) * 64, Buffer.alloc(16, 65 + (round % 26)), i % 2 ? 'deliberate_update' : 'automatic_update');
      const records = this.machine.take_records();
      const shown = records.filter((record) => record.operation % 16 < 2);
      this.send({ type: 'records', records: shown, total: records.length, shown: shown.length, lost: round % 10 });
      this.send(this.machine.snapshot());
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await new FakeServer(process.argv[2]).listen(Number(process.argv[3] ?? 0)));
