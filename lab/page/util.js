// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// What every part of the page uses: elements, numbers in words. Text of the server becomes text nodes, never HTML.

const $ = (id) => document.getElementById(id);

/**
 * An element. `properties`: `class`, `text`, `data` (an object), `on` (handlers), anything else an attribute; null and false are left out.
 * @returns {HTMLElement}
 */
function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  fill(element, properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  fill(element, properties);
  element.append(...children);
  return element;
}

function fill(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || (value === false && !name.startsWith('aria-'))) continue;
    if (name.startsWith('aria-')) element.setAttribute(name, String(value));
    else if (name === 'class') element.setAttribute('class', value);
    else if (name === 'text') element.textContent = String(value);
    else if (name === 'data') for (const [key, item] of Object.entries(value)) element.dataset[key] = String(item);
    else if (name === 'on') for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
}

const icon = (name) => svg('svg', { class: 'icon', 'aria-hidden': 'true' }, svg('use', { href: `#icon-${name}` }));

/** Sets text only if it differs: no layout for nothing. */
function set_text(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

function set_attribute(element, name, value) {
  if (value === null || (value === false && !name.startsWith('aria-'))) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const is_number = (value) => typeof value === 'number' && Number.isFinite(value);
const plural = (count, word) => `${number_text(count)} ${word}${count === 1 ? '' : word.endsWith('s') ? 'es' : 's'}`;

const NUMBER_FORMATS = [0, 1, 2, 3].map((digits) => new Intl.NumberFormat('en-US', { maximumFractionDigits: digits }));

/** 12345.678 -> "12,345.68": at most `digits` (0 to 3) behind the point. */
function number_text(value, digits = 2) {
  return is_number(value) ? NUMBER_FORMATS[digits].format(value) : '–';
}

/** Nanoseconds in the unit that reads best. */
function time_text(ns) {
  if (!is_number(ns)) return '–';
  const size = Math.abs(ns);
  if (size < 1e-6) return '0 ns';
  if (size < 1e3) return `${number_text(ns, size < 100 ? 2 : 1)} ns`;
  if (size < 1e6) return `${number_text(ns / 1e3, 3)} µs`;
  if (size < 1e9) return `${number_text(ns / 1e6, 3)} ms`;
  return `${number_text(ns / 1e9, 3)} s`;
}

function bytes_text(bytes) {
  if (!is_number(bytes)) return '–';
  if (bytes < 4096 || bytes % 1024 !== 0) return `${number_text(bytes)} B`;
  return bytes < 1 << 20 ? `${number_text(bytes / 1024)} KiB` : `${number_text(bytes / (1 << 20))} MiB`;
}

/** "12340" -> "12 thousand times"-like rounding: two digits that count. */
function rough(value) {
  if (value < 100) return number_text(value, value < 10 ? 1 : 0);
  const scale = 10 ** (Math.floor(Math.log10(value)) - 1);
  return number_text(Math.round(value / scale) * scale, 0);
}

const words_of = (name) => String(name).replaceAll('_', ' ');

/** Rows and columns of a mesh of so many nodes, as square as it goes, wider than high. */
function mesh_of(nodes) {
  let rows = Math.floor(Math.sqrt(nodes));
  while (nodes % rows !== 0) rows--;
  return { rows, columns: nodes / rows };
}

/** Keeps the focus where it was when children with an id or data-focus are built anew. */
function replace_children(parent, ...children) {
  keep_focus(parent, () => parent.replaceChildren(...children.filter((child) => child !== null && child !== undefined)));
}

/**
 * The same, but what has not changed stays: a click that begins on a button also ends on it, however often this is done meanwhile. Only for
 * children that nobody else holds on to, and whose handlers depend on nothing but what their attributes say.
 */
function update_children(parent, ...children) {
  const wanted = children.filter((child) => child !== null && child !== undefined);
  if (wanted.length !== parent.childNodes.length) replace_children(parent, ...wanted);
  else keep_focus(parent, () => [...parent.childNodes].forEach((old, index) => update_node(old, wanted[index])));
}

function update_node(old, wanted) {
  if (old.isEqualNode(wanted)) return;
  const same = old.nodeType === Node.ELEMENT_NODE && old.childNodes.length === wanted.childNodes.length && old.cloneNode(false).isEqualNode(wanted.cloneNode(false));
  if (!same) {
    old.replaceWith(wanted);
    return;
  }
  const next = [...wanted.childNodes];
  [...old.childNodes].forEach((child, index) => update_node(child, next[index]));
}

function keep_focus(parent, act) {
  const active = document.activeElement;
  const key = parent.contains(active) ? active.dataset.focus ?? active.id : null;
  const scrolled = parent.scrollTop;
  act();
  parent.scrollTop = scrolled;
  if (!key || document.activeElement === active) return;
  const again = [...parent.querySelectorAll('[data-focus],[id]')].find((one) => (one.dataset.focus ?? one.id) === key);
  if (again) again.focus({ preventScroll: true });
}

/** Arrow keys move along a tablist, as its role promises. */
function tab_keys(list) {
  list.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const tabs = [...list.querySelectorAll('[role=tab]')];
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    event.stopPropagation();
    event.preventDefault();
    const id = next.id;
    next.click();
    $(id)?.focus();
  });
}
