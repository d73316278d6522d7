"""tinycnn: the convolutional network you can read, step through and trust."""

from tinycnn import functional
from tinycnn.anomaly import AnomalyError
from tinycnn.backend import BackendError, manual_seed
from tinycnn.creation import ones, rand, randn, zeros
from tinycnn.dispatch import use, using
from tinycnn.gpu import OutOfMemoryError
from tinycnn.gradcheck import GradcheckError, gradcheck
from tinycnn.modes import detect_anomaly, no_grad
from tinycnn.tensor import Function, Tensor, grad

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
    "grad",
    "gradcheck",
    "manual_seed",
    "no_grad",
    "ones",
    "rand",
    "randn",
    "use",
    "using",
    "zeros",
]
