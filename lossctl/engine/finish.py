"""Finish: the state of one pass to the cells of a report, for all rows and for each slice."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from lossctl.core.grouped import AllRows, GroupedMoments
from lossctl.core.resample import copies
from lossctl.core.state import NEVER, SHIFT, Moments, Odd, Peak, Sample, View, means, moments_of, order_of, ratio
from lossctl.core.statistic import MEAN, ROUNDING, Statistic, minus_log_of_lack, read, square_of
from lossctl.engine.plan import Plan, Question
from lossctl.engine.reduce import RunState
from lossctl.numerics.array import Array, Mask
from lossctl.results.report import Cell, CellColumn, Cells, CellStatus, Slicing
from lossctl.stats.estimate import (
    MAXIMUM,
    NO_SPREAD,
    NOT_ASKED,
    NOT_FINITE,
    ONE_OF_A_CLASS,
    ONE_ROW,
    SPREAD_OUT_OF_RANGE,
    TOO_FEW,
    Estimate,
    Estimates,
    about,
    between,
    combined,
    estimate,
    estimates,
    folded_about,
    order_interval,
    percentiles,
    slopes_at,
    unit_count,
    worth,
)
from lossctl.stats.spread import FEW, Clusters, IndependentRows, Inference, NoInference, Series, Spread, from_scores
from lossctl.stats.student import UNKNOWN, Influence, Shape, few_decide, shape_of

MANY_ROWS: Final = 2**31  # beyond which their places need 64 bits
LARGEST: Final = 1e300  # of means whose quotient is still a float, unless one is 0
FEW_PLACES: Final = 4  # rough intervals that are named
DEPENDENT: Final = "order statistics need rows that are independent; --ci-method bootstrap does not"
SETS_IN_TIME: Final = "--time says how rows follow each other, and the loss is of sets of several; leave it out"
NO_CLOSED_FORM: Final = "no closed form for a statistic of all values"
Labels = Mapping[str, Sequence[tuple[str, ...]]]  # grouping -> the words of each group code

# all rows, and each slice ----------------------------------------------------------------------------------------


class Group(NamedTuple):
    """Where a slice stands: the place of its slicing among all, the slicing's name, and its code there."""

    place: int
    name: str
    code: int


class Scope(NamedTuple):
    """All rows, or those of one slice: its words, its sums, and their column among those of its slicing."""

    slice: Mapping[str, str]
    view: View
    group: Group | None = None
    column: int | None = None

    @property
    def slicing(self) -> str:
        """The name of the slicing, "" for all rows."""
        return "" if self.group is None else self.group.name

    @property
    def words(self) -> tuple[tuple[str, str], ...]:
        """The slice as a key."""
        return tuple(self.slice.items())


class Slices(Sequence[Scope]):
    """The slices of one slicing in order, those of no rows too; without a name one that is all rows.

    `codes` are their codes, `at` their columns among those of the slicing's sums, -1 where a slice has no rows.
    """

    def __init__(self, state: RunState, plan: Plan, labels: Labels, name: str = "") -> None:
        self._plan, self._state, self.name, self.columns = plan, state, name, tuple[str, ...]()
        self.words: Sequence[tuple[str, ...]] = [()]
        self.rows, self.live = (np.array([count]) for count in (state.moments.rows, state.moments.live))
        self.groups: GroupedMoments | None = None
        self.at = self.codes = np.zeros(1, dtype=np.int64)
        if not name:
            self._view = all_rows(state, plan)
        else:
            groups, all_words = state.grouped[name], labels[name]
            self.columns = tuple(name.split(",")) if len(all_words[0]) > 1 else (name,)
            columns = np.full(len(all_words), -1)
            columns[groups.codes] = np.arange(len(groups.codes))
            self.codes = in_order(all_words)
            self.words = [all_words[code] for code in self.codes.tolist()]
            self.groups, self.at = groups, columns[self.codes]
            self.rows, self.live = (np.where(self.at < 0, 0, line[self.at]) for line in (groups.rows, groups.live))
            self._empty = Moments.empty(len(state.moments.sums), plan.pairs, plan.cubed)

    @property
    def weight_sums(self) -> Array | None:
        """The sums of the weights."""
        if not self._plan.weighted:
            return None
        if self.groups is None:
            return np.array([ratio(self._state.moments.total_units(0), 1 << SHIFT)])
        return np.where(self.at < 0, 0.0, self.groups.sum(0)[0][self.at])

    @property
    def worth(self) -> tuple[NDArray[np.int64] | None, Array | None]:
        """How many rows have weight, and how many of equal weight they are worth where squares were summed (Kish)."""
        if not self._plan.weighted or (0, 0) not in self._plan.pairs:
            return self.live if self._plan.weighted else None, None
        if self.groups is None:
            return self.live, np.array([worth(self._view, 0) or math.nan])
        totals, squares_by_group = (line[0][self.at] for line in (self.groups.sum(0), self.groups.product(0, 0)))
        with np.errstate(all="ignore"):
            return self.live, np.where(self.at < 0, math.nan, totals / squares_by_group * totals)

    def __len__(self) -> int:
        return len(self.words)

    @overload
    def __getitem__(self, place: int) -> Scope: ...
    @overload
    def __getitem__(self, place: slice) -> list[Scope]: ...
    def __getitem__(self, place: int | slice) -> Scope | list[Scope]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        if self.groups is None:
            return Scope({}, self._view)
        column = int(self.at[place])
        group = Group(self._plan.slicings.index(self.name), self.name, int(self.codes[place]))
        view = self._empty if column < 0 else self.groups.view(column)
        return Scope(
            dict(zip(self.columns, self.words[place], strict=True)), view, group, None if column < 0 else column
        )


