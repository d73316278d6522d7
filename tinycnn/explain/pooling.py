"""Steps of pooling (Eq. 2), forward and backward."""

import numpy as np

from tinycnn.dispatch import kernels_for
from tinycnn.functional.arithmetic import Div
from tinycnn.kernels.geometry import Geometry, pool2d_geometry

from .calls import Call, run
from .cells import tag
from .recorder import Plane, Recorder
from .steps import Cell, Explanation, Index, Term, number
from .windows import Windows


def extreme_pool2d(call: Call) -> Explanation:
    """Explain `tinycnn.functional.max_pool2d`, ``min_pool2d`` or ``global_max_pool2d``."""
    which = call.operation.removeprefix("global_")[:3]
    arrays, _ = run(call, {"x": "x"})
    geometry = _geometry(call, arrays["x"].shape)
    kernels = kernels_for(arrays["x"])
    _, won = (kernels.max_pool2d if which == "max" else kernels.min_pool2d)(arrays["x"], geometry)
    rec, windows = call.recorder(arrays), Windows(geometry)
    rec.step_through_arrays("y")
    for at in rec.asked("y"):
        _extreme(rec, which, at, windows, won)
    for at in rec.asked("dL/dx"):
        _winners(rec, at, windows, won)
    return rec.explanation()


def sum_pool2d(call: Call) -> Explanation:
    """Explain `tinycnn.functional.sum_pool2d`, ``avg_pool2d`` or ``global_avg_pool2d``."""
    arrays, watch = run(call, {"x": "x"})
    geometry = _geometry(call, arrays["x"].shape)
    if call.operation == "avg_pool2d":  # how many cells each window's sum is divided by
        divisor = watch.first(Div).inputs[1].numpy()
        arrays["M"] = np.broadcast_to(divisor, arrays["y"].shape)[0, 0].astype(int)
    elif call.operation == "global_avg_pool2d":
        arrays["M"] = np.array([[geometry.H * geometry.W]])
    rec, windows = call.recorder(arrays), Windows(geometry)
    rec.step_through_arrays("y")
    for at in rec.asked("y"):
        _sum(rec, at, windows)
    for at in rec.asked("dL/dx"):
        _spread(rec, at, windows)
    return rec.explanation()


def _geometry(call: Call, shape: tuple[int, ...]) -> Geometry:
    """Return the windows: of a global pool, one as large as the input."""
    if call.operation.startswith("global_"):
        return pool2d_geometry(shape, shape[2:])
    return pool2d_geometry(
        shape, call["kernel_size"], call["stride"], call["padding"], call.arguments.get("dilation", 1)
    )


def _extreme(rec: Recorder, which: str, index: Index, windows: Windows, won: np.ndarray) -> None:
    n, c, oh, ow = index
    geometry, cells = windows.geometry, windows.inner_cells(oh, ow)
    winner = divmod(int(won[index]), geometry.W)
    values = [rec.quantity("x", (n, c, *cell)).value for cell in cells]
    result = rec.quantity("y", index)
    ties = values.count(result.value)
    more = f" {ties} cells share it; the first of them is the winner." if ties > 1 else ""
    if np.isnan(result.value):
        more = " A NaN wins over any number, so that it is not hidden."
    rec.add(
        "forward",
        f"{result.name}: window ({oh}, {ow})",
        f"y[n,c,oh,ow] = {which} over r,s of x[n, c, oh·SH-PH+r·DH, ow·SW-PW+s·DW]",
        f"{result.name} = {which}({', '.join(map(number, values))}) = {number(result.value)}",
        f"Of the {len(cells)} cells of the window, x[{n},{c},{winner[0]},{winner[1]}] wins.{more} Its place "
        "is remembered: in the backward pass the gradient goes there, and nowhere else.",
        [
            rec.panel(
                "input",
                "x",
                (n, c),
                dict.fromkeys(cells, "read") | {winner: "winner"},
                padding=(geometry.PH, geometry.PW),
            ),
            rec.cell("output", "y", index),
        ],
    )


