"""Draw steps with Matplotlib: one figure for each step, large enough for a lecture; it needs no display."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tinycnn.plot import blank_figure, described

from .panels import HEIGHT, MARGIN, WIDTH, draw_panels, is_product, rectangle
from .steps import Step, Term, number
from .styles import FAINT, GREY, PHASES, STYLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

TABLE = 12  # terms that have a line of their own


def draw(step: Step, caption: str = "", progress: float | None = None) -> Figure:
    """Draw one step.

    Parameters
    ----------
    step
        Of an explanation.
    caption
        Stands in the upper right corner: "3 / 39".
    progress
        How far an animation is, from 0 to 1: a bar along the upper edge.
    """
    figure = blank_figure(WIDTH, HEIGHT, layout=None)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.axis("off")
    colour = PHASES[step.phase]
    if progress is not None:
        for width, shade in ((WIDTH, "#dddddd"), (WIDTH * progress, colour)):
            rectangle(axes, 0, HEIGHT - 0.09, width, 0.09, facecolor=shade, edgecolor="none")
    y = HEIGHT - 0.5
    chip = {"boxstyle": "round,pad=0.35", "facecolor": colour, "edgecolor": "none"}
    axes.text(MARGIN + 0.1, y, step.phase, color="white", fontsize=13, weight="bold", va="center", bbox=chip)
    title = textwrap.shorten(step.title, 70, placeholder=" …")
    axes.text(MARGIN + 1.35, y, title, fontsize=18, weight="bold", va="center")
    axes.text(WIDTH - MARGIN, y, caption, fontsize=12, color=GREY, ha="right", va="center")
    y -= 0.38
    y = _paragraph(axes, y, step.equation, 13.5, 112, colour)
    bottom = _texts(axes, step)
    draw_panels(axes, step, y - 0.12, bottom + 0.12)
    return described(figure, in_words(step, caption))


def in_words(step: Step, caption: str = "") -> str:
    """Return the alternative text of a step's picture: its title, its equation in numbers, its sentence."""
    numbers = textwrap.shorten(step.numbers, 240, placeholder=" …")
    parts = [caption, f"{step.phase}: {step.title}", step.equation, numbers, step.sentence]
    return ". ".join(part.strip().rstrip(".") for part in parts if part.strip()) + "."


def image(step: Step, caption: str = "", dpi: float = 100, progress: float | None = None) -> Image:
    """Return one step as a picture with a palette, for GIF."""
    from PIL import Image

    content = io.BytesIO()
    draw(step, caption, progress).savefig(content, format="png", dpi=dpi)
    with Image.open(content) as picture:
        return picture.convert("RGB").quantize(128)


def _paragraph(axes: Axes, y: float, text: str, size: float, width: int, colour: str = "black") -> float:
    """Write `text` downwards from `y`; return where it ends."""
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
    for line in lines:
        axes.text(MARGIN, y, line, fontsize=size, color=colour, va="top")
        y -= size * 1.42 / 72
    return y


def _texts(axes: Axes, step: Step) -> float:
    """Write legend, sentence, numbers and terms upwards from the bottom; return where they end."""
    _legend(axes, step)
    y = 0.52
    sentence = textwrap.wrap(step.sentence, 122, break_on_hyphens=False)
    y = _upwards(axes, y, sentence, 12.5, "#222222", "sans-serif")
    numbers = _shortened(textwrap.wrap(step.numbers, 108, break_long_words=False, break_on_hyphens=False), 4)
    y = _upwards(axes, y + 0.08, numbers, 13, "black", "monospace", weight="bold")
    tagged = [term for term in step.terms if term.tag]
    arrays = [panel.array for panel in step.panels]
    if 0 < len(tagged) <= TABLE and len(set(arrays)) == len(arrays):  # else the panels need the room
        lines = list(_table(step.terms))
        y = _upwards(axes, y + 0.08, lines, 11.5, GREY, "monospace")
    return y


def _upwards(
    axes: Axes, y: float, lines: list[str], size: float, colour: str, family: str, weight: str = "normal"
) -> float:
    for line in reversed(lines):
        axes.text(MARGIN, y, line, fontsize=size, color=colour, family=family, weight=weight, va="bottom")
        y += size * 1.42 / 72
    return y


def _shortened(lines: list[str], count: int) -> list[str]:
    """Return at most `count` lines: of a longer text, the first ones and the last, which has the result."""
    return lines if len(lines) <= count else [*lines[: count - 2], "…", lines[-1]]


def _table(terms: tuple[Term, ...]) -> Iterator[str]:
    """Yield lines with a few terms each: their tag, names, numbers and product."""
    cells = []
    for term in terms:
        product = f" = {number(term.value)}" if len(term.factors) > 1 or term.divisor else ""
        cells.append(f"{term.tag + ':' if term.tag else '  '} {term.symbols} = {term.numbers}{product}")
    width = max(map(len, cells)) + 3
    per_line = max(1, min(4, 126 // width))
    rows = -(-len(cells) // per_line)
    for row in range(rows):
        yield "".join(f"{cell:<{width}}" for cell in cells[row::rows])


def _legend(axes: Axes, step: Step) -> None:
    x = MARGIN
    for role, text in step.legend({"padding": "padding: 0", "pending": "? later"}).items():
        fill, edge, line, width = STYLES.get(role, ("#eeeeee", FAINT, "-", 1.0))
        style: dict[str, Any] = {"facecolor": fill, "edgecolor": edge, "linestyle": line, "linewidth": width}
        style |= {"hatch": "////"} if role == "padding" else {}
        rectangle(axes, x, 0.16, 0.26, 0.2, **style)
        axes.text(x + 0.36, 0.26, text, fontsize=11, color=GREY, va="center")
        x += 0.36 + 0.076 * len(text) + 0.3
    if any(panel.tags for panel in step.panels):
        text = "a b … same letter: one product" if is_product(step) else "a b … terms of the sum"
        axes.text(x, 0.26, text, fontsize=11, color=GREY, va="center")
