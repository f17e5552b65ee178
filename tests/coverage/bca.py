"""The bias-corrected and accelerated bootstrap (Efron 1987) of functions of means, for many samples at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Values = NDArray[Any]
Statistic = Callable[[Values], Values]


def counts(units: int, resamples: int, rng: np.random.Generator) -> Values:
    """Return (units, resamples) numbers of times that a unit is drawn; all samples may share them."""
    return rng.multinomial(units, np.full(units, 1.0 / units), resamples).T.astype(float)


def intervals(parts: Values, statistic: Statistic, drawn: Values, level: float = 0.95) -> Values:
    """Return the (2, samples) ends of intervals.

    parts: (k, samples, units) quantities. statistic: (k, ...) means -> values. drawn: what `counts` returns.
    """
    units, resamples = drawn.shape
    centre = parts.mean(axis=2)
    value = statistic(centre)
    replicates = np.sort(statistic(parts @ drawn / units), axis=1)
    without = statistic((units * centre[..., np.newaxis] - parts) / (units - 1.0))
    moved = without.mean(axis=1, keepdims=True) - without
    with np.errstate(invalid="ignore"):
        acceleration = np.sum(moved**3, axis=1) / (6.0 * np.sum(moved**2, axis=1) ** 1.5)
    below = np.sum(replicates < value[:, np.newaxis], axis=1) + np.sum(replicates <= value[:, np.newaxis], axis=1)
    bias = special.ndtri(below / (2.0 * resamples))
    ends = []
    for tail in (0.5 * (1.0 - level), 0.5 * (1.0 + level)):
        reach = bias + special.ndtri(tail)
        with np.errstate(invalid="ignore"):
            share = special.ndtr(bias + reach / (1.0 - acceleration * reach))
        ends.append(_at(replicates, share))
    return np.stack(ends)


def _at(ordered: Values, share: Values) -> Values:
    """Read each line of (samples, resamples) values at a share of its length; NaN where the share is."""
    place = np.where(np.isfinite(share), share, 0.0) * (ordered.shape[1] - 1)
    low = np.clip(place.astype(int), 0, ordered.shape[1] - 2)
    lines = np.arange(len(ordered))
    found = ordered[lines, low] + (place - low) * (ordered[lines, low + 1] - ordered[lines, low])
    return np.where(np.isfinite(share), found, np.nan)
