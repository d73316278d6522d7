# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 9. Making it fast on a CPU
#
# About an hour. You need lesson 3: convolution as loops and as a matrix product.
#
# At the end you can say how fast a convolution could be on your machine, how far each way of writing it
# gets, and what stands between them: memory, vectors that are not full, numbers that are loaded too often,
# and results that are written only to be read again.

# %%
import inspect
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numba import njit

from tinycnn.kernels import arena, cpu, im2col
from tinycnn.kernels.cores import get_num_threads, set_num_threads
from tinycnn.kernels.cpu import convolution, micro_kernel
from tinycnn.kernels.cpu import elementwise as compiled
from tinycnn.kernels.cpu.blocks import WIDE, macro_kernel
from tinycnn.kernels.cpu.plan import forward_plan
from tinycnn.kernels.cpu.vectors import REGISTERS, VECTOR_BYTES
from tinycnn.kernels.geometry import conv2d_geometry, pool2d_geometry
from tinycnn.kernels.plain import loops, passes
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import compare

rng = np.random.default_rng(0)

# %% [markdown]
# ## How fast could it be?
#
# Every output cell of a convolution is a sum of C·KH·KW products (Eq. 1). A multiplication and an addition
# each, so
#
# $$\text{FLOP} = 2 \cdot N \cdot K \cdot OH \cdot OW \cdot C \cdot KH \cdot KW$$
#
# and a processor does only so many of them in a second. How many, a loop shows that multiplies and adds the
# same few numbers again and again. We take the engine's innermost loop, which is explained below: with all
# distances 0, it never leaves these numbers.


# %%
def flop(N, C, H, W, K, KH, KW):
    """Return the operations of a convolution without padding, stride 1."""
    return 2 * N * K * (H - KH + 1) * (W - KW + 1) * C * KH * KW


def seconds(run, at_least=0.2):
    """Return the shortest of several runs: what other programs do to the others is not counted."""
    run()
    times, began = [], time.perf_counter()
    while len(times) < 10 or time.perf_counter() - began < at_least:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


MR, NR, turns = micro_kernel.ROWS, micro_kernel.filters_of(4), 100_000
zeros = np.zeros(turns, np.int64)  # distances


def multiply_and_add(numbers):
    """Multiply MR times NR numbers, and add the products to sums, `turns` times."""
    macro_kernel(numbers, 0, zeros, 0, MR, zeros, numbers, 0, 0, numbers, 0, zeros, numbers, True, WIDE)


threads = get_num_threads()
few = np.zeros((threads, NR), np.float32)
with ThreadPoolExecutor(threads) as pool:
    time_of_all = seconds(lambda: list(pool.map(multiply_and_add, few)))
ceiling = threads * turns * MR * NR * 2 / time_of_all / 1e9
print(f"{threads} threads, at most about {ceiling:.0f} GFLOP/s")

# %% [markdown]
# ## How fast is it?
#
# The second convolution of cnn28, batch 32, computed six ways. They compute the same. The loops in Python
# get a smaller one: they would take minutes.
#
# Two of the ways are the same loops, compiled by Numba. `cell_by_cell` sums up all products of a cell, then
# those of the next one. Every addition waits for the one before. In `along_rows`, the innermost loop goes
# along a row: its turns do not depend on each other, and one instruction computes a *vector* of some cells.

# %%
N, C, H, W, K, KH, KW = 32, 32, 13, 13, 64, 3, 3
x = rng.standard_normal((N, C, H, W), dtype=np.float32)
w = rng.standard_normal((K, C, KH, KW), dtype=np.float32)
geometry = conv2d_geometry(x.shape, w.shape)
small_x, small_w = x[:1, :4], w[:4, :4]
small = conv2d_geometry(small_x.shape, small_w.shape)


@njit(fastmath={"contract"}, nogil=True)  # "contract": a product and a sum are one instruction, an FMA
def cell_by_cell(x, w, y):
    """Add the convolution of some images to y: Eq. 1 as loops."""
    _, C, KH, KW = w.shape
    for n, k, oh, ow in np.ndindex(y.shape):
        for c in range(C):
            for r in range(KH):
                for s in range(KW):
                    y[n, k, oh, ow] += x[n, c, oh + r, ow + s] * w[k, c, r, s]


@njit(fastmath={"contract"}, nogil=True)
def along_rows(x, w, y):
    """Add the convolution of some images to y: Eq. 1 as loops, the last one along a row."""
    _, C, KH, KW = w.shape
    for n, k, oh in np.ndindex(y.shape[:3]):
        for c in range(C):
            for r in range(KH):
                for s in range(KW):
                    for ow in range(y.shape[3]):
                        y[n, k, oh, ow] += x[n, c, oh + r, ow + s] * w[k, c, r, s]


