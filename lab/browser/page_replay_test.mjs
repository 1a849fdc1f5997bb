// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Runs as files: saved, opened without a server, stepped through; files that are none.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { make_run } from '../page/testing/make_run.mjs';
import { count_of, lab, scene_begun, text_of, until, with_browser, with_page, with_page_from_disk } from './support.mjs';

with_browser();

const open = (page, text, name = 'run.json') => page.setInputFiles('#run-file', { name, mimeType: 'application/json', buffer: Buffer.from(text) });

test('a run is replayed from disk without a server', () => with_page_from_disk(async ({ page, requests }) => {
  const run = make_run();
  await open(page, JSON.stringify(run));
  await until(() => count_of(page, 'body[data-connection=replay]'), 'the replay');
  await page.keyboard.press(' ');
  await until(async () => (await text_of(page, '#scene-title')) === 'Deliberate update', 'the scene');
  assert.equal(await page.locator('#pause').getAttribute('aria-pressed'), 'true');
  const before = await lab(page, 'records_received');
  await page.keyboard.press('n');
  await until(async () => await lab(page, 'records_received') > before, 'records of one step');
  await page.locator('#seek').fill('1000');
  await until(() => count_of(page, '#step-verdict[data-ok=true]'), 'the end of the run');
  const all = run.messages.filter(({ message }) => message.type === 'records').flatMap(({ message }) => message.records);
  assert.equal(await page.locator('#node-b').getAttribute('data-node'), '1');
  assert.equal(await count_of(page, '[data-hex="1/1/2/0"] .hex-row') > 0, true);
  assert.ok(await lab(page, 'records_received') >= all.length);
  await page.locator('#seek').fill('0');
  await until(async () => await count_of(page, '#step-verdict') === 0, 'the beginning again');
  await page.locator('#slow').click();
  await until(async () => (await page.locator('#slow').getAttribute('aria-pressed')) === 'true', 'slow motion');
  assert.equal(requests.length, 1, `the page and nothing else: ${requests}`);
}));

test('a run that plays to its end pauses there, and plays again', () => with_page_from_disk(async ({ page }) => {
  const run = make_run();
  run.messages.forEach((entry) => { entry.at_ms /= 20; });
  await open(page, JSON.stringify(run));
  await until(async () => (await page.locator('#pause').getAttribute('aria-pressed')) === 'true', 'the end');
  assert.equal(await page.locator('#seek').inputValue(), '1000');
  const once = await lab(page, 'records_received');
  await page.click('#play');
  await until(async () => await lab(page, 'records_received') === 2 * once, 'the second time');
}));

test('what was seen is saved, and shows the same again', () => with_page('#deliberate-update/send', async ({ page }) => {
  await scene_begun(page, 'Deliberate update');
  await page.click('[data-choice="1"]');
  await page.click('#run-step');
  await until(() => count_of(page, '#step-verdict'), 'the run');
  const counters = await page.locator('#counters tbody').textContent();
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save-run')]);
  const text = readFileSync(await download.path(), 'utf8');
  const run = JSON.parse(text);
  assert.deepEqual([run.format, run.version, run.left_out], ['vmmc-run', 1, 0]);
  assert.equal(run.messages[0].message.type, 'hello');
  await with_page_from_disk(async ({ page: other }) => {
    await open(other, text);
    await until(() => count_of(other, 'body[data-connection=replay]'), 'the replay');
    await other.locator('#seek').fill('1000');
    await until(() => count_of(other, '#step-verdict'), 'the same run');
    await until(async () => (await other.locator('#dock-body').textContent()).includes('packets sent'), 'counters');
    assert.ok(counters.includes('packets sent'));
    assert.equal(await other.locator('[data-answer-do=send]').getAttribute('data-answer-status'), 'OK');
  });
}));

test('a run is opened by dropping it on the page', () => with_page_from_disk(async ({ page }) => {
  const transfer = await page.evaluateHandle((text) => {
    const data = new DataTransfer();
    data.items.add(new File([text], 'run.json', { type: 'application/json' }));
    return data;
  }, JSON.stringify(make_run()));
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
  await until(() => count_of(page, 'body[data-connection=replay]'), 'the replay');
}));

const good = make_run();
const BROKEN = [
  ['cut off', JSON.stringify(good).slice(0, 5000), /not JSON/],
  ['empty', '', /not JSON/],
  ['another format', '{"format":"pcap"}', /no run of the lab/],
  ['an array', '[1,2]', /no run of the lab/],
  ['null', 'null', /no run of the lab/],
  ['another version', '{"format":"vmmc-run","version":2,"messages":[{}]}', /version 2/],
  ['no messages', '{"format":"vmmc-run","version":1,"messages":[]}', /no messages/],
  ['an unknown message', '{"format":"vmmc-run","version":1,"messages":[{"at_ms":0,"message":{"type":"spell"}}]}', /Message 1/],
  ['time goes back', JSON.stringify({ ...good, messages: [{ ...good.messages[0], at_ms: 50 }, { ...good.messages[1], at_ms: 10 }] }), /Message 2/],
  ['no hello', JSON.stringify({ ...good, messages: good.messages.slice(1) }), /no "hello"/],
];

test('a file that is no run gives one sentence each', () => with_page_from_disk(async ({ page }) => {
  for (const [name, text, sentence] of BROKEN) {
    await open(page, text, `${name}.json`);
    await until(async () => sentence.test(await text_of(page, '#notices')) && (await text_of(page, '#notices')).includes(`${name}.json cannot be replayed`), `the sentence about "${name}"`);
    assert.equal(await count_of(page, '#notices .notice'), 1, name);
    await page.click('#notices button');
    await until(async () => await count_of(page, '#notices .notice') === 0, 'that it is put away');
  }
  await open(page, JSON.stringify(good));
  await until(() => count_of(page, 'body[data-connection=replay]'), 'a good one after all');
}));
