import numpy as np
from a02_broadcasting import Tensor, add
from a03_two_layers import matmul, relu
from a05_fast_convolution import col2im, conv2d, im2col
from a06_pooling import flatten
from a07_batch_norm import batch_norm


# %% your code
def reshape(x, shape):
    """Return x with another shape, as a Tensor."""
    return Tensor(x.data.reshape(shape), (x,), lambda g: (g.reshape(x.data.shape),))


def tanh(x):
    """Return the hyperbolic tangent; its derivative is 1 - y^2."""
    y = np.tanh(x.data)
    return Tensor(y, (x,), lambda g: (g * (1 - y**2),))


def binary_cross_entropy(z, t):
    """Return the mean loss of the answers sigmoid(z) if all truths are t, one number from 0 to 1."""
    loss = t * np.logaddexp(0, -z.data) + (1 - t) * np.logaddexp(0, z.data)
    p = np.exp(-np.logaddexp(0, -z.data))
    return Tensor(loss.mean(), (z,), lambda g: (g * (p - t) / z.data.size,))


def conv_transpose2d(x, w, stride):
    """Return the transposed convolution of x (N, K, H, W) with w (K, C, KH, KW): (N, C, ..., ...)."""
    (N, K, H, W), (_, _, KH, KW) = x.data.shape, w.data.shape
    size = (H - 1) * stride + KH, (W - 1) * stride + KW
    rows, cells = w.data.reshape(K, -1), x.data.reshape(N, K, H * W)

    def gradients(g):
        columns = im2col(g, (KH, KW), stride)
        dw = (cells @ columns.swapaxes(1, 2)).sum(axis=0)
        return (rows @ columns).reshape(x.data.shape), dw.reshape(w.data.shape)

    return Tensor(col2im(rows.T @ cells, size, (KH, KW), stride), (x, w), gradients)


def G(z, parameters):
    """Return images (N, 1, 8, 8) between -1 and 1."""
    matrix, weight, bias, filters = parameters
    maps = reshape(matmul(z, matrix), (len(z.data), 16, 3, 3))
    return tanh(conv_transpose2d(relu(batch_norm(maps, weight, bias)), filters, 2))


def D(x, parameters):
    """Return logits (N, 1)."""
    filters, matrix, bias = parameters
    return add(matmul(flatten(relu(conv2d(x, filters, 2))), matrix), bias)


def train_D(real, z, of_G, of_D, optimizer):
    """Let D learn to tell real images from generated ones; return its loss. No gradient arrives at G."""
    optimizer.zero_grad()
    fake = Tensor(G(Tensor(z), of_G).data)
    on_real, on_fake = D(Tensor(real), of_D), D(fake, of_D)
    loss = add(binary_cross_entropy(on_real, 1.0), binary_cross_entropy(on_fake, 0.0))
    loss.backward()
    optimizer.step()
    return float(loss.data)


def train_G(z, of_G, of_D, optimizer):
    """Let G learn to be taken for real; return its loss. D stays as it is."""
    optimizer.zero_grad()
    loss = binary_cross_entropy(D(G(Tensor(z), of_G), of_D), 1.0)
    loss.backward()
    optimizer.step()
    return float(loss.data)
