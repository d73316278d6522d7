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
# # Assignment 10: a DCGAN of your own
#
# You need lessons 15, 17 and 18. G grows images with a transposed convolution, D shrinks them with a
# convolution:
#
# * G: z (N, 8) -> matmul (N, 144) -> (N, 16, 3, 3) -> batch norm -> relu -> transposed convolution 4x4 with
#   stride 2 (N, 1, 8, 8) -> tanh
# * D: (N, 1, 8, 8) -> convolution 4x4 with stride 2 (N, 16, 3, 3) -> relu -> (N, 144) -> matmul, bias (N, 1)
#
# A transposed convolution is the input gradient of a convolution. So you have its parts already: forward is
# what your convolution does in the backward pass. Here w is (K, C, KH, KW) as before, but K channels come in,
# and C go out.

# %%
import numpy as np
from a02_broadcasting import Tensor, add, mul, total
from a03_two_layers import matmul, relu
from a05_fast_convolution import col2im, conv2d, im2col
from a06_pooling import flatten
from a07_batch_norm import batch_norm
from a08_adam import Adam
from run_tests import check_gradients, run_tests

from tinycnn.data import digits


# %% your code
def reshape(x, shape):
    """Return x with another shape, as a Tensor."""
    raise NotImplementedError("write reshape")


def tanh(x):
    """Return the hyperbolic tangent; its derivative is 1 - y^2."""
    raise NotImplementedError("write tanh")


def binary_cross_entropy(z, t):
    """Return the mean loss of the answers sigmoid(z) of logits z (N, 1); all truths are t, one number."""
    raise NotImplementedError("write binary_cross_entropy, from logits: np.logaddexp(0, z) is log(1 + e^z)")


def conv_transpose2d(x, w, stride):
    """Return the transposed convolution of x (N, K, H, W) with w (K, C, KH, KW): (N, C, ..., ...)."""
    raise NotImplementedError("write conv_transpose2d: col2im forward, im2col backward")


def G(z, parameters):
    """Return images (N, 1, 8, 8) between -1 and 1."""
    raise NotImplementedError("write G; parameters are made by first_G")


def D(x, parameters):
    """Return logits (N, 1)."""
    raise NotImplementedError("write D; parameters are made by first_D")


def train_D(real, z, of_G, of_D, optimizer):
    """Let D learn to tell real images from generated ones; return its loss. No gradient arrives at G."""
    raise NotImplementedError("write train_D")


def train_G(z, of_G, of_D, optimizer):
    """Let G learn to be taken for real; return its loss. D stays as it is."""
    raise NotImplementedError("write train_G")


# %% [markdown]
# ## Tests, and a gradient check


