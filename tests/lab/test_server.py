"""The server without a browser: who may talk to it, what it answers, what it refuses."""

import asyncio
import base64
import io
import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from tests.helpers.lab_server import ADDRESS, PORT, TOKEN, Asker, Server, connected
from tinycnn import functional as F
from tinycnn.cli import main
from tinycnn.lab import server as lab_server
from tinycnn.lab.guard import check_token, new_token
from tinycnn.lab.network import small_network
from tinycnn.lab.session import COMMANDS
from tinycnn.tensor import Tensor

websockets = pytest.importorskip("starlette.websockets", reason="extra 'lab'")


def base64_of(content):
    return base64.b64encode(content).decode()


def png(array, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind)
    return base64_of(buffer.getvalue())


class TestWhoMayTalk:
    def test_the_page_and_its_files(self, client):
        page = client.get(f"/{TOKEN}/")
        assert "main.js" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        script = client.get(f"/{TOKEN}/main.js")
        assert script.headers["content-type"].startswith("text/javascript")

    @pytest.mark.parametrize(
        "path", ["/", "/main.js", f"/{TOKEN[:-1]}/", f"/{TOKEN}/../server.py", f"/{TOKEN}/%2e%2e/server.py"]
    )
    def test_nothing_without_the_token_and_nothing_beside_the_page(self, client, path):
        assert client.get(path).status_code == 404

    @pytest.mark.parametrize(
        "headers",
        [
            {"host": "lab.example"},
            {"host": "127.0.0.1:1"},
            {"origin": "http://lab.example"},
            {"origin": "null"},
            {"origin": f"https://127.0.0.1:{PORT}"},
        ],
    )
    def test_a_foreign_host_or_origin(self, client, headers):
        refused = client.get(f"/{TOKEN}/", headers=headers)
        assert refused.status_code == 403
        assert "main.js" not in refused.text
        with pytest.raises(websockets.WebSocketDisconnect) as error, connected(client, headers):
            pass
        assert "this server" in error.value.reason

    def test_its_own_origin(self, client):
        assert client.get(f"/{TOKEN}/", headers={"origin": ADDRESS}).status_code == 200
        with connected(client, {"origin": ADDRESS}) as ws:
            assert Asker(ws).event("hello")["session"]

    def test_it_takes_nothing_that_is_posted(self, client):
        assert client.post(f"/{TOKEN}/", content=b"x" * 9_000_000).status_code == 403

    def test_tokens(self):
        assert new_token() != new_token()
        assert check_token("abcdefgh-_012345") == "abcdefgh-_012345"
        for bad in ("short", "abcdefgh/../0123456789", "äbcdefgh-_012345"):
            with pytest.raises(ValueError, match="at least 16"):
                check_token(bad)

    def test_so_many_pages_and_no_more(self, client, monkeypatch):
        monkeypatch.setattr(lab_server, "MOST_PAGES", 1)
        with connected(client) as first:
            Asker(first).event("hello")
            with connected(client) as second, pytest.raises(EOFError, match="1 pages are open already"):
                Asker(second).event("hello")
            assert Asker(first).ask("describe")[0]["name"] == "small"


class TestSee:
    def test_every_array_is_the_engines(self, asker, client):
        network = client.lab.network
        _, arrays = asker.ask("see", test=3)
        x = Tensor(network.test.scaled([3]))
        assert_array_equal(arrays["a0"], x.numpy()[0])
        for t, layer in enumerate(network.model, 1):
            x = layer(x)
            assert_array_equal(arrays[f"a{t}"], x.numpy()[0])
        assert_array_equal(arrays["p"], F.softmax(x, 1).numpy()[0])

    def test_gradients_are_backwards(self, asker, client):
        network = client.lab.network
        head, arrays = asker.ask("see", test=3, loss=4)
        x = Tensor(network.test.scaled([3]), requires_grad=True)
        loss = F.cross_entropy(network.model(x), [4])
        loss.backward()
        assert head["loss"] == pytest.approx(loss.item())
        assert_allclose(arrays["dL/da0"], x.grad.numpy()[0], rtol=1e-5, atol=1e-9)
        assert all(p.grad is None or p.grad.numpy().any() for p in network.model.parameters())

    def test_looking_leaves_no_gradient_on_the_weights(self, asker, client):
        asker.ask("see", test=0, loss=1)
        assert all(p.grad is None for p in client.lab.network.model.parameters())

    def test_what_was_drawn(self, asker, rng):
        pixels = rng.integers(0, 256, (1, 28, 28)).astype(np.uint8)
        head, arrays = asker.ask("see", pixels=base64_of(pixels.tobytes()))
        assert head["label"] is None
        assert_allclose(arrays["a0"], pixels / 255, atol=1e-7)

    def test_noise_is_the_same_each_time(self, asker):
        _, clean = asker.ask("see", test=0)
        _, noisy = asker.ask("see", noise=0.3)
        _, again = asker.ask("see", test=0)
        assert np.abs(noisy["a0"] - clean["a0"]).mean() > 0.05
        assert_array_equal(noisy["a0"], again["a0"])

    def test_a_file_dark_on_bright_is_inverted(self, asker):
        white = np.full((56, 56), 255, np.uint8)
        white[20:30, 20:30] = 0
        head, arrays = asker.ask("see", file=png(white))
        assert head["inverted"] is True
        assert arrays["a0"][0, 0, 0] == 0
        head, _ = asker.ask("see", file=png(255 - white))
        assert head["inverted"] is False

    def test_two_pages_do_not_disturb_each_other(self, client):
        with connected(client) as one, connected(client) as two:
            one, two = Asker(one), Asker(two)
            one.ask("see", test=0)
            two.ask("see", test=5, noise=0.5)
            _, arrays = one.ask("see")
            assert_array_equal(arrays["a0"], client.lab.network.test.scaled([0])[0])

    def test_a_page_that_comes_back_has_its_picture(self, client):
        with connected(client) as ws:
            name = Asker(ws).event("hello")["session"]
            _, before = Asker(ws).ask("see", test=7)
        with connected(client, session=name) as ws:
            assert Asker(ws).event("hello")["session"] == name
            assert_array_equal(Asker(ws).ask("see")[1]["a0"], before["a0"])
            with connected(client, session=name) as copy:  # a tab that was duplicated
                assert Asker(copy).event("hello")["session"] != name

    def test_a_page_is_loaded_again_before_the_server_knows_that_it_left(self):
        lab = lab_server.Lab(small_network())
        name = lab.session(None).id
        lab.open.add(name)

        async def reload():
            waiting = asyncio.create_task(lab.left(name))
            await asyncio.sleep(0)
            assert not waiting.done()
            lab.open.discard(name)
            await waiting
            return lab.session(name).id

        with ThreadPoolExecutor(1) as thread:  # the main thread may have a loop that runs: Playwright's
            assert thread.submit(asyncio.run, reload()).result() == name
        lab.engine.shutdown()


