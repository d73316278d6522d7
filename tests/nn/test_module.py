import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tinycnn import nn
from tinycnn.tensor import Tensor


class Block(nn.Module):
    """A module inside modules, with weights of its own."""

    def __init__(self):
        self.scale = nn.Parameter([1.0, 2.0])
        self.offset = nn.Buffer([0.5])
        self.first = nn.Linear(2, 2)
        self.rest = nn.Sequential(nn.ReLU(), nn.Dropout(0.5), nn.Linear(2, 2, bias=False))

    def forward(self, x):
        return self.rest(self.first(x * self.scale + self.offset))


NAMES = ["scale", "offset", "first.weight", "first.bias", "rest.2.weight"]


def test_names_are_attributes_joined_by_dots():
    block = Block()
    assert list(block.state_dict()) == NAMES
    assert [name for name, _ in block.named_parameters()] == [n for n in NAMES if n != "offset"]
    assert [name for name, _ in block.named_buffers()] == ["offset"]
    assert [name for name, _ in block.named_modules()] == ["", "first", "rest", "rest.0", "rest.1", "rest.2"]
    assert not block.offset.requires_grad


def test_a_nested_model_takes_pytorchs_weights(rng, torch):
    def build(library):
        return library.Sequential(
            library.Conv2d(1, 2, 3),
            library.BatchNorm2d(2),
            library.Sequential(library.ReLU(), library.MaxPool2d(2), library.Flatten()),
            library.Sequential(library.Linear(18, 4), library.Tanh(), library.Linear(4, 3)),
        )

    model, twin = build(nn), build(torch.nn)
    assert list(model.state_dict()) == list(twin.state_dict())
    x = rng.standard_normal((5, 1, 8, 8)).astype("float32")
    twin(torch.tensor(x))  # running statistics that are not the first ones
    model.load_state_dict(twin.state_dict())
    y, expected = model.eval()(Tensor(x)), twin.eval()(torch.tensor(x))
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), atol=1e-5)


def test_a_shared_module_comes_once_among_the_parameters():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    assert len(list(model.parameters())) == 2
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    model(Tensor(np.ones((1, 2), "float32"))).sum().backward()
    assert layer.weight.grad is not None


def test_load_state_dict_names_all_that_does_not_fit_and_changes_nothing():
    block = Block()
    before = {name: t.numpy().copy() for name, t in block.state_dict().items()}
    state = {name: np.zeros_like(a) for name, a in before.items() if name != "first.bias"}
    state["first.weight"] = np.zeros((3, 2))
    state["extra"] = np.zeros(7)
    with pytest.raises(ValueError, match=r"^these weights do not fit Block: ") as caught:
        block.load_state_dict(state)
    assert str(caught.value).split(": ", 1)[1].split("; ") == [
        "missing first.bias (2,)",
        "unexpected extra (7,)",
        "first.weight must have shape (2, 2), got (3, 2)",
    ]
    for name, t in block.state_dict().items():
        assert_array_equal(t.numpy(), before[name])


def test_loading_copies_in_the_modules_dtype_and_is_seen_as_a_change():
    block = Block()
    loss = (block.scale * block.scale).sum()
    state = {name: np.full(t.shape, 3.0) for name, t in block.state_dict().items()}
    block.load_state_dict(state)
    state["scale"][:] = 9
    assert_array_equal(block.scale.numpy(), [3, 3])
    assert block.scale.dtype == np.float32
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_state_dict_shares_memory_and_needs_no_gradient():
    block = Block()
    state = block.state_dict()
    state["scale"][0] = 7
    assert block.scale.numpy()[0] == 7
    assert not any(t.requires_grad for t in state.values())


def test_train_and_eval_reach_every_module():
    block = Block()
    assert block.training
    assert block.eval() is block
    assert not any(m.training for m in block.modules())
    block.rest.train()
    assert [m.training for m in block.modules()] == [False, False, True, True, True, True]


def test_zero_grad():
    block = Block()
    block(Tensor([[1.0, 2.0]])).sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    block.zero_grad()
    assert all(p.grad is None for p in block.parameters())


def test_hooks_see_inputs_and_output_until_removed():
    layer, seen = nn.Linear(2, 1), []
    remove = layer.register_forward_hook(lambda module, inputs, output: seen.append((module, inputs, output)))
    x = Tensor([[1.0, 2.0]])
    y = layer(x)
    remove()
    layer(x)
    assert seen == [(layer, (x,), y)]


def test_sequential():
    layers = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)
    model = nn.Sequential(*layers)
    assert len(model) == 3
    assert list(model) == list(layers)
    assert model[-1] is layers[2]
    assert model[:2](Tensor([[1.0, 2.0]])).shape == (1, 3)
    with pytest.raises(TypeError, match="layer 1 is no Module: <function relu"):
        from tinycnn.functional import relu

        nn.Sequential(nn.ReLU(), relu)


def test_a_subclass_of_sequential_may_have_more_modules():
    class WithHead(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(2, 2))
            self.head = nn.Linear(2, 1)

        def forward(self, x):
            return self.head(super().forward(x))

    assert list(WithHead().state_dict()) == ["0.weight", "0.bias", "head.weight", "head.bias"]


def test_a_module_without_forward_says_so():
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty has no forward\(\)"):
        Empty()(1)


def test_repr_of_modules_inside_modules():
    text = """Block(
  (first): Linear(2, 2, bias=True)
  (rest): Sequential(
    (0): ReLU()
    (1): Dropout(p=0.5)
    (2): Linear(2, 2, bias=False)
  )
)"""
    assert repr(Block()) == text


def test_summary_counts_weights_of_every_module_once_and_leaves_the_modes():
    block = Block()
    block.first.eval()
    summary = block.summary((2,))
    assert summary.parameters == sum(p.numel() for p in block.parameters()) == 12
    assert block.rest.training
    assert not block.first.training
    shared = nn.Linear(2, 2)
    twice = nn.Sequential(shared, shared).summary((2,))
    assert twice.parameters == 6
    assert twice.multiply_adds == 8
    assert [layer.name for layer in twice.layers] == ["0", "0"]


def test_summary_as_a_table():
    text = """
layer     output shape  parameters  multiply-adds
-------------------------------------------------
input     1x4x4
0 Conv2d  2x2x2                 20             72
1 ReLU    2x2x2                  0              0
-------------------------------------------------
total                           20             72"""
    table = str(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()).summary((1, 4, 4)))
    assert [line.rstrip() for line in table.splitlines()] == text.splitlines()[1:]


def test_pytorchs_names_of_devices(stand_in):
    net = nn.BatchNorm2d(2)
    assert net.to("cuda") is net
    assert {t.backend for t in net.state_dict().values()} == {"cupy"}
    net.to("cpu")
    assert {t.backend for t in net.state_dict().values()} == {"numpy"}
    with pytest.raises(ValueError, match=r"unknown backend 'cuda:1'; there are 'numpy' .* and 'cupy' "):
        net.to("cuda:1")
