"""How good `tinycnn gan` is, over several seeds: recognisable, diverse digits.

    python -m benchmarks.gan                                     the embedded digits, default command
    python -m benchmarks.gan --data FOLDER --conditional ...     other options go to `tinycnn gan`

Every seed is a process of its own, as a user would start it; all are judged by one cnn28, trained first on
the same data. Exit status 1 where, for any seed, fewer than 80 % of the samples are judged confident or a
class has less than 3 % of them; with --conditional also where the 1-NN error exceeds that of as many real
training images by more than 1 point.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIDENT, SHARE, POINT = 0.8, 0.03, 0.01


def main() -> int:
    """Run the trainings and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--conditional", action="store_true")
    parser.add_argument("--seeds", nargs="+", default=["0", "1", "2"])
    parser.add_argument("--runs", type=Path, help="folder to keep the runs in")
    parser.add_argument("--out", type=Path, help="JSON file to write the table to")
    args, options = parser.parse_known_args()
    options += ["--data", args.data] + ["--conditional"] * args.conditional
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.runs or Path(temporary)
        judge = folder / "cnn28"
        if not judge.exists():
            tinycnn("train", "--data", args.data, "--out", judge)
        print(f"tinycnn gan {' '.join(options)}")
        print("                                          in brackets: as many real training images")
        print("seed  seconds  confident  rarest    1-NN error         Frechet      score        Parzen")
        rows = [one(seed, folder / seed, judge, options) for seed in args.seeds]
    passed = all(row["passed"] for row in rows)
    print("all pass" if passed else "NOT all pass")
    if args.out:
        table = {"data": Path(args.data).name, "conditional": args.conditional, "runs": rows}
        args.out.write_text(json.dumps(table, indent=2) + "\n")
    return 0 if passed else 1


def one(seed: str, run: Path, judge: Path, options: list[str]) -> dict:
    """Train and measure with one seed, and print its row."""
    trained = tinycnn("gan", "--seed", seed, "--out", run, *options)
    measured = tinycnn("gan-score", run, "--classifier", judge)
    del measured["run"]  # a folder of this machine
    g, r = measured["generated"], measured["real"]
    rarest = min(g["coverage"].values())
    passed = g["confident"] >= CONFIDENT and rarest >= SHARE
    if "--conditional" in options:
        passed = passed and g["neighbour_error"] <= r["neighbour_error"] + POINT
    print(
        f"{seed:>4}  {trained['seconds']:7.0f}  {g['confident']:9.1%}  {rarest:6.1%}  "
        f"{g['neighbour_error']:6.2%} ({r['neighbour_error']:6.2%})  "
        f"{g['frechet']:6.1f} ({r['frechet']:4.1f})  {g['score']:4.2f} ({r['score']:4.2f})  "
        f"{g['parzen']['mean']:4.0f} ({r['parzen']['mean']:4.0f})",
        flush=True,
    )
    findings = [finding["says"] for finding in trained["findings"]]
    return {
        "seed": int(seed),
        "seconds": trained["seconds"],
        "findings": findings,
        "passed": passed,
        **measured,
    }


def tinycnn(*command: object) -> dict:
    """Run a command of tinycnn and return what it says."""
    words = [sys.executable, "-m", "tinycnn", *map(str, command), "--json"]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stderr}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
