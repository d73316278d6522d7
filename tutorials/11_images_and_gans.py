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
    sample,
    scale,
    toy,
)
from tinycnn.gan import losses as gan_losses
from tinycnn.gan.diagnosis import Observation, diagnose
from tinycnn.generate import RULES, random_image, rule_image
from tinycnn.optim import Adam
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import check, compare

# %% [markdown]
# ## By chance (Eq. 9) and by a rule (Eq. 10)
#
# $$x_{ij} = U(0, 255) \qquad\qquad x_{ij} = f(i, j)$$
#
# Chance makes every image as likely as every other. Nearly all of them look like noise (lesson 1), so you
# will not see one with something in it. A rule makes one image.

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
# Neither way gives a digit: nobody can write down f for "a seven". So learn it. The *generator* G turns
# random numbers z into an image. The *discriminator* D says how probable it is that an image is real:
#
# | network | from | to |
# | --- | --- | --- |
# | G | z (N, latent), from N(0, 1) | images (N, C, H, W) |
# | D | images (N, C, H, W) | logits (N, 1); D(x) = sigmoid(logit) |
#
# D is a classifier with two classes, so it minimises binary cross-entropy (lesson 17). The label of real
# images is 1, that of generated ones is 0:
#
# $$L_D = -E \log D(x) - E \log\left(1 - D(G(z))\right)$$
#
# G wants the opposite: $\min_G \max_D\; E \log D(x) + E \log(1 - D(G(z)))$ (Goodfellow et al. 2014). The
# engine computes it from logits a, so that it never takes the logarithm of 0:
# $\log D = -\mathrm{softplus}(-a)$ and $\log(1 - D) = -\mathrm{softplus}(a)$.

# %%
print(inspect.getsource(gan_losses.discriminator_minimax).split('"""')[2])
logit = Tensor(np.array([[-2.0], [0.5]]))
p = F.sigmoid(logit).numpy()
assert np.allclose(F.softplus(-logit).numpy(), -np.log(p))
assert np.allclose(F.softplus(logit).numpy(), -np.log(1 - p))
undecided = gan_losses.discriminator_minimax(logit * 0, logit * 0).item()
print(f"D's loss if it cannot tell (D = 1/2): {undecided:.4f}; 2 log 2 = {2 * np.log(2):.4f}")
assert np.isclose(undecided, 2 * np.log(2))

# %% [markdown]
# ### G's loss, and why there are two
#
# *Minimax*: G minimises $E \log(1 - D(G(z))) = -E\,\mathrm{softplus}(a)$. Its derivative by the logit is
# $-\mathrm{sigmoid}(a) = -D$. If D sees through the fakes, $D(G(z)) \approx 0$, this is nearly 0: the worse G
# is, the less it learns.
#
# *Non-saturating*: G minimises $-E \log D(G(z)) = E\,\mathrm{softplus}(-a)$, with the derivative
# $-(1 - D)$. It has the same sign, but it is largest if D sees through the fakes.

# %%
a = np.linspace(-6, 6, 121)
slopes = {}
rules = {"minimax": gan_losses.generator_minimax, "non-saturating": gan_losses.generator_non_saturating}
for name, loss in rules.items():
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
axes.set(xlabel="D(G(z)): left, D sees that it is a fake", ylabel="|dL/dlogit|: what G learns")
axes.set_title("if D sees through the fakes, minimax teaches G nothing", fontsize=14)
axes.grid(alpha=0.3)
axes.legend(fontsize=12)
described(figure, "Two lines over D(G(z)): minimax rises from 0 to 1, non-saturating falls from 1 to 0.")

# %% [markdown]
# **What to see:** the curves cross at 1/2. At the left edge D is sure of every fake. There one loss has the
# slope 0 and the other the slope 1. That is where a G is that has not learnt yet, as soon as D has.
#
# ### What does the game measure?
#
# Let p(x) be the density of real images and q(x) that of generated ones. Suppose that D may be any function,
# and has learnt as much as can be learnt. Then at every x it minimises its part of the loss,
#
# $$-p \log D - q \log(1 - D), \qquad
#   \frac{d}{dD}: \; -\frac{p}{D} + \frac{q}{1 - D} = 0 \quad\Rightarrow\quad D^* = \frac{p}{p + q}$$
#
# (It is a minimum: the second derivative, $p/D^2 + q/(1 - D)^2$, is positive.) D* is 1 where only real images
# are, 0 where only fakes are, and 1/2 where both are equally likely. Put it into the loss, with the mean
# density $m = (p + q)/2$, so that $D^* = p/(2m)$ and $1 - D^* = q/(2m)$:
#
# $$L_D = -\int \left(p \log\frac{p}{2m} + q \log\frac{q}{2m}\right) dx
#   = 2\log 2 - \underbrace{\int \left(p \log\frac{p}{m} + q \log\frac{q}{m}\right) dx}_{2\, JS(p, q)}$$
#
# JS is the *Jensen-Shannon divergence*. It is 0 if p = q, and log 2 if p and q do not overlap, whether they
# are near or far. In the minimax game G makes JS small. But as long as fakes and real images do not overlap,
# JS is flat, and G has no slope to follow. That is the saturation above, seen from the other side: there D*
# is 0.
#
# Check it. Let D be a table, one logit for each x on a grid, and let it learn by gradient descent (with
# Adam):

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
rises = np.diff(divergences)  # 0 to 0.5, 0.5 to 1, and so on
assert shifts[rises.argmax()] in (1, 1.5) and max(rises[-2:]) < rises.max() / 10
assert abs(divergences[0]) < 0.01 and np.log(2) - 0.02 < divergences[-1] < np.log(2)
figure = blank_figure(12, 4.2)
left, right = figure.subplots(1, 2)
left.fill_between(grid, p, alpha=0.3, color="#2a7f3f", label="p: real")
left.fill_between(grid, q, alpha=0.3, color="#1f5fa8", label="q: generated")
left.plot(grid, p / (p + q), color="black", linewidth=2.5, label="D* = p / (p + q)")
left.plot(grid[::8], learnt[::8], "o", color="#c8102e", markersize=5, label="D after training")
left.set(title="the best D says how much of the density is real", xlabel="x")
left.legend(fontsize=10)
right.plot(shifts, divergences, "o-", linewidth=2.5, label="from the loss of D")
right.axhline(np.log(2), color="grey", linestyle="--", label="log 2")
right.set(title="Jensen-Shannon: far apart, it is flat", xlabel="distance between the centres of p and q")
right.legend(fontsize=11)
described(figure, "Left: two bells, D* falls from 1 to 0 between them. Right: the divergence rises to log 2.")

