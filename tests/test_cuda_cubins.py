"""Compiled CUDA kernels are kept on the disk, and no damage there makes one fail: no GPU is needed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda comes with the extra 'cuda-check'")

from tests.helpers import guarded
from tinycnn.kernels.cuda import cubins
from tinycnn.kernels.cuda.launch import Kernel
from tinycnn.kernels.cuda.target import device, shared

KINDS, CAPABILITY = ("f", "f", None), (9, 0)
SCALE = 3


def make(size=8, factor=2.0, more=False, threads=32, shift=1):
    """Return a kernel that uses a constant, a function with a constant of its own, and an instruction."""
    memory = shared(size)

    @device
    def scaled(x):
        return np.float32(factor) * x

    def plain(a, b, n):
        floats = memory()
        floats[0] = scaled(a[n])
        b[0] = floats[0] + np.float32(shift)

    def twice(a, b, n):
        floats = memory()
        floats[0] = scaled(a[n])
        b[0] = floats[0] * np.float32(shift)

    return Kernel(twice if more else plain, threads)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder of compiled kernels in this test."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return tmp_path / "tinycnn" / "kernels"


@pytest.fixture
def built(monkeypatch):
    """Return a list that gets one entry for each kernel that is compiled."""
    entries, build = [], Kernel._built

    def counted(self, kinds, capability):
        entries.append((kinds, capability))
        return build(self, kinds, capability)

    monkeypatch.setattr(Kernel, "_built", counted)
    return entries


def files(folder):
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def test_it_is_loaded_the_next_time(folder, built):
    first = make().cubin(KINDS, CAPABILITY)
    second = make().cubin(KINDS, CAPABILITY)
    assert first == second
    assert first[1].startswith(b"\x7fELF")
    assert len(built) == len(files(folder)) == 1


PROGRAM = """
import hashlib
from tinycnn.kernels.cuda import pooling, products
from tinycnn.kernels.cuda.launch import Kernel, probe
build, count = Kernel._built, 0
def counted(self, kinds, capability):
    global count
    count += 1
    return build(self, kinds, capability)
Kernel._built = counted
texts = []
product = products.product_kernel(list(products.TILES)[2], True, True)
pool = pooling.MAX_KERNEL
for kernel, kinds in (
    (probe, ("f",)), (product, ("f", "f", "f", "f", *[None] * 6)), (pool, ("f", "f", "i", 16, None, None))
):
    name, code = kernel.cubin(kinds, (9, 0))
    assert code.startswith(b"\\x7fELF") and name.encode() in code
    texts.append(hashlib.sha256(name.encode() + code).hexdigest())
