import errno
import json
import os
import signal
import threading

import numpy as np
import pytest

from tests.helpers.stop_at import StopAt
from tinycnn import nn, optim, storage
from tinycnn.fit import Callback, Checkpoint, EarlyStopping, Training, fit, load_checkpoint, save_checkpoint
from tinycnn.storage import load_arrays, save_arrays, write_atomically

KINDS = {
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "momentum": lambda params, lr: optim.SGD(params, lr, momentum=0.9, nesterov=True),
    "sgd": optim.SGD,
}


def weights(training):
    return {name: t.numpy().copy() for name, t in training.model.state_dict().items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [(0, 1), (1, 4), (1, 6), (2, 5)], ids=str)
def test_a_stopped_run_goes_on_to_the_same_bits(make_training, tmp_path, kind, at):
    whole, stopped, resumed = (make_training(kind=KINDS[kind]) for _ in range(3))
    fit(whole)
    path = tmp_path / "checkpoint.safetensors"
    fit(stopped, [StopAt(*at), Checkpoint(path, {})])
    assert stopped.stop == "interrupted by SIGINT"
    assert stopped.epoch < 3
    load_checkpoint(path, resumed)
    assert (resumed.epoch, resumed.batch) == (stopped.epoch, stopped.batch)
    fit(resumed, [Checkpoint(path, {})])
    for name, array in weights(whole).items():
        np.testing.assert_array_equal(weights(resumed)[name], array, err_msg=name)
    for a, b in zip(whole.history, resumed.history, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}


def test_a_checkpoint_from_before_labels_were_counted_goes_on(make_training, tmp_path):
    whole, stopped, resumed = (make_training() for _ in range(3))
    fit(whole)
    path = tmp_path / "checkpoint.safetensors"
    fit(stopped, [StopAt(1, 4), Checkpoint(path, {})])
    arrays, metadata = load_arrays(path)
    state = json.loads(metadata["training"])
    del state["totals"]["labels"]
    save_arrays(path, arrays, metadata | {"training": json.dumps(state)})
    load_checkpoint(path, resumed)
    fit(resumed)
    assert resumed.history[1]["accuracy"] == whole.history[1]["accuracy"]


@pytest.mark.parametrize("at", [(0, 3), (1, 2), (1, 6), (2, 1), (2, 6)], ids=str)
@pytest.mark.parametrize("first", ["EarlyStopping", "Checkpoint"])
def test_the_best_weights_go_on_with_a_checkpoint(make_training, tmp_path, at, first):
    class Worse(Callback):
        """Raise a bias of the last layer before the second and the third epoch."""

        def on_epoch_begin(self, training):
            if training.epoch and training.batch == 0:
                training.model.layers[-1].bias.data[0] += 30

    path = tmp_path / "checkpoint.safetensors"

    def callbacks():
        both = [EarlyStopping("val_loss", patience=2, restore_best=True), Checkpoint(path, {})]
        return [Worse(), *(both if first == "EarlyStopping" else both[::-1])]

    whole, stopped, resumed, again = (make_training(epochs=5, schedule=False) for _ in range(4))
    fit(whole, callbacks())
    assert len(whole.history) == 3
    path.unlink()
    fit(stopped, [StopAt(*at), *callbacks()])
    load_checkpoint(path, resumed)
    fit(resumed, callbacks())
    load_checkpoint(path, again)  # of a training that is over
    fit(again, callbacks())
    for name, array in weights(whole).items():
        np.testing.assert_array_equal(weights(resumed)[name], array, err_msg=name)
        np.testing.assert_array_equal(weights(again)[name], array, err_msg=name)


@pytest.mark.parametrize("damage", ["missing", "shape", "NaN"])
def test_best_weights_that_do_not_fit_are_refused(make_training, tmp_path, damage):
    path = tmp_path / "checkpoint.safetensors"
    training = make_training(epochs=1)
    fit(training, [EarlyStopping("val_loss", restore_best=True), Checkpoint(path, {})])
    arrays, metadata = load_arrays(path)
    name = next(name for name in arrays if name.startswith("best.") and name.endswith("weight"))
    if damage == "missing":
        del arrays[name]
    elif damage == "shape":
        arrays[name] = arrays[name][..., :-1].copy()
    else:
        arrays[name] = np.full_like(arrays[name], np.nan)
    save_arrays(path, arrays, metadata)
    with pytest.raises(ValueError, match=r"best epoch are not those|NaN or infinite"):
        load_checkpoint(path, make_training(epochs=1))


