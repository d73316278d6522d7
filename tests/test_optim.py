import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinycnn
from tinycnn import nn, optim
from tinycnn.tensor import Tensor

RULES = {
    "SGD": ("SGD", {"lr": 0.1}),
    "momentum": ("SGD", {"lr": 0.05, "momentum": 0.9}),
    "Nesterov": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "SGD, decay": ("SGD", {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1}),
    "Adam": ("Adam", {"lr": 0.05}),
    "Adam, all options": ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    "Adam, amsgrad": ("Adam", {"lr": 0.2, "betas": (0.8, 0.5), "weight_decay": 0.1, "amsgrad": True}),
    "AdamW": ("AdamW", {"lr": 0.05}),
    "AdamW, amsgrad": ("AdamW", {"lr": 0.2, "betas": (0.8, 0.5), "amsgrad": True}),
    "AdamW, all options": ("AdamW", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.3}),
}


def problem(rng, dtype="float64"):
    """Return start values and a loss (for both libraries) that is no quadratic."""
    A, b = rng.standard_normal((6, 3)).astype(dtype), rng.standard_normal(6).astype(dtype)

    def loss(w, c, constant):
        r = (constant(A) @ w - constant(b)).tanh() * c
        return (r * r).sum()

    return [rng.standard_normal(3).astype(dtype), np.array([1.5], dtype)], loss


def compare(torch, rng, name, options, l1=0.0):
    """Make the same 20 steps in both libraries, in PyTorch with an explicit l1 penalty."""
    start, loss = problem(rng)
    ours = [Tensor(a.copy(), requires_grad=True) for a in start]
    theirs = [torch.tensor(a, requires_grad=True) for a in start]
    rule, twin = getattr(optim, name)(ours, l1=l1, **options), getattr(torch.optim, name)(theirs, **options)
    for _ in range(20):
        rule.zero_grad()
        twin.zero_grad()
        loss(*ours, Tensor).backward()
        penalty = l1 * sum(p.abs().sum() for p in theirs)
        (loss(*theirs, torch.tensor) + penalty).backward()
        rule.step()
        twin.step()
        for p, q in zip(ours, theirs, strict=True):
            assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-10)


@pytest.mark.parametrize(("name", "options"), RULES.values(), ids=RULES)
def test_twenty_steps_equal_pytorchs(name, options, rng, torch):
    compare(torch, rng, name, options)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_l1_is_the_gradient_of_the_explicit_penalty(name, rng, torch):
    compare(torch, rng, name, {"lr": 0.01}, l1=0.2)


@pytest.mark.parametrize(("name", "options"), RULES.values(), ids=RULES)
def test_a_saved_state_continues_bit_by_bit(name, options, rng):
    start, loss = problem(rng, "float32")

    def steps(parameters, rule, count):
        for _ in range(count):
            rule.zero_grad()
            loss(*parameters, Tensor).backward()
            rule.step()

    whole = [Tensor(a.copy(), requires_grad=True) for a in start]
    steps(whole, getattr(optim, name)(whole, **options), 7)
    first = [Tensor(a.copy(), requires_grad=True) for a in start]
    rule = getattr(optim, name)(first, **options)
    steps(first, rule, 3)
    second = [Tensor(p.numpy().copy(), requires_grad=True) for p in first]
    state = {
        key: value.copy() if hasattr(value, "copy") else value for key, value in rule.state_dict().items()
    }
    steps(first, rule, 1)  # what was saved does not hang on what comes after
    resumed = getattr(optim, name)(second, **options)
    resumed.lr = 99
    resumed.load_state_dict(state)
    steps(second, resumed, 4)
    for p, q in zip(whole, second, strict=True):
        assert_array_equal(p.numpy(), q.numpy())


def test_a_state_that_does_not_fit_is_named_and_changes_nothing():
    w = Tensor([1.0, 2.0], requires_grad=True)
    rule = optim.Adam([w])
    state = rule.state_dict() | {"0.m": np.ones(3), "1.v": np.ones(2)}
    del state["0.v"], state["lr"]
    with pytest.raises(ValueError, match=r"missing lr; missing 0\.v .*; unexpected 1\.v .*; 0\.m must have"):
        rule.load_state_dict(state)
    assert not rule.state[0]["m"].any()


