"""One case: its samples through `lossctl.compare`, one by one as a user would, and through the BCa bootstrap."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import lossctl
from lossctl import registry
from lossctl.engine.plan import Question
from tests.coverage import bca
from tests.coverage.samples import SCORES, Case, Columns, Draw, truth

Values = NDArray[Any]
AT_ONCE: Final = 100  # samples
RESAMPLES: Final = 1_000


@dataclass
class Share:
    """How many of some samples were hit."""

    hits: int = 0
    of: int = 0

    def count(self, hit: bool) -> None:
        self.hits += hit
        self.of += 1

    @property
    def percent(self) -> float | None:
        return 100.0 * self.hits / self.of if self.of else None


@dataclass
class Found:
    """What came of the samples of a case.

    level, difference: intervals of lossctl that held the truth; below: level intervals that ended below it. bca_*: the
    same of the bootstrap. small: samples that lossctl warns of; silent: level intervals that missed without
    such a warning. significant: p-values of at most 5 %. verdicts: better or worse.
    """

    case: Case
    level: Share = field(default_factory=Share)
    below: Share = field(default_factory=Share)
    bca_level: Share = field(default_factory=Share)
    small: Share = field(default_factory=Share)
    silent: Share = field(default_factory=Share)
    difference: Share = field(default_factory=Share)
    bca_difference: Share = field(default_factory=Share)
    significant: Share = field(default_factory=Share)
    verdicts: Share = field(default_factory=Share)


def run(case: Case, samples: int) -> Found:
    """Draw the samples of a case and count."""
    rng = np.random.default_rng([zlib.crc32(repr(case).encode())])
    found = Found(case)
    for start in range(0, samples, AT_ONCE):
        columns = Draw(case, rng, min(AT_ONCE, samples - start)).columns()
        _by_lossctl(case, columns, found)
        if case.loss not in ("median_absolute_error", *SCORES):
            _by_bootstrap(case, columns, rng, found)
    return found


def _samples(columns: Columns) -> Iterator[Columns]:
    for place in range(len(columns["y"])):
        yield {name: np.ascontiguousarray(values[place]) for name, values in columns.items()}


def _by_lossctl(case: Case, columns: Columns, found: Found) -> None:
    option = {"weighted": {"weight": "w"}, "clustered": {"cluster": "c"}, "": {}}[case.option]
    for sample in _samples(columns):
        report = lossctl.compare(sample, target="y", pred=["a", "b"], losses=case.loss, threads=1, **option)  # type: ignore[arg-type]  # the names of columns
        cell, one = report.cells[0], report.comparisons[0]
        if not case.rival and cell.interval is not None:
            low, high = cell.interval
            small = any("of a" in text and "too narrow" in text for text in report.warnings)
            found.level.count(low <= truth(case) <= high)
            found.below.count(high < truth(case))
            found.small.count(small)
            found.silent.count(not small and not low <= truth(case) <= high)
        if one.interval is not None:
            found.difference.count(one.interval[0] <= 0.0 <= one.interval[1])
        found.significant.count(one.p is not None and one.p <= 0.05)
        found.verdicts.count(one.verdict != "undecided")


@cache
def question_of(name: str) -> Question:
    """Return a loss as it is asked of one target and one prediction column."""
    loss = registry.loss_of(name)
    form = loss.form_for({"target": 1, "pred": 1})
    assert form is not None
    return Question(name, loss, form)


def _log_loss(y: Values, p: Values) -> Values:
    return -np.log(np.where(y == 1.0, p, 1.0 - p))


def parts_of(case: Case, columns: Columns, model: str) -> Values:
    """Return the (k, samples, units) quantities of whose means a value is a function."""
    y, p = columns["y"], columns[model]
    if case.loss == "bce":
        return _log_loss(y, p)[np.newaxis]
    rows = np.abs(p - y) if case.loss == "mae" else (p - y) ** 2
    if case.option == "weighted":
        return np.stack([columns["w"] * rows, columns["w"]])
    if case.option == "clustered":
        clusters = columns["c"][0]
        sums = np.stack([np.bincount(clusters, line) for line in rows])
        return np.stack([sums, np.broadcast_to(np.bincount(clusters).astype(float), sums.shape)])
    return np.stack([rows, y, y**2]) if case.loss == "r2" else rows[np.newaxis]


def value_of(case: Case, means: Values) -> Values:
    """Return the value of a loss from the means of its quantities."""
    if case.option:
        return means[0] / means[1]
    if case.loss == "r2":
        return 1.0 - means[0] / (means[2] - means[1] ** 2)
    return np.sqrt(means[0]) if case.loss == "rmse" else means[0]


def _by_bootstrap(case: Case, columns: Columns, rng: np.random.Generator, found: Found) -> None:
    first, second = (parts_of(case, columns, model) for model in "ab")
    drawn = bca.counts(first.shape[2], RESAMPLES, rng)
    if not case.rival:
        low, high = bca.intervals(first, lambda means: value_of(case, means), drawn)
        for hit in (low <= truth(case)) & (truth(case) <= high):
            found.bca_level.count(bool(hit))
    k = len(first)
    both = np.concatenate([first, second])
    low, high = bca.intervals(both, lambda means: value_of(case, means[k:]) - value_of(case, means[:k]), drawn)
    for hit in (low <= 0.0) & (high >= 0.0):
        found.bca_difference.count(bool(hit))
