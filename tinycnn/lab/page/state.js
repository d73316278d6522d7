// What the page shows, as one object; it is written into the address's fragment, so that a reload or a
// bookmark brings it back. The trained weights are the server's and are not in it.

const FRESH = {
  tab: "see",
  test: 0, // number of a test picture; null for a drawing
  pixels: null, // a drawing: its bytes as base64
  noise: 0,
  backward: false,
  saliency: false,
  loss: null, // a class, or null for the true label, else the answer
  path: [], // the cells asked about: [{array, cell, gradient, gan}]
  gan: null, // the run and the place in its latent space: {folder, first, second, t, u, v, label, of}
};

export const state = { ...FRESH };
let known = ""; // the fragment that was read or written last

/** Read the state from the address. What does not belong there is left out. */
export function readState() {
  Object.assign(state, FRESH);
  known = location.hash;
  let found;
  try {
    found = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  } catch {
    const saved = document.getElementById("recording"); // in a file that was saved
    if (!saved) return;
    found = JSON.parse(saved.textContent).state;
  }
  if (typeof found !== "object" || found === null) return;
  for (const name of Object.keys(FRESH)) {
    if (name in found && fits(found[name], name)) state[name] = found[name];
  }
}

function fits(value, name) {
  const checks = {
    tab: () => typeof value === "string",
    test: () => value === null || Number.isInteger(value),
    pixels: () => value === null || typeof value === "string",
    noise: () => typeof value === "number",
    backward: () => typeof value === "boolean",
    saliency: () => typeof value === "boolean",
    loss: () => value === null || Number.isInteger(value),
    gan: () => value === null || (typeof value === "object" && typeof value.folder === "string"),
    path: () => Array.isArray(value) && value.every((step) => typeof step?.array === "string" && Array.isArray(step.cell)),
  };
  return checks[name]();
}

/** Write the state into the address: only what differs from a fresh page. */
export function writeState() {
  if (location.protocol === "about:") return; // in a notebook's frame, which has no address
  if (location.hash !== known) return; // "back" was pressed: that address is read soon, and must not be lost
  const changed = {};
  for (const [name, value] of Object.entries(state)) {
    if (JSON.stringify(value) !== JSON.stringify(FRESH[name])) changed[name] = value;
  }
  const hash = Object.keys(changed).length ? `#${encodeURIComponent(JSON.stringify(changed))}` : " ";
  history.replaceState(null, "", hash === " " ? location.pathname : hash);
  known = location.hash;
}
