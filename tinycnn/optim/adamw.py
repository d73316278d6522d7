"""AdamW: Adam with decoupled weight decay."""

from tinycnn.kernels.arrays import Array

from .adam import Adam
from .optimizer import Group, Parameters


class AdamW(Adam):
    """Adam with decoupled weight decay: theta <- theta * (1 - lr * weight_decay), then Adam's step.

    Adam divides the penalty's gradient by sqrt(v), so weights with large gradients decay less. Here
    all weights decay by the same factor.

    References
    ----------
    Loshchilov & Hutter 2019, Decoupled weight decay regularization.
    """

    decay_is_gradient = False

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        l1: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, l1=l1, amsgrad=amsgrad)

    def update(self, theta: Array, g: Array, state: dict[str, Array], t: int, group: Group) -> None:
        """Make one step of one parameter."""
        theta *= 1 - group["lr"] * group["weight_decay"]
        super().update(theta, g, state, t, group)
