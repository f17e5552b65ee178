"""Series: rows in time follow each other, so their differences are correlated (Diebold & Mariano 1995)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossctl.numerics.array import Array
from lossctl.stats.contrast import Contrast
from lossctl.stats.estimate import Why
from lossctl.stats.spread import Spread

CORRELATED: float = 0.2  # a correlation with the row before that h = 1 does not expect


@dataclass(frozen=True)
class Series:
    """The (quantities, rows) lines of one series in the order of time, forecast `horizon` steps ahead.

    With d the scores of a contrast and L = max(h - 1, ⌈T^(1/3)⌉) lags the variance of its mean is
    (γ_0 + 2 Σ_k (1 - k/(L+1)) γ_k)/T, the weights of Bartlett (Newey & West 1987), over the small-sample factor
    (T + 1 - 2h + h(h-1)/T)/T of Harvey, Leybourne & Newbold 1997; the law is Student's t with T - 1 degrees.
    """

    lines: Array
    horizon: int
    weighted: bool
    normal: bool = False

    def spread(self, contrasts: Sequence[Contrast], joint: int) -> Spread | str:
        """Return standard errors from the autocovariances of the scores."""
        steps = self.lines.shape[1]
        if steps < 2:
            return Why.ONE_ROW.words
        h = self.horizon
        factor = (steps + 1 - 2 * h + h * (h - 1) / steps) / steps
        if not factor > 0.0 or h > steps:
            return f"{steps} rows are too few for a horizon of {h}"
        scores = self.scores(contrasts)
        scale = np.maximum.reduce(np.abs(scores), axis=1)
        scale = np.where(scale > 0.0, scale, 1.0)
        scaled = scores / scale[:, np.newaxis]
        lags = lags_for(steps, h)
        whole = _products(scaled, 0)
        for k in range(1, min(lags, steps - 1) + 1):
            shared = _products(scaled, k)
            whole += (1.0 - k / (lags + 1)) * (shared + shared.T)
        variance = np.diagonal(whole)
        stderrs = scale * np.sqrt(np.maximum(variance, 0.0) / factor) / steps
        length = np.sqrt(np.where(variance > 0.0, variance, 1.0))
        correlation = np.clip(whole / np.outer(length, length), -1.0, 1.0)[:joint, :joint].copy()
        np.fill_diagonal(correlation, 1.0)
        return Spread(stderrs, correlation, None if self.normal else steps - 1, steps)

    def scores(self, contrasts: Sequence[Contrast]) -> Array:
        """Return the (contrasts, rows) scores: Σ slope (x_t - mean), weighted by w_t over the mean weight."""
        found = np.zeros((len(contrasts), self.lines.shape[1]))
        weight = self.lines[0] if self.weighted else np.ones(self.lines.shape[1])
        share = weight / np.mean(weight)
        for line, contrast in zip(found, contrasts, strict=True):
            for i, slope in contrast.items():
                values = self.lines[i] / np.mean(weight) if self.weighted else self.lines[i]
                line += slope * (values - share * np.mean(values))
        return found


def lags_for(steps: int, horizon: int) -> int:
    """Return how many steps back scores are taken to be correlated: max(h - 1, ⌈T^(1/3)⌉)."""
    lags = round(steps ** (1.0 / 3.0))
    lags += lags**3 < steps
    return max(horizon - 1, lags)


def autocorrelation(scores: Array) -> float:
    """Return the correlation of (rows,) scores with the row before."""
    apart = scores - np.mean(scores)
    top = float(np.maximum.reduce(np.abs(apart)))
    apart /= top if top > 0.0 else 1.0
    square = float(np.add.reduce(apart**2))
    return float(np.add.reduce(apart[1:] * apart[:-1])) / square if square > 0.0 else 0.0


def _products(scores: Array, lag: int) -> Array:
    steps = scores.shape[1]
    found: Array = np.einsum("it,jt->ij", scores[:, lag:], scores[:, : steps - lag])
    return found
