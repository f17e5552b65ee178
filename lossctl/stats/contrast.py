"""Contrasts: functions of several means as their slopes, and their covariance and skewness from exact sums.

With theta = g(m), Cov(theta_a, theta_b) = g_a'(m)' S g_b'(m) / n (the delta method). For weighted means the weight
is one more part and theta = g(mean(w q) / mean(w)) (Cochran 1977, 6.3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from lossctl.core.state import View
from lossctl.core.statistic import Means, Statistic, means
from lossctl.numerics.exact import SHIFT, ratio, units

Contrast = Mapping[int, float]  # quantity -> slope with respect to its (weighted) mean
Fraction = tuple[int, int]  # numerator, denominator > 0: exact, and cheaper than one in lowest terms


def slopes_at(statistic: Statistic, centre: Means) -> list[float] | None:
    """Return the slopes of a statistic, None where one is not finite, such as that of a root at zero."""
    with np.errstate(all="ignore"):
        slopes = [float(slope) for slope in statistic.slope(centre)]
    return slopes if all(map(math.isfinite, slopes)) else None


def combined(*terms: tuple[Sequence[int], Sequence[float]]) -> dict[int, float]:
    """Add up slopes by quantity; those of zero are left out."""
    sums: dict[int, float] = {}
    for indexes, slopes in terms:
        for i, slope in zip(indexes, slopes, strict=True):
            sums[i] = sums.get(i, 0.0) + slope
    return {i: slope for i, slope in sums.items() if slope != 0.0}


def covariance_units(view: View, i: int, j: int) -> int | None:
    """n (n - 1) times the unbiased covariance of two quantities, in units of 2^-2148."""
    product = view.product_units(i, j)
    return None if product is None else view.live * product - view.total_units(i) * view.total_units(j)


def covariance(view: View, first: Contrast, second: Contrast, weighted: bool) -> Fraction | None:
    """Return the covariance of two contrasts, each product taken exactly; None where it is out of range."""
    n = view.live
    rows, columns = _exact(view, first, weighted), _exact(view, second, weighted)
    below = view.total_units(0) ** 2 * (n - 1) if weighted else n * n * (n - 1)
    above = 0
    for i, a in rows:
        for j, b in columns:
            spread = covariance_units(view, i, j)
            if spread is None:
                return None
            above += a * b * spread
    return above, below << (4 * SHIFT)


def _exact(view: View, contrast: Contrast, weighted: bool) -> list[tuple[int, int]]:
    """Return slopes as exact integers; weighted, with respect to sums over the summed weights, that of w included."""
    exact = [(i, units(slope)) for i, slope in contrast.items()]
    if not weighted:
        return exact
    centre = means(view, list(contrast), weighted)
    drop = sum(slope * units(float(mean)) for (_, slope), mean in zip(exact, centre, strict=True))
    return [(0, -drop), *((i, slope << SHIFT) for i, slope in exact)]


def skewness(view: View, i: int) -> float:
    """Return the skewness of a quantity, Σ(x - mean)³/n over the 3/2 power of Σ(x - mean)²/n; NaN where undefined."""
    n, total = view.live, view.total_units(i)
    square, cube = view.product_units(i, i), view.cube_units(i)
    if square is None or cube is None:
        return math.nan
    spread = n * square - total * total
    if spread <= 0:
        return math.nan
    return ratio(n * n * cube - 3 * n * total * square + 2 * total**3, spread * math.isqrt(spread))
