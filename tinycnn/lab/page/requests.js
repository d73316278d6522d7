// Requests that wait for an answer, whatever way they are sent: see wire.js and comm.js.

import { note } from "./recording.js";

const waiting = new Map(); // id -> {resolve, reject, what, fields}
let nextId = 1;

/** Send a request as text by `send`, and return a promise of its answer. It is refused with the engine's sentence. */
export function request(send, what, fields) {
  return new Promise((resolve, reject) => {
    const id = nextId++;
    waiting.set(id, { resolve, reject, what, fields });
    send(JSON.stringify({ ...fields, id, do: what }));
  });
}

/** Settle the promise that waits for this answer, if one does. */
export function settle(message) {
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

/** Refuse all that wait: no answer will come. */
export function refuseAll(reason) {
  for (const { reject } of waiting.values()) reject(new Error(reason));
  waiting.clear();
}
