"""Many comparisons at once: max-T within a family, Holm across families, and the set of models that may be best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from lossctl.numerics.array import Array

DRAWS = 20_000
MANY = 30  # degrees of freedom from which a chi-square value is drawn from a normal one


@lru_cache(maxsize=4)
def _normals(size: int, seed: int) -> Array:
    """Draw (size, DRAWS) standard normal values."""
    return np.random.Generator(np.random.Philox(key=seed)).standard_normal((size, DRAWS))


@lru_cache(maxsize=64)
def _widths(freedom: int, seed: int) -> Array:
    """Draw (DRAWS,) roots of chi-square values over their degrees of freedom."""
    generator = np.random.Generator(np.random.Philox(key=seed).jumped())
    if freedom < MANY:
        return np.sqrt(generator.chisquare(freedom, DRAWS) / freedom)
    step = 2.0 / (9.0 * freedom)  # the cube root of a chi-square value is nearly normal: Wilson & Hilferty 1931
    return (1.0 - step + math.sqrt(step) * generator.standard_normal(DRAWS)) ** 1.5


def draws(covariance: Array, freedom: int | None, seed: int) -> Array:
    """Draw (k, DRAWS) values of a multivariate t, or normal, from its correlations or covariance."""
    values, vectors = np.linalg.eigh(covariance)
    drawn: Array = (vectors * np.sqrt(np.maximum(values, 0.0))) @ _normals(len(values), seed)
    return drawn if freedom is None else drawn / _widths(freedom, seed)


def max_t(
    scores: Sequence[float], freedom: int | None, p: Sequence[float], correlation: Array, seed: int
) -> list[float]:
    """Adjust the p-values of differences from one family: P(max |T| >= |t|) by simulation (Westfall & Young 1993).

    Never below the p-value itself nor above k times it, so that small ones keep their digits.
    """
    if len(p) < 2:
        return list(p)
    tops = np.maximum.reduce(np.abs(draws(correlation, freedom, seed)), axis=0)
    beyond = [int(np.count_nonzero(tops >= abs(score))) for score in scores]
    return [
        min(max((count + 1) / (DRAWS + 1), single), min(len(p) * single, 1.0))
        for count, single in zip(beyond, p, strict=True)
    ]


def holm(families: Sequence[Sequence[float]]) -> list[list[float]]:
    """Adjust p-values that are adjusted within their families for the number of families (Holm 1979).

    A family counts until all of its hypotheses are rejected: then at any step at least as many families count as
    hold a true hypothesis.
    """
    order = sorted((p, f, place) for f, family in enumerate(families) for place, p in enumerate(family))
    open_hypotheses = [len(family) for family in families]
    counting = sum(size > 0 for size in open_hypotheses)
    adjusted = [[1.0] * len(family) for family in families]
    least = 0.0
    for p, f, place in order:
        least = adjusted[f][place] = max(least, min(counting * p, 1.0))
        open_hypotheses[f] -= 1
        counting -= open_hypotheses[f] == 0
    return adjusted


def best_set(costs: Sequence[float], covariance: Array, level: float, seed: int) -> tuple[list[float], list[int]]:
    """Return the p-values of models in a model confidence set, and the places of those it keeps.

    costs: lower is better; (models, models) covariance, up to a constant added to all costs of a draw. The range
    statistic of Hansen, Lunde & Nason 2011, its law by simulation.
    """
    m = np.asarray(costs)
    drawn = draws(covariance, None, seed)
    variance = np.diagonal(covariance)
    spread = np.sqrt(np.maximum(variance[:, np.newaxis] + variance - 2.0 * covariance, 0.0))
    alive = list(range(len(m)))
    p = [1.0] * len(m)
    highest = 0.0
    while len(alive) > 1:
        pairs = [(i, j) for place, i in enumerate(alive) for j in alive[place + 1 :]]
        scores = {(i, j): _score(m[i] - m[j], spread[i, j]) for i, j in pairs}
        top = max(map(abs, scores.values()))
        rows, columns = np.array(pairs).T
        with np.errstate(all="ignore"):
            ranges = np.abs(drawn[rows] - drawn[columns]) / spread[rows, columns][:, np.newaxis]
        ranges = np.where(np.isfinite(ranges), ranges, 0.0)
        highest = max(highest, float(np.count_nonzero(ranges.max(axis=0) >= top) + 1) / (DRAWS + 1))
        worst = max(alive, key=lambda i: max(_score(m[i] - m[j], spread[i, j]) for j in alive if j != i))
        p[worst] = highest
        alive.remove(worst)
    return p, [place for place, value in enumerate(p) if value > 1.0 - level]


def _score(difference: float, spread: float) -> float:
    if spread > 0.0:
        return float(difference / spread)
    return math.copysign(math.inf, difference) if difference else 0.0
