"""Tiles and numbers of pieces: those that the kernels choose from, and others that might be better."""

from collections.abc import Callable, Iterator
from typing import Any

from tinycnn.kernels.cuda import few_results
from tinycnn.kernels.cuda import register_tiles as sums
from tinycnn.kernels.cuda import weight_tiles as weights
from tinycnn.kernels.cuda.gather import Gather
from tinycnn.kernels.cuda.tile_product import Tile

from .machine import SIMULATED, library

OTHER_SUMS = (
    Tile(32, 32, 8, 4, 4),
    Tile(64, 64, 16, 8, 4),
    Tile(128, 128, 16, 8, 8),
    Tile(64, 128, 8, 8, 8),
)
OTHER_WEIGHTS = (Tile(128, 128, 16, 8, 8), Tile(64, 64, 16, 8, 4))
SMALL = (Tile(16, 16, 4, 4, 4),)  # for the simulator
MOST_BLOCKS = 2000  # with more than these, pieces only make more to add


def variants(geometry: Any, x: Any, w: Any, g: Any) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield tiles and pieces, those that are chosen from and others: direction, name, work."""
    xp = library()
    outs = xp.empty_like(g), xp.empty_like(x)
    for tile in [few_results.TILE, *(SMALL if SIMULATED else [*sums.TILES, *OTHER_SUMS])]:
        name = "x".join(map(str, tile[:3]))
        for direction, source, out, gather, transposed in (
            ("forward", x, outs[0], Gather.output(geometry), False),
            ("input", g, outs[1], Gather.input(geometry), True),
        ):
            few = tile == few_results.TILE
            if (few and gather.M > few_results.MOST) or (not few and gather.M < 3):
                continue
            steps = -(-gather.C // tile.BK)
            blocks = sums.grid(gather, tile)[0] * sums.grid(gather, tile)[1] * sums.grid(gather, tile)[2]
            for pieces in (1, 2, 4, 8, 32):
                if pieces > 1 and (pieces > steps or blocks * pieces > MOST_BLOCKS):
                    continue

                def work(source=source, out=out, gather=gather, t=transposed, tile=tile, p=pieces) -> Any:
                    assert sums.write_sums(source, w, out, gather, t, tile, pieces=p)
                    return out

                yield direction, f"{name}/{pieces}", work
    out = xp.empty_like(w)
    for tile in SMALL if SIMULATED else [*weights.TILES, *OTHER_WEIGHTS]:
        name = "x".join(map(str, tile[:3]))
        across, down, G = weights.grid(geometry, tile)
        blocks = across * down * G
        steps = -(-geometry.N * geometry.OH * geometry.OW // tile.BK)
        chosen = {max(1, min(steps, round_ * 264 // blocks)) for round_ in (1, 2, 4)}
        for pieces in sorted({1 if SIMULATED else 16, *chosen}):

            def add_up(tile=tile, p=pieces) -> Any:
                assert weights.write_weight(x, g, out, geometry, tile, p)
                return out

            yield "weight", f"{name}/{pieces}", add_up