def compiled_loops(loop):
    """Let every thread do its share of the images."""
    y = np.zeros((N, K, H - KH + 1, W - KW + 1), np.float32)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(loop, np.array_split(x, threads), [w] * threads, np.array_split(y, threads)))
    return y


ways = {
    "im2col": lambda: im2col.conv2d(x, w, geometry),
    "cell by cell": lambda: compiled_loops(cell_by_cell),
    "along rows": lambda: compiled_loops(along_rows),
    "micro-kernel": lambda: convolution.conv2d(x, w, geometry),
    "Winograd": lambda: cpu.conv2d(x, w, geometry),
}
for run in ways.values():
    compare(run(), im2col.conv2d(x, w, geometry))
speeds = {"loops": flop(1, 4, H, W, 4, KH, KW) / seconds(lambda: loops.conv2d(small_x, small_w, small)) / 1e9}
speeds |= {name: flop(N, C, H, W, K, KH, KW) / seconds(run) / 1e9 for name, run in ways.items()}

figure = blank_figure(8, 3.4)
axes = figure.subplots()
bars = axes.barh(list(speeds), list(speeds.values()), color="#4c72b0")
axes.bar_label(bars, fmt="{:.3g}", padding=4, bbox={"fc": "white", "ec": "none", "pad": 1})
axes.axvline(ceiling, color="#c44e52", linestyle="--", label="what the processor can do")
axes.set(xscale="log", xlabel="GFLOP/s", xlim=(None, ceiling * 6))
axes.invert_yaxis()
axes.legend(loc="upper center")
described(figure, "Bars: the GFLOP/s of each way, and a line for what the processor can do.")

# %% [markdown]
# **What to see:** each mark of the scale is ten times the one before. Expect the loops in Python far behind,
# and the micro-kernel near the dashed line. Winograd's algorithm may pass it: its bar counts multiplications
# that it saves. Other programs that run meanwhile shorten the bars.
#
# ## Memory: touching it costs more than computing with it
#
# The columns are KH·KW times the input, less the border. All are written, and read again by the product. And
# memory that is new is the dearest. A large array that is freed goes back to the system, and the next
# one is new again: every page of it must be found and cleared before the first write.

# %%
print(f"input {x.nbytes / 1e6:.1f} MB, columns {im2col.im2col(x, (KH, KW)).nbytes / 1e6:.1f} MB")
size = 16 << 20  # float32: 64 MB
kept = np.empty(size, np.float32)
new, used = seconds(lambda: np.empty(size, np.float32).fill(1)), seconds(lambda: kept.fill(1))
print(f"new memory {new * 1e3:.1f} ms, used memory {used * 1e3:.1f} ms: {new / used:.1f} times")

# %% [markdown]
# So the compiled kernels take their large arrays from an arena that keeps the freed ones. Which block is
# free? The one that nothing refers to any more, and Python counts references anyway:

# %%
print(inspect.getsource(arena.empty), inspect.getsource(arena._is_free), sep="\n")

# %% [markdown]
# ## Rows along the vector, and why that disappoints
#
# The compiled loops need no columns at all: they read the image where it lies. They are still far from what
# the processor can do, for two reasons.
#
# A vector is seldom full. A row of the output has 11 cells here. The processor takes vectors of a fixed
# length, and the cells that are left over one by one.

# %%
lanes = VECTOR_BYTES // 4  # float32 in a vector
for width in (224, 54, 26, 13, 11, 7):
    steps = width // lanes + width % lanes
    print(f"a row of {width:3}: {steps:2} steps, so {width / (steps * lanes):4.0%} of what vectors can do")

# %% [markdown]
# And every number is loaded for one product only. Each turn of the innermost loop loads x and y, multiplies,
# adds, and stores y: three visits to memory for one multiply-add. A core can start two multiply-adds of whole
# vectors in a clock, but load only about two vectors. So the loop waits for its loads.
#
# ## Filters along the vector
#
# Turn it around: let a vector hold *filters*. Take one number of the image and multiply it with the weights
# of many filters at once. There are 64 filters here, some full vectors, however wide the image is.
#
# And use what is loaded. Take the cells of the image that a tap meets at a few output cells, say 6. Load
# the weights of that tap for 16 filters, once. Then multiply each of the 6 numbers with all 16 weights: 96
# products for 6 + 16 numbers. Their sums stay in registers until all taps are done. This *micro-kernel* of
# MR rows (cells) and NR columns (filters) is the heart of every fast matrix product.

