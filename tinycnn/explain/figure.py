"""Draw steps with Matplotlib: one figure a step, readable from the last row; no display is needed."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from .steps import ROLES, Cell, Panel, Step, Term

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

WIDTH, HEIGHT = 12.8, 7.2  # inches
MARGIN = 0.4
# Fill, edge, line style and width: told apart by more than the colour (Okabe and Ito's, for all eyes).
STYLES = {
    "asked": ("#f3dcf0", "#7a3b70", (0, (1, 1)), 3.2),
    "read": ("#cfe8f7", "#0072b2", "-", 2.2),
    "weight": ("#ffe2b8", "#b34e00", (0, (2.5, 1.2)), 2.2),
    "winner": ("#f0e442", "#000000", "-", 3.2),
    "result": ("#009e73", "#000000", "-", 3.2),
}
PHASES = {"forward": "#0072b2", "backward": "#b34e00", "update": "#7a3b70"}
GREY, FAINT = "#666666", "#bbbbbb"
ROWS, COLUMNS = 12, 16  # of a panel with numbers; of a larger one the part around the marks is shown
PICTURE = 7.0  # a picture is as wide as so many cells
LARGEST_CELL = 0.62
FRAMES = 4  # windows outlined; more would hide the numbers
TABLE = 18  # terms that have a line of their own


def draw(step: Step, caption: str = "") -> Figure:
    """Draw one step.

    Parameters
    ----------
    step
        Of an explanation.
    caption
        Stands in the upper right corner: "3 / 39".
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.axis("off")
    colour = PHASES[step.phase]
    y = HEIGHT - 0.5
    chip = {"boxstyle": "round,pad=0.35", "facecolor": colour, "edgecolor": "none"}
    axes.text(MARGIN + 0.1, y, step.phase, color="white", fontsize=13, weight="bold", va="center", bbox=chip)
    title = textwrap.shorten(step.title, 78, placeholder=" …")
    axes.text(MARGIN + 1.35, y, title, fontsize=18, weight="bold", va="center")
    axes.text(WIDTH - MARGIN, y, caption, fontsize=12, color=GREY, ha="right", va="center")
    y -= 0.38
    y = _paragraph(axes, y, step.equation, 13.5, 112, colour)
    bottom = _texts(axes, step)
    _panels(axes, step, y - 0.12, bottom + 0.12)
    return figure


def image(step: Step, caption: str = "", dpi: float = 100) -> Image:
    """Return one step as a picture with a palette, for GIF and HTML."""
    from PIL import Image as images

    content = io.BytesIO()
    draw(step, caption).savefig(content, format="png", dpi=dpi)
    with images.open(content) as picture:
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
    numbers = _shortened(textwrap.wrap(step.numbers, 112, break_long_words=False, break_on_hyphens=False), 4)
    y = _upwards(axes, y + 0.08, numbers, 13, "black", "monospace", weight="bold")
    tagged = [term for term in step.terms if term.tag]
    if 0 < len(tagged) <= TABLE:
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
    """Return at most `count` lines: of a longer text its beginning and its end, the result."""
    return lines if len(lines) <= count else [*lines[: count - 2], "…", lines[-1]]


def _table(terms: tuple[Term, ...]) -> Iterator[str]:
    """Yield lines with a few terms each: their tag, names, numbers and product."""
    from .steps import number

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
    from matplotlib.patches import Rectangle

    used = {role for panel in step.panels for role in panel.marks.values()}
    entries = [(role, text) for role, text in ROLES.items() if role in used]
    if any(panel.padding != (0, 0) for panel in step.panels):
        entries.append(("padding", "padding, counts as 0"))
    if any(panel.pending for panel in step.panels):
        entries.append(("pending", "? comes later"))
    x = MARGIN
    for role, text in entries:
        if role in STYLES:
            fill, edge, line, width = STYLES[role]
            style: dict[str, Any] = {"facecolor": fill, "edgecolor": edge, "linestyle": line, "linewidth": width}
        else:
            style = {"facecolor": "#eeeeee", "edgecolor": FAINT, "hatch": "////" if role == "padding" else ""}
        axes.add_patch(Rectangle((x, 0.16), 0.26, 0.2, **style))
        axes.text(x + 0.36, 0.26, text, fontsize=11, color=GREY, va="center")
        x += 0.36 + 0.08 * len(text) + 0.35
    if any(panel.tags for panel in step.panels):
        text = "a b …  one letter, one product" if _products(step) else "a b …  terms of the sum"
        axes.text(x, 0.26, text, fontsize=11, color=GREY, va="center")


def _products(step: Step) -> bool:
    return any(len(term.factors) > 1 for term in step.terms)


