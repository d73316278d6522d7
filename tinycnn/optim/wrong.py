"""What is wrong with something an optimizer was given: functions that return the error to raise."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

from tinycnn.nn import Module
from tinycnn.tensor import Tensor


def parameters(given: Module | Tensor) -> TypeError:
    """Return the error for a module or a tensor in the place of a list of parameters."""
    if isinstance(given, Module):
        return TypeError(f"give the parameters of the {type(given).__name__}: model.parameters()")
    return TypeError("give a list of parameters, or model.parameters(), not one tensor: [parameter]")


def parameter(i: int, p: Any) -> Exception:
    """Return the error for parameter number `i` that is no leaf, or no tensor."""
    if isinstance(p, tuple) and len(p) == 2 and isinstance(p[1], Tensor):
        return TypeError(
            f"parameter {i} is a pair (name, parameter): give parameters() instead of named_parameters()"
        )
    if not isinstance(p, Tensor):
        return TypeError(f"parameter {i} is no tensor: {p!r:.80}")
    return ValueError(
        f"parameter {i} of shape {p.shape} is no leaf: it was computed from others, so a step would "
        "change it for this once; give the parameters it was computed from"
    )


def all_frozen() -> ValueError:
    """Return the error for parameters of which none would be changed."""
    return ValueError(
        "no parameter requires a gradient, so nothing would be trained: set requires_grad = True"
    )


def out_of_range(name: str, value: float, below: float) -> ValueError:
    """Return the error for an option that is negative, or not less than `below`."""
    limit = f" and below {below}" if below < float("inf") else ""
    return ValueError(f"{name} must be at least 0{limit}, got {value}")


def options(known: Iterable[str], unknown: Iterable[str]) -> ValueError:
    """Return the error for options of a group that the rule does not have."""
    return ValueError(f"a group has the options {', '.join(known)}, not {', '.join(sorted(unknown))}")


def owner(name: str, others: Sequence[Tensor], count: int, trained: Module) -> ValueError:
    """Return the error for parameters that are not those of the network which is trained."""
    return ValueError(
        f"{name}: {len(others)} of its {count} parameters, the first of shape {others[0].shape}, are not "
        f"parameters of the {type(trained).__name__} that is trained: make the {name} with its own "
        "parameters(), after the network was copied or replaced"
    )


def counts(state: Mapping[str, Any], params: int, groups: int) -> list[str]:
    """Return what is wrong with ``steps`` and ``lr`` of a saved state."""
    problems = [f"missing {key}" for key in ("steps", "lr") if key not in state]
    steps, lr = state.get("steps", [0] * params), state.get("lr", [0.0] * groups)
    lr = lr if isinstance(lr, list | tuple) else [lr]
    if not (isinstance(steps, list | tuple) and all(type(n) is int and n >= 0 for n in steps)):
        problems.append("steps must be a list of counts")
    elif len(steps) != params:
        problems.append(f"steps of {len(steps)} parameters, not {params}")
    if not all(isinstance(number, Real) and 0 <= float(number) < float("inf") for number in lr):
        problems.append("lr must be a learning rate, or a list of them")
    elif len(lr) != groups:
        problems.append(f"lr of {len(lr)} groups, not {groups}")
    return problems
