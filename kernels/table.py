"""The door to the kernels: every kernel that the engine calls, as one table with several sets of entries.

A `Kernels` (`tinycnn.kernels.contract`) is one set. Each set is written out below, so an editor leads from a
field to the function that is called. A set that does only some things itself is another set with these
entries replaced.

============================== ==========================================================================
`plain`                        NumPy, a few lines next to each equation; NumPy and CuPy arrays
`loops`                        convolution and pooling as Python loops, all else as `plain`
`im2col`                       convolution by im2col and one matrix product, all else as `plain`
`cpu`                          compiled by Numba for all cores of the CPU
`fused`                        each formula in one launch by CuPy, convolution as `im2col`
`cuda`                         convolution, pooling, small dense layers by our CUDA kernels; else as `fused`
`capturable`                   as `cuda`, with matrix products of our own: CuPy refuses cuBLAS in a CUDA graph
`tf32x3`                       as `cuda`, convolutions and products on tensor cores, nearly as exact
`tf32`                         the same with factors rounded to 11 bits: 8192 times as coarse
`async`                        as `cuda`, the gradient by the weights with copies in the background
`direct` .. `registers`        as `cuda`, with a lower rung of `tinycnn.kernels.cuda`
============================== ==========================================================================

Compiled sets are made when they are first asked for: `import tinycnn` needs NumPy alone.
"""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from importlib import metadata

from . import im2col
from .contract import Kernels
from .plain import elementwise_loss, leaky_relu, loops, normalisation, passes, sum_pooling, windows

COMPILING = {"numba": (0, 62), "threadpoolctl": (3, 0)}  # what `cpu` needs, and since which version


PLAIN = Kernels(
    name="plain",
    conv2d=windows.conv2d,
    conv2d_input=windows.conv2d_input,
    conv2d_weight=windows.conv2d_weight,
    max_pool2d=windows.max_pool2d,
    min_pool2d=windows.min_pool2d,
    pool_gather=windows.pool_gather,
    pool_scatter=windows.pool_scatter,
    sum_pool2d=sum_pooling.sum_pool2d,
    sum_pool2d_input=sum_pooling.sum_pool2d_input,
    matmul=passes.matmul,
    relu=passes.relu,
    gate=passes.gate,
    leaky_relu=leaky_relu.leaky_relu,
    leaky_gate=leaky_relu.leaky_gate,
    adam=passes.adam,
    channel_sum=passes.channel_sum,
    channel_dot=normalisation.channel_dot,
    channel_affine=normalisation.channel_affine,
    normalise=normalisation.normalise,
    normalise_input=normalisation.normalise_input,
    update_running=normalisation.update_running,
    binary_cross_entropy=elementwise_loss.binary_cross_entropy,
    binary_cross_entropy_input=elementwise_loss.binary_cross_entropy_input,
    cross_entropy=passes.cross_entropy,
    cross_entropy_input=passes.cross_entropy_input,
)

LOOPS = replace(
    PLAIN,
    name="loops",
    conv2d=loops.conv2d,
    conv2d_input=loops.conv2d_input,
    conv2d_weight=loops.conv2d_weight,
    max_pool2d=loops.max_pool2d,
    min_pool2d=loops.min_pool2d,
    pool_gather=loops.pool_gather,
    pool_scatter=loops.pool_scatter,
    sum_pool2d=loops.sum_pool2d,
    sum_pool2d_input=loops.sum_pool2d_input,
)

IM2COL = replace(
    PLAIN,
    name="im2col",
    conv2d=im2col.conv2d,
    conv2d_input=im2col.conv2d_input,
    conv2d_weight=im2col.conv2d_weight,
)


@cache
def cpu() -> Kernels:
    """Return the set compiled by Numba, for NumPy arrays of float32 and float64."""
    from .cpu import channels, elementwise, pooling, products, winograd

    return replace(
        PLAIN,
        name="cpu",
        takes=("numpy", "fd"),
        conv2d=winograd.conv2d,
        conv2d_input=winograd.conv2d_input,
        conv2d_weight=winograd.conv2d_weight,
        conv2d_epilogue=winograd.conv2d_epilogue,
        max_pool2d=pooling.max_pool2d,
        min_pool2d=pooling.min_pool2d,
        pool_gather=pooling.pool_gather,
        pool_scatter=pooling.pool_scatter,
        sum_pool2d=pooling.sum_pool2d,
        sum_pool2d_input=pooling.sum_pool2d_input,
        matmul=products.matmul,
        relu=elementwise.relu,
        gate=elementwise.gate,
        leaky_relu=elementwise.leaky_relu,
        leaky_gate=elementwise.leaky_gate,
        adam=elementwise.adam,
        adam_of_all=elementwise.adam_of_all,
        channel_sum=channels.channel_sum,
        channel_dot=channels.channel_dot,
        channel_affine=channels.channel_affine,
        normalise=channels.normalise,
        normalise_input=channels.normalise_input,
        normalise_epilogue=channels.normalise_epilogue,
        normalise_epilogue_input=channels.normalise_epilogue_input,
    )


