// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// The mesh: nodes, routers and links (SVG, rebuilt when the machine changes), and the packets on their way (canvas, every frame).

const FLIGHTS_DRAWN_MOST = 240;
const MESH_CELL = 100;

/** Node numbers go row by row. */
const place_of = (node, columns) => ({ row: Math.floor(node / columns), column: node % columns });
const router_at = (row, column) => ({ x: column * MESH_CELL + 60, y: row * MESH_CELL + 20 });
const node_at = (row, column) => ({ x: column * MESH_CELL + 28, y: row * MESH_CELL + 56 });

/** The points of a packet's way: along the row first, then along the column. */
function route(from, to, columns) {
  const a = place_of(from, columns);
  const b = place_of(to, columns);
  const points = [node_at(a.row, a.column), router_at(a.row, a.column)];
  const step = Math.sign(b.column - a.column);
  for (let column = a.column; column !== b.column;) {
    column += step;
    points.push(router_at(a.row, column));
  }
  const down = Math.sign(b.row - a.row);
  for (let row = a.row; row !== b.row;) {
    row += down;
    points.push(router_at(row, b.column));
  }
  points.push(node_at(b.row, b.column));
  return points;
}

/** The point at a share of the way, each stretch counted alike. */
function along(points, share) {
  const place = clamp(share, 0, 1) * (points.length - 1);
  const index = Math.min(Math.floor(place), points.length - 2);
  const rest = place - index;
  const [a, b] = [points[index], points[index + 1]];
  return { x: a.x + (b.x - a.x) * rest, y: a.y + (b.y - a.y) * rest };
}

class Mesh {
  constructor() {
    this.box = $('mesh');
    this.lines = $('mesh-lines');
    this.canvas = $('mesh-packets');
    this.shape = '';
    this.drawn = 0;
    this.sampled = 0;
    this.places = [];  // of the packets in the last frame: {from, to, row, column}, fractions between routers
    this.routes = new Map();
    new ResizeObserver(() => this.resize()).observe(this.box);
  }

  resize() {
    const { clientWidth, clientHeight } = this.box;
    this.canvas.width = Math.max(1, Math.round(clientWidth * devicePixelRatio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * devicePixelRatio));
    app.redraw();
  }

  update() {
    const { rows, columns } = app.model;
    const shape = `${rows}x${columns}`;
    if (shape !== this.shape) this.build(rows, columns, shape);
    for (const button of this.lines.querySelectorAll('[data-node]')) this.mark(button);
  }

  build(rows, columns, shape) {
    this.shape = shape;
    $('machine').dataset.columns = Math.min(columns, 4);
    this.routes.clear();
    this.width = columns * MESH_CELL - 20;
    this.height = rows * MESH_CELL - 18;
    set_attribute(this.lines, 'viewBox', `0 0 ${this.width} ${this.height}`);
    const parts = [];
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) parts.push(...this.links(row, column, rows, columns));
    }
    for (let node = 0; node < rows * columns; node++) parts.push(...this.stop(node, columns));
    this.lines.replaceChildren(...parts);
  }

  links(row, column, rows, columns) {
    const here = router_at(row, column);
    const own = node_at(row, column);
    const line = (to, kind) => svg('line', { x1: here.x, y1: here.y, x2: to.x, y2: to.y, class: kind });
    const parts = [line(own, 'link')];
    if (column + 1 < columns) parts.push(line(router_at(row, column + 1), 'link wide'));
    if (row + 1 < rows) parts.push(line(router_at(row + 1, column), 'link wide'));
    return parts;
  }

  stop(node, columns) {
    const { row, column } = place_of(node, columns);
    const router = router_at(row, column);
    const own = node_at(row, column);
    const choose = () => app.choose_node(node);
    const group = svg('g', { class: 'mesh-node', tabindex: 0, role: 'button', data: { node, focus: `mesh-node-${node}` },
      on: { click: choose, keydown: (event) => { if (event.key === 'Enter') choose(); } } });
    group.append(svg('rect', { x: own.x - 20, y: own.y - 16, width: 40, height: 32, rx: 6 }),
      svg('text', { x: own.x, y: own.y + 6, text: node }), svg('text', { x: own.x + 27, y: own.y + 12, class: 'mesh-side' }));
    return [svg('circle', { cx: router.x, cy: router.y, r: 11, class: 'router' }), group];
  }

  mark(group) {
    const node = Number(group.dataset.node);
    const side = app.view.nodes.indexOf(node);
    const count = list(app.model.snapshot?.processes).filter((process) => process.node === node).length;
    set_attribute(group, 'data-chosen', side < 0 ? null : 'AB'[side]);
    set_attribute(group, 'data-busy', count > 0 ? 'yes' : null);
    const where = side < 0 ? '' : `, shown ${side ? 'on the right' : 'on the left'}`;
    set_attribute(group, 'aria-label', `Node ${node}, ${plural(count, 'process')}${where}`);
    set_text(group.lastChild, side < 0 ? '' : side ? '▸' : '◂');
  }

  draw(now) {
    const context = this.canvas.getContext('2d');
    const { flights } = app.stage;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const stride = Math.max(1, Math.ceil(flights.length / FLIGHTS_DRAWN_MOST));
    this.drawn = 0;
    this.places = [];
    this.sampled = flights.length;
    if (flights.length === 0 || !this.width) return;
    const scale = Math.min(this.canvas.width / this.width, this.canvas.height / this.height);
    context.setTransform(scale, 0, 0, scale, (this.canvas.width - this.width * scale) / 2, (this.canvas.height - this.height * scale) / 2);
    for (let index = 0; index < flights.length; index += stride) {
      this.draw_flight(context, flights[index], now);
      this.drawn++;
    }
  }

  draw_flight(context, flight, now) {
    const { columns } = app.model;
    if (flight.from >= app.model.nodes || flight.to >= app.model.nodes) return;
    const key = `${flight.from}>${flight.to}`;
    if (!this.routes.has(key)) this.routes.set(key, route(flight.from, flight.to, columns));
    let share = app.reduced_motion ? 0.5 : (now - flight.began) / (flight.ends - flight.began);
    if (flight.bad === 'dropped') share = Math.min(share, 0.5);
    const { x, y } = along(this.routes.get(key), share);
    const origin = router_at(0, 0);
    this.places.push({ from: flight.from, to: flight.to, row: (y - origin.y) / MESH_CELL, column: (x - origin.x) / MESH_CELL });
    const kind = kind_of(flight.record);
    const colour = app.dark ? kind.dark : kind.colour;
    packet_shape(context, kind.shape, x, y, 10, colour, app.dark ? '#0b0f14' : '#ffffff');
    if (flight.bad) cross(context, x, y, 13, app.dark ? BAD.dark : BAD.colour);
  }
}