def test_groups_of_parameters_and_a_plateau_go_on_to_the_same_bits(make_training, tmp_path):
    def make():
        training = make_training(schedule=False)
        *first, last = training.model.layers
        groups = [
            {"params": [p for layer in first for p in layer.parameters()], "lr": 1e-2},
            {"params": last.parameters()},
        ]
        optimizer = optim.Adam(groups, 1e-3)
        schedule = optim.ReduceLROnPlateau(optimizer, patience=0, threshold=10)  # nothing is ever better
        return Training(training.model, training.train, optimizer, 4, training.validation, schedule)

    whole, stopped, resumed = make(), make(), make()
    fit(whole)
    assert [group["lr"] for group in whole.optimizer.param_groups] == pytest.approx([1e-5, 1e-6])
    path = tmp_path / "checkpoint.safetensors"
    fit(stopped, [StopAt(2, 3), Checkpoint(path, {})])
    load_checkpoint(path, resumed)
    fit(resumed)
    for name, array in weights(whole).items():
        np.testing.assert_array_equal(weights(resumed)[name], array, err_msg=name)
    with pytest.raises(ValueError, match="does not fit this run"):
        load_checkpoint(path, make_training(epochs=4, schedule=False))


def test_ctrl_c_is_the_users_again_after_fit(make_training):
    before = signal.getsignal(signal.SIGINT)
    fit(make_training(epochs=1))
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_other_signals_that_end_a_program_stop_it_too(name, make_training, tmp_path):
    if not hasattr(signal, name):
        pytest.skip(f"there is no {name} here")

    class Send(Callback):
        def on_batch_end(self, training):
            if training.batch == 2:
                os.kill(os.getpid(), getattr(signal, name))

    path = tmp_path / "checkpoint.safetensors"
    training, again = make_training(), make_training()
    fit(training, [Send(), Checkpoint(path, {})])
    assert training.stop == f"interrupted by {name}"
    assert training.interrupted
    load_checkpoint(path, again)
    assert (again.epoch, again.batch) == (0, 2)


def test_a_signal_that_the_program_ignores_stays_ignored(make_training):
    """As SIGHUP is under nohup."""

    class Send(Callback):
        def on_batch_end(self, training):
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        training = make_training(epochs=1)
        fit(training, [Send()])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (training.epoch, training.stop) == (1, "")


def test_a_second_ctrl_c_ends_at_once(make_training):
    class Twice(Callback):
        def on_batch_end(self, training):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(make_training(), [Twice()])


def test_the_start_is_saved_before_the_first_batch(make_training, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    training = make_training()
    start = weights(training)
    Checkpoint(path, {}).on_fit_begin(training)
    fit(training)
    load_checkpoint(path, training)
    assert (training.epoch, training.batch, training.history) == (0, 0, [])
    for name, array in start.items():
        np.testing.assert_array_equal(weights(training)[name], array)


def test_a_checkpoint_of_another_model_names_every_key(make_training, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, make_training(), {})
    other = make_training()
    other.model = nn.Sequential(nn.Conv2d(1, 5, 5), nn.ReLU(), nn.Linear(3, 2))
    before = weights(other)
    with pytest.raises(ValueError, match="does not fit") as error:
        load_checkpoint(path, other)
    for part in (
        "missing 2.weight (2, 3)",
        "unexpected 6.bias (10,)",
        "0.bias must have shape (5,), got (4,)",
    ):
        assert part in str(error.value)
    for name, array in before.items():
        np.testing.assert_array_equal(weights(other)[name], array)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": optim.SGD}, "unexpected 0.m"),
        ({"seed": 1}, "seed 0, not 1"),
        ({"schedule": False}, "with a schedule"),
    ],
)
def test_a_checkpoint_of_another_run(make_training, tmp_path, change, says):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, make_training(), {})
    with pytest.raises(ValueError, match=says):
        load_checkpoint(path, make_training(**change))


@pytest.mark.parametrize("size", [0, 7, 100, 2000, -1])
def test_a_damaged_checkpoint_names_the_file(make_training, tmp_path, size):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, make_training(), {})
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors is no whole safetensors file"):
        load_checkpoint(path, make_training())


def test_a_header_that_claims_terabytes(tmp_path):
    header = b'{"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    path = tmp_path / "weights.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    with pytest.raises(ValueError, match=r"weights\.safetensors is no whole safetensors file"):
        load_arrays(path)


def test_weights_alone_are_no_checkpoint(make_training, tmp_path):
    save_arrays(tmp_path / "w.safetensors", {"a": np.zeros(2)}, {})
    with pytest.raises(ValueError, match=r"w\.safetensors holds weights, but it is no checkpoint"):
        load_checkpoint(tmp_path / "w.safetensors", make_training())
    with pytest.raises(FileNotFoundError, match=r"no file .*none\.safetensors"):
        load_checkpoint(tmp_path / "none.safetensors", make_training())


