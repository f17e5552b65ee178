"""Portrait: what advice on a loss rests on, as states of some rows that merge in any order to the same bits."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lossctl.core.breach import Breach, breach
from lossctl.core.domain import Domain
from lossctl.numerics.array import Array
from lossctl.numerics.exact import fraction, rounded, units
from lossctl.profile.numbers import NumberSummary

Asked = tuple[str, Domain]  # a role, and a domain that its rows are held against
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class LabelState:
    """The rows of one label: how many, the exact sum of what is predicted there, and where that is exactly 0 or 1."""

    rows: int = 0
    total: int = 0
    zeros: int = 0
    ones: int = 0

    def merge(self, other: LabelState) -> LabelState:
        return LabelState(
            self.rows + other.rows, self.total + other.total, self.zeros + other.zeros, self.ones + other.ones
        )

    @property
    def mean(self) -> float:
        """The mean of what is predicted for the rows of this label."""
        return rounded(fraction(self.total) / self.rows)


@dataclass(frozen=True)
class Portrait:
    """Some rows. `lines` go by what they are of, `labels` by code, `breaches` by role and domain.

    tallies: exact sums of further quantities, in units of 2^-1074, and counts of rows, each by a name of its own.
    """

    rows: int
    lines: Mapping[str, NumberSummary] = field(default_factory=dict)
    labels: Mapping[int, LabelState] = field(default_factory=dict)
    breaches: Mapping[Asked, Breach] = field(default_factory=dict)
    sums: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    def merge(self, other: Portrait) -> Portrait:
        return Portrait(
            self.rows + other.rows,
            _both(self.lines, other.lines),
            _both(self.labels, other.labels),
            _both(self.breaches, other.breaches),
            _added(self.sums, other.sums),
            _added(self.counts, other.counts),
        )

    def outside(self, role: str, domain: Domain) -> Breach:
        """Return the rows of a role that are outside a domain that was asked for."""
        return self.breaches[role, domain]

    def holds(self, role: str, domain: Domain) -> bool:
        """Whether every row of a role is in a domain; of one that was not asked for, nothing is known."""
        return (role, domain) in self.breaches and not self.breaches[role, domain].count

    def average(self, name: str) -> float:
        """Return the mean of a summed quantity over all rows."""
        return rounded(fraction(self.sums[name]) / self.rows)


Merges = TypeVar("Merges", NumberSummary, LabelState, Breach)


def _both(left: Mapping[Key, Merges], right: Mapping[Key, Merges]) -> dict[Key, Merges]:
    found = {**left, **right}
    for key in left.keys() & right.keys():
        found[key] = left[key].merge(right[key])
    return found


def _added(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {name: left.get(name, 0) + right.get(name, 0) for name in {**left, **right}}


@dataclass(frozen=True)
class Sitting:
    """What is to be seen in every block: the domains asked of each role, and the origins of the sketches.

    coded: whether the target is class codes; `codes` of a block are those of a target of text.
    """

    asked: Sequence[Asked]
    origins: Mapping[str, float]
    coded: bool = False

    def portray(
        self, roles: Mapping[str, NDArray[Any]], addresses: NDArray[np.int64], codes: NDArray[np.int64] | None
    ) -> Portrait:
        """Return the portrait of one block's complete rows."""
        with np.errstate(all="ignore"):
            return self._portray(roles, addresses, codes) if len(addresses) else Portrait(0)

    def _portray(
        self, roles: Mapping[str, NDArray[Any]], addresses: NDArray[np.int64], codes: NDArray[np.int64] | None
    ) -> Portrait:
        numbers = {role: x for role, x in roles.items() if not (role == "target" and self.coded)}
        derived = _derived(numbers)
        labels = roles.get("target") if self.coded else codes
        if labels is None and len(numbers.get("target", ())) == 1:
            labels = (numbers["target"][0] > 0.0).astype(np.int64)
        return Portrait(
            len(addresses),
            {name: NumberSummary.of(x, self.origins.get(name, 0.0)) for name, x in {**numbers, **derived}.items()},
            {} if labels is None else _by_label(labels, _predicted(labels, numbers, derived, self.coded)),
            {
                (role, domain): breach(domain, numbers[role], addresses)
                for role, domain in self.asked
                if role in numbers
            },
            *_tallies(numbers, derived),
        )


