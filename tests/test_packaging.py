"""The three ways to have tinycnn: a wheel, an editable install, a plain checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

HEAVY = ("numba", "matplotlib", "PIL", "pooch", "safetensors", "tqdm", "rich", "cupy", "torch")
HEAVY += ("scipy", "sklearn", "skimage")

TRY = """
import sys
import tinycnn
assert "kernels" not in sys.modules, "kernels/ is imported under its own name"
import tinycnn.kernels.plain.loops, tinycnn.kernels.im2col
from tinycnn.data import digits
train, test = digits()
assert (len(train), len(test)) == (10000, 2000)
print(tinycnn.__file__)
"""


def without_path():
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(code, cwd, path=""):
    environment = {**without_path(), "PYTHONPATH": str(path)}
    command = [sys.executable, *([] if path else ["-P"]), "-c", code]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_numpy_and_nothing_heavier(tmp_path):
    code = "import sys, tinycnn; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = run(code, tmp_path, ROOT).split()
    assert "numpy" in loaded
    assert not set(HEAVY) & set(loaded)


def test_the_parts_a_script_starts_with_load_nothing_heavier_either(tmp_path):
    parts = "nn, optim, losses, metrics, data, fit, models, plot, explain, tutor, cli".replace(" ", "").split(
        ","
    )
    code = f"import sys, {', '.join(f'tinycnn.{part}' for part in parts)}; tinycnn.data.digits();"
    code += "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    assert not set(HEAVY) & set(run(code, tmp_path, ROOT).split())


def test_a_plain_checkout(tmp_path):
    assert Path(run(TRY, tmp_path, ROOT)) == ROOT / "tinycnn" / "__init__.py"


def copy_without_links(folder):
    """A checkout as a zip that was downloaded leaves it on Windows: the link is a text file."""
    folder.mkdir()
    for name in ("tinycnn", "kernels"):
        ignored = shutil.ignore_patterns("__pycache__", "kernels" if name == "tinycnn" else "")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for path in ROOT.glob("*"):
        if path.is_file():
            shutil.copy(path, folder)
    (folder / "tinycnn" / "kernels").write_text("../kernels")
    return folder


def test_a_plain_checkout_without_symbolic_links(tmp_path):
    folder = copy_without_links(tmp_path / "zip")
    assert Path(run(TRY, tmp_path, folder)) == folder / "tinycnn" / "__init__.py"


def test_every_folder_with_code_is_a_package():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(config["tool"]["setuptools"]["packages"])
    folders = {path.parent.relative_to(ROOT) for path in ROOT.glob("tinycnn/**/*.py")}
    folders |= {Path("tinycnn") / path.parent.relative_to(ROOT) for path in ROOT.glob("kernels/**/*.py")}
    assert {".".join(folder.parts) for folder in folders} == listed


def build(*command):
    """Run a command that builds; it fetches setuptools."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    said = done.stdout + done.stderr
    if "No matching distribution found for setuptools" in said:
        pytest.skip("building needs setuptools from a package registry, and none can be reached")
    assert done.returncode == 0, said


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the sdist, and the wheel built from it."""
    out = tmp_path_factory.mktemp("dist")
    build(sys.executable, "-m", "build", "--outdir", out, ROOT)
    return out


@pytest.mark.slow
def test_the_wheel_holds_all_code_data_and_licences(built):
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {str(path.relative_to(ROOT)) for path in ROOT.glob("tinycnn/**/*.py")}
    expected |= {f"tinycnn/{path.relative_to(ROOT)}" for path in ROOT.glob("kernels/**/*.py")}
    expected |= {str(path.relative_to(ROOT)) for path in ROOT.glob("tinycnn/lab/page/*")}
    expected |= {"tinycnn/py.typed"}
    for name in ("digits", "emoji"):
        expected |= {f"tinycnn/data/{name}.npz", f"tinycnn/data/LICENSE-{name}.md"}
    assert expected <= names
    assert {name.split("/")[0] for name in names} == {"tinycnn", f"{wheel.name.split('-py3')[0]}.dist-info"}
    for licence in ("LICENSE", "DATA_LICENSES.md"):
        assert any(name.endswith(f"licenses/{licence}") for name in names)


@pytest.mark.slow
def test_the_sdist_holds_the_kernels(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert "tinycnn/kernels/im2col.py" in names


@pytest.mark.slow
def test_an_installed_wheel_works(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    target = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", target, wheel]
    subprocess.run(list(map(str, command)), check=True)
    assert Path(run(TRY, tmp_path, target)) == target / "tinycnn" / "__init__.py"


@pytest.fixture
def environment(tmp_path):
    """Return the Python of a new environment that also sees the packages of this one, but not their links."""
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=True)
    (python,) = [*folder.glob("bin/python"), *folder.glob("Scripts/python.exe")]
    (site,) = folder.glob("[Ll]ib/**/site-packages")
    (site / "packages.pth").write_text(sysconfig.get_path("purelib"))
    return python


@pytest.mark.slow
def test_an_editable_install_works_in_the_folder_above(environment, tmp_path):
    """There, the checkout's own folder is called tinycnn too, and has no __init__.py."""
    checkout = tmp_path / "tinycnn"
    ignored = shutil.ignore_patterns(".git", ".venv", "runs", "build", "_build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, checkout, symlinks=True, ignore=ignored)
    build(environment, "-m", "pip", "install", "--quiet", "--no-deps", "--editable", checkout)
    for folder in (tmp_path, checkout, checkout / "tutorials"):
        done = subprocess.run(
            [environment, "-c", TRY], cwd=folder, env=without_path(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip()) == checkout / "tinycnn" / "__init__.py"


@pytest.mark.slow
def test_a_wheel_from_a_checkout_without_symbolic_links(tmp_path):
    folder = copy_without_links(tmp_path / "zip")
    build(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", tmp_path, folder)
    (wheel,) = tmp_path.glob("*.whl")
    assert "tinycnn/kernels/im2col.py" in zipfile.ZipFile(wheel).namelist()


def test_the_install_at_hand_works_from_anywhere(tmp_path):
    """Under .ci/run this is the editable install of the README's second command."""
    installed = "import importlib.metadata as m; print([d.name for d in m.distributions(name='tinycnn')])"
    if run(installed, tmp_path) == "[]":
        pytest.skip("tinycnn is not installed here: this is a plain checkout")
    run(TRY, tmp_path)
