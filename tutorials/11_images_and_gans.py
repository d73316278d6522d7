# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 11. Making images: chance, rules, and the GAN
#
# An hour and a quarter. You need lesson 18, which makes one step of a GAN by hand, and lessons 5 and 6.
#
# At the end you can make images in three ways, derive both losses of a GAN, say what they measure, and tell
# four classic failures from each other.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.data import DataLoader, digits
from tinycnn.fit import fit
from tinycnn.gan import (
    Discriminator,
    ExponentialMovingAverage,
    GanTraining,
    GanWithAdditions,
    Generator,
    diagnose,
    sample,
    scale,
    toy,
)
from tinycnn.gan import losses as gan_losses
from tinycnn.gan.diagnosis import Observation
from tinycnn.generate import RULES, random_image, rule_image
from tinycnn.optim import Adam
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import check, compare

# %% [markdown]
# ## By chance (Eq. 9) and by a rule (Eq. 10)
#
# $$x_{ij} = U(0, 255) \qquad\qquad x_{ij} = f(i, j)$$
#
# Chance makes every image as likely as every other, so none with anything in it. A rule makes one image.

# %%
made = {"chance": random_image(64, 64)}
made |= {name: rule_image(RULES[name], 64, 64) for name in ("rings", "checkerboard", "plasma", "mandelbrot")}
figure = blank_figure(12, 3)
for axes, (name, image) in zip(figure.subplots(1, len(made)), made.items(), strict=True):
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    axes.set_title(name, fontsize=13)
    axes.axis("off")
described(figure, "Five images: noise; by rule rings, a chessboard, plasma, the Mandelbrot set.")

# %% [markdown]
# **What to see:** you can say what is in the last four, and nothing about the first.
#
# ## By learning (Eq. 11 to 13)
#
# Neither gives a digit: who can write f for "a seven"? So learn it. The *generator* G makes random numbers z
# into an image, the *discriminator* D says how probable it is that an image is real:
#
# | network | from | to |
# | --- | --- | --- |
# | G | z (N, latent), from N(0, 1) | images (N, C, H, W) |
# | D | images (N, C, H, W) | logits (N, 1); D(x) = sigmoid(logit) |
#
# D is a classifier with two classes, so it minimises cross-entropy (lesson 18): label 1 for real, 0 for
# generated:
#
# $$L_D = -E \log D(x) - E \log\left(1 - D(G(z))\right)$$
#
# G wants the opposite: $\min_G \max_D\; E \log D(x) + E \log(1 - D(G(z)))$. From logits a, in a form that
# never takes the logarithm of 0: $\log D = -\mathrm{softplus}(-a)$ and
# $\log(1 - D) = -\mathrm{softplus}(a)$.

# %%
print(inspect.getsource(gan_losses.discriminator_minimax).split('"""')[2])
logit = Tensor(np.array([[-2.0], [0.5]]))
p = F.sigmoid(logit).numpy()
assert np.allclose(F.softplus(-logit).numpy(), -np.log(p))
assert np.allclose(F.softplus(logit).numpy(), -np.log(1 - p))
undecided = gan_losses.discriminator_minimax(logit * 0, logit * 0).item()
print(f"D's loss where it cannot tell (D = 1/2): {undecided:.4f} = 2 log 2")
assert np.isclose(undecided, 2 * np.log(2))

# %% [markdown]
# ### G's loss, and why there are two
#
# *Minimax*: G minimises $E \log(1 - D(G(z))) = -E\,\mathrm{softplus}(a)$. Its derivative by the logit is
# $-\mathrm{sigmoid}(a) = -D$. At first D sees every fake at once: $D \approx 0$. So the worse G is, the less
# it learns.
#
# *Non-saturating*: G minimises $-E \log D(G(z)) = E\,\mathrm{softplus}(-a)$, with the derivative
# $-(1 - D)$. The same direction, but strongest where D sees through the fakes, $D(G(z)) \approx 0$.

# %%
a = np.linspace(-6, 6, 121)
slopes = {}
for name, loss in (
    ("minimax", gan_losses.generator_minimax),
    ("non-saturating", gan_losses.generator_non_saturating),
):
    x = Tensor(a, requires_grad=True)
    (g,) = tinycnn.grad(loss(x) * len(a), x)
    slopes[name] = np.abs(g.numpy())
