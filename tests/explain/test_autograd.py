import json

import numpy as np
import pytest

import tinycnn
from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.cli import main
from tinycnn.explain import autograd, explain, to_json


def used_twice(a, b):
    c = a * b
    d = a + c
    return c * d


def test_every_node_has_its_gradient_and_the_shares_add_up():
    steps = explain(autograd, used_twice, 2.0, 3.0)
    # c = 6, d = 8, L = 48; dL/dd = c = 6, dL/dc = d + 6 = 14, dL/da = 6 + 14 * 3 = 48, dL/db = 14 * 2 = 28
    gradients = {name: float(steps.arrays[f"dL/d{name}"]) for name in ("L", "t2", "t1", "a", "b")}
    assert gradients == {"L": 1, "t2": 6, "t1": 14, "a": 48, "b": 28}
    assert float(steps.result) == 48
    by_title = {step.title.partition(":")[0]: step.numbers for step in steps if step.phase == "backward"}
    assert by_title["the order of the walk"] == "L -> t2 -> t1"
    assert by_title["t1"] == "dL/dt1 = 8 + 6 = 14"
    assert by_title["a"] == "dL/da = 6 + 42 = 48"
    assert by_title["what a wrong order would give"] == "dL/dt1 = 8 instead of 14"


def test_forward_shows_what_goes_in_and_comes_out():
    first, second, last = [
        step for step in explain("autograd", used_twice, 2.0, 3.0) if step.phase == "forward"
    ]
    assert (first.title, first.numbers) == ("t1 = Mul(a, b)", "t1 = 6")
    assert (second.title, second.numbers) == ("t2 = Add(a, t1)", "t2 = 8")
    assert (last.title, last.numbers) == ("L = Mul(t1, t2)", "L = 48")


def test_arrays_and_broadcasting_equal_backward(rng):
    def loss(x, w, b):
        return F.cross_entropy(F.relu(F.linear(x, w) + b), [0, 2])

    inputs = [rng.standard_normal(shape).astype("f") for shape in ((2, 4), (3, 4), (3,))]
    steps = explain("autograd", loss, *inputs)
    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    loss(*leaves).backward()
    for name, x in zip("xwb", leaves, strict=True):
        np.testing.assert_allclose(steps.arrays[f"dL/d{name}"], x.grad.numpy(), rtol=1e-6)
    assert json.loads(to_json(steps))["steps"]


def test_a_loss_that_was_computed_before_stays_as_it_is():
    x = Tensor([1.0, 2.0], requires_grad=True)
    loss = (x * x).sum()
    steps = explain(Tensor.backward, loss)
    assert {step.phase for step in steps} == {"backward"}
    assert x.grad is None
    np.testing.assert_array_equal(steps.arrays["dL/dleaf0"], [2, 4])
    loss.backward()  # the graph is still there
    np.testing.assert_array_equal(x.grad.numpy(), [2, 4])


def test_bad_input():
    with pytest.raises(TypeError, match="functions that return a tensor, got float"):
        explain("autograd", lambda x: 1.0, 2.0)
    with pytest.raises(ValueError, match="no operation made the result"):
        explain("autograd", lambda x: x.detach(), 2.0)
    with pytest.raises(TypeError, match="a loss is explained alone"):
        explain("autograd", Tensor(1.0), 2.0)

    def long(x):
        for _ in range(41):
            x = x + 1
        return x

    with pytest.raises(ValueError, match="41 operations; the limit is 40"):
        explain("autograd", long, 2.0)


def test_on_the_command_line(capsys):
    assert main(["explain", "autograd", "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert any("the order of the walk" in step["title"] for step in steps)
    assert main(["explain", "autograd", "--size", "3"]) == 2
    assert "autograd does not take --size" in capsys.readouterr().err


def test_it_records_nothing_of_its_own():
    tinycnn.manual_seed(0)
    x = Tensor(2.0, requires_grad=True)
    explain("autograd", used_twice, x, 3.0)
    assert x.grad is None and x.creator is None
