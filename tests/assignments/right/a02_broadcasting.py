import numpy as np


# %% your code
class Tensor:
    """An array, its gradient, its parents, and the function that makes gradients for them."""

    def __init__(self, data, parents=(), gradients=None):
        self.data, self.grad, self.parents, self.gradients = np.asarray(data, float), None, parents, gradients

    def backward(self):
        """Set grad of every tensor that this one, a single number, was made of."""
        order, seen = [], set()

        def visit(tensor):
            if id(tensor) not in seen:
                seen.add(id(tensor))
                for parent in tensor.parents:
                    visit(parent)
                order.append(tensor)

        visit(self)
        self.grad = np.ones(self.data.shape)
        for tensor in reversed(order):
            if tensor.gradients is None:
                continue
            for parent, g in zip(tensor.parents, tensor.gradients(tensor.grad), strict=True):
                parent.grad = g if parent.grad is None else parent.grad + g


def unbroadcast(g, shape):
    """Return g, summed to the shape that was broadcast to g's."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    return g.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)


def add(a, b):
    """Return a + b."""

    def gradients(g):
        return unbroadcast(g, a.data.shape), unbroadcast(g, b.data.shape)

    return Tensor(a.data + b.data, (a, b), gradients)


def mul(a, b):
    """Return a * b."""

    def gradients(g):
        return unbroadcast(g * b.data, a.data.shape), unbroadcast(g * a.data, b.data.shape)

    return Tensor(a.data * b.data, (a, b), gradients)


def total(a):
    """Return the sum of all numbers of a."""
    return Tensor(a.data.sum(), (a,), lambda g: (np.full(a.data.shape, g),))
