import errno
import os
import signal

import numpy as np
import pytest

from tinycnn import nn, optim
from tinycnn.fit import Callback, Checkpoint, fit, load_checkpoint, save_checkpoint
from tinycnn.storage import load_arrays, save_arrays, write_atomically

KINDS = {
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "momentum": lambda params, lr: optim.SGD(params, lr, momentum=0.9, nesterov=True),
    "sgd": optim.SGD,
}


class StopAt(Callback):
    """Send this process Ctrl-C after one batch."""

    def __init__(self, epoch, batch):
        self.at = epoch, batch

    def on_batch_end(self, training):
        if (training.epoch, training.batch) == self.at:
            os.kill(os.getpid(), signal.SIGINT)


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


def test_ctrl_c_is_the_users_again_after_fit(make_training):
    before = signal.getsignal(signal.SIGINT)
    fit(make_training(epochs=1))
    assert signal.getsignal(signal.SIGINT) is before


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
