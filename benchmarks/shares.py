"""Where the time of a work goes in tinycnn: each kernel by its arrays' sizes, and all that is no kernel.

    python -m benchmarks.shares cnn28-b32
    TINYCNN_THREADS=1 python -m benchmarks.shares dcgan-b64 --seconds 10

The last lines add up all convolutions, all other kernels, and the rest: Python, NumPy, the C library's
memory.

A kernel that is called n times in a run counts with the shortest of each of these calls, so that what other
programs do to one of them is not counted. With one thread, the processor's time is measured and not the
clock's, for the same reason.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from benchmarks.measuring import inputs, on_tinycnn, works
from tinycnn import dispatch, get_num_threads
from tinycnn.kernels import table


def shares(work: works.Work, seconds: float) -> tuple[dict[str, tuple[float, int]], float]:
    """Return the seconds and the calls of each kernel in a run, and the seconds of the run."""
    spent: defaultdict[str, list[float]] = defaultdict(list)
    now = time.process_time if get_num_threads() == 1 else time.perf_counter

    def timed(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            started = now()
            result = kernel(*args, **options)
            passed = now() - started
            shapes = [a.shape for a in args if isinstance(a, np.ndarray)][:2]
            spent[f"{name} {' '.join('x'.join(map(str, shape)) for shape in shapes)}"].append(passed)
            return result

        return call

    cpu = table.cpu()
    kernels = {f.name: getattr(cpu, f.name) for f in fields(cpu) if callable(getattr(cpu, f.name))}
    watched = replace(cpu, **{name: timed(name, kernel) for name, kernel in kernels.items()})
    usual = dispatch._fastest

    def fastest(array: Any, others: Any) -> table.Kernels:
        found = usual(array, others)
        return watched if found is cpu else found

    run = on_tinycnn.Engine(get_num_threads()).prepare(work, inputs.make(work))
    dispatch._fastest = fastest
    try:
        for _ in range(3):
            run()
        spent.clear()
        runs, began = [], time.perf_counter()
        while len(runs) < 5 or time.perf_counter() - began < seconds:
            started = now()
            run()
            runs.append(now() - started)
    finally:
        dispatch._fastest = usual
    found = {}
    for name, times in spent.items():
        calls = len(times) // len(runs)
        found[name] = sum(min(times[i::calls]) for i in range(calls)), calls
    return found, min(runs)


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    names = [name for name, work in works.WORKS.items() if work.kind in ("step", "gan", "inference")]
    parser.add_argument("work", choices=names)
    parser.add_argument("--seconds", type=float, default=5, help="to measure, about (default: 5)")
    args = parser.parse_args()
    found, total = shares(works.WORKS[args.work], args.seconds)
    print(f"{works.WORKS[args.work].title}, {get_num_threads()} threads: {total * 1e3:.2f} ms")
    for name, (spent, calls) in sorted(found.items(), key=lambda item: -item[1][0]):
        if spent > total / 200:
            print(f"{spent / total:6.1%} {spent * 1e3:9.3f} ms {calls:3} x {name}")
    for what, spent in together(found, total).items():
        print(f"{spent / total:6.1%} {spent * 1e3:9.3f} ms       {what}")


def together(found: dict[str, tuple[float, int]], total: float) -> dict[str, float]:
    """Return the seconds of convolutions, of the other kernels, and of what is no kernel."""
    convolutions = sum(spent for name, (spent, _) in found.items() if name.startswith("conv2d"))
    others = sum(spent for spent, _ in found.values()) - convolutions
    rest = total - convolutions - others
    return {"all convolutions": convolutions, "all other kernels": others, "what is no kernel": rest}


if __name__ == "__main__":
    main()
