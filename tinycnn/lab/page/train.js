// Training: one step that is shown in turn, or many with a loss curve. The engine trains; the page asks for more.

import { inOrder } from "./order.js";
import { ask } from "./wire.js";
import { colouring, cssOf, largest } from "./colours.js";
import { show } from "./numbers.js";
import { showSteps } from "./turns.js";
import { t } from "./strings.js";

const STEPS = 50; // of one request while it runs; the engine stops earlier if they take long
const byId = (id) => document.getElementById(id);

let losses = [];
let running = false;
const next = inOrder();
let weights = {}; // the filters' arrays
let shown = null; // the steps of the last step that was shown in turn
let page = null; // {look, lossClass}

/** Wire the panel. `look` shows the picture again; `lossClass` is the class that a picture is trained towards. */
export function setUp(thePage) {
  page = thePage;
  byId("train-step").onclick = oneStep;
  byId("train-run").onclick = () => (running ? pause() : run());
  byId("train-reset").onclick = reset;
  byId("train-again").onclick = () => showSteps(shown);
}

/** Ask for what was trained before the page was loaded, and show it. */
export async function restore() {
  const answer = await ask("training");
  if (!answer.steps) return;
  const { losses: before, ...filters } = answer.arrays;
  losses = [...before.values];
  byId("optimizer").value = answer.optimizer;
  byId("lr").value = answer.lr;
  keep(answer.explanation);
  drawCurve();
  drawFilters(filters);
  report(answer);
  const says = t("runSays", { steps: answer.steps, loss: show(losses.at(-1), 3) });
  byId("train-says").textContent = answer.diverged || says;
}

function keep(explanation) {
  shown = explanation?.steps ?? null;
  byId("train-again").hidden = !shown;
}

function request(more) {
  const fields = {
    steps: 1,
    on: byId("train-on").value,
    optimizer: byId("optimizer").value,
    lr: byId("lr").value === "" ? null : Number(byId("lr").value),
    ...more,
  };
  if (fields.on === "picture") fields.label = page.lossClass();
  return ask("train", fields);
}

function guarded(action) {
  return next(async () => {
    byId("train-says").setAttribute("aria-busy", true);
    try {
      await action();
    } catch (error) {
      pause();
      byId("train-says").textContent = error.message;
    }
    byId("train-says").setAttribute("aria-busy", false);
  });
}

function oneStep() {
  pause();
  return guarded(async () => {
    const answer = await request({ explain: true });
    take(answer);
    const values = { steps: answer.steps, before: show(answer.losses[0]), after: show(answer.after) };
    byId("train-says").textContent = answer.diverged || t("stepSays", values);
    if (answer.explanation) {
      keep(answer.explanation);
      showSteps(shown);
    }
  });
}

async function run() {
  running = true;
  byId("train-run").setAttribute("aria-pressed", true);
  byId("train-run").textContent = t("pause");
  await guarded(async () => {
    while (running) {
      const answer = await request({ steps: STEPS });
      take(answer);
      const says = t("runSays", { steps: answer.steps, loss: show(answer.losses.at(-1), 3) });
      byId("train-says").textContent = answer.diverged || says;
      if (answer.diverged) pause();
      await new Promise(requestAnimationFrame);
    }
  });
}

function pause() {
  running = false;
  byId("train-run").setAttribute("aria-pressed", false);
  byId("train-run").textContent = t("run");
}

function reset() {
  pause();
  return guarded(async () => {
    const answer = await ask("reset");
    losses = [];
    keep(null);
    drawCurve();
    drawFilters(answer.arrays ?? {});
    byId("curve-says").textContent = "";
    byId("train-says").textContent = t("resetSays");
    page.look();
  });
}

function take(answer) {
  losses.push(...answer.losses.map(Number));
  if (losses.length !== answer.steps) losses = losses.slice(-answer.steps);
  drawCurve();
  drawFilters(answer.arrays ?? {});
  report(answer);
  page.look();
}

function report(answer) {
  if (answer.accuracy === null) return;
  const accuracy = `${show(100 * answer.accuracy, 3)} %`;
  byId("curve-says").textContent = t("accuracySays", { ...answer, accuracy });
}

/** Begin anew: the page works with another network. */
export function forget() {
  pause();
  losses = [];
  keep(null);
  drawCurve();
  drawFilters({});
  byId("curve-says").textContent = byId("train-says").textContent = "";
}

/** Draw again, in the colours of the theme. */
export function redraw() {
  drawCurve();
  drawFilters(weights);
}

function drawCurve() {
  const canvas = byId("curve");
  const context = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const width = canvas.clientWidth || 300;
  const height = Math.round(0.43 * width);
  const ratio = window.devicePixelRatio || 1;
  Object.assign(canvas, { width: width * ratio, height: height * ratio }); // which also clears it
  context.scale(ratio, ratio);
  canvas.setAttribute("aria-label", t("noCurve"));
  if (!losses.length) return;
  const finite = losses.filter(Number.isFinite);
  const most = Math.max(...finite, 1e-9);
  const [left, right, top, bottom] = [52, width - 8, 8, height - 20]; // of the frame
  const x = (n) => left + ((right - left) * n) / Math.max(losses.length - 1, 1);
  const y = (loss) => bottom - ((bottom - top - 6) * loss) / most;
  context.strokeStyle = context.fillStyle = style.getPropertyValue("--soft");
  context.font = "12px system-ui";
  context.textAlign = "right";
  context.fillText(show(most, 3), left - 4, top + 12);
  context.fillText("0", left - 4, bottom);
  context.textAlign = "center";
  context.fillText(`1…${losses.length}`, (left + right) / 2, height - 5);
  context.strokeRect(left, top, right - left, bottom - top);
  context.strokeStyle = style.getPropertyValue("--bar");
  context.lineWidth = 1.5;
  context.beginPath();
  losses.forEach((loss, n) => {
    if (Number.isFinite(loss)) context.lineTo(x(n), y(loss));
  });
  context.stroke();
  if (losses.length === 1) context.fillRect(x(0) - 2, y(losses[0]) - 2, 4, 4);
  const ends = { steps: losses.length, first: show(losses[0], 3), last: show(losses.at(-1), 3) };
  canvas.setAttribute("aria-label", t("curve", ends));
}

// Each filter of each convolution as a small picture, on one scale for each layer.
function drawFilters(arrays) {
  weights = arrays;
  const parts = [];
  for (const [name, array] of Object.entries(arrays)) {
    const title = document.createElement("h4");
    const most = largest(array.values);
    title.textContent = `${name} (±${show(most, 3)})`;
    const row = document.createElement("div");
    row.className = "filters";
    const [n, KH, KW] = array.shape;
    for (let k = 0; k < n; k++) row.append(filter(array.values.subarray(k * KH * KW, (k + 1) * KH * KW), KH, KW, most));
    parts.push(title, row);
  }
  byId("filters").replaceChildren(...parts);
}

function filter(values, KH, KW, most) {
  const canvas = document.createElement("canvas");
  const colour = colouring("activation");
  const size = Math.max(2, Math.floor(18 / KW));
  canvas.width = KW * size;
  canvas.height = KH * size;
  const context = canvas.getContext("2d");
  values.forEach((v, n) => {
    context.fillStyle = cssOf(colour(v / most)).background;
    context.fillRect((n % KW) * size, Math.floor(n / KW) * size, size, size);
  });
  return canvas;
}
