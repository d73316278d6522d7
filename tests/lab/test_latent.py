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
from tinycnn.lab.latent import Latent

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
    assert asker.ask("gan-load", folder="runs/gan")[0] == {"id": 5, "latent": 8, "classes": 3}
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
    assert arrays["1 Unflatten"].shape == (8, 7, 7)


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
