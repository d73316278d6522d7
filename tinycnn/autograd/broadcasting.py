"""Gradients of inputs that were broadcast."""

from __future__ import annotations

from typing import Any

from tinycnn.tensor import Tensor

from . import wrong
from .function import Function


def fitted(node: Function, i: int, share: Any) -> Any:
    """Return a gradient of input `i`, a tensor or an array, in the input's shape and dtype.

    An input that was broadcast was used once for each copy, so its gradient is the sum over the copies.
    """
    parent = node.parents[i]
    assert parent is not None
    if share.shape != parent.shape:
        new = share.ndim - len(parent.shape)
        sizes = (1,) * new + parent.shape
        if new < 0 or any(size not in (1, to) for size, to in zip(sizes, share.shape, strict=True)):
            raise wrong.shape(node, i, share.shape)
        dims = tuple(d for d, size in enumerate(sizes) if d < new or size != share.shape[d])
        share = share.sum(dims).reshape(parent.shape)
    if share.dtype != parent.dtype:
        share = share.to(parent.dtype) if isinstance(share, Tensor) else share.astype(parent.dtype)
    return share
