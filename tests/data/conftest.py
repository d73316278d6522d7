import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

IDX_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def to_idx(array):
    header = bytes([0, 0, IDX_CODES[array.dtype.str[1:]], array.ndim])
    return (
        header
        + np.array(array.shape, ">u4").tobytes()
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


@pytest.fixture(scope="session")
def idx_bytes():
    """The function that makes an IDX file's bytes of an array."""
    return to_idx


@pytest.fixture(scope="session")
def tiny_mnist():
    """The four files of a data set of 20 + 10 pictures of 4x5 pixels: {name: IDX bytes}."""
    rng = np.random.default_rng(0)
    files = {}
    for part, n in ("train", 20), ("t10k", 10):
        files[f"{part}-images-idx3-ubyte"] = to_idx(rng.integers(0, 256, (n, 4, 5), np.uint8))
        files[f"{part}-labels-idx1-ubyte"] = to_idx((np.arange(n) % 10).astype(np.uint8))
    return files


@pytest.fixture
def tiny_mnist_folder(tmp_path, tiny_mnist):
    folder = tmp_path / "idx"
    folder.mkdir()
    for name, data in tiny_mnist.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(data))
    return folder


@pytest.fixture(scope="session")
def shared_data():
    folder = Path(__file__).parents[2].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the whole MNIST is not beside this checkout (../shared/data)")
    return folder


@pytest.fixture
def server(monkeypatch):
    """A web server on loopback: `server.files[path]` is what it sends, `server.cut` what it breaks off."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            data = self.server.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if self.path in self.server.cut else data)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.files, httpd.cut, httpd.asked = {}, set(), []
        httpd.url = f"http://127.0.0.1:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()
