// One array of the network as maps: a canvas on which every channel is a picture, with a legend and a cursor.

import { cellName, show } from "./numbers.js";
import { colouring, largest } from "./colours.js";

const GAP = 6; // pixels between maps
const WIDE = 84; // pixels that a map is about wide
const UNIT = 14; // pixels of one unit of a vector

/**
 * A view of one array. `ask(name, cell)` is called where a cell is clicked, `tell(view, cell)` where one is pointed at,
 * `leave()` where none is any more.
 */
export class Maps {
  constructor(name, shape, { ask, tell, leave }) {
    this.name = name;
    this.ask = ask;
    this.tell = tell;
    this.vector = shape.length === 1;
    [this.H, this.W] = this.vector ? [1, 1] : shape.slice(-2);
    this.shape = shape;
    this.cursor = null; // {c, i, j}
    this.marks = []; // [{c, first: [i, j], last: [i, j], role}]
    this.element = document.createElement("section");
    this.element.className = "layer";
    this.title = this.element.appendChild(document.createElement("h3"));
    this.legend = this.element.appendChild(document.createElement("p"));
    this.legend.className = "legend";
    this.canvas = this.element.appendChild(document.createElement("canvas"));
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.dataset.array = name;
    this.canvas.onclick = (event) => this.#choose(this.#cellAt(event));
    this.canvas.onpointermove = (event) => this.#point(this.#cellAt(event));
    this.canvas.onpointerleave = this.canvas.onblur = leave;
    this.canvas.onkeydown = (event) => this.#key(event);
    this.canvas.onfocus = () => this.#move(0, 0, 0);
  }

  /** Take new values. `kind` is the colouring; `most` the number that has the strongest colour. */
  update(array, kind, most) {
    this.array = array;
    this.kind = kind;
    this.most = most ?? largest(array.values);
    this.channels = array.shape[0];
    this.draw();
  }

  /** Show which cells a step read or computed. */
  mark(marks) {
    this.marks = marks;
    if (this.array) this.draw();
  }

  value(c, i, j) {
    return this.array.values[(c * this.H + i) * this.W + j];
  }

  /** The index that the engine has for a cell: of image 0, and without row and column for a unit. */
  index({ c, i, j }) {
    return this.vector ? [0, c] : [0, c, i, j];
  }

  draw() {
    const wide = Math.max(200, this.element.clientWidth - 2);
    this.size = this.vector ? UNIT : Math.max(2, Math.floor((this.name === "a0" ? 2 * WIDE : WIDE) / this.W));
    this.stepX = this.W * this.size + (this.vector ? 1 : GAP);
    this.stepY = this.H * this.size + (this.vector ? 1 : GAP);
    this.columns = Math.max(1, Math.min(this.channels, Math.floor((wide + GAP) / this.stepX)));
    const rows = Math.ceil(this.channels / this.columns);
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.columns * this.stepX, rows * this.stepY];
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.imageSmoothingEnabled = false;
    context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--line");
    const picture = this.#picture();
    for (let c = 0; c < this.channels; c++) {
      const [x, y] = this.#corner(c);
      const [w, h] = [this.W * this.size, this.H * this.size];
      context.drawImage(picture, 0, c * this.H, this.W, this.H, x, y, w, h);
      if (!this.vector) context.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1);
    }
    for (const { c, first, last, role } of this.marks) this.#outline(context, c, first, last, role);
    if (this.cursor) {
      const { c, i, j } = this.cursor;
      this.#outline(context, c, [i, j], [i, j], "cursor");
    }
  }

  #corner(c) {
    return [(c % this.columns) * this.stepX, Math.floor(c / this.columns) * this.stepY];
  }

  // All channels below each other, one pixel a cell.
  #picture() {
    const { H, W, channels } = this;
    const colour = colouring(this.kind);
    const image = new ImageData(W, H * channels);
    const values = this.array.values;
    for (let n = 0; n < values.length; n++) {
      const [r, g, b] = colour(values[n] / this.most);
      image.data.set([r, g, b, 255], 4 * n);
    }
    const canvas = document.createElement("canvas");
    canvas.width = W;
    canvas.height = H * channels;
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  #outline(context, c, first, last, role) {
    if (c >= this.channels) return;
    const style = getComputedStyle(document.documentElement);
    const [x, y] = this.#corner(c);
    const box = [
      x + first[1] * this.size,
      y + first[0] * this.size,
      (last[1] - first[1] + 1) * this.size,
      (last[0] - first[0] + 1) * this.size,
    ];
    context.lineWidth = 3;
    context.strokeStyle = style.getPropertyValue("--page");
    context.strokeRect(...box);
    context.lineWidth = 2;
    context.strokeStyle = style.getPropertyValue(`--${role}`);
    context.setLineDash(role === "cursor" ? [3, 2] : []);
    context.strokeRect(...box);
    context.setLineDash([]);
  }

  #cellAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const c = Math.floor(y / this.stepY) * this.columns + Math.floor(x / this.stepX);
    const [i, j] = [Math.floor((y % this.stepY) / this.size), Math.floor((x % this.stepX) / this.size)];
    return c < this.channels && i < this.H && j < this.W && x >= 0 && y >= 0 ? { c, i, j } : null;
  }

  #choose(cell) {
    if (!cell) return;
    this.cursor = cell;
    this.ask(this.name, this.index(cell));
  }

  #point(cell) {
    if (cell && this.array) this.tell(this, cell);
  }

  /** What a cell is called, and its number. */
  says(cell) {
    const letter = this.kind === "gradient" ? `dL/d${this.name}` : this.name;
    return `${cellName(letter, this.index(cell))} = ${show(this.value(cell.c, cell.i, cell.j))}`;
  }

  #key(event) {
    const moves = {
      ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1], ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0],
      PageUp: [-1, 0, 0], PageDown: [1, 0, 0],
    };
    if (event.key === "Enter" || event.key === " ") this.#choose(this.cursor);
    else if (event.key in moves) this.#move(...moves[event.key]);
    else return;
    event.preventDefault();
  }

  #move(channel, down, right) {
    if (!this.array) return;
    let { c, i, j } = this.cursor ?? { c: 0, i: 0, j: 0 };
    if (this.vector) [channel, down, right] = [right + down * this.columns, 0, 0];
    c = clamp(c + channel, this.channels);
    i = clamp(i + down, this.H);
    j = clamp(j + right, this.W);
    this.cursor = { c, i, j };
    this.draw();
    this.tell(this, this.cursor);
  }
}

function clamp(n, end) {
  return Math.min(Math.max(n, 0), end - 1);
}
