// In a notebook this module stands in the place of wire.js: the page asks the notebook around it.

import { request, settle } from "./requests.js";
import { t } from "./strings.js";
import { read } from "./unpack.js";

const PATIENCE = 10_000; // milliseconds without an answer, after which the page says so
const listeners = new Map();
let waiting = null; // the timer
let silent = false;

export function on(event, listener) {
  listeners.set(event, listener);
}

export function connect() {
  window.addEventListener("message", (event) => {
    if (event.source !== window.parent || event.data?.answer === undefined) return;
    clearTimeout(waiting);
    waiting = null;
    if (silent) listeners.get("answers")?.();
    silent = false;
    settle(read(event.data.answer));
  });
  setTimeout(() => listeners.get("hello")({}), 0);
}

export function ask(what, fields = {}) {
  waiting ??= setTimeout(() => {
    silent = true;
    listeners.get("closed")({ reason: t("pythonSilent") });
  }, PATIENCE);
  return request((text) => window.parent.postMessage({ ask: text }, "*"), what, fields);
}

/** The cells whose sums are recorded: here all are computed when they are asked for. */
export function cells() {
  return [];
}
