"""The command line in surroundings that a user may have: notebooks, terminals, encodings, no home."""

import contextlib
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tinycnn.cli import main
from tinycnn.cli.common import as_json
from tinycnn.data import digits

TOY = ["gan-toy", "--steps", "1", "--frames", "1", "--out", "toy"]


def tinycnn(*command, cwd, shell=None, **environment):
    command = [sys.executable, "-m", "tinycnn", *map(str, command)]
    if shell is not None:
        command = ["sh", "-c", f'exec "$0" "$@" {shell}', *command]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, errors="replace"
    )


@pytest.mark.parametrize(
    "backend", ["module://matplotlib_inline.backend_inline", "module://not.installed", "GTKAgg"]
)
def test_a_notebooks_backend_of_matplotlib_is_not_asked_for(backend, tmp_path):
    done = tinycnn(*TOY, cwd=tmp_path, MPLBACKEND=backend)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "toy" / "toy.png").stat().st_size > 10_000


def test_pictures_need_no_tex(tmp_path):
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")
    environment = {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "PATH": str(tmp_path)}
    environment["TINYCNN_BACKEND"] = "numpy"  # the stand-in for CuPy needs a C++ compiler from the PATH
    done = tinycnn(*TOY, cwd=tmp_path, **environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_output_in_an_encoding_that_lacks_a_name(trained, tmp_path):
    Image.fromarray(digits()[1].images[0, 0]).save(tmp_path / "猫.png")
    done = tinycnn("predict", "猫.png", "--run", trained, cwd=tmp_path, PYTHONIOENCODING="cp1252")
    assert done.returncode == 0
    assert done.stdout.startswith("?.png: ")


def test_names_that_are_not_utf8(trained, tmp_path):
    done = tinycnn("predict", os.fsdecode(b"\xfe.png"), "--run", trained, cwd=tmp_path)
    assert done.returncode == 1
    assert "there is no picture" in done.stderr
    assert "Traceback" not in done.stderr


def test_control_characters_in_names_do_not_reach_the_terminal(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    name = "a\x1b[31m\nb.png"
    Image.fromarray(digits()[1].images[0, 0]).save(tmp_path / name, "PNG")
    assert main(["predict", name, "--run", str(trained)]) == 0
    assert main(["predict", "no\x1b[31m\nb.png", "--run", str(trained)]) == 1
    said = capsys.readouterr()
    for text in said:
        assert "\x1b" not in text
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("closed", ["2>&-", "<&-", "<&- 2>&-"])
def test_a_standard_stream_may_be_closed(closed, digits_folder, tmp_path):
    options = ["--data", digits_folder, "--model", "lenet5", "--epochs", 1]
    done = tinycnn("train", *options, "--out", "run", cwd=tmp_path, shell=closed)
    assert done.returncode == 0
    assert "test accuracy" in done.stdout
    assert main(["evaluate", str(tmp_path / "run")]) == 0  # nothing was written into its files


def test_an_error_without_a_stderr_is_not_told_to_stdout(tmp_path):
    done = tinycnn("evaluate", "nowhere", "--json", cwd=tmp_path, shell="2>&-")
    assert done.returncode == 2
    assert "there are no weights" in json.loads(done.stdout)["error"]


def test_without_a_home_folder(tmp_path):
    """The user has no entry among the users, and HOME is not set."""
    code = (
        "import os, pathlib, pwd, sys\n"
        "def nobody(*args): raise KeyError('uid not found')\n"
        "pwd.getpwuid = nobody\n"
        "from tinycnn.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    environment = {
        name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")
    }
    for command, status in ((["info"], 0), (TOY, 0), (["train", "--data", "mnist"], 1)):
        done = subprocess.run(
            [sys.executable, "-c", code, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
    assert "there is no home folder to download to: set TINYCNN_DATA" in done.stderr


@pytest.mark.parametrize("case", ["missing", "folder", "pipe", "empty"])
def test_predict_says_what_is_wrong_with_a_path(case, trained, tmp_path, capsys):
    path = tmp_path / "picture.png"
    says = {
        "missing": "there is no picture",
        "folder": "is a folder: name the picture files in it",
        "pipe": "is no file",
        "empty": "no picture that Pillow can read",
    }[case]
    if case == "folder":
        path.mkdir()
    elif case == "pipe":
        os.mkfifo(path)
    elif case == "empty":
        path.touch()
    assert main(["predict", str(path), "--run", str(trained)]) == 1
    err = capsys.readouterr().err
    assert str(path) in err
    assert says in err
    assert "class folder" not in err
    assert "move it away" not in err


def test_json_has_no_nan():
    text = as_json({"loss": float("nan"), "all": [float("inf"), 1.5, {"x": -float("inf")}], "name": "nan"})
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name)) == {
        "loss": None,
        "all": [None, 1.5, {"x": None}],
        "name": "nan",
    }


def test_a_result_without_a_number_is_json(digits_folder, tmp_path, capsys):
    """An epoch of 4 batches: G of WGAN-GP makes its first step after 5."""
    options = ["--data", digits_folder, "--g-width", 4, "--d-width", 4, "--batch-size", 80, "--epochs", 1]
    command = ["gan", *options, "--loss", "wgan-gp", "--out", tmp_path / "run", "--json"]
    assert main([*map(str, command)]) == 0
    said = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(name))
    assert said["history"][0]["G_loss"] is None


@pytest.mark.parametrize("asks", ["--json", "--j"])
def test_wrong_use_is_json_if_the_arguments_ask_for_it(asks, capsys):
    with pytest.raises(SystemExit):
        main(["train", "--epochs", "x", asks])  # which sys.argv does not have
    assert "'x' is no integer" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.slow
def test_two_runs_that_are_started_together_have_folders_of_their_own(digits_folder, tmp_path):
    options = ["--data", str(digits_folder), "--model", "lenet5", "--epochs", "1"]
    command = [sys.executable, "-m", "tinycnn", "train", *options]
    runs = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) for _ in range(3)]
    for run in runs:
        run.communicate()
        assert run.returncode == 0
    assert len(list((tmp_path / "runs").glob("*/weights.safetensors"))) == 3


