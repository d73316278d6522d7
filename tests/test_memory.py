import subprocess
import sys

import pytest

from tinycnn import memory

pytestmark = pytest.mark.skipif(memory.held() is None, reason="the C library is not glibc")

# In a process of its own: the setting holds for the whole process.
CODE = """
import numpy as np
from tinycnn import memory
BYTES = 64 << 20
kept = np.arange(1000.0)
if {keep}:
    assert memory.keep_freed()
before = memory.held()
array = np.ones(BYTES, np.uint8)
del array
after = memory.held()
other = np.zeros(BYTES, np.uint8)  # takes what is held, and still is all zeros
assert not other.any() and (kept == np.arange(1000.0)).all()
del other
memory.release()
print(after - before > BYTES // 2, memory.held() - before < BYTES // 2)
"""


@pytest.mark.parametrize("keep", [True, False])
def test_freed_memory_is_held_if_asked_for_and_can_be_released(keep):
    command = [sys.executable, "-c", CODE.format(keep=keep)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(keep), "True"], done.stderr


def test_elsewhere_it_does_nothing(monkeypatch):
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    assert memory.keep_freed() is False
    assert memory.held() is None
    memory.release()
