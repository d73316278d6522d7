"""Steps as text: piped, narrow, without colour, without Unicode, and with the keyboard."""

import io
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from tests.helpers import HANGS
from tinycnn import functional as F
from tinycnn import models
from tinycnn.explain import explain, show
from tinycnn.explain.stepping import Place
from tinycnn.explain.terminal import NARROWEST, render


def text(explanation, width=100):
    out = io.StringIO()
    show(explanation, file=out, width=width)
    return out.getvalue()


def test_plain_text_shows_every_step_with_its_marks(conv):
    shown = text(conv)
    assert "\x1b" not in shown
    assert shown.count("--- conv2d, step ") == len(conv) == 39
    for step in conv:
        assert step.title in shown
    assert "2  3  5 !3! 3  5" in shown  # the cell asked about
    assert "0 [ a 1][ b 2]" in shown  # the outputs it fed
    assert "0 ( d 2)    0 (c -2)" in shown  # with which weight
    assert "2  -4  -2 < 6>  ?   ?" in shown  # the result, and what comes later
    assert " a: g[0,0,0,0]·w[0,0,2,2] = 1·2 = 2" in shown
    assert "! ! asked about   [ ] read   ( ) used with it   < > computed here   ? comes later" in shown


@pytest.mark.parametrize("width", [24, 31, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal(conv, width):
    network = explain(models.lenet5(), np.ones((1, 28, 28)), backward=True)
    for explanation in (conv, network):
        assert max(map(len, text(explanation, width).splitlines())) <= width


def test_a_terminal_narrower_than_any_step_gets_the_narrowest_lines(conv):
    assert max(line.cell_len for line in render(conv[0], 5)) <= NARROWEST


def test_of_a_wide_array_the_part_around_the_marks_is_shown():
    x = np.arange(900.0).reshape(1, 1, 30, 30)
    steps = explain(F.conv2d, x, np.ones((1, 1, 3, 3)), cells={"y": [(0, 0, 20, 25)]})
    shown = text(steps, 60)
    assert re.search(r"rows \d+ to \d+ of 30", " ".join(shown.split()))
    assert "[a 625]" in shown
    assert "[i 687]" in shown


def test_padding_is_shown_and_said():
    shown = text(explain(F.conv2d, np.ones((1, 1, 2, 2)), np.ones((1, 1, 3, 3)), padding=1))
    assert "-1 [  .][  .][  .]   ." in shown
    assert "5 cells of the window lie in the padding and count as 0." in " ".join(shown.split())
    assert ". padding, counts as 0" in shown


def test_nan_is_shown():
    x = np.ones((1, 1, 2, 2))
    x[0, 0, 1, 1] = np.nan
    shown = text(explain(F.max_pool2d, x, 2))
    assert "*NaN*" in shown
    assert "y[0,0,0,0] = max(1, 1, 1, NaN) = NaN" in shown
    picture = np.zeros((1, 28, 28))
    picture[0, 0, 0] = np.nan
    assert "?" in text(explain(models.lenet5(), picture))


def test_without_unicode(conv):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show(conv, 16, file=out, width=100)
    out.flush()
    shown = out.buffer.getvalue().decode("ascii")
    assert "dL/dx[0,0,2,2] = 1*2 + 2*(-2) + (-1)*(-2) + 3*2 = 6" in shown


def test_piped_text_has_no_colour():
    command = [sys.executable, "-m", "tinycnn", "explain", "sgd"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stdout
    assert done.stdout.count("--- SGD, step") == 3


def test_a_key_leads_to_the_neighbour_and_to_the_gradients(conv):
    place = Place(conv)  # y is 2x2, dL/dx 5x5, dL/dw 3x3, dL/db 1

    def shown(*pressed):
        for key in pressed:
            assert place.press(key, 0)
        return conv[place.at].title.partition(":")[0]

    up, down, right, left = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
    assert shown(down) == "y[0,0,1,0]"
    assert shown(right) == "y[0,0,1,1]"
    assert shown(up) == "y[0,0,0,1]"
    assert shown(left) == "y[0,0,0,0]"
    assert not place.press(up, 0)  # there is no cell above
    assert shown("d") == "dL/dx[0,0,0,0]"
    assert shown(down, down, right) == "dL/dx[0,0,2,1]"
    assert shown("d") == "dL/dw[0,0,0,0]"
    assert shown("d") == "dL/db[0]"
    assert shown("d") == "dL/dx[0,0,0,0]"
    assert shown("p") == "y[0,0,1,1]"
    assert shown("G", "g") == "y[0,0,0,0]"
    assert not place.press("x", 0)
    assert not place.over
    assert shown("G", "n") and place.over


def test_what_does_not_fit_is_scrolled_before_the_next_step(conv):
    place = Place(conv)
    assert place.press(" ", 7)
    assert (place.at, place.top) == (0, 7)
    assert place.press(" ", 0)
    assert (place.at, place.top) == (1, 0)


def read_screen(terminal):
    """Return what was printed since the screen was cleared, up to the line of help."""
    shown = b""
    while b"q: quit" not in shown:
        shown += os.read(terminal, 4096)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is needed")
def test_title_and_equation_stay_in_sight_at_80_by_24():
    import pty

    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    here, there = pty.openpty()
    command = [sys.executable, "-m", "tinycnn", "explain", "conv", "--padding", "1", "--backward"]
    process = subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=environment)
    os.close(there)
    for key, title in (
        (b"", "forward: y[0,0,0,0]: filter 0"),
        (b" ", "forward: y[0,0,0,0]: filter 0"),  # the rest of it
        (b"\x1b[B", "forward: y[0,0,1,0]: filter 0"),
        (b"d", "backward: dL/dx[0,0,0,0]: what x[0,0,0,0] did to L"),
    ):
        os.write(here, key)
        lines = read_screen(here).splitlines()
        assert len(lines) <= 24
        assert max(map(len, lines[:-1])) <= 80
        assert any(line.startswith(title) for line in lines)
        assert any("(Eq. 1)" in line or "(from Eq. 1)" in line for line in lines[:6])
    os.write(here, b"q")
    assert process.wait(timeout=HANGS) == 0
    os.close(here)


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is needed")
@pytest.mark.parametrize("no_colour", [False, True])
def test_keys(no_colour):
    import pty

    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "90", "LINES": "50"}
    environment |= {"NO_COLOR": "1"} if no_colour else {}
    here, there = pty.openpty()
    command = [sys.executable, "-m", "tinycnn", "explain", "sgd"]
    process = subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=environment)
    os.close(there)
    shown = b""
    for key, step in ((b"n", 1), (b"\x1b[C", 2), (b"p", 3), (b"G", 2), (b"g", 3), (b"x", 1), (b"q", None)):
        while step and f"step {step} of 3".encode() not in shown:
            shown += os.read(here, 4096)
        while step and b"q: quit" not in shown.rpartition(b"step")[2]:
            shown += os.read(here, 4096)
        coloured = b"\x1b[1;36m" in shown or b"\x1b[36m" in shown or b"35m" in shown
        if step:
            assert coloured != no_colour
            assert b"[" in shown
            assert b"<" in shown
        shown = b""
        os.write(here, key)
    assert process.wait(timeout=HANGS) == 0
    os.close(here)
