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
# # 18. The GAN, one step at a time
#
# About an hour. You need lesson 2 (autograd) and lesson 17 (the loss of a yes-or-no question).
#
# At the end you can compute one step of a GAN by hand, say what `detach` is for and what goes wrong without
# it, and make a GAN draw what you ask for.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor, nn
from tinycnn import functional as F
from tinycnn.explain import draw, explain
from tinycnn.gan import Gan
from tinycnn.gan.step import frozen
from tinycnn.optim import SGD, Adam
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import check, compare

# %% [markdown]
# ## Two players (Eq. 12 and 13)
#
# Real data are given, here four numbers near 3. The *generator* G makes a random number z into a fake. The
# *discriminator* D gets a number, real or fake, and says how probable it is that the number is real. The
# players of this lesson have two weights each:
#
# $$G(z) = a z + c \qquad\qquad D(x) = \sigma(w x + v)$$
#
# G stretches its random numbers by a and moves them by c. D has a border at x = -v/w, where it says 1/2. On
# one side of it D says "rather real", on the other "rather fake".

# %%
real = np.array([[2.0], [3.0], [3.5], [4.5]])  # (N, 1)
z = np.array([[-1.0], [0.5], [1.0], [-0.5]])  # (N, 1), random numbers
a, c = 1.0, 0.0  # G's weights
w, v = 0.5, -0.5  # D's weights


def sigmoid(logit):
    return 1 / (1 + np.exp(-logit))


fake = a * z + c
print("D of the real numbers:", sigmoid(w * real + v).ravel().round(3))
print("D of the fakes:       ", sigmoid(w * fake + v).ravel().round(3), "  border:", -v / w)
assert (w * real + v).min() > (w * fake + v).max()

# %% [markdown]
# D gives each real number a larger probability than each fake. So it can tell them apart a little already.
#
# ## Step 1: D learns
#
# D answers a yes-or-no question. So its loss is binary cross-entropy, with the truth 1 for real numbers and 0
# for fakes:
#
# $$L_D = -\frac{1}{N}\sum_n \log D(x_n) - \frac{1}{N}\sum_n \log\big(1 - D(G(z_n))\big)$$
#
# Lesson 17: the derivative by each logit is the answer minus the truth, times 1/N. That is $D(x_n) - 1$ for a
# real number and $D(G(z_n))$ for a fake. The logit is $w x + v$. So for w each is multiplied by its x:
#
# $$\frac{\partial L_D}{\partial w} = \frac{1}{N}\sum_n (D(x_n) - 1)\,x_n
#   + \frac{1}{N}\sum_n D(G(z_n))\,G(z_n)
#   \qquad \frac{\partial L_D}{\partial v} = \frac{1}{N}\sum_n (D(x_n) - 1) + \frac{1}{N}\sum_n D(G(z_n))$$

# %%
on_real, on_fake = sigmoid(w * real + v), sigmoid(w * fake + v)
dw = ((on_real - 1) * real).mean() + (on_fake * fake).mean()
dv = (on_real - 1).mean() + on_fake.mean()
print(f"by hand:       dL_D/dw = {dw:.6f}   dL_D/dv = {dv:.6f}")

# %% [markdown]
# The same with the engine. `nn.Linear(1, 1)` is $w x + v$; it has the weights of our example put in.


# %%
def players():
    """Return G and D with the weights of the example."""
    G, D = nn.Linear(1, 1), nn.Linear(1, 1)
    for layer, (weight, bias) in ((G, (a, c)), (D, (w, v))):
        layer.load_state_dict({"weight": np.array([[weight]]), "bias": np.array([bias])})
    return G, D


def loss_for_d(on_real, on_fake):
    """Return D's loss, from its logits: the truth of real numbers is 1, that of fakes 0."""
    of_real = F.binary_cross_entropy_with_logits(on_real, np.ones(on_real.shape))
    return of_real + F.binary_cross_entropy_with_logits(on_fake, np.zeros(on_fake.shape))


x, noise = Tensor(real.astype(np.float32)), Tensor(z.astype(np.float32))
G, D = players()
made = G(noise)
loss_for_d(D(x), D(made.detach())).backward()
print(f"by the engine: dL_D/dw = {D.weight.grad.item():.6f}   dL_D/dv = {D.bias.grad.item():.6f}")
assert np.allclose([D.weight.grad.item(), D.bias.grad.item()], [dw, dv], atol=1e-6)

