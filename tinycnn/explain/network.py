"""Steps of a whole network on one image, layer by layer."""

import copy
from typing import Any

import numpy as np

from tinycnn.nn import Module
from tinycnn.tensor import Tensor

from .calls import gradient_of
from .layers import backward as backward_step
from .layers import forward, keep_gradients, recorder_of, run_layers
from .steps import Explanation


def network(model: Module, x: Any, *, backward: bool = False, gradient: Any = None) -> Explanation:
    """Explain `model` on one image, layer by layer; the model itself stays as it is.

    The image is called ``a0``, the outputs of the layers ``a1``, ``a2``, ... in the order they ran. What goes
    into layer 2 and is no layer's output (a sum, say) is called ``x2``.

    Parameters
    ----------
    model
        Any module.
    x
        One image, (C, H, W) or (1, C, H, W); of a model that takes rows, (in,) or (1, in).
    backward, gradient
        See `explain`.

    Raises
    ------
    ValueError
        For more than one image.
    """
    array = x.numpy() if isinstance(x, Tensor) else np.asarray(x, np.float32)
    if array.ndim in (1, 3):
        array = array[None]
    if array.ndim not in (2, 4) or len(array) != 1:
        raise ValueError(f"a network is explained on one image, (C, H, W) or (1, C, H, W), got {array.shape}")
    model = copy.deepcopy(model).to("numpy")
    image = Tensor(array.astype(np.float32), requires_grad=True, backend="numpy")
    layers, y = run_layers(model, image)
    rec = recorder_of(type(model).__name__, image, layers)
    for layer in layers:
        forward(rec, layer)
    if backward:
        seed = np.zeros(y.shape, y.dtype)
        seed.ravel()[y.numpy().argmax()] = 1
        y.backward(seed if gradient is None else gradient_of(y, gradient))
        keep_gradients(rec, layers)
        for layer in reversed(layers):
            backward_step(rec, layer)
    return rec.explanation(f"a{len(layers)}")
