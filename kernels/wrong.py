"""Errors about sizes. Each names every size, and what would fit. Most functions return it, to be raised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .geometry import Geometry

Pair = tuple[int, int]


def dimensions(x_shape: Sequence[int], w_shape: Sequence[int]) -> ValueError:
    """Return the error for an input or a weight that has not four dimensions."""
    if len(x_shape) != 4:
        return ValueError(f"the input must be (N, C, H, W), got shape {tuple(x_shape)}")
    return ValueError(f"the weight must be (K, C/G, KH, KW), got shape {tuple(w_shape)}")


def channels(x_shape: Sequence[int], w_shape: Sequence[int], G: int) -> ValueError:
    """Return the error for a weight of other channels than the input's, or of none."""
    C, needed = x_shape[1], w_shape[1] * G
    if needed == C:
        return ValueError(f"no size of the weight {tuple(w_shape)} may be 0")
    fits = f"a weight that fits is (K, {C // G}, KH, KW)" if C % G == 0 else no_groups(G, "C", C)
    return ValueError(
        f"convolution: the input {tuple(x_shape)} has C={C} channels, but a weight {tuple(w_shape)} "
        f"with G={G} needs C={needed}; {fits}"
    )


def no_groups(G: int, name: str, size: int) -> str:
    """Return that G groups do not divide some channels, and which numbers of groups do."""
    fits = [d for d in range(1, size + 1) if size % d == 0]
    return f"G={G} groups do not divide {name}={size} channels; G that fit: {fits}"


def pooled(x_shape: Sequence[int]) -> ValueError:
    """Return the error for an input of pooling that has not four dimensions, or no cell."""
    if len(x_shape) != 4:
        return ValueError(f"the input must be (N, C, H, W), got shape {tuple(x_shape)}")
    return ValueError(f"pooling: H and W must be at least 1, got (N, C, H, W)={tuple(x_shape)}")


def windows(what: str, size: Pair, kernel: Pair, padding: Pair, dilation: Pair, longest: int) -> ValueError:
    """Return the error for a window that does not fit into the padded input, or for one that is too large."""
    (H, W), (KH, KW), (PH, PW), (DH, DW) = size, kernel, padding, dilation
    span, padded = (DH * (KH - 1) + 1, DW * (KW - 1) + 1), (H + 2 * PH, W + 2 * PW)
    if span[0] > padded[0] or span[1] > padded[1]:
        return ValueError(
            f"{what}: kernel (KH, KW)=({KH}, {KW}) with dilation (DH, DW)=({DH}, {DW}) spans {span}, which "
            f"does not fit into the input (H, W)=({H}, {W}) with padding (PH, PW)=({PH}, {PW}), that is "
            f"{padded}; use a smaller kernel or dilation, or more padding"
        )
    return ValueError(
        f"{what}: the input (H, W)=({H}, {W}) with padding (PH, PW)=({PH}, {PW}) would be {padded}; a side "
        f"may have at most {longest:,} cells: use less padding"
    )


def too_much_padding(kernel: Pair, padding: Pair, dilation: Pair) -> ValueError:
    """Return the error for padding of more than half a pooling window."""
    (KH, KW), (PH, PW), (DH, DW) = kernel, padding, dilation
    half = (DH * (KH - 1) + 1) // 2, (DW * (KW - 1) + 1) // 2
    return ValueError(
        f"pooling: padding (PH, PW)=({PH}, {PW}) may be at most half the window, {half} for kernel "
        f"(KH, KW)=({KH}, {KW}) with dilation (DH, DW)=({DH}, {DW})"
    )


def windows_of_padding(size: Pair, padding: Pair, dilation: Pair) -> ValueError:
    """Return the error for a pooling window without a cell of the input."""
    (H, W), (PH, PW), (DH, DW) = size, padding, dilation
    return ValueError(
        f"pooling: with dilation (DH, DW)=({DH}, {DW}) a window lies wholly in the padding "
        f"(PH, PW)=({PH}, {PW}) around the input (H, W)=({H}, {W}); use less padding or dilation"
    )


def refuse_windows_of_padding(geometry: Geometry) -> None:
    """Raise ValueError if a pooling window could lie wholly in the padding, with no cell to choose."""
    _, _, H, W, _, KH, KW, SH, SW, PH, PW, DH, DW, _, OH, OW = geometry
    if DH * (KH - 1) + 1 < 2 * PH or DW * (KW - 1) + 1 < 2 * PW:
        raise too_much_padding((KH, KW), (PH, PW), (DH, DW))
    # Without dilation half a window cannot miss the input.
    if max(DH, DW) > 1 and (_misses(H, KH, SH, PH, DH, OH) or _misses(W, KW, SW, PW, DW, OW)):
        raise windows_of_padding((H, W), (PH, PW), (DH, DW))


def _misses(size: int, kernel: int, stride: int, padding: int, dilation: int, windows: int) -> bool:
    """Return whether some window meets no input cell."""
    starts = range(-padding, windows * stride - padding, stride)
    return any(all(not 0 <= start + r * dilation < size for r in range(kernel)) for start in starts)
