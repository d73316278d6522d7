import copy
import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinycnn
from tinycnn import functional as F
from tinycnn import nn, optim
from tinycnn.compression import GradualPruning, KeepPruned, load_sparse, masks_of, prune, save_sparse, shrink
from tinycnn.data import DataLoader, Dataset
from tinycnn.fit import Callback, Training, fit, load_checkpoint, save_checkpoint
from tinycnn.models import cnn28, resnet
from tinycnn.storage import load_arrays, save_arrays, save_weights
from tinycnn.tensor import Tensor
from tinycnn.tutor.exercises.pruning import prune as tutors_prune


@pytest.fixture
def net():
    tinycnn.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 4, 8), nn.ReLU(), nn.Linear(8, 3)),
    )


@pytest.fixture
def data(rng):
    """Images of which the label can be seen: the brighter third."""
    labels = rng.integers(0, 3, 48)
    images = rng.random((48, 1, 10, 10), dtype=np.float32) * 0.3
    for image, label in zip(images, labels, strict=True):
        image[0, 3 * label : 3 * label + 3] += 0.6
    return Dataset(images, labels, ("a", "b", "c"), "bars")


def weights(net):
    return {name: p.numpy() for name, p in net.named_parameters() if p.ndim > 1}


def zeros(net):
    return {name: int((w == 0).sum()) for name, w in weights(net).items()}


def training(net, data, epochs=2, **options):
    optimizer = optim.Adam(net.parameters(), 1e-2, weight_decay=1e-3)
    return Training(net, DataLoader(data, 8, shuffle=True), optimizer, epochs, **options)


def test_it_cuts_the_share_of_all_weights_nearest_to_0(net):
    before = {name: w.copy() for name, w in weights(net).items()}
    count = sum(w.size for w in before.values())
    masks = prune(net, 0.7)
    assert sum(zeros(net).values()) == round(0.7 * count)
    assert masks.sparsity == pytest.approx(0.7, abs=1 / count)
    kept = np.concatenate([np.abs(w[w != 0]) for w in weights(net).values()])
    cut = np.concatenate([np.abs(before[name][w == 0]) for name, w in weights(net).items()])
    assert cut.max() <= kept.min()
    for name, w in weights(net).items():
        assert_array_equal(w[w != 0], before[name][w != 0])
    assert not np.any(net[0].bias.numpy() == 0)  # biases stay


def test_it_is_what_the_tutor_teaches(rng):
    """The exercise's right answer, an independent implementation of Eq. 16."""
    layers = nn.Sequential(nn.Linear(5, 4, bias=False), nn.Linear(4, 5, bias=False))
    expected = tutors_prune([layer.weight.numpy().copy() for layer in layers], 0.4)
    prune(layers, 0.4)
    for layer, w in zip(layers, expected, strict=True):
        assert_array_equal(layer.weight.numpy(), w)


def test_per_layer_it_cuts_the_same_share_of_each(net):
    prune(net, 0.5, scope="layer")
    assert zeros(net) == {name: round(0.5 * w.size) for name, w in weights(net).items()}


def test_pruned_twice_what_was_cut_stays_cut(net):
    first = prune(net, 0.5).kept
    second = prune(net, 0.8).kept
    assert not any(np.any(second[name] & ~first[name]) for name in first)


@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam, optim.AdamW])
def test_masks_survive_training(net, data, rule):
    optimizer = rule(net.parameters(), 1e-2)
    if rule is optim.SGD:
        optimizer = optim.SGD(net.parameters(), 1e-2, momentum=0.9)
    warm = Training(net, DataLoader(data, 8), optimizer, 1)  # momentum of weights that are cut next
    fit(warm)
    masks = prune(net, 0.6)
    before, kept = zeros(net), [w.copy() for w in weights(net).values()]
    fit(Training(net, DataLoader(data, 8), optimizer, 2), [KeepPruned(masks)])
    assert zeros(net) == before
    assert any(np.any(a != b) for a, b in zip(kept, weights(net).values(), strict=True))
    fit(Training(net, DataLoader(data, 8), optimizer, 1))
    assert sum(zeros(net).values()) < sum(before.values())  # without the masks they would grow again


