"""The process in which answers run: ``python -m tinycnn.tutor.sandbox.child FOLDER``.

It reads its order from FOLDER/order.pickle, which the tutor wrote, and writes a line of JSON to
FOLDER/outcomes.jsonl for everything that happens. If a function does not end, a watchdog in C writes to
FOLDER/stuck.txt where it is, and ends the process.
"""

import ast
import faulthandler
import importlib.util
import json
import os
import pickle
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from .calls import Printed, call_twice, described, does_not_take
from .guard import Guard

ORDER, OUTCOMES, STUCK = "order.pickle", "outcomes.jsonl", "stuck.txt"
Say = Callable[..., None]


def main(folder: Path) -> None:
    """Run the order in `folder`."""
    order = pickle.loads((folder / ORDER).read_bytes())  # noqa: S301 (the tutor wrote it)
    sys.path[:] = order["path"]
    with (folder / OUTCOMES).open("w") as file, (folder / STUCK).open("w") as stuck:

        def say(**line: Any) -> None:
            file.write(json.dumps(line) + "\n")
            file.flush()

        try:
            cases, function = pickle.loads(order["cases"]), None  # noqa: S301
            if order["function"]:
                function = pickle.loads(order["function"])  # noqa: S301
        except Exception as error:
            say(unsendable=f"{type(error).__name__}: {error}")
            return
        Guard(lambda what: say(refused=what), order["readable"]).install()
        say(ready=True)
        faulthandler.dump_traceback_later(order["seconds"], exit=True, file=stuck)
        if order["name"] is None:
            _survey(order["file"], say)
        else:
            function = function or _from_file(order["file"], order["name"], say)
            if function is not None and _takes(function, order["parameters"], say):
                for at, arguments in enumerate(cases):
                    say(case=at, outcome=call_twice(function, arguments))
        faulthandler.cancel_dump_traceback_later()
        say(done=True)


def _survey(file: str, say: Say) -> None:
    """Say which names a file defines, in order. The file is parsed, not run."""
    try:
        body = ast.parse(Path(file).read_bytes()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        say(no_import=described(error), line=getattr(error, "lineno", None))
        return
    names: list[str] = []
    for statement in body:
        if isinstance(statement, ast.FunctionDef):
            names.append(statement.name)
        elif isinstance(statement, ast.Assign):
            names += [target.id for target in statement.targets if isinstance(target, ast.Name)]
    say(names=names)


def _from_file(file: str, name: str, say: Say) -> Any:
    """Return the function of this name; if the file has none, say so and return None."""
    module = _imported(file, say)
    function = getattr(module, name, None)
    if module is not None and not callable(function):
        say(no_function=type(function).__name__)
        return None
    return function


def _imported(file: str, say: Say) -> Any:
    """Return the module of an answer file; if it cannot be imported, say why and return None."""
    sys.path.insert(0, str(Path(file).parent))
    spec = importlib.util.spec_from_file_location("answers", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["answers"] = module
    printed = Printed()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            spec.loader.exec_module(module)
    except BaseException as error:  # SystemExit and KeyboardInterrupt, too
        said = described(error)
        said["frames"] = [frame for frame in said["frames"] if frame[0] == file]
        say(no_import=said)
        return None
    return module


def _takes(function: Callable[..., Any], parameters: list[str], say: Say) -> bool:
    signature = does_not_take(function, parameters)
    if signature is not None:
        say(signature=signature)
    return signature is None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    os._exit(0)  # threads and exit handlers of the answer have nothing more to do here