# %% [markdown]
# Then D takes a step, $w \leftarrow w - lr \cdot \partial L_D/\partial w$, and G does not change.
#
# ## Step 2: G learns
#
# G wants D to say "real" of its fakes. So take the same loss with the *other* truth, 1:
#
# $$L_G = -\frac{1}{N}\sum_n \log D(G(z_n)) \qquad\qquad
#   \frac{\partial L_G}{\partial \text{logit}_n} = \frac{1}{N}\,(D(G(z_n)) - 1)$$
#
# The logit is $w\,G(z) + v$. So the gradient goes *through D*, times w, and arrives at the fake. There
# $G(z) = a z + c$ hands it on to a and c:
#
# $$\frac{\partial L_G}{\partial c} = \frac{1}{N}\sum_n (D(G(z_n)) - 1)\,w \qquad
#   \frac{\partial L_G}{\partial a} = \frac{1}{N}\sum_n (D(G(z_n)) - 1)\,w\,z_n$$
#
# G never sees a real number. It learns about them through D only: by D's answer to each fake, and by w.

# %%
dc, da = ((on_fake - 1) * w).mean(), ((on_fake - 1) * w * z).mean()
print(f"by hand:       dL_G/dc = {dc:.6f}   dL_G/da = {da:.6f}")
G, D = players()
F.binary_cross_entropy_with_logits(D(G(noise)), np.ones((4, 1))).backward()
print(f"by the engine: dL_G/dc = {G.bias.grad.item():.6f}   dL_G/da = {G.weight.grad.item():.6f}")
assert np.allclose([G.bias.grad.item(), G.weight.grad.item()], [dc, da], atol=1e-6)

# %%
steps = explain(F.binary_cross_entropy_with_logits, D(G(noise)).numpy().ravel(), np.ones(4), backward=True)
draw(steps.steps_of("dL/dz")[2])

# %% [markdown]
# **What to see:** the pulls are negative, like dL_G/dc. So c grows, and the fakes move to the real numbers.
#
# ## What `detach` is for
#
# `made.detach()` is the same number without its history: for the backward pass it is a constant. Leave it
# out, and the gradient of **D's** loss flows on into G:

# %%
G, D = players()
loss_for_d(D(x), D(G(noise))).backward()  # no detach
into_G = G.bias.grad.item()
print(f"D's loss, without detach: dL_D/dc = {into_G:+.4f}")
print(f"G's own loss:             dL_G/dc = {dc:+.4f}")
assert into_G * dc < 0

# %% [markdown]
# The two always have *opposite signs*: by the logit of a fake they are D and D - 1, and D is between 0 and 1.
# D's loss is small if D recognises the fakes, so its gradient tells G how to make fakes that are *easier* to
# recognise. Gradients add up in `.grad` (lesson 2). If nobody sets it to 0, G follows the sum of both.
#
# The same happens the other way round. While G learns, D's weights get a gradient, too: it tells D how to be
# deceived. Two things protect D. Its optimizer calls `zero_grad` before its next step. And the engine freezes
# D's weights in G's step, so that their gradients are not even computed:

# %%
G, D = players()
with frozen(D):
    F.binary_cross_entropy_with_logits(D(G(noise)), np.ones((4, 1))).backward()
print("D's gradients while it is frozen:", D.weight.grad, D.bias.grad, "  G's:", G.bias.grad.numpy())
assert D.weight.grad is D.bias.grad is None and np.isclose(G.bias.grad.item(), dc)

# %% [markdown]
# Do not detach in step 2. There the gradient has to reach G through the fakes; `detach` would stop it.
#
# ## The step in the engine

# %%
for method in (Gan.step, Gan.train_D, Gan.D_loss, Gan.train_G, Gan.G_loss, frozen):
    print(inspect.getsource(method))

# %% [markdown]
# ## Many steps, and three ways to get it wrong
#
# Now train, with new numbers in every step: real ones from N(3, 1), z from N(0, 1). G should learn c = 3. We
# watch c for the right step and for four others, three of which are wrong:


# %%
def train(detach=True, set_to_zero="before G's step", G_through_D=True, steps=600):
    """Return a and c after each step, (steps, 2)."""
    rng = np.random.default_rng(0)
    G, D = players()
    G_optimizer, D_optimizer = SGD(G.parameters(), lr=0.1), SGD(D.parameters(), lr=0.1)
    weights = []
    for _ in range(steps):
        x = Tensor(3 + rng.standard_normal((64, 1), np.float32))
        made = G(Tensor(rng.standard_normal((64, 1), np.float32)))
        D_optimizer.zero_grad()
        if set_to_zero == "before D's step":
            G_optimizer.zero_grad()
        loss_for_d(D(x), D(made.detach() if detach else made)).backward(retain_graph=True)
        D_optimizer.step()
        if set_to_zero == "before G's step":
            G_optimizer.zero_grad()
        seen = D(made if G_through_D else made.detach())
        F.binary_cross_entropy_with_logits(seen, np.ones((64, 1))).backward()
        G_optimizer.step()
        weights.append((G.weight.item(), G.bias.item()))
    return np.array(weights)


