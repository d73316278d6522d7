import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinycnn
from tinycnn import nn, optim
from tinycnn.compression import Distillation, Int8Conv2d, Int8Linear, distillation_loss, int8_layers, quantize
from tinycnn.data import DataLoader, Dataset
from tinycnn.fit import fit
from tinycnn.models import cnn28, resnet
from tinycnn.storage import load_arrays, save_weights
from tinycnn.tensor import Tensor


def integers(x, scale):
    return np.clip(np.rint(x / scale), -127, 127).astype(np.int64)


def test_a_dense_layer_computes_with_integers(rng):
    layer = nn.Linear(3000, 4)  # sums beyond what float32 holds exactly
    x = rng.standard_normal((6, 3000)).astype("float32")
    q = Int8Linear(layer, input_scale=0.02)
    assert q.weight.dtype == np.int8
    assert np.abs(q.weight.numpy()).max(axis=1).tolist() == [127] * 4  # a scale for each channel
    sums = integers(x, np.float32(0.02)) @ q.weight.numpy().astype(np.int64).T
    assert np.abs(sums).max() < 2**31
    expected = sums * (np.float32(0.02) * q.weight_scale.numpy()).astype(np.float64) + layer.bias.numpy()
    assert_allclose(q(Tensor(x)).numpy(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {"groups": 2, "dilation": 2}])
def test_a_convolution_computes_with_integers(rng, options):
    layer = nn.Conv2d(4, 6, 3, bias=False, **options)
    x = rng.standard_normal((2, 4, 9, 8)).astype("float32")
    q = Int8Conv2d(layer, input_scale=0.02)
    exact = nn.Conv2d(4, 6, 3, bias=False, **options)
    exact.weight = nn.Parameter(Tensor(q.weight.numpy().astype("float64")))
    sums = exact(Tensor(integers(x, np.float32(0.02)).astype("float64"))).numpy()
    assert_array_equal(sums, np.rint(sums))
    scale = (np.float32(0.02) * q.weight_scale.numpy()).reshape(1, -1, 1, 1)
    assert_allclose(q(Tensor(x)).numpy(), sums * scale, rtol=1e-6, atol=1e-7)


def test_one_large_filter_does_not_spoil_the_others():
    layer = nn.Linear(2, 2, bias=False)
    layer.weight = nn.Parameter(Tensor([[1000.0, 0.0], [0.01, 0.005]], dtype="float32"))
    q = Int8Linear(layer, input_scale=1 / 127)
    assert_allclose(q(Tensor(np.ones((1, 2), "float32"))).numpy(), [[1000.0, 0.015]], rtol=0.01)


@pytest.mark.parametrize("model", [cnn28, resnet])
def test_a_quantized_network_is_nearly_the_same_and_a_quarter_in_size(model, rng, tmp_path):
    tinycnn.manual_seed(0)
    net = model().eval()
    images = rng.random((64, 1, 28, 28), dtype=np.float32)
    before = {name: t.numpy().copy() for name, t in net.state_dict().items()}
    small = quantize(net, [images[:32], images[32:]])
    y, expected = small(Tensor(images)).numpy(), net(Tensor(images)).numpy()
    assert np.abs(y - expected).max() < 0.05 * np.abs(expected).max()
    assert np.any(y != expected)
    for name, tensor in net.state_dict().items():
        assert_array_equal(tensor.numpy(), before[name])
    save_weights(tmp_path / "dense", net, {})
    save_weights(tmp_path / "int8", small, {})
    assert (tmp_path / "int8").stat().st_size < 0.3 * (tmp_path / "dense").stat().st_size
    again = int8_layers(model())
    again.load_state_dict(load_arrays(tmp_path / "int8")[0])
    assert_array_equal(again(Tensor(images)).numpy(), y)


def test_calibration_finds_the_range_of_each_layers_input(rng):
    net = nn.Sequential(nn.Linear(3, 2, bias=False), nn.ReLU(), nn.Linear(2, 1))
    net[0].weight = nn.Parameter(Tensor([[10.0, 0, 0], [0, -1, 0]], dtype="float32"))
    small = quantize(net, np.array([[0.5, 2.0, -4.0]], "float32"), percentile=100)
    assert small[0].input_scale.item() == pytest.approx(4 / 127)
    assert small[2].input_scale.item() == pytest.approx(5 / 127)