@cache
def fused() -> Kernels:
    """Return the set whose formulas CuPy compiles, for its arrays of float32 and float64."""
    from . import fused, together

    return replace(
        IM2COL,
        name="fused",
        takes=("cupy", "fd"),
        gate=fused.gate,
        leaky_relu=fused.leaky_relu,
        leaky_gate=fused.leaky_gate,
        adam=fused.adam,
        adam_of_all=together.adam,
        sgd_of_all=together.sgd,
        channel_sum=fused.channel_sum,
        channel_dot=fused.channel_dot,
        channel_affine=fused.channel_affine,
        normalise=fused.normalise,
        normalise_input=fused.normalise_input,
        update_running=fused.update_running,
        binary_cross_entropy=fused.binary_cross_entropy,
        binary_cross_entropy_input=fused.binary_cross_entropy_input,
        cross_entropy=fused.cross_entropy,
        cross_entropy_input=fused.cross_entropy_input,
    )


@cache
def cuda() -> Kernels:
    """Return the set with our own CUDA kernels; see `tinycnn.kernels.cuda`."""
    from . import cuda
    from .cuda import channel_sums, products
    from .cuda.target import SIMULATED

    formulas = replace(PLAIN, takes=("numpy", "fd"))
    if not SIMULATED:
        formulas = replace(
            fused(),
            channel_sum=channel_sums.channel_sum,
            channel_dot=channel_sums.channel_dot,
            normalise=channel_sums.normalise,
            normalise_input=channel_sums.normalise_input,
        )
    return replace(
        formulas,
        name="cuda",
        conv2d=cuda.conv2d,
        conv2d_input=cuda.conv2d_input,
        conv2d_weight=cuda.conv2d_weight,
        conv2d_epilogue=partial(cuda.conv2d_epilogue, leaky_relu=formulas.leaky_relu),
        linear=partial(products.dense, most=products.SMALL),
        max_pool2d=cuda.max_pool2d,
        min_pool2d=cuda.min_pool2d,
        pool_scatter=cuda.pool_scatter,
    )


@cache
def capturable() -> Kernels:
    """Return `cuda` with our own matrix products: CuPy refuses cuBLAS while a CUDA graph is recorded."""
    from .cuda import products

    return replace(cuda(), name="capturable", matmul=products.matmul, linear=products.dense)


@cache
def rung(name: str) -> Kernels:
    """Return `cuda` with the convolution of one rung of its ladder; rung 5 has matrix products of its own."""
    from .cuda.ladder import rung_of

    of_ladder = rung_of(name)
    rest = capturable() if name == "registers" else cuda()
    if name in TENSOR_CORES:
        from .cuda import products, tensor_cores

        product_of = getattr(tensor_cores, name)
        matmul, linear = (partial(f, product_of=product_of) for f in (products.matmul, products.dense))
        rest = replace(rest, matmul=matmul, linear=linear)
    return replace(
        rest,
        name=name,
        conv2d_epilogue=None,
        conv2d=of_ladder.conv2d,
        conv2d_input=of_ladder.conv2d_input,
        conv2d_weight=of_ladder.conv2d_weight,
    )


RUNGS = ("direct", "coalesced", "shared", "gemm", "registers", "async")  # rung 6 is `cuda`
TENSOR_CORES = ("tf32x3", "tf32")  # rung 8: nobody gets it without asking for it

SETS: dict[str, Callable[[], Kernels]] = {
    "plain": lambda: PLAIN,
    "loops": lambda: LOOPS,
    "im2col": lambda: IM2COL,
    "cpu": cpu,
    "fused": fused,
    "cuda": cuda,
    "capturable": capturable,
    "direct": lambda: rung("direct"),
    "coalesced": lambda: rung("coalesced"),
    "shared": lambda: rung("shared"),
    "gemm": lambda: rung("gemm"),
    "registers": lambda: rung("registers"),
    "async": lambda: rung("async"),
    "tf32x3": lambda: rung("tf32x3"),
    "tf32": lambda: rung("tf32"),
}


@cache
def why_not_compiled() -> str | None:
    """Return the reason that `cpu` cannot be used here, or None if it can."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return "NUMBA_DISABLE_JIT is set"
    for package, least in COMPILING.items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            return f"{package} is not installed"
        if tuple(map(int, re.findall(r"\d+", version)[:2])) < least:
            wanted = ".".join(map(str, least))
            return f"{package} {version} is too old, {wanted} or newer is needed"
    return None


@cache
def why_no_cuda() -> str | None:
    """Return the reason that our own CUDA kernels cannot be used here, or None if they can."""
    try:
        from .cuda import target

        return target.why_not()
    except Exception as error:  # versions that do not fit raise anything: there are other kernels that work
        return f"numba-cuda cannot be used: {type(error).__name__}: {error}".partition("\n")[0]
