"""Run the tests of an assignment and say what is wrong; compare gradients with finite differences."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def run_tests(names: dict[str, Any]) -> None:
    """Run every function called ``test_...``; print whether it is right, wrong, or still to be written.

    Parameters
    ----------
    names
        ``globals()`` of the assignment.

    Raises
    ------
    SystemExit
        If a test fails.
    """
    tests = {name: test for name, test in names.items() if name.startswith("test_")}
    failed = 0
    for name, test in tests.items():
        title = name.removeprefix("test_").replace("_", " ")
        try:
            test()
        except NotImplementedError as error:
            print(f"to do {title}\n      not written yet: {error}")
        except Exception as error:
            print(f"wrong {title}\n      {' '.join(test.__doc__.split())}\n      {_what_happened(error)}")
        else:
            print(f"right {title}")
            continue
        failed += 1
    if failed:
        raise SystemExit(f"{failed} of {len(tests)} tests fail. Begin with the first of them.")
    print("All tests pass: on to the next assignment.")


def _what_happened(error: Exception) -> str:
    """Return the error's type and text, and the last line of an assignment that was reached."""
    here = Path(__file__).parent
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).parent == here and Path(frame.filename) != Path(__file__)
    ]
    where = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}: {frames[-1].line}"
    said = f"{type(error).__name__}: {error}" if str(error) else ""
    if isinstance(error, AssertionError):
        return said.removeprefix("AssertionError: ") or f"({where})"
    return f"{said or type(error).__name__}\n      ({where})"


def check_gradients(function: Callable[..., Any], *inputs: Any, h: float = 1e-5) -> None:
    """Compare the gradients of your own `backward` with finite differences.

    Parameters
    ----------
    function
        Takes your tensors (or values) and returns one, of a single number.
    inputs
        Tensors (or values) to start from. Their ``grad`` is set.
    h
        The step.

    Raises
    ------
    AssertionError
        If they differ: says for which input, and shows both.
    """
    function(*inputs).backward()
    for which, leaf in enumerate(inputs):
        start = np.array(leaf.data, float)
        numerical = np.zeros(start.shape)
        for at in np.ndindex(*start.shape):
            ends = []
            for step in (h, -h):
                moved = start.copy()
                moved[at] += step
                leaf.data = moved
                ends.append(float(function(*inputs).data))
            numerical[at] = (ends[0] - ends[1]) / (2 * h)
        leaf.data = start
        name = f"input {which} (counted from 0)"
        assert leaf.grad is not None, f"{name} got no gradient"
        ours = np.asarray(leaf.grad)
        assert ours.shape == start.shape, (
            f"{name}: its gradient has the shape {ours.shape}, not {start.shape}"
        )
        at = tuple(int(i) for i in np.unravel_index(np.abs(ours - numerical).argmax(), start.shape))
        assert np.allclose(ours, numerical, rtol=1e-4, atol=1e-6), (
            f"{name}{f' at {at}' if at else ''}: "
            f"backward gives {ours[at]:.4f}, finite differences {numerical[at]:.4f}"
        )
