"""How kernels are compiled: at the first call, kept on disk if that is possible, free of Python's lock."""

import hashlib
import pickle
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import caching, compiler, event, serialize

from .. import kept


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function with Numba when it is first called; later processes load it from the disk.

    It is kept in ``NUMBA_CACHE_DIR``, or in the user's cache folder. If that cannot be read or written, the
    function is compiled in every process.
    """
    return _compiled(function)


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function as `compiled` does, but without the code that takes arguments from Python.

    Only compiled code can call it.
    """
    return _compiled(function, no_cpython_wrapper=True)


def in_any_order(function: Callable[..., Any]) -> Any:
    """Compile a function as `compiled` does, and let it add numbers in another order than it says.

    Only so can it add whole vectors of numbers. The order then depends on how many numbers there are, and on
    the processor: the same numbers give the same bits. Only compiled code can call it.
    """
    return _compiled(function, fastmath={"reassoc", "nsz"}, no_cpython_wrapper=True)


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    _announce()
    if function.__closure__ is not None:
        raise ValueError(f"{function.__qualname__} depends on more than its name says, so it cannot be kept")
    # NumPy's rule for x / 0 is infinity; Python's, an error, would put a branch before every division.
    # Nobody calls kernels from C: a way in for C would only take time to compile.
    settings: Any = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, **options}
    dispatcher: Any = numba.njit(**settings)(function)
    dispatcher._cache = Kept(f"{function.__module__}.{function.__qualname__}")
    return dispatcher


class Kept(caching.NullCache):
    """What is compiled of one function, on the disk: one file for each type of arguments.

    Numba's own cache has an index file as well. A damaged one makes every later process fail, and when two
    processes fill an empty cache at once, the index of one can point to the code of the other. Here the name
    of a file says all that its code depends on, and the file begins with a checksum of both.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return the compiled code for a signature, or None if there is none or it cannot be read."""
        target.refresh()
        try:
            data = kept.read(self._path(signature, target.codegen()))
            if data is not None:
                return compiler.CompileResult._rebuild(target, *pickle.loads(data))  # noqa: S301
        except Exception:  # unreadable in any way: it is compiled, and the file written again
            return None
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Write compiled code to the disk; nothing happens if that cannot be done."""
        try:
            data = serialize.dumps(result._reduce())
            kept.write(self._path(signature, result.codegen), data)
        except Exception:  # no home, no space, no permission: compiled again the next time
            return

    def _path(self, signature: Any, codegen: Any) -> Path:
        """Return the file for a signature on this processor."""
        key = hashlib.sha256(repr((self.name, signature, codegen.magic_tuple())).encode())
        return _folder() / f"{self.name.rpartition('.')[2]}-{key.hexdigest()[:24]}.bin"


@cache
def _folder() -> Path:
    """Return the folder for these sources and these versions of Numba and Python.

    Raises
    ------
    RuntimeError
        If the user has no home.
    """
    version = hashlib.sha256(f"{numba.__version__} {sys.version}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        version.update(source.read_bytes())
    return kept.folder_of(version.hexdigest())


@cache
def _announce() -> None:
    """Say on a terminal, once per process, that something is compiled and not just loaded."""

    class Announcement(event.Listener):
        said = False

        def on_start(self, event: Any) -> None:
            if not self.said and sys.stderr is not None and sys.stderr.isatty():
                self.said = True
                print("tinycnn: compiling kernels, once (kept for the next time)", file=sys.stderr)

        def on_end(self, event: Any) -> None:
            pass

    event.register("numba:compile", Announcement())
