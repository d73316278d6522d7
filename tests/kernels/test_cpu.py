import os
import signal
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tinycnn
from tests.helpers import HANGS
from tests.helpers.geometries import SEEDS, misaligned
from tests.helpers.thread_counts import computing_with
from tinycnn.kernels import cores, cpu
from tinycnn.kernels.cpu import convolution, products
from tinycnn.kernels.cpu.threads import split
from tinycnn.kernels.geometry import conv2d_geometry, pool2d_geometry


@pytest.fixture
def undecided(monkeypatch):
    """As before the first use: the environment decides how many threads compute."""
    monkeypatch.setattr(cores, "_count", None)
    monkeypatch.delenv("TINYCNN_THREADS", raising=False)


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_a_thread_count_that_is_none(undecided, monkeypatch, text):
    monkeypatch.setenv("TINYCNN_THREADS", text)
    with pytest.raises(ValueError, match=f"TINYCNN_THREADS must be a positive integer, got '{text}'"):
        tinycnn.get_num_threads()


@pytest.mark.parametrize("count", [0, -1])
def test_no_threads_are_refused(set_threads, count):
    with pytest.raises(ValueError, match=f"the number of threads must be at least 1, got {count}"):
        set_threads(count)


@pytest.mark.parametrize("count", [2.5, True, "2", None])
def test_a_number_of_threads_that_is_no_integer_is_refused(set_threads, count):
    with pytest.raises(TypeError, match="the number of threads must be an integer, got "):
        set_threads(count)


def test_the_thread_count_is_the_setting_or_the_cores_this_process_may_use(undecided, monkeypatch):
    assert 1 <= tinycnn.get_num_threads() <= os.cpu_count()
    monkeypatch.setattr(cores, "_count", None)
    monkeypatch.setenv("TINYCNN_THREADS", "3")
    assert tinycnn.get_num_threads() == 3
    tinycnn.set_num_threads(2)
    assert tinycnn.get_num_threads() == 2


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_split_runs_every_number_once_in_as_many_threads(set_threads, count):
    set_threads(3)
    done, names, lock = [], set(), threading.Lock()
    barrier = threading.Barrier(max(1, min(3, count)))

    def job(part, start, stop):
        barrier.wait(HANGS)  # all parts run at the same time
        with lock:
            done.extend(range(start, stop))
            names.add((part, threading.current_thread().name))

    split(job, count)
    assert sorted(done) == list(range(count))
    assert len(names) == max(1, min(3, count))


def test_an_error_in_a_thread_is_raised(set_threads):
    set_threads(2)

    def job(part, start, stop):
        if part == 1:
            raise OverflowError("in the second thread")

    with pytest.raises(OverflowError, match="in the second thread"):
        split(job, 2)


def test_the_same_bits_from_run_to_run_and_for_every_number_of_threads(monkeypatch, set_threads, rng):
    monkeypatch.setattr(convolution, "SERIAL", 1)
    geometry = conv2d_geometry((5, 3, 9, 9), (4, 3, 3, 3))
    shapes = geometry.x_shape, geometry.w_shape, geometry.y_shape
    x, w, g = (rng.standard_normal(shape) for shape in shapes)
    results = []
    for threads in (1, 2, 2, 4):
        set_threads(threads)
        results.append(
            (
                cpu.conv2d(x, w, geometry),
                cpu.conv2d_input(g, w, geometry),
                cpu.conv2d_weight(x, g, geometry),
            )
        )
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert_array_equal(a, b)


def read_only(a):
    a.flags.writeable = False
    return a


WAYS = [
    lambda a: a,
    np.asfortranarray,
    lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1],
    lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    lambda a: a.astype(a.dtype.newbyteorder()),
    misaligned,
    read_only,
]
SHAPES = [
    (32, 1600, 128),
    (128, 32, 1600),
    (3, 4000, 700),
    (700, 40, 3),
    (257, 129, 65),
    (64, 200, 1024),
    (900, 300, 31),
    (40, 1, 50),
    (1, 1, 1),
    (0, 5, 3),
    (0, 5, 0),
    (0, 0, 0),
    (20, 0, 30),
    (1050, 0, 1030),
    (11, 37, 30_001),  # long: few rows, and few terms
    (530, 3, 2_050),
    (2_050, 530, 3),
    (700, 90, 40),  # few columns: threads share the rows
]


@pytest.mark.parametrize(("M", "K", "N"), SHAPES)
def test_products_are_right_and_the_same_bits_for_every_number_of_threads(set_threads, M, K, N, rng):
    a, b = rng.standard_normal((M, K)).astype("f"), rng.standard_normal((K, N)).astype("f")
    results = []
    for threads in (1, 2, 3, 5):
        set_threads(threads)
        results.append(products.matmul(a, b))
    assert_allclose(results[0], a.astype("d") @ b, atol=1e-5 * K)
    for other in results[1:]:
        assert_array_equal(results[0], other)