def _panels(axes: Axes, step: Step, top: float, bottom: float) -> None:
    """Draw the panels in the space between, those of one array below each other."""
    columns = [list(panels) for _, panels in groupby(step.panels, key=lambda panel: panel.array)]
    parts = [[_part(panel, len(panels)) for panel in panels] for panels in columns]
    widths = [max(_width(panel, part) for panel, part in zip(p, q, strict=True)) for p, q in zip(columns, parts, strict=True)]
    heights = [sum(_height(panel, part) for panel, part in zip(p, q, strict=True)) for p, q in zip(columns, parts, strict=True)]
    titles = [sum(_title_height(panel) for panel in panels) for panels in columns]
    gap = 0.55
    room = WIDTH - 2 * MARGIN - gap * (len(columns) - 1)
    cell = min(LARGEST_CELL, room / sum(widths))
    for height, title in zip(heights, titles, strict=True):
        cell = min(cell, (top - bottom - title) / height)
    at_least = [max(width * cell, 1.7) for width in widths]
    if sum(at_least) > room:
        cell *= room / sum(at_least)
        at_least = [width * room / sum(at_least) for width in at_least]
    x = MARGIN + (room - sum(at_least)) / 2
    for at, (panels, windows) in enumerate(zip(columns, parts, strict=True)):
        tall = sum(_height(p, w) * cell + _title_height(p) for p, w in zip(panels, windows, strict=True))
        y = (top + bottom + tall) / 2
        for panel, window in zip(panels, windows, strict=True):
            y -= _title_height(panel)
            height = _height(panel, window) * cell
            width = _width(panel, window) * cell
            left = x + (at_least[at] - width) / 2
            _title(axes, panel, window, x + at_least[at] / 2, y, cell)
            if panel.picture:
                _picture(axes, panel, left, y - height, width, height)
            else:
                _grid(axes, panel, window, left + 0.6 * cell, y - 0.5 * cell, cell)
            y -= height
        if at + 1 < len(columns) and (sign := _sign(step, columns, at)):
            axes.text(x + at_least[at] + gap / 2, (top + bottom) / 2 - 0.1, sign, fontsize=24, ha="center", va="center")
        x += at_least[at] + gap


def _sign(step: Step, columns: list[list[Panel]], at: int) -> str:
    """Return what stands between two columns of panels: a product, a sum or the result."""
    here, there = columns[at][0].array, columns[at + 1][0].array
    if not step.terms:
        return ""
    if at + 2 == len(columns):
        return "="
    factors = [q.array for q in step.terms[-1].factors]
    if {here, there} == set(factors) and len(factors) == 2:
        return "×"
    return "+" if [there] in [[q.array for q in term.factors] for term in step.terms] else ""


