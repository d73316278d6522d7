"""What NVIDIA's own compiler and assembler make of the CUDA kernels: no GPU is needed to look at that."""

import re
from functools import partial

import pytest

numba_cuda = pytest.importorskip("numba_cuda", reason="numba-cuda comes with the extra 'cuda-check'")

from tinycnn.kernels.cuda import (  # noqa: E402
    async_tiles,
    channel_sums,
    direct,
    epilogue,
    few_results,
    implicit_gemm,
    lay_out,
    parts,
    pooling,
    products,
    shared_tiles,
    tensor_cores,
)
from tinycnn.kernels.cuda import register_tiles as registers  # noqa: E402
from tinycnn.kernels.cuda import weight_tiles as weights  # noqa: E402
from tinycnn.kernels.cuda.compiled import built as built_for_a_launch  # noqa: E402
from tinycnn.kernels.cuda.compiled import compiled  # noqa: E402
from tinycnn.kernels.cuda.target import SHARED_BYTES, Kernel  # noqa: E402

CONV2D, POOL2D, GATHER = 16, 16, 18  # numbers in a geometry
REGISTERS = 65536  # of a multiprocessor
GATHERED = ("f", "f", "f", "f", GATHER, *[None] * 4)

# Name, kernel, what its arguments are, how many blocks shall fit on a multiprocessor at least.
KERNELS = [
    *((f"direct {i}", kernel, ("f", "f", "f", CONV2D), 4) for i, kernel in enumerate(direct.KERNELS)),
    ("shared", shared_tiles.write_output.kernel, ("f", "f", "f", CONV2D, None, None, None), 4),
    ("gemm", implicit_gemm.write_output.kernel, ("f", "f", "f", CONV2D), 4),
    ("max_pool2d", pooling.MAX_KERNEL, ("f", "f", "i", POOL2D, None, None), 8),
    ("pool_scatter", pooling.scatter_kernel, ("f", "i", "f", POOL2D, None, None), 8),
    ("lay_out", lay_out.lay_out_kernel, ("f", "f", *[None] * 7), 8),
    ("add_parts", parts.adding_kernel(), ("f", "f", "f", *[None] * 4), 8),
    ("few", few_results.few_kernel(), GATHERED, 4),
    *(
        (f"channels: {name}", kernel, ("f", "f", "f", *[None] * numbers), 6)
        for name, kernel, numbers in (
            *((f"{of} of sums", channel_sums.sums_kernel(of), 5) for of in ("sum", "dot", "both")),
            ("moments", channel_sums.moments_kernel(False), 4),
            ("moments of parts", channel_sums.moments_kernel(True), 4),
        )
    ),
]
ASYNC = [
    (
        f"async {tile.BM}x{tile.BN}x{tile.BK}",
        async_tiles.async_kernel(tile),
        ("f", "f", "f", CONV2D, None, None),
        tile,
    )
    for tile in async_tiles.TILES
]
TILED = [
    *(
        (f"{name} {tile.BM}x{tile.BN}x{tile.BK}", make(tile), kinds, tile)
        for name, make, kinds, tiles in (
            ("registers", registers.gather_kernel, GATHERED, registers.TILES),
            ("weights", weights.parts_kernel, ("f", "f", "f", CONV2D, None, None), weights.TILES),
        )
        for tile in tiles
    ),
    (
        "epilogue",
        registers.gather_kernel(next(iter(registers.TILES)), epilogue.add_bias_and_rectify),
        GATHERED,
        next(iter(registers.TILES)),
    ),
]
PRODUCTS = [
    (
        f"product {tile.BM}x{tile.BN}x{tile.BK} {'ak' if a_along_k else 'a'} {'bk' if b_along_k else 'b'}",
        products.product_kernel(tile, a_along_k, b_along_k, epilogue.add_bias),
        ("f", "f", "f", "f", *[None] * 6),
        tile,
    )
    for tile in products.TILES
    for a_along_k, b_along_k in ((True, True), (True, False), (False, False))  # y, dx and dW of a dense layer
]
BUILT = [*TILED, *PRODUCTS, *ASYNC]
CAPABILITIES = pytest.mark.parametrize(
    "capability", [(7, 5), (8, 0), (9, 0)], ids=["sm_75", "sm_80", "sm_90"]
)


@pytest.fixture
def built(kernel, kinds, capability):
    try:
        return compiled(kernel, kinds, capability)
    except FileNotFoundError as error:
        pytest.skip(str(error))


@CAPABILITIES
@pytest.mark.parametrize(("name", "kernel", "kinds", "blocks"), KERNELS, ids=[k[0] for k in KERNELS])
def test_kernel(built, name, kernel, kinds, blocks, capability):
    assert built.spilled == 0
    assert built.registers * kernel.threads * blocks <= REGISTERS
    assert built.shared <= SHARED_BYTES
    assert ".f64" not in built.text


