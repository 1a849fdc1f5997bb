// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Keyboard, addresses, the connection and what goes wrong with it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count_of, lab, received, scene_begun, text_of, until, with_browser, with_page } from './support.mjs';

with_browser();

test('the time ruler: what the mouse is over is said; dragging and the wheel move it', () => with_page('#deliberate-update/send', async ({ page }) => {
  await scene_begun(page, 'Deliberate update');
  await page.click('[data-choice="0"]');
  await page.click('#run-step');
  await until(() => count_of(page, '#step-verdict'), 'the step');
  await until(async () => await lab(page, 'records_waiting') === 0, 'that everything has been shown');
  await page.click('#ruler-all');
  const box = await page.locator('#ruler-canvas').boundingBox();
  const over = async () => {
    for (let y = 26; y < box.height; y += 6) {
      for (let x = 200; x < box.width; x += 9) {
        await page.mouse.move(box.x + x, box.y + y);
        if (await text_of(page, '#ruler-sentence')) return true;
      }
    }
    return false;
  };
  assert.ok(await over(), 'a record under the mouse');
  assert.match(await text_of(page, '#ruler-sentence'), /^[0-9.,]+ [µnm]?s: [A-Z].*\.$/);
  const drawn = async () => Number(await page.getAttribute('#ruler-canvas', 'data-drawn'));
  const all = await drawn();
  await page.mouse.move(box.x + 400, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + 400 - box.width, box.y + 60, { steps: 6 });
  await page.mouse.up();
  await until(async () => await drawn() < all, 'fewer records: they are to the left now');
  await page.click('#ruler-all');
  await until(async () => await drawn() === all, 'all of them again');
  const span = await text_of(page, '#ruler-range');
  await page.mouse.move(box.x + 400, box.y + 60);
  await page.mouse.wheel(0, -300);
  await until(async () => await text_of(page, '#ruler-range') !== span, 'another span');
}));

test('a scene by keyboard alone', () => with_page('#map', async ({ page, server }) => {
  await scene_begun(page, 'Map');
  await page.keyboard.press('2');
  await scene_begun(page, 'Deliberate update');
  await page.keyboard.press('b');
  await until(() => page.locator('[data-choice="1"] input').isChecked(), 'the prediction');
  await page.keyboard.press('r');
  await until(() => count_of(page, '#step-verdict'), 'the run');
  for (const [key, expected] of [[' ', { mode: 'paused' }], ['n', { mode: 'step' }], ['ArrowRight', { mode: 'step' }], [' ', { mode: 'full' }]]) {
    const before = received(server, 'pace').length;
    await page.keyboard.press(key);
    await until(() => received(server, 'pace').length > before, `the pace after "${key}"`);
    assert.deepEqual(received(server, 'pace').at(-1), { type: 'pace', ...expected });
  }
  await page.keyboard.press('s');
  await until(() => received(server, 'pace').at(-1).mode === 'slow', 'slow motion');
  assert.ok(received(server, 'pace').at(-1).slowdown >= 1000, 'simulated time has a slowdown');
}));

test('help lists the keys, and closes', () => with_page('#map', async ({ page }) => {
  await scene_begun(page, 'Map');
  await page.keyboard.press('?');
  assert.ok(await count_of(page, '#keys tr') >= 12);
  await page.keyboard.press('2');
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#help').isVisible(), false);
  assert.equal(await text_of(page, '#scene-title'), 'Map', 'keys do nothing behind a window');
}));

test('keys that are typed into a field are text', () => with_page('#free-play', async ({ page, server }) => {
  await scene_begun(page, 'Free play');
  await page.locator('[data-play=send] [name=text]').fill('');
  await page.locator('[data-play=send] [name=text]').pressSequentially('2 nsr?');
  assert.equal(await page.locator('[data-play=send] [name=text]').inputValue(), '2 nsr?');
  assert.deepEqual(received(server, 'pace'), []);
  assert.equal(await text_of(page, '#scene-title'), 'Free play');
}));

test('the address is followed, and follows', () => with_page('#map/wrong-key?nodes=1,0&dock=errors', async ({ page, server }) => {
  await scene_begun(page, 'Map');
  assert.equal(await page.locator('#node-a').getAttribute('data-node'), '1');
  assert.equal(await page.locator('#dock-errors').getAttribute('aria-selected'), 'true');
  assert.equal(await page.locator('[data-step=wrong-key]').getAttribute('aria-selected'), 'true');
  await page.keyboard.press('<');
  await until(async () => (await page.evaluate(() => location.hash)) === '#map/right-key?nodes=1,0&dock=errors', 'the address of the step before');
  await page.evaluate(() => { location.hash = '#deliberate-update/send'; });
  await scene_begun(page, 'Deliberate update');
  assert.deepEqual(received(server, 'begin').map((message) => message.scene), ['map', 'deliberate-update']);
  await page.evaluate(() => { location.hash = '#no-such-scene'; });
  await until(async () => /no scene/.test(await text_of(page, '#notices')), 'what is wrong with the address');
}));

