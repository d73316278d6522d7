// Binary messages: see tinycnn/lab/wire.py for how they are packed.

/** Return the head of a message: JSON, or binary with arrays by name, each with its shape and values. */
export function read(data) {
  if (typeof data === "string") return JSON.parse(data);
  const length = new DataView(data).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const arrays = {};
  for (const array of head.arrays) {
    const size = array.shape.reduce((a, b) => a * b, 1);
    const values = new Float32Array(data, 4 + length + 4 * array.offset, size);
    arrays[array.name] = { ...array, values };
  }
  head.arrays = arrays;
  return head;
}
