"""Measure tinycnn on the CPU beside PyTorch, TensorFlow, JAX and DeZero, as far as they are installed.

    python -m benchmarks.cpu                                      everything (some 30 minutes)
    python -m benchmarks.cpu --only cnn28 conv-13x13 --rounds 3   some of it, in a minute
    python -m benchmarks.cpu --only start-98 memory              time to 98 %, and peak memory
    python -m benchmarks.cpu --variant TINYCNN_THREADS=1          tinycnn with that setting as one more column
    python -m benchmarks.cpu --against FOLDER                     the tinycnn of another checkout, too
    python -m benchmarks.cpu --peer-python tensorflow=PATH        an interpreter that has TensorFlow

On a processor with AVX-512 everything is measured twice: as it is, and with everybody kept to AVX2, which is
what most processors have. The machine should do nothing else meanwhile. Every contestant has a process of its
own and the same threads; all start from the same weights and batches, and it is checked that they compute the
same. Writes cpu-avx512.json and cpu-avx2.json to --out, by default to benchmarks/results; with --only or with
more columns nothing is written unless --out is given. Exit status 1 if something failed or differs.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.measuring import contestants, peak, report, rounds, startup, works
from benchmarks.measuring.contestants import ROOT, Contestant
from benchmarks.measuring.summary import Measurement


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table for each instruction set."""
    sets = peak.instruction_sets()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help=f"of {', '.join(works.NAMES)}")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each contestant (default: 9)")
    parser.add_argument("--turn", type=float, default=0.5, help="seconds of a turn, about (default: 0.5)")
    parser.add_argument("--threads", type=int, default=peak.cores(), help="of each (default: all cores)")
    parser.add_argument("--instructions", nargs="+", choices=sets, default=list(sets), help="(default: all)")
    parser.add_argument("--variant", nargs="+", default=[], metavar="NAME=VALUE")
    parser.add_argument("--against", nargs="+", default=[], type=Path, metavar="FOLDER")
    parser.add_argument(
        "--peer-python", nargs="+", default=[], metavar="PEER=PATH", help=", ".join(contestants.PEERS)
    )
    parser.add_argument("--out", type=Path, help="folder to write to")
    args = parser.parse_args(arguments)
    if args.rounds < 1 or args.threads < 1 or not args.turn >= 0:
        parser.error("--rounds and --threads are at least 1, --turn at least 0")
    try:
        names = works.choose(args.only)
        extra = [*map(contestants.variant, args.variant), *map(contestants.checkout, args.against)]
        pythons = peer_pythons(args.peer_python)
    except ValueError as error:
        parser.error(str(error))
    out = args.out or (None if args.only or extra else ROOT / "benchmarks" / "results")
    if out:
        out.mkdir(parents=True, exist_ok=True)  # before the work, not after it

    problems = False
    for instructions in args.instructions:
        plan = rounds.Plan(args.threads, args.rounds, args.turn, pythons, sets[instructions])
        file = out / f"cpu-{instructions}.json" if out else None
        table = run(names, [*contestants.CONTESTANTS, *extra], plan, instructions, file)
        problems = problems or bool(table.problems)
    return 1 if problems else 0


def run(
    names: Sequence[str],
    candidates: Sequence[Contestant],
    plan: rounds.Plan,
    instructions: str,
    file: Path | None,
) -> report.Report:
    """Measure with one instruction set, print the table as it grows, and write it to `file`."""
    table = report.begin(candidates, plan, instructions)
    taking_part = [c for c in candidates if c.name in table.contestants]
    print(*table.heading(), sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for m in measurements(names, taking_part, plan, Path(folder)):
            table.measurements.append(m)
            print(table.row(m), flush=True)
            if file:
                table.write(file)  # a run that is stopped leaves what it had
    table.peaks.append(peak.measure_peak(plan.threads, plan.instructions))  # it may have been slow before
    print(*table.ending(), "", sep="\n", flush=True)
    if file:
        table.write(file)
    return table


def measurements(
    names: Sequence[str], taking_part: Sequence[Contestant], plan: rounds.Plan, folder: Path
) -> Iterator[Measurement]:
    """Yield what `names` choose, in their order."""
    chosen = [works.WORKS[name] for name in names if name in works.WORKS]
    yield from rounds.measure(chosen, taking_part, plan, folder)
    for name in names:
        if name == works.MEMORY:
            yield rounds.peak_memory(works.WORKS["cnn224-b8"], taking_part, plan, folder)
        elif name == works.TO_98:
            yield startup.to_98(taking_part, plan, folder)


def peer_pythons(settings: Sequence[str]) -> dict[str, str]:
    """Return interpreters by peer from PEER=PATH."""
    pythons = dict(setting.partition("=")[::2] for setting in settings)
    for peer, python in pythons.items():
        if peer not in contestants.PEERS:
            peers = ", ".join(contestants.PEERS)
            raise ValueError(f"--peer-python: there is no peer {peer!r}; there are {peers}")
        if not Path(python).is_file():
            raise ValueError(f"--peer-python {peer}: there is no interpreter {python}")
    return pythons


if __name__ == "__main__":
    sys.exit(main())
