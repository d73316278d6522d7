import gzip
import io
import json
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from tinycnn import nn, optim, storage
from tinycnn.data.picture import read_picture
from tinycnn.fit.saved import load_picture
from tinycnn.gan.networks import Discriminator, Generator
from tinycnn.gan.saved import load_discriminator, load_generator, save_networks
from tinycnn.pictures import save_png
from tinycnn.storage import load_arrays, load_weights
from tinycnn.tensor import Tensor


def test_every_type_of_pytorchs_that_numpy_has(tmp_path, torch):
    import safetensors.torch

    kinds = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64")
    tensors = {kind: torch.ones(2, 3).to(getattr(torch, kind)) for kind in kinds}
    safetensors.torch.save_file(tensors, tmp_path / "w.safetensors", {"format": "pt"})
    arrays, metadata = load_arrays(tmp_path / "w.safetensors")
    assert metadata == {"format": "pt"}
    assert {name: str(array.dtype) for name, array in arrays.items()} == {kind: kind for kind in kinds}


def test_bfloat16_becomes_float32(tmp_path, torch, rng):
    import safetensors.torch

    x = torch.tensor(rng.standard_normal((3, 5))).bfloat16()
    x[0, 0], x[0, 1], x[0, 2] = torch.inf, torch.nan, -0.0
    tensors = {"a": torch.ones(7), "b": x, "c": x[1].clone(), "scalar": x[2, 2].clone()}
    safetensors.torch.save_file(tensors, tmp_path / "w.safetensors")
    arrays, _ = load_arrays(tmp_path / "w.safetensors")
    for name, tensor in tensors.items():
        assert arrays[name].dtype == np.float32
        assert arrays[name].shape == tuple(tensor.shape)
        assert arrays[name].tobytes() == tensor.float().numpy().tobytes()


@pytest.mark.parametrize("kind", ["float8_e4m3fn", "float8_e5m2"])
def test_a_type_that_numpy_lacks_is_named(kind, tmp_path, torch):
    import safetensors.torch

    safetensors.torch.save_file({"w": torch.ones(2).to(getattr(torch, kind))}, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"w\.safetensors: 'w' has the type F8_E.*save it as float32"):
        load_arrays(tmp_path / "w.safetensors")


def test_pytorchs_weights_are_loaded_as_the_message_says(tmp_path, torch, rng):
    import safetensors.torch

    twin = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    path, model = tmp_path / "w.safetensors", nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    safetensors.torch.save_file(twin.state_dict(), path)
    with pytest.raises(ValueError, match=r"there is no config in it.*load_state_dict\(.*load_arrays\(path\)"):
        load_weights(path)
    model.load_state_dict(storage.load_arrays(path)[0])
    for name, tensor in twin.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name].numpy(), tensor.numpy())


def saved_by_torch(torch, old):
    content = io.BytesIO()
    torch.save({"w": torch.ones(2)}, content, _use_new_zipfile_serialization=not old)
    return content.getvalue()


@pytest.mark.parametrize("old", [False, True], ids=["zip", "pickle"])
def test_a_pickle_of_pytorchs_is_said_to_be_one(old, tmp_path, torch):
    (tmp_path / "w.pth").write_bytes(saved_by_torch(torch, old))
    with pytest.raises(ValueError, match=r"w\.pth is no whole .* file: it holds a pickle.*save_file"):
        load_arrays(tmp_path / "w.pth")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
OTHERS = {
    "Git LFS": (POINTER, "pointer of Git LFS.*git lfs pull"),
    "pickle": (pickle.dumps({"w": [1.0, 2.0]}), "holds a pickle"),
    "gzip": (gzip.compress(bytes(100)), "gzip"),
    "web page": (b"<!DOCTYPE html><html>", "web page"),
    "Keras": (b"\x89HDF\r\n\x1a\n" + bytes(90), "HDF5"),
    "empty": (b"", "no whole safetensors file"),
    "text": (b"hello, world. This is text", "no whole safetensors file"),
}


