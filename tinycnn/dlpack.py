"""Arrays shared with other libraries without a copy, by the DLPack protocol.

``tinycnn.from_dlpack(x)`` takes an array of PyTorch, JAX, NumPy, ...; ``torch.from_dlpack(tensor)`` takes one
of ours. Both sides see one memory: what one writes, the other reads. A change on their side is not noticed
by backward's check for arrays that were changed.

References
----------
The Python array API standard, "Data interchange mechanisms".
"""

from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.kernels.arrays import Array
from tinycnn.wrong import BackendError

# DLPack's numbers of devices
CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13
LIBRARIES = {CPU: "numpy", CUDA_HOST: "numpy", CUDA: "cupy", CUDA_MANAGED: "cupy"}


def imported(source: Any) -> Array:
    """Return an array that shares memory with `source`, in the backend of its device.

    Raises
    ------
    TypeError
        For what does not speak the protocol, or is no array of real numbers or booleans.
    BufferError
        For memory of another kind of device; and what `source` itself refuses, such as PyTorch a tensor that
        requires a gradient.
    BackendError
        For a CUDA array where CuPy cannot be used.
    """
    kind = f"{type(source).__module__}.{type(source).__qualname__}"
    if not hasattr(source, "__dlpack__") or not hasattr(source, "__dlpack_device__"):
        raise TypeError(f"from_dlpack takes an array with __dlpack__ and __dlpack_device__, not {kind}")
    device = int(source.__dlpack_device__()[0])
    if device not in LIBRARIES:
        raise BufferError(
            f"from_dlpack: this {kind} lives on a device of DLPack's kind {device}; arrays of the CPU "
            f"({CPU}) and of CUDA ({CUDA}) can be shared, copy it to the CPU first"
        )
    try:
        library = _backend.library(LIBRARIES[device])
    except BackendError as error:
        raise BackendError(
            f"from_dlpack: this {kind} lives on a GPU, where tinycnn needs CuPy: {error}; or copy it to the "
            "CPU first"
        ) from error
    array = library.from_dlpack(source)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"from_dlpack: a tensor holds real numbers or booleans, not {array.dtype}")
    return array


def exported(array: Array, requires_grad: bool, options: dict[str, Any]) -> Any:
    """Return the capsule that hands `array` over; `options` are the protocol's, of the library that asks.

    Raises
    ------
    BufferError
        Where gradients flow to the tensor: they would not see what happens to it elsewhere.
    """
    if requires_grad:
        raise BufferError(
            f"a tensor of shape {tuple(array.shape)} that requires a gradient cannot be shared: gradients do "
            "not follow it into another library; share tensor.detach()"
        )
    # NumPy 2.0 knows `stream` only; the others matter where they are not None
    return array.__dlpack__(**{name: value for name, value in options.items() if value is not None})


def device_of(array: Array) -> tuple[int, int]:
    """Return DLPack's kind and number of the device that `array` lives on."""
    if isinstance(array, np.ndarray):
        return CPU, 0
    kind, number = array.__dlpack_device__()
    return int(kind), int(number)
