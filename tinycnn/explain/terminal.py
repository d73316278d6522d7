"""Print steps as text: on a terminal one at a time, as the keyboard asks; into a pipe all of them.

Marked cells stand in brackets, which can be seen without colours, too. Colours say the same again.
"""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from .stepping import HELP, HELP_BELOW, Place, keys
from .steps import Cell, Explanation, Panel, Step, Term, number

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text
BRACKETS = {"asked": "!!", "read": "[]", "weight": "()", "winner": "**", "result": "<>"}
COLOURS = {
    "asked": "magenta",
    "read": "cyan",
    "weight": "yellow",
    "winner": "bold yellow",
    "result": "bold green reverse",
    "padding": "dim",
    "pending": "dim",
}
PHASES = {"forward": "bold cyan", "backward": "bold yellow", "update": "bold magenta"}
SHADES = " .:-=+*#%@?"  # from dark to bright, and what is no number
GAP = "   "
ROWS = 12  # of a panel
NARROWEST = 24  # columns; a terminal that says it has fewer gets lines of this width
ASCII = str.maketrans(
    {"Σ": "sum", "·": "*", "√": "sqrt", "²": "^2", "‖": "|", "ᵀ": "^T", "…": "...", "x̂"[1]: "^"}
)


def _text(text: str = "", style: Any = "") -> Text:
    from rich.text import Text  # slow to import, and only printing needs it

    return Text(text, style)


def show(
    explanation: Explanation, step: int | None = None, file: IO[str] | None = None, width: int | None = None
) -> None:
    """Print the steps of `explanation`; on a terminal one at a time, as the keyboard asks.

    Parameters
    ----------
    explanation
        What to print.
    step
        Print this one only, counted from 0.
    file
        Where; standard output by default.
    width
        Columns; by default those of the terminal, 80 if there is none.
    """
    from rich.console import Console

    console = Console(file=file or sys.stdout, width=width, highlight=False, soft_wrap=True)
    if step is not None:
        _print(explanation, step, console)
    elif console.is_terminal and sys.stdin.isatty():
        _step_with_keys(explanation, console)
    else:
        for at in range(len(explanation)):
            _print(explanation, at, console)


def render(step: Step, width: int = 80) -> list[Text]:
    """Return the lines of one step, none wider than `width`, as text with styles."""
    return [*_heading(step, width), *_body(step, width)]


def _heading(step: Step, width: int) -> list[Text]:
    """Return what stays in sight: phase, title and equation."""
    width = max(width, NARROWEST)
    lines = [_text(line, "bold") for line in _wrap(f"{step.phase}: {step.title}", width)]
    return [*lines, *(_text(line, PHASES[step.phase]) for line in _wrap(step.equation, width))]


def _body(step: Step, width: int) -> list[Text]:
    width = max(width, NARROWEST)
    lines = [_text()]
    for row in _rows_of_panels(step.panels, width):
        lines += [*row, _text()]
    lines += [_text(line, "dim") for line in _terms(step.terms, width)]
    lines += [_text(line, "bold") for line in _wrap(step.numbers, width)]
    lines += [_text(line) for line in _wrap(step.sentence, width)]
    return lines + [_text(line, "dim") for line in _wrap(_legend(step), width)]


def _bar(explanation: Explanation, at: int, width: int) -> Text:
    """Return the line above a step: the operation, and how far it is."""
    heading = f"--- {explanation.operation}, step {at + 1} of {len(explanation)} "
    return _text(heading.ljust(width, "-")[:width], "dim")


def _print(explanation: Explanation, at: int, console: Console) -> None:
    width = max(console.width, NARROWEST)
    _print_lines([_bar(explanation, at, width), *render(explanation[at], width), _text()], console)


def _print_lines(lines: Sequence[Text], console: Console) -> None:
    for line in lines:
        if not (console.encoding or "utf-8").lower().startswith("utf"):
            plain = line.plain.translate(ASCII).encode("ascii", "replace").decode()
            line = _text(plain, line.style)
        console.print(line)


def _step_with_keys(explanation: Explanation, console: Console) -> None:
    """Show one step at a time as the keyboard asks; its heading stays in sight, the rest scrolls."""
    place = Place(explanation)
    with keys() as read_key:
        while not place.over:
            width = max(console.width, NARROWEST)
            step = explanation[place.at]
            heading = [_bar(explanation, place.at, width), *_heading(step, width)]
            body = _body(step, width)
            room = max(console.height - len(heading) - 2, 3)  # a line for the help, one for the cursor
            place.top = max(min(place.top, len(body) - room), 0)
            below = min(room, len(body) - place.top - room)
            console.clear()
            _print_lines([*heading, *body[place.top : place.top + room]], console)
            console.print(HELP_BELOW.format(below=below) if below > 0 else HELP, style="dim")
            while not place.press(read_key(), below):
                pass  # other keys mean nothing


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _terms(terms: Sequence[Term], width: int) -> Iterator[str]:
    """Yield a line for every term that has a tag: its names, numbers and product."""
    for term in terms:
        if not term.tag or (len(term.factors) == 1 and not term.divisor):
            continue
        line = f"{term.tag:>2}: {term.symbols} = {term.numbers} = {number(term.value)}"
        yield from textwrap.wrap(line, width, subsequent_indent="    ", break_on_hyphens=False)


