"""Spread: standard errors and correlations of several contrasts, by what is assumed of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np

from lossctl.core.state import View, root
from lossctl.numerics import double
from lossctl.numerics.array import Array
from lossctl.numerics.double import Pair
from lossctl.stats.estimate import ONE_ROW, ONE_SET, SPREAD_OUT_OF_RANGE, Contrast, covariance, spared, worth
from lossctl.stats.student import normal_quantile, normal_tail, t_quantile, t_tail

FEW: Final = 30  # clusters, or independent rows, below which intervals are known to be too narrow
CORRELATED: Final = 0.2  # a correlation with the row before that h = 1 does not expect


class Spread(NamedTuple):
    """(contrasts,) standard errors, and the (joint, joint) correlations of the first of them.

    `freedom` is that of Student's t, None for a normal law. `units` counts what was taken as independent. `skews`
    are those of the units' scores, where units are not rows, and `freedoms` what their unlike sizes leave of it.
    """

    stderrs: Array
    correlation: Array
    freedom: int | None
    units: int
    skews: Array | None = None
    freedoms: Array | None = None

    def quantile(self, level: float) -> float:
        """Return how many standard errors hold the share `level` in the middle."""
        return normal_quantile(level) if self.freedom is None else t_quantile(level, self.freedom)

    def tail(self, score: float) -> float:
        """Return the two-sided p-value of a difference in standard errors."""
        return normal_tail(score) if self.freedom is None else t_tail(score, self.freedom)

    def of_level(self, place: int) -> Spread:
        """Return the spread of a value, which few units may decide: with the degrees of freedom that these leave."""
        if self.freedom is None or self.freedoms is None or not self.freedoms[place] < self.freedom:
            return self
        return self._replace(freedom=max(round(float(self.freedoms[place])), 1))

    @property
    def law(self) -> str:
        """The name of the law that intervals follow."""
        return "normal" if self.freedom is None else "t"


class Inference(Protocol):
    """What is assumed of the rows, and so how contrasts spread."""

    def spread(self, contrasts: Sequence[Contrast], joint: int) -> Spread | str:
        """Return standard errors, and correlations of the first `joint` contrasts, or why there are none."""


class NoInference(NamedTuple):
    """What is assumed of the rows says nothing of a loss, and why."""

    why: str

    def spread(self, contrasts: Sequence[Contrast], joint: int) -> str:
        """Return why."""
        return self.why


class IndependentRows(NamedTuple):
    """Spread of rows drawn one by one, or of the sets that losses are of, from exact sums. sets: how many there are.

    Weighted rows leave as many degrees of freedom as they are worth.
    """

    view: View
    weighted: bool
    normal: bool = False
    sets: float | None = None

    def spread(self, contrasts: Sequence[Contrast], joint: int) -> Spread | str:
        """Return standard errors by the delta method, with Student's t unless a normal law is asked for."""
        units = self.view.live if self.sets is None else round(self.sets)
        if units < 2:
            return ONE_ROW if self.sets is None else ONE_SET
        stderrs = np.zeros(len(contrasts))
        for place, contrast in enumerate(contrasts):
            variance = covariance(self.view, contrast, contrast, self.weighted)
            if variance is None:
                return SPREAD_OUT_OF_RANGE
            stderrs[place] = root(max(variance[0], 0), variance[1])
        correlation = np.eye(joint)
        for i in range(joint):
            for j in range(i):
                correlation[i, j] = correlation[j, i] = self._correlation(contrasts[i], contrasts[j], stderrs[[i, j]])
        share = 1.0 if self.sets is None else np.sqrt(spared(self.view.live, self.sets))
        degrees = units - 1 if self.sets is not None or not self.weighted else max(round(worth(self.view, 0)) - 1, 1)
        return Spread(stderrs * share, correlation, None if self.normal else degrees, units)

    def _correlation(self, first: Contrast, second: Contrast, stderrs: Array) -> float:
        shared = covariance(self.view, first, second, self.weighted)
        if shared is None or not stderrs.all():
            return 0.0
        size = root(abs(shared[0]), shared[1])
        correlation = min(size / float(stderrs[0]) * (size / float(stderrs[1])), 1.0)
        return correlation if shared[0] >= 0 else -correlation


def from_scores(scores: Array, share: float, units: int, freedom: int | None, joint: int) -> Spread:
    """Return the spread of contrasts from their (contrasts, units) scores: `share` times the sums of products."""
    top = np.maximum.reduce(np.abs(scores), axis=1, initial=0.0)
    scale = np.where(top > 0.0, top, 1.0)
    scaled = scores / scale[:, np.newaxis]
    square = np.add.reduce(scaled**2, axis=1)
    stderrs = scale * np.sqrt(share * square)
    length = np.sqrt(np.where(square > 0.0, square, 1.0))
    correlation = np.einsum("iu,ju->ij", scaled[:joint], scaled[:joint]) / np.outer(length[:joint], length[:joint])
    np.fill_diagonal(correlation, 1.0)
    with np.errstate(all="ignore"):  # degrees of Satterthwaite 1946: those of a variance whose own variance is known
        freedoms = 2.0 / (np.add.reduce(scaled**4, axis=1) / square**2 - 1.0 / units)
    return Spread(stderrs, correlation, freedom, units, skew_of(scaled), freedoms)


