"""Tiles and numbers of pieces: those that the kernels choose from, and others that might be better."""

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

from tinycnn.kernels.cuda import async_tiles, few_results, tensor_cores
from tinycnn.kernels.cuda import register_tiles as sums
from tinycnn.kernels.cuda import weight_tiles as weights
from tinycnn.kernels.cuda.gather import Gather
from tinycnn.kernels.cuda.tile_product import Tile

from .machine import SIMULATED, library

Named = tuple[str, str, Callable[[], Any]]  # direction, name of the variant, work

# Tiles that are chosen from, and others beside them; "a3" are the three stages of rung 7.
BIG, MIDDLE = Tile(128, 128, 8, 8, 8), Tile(64, 64, 8, 8, 4)
BIG16, MIDDLE16 = Tile(128, 128, 16, 8, 8), Tile(64, 64, 16, 8, 4)
SUMS = [few_results.TILE, *sums.TILES, Tile(32, 32, 8, 4, 4), BIG, MIDDLE]
WEIGHTS = [
    *((tile, "", weights.parts_kernel) for tile in (*weights.TILES, BIG16, MIDDLE16)),
    *((tile, "a3", async_tiles.async_kernel) for tile in (BIG, MIDDLE, MIDDLE16)),
]
TENSOR_CORES, WEIGHTS_ON_TENSOR_CORES = tensor_cores.TILES, tensor_cores.WEIGHT_TILES
if SIMULATED:
    small = Tile(16, 16, 4, 4, 4)
    SUMS = [few_results.TILE, small]
    WEIGHTS = [(small, "", weights.parts_kernel), (small, "a3", async_tiles.async_kernel)]
    TENSOR_CORES = WEIGHTS_ON_TENSOR_CORES = (Tile(16, 16, 8, 2, 4),)
MOST_BLOCKS = 2000  # with more than these, pieces only make more to add


def variants(geometry: Any, x: Any, w: Any, g: Any) -> Iterator[Named]:
    """Yield tiles, stages and pieces."""
    for direction, gather, like, *given in gathers(geometry, x, w, g):
        for tile in SUMS:
            few = tile == few_results.TILE
            if (few and gather.M > few_results.MOST) or (not few and gather.M < 3):
                continue
            steps, blocks = -(-gather.C // tile.BK), prod(gather.work.grid(tile))
            for pieces in (1, 2, 4, 8, 32):
                if pieces == 1 or (pieces <= steps and blocks * pieces <= MOST_BLOCKS):
                    work = into(like, sums.write_sums, *given, tile, pieces=pieces)
                    yield direction, name_of(tile, "", pieces), work
    for tile, stages, make in WEIGHTS:
        blocks = prod(weights.work_of(geometry).grid(tile))
        steps = -(-geometry.N * geometry.OH * geometry.OW // tile.BK)
        at_once = 264 if tile.threads == 256 else 528
        for rounds in (1, 2, 4):
            pieces = max(1, min(steps, rounds * at_once // blocks))
            work = into(w, weights.write_weight, x, g, geometry, tile, pieces, make=make)
            yield "weight", name_of(tile, stages, pieces), work


def on_tensor_cores(rung: str, geometry: Any, x: Any, w: Any, g: Any) -> Iterator[Named]:
    """Yield the tiles of rung 8, "tf32x3" or "tf32", each with the sum in one piece and in several."""
    product_of = getattr(tensor_cores, rung)
    for direction, gather, like, *given in gathers(geometry, x, w, g):
        for tile in TENSOR_CORES:
            for pieces in (1, 2):
                if pieces <= -(-gather.C // tile.BK):
                    work = into(like, sums.write_sums, *given, tile, pieces=pieces, product_of=product_of)
                    yield direction, f"{rung} {name_of(tile, '', pieces)}", work
    for tile in WEIGHTS_ON_TENSOR_CORES:
        for pieces in (1, weights.splits(weights.work_of(geometry), tile)[-1]):
            work = into(w, weights.write_weight, x, g, geometry, tile, pieces, product_of=product_of)
            yield "weight", f"{rung} {name_of(tile, '', pieces)}", work


def gathers(geometry: Any, x: Any, w: Any, g: Any) -> Iterator[tuple[Any, ...]]:
    """Yield direction, sum, an array like the result, and what `write_sums` is given beside it."""
    for direction, gather, source, like in (
        ("forward", Gather.output(geometry), x, g),
        ("input", Gather.input(geometry), g, x),
    ):
        yield direction, gather, like, source, w, gather, direction == "input"


def into(like: Any, write: Callable[..., bool], a: Any, b: Any, *rest: Any, **how: Any) -> Callable[[], Any]:
    """Return the work that writes to an array like `like` from a and b."""
    out = library().empty_like(like)

    def work() -> Any:
        assert write(a, b, out, *rest, **how)
        return out

    return work


def name_of(tile: Tile, stages: str, pieces: int) -> str:
    """Return "128x128x8/2" for two pieces, with "a3" behind the tile for three stages of rung 7."""
    return "x".join(map(str, tile[:3])) + f"{stages}/{pieces}"