runs = {
    "right": train(),
    "no detach, G's gradients set to 0 after D's step": train(detach=False),
    "no detach, G's gradients set to 0 before D's step": train(detach=False, set_to_zero="before D's step"),
    "no detach, never set to 0": train(detach=False, set_to_zero="never"),
    "detached in G's step, too": train(G_through_D=False),
}
figure = blank_figure(10, 4.6)
axes = figure.subplots()
axes.axhline(3, color="grey", linewidth=1)
for (name, weights), style in zip(runs.items(), ("-", (0, (1, 4)), "-.", "--", ":"), strict=True):
    spread, centres = weights[-1, 0], weights[:, 1]
    axes.plot(centres, linestyle=style, linewidth=2.5, label=name)
    print(f"{name:50} last c: {centres[-200:].min():5.2f} to {centres[-200:].max():4.2f}, a: {spread:5.2f}")
axes.set(ylim=(-8, 8), xlabel="step", ylabel="c, the centre of the fakes")
axes.legend(fontsize=10, loc="lower left", ncols=2)
right, same, both, never, still = runs.values()
assert abs(right[-200:, 1] - 3).max() < 0.6 and right[:, 1].max() > 4 and right[-1, 0] > 0.2
assert np.array_equal(right, same) and np.all(still == (1, 0))
assert np.ptp(never[-200:, 1]) > 3 and abs(both[-200:, 1] - 3).min() > 0.3 and abs(both[-1, 0]) < 0.02
described(figure, "The centre of the fakes over steps, for five ways to train; the right one ends near 3.")

# %% [markdown]
# **What to see.** The right step brings the fakes to the real numbers. c first runs past 3, to above 4: its
# gradient is (D - 1) w, so c turns around only when w has become negative, and D needs many steps for that.
# Without `detach`, it depends on when G's gradients are set to 0:
#
# * After D's step: exactly the same curve. The wrong gradients are thrown away. They only cost time.
# * Before D's step: G follows the sum of both losses, $-\log(1 - D) - \log D$. That is smallest at D = 1/2.
#   So every fake is pulled to D's border, from either side: the fakes become one number (a is 0), and c
#   follows the border. After 600 steps it is not at 3 yet.
# * Never: the gradients of all steps add up, and c swings.
#
# Detached in both steps, G gets no gradient at all, and a and c stay as they were.

# %% [markdown]
# ## On demand: the conditional GAN
#
# Data often have labels, and we want to say *which* digit G has to draw. Mirza and Osindero (2014) give the
# label y to **both** players: G(z, y) makes a fake for y, and D(x, y) says whether x is real *and* fits y.
#
# Why to both? If D does not see the label, its loss does not depend on whether a fake fits its label. Then
# G's loss does not, either. Try it: class 0 lies near -2, class 1 near 2. The label enters as two numbers,
# (1, 0) or (0, 1), beside the input.


