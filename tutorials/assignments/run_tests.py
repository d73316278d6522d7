"""Run the tests of an assignment and say what is wrong; compare gradients with finite differences."""

from collections.abc import Callable
from typing import Any

import numpy as np


def run_tests(names: dict[str, Any]) -> None:
    """Run every function called ``test_...``; print one line each.

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
            result = f"not written yet: {error}"
        except Exception as error:
            said = f"\n      {type(error).__name__}: {error}" if str(error) else ""
            result = f"{' '.join(test.__doc__.split())}{said}"
        else:
            print(f"right {title}")
            continue
        failed += 1
        print(f"wrong {title}\n      {result}")
    if failed:
        raise SystemExit(f"{failed} of {len(tests)} tests fail. Mend the first one first.")
    print("All tests pass: on to the next assignment.")


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
        assert leaf.grad is not None, f"input {which} got no gradient"
        ours = np.asarray(leaf.grad)
        assert ours.shape == start.shape, (
            f"input {which}: its gradient has shape {ours.shape}, not {start.shape}"
        )
        some = f"backward gives {ours.ravel()[:6].round(4)}, differences {numerical.ravel()[:6].round(4)}"
        assert np.allclose(ours, numerical, rtol=1e-4, atol=1e-6), f"input {which}: {some}"
