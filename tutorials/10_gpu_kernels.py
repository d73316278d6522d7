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
# # 10. GPU kernels, rung by rung
#
# An hour and a quarter. You need lesson 3: convolution as loops and as a matrix product. You need no GPU.
#
# At the end you can say which thread of a GPU computes which cell of a convolution, which numbers it must
# fetch for that and from where, and why five rewritings of one equation each fetch fewer of them.
#
# The kernels are compiled for a GPU by Numba. Here they run in Numba's simulator, which makes a thread of
# Python for every thread of the GPU: slow, and everything can be looked at. It must be asked for before Numba
# is imported.

# %%
import inspect
import os

os.environ["NUMBA_ENABLE_CUDASIM"] = "1"

import numpy as np

from tinycnn.kernels import im2col
from tinycnn.kernels.cuda import RUNGS, direct, epilogue, register_tiles, tensor_cores
from tinycnn.kernels.cuda.coalesced import neighbours_differ_in_d
from tinycnn.kernels.cuda.gather import Gather
from tinycnn.kernels.cuda.target import cuda, kernel, to_tf32
from tinycnn.kernels.geometry import conv2d_geometry
from tinycnn.kernels.plain import loops
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import compare

rng = np.random.default_rng(0)

# %% [markdown]
# ## Threads, blocks, and a first kernel
#
# A kernel is a function that thousands of threads run at the same time, all the same lines. What differs is
# the number each finds when it asks which thread it is. Threads come in blocks, and blocks in a grid; all
# blocks together count through the work.


# %%
@kernel(threads=4)
def who_is_here(numbers, blocks, N):
    i = cuda.grid(1)  # = blockIdx.x * blockDim.x + threadIdx.x
    if i < N:  # the last block may have threads too many
        numbers[i] = i
        blocks[i] = cuda.blockIdx.x


numbers, blocks = np.zeros(10, "f"), np.zeros(10, "f")
who_is_here.launch((3,), (4,), numbers, blocks, 10)  # 3 blocks of 4 threads for 10 cells
print("thread", numbers.astype(int))
print("block ", blocks.astype(int))

# %% [markdown]
# An array arrives in a kernel as the address of its first element, so `x[i]` counts through memory. Cell (a,
# b, c, d) of an array (A, B, C, D) lies at $((a \cdot B + b) \cdot C + c) \cdot D + d$: the last index is the
# fastest.
#
# ## Rung 1: the equation verbatim
#
# Eq. 1 says how a cell of the output is computed. So let a thread compute a cell:

# %%
print(inspect.getsource(direct.output_cell))

# %% [markdown]
# These are the inner loops of `tinycnn.kernels.plain.loops`. The outer ones are gone: the threads are them.
# Try it on small numbers, with a stride and padding:

# %%
x = rng.standard_normal((1, 2, 5, 6)).astype("f")
w = rng.standard_normal((3, 2, 3, 3)).astype("f")
geometry = conv2d_geometry(x.shape, w.shape, stride=(2, 1), padding=1)
y = RUNGS["direct"].conv2d(x, w, geometry)
print("shape", y.shape, "largest difference to the loops", np.abs(y - loops.conv2d(x, w, geometry)).max())

# %% [markdown]
# ## Rung 2: who sits beside whom
#
# A GPU runs threads in groups of 32, warps, and the threads of a warp read at the same time. Memory does not
# hand out single numbers but *sectors* of 32 bytes, 8 float32 side by side. If the 32 threads want 32 numbers
# that lie side by side, these are 4 sectors. If each thread wants a number from elsewhere, they are 32, and 7
# of 8 numbers that are fetched are thrown away.
#
# Rung 1 counts its threads through the channels first, rung 2 through the columns first. That is the whole
# difference between them:

# %%
print(inspect.getsource(direct.neighbours_differ_in_b), inspect.getsource(neighbours_differ_in_d), sep="\n")


# %%
def writes_to(cell_of, K, OH, OW):
    """Return where in memory each thread of the first warp writes its cell of an output (N, K, OH, OW)."""
    return np.array([direct.at(*cell_of(thread, K, OH, OW), K, OH, OW) for thread in range(32)])


