"""Compiled code of other versions is removed from the disk, and nothing else is."""

import os
import subprocess
import sys
from hashlib import sha256

import pytest

from tinycnn.kernels import kept


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kept, "_known", set())
    return tmp_path / "tinycnn" / "kernels"


def version(i):
    return sha256(str(i).encode()).hexdigest()


def old(folder, i, kind=""):
    """Make the folder of a version that was used i days after the first, with two files."""
    path = kept.folder_of(version(i), kind)
    path.mkdir(parents=True)
    for name in (f"kernel-{i}.bin", "half.part"):
        (path / name).write_bytes(b"code")
    os.utime(path, ns=(i * 86400 * 10**9,) * 2)
    return path


@pytest.mark.parametrize("kind", ["", "cuda"])
def test_the_versions_that_were_used_last_are_kept(folder, kind):
    versions = [old(folder, i, kind) for i in range(7)]
    others = [old(folder, i, "") for i in range(7)] if kind else [old(folder, i, "cuda") for i in range(7)]
    new = kept.folder_of(version("new"), kind)
    kept.write(new / "kernel.bin", b"code")
    assert [path.exists() for path in versions] == [False] * 4 + [True] * 3  # and the new one: four
    assert kept.read(new / "kernel.bin") == b"code"
    assert all(path.exists() for path in others)  # the other kind has its own four


def test_to_read_is_to_use(folder):
    versions = [old(folder, i) for i in range(6)]
    kept.write(versions[0] / "whole.bin", b"code")
    os.utime(versions[0], ns=(0, 0))
    kept._known.clear()  # as another process
    assert kept.read(versions[0] / "whole.bin") == b"code"
    kept._known.clear()
    kept.write(kept.folder_of(version("new")) / "kernel.bin", b"code")
    assert versions[0].exists()


def test_nothing_else_is_removed(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious.bin").write_bytes(b"mine")
    for i in range(6):
        old(folder, i)
    mine = kept.folder_of(version("mine"))
    mine.mkdir()
    (mine / "notes.txt").write_text("not a kernel")
    os.utime(mine, ns=(0, 0))
    link = folder / version("link")[:16]
    link.symlink_to(elsewhere, target_is_directory=True)
    (folder / "something else").mkdir()
    kept.write(kept.folder_of(version("new")) / "kernel.bin", b"code")
    assert (elsewhere / "precious.bin").exists()
    assert link.is_symlink()
    assert (folder / "something else").exists()
    assert (mine / "notes.txt").exists()


PROGRAM = """
import hashlib, sys
from tinycnn.kernels import kept
for i in range(60):
    version = hashlib.sha256(f"{sys.argv[1]} {i % 6}".encode()).hexdigest()
    path = kept.folder_of(version) / f"kernel-{i}.bin"
    try:
        kept.write(path, bytes(1000))
    except OSError:
        continue
    assert kept.read(path) in (None, bytes(1000))
    kept._known.clear()  # every write removes
"""


def test_several_processes_remove_and_write_at_once(folder):
    command = [sys.executable, "-c", PROGRAM]
    running = [subprocess.Popen([*command, str(i)], stderr=subprocess.PIPE, text=True) for i in range(3)]
    for process in running:
        _, error = process.communicate()
        assert process.returncode == 0, error
    kept.write(kept.folder_of(version("last")) / "kernel.bin", b"code")
    assert len(list(folder.iterdir())) == kept.VERSIONS
    for path in folder.rglob("*.bin"):
        assert kept.read(path) is not None  # whole
