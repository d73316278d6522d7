// What the server answered about the picture that is shown now: this goes into a file that is saved.

const CHANGES = ["train", "reset", "build", "load"]; // what was recorded before is of another network
const PICTURES = ["pixels", "test", "file"];

export const recording = { describe: null, see: {}, why: {} };
let noise = 0;

/** Note an answer. */
export function note(what, fields, answer) {
  if (what === "describe") recording.describe = answer;
  if (what === "see") {
    if (PICTURES.some((name) => name in fields) || fields.noise !== noise) forget();
    noise = fields.noise;
    recording.see[fields.loss === undefined ? "plain" : "gradient"] = answer;
  }
  if (what === "why") recording.why[keyOf(fields)] = answer;
  if (CHANGES.includes(what)) forget();
}

/** Return under which key a cell's steps are kept. */
export function keyOf({ array, cell, gradient, gan }) {
  return JSON.stringify([array, cell, Boolean(gradient), Boolean(gan)]);
}

function forget() {
  recording.see = {};
  recording.why = {};
}
