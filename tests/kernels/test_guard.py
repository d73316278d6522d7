"""Nothing is read or written outside an array: a process that does so here ends."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="mprotect is a function of POSIX systems")
@pytest.mark.parametrize("side", ["before", "after"])
def test_no_kernel_touches_what_lies_beside_an_array(side):
    command = [sys.executable, "-m", "tests.helpers.guarded", side]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    # The last step touches such a page on purpose: it proves that the guard works.
    assert done.stdout.splitlines()[-1] == "and now outside", done.stdout[-200:] + done.stderr[-2000:]
    assert done.returncode < 0
