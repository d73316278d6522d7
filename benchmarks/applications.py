"""The measures of the applications in tutorials/applications, for several seeds.

    python -m benchmarks.applications                       all, three seeds; about 20 minutes on one core
    python -m benchmarks.applications --only detection style

Each script trains on the training images and is measured on the test images, as if it were started by itself.
Nothing is chosen here. Applications that are in the file of results with the same seeds are not run again;
--anew runs them all. Exit status 1 if a median does not reach the aim that the script itself checks.
"""

import argparse
import importlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measuring.peak import machine

SCRIPTS = Path(__file__).parents[1] / "tutorials" / "applications"
RESULTS = Path(__file__).parent / "results"


class Application(NamedTuple):
    """Functions that name the numbers that a script's `main` returns, and say whether they reach the aim."""

    numbers: Callable[[Any], dict[str, float]]
    aim: Callable[[dict[str, float]], bool]


APPLICATIONS = {
    "colour_pictures": Application(lambda y: {"accuracy": y}, lambda m: m["accuracy"] >= 0.7),
    "detection": Application(lambda y: {"mAP at IoU 0.5": y}, lambda m: m["mAP at IoU 0.5"] >= 0.9),
    "segmentation": Application(lambda y: {"mean IoU": y}, lambda m: m["mean IoU"] >= 0.8),
    "verification": Application(lambda y: {"AUC": y}, lambda m: m["AUC"] >= 0.98),
    "correction": Application(
        lambda y: {f"{name}: PSNR gained, dB": after - before for name, (before, after) in y.items()},
        lambda m: min(m.values()) >= 5,
    ),
    "style": Application(
        lambda y: {"Gram distance, after over before": y[1] / y[0]},
        lambda m: m["Gram distance, after over before"] <= 0.2,
    ),
    "composition": Application(
        lambda y: {"jump at the seam, share that is left": abs(y[2] - y[0]) / abs(y[1] - y[0])},
        lambda m: m["jump at the seam, share that is left"] < 0.5,
    ),
}


def measure(name: str, seed: int, folder: Path) -> dict[str, float]:
    """Run a script with a seed; return its numbers and its seconds."""
    began = time.perf_counter()
    with redirect_stdout(sys.stderr):
        result = importlib.import_module(name).main(seed=seed, folder=folder)
    numbers = APPLICATIONS[name].numbers(result)
    return {**{key: float(value) for key, value in numbers.items()}, "seconds": time.perf_counter() - began}


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the median over the seeds of each number."""
    return {key: statistics.median(run[key] for run in runs) for key in runs[0] if key != "seconds"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the applications, print a table, and save it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=list(APPLICATIONS), choices=APPLICATIONS, metavar="NAME")
    parser.add_argument("--out", type=Path, default=RESULTS / "applications.json")
    parser.add_argument("--anew", action="store_true", help="forget the results that are in the file")
    args = parser.parse_args(argv)
    sys.path.insert(0, str(SCRIPTS))  # the scripts import each other, as when Python starts one
    said: dict[str, Any] = {"seeds": args.seeds, "processor": machine()["processor"], "runs": {}}
    if args.out.exists() and not args.anew:
        before = json.loads(args.out.read_text())
        said["runs"] = before["runs"] if {**before, "runs": {}} == said else {}
    missed = []
    print(f"median (lowest to highest) of seeds {args.seeds}, on {said['processor']}")
    for name in args.only:
        runs = said["runs"]
        if name not in runs:
            with tempfile.TemporaryDirectory() as folder:
                runs[name] = [measure(name, seed, Path(folder)) for seed in args.seeds]
            args.out.write_text(json.dumps(said, indent=2) + "\n")
        seconds = statistics.median(run["seconds"] for run in runs[name])
        for key, middle in medians(runs[name]).items():
            values = [run[key] for run in runs[name]]
            spread = f"({min(values):.4g} to {max(values):.4g})"
            print(f"{name:16} {key:38} {middle:7.4g} {spread:22} {seconds:4.0f} s", flush=True)
        if not APPLICATIONS[name].aim(medians(runs[name])):
            missed.append(name)
    for name in missed:
        print(f"{name} does not reach its aim")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
