import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinycnn import nn, optim
from tinycnn.tensor import Tensor

GROUPS = {
    "SGD": ({"lr": 0.1, "momentum": 0.5}, {"lr": 0.02, "momentum": 0.0, "weight_decay": 0.1}),
    "Adam": ({"lr": 0.05, "eps": 1e-3}, {"lr": 0.2, "betas": (0.5, 0.6), "amsgrad": True}),
    "AdamW": ({"lr": 0.05}, {"lr": 0.01, "betas": (0.5, 0.6), "weight_decay": 0.3}),
}


@pytest.mark.parametrize(("name", "groups"), GROUPS.items(), ids=GROUPS)
@pytest.mark.parametrize("later", [False, True])
def test_groups_with_options_of_their_own_are_pytorchs(name, groups, later, rng, torch):
    start, A = [rng.standard_normal(3), np.array([1.5])], rng.standard_normal((6, 3))
    runs = []
    for library, new in (
        (optim, lambda a: Tensor(a.copy(), requires_grad=True)),
        (torch.optim, lambda a: torch.tensor(a, requires_grad=True)),
    ):
        w, c = map(new, start)
        first, second = {"params": [w], **groups[0]}, {"params": iter([c]), "name": "second", **groups[1]}
        rule = getattr(library, name)([first] if later else [first, second], lr=0.3)
        if later:
            rule.add_param_group(second)
        constant = Tensor if library is optim else torch.tensor
        for _ in range(10):
            rule.zero_grad()
            (((constant(A) @ w).tanh() * c - 1) ** 2).sum().backward()
            rule.step()
        runs.append((w, c, rule))
    (w, c, rule), (theirs_w, theirs_c, twin) = runs
    assert_allclose(w.numpy(), theirs_w.detach().numpy(), rtol=1e-10)
    assert_allclose(c.numpy(), theirs_c.detach().numpy(), rtol=1e-10)
    assert [group["lr"] for group in rule.param_groups] == [group["lr"] for group in twin.param_groups]


def test_an_option_is_the_first_groups_and_is_set_for_all():
    w, c = (Tensor([1.0], requires_grad=True) for _ in range(2))
    rule = optim.Adam([{"params": w, "lr": 0.1}, {"params": c, "betas": (0.5, 0.6)}], lr=0.3)
    assert (rule.lr, rule.betas) == (0.1, (0.9, 0.999))
    rule.lr = 0.7
    assert [group["lr"] for group in rule.param_groups] == [0.7, 0.7]
    assert rule.group_of(1) is rule.param_groups[1]
    with pytest.raises(IndexError):
        rule.group_of(2)


def test_the_state_of_several_groups():
    def start():
        w, c = (Tensor([1.0], requires_grad=True) for _ in range(2))
        return optim.SGD([{"params": w, "lr": 0.1}, {"params": c, "momentum": 0.5}], lr=0.3)

    rule, other = start(), start()
    rule.lr = 0.9
    rule.param_groups[1]["lr"] = 0.8
    rule.params[1].grad = Tensor([2.0])
    rule.step()
    state = rule.state_dict()
    assert set(state) == {"steps", "lr", "1.velocity"}
    other.load_state_dict(state)
    assert [group["lr"] for group in other.param_groups] == [0.9, 0.8]
    assert other.steps == [0, 1]
    assert other.state[1]["velocity"] == [2]
    with pytest.raises(ValueError, match="lr of 1 groups, not 2"):
        other.load_state_dict(state | {"lr": 0.5})


@pytest.mark.parametrize(
    ("name", "options"),
    [("SGD", {"lr": 0.1}), ("SGD", {"momentum": 0.9}), ("Adam", {}), ("AdamW", {"weight_decay": 0.5})],
)
def test_frozen_parameters_are_skipped_until_they_are_no_longer_frozen(name, options):
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    assert net[0].requires_grad_(False) is net[0]
    assert [p.requires_grad for p in net.parameters()] == [False, False, True, True]
    rule = getattr(optim, name)(net.parameters(), **options)
    start = [p.numpy().copy() for p in net.parameters()]

    def step():
        rule.zero_grad()
        (net(Tensor(np.ones((4, 2), "float32"))) ** 2).sum().backward()
        rule.step()
        return [(p.numpy() != a).any() for p, a in zip(net.parameters(), start, strict=True)]

    assert step() == [False, False, True, True]
    net[0].requires_grad_()
    assert step() == [True, True, True, True]
    net[0].requires_grad_(False)  # its last gradient is still there
    start = [p.numpy().copy() for p in net.parameters()]
    rule.step()
    assert_array_equal(net[0].weight.numpy(), start[0])
    assert_array_equal(net[0].bias.numpy(), start[1])
