// GANs: the toy of the plane, and the latent space of a trained one. All numbers are the engine's.

import { inOrder } from "./order.js";
import { ask } from "./wire.js";
import { colouring, largest } from "./colours.js";
import { Network } from "./network.js";
import { show as shown } from "./numbers.js";
import { state, writeState } from "./state.js";
import { drawToy } from "./toy.js";
import { t } from "./strings.js";
import * as why from "./why.js";

const STEPS = 20; // of one request while the toy runs
const byId = (id) => document.getElementById(id);

const PARTS = ["sliders", "sum", "chain"]; // of the page, which are shown while a run is loaded
const PLACE = { first: "z-first", second: "z-second", t: "z-t", u: "z-u", v: "z-v" }; // field -> element

let toy = null; // what the toy was last drawn from
let made = null; // what the generator last made
let running = false;
const next = inOrder();
let looking = false;
let again = false;
let loaded = null; // what the server said of the run
let loads = 0;
let classes = () => []; // of the classifier on this page, which names G's pictures

/** Both networks, from z to D's verdict. */
export const chain = new Network(
  (array, cell) => why.explain(array, cell, byId("chain-backward").checked, [], true),
  (within, array, cell) => why.preview(within, array && { array, cell, gradient: byId("chain-backward").checked, gan: true }),
  "chain",
);

/** Wire the panels. `theClasses` returns the names of the classifier's classes. */
export function setUp(theClasses) {
  classes = theClasses;
  const begin = () => guarded(() => ask("toy", { density: byId("density").value, loss: byId("gan-loss").value }));
  byId("toy-step").onclick = () => {
    pause();
    guarded(() => ask("toy-step", { steps: 1 }));
  };
  byId("toy-run").onclick = () => (running ? pause() : run());
  for (const id of ["density", "gan-loss"]) byId(id).onchange = begin;
  byId("toy-reset").onclick = () => {
    pause();
    begin();
  };
  byId("gan-load").onclick = () => load({ folder: byId("gan-runs").value });
  for (const [field, id] of Object.entries(PLACE)) {
    byId(id).oninput = () => {
      Object.assign(state.gan, { [field]: Number(byId(id).value), of: null });
      look();
    };
  }
  byId("z-label").oninput = () => {
    state.gan.label = Number(byId("z-label").value);
    look();
  };
  byId("sum-show").onclick = () => {
    state.gan.of = ["a", "b", "c"].map((name) => Number(byId(`sum-${name}`).firstChild.value));
    look();
  };
  byId("chain-backward").onchange = () => {
    why.close();
    drawMade();
  };
}

/** Forget the run: the server may not have it any more, or the address names another one. */
export function forget() {
  loaded = made = null;
  loads += 1; // one that is under way comes too late
  for (const id of PARTS) byId(id).hidden = true;
  byId("latent-maps").replaceChildren();
}

/** Show the tab: ask which runs there are, and draw the toy. */
export async function show() {
  const answer = await ask("gan-runs");
  byId("gan-runs").replaceChildren(...answer.runs.map((name) => new Option(name, name)));
  byId("gan-load").disabled = !answer.runs.length;
  byId("latent-says").textContent = answer.runs.length ? "" : t("noGan");
  if (!byId("density").options.length) {
    byId("density").replaceChildren(...answer.densities.map((name) => new Option(name, name)));
    byId("gan-loss").replaceChildren(...answer.losses.map((name) => new Option(name, name)));
  }
  if (!toy) byId("toy-reset").click();
  if (state.gan && !loaded) await load(state.gan);
  else if (loaded) choices(); // the classifier may be another one
}

function guarded(request) {
  return next(async () => {
    try {
      toy = await request();
      redraw();
    } catch (error) {
      pause();
      byId("toy-says").textContent = error.message;
    }
  });
}

async function run() {
  running = true;
  byId("toy-run").setAttribute("aria-pressed", true);
  byId("toy-run").textContent = t("pause");
  while (running) {
    await guarded(() => ask("toy-step", { steps: STEPS }));
    await new Promise(requestAnimationFrame);
  }
}

function pause() {
  running = false;
  byId("toy-run").setAttribute("aria-pressed", false);
  byId("toy-run").textContent = t("run");
}

/** Draw again, in the colours of the theme. */
export function redraw() {
  if (toy) byId("toy-says").textContent = drawToy(byId("toy"), toy);
  if (made) drawMade();
}

