"""What becomes of a kernel: NVIDIA's tools say it without a GPU.

There are two ways from Numba's code to a GPU's. `compiled` takes the one whose text can be read: PTX, then
the assembler. `built` takes the one that a launch takes: intermediate code that the linker optimises again.
"""

from __future__ import annotations

import importlib
import re
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from .launch import Capability
from .target import Kernel, Kinds


class Compiled(NamedTuple):
    """A kernel as the assembler sees it. Counts are of instructions as written, loops counted once."""

    registers: int  # of a thread
    spilled: int  # bytes that found no register and go to slow memory and back
    shared: int  # bytes of shared memory of a block, known at compile time
    products: int  # multiply-and-add instructions
    loads: int  # from global and shared memory
    wide_loads: int  # of these, with 128 bits
    tensor: int  # instructions of a tensor core
    text: str  # PTX, the assembly language


def assembler() -> str:
    """Return where NVIDIA's assembler ``ptxas`` is: in a wheel that numba-cuda brings, or a toolkit.

    Raises
    ------
    FileNotFoundError
        Where it is in neither.
    """
    pathfinder: Any = importlib.import_module("cuda.pathfinder")
    if found := pathfinder.find_nvidia_binary_utility("ptxas"):
        return str(found)
    raise FileNotFoundError("ptxas, NVIDIA's assembler, comes with 'tinycnn[cuda-check]'")


def compiled(kernel: Kernel, kinds: Kinds, capability: Capability) -> Compiled:
    """Compile `kernel` for a GPU of compute `capability` and let the assembler report.

    Raises
    ------
    FileNotFoundError
        Where there is no assembler.
    RuntimeError
        With the assembler's own words, where it refuses the kernel.
    """
    ptxas, text = assembler(), kernel.ptx(kinds, capability)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(text)
        target = "-arch=sm_{}{}".format(*capability)
        command = [ptxas, "-v", target, str(source), "-o", str(source.with_suffix(".cubin"))]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ptxas: {done.stderr}")
    loads = re.findall(r"\bld\.(?:global|shared)\S*", text)
    registers, spilled, shared = (
        sum(map(int, re.findall(pattern, done.stderr)))
        for pattern in (r"Used (\d+) registers", r"(\d+) bytes spill", r"(\d+) bytes smem")
    )
    return Compiled(
        registers,
        spilled,
        shared,
        text.count("fma.rn.f32"),
        len(loads),
        sum(".v4" in load for load in loads),
        text.count("mma.sync"),
        text,
    )


class Built(NamedTuple):
    """A kernel as it is loaded onto a GPU."""

    registers: int  # of a thread
    stack: int  # bytes of slow memory of a thread: what found no register
    shared: int  # bytes of shared memory of a block, known at compile time


# In a cubin's section .nv.info: what an entry says of a function, and its number in NVIDIA's tools.
REGISTER_COUNT, FRAME_SIZE = 0x2F, 0x11
WITH_SIZE = 4  # the form of entries that say how long they are


def built(kernel: Kernel, kinds: Kinds, capability: Capability) -> Built:
    """Build what a launch would load onto a GPU of compute `capability`, and read what it uses."""
    name, code = kernel.cubin(kinds, capability)
    found = sections(code)
    said = _entries(found[".nv.info"])
    return Built(
        max(said[REGISTER_COUNT]),
        max(said.get(FRAME_SIZE, [0])),
        len(found.get(f".nv.shared.{name}", b"")) - 1024 * (capability >= (9, 0)),
    )


def sections(code: bytes) -> dict[str, bytes]:
    """Return the sections of an ELF file (little endian, 64 bits), by name."""
    (table,) = struct.unpack_from("<Q", code, 40)
    size, count, of_names = struct.unpack_from("<HHH", code, 58)
    heads = [struct.unpack_from("<IIQQQQ", code, table + i * size) for i in range(count)]
    names = code[heads[of_names][4] :]
    nothing = 8  # the kind of a section that takes memory but no place in the file
    return {
        names[name : names.index(b"\0", name)].decode(): (
            bytes(length) if kind == nothing else code[start : start + length]
        )
        for name, kind, _, _, start, length in heads
    }


def _entries(info: bytes) -> dict[int, list[int]]:
    """Return what .nv.info says, by the entries' number: a value for every function."""
    found: dict[int, list[int]] = {}
    place = 0
    while place < len(info):
        form, number, size = struct.unpack_from("<BBH", info, place)
        place += 4
        if form == WITH_SIZE:
            *_, value = struct.unpack_from(f"<{size // 4}I", info, place)
            found.setdefault(number, []).append(value)
            place += size
    return found
