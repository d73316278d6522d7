"""Layers and parameters that a network would not find; attributes that would lose a weight."""

import numpy as np
import pytest

from tinycnn import nn, optim
from tinycnn.tensor import Tensor


def make(attribute):
    class Net(nn.Module):
        def __init__(self):
            self.out = nn.Linear(2, 2)
            self.hidden = attribute

    return Net()


HIDDEN = {
    "list": [nn.Linear(1, 1), nn.Linear(1, 1)],
    "tuple": (nn.Linear(1, 1),),
    "set": {nn.Linear(1, 1)},
    "list of lists": [[nn.ReLU()], [nn.Linear(1, 1)]],
    "list of dicts": [{"a": nn.ReLU()}],
    "among others": [3, None, "text", nn.ReLU()],
}


@pytest.mark.parametrize("value", HIDDEN.values(), ids=HIDDEN)
@pytest.mark.parametrize(
    "use",
    [
        lambda net: list(net.parameters()),
        lambda net: net.state_dict(),
        lambda net: net.eval(),
        lambda net: net.zero_grad(),
        lambda net: net.to("numpy"),
        lambda net: optim.SGD(net.parameters(), lr=0.1),
        lambda net: list(nn.Sequential(nn.ReLU(), net).parameters()),
    ],
)
def test_layers_in_a_list_are_refused_as_soon_as_layers_are_looked_for(value, use):
    with pytest.raises(TypeError, match=r"Net\.hidden is a \w+ with a .*self\.hidden = nn\.ModuleList"):
        use(make(value))


def test_layers_in_a_dict_and_parameters_in_a_list_are_refused():
    with pytest.raises(TypeError, match=r"Net\.hidden is a dict with a Linear.*nn\.ModuleDict"):
        make({"a": nn.Linear(1, 1)}).state_dict()
    with pytest.raises(TypeError, match=r'hidden is a list with a Parameter.*setattr\(self, f"hidden_'):
        make([nn.Parameter([1.0])]).state_dict()


def test_a_list_that_is_filled_later_is_found_too():
    net = make([])
    assert len(list(net.parameters())) == 2
    net.hidden.append(nn.Linear(1, 1))
    with pytest.raises(TypeError, match=r"Net\.hidden is a list"):
        list(net.parameters())


def test_a_list_of_layers_that_are_attributes_too_is_fine():
    net = make([])
    for i in range(3):
        setattr(net, f"layer{i}", nn.Linear(1, 1))
        net.hidden.append(getattr(net, f"layer{i}"))
    assert len(list(net.parameters())) == 8


@pytest.mark.parametrize("value", [[1, 2], {"a": "b"}, [np.ones(3)], (), [Tensor([1.0])], [None] * 5000])
def test_other_lists_are_fine(value):
    assert len(make(value).state_dict()) == 2


def test_a_list_that_contains_itself_is_no_trap():
    loop = []
    loop.append(loop)
    assert len(make(loop).state_dict()) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight", Tensor([1.0, 2.0])),
        ("weight", np.ones(2)),
        ("weight", 3.0),
        ("weight", [1.0, 2.0]),
        ("running_mean", np.ones(2)),
        ("running_mean", 0),
    ],
)
def test_a_weight_is_not_replaced_by_what_would_not_be_trained_or_saved(name, value):
    net = nn.BatchNorm2d(2)
    kind = "parameter" if name == "weight" else "buffer"
    with pytest.raises(TypeError, match=rf"BatchNorm2d\.{name} is a {kind}.*{name}\.data\[\.\.\.\] = values"):
        setattr(net, name, value)
    assert len(net.state_dict()) == 5


def test_minus_equals_on_a_weight_is_no_trap(rng):
    net = nn.Linear(2, 2)
    with pytest.raises((TypeError, RuntimeError)):  # outside no_grad
        net.weight -= Tensor(np.ones((2, 2)))
    assert list(net.state_dict()) == ["weight", "bias"]


def test_a_module_is_not_replaced_by_a_function():
    net = make(())
    with pytest.raises(TypeError, match=r"Net\.out is a module: assign another .*, not function"):
        net.out = lambda x: x
    net.out = nn.ReLU()
    assert list(net.state_dict()) == []


def test_what_may_replace_weights():
    net = nn.BatchNorm2d(2)
    net.weight = nn.Parameter([5.0, 6.0])
    net.bias = None
    net.running_mean = Tensor([7.0, 8.0])  # stays a buffer, as in PyTorch
    assert list(net.state_dict()) == ["weight", "running_mean", "running_var", "num_batches_tracked"]
    assert net.state_dict()["running_mean"].numpy().tolist() == [7, 8]
    net.eps, net.name = 0.1, Tensor([1.0])
    assert net.eps == 0.1
