"""CuPy's strict stand-in under CuPy's name, for a whole run of the tests and the processes they start.

TINYCNN_BACKEND=cupy PYTHONPATH=$PWD:$PWD/tests/stand_in python -m pytest
"""

import sys

from tests.helpers import strict_cupy

sys.modules["cupy"] = strict_cupy
