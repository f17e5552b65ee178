"""Spread: standard errors and correlations of several contrasts, by what is assumed of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lossctl.core.state import View
from lossctl.numerics.array import Array
from lossctl.numerics.exact import root
from lossctl.stats.contrast import Contrast, covariance
from lossctl.stats.estimate import Why, spared
from lossctl.stats.student import normal_quantile, normal_tail, t_quantile, t_tail


@dataclass(frozen=True)
class Spread:
    """(contrasts,) standard errors, and the (joint, joint) correlations of the first of them.

    `freedom` is that of Student's t, None for a normal law. `units` counts what was taken as independent. `skews`
    are those of the units' scores, where units are not rows.
    """

    stderrs: Array
    correlation: Array
    freedom: int | None
    units: int
    skews: Array | None = None

    def quantile(self, level: float) -> float:
        """Return how many standard errors hold the share `level` in the middle."""
        return normal_quantile(level) if self.freedom is None else t_quantile(level, self.freedom)

    def tail(self, score: float) -> float:
        """Return the two-sided p-value of a difference in standard errors."""
        return normal_tail(score) if self.freedom is None else t_tail(score, self.freedom)

    @property
    def law(self) -> str:
        """The name of the law that intervals follow."""
        return "normal" if self.freedom is None else "t"


class Inference(Protocol):
    """What is assumed of the rows, and so how contrasts spread."""

    def spread(self, contrasts: Sequence[Contrast], joint: int) -> Spread | str:
        """Return standard errors, and correlations of the first `joint` contrasts, or why there are none."""


@dataclass(frozen=True)
class IndependentRows:
    """Rows drawn one by one, or sets of rows that losses are of: from exact sums. `sets` counts these."""

    view: View
    weighted: bool
    normal: bool = False
    sets: float | None = None

    def spread(self, contrasts: Sequence[Contrast], joint: int) -> Spread | str:
        """Return standard errors by the delta method, with Student's t unless a normal law is asked for."""
        units = self.view.live if self.sets is None else round(self.sets)
        if units < 2:
            return (Why.ONE_ROW if self.sets is None else Why.ONE_SET).words
        stderrs = np.zeros(len(contrasts))
        for place, contrast in enumerate(contrasts):
            own = covariance(self.view, contrast, contrast, self.weighted)
            if own is None:
                return Why.SPREAD.words
            stderrs[place] = root(max(own[0], 0), own[1])
        correlation = np.eye(joint)
        for i in range(joint):
            for j in range(i):
                correlation[i, j] = correlation[j, i] = self._correlation(contrasts[i], contrasts[j], stderrs[[i, j]])
        share = 1.0 if self.sets is None else np.sqrt(spared(self.view.live, self.sets))
        return Spread(stderrs * share, correlation, None if self.normal else units - 1, units)

    def _correlation(self, left: Contrast, right: Contrast, stderrs: Array) -> float:
        shared = covariance(self.view, left, right, self.weighted)
        if shared is None or not stderrs.all():
            return 0.0
        size = root(abs(shared[0]), shared[1])
        found = min(size / float(stderrs[0]) * (size / float(stderrs[1])), 1.0)
        return found if shared[0] >= 0 else -found


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
    return Spread(stderrs, correlation, freedom, units, skew_of(scaled))


def skew_of(scores: Array) -> Array:
    """Return the skewness of each line of scores; NaN where they are all alike."""
    apart = scores - np.mean(scores, axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        return np.mean(apart**3, axis=1) / np.mean(apart**2, axis=1) ** 1.5
