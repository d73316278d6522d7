"""What all update rules share: the parameters, the learning rate and a state that can be saved."""

from collections.abc import Iterable, Mapping
from typing import Any

from tinycnn import backend as _backend
from tinycnn import gpu
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.state import copy_by_name
from tinycnn.tensor import Tensor


class Optimizer:
    """Changes parameters in place along their gradients (Eq. 7).

    Parameters
    ----------
    params
        The tensors to change; each must require a gradient.
    lr
        Learning rate.
    weight_decay
        l2 of the penalty l2/2 * sum theta^2 (Eq. 8), whose gradient l2 * theta is added.
    l1
        Of the penalty ``l1 * sum |theta|`` (Eq. 8), whose gradient l1 * sign(theta) is added.

    Attributes
    ----------
    state
        One dict of arrays for each parameter, by the names in ``slots``.
    steps
        How many steps each parameter made.
    """

    slots: tuple[str, ...] = ()

    def __init__(
        self, params: Iterable[Tensor], lr: float, weight_decay: float = 0.0, l1: float = 0.0
    ) -> None:
        self.params = list(params)
        if not self.params:
            raise ValueError("an optimizer needs at least one parameter")
        for i, p in enumerate(self.params):
            if not isinstance(p, Tensor) or not p.requires_grad or not p.is_leaf:
                raise ValueError(f"parameter {i} is no leaf that requires a gradient: {p!r:.80}")
        if len({id(p) for p in self.params}) < len(self.params):
            raise ValueError("a parameter is given twice: it would be changed twice in every step")
        check_range("lr", lr)
        check_range("weight_decay", weight_decay)
        check_range("l1", l1)
        self.lr, self.weight_decay, self.l1 = lr, weight_decay, l1
        self.steps = [0] * len(self.params)
        with gpu.explained(f"the state of {type(self).__name__}"):
            self.state: list[dict[str, Array]] = [
                {slot: array_module(p.data).zeros_like(p.data) for slot in self.slots} for p in self.params
            ]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for p in self.params:
            p.grad = None

    def step(self) -> None:
        """Make one step; parameters without a gradient stay as they are."""
        with gpu.explained(f"a step of {type(self).__name__}"):
            for i, (p, state) in enumerate(zip(self.params, self.state, strict=True)):
                if p.grad is None:
                    continue
                for slot, array in state.items():
                    if type(array) is not type(p.data):  # the parameter was moved to another backend
                        state[slot] = _backend.to_backend(array, p.backend)
                self.update(p.data, self.penalised(p), state, self.steps[i] + 1)
                self.steps[i] += 1
                p.mark_dirty()

    def penalised(self, p: Tensor) -> Array:
        """Return the gradient of the loss with the penalties of Eq. 8."""
        assert p.grad is not None
        g = p.grad.data
        if self.weight_decay:
            g = g + self.weight_decay * p.data
        if self.l1:
            g = g + self.l1 * array_module(g).sign(p.data)
        return g

    def update(self, theta: Array, g: Array, state: dict[str, Array], t: int) -> None:
        """Change one parameter, `theta`, in place, given its gradient `g`; it is its step `t`, from 1."""
        raise NotImplementedError(f"{type(self).__name__} has no update()")

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next steps depend on: ``steps``, ``lr`` and each slot of each parameter."""
        arrays = {f"{i}.{slot}": a for i, state in enumerate(self.state) for slot, a in state.items()}
        return {"steps": list(self.steps), "lr": self.lr, **arrays}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`.

        Raises
        ------
        ValueError
            Names what is missing, unexpected or misshapen; then nothing was changed.
        """
        own = {f"{i}.{slot}": a for i, slots in enumerate(self.state) for slot, a in slots.items()}
        given = {key: value for key, value in state.items() if key not in ("steps", "lr")}
        problems = [f"missing {key}" for key in ("steps", "lr") if key not in state]
        if len(state.get("steps", self.steps)) != len(self.params):
            problems.append(f"steps of {len(state['steps'])} parameters, not {len(self.params)}")
        copy_by_name(f"this state does not fit {type(self).__name__}", own, given, problems)
        self.steps, self.lr = list(state["steps"]), float(state["lr"])


def check_range(name: str, value: float, below: float = float("inf")) -> None:
    """Raise ValueError unless 0 <= value < below."""
    if not 0 <= value < below:
        raise ValueError(
            f"{name} must be at least 0{f' and below {below}' if below < 1e9 else ''}, got {value}"
        )
