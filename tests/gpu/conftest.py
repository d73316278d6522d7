import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tinycnn
from tests.helpers import strict_cupy, strict_graphs
from tinycnn import nn, optim
from tinycnn.data import Augment, DataLoader, digits
from tinycnn.fit import Training
from tinycnn.gan import (
    LOSSES,
    Discriminator,
    ExponentialMovingAverage,
    GanTraining,
    GanWithAdditions,
    Generator,
    NameClasses,
    Shift,
)
from tinycnn.kernels import table

RULES = {
    "Adam": lambda theta: optim.Adam(theta, 3e-3, weight_decay=1e-3),
    "AdamW": lambda theta: optim.AdamW(theta, 3e-3),
    "momentum": lambda theta: optim.SGD(theta, 3e-3, momentum=0.9, nesterov=True, l1=1e-6),
}


@pytest.fixture(scope="session")
def few_digits():
    """128 training and 40 test digits."""
    train, test = digits()
    return train.subset(np.arange(128)), test.subset(np.arange(0, 2000, 50))


@pytest.fixture
def make_training(few_digits):
    """A run with all kinds of layers, in the current backend; the same at every call."""

    def make(rule="Adam", dropout=0.2, augment=None, epochs=2, batch_size=16):
        train, test = few_digits
        tinycnn.manual_seed(0)
        model = nn.Sequential(
            *(nn.Conv2d(1, 4, 5, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
            *(
                nn.Conv2d(4, 4, 3, padding=1),
                nn.InstanceNorm2d(4, affine=True),
                nn.LeakyReLU(),
                nn.AvgPool2d(2),
            ),
            *(nn.Flatten(), nn.Dropout(dropout), nn.Linear(4 * 3 * 3, 16), nn.Tanh(), nn.Linear(16, 10)),
        )
        loader = DataLoader(train, batch_size, shuffle=True, augment=augment or Augment(shift=1))
        optimizer = RULES[rule](model.parameters())
        schedule = optim.OneCycleLR(optimizer, 3e-3, epochs * len(loader))
        return Training(model, loader, optimizer, epochs, DataLoader(test, 16), schedule)

    return make


@pytest.fixture
def make_gan(few_digits):
    """A run of a small GAN, in the current backend; the same at every call."""

    def make(loss="non-saturating", conditional=False, epochs=1, shift=0, class_weight=0.0):
        tinycnn.manual_seed(0)
        K = 10 if conditional else 0
        norm = "instance" if LOSSES[loss].penalty else "batch"
        outputs = 10 if class_weight else 1
        G = Generator(width=4, latent=8, num_classes=K, kinds=0 if conditional else 4)
        D = Discriminator(width=4, num_classes=K, norm=norm, outputs=outputs)
        optimizers = [optim.Adam(network.parameters(), 1e-3, (0.5, 0.999)) for network in (G, D)]
        loader = DataLoader(few_digits[0], 8, shuffle=True, drop_last=True)
        schedules = [optim.CosineAnnealingLR(optimizer, epochs * len(loader)) for optimizer in optimizers]
        additions = [ExponentialMovingAverage(G, 0.99)]
        additions += [Shift(shift)] if shift else []
        additions += [NameClasses(class_weight)] if class_weight else []
        gan = GanWithAdditions(G, D, *optimizers, LOSSES[loss], additions)
        return GanTraining(gan, loader, epochs, schedules)

    return make


@pytest.fixture(scope="session")
def nvrtc():
    """NVIDIA's compiler, which needs no GPU, and where CuPy's headers and CUDA's are."""
    cupy = pytest.importorskip("cupy", reason="the CuPy package is not installed")
    if cupy is strict_cupy:
        pytest.skip("the stand-in has no compiler")
    compiler = cupy.cuda.nvrtc
    try:
        compiler.getVersion()
    except RuntimeError:
        pytest.skip("CuPy has no NVRTC: install its extra [ctk]")
    own = Path(cupy.__file__).parent / "_core" / "include"
    include = [own, *(own / "cupy" / "_cccl").glob("thrust"), *(own / "cupy" / "_cccl").glob("libcudacxx")]
    include += [folder for path in sys.path for folder in Path(path).glob("nvidia/*/include")]
    options = ("--std=c++17", "--gpu-architecture=compute_80", *(f"-I{folder}" for folder in include))

    def compile(source):
        program = compiler.createProgram(source, "kernel.cu", (), ())
        try:
            compiler.compileProgram(program, options)
        except compiler.NVRTCError:
            raise AssertionError(compiler.getProgramLog(program)) from None
        ptx = compiler.getPTX(program)
        return ptx.decode() if isinstance(ptx, bytes) else ptx

    return compile


OURS = ("conv2d", "conv2d_input", "conv2d_weight", "max_pool2d", "pool_scatter", "matmul")


def launch(name):
    """Return one of our CUDA kernels as the stand-in has it: the plain one, as a single launch."""
    plain = getattr(table.PLAIN, name)

    def kernel(*arguments):
        boxes = {i: a for i, a in enumerate(arguments) if isinstance(a, strict_cupy.ndarray)}

        def compute(*hosts):
            given = dict(zip(boxes, hosts, strict=True))
            return plain(*(given.get(i, a) for i, a in enumerate(arguments)))

        return strict_cupy._strict(compute, launch=name)(*boxes.values())

    return kernel


@pytest.fixture
def gpu(stand_in, monkeypatch):
    """A machine whose CUDA kernels work, and whose CuPy is the stand-in."""
    kernels = replace(table.fused(), name="cuda", **{name: launch(name) for name in OURS})
    monkeypatch.setattr(table, "why_no_cuda", lambda: None)
    monkeypatch.setattr(table, "capturable", lambda: replace(kernels, name="capturable"))
    monkeypatch.setattr(table, "cuda", lambda: kernels)
    strict_graphs.launched.clear()
    with tinycnn.using("cupy", kernels="auto"):
        yield