@pytest.mark.parametrize("capability", [(7, 5), (9, 0)], ids=["sm_75", "sm_90"])  # 8.0 is below, as loaded
@pytest.mark.parametrize(
    ("name", "kernel", "kinds", "tile"), [*TILED, *PRODUCTS], ids=[k[0] for k in [*TILED, *PRODUCTS]]
)
def test_register_tiles(built, name, kernel, kinds, tile, capability):
    assert built.spilled == 0
    assert built.registers * kernel.threads * 2 <= REGISTERS  # two blocks: one computes, the other waits
    assert 4 * tile.BK * (tile.BM + tile.BN) <= built.shared <= SHARED_BYTES // 2
    assert ".f64" not in built.text
    assert built.products == tile.BK * tile.TM * tile.TN  # all of it unrolled
    assert built.text.count("ld.shared.v4.f32") == tile.BK * (tile.TM + tile.TN) // 4
    if not name.startswith(("weights", "product")):
        assert "ld.global.v4.f32" in built.text
    assert not re.search(r"\b(ld|st)\.local", built.text)  # the sums are in registers


@pytest.mark.parametrize("capability", [(8, 0), (9, 0)], ids=["sm_80", "sm_90a"])
@pytest.mark.parametrize(("name", "kernel", "kinds", "tile"), BUILT, ids=[k[0] for k in BUILT])
def test_what_a_launch_loads(name, kernel, kinds, tile, capability):
    """The linker optimises once more: its registers are others than those of the text."""
    pytest.importorskip("cuda.bindings.nvjitlink", reason="NVIDIA's linker comes with numba-cuda")
    seen = built_for_a_launch(kernel, kinds, capability)
    assert seen.registers >= 32
    assert seen.registers * kernel.threads * kernel.blocks <= REGISTERS
    assert seen.stack == 0
    stages = async_tiles.STAGES if name.startswith("async") else 1
    tiles, padding = 4 * tile.BK * (tile.BM + tile.BN), 4 * tile.BK * 8  # behind rows
    assert stages * tiles <= seen.shared <= stages * (tiles + padding)


@pytest.mark.parametrize(("name", "kernel", "kinds", "tile"), ASYNC, ids=[k[0] for k in ASYNC])
def test_copies_that_nobody_waits_for(name, kernel, kinds, tile):
    try:
        seen = compiled(kernel, kinds, (9, 0))
    except FileNotFoundError as error:
        pytest.skip(str(error))
    copies = tile.BK * (tile.BM + tile.BN) // kernel.threads
    assert seen.text.count("cp.async.ca.shared.global") == copies
    assert seen.text.count(f"cp.async.wait_group {async_tiles.STAGES - 2};") == 1
    assert seen.products == tile.BK * tile.TM * tile.TN
    assert seen.spilled == 0
    assert ".f64" not in seen.text
    assert not re.search(r"\bst\.shared", seen.text)  # no tile passes through registers


def test_a_kernel_with_too_many_registers_is_seen():
    """The same kernel without bounds: what the test above must be able to notice."""
    kernel = weights.parts_kernel(next(iter(weights.TILES)))
    free = Kernel(kernel.function, 1024)  # as many threads as there can be: 64 registers each
    seen = built_for_a_launch(free, ("f", "f", "f", CONV2D, None, None), (9, 0))
    assert seen.registers <= 64
    assert seen.stack > 0


def on_tensor_cores():
    """Yield a name, what makes the kernel of a product, its tile, and the kinds of its arguments."""
    of_product = ("f", "f", "f", "f", *[None] * 6)
    for tile in tensor_cores.TILES:
        make = partial(registers.gather_kernel, tile, epilogue.add_bias_and_rectify)
        yield f"{tile.BM}x{tile.BN}", make, tile, GATHERED
        for name, along_k in (("y", (True, True)), ("dx", (True, False)), ("dW", (False, False))):
            make = partial(products.product_kernel, tile, *along_k, epilogue.add_bias)
            yield f"{name} {tile.BM}x{tile.BN}", make, tile, of_product
    for tile in tensor_cores.WEIGHT_TILES:
        make = partial(weights.parts_kernel, tile)
        yield f"weights {tile.BM}x{tile.BN}", make, tile, ("f", "f", "f", CONV2D, None, None)


TENSOR_CORES = list(on_tensor_cores())


@pytest.mark.parametrize("capability", [(8, 0), (9, 0)], ids=["sm_80", "sm_90a"])
@pytest.mark.parametrize("product_of", [tensor_cores.tf32x3, tensor_cores.tf32], ids=["tf32x3", "tf32"])
@pytest.mark.parametrize(("name", "make", "tile", "kinds"), TENSOR_CORES, ids=[k[0] for k in TENSOR_CORES])
def test_tensor_cores(name, make, tile, kinds, product_of, capability):
    kernel = make(product_of)
    try:
        seen = compiled(kernel, kinds, capability)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    products = 3 if product_of is tensor_cores.tf32x3 else 1
    instruction = "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"
    assert seen.text.count(instruction) == products * tile.BK // 8 * tile.TM * tile.TN // 4  # all unrolled
    assert seen.spilled == 0
    assert seen.products == 0  # none by a thread on its own
    assert ".f64" not in seen.text
    assert not re.search(r"\b(ld|st)\.local", seen.text)
    pytest.importorskip("cuda.bindings.nvjitlink", reason="NVIDIA's linker comes with numba-cuda")
    loaded = built_for_a_launch(kernel, kinds, capability)
    assert loaded.stack == 0
    assert loaded.registers * kernel.threads * kernel.blocks <= REGISTERS
