// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// A real nicsim with real actors, vmmcstat beside it, and the page that it serves.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { count_of, open_tab, until } from './support.mjs';

const run_program = promisify(execFile);
const program = (name) => resolve(process.env[`LAB_${name}`] ?? assert.fail(`LAB_${name} names no program: see lab/browser/run_tests.sh`));
const MOST_OUTPUT = 64 << 20;

/** The scenes as they stand in lab/scenes, in their order. */
export function read_scenes(folder = 'lab/scenes') {
  return readdirSync(folder).filter((name) => /^[0-9]+-.*\.json$/.test(name)).sort().map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
}

export class Nicsim {
  constructor(child, socket) {
    Object.assign(this, { child, socket, url: null, complaints: [] });
  }

  /** Starts one with the lab; resolves when it has printed its page's address. */
  static async start({ nodes = '1x2', model = 'none', more = [] } = {}) {
    const socket = `@vmmc-lab-test-${randomBytes(8).toString('hex')}`;
    const options = ['--foreground', '--lab', '--http', '0', '--nodes', nodes, '--model', model, '--socket', socket, ...more];
    const child = spawn(program('NICSIM'), options, { env: { ...process.env, VMMC_LAB_ACTOR: program('ACTOR') }, stdio: ['ignore', 'pipe', 'pipe'] });
    const nicsim = new Nicsim(child, socket);
    nicsim.ended = new Promise((done) => { child.on('exit', (code, signal) => done(signal ?? code)); });
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', (line) => nicsim.heard(line));
    await until(() => nicsim.url, `the page's address from nicsim, which said: ${nicsim.complaints}`);
    return nicsim;
  }

  heard(line) {
    const [address] = line.match(/http:\/\/\S+\/[0-9a-f]{32}\//) ?? [];
    if (address) this.url = address;
    else this.complaints.push(line);
  }

  async stat(...options) {
    const { stdout } = await run_program(program('VMMCSTAT'), [...options, '--socket', this.socket], { maxBuffer: MOST_OUTPUT });
    return stdout;
  }

  async snapshot() {
    return JSON.parse(await this.stat('--json'));
  }

  async stop() {
    this.child.kill('SIGTERM');
    return this.ended;
  }
}

export async function vmmctrace(...options) {
  const { stdout } = await run_program(program('VMMCTRACE'), options, { maxBuffer: MOST_OUTPUT });
  return stdout;
}

/** Where a test may leave something: Bazel keeps it as the test's outputs. */
export function output_folder() {
  const folder = process.env.LAB_PICTURES ?? process.env.TEST_UNDECLARED_OUTPUTS_DIR ?? '';
  if (folder) mkdirSync(folder, { recursive: true });
  return folder;
}

/** Runs `act({page, nicsim, heard})` with the page of a real nicsim; `heard` are the server's messages, by type. The console must be empty at the end. */
export async function with_lab(hash, act, { machine = {}, ...options } = {}) {
  const nicsim = await Nicsim.start(machine);
  const tab = await open_tab(options);
  const heard = listen(tab.page);
  try {
    await tab.page.goto(nicsim.url + hash);
    await until(() => count_of(tab.page, 'body[data-connection=open]'), 'the connection');
    await act({ ...tab, nicsim, heard });
    // While nicsim starts itself anew the browser may find nobody for a moment, and says so.
    assert.deepEqual(tab.complaints.filter((text) => !/WebSocket connection to/.test(text)), [], 'the console is empty');
  } catch (error) {
    await picture_of(tab.page, 'failed');
    error.message += `\nThe page: ${await tab.page.locator('#notices').textContent().catch(() => '?')}\nnicsim: ${nicsim.complaints.slice(-10).join(' | ')}`;
    throw error;
  } finally {
    await tab.context.close();
    await nicsim.stop();
  }
}

/** Leaves a picture among the test's outputs, if there is a place for them. */
export async function picture_of(page, name) {
  const folder = output_folder();
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`) }).catch(() => {});
}

function listen(page) {
  const heard = {};
  page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => {
    const message = JSON.parse(payload.toString());
    if (message.type !== 'records' && message.type !== 'bytes') (heard[message.type] ??= []).push(message);
  }));
  return heard;
}
