import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinycnn
from tinycnn import backend as _backend
from tinycnn import functional as F
from tinycnn import nn, optim
from tinycnn.functional.cards import CARDS
from tinycnn.models import cnn28, lenet5
from tinycnn.tensor import Tensor
from tinycnn.wrong import BackendError

OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.01, weight_decay=1e-3, l1=1e-4),
    "Nesterov": lambda p: optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
    "Adam": lambda p: optim.Adam(p, lr=1e-3, weight_decay=1e-3),
    "Adam, amsgrad": lambda p: optim.Adam(p, lr=1e-3, amsgrad=True),
    "AdamW": lambda p: optim.AdamW(p, lr=1e-3),
}


def ones(backend, *shape):
    return Tensor(np.ones(shape), requires_grad=True, backend=backend)


@pytest.fixture
def undecided(monkeypatch):
    """As before the first use: the environment variable decides."""
    monkeypatch.setattr(_backend, "_current", None)


class TestChoice:
    def test_numpy_unless_told_otherwise(self, undecided, monkeypatch):
        monkeypatch.delenv("TINYCNN_BACKEND", raising=False)
        assert _backend.current() == "numpy"

    def test_the_environment_variable(self, undecided, stand_in, monkeypatch):
        monkeypatch.setenv("TINYCNN_BACKEND", "cupy")
        assert tinycnn.zeros(2).backend == "cupy"
        assert Tensor([1, 2]).backend == "cupy"
        assert Tensor(np.ones(2)).backend == "cupy"

    def test_use_and_using(self, undecided, stand_in):
        tinycnn.use("cupy")
        with tinycnn.using("numpy"):
            assert tinycnn.rand(2).backend == "numpy"
            with pytest.raises(ZeroDivisionError), tinycnn.using("cupy"):
                _ = 1 / 0
            assert _backend.current() == "numpy"
        assert nn.Linear(2, 2).weight.backend == "cupy"

    @pytest.mark.parametrize("name", ["torch", "", "CuPy"])
    def test_an_unknown_name(self, name, undecided):
        with pytest.raises(ValueError, match=f"unknown backend '{name}'; there are 'numpy' .* and 'cupy' "):
            tinycnn.use(name)

    def test_an_unknown_name_in_the_environment(self, undecided, monkeypatch):
        monkeypatch.setenv("TINYCNN_BACKEND", "cuda")
        with pytest.raises(ValueError, match="unknown backend 'cuda'"):
            tinycnn.zeros(2)


@pytest.mark.usefixtures("stand_in")
class TestMixing:
    @pytest.mark.parametrize(
        "call",
        [
            lambda a, b: a + b,
            lambda a, b: a @ b.T,
            lambda a, b: F.concatenate([a, b]),
            lambda a, b: a < b,
            lambda a, b: F.where(b > 0, a, 0.0),
            lambda a, b: F.where(a > 0, a, b),
            lambda a, b: a[Tensor(np.array([0, 1]), backend=b.backend)],
            lambda a, b: a.backward(b),
            lambda a, b: F.gather(a, 1, Tensor(np.zeros((2, 1), int), backend=b.backend)),
            lambda a, b: F.mse_loss(a, b),
        ],
    )
    @pytest.mark.parametrize("order", [1, -1])
    def test_two_backends_in_one_operation_are_refused(self, call, order):
        a, b = [ones("numpy", 2, 3), ones("cupy", 2, 3)][::order]
        with pytest.raises(
            BackendError, match=r"\(2, .* lives in (numpy|cupy), .*\([23].*move one with tensor\.to\('"
        ) as caught:
            call(a, b)
        assert "numpy" in str(caught.value)
        assert "cupy" in str(caught.value)

    def test_a_plain_array_of_the_other_library(self):
        with pytest.raises(BackendError, match="move one with"):
            ones("cupy", 2) * np.ones(2)
        with pytest.raises(BackendError, match="move one with"):
            np.ones(2) * ones("cupy", 2)

    def test_nothing_becomes_numpy_in_silence(self):
        with pytest.raises(TypeError, match=r"shape \(2,\) on cupy is not copied silently: use tensor.numpy"):
            np.asarray(ones("cupy", 2))

    def test_an_array_of_numpy_may_hold_the_labels(self):
        assert F.cross_entropy(ones("cupy", 2, 3), np.array([0, 1])).backend == "cupy"

    def test_to_moves_and_the_gradient_comes_back(self):
        x = ones("numpy", 2)
        y = x.to("cupy")
        assert (x.backend, y.backend, y.to("numpy").backend) == ("numpy", "cupy", "numpy")
        (y * y).sum().backward()
        assert x.grad.backend == "numpy"
        assert_allclose(x.grad.numpy(), [2, 2])
        assert x.to("numpy") is x

    @pytest.mark.parametrize(("current", "other"), [("numpy", "cupy"), ("cupy", "numpy")])
    @pytest.mark.parametrize("name", CARDS)
    def test_an_operation_runs_where_its_inputs_live(self, name, current, other):
        with tinycnn.using(current):
            f, arrays = CARDS[name].example(np.random.default_rng(2))
            inputs = [Tensor(a, requires_grad=True, backend=other) for a in arrays]
            y = f(*inputs)
            (y * y).sum().backward()
            assert y.backend == (other if name != "to" else "numpy")
            assert {x.grad.backend for x in inputs} == {other}

    @pytest.mark.parametrize(("current", "other"), [("numpy", "cupy"), ("cupy", "numpy")])
    def test_what_is_no_operation_too(self, current, other):
        with tinycnn.using(current):
            x, scalar = ones(other, 2, 3), ones(other)
            results = [
                x > 0.5,
                scalar > 0.5,
                x.argmax(),
                x.argmax(1),
                x.detach(),
                F.dropout(x),
                x * [1, 2, 3],
            ]
            assert {y.backend for y in results} == {other}
            (2**scalar * scalar**3).backward()  # NumPy compares scalars to a number, not to an array
            assert scalar.grad.backend == other
            tinycnn.gradcheck(lambda x: x * x, x)


