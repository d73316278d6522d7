"""The output and its gradient by the input as one and the same sum, which rung 5 computes."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ..geometry import Geometry
from .direct import unravel
from .launch import LAUNCHES
from .pace import Work
from .target import device, divide, int32


class Gather(NamedTuple):
    """One sum over (r, s, c), with a source that it reads and results that it writes, in each of G groups.

    Result cell (oh, ow) of class (ah, aw), that is oh = row*AH + ah, reads at (r, s) the source's row
    ``row*STEP_H + (ah + FIRST_H + r*PITCH_H) / AH``, where AH divides, and its column likewise.
    """

    N: int
    C: int  # channels of the source in a group
    H: int
    W: int
    M: int  # channels of the result in a group
    OH: int
    OW: int
    KH: int
    KW: int
    G: int
    AH: int
    AW: int
    STEP_H: int
    STEP_W: int
    FIRST_H: int
    FIRST_W: int
    PITCH_H: int
    PITCH_W: int

    @staticmethod
    @lru_cache(LAUNCHES)
    def output(geometry: Geometry) -> Gather:
        """Return conv2d as such a sum: row = oh*SH - PH + r*DH."""
        N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
        return Gather(N, C // G, H, W, K // G, OH, OW, KH, KW, G, 1, 1, SH, SW, -PH, -PW, DH, DW)

    @staticmethod
    @lru_cache(LAUNCHES)
    def input(geometry: Geometry) -> Gather:
        """Return conv2d_input as such a sum: row = (i + PH - r*DH) / SH."""
        N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
        return Gather(N, K // G, OH, OW, C // G, H, W, KH, KW, G, SH, SW, 1, 1, PH, PW, -DH, -DW)

    @property
    def out_shape(self) -> tuple[int, int, int, int]:
        """The shape of the result."""
        return self.N, self.G * self.M, self.OH, self.OW

    @property
    def work(self) -> Work:
        """The matrix of sums of each group and class: channels of the result by pixels."""
        pixels = self.N * -(-self.OH // self.AH) * -(-self.OW // self.AW)
        taps = -(-self.KH // self.AH) * -(-self.KW // self.AW)
        return Work(self.M, pixels, self.C, self.G * self.AH * self.AW, taps)


@device
def part_of_block(gather, pieces, z):
    """Return the piece, group and class (ah, aw) of block `z`, and the rows and columns of that class."""
    N, C, H, W, M, OH, OW, KH, KW, G, AH, AW, STEP_H, STEP_W, FIRST_H, FIRST_W, PITCH_H, PITCH_W = gather
    group, ah, aw = unravel(divide(z, pieces), AH, AW)
    return int32(z % pieces), group, ah, aw, divide(OH - ah + AH - 1, AH), divide(OW - aw + AW - 1, AW)