@pytest.mark.parametrize("where", ["os.fsync", "pathlib.Path.replace"])
def test_a_failed_save_leaves_the_file_before_whole(make_training, tmp_path, monkeypatch, where):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, make_training(), {})
    before = path.read_bytes()

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(where, full)
    with pytest.raises(OSError, match=r"cannot write .*checkpoint\.safetensors: No space left") as error:
        save_checkpoint(path, make_training(seed=1), {})
    assert error.value.errno == errno.ENOSPC
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]  # nothing half-written is left


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"cannot write .*file/weights"):
        write_atomically(tmp_path / "file" / "weights", b"")
    with pytest.raises(OSError, match=r"cannot write .*missing/weights"):
        write_atomically(tmp_path / "missing" / "weights", b"")


def test_arrays_keep_shape_dtype_and_metadata(tmp_path):
    arrays = {
        "scalar": np.array(7),
        "strided": np.arange(12.0).reshape(3, 4).T,
        "single": np.float32([[1.5]]),
        "empty": np.zeros((0, 2)),
    }
    save_arrays(tmp_path / "a.safetensors", arrays, {"note": "ü"})
    loaded, metadata = load_arrays(tmp_path / "a.safetensors")
    assert metadata == {"note": "ü"}
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        np.testing.assert_array_equal(loaded[name], array)


@pytest.fixture
def large(monkeypatch):
    """Let every checkpoint count as a large one."""
    monkeypatch.setattr("tinycnn.fit.checkpoint.LARGE", 0)