async function load(place) {
  const mine = ++loads;
  try {
    const answer = await ask("gan-load", { folder: place.folder });
    if (mine !== loads) return;
    loaded = answer;
  } catch (error) {
    byId("latent-says").textContent = error.message;
    return;
  }
  const number = (id) => Number(byId(id).value);
  const here = Object.fromEntries(Object.entries(PLACE).map(([field, id]) => [field, number(id)]));
  state.gan = { ...here, label: 0, of: null, ...place };
  for (const [field, id] of Object.entries(PLACE)) byId(id).value = state.gan[field];
  byId("z-label").value = state.gan.label;
  byId("gan-runs").value = place.folder;
  byId("gan-class").hidden = loaded.classes === 0;
  for (const id of PARTS) byId(id).hidden = false;
  choices();
  chain.describe({ input: loaded.input, layers: loaded.layers });
  await look();
}

// What can be added up: means of classes, or single points for a generator that is told the class.
function choices() {
  const told = loaded.classes > 0;
  byId("sum-hint").textContent = t(told ? "sumOfPoints" : "sumOfMeans");
  ["a", "b", "c"].forEach((name, n) => {
    const input = document.createElement(told ? "input" : "select");
    if (told) Object.assign(input, { type: "number", min: 0 });
    else input.append(...classes().map((label, k) => new Option(label, k)));
    input.value = state.gan.of?.[n] ?? n + (told ? 1 : 0);
    input.setAttribute("aria-label", name);
    byId(`sum-${name}`).replaceChildren(input);
  });
}

// One request at a time; while it runs, the newest place waits.
async function look() {
  if (!loaded) return;
  if (looking) {
    again = true;
    return;
  }
  looking = true;
  const { first, second, t: along, u, v, of, label } = state.gan;
  const run = loaded;
  const place = run.classes ? { label } : {};
  try {
    const answer = await (of ? ask("gan-sum", { of, ...place }) : ask("gan-look", { first, second, t: along, u, v, ...place }));
    if (run === loaded) {
      made = answer;
      drawMade();
      writeState();
      if (state.path.at(-1)?.gan) await why.showPath();
    }
  } catch (error) {
    byId("latent-says").textContent = error.message;
  }
  looking = false;
  if (again) {
    again = false;
    look();
  }
}

/** Put the texts of the chosen language. */
export function texts() {
  redraw();
  if (!loaded) return;
  choices();
  chain.texts();
}

function drawMade() {
  byId("latent-says").textContent = t("verdict", { logit: shown(made.logit), real: shown(made.real, 3) });
  const { picture, dD } = made.arrays;
  const figures = [drawMaps(picture, "grey", 1, t("made"), 6), drawMaps(dD, "gradient", largest(dD.values), t("pull"), 6)];
  made.samples?.forEach((samples, n) => {
    const letter = `${n === 1 ? "−" : "+"} ${"abc"[n]}`;
    const name = samples > 1 ? t("part", { letter, samples }) : letter;
    figures.push(drawMaps(made.arrays[`part${n}`], "grey", 1, name, 3));
  });
  byId("latent-maps").replaceChildren(...figures);
  chain.update(made.arrays, byId("chain-backward").checked);
}

// Channels beside each other, eight in a row; three of a colour picture are one.
function drawMaps(array, kind, most, title, size) {
  const [C, H, W] = array.shape;
  const colour = colouring(kind);
  const rgb = kind === "grey" && C === 3;
  const count = rgb ? 1 : C;
  const columns = Math.min(count, 8);
  const canvas = document.createElement("canvas");
  canvas.width = columns * (W * size + 2);
  canvas.height = Math.ceil(count / columns) * (H * size + 2);
  const context = canvas.getContext("2d");
  for (let c = 0; c < count; c++) {
    const left = (c % columns) * (W * size + 2);
    const top = Math.floor(c / columns) * (H * size + 2);
    for (let n = 0; n < H * W; n++) {
      const value = (channel) => array.values[channel * H * W + n];
      const [r, g, b] = rgb ? [0, 1, 2].map((k) => 255 * value(k)) : colour(value(c) / most);
      context.fillStyle = `rgb(${r} ${g} ${b})`;
      context.fillRect(left + (n % W) * size, top + Math.floor(n / W) * size, size, size);
    }
  }
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = kind === "grey" ? title : `${title} (±${shown(most, 3)})`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", title);
  figure.append(canvas, caption);
  return figure;
}
