"""Rows: what the target and the predictions of one model are, each and together, as states that merge in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossctl.core.block import Block, Breach, Defect
from lossctl.core.domain import Domain
from lossctl.core.state import fraction, merged_fields, rounded, units
from lossctl.errors import DataError
from lossctl.numerics.array import Array
from lossctl.profile.numbers import Distribution, ValueCounts
from lossctl.profile.roles import BOX_WIDTH, RoleProfile


class LabelProfile(NamedTuple):
    """The rows of one label: how many, the exact sum of what is predicted there, and where that is exactly 0 or 1."""

    rows: int = 0
    total: int = 0
    zeros: int = 0
    ones: int = 0

    def merge(self, other: LabelProfile) -> LabelProfile:
        return LabelProfile(*map(add, self, other))

    @property
    def mean(self) -> float:
        """The mean of what is predicted for the rows of this label."""
        return rounded(fraction(self.total) / self.rows)


@dataclass(frozen=True)
class RowsProfile:
    """Complete rows of one model, among those that were `read`.

    numbers: by role, and what is derived from several roles, as residual. labels: by code, where the target is labels.
    target: its different values, where they are numbers. sums: exact, in units of 2^-1074. counts: of rows.
    missing, faults, stopped: as a block has them, `stopped` after the row at which reading ended.
    """

    rows: int = 0
    numbers: Mapping[str, Distribution] = field(default_factory=dict)
    roles: Mapping[str, RoleProfile] = field(default_factory=dict)
    labels: Mapping[int, LabelProfile] = field(default_factory=dict)
    target: ValueCounts = field(default_factory=ValueCounts)
    sums: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    read: int = 0
    missing: Mapping[Defect, Breach] = field(default_factory=dict)
    faults: Mapping[Defect, Breach] = field(default_factory=dict)
    stopped: tuple[int, DataError] | None = None

    def merge(self, other: RowsProfile) -> RowsProfile:
        stops = [profile.stopped for profile in (self, other) if profile.stopped is not None]
        return merged_fields(self, other, stopped=min(stops, key=lambda stop: stop[0], default=None))

    def holds(self, role: str, domain: Domain) -> bool:
        """Whether every row of a role is in a domain."""
        return role in self.roles and self.roles[role].holds(domain)

    def average(self, name: str) -> float | None:
        """Return the mean of a summed quantity over all rows; None if there is no such quantity."""
        return rounded(fraction(self.sums[name]) / self.rows) if name in self.sums else None


@dataclass(frozen=True)
class RowProfiler:
    """Profiles blocks of one model.

    domains: what the rows of each role are held against. origins: about these are the sketches of numbers, by name. A
    target of class codes is labels, and so are the groups of a block, where it has no target.
    """

    model: str
    domains: Mapping[str, Sequence[Domain]]
    origins: Mapping[str, float]

    def __call__(self, block: Block) -> RowsProfile:
        """Return the profile of a block."""
        with np.errstate(all="ignore"):
            return RowsProfile(
                rows=block.rows,
                **(self._complete(block) if block.rows else {}),
                read=block.read,
                missing=block.missing,
                faults=block.faults,
                stopped=None if block.stopped is None else (block.stop, block.stopped),
            )

    def _complete(self, block: Block) -> dict[str, Any]:
        arrays = block.models[self.model]
        roles, target = _numbers(arrays), arrays.get("target")
        derived = _derived(roles)
        labels = next(iter(block.groups.values()), None) if target is None else target if target.ndim == 1 else None
        if labels is None and target is not None and len(target) == 1:
            labels = (target[0] > 0.0).astype(np.int64)
        sums, counts = _together(roles, derived)
        return {
            "numbers": {
                name: Distribution.about(self.origins.get(name, 0.0), x) for name, x in {**roles, **derived}.items()
            },
            "roles": {role: RoleProfile.of(x, block.addresses, self.domains[role]) for role, x in roles.items()},
            "labels": {} if labels is None else _by_label(labels, _predicted(arrays, labels, derived)),
            "target": ValueCounts.of_numbers(roles["target"].reshape(-1)) if "target" in roles else ValueCounts(),
            "sums": sums,
            "counts": counts,
        }


def _numbers(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
    """Return the roles that are numbers, not class codes."""
    return {role: x for role, x in arrays.items() if x.ndim == 2}


def middles(arrays: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Return the medians of a first block's numbers: the origins about which sketches tell values apart best."""
    roles = _numbers(arrays)
    origins = {}
    with np.errstate(all="ignore"):
        for name, x in {**roles, **_derived(roles)}.items():
            finite = x[np.isfinite(x)]
            half = (finite.size - 1) // 2  # the lower of two in the middle: their mean may be out of range
            origins[name] = float(np.partition(finite, half)[half]) if finite.size else 0.0
    return origins


