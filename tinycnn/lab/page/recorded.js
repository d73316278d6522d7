// In a saved file this module stands in the place of wire.js: it answers from what was recorded.

import { cellOf, keyOf } from "./recording.js";
import { t } from "./strings.js";

const recording = JSON.parse(document.getElementById("recording").textContent, (key, value) =>
  value?.base64 === undefined ? value : { ...value, values: numbers(value.base64) },
);
const listeners = new Map();

export function on(event, listener) {
  listeners.set(event, listener);
}

export function connect() {
  document.body.dataset.saved = recording.training?.steps ? "trained" : "untrained";
  setTimeout(() => listeners.get("hello")({}), 0);
}

export async function ask(what, fields = {}) {
  if (what === "describe") return recording.describe;
  if (what === "training") return recording.training ?? { steps: 0 };
  if (what === "see") {
    const { plain, gradient } = recording.see;
    return (fields.loss === undefined ? plain : gradient) ?? plain ?? gradient;
  }
  if (what === "why" && keyOf(fields) in recording.why) return recording.why[keyOf(fields)];
  throw new Error(t("notRecorded"));
}

/** The cells whose sums are in this file. */
export function cells() {
  return Object.keys(recording.why).map(cellOf);
}

function numbers(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}
