"""Measure tinycnn on the CPU beside PyTorch, TensorFlow/Keras and DeZero, as far as they are installed.

    python benchmarks/cpu.py                                  everything (some 15 minutes)
    python benchmarks/cpu.py --only cnn28 conv-13x13 --rounds 3
    python benchmarks/cpu.py --variant TINYCNN_CONV=im2col    tinycnn with that setting as one more column
    python benchmarks/cpu.py --peer-python tensorflow=PATH    an interpreter that has TensorFlow

The machine should do nothing else meanwhile. Every contestant has a process of its own and the same threads;
all start from the same weights and batches, and it is checked that they compute the same. Writes cpu.json and
cpu.png. Exit status 1 where something failed or differs.
"""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # measure the tinycnn that this file belongs to

from tinycnn import plot  # noqa: E402
from tinycnn.bench import chart, contestants, measure, peak, report, startup, works  # noqa: E402


def main() -> int:
    """Run it all and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help=f"of {', '.join(works.NAMES)}")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each contestant (default: 9)")
    parser.add_argument("--threads", type=int, default=peak.cores(), help="of each (default: all cores)")
    parser.add_argument("--variant", nargs="+", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--peer-python", nargs="+", default=[], metavar="PEER=PATH", help=", ".join(contestants.PEERS)
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder to write to"
    )
    args = parser.parse_args()
    if args.rounds < 1 or args.threads < 1:
        parser.error("--rounds and --threads are at least 1")
    try:
        names = works.choose(args.only)
        candidates = [*contestants.CONTESTANTS, *map(contestants.variant, args.variant)]
        pythons = peer_pythons(args.peer_python)
    except ValueError as error:
        parser.error(str(error))
    args.out.mkdir(parents=True, exist_ok=True)  # before the work, not after it

    plan = measure.Plan(args.threads, args.rounds, pythons=pythons)
    table, taking_part = report.begin(candidates, plan)
    print(*table.heading(), sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for m in measurements(names, taking_part, plan, Path(folder)):
            table.measurements.append(m)
            print(table.row(m), flush=True)
            table.write(args.out / "cpu.json")  # a run that is stopped leaves what it had
    table.peaks.append(peak.measure_peak(plan.threads))  # the machine may have been slower before
    print(*table.ending(), sep="\n")
    table.write(args.out / "cpu.json")
    try:
        plot.save(chart.draw(table), args.out / "cpu.png")
    except ValueError as nothing:
        print(nothing)
    return 1 if table.problems else 0


def measurements(names, taking_part, plan, folder):
    """Yield what `names` choose, in their order."""
    chosen = [works.WORKS[name] for name in names if name in works.WORKS]
    yield from measure.measure(chosen, taking_part, plan, folder)
    for name in names:
        if name in works.MEMORY:
            yield measure.peak_memory(works.MEMORY[name], taking_part, plan, folder)
        elif name == works.FIRST_LOSS:
            yield startup.first_loss(taking_part, plan, folder)
        elif name == works.TO_98:
            yield startup.to_98(taking_part, plan, folder)


def peer_pythons(settings):
    """Return interpreters by peer from PEER=PATH."""
    pythons = dict(setting.partition("=")[::2] for setting in settings)
    for peer, python in pythons.items():
        if peer not in contestants.PEERS:
            raise ValueError(
                f"--peer-python: there is no peer {peer!r}; there are {', '.join(contestants.PEERS)}"
            )
        if not Path(python).is_file():
            raise ValueError(f"--peer-python {peer}: there is no interpreter {python}")
    return pythons


if __name__ == "__main__":
    sys.exit(main())
