"""Exercises on gradient descent (Eq. 7) and regularisation (Eq. 8)."""

import numpy as np

from tinycnn import Tensor
from tinycnn.optim import SGD, Optimizer
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes


def parameter(theta: np.ndarray, g: np.ndarray) -> Tensor:
    """Return a parameter with a gradient, on copies."""
    p = Tensor(theta.copy(), requires_grad=True, backend="numpy")
    p.grad = Tensor(g.copy(), backend="numpy")
    return p


def stepped(optimizer: Optimizer, steps: int, state: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return theta after one more step, and the state by name."""
    arrays = {f"0.{name}": array for name, array in state.items()}
    optimizer.load_state_dict({"steps": [steps], "lr": optimizer.lr, **arrays})
    optimizer.step()
    return [optimizer.params[0].numpy(), *(optimizer.state[0][name] for name in state)]


def drawn(rng: np.random.Generator, shape: int | tuple[int, ...]) -> np.ndarray:
    """Return numbers from -3 to 3 that are not near 0."""
    return np.round(rng.uniform(0.5, 3, shape) * rng.choice([-1, 1], shape), 1)


def sgd_step(theta, g, lr, momentum, v):
    """Return (theta, v) after one step of gradient descent with momentum, as new arrays.

    v <- momentum * v + g, then theta <- theta - lr * v; theta, g = dL/dtheta and v have one shape.
    """
    new_v = momentum * v + g
    new_theta = theta - lr * new_v
    return new_theta, new_v


def _cases(rng: np.random.Generator) -> list[Arguments]:
    made = []
    settings = (((1,), 0.5, 0.9), ((3,), 0.1, 0.5), ((2, 3), 0.2, 0.9), ((4,), 0.05, 0.8))
    for shape, lr, momentum in settings:
        theta, g, v = (drawn(rng, shape) for _ in range(3))
        made.append({"theta": theta, "g": g, "lr": lr, "momentum": momentum, "v": v})
    made[0]["v"] = np.zeros(1)
    return made


SGD_STEP = Exercise(
    sgd_step,
    _cases,
    reference=lambda theta, g, lr, momentum, v: tuple(
        stepped(SGD([parameter(theta, g)], lr, momentum), 1, {"velocity": v})
    ),
    traits={"a velocity from earlier steps": lambda a: bool(a["v"].any())},
    lesson=5,
    equation=7,
    hints=(
        "What does the velocity remember, and how much of it is left after a step?",
        "First the velocity changes: it keeps a share of itself and takes up the new gradient. Then theta "
        "moves along it.",
        "The new velocity is momentum times the old one plus g. The new theta is the old one minus lr times "
        "the new velocity.",
    ),
    mistakes=read_mistakes("""
    uphill: Your step goes uphill. Theta must move against the gradient.
        theta - lr -> theta + lr
    momentum_sign: You change the sign of the old velocity. The share of it that is left keeps its direction.
        momentum * v + g -> -momentum * v + g
    velocity_of_the_other_sign: You collect the gradients with a minus. Here the velocity has the sign of the
        gradients, and theta is moved against it.
        momentum * v + g -> momentum * v - g; theta - lr -> theta + lr
    gradient_subtracted_from_velocity: You subtract the gradient from the velocity, and then go against the
        velocity. One of the two minus signs is too much.
        momentum * v + g -> momentum * v - g
    lr_inside_the_velocity: You put the learning rate into the velocity. Here the velocity collects plain
        gradients, and lr comes in when theta moves.
        v + g -> v + lr * g; - lr * new_v -> - new_v
        v + g -> v - lr * g; - lr * new_v -> + new_v
    lr_twice: You multiply with the learning rate twice, in the velocity and in the step. Leave it out of the
        velocity.
        v + g -> v + lr * g
    lr_forgotten: Your step has the full length of the velocity. Multiply by the learning rate.
        - lr * new_v -> - new_v
    damped: You weigh the new gradient with 1 - momentum. That is a running mean, as in Adam; here the
        gradient comes in whole.
        v + g -> v + (1 - momentum) * g
    old_velocity: You move theta by the velocity of the last step. Change the velocity first.
        lr * new_v -> lr * v
    nesterov: You look one momentum step ahead: that is Nesterov's rule. Here theta moves by the velocity
        itself.
        lr * new_v -> lr * (g + momentum * new_v)
    nesterov_with_the_old_velocity: You mix two rules: you look ahead, but from the velocity before this step.
        lr * new_v -> lr * (new_v + momentum * v)
    momentum_not_used: You move theta by the gradient alone. Move it by the velocity.
        lr * new_v -> lr * g
    velocity_without_a_past: Your velocity has nothing of the old one. Keep a share of the old velocity.
        momentum * v + g -> g.copy()
    nothing_is_forgotten: You keep the whole old velocity. Only the share that momentum says is kept.
        momentum * v + g -> v + g
    velocity_not_returned: Your theta is right, but you return the velocity that came in. The next step needs
        the new one.
        return new_theta, new_v -> return new_theta, v.copy()
    order_of_results: You return the velocity first. Theta comes first.
        return new_theta, new_v -> return new_v, new_theta
    """),
)


def l2_l1_grad(theta, l1, l2):
    """Return the gradient of the penalty l1 * sum |theta| + l2/2 * sum theta^2, of theta's shape.

    At theta = 0 the derivative of |theta| is taken as 0.
    """
    return l1 * np.sign(theta) + l2 * theta


def _cases_of_penalty(rng: np.random.Generator) -> list[Arguments]:
    theta = [drawn(rng, n) for n in (1, 3, 4)]
    theta[0][0], theta[1][0] = 2.5, -1.5
    return [
        {"theta": theta[0], "l1": 0.0, "l2": 0.1},
        {"theta": theta[0], "l1": 0.3, "l2": 0.0},
        {"theta": theta[1], "l1": 0.3, "l2": 0.1},
        {"theta": np.array([0.0, 2.0, -3.0]), "l1": 0.5, "l2": 0.2},
        {"theta": theta[2].reshape(2, 2), "l1": 0.7, "l2": 0.4},
    ]


def _engine_penalty(theta, l1, l2):
    p = parameter(theta, np.zeros_like(theta))
    SGD([p], lr=1.0, weight_decay=l2, l1=l1).step()
    return theta - p.numpy()


L2_L1_GRAD = Exercise(
    l2_l1_grad,
    _cases_of_penalty,
    reference=_engine_penalty,
    traits={
        "l1": lambda a: a["l1"] > 0,
        "l2": lambda a: a["l2"] > 0,
        "a theta of 0": lambda a: bool((a["theta"] == 0).any()),
    },
    lesson=22,
    equation=8,
    hints=(
        "How does |theta| change if theta grows a little, for a positive theta and for a negative one? And "
        "theta squared?",
        "The two penalties are added, so their gradients are added, too. The factor 1/2 "
        "cancels the 2 of the square.",
        "l1 times the sign of theta, which is 0 at 0, plus l2 times theta.",
    ),
    mistakes=read_mistakes("""
    l2_halved: You keep the factor 1/2 in the gradient. The derivative of the square has a factor 2, and the
        two cancel.
        l2 * theta -> l2 * theta / 2
    l2_doubled: Your part of l2 is twice too large. The penalty has a factor 1/2 before the square: do not
        forget it.
        l2 * theta -> 2 * l2 * theta
    sign_of_zero: At theta = 0 you let l1 push. A number that is 0 already stays there.
        np.sign(theta) -> np.where(theta >= 0, 1, -1)
        np.sign(theta) -> np.where(theta > 0, 1, -1)
    l1_without_sign: You push all of theta downwards. Negative numbers must be pushed up, towards 0.
        np.sign(theta) -> np.ones_like(theta)
    l1_times_theta: Your part of l1 grows with theta. L1 pushes small and large numbers alike.
        np.sign(theta) -> theta
    l1_times_size: Your part of l1 is the penalty itself. Its derivative is only a sign.
        np.sign(theta) -> np.abs(theta)
    exchanged: You exchange l1 and l2. l1 goes with the sign, l2 with theta itself.
        l1 * np.sign(theta) + l2 * theta -> l2 * np.sign(theta) + l1 * theta
    l1_forgotten: Your gradient has no part of l1. Add the derivative of the absolute values.
        l1 * np.sign(theta) + ->
    l2_forgotten: Your gradient has no part of l2. Add the derivative of the squares.
        + l2 * theta ->
    penalty: You return how large the penalty is, one number. Its gradient has a number for every theta.
        return l1 * np.sign(theta) + l2 * theta -> return l1 * np.abs(theta).sum() + l2 / 2 * (theta**2).sum()
    l2_of_the_square: Your part of l2 has theta squared. The derivative of a square has theta to the first
        power.
        l2 * theta -> l2 * theta**2
        l2 * theta -> l2 / 2 * theta**2
    away_from_zero: Your gradient has the opposite sign: it would make theta larger.
        return l1 * np.sign(theta) + l2 * theta -> return -(l1 * np.sign(theta) + l2 * theta)
    mean: You divide by the number of parameters. The penalty is a sum.
        return l1 * np.sign(theta) + l2 * theta -> return (l1 * np.sign(theta) + l2 * theta) / theta.size
    """),
)
