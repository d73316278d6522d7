// The WebSocket: ask(...) sends a request and returns a promise of its answer.
// See tinycnn/lab/wire.py for what a message looks like.

import { note } from "./recording.js";
import { read } from "./unpack.js";

const waiting = new Map(); // id -> {resolve, reject, what, fields}
const listeners = new Map(); // event -> function
let socket = null;
let nextId = 1;
let tries = 0;

/** Call `listener` with every message of this kind that the server sends by itself. */
export function on(event, listener) {
  listeners.set(event, listener);
}

function tell(event, message) {
  listeners.get(event)?.(message);
}

/** Connect, and connect again whenever the connection is lost. */
export function connect() {
  const address = new URL("ws", location.href);
  address.protocol = "ws:";
  address.hash = "";
  const session = sessionStorage.getItem("session");
  address.search = session ? `?session=${encodeURIComponent(session)}` : "";
  socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  socket.onmessage = (event) => receive(event.data);
  socket.onopen = () => {
    tries = 0;
  };
  socket.onclose = (event) => {
    for (const { reject } of waiting.values()) reject(new Error("disconnected"));
    waiting.clear();
    tell("closed", { reason: event.reason, code: event.code });
    tries += 1;
    setTimeout(connect, Math.min(5000, 300 * 2 ** Math.min(tries, 5)));
  };
}

/** Ask the server to do something. The promise is refused with the server's sentence. */
export function ask(what, fields = {}) {
  return new Promise((resolve, reject) => {
    if (socket?.readyState !== WebSocket.OPEN) {
      reject(new Error("disconnected"));
      return;
    }
    const id = nextId++;
    waiting.set(id, { resolve, reject, what, fields });
    socket.send(JSON.stringify({ ...fields, id, do: what }));
  });
}

function receive(data) {
  const message = read(data);
  if (message.event === "hello") sessionStorage.setItem("session", message.session);
  if (message.id === undefined) {
    tell(message.event, message);
    return;
  }
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
