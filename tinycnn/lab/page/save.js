// "Save as one file": this page with its scripts, its style and what was recorded, which opens without a server.

import { ask } from "./wire.js";
import { recording } from "./recording.js";
import { state } from "./state.js";
import { toBase64 } from "./picture.js";

/** Record the bars of all classes too, and download the file. */
export async function save(lossClass, classes) {
  await ask("see", { noise: state.noise, loss: lossClass });
  await ask("see", { noise: state.noise });
  for (let k = 0; k < classes.length; k++) await ask("why", { array: "p", cell: [0, k] });
  const blob = new Blob([await page()], { type: "text/html" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "tinycnn-lab.html";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function page() {
  const imports = {};
  for (const [name, source] of await modules()) {
    imports[`lab/${name}`] = `data:text/javascript;charset=utf-8,${encodeURIComponent(source)}`;
  }
  imports["lab/wire.js"] = imports["lab/recorded.js"];
  const style = await textOf("style.css");
  const scripts = [
    `<script type="importmap">${JSON.stringify({ imports })}</script>`,
    `<script type="application/json" id="recording">${recordingAsText()}</script>`,
    '<script type="module">import "lab/main.js";</script>',
  ].join("\n");
  return (await textOf("index.html"))
    .replace(/<link [^>]*>\n/g, "")
    .replace(/<script [^>]*><\/script>\n/, "")
    .replace("</head>", () => `<style>\n${style}</style>\n</head>`)
    .replace("</body>", () => `${scripts}\n</body>`);
}

// All modules, from main.js on. In a file they import each other by names that the import map knows.
async function modules() {
  const found = new Map();
  const waiting = ["main.js", "recorded.js"];
  while (waiting.length) {
    const name = waiting.pop();
    if (found.has(name)) continue;
    const source = await textOf(name);
    for (const [, other] of source.matchAll(/from "\.\/([\w.]+)"/g)) waiting.push(other);
    found.set(name, source.replace(/from "\.\//g, 'from "lab/'));
  }
  return found;
}

async function textOf(name) {
  return (await fetch(name)).text();
}

function recordingAsText() {
  const text = JSON.stringify({ ...recording, state }, (key, value) =>
    value?.values instanceof Float32Array ? withBase64(value) : value,
  );
  return text.replaceAll("<", "\\u003c"); // no text in it ends the script
}

function withBase64({ values, ...array }) {
  return { ...array, base64: toBase64(new Uint8Array(values.slice().buffer)) };
}
