"""Tally: everything that one pass learns, as a state that merges."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TypeVar

from lossctl.core.check import Breach
from lossctl.core.fingerprint import MODULUS
from lossctl.core.grouped import GroupedMoments, PeaksByGroup
from lossctl.core.resample import Replicates
from lossctl.core.state import Moments, Peak, Sample
from lossctl.core.worst import WorstRows
from lossctl.engine.plan import Check, Couple, Plan
from lossctl.errors import DataError

Breaches = Mapping[str, Breach]
NONE = PeaksByGroup()
NOTHING = Sample()
Key = TypeVar("Key", bound=Hashable)
Merges = TypeVar("Merges", GroupedMoments, Replicates, WorstRows)


@dataclass(frozen=True)
class Tally:
    """Counts, exact sums, peaks and samples, findings, and the sums and peaks by group of each slicing.

    The last lines of a sample's pieces are the group codes, one line for each slicing in order. grouped, peaks and
    replicates go by the name of a grouping, "" being all rows. kept: the lines of all quantities, the codes of the
    slicings and the times, and the address, row by row. worst: by couple of models and label of a loss. unlike: the
    couples whose predictions differ anywhere. digest: the fingerprint of the rows read, used: of those that are kept.
    stopped: the first row that could not be read, and why.
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
    replicates: Mapping[str, Replicates] = field(default_factory=dict)
    kept: Sample = NOTHING
    worst: Mapping[tuple[Couple, str], WorstRows] = field(default_factory=dict)
    unlike: frozenset[Couple] = frozenset()
    digest: int = 0
    used: int = 0
    stopped: tuple[int, DataError] | None = None

    @classmethod
    def empty(cls, plan: Plan) -> Tally:
        """Return the tally of no rows."""
        width = len(plan.quantities) + int(plan.weighted)
        moments = Moments.empty(width, plan.pairs, plan.cubed)
        return cls(0, 0, moments, tuple(empty_whole(kind) for _, _, kind in plan.wholes))

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
            both(self.grouped, later.grouped),
            {
                name: tuple(
                    a.merge(b)
                    for a, b in zip_longest(self.peaks.get(name, ()), later.peaks.get(name, ()), fillvalue=NONE)
                )
                for name in {**self.peaks, **later.peaks}
            },
            both(self.replicates, later.replicates),
            self.kept.merge(later.kept),
            both(self.worst, later.worst),
            self.unlike | later.unlike,
            (self.digest + later.digest) % MODULUS,
            (self.used + later.used) % MODULUS,
            min(filter(None, (self.stopped, later.stopped)), key=lambda stop: stop[0], default=None),
        )


def both(left: Mapping[Key, Merges], right: Mapping[Key, Merges]) -> dict[Key, Merges]:
    """Merge states key by key."""
    found = {**left, **right}
    for key in left.keys() & right.keys():
        found[key] = left[key].merge(right[key])
    return found


def empty_whole(kind: str) -> Peak | Sample:
    """Return the identity of a peak or a sample."""
    return Peak() if kind == "peak" else Sample()


def merged(left: Mapping[Key, Breach], right: Mapping[Key, Breach]) -> dict[Key, Breach]:
    """Merge findings key by key."""
    return {key: left.get(key, Breach()).merge(right.get(key, Breach())) for key in {**left, **right}}
