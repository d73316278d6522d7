// Numbers as text, in the way tinycnn.explain prints them: four significant digits.

/** Return a number as Python's format "4g" does; NaN and infinities by name. */
export function show(value, digits = 4) {
  const v = Number(value);
  if (Number.isNaN(v)) return "NaN";
  if (!Number.isFinite(v)) return v > 0 ? "inf" : "-inf";
  if (v === 0) return "0";
  const exponent = Math.floor(Math.log10(Math.abs(Number(v.toPrecision(digits)))));
  if (exponent < -4 || exponent >= digits) {
    const [mantissa, power] = v.toExponential(digits - 1).split("e");
    const size = String(Math.abs(Number(power))).padStart(2, "0");
    return `${trim(mantissa)}e${Number(power) < 0 ? "-" : "+"}${size}`;
  }
  return trim(v.toPrecision(digits));
}

function trim(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** Return a factor as it stands in a product: in parentheses where it has a sign. */
export function factor(value) {
  const text = show(value);
  return text.startsWith("-") ? `(${text})` : text;
}

/** Return a whole number with separators. */
export function count(value) {
  return Number(value).toLocaleString("en-US");
}

/** Return the name of a cell, as in a3[0,2,4,4]. */
export function cellName(array, cell) {
  return cell.length ? `${array}[${cell.join(",")}]` : array;
}
