"""The differentiable operations, one family a file: equation, forward, derivative.

Every derivative is written in differentiable operations itself, so gradients of gradients work everywhere.
Importing this package gives `Tensor` its operators.
"""

from . import methods as _methods  # noqa: F401  (attaches the operators)
from .activation import leaky_relu, log_softmax, relu, sigmoid, softmax, softplus, tanh
from .arithmetic import abs, add, clip, div, exp, log, mul, neg, pow, sqrt, sub, where
from .broadcasting import broadcast_to
from .convolution import conv2d, conv_transpose2d
from .dropout import dropout
from .indexing import gather, index
from .linear import linear, matmul
from .loss import binary_cross_entropy_with_logits, cross_entropy, l1_loss, mse_loss, nll_loss
from .normalisation import batch_norm, instance_norm
from .pooling import (
    avg_pool2d,
    global_avg_pool2d,
    global_max_pool2d,
    max_pool2d,
    min_pool2d,
    sum_pool2d,
    upsample_nearest,
)
from .reduction import logsumexp, max, mean, min, sum, var
from .shape import concatenate, flatten, pad, permute, reshape, stack, to, transpose

__all__ = [
    "abs",
    "add",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "broadcast_to",
    "clip",
    "concatenate",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "div",
    "dropout",
    "exp",
    "flatten",
    "gather",
    "global_avg_pool2d",
    "global_max_pool2d",
    "index",
    "instance_norm",
    "l1_loss",
    "leaky_relu",
    "linear",
    "log",
    "log_softmax",
    "logsumexp",
    "matmul",
    "max",
    "max_pool2d",
    "mean",
    "min",
    "min_pool2d",
    "mse_loss",
    "mul",
    "neg",
    "nll_loss",
    "pad",
    "permute",
    "pow",
    "relu",
    "reshape",
    "sigmoid",
    "softmax",
    "softplus",
    "sqrt",
    "stack",
    "sub",
    "sum",
    "sum_pool2d",
    "tanh",
    "to",
    "transpose",
    "upsample_nearest",
    "var",
    "where",
]