class Clock:
    """Seconds: one more at every look."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1
        return self.now


def test_a_large_checkpoint_is_written_beside_the_training_and_resumes_to_the_same_bits(
    large, make_training, tmp_path, monkeypatch
):
    path = tmp_path / "checkpoint.safetensors"
    writers = []

    def spy(path, content, new=False):
        writers.append(threading.current_thread().name)
        write_atomically(path, content, new)

    class StopAfterOneEpoch(Callback):
        def on_batch_end(self, training):
            if training.epoch == 1:
                raise KeyboardInterrupt  # a second Ctrl-C: nothing more is saved

    monkeypatch.setattr("tinycnn.storage.write_atomically", spy)
    whole, killed, resumed = (make_training() for _ in range(3))
    fit(whole)
    with pytest.raises(KeyboardInterrupt):
        fit(killed, [Checkpoint(path, {}), StopAfterOneEpoch()])
    assert writers == ["MainThread", "writes checkpoint.safetensors"]
    load_checkpoint(path, resumed)
    assert (resumed.epoch, resumed.batch) == (1, 0)
    fit(resumed, [Checkpoint(path, {})])
    for name, array in weights(whole).items():
        np.testing.assert_array_equal(weights(resumed)[name], array, err_msg=name)
    load_checkpoint(path, killed)
    assert killed.epoch == 3  # the end is always written


def test_a_large_checkpoint_is_written_more_rarely_than_epochs_end(
    large, make_training, tmp_path, monkeypatch
):
    path = tmp_path / "checkpoint.safetensors"
    training, at = make_training(epochs=40, schedule=False, validation=False), []

    def spy(path, content, new=False):
        at.append((training.epoch, threading.current_thread() is threading.main_thread()))
        write_atomically(path, content, new)

    class Wait(Callback):
        def on_epoch_end(self, training):
            for thread in threading.enumerate():
                if thread.name.startswith("writes "):
                    thread.join()

    monkeypatch.setattr("tinycnn.storage.write_atomically", spy)
    fit(training, [Checkpoint(path, {}, clock=Clock()), Wait()])
    assert (at[0], at[1], at[-1]) == ((0, True), (1, False), (40, True))
    assert len(at) < 10
    assert not any(in_main_thread for _, in_main_thread in at[1:-1])
    load_checkpoint(path, training)
    assert training.epoch == 40


def test_what_goes_wrong_while_a_large_checkpoint_is_written_is_raised(
    large, make_training, tmp_path, monkeypatch
):
    training = make_training(epochs=2)
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", {}, begin=False)

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        fit(training, [checkpoint])


def test_a_stop_between_two_epochs_is_saved(large, make_training, tmp_path):
    class StopAfter(Callback):
        def on_epoch_end(self, training):
            training.stop = "enough" if training.epoch == 2 else ""

    path = str(tmp_path / "checkpoint.safetensors")
    training, again = make_training(), make_training()
    fit(training, [Checkpoint(path, {}, clock=Clock()), StopAfter()])
    load_checkpoint(path, again)
    assert again.epoch == 2


def test_flipped_bits_are_noticed(make_training, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, make_training(), {})
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors is damaged"):
        load_checkpoint(path, make_training())


BAD_STATES = {
    "nothing": (lambda s: {}, "epoch, batch, seed, history, totals, optimizer, schedule missing"),
    "a list": (lambda s: [s], "is no whole checkpoint"),
    "epoch of another run": (lambda s: s | {"epoch": 9}, "epoch: 9 is above 3"),
    "a history of another": (
        lambda s: s | {"history": s["history"][1:]},
        "its history is not that of 2 epochs",
    ),
    "no history": (lambda s: s | {"history": "x"}, "history: 'x' is no list"),
    "a record without loss": (
        lambda s: s | {"history": [{"epoch": 1}] * 2},
        r"history: \[0\]: lr, loss, accuracy, val_loss, val_accuracy, seconds missing",
    ),
    "a batch too many": (lambda s: s | {"batch": 7}, "batch: 7 is above 6"),
    "a negative batch": (lambda s: s | {"batch": -1}, "batch: -1 is below 0"),
    "a fraction": (lambda s: s | {"epoch": 1.5}, "epoch: 1.5 is no integer"),
    "another place in the schedule": (
        lambda s: s | {"schedule": s["schedule"] | {"t": 5}},
        "its schedule made 5 steps, but 12 belong",
    ),
    "another learning rate": (
        lambda s: s | {"optimizer": s["optimizer"] | {"lr": 0.5}},
        "its learning rate is 0.5, this run's schedule says",
    ),
    "steps of text": (
        lambda s: s | {"optimizer": {"lr": 0.1, "steps": "many"}},
        "optimizer: steps: 'many' is no list",
    ),
    "totals": (lambda s: s | {"totals": {"loss": "0"}}, "totals: right, images missing"),
    "started": (lambda s: s | {"begun": False}, "nothing was trained yet, and holds more"),
}


@pytest.mark.parametrize("case", BAD_STATES)
def test_a_state_that_was_edited_says_what_is_wrong(case, make_training, tmp_path):
    change, says = BAD_STATES[case]
    path = tmp_path / "checkpoint.safetensors"
    training = make_training()

    class StopThere(Callback):
        def on_epoch_end(self, training):
            training.stop = "enough" if training.epoch == 2 else ""

    fit(training, [Checkpoint(path, {}), StopThere()])
    arrays, metadata = load_arrays(path)
    state = json.dumps(change(json.loads(metadata["training"])))
    save_arrays(path, arrays, metadata | {"training": state})
    with pytest.raises(ValueError, match=says):
        load_checkpoint(path, make_training())


def test_json_that_is_nested_too_deeply_or_too_long(make_training, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    for text, says in (("[" * 100_000, "nested too deeply"), ("{", "no JSON"), ("9" * 5000, "no JSON")):
        save_arrays(path, {}, {"training": text, "config": "{}"})
        with pytest.raises(ValueError, match=f"is no whole checkpoint of a training run: .*{says}"):
            load_checkpoint(path, make_training())


def test_a_file_keeps_its_permissions_and_a_new_one_has_the_usual(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "new", b"1")
        (tmp_path / "private").write_bytes(b"")
        (tmp_path / "private").chmod(0o600)
        write_atomically(tmp_path / "private", b"2")
    finally:
        os.umask(before)
    modes = {p.name: p.stat().st_mode & 0o777 for p in tmp_path.iterdir()}
    assert modes == {"new": 0o640, "private": 0o600}


def test_the_umask_stays_what_it_is_while_a_file_is_written(tmp_path, monkeypatch):
    def refuse(mask):
        raise AssertionError("other threads would see it")

    monkeypatch.setattr("os.umask", refuse)
    write_atomically(tmp_path / "file", b"1")


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").read_bytes() == b"new"


def test_of_two_that_make_a_new_file_one_succeeds(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"first", new=True)
    with pytest.raises(FileExistsError, match=r"there is a file .*file already"):
        write_atomically(path, b"second", new=True)

    def no_links(*args):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    with pytest.raises(FileExistsError):
        write_atomically(path, b"third", new=True)
    write_atomically(tmp_path / "other", b"fourth", new=True)
    assert path.read_bytes() == b"first"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "other"]


def test_the_files_are_what_safetensors_writes(tmp_path):
    theirs = pytest.importorskip("safetensors.numpy")
    arrays = {name: np.arange(6).reshape(2, 3).astype(name) for name in storage.DTYPES}
    save_arrays(tmp_path / "a.safetensors", arrays, {"note": "x"})
    assert theirs.load_file(tmp_path / "a.safetensors").keys() == arrays.keys()
    for name, array in theirs.load_file(tmp_path / "a.safetensors").items():
        np.testing.assert_array_equal(array, arrays[name])
        assert array.dtype == name
    swapped = {"x": np.arange(3, dtype=">f4")}
    save_arrays(tmp_path / "b.safetensors", swapped, {})
    np.testing.assert_array_equal(theirs.load_file(tmp_path / "b.safetensors")["x"], [0, 1, 2])
    with pytest.raises(TypeError, match="x: a safetensors file holds no complex64"):
        save_arrays(tmp_path / "c.safetensors", {"x": np.zeros(2, np.complex64)}, {})
