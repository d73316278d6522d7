"""Failures injected into a GAN in training must be seen, and a sound run left in peace."""

from dataclasses import replace

import numpy as np
import pytest

import tinycnn
from tinycnn.fit import Callback, fit
from tinycnn.gan import Observation, Watch, diagnose, diagnosis, sampling, scale
from tinycnn.tensor import Tensor

SOUND = Observation(50, 1.2, 0.6, 0.4, 0.1, 0.9, (-1.0, 1.0))


def names(observations, **options):
    return [finding.name for finding in diagnose(observations, **options)]


def watched(gan, *callbacks, every=4):
    said = []
    watch = Watch(said.append, every)
    fit(gan, [*callbacks, watch])
    return {finding.name: str(finding) for finding in watch.findings}, said


def test_a_sound_run_is_left_in_peace():
    assert names([]) == names([SOUND] * 20) == []


def test_d_has_won():
    won = replace(SOUND, D_loss=0.01, D_real=0.995, D_fake=0.005, G_gradient=1e-5)
    assert names([SOUND, won, won]) == []  # it may pass
    assert names([SOUND, won, won, won]) == ["D has won"]
    assert names([won] * 3 + [SOUND]) == []
    assert names([won] * 3, bounded=False) == []  # a critic's output is no probability
    (finding,) = diagnose([won] * 3)
    assert str(finding) == (
        "D is always right (loss 0.010, D(x) 0.99, D(G(z)) 0.01) and teaches G nothing (norm of its gradient "
        "1.0e-05); try --loss non-saturating or wgan-gp, --smoothing 0.1, a lower learning rate for D, or a "
        "narrower D"
    )


def test_collapse_is_judged_when_g_had_time_to_begin():
    poor = replace(SOUND, diversity=0.1)
    assert names([poor] * 5) == []
    assert names([SOUND] * 3 + [poor] * 2) == []
    assert names([SOUND] * 3 + [poor] * 3) == ["collapse"]
    (finding,) = diagnose([SOUND] * 3 + [poor] * 3)
    assert "diversity is 0.10 of that of real images (its best was 0.90)" in str(finding)


@pytest.mark.parametrize("real", [(0.0, 1.0), (0.0, 255.0), (-1.0, 0.2), (-1.0, 3.0)], ids=str)
def test_not_scaled(real):
    (finding,) = diagnose([replace(SOUND, real=real)])
    assert finding.name == "not scaled"
    assert "x / 127.5 - 1" in finding.attempt


@pytest.mark.parametrize("field", ["D_loss", "D_fake", "G_gradient"])
def test_not_finite(field):
    assert names([replace(SOUND, **{field: float("nan")})]) == ["NaN"]


def test_a_discriminator_far_too_fast_is_seen_while_training(make_gan):
    gan = make_gan("minimax", epochs=3)
    gan.schedules = []
    gan.gan.G_optimizer.lr, gan.gan.D_optimizer.lr = 0.0, 2e-2
    findings, said = watched(gan)
    assert "D is always right" in findings["D has won"]
    assert len(said) == len(findings)  # each kind once
    assert said[0].startswith("step ")


def test_a_generator_deaf_to_its_noise_is_seen_while_training(make_gan):
    class Deafen(Callback):
        def on_batch_end(self, gan):
            for G in (gan.G, gan.average.model):
                G.layers[0].weight.data[...] = 0  # what is left is its bias: the same image for every z

    findings, _ = watched(make_gan(epochs=3), Deafen())
    assert "0.00 of that of real images" in findings["collapse"]


@pytest.mark.parametrize("wrong", [lambda x: x, lambda x: Tensor(x.data * 255)], ids=["0 to 1", "0 to 255"])
def test_images_not_scaled_are_seen_while_training(wrong, make_gan, monkeypatch):
    monkeypatch.setattr(diagnosis, "scale", wrong)
    findings, _ = watched(make_gan(epochs=1))
    assert "tells them apart by their range" in findings["not scaled"]


def test_a_short_sound_run_has_no_findings(make_gan):
    tinycnn.manual_seed(0)
    findings, said = watched(make_gan(epochs=1, lr=2e-4))
    assert (findings, said) == ({}, [])


def test_the_norm_of_a_gradient(make_gan):
    gan = make_gan(epochs=1)
    assert diagnosis.gradient_norm(gan.G) == 0
    fit(gan)
    squares = sum((p.grad.numpy().astype(float) ** 2).sum() for p in gan.G.parameters())
    assert diagnosis.gradient_norm(gan.G) == pytest.approx(np.sqrt(squares), rel=1e-5)
    assert scale is sampling.scale
