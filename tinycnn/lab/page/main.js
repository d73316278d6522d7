// The page begins here: it connects, asks what the network is, and shows what the engine computes on the picture.

import { ask, cells, connect, on } from "./wire.js";
import { drawBars } from "./bars.js";
import * as build from "./build.js";
import { listRuns } from "./folders.js";
import * as gan from "./gan.js";
import { Network } from "./network.js";
import { Drawing, takeFiles } from "./picture.js";
import { cellName, count, show } from "./numbers.js";
import { readState, state, writeState } from "./state.js";
import { preferred, setLanguage, t } from "./strings.js";
import { setUpTabs } from "./tabs.js";
import { save } from "./save.js";
import { setUpTheme } from "./theme.js";
import { setUpTour } from "./tour.js";
import * as train from "./train.js";
import * as why from "./why.js";

const byId = (id) => document.getElementById(id);

let about = null; // what the server said of the network
let seen = null; // what it saw last
let looking = false; // one request at a time: while it runs, the newest picture waits
let next = null;
let restored = null; // a drawing of the address, which is not on the canvas yet

const drawing = new Drawing(byId("draw"), (pixels) => {
  Object.assign(state, { pixels, test: null });
  look({ pixels });
});
const network = new Network(
  (array, cell) => why.explain(array, cell, state.backward),
  (within, array, cell) => why.preview(within, array && { array, cell, gradient: state.backward }),
);

/** Say something to the reader; an empty text takes it away. */
function say(text) {
  byId("status").textContent = text;
}

/** Let the network look at a picture: {pixels}, {test}, {file}, or {} for the one that it has. */
async function look(picture) {
  if (looking) {
    next = picture;
    return;
  }
  looking = true;
  try {
    const request = { ...picture, noise: state.noise };
    if (state.backward || state.saliency) request.loss = lossClass(picture);
    await showSeen(await ask("see", request), picture);
  } catch (error) {
    if (error.message !== "disconnected") say(error.message);
  }
  looking = false;
  if (next) {
    const waiting = next;
    next = null;
    look(waiting);
  }
}

// The class of the loss: the one that was chosen, else the true label, else the answer.
function lossClass() {
  return state.loss ?? seen?.label ?? seen?.answer ?? 0;
}

async function showSeen(answer, picture) {
  const wasLabel = seen?.label;
  seen = answer;
  const { arrays } = answer;
  network.update(arrays, state.backward);
  drawBars(byId("bars"), about.classes, [...arrays.p.values], (k) => why.explain("p", [0, k], false));
  const onCanvas = "pixels" in picture && picture.pixels !== restored;
  if (!onCanvas) drawing.show(arrays.a0, state.saliency ? arrays["dL/da0"] : null);
  else if (state.saliency) drawing.shape = arrays.a0.shape;
  byId("true-label").textContent =
    answer.label === null ? "" : t("trueLabel", { n: state.test, label: about.classes[answer.label] });
  byId("loss-says").textContent = answer.loss === null ? "" : t("lossSays", { loss: show(answer.loss) });
  say(answer.inverted ? t("inverted") : "");
  if ("file" in picture) {
    Object.assign(state, { test: null, pixels: drawing.pixels() });
  }
  writeState();
  if ((state.backward || state.saliency) && wasLabel !== answer.label && state.loss === null) look({});
  else if (state.path.length && !state.path.at(-1).gan) await why.showPath();
}

async function describe() {
  about = await ask("describe");
  network.describe(about);
  drawing.shape = about.input;
  const choice = byId("loss");
  choice.replaceChildren(new Option(t("trueOrAnswer"), ""), ...about.classes.map((name, k) => new Option(name, k)));
  choice.value = state.loss ?? "";
  byId("test").disabled = about.tests === 0;
  byId("save").disabled = false;
  if ((about.tests === 0 || about.picture) && state.test === 0) state.test = null;
  await lookAgain();
}

// Look at the picture of the state.
function lookAgain() {
  restored = state.pixels;
  return look(state.pixels ? { pixels: state.pixels } : state.test !== null ? { test: state.test } : {});
}