def all_slices(state: RunState, plan: Plan, labels: Labels) -> list[Slices]:
    """Return all rows, then the slices of every slicing."""
    names = [name for name in plan.slicings if name in state.grouped]
    return [Slices(state, plan, labels, name) for name in ("", *names)]


def all_rows(state: RunState, plan: Plan) -> View:
    """Return the sums of all rows: those of all groups where there are any."""
    if len(plan.as_read) == len(state.moments.sums) or plan.slicings[0] not in state.grouped:
        return state.moments
    return AllRows(state.moments, plan.as_read, state.grouped[plan.slicings[0]].total().view(0))


def in_order(words: Sequence[tuple[str, ...]]) -> NDArray[np.int64]:
    """Return the places of slices sorted by value where their words are numbers, else by text, column after column."""
    ranks: list[Array] = []
    for column in zip(*words, strict=True):
        try:
            numbers, is_text = np.array([*map(float, column)]), np.zeros(len(column), dtype=bool)
        except ValueError:
            values = list(map(_number, column))
            numbers, is_text = np.array([value or 0.0 for value in values]), np.array([v is None for v in values])
        texts = np.zeros(len(column))
        if is_text.any() or ranks or len(np.unique(numbers)) < len(numbers):  # else numbers alone tell words apart
            places = {word: place for place, word in enumerate(sorted(set(column)))}
            texts = np.array([places[word] for word in column], dtype=np.float64)
        ranks += [is_text.astype(np.float64), numbers, texts]
    return np.lexsort(ranks[::-1])


def _number(word: str) -> float | None:
    """Return a word as a number, a bin such as `(18, 35]` or `>65` as its lower end; None for a text."""
    if word.startswith("<="):
        return -math.inf
    try:
        return float(word.lstrip("[(>").partition(", ")[0])
    except ValueError:
        return None


