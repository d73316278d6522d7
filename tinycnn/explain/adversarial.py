"""Steps of a GAN: D learns, then G (Eq. 12 and 13); and the gradient penalty of a critic."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn import functional as F
from tinycnn.autograd import grad
from tinycnn.gan import Gan, gradient_penalty
from tinycnn.modes import observed
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

from .calls import leaf
from .cells import largest
from .recorder import Recorder
from .steps import Explanation, Panel, number
from .training import update_steps
from .update import Before
from .watch import Watch


def gan_step(gan: Gan, real: Any, z: Any) -> Explanation:
    """Explain one step of a GAN on copies: D learns, then G.

    Parameters
    ----------
    gan
        Both networks with their optimizers.
    real
        A batch of images, (N, ...).
    z
        (N, latent).
    """
    gan = copy.deepcopy(gan)
    for net in (gan.G, gan.D):
        net.to("numpy")
    real, z = leaf(real).detach(), leaf(z).detach()
    heard: list[Tensor] = []
    remove = gan.D.register_forward_hook(lambda module, inputs, y: heard.append(y))
    watch = Watch()
    rec = Recorder("gan_step", {}, {"z": z.numpy(), "x": real.numpy()})
    with observed(watch):
        fake = gan.generate(z)
        rec.arrays["G(z)"] = fake.numpy()
        rec.forward(
            "G makes images from noise",
            "G(z), z ~ N(0, I)",
            f"{len(z)} vectors z become {len(fake)} images of shape {fake.shape[1:]}",
            "G never sees a real image. All it learns, it learns through D.",
            [_rows(rec, "noise", "z", "read"), _rows(rec, "generated", "G(z)", "result")],
            cites=12,
        )
        before = Before.of(gan.D_optimizer)
        _judged(rec, watch, gan.train_D(real, fake))
        update_steps(rec, gan.D, gan.D_optimizer, before, "D", most=1)
        heard.clear()
        before = Before.of(gan.G_optimizer)
        loss = gan.train_G(real, fake)
        _fooled(rec, watch, fake, heard[0], loss)
        update_steps(rec, gan.G, gan.G_optimizer, before, "G", most=1)
    remove()
    after = _probabilities(gan.D(gan.generate(z)))
    rec.arrays["D'(G'(z))"] = after
    means = [number(rec.arrays[name].mean()) for name in ("D(G(z))", "D'(G(z))", "D'(G'(z))")]
    rec.update(
        "what both have learned, on the same noise z",
        "D(G(z)),  D'(G(z)) after D's step,  D'(G'(z)) after G's step",
        f"on average {means[0]}, then {means[1]}, then {means[2]}",
        "D learned to tell generated images from real ones, then G learned to be taken for real. In a long "
        "training the two numbers go up and down; if all goes well, neither of the two wins.",
        [
            _rows(rec, "before", "D(G(z))", "read"),
            _rows(rec, "D has learned", "D'(G(z))", "read"),
            _rows(rec, "G, too", "D'(G'(z))", "result"),
        ],
        cites=13,
    )
    return rec.explanation("D'(G'(z))")


def _probabilities(logits: Tensor) -> np.ndarray:
    return F.sigmoid(logits.detach()).numpy().ravel()


def _judged(rec: Recorder, watch: Watch, judged: Any) -> None:
    """Add the steps of D: what it says, its loss, and the gradients of its logits."""
    for name, logits in (("x", judged.real), ("G(z)", judged.fake)):
        rec.arrays[f"D({name})"] = _probabilities(logits)
        rec.arrays[f"dL_D/dlogit({name})"] = watch.arrived[logits.creator].ravel()
    rec.arrays["L_D"] = judged.loss.numpy()
    said = ", ".join(f"mean D({a}) = {number(rec.arrays[f'D({a})'].mean())}" for a in ("x", "G(z)"))
    rec.forward(
        "D says how likely each image is real",
        "D(image) = σ(logit)",
        said,
        "1 means real, 0 means generated. D should say 1 for x and 0 for G(z).",
        [_rows(rec, f"of {a}", f"D({a})", "result") for a in ("x", "G(z)")],
        cites=13,
    )
    rec.forward(
        "the loss of D",
        "L_D = -mean log D(x) - mean log(1 - D(G(z)))",
        f"L_D = {number(judged.loss.item())}",
        "It is small if D says 1 for all real images and 0 for all generated ones.",
        [*(_rows(rec, f"of {a}", f"D({a})", "read") for a in ("x", "G(z)")), _rows(rec, "", "L_D", "result")],
        cites=12,
    )
    rec.backward(
        "D's gradient, and where it stops",
        "dL_D/dlogit = (D(x) - 1) / N for real images,  D(G(z)) / N for generated ones",
        "; ".join(f"{a}: {number(rec.arrays[f'dL_D/dlogit({a})'][0])} for image 0" for a in ("x", "G(z)")),
        "The logit of each real image is pushed up, that of each generated image is pushed down. The "
        "gradient stops at G(z), which was detached: G must not learn to make D's work easy.",
        [_rows(rec, "", f"dL_D/dlogit({a})", "result") for a in ("x", "G(z)")],
        cites=13,
    )


def _fooled(rec: Recorder, watch: Watch, fake: Tensor, logits: Tensor, loss: Tensor) -> None:
    """Add the steps of G: what D says after its own step, G's loss, and the gradient that comes through D."""
    said = rec.arrays["D'(G(z))"] = _probabilities(logits)
    rec.arrays["L_G"] = loss.numpy()
    rec.arrays["dL_G/dG(z)"] = watch.arrived[fake.creator]  # type: ignore[index]
    rec.forward(
        "the loss of G: D judges, after its own step",
        "L_G = -mean log D'(G(z))",
        f"L_G = {number(loss.item())},  mean D'(G(z)) = {number(said.mean())}",
        "The same images, judged again: G wants D' to say 1. Now D's weights are frozen.",
        [_rows(rec, "of D after its step", "D'(G(z))", "read"), _rows(rec, "", "L_G", "result")],
        cites=12,
    )
    rec.backward(
        "G's gradient comes through D",
        "dL_G/dG(z) = dL_G/dlogit · dlogit/dG(z)",
        f"‖dL_G/dG(z)‖ = {number(float(np.linalg.norm(rec.arrays['dL_G/dG(z)'].ravel())))}",
        "For every number of its images, D tells G whether a larger or a smaller one would look more real. "
        "From there the gradient goes on into the weights of G.",
        [_rows(rec, "generated", "G(z)", "read"), _rows(rec, "how to change it", "dL_G/dG(z)", "result")],
        cites=12,
    )