K, OH, OW = 64, 11, 11  # the second convolution of cnn28
rungs = {"rung 1": direct.neighbours_differ_in_b, "rung 2": neighbours_differ_in_d}
written = {name: writes_to(cell_of, K, OH, OW) for name, cell_of in rungs.items()}
assert [{*np.diff(places).tolist()} for places in written.values()] == [{OH * OW}, {1}]  # a plane; one
figure = blank_figure(9, 3.2)
for axes, (name, addresses) in zip(figure.subplots(1, 2), written.items(), strict=True):
    sectors = len(set(addresses // 8))
    assert sectors == {"rung 1": 32, "rung 2": 4}[name]
    axes.scatter(range(32), addresses, s=16, color="#4c72b0")
    axes.set(ylim=(-150, 4000), xlabel="thread of the warp", ylabel="writes to element")
    axes.set_title(f"{name}: {sectors} sectors")
described(figure, "Which element each of 32 threads writes. Rung 1: far apart. Rung 2: side by side.")

# %% [markdown]
# **What to see:** on the left every thread writes 121 elements, a whole plane, behind the thread before it:
# 32 threads, 32 sectors. On the right the 32 threads write side by side, into 4 sectors.
#
# What the threads read behaves alike: on the right the 32 threads want 32 cells of x that lie side by side,
# and all the same weight, which is read once and handed to all.
#
# ## Rung 3: memory that a block shares
#
# Still every product fetches two numbers. But neighbouring windows overlap: with a 3 x 3 kernel a cell of x
# is wanted by nine windows, and by every filter. The threads of a block have some memory in common, small and
# near: on the multiprocessor that runs them. So they copy the patch that their tile of the output looks at,
# each thread a few cells of it, wait for one another, and then read from there.
#
# How often is a number fetched from far away, for a product?


# %%
def far_loads_of_a_product(TILE_H, TILE_W, FILTERS, KH, KW):
    """Return the numbers that a block of rung 3 fetches for a channel, by the products it makes of them."""
    patch = (TILE_H + KH - 1) * (TILE_W + KW - 1)  # stride 1
    weights = FILTERS * KH * KW
    return (patch + weights) / (TILE_H * TILE_W * FILTERS * KH * KW)


print(f"rungs 1 and 2: 2 for each product, rung 3: {far_loads_of_a_product(8, 16, 8, 3, 3):.3f}")

# %% [markdown]
# Waiting for one another is a call, `cuda.syncthreads()`, and it is needed twice: nobody may read before all
# have written, and nobody may write the next channel before all have read this one.
#
# ## Rung 4: a matrix product without the matrix
#
# Lesson 3 made convolution a matrix product: `im2col` lays the patches of x out as columns. They are KH·KW
# times the size of x, and to write and read them costs more than to multiply. But nobody needs the matrix,
# only its elements, when they are multiplied. Row q of the columns is a channel and a place in the kernel,
# column p is an image and a place in the output; one function takes both numbers apart:

# %%
print(inspect.getsource(direct.unravel))


# %%
def element(x, q, p, KH, KW, OH, OW):
    """Return element (q, p) of the columns of x (N, C, H, W), for stride 1 without padding."""
    c, r, s = direct.unravel(q, KH, KW)
    n, oh, ow = direct.unravel(p, OH, OW)
    return x[n, c, oh + r, ow + s]  # Eq. 1 says where


columns = im2col.im2col(x, (3, 3))[0]  # (C*KH*KW, OH*OW)
same = [element(x, q, p, 3, 3, 3, 4) == value for (q, p), value in np.ndenumerate(columns)]
print(f"{sum(same)} of {len(same)} elements are those of im2col")

# %% [markdown]
# Rung 4 is the classic tiled matrix product, with `element` where the second matrix would be read. Any
# geometry fills the same square tiles, which rung 3 could not say of 1 x 1 kernels, or of outputs of 7 x 7.
#
# ## Rung 5: sums in registers
#
# Rungs 3 and 4 fetch from near by, but still two numbers for a product. An H100's multiprocessor can do 128
# products in a cycle, and its shared memory hands out 32 numbers. To keep up, a number from shared memory
# must serve more than one product: a thread computes not one cell but TM x TN of them. It needs TM numbers of
# the one matrix and TN of the other, for TM·TN products:
#
# $$\text{loads of a product} = \frac{TM + TN}{TM \cdot TN}$$

# %%
sizes = np.arange(1, 17)
loads = 2 * sizes / sizes**2
assert loads[0] == 2 and loads[8 - 1] == 32 / 128 and 16 * 16 > 255  # 1 cell; 8 x 8; more than registers
figure = blank_figure(7, 3.2)
axes = figure.subplots()
axes.plot(sizes, loads, "o-", color="#4c72b0", label="TM = TN")
axes.axhline(32 / 128, color="#c44e52", linestyle="--", label="what shared memory can hand out")
axes.annotate("rung 4", (1, 2), (1.6, 1.9))
axes.annotate("rung 5", (8, 0.25), (8, 0.5), arrowprops={"arrowstyle": "-"})
axes.set(xlabel="cells of a thread along each side", ylabel="loads of a product")
axes.legend()
described(figure, "Loads of a product over a thread's cells along each side: from 2 down, at 8 cells 1/4.")

# %% [markdown]
# **What to see:** a thread with one cell loads two numbers for a product, eight times as many as shared
# memory can hand out. With 8 x 8 cells the lines meet, at a quarter of a load. More cells would need fewer
# loads, but 16 x 16 sums are more than the 255 registers that a thread can have.
#
# The 64 sums live in registers, which are nearer than any memory, but have no addresses: for every line the
# compiler must know which register is meant. So the loops have constant bounds, and are unrolled. NVIDIA's
# assembler says that it works: 1024 products, 74 loads, nothing spilled
# (`python -m benchmarks.cuda_compiled`).
#
# Here is rung 5 with tiles small enough for the simulator: blocks of 16 threads that compute 16 results for
# 16 pixels, 4 x 4 in each thread. The kernels that a GPU gets differ in these five numbers only.

# %%
small = register_tiles.Tile(BM=16, BN=16, BK=4, TM=4, TN=4)
gather = Gather.output(geometry)
y5 = np.empty_like(y)
plan = register_tiles.plan(gather, transposed=False, tile=small)
laid_out = np.empty(plan.weights_shape, "f")
plan.lay_out(w, laid_out)
print("weights (K, C, KH, KW)", w.shape, "laid out as (G, KH, KW, C, K)", laid_out.shape)
plan.sums.write((x, laid_out, y5), y5, y5)  # the first two y5 stand where a bias would
blocks = plan.sums.multiply.grid
print("blocks", blocks, "largest difference to rung 1", np.abs(y5 - y).max())

# %% [markdown]
# ## Rung 6: the last two passes
#
# A bias and ReLU after the convolution would read and write all of y twice more. The sums are in registers
# when they are done, so the last line of the kernel applies a function to each before it is written:

# %%
print(inspect.getsource(epilogue.add_bias), inspect.getsource(epilogue.rectify), sep="\n")

# %% [markdown]
# ## Rung 8: tensor cores
#
# Rung 7 copies while it multiplies (`async_tiles.py`). In rung 8 (`tensor_cores.py`) an instruction of a warp
# makes 1,024 products on a tensor core, not 32. It takes TF32: float32 with 10 of 23 bits behind the point.
# So a number is cut into two, $a \approx A + r$ and $b \approx B + s$, and three products replace one:
# $ab \approx AB + As + rB$ (`TINYCNN_KERNELS=tf32x3`). A tensor core drops bits that do not fit into its sum.
# So it adds eight such products only, and the threads add the rest.

# %%
nearest = np.vectorize(to_tf32, otypes="f")
a, b = rng.standard_normal((2, 10_000)).astype("f")
(A, r), (B, s) = map(np.vectorize(tensor_cores.in_parts, otypes="dd"), (a, b))
products = {"TF32": nearest(a) * nearest(b), "3xTF32": A * B + A * s + r * B, "float32": a * b}
for name, product in products.items():
    print(f"{name:<8} largest relative error {np.abs(product / (a.astype('d') * b) - 1).max():.1e}")

# %% [markdown]
# An infinite number has no small part: $\infty - \infty$ is NaN. So `in_parts` makes the large part finite:

# %%
with np.errstate(all="ignore"):
    (A, r), (B, s) = tensor_cores.in_parts(np.float32(np.inf)), tensor_cores.in_parts(np.float32(3))
    print(f"cut into {A} and {r}, times 3:", A * B + A * s + r * B)

# %% [markdown]
# ## Backward
#
# **The gradient by the input.** By Eq. 1, cell i of x met g at oh where $oh \cdot SH - PH + r \cdot DH = i$,
# so
#
# $$oh = \frac{i + PH - r \cdot DH}{SH}, \quad \text{where } SH \text{ divides.}$$
#
# Whether it divides depends on i and r. With stride 2 every other r drops out, and which ones depends on
# whether i is odd. If the threads of a warp disagree, all of them wait while some work. So the cells are
# sorted: the ones with even i and even j are a grid of blocks of their own, and so on. Which (r, s) each
# class needs:

# %%
PH, SH, KH = 1, 2, 4  # the GAN's layers: 4 x 4 kernels, stride 2, padding 1
figure = blank_figure(9, 2.6)
for axes, (ah, aw) in zip(figure.subplots(1, 4), np.ndindex(SH, SH), strict=True):
    needed = np.array([[(ah + PH - r) % SH == 0 == (aw + PH - s) % SH for s in range(KH)] for r in range(KH)])
    assert needed.sum() == 4
    axes.imshow(needed, cmap="Blues", vmin=0, vmax=1.5)
    name = f"{'odd' if ah else 'even'} i, {'odd' if aw else 'even'} j"
    axes.set(title=f"{name}: {needed.sum()} of {needed.size}", xlabel="s", ylabel="r")
described(figure, "Four kernels of 4x4 cells, for even and odd i and j. Each needs four cells of its own.")

# %% [markdown]
# **What to see:** four classes with 4 of 16 each, and no cell of the kernel is in two classes: no product is
# computed for nothing.
#
# **The gradient by the weights** is a sum over all pixels of all images, for few results. Cut into pieces,
# many blocks can work at it, and a second kernel adds the pieces. In which order? Additions of float32 are
# rounded, so the order is part of the result:

# %%
pieces = (rng.standard_normal(1000) * 10.0 ** rng.integers(-3, 4, 1000)).astype("f")
totals = {float(np.add.accumulate(rng.permutation(pieces))[-1]) for _ in range(20)}
print(f"20 orders of 1,000 numbers: {len(totals)} different sums, from {min(totals)} to {max(totals)}")

# %% [markdown]
# Blocks finish in an order that nobody knows. If each added its piece to the result when it is done, a
# training would not come out the same twice. The second kernel adds the first piece first, always.
#
# ## A check of all three
#
# Convolution and its two derivatives are one trilinear form with one argument left open (lesson 3), so three
# inner products must agree, on every rung:

# %%
g = rng.standard_normal(y.shape).astype("f")
for name, rung in RUNGS.items():
    if name in ("registers", "epilogue"):  # 256 threads of Python, for the simulator too many: see above
        continue
    form = [
        float((rung.conv2d(x, w, geometry) * g).sum()),
        float((rung.conv2d_input(g, w, geometry) * x).sum()),
        float((rung.conv2d_weight(x, g, geometry) * w).sum()),
    ]
    print(f"{name:<10}", " ".join(f"{value:.5f}" for value in form))

# %% [markdown]
# ## Exercises
#
# **1.** The 32 threads of a warp read float32 numbers that lie `step` elements apart, the first at the start
# of a sector of 32 bytes. How many sectors is that for a step of 1, 2, 11 and 1,000?

# %%
answer = None  # four numbers
sectors = [len(set(np.arange(32) * step // 8)) for step in (1, 2, 11, 1000)]
compare(answer, sectors)

# %% [markdown]
# **2.** A thread computes 8 x 4 cells. How many numbers does it load from shared memory per product?

# %%
answer = None  # a number
cells = list(np.ndindex(8, 4))  # cell (i, j) multiplies number i of w with number j of x
loaded = {("w", i) for i, _ in cells} | {("x", j) for _, j in cells}
compare(answer, len(loaded) / len(cells))

# %% [markdown]
# **3.** Write rung 0.5, a CUDA kernel for a convolution with 1 x 1 filters. Thread `i` computes element `i`
# of y (N, K, H, W) from x (N, C, H, W) and w (K, C). It sees each of these arrays as one flat row of numbers.


# %%
@kernel(threads=32)
def one_by_one(x, w, y, N, C, K, HW):
    i = cuda.grid(1)
    if i < N * K * HW:
        y[i] = 0  # your sum over c


x1, w1 = rng.standard_normal((2, 3, 4, 5)).astype("f"), rng.standard_normal((6, 3, 1, 1)).astype("f")
answer = np.empty((2, 6, 4, 5), "f")
one_by_one.launch((8,), (32,), x1, w1, answer, 2, 3, 6, 20)
compare(answer if answer.any() else None, im2col.conv2d(x1, w1, conv2d_geometry(x1.shape, w1.shape)))

# %% [markdown]
# ## Solutions
#
# <details><summary>1. Sectors</summary>
#
# Thread t reads element t·step, which lies in sector t·step // 8. With a step of 1 the 32 numbers fill 4
# sectors; with 2 they are spread over 8; with 8 or more each lies in a sector of its own.
#
# ```python
# assert compare([4, 8, 32, 32], sectors)
# ```
#
# </details>
#
# <details><summary>2. Loads of a product</summary>
#
# 8 + 4 numbers for 8 · 4 products.
#
# ```python
# assert compare(12 / 32, len(loaded) / len(cells))
# ```
#
# </details>
#
# <details><summary>3. A kernel</summary>
#
# `i` takes apart into the image, the filter and the place; a channel of x is HW elements away from the next.
#
# ```python
# @kernel(threads=32)
# def one_by_one(x, w, y, N, C, K, HW):
#     i = cuda.grid(1)
#     if i < N * K * HW:
#         n, k, place = direct.unravel(i, K, HW)
#         total = np.float32(0)
#         for c in range(C):
#             total += x[(n * C + c) * HW + place] * w[k * C + c]
#         y[i] = total
# one_by_one.launch((8,), (32,), x1, w1, answer, 2, 3, 6, 20)
# assert compare(answer, im2col.conv2d(x1, w1, conv2d_geometry(x1.shape, w1.shape)))
# ```
#
# </details>