@pytest.mark.slow
def test_of_two_runs_with_the_same_folder_one_is_refused(digits_folder, tmp_path):
    options = ["--data", str(digits_folder), "--model", "lenet5", "--epochs", "1", "--out", "run"]
    command = [sys.executable, "-m", "tinycnn", "train", *options]
    runs = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    errors = [run.communicate()[1] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 2, 2]
    assert sum("holds a run already" in error for error in errors) == 2


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there are no such terminals here")
def test_a_terminal_that_is_closed_loses_no_epoch(digits_folder, tmp_path):
    options = ["--data", str(digits_folder), "--model", "lenet5", "--epochs", "40", "--out", "run"]
    command = [sys.executable, "-m", "tinycnn", "train", *options]
    run = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    run.stdout.readline()
    run.stdout.readline()  # the first epoch is over
    run.send_signal(signal.SIGHUP)
    _, err = run.communicate()
    assert run.returncode == 1
    assert "interrupted by SIGHUP" in err


def test_numbers_of_arrays_are_json():
    assert json.loads(as_json({"n": float(np.float32(0.5))})) == {"n": 0.5}


@pytest.mark.parametrize("name", ["loop", "no\0where", "x" * 5000, ""])
def test_paths_of_data_that_are_none(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    for command in ("train", "gan"):
        with pytest.raises(SystemExit) if not name or len(name) > 4096 else contextlib.nullcontext():
            assert main([command, "--data", name]) in (1, 2)
        assert capsys.readouterr().err.splitlines()[-1].startswith("tinycnn")


def test_even_a_mistake_of_this_program_is_json(monkeypatch, capsys):
    def mistaken(args, say):
        return {}["no such key"]

    monkeypatch.setattr("tinycnn.cli.info.run", mistaken)
    with pytest.raises(KeyError):  # Python prints where it happened
        main(["info", "--json"])
    assert json.loads(capsys.readouterr().out) == {"error": "KeyError: 'no such key'"}
