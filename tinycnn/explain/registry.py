"""`explain`: from an operation to its steps."""

import inspect
from collections.abc import Callable
from typing import Any

from tinycnn import functional as F
from tinycnn.functional.cards import CARDS
from tinycnn.kernels.im2col import col2im, im2col
from tinycnn.nn import Module
from tinycnn.optim import Optimizer
from tinycnn.tensor import Tensor

from . import (
    columns,
    convolution,
    cross_entropy,
    dense,
    elementwise,
    joining,
    layers,
    losses,
    normalisation,
    pooling,
    reducing,
    softmax,
    training,
    update,
    walk,
)
from .adversarial import gan_step, penalty
from .calls import Call
from .cells import Cells
from .features import features
from .images import random_pixels, rule_pixels
from .pruning import pruning
from .schedule import schedule
from .scores import scores
from .steps import Explanation

EXPLAINED_BY: dict[Callable[[Call], Explanation], tuple[Callable[..., Any], ...]] = {
    convolution.convolution: (F.conv2d, F.conv_transpose2d),
    columns.im2col: (im2col,),
    columns.col2im: (col2im,),
    pooling.extreme_pool2d: (F.max_pool2d, F.min_pool2d, F.global_max_pool2d),
    pooling.sum_pool2d: (F.sum_pool2d, F.avg_pool2d, F.global_avg_pool2d),
    dense.linear: (F.linear,),
    elementwise.dropout: (F.dropout,),
    softmax.softmax: (F.softmax,),
    cross_entropy.cross_entropy: (F.cross_entropy,),
    losses.compare: (F.binary_cross_entropy_with_logits, F.mse_loss, F.l1_loss),
    normalisation.batch_norm: (F.batch_norm,),
    normalisation.instance_norm: (F.instance_norm,),
    joining.arithmetic: (F.add, F.sub, F.mul, F.div, F.pow),
    reducing.gathered: (F.concatenate, F.sum, F.mean, F.index, F.permute),
    elementwise.elementwise: tuple(card.function for card in CARDS.values() if card.elementwise),
}
EXPLAINERS = {function: explainer for explainer, functions in EXPLAINED_BY.items() for function in functions}
# Explain more than one operation; they take arguments of their own.
COMPOUND = [training.training_step, gan_step, penalty, features, pruning, schedule, scores]
COMPOUND += [random_pixels, rule_pixels]
OPERATIONS = {function.__name__: function for function in EXPLAINERS}


def explain(
    operation: Any,
    *args: Any,
    backward: bool = False,
    gradient: Any = None,
    cells: Cells | None = None,
    **options: Any,
) -> Explanation:
    """Run an operation on the engine and return every step of it, forward and, if asked, backward.

    Parameters
    ----------
    operation
        One of `tinycnn.functional` or its name (`OPERATIONS` lists them), ``im2col`` or ``col2im`` of
        `tinycnn.kernels.im2col`; a `Module`, layer by layer on one image; an `Optimizer`, whose next update
        is explained; `autograd` (also ``Tensor.backward``), node by node; or `training_step`, `gan_step`,
        `penalty`, `features`, `pruning`, `schedule` or `scores`.
    args, options
        Those of the operation: tensors, arrays or nested lists. They stay as they are.
    backward
        Explain the gradients, too.
    gradient
        dL/dy, of y's shape. By default ones: L is the sum of y. Of a Module by default 1 for its largest
        output, 0 for the others.
    cells
        Which elements to step through, by array: ``{"y": [(0, 0, 1, 2)], "dL/dx": numpy.s_[0, 0, :2, :2]}``.
        By default all.

    Raises
    ------
    TypeError, ValueError
        For an operation that has no steps (lists those there are), for arguments that the operation refuses,
        and if there are too many steps or terms (the message says the limit, and how to choose a part).

    Examples
    --------
    >>> from tinycnn import functional as F
    >>> from tinycnn.explain import explain
    >>> steps = explain(F.conv2d, [[[[1, 2, 3], [4, 5, 6]]]], [[[[-1, 1]]]], backward=True)
    >>> steps[0].numbers
    'y[0,0,0,0] = 1·(-1) + 2·1 = 1'
    >>> steps.steps_of("dL/dx")[1].numbers
    'dL/dx[0,0,0,1] = 1·1 + 1·(-1) = 0'
    """
    if isinstance(operation, Optimizer):
        if args or options or backward or gradient is not None:
            raise TypeError("an optimizer is explained alone, from the gradients its parameters have")
        return update.update(operation, cells)
    if isinstance(operation, Module):
        if cells is not None:
            raise TypeError("a module is explained layer by layer: explain one layer's operation with cells=")
        return layers.network(operation, *args, backward=backward, gradient=gradient, **options)
    if any(operation is compound for compound in COMPOUND):
        return operation(*args, **options)
    if operation in ("autograd", Tensor.backward) or operation is walk.autograd:
        return walk.autograd(*args, **options)
    function = OPERATIONS.get(operation) if isinstance(operation, str) else operation
    try:
        explainer = EXPLAINERS[function]  # type: ignore[index]
    except (KeyError, TypeError):
        name = operation if isinstance(operation, str) else getattr(operation, "__name__", repr(operation))
        raise ValueError(
            f"{name} cannot be explained; there are {', '.join(OPERATIONS)}, a Module, an Optimizer, "
            "autograd, " + ", ".join(whole.__name__ for whole in COMPOUND)
        ) from None
    assert function is not None
    if backward and function in (im2col, col2im):
        other = "col2im" if function is im2col else "im2col"
        raise ValueError(f"{function.__name__} has no backward steps of its own: its derivative is {other}")
    bound = inspect.signature(function).bind(*args, **options)
    shown = {
        name: value
        for name, value in bound.arguments.items()
        if name in options and isinstance(value, int | float | str | tuple | None)
    }
    bound.apply_defaults()
    call = Call(function.__name__, function, bound.arguments, backward, gradient, cells, shown)
    return explainer(call)
