"""Send a function to another process: its code, and what it uses.

A function of a notebook or a script has no module that another process could import. So its compiled code
travels, with the functions and values around it that it names. What comes from a module travels by name.
"""

import dis
import importlib
import io
import marshal
import pickle
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any


class CannotSendError(Exception):
    """The function uses something that exists in this process only."""


def pack(value: Any, home: str | None) -> bytes:
    """Return a function, or values with functions in them, as bytes for `pickle.loads` in another process.

    Functions of the module `home` and of the main script are packed by value, all others by name.

    Raises
    ------
    CannotSendError
        If it uses a class of the notebook, an open file, a lock, ...: says what.
    """
    buffer = io.BytesIO()
    try:
        _Packer(buffer, home).dump(value)
    except CannotSendError:
        raise
    except Exception as error:  # objects may do anything when they are pickled
        raise CannotSendError(str(error)) from error
    return buffer.getvalue()


class _Packer(pickle.Pickler):
    """Packs functions of `home` and of the main script by value, all else as pickle does."""

    def __init__(self, buffer: io.BytesIO, home: str | None) -> None:
        super().__init__(buffer)
        self.homes = {"__main__", home}

    def reducer_override(self, value: Any) -> Any:
        """Say how functions and modules are packed; all else as pickle does."""
        if isinstance(value, ModuleType):
            return importlib.import_module, (value.__name__,)
        if isinstance(value, FunctionType) and value.__module__ in self.homes:
            made = (marshal.dumps(value.__code__), value.__name__, len(value.__closure__ or ()))
            return _function, made, _state(value), None, None, _complete
        if isinstance(value, type) and value.__module__ == "__main__":
            raise CannotSendError(f"the class {value.__name__}")
        return NotImplemented


def _state(function: FunctionType) -> dict[str, Any]:
    names = _global_names(function.__code__)
    try:
        closure = [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:  # a cell that is still empty
        raise CannotSendError("a variable that has no value yet") from None
    return {
        "globals": {name: function.__globals__[name] for name in names if name in function.__globals__},
        "closure": closure,
        "defaults": (function.__defaults__, function.__kwdefaults__),
    }


def _global_names(code: CodeType) -> set[str]:
    """Return the names that a function, and functions in it, look up outside of it."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            names |= _global_names(inner)
    return names


def _function(code: bytes, name: str, cells: int) -> FunctionType:
    """Make the function; `_complete` gives it the rest, which may lead back to it."""
    namespace = {"__builtins__": __builtins__, "__name__": "__main__"}
    return FunctionType(marshal.loads(code), namespace, name, None, tuple(CellType() for _ in range(cells)))


def _complete(function: FunctionType, state: dict[str, Any]) -> None:
    function.__globals__.update(state["globals"])
    for cell, value in zip(function.__closure__ or (), state["closure"], strict=True):
        cell.cell_contents = value
    function.__defaults__, function.__kwdefaults__ = state["defaults"]
