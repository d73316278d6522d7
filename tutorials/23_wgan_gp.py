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
# # 23. WGAN-GP: a GAN whose loss contains a gradient
#
# About an hour. You need lesson 11 and lesson 12.
#
# At the end you can say why the Wasserstein distance helps a generator where the loss of lesson 11 does not,
# derive the gradient penalty for a small critic, and train a GAN with it.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor, nn, optim
from tinycnn import functional as F
from tinycnn.gan import gradient_penalty
from tinycnn.gan.losses import critic_wasserstein, generator_wasserstein
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import check, compare

rng = np.random.default_rng(0)

# %% [markdown]
# ## Why a GAN would want that: a distance with a slope everywhere
#
# A generator learns from how its samples differ from real ones. The minimax loss of lesson 11 measures that
# difference by how well the best D can tell them apart: by the Jensen-Shannon divergence, as was derived
# there. If they do not overlap, D can tell them apart perfectly, *however near they are*: the measure is
# flat, and G gets no direction.
#
# The *Wasserstein* distance (Arjovsky, Chintala and Bottou 2017) asks how far the generated samples have to
# be carried until they lie where the real ones are, on average. Take the simplest case: all real points at 0,
# all generated ones at theta. Then W = |theta|. The best D says 1 at 0 and 0 at theta, so its loss
# $2\log 2 - 2 JS$ is 0, and JS is log 2 for every theta but 0.

# %%
theta_values = np.linspace(-2, 2, 201)
divergence = np.where(np.abs(theta_values) < 1e-9, 0.0, np.log(2))
figure = blank_figure(9, 4)
axes = figure.subplots()
axes.plot(theta_values, np.abs(theta_values), label="Wasserstein: |theta|, a slope everywhere", linewidth=2.5)
axes.plot(theta_values, divergence, "--", label="Jensen-Shannon: flat, but for one point", linewidth=2.5)
axes.set_xlabel("theta: where the generated points are (the real ones are at 0)", fontsize=12)
axes.set_ylabel("distance", fontsize=12)
axes.set_title("which one tells G where to go?", fontsize=14)
axes.grid(alpha=0.3)
axes.legend(fontsize=12)
described(
    figure,
    "Two distances over theta. Wasserstein: a V with its lowest point at 0. Jensen-Shannon: log 2 "
    "everywhere but at 0.",
)

# %% [markdown]
# **What to see:** the Wasserstein distance has a slope everywhere but at 0, and it leads G to the real
# points. The Jensen-Shannon divergence is flat: it does not say in which direction the real points lie.
#
# How is W computed? A theorem of Kantorovich and Rubinstein says: let d be a function that is nowhere steeper
# than 1. Then W is the largest difference of the two means of d that is possible:
#
# $$W = \max_{|\nabla d| \le 1}\; E\,d(x) - E\,d(G(z))$$
#
# So let a network d, the *critic*, maximise that difference. Without the limit it would grow for ever: twice
# d has twice the difference. WGAN-GP (Gulrajani et al. 2017) puts the limit into the loss, as a penalty for
# slopes other than 1. (Why not for slopes above 1 only? They show that the best d has the slope 1 almost
# everywhere between a real point and the generated point that is carried to it.) The slope is taken at points
# $\hat x$ between real and generated ones, $\hat x = u\,x + (1 - u)\,G(z)$ with u from U(0, 1):
#
# $$L_D = E\,d(G(z)) - E\,d(x) + \lambda\, E\left(|\nabla\, d(\hat x)| - 1\right)^2$$
#
# The loss contains the gradient of d by its input. Training takes the gradient of that by d's *weights*: a
# derivative of a derivative.

# %%
print(inspect.getsource(gradient_penalty))

# %% [markdown]
# ### By hand, for the smallest critic
#
# Let $d(x) = \langle w, x \rangle$, with x and w (D,). Then $\nabla_{\!x} d = w$ everywhere, so the penalty
# is
# $(|w| - 1)^2$. The derivative of $|w| = \sqrt{\sum w_i^2}$ by w is $w/|w|$, and the chain rule gives
#
# $$\frac{\partial}{\partial w}(|w| - 1)^2 = 2\,(|w| - 1)\,\frac{w}{|w|}$$
#
# This is a multiple of w. So gradient descent changes the length of w and not its direction, until the length
# is 1.

