from dataclasses import replace

import pytest

from tests.helpers.lab_server import ADDRESS, PORT, TOKEN, Asker, Server, connected, opened
from tinycnn.lab.network import small_network
from tinycnn.lab.server import Lab, application


@pytest.fixture(autouse=True)
def _on_numpy(on_numpy):
    """The lab computes with NumPy, whatever TINYCNN_BACKEND says."""


@pytest.fixture
def client():
    """The application with the small network, untrained, and no browser."""
    testclient = pytest.importorskip("starlette.testclient", reason="extra 'lab'", exc_type=ImportError)
    lab = Lab(replace(small_network(), name="small"))
    with testclient.TestClient(application(lab, TOKEN, PORT), base_url=ADDRESS) as client:
        client.lab = lab
        yield client


@pytest.fixture
def asker(client):
    with connected(client) as socket:
        yield Asker(socket)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    pytest.importorskip("playwright.sync_api", reason="extra 'browser'")
    pytest.importorskip("uvicorn", reason="extra 'lab'")
    server = Server(tmp_path_factory.mktemp("lab"))
    yield server
    if server.process.poll() is None:
        server.interrupt()


@pytest.fixture
def lab_page(chromium, server):
    """The page, when the small network is trained. `said`: errors, warnings, requests to another host."""
    yield from opened(chromium, server)