class Samples:
    """The samples of a state, each sorted once, and once more by group for each slicing.

    Where models are compared the influences of the rows are kept, in the order in which these were read.
    """

    def __init__(self, state: RunState, plan: Plan) -> None:
        self._state, self._plan = state, plan
        self._compares = plan.design is not None and bool(plan.design.pairs)
        self._sorted: dict[tuple[int, int | None], Array] = {}
        self._orders: dict[tuple[int, int | None], NDArray[np.signedinteger]] = {}  # by which they were sorted
        self._influences: dict[tuple[str, str, tuple[tuple[str, str], ...]], Array] = {}

    def value(self, model: str, question: Question, scope: Scope) -> float:
        """Return a statistic of all values."""
        loss = question.loss
        assert loss.whole is not None
        rows = self.rows(model, question, scope)
        with np.errstate(all="ignore"):
            lines = np.ascontiguousarray(rows[: len(loss.parts) + 1])
            return loss.whole(lines, **loss.args) if rows.size else math.nan

    def rows(self, model: str, question: Question, scope: Scope) -> Array:
        """Return the sorted lines of a sample: values, weights, and what rides along."""
        place, line = self._plan.whole_place(model, question), self._line(question, scope)
        rows = self._ordered(place, line)
        return rows[:, self._part(rows, line, scope)]

    def _line(self, question: Question, scope: Scope) -> int | None:
        """Return the line that holds the groups of a scope."""
        return None if scope.group is None else len(question.loss.parts) + 1 + scope.group.place

    def _part(self, rows: Array, line: int | None, scope: Scope) -> slice:
        """Return where the rows of a scope are, among all that are sorted by its line."""
        if scope.group is None or line is None:
            return slice(None)
        return slice(*np.searchsorted(rows[line], (scope.group.code, scope.group.code + 1)))

    def unsorted(self, model: str, question: Question, scope: Scope) -> Array:
        """Return the lines of a sample in the order in which its rows were read, the same for all models."""
        rows = self._sample(self._plan.whole_place(model, question)).unordered()
        if scope.group is None:
            return rows
        return rows[:, rows[len(question.loss.parts) + 1 + scope.group.place] == scope.group.code]

    def influences(self, model: str, question: Question, scope: Scope) -> Array:
        """Return by how much each row moves the value, in the order in which the rows were read."""
        key = model, question.label, scope.words
        if key not in self._influences:
            self.influenced(model, question, scope)
        return self._influences[key]

    def influenced(self, model: str, question: Question, scope: Scope) -> tuple[float, Array]:
        """Return the value of a sample, and by how much each row moves it, in the order of `rows`."""
        loss = question.loss
        assert loss.influence is not None
        with np.errstate(all="ignore"):
            lines = np.ascontiguousarray(self.rows(model, question, scope)[: len(loss.parts) + 1])
            value, influences = loss.influence(lines, **loss.args)
        if self._compares and influences.size:  # a value that is undefined has none
            place, line = self._plan.whole_place(model, question), self._line(question, scope)
            order = self._orders[place, line][self._part(self._ordered(place, line), line, scope)]
            arrived = np.empty(len(influences))
            arrived[order if line is None else np.argsort(np.argsort(order))] = influences
            self._influences[model, question.label, scope.words] = arrived
        return value, influences

    def _sample(self, place: int) -> Sample:
        sample = self._state.wholes[place]
        assert isinstance(sample, Sample)
        return sample

    def _ordered(self, place: int, line: int | None) -> Array:
        if (place, line) not in self._sorted:
            if line is None:
                rows, order = self._sample(place).sorting()
            else:
                rows = self._ordered(place, None)
                by_group = np.argsort(rows[line], kind="stable")
                rows = rows[:, by_group]
                order = self._orders[place, None][by_group] if self._compares else by_group
            self._sorted[place, line] = rows
            if self._compares:
                self._orders[place, line] = order.astype(np.int32) if order.size < MANY_ROWS else order
        return self._sorted[place, line]


# what is assumed of the rows -------------------------------------------------------------------------------------


