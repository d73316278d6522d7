"""The launch code of our kernels while a stream captures: their own, on a CuPy that loads and starts them.

Machine code is not run: results are zeros. What is tested is what a launch asks of CuPy and CUDA.
"""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda comes with the extra 'cuda-check'")

import tinycnn
from tests.helpers import cxx_kernels, strict_cupy, strict_graphs, strict_launches
from tests.helpers.strict_launches import loaded, started
from tinycnn import Tensor, models, optim
from tinycnn import functional as F
from tinycnn.gan import Discriminator, Gan, Generator
from tinycnn.kernels import table
from tinycnn.kernels.cuda import operands
from tinycnn.kernels.cuda.launch import Kernel, kernel
from tinycnn.kernels.cuda.toolchain import SIMULATED

pytestmark = [
    pytest.mark.skipif(cxx_kernels.COMPILER is None, reason="there is no C++ compiler"),
    pytest.mark.skipif(SIMULATED, reason="the simulator starts no kernels by CuPy"),
]

N = 3  # no other size in these networks: where it stands in a product, the batch stands
WARM_UPS = 3
BATCHES = {"cnn28": (32, 128), "cnn224": (64,), "dcgan": (64,)}  # as they are measured


@pytest.fixture
def gpu(stand_in, monkeypatch):
    """A machine on which our kernels are started, and the calls of `capturable` that a step makes."""
    built = set()

    def cubin(kernel, kinds, capability):
        built.add((kernel, kinds, capability))
        return kernel.function.__name__, b"no code"

    strict_launches.install(monkeypatch)
    strict_launches.forget()
    monkeypatch.setattr(table, "why_no_cuda", lambda: None)
    monkeypatch.setattr(Kernel, "cubin", cubin)
    for made in (table.cuda, table.capturable):
        made.cache_clear()
    with tinycnn.using("cupy", kernels="auto"):
        yield built
    strict_launches.forget()
    strict_graphs.capturing.clear()
    strict_graphs.launched.clear()


def classifier(name, channels, size):
    model = models.build(name)
    optimizer = optim.Adam(model.parameters())

    def step(x, labels):
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, (np.zeros((N, channels, size, size), "f"), np.arange(N))


def dcgan():
    G, D = Generator(), Discriminator()
    rules = (optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (G, D))
    gan = Gan(G, D, *rules)
    return gan.step, (np.zeros((N, *D.image_shape), "f"), np.zeros((N, G.latent), "f"))


