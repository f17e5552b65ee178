"""Replicates: standard errors and intervals from bootstrap values (Efron 1979)."""

from __future__ import annotations

import numpy as np

from lossctl.numerics.array import Array
from lossctl.stats.estimate import Estimate, Why

METHOD = "bootstrap"


def fault(values: Array) -> str | None:
    """Say why replicates tell nothing, None where they do."""
    broken = int(np.count_nonzero(~np.isfinite(values)))
    if broken:
        return f"{broken} of {len(values)} bootstrap replicates have no value"
    return Why.NO_SPREAD.words if float(np.ptp(values)) == 0.0 else None


def percentiles(value: float, values: Array, level: float) -> Estimate:
    """Return an estimate whose interval holds the middle share `level` of the replicates."""
    why = fault(values)
    if why is not None:
        return Estimate(value, 0.0 if why == Why.NO_SPREAD.words else None, why=why)
    low, high = ends(values, level)
    return Estimate(value, stderr(values), (low, high), METHOD)


def stderr(values: Array) -> float:
    """Return the standard deviation of finite replicates, squared on a scale that stays in range."""
    top = float(np.maximum.reduce(np.abs(values)))
    return top * float(np.std(values / top, ddof=1)) if top > 0.0 else 0.0


def ends(values: Array, level: float) -> tuple[float, float]:
    """Return the percentiles between which the share `level` of finite replicates lies."""
    low, high = np.quantile(values, [0.5 * (1.0 - level), 0.5 * (1.0 + level)])
    return float(low), float(high)


def two_sided(differences: Array) -> float:
    """Return the p-value of no difference: twice the smaller share of replicates beyond zero, one added to each."""
    beyond = min(np.count_nonzero(differences <= 0.0), np.count_nonzero(differences >= 0.0))
    return min(1.0, 2.0 * (int(beyond) + 1) / (len(differences) + 1))
