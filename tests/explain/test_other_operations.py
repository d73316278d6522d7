"""Dense layer, softmax, cross-entropy, batch norm and update rules: the numbers shown are the engine's."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinycnn
from tests.helpers.explained import (
    assert_equal,
    check_panels,
    check_sum,
    element,
    evaluate,
    printed,
    rounding,
)
from tests.helpers.geometries import SEEDS
from tinycnn import Tensor, optim
from tinycnn import functional as F
from tinycnn.explain import explain

FEW = settings(max_examples=40)
SIZES = st.integers(1, 4)


def gradients(y, g, **leaves):
    found = tinycnn.grad(y, list(leaves.values()), g)
    return {f"dL/d{name}": a.numpy() for name, a in zip(leaves, found, strict=True)}


@FEW
@given(SIZES, SIZES, SIZES, SEEDS)
def test_linear(N, inputs, outputs, rng):
    shapes = {"x": (N, inputs), "W": (outputs, inputs), "b": (outputs,)}
    leaves = {name: Tensor(rng.standard_normal(s), requires_grad=True) for name, s in shapes.items()}
    y, g = F.linear(*leaves.values()), rng.standard_normal((N, outputs))
    steps = explain(F.linear, *leaves.values(), backward=True, gradient=g)
    arrays = {
        **{n: t.numpy() for n, t in leaves.items()},
        "y": y.numpy(),
        "g": g,
        **gradients(y, g, **leaves),
    }
    assert len(steps) == sum(arrays[name].size for name in ("y", "dL/dx", "dL/dW", "dL/db"))
    check_panels(steps)
    for step in steps:
        check_sum(step, arrays)


@FEW
@given(SIZES, st.integers(2, 5), SEEDS)
def test_softmax(N, K, rng):
    x = Tensor(rng.standard_normal((N, K)), requires_grad=True)
    y, g = F.softmax(x, 1), rng.standard_normal((N, K))
    steps = explain(F.softmax, x, 1, backward=True, gradient=g)
    arrays = {"z": x.numpy(), "p": y.numpy(), **gradients(y, g, z=x)}
    check_panels(steps)
    for name in ("p", "dL/dz"):
        assert_equal(steps.arrays[name], arrays[name])
    for step in steps:
        name = step.numbers.partition(" = ")[0]
        if name.startswith(("s[", "d[")):
            check_sum(step, steps.arrays)
        elif not name.startswith("e["):
            computed, shown = evaluate(step.numbers)
            assert printed(element(name, arrays)) == printed(shown)
            assert computed == pytest.approx(shown, rel=1e-2, abs=2e-3)


@pytest.mark.usefixtures("on_numpy")  # what the steps show is what NumPy computes, to the last bit
@FEW
@given(
    st.sampled_from([(), (1, 2), (2, 2)]),
    st.integers(1, 3),
    st.integers(2, 4),
    st.sampled_from(["mean", "sum", "none"]),
    st.sampled_from([0.0, 0.1, 1.0]),
    SEEDS,
)
def test_cross_entropy(pixels, N, K, reduction, smoothing, rng):
    z = Tensor(rng.standard_normal((N, K, *pixels)), requires_grad=True)
    labels = rng.integers(0, K, (N, *pixels))
    options = {"reduction": reduction, "label_smoothing": smoothing}
    y = F.cross_entropy(z, labels, **options)
    steps = explain(F.cross_entropy, z, labels, **options, backward=True)
    total = {"mean": "mean(L)", "sum": "sum(L)", "none": "L"}[reduction]
    arrays = {
        total: y.numpy(),
        "L": F.cross_entropy(z, labels, reduction="none", label_smoothing=smoothing).numpy(),
        **gradients(y, np.ones(y.shape), z=z),
    }
    check_panels(steps)
    for name, array in arrays.items():
        assert_equal(steps.arrays[name], array)
    shown_losses = 0
    for step in steps:
        name = step.numbers.partition(" = ")[0]
        if name.startswith("s[") or name == total != "L":
            check_sum(step, steps.arrays | arrays)
        elif not name.startswith("e["):
            shown_losses += name.startswith("L[")
            computed, shown = evaluate(step.numbers)
            assert printed(element(name, arrays)) == printed(shown)
            assert computed == pytest.approx(shown, rel=1e-2, abs=5e-3)
    assert shown_losses == labels.size


@FEW
@given(st.integers(2, 3), st.integers(1, 2), SIZES, st.booleans(), SEEDS)
def test_batch_norm(N, C, width, training, rng):
    shapes = {"x": (N, C, 2, width), "w": (C,), "b": (C,)}
    leaves = {name: Tensor(rng.standard_normal(s), requires_grad=True) for name, s in shapes.items()}
    running = Tensor(rng.standard_normal(C)), Tensor(rng.uniform(0.5, 2, C))
    before = copy.deepcopy([t.numpy() for t in running])
    x, w, b = leaves.values()
    g = rng.standard_normal(x.shape)
    steps = explain(F.batch_norm, x, *running, w, b, training=training, backward=True, gradient=g)
    for kept, t in zip(before, running, strict=True):
        np.testing.assert_array_equal(kept, t.numpy())
    y = F.batch_norm(x, *running, w, b, training)
    arrays = {
        **{n: t.numpy() for n, t in leaves.items()},
        "y": y.numpy(),
        "g": g,
        **gradients(y, g, **leaves),
    }
    for name, array in arrays.items():
        # Steps are computed with NumPy: on another backend, y may be rounded another way.
        np.testing.assert_allclose(steps.arrays[name], array, rtol=1e-12, atol=1e-12)
    check_panels(steps)
    for step in steps:
        clauses = step.numbers.split(";  ")
        name = clauses[-1].partition(" = ")[0]
        if step.terms:
            check_sum(step, steps.arrays)
        else:
            computed, shown = evaluate(clauses[-1])
            assert printed(element(name, steps.arrays)) == printed(shown)
            assert computed == pytest.approx(shown, rel=0, abs=rounding(clauses[-1]))


@FEW
@given(SIZES, st.integers(1, 2), st.integers(2, 3), st.booleans(), SEEDS)
def test_instance_norm(N, C, width, affine, rng):
    shapes = {"x": (N, C, 2, width)} | ({"w": (C,), "b": (C,)} if affine else {})
    leaves = {name: Tensor(rng.standard_normal(s), requires_grad=True) for name, s in shapes.items()}
    g = rng.standard_normal(shapes["x"])
    steps = explain(F.instance_norm, *leaves.values(), backward=True, gradient=g)
    y = F.instance_norm(*leaves.values())
    for name, array in {"y": y.numpy(), **gradients(y, g, **leaves)}.items():
        np.testing.assert_allclose(steps.arrays[name], array, rtol=1e-12, atol=1e-12)
    check_panels(steps)
    assert len(steps.steps_of("m")) == N * C
    for step in steps:
        last = step.numbers.split(";  ")[-1]
        if step.terms:
            check_sum(step, steps.arrays)
        else:
            computed, shown = evaluate(last)
            assert printed(element(last.partition(" = ")[0], steps.arrays)) == printed(shown)
            assert computed == pytest.approx(shown, rel=0, abs=rounding(last))


@FEW
@given(SIZES, SIZES, st.integers(1, 3), st.sampled_from(["max", "avg"]), SEEDS)
def test_global_pools(H, W, C, statistic, rng):
    x = Tensor(rng.integers(-3, 4, (2, C, H, W)).astype(float), requires_grad=True)  # with ties
    operation = {"max": F.global_max_pool2d, "avg": F.global_avg_pool2d}[statistic]
    y, g = operation(x), rng.standard_normal((2, C, 1, 1))
    steps = explain(operation, x, backward=True, gradient=g)
    arrays = {"y": y.numpy(), **gradients(y, g, x=x)}
    check_panels(steps)
    for name, array in arrays.items():
        assert_equal(steps.arrays[name], array)
    assert len(steps) == 2 * C * (1 + H * W)
    for step in steps:
        if step.terms or step.phase == "backward":
            check_sum(step, steps.arrays)
        else:
            computed, shown = evaluate(step.numbers.replace("max(", "max(-9,"))
            assert computed == shown


SHAPES = st.sampled_from([(3,), (2, 3), (1, 2, 2, 2)])


def check_each_number(steps, arrays):
    """Each step's expression gives the number that the engine computed, which is the one shown."""
    check_panels(steps)
    for name, array in arrays.items():
        assert_equal(steps.arrays[name], array)
    for step in steps:
        name = step.numbers.partition(" = ")[0]
        if step.terms:
            check_sum(step, steps.arrays)
        else:
            computed, shown = evaluate(step.numbers)
            assert printed(element(name, steps.arrays)) == printed(shown)
            assert computed == pytest.approx(shown, rel=2e-2, abs=2e-3)


