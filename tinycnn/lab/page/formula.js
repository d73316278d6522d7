// Equations as MathML, which the browser sets and screen readers speak. The engine sends trees of [tag, children or text].
// Lines break between the pieces only, so a sign that begins a piece still stands between two terms, not before one.

const MATHML = "http://www.w3.org/1998/Math/MathML";

/** Return a paragraph with the equation of a step. */
export function formula(step) {
  const paragraph = document.createElement("p");
  paragraph.className = "equation";
  paragraph.lang = "en"; // else signs come from a Chinese font
  let before = null;
  for (const piece of step.mathml) {
    const made = element(piece);
    if (before) {
      paragraph.append(isText(before) || isText(made) ? " " : "\u200b");
      if (isSign(made.firstChild)) made.firstChild.setAttribute("form", "infix");
    }
    paragraph.append(made);
    before = made;
  }
  return paragraph;
}

function isText(piece) {
  return piece.firstChild?.localName === "mtext";
}

function isSign(child) {
  return child?.localName === "mo" && "+−".includes(child.textContent);
}

function element([tag, content]) {
  const made = document.createElementNS(MATHML, tag);
  if (Array.isArray(content)) made.append(...content.map(element));
  else made.textContent = tag === "mo" && content === "-" ? "−" : content;
  return made;
}
