// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// A plausible run as a file, of the made-up machine: node make_run.mjs > run.json

import { fileURLToPath } from 'node:url';
import { Machine } from './machine.mjs';
import { scenes } from './scenes.mjs';

/** The scene "deliberate-update": begun, and run once with each number of bytes. */
export function make_run() {
  const scene = scenes.find((one) => one.id === 'deliberate-update');
  const machine = new Machine({ scene: scene.id });
  const messages = [];
  let at_ms = 0;
  const say = (message) => { messages.push({ at_ms, message: structuredClone(message) }); };
  const tell = () => {
    const records = machine.take_records();
    if (records.length > 0) say({ type: 'records', records, total: records.length, shown: records.length, lost: 0 });
    say(machine.snapshot());
    say(machine.bytes_of({ node: 1, process: 1, segment: 2, page: 0 }));
  };
  say(machine.hello());
  for (const command of scene.setup) machine.do(command);
  say(machine.actors_message());
  tell();
  say({ type: 'begun', scene: scene.id, ok: true });
  scene.steps[0].parameters[0].values.forEach((bytes, index) => {
    at_ms += 2500;
    const command = { ...scene.steps[0].commands[0], bytes };
    const answer = machine.do(command);
    tell();
    say({ type: 'answer', request: index + 1, step: 0, number: 0, command, answer });
    say({ type: 'step_done', request: index + 1, step: 0, ok: true, failed: [] });
  });
  return { format: 'vmmc-run', version: 1, messages };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(JSON.stringify(make_run()));
