"""Whole training steps, of tinycnn and PyTorch, and PyTorch's convolutions."""

import cProfile
import pstats
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tinycnn
from benchmarks.measuring import gpu_pytorch, inputs, on_pytorch, on_tinycnn
from benchmarks.measuring.works import GPU_WORKS
from tinycnn import Tensor

from .convolutions import operands, shapes
from .machine import SIMULATED, library, say, telling


def cudnn(*names: str) -> None:
    """Time PyTorch's convolutions, in float32 and in TF32."""
    import torch

    device = "cpu" if SIMULATED else "cuda"
    torch.backends.cudnn.benchmark = True
    back = torch.ops.aten.convolution_backward
    for c, geometry in shapes(names):
        x, w, g = (torch.from_numpy(a).to(device) for a in operands(geometry))
        rest = None, [c.stride] * 2, [c.padding] * 2, [1, 1], False, [0, 0], 1
        works = {
            "forward": lambda x=x, w=w, c=c: torch.nn.functional.conv2d(x, w, None, c.stride, c.padding),
            "input": lambda a=(g, x, w), r=rest: back(*a, *r, [True, False, False]),
            "weight": lambda a=(g, x, w), r=rest: back(*a, *r, [False, True, False]),
        }
        for tf32 in (False, True):
            torch.backends.cudnn.allow_tf32 = tf32
            name = "cuDNN TF32" if tf32 else "cuDNN float32"
            for direction, work in works.items():
                row = {"part": "chosen", "shape": str(c), "direction": direction, "variant": name}
                us = 1.0 if SIMULATED and work() is not None else torch_us(torch, work)
                say(**row, flop=c.flop, gpu_us=round(us, 2), tflops=round(c.flop / us / 1e6, 2))


def torch_us(torch: Any, work: Callable[[], Any]) -> float:
    """Return the us of one run on the GPU."""
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    readings = []
    for _ in range(5):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(4_000_000)
        begin.record()
        for _ in range(20):
            work()
        end.record()
        end.synchronize()
        readings.append(begin.elapsed_time(end) * 1e3 / 20)
    return min(readings[1:])


def engine_for(contestant: str) -> tuple[Any, Callable[[], None]]:
    """Return the contestant's engine, and what waits for the GPU."""
    if contestant == "tinycnn":
        engine = on_tinycnn.Engine(4)
        return engine, (lambda: None) if SIMULATED else library().cuda.runtime.deviceSynchronize
    if SIMULATED:
        return on_pytorch.Engine(1), lambda: None
    import torch

    return gpu_pytorch.Engine(4, compiled=contestant == "compile"), torch.cuda.synchronize


def steps(contestant: str, *names: str) -> None:
    """Time whole training steps: with the GPU waited for at the end of many, and Python alone."""
    engine, wait = engine_for(contestant)
    for name in names:
        work = GPU_WORKS[name]
        row = {"part": "steps", "contestant": contestant, "work": name}
        with telling(row):
            began = time.perf_counter()
            arrays = inputs.make(work)
            if SIMULATED:
                arrays = {k: a[:, :2] if k in "xy" and work.kind == "step" else a for k, a in arrays.items()}
            run = engine.prepare(work, arrays)
            losses = [float(engine.numbers(run())) for _ in range(3)]
            first = time.perf_counter() - began
            say(**row, losses=losses, first_three_seconds=round(first, 2))
            say(**row, **step_times(run, wait))


def step_times(run: Callable[[], Any], wait: Callable[[], None]) -> dict[str, Any]:
    """Return us of a step, the median and the best of several rounds, and us of Python in them."""
    for _ in range(1 if SIMULATED else 20):
        run()
    wait()
    began = time.perf_counter()
    run()
    wait()
    runs = 1 if SIMULATED else max(5, min(100, int(0.25 / (time.perf_counter() - began))))
    whole, python = [], []
    for _ in range(1 if SIMULATED else 7):
        began = time.perf_counter()
        for _ in range(runs):
            run()
        python.append((time.perf_counter() - began) / runs * 1e6)
        wait()
        whole.append((time.perf_counter() - began) / runs * 1e6)
    whole.sort()
    return {
        "step_us": round(whole[len(whole) // 2], 1),
        "best_us": round(whole[0], 1),
        "python_us": round(min(python), 1),
        "runs": runs,
    }


def total(losses: Any) -> float:
    """Return a loss, or the sum of several."""
    return sum(loss.item() for loss in losses) if isinstance(losses, tuple) else losses.item()


def graphs(*names: str) -> None:
    """Time whole training steps as a CUDA graph, and compare the losses with those of the step as it is."""
    _, wait = engine_for("tinycnn")
    for name in names:
        row, work = {"part": "graphs", "work": name}, GPU_WORKS[name]
        with telling(row):
            arrays = inputs.make(work)
            gan = work.kind == "gan"
            batch = [Tensor(arrays[key][0][: 2 if SIMULATED else None]) for key in ("xz" if gan else "xy")]
            plain, step = (
                on_tinycnn.gan_step(arrays) if gan else on_tinycnn.training_step(work, arrays) for _ in "12"
            )
            fast = tinycnn.graphed(step, *batch)
            losses = [(total(plain(*batch)), total(fast(*batch))) for _ in range(8)]
            alone, replayed = np.array(losses).T
            far = float(np.max(np.abs(alone - replayed) / np.abs(alone)))  # NaN if one is: not ok
            say(**row, ok=far < 1e-3, reason=fast.reason, losses=[b for _, b in losses], farthest=far)
            say(**row, how="as it is", **step_times(lambda p=plain, b=batch: p(*b), wait))
            say(**row, how="graph", **step_times(lambda f=fast, b=batch: f(*b), wait))


def profile(*names: str) -> None:
    """Say which functions the Python of steps spends its time in."""
    for name in names:
        profile_of(name)


def profile_of(name: str) -> None:
    """Say it of one step."""
    engine, wait = engine_for("tinycnn")
    run = engine.prepare(GPU_WORKS[name], inputs.make(GPU_WORKS[name]))
    for _ in range(1 if SIMULATED else 10):
        run()
    wait()
    runs = 1 if SIMULATED else 50
    watched = cProfile.Profile()
    watched.enable()
    for _ in range(runs):
        run()
    watched.disable()
    wait()
    found = pstats.Stats(watched).stats  # type: ignore[attr-defined]
    slowest = sorted(found.items(), key=lambda item: -item[1][2])[:40]
    for (file, line, function), (_, count, own, total, _) in slowest:
        where = f"{'/'.join(Path(file).parts[-2:])}:{line} {function}"
        times = {"own_us": round(own / runs * 1e6, 1), "total_us": round(total / runs * 1e6, 1)}
        say(part="profile", work=name, function=where, calls=count / runs, **times)
