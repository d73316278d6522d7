"""What all update rules share: the parameters in groups, their options, and a state that can be saved."""

from collections.abc import Iterable, Mapping
from typing import Any

from tinycnn import backend as _backend
from tinycnn import gpu
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

from . import wrong
from .saved import Saved

Group = dict[str, Any]  # "params", and each option of the rule by its name
Parameters = Iterable[Tensor] | Iterable[Group]


class Option:
    """An option of an optimizer: read, it is the first group's; set, it is set for all groups."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: type) -> Any:
        return self if optimizer is None else optimizer.param_groups[0][self.name]

    def __set__(self, optimizer: Any, value: Any) -> None:
        for group in optimizer.param_groups:
            group[self.name] = value


class Optimizer(Saved):
    """Changes parameters in place along their gradients (Eq. 7).

    Parameters
    ----------
    params
        The tensors to change, or groups of them, each a dict of ``params`` and the options that differ from
        those of the optimizer: ``[{"params": head.parameters(), "lr": 0.1}, {"params": body.parameters()}]``.
        Frozen ones, which require no gradient, are skipped for as long as they are frozen.
    lr
        Learning rate.
    weight_decay
        l2 of the penalty l2/2 * sum theta^2 (Eq. 8), whose gradient l2 * theta is added.
    l1
        Of the penalty ``l1 * sum |theta|`` (Eq. 8), whose gradient l1 * sign(theta) is added.

    Attributes
    ----------
    param_groups
        The groups, one if none were given. ``optimizer.lr`` and the other options are those of the first;
        setting one sets it for all.
    params
        The tensors of all groups, in order.
    state
        One dict of arrays for each parameter, by the names in ``slots``.
    steps
        How many steps each parameter made.

    Raises
    ------
    TypeError, ValueError
        For what is no leaf, or no tensor; a parameter that comes twice; no parameters, or only frozen ones;
        an option that is unknown or out of range.
    """

    slots: tuple[str, ...] = ()
    decay_is_gradient = True  # weight decay adds to the gradient; in AdamW it does not
    lr, weight_decay, l1 = Option(), Option(), Option()

    def __init__(self, params: Parameters, **options: Any) -> None:
        self.defaults = options
        self.param_groups: list[Group] = []
        self.params: list[Tensor] = []
        self.steps: list[int] = []
        self.state: list[dict[str, Array]] = []
        if isinstance(params, Module | Tensor):
            raise wrong.parameters(params)
        given = list(params)
        groups = [item for item in given if isinstance(item, Mapping)]
        if groups and len(groups) < len(given):
            raise TypeError("give parameters, or groups of them as dicts, not both in one list")
        for group in groups or [{"params": given}]:
            self.add_param_group(group)
        if not any(p.requires_grad for p in self.params):
            raise wrong.all_frozen()

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters; see `params`."""
        if unknown := group.keys() - self.defaults.keys() - {"params", "name"}:
            raise wrong.options(self.defaults, unknown)
        params = group.get("params", ())
        params = [params] if isinstance(params, Tensor) else list(params)
        if not params:
            raise ValueError("an optimizer needs at least one parameter in each group")
        options = {**self.defaults, **group, "params": params}
        self.check_options(options)
        known = {id(p) for p in self.params}
        for i, p in enumerate(params, start=len(self.params)):
            if not isinstance(p, Tensor) or not p.is_leaf:
                raise wrong.parameter(i, p)
            if id(p) in known:
                raise ValueError("a parameter is given twice: it would be changed twice in every step")
            known.add(id(p))
        slots = self.slots_for(options)
        try:
            state = [{slot: array_module(p.data).zeros_like(p.data) for slot in slots} for p in params]
        except MemoryError as error:
            gpu.raise_out_of_memory(error, f"the state of {type(self).__name__}")
            raise
        self.param_groups.append(options)
        self.params += params
        self.steps += [0] * len(params)
        self.state += state

    def check_belongs_to(self, *trained: Module, name: str = "optimizer") -> None:
        """Raise ValueError unless all parameters are those of the modules `trained`."""
        own = {id(p) for module in trained for p in module.parameters()}
        if others := [p for p in self.params if id(p) not in own]:
            raise wrong.owner(name, others, len(self.params), trained[0])

    def slots_for(self, options: Group) -> tuple[str, ...]:
        """Return the names of the arrays that are kept for each parameter of a group."""
        return self.slots

    def check_options(self, options: Group) -> None:
        """Raise ValueError if an option is out of range."""
        for name in ("lr", "weight_decay", "l1"):
            check_range(name, options[name])

    def group_of(self, i: int) -> Group:
        """Return the group with parameter number `i`."""
        for group in self.param_groups:
            if i < len(group["params"]):
                return group
            i -= len(group["params"])
        raise IndexError(f"there are {len(self.params)} parameters")

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for p in self.params:
            p.grad = None

    def step(self) -> None:
        """Make one step; parameters that are frozen or have no gradient stay as they are."""
        i = 0
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None and p.requires_grad:
                    self.update_parameter(i, p, group)
                i += 1

    def update_parameter(self, i: int, p: Tensor, group: Group) -> None:
        """Make the next step of parameter number `i`, and count it."""
        try:
            self.update(p.data, self.penalised(p, group), self.state_of(i, p), self.steps[i] + 1, group)
        except MemoryError as error:
            gpu.raise_out_of_memory(error, f"a step of {type(self).__name__}")
            raise
        self.steps[i] += 1
        p.mark_dirty()

    def state_of(self, i: int, p: Tensor) -> dict[str, Array]:
        """Return the arrays of parameter number `i`, moved to the backend where the parameter is now."""
        state = self.state[i]
        for slot, array in state.items():
            if type(array) is not type(p.data):
                state[slot] = _backend.to_backend(array, p.backend)
        return state

    def penalised(self, p: Tensor, group: Group) -> Array:
        """Return the gradient of the loss with the penalties of Eq. 8."""
        assert p.grad is not None
        g = p.grad.data
        if group["weight_decay"] and self.decay_is_gradient:
            g = g + group["weight_decay"] * p.data
        if group["l1"]:
            g = g + group["l1"] * array_module(g).sign(p.data)
        return g

    def update(self, theta: Array, g: Array, state: dict[str, Array], t: int, group: Group) -> None:
        """Change one parameter, `theta`, in place.

        Parameters
        ----------
        theta, g
            The parameter and its gradient.
        state
            Its arrays, by the names in ``slots``.
        t
            Which of its steps this is, from 1.
        group
            Its options, ``group["lr"]`` and so on.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update()")


def check_range(name: str, value: float, below: float = float("inf")) -> None:
    """Raise ValueError unless 0 <= value < below."""
    if not 0 <= value < below:
        raise wrong.out_of_range(name, value, below)
