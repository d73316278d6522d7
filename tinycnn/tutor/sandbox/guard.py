"""What an answer may not do in its process: it computes, so it needs no files, programs or network.

Python asks the hook before it opens a file, starts a program and so on, and a hook cannot be taken out again.
With the limits on memory and files this keeps accidents and mischief inside the process. It is no prison: for
code of people you do not trust, run the whole command in a container.
"""

import os
import sys
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
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard:
    """Refuses what an answer may not do.

    Attributes
    ----------
    refused
        What was tried first; None so far.
    """

    def __init__(self) -> None:
        self.refused: str | None = None

    def install(self) -> None:
        """Begin; there is no end but that of the process."""
        _limit_resources()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        what = _refused(event, arguments)
        if what is not None:
            self.refused = self.refused or what
            raise PermissionError(f"an answer may not {what}")


def _refused(event: str, arguments: tuple[Any, ...]) -> str | None:
    if event == "open":
        path, mode, flags = arguments
        writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & _WRITES
        return "write a file" if writes and path != os.devnull else None
    if event.startswith(("os.", "s", "pty.", "_p", "ctypes.", "gc.")):
        for beginning, what in REFUSED.items():
            if event.startswith(beginning):
                return what
    return None


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
