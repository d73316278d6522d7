import numpy as np
import pytest

from tinycnn.cli import main
from tinycnn.compression import int8_layers, load_sparse, masks_of
from tinycnn.fit import load_classifier
from tinycnn.models import lenet5
from tinycnn.storage import load_arrays


def test_every_form_is_in_a_file_that_can_be_used(trained, tinycnn_json, tmp_path):
    command = ("compress", trained, "--out", tmp_path / "small", "--epochs", 1, "--sparsity", 0.8)
    status, said = tinycnn_json(*command)
    assert status == 0
    forms = {form["file"]: form for form in said["forms"]}
    folder = tmp_path / "small"
    assert {path.name for path in folder.iterdir()} == {*forms, "compression.png"}
    for file, form in forms.items():
        assert form["bytes"] == (folder / file).stat().st_size
    sizes = [forms[f"{name}.safetensors"]["bytes"] for name in ("dense", "int8", "sparse", "sparse_int8")]
    assert sizes[0] > max(sizes[1:3]) > min(sizes[1:3]) > sizes[3]
    assert forms["pruned.safetensors"]["sparsity"] == pytest.approx(0.8, abs=1e-3)
    assert forms["sparse_int8.safetensors"]["sparsity"] >= 0.79
    assert forms["small.safetensors"]["parameters"] < 0.3 * forms["dense.safetensors"]["parameters"]

    saved = load_classifier(folder / "pruned.safetensors")
    assert saved.evaluate(saved.test_data()[0]).accuracy == forms["pruned.safetensors"]["accuracy"]
    assert masks_of(saved.model).sparsity == pytest.approx(0.8, abs=1e-3)
    sparse = load_sparse(folder / "sparse.safetensors")
    assert all(np.array_equal(sparse[name], t.numpy()) for name, t in saved.model.state_dict().items())
    int8_layers(lenet5()).load_state_dict(load_arrays(folder / "int8.safetensors")[0])


@pytest.mark.parametrize(
    ("option", "share"), [("--sparsity", "1"), ("--sparsity", "0"), ("--filters", "1.5")]
)
def test_shares_that_make_no_sense_are_refused(option, share, trained, capsys):
    assert main(["compress", str(trained), option, share]) == 2
    assert f"{option} is a share between 0 and 1, both excluded, got {share}" in capsys.readouterr().err
    assert not (trained / "compressed").exists()


def test_no_run(capsys, tmp_path):
    assert main(["compress", str(tmp_path / "nowhere")]) == 2
    assert "there are no weights" in capsys.readouterr().err
