"""Tiles and numbers of pieces: those that the kernels choose from, and others that might be better."""

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

from tinycnn.kernels.cuda import few_results, tensor_cores
from tinycnn.kernels.cuda import register_tiles as sums
from tinycnn.kernels.cuda import weight_tiles as weights
from tinycnn.kernels.cuda.gather import Gather
from tinycnn.kernels.cuda.tile_product import Tile

from .machine import SIMULATED, library

# Tiles beside those that are chosen from, and numbers of stages: 1 is rung 5, more are rung 7.
BIG, MIDDLE, FLAT = Tile(128, 128, 8, 8, 8), Tile(64, 64, 8, 8, 4), Tile(32, 128, 8, 8, 4)
BIG16, MIDDLE16 = Tile(128, 128, 16, 8, 8), Tile(64, 64, 16, 8, 4)
SUMS = [
    *((tile, 1) for tile in (few_results.TILE, *sums.TILES)),
    *((tile, 3) for tile in (BIG, MIDDLE, FLAT, MIDDLE16, BIG16)),
    *((BIG, 4), (MIDDLE, 4)),
    *((tile, 1) for tile in (Tile(32, 32, 8, 4, 4), BIG, MIDDLE)),
]
WEIGHTS = [
    *((tile, 1) for tile in (*weights.TILES, BIG16, MIDDLE16)),
    *((tile, 3) for tile in (BIG, MIDDLE, MIDDLE16)),
    (BIG, 4),
]
TENSOR_CORES = tensor_cores.TILES
if SIMULATED:
    small = Tile(16, 16, 4, 4, 4)
    TENSOR_CORES = (Tile(16, 16, 8, 2, 4),)
    SUMS, WEIGHTS = [(few_results.TILE, 1), (small, 1), (small, 3)], [(small, 1), (small, 3)]
MOST_BLOCKS = 2000  # with more than these, pieces only make more to add


def variants(geometry: Any, x: Any, w: Any, g: Any) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield tiles, stages and pieces: direction, name, work."""
    xp = library()
    yield from of_sums(geometry, x, w, g, (xp.empty_like(g), xp.empty_like(x)))
    out = xp.empty_like(w)
    for tile, stages in WEIGHTS:
        across, down, G = weights.grid(geometry, tile)
        steps = -(-geometry.N * geometry.OH * geometry.OW // tile.BK)
        at_once = 264 if tile.threads == 256 else 528
        for rounds in (1, 2, 4):
            pieces = max(1, min(steps, rounds * at_once // (across * down * G)))

            def add_up(tile=tile, pieces=pieces, stages=stages) -> Any:
                assert weights.write_weight(x, g, out, geometry, tile, pieces, stages)
                return out

            yield "weight", name_of(tile, stages, pieces), add_up


def of_sums(
    geometry: Any, x: Any, w: Any, g: Any, outs: tuple[Any, Any]
) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield those of the output and of the gradient by the input."""
    for tile, stages in SUMS:
        few = tile == few_results.TILE
        for direction, source, out, gather, transposed in (
            ("forward", x, outs[0], Gather.output(geometry), False),
            ("input", g, outs[1], Gather.input(geometry), True),
        ):
            if (few and gather.M > few_results.MOST) or (not few and gather.M < 3):
                continue
            steps, blocks = -(-gather.C // tile.BK), prod(sums.grid(gather, tile))
            for pieces in (1, 2, 4, 8, 32):
                if pieces > 1 and (pieces > steps or blocks * pieces > MOST_BLOCKS):
                    continue

                def work(
                    a=source, out=out, gather=gather, turn=transposed, tile=tile, p=pieces, stages=stages
                ) -> Any:
                    assert sums.write_sums(a, w, out, gather, turn, tile, pieces=p, stages=stages)
                    return out

                yield direction, name_of(tile, stages, pieces), work


def on_tensor_cores(
    rung: str, geometry: Any, x: Any, w: Any, g: Any
) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield the tiles of rung 8, "tf32x3" or "tf32", each with the sum in one piece and in several."""
    product_of, xp = getattr(tensor_cores, rung), library()
    for direction, source, out, gather in (
        ("forward", x, xp.empty_like(g), Gather.output(geometry)),
        ("input", g, xp.empty_like(x), Gather.input(geometry)),
    ):
        for tile in TENSOR_CORES:
            for pieces in (1, 2):
                if pieces > -(-gather.C // tile.BK):
                    continue

                def work(a=source, out=out, gather=gather, d=direction, tile=tile, p=pieces) -> Any:
                    turn = d == "input"
                    assert sums.write_sums(a, w, out, gather, turn, tile, pieces=p, product_of=product_of)
                    return out

                yield direction, f"{rung} {name_of(tile, 1, pieces)}", work
    out = xp.empty_like(w)
    for tile in TENSOR_CORES if SIMULATED else tensor_cores.WEIGHT_TILES:
        for pieces in (1, weights.splits(geometry, tile)[-1]):

            def add_up(tile=tile, pieces=pieces) -> Any:
                assert weights.write_weight(x, g, out, geometry, tile, pieces, product_of=product_of)
                return out

            yield "weight", f"{rung} {name_of(tile, 1, pieces)}", add_up


def name_of(tile: Tile, stages: int, pieces: int) -> str:
    """Return "128x128x8/2" for two pieces, with "a3" behind the tile for three stages of rung 7."""
    return "x".join(map(str, tile[:3])) + (f"a{stages}" if stages > 1 else "") + f"/{pieces}"
