import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view


def padded(x, padding):
    PH, PW = padding
    N, C, H, W = x.shape
    larger = np.zeros((N, C, H + 2 * PH, W + 2 * PW), x.dtype)
    larger[:, :, PH : PH + H, PW : PW + W] = x
    return larger


def windows_of(x, kernel_size, stride, padding):
    """(N, C, OH, OW, KH, KW)."""
    return sliding_window_view(padded(x, padding), kernel_size, (2, 3))[:, :, :: stride[0], :: stride[1]]


def conv2d_seven_loops(x, w, b, stride, padding):
    N, C, H, W = x.shape
    K, _, KH, KW = w.shape
    OH = (H + 2 * padding[0] - KH) // stride[0] + 1
    OW = (W + 2 * padding[1] - KW) // stride[1] + 1
    y = np.zeros((N, K, OH, OW), np.float32)
    for n in range(N):
        for k in range(K):
            for oh in range(OH):
                for ow in range(OW):
                    total = float(b[k])
                    for c in range(C):
                        for r in range(KH):
                            for s in range(KW):
                                i, j = oh * stride[0] - padding[0] + r, ow * stride[1] - padding[1] + s
                                if 0 <= i < H and 0 <= j < W:
                                    total += x[n, c, i, j] * w[k, c, r, s]
                    y[n, k, oh, ow] = total
    return y


def conv2d_tensordot(x, w, b, stride, padding):
    patches = windows_of(x, w.shape[2:], stride, padding)
    y = np.tensordot(patches, w, ((1, 4, 5), (1, 2, 3)))  # (N, OH, OW, K)
    return y.transpose(0, 3, 1, 2) + b.reshape(1, -1, 1, 1)


def conv2d_as_product(x, w, b, stride, padding):
    patches = windows_of(x, w.shape[2:], stride, padding)
    N, C, OH, OW, KH, KW = patches.shape
    rows = patches.transpose(0, 2, 3, 1, 4, 5).reshape(N * OH * OW, C * KH * KW)
    y = rows @ w.reshape(len(w), -1).T + b
    return y.reshape(N, OH, OW, -1).transpose(0, 3, 1, 2)


def conv2d_shifted_planes(x, w, b, stride, padding):
    (SH, SW), xp = stride, padded(x, padding)
    KH, KW = w.shape[2:]
    OH, OW = (xp.shape[2] - KH) // SH + 1, (xp.shape[3] - KW) // SW + 1
    y = np.broadcast_to(b[None, :, None, None], (len(x), len(w), OH, OW)).copy()
    for r in range(KH):
        for s in range(KW):
            plane = xp[:, :, r : r + SH * (OH - 1) + 1 : SH, s : s + SW * (OW - 1) + 1 : SW]
            y += np.einsum("ncij,kc->nkij", plane, w[:, :, r, s])
    return y


def conv2d_input_scatter(g, w, size, stride, padding):
    N, K, OH, OW = g.shape
    _, C, KH, KW = w.shape
    dx = np.zeros((N, C, *size))
    for n, k, oh, ow, c, r, s in np.ndindex(N, K, OH, OW, C, KH, KW):
        i, j = oh * stride[0] - padding[0] + r, ow * stride[1] - padding[1] + s
        if 0 <= i < size[0] and 0 <= j < size[1]:
            dx[n, c, i, j] += g[n, k, oh, ow] * w[k, c, r, s]
    return dx


def conv2d_input_gather(g, w, size, stride, padding):
    """Each cell of the image collects from the outputs that it fed."""
    N, _K, OH, OW = g.shape
    _, C, KH, KW = w.shape
    dx = np.zeros((N, C, *size))
    for i, j, r, s in np.ndindex(*size, KH, KW):
        oh, above = divmod(i + padding[0] - r, stride[0])
        ow, left = divmod(j + padding[1] - s, stride[1])
        if above == left == 0 and 0 <= oh < OH and 0 <= ow < OW:
            dx[:, :, i, j] += g[:, :, oh, ow] @ w[:, :, r, s]
    return dx


def conv2d_input_as_convolution(g, w, size, stride, padding):
    """Spread g with zeros between its cells, then convolve with the filter turned around."""
    (SH, SW), (KH, KW), (PH, PW) = stride, w.shape[2:], padding
    N, K, OH, OW = g.shape
    H, W = size[0] + 2 * PH, size[1] + 2 * PW
    spread = np.zeros((N, K, H + KH - 1, W + KW - 1))
    spread[:, :, KH - 1 : KH - 1 + SH * OH : SH, KW - 1 : KW - 1 + SW * OW : SW][:, :, :OH, :OW] = g
    patches = sliding_window_view(spread, (KH, KW), (2, 3))
    dx = np.einsum("nkijrs,kcrs->ncij", patches, w[:, :, ::-1, ::-1])
    return dx[:, :, PH : PH + size[0], PW : PW + size[1]]


def conv2d_weight_loops(x, g, kernel_size, stride, padding):
    xp = padded(x, padding)
    N, K, OH, OW = g.shape
    dw = np.zeros((K, x.shape[1], *kernel_size))
    for k, c, r, s in np.ndindex(*dw.shape):
        for n, oh, ow in np.ndindex(N, OH, OW):
            dw[k, c, r, s] += g[n, k, oh, ow] * xp[n, c, oh * stride[0] + r, ow * stride[1] + s]
    return dw


def conv2d_weight_einsum(x, g, kernel_size, stride, padding):
    return np.einsum("ncijrs,nkij->kcrs", windows_of(x, kernel_size, stride, padding), g)


