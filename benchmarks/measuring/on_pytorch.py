"""The works on PyTorch, as its tutorials write them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn.gan.networks import LATENT

from .inputs import Arrays, weights_of
from .works import Work

if TYPE_CHECKING:
    from torch import Tensor, nn

Run = Callable[[], Any]


class Engine:
    """PyTorch as a contestant.

    Parameters
    ----------
    threads
        How many it may use.
    tuned
        Keep images and filters in memory as (N, H, W, C), which its CPU kernels like best.

    Attributes
    ----------
    device
        Where everything lives.
    compiled
        What is made of a function, or a network, before it runs: nothing, here.
    """

    device = "cpu"

    @staticmethod
    def compiled(function: Any) -> Any:
        """Return `function`."""
        return function

    def __init__(self, threads: int, tuned: bool = False) -> None:
        import torch

        torch.set_num_threads(threads)
        self.version = torch.__version__
        self.layout = torch.channels_last if tuned else torch.contiguous_format
        self.kinds: dict[str, Callable[[Work, Arrays], Run]] = {
            "step": self._step,
            "gan": self._gan,
            "inference": self._inference,
            "chain": self._chain,
            "conv": self._conv,
        }

    def prepare(self, work: Work, arrays: Arrays) -> Run:
        """Return the function that does the work once."""
        return self.kinds[work.kind](work, arrays)

    def numbers(self, result: Any) -> np.ndarray:
        """Return the result of a run as an array; of several losses the sum."""
        if isinstance(result, tuple):
            return np.asarray(sum(loss.item() for loss in result))
        return result.detach().cpu().numpy()

    def images(self, array: np.ndarray) -> Tensor:
        """Return an array (N, C, H, W), or (K, C, KH, KW), as a tensor in the layout."""
        import torch

        return torch.from_numpy(array).to(self.device, memory_format=self.layout)

    def tensor(self, array: np.ndarray) -> Tensor:
        """Return any other array as a tensor."""
        import torch

        return torch.from_numpy(array).to(self.device)

    def loaded(self, model: Any, weights: Arrays) -> Any:
        """Return `model` with these weights, in the layout."""
        import torch

        model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        return model.to(self.device, memory_format=self.layout)

    def _step(self, work: Work, arrays: Arrays) -> Run:
        import torch
        from torch.nn import functional as F

        model = self.loaded(network(weights_of(arrays)), weights_of(arrays))
        optimizer = torch.optim.Adam(model.parameters(), work.lr)
        pairs = zip(arrays["x"], arrays["y"], strict=True)
        batches = cycle([(self.images(x), self.tensor(y)) for x, y in pairs])
        loss_of = self.compiled(lambda x, y: F.cross_entropy(model(x), y))

        def run() -> Tensor:
            loss = loss_of(*next(batches))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return run

    def _gan(self, work: Work, arrays: Arrays) -> Run:
        import torch
        from torch.nn import functional as F

        G = self.loaded(generator(), weights_of(arrays, "G."))
        D = self.loaded(discriminator(), weights_of(arrays, "D."))
        G_optimizer, D_optimizer = (
            torch.optim.Adam(model.parameters(), 2e-4, betas=(0.5, 0.999)) for model in (G, D)
        )
        pairs = zip(arrays["x"], arrays["z"], strict=True)
        batches = cycle([(self.images(x), self.tensor(z)) for x, z in pairs])
        real, fake = (number * torch.ones(work.N, 1, device=self.device) for number in (1, 0))
        bce = F.binary_cross_entropy_with_logits
        generate, judge = self.compiled(G), self.compiled(D)

        def run() -> tuple[Tensor, Tensor]:
            x, z = next(batches)
            images = generate(z)
            D.requires_grad_(True)
            D_loss = bce(judge(x), real) + bce(judge(images.detach()), fake)
            D_optimizer.zero_grad()
            D_loss.backward()
            D_optimizer.step()
            D.requires_grad_(False)
            G_loss = bce(judge(images), real)
            G_optimizer.zero_grad()
            G_loss.backward()
            G_optimizer.step()
            return D_loss, G_loss

        return run

    def _inference(self, work: Work, arrays: Arrays) -> Run:
        import torch

        model = self.loaded(network(weights_of(arrays)), weights_of(arrays)).eval()
        x = self.images(arrays["x"])

        @torch.inference_mode()
        def run() -> Tensor:
            return model(x)

        return run

    def _chain(self, work: Work, arrays: Arrays) -> Run:
        x, a, b = (self.tensor(arrays[name]).requires_grad_() for name in "xab")

        def run() -> Tensor:
            x.grad = a.grad = b.grad = None
            y = x
            for _ in range(work.N // 2):
                y = y * a + b
            y.sum().backward()
            assert a.grad is not None
            return a.grad

        return run

    def _conv(self, work: Work, arrays: Arrays) -> Run:
        import torch

        c = work.convolution
        assert c is not None
        x, w, g = (self.images(arrays[name]) for name in "xwg")
        forward = torch.nn.functional.conv2d
        backward = torch.ops.aten.convolution_backward
        pair = [c.stride, c.stride], [c.padding, c.padding], [1, 1]
        rest = None, *pair, False, [0, 0], 1  # no bias; not transposed, no output padding, one group
        directions: dict[str, Run] = {
            "forward": lambda: forward(x, w, stride=c.stride, padding=c.padding),
            "input": lambda: backward(g, x, w, *rest, [True, False, False])[0],
            "weight": lambda: backward(g, x, w, *rest, [False, True, False])[1],
        }
        return directions[work.direction]


def network(weights: Arrays) -> nn.Sequential:
    """Return the network that the weights describe: convolutions with ReLU and pooling, then dense layers."""
    from torch.nn import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential

    layers: list[nn.Module] = []
    for w in weights.values():
        if w.ndim == 4:  # (K, C, KH, KW)
            layers += [Conv2d(w.shape[1], w.shape[0], w.shape[2:]), ReLU(), MaxPool2d(2)]
        elif w.ndim == 2:  # (out, in)
            layers.append(ReLU() if isinstance(layers[-1], Linear) else Flatten())
            layers.append(Linear(w.shape[1], w.shape[0]))
    return Sequential(*layers)


def generator() -> nn.Sequential:
    """Return the same network as `tinycnn.gan.Generator`."""
    from torch.nn import BatchNorm2d, ConvTranspose2d, Linear, ReLU, Sequential, Tanh, Unflatten

    return Sequential(
        *(Linear(LATENT, 128 * 7 * 7), Unflatten(1, (128, 7, 7)), BatchNorm2d(128), ReLU()),
        *(ConvTranspose2d(128, 64, 4, stride=2, padding=1), BatchNorm2d(64), ReLU()),
        *(ConvTranspose2d(64, 1, 4, stride=2, padding=1), Tanh()),
    )


def discriminator() -> nn.Sequential:
    """Return the same network as `tinycnn.gan.Discriminator`."""
    from torch.nn import BatchNorm2d, Conv2d, Flatten, LeakyReLU, Linear, Sequential

    return Sequential(
        *(Conv2d(1, 64, 4, stride=2, padding=1), LeakyReLU(0.2)),
        *(Conv2d(64, 128, 4, stride=2, padding=1), BatchNorm2d(128), LeakyReLU(0.2)),
        *(Flatten(), Linear(128 * 7 * 7, 1)),
    )
