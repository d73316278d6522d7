"""Training gives the same bits for every number of threads, in processes that start with that number.

The number of threads is also what BLAS sees when NumPy is imported: a test that changes it later cannot tell.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLAS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

START = """
import hashlib
import numpy as np
import tinycnn
from tinycnn import Tensor, models, nn, optim
from tinycnn import functional as F

rng = np.random.default_rng(0)
tinycnn.manual_seed(0)
said = hashlib.sha256()

def show(*tensors):
    for tensor in tensors:
        said.update(np.ascontiguousarray(tensor.numpy()))
"""

WORKS = {
    "cnn28": """
model = models.cnn28()
optimizer = optim.Adam(model.parameters())
x, y = Tensor(rng.random((33, 1, 28, 28), dtype="f")), rng.integers(0, 10, 33)
for _ in range(3):
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
show(loss, *model.parameters())
""",
    "DCGAN": """
from tinycnn.gan import Discriminator, Generator
G, D = Generator(width=16), Discriminator(width=16)
optimizer = optim.Adam([*G.parameters(), *D.parameters()])
z = Tensor(rng.standard_normal((9, G.latent), dtype="f"))
for _ in range(2):
    loss = F.softplus(D(G(z))).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
show(loss, *G.parameters(), *D.parameters())
""",
    "dense layers": """
for N, inputs, outputs in ((1, 784, 128), (32, 1600, 128), (32, 128, 10), (7, 1000, 333), (256, 300, 65)):
    for dtype in ("float32", "float64"):
        layer = nn.Linear(inputs, outputs)
        layer.weight = nn.Parameter(rng.standard_normal((outputs, inputs)).astype(dtype))
        layer.bias = nn.Parameter(rng.standard_normal(outputs).astype(dtype))
        x = Tensor(rng.standard_normal((N, inputs)).astype(dtype), requires_grad=True)
        y = layer(x)
        (y * y).sum().backward()
        show(y, x.grad, layer.weight.grad, layer.bias.grad)
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_the_same_bits_for_every_number_of_threads(name, tmp_path):
    inherited = {key: value for key, value in os.environ.items() if key not in BLAS}
    said = {}
    for threads in (None, "1", "3"):  # None: the machine's
        environment = {**inherited, "PYTHONPATH": str(ROOT), "TINYCNN_BACKEND": "numpy"}
        environment.pop("TINYCNN_THREADS", None)
        if threads:
            environment["TINYCNN_THREADS"] = threads
        command = [sys.executable, "-c", f"{START}{WORKS[name]}print(said.hexdigest())"]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said[threads] = done.stdout
    assert len(set(said.values())) == 1, said
