"""Keeping freed memory for the next array, instead of giving it back to the system.

A training step frees arrays of many megabytes, and the next step asks for the same sizes again. The C library
gives such memory back to the system at once. To get it again costs more time than the arithmetic on it.
The compiled kernels take their large arrays from `tinycnn.kernels.arena`, which keeps them. For the arrays
that NumPy makes, two settings of glibc do the same. They affect the whole process, so they are a choice:
`tinycnn train` and other commands make it, importing the library does not. Without glibc there is nothing to
set.
"""

import ctypes
from functools import cache

from tinycnn.kernels import arena

# From glibc's malloc.h: what to set, and the largest values it takes.
M_TRIM_THRESHOLD, TRIM_NEVER = -1, 2**31 - 1
M_MMAP_THRESHOLD, MMAP_ABOVE = -3, 1 << 30


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


@cache
def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        library.mallinfo2.restype = _Mallinfo2
        library.gnu_get_libc_version  # noqa: B018 (other libraries have no such function)
        return library
    except (AttributeError, OSError, TypeError):
        return None


def keep_freed() -> bool:
    """Keep memory that is freed from now on for the next array; return whether that could be set."""
    library = _glibc()
    if library is None:
        return False
    return bool(
        library.mallopt(M_MMAP_THRESHOLD, MMAP_ABOVE) and library.mallopt(M_TRIM_THRESHOLD, TRIM_NEVER)
    )


def held() -> int:
    """Return how many freed bytes are kept for the next array, as far as that is known."""
    library = _glibc()
    return arena.held() + (0 if library is None else int(library.mallinfo2().fordblks))


def release() -> None:
    """Give the memory that is kept back to the system."""
    arena.release()
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)
