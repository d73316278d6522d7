"""The files that one training step with the plain kernels enters are those that docs/one_step.md lists."""

import re
import subprocess
import sys
from pathlib import Path

from tests.helpers import HANGS

ROOT = Path(__file__).parents[1]

STEP = """
import os, pathlib, sys
import tinycnn
from tinycnn import models, optim
from tinycnn.data import DataLoader, digits
from tinycnn.fit import Training, fit

ROOT = str(pathlib.Path(tinycnn.__file__).resolve().parents[1]) + os.sep
OURS = tuple(os.path.join(ROOT, folder, "") for folder in ("tinycnn", "kernels"))
entered = {}


def note(frame, event, argument):
    path = os.path.realpath(frame.f_code.co_filename)
    if event == "call" and path.startswith(OURS) and not frame.f_code.co_filename.startswith("<"):
        entered.setdefault(pathlib.Path(path.removeprefix(ROOT)).as_posix(), None)


tinycnn.use(kernels="plain")
train, _ = digits()
loader = DataLoader(train.subset(slice(0, 8)), batch_size=4)
sys.setprofile(note)
model = models.cnn28()
fit(Training(model, loader, optim.Adam(model.parameters()), epochs=1))
sys.setprofile(None)
assert "numba" not in sys.modules
print(*entered, sep="\\n")
"""


def test_the_page_lists_the_files_in_the_order_in_which_they_are_entered():
    listed = re.findall(r"^\| \[`(\S+\.py)`\]", (ROOT / "docs/one_step.md").read_text(), re.M)
    step = [sys.executable, "-c", STEP]
    entered = subprocess.run(step, capture_output=True, text=True, cwd=ROOT, check=True, timeout=HANGS)
    assert entered.stdout.split() == listed
