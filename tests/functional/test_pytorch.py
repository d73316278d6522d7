"""Every operation against PyTorch's of the same name: values, dtypes and gradients, over random sizes."""

from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from tinycnn import functional as F
from tinycnn.functional.cards import CARDS
from tinycnn.functional.examples import conv2d_case, conv_transpose2d_case, pool2d_case
from tinycnn.tensor import Tensor

torch = pytest.importorskip("torch", reason="PyTorch is the oracle: extra 'oracle'")
nn = torch.nn.functional

CLOSE = {"float32": {"rtol": 1e-4, "atol": 1e-5}, "float64": {"rtol": 1e-10, "atol": 1e-10}}


def sizes(rng, low=1, high=3):
    return tuple(int(n) for n in rng.integers(1, 5, rng.integers(low, high + 1)))


def one(rng):
    return [rng.standard_normal(sizes(rng))], {}


def positive(rng):
    return [rng.uniform(0.5, 2, sizes(rng))], {}


def two(rng, positive=()):
    """Two arrays of which one is broadcast; those in `positive` are."""
    shape = sizes(rng)
    other = tuple(rng.choice([1, n]) for n in shape)[rng.integers(0, len(shape)) :]
    arrays = [rng.standard_normal(shape), rng.standard_normal(other)][:: rng.choice([1, -1])]
    return [np.abs(a) + 0.5 if i in positive else a for i, a in enumerate(arrays)], {}


def reduced(rng, name="dim"):
    x = rng.standard_normal([n + 1 for n in sizes(rng)])
    dims = tuple(int(d) for d in rng.permutation(x.ndim)[: rng.integers(1, x.ndim + 1)])
    return [x], {name: dims, "keepdim": bool(rng.integers(2))}


def var(rng):
    arrays, options = reduced(rng)
    return arrays, options | {"correction": int(rng.integers(2))}


def along(rng, **options):
    x = rng.standard_normal(sizes(rng))
    return [x], {"dim": int(rng.integers(-x.ndim, x.ndim)), **options}


def extreme(rng):
    return along(rng, keepdim=bool(rng.integers(2)))


def with_options(**options):
    return lambda rng: (one(rng)[0], options)


def where(rng):
    arrays, _ = two(rng)
    return arrays, {"condition": rng.random(np.broadcast_shapes(*(a.shape for a in arrays))) < 0.5}


def matmul(rng):
    shapes = [(3, 4), (2, 3, 4), (5, 1, 3, 4), (4,)], [(4, 2), (2, 4, 3), (1, 4, 1), (4,)]
    return [rng.standard_normal(s[rng.integers(4)]) for s in shapes], {}


def linear(rng):
    *batch, features, out = sizes(rng, 2, 4)
    shapes = (*batch, features), (out, features), (out,)
    return [rng.standard_normal(s) for s in shapes[: rng.integers(2, 4)]], {}


def reshape(rng):
    x = rng.standard_normal(sizes(rng))
    return [x], {"shape": [(-1,), (x.shape[0], -1), x.shape, (1, -1, x.shape[-1])][rng.integers(4)]}


def flatten(rng):
    x = rng.standard_normal(sizes(rng))
    start, end = sorted(int(d) for d in rng.integers(0, x.ndim, 2))
    return [x], {"start_dim": start, "end_dim": end - x.ndim}


def permute(rng):
    x = rng.standard_normal(sizes(rng))
    return [x], {"dims": tuple(int(d) for d in rng.permutation(x.ndim))}


def there(key):
    """Return a key with tensors for arrays: they live where the indexed tensor does."""
    if isinstance(key, tuple):
        return tuple(map(there, key))
    return Tensor(key) if isinstance(key, np.ndarray) else key


def index(rng):
    keys = [
        1, -1, slice(1, 3), (..., 2), (None, 2, slice(None, None, 2)), (slice(None), None, slice(1, 2)),
        rng.integers(0, 3, 5), (rng.integers(-3, 3, 4), rng.integers(0, 3, 4)), rng.random((4, 3)) < 0.5,
        (slice(None), slice(1, 3), rng.integers(0, 3, 7)), (rng.integers(0, 3, (2, 1)), 0, slice(0, 2)),
    ]  # fmt: skip
    return [rng.standard_normal((4, 3, 5))], {"key": keys[rng.integers(len(keys))]}


def gather(rng):
    x = rng.standard_normal(sizes(rng, 2))
    dim = int(rng.integers(-x.ndim, x.ndim))
    shape = [6 if d == dim % x.ndim else n for d, n in enumerate(x.shape)]
    return [x], {"dim": dim, "index": rng.integers(0, x.shape[dim], shape)}


def joined(rng):
    x = rng.standard_normal(sizes(rng))
    return [x, rng.standard_normal(x.shape), x * 2], {"dim": int(rng.integers(-x.ndim, x.ndim))}


def pad(rng):
    x = rng.standard_normal(sizes(rng))
    widths = [int(n) for n in rng.integers(0, 3, 2 * rng.integers(1, x.ndim + 1))]
    return [x], {"widths": widths, "value": float(rng.standard_normal())}