def skew_of(scores: Array) -> Array:
    """Return the skewness of each line of scores; NaN where they are all alike."""
    centred = scores - np.mean(scores, axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        square = centred * centred
        centred *= square
        return np.mean(centred, axis=1) / np.mean(square, axis=1) ** 1.5


class Clusters(NamedTuple):
    """Sums of every quantity by cluster, (quantities, clusters) pairs of floats, and (clusters,) counts of rows.

    With e_g = S_g - m n_g the score of a cluster and h_g = n_g/n its leverage, the variance of a mean is
    (G-1)/G Σ (e_g/(n (1 - h_g)))², which is the jackknife that leaves out one cluster at a time. Weighted, n_g is
    the sum of weights. The law is Student's t with G - 1 degrees of freedom, or a normal one.
    """

    sums: Pair
    rows: Array
    weighted: bool
    normal: bool = False

    def spread(self, contrasts: Sequence[Contrast], joint: int) -> Spread | str:
        """Return standard errors from the scores of the clusters."""
        size = self.sizes
        clusters = len(self.rows)
        if clusters < 2:
            return "there is one cluster only"
        total = _total(size)
        share = size[0] / total[0]
        if not (share < 1.0).all():
            return "one cluster has all the weight"
        scores = np.stack([self._scores(contrast, size, total) for contrast in contrasts])
        scores /= total[0] * (1.0 - share)
        freedom = None if self.normal else clusters - 1
        return from_scores(scores, (clusters - 1) / clusters, clusters, freedom, joint)

    @property
    def sizes(self) -> Pair:
        """The rows of each cluster, or their weights."""
        return (self.sums[0][0], self.sums[1][0]) if self.weighted else (self.rows, np.zeros_like(self.rows))

    def _scores(self, contrast: Contrast, size: Pair, total: Pair) -> Array:
        """Return Σ slope (S_g - mean n_g) of each cluster."""
        zero = np.zeros_like(self.rows)
        scores: Pair = (zero, zero)
        for i, slope in contrast.items():
            sums = self.sums[0][i], self.sums[1][i]
            mean = np.broadcast_to(double.divide(_total(sums), total), zero.shape)
            expected = double.scale(size, -mean)
            scores = double.add(scores, double.scale(double.add(sums, expected), np.full_like(zero, slope)))
        return scores[0]


def _total(values: Pair) -> Pair:
    """Add up a line of pairs, largest errors kept: halves are added to halves until one value is left."""
    high, low = values
    total: Pair = (np.zeros(1), np.zeros(1))
    while len(high) > 1:
        half = len(high) // 2
        odd = high[2 * half :], low[2 * half :]
        high, low = double.add((high[:half], low[:half]), (high[half : 2 * half], low[half : 2 * half]))
        total = double.add(total, odd) if len(odd[0]) else total
    return double.add(total, (high, low))


class Series(NamedTuple):
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
            return ONE_ROW
        h = self.horizon
        factor = (steps + 1 - 2 * h + h * (h - 1) / steps) / steps
        if not factor > 0.0 or h > steps:
            return f"{steps} rows are too few for a horizon of {h}"
        scores = self.scores(contrasts)
        scale = np.maximum.reduce(np.abs(scores), axis=1)
        scale = np.where(scale > 0.0, scale, 1.0)
        scaled = scores / scale[:, np.newaxis]
        lags = lags_for(steps, h)
        products = _products(scaled, 0)
        for k in range(1, min(lags, steps - 1) + 1):
            shared = _products(scaled, k)
            products += (1.0 - k / (lags + 1)) * (shared + shared.T)
        variance = np.diagonal(products)
        stderrs = scale * np.sqrt(np.maximum(variance, 0.0) / factor) / steps
        length = np.sqrt(np.where(variance > 0.0, variance, 1.0))
        correlation = np.clip(products / np.outer(length, length), -1.0, 1.0)[:joint, :joint].copy()
        np.fill_diagonal(correlation, 1.0)
        return Spread(stderrs, correlation, None if self.normal else steps - 1, steps)

    def scores(self, contrasts: Sequence[Contrast]) -> Array:
        """Return the (contrasts, rows) scores: Σ slope (x_t - mean), weighted by w_t over the mean weight."""
        scores = np.zeros((len(contrasts), self.lines.shape[1]))
        weight = self.lines[0] if self.weighted else np.ones(self.lines.shape[1])
        share = weight / np.mean(weight)
        for line, contrast in zip(scores, contrasts, strict=True):
            for i, slope in contrast.items():
                values = self.lines[i] / np.mean(weight) if self.weighted else self.lines[i]
                line += slope * (values - share * np.mean(values))
        return scores


def lags_for(steps: int, horizon: int) -> int:
    """Return how many steps back scores are taken to be correlated: max(h - 1, ⌈T^(1/3)⌉)."""
    lags = round(steps ** (1.0 / 3.0))
    lags += lags**3 < steps
    return max(horizon - 1, lags)


def autocorrelation(scores: Array) -> float:
    """Return the correlation of (rows,) scores with the row before."""
    centred = scores - np.mean(scores)
    top = float(np.maximum.reduce(np.abs(centred)))
    centred /= top if top > 0.0 else 1.0
    square = float(np.add.reduce(centred**2))
    return float(np.add.reduce(centred[1:] * centred[:-1])) / square if square > 0.0 else 0.0


def _products(scores: Array, lag: int) -> Array:
    """Return Σ_t x_t y_(t - lag) for each two lines of scores."""
    products: Array = np.einsum("it,jt->ij", scores[:, lag:], scores[:, : scores.shape[1] - lag])
    return products
