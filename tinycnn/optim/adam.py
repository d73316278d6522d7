"""Adam: steps of about lr in every direction, for gradients of any scale."""

from tinycnn.dispatch import kernels_for
from tinycnn.kernels.arrays import Array

from .amsgrad import amsgrad
from .optimizer import Group, Optimizer, Option, Parameters, check_range


class Adam(Optimizer):
    """Adam.

    ::

        m <- beta1 * m + (1 - beta1) * g            the gradient's mean
        v <- beta2 * v + (1 - beta2) * g^2          its mean square
        theta <- theta - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    m and v start at 0, which makes them too small at first; dividing by 1 - beta^t corrects that.

    Parameters
    ----------
    params, lr, weight_decay, l1
        See `Optimizer`.
    betas
        (beta1, beta2), each in [0, 1).
    eps
        Is added to the divisor, which may be 0.
    amsgrad
        Whether to divide by the largest v so far; see `tinycnn.optim.amsgrad`.

    References
    ----------
    Kingma & Ba 2015, Adam: a method for stochastic optimization. Reddi, Kale & Kumar 2018, On the convergence
    of Adam and beyond (AMSGrad).
    """

    slots = ("m", "v")
    betas, eps, amsgrad = Option(), Option(), Option()

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        l1: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, l1=l1, amsgrad=amsgrad
        )

    def slots_for(self, options: Group) -> tuple[str, ...]:
        """Return the names of the arrays that are kept for each parameter of a group."""
        return (*self.slots, "v_max") if options["amsgrad"] else self.slots

    def check_options(self, options: Group) -> None:
        """Raise ValueError if an option is out of range."""
        super().check_options(options)
        check_range("beta1", options["betas"][0], below=1)
        check_range("beta2", options["betas"][1], below=1)
        check_range("eps", options["eps"])

    def update(self, theta: Array, g: Array, state: dict[str, Array], t: int, group: Group) -> None:
        """Make one step of one parameter."""
        m, v = state["m"], state["v"]
        if "v_max" in state:
            amsgrad(theta, g, m, v, state["v_max"], group, t)
        else:
            kernels_for(theta).adam(theta, g, m, v, group["lr"], group["betas"], group["eps"], t)
