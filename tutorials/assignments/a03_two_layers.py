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
# # Assignment 3: a network of two layers
#
# You need lessons 4 and 13. Write the operations of a small network. The last test trains it to say whether a
# point lies inside a circle or outside of it. No straight line can separate these points.

# %%
import numpy as np
from a02_broadcasting import Tensor, add, mul, total
from run_tests import check_gradients, run_tests


# %% your code
def matmul(a, b):
    """Return the matrix product of a (N, D) and b (D, K)."""
    raise NotImplementedError("write matmul: which two products give the gradients?")


def relu(a):
    """Return max(a, 0)."""
    raise NotImplementedError("write relu")


def cross_entropy(z, labels):
    """Return the mean over the rows of z (N, K) of -log softmax(z[n])[labels[n]], as one operation."""
    raise NotImplementedError("write cross_entropy: its gradient is (softmax - one-hot) / N")


def network(x, w1, b1, w2, b2):
    """Return the logits (N, K) of two dense layers with relu between."""
    raise NotImplementedError("write network, with matmul, add and relu")


def descend(parameters, lr):
    """Change each parameter by -lr times its gradient, and set its grad to None."""
    raise NotImplementedError("write descend")


# %% [markdown]
# ## Tests, and a gradient check


# %%
def numbers(*shape):
    return Tensor(np.random.default_rng(0).standard_normal(shape))


def test_gradient_of_matmul():
    """For y = a b, dL/da is g times b transposed, dL/db is a transposed times g: look at the order."""
    check_gradients(lambda a, b: total(mul(matmul(a, b), matmul(a, b))), numbers(4, 3), numbers(3, 2))


def test_gradient_of_relu():
    """relu looks at its input, not at g: the gradient passes where the input is above 0 (not at 0)."""
    x = Tensor([[1.0, -1.0, 2.0, 0.0]])
    total(mul(relu(x), Tensor([[-3.0, -3.0, 5.0, 7.0]]))).backward()
    assert x.grad.tolist() == [[-3, 0, 5, 0]]


def test_no_idea():
    """Two classes and equal logits: both shares are 1/2. So every row has the loss log 2, and their mean."""
    assert np.isclose(cross_entropy(Tensor(np.zeros((5, 2))), [0, 1, 1, 0, 1]).data, np.log(2))


def test_large_logits():
    """Logits of 1000 overflow. Subtract the largest of each row before you take powers."""
    assert np.isclose(cross_entropy(Tensor([[1000.0, 0.0], [0.0, 1000.0]]), [0, 0]).data, 500)


def test_gradient_of_cross_entropy():
    """The gradient is g * (softmax - one-hot) / N: divide by the number of rows, and do not forget g."""
    check_gradients(lambda z: mul(cross_entropy(z, [0, 2, 1, 1]), Tensor(3.0)), numbers(4, 3))


def test_gradient_check_of_the_network():
    """Each operation is right, and the network is not: where do you add the biases, and where is relu?"""
    rng = np.random.default_rng(1)
    parts = [Tensor(rng.standard_normal(shape)) for shape in ((4, 2), (2, 5), 5, (5, 3), 3)]
    check_gradients(lambda *some: cross_entropy(network(*some), [0, 2, 1, 1]), *parts)
    x, w1, b1, w2, b2 = (part.data for part in parts)
    assert np.allclose(network(*parts).data, np.maximum(x @ w1 + b1, 0) @ w2 + b2), "the logits differ"


def test_descend():
    """A step goes from theta to theta - lr * g. After it grad must be None, for the next backward."""
    p = Tensor([1.0, 2.0])
    p.grad = np.array([10.0, -10.0])
    descend([p], 0.1)
    assert np.allclose(p.data, [0, 3]), f"from [1, 2], with the gradients [10, -10] and lr 0.1, to {p.data}"
    assert p.grad is None, f"grad is still {p.grad}"


def test_it_learns_a_circle():
    """The gradients and the step are right, but it does not learn: does `network` use all parameters?"""
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (200, 2))
    labels = (np.hypot(*points.T) < 0.7).astype(int)
    parameters = [
        Tensor(rng.standard_normal((2, 16))),
        Tensor(np.zeros(16)),
        Tensor(rng.standard_normal((16, 2)) / 4),
        Tensor(np.zeros(2)),
    ]
    for _ in range(400):
        loss = cross_entropy(network(Tensor(points), *parameters), labels)
        loss.backward()
        descend(parameters, 0.5)
    answers = network(Tensor(points), *parameters).data.argmax(axis=1)
    assert (answers == labels).mean() > 0.95, f"accuracy {(answers == labels).mean():.2f} after 400 steps"


if __name__ == "__main__":
    run_tests(globals())
