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
# gets, and what stands between them: memory, and numbers that are loaded too often.

# %%
import inspect
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

from tinycnn.kernels import arena, cpu, im2col
from tinycnn.kernels.cores import get_num_threads
from tinycnn.kernels.cpu import elementwise as compiled
from tinycnn.kernels.cpu import shifts, tiles
from tinycnn.kernels.cpu.vectors import REGISTERS, VECTOR_BYTES
from tinycnn.kernels.geometry import conv2d_geometry
from tinycnn.kernels.plain import loops, passes
from tinycnn.plot import blank_figure
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
# and a processor does only so many of them in a second. A loop that does nothing but multiply and add
# numbers that are already in registers shows how many.


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


@njit(fastmath={"contract"}, nogil=True)  # "contract": v * a + b is one instruction, an FMA
def multiply_and_add(numbers, a, b):
    for _ in range(10_000):
        for j in range(numbers.size):
            v = numbers[j]
            v = v * a + b
            v = v * a + b
            v = v * a + b
            v = v * a + b
            v = v * a + b
            v = v * a + b
            v = v * a + b
            v = v * a + b
            numbers[j] = v


threads = get_num_threads()
a = b = np.float32(0.5)  # v * 0.5 + 0.5 tends to 1
lanes = np.zeros((threads, 1024), np.float32)  # what one thread works on stays in its first-level cache
with ThreadPoolExecutor(threads) as pool:
    time_of_all = seconds(lambda: list(pool.map(lambda numbers: multiply_and_add(numbers, a, b), lanes)))
ceiling = lanes.size * 10_000 * 8 * 2 / time_of_all / 1e9
print(f"{threads} threads, at most about {ceiling:.0f} GFLOP/s")

# %% [markdown]
# ## How fast is it?
#
# The second convolution of cnn28, batch 32, written four ways. They compute the same. The loops get a
# smaller one: they would take minutes.

# %%
N, C, H, W, K, KH, KW = 32, 32, 13, 13, 64, 3, 3
x = rng.standard_normal((N, C, H, W), dtype=np.float32)
w = rng.standard_normal((K, C, KH, KW), dtype=np.float32)
geometry = conv2d_geometry(x.shape, w.shape)
small_x, small_w = x[:1, :4], w[:4, :4]
small = conv2d_geometry(small_x.shape, small_w.shape)


def whole_batch():
    """One matrix product over the columns of all images, as the textbook has it."""
    columns = im2col.im2col(x, (KH, KW))  # (N, C*KH*KW, OH*OW)
    return np.matmul(w.reshape(K, -1), columns)  # (N, K, OH*OW)


ways = {
    "loops": (lambda: loops.conv2d(small_x, small_w, small), flop(1, 4, H, W, 4, KH, KW)),
    "im2col, whole batch": (whole_batch, flop(N, C, H, W, K, KH, KW)),
    "im2col, in pieces": (lambda: im2col.conv2d(x, w, geometry), flop(N, C, H, W, K, KH, KW)),
    "compiled": (lambda: cpu.conv2d(x, w, geometry), flop(N, C, H, W, K, KH, KW)),
}
speeds = {name: work / seconds(run) / 1e9 for name, (run, work) in ways.items()}

figure = blank_figure(8, 3)
axes = figure.subplots()
bars = axes.barh(list(speeds), list(speeds.values()), color="#4c72b0")
axes.bar_label(
    bars,
    [f"{speed:.3g}" for speed in speeds.values()],
    padding=4,
    bbox={"fc": "white", "ec": "none", "pad": 1},
)
axes.axvline(ceiling, color="#c44e52", linestyle="--", label="what the processor can do")
axes.set_xscale("log")
axes.set_xlim(right=ceiling * 6)
axes.invert_yaxis()
axes.set_xlabel("GFLOP/s")
axes.legend(loc="lower left")
figure

# %% [markdown]
# ## Memory: touching it costs more than computing with it
#
# The columns are KH·KW times the input, less the border. All of it is written, and read again by the
# product:

# %%
columns = im2col.im2col(x, (KH, KW))
MB = 1e6
print(f"input {x.nbytes / MB:.1f} MB, columns {columns.nbytes / MB:.1f} MB")

# %% [markdown]
# And memory that is new is the dearest. A large array that is freed goes back to the system, and the next
# one is new again: every page of it must be found and cleared before the first write.

