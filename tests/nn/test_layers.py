import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ks_2samp

import tinycnn
from tinycnn import losses, nn
from tinycnn.tensor import Tensor

IMAGES = (3, 4, 9, 8)
# A layer, its arguments and the shape of an input; PyTorch's has the same name and takes the same.
LAYERS = [
    (nn.Linear, (5, 3), (2, 5)),
    (nn.Linear, (5, 3, False), (2, 4, 5)),
    (nn.Conv2d, (4, 6, 3), IMAGES),
    (nn.Conv2d, (4, 6, (3, 2), (2, 1), (1, 2), (1, 2), 2, False), IMAGES),
    (nn.ConvTranspose2d, (4, 6, 3), IMAGES),
    (nn.ConvTranspose2d, (4, 6, (3, 2), (2, 3), 1, (1, 2), 2, True, (1, 2)), IMAGES),
    (nn.BatchNorm2d, (4, 1e-3, 0.2), IMAGES),
    (nn.BatchNorm2d, (4, 1e-5, 0.1, False), IMAGES),
    (nn.BatchNorm2d, (4, 1e-5, None), IMAGES),
    (nn.BatchNorm2d, (4, 1e-5, 0.1, True, False), IMAGES),
    (nn.BatchNorm2d, (4, 1e-5, None, False, False), IMAGES),
    (nn.BatchNorm1d, (4,), (5, 4)),
    (nn.BatchNorm1d, (4, 1e-3, 0.2, False), (5, 4, 3)),
    (nn.BatchNorm1d, (4, 1e-5, None, True, True), (5, 4, 3)),
    (nn.BatchNorm1d, (4, 1e-5, 0.1, True, False), (5, 4)),
    (nn.Identity, (), IMAGES),
    (nn.Identity, (54, 3), (2, 3)),
    (nn.InstanceNorm2d, (4,), IMAGES),
    (nn.ReLU, (), IMAGES),
    (nn.LeakyReLU, (0.2,), IMAGES),
    (nn.Sigmoid, (), IMAGES),
    (nn.Tanh, (), IMAGES),
    (nn.Softplus, (), IMAGES),
    (nn.Softmax, (1,), IMAGES),
    (nn.MaxPool2d, ((3, 2),), IMAGES),
    (nn.MaxPool2d, (3, 2, 1), IMAGES),
    (nn.AvgPool2d, (3, 2, 1), IMAGES),
    (nn.Dropout, (0.0,), IMAGES),
    (nn.Flatten, (), IMAGES),
    (nn.Flatten, (0, 2), IMAGES),
    (nn.Unflatten, (-1, (2, 4)), IMAGES),
    (nn.Upsample, (2,), IMAGES),
    (nn.GlobalAvgPool2d, (), IMAGES),
    (nn.GlobalMaxPool2d, (), IMAGES),
]
EVERY_LAYER = pytest.mark.parametrize(
    ("layer", "arguments", "shape"), LAYERS, ids=[f"{layer.__name__}{a}" for layer, a, _ in LAYERS]
)


def pytorchs(torch, layer, arguments):
    """Return PyTorch's layer for ours."""
    if layer is nn.Upsample:
        return torch.nn.Upsample(None, *arguments)
    if layer in (nn.GlobalAvgPool2d, nn.GlobalMaxPool2d):
        return getattr(torch.nn, layer.__name__.replace("Global", "Adaptive"))(1)
    return getattr(torch.nn, layer.__name__)(*arguments)


def layout(module):
    return [
        (name, tuple(t.shape), str(t.dtype).removeprefix("torch.")) for name, t in module.state_dict().items()
    ]


@EVERY_LAYER
def test_weights_go_both_ways_and_the_outputs_agree(layer, arguments, shape, rng, torch):
    ours, theirs = layer(*arguments), pytorchs(torch, layer, arguments)
    assert layout(ours) == layout(theirs)
    ours.load_state_dict(theirs.state_dict())
    x = rng.standard_normal(shape).astype("float32")
    for training in True, True, False:  # twice, for running statistics
        y, expected = ours.train(training)(Tensor(x)), theirs.train(training)(torch.tensor(x))
        assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    fresh = pytorchs(torch, layer, arguments).eval()
    fresh.load_state_dict({name: torch.tensor(t.numpy()) for name, t in ours.state_dict().items()})
    assert_allclose(fresh(torch.tensor(x)).detach().numpy(), y.numpy(), rtol=1e-4, atol=1e-5)