def _legend(step: Step) -> str:
    entries = step.legend({"padding": "padding, counts as 0", "pending": "comes later"})
    signs = {"padding": ".", "pending": "?"} | {role: " ".join(pair) for role, pair in BRACKETS.items()}
    return "   ".join(f"{signs[kind]} {text}" for kind, text in entries.items())


def _rows_of_panels(panels: Sequence[Panel], width: int) -> Iterator[list[Text]]:
    """Yield rows of panels side by side, as many as fit."""
    row: list[list[Text]] = []
    used = 0
    for block in (_panel(panel, width) for panel in panels):
        wide = max(line.cell_len for line in block) + len(GAP)
        if row and used + wide - len(GAP) > width:
            yield _side_by_side(row)
            row, used = [], 0
        used += wide
        row.append(block)
    if row:
        yield _side_by_side(row)


def _side_by_side(blocks: list[list[Text]]) -> list[Text]:
    widths = [max(line.cell_len for line in block) for block in blocks]
    lines = []
    for parts in zip_longest(*blocks, fillvalue=_text()):
        line = _text()
        for part, wide in zip(parts, widths, strict=True):
            line.append(part)
            line.append(" " * (wide - part.cell_len) + GAP)
        line.rstrip()
        lines.append(line)
    return lines


def _panel(panel: Panel, width: int) -> list[Text]:
    """Return the lines of one panel: its title, column numbers, rows."""
    if panel.picture:
        return _picture(panel, width)
    rows, columns = panel.window(ROWS, len(panel.columns))
    cell = max(len(_inside(panel, (i, j))) for i in rows for j in columns) + 2
    margin = max(len(str(i)) for i in rows) + 1
    fit = max(1, (width - margin) // cell)
    rows, columns = panel.window(ROWS, fit)
    return [*_title(panel, rows, columns, width), *_numbers(panel, rows, columns, cell, margin)]


def _title(panel: Panel, rows: range, columns: range, width: int) -> list[Text]:
    title = panel.title
    if len(rows) < len(panel.rows):
        title += f", rows {rows[0]} to {rows[-1]} of {len(panel.rows)}"
    if len(columns) < len(panel.columns):
        title += f", columns {columns[0]} to {columns[-1]} of {len(panel.columns)}"
    return [_text(line, "underline") for line in textwrap.wrap(title, min(width, 28))]


def _numbers(panel: Panel, rows: range, columns: range, cell: int, margin: int) -> Iterator[Text]:
    heads = "".join(f"{j:^{cell}}" for j in columns)
    yield _text(" " * margin + heads.rstrip(), "dim")
    for i in rows:
        line = _text()
        line.append(f"{i:>{margin - 1}} ", "dim")
        for j in columns:
            kind = "pending" if (i, j) in panel.pending else "padding" if panel.is_padding(i, j) else ""
            kind = panel.marks.get((i, j), kind)
            brackets, inside = BRACKETS.get(kind, "  "), _inside(panel, (i, j))
            line.append(f"{brackets[0]}{inside:>{cell - 2}}{brackets[1]}", COLOURS.get(kind, ""))
        yield line


def _inside(panel: Panel, cell: Cell) -> str:
    """Return the tag and the number of a cell."""
    text = "." if panel.is_padding(*cell) else panel.text(*cell)
    letter = panel.tags.get(cell)
    return f"{letter} {text}" if letter else text


def _picture(panel: Panel, width: int) -> list[Text]:
    """Return a picture in characters, with more ink for brighter cells.

    Characters are about twice as tall as wide, so every second row is left out.
    """
    step = max(1, -(-len(panel.columns) // width))
    finite = panel.values[np.isfinite(panel.values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    lines = _title(panel, panel.rows, panel.columns, width)
    lines.append(_text(f"{number(low, 3)} to {number(high, 3)}", "dim"))
    for i in panel.rows[:: 2 * step]:
        line = _text()
        for j in panel.columns[::step]:
            roles = [
                role for (a, b), role in panel.marks.items() if i <= a < i + 2 * step and j <= b < j + step
            ]
            shade = SHADES[_level(float(panel.values[i, j]), low, high)]
            line.append(*((BRACKETS[roles[0]][0], COLOURS[roles[0]]) if roles else (shade, "")))
        lines.append(line)
    return lines


def _level(value: float, low: float, high: float) -> int:
    """Return which of `SHADES` stands for a value; the last one stands for NaN and infinities."""
    if not math.isfinite(value):
        return len(SHADES) - 1
    share = (value - low) / (high - low) if high > low else 0.0
    return min(int(share * (len(SHADES) - 1)), len(SHADES) - 2)
