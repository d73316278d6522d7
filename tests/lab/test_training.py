"""Training on the page, without the page."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.helpers.lab_server import Asker, connected

pytest.importorskip("starlette", reason="extra 'lab'")

SGD = {"steps": 1, "on": "batch", "optimizer": "sgd", "lr": 0.05}


def weights(client):
    return {name: t.numpy().copy() for name, t in client.lab.network.model.state_dict().items()}


def test_a_step_lowers_the_loss_on_its_batch(asker):
    asker.ask("see", test=0)
    head, arrays = asker.ask("train", explain=True, **SGD)
    assert head["steps"] == 1
    assert head["after"] < head["losses"][0]
    steps = head["explanation"]["steps"]
    assert [step["phase"] for step in steps[:1] + steps[-1:]] == ["forward", "update"]
    assert f"L = {head['losses'][0]:.4g},  L' = {head['after']:.4g}" in steps[-1]["numbers"]
    assert arrays["0.weight"].shape == (8, 3, 3)


def test_many_steps_learn(asker):
    asker.ask("see", test=0)
    losses = []
    while len(losses) < 60:
        head, _ = asker.ask("train", **{**SGD, "steps": 30, "optimizer": "adam", "lr": 3e-3})
        losses += head["losses"]
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    assert head["accuracy"] > 0.5
    assert head["steps"] == len(losses)
    assert 0 <= head["dead"] <= head["relus"] == 24


def test_on_the_picture_towards_a_class(asker):
    asker.ask("see", test=0)
    for _ in range(8):
        head, _ = asker.ask("train", **{**SGD, "on": "picture", "label": 3, "steps": 5})
    assert asker.ask("see")[0]["answer"] == 3
    assert head["losses"][-1] < 0.5


def test_the_page_sees_the_trained_network_and_other_pages_the_old_one(asker, client):
    before = weights(client)
    _, old = asker.ask("see", test=0)
    asker.ask("train", **SGD)
    _, new = asker.ask("see")
    assert np.abs(new["a8"] - old["a8"]).max() > 0
    with connected(client) as ws:
        assert_array_equal(Asker(ws).ask("see", test=0)[1]["a8"], old["a8"])
    after = weights(client)
    assert all((after[name] == before[name]).all() for name in before)
    asker.ask("reset")
    assert_array_equal(asker.ask("see")[1]["a8"], old["a8"])


def test_it_says_so_when_it_diverges(asker):
    asker.ask("see", test=0)
    for _ in range(50):
        head, _ = asker.ask("train", **{**SGD, "lr": 1e5, "steps": 20})
        if head["diverged"]:
            break
    assert "training diverged at step" in head["diverged"]
    assert "try a lower one" in asker.refused("train", **SGD)
    asker.ask("reset")
    assert asker.ask("train", **SGD)[0]["diverged"] == ""


def test_dead_relus_are_counted(asker, client):
    client.lab.network.model[0].bias.data[:] = -100  # no output of the first layer is above 0
    asker.ask("see", test=0)
    head, _ = asker.ask("train", **{**SGD, "lr": 1e-6})
    assert 8 <= head["dead"] <= head["relus"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"lr": 0}, "lr: 0 is not a finite number above 0"),
        ({"lr": None}, "lr: None is no number"),
        ({"lr": 1e7}, "not below"),
        ({"steps": 10**6}, "above 1,000"),
        ({"optimizer": "__init__"}, "unknown: '__init__'; there are sgd, momentum, adam, adamw"),
        ({"on": "picture"}, "choose the true class"),
        ({"on": "picture", "label": 10}, "there are 10 classes"),
    ],
)
def test_what_is_refused(asker, fields, says):
    assert says in asker.refused("train", **{**SGD, **fields})
    assert asker.ask("train", **SGD)[0]["steps"] == 1


def test_two_pages_train_at_once(client):
    with connected(client) as one, connected(client) as two:
        pages = [Asker(one), Asker(two)]
        for page in pages:
            page.ask("see", test=0)
        for n in range(3):
            losses = [page.ask("train", **SGD)[0]["losses"] for page in pages]
            assert losses[0] == losses[1], f"step {n}: the pages share something"
        pages[0].ask("reset")
        assert pages[1].ask("train", **SGD)[0]["steps"] == 4


def test_a_page_that_was_loaded_again_learns_what_was_trained(asker):
    assert asker.ask("training")[0]["steps"] == 0
    first, _ = asker.ask("train", explain=True, **SGD)
    more, arrays = asker.ask("train", **{**SGD, "steps": 3, "optimizer": "momentum", "lr": 0.02})
    head, kept = asker.ask("training")
    assert (head["steps"], head["optimizer"], head["lr"]) == (more["steps"], "momentum", 0.02)
    np.testing.assert_allclose(kept["losses"], [*first["losses"], *more["losses"]], rtol=1e-6)
    assert_array_equal(kept["0.weight"], arrays["0.weight"])
    assert head["explanation"] == first["explanation"]
    assert (head["accuracy"], head["dead"]) == (more["accuracy"], more["dead"])
    asker.ask("reset")
    assert asker.ask("training")[0]["steps"] == 0
