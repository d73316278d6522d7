// What the server answered about the picture that is shown now: this goes into a file that is saved.

const CHANGES = ["train", "reset", "build", "load"]; // what was recorded before is of another network
const PICTURES = ["pixels", "test", "file"];

export const recording = { describe: null, training: null, see: {}, why: {} };
let noise = 0;
let loss; // the class of the gradients

/** Note an answer. */
export function note(what, fields, answer) {
  if (what === "describe") recording.describe = answer;
  if (what === "see") {
    if (PICTURES.some((name) => name in fields) || fields.noise !== noise) forget();
    noise = fields.noise;
    recording.see[fields.loss === undefined ? "plain" : "gradient"] = answer;
    if (fields.loss !== undefined && fields.loss !== loss) {
      loss = fields.loss;
      for (const key of Object.keys(recording.why)) if (cellOf(key).gradient) delete recording.why[key];
    }
  }
  if (what === "training") recording.training = answer;
  if (what === "why" && !fields.gan && !fields.preview) recording.why[keyOf(fields)] = answer;
  if (CHANGES.includes(what)) forget();
}

/** Return under which key a cell's steps are kept. */
export function keyOf({ array, cell, gradient }) {
  return JSON.stringify([array, cell, Boolean(gradient)]);
}

/** Return the cell of a key. */
export function cellOf(key) {
  const [array, cell, gradient] = JSON.parse(key);
  return { array, cell, gradient };
}

function forget() {
  recording.see = {};
  recording.why = {};
}
