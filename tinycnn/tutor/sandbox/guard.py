"""What an answer may not do in its process: it computes, so it needs no files, programs or network.

Python asks the hook before it opens a file, starts a program and so on, and a hook cannot be taken out again.
With the limits on memory and files this keeps accidents and mischief inside the process. It is no prison: for
code of people you do not trust, run the whole command in a container.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

MEMORY = 4 << 30  # bytes
FILES = 64 << 20  # bytes of one file

# What is refused, and how the names of its events begin (see "Audit events table" in Python's documentation).
REFUSED = {
    "start a program": (
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.startfile",
        "pty.spawn",
        "subprocess.",
        "_posixsubprocess",
    ),
    "start a process": ("os.fork",),
    "end a process": ("os.kill", "signal.pthread_kill"),
    "delete a file": ("os.remove",),
    "delete a folder": ("os.rmdir",),
    "rename a file": ("os.rename",),
    "change a file": ("os.truncate", "os.setxattr", "os.removexattr"),
    "make a link": ("os.link", "os.symlink"),
    "change a file's rights": ("os.chmod",),
    "change a file's owner": ("os.chown",),
    "change a file's time": ("os.utime",),
    "make a folder": ("os.mkdir",),
    "change files": ("shutil.",),
    "use the network": ("socket.",),
    "call the system by itself": ("ctypes.dlopen", "ctypes.dlsym"),
    "watch the program that runs it": ("sys.setprofile", "sys.settrace"),
    "look into the program that runs it": ("gc.get_objects",),
}
_BEGINNINGS = ("os.", "s", "pty.", "_p", "ctypes.", "gc.")  # of all these: most events are others
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard:
    """Refuses what an answer may not do.

    Parameters
    ----------
    tell
        A function that is called with the first thing that is refused, such as "write a file".
    readable
        The folders below which files may be read, as those of libraries; None for all folders.
    """

    def __init__(self, tell: Callable[[str], None], readable: Sequence[str] | None = None) -> None:
        self._tell, self._told = tell, False
        self._readable = None if readable is None else tuple(map(os.path.realpath, readable))

    def install(self) -> None:
        """Begin to refuse. This cannot be undone: it ends with the process."""
        _limit_resources()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        what = self._refused(event, arguments)
        if what is not None:
            if not self._told:
                self._told = True
                self._tell(what)
            raise PermissionError(f"an answer may not {what}")

    def _refused(self, event: str, arguments: tuple[Any, ...]) -> str | None:
        if event == "open":
            return self._refused_file(*arguments)
        if event.startswith(_BEGINNINGS):
            return next((what for what, events in REFUSED.items() if event.startswith(events)), None)
        return None

    def _refused_file(self, path: Any, mode: Any, flags: Any) -> str | None:
        if path == os.devnull:
            return None
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & _WRITES:
            return "write a file"
        if self._readable is None or isinstance(path, int):
            return None
        real = os.path.realpath(os.fsdecode(path))
        inside = any(real.startswith(f"{folder}{os.sep}") for folder in self._readable)
        return None if inside else "read a file"


def _limit_resources() -> None:
    try:
        import resource
    except ImportError:  # Windows has none
        return
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or most <= hard:
            resource.setrlimit(kind, (most, most))
