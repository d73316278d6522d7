import math

import numpy as np


def cross_entropy_loops(z, labels):
    total = 0.0
    for row, label in zip(z.tolist(), labels.tolist(), strict=True):
        top = max(row)
        total += top + math.log(sum(math.exp(v - top) for v in row)) - row[label]
    return total / len(z)


def cross_entropy_logaddexp(z, labels):
    return np.mean(np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), labels])


def cross_entropy_one_hot(z, labels):
    truth = np.eye(z.shape[1])[labels]
    shifted = z - z.max(1)[:, None]
    return -(truth * (shifted - np.log(np.exp(shifted).sum(1))[:, None])).sum() / len(z)


def cross_entropy_input_loops(z, labels):
    dz = np.zeros(z.shape)
    for n, row in enumerate(z):
        powers = np.exp(row - row.max())
        for k in range(len(row)):
            dz[n, k] = (powers[k] / powers.sum() - (k == labels[n])) / len(z)
    return dz


def cross_entropy_input_one_hot(z, labels):
    y = np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))
    return (y - np.eye(z.shape[1])[labels]) / z.shape[0]


def cross_entropy_input_chain(z, labels):
    """Through log softmax: h - y * sum h, with h = -1/N at the label."""
    h = np.zeros(z.shape)
    h[np.arange(len(z)), labels] = -1 / len(z)
    e = np.exp(z - z.max(1, keepdims=True))
    return h - e / e.sum(1, keepdims=True) * h.sum(1, keepdims=True)


def sgd_step_loops(theta, g, lr, momentum, v):
    theta, v = theta.copy(), v.copy()
    for i in np.ndindex(*theta.shape):
        v[i] = momentum * v[i] + g[i]
        theta[i] -= lr * v[i]
    return theta, v


def sgd_step_in_place(theta, g, lr, momentum, v):
    theta, v = np.array(theta), np.array(v)
    v *= momentum
    v += g
    theta -= lr * v
    return [theta, v]


def sgd_step_unrolled(theta, g, lr, momentum, v):
    return theta - lr * momentum * v - lr * g, np.add(g, np.multiply(momentum, v))


def adam_step_loops(theta, g, m, v, t, lr, beta1, beta2, eps):
    theta, m, v = theta.copy(), m.copy(), v.copy()
    for i in np.ndindex(*theta.shape):
        m[i] = beta1 * m[i] + (1 - beta1) * g[i]
        v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i]
        theta[i] -= lr * (m[i] / (1 - beta1**t)) / (math.sqrt(v[i] / (1 - beta2**t)) + eps)
    return theta, m, v


def adam_step_interpolated(theta, g, m, v, t, lr, beta1, beta2, eps):
    m, v = m + (1 - beta1) * (g - m), v + (1 - beta2) * (g**2 - v)
    return theta - lr * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


def adam_step_by_the_paper(theta, g, m, v, t, lr, beta1, beta2, eps):
    """The corrections moved into the step's length and into eps (Kingma & Ba, section 2)."""
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    root = np.sqrt(1 - beta2**t)
    return theta - lr * root / (1 - beta1**t) * m / (np.sqrt(v) + eps * root), m, v


def l2_l1_grad_loops(theta, l1, l2):
    g = np.zeros(theta.shape)
    for i in np.ndindex(*theta.shape):
        g[i] = l2 * theta[i] + (l1 if theta[i] > 0 else -l1 if theta[i] < 0 else 0)
    return g


def l2_l1_grad_quotient(theta, l1, l2):
    size = np.abs(theta)
    return l2 * theta + l1 * np.divide(theta, size, out=np.zeros(theta.shape), where=size > 0)


def discriminator_loss_loops(real_logits, fake_logits):
    def softplus(a):
        return max(a, 0) + math.log1p(math.exp(-abs(a)))

    real = [softplus(-a) for a in real_logits.ravel()]
    fake = [softplus(a) for a in fake_logits.ravel()]
    return sum(real) / len(real) + sum(fake) / len(fake)


def softplus(a):
    return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))


def discriminator_loss_by_cross_entropy(real_logits, fake_logits):
    """As cross-entropy of two classes, whose logits are the logit and 0."""
    real, fake = (np.c_[a, np.zeros(len(a))] for a in (real_logits, fake_logits))
    return np.mean(np.logaddexp.reduce(real, 1) - real[:, 0]) + np.mean(np.logaddexp.reduce(fake, 1))


def gradient_penalty_loops(grad_x):
    total = 0.0
    for gradient in grad_x:
        total += (math.sqrt(sum(v * v for v in gradient.ravel())) - 1) ** 2
    return total / len(grad_x)


def gradient_penalty_expanded(grad_x):
    squares = np.einsum("nchw,nchw->n", grad_x, grad_x)
    return np.mean(squares - 2 * np.sqrt(squares) + 1)


def numerical_gradient_flat(f, x, h):
    x64 = np.array(x, np.float64)
    flat, slopes = x64.ravel(), []
    for i in range(flat.size):
        before = flat[i]
        flat[i] = before + h
        above = f(x64)
        flat[i] = before - h
        slopes.append((above - f(x64)) / (2 * h))
        flat[i] = before
    return np.array(slopes).reshape(x.shape)


def numerical_gradient_basis(f, x, h):
    x = np.asarray(x, float)
    steps = h * np.eye(x.size).reshape(x.size, *x.shape)
    return np.array([(f(x + e) - f(x - e)) / h / 2 for e in steps]).reshape(x.shape)


def numerical_gradient_two_sides(f, x, h):
    """The mean of the slope upwards and of the slope downwards."""
    x = x.astype(float)
    out, here = np.empty(x.shape), f(x)
    for i in np.ndindex(*x.shape):
        e = np.zeros(x.shape)
        e[i] = h
        out[i] = ((f(x + e) - here) / h + (here - f(x - e)) / h) / 2
    return out


ANSWERS = {
    "cross_entropy": [cross_entropy_loops, cross_entropy_logaddexp, cross_entropy_one_hot],
    "cross_entropy_input": [
        cross_entropy_input_loops,
        cross_entropy_input_one_hot,
        cross_entropy_input_chain,
    ],
    "sgd_step": [sgd_step_loops, sgd_step_in_place, sgd_step_unrolled],
    "adam_step": [adam_step_loops, adam_step_interpolated, adam_step_by_the_paper],
    "l2_l1_grad": [
        l2_l1_grad_loops,
        l2_l1_grad_quotient,
        lambda theta, l1, l2: l2 * theta + l1 * ((theta > 0).astype(float) - (theta < 0)),
    ],
    "discriminator_loss": [
        discriminator_loss_loops,
        discriminator_loss_by_cross_entropy,
        lambda real_logits, fake_logits: softplus(-real_logits).mean() + softplus(fake_logits).mean(),
    ],
    "generator_loss": [
        lambda fake_logits: softplus(-fake_logits).mean(),
        lambda fake_logits: (softplus(fake_logits) - fake_logits).mean(),
        lambda fake_logits: sum(np.logaddexp(0, -a) for a in fake_logits.ravel()) / fake_logits.size,
    ],
    "gradient_penalty": [
        gradient_penalty_loops,
        gradient_penalty_expanded,
        lambda grad_x: np.square(np.linalg.norm(grad_x.reshape(len(grad_x), -1), axis=1) - 1).mean(),
    ],
    "numerical_gradient": [
        numerical_gradient_flat,
        numerical_gradient_basis,
        numerical_gradient_two_sides,
    ],
}