def conv2d_weight_as_product(x, g, kernel_size, stride, padding):
    patches = windows_of(x, kernel_size, stride, padding)
    rows = patches.transpose(1, 4, 5, 0, 2, 3).reshape(x.shape[1] * kernel_size[0] * kernel_size[1], -1)
    dw = g.swapaxes(0, 1).reshape(g.shape[1], -1) @ rows.T
    return dw.reshape(g.shape[1], x.shape[1], *kernel_size)


def conv2d_bias_loops(g):
    db = np.zeros(g.shape[1])
    for n, k, oh, ow in np.ndindex(*g.shape):
        db[k] += g[n, k, oh, ow]
    return db


def im2col_loops(x, kernel_size, stride, padding):
    xp, (KH, KW) = padded(x, padding), kernel_size
    N, _C, H, W = xp.shape
    columns = []
    for top in range(0, H - KH + 1, stride[0]):
        for left in range(0, W - KW + 1, stride[1]):
            columns.append(xp[:, :, top : top + KH, left : left + KW].reshape(N, -1))
    return np.stack(columns, axis=2)


def im2col_view(x, kernel_size, stride, padding):
    patches = windows_of(x, kernel_size, stride, padding)
    return patches.transpose(0, 1, 4, 5, 2, 3).reshape(
        len(x), x.shape[1] * kernel_size[0] * kernel_size[1], -1
    )


def im2col_strided(x, kernel_size, stride, padding):
    xp, (KH, KW), (SH, SW) = padded(x, padding), kernel_size, stride
    N, C, H, W = xp.shape
    a, b, c, d = xp.strides
    OH, OW = (H - KH) // SH + 1, (W - KW) // SW + 1
    seen = as_strided(xp, (N, C, KH, KW, OH, OW), (a, b, c, d, c * SH, d * SW))
    return seen.reshape(N, C * KH * KW, OH * OW)


def col2im_add_at(columns, size, kernel_size, stride, padding):
    """Number the cells, lay the numbers out as columns, and add every number to its cell."""
    (H, W), C = size, columns.shape[1] // (kernel_size[0] * kernel_size[1])
    H, W = H + 2 * padding[0], W + 2 * padding[1]
    cells = im2col_loops(np.arange(C * H * W).reshape(1, C, H, W), kernel_size, stride, (0, 0))[0]
    flat = np.zeros((len(columns), C * H * W))
    for n in range(len(columns)):
        np.add.at(flat[n], cells, columns[n])
    inside = slice(padding[0], H - padding[0]), slice(padding[1], W - padding[1])
    return flat.reshape(len(columns), C, H, W)[:, :, *inside]


def col2im_planes(columns, size, kernel_size, stride, padding):
    (KH, KW), (SH, SW), (PH, PW) = kernel_size, stride, padding
    OH, OW = (size[0] + 2 * PH - KH) // SH + 1, (size[1] + 2 * PW - KW) // SW + 1
    parts = columns.reshape(len(columns), -1, KH, KW, OH, OW)
    out = np.zeros((len(columns), parts.shape[1], size[0] + 2 * PH, size[1] + 2 * PW))
    for r in range(KH):
        for s in range(KW):
            out[:, :, r : r + SH * OH : SH, s : s + SW * OW : SW][:, :, :OH, :OW] += parts[:, :, r, s]
    return out[:, :, PH : PH + size[0], PW : PW + size[1]].copy()


def col2im_as_matrix(columns, size, kernel_size, stride, padding):
    """The transpose of the matrix that im2col is."""
    C = columns.shape[1] // (kernel_size[0] * kernel_size[1])
    count = C * size[0] * size[1]
    ones = np.eye(count).reshape(count, C, *size)
    matrix = im2col_loops(ones, kernel_size, stride, padding).reshape(count, -1)
    return (columns.reshape(len(columns), -1) @ matrix.T).reshape(len(columns), C, *size)


def conv_transpose2d_scatter(x, w, stride, padding):
    _N, _K, OH, OW = x.shape
    _, _C, KH, KW = w.shape
    H = (OH - 1) * stride[0] - 2 * padding[0] + KH
    W = (OW - 1) * stride[1] - 2 * padding[1] + KW
    return conv2d_input_scatter(x, w, (H, W), stride, padding)


def conv_transpose2d_convolution(x, w, stride, padding):
    _N, _K, OH, OW = x.shape
    size = [
        (o - 1) * s - 2 * p + k for o, s, p, k in zip((OH, OW), stride, padding, w.shape[2:], strict=True)
    ]
    return conv2d_input_as_convolution(x, w, tuple(size), stride, padding)


ANSWERS = {
    "conv2d": [conv2d_seven_loops, conv2d_tensordot, conv2d_as_product, conv2d_shifted_planes],
    "conv2d_input": [conv2d_input_scatter, conv2d_input_gather, conv2d_input_as_convolution],
    "conv2d_weight": [conv2d_weight_loops, conv2d_weight_einsum, conv2d_weight_as_product],
    "conv2d_bias": [
        conv2d_bias_loops,
        lambda g: np.einsum("nkij->k", g),
        lambda g: g.transpose(1, 0, 2, 3).reshape(g.shape[1], -1) @ np.ones(g.size // g.shape[1]),
    ],
    "im2col": [im2col_loops, im2col_view, im2col_strided],
    "col2im": [col2im_add_at, col2im_planes, col2im_as_matrix],
    "conv_transpose2d": [conv_transpose2d_scatter, conv_transpose2d_convolution],
}