D = 1 / (1 + np.exp(-a))
assert np.allclose(slopes["minimax"], D) and np.allclose(slopes["non-saturating"], 1 - D)
checked = tinycnn.gradcheck(gan_losses.generator_non_saturating, np.array([[-2.0], [0.5]]))
print("gradient check:", checked.errors)

figure = blank_figure(9, 4.2)
axes = figure.subplots()
for (name, slope), style in zip(slopes.items(), ("--", "-"), strict=True):
    axes.plot(D, slope, style, linewidth=2.5, label=name)
axes.set_xlabel("D(G(z)): left, D sees that it is a fake", fontsize=13)
axes.set_ylabel("|dL/dlogit|: what G learns", fontsize=13)
axes.set_title("where D sees through the fakes, minimax teaches G nothing", fontsize=14)
axes.grid(alpha=0.3)
axes.legend(fontsize=12)
described(figure, "Two lines over D(G(z)): minimax rises from 0 to 1, non-saturating falls from 1 to 0.")

# %% [markdown]
# **What to see:** the curves cross at 1/2. At the left edge, where training begins, one is 1 and the other
# 0.
#
# ### What does the game measure?
#
# Let p(x) be the density of real images and q(x) that of generated ones. Suppose that D has learnt as much as
# can be learnt, and D may be any function. Then at every x it minimises its part of the loss,
#
# $$-p \log D - q \log(1 - D), \qquad
#   \frac{d}{dD}: \; -\frac{p}{D} + \frac{q}{1 - D} = 0 \quad\Rightarrow\quad D^* = \frac{p}{p + q}$$
#
# D* is 1 where only real images are, 0 where only fakes are, and 1/2 where both are equally likely. Put it
# into the loss, with the mean density $m = (p + q)/2$, so that $D^* = p/(2m)$ and $1 - D^* = q/(2m)$:
#
# $$L_D = -\int p \log\frac{p}{2m} + q \log\frac{q}{2m}\; dx
#   = 2\log 2 - \underbrace{\int p \log\frac{p}{m} + q \log\frac{q}{m}\; dx}_{2\, JS(p, q)}$$
#
# JS is the *Jensen-Shannon divergence*. It is 0 if p = q, and log 2 if p and q do not overlap, however near
# or far they are. So in the minimax game G makes JS small; and as long as fakes are nowhere near real images,
# JS is flat and has no slope to follow. That is the saturation above, once more.
#
# Check it. Let D be a table, one logit for each x on a grid, and let it learn by gradient descent:

# %%
grid = np.linspace(-4, 10, 281)
dx = grid[1] - grid[0]


def bell(centre):
    """Return the density of N(centre, 1) on the grid."""
    return np.exp(-((grid - centre) ** 2) / 2) / np.sqrt(2 * np.pi)


def best_discriminator(p, q, steps=400):
    """Return D on the grid after training, and its loss, for densities p of real and q of fakes."""
    logits = Tensor(np.zeros(len(grid)), requires_grad=True)
    optimizer = Adam([logits], lr=0.1)
    for _ in range(steps):
        loss = ((Tensor(p) * F.softplus(-logits)).sum() + (Tensor(q) * F.softplus(logits)).sum()) * dx
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return F.sigmoid(logits).numpy(), loss.item()


p, q = bell(0), bell(2)
learnt, loss_of_D = best_discriminator(p, q)
likely = p + q > 1e-3  # elsewhere are hardly any images to learn from
assert np.allclose(learnt[likely], (p / (p + q))[likely], atol=0.02)

shifts = np.linspace(0, 6, 13)
divergences = [np.log(2) - best_discriminator(bell(0), bell(shift))[1] / 2 for shift in shifts]
figure = blank_figure(12, 4.2)
left, right = figure.subplots(1, 2)
left.fill_between(grid, p, alpha=0.3, color="#2a7f3f", label="p: real")
left.fill_between(grid, q, alpha=0.3, color="#1f5fa8", label="q: generated")
left.plot(grid, p / (p + q), color="black", linewidth=2.5, label="D* = p / (p + q)")
left.plot(grid[::8], learnt[::8], "o", color="#c8102e", markersize=5, label="D after training")
left.set_title("the best D says how much of the density is real", fontsize=13)
left.set_xlabel("x", fontsize=12)
left.legend(fontsize=10)
right.plot(shifts, divergences, "o-", linewidth=2.5, label="from the loss of D")
right.axhline(np.log(2), color="grey", linestyle="--", label="log 2")
right.set_title("Jensen-Shannon: the farther apart, the flatter", fontsize=13)
right.set_xlabel("distance between the centres of p and q", fontsize=12)
right.grid(alpha=0.3)
right.legend(fontsize=11)
described(figure, "Left: two bells, D* falls from 1 to 0 between them. Right: the divergence rises to log 2.")

