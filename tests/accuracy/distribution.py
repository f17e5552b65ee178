"""Likelihoods of a predicted distribution, and ranked probability scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tests.accuracy import Exact, Real, Row, around, both_signs, grid, mp

DISTANCES = [0.0, *both_signs([5e-324, 1e-300, 1e-160, 1e-9, 0.3, 1.0, 1.7, 39.0, 1e5, 1e150, 1e300])]
SPREADS = [1e-300, 1e-9, 0.1, *around(0.5), *around(1.0), 2.7, 1e9, 1e300]
LOG_SPREADS = [-700.0, -20.0, -1.0, 0.0, 1e-9, 1.0, 36.0, 1400.0]
WIDE = [*both_signs([1e-9, 0.1, 0.5, 1.0, *around(2.0), 2.1, 3.0, 8.0, 26.0, 38.5, 40.0, 1e9]), 0.0]


def exact_gaussian(kind: str, eps: float = 0.0, full: bool = False) -> Callable[..., tuple[Real, Real]]:
    def exact(target: float, pred: float, scale: float) -> tuple[Real, Real]:
        s, r = mp.mpf(scale), mp.mpf(pred) - mp.mpf(target)
        variance = {"variance": s, "deviation": s**2, "log_variance": mp.exp(s)}[kind]
        variance = max(variance, mp.mpf(eps))
        terms = [mp.log(variance) / 2, r**2 / variance / 2, mp.log(2 * mp.pi) / 2 if full else mp.mpf(0)]
        return sum(terms), max(map(abs, terms))

    return exact


def exact_laplace(target: float, pred: float, scale: float) -> tuple[Real, Real]:
    terms = mp.log(2 * mp.mpf(scale)), abs(mp.mpf(pred) - mp.mpf(target)) / mp.mpf(scale)
    return sum(terms), max(map(abs, terms))


def exact_ensemble(fair: bool) -> Callable[..., Real]:
    def exact(target: float, pred: Sequence[float]) -> Real:
        with mp.workdps(700):
            y, x = mp.mpf(target), [mp.mpf(value) for value in pred]
            m = len(x)
            spread = sum(abs(a - b) for a in x for b in x)
            return sum(abs(a - y) for a in x) / m - spread / (2 * m * (m - 1 if fair else m))

    return exact


def exact_normal(target: float, pred: float, scale: float) -> Real:
    with mp.workdps(60):
        sigma = mp.mpf(scale)
        w = (mp.mpf(target) - mp.mpf(pred)) / sigma
        density = mp.exp(-(w**2) / 2) / mp.sqrt(2 * mp.pi)
        return sigma * (w * mp.erf(w / mp.sqrt(2)) + 2 * density - 1 / mp.sqrt(mp.pi))


RNG = np.random.default_rng(5)
MEMBERS: list[Row] = [
    {"target": y, "pred": x}
    for y in (0.0, 1.0, 1.0 + 2.0**-52, -2.5, 1e-300, 1e300)
    for x in (
        (0.0, 1.0, 3.0),
        (1.0, 1.0, 1.0),
        (1.0, 1.0 + 2.0**-52, 1.0 - 2.0**-53),
        (-1e300, 1e300, 0.0),
        (5e-324, -5e-324, 1e-300),
        (1e9 + 1.0, 1e9, 1e9 - 1.0),
    )
]
NORMAL = [{"target": 0.7, "pred": 0.7 + w * s, "scale": s} for w in WIDE for s in (1.0, 0.3)]
RANDOM = [
    {"target": float(y), "pred": float(x), "scale": float(s)}
    for y, x, s in zip(RNG.normal(size=300), RNG.normal(size=300), RNG.lognormal(-0.5, 1.0, 300), strict=True)
]

CASES = (
    Exact("gaussian_nll", grid(target=[0.0], pred=DISTANCES, scale=SPREADS), exact_gaussian("variance")),
    Exact(
        "gaussian_nll:full=true,eps=1e-6",
        grid(target=[0.3], pred=[0.3, 0.1, 5.0], scale=[0.0, 1e-9, *SPREADS]),
        exact_gaussian("variance", 1e-6, full=True),
    ),
    Exact(
        "gaussian_nll:scale_is=deviation",
        grid(target=[0.0], pred=DISTANCES, scale=SPREADS),
        exact_gaussian("deviation"),
    ),
    Exact(
        "gaussian_nll:scale_is=log_variance",
        grid(target=[0.0], pred=DISTANCES, scale=LOG_SPREADS),
        exact_gaussian("log_variance"),
    ),
    Exact("laplace_nll", grid(target=[0.0], pred=DISTANCES, scale=SPREADS), exact_laplace),
    Exact("crps_ensemble", MEMBERS, exact_ensemble(fair=False)),
    Exact("crps_ensemble:fair=true", MEMBERS, exact_ensemble(fair=True)),
    Exact(
        "crps_gaussian",
        [*NORMAL, *RANDOM, *grid(target=[0.0], pred=DISTANCES, scale=[1e-300, 1e-9, 1.0, 1e9, 1e300])],
        exact_normal,
    ),
)
