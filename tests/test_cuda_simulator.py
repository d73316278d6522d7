"""The tests of tests/cuda in Numba's CUDA simulator: it and a GPU do not share a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in TESTS.glob("cuda/test_*.py")))
def test_in_the_simulator(name):
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", TESTS / "cuda" / name]
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTEST_ADDOPTS": "", "TINYCNN_BACKEND": ""}
    done = subprocess.run(command, cwd=TESTS.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
