"""Assume: what is taken for granted of the rows, brought to bear on all rows or on one slice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossctl.core.resample import copies
from lossctl.core.state import Sample, View, moments_of
from lossctl.engine.plan import Design, Plan, Question
from lossctl.engine.reduce import RunState
from lossctl.numerics.array import Array
from lossctl.stats.estimate import unit_count
from lossctl.stats.spread import Clusters, IndependentRows, Inference, Series


class Group(NamedTuple):
    """Where a slice stands: the place of its slicing among all, the slicing's name, and its code there."""

    place: int
    name: str
    code: int


@dataclass(frozen=True)
class Scope:
    """All rows, or those of one slice: its words, its sums, and their column among those of its slicing."""

    chosen: Mapping[str, str]
    view: View
    group: Group | None = None
    column: int | None = None

    @property
    def slicing(self) -> str:
        """The name of the slicing, "" for all rows."""
        return "" if self.group is None else self.group.name


class Samples:
    """The samples of a tally, each sorted once, and once more by group for each slicing."""

    def __init__(self, tally: RunState) -> None:
        self._tally = tally
        self._sorted: dict[tuple[int, int | None], Array] = {}

    def value(self, question: Question, place: int, group: Group | None) -> float:
        """Evaluate a statistic of all values, over all rows or those of one group."""
        loss = question.loss
        assert loss.whole is not None
        rows = self.rows(question, place, group)
        with np.errstate(all="ignore"):
            lines = np.ascontiguousarray(rows[: len(loss.parts) + 1])
            return loss.whole(lines, **loss.args) if rows.size else math.nan

    def rows(self, question: Question, place: int, group: Group | None) -> Array:
        """Return the sorted lines of all rows or those of one group: values, weights, and what rides along."""
        if group is None:
            return self._ordered(place, None)
        line = len(question.loss.parts) + 1 + group.place
        by_code = self._ordered(place, line)
        return by_code[:, slice(*np.searchsorted(by_code[line], (group.code, group.code + 1)))]

    def aligned(self, question: Question, places: tuple[int, int], group: Group | None) -> tuple[Array, Array]:
        """Return the lines of two models, row by row as they were read."""
        found = []
        for place in places:
            whole = self._tally.wholes[place]
            assert isinstance(whole, Sample)
            rows = np.concatenate(whole.pieces, axis=1)
            if group is not None:
                rows = rows[:, rows[len(question.loss.parts) + 1 + group.place] == group.code]
            found.append(rows)
        return found[0], found[1]

    def _ordered(self, place: int, line: int | None) -> Array:
        if (place, line) not in self._sorted:
            if line is None:
                whole = self._tally.wholes[place]
                assert isinstance(whole, Sample)
                found = whole.ordered()
            else:
                rows = self._ordered(place, None)
                found = rows[:, np.argsort(rows[line], kind="stable")]
            self._sorted[place, line] = found
        return self._sorted[place, line]


Labels = Mapping[str, Sequence[tuple[str, ...]]]


def sets_counted(plan: Plan, part: Scope, question: Question) -> float | None:
    """Return how many sets a loss of sets rests on, None for other losses."""
    reading = question.loss.reading
    if reading.mass is None or question.loss.keeps != "moments":
        return None
    return unit_count(reading, part.view, plan.indexes(plan.models[0], question))


