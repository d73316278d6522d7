"""The kernels' rungs stand on their page in the order in which they are to be read."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def test_the_rungs_for_a_gpu_in_reading_order(site):
    text = (site / "ladder_gpu.html").read_text()
    files = re.findall(r"<h2>kernels/cuda/(\w+)\.py", text)
    rungs = [
        "direct",
        "coalesced",
        "shared_tiles",
        "implicit_gemm",
        "register_tiles",
        "weight_tiles",
        "epilogue",
    ]
    assert files[: len(rungs)] == rungs
    assert set(files) == {path.stem for path in (ROOT / "kernels" / "cuda").glob("*.py")} - {"__init__"}