# %%
def numbers(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def first_G(rng):
    """Return G's parameters: a matrix, weight and bias of batch norm, filters."""
    matrix, filters = rng.standard_normal((8, 144)) / 3, rng.standard_normal((16, 1, 4, 4)) / 8
    return [Tensor(matrix), Tensor(np.ones(16)), Tensor(np.zeros(16)), Tensor(filters)]


def first_D(rng):
    """Return D's parameters: filters, a matrix, a bias."""
    filters, matrix = rng.standard_normal((16, 1, 4, 4)) / 3, rng.standard_normal((144, 1)) / 10
    return [Tensor(filters), Tensor(matrix), Tensor(np.zeros(1))]


def small_digits(count):
    """Return digits of 8x8 pixels between -1 and 1: the mean of 3x3 pixels each."""
    data, _ = digits()
    large = data.scaled(slice(0, count))[:, :, 2:26, 2:26].astype(float)
    return large.reshape(count, 1, 8, 3, 8, 3).mean(axis=(3, 5)) * 2 - 1


def test_gradients_of_the_new_operations():
    """The gradient of reshape or of tanh is wrong: that of tanh is g * (1 - y^2), that of reshape is g in
    the shape of x.
    """
    check_gradients(lambda x: total(mul(reshape(x, (6,)), Tensor(numbers(1, 6)))), Tensor(numbers(0, 2, 3)))
    check_gradients(lambda x: total(mul(tanh(x), Tensor(numbers(1, 6)))), Tensor(numbers(0, 6)))


def test_binary_cross_entropy():
    """No idea (logit 0) costs log 2, and a large logit does not overflow. The gradient is
    g * (sigmoid(z) - t) / N: do not forget g.
    """
    assert np.isclose(binary_cross_entropy(Tensor([[0.0]]), 0.0).data, np.log(2)), "the loss of logit 0"
    assert np.isclose(binary_cross_entropy(Tensor([[-1000.0], [0.0]]), 1.0).data, (1000 + np.log(2)) / 2)
    for t in (1.0, 0.0):
        check_gradients(lambda z, t=t: mul(binary_cross_entropy(z, t), Tensor(3.0)), Tensor(numbers(0, 4, 1)))


def test_transposed_convolution():
    """<conv(y, w), x> must equal <y, conv_transpose(x, w)> for every y: use col2im as in the gradient of
    your convolution. The size is (H - 1) * stride + KH.
    """
    x, w = Tensor(numbers(0, 2, 3, 2, 2)), Tensor(numbers(1, 3, 2, 3, 3))
    made = conv_transpose2d(x, w, 2)
    assert made.data.shape == (2, 2, 5, 5)
    y = Tensor(numbers(2, 2, 2, 5, 5))
    assert np.isclose((conv2d(y, w, 2).data * x.data).sum(), (made.data * y.data).sum())


def test_gradient_check():
    """A gradient of the transposed convolution is wrong: dL/dx is the convolution of g with w, dL/dw is
    made of x and the columns of g.
    """

    def loss(x, w):
        return total(mul(conv_transpose2d(x, w, 2), conv_transpose2d(x, w, 2)))

    check_gradients(loss, Tensor(numbers(0, 2, 3, 2, 2)), Tensor(numbers(1, 3, 2, 3, 3)))


def test_the_networks():
    """G makes images (N, 1, 8, 8) between -1 and 1, D makes one logit for each image."""
    rng = np.random.default_rng(0)
    images = G(Tensor(numbers(0, 5, 8)), first_G(rng))
    assert images.data.shape == (5, 1, 8, 8)
    assert np.abs(images.data).max() <= 1
    assert D(images, first_D(rng)).data.shape == (5, 1)


def test_every_part_of_G_and_D_is_there():
    """A part of G or D is missing, or stands at another place: compare each with the list at the top."""
    rng = np.random.default_rng(0)
    z, of_G, of_D = Tensor(numbers(0, 5, 8)), first_G(rng), first_D(rng)
    larger = [Tensor(of_G[0].data * 10), *of_G[1:]]
    assert np.allclose(G(z, larger).data, G(z, of_G).data, atol=1e-3), "batch norm of G"
    below_0 = [of_G[0], of_G[1], Tensor(np.full(16, -100.0)), of_G[3]]
    assert np.allclose(G(z, below_0).data, 0), "relu of G: if its inputs are below 0, the images are 0"
    x = numbers(1, 5, 1, 8, 8)
    both_signs = D(Tensor(x), of_D).data + D(Tensor(-x), of_D).data
    assert not np.allclose(both_signs, 0), "relu of D: without it D(-x) is -D(x)"
    moved = [*of_D[:2], Tensor(of_D[2].data + 7)]
    assert np.allclose(D(Tensor(x), moved).data, D(Tensor(x), of_D).data + 7), "bias of D"


def test_no_gradient_of_the_loss_of_D_arrives_at_G():
    """While D learns, no gradient may arrive at G: give D the generated images without their history."""
    rng = np.random.default_rng(0)
    of_G, of_D = first_G(rng), first_D(rng)
    before = [p.data.copy() for p in of_D]
    train_D(small_digits(8), numbers(0, 8, 8), of_G, of_D, Adam(of_D, 1e-3))
    assert all(p.grad is None for p in of_G), "G got a gradient"
    assert all((p.data != old).any() for p, old in zip(of_D, before, strict=True)), "D did not change"


def test_old_gradients_do_not_matter():
    """train_D and train_G must set the old gradients to None before backward: G's step leaves some in D."""
    for one, train in ((first_D, train_D), (first_G, train_G)):
        results = []
        for old in (None, 100.0):
            rng = np.random.default_rng(0)
            of_G, of_D = first_G(rng), first_D(rng)
            learns = of_D if one is first_D else of_G
            for p in learns:
                p.grad = None if old is None else np.full(p.data.shape, old)
            real = (small_digits(8),) if train is train_D else ()
            train(*real, numbers(0, 8, 8), of_G, of_D, Adam(learns, 1e-2))
            results.append(np.concatenate([p.data.ravel() for p in learns]))
        assert np.allclose(*results), train.__name__


def test_G_learns_and_D_stays():
    """While G learns, all of its parameters change and D's do not. The truth of G's loss is 1, real."""
    rng = np.random.default_rng(0)
    of_G, of_D = first_G(rng), first_D(rng)
    before, G_before = ([p.data.copy() for p in some] for some in (of_D, of_G))
    z, optimizer = numbers(0, 16, 8), Adam(of_G, 1e-2)
    losses = [train_G(z, of_G, of_D, optimizer) for _ in range(10)]
    assert all((p.data == old).all() for p, old in zip(of_D, before, strict=True)), "D changed"
    assert all((p.data != old).any() for p, old in zip(of_G, G_before, strict=True)), "G did not change"
    assert losses[-1] < losses[0], f"G's loss went from {losses[0]:.3f} to {losses[-1]:.3f}"
    assert (
        D(G(Tensor(z), of_G), of_D).data.mean()
        > D(G(Tensor(z), first_G(np.random.default_rng(0))), of_D).data.mean()
    )


def test_it_makes_digits():
    """After 300 steps the generated images are not like digits: their mean is not the mean digit, or they
    are all alike. Which truth has each part of the two losses?
    """
    rng = np.random.default_rng(0)
    of_G, of_D = first_G(rng), first_D(rng)
    G_optimizer, D_optimizer = Adam(of_G, 3e-3, (0.5, 0.99)), Adam(of_D, 3e-3, (0.5, 0.99))
    images = small_digits(1024)
    z = numbers(1, 200, 8)

    def distance():
        return np.abs(G(Tensor(z), of_G).data.mean(axis=0) - images.mean(axis=0)).mean()

    start = distance()
    for _ in range(300):
        real = images[rng.integers(0, len(images), 32)]
        train_D(real, rng.standard_normal((32, 8)), of_G, of_D, D_optimizer)
        train_G(rng.standard_normal((32, 8)), of_G, of_D, G_optimizer)
    made = G(Tensor(z), of_G).data
    spread = made.std(axis=0).mean() / images.std(axis=0).mean()
    print(
        f"      distance of the means {start:.2f} to {distance():.2f}, spread {spread:.2f} of that of digits"
    )
    for row in range(8):  # four of them, as characters
        print(
            "      "
            + "   ".join("".join(" .+#"[min(3, int(2 * v + 2))] for v in made[i, 0, row]) for i in range(4))
        )
    assert distance() < start / 3, f"distance of the means {distance():.2f}, at first {start:.2f}"
    assert spread > 0.5, f"the spread is {spread:.2f} of that of digits"


if __name__ == "__main__":
    run_tests(globals())
