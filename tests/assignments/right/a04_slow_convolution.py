import numpy as np
from a02_broadcasting import Tensor


# %% your code
def conv2d_loops(x, w, stride):
    """Return y: y[n,k,oh,ow] is the sum of x[n, c, oh*stride + r, ow*stride + s] * w[k,c,r,s]."""
    (N, C, H, W), (K, _, KH, KW) = x.shape, w.shape
    y = np.zeros((N, K, (H - KH) // stride + 1, (W - KW) // stride + 1))
    for n, k, oh, ow in np.ndindex(*y.shape):
        for c, r, s in np.ndindex(C, KH, KW):
            y[n, k, oh, ow] += x[n, c, oh * stride + r, ow * stride + s] * w[k, c, r, s]
    return y


def conv2d_input_loops(g, w, size, stride):
    """Return dL/dx (N, C, H, W), for size = (H, W)."""
    dx = np.zeros((len(g), w.shape[1], *size))
    for n, k, oh, ow in np.ndindex(*g.shape):
        for c, r, s in np.ndindex(*w.shape[1:]):
            dx[n, c, oh * stride + r, ow * stride + s] += g[n, k, oh, ow] * w[k, c, r, s]
    return dx


def conv2d_weight_loops(x, g, kernel_size, stride):
    """Return dL/dw (K, C, KH, KW), for kernel_size = (KH, KW)."""
    dw = np.zeros((g.shape[1], x.shape[1], *kernel_size))
    for n, k, oh, ow in np.ndindex(*g.shape):
        for c, r, s in np.ndindex(*dw.shape[1:]):
            dw[k, c, r, s] += x[n, c, oh * stride + r, ow * stride + s] * g[n, k, oh, ow]
    return dw


def slow_conv2d(x, w, stride=1):
    """Return the convolution of the tensors x and w, as a Tensor."""

    def gradients(g):
        dx = conv2d_input_loops(g, w.data, x.data.shape[2:], stride)
        return dx, conv2d_weight_loops(x.data, g, w.data.shape[2:], stride)

    return Tensor(conv2d_loops(x.data, w.data, stride), (x, w), gradients)
