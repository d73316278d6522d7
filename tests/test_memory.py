import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.helpers import HANGS
from tinycnn import functional as F
from tinycnn import memory, nn
from tinycnn.kernels import arena
from tinycnn.tensor import Tensor

GLIBC = pytest.mark.skipif(memory._glibc() is None, reason="the C library is not glibc")
LARGE = (1 << 16, 16)  # float32: 4 MB

# In a process of its own: the setting holds for the whole process. Only the system knows what was given back:
# the C library goes on counting freed memory that lies below memory in use.
CODE = """
import os
import numpy as np
from tinycnn import memory
BYTES = 64 << 20
kept = np.arange(1000.0)
def resident():
    pages = open("/proc/self/statm").read().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
if {keep}:
    assert memory.keep_freed()
before, resident_before = memory.held(), resident()
array = np.ones(BYTES, np.uint8)
del array
after = memory.held()
other = np.zeros(BYTES, np.uint8)  # takes what is held, and still is all zeros
assert not other.any() and (kept == np.arange(1000.0)).all()
del other
memory.release()
print(after - before > BYTES // 2, resident() - resident_before < BYTES // 2)
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
@pytest.mark.parametrize(
    ("rows", "used_again"), [((1 << 16) - 1, True), ((1 << 15) + 1, True), (1 << 14, False)]
)
def test_a_free_block_serves_an_array_of_more_than_half_its_size(rows, used_again):
    first = arena.empty(LARGE, "float32")
    address = first.ctypes.data
    del first
    smaller = arena.empty((rows, 16), "float32")
    assert (smaller.ctypes.data == address) == used_again
    smaller[:] = 0
    del smaller
    assert arena.empty(LARGE, "float32").ctypes.data == address  # in its full size


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


# A signal handler or a __del__ may run between any two lines, in the same thread. Here a call does, each time
# before another line of the arena's.
BETWEEN_LINES = """
import sys
import numpy as np
from tinycnn.kernels import arena

kept, met = [], 0

def new(i):
    if i % 5 == 4:
        arena.release()
    kept.append(arena.empty((1 << 18 + i % 2,), "uint8"))
    kept[-1][:] = i % 251
    if i % 3 == 0:
        kept.pop(len(kept) // 2)  # this one is free again

def trace(frame, event, argument):
    global met
    if frame.f_code.co_filename == arena.__file__ and event == "line":
        met += 1
        if met == wanted:
            sys.settrace(None)
            for i in range(5):
                new(i)
    return trace

for wanted in range(1, 200):
    met = 0
    sys.settrace(trace)
    for i in range(3):
        new(wanted + i)
    sys.settrace(None)
    addresses = {array.ctypes.data for array in kept}
    assert len(addresses) == len(kept)
    assert all((array == array[0]).all() for array in kept)
    del kept[:-6]
print(met)
"""


def test_between_any_two_lines_another_call_may_come():
    command = [sys.executable, "-c", BETWEEN_LINES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == 0, done.stderr
    assert 20 < int(done.stdout) < 200  # the last turn went through all lines of its calls


@pytest.mark.usefixtures("empty_arena")
def test_threads_never_get_the_same_memory(monkeypatch):
    monkeypatch.setattr(arena, "MOST_HELD", 4 << 20)  # so that blocks are forgotten as well

    def work(number):
        for turn in range(200):
            arrays = [arena.empty((size,), "uint8") for size in (1 << 18, 1 << 19, 1 << 18)]
            for array in arrays:
                array[:] = number
            if not all((array == number).all() for array in arrays):
                return turn
        return None

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [None] * 4
