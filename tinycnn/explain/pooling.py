"""Steps of pooling (Eq. 2), forward and backward."""

import numpy as np

from tinycnn.dispatch import kernels_for
from tinycnn.functional.arithmetic import Div
from tinycnn.kernels.geometry import Geometry, pool2d_geometry

from .calls import Call, run
from .cells import tag
from .recorder import Plane, Recorder
from .steps import Cell, Explanation, Quantity, Term, number
from .windows import Windows


def extreme_pool2d(call: Call) -> Explanation:
    """Explain `tinycnn.functional.max_pool2d`, ``min_pool2d`` or ``global_max_pool2d``."""
    which = call.operation.removeprefix("global_")[:3]
    rec, _ = run(call, {"x": "x"})
    x = rec.arrays["x"]
    geometry, kernels = _geometry(call, x.shape), kernels_for(x)
    _, won = (kernels.max_pool2d if which == "max" else kernels.min_pool2d)(x, geometry)
    windows = Windows(geometry)
    rec.step_through("y")
    for y in rec.asked("y"):
        _extreme(rec, which, y, windows, divmod(int(won[y.index]), geometry.W))
    for result in rec.asked("dL/dx"):
        n, c, i, j = result.index
        over = windows.over(i, j)
        mine = [window for window in over if int(won[n, c, *window]) == i * geometry.W + j]
        _gradient(
            rec,
            result,
            windows,
            mine,
            f"the windows that x[{n},{c},{i},{j}] won",
            "dL/dx[n,c,i,j] = Σ g[n,c,oh,ow] over the windows (oh, ow) that x[n,c,i,j] won",
            f"The cell lies in {len(over)} window{'s' * (len(over) != 1)} and won {len(mine)}. If it won, "
            "y is a copy of it, and all of g comes back. If it lost, y does not depend on it, and 0 comes "
            "back.",
        )
    return rec.explanation()


def sum_pool2d(call: Call) -> Explanation:
    """Explain `tinycnn.functional.sum_pool2d`, ``avg_pool2d`` or ``global_avg_pool2d``."""
    rec, watch = run(call, {"x": "x"})
    arrays = rec.arrays
    geometry = _geometry(call, arrays["x"].shape)
    if call.operation == "avg_pool2d":  # how many cells each window's sum is divided by
        divisor = watch.first(Div).inputs[1].numpy()
        arrays["M"] = np.broadcast_to(divisor, arrays["y"].shape)[0, 0].astype(int)
    elif call.operation == "global_avg_pool2d":
        arrays["M"] = np.array([[geometry.H * geometry.W]])
    windows = Windows(geometry)
    rec.step_through("y")
    by = " / M" if "M" in arrays else ""
    for y in rec.asked("y"):
        n, c, oh, ow = y.index
        M = _divisor(rec, (oh, ow))
        divided = f": it is divided by M = {number(M.value)}" if M else ""
        terms = rec.terms(((("x", (n, c, *cell)),) for cell in windows.inner_cells(oh, ow)), M)
        marks: dict[Plane, dict[Cell, str]] = {(0, "x", (n, c)): dict.fromkeys(windows.cells(oh, ow), "read")}
        rec.add_sum(
            y,
            f"window ({oh}, {ow})",
            f"y[n,c,oh,ow] = Σ_{{r,s}} x[n, c, oh·SH-PH+r, ow·SW-PW+s]{by}",
            terms,
            f"Every cell of the window counts the same{divided}.",
            rec.panels_of(terms, marks=marks, padding=(geometry.PH, geometry.PW)),
        )
    for result in rec.asked("dL/dx"):
        n, c, i, j = result.index
        over = windows.over(i, j)
        _gradient(
            rec,
            result,
            windows,
            over,
            f"the windows over x[{n},{c},{i},{j}]",
            f"dL/dx[n,c,i,j] = Σ g[n,c,oh,ow]{by} over all windows (oh, ow) with the cell",
            f"The cell was added to {len(over)} output{'s' * (len(over) != 1)}. From each of them, its "
            "share of g comes back.",
        )
    return rec.explanation()


def _geometry(call: Call, shape: tuple[int, ...]) -> Geometry:
    """Return the windows: of a global pool, one as large as the input."""
    if call.operation.startswith("global_"):
        return pool2d_geometry(shape, shape[2:])
    return pool2d_geometry(
        shape, call["kernel_size"], call["stride"], call["padding"], call.arguments.get("dilation", 1)
    )


def _divisor(rec: Recorder, window: Cell) -> Quantity | None:
    return rec.quantity("M", window) if "M" in rec.arrays else None


def _extreme(rec: Recorder, which: str, y: Quantity, windows: Windows, winner: Cell) -> None:
    n, c, oh, ow = y.index
    geometry, cells = windows.geometry, windows.inner_cells(oh, ow)
    values = [rec.quantity("x", (n, c, *cell)).value for cell in cells]
    ties = values.count(y.value)
    more = f" {ties} cells share it; the first of them is the winner." if ties > 1 else ""
    if np.isnan(y.value):
        more = " A NaN wins over any number, so that it is not hidden."
    marks, padding = dict.fromkeys(cells, "read") | {winner: "winner"}, (geometry.PH, geometry.PW)
    rec.add_value(
        y,
        f"window ({oh}, {ow})",
        f"y[n,c,oh,ow] = {which} over r,s of x[n, c, oh·SH-PH+r·DH, ow·SW-PW+s·DW]",
        f"{which}({', '.join(map(number, values))})",
        f"Of the {len(cells)} cells of the window, x[{n},{c},{winner[0]},{winner[1]}] wins.{more} Its place "
        "is remembered: in the backward pass the gradient goes there, and nowhere else.",
        [rec.panel("input", "x", (n, c), marks, padding=padding)],
    )


def _gradient(
    rec: Recorder,
    result: Quantity,
    windows: Windows,
    mine: list[Cell],
    title: str,
    equation: str,
    sentence: str,
) -> None:
    """Explain one element of dL/dx: the sum of g over the windows `mine`."""
    n, c, i, j = result.index
    terms = [
        Term((rec.quantity("g", (n, c, *window)),), _divisor(rec, window), tag(t))
        for t, window in enumerate(mine)
    ]
    padding = windows.geometry.PH, windows.geometry.PW
    frames = {tag(t): windows.frame(*window) for t, window in enumerate(mine)}
    panels = [
        rec.panel("the cell", "x", (n, c), {(i, j): "asked"}, padding=padding, frames=frames),
        *rec.panels_of(terms, {"g": "these windows: dL/dy"}, {(0, "g", (n, c)): {}}),
    ]
    rec.add_sum(result, title, equation, terms, sentence, panels)
