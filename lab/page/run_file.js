// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// A run as a file: {"format":"vmmc-run","version":1,"messages":[{"at_ms":0,"message":{...}},...]}: what the server has sent, in order.

const RUN_MESSAGES_MOST = 20000;
const RUN_CHARACTERS_MOST = 64e6;
const RUN_FILE_MOST = 256e6;

/** Keeps what the server sends, up to a bound: beyond it messages are counted, not kept. */
class Recorder {
  constructor() {
    this.clear();
  }

  clear() {
    this.messages = [];
    this.characters = 0;
    this.left_out = 0;
    this.began = null;
  }

  /** A scene begins: the run is that scene's. What says how the machine stands stays. */
  begin_scene() {
    const kept = new Map();
    for (const entry of this.messages) {
      if (['hello', 'snapshot', 'actors'].includes(entry.message.type)) kept.set(entry.message.type, entry);
    }
    this.clear();
    for (const entry of kept.values()) this.keep(entry.message, entry.characters);
  }

  keep(message, characters) {
    if (this.messages.length >= RUN_MESSAGES_MOST || this.characters + characters > RUN_CHARACTERS_MOST) {
      this.left_out++;
      return;
    }
    this.began ??= performance.now();
    this.characters += characters;
    this.messages.push({ at_ms: Math.round(performance.now() - this.began), message, characters });
  }

  /** As the parts of a file: one message a line. */
  parts() {
    const head = `{"format":"vmmc-run","version":1,"left_out":${this.left_out},"messages":[\n`;
    const lines = this.messages.map(({ at_ms, message }, index) =>
      `${index ? ',\n' : ''}${JSON.stringify({ at_ms, message })}`);
    return [head, ...lines, '\n]}\n'];
  }
}

function save_run(recorder, name) {
  const url = URL.createObjectURL(new Blob(recorder.parts(), { type: 'application/json' }));
  const link = el('a', { href: url, download: `${name}.vmmc-run.json` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

const MESSAGE_TYPES = ['hello', 'snapshot', 'records', 'bytes', 'actors', 'begun', 'answer', 'step_done', 'problem'];

/** The entries of a run; throws an Error with one sentence for who opened the file. */
function parse_run(text) {
  let run;
  try {
    run = JSON.parse(text);
  } catch (error) {
    throw new Error(`This file is not JSON, or is cut off: ${error.message}`);
  }
  if (run === null || typeof run !== 'object' || run.format !== 'vmmc-run') throw new Error('This file is no run of the lab: its "format" is not "vmmc-run".');
  if (run.version !== 1) throw new Error(`This run has version ${run.version}; this page reads version 1.`);
  if (!Array.isArray(run.messages) || run.messages.length === 0) throw new Error('This run has no messages.');
  let last = 0;
  const entries = run.messages.slice(0, RUN_MESSAGES_MOST * 2).map((entry, index) => {
    const message = entry?.message;
    if (message === null || typeof message !== 'object' || !MESSAGE_TYPES.includes(message.type)) {
      throw new Error(`Message ${index + 1} of this run is none that the lab knows.`);
    }
    if (!is_number(entry.at_ms) || entry.at_ms < last) throw new Error(`Message ${index + 1} of this run has no time, or an earlier one than the message before.`);
    last = entry.at_ms;
    return { at_ms: entry.at_ms, message };
  });
  if (!entries.some((entry) => entry.message.type === 'hello')) throw new Error('This run has no "hello": it does not say which machine and which scenes it is about.');
  const cut = run.messages.length - entries.length;
  return { entries, left_out: cut + (is_number(run.left_out) ? run.left_out : 0) };
}

async function read_run(file) {
  if (file.size > RUN_FILE_MOST) throw new Error(`This file has ${bytes_text(file.size)}: more than a run can have.`);
  return parse_run(await file.text());
}
