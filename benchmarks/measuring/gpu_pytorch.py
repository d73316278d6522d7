"""PyTorch on CUDA as a contestant of `benchmarks.gpu_session`."""

from . import on_pytorch


class Engine(on_pytorch.Engine):
    """PyTorch on the GPU; cuDNN tries its algorithms out and takes the fastest.

    Parameters
    ----------
    threads
        Of the CPU.
    compiled
        Use ``torch.compile`` on networks and losses.

    Raises
    ------
    ImportError
        If this PyTorch cannot use a GPU.
    """

    device = "cuda"

    def __init__(self, threads: int, compiled: bool = False) -> None:
        import torch

        super().__init__(threads)
        if not torch.cuda.is_available():
            raise ImportError(f"PyTorch {torch.__version__} cannot use a GPU", name="CUDA for torch")
        if compiled:
            self.compiled = torch.compile  # type: ignore[assignment]
        # PyTorch has TF32 on for convolutions: its factors have 10 bits of mantissa, not float32's 23.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