CELLS = {"a1": [0, 2, 5, 6], "a2": [0, 2, 5, 6], "a3": [0, 2, 3, 3], "a4": [0, 5, 2, 3]}
CELLS |= {"a6": [0, 2, 3, 3], "a7": [0, 30], "a8": [0, 2]}


class TestWhy:
    @pytest.mark.parametrize("array", [*CELLS, "p"])
    def test_the_sum_is_the_engines_number(self, asker, array):
        _, arrays = asker.ask("see", test=1)
        cell = CELLS.get(array, [0, 2])
        head, _ = asker.ask("why", array=array, cell=cell)
        assert head["value"] == arrays[array][tuple(cell[1:])]
        step = head["explanation"]["steps"][-1]
        assert step["numbers"].endswith(f"= {head['value']:.4g}")
        if array in ("a1", "a4", "a8"):
            assert sum(term["value"] for term in step["terms"]) == pytest.approx(head["value"], abs=1e-4)

    @pytest.mark.parametrize("array", [*CELLS, "a0"])
    def test_the_gradient_is_backwards(self, asker, array):
        _, arrays = asker.ask("see", test=1, loss=3)
        cell = CELLS.get(array, [0, 0, 12, 13])
        head, _ = asker.ask("why", array=array, cell=cell, gradient=True)
        assert head["value"] == arrays[f"dL/d{array}"][tuple(cell[1:])]
        assert head["explanation"]["steps"][-1]["numbers"].endswith(f"= {head['value']:.4g}")

    def test_terms_lead_to_arrays_of_the_page(self, asker):
        _, arrays = asker.ask("see", test=1)
        head, _ = asker.ask("why", array="a4", cell=[0, 5, 2, 3])
        for term in head["explanation"]["steps"][0]["terms"][1:]:
            read = term["factors"][0]
            name = head["names"][0][read["array"]]
            assert arrays[name][tuple(read["index"][1:])] == np.float32(read["value"])

    def test_what_each_map_adds_to_a_sum(self, asker):
        asker.ask("see", test=1)
        head, _ = asker.ask("why", array="a4", cell=[0, 5, 2, 3])
        (groups,) = head["groups"]
        assert list(groups) == [f"0,{c}" for c in range(8)]
        bias = head["explanation"]["steps"][0]["terms"]
        (bias,) = [term["value"] for term in bias if len(term["factors"]) == 1]
        assert sum(groups.values()) + bias == pytest.approx(head["value"], abs=1e-5)

    def test_no_gradient_without_a_loss(self, asker):
        asker.ask("see", test=1)
        assert "choose a loss first" in asker.refused("why", array="a3", cell=CELLS["a3"], gradient=True)

    @pytest.mark.parametrize(
        ("array", "cell", "says"),
        [
            ("a99", [0], "no array 'a99'"),
            ("__class__", [0], "there is no array"),
            ("a3", [0, 2, 3, 13], r"no cell \[0, 2, 3, 13\] in a3, whose shape is \[1, 8, 13, 13\]"),
            ("a3", [0, 2], "no cell"),
            ("p", [0, 10], "no cell"),
            ("a0", [0, 0, 1, 1], "it is the picture"),
            ("a3", [0, 0, -1, 1], "below 0"),
            ("a3", "0", "no list"),
        ],
    )
    def test_unknown_cells(self, asker, array, cell, says):
        import re

        assert re.search(says, asker.refused("why", array=array, cell=cell))
        assert asker.ask("describe")[0]["name"] == "small"


