"""tinycnn: the convolutional network you can read, step through and trust."""

from pathlib import Path as _Path

if not (_Path(__file__).parent / "kernels").is_dir():
    # A checkout without symbolic links (a zip, Windows): there, tinycnn.kernels is the folder kernels/.
    __path__.append(str(_Path(__file__).parents[1]))

from tinycnn import functional
from tinycnn.autograd import AnomalyError, Function, detect_anomaly, grad
from tinycnn.backend import manual_seed
from tinycnn.choice import use, using
from tinycnn.creation import ones, rand, randn, zeros
from tinycnn.gpu import OutOfMemoryError
from tinycnn.gradcheck import GradcheckError, gradcheck
from tinycnn.graphed import graphed
from tinycnn.kernels.cores import get_num_threads, set_num_threads
from tinycnn.modes import no_grad
from tinycnn.tensor import Tensor
from tinycnn.wrong import BackendError

from_dlpack = Tensor.from_dlpack

__version__ = "0.1.0"

__all__ = [
    "AnomalyError",
    "BackendError",
    "Function",
    "GradcheckError",
    "OutOfMemoryError",
    "Tensor",
    "detect_anomaly",
    "from_dlpack",
    "functional",
    "get_num_threads",
    "grad",
    "gradcheck",
    "graphed",
    "manual_seed",
    "no_grad",
    "ones",
    "rand",
    "randn",
    "set_num_threads",
    "use",
    "using",
    "zeros",
]