@FEW
@given(st.sampled_from(["relu", "leaky_relu", "sigmoid", "tanh"]), SHAPES, SEEDS)
def test_activations(name, shape, rng):
    x = Tensor(rng.standard_normal(shape) * 2, requires_grad=True)
    g = rng.standard_normal(shape)
    operation = getattr(F, name)
    y = operation(x)
    steps = explain(operation, x, backward=True, gradient=g)
    assert len(steps) == 2 * x.numel()
    check_each_number(steps, {"y": y.numpy(), **gradients(y, g, x=x)})


@FEW
@given(
    st.sampled_from(["mse_loss", "l1_loss", "binary_cross_entropy_with_logits"]),
    SHAPES,
    st.sampled_from(["mean", "sum", "none"]),
    SEEDS,
)
def test_losses(name, shape, reduction, rng):
    # In NumPy, as the steps: a GPU's exp may round the last bit in another way.
    x = Tensor(rng.standard_normal(shape) * 2, requires_grad=True, backend="numpy")
    t = Tensor(rng.random(shape), backend="numpy")
    operation = getattr(F, name)
    y = operation(x, t, reduction=reduction)
    steps = explain(operation, x, t, reduction=reduction, backward=True)
    assert len(steps) == 2 * x.numel() + (reduction != "none")
    letter = "z" if "logits" in name else "x"
    total = {"mean": "mean(L)", "sum": "sum(L)", "none": "L"}[reduction]
    if reduction == "mean":  # over all elements, which are M in the equations
        assert all("g = 1/M" in step.equation for step in steps.steps_of(f"dL/d{letter}"))
        assert f"M = {x.numel()} losses" in steps.steps_of(total)[0].equation
    found = gradients(y, np.ones(y.shape), **{letter: x})
    check_each_number(steps, {"L": operation(x, t, reduction="none").numpy(), total: y.numpy(), **found})


