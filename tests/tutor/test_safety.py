"""Whatever an answer does, the verdict is one sentence, and this process is as it was."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tinycnn.tutor import check


def verdict_on(function, **options):
    return check("relu_input", function, quiet=True, **options)


def right(g, x):
    return g * (x > 0)


def test_nothing_returned():
    verdict = verdict_on(lambda g, x: None)
    assert "Not answered yet" in verdict.message
    assert not verdict.right


def test_nothing_returned_for_some():
    verdict = verdict_on(lambda g, x: right(g, x) if g.ndim > 1 else None)
    assert "Does every path through it end with a return?" in verdict.message


def broken_matmul(g, x):
    if g.ndim == 2:
        return g @ x
    return right(g, x)


def test_an_exception_is_shown_as_the_learners_own():
    verdict = verdict_on(broken_matmul)
    assert "ValueError: matmul" in verdict.message
    assert "In a matrix product" in verdict.message
    assert "g is (3, 4) and x is (3, 4)" in verdict.message
    lines = verdict.traceback.splitlines()
    assert lines[0].startswith("Traceback")
    assert "in broken_matmul" in lines[1]
    assert lines[2].strip() == "return g @ x"
    assert len(lines) == 4


def helper(g, x):
    return right(g, x)[100]


def test_a_traceback_has_the_learners_helpers():
    verdict = verdict_on(lambda g, x: helper(g, x))
    assert "in helper" in verdict.traceback
    assert "out of bounds" in verdict.message
    assert "run over the size of this axis" in verdict.message.lower()


def test_a_name_that_is_missing():
    verdict = verdict_on(lambda g, x: g * missing)  # noqa: F821
    assert "NameError" in verdict.message
    assert "has no value here" in verdict.message


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda g, x: right(g, x)[..., :1], "has the shape (1,); for these arguments it should be (3,)"),
        (lambda g, x: right(g, x).astype(int), "everything behind the decimal point is lost"),
        (lambda g, x: right(g, x).tolist(), "returns a list"),
        (lambda g, x: (right(g, x),), "returns a tuple"),
        (lambda g, x: "done", "something of the type str"),
        (lambda g, x: right(g, x).astype(object), "an array of object"),
        (lambda g, x: right(g, x) + 0j, "complex numbers"),
        (lambda g, x: iter([1]), "list_iterator"),
        (lambda g, x: g * (x / x > 0) * (x > 0) / (x > 0), "contains NaN"),
    ],
)
def test_a_result_of_another_kind(function, says):
    verdict = verdict_on(function)
    assert says in verdict.message
    assert verdict.mistake is None
    assert verdict.case is not None


def in_place(g, x):
    g[x <= 0] = 0
    return g


def test_arguments_changed_in_place():
    verdict = verdict_on(in_place)
    assert "changes its argument g in place" in verdict.message


def test_two_arguments_changed_in_place():
    def distances(a, b):
        a += 1
        b += 1
        return a @ b.T

    verdict = check("cosine_distances", distances, quiet=True)
    assert "changes its arguments a and b in place" in verdict.message


def test_numbers_that_differ_a_little_are_told_apart():
    def distances(a, b):
        lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
        return 1 - a @ b.T / (lengths + 1e-3)

    verdict = check("cosine_distances", distances, quiet=True)
    right, yours = re.search(r"= (\S+); yours is (\S+)$", verdict.steps[0].numbers).groups()
    assert right != yours


def test_an_error_whose_text_ends_with_a_full_stop():
    verdict = check("mcnemar_p", lambda right_a, right_b: right_a - right_b, quiet=True)
    assert "function instead." in verdict.message
    assert ".." not in verdict.message


def test_a_view_of_an_argument_is_right_with_a_note():
    verdict = check("unbroadcast", lambda g, shape: g.sum() if False else sum_or_same(g, shape), quiet=True)
    assert verdict.right
    verdict = check("dropout", lambda x, mask, p: x if mask is None else x * mask / (1 - p), quiet=True)
    assert verdict.right
    assert "shares its memory with x" in verdict.notes[0]


def sum_or_same(g, shape):
    padded = (1,) * (g.ndim - len(shape)) + tuple(shape)
    axes = tuple(d for d, size in enumerate(padded) if size == 1)
    return g.sum(axes, keepdims=True).reshape(shape) if axes else g


def test_random_results():
    verdict = verdict_on(lambda g, x: right(g, x) + np.random.default_rng().normal(size=g.shape))
    assert "Called twice with the same arguments" in verdict.message


calls = []


def remembers(g, x):
    calls.append(1)
    return right(g, x) * len(calls)


def test_results_that_depend_on_earlier_calls():
    assert "Called twice" in verdict_on(remembers).message
    assert calls == []  # they were made elsewhere


def endless(g, x):
    while True:
        g = g + 1


def test_a_loop_without_an_end():
    verdict = verdict_on(endless, seconds=1.0)
    assert "did not end within 1 seconds" in verdict.message
    assert "while True" in verdict.message or "g = g + 1" in verdict.message
    assert verdict.case.yours is None


def deaf(g, x):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def test_a_loop_that_catches_everything():
    assert "did not end within" in verdict_on(deaf, seconds=1.0).message


def test_printing():
    def says(g, x):
        print("here I am", g.shape)
        return right(g, x)

    verdict = verdict_on(says)
    assert verdict.right
    assert "here I am (4,)" in verdict.notes[0]


def test_printing_a_lot(capfd):
    def shouts(g, x):
        for i in range(20_000):
            print("line", i)
        return right(g, x)

    verdict = verdict_on(shouts)
    assert verdict.right
    assert "prints a lot" in verdict.notes[0]
    assert capfd.readouterr() == ("", "")


def prints_for_ever(g, x):
    while True:
        print("x" * 1000, file=sys.__stdout__, flush=True)
        print("y" * 1000)


def test_printing_for_ever(capfd):
    assert "did not end within" in verdict_on(prints_for_ever, seconds=1.0).message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("how", [lambda g, x: sys.exit(3), lambda g, x: exit(0), lambda g, x: quit()])
def test_sys_exit(how):
    assert "calls sys.exit" in verdict_on(how).message


def test_os_exit():
    assert "ended in the middle of a call" in verdict_on(lambda g, x: os._exit(0)).message


def test_a_crash():
    verdict = verdict_on(lambda g, x: os.abort())
    assert "ended in the middle of a call" in verdict.message


def test_interrupting_itself():
    def interrupts(g, x):
        raise KeyboardInterrupt

    assert "KeyboardInterrupt" in verdict_on(interrupts).message


def test_too_much_memory():
    verdict = verdict_on(lambda g, x: np.ones(1 << 40))
    assert "MemoryError" in verdict.message
    assert "far larger than this exercise needs" in verdict.message


def test_asking_the_keyboard():
    assert "has no keyboard" in verdict_on(lambda g, x: input("g? ")).message


def writes(path):
    def write(g, x):
        Path(path).write_text("mine")
        return right(g, x)

    return write


def test_files_programs_network_and_other_processes_are_refused(tmp_path):
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    path, pid = str(victim), os.getpid()
    for function, what in (
        (writes(path), "write a file"),
        (lambda g, x: os.open(path, os.O_WRONLY | os.O_TRUNC), "write a file"),
        (lambda g, x: Path(path).unlink(), "delete a file"),
        (lambda g, x: Path(path).rename(path + "2"), "rename a file"),
        (lambda g, x: os.system(f"rm {path}"), "start a program"),
        (lambda g, x: subprocess.run(["rm", path]), "start a program"),
        (lambda g, x: os.fork(), "start a process"),
        (lambda g, x: os.kill(pid, 9), "end a process"),
        (lambda g, x: socket.create_connection(("127.0.0.1", 9)), "use the network"),
    ):
        verdict = verdict_on(function)
        assert f"Your code tries to {what}" in verdict.message
        assert not verdict.right
    assert victim.read_text() == "precious"


def test_a_refusal_that_is_caught_counts():
    def quiet(g, x):
        with contextlib.suppress(PermissionError):
            os.system("true")
        return right(g, x)

    assert "Your code tries to start a program" in verdict_on(quiet).message


def test_a_closure_with_a_lock_runs_here_and_that_is_said_once():
    lock = threading.Lock()

    def locked(g, x):
        with lock:
            return right(g, x)

    def wrong(g, x):
        with lock:
            return g * (x >= 0)

    def endless_here(g, x):
        with lock:
            while True:
                pass

    first, second = verdict_on(locked), verdict_on(wrong)
    assert first.right
    assert second.mistake == "open_at_zero"
    notes = [*first.notes, *second.notes]
    assert len([note for note in notes if "ran in this process" in note]) <= 1
    screen = sys.stdout
    verdict = verdict_on(endless_here, seconds=0.5)
    assert "did not end within 0.5 seconds" in verdict.message
    assert sys.stdout is screen


def test_what_a_function_of_a_notebook_uses_goes_with_it():
    factor, table = 1.0, {"one": np.ones(1)}

    def uses(g, x, scale=1.0):
        return helper_of(g, x) * factor * scale * table["one"]

    def helper_of(g, x):
        return right(g, x)

    code = "import numpy as n\ndef f(g, x):\n    return n.where(x > 0, g, 0)\n"
    cell = {"__name__": "__main__"}
    exec(compile(code, "<ipython-input-1>", "exec"), cell)
    assert verdict_on(uses).right
    assert verdict_on(cell["f"]).right


def test_a_class_of_the_learner_runs_here():
    class Gate:
        def __call__(self, g, x):
            return right(g, x)

    assert verdict_on(Gate()).right
