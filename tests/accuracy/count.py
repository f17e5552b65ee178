"""Counts, rates and positive sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from tests.accuracy import Exact, Real, Row, around, both_signs, grid, mp

DIGITS = 400
CANCELLED = 256  # what is left of the terms of `poisson` where its own digits end
COUNTS = [0.0, 1.0, 2.0, 3.0, 7.0, 50.0, 1e6, 1e9]
RATES = [1e-300, 1e-9, 0.3, *around(1.0), 1.8571838602078353, 2.5, 3.0, 4.5364, 49.7, 1e6 + 1.0, 1e9, 1e300]
SMALL = [5e-324, 1e-300, 1e-9, 0.01, 0.25, 0.499999, 0.5, 0.75, 9.99, 10.0, 1e15]

LOG_RATES = [
    -1e4,
    -745.0,
    -700.0,
    -100.0,
    -36.0,
    *around(-30.0),
    -1.0,
    -1e-9,
    0.0,
    1e-9,
    0.5413248546,
    1.0,
    20.0,
    700.0,
]
POSITIVE = [5e-324, 1e-300, 0.3, *around(1.0), 1.0001, 1.2, 2.0, 5.0, 30.0, 1e9, 1e300]
RATIOS = [1.0 - 2.0**-53, 1.0 + 2.0**-52, 1.0 + 1e-12, 1.0 - 1e-6, 1.001, 0.97, 1.3, 2.0, 0.4, 4.0, 7.3, 19.0, 1e-3]
POWERS = [-3.3, -1.0, -0.7, 1.0, 1.0 + 2.0**-52, 1.0 + 1e-9, 1.1, 1.5, 1.9, 2.0 - 1e-9, 2.0, 2.2, 3.0, 4.4]


def natural(z: float) -> Real:
    return mp.mpf(z)


def exponential(z: float) -> Real:
    return mp.exp(mp.mpf(z))


def softplus(z: float) -> Real:
    return mp.log1p(mp.exp(mp.mpf(z)))


def sigmoid(z: float) -> Real:
    return 1 / (1 + mp.exp(-mp.mpf(z)))


@cache
def log_factorial(y: float) -> Real:
    with mp.workdps(DIGITS):
        return mp.loggamma(mp.mpf(y) + 1)


def exact_poisson(mean: Callable[[float], Real], full: bool = False) -> Callable[..., object]:
    def exact(target: float, pred: float) -> object:
        with mp.workdps(DIGITS):
            y, rate = mp.mpf(target), mean(pred)
            gain = y * mp.log(rate)
            value = rate - gain + (log_factorial(target) if full else 0)
            larger = max(rate, abs(gain), y if mean in (softplus, sigmoid) else 0)
            return value if full else (value, larger / CANCELLED)

    return exact


def exact_deviance(power: float, mean: Callable[[float], Real] = natural) -> Callable[..., Real]:
    def exact(target: float, pred: float) -> Real:
        with mp.workdps(700):
            y, rate, p = mp.mpf(target), mean(pred), mp.mpf(power)
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


def exact_near(power: float, mean: Callable[[float], Real]) -> Callable[..., tuple[Real, Real]]:
    """Under an activation ln μ has no more than 66 digits of two, which shows where μ is near y."""

    def exact(target: float, pred: float) -> tuple[Real, Real]:
        value = exact_deviance(power, mean)(target, pred)
        with mp.workdps(700):
            gap = abs(mp.log(mp.mpf(target) / mean(pred)))
            return value, value * max(1, mp.mpf(2) ** -10 / gap) if gap else value

    return exact


def near(log_mean: Callable[[float], float]) -> list[Row]:
    """Rows whose target is near the mean of their raw output."""
    shifts = both_signs([1e-14, 1e-9, 1e-6, 2.0**-12, 2.0**-10, 0.01, 0.3])
    return [{"target": y, "pred": log_mean(y) + shift} for y in (1.0, 3.0, 1e6, 1e9) for shift in shifts]


CASES = (
    Exact("poisson", grid(target=COUNTS, pred=RATES), exact_poisson(natural)),
    Exact("poisson", grid(target=COUNTS, pred=LOG_RATES), exact_poisson(exponential), activation="exp"),
    Exact("poisson", grid(target=COUNTS, pred=LOG_RATES), exact_poisson(softplus), activation="softplus"),
    Exact("poisson", grid(target=COUNTS, pred=LOG_RATES), exact_poisson(sigmoid), activation="sigmoid"),
    Exact("poisson:full=true", grid(target=COUNTS + SMALL, pred=RATES), exact_poisson(natural, full=True)),
    Exact(
        "poisson:full=true",
        grid(target=[0.0, 1.0, 2.0, 50.0, 1e6], pred=LOG_RATES),
        exact_poisson(exponential, full=True),
        activation="exp",
    ),
    Exact("poisson_deviance", pairs(1.0) + grid(target=[0.0, *POSITIVE], pred=POSITIVE), exact_deviance(1.0)),
    Exact("gamma_deviance", pairs(2.0) + grid(target=POSITIVE, pred=POSITIVE), exact_deviance(2.0)),
    Exact(
        "poisson_deviance",
        grid(target=[0.0, 1.0, 7.0], pred=LOG_RATES),
        exact_deviance(1.0, exponential),
        activation="exp",
    ),
    Exact(
        "gamma_deviance",
        grid(target=[0.3, 1.5, 7.0], pred=[*LOG_RATES[1:], 1e4]),
        exact_deviance(2.0, exponential),
        activation="exp",
    ),
    *(Exact(f"tweedie_deviance:power={power!r}", pairs(power), exact_deviance(power)) for power in POWERS),
    *(
        Exact(spec, near(inverse), exact_near(power, mean), activation=activation)
        for spec, power in (("poisson_deviance", 1.0), ("gamma_deviance", 2.0), ("tweedie_deviance", 1.5))
        for activation, mean, inverse in (
            ("exp", exponential, math.log),
            ("softplus", softplus, lambda y: y + math.log(-math.expm1(-y))),
        )
    ),
    Exact(
        "tweedie_deviance:power=0",
        grid(target=[-3.0, 0.0, 1e-160, 5.0, 1e150], pred=[-2.5, 0.1, 5.0, 1e9]),
        lambda target, pred: (mp.mpf(pred) - mp.mpf(target)) ** 2,
    ),
    Exact(
        "tweedie_deviance",
        grid(target=[0.0, 0.3, 7.0], pred=LOG_RATES[1:]),
        exact_deviance(1.5, softplus),
        activation="softplus",
    ),
)