RULES = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "weight decay and l1": lambda p: optim.SGD(p, 0.1, weight_decay=0.5, l1=0.25),
    "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9),
    "Nesterov": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "Adam": lambda p: optim.Adam(p, 0.1),
    "Adam with l2": lambda p: optim.Adam(p, 0.1, weight_decay=0.5),
    "AdamW": lambda p: optim.AdamW(p, 0.1, weight_decay=0.5),
    "groups": lambda p: optim.SGD([{"params": p[:1], "lr": 0.3}, {"params": p[1:], "momentum": 0.5}], 0.1),
}


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=5)
@given(SEEDS)
def test_updates(rule, rng):
    parameters = [Tensor(rng.standard_normal(s).astype("f"), requires_grad=True) for s in ((2, 3), (2,))]
    optimizer = RULES[rule](parameters)
    for _ in range(2):
        for p in parameters:
            p.grad = Tensor(rng.standard_normal(p.shape).astype("f"))
        steps = explain(optimizer)
        before = [p.numpy().copy() for p in parameters]
        optimizer.step()
        for i, p in enumerate(parameters):
            np.testing.assert_array_equal(steps.arrays[f"theta{i}"], before[i])
            np.testing.assert_array_equal(steps.arrays[f"theta{i}'"], p.numpy())
    assert len(steps) == 8
    check_panels(steps)
    for step in steps:
        for clause in step.numbers.split(";  "):
            if clause.count(" = ") == 2:
                computed, shown = evaluate(clause)
                assert computed == pytest.approx(shown, rel=1e-2, abs=5e-3)
                name = clause.partition(" = ")[0]
                if name.startswith("theta") and "'" in name:
                    assert printed(element(name, steps.arrays)) == printed(shown)


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 2, 2)], ids=["images", "pixels"])
def test_the_losses_that_are_averaged_are_shown(shape, rng):
    labels = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    steps = explain(F.cross_entropy, rng.standard_normal(shape), labels, backward=True)
    (mean,) = steps.steps_of("mean(L)")
    shown = [panel.text(i, j) for panel in mean.panels for i in panel.rows for j in panel.columns]
    assert "?" not in shown and len(shown) > labels.size


@FEW
@given(st.sampled_from(["add", "mul"]), st.lists(st.integers(1, 3), min_size=1, max_size=3), st.data(), SEEDS)
def test_two_arrays_in_one(name, shape, data, rng):
    other = [data.draw(st.sampled_from([1, n])) for n in shape][data.draw(st.integers(0, len(shape) - 1)) :]
    a, b = (Tensor(rng.standard_normal(s), requires_grad=True) for s in (shape, other))
    function = getattr(F, name)
    y, g = function(a, b), rng.standard_normal(shape)
    steps = explain(function, a, b, backward=True, gradient=g)
    arrays = {"a": a.numpy(), "b": b.numpy(), "y": y.numpy(), "g": g, **gradients(y, g, a=a, b=b)}
    assert len(steps) == sum(arrays[name].size for name in ("y", "dL/da", "dL/db"))
    check_panels(steps)
    for step in steps:
        check_sum(step, arrays)


@FEW
@given(st.lists(SIZES, min_size=1, max_size=3), st.integers(0, 1), st.booleans(), SEEDS)
def test_concatenate(widths, dim, from_the_end, rng):
    leaves = {
        f"x{n}": Tensor(rng.standard_normal((2, w) if dim else (w, 2)), requires_grad=True)
        for n, w in enumerate(widths)
    }
    dim = dim - 2 if from_the_end else dim
    y = F.concatenate(list(leaves.values()), dim)
    g = rng.standard_normal(y.shape)
    steps = explain(F.concatenate, list(leaves.values()), dim, backward=True, gradient=g)
    arrays = {n: t.numpy() for n, t in leaves.items()} | {"y": y.numpy(), "g": g, **gradients(y, g, **leaves)}
    assert len(steps) == 2 * y.numpy().size
    check_panels(steps)
    for step in steps:
        check_sum(step, arrays)
