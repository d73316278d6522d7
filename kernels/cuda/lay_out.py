"""The weights of a convolution as rungs 5, 6 and 8 read them: padded to whole tiles, results innermost.

They are laid out once a call. After that, each row of a tile is one run of memory, and no thread has to ask
whether a weight is there.
"""

from __future__ import annotations

from .direct import unravel
from .launch import Launch
from .target import ZERO, cuda, divide, int32, kernel

COPIERS = 128  # threads of a block


@kernel(COPIERS)
def lay_out_kernel(w, weights, G, TAPS, C, M, CP, MP, transposed):
    """Every thread writes one element of the weights (G, TAPS, CP, MP): one of w, or a zero."""
    number = int32(cuda.grid(1))
    if number < G * TAPS * CP * MP:
        row, c, m = unravel(number, CP, MP)
        group = divide(row, TAPS)
        tap = int32(row - group * TAPS)
        value = ZERO
        if c < C and m < M:
            first, second, count = m, c, C  # w is (G, M, C, TAPS)
            if transposed:
                first, second, count = c, m, M  # w is (G, C, M, TAPS)
            value = w[int32((group * C * M + first * count + second) * TAPS + tap)]
        weights[number] = value


def laying_out(G: int, taps: int, C: int, M: int, CP: int, MP: int, transposed: bool) -> Launch:
    """Return the launch that lays out w (G, M, C, taps), or `transposed` (G, C, M, taps): w, weights."""
    numbers = (G, taps, C, M, CP, MP, int(transposed))
    return lay_out_kernel.prepared((-(-G * taps * CP * MP // COPIERS),), (COPIERS,), "ff", numbers)
