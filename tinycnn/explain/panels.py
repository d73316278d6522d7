"""Draw the panels of a step with Matplotlib: matrices with their marked cells, side by side."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from itertools import groupby, product
from typing import TYPE_CHECKING, Any

import numpy as np

from .steps import Cell, Panel, Step
from .styles import FAINT, GREY, STYLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 12.8, 7.2  # inches
MARGIN = 0.4
COLUMNS = 40  # of all panels together
# How many rows and columns of a panel are shown around the marks, and whether maps without letters are drawn
# as pictures. The first choice whose numbers can be read is taken.
CHOICES = ((12, False), (12, True), (9, True), (7, True), (5, True), (3, True))
READABLE = 5.5  # points
PICTURE = 7.0  # a picture is as wide as so many cells
LARGEST_CELL = 0.75
GAP = 0.5  # inches between arrays
FRAMES = 4  # windows outlined; more would hide the numbers


def is_product(step: Step) -> bool:
    """Return whether the terms of a step are products."""
    return any(len(term.factors) > 1 for term in step.terms)


@dataclass(frozen=True)
class _Box:
    """A panel to be drawn: the part of it that is shown, and its size in cells."""

    panel: Panel
    rows: range
    columns: range
    aspect: float = 1.0  # a cell's width by its height
    longest: int = 0  # characters in a cell
    picture: bool = False

    @classmethod
    def of(cls, panel: Panel, arrays: int, limit: int, pictures: bool) -> _Box:
        """Return the part of a panel that is shown if its step has so many arrays."""
        H, W = panel.values.shape
        is_map = H > 4 and H <= 3 * W and W <= 3 * H and not panel.tags and not panel.pending
        if panel.picture or (pictures and is_map):
            return cls(panel, panel.rows, panel.columns, picture=True)
        across = max(5, COLUMNS // arrays) if len(panel.rows) == 1 else limit
        rows, shown = panel.window(limit, across)
        longest = max((len(panel.text(i, j)) for i in rows for j in shown), default=1)
        aspect = min(max(1.0, 0.29 * longest), 2.2)
        if len(panel.rows) == 1:  # a long row with wide numbers shows fewer of them
            rows, shown = panel.window(limit, max(min(5, limit), int(COLUMNS / arrays / aspect)))
        return cls(panel, rows, shown, aspect, longest)

    def points(self, cell: float) -> float:
        """Return the size of its numbers in points; infinity for a picture, which has none to read."""
        if self.picture:
            return math.inf
        return min(19.0, cell * 72 * 0.42, cell * self.aspect * 72 * 0.88 / (0.62 * self.longest))

    @property
    def is_part(self) -> bool:
        return (len(self.rows), len(self.columns)) != (len(self.panel.rows), len(self.panel.columns))

    @property
    def width(self) -> float:
        """Its width in cells, with the row numbers on the left."""
        return PICTURE if self.picture else len(self.columns) * self.aspect + 0.8

    @property
    def height(self) -> float:
        """Its height in cells, with the column numbers above."""
        if self.picture:
            return PICTURE * len(self.rows) / len(self.columns)
        return len(self.rows) + 0.5

    @property
    def title_width(self) -> float:
        """Inches of its title, name and description."""
        name = 0.125 * len(self.panel.title.partition(" ")[0])
        return max(name, *(0.086 * len(line) for line in self.description), 0.4)

    @property
    def description(self) -> list[str]:
        return textwrap.wrap(self.panel.title.partition(" ")[2], 24)

    @property
    def extra(self) -> float:
        """Inches of its title above and of a note below."""
        return 0.2 * (1 + len(self.description)) + 0.1 + (0.2 if self.is_part else 0.06)


def draw_panels(axes: Axes, step: Step, top: float, bottom: float) -> None:
    """Draw the panels in the space between; those of one array form a block of rows and columns."""
    arrays = [list(panels) for _, panels in groupby(step.panels, key=lambda panel: panel.array)]
    room = WIDTH - 2 * MARGIN - GAP * (len(arrays) - 1)
    for limit, pictures in CHOICES:
        blocks = [[_Box.of(panel, len(arrays), limit, pictures) for panel in panels] for panels in arrays]
        cell, across = max(
            (_cell_size(blocks, across, room, top - bottom), -across)
            for across in range(1, max(map(len, blocks)) + 1)
        )
        across = -across
        if min(box.points(cell) for block in blocks for box in block) >= READABLE:
            break
    wide = [_block_width(block, across, cell) for block in blocks]
    x = MARGIN + (room - sum(wide)) / 2
    for at, block in enumerate(blocks):
        lines = [block[i : i + across] for i in range(0, len(block), across)]
        y = (top + bottom + sum(_line_height(line, cell) for line in lines)) / 2
        for line in lines:
            each = wide[at] / min(across, len(block))
            for i, box in enumerate(line):
                _draw_box(axes, box, x + (i + 0.5) * each, y, cell)
            y -= _line_height(line, cell)
        x += wide[at]
        if at + 1 < len(blocks):
            sign = _sign(step, arrays, at)
            axes.text(x + GAP / 2, (top + bottom) / 2 - 0.1, sign, fontsize=24, ha="center", va="center")
        x += GAP


def _cell_size(blocks: list[list[_Box]], across: int, room: float, height: float) -> float:
    """Return the largest size of a cell with which the blocks fit, if so many panels stand in a row."""
    cell = LARGEST_CELL
    while cell > 0.05:
        fits = sum(_block_width(block, across, cell) for block in blocks) <= room + 1e-9
        for block in blocks:
            lines = [block[i : i + across] for i in range(0, len(block), across)]
            fits = fits and sum(_line_height(line, cell) for line in lines) <= height
        if fits:
            break
        cell *= 0.96
    return cell


def _block_width(block: list[_Box], across: int, cell: float) -> float:
    """Return the width of panels side by side, at least that of their titles."""
    return min(across, len(block)) * max(*(max(box.width * cell + 0.15, box.title_width) for box in block), 0)


def _line_height(line: list[_Box], cell: float) -> float:
    return max(box.height * cell + box.extra for box in line)


def _draw_box(axes: Axes, box: _Box, middle: float, top: float, cell: float) -> None:
    """Draw one panel below `top`, centred on `middle`."""
    name, y = box.panel.title.partition(" ")[0], top - 0.02
    axes.text(middle, y, name, fontsize=13, weight="bold", ha="center", va="top")
    y -= 0.21
    for line in box.description:
        axes.text(middle, y, line, fontsize=11, color=GREY, ha="center", va="top")
        y -= 0.19
    y -= 0.04
    left = middle - box.width * cell / 2
    if box.picture:
        _picture(axes, box.panel, left, y - box.height * cell, box.width * cell, box.height * cell)
    else:
        _grid(axes, box, left + 0.6 * cell, y - 0.45 * cell, cell)


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
    parts = [[q.array for q in term.factors] for term in step.terms]
    return "+" if [there] in parts and any(here in part for part in parts) else ""


def rectangle(axes: Axes, x: float, y: float, width: float, height: float, **style: Any) -> None:
    """Add a rectangle with its lower left corner at (x, y)."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x, y), width, height, **style))