def test_what_lies_beyond_the_range_becomes_the_largest_integer():
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data[...] = 1
    q = Int8Linear(layer, input_scale=1 / 127)
    assert_allclose(q(Tensor([[5.0], [-5.0], [0.5]])).numpy().ravel(), [1, -1, 64 / 127], rtol=1e-6)


def test_a_filter_of_zeros_stays_one():
    layer = nn.Linear(2, 2, bias=False)
    layer.weight = nn.Parameter(Tensor([[0.0, 0.0], [1.0, 1.0]], dtype="float32"))
    assert Int8Linear(layer, 1.0)(Tensor([[1.0, 2.0]])).tolist()[0][0] == 0


def test_bad_calibration_is_refused():
    net = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="calibration needs images"):
        quantize(net, np.zeros((0, 2), "float32"))
    with pytest.raises(ValueError, match="layer 0: its inputs are not finite"):
        quantize(net, np.array([[np.nan, 1]], "float32"))
    with pytest.raises(ValueError, match="percentile must be in"):
        quantize(net, np.ones((1, 2), "float32"), percentile=0)
    with pytest.raises(ValueError, match="ReLU has no convolution and no dense layer"):
        quantize(nn.ReLU(), np.ones((1, 2), "float32"))


def test_the_distillation_loss_is_its_formula(rng, torch):
    z, t = (rng.standard_normal((5, 4)).astype("float32") for _ in range(2))
    labels = np.array([0, 3, 1, 2, 2])
    x, teacher = Tensor(z, requires_grad=True), Tensor(t, requires_grad=True)
    loss = distillation_loss(x, teacher, labels, temperature=3, alpha=0.6)
    theirs = torch.tensor(z, requires_grad=True)
    p = torch.softmax(torch.tensor(t) / 3, 1)
    soft = -(p * torch.log_softmax(theirs / 3, 1)).sum(1).mean()
    hard = torch.nn.functional.cross_entropy(theirs, torch.tensor(labels))
    expected = 0.6 * 9 * soft + 0.4 * hard
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    loss.backward()
    expected.backward()
    assert_allclose(x.grad.numpy(), theirs.grad.numpy(), rtol=1e-4, atol=1e-6)
    assert teacher.grad is None


def test_bad_options_of_distillation_are_refused():
    z = Tensor(np.zeros((2, 3), "float32"))
    with pytest.raises(ValueError, match="temperature must be above 0"):
        distillation_loss(z, z, [0, 1], temperature=0)
    with pytest.raises(ValueError, match=r"one shape, got \(2, 3\) and \(2, 4\)"):
        distillation_loss(z, Tensor(np.zeros((2, 4), "float32")), [0, 1])


def test_a_student_learns_what_only_the_teacher_knows(rng):
    """The labels are noise, the teacher knows the truth: with alpha=1 the student learns the truth."""
    x = rng.standard_normal((64, 1, 1, 4)).astype("float32")
    x = (x - x.min()) / (x.max() - x.min())
    truth = (x[:, 0, 0, 0] > x[:, 0, 0, 1]).astype(np.int64)
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.Dropout(0.9))
    teacher[1].load_state_dict({"weight": [[-40.0, 40, 0, 0], [40, -40, 0, 0]], "bias": [0.0, 0]})
    teacher.train()
    data = Dataset(x, rng.integers(0, 2, 64), ("a", "b"), "noise")
    tinycnn.manual_seed(0)
    student = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    training = Distillation(
        student, DataLoader(data, 16), optim.Adam(student.parameters(), 0.3), 60, teacher=teacher, alpha=1.0
    )
    fit(training)
    assert (student(Tensor(x)).numpy().argmax(1) == truth).mean() > 0.95
    assert teacher[1].weight.grad is None
    assert teacher[2].training  # as it was
