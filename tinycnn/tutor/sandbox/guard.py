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

# The beginnings of the events' names (see "Audit events table" in Python's documentation), and what they are.
REFUSED = {
    "os.system": "start a program",
    "os.exec": "start a program",
    "os.posix_spawn": "start a program",
    "os.spawn": "start a program",
    "os.startfile": "start a program",
    "os.fork": "start a process",
    "pty.spawn": "start a program",
    "subprocess.": "start a program",
    "_posixsubprocess": "start a program",
    "os.kill": "end a process",
    "signal.pthread_kill": "end a process",
    "os.remove": "delete a file",
    "os.rmdir": "delete a folder",
    "os.rename": "rename a file",
    "os.truncate": "change a file",
    "os.link": "make a link",
    "os.symlink": "make a link",
    "os.chmod": "change a file's rights",
    "os.chown": "change a file's owner",
    "os.setxattr": "change a file",
    "os.removexattr": "change a file",
    "os.utime": "change a file's time",
    "os.mkdir": "make a folder",
    "shutil.": "change files",
    "socket.": "use the network",
    "ctypes.dlopen": "call the system by itself",
    "ctypes.dlsym": "call the system by itself",
    "sys.setprofile": "watch the program that runs it",
    "sys.settrace": "watch the program that runs it",
    "gc.get_objects": "look into the program that runs it",
}
_BEGINNINGS = ("os.", "s", "pty.", "_p", "ctypes.", "gc.")  # of all these: most events are others
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard:
    """Refuses what an answer may not do.

    Parameters
    ----------
    tell
        Is called with what was tried, the first time.
    readable
        The folders below which files may be read, which are those of libraries; None for all.
    """

    def __init__(self, tell: Callable[[str], None], readable: Sequence[str] | None = None) -> None:
        self._tell, self._told = tell, False
        self._readable = None if readable is None else tuple(map(os.path.realpath, readable))

    def install(self) -> None:
        """Begin; there is no end but that of the process."""
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
            for beginning, what in REFUSED.items():
                if event.startswith(beginning):
                    return what
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
