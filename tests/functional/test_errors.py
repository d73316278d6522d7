import inspect

import numpy as np
import pytest

from tinycnn import functional as F
from tinycnn.functional.cards import CARDS
from tinycnn.tensor import Tensor


def ones(*shape):
    return Tensor(np.ones(shape))


LOGITS, LABELS = ones(2, 3), np.array([0, 2])

# What is wrong, and what the message must say.
WRONG_VALUES = [
    (lambda: F.add(ones(2, 3), ones(4)), r"Add of \(2, 3\) and \(4,\): dimension -1 is 3 in .* and 4 in"),
    (lambda: ones(5, 2, 3) * ones(4, 1), r"Mul of \(5, 2, 3\) and \(4, 1\): dimension -2 is 2 in .* and 4"),
    (lambda: ones(2) - ones(3).data, r"Sub of \(2,\) and \(3,\): dimension -1 is 2 in the first and 3"),
    (lambda: F.where(ones(2) > 0, ones(2), ones(3)), r"Where of \(2,\) and \(3,\): dimension -1 is 2"),
    (lambda: (ones(2) > 0) & (ones(3) > 0), r"^and of \(2,\) and \(3,\): dimension -1 is 2"),
    (lambda: ones(2) < ones(3), r"lt of \(2,\) and \(3,\): dimension -1 is 2 in the first and 3"),
    (lambda: F.broadcast_to(ones(2, 3), (2, 4)), r"\(2, 3\) does not fit into \(2, 4\)"),
    (lambda: F.broadcast_to(ones(2, 3), (3,)), r"\(2, 3\) does not fit into \(3,\)"),
    (lambda: F.clip(ones(2)), "clip needs min, max or both"),
    (lambda: F.clip(ones(2), 2, 1), "min=2 is above max=1"),
    (lambda: F.matmul(ones(2, 3), ones(4, 5)), r"\(2, 3\) @ \(4, 5\): .* 3, must equal .* 4"),
    (lambda: F.matmul(ones(2, 3, 4), ones(3, 4, 5)), r"must be equal or 1, got \(2,\) and \(3,\)"),
    (lambda: F.matmul(ones(), ones(3)), "at least one dimension each"),
    (lambda: F.linear(ones(2, 3), ones(4)), r"weight must be \(out, in\), got shape \(4,\)"),
    (lambda: F.linear(ones(2, 3), ones(4, 5)), r"\(2, 3\) must end in in=5 .*\(4, 5\)"),
    (lambda: F.linear(ones(2, 3), ones(4, 3), ones(3)), r"bias must be \(out,\)=\(4,\), got shape \(3,\)"),
    (lambda: F.reshape(ones(2, 3), 4), r"cannot reshape \(2, 3\), 6 elements, to \(4,\)"),
    (lambda: F.reshape(ones(2, 3), -1, 4), r"6 elements, to \(-1, 4\)"),
    (lambda: F.reshape(ones(2, 3), -1, -1), r"6 elements, to \(-1, -1\)"),
    (lambda: F.flatten(ones(2, 3, 4), 2, 1), r"start_dim 2 comes after end_dim 1 in \(2, 3, 4\)"),
    (lambda: F.permute(ones(2, 3), 0, 0), r"\(0, 0\) does not name each of the 2 dimensions of \(2, 3\)"),
    (lambda: F.gather(ones(2, 3), 1, Tensor(LABELS)), r"index \(2,\) must equal \(2, 3\) except in dim"),
    (lambda: F.concatenate([]), "at least one tensor"),
    (lambda: F.concatenate([ones(2, 3), ones(2, 4)]), r"except in dimension 0, got \(2, 3\), \(2, 4\)"),
    (lambda: F.concatenate([ones(2), ones(2, 3)]), r"got \(2,\), \(2, 3\)"),
    (lambda: F.stack([]), "at least one tensor"),
    (lambda: F.stack([ones(2), ones(3)]), r"shapes must be equal, got \(2,\), \(3,\)"),
    (lambda: F.pad(ones(2), [1]), r"pad: \(1,\) must be pairs of widths >= 0 for at most 1 dim"),
    (lambda: F.pad(ones(2), [1, -1]), r"pad: \(1, -1\) must be pairs"),
    (lambda: F.pad(ones(2), [1, 1, 1, 1]), "for at most 1 dim"),
    (lambda: F.sum(ones(2, 3), (0, -2)), "names a dimension twice"),
    (lambda: F.mean(ones(0, 3)), r"mean of no .* \(0, 3\) over the .* \(0, 1\). PyTorch's mean is nan"),
    (lambda: F.var(ones(1, 3), 0), "variance of 1 elements with correction=1"),
    (lambda: F.max(ones(2, 0), 1), "max of no elements"),
    (lambda: F.logsumexp(ones(2, 0), 1), "logsumexp of no elements"),
    (lambda: F.conv2d(ones(1, 3, 5, 5), ones(2, 4, 3, 3)), r"C=3 channels, .* needs C=4; .*\(K, 3, KH, KW\)"),
    (lambda: F.conv2d(ones(1, 3, 5, 5), ones(2, 3, 3, 3), ones(3)), r"conv2d: the bias .*\(2,\), got \(3,\)"),
    (lambda: F.conv_transpose2d(ones(3, 5), ones(3, 2, 3, 3)), r"\(N, C, H, W\) with C=3, got .*\(3, 5\)"),
    (lambda: F.conv_transpose2d(ones(1, 3, 5, 5), ones(4, 2, 3, 3)), r"K=3 channels, .* takes K=4"),
    (lambda: F.conv_transpose2d(ones(1, 3, 1, 1), ones(3, 2, 1, 1), padding=1), r"output H would be -1 for"),
    (lambda: F.conv_transpose2d(ones(1, 3, 5, 5), ones(3, 2, 3, 3), output_padding=1), r"must be less than"),
    (lambda: F.conv_transpose2d(ones(1, 3, 5, 5), ones(3, 2, 3, 3), groups=2), "do not divide K=3"),
    (lambda: F.conv_transpose2d(ones(1, 3, 5, 5), ones(3, 2, 3, 3), ones(3)), r"bias .*\(2,\), got \(3,\)"),
    (lambda: F.max_pool2d(ones(1, 1, 2, 2), 3), r"kernel \(KH, KW\)=\(3, 3\) .*\(H, W\)=\(2, 2\)"),
    (lambda: F.avg_pool2d(ones(1, 1, 4, 4), 2, padding=2), r"may be at most half the window"),
    (lambda: F.global_avg_pool2d(ones(2, 3)), r"must be \(N, C, H, W\).*got shape \(2, 3\)"),
    (lambda: F.global_max_pool2d(ones(2, 3, 0, 2)), r"H, W at least 1, got shape \(2, 3, 0, 2\)"),
    (lambda: F.conv2d(ones(3, 8, 8), ones(2, 3, 3, 3)), r"this is one image \(C, H, W\) .* x\[None\]"),
    (lambda: F.conv2d(ones(8, 8, 3), ones(2, 3, 3, 3)), r"\(H, W, C\); x.permute\(2, 0, 1\)\[None\]"),
    (lambda: F.conv2d(ones(2, 8, 8, 3), ones(2, 3, 3, 3)), r"\(N, H, W, C\); x.permute\(0, 3, 1, 2\) makes"),
    (lambda: F.conv2d(ones(8, 8), ones(2, 1, 3, 3)), r"\(8, 8\): .* grey image \(H, W\); x\[None, None\]"),
    (lambda: F.max_pool2d(ones(3, 8, 8), 2), r"max_pool2d: .* if this is one image .* x\[None\]"),
    (lambda: F.avg_pool2d(ones(8, 8), 2), r"avg_pool2d: .* x\[None, None\] adds N and C"),
    (lambda: F.global_max_pool2d(ones(3, 8, 8)), r"global_max_pool2d: .* x\[None\] adds"),
    (lambda: F.upsample_nearest(ones(3, 8, 8), 2), r"upsample_nearest: .* x\[None\] adds"),
    (lambda: F.upsample_nearest(ones(1, 1, 2, 2), 0), "scale_factor must be at least 1, got 0"),
    (lambda: F.batch_norm(ones(3), None, None), r"\(N, C, ...\), got shape \(3,\)"),
    (lambda: F.batch_norm(ones(4, 3), ones(2), ones(3)), r"C=3 channels, .*\(C,\)=\(3,\), got \(2,\)"),
    (lambda: F.batch_norm(ones(1, 3), None, None, training=True), r"\(1, 3\) has 1; use a larger batch"),
    (lambda: F.instance_norm(ones(2, 3, 1, 1)), r"more than one cell, got \(2, 3, 1, 1\)"),
    (lambda: F.instance_norm(ones(2, 3, 2, 2), ones(2)), r"\(C,\)=\(3,\), got \(2,\)"),
    (lambda: F.dropout(ones(2), 1.5), "p is a probability, 0 to 1, got 1.5"),
    (lambda: F.cross_entropy(ones(3), LABELS), r"must be \(N, K\) or \(N, K, H, W\), got shape \(3,\)"),
    (lambda: F.cross_entropy(LOGITS, np.array([0])), r"must have shape \(2,\), got \(1,\)"),
    (lambda: F.cross_entropy(ones(2, 3, 4, 4), LABELS), r"must have shape \(2, 4, 4\), got \(2,\)"),
    (lambda: F.cross_entropy(LOGITS, np.array([0, 3])), r"go from 0 to K-1=2 .*\(2, 3\), got 0 to 3"),
    (lambda: F.cross_entropy(LOGITS, np.array([-1, 0])), r"go from 0 to K-1=2 .*, got -1 to 0"),
    (lambda: F.cross_entropy(LOGITS, LABELS, reduction="avg"), "must be 'mean', 'sum' or 'none', got 'avg'"),
    (lambda: F.cross_entropy(LOGITS, np.array([-100, 0])), "; ignore_index=-100 leaves such labels out"),
    (lambda: F.nll_loss(LOGITS, np.array([3, 9]), ignore_index=9), "K-1=2 .*, got 0 to 3"),
    (lambda: F.cross_entropy(LOGITS, np.eye(3, dtype=int)[:2]), "; probabilities and one-hot rows"),
    (lambda: F.cross_entropy(LOGITS, np.eye(3)[:2], ignore_index=0), "ignore_index is for labels, not"),
    (lambda: F.cross_entropy(LOGITS, LABELS, [1.0, 2.0]), r"K=3 classes, .* shape \(2,\)"),
    (lambda: F.nll_loss(LOGITS, LABELS, np.ones((1, 3))), r"nll_loss: weight must be one number for each"),
    (
        lambda: F.binary_cross_entropy_with_logits(LOGITS, LOGITS, pos_weight=np.ones(2)),
        r"pos_weight of shape \(2,\) cannot be broadcast to the input \(2, 3\)",
    ),
    (lambda: F.cross_entropy(LOGITS, LABELS, label_smoothing=2), r"must be in \[0, 1\], got 2"),
    (lambda: F.nll_loss(LOGITS, np.array([0, 3])), r"nll_loss: labels go from 0 to K-1=2"),
    (lambda: F.mse_loss(ones(3, 1), ones(3)), r"target has shape \(3,\), the input \(3, 1\)"),
    (lambda: F.mse_loss(ones(3), 1.0), r"target has shape \(\), the input \(3,\)"),
    (lambda: F.l1_loss(ones(3), ones(1)), r"target has shape \(1,\), the input \(3,\)"),
    (lambda: F.binary_cross_entropy_with_logits(ones(3, 1), ones(3)), r"\(3,\), the input \(3, 1\)"),
]  # fmt: skip

