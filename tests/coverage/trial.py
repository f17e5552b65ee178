"""One case: its samples through `lossctl.compare`, one by one as a user would."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lossctl
from lossctl.core.statistic import MEAN, R_SQUARED
from lossctl.engine.plan import FIRST
from lossctl.stats.spread import FEW
from lossctl.stats.student import INFORMATIVE, Influence, shape_of
from tests.coverage.samples import SCORES, Case, Columns, Draw, truth

Values = NDArray[Any]


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

    level, difference: intervals that held the truth; below: level intervals that ended below it. small: samples that
    lossctl warns of, few: of those with one to four rare rows. significant: differences of two standard errors.
    verdicts: p-values of at most 5 %.
    """

    case: Case
    level: Share = field(default_factory=Share)
    below: Share = field(default_factory=Share)
    small: Share = field(default_factory=Share)
    few: Share = field(default_factory=Share)
    difference: Share = field(default_factory=Share)
    significant: Share = field(default_factory=Share)
    verdicts: Share = field(default_factory=Share)


def run(case: Case, samples: int) -> Found:
    """Draw the samples of a case and count."""
    rng = np.random.default_rng([zlib.crc32(repr(case).encode())])
    found = Found(case)
    at_once = FIRST // case.rows  # all rows of which are among the first ones
    for start in range(0, samples, at_once):
        _count(case, Draw(case, rng, min(at_once, samples - start)).columns(), found)
    return found


def _count(case: Case, columns: Columns, found: Found) -> None:
    """Compare all samples at once, each as one slice."""
    option = {"weighted": {"weight": "w"}, "clustered": {"cluster": "c"}, "sets": {"roles": {"query": "q"}}, "": {}}[
        case.option
    ]
    samples = len(columns["y"])
    rows = {name: np.ravel(values) for name, values in columns.items()}
    rows["s"] = np.repeat(np.arange(samples), case.rows)
    report = lossctl.compare(rows, target="y", pred=["a", "b"], losses=case.loss, by="s", threads=1, **option)  # type: ignore[arg-type]  # the names of columns
    informative = _informative(case, columns)
    rare = np.sum(columns.get("rare", np.zeros((samples, 1))), axis=1)
    cells = (cell for cell in report.cells if cell.slice and cell.model == "a")
    comparisons = (one for one in report.comparisons if one.slice)
    for sample, (cell, one) in enumerate(zip(cells, comparisons, strict=True)):
        if not case.rival and cell.interval is not None:
            low, high = cell.interval
            found.level.count(low <= truth(case) <= high)
            found.below.count(high < truth(case))
            if informative is not None:
                small = (one.clusters or cell.rows) < FEW or not informative[sample]
                found.small.count(small)
                if 0 < rare[sample] < INFORMATIVE:
                    found.few.count(small)
        if one.interval is not None:
            found.difference.count(one.interval[0] <= 0.0 <= one.interval[1])
        plain = one.p is not None and one.stderr is not None and abs(one.difference) > 1.96 * one.stderr
        found.significant.count(plain)
        found.verdicts.count(one.p is not None and one.p <= 0.05 and one.reason is None)


def _informative(case: Case, columns: Columns) -> Values | None:
    """Return in which samples no few rows make up most of the variance, by lossctl's own functions, of means."""
    samples = len(columns["y"])
    if case.loss in ("median_absolute_error", *SCORES):
        return None
    parts = parts_of(case, columns, "a")
    units = parts.shape[2]
    lines, weight = parts.reshape(len(parts), -1), None
    if case.option:
        lines, weight = lines[:1], lines[1]
    statistic = R_SQUARED if case.loss == "r2" else MEAN
    influence = Influence(statistic, lines, weight, np.repeat(np.arange(samples), units), samples)
    return shape_of([(1.0, influence)], np.full(samples, float(units))).informative


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
