"""An explanation as a page (HTML) of text and tables: it can be selected, searched and read on a phone.

Every step is a section. Without scripts all of them stand below each other; with scripts one is shown, and
keys, buttons and a slider go through them. A cell leads to the step that computes it, and a cell of an input
to the step of its gradient.
"""

import html
import math
from collections.abc import Iterator, Mapping

import numpy as np

from .steps import Explanation, Panel, Step, element_name, number
from .styles import PHASES, STYLES

ROWS, COLUMNS = 12, 14  # of a panel that is shown whole
PART = 9  # rows and columns of a larger one, around the marked cells
LEVELS = 16  # grey values of a picture
SIDE = 156  # pixels of a picture's longer side
TABLE = 30  # terms that are listed

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 0 auto; max-width: 70rem; padding: 0 1rem 5rem; font: 1rem/1.45 sans-serif; color: #222; }}
h1 {{ font-size: 1.1rem; color: #555; font-weight: normal; margin: .6rem 0; }}
h2 {{ font-size: 1.3rem; margin: .4rem 0; overflow-wrap: anywhere; }}
.phase {{ color: #fff; border-radius: .3em; padding: .1em .45em; font-size: .8em; margin-right: .3em; }}
.equation {{ font-size: 1.05rem; overflow-wrap: anywhere; }}
.numbers {{ font: bold 1rem/1.5 monospace; overflow-wrap: anywhere; }}
.panels {{ display: flex; flex-wrap: wrap; gap: 1rem 1.4rem; align-items: flex-start; margin: 1rem 0; }}
figure {{ margin: 0; max-width: 100%; overflow-x: auto; }}
figcaption {{ color: #555; font-size: .85rem; max-width: 18rem; }}
figcaption b {{ color: #222; }}
table {{ border-collapse: collapse; font: .95rem monospace; }}
td {{ border: 1px solid #bbb; padding: .2em .45em; text-align: right; position: relative; min-width: 2.2em; }}
th {{ color: #666; font-weight: normal; font-size: .75em; padding: .1em .4em; }}
td a {{ color: inherit; text-decoration: none; }}
td a::before {{ content: ""; position: absolute; inset: 0; }}
td a:hover, td a:focus {{ text-decoration: underline; }}
sup {{ color: #555; font-size: .7em; margin-right: .25em; font-weight: bold; }}
.padding {{ color: #666; background: repeating-linear-gradient(45deg, #eee 0 3px, #fff 3px 8px); }}
.pending {{ color: #666; background: #f0f0f0; }}
@media (max-width: 40rem) {{
  table {{ font-size: .85rem; }}
  .panels {{ gap: .8rem; }}
  td {{ padding: .15em .3em; min-width: 1.7em; }}
}}
{roles}
ol {{ font: .9rem/1.5 monospace; color: #444; list-style: none; padding: 0; columns: 22rem; }}
.legend {{ color: #555; font-size: .85rem; }}
.legend span {{ border-style: solid; padding: 0 .5em; margin-right: .3em; }}
nav {{ position: fixed; bottom: 0; left: 0; right: 0; background: #fff; border-top: 1px solid #ccc;
  padding: .5rem; text-align: center; display: none; }}
button {{ font: inherit; padding: .3em .8em; }}
input {{ width: min(30em, 34vw); vertical-align: middle; }}
.scripted nav {{ display: block; }}
.scripted section {{ display: none; }}
.scripted section.shown {{ display: block; }}
</style>
<h1>{title}</h1>
{sections}
<nav><button id="back" aria-label="previous step">&larr;</button>
<input id="at" type="range" min="1" max="{count}" value="1" aria-label="step">
<button id="next" aria-label="next step">&rarr;</button> <span id="caption"></span></nav>
<script>
const steps = document.querySelectorAll("section");
const $ = id => document.getElementById(id);
function show(n) {{
  n = Math.min(Math.max(n, 1), steps.length);
  steps.forEach((step, i) => step.classList.toggle("shown", i === n - 1));
  $("at").value = n;
  $("caption").textContent = n + " / " + steps.length;
}}
const move = by => show(Number($("at").value) + by);
const named = () => show(Number((location.hash.match(/^#step-(\\d+)$/) || [0, 1])[1]));
document.documentElement.classList.add("scripted");
$("back").onclick = () => move(-1);
$("next").onclick = () => move(1);
$("at").oninput = () => move(0);
window.onhashchange = named;
document.onclick = event => {{
  const link = event.target.closest("td a");
  if (link && link.hash === location.hash) named();
}};
document.onkeydown = event => {{
  if (event.target.id !== "at" && event.key in {{ArrowLeft: 0, ArrowRight: 0}})
    move(event.key === "ArrowLeft" ? -1 : 1);
}};
named();
</script>
</html>
"""


def page(explanation: Explanation) -> str:
    """Return the page, which needs no network."""
    steps_of: dict[str, int] = {}
    for n, step in enumerate(explanation, 1):
        for result in step.results:
            steps_of.setdefault(element_name(*result), n)
    roles = "\n".join(
        f".{role} {{ background: {fill}; box-shadow: inset 0 0 0 2px {edge}; font-weight: bold; "
        f"border-color: {edge}; border-style: {'solid' if line == '-' else 'dashed'}; "
        f"{'color: #fff;' if role == 'result' else ''} }}"
        for role, (fill, edge, line, _) in STYLES.items()
    )
    count = len(explanation)
    sections = "\n".join(_section(step, n, count, steps_of) for n, step in enumerate(explanation, 1))
    title = html.escape(f"{explanation.operation}, step by step")
    return _PAGE.format(title=title, count=count, sections=sections, roles=roles)


def _section(step: Step, n: int, count: int, steps_of: Mapping[str, int]) -> str:
    """Return one step."""
    panels = "\n".join(_panel(panel, n, steps_of) for panel in step.panels)
    terms = [term for term in step.terms if term.tag and (len(term.factors) > 1 or term.divisor)]
    lines = "".join(
        f"<li>{term.tag}: {html.escape(f'{term.symbols} = {term.numbers} = {number(term.value)}')}</li>"
        for term in terms[:TABLE]
    )
    return (
        f'<section id="step-{n}" aria-label="step {n} of {count}">\n'
        f'<h2><span class="phase" style="background:{PHASES[step.phase]}">{step.phase}</span> '
        f"{html.escape(step.title)}</h2>\n"
        f'<p class="equation">{html.escape(step.equation)}</p>\n'
        f'<div class="panels">\n{panels}\n</div>\n'
        + (f"<ol>{lines}</ol>\n" if lines else "")
        + f'<p class="numbers">{html.escape(step.numbers)}</p>\n<p>{html.escape(step.sentence)}</p>\n'
        f'<p class="legend">{_legend(step)}</p>\n</section>'
    )


def _panel(panel: Panel, n: int, steps_of: Mapping[str, int]) -> str:
    """Return a panel as a table, or as a picture in SVG if it is to be seen as one."""
    name, _, title = panel.title.partition(" ")
    rows, columns = panel.window(
        ROWS if len(panel.rows) <= ROWS else PART, COLUMNS if len(panel.columns) <= COLUMNS else PART
    )
    if not panel.picture and (len(rows), len(columns)) != (len(panel.rows), len(panel.columns)):
        title += f", part of {len(panel.rows)}x{len(panel.columns)}"
    caption = f"<figcaption><b>{html.escape(name)}</b> {html.escape(title)}</figcaption>"
    if panel.picture:
        return f"<figure>{caption}{_picture(panel)}</figure>"
    heads = "".join(f"<th scope=col>{j}</th>" for j in columns)
    body = "".join(
        f"<tr><th scope=row>{i}</th>{''.join(_cell(panel, (i, j), n, steps_of) for j in columns)}</tr>"
        for i in rows
    )
    return f"<figure>{caption}<table><tr><th></th>{heads}</tr>{body}</table></figure>"


def _cell(panel: Panel, cell: tuple[int, int], n: int, steps_of: Mapping[str, int]) -> str:
    """Return one cell; it leads to the step that computes it, or to that of its gradient."""
    role = panel.marks.get(cell, "")
    kinds = [role] if role else []
    kinds += ["padding"] if panel.is_padding(*cell) else ["pending"] if cell in panel.pending else []
    text = panel.text(*cell)
    if not panel.is_padding(*cell):
        name = element_name(panel.array, panel.element(cell))
        to = steps_of.get(name) or steps_of.get(f"dL/d{name}")
        if to and to != n:
            text = f'<a href="#step-{to}">{text}</a>'
    letter = panel.tags.get(cell)
    said = f' class="{" ".join(kinds)}"' if kinds else ""
    return f"<td{said}>{f'<sup>{letter}</sup>' if letter else ''}{text}</td>"


def _picture(panel: Panel) -> str:
    """Return a matrix as a picture in SVG: grey, or from blue to red if some numbers are negative."""
    values = np.where(np.isfinite(panel.values), panel.values, 0.0)
    H, W = values.shape
    largest = float(np.abs(values).max()) or 1.0
    signed = panel.array.startswith("dL/") or values.min() < 0
    levels = np.rint(values / largest * (LEVELS - 1)).astype(int)
    runs = "".join(
        f'<path fill="{_shade(level, signed)}" d="{"".join(_runs(levels == level))}"/>'
        for level in np.unique(levels).tolist()
    )
    marks = "".join(
        f'<rect x="{j - 0.2}" y="{i - 0.2}" width="1.4" height="1.4" fill="none" '
        f'stroke="{STYLES[role][1]}" stroke-width=".35"/>'
        for (i, j), role in panel.marks.items()
    )
    scale = SIDE / max(H, W)
    lowest, highest = number(float(values.min()), 3), number(float(values.max()), 3)
    words = html.escape(f"{panel.title}: {H}x{W} numbers from {lowest} to {highest}")
    return (
        f'<svg role="img" aria-label="{words}" viewBox="-.5 -.5 {W + 1} {H + 1}" width="{W * scale:.0f}" '
        f'height="{H * scale:.0f}" shape-rendering="crispEdges">{runs}{marks}</svg>'
        f"<figcaption>{lowest} to {highest}</figcaption>"
    )


def _runs(which: np.ndarray) -> Iterator[str]:
    """Yield a path around each run of marked cells that stand side by side in a row."""
    for i, row in enumerate(which):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            yield f"M{start} {i}h{end - start}v1h{start - end}z"


def _shade(level: int, signed: bool) -> str:
    """Return a colour: from black to white, or from blue over white to red."""
    share = level / (LEVELS - 1)
    ends, fade = (255, 255, 255), share
    if signed:
        ends, fade = ((178, 24, 43) if share > 0 else (33, 102, 172)), math.sqrt(abs(share))
    start = 255 if signed else 0
    return "#" + "".join(f"{round(start + (end - start) * fade):02x}" for end in ends)


def _legend(step: Step) -> str:
    entries = step.legend({"padding": "padding: 0", "pending": "? computed later"})
    return " &nbsp; ".join(
        text if kind == "pending" else f'<span class="{kind}">&nbsp;</span>{text}'
        for kind, text in entries.items()
    )