function packet_shape(context, shape, x, y, r, colour, edge) {
  context.beginPath();
  if (shape === 'circle') context.arc(x, y, r, 0, 2 * Math.PI);
  else if (shape === 'square') context.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
  else if (shape === 'diamond') polygon(context, [[x, y - r * 1.2], [x + r * 1.2, y], [x, y + r * 1.2], [x - r * 1.2, y]]);
  else if (shape === 'hexagon') polygon(context, [[x - r * 1.1, y], [x - r * .55, y - r], [x + r * .55, y - r], [x + r * 1.1, y], [x + r * .55, y + r], [x - r * .55, y + r]]);
  else polygon(context, [[x, y - r * 1.1], [x + r * 1.1, y + r], [x - r * 1.1, y + r]]);
  context.fillStyle = colour;
  context.fill();
  context.lineWidth = r / 5;
  context.strokeStyle = edge;
  context.stroke();
}

function polygon(context, points) {
  points.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
}

function cross(context, x, y, r, colour) {
  context.beginPath();
  polygon(context, [[x - r, y - r], [x + r, y + r]]);
  polygon(context, [[x - r, y + r], [x + r, y - r]]);
  context.lineWidth = 4;
  context.strokeStyle = colour;
  context.stroke();
}

const PAGE_STATES = [['exported', 'E', 'exported'], ['imported', 'I', 'imported'], ['proxy', 'P', 'proxy'], ['bound', 'B', 'bound']];

/** What shapes, letters and colours mean. */
function build_legend() {
  const shapes = { square: 'M1 1h10v10H1z', circle: 'M6 .5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11z', diamond: 'M6 0l6 6-6 6-6-6z', triangle: 'M6 0l6 11H0z', hexagon: 'M0 6l3-5h6l3 5-3 5H3z' };
  const entries = Object.entries(KINDS).map(([name, kind]) => el('li', { data: { kind: name } },
    svg('svg', { viewBox: '0 0 12 12', class: 'legend-mark', 'aria-hidden': 'true' }, svg('path', { d: shapes[kind.shape] })), kind.label));
  $('legend').replaceChildren(...entries, el('li', { data: { kind: 'bad' } },
    svg('svg', { viewBox: '0 0 12 12', class: 'legend-mark', 'aria-hidden': 'true' }, svg('path', { d: 'M1 1l10 10M1 11L11 1' })), 'Dropped, corrupted'),
    ...PAGE_STATES.map(([state, letter, label]) => el('li', {}, el('span', { class: 'page', text: letter, data: { state } }), label)));
}
