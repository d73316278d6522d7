// The architecture: layers in a list that can be changed. The engine says whether they fit, and what they cost.

import { ask } from "./wire.js";
import { count } from "./numbers.js";
import { setUpFolders } from "./folders.js";
import { t } from "./strings.js";

const FRESH = { channels: 8, kernel: 3, stride: 1, padding: 0, units: 10, p: 0.5 };
const POOLS = ["maxpool", "avgpool"];
const byId = (id) => document.getElementById(id);

let kinds = {}; // kind -> names of its options
let layers = [];
let asked = 0;

/** Wire the panel. `renew` is called when the page works with another network. */
export function setUp(renew) {
  byId("add-layer").onclick = () => {
    layers.push(fresh("relu"));
    changed();
  };
  byId("use-network").onclick = async () => {
    try {
      await ask("build", { layers });
      await renew();
      byId("build-says").textContent = t("builtSays");
    } catch (error) {
      byId("build-says").textContent = error.message;
    }
  };
  byId("copy-python").onclick = async () => {
    await navigator.clipboard.writeText(byId("python").textContent);
    byId("build-says").textContent = t("copied");
  };
  setUpFolders(renew);
}

/** Show the layers of the network that the page works with. */
export async function show() {
  const answer = await ask("architecture");
  kinds = answer.kinds;
  layers = answer.layers ?? [];
  byId("build-says").textContent = answer.layers ? "" : t("noChain");
  await changed();
}

function fresh(kind) {
  const layer = { kind };
  for (const name of kinds[kind]) layer[name] = FRESH[name];
  if (POOLS.includes(kind)) Object.assign(layer, { kernel: 2, stride: 2 });
  return layer;
}

async function changed(focus) {
  const number = ++asked;
  byId("layer-list").replaceChildren(...layers.map(row));
  if (focus) byId("layer-list").querySelector(focus)?.focus();
  const answer = await ask("plan", { layers });
  if (number !== asked) return;
  byId("use-network").disabled = Boolean(answer.refused);
  byId("python").textContent = answer.python ?? "";
  byId("plan-refused").textContent = answer.refused?.says ?? "";
  [...byId("layer-list").children].forEach((item, at) => {
    const wrong = answer.refused?.at === at;
    item.classList.toggle("refused", wrong);
    const cost = answer.rows?.[at];
    item.querySelector(".cost").textContent = wrong
      ? answer.refused.says
      : cost
        ? t("cost", { shape: cost.shape.join("×"), parameters: count(cost.parameters), adds: count(cost.multiply_adds) })
        : "";
  });
  const total = (name) => count((answer.rows ?? []).reduce((sum, cost) => sum + cost[name], 0));
  byId("plan-total").textContent = answer.rows
    ? t("planTotal", { parameters: total("parameters"), adds: total("multiply_adds") })
    : "";
}

function row(layer, at) {
  const item = document.createElement("li");
  const kind = item.appendChild(document.createElement("select"));
  kind.setAttribute("aria-label", t("kindOf", { at }));
  kind.append(...Object.keys(kinds).map((name) => new Option(name, name)));
  kind.value = layer.kind;
  kind.onchange = () => {
    layers[at] = fresh(kind.value);
    changed(`li:nth-child(${at + 1}) select`);
  };
  for (const name of kinds[layer.kind]) item.append(option(layer, name, at));
  const move = (by) => {
    [layers[at], layers[at + by]] = [layers[at + by], layers[at]];
    changed(`li:nth-child(${at + 1 + by}) .move`);
  };
  const moves = item.appendChild(document.createElement("span"));
  moves.className = "moves";
  moves.append(
    small("↑", t("moveUp"), () => move(-1), at === 0),
    small("↓", t("moveDown"), () => move(1), at === layers.length - 1),
    small("×", t("remove"), () => {
      layers.splice(at, 1);
      changed();
    }),
  );
  const cost = item.appendChild(document.createElement("span"));
  cost.className = "cost";
  return item;
}

function option(layer, name, at) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.type = "number";
  input.value = layer[name];
  input.min = 0;
  input.step = name === "p" ? 0.1 : 1;
  input.dataset.option = name;
  input.onchange = () => {
    layer[name] = input.value === "" ? null : Number(input.value);
    changed(`li:nth-child(${at + 1}) [data-option=${name}]`);
  };
  label.append(`${name} `, input);
  return label;
}

function small(text, label, onclick, disabled = false) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "move";
  button.textContent = text;
  button.setAttribute("aria-label", label);
  Object.assign(button, { onclick, disabled });
  return button;
}