# %%
def conditional(D_sees_labels, seed, steps=600):
    """Train a GAN with labels; return 200 samples of each class."""
    tinycnn.manual_seed(seed)
    rng = np.random.default_rng(seed)
    G = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 1))
    D = nn.Sequential(nn.Linear(3, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    G_optimizer, D_optimizer = (Adam(player.parameters(), 2e-3, (0.5, 0.999)) for player in (G, D))

    def beside(numbers, one_hot, show=True):
        return F.concatenate([numbers, Tensor(one_hot if show else one_hot * 0)], 1)  # (N, 1 + 2)

    for _ in range(steps):
        label = rng.integers(0, 2, 128)
        one_hot = np.eye(2, dtype=np.float32)[label]
        x = Tensor((4 * label - 2 + 0.3 * rng.standard_normal(128)).astype(np.float32)[:, None])
        made = G(beside(Tensor(rng.standard_normal((128, 1), np.float32)), one_hot))
        D_optimizer.zero_grad()
        on_real, on_fake = (D(beside(some, one_hot, D_sees_labels)) for some in (x, made.detach()))
        loss_for_d(on_real, on_fake).backward()
        D_optimizer.step()
        with frozen(D):
            G_optimizer.zero_grad()
            seen = D(beside(made, one_hot, D_sees_labels))
            F.binary_cross_entropy_with_logits(seen, np.ones((128, 1))).backward()
        G_optimizer.step()
    noise = Tensor(rng.standard_normal((200, 1), np.float32))
    return [G(beside(noise, np.eye(2, dtype=np.float32)[[k] * 200])).numpy().ravel() for k in (0, 1)]


figure, shares, tries = blank_figure(12, 3.6), [], ((True, 0), (False, 0), (False, 1))
for axes, (sees, seed) in zip(figure.subplots(1, 3, sharey=True), tries, strict=True):
    samples = conditional(sees, seed)
    for k, (numbers, colour) in enumerate(zip(samples, ("#0072b2", "#e69f00"), strict=True)):
        axes.hist(numbers, np.linspace(-4, 4, 33), color=colour, alpha=0.7, label=f"asked for class {k}")
    shares.append(np.mean([(samples[0] < 0).mean(), (samples[1] > 0).mean()]))
    axes.set_title(f"D {'sees' if sees else 'does not see'} the label, seed {seed}")
    axes.set_xlabel(f"{shares[-1]:.0%} as asked for")
axes.legend(fontsize=10)
assert shares[0] > 0.95 and max(shares[1:]) < 0.75
described(figure, "Three histograms of both classes: apart if D sees the label, mixed if it does not.")

# %% [markdown]
# **What to see:** on the left G does what it is asked for. In the two others about half of the numbers are as
# asked for, which is what chance gives: no loss depends on the class. With seed 0, G makes numbers near 2 for
# both classes. With seed 1 it makes numbers from about -3 to 4, for both alike.
#
# The engine's `Generator` gets the label in the same way, as numbers beside z. Its `Discriminator` has to
# look at images (N, C, H, W). So it learns one picture (1, H, W) for each class, and adds it to the image as
# one more channel. `tinycnn gan --conditional` trains such a pair.
#
# ## A gradient check

# %%
logits = np.array([[2.0], [-1.0]])
of_D = tinycnn.gradcheck(loss_for_d, [logits, 0.5 * logits])
of_G = tinycnn.gradcheck(
    lambda on_fake: F.binary_cross_entropy_with_logits(on_fake, np.ones((2, 1))), [logits]
)
print("largest relative errors:", of_D.errors, of_G.errors)
assert max(*of_D.errors, *of_G.errors) < 1e-6

# %% [markdown]
# ## Exercises
#
# **1.** With a pencil: there is one fake, D's answer is 0.9, and w = 2. What is $\partial L_G/\partial G(z)$?

# %%
pencil = None  # your number
at = Tensor([[np.log(9) / 2]], requires_grad=True)  # sigmoid(2 * at) is 0.9
(by_engine,) = tinycnn.grad(F.binary_cross_entropy_with_logits(at * 2, [[1.0]]), at)
compare(pencil, by_engine.item())

# %% [markdown]
# **2.** Write G's loss from D's logits of the fakes, so that large logits do not overflow.


# %%
def generator_loss(fake_logits):
    """Return -mean(log D(G(z))), for logits (N, 1)."""
    return None  # your code


check("generator_loss", generator_loss)

# %% [markdown]
# **3.** Write the backward pass of D's step: D's weights get the gradient of `loss_for_d`, and G's get none.


# %%
def learn(G, D, x, noise):
    """Let the gradient of D's loss flow to D's weights: x are real numbers, noise is G's input."""
    return None  # your code: use loss_for_d


def gradients_of_learn():
    """Return the gradients that `learn` leaves in D's w and v, and in G's c; None if there are none in D."""
    G, D = players()
    learn(G, D, x, noise)
    if D.weight.grad is None:
        return None
    return [D.weight.grad.item(), D.bias.grad.item(), 0.0 if G.bias.grad is None else G.bias.grad.item()]


compare(gradients_of_learn(), [dw, dv, 0.0], tolerance=1e-5)

# %% [markdown]
# ## Solutions
#
# <details><summary>1. With a pencil</summary>
#
# The answer minus the truth is $0.9 - 1 = -0.1$. The logit is $w\,G(z) + v$, so this is multiplied by w:
# -0.2. The gradient is negative, so gradient descent makes the fake larger.
#
# ```python
# assert compare((0.9 - 1) * 2, by_engine.item())
# ```
#
# </details>
#
# <details><summary>2. G's loss</summary>
#
# ```python
# def generator_loss(fake_logits):
#     return np.logaddexp(0, -fake_logits).mean()
#
# assert check("generator_loss", generator_loss)
# ```
#
# </details>
#
# <details><summary>3. One word</summary>
#
# ```python
# def learn(G, D, x, noise):
#     loss_for_d(D(x), D(G(noise).detach())).backward()
#
# assert compare(gradients_of_learn(), [dw, dv, 0.0], tolerance=1e-5)
# ```
#
# </details>
