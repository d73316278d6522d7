"""What is wrong with an operation's inputs: functions that return the error to raise."""

import math
from collections.abc import Sequence
from typing import Any

from tinycnn.tensor import Tensor

Shape = tuple[int, ...]
PYTORCHS_IGNORED = -100  # by default; here nothing is left out unless it is asked for


def no_tensors(name: str, inputs: Sequence[Any]) -> TypeError:
    """Return the error for lists among the inputs of the operation `name`."""
    kinds = ", ".join(type(x).__name__ for x in inputs)
    return TypeError(f"{name} takes tensors or arrays, got {kinds}: make tensors of lists with Tensor()")


def no_elements(name: str, shape: Shape, dims: Shape) -> ValueError:
    """Return the error for a mean of nothing."""
    return ValueError(
        f"{name} of no elements: {shape} over the dimensions {dims}. PyTorch's {name} is nan here, or an "
        "error too; leave an empty batch out"
    )


def images(name: str, shape: Shape, C: int | None) -> ValueError:
    """Return the error for a shape that is not (N, C, H, W), and the fix if it is clear."""
    channels = "" if C is None else f" with C={C}"
    return ValueError(
        f"{name}: the input must be (N, C, H, W){channels}, got shape {shape}{_image_fix(shape, C)}"
    )


def _image_fix(shape: tuple[int, ...], C: int | None) -> str:
    """Return what to do about a wrong shape, if that is clear."""
    if len(shape) == 4:
        return ": these are (N, H, W, C); x.permute(0, 3, 1, 2) makes them (N, C, H, W)"
    if len(shape) == 3 and shape[0] == C:
        return ": this is one image (C, H, W) without N; x[None] adds it"
    if len(shape) == 3 and shape[2] == C:
        return ": this is one image (H, W, C); x.permute(2, 0, 1)[None] makes it (N, C, H, W)"
    if len(shape) == 3 and C == 1:
        return ": these are grey images (N, H, W) without C; x[:, None] adds it"
    if len(shape) == 3 and C is None:
        return ": if this is one image (C, H, W) without N, x[None] adds it"
    if len(shape) == 2 and C in (1, None):
        return ": this is one grey image (H, W); x[None, None] adds N and C"
    return ""


def inner_sizes(a: Shape, b: Shape) -> ValueError:
    """Return the error for a matrix product whose rows and columns differ in length."""
    return ValueError(
        f"matmul: {a} @ {b}: the last size of the first, {a[-1]}, "
        f"must equal the second's last but one, {b[-2 if len(b) > 1 else 0]}"
    )


def outer_sizes(a: Shape, b: Shape) -> ValueError:
    """Return the error for stacks of matrices that are not broadcast to each other."""
    return ValueError(
        f"matmul: {a} @ {b}: the sizes before the last two must be equal or 1, got {a[:-2]} and {b[:-2]}"
    )


def dense(x_shape: Shape, w_shape: Shape) -> ValueError:
    """Return the error for an input of a dense layer that does not end in the size its weight has."""
    return ValueError(
        f"linear: the input {x_shape} must end in in={w_shape[1]} for the weight (out, in)="
        f"{w_shape}{_dense_fix(x_shape, w_shape[1])}"
    )


def _dense_fix(shape: tuple[int, ...], size: int) -> str:
    """Return what to do about an input that does not end in `size`, if that is clear."""
    if len(shape) == 2:
        return f"; in={shape[1]} would fit this input"
    if len(shape) != 4:
        return ""
    flat = math.prod(shape[1:])
    fix = "; put Flatten() in front of this layer"
    return fix if flat == size else f"{fix}, and make it in={flat}"


def bias(name: str, channels: int, shape: Shape) -> ValueError:
    """Return the error for a bias of another size than the number of channels."""
    return ValueError(f"{name}: the bias must have one number for each channel, ({channels},), got {shape}")


def labels(name: str, shape: Shape, t: Tensor) -> Exception:
    """Return the error for an input that takes no labels, or for labels that do not fit its shape."""
    if len(shape) < 2:
        return ValueError(f"{name}: the input must be (N, K) or (N, K, H, W), got shape {shape}")
    if t.dtype.kind not in "iu":
        return TypeError(f"{name}: labels must be integers, got {t.dtype}{_label_fix(name, shape, t)}")
    return ValueError(
        f"{name}: labels for the input {shape} must have shape {(shape[0], *shape[2:])}, got "
        f"{t.shape}{_label_fix(name, shape, t)}"
    )


def _label_fix(name: str, shape: Shape, t: Tensor) -> str:
    """Return what to do about one-hot rows given as labels."""
    if t.shape != shape:
        return ""
    if name == "cross_entropy":
        return "; probabilities and one-hot rows of the input's shape are taken as floats"
    return "; labels.argmax(1) turns one-hot rows into labels"


def label_range(name: str, lowest: int, highest: int, K: int, what: str) -> ValueError:
    """Return the error for labels outside 0 to K-1."""
    hint = f"; ignore_index={lowest} leaves such labels out" if lowest == PYTORCHS_IGNORED else ""
    return ValueError(f"{name}: labels go from 0 to K-1={K - 1}{what}, got {lowest} to {highest}{hint}")
