"""Who is measured, and what each one's process is told before NumPy is imported in it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

# Every pool of threads that a contestant may have: BLAS, OpenMP, Numba, tinycnn's own setting.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TINYCNN_THREADS",
)
EVERYWHERE = {"TINYCNN_BACKEND": "numpy", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
ON_GPU = {"TINYCNN_BACKEND": "cupy"}

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
        The module of `tinycnn.bench` with its `Engine`.
    options
        Of the `Engine`.
    environment
        Variables of its process.
    kinds
        The kinds of `Work` it takes part in.
    slack
        How many times as far as others its results may be from PyTorch's.
    gpu
        Whether its process may see a GPU.
    """

    name: str
    peer: str
    engine: str
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = ("step", "gan", "inference", "chain", "conv")
    slack: float = 1
    gpu: bool = False

    def environ(self, threads: int) -> dict[str, str]:
        """Return the whole environment of its process."""
        inherited = {name: value for name, value in os.environ.items() if name not in KEEP_MEMORY}
        everywhere = ON_GPU if self.gpu else EVERYWHERE
        return {**inherited, **everywhere, **dict.fromkeys(THREADS, str(threads)), **self.environment}


NETWORKS_ONLY = ("step", "inference")
# Adam in TensorFlow and DeZero adds epsilon before the bias of v is taken out, so steps differ a little.
OTHER_ADAM = 20
TINYCNN = Contestant("tinycnn", "tinycnn", "on_tinycnn")
PYTORCH = Contestant("PyTorch eager", "torch", "on_pytorch")
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
    Contestant(
        "Keras", "tensorflow", "on_tensorflow", {"keras": True}, kinds=NETWORKS_ONLY, slack=OTHER_ADAM
    ),
    Contestant("DeZero", "dezero", "on_dezero", kinds=NETWORKS_ONLY, slack=OTHER_ADAM),
)
GPU_KINDS = ("step", "gan", "conv")
GPU_TINYCNN = Contestant("tinycnn", "tinycnn", "gpu_tinycnn", kinds=GPU_KINDS, slack=10, gpu=True)
GPU_CONTESTANTS = (
    Contestant("PyTorch eager", "torch", "gpu_pytorch", kinds=GPU_KINDS, gpu=True),
    GPU_TINYCNN,
    Contestant(
        "torch.compile", "torch", "gpu_pytorch", {"compiled": True}, kinds=("step", "gan"), slack=10, gpu=True
    ),
    # TF32 has a thousandth of float32's precision: it is compared as what it is.
    Contestant("PyTorch TF32", "torch", "gpu_pytorch", {"tf32": True}, kinds=("conv",), slack=300, gpu=True),
)
PEERS = tuple(dict.fromkeys(contestant.peer for contestant in CONTESTANTS))


def variant(setting: str) -> Contestant:
    """Return tinycnn with a variable of its environment set, NAME=VALUE, as one more contestant.

    Raises
    ------
    ValueError
        Where `setting` is not of this form.

    Examples
    --------
    >>> variant("TINYCNN_CONV=loops").name
    'tinycnn TINYCNN_CONV=loops'
    """
    name, equals, value = setting.partition("=")
    if not name or not equals:
        raise ValueError(f"a variant of tinycnn is NAME=VALUE, as in TINYCNN_CONV=im2col, not {setting!r}")
    return replace(TINYCNN, name=f"{TINYCNN.name} {setting}", environment={name: value})


def rung(name: str) -> Contestant:
    """Return tinycnn with one of `tinycnn.bench.gpu_tinycnn.rungs` for single convolutions, on a GPU."""
    return replace(GPU_TINYCNN, name=name, options={"kernels": name}, kinds=("conv",))