# %%
w = Tensor(np.array([3.0, 4.0]), requires_grad=True)  # of length 5
real, fake, mix = (Tensor(rng.random(shape)) for shape in ((6, 2), (6, 2), (6, 1)))
penalty = gradient_penalty(lambda x: x @ w, real, fake, mix)
(by_engine,) = tinycnn.grad(penalty, w)
length = np.linalg.norm(w.numpy())
print("penalty", penalty.item(), " gradient by the engine", by_engine.numpy())
assert np.isclose(penalty.item(), (length - 1) ** 2)
assert np.allclose(by_engine.numpy(), 2 * (length - 1) * w.numpy() / length)

# %% [markdown]
# The penalty of a convolutional critic contains `conv2d_input`, whose derivative by the weights is needed.
# Here the gradient of the penalty is checked, and the gradient of that. The last one is a third derivative of
# the critic:


# %%
def penalty_of(w1, w2, f=F.tanh):
    """Return the penalty of a critic: a convolution w1, then f, then a dense layer w2."""

    def critic(x):
        return F.linear(F.flatten(f(F.conv2d(x, w1, stride=2)), 1), w2)

    images = [Tensor(np.random.default_rng(seed).random((4, 1, 5, 5))) for seed in (1, 2)]
    return gradient_penalty(critic, *images, Tensor(np.linspace(0.1, 0.9, 4).reshape(4, 1, 1, 1)))


filters, dense = rng.standard_normal((2, 1, 3, 3)), rng.standard_normal((1, 8))
checked = tinycnn.gradcheck(penalty_of, [filters, dense])
print("the penalty, first and second order:", checked.errors)
with_relu = tinycnn.gradcheck(lambda w1, w2: penalty_of(w1, w2, F.relu), [filters, dense])
print("with ReLU for tanh:                 ", with_relu.errors)
assert max(*checked.errors, *with_relu.errors) < 1e-5

# %% [markdown]
# ReLU has the second derivative 0, but the penalty still has a gradient with it: the slope of a network of
# ReLUs is a product of its weight matrices (with the rows left out whose ReLU gives 0), and *that* depends on
# the weights.
#
# ## A critic to look at
#
# Take points of one dimension: real ones from N(2, 0.3), generated ones from N(-1, 0.3). Their centres are
# ten standard deviations apart, so the samples do not overlap. Train a discriminator (minimax loss) and a
# critic (with penalty) on them, and look at the slope where the generated points are: G learns from nothing
# else.


# %%
def net():
    """Return a small network of one input and one output."""
    return nn.Sequential(
        nn.Linear(1, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1)
    )


