"""Memory that was freed, kept for the next array instead of going back to the system.

A training step frees arrays of many megabytes and asks for the same sizes again in the next. The C library
gives such memory back to the system at once, and touching new pages costs more than the arithmetic on them.
Two of glibc's settings make it keep them. They hold for the whole process, so this is a choice: the command
`tinycnn train` makes it, importing the library does not. Without glibc these functions do nothing.
"""

import ctypes
from functools import cache

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
    """Keep memory that is freed for the next array, from here on; return whether that could be set."""
    library = _glibc()
    if library is None:
        return False
    return bool(
        library.mallopt(M_MMAP_THRESHOLD, MMAP_ABOVE) and library.mallopt(M_TRIM_THRESHOLD, TRIM_NEVER)
    )


def held() -> int | None:
    """Return how many freed bytes are held for the next array; None where that is not known."""
    library = _glibc()
    return None if library is None else int(library.mallinfo2().fordblks)


def release() -> None:
    """Give what is held back to the system."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)
