"""Sums, means, parts, other orders, differences, quotients and powers: the numbers are the engine's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinycnn
from tests.helpers.explained import check_panels, check_sum, evaluate, printed
from tests.helpers.geometries import SEEDS
from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.explain import explain

FEW = settings(max_examples=25)
SHAPE = (2, 3, 4)


def checked(function, x, *more):
    """Explain function(x, *more) forward and backward, and compare all with the engine."""
    x = Tensor(x, requires_grad=True)
    y = function(x, *more)
    g = np.random.default_rng(0).standard_normal(y.shape)
    (back,) = tinycnn.grad(y, [x], g)
    steps = explain(function, x, *more, backward=True, gradient=g)
    arrays = {"x": x.numpy(), "y": y.numpy(), "g": g, "dL/dx": back.numpy()}
    arrays["M"] = np.array(float(x.numel() // max(y.numel(), 1)))
    assert len(steps) == y.numpy().size + x.numpy().size
    check_panels(steps)
    for step in steps:
        check_sum(step, arrays)
    return steps


@FEW
@given(st.sampled_from([F.sum, F.mean]), st.sampled_from([None, 0, -1, (0, 2), (1,)]), st.booleans(), SEEDS)
def test_reductions(function, dim, keepdim, rng):
    steps = checked(function, rng.standard_normal(SHAPE), dim, keepdim)
    assert len(steps[0].terms) * steps.arrays["y"].size == steps.arrays["x"].size


KEYS = {
    "one": 1,
    "whole numbers and a slice": (0, slice(None), 2),
    "a list": (..., [0, 0, 3]),
    "backwards": (slice(None, None, -1), None),
    "a mask": np.eye(3, 4)[None].repeat(2, 0) > 0,
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_parts(key, rng, on_numpy):
    steps = checked(F.index, rng.standard_normal(SHAPE), key)
    read = [len(step.terms) for step in steps.steps_of("dL/dx")]
    assert sum(read) == steps.arrays["y"].size  # a cell that is read twice has two terms


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (-1, 1, 0)])
def test_other_orders(order, rng):
    checked(F.permute, rng.standard_normal(SHAPE), *order)


@pytest.mark.parametrize("b", [2.0, 0, -1, "array"])
def test_powers(b, rng):
    a = Tensor(rng.uniform(0.5, 2, (2, 3)), requires_grad=True)
    leaves = {"a": a}
    if b == "array":
        leaves["b"] = b = Tensor(rng.uniform(-2, 2, 3), requires_grad=True)
    y, g = F.pow(a, b), rng.standard_normal((2, 3))
    back = dict(zip(leaves, tinycnn.grad(y, list(leaves.values()), g), strict=True))
    steps = explain(F.pow, a, b, backward=True, gradient=g)
    for name, gradient in back.items():
        assert len(steps.steps_of(f"dL/d{name}")) == gradient.numpy().size
        for step, value in zip(steps.steps_of(f"dL/d{name}"), gradient.numpy().ravel(), strict=True):
            computed, last = evaluate(step.numbers)
            assert last == float(f"{value:.4g}")
            assert computed == pytest.approx(value, rel=0.05, abs=0.05)  # from factors of four digits
    for step, value in zip(steps.steps_of("y"), y.numpy().ravel(), strict=True):
        assert evaluate(step.numbers) == pytest.approx((value, value), rel=0.01)
    assert len(steps) == y.numpy().size + sum(t.numel() for t in leaves.values())


@pytest.mark.parametrize("function", [F.sub, F.div], ids=["sub", "div"])
@pytest.mark.parametrize("shape", [(2, 3), (3,), (2, 1), ()])
def test_differences_and_quotients(function, shape, rng):
    a = Tensor(rng.uniform(0.5, 2, (2, 3)), requires_grad=True)
    b = Tensor(rng.uniform(-2, -0.5, shape), requires_grad=True)
    y, g = function(a, b), rng.standard_normal((2, 3))
    back = tinycnn.grad(y, [a, b], g)
    steps = explain(function, a, b, backward=True, gradient=g)
    check_panels(steps)
    arrays = {"a": a, "b": b, "y": y} | dict(zip(("dL/da", "dL/db"), back, strict=True))
    arrays = {name: t.numpy() for name, t in arrays.items()} | {"g": g}
    for name in ("y", "dL/da", "dL/db"):
        assert len(steps.steps_of(name)) == arrays[name].size
        for step, value in zip(steps.steps_of(name), arrays[name].ravel(), strict=True):
            if step.terms:
                check_sum(step, arrays)
            else:
                computed, last = evaluate(step.numbers)
                assert printed(last) == printed(value)
                assert computed == pytest.approx(value, rel=0.01, abs=2e-3)
            marked = {role for panel in step.panels for role in panel.marks.values()}
            assert marked >= {"read", "result"}  # each step shows what it reads
