"""Steps of im2col and of its adjoint col2im: how patches become columns, and how they are added back."""

from dataclasses import replace

from tinycnn.kernels.geometry import conv2d_geometry, pair

from .calls import Call, leaf
from .cells import tag
from .convolution import terms_of
from .steps import Explanation, number
from .windows import Windows, products

TITLE = "one column for each patch"


def im2col(call: Call) -> Explanation:
    """Explain `tinycnn.kernels.im2col.im2col`: one step for each patch."""
    x = leaf(call["x"]).numpy()
    columns, windows = (
        call.function(x, pair(call["kernel_size"], "kernel_size"), *_options(call)),
        _windows(call, x.shape),
    )
    geometry = windows.geometry
    rec = call.recorder({"x": x, "columns": columns})
    rec.step_through({"columns": (geometry.N, geometry.OH * geometry.OW)})
    asked = rec.asked("columns")
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
        marks, tags = {(row, column): "result" for row in rows}, {(row, column): tag(row) for row in rows}
        later = {(row, later) for m, later in asked[at + 1 :] if m == n for row in rows}
        panels.append(replace(rec.panel(TITLE, "columns", (n,), marks, tags), pending=later))
        values = ", ".join(number(value) for value in columns[n, :, column])
        rec.add(
            "forward",
            f"columns[{n},:,{column}]: the patch of window ({oh}, {ow})",
            "columns[n, (c·KH+r)·KW+s, oh·OW+ow] = x[n, c, oh·SH-PH+r·DH, ow·SW-PW+s·DW]",
            f"columns[{n},:,{column}] = ({values})",
            f"Window ({oh}, {ow}) is read row by row, channel by channel, and written down as column "
            f"{column}. A cell that lies in several windows is COPIED into several columns. One matrix "
            "product of the filters (one in each row) with these columns then is the whole convolution.",
            panels,
        )
    return rec.explanation("columns")


def col2im(call: Call) -> Explanation:
    """Explain `tinycnn.kernels.im2col.col2im`: one step for each cell of the image."""
    columns = leaf(call["columns"]).numpy()
    size, kernel_size = pair(call["size"], "size"), pair(call["kernel_size"], "kernel_size")
    x = call.function(columns, size, kernel_size, *_options(call))
    windows = _windows(call, x.shape)
    rec, KW, OW = call.recorder({"columns": columns, "x": x}), windows.geometry.KW, windows.geometry.OW
    rec.step_through_arrays("x")
    for index in rec.asked("x"):
        n, c = index[:2]
        copies = [
            (("columns", (n, (c * kernel_size[0] + r) * KW + s, oh * OW + ow)),)
            for _, (_, _, r, s), (_, _, oh, ow) in products(windows, "x", index)
        ]
        terms, result = terms_of(rec, copies), rec.quantity("x", index)
        rec.add_sum(
            "forward",
            f"{result.name}: all its copies, added up",
            "x[n,c,i,j] = Σ columns[n, (c·KH+r)·KW+s, oh·OW+ow] "
            "over all oh,ow,r,s with oh·SH-PH+r·DH = i, ow·SW-PW+s·DW = j",
            result,
            terms,
            f"im2col copied this cell {len(terms)} time{'s' * (len(terms) != 1)}, once for every window "
            "over it. col2im is its adjoint, not its inverse: it ADDS the copies up (+=, not =), because a "
            "gradient is the sum over all uses.",
            [
                *rec.panels_of(terms, {"columns": TITLE}, {(0, "columns", (n,)): {}}),
                rec.cell("the copies added up", "x", index),
            ],
        )
    return rec.explanation("x")


def _options(call: Call) -> list[tuple[int, int]]:
    """Return stride, padding and dilation as pairs."""
    return [
        pair(call["stride"], "stride"),
        pair(call["padding"], "padding", minimum=0),
        pair(call["dilation"], "dilation"),
    ]


def _windows(call: Call, shape: tuple[int, ...]) -> Windows:
    kernel_size = pair(call["kernel_size"], "kernel_size")
    stride, padding, dilation = _options(call)
    return Windows(conv2d_geometry(shape, (1, shape[1], *kernel_size), stride, padding, dilation))
