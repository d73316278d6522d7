"""Steps of what surrounds the layers: GANs, the gradient penalty, dropout, pruning, schedules and scores."""

import copy
import re

import numpy as np
import pytest

import tinycnn
from tests.helpers.explained import check_panels, check_sum, evaluate, printed
from tinycnn import Tensor, nn, optim
from tinycnn import functional as F
from tinycnn.compression import prune
from tinycnn.explain import (
    explain,
    gan_step,
    penalty,
    pruning,
    random_pixels,
    rule_pixels,
    schedule,
    scores,
)
from tinycnn.gan import Gan, gradient_penalty
from tinycnn.generate import random_image, rule_image
from tinycnn.generate.rules import checkerboard, gradients, rings
from tinycnn.metrics import precision_recall_f1

pytestmark = pytest.mark.usefixtures("on_numpy")


def points(rng):
    tinycnn.manual_seed(0)
    G, D = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    gan = Gan(G, D, optim.SGD(G.parameters(), 0.5), optim.Adam(D.parameters(), 0.1))
    return gan, rng.standard_normal((3, 2)).astype("f"), rng.standard_normal((3, 2)).astype("f")


def test_a_step_of_a_gan_is_the_engines(rng):
    gan, real, z = points(rng)
    before = copy.deepcopy(gan)
    steps = explain(gan_step, gan, real, z)
    check_panels(steps)
    for p, q in zip(
        [*gan.G.parameters(), *gan.D.parameters()],
        [*before.G.parameters(), *before.D.parameters()],
        strict=True,
    ):
        np.testing.assert_array_equal(p.numpy(), q.numpy())  # it was made on copies
    fake = gan.G(Tensor(z))
    np.testing.assert_array_equal(steps.arrays["G(z)"], fake.numpy())
    judged = gan.train_D(Tensor(real), fake)
    assert steps.arrays["L_D"] == judged.loss.numpy()
    p = F.sigmoid(judged.real.detach()).numpy().ravel()
    np.testing.assert_allclose(steps.arrays["dL_D/dlogit(x)"], (p - 1) / 3, rtol=1e-5)
    loss = gan.train_G(Tensor(real), fake)
    assert steps.arrays["L_G"] == loss.numpy()
    shown = 0
    for net, name in ((gan.G, "G"), (gan.D, "D")):
        for i, p in enumerate(net.parameters()):
            if f"theta{name}{i}'" in steps.arrays:
                shown += 1
                np.testing.assert_array_equal(steps.arrays[f"theta{name}{i}'"], p.numpy())
                np.testing.assert_array_equal(steps.arrays[f"g{name}{i}"], p.grad.numpy())
    assert shown == 2
    np.testing.assert_array_equal(steps.result, F.sigmoid(gan.D(gan.G(Tensor(z))).detach()).numpy().ravel())
    phases = [step.phase for step in steps]
    assert phases == ["forward"] * 3 + ["backward", "update", "forward", "backward", "update", "update"]


def test_the_gradient_that_reaches_the_generators_images(rng):
    gan, real, z = points(rng)
    steps = gan_step(gan, real, z)
    fake = gan.G(Tensor(z)).detach()
    gan.train_D(Tensor(real), fake)
    fake.requires_grad = True
    (g,) = tinycnn.grad(F.mean(F.softplus(-gan.D(fake))), fake)
    np.testing.assert_allclose(steps.arrays["dL_G/dG(z)"], g.numpy(), rtol=1e-5)


def test_the_gradient_penalty_and_its_own_gradients(rng):
    gan, real, fake = points(rng)
    mix = np.array([0.25, 0.5, 1.0], "f")
    steps = penalty(gan.D, real, fake, mix)
    check_panels(steps)
    total = gradient_penalty(gan.D, Tensor(real), Tensor(fake), Tensor(mix.reshape(3, 1)))
    total.backward()
    assert steps.result == total.numpy()
    for name, p in gan.D.named_parameters():
        if p.grad is not None:
            np.testing.assert_array_equal(steps.arrays[f"dpenalty/d{name}"], p.grad.numpy())
    assert f"= {printed(total.item())}" in steps.steps_of("penalty")[0].numbers


