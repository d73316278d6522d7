"""The families learn, and compute what the same networks of PyTorch compute."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinycnn
from tinycnn import functional as F
from tinycnn import nn, optim
from tinycnn.data import digits
from tinycnn.fit import evaluation_mode
from tinycnn.models import MODELS, UNet, densenet, fully_convolutional, resnet, vgg
from tinycnn.models.fcn import bilinear
from tinycnn.tensor import Tensor


def trunk(C=2, K=6):
    return nn.Sequential(
        nn.Conv2d(C, K, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(K, K, 3, padding=1), nn.ReLU()
    )


# Our network, and the shape of its images: (N, C, H, W).
FAMILIES = {
    "vgg": (lambda: vgg(3, in_channels=2, size=16, width=4), (4, 2, 16, 16)),
    "resnet": (lambda: resnet(3, in_channels=2, width=4), (4, 2, 10, 12)),
    "densenet": (lambda: densenet(3, in_channels=2, growth=4, depth=2), (4, 2, 8, 12)),
    "unet": (lambda: UNet(2, 3, width=4), (4, 2, 8, 12)),
    "fcn": (lambda: fully_convolutional(trunk(), 6, 3, stride=2), (4, 2, 8, 10)),
}
EVERY_FAMILY = pytest.mark.parametrize("name", FAMILIES)


def twin(torch, name):
    """Return the network of PyTorch, written out with PyTorch's layers alone."""
    t = torch.nn

    class Block(t.Module):
        def __init__(self, C, K, stride):
            super().__init__()
            self.conv1, self.bn1 = t.Conv2d(C, K, 3, stride, 1, bias=False), t.BatchNorm2d(K)
            self.conv2, self.bn2 = t.Conv2d(K, K, 3, 1, 1, bias=False), t.BatchNorm2d(K)
            shortcut = t.Sequential(t.Conv2d(C, K, 1, stride, bias=False), t.BatchNorm2d(K))
            self.downsample = shortcut if stride > 1 else None

        def forward(self, x):
            y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            return torch.relu(y + (self.downsample(x) if self.downsample else x))

    class Dense(t.Module):
        def __init__(self, C, growth):
            super().__init__()
            self.norm, self.conv = t.BatchNorm2d(C), t.Conv2d(C, growth, 3, padding=1, bias=False)

        def forward(self, x):
            return torch.cat([x, self.conv(self.norm(x).relu())], 1)

    def double(C, K):
        return t.Sequential(
            *(t.Conv2d(C, K, 3, padding=1, bias=False), t.BatchNorm2d(K), t.ReLU()),
            *(t.Conv2d(K, K, 3, padding=1, bias=False), t.BatchNorm2d(K), t.ReLU()),
        )

    class U(t.Module):
        def __init__(self):
            super().__init__()
            self.down = t.ModuleList([double(2, 4), double(4, 8), double(8, 16)])
            self.grow = t.ModuleList([t.ConvTranspose2d(16, 8, 2, 2), t.ConvTranspose2d(8, 4, 2, 2)])
            self.up = t.ModuleList([double(16, 8), double(8, 4)])
            self.head = t.Conv2d(4, 3, 1)

        def forward(self, x):
            a = self.down[0](x)
            b = self.down[1](torch.max_pool2d(a, 2))
            c = self.down[2](torch.max_pool2d(b, 2))
            b = self.up[0](torch.cat([b, self.grow[0](c)], 1))
            return self.head(self.up[1](torch.cat([a, self.grow[1](b)], 1)))

    if name == "vgg":
        pairs = [(2, 4), (4, 8), (8, 16)]
        convolutions = [
            layer
            for C, K in pairs
            for layer in (
                *(t.Conv2d(C, K, 3, padding=1), t.ReLU(), t.Conv2d(K, K, 3, padding=1), t.ReLU()),
                t.MaxPool2d(2),
            )
        ]
        return t.Sequential(*convolutions, t.Flatten(), t.Linear(64, 128), t.ReLU(), t.Linear(128, 3))
    if name == "resnet":
        stem = t.Conv2d(2, 4, 3, padding=1, bias=False), t.BatchNorm2d(4), t.ReLU()
        blocks = Block(4, 4, 1), Block(4, 8, 2), Block(8, 16, 2)
        return t.Sequential(*stem, *blocks, t.AdaptiveAvgPool2d(1), t.Flatten(), t.Linear(16, 3))
    if name == "densenet":
        return t.Sequential(
            *(t.Conv2d(2, 8, 3, padding=1, bias=False), Dense(8, 4), Dense(12, 4)),
            *(t.BatchNorm2d(16), t.ReLU(), t.Conv2d(16, 8, 1, bias=False), t.AvgPool2d(2)),
            *(Dense(8, 4), Dense(12, 4)),
            *(t.BatchNorm2d(16), t.ReLU(), t.Conv2d(16, 8, 1, bias=False), t.AvgPool2d(2)),
            *(Dense(8, 4), Dense(12, 4)),
            *(t.BatchNorm2d(16), t.ReLU(), t.AdaptiveAvgPool2d(1), t.Flatten(), t.Linear(16, 3)),
        )
    if name == "unet":
        return U()
    first, second = t.Conv2d(2, 6, 3, padding=1), t.Conv2d(6, 6, 3, padding=1)
    body = t.Sequential(first, t.ReLU(), t.MaxPool2d(2), second, t.ReLU())
    return t.Sequential(body, t.Conv2d(6, 3, 1), t.ConvTranspose2d(3, 3, 4, 2, 1, bias=False))


