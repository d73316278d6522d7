"""A `Sequential` runs some layers in another order, or in one kernel: nobody can tell by what comes out."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinycnn
from tinycnn import Tensor, detect_anomaly, nn
from tinycnn.autograd import grad
from tinycnn.autograd.backward import topological_order
from tinycnn.explain import graph
from tinycnn.kernels import table
from tinycnn.nn import BatchNorm2d, Conv2d, LeakyReLU, MaxPool2d, ReLU, Sequential, shortcuts

pytestmark = pytest.mark.usefixtures("on_numpy")  # the kernels that are chosen here take NumPy's arrays

NETWORKS = {
    "ReLU": lambda: Sequential(Conv2d(3, 8, 3), ReLU()),
    "LeakyReLU": lambda: Sequential(Conv2d(3, 8, 3, padding=1), LeakyReLU(0.2), Conv2d(8, 5, 2), ReLU()),
    "pooling": lambda: Sequential(Conv2d(3, 8, (2, 3), stride=(1, 2), bias=False), MaxPool2d(2)),
    "ReLU, pooling": lambda: Sequential(Conv2d(3, 6, 4, groups=3), ReLU(), MaxPool2d((2, 2), 2)),
    "pooling, ReLU": lambda: Sequential(Conv2d(3, 8, 3, dilation=2), MaxPool2d(2), ReLU()),
    "two": lambda: Sequential(
        Conv2d(3, 17, 3), ReLU(), MaxPool2d(2), Conv2d(17, 9, 2), ReLU(), MaxPool2d(2), nn.Flatten()
    ),
    "other windows": lambda: Sequential(Conv2d(3, 8, 3), ReLU(), MaxPool2d(3, 1, padding=1)),
    "in a network": lambda: Sequential(Sequential(Conv2d(3, 8, 3), ReLU()), MaxPool2d(2)),
}
IN_ONE_KERNEL = {"ReLU": 1, "LeakyReLU": 2, "pooling": 1, "ReLU, pooling": 1, "pooling, ReLU": 1, "two": 2}


class Counting:
    """The compiled kernels; counts the calls of the one that does several layers."""

    def __init__(self):
        self.calls = 0
        self.kernels = replace(table.cpu(), conv2d_epilogue=self.call)

    def call(self, *args):
        self.calls += 1
        return table.cpu().conv2d_epilogue(*args)


SEPARATE = replace(table.cpu(), conv2d_epilogue=None)


def double(network):
    """Return the network with float64 weights."""
    for parameter in network.parameters():
        parameter.data = parameter.data.astype("float64")
    return network


@pytest.fixture(params=NETWORKS)
def case(request, rng):
    """A network, images, and what its result is multiplied with for a loss."""
    network = double(NETWORKS[request.param]())
    x = Tensor(rng.standard_normal((4, 3, 15, 14)), requires_grad=True)
    return request.param, network, x, rng.standard_normal(network(x).shape)


def everything(network, x, g):
    """Return the result, the gradients, and the gradients of their squares."""
    y = network(x)
    wanted = [x, *network.parameters()]
    first = grad((y * y * g).sum(), wanted, create_graph=True)
    second = grad(sum((d * d).sum() for d in first), wanted, allow_unused=True)
    return [y, *first, *(d for d in second if d is not None)]


def test_results_and_gradients_of_both_orders_are_the_same(case):
    name, network, x, g = case
    counting = Counting()
    results = []
    for kernels in ("plain", SEPARATE, counting.kernels):
        with tinycnn.using(kernels=kernels):
            results.append([t.numpy() for t in everything(network, x, g)])
    assert counting.calls == IN_ONE_KERNEL.get(name, 1)
    assert_array_equal(results[2][0], results[1][0])
    for plain, separate, ours in zip(*results, strict=True):
        assert_allclose(ours, separate, rtol=1e-9, atol=1e-9)
        assert_allclose(ours, plain, rtol=1e-9, atol=1e-9)


def test_without_a_graph_the_result_is_the_same(case):
    _, network, x, _ = case
    y = network(x)
    with tinycnn.no_grad():
        alone = network(x)
    assert alone.creator is None
    assert not alone.requires_grad
    assert_array_equal(alone.numpy(), y.numpy())


DENSE = {
    "ReLU": lambda: Sequential(nn.Flatten(), nn.Linear(630, 40), ReLU(), nn.Linear(40, 3)),
    "no bias": lambda: Sequential(nn.Flatten(), nn.Linear(630, 40, bias=False), LeakyReLU(0.1)),
    "flat, then ReLU": lambda: Sequential(nn.Flatten(), ReLU()),
    "the last dimension": lambda: Sequential(nn.Linear(14, 5), ReLU(), nn.Flatten(0, 1)),
    "other dimensions": lambda: Sequential(nn.Flatten(2), nn.Linear(210, 4), ReLU()),
}


@pytest.mark.parametrize("which", DENSE)
@pytest.mark.parametrize("N", [0, 1, 4])
def test_dense_layers_without_a_graph(rng, which, N):
    network, x = DENSE[which](), Tensor(rng.standard_normal((N, 3, 15, 14), dtype="f"))
    expected = x
    for layer in network.layers:
        expected = layer(expected)
    with tinycnn.no_grad():
        y = network(x)
    assert y.creator is None
    assert not y.requires_grad
    assert_array_equal(y.numpy(), expected.numpy())


@pytest.mark.parametrize("watched", [0, 1, 2])
def test_a_hook_sees_dense_layers_without_a_graph(rng, watched):
    network, x, seen = DENSE["ReLU"](), Tensor(rng.standard_normal((4, 3, 15, 14), dtype="f")), []
    network.layers[watched].register_forward_hook(lambda layer, inputs, y: seen.append((layer, y.shape)))
    with tinycnn.no_grad():
        network(x)
    assert seen == [(network.layers[watched], [(4, 630), (4, 40), (4, 40)][watched])]


def test_what_is_flattened_without_a_graph_is_the_same_memory(rng):
    x = Tensor(rng.standard_normal((4, 3), dtype="f"), requires_grad=True)
    loss = (x * x).sum()
    with tinycnn.no_grad():
        Sequential(nn.Flatten())(x).mark_dirty()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_a_dense_layer_without_a_graph_refuses_what_it_refuses_alone(rng):
    network = DENSE["ReLU"]()
    with tinycnn.no_grad(), pytest.raises(ValueError, match=r"layer 1: linear: the input \(4, 7\)"):
        network(Tensor(rng.standard_normal((4, 7), dtype="f")))
    network.layers[1].bias = nn.Parameter(np.zeros(1, "f"))
    with tinycnn.no_grad(), pytest.raises(ValueError, match="linear: the bias"):
        network(Tensor(rng.standard_normal((4, 630), dtype="f")))


def test_the_graph_has_the_documented_operations(rng):
    network = NETWORKS["ReLU, pooling"]()
    x = Tensor(rng.standard_normal((4, 3, 15, 14), dtype="f"))
    names = [[], []]
    for kernels, found in zip((SEPARATE, table.cpu()), names, strict=True):
        with tinycnn.using(kernels=kernels):
            found += [(f.name, f.shape) for f in topological_order([network(x).creator])]
    assert names[0] == names[1]
    assert [name for name, _ in names[0]] == ["ReLU", "ExtremePool2d", "Conv2d"]


def test_what_is_watched_runs_in_the_documented_order(rng):
    network = NETWORKS["two"]()
    x = Tensor(rng.standard_normal((4, 3, 15, 14), dtype="f"))
    shown = [node.name for node in graph(lambda: network(x).sum(), network).nodes if not node.is_leaf]
    assert shown == [*["Conv2d", "ReLU", "ExtremePool2d"] * 2, "Reshape", "Sum"]


POOLED = ("ReLU, pooling", "pooling, ReLU", "two")


@pytest.mark.parametrize("which", POOLED)
@pytest.mark.parametrize("N", [0, 1, 5])
@pytest.mark.parametrize("wanted", ["all", "weights", "x", "biases"])
@pytest.mark.parametrize("large", [1, 30_000, 1 << 24])  # bytes: one image at a time, a few, all of them
def test_the_way_back_through_pooling_in_one_step(monkeypatch, rng, which, N, wanted, large):
    """With no other result than node after node, and in parts of images."""
    monkeypatch.setattr(shortcuts, "LARGE", large)
    results, images = [], []
    data, g = rng.standard_normal((N, 3, 15, 14)), None

    def scatter(*args):
        images.append(len(args[0]))
        return table.cpu().pool_scatter(*args)

    for kernels in (replace(table.cpu(), pool_scatter=scatter), SEPARATE):
        tinycnn.manual_seed(0)
        network, x = double(NETWORKS[which]()), Tensor(data, requires_grad=wanted in ("all", "x"))
        for name, parameter in network.named_parameters():
            parameter.requires_grad = wanted in ("all", "weights") or (wanted == "biases" and "bias" in name)
        with tinycnn.using(kernels=kernels):
            y = network(x)
            g = rng.standard_normal(y.shape) if g is None else g
            (y * y * g).sum().backward()
        results.append([t.grad for t in (x, *network.parameters())])
    for ours, separate in zip(*results, strict=True):
        assert (ours is None) == (separate is None)
        if ours is not None:
            assert_allclose(ours.numpy(), separate.numpy(), rtol=1e-9, atol=1e-9)
    if (which, N) == ("ReLU, pooling", 5) and wanted != "biases":
        assert images == {1: [1] * 5, 30_000: [4, 1], 1 << 24: [5]}[large]


def test_what_pooling_kept_is_freed_with_the_walk(rng):
    network = NETWORKS["ReLU, pooling"]()
    y = network(Tensor(rng.standard_normal((4, 3, 15, 14), dtype="f")))
    nodes = topological_order([y.creator])
    y.sum().backward()
    assert [node.name for node in nodes if node._kept] == []


def test_frozen_weights_get_no_gradient(rng):
    network = NETWORKS["two"]()
    network.layers[0].requires_grad_(False)
    x = Tensor(rng.standard_normal((4, 3, 15, 14), dtype="f"))
    network(x).sum().backward()
    assert [p.grad is None for p in network.parameters()] == [True, True, False, False]


@pytest.mark.parametrize("watched", [0, 1, 2])
def test_a_hook_sees_what_lies_between(rng, watched):
    network = NETWORKS["ReLU, pooling"]()
    x = Tensor(rng.standard_normal((4, 3, 15, 14), dtype="f"))
    seen = []
    network.layers[watched].register_forward_hook(lambda layer, inputs, y: seen.append(y.numpy().copy()))
    y = network(x)
    expected = x
    for layer in network.layers[: watched + 1]:
        expected = layer(expected)
    assert_array_equal(seen[0], expected.numpy())
    assert y.shape == (4, 6, 6, 5)


def test_an_anomaly_is_found_at_its_operation(rng):
    network = NETWORKS["ReLU, pooling"]()
    x = Tensor(rng.standard_normal((4, 3, 15, 14), dtype="f"))
    network.layers[0].weight.data[0, 0, 0, 0] = np.inf
    with detect_anomaly(), pytest.raises(FloatingPointError, match=r"input 1 of Conv2d\("):
        network(x)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((4, 2, 15, 14), r"layer 0: convolution: the input .* has C=2 channels, .* needs C=3"),
        ((3, 15, 14), r"layer 0: conv2d: the input must be"),
        ((4, 3, 3, 300), r"layer 0: convolution: kernel"),
        ((4, 3, 4, 300), r"layer 2: pooling: kernel"),
    ],
)
def test_an_input_that_does_not_fit_is_refused_by_its_layer(shape, says):
    with pytest.raises(ValueError, match=says):
        NETWORKS["ReLU, pooling"]()(Tensor(np.zeros(shape, "f")))


@pytest.mark.parametrize("which", ["x", "weight", "result"])
def test_what_was_changed_in_place_since_is_noticed(rng, which):
    network = NETWORKS["pooling, ReLU"]()
    x = Tensor(rng.standard_normal((4, 3, 15, 14), dtype="f"))
    y = network(x)
    loss = (y * 2).sum()
    {"x": x, "weight": network.layers[0].weight, "result": y}[which].mark_dirty()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_the_gradient_of_a_result_that_is_kept(rng):
    network = NETWORKS["ReLU"]()
    y = network(Tensor(rng.standard_normal((4, 3, 15, 14), dtype="f")))
    y.retain_grad()
    (y * 3).sum().backward()
    assert_array_equal(y.grad.numpy(), np.full(y.shape, 3, "f"))


NORMALISED = {
    "ReLU": lambda: Sequential(BatchNorm2d(3), ReLU()),
    "LeakyReLU": lambda: Sequential(Conv2d(3, 9, 3), BatchNorm2d(9, eps=0.1), LeakyReLU(0.2), nn.Flatten()),
    "mean over all batches": lambda: Sequential(BatchNorm2d(3, momentum=None), LeakyReLU(0.3)),
    "no running statistics": lambda: Sequential(BatchNorm2d(3, track_running_stats=False), ReLU()),
    "one column": lambda: Sequential(Conv2d(3, 9, (1, 14)), BatchNorm2d(9), ReLU()),
}
WITHOUT = replace(table.cpu(), normalise_epilogue=None, normalise_epilogue_input=None)


def normalised(which, rng):
    """Return a network with batch norm, whose weights are not the 1 and 0 they start with."""
    tinycnn.manual_seed(0)
    network = double(NORMALISED[which]())
    for parameter in network.parameters():
        parameter.data = parameter.data + rng.standard_normal(parameter.shape)
    return network


def watched_kernels(calls):
    """Return the compiled kernels; calls of the two for batch norm are noted."""

    def noted(name):
        def call(*args):
            calls.append(name)
            return getattr(table.cpu(), name)(*args)

        return call

    return replace(
        table.cpu(), **{name: noted(name) for name in ("normalise_epilogue", "normalise_epilogue_input")}
    )


@pytest.mark.parametrize("which", NORMALISED)
def test_batch_norm_and_its_activation_in_one_pass(which, rng):
    """Result, gradients (recorded and not, which is the shortcut), second order, running statistics."""
    x, calls, results = Tensor(rng.standard_normal((4, 3, 15, 14)), requires_grad=True), [], []
    g, seed = rng.standard_normal(NORMALISED[which]()(x).shape), rng.integers(99)
    for kernels in ("plain", WITHOUT, watched_kernels(calls)):
        network = normalised(which, np.random.default_rng(seed))
        with tinycnn.using(kernels=kernels):
            found = everything(network, x, g)
            y = network(x)
            found += grad((y * y * g).sum(), [x, *network.parameters()])
        results.append([t.numpy() for t in (*found, *network.state_dict().values())])
    assert calls == 2 * ["normalise_epilogue", "normalise_epilogue_input"]
    for plain, separate, ours in zip(*results, strict=True):
        assert_allclose(ours, separate, rtol=1e-9, atol=1e-9)
        assert_allclose(ours, plain, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("which", NORMALISED)
def test_the_graph_of_batch_norm_is_the_documented_one(which, rng):
    x, names = Tensor(rng.standard_normal((4, 3, 15, 14)), requires_grad=True), [[], []]
    for kernels, found in zip((WITHOUT, table.cpu()), names, strict=True):
        with tinycnn.using(kernels=kernels):
            network = double(NORMALISED[which]())
            found += [(f.name, f.shape, f.needs_input_grad) for f in topological_order([network(x).creator])]
    assert names[0] == names[1]


@pytest.mark.parametrize("frozen", ["the input", "weight", "bias", "both"])
def test_what_batch_norm_is_not_asked_for_gets_no_gradient(rng, frozen):
    results = []
    data, g = rng.standard_normal((2, 4, 3, 15, 14))
    for kernels in (WITHOUT, table.cpu()):
        network, x = normalised("ReLU", np.random.default_rng(0)), Tensor(data, requires_grad=True)
        x.requires_grad = frozen != "the input"
        network.layers[0].weight.requires_grad = frozen not in ("weight", "both")
        network.layers[0].bias.requires_grad = frozen not in ("bias", "both")
        with tinycnn.using(kernels=kernels):
            (network(x) * g).sum().backward()
        results.append([t.grad for t in (x, *network.parameters())])
    for separate, ours in zip(*results, strict=True):
        assert (separate is None) == (ours is None)
        if ours is not None:
            assert_allclose(ours.numpy(), separate.numpy(), rtol=1e-9, atol=1e-9)


def test_the_graph_of_batch_norm_is_walked_twice_if_it_is_retained(rng):
    network, x = normalised("LeakyReLU", rng), Tensor(rng.standard_normal((4, 3, 15, 14)))
    loss = network(x).sum()
    loss.backward(retain_graph=True)
    once = [p.grad.numpy().copy() for p in network.parameters()]
    loss.backward()
    for p, g in zip(network.parameters(), once, strict=True):
        assert_allclose(p.grad.numpy(), 2 * g, rtol=1e-12, atol=1e-12)
    with pytest.raises(RuntimeError, match="walked before"):
        loss.backward()


def test_batch_norm_frees_what_it_kept_with_the_walk(rng):
    y = NORMALISED["ReLU"]()(Tensor(rng.standard_normal((4, 3, 15, 14), dtype="f"), requires_grad=True))
    nodes = topological_order([y.creator])
    y.sum().backward()
    assert [node.name for node in nodes if node._kept] == []


@pytest.mark.parametrize("watched", [0, 1])
def test_a_hook_sees_batch_norm_and_its_activation(rng, watched):
    network, x = NORMALISED["ReLU"](), Tensor(rng.standard_normal((4, 3, 15, 14), dtype="f"))
    seen = []
    network.layers[watched].register_forward_hook(lambda layer, inputs, y: seen.append(y.numpy().copy()))
    network(x)
    assert (seen[0].min() < 0) == (watched == 0)


@pytest.mark.parametrize("which", ["x", "weight", "result"])
def test_what_batch_norm_kept_and_was_changed_is_noticed(rng, which):
    network, x = NORMALISED["ReLU"](), Tensor(rng.standard_normal((4, 3, 15, 14)), requires_grad=True)
    network = double(network)
    y = network(x)
    loss = (y * 2).sum()
    {"x": x, "weight": network.layers[0].weight, "result": y}[which].mark_dirty()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_batch_norm_refuses_what_it_refuses_alone():
    network = NORMALISED["ReLU"]()
    for shape, says in (((4, 2, 15, 14), "C=2 channels"), ((1, 3, 1, 1), "more than one value")):
        with pytest.raises(ValueError, match=says):
            network(Tensor(np.zeros(shape, "f")))
    assert network.layers[0].num_batches_tracked.item() == 0