# %%
size = 16 << 20  # float32: 64 MB
kept = np.empty(size, np.float32)


def fresh():
    """Write to an array that did not exist before."""
    np.empty(size, np.float32)[:] = 1


def reused():
    """Write to one that did."""
    kept[:] = 1


new, old = seconds(fresh), seconds(reused)
print(f"new memory {new * 1e3:.1f} ms, used memory {old * 1e3:.1f} ms: {new / old:.1f} times")

# %% [markdown]
# So the compiled kernels take their large arrays from an arena that keeps the freed ones. Which block is
# free? The one that nothing refers to any more, and Python counts references anyway:

# %%
print(inspect.getsource(arena.empty))
print(inspect.getsource(arena._is_free))

# %% [markdown]
# ## No columns at all: shifted planes
#
# Look at what one kernel cell (r, s), a *tap*, meets while the kernel walks along a row: consecutive cells
# of the input. So the cells that a tap meets are the plane itself, shifted. With stride 1, and p = oh·WP +
# ow counting the output cells in rows as wide as the plane,
#
# $$y[p] = \sum_t w_t \cdot plane[shift_t + p], \qquad shift_{(r,s)} = r \cdot WP + s$$
#
# Nothing is copied; a shift is an index. A stride of 2 seems to break it, because a tap then meets every
# other cell. But every other cell, laid beside each other, is a plane again: even and odd rows and columns
# make SH·SW planes, and each tap reads one of them. Stride, padding and dilation all end up in a table of
# shifts:

# %%
geometry = conv2d_geometry((1, 1, 7, 7), (1, 1, 3, 3), stride=2, padding=1)
layout, ((taps, target),) = shifts.forward_sums(geometry)
plane = (target.rows + layout.halo) * layout.WP
table = shifts.shifts(layout, taps, 1, plane)
for tap, shift in zip(taps, table, strict=True):
    print(f"tap ({tap.r}, {tap.s}): plane ({tap.a}, {tap.b}), moved by ({tap.i}, {tap.j}): shift {shift}")

# %% [markdown]
# Here are the four planes of a 7x7 picture with a border of 1, stride 2. The colour says from which row and
# column of the padded picture a cell comes; the frame is what tap (2, 1) reads.

# %%
picture = np.arange(49.0).reshape(7, 7)
padded = np.pad(picture, 1)
rows, WP = target.rows + layout.halo, layout.WP
planes = np.zeros((layout.SH, layout.SW, rows, WP))
for a in range(layout.SH):
    for b in range(layout.SW):
        cells = padded[a :: layout.SH, b :: layout.SW][:rows, :WP]
        planes[a, b, : cells.shape[0], : cells.shape[1]] = cells

tap = taps[2 * 3 + 1]
figure = blank_figure(10, 3.2)
for i, axes in enumerate(figure.subplots(1, 4)):
    a, b = divmod(i, 2)
    axes.imshow(planes[a, b], cmap="Blues", vmin=-10, vmax=60)
    for (h, v), number in np.ndenumerate(planes[a, b]):
        colour = "white" if number > 34 else "black"
        axes.text(v, h, f"{number:.0f}", ha="center", va="center", fontsize=12, color=colour)
    if (a, b) == (tap.a, tap.b):
        left, top = tap.j - 0.5, tap.i - 0.5
        right, bottom = left + target.columns, top + target.rows
        axes.plot(
            [left, right, right, left, left],
            [top, top, bottom, bottom, top],
            color="#c44e52",
            lw=4,
            clip_on=False,
        )
    axes.set_title(f"plane ({a}, {b})")
    axes.set_xticks([])
    axes.set_yticks([])
figure

# %% [markdown]
# The whole convolution by shifts, in five lines. A plane is one column wider than the output, so one p in
# each row lies between two rows of the output: it is computed and thrown away.

# %%
kernel = rng.standard_normal((1, 1, 3, 3))
flat = np.concatenate([planes.ravel(), np.zeros(WP)])
count = (target.rows - 1) * WP + target.columns
sums = sum(
    kernel[0, 0, tap.r, tap.s] * flat[shift : shift + count] for tap, shift in zip(taps, table, strict=True)
)
y = np.append(sums, np.zeros(-count % WP)).reshape(target.rows, WP)[:, : target.columns]
compare(y, loops.conv2d(picture[None, None], kernel, geometry)[0, 0])