class TestBadInput:
    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", "7", '{"id": 1}', '{"do": "see"}', '{"id": "x", "do": "see"}', "[" * 100_000],
        ids=range(8),
    )
    def test_no_request(self, asker, text):
        asker.event("hello")
        asker.socket.send_text(text)
        assert "this is no request" in asker.event("refused")["error"]
        assert asker.ask("describe")[0]["name"] == "small"

    def test_bytes_and_too_much(self, asker):
        asker.socket.send_bytes(b"\xff\x00")
        assert "a text with JSON" in asker.event("refused")["error"]
        asker.socket.send_text(json.dumps({"id": 1, "do": "see", "pixels": "A" * 8_100_000}))
        assert "at most 8,000,000" in asker.event("refused")["error"]
        assert asker.ask("describe")[0]["name"] == "small"

    @pytest.mark.parametrize(
        ("do", "fields", "says"),
        [
            ("eval", {}, "no command eval"),
            ("see", {"pixels": "AAAA"}, "has 784 bytes, got 3"),
            ("see", {"pixels": "é"}, "no base64"),
            ("see", {"pixels": 5}, "pixels: 5 is no text"),
            ("see", {"test": 2000}, "there are 2,000 test pictures"),
            ("see", {"test": True}, "no integer"),
            ("see", {"noise": float("nan")}, "not a finite number"),
            ("see", {"loss": 10}, "there are 10 classes"),
        ],
    )
    def test_fields_that_do_not_fit(self, asker, do, fields, says):
        assert says in asker.refused(do, **fields)

    def test_a_mistake_of_our_own(self, asker, monkeypatch, capsys):
        def broken(session, fields):
            raise RuntimeError("no such thing")

        monkeypatch.setitem(COMMANDS, "describe", (COMMANDS["describe"][0], broken))
        assert asker.refused("describe") == "the lab failed (RuntimeError): no such thing"
        assert "in broken" in capsys.readouterr().err
        assert "error" not in asker.ask("see")[0]

    @pytest.mark.parametrize(
        "content",
        [
            b"hello",
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            b"\x89PNG\r\n\x1a\n" + b"\x00" * 100,
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        ],
    )
    def test_a_file_that_is_no_picture(self, asker, content):
        error = asker.refused("see", file=base64_of(content))
        assert "no picture" in error
        assert "/tmp" not in error

    def test_a_giant_picture_is_refused_before_it_is_decoded(self, asker):
        assert "more than 16,000,000 pixels" in asker.refused(
            "see", file=png(np.zeros((4001, 4000), np.uint8))
        )


class TestCommand:
    def test_ctrl_c_ends_it(self, tmp_path):
        server = Server(tmp_path, "--token", TOKEN)
        assert server.address.endswith(f"/{TOKEN}/")
        status, said = server.interrupt()
        assert status == 0
        assert said.splitlines()[-1] == "the lab has ended"
        assert "Traceback" not in said

    def test_a_port_in_use(self, capsys):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            assert main(["lab", "--no-browser", "--port", str(port)]) == 1
        assert f"port {port} cannot be used" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--token", "short"], "at least 16"),
            (["--port", "70000"], "up to 65535"),
            (["nowhere"], "no weights"),
        ],
    )
    def test_wrong_use(self, arguments, says, capsys):
        assert main(["lab", "--no-browser", *arguments]) == 2
        assert says in capsys.readouterr().err

    def test_without_the_extra_it_says_what_to_install(self, tmp_path):
        code = (
            "import sys; sys.modules['uvicorn'] = None; from tinycnn.cli import main; "
            "sys.exit(main(['lab', '--no-browser']))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 1
        assert "pip install 'tinycnn[lab]'" in done.stderr


class TestSlowReaders:
    def test_a_page_that_stops_reading_is_let_go_and_others_are_served(self, monkeypatch):
        """A socket whose sending never ends, as when the other side reads nothing."""

        class Stuck:
            async def accept(self):
                self.query_params = {}

            async def send_text(self, text):
                await asyncio.sleep(60)

            send_bytes = send_text

        monkeypatch.setattr(lab_server, "PATIENCE", 0.05)
        lab = lab_server.Lab(small_network())

        def serve():
            asyncio.run(asyncio.wait_for(lab_server.Connection(lab, Stuck()).serve(), 20))

        with ThreadPoolExecutor(1) as thread:  # the main thread may have a loop that runs: Playwright's
            thread.submit(serve).result()
        assert not lab.open
        lab.engine.shutdown()

    def test_sessions_without_a_page_are_forgotten(self, client, monkeypatch):
        monkeypatch.setattr(lab_server, "MOST_PAGES", 3)
        for _ in range(6):
            with connected(client) as ws:
                Asker(ws).event("hello")
        assert len(client.lab.sessions) <= 3
