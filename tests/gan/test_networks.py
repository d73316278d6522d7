import numpy as np
import pytest

import tinycnn
from tinycnn.gan import Discriminator, ExponentialMovingAverage, Generator, load_generator, save_networks
from tinycnn.nn import Linear
from tinycnn.storage import save_arrays

SHAPES = [(1, 28, 28), (3, 28, 28), (1, 32, 32), (3, 32, 32)]


@pytest.mark.parametrize("K", [0, 5], ids=["plain", "conditional"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_images_of_every_size_come_out_and_go_in(shape, K, backend):
    tinycnn.manual_seed(0)
    G, D = Generator(shape, latent=6, width=4, num_classes=K), Discriminator(shape, width=4, num_classes=K)
    labels = np.arange(3) if K else None
    images = G(tinycnn.randn(3, 6), labels)
    assert images.shape == (3, *shape)
    assert images.backend == backend
    assert np.abs(images.numpy()).max() <= 1
    assert D(images, labels).shape == (3, 1)
    maps = D.maps(images, labels)
    assert [m.shape[2] for m in maps] == ([14, 7] if shape[1] == 28 else [16, 8, 4])
    assert D.features(images, labels).shape[1] == np.prod(maps[-1].shape[1:])


def test_the_benchmarks_networks_layer_by_layer():
    """As issue and paper name them, under PyTorch's keys."""
    assert {name: t.shape for name, t in Generator().state_dict().items() if name.endswith("weight")} == {
        "0.weight": (128 * 7 * 7, 100),
        "2.weight": (128,),
        "4.weight": (128, 64, 4, 4),
        "5.weight": (64,),
        "7.weight": (64, 1, 4, 4),
    }
    assert {name: t.shape for name, t in Discriminator().state_dict().items() if name.endswith("weight")} == {
        "0.weight": (64, 1, 4, 4),
        "2.weight": (128, 64, 4, 4),
        "3.weight": (128,),
        "6.weight": (1, 128 * 7 * 7),
    }


def test_the_class_changes_what_a_conditional_pair_says():
    tinycnn.manual_seed(0)
    G, D = Generator(width=4, num_classes=3).eval(), Discriminator(width=4, num_classes=3).eval()
    z = tinycnn.randn(1, 100)
    images = [G(z, [k]).numpy() for k in range(3)]
    assert np.abs(images[0] - images[1]).max() > 1e-3
    logits = [D(tinycnn.zeros(1, 1, 28, 28), [k]).item() for k in range(3)]
    assert len(set(logits)) == 3


def test_instance_norm_judges_each_image_by_itself():
    tinycnn.manual_seed(0)
    x = tinycnn.rand(4, 1, 28, 28)
    for norm, alone in (("instance", True), ("batch", False)):
        D = Discriminator(width=4, norm=norm)
        assert np.allclose(D(x).numpy()[:1], D(x[:1]).numpy(), atol=1e-6) == alone


@pytest.mark.parametrize("shape", [(1, 27, 27), (2, 28, 28), (1, 28, 32), (3, 64, 64)], ids=str)
def test_other_sizes_are_refused_and_those_that_fit_named(shape):
    for kind in (Generator, Discriminator):
        with pytest.raises(ValueError, match=r"28x28 or 32x32 with C=1 \(grey\) or C=3 \(RGB\) fit") as error:
            kind(shape)
        assert f"({shape[0]}, {shape[1]}, {shape[2]})" in str(error.value)


WRONG_CALLS = {
    "z": (lambda: Generator(width=4)(tinycnn.zeros(2, 50)), r"latent=100, got \(2, 50\)"),
    "image": (
        lambda: Discriminator(width=4)(tinycnn.zeros(2, 3, 28, 28)),
        r"\(C, H, W\)=\(1, 28, 28\), got shape \(2, 3, 28, 28\)",
    ),
    "no labels": (
        lambda: Generator(width=4, num_classes=10)(tinycnn.zeros(2, 100)),
        r"conditional, so it needs labels \(N,\) with N=2, 0 to K-1=9",
    ),
    "no labels for D": (
        lambda: Discriminator(width=4, num_classes=10)(tinycnn.zeros(2, 1, 28, 28)),
        "Discriminator: it is conditional",
    ),
    "labels of nothing": (lambda: Generator(width=4)(tinycnn.zeros(2, 100), [0, 1]), "takes no labels"),
    "too many": (
        lambda: Generator(width=4, num_classes=10)(tinycnn.zeros(2, 100), [1, 2, 3]),
        r"shape \(N,\)=\(2,\), got \(3,\)",
    ),
    "out of range": (
        lambda: Generator(width=4, num_classes=10)(tinycnn.zeros(2, 100), [1, 10]),
        "0 to K-1=9, got 1 to 10",
    ),
    "too deep": (
        lambda: Discriminator(convolutions=5),
        r"5 convolutions for images \(1, 28, 28\): 1 to 4 fit",
    ),
    "norm": (lambda: Discriminator(norm="layer"), "'batch' or 'instance', got 'layer'"),
}


@pytest.mark.parametrize("case", WRONG_CALLS)
def test_wrong_calls(case):
    call, says = WRONG_CALLS[case]
    with pytest.raises(ValueError, match=says):
        call()


def test_labels_that_are_no_integers():
    with pytest.raises(TypeError, match="labels must be integers, got float32"):
        Generator(width=4, num_classes=3)(tinycnn.zeros(2, 100), [0.0, 1.0])


def test_saved_networks_come_back(tmp_path):
    tinycnn.manual_seed(0)
    G, D = Generator((3, 32, 32), 7, 4, 3), Discriminator((3, 32, 32), 4, 3)
    save_networks(tmp_path, G, D, {"data": "somewhere"})
    again, config = load_generator(tmp_path)
    assert config["data"] == "somewhere"
    z = tinycnn.randn(2, 7)
    np.testing.assert_array_equal(again(z, [0, 1]).numpy(), G.eval()(z, [0, 1]).numpy())
    with pytest.raises(ValueError, match=r"discriminator\.safetensors holds no Generator of a GAN"):
        load_generator(tmp_path / "discriminator.safetensors")
    (tmp_path / "generator.safetensors").write_bytes(b"rubbish")
    with pytest.raises(ValueError, match="no whole safetensors file"):
        load_generator(tmp_path)
    save_arrays(tmp_path / "generator.safetensors", {"a": np.zeros(2)}, {"b": "c"})
    with pytest.raises(ValueError, match="does not say which network"):
        load_generator(tmp_path)


def test_the_average_follows_its_formula():
    model = Linear(1, 1, bias=False)
    model.weight.data[...] = 0
    average = ExponentialMovingAverage(model, 0.9)
    expected = 0.0
    for t in range(1, 200):
        model.weight.data[...] = t
        average.update()
        d = min(0.9, (1 + t) / (10 + t))
        expected = d * expected + (1 - d) * t
        assert average.model.weight.item() == pytest.approx(expected, rel=1e-5)
    assert model.weight.item() == 199
    with pytest.raises(ValueError, match="decay must be at least 0 and below 1"):
        ExponentialMovingAverage(model, 1.0)


def test_of_the_numbers_that_choose_a_kind_only_the_largest_counts(backend):
    tinycnn.manual_seed(0)
    G = Generator(latent=6, width=4, kinds=3).eval()
    z = np.array([[0.1, 0.9, 0.2, 1, -1, 0], [-5, 2, 1, 1, -1, 0], [1, 0.9, 0.2, 1, -1, 0]], np.float32)
    first, same_kind, other = G(tinycnn.Tensor(z, backend=backend)).numpy()
    assert (first == same_kind).all()
    assert np.abs(first - other).max() > 1e-3
    with pytest.raises(ValueError, match="kinds must be at least 0 and below latent=6, got 6"):
        Generator(latent=6, kinds=6)
