// The tabs. Each part of the page says in data-tabs on which of them it is shown.

import { state, writeState } from "./state.js";
import { t } from "./strings.js";

/** Make the tabs; `changed(tab)` is called when another one is chosen. */
export function setUpTabs(names, changed = () => {}) {
  const nav = document.getElementById("tabs");
  const buttons = names.map((name) => {
    const button = nav.appendChild(document.createElement("button"));
    button.type = "button";
    button.dataset.tab = name;
    button.setAttribute("role", "tab");
    button.onclick = () => choose(name);
    return button;
  });
  nav.onkeydown = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    choose(names[(names.indexOf(state.tab) + by + names.length) % names.length]);
    buttons[names.indexOf(state.tab)].focus();
  };

  function choose(name) {
    state.tab = names.includes(name) ? name : names[0];
    for (const button of buttons) {
      const chosen = button.dataset.tab === state.tab;
      button.setAttribute("aria-selected", chosen);
      button.tabIndex = chosen ? 0 : -1;
    }
    for (const part of document.querySelectorAll("[data-tabs]")) {
      part.hidden = !part.dataset.tabs.split(" ").includes(state.tab);
    }
    writeState();
    changed(state.tab);
  }

  choose(state.tab);
  return {
    choose,
    texts() {
      for (const button of buttons) button.textContent = t(button.dataset.tab);
    },
  };
}
