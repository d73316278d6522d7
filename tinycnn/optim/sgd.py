"""Stochastic gradient descent, with and without momentum."""

from tinycnn.kernels.arrays import Array

from .optimizer import Group, Optimizer, Option, Parameters, check_range


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
        In [0, 1): the share of the last velocity that is kept.
    nesterov
        Step along the velocity of the next step, not of this one.

    References
    ----------
    Sutskever et al. 2013, On the importance of initialization and momentum; PyTorch's form of it.
    """

    momentum, nesterov = Option(), Option()

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        l1: float = 0.0,
    ) -> None:
        super().__init__(
            params, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov, l1=l1
        )

    def slots_for(self, options: Group) -> tuple[str, ...]:
        """Return the names of the arrays that are kept for each parameter of a group."""
        return ("velocity",) if options["momentum"] else ()

    def check_options(self, options: Group) -> None:
        """Raise ValueError if an option is out of range."""
        super().check_options(options)
        check_range("momentum", options["momentum"], below=1)
        if options["nesterov"] and not options["momentum"]:
            raise ValueError("nesterov needs a momentum above 0")

    def update(self, theta: Array, g: Array, state: dict[str, Array], t: int, group: Group) -> None:
        """Make one step of one parameter."""
        momentum = group["momentum"]
        if momentum:
            v = state["velocity"]
            v *= momentum
            v += g
            g = g + momentum * v if group["nesterov"] else v
        theta -= group["lr"] * g
