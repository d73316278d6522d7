import numpy as np
from a02_broadcasting import Tensor


# %% your code
def slices(size, kernel_size, stride):
    """Yield each cell (r, s) of the filter, and the slice of x that it meets."""
    (H, W), (KH, KW) = size, kernel_size
    OH, OW = (H - KH) // stride + 1, (W - KW) // stride + 1
    for r, s in np.ndindex(KH, KW):
        yield (
            r,
            s,
            np.s_[:, :, r : r + stride * (OH - 1) + 1 : stride, s : s + stride * (OW - 1) + 1 : stride],
        )


def im2col(x, kernel_size, stride):
    """Return the patches of x as columns (N, C*KH*KW, OH*OW), their cells as in w.reshape(K, -1)."""
    (N, C, H, W), (KH, KW) = x.shape, kernel_size
    OH, OW = (H - KH) // stride + 1, (W - KW) // stride + 1
    columns = np.empty((N, C, KH, KW, OH, OW))
    for r, s, at in slices((H, W), kernel_size, stride):
        columns[:, :, r, s] = x[at]
    return columns.reshape(N, C * KH * KW, OH * OW)


def col2im(columns, size, kernel_size, stride):
    """Return the adjoint of im2col: every copy is added to the cell it came from, in (N, C, H, W)."""
    (H, W), (KH, KW) = size, kernel_size
    OH, OW = (H - KH) // stride + 1, (W - KW) // stride + 1
    columns = columns.reshape(len(columns), -1, KH, KW, OH, OW)
    x = np.zeros((*columns.shape[:2], H, W))
    for r, s, at in slices(size, kernel_size, stride):
        x[at] += columns[:, :, r, s]
    return x


def conv2d(x, w, stride=1):
    """Return the convolution of the tensors x and w as one matrix product, as a Tensor."""
    (N, _, H, W), (K, _, KH, KW) = x.data.shape, w.data.shape
    OH, OW = (H - KH) // stride + 1, (W - KW) // stride + 1
    columns, rows = im2col(x.data, (KH, KW), stride), w.data.reshape(K, -1)

    def gradients(g):
        g = g.reshape(N, K, OH * OW)
        dw = (g @ columns.swapaxes(1, 2)).sum(axis=0)
        return col2im(rows.T @ g, (H, W), (KH, KW), stride), dw.reshape(w.data.shape)

    return Tensor((rows @ columns).reshape(N, K, OH, OW), (x, w), gradients)