def _grid(axes: Axes, box: _Box, left: float, top: float, cell: float) -> None:
    """Draw the cells of the part shown with their numbers; row and column numbers stand outside."""
    panel, wide, size = box.panel, cell * box.aspect, box.points(cell)
    small = max(5.0, min(10.0, cell * 72 * 0.24))
    faint: dict[str, Any] = {"fontsize": small, "color": GREY}
    for a, i in enumerate(box.rows):
        axes.text(left - 0.1, top - (a + 0.5) * cell, f"{i}", ha="right", va="center", **faint)
    for b, j in enumerate(box.columns):
        axes.text(left + (b + 0.5) * wide, top + 0.04, f"{j}", ha="center", va="bottom", **faint)
    marked = []
    for (a, i), (b, j) in product(enumerate(box.rows), enumerate(box.columns)):
        x, y = left + b * wide, top - (a + 1) * cell
        role, letter = panel.marks.get((i, j)), panel.tags.get((i, j))
        rectangle(axes, x, y, wide, cell, edgecolor=FAINT, linewidth=0.8, **_cell_style(panel, (i, j), role))
        if role:
            marked.append((x, y, role))
        colour = "white" if role == "result" else "black"
        text: dict[str, Any] = {
            "color": GREY if (i, j) in panel.pending or panel.is_padding(i, j) else colour,
            "weight": "bold" if role else "normal",
        }
        middle = x + wide / 2, y + cell * (0.42 if letter else 0.5)
        axes.text(*middle, panel.text(i, j), fontsize=size, ha="center", va="center", **text)
        if letter:
            text = {"color": "white" if role == "result" else STYLES[role or "read"][1], "weight": "bold"}
            at = x + 0.1 * cell, y + 0.92 * cell
            axes.text(*at, letter, fontsize=max(small, size * 0.58), va="top", **text)
    inset = 0.03 * cell
    for x, y, role in marked:  # on top of their neighbours' edges
        _, edge, line, width = STYLES[role]
        style = {"edgecolor": edge, "linestyle": line, "linewidth": width, "fill": False}
        rectangle(axes, x + inset, y + inset, wide - 2 * inset, cell - 2 * inset, **style)
    if len(panel.frames) <= FRAMES:
        _frames(axes, box, left, top, cell)
    if box.is_part:
        whole = f"part of {len(panel.rows)}x{len(panel.columns)}"
        axes.text(left, top - len(box.rows) * cell - 0.04, whole, fontsize=9, color=GREY, va="top")


