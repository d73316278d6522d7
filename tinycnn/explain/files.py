"""Write explanations to files: GIF, a page to click through, pictures of one step, JSON."""

import html
import io
import json
from base64 import b64encode
from pathlib import Path

from tinycnn.storage import write_atomically

from . import document, figure
from .steps import Explanation

PICTURES = (".png", ".svg", ".pdf")
SUFFIXES = (".gif", ".html", ".json", *PICTURES)
SECONDS = 2.0  # a step stays

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ margin: 0; font: 16px sans-serif; text-align: center; background: #fff; color: #222; }}
img {{ width: min(100vw, 160vh); }}
button {{ font: inherit; padding: .4em 1em; }}
input {{ width: min(40em, 50vw); vertical-align: middle; }}
</style>
<img id="picture" alt="">
<p><button id="back">&larr; previous</button>
<input id="at" type="range" min="1" max="{count}" value="1" aria-label="step">
<button id="next">next &rarr;</button> <span id="caption"></span></p>
<script>
const steps = [
{steps}
];
const $ = id => document.getElementById(id);
function show(n) {{
  n = Math.min(Math.max(n, 1), steps.length);
  $("at").value = n;
  $("picture").src = "data:image/png;base64," + steps[n - 1][1];
  $("picture").alt = steps[n - 1][0];
  $("caption").textContent = n + " / " + steps.length;
}}
const move = by => show(Number($("at").value) + by);
$("back").onclick = () => move(-1);
$("next").onclick = () => move(1);
$("at").oninput = () => move(0);
document.onkeydown = event => {{
  if (event.target.id !== "at" && event.key in {{ArrowLeft: 0, ArrowRight: 0}})
    move(event.key === "ArrowLeft" ? -1 : 1);
}};
show(1);
</script>
</html>
"""


def save(explanation: Explanation, path: str | Path, step: int = 0) -> None:
    """Write an explanation; the file's ending says how.

    Parameters
    ----------
    explanation
        What to write.
    path
        ``.gif`` all steps, two seconds each; ``.html`` a page to click through, without a network; ``.json``
        see `document`; ``.png``, ``.svg``, ``.pdf`` one step.
    step
        Which one, from 0, negative from the end.

    Raises
    ------
    ValueError
        For another ending, and where there is no such step.
    OSError
        Where the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: the ending says what to write: {', '.join(SUFFIXES)}")
    if not -len(explanation) <= step < len(explanation):
        raise ValueError(f"there is no step {step}: {explanation!r}")
    if suffix == ".json":
        content = document.to_json(explanation).encode()
    elif suffix == ".gif":
        content = _gif(explanation)
    elif suffix == ".html":
        content = _page(explanation).encode()
    else:
        buffer = io.BytesIO()
        at = step % len(explanation)
        figure.draw(explanation[at], f"{at + 1} / {len(explanation)}").savefig(
            buffer, format=suffix[1:], dpi=150
        )
        content = buffer.getvalue()
    write_atomically(path, content)


def _gif(explanation: Explanation) -> bytes:
    count = len(explanation)
    first, *others = (figure.image(step, f"{i} / {count}") for i, step in enumerate(explanation, 1))
    content = io.BytesIO()
    options = {"save_all": True, "append_images": others, "duration": round(SECONDS * 1000), "loop": 0}
    first.save(content, format="GIF", **options)
    return content.getvalue()


def _page(explanation: Explanation) -> str:
    lines = []
    for i, step in enumerate(explanation, 1):
        content = io.BytesIO()
        figure.image(step, f"{i} / {len(explanation)}").save(content, format="PNG")
        words = json.dumps(f"{step.title}. {step.numbers}. {step.sentence}", ensure_ascii=False).replace(
            "</", "<\\/"
        )
        lines.append(f'[{words}, "{b64encode(content.getvalue()).decode()}"],')
    title = html.escape(f"{explanation.operation}, step by step")
    return _PAGE.format(title=title, count=len(explanation), steps="\n".join(lines))
