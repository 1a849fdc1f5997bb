// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// What every test of the page needs: a browser, the page over a stand-in server or from disk, and patience.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';
import { FakeServer } from '../page/testing/fake_server.mjs';

export const PAGE = resolve(process.env.LAB_PAGE ?? 'page.html');
const CHROMIUM = process.env.LAB_CHROMIUM ?? '/usr/bin/chromium';
const ARGUMENTS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const PATIENCE_MS = Number(process.env.LAB_PATIENCE_MS ?? 90000);

let browser = null;

export async function open_browser() {
  assert.ok(existsSync(CHROMIUM), `There is no ${CHROMIUM}: install Debian's package chromium (apt-get install chromium; ./test does it), or say in LAB_CHROMIUM where it is.`);
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
}

export async function close_browser() {
  await browser?.close();
  browser = null;
}

/** Call once in each file of tests. */
export function with_browser() {
  before(open_browser);
  after(close_browser);
}

/** Waits until `condition` gives something true: that. Fails with `what` when patience ends. */
export async function until(condition, what) {
  const end = Date.now() + PATIENCE_MS;
  let last = null;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) assert.fail(`waited in vain: ${what}${last ? ` (${last.message})` : ''}`);
    await new Promise((done) => { setTimeout(done, 30); });
  }
}

/** A browser window of its own, with what it complains of. */
export async function open_tab(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints = [];
  const requests = [];
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) complaints.push(message.text()); });
  page.on('pageerror', (error) => complaints.push(error.stack));
  page.on('request', (request) => requests.push(request.url()));
  return { context, page, complaints, requests };
}

/** Runs `act({page, server, url, complaints, requests})` with the page served at `#hash`; nothing may have been complained of at the end. */
export async function with_page(hash, act, { may_complain = false, ...options } = {}) {
  const server = new FakeServer(PAGE);
  const url = await server.listen();
  const tab = await open_tab(options);
  try {
    await tab.page.goto(url + hash);
    await until(() => tab.page.locator('body[data-connection=open]').count(), 'the connection');
    await act({ ...tab, server, url });
    if (!may_complain) assert.deepEqual(tab.complaints, [], 'the console is empty');
  } finally {
    await tab.context.close();
    await server.close();
  }
}

/** The same with the page from disk, and no server at all. */
export async function with_page_from_disk(act) {
  const tab = await open_tab({});
  try {
    await tab.page.goto(`file://${PAGE}`);
    await act(tab);
    assert.deepEqual(tab.complaints, [], 'the console is empty');
  } finally {
    await tab.context.close();
  }
}

export const text_of = (page, selector) => page.locator(selector).first().textContent();
export const count_of = (page, selector) => page.locator(selector).count();
export const lab = (page, name) => page.evaluate((key) => window.lab[key], name);
export const scene_begun = (page, title) => until(async () => (await text_of(page, '#scene-title')) === title && (await count_of(page, '#scene-not-begun')) === 0, `the scene "${title}"`);
export const received = (server, type) => server.received.filter((message) => message.type === type);
