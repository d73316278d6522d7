import copy

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tinycnn import functional as F
from tinycnn import nn, optim
from tinycnn.tensor import Tensor


def layers():
    return [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)]


class Net(nn.Module):
    def __init__(self):
        self.convs = nn.ModuleList([nn.Linear(2, 3), nn.Linear(3, 3)])
        self.heads = nn.ModuleDict({"cat": nn.Linear(3, 1), "dog": nn.Linear(3, 2, bias=False)})

    def forward(self, x, head):
        for conv in self.convs:
            x = F.relu(conv(x))
        return self.heads[head](x)


def pytorchs_net(torch):
    class Twin(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = torch.nn.ModuleList([torch.nn.Linear(2, 3), torch.nn.Linear(3, 3)])
            self.heads = torch.nn.ModuleDict(
                {"cat": torch.nn.Linear(3, 1), "dog": torch.nn.Linear(3, 2, bias=False)}
            )

        def forward(self, x, head):
            for conv in self.convs:
                x = conv(x).relu()
            return self.heads[head](x)

    return Twin()


def test_lists_and_dicts_of_modules_are_pytorchs(rng, torch):
    net, twin = Net(), pytorchs_net(torch)
    assert list(net.state_dict()) == list(twin.state_dict())
    assert [name for name, _ in net.named_parameters()] == [name for name, _ in twin.named_parameters()]
    net.load_state_dict(twin.state_dict())
    x = rng.standard_normal((4, 2)).astype("float32")
    for head in ("cat", "dog"):
        y, expected = net(Tensor(x), head), twin(torch.tensor(x), head)
        np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-5)
    net.eval()
    assert not net.heads["dog"].training
    assert repr(net).splitlines()[:3] == [
        "Net(",
        "  (convs): ModuleList(",
        "    (0): Linear(2, 3, bias=True)",
    ]


def test_all_layers_in_a_list_and_a_dict_are_trained(rng):
    net = Net()
    for conv in net.convs:
        conv.bias.data += 2  # so that numbers get through the ReLUs, whatever the weights are
    before = {name: p.numpy().copy() for name, p in net.named_parameters()}
    rule = optim.SGD(net.parameters(), lr=0.1)
    x = Tensor(rng.standard_normal((40, 2)))
    (net(x, "cat") ** 2 + (net(x, "dog") ** 2).sum(1, keepdim=True)).sum().backward()
    rule.step()
    for name, p in net.named_parameters():
        assert (p.numpy() != before[name]).any(), name


def test_a_module_list_is_a_list():
    first, second, third = layers()
    modules = nn.ModuleList([first])
    assert modules.append(second) is modules
    modules.extend([third])
    assert len(modules) == 3
    assert list(modules) == [first, second, third]
    assert modules[0] is first
    assert modules[-1] is third
    assert second in modules
    assert isinstance(modules[1:], nn.ModuleList)
    assert list(modules[1:]) == [second, third]
    other = nn.Linear(5, 5)
    modules[-1] = other
    assert list(modules) == [first, second, other]
    assert list(modules.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    with pytest.raises(IndexError):
        modules[3]
    with pytest.raises(NotImplementedError, match=r"ModuleList has no forward\(\)"):
        modules(Tensor([1.0]))


def test_a_module_dict_is_a_dict():
    first, second, third = layers()
    modules = nn.ModuleDict({"a": first})
    modules["b"] = second
    modules.update({"a": third})
    assert list(modules) == list(modules.keys()) == ["a", "b"]
    assert list(modules.values()) == [third, second]
    assert list(modules.items()) == [("a", third), ("b", second)]
    assert len(modules) == 2
    assert "a" in modules
    assert "c" not in modules
    with pytest.raises(KeyError, match="no module 'c'; there are 'a', 'b'"):
        modules["c"]
    with pytest.raises(NotImplementedError, match=r"ModuleDict has no forward\(\)"):
        modules(Tensor([1.0]))


@pytest.mark.parametrize("name", ["", "a.b", "forward", "keys", "train", 3])
def test_names_that_would_not_do(name):
    with pytest.raises(ValueError, match="the name must be a text without dots"):
        nn.ModuleDict({name: nn.ReLU()})


def test_sequential_of_arguments_a_list_or_names():
    whole = nn.Sequential(*layers())
    for other in (nn.Sequential(layers()), nn.Sequential(tuple(layers()))):
        assert repr(other) == repr(whole)
        assert list(other.state_dict()) == list(whole.state_dict())
    named = nn.Sequential({"first": nn.Linear(2, 3), "second": nn.Linear(3, 1)})
    assert list(named.state_dict()) == ["first.weight", "first.bias", "second.weight", "second.bias"]
    assert named(Tensor([[1.0, 2.0]])).shape == (1, 1)
    assert named[1] is named.second
    assert nn.Sequential()(Tensor([1.0])).numpy() == [1.0]
    grown = nn.Sequential()
    for layer in layers():
        grown.append(layer)
    assert repr(grown) == repr(whole)


def test_a_copy_has_layers_of_its_own():
    net = nn.Sequential(*layers())
    twin = copy.deepcopy(net)
    twin.append(nn.ReLU())
    twin[0].weight.data[...] = 7
    assert len(net) == 3
    assert not (net[0].weight.numpy() == 7).any()
    assert list(twin.state_dict()) == list(net.state_dict())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: nn.Sequential(nn.ReLU(), F.relu), "layer 1 is no Module: <function relu"),
        (lambda: nn.Sequential(nn.ReLU(), layers()), r"layer 1 is no Module: .*unpacks a list of layers: \*"),
        (lambda: nn.Sequential(nn.ReLU), r"layer 0 is no Module: .* write ReLU\(\.\.\.\)"),
        (lambda: nn.ModuleList([None]), "layer 0 is no Module: None"),
        (lambda: nn.ModuleDict({"a": 3}), "layer a is no Module: 3"),
    ],
)
def test_what_is_no_module(make, says):
    with pytest.raises(TypeError, match=says):
        make()


def network():
    return nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(2, 3, 1), nn.MaxPool2d(2))


@pytest.mark.parametrize("negative", [False, True])
def test_pooling_before_relu_gives_the_same_output_and_gradient(negative, rng):
    net = network()
    array = rng.standard_normal((2, 2, 9, 8)).astype("float32")
    if negative:  # every window is a tie after ReLU
        array = -np.abs(array)
    array[0, 0, 0, 0] = np.nan
    x, twin = (Tensor(array, requires_grad=True) for _ in range(2))
    y = net(x)
    expected = twin
    for layer in net:
        expected = layer(expected)
    assert_array_equal(y.numpy(), expected.numpy())
    for output in (y, expected):
        output.sum().backward()
    assert_array_equal(x.grad.numpy(), twin.grad.numpy())


def test_a_hook_sees_every_layer_in_the_order_they_were_given(rng):
    net, seen = network(), []
    for i, layer in enumerate(net):
        layer.register_forward_hook(lambda module, inputs, y, i=i: seen.append((i, y.shape)))
    net(Tensor(rng.standard_normal((1, 2, 8, 8))))
    assert [i for i, _ in seen] == [0, 1, 2, 3, 4]
    assert seen[0][1] == (1, 2, 8, 8)
