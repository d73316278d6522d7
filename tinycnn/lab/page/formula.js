// Equations as MathML, which the browser sets and screen readers speak. The engine sends trees of [tag, children or text].

const MATHML = "http://www.w3.org/1998/Math/MathML";

/** Return a paragraph with the equation of a step. */
export function formula(step) {
  const paragraph = document.createElement("p");
  paragraph.className = "equation";
  step.mathml.forEach((piece, n) => paragraph.append(n ? " " : "", element(piece)));
  return paragraph;
}

function element([tag, content]) {
  const made = document.createElementNS(MATHML, tag);
  if (Array.isArray(content)) made.append(...content.map(element));
  else made.textContent = content;
  return made;
}