WRONG_TYPES = [
    (lambda: F.conv2d([[[[1.0]]]], ones(1, 1, 1, 1)), "conv2d takes tensors or arrays, got list, Tensor"),
    (lambda: F.relu([1.0]), r"ReLU takes tensors or arrays, got list: make tensors of lists with Tensor\(\)"),
    (lambda: F.where(ones(2), 1, 2), r"boolean condition, got dtype\('float64'\)"),
    (lambda: F.where([True, False], 1, 2), r"boolean condition, got \[True, False\]"),
    (lambda: F.gather(ones(2, 3), 1, ones(2, 1)), "index must hold integers, got float64"),
    (lambda: F.sum(ones(2), 0.0), r"dim must be an integer, got 0\.0"),
    (lambda: F.conv2d(ones(1, 1, 3, 3), ones(1, 1, 2, 2), stride=1.5), "stride must be an integer or"),
    (lambda: F.conv2d(ones(1, 1, 3, 3), ones(1, 1, 2, 2), groups=1.0), "groups must be an integer"),
    (lambda: F.max_pool2d(ones(1, 1, 3, 3), "22"), "kernel_size must be an integer or a pair"),
    (lambda: F.cross_entropy(LOGITS, np.array([0.0, 2.0])), r"be integers, got float64$"),
    (lambda: F.nll_loss(LOGITS, np.eye(3)[:2]), r"got float64; labels\.argmax\(1\) turns"),
    (lambda: F.cross_entropy(LOGITS, np.eye(3)[:2] == 1), "got bool; probabilities and one-hot"),
    (lambda: F.cross_entropy(LOGITS, LABELS, "sum"), "must be numbers, got 'sum'; write reduction='sum'"),
    (lambda: F.binary_cross_entropy_with_logits(LOGITS, LOGITS, "sum"), "write reduction='sum'"),
    (lambda: F.cross_entropy(LOGITS, np.array([True, False])), "labels must be integers, got bool"),
    (lambda: F.to(ones(2), "gpu"), r"'numpy' \(PyTorch's 'cpu'\) and .*, got 'gpu'"),
    (lambda: F.to(ones(2), "cuda:1"), "or a dtype of real numbers, got 'cuda:1'"),
    (lambda: F.to(ones(2), "complex64"), "a dtype of real numbers, got 'complex64'"),
]  # fmt: skip