@EVERY_LAYER
def test_gradients_agree(layer, arguments, shape, rng, torch):
    ours, theirs = layer(*arguments), pytorchs(torch, layer, arguments)
    ours.load_state_dict(theirs.state_dict())
    x = rng.standard_normal(shape).astype("float32")
    t, u = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours(t), theirs(u)
    g = rng.standard_normal(y.shape).astype("float32")
    y.backward(g)
    expected.backward(torch.tensor(g))
    for p, q in zip([t, *ours.parameters()], [u, *theirs.parameters()], strict=True):
        assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "arguments"),
    [
        (nn.Linear, (300, 100)),
        (nn.Conv2d, (12, 80, (3, 5), 1, 0, 1, 4)),
        (nn.ConvTranspose2d, (80, 12, (3, 5), 1, 0, 0, 4)),
    ],
)
def test_initial_weights_have_pytorchs_distribution(layer, arguments, torch):
    ours, theirs = layer(*arguments), pytorchs(torch, layer, arguments)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        a, b = p.numpy().ravel(), q.detach().numpy().ravel()
        assert p.dtype == np.float32
        assert ks_2samp(a, b).pvalue > 1e-6
        if a.size > 1000:
            assert np.abs(a).max() == pytest.approx(np.abs(b).max(), rel=0.01)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_refused_batch_changes_no_statistics(momentum, rng):
    layer = nn.BatchNorm2d(2, momentum=momentum)
    layer(Tensor(rng.standard_normal((4, 2, 3, 3))))
    before = {name: t.numpy().copy() for name, t in layer.state_dict().items()}
    for shape in ((1, 2, 1, 1), (4, 3, 3, 3), (2, 3, 3)):
        with pytest.raises(ValueError, match=r"batch_norm: in training|C=3 channels|\(N, C, H, W\)"):
            layer(Tensor(np.ones(shape)))
    for name, t in layer.state_dict().items():
        np.testing.assert_array_equal(t.numpy(), before[name])
    assert layer.num_batches_tracked.item() == 1


def test_without_running_statistics_one_value_is_refused_in_evaluation_too(torch):
    for library in (nn, torch.nn):
        layer = library.BatchNorm1d(3, track_running_stats=False).eval()
        x = torch.ones(1, 3) if library is torch.nn else Tensor(np.ones((1, 3)))
        with pytest.raises(ValueError, match=r"more than (1|one) value"):
            layer(x)


def test_without_momentum_the_running_mean_is_the_mean_of_all_batches(rng):
    layer = nn.BatchNorm1d(3, momentum=None)
    batches = rng.standard_normal((5, 8, 3))
    for batch in batches:
        layer(Tensor(batch))
    assert_allclose(layer.running_mean.numpy(), batches.mean((0, 1)), rtol=1e-5)
    assert_allclose(layer.running_var.numpy(), batches.var(1, ddof=1).mean(0), rtol=1e-5)


