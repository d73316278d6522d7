// The toy GAN as a picture: D as colour, real and generated points, and arrows where D pulls the samples.

import { colouring } from "./colours.js";
import { show } from "./numbers.js";
import { t } from "./strings.js";

/** Draw what the server sent; return what is to be said of it. */
export function drawToy(canvas, { arrays, steps, extent, probability }) {
  const context = canvas.getContext("2d");
  const side = canvas.width;
  const at = (x, y) => [((x + extent) / (2 * extent)) * side, ((extent - y) / (2 * extent)) * side];
  const [low, high] = heat(context, arrays.belief, side, probability);
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink");
  const pairs = (array) => Array.from({ length: array.shape[0] }, (_, n) => [array.values[2 * n], array.values[2 * n + 1]]);
  context.fillStyle = ink;
  for (const point of pairs(arrays.real)) dot(context, at(...point), 2, true);
  context.strokeStyle = ink;
  const fake = pairs(arrays.fake);
  for (const point of fake) dot(context, at(...point), 4, false);
  const push = pairs(arrays.push);
  const longest = Math.max(...push.map(([x, y]) => Math.hypot(x, y)), 1e-12);
  push.forEach(([x, y], n) => {
    const scale = 0.35 / longest; // the longest arrow is 0.35 long, the others are in proportion
    arrow(context, at(...fake[n]), at(fake[n][0] + x * scale, fake[n][1] + y * scale));
  });
  const says = t("toySays", { steps, low: show(low, 3), high: show(high, 3) });
  canvas.setAttribute("aria-label", says);
  return says;
}

function heat(context, belief, side, probability) {
  const [rows, columns] = belief.shape;
  const finite = [...belief.values].filter(Number.isFinite);
  const [low, high] = probability ? [0, 1] : [Math.min(...finite), Math.max(...finite)];
  const colour = colouring("activation");
  const size = side / rows;
  belief.values.forEach((v, n) => {
    const [r, g, b] = colour((2 * (v - low)) / (high - low || 1) - 1);
    context.fillStyle = `rgb(${r} ${g} ${b})`;
    const row = rows - 1 - Math.floor(n / columns); // row 0 of D's values is at the bottom
    context.fillRect((n % columns) * size, row * size, size + 1, size + 1);
  });
  return [low, high];
}

function dot(context, [x, y], radius, filled) {
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  if (filled) context.fill();
  else context.stroke();
}

function arrow(context, [x, y], [toX, toY]) {
  const angle = Math.atan2(toY - y, toX - x);
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(toX, toY);
  for (const side of [-2.6, 2.6]) {
    context.moveTo(toX, toY);
    context.lineTo(toX + 6 * Math.cos(angle + side), toY + 6 * Math.sin(angle + side));
  }
  context.stroke();
}
