// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// The pictures of docs/lab.md, taken of a real nicsim: node screenshots.mjs FOLDER [NAME...]. make_screenshots.sh knows what it needs.

import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { with_lab } from './real_support.mjs';
import { close_browser, count_of, open_browser, scene_begun, until } from './support.mjs';

const [folder, ...wanted] = process.argv.slice(2);
const idle = (page) => until(() => page.evaluate(() => window.lab.records_waiting === 0 && window.lab.packets_flying === 0), 'that everything has been shown');
const flying = (count) => (page) => until(() => page.evaluate((least) => window.lab.packets_flying >= least, count), `${count} packets on their way`);

/** A picture: a scene, the steps that are run before, the step that is seen, and the moment. */
const PICTURES = [
  { name: 'lab', scene: 'deliberate-update', before: ['small'], step: 'large', guess: 2, when: [flying(3), 900], dark: true, wide: true },
  { name: 'lab-01', scene: 'map', before: ['too-early', 'export'], step: 'stranger', guess: 0, dock: 'errors' },
  { name: 'lab-02', scene: 'deliberate-update', before: [], step: 'small', guess: 2, when: [flying(1), 250] },
  { name: 'lab-03', scene: 'polling', before: ['data-then-flag'], step: 'flag-in-front', guess: 0, below: 'memory' },
  { name: 'lab-04', scene: 'automatic-update', before: [], step: 'type', guess: 1, below: 'memory', when: [flying(2), 400] },
  { name: 'lab-05', scene: 'combining', before: ['single'], step: 'timer', guess: 1, when: [flying(1), 500] },
  { name: 'lab-06', scene: 'deliberate-or-automatic', before: ['word'], step: 'crossover', guess: 1, all: true, points: 20 },
  { name: 'lab-07', scene: 'notify', before: ['plain'], step: 'notify', guess: 0 },
  { name: 'lab-08', scene: 'protection', before: ['past-the-end'], step: 'too-late', guess: 1, dock: 'errors' },
  { name: 'lab-09', scene: 'overrun', before: [], step: 'too-slow', guess: 1 },
  { name: 'lab-10', scene: 'failure', before: [], step: 'kill', guess: 2, dock: 'actors' },
  { name: 'lab-11', scene: 'initiation-race', before: ['alone'], step: 'race', guess: 0, below: 'memory' },
  { name: 'lab-12', scene: 'your-turn', before: [], step: 'mixed', guess: 2, when: [flying(2), 600] },
];

async function run_step(page, step, guess = 0) {
  await page.click(`[data-step="${step}"]`);
  await page.click(`[data-choice="${guess}"]`);
  await page.click('#run-step');
}

async function take(page, { name, scene, before, step, guess, when, dock, below, dark, all, points }) {
  await until(async () => await count_of(page, `[data-step="${step}"]`) && await count_of(page, '#scene-not-begun') === 0, `the scene ${scene}`);
  if (dark) await page.keyboard.press('t');
  for (const one of before) {
    await run_step(page, one);
    await until(() => count_of(page, '#step-verdict'), one);
  }
  await idle(page);
  if (dock) await page.click(`#dock-${dock}`);
  if (below) await page.evaluate((id) => document.querySelector(`#tab-${id}`).click(), below);
  await run_step(page, step, guess);
  if (!when) await until(() => count_of(page, '#step-verdict'), step);
  if (all) {
    await page.click('#run-all');
    await until(() => page.locator(`.plot[data-points="${points}"]`).count(), 'the plot');
  }
  if (when) {
    await when[0](page);
    await page.waitForTimeout(when[1]);
  } else await idle(page);
  await page.screenshot({ path: resolve(folder, `${name}.png`) });
}

async function free_play(page) {
  await scene_begun(page, 'Free play');
  const submit = async (form, values = {}) => {
    for (const [key, value] of Object.entries(values)) {
      const control = page.locator(`[data-play="${form}"] [name="${key}"]`);
      await (await control.evaluate((one) => one.tagName === 'SELECT') ? control.selectOption(value) : control.fill(value));
    }
    const answers = await count_of(page, '#play-answers li');
    await page.click(`[data-play="${form}"] button[type=submit]`);
    await until(async () => await count_of(page, '#play-answers li') > answers, form);
  };
  await submit('export', { actor: 'node-3', pages: '4' });
  await submit('import', { actor: 'node-0', from: 'node-3' });
  await submit('bind', { actor: 'node-0', combining: 'single' });
  await page.click('#mesh-lines [data-node="3"]');
  await page.locator('[data-page^="3/3/"][data-state=imported]').first().click();
  await page.click('#typing');
  await page.keyboard.type('Hello, SHRIMP', { delay: 60 });
  await flying(2)(page);
  await page.screenshot({ path: join(folder, 'lab-free-play.png') });
}

assert.ok(folder, 'screenshots.mjs FOLDER [NAME...]');
await open_browser();
for (const picture of PICTURES.filter((one) => wanted.length === 0 || wanted.includes(one.name))) {
  const size = picture.wide ? { width: 1600, height: 900 } : { width: 1280, height: 720 };
  await with_lab(`#${picture.scene}`, ({ page }) => take(page, picture), { machine: { more: ['--lab-scene', picture.scene] }, viewport: size });
}
if (wanted.length === 0 || wanted.includes('lab-free-play')) await with_lab('#free-play', ({ page }) => free_play(page), { machine: { nodes: '2x2', model: 'shrimp-2' }, viewport: { width: 1280, height: 720 } });
await close_browser();