def _winners(rec: Recorder, index: Index, windows: Windows, won: np.ndarray) -> None:
    n, c, i, j = index
    over = windows.over(i, j)
    mine = [window for window in over if int(won[n, c, *window]) == i * windows.geometry.W + j]
    terms = [Term((rec.quantity("g", (n, c, *window)),), tag=tag(t)) for t, window in enumerate(mine)]
    _gradient(
        rec,
        index,
        windows,
        mine,
        terms,
        f"the windows that x[{n},{c},{i},{j}] won",
        "dL/dx[n,c,i,j] = Σ g[n,c,oh,ow] over the windows (oh, ow) that x[n,c,i,j] won",
        f"The cell lies in {len(over)} window{'s' * (len(over) != 1)} and won {len(terms)}. Where it won, y "
        "is a copy of it and g comes back whole; where it lost, y does not change with it: 0.",
    )


def _sum(rec: Recorder, index: Index, windows: Windows) -> None:
    n, c, oh, ow = index
    geometry = windows.geometry
    divisor = rec.quantity("M", (oh, ow)) if "M" in rec.arrays else None
    inner = windows.inner_cells(oh, ow)
    terms = [Term((rec.quantity("x", (n, c, *cell)),), divisor, tag(t)) for t, cell in enumerate(inner)]
    marks: dict[Plane, dict[Cell, str]] = {(0, "x", (n, c)): dict.fromkeys(windows.cells(oh, ow), "read")}
    result = rec.quantity("y", index)
    rec.add_sum(
        "forward",
        f"{result.name}: window ({oh}, {ow})",
        f"y[n,c,oh,ow] = Σ_{{r,s}} x[n, c, oh·SH-PH+r, ow·SW-PW+s]{' / M' if divisor else ''}",
        result,
        terms,
        "Every cell of the window counts the same"
        f"{f': it is divided by M = {number(divisor.value)}' if divisor else ''}.",
        [
            *rec.panels_of(terms, {"x": "input"}, marks, {"x": (geometry.PH, geometry.PW)}),
            rec.cell("output", "y", index),
        ],
    )


def _spread(rec: Recorder, index: Index, windows: Windows) -> None:
    n, c, i, j = index
    over, mean = windows.over(i, j), "M" in rec.arrays
    terms = [
        Term((rec.quantity("g", (n, c, *window)),), rec.quantity("M", window) if mean else None, tag(t))
        for t, window in enumerate(over)
    ]
    _gradient(
        rec,
        index,
        windows,
        over,
        terms,
        f"the windows over x[{n},{c},{i},{j}]",
        f"dL/dx[n,c,i,j] = Σ g[n,c,oh,ow]{' / M' if mean else ''} over all windows (oh, ow) with the cell",
        f"The cell was added to {len(terms)} output{'s' * (len(terms) != 1)}; from each its share of g "
        "comes back.",
    )


def _gradient(
    rec: Recorder,
    index: Index,
    windows: Windows,
    mine: list[tuple[int, int]],
    terms: list[Term],
    title: str,
    equation: str,
    sentence: str,
) -> None:
    """Explain one element of dL/dx: the sum of g over the windows `mine`."""
    n, c, i, j = index
    padding = windows.geometry.PH, windows.geometry.PW
    frames = {tag(t): windows.frame(*window) for t, window in enumerate(mine)}
    result = rec.quantity("dL/dx", index)
    rec.add_sum(
        "backward",
        f"{result.name}: {title}",
        equation,
        result,
        terms,
        sentence,
        [
            rec.panel("the cell", "x", (n, c), {(i, j): "asked"}, padding=padding, frames=frames),
            *rec.panels_of(terms, {"g": "these windows: dL/dy"}, {(0, "g", (n, c)): {}}),
            rec.cell("gradient", "dL/dx", index),
        ],
    )