def test_masks_survive_saving(net, data, tmp_path):
    prune(net, 0.6)
    save_weights(tmp_path / "w", net, {})
    other = copy.deepcopy(net)
    other.load_state_dict(net.state_dict() | {name: np.ones(w.shape) for name, w in weights(net).items()})
    other.load_state_dict(load_arrays(tmp_path / "w")[0])
    masks = masks_of(other)
    fit(training(other, data, 1), [KeepPruned(masks)])
    assert zeros(other) == zeros(net)


class Record(Callback):
    def __init__(self, net):
        self.net, self.cut = net, []

    def on_batch_end(self, training):
        self.cut.append(sum(zeros(self.net).values()))


def test_gradual_pruning_cuts_much_early_and_ends_at_its_share(net, data):
    record = Record(net)
    pruning = GradualPruning(net, 0.8, until=0.5, every=2)
    fit(training(net, data, 4), [pruning, record])  # 24 batches, the end after 12
    count = sum(w.size for w in weights(net).values())
    assert record.cut[0] == 0
    assert record.cut[11] == record.cut[-1] == round(0.8 * count)
    assert record.cut[3] == round(0.8 * (1 - (1 - 4 / 12) ** 3) * count)
    steps = np.diff(record.cut[1:12:2])
    assert np.all(np.diff(steps) < 0)  # less each time
    assert pruning.masks.sparsity == pytest.approx(0.8, abs=1 / count)


def test_gradual_pruning_that_is_resumed_ends_with_the_same_weights(net, data, tmp_path):
    class StopAt(Callback):
        def on_batch_end(self, training):
            if training.epoch * 6 + training.batch == 9:  # between two prunings
                training.stop = "enough"

    whole, halves = training(net, data, 3), training(copy.deepcopy(net), data, 3)
    fit(whole, [GradualPruning(net, 0.8, every=4)])
    fit(halves, [GradualPruning(halves.model, 0.8, every=4), StopAt()])
    save_checkpoint(tmp_path / "c", halves, {})
    rest = training(copy.deepcopy(net), data, 3)
    pruning = GradualPruning(rest.model, 0.8, every=4)  # before the weights are there
    load_checkpoint(tmp_path / "c", rest)
    fit(rest, [pruning])
    for a, b in zip(weights(net).values(), weights(rest.model).values(), strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.1, float("nan")])
def test_shares_that_leave_nothing_or_cut_nothing_are_refused(net, share):
    for name, function in (("sparsity", prune), ("sparsity", GradualPruning), ("fraction", shrink)):
        with pytest.raises(
            ValueError, match=f"{name} is a share between 0 and 1, both excluded, got {share}"
        ):
            function(net, share)


@pytest.mark.parametrize("share", ["0.5", None, [0.5]])
def test_what_is_no_share_is_refused(net, share):
    for name, function in (("sparsity", prune), ("sparsity", GradualPruning), ("fraction", shrink)):
        with pytest.raises(TypeError, match=f"{name} must be a number between 0 and 1"):
            function(net, share)


def test_percent_are_recognised(net):
    with pytest.raises(ValueError, match=r"got 90; 90 % is sparsity=0.9"):
        prune(net, 90)


def test_other_bad_arguments(net):
    with pytest.raises(ValueError, match="scope must be one of global, layer, got 'all'"):
        prune(net, 0.5, "all")
    with pytest.raises(ValueError, match="no weights of two dimensions"):
        prune(nn.ReLU(), 0.5)
    with pytest.raises(ValueError, match="until must be in"):
        GradualPruning(net, 0.5, until=0)