def not_aligned(a):
    view = np.frombuffer(bytearray(a.nbytes + 1), np.uint8)[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


LAYOUTS = {
    "transposed": lambda a: a.T,
    "every second column": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "backwards": lambda a: a[::-1],
    "not aligned": not_aligned,
}


@pytest.mark.usefixtures("on_numpy")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("rule", "options"),
    [("SGD", {"momentum": 0.9}), ("Adam", {}), ("AdamW", {}), ("Adam", {"amsgrad": True})],
    ids=["SGD", "Adam", "AdamW", "amsgrad"],
)
def test_a_parameter_of_any_layout_is_trained(rule, options, layout, rng):
    laid_out = LAYOUTS[layout](rng.standard_normal((32, 32)))
    gradients = rng.standard_normal((3, 32, 32))
    trained = []
    for array in (laid_out.copy(), laid_out):
        w = Tensor(array, requires_grad=True)
        assert w.data is array
        optimizer = getattr(optim, rule)([w], lr=0.1, **options)
        for g in gradients:
            w.grad = Tensor(g)
            optimizer.step()
        trained.append(array)
    assert_allclose(trained[1], trained[0], rtol=1e-12)


@pytest.mark.usefixtures("on_numpy")
@pytest.mark.parametrize("layout", ["as they are", "one in columns"])
@pytest.mark.parametrize(("name", "options"), RULES.values(), ids=RULES)
def test_small_and_large_parameters_together_are_those_of_the_plain_kernels(name, options, layout, rng):
    shapes, trained = [(3,), (40, 40), (2, 3), (70_000,)], []
    start = [rng.standard_normal(shape).astype("float32") for shape in shapes]
    gradients = [[rng.standard_normal(shape).astype("float32") for shape in shapes] for _ in range(3)]
    for kernels in ("plain", "auto"):
        arrays = [a.copy() for a in start]
        if layout == "one in columns":
            arrays[1] = np.asfortranarray(arrays[1])
        with tinycnn.using(kernels=kernels):
            parameters = [Tensor(a, requires_grad=True) for a in arrays]
            optimizer = getattr(optim, name)(parameters, **options)
            for step, of_step in enumerate(gradients):
                for p, g in zip(parameters, of_step, strict=True):
                    p.grad = None if step == 1 and p is parameters[2] else Tensor(g)
                optimizer.step()
        trained.append(arrays)
        assert optimizer.steps == [3, 3, 2, 3]
    for ours, plain in zip(*trained, strict=True):
        assert_allclose(ours, plain, rtol=1e-5, atol=1e-6)


def test_a_parameter_without_a_gradient_stays():
    w, unused = (Tensor([1.0], requires_grad=True) for _ in range(2))
    rule = optim.SGD([w, unused], lr=0.1, weight_decay=1.0)
    (w * 2).backward()
    rule.step()
    assert w.item() == pytest.approx(0.7)
    assert unused.item() == 1


