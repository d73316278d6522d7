"""Errors of autograd: each function returns the error that its caller raises."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinycnn.tensor import Tensor

    from .function import Function


def no_tensor(node: Function, value: Any) -> TypeError:
    """Return the error for a list, or anything else that is no tensor, among the inputs."""
    return TypeError(
        f"{node.name} takes tensors or arrays, got {type(value).__name__}: "
        "make tensors of lists with Tensor()"
    )


def called_before(node: Function) -> RuntimeError:
    """Return the error for a second call of one instance."""
    return RuntimeError(f"{node.name} was called before: an instance is one use, make one for each")


def no_result(node: Function) -> TypeError:
    """Return the error for a forward without a result."""
    return TypeError(f"{node.name}.forward returned None: it must return the result")


def keeps(node: Function, name: str) -> AttributeError:
    """Return the error for a name in ``keeps`` that names nothing."""
    return AttributeError(
        f"{node.name} keeps {name!r}: it is no parameter of forward{inspect.signature(node.forward)}, "
        "not 'y' for the result, and no attribute"
    )


def freed(node: Function) -> RuntimeError:
    """Return the error for a second walk through a graph."""
    return RuntimeError(
        f"{node.name}: the graph was walked before and what it kept is freed; "
        "to walk it twice, call the first backward() or grad() with retain_graph=True"
    )


def changed(node: Function, kept: Tensor) -> RuntimeError:
    """Return the error for an array that was changed after it was kept."""
    return RuntimeError(
        f"{node.name} saved an array of shape {kept.shape} for backward, and it was changed in place since: "
        "the gradient would be wrong. Make a new tensor instead (x = x + 1), or change it after backward()"
    )


def count(node: Function, found: int) -> RuntimeError:
    """Return the error for a backward that returns too many gradients, or too few."""
    return RuntimeError(f"{node.name}.backward returned {found} gradients for {len(node.parents)} inputs")


def shape(node: Function, i: int, found: tuple[int, ...]) -> RuntimeError:
    """Return the error for a gradient of input number `i` that does not have this input's shape."""
    parent = node.parents[i]
    assert parent is not None
    return RuntimeError(
        f"{node.name}.backward returned a gradient of shape {found} for its input {i} of shape {parent.shape}"
    )


def no_start(y: Tensor) -> RuntimeError:
    """Return the error for a tensor that no gradient can start from."""
    if y.requires_grad:
        return RuntimeError(
            f"a gradient starts from one number, but this tensor has shape {y.shape}: "
            "take its sum() or mean(), or give the gradient of that shape"
        )
    return RuntimeError(
        f"a tensor of shape {y.shape} that requires no gradient has none: set requires_grad=True on a "
        "leaf it is computed from, and compute it outside no_grad()"
    )