// Put what the address says into the controls.
function restore() {
  byId("noise").value = state.noise;
  byId("noise-says").textContent = show(state.noise, 2);
  byId("backward").checked = state.backward;
  byId("saliency").checked = state.saliency;
  byId("loss").value = state.loss ?? "";
}

// Another fragment in the address of the open page: a link was pasted, or "back" was pressed.
async function moved() {
  readState();
  restore();
  if (!state.path.length) why.close();
  gan.forget();
  tabs.choose(state.tab);
  if (about) await lookAgain();
}

function wire() {
  byId("clear").onclick = () => {
    drawing.clear();
    Object.assign(state, { test: null, pixels: drawing.pixels() });
    look({ pixels: state.pixels });
  };
  byId("test").onclick = () => {
    state.test = state.test === null ? 0 : (state.test + 1) % about.tests;
    state.pixels = null;
    look({ test: state.test });
  };
  byId("noise").oninput = (event) => {
    state.noise = Number(event.target.value);
    byId("noise-says").textContent = show(state.noise, 2);
    look({});
  };
  for (const name of ["backward", "saliency"]) {
    byId(name).onchange = (event) => {
      state[name] = event.target.checked;
      why.close();
      look({});
    };
  }
  byId("loss").onchange = (event) => {
    state.loss = event.target.value === "" ? null : Number(event.target.value);
    look({});
  };
  byId("save").onclick = () => save(lossClass(), about.classes).catch((error) => say(error.message));
  byId("language").onchange = (event) => speak(event.target.value);
  takeFiles(byId("file"), (file) => look({ file }));
}

function speak(language) {
  localStorage.setItem("language", language);
  byId("language").value = language;
  setLanguage(language);
  byId("draw").setAttribute("aria-label", t("drawing"));
  tabs.texts();
  if (about) network.texts();
  train.redraw();
  gan.texts();
}

train.setUp({ look: () => look({}), lossClass });

gan.setUp(() => about.classes);
build.setUp(async () => {
  why.close();
  train.forget();
  await describe();
});

// In a saved file: buttons that lead to the cells whose sums are in it. The bars have them all.
function listRecorded() {
  const buttons = cells().filter(({ array }) => array !== "p").map(({ array, cell, gradient }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = cellName(gradient ? `dL/d${array}` : array, cell);
    button.onclick = async () => {
      state.backward = byId("backward").checked = gradient;
      tabs.choose("see");
      await look({});
      why.explain(array, cell, gradient);
    };
    return button;
  });
  byId("saved-cells").replaceChildren(...(buttons.length ? [t("recordedCells"), " ", ...buttons] : []));
}

async function showTab(tab) {
  if (!about) return;
  if (state.path.length && Boolean(state.path.at(-1).gan) !== (tab === "gan")) why.close();
  const redrawn = async () => train.redraw(); // it had no size while it was hidden
  const shown = { train: redrawn, build: () => Promise.all([build.show(), listRuns()]), gan: gan.show }[tab];
  await shown?.().catch((error) => say(error.message));
}

on("hello", async () => {
  say("");
  gan.forget(); // the server may be another one
  await describe();
  await train.restore().catch((error) => say(error.message));
  await showTab(state.tab);
  listRecorded();
});
on("closed", ({ reason }) => say(reason || t("disconnected")));
on("answers", () => say("")); // again
on("refused", ({ error }) => say(error));
on("starting", ({ done, total, loss, accuracy }) => {
  byId("starting").hidden = done >= total;
  Object.assign(byId("progress"), { max: total, value: done });
  const values = { done: count(done), total: count(total), loss: show(loss, 3), accuracy: show(accuracy, 3) };
  byId("progress-says").textContent = t("startingSays", values);
  for (const id of ["train-step", "train-run"]) byId(id).disabled = done < total;
  if (about) look({}); // the maps while it learns
});

readState();
const tabs = setUpTabs(["see", "train", "build", "gan"], showTab);
setUpTheme(byId("theme"), () => {
  if (seen) network.update(seen.arrays, state.backward);
  train.redraw();
  gan.redraw();
});
speak(localStorage.getItem("language") ?? preferred());
why.setUp({ classifier: network, gan: gan.chain });
restore();
wire();
window.addEventListener("hashchange", moved);
connect();
if (!document.getElementById("recording")) setUpTour(byId("tour-button"));
