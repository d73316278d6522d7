"""The rungs, from naive to fast: each is the contract of `tinycnn.kernels` for convolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..arrays import Array
from ..geometry import Geometry
from . import (
    async_tiles,
    coalesced,
    direct,
    epilogue,
    implicit_gemm,
    register_tiles,
    shared_tiles,
    tensor_cores,
    weight_tiles,
)
from .operands import finish, ready, result

# Writes the third array from the first two; returns whether it could, at this geometry. With an epilogue it
# takes a bias to add as well, one number a channel or None, and whether to apply ReLU.
Write = Callable[..., bool]


@dataclass(frozen=True)
class Rung:
    """One version of the three convolutions; what it cannot do, the rung `below` does."""

    below: Rung | None = None
    output: Write | None = None
    input: Write | None = None
    weight: Write | None = None
    epilogue: bool = False  # of output and input: bias and ReLU are part of the same kernel

    def conv2d(
        self, x: Array, w: Array, geometry: Geometry, bias: Array | None = None, relu: bool = False
    ) -> Array:
        """Return y (N, K, OH, OW), the convolution of `x` with `w`, plus `bias` (K,): Eq. 1.

        And apply ReLU, if asked for.
        """
        x, w = ready(x, w)
        y = result(x, geometry.y_shape)
        self._write("output", x, w, y, geometry, *_ending(y, bias, relu))
        return y

    def conv2d_input(
        self, g: Array, w: Array, geometry: Geometry, bias: Array | None = None, relu: bool = False
    ) -> Array:
        """Return d<g, conv2d(x, w)>/dx (N, C, H, W), plus `bias` (C,) for a transposed convolution.

        And apply ReLU, if asked for.
        """
        g, w = ready(g, w)
        x = result(g, geometry.x_shape)
        self._write("input", g, w, x, geometry, *_ending(x, bias, relu))
        return x

    def conv2d_weight(self, x: Array, g: Array, geometry: Geometry) -> Array:
        """Return d<g, conv2d(x, w)>/dw (K, C/G, KH, KW)."""
        x, g = ready(x, g)
        w = result(x, geometry.w_shape)
        self._write("weight", x, g, w, geometry)
        return w

    def _write(
        self, direction: str, a: Array, b: Array, out: Array, geometry: Geometry, *ending: Any
    ) -> None:
        """Write `out` from `a` and `b`; `ending` is its bias and whether ReLU is applied, if it has one."""
        write: Write | None = getattr(self, direction)
        with_ending = ending if self.epilogue else ()
        if write and write(a, b, out, geometry, *with_ending):
            if ending and not with_ending:
                finish(out, *ending)
        elif self.below:
            self.below._write(direction, a, b, out, geometry, *ending)


def _ending(out: Array, bias: Array | None, relu: bool) -> tuple[Array | None, bool]:
    """Return bias and ReLU, as kernels take them, of a result.

    Raises
    ------
    ValueError
        If the bias has not one number for each channel.
    """
    if bias is not None:
        (bias,) = ready(bias)
        if bias.shape != out.shape[1:2]:
            raise ValueError(f"the bias must have the shape {out.shape[1:2]}, got {bias.shape}")
    return bias, relu


DIRECT = Rung(None, *direct.WRITES)
COALESCED = Rung(DIRECT, *coalesced.WRITES)
SHARED = Rung(COALESCED, shared_tiles.write_output)
GEMM = Rung(SHARED, implicit_gemm.write_output)
REGISTERS = Rung(GEMM, register_tiles.write_output, register_tiles.write_input, weight_tiles.write_weight)
EPILOGUE = Rung(REGISTERS, epilogue.write_output, epilogue.write_input, epilogue=True)  # what is chosen
ASYNC = Rung(EPILOGUE, weight=async_tiles.write_weight)  # rung 7: a GPU found it no faster

# Rung 8, and what is less exact than it: each only for those who ask for it by name.
OPT_IN = {
    product_of.__name__: Rung(EPILOGUE, **writes, epilogue=True)
    for product_of, writes in tensor_cores.WRITES.items()
}


class Ladder(dict[str, Rung]):
    """The rungs by name; an unknown name is refused with those that there are."""

    def __missing__(self, name: str) -> Rung:
        """Raise KeyError."""
        renamed = (
            " (the rung with bias and ReLU in it was called 'fused' and is called 'epilogue' now; 'fused' "
            "are the kernels that CuPy compiles, tinycnn.use(kernels='fused'))"
        )
        listed = ", ".join(map(repr, (*RUNGS, *OPT_IN)))
        raise KeyError(f"unknown rung {name!r}; there are {listed}{renamed if name == 'fused' else ''}")


RUNGS = Ladder(
    {
        "direct": DIRECT,
        "coalesced": COALESCED,
        "shared": SHARED,
        "gemm": GEMM,
        "registers": REGISTERS,
        "epilogue": EPILOGUE,
        "async": ASYNC,
    }
)


def rung_of(name: str) -> Rung:
    """Return the rung of this name, one for those who ask for it included.

    Raises
    ------
    KeyError
        If there is none.
    """
    return OPT_IN[name] if name in OPT_IN else RUNGS[name]