@pytest.mark.parametrize("least", ["M", "K", "N"])
@pytest.mark.parametrize("a_by_columns", [False, True])
@pytest.mark.parametrize("b_by_columns", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_products_with_few_rows_columns_or_terms(least, a_by_columns, b_by_columns, dtype, rng):
    M, K, N = ({"M": 1050, "K": 1030, "N": 1111} | {least: 5}).values()
    a, b = rng.standard_normal((M, K)).astype(dtype), rng.standard_normal((K, N)).astype(dtype)
    right = a.astype("d") @ b
    a, b = np.asfortranarray(a) if a_by_columns else a, np.asfortranarray(b) if b_by_columns else b
    assert_allclose(products.matmul(a, b), right, atol=1e-5 * K)


@given(st.tuples(*[st.integers(1, 70)] * 3), SEEDS, st.data())
def test_products_of_matrices_that_lie_in_memory_in_any_way(sizes, rng, data):
    M, K, N = sizes
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    a, b = (
        data.draw(st.sampled_from(WAYS))(rng.standard_normal(shape).astype(dtype))
        for shape in ((M, K), (K, N))
    )
    with computing_with(data.draw(st.sampled_from([1, 2, 3]))):
        y = products.matmul(a, b)
    assert y.dtype == np.dtype(dtype)
    assert y.flags.c_contiguous
    eps = np.finfo(dtype).eps
    assert_allclose(
        y, a.astype("d") @ b.astype("d"), rtol=0, atol=8 * K * eps * np.abs(a).max() * np.abs(b).max()
    )


INTERRUPTED = """
import os, random, signal, threading
import numpy as np
from tinycnn import functional as F, Tensor

random.seed(SEED)
rng = np.random.default_rng(0)
x = Tensor(rng.standard_normal((8, 8, 64, 64), dtype="f"))
w = Tensor(rng.standard_normal((16, 8, 3, 3), dtype="f"))
right = F.relu(F.conv2d(x, w)).numpy().copy()
for _ in range(8):
    try:
        threading.Timer(random.uniform(0.01, 0.05), os.kill, (os.getpid(), signal.SIGINT)).start()
        while True:
            F.relu(F.conv2d(x, w))
    except KeyboardInterrupt:
        pass
    for _ in range(10):
        y = F.relu(F.conv2d(x, w)).numpy()
        assert np.array_equal(y, right)
        y[...] = np.nan  # so that a result which is not written shows
"""


@pytest.mark.parametrize("threads", ["2", "4"])
@pytest.mark.parametrize("seed", range(3))
def test_after_ctrl_c_results_are_right(seed, threads):
    code = INTERRUPTED.replace("SEED", str(seed))
    environment = {**os.environ, "TINYCNN_THREADS": threads}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


HANDLED = """
import signal
import numpy as np
from tinycnn import functional as F, Tensor

rng = np.random.default_rng(0)
x = Tensor(rng.standard_normal((8, 8, 64, 64), dtype="f"))
w = Tensor(rng.standard_normal((16, 8, 3, 3), dtype="f"))
pooled, convolved = F.max_pool2d(x, 2).numpy().copy(), F.conv2d(x, w).numpy().copy()
handled, wrong = 0, 0

def compute():
    global handled, wrong
    wrong += not np.array_equal(F.max_pool2d(x, 2).numpy(), pooled)
    handled += 1

class Computes:
    def __del__(self):
        compute()

def handle(*_):
    compute()
    signal.setitimer(signal.ITIMER_REAL, 0.003)  # the next one, only now: they do not pile up

signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.003)
while handled < 100:
    circle = Computes()
    circle.itself = circle  # so that the garbage collector ends it, whenever that is
    assert np.array_equal(F.conv2d(x, w).numpy(), convolved)
signal.setitimer(signal.ITIMER_REAL, 0)
assert wrong == 0
last = Computes()
last.itself = last  # it ends with Python, whose helper threads are gone then
"""


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="there are no such signals here")
def test_what_signal_handlers_and_the_garbage_collector_compute_in_between_is_right():
    environment = {**os.environ, "TINYCNN_THREADS": "3"}
    command = [sys.executable, "-c", HANDLED]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=HANGS)
    assert done.returncode == 0, done.stderr


def test_a_process_that_was_forked_has_threads_of_its_own(set_threads):
    set_threads(2)
    split(lambda *_: None, 2)
    done = []

    def child():
        split(lambda part, *_: done.append(part), 2)
        os._exit(0 if sorted(done) == [0, 1] else 1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking a process that has threads
        process = os.fork()
    if process == 0:
        child()
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_helpers_end_with_the_thread_that_they_help(set_threads):
    set_threads(3)
    before = set(threading.enumerate())
    helpers = []

    def work():
        split(lambda *_: None, 3)
        split(lambda *_: None, 2)
        helpers.extend(t for t in threading.enumerate() if t.name == "tinycnn")

    for _ in range(5):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    started = set(helpers) - before
    assert len(started) == 5 * 2
    for helper in started:
        helper.join(HANGS)
    assert not any(helper.is_alive() for helper in started)


def test_read_only_and_strided_inputs(rng):
    x = np.broadcast_to(rng.standard_normal((1, 2, 5, 1)), (2, 2, 5, 6))
    w = rng.standard_normal((3, 3, 2, 4)).transpose(3, 2, 0, 1)
    w.flags.writeable = False
    geometry = conv2d_geometry(x.shape, w.shape)
    assert_allclose(cpu.conv2d(x, w, geometry), cpu.conv2d(x.copy(), w.copy(), geometry))
    pool = pool2d_geometry(x.shape, 2)
    y, _ = cpu.max_pool2d(x, pool)
    assert_array_equal(y, cpu.max_pool2d(x.copy(), pool)[0])
