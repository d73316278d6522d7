"""Steps of pooling (Eq. 2), forward and backward."""

from collections.abc import Iterator

import numpy as np

from tinycnn.dispatch import kernels_for
from tinycnn.kernels.geometry import Pool2dGeometry, pool2d_geometry

from .calls import Call, run
from .recorder import Recorder, tag
from .steps import Cell, Explanation, Index, Term, number
from .windows import cells_of_window, is_inside, window_of, windows_over_cell


def extreme_pool2d(call: Call) -> Explanation:
    """Explain `tinycnn.functional.max_pool2d`, ``min_pool2d`` or ``global_max_pool2d``."""
    which = call.operation.removeprefix("global_")[:3]
    arrays = run(call, {"x": "x"})
    geometry = _geometry(call, arrays["x"].shape)
    kernels = kernels_for(arrays["x"])
    _, index = (kernels.max_pool2d if which == "max" else kernels.min_pool2d)(arrays["x"], geometry)
    rec = Recorder(call.operation, call.shown, arrays, call.cells)
    rec.step_through_arrays("y")
    for at in rec.asked("y"):
        _extreme(rec, which, at, geometry, divmod(int(index[at]), geometry.W))
    for at in rec.asked("dL/dx"):
        _winners(rec, which, at, geometry, index)
    return rec.explanation()


def sum_pool2d(call: Call) -> Explanation:
    """Explain `tinycnn.functional.sum_pool2d`, ``avg_pool2d`` or ``global_avg_pool2d``."""
    mean = call.operation.endswith("avg_pool2d")
    arrays = run(call, {"x": "x"})
    geometry = _geometry(call, arrays["x"].shape)
    if mean:
        # How many cells each window is divided by.
        counts = np.full((geometry.OH, geometry.OW), geometry.KH * geometry.KW)
        if not call.arguments.get("count_include_pad", True):
            for oh, ow in np.ndindex(*counts.shape):
                counts[oh, ow] = len(list(_inside(geometry, oh, ow)))
        arrays["M"] = counts
    rec = Recorder(call.operation, call.shown, arrays, call.cells)
    rec.step_through_arrays("y")
    for at in rec.asked("y"):
        _sum(rec, at, geometry, mean)
    for at in rec.asked("dL/dx"):
        _spread(rec, at, geometry, mean)
    return rec.explanation()


def _geometry(call: Call, shape: tuple[int, ...]) -> Pool2dGeometry:
    """Return the windows: of a global pool, one as large as the input."""
    if call.operation.startswith("global_"):
        return pool2d_geometry(shape, shape[2:])
    return pool2d_geometry(
        shape, call["kernel_size"], call["stride"], call["padding"], call.arguments.get("dilation", 1)
    )


def _extreme(rec: Recorder, which: str, index: Index, geometry: Pool2dGeometry, winner: Cell) -> None:
    n, c, oh, ow = index
    cells = list(_inside(geometry, oh, ow))
    marks = dict.fromkeys(cells, "read") | {winner: "winner"}
    values = [rec.quantity("x", (n, c, i, j)) for i, j in cells]
    result = rec.quantity("y", index)
    ties = sum(q.value == result.value for q in values)
    tie = f" {ties} cells share it; the first of them is the winner." if ties > 1 else ""
    if np.isnan(result.value):
        tie = " A NaN wins over any number, so that it is not hidden."
    rec.add(
        "forward",
        f"{result.name}: window ({oh}, {ow})",
        f"y[n,c,oh,ow] = {which} over r,s of x[n, c, oh·SH-PH+r·DH, ow·SW-PW+s·DW]",
        f"{result.name} = {which}({', '.join(number(q.value) for q in values)}) = {number(result.value)}",
        f"Of the {len(cells)} cells of the window, x[{n},{c},{winner[0]},{winner[1]}] wins.{tie} Its place "
        "is remembered: in the backward pass the gradient goes there, and nowhere else.",
        [
            rec.panel("input", "x", (n, c), marks, padding=(geometry.PH, geometry.PW)),
            rec.result_panel("output", "y", index),
        ],
    )


