"""Clusters: rows that belong together spread together (Liang & Zeger 1986; the CR3 form of Bell & McCaffrey 2002)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossctl.numerics import double
from lossctl.numerics.array import Array
from lossctl.numerics.double import Pair
from lossctl.stats.contrast import Contrast
from lossctl.stats.spread import Spread, from_scores

FEW: int = 30  # clusters, or independent rows, below which intervals are known to be too narrow
ONE = "there is one cluster only"


@dataclass(frozen=True)
class Clusters:
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
        size: Pair = (self.sums[0][0], self.sums[1][0]) if self.weighted else (self.rows, np.zeros_like(self.rows))
        clusters = len(self.rows)
        if clusters < 2:
            return ONE
        whole = _total(size)
        share = size[0] / whole[0]
        if not (share < 1.0).all():
            return "one cluster has all the weight"
        scores = np.stack([self._scores(contrast, size, whole) for contrast in contrasts])
        scores /= whole[0] * (1.0 - share)
        freedom = None if self.normal else clusters - 1
        return from_scores(scores, (clusters - 1) / clusters, clusters, freedom, joint)

    def _scores(self, contrast: Contrast, size: Pair, whole: Pair) -> Array:
        """Return Σ slope (S_g - mean n_g) of each cluster."""
        zero = np.zeros_like(self.rows)
        found: Pair = (zero, zero)
        for i, slope in contrast.items():
            own = self.sums[0][i], self.sums[1][i]
            mean = np.broadcast_to(double.divide(_total(own), whole), zero.shape)
            off = double.scale(size, -mean)
            found = double.add(found, double.scale(double.add(own, off), np.full_like(zero, slope)))
        return found[0]


def _total(values: Pair) -> Pair:
    """Add up a line of pairs, largest errors kept."""
    high, low = np.zeros(1), np.zeros(1)
    found: Pair = (high, low)
    # pairwise: halves are added to halves until one is left
    left = values
    while len(left[0]) > 1:
        half = len(left[0]) // 2
        rest = left[0][2 * half :], left[1][2 * half :]
        left = double.add((left[0][:half], left[1][:half]), (left[0][half : 2 * half], left[1][half : 2 * half]))
        found = double.add(found, rest) if len(rest[0]) else found
    return double.add(found, left)