@EVERY_FAMILY
def test_it_is_pytorchs_forward_and_gradients(name, rng, torch):
    make, shape = FAMILIES[name]
    tinycnn.manual_seed(0)
    ours, theirs = make(), twin(torch, name)
    weights = {key: torch.tensor(t.numpy()) for key, t in ours.state_dict().items()}
    theirs.load_state_dict(weights)  # strict: the same names and shapes
    x = rng.standard_normal(shape).astype("float32")
    x_ours, x_theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours(x_ours), theirs(x_theirs)
    assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    g = rng.standard_normal(y.shape).astype("float32")
    y.backward(Tensor(g))
    expected.backward(torch.tensor(g))
    gradients = {key: p.grad.numpy() for key, p in ours.named_parameters()}
    for key, p in [*theirs.named_parameters(), ("x", x_theirs)]:
        mine = x_ours.grad.numpy() if key == "x" else gradients.pop(key)
        scale = float(p.grad.abs().max())
        assert_allclose(mine, p.grad.numpy(), rtol=1e-3, atol=1e-4 * max(scale, 1), err_msg=key)
    assert not gradients
    with evaluation_mode(ours):  # with the running statistics of that batch
        y = ours(Tensor(x)).numpy()
    assert_allclose(y, theirs.eval()(torch.tensor(x)).detach().numpy(), rtol=1e-3, atol=1e-4)


def overfit(model, images, labels, steps=60, lr=5e-3):
    optimizer = optim.Adam(model.parameters(), lr)
    for _ in range(steps):
        loss = F.cross_entropy(model(Tensor(images)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model(Tensor(images)).numpy().argmax(1)


@pytest.mark.parametrize("name", ["vgg28", "resnet28", "densenet28"])
def test_a_classifier_learns_ten_images_by_heart(name):
    train, _ = digits()
    tinycnn.manual_seed(0)
    ten = [int(np.flatnonzero(train.labels == k)[0]) for k in range(10)]
    predicted = overfit(MODELS[name](10), train.scaled(ten), train.labels[ten])
    assert predicted.tolist() == list(range(10))


@pytest.mark.parametrize("name", ["unet", "fcn"])
def test_a_segmenter_learns_ten_images_by_heart(name):
    """The ink of even digits is class 1, that of odd ones class 2, the background class 0."""
    train, _ = digits()
    tinycnn.manual_seed(0)
    images = train.scaled(slice(0, 10))
    labels = np.where(images[:, 0] > 0.5, 1 + train.labels[:10, None, None] % 2, 0)
    with tinycnn.using("numpy"):  # the same weights everywhere
        body = nn.Sequential(*trunk(1, 16), nn.Conv2d(16, 32, 5, padding=2), nn.ReLU())
        body.append(nn.Conv2d(32, 32, 5, padding=2)).append(nn.ReLU())
        model = UNet(1, 3) if name == "unet" else fully_convolutional(body, 32, 3, stride=2)
    model.to(tinycnn.backend.current())
    predicted = overfit(model, images, labels, steps=70 if name == "unet" else 120, lr=1e-2)
    everywhere, ink = (0.97, 0.9) if name == "unet" else (0.92, 0.6)  # some seeds reach 0.955 and 0.73
    assert (predicted == labels).mean() > everywhere
    assert (predicted == labels)[labels > 0].mean() > ink


def test_the_first_weights_of_a_fully_convolutional_head_interpolate():
    assert_allclose(bilinear(2)[1], np.array([0.25, 0.75, 0.75, 0.25]) * 0.75)
    model = fully_convolutional(nn.Identity(), 1, 2, stride=4)
    model.load_state_dict(model.state_dict() | {"1.weight": np.ones((2, 1, 1, 1)), "1.bias": np.zeros(2)})
    ramp = np.arange(6.0, dtype="float32") * np.ones((1, 1, 6, 1), "float32")
    y = model(Tensor(ramp)).numpy()
    assert y.shape == (1, 2, 24, 24)
    inside = y[0, :, 4:-4, 4:-4]
    assert_allclose(np.diff(inside, axis=2), 0.25, atol=1e-6)  # a ramp, four times as fine
    assert_allclose(inside[0], inside[1])


@pytest.mark.parametrize(("model", "size"), [(resnet, (9, 13)), (densenet, (9, 13))])
def test_the_mean_over_the_image_takes_any_size(model, size):
    assert model(5)(Tensor(np.zeros((2, 1, *size), "float32"))).shape == (2, 5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="size must be at least 8, got 7"):
        vgg(size=7)
    with pytest.raises(ValueError, match=r"multiples of 4, got 28x30; pad the image to \(28, 32\)"):
        UNet(1, 2)(Tensor(np.zeros((1, 1, 28, 30), "float32")))
    with pytest.raises(ValueError, match=r"stride must be .* got 3"):
        fully_convolutional(trunk(), 6, 3, stride=3)