def broadcast_to(rng):
    x = rng.standard_normal((*[1] * rng.integers(0, 2), *sizes(rng), 1))
    return [x], {"shape": (2, *x.shape[:-1], 3)}


def convolution(case, channels):
    def sample(rng):
        x, w, options = case(rng)
        shapes = [x, w, (channels(w, options),)][: rng.integers(2, 4)]
        return [rng.standard_normal(s) for s in shapes], options

    return sample


def pooling(rng, **options):
    shape, window = pool2d_case(rng)
    return [rng.standard_normal(shape)], window | options


def avg_pool2d(rng):
    return pooling(rng, count_include_pad=bool(rng.integers(2)))


def images(rng):
    return [rng.standard_normal(sizes(rng, 4, 4))], {}


def upsample(rng):
    return images(rng)[0], {"scale_factor": tuple(int(n) for n in rng.integers(1, 4, 2))}


def batch_norm(rng):
    x = rng.standard_normal((2, *sizes(rng, 1, 3)))
    C = x.shape[1]
    running = {"running_mean": rng.standard_normal(C), "running_var": rng.random(C) + 0.5}
    arrays = [x, rng.standard_normal(C), rng.standard_normal(C)]
    return arrays, running | {"training": bool(rng.integers(2)), "eps": 1e-3}


def instance_norm(rng):
    x = rng.standard_normal((*sizes(rng, 2, 2), 2, 3))
    return [x, rng.standard_normal(x.shape[1]), rng.standard_normal(x.shape[1])], {"eps": 1e-3}


def reduction(rng):
    return str(rng.choice(["mean", "sum", "none"]))


def nll_loss(rng):
    N, K, *pixels = sizes(rng, 2, 2) + (sizes(rng, 2, 2) if rng.random() < 0.4 else ())
    labels = rng.integers(0, K, (N, *pixels))
    options = {"target": labels, "reduction": reduction(rng)}
    if rng.random() < 0.5:
        options["weight"] = rng.uniform(0, 2, K)
    if rng.random() < 0.5:
        options["ignore_index"] = int(rng.integers(-1, K))
        labels[rng.random(labels.shape) < 0.3] = options["ignore_index"]
        labels[labels < 0] = options["ignore_index"]
    return [rng.standard_normal((N, K, *pixels))], options


def cross_entropy(rng):
    (logits,), options = nll_loss(rng)
    options["label_smoothing"] = float(rng.choice([0, 0.1, 1]))
    if rng.random() < 0.3:  # the truth is a distribution over the classes
        options.pop("ignore_index", None)
        options["target"] = rng.dirichlet(np.ones(logits.shape[1]), options["target"].shape)
        options["target"] = np.moveaxis(options["target"], -1, 1)
    return [logits], options


def compared(rng):
    shape = sizes(rng)
    return [rng.standard_normal(shape), rng.random(shape)], {"reduction": reduction(rng)}


def yes_or_no(rng):
    (logits, target), options = compared(rng)
    for name in ("weight", "pos_weight"):
        if rng.random() < 0.5:
            shape = [n if rng.random() < 0.6 else 1 for n in logits.shape]
            options[name] = rng.uniform(0, 2, shape[int(rng.integers(0, len(shape))) :])
    return [logits, target], options


