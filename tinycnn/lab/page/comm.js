// In a notebook this module stands in the place of wire.js: the page asks the notebook around it.

import { note } from "./recording.js";
import { read } from "./unpack.js";

const waiting = new Map(); // id -> {resolve, reject, what, fields}
const listeners = new Map();
let nextId = 1;

export function on(event, listener) {
  listeners.set(event, listener);
}

export function connect() {
  window.addEventListener("message", (event) => {
    if (event.source === window.parent && event.data?.answer !== undefined) receive(read(event.data.answer));
  });
  setTimeout(() => listeners.get("hello")({}), 0);
}

export function ask(what, fields = {}) {
  return new Promise((resolve, reject) => {
    const id = nextId++;
    waiting.set(id, { resolve, reject, what, fields });
    window.parent.postMessage({ ask: JSON.stringify({ ...fields, id, do: what }) }, "*");
  });
}

function receive(message) {
  const asked = waiting.get(message.id);
  waiting.delete(message.id);
  if (!asked) return;
  if (message.error !== undefined) {
    asked.reject(new Error(message.error));
    return;
  }
  note(asked.what, asked.fields, message);
  asked.resolve(message);
}