def _part(panel: Panel, stacked: int) -> tuple[range, range]:
    if panel.picture:
        return panel.rows, panel.columns
    return panel.window(max(5, ROWS // stacked), COLUMNS)


def _width(panel: Panel, part: tuple[range, range]) -> float:
    """In cells: with the row numbers on the left."""
    return PICTURE if panel.picture else len(part[1]) + 0.7


def _height(panel: Panel, part: tuple[range, range]) -> float:
    """In cells: with the column numbers above and some space below."""
    return PICTURE * len(part[0]) / len(part[1]) + 0.3 if panel.picture else len(part[0]) + 0.8


def _title_height(panel: Panel) -> float:
    return 0.2 * (1 + len(_description(panel))) + 0.08


def _description(panel: Panel) -> list[str]:
    return textwrap.wrap(panel.title.partition(" ")[2], 24)


def _title(axes: Axes, panel: Panel, part: tuple[range, range], x: float, y: float, cell: float) -> None:
    name, _, _ = panel.title.partition(" ")
    lines = _description(panel)
    above = y + 0.05
    for line in reversed(lines):
        axes.text(x, above, line, fontsize=11, color=GREY, ha="center", va="bottom")
        above += 0.19
    axes.text(x, above, name, fontsize=13, weight="bold", ha="center", va="bottom")


def _grid(axes: Axes, panel: Panel, part: tuple[range, range], left: float, top: float, cell: float) -> None:
    """Draw the cells of `part` with their numbers; row and column numbers stand outside."""
    from matplotlib.patches import Rectangle

    rows, columns = part
    longest = max(len(panel.text(i, j)) for i in rows for j in columns)
    size = min(17.0, cell * 72 * 0.42, cell * 72 * 0.88 / (0.62 * longest))
    small = max(5.0, min(9.0, cell * 72 * 0.24))
    marked = []
    for a, i in enumerate(rows):
        axes.text(left - 0.1, top - (a + 0.5) * cell, f"{i}", fontsize=small, color=GREY, ha="right", va="center")
        for b, j in enumerate(columns):
            corner = left + b * cell, top - (a + 1) * cell
            if a == 0:
                axes.text(corner[0] + cell / 2, top + 0.04, f"{j}", fontsize=small, color=GREY, ha="center", va="bottom")
            role = panel.marks.get((i, j))
            style = _cell_style(panel, (i, j), role)
            axes.add_patch(Rectangle(corner, cell, cell, edgecolor=FAINT, linewidth=0.8, **style))
            if role:
                marked.append((corner, role))
            middle = corner[0] + cell / 2, corner[1] + cell * (0.44 if (i, j) in panel.tags else 0.5)
            colour = "white" if role == "result" else GREY if (i, j) in panel.pending or panel.is_padding(i, j) else "black"
            weight = "bold" if role else "normal"
            axes.text(*middle, panel.text(i, j), fontsize=size, color=colour, weight=weight, ha="center", va="center")
            if letter := panel.tags.get((i, j)):
                at = corner[0] + 0.08 * cell, corner[1] + 0.95 * cell
                colour = "white" if role == "result" else STYLES[role or "read"][1]
                axes.text(*at, letter, fontsize=max(small, size * 0.58), color=colour, weight="bold", ha="left", va="top")
    for corner, role in marked:  # on top of their neighbours' edges
        _, edge, line, width = STYLES[role]
        inset = 0.03 * cell
        axes.add_patch(
            Rectangle((corner[0] + inset, corner[1] + inset), cell - 2 * inset, cell - 2 * inset, fill=False,
                      edgecolor=edge, linestyle=line, linewidth=width)
        )
    if len(panel.frames) <= FRAMES:
        _frames(axes, panel, part, left, top, cell)
    shown = (len(rows), len(columns))
    if shown != (len(panel.rows), len(panel.columns)):
        whole = f"part of {len(panel.rows)}x{len(panel.columns)}"
        axes.text(left, top - len(rows) * cell - 0.05, whole, fontsize=9, color=GREY, va="top")


def _frames(axes: Axes, panel: Panel, part: tuple[range, range], left: float, top: float, cell: float) -> None:
    """Outline windows, each a little further inside than the one before, its tag on its corner."""
    from matplotlib.patches import Rectangle

    rows, columns = part
    for t, (letter, ((i, j), (k, m))) in enumerate(panel.frames.items()):
        inset = (0.05 + 0.06 * t) * cell
        first, last = max(j, columns.start), min(m, columns.stop - 1)
        upper, lower = max(i, rows.start), min(k, rows.stop - 1)
        x, y = left + (first - columns.start) * cell + inset, top - (lower - rows.start + 1) * cell + inset
        width, height = (last - first + 1) * cell - 2 * inset, (lower - upper + 1) * cell - 2 * inset
        edge = STYLES["read"][1]
        axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=edge, linewidth=1.6, zorder=4))
        box = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": edge, "linewidth": 1}
        axes.text(x, y + height, letter, fontsize=max(6.0, cell * 17), color=edge, weight="bold", ha="center",
                  va="center", bbox=box, zorder=5)


def _cell_style(panel: Panel, cell: Cell, role: str | None) -> dict[str, Any]:
    if panel.is_padding(*cell):
        return {"facecolor": STYLES[role][0] if role else "#f4f4f4", "hatch": "////"}
    if role:
        return {"facecolor": STYLES[role][0]}
    return {"facecolor": "#f0f0f0" if cell in panel.pending else "white"}


def _picture(axes: Axes, panel: Panel, left: float, bottom: float, width: float, height: float) -> None:
    """Draw the cells as grey values, or where some are negative from blue over white to red."""
    from matplotlib.patches import Rectangle

    values = np.ma.masked_invalid(panel.values)
    signed = values.count() and values.min() < 0
    largest = float(np.abs(values).max()) if values.count() else 1.0
    shades: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": largest or 1.0}
    if signed:
        shades = {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}
    extent = (left, left + width, bottom, bottom + height - 0.1)
    axes.imshow(values, extent=extent, interpolation="nearest", aspect="auto", zorder=1, **shades)
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    H, W = panel.values.shape
    dx, dy = width / W, (height - 0.1) / H
    axes.add_patch(Rectangle((left, bottom), width, height - 0.1, fill=False, edgecolor=GREY, linewidth=0.8))
    for (i, j), role in panel.marks.items():
        _, edge, line, _ = STYLES[role]
        corner = left + j * dx, bottom + (H - 1 - i) * dy
        axes.add_patch(Rectangle(corner, dx, dy, fill=False, edgecolor=edge, linestyle="-", linewidth=1.8, zorder=3))
