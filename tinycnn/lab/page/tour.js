// The first-time tour: five steps, each with the part of the page that it is about. It can be skipped.

import { t } from "./strings.js";

const STEPS = ["#draw", "#network-layers", "#why", "#backward", "#tabs"];
const SEEN = "tour";

/** Show the tour to who has not seen it, and to whoever presses the button. */
export function setUpTour(button) {
  const box = document.getElementById("tour");
  let at = 0;
  let marked = null;

  function show(step) {
    marked?.classList.remove("toured");
    at = step;
    if (at >= STEPS.length) {
      localStorage.setItem(SEEN, "done");
      box.hidden = true;
      button.focus();
      return;
    }
    marked = document.querySelector(STEPS[at]);
    marked.classList.add("toured");
    box.hidden = false;
    box.querySelector("p").textContent = `${at + 1}/${STEPS.length} ${t(`tour${at + 1}`)}`;
    box.querySelector("#tour-next").textContent = t(at + 1 < STEPS.length ? "next" : "tourEnd");
    box.querySelector("#tour-skip").textContent = t("tourSkip");
  }

  box.querySelector("#tour-next").onclick = () => show(at + 1);
  box.querySelector("#tour-skip").onclick = () => show(STEPS.length);
  box.onkeydown = (event) => {
    if (event.key === "Escape") show(STEPS.length);
  };
  button.onclick = () => {
    show(0);
    box.querySelector("#tour-next").focus();
  };
  if (localStorage.getItem(SEEN) !== "done") show(0);
}
