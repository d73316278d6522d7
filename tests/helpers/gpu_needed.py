"""Skipping a test for want of a GPU."""

import os

import pytest


def skip_without_gpu(reason):
    """Skip; with TINYCNN_REQUIRE_CUDA=1 fail, so that on a GPU nothing that was skipped counts as passed."""
    if os.environ.get("TINYCNN_REQUIRE_CUDA") == "1":
        pytest.fail(f"TINYCNN_REQUIRE_CUDA=1, and no GPU can be used: {reason}")
    pytest.skip(reason)
