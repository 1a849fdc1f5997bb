// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Free play with real processes: each button does what it says, and vmmcstat says so, too. Other machines: another clock, more nodes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { picture_of, with_lab } from './real_support.mjs';
import { count_of, lab, scene_begun, text_of, until, with_browser } from './support.mjs';

with_browser();

const WIDE = { viewport: { width: 1600, height: 900 } };

/** Fills a form of free play, and submits it; waits for the answer: its status. */
async function play(page, form, actor, values) {
  const answers = await page.evaluate(() => document.querySelectorAll('#play-answers li').length);
  const root = page.locator(`[data-play="${form}"]`);
  await root.locator('select[name=actor]').selectOption(actor);
  for (const [name, value] of Object.entries(values)) {
    const control = root.locator(`[name="${name}"]`);
    if (await control.evaluate((one) => one.tagName === 'SELECT')) await control.selectOption(String(value));
    else await control.fill(String(value));
  }
  await root.locator('button[type=submit]').click();
  await until(async () => await count_of(page, '#play-answers li') > answers, `the answer to ${form}`);
  return page.locator('#play-answers li').first().getAttribute('data-answer-status');
}

/** Where the packets are that can be seen, frame by frame. */
function places_until_arrival(page) {
  return page.evaluate(() => new Promise((done) => {
    const places = [];
    const look = () => {
      places.push(...window.lab.packet_places);
      if (window.lab.packets_flying > 0 || window.lab.records_waiting > 0) requestAnimationFrame(look);
      else done(places);
    };
    look();
  }));
}

/** Two processes that know each other: node-1 exports buffer 1, node-0 imports it as p1. */
async function connect(page) {
  await scene_begun(page, 'Free play');
  assert.equal(await play(page, 'export', 'node-1', { buffer: 1, pages: 2, access: 'rw' }), 'OK');
  assert.equal(await play(page, 'import', 'node-0', { from: 'node-1', buffer: 1, as: 'p1', access: 'rw' }), 'OK');
}

async function look_at_buffer(page) {
  const first = page.locator('[data-page^="1/1/"][data-state=imported]').first();
  await first.click();
  const key = await first.getAttribute('data-page');
  const row = page.locator(`[data-hex="${key}"] .hex-row`).first();
  await until(() => row.count(), 'the bytes of the buffer');
  return async (text, what) => until(async () => Buffer.from(await row.getAttribute('data-bytes'), 'hex').toString('latin1').startsWith(text), what);
}

const faults_of = async (nicsim) => (await nicsim.snapshot()).faults;

test('export, import, send, type into a bound page, send out of bounds', () => with_lab('#free-play', async ({ page, nicsim }) => {
  await connect(page);
  const { exports, imports } = await nicsim.snapshot();
  assert.deepEqual([exports.length, exports[0].node, exports[0].pages, imports.length, imports[0].node], [1, 1, 2, 1, 0]);
  const begins_with = await look_at_buffer(page);
  assert.equal(await play(page, 'send', 'node-0', { proxy: 'p1', offset: 0, text: 'Freeplay' }), 'OK');
  await begins_with('Freeplay', 'what was sent');
  assert.equal(await play(page, 'bind', 'node-0', { proxy: 'p1', as: 'b1', pages: 1, capture: 'trap', combining: 'single' }), 'OK');
  await until(() => count_of(page, '[data-binding]'), 'the binding');
  assert.equal((await nicsim.snapshot()).bindings.length, 1);
  await page.click('#typing');
  await page.keyboard.type('SHRIMP');
  await begins_with('SHRIMPay', 'what was typed');
  assert.equal(await play(page, 'send-outside', 'node-0', { proxy: 'p1', offset: 8190, bytes: 64 }), 'OUTSIDE_PROXY');
  assert.match(await text_of(page, '#play-answers .answer-sentence'), /past the end of the proxy/);
  assert.equal(await play(page, 'send', 'node-0', { proxy: 'no-such', offset: 0, text: 'x' }), 'not done');
  await picture_of(page, 'free-play');
}, WIDE));

test('a packet is dropped, one is corrupted, one is late', () => with_lab('#free-play', async ({ page, nicsim }) => {
  await connect(page);
  const begins_with = await look_at_buffer(page);
  const send = (text) => play(page, 'send', 'node-0', { proxy: 'p1', offset: 0, text });
  assert.equal(await send('first'), 'OK');
  await begins_with('first', 'the first');
  for (const [fault, done] of [['drop', 'dropped'], ['corrupt', 'corrupted']]) {
    await page.click(`[data-fault=${fault}]`);
    await until(async () => (await faults_of(nicsim)).planned === 1, 'the plan');
    await send(fault);
    await until(async () => (await faults_of(nicsim))[done] === 1, `that it is ${done}`);
  }
  await page.click('#dock-errors');
  await until(() => count_of(page, '[data-error]'), 'the corrupted packet among the errors');
  const { errors } = await nicsim.snapshot();
  assert.deepEqual(await page.$$eval('[data-error]', (all) => all.map((one) => [one.dataset.error, Number(one.dataset.count)])), errors.map((one) => [one.status, one.count]));
  await page.click('#dock-play');
  await page.click('[data-fault=delay]');
  await until(async () => (await faults_of(nicsim)).planned === 1, 'the plan');
  await begins_with('first', 'nothing of what was lost');
  await send('late!');
  await begins_with('late!', 'the late one');
  assert.equal((await faults_of(nicsim)).delayed, 1);
}, WIDE));

