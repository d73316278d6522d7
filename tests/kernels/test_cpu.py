import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinycnn.kernels import cpu
from tinycnn.kernels.cores import thread_count
from tinycnn.kernels.cpu import planes, products
from tinycnn.kernels.cpu.threads import split
from tinycnn.kernels.geometry import conv2d_geometry, pool2d_geometry


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_a_thread_count_that_is_none(monkeypatch, text):
    monkeypatch.setenv("TINYCNN_THREADS", text)
    with pytest.raises(ValueError, match=f"TINYCNN_THREADS must be a positive integer, got '{text}'"):
        thread_count()


def test_the_thread_count_is_the_setting_or_the_cores_this_process_may_use(monkeypatch):
    monkeypatch.setenv("TINYCNN_THREADS", "3")
    assert thread_count() == 3
    monkeypatch.delenv("TINYCNN_THREADS")
    assert 1 <= thread_count() <= os.cpu_count()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_split_runs_every_number_once_in_as_many_threads(monkeypatch, count):
    monkeypatch.setenv("TINYCNN_THREADS", "3")
    done, names, lock = [], set(), threading.Lock()
    barrier = threading.Barrier(max(1, min(3, count)))

    def job(part, start, stop):
        barrier.wait(10)  # all parts run at the same time
        with lock:
            done.extend(range(start, stop))
            names.add((part, threading.current_thread().name))

    split(job, count)
    assert sorted(done) == list(range(count))
    assert len(names) == max(1, min(3, count))


def test_an_error_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setenv("TINYCNN_THREADS", "2")

    def job(part, start, stop):
        if part == 1:
            raise OverflowError("in the second thread")

    with pytest.raises(OverflowError, match="in the second thread"):
        split(job, 2)


def test_the_same_bits_from_run_to_run_and_for_every_number_of_threads(monkeypatch, rng):
    monkeypatch.setattr(planes, "SERIAL", 1)
    geometry = conv2d_geometry((5, 3, 9, 9), (4, 3, 3, 3))
    shapes = geometry.x_shape, geometry.w_shape, geometry.y_shape
    x, w, g = (rng.standard_normal(shape) for shape in shapes)
    results = []
    for threads in ("1", "2", "2", "4"):
        monkeypatch.setenv("TINYCNN_THREADS", threads)
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


SHAPES = [
    (32, 1600, 128),
    (128, 32, 1600),
    (3, 4000, 700),
    (700, 40, 3),
    (257, 129, 65),
    (1, 1, 1),
    (0, 5, 3),
]


@pytest.mark.parametrize(("M", "K", "N"), SHAPES)
def test_products_are_right_and_the_same_bits_for_every_number_of_threads(monkeypatch, M, K, N, rng):
    a, b = rng.standard_normal((M, K)).astype("f"), rng.standard_normal((K, N)).astype("f")
    results = []
    for threads in "1235":
        monkeypatch.setenv("TINYCNN_THREADS", threads)
        results.append(products.matmul(a, b))
    assert_allclose(results[0], a.astype("d") @ b, atol=1e-5 * K)
    for other in results[1:]:
        assert_array_equal(results[0], other)


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


def test_a_process_that_was_forked_has_threads_of_its_own(monkeypatch):
    monkeypatch.setenv("TINYCNN_THREADS", "2")
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


def test_read_only_and_strided_inputs(rng):
    x = np.broadcast_to(rng.standard_normal((1, 2, 5, 1)), (2, 2, 5, 6))
    w = rng.standard_normal((3, 3, 2, 4)).transpose(3, 2, 0, 1)
    w.flags.writeable = False
    geometry = conv2d_geometry(x.shape, w.shape)
    assert_allclose(cpu.conv2d(x, w, geometry), cpu.conv2d(x.copy(), w.copy(), geometry))
    pool = pool2d_geometry(x.shape, 2)
    y, _ = cpu.max_pool2d(x, pool)
    assert_array_equal(y, cpu.max_pool2d(x.copy(), pool)[0])


@pytest.mark.slow
def test_where_no_cache_can_be_written_kernels_are_compiled_all_the_same():
    code = """
import sys
import numpy as np
from numba.core import caching
sys.stderr.isatty = lambda: True
caching.CacheImpl._locator_classes = []  # no folder will do
from tinycnn.kernels import cpu
from tinycnn.kernels.geometry import pool2d_geometry
print(cpu.sum_pool2d(np.ones((1, 1, 2, 2)), pool2d_geometry((1, 1, 2, 2), 2)).item())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "4.0", done.stderr
    assert "compiling kernels, once" in done.stderr


@pytest.mark.slow
def test_compiled_code_is_kept_in_the_users_cache_and_not_in_the_package(tmp_path):
    code = """
import sys
import numpy as np
from pathlib import Path
from tinycnn.kernels import cpu
from tinycnn.kernels.geometry import pool2d_geometry
sys.stderr.isatty = lambda: True
package = Path(cpu.__file__).parent
before = sorted(package.rglob("*.nb?"))
cpu.sum_pool2d(np.ones((1, 1, 2, 2)), pool2d_geometry((1, 1, 2, 2), 2))
assert sorted(package.rglob("*.nb?")) == before
"""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    said = []
    for _ in range(2):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said.append(done.stderr)
    assert "compiling kernels, once" in said[0]
    assert said[1] == ""  # the second process loads what the first compiled
    assert list((tmp_path / "tinycnn" / "kernels").rglob("*.nbc"))