# %% [markdown]
# **What to see:** the red dots lie on the black curve where there are images. Far to the right there are
# none, so nothing teaches D. The divergence is steepest between 1 and 2, and nearly flat from 5 on.
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
arrows = gan.push(gan.samples(800))
arrows /= np.linalg.norm(arrows, axis=1, keepdims=True)
assert (arrows @ arrows.mean(axis=0)).min() > 0.9  # all in nearly one direction
described(toy.draw(gan), "Eight heaps; the samples are in a corner, arrows point across D's border.")

# %% [markdown]
# **What to see:** after 20 steps D has drawn one border, and all arrows point across it. The generated points
# (white) follow them. Nothing tells them yet that the real points (black) are eight heaps.

# %%
centres = np.array([[np.cos(t), np.sin(t)] for t in 2 * np.pi * np.arange(8) / 8])
gan.train(580)
points = gan.samples(800)
to_heaps = centres - points[:, None]  # (800, 8, 2)
far = np.linalg.norm(to_heaps, axis=2)
nearest, beside = far.argmin(axis=1), far.min(axis=1) > 0.2
along = (gan.push(points) * to_heaps[np.arange(800), nearest]).sum(axis=1)
near = np.bincount(nearest[far.min(axis=1) < 0.3], minlength=8)
D_there = F.sigmoid(gan.D(Tensor(points))).numpy()
print("of 800 samples, near each heap:", near)
print(f"between the heaps, {(along[beside] > 0).mean():.0%} of the arrows point to the nearest heap")
print(f"D at the samples: {D_there.mean():.2f} on average; in the middle {gan.belief()[24, 24]:.2f}")
assert near.min() > 0 and (along[beside] > 0).mean() > 0.8
assert abs(D_there.mean() - 0.5) < 0.1 and gan.belief()[24, 24] < 0.35
described(toy.draw(gan), "The samples lie on the ring, most at the heaps; D is orange in- and outside.")

# %% [markdown]
# **What to see:** after 600 steps D is near 1/2 (white) where the points are, and orange where no points
# should be. Between the heaps nearly all arrows point to the nearest heap. No heap is left out.
#
# ## Digits, a short run
#
# In a DCGAN (Radford et al. 2015) G grows images with transposed convolutions, and D shrinks them with
# strided ones. Three passes over 2,048 digits are too few for good digits (`tinycnn gan` trains longer). But
# you see strokes come out of noise. Real images are scaled to G's range first, [-1, 1].

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
        axes.set(xticks=[], yticks=[])
    row[0].set_ylabel(name, fontsize=13)
described(figure, "Three rows of images: noise before the training, strokes of digits after it, real digits.")

# %% [markdown]
# **What to see:** the middle row has bright strokes on black, but few of them can be read as digits.
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
# See the first one happen. Let D learn alone, until it sees through the fakes. How hard does it pull the
# generated points then, with either loss of G?

# %%
pulls = {}
for name in ("minimax", "non-saturating"):
    starved = toy.ToyGan.of("ring", name, seed=0)
    points = np.random.default_rng(0)
    for _ in range(150):
        real_points = Tensor(toy.ring(points, 256).astype(np.float32))
        made_points = starved.G(Tensor(points.standard_normal((256, 2), np.float32)))
        on_made = starved.train_D(real_points, made_points).fake
    pulls[name] = np.linalg.norm(starved.push(starved.samples(256)), axis=1).sum()
    print(f"{name:14} D(G(z)) = {F.sigmoid(on_made).mean().item():.4f}, D pulls with {pulls[name]:.4f}")
assert pulls["minimax"] < pulls["non-saturating"] / 10

# %% [markdown]
# The engine watches for failures. Here is what it says to numbers of each kind:

# %%
healthy = {"D_loss": 1, "D_real": 0.6, "D_fake": 0.4, "G_gradient": 0.5, "diversity": 0.9, "real": (-1, 1)}
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
