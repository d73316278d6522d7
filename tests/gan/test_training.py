import numpy as np
import pytest

import tinycnn
from tests.helpers.stop_at import StopAt
from tinycnn import optim
from tinycnn.data import DataLoader, Dataset
from tinycnn.fit import Callback, Checkpoint, DivergedError, fit, load_checkpoint
from tinycnn.gan import LOSSES, Discriminator, GanTraining, Generator, additions, sample, scale
from tinycnn.gan.additions import move
from tinycnn.tensor import Tensor


def weights(gan):
    networks = gan.networks()
    return {f"{a}.{b}": t.numpy().copy() for a, n in networks.items() for b, t in n.state_dict().items()}


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_and_records(loss, make_gan):
    gan = make_gan(loss, epochs=2)
    before = weights(gan)
    history = fit(gan)
    assert [record["epoch"] for record in history] == [1, 2]
    assert set(history[0]) == {"epoch", "D_loss", "G_loss", "D_real", "D_fake", "seconds"}
    assert [point["step"] for point in gan.curve] == [10, 12, 22, 24]
    for name, array in weights(gan).items():
        assert np.isfinite(array).all()
        # The slope that the penalty sees, and the difference of two means, leave a critic's last bias alone.
        assert name == "D.6.bias" or (array != before[name]).any(), name


@pytest.mark.parametrize(
    ("loss", "conditional", "at"),
    [
        ("non-saturating", False, (0, 7)),
        ("non-saturating", True, (1, 11)),
        ("wgan-gp", False, (1, 3)),  # between two steps of G
        ("feature-matching", True, (0, 12)),  # the epoch's last batch
    ],
)
def test_a_stopped_run_goes_on_to_the_same_bits(loss, conditional, at, make_gan, tmp_path):
    whole, stopped, resumed = (make_gan(loss, conditional, shift=2) for _ in range(3))
    fit(whole)
    path = tmp_path / "checkpoint.safetensors"
    fit(stopped, [StopAt(*at), Checkpoint(path, {})])
    assert stopped.stop == "interrupted by SIGINT"
    load_checkpoint(path, resumed)
    assert resumed.steps == stopped.steps == at[0] * 12 + at[1]
    fit(resumed, [Checkpoint(path, {})])
    for name, array in weights(whole).items():
        np.testing.assert_array_equal(weights(resumed)[name], array, err_msg=name)
    assert resumed.curve == whole.curve
    for a, b in zip(whole.history, resumed.history, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}


def test_looking_at_samples_does_not_change_the_run(make_gan):
    class Look(Callback):
        def on_batch_end(self, training):
            sample(training.average.model, tinycnn.zeros(3, 8))
            sample(training.G, tinycnn.zeros(3, 8))

    alone, watched = make_gan(epochs=1), make_gan(epochs=1)
    fit(alone)
    fit(watched, [Look()])
    assert watched.G.training
    for name, array in weights(alone).items():
        np.testing.assert_array_equal(weights(watched)[name], array)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow is what this is about
