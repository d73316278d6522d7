"""Inputs of other kinds: integers, lists, and batches of nothing."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinycnn
from tinycnn import Tensor, nn
from tinycnn import functional as F


class TestIntegers:
    """An operation that is meant for real numbers takes integers as float32, as PyTorch does or refuses."""

    @pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
    @pytest.mark.parametrize(
        "f",
        [
            F.exp,
            F.log,
            F.sqrt,
            F.sigmoid,
            F.tanh,
            F.softplus,
            F.gelu,
            F.mean,
            F.var,
            lambda x: F.softmax(x, 0),
            lambda x: F.log_softmax(x, 0),
            lambda x: F.logsumexp(x, 0),
            lambda x: x / 255,
            lambda x: F.leaky_relu(x, 0.2),
            lambda x: F.dropout(x, 0.5),
            lambda x: F.std(x),
            lambda x: F.avg_pool2d(x.reshape(1, 1, 2, 2), 2),
            lambda x: F.sum_pool2d(x.reshape(1, 1, 2, 2), 2),
            lambda x: F.global_avg_pool2d(x.reshape(1, 1, 2, 2)),
            lambda x: F.cross_entropy(x.reshape(2, 2), [0, 1]),
            lambda x: F.mse_loss(x, [90, 20, 0, 5]),
            lambda x: F.l1_loss(x, Tensor(np.array([90, 20, 0, 5], "uint8"))),
            lambda x: F.binary_cross_entropy_with_logits(x, [0, 1, 1, 0]),
            lambda x: F.batch_norm(x.reshape(2, 2), None, None, training=True),
            lambda x: F.instance_norm(x.reshape(1, 1, 2, 2)),
        ],
    )
    def test_integers_count_as_float32(self, f, dtype):
        a = np.array([80, 10, 1, 60]).astype(dtype)
        tinycnn.manual_seed(0)
        y = f(Tensor(a))
        tinycnn.manual_seed(0)
        assert y.dtype == np.float32
        assert_array_equal(y.numpy(), f(Tensor(a.astype("f4"))).numpy())

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    @pytest.mark.parametrize("integers", ["uint8", "int32", "int64", "bool"])
    @pytest.mark.parametrize(
        "f",
        [
            lambda x, n: x * n,
            lambda x, n: n + x,
            lambda x, n: x / n,
            lambda x, n: n - x,
            lambda x, n: x**n,
            lambda x, n: F.where(x > 0, x, n),
            lambda x, n: (x[None] @ n[:, None]).reshape(1),
            lambda x, n: F.concatenate([x, n]),
            lambda x, n: F.linear(x[None], n[None]),
        ],
    )
    def test_integers_beside_floats(self, f, integers, dtype):
        x, n = (
            Tensor(np.array([0.5, 2.0], dtype), requires_grad=True),
            Tensor(np.array([1, 1]).astype(integers)),
        )
        y = f(x, n)
        assert y.dtype == dtype
        y.sum().backward()
        assert x.grad.dtype == dtype

    def test_integers_stay_integers(self):
        n = Tensor(np.array([[3, 4]]))
        for y in (n + n, n * 2, -n, F.abs(n), n.sum(), n.max(), F.relu(n), n @ n.T, n**2):
            assert y.dtype == np.int64
        assert (n * 0.5).dtype == np.float32
        assert (n / 2).dtype == np.float32


LISTS = {
    "sum": lambda x: F.sum(x),
    "mean": lambda x: F.mean(x),
    "max": lambda x: F.max(x),
    "var": lambda x: F.var(x),
    "relu": F.relu,
    "exp": F.exp,
    "neg": F.neg,
    "softmax": lambda x: F.softmax(x, 0),
    "reshape": lambda x: F.reshape(x, 1),
    "flatten": F.flatten,
    "permute": lambda x: F.permute(x, 0),
    "transpose": lambda x: F.transpose(x, 0, 0),
    "index": lambda x: F.index(x, 0),
    "gather": lambda x: F.gather(x, 0, [0]),
    "to": lambda x: F.to(x, "float64"),
    "stack": lambda x: F.stack([x]),
    "concatenate": lambda x: F.concatenate([x]),
    "pad": lambda x: F.pad(x, [1, 1]),
    "broadcast_to": lambda x: F.broadcast_to(x, (2, 1)),
    "conv2d": lambda x: F.conv2d(Tensor(np.ones((1, 1, 1, 1))), x),
    "conv_transpose2d": lambda x: F.conv_transpose2d(x, x),
    "max_pool2d": lambda x: F.max_pool2d(x, 1),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 1),
    "global_avg_pool2d": F.global_avg_pool2d,
    "linear": lambda x: F.linear(x, x),
    "matmul": lambda x: F.matmul(x, Tensor([1.0])),
    "dropout": lambda x: F.dropout(x),
    "cross_entropy": lambda x: F.cross_entropy(x, [0]),
    "mse_loss": lambda x: F.mse_loss(x, x),
    "batch_norm": lambda x: F.batch_norm(x, None, None),
    "instance_norm": lambda x: F.instance_norm(x),
    "upsample_nearest": lambda x: F.upsample_nearest(x, 2),
    "clip": lambda x: F.clip(x, 0, 1),
    "squeeze": lambda x: F.squeeze(x),
    "unsqueeze": lambda x: F.unsqueeze(x, 0),
    "clone": F.clone,
    "logsumexp": lambda x: F.logsumexp(x, 0),
    "gelu": F.gelu,
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_where_a_tensor_is_wanted(name):
    with pytest.raises(TypeError, match=r"takes tensors or arrays, got (\w+, )*list.*: make .*Tensor\(\)"):
        LISTS[name]([1.0])


@pytest.mark.parametrize("kernels", ["auto", "plain"])
def test_an_empty_batch_is_computed(kernels, torch):
    nn_ = torch.nn.functional
    image, w, b = np.ones((0, 3, 4, 4), "f4"), np.ones((2, 3, 3, 3), "f4"), np.ones(2, "f4")
    rows, square, b3 = np.ones((0, 3), "f4"), np.ones((3, 3), "f4"), np.ones(3, "f4")
    pairs = [
        (F.conv2d, nn_.conv2d, [image, w, b]),
        (
            lambda x, w, b: F.conv_transpose2d(x[:, :2], w, None),
            lambda x, w, b: nn_.conv_transpose2d(x[:, :2], w),
            [image, w, b],
        ),
        (lambda x: F.max_pool2d(x, 2), lambda x: nn_.max_pool2d(x, 2), [image]),
        (lambda x: F.avg_pool2d(x, 2), lambda x: nn_.avg_pool2d(x, 2), [image]),
        (
            lambda x, w: F.batch_norm(x, None, None, w, training=True),
            lambda x, w: nn_.batch_norm(x, None, None, w, training=True),
            [image, b3],
        ),
        (
            lambda x, w: F.batch_norm(x, Tensor(b3), Tensor(b3), w),
            lambda x, w: nn_.batch_norm(x, torch.tensor(b3), torch.tensor(b3), w),
            [rows, b3],
        ),
        (F.instance_norm, nn_.instance_norm, [image]),
        (
            lambda x: F.cross_entropy(x, np.zeros(0, int), reduction="sum"),
            lambda x: nn_.cross_entropy(x, torch.zeros(0, dtype=int), reduction="sum"),
            [rows],
        ),
        (F.linear, nn_.linear, [rows, square]),
        (F.relu, nn_.relu, [rows]),
        (F.gelu, nn_.gelu, [rows]),
        (lambda x: F.softmax(x, 1), lambda x: nn_.softmax(x, 1), [rows]),
        (lambda x: F.softmax(x, 0), lambda x: nn_.softmax(x, 0), [rows]),
        (lambda x: F.log_softmax(x, 0), lambda x: nn_.log_softmax(x, 0), [rows]),
        (lambda x: x.reshape(-1, 3).sum(), lambda x: x.reshape(-1, 3).sum(), [rows]),
        (lambda x: x.flatten(1), lambda x: x.flatten(1), [image]),
    ]
    with tinycnn.using(kernels=kernels):
        for ours, theirs, arrays in pairs:
            x, twins = (
                [Tensor(a, requires_grad=True) for a in arrays],
                [torch.tensor(a, requires_grad=True) for a in arrays],
            )
            y, expected = ours(*x), theirs(*twins)
            assert y.shape == expected.shape
            y.sum().backward()
            expected.sum().backward()
            for ours_, twin in zip(x, twins, strict=True):
                if twin.grad is not None:
                    assert_array_equal(ours_.grad.numpy(), twin.grad.numpy())


def test_an_empty_batch_leaves_running_statistics_as_they_are():
    layer = nn.BatchNorm2d(3)
    assert layer(Tensor(np.ones((0, 3, 2, 2), "f4"))).shape == (0, 3, 2, 2)
    assert layer.running_mean.tolist() == [0, 0, 0]
    assert layer.running_var.tolist() == [1, 1, 1]
