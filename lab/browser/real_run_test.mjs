// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Runs of a real nicsim as files: saved in the browser, or made of a trace; both open in the page from disk, with no nicsim there.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { seen } from './agreement.mjs';
import { vmmctrace, with_lab } from './real_support.mjs';
import { count_of, lab, scene_begun, text_of, until, with_browser, with_page_from_disk } from './support.mjs';

with_browser();

const folder = mkdtempSync(join(process.env.TEST_TMPDIR ?? tmpdir(), 'runs-'));

async function run_step(page, step) {
  await page.click(`[data-step="${step}"]`);
  await page.click('[data-choice="0"]');
  await page.click('#run-step');
  await until(() => count_of(page, '#step-verdict[data-ok=true]'), `the end of ${step}`);
  await until(() => page.evaluate(() => window.lab.records_waiting === 0), 'that everything has been shown');
}

async function everything(page) {
  const bytes = await page.$$eval('.hex-row', (rows) => rows.map((row) => row.dataset.bytes).join(''));
  return { ...await seen(page), bytes, received: await lab(page, 'records_received'), answers: await page.$$eval('[data-answer-status]', (all) => all.map((one) => one.textContent)) };
}

async function open_at_end(page, file) {
  await page.setInputFiles('#run-file', file);
  await until(() => count_of(page, 'body[data-connection=replay]'), 'the replay');
  await page.locator('#seek').fill('1000');
}

test('what was seen is saved, and is seen again from disk when nicsim has ended', async () => {
  const file = join(folder, 'saved.json');
  let live = null;
  await with_lab('#deliberate-update', async ({ page }) => {
    await scene_begun(page, 'Deliberate update');
    await run_step(page, 'small');
    await run_step(page, 'large');
    live = await everything(page);
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save-run')]);
    await download.saveAs(file);
  }, { viewport: { width: 1280, height: 720 } });
  assert.ok(JSON.parse(readFileSync(file, 'utf8')).messages.length > 5);
  await with_page_from_disk(async ({ page, requests }) => {
    await open_at_end(page, file);
    await page.click('[data-step=large]');
    await until(async () => assert.deepEqual(await everything(page), live) === undefined, 'the same as it was live');
    assert.equal(requests.length, 1, `the page and nothing else: ${requests}`);
  });
});

test('a trace of nicsim becomes a run that opens in the page', async () => {
  const trace = join(folder, 'lab.vmmctrace');
  const file = join(folder, 'trace.json');
  let packets = 0;
  await with_lab('#notify', async ({ page, nicsim }) => {
    await scene_begun(page, 'Notifications');
    await run_step(page, 'notify');
    packets = (await nicsim.snapshot()).processes[0].counters.packets_sent;
    await nicsim.stat('trace', 'save', trace);
  }, { machine: { more: ['--lab-scene', 'notify'] } });
  assert.ok(packets > 0);
  await vmmctrace('run', trace, '-o', file);
  const records = JSON.parse(readFileSync(file, 'utf8')).messages.filter(({ message }) => message.type === 'records').flatMap(({ message }) => message.records);
  assert.equal(records.filter((one) => one.event === 'packet_sent').length, packets);
  await with_page_from_disk(async ({ page }) => {
    await page.setInputFiles('#run-file', file);
    await until(() => count_of(page, 'body[data-connection=replay]'), 'the replay');
    await until(async () => await lab(page, 'packets_drawn') > 0, 'packets');
    await page.locator('#seek').fill('1000');
    await until(async () => await lab(page, 'records_kept') >= records.length, 'every record');
    await page.click('#ruler-all');
    await until(async () => Number(await page.getAttribute('#ruler-canvas', 'data-drawn')) > 0, 'the time ruler');
    await page.focus('#ruler-canvas');
    await page.keyboard.press('.');
    await until(async () => (await text_of(page, '#ruler-sentence')).length > 10, 'a record in words');
  });
});

test('a nicsim that ends is said, and the page goes on trying', async () => {
  await with_lab('#free-play', async ({ page, nicsim }) => {
    await scene_begun(page, 'Free play');
    assert.equal(await nicsim.stop(), 0);
    await until(() => count_of(page, 'body[data-connection=lost], body[data-connection=connecting]'), 'that it is said');
    assert.ok(await count_of(page, '#save-run:enabled'), 'what was recorded can still be saved');
  });
});