OUT_OF_RANGE = [
    (lambda: F.sum(ones(2, 3), 2), "dim 2 is out of range for 2 dimensions: -2 to 1 fit"),
    (lambda: F.softmax(ones(3), 1), "dim 1 is out of range for 1 dimensions"),
    (lambda: F.permute(ones(2, 3), 0, 2), "dim 2 is out of range"),
    (lambda: F.gather(ones(2, 3), 1, [[0], [3]]), r"indices 0 to 3 in dimension 1 of \(2, 3\): 0 to 2 fit"),
    (lambda: F.gather(ones(2, 3), 1, [[0], [-1]]), "indices -1 to 0"),
    (lambda: ones(2)[2], "[Ii]ndex 2 is out of bounds"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "call", "says"),
    [
        (error, call, says)
        for error, cases in [(ValueError, WRONG_VALUES), (TypeError, WRONG_TYPES), (IndexError, OUT_OF_RANGE)]
        for call, says in cases
    ],
)
def test_bad_input_is_refused_with_what_would_fit(error, call, says):
    with pytest.raises(error, match=says):
        call()


TAKE_LISTS = {
    "add",
    "sub",
    "mul",
    "div",
    "pow",
    "remainder",
    "floor_divide",
}  # beside a tensor, as Python does
ROWS = [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    "name", sorted(CARDS.keys() - TAKE_LISTS - {"where", "clip", "concatenate", "stack"})
)
def test_a_list_where_a_tensor_is_wanted_says_so(name):
    parameters = list(inspect.signature(CARDS[name].function).parameters.values())[1:]
    needed = [p for p in parameters if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD]
    others = [
        1 if p.name in ("dim", "dim0", "dim1") else 2 if "size" in p.name else ones(2, 2) for p in needed
    ]
    with pytest.raises(TypeError, match=r"takes tensors or arrays, got list.*: make tensors of lists with"):
        CARDS[name].function(ROWS, *others)


@pytest.mark.parametrize("name", ["concatenate", "stack"])
def test_a_list_of_lists_says_so(name):
    with pytest.raises(TypeError, match=r"takes tensors or arrays, got list, list"):
        CARDS[name].function([ROWS, ROWS])


@pytest.mark.parametrize(
    "labels", [[0, 2], LABELS, LABELS.astype("uint8"), LABELS.astype("uint64"), Tensor(LABELS)]
)
def test_labels_of_every_integer_kind(labels):
    z = Tensor(np.arange(6.0).reshape(2, 3))
    assert F.cross_entropy(z, labels).item() == pytest.approx(np.log(1 + np.e + np.e**2) - 1)
