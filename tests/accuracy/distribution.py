"""Likelihoods of a predicted distribution, and ranked probability scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.accuracy import Exact, Real, Row, around, both_signs, grid, mp

DISTANCES = [0.0, *both_signs([5e-324, 1e-300, 1e-160, 1e-9, 0.3, 1.0, 1.7, 39.0, 1e5, 1e150, 1e300])]
SPREADS = [1e-300, 1e-9, 0.1, *around(0.5), *around(1.0), 2.7, 1e9, 1e300]
LOG_SPREADS = [-700.0, -20.0, -1.0, 0.0, 1e-9, 1.0, 36.0, 1400.0]
WIDE = [*both_signs([1e-9, 0.1, 0.5, 1.0, *around(2.0), 2.1, 3.0, 8.0, 26.0, 38.5, 40.0, 1e9]), 0.0]


def sum_of(*terms: Real) -> tuple[Real, Real]:
    """A sum, and its largest term."""
    return sum(terms), max(map(abs, terms))


def gaussian_nll(variance: Callable[[Real], Real], eps: float = 0.0, full: bool = False) -> Callable[..., Any]:
    def exact(target: Real, pred: Real, scale: Real) -> tuple[Real, Real]:
        v = max(variance(scale), mp.mpf(eps))
        return sum_of(mp.log(v) / 2, (pred - target) ** 2 / v / 2, mp.log(2 * mp.pi) / 2 if full else mp.mpf(0))

    return exact


def laplace_nll(target: Real, pred: Real, scale: Real) -> tuple[Real, Real]:
    return sum_of(mp.log(2 * scale), abs(pred - target) / scale)


def crps_ensemble(fair: bool) -> Callable[..., Real]:
    def exact(target: Real, pred: Sequence[Real]) -> Real:
        m = len(pred)
        spread = sum(abs(a - b) for a in pred for b in pred)
        return sum(abs(a - target) for a in pred) / m - spread / (2 * m * (m - 1 if fair else m))

    return exact


def crps_gaussian(target: Real, pred: Real, scale: Real) -> Real:
    w = (target - pred) / scale
    density = mp.exp(-(w**2) / 2) / mp.sqrt(2 * mp.pi)
    return scale * (w * mp.erf(w / mp.sqrt(2)) + 2 * density - 1 / mp.sqrt(mp.pi))


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

GRID = grid(target=[0.0], pred=DISTANCES, scale=SPREADS)
CASES = (
    Exact("gaussian_nll", GRID, gaussian_nll(lambda s: s)),
    Exact(
        "gaussian_nll:full=true,eps=1e-6",
        grid(target=[0.3], pred=[0.3, 0.1, 5.0], scale=[0.0, 1e-9, *SPREADS]),
        gaussian_nll(lambda s: s, 1e-6, full=True),
    ),
    Exact("gaussian_nll:scale_is=deviation", GRID, gaussian_nll(lambda s: s**2)),
    Exact(
        "gaussian_nll:scale_is=log_variance",
        grid(target=[0.0], pred=DISTANCES, scale=LOG_SPREADS),
        gaussian_nll(mp.exp),
    ),
    Exact("laplace_nll", GRID, laplace_nll),
    *(
        Exact(f"crps_ensemble:fair={fair!s}".lower(), MEMBERS, crps_ensemble(fair), digits=700)
        for fair in (False, True)
    ),
    Exact(
        "crps_gaussian",
        [*NORMAL, *RANDOM, *grid(target=[0.0], pred=DISTANCES, scale=[1e-300, 1e-9, 1.0, 1e9, 1e300])],
        crps_gaussian,
        digits=60,
    ),
)