# %% [markdown]
# ## Registers: use a number while you have it
#
# A core multiplies and adds a whole vector of numbers in one instruction, and can load about one vector in
# that time. A loop that loads two numbers for every product waits for loads most of the time. A *tile* does
# better: keep the sums of a few filters, times a few vectors of output cells, in registers. For every tap,
# load one weight a filter and the vectors once; then multiply each with each.

# %%
filters, vectors = REGISTERS.wide
print(f"a vector has {VECTOR_BYTES // 4} float32, a tile {filters} filters x {vectors} vectors")
for F, V in ((1, 1), (2, 2), (4, 3), (filters, vectors)):
    each = F * V / (F + V)
    print(
        f"{F} x {V}: {F * V:3} multiply-adds for {F + V:2} loads, {each:.1f} each; {F * V} registers of sums"
    )

# %% [markdown]
# More would be better still, but a core has 16 or 32 such registers. Compilers do not find tiles in loops
# over arrays by themselves, so the innermost loops of the engine are built instruction by instruction. This
# is the heart of it: `w` is one weight in all places of a vector, and the two loops run when the code is
# built, not when it runs.

# %%
source = inspect.getsource(tiles.output_tile)
begin = source.index("            with Sums")
end = source.index("            for k in range(filters):", source.index("loop.add"))
print(source[begin:end])

# %% [markdown]
# ## One pass instead of ten
#
# Adam's formula has about ten operations. NumPy goes over the memory once for each; compiled, every number
# is read and written once. Bytes decide, not arithmetic.

# %%
million = 1 << 22
arguments = [rng.random(million, dtype=np.float32) for _ in range(4)]
numbers = (1e-3, (0.9, 0.999), 1e-8, 1)
by_numpy = seconds(lambda: passes.adam(*arguments, *numbers))
in_one = seconds(lambda: compiled.adam(*arguments, *numbers))
moved = 7 * 4 * million  # read theta, g, m and v, write theta, m and v
print(f"NumPy {by_numpy * 1e3:.1f} ms, one pass {in_one * 1e3:.1f} ms: {moved / in_one / 1e9:.0f} GB/s")

# %% [markdown]
# ## Exercises
#
# **1.** A convolution with stride (1, 1), dilation (2, 2), no padding, 3x3 kernel, input 9x9. Which shift
# has tap (1, 2)?

# %%
answer = None  # one number
dilated = shifts.forward_sums(conv2d_geometry((1, 1, 9, 9), (1, 1, 3, 3), dilation=2))
expected = {(tap.r, tap.s): tap.i * dilated.layout.WP + tap.j for tap in dilated.sums[0].taps}
compare(answer, expected[1, 2])

# %% [markdown]
# **2.** The second convolution of cnn28 makes 11x11 cells in rows 13 wide. With vectors of 16, which share
# of the places in all vectors of a plane is used?

# %%
answer = None  # a number from 0 to 1
cells = 10 * 13 + 11  # up to the last cell of the last row
compare(answer, 121 / (16 * -(-cells // 16)))

# %% [markdown]
# **3.** How many FLOP has a training step of cnn28's second convolution, batch 32: forward, and both
# gradients?

# %%
answer = None  # a number
compare(answer, 3 * flop(N, C, H, W, K, KH, KW))

# %% [markdown]
# ## Solutions
#
# <details><summary>1. The shift</summary>
#
# The tap is 1·2 rows and 2·2 columns away, and with stride 1 a plane is as wide as the input: 2·9 + 4.
#
# ```python
# assert compare(2 * 9 + 4, expected[1, 2])
# ```
#
# </details>
#
# <details><summary>2. Places in vectors</summary>
#
# The last cell is number 10·13 + 11 = 141, so nine vectors, 144 places, for 121 cells.
#
# ```python
# assert compare(121 / 144, 121 / (16 * -(-cells // 16)))
# ```
#
# </details>
#
# <details><summary>3. A training step</summary>
#
# The three are contractions of one trilinear form (lesson 3): every g, x and w that meet, meet once in
# each. So three times the forward: 3 · 2 · 32 · 64 · 11·11 · 32·9.
#
# ```python
# assert compare(3 * 2 * 32 * 64 * 121 * 288, 3 * flop(N, C, H, W, K, KH, KW))
# ```
#
# </details>
