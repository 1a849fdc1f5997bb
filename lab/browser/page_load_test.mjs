// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// 10,000 packets a second: the page draws a sample, says so, and goes on listening. Counts, no times.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lab, scene_begun, text_of, until, with_browser, with_page } from './support.mjs';

with_browser();

test('10,000 packets a second', () => with_page('#deliberate-update', async ({ page, server }) => {
  await scene_begun(page, 'Deliberate update');
  const frames = await lab(page, 'frames');
  let over = false;
  let handled = 0;
  const flood = server.flood({ packets_per_second: 10000, seconds: 4, enough: () => handled >= 3 || page.isClosed() }).then(() => { over = true; });
  await until(async () => /A sample: [\d,]+ of [\d,]+ records/.test(await text_of(page, '#sample')), 'that it is a sample');
  const { shown, total } = await page.locator('#sample').evaluate((element) => ({ ...element.dataset }));
  assert.ok(Number(shown) > 0 && Number(total) > Number(shown), `${shown} of ${total}`);
  await until(async () => /lost/.test(await text_of(page, '#sample')), 'that it says how many were lost');
  while (!over) {
    await page.keyboard.press('?');
    if (await page.locator('#help').isVisible()) handled++;
    await page.keyboard.press('Escape');
    assert.ok(await lab(page, 'packets_in_frame') <= 240);
  }
  await flood;
  assert.ok(await lab(page, 'frames') > frames + 10, 'frames were drawn');
  assert.ok(await lab(page, 'packets_drawn') > 0, 'packets were drawn');
  await until(async () => await lab(page, 'records_received') > 40000, 'the records');
  assert.ok(await lab(page, 'records_kept') <= 24000 && await lab(page, 'records_waiting') <= 20000, 'memory is bounded');
  await until(async () => await lab(page, 'records_waiting') === 0, 'that the page catches up');
}));
