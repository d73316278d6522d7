"""The session on a GPU, driven without one: in Numba's simulator, and with parts that fail."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import gpu_session
from benchmarks.gpu_session import ROOT, Part, Session


@pytest.fixture
def rows(tmp_path):
    def read():
        return list(map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines()))

    return read


# With a child of its own, which keeps its output open.
HANGS = "import subprocess; print('words', flush=True); subprocess.run(['sleep', '600'])"


def python(source):
    return (sys.executable, "-c", source)


def test_whatever_becomes_of_a_part_the_next_one_runs(tmp_path, rows, capsys):
    steps = [
        [Part("dies", python("print('{\"a\": 1}', flush=True); raise SystemExit(3)"), 20)],
        [Part("hangs", python(HANGS), 3)],
        [Part("is not there", (str(tmp_path / "no such program"),), 20)],
        [Part("is wrong", python("print('{\"ok\": false}')"), 20)],
        [
            Part("says bytes", python("import sys; sys.stdout.buffer.write(b'\\xff\\n')"), 20, "own.txt"),
            Part("is well", python("print('{\"ok\": true}')"), 20),
        ],
    ]
    session = Session(tmp_path, 60)
    session.run(steps)
    said = rows()
    assert [row for row in said if "part" not in row] == [{"a": 1}, {"ok": False}, {"ok": True}]
    ends = {row["name"]: row["status"] for row in said if "part" in row}
    assert ends.pop("is not there").startswith("cannot be started: ")
    assert ends == {
        "dies": "status 3",
        "hangs": "out of time",
        "is wrong": "status 0",
        "says bytes": "status 0",
        "is well": "status 0",
    }
    assert session.failed == ["dies", "hangs", "is not there", "is wrong"]
    assert (tmp_path / "log.txt").read_text() == "[hangs] words\n"
    assert (tmp_path / "own.txt").read_text() == "\ufffd\n"
    assert "hangs: out of time" in capsys.readouterr().out


def test_no_part_begins_when_the_time_is_over(tmp_path, rows):
    session = Session(tmp_path, 0)
    session.run([[Part("late", python("print(1)"), 20)]])
    assert rows() == [{"part": "end", "name": "late", "status": "left out: no time", "seconds": 0.0}]
    assert session.failed == ["late"]


def test_the_plan_names_what_there_is(tmp_path, monkeypatch):
    from benchmarks.gpu_parts.__main__ import PARTS
    from benchmarks.measuring.works import GPU_CONVOLUTIONS, GPU_WORKS
    from tinycnn.kernels.cuda import OPT_IN, RUNGS

    monkeypatch.setattr(gpu_session.shutil, "which", lambda tool: f"/bin/{tool}")
    parts = [part for step in gpu_session.plan(tmp_path) for part in step]
    asked = [
        part.command[part.command.index("benchmarks.gpu_parts") + 1 :]
        for part in parts
        if "benchmarks.gpu_parts" in part.command
    ]
    assert {name for name, *_ in asked} == PARTS.keys()
    assert {rung for name, rung, *_ in (a for a in asked if a[0] == "smoke")} == {
        *RUNGS,
        *OPT_IN,
        "variants",
    }
    assert set(gpu_session.SHAPES) == {f"{c.H}x{c.W}" for c in GPU_CONVOLUTIONS}
    assert set(gpu_session.STEPS) <= GPU_WORKS.keys()
    assert all((ROOT / path).exists() for path in gpu_session.TESTS)
    tools = [part.command[0] for part in parts if part.command[0].startswith("/bin/")]
    assert tools == ["/bin/compute-sanitizer"] * 2 + ["/bin/ncu"] * 2
    assert len({part.file for part in parts} | {"results.jsonl"}) <= 8
    environments = {part.name: gpu_session.environment(part) for part in parts}
    assert environments["tests"]["TINYCNN_REQUIRE_CUDA"] == "1"
    assert environments["memcheck"]["TINYCNN_CUPY_POOL"] == "0"
    assert environments["chosen"]["TINYCNN_BACKEND"] == "cupy"
    assert all(e["PYTHONPATH"].startswith(str(ROOT)) for e in environments.values())


def test_the_time_suffices_for_all_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_session.shutil, "which", lambda tool: f"/bin/{tool}")
    steps = gpu_session.plan(tmp_path)
    assert sum(max(part.needs for part in step) for step in steps) <= gpu_session.SECONDS
    recorded = {}
    for path in (ROOT / "benchmarks/results").glob("gpu-*.jsonl"):
        for row in map(json.loads, path.read_text().splitlines()):
            if row.get("part") == "end" and row["status"] == "status 0":
                recorded[row["name"]] = max(row["seconds"], recorded.get(row["name"], 0))
    known = [part for step in steps for part in step if part.name in recorded]
    assert len(known) >= 10
    for part in known:
        assert recorded[part.name] <= part.needs < part.limit, part.name


def test_a_part_that_hangs_leaves_time_for_the_others(tmp_path):
    """All of them could begin if any one hung, but for the last ones, which were measured before."""
    steps = gpu_session.plan(tmp_path)
    needs = [max(part.needs for part in step) for step in steps]
    for i, step in enumerate(steps):
        hangs = max(part.limit for part in step)
        begun = [sum(needs[:j]) + (hangs - needs[i] if j > i else 0) for j in range(len(steps))]
        late = [step[0].name for step, at in zip(steps, begun, strict=True) if at > gpu_session.SECONDS - 5]
        assert set(late) <= {"tiles", "steps torch.compile"}, (i, late)


def test_the_default_is_what_all_parts_need(monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit):
        gpu_session.main(["--help"])
    assert f"default: {gpu_session.SECONDS}" in capsys.readouterr().out
    assert f"--seconds {gpu_session.SECONDS}" in gpu_session.__doc__


def test_without_a_gpu_it_says_so_and_ends_with_2(tmp_path):
    done = subprocess.run(
        [sys.executable, "benchmarks/gpu_session.py", "--out", str(tmp_path / "out")],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": str(ROOT)},  # without the stand-in
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("no GPU for a session: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_whole_of_it_in_the_simulator(tmp_path, rows):
    pytest.importorskip("torch", reason="PyTorch is the oracle: extra 'oracle'")
    smoke = ("smoke direct", "smoke variants", "smoke tf32x3", "smoke tf32", "smoke products")
    times = ("tensor cores", "products", "steps tinycnn", "graphs", "cuDNN", "tiles", "profile")
    done = subprocess.run(
        [
            sys.executable,
            "benchmarks/gpu_session.py",
            "--out",
            str(tmp_path),
            "--seconds",
            "900",
            "--only",
            "facts",
            *smoke,
            *times,
        ],
        cwd=ROOT,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "TINYCNN_BACKEND": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = rows()
    assert {row["part"] for row in said} == {
        "facts",
        "smoke",
        "steps",
        "graphs",
        "chosen",
        "tiles",
        "tensor cores",
        "products",
        "profile",
        "end",
    }
    assert all(row["ok"] for row in said if "ok" in row)
    checked = {(row["rung"], row["variant"]) for row in said if row["part"] == "smoke"}
    assert {
        ("tf32x3", "tf32x3 16x16x8/1"),
        ("tf32", "tf32 16x16x8/1"),
        ("products", "chosen"),
    } <= checked
    measured = [row for row in said if row["part"] == "tiles"]
    assert {row["direction"] for row in measured} == {"forward", "input", "weight"}
    assert {row["work"] for row in said if row["part"] == "steps"} == set(gpu_session.STEPS)
