// From numbers to colours. Zero is the background; the sign is told by the hue, the size by how strong it is.
// Both pairs of hues are told apart by people who see no difference between red and green.

const PAIRS = {
  // [negative, zero, positive], each [red, green, blue]
  light: {
    activation: [[84, 39, 136], [255, 255, 255], [179, 88, 6]],
    gradient: [[33, 102, 172], [255, 255, 255], [178, 24, 43]],
  },
  dark: {
    activation: [[187, 160, 255], [22, 24, 29], [255, 176, 77]],
    gradient: [[110, 180, 255], [22, 24, 29], [255, 110, 110]],
  },
};
const GREY = [[0, 0, 0], [0, 0, 0], [255, 255, 255]];

/** Return "dark" or "light", whichever the page shows. */
export function theme() {
  return document.documentElement.dataset.theme;
}

/** Return a function from a number in -1..1 to [red, green, blue]. `kind`: activation, gradient or grey. */
export function colouring(kind) {
  const [negative, zero, positive] = kind === "grey" ? GREY : PAIRS[theme()][kind];
  return (v) => {
    if (Number.isNaN(v)) return [255, 0, 255]; // a NaN must be seen
    const end = v < 0 ? negative : positive;
    const t = Math.min(1, Math.abs(v)) ** 0.75; // small numbers stay visible
    return zero.map((z, i) => z + (end[i] - z) * t);
  };
}

/** Return a colour as CSS, and a colour for text on it. */
export function cssOf(rgb) {
  const [r, g, b] = rgb.map(Math.round);
  const bright = 0.299 * r + 0.587 * g + 0.114 * b > 140;
  return { background: `rgb(${r} ${g} ${b})`, color: bright ? "#111" : "#fff" };
}

/** Return the largest absolute value that is finite; 1 where all are 0. */
export function largest(values) {
  let most = 0;
  for (const v of values) if (Math.abs(v) > most && Number.isFinite(v)) most = Math.abs(v);
  return most || 1;
}