def _frames(axes: Axes, box: _Box, left: float, top: float, cell: float) -> None:
    """Outline windows, each a little further inside than the one before, with its tag on a corner."""
    rows, columns, wide, edge = box.rows, box.columns, cell * box.aspect, STYLES["read"][1]
    chip = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": edge, "linewidth": 1}
    text: dict[str, Any] = {"fontsize": max(6.0, cell * 15), "color": edge, "weight": "bold"}
    for t, (letter, ((i, j), (k, m))) in enumerate(box.panel.frames.items()):
        inset = (0.05 + 0.06 * t) * cell
        first, last = max(j, columns.start), min(m, columns.stop - 1)
        upper, lower = max(i, rows.start), min(k, rows.stop - 1)
        x, y = left + (first - columns.start) * wide + inset, top - (lower - rows.start + 1) * cell + inset
        width, height = (last - first + 1) * wide - 2 * inset, (lower - upper + 1) * cell - 2 * inset
        rectangle(axes, x, y, width, height, fill=False, edgecolor=edge, linewidth=1.6, zorder=4)
        axes.text(x, y + height, letter, bbox=chip, zorder=5, ha="center", va="center", **text)


def _cell_style(panel: Panel, cell: Cell, role: str | None) -> dict[str, Any]:
    if panel.is_padding(*cell):
        return {"facecolor": STYLES[role][0] if role else "#f4f4f4", "hatch": "////"}
    if role:
        return {"facecolor": STYLES[role][0]}
    return {"facecolor": "#f0f0f0" if cell in panel.pending else "white"}


def _picture(axes: Axes, panel: Panel, left: float, bottom: float, width: float, height: float) -> None:
    """Draw the cells as grey values, or, if some are negative, from blue over white to red."""
    values = np.ma.masked_invalid(panel.values)
    largest = (float(np.abs(values).max()) if values.count() else 1.0) or 1.0
    signed = panel.array.startswith("dL/") or (values.count() and values.min() < 0)
    shades: dict[str, Any] = {"cmap": "RdBu_r" if signed else "gray", "vmin": -largest if signed else 0}
    extent = (left, left + width, bottom, bottom + height)
    shades |= {"vmax": largest, "interpolation": "nearest", "aspect": "auto", "zorder": 1}
    axes.imshow(values, extent=extent, **shades)
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    H, W = panel.values.shape
    dx, dy = width / W, height / H
    rectangle(axes, left, bottom, width, height, fill=False, edgecolor=GREY, linewidth=0.8)
    for role in dict.fromkeys(panel.marks.values()):
        cells = [cell for cell, mark in panel.marks.items() if mark == role]
        (i, j), (k, m) = map(min, zip(*cells, strict=True)), map(max, zip(*cells, strict=True))
        x, y = left + (j - 0.5) * dx, bottom + (H - 1 - k - 0.5) * dy
        for colour, line in (("white", 4.5), (STYLES[role][1], 2.2)):
            style = {"fill": False, "edgecolor": colour, "linewidth": line, "zorder": 3}
            rectangle(axes, x, y, (m - j + 2) * dx, (k - i + 2) * dy, **style)
