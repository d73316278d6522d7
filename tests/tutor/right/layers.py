import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def max_pool2d_loops(x, kernel_size, stride):
    N, C, H, W = x.shape
    OH, OW = ((size - k) // s + 1 for size, k, s in zip((H, W), kernel_size, stride, strict=True))
    y = np.full((N, C, OH, OW), -np.inf)
    for n, c, oh, ow, r, s in np.ndindex(N, C, OH, OW, *kernel_size):
        y[n, c, oh, ow] = max(y[n, c, oh, ow], x[n, c, oh * stride[0] + r, ow * stride[1] + s])
    return y


def max_pool2d_windows(x, kernel_size, stride):
    return sliding_window_view(x, kernel_size, (2, 3))[:, :, :: stride[0], :: stride[1]].max((4, 5))


def max_pool2d_shifts(x, kernel_size, stride):
    """The maximum of shifted images."""
    (KH, KW), (SH, SW) = kernel_size, stride
    OH, OW = (x.shape[2] - KH) // SH + 1, (x.shape[3] - KW) // SW + 1
    parts = [
        x[:, :, r : r + SH * (OH - 1) + 1 : SH, s : s + SW * (OW - 1) + 1 : SW]
        for r in range(KH)
        for s in range(KW)
    ]
    return np.maximum.reduce(parts)


def max_pool2d_input_scan(g, x, kernel_size, stride):
    dx = np.zeros_like(x)
    for n, c, oh, ow in np.ndindex(*g.shape):
        best, where = -np.inf, None
        for r, s in np.ndindex(*kernel_size):
            i, j = oh * stride[0] + r, ow * stride[1] + s
            if x[n, c, i, j] > best:
                best, where = x[n, c, i, j], (i, j)
        dx[n, c][where] += g[n, c, oh, ow]
    return dx


def max_pool2d_input_add_at(g, x, kernel_size, stride):
    windows = sliding_window_view(x, kernel_size, (2, 3))[:, :, :: stride[0], :: stride[1]]
    winner = windows.reshape(*g.shape, -1).argmax(-1)
    n, c, oh, ow = np.indices(g.shape)
    dx = np.zeros(x.shape)
    np.add.at(
        dx, (n, c, oh * stride[0] + winner // kernel_size[1], ow * stride[1] + winner % kernel_size[1]), g
    )
    return dx


def max_pool2d_input_shifts(g, x, kernel_size, stride):
    """Shift by shift: who equals the maximum, and nobody before did."""
    (KH, KW), (SH, SW), (OH, OW) = kernel_size, stride, g.shape[2:]
    best, taken, dx = max_pool2d_shifts(x, kernel_size, stride), np.zeros(g.shape, bool), np.zeros(x.shape)
    for r in range(KH):
        for s in range(KW):
            at = np.s_[:, :, r : r + SH * (OH - 1) + 1 : SH, s : s + SW * (OW - 1) + 1 : SW]
            wins = (x[at] == best) & ~taken
            dx[at] += g * wins
            taken |= wins
    return dx


def avg_pool2d_input_loops(g, size, kernel_size, stride):
    dx = np.zeros((*g.shape[:2], *size))
    for n, c, oh, ow, r, s in np.ndindex(*g.shape, *kernel_size):
        dx[n, c, oh * stride[0] + r, ow * stride[1] + s] += g[n, c, oh, ow] / kernel_size[0] / kernel_size[1]
    return dx


def avg_pool2d_input_matrices(g, size, kernel_size, stride):
    """Mean-pooling is one matrix for the rows and one for the columns."""

    def matrix(outputs, length, kernel, step):
        means = np.zeros((outputs, length))
        for o in range(outputs):
            means[o, o * step : o * step + kernel] = 1 / kernel
        return means

    rows = matrix(g.shape[2], size[0], kernel_size[0], stride[0])
    columns = matrix(g.shape[3], size[1], kernel_size[1], stride[1])
    return rows.T @ g @ columns


def linear_loops(x, w, b):
    y = np.empty((len(x), len(w)))
    for n in range(len(x)):
        for o in range(len(w)):
            y[n, o] = sum(x[n, i] * w[o, i] for i in range(x.shape[1])) + b[o]
    return y


def linear_grads_loops(g, x, w):
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(len(w))
    for n, o in np.ndindex(*g.shape):
        dx[n] += g[n, o] * w[o]
        dw[o] += g[n, o] * x[n]
        db[o] += g[n, o]
    return dx, dw, db


def linear_grads_one_product(g, x, w):
    """With a column of ones the bias is one more weight."""
    dwb = g.T @ np.column_stack([x, np.ones(len(x))])
    return [np.dot(w.T, g.T).T, dwb[:, :-1], dwb[:, -1]]


def relu_input_where(g, x):
    dx = g.copy()
    dx[x <= 0] = 0
    return dx


def network_loops(x, w1, b1, w2, b2):
    rows = []
    for image in x:
        hidden = [max(0.0, float(weights @ image) + bias) for weights, bias in zip(w1, b1, strict=True)]
        rows.append([float(weights @ hidden) + bias for weights, bias in zip(w2, b2, strict=True)])
    return np.array(rows)


def network_masks(x, w1, b1, w2, b2):
    before = np.einsum("ni,hi->nh", x, w1) + b1
    return (before * (before > 0)) @ w2.T + b2[None]


def network_by_ones(x, w1, b1, w2, b2):
    """relu(a) = (a + |a|) / 2, and biases as weights of a 1."""
    a = np.c_[x, np.ones(len(x))] @ np.c_[w1, b1].T
    return np.c_[(a + np.abs(a)) / 2, np.ones(len(x))] @ np.c_[w2, b2].T


def features_loops(x, w, b):
    return np.array(
        [[max(0.0, float(image.ravel() @ row) + bias) for row, bias in zip(w, b, strict=True)] for image in x]
    )


def features_tensordot(x, w, b):
    return np.clip(np.tensordot(x, w.reshape(-1, *x.shape[1:]), ((1, 2, 3), (1, 2, 3))) + b, 0, None)


def features_as_convolution(x, w, b):
    y = np.einsum("nchw,achw->na", x, w.reshape(len(w), *x.shape[1:])) + b
    return np.where(y > 0, y, 0.0)


def softmax_loops(z):
    y = np.empty(z.shape)
    for n, row in enumerate(z):
        powers = [np.exp(v - max(row)) for v in row]
        y[n] = np.array(powers) / sum(powers)
    return y


def softmax_logsumexp(z):
    return np.exp(z - np.logaddexp.reduce(z, axis=1)[:, None])


def softmax_differences(z):
    """1 / sum_j e^(z_j - z_k)."""
    with np.errstate(over="ignore"):
        return 1 / np.exp(z[:, None, :] - z[:, :, None]).sum(2)


def softmax_input_jacobian(g, z):
    dz = np.zeros(z.shape)
    for n, y in enumerate(softmax_loops(z)):
        dz[n] = (np.diag(y) - np.outer(y, y)) @ g[n]
    return dz


def softmax_input_loops(g, z):
    y, dz = softmax_logsumexp(z), np.zeros(z.shape)
    for n, k, j in np.ndindex(*z.shape, z.shape[1]):
        dz[n, k] += g[n, j] * y[n, j] * ((j == k) - y[n, k])
    return dz


def softmax_input_logarithms(g, z):
    """dL/dlog y = g * y, and back through log softmax."""
    y = softmax_logsumexp(z)
    h = g * y
    return h - y * np.einsum("nk->n", h)[:, None]


def batch_norm_loops(x, gamma, beta, eps):
    y = np.empty(x.shape)
    for c in range(x.shape[1]):
        values = x[:, c]
        mean = values.sum() / values.size
        variance = ((values - mean) ** 2).sum() / values.size
        y[:, c] = gamma[c] * (values - mean) / (variance + eps) ** 0.5 + beta[c]
    return y


def batch_norm_rows(x, gamma, beta, eps):
    rows = x.transpose(1, 0, 2, 3).reshape(x.shape[1], -1)
    spread = np.sqrt((rows**2).mean(1) - rows.mean(1) ** 2 + eps)
    rows = (rows - rows.mean(1, keepdims=True)) * (gamma / spread)[:, None] + beta[:, None]
    return rows.reshape(x.shape[1], len(x), *x.shape[2:]).transpose(1, 0, 2, 3)


def batch_norm_scale_and_shift(x, gamma, beta, eps):
    """As one factor and one summand for each channel."""
    factor = gamma / np.sqrt(np.var(x, (0, 2, 3)) + eps)
    shift = beta - factor * np.mean(x, (0, 2, 3))
    return np.einsum("nchw,c->nchw", x, factor) + shift[:, None, None]


def batch_norm_input_steps(g, x, gamma, eps):
    """Step by step through the graph, as autograd goes."""
    axes, M = (0, 2, 3), x.size // x.shape[1]
    centred = x - x.mean(axes, keepdims=True)
    variance = (centred**2).mean(axes, keepdims=True)
    root = np.sqrt(variance + eps)
    d_normal = g * gamma.reshape(1, -1, 1, 1)
    d_root = -(d_normal * centred).sum(axes, keepdims=True) / root**2
    d_variance = d_root / (2 * root)
    d_centred = d_normal / root + 2 * centred * d_variance / M
    return d_centred - d_centred.sum(axes, keepdims=True) / M


def batch_norm_input_channels(g, x, gamma, eps):
    dx = np.empty(x.shape)
    for c in range(x.shape[1]):
        a, h = x[:, c], g[:, c]
        M, s = a.size, (a.var() + eps) ** 0.5
        y = (a - a.mean()) / s
        dx[:, c] = gamma[c] / (M * s) * (M * h - h.sum() - y * (h * y).sum())
    return dx


def batch_norm_input_jacobian(g, x, gamma, eps):
    dx = np.empty(x.shape)
    for c in range(x.shape[1]):
        a = x[:, c].ravel()
        s = np.sqrt(a.var() + eps)
        y = (a - a.mean()) / s
        jacobian = gamma[c] / s * (np.eye(a.size) - 1 / a.size - np.outer(y, y) / a.size)
        dx[:, c] = (jacobian @ g[:, c].ravel()).reshape(x[:, c].shape)
    return dx


def dropout_where(x, mask, p):
    return np.array(x) if mask is None else np.where(mask == 1, x / (1 - p), 0)


def dropout_loops(x, mask, p):
    y = x.copy()
    if mask is not None:
        for i in np.ndindex(*x.shape):
            y[i] = x[i] / (1 - p) if mask[i] else 0
    return y


def dropout_scaled_mask(x, mask, p):
    scale = np.ones(x.shape) if mask is None else mask * (1 / (1 - p))
    return scale * x


ANSWERS = {
    "max_pool2d": [max_pool2d_loops, max_pool2d_windows, max_pool2d_shifts],
    "max_pool2d_input": [max_pool2d_input_scan, max_pool2d_input_add_at, max_pool2d_input_shifts],
    "avg_pool2d_input": [avg_pool2d_input_loops, avg_pool2d_input_matrices],
    "linear": [
        linear_loops,
        lambda x, w, b: np.einsum("ni,oi->no", x, w) + b,
        lambda x, w, b: np.c_[x, np.ones(len(x))] @ np.c_[w, b].T,
    ],
    "linear_grads": [
        linear_grads_loops,
        linear_grads_one_product,
        lambda g, x, w: (g @ w, np.einsum("no,ni->oi", g, x), np.ones(len(g)) @ g),
    ],
    "relu_input": [
        relu_input_where,
        lambda g, x: np.where(x > 0, g, 0),
        lambda g, x: g * np.heaviside(x, 0),
        lambda g, x: g * (np.sign(x) + np.abs(np.sign(x))) / 2,
    ],
    "network": [network_loops, network_masks, network_by_ones],
    "features": [features_loops, features_tensordot, features_as_convolution],
    "softmax": [softmax_loops, softmax_logsumexp, softmax_differences],
    "softmax_input": [softmax_input_jacobian, softmax_input_loops, softmax_input_logarithms],
    "batch_norm": [batch_norm_loops, batch_norm_rows, batch_norm_scale_and_shift],
    "batch_norm_input": [batch_norm_input_steps, batch_norm_input_channels, batch_norm_input_jacobian],
    "dropout": [dropout_where, dropout_loops, dropout_scaled_mask],
}