class Assumptions:
    """Makes inferences for parts of the rows, from what one pass has kept.

    labels: grouping -> the words of each group code. ranks: (codes,) places of the times in their order.
    """

    def __init__(
        self, tally: RunState, plan: Plan, design: Design, labels: Labels, ranks: NDArray[np.int64], samples: Samples
    ) -> None:
        self.tally, self.plan, self.design = tally, plan, design
        self.labels, self.ranks, self.samples = labels, ranks, samples
        self._names = {parent: name for name, parent in plan.clusterings.items()}
        self._views: dict[tuple[tuple[str, str], ...], View] = {}
        self._members: dict[str, dict[tuple[str, ...], list[int]]] = {}

    @property
    def plain(self) -> bool:
        """Whether rows are independent and the law is Student's t, as `estimate` has it."""
        return self.independent and self.design.method in ("auto", "t")

    @property
    def independent(self) -> bool:
        """Whether rows are independent."""
        return self.design.cluster is None and self.design.time is None

    def view(self, part: Scope) -> View:
        """Return the sums at whose means slopes are taken: of a series those of its lines, which have one origin."""
        if self.design.time is None:
            return part.view
        words = tuple(part.chosen.items())
        if words not in self._views:
            lines = self.in_time(part)
            with np.errstate(all="ignore"):
                self._views[words] = moments_of(lines, (), np.arange(lines.shape[1]))
        return self._views[words]

    def of(self, part: Scope, question: Question) -> Inference:
        """Return the inference for a loss of a part of the rows."""
        weighted, normal = self.plan.weighted, self.design.method == "normal"
        if self.design.cluster is not None:
            name = self._names[part.slicing]
            grouped, at = self.tally.grouped[name], self._clusters(name, tuple(part.chosen.values()))
            sums = grouped.sums[0][:, at], grouped.sums[1][:, at]
            return Clusters(sums, grouped.rows[at].astype(np.float64), weighted, normal)
        if self.design.time is not None:
            return Series(self.in_time(part), self.design.horizon, weighted, normal)
        return IndependentRows(part.view, weighted, normal, sets_counted(self.plan, part, question))

    def units(self, part: Scope, question: Question) -> int:
        """Count what is taken as independent: clusters, sets, or rows of positive weight."""
        if self.design.cluster is None:
            sets = sets_counted(self.plan, part, question)
            return part.view.live if sets is None else round(sets)
        return len(self._clusters(self._names[part.slicing], tuple(part.chosen.values())))

    def _clusters(self, name: str, words: tuple[str, ...]) -> list[int]:
        """Return the columns of the clusters of one slice that have a row of positive weight."""
        if name not in self._members:
            found: dict[tuple[str, ...], list[int]] = {}
            grouped, labels = self.tally.grouped[name], self.labels[name]
            codes = grouped.codes.tolist()
            # in the order of their words: that of arrival would leave a trace in the last bits
            for place in sorted(range(len(codes)), key=lambda place: labels[codes[place]]):
                if grouped.live[place]:
                    found.setdefault(labels[codes[place]][:-1], []).append(place)
            self._members[name] = found
        return self._members[name].get(words, [])

    @cached_property
    def _kept(self) -> Array:
        """All lines that were kept, in the order of time, without rows of zero weight."""
        whole = np.concatenate(self.tally.kept.pieces, axis=1)
        if self.plan.weighted:
            whole = whole[:, whole[0] > 0.0]
        return whole[:, np.argsort(self.ranks[whole[-2].astype(np.int64)], kind="stable")]

    def in_time(self, part: Scope) -> Array:
        """Return the lines of the rows of a part in the order of time."""
        kept = self._kept
        lines = len(self.plan.quantities) + int(self.plan.weighted)
        if part.group is not None:
            kept = kept[:, kept[lines + part.group.place] == part.group.code]
        return kept[:lines]

    def replicates(self, question: Question, model: str, part: Scope) -> Array:
        """Return the (resamples,) values of a loss in the bootstrap replicates; NaN where one has none."""
        loss, design = question.loss, self.design
        with np.errstate(all="ignore"):
            if loss.keeps == "moments":
                name, code = (part.group.name, part.group.code) if part.group is not None else ("", 0)
                high, low = self.tally.replicates[name].sums[code]
                sums = (high + low).T
                base = sums[0] if self.plan.weighted else sums[-1]
                means = tuple(sums[i] / base for i in self.plan.indexes(model, question))
                return np.broadcast_to(np.asarray(loss.reading.value(means), dtype=np.float64), (design.resamples,))
            assert loss.whole is not None
            rows = self.samples.rows(question, self.plan.whole(model, question), part.group)
            lines = len(loss.parts) + 1
            units = rows[-2].astype(np.uint64) << np.uint64(32) | rows[-1].astype(np.uint64)
            found = np.full(design.resamples, np.nan)
            for place, drawn in copies(units, design.seed, design.resamples):
                for replicate, weight in zip(range(place.start, place.stop), drawn, strict=True):
                    keep = weight > 0.0
                    if keep.any():
                        values = np.ascontiguousarray(rows[:lines, keep])
                        values[-1] *= weight[keep]
                        found[replicate] = loss.whole(values, **loss.args)
            return found
