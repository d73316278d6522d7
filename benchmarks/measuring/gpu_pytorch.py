"""PyTorch on CUDA as a contestant, timed by the GPU's own clock."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from . import on_pytorch


class Engine(on_pytorch.Engine):
    """PyTorch on the GPU; cuDNN tries its algorithms out and takes the fastest.

    Parameters
    ----------
    threads
        Of the CPU.
    compiled
        Use ``torch.compile`` on networks and losses.
    tf32
        Let convolutions and matrix products round their factors to TF32, with 10 bits of mantissa for
        float32's 23: other numerics, so it is off elsewhere, although PyTorch has it on for convolutions.

    Raises
    ------
    ImportError
        Where this PyTorch cannot use a GPU.
    """

    device = "cuda"

    def __init__(self, threads: int, compiled: bool = False, tf32: bool = False) -> None:
        import torch

        super().__init__(threads)
        if not torch.cuda.is_available():
            raise ImportError(f"PyTorch {torch.__version__} cannot use a GPU", name="CUDA for torch")
        if compiled:
            self.compiled = torch.compile  # type: ignore[assignment]
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True

    def seconds(self, run: Callable[[], Any], runs: int) -> list[float]:
        """Return the seconds of each run, from event to event in the GPU's queue."""
        import torch

        events = [torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]
        events[0].record()
        for event in events[1:]:
            run()
            event.record()
        events[-1].synchronize()
        return [a.elapsed_time(b) / 1e3 for a, b in pairwise(events)]  # from ms
