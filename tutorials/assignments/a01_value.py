# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Assignment 1: a number that knows how it was made
#
# You need lesson 2. Write `Value`: a number with the operations +, * and relu, and with `backward`.
#
# * An operation makes a new `Value` with the result and the parents. It also sets `hand_on` of the new value:
#   a function without arguments, which adds to the `grad` of each parent what that parent gets.
# * `backward` sets the `grad` of the last value to 1. Then it visits every value once, after all values that
#   used it, and calls its `hand_on`.
# * A value that is used twice gets the sum of both gradients.

# %%
from run_tests import check_gradients, run_tests


# %% your code
class Value:
    """A number, its gradient, and how it was made."""

    def __init__(self, data, parents=()):
        self.data, self.grad, self.parents = data, 0.0, parents
        self.hand_on = lambda: None  # adds to the gradients of the parents, once self.grad is known

    def __add__(self, other):
        raise NotImplementedError("write Value.__add__: compute, then set hand_on of the result")

    def __mul__(self, other):
        raise NotImplementedError("write Value.__mul__")

    def relu(self):
        raise NotImplementedError("write Value.relu: max(x, 0)")

    def backward(self):
        raise NotImplementedError("write Value.backward: list the values in order, then visit them backwards")


# %% [markdown]
# ## Tests, and a gradient check


# %%
def test_the_numbers():
    """The results are wrong: compute 2 + 3 and 2 * 3 and relu(-2) by hand, and compare."""
    a, b = Value(2.0), Value(3.0)
    assert ((a + b).data, (a * b).data, Value(-2.0).relu().data, a.relu().data) == (5, 6, 0, 2)


def test_gradient_of_a_sum():
    """For y = a + b, both parents get the gradient of y, which is 10 here and not 1."""
    a, b = Value(2.0), Value(3.0)
    ((a + b) * Value(10.0)).backward()
    assert (a.grad, b.grad) == (10, 10)


def test_gradient_of_a_product():
    """For y = a * b, dy/da is b and dy/db is a. Multiply each by the gradient of y, which is 10 here."""
    a, b = Value(2.0), Value(3.0)
    (a * b * Value(10.0)).backward()
    assert (a.grad, b.grad) == (30, 20)


def test_gradient_of_relu():
    """relu hands its gradient on if its input is above 0. Otherwise it hands on nothing."""
    a, b = Value(2.0), Value(-2.0)
    (a.relu() * Value(3.0) + b.relu()).backward()
    assert (a.grad, b.grad) == (3, 0)


def test_a_value_that_is_used_twice():
    """A value that is used twice gets two gradients. Its gradient is their sum: add, do not replace."""
    a = Value(3.0)
    (a * a + a).backward()
    assert a.grad == 7


def test_the_order_of_the_walk():
    """A value hands its gradient on too early, or twice: visit it once, after every value that used it."""
    a = Value(2.0)
    b = a * a
    c = b * Value(3.0)
    (b + c + c * b).backward()
    assert a.grad == 4 * (1 + 3 + 2 * 3 * 4)


def test_gradient_check():
    """The gradients differ from finite differences. Try each operation alone: which one is wrong?"""
    check_gradients(lambda x, y: (x * y + x).relu() * y + x * Value(-2.0), Value(1.5), Value(0.7))


if __name__ == "__main__":
    run_tests(globals())