@pytest.mark.parametrize(("content", "says"), OTHERS.values(), ids=OTHERS)
def test_other_files_are_said_to_be_what_they_are(content, says, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=says) as caught:
        load_arrays(tmp_path / "w.safetensors")
    assert str(tmp_path / "w.safetensors") in str(caught.value)


@pytest.mark.parametrize("first", range(256))
def test_a_header_of_any_length_is_no_other_file(first, tmp_path):
    header = json.dumps({"__metadata__": {"note": ""}})
    header = header.replace('""', '"' + "x" * ((first - len(header)) % 256) + '"')
    assert len(header) % 256 == first
    content = len(header).to_bytes(8, "little") + header.encode()
    (tmp_path / "w").write_bytes(content)
    assert set(load_arrays(tmp_path / "w")[1]) == {"note"}


def layer():
    return nn.Linear(2, 3)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.net."])
def test_a_prefix_of_all_names_is_recognised(prefix):
    state = {prefix + name: tensor for name, tensor in layer().state_dict().items()}
    model = layer()
    with pytest.raises(ValueError, match="All names begin with '" + re.escape(prefix)) as caught:
        model.load_state_dict(state)
    hint = str(caught.value).rpartition("load ")[2]
    loaded = eval(hint, {"state": state})
    model.load_state_dict(loaded)
    np.testing.assert_array_equal(model.weight.numpy(), state[prefix + "weight"].numpy())
    assert "prefix" not in message(model, state | {"other": np.ones(1)})


def message(model, state):
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=f"do not fit {type(model).__name__}: ") as caught:
        model.load_state_dict(state)
    for name, tensor in model.state_dict().items():  # nothing was copied
        np.testing.assert_array_equal(tensor.numpy(), before[name])
    return str(caught.value)


GOOD, BIAS = np.ones((3, 2)), np.zeros(3)
UNFIT = {
    "strings": (np.array(["1", "2", "3"]), r"bias must hold real numbers, got <U1"),
    "complex": (np.ones(3, complex), "bias must hold real numbers, got complex128"),
    "objects": (np.array([None, 1, 2]), "bias must hold real numbers, got object"),
    "dates": (np.zeros(3, "M8[s]"), "bias must hold real numbers, got datetime64"),
    "text": ("hello", r"bias must have shape \(3,\), got \(\)"),
    "a ragged list": ([[1], [2, 3]], r"bias cannot be read as an array \(setting an array element"),
}


@pytest.mark.parametrize(("value", "says"), UNFIT.values(), ids=UNFIT)
def test_what_is_no_array_of_numbers_is_named_and_nothing_is_copied(value, says):
    assert re.search(says, message(layer(), {"weight": GOOD, "bias": value}))
    assert re.search(says, message(layer(), {"bias": value, "weight": GOOD}))


def test_pytorchs_tensors_that_numpy_cannot_read_are_named(torch):
    bfloat16 = {"weight": torch.ones(3, 2), "bias": torch.zeros(3).bfloat16()}
    assert "bias cannot be read as an array (Got unsupported ScalarType BFloat16" in message(
        layer(), bfloat16
    )
    needs_gradient = dict(torch.nn.Linear(2, 3).named_parameters())
    assert "weight cannot be read as an array" in message(layer(), needs_gradient)


def test_counts_are_not_rounded_and_read_only_weights_not_written():
    model = nn.BatchNorm2d(2)
    state = dict(model.state_dict())
    model.load_state_dict(state | {"num_batches_tracked": np.float32(7)})
    assert model.num_batches_tracked.item() == 7
    assert "must hold integers, got float64" in message(model, state | {"num_batches_tracked": np.array(0.5)})
    model.weight.data.flags.writeable = False
    assert "weight is read-only" in message(model, state)


