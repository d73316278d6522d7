// "Why this number?": the step of one cell, its terms, and the way down to what they were read from.

import { ask } from "./wire.js";
import { formula } from "./formula.js";
import { cellName, factor, show } from "./numbers.js";
import { state, writeState } from "./state.js";
import { tables } from "./window.js";
import { t } from "./strings.js";

const PACE = 600; // milliseconds from one cell to the next while the window slides
const FIRST_TERMS = 40; // shown at once; a button shows the others
const byId = (id) => document.getElementById(id);

let networks = {}; // where cells are outlined: {classifier, gan}
let network = null; // the one that the cell is in
let sliding = null; // one object for each time that the window slides
let asked = 0; // answers that come late are not shown
let pointed = null; // the cell that is pointed at
let previewing = false;

/** Say which networks the cells are outlined in. */
export function setUp(theNetworks) {
  networks = theNetworks;
  network = networks.classifier;
  byId("why-close").onclick = close;
}

/** Forget the cell that was asked about. */
export function close() {
  state.path = [];
  asked += 1;
  stop();
  byId("why").classList.add("empty");
  byId("crumbs").replaceChildren();
  byId("why-body").replaceChildren();
  byId("why-says").textContent = "";
  for (const each of Object.values(networks)) each.mark({});
  writeState();
}

/** Ask about a cell; `path` is how one came here. `gan`: of the GAN's networks. */
export function explain(array, cell, gradient, path = [], gan = false) {
  stop();
  state.path = [...path, { array, cell, gradient, gan }];
  writeState();
  return showPath();
}

/** Show the last cell of the path. */
export async function showPath() {
  const panel = byId("why");
  const here = state.path.at(-1);
  if (!here) return;
  network = here.gan ? networks.gan : networks.classifier;
  panel.classList.remove("empty");
  byId("why-title").textContent = t("why");
  crumbs();
  const number = ++asked;
  let content;
  if (here.array === "a0" && !here.gradient) {
    content = { note: t(here.gan ? "isZ" : "isPicture"), names: [], explanation: { steps: [] } };
  } else {
    try {
      content = await ask("why", here);
    } catch (error) {
      content = { note: error.message, names: [], explanation: { steps: [] } };
    }
  }
  if (number !== asked) return;
  draw(content, here);
}

/** Outline what a cell reads while it is pointed at; null: none is. While a cell is asked about, its own outlines stay. */
export async function preview(within, here) {
  pointed = here;
  if (!here && !state.path.length) within.mark({});
  if (previewing) return;
  previewing = true;
  while (pointed && !state.path.length) {
    const of = pointed;
    pointed = null;
    try {
      const answer = await ask("why", { ...of, preview: true });
      if (!state.path.length) within.mark(outlines(answer, of, within));
    } catch {
      within.mark({}); // the picture, or nothing is known of this cell
    }
  }
  previewing = false;
}

function crumbs() {
  const buttons = state.path.map((step, n) => {
    const label = cellName(step.gradient ? `dL/d${step.array}` : step.array, step.cell);
    const last = n === state.path.length - 1;
    const go = () => {
      state.path = state.path.slice(0, n + 1);
      writeState();
      showPath();
    };
    const element = button(label, go);
    if (last) element.setAttribute("aria-current", "step");
    return element;
  });
  byId("crumbs").replaceChildren(...buttons);
}

function draw(answer, here) {
  const body = byId("why-body");
  body.replaceChildren();
  if (answer.value !== undefined) {
    const name = cellName(here.gradient ? `dL/d${here.array}` : here.array, here.cell);
    text(body, "p", `${name} = ${show(answer.value)}`, "result");
  }
  if (answer.value !== undefined && here.cell.length === 4) body.append(slider());
  if (answer.note) text(body, "p", answer.note);
  byId("why-says").textContent = [body.querySelector(".result")?.textContent, answer.note].filter(Boolean).join(". ");
  answer.explanation.steps.forEach((step, n) => {
    const names = answer.names[n];
    text(body, "h3", step.title).lang = "en";
    body.append(formula(step));
    body.appendChild(sum(step));
    text(body, "p", step.sentence).lang = "en";
    tables(body, step, names, network, walk, answer.groups[n]);
    terms(body, step, names);
    const letters = Object.entries(names).filter(([letter, array]) => letter !== array);
    text(body, "p", letters.map(([letter, array]) => t("standsFor", { letter, array })).join(", "), "hint");
  });
  network.mark(outlines(answer, here, network));
  if (!sliding) byId("why").scrollTop = 0;
}

