import json
import math

import numpy as np
import pytest

from tinycnn import optim
from tinycnn.tensor import Tensor

SCHEDULES = {
    "StepLR": {"step_size": 3, "gamma": 0.5},
    "MultiStepLR": {"milestones": [9, 2, 2, 15], "gamma": 0.5},
    "ExponentialLR": {"gamma": 0.9},
    "CosineAnnealingLR": {"T_max": 20, "eta_min": 0.01},
    "OneCycleLR": {"max_lr": 0.5, "total_steps": 21},
}
RULE = pytest.mark.parametrize(
    ("name", "options"), [("SGD", {"momentum": 0.5}), ("Adam", {}), ("AdamW", {"betas": (0.7, 0.99)})]
)


def momentum(rule):
    group = rule.param_groups[0] if hasattr(rule, "param_groups") else vars(rule)
    return group["betas"] if "betas" in group else group["momentum"]


@RULE
@pytest.mark.parametrize(
    ("schedule", "settings"),
    [
        *SCHEDULES.items(),
        (
            "OneCycleLR",
            {"max_lr": 1, "total_steps": 21, "pct_start": 0.6, "div_factor": 5, "final_div_factor": 7},
        ),
        ("OneCycleLR", {"max_lr": 1, "total_steps": 21, "cycle_momentum": False}),
        ("OneCycleLR", {"max_lr": 1, "total_steps": 21, "base_momentum": 0.2, "max_momentum": 0.9}),
    ],
)
def test_learning_rates_and_momenta_follow_pytorchs(schedule, settings, name, options, torch):
    mine = getattr(optim, name)([Tensor([1.0], requires_grad=True)], lr=0.3, **options)
    twin = getattr(torch.optim, name)([torch.ones(1, requires_grad=True)], lr=0.3, **options)
    ours, theirs = (
        getattr(optim, schedule)(mine, **settings),
        getattr(torch.optim.lr_scheduler, schedule)(twin, **settings),
    )
    for _ in range(20):
        assert mine.lr == pytest.approx(twin.param_groups[0]["lr"], rel=1e-9)
        assert momentum(mine) == pytest.approx(momentum(twin))
        twin.step()
        ours.step()
        theirs.step()


@pytest.mark.parametrize(("schedule", "settings"), SCHEDULES.items())
def test_a_saved_schedule_continues(schedule, settings):
    def start():
        rule = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.3, momentum=0.5)
        return rule, getattr(optim, schedule)(rule, **settings)

    (rule, whole), (other, resumed) = start(), start()
    for _ in range(5):
        whole.step()
    resumed.load_state_dict(whole.state_dict())
    for _ in range(5):
        assert (rule.lr, rule.momentum) == (other.lr, other.momentum)
        whole.step()
        resumed.step()


def test_one_cycle_may_begin_at_its_peak_and_ends_with_its_steps():
    rule = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.1)
    schedule = optim.OneCycleLR(rule, 1.0, 10, pct_start=0.1)  # the first of ten steps is the peak
    assert rule.lr == 1
    for _ in range(10):
        schedule.step()  # once after each of the ten batches
    assert rule.lr == pytest.approx(1 / 25 / 1e4)
    with pytest.raises(RuntimeError, match=r"the cycle of 10 steps is over; step\(\) came once more"):
        schedule.step()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda w: optim.StepLR(optim.SGD([w]), 0), "step_size must be at least 1, got 0"),
        (lambda w: optim.CosineAnnealingLR(optim.SGD([w]), 0), "T_max must be at least 1, got 0"),
        (lambda w: optim.OneCycleLR(optim.SGD([w]), 1.0, 1), "total_steps >= 2 .* got 1 and 0.3"),
        (lambda w: optim.OneCycleLR(optim.SGD([w]), 1.0, 5, pct_start=1.0), "pct_start between 0 and 1"),
        (lambda w: optim.MultiStepLR(optim.SGD([w]), [3, 0]), r"milestones must be positive .* \[0, 3\]"),
        (lambda w: optim.MultiStepLR(optim.SGD([w]), [1.5]), "milestones must be positive"),
        (
            lambda w: optim.ReduceLROnPlateau(optim.SGD([w]), "best"),
            "mode must be 'min' or 'max', got 'best'",
        ),
        (lambda w: optim.ReduceLROnPlateau(optim.SGD([w]), threshold_mode="x"), "must be 'rel' or 'abs'"),
        (lambda w: optim.ReduceLROnPlateau(optim.SGD([w]), factor=1.0), "factor must be .* below 1"),
        (lambda w: optim.ReduceLROnPlateau(optim.SGD([w]), patience=-1), "patience must be at least 0"),
    ],
)
def test_bad_settings(make, says):
    with pytest.raises(ValueError, match=says):
        make(Tensor([1.0], requires_grad=True))


