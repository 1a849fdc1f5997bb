// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Predict, run, explain; tables, bytes, counters, errors; plots; actors; free play.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count_of, received, scene_begun, text_of, until, with_browser, with_page } from './support.mjs';

with_browser();

test('predict, run, explain', () => with_page('#deliberate-update/send', async ({ page }) => {
  await scene_begun(page, 'Deliberate update');
  assert.equal(await page.locator('#run-step').isDisabled(), true, 'no run without a prediction');
  assert.equal(await count_of(page, '[data-verdict=right]'), 0, 'the answer is not to be seen');
  assert.doesNotMatch(await text_of(page, '#explain'), /page boundaries/);
  await page.click('[data-choice="0"]');
  await page.click('#run-step');
  await until(() => count_of(page, '#step-verdict[data-ok=true]'), 'the step');
  assert.equal(await count_of(page, '[data-choice="1"][data-verdict=right]'), 1);
  assert.equal(await count_of(page, '[data-choice="0"][data-verdict=wrong]'), 1);
  assert.match(await text_of(page, '#explain'), /page boundaries/);
  assert.equal(await page.locator('[data-answer-do=send]').getAttribute('data-answer-status'), 'OK');
  assert.equal(await page.locator('[data-counter="0/0/packets_sent"]').getAttribute('data-grown'), '2');
}));

test('the page shows the bytes that were written, and marks them', () => with_page('#deliberate-update/send?below=memory', async ({ page, server }) => {
  await scene_begun(page, 'Deliberate update');
  await until(() => count_of(page, '[data-hex="1/1/2/0"] .hex-row'), 'the bytes of the page that the scene names');
  server.handle({ type: 'play', request: 900, actor: 'sender', command: { do: 'send', proxy: 'inbox', offset: 3, text: 'SHRIMP' } });
  await until(async () => (await page.locator('[data-hex="1/1/2/0"] .hex-row').first().getAttribute('data-bytes')).startsWith('000000534852494d50'), 'the bytes');
  assert.equal(await page.locator('[data-hex="1/1/2/0"]').getAttribute('data-changed'), '6');
  assert.equal(await text_of(page, '[data-hex="1/1/2/0"] .hex-text mark'), 'SHRIMP');
}));

test('a click on a table shows its runs', () => with_page('#deliberate-update', async ({ page }) => {
  await scene_begun(page, 'Deliberate update');
  await page.click('#node-a [data-table=outgoing]');
  assert.equal(await count_of(page, '#table-dialog tr[data-page="0"][data-count="4"]'), 1);
  assert.match(await text_of(page, '#table-dialog tr[data-page]'), /node 1/);
  await page.keyboard.press('Escape');
  await page.click('#node-b [data-table=incoming]');
  assert.equal(await count_of(page, '#table-dialog tr[data-page="8"][data-count="4"]'), 1);
}));

test('a refusal is an error with a count', () => with_page('#map/wrong-key?dock=errors', async ({ page }) => {
  await scene_begun(page, 'Map');
  for (const count of [1, 2]) {
    if (count === 1) await page.click('[data-choice="0"]');
    await page.click('#run-step');
    await until(() => count_of(page, `[data-error=PERMISSION_DENIED][data-count="${count}"]`), `error ${count}`);
    await until(() => page.locator('#run-step').isEnabled(), 'the end of the step');
  }
  assert.equal(await count_of(page, '#errors li'), 1, 'each distinct error once');
  assert.equal(await page.locator('[data-answer-do=import]').getAttribute('data-answer-status'), 'PERMISSION_DENIED');
}));

test('every value of a slider in turn makes the plot, with its crossover', () => with_page('#crossover/density', async ({ page, server }) => {
  await scene_begun(page, 'Deliberate or automatic update');
  await page.click('#run-all');
  await until(() => count_of(page, '.plot[data-points="14"]'), 'fourteen points');
  const crossing = Number(await page.locator('[data-crossing]').getAttribute('data-crossing'));
  assert.ok(crossing > 10 && crossing < 20, `crossover at ${crossing}`);
  assert.deepEqual(received(server, 'step').map((message) => message.parameters.density), [1, 2, 5, 10, 20, 50, 100]);
}));

test('what a scene wants looked at is looked at as soon as it exists', () => with_page('#map', async ({ page, server }) => {
  await scene_begun(page, 'Map');
  assert.deepEqual(server.looks, []);
  await page.click('[data-choice="1"]');
  await page.click('#run-step');
  await until(() => server.looks.length === 1, 'the page of the buffer that has just been exported');
  assert.deepEqual(server.looks[0], { node: 1, process: 1, segment: 2, page: 0 });
}));

test('an actor is killed and started anew', () => with_page('#deliberate-update?dock=actors', async ({ page }) => {
  await scene_begun(page, 'Deliberate update');
  await page.click('[data-actor=receiver] [data-act=kill]');
  await until(() => count_of(page, '[data-actor=receiver][data-state=ended]'), 'its end');
  assert.match(await text_of(page, '[data-actor=receiver]'), /killed by signal 9/);
  assert.equal(await count_of(page, '[data-proxy="0"][data-state=peer_dead]'), 1);
  await page.click('[data-actor=receiver] [data-act=restart]');
  await until(() => count_of(page, '[data-actor=receiver][data-state=running]'), 'its return');
}));

test('free play: each form is a call, each key a store, the next packet can be dropped', () => with_page('#free-play', async ({ page, server }) => {
  await scene_begun(page, 'Free play');
  for (const form of ['export', 'import', 'send', 'send-outside', 'bind']) await page.click(`[data-play="${form}"] button[type=submit]`);
  await page.click('[data-fault=drop]');
  await page.click('#typing');
  await page.keyboard.type('ab');
  await until(() => received(server, 'play').length === 7, 'seven commands');
  const stores = received(server, 'play').slice(5).map(({ command }) => [command.do, command.offset, command.text]);
  assert.deepEqual(stores, [['store', 0, 'a'], ['store', 1, 'b']]);
  assert.deepEqual(received(server, 'fault')[0], { type: 'fault', action: 'drop', from: null, to: null, skip: 0 });
  await until(() => count_of(page, '#play-answers [data-answer-status=OUTSIDE_PROXY]'), 'the refusal');
  await until(async () => await count_of(page, '#play-answers [data-answer-status=OK]') === 6, 'the other six answers');
}));

test('another number of nodes is another machine', () => with_page('#free-play', async ({ page, server }) => {
  await scene_begun(page, 'Free play');
  for (const [nodes, rows, columns] of [[16, 4, 4], [3, 1, 3]]) {
    await page.selectOption('#nodes-chooser', String(nodes));
    await until(async () => await count_of(page, '#mesh-lines [data-node]') === nodes && await count_of(page, 'body[data-connection=open]'), `${nodes} nodes`);
    const { type, ...machine } = received(server, 'machine').at(-1);
    assert.deepEqual({ rows: machine.rows, columns: machine.columns, type }, { rows, columns, type: 'machine' });
  }
}));