STEPS = {
    "cnn28": lambda: classifier("cnn28", 1, 28),
    "cnn224": lambda: classifier("cnn224", 3, 224),
    "dcgan": dcgan,
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_starts_the_same_kernels_as_it_is_and_in_a_graph(gpu, name):
    step, batch = STEPS[name]()
    batch = [Tensor(a) for a in batch]
    fast = tinycnn.graphed(step, *batch)
    by_call = []
    for _ in range(WARM_UPS + 2):
        started.clear()
        known = len(loaded)
        fast(*batch)
        by_call.append([(s.name, s.grid, s.block, s.shared) for s in started])
        assert len(loaded) == known or len(by_call) == 1  # all are there from the first call on
    assert fast.reason is None
    assert by_call[1:] == by_call[:-1]
    names = {start[0] for start in by_call[0]}
    assert {"kernel_of_product", "lay_out_kernel", "kernel_of_sums", "kernel_of_parts"} <= names


@pytest.mark.parametrize(("name", "batch"), [(n, b) for n, batches in BATCHES.items() for b in batches])
def test_every_launch_of_a_step_of_the_measured_size(gpu, monkeypatch, name, batch):
    """Tile and pieces depend on the batch: so each call of a small step is made again, larger."""
    kernels, calls = table.capturable(), []
    noted = {each: noting(calls, each, getattr(kernels, each)) for each in SHAPES}
    monkeypatch.setattr(table, "capturable", lambda: replace(kernels, **noted))
    step, arrays = STEPS[name]()
    arrays = [Tensor(a) for a in arrays]
    tinycnn.graphed(step, *arrays)(*arrays)
    assert {name_of_call for name_of_call, _ in calls} >= {"conv2d_input", "conv2d_weight"}
    assert {name_of_call for name_of_call, _ in calls} & {"conv2d", "conv2d_epilogue"}

    for name_of_call, arguments in calls:
        compute, larger = getattr(kernels, name_of_call), SHAPES[name_of_call](batch, *arguments)
        started.clear()
        compute(*larger)
        expected = [(s.name, s.grid) for s in started]
        assert len(expected) in (1, 2, 3, 4), name_of_call
        with capturing() as graph:
            compute(*larger)
        started.clear()
        graph.launch()
        assert [(s.name, s.grid) for s in started] == expected


def noting(calls, name, compute):
    def note(*arguments):
        calls.append((name, arguments))
        return compute(*arguments)

    return note


@contextmanager
def capturing():
    """Let a stream capture, with a pool of its own; yield the graph."""
    stream = strict_cupy.cuda.Stream(non_blocking=True)
    with stream, strict_cupy.cuda.using_allocator(strict_cupy.cuda.MemoryPool().malloc):
        stream.begin_capture()
        graph = strict_graphs.capturing[0]
        yield graph
        stream.end_capture()


def zeros(shape):
    return strict_cupy.ndarray(np.zeros(shape, "f"))  # memory that nobody touches costs nothing


def convolved(first, second):
    """Return a function that gives a convolution's arguments for another batch."""

    def enlarged(batch, a, b, geometry, *rest):
        larger = geometry._replace(N=batch)
        return (*(zeros(getattr(larger, f"{which}_shape")) for which in (first, second)), larger, *rest)

    return enlarged


def weight(batch, x, g, geometry):
    return convolved("x", "y")(batch, x, g, geometry)


def product(batch, *factors):
    """Return both matrices, turned round if they were, with `batch` in the place of N."""
    larger = []
    for a in factors:
        shape = [batch if size == N else size for size in a.shape]
        larger.append(zeros(shape) if a.host.flags.c_contiguous else zeros(shape[::-1]).T)
    return larger


def dense(batch, x, w, bias=None):
    return (*product(batch, x, w), bias)


SHAPES = {
    "conv2d": convolved("x", "w"),
    "conv2d_epilogue": convolved("x", "w"),
    "conv2d_input": convolved("y", "w"),
    "conv2d_weight": weight,
    "matmul": product,
    "linear": dense,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STEPS)
def test_what_a_step_starts_is_what_numba_compiles(gpu, monkeypatch, name):
    """For the dtypes and numbers that the launches gave."""
    step, arrays = STEPS[name]()
    arrays = [Tensor(a) for a in arrays]
    tinycnn.graphed(step, *arrays)(*arrays)
    monkeypatch.undo()
    assert len(gpu) >= 5
    for each, kinds, capability in gpu:
        assert each.cubin(kinds, capability)[1].startswith(b"\x7fELF")


def launches_of(work):
    """Return how many launches a piece of work is, CuPy's and ours, once everything is loaded."""
    work()
    started.clear()
    strict_cupy.launches.clear()
    work()
    return len(started) + len(strict_cupy.launches)


def test_how_many_launches_batch_norm_takes(gpu):
    """Mean and variance are two, the normalisation one; so are both sums of its derivative."""
    x = Tensor(np.zeros((8, 4, 16, 16), "f"))
    x.requires_grad = True
    kernels = table.cuda()
    y, _, variance = kernels.normalise(x.data, 1e-5)
    g = zeros((8, 4, 16, 16))
    for serving, forward, backward, one_sum in ((table.fused(), 7, 7, 2), (kernels, 3, 3, 2)):
        assert launches_of(lambda k=serving: k.normalise(x.data, 1e-5)) == forward
        assert launches_of(lambda k=serving: k.normalise_input(g, y, variance, 1e-5)) == backward
        assert launches_of(lambda k=serving: k.channel_sum(g)) == one_sum
        assert launches_of(lambda k=serving: k.channel_dot(g, y)) == 2
    assert launches_of(lambda: kernels.channel_sum(zeros((8, 4, 2, 2)))) == 1  # few cells are one piece


# With CuPy's sums of channels it was 43, 55 and 270.
LAUNCHES = {"cnn28": 42, "cnn224": 55, "dcgan": 212}


@pytest.mark.parametrize("name", STEPS)
def test_how_many_launches_a_step_takes(gpu, name):
    step, batch = STEPS[name]()
    batch = [Tensor(a) for a in batch]
    with tinycnn.using(kernels=replace(table.cuda(), takes=None)):
        assert launches_of(lambda: step(*batch)) <= LAUNCHES[name]


def test_a_dense_layers_bias_takes_no_launch_of_its_own(gpu):
    step, batch = STEPS["cnn28"]()
    batch = [Tensor(a) for a in batch]

    def found(kernels):
        with tinycnn.using(kernels=replace(kernels, takes=None)):
            return launches_of(lambda: step(*batch)), strict_cupy.launches.count("add")

    ours = table.capturable()
    (before, added), (after, left) = found(replace(ours, linear=None)), found(ours)
    assert (added, left) == (2, 0)
    assert after == before - 2


def test_a_kernel_that_was_not_loaded_before_is_why_there_is_no_graph(gpu):
    """The recording says which one it is, and the step is made as it is."""
    other, calls = Kernel(ones.function, 32), []

    def step(x):
        calls.append(other if len(calls) >= WARM_UPS else loaded_before)
        calls[-1].launch((1,), (32,), x.data)
        return x

    x = Tensor(np.zeros((2, 2), "f"))
    fast = tinycnn.graphed(step, x)
    for _ in range(WARM_UPS):
        fast(x)
    with pytest.warns(
        RuntimeWarning, match="the kernel <lambda> cannot be loaded: .* while a stream captures"
    ):
        fast(x)
    assert "start it once before" in fast.reason
    started.clear()
    fast(x)
    assert len(started) == 1


REFUSED = {
    "loading a kernel": (lambda x: never_loaded.load(("f",)), "loading a module while a stream"),
    "the ordinary pool": (
        lambda x: in_ordinary_memory(lambda: operands.result(x, (2, 2))),
        "memory of the ordinary pool while a stream captures",
    ),
    "another stream": (
        lambda x: on_another_stream(lambda: loaded_before.launch((1,), (32,), x)),
        "a launch in a stream that does not capture",
    ),
    "cuBLAS": (lambda x: x @ x, "calling cuBLAS API during stream capture"),
    "a copy to the host": (lambda x: x.get(), "get while a stream captures"),
    "waiting": (lambda x: strict_graphs.streams[-1].synchronize(), "synchronize while a stream captures"),
}
ones = kernel(32)(lambda x: None)
never_loaded, loaded_before = (Kernel(ones.function, 32) for _ in range(2))


def in_ordinary_memory(work):
    with strict_cupy.cuda.using_allocator(None):
        work()


def on_another_stream(work):
    with strict_cupy.cuda.Stream(non_blocking=True):
        work()


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_capture_forbids(gpu, what):
    """The tests above would prove nothing if the stand-in let pass what CuPy or CUDA refuse."""
    work, reason = REFUSED[what]
    x = zeros((2, 2))
    loaded_before.launch((1,), (32,), x)
    with capturing(), pytest.raises((RuntimeError, NotImplementedError), match=reason):
        work(x)
