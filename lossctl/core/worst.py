"""Worst rows: those where one model loses most against another, as a state that merges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lossctl.numerics.array import Array


@dataclass(frozen=True)
class WorstRows:
    """At most `most` rows of the largest excess, the first of equal ones; (names, rows) `facts` of them."""

    most: int
    names: tuple[str, ...]
    excess: Array
    addresses: NDArray[np.int64]
    facts: Array

    @classmethod
    def of(cls, most: int, names: tuple[str, ...], excess: Array, addresses: NDArray[np.int64], facts: Array) -> Self:
        """Choose among the rows of a block; a NaN is no excess, and rows that lose nothing are left out."""
        keep = np.flatnonzero(excess > 0.0)
        if len(keep) > most:
            least = np.partition(excess[keep], len(keep) - most)[len(keep) - most]
            keep = keep[excess[keep] >= least]
        return cls._chosen(most, names, excess[keep], addresses[keep], facts[:, keep])

    @classmethod
    def _chosen(
        cls, most: int, names: tuple[str, ...], excess: Array, addresses: NDArray[np.int64], facts: Array
    ) -> Self:
        order = np.lexsort((addresses, -excess))[:most]
        return cls(most, names, excess[order], addresses[order], facts[:, order])

    def merge(self, other: WorstRows) -> WorstRows:
        """Choose among the rows of both."""
        return self._chosen(
            self.most,
            self.names,
            np.concatenate([self.excess, other.excess]),
            np.concatenate([self.addresses, other.addresses]),
            np.concatenate([self.facts, other.facts], axis=1),
        )
