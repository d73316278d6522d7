"""The tasks of this repository: ``nox`` runs the first three, ``nox -s NAME`` one, ``nox -l`` lists them all.

They run in the Python that runs nox, with what is installed there: nothing is fetched, no network is needed.
What follows ``--`` goes to the tool: ``nox -s tests -- tests/kernels -x``.
"""

import os
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "fast"]

ROOT = Path(__file__).parent


def python(session: nox.Session, *arguments: str | Path, path: Path = ROOT, **environment: str) -> None:
    """Run this Python with the packages of the checkout, and those of the folder `path`."""
    folders = os.pathsep.join([str(ROOT), str(path), *filter(None, [os.environ.get("PYTHONPATH")])])
    session.run(sys.executable, *arguments, env={"PYTHONPATH": folders, **environment})


def pytest(session: nox.Session, *files: str, fast: bool = False, **options: str | Path) -> None:
    """Run the tests in `files`, or what follows ``--``."""
    chosen = ("-m", "not slow") if fast else ()
    python(session, "-m", "pytest", *chosen, *(session.posargs or files), **options)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and spelling."""
    python(session, "-m", "ruff", "check", ".")
    python(session, "-m", "ruff", "format", "--check", ".")
    python(session, "-m", "codespell_lib")


@nox.session
def types(session: nox.Session) -> None:
    """Check type hints."""
    python(session, "-m", "mypy")


@nox.session
def fast(session: nox.Session) -> None:
    """Run the tests that take less than a few seconds each."""
    pytest(session, fast=True)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests."""
    pytest(session)


@nox.session
def tests_avx2(session: nox.Session) -> None:
    """Run the tests of kernels and models as on a processor without AVX-512."""
    files = ("tests/kernels", "tests/functional", "tests/models", "tests/test_same_bits.py")
    kept = "--ignore=tests/kernels/test_compiled.py"  # how compiled code is kept is the same everywhere
    command = (sys.executable, "-m", "pytest", *(session.posargs or (*files, kept)))
    python(session, "-m", "benchmarks.avx2", *command)


@nox.session
def tests_cupy(session: nox.Session) -> None:
    """Run the fast tests of what computes as on a GPU: on the stand-in for CuPy."""
    rooms = ["compression", "explain", "features", "fit", "functional", "gan", "generate", "models", "nn"]
    names = ["backend", "dispatch", "gradcheck", "habits", "memory", "optim", "schedules", "tensor"]
    files = [*(f"tests/{room}" for room in [*rooms, "select"]), *(f"tests/test_{name}.py" for name in names)]
    pytest(session, *files, fast=True, path=ROOT / "tests" / "stand_in", TINYCNN_BACKEND="cupy")


@nox.session
def cuda(session: nox.Session) -> None:
    """Test the GPU half without a GPU: simulator, NVIDIA's compiler, CuPy's signatures."""
    pytest(session, "tests/gpu", *map(str, sorted(ROOT.glob("tests/test_cuda*.py"))))


@nox.session
def tutorials(session: nox.Session) -> None:
    """Run every lesson as a script, with the solutions of its exercises."""
    pytest(session, "tests/test_tutorials.py")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site in docs/_build/html; the lessons are run for it, several at once with ``-- -j auto``."""
    options = ("-W", "--keep-going", "--quiet", *session.posargs)
    python(session, "-m", "sphinx", *options, "docs", "docs/_build/html")