def test_dropout(rng):
    x = Tensor(rng.standard_normal((2, 3)).astype("f"), requires_grad=True)
    g = rng.standard_normal((2, 3)).astype("f")
    tinycnn.manual_seed(3)
    y = F.dropout(x, 0.25)
    y.backward(g)
    tinycnn.manual_seed(3)
    steps = explain(F.dropout, x.detach(), 0.25, backward=True, gradient=g)
    np.testing.assert_array_equal(steps.result, y.numpy())
    np.testing.assert_array_equal(steps.arrays["dL/dx"], x.grad.numpy())
    assert len(steps) == 12
    check_panels(steps)
    for step in steps:
        computed, shown = evaluate(step.numbers)
        assert computed == pytest.approx(shown, rel=1e-2, abs=1e-3)
    with pytest.raises(ValueError, match="nothing to explain"):
        explain(F.dropout, x, training=False)


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_pruning(scope):
    tinycnn.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    steps = pruning(model, 0.5, scope)
    assert all((p.numpy() != 0).all() for p in model.parameters())  # made on a copy
    prune(model, 0.5, scope)
    check_panels(steps)
    for step, (name, p) in zip(
        steps, ((n, p) for n, p in model.named_parameters() if p.ndim > 1), strict=True
    ):
        np.testing.assert_array_equal(steps.arrays[f"{name}'"], p.numpy())
        cells = {cell for cell, role in step.panels[-1].marks.items() if role == "result"}
        assert cells == {tuple(map(int, at)) for at in np.argwhere(p.numpy() == 0)}
        assert step.title == f"{name}: {len(cells)} of {p.numel()} weights are cut"


SCHEDULES = {
    "step": lambda o: optim.StepLR(o, 2, 0.5),
    "several": lambda o: optim.MultiStepLR(o, [2, 3]),
    "exponential": lambda o: optim.ExponentialLR(o, 0.9),
    "cosine": lambda o: optim.CosineAnnealingLR(o, 6),
    "one cycle": lambda o: optim.OneCycleLR(o, 0.3, 8),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    optimizer = optim.SGD([Tensor([0.0], requires_grad=True)], 0.1, momentum=0.9)
    rule = SCHEDULES[name](optimizer)
    steps = schedule(rule, 6)
    check_panels(steps)
    assert rule.t == 0
    rates = []
    for step in steps:
        rates.append(optimizer.param_groups[0]["lr"])
        assert step.numbers.endswith(f"= {printed(rates[-1])}")
        rule.step()
    np.testing.assert_allclose(steps.result, rates)
    assert (name in ("exponential", "cosine")) <= (steps[1].numbers.count("=") == 2)


def test_scores(rng):
    labels, predictions = rng.integers(0, 3, 9), rng.integers(0, 3, 9)
    steps = scores(labels, predictions)
    check_panels(steps)
    expected = precision_recall_f1(labels, predictions, average=None, K=3, zero_division=0)
    for name in ("precision", "recall", "f1"):
        np.testing.assert_array_equal(steps.arrays[name], getattr(expected, name))
        for step in steps.steps_of(name):
            if "0 / 0" not in step.numbers:
                computed, shown = evaluate(step.numbers)
                assert computed == pytest.approx(shown, rel=1e-3)
    last = [step for step in steps if step.title.startswith("image")][-1]
    np.testing.assert_array_equal(last.panels[-1].values, steps.result)
    assert all(re.search(r"\(Eq\. 15\)$", step.equation) for step in steps)
    assert "0 / 0, counted as 0" in scores([0, 1], [0, 0]).steps_of("f1")[1].numbers


def test_averages_over_the_classes():
    """Class 1 is nowhere: it is left out of the mean."""
    labels, predictions = [0, 0, 2, 2, 2, 3], [0, 2, 2, 2, 0, 2]
    steps = scores(labels, predictions)
    check_panels(steps)
    expected = precision_recall_f1(labels, predictions, "macro", zero_division=0)
    for name in ("precision", "recall", "f1"):
        assert steps.arrays[f"macro_{name}"] == getattr(expected, name)
        (step,) = steps.steps_of(f"macro_{name}")
        assert len(step.terms) == 3 and "1 without a label or a prediction" in step.sentence
        check_sum(step, steps.arrays)
    (micro,) = steps.steps_of("micro")
    check_sum(micro, steps.arrays)
    assert steps.arrays["micro"] == 3 / 6
    assert "left out" not in scores([0, 1], [0, 1]).steps_of("macro_f1")[0].sentence


def test_random_images():
    steps = random_pixels(2, 3, seed=5)
    np.testing.assert_array_equal(steps.result, random_image(2, 3, seed=5))
    assert [step.numbers.partition(" = ")[2] for step in steps] == [str(v) for v in steps.result.ravel()]
    assert f"is {printed(steps.result.mean())};" in steps[-1].sentence


def test_images_by_a_rule():
    steps = rule_pixels(checkerboard, 3, 4, side=2)
    np.testing.assert_array_equal(steps.result, rule_image(lambda i, j: checkerboard(i, j, 2), 3, 4))
    assert steps[2].numbers == "f(0, 2) = (floor(0 / 2) + floor(2 / 2)) mod 2 = 1;  x[0,2] = 255"
    check_panels(steps)
    assert rule_pixels(rings, 2, 2)[0].numbers.startswith("f(0, 0) = ")
    with pytest.raises(ValueError, match="rules of grey values"):
        rule_pixels(gradients, 2, 2)
