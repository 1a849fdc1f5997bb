// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// What the page shows, and what it ought to show of a snapshot of vmmcstat. Both as plain values, so that they can be compared.

import assert from 'node:assert/strict';
import { until } from './support.mjs';

const by_key = (items) => Object.fromEntries(items.sort(([a], [b]) => (a < b ? -1 : 1)));
const data_of = (page, selector, ...names) => page.$$eval(selector, (elements, wanted) => elements.map((one) => wanted.map((name) => one.dataset[name] ?? null)), names);

/** {"0/1/packets_sent": [grown, value]}: of every counter that has changed between two snapshots. */
export function counters_grown(before, now) {
  const grown = [];
  const compare = (key, old, counters) => {
    for (const [name, value] of Object.entries(counters)) {
      const by = value - (old?.[name] ?? 0);
      if (by !== 0) grown.push([`${key}/${name}`, [by, value]]);
    }
  };
  for (const one of now.processes) {
    const old = before.processes.find((other) => other.node === one.node && other.process === one.process && other.pid === one.pid);
    compare(`${one.node}/${one.process}`, old?.counters, one.counters);
  }
  for (const one of now.hardware) compare(String(one.node), before.hardware.find((other) => other.node === one.node)?.counters, one.counters);
  return by_key(grown);
}

// Without the mouse: whether a click reaches its control is tested elsewhere, and this is looked at often.
const press = (page, selector) => page.evaluate((wanted) => new Promise((done) => {
  document.querySelector(wanted).click();
  requestAnimationFrame(() => requestAnimationFrame(done));
}), selector);

async function shown_counters(page) {
  await press(page, '#dock-counters');
  return by_key((await data_of(page, '[data-counter]', 'counter', 'grown', 'value')).map(([key, grown, value]) => [key, [Number(grown), Number(value)]]));
}

const error_key = (error) => `${error.status} ${error.what} ${error.count} ${error.sentence}`;

async function shown_errors(page) {
  await press(page, '#dock-errors');
  const errors = await page.$$eval('[data-error]', (elements) => elements.map((one) => ({ status: one.dataset.error, what: one.dataset.what, count: one.dataset.count, sentence: one.querySelector('div > div').textContent })));
  return errors.map(error_key).sort();
}

async function shown_actors(page) {
  await press(page, '#dock-actors');
  return by_key(await data_of(page, '[data-actor]', 'actor', 'state'));
}

/** Of a snapshot: an actor runs if its process is attached. */
function actors_of(snapshot, scene) {
  return by_key(scene.actors.map(({ name, node }, process) => [name, snapshot.processes.some((one) => one.node === node && one.process === process) ? 'running' : 'ended']));
}

/** {"1/0/2/0": state and buffer}: of each page of the processes of these nodes. */
function pages_of(snapshot, nodes) {
  const pages = new Map();
  for (const { node, process, segments } of snapshot.processes.filter((one) => nodes.includes(one.node))) {
    for (const { segment, pages: count } of segments) {
      for (let page = 0; page < Math.min(count, 256); page++) pages.set(`${node}/${process}/${segment}/${page}`, 'plain ');
    }
  }
  for (const one of snapshot.exports) {
    for (const { segment, first_page: first, pages: count } of one.extents) {
      for (let page = first; page < first + count; page++) {
        const key = `${one.node}/${one.process}/${segment}/${page}`;
        if (pages.has(key)) pages.set(key, `${one.importers.length > 0 ? 'imported' : 'exported'} ${one.buffer}`);
      }
    }
  }
  return by_key([...pages]);
}

async function shown_pages(page) {
  return by_key((await data_of(page, '[data-page][data-state]', 'page', 'state', 'buffer')).map(([key, state, buffer]) => [key, `${state} ${buffer}`]));
}

const run_key = (node, table, page, count, process) => `${node} ${table} ${page}+${count} of ${process}`;

function tables_of(snapshot, nodes) {
  const runs = [['outgoing', snapshot.outgoing_pages], ['incoming', snapshot.incoming_pages]].flatMap(([table, list]) =>
    list.filter((run) => nodes.includes(run.node)).map((run) => run_key(run.node, table, run.first, run.count, run.process)));
  return runs.sort();
}

