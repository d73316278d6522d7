// A training step shown in turn, in the panel where a cell's sum stands: forward, backward, update.

import { formula } from "./formula.js";
import { close } from "./why.js";
import { t } from "./strings.js";

const byId = (id) => document.getElementById(id);

/** Show steps of an explanation one after the other. */
export function showSteps(steps) {
  close(); // of the cell that stood there
  const panel = byId("why");
  panel.classList.remove("empty");
  byId("why-title").textContent = t("oneStep");
  let at = 0;

  function draw() {
    const step = steps[at];
    const body = byId("why-body");
    const counter = element("p", `${at + 1} / ${steps.length} · ${step.phase}`, "hint");
    const numbers = step.numbers.length > 900 ? `${step.numbers.slice(0, 900)} …` : step.numbers;
    const buttons = element("div", "", "buttons");
    buttons.append(turn("previous", -1), turn("next", 1));
    const said = [element("h3", step.title), formula(step), element("p", numbers, "numbers"), element("p", step.sentence)];
    for (const part of said) part.lang = "en"; // the engine speaks English
    body.replaceChildren(buttons, counter, ...said);
  }

  function turn(name, by) {
    const button = element("button", t(name));
    button.type = "button";
    button.id = `turn-${name}`;
    button.disabled = at + by < 0 || at + by >= steps.length;
    button.onclick = () => {
      at += by;
      draw();
      byId(`turn-${name}`).focus();
    };
    return button;
  }

  draw();
}

function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}
