"""What training may do on a GPU: no batch waits for it, and nothing but numbers differs from the CPU."""

import inspect

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinycnn
from tests.helpers import strict_cupy
from tinycnn import functional as F
from tinycnn import nn, optim
from tinycnn.data import Augment, DataLoader, from_arrays, resident
from tinycnn.fit import Callback, DivergedError, evaluate, fit, load_checkpoint, save_checkpoint
from tinycnn.fit.loop import CHECK_EVERY
from tinycnn.functional.cards import CARDS
from tinycnn.gan.networks import one_hot
from tinycnn.gan.training import WINDOW
from tinycnn.storage import load_weights, save_weights
from tinycnn.tensor import Tensor

EVERYTHING = Augment(shift=2, rotate=10, flip=True)


class Traffic(Callback):
    """Count what comes back from the GPU, and which arrays go there, in every batch."""

    def on_epoch_begin(self, training):
        self.waits, self.uploads = [], []
        self._forget()

    def on_batch_end(self, training):
        self.waits.append(list(strict_cupy.waits))
        self.uploads.append(list(strict_cupy.uploads))
        self._forget()

    def _forget(self):
        strict_cupy.waits.clear()
        strict_cupy.uploads.clear()


@pytest.mark.parametrize("rule", ["Adam", "AdamW", "momentum"])
def test_no_batch_waits_for_the_gpu(stand_in, make_training, rule):
    with tinycnn.using("cupy"):
        traffic = Traffic()
        fit(make_training(rule, augment=EVERYTHING, batch_size=2, epochs=1), [traffic])
    assert len(traffic.waits) == 64 > CHECK_EVERY
    assert [n for n, waits in enumerate(traffic.waits, start=1) if waits] == [CHECK_EVERY]
    assert traffic.waits[CHECK_EVERY - 1] == ["get"]  # the sums so far, in one transfer


def test_a_data_set_lives_on_the_gpu(stand_in, make_training):
    with tinycnn.using("cupy"):
        traffic = Traffic()
        fit(make_training(), [traffic])
    sent = [len(images) for images in traffic.uploads]
    assert traffic.uploads[1:] == [[(2, 16)]] * 7  # by how much each picture is shifted
    assert sent[0] == 2  # and the epoch's order; the images went there in the epoch before


def test_an_evaluation_waits_at_its_end(stand_in, make_training):
    with tinycnn.using("cupy"):
        run = make_training()
        strict_cupy.waits.clear()
        result = evaluate(run.model, run.validation)
    assert strict_cupy.waits == ["get"] * 3  # the sums, the labels, the logits
    assert (result.labels.shape, result.logits.shape) == ((40,), (40, 10))


def test_a_large_data_set_goes_there_in_batches(stand_in, make_training, monkeypatch):
    monkeypatch.setattr(resident, "MOST_RESIDENT", 1000)
    with tinycnn.using("cupy"):
        traffic = Traffic()
        fit(make_training(), [traffic])
    assert traffic.uploads == [[(16, 1, 28, 28), (16,), (2, 16)]] * 8
    assert not any(traffic.waits)


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("non-saturating", {"class_weight": 0.1, "shift": 1}),
        ("non-saturating", {"conditional": True}),
        ("least-squares", {}),
        ("wgan-gp", {}),
        ("feature-matching", {}),
    ],
)
def test_no_step_of_a_gan_waits_for_the_gpu(stand_in, make_gan, loss, options):
    with tinycnn.using("cupy"):
        traffic = Traffic()
        fit(make_gan(loss, **options), [traffic])
    # A point of the curves is the mean of some batches; the last one of an epoch may have fewer.
    assert [n for n, waits in enumerate(traffic.waits, start=1) if waits] == [WINDOW, 16]
    assert all(len(waits) <= 1 for waits in traffic.waits)
    assert not any(traffic.uploads[1:])


@pytest.mark.parametrize("most", [1 << 30, 1000])
@pytest.mark.parametrize("augment", [None, EVERYTHING, Augment(shift=3)])
@pytest.mark.parametrize("kind", ["bytes", "floats"])
def test_batches_are_the_same_everywhere(backend, few_digits, monkeypatch, most, augment, kind):
    monkeypatch.setattr(resident, "MOST_RESIDENT", most)
    data = few_digits[0]
    if kind == "floats":
        data = from_arrays(data.scaled(slice(None)), data.labels)
    batches = DataLoader(data, 48, shuffle=True, augment=augment)
    ours = list(batches.batches(3, start=1))
    with tinycnn.using("numpy"):
        theirs = list(batches.batches(3, start=1))
    assert len(ours) == len(theirs) == 2
    for (images, labels), (other_images, other_labels) in zip(ours, theirs, strict=True):
        assert images.backend == labels.backend == backend
        assert (images.dtype, labels.dtype) == (np.float32, np.int64)
        assert_array_equal(labels.numpy(), other_labels.numpy())
        # sine and cosine may differ in the last bit; nothing else does
        assert_allclose(images.numpy(), other_images.numpy(), atol=1e-5 if augment == EVERYTHING else 0)


def without_seconds(history):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]


def test_a_seed_is_a_seed(backend, make_training):
    histories = [without_seconds(fit(make_training())) for _ in range(2)]
    assert histories[0] == histories[1]
    tinycnn.manual_seed((1, 2))
    first = tinycnn.randn(4).numpy()
    tinycnn.manual_seed((1, 3))
    assert (tinycnn.randn(4).numpy() != first).all()