def test_initial_weights_follow_the_seed():
    def weights():
        tinycnn.manual_seed(5)
        return nn.Linear(3, 4).weight.numpy()

    assert (weights() == weights()).all()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: nn.Linear(0, 2), "in_features must be at least 1, got 0"),
        (lambda: nn.Conv2d(3, -1, 3), "out_channels must be at least 1, got -1"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "G=2 groups do not divide in_channels=3"),
        (lambda: nn.ConvTranspose2d(4, 3, 3, groups=2), "G=2 groups do not divide out_channels=3"),
        (lambda: nn.Conv2d(3, 4, 0), "kernel_size must be at least 1, got 0"),
        (lambda: nn.Conv2d(3, 4, 3, stride=0), "stride must be at least 1, got 0"),
        (lambda: nn.Dropout(2), "p is a probability, 0 to 1, got 2"),
        (lambda: nn.BatchNorm2d(3)(Tensor(np.ones((2, 4, 5)))), r"2d\(3\): .* C=3, got shape \(2, 4, 5\)"),
        (lambda: nn.BatchNorm1d(3)(Tensor(np.ones((2, 4)))), r"1d\(3\): .* C=3, got \(2, 4\)"),
        (lambda: nn.BatchNorm1d(3)(Tensor(np.ones((2, 3, 4, 4)))), r"\(N, C, L\).* there is BatchNorm2d"),
        (lambda: nn.InstanceNorm2d(3)(Tensor(np.ones((3, 4)))), r"2d\(3\): .* got shape \(3, 4\)"),
        (lambda: nn.Linear(3, 2)(Tensor(np.ones((2, 4)))), r"\(2, 4\) must end in in=3"),
    ],
)  # fmt: skip
def test_wrong_sizes(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize("size", [1.5, "3", None, True])
def test_what_is_no_integer_is_no_size(size):
    for make, name in (
        (lambda: nn.Linear(2, size), "out_features"),
        (lambda: nn.Conv2d(size, 4, 3), "in_channels"),
        (lambda: nn.Conv2d(4, 4, 3, groups=size), "groups"),
        (lambda: nn.BatchNorm2d(size), "num_features"),
    ):
        with pytest.raises(TypeError, match=f"{name} must be an integer, got {size!r}"):
            make()


@pytest.mark.parametrize("layer", [nn.MaxPool2d, nn.MinPool2d, nn.AvgPool2d, nn.SumPool2d])
def test_a_pooling_layer_says_which_options_it_has(layer):
    with pytest.raises(TypeError, match=f"^{layer.__name__} has no option ceil_mode; .* more padding gives"):
        layer(2, ceil_mode=True)
    with pytest.raises(TypeError, match=r"has no option dilation; it has kernel_size, stride, padding$"):
        layer(2, dilation=2)


def test_sizes_may_be_numpys_integers():
    assert nn.Linear(np.prod((2, 3)), np.int32(2)).weight.shape == (2, 6)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Conv2d(1, 2, 3), "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))"),
        (
            nn.Conv2d(2, 2, 3, 2, 1, 1, 2, False),
            "Conv2d(2, 2, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), groups=2, bias=False)",
        ),
        (nn.Linear(3, 2), "Linear(3, 2, bias=True)"),
        (nn.MaxPool2d(2), "MaxPool2d(kernel_size=2, stride=2, padding=0)"),
        (nn.BatchNorm2d(2), "BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True)"),
        (
            nn.BatchNorm1d(2, momentum=None, track_running_stats=False),
            "BatchNorm1d(2, eps=1e-05, momentum=None, affine=True, track_running_stats=False)",
        ),
        (nn.Dropout(0.2), "Dropout(p=0.2)"),
        (nn.Identity(), "Identity()"),
        (nn.ReLU(), "ReLU()"),
    ],
)
def test_repr(layer, text):
    assert repr(layer) == text


LOSSES = [
    ("CrossEntropyLoss", "labels", {}),
    ("CrossEntropyLoss", "labels", {"label_smoothing": 0.1, "reduction": "sum"}),
    ("CrossEntropyLoss", "labels", {"weight": [0.5, 1.0, 2.0], "ignore_index": 1, "label_smoothing": 0.2}),
    ("CrossEntropyLoss", "rows", {"weight": [0.5, 1.0, 2.0]}),
    ("NLLLoss", "labels", {}),
    ("NLLLoss", "labels", {"weight": [0.5, 1.0, 2.0], "ignore_index": 1, "reduction": "none"}),
    ("MSELoss", "rows", {"reduction": "none"}),
    ("L1Loss", "rows", {}),
    ("BCEWithLogitsLoss", "rows", {"reduction": "sum"}),
    ("BCEWithLogitsLoss", "rows", {"weight": [0.5, 1.0, 2.0], "pos_weight": [3.0, 1.0, 2.0]}),
]


@pytest.mark.parametrize(("name", "kind", "options"), LOSSES)
def test_losses_are_pytorchs(name, kind, options, rng, torch):
    z = rng.standard_normal((4, 3)).astype("float32")
    target = rng.random((4, 3)).astype("float32") if kind == "rows" else np.array([0, 1, 2, 2])
    weights = {key: torch.tensor(value) for key, value in options.items() if key.endswith("weight")}
    ours, theirs = getattr(nn, name)(**options), getattr(torch.nn, name)(**(options | weights))
    y, expected = ours(Tensor(z), Tensor(target)), theirs(torch.tensor(z), torch.tensor(target))
    assert_allclose(y.numpy(), expected.numpy(), rtol=1e-5)
    assert getattr(losses, name) is getattr(nn, name)
    # The weights are buffers, which move with the network.
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert list(ours.parameters()) == []
    with pytest.raises(ValueError, match="reduction must be 'mean', 'sum' or 'none', got 'avg'"):
        getattr(nn, name)(reduction="avg")


def test_a_reduction_in_the_place_of_weights():
    for loss in (nn.CrossEntropyLoss, nn.NLLLoss, nn.BCEWithLogitsLoss):
        with pytest.raises(TypeError, match="weight must be numbers, got 'sum'; write reduction='sum'"):
            loss("sum")