def trained(loss_of, steps=300):
    """Return a network after training on points of both kinds."""
    tinycnn.manual_seed(0)
    network, points = net(), np.random.default_rng(0)
    optimizer = optim.Adam(network.parameters(), 3e-3, betas=(0.5, 0.9))
    for _ in range(steps):
        noise = points.standard_normal((2, 128, 1)).astype(np.float32) * 0.3
        loss = loss_of(network, Tensor(noise[0] + 2), Tensor(noise[1] - 1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


def classic(network, real, fake):
    """Return -E log D(x) - E log(1 - D(G(z)))."""
    return F.softplus(-network(real)).mean() + F.softplus(network(fake)).mean()


def wasserstein_gp(network, real, fake, factor=10.0):
    """Return the critic's loss with the penalty."""
    penalty = gradient_penalty(network, real, fake, tinycnn.rand(len(real), 1))
    return critic_wasserstein(network(real), network(fake)) + penalty * factor


D, critic = trained(classic), trained(wasserstein_gp)


def curve_and_slope(network, points, last=lambda y: y):
    """Return the network's output and its derivative at every point."""
    x = Tensor(points[:, None].astype(np.float32), requires_grad=True)
    y = last(network(x))
    (slope,) = tinycnn.grad(y.sum(), x)
    return y.numpy()[:, 0], slope.numpy()[:, 0]


line = np.linspace(-2.5, 3.5, 241)
figure = blank_figure(12, 4.6)
panels = figure.subplots(1, 2)
sides = (
    (panels[0], D, F.sigmoid, "discriminator D(x) = sigmoid(logit)"),
    (panels[1], critic, lambda y: y, "critic d(x), with gradient penalty"),
)
for axes, network, last, title in sides:
    values, slopes = curve_and_slope(network, line, last)
    axes.plot(line, values, color="black", linewidth=2.5, label="output")
    axes.plot(line, slopes, "--", color="#7a1fa8", linewidth=2, label="its slope: what G learns from")
    axes.axvspan(1.4, 2.6, color="#2a7f3f", alpha=0.25, label="real")
    axes.axvspan(-1.6, -0.4, color="#1f5fa8", alpha=0.25, label="generated")
    axes.set_title(title, fontsize=14)
    axes.set_xlabel("x", fontsize=13)
    axes.grid(alpha=0.3)
panels[0].set_ylim(-0.2, 1.9)  # the slope's peak is far higher, in a gap where no points are
panels[1].legend(fontsize=11, loc="lower right")
samples = np.random.default_rng(1).standard_normal(500) * 0.3
_, vanishing = curve_and_slope(D, samples - 1, F.sigmoid)
_, logarithm = curve_and_slope(D, samples - 1, lambda logit: -F.softplus(-logit))  # log D
_, steady = curve_and_slope(critic, samples - 1)
gap = curve_and_slope(critic, samples + 2)[0].mean() - curve_and_slope(critic, samples - 1)[0].mean()
print(f"mean slope at generated points: of D {vanishing.mean():.1e}, of the critic {steady.mean():.2f}")
print(f"                                of log D {logarithm.mean():.2f}")
print(f"the critic's difference of means: {gap:.2f}; the points must be carried by {2 - (-1)}")
assert abs(vanishing).mean() < 1e-4 and 0.9 < steady.mean() < 1.3 and 2.7 < gap < 3.7
assert logarithm.min() > 1 and abs(gap / 3 - 1.15) < 0.1
described(
    figure,
    "A discriminator and a critic between generated points on the left and real ones on the right. D is "
    "flat where the generated points are; the critic rises there with a slope near 1.",
)

# %% [markdown]
# **What to see:** D recognises the fakes, so it is flat there: its slope is below 0.0001, and G learns
# nothing. The critic has a slope near 1 all the way from the generated points to the real ones, and its
# difference of means is near the distance, 3. (They are not equal: for a straight critic of slope s the loss
# is $-3 s + 10 (s - 1)^2$, which is smallest at s = 1.15.) The non-saturating loss of lesson 11 is another
# remedy: it takes the logarithm of D, whose slope does not vanish here. But the size of that slope says
# nothing about the distance.
#
# ## The smallest WGAN-GP
#
# Let G have one parameter, theta: G(z) = 0.3 z + theta. It begins at -1, and 2 is right. Both players learn.
# The critic makes five steps for each step of G, so that it is nearly the best critic when G uses its slope.
#
# How strong should the penalty be? Once theta has gone too far, by $\delta$, the critic must turn its slope
# from 1 to -1. Let the critic be a straight line with the slope s. Its difference of means is then
# $E\,d(G(z)) - E\,d(x) = \delta s$, and its loss is $\delta s + \lambda (|s| - 1)^2$. The lowest value is at
# $s = -1 - \delta / (2\lambda)$, a negative slope, as it should be. But for $\delta < 2\lambda$ there is a
# second, *local* minimum at $s = 1 - \delta / (2\lambda) > 0$, with a hill at s = 0 between them. The critic
# comes from a slope of 1 and learns in small steps, so it stays in that local minimum until
# $\delta = 2\lambda$. So $\lambda$ must fit the size of the data. Gulrajani et al. took 10 for all of theirs.
# Here the whole way is 3, and $2\lambda = 20$ is far too much.


# %%
def one_parameter_gan(factor, steps=150):
    """Return theta after every step of G, and the critic's slope at the end, between 2 and theta."""
    tinycnn.manual_seed(0)
    network, points = net(), np.random.default_rng(0)
    theta = Tensor(np.array([-1.0], np.float32), requires_grad=True)
    theta_optimizer = optim.Adam([theta], 0.05, betas=(0.0, 0.9))
    optimizer = optim.Adam(network.parameters(), 1e-2, betas=(0.0, 0.9))
    path = [theta.item()]
    for step in range(5 * steps):
        noise = points.standard_normal((2, 64, 1)).astype(np.float32) * 0.3
        real, fake = Tensor(noise[0] + 2), Tensor(noise[1]) + theta
        loss = wasserstein_gp(network, real, fake.detach(), factor)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 5 == 4:
            theta_optimizer.zero_grad()
            generator_wasserstein(network(fake)).backward()
            theta_optimizer.step()
            path.append(theta.item())
    return path, curve_and_slope(network, np.linspace(2, theta.item(), 50))[1].mean()


walks = {factor: one_parameter_gan(factor) for factor in (10.0, 0.1)}
figure = blank_figure(9, 4)
axes = figure.subplots()
for (factor, (path, _)), style in zip(walks.items(), (":", "-"), strict=True):
    axes.plot(path, style, linewidth=2.5, label=f"theta, with lambda = {factor:g}")
axes.axhline(2, color="#2a7f3f", linestyle="--", linewidth=2, label="where the real points are")
axes.set_xlabel("step of G", fontsize=13)
axes.set_ylabel("theta", fontsize=13)
axes.set_title("theta goes to the real points; with too strong a penalty it goes on", fontsize=14)
axes.grid(alpha=0.3)
axes.legend(fontsize=12)
for factor, (path, slope) in walks.items():
    print(f"lambda {factor:4}: theta from {path[0]:.2f} to {path[-1]:.2f}, slope at the end {slope:.2f}")
assert abs(np.array(walks[0.1][0][-30:]) - 2).max() < 0.5 and walks[10.0][0][-1] > 5
assert 0.6 < walks[10.0][1] < 1
described(
    figure,
    "theta over the steps of G. With lambda = 0.1 it rises from -1 to about 2, where the real points are. "
    "With lambda = 10 it rises on, above 6.",
)

# %% [markdown]
# **What to see:** with the weak penalty theta reaches the real points and stays near them. With the strong
# one it goes on past them. The critic's slope is still positive there: it is in the local minimum, at about
# $1 - \delta / 20$, as was computed above for a straight line.
#
# There are two rules for a critic with this penalty. *No batch norm in it*: the penalty is about d's slope at
# *one* image, but with batch norm d's answer to one image depends on all images of the batch. (The engine's
# critic uses instance norm.) And *no sigmoid at its end*: d is no probability.
#
# ## Exercises
#
# **1.** Write the penalty. The gradients of the critic by its input are given, (N, C, H, W).


# %%
def penalty_from(grad_x):
    """Return the mean over the images of (|gradient| - 1)^2."""
    return None  # your code


check("gradient_penalty", penalty_from)

# %% [markdown]
# **2.** Take d(x) = <w, x> once more, but a penalty of the *squared* length, $(|w|^2 - 1)^2$. What is its
# derivative by w?


# %%
def derivative_by_w(w):
    """Return the derivative, (D,)."""
    return None  # your formula


def squared_penalty(w):
    """Return the engine's derivative."""
    t, x = Tensor(w, requires_grad=True), Tensor(np.ones(len(w)), requires_grad=True)
    (slope,) = tinycnn.grad((x * t).sum(), x, create_graph=True)
    (result,) = tinycnn.grad(((slope**2).sum() - 1) ** 2, t)
    return result.numpy()


compare(derivative_by_w(np.array([1.0, 2.0])), squared_penalty(np.array([1.0, 2.0])))

# %% [markdown]
# ## Solutions
#
# <details><summary>1. The penalty</summary>
#
# ```python
# def penalty_from(grad_x):
#     lengths = np.sqrt((grad_x**2).sum(axis=(1, 2, 3)))
#     return ((lengths - 1) ** 2).mean()
#
# assert check("gradient_penalty", penalty_from)
# ```
#
# </details>
#
# <details><summary>2. The squared length</summary>
#
# $|w|^2 = \sum w_i^2$ has the derivative $2w$, so the chain rule gives $2\,(|w|^2 - 1) \cdot 2w$.
#
# ```python
# def derivative_by_w(w):
#     return 4 * ((w**2).sum() - 1) * w
#
# assert compare(derivative_by_w(np.array([1.0, 2.0])), squared_penalty(np.array([1.0, 2.0])))
# ```
#
# </details>
