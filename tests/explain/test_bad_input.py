"""What cannot be explained is refused with the limit, the reason and what would do."""

import numpy as np
import pytest

from tinycnn import Tensor, nn, optim
from tinycnn import functional as F
from tinycnn.explain import OPERATIONS, explain, graph, training_step
from tinycnn.explain.recorder import terms_up_to
from tinycnn.kernels.im2col import im2col

X, W = np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2))


def refuses(message, *args, **options):
    with pytest.raises((TypeError, ValueError), match=message):
        explain(*args, **options)


@pytest.mark.parametrize("operation", [F.stack, "stack", "no such thing", 3, None])
def test_unknown_operations(operation):
    refuses(f"cannot be explained; there are {', '.join(OPERATIONS)}, a Module, an Optimizer", operation, X)


def test_too_many_steps():
    large = np.ones((1, 3, 28, 28))
    message = (
        r"y 1x2x26x26 would be 1,352 steps; the limit is 256, .* cells={'y': numpy.s_\[0, 0, :2, :2\]}, or"
    )
    refuses(message, F.conv2d, large, np.ones((2, 3, 3, 3)))
    cells = {"y": np.s_[0, 0, :2, :2]}
    assert len(explain(F.conv2d, large, np.ones((2, 3, 3, 3)), cells=cells)) == 4


def test_too_many_terms():
    x, w = np.ones((1, 64, 3, 3)), np.ones((1, 64, 3, 3))
    message = r"y\[0,0,0,0\] is a sum of 576 terms; the limit is 50, because .* Crop the input"
    refuses(message, F.conv2d, x, w)
    assert len(explain(F.conv2d, x[:, :5], w[:, :5])) == 1
    with terms_up_to(1000):
        (step,) = explain(F.conv2d, x, w)
        (dense,) = explain(F.linear, np.ones((1, 900)), np.ones((1, 900)))
    assert len(step.terms) == 576
    assert len({term.tag for term in dense.terms}) == 900
    refuses(message, F.conv2d, x, w)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"z": [(0, 0, 0, 0)]}, r"cells= names 'z'; there are steps for 'y'"),
        ({"y": [(0, 0, 3, 0)]}, r"y has shape \(1, 1, 3, 3\); give indices"),
        ({"y": "all"}, r"y has shape"),
    ],
)
def test_cells_that_are_not_there(cells, message):
    refuses(message, F.conv2d, X, W, cells=cells)


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        ((F.conv2d, X, np.ones((1, 2, 2, 2))), {}, r"C=1 channels, but a weight"),
        ((F.conv2d, X, W), {"stride": 0}, "stride must be at least 1"),
        ((F.conv2d, X, W), {"color": 1}, "unexpected keyword argument 'color'"),
        ((F.conv2d, X), {}, "missing a required argument: 'weight'"),
        ((F.conv2d, "x", W), {}, "explain needs arrays of numbers, got str"),
        ((F.conv2d, X, W), {"backward": True, "gradient": np.ones(3)}, r"must have y's shape \(1, 1, 3, 3\)"),
        ((F.linear, np.ones((2, 2, 2)), np.ones((3, 2))), {}, r"x \(N, in\), got shape \(2, 2, 2\)"),
        ((F.softmax, np.ones((2, 2)), 0), {}, r"z \(N, K\) and dim=1"),
        ((F.cross_entropy, np.ones((1, 2, 2)), np.zeros((1, 2), int)), {}, r"\(N, K\) or \(N, K, H, W\)"),
        ((F.cross_entropy, np.ones((1, 2)), [0]), {"label_smoothing": 2}, r"must be in \[0, 1\]"),
        ((F.instance_norm, np.ones((2, 2, 2))), {}, r"x \(N, C, H, W\), got"),
        ((F.mse_loss, np.ones((1, 2)), np.ones(2)), {}, "the target has shape"),
        ((F.global_avg_pool2d, np.ones((2, 2))), {}, r"must be \(N, C, H, W\)"),
        ((F.batch_norm, np.ones((2, 2, 2)), None, None), {}, r"\(N, C, H, W\) or \(N, C\)"),
        ((im2col, X, (2, 2)), {"backward": True}, "its derivative is col2im"),
        ((nn.ReLU(), np.ones((2, 1, 4, 4))), {}, r"on one image.* got \(2, 1, 4, 4\)"),
        ((nn.ReLU(), X), {"cells": {}}, "layer by layer"),
    ],
)
def test_arguments(args, options, message):
    refuses(message, *args, **options)


def test_optimizers():
    p = Tensor([1.0], requires_grad=True)
    refuses("call backward", optim.SGD([p]))
    (p * 2).sum().backward()
    refuses("explained alone", optim.SGD([p]), backward=True)

    class Mine(optim.SGD):
        pass

    refuses("Mine cannot be explained; there are SGD, Adam, AdamW", Mine([p]))
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match="Mine cannot be explained"):
        training_step(layer, Mine(layer.parameters()), np.ones((1, 2)), [0])


def test_inputs_stay_as_they_are():
    x, w = Tensor(X.astype("f"), requires_grad=True), Tensor(W.astype("f"), requires_grad=True)
    before = x.numpy().copy()
    explain(F.conv2d, x, w, backward=True)
    assert x.grad is None
    assert w.grad is None
    np.testing.assert_array_equal(x.numpy(), before)


def test_nan_and_infinities_are_shown_not_hidden():
    x = np.array([[[[1, np.nan], [np.inf, 2]]]])
    step = explain(F.conv2d, x, np.ones((1, 1, 2, 2)))[0]
    assert step.numbers == "y[0,0,0,0] = 1·1 + NaN·1 + inf·1 + 2·1 = NaN"
    row = explain(F.softmax, [[np.nan, 1.0]], 1)
    assert row[-1].numbers == "p[0,1] = NaN / NaN = NaN"


def test_graphs_that_are_none():
    with pytest.raises(ValueError, match="has no graph"):
        graph(Tensor([1.0]))
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="a gradient starts from one number"):
        graph(x * x, gradients=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="walked before"):
        graph(y, gradients=True)
    for _ in range(200):
        x = x + 1
    with pytest.raises(ValueError, match="201 nodes cannot be read, the limit is 150"):
        graph(x).draw()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda z: explain(F.cross_entropy, z, [0, 1], weight=[1.0, 2.0, 3.0]), "shown without weight="),
        (lambda z: explain(F.cross_entropy, z, [0, 1], ignore_index=0), "shown without ignore_index="),
        (lambda z: explain(F.cross_entropy, z, np.eye(3)[:2]), "for labels, not for probabilities"),
        (
            lambda z: explain(F.binary_cross_entropy_with_logits, z, z, pos_weight=[1.0, 2.0, 3.0]),
            "shown without pos_weight=",
        ),
    ],
)
def test_weights_of_losses_are_not_passed_over(call, says):
    with pytest.raises(ValueError, match=says):
        call(Tensor(np.ones((2, 3), "f")))
