"""A card above a function is enough: the gradient check, explain, the layers and the methods follow."""

import inspect
import pickle
import re

import numpy as np
import pytest

from tinycnn import Function, Tensor, explain, nn
from tinycnn import functional as F
from tinycnn.cli import main
from tinycnn.functional import examples
from tinycnn.functional.cards import CARDS, operation

FUNCTIONS = list(dict.fromkeys(card.of for card in CARDS.values() if card.of))
ELEMENTWISE = [card for card in CARDS.values() if card.elementwise]


@pytest.mark.parametrize("of", FUNCTIONS, ids=lambda of: of.__name__)
def test_a_function_stands_right_below_its_class(of):
    lines = inspect.getsource(inspect.getmodule(of)).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"class {of.__name__}("))
    below = [line for line in lines[start + 1 :] if re.match(r"class |def [a-z]", line)]
    name = re.match(r"def (\w+)\(", below[0])[1]  # after the private function that makes its example, if any
    assert CARDS[name].of is of


def test_all_operations_have_a_card_and_a_documented_equation():
    assert set(F.__all__) == set(CARDS)
    assert {card.equation for card in CARDS.values()} >= {1, 2, 3, 4, 5, 6}
    for card in CARDS.values():
        assert getattr(F, card.name) is card.function
        assert card.of is None or re.match(r"`*[yYL]", card.of.__doc__)  # the equation comes first


@pytest.mark.parametrize("card", ELEMENTWISE, ids=lambda card: card.name)
def test_an_elementwise_operation_is_a_layer(card, rng):
    x = Tensor(rng.standard_normal((2, 3)))
    layer = getattr(nn, card.layer)()
    assert isinstance(layer, nn.Module)
    np.testing.assert_array_equal(layer(x).numpy(), card.function(x).numpy())
    assert repr(nn.Sequential(pickle.loads(pickle.dumps(layer)))).count(card.layer) == 1  # noqa: S301 (our own)


@pytest.mark.parametrize("card", ELEMENTWISE, ids=lambda card: card.name)
def test_an_elementwise_operation_is_explained(card, capsys):
    x, g = np.array([[1.5, -0.5]]), np.array([[2.0, 3.0]])
    steps = explain.explain(card.function, x, backward=True, gradient=g)
    assert [step.phase for step in steps] == ["forward"] * 2 + ["backward"] * 2
    np.testing.assert_array_equal(steps.arrays["y"], card.function(x))
    assert main(["explain", card.name, "--backward"]) == 0
    assert f"--- {card.name}, step 12 of 12" in capsys.readouterr().out


@pytest.fixture
def cube():
    """An operation that only its card knows of."""

    class Cube(Function):
        """y = x^3. dL/dx = g * 3 * x^2."""

        keeps = "x"

        def forward(self, x):
            return x * x * x

        def backward(self, g, x):
            return g * 3 * x * x

    @operation(Cube, example=examples.unary(shift=[0.0, 1.0]), elementwise=True, layer="Cube", method=True)
    def cube(x, shift=0.0):
        """Return (x + shift)^3."""
        return Cube()(x + shift)

    yield cube
    del CARDS["cube"], Tensor.cube
    __all__.remove("cube")


__all__ = []  # what a star import of this module would take


def test_a_new_operation_needs_its_card_only(cube, capsys):
    assert __all__ == ["cube"]
    assert main(["gradcheck", "cube"]) == 0
    assert "1 operations, all right to second order" in capsys.readouterr().out
    assert Tensor([2.0]).cube(1.0).item() == 27
    layer = nn.weightless.layer_of(CARDS["cube"])
    assert repr(layer(shift=2)) == "Cube(shift=2)"
    assert layer(1.0)(Tensor([2.0])).item() == 27
    with pytest.raises(TypeError, match="unexpected keyword argument 'slope'"):
        layer(slope=1)