def _derived(roles: Mapping[str, Array]) -> dict[str, Array]:
    """Return what is derived from several roles, and the sums of a row's predictions, each (width, rows)."""
    derived: dict[str, Array] = {}
    pred = roles.get("pred")
    if pred is not None and "target" in roles and len(roles["target"]) == len(pred):
        derived["residual"] = pred - roles["target"]
    if pred is not None and len(pred) > 1:
        derived["row sum"] = np.add.reduce(pred, axis=0)[np.newaxis]
        if np.maximum.reduce(pred, axis=None, initial=-np.inf) <= 0.0:
            derived["row sum of exp"] = np.add.reduce(np.exp(pred), axis=0)[np.newaxis]
    for first, second in (("left", "right"), ("anchor", "positive"), ("anchor", "negative")):
        if first in roles and second in roles:
            distances = np.sqrt(np.add.reduce(np.square(roles[first] - roles[second]), axis=0))
            derived[f"distance {first} {second}"] = distances[np.newaxis]
    return derived


def _predicted(
    arrays: Mapping[str, NDArray[Any]], labels: NDArray[np.int64], derived: Mapping[str, Array]
) -> Array | None:
    """Return what is predicted in each row that has a label: its own probability, the one column, or a distance."""
    pred = arrays.get("pred")
    if pred is None:
        return derived["distance left right"][0] if "distance left right" in derived else None
    if labels is arrays.get("target"):
        probabilities: Array = np.take_along_axis(pred, labels[np.newaxis], axis=0)[0]
        return probabilities
    return pred[0] if len(pred) == 1 else None


def _by_label(labels: NDArray[np.int64], predicted: Array | None) -> dict[int, LabelProfile]:
    rows = np.bincount(labels)
    present = np.flatnonzero(rows).tolist()
    if predicted is None:
        return {code: LabelProfile(int(rows[code])) for code in present}
    totals = np.bincount(labels, weights=np.where(np.isfinite(predicted), predicted, 0.0))
    totals = np.where(np.isfinite(totals), totals, 0.0)
    zeros, ones = (np.bincount(labels, weights=predicted == value) for value in (0.0, 1.0))
    return {
        code: LabelProfile(int(rows[code]), units(float(totals[code])), int(zeros[code]), int(ones[code]))
        for code in present
    }


def _together(roles: Mapping[str, Array], derived: Mapping[str, Array]) -> tuple[dict[str, int], dict[str, int]]:
    """Return sums and counts that need several roles of the same rows."""
    sums: dict[str, int] = {}
    counts: dict[str, int] = {}
    if "residual" in derived:
        target, pred = roles["target"], roles["pred"]
        wrong = ((target == 1.0) & (pred == 0.0)) | ((target <= 0.0) & (pred == 1.0))
        counts["sure and wrong"] = int(np.count_nonzero(np.logical_or.reduce(wrong, axis=0)))
        if len(target) == 1:
            squared = np.square(derived["residual"][0]) / pred[0]
            sums["chi square"] = units(float(np.add.reduce(squared[np.isfinite(squared)])))
        if len(target) == BOX_WIDTH:
            sides = (np.minimum(target[end], pred[end]) - np.maximum(target[end - 2], pred[end - 2]) for end in (2, 3))
            counts["disjoint"] = int(np.count_nonzero(np.logical_or.reduce([side <= 0.0 for side in sides])))
    if "distance anchor positive" in derived:
        farther = derived["distance anchor negative"] > derived["distance anchor positive"]
        counts["in order"] = int(np.count_nonzero(farther))
    return sums, counts