def test_the_stand_in_is_strict(stand_in):
    import cupy

    a, b = cupy.ones(2), np.ones(2)
    for mix in (lambda: a + b, lambda: b + a, lambda: np.add(a, b), lambda: cupy.exp(b), lambda: a[b > 0]):
        with pytest.raises(TypeError, match="Unsupported type"):
            mix()
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(a)
    assert type(a.sum()) is type(a)
    assert type(np.exp(a)) is type(a)
    assert a.reshape(1, 2)[0].base is a


@pytest.mark.parametrize("name", CARDS)
def test_every_operation(name, backend):
    for seed in range(5):
        f, arrays = CARDS[name].example(np.random.default_rng(seed))
        inputs = [Tensor(a, requires_grad=True, backend=backend) for a in arrays]
        y = f(*inputs)
        (y * y).sum().backward()
        if name != "to":
            assert y.backend == backend
        for x in inputs:
            assert x.grad.backend == backend
            assert x.grad.shape == x.shape
        tinycnn.gradcheck(f, inputs)
        with tinycnn.using("numpy"):
            expected = CARDS[name].example(np.random.default_rng(seed)).f(*map(Tensor, arrays))
        assert_allclose(y.numpy(), expected.numpy(), atol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("build", [lenet5, cnn28])
def test_a_network_trains_alike(build, optimizer, backend, rng):
    start = build()
    weights = {name: t.numpy().copy() for name, t in start.state_dict().items()}
    x, labels = rng.standard_normal((4, 1, 28, 28)).astype("float32"), rng.integers(0, 10, 4)

    def losses(where):
        with tinycnn.using(where):
            model = build()
            model.load_state_dict(weights)
            rule = OPTIMIZERS[optimizer](model.parameters())
            for _ in range(3):
                loss = F.cross_entropy(model(Tensor(x)), labels)
                rule.zero_grad()
                loss.backward()
                rule.step()
                yield loss.item()
            places = {t.backend for t in model.state_dict().values()}
            assert places | {p.grad.backend for p in model.parameters()} == {where}

    ours = list(losses(backend))
    assert ours[2] < ours[0]
    assert_allclose(ours, list(losses("numpy")), rtol=1e-4)


def test_batch_norm_and_dropout_train(backend, rng):
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.2), nn.GlobalMaxPool2d(), nn.Flatten()
    )
    x = Tensor(rng.standard_normal((4, 1, 5, 5)).astype("float32"), backend=backend)
    F.mse_loss(model(x), np.zeros((4, 2), "float32").tolist()).backward()
    assert {t.backend for t in model.state_dict().values()} == {backend}
    assert model.eval()(x).backend == backend
    assert model.state_dict()["1.num_batches_tracked"].item() == 1


def test_a_model_moves_with_its_gradients_and_its_optimizer_follows(stand_in, rng):
    model = nn.Linear(3, 2)
    rule = optim.Adam(model.parameters())
    x = Tensor(rng.standard_normal((4, 3)).astype("float32"))
    for place in "numpy", "cupy", "cupy", "numpy":
        model.to(place)
        model(x.to(place)).sum().backward()
        rule.step()
        assert {t.backend for p in model.parameters() for t in (p, p.grad)} == {place}
    state = rule.state_dict()
    with tinycnn.using("cupy"):
        other = optim.Adam(nn.Linear(3, 2).parameters())
    other.load_state_dict(state)
    assert all(_backend.backend_of(a) == "cupy" for s in other.state for a in s.values())


def test_summary_runs_where_the_weights_live(stand_in):
    model = nn.Sequential(nn.Linear(2, 3))
    model.to("cupy")
    assert model.summary((2,)).parameters == 9


def test_tensors_that_live_elsewhere_say_so(stand_in):
    x = ones("cupy", 2)
    assert repr(x) == "Tensor([1., 1.], dtype=float64, backend='cupy', requires_grad=True)"
    x.numpy()[0] = 5  # a copy
    assert x.numpy().tolist() == [1, 1]
    with tinycnn.no_grad():
        x[0] = 3
        x[1:] = Tensor(np.array([4.0]), backend="cupy")
    assert x.numpy().tolist() == [3, 4]


def test_pytorchs_names_of_devices(stand_in):
    x = Tensor([1.0, 2.0], backend="numpy", requires_grad=True)
    there = x.to("cuda")
    assert there.backend == "cupy"
    assert there.to("cpu").backend == "numpy"
    assert x.to("cpu") is x
    there.sum().backward()
    assert x.grad.backend == "numpy"
