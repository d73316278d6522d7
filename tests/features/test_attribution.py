import numpy as np
import pytest

import tinycnn
from tinycnn import Tensor, nn
from tinycnn.features import grad_cam, maximise, occlusion, saliency, smooth_grad
from tinycnn.models import lenet5


@pytest.fixture
def model():
    tinycnn.manual_seed(0)
    return lenet5()


@pytest.fixture
def images(rng):
    return rng.random((3, 1, 28, 28), np.float32)


def linear(w):
    """A network whose logits are <w_k, x>."""
    layer = nn.Linear(w[0].size, len(w), bias=False)
    layer.weight.data = Tensor(w.reshape(len(w), -1).astype(np.float32)).data
    return nn.Sequential(nn.Flatten(), layer)


def test_saliency_of_a_linear_network_is_its_weights(rng):
    w, x = rng.standard_normal((4, 2, 3, 3)), rng.random((5, 2, 3, 3), np.float32)
    np.testing.assert_allclose(saliency(linear(w), x, 2), np.repeat(w[[2]], 5, axis=0), rtol=1e-6)
    likeliest = linear(w)(Tensor(x)).numpy().argmax(axis=1)
    np.testing.assert_allclose(saliency(linear(w), x), w[likeliest], rtol=1e-6)
    np.testing.assert_allclose(smooth_grad(linear(w), x, [0, 1, 2, 3, 0], 3), w[[0, 1, 2, 3, 0]], rtol=1e-5)


def test_saliency_is_the_slope(model, images):
    step, i, j = 1e-2, 13, 14
    moved = images.copy()
    moved[:, 0, i, j] += step
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(np.float64)
    images, moved = images.astype(np.float64), moved.astype(np.float64)
    k = np.array([1, 5, 9])
    rows = np.arange(3)
    change = (model(Tensor(moved)).numpy() - model(Tensor(images)).numpy())[rows, k] / step
    np.testing.assert_allclose(saliency(model, images, k)[:, 0, i, j], change, rtol=0.05, atol=1e-4)


def test_images_are_explained_one_by_one(model, images):
    def cam(model, images, classes):
        return grad_cam(model, images, "3", classes)

    for f in (saliency, smooth_grad, cam, lambda *a: occlusion(*a).drop):
        together = f(model, images[:1], [4])
        both = f(model, np.concatenate([images[:1], images[:1]]), [4, 7])
        np.testing.assert_allclose(both[0], together[0], atol=2e-2 if f is smooth_grad else 1e-5)
        assert f is cam or not np.allclose(both[0], both[1])


def test_occlusion_by_hand():
    """Class 0 counts the bright pixels of the left half, class 1 those of the right one."""
    w = np.zeros((2, 1, 4, 4))
    w[0, 0, :, :2], w[1, 0, :, 2:] = 1, 0.5
    result = occlusion(linear(w), np.ones((1, 1, 4, 4), np.float32), [0], side=2, stride=2)
    assert result.lead.tolist() == [4]
    np.testing.assert_allclose(result.drop, [[[4, -2], [4, -2]]])  # covering the right half helps
    whole = occlusion(linear(w), np.ones((1, 1, 4, 4), np.float32), [0], side=2, stride=2, value=1.0)
    np.testing.assert_allclose(whole.drop, 0)


def test_grad_cam_by_hand(rng):
    """One convolution, then the mean of each map, then a dense layer: the slope of map k' is w / (OH*OW)."""
    tinycnn.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(3, 2))
    x = rng.random((2, 1, 6, 6), np.float32)
    maps, w = model[0](Tensor(x)).numpy(), model[3].weight.numpy()
    expected = np.maximum((w[1][None, :, None, None] / 16 * maps).sum(axis=1), 0)
    np.testing.assert_allclose(grad_cam(model, x, "0", 1), expected, atol=1e-6)
    model.requires_grad_(False)
    np.testing.assert_allclose(grad_cam(model, x, 0, 1), expected, atol=1e-6)


def test_maximising_raises_the_unit_and_no_other_as_much(model):
    images = maximise(model, "11", [3, 7], (1, 28, 28), steps=30)
    assert images.shape == (2, 1, 28, 28)
    assert images.min() >= 0 and images.max() <= 1
    before = maximise(model, "11", [3, 7], (1, 28, 28), steps=0)
    rise = (model(Tensor(images)).numpy() - model(Tensor(before)).numpy())[:, [3, 7]]
    assert rise[0, 0] > max(rise[1, 0], 0)
    assert rise[1, 1] > max(rise[0, 1], 0)
    np.testing.assert_array_equal(images, maximise(model, "11", [3, 7], (1, 28, 28), steps=30))
    assert maximise(model, "0", [5], (1, 28, 28), steps=2).shape == (1, 1, 28, 28)


def test_gradients_of_the_weights_are_left_alone(model, images):
    model.train()
    saliency(model, images)
    grad_cam(model, images, "3")
    maximise(model, "11", [0], (1, 28, 28), steps=1)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m, x: saliency(m, x[0]), r"\(N, C, H, W\), N at least 1, got \(1, 28, 28\); image\[None\]"),
        (
            lambda m, x: saliency(m, x, [3]),
            r"classes must be one number, or one for each of N=3 images, got \[3\]",
        ),
        (lambda m, x: saliency(m, x, 10), "classes must be whole numbers, 0 to K-1=9, got 10"),
        (lambda m, x: saliency(m, x, [0.5] * 3), "whole numbers"),
        (lambda m, x: smooth_grad(m, x, samples=0), "samples must be at least 1"),
        (lambda m, x: occlusion(m, x, side=29), "the patch must fit into the image, 28x28"),
        (lambda m, x: grad_cam(m, x, "11"), r"needs a layer with maps .* 11 is none"),
        (lambda m, x: grad_cam(m, x, "20"), "there is no layer '20'; there are 0"),
        (lambda m, x: maximise(m, "11", [10], (1, 28, 28)), r"units 0 to 9, got \[10\]"),
        (lambda m, x: saliency(m[:2], x), r"must return logits \(N, K\)"),
    ],
)
def test_bad_input(model, images, call, says):
    with pytest.raises(ValueError, match=says):
        call(model, images)