test('the time ruler by keyboard: records, zoom, and back to what is new', () => with_page('#deliberate-update', async ({ page, server }) => {
  await scene_begun(page, 'Deliberate update');
  server.handle({ type: 'step', request: 7, step: 0, parameters: { bytes: 8192 } });
  await until(async () => Number(await page.locator('#ruler-canvas').getAttribute('data-lanes')) >= 10, 'the lanes');
  await until(async () => await page.evaluate(() => window.lab.records_waiting) === 0, 'that everything has been on stage');
  await page.keyboard.press('z');
  await page.keyboard.press('.');
  await until(async () => /complete: OK/.test(await text_of(page, '#ruler-sentence')), 'the last record');
  await page.keyboard.press(',');
  await until(async () => /incoming DMA engine of node 1 writes 4 KiB to buffer 7 at 4,096/.test(await text_of(page, '#ruler-sentence')), 'the record before');
  const drawn = Number(await page.locator('#ruler-canvas').getAttribute('data-drawn'));
  for (let i = 0; i < 8; i++) await page.keyboard.press('+');
  await until(async () => Number(await page.locator('#ruler-canvas').getAttribute('data-drawn')) < drawn, 'fewer records after zooming in');
  assert.equal(await page.locator('#ruler-follow').getAttribute('aria-pressed'), 'false');
  await page.keyboard.press('f');
  await until(async () => Number(await page.locator('#ruler-canvas').getAttribute('data-drawn')) >= drawn - 3, 'everything again');
}));

test('a lost connection is said, and made again', () => with_page('#deliberate-update', async ({ page, server }) => {
  await scene_begun(page, 'Deliberate update');
  const begun = received(server, 'begin').length;
  const listeners = server.server.listeners('upgrade');
  server.server.removeAllListeners('upgrade');
  server.drop_all();
  await until(() => count_of(page, 'body[data-connection=lost]'), 'the loss');
  assert.match(await text_of(page, '#connection'), /lost/i);
  assert.equal(await page.locator('#run-step').isDisabled(), true);
  server.server.on('upgrade', listeners[0]);
  await until(() => count_of(page, 'body[data-connection=open]'), 'the connection again');
  await scene_begun(page, 'Deliberate update');
  assert.equal(received(server, 'begin').length, begun, 'a scene that is there is not begun again');
}, { may_complain: true }));

test('bad messages are said and change nothing; markup is text', () => with_page('#deliberate-update', async ({ page, server }) => {
  await scene_begun(page, 'Deliberate update');
  const before = await text_of(page, '#node-a .processes');
  for (const text of ['no JSON {', '[]', '7', 'null', '{}', '{"type":"nonsense"}', '{"type":"snapshot"}', '{"type":"bytes","hex":"zz"}', '{"type":"records","records":[null,{"time":"x"},{"event":7}]}', '{"type":"answer","step":99}', '{"type":"actors","actors":"x"}']) server.send_raw(text);
  server.send({ type: 'problem', sentence: '<img src=x onerror="document.title=1"><b>bold</b>', request: null });
  await until(async () => (await text_of(page, '#notices')).includes('<b>bold</b>'), 'the problem, as it is');
  assert.equal(await count_of(page, '#notices b, #notices img'), 0);
  assert.equal(await text_of(page, '#node-a .processes'), before);
  server.handle({ type: 'step', request: 5, step: 0, parameters: { bytes: 64 } });
  await until(() => count_of(page, '[data-counter="0/0/packets_sent"]'), 'that it goes on');
}));

test('a step that is refused can be run again', () => with_page('#crossover', async ({ page, server }) => {
  await scene_begun(page, 'Deliberate or automatic update');
  const step = server.step;
  server.step = ({ request }) => server.send({ type: 'problem', sentence: 'The sender has ended.', request });
  await page.click('#run-step');
  await until(async () => /has ended/.test(await text_of(page, '#notices')), 'the refusal');
  server.step = step;
  await page.click('#run-step');
  await until(() => count_of(page, '#step-verdict'), 'the run');
}));