def penalty(critic: Callable[[Tensor], Tensor], real: Any, fake: Any, mix: Any | None = None) -> Explanation:
    """Explain `tinycnn.gan.gradient_penalty`, and its own gradient by each parameter of the critic.

    Parameters
    ----------
    critic
        A `Module`, from (N, ...) to (N, 1).
    real, fake
        (N, ...), of the same shape.
    mix
        N numbers in [0, 1]; by default 1/2.
    """
    critic = copy.deepcopy(critic)
    if isinstance(critic, Module):
        critic.to("numpy")
    real, fake = leaf(real).detach(), leaf(fake).detach()
    N, ones = len(real), (1,) * (real.ndim - 1)
    share = np.full(N, 0.5) if mix is None else np.asarray(mix, float).ravel()
    mix = Tensor(share.reshape(N, *ones).astype(real.dtype), backend="numpy")
    total = gradient_penalty(critic, real, fake, mix)
    x = Tensor((real * mix + fake * (1 - mix)).data, requires_grad=True, backend="numpy")
    (slope,) = grad(F.sum(critic(x)), x)
    assert slope is not None
    norm = F.sqrt(F.sum(F.reshape(slope, N, -1) ** 2, 1) + 1e-12)
    each = (norm - 1) ** 2
    rec = Recorder(
        "gradient_penalty", {}, {"x": real.numpy(), "G(z)": fake.numpy(), "t": mix.numpy().ravel()}
    )
    rec.arrays |= {"x̂": x.numpy(), "s": slope.numpy(), "|s|": norm.numpy(), "e": each.numpy()}
    rec.arrays |= {"penalty": total.numpy(), "N": np.array(N)}
    rec.forward(
        "points between real and generated images",
        "x̂ = t·x + (1 - t)·G(z)",
        f"t = ({', '.join(number(v) for v in share)})",
        "The critic must tell the two kinds of images apart, so its slope is measured between them.",
        [
            _rows(rec, "real", "x", "read"),
            _rows(rec, "generated", "G(z)", "read"),
            _rows(rec, "between", "x̂", "result"),
        ],
    )
    rec.backward(
        "the slope of the critic there: a first gradient",
        "s = d critic(x̂) / dx̂",
        f"|s| = ({', '.join(number(v) for v in norm.numpy())})",
        "It is computed by a walk back that is itself recorded (create_graph=True), so that it can be "
        "differentiated again.",
        [
            _rows(rec, "between", "x̂", "read"),
            _rows(rec, "slopes", "s", "read"),
            _rows(rec, "", "|s|", "result"),
        ],
    )
    terms, result = rec.terms(((("e", (n,)),) for n in range(N)), rec.quantity("N")), rec.quantity("penalty")
    rec.forward(
        "the penalty: how far the slopes are from 1",
        "penalty = Σ_n e[n] / N,  e = (|s| - 1)²",
        rec.sum_in_numbers(result, terms),
        "A critic whose slope is 1 everywhere measures a distance between the two distributions.",
        [*rec.panels_of(terms, {"e": "(|s| - 1)²"}), rec.cell(result)],
        terms,
    )
    total.backward()
    for name, p in critic.named_parameters():  # type: ignore[attr-defined]
        if p.grad is None:
            continue
        g, array = p.grad.numpy(), f"dpenalty/d{name}"
        rec.arrays |= {name: p.numpy(), array: g}
        most = rec.quantity(array, largest(g))
        rec.backward(
            f"{array}: a gradient of a gradient",
            f"{array} = Σ_n 2·(|s| - 1) / N · d|s|/d{name}",
            f"largest: {most.name} = {number(most.value)}",
            "The second walk goes through the first one. It changes the weights so that the slopes come "
            "nearer to 1.",
            [rec.panel("", name, most.index[:-2]), rec.cell(most)],
        )
    return rec.explanation("penalty")


def _rows(rec: Recorder, title: str, array: str, role: str) -> Panel:
    """Return an array, of images the first one, as a panel; if it is small, all its cells are marked."""
    values = rec.arrays[array]
    index = (0,) * max(values.ndim - 2, 0)
    shown = np.atleast_2d(values[index])
    cells = [(i, j) for i, j in np.ndindex(*shown.shape)] if shown.size <= 20 else []
    return rec.panel(title, array, index, dict.fromkeys(cells, role), picture=max(shown.shape) > 20)
