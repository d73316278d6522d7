"""The rungs, from naive to fast: each is the contract of `tinycnn.kernels` for convolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..arrays import Array
from ..geometry import Geometry
from . import (
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

# Writes the third array from the first two; returns whether it could, at this geometry.
Write = Callable[[Array, Array, Array, Geometry], bool]
# The same, with a bias to add, one number a channel or None, and whether to apply ReLU.
WriteAll = Callable[[Array, Array, Array, Geometry, Array | None, bool], bool]


@dataclass(frozen=True)
class Rung:
    """One version of the three convolutions; what it cannot do, the rung `below` does."""

    below: Rung | None = None
    output: Write | None = None
    input: Write | None = None
    weight: Write | None = None
    output_and_epilogue: WriteAll | None = None
    input_and_epilogue: WriteAll | None = None

    def conv2d(
        self, x: Array, w: Array, geometry: Geometry, bias: Array | None = None, relu: bool = False
    ) -> Array:
        """Return y (N, K, OH, OW), the convolution of `x` with `w`, plus `bias` (K,): Eq. 1.

        And apply ReLU, if asked for.
        """
        x, w = ready(x, w)
        y = result(x, geometry.y_shape)
        self._write("output", x, w, y, geometry, bias, relu)
        return y

    def conv2d_input(
        self, g: Array, w: Array, geometry: Geometry, bias: Array | None = None, relu: bool = False
    ) -> Array:
        """Return d<g, conv2d(x, w)>/dx (N, C, H, W), plus `bias` (C,) for a transposed convolution.

        And apply ReLU, if asked for.
        """
        g, w = ready(g, w)
        x = result(g, geometry.x_shape)
        self._write("input", g, w, x, geometry, bias, relu)
        return x

    def conv2d_weight(self, x: Array, g: Array, geometry: Geometry) -> Array:
        """Return d<g, conv2d(x, w)>/dw (K, C/G, KH, KW)."""
        x, g = ready(x, g)
        w = result(x, geometry.w_shape)
        self._write("weight", x, g, w, geometry, None, False)
        return w

    def _write(
        self,
        direction: str,
        a: Array,
        b: Array,
        out: Array,
        geometry: Geometry,
        bias: Array | None,
        relu: bool,
    ) -> None:
        if bias is not None:
            (bias,) = ready(bias)
            if bias.shape != out.shape[1:2]:
                raise ValueError(f"the bias must have the shape {out.shape[1:2]}, got {bias.shape}")
        with_epilogue: WriteAll | None = getattr(self, f"{direction}_and_epilogue", None)
        if with_epilogue and with_epilogue(a, b, out, geometry, bias, relu):
            return
        plain: Write | None = getattr(self, direction)
        if plain and plain(a, b, out, geometry):
            finish(out, bias, relu)
        elif self.below:
            self.below._write(direction, a, b, out, geometry, bias, relu)


DIRECT = Rung(None, *direct.WRITES)
COALESCED = Rung(DIRECT, *coalesced.WRITES)
SHARED = Rung(COALESCED, shared_tiles.write_output)
GEMM = Rung(SHARED, implicit_gemm.write_output)
REGISTERS = Rung(GEMM, register_tiles.write_output, register_tiles.write_input, weight_tiles.write_weight)
# The top: rung 6, and rung 7 for the gradient by the weights, the direction in which a GPU found it faster.
EPILOGUE = Rung(
    REGISTERS,
    weight=weight_tiles.write_weight_async,
    output_and_epilogue=epilogue.write_output,
    input_and_epilogue=epilogue.write_input,
)

# Rung 8, and what is less exact than it: each only for those who ask for it by name.
OPT_IN = {
    "tf32x3": replace(EPILOGUE, below=EPILOGUE, **tensor_cores.WRITES[tensor_cores.tf32x3]),
    "tf32": replace(EPILOGUE, below=EPILOGUE, **tensor_cores.WRITES[tensor_cores.tf32]),
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
    direct=DIRECT,
    coalesced=COALESCED,
    shared=SHARED,
    gemm=GEMM,
    registers=REGISTERS,
    epilogue=EPILOGUE,
)


def rung_of(name: str) -> Rung:
    """Return the rung of this name, one for those who ask for it included.

    Raises
    ------
    KeyError
        If there is none.
    """
    return OPT_IN[name] if name in OPT_IN else RUNGS[name]