def test_nan_is_an_error_and_the_checkpoint_before_stays(make_gan, tmp_path):
    class Spoil(Callback):
        def on_batch_end(self, training):
            if training.steps == 14:
                training.G.layers[0].weight.data[...] = np.nan

    path = tmp_path / "checkpoint.safetensors"
    gan = make_gan()
    with pytest.raises(DivergedError, match=r"D_loss became nan by batch 12 of epoch 2.*learning rate"):
        fit(gan, [Spoil(), Checkpoint(path, {})])
    again = make_gan()
    load_checkpoint(path, again)
    assert (again.epoch, again.batch) == (1, 0)
    assert all(np.isfinite(array).all() for array in weights(again).values())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_stop_does_not_save_nan_over_a_good_checkpoint(make_gan, tmp_path):
    class Spoil(Callback):
        def on_batch_end(self, training):
            training.G.layers[0].weight.data[...] = np.nan
            training.stop = "enough" if training.batch == 3 else ""

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(DivergedError):
        fit(make_gan(), [Spoil(), Checkpoint(path, {})])
    again = make_gan()
    load_checkpoint(path, again)
    assert all(np.isfinite(array).all() for array in weights(again).values())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": 1}, "seed 0, not 1"),
        ({"conditional": True}, r"0\.weight must have shape \(392, 18\), got \(392, 8\)"),
        ({"loss": "wgan-gp"}, "does not fit this run.*unexpected 3.running_mean"),
    ],
    ids=str,
)
def test_a_checkpoint_of_another_run(change, says, make_gan, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    Checkpoint(path, {}).on_fit_begin(make_gan())
    with pytest.raises(ValueError, match=says):
        load_checkpoint(path, make_gan(**change))


def test_networks_that_do_not_fit_each_other_or_the_data(some_digits):
    loader = DataLoader(some_digits, 16)

    def make(G, D):
        optimizers = [optim.SGD(network.parameters(), 0.1) for network in (G, D)]
        return GanTraining(additions.GanWithAdditions(G, D, *optimizers, LOSSES["non-saturating"]), loader, 1)

    with pytest.raises(ValueError, match=r"G makes \(3, 32, 32\), D takes \(1, 28, 28\), 'digits train' has"):
        make(Generator((3, 32, 32), width=4), Discriminator(width=4))
    with pytest.raises(ValueError, match="G has 10, D has 0, 'digits train' has 10"):
        make(Generator(width=4, num_classes=10), Discriminator(width=4))
    with pytest.raises(ValueError, match="G has 7, D has 7, 'digits train' has 10"):
        make(Generator(width=4, num_classes=7), Discriminator(width=4, num_classes=7))


@pytest.mark.parametrize("swap", ["G", "D"])
def test_optimizers_of_other_networks_are_refused(swap, make_gan):
    gan, other = make_gan().gan, make_gan().gan
    setattr(gan, f"{swap}_optimizer", getattr(other, f"{swap}_optimizer"))
    with pytest.raises(
        ValueError, match=rf"{swap}_optimizer: \d+ of its \d+ parameters.* are not parameters of"
    ):
        GanTraining(gan, make_gan().train, 1)


def test_a_plain_gan_samples_from_g_itself_and_resumes(make_gan, tmp_path):
    whole, stopped, resumed = (make_gan(plain=True) for _ in range(3))
    assert whole.sampler is whole.G
    fit(whole)
    path = tmp_path / "checkpoint.safetensors"
    fit(stopped, [StopAt(1, 5), Checkpoint(path, {})])
    load_checkpoint(path, resumed)
    fit(resumed)
    assert set(whole.networks()) == {"G", "D"}
    for name, array in weights(whole).items():
        np.testing.assert_array_equal(weights(resumed)[name], array, err_msg=name)
    with pytest.raises(ValueError, match="does not fit"):
        load_checkpoint(path, make_gan())  # which has an average


def test_modules_that_were_frozen_stay_frozen(make_gan):
    gan = make_gan(epochs=1)
    norm = gan.G.layers[2]
    norm.eval()
    sample(gan.G, tinycnn.zeros(3, 8))
    assert (gan.G.training, norm.training) == (True, False)
    fit(gan)
    assert (gan.G.training, norm.training) == (True, False)


def test_scale(rng, backend):
    x = tinycnn.rand(2, 1, 4, 4)
    np.testing.assert_allclose(scale(x).numpy(), 2 * x.numpy() - 1, rtol=1e-6)
    with pytest.raises(ValueError, match=r"from 0 to 255, but must be in \[0, 1\].*divide them by 255"):
        scale(Tensor(np.float32([[0, 255]])))
    with pytest.raises(ValueError, match="go from -1 to 1"):
        scale(Tensor(np.float32([[-1, 1]])))
    with pytest.raises(ValueError, match="go from nan"):
        scale(Tensor(np.float32([[np.nan, 1]])))


def test_an_empty_data_set_is_refused():
    with pytest.raises(ValueError, match="the data set is empty"):
        Dataset(np.zeros((0, 1, 28, 28), np.uint8), np.zeros(0, int), ("a",), "none")


def test_move(rng):
    x = rng.random((2, 1, 5, 6))
    moved = move(Tensor(x), 2, -1).numpy()
    np.testing.assert_array_equal(moved[:, :, 2:, :-1], x[:, :, :-2, 1:])
    assert (moved[:, :, :2] == -1).all()
    assert (moved[:, :, :, -1] == -1).all()
    np.testing.assert_array_equal(move(Tensor(x), 0, 0).numpy(), x)
    tinycnn.gradcheck(lambda x: move(x, -1, 2), x)


def test_real_and_generated_images_are_moved_alike_and_g_learns_through_it(make_gan, monkeypatch):
    seen = []

    def spy(images, dy, dx):
        seen.append((int(dy), int(dx)))
        return move(images, dy, dx)

    monkeypatch.setattr(additions, "move", spy)
    gan = make_gan(epochs=1, shift=2)
    before = weights(gan)
    fit(gan)
    assert seen[::3] == seen[1::3] == seen[2::3]  # real and generated ones for D, and generated ones for G
    assert len(set(seen)) > 5
    assert max(map(max, seen)) == 2
    assert min(map(min, seen)) == -2
    assert (weights(gan)["G.0.weight"] != before["G.0.weight"]).any()


def test_chunks_do_not_change_samples():
    tinycnn.manual_seed(0)
    G, z = Generator(width=4, num_classes=3), tinycnn.randn(7, 100)
    labels = np.arange(7) % 3
    np.testing.assert_allclose(sample(G, z, labels, chunk=3), sample(G, z, labels), atol=1e-6)


def test_no_z_makes_no_images():
    with pytest.raises(ValueError, match=r"the input has shape \(0, 8\), N must be at least 1"):
        sample(Generator(latent=8, width=4), np.zeros((0, 8), "float32"))
