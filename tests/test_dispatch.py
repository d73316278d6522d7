"""Which kernels serve an array, and how they are chosen."""

import os
import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinycnn
from tests.helpers.geometries import EVERY_LAYOUT
from tinycnn import Tensor, dispatch, models, optim
from tinycnn import backend as _backend
from tinycnn import functional as F
from tinycnn.dispatch import kernels_for
from tinycnn.functional.cards import CARDS
from tinycnn.kernels import table


@pytest.fixture
def undecided(monkeypatch):
    """Let the environment decide, as in a new process. Choices that a test makes end with the test."""
    monkeypatch.setattr(_backend, "_current", "numpy")
    monkeypatch.setattr(dispatch, "_chosen", None)
    monkeypatch.setattr(dispatch, "_decided", False)
    monkeypatch.delenv("TINYCNN_KERNELS", raising=False)
    monkeypatch.delenv("TINYCNN_CONV", raising=False)


@pytest.mark.parametrize(
    ("chosen", "size", "dtype", "serving"),
    [
        ("auto", 1 << 9, "float32", "cpu"),
        ("auto", 1 << 9, "float64", "cpu"),
        ("auto", (1 << 9) - 1, "float32", "im2col"),  # so little that compiling would take longer
        ("auto", 1 << 14, "float16", "im2col"),
        ("auto", 1 << 14, "int64", "im2col"),
        ("cpu", 1, "float32", "cpu"),
        ("im2col", 1 << 20, "float32", "im2col"),
        ("loops", 1, "float32", "loops"),
        ("plain", 1 << 20, "int64", "plain"),
    ],
)
def test_which_kernels_serve_an_array(chosen, size, dtype, serving):
    with tinycnn.using(kernels=chosen):
        assert kernels_for(np.empty(size, dtype)).name == serving


def test_one_large_array_of_several_is_enough():
    with tinycnn.using(kernels="auto"):
        assert kernels_for(np.empty(1), np.empty(1 << 9)).name == "cpu"


@pytest.mark.parametrize("name", [name for name in CARDS if name != "to"])
def test_compiled_kernels_take_arrays_that_are_not_aligned_or_of_foreign_byte_order(name):
    f, arrays = CARDS[name].example(np.random.default_rng(0))

    def step(change):
        leaves = [Tensor(change(a), requires_grad=True) for a in arrays]
        y = f(*leaves)
        (y * y).sum().backward()
        return [y.numpy(), *(leaf.grad.numpy() for leaf in leaves)]

    with tinycnn.using("numpy", kernels="cpu"):
        expected = step(lambda a: a)
        # In this order: having met what is not aligned, Numba does not look at the byte order any more.
        for layout in ("misaligned", "byte-swapped"):
            for ours, right in zip(step(EVERY_LAYOUT[layout]), expected, strict=True):
                assert_array_equal(ours, right)


def test_use_lasts_and_using_ends(undecided):
    tinycnn.use(kernels="plain")
    with tinycnn.using(kernels="loops"):
        assert kernels_for(np.empty(1)).name == "loops"
        with pytest.raises(ZeroDivisionError), tinycnn.using(kernels="im2col"):
            _ = 1 / 0
        assert kernels_for(np.empty(1)).name == "loops"
    assert kernels_for(np.empty(1)).name == "plain"
    tinycnn.use("numpy")
    assert kernels_for(np.empty(1)).name == "plain"
    tinycnn.use(kernels="auto")
    assert kernels_for(np.empty(1 << 9)).name == "cpu"


def test_backend_and_kernels_together(undecided, stand_in):
    with tinycnn.using("cupy", kernels="plain"):
        x = tinycnn.ones(2)
        assert x.backend == "cupy"
        assert kernels_for(x.data).name == "plain"
    assert tinycnn.ones(2).backend == "numpy"


def test_where_one_of_both_is_refused_nothing_changes(undecided):
    with pytest.raises(ValueError, match="unknown kernels"):
        tinycnn.use("numpy", kernels="fast")
    tinycnn.use(kernels="loops")
    with pytest.raises(ValueError, match="unknown backend"):
        tinycnn.use("torch", kernels="plain")
    assert kernels_for(np.empty(1)).name == "loops"
    with pytest.raises(TypeError, match="needs a backend, kernels=, or both"):
        tinycnn.use()


def test_kernels_of_ones_own(undecided):
    def doubled(x):
        return 2 * x

    with tinycnn.using(kernels=replace(table.PLAIN, name="mine", relu=doubled)):
        assert F.relu(Tensor([-1.0, 3.0])).numpy().tolist() == [-2, 6]


def test_what_is_chosen_serves_everything(undecided):
    """A step of a network reaches every kernel that it needs in the chosen set."""
    called = set()

    def watched(name, kernel):
        def call(*args, **options):
            called.add(name)
            return kernel(*args, **options)

        return call

    fields = {name: kernel for name, kernel in vars(table.PLAIN).items() if callable(kernel)}
    mine = replace(table.PLAIN, **{name: watched(name, kernel) for name, kernel in fields.items()})
    with tinycnn.using(kernels=mine):
        model = models.cnn28()
        optimizer = optim.Adam(model.parameters())
        images = Tensor(np.ones((4, 1, 28, 28), "f"))
        F.cross_entropy(model(images), [1, 2, 3, 4]).backward()
        optimizer.step()
        x = Tensor(np.ones((2, 2, 4, 4), "f"), requires_grad=True)
        F.leaky_relu(F.instance_norm(F.avg_pool2d(x, 2), tinycnn.ones(2), tinycnn.ones(2))).sum().backward()
        F.batch_norm(x, tinycnn.zeros(2), tinycnn.ones(2), training=True)
        F.binary_cross_entropy_with_logits(x, x.detach()).backward()
    assert {"conv2d", "conv2d_weight", "max_pool2d", "pool_scatter", "matmul", "relu", "gate"} < called
    assert {"adam", "cross_entropy", "cross_entropy_input", "normalise", "normalise_input"} < called
    assert {"update_running", "binary_cross_entropy", "binary_cross_entropy_input"} < called
    assert {"sum_pool2d", "sum_pool2d_input", "leaky_relu", "leaky_gate", "channel_affine"} < called