def test_a_shrunk_network_is_the_old_one_without_those_filters(net, rng):
    """Filters of zeros give 0 to the next layer: without them the function is the same."""
    fit_stats = Tensor(rng.random((8, 1, 10, 10), dtype=np.float32))
    net(fit_stats)  # running statistics
    net.eval()
    for layer, gone in ((net[0], [1, 2]), (net[4], [0, 3, 5]), (net[7], [1, 2, 4, 6])):
        layer.weight.data[gone] = 0
        layer.bias.data[gone] = 0
    net[1].bias.data[[1, 2]] = 0
    net[1].load_state_dict(net[1].state_dict() | {"running_mean": net[1].running_mean.numpy() * [1, 0, 0, 1]})
    small = shrink(net, 0.5).eval()
    shapes = [w.shape for w in weights(small).values()]
    assert shapes == [(2, 1, 3, 3), (3, 2, 3, 3), (4, 12), (3, 4)]
    x = Tensor(rng.random((5, 1, 10, 10), dtype=np.float32))
    np.testing.assert_allclose(small(x).numpy(), net(x).numpy(), rtol=1e-4, atol=1e-6)


def test_a_shrunk_cnn28_is_smaller_faster_to_run_and_can_be_trained(rng):
    model = cnn28()
    before = {name: w.copy() for name, w in weights(model).items()}
    small = shrink(model, 0.5)
    assert small.summary((1, 28, 28)).parameters < 0.27 * model.summary((1, 28, 28)).parameters
    assert small.summary((1, 28, 28)).multiply_adds < 0.3 * model.summary((1, 28, 28)).multiply_adds
    loss = F.cross_entropy(small(Tensor(rng.random((2, 1, 28, 28), dtype=np.float32))), [1, 2])
    loss.backward()
    optim.SGD(small.parameters(), 0.1).step()
    for name, w in weights(model).items():
        assert_array_equal(w, before[name])


def test_a_batch_norm_before_the_first_convolution_is_not_shared():
    norm = nn.BatchNorm2d(2)
    model = nn.Sequential(norm, nn.Conv2d(2, 4, 1), nn.Conv2d(4, 1, 1))
    small = shrink(model, 0.5)
    small[0].weight.data[...] = 7
    assert norm.weight.tolist() == [1, 1]


def test_what_shrink_does_not_know_is_refused(net):
    with pytest.raises(TypeError, match="layer 3: shrink does not know which channels of a BasicBlock"):
        shrink(resnet(), 0.5)
    with pytest.raises(TypeError, match=r"takes an nn.Sequential, layer after layer, not Linear"):
        shrink(nn.Linear(2, 2), 0.5)
    with pytest.raises(ValueError, match="there must be one before it"):
        shrink(nn.Sequential(nn.Linear(2, 2)), 0.5)
    with pytest.raises(ValueError, match="layer 1: shrink knows no groups"):
        shrink(nn.Sequential(nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 1, groups=2), nn.Conv2d(4, 1, 1)), 0.5)


def test_a_sparse_file_holds_the_same_and_is_smaller(tmp_path):
    model = cnn28()
    prune(model, 0.9)
    save_sparse(tmp_path / "sparse", model)
    save_weights(tmp_path / "dense", model, {})
    assert (tmp_path / "sparse").stat().st_size < 0.15 * (tmp_path / "dense").stat().st_size
    loaded = load_sparse(tmp_path / "sparse")
    assert loaded.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert_array_equal(loaded[name], tensor.numpy())


def test_a_sparse_file_that_does_not_fit_together_is_refused(net, tmp_path):
    path = tmp_path / "sparse"
    prune(net, 0.9)
    save_sparse(path, net)
    arrays, metadata = load_arrays(path)
    name = next(name for name in arrays if name.endswith(":values"))
    save_arrays(path, arrays | {name: arrays[name][1:]}, {"sparse": metadata["sparse"]})
    with pytest.raises(ValueError, match="do not fit together"):
        load_sparse(path)
    save_arrays(path, arrays, {"sparse": '{"7.weight": [1000000000000, 1000000000000]}'})
    with pytest.raises(ValueError, match="do not fit together"):
        load_sparse(path)
    many = json.dumps({"7.weight": [1] * 65})
    for text in ("[]", '{"a": [-1]}', "{", many):
        save_arrays(path, arrays, {"sparse": text})
        with pytest.raises(ValueError, match="does not say which shapes"):
            load_sparse(path)
    save_weights(path, net, {})
    with pytest.raises(ValueError, match="was not written by save_sparse"):
        load_sparse(path)
