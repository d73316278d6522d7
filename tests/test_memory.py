import itertools
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tinycnn import functional as F
from tinycnn import memory, nn
from tinycnn.kernels import arena
from tinycnn.tensor import Tensor

GLIBC = pytest.mark.skipif(memory._glibc() is None, reason="the C library is not glibc")
LARGE = (1 << 16, 16)  # float32: 4 MB

# In a process of its own: the setting holds for the whole process.
CODE = """
import numpy as np
from tinycnn import memory
BYTES = 64 << 20
kept = np.arange(1000.0)
if {keep}:
    assert memory.keep_freed()
before = memory.held()
array = np.ones(BYTES, np.uint8)
del array
after = memory.held()
other = np.zeros(BYTES, np.uint8)  # takes what is held, and still is all zeros
assert not other.any() and (kept == np.arange(1000.0)).all()
del other
memory.release()
print(after - before > BYTES // 2, memory.held() - before < BYTES // 2)
"""


@GLIBC
@pytest.mark.parametrize("keep", [True, False])
def test_freed_memory_is_held_if_asked_for_and_can_be_released(keep):
    command = [sys.executable, "-c", CODE.format(keep=keep)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(keep), "True"], done.stderr


def test_elsewhere_it_does_nothing(monkeypatch):
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    assert memory.keep_freed() is False
    memory.release()
    assert memory.held() == 0


@pytest.fixture
def empty_arena():
    arena.release()
    yield
    arena.release()


@pytest.mark.usefixtures("empty_arena")
def test_memory_of_an_array_is_used_again_when_nothing_refers_to_it_any_more():
    first = arena.empty(LARGE, "float32")
    address = first.ctypes.data
    assert arena.held() == 0
    del first
    assert arena.held() == 4 << 20
    second = arena.empty((1 << 20,), "float32")
    assert second.ctypes.data == address
    assert arena.held() == 0


@pytest.mark.usefixtures("empty_arena")
@pytest.mark.parametrize("keep", [lambda a: a, lambda a: a[1:], lambda a: a.T.reshape(-1, 2), memoryview])
def test_what_somebody_kept_is_never_handed_out_again(keep):
    array = arena.empty(LARGE, "float32")
    array[:] = 1
    kept = keep(array)
    del array
    others = [arena.empty(LARGE, "float32") for _ in range(3)]
    for other in others:
        other[:] = 2
    assert (np.asarray(kept) == 1).all()


@pytest.mark.usefixtures("empty_arena")
def test_results_of_training_steps_that_are_kept_stay_what_they_were(rng):
    conv = nn.Conv2d(3, 8, 3)
    x = Tensor(rng.standard_normal((8, 3, 64, 64)).astype("float32"), requires_grad=True)
    kept = []
    for _ in range(4):
        x.grad = None
        y = F.relu(conv(x))
        F.max_pool2d(y, 2).sum().backward()
        kept.append([(a, a.copy()) for a in (y.numpy(), x.grad.numpy(), conv.weight.grad.numpy())])
        conv.weight.data += 1
    for array, copy in itertools.chain(*kept):
        assert_array_equal(array, copy)


@pytest.mark.usefixtures("empty_arena")
def test_no_more_is_held_than_the_limit(monkeypatch):
    monkeypatch.setattr(arena, "MOST_HELD", 10 << 20)
    arrays = [arena.empty((size << 20,), "uint8") for size in (4, 5, 6)]
    del arrays
    kept = arena.empty((7 << 20,), "uint8")
    assert arena.held() <= 10 << 20
    arena.release()
    assert arena.held() == 0
    kept[:] = 1  # still there


@pytest.mark.usefixtures("empty_arena")
def test_an_array_is_alone_while_no_other_shares_its_memory():
    array = arena.empty(LARGE, "float32")
    assert arena.is_alone(array)
    view = array[1:]
    assert not arena.is_alone(array)
    assert not arena.is_alone(view)
    del view
    assert arena.is_alone(array)
    assert arena.is_alone(np.ones(3))
    plain = np.ones(3)
    assert not arena.is_alone(plain[1:])
