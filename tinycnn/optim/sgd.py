"""Gradient descent, with momentum."""

from collections.abc import Iterable

from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor

from .optimizer import Optimizer, check_range


class SGD(Optimizer):
    """Stochastic gradient descent (Eq. 7).

    ::

        plain       theta <- theta - lr * g
        momentum    v <- momentum * v + g           theta <- theta - lr * v
        Nesterov    v <- momentum * v + g           theta <- theta - lr * (g + momentum * v)

    Parameters
    ----------
    params, lr, weight_decay, l1
        See `Optimizer`.
    momentum
        In [0, 1): how much of the last step is kept.
    nesterov
        Look one momentum step ahead.

    References
    ----------
    Sutskever et al. 2013, On the importance of initialization and momentum; PyTorch's form of it.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        l1: float = 0.0,
    ) -> None:
        check_range("momentum", momentum, below=1)
        if nesterov and not momentum:
            raise ValueError("nesterov needs a momentum above 0")
        self.momentum, self.nesterov = momentum, nesterov
        self.slots = ("velocity",) if momentum else ()
        super().__init__(params, lr, weight_decay, l1)

    def update(self, theta: Array, g: Array, state: dict[str, Array], t: int) -> None:
        """Make one step of one parameter."""
        if self.momentum:
            v = state["velocity"]
            v *= self.momentum
            v += g
            g = g + self.momentum * v if self.nesterov else v
        theta -= self.lr * g
