// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Ten thousand packets a second from a real process: the page shows a sample, says so, and does what it is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { picture_of, with_lab } from './real_support.mjs';
import { count_of, lab, scene_begun, text_of, until, with_browser } from './support.mjs';

with_browser();

const INTERVAL_NS = 1000;  // as short as the system sleeps
const PACKETS = 10000;

/** As another page would: commands of free play over a socket of its own. */
const tell = (page, ...commands) => page.evaluate((all) => new Promise((done, failed) => {
  const socket = new WebSocket(new URL('socket', location.href.replace(/^http/, 'ws').replace(/#.*/, '')));
  const waiting = new Set();
  socket.addEventListener('error', () => failed(new Error('the socket')));
  socket.addEventListener('open', () => all.forEach(([actor, command], index) => {
    waiting.add(77000 + index);
    socket.send(JSON.stringify({ type: 'play', request: 77000 + index, actor, command }));
  }));
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === 'problem') failed(new Error(message.sentence));
    if (message.type === 'answer' && message.request !== null) waiting.delete(message.request);
    if (waiting.size === 0 && message.type === 'answer') {
      socket.close();
      done();
    }
  });
}), commands);

const sent_by = async (nicsim, process) => (await nicsim.snapshot()).processes.find((one) => one.process === process).counters.packets_sent;

test('10,000 packets a second', (context) => with_lab('#free-play', async ({ page, nicsim }) => {
  await scene_begun(page, 'Free play');
  await tell(page, ['node-1', { do: 'export', buffer: 1, pages: 1 }]);
  await tell(page, ['node-0', { do: 'import', from: 'node-1', buffer: 1, as: 'p1' }]);
  const flood = tell(page, ['node-0', { do: 'stream', proxy: 'p1', messages: 900000, bytes: 64, interval_ns: INTERVAL_NS }]);
  flood.catch(() => {});  // It ends with the process.
  const first = await until(() => sent_by(nicsim, 0), 'the first packets');
  const [frames, began] = [await lab(page, 'frames'), Date.now()];
  await until(() => page.locator('#sample').evaluate((one) => Number(one.dataset.total) > Number(one.dataset.shown)), 'that it says that it shows a sample');
  const sample = await page.locator('#sample').evaluate((one) => [Number(one.dataset.shown), Number(one.dataset.total), one.textContent]);
  assert.ok(sample[0] > 0 && sample[2].includes(sample[0].toLocaleString('en-US')) && sample[2].includes(sample[1].toLocaleString('en-US')), sample[2]);
  await page.click('#dock-actors');
  await until(() => count_of(page, '[data-actor="node-0"][data-state=running]'), 'the actors: the click has come through');
  await page.keyboard.press('t');
  await picture_of(page, 'flood');
  await until(async () => await sent_by(nicsim, 0) > first + PACKETS, `${PACKETS} packets`);
  await until(async () => await lab(page, 'frames') - frames >= 10, 'ten frames while packets go by');
  const seconds = (Date.now() - began) / 1000;
  const rate = (await sent_by(nicsim, 0) - first) / seconds;
  const drawn = await lab(page, 'frames') - frames;
  context.diagnostic(`${Math.round(rate)} packets a second; ${Math.round(drawn / seconds)} frames a second`);
  assert.ok(await lab(page, 'packets_drawn') > 0);
  await page.click('[data-actor="node-0"] [data-act=kill]');
  await until(() => count_of(page, '[data-actor="node-0"][data-state=ended]'), 'its end: the page still commands');
  await until(async () => (await text_of(page, '#sample')) === '', 'that nothing is left out any more');
}, { viewport: { width: 1600, height: 900 } }));
