// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Can it be read, reached and trusted: contrast, focus, names, sizes, requests, reduced motion.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count_of, lab, scene_begun, until, with_browser, with_page } from './support.mjs';

with_browser();

/** In the page: text that has less contrast with its ground than 4.5 to 1 (3 to 1 if it is large). */
function faint_texts() {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour[3] > 200) return colour;
    }
    return [255, 255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *:not(svg *):not(script):not(style):not(:disabled):not(.zero *)')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility({ visibilityProperty: true }) || element.matches('mark')) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(rgba(style.color)), light(ground(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const least = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
    if (contrast < least) faint.push(`${element.tagName}.${element.className}#${element.id} "${element.textContent.slice(0, 20)}" ${contrast.toFixed(2)}`);
  }
  return faint;
}

for (const colorScheme of ['light', 'dark']) {
  test(`contrast, ${colorScheme}`, () => with_page('#map/wrong-key?dock=errors', async ({ page }) => {
    await scene_begun(page, 'Map');
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), colorScheme);
    await page.click('[data-choice="1"]');
    await page.click('#run-step');
    await until(() => count_of(page, '#errors li'), 'an error');
    await until(() => count_of(page, '#step-verdict'), 'the verdict');
    assert.deepEqual(await page.evaluate(faint_texts), []);
    for (const dock of ['play', 'actors', 'counters']) {
      await page.click(`#dock-${dock}`);
      assert.deepEqual(await page.evaluate(faint_texts), [], dock);
    }
  }, { colorScheme }));
}

test('Tab reaches controls in order, each with a visible focus and a name', () => with_page('#deliberate-update', async ({ page }) => {
  await scene_begun(page, 'Deliberate update');
  const seen = [];
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === document.body) return null;
      const style = getComputedStyle(element);
      const inner = element.querySelector('rect') ? getComputedStyle(element.querySelector('rect')) : null;
      const name = element.getAttribute('aria-label') || element.textContent.trim() || element.title || element.labels?.[0]?.textContent || element.placeholder;
      return { key: element.id || element.dataset.focus || element.dataset.table || element.className, focus: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) || inner?.strokeDasharray !== 'none', name };
    });
    if (!stop) break;
    assert.ok(stop.focus, `focus can be seen at ${stop.key}`);
    assert.ok(stop.name, `${stop.key} has a name`);
    seen.push(stop.key);
  }
  const order = ['skip-link', 'scene-menu-button', 'play', 'pause', 'step-packet', 'slow', 'clock-chooser', 'nodes-chooser', 'save-run', 'help-button', 'mesh-node-0', 'tab-ruler'].map((key) => seen.indexOf(key));
  assert.ok(order.every((place, index) => place >= 0 && (index === 0 || place > order[index - 1])), `${order}: ${seen}`);
}));

test('every control has a name', () => with_page('#free-play', async ({ page }) => {
  await scene_begun(page, 'Free play');
  const nameless = await page.evaluate(() => [...document.querySelectorAll('button, input, select, textarea, [role=button]')].filter((element) =>
    !(element.getAttribute('aria-label') || element.textContent.trim() || element.title || element.labels?.length || element.placeholder)).map((element) => element.outerHTML.slice(0, 120)));
  assert.deepEqual(nameless, []);
}));

for (const [width, height] of [[1920, 1080], [1280, 720], [1024, 768], [700, 900]]) {
  test(`nothing sticks out at ${width}x${height}`, () => with_page('#crossover', async ({ page }) => {
    await scene_begun(page, 'Deliberate or automatic update');
    await page.click('#run-all');
    await until(() => count_of(page, '.plot[data-points="14"]'), 'the plot');
    const out = await page.evaluate(() => [...document.querySelectorAll('body > *, #top *, #main > *, .card, .node-card, #dock-tabs *, .nic, .plot')].filter((element) => element.checkVisibility() && element.getBoundingClientRect().width > 1 && !element.closest('.hidden, .skip, option'))
      .filter((element) => element.getBoundingClientRect().right > innerWidth + 1 || element.getBoundingClientRect().left < -1).map((element) => element.id || element.className));
    assert.deepEqual(out, []);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no scrolling sideways');
    if (width >= 1280) assert.ok(await page.evaluate(() => document.documentElement.scrollHeight <= innerHeight), 'everything on one screen');
  }, { viewport: { width, height } }));
}

test('it asks for nothing but itself, and cannot', () => with_page('#deliberate-update', async ({ page, requests, server, url }) => {
  await scene_begun(page, 'Deliberate update');
  await page.click('[data-choice="1"]');
  await page.click('#run-step');
  await until(() => count_of(page, '#step-verdict'), 'the run');
  assert.deepEqual([...new Set(requests)].map((one) => one.split('#')[0]), [url]);
  assert.deepEqual([...new Set(server.requests)], [new URL(url).pathname, `${new URL(url).pathname}socket`]);
  const blocked = await page.evaluate(async () => {
    const seen = new Set();
    document.addEventListener('securitypolicyviolation', (event) => seen.add(event.effectiveDirective));
    document.body.append(Object.assign(new Image(), { src: 'http://127.0.0.1:9/x.png' }), Object.assign(document.createElement('script'), { textContent: 'window.injected = true' }));
    await fetch('http://127.0.0.1:9/').catch(() => null);
    for (const end = Date.now() + 60000; seen.size < 2 && Date.now() < end;) await new Promise((done) => { setTimeout(done, 100); });
    return { seen: [...seen].sort(), injected: window.injected ?? false };
  });
  assert.equal(blocked.injected, false);
  assert.ok(['connect-src', 'img-src'].every((directive) => blocked.seen.includes(directive)), blocked.seen.join());
}, { may_complain: true }));

test('who wants no motion gets none', () => with_page('#deliberate-update', async ({ page, server }) => {
  await scene_begun(page, 'Deliberate update');
  server.handle({ type: 'step', request: 7, step: 0, parameters: { bytes: 4096 } });
  await until(async () => await lab(page, 'packets_drawn') > 0, 'a packet');
  const moved = await page.evaluate(async () => {
    const canvas = document.getElementById('mesh-packets');
    const pictures = new Set();
    for (let i = 0; i < 10; i++) {
      await new Promise(requestAnimationFrame);
      if (window.lab.packets_in_frame === 1) pictures.add(canvas.toDataURL());
    }
    return pictures.size;
  });
  assert.equal(moved <= 1, true, `${moved} different pictures`);
}, { reducedMotion: 'reduce' }));
