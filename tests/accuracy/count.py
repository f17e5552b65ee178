"""Counts, rates and positive sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from tests.accuracy import Exact, Real, Row, around, both_signs, grid, mp

Mean = Callable[[Real], Real]
CANCELLED = 256  # what is left of the terms of `poisson` where its own digits end
COUNTS = [0.0, 1.0, 2.0, 3.0, 7.0, 50.0, 1e6, 1e9]
RATES = [1e-300, 1e-9, 0.3, *around(1.0), 1.8571838602078353, 2.5, 3.0, 4.5364, 49.7, 1e6 + 1.0, 1e9, 1e300]
SMALL = [5e-324, 1e-300, 1e-9, 0.01, 0.25, 0.499999, 0.5, 0.75, 9.99, 10.0, 1e15]

SOFT = [0.5413248546, 1.0, 20.0, 700.0]  # at the first a softplus is nearly 1
LOG_RATES = [-1e4, -745.0, -700.0, -100.0, -36.0, *around(-30.0), -1.0, -1e-9, 0.0, 1e-9, *SOFT]
POSITIVE = [5e-324, 1e-300, 0.3, *around(1.0), 1.0001, 1.2, 2.0, 5.0, 30.0, 1e9, 1e300]
RATIOS = [1.0 - 2.0**-53, 1.0 + 2.0**-52, 1.0 + 1e-12, 1.0 - 1e-6, 1.001, 0.97, 1.3, 2.0, 0.4, 4.0, 7.3, 19.0, 1e-3]
POWERS = [-3.3, -1.0, -0.7, 1.0, 1.0 + 2.0**-52, 1.0 + 1e-9, 1.1, 1.5, 1.9, 2.0 - 1e-9, 2.0, 2.2, 3.0, 4.4]


def natural(z: Real) -> Real:
    return z


def softplus(z: Real) -> Real:
    return mp.log1p(mp.exp(z))


def sigmoid(z: Real) -> Real:
    return 1 / (1 + mp.exp(-z))


@cache
def log_factorial(y: Real) -> Real:
    return mp.loggamma(y + 1)


def poisson(mean: Mean) -> Callable[..., tuple[Real, Real]]:
    def exact(target: Real, pred: Real) -> tuple[Real, Real]:
        rate, gain = mean(pred), target * mp.log(mean(pred))
        return rate - gain, max(rate, abs(gain), target if mean in (softplus, sigmoid) else 0) / CANCELLED

    return exact


def full_poisson(mean: Mean) -> Callable[..., Real]:
    return lambda target, pred: mean(pred) - target * mp.log(mean(pred)) + log_factorial(target)


def deviance(power: float, mean: Mean = natural) -> Callable[..., Real]:
    def exact(target: Real, pred: Real) -> Real:
        y, rate, p = target, mean(pred), mp.mpf(power)
        if p == 1:
            return 2 * ((y * mp.log(y / rate) if y else 0) - y + rate)
        if p == 2:
            return 2 * (mp.log(rate / y) + y / rate - 1)
        first = y ** (2 - p) / ((1 - p) * (2 - p)) if y > 0 else 0
        return 2 * (first - y * rate ** (1 - p) / (1 - p) + rate ** (2 - p) / (2 - p))

    return exact


def pairs(power: float) -> list[Row]:
    """Rows near equality and far from it; nothing whose deviance is beyond float64 on the way."""
    near = [{"target": y * ratio, "pred": y} for y in (0.37, 1.0, 13.0, 4e5) for ratio in RATIOS]
    zero = [{"target": 0.0, "pred": x} for x in (1e-9, 0.3, 1.0, 50.0)] if power < 2.0 else []
    below = [{"target": -y, "pred": x} for y in (1e-9, 3.0) for x in (0.3, 50.0)] if power < 0.0 else []
    return [*near, *zero, *below, *grid(target=POSITIVE[2:-1], pred=POSITIVE[2:-1])]


def near_deviance(power: float, mean: Mean) -> Callable[..., tuple[Real, Real]]:
    """Under an activation ln μ has no more than 66 digits of two, which shows where μ is near y."""

    def exact(target: Real, pred: Real) -> tuple[Real, Real]:
        value, gap = deviance(power, mean)(target, pred), abs(mp.log(target / mean(pred)))
        return value, value * max(1, mp.mpf(2) ** -10 / gap) if gap else value

    return exact


def near(log_mean: Callable[[float], float]) -> list[Row]:
    """Rows whose target is near the mean of their raw output."""
    shifts = both_signs([1e-14, 1e-9, 1e-6, 2.0**-12, 2.0**-10, 0.01, 0.3])
    return [{"target": y, "pred": log_mean(y) + shift} for y in (1.0, 3.0, 1e6, 1e9) for shift in shifts]


MEANS: tuple[tuple[str, Mean], ...] = (("none", natural), ("exp", mp.exp), ("softplus", softplus), ("sigmoid", sigmoid))
DEVIANCES = (("poisson_deviance", 1.0), ("gamma_deviance", 2.0), ("tweedie_deviance", 1.5))
UNDER_ACTIVATION: tuple[tuple[str, Mean, float, list[Row]], ...] = (
    ("exp", mp.exp, 1.0, grid(target=[0.0, 1.0, 7.0], pred=LOG_RATES)),
    ("exp", mp.exp, 2.0, grid(target=[0.3, 1.5, 7.0], pred=[*LOG_RATES[1:], 1e4])),
    ("softplus", softplus, 1.5, grid(target=[0.0, 0.3, 7.0], pred=LOG_RATES[1:])),
)
CASES = (
    *(
        Exact(
            "poisson", grid(target=COUNTS, pred=LOG_RATES if name != "none" else RATES), poisson(mean), name, digits=400
        )
        for name, mean in MEANS
    ),
    Exact("poisson:full=true", grid(target=COUNTS + SMALL, pred=RATES), full_poisson(natural), digits=400),
    Exact(
        "poisson:full=true",
        grid(target=[0.0, 1.0, 2.0, 50.0, 1e6], pred=LOG_RATES),
        full_poisson(mp.exp),
        "exp",
        digits=400,
    ),
    Exact("poisson_deviance", pairs(1.0) + grid(target=[0.0, *POSITIVE], pred=POSITIVE), deviance(1.0), digits=700),
    Exact("gamma_deviance", pairs(2.0) + grid(target=POSITIVE, pred=POSITIVE), deviance(2.0), digits=700),
    *(Exact(f"tweedie_deviance:power={power!r}", pairs(power), deviance(power), digits=700) for power in POWERS),
    Exact(
        "tweedie_deviance:power=0",
        grid(target=[-3.0, 0.0, 1e-100, 5.0, 1e100], pred=[-2.5, 0.1, 5.0, 1e9]),
        lambda target, pred: (pred - target) ** 2,
        digits=400,
    ),
    *(
        Exact(spec, rows, deviance(power, mean), name, digits=700)
        for name, mean, power, rows in UNDER_ACTIVATION
        for spec, of in DEVIANCES
        if of == power
    ),
    *(
        Exact(spec, near(inverse), near_deviance(power, mean), name, digits=700)
        for spec, power in DEVIANCES
        for name, mean, inverse in (
            ("exp", mp.exp, math.log),
            ("softplus", softplus, lambda y: y + math.log(-math.expm1(-y))),
        )
    ),
)