def test_a_checkpoint_continues_elsewhere(backend, make_training, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    with tinycnn.using("numpy"):
        begun = make_training(dropout=0.0, epochs=3)
        begun.epochs = 1
        fit(begun)
        save_checkpoint(path, begun, {})
        begun.epochs = 3
        expected = fit(begun)
    there = make_training(dropout=0.0, epochs=3)
    load_checkpoint(path, there)
    history = fit(there)
    for ours, theirs in zip(history, expected, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-2)
        assert ours["val_loss"] == pytest.approx(theirs["val_loss"], rel=1e-2)
    assert {t.backend for t in there.model.state_dict().values()} == {backend}
    save_checkpoint(path, there, {})
    with tinycnn.using("numpy"):
        back = make_training(dropout=0.0, epochs=3)
        load_checkpoint(path, back)
        for name, tensor in back.model.state_dict().items():
            assert_array_equal(tensor.numpy(), there.model.state_dict()[name].numpy())


def test_weights_go_from_one_backend_to_the_other(backend, tmp_path):
    ours = nn.Linear(3, 2)
    save_weights(tmp_path / "w.safetensors", ours, {})
    for place in ("numpy", backend):
        with tinycnn.using(place):
            other = nn.Linear(3, 2)
        other.load_state_dict(load_weights(tmp_path / "w.safetensors")[0])
        assert other.weight.backend == place
        assert_array_equal(other.weight.numpy(), ours.weight.numpy())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("label", [-1, 3])
def test_labels_out_of_range_on_a_gpu(stand_in, label, smoothing):
    """They are not looked at, as that would wait; so they must show."""
    z = Tensor(np.zeros((2, 3)), requires_grad=True, backend="cupy")
    labels = Tensor(np.array([0, label % 3]), backend="cupy")
    labels.data.host[1] = label if label < 0 else -1  # NumPy wraps negative ones, as CuPy does all
    strict_cupy.waits.clear()
    loss = F.cross_entropy(z, labels, reduction="none", label_smoothing=smoothing)
    F.sum(loss).backward()
    assert strict_cupy.waits == []
    assert np.isnan(loss.numpy()).tolist() == [False, True]
    assert np.isnan(z.grad.numpy()).tolist() == [[False] * 3, [True] * 3]
    with (
        tinycnn.detect_anomaly(),
        pytest.raises(ValueError, match=r"labels go from 0 to K-1=2 .*got -1 to 0"),
    ):
        F.cross_entropy(z, labels)
    with pytest.raises(ValueError, match="labels go from 0 to K-1=2"):
        F.cross_entropy(z, [0, label])  # a list can be looked at
    strict_cupy.waits.clear()
    rows = one_hot("G", labels, 3, z)
    assert strict_cupy.waits == []
    assert np.isnan(rows.numpy()).tolist() == [[False] * 3, [True] * 3]


def test_a_loss_that_diverges_is_noticed(stand_in, make_training):
    with tinycnn.using("cupy"):
        run = make_training()
        run.model.layers[0].weight.data[...] = np.nan
        with pytest.raises(DivergedError, match="the loss became nan in epoch 1, by batch 8"):
            fit(run)


def test_all_numbers_come_back_at_once(stand_in):
    strict_cupy.waits.clear()
    import cupy

    there = cupy.asarray(np.float32(0.1))
    assert tinycnn.backend.numbers(2, there, np.float32(0.5), cupy.asarray([3])) == [
        2,
        np.float32(0.1),
        0.5,
        3,
    ]
    assert strict_cupy.waits == ["get"]
    assert tinycnn.backend.numbers() == []


def test_maxima_and_numbers_in_formulas_wait_for_nothing(stand_in):
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True, backend="cupy")
    strict_cupy.waits.clear()
    strict_cupy.uploads.clear()
    y = (2 * x.max(1) + 1).sum() / 3 + x.min() + F.softmax(x, 1).max()
    y.backward()
    optim.Adam([x]).step()
    assert strict_cupy.waits == []
    assert strict_cupy.uploads == []


def test_what_is_used_of_numpy_is_there_in_cupy(make_training, make_gan, request):
    """The stand-in would hand out a function of NumPy's that CuPy has not."""
    cupy = pytest.importorskip("cupy", reason="the CuPy package is not installed")
    if cupy is strict_cupy:
        pytest.skip("the stand-in stands in for all of CuPy")
    request.getfixturevalue("stand_in")
    strict_cupy.names.clear()
    strict_cupy.calls.clear()
    with tinycnn.using("cupy"):
        fit(make_training(augment=EVERYTHING))
        fit(make_gan("wgan-gp", conditional=True))
        for name, card in CARDS.items():
            f, arrays = card.example(np.random.default_rng(0))
            (f(*(Tensor(a, requires_grad=True) for a in arrays)) if name != "to" else Tensor(1.0)).sum()
    used = {name for name in strict_cupy.names if not name.startswith("ndarray._")}
    assert len(used) > 40
    assert [name for name in used if not has(cupy, name)] == []
    named = [call for call in strict_cupy.calls if call[2]]
    assert len(named) > 5
    assert [call for call in strict_cupy.calls if not takes(cupy, *call)] == []


def takes(cupy, name, count, keywords):
    """Return whether CuPy's function takes so many arguments, and these by name."""
    function = cupy
    for part in name.split("."):
        function = getattr(function, part)
    if isinstance(function, cupy.ufunc):
        return set(keywords) <= {"out", "dtype", "casting"}
    try:
        signature = inspect.signature(function)
    except ValueError:  # compiled: its parameters stand in the first line of its description
        said = (function.__doc__ or "").partition("\n")[0]
        return all(f"{keyword}=" in said or "**" in said for keyword in keywords)
    try:
        signature.bind(*[None] * (count + name.startswith("ndarray.")), **dict.fromkeys(keywords))
    except TypeError:
        return False
    return True


def has(module, dotted):
    for name in dotted.split("."):
        if not hasattr(module, name):
            return False
        module = getattr(module, name)
    return True