def first_middles(roles: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Return the median of each line of the first block, about which its sketch tells values apart best."""
    numbers = {role: x for role, x in roles.items() if x.ndim == 2 and x.size}
    middles = {}
    with np.errstate(all="ignore"):
        for name, x in {**numbers, **_derived(numbers)}.items():
            finite = x[np.isfinite(x)]
            half = (finite.size - 1) // 2  # the lower of two in the middle: their mean may be out of range
            middles[name] = float(np.partition(finite, half)[half]) if finite.size else 0.0
    return middles


def _derived(roles: Mapping[str, Array]) -> dict[str, Array]:
    """Return what is made of several roles, and the sums of a row's predictions, each (width, rows)."""
    found: dict[str, Array] = {}
    if "target" in roles and "pred" in roles and len(roles["target"]) == len(roles["pred"]):
        found["residual"] = roles["pred"] - roles["target"]
    if "pred" in roles and len(roles["pred"]) > 1:
        found["row sum"] = np.add.reduce(roles["pred"], axis=0)[np.newaxis]
        if np.maximum.reduce(roles["pred"], axis=None) <= 0.0:
            found["row sum of exp"] = np.add.reduce(np.exp(roles["pred"]), axis=0)[np.newaxis]
    for one, other in (("left", "right"), ("anchor", "positive"), ("anchor", "negative")):
        if one in roles and other in roles:
            apart = np.sqrt(np.add.reduce(np.square(roles[one] - roles[other]), axis=0))
            found[f"distance {one} {other}"] = apart[np.newaxis]
    return found


def _predicted(
    labels: NDArray[np.int64], numbers: Mapping[str, Array], derived: Mapping[str, Array], coded: bool
) -> Array | None:
    """Return what is predicted in each row that has a label: its own probability, the one column, or a distance."""
    pred = numbers.get("pred")
    if pred is None:
        apart = derived.get("distance left right")
        return None if apart is None else apart[0]
    if coded:
        return np.take_along_axis(pred, labels[np.newaxis], axis=0)[0]
    return pred[0] if len(pred) == 1 else None


def _by_label(labels: NDArray[np.int64], predicted: Array | None) -> dict[int, LabelState]:
    rows = np.bincount(labels)
    found = {code: LabelState(int(rows[code])) for code in np.flatnonzero(rows).tolist()}
    if predicted is None:
        return found
    finite = np.where(np.isfinite(predicted), predicted, 0.0)
    sums = np.bincount(labels, weights=finite)
    sums = np.where(np.isfinite(sums), sums, 0.0)
    zeros = np.bincount(labels, weights=predicted == 0.0)
    ones = np.bincount(labels, weights=predicted == 1.0)
    return {
        code: LabelState(state.rows, units(float(sums[code])), int(zeros[code]), int(ones[code]))
        for code, state in found.items()
    }


def _tallies(numbers: Mapping[str, Array], derived: Mapping[str, Array]) -> tuple[dict[str, int], dict[str, int]]:
    """Return sums and counts that need target and prediction of the same rows together."""
    sums: dict[str, int] = {}
    counts: dict[str, int] = {}
    target, pred = numbers.get("target"), numbers.get("pred")
    if target is not None and pred is not None and "residual" in derived:
        wrong = ((target == 1.0) & (pred == 0.0)) | ((target <= 0.0) & (pred == 1.0))
        counts["sure and wrong"] = int(np.count_nonzero(np.logical_or.reduce(wrong, axis=0)))
        if len(target) == 1:
            squared = np.square(derived["residual"][0]) / pred[0]
            sums["chi square"] = units(float(np.add.reduce(squared[np.isfinite(squared)])))
        if len(target) == 4:
            width, height = (
                np.minimum(target[end], pred[end]) - np.maximum(target[end - 2], pred[end - 2]) for end in (2, 3)
            )
            counts["disjoint"] = int(np.count_nonzero((width <= 0.0) | (height <= 0.0)))
    if "distance anchor negative" in derived and "distance anchor positive" in derived:
        right = derived["distance anchor negative"] > derived["distance anchor positive"]
        counts["in order"] = int(np.count_nonzero(right))
    return sums, counts