# %%
print(f"here: a vector has {lanes} float32, MR = {MR} cells, NR = {NR} filters, {REGISTERS.vectors} vectors")
for rows, vectors in ((1, 1), (2, 2), (4, 2), (MR, REGISTERS.vectors)):
    products, loads = rows * vectors, rows + vectors
    print(f"{rows:2} x {vectors}: {products:2} multiply-adds, {loads:2} loads, {products / loads:.1f} each")

# %% [markdown]
# A core has only 16 or 32 registers, and each multiply-add needs one for its sums.
#
# ## Where the numbers lie: distances
#
# Which number of x does a tap meet at an output cell? Every cell has a distance, where its window begins in
# x, and every tap (c, r, s) one, where it lies in a window. Their sum is the place of the number. So the
# cells of a tile may lie anywhere, in one row or in two. A stride or a dilation only makes other distances.
# (For a border, the image is copied once, with zeros around it, into memory that stays in the cache.)

# %%
plan = forward_plan(geometry, 4, 420)
cell = 10 + 1 * 11  # oh = 1, ow = 10: the last of the second row; the next one begins a new row
print("cells:", plan.rows[cell : cell + 3], "taps:", plan.steps[:10])
# The number that the tap (c=1, r=0, s=0) meets at this cell:
compare(x.ravel()[plan.rows[cell] + plan.steps[9]], x[0, 1, 1, 10])

# %% [markdown]
# Here is the micro-kernel in Python. It is the twin of the one that runs: the tests compare the two. Then it
# computes the first NR filters of the first image. The weights are packed as a *panel*: one row for each tap,
# NR filters side by side.

# %%
print(inspect.getsource(micro_kernel.twin))

T, P = C * KH * KW, 11 * 11
tile = micro_kernel.twin(MR, NR)
panel = np.ascontiguousarray(w[:NR].reshape(NR, T).T).ravel()  # (T, NR)
sums, start = np.empty((P + MR) * NR, np.float32), np.zeros(NR, np.float32)
for i in range(0, P, MR):
    tile(x.ravel(), 0, plan.rows, i, plan.steps, panel, 0, NR, sums, 0, plan.places, start, True)
compare(sums[: P * NR].reshape(P, NR).T.reshape(NR, 11, 11), convolution.conv2d(x, w, geometry)[0, :NR])

# %% [markdown]
# Compilers do not find tiles in loops over arrays by themselves. So the engine builds its innermost loop
# instruction by instruction. This is the heart of it: `number` is one number of x in all places of a vector,
# and the loops over i and j run when the code is built, not when it runs.

# %%
heart = inspect.getsource(micro_kernel.micro_kernel).partition("with cgutils")[2]
print("            with cgutils" + heart.partition("for i, row in enumerate(sum_rows)")[0])

# %% [markdown]
# The same loop computes the gradients. By the weights: MR taps of x are broadcast, a vector holds filters of
# g, and the sum runs over cells. By the input: numbers of g are broadcast, a vector holds *channels*, and the
# sum runs over filters, one tap after another. That is `conv_transpose2d` as well. And a matrix product is a
# convolution whose distances are rows.
#
# ## Epilogues: what follows is done before anything is written
#
# In cnn28, ReLU and the maximum of 2x2 windows follow the convolution. Done one after another, each of them
# reads all that the one before has written. But here the sums of some cells lie in the cache, the NR filters
# of a cell side by side. If the plan puts the four cells of a window one after another, their maximum is a
# comparison of whole vectors, and ReLU is one more. Only a quarter of the numbers is written to memory.

# %%
pooled = pool2d_geometry(geometry.y_shape, 2)
bias = np.zeros(K, np.float32)
windows = forward_plan(geometry, 4, 420, pooled=True)
print("the cells of the first two windows, as distances:", windows.rows[:8])


def one_after_another():
    """Convolve, then take the maximum of each window, then ReLU."""
    y, winners = cpu.max_pool2d(convolution.conv2d(x, w, geometry, bias), pooled)
    return compiled.relu(y), winners


# The same in one kernel; a slope of 0 below 0 is ReLU.
together = partial(convolution.conv2d_epilogue, x, w, geometry, bias, 0, True)
for ours, expected in zip(together(), one_after_another(), strict=True):
    compare(ours, expected)
apart, at_once = seconds(one_after_another), seconds(together)
print(f"one after another {apart * 1e3:.2f} ms, together {at_once * 1e3:.2f} ms: {at_once / apart:.2f}")

