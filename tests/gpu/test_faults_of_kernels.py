"""Faults of a GPU are injected. The tests check what the engine says, and that it goes on."""

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda comes with the extra 'cuda-check'")

import tinycnn
from tests.gpu.test_captured_launches import gpu as launching
from tests.helpers import cxx_kernels, strict_graphs, strict_launches
from tests.helpers.strict_launches import started
from tinycnn import Tensor, nn, optim
from tinycnn import functional as F
from tinycnn.dispatch import kernels_for
from tinycnn.kernels import table
from tinycnn.kernels.cuda import launch, toolchain

__all__ = ["launching"]
pytestmark = [
    pytest.mark.skipif(cxx_kernels.COMPILER is None, reason="there is no C++ compiler"),
    pytest.mark.skipif(toolchain.SIMULATED, reason="the simulator starts no kernels by CuPy"),
]


class Run:
    def __init__(self):
        tinycnn.manual_seed(0)
        self.model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 4 * 4, 4))
        self.optimizer = optim.Adam(self.model.parameters())
        self.batch = Tensor(np.zeros((2, 1, 6, 6), "f")), Tensor(np.arange(2))

    def step(self, x, labels):
        loss = F.cross_entropy(self.model(x), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


def interrupt(times):
    """Return a function that is interrupted so often, and does nothing from then on."""
    left = [times]

    def work(*_, **__):
        if left[0]:
            left[0] -= 1
            raise KeyboardInterrupt

    return work


def test_an_interrupted_launch_is_made_again(launching, monkeypatch):
    """Ctrl-C while a kernel is loaded: it is not taken for loaded, and no other way is tried."""
    run, stop, load = Run(), interrupt(1), strict_launches.Module.load

    def interrupted(module, cubin):
        stop()
        load(module, cubin)

    monkeypatch.setattr(strict_launches.Module, "load", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.step(*run.batch)
    assert not started
    assert np.isfinite(run.step(*run.batch).item())
    assert started


@pytest.mark.parametrize("call", [1, 3, 4, 5], ids=["first", "rehearsal", "recording", "replay"])
def test_an_interrupted_call_of_a_graph_is_made_again(launching, monkeypatch, call):
    run, calls = Run(), [0]
    fast = tinycnn.graphed(run.step, *run.batch)
    for _ in range(call - 1):
        fast(*run.batch)
    before, steps = launch.Launch.__call__, list(run.optimizer.steps)
    stop = interrupt(1)

    def interrupted(self, *arrays):
        calls[0] += 1
        if calls[0] == 3:  # in the middle of a step
            stop()
        before(self, *arrays)

    monkeypatch.setattr(launch.Launch, "__call__", interrupted)
    if call < 5:  # a replay starts none of our launches
        with pytest.raises(KeyboardInterrupt):
            fast(*run.batch)
        assert not strict_graphs.capturing
        assert strict_graphs.allocators == [None]
        assert len(strict_graphs.streams) == 1
        assert run.optimizer.steps == steps
    for _ in range(5):
        assert fast(*run.batch).shape == ()
    assert fast.reason is None
    assert strict_graphs.launched
    assert run.optimizer.steps == [steps[0] + 5] * len(steps)


def test_a_numpy_that_numba_cuda_does_not_know_leaves_the_other_kernels(stand_in, monkeypatch):
    """The reason names both versions, and the engine computes by CuPy's formulas."""
    from numba.cuda.cudadrv import driver, nvvm

    class There:
        is_available = True

    def removed(kinds):
        raise AttributeError("module 'numpy' has no attribute 'row_stack'")

    monkeypatch.setattr(driver, "driver", There())
    monkeypatch.setattr(nvvm, "is_available", lambda: True)
    monkeypatch.setattr(launch.probe, "load", removed)
    toolchain.why_not.cache_clear()
    try:
        reason = toolchain.why_not()
    finally:
        toolchain.why_not.cache_clear()
    assert f"with NumPy {np.__version__} cannot compile a kernel for this GPU: AttributeError" in reason
    monkeypatch.setattr(table, "why_no_cuda", lambda: reason)
    with tinycnn.using("cupy", kernels="auto"):
        run = Run()
        assert kernels_for(run.batch[0].data).name == "fused"
        assert np.isfinite(run.step(*run.batch).item())
        with pytest.raises(ValueError, match=r"the kernels 'cuda' cannot be used here: numba-cuda .* NumPy"):
            tinycnn.use(kernels="cuda")