class Assumptions:
    """Inferences for all rows or one slice by what the design assumes of rows, from the state of one pass.

    ranks: (codes,) places of the times in their order.
    """

    def __init__(self, state: RunState, plan: Plan, labels: Labels, ranks: NDArray[np.int64]) -> None:
        self.state, self.plan, self.design, self.samples = state, plan, plan.design, Samples(state, plan)
        self.independent = self.design is None or self.design.independent
        self.bootstrap = self.design is not None and self.design.method == "bootstrap"
        self._labels, self._ranks = labels, ranks
        self._clusterings = {parent: name for name, parent in plan.clusterings.items()}
        self._views: dict[tuple[tuple[str, str], ...], View] = {}
        self._shapes: dict[tuple[str, tuple[tuple[int, ...], ...], tuple[float, ...], Statistic], Shape] = {}
        self._influences: dict[tuple[tuple[int, ...], tuple[tuple[str, str], ...] | str, Statistic], Influence] = {}
        self._columns: dict[str, dict[tuple[str, ...], list[int]]] = {}

    @property
    def corrects(self) -> bool:
        """Whether intervals are corrected for skewness: those whose law is not asked for."""
        return self.design is None or self.design.method == "auto"

    @property
    def plain(self) -> bool:
        """Whether rows are independent and the law is Student's t, as `estimate` has it."""
        return self.independent and (self.design is None or self.design.method in ("auto", "t"))

    def of(self, scope: Scope, question: Question) -> Inference:
        """Return the inference for a loss."""
        assert self.design is not None
        weighted, normal = self.plan.weighted, self.design.method == "normal"
        sets = self._sets(scope, question)
        if sets is not None and round(sets) < 2:  # else rounding would be the spread of what its rows have of it
            return IndependentRows(scope.view, weighted, normal, sets)
        if sets is not None and self.design.time is not None and round(sets) < scope.view.live:
            return NoInference(SETS_IN_TIME)
        if self.design.cluster is not None:
            grouped, columns = self.state.grouped[self._clusterings[scope.slicing]], self._clusters(scope)
            sums = grouped.sums[0][:, columns], grouped.sums[1][:, columns]
            return Clusters(sums, grouped.rows[columns].astype(np.float64), weighted, normal)
        if self.design.time is not None:
            return Series(self._in_time(scope), self.design.horizon, weighted, normal)
        return IndependentRows(scope.view, weighted, normal, sets)

    def view(self, scope: Scope) -> View:
        """Return the sums at whose means slopes are taken: of a series those of its lines, which have one origin."""
        if self.design is None or self.design.time is None:
            return scope.view
        if scope.words not in self._views:
            lines = self._in_time(scope)
            with np.errstate(all="ignore"):
                self._views[scope.words] = moments_of(lines, (), np.arange(lines.shape[1]))
        return self._views[scope.words]

    def units(self, scope: Scope, question: Question) -> int:
        """Count what is taken as independent: clusters, sets, or rows of positive weight."""
        if self.design is not None and self.design.cluster is not None:
            return len(self._clusters(scope))
        sets = self._sets(scope, question)
        return scope.view.live if sets is None else round(sets)

    def units_of(self, slices: Slices, question: Question, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the same for some slices."""
        if (self.design is None or self.design.cluster is None) and question.loss.statistic.mass is None:
            return slices.live[places]
        return np.array([self.units(slices[place], question) for place in places.tolist()], dtype=np.int64)

    def shape(self, scope: Scope, question: Question, terms: Mapping[str, float], statistic: Statistic) -> Shape:
        """Return the shape of a sum over models of their values, each times a number, as one group."""
        if self.independent:
            shape = self.shapes(scope.slicing, question, terms, statistic)
            return shape.at(np.array([0 if scope.group is None else scope.group.code]))
        influences = [(times, self._of_units(scope, question, model, statistic)) for model, times in terms.items()]
        return shape_of(influences, influences[0][1].counts)

    def shapes(self, slicing: str, question: Question, terms: Mapping[str, float], statistic: Statistic) -> Shape:
        """Return the shapes of all groups of a slicing, by code, of rows that are independent."""
        indexes = tuple(self.plan.indexes(model, question) for model in terms)
        key = slicing, indexes, tuple(terms.values()), statistic
        if key not in self._shapes:
            self._shapes[key] = self._shapes_of(slicing, indexes, tuple(terms.values()), statistic)
        return self._shapes[key]

    def _shapes_of(
        self, slicing: str, indexes: Sequence[tuple[int, ...]], times: Sequence[float], statistic: Statistic
    ) -> Shape:
        counts = np.array([self._firsts.shape[1]])
        if slicing:
            counts = np.bincount(self._first_codes(slicing), minlength=1)
        units = np.full(len(counts), float(self.state.moments.live))
        if slicing:
            grouped = self.state.grouped[slicing]
            units[:] = 1.0
            within = grouped.codes < len(units)
            units[grouped.codes[within]] = grouped.live[within]
        if (counts < units).all() and (not slicing or len(indexes) == 1):  # else their skewness is told
            return UNKNOWN
        influences = [
            (factor, self._of_firsts(slicing, places, statistic)) for factor, places in zip(times, indexes, strict=True)
        ]
        return shape_of(influences, units)

    @cached_property
    def _firsts(self) -> Array:
        """The lines of the first rows, in their order."""
        plan, firsts = self.plan, self.state.firsts
        if not firsts.pieces:
            return np.zeros((int(plan.weighted) + len(plan.firsts) + len(plan.slicings) + 1, 0))
        lines = firsts.unordered()
        return lines if len(firsts.pieces) < 2 else lines[:, np.argsort(lines[-1], kind="stable")]

    def _first_codes(self, slicing: str) -> NDArray[np.int64]:
        """Return the group of each of the first rows."""
        if not slicing:
            return np.zeros(self._firsts.shape[1], dtype=np.int64)
        plan = self.plan
        place = int(plan.weighted) + len(plan.firsts) + plan.slicings.index(slicing)
        return self._firsts[place].astype(np.int64)

    def _of_firsts(self, slicing: str, indexes: tuple[int, ...], statistic: Statistic) -> Influence:
        """Return the influence of each of the first rows, by group of a slicing."""
        key = indexes, slicing, statistic
        if key not in self._influences:
            plan, lead = self.plan, int(self.plan.weighted)
            places = [lead + plan.firsts.index(i) for i in indexes]
            codes = self._first_codes(slicing)
            weight = self._firsts[0] if plan.weighted else None
            groups = int(codes.max(initial=0)) + 1
            self._influences[key] = Influence(statistic, self._firsts[places], weight, codes, groups)
        return self._influences[key]

    def _of_units(self, scope: Scope, question: Question, model: str, statistic: Statistic) -> Influence:
        """Return the influence of each cluster, or of each row of a series, as one group."""
        key = self.plan.indexes(model, question), scope.words, statistic
        if key not in self._influences:
            inference, indexes = self.of(scope, question), list(self.plan.indexes(model, question))
            if isinstance(inference, Clusters):
                lines = inference.sums[0]
                weight: Array | None = inference.sizes[0]
            else:
                assert isinstance(inference, Series)
                lines, weight = inference.lines, inference.lines[0] if self.plan.weighted else None
            one_group = np.zeros(lines.shape[1], dtype=np.int64)
            self._influences[key] = Influence(statistic, lines[indexes], weight, one_group, 1)
        return self._influences[key]

    def _sets(self, scope: Scope, question: Question) -> float | None:
        """Return on how many sets a loss of sets rests, None for other losses."""
        if question.loss.statistic.mass is None or question.loss.keeps != "moments":
            return None
        return unit_count(question.loss.statistic, scope.view, self.plan.indexes(self.plan.models[0], question))

    def of_influences(
        self, influences: Array, question: Question, rows: Array, joint: int, ordered: bool = False
    ) -> Spread | str:
        """Return the spread of values, or of their differences, from the (values, rows) influences of a sample.

        rows: the sample, in the order of the influences; ordered: sorted.
        """
        if not np.isfinite(influences).all():
            return ONE_OF_A_CLASS if np.isnan(influences).any() else SPREAD_OUT_OF_RANGE
        riders = rows[len(question.loss.parts) + 1 :]
        normal = self.design is not None and self.design.method == "normal"
        if self.design is not None and self.design.time is not None:
            codes = riders[self.plan.sample_groups.index(self.plan.times or "")].astype(np.int64)
            order = np.argsort(self._ranks[codes], kind="stable")
            series = Series(influences.shape[1] * influences[:, order], self.design.horizon, False, normal)
            return series.spread([{place: 1.0} for place in range(len(influences))], joint)
        share = 1.0
        if self.design is not None and self.design.cluster is not None:
            codes = riders[self.plan.sample_groups.index(self._clusterings[""])]
            clusters, of_row = np.unique(codes, return_inverse=True)
            influences = np.stack([np.bincount(of_row, line, len(clusters)) for line in influences])
            if len(clusters) < 2:
                return "there is one cluster only"
            share = len(clusters) / (len(clusters) - 1)
        units = influences.shape[1]
        if not ordered or self.design is not None:  # the order of arrival would leave a trace
            influences = np.ascontiguousarray(influences[:, order_of(influences)])
        return from_scores(influences, share, units, None if normal else units - 1, joint)

    def _clusters(self, scope: Scope) -> list[int]:
        """Return the columns of the clusters of one slice that have a row of positive weight."""
        name = self._clusterings[scope.slicing]
        if name not in self._columns:
            columns: dict[tuple[str, ...], list[int]] = {}
            grouped, labels = self.state.grouped[name], self._labels[name]
            codes = grouped.codes.tolist()
            # in the order of their words: that of arrival would leave a trace in the last bits
            for g in sorted(range(len(codes)), key=lambda g: labels[codes[g]]):
                if grouped.live[g]:
                    columns.setdefault(labels[codes[g]][:-1], []).append(g)
            self._columns[name] = columns
        return self._columns[name].get(tuple(scope.slice.values()), [])

    @cached_property
    def _series(self) -> Array:
        """The lines of all rows of positive weight, in the order of time."""
        lines = self.state.series.unordered()
        if self.plan.weighted:
            lines = lines[:, lines[0] > 0.0]
        return lines[:, np.argsort(self._ranks[lines[-2].astype(np.int64)], kind="stable")]

    def _in_time(self, scope: Scope) -> Array:
        """Return the lines of a scope's rows in the order of time."""
        lines, quantities = self._series, len(self.plan.quantities) + int(self.plan.weighted)
        if scope.group is not None:
            lines = lines[:, lines[quantities + scope.group.place] == scope.group.code]
        return lines[:quantities]

    def replicates(self, model: str, question: Question, scope: Scope) -> Array:
        """Return the (resamples,) values of a loss in the bootstrap replicates; NaN where one has none."""
        loss, design = question.loss, self.design
        assert design is not None
        with np.errstate(all="ignore"):
            if loss.keeps == "moments":
                code = 0 if scope.group is None else scope.group.code
                high, low = self.state.replicates[scope.slicing].sums[code]
                sums = (high + low).T
                base = sums[0] if self.plan.weighted else sums[-1]
                centre = tuple(sums[i] / base for i in self.plan.indexes(model, question))
                return np.broadcast_to(np.asarray(loss.statistic.value(centre), dtype=np.float64), (design.resamples,))
            assert loss.whole is not None
            rows = self.samples.rows(model, question, scope)
            lines = len(loss.parts) + 1
            units = rows[-2].astype(np.uint64) << np.uint64(32) | rows[-1].astype(np.uint64)
            values = np.full(design.resamples, np.nan)
            for place, counts in copies(units, design.seed, design.resamples):
                for replicate, weight in zip(range(place.start, place.stop), counts, strict=True):
                    live = weight > 0.0
                    if live.any():
                        resample = np.ascontiguousarray(rows[:lines, live])
                        resample[-1] *= weight[live]
                        values[replicate] = loss.whole(resample, **loss.args)
            return values


# cells -----------------------------------------------------------------------------------------------------------


class CellOptions(NamedTuple):
    """What besides the data decides the numbers; `signed` closes the signature, `where` words a row address."""

    level: float | None
    reduction: str
    signed: str
    where: Callable[[str, int], str]


class Finish:
    """The cells of one state; `rough` are those whose intervals are likely too narrow, the first few of them.

    slicings: the slices of all rows and of each slicing. ranks: see Assumptions.
    """

    def __init__(
        self, state: RunState, plan: Plan, labels: Labels, ranks: NDArray[np.int64], settings: CellOptions
    ) -> None:
        self.state, self.plan, self.assumptions = state, plan, Assumptions(state, plan, labels, ranks)
        self.slicings = all_slices(state, plan, labels)
        self.settings, self.rough, self.rough_count = settings, list[Cell](), 0
        self._informative: set[tuple[str, str, tuple[tuple[str, str], ...]]] = set()  # values that many rows decide

    def cells(self) -> Cells:
        """Return the cells of all slices, the best model of each loss in each marked."""
        return Cells([self._table(slices) for slices in self.slicings])

    def units(self, question: Question) -> int:
        """Count what is taken as independent of all rows: see Assumptions."""
        return self.assumptions.units(self.slicings[0][0], question)

    def _table(self, slices: Slices) -> tuple[Slicing, list[CellColumn]]:
        """Return the cells of one slicing: a column for each loss and model."""
        slicing = Slicing(slices.columns, slices.words, slices.rows, slices.weight_sums, *slices.worth)
        absent = dict.fromkeys(np.flatnonzero(slices.rows == 0).tolist(), "no rows")
        if slicing.weight_sums is not None:
            weightless = np.flatnonzero((slicing.weight_sums == 0.0) & (slices.rows > 0)).tolist()
            absent |= dict.fromkeys(weightless, "the weights sum to zero")
        columns: list[CellColumn] = []
        rough: list[Mask] = []
        for question in self.plan.questions:
            row = [self._column(slices, question, model, absent) for model in self.plan.models]
            if question.loss.ranks and len(row) > 1:
                row = [column._replace(best=best) for column, best in zip(row, _best(row), strict=True)]
            columns += row
            rough += [self._rough(column, question, slices) for column in row]
        marked = np.array(rough).T  # in the order of the cells
        self.rough_count += int(np.count_nonzero(marked))
        for place, column in np.argwhere(marked)[: FEW_PLACES - len(self.rough)].tolist():
            self.rough.append(columns[column].cell(slicing, place))
        return slicing, columns

    def _column(self, slices: Slices, question: Question, model: str, absent: Mapping[int, str]) -> CellColumn:
        """Return the cells of one loss of one model. absent: the slices that have no estimate, and why."""
        loss = question.loss
        estimates = self._estimates(slices, question, model, absent)
        if loss.limits is not None and self.settings.reduction != "sum":
            estimates = estimates.within(loss.limits)
        strange = set(np.flatnonzero(~np.isfinite(estimates.values)).tolist()) - absent.keys()
        troubles: dict[int, tuple[CellStatus, str]] = {place: ("empty", why) for place, why in absent.items()}
        for place in sorted(strange):
            troubles[place] = self._status(slices[place], question, model, float(estimates.values[place]))
        after = (
            f"|{self.settings.signed}|act:{self.plan.activations[model]}"
            + (f"|output:{question.output_name}" if question.output is not None else "")
            + (f"|component:{question.component}" if question.component else "")
            + (f"|plugin:{loss.origin}" if loss.origin else "")
        )
        return CellColumn(
            shared={
                "model": model,
                "loss": question.label,
                "spec": loss.spec,
                "direction": loss.direction,
                "unit": loss.unit,
            },
            level=self.settings.level,
            signature=(f"{loss.full_spec}|n:", after),
            values=estimates.values,
            stderrs=estimates.stderrs,
            ends=estimates.ends,
            kinds=estimates.kinds,
            outcomes=estimates.outcomes,
            best=np.zeros(len(slices), dtype=bool),
            troubles=troubles,
        )

    def _estimates(self, slices: Slices, question: Question, model: str, absent: Mapping[int, str]) -> Estimates:
        """Return the estimates of a loss, their intervals corrected for skewness unless a law was asked for."""
        estimates = self._of_sums(slices, question, model, absent)
        level, form = self.settings.level, question.loss.statistic.interval
        if not self.assumptions.corrects or not (estimates.kinds_of_interval() & np.isfinite(estimates.stderrs)).any():
            return estimates
        if question.loss.keeps != "moments" or form == "folded" or level is None:
            return estimates
        form = "t" if self.settings.reduction == "sum" else form
        return estimates.widened(self._shapes(slices, question, model), form, level)

    def _shapes(self, slices: Slices, question: Question, model: str) -> Shape:
        """Return the shapes of a loss of a model, or of its square where it is a root, for all slices."""
        assumptions, statistic = self.assumptions, question.loss.statistic
        if self.settings.reduction == "sum":
            statistic = MEAN
        elif statistic.interval == "log":
            statistic = square_of(statistic)
        elif statistic.interval == "complement":
            statistic = minus_log_of_lack(statistic)
        if assumptions.independent:
            shapes = assumptions.shapes(slices.name, question, {model: 1.0}, statistic)
            return shapes.at(slices.codes)
        return Shape.of([assumptions.shape(scope, question, {model: 1.0}, statistic) for scope in slices])

    def _of_sums(self, slices: Slices, question: Question, model: str, absent: Mapping[int, str]) -> Estimates:
        """Return the estimates of a loss, of all slices at once where they rest on sums of independent rows."""
        loss, plan, settings = question.loss, self.plan, self.settings
        if loss.keeps == "moments" and self.assumptions.plain and slices.groups is not None:
            groups, indexes, total = slices.groups, plan.indexes(model, question), settings.reduction == "sum"
            of_groups = estimates(
                loss.statistic, groups, indexes, weighted=plan.weighted, level=settings.level, total=total
            )
            return of_groups.at(slices.at, absent)
        return Estimates.of(
            [
                Estimate(math.nan, why=absent[place]) if place in absent else self._estimate(scope, question, model)
                for place, scope in enumerate(slices)
            ]
        )

    def _rough(self, column: CellColumn, question: Question, slices: Slices) -> Mask:
        """Whether the intervals of a column are likely too narrow; not where there is none."""
        marked = np.isfinite(column.ends[0]) & np.isfinite(column.stderrs)
        places = np.flatnonzero(marked)
        rough = self.assumptions.units_of(slices, question, places) < FEW
        if question.loss.keeps == "moments" and not self.assumptions.bootstrap and len(places):
            rough |= ~self._shapes(slices, question, column.shared["model"]).informative[places]
        elif question.loss.influence is not None and not self.assumptions.bootstrap:
            keys = ((question.label, column.shared["model"], slices[place].words) for place in places.tolist())
            rough |= np.array([key not in self._informative for key in keys], dtype=bool)
        marked[places] = rough
        return marked

    def _status(self, scope: Scope, question: Question, model: str, value: float) -> tuple[CellStatus, str]:
        """Return the status of a value that is not finite, and the reason."""
        loss, odd = question.loss, Odd()
        if loss.keeps == "moments":
            for i in self.plan.indexes(model, question):
                odd = odd.merge(scope.view.odd[i])
        status: CellStatus = "undefined" if math.isnan(value) else "infinite"
        word = "undefined" if math.isnan(value) else "-infinity" if value < 0 else "+infinity"
        if odd.row != NEVER:
            count = "1 row" if odd.values == 1 else f"{odd.values} rows"
            why = f"; {loss.undefined}" if math.isnan(value) and loss.undefined else ""
            return status, f"{word}: {count}, the first at {self.settings.where(model, odd.row)}{why}"
        if not math.isnan(value):
            return status, f"{word}: {self._beyond(scope, question, model)}"
        kinds = loss.keeps != "moments" and loss.statistic is MEAN
        return status, "needs rows of both kinds" if kinds else loss.statistic.undefined

    def _beyond(self, scope: Scope, question: Question, model: str) -> str:
        """Say why a value is infinite though no row is: a denominator is 0, or it is beyond the range of float64."""
        loss = question.loss
        if loss.keeps == "sample":
            return "a row is, or it is out of the range of float64"
        if loss.keeps == "moments":
            sizes = means(scope.view, self.plan.indexes(model, question), self.plan.weighted)
            if 0.0 in sizes and all(abs(size) < LARGEST for size in sizes):
                return loss.statistic.undefined
        return "out of the range of float64"

    def _estimate(self, scope: Scope, question: Question, model: str) -> Estimate:
        """Return the estimate of a loss of rows that count."""
        loss, plan, level = question.loss, self.plan, self.settings.level
        if loss.keeps == "peak":
            return Estimate(self._top(scope, plan.whole_place(model, question)), why=MAXIMUM)
        if loss.keeps == "sample" and not self.assumptions.bootstrap:
            return self._ordered(scope, question, model)
        if not self.assumptions.plain:
            return self._assumed(scope, question, model)
        indexes, total = plan.indexes(model, question), self.settings.reduction == "sum"
        return estimate(loss.statistic, scope.view, indexes, weighted=plan.weighted, level=level, total=total)

    def _top(self, scope: Scope, place: int) -> float:
        """Return a maximum."""
        if scope.group is not None:
            return self.state.peaks[scope.slicing, place].tops[scope.group.code][1]
        peak = self.state.wholes[place]
        assert isinstance(peak, Peak)
        return peak.top

    def _ordered(self, scope: Scope, question: Question, model: str) -> Estimate:
        """Return the estimate of a statistic of all values, for a quantile with an interval from order statistics."""
        samples, level, loss = self.assumptions.samples, self.settings.level, question.loss
        if level is None or loss.influence is None:
            value, influences = samples.value(model, question, scope), np.zeros(0)
        else:
            rows = samples.rows(model, question, scope)
            value, influences = samples.influenced(model, question, scope)
        if level is None:
            return Estimate(value, why=NOT_ASKED)
        if not math.isfinite(value):
            return Estimate(value, why=NOT_FINITE)
        if loss.influence is not None:
            if influences.size < 2:
                return Estimate(value, why=ONE_ROW)
            spread = self.assumptions.of_influences(influences[np.newaxis], question, rows, 1, ordered=True)
            if isinstance(spread, str):
                return Estimate(value, why=spread)
            stderr = float(spread.stderrs[0])
            if stderr * math.sqrt(spread.units) <= ROUNDING * abs(value):
                return Estimate(value, 0.0, why=NO_SPREAD)
            if not few_decide(influences):
                self._informative.add((question.label, model, scope.words))
            spread = spread.of_level(0) if self.assumptions.corrects else spread
            if loss.bounds is not None:
                return between(value, stderr, spread.quantile(level), loss.bounds, spread.law)
            return about(value, stderr, spread.quantile(level), "t", spread.law)
        if loss.quantile is None:
            return Estimate(value, why=NO_CLOSED_FORM)
        ends = order_interval(samples.rows(model, question, scope)[:2], loss.quantile, level)
        if ends is None or not all(map(math.isfinite, ends)):
            return Estimate(value, why=TOO_FEW)
        if self.assumptions.independent:
            return Estimate(value, None, ends, "order")
        design = self.assumptions.design
        return Estimate(value, why=DEPENDENT if design is None or design.time is None else DEPENDENT.partition(";")[0])

    def _assumed(self, scope: Scope, question: Question, model: str) -> Estimate:
        """Return the estimate of a loss by what is assumed of the rows."""
        level, loss, assumptions = self.settings.level, question.loss, self.assumptions
        indexes = self.plan.indexes(model, question) if loss.keeps == "moments" else ()
        if loss.keeps == "moments":
            value = read(loss.statistic, means(scope.view, indexes, self.plan.weighted))
        else:
            value = assumptions.samples.value(model, question, scope)
        if level is None:
            return Estimate(value, why=NOT_ASKED)
        if not math.isfinite(value):
            return Estimate(value, why=NOT_FINITE)
        if assumptions.bootstrap:
            return percentiles(value, assumptions.replicates(model, question, scope), level)
        if loss.statistic.interval == "none":
            return Estimate(value, why=MAXIMUM)
        slopes = slopes_at(loss.statistic, means(assumptions.view(scope), indexes, self.plan.weighted))
        if slopes is None:
            return Estimate(value, why=SPREAD_OUT_OF_RANGE)
        spread = assumptions.of(scope, question).spread([combined((indexes, slopes))], 1)
        if isinstance(spread, str):
            return Estimate(value, why=spread)
        stderr, quantile = float(spread.stderrs[0]), spread.quantile(level)
        if loss.statistic.mass is not None and stderr * math.sqrt(spread.units) <= ROUNDING * abs(value):
            return Estimate(value, 0.0, why=NO_SPREAD)
        if loss.statistic.interval != "folded":
            return about(value, stderr, quantile, loss.statistic.interval, spread.law)
        errors = assumptions.of(scope, question).spread([{index: 1.0} for index in indexes], 0)
        if isinstance(errors, str):
            return Estimate(value, why=errors)
        parts = np.array(means(assumptions.view(scope), indexes, self.plan.weighted))
        return folded_about(value, stderr, quantile, parts, errors.stderrs, spread.law)


def _best(columns: Sequence[CellColumn]) -> NDArray[np.bool_]:
    """Return, for each column, in which slices its value is the best and finite."""
    values = np.array([column.values for column in columns])
    merits = {"min": values, "max": -values, "zero": np.abs(values)}[columns[0].shared["direction"]]
    best: NDArray[np.bool_] = np.isfinite(merits) & (merits == np.fmin.reduce(merits, axis=0))
    return best
