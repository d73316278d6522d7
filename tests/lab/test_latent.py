"""GANs on the page, without the page."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.helpers.lab_server import Asker, connected
from tinycnn import Tensor, manual_seed
from tinycnn.gan.losses import logit
from tinycnn.gan.networks import Discriminator, Generator
from tinycnn.gan.sampling import sample
from tinycnn.gan.saved import save_networks
from tinycnn.gan.toy import ToyGan
from tinycnn.lab.latent import SAMPLES, Latent, on_the_shell

pytest.importorskip("starlette", reason="extra 'lab'")

PLACE = {"first": 1, "second": 2, "t": 0.5, "u": 0, "v": 0}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run folder of a GAN that was not trained."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs/gan"
    folder.mkdir(parents=True)
    manual_seed(0)
    G, D = Generator(width=4, latent=8, num_classes=3), Discriminator(width=4, num_classes=3)
    save_networks(folder, G, D, {})
    return folder


@pytest.fixture
def asker(run, client):
    with connected(client) as socket:
        yield Asker(socket)


def test_the_toy_is_the_engines(asker):
    head, arrays = asker.ask("toy", density="two-moons", loss="least-squares", seed=3)
    toy = ToyGan.of("two-moons", "least-squares", 3)
    assert head["steps"] == 0
    assert_array_equal(arrays["belief"], toy.belief())
    head, arrays = asker.ask("toy-step", steps=2)
    toy.train(head["steps"])
    assert 1 <= head["steps"] <= 2
    assert_array_equal(arrays["belief"], toy.belief())
    assert_array_equal(arrays["fake"], toy.samples(300))
    assert_array_equal(arrays["push"], toy.push(toy.samples(300)[:60]))


def test_picture_verdict_and_its_gradient(asker, run):
    assert asker.ask("gan-runs")[0]["runs"] == ["runs/gan"]
    about, _ = asker.ask("gan-load", folder="runs/gan")
    assert (about["latent"], about["classes"], about["input"]) == (8, 3, [8])
    head, arrays = asker.ask("gan-look", **PLACE, label=2)
    view = Latent(run)
    z = view.z(1, 2, 0.5, 0, 0)
    picture = sample(view.G, Tensor(z), [2])
    assert_allclose(arrays["picture"], picture[0], atol=1e-6)
    x = Tensor(picture * 2 - 1, requires_grad=True)
    verdict = logit(view.D(x, [2]))
    verdict.sum().backward()
    assert head["logit"] == pytest.approx(verdict.item(), rel=1e-4)
    assert head["real"] == pytest.approx(1 / (1 + np.exp(-head["logit"])))
    assert_allclose(arrays["dD"], x.grad.numpy()[0], rtol=1e-3, atol=1e-6)
    by_name = {layer["name"]: layer["result"] for layer in about["layers"]}
    assert arrays[by_name["G.1"]].shape == (8, 7, 7)
    assert_allclose(arrays[about["picture"]], picture[0] * 2 - 1, atol=1e-6)
    last = about["layers"][-1]["result"]
    assert arrays[last].item() == head["logit"]


def test_why_from_the_verdict_to_z_and_back(asker, rng):
    about, _ = asker.ask("gan-load", folder="runs/gan")
    _, arrays = asker.ask("gan-look", **PLACE, label=1)
    for layer in about["layers"]:
        name = layer["result"]
        cell = [0, *(int(rng.integers(0, n)) for n in layer["shape"])]
        for gradient in (False, True):
            array = f"dL/d{name}" if gradient else name
            head, _ = asker.ask("why", array=name, cell=cell, gradient=gradient, gan=True)
            assert "error" not in head, head
            assert head["value"] == arrays[array][tuple(cell[1:])]
            assert head["explanation"]["steps"][0]["numbers"].endswith(f"{head['value']:.4g}")
    head, _ = asker.ask("why", array="a0", cell=[0, 3], gradient=True, gan=True)
    assert head["value"] == arrays["dL/da0"][3]


def test_arithmetic_of_points_if_g_is_told_the_class(asker, run):
    asker.ask("gan-load", folder="runs/gan")
    head, arrays = asker.ask("gan-sum", of=[1, 2, 3], label=2)
    assert head["samples"] == [1, 1, 1]
    view = Latent(run)
    a, b, c = (view.point(n) for n in (1, 2, 3))
    z = on_the_shell(a - b + c)
    assert np.linalg.norm(z) == pytest.approx(8**0.5, rel=1e-5)
    assert_allclose(arrays["a0"], z[0], atol=1e-6)
    assert_allclose(arrays["picture"], sample(view.G, Tensor(z), [2])[0], atol=1e-5)
    assert_allclose(arrays["part1"], sample(view.G, Tensor(on_the_shell(b)), [2])[0], atol=1e-5)
    assert_allclose(
        asker.ask("gan-sum", of=[4, 4, 3], label=2)[1]["a0"], on_the_shell(view.point(3))[0], atol=1e-5
    )
    assert "3 classes" in asker.refused("gan-sum", of=[1, 2, 3], label=3)
    with pytest.raises(ValueError, match="origin"):
        on_the_shell(np.zeros(8))


def test_arithmetic_of_means_of_classes(asker, run, client):
    manual_seed(0)
    save_networks(run, Generator(width=4, latent=8), Discriminator(width=4), {})
    asker.ask("gan-load", folder="runs/gan")
    view, network = Latent(run), client.lab.network
    z = np.random.default_rng(7).standard_normal((SAMPLES, 8), np.float32)
    pictures = Tensor(sample(view.G, Tensor(z)))
    network.model[-1].bias.data -= network.model(pictures).numpy().mean(0)  # no class wins always
    called = network.model(pictures).numpy().argmax(1)
    a, b, *_ = np.unique(called)
    head, arrays = asker.ask("gan-sum", of=[int(a), int(b), int(a)])
    assert head["samples"] == [int((called == k).sum()) for k in (a, b, a)]
    means = {k: z[called == k].mean(0) for k in (a, b)}
    assert_allclose(arrays["a0"], on_the_shell(2 * means[a] - means[b])[0], atol=1e-5)
    missing = [k for k in range(10) if k not in called]
    if missing:
        assert "calls none of 400 pictures" in asker.refused("gan-sum", of=[int(a), missing[0], int(b)])
    assert "there are 10 classes" in asker.refused("gan-sum", of=[0, 1, 10])
    assert "3" in asker.refused("gan-sum", of=[0, 1])


def test_the_path_leads_from_one_z_to_the_other(run):
    view = Latent(run)
    ends = [np.random.default_rng(seed).standard_normal(8, np.float32) for seed in (1, 2)]
    assert_allclose(view.z(1, 2, 0, 0, 0)[0], ends[0], atol=1e-6)
    assert_allclose(view.z(1, 2, 1, 0, 0)[0], ends[1], atol=1e-6)
    aside = view.z(1, 2, 0, 3, 0) - view.z(1, 2, 0, 0, 0)
    assert np.linalg.norm(aside) == pytest.approx(3, rel=1e-4)


@pytest.mark.parametrize(
    ("do", "fields", "says"),
    [
        ("gan-look", PLACE, "load the run folder of a GAN first"),
        ("gan-load", {"folder": "runs"}, "no file generator.safetensors"),
        ("gan-load", {"folder": "../.."}, "not below the folder"),
        ("toy", {"density": "square", "loss": "hinge"}, "unknown: 'square'"),
        ("toy-step", {"steps": 0}, "below 1"),
    ],
)
def test_what_is_refused(asker, do, fields, says):
    assert says in asker.refused(do, **fields)


def test_places_that_are_not_there(asker):
    asker.ask("gan-load", folder="runs/gan")
    assert "3 classes" in asker.refused("gan-look", **PLACE, label=3)
    assert "not below" in asker.refused("gan-look", **{**PLACE, "t": 2})
    assert "finite" in asker.refused("gan-look", **{**PLACE, "u": float("inf")})
