"""Steps of im2col and of its adjoint col2im: how patches become columns, and how they are added back."""

from dataclasses import replace

from tinycnn.kernels.geometry import conv2d_geometry, pair

from .calls import Call, leaf
from .cells import tag
from .steps import Explanation, number
from .windows import Windows, products

TITLES = {"columns": "one column for each patch"}


def im2col(call: Call) -> Explanation:
    """Explain `tinycnn.kernels.im2col.im2col`: one step for each patch."""
    x = leaf(call["x"]).numpy()
    kernel_size, options = _options(call)
    columns, windows = call.function(x, kernel_size, *options), _windows(x.shape, kernel_size, options)
    geometry = windows.geometry
    rec = call.recorder({"x": x, "columns": columns}, TITLES)
    rec.step_through(columns=(geometry.N, geometry.OH * geometry.OW))
    asked = rec.chosen("columns")
    for at, (n, column) in enumerate(asked):
        oh, ow = divmod(column, geometry.OW)
        cells, count = windows.cells(oh, ow), geometry.KH * geometry.KW
        panels = [
            rec.panel(
                f"input, channel {c}",
                "x",
                (n, c),
                dict.fromkeys(cells, "read"),
                {cell: tag(c * count + t) for t, cell in enumerate(cells)},
                (geometry.PH, geometry.PW),
            )
            for c in range(geometry.C)
        ]
        rows = range(geometry.C * count)
        tags = {(row, column): tag(row) for row in rows}
        later = {(row, later) for m, later in asked[at + 1 :] if m == n for row in rows}
        panel = rec.panel(rec.titles["columns"], "columns", (n,), dict.fromkeys(tags, "result"), tags)
        values = ", ".join(number(value) for value in columns[n, :, column])
        rec.forward(
            f"columns[{n},:,{column}]: the patch of window ({oh}, {ow})",
            "columns[n, (c·KH+r)·KW+s, oh·OW+ow] = x[n, c, oh·SH-PH+r·DH, ow·SW-PW+s·DW]",
            f"columns[{n},:,{column}] = ({values})",
            f"Window ({oh}, {ow}) is read row by row, channel by channel, and written down as column "
            f"{column}. A cell that lies in several windows is COPIED into several columns. Then one matrix "
            "product, of the filters (one in each row) and these columns, is the whole convolution.",
            [*panels, replace(panel, pending=later)],
        )
    return rec.explanation("columns")


def col2im(call: Call) -> Explanation:
    """Explain `tinycnn.kernels.im2col.col2im`: one step for each cell of the image."""
    columns, size = leaf(call["columns"]).numpy(), pair(call["size"], "size")
    kernel_size, options = _options(call)
    x = call.function(columns, size, kernel_size, *options)
    windows = _windows(x.shape, kernel_size, options)
    (KH, KW), OW = kernel_size, windows.geometry.OW
    rec = call.recorder({"columns": columns, "x": x}, TITLES | {"x": "the copies added up"})
    rec.step_through("x")
    for result in rec.asked("x"):
        terms = rec.terms(
            (("columns", (result.index[0], (c * KH + r) * KW + s, oh * OW + ow)),)
            for (_, c, _, _), (_, _, r, s), (_, _, oh, ow) in products(windows, "x", result.index)
        )
        rec.add_sum(
            result,
            "all its copies, added up",
            "x[n,c,i,j] = Σ columns[n, (c·KH+r)·KW+s, oh·OW+ow] "
            "over all oh,ow,r,s with oh·SH-PH+r·DH = i, ow·SW-PW+s·DW = j",
            terms,
            f"im2col copied this cell {len(terms)} time{'s' * (len(terms) != 1)}, once for every window "
            "over it. col2im is its adjoint, not its inverse: it ADDS the copies up (+=, not =), because a "
            "gradient is the sum over all uses.",
            rec.panels_of(terms, marks={(0, "columns", result.index[:1]): {}}),
        )
    return rec.explanation("x")


def _options(call: Call) -> tuple[tuple[int, int], list[tuple[int, int]]]:
    """Return the kernel size; and stride, padding and dilation as pairs."""
    stride, dilation = (pair(call[name], name) for name in ("stride", "dilation"))
    padding = pair(call["padding"], "padding", minimum=0)
    return pair(call["kernel_size"], "kernel_size"), [stride, padding, dilation]


def _windows(shape: tuple[int, ...], kernel_size: tuple[int, int], options: list[tuple[int, int]]) -> Windows:
    stride, padding, dilation = options
    return Windows(conv2d_geometry(shape, (1, shape[1], *kernel_size), stride, padding, dilation))
