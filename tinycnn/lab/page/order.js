// What the user asked for is done in the order of the clicks.

/** Return a function that does actions one after another: a click while the engine computes is not lost. */
export function inOrder() {
  let last = Promise.resolve();
  return (action) => (last = last.then(action));
}
