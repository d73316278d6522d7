"""Compiled code is kept on the disk, and nothing that happens to the disk makes a kernel fail."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinycnn.kernels.cpu import compiled as module
from tinycnn.kernels.cpu.compiled import compiled


def triple(x):
    return 3 * x


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where compiled code is kept in this test."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    module._folder.cache_clear()
    yield tmp_path / "tinycnn" / "kernels"
    module._folder.cache_clear()


def run():
    """Run the kernel as a new process would, and return whether it was loaded from the disk."""
    kernel = compiled(triple)
    assert kernel(14) == 42
    assert kernel(0.5) == 1.5  # compiled for another type: not the code of the first
    hits, misses = (sum(found.values()) for found in (kernel.stats.cache_hits, kernel.stats.cache_misses))
    assert hits + misses == 2
    return hits == 2


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_it_is_loaded_the_next_time(folder):
    assert not run()
    assert len(files(folder)) == 2
    assert run()


def test_numbas_own_variable_says_where(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "elsewhere"))
    run()
    assert len(files(tmp_path / "elsewhere")) == 2
    assert not folder.exists()


def rewritten(change):
    return lambda path: path.write_bytes(change(bytearray(path.read_bytes())))


def flipped(place):
    def change(content):
        content[int(place * (len(content) - 1))] ^= 1
        return content

    return rewritten(change)


def folder_instead(path):
    path.unlink()
    path.mkdir()
    (path / "something").touch()


def endless_link(path):
    path.unlink()
    path.symlink_to(path.name)


def pipe_instead(path):
    path.unlink()
    os.mkfifo(path)


DAMAGES = {
    "empty": rewritten(lambda content: b""),
    "one byte": rewritten(lambda content: content[:1]),
    "only the checksum": rewritten(lambda content: content[:32]),
    "half": rewritten(lambda content: content[: len(content) // 2]),
    "one byte less": rewritten(lambda content: content[:-1]),
    "one byte more": rewritten(lambda content: content + b"0"),
    "zeros": rewritten(lambda content: bytes(len(content))),
    "random": rewritten(lambda content: np.random.default_rng(0).bytes(len(content))),
    "text": rewritten(lambda content: b"no code at all\n" * 100),
    **{f"a bit at {place}": flipped(place) for place in (0, 0.001, 0.1, 0.5, 0.9, 1)},
    "removed": Path.unlink,
    "a link to itself": endless_link,
    "a pipe": pipe_instead,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_is_compiled_and_written_again(folder, name):
    run()
    for path in files(folder):
        DAMAGES[name](path)
    assert not run()
    assert run()


def test_files_that_were_exchanged_are_not_taken(folder):
    run()
    a, b = files(folder)
    content = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(content)
    assert not run()
    assert run()


def test_a_folder_in_place_of_a_file(folder):
    run()
    for path in files(folder):
        folder_instead(path)
    assert not run()
    assert not run()


def test_where_nothing_can_be_written_it_is_compiled_every_time(folder, tmp_path, monkeypatch):
    (tmp_path / "tinycnn").touch()  # a file in place of the folder
    assert not run()
    assert not run()


def test_without_a_home_it_is_compiled_every_time(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    module._folder.cache_clear()
    try:
        assert not run()
        assert not run()
    finally:
        module._folder.cache_clear()


@pytest.mark.parametrize("space", [0, 100, 5000])
def test_on_a_full_disk_it_is_compiled_every_time_and_nothing_is_left(folder, space):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (space, before[1]))
    try:
        assert not run()
        assert not run()
        assert files(folder) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not run()
    assert run()


PROGRAM = """
import sys
import numpy as np
from pathlib import Path
from tinycnn.kernels import cpu
from tinycnn.kernels.geometry import pool2d_geometry
sys.stderr.isatty = lambda: True
package = Path(cpu.__file__).parent
before = sorted(package.rglob("*.nb?"))
for dtype in "fd":
    x = np.ones((1, 1, 2, 2), dtype)
    assert cpu.sum_pool2d(x, pool2d_geometry(x.shape, 2)).item() == 4
assert sorted(package.rglob("*.nb?")) == before
"""


@pytest.mark.slow
def test_several_processes_fill_an_empty_folder_at_once(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)

    def start():
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def said(process):
        _, error = process.communicate()
        assert process.returncode == 0, error
        return error

    first = [said(process) for process in [start() for _ in range(4)]]
    assert any("compiling kernels, once" in error for error in first)
    assert said(start()) == ""  # a later process loads what the first ones compiled
    assert list((tmp_path / "tinycnn" / "kernels").rglob("*.bin"))
    assert not list(tmp_path.rglob("*.part"))


def test_where_numba_compiles_nothing_the_others_serve():
    program = """
import numpy as np
from tinycnn import Tensor, functional as F
from tinycnn.choice import why_not
from tinycnn.dispatch import kernels_for
large = np.ones(1 << 12)
assert F.relu(Tensor(large)).numpy().sum() == large.size
print(kernels_for(large).name, why_not("cpu"))
"""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout == "im2col NUMBA_DISABLE_JIT is set\n", done.stderr
