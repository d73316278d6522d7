"""The numbers that an operation is explained on: small ones that can be checked by hand, or your own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .cells import Cells
from .own import read_input, read_kernel


@dataclass
class Setup:
    """What an operation is explained on. None stands for the operation's own choice.

    Attributes
    ----------
    size, batch_size, channels, filters, stride, padding, dilation, groups
        H and W (or how many numbers), N, C, K, S, P, D and G.
    kernel
        KH and KW, or a kernel: its name or its rows; see `tinycnn.explain.own.read_kernel`.
    statistic
        Of a pool.
    label_smoothing, lr, p, sparsity
        Of a cross-entropy, of an update, of dropout, of pruning.
    input, weight
        Files; see `tinycnn.explain.own.read_input`.
    cells
        Which elements have steps; see `tinycnn.explain.explain`.
    backward
        Whether gradients have steps.
    seed
        Of the numbers.
    model, run_folder
        A network; see `tinycnn.explain.own.network`.
    layer
        Whose output is a feature vector; see `tinycnn.explain.features.features`.
    image, invert
        A picture in a file, and whether to make dark bright; by default a test digit.
    watch
        How often to repeat a training step.
    """

    size: int | None = None
    batch_size: int | None = None
    channels: int | None = None
    filters: int | None = None
    kernel: str | None = None
    stride: int | None = None
    padding: int | None = None
    dilation: int | None = None
    groups: int | None = None
    statistic: str | None = None
    label_smoothing: float | None = None
    lr: float | None = None
    p: float | None = None
    sparsity: float | None = None
    input: Path | None = None
    weight: Path | None = None
    cells: Cells | None = None
    backward: bool = False
    seed: int = 0
    model: str | None = None
    run_folder: Path | None = None
    layer: str | None = None
    image: Path | None = None
    invert: bool = False
    watch: int | None = None

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def some(self, shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
        """Return small whole numbers, which can be checked by hand."""
        return self.rng.integers(low, high + 1, shape).astype(np.float32)

    def factors(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return weights or gradients, -2 to 3 without 0: no product vanishes, no row is all the same."""
        return self._shuffled([-2, -1, 1, 2, 3], shape)

    def _shuffled(self, values: list[int], shape: tuple[int, ...]) -> np.ndarray:
        """Return all of the values in some order, again and again, the same one never twice in a row."""
        found: list[int] = []
        while len(found) < np.prod(shape):
            more = self.rng.permutation(values).tolist()
            if found[-1:] != more[:1]:
                found += more
        return np.resize(found, shape).astype(np.float32)

    def images(self, size: int = 5, batch: int = 1) -> np.ndarray:
        """Return the input (N, C, H, W)."""
        if self.input is None:
            side = self.size or size
            return self.some((self.batch_size or batch, self.channels or 1, side, side), 0, 5)
        return self._own(2, 4, "(H, W), (C, H, W) or (N, C, H, W)")

    def rows(self, size: int) -> np.ndarray:
        """Return the input (N, in)."""
        if self.input is None:
            shape = self.batch_size or 2, self.size or size
            return self._shuffled([-2, -1, 0, 1, 2, 3], shape)
        return self._own(1, 2, "(in,) or (N, in)")

    def weights(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the weight, of this shape if it is not the user's."""
        kernel = self.own_kernel()
        if kernel is not None:
            if self.weight is not None:
                raise ValueError("a kernel is a weight: give one of the two")
            return np.broadcast_to(kernel, (*shape[:2], *kernel.shape)).copy()
        if self.weight is None:
            return self.factors(shape)
        array = read_input(self.weight)
        if not 1 <= array.ndim <= len(shape):
            raise ValueError(
                f"{self.weight}: the weight must have at most {len(shape)} dimensions, got {array.shape}"
            )
        return array.reshape((1,) * (len(shape) - array.ndim) + array.shape)

    def kernel_size(self, otherwise: int) -> int:
        """Return KH and KW."""
        if self.kernel is not None and not self.kernel.isdigit():
            raise ValueError(f"a size is needed, not the kernel {self.kernel!r}")
        return int(self.kernel or otherwise)

    def own_kernel(self) -> np.ndarray | None:
        """Return the kernel that was named or written, or None if there is at most a size."""
        if self.kernel is None or self.kernel.isdigit():
            return None
        return read_kernel(self.kernel)

    def window(self) -> dict[str, Any]:
        """Return stride, padding and dilation as pairs."""
        values = {"stride": self.stride or 1, "padding": self.padding or 0, "dilation": self.dilation or 1}
        return {name: (value, value) for name, value in values.items()}

    def _own(self, least: int, most: int, shapes: str) -> np.ndarray:
        assert self.input is not None
        is_array = self.input.suffix.lower() == ".npy"
        for name in ("size", "batch_size", "channels"):
            if getattr(self, name) is not None and (is_array or name != "size"):
                raise ValueError(f"the sizes are those of the input file: leave {name} out")
        array = read_input(self.input, self.size)
        if not least <= array.ndim <= most:
            raise ValueError(f"{self.input}: the input must be {shapes}, got {array.shape}")
        return array.reshape((1,) * (most - array.ndim) + array.shape)
