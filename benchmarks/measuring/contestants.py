"""Who is measured, and the environment that each one's process starts with."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]  # the checkout this file belongs to: its tinycnn is measured

# Every pool of threads that a contestant may have: BLAS, OpenMP, Numba, tinycnn's own setting.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TINYCNN_THREADS",
)
ON_CPU = {
    "TINYCNN_BACKEND": "numpy",
    "CUDA_VISIBLE_DEVICES": "-1",
    "JAX_PLATFORMS": "cpu",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}

# Keep everybody to the instructions of a processor without AVX-512: PyTorch, oneDNN, MKL, OpenBLAS, XLA and
# Numba.
AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+bmi,+bmi2,+cx16,+f16c,+fma,+fsgsbase,+fxsr,+lzcnt,+mmx,+movbe,+pclmul,"
    "+popcnt,+rdrnd,+sahf,+sse,+sse2,+sse3,+sse4.1,+sse4.2,+ssse3,+xsave,+xsaveopt",
}

# glibc hands large blocks back to the system when they are freed, and touching fresh memory costs more than
# most arithmetic. These settings make it keep all memory.
KEEP_MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.mmap_max=0:"
    "glibc.malloc.trim_threshold=4294967296:glibc.malloc.top_pad=268435456"
}


@dataclass(frozen=True)
class Contestant:
    """One column of the table.

    Attributes
    ----------
    name
        Its heading.
    peer
        The Python package it needs; its interpreter is chosen by this name.
    engine
        The module of `benchmarks.measuring` with its `Engine`.
    options
        Of the `Engine`.
    environment
        Variables of its process.
    kinds
        The kinds of `Work` it takes part in.
    slack
        How many times as far as others its results may be from plain PyTorch's.
    root
        The checkout whose `tinycnn` and `benchmarks` its process imports.
    """

    name: str
    peer: str
    engine: str
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = ("step", "gan", "inference", "chain", "conv")
    slack: float = 1
    root: Path = ROOT

    def environ(self, threads: int, instructions: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the whole environment of its process; `instructions` is `AVX2`, or nothing."""
        inherited = {name: value for name, value in os.environ.items() if name not in KEEP_MEMORY}
        path = os.pathsep.join(filter(None, [str(self.root), os.environ.get("PYTHONPATH")]))
        return {
            **inherited,
            **ON_CPU,
            **dict.fromkeys(THREADS, str(threads)),
            **(instructions or {}),
            **self.environment,
            "PYTHONPATH": path,
        }


NETWORKS_ONLY = ("step", "inference")
# Adam in TensorFlow and DeZero adds epsilon before the bias of v is taken out, so steps differ a little.
OTHER_ADAM = 20
PYTORCH = Contestant("PyTorch", "torch", "on_pytorch")
TINYCNN = Contestant("tinycnn", "tinycnn", "on_tinycnn")
CONTESTANTS = (
    PYTORCH,
    TINYCNN,
    Contestant("PyTorch tuned", "torch", "on_pytorch", {"tuned": True}, KEEP_MEMORY),
    Contestant(
        "TensorFlow",
        "tensorflow",
        "on_tensorflow",
        environment={"TF_ENABLE_ONEDNN_OPTS": "1"},
        kinds=NETWORKS_ONLY,
        slack=OTHER_ADAM,
    ),
    Contestant("JAX", "jax", "on_jax", kinds=NETWORKS_ONLY),
    Contestant("DeZero", "dezero", "on_dezero", kinds=NETWORKS_ONLY, slack=OTHER_ADAM),
)
PEERS = tuple(dict.fromkeys(contestant.peer for contestant in CONTESTANTS))


def variant(setting: str) -> Contestant:
    """Return tinycnn with one environment variable set, NAME=VALUE, as one more contestant.

    Raises
    ------
    ValueError
        If `setting` has another form.
    """
    name, equals, value = setting.partition("=")
    if not name or not equals:
        raise ValueError(f"a variant of tinycnn is NAME=VALUE, as in TINYCNN_THREADS=1, not {setting!r}")
    return replace(TINYCNN, name=f"tinycnn {setting}", environment={name: value})


def checkout(folder: Path) -> Contestant:
    """Return the tinycnn of another checkout, as one more contestant.

    Raises
    ------
    ValueError
        If there is no such checkout, or one that cannot be measured in this way.
    """
    if not (folder / "benchmarks" / "measuring" / "worker.py").is_file():
        raise ValueError(f"{folder} is no checkout of tinycnn with benchmarks/measuring/ in it")
    return replace(TINYCNN, name=f"tinycnn in {folder.resolve().name}", root=folder.resolve())
