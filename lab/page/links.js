// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// The address says what is seen: #SCENE/STEP?nodes=0,1&below=memory&dock=errors. It is followed on load and whenever it changes.

function parse_hash(hash) {
  const [place, query = ''] = hash.replace(/^#/, '').split('?');
  const [scene = '', step = ''] = place.split('/').map((part) => safe_decode(part));
  const parameters = new URLSearchParams(query);
  const nodes = (parameters.get('nodes') ?? '').split(',').filter((text) => /^\d{1,2}$/.test(text)).map(Number);
  return {
    scene: scene || null,
    step: step || null,
    nodes: nodes.length === 2 && nodes[0] !== nodes[1] ? nodes : null,
    below: ['ruler', 'memory'].includes(parameters.get('below')) ? parameters.get('below') : null,
    dock: Object.hasOwn(DOCK_TABS, parameters.get('dock') ?? '') ? parameters.get('dock') : null,
  };
}

function safe_decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

function hash_of(view, scene) {
  if (!scene) return '';
  const step = scene.steps[view.step];
  const parameters = [];
  if (view.nodes_chosen) parameters.push(`nodes=${view.nodes.join()}`);
  if (view.below !== 'ruler') parameters.push(`below=${view.below}`);
  if (view.dock !== 'counters') parameters.push(`dock=${view.dock}`);
  return `#${encodeURIComponent(scene.id)}${step ? `/${encodeURIComponent(step.id ?? view.step)}` : ''}${parameters.length ? `?${parameters.join('&')}` : ''}`;
}
