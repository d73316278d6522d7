"""In a notebook, the verdict is text and a figure of the step."""

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
CELLS = (
    "from tinycnn.tutor import check\nfactor = 1.0",
    "def relu_input(g, x):\n    return helper(g, x) * factor\n\ndef helper(g, x):\n    return g * (x >= 0)",
    'check("relu_input", relu_input)',
    "def relu_input(g, x):\n    return g[:, :, 5]",
    'check("relu_input", relu_input);',
)


def test_a_function_of_a_notebook(monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="extra 'docs'")
    nbclient = pytest.importorskip("nbclient", reason="extra 'docs'")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(notebook, kernel_name="python3").execute()
    named, stopped = notebook.cells[2].outputs, notebook.cells[4].outputs
    assert "At x = 0 you let g through." in named[0]["text"]
    assert any("image/png" in output.get("data", {}) for output in named)
    assert named[-1]["data"]["text/plain"] == "Verdict(relu_input: open_at_zero)"
    assert "return g[:, :, 5]" in stopped[0]["text"]  # the line of the cell
    assert "The array has fewer axes than you give indices." in stopped[0]["text"]