def two_groups(library, tensor):
    groups = [{"params": [tensor()], "lr": 0.5}, {"params": [tensor()], "betas": (0.5, 0.6)}]
    return library.Adam(groups, lr=0.1)


@pytest.mark.parametrize(("name", "settings"), SCHEDULES.items())
def test_every_group_keeps_a_learning_rate_of_its_own(name, settings, torch):
    rule = two_groups(optim, lambda: Tensor([1.0], requires_grad=True))
    twin = two_groups(torch.optim, lambda: torch.ones(1, requires_grad=True))
    ours, theirs = (
        getattr(optim, name)(rule, **settings),
        getattr(torch.optim.lr_scheduler, name)(twin, **settings),
    )
    for _ in range(20):
        for group, expected in zip(rule.param_groups, twin.param_groups, strict=True):
            assert group["lr"] == pytest.approx(expected["lr"], rel=1e-9)
            assert group["betas"] == pytest.approx(expected["betas"])
        twin.step()
        ours.step()
        theirs.step()
    other_rule = two_groups(optim, lambda: Tensor([1.0], requires_grad=True))
    other = getattr(optim, name)(other_rule, **settings)
    other.load_state_dict(json.loads(json.dumps(ours.state_dict())))
    assert [g["lr"] for g in other_rule.param_groups] == [g["lr"] for g in rule.param_groups]
    single = getattr(optim, name)(optim.SGD([Tensor([1.0], requires_grad=True)]), **settings)
    with pytest.raises(ValueError, match="base_lr of 2 groups, the optimizer has 1"):
        single.load_state_dict(ours.state_dict())


METRICS = np.concatenate(
    [
        [np.nan] * 3,
        np.linspace(1, 0.5, 6),
        np.full(9, 0.5),
        [0.4, 0.39999, 0.6, np.nan],
        np.full(15, 0.45),
        [0.1, 0.2],
    ]
)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"patience": 2},
        {"patience": 0, "factor": 0.5, "min_lr": 0.02},
        {"patience": 2, "cooldown": 3, "threshold": 0.1},
        {"patience": 1, "threshold_mode": "abs", "threshold": 0.2},
        {"patience": 1, "mode": "max"},
        {"patience": 1, "mode": "max", "threshold_mode": "abs", "threshold": 0.01, "eps": 0.05},
    ],
)
def test_plateaus_are_pytorchs(settings, torch):
    rule = two_groups(optim, lambda: Tensor([1.0], requires_grad=True))
    twin = two_groups(torch.optim, lambda: torch.ones(1, requires_grad=True))
    ours, theirs = (
        optim.ReduceLROnPlateau(rule, **settings),
        torch.optim.lr_scheduler.ReduceLROnPlateau(twin, **settings),
    )
    for n, metric in enumerate(METRICS):
        ours.step(Tensor(metric) if n % 2 else metric)
        theirs.step(metric)
        for group, expected in zip(rule.param_groups, twin.param_groups, strict=True):
            assert group["lr"] == pytest.approx(expected["lr"], rel=1e-9), n
        state = json.loads(json.dumps(ours.state_dict()))
        ours = optim.ReduceLROnPlateau(rule, **settings)  # goes on as if nothing had been
        ours.load_state_dict(state)
    if "eps" not in settings:
        assert rule.lr < 0.5 or settings == {}


def test_a_plateau_before_the_first_step_is_json():
    schedule = optim.ReduceLROnPlateau(optim.SGD([Tensor([1.0], requires_grad=True)]))
    assert json.loads(json.dumps(schedule.state_dict(), allow_nan=False))["best"] is None
    schedule.step(math.inf)
    assert schedule.optimizer.lr == 1e-3