def _winners(rec: Recorder, which: str, index: Index, geometry: Pool2dGeometry, won: np.ndarray) -> None:
    n, c, i, j = index
    padding = geometry.PH, geometry.PW
    terms: list[Term] = []
    marks, tags, frames, windows = {}, {}, {}, 0
    for oh, ow, _, _ in windows_over_cell(geometry, i, j):
        windows += 1
        if divmod(int(won[n, c, oh, ow]), geometry.W) == (i, j):
            letter = tag(len(terms))
            marks[oh, ow], tags[oh, ow] = "read", letter
            frames[letter] = window_of(geometry, oh, ow)
            terms.append(Term((rec.quantity("g", (n, c, oh, ow)),), tag=letter))
    result = rec.quantity("dL/dx", index)
    rec.add_sum(
        "backward",
        f"{result.name}: the windows that x[{n},{c},{i},{j}] won",
        "dL/dx[n,c,i,j] = Σ g[n,c,oh,ow] over the windows (oh, ow) that x[n,c,i,j] won",
        result,
        terms,
        f"The cell lies in {windows} window{'s' * (windows != 1)} and won {len(terms)}. Where it won, y is "
        "a copy of it and g comes back whole; where it lost, y does not change with it: 0.",
        [
            rec.panel("the cell", "x", (n, c), {(i, j): "asked"}, padding=padding, frames=frames),
            rec.panel("windows it won: dL/dy", "g", (n, c), marks, tags),
            rec.result_panel("gradient", "dL/dx", index),
        ],
    )


def _sum(rec: Recorder, index: Index, geometry: Pool2dGeometry, mean: bool) -> None:
    n, c, oh, ow = index
    divisor = rec.quantity("M", (oh, ow)) if mean else None
    terms: list[Term] = []
    marks, tags = {}, {}
    for _, _, i, j in cells_of_window(geometry, oh, ow):
        marks[i, j] = "read"
        if is_inside(geometry, i, j):
            tags[i, j] = tag(len(terms))
            terms.append(Term((rec.quantity("x", (n, c, i, j)),), divisor, tags[i, j]))
    result = rec.quantity("y", index)
    rec.add_sum(
        "forward",
        f"{result.name}: window ({oh}, {ow})",
        f"y[n,c,oh,ow] = Σ_{{r,s}} x[n, c, oh·SH-PH+r, ow·SW-PW+s]{' / M' if mean else ''}",
        result,
        terms,
        "Every cell of the window counts "
        f"alike{f', divided by M = {number(divisor.value)}' if divisor else ''}.",
        [
            rec.panel("input", "x", (n, c), marks, tags, (geometry.PH, geometry.PW)),
            rec.result_panel("output", "y", index),
        ],
    )


def _spread(rec: Recorder, index: Index, geometry: Pool2dGeometry, mean: bool) -> None:
    n, c, i, j = index
    padding = geometry.PH, geometry.PW
    terms: list[Term] = []
    marks, tags, frames = {}, {}, {}
    for oh, ow, _, _ in windows_over_cell(geometry, i, j):
        marks[oh, ow], tags[oh, ow] = "read", tag(len(terms))
        frames[tags[oh, ow]] = window_of(geometry, oh, ow)
        divisor = rec.quantity("M", (oh, ow)) if mean else None
        terms.append(Term((rec.quantity("g", (n, c, oh, ow)),), divisor, tags[oh, ow]))
    result = rec.quantity("dL/dx", index)
    rec.add_sum(
        "backward",
        f"{result.name}: the windows over x[{n},{c},{i},{j}]",
        f"dL/dx[n,c,i,j] = Σ g[n,c,oh,ow]{' / M' if mean else ''} over all windows (oh, ow) that hold the "
        "cell",
        result,
        terms,
        f"The cell was added to {len(terms)} output{'s' * (len(terms) != 1)}; from each its share of g "
        "comes back.",
        [
            rec.panel("the cell", "x", (n, c), {(i, j): "asked"}, padding=padding, frames=frames),
            rec.panel("windows over it: dL/dy", "g", (n, c), marks, tags),
            rec.result_panel("gradient", "dL/dx", index),
        ],
    )


def _inside(geometry: Pool2dGeometry, oh: int, ow: int) -> Iterator[Cell]:
    """Yield the cells of a window that are no padding."""
    for _, _, i, j in cells_of_window(geometry, oh, ow):
        if is_inside(geometry, i, j):
            yield i, j
