"""An exercise on Adam (Eq. 7)."""

import numpy as np

from tinycnn.optim import Adam
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from .update import drawn, parameter, stepped


def adam_step(theta, g, m, v, t, lr, beta1, beta2, eps):
    """Return (theta, m, v) after step t of Adam, as new arrays; t counts from 1.

    theta, g = dL/dtheta, m (the gradient's running mean) and v (that of its square) have one shape.
    """
    new_m = beta1 * m + (1 - beta1) * g
    new_v = beta2 * v + (1 - beta2) * g**2
    mean = new_m / (1 - beta1**t)
    square = new_v / (1 - beta2**t)
    new_theta = theta - lr * mean / (np.sqrt(square) + eps)
    return new_theta, new_m, new_v


def _cases_of_adam(rng: np.random.Generator) -> list[Arguments]:
    made = []
    settings = (  # with a large eps, so that its place is seen
        ((1,), 1, 0.1, 0.9, 0.99, 0.5),
        ((3,), 1, 0.3, 0.8, 0.9, 0.1),
        ((2, 3), 2, 0.1, 0.9, 0.95, 0.2),
        ((4,), 3, 0.5, 0.7, 0.9, 0.3),
        ((2, 2), 7, 0.2, 0.9, 0.8, 0.1),
    )
    for shape, t, lr, beta1, beta2, eps in settings:
        theta, g, m = (drawn(rng, shape) for _ in range(3))
        v = np.round(rng.uniform(0.5, 4, shape), 1)
        means = {"m": m, "v": v} if t > 1 else {"m": np.zeros(shape), "v": np.zeros(shape)}
        made.append({"theta": theta, "g": g, **means, "t": t, "lr": lr})
        made[-1] |= {"beta1": beta1, "beta2": beta2, "eps": eps}
    return made


def _engine_adam(theta, g, m, v, t, lr, beta1, beta2, eps):
    optimizer = Adam([parameter(theta, g)], lr, (beta1, beta2), eps)
    return tuple(stepped(optimizer, t - 1, {"m": m, "v": v}))


ADAM_STEP = Exercise(
    adam_step,
    _cases_of_adam,
    reference=_engine_adam,
    traits={"earlier steps": lambda a: a["t"] > 1},
    lesson=5,
    equation=7,
    hints=(
        "Adam keeps two running means. Of what?",
        "Both begin at 0, so at first they are too small: by the factor 1 - beta^t. Take that out before "
        "you use them, but keep the means themselves as they are.",
        "Theta moves by lr times the corrected mean, divided by the root of the corrected mean square; eps "
        "is added to the root.",
    ),
    mistakes=read_mistakes("""
    no_correction: You leave out the bias correction: m and v begin at 0, so in the first steps they are too
        small.
        new_m / (1 - beta1**t) -> new_m; new_v / (1 - beta2**t) -> new_v
    no_correction_of_m: You correct v but not m. Both began at 0, so both are too small at first: correct m,
        too.
        new_m / (1 - beta1**t) -> new_m
    no_correction_of_v: You correct m but not v. Both began at 0, so both are too small at first: correct v,
        too.
        new_v / (1 - beta2**t) -> new_v
    correction_without_t: Your correction is the same in every step. It must become weaker from step to step:
        t is the exponent in it.
        beta1**t -> beta1; beta2**t -> beta2
        beta1**t -> beta1 * t; beta2**t -> beta2 * t
    t_from_zero: You count the steps from 0, so the first correction divides by 0, or comes one step late. t
        is 1 in the first step already.
        **t -> **(t - 1)
        **t -> **(t + 1)
    correction_is_kept: You return the corrected means. Return the plain ones: the next step needs these.
        return new_theta, new_m, new_v -> return new_theta, mean, square
    eps_inside_the_root: You add eps under the root. Take the root first, and then add eps.
        (np.sqrt(square) + eps) -> np.sqrt(square + eps)
    eps_forgotten: You leave out eps. It keeps the division finite where v is 0.
        (np.sqrt(square) + eps) -> np.sqrt(square)
    v_of_the_gradient: Your v is the running mean of the gradient. Take the mean of its square.
        g**2 -> g
    v_of_absolute_values: Your v is the running mean of the gradient's absolute value. Take the mean of its
        square.
        g**2 -> np.abs(g)
    v_of_the_mean: You square the running mean of the gradient. Square the gradient itself.
        g**2 -> new_m**2
    no_root: You divide by the mean square. Divide by its root, so that a step has the size of lr.
        np.sqrt(square) -> square
    gradient_for_mean: You move by the gradient of this step. Adam moves by the running mean.
        lr * mean -> lr * g
    betas_exchanged: beta1 is for the mean, beta2 for the mean square: you have them the other way round.
        new_m = beta1 * m + (1 - beta1) -> new_m = beta2 * m + (1 - beta2);
        new_v = beta2 * v + (1 - beta2) -> new_v = beta1 * v + (1 - beta1);
        new_m / (1 - beta1**t) -> new_m / (1 - beta2**t);
        new_v / (1 - beta2**t) -> new_v / (1 - beta1**t)
    weights_exchanged: You keep little of the old means and take much of the new gradient. It is the other way
        round: beta is what is kept.
        beta1 * m + (1 - beta1) * g -> (1 - beta1) * m + beta1 * g;
        beta2 * v + (1 - beta2) * g -> (1 - beta2) * v + beta2 * g
    not_a_mean: You add the whole new gradient to the running means. Multiply it by 1 - beta first.
        (1 - beta1) * g -> g; (1 - beta2) * g -> g
    uphill: Your step goes uphill. Theta must move against the mean gradient.
        theta - lr -> theta + lr
    lr_forgotten: You leave out the learning rate. It says how long a step is.
        lr * mean -> mean
    old_means: You move theta with the means of the last step. Bring them up to date first.
        mean = new_m -> mean = m; square = new_v -> square = v
    order_of_results: Your three results come in another order: theta, then m, then v.
        return new_theta, new_m, new_v -> return new_theta, new_v, new_m
        return new_theta, new_m, new_v -> return new_m, new_v, new_theta
    means_not_returned: You return m and v as they came in. The next step needs the new ones.
        return new_theta, new_m, new_v -> return new_theta, m.copy(), v.copy()
    """),
)