# %% [markdown]
# **What to see:** the red dots lie on the black curve where there are images; far to the right nothing
# teaches D. The divergence is steepest between 1 and 2, and nearly flat from 5 on.
#
# ## A GAN that can be watched
#
# Instead of images, points of the plane: eight heaps on a ring. G makes z (N, 2) into points (N, 2), D says
# for every place how real it looks: purple is real, orange is fake. The arrows are $-\partial L_G/\partial x$
# at the samples: where D pulls them. That gradient goes on, through G, to G's weights. (To train such a GAN
# in the browser, start `tinycnn lab` and open its address with `#{"tab":"gan"}` behind it.)

# %%
gan = toy.ToyGan.of("ring", "non-saturating", seed=0)
gan.train(20)
described(toy.draw(gan), "Eight heaps; the samples are in a corner, arrows point across D's border.")

# %% [markdown]
# **What to see:** after 20 steps D has drawn one border, and all arrows point across it. The generated points
# (white) follow, whatever the real ones (black) look like behind it.

# %%
gan.train(580)
described(toy.draw(gan), "The samples lie on the ring, most at the heaps; D is orange in- and outside.")

# %% [markdown]
# **What to see:** after 600 steps D is near 1/2 where the points are (white), and orange where nothing should
# be. The arrows are short near the heaps; between them they point to a heap.

# %%
centres = np.array([[np.cos(t), np.sin(t)] for t in 2 * np.pi * np.arange(8) / 8])


def modes(points):
    """Return how many points lie near each of the eight heaps."""
    squares = ((points[:, None] - centres) ** 2).sum(-1)
    return np.bincount(squares.argmin(axis=1)[squares.min(axis=1) < 0.3**2], minlength=8)


print("of 800 samples, near each heap:", modes(gan.samples(800)))
assert modes(gan.samples(800)).min() > 0

# %% [markdown]
# ## Digits, a short run
#
# DCGAN: G grows images with transposed convolutions, D shrinks them with strided ones. A few passes over few
# digits are far too little for good ones (`tinycnn gan` trains longer); enough to see strokes come out of
# noise. Real images are scaled to G's range first, [-1, 1].

# %%
tinycnn.manual_seed(0)
train, _ = digits()
few = train.subset(slice(0, 2048))
G, D_network = Generator(latent=32, width=16), Discriminator(width=16)
digits_gan = GanWithAdditions(
    G,
    D_network,
    Adam(G.parameters(), 3e-3, (0.5, 0.999)),
    Adam(D_network.parameters(), 6e-4, (0.5, 0.999)),
    additions=[ExponentialMovingAverage(G, 0.9)],  # samples come from an average of G's last weights
)
run = GanTraining(digits_gan, DataLoader(few, batch_size=64, shuffle=True, drop_last=True), epochs=3)
z = Tensor(np.random.default_rng(0).standard_normal((12, 32), np.float32))
before = sample(G, z)
fit(run)
after = sample(run.sampler, z)
print(run.report())
figure = blank_figure(12, 3.6)
rows = {"before": before, "after": after, "real": few.scaled(slice(0, 12))}
for row, (name, images) in zip(figure.subplots(3, 12), rows.items(), strict=True):
    for axes, image in zip(row, images, strict=True):
        axes.imshow(image[0], cmap="gray", vmin=0, vmax=1)
        axes.set_xticks([])
        axes.set_yticks([])
    row[0].set_ylabel(name, fontsize=13)
described(figure, "Three rows of images: noise before the training, strokes of digits after it, real digits.")

