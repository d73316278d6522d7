"""A training step as a CUDA graph, on the stand-in, which refuses all that CuPy and CUDA refuse meanwhile."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinycnn
from tests.helpers import cxx_kernels, strict_cupy, strict_graphs
from tinycnn import Tensor, models, nn, optim
from tinycnn import functional as F
from tinycnn.kernels import table

pytestmark = pytest.mark.skipif(cxx_kernels.COMPILER is None, reason="there is no C++ compiler")

N, STEPS = 4, 9


class Run:
    """A network with all kinds of layers, and a step of its training."""

    def __init__(self, rule=lambda p: optim.Adam(p, 1e-2), before=lambda run: None):
        tinycnn.manual_seed(0)
        self.model = nn.Sequential(
            *(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(3 * 3 * 3, 5), nn.LeakyReLU(), nn.Linear(5, 4)),
        )
        self.optimizer, self.before, self.python = rule(self.model.parameters()), before, 0

    def step(self, x, labels):
        self.python += 1
        self.before(self)
        loss = F.cross_entropy(self.model(x), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def state(self):
        arrays = {name: t.numpy() for name, t in self.model.state_dict().items()}
        return arrays | {
            f"{i} {name}": strict_cupy.asnumpy(a)
            for i, slots in enumerate(self.optimizer.state)
            for name, a in slots.items()
        }


def batches(count=STEPS):
    rng = np.random.default_rng(1)
    for _ in range(count):
        yield Tensor(rng.random((N, 1, 8, 8), "f")), Tensor(rng.integers(0, 4, N))


def losses(run, step, schedule=None):
    found = []
    for batch in batches():
        found.append(step(*batch))
        if schedule:
            schedule.step()
    return [loss.item() for loss in found]  # all at the end: none was overwritten


def same(run, twin):
    assert run.optimizer.steps == twin.optimizer.steps
    for ours, expected in zip(run.optimizer.params, twin.optimizer.params, strict=True):
        assert_allclose(ours.grad.numpy(), expected.grad.numpy(), rtol=1e-5, atol=1e-6)
    for name, expected in twin.state().items():
        assert_allclose(run.state()[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)


def in_groups(parameters):
    first, *others = parameters
    return optim.Adam([{"params": [first], "lr": 0.1}, {"params": others}])


RULES = {
    "Adam": lambda p: optim.Adam(p, 1e-2),
    "AdamW": lambda p: optim.AdamW(p, 1e-2),
    "momentum": lambda p: optim.SGD(p, 1e-2, momentum=0.9),
    "groups": in_groups,
}


@pytest.mark.parametrize("rule", RULES)
def test_a_graph_makes_the_same_steps(gpu, rule):
    """The learning rate changes in every step, and Adam's numbers with the count of steps."""
    run, twin = Run(RULES[rule]), Run(RULES[rule])
    expected = losses(twin, twin.step, optim.CosineAnnealingLR(twin.optimizer, STEPS))
    fast = tinycnn.graphed(run.step, *next(batches()))
    assert run.python == 0  # nothing has been computed yet
    found = losses(run, fast, optim.CosineAnnealingLR(run.optimizer, STEPS))
    assert fast.reason is None
    assert_allclose(found, expected, rtol=1e-5)
    assert run.python == 4  # three calls, and the recording
    assert len(strict_graphs.launched) == STEPS - 3
    same(run, twin)


def test_a_replay_starts_little_and_waits_for_nothing(gpu):
    run = Run()
    x, labels = next(batches())
    fast = tinycnn.graphed(run.step, x, labels)
    for _ in range(5):
        fast(x, labels)
    for noted in (strict_cupy.launches, strict_cupy.waits, strict_cupy.uploads):
        noted.clear()
    fast(x, labels)
    assert strict_cupy.launches == ["setitem", "setitem", "tinycnn_write", "ndarray.copy"]
    assert strict_cupy.waits == strict_cupy.uploads == []


def test_how_many_launches_a_step_of_cnn28_takes_without_a_graph(gpu):
    """Each convolution of ours is counted as one; it is two or three, as its weights or pieces need."""
    model = models.cnn28()
    optimizer = optim.Adam(model.parameters())
    x, labels = Tensor(np.zeros((N, 1, 28, 28), "f")), Tensor(np.arange(N))
    for _ in range(2):
        strict_cupy.launches.clear()
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert len(strict_cupy.launches) <= 36  # 43, if Adam were one for each parameter


