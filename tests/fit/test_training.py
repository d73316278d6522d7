import copy
import errno
import threading

import numpy as np
import pytest

import tinycnn
from tinycnn import functional as F
from tinycnn import nn, optim
from tinycnn.data import DataLoader
from tinycnn.fit import (
    Callback,
    DivergedError,
    EarlyStopping,
    EpochReport,
    ProgressBar,
    Training,
    evaluate,
    evaluation_mode,
    fit,
)


def test_training_learns_and_records(make_training):
    training = make_training(epochs=6, lr=1e-2)
    history = fit(training)
    assert [record["epoch"] for record in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert history[-1]["val_accuracy"] > 0.5 > 0.1  # chance is 0.1
    assert set(history[0]) == {"epoch", "lr", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"}


def test_one_epoch_is_the_loop_written_out(make_training):
    training, by_hand = make_training(epochs=1), make_training(epochs=1)
    fit(training)
    losses, right = [], 0
    for batch, (images, labels) in enumerate(by_hand.train.batches(0)):
        tinycnn.manual_seed((2, 0, batch, 0))  # dropout's numbers, as `fit` documents them
        logits = by_hand.model(images)
        loss = F.cross_entropy(logits, labels)
        by_hand.optimizer.zero_grad()
        loss.backward()
        by_hand.optimizer.step()
        by_hand.schedule.step()
        losses.append(loss.item() * len(labels))
        right += int((logits.numpy().argmax(1) == labels.numpy()).sum())
    for a, b in zip(training.model.parameters(), by_hand.model.parameters(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert training.history[0]["loss"] == pytest.approx(sum(losses) / 192)
    assert training.history[0]["accuracy"] == right / 192


def test_without_validation_or_schedule(make_training):
    history = fit(make_training(epochs=1, schedule=False, validation=False))
    assert "val_loss" not in history[0]
    assert history[0]["lr"] == 3e-3


def test_a_schedule_by_epoch_steps_once_an_epoch(make_training):
    training = make_training(epochs=3, lr=0.1, kind=optim.SGD, schedule=False)
    training.schedule = optim.ExponentialLR(training.optimizer, 0.5)
    assert [record["lr"] for record in fit(training)] == [0.1, 0.05, 0.025]


def test_callbacks_are_called_in_turn(make_training):
    calls = []

    class Log(Callback):
        def __getattribute__(self, name):
            if name.startswith("on_"):
                return lambda training: calls.append(name)
            return super().__getattribute__(name)

    fit(make_training(epochs=2), [Log()])
    epoch = ["on_epoch_begin", *["on_batch_end"] * 6, "on_epoch_end"]
    assert calls == ["on_fit_begin", *epoch, *epoch, "on_fit_end"]


def test_a_callback_can_stop_the_run_between_batches(make_training):
    class StopAt(Callback):
        def on_batch_end(self, training):
            if (training.epoch, training.batch) == (1, 3):
                training.stop = "enough"

    training = make_training()
    fit(training, [StopAt()])
    assert (training.epoch, training.batch, len(training.history)) == (1, 3, 1)


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_early_stopping_without_progress(make_training, monitor):
    training = make_training(epochs=9, lr=0.0, kind=optim.SGD, schedule=False)
    training.model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))  # no batch norm: nothing changes
    fit(training, [EarlyStopping(monitor, patience=2)])
    assert len(training.history) == 3  # the first is the best, then two without improvement
    assert monitor in training.stop


def test_early_stopping_lets_progress_go_on(make_training):
    training = make_training(epochs=3)
    training.history = [{"loss": 3.0}, {"loss": 2.0}, {"loss": 2.5}]
    EarlyStopping("loss", patience=2).on_epoch_end(training)
    assert not training.stop
    training.history.append({"loss": 2.0})  # as good is no improvement
    EarlyStopping("loss", patience=2).on_epoch_end(training)
    assert training.stop


class Worse(Callback):
    """From the second epoch on, spoil the weights, so that the first epoch is the best."""

    def on_epoch_begin(self, training):
        if training.epoch and training.batch == 0:
            for p in training.model.parameters():
                p.data[...] = 0.01 * training.epoch


@pytest.mark.parametrize(("epochs", "ran"), [(9, 3), (2, 2)], ids=["stopped early", "all epochs"])
def test_early_stopping_restores_the_best_weights_if_it_is_told_to(make_training, epochs, ran):
    first = make_training(epochs=epochs, schedule=False)
    first.epochs = 1
    fit(first)
    last, restored = (make_training(epochs=epochs, schedule=False) for _ in range(2))
    fit(last, [Worse(), EarlyStopping("val_loss", patience=2)])
    stopping = EarlyStopping("val_loss", patience=2, restore_best=True)
    fit(restored, [Worse(), stopping])
    assert len(last.history) == len(restored.history) == ran
    assert stopping.best_epoch == 1
    best, end = (t.model.state_dict() for t in (first, last))
    for name, array in restored.model.state_dict().items():  # batch norm's running means, too
        np.testing.assert_array_equal(array.numpy(), best[name].numpy(), err_msg=name)
    assert any((best[name].numpy() != end[name].numpy()).any() for name in best)
    assert evaluate(restored.model, restored.validation).loss == restored.history[0]["val_loss"]


def test_early_stopping_does_not_restore_weights_that_were_not_kept(make_training):
    training = make_training(epochs=1, schedule=False)
    fit(training)
    training.history[0]["val_loss"] = -1.0
    training.epochs = 2
    fit(training)
    training.epochs = 3
    with pytest.raises(ValueError, match="weights of epoch 1, the best so far, were not kept"):
        fit(training, [EarlyStopping("val_loss", restore_best=True)])


def test_early_stopping_refuses_what_is_not_there(make_training):
    with pytest.raises(ValueError, match="no validation data"):
        fit(make_training(validation=False), [EarlyStopping("val_loss")])
    training = make_training(epochs=1)
    with pytest.raises(ValueError, match="the records have no 'colour'; they have epoch, lr, loss"):
        fit(training, [EarlyStopping("colour")])
    assert training.batch == training.epoch == 0  # nothing was trained before it was said
    for patience in (0, -1):
        with pytest.raises(ValueError, match=f"patience must be at least 1, got {patience!r}"):
            EarlyStopping(patience=patience)
    for patience in (1.5, "3", True):
        with pytest.raises(TypeError, match=f"patience must be an integer, got {patience!r}"):
            EarlyStopping(patience=patience)
    with pytest.raises(TypeError, match="monitor must be a name in the records, got 3"):
        EarlyStopping(3)
    for min_delta in (-0.1, float("nan")):
        with pytest.raises(ValueError, match=f"min_delta must be at least 0, got {min_delta}"):
            EarlyStopping(min_delta=min_delta)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow is what this is about
def test_divergence_is_an_error_and_names_a_way_out(make_training):
    training = make_training(epochs=1, lr=1e30, kind=optim.SGD, schedule=False, validation=False)
    training.model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
    training.optimizer = optim.SGD(training.model.parameters(), 1e30)
    with pytest.raises(DivergedError, match=r"became nan in epoch 1.*lower learning rate than 1e\+30"):
        fit(training)


def test_no_epochs(make_training):
    with pytest.raises(ValueError, match="at least 1, got 0"):
        fit(make_training(epochs=0, schedule=False))
    with pytest.raises(TypeError, match=r"epochs must be an integer, got 1\.5"):
        fit(make_training(epochs=1.5, schedule=False))


def test_fit_works_outside_the_main_thread(make_training):
    training = make_training(epochs=1)
    thread = threading.Thread(target=fit, args=(training,))
    thread.start()
    thread.join()
    assert training.epoch == 1


def test_evaluate_leaves_the_model_as_it_was(make_training, few_digits):
    training = make_training()
    training.model.train()
    state = {name: t.numpy().copy() for name, t in training.model.state_dict().items()}
    result = evaluate(training.model, DataLoader(few_digits[1], 30))
    assert training.model.training
    for name, t in training.model.state_dict().items():
        np.testing.assert_array_equal(t.numpy(), state[name])
    assert result.logits.shape == (100, 10)
    np.testing.assert_allclose(result.probabilities.sum(1), 1, rtol=1e-6)
    assert result.accuracy == (result.predictions == few_digits[1].labels).mean()
    whole = evaluate(training.model, DataLoader(few_digits[1], 100))
    np.testing.assert_allclose(whole.loss, result.loss, rtol=1e-6)  # whatever the batches


def test_with_a_label_for_each_pixel_accuracy_is_the_fraction_of_right_pixels():
    tinycnn.manual_seed(0)
    x = np.random.default_rng(0).standard_normal((6, 1, 4, 5), np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    model = nn.Conv2d(1, 2, 1)
    loader = DataLoader(list(zip(x, y, strict=True)), 4)
    training = Training(model, loader, optim.SGD(model.parameters(), 0.0), 1)  # the weights stay
    history = fit(training)
    result = evaluate(model, loader)
    assert result.predictions.shape == y.shape
    assert 0 < result.accuracy == (result.predictions == y).mean() < 1
    assert history[0]["accuracy"] == result.accuracy


def test_progress_is_quiet_without_a_terminal(make_training, capfd):
    lines = []
    fit(make_training(epochs=2), [ProgressBar(), EpochReport(lines.append)])
    assert capfd.readouterr() == ("", "")
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2  loss ")


def test_progress_on_a_terminal(make_training, capfd, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    fit(make_training(epochs=1), [ProgressBar(every=1)])
    out, err = capfd.readouterr()
    assert out == ""
    assert "epoch 1/1" in err
    assert "images/s" in err


def test_progress_without_a_stderr(make_training, monkeypatch):
    monkeypatch.setattr("sys.stderr", None)  # `2>&-`
    training = make_training(epochs=1)
    fit(training, [ProgressBar(every=1)])
    assert training.epoch == 1


def test_progress_on_a_terminal_that_is_closed_meanwhile(make_training, monkeypatch):
    class Closed:
        encoding = "utf-8"

        def isatty(self):
            return True

        def write(self, text):
            raise OSError(errno.EIO, "Input/output error")

        def flush(self):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("sys.stderr", Closed())
    training = make_training(epochs=2)
    fit(training, [ProgressBar(every=1)])
    assert training.epoch == 2


def test_what_was_frozen_stays_frozen(make_training, few_digits):
    training = make_training(epochs=1)
    norm = training.model.layers[1]
    training.model.train()
    norm.eval()
    before = norm.running_mean.numpy().copy()
    evaluate(training.model, DataLoader(few_digits[1], 50))
    assert (training.model.training, norm.training) == (True, False)
    fit(training)
    assert (training.model.training, norm.training) == (True, False)
    np.testing.assert_array_equal(norm.running_mean.numpy(), before)


def test_a_model_in_evaluation_mode_is_switched_to_training(make_training):
    training = make_training(epochs=1)
    training.model.eval()
    before = training.model.layers[1].running_mean.numpy().copy()
    fit(training)
    assert (training.model.layers[1].running_mean.numpy() != before).any()


def test_the_modes_come_back_after_an_error(make_training):
    model = make_training().model
    model.layers[1].eval()
    with pytest.raises(ZeroDivisionError), evaluation_mode(model):
        assert not any(module.training for module in model.modules())
        raise ZeroDivisionError
    modes = [module.training for module in model.modules()]
    assert modes.count(False) == 1


def test_an_optimizer_of_another_model_is_refused(make_training):
    training = make_training()
    copied = copy.deepcopy(training.model)
    with pytest.raises(
        ValueError, match=r"6 of its 6 parameters, the first of shape \(4, 1, 5, 5\), are not"
    ):
        Training(copied, training.train, training.optimizer, 1)
    some = optim.SGD(training.model.layers[0].parameters(), 0.1)
    Training(training.model, training.train, some, 1)  # the others are not to be trained


def test_the_losses_own_parameters_may_be_trained_too(make_training):
    class Scaled(nn.Module):
        def __init__(self):
            self.scale = nn.Parameter(np.ones((), np.float32))

        def forward(self, logits, labels):
            return F.cross_entropy(logits * self.scale, labels)

    training, loss = make_training(epochs=1), Scaled()
    optimizer = optim.SGD([*training.model.parameters(), loss.scale], 0.1)
    training = Training(training.model, training.train, optimizer, 1, loss=loss)
    fit(training)
    assert loss.scale.item() != 1


def test_pictures_of_several_sizes_cannot_be_evaluated_together():
    """A fully convolutional network has a label for each pixel: results of two sizes are no one array."""
    pairs = [(np.zeros((1, size, size), "float32"), np.zeros((size, size), "int64")) for size in (4, 4, 5)]
    loader = DataLoader([(x, y) for x, y in pairs], batch_size=2)
    net = nn.Conv2d(1, 3, 1)
    with pytest.raises(ValueError, match=r"two batches, \(2, 3, 4, 4\) and \(1, 3, 5, 5\), .* one size"):
        evaluate(net, loader)
    assert evaluate(net, DataLoader(pairs[:2], batch_size=1)).logits.shape == (2, 3, 4, 4)