// The window slides: from one cell to the next, row by row, until it is stopped or the map ends.
function slider() {
  const element = button(t(sliding ? "pause" : "slide"), () => (sliding ? stop() : slide()));
  element.id = "slide";
  element.className = "live";
  element.setAttribute("aria-pressed", Boolean(sliding));
  return element;
}

async function slide() {
  const mine = (sliding = {});
  byId("slide").replaceWith(slider());
  while (sliding === mine) {
    const here = state.path.at(-1);
    const [n, c, i, j] = here.cell;
    const { H, W } = network.views.get(here.array);
    const next = i * W + j + 1;
    if (next >= H * W) return stop();
    here.cell = [n, c, Math.floor(next / W), next % W];
    writeState();
    await showPath();
    await new Promise((resolve) => setTimeout(resolve, PACE));
  }
}

function stop() {
  if (!sliding) return;
  sliding = null;
  byId("slide")?.replaceWith(slider());
}

// The sum with its numbers. One of hundreds of terms is cut in the middle; the terms are listed below.
function sum(step) {
  const element = document.createElement("p");
  element.className = "numbers";
  element.lang = "en";
  const { numbers } = step;
  element.textContent = numbers.length > 400 ? `${numbers.slice(0, 280)} … ${numbers.slice(-90)}` : numbers;
  return element;
}

/** Go from a factor of a term to what it was computed from. */
function walk(array, cell) {
  const gradient = array.startsWith("dL/d");
  explain(gradient ? array.slice(4) : array, cell, gradient, state.path, state.path.at(-1).gan);
}

function terms(body, step, names) {
  if (!step.terms.length) return;
  const sorted = [...step.terms].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  text(body, "h4", t("terms", { n: sorted.length }));
  const list = body.appendChild(document.createElement("ol"));
  list.className = "terms";
  const most = Math.abs(sorted[0].value) || 1;
  const add = (some) => list.append(...some.map((term) => row(term, names, most)));
  add(sorted.slice(0, FIRST_TERMS));
  if (sorted.length > FIRST_TERMS) {
    const more = button(t("showAll", { n: sorted.length }), () => {
      more.remove();
      add(sorted.slice(FIRST_TERMS));
    });
    body.append(more);
  }
}

function row(term, names, most) {
  const item = document.createElement("li");
  const value = Math.abs(Number(term.value)) / most;
  item.style.setProperty("--size", `${100 * (Number.isFinite(value) ? value : 1)}%`);
  item.className = Number(term.value) < 0 ? "negative" : "positive";
  term.factors.forEach((quantity, n) => {
    if (n) item.append(" · ");
    const array = names[quantity.array];
    const label = `${cellName(quantity.array, quantity.index)} `;
    if (array && network.views.has(array.replace("dL/d", ""))) {
      item.append(button(label + factor(quantity.value), () => walk(array, quantity.index)));
    } else {
      item.append(`${label}${factor(quantity.value)}`);
    }
  });
  if (term.divisor) item.append(` / ${show(term.divisor.value)}`);
  item.append(` = ${show(term.value)}`);
  return item;
}

// Which cells to outline: the one asked about, and a box around those that the steps read in each map.
function outlines(answer, here, network) {
  const marks = {};
  const add = (array, index, role) => {
    const name = array?.replace("dL/d", "");
    if (!network.views.has(name)) return;
    const [c, i, j] = index.length === 4 ? index.slice(1) : [index.at(-1), 0, 0];
    const list = (marks[name] ??= []);
    const box = list.find((mark) => mark.c === c && mark.role === role);
    if (!box) list.push({ c, first: [i, j], last: [i, j], role });
    else {
      box.first = [Math.min(box.first[0], i), Math.min(box.first[1], j)];
      box.last = [Math.max(box.last[0], i), Math.max(box.last[1], j)];
    }
  };
  answer.explanation.steps.forEach((step, n) => {
    const names = answer.names[n];
    for (const term of step.terms) for (const q of term.factors) add(names[q.array], q.index, "read");
    for (const panel of step.panels) {
      for (const { cell, role } of panel.marks) {
        const index = [...panel.index, ...cell];
        if (role === "winner" || (role === "read" && !step.terms.length)) add(names[panel.array], index, role);
      }
    }
  });
  add(here.array, here.cell, "asked");
  return marks;
}

function button(label, onclick) {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = label;
  element.onclick = onclick;
  return element;
}

function text(parent, tag, content, className = "") {
  const element = parent.appendChild(document.createElement(tag));
  element.textContent = content;
  element.className = className;
  return element;
}
