// The WebSocket: ask(...) sends a request and returns a promise of its answer.
// See tinycnn/lab/wire.py for what a message looks like.

import { refuseAll, request, settle } from "./requests.js";
import { read } from "./unpack.js";

const listeners = new Map(); // event -> function
let socket = null;
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
    refuseAll("disconnected");
    tell("closed", { reason: event.reason, code: event.code });
    tries += 1;
    setTimeout(connect, Math.min(5000, 300 * 2 ** Math.min(tries, 5)));
  };
}

/** Ask the server to do something. The promise is refused with the server's sentence. */
export function ask(what, fields = {}) {
  if (socket?.readyState !== WebSocket.OPEN) return Promise.reject(new Error("disconnected"));
  return request((text) => socket.send(text), what, fields);
}

function receive(data) {
  const message = read(data);
  if (message.event === "hello") sessionStorage.setItem("session", message.session);
  if (message.id === undefined) {
    tell(message.event, message);
    return;
  }
  settle(message);
}

/** The cells whose sums are recorded: here all are computed when they are asked for. */
export function cells() {
  return [];
}
