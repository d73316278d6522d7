// The window of a sum as small tables: the numbers that were read, and the filter beside them, channel by channel.

import { colouring, cssOf, largest } from "./colours.js";
import { cellName, show } from "./numbers.js";
import { t } from "./strings.js";

const MOST_TABLES = 8; // channels with the largest terms
const MOST_CELLS = 100; // of one table: larger ones are seen on the map

/**
 * Add the tables of a step to `body`. `walk(array, cell)` is called where a cell that was read is clicked; `groups` has
 * what each map adds to the sum.
 */
export function tables(body, step, names, network, walk, groups) {
  const linked = step.terms.some((term) => term.factors.some((q) => knows(network, names[q.array])));
  if (linked) products(body, step, names, network, walk, groups);
  else readCells(body, step, names, network, walk);
}

function products(body, step, names, network, walk, groups) {
  const planes = new Map();
  for (const term of step.terms) {
    if (term.factors.length !== 2 || term.factors.some((q) => q.index.length !== 4)) continue;
    const [read, weight] = term.factors;
    const key = read.index.slice(0, 2).join();
    if (!planes.has(key)) planes.set(key, { key, read: [], weight: [], size: 0 });
    const group = planes.get(key);
    group.read.push(read);
    group.weight.push(weight);
    group.size = Math.max(group.size, Math.abs(term.value));
  }
  const chosen = [...planes.values()]
    .filter((group) => group.read.length <= MOST_CELLS)
    .sort((a, b) => b.size - a.size)
    .slice(0, MOST_TABLES);
  if (!chosen.length) return;
  heading(body, t("windowAndFilter"));
  const weights = largest(step.terms.flatMap((term) => term.factors.slice(1).map((q) => q.value)));
  const reads = largest(step.terms.map((term) => term.factors[0].value));
  const box = body.appendChild(document.createElement("div"));
  box.className = "windows";
  for (const group of chosen) {
    const pair = box.appendChild(document.createElement("div"));
    pair.className = "pair";
    const array = names[group.read[0].array];
    pair.append(table(group.read, reads, (q) => (knows(network, array) ? () => walk(array, q.index) : null)), "×");
    pair.append(table(group.weight, weights, () => null));
    if (group.key in groups) {
      const part = pair.appendChild(document.createElement("span"));
      part.textContent = `= ${show(groups[group.key])}`;
    }
  }
}

function readCells(body, step, names, network, walk) {
  for (const panel of step.panels) {
    const array = names[panel.array];
    const marks = panel.marks.filter(({ role }) => role === "read" || role === "winner");
    const view = network.views.get(array);
    if (!view || !marks.length || marks.length > MOST_CELLS) continue;
    const cells = marks.map(({ cell, role }) => {
      const index = [...panel.index, ...cell]; // of image 0, which the page has
      const [c, i, j] = [...index.slice(1), 0, 0];
      const value = network.arrays[array].values[(c * view.H + i) * view.W + j];
      return { array, index, value, winner: role === "winner" };
    });
    heading(body, t("cellsRead"));
    body.append(table(cells, largest(cells.map((q) => q.value)), (q) => () => walk(array, q.index)));
  }
}

function knows(network, array) {
  return array !== undefined && network.views.has(array.replace("dL/d", ""));
}

// A table of quantities, each in the place that its last two indices say.
function table(quantities, most, action) {
  const rows = [...new Set(quantities.map((q) => q.index.at(-2)))].sort((a, b) => a - b);
  const columns = [...new Set(quantities.map((q) => q.index.at(-1)))].sort((a, b) => a - b);
  const element = document.createElement("table");
  const cells = rows.map(() => columns.map(() => null));
  for (const q of quantities) cells[rows.indexOf(q.index.at(-2))][columns.indexOf(q.index.at(-1))] = q;
  const colour = colouring("activation");
  for (const row of cells) {
    const tr = element.appendChild(document.createElement("tr"));
    for (const q of row) {
      const td = tr.appendChild(document.createElement("td"));
      if (!q) continue;
      Object.assign(td.style, cssOf(colour(q.value / most)));
      const onclick = action(q);
      const label = show(q.value, 2);
      if (!onclick) {
        td.textContent = label;
        continue;
      }
      const button = td.appendChild(document.createElement("button"));
      button.type = "button";
      button.textContent = label;
      button.setAttribute("aria-label", `${cellName(q.array, q.index)} = ${label}${q.winner ? `, ${t("winner")}` : ""}`);
      button.onclick = onclick;
      if (q.winner) {
        td.className = "winner";
        button.title = t("winner");
      }
    }
  }
  return element;
}

function heading(body, content) {
  body.appendChild(document.createElement("h4")).textContent = content;
}
