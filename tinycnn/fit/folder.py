"""Run folders: the names of their files, a new folder, and the newest one."""

import csv
import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.data import Dataset

from .settings import MissingRun, RunError

RUNS = Path("runs")
CHECKPOINT = "checkpoint.safetensors"
WEIGHTS = "weights.safetensors"
HISTORY = "history.csv"
CHUNK = 1000  # pictures


def new_folder(name: str) -> Path:
    """Make the folder runs/NAME, or the first of runs/NAME-2, -3, ... that is not there, and return it.

    Two processes that do this at the same time get two folders.
    """
    RUNS.mkdir(parents=True, exist_ok=True)
    folder, n = RUNS / name, 1
    while True:
        try:
            folder.mkdir()
        except FileExistsError:
            n += 1
            folder = RUNS / f"{name}-{n}"
        else:
            return folder


def refuse_taken(folder: Path) -> None:
    """Raise RunError if there is a run in `folder`."""
    if (folder / CHECKPOINT).exists():
        raise RunError(f"{folder} holds a run already: resume it, or choose another folder")


def newest_run() -> Path:
    """Return the folder in runs/ whose weights were written last; raise MissingRun if there is none."""
    newest = max(RUNS.glob(f"*/{WEIGHTS}"), key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        raise MissingRun(f"there is no trained run in {RUNS}/: train one first, or name another folder")
    return newest.parent


def csv_of(history: Sequence[dict[str, Any]]) -> str:
    """Return records as CSV: one row per epoch, the records' names as the first row."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for record in history for name in record))
    writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()


def fingerprint(dataset: Dataset) -> dict[str, Any]:
    """Return the number of pictures, and a checksum of the pictures and labels."""
    total = zlib.crc32(np.ascontiguousarray(dataset.labels).data)
    for start in range(0, len(dataset), CHUNK):
        total = zlib.crc32(np.ascontiguousarray(dataset.images[start : start + CHUNK]).data, total)
    return {"count": len(dataset), "crc32": f"{total:08x}"}