REFUSED = {
    "a number": (
        lambda run: run.model.layers[0].weight.sum().item(),
        "RuntimeError: cudaErrorStreamCaptureUnsupported: item",
    ),
    "an upload": (lambda run: Tensor(np.ones(3)), "a copy to the GPU while a stream captures"),
    "cuBLAS": (
        lambda run: run.model.layers[5].weight.data @ run.model.layers[5].weight.data.T,
        "NotImplementedError: calling cuBLAS API during stream capture",
    ),
    "a schedule": (
        lambda run: setattr(run.optimizer, "lr", run.optimizer.lr * 0.9),
        "the step changes options of Adam, as a schedule does: do that outside",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_recorded_goes_on_without_a_graph_and_is_said_once(gpu, what):
    before, reason = REFUSED[what]
    run, twin = Run(before=before), Run(before=before)
    expected = losses(twin, twin.step)
    fast = tinycnn.graphed(run.step, *next(batches()))
    with pytest.warns(RuntimeWarning, match="graphed: .*the step is called as it is") as told:
        found = losses(run, fast)
    assert len(told) == 1
    assert told[0].filename == __file__  # it points at the call
    assert reason in fast.reason
    assert not strict_graphs.launched
    assert not strict_graphs.capturing
    if what != "a schedule":  # its Python ran once more, in the recording
        assert_allclose(found, expected, rtol=1e-5)
        same(run, twin)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [(lambda p: optim.Adam(p, 1e-2, amsgrad=True), "Adam updates its parameters one by one here")],
)
def test_a_rule_that_cannot_be_recorded(gpu, rule, reason):
    run, twin = Run(rule), Run(rule)
    expected = losses(twin, twin.step)
    fast = tinycnn.graphed(run.step, *next(batches()))
    with pytest.warns(RuntimeWarning, match=reason):
        found = losses(run, fast)
    assert_allclose(found, expected, rtol=1e-5)
    same(run, twin)


def test_gradients_that_add_up_are_refused(gpu):
    run = Run()

    def step(x, labels):
        loss = F.cross_entropy(run.model(x), labels)
        loss.backward()
        run.optimizer.step()
        return loss

    fast = tinycnn.graphed(step, *next(batches()))
    with pytest.warns(RuntimeWarning, match=r"gradients of the call before, .* call zero_grad\(\) in it"):
        losses(run, fast)
    assert not strict_graphs.launched


def test_a_batch_of_another_shape_is_computed_without_the_graph(gpu):
    run, twin = Run(), Run()
    fast = tinycnn.graphed(run.step, *next(batches()))
    with pytest.warns(RuntimeWarning, match=r"the graph is for a batch of .* computed without") as told:
        for i, (x, labels) in enumerate(batches()):
            part = (x[:3], labels[:3]) if i in (2, 6) else (x, labels)
            assert fast(*part).item() == pytest.approx(twin.step(*part).item(), rel=1e-5)
    assert len(told) == 1
    assert told[0].filename == __file__  # it points at the call
    assert fast.reason is None
    assert len(strict_graphs.launched) == STEPS - 2 - 3
    same(run, twin)


def test_another_gpu_is_refused(gpu, monkeypatch):
    run = Run()
    fast = tinycnn.graphed(run.step, *next(batches()))
    monkeypatch.setattr(strict_cupy.cuda.runtime, "getDevice", lambda: 1)
    with pytest.raises(ValueError, match="was made for GPU 0, the current one is 1"):
        fast(*next(batches()))


def test_on_the_cpu_the_step_is_called_as_it_is():
    with tinycnn.using("numpy"):
        run = Run()
        with pytest.warns(RuntimeWarning, match="new arrays live in NumPy") as told:
            fast = tinycnn.graphed(run.step, *next(batches()))
        assert told[0].filename == __file__  # it points at the call
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(losses(run, fast)) == STEPS
    assert run.python == STEPS


def test_without_our_kernels_it_says_why(stand_in, monkeypatch):
    monkeypatch.setattr(table, "why_no_cuda", lambda: "numba-cuda is not installed")
    with tinycnn.using("cupy"), pytest.warns(RuntimeWarning, match="numba-cuda is not installed; the step"):
        tinycnn.graphed(Run().step, *next(batches()))


class TestTheStandIn:
    """It would prove nothing if it let pass what it must refuse."""

    @pytest.fixture
    def stream(self, stand_in):
        stream = strict_cupy.cuda.Stream(non_blocking=True)
        with stream, strict_cupy.cuda.using_allocator(strict_cupy.cuda.MemoryPool().malloc):
            yield stream
        strict_graphs.capturing.clear()

    def test_what_it_refuses(self, stream):
        a = strict_cupy.asarray(np.ones((2, 2)))
        stream.begin_capture()
        for refused in (a.get, a.item, a.tolist, lambda: strict_cupy.asarray(np.ones(1)), stream.synchronize):
            with pytest.raises(RuntimeError, match="while a stream captures"):
                refused()
        for product in (lambda: a @ a, lambda: strict_cupy.matmul(a, a), lambda: a.dot(a)):
            with pytest.raises(NotImplementedError, match="cuBLAS"):
                product()
        with strict_cupy.cuda.using_allocator(None), pytest.raises(RuntimeError, match="ordinary pool"):
            a + a

    def test_nothing_is_computed_until_the_launch(self, stream):
        a = strict_cupy.asarray(np.ones(3))
        stream.begin_capture()
        b = a * 2
        a += b
        graph = stream.end_capture()
        assert a.get().tolist() == [1, 1, 1]
        assert np.isnan(b.get()).all()
        for expected in (3, 9):
            graph.launch()
            assert a.get().tolist() == [expected] * 3


def test_the_step_is_a_function():
    with pytest.raises(TypeError, match="the function that makes a step, got Tensor"):
        tinycnn.graphed(tinycnn.Tensor([1.0]))