test('a process is killed: the others learn it, the page goes on', () => with_lab('#free-play', async ({ page, nicsim }) => {
  await connect(page);
  await page.click('#dock-actors');
  await page.click('[data-actor="node-1"] [data-act=kill]');
  await until(() => count_of(page, '[data-actor="node-1"][data-state=ended]'), 'its end');
  assert.match(await text_of(page, '[data-actor="node-1"]'), /killed by signal 9/);
  await until(async () => (await nicsim.snapshot()).exports.length === 0, 'the end of its exports');
  await until(() => count_of(page, '[data-proxy][data-state=peer_dead]'), 'the dead proxy');
  await page.click('#dock-play');
  assert.equal(await play(page, 'send', 'node-0', { proxy: 'p1', offset: 0, text: 'for the dead' }), 'PEER_DEAD');
  await page.click('#dock-actors');
  await page.click('[data-actor="node-1"] [data-act=restart]');
  await until(() => count_of(page, '[data-actor="node-1"][data-state=running]'), 'its return');
  await until(async () => (await nicsim.snapshot()).processes.some((one) => one.process === 1), 'its return, as vmmcstat says');
}, WIDE));

test('another clock, and sixteen nodes: nicsim starts itself anew, and the page connects again', () => with_lab('#free-play', async ({ page, nicsim }) => {
  await scene_begun(page, 'Free play');
  const machine = async () => {
    const { nicsim: one } = await nicsim.snapshot();
    return `${one.rows}x${one.columns} ${one.model}`;
  };
  for (const [control, value, expected] of [['#clock-chooser', 'shrimp-2', '1x2 shrimp-2'], ['#nodes-chooser', '16', '4x4 shrimp-2'], ['#clock-chooser', 'real', '4x4 none']]) {
    await page.selectOption(control, value);
    await until(async () => await machine() === expected, `the machine ${expected}`);
    await until(() => count_of(page, 'body[data-connection=open]'), 'the connection');
    await scene_begun(page, 'Free play');
  }
  assert.equal(await count_of(page, '#mesh-lines [data-node]'), 16);
  await until(async () => (await nicsim.snapshot()).processes.length === 16, 'a process on each node');
  await page.click('#mesh-lines [data-node="5"]');
  await until(() => count_of(page, '.node-card[data-node="5"] .process'), 'node 5 with its process');
  assert.equal(await play(page, 'export', 'node-15', { buffer: 1, pages: 1, access: 'rw' }), 'OK');
  assert.equal(await play(page, 'import', 'node-0', { from: 'node-15', buffer: 1, as: 'p1', access: 'w' }), 'OK');
  const places = [];
  // It may be there before we look.
  await until(async () => {
    const before = await lab(page, 'packets_drawn');
    assert.equal(await play(page, 'send-bytes', 'node-0', { proxy: 'p1', offset: 0, bytes: 4096 }), 'OK');
    await until(async () => await lab(page, 'packets_drawn') > before, 'packets in the mesh');
    places.push(...await places_until_arrival(page));
    return places.some(({ column }) => column > 0.1 && column < 2.9);
  }, 'packets between the routers of a row');
  for (const one of places) {
    assert.deepEqual([one.from, one.to], [0, 15]);
    const stub = one.row < 0.5 && one.column < 0.1 || one.row > 2.9;
    assert.ok(stub || Math.abs(one.row) < 0.01 || Math.abs(one.column - 3) < 0.01, `along the row first, then along the column: not at ${one.row}, ${one.column}`);
  }
  await picture_of(page, 'sixteen-nodes');
}, WIDE));

test('slow motion, pause, and one packet at a time hold up the real machine', () => with_lab('#free-play', async ({ page, nicsim }) => {
  await connect(page);
  await page.click('#pause');
  await until(async () => (await nicsim.snapshot()).pace.mode === 'paused', 'the pause');
  const answers = await count_of(page, '#play-answers li');
  const sent = async () => (await nicsim.snapshot()).processes.find((one) => one.process === 0).counters.packets_sent;
  const before = await sent();
  const form = page.locator('[data-play="send-bytes"]');
  await form.locator('[name=bytes]').fill('8192');
  await form.locator('button[type=submit]').click();
  await until(async () => (await nicsim.snapshot()).processes.find((one) => one.process === 0).send_queue.depth > 0, 'that it waits in the send queue');
  assert.equal(await sent(), before, 'nothing moves');
  await page.click('#step-packet');
  await until(async () => await sent() === before + 1, 'one packet');
  await page.click('#slow');
  await until(async () => (await nicsim.snapshot()).pace.mode === 'slow', 'slow motion');
  await page.click('#play');
  await until(async () => await sent() === before + 2, 'the rest');
  await until(async () => await count_of(page, '#play-answers li') > answers, 'the answer');
}, WIDE));
