"""What an optimizer saves, and continues from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinycnn.kernels.arrays import Array
from tinycnn.state import copy_by_name

from . import wrong

if TYPE_CHECKING:
    from tinycnn.tensor import Tensor


class Saved:
    """The methods of `Optimizer` for a state that can be saved."""

    param_groups: list[dict[str, Any]]
    params: list["Tensor"]
    steps: list[int]
    state: list[dict[str, Array]]

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next steps depend on: ``steps``, ``lr`` and each slot of each parameter.

        ``lr`` is a number, or a list of one number for each group if there are several groups.
        """
        arrays = {f"{i}.{slot}": a for i, state in enumerate(self.state) for slot, a in state.items()}
        lr = [group["lr"] for group in self.param_groups]
        return {"steps": list(self.steps), "lr": lr if len(lr) > 1 else lr[0], **arrays}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`.

        Raises
        ------
        ValueError
            Names what is missing, unexpected or does not fit; then nothing was changed.
        """
        own = {f"{i}.{slot}": a for i, slots in enumerate(self.state) for slot, a in slots.items()}
        given = {key: value for key, value in state.items() if key not in ("steps", "lr")}
        problems = wrong.counts(state, len(self.params), len(self.param_groups))
        copy_by_name(f"this state does not fit {type(self).__name__}", own, given, problems)
        self.steps = list(state["steps"])
        lr = state["lr"] if isinstance(state["lr"], list | tuple) else [state["lr"]]
        for group, number in zip(self.param_groups, lr, strict=True):
            group["lr"] = float(number)
