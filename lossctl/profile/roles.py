"""Roles: the domains that the columns of a role are held against, and the rows that are outside of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.core.block import MODULUS, Breach, bits, breach, stirred
from lossctl.core.domain import (
    MASK,
    NON_NEGATIVE,
    ONE_HOT,
    POSITIVE,
    PRED_BOX,
    REAL,
    SIMPLEX,
    TARGET_BOX,
    UNIT,
    Domain,
    Whole,
)
from lossctl.core.state import merged_fields
from lossctl.numerics.array import Array, Mask

BOX_WIDTH: Final = 4
SIGNS: Final = Whole(low=-1.0, high=1.0, hole=0.0)
COUNTS: Final = Whole(low=0.0, high_closed=False)
INTERVALS: Final[Mapping[str, Domain]] = {
    "probabilities in [0, 1]": UNIT,
    "positive": POSITIVE,
    "non-negative": NON_NEGATIVE,
    "finite numbers": REAL,
}


def role_domains(role: str, width: int) -> dict[str, Domain]:
    """Return the domains that losses ask of a role of so many columns, by the name that a report gives them."""
    if role not in ("target", "pred"):
        return {**({"non-negative": NON_NEGATIVE} if role == "weight" else {}), "finite numbers": REAL}
    if role == "target" and width == 1:
        return {"0 or 1": MASK, "-1 or +1": SIGNS, "counts": COUNTS, **INTERVALS}
    rows: dict[str, Domain] = {"rows that sum to 1": SIMPLEX} if width > 1 else {}
    if role == "target":
        rows = {"0 or 1": MASK, "one 1 in each row": ONE_HOT, **rows}
    box = TARGET_BOX if role == "target" else PRED_BOX
    return {**rows, **INTERVALS, **({"boxes": box} if width == BOX_WIDTH else {})}


@dataclass(frozen=True)
class RoleProfile:
    """Some rows of the columns of a role: those that are complete, those outside each domain, and a fingerprint."""

    rows: int
    breaches: Mapping[Domain, Breach]
    fingerprint: int = 0

    @classmethod
    def of(cls, values: Array, addresses: NDArray[np.int64], domains: Iterable[Domain]) -> Self:
        """Hold (width, rows) numbers of complete rows against domains; there is no fingerprint."""
        judged = domains if len(addresses) else ()
        return cls(len(addresses), {domain: breach(domain, values, addresses) for domain in judged})

    @classmethod
    def fingerprinted(cls, values: Array, complete: Mask, start: int, domains: Iterable[Domain]) -> Self:
        """Hold the complete ones among the rows from `start` on against domains; all are in the fingerprint."""
        rows = np.flatnonzero(complete)
        judged = values if len(rows) == values.shape[1] else np.ascontiguousarray(values[:, rows])
        hashes = stirred(np.arange(start + 1, start + values.shape[1] + 1, dtype=np.uint64))
        for line in values:
            hashes = stirred(hashes ^ bits(line))
        profile = cls.of(judged, rows + start, domains)
        return cls(profile.rows, profile.breaches, int(np.add.reduce(hashes)))

    def merge(self, other: RoleProfile) -> RoleProfile:
        return merged_fields(self, other, fingerprint=(self.fingerprint + other.fingerprint) % MODULUS)

    def outside(self, domain: Domain) -> Breach:
        """Return the rows that are outside a domain."""
        return self.breaches[domain]

    def holds(self, domain: Domain) -> bool:
        """Whether every row is in a domain; of one that the rows were not held against, nothing is known."""
        return domain in self.breaches and not self.breaches[domain].rows
