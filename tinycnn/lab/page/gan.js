// GANs: the toy of the plane, and the latent space of a trained one. All numbers are the engine's.

import { ask } from "./wire.js";
import { colouring, largest } from "./colours.js";
import { show as shown } from "./numbers.js";
import { drawToy } from "./toy.js";
import { t } from "./strings.js";

const STEPS = 20; // of one request while the toy runs
const byId = (id) => document.getElementById(id);

let toy = null; // what the toy was last drawn from
let made = null; // what the generator last made
let running = false;
let asking = false;
let looking = false;
let again = false;

/** Wire the panels. */
export function setUp() {
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
  byId("gan-load").onclick = load;
  for (const id of ["z-first", "z-second", "z-label", "z-t", "z-u", "z-v"]) byId(id).oninput = look;
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
}

async function guarded(request) {
  if (asking) return;
  asking = true;
  try {
    toy = await request();
    redraw();
  } catch (error) {
    pause();
    byId("toy-says").textContent = error.message;
  }
  asking = false;
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

async function load() {
  try {
    const { classes } = await ask("gan-load", { folder: byId("gan-runs").value });
    byId("gan-class").hidden = classes === 0;
    byId("sliders").hidden = false;
    await look();
  } catch (error) {
    byId("latent-says").textContent = error.message;
  }
}

// One request at a time; while it runs, the newest place waits.
async function look() {
  if (looking) {
    again = true;
    return;
  }
  looking = true;
  const number = (id) => Number(byId(id).value);
  const place = { first: number("z-first"), second: number("z-second"), t: number("z-t"), u: number("z-u"), v: number("z-v") };
  if (!byId("gan-class").hidden) place.label = number("z-label");
  try {
    made = await ask("gan-look", place);
    drawMade();
  } catch (error) {
    byId("latent-says").textContent = error.message;
  }
  looking = false;
  if (again) {
    again = false;
    look();
  }
}

function drawMade() {
  byId("latent-says").textContent = t("verdict", { logit: shown(made.logit), real: shown(made.real, 3) });
  const { picture, dD, ...maps } = made.arrays;
  const figures = [drawMaps(picture, "grey", 1, t("made"), 6), drawMaps(dD, "gradient", largest(dD.values), t("pull"), 6)];
  for (const [title, array] of Object.entries(maps)) {
    const [, , W] = array.shape;
    figures.push(drawMaps(array, "activation", largest(array.values), title, Math.max(1, Math.floor(42 / W))));
  }
  byId("latent-maps").replaceChildren(...figures);
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
  caption.textContent = `${title} (±${shown(most, 3)})`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", title);
  figure.append(canvas, caption);
  return figure;
}
