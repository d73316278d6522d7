"""Steps of im2col and of its adjoint col2im: how patches become columns, and how they are added back."""

from dataclasses import replace

from tinycnn.kernels.geometry import Pair, conv2d_geometry, pair

from .calls import Call, leaf
from .recorder import Recorder, tag
from .steps import Explanation, Term, number
from .windows import cells_of_window, windows_over_cell


def im2col(call: Call) -> Explanation:
    """Explain `tinycnn.kernels.im2col.im2col`: one step a patch."""
    x = leaf(call["x"]).numpy()
    kernel_size, window = pair(call["kernel_size"], "kernel_size"), _window(call)
    geometry = conv2d_geometry(x.shape, (1, *x.shape[1:2], *kernel_size), *window, 1)
    columns = call.function(x, kernel_size, *window)
    N, C, OH, OW = geometry.N, geometry.C, geometry.OH, geometry.OW
    rec = Recorder(call.operation, call.shown, {"x": x, "columns": columns}, call.cells)
    rec.step_through({"columns": (N, OH * OW)})
    asked = rec.asked("columns")
    for at, (n, column) in enumerate(asked):
        oh, ow = divmod(column, OW)
        marks, tags = {}, {}
        values = []
        panels = []
        row = 0
        for c in range(C):
            read, read_tags = {}, {}
            for _, _, i, j in cells_of_window(geometry, oh, ow):
                read[i, j], read_tags[i, j] = "read", tag(row)
                marks[row, column], tags[row, column] = "result", tag(row)
                values.append(number(columns[n, row, column]))
                row += 1
            panels.append(
                rec.panel(f"input, channel {c}", "x", (n, c), read, read_tags, (geometry.PH, geometry.PW))
            )
        panel = rec.panel("one column a patch", "columns", (n,), marks, tags)
        later = {(i, later) for m, later in asked[at + 1 :] if m == n for i in range(row)}
        panels.append(replace(panel, pending=later))
        rec.add(
            "forward",
            f"columns[{n},:,{column}]: the patch of window ({oh}, {ow})",
            "columns[n, (c·KH+r)·KW+s, oh·OW+ow] = x[n, c, oh·SH-PH+r·DH, ow·SW-PW+s·DW]",
            f"columns[{n},:,{column}] = ({', '.join(values)})",
            f"Window ({oh}, {ow}) is read row by row, channel by channel, and written down as column "
            f"{column}. A cell that lies in several windows is COPIED into several columns. One matrix "
            "product of the filters (one a row) with these columns then is the whole convolution.",
            panels,
        )
    return rec.explanation("columns")


def col2im(call: Call) -> Explanation:
    """Explain `tinycnn.kernels.im2col.col2im`: one step a cell of the image."""
    columns = leaf(call["columns"]).numpy()
    size, kernel_size = pair(call["size"], "size"), pair(call["kernel_size"], "kernel_size")
    window = _window(call)
    x = call.function(columns, size, kernel_size, *window)
    geometry = conv2d_geometry(x.shape, (1, *x.shape[1:2], *kernel_size), *window, 1)
    rec = Recorder(call.operation, call.shown, {"columns": columns, "x": x}, call.cells)
    rec.step_through_arrays("x")
    for n, c, i, j in rec.asked("x"):
        terms: list[Term] = []
        marks, tags = {}, {}
        for oh, ow, r, s in windows_over_cell(geometry, i, j):
            row, column = (c * geometry.KH + r) * geometry.KW + s, oh * geometry.OW + ow
            letter = tag(len(terms))
            marks[row, column], tags[row, column] = "read", letter
            terms.append(Term((rec.quantity("columns", (n, row, column)),), tag=letter))
        result = rec.quantity("x", (n, c, i, j))
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
                rec.panel("one column a patch", "columns", (n,), marks, tags),
                rec.result_panel("the copies added up", "x", (n, c, i, j)),
            ],
        )
    return rec.explanation("x")


def _window(call: Call) -> tuple[Pair, Pair, Pair]:
    return (
        pair(call["stride"], "stride"),
        pair(call["padding"], "padding", minimum=0),
        pair(call["dilation"], "dilation"),
    )
