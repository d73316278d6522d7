// "Save as one file": this page with its scripts, its style and what was recorded, which opens without a server.

import { ask } from "./wire.js";
import { recording } from "./recording.js";
import { state } from "./state.js";
import { toBase64 } from "./picture.js";

/** Record the bars of all classes too, and download the file. */
export async function save(lossClass, classes) {
  const requests = [{ noise: state.noise }, { noise: state.noise, loss: lossClass }];
  if (!state.backward && !state.saliency) requests.reverse(); // the last one is what the page shows
  for (const request of requests) await ask("see", request);
  for (let k = 0; k < classes.length; k++) await ask("why", { array: "p", cell: [0, k] });
  await ask("training");
  const blob = new Blob([await page()], { type: "text/html" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "tinycnn-lab.html";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function page() {
  const { html } = await ask("file");
  const place = '<script type="application/json" id="recording">';
  return html.replace(`${place}null`, () => place + recordingAsText());
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
