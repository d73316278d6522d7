"""How kernels are compiled: at the first call, kept on disk where that can be, free of Python's lock."""

import hashlib
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function with Numba when it is first called; later processes load it from the disk.

    It is kept in the user's cache folder (or ``NUMBA_CACHE_DIR``). Numba would rather write beside the
    source, into the installed package: an uninstall leaves such files, and Python takes their folder for a
    package.
    """
    import numba

    _announce()
    # NumPy's rule for x / 0 is infinity; Python's, an error, would put a branch before every division.
    options: Any = {"nogil": True, "error_model": "numpy"}
    config: Any = numba.config  # its settings are attributes made at run time
    before = config.CACHE_DIR
    config.CACHE_DIR = before or str(_cache_folder())
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder for the cache can be written
        return numba.njit(**options)(function)
    finally:
        config.CACHE_DIR = before


@cache
def _cache_folder() -> Path:
    """Return a folder for this version of the kernels.

    Numba compares a function's own file with what it has kept, but not the files of what the function calls.
    """
    caches = os.environ.get("XDG_CACHE_HOME")
    version = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        version.update(source.read_bytes())
    folder = Path(caches) if caches else Path.home() / ".cache"
    return folder / "tinycnn" / "kernels" / version.hexdigest()[:16]


@cache
def _announce() -> None:
    """Say on a terminal, once a process, that something is compiled and not just loaded."""
    from numba.core import event

    class Announcement(event.Listener):
        said = False

        def on_start(self, event: Any) -> None:
            if not self.said and sys.stderr.isatty():
                self.said = True
                print("tinycnn: compiling kernels, once (kept for the next time)", file=sys.stderr)

        def on_end(self, event: Any) -> None:
            pass

    event.register("numba:compile", Announcement())