def test_the_environment_chooses(undecided, monkeypatch):
    monkeypatch.setenv("TINYCNN_KERNELS", "plain")
    assert kernels_for(np.empty(1 << 9)).name == "plain"


def test_the_old_variable_is_understood_and_says_its_new_name(undecided, monkeypatch):
    monkeypatch.setenv("TINYCNN_CONV", "loops")
    with pytest.warns(FutureWarning, match="TINYCNN_CONV is now called TINYCNN_KERNELS") as said:
        for _ in range(3):
            assert kernels_for(np.empty(1 << 9)).name == "loops"
    assert len(said) == 1


def test_of_both_variables_the_new_one_decides(undecided, monkeypatch):
    monkeypatch.setenv("TINYCNN_CONV", "loops")
    monkeypatch.setenv("TINYCNN_KERNELS", "plain")
    assert kernels_for(np.empty(1 << 9)).name == "plain"


def test_an_unknown_name_lists_what_there_is_and_why_others_are_missing(undecided, monkeypatch):
    monkeypatch.setattr(table, "why_no_cuda", lambda: "no GPU, as it happens")
    says = (
        r"unknown kernels 'fast'; there are 'auto', 'plain', 'loops', 'im2col'.*'cpu'.*; "
        "not .*'cuda', 'capturable', 'direct', 'coalesced', 'shared', 'gemm', 'registers', 'async', "
        "'tf32x3', 'tf32', as no GPU, as it happens"
    )
    with pytest.raises(ValueError, match=says):
        tinycnn.use(kernels="fast")
    monkeypatch.setenv("TINYCNN_KERNELS", "fast")
    with pytest.raises(ValueError, match="TINYCNN_KERNELS: " + says):
        F.relu(Tensor([1.0]))


@pytest.mark.parametrize("kernels", [3, ["cpu"], {"name": "cpu"}])
def test_kernels_that_are_no_name_are_refused_with_what_there_is(undecided, kernels):
    with pytest.raises(ValueError, match=r"unknown kernels .*; there are 'auto', 'plain'"):
        tinycnn.use(kernels=kernels)


def test_kernels_that_are_missing_say_why(undecided, monkeypatch):
    monkeypatch.setattr(table, "why_no_cuda", lambda: "no GPU, as it happens")
    with pytest.raises(ValueError, match="'direct' cannot be used here: no GPU, as it happens; there are"):
        tinycnn.use(kernels="direct")


def test_arrays_that_the_chosen_kernels_do_not_take():
    with (
        tinycnn.using(kernels="cpu"),
        pytest.raises(ValueError, match=r"'cpu'.* take float32 and float64 arrays of numpy, not int64"),
    ):
        kernels_for(np.zeros((2, 3), np.int64))


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ({"threadpoolctl": "3.6.0"}, "numba is not installed"),
        ({"numba": "0.61.2", "threadpoolctl": "3.6.0"}, "numba 0.61.2 is too old, 0.62 or newer is needed"),
        ({"numba": "1.0rc1"}, "threadpoolctl is not installed"),
    ],
)
def test_without_numba_all_arrays_are_served_all_the_same(undecided, monkeypatch, versions, reason):
    def version(name):
        if name in versions:
            return versions[name]
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    table.why_not_compiled.cache_clear()
    try:
        assert table.why_not_compiled() == reason
        assert kernels_for(np.empty(1 << 20)).name == "im2col"
        with pytest.raises(ValueError, match=f"'cpu' cannot be used here: {reason}"):
            tinycnn.use(kernels="cpu")
    finally:
        table.why_not_compiled.cache_clear()


def test_where_numba_is_missing_training_and_info_work(tmp_path):
    (tmp_path / "blocked.py").write_text(
        """
import importlib.metadata, sys
for name in ("numba", "llvmlite"):
    sys.modules[name] = None
version = importlib.metadata.version
def without_numba(name):
    if name == "numba":
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version = without_numba

import numpy as np
from tinycnn import Tensor, cli, models, optim
from tinycnn import functional as F

model = models.cnn28()
optimizer = optim.Adam(model.parameters())
F.cross_entropy(model(Tensor(np.ones((2, 1, 28, 28), "float32"))), [1, 2]).backward()
optimizer.step()
cli.main(["info"])
"""
    )
    command = [sys.executable, "blocked.py"]
    environment = {**os.environ, "PYTHONPATH": str(Path(tinycnn.__file__).parents[1])}
    environment["TINYCNN_BACKEND"] = "numpy"
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "kernels for NumPy arrays: im2col" in done.stdout
    assert "nothing is compiled: numba is not installed" in done.stdout
