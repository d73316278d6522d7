import json

import pytest

from tests.helpers.few_digits import write_digits
from tinycnn.cli import main


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory):
    """images.npy and labels.npy with 400 digits."""
    return write_digits(tmp_path_factory.mktemp("data") / "some-digits", 400)


@pytest.fixture(scope="session")
def trained(digits_folder, tmp_path_factory):
    """The folder of a short run of LeNet-5."""
    folder = tmp_path_factory.mktemp("runs") / "lenet"
    command = ["train", "--data", digits_folder, "--model", "lenet5", "--epochs", 2, "--out", folder]
    assert main([*map(str, command), "--lr", "0.01"]) == 0
    return folder


@pytest.fixture
def tinycnn_json(capsys):
    """Run a command with --json; return its exit status and the object it printed."""

    def run(*command):
        status = main([*map(str, command), "--json"])
        out = capsys.readouterr().out
        assert out.count("\n") == 1  # one object and nothing else
        return status, json.loads(out)

    return run


@pytest.fixture
def refused(capsys, tmp_path, monkeypatch):
    """Run a command that must end with status 2 and leave nothing behind; return what it says."""
    monkeypatch.chdir(tmp_path)

    def run(*command):
        try:
            status = main(list(command))
        except SystemExit as exit_:
            status = exit_.code
        assert status == 2
        assert list(tmp_path.iterdir()) == []
        return capsys.readouterr().err

    return run
