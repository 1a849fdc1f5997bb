// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Every scene in a browser, by real processes: predict, run, explain; and what the page shows is what vmmcstat says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert_agreement, failures } from './agreement.mjs';
import { picture_of, read_scenes, with_lab } from './real_support.mjs';
import { count_of, scene_begun, text_of, until, with_browser } from './support.mjs';

with_browser();

const initial_of = (step) => Object.fromEntries((step.parameters ?? []).map((one) => [one.name, one.initial]));

/** The answer is hidden, a guess is made, the step is run, and everything is told. */
async function predict_and_run(page, step, heard) {
  await page.click(`[data-step="${step.id}"]`);
  await until(() => count_of(page, `[data-step="${step.id}"][aria-selected=true]`), 'the step');
  assert.equal(await page.locator('#run-step').isDisabled(), true, 'no run without a prediction');
  assert.equal(await count_of(page, '[data-verdict=right]'), 0, 'the answer is not to be seen');
  assert.equal((await text_of(page, '#explain')).includes(step.explain), false, 'the explanation is not to be seen');
  const done = heard.step_done?.length ?? 0;
  const wrong = step.predict.answer === 0 ? 1 : 0;
  await page.click(`[data-choice="${wrong}"]`);
  await page.click('#run-step');
  await until(() => count_of(page, '#step-verdict[data-ok]'), `the end of ${step.id}`);
  assert.equal(heard.step_done.length, done + 1);
  assert.deepEqual(heard.step_done.at(-1).failed, [], 'what the scene expects has come');
  assert.equal(await page.getAttribute('#step-verdict', 'data-ok'), 'true');
  assert.equal(await count_of(page, `[data-choice="${step.predict.answer}"][data-verdict=right]`), 1);
  assert.equal(await count_of(page, `[data-choice="${wrong}"][data-verdict=wrong]`), 1);
  assert.ok((await text_of(page, '#explain')).includes(step.explain), 'the explanation is there');
}

/** Each command has its answer on the page, as the server sent it and as the scene expects it. */
async function check_answers(page, step, heard) {
  const request = heard.step_done.at(-1).request;
  const answers = heard.answer.filter((one) => one.request === request);
  const shown = await page.$$eval('#answers [data-answer-number]', (rows) => rows.map((row) => [Number(row.dataset.answerNumber), row.dataset.answerStatus, row.dataset.answerDo]));
  assert.deepEqual(shown, answers.map(({ number, command, answer }) => [number, answer.status ?? (answer.ok ? 'done' : 'not done'), command.do]));
  for (const { command, member, is } of step.expect.filter((one) => one.member === 'status' || one.member === 'ok')) {
    const [, status] = shown.find(([number]) => number === command) ?? [];
    if (member === 'status') assert.equal(status, is);
    else assert.equal(['OK', 'done'].includes(status), is, `command ${command}: ${status}`);
  }
}

/** The pages that are looked at hold what the actors have read themselves. */
async function check_bytes(page, step, heard, scene) {
  const request = heard.step_done.at(-1).request;
  const last = heard.answer.filter((one) => one.request === request).at(-1);
  if (last.command.do !== 'read' || last.command.offset || !scene.look.some((one) => one.actor === last.command.actor && one.buffer === last.command.buffer)) return;
  const node = scene.actors.find((one) => one.name === last.command.actor).node;
  await until(async () => (await page.locator(`[data-hex^="${node}/"] .hex-row`).first().getAttribute('data-bytes') ?? '').startsWith(last.answer.hex.slice(0, 16)), `the bytes ${last.answer.hex}`);
}

async function walk(scene, { page, nicsim, heard }) {
  await scene_begun(page, scene.title);
  for (const step of scene.steps) {
    const before = await nicsim.snapshot();
    await predict_and_run(page, step, heard);
    await check_answers(page, step, heard);
    const snapshot = await assert_agreement(page, nicsim, before, scene);
    assert.deepEqual(failures(step, snapshot, before, scene, initial_of(step)), [], `vmmcstat says so, too, after ${step.id}`);
    await check_bytes(page, step, heard, scene);
    if (step.plot) assert.equal(Number(await page.getAttribute('.plot', 'data-points')), step.plot.of.length);
  }
  await until(() => page.evaluate(() => window.lab.records_waiting === 0), 'that everything has been shown');
  await page.click('#dock-counters');
  await picture_of(page, `scene-${String(scene.number).padStart(2, '0')}`);
}

const [shards, shard] = [Number(process.env.TEST_TOTAL_SHARDS ?? 1), Number(process.env.TEST_SHARD_INDEX ?? 0)];
for (const scene of read_scenes().filter((one, index) => one.steps.length > 0 && index % shards === shard)) {
  test(`scene ${scene.number}, ${scene.title}`, () => with_lab(`#${scene.id}`, (tab) => walk(scene, tab), { machine: { more: ['--lab-scene', scene.id] }, viewport: { width: 1600, height: 900 } }));
}
