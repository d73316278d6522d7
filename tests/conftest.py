import os
import shutil
import signal
import sys

import numpy as np
import pytest
from hypothesis import settings

import tinycnn
from tests.helpers import PAGE_HANGS, cxx_kernels, strict_cupy
from tests.helpers.gpu_needed import skip_without_gpu
from tests.helpers.thread_counts import computing_with
from tinycnn import backend as _backend
from tinycnn import dispatch
from tinycnn.autograd import Function, backward, fast
from tinycnn.kernels import table

# Tests run side by side, one process a core: their kernels must not fight for the cores as well. What must
# not depend on the number of threads is tested with several numbers: test_same_bits.py and others set them.
if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
    os.environ.setdefault("TINYCNN_THREADS", "1")

# A shell makes programs in the background ignore Ctrl-C, and so do the programs that they start: tests that
# send Ctrl-C would wait forever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The machine may be busy: how long one example takes says nothing.
settings.register_profile("tinycnn", deadline=None, max_examples=40)
settings.load_profile("tinycnn")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle: extra 'oracle'")


@pytest.fixture(params=["plain", "fast"])
def both_roads(request):
    """Autograd as one reads it, and the same faster: one contract, the same tests."""
    before = Function.__call__, backward.walk
    fast.switch(request.param == "fast")
    yield
    Function.__call__, backward.walk = before


@pytest.fixture
def set_threads():
    """A function that sets how many threads compute, until the test ends."""
    with computing_with(tinycnn.get_num_threads()):
        yield tinycnn.set_num_threads


@pytest.fixture
def on_numpy():
    """For what is NumPy's: how its tensors print, its arrays as operands. TINYCNN_BACKEND may be another."""
    with _backend.using("numpy"):
        yield


@pytest.fixture
def stand_in(monkeypatch):
    """CuPy's strict stand-in, in CuPy's place."""
    table.why_no_cuda()  # the answer is kept: ask while "cupy" is CuPy itself
    monkeypatch.setitem(sys.modules, "cupy", strict_cupy)
    monkeypatch.setattr(_backend, "_generators", {})
    monkeypatch.setattr(strict_cupy, "memory", dict(strict_cupy.memory))
    if cxx_kernels.COMPILER is None:
        monkeypatch.setattr(dispatch, "_chosen", table.IM2COL)
        monkeypatch.setattr(dispatch, "_decided", True)


@pytest.fixture(params=["numpy", "stand-in", "cupy"])
def backend(request):
    """The name of a backend that new arrays live in; the stand-in takes the name of CuPy."""
    if request.param == "stand-in":
        request.getfixturevalue("stand_in")
    name = "numpy" if request.param == "numpy" else "cupy"
    if reason := _backend.why_not(name):
        skip_without_gpu(reason)
    with _backend.using(name):
        yield name


@pytest.fixture(scope="session")
def chromium():
    """The browser that is installed, not one that would be downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="extra 'browser'")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium on the PATH")
    with playwright.sync_playwright() as p:
        playwright.expect.set_options(timeout=PAGE_HANGS)
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A page without a network; `page.said` collects its errors, warnings, and what it asked a host for."""
    context = chromium.new_context(offline=True)
    context.set_default_timeout(PAGE_HANGS)
    page = context.new_page()
    page.said = []
    page.on("console", lambda m: page.said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("requestfailed", lambda request: page.said.append(request.url))
    page.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "data:")) else page.said.append(r.url),
    )
    yield page
    context.close()
