"""The lab's server for tests: in this process, or in one of its own, and its page in Chromium."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.helpers import HANGS, PAGE_HANGS
from tinycnn.lab.wire import unpack

ROOT = Path(__file__).parents[2]
TOKEN, PORT = "a-token-for-the-tests", 8765
ADDRESS = f"http://127.0.0.1:{PORT}"


class Asker:
    """A page's WebSocket without the page."""

    def __init__(self, socket):
        self.socket = socket

    def next(self):
        message = self.socket.receive()
        if message["type"] == "websocket.close":
            raise EOFError(message.get("reason"))
        return unpack(message.get("text") or message["bytes"])

    def event(self, name):
        while True:
            head, _ = self.next()
            if head.get("event") == name:
                return head

    def ask(self, do, **fields):
        self.socket.send_json({"id": 5, "do": do, **fields})
        while True:
            head, arrays = self.next()
            if head.get("id") == 5:
                return head, arrays

    def refused(self, do, **fields):
        head, _ = self.ask(do, **fields)
        return head["error"]


def connected(client, headers=None, session=""):
    headers = {"host": f"127.0.0.1:{PORT}", **(headers or {})}
    query = f"?session={session}" if session else ""
    return client.websocket_connect(f"/{TOKEN}/ws{query}", headers=headers)


class Server:
    """``tinycnn lab`` in a process of its own."""

    def __init__(self, folder, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TINYCNN_BACKEND": "numpy"}
        command = [sys.executable, "-m", "tinycnn", "lab", "--no-browser", *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.said = self.process.stdout.readline()
        self.address = self.said.split()[-1]

    def interrupt(self):
        """Press Ctrl-C; return the exit status, and what was said."""
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=HANGS)
        return self.process.returncode, self.said + said


def opened(chromium, server, tour=False, **options):
    context = chromium.new_context(locale="en-US", **options)
    context.set_default_timeout(PAGE_HANGS)
    if not tour:
        context.add_init_script("localStorage.setItem('tour', 'done')")
    page = context.new_page()
    page.said = []
    page.on("console", lambda m: page.said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.said.append(str(error)))
    own = (server.address.rpartition("/")[0], "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(own) else page.said.append(r.url))
    page.goto(server.address)
    page.wait_for_selector("canvas[data-array=a8]")
    page.wait_for_selector("#starting", state="hidden")
    page.wait_for_selector("#bars .best")
    yield page
    context.close()
    assert page.said == [], page.said


def go_to_cell(page, array, c, i, j, where="#network-layers "):
    """Move to a cell with the keyboard and ask about it."""
    page.locator(f"{where}canvas[data-array={array}]").focus()
    for key, times in (("PageDown", c), ("ArrowDown", i), ("ArrowRight", j)):
        for _ in range(times):
            page.keyboard.press(key)
    page.keyboard.press("Enter")