def test_float32_stays_and_is_changed_in_place():
    for name, options in RULES.values():
        w = Tensor([1.0], requires_grad=True)
        array = w.data
        rule = getattr(optim, name)([w], **options)
        (w * w).backward()
        gradient = w.grad.numpy().copy()
        rule.step()
        assert w.data is array
        assert w.dtype == np.float32
        assert_array_equal(w.grad.numpy(), gradient)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda w: optim.SGD([]), "at least one parameter"),
        (lambda w: optim.SGD([w, w * 1]), r"parameter 1 of shape \(1,\) is no leaf: it was computed"),
        (lambda w: optim.SGD([w.detach()]), "no parameter requires a gradient, so nothing would be trained"),
        (lambda w: optim.SGD([{"params": []}]), "at least one parameter in each group"),
        (lambda w: optim.SGD([{"params": [w]}, {"params": [w]}]), "a parameter is given twice"),
        (lambda w: optim.SGD([{"params": [w], "lr": -1}]), "lr must be at least 0, got -1"),
        (lambda w: optim.Adam([{"params": [w], "betas": (0.9, 2)}]), "beta2 must be at least 0 and below 1"),
        (
            lambda w: optim.SGD([{"params": [w], "learning_rate": 1}]),
            "a group has the options lr, momentum, weight_decay, nesterov, l1, not learning_rate",
        ),
        (lambda w: optim.SGD([w, w]), "a parameter is given twice"),
        (lambda w: optim.SGD([w], lr=-1), "lr must be at least 0, got -1"),
        (lambda w: optim.SGD([w], lr=float("nan")), "lr must be at least 0, got nan"),
        (lambda w: optim.SGD([w], momentum=1.0), r"momentum must be at least 0 and below 1, got 1\.0"),
        (lambda w: optim.SGD([w], nesterov=True), "nesterov needs a momentum above 0"),
        (lambda w: optim.Adam([w], betas=(0.9, 1)), "beta2 must be at least 0 and below 1, got 1"),
        (lambda w: optim.Adam([w], eps=-1), "eps must be at least 0"),
        (lambda w: optim.AdamW([w], weight_decay=-1), "weight_decay must be at least 0"),
        (lambda w: optim.SGD([w], l1=-1), "l1 must be at least 0"),
    ],
)
def test_bad_settings(make, says):
    with pytest.raises(ValueError, match=says):
        make(Tensor([1.0], requires_grad=True))


@pytest.mark.parametrize("kind", ["Adam", "AdamW"])
def test_a_parameter_whose_gradient_comes_late_starts_its_own_count(torch, kind):
    ours = [Tensor(np.ones(3), requires_grad=True) for _ in range(2)]
    theirs = [torch.ones(3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    optimizer, expected = getattr(optim, kind)(ours), getattr(torch.optim, kind)(theirs)
    for step in range(6):
        for both in (ours, theirs):
            loss = (both[0] * both[0]).sum() if step < 4 else (both[0] * both[1]).sum()
            loss.backward()
        optimizer.step()
        expected.step()
        for a, b in zip(ours, theirs, strict=True):
            assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-12)
            a.grad = b.grad = None


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda net: optim.SGD(net), r"give the parameters of the Linear: model\.parameters\(\)"),
        (lambda net: optim.SGD(net.weight), "not one tensor"),
        (lambda net: optim.SGD(net.named_parameters()), r"parameter 0 is a pair .* give parameters\(\)"),
        (lambda net: optim.SGD([np.ones(2)]), "parameter 0 is no tensor: array"),
        (lambda net: optim.SGD([net.weight, {"params": [net.bias]}]), "not both in one list"),
    ],
)
def test_what_are_no_parameters(make, says):
    with pytest.raises(TypeError, match=says):
        make(nn.Linear(2, 3))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"steps": ["a"]}, "steps must be a list of counts"),
        ({"steps": [-1]}, "steps must be a list of counts"),
        ({"steps": 3}, "steps must be a list of counts"),
        ({"steps": [1, 2]}, "steps of 2 parameters, not 1"),
        ({"lr": "0.1"}, "lr must be a learning rate"),
        ({"lr": float("nan")}, "lr must be a learning rate"),
        ({"lr": [0.1, 0.2]}, "lr of 2 groups, not 1"),
        ({"0.m": np.array(["x", "y"])}, r"0\.m must hold real numbers"),
        ({"0.m": None}, r"0\.m must have shape \(2,\), got \(\)"),
    ],
)
def test_a_state_of_nonsense_is_refused(change, says):
    rule = optim.Adam([Tensor([1.0, 2.0], requires_grad=True)], lr=0.5)
    with pytest.raises(ValueError, match=says):
        rule.load_state_dict(rule.state_dict() | {"0.v": np.ones(2)} | change)
    assert (rule.lr, rule.steps) == (0.5, [0])
    assert not rule.state[0]["v"].any()
