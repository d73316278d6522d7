"""What becomes of a kernel: NVIDIA's assembler says it without a GPU."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from .target import Kernel, Kinds

WHEELS = ("nvidia-cuda-nvcc-cu12", "nvidia-cuda-nvcc")


class Compiled(NamedTuple):
    """A kernel as the assembler sees it. Counts are of instructions as written, loops counted once."""

    registers: int  # of a thread
    spilled: int  # bytes that found no register and go to slow memory and back
    shared: int  # bytes of shared memory of a block, known at compile time
    products: int  # multiply-and-add instructions
    loads: int  # from global and shared memory
    wide_loads: int  # of these, with 128 bits
    text: str  # PTX, the assembly language


def assembler() -> Path:
    """Return where NVIDIA's assembler ``ptxas`` is: in a wheel that numba-cuda brings, or on the path.

    Raises
    ------
    FileNotFoundError
        Where it is in neither.
    """
    for wheel in WHEELS:
        try:
            files = metadata.files(wheel) or []
        except metadata.PackageNotFoundError:
            continue
        for file in files:
            if file.name == "ptxas":
                return Path(str(file.locate()))
    if found := shutil.which("ptxas"):
        return Path(found)
    raise FileNotFoundError("ptxas, NVIDIA's assembler, comes with 'tinycnn[cuda-check]'")


def compiled(kernel: Kernel, kinds: Kinds, capability: tuple[int, int]) -> Compiled:
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
        command = [str(ptxas), "-v", target, str(source), "-o", str(source.with_suffix(".cubin"))]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ptxas: {done.stderr}")
    used, shared = (
        re.search(r"Used (\d+) registers", done.stderr),
        re.search(r"(\d+) bytes smem", done.stderr),
    )
    loads = re.findall(r"\bld\.(?:global|shared)\S*", text)
    return Compiled(
        int(used[1]) if used else 0,
        sum(map(int, re.findall(r"(\d+) bytes spill", done.stderr))),
        int(shared[1]) if shared else 0,
        text.count("fma.rn.f32"),
        len(loads),
        sum(".v4" in load for load in loads),
        text,
    )