# %% [markdown]
# The gradients need nothing of what lies between: pooling's derivative needs the winners, ReLU's which
# results are positive.
#
# `nn.Sequential` calls this kernel by itself if nobody looks at what lies between, and another one for batch
# norm and the activation behind it. In the graph, the operations still stand one after another.
#
# ## Fewer multiplications
#
# Who is as fast as the processor can only do less. *Winograd's algorithm* computes two neighbouring cells of
# a filter with three taps from four products, not six. The sums of weights are made once for all cells.

# %%
a, b, c, d = rng.standard_normal(4)  # pixels
u, v, t = rng.standard_normal(3)  # taps
m = (a - c) * u, (b + c) * (u + v + t) / 2, (c - b) * (u - v + t) / 2, (b - d) * t
compare(np.array([m[0] + m[1] + m[2], m[1] - m[2] - m[3]]), np.correlate([a, b, c, d], [u, v, t]))

exact = im2col.conv2d(x.astype(np.float64), w.astype(np.float64), geometry)
for name in ("micro-kernel", "Winograd"):
    print(f"{name}: {seconds(ways[name]) * 1e3:.2f} ms, error {np.abs(ways[name]() - exact).mean():.1e}")

# %% [markdown]
# The engine does this for 4x4 cells and 3x3 taps: 36 products in place of 144. For each of the 36, the sum
# over channels is a matrix product for the micro-kernel. The price is precision: sums and differences of
# pixels are rounded, too. So the engine computes only float32 like this.
#
# ## Threads: shares that do not depend on their number
#
# The rest is to give every core a share of the work: here, some images and panels of filters. More threads
# than cores gain nothing.
#
# A share must not change a sum. Floating-point addition depends on the order: if each thread summed up the
# gradient by the weights over its own share of the batch, two threads would give other bits than one. So the
# batch is cut by its size alone, and threads only choose among the pieces.

# %%
g = rng.standard_normal(geometry.y_shape, dtype=np.float32)
gradients = {}
for count in (1, 2, 3):
    set_num_threads(count)
    gradients[count] = convolution.conv2d_weight(x, g, geometry)
    speed = flop(N, C, H, W, K, KH, KW) / seconds(lambda: convolution.conv2d(x, w, geometry)) / 1e9
    print(f"{count} threads: {speed:.0f} GFLOP/s")
set_num_threads(threads)
assert all(np.array_equal(gradients[1], other) for other in gradients.values())  # the same bits

# %% [markdown]
# ## One pass instead of ten
#
# Adam's formula has about ten operations. NumPy goes over the memory once for each; compiled, every number is
# read and written once. Bytes decide, not arithmetic.

# %%
parameters = 1 << 22  # four million
arguments = [rng.random(parameters, dtype=np.float32) for _ in range(4)]
numbers = (1e-3, (0.9, 0.999), 1e-8, 1)
by_numpy = seconds(lambda: passes.adam(*arguments, *numbers))
in_one = seconds(lambda: compiled.adam(*arguments, *numbers))
moved = 7 * 4 * parameters  # read theta, g, m and v, write theta, m and v
print(f"NumPy {by_numpy * 1e3:.1f} ms, one pass {in_one * 1e3:.1f} ms: {moved / in_one / 1e9:.0f} GB/s")

# %% [markdown]
# ## Exercises
#
# **1.** A convolution has stride (1, 1), dilation (2, 2), no padding, a 3x3 kernel and a 9x9 input. Which
# distance has the tap (c=0, r=1, s=2)?

# %%
answer = None  # one number
dilated = forward_plan(conv2d_geometry((1, 1, 9, 9), (1, 1, 3, 3), dilation=2), 4, 420)
compare(answer, dilated.steps[1 * 3 + 2])

# %% [markdown]
# **2.** How many FLOP does the second convolution of cnn28 take in a training step with a batch of 32? Count
# the forward pass and both gradients.

# %%
answer = None  # a number
compare(answer, 3 * flop(N, C, H, W, K, KH, KW))

# %% [markdown]
# ## Solutions
#
# <details><summary>1. The distance</summary>
#
# The tap lies 1·2 rows and 2·2 columns from the first cell of its window, and a row has 9 cells: 2·9 + 4.
#
# ```python
# assert compare(2 * 9 + 4, dilated.steps[1 * 3 + 2])
# ```
#
# </details>
#
# <details><summary>2. A training step</summary>
#
# The three are contractions of one trilinear form (lesson 3): every g, x and w that meet, meet once in
# each. So three times the forward: 3 · 2 · 32 · 64 · 11·11 · 32·9.
#
# ```python
# assert compare(3 * 2 * 32 * 64 * 121 * 288, 3 * flop(N, C, H, W, K, KH, KW))
# ```
#
# </details>