print(count, *texts)
"""


def test_several_processes_fill_an_empty_folder_at_once_and_a_later_one_compiles_nothing(folder):
    def start(seed):
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def said(process):
        output, error = process.communicate()
        assert process.returncode == 0, error
        count, *texts = output.split()
        return int(count), texts

    first = [said(process) for process in [start(seed) for seed in range(3)]]
    assert max(count for count, _ in first) == 3
    count, texts = said(start(3))
    assert count == 0
    for text, *compiled in zip(texts, *(texts for _, texts in first), strict=True):
        assert text in compiled
    assert len(files(folder)) == 3  # the same for all, and nothing half written


def pipe_instead(path):
    path.unlink()
    os.mkfifo(path)


def changed(change):
    return lambda path: path.write_bytes(change(bytearray(path.read_bytes())))


def flipped(place):
    def change(content):
        content[int(place * (len(content) - 1))] ^= 1
        return content

    return changed(change)


DAMAGES = {
    "empty": changed(lambda content: b""),
    "half": changed(lambda content: content[: len(content) // 2]),
    "one byte more": changed(lambda content: content + b"0"),
    "zeros": changed(lambda content: bytes(len(content))),
    **{f"a bit at {place}": flipped(place) for place in (0, 0.02, 0.5, 1)},
    "removed": Path.unlink,
    "a pipe": pipe_instead,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_is_compiled_and_written_again(folder, built, name):
    make().cubin(KINDS, CAPABILITY)
    (path,) = files(folder)
    DAMAGES[name](path)
    name, code = make().cubin(KINDS, CAPABILITY)
    assert code.startswith(b"\x7fELF")
    assert name.encode() in code
    assert len(built) == 2
    assert make().cubin(KINDS, CAPABILITY) == (name, code)
    assert len(built) == 2
    assert files(folder) == [path]


def test_the_code_of_another_kernel_under_its_name_is_not_taken(folder, built):
    make().cubin(KINDS, CAPABILITY)
    (one,) = files(folder)
    make(factor=5.0).cubin(KINDS, CAPABILITY)
    (other,) = set(files(folder)) - {one}
    one.write_bytes(other.read_bytes())
    make().cubin(KINDS, CAPABILITY)
    assert len(built) == 3


def with_scale():
    def kernel(a, b, n):
        b[0] = a[n] * np.float32(SCALE)

    return Kernel(kernel, 32)


def key(kernel):
    return cubins._key(kernel.function, (KINDS, kernel.bounds, CAPABILITY))


@pytest.mark.parametrize(
    "other", [{"size": 16}, {"factor": 5.0}, {"more": True}, {"threads": 64}, {"shift": 1.0}, {"shift": True}]
)
def test_other_code_has_another_key(other):
    assert key(make()) == key(make())
    assert key(make(**other)) != key(make())


def test_other_arguments_and_another_gpu_are_compiled_anew(folder, built):
    for kinds in (KINDS, ("f", "i", None)):
        for capability in (CAPABILITY, (8, 0)):
            for _ in range(2):
                make().cubin(kinds, capability)
    assert len(built) == len(files(folder)) == 4


def test_a_global_a_setting_and_a_version_change_the_key(monkeypatch):
    keys = [key(with_scale())]
    monkeypatch.setitem(globals(), "SCALE", 4)
    keys.append(key(with_scale()))
    monkeypatch.setenv("NUMBA_OPT", "1")
    keys.append(key(with_scale()))
    toolchain, version = cubins._toolchain.__wrapped__, cubins.metadata.version
    monkeypatch.setattr(cubins, "_toolchain", toolchain)
    assert key(with_scale()) == keys[-1]
    monkeypatch.setattr(
        cubins.metadata, "version", lambda name: "0" if name == "numba-cuda" else version(name)
    )
    keys.append(key(with_scale()))
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path.name == "intrinsics.py"))
    keys.append(key(with_scale()))
    assert len(set(keys)) == 5


def test_what_has_no_key_is_compiled_every_time(folder, built):
    def kernel(a, b, n):
        b[0] = a[n] * np.float32(guarded.LEAST)  # of a module that may change

    guarded.LEAST = 2
    try:
        for _ in range(2):
            Kernel(kernel, 32).cubin(KINDS, CAPABILITY)
    finally:
        del guarded.LEAST
    assert len(built) == 2
    assert files(folder) == []


@pytest.mark.parametrize("reason", ["a file in place of the folder", "no home", "no permission"])
def test_where_nothing_can_be_written_it_is_compiled_every_time(tmp_path, folder, built, monkeypatch, reason):
    def fails(*_, **__):
        raise RuntimeError("no home") if reason == "no home" else PermissionError("not yours")

    if reason == "no permission":
        monkeypatch.setattr(cubins.kept.tempfile, "NamedTemporaryFile", fails)
    elif reason == "no home":
        monkeypatch.delenv("NUMBA_CACHE_DIR")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(Path, "home", fails)
    else:
        (tmp_path / "tinycnn").touch()
    for _ in range(2):
        assert make().cubin(KINDS, CAPABILITY)[1].startswith(b"\x7fELF")
    assert len(built) == 2
    assert not [path for path in files(folder) if path.is_file()]


def test_another_version_has_a_folder_of_its_own(folder, built, monkeypatch):
    make().cubin(KINDS, CAPABILITY)
    monkeypatch.setattr(cubins, "_toolchain", lambda: "a new compiler")
    make().cubin(KINDS, CAPABILITY)
    assert len(built) == 2
    one, other = files(folder)
    assert one.parent != other.parent
    assert {one.parent.name[:5], other.parent.name[:5]} == {"cuda-"}
