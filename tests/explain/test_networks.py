"""A network layer by layer, a training step, and the computation graph."""

import re

import numpy as np
import pytest

import tinycnn
from tests.helpers.explained import assert_equal, check_panels, printed
from tinycnn import Tensor, models, nn, optim
from tinycnn import functional as F
from tinycnn.explain import explain, graph, save, training_step
from tinycnn.explain.graph_drawing import layout


@pytest.fixture
def model():
    tinycnn.manual_seed(0)
    layers = nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4)
    return nn.Sequential(*layers)


def test_a_network_layer_by_layer(model, rng):
    image = Tensor(rng.random((1, 1, 6, 6)).astype("f"), requires_grad=True)
    steps = explain(model, image[0], backward=True)
    y = model(image)
    seed = np.zeros((1, 4), "f")
    seed[0, y.numpy().argmax()] = 1
    y.backward(seed)
    assert_equal(steps.result, y.numpy())
    assert_equal(steps.arrays["dL/da0"], image.grad.numpy())
    assert_equal(steps.arrays["dL/d0.weight"], model[0].weight.grad.numpy())
    assert [step.phase for step in steps] == ["forward"] * 5 + ["backward"] * 5
    assert steps[0].title == "0 Conv2d: a0 -> a1"
    assert steps[-1].title == "0 Conv2d: dL/da1 -> dL/da0"
    norm = printed(np.linalg.norm(image.grad.numpy().ravel().astype(float)))
    assert f"‖dL/da0‖ = {norm}" in steps[-1].numbers
    check_panels(steps)


def test_the_cells_of_one_row_lead_to_the_steps_that_compute_them(model, tmp_path, rng):
    """On the page, the vectors of a network are row 0 of matrices (N, features)."""
    steps = explain(model, rng.random((1, 1, 6, 6)), backward=True)
    save(steps, tmp_path / "steps.html")
    sections = (tmp_path / "steps.html").read_text().split("<section")
    flatten, linear = (
        next(n for n, step in enumerate(steps, 1) if step.title.startswith(name))
        for name in ("3 Flatten", "4 Linear")
    )
    row = re.search(r"<b>a4\[0\]</b>.*?</figure>", sections[linear])[0]
    assert f'href="#step-{flatten}"' in row


@pytest.mark.parametrize("name", ["cnn28", "lenet5"])
def test_the_strongest_outputs_of_the_documented_networks_add_up(name):
    steps = explain(models.build(name), np.ones((1, 28, 28)), backward=True)
    assert re.search(r"\+ \d+ smaller terms \(.*\) = ", steps[0].numbers)
    check_panels(steps)


def test_a_network_with_a_branch():
    class Residual(nn.Module):
        def __init__(self):
            self.conv = nn.Conv2d(1, 1, 3, padding=1)
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.relu(self.conv(x) + x)

    model = Residual()
    steps = explain(model, np.ones((1, 4, 4)), backward=True)
    assert [step.title for step in steps] == [
        "conv Conv2d: a0 -> a1",
        "relu ReLU: x2 -> a2",
        "relu ReLU: dL/da2 -> dL/dx2",
        "conv Conv2d: dL/da1 -> dL/da0",
    ]
    x = tinycnn.ones(1, 1, 4, 4)
    np.testing.assert_array_equal(steps.arrays["x2"], (model.conv(x) + x).numpy())
    check_panels(steps)


@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam, optim.AdamW])
@pytest.mark.usefixtures("on_numpy")
def test_a_training_step(model, rng, rule):
    optimizer = rule(model.parameters(), 0.01)
    x, labels = rng.random((3, 1, 6, 6)), [0, 1, 2]
    steps = training_step(model, optimizer, x, labels)
    before = [p.numpy().copy() for p in model.parameters()]
    loss = F.cross_entropy(model(Tensor(x.astype("f"))), labels)
    assert all((p == Tensor(b)).numpy().all() for p, b in zip(model.parameters(), before, strict=True))
    loss.backward()
    optimizer.step()
    for i, p in enumerate(model.parameters()):
        np.testing.assert_array_equal(steps.arrays[f"theta{i}"], before[i])
        np.testing.assert_array_equal(steps.arrays[f"theta{i}'"], p.numpy())
    after = F.cross_entropy(model(Tensor(x.astype("f"))), labels).item()
    assert steps[-1].numbers == f"L = {printed(loss.item())},  L' = {printed(after)}"
    assert [step.phase for step in steps] == ["forward"] * 6 + ["backward"] * 5 + ["update"] * 5
    check_panels(steps)


def test_graph_of_a_tensor_used_twice():
    a = Tensor([3.0], requires_grad=True)
    b = a + a
    c = (b + b).sum()
    drawn = graph(c, {"a": a}, gradients=True)
    assert [node.name for node in drawn.nodes] == ["a", "Add", "Add", "Sum"]
    assert drawn.edges == ((0, 1), (0, 1), (1, 2), (1, 2), (2, 3))
    assert drawn.nodes[0].gradient == "= 4"
    assert a.grad is None
    c.backward()
    assert graph(c, {"a": a}).nodes[0].gradient == "= 4"


def test_dot_names_every_node_with_shapes_and_gradients(model):
    loss = F.cross_entropy(model(Tensor(np.ones((2, 1, 6, 6), "f"))), [0, 1])
    text = graph(loss, model, gradients=True).dot()
    assert text.startswith("digraph computation {")
    assert '[label="0.weight\\n(3, 1, 3, 3)\\nnorm ' in text
    assert text.count("grad ") == text.count("label=")
    assert text.count("{") == text.count("}") == 1


def test_edges_lead_downwards_and_nodes_stand_apart(model):
    loss = F.cross_entropy(model(Tensor(np.ones((2, 1, 6, 6), "f"))), [0, 1])
    drawn = graph(loss, model)
    places, routes = layout(drawn)
    assert len(set(places)) == len(places)
    taken = set(places)
    for (a, b), bends in zip(drawn.edges, routes, strict=True):
        rows = [places[a][1], *(row for _, row in bends), places[b][1]]
        assert rows == list(range(rows[0], rows[-1] + 1))
        assert not taken & set(bends)
    assert len(drawn.draw().axes[0].patches) >= len(drawn.nodes)


def test_tensors_of_any_backend(backend):
    x = tinycnn.ones(1, 1, 3, 3)
    assert explain(F.conv2d, x, tinycnn.ones(1, 1, 3, 3), backward=True).result.item() == 9
    layer = nn.Sequential(nn.Flatten(), nn.Linear(9, 2))
    optimizer = optim.Adam(layer.parameters())
    assert explain(layer, x, backward=True).result.shape == (1, 2)
    assert len(training_step(layer, optimizer, x, [0])) == 8
    F.cross_entropy(layer(x), [0]).backward()
    assert len(explain(optimizer)) == 20
    assert all(p.backend == backend for p in layer.parameters())
