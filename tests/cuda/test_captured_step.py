"""A step of cnn28 as a CUDA graph, with real numbers: every launch that was recorded runs in the simulator.

The launch code is the one that a GPU gets (`tinycnn.graphed`, `capturable`, `Launch`). Below it the
stand-in for CuPy records the launches. At the replay it hands each to the simulator, with the arrays that it
was recorded with.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinycnn
from tests.helpers import cxx_kernels, strict_cupy, strict_launches
from tinycnn import Tensor, nn, optim
from tinycnn import functional as F
from tinycnn.kernels import table
from tinycnn.kernels.cuda import launch, operands, pace, target
from tinycnn.kernels.cuda.launch import Kernel

pytestmark = [
    pytest.mark.skipif(not pace.SIMULATED, reason="a GPU runs its kernels itself"),
    pytest.mark.skipif(cxx_kernels.COMPILER is None, reason="there is no C++ compiler"),
]
N, WARM_UPS = 2, 3
SHARE = 4  # of cnn28's filters the network has a fourth: a thread of a GPU is one of Python here
CORES = 4  # multiprocessors: more make more parts of every sum


@pytest.fixture
def gpu(stand_in, monkeypatch):
    """A machine on which CuPy starts our kernels, whose code the simulator runs."""
    for module in (launch, operands, pace, target):
        monkeypatch.setattr(module, "SIMULATED", False)
    monkeypatch.setattr(Kernel, "cubin", lambda kernel, kinds, _: (kernel.function.__name__, (kernel, kinds)))
    monkeypatch.setattr(table, "why_no_cuda", lambda: None)
    strict_launches.install(monkeypatch)
    device = strict_cupy.cuda.Device()
    device.attributes["MultiProcessorCount"] = CORES
    monkeypatch.setattr(strict_launches.sys.modules["cupy.cuda"], "Device", lambda gpu=0: device)
    made = (table.cuda, table.capturable)
    for each in made:
        each.cache_clear()
    strict_launches.forget()
    with tinycnn.using("cupy", kernels="auto"):
        yield
    strict_launches.forget()
    for each in made:
        each.cache_clear()


class Training:
    def __init__(self):
        tinycnn.manual_seed(0)
        self.model = nn.Sequential(
            *(nn.Conv2d(1, 32 // SHARE, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32 // SHARE, 64 // SHARE, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(1600 // SHARE, 128 // SHARE), nn.ReLU(), nn.Linear(128 // SHARE, 10)),
        )
        self.optimizer = optim.Adam(self.model.parameters())

    def step(self, x, labels):
        loss = F.cross_entropy(self.model(x), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def arrays(self):
        """Return what a step writes: parameters, their gradients, and what Adam keeps."""
        named = {
            name: (p, state)
            for (name, p), state in zip(self.model.named_parameters(), self.optimizer.state, strict=True)
        }
        for name, (p, state) in named.items():
            yield name, p.data
            if p.grad is not None:
                yield f"{name}'s gradient", p.grad.data
            for slot, a in state.items():
                yield f"{name}'s {slot}", a


def batch(rng):
    return Tensor(rng.random((N, 1, 28, 28), "f")), Tensor(rng.integers(0, 10, N))


@pytest.mark.slow
def test_a_replayed_step_computes_what_the_plain_kernels_compute(gpu, monkeypatch, rng):
    ours, plain = Training(), Training()
    fast = tinycnn.graphed(ours.step, *batch(rng))
    for _ in range(WARM_UPS):  # nothing is computed by our kernels: what is replayed is what is tested
        fast(*batch(rng))
    assert fast.reason is None
    plain.model.load_state_dict(ours.model.state_dict())
    plain.optimizer.load_state_dict(ours.optimizer.state_dict())

    monkeypatch.setattr(strict_launches, "simulated", [True])
    strict_launches.started.clear()
    x, labels = batch(rng)
    loss = fast(x, labels)
    assert fast.reason is None
    names = {start.name for start in strict_launches.started}
    assert len(strict_launches.started) >= 20
    assert {
        "sums_kernel",
        "kernel_of_parts",
        "kernel_of_product",
        "kernel_of_best",
        "scatter_kernel",
    } <= names

    with tinycnn.using(kernels="im2col"):
        expected = plain.step(x, labels)
    assert_allclose(loss.item(), expected.item(), rtol=1e-5)
    for (name, a), (same_name, b) in zip(ours.arrays(), plain.arrays(), strict=True):
        assert name == same_name
        a, b = strict_cupy.asnumpy(a), strict_cupy.asnumpy(b)
        assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max(), err_msg=name)
        assert np.abs(b).max() > 0
