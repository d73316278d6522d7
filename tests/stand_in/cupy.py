"""CuPy's strict stand-in under CuPy's name, for a whole run of the tests and the processes they start.

TINYCNN_BACKEND=cupy PYTHONPATH=tests/stand_in python -m pytest
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import strict_cupy

sys.modules["cupy"] = strict_cupy
