"""Breaches: rows of a block outside a domain; they merge, and the first row is the same for any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.domain import REAL, Box, Domain
from lossctl.core.state import NEVER


@dataclass(frozen=True)
class Breach:
    """Rows outside a domain: their count and the first one; and the first row on each of two sides that clash.

    Such sides are, of a binary target, labels -1 and labels 0.
    """

    count: int = 0
    row: int = NEVER
    first_side: int = NEVER
    second_side: int = NEVER

    def merge(self, later: Breach) -> Breach:
        return Breach(
            self.count + later.count,
            min(self.row, later.row),
            min(self.first_side, later.first_side),
            min(self.second_side, later.second_side),
        )

    @property
    def clash(self) -> int:
        """The first row at which rows of both sides have come, NEVER if only one has any."""
        return max(self.first_side, self.second_side)

    @property
    def first(self) -> int:
        """The first row that is wrong on either account, NEVER if none is."""
        return min(self.row, self.clash)


def breach(domain: Domain, values: NDArray[Any], addresses: NDArray[np.int64]) -> Breach:
    """Find the rows of one role outside its domain; `addresses` are the rows' addresses."""
    count, row = 0, NEVER
    if not domain.admits(values):
        outside = domain.outside(values)
        count = int(np.count_nonzero(outside))
        row = int(addresses[np.argmax(outside)])
    sides = domain.sides(values)
    if sides is None:
        return Breach(count, row)
    sides_begin = (int(addresses[np.argmax(side)]) if side.any() else NEVER for side in sides)
    return Breach(count, row, *sides_begin)


def judged(domain: Domain, role: str, activation: str) -> Domain:
    """Return the domain that the columns of a role must be in as they were read.

    A raw output may be any finite number: the activation puts it into the domain. Boxes are judged by the
    order of their corners, which every activation that fits them keeps.
    """
    return domain if role != "pred" or activation == "none" or isinstance(domain, Box) else REAL
