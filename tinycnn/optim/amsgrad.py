"""AMSGrad: Adam with the largest v so far in the place of v; see `tinycnn.optim.adam`.

So the size of a step in one direction does not grow again after a large gradient is forgotten.
"""

import math
from collections.abc import Mapping
from typing import Any

from tinycnn.kernels.arrays import Array, array_module


def amsgrad(
    theta: Array, g: Array, m: Array, v: Array, v_max: Array, group: Mapping[str, Any], t: int
) -> None:
    """Make step `t`, from 1, in place."""
    beta1, beta2 = group["betas"]
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * g * g
    v_max[...] = array_module(v).maximum(v_max, v)
    denominator = array_module(v).sqrt(v_max) / math.sqrt(1 - beta2**t) + group["eps"]
    theta -= group["lr"] / (1 - beta1**t) * m / denominator
