"""Tally: everything that one pass learns, as a state that merges."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TypeVar

from lossctl.core.check import Breach
from lossctl.core.fingerprint import MODULUS
from lossctl.core.grouped import GroupedMoments, PeaksByGroup
from lossctl.core.state import Moments, Peak, Sample
from lossctl.engine.plan import Check, Plan
from lossctl.errors import DataError

Breaches = Mapping[str, Breach]
NONE = PeaksByGroup()
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Tally:
    """Counts, exact sums, peaks and samples, findings, and the sums and peaks by group of each slicing.

    The last lines of a sample's pieces are the group codes, one line for each slicing in order. digest: the
    fingerprint of the rows read. stopped: the first row that could not be read, and why.
    """

    read: int
    dropped: int
    moments: Moments
    wholes: tuple[Peak | Sample, ...]
    breaches: Mapping[Check, Breach] = field(default_factory=dict)
    missing: Breaches = field(default_factory=dict)
    faults: Breaches = field(default_factory=dict)
    grouped: Mapping[str, GroupedMoments] = field(default_factory=dict)
    peaks: Mapping[str, tuple[PeaksByGroup, ...]] = field(default_factory=dict)
    digest: int = 0
    stopped: tuple[int, DataError] | None = None

    @classmethod
    def empty(cls, plan: Plan) -> Tally:
        """Return the tally of no rows."""
        width = len(plan.quantities) + int(plan.weighted)
        return cls(0, 0, Moments.empty(width, plan.pairs), tuple(empty_whole(kind) for _, _, kind in plan.wholes))

    def merge(self, later: Tally) -> Tally:
        """Return the tally of both; `later` holds later rows (which only the grouped sums care about)."""
        return Tally(
            self.read + later.read,
            self.dropped + later.dropped,
            self.moments.merge(later.moments),
            tuple(a.merge(b) for a, b in zip(self.wholes, later.wholes, strict=True)),  # type: ignore[arg-type]  # kinds never mix
            merged(self.breaches, later.breaches),
            merged(self.missing, later.missing),
            merged(self.faults, later.faults),
            {
                name: self.grouped[name].merge(later.grouped[name])
                if name in self.grouped and name in later.grouped
                else self.grouped.get(name) or later.grouped[name]
                for name in {**self.grouped, **later.grouped}
            },
            {
                name: tuple(
                    a.merge(b)
                    for a, b in zip_longest(self.peaks.get(name, ()), later.peaks.get(name, ()), fillvalue=NONE)
                )
                for name in {**self.peaks, **later.peaks}
            },
            (self.digest + later.digest) % MODULUS,
            min(filter(None, (self.stopped, later.stopped)), key=lambda stop: stop[0], default=None),
        )


def empty_whole(kind: str) -> Peak | Sample:
    """Return the identity of a peak or a sample."""
    return Peak() if kind == "peak" else Sample()


def merged(left: Mapping[Key, Breach], right: Mapping[Key, Breach]) -> dict[Key, Breach]:
    """Merge findings key by key."""
    return {key: left.get(key, Breach()).merge(right.get(key, Breach())) for key in {**left, **right}}