async function shown_tables(page) {
  const rows = [];
  for (const side of ['a', 'b']) {
    const node = await page.getAttribute(`#node-${side}`, 'data-node');
    for (const table of ['outgoing', 'incoming']) {
      await page.evaluate(([at, which]) => document.querySelector(`#node-${at} [data-table=${which}]`).dispatchEvent(new MouseEvent('click')), [side, table]);
      for (const [first, count, process] of await data_of(page, '#table-dialog tr[data-page]', 'page', 'count', 'process')) rows.push(run_key(node, table, first, count, process));
      await press(page, '#table-dialog [data-focus=dialog-close]');
    }
  }
  return rows.sort();
}

const of_nodes = (items, nodes) => items.filter((one) => nodes.includes(one.node));

function rest_of(snapshot, nodes) {
  return {
    bindings: of_nodes(snapshot.bindings, nodes).map((one) => String(one.binding)).sort(),
    proxies: of_nodes(snapshot.imports, nodes).map((one) => `${one.slot} ${one.state}`).sort(),
    queues: of_nodes(snapshot.processes, nodes).map((one) => String(one.send_queue.depth)).sort(),
  };
}

async function shown_rest(page) {
  return {
    bindings: (await data_of(page, '[data-binding]', 'binding')).map(([one]) => one).sort(),
    proxies: (await data_of(page, '[data-proxy]', 'proxy', 'state')).map((one) => one.join(' ')).sort(),
    queues: (await data_of(page, '[data-queue]', 'queue')).map(([one]) => one).sort(),
  };
}

async function shown_nodes(page) {
  return Promise.all(['a', 'b'].map(async (side) => Number(await page.getAttribute(`#node-${side}`, 'data-node'))));
}

/** What a snapshot says, in the same form as seen(). `before` is the snapshot that counters are counted from. */
export function said(snapshot, before, scene, nodes) {
  return { counters: counters_grown(before, snapshot), errors: snapshot.errors.map(error_key).sort(), actors: actors_of(snapshot, scene),
    pages: pages_of(snapshot, nodes), tables: tables_of(snapshot, nodes), ...rest_of(snapshot, nodes) };
}

/** What the page shows. */
export async function seen(page) {
  return { counters: await shown_counters(page), errors: await shown_errors(page), actors: await shown_actors(page),
    pages: await shown_pages(page), tables: await shown_tables(page), ...await shown_rest(page) };
}

/** The page shows what vmmcstat says. It may take a moment: snapshots come every 100 ms. @returns {Promise<object>} vmmcstat's snapshot */
export async function assert_agreement(page, nicsim, before, scene) {
  const compare = async () => {
    const snapshot = await nicsim.snapshot();
    assert.deepEqual(await seen(page), said(snapshot, before, scene, await shown_nodes(page)));
    return snapshot;
  };
  return until(compare, 'that the page shows what vmmcstat says');
}

/** What of a step's `expect` a snapshot can tell: sentences about what does not hold. */
export function failures(step, snapshot, before, scene, parameters) {
  const value_of = (value) => (typeof value === 'string' && value.startsWith('$') ? parameters[value.slice(1)] : value);
  const grown = counters_grown(before, snapshot);
  const place = (name) => {
    const actor = scene.actors.find((one) => one.name === name);
    return `${actor.node}/${scene.actors.indexOf(actor)}`;
  };
  const count = (list, error) => list.filter((one) => one.status === error.error && one.what === error.what).reduce((sum, one) => sum + one.count, 0);
  const checks = step.expect.map((one) => {
    if (one.counter) {
      const by = grown[`${place(one.actor)}/${one.counter}`]?.[0] ?? 0;
      return 'grows_by' in one ? by === value_of(one.grows_by) : by >= value_of(one.grows_at_least);
    }
    if (one.error) {
      const grown = count(snapshot.errors, one) - count(before.errors, one);
      return one.grows_at_least === undefined ? grown === value_of(one.grows_by) : grown >= value_of(one.grows_at_least);
    }
    if (one.state) return actors_of(snapshot, scene)[one.actor] === one.state;
    for (const name of ['exports', 'imports', 'bindings']) if (name in one) return snapshot[name].filter((item) => name !== 'imports' || item.state.startsWith('granted')).length === value_of(one[name]);
    return true;
  });
  return step.expect.filter((_, index) => !checks[index]).map((one) => JSON.stringify(one));
}
