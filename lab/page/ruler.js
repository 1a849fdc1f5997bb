// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// The time ruler: a lane for each engine of the chosen nodes that has done something; slices and instants over time.

const RULER_LABEL = 196;
const RULER_TOP = 22;
const RULER_LANE_LEAST = 12;
const RULER_LANE_MOST = 23;
const RULER_DRAWN_MOST = 2500;
const RULER_REST_MS = 60;  // between two drawings
const RULER_SPAN_LEAST = 1;  // ns
const RULER_GAP = 200e3;  // ns without a record that part one thing from the next
const RULER_REAL_GAP = 20e6;
const RULER_FOLLOWED_MOST = 3000;

class Ruler {
  constructor() {
    this.canvas = $('ruler-canvas');
    this.frame = $('ruler-scroll');
    this.from = 0;
    this.to = 1000;
    this.follow = true;
    this.hits = [];
    this.selected = null;
    this.drawn_at = 0;
    this.lanes = [];
    this.lane = RULER_LANE_MOST;
    this.dirty = true;
    this.plot_width = 50;
    new ResizeObserver(() => this.touch()).observe(this.frame);
    this.listen();
  }

  touch() {
    this.dirty = true;
    app.redraw();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan(event.deltaX / this.plot_width);
      else this.zoom(event.deltaY > 0 ? 1.25 : 0.8, (event.offsetX - RULER_LABEL) / this.plot_width);
    }, { passive: false });
    canvas.addEventListener('pointerdown', (event) => {
      this.drag = event.clientX;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener('pointermove', (event) => this.moved(event));
    canvas.addEventListener('pointerup', () => { this.drag = null; });
    canvas.addEventListener('keydown', (event) => this.key(event));
    $('ruler-in').addEventListener('click', () => this.zoom(0.5, 0.5));
    $('ruler-out').addEventListener('click', () => this.zoom(2, 0.5));
    $('ruler-all').addEventListener('click', () => this.show_all());
    $('ruler-follow').addEventListener('click', () => this.set_follow(!this.follow));
  }

  key(event) {
    const actions = { ArrowLeft: () => this.pan(-0.1), ArrowRight: () => this.pan(0.1), '+': () => this.zoom(0.7, 0.5), '=': () => this.zoom(0.7, 0.5), '-': () => this.zoom(1.4, 0.5),
      0: () => this.show_all(), f: () => this.set_follow(!this.follow), ',': () => this.select_next(-1), '.': () => this.select_next(1) };
    if (!actions[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }

  moved(event) {
    if (this.drag !== null && this.drag !== undefined && event.buttons) {
      this.pan((this.drag - event.clientX) / this.plot_width);
      this.drag = event.clientX;
      return;
    }
    const hit = this.hit_at(event.offsetX, event.offsetY);
    if (hit === this.selected) return;
    this.select(hit);
  }

  hit_at(x, y) {
    for (let i = this.hits.length - 1; i >= 0; i--) {
      const hit = this.hits[i];
      if (x >= hit.x - 4 && x <= hit.x + hit.width + 4 && y >= hit.y && y <= hit.y + this.lane) return hit.record;
    }
    return null;
  }

  select(record) {
    this.selected = record;
    set_text($('ruler-sentence'), record ? sentence_of(record) : '');
    this.touch();
  }

  /** The record before or after the selected one, of those in the lanes. */
  select_next(step) {
    const records = this.records();
    if (records.length === 0) return;
    const index = records.indexOf(this.selected);
    const next = records[index < 0 ? records.length - 1 : clamp(index + step, 0, records.length - 1)];
    if (next.time < this.from || next.time > this.to) {
      const half = (this.to - this.from) / 2;
      this.show(next.time - half, next.time + half);
    }
    this.select(next);
  }

  records() {
    return app.stage.kept.filter((record) => app.view.nodes.includes(record.node));
  }

  set_follow(follow) {
    this.follow = follow;
    set_attribute($('ruler-follow'), 'aria-pressed', follow);
    this.touch();
  }

  show(from, to) {
    const span = Math.max(RULER_SPAN_LEAST, to - from);
    this.from = from;
    this.to = from + span;
    this.set_follow(false);
  }

  pan(share) {
    const move = (this.to - this.from) * share;
    this.show(this.from + move, this.to + move);
  }

  zoom(factor, share) {
    const at = this.from + (this.to - this.from) * clamp(share, 0, 1);
    this.show(at - (at - this.from) * factor, at + (this.to - at) * factor);
  }

  show_all() {
    const records = this.records();
    if (records.length === 0) return;
    const { from, to } = extent_of(records);
    this.show(from - (to - from) * 0.02, to + (to - from) * 0.02 + 1);
  }

  /** Follows: the step or call that is under way, as far as it can be told apart; without the silence before it. */
  follow_now(records) {
    if (records.length === 0) return;
    const { mark } = app.stage;
    let first = records.length - 1;
    const gap = Math.max(app.model.simulated ? RULER_GAP : RULER_REAL_GAP, app.stage.rate * 600);
    const marked = mark && mark.time <= records[first].time;
    const near = (index) => (marked ? records[index].time >= mark.time : records[index + 1].time - records[index].time < gap);
    while (first > 0 && records.length - first < RULER_FOLLOWED_MOST && near(first - 1)) first--;
    const { from, to } = extent_of(records.slice(first));
    const span = Math.max(to - from, 200);
    this.from = from - span * 0.03;
    this.to = to + span * 0.05;
  }

  draw(now) {
    if (!this.dirty || now - this.drawn_at < RULER_REST_MS) return;
    this.dirty = false;
    this.drawn_at = now;
    const records = this.records();
    if (this.follow) this.follow_now(records);
    this.find_lanes();
    const context = this.prepare();
    this.colours = getComputedStyle(document.body);
    this.card = this.colour('--card');
    this.draw_scale(context);
    this.draw_lanes(context);
    this.draw_records(context, records);
    set_text($('ruler-range'), records.length ? `${time_text(this.to - this.from)} shown${this.follow ? ', following' : ''}` : 'nothing has happened yet');
  }

  find_lanes() {
    const used = app.stage.lanes;
    const shape = `${app.view.nodes}:${[...used].join()}`;
    if (shape === this.lane_shape) return;
    this.lane_shape = shape;
    this.lanes = [];
    for (const node of app.view.nodes) {
      for (const engine of ENGINE_ORDER) if (used.has(`${node}/${engine}`)) this.lanes.push({ key: `${node}/${engine}`, node, engine });
    }
    this.lane_of = new Map(this.lanes.map((lane, index) => [lane.key, index]));
  }

  prepare() {
    const width = this.frame.clientWidth;
    this.plot_width = Math.max(50, width - RULER_LABEL - 12);
    this.lane = Math.floor(clamp((this.frame.clientHeight - 6 - RULER_TOP) / Math.max(1, this.lanes.length), RULER_LANE_LEAST, RULER_LANE_MOST));
    const height = Math.max(this.frame.clientHeight - 4, RULER_TOP + this.lanes.length * this.lane + 4);
    const [w, h] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
      this.canvas.style.width = `${width}px`;
      this.canvas.style.height = `${height}px`;
    }
    const context = this.canvas.getContext('2d');
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.height = height;
    return context;
  }

  colour(name) {
    return this.colours.getPropertyValue(name).trim();
  }

  x_of(time) {
    return RULER_LABEL + (time - this.from) / (this.to - this.from) * this.plot_width;
  }

  draw_scale(context) {
    const step = nice_step((this.to - this.from) / Math.max(2, this.plot_width / 130));
    context.font = '12px system-ui, sans-serif';
    context.textAlign = 'center';
    const first = Math.ceil(this.from / step) * step;
    const far = first > 50 * step;  // times would be long, and alike: the first in full, the others from there
    for (let time = first; time <= this.to; time += step) {
      const x = Math.round(this.x_of(time)) + 0.5;
      context.fillStyle = this.colour('--grid');
      context.fillRect(x, RULER_TOP - 4, 1, this.height);
      context.fillStyle = this.colour('--dim');
      context.fillText(far && time > first ? `+${time_text(time - first)}` : time_text(time), clamp(x, RULER_LABEL + 30, RULER_LABEL + this.plot_width - 30), 13);
    }
  }

  draw_lanes(context) {
    context.textAlign = 'left';
    this.lanes.forEach((lane, index) => {
      const y = RULER_TOP + index * this.lane;
      if (index % 2 === 0) {
        context.fillStyle = this.colour('--lane');
        context.fillRect(0, y, this.frame.clientWidth, this.lane);
      }
      const first = index === 0 || this.lanes[index - 1].node !== lane.node;
      if (first && index > 0) {
        context.fillStyle = this.colour('--line');
        context.fillRect(0, y, this.frame.clientWidth, 1.5);
      }
      const letters = Math.min(12, this.lane - 1);
      context.font = `600 ${letters}px system-ui, sans-serif`;
      context.fillStyle = this.colour('--text');
      context.fillText(`N${lane.node}`, 4, y + this.lane / 2 + 4);
      context.font = `${letters}px system-ui, sans-serif`;
      context.fillText(ENGINES[lane.engine] ?? words_of(lane.engine), 34, y + this.lane / 2 + 4);
    });
  }

  draw_records(context, records) {
    this.hits = [];
    context.save();
    context.beginPath();
    context.rect(RULER_LABEL, 0, this.plot_width + 12, this.height);
    context.clip();
    const seen = records.filter((record) => record.time <= this.to && record.time + (record.duration ?? 0) >= this.from);
    const stride = Math.max(1, Math.ceil(seen.length / RULER_DRAWN_MOST));
    for (let i = 0; i < seen.length; i += stride) this.draw_record(context, seen[i]);
    context.restore();
    this.canvas.dataset.drawn = this.hits.length;
    this.canvas.dataset.lanes = this.lanes.length;
  }

  draw_record(context, record) {
    const y = RULER_TOP + this.lane_of.get(`${record.node}/${record.engine}`) * this.lane;
    const x = this.x_of(record.time);
    const width = (record.duration ?? 0) / (this.to - this.from) * this.plot_width;
    const kind = kind_of(record);
    const bad = is_bad(record);
    const colour = bad ? (app.dark ? BAD.dark : BAD.colour) : app.dark ? kind.dark : kind.colour;
    if (width >= 3) {
      context.fillStyle = colour;
      context.fillRect(x, y + 3, width, this.lane - 6);
      context.strokeStyle = this.card;
      context.strokeRect(x + 0.5, y + 3.5, width - 1, this.lane - 7);
    } else packet_shape(context, kind.shape, x, y + this.lane / 2, Math.min(5, this.lane / 2 - 1.5), colour, this.card);
    if (bad) cross(context, x + Math.min(width / 2, 40), y + this.lane / 2, 6, colour);
    if (record === this.selected) {
      context.strokeStyle = this.colour('--text');
      context.lineWidth = 2;
      context.strokeRect(x - 7, y + 1, Math.max(width, 0) + 14, this.lane - 2);
      context.lineWidth = 1;
    }
    this.hits.push({ x, y, width, record });
  }
}

function extent_of(records) {
  let from = Infinity;
  let to = -Infinity;
  for (const record of records) {
    from = Math.min(from, record.time);
    to = Math.max(to, record.time + (record.duration ?? 0));
  }
  return { from, to };
}

/** 1, 2 or 5 times a power of ten, not below `least`. */
function nice_step(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-3)));
  return power * ([1, 2, 5, 10].find((factor) => power * factor >= least) ?? 10);
}
