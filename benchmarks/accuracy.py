"""Test accuracy of `tinycnn train` over several seeds: the figures the README states.

    python -m benchmarks.accuracy                               the embedded digits, default command
    python -m benchmarks.accuracy --data FOLDER --least 0.99    full MNIST from its IDX files

Every seed is a process of its own, as a user would start it. Exit status 1 where the median is below --least.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Run the trainings and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--model", default="cnn28")
    parser.add_argument("--epochs", default="5")
    parser.add_argument("--seeds", nargs="+", default=["0", "1", "2"])
    parser.add_argument("--least", type=float, default=0.98, help="accuracy the median must reach")
    parser.add_argument("--out", type=Path, help="JSON file to write the table to")
    args = parser.parse_args()
    rows = []
    print(f"{args.model} on {Path(args.data).name}, {args.epochs} epochs")
    print("seed  test accuracy  seconds", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for seed in args.seeds:
            command = [sys.executable, "-m", "tinycnn", "train", "--json", "--seed", seed]
            command += ["--data", args.data, "--model", args.model, "--epochs", args.epochs]
            command += ["--out", f"{folder}/{seed}"]
            result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            kept = {key: result[key] for key in ("accuracy", "epochs", "seconds")}
            rows.append({"seed": int(seed), **kept})
            print(f"{seed:>4}  {result['accuracy']:13.2%}  {result['seconds']:7.0f}", flush=True)
    accuracies = [row["accuracy"] for row in rows]
    median = statistics.median(accuracies)
    print(f"median {median:.2%}, lowest {min(accuracies):.2%}")
    if args.out:
        table = {"model": args.model, "data": Path(args.data).name, "median": median, "runs": rows}
        args.out.write_text(json.dumps(table, indent=2) + "\n")
    return 0 if median >= args.least else 1


if __name__ == "__main__":
    sys.exit(main())
