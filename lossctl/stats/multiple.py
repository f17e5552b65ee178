"""Many comparisons at once: max-T within a family, Holm across families, and the set of models that may be best."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lossctl.core.domain import Array

DRAWS = 20_000


def draws(correlation: Array, freedom: int | None, seed: int) -> Array:
    """Draw (DRAWS, k) values of a multivariate t, or normal, with the given correlations."""
    generator = np.random.Generator(np.random.Philox(key=seed))
    values, vectors = np.linalg.eigh(correlation)
    found: Array = generator.standard_normal((DRAWS, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    if freedom is not None:
        found /= np.sqrt(generator.chisquare(freedom, (DRAWS, 1)) / freedom)
    return found


def max_t(
    scores: Sequence[float], freedom: int | None, p: Sequence[float], correlation: Array, seed: int
) -> list[float]:
    """Adjust the p-values of differences from one family: P(max |T| >= |t|) by simulation (Westfall & Young 1993).

    Never below the p-value itself nor above k times it, so that small ones keep their digits.
    """
    if len(p) < 2:
        return list(p)
    tops = np.sort(np.maximum.reduce(np.abs(draws(correlation, freedom, seed)), axis=1))
    beyond = DRAWS - np.searchsorted(tops, np.abs(scores), side="left")
    return [
        min(max(float(found), own), min(len(p) * own, 1.0))
        for found, own in zip((beyond + 1) / (DRAWS + 1), p, strict=True)
    ]


def holm(families: Sequence[Sequence[float]]) -> list[list[float]]:
    """Adjust p-values that are adjusted within their families for the number of families (Holm 1979).

    A family counts until all of its hypotheses are rejected: then at any step at least as many families count as
    hold a true hypothesis.
    """
    order = sorted((p, f, place) for f, family in enumerate(families) for place, p in enumerate(family))
    left = [len(family) for family in families]
    counting = sum(size > 0 for size in left)
    found = [[1.0] * len(family) for family in families]
    least = 0.0
    for p, f, place in order:
        least = found[f][place] = max(least, min(counting * p, 1.0))
        left[f] -= 1
        counting -= left[f] == 0
    return found


def best_set(costs: Sequence[float], covariance: Array, level: float, seed: int) -> tuple[list[float], list[int]]:
    """Return the p-values of models in a model confidence set, and the places of those it keeps.

    costs: lower is better; (models, models) covariance, up to a constant added to all costs of a draw. The range
    statistic of Hansen, Lunde & Nason 2011, its law by simulation.
    """
    m = np.asarray(costs)
    values, vectors = np.linalg.eigh(covariance)
    generator = np.random.Generator(np.random.Philox(key=seed))
    drawn = generator.standard_normal((DRAWS, len(m))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    own = np.diagonal(covariance)
    spread = np.sqrt(np.maximum(own[:, np.newaxis] + own - 2.0 * covariance, 0.0))
    alive = list(range(len(m)))
    p = [1.0] * len(m)
    highest = 0.0
    while len(alive) > 1:
        pairs = [(i, j) for place, i in enumerate(alive) for j in alive[place + 1 :]]
        scores = {(i, j): _score(m[i] - m[j], spread[i, j]) for i, j in pairs}
        top = max(map(abs, scores.values()))
        left, right = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
        with np.errstate(all="ignore"):
            ranges = np.nan_to_num(np.abs(drawn[:, left] - drawn[:, right]) / spread[left, right], nan=0.0, posinf=0.0)
        highest = max(highest, float(np.count_nonzero(ranges.max(axis=1) >= top) + 1) / (DRAWS + 1))
        worst = max(alive, key=lambda i: max(_score(m[i] - m[j], spread[i, j]) for j in alive if j != i))
        p[worst] = highest
        alive.remove(worst)
    return p, [place for place, value in enumerate(p) if value > 1.0 - level]


def _score(difference: float, spread: float) -> float:
    if spread > 0.0:
        return float(difference / spread)
    return math.copysign(math.inf, difference) if difference else 0.0
