// The answer as bars: one button for each class.

import { show } from "./numbers.js";

/** Show the probabilities; `ask(k)` is called where a bar is clicked. */
export function drawBars(element, classes, probabilities, ask) {
  if (element.childElementCount !== classes.length) {
    element.replaceChildren(...classes.map((name, k) => bar(name, () => ask(k))));
  }
  const best = probabilities.indexOf(Math.max(...probabilities));
  [...element.children].forEach((button, k) => {
    button.classList.toggle("best", k === best);
    button.children[1].firstChild.style.width = `${100 * probabilities[k]}%`;
    button.children[2].textContent = show(probabilities[k], 3);
    button.setAttribute("aria-label", `${classes[k]}: ${show(probabilities[k], 3)}`);
  });
}

function bar(name, onclick) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "bar";
  const [label, track, number] = ["span", "span", "span"].map((tag) => button.appendChild(document.createElement(tag)));
  label.textContent = name;
  track.className = "track";
  track.appendChild(document.createElement("span"));
  number.className = "number";
  button.onclick = onclick;
  return button;
}