def test_a_message_stays_short_whatever_the_names_are():
    long, odd = "x" * 10_000, "a\n\x1b[31mb\udcff"
    state = {"weight": GOOD, "bias": BIAS} | {f"{n}": BIAS for n in range(100_000)} | {long: BIAS, odd: BIAS}
    assert len(message(layer(), state)) < 2000
    said = message(layer(), {"weight": GOOD, "bias": BIAS, long: BIAS, odd: BIAS})
    assert said.isprintable()
    assert len(said) < 300
    assert "and 99982 more" in message(layer(), state)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"weight": np.full((2, 3), np.nan)}, "6 of the 6 values of weight are NaN: they were copied"),
        ({"bias": np.array([1.0, np.nan])}, "1 of the 2 values of bias are NaN: they were copied"),
        (
            {"weight": np.full((2, 3), np.nan), "bias": np.full(2, np.nan)},
            "6 of the 6 values of weight are NaN, and 1 more arrays have some: they were copied",
        ),
    ],
)
def test_weights_that_are_nan_are_not_loaded_without_a_word(bad, says):
    model = nn.Linear(3, 2)
    with pytest.warns(RuntimeWarning, match=says) as warned:
        model.load_state_dict({"weight": np.ones((2, 3)), "bias": np.ones(2)} | bad)
    assert warned[0].filename == __file__  # it points at the call
    for name, array in bad.items():
        np.testing.assert_array_equal(model.state_dict()[name].numpy(), array)


def test_a_state_of_an_optimizer_that_is_nan_is_not_loaded_without_a_word():
    optimizer = optim.Adam([Tensor([1.0], requires_grad=True)])
    with pytest.warns(RuntimeWarning, match=r"1 of the 1 values of 0\.v are NaN"):
        optimizer.load_state_dict(optimizer.state_dict() | {"0.v": np.array([np.nan])})


def test_a_path_may_be_a_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = layer()
    storage.save_arrays("a", {"x": np.ones(2)}, {"note": "n"})
    assert load_arrays("a")[1] == {"note": "n"}
    storage.save_weights("w", model, {"model": "x"})
    assert load_weights("w")[1] == {"model": "x"}
    with pytest.raises(FileNotFoundError, match="there is no file nothing"):
        load_arrays("nothing")
    save_png(np.zeros((8, 8), np.uint8), "p.png")
    assert read_picture("p.png").shape == (8, 8)
    assert load_picture("p.png", (1, 4, 4)).shape == (1, 4, 4)
    G, D = Generator(latent=4, width=2), Discriminator(width=2)
    save_networks(".", G, D, {})
    assert load_generator(".")[0].latent == 4
    assert load_discriminator("discriminator.safetensors")[0].width == 2


def test_infinite_weights_may_be_meant():
    model = nn.Linear(3, 2)
    model.load_state_dict({"weight": np.ones((2, 3)), "bias": np.array([-np.inf, 0])})
    assert model.bias.tolist() == [-np.inf, 0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (os.mkfifo, "is no regular file"),
        (Path.mkdir, "is no regular file"),
        (lambda path: path.write_bytes(b"[" * 1001), "has 1,001 bytes, at most 1,000 fit"),
        (lambda path: path.write_bytes(b"[" * 1000), "it is no|nested too deeply"),
        (lambda path: path.write_bytes(b'"\xff"'), "utf-8"),
    ],
)
def test_a_json_file_that_is_none(make, says, tmp_path):
    make(tmp_path / "file")
    with pytest.raises(storage.FileError, match=f"file.*({says})"):
        storage.read_json(tmp_path / "file", 1000)


def test_a_json_file(tmp_path):
    (tmp_path / "file").write_text('{"a": "ä"}', encoding="utf-8")
    assert storage.read_json(tmp_path / "file", 1000) == {"a": "ä"}
    with pytest.raises(FileNotFoundError, match="there is no file"):
        storage.read_json(tmp_path / "other", 1000)
