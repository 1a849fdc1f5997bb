// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// A small plot: a curve for each command, a point for each run, and where two curves cross.

const PLOT = { width: 420, height: 250, left: 62, right: 12, top: 14, bottom: 44 };
const CURVES = [{ kind: 'deliberate_update', dash: '' }, { kind: 'automatic_update', dash: '7 4' }, { kind: 'fetch', dash: '2 4' }, { kind: 'atomic', dash: '10 3 2 3' }];

class Scale {
  /** Logarithmic when the values are far apart. */
  constructor(values, from, to) {
    const good = values.filter((value) => value > 0);
    this.logarithmic = good.length === values.length && Math.max(...values) / Math.min(...values) > 12;
    const map = (value) => (this.logarithmic ? Math.log10(value) : value);
    let [low, high] = [map(Math.min(...values)), map(Math.max(...values))];
    if (!this.logarithmic) low = Math.min(0, low);
    if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5];
    const margin = (high - low) * 0.06;
    this.low = this.logarithmic ? low - margin : low;
    this.high = high + margin;
    this.from = from;
    this.to = to;
    this.map = map;
  }

  at(value) {
    return this.from + (this.map(value) - this.low) / (this.high - this.low) * (this.to - this.from);
  }

  ticks() {
    if (!this.logarithmic) {
      const step = nice_step((this.high - this.low) / 5);
      return Array.from({ length: 8 }, (_, i) => (Math.ceil(this.low / step) + i) * step).filter((value) => value <= this.high);
    }
    const all = [];
    for (let power = Math.floor(this.low); power <= this.high; power++) for (const factor of [1, 2, 5]) all.push(factor * 10 ** power);
    const seen = all.filter((value) => this.map(value) >= this.low && this.map(value) <= this.high);
    return seen.length <= 7 ? seen : seen.filter((value) => Number.isInteger(Math.log10(value)));
  }
}

/** Where the first curve crosses another: {x, y, over}, between measured points. */
function crossing_of(curves) {
  for (let other = 1; other < curves.length; other++) {
    const partner = new Map(curves[other].map((point) => [point.x, point.y]));
    const both = curves[0].filter((point) => partner.has(point.x)).map((point) => ({ x: point.x, a: point.y, b: partner.get(point.x) }));
    for (let i = 1; i < both.length; i++) {
      const [before, after] = [both[i - 1].a - both[i - 1].b, both[i].a - both[i].b];
      if (before === 0 || before * after >= 0) continue;
      const share = before / (before - after);
      return { x: both[i - 1].x + (both[i].x - both[i - 1].x) * share, y: both[i - 1].a + (both[i].a - both[i - 1].a) * share, other };
    }
  }
  return null;
}

/** @param plot the step's `plot`, @param points of {curve, x, y} */
function build_plot(plot, points, x_label) {
  const names = list(plot.of).map((one) => one.label ?? '');
  const curves = names.map((_, curve) => points.filter((point) => point.curve === curve).sort((a, b) => a.x - b.x));
  const root = svg('svg', { class: 'plot', viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, role: 'img', 'aria-label': `${words_of(plot.y)} over ${x_label}: ${plural(points.length, 'point')}`, data: { points: points.length } });
  if (points.length === 0) {
    root.append(svg('text', { x: PLOT.width / 2, y: PLOT.height / 2, class: 'plot-empty', text: 'Every run adds a point here.' }));
    return root;
  }
  const x = new Scale(points.map((point) => point.x), PLOT.left, PLOT.width - PLOT.right);
  const y = new Scale(points.map((point) => point.y), PLOT.height - PLOT.bottom, PLOT.top);
  draw_axes(root, x, y, x_label, plot.y);
  curves.forEach((curve, index) => draw_curve(root, curve, index, x, y));
  const crossing = crossing_of(curves);
  if (crossing) draw_crossing(root, crossing, x, y);
  return root;
}

function draw_axes(root, x, y, x_label, y_name) {
  const text_of = (value, name) => (name === 'ns' || String(name).endsWith('_ns') ? time_text(value) : number_text(value));
  for (const tick of y.ticks()) {
    root.append(svg('line', { x1: PLOT.left, x2: PLOT.width - PLOT.right, y1: y.at(tick), y2: y.at(tick), class: 'plot-grid' }),
      svg('text', { x: PLOT.left - 6, y: y.at(tick) + 4, class: 'plot-y', text: text_of(tick, y_name) }));
  }
  for (const tick of x.ticks()) root.append(svg('text', { x: x.at(tick), y: PLOT.height - PLOT.bottom + 18, class: 'plot-x', text: number_text(tick) }));
  root.append(svg('line', { x1: PLOT.left, x2: PLOT.width - PLOT.right, y1: y.from, y2: y.from, class: 'plot-axis' }),
    svg('text', { x: (PLOT.left + PLOT.width) / 2, y: PLOT.height - 6, class: 'plot-x', text: `${x_label}${x.logarithmic ? ' (logarithmic)' : ''}` }));
}

function draw_curve(root, curve, index, x, y) {
  const style = CURVES[index % CURVES.length];
  const path = curve.map((point, i) => `${i ? 'L' : 'M'}${x.at(point.x).toFixed(1)} ${y.at(point.y).toFixed(1)}`).join('');
  if (path) root.append(svg('path', { d: path, class: 'plot-curve', 'stroke-dasharray': style.dash, data: { kind: style.kind } }));
  for (const point of curve) {
    const [px, py] = [x.at(point.x), y.at(point.y)];
    const mark = index % 2 === 0 ? svg('rect', { x: px - 5, y: py - 5, width: 10, height: 10 }) : svg('circle', { cx: px, cy: py, r: 5.5 });
    fill(mark, { class: 'plot-point', data: { kind: style.kind, curve: index, x: point.x, y: point.y } });
    mark.append(svg('title', { text: `${number_text(point.x)}: ${number_text(point.y)}` }));
    root.append(mark);
  }
}

function draw_crossing(root, crossing, x, y) {
  const px = x.at(crossing.x);
  const left = px > PLOT.width * 0.65;
  root.append(svg('line', { x1: px, x2: px, y1: PLOT.top, y2: y.from, class: 'plot-crossing', data: { crossing: crossing.x } }),
    svg('text', { x: px + (left ? -6 : 6), y: PLOT.top + 10, class: left ? 'plot-y' : 'plot-left', text: `crossover at ${rough(crossing.x)}` }));
}

function plot_legend(plot) {
  return el('ul', { class: 'plot-legend' }, ...list(plot.of).map((one, index) => {
    const style = CURVES[index % CURVES.length];
    return el('li', {}, svg('svg', { viewBox: '0 0 40 12', 'aria-hidden': 'true' }, svg('path', { d: 'M0 6h40', class: 'plot-curve', 'stroke-dasharray': style.dash, data: { kind: style.kind } }),
      index % 2 === 0 ? svg('rect', { x: 15, y: 1, width: 10, height: 10, class: 'plot-point', data: { kind: style.kind } }) : svg('circle', { cx: 20, cy: 6, r: 5, class: 'plot-point', data: { kind: style.kind } })), one.label ?? '');
  }));
}