# %% [markdown]
# **What to see:** the middle row has strokes, bright on black, and hardly a digit yet.
#
# ## "My GAN does not learn"
#
# | what you see | its name | what to try |
# | --- | --- | --- |
# | D's loss is 0, D(x) = 1, D(G(z)) = 0 | D has won | non-saturating loss, smoothing, a lower lr for D |
# | all samples alike | mode collapse | another seed, a lower lr for G, WGAN-GP (lesson 23) |
# | D wins within a few steps | not scaled | real images to [-1, 1], as G's |
# | NaN | lr too high | a lower lr; the loss from logits, never log(sigmoid) |
#
# See the first one happen: let D learn alone, so that it sees through the fakes, and ask how hard it pulls
# the generated points, with either loss of G.

# %%
pulls = {}
for name in ("minimax", "non-saturating"):
    starved = toy.ToyGan.of("ring", name, seed=0)
    points = np.random.default_rng(0)
    for _ in range(150):
        real_points = Tensor(toy.ring(points, 256).astype(np.float32))
        made_points = starved.G(Tensor(points.standard_normal((256, 2), np.float32)))
        on_made = starved.train_D(real_points, made_points).fake
    pull = np.linalg.norm(starved.push(starved.samples(256)), axis=1).sum()
    pulls[name] = float(pull)
    print(f"{name:14} D(G(z)) = {F.sigmoid(on_made).mean().item():.4f}, D pulls with {pull:.4f}")
assert pulls["minimax"] < pulls["non-saturating"] / 10

# %% [markdown]
# The engine watches for failures. Here is what it says to numbers of each kind:

# %%
healthy = {"D_loss": 1.2, "D_real": 0.6, "D_fake": 0.4, "G_gradient": 0.5, "diversity": 0.9}
healthy |= {"real": (-1.0, 1.0)}
sick = {
    "D has won": {"D_loss": 0.001, "D_real": 0.999, "D_fake": 0.001, "G_gradient": 1e-6},
    "collapse": {"diversity": 0.1},
    "not scaled": {"real": (0.0, 255.0)},
    "NaN": {"D_loss": float("nan")},
}
assert not diagnose([Observation(step, **healthy) for step in range(8)])
for name, numbers in sick.items():
    (finding,) = diagnose([Observation(step, **(healthy | numbers)) for step in range(8)])
    print(f"{finding.name}: {finding}")
    assert finding.name == name

# %% [markdown]
# ## Exercises
#
# **1.** Write D's loss from its logits of real and of generated images, as Eq. 12 has it, so that large
# logits do no harm.


# %%
def discriminator_loss(real_logits, fake_logits):
    """Return -E log D(x) - E log(1 - D(G(z)))."""
    return None  # your code


check("discriminator_loss", discriminator_loss)

# %% [markdown]
# **2.** Scale images from 0..255 to G's range.


# %%
def scaled(images):
    """Return images in [-1, 1], of images in 0..255."""
    return None  # your code


compare(scaled(few.images[:4].astype(np.float32)), scale(Tensor(few.scaled(slice(0, 4)))).numpy())

# %% [markdown]
# **3.** Compute the Jensen-Shannon divergence from the densities p and q on the grid (`dx` is the distance of
# two grid points; an integral is a sum times dx).


# %%
def jensen_shannon(p, q):
    """Return JS(p, q), one number."""
    return None  # your code


compare(jensen_shannon(p, q), np.log(2) - loss_of_D / 2, tolerance=1e-3)

# %% [markdown]
# ## Solutions
#
# <details><summary>1. D's loss</summary>
#
# ```python
# def discriminator_loss(real_logits, fake_logits):
#     return np.logaddexp(0, -real_logits).mean() + np.logaddexp(0, fake_logits).mean()
#
# assert check("discriminator_loss", discriminator_loss)
# ```
#
# </details>
#
# <details><summary>2. Scaling</summary>
#
# ```python
# def scaled(images):
#     return images / 127.5 - 1
#
# assert compare(scaled(few.images[:4].astype(np.float32)), scale(Tensor(few.scaled(slice(0, 4)))).numpy())
# ```
#
# </details>
#
# <details><summary>3. Jensen-Shannon</summary>
#
# ```python
# def jensen_shannon(p, q):
#     m = (p + q) / 2
#     return (p * np.log(p / m) + q * np.log(q / m)).sum() * dx / 2
#
# assert compare(jensen_shannon(p, q), np.log(2) - loss_of_D / 2, tolerance=1e-3)
# ```
#
# </details>
