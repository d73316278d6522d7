"""How quickly the lab answers, and whether its server's memory stays: ``python -m benchmarks.lab``.

The server runs in a process of its own with an untrained cnn28; this one asks as the page does. It needs the
extra `lab`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from websockets.sync.client import ClientConnection, connect

from tinycnn import manual_seed, models
from tinycnn.lab.wire import unpack
from tinycnn.storage import save_weights

CELLS = {
    "a1": [0, 3, 10, 10],
    "a4": [0, 5, 4, 4],
    "a6": [0, 7, 2, 2],
    "a8": [0, 40],
    "a10": [0, 4],
    "p": [0, 4],
}
STEP = {"steps": 1, "on": "batch", "optimizer": "sgd", "lr": 0.01}


def ask(socket: ClientConnection, do: str, **fields: object) -> dict:
    """Ask and return the head of the answer."""
    socket.send(json.dumps({"id": 1, "do": do, **fields}))
    while True:
        head, _ = unpack(socket.recv())
        if head.get("id") == 1:
            if "error" in head:
                raise RuntimeError(head["error"])
            return head


def memory(pid: int) -> float:
    """Return how much memory a process holds, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the process has ended")


def times(action: object, count: int) -> np.ndarray:
    """Call `action` `count` times. Return the time of each call, in milliseconds."""
    taken = []
    for n in range(count):
        start = time.perf_counter()
        action(n)  # type: ignore[operator]
        taken.append(1000 * (time.perf_counter() - start))
    return np.array(taken)


def measure(count: int) -> None:
    """Print everything."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "runs/cnn28"
        run.mkdir(parents=True)
        manual_seed(0)
        config = {"model": "cnn28", "data": "digits", "classes": [str(k) for k in range(10)]}
        save_weights(run / "weights.safetensors", models.cnn28(), config)
        command = [sys.executable, "-m", "tinycnn", "lab", str(run), "--no-browser"]
        path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        started = time.perf_counter()
        with subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
        ) as server:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            print(f"address printed after {time.perf_counter() - started:.2f} s")
            try:
                _ask_all(address, server.pid, count)
            finally:
                server.terminate()


def _ask_all(address: str, pid: int, count: int) -> None:
    started = time.perf_counter()
    with connect(address.replace("http", "ws") + "ws", max_size=None) as socket:
        ask(socket, "describe")
        ask(socket, "see", test=0)
        print(f"first maps {time.perf_counter() - started:.2f} s after that (kernels as they were)")
        seen = times(lambda n: ask(socket, "see", test=n % 2000), count)
        print(f"see: median {np.median(seen):.1f} ms, {1000 / np.median(seen):.0f} a second")
        back = times(lambda n: ask(socket, "see", test=n % 2000, loss=n % 10), count)
        print(f"see with gradients: median {np.median(back):.1f} ms, {1000 / np.median(back):.0f} a second")
        for array, cell in CELLS.items():
            clicks = times(lambda n, array=array, cell=cell: ask(socket, "why", array=array, cell=cell), 20)
            print(f"click on {array}: median {np.median(clicks):.1f} ms, worst {clicks.max():.1f} ms")
        before = memory(pid)
        for n in range(count):
            ask(socket, "why", array="a4", cell=[0, n % 64, n % 11, n % 7])
        print(f"memory: {before:.0f} MiB, after {count} clicks {memory(pid):.0f} MiB", end="")
        ask(socket, "train", **STEP)
        before = memory(pid)
        for _ in range(count):
            ask(socket, "train", **STEP)
        print(f"; with a trainer {before:.0f} MiB, after {count} steps {memory(pid):.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="clicks, pictures and steps")
    measure(parser.parse_args().count)
