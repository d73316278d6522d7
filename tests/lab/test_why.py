"""Why this number? Every kind of cell of networks with batch norm, additions and concatenations."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinycnn import functional as F
from tinycnn import manual_seed, models, nn
from tinycnn.lab.trace import run
from tinycnn.lab.why import why, why_gradient
from tinycnn.nn import Module

SIDE = 8


class Functional(Module):
    """A network as learners write it: functions for activations and pooling, a gate, an input used twice."""

    def __init__(self):
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.gate = nn.Conv2d(4, 4, 1)
        self.dense = nn.Linear(4 * 16, 3)

    def forward(self, x):
        x = F.leaky_relu(self.conv(x), 0.1)
        x = x * F.sigmoid(self.gate(x)) + x
        x = F.max_pool2d(F.add(x, x), 2)
        return self.dense(F.flatten(x, 1))


class Identities(Module):
    """Layers that change nothing, beside a way around them."""

    def __init__(self):
        self.dense = nn.Linear(4, 4)
        self.drop, self.same, self.flat = nn.Dropout(0.5), nn.Identity(), nn.Flatten()

    def forward(self, x):
        x = self.drop(self.dense(self.flat(x)))
        return self.same(x + F.tanh(x))


class Parts(Module):
    """What stands between layers of networks of one's own: means, parts, powers, another order."""

    def __init__(self):
        self.conv = nn.Conv2d(1, 4, 3)
        self.dense = nn.Linear(12, 3)

    def forward(self, x):
        x = F.pow(self.conv(x), 2)
        mean = F.mean(x, (2, 3))
        part = F.permute(x[:, :, 1, ::5], 0, 2, 1)
        return self.dense(F.concatenate([mean, F.sum(part, 2), F.flatten(part, 1)[:, [0, 1, 2, 2, 5, 0]]], 1))


def networks():
    manual_seed(0)
    norms = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.InstanceNorm2d(2, affine=True), nn.Flatten(),
        nn.Linear(72, 8), nn.BatchNorm1d(8, affine=False), nn.Linear(8, 3),
    )  # fmt: skip
    of_the_batch = nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten(), nn.Linear(64, 3))
    return {
        "resnet": (models.resnet(3, 1, width=4), SIDE),
        "densenet": (models.densenet(3, 1, growth=3, depth=2), SIDE),
        "norms": (norms, SIDE),
        "of the batch": (of_the_batch, SIDE),
        "functional": (Functional(), SIDE),
        "identities": (Identities(), 2),
        "parts": (Parts(), SIDE),
    }


@pytest.fixture(params=networks())
def traced(request, rng):
    model, side = networks()[request.param]
    for module in model.modules():
        if getattr(module, "running_var", None) is not None:
            module.running_mean.data[...] = rng.normal(0, 0.3, module.running_mean.shape)
            module.running_var.data[...] = rng.uniform(0.5, 2, module.running_var.shape)
    return run(model, rng.random((1, side, side), np.float32), 2)


def cells(array, rng, count=3):
    return [tuple(int(rng.integers(0, n)) for n in array.shape) for _ in range(count)]


def test_every_array_has_steps_that_end_in_its_number(traced, rng):
    for name in traced.shown[1:]:
        for cell in cells(traced.array(name), rng):
            found = why(traced, name, cell)
            value = traced.array(name)[cell]
            assert len(found.names) == len(found.explanation.steps)
            step = found.explanation.steps[-1]
            assert step.numbers.endswith(f"= {value:.4g}")
            for term in step.terms:
                read = [q for q in term.factors if found.names[-1].get(q.array) in traced.tensors]
                for q in read:
                    assert q.value == traced.array(found.names[-1][q.array])[q.index]


def test_every_gradient_is_the_sum_of_what_comes_back(traced, rng):
    for name in traced.shown:
        for cell in cells(traced.array(name), rng):
            found = why_gradient(traced, name, cell)
            value = traced.array(name, gradient=True)[cell]
            step = found.explanation.steps[0]
            uses = traced.users(name)
            if len(uses) > 1:
                assert len(step.terms) == len(uses)
                assert len(found.explanation.steps) >= 1 + len(uses)
                assert_allclose(sum(t.value for t in step.terms), value, rtol=1e-3, atol=1e-7)
                assert step.numbers.endswith(f"= {value:.4g}")
            for step, names in zip(found.explanation.steps, found.names, strict=True):
                for q in (q for term in step.terms for q in term.factors):
                    array = names.get(q.array, "")
                    if array.startswith("dL/d") and array[4:] in traced.tensors:
                        kept = traced.array(array[4:], gradient=True)[q.index]
                        assert_allclose(q.value, kept, rtol=1e-5, atol=1e-9)


def test_gradients_are_backwards(rng):
    model, _ = networks()["resnet"]
    trace = run(model, picture := rng.random((1, SIDE, SIDE), np.float32), 1)
    nudge = np.zeros_like(picture)
    nudge[0, 3, 4] = 1e-2
    higher, lower = (run(model, picture + sign * nudge, 1).loss for sign in (1, -1))
    slope = trace.array("a0", gradient=True)[0, 0, 3, 4]
    assert slope == pytest.approx((higher - lower) / 2e-2, rel=0.05, abs=1e-4)


def test_what_stands_between_layers_is_named_in_order(rng):
    trace = run(models.resnet(3, 1, width=4), rng.random((1, SIDE, SIDE), np.float32))
    by_name = {made.result: made for made in trace.made}
    block = [name for name in by_name if name.startswith("x")][:3]
    assert block == ["x6", "x8_1", "x8"]
    assert by_name["x8_1"].sources == ("a7", "a3")
    assert [use.result for use, _ in trace.users("a3")] == ["a4", "x8_1"]


def test_an_operation_without_steps_says_so(rng):
    class Odd(Module):
        def __init__(self):
            self.dense = nn.Linear(2, 3)

        def forward(self, x):
            return self.dense(F.flatten(x, 1)[:, :2] - 1.0)

    trace = run(Odd(), rng.random((1, 2, 2), np.float32))
    with pytest.raises(ValueError, match="there are no steps for"):
        why(trace, "x1", (0, 1))