# name: (PyTorch's operation, random inputs and options); a third entry calls ours where that differs.
OPERATIONS = {
    "add": (torch.add, two),
    "sub": (torch.sub, two),
    "mul": (torch.mul, two),
    "div": (torch.div, lambda rng: two(rng, positive=[1])),
    "neg": (torch.neg, one),
    "pow": (torch.pow, lambda rng: two(rng, positive=[0])),
    "abs": (torch.abs, one),
    "exp": (torch.exp, one),
    "log": (torch.log, positive),
    "sqrt": (torch.sqrt, positive),
    "clip": (torch.clip, with_options(min=-0.5, max=0.7)),
    "where": (
        lambda a, b, condition: torch.where(condition, a, b),
        where,
        lambda a, b, condition: F.where(condition, a, b),
    ),
    "matmul": (torch.matmul, matmul),
    "linear": (nn.linear, linear),
    "reshape": (torch.reshape, reshape, lambda x, shape: F.reshape(x, *shape)),
    "flatten": (torch.flatten, flatten),
    "permute": (torch.permute, permute, lambda x, dims: F.permute(x, *dims)),
    "transpose": (lambda x, dim: x.transpose(dim, 0), along, lambda x, dim: F.transpose(x, dim, 0)),
    "index": (lambda x, key: x[key], index, lambda x, key: x[there(key)]),
    "gather": (torch.gather, gather),
    "concatenate": (
        lambda *tensors, dim: torch.cat(tensors, dim),
        joined,
        lambda *tensors, dim: F.concatenate(tensors, dim),
    ),
    "stack": (
        lambda *tensors, dim: torch.stack(tensors, dim),
        joined,
        lambda *tensors, dim: F.stack(tensors, dim),
    ),
    "pad": (lambda x, widths, value: nn.pad(x, widths, value=value), pad),
    "broadcast_to": (lambda x, shape: torch.broadcast_to(x, shape), broadcast_to),
    "to": (
        lambda x, target: x.to(getattr(torch, target)),
        lambda rng: (one(rng)[0], {"target": str(rng.choice(["float32", "float64"]))}),
    ),
    "sum": (torch.sum, reduced),
    "mean": (torch.mean, reduced),
    "var": (torch.var, var),
    "std": (torch.std, var),
    "clone": (torch.clone, one),
    "squeeze": (lambda x: x[:, None].squeeze(1), one, lambda x: F.squeeze(F.unsqueeze(x, 1), 1)),
    "unsqueeze": (lambda x: x.unsqueeze(-1), one, lambda x: F.unsqueeze(x, -1)),
    "logsumexp": (torch.logsumexp, reduced),
    "max": (lambda x, **options: x.max(**options).values, extreme),
    "min": (lambda x, **options: x.min(**options).values, extreme),
    "relu": (nn.relu, one),
    "leaky_relu": (nn.leaky_relu, with_options(negative_slope=0.2)),
    "sigmoid": (torch.sigmoid, one),
    "tanh": (torch.tanh, one),
    "softplus": (nn.softplus, one),
    "softmax": (nn.softmax, along),
    "log_softmax": (nn.log_softmax, along),
    "conv2d": (nn.conv2d, convolution(conv2d_case, lambda w, _: w[0])),
    "conv_transpose2d": (
        nn.conv_transpose2d,
        convolution(conv_transpose2d_case, lambda w, options: w[1] * options["groups"]),
    ),
    "max_pool2d": (nn.max_pool2d, pooling),
    "min_pool2d": (lambda x, **window: -nn.max_pool2d(-x, **window), pooling),
    "avg_pool2d": (nn.avg_pool2d, avg_pool2d),
    "sum_pool2d": (lambda x, **window: nn.avg_pool2d(x, **window, divisor_override=1), pooling),
    "global_avg_pool2d": (lambda x: nn.adaptive_avg_pool2d(x, 1), images),
    "global_max_pool2d": (lambda x: nn.adaptive_max_pool2d(x, 1), images),
    "upsample_nearest": (nn.interpolate, upsample),
    "batch_norm": (
        lambda x, w, b, running_mean, running_var, **options: nn.batch_norm(
            x, running_mean, running_var, w, b, **options
        ),
        batch_norm,
        lambda x, w, b, running_mean, running_var, **options: F.batch_norm(
            x, running_mean, running_var, w, b, **options
        ),
    ),
    "instance_norm": (lambda x, w, b, eps: nn.instance_norm(x, weight=w, bias=b, eps=eps), instance_norm),
    "dropout": (nn.dropout, with_options(p=0.5, training=False)),
    "cross_entropy": (nn.cross_entropy, cross_entropy),
    "nll_loss": (nn.nll_loss, nll_loss),
    "mse_loss": (nn.mse_loss, compared),
    "l1_loss": (nn.l1_loss, compared),
    "binary_cross_entropy_with_logits": (nn.binary_cross_entropy_with_logits, yes_or_no),
}


def one_with_options(function):
    """One input; for an option that is one of several words, one of these."""
    words = {
        name: get_args(hint) for name, hint in get_type_hints(function).items() if get_origin(hint) is Literal
    }
    return lambda rng: (one(rng)[0], {name: str(rng.choice(values)) for name, values in words.items()})


OPERATIONS |= {
    card.name: (getattr(nn, card.name), one_with_options(card.function))
    for card in CARDS.values()
    if card.elementwise and card.name not in OPERATIONS
}


def as_torch(value):
    if isinstance(value, tuple):
        return tuple(map(as_torch, value))
    return torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value


def as_ours(value):
    return Tensor(value) if isinstance(value, np.ndarray) else value


def cast(value, dtype):
    floats = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return value.astype(dtype) if floats else value


def test_every_operation_is_compared():
    assert sorted(OPERATIONS) == sorted(F.__all__)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_equals_pytorch(name, dtype):
    theirs, sample, ours = (*OPERATIONS[name], getattr(F, name))[:3]
    for seed in range(30):
        rng = np.random.default_rng(seed)
        arrays, options = sample(rng)
        options = {name: cast(value, dtype) for name, value in options.items()}
        inputs = [Tensor(a.astype(dtype), requires_grad=True) for a in arrays]
        twins = [torch.tensor(a.astype(dtype), requires_grad=True) for a in arrays]
        expected = theirs(*twins, **{name: as_torch(value) for name, value in options.items()})
        y = ours(*inputs, **{name: as_ours(value) for name, value in options.items()})
        assert y.shape == expected.shape
        assert y.dtype.name == str(expected.dtype).removeprefix("torch.")
        np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), **CLOSE[dtype])
        g = rng.standard_normal(y.shape).astype(y.dtype)
        y.backward(g)
        expected.backward(torch.tensor(g))
        for x, twin in zip(inputs, twins, strict=True):
            assert x.grad.dtype == x.dtype
            np.testing.assert_allclose(x.grad.numpy(), twin.grad.numpy(), **CLOSE[dtype])
