"""The output and its gradient by the input as one and the same sum, which rung 5 computes."""

from __future__ import annotations

from typing import NamedTuple

from ..geometry import Conv2dGeometry


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

    @classmethod
    def output(cls, geometry: Conv2dGeometry) -> Gather:
        """Return conv2d as such a sum: row = oh*SH - PH + r*DH."""
        N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
        return cls(N, C // G, H, W, K // G, OH, OW, KH, KW, G, 1, 1, SH, SW, -PH, -PW, DH, DW)

    @classmethod
    def input(cls, geometry: Conv2dGeometry) -> Gather:
        """Return conv2d_input as such a sum: row = (i + PH - r*DH) / SH."""
        N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
        return cls(N, K // G, OH, OW, C // G, H, W, KH, KW, G, SH, SW, 1, 1, PH, PW, -DH, -DW)
