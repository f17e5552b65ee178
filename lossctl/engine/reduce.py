"""Reduce: one block of rows to a mergeable state. A pure function of the block and the plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch, Memo
from lossctl.core.block import MODULUS, NO_GAPS, Block, Breach, Defect, Gaps, breach, breach_of_live, judged
from lossctl.core.domain import NON_NEGATIVE
from lossctl.core.form import CODED
from lossctl.core.grouped import BlockGroups, GroupedMoments, PeaksByGroup
from lossctl.core.loss import Term, Weight, slopes
from lossctl.core.resample import Replicates
from lossctl.core.state import NEVER, BlockMoments, Moments, Peak, Sample, merged_fields
from lossctl.engine.plan import FIRST, TARGET, Check, Couple, Design, Plan, Quantity, Question
from lossctl.errors import DataError
from lossctl.numerics.array import Array, Mask

WEIGHT: Final = Check("", "weight", NON_NEGATIVE, "-w")
FEW: Final = 64  # rows to compare first: models that differ usually do so in these
NOTHING: Final = Sample()
NO_ROWS: Final = np.empty(0)
Rows = NDArray[np.int64]

# the state -------------------------------------------------------------------------------------------------------


class WorstRows(NamedTuple):
    """At most `most` rows of the largest excess, the first of equal ones; (names, rows) `facts` of them."""

    most: int
    names: tuple[str, ...]
    excess: Array
    addresses: NDArray[np.int64]
    facts: Array

    @classmethod
    def of(cls, most: int, names: tuple[str, ...], excess: Array, addresses: NDArray[np.int64], facts: Array) -> Self:
        """Choose among the rows of a block; those of an excess of -inf or NaN are left out."""
        rows = np.flatnonzero(excess > -np.inf)
        if len(rows) > most:
            least = np.partition(excess[rows], len(rows) - most)[len(rows) - most]
            rows = rows[excess[rows] >= least]
        return cls(most, names, excess[rows], addresses[rows], facts[:, rows])._shortened()

    def _shortened(self) -> Self:
        order = np.lexsort((self.addresses, -self.excess))[: self.most]
        return type(self)(self.most, self.names, self.excess[order], self.addresses[order], self.facts[:, order])

    def merge(self, later: WorstRows) -> WorstRows:
        """Choose among the rows of two states."""
        return WorstRows(
            self.most,
            self.names,
            np.concatenate([self.excess, later.excess]),
            np.concatenate([self.addresses, later.addresses]),
            np.concatenate([self.facts, later.facts], axis=1),
        )._shortened()


class RunState(NamedTuple):
    """Counts of rows, exact sums, peaks and samples, breaches, and sums and peaks by group of each slicing.

    The last lines of a sample's pieces are the group codes, one line for each slicing in order. grouped and
    replicates go by the name of a grouping, "" being all rows; peaks by it and the place in `wholes`. series: the
    lines of all quantities, the codes of the slicings and the times, and the address, row by row. firsts: of the first
    rows alone the weight and some of the lines, and all the rest. worst: by couple of models and label of a loss.
    unlike: the couples whose predictions differ anywhere. digest: the fingerprint of the rows read, digest_kept: of
    those that are kept. stopped: the first row that could not be read, and why. gaps: of what is left out.
    """

    read: int
    dropped: int
    moments: Moments
    wholes: tuple[Peak | Sample, ...]
    breaches: Mapping[Check, Breach] = {}
    missing: Mapping[Defect, Breach] = {}
    faults: Mapping[Defect, Breach] = {}
    grouped: Mapping[str, GroupedMoments] = {}
    peaks: Mapping[tuple[str, int], PeaksByGroup] = {}
    replicates: Mapping[str, Replicates] = {}
    series: Sample = NOTHING
    firsts: Sample = NOTHING
    worst: Mapping[tuple[tuple[str | None, str], str], WorstRows] = {}
    unlike: frozenset[Couple] = frozenset()
    digest: int = 0
    digest_kept: int = 0
    stopped: tuple[int, DataError] | None = None
    gaps: Gaps = NO_GAPS

    @classmethod
    def empty(cls, plan: Plan) -> RunState:
        """Return the state of no rows."""
        moments = Moments.empty(len(plan.quantities) + int(plan.weighted), plan.pairs_as_read, plan.cubed_as_read)
        return cls(read=0, dropped=0, moments=moments, wholes=empty_wholes(plan))

    def merge(self, later: RunState) -> RunState:
        """Return the state of the rows of two; `later` holds later rows (which only the grouped sums care about)."""
        return merged_fields(
            self,
            later,
            unlike=self.unlike | later.unlike,
            digest=(self.digest + later.digest) % MODULUS,
            digest_kept=(self.digest_kept + later.digest_kept) % MODULUS,
            stopped=min(filter(None, (self.stopped, later.stopped)), key=lambda stop: stop[0], default=None),
        )


def empty_wholes(plan: Plan) -> tuple[Peak | Sample, ...]:
    """Return the peaks and samples of no rows."""
    return tuple(Peak() if kind == "peak" else Sample() for _, _, kind in plan.wholes)


# the reduction ---------------------------------------------------------------------------------------------------


def reduce_block(block: Block, plan: Plan, origins: Sequence[float]) -> tuple[RunState, list[Array]]:
    """Judge and reduce one block; return its state and the lines of numbers that are written for each row."""
    has_rows = block.rows > 0
    breaches = _breaches(block, plan) if has_rows else {}
    reduction = _Reduction(block, plan, origins)
    rows: list[Array] = []
    with np.errstate(all="ignore"):
        if has_rows and all(finding.first == NEVER for finding in breaches.values()):
            rows = reduction.evaluate()
            _leave_blank(rows, block, plan)
        return reduction.state(breaches), rows


def _breaches(block: Block, plan: Plan) -> dict[Check, Breach]:
    """Find the rows outside the domains; roles shared by all models are judged once."""
    values = {check: block.models[check.model or plan.models[0]][check.role] for check in plan.checks}
    breaches = {
        check: breach_of_live(check.domain, x, block.addresses, block.weight, block.extents.get(id(x)))
        for check, x in values.items()
    }
    if block.weight is not None:
        breaches[WEIGHT] = breach(NON_NEGATIVE, block.weight[np.newaxis], block.addresses)
    # one side of a flag is kept even where nothing is wrong: the other side may come in another block
    return {check: finding for check, finding in breaches.items() if finding != Breach()}


def _leave_blank(rows: list[Array], block: Block, plan: Plan) -> None:
    """Make NaN of what is written of rows of zero weight that are outside of a loss's domains."""
    if block.weight is None or not plan.lines_out or (block.weight > 0.0).all():
        return
    place = len(plan.rows_out)
    lines = [
        (quantity.model, question, range(i, i + 1))
        for i, quantity in enumerate(plan.rows_out)
        for question in plan.questions
        if question.row == quantity.term
    ]
    for gradient in plan.gradients_out:
        lines.append((gradient.model, gradient.question, range(place, place + gradient.width)))
        place += gradient.width
    for model, question, written in lines:
        for role, domain in question.form.roles.items():
            if role not in CODED:
                outside = judged(domain, role, plan.activations[model]).outside(block.models[model][role])
                for i in written:
                    rows[i] = np.where(outside, np.nan, rows[i])


class _Lines:
    """The weighted lines of a block's quantities, in one order of its rows and about one origin of the target.

    origin: one for all rows or (rows,) of them. order: in which the rows are wanted, None as they come. Where there are
    fewer columns than lines, the columns are put into it, else the lines.
    """

    def __init__(
        self, block: Block, plan: Plan, origin: float | Array, origins: Sequence[float], order: Rows | None
    ) -> None:
        self._plan, self._origin, self._origins = plan, origin, origins
        self._models, self._order, weight = block.models, order, block.weight
        arrays = {id(x): x.size for roles in block.models.values() for x in roles.values()}
        if order is not None and sum(arrays.values()) <= block.rows * len(plan.quantities):
            columns: dict[int, NDArray[Any]] = {}  # by identity: models share the target
            self._order = None

            def ordered(values: NDArray[Any]) -> NDArray[Any]:
                if id(values) not in columns:
                    columns[id(values)] = np.take(values, order, axis=-1)
                return columns[id(values)]

            self._models = {m: {role: ordered(x) for role, x in roles.items()} for m, roles in block.models.items()}
            weight = None if weight is None else ordered(weight)
            self._origin = ordered(origin) if isinstance(origin, np.ndarray) else origin
        self._weight = None if weight is None else Weight(weight)
        self._batches: dict[str, Batch] = {}
        self._memo: dict[tuple[str, Term], Array] = {}
        self._of_target: Memo = {}  # all models of a block have one target

    @property
    def weight(self) -> Array:
        """The line of the weight."""
        assert self._weight is not None
        return self._ordered(self._weight.values)

    def batch(self, model: str) -> Batch:
        """Return the arrays of a model, with what its losses derive from them."""
        if model not in self._batches:
            self._batches[model] = Batch(
                self._models[model],
                activation=self._plan.activations[model],
                origin=self._origin,
                origins=self._origins,
                trend=self._plan.trend,
                classes=self._plan.classes,
                of_target=self._of_target,
            )
        return self._batches[model]

    def of(self, quantity: Quantity) -> Array:
        """Return the line of a quantity."""
        line = self._line(quantity.model, quantity.term)
        return line if quantity.less is None else line - self._line(quantity.less, quantity.term)

    def _line(self, model: str, term: Term) -> Array:
        if (model, term) not in self._memo:
            rows = term.rows(self.batch(model))
            line = self._ordered(rows if self._weight is None else self._weight.times(rows))
            if not self._plan.bases:
                return line
            self._memo[model, term] = line
        return self._memo[model, term]

    def _ordered(self, line: Array) -> Array:
        return line if self._order is None else np.take(line, self._order)

    def all(self) -> Iterator[Array]:
        """Yield the weight, if there is one, and the lines of all quantities."""
        if self._weight is not None:
            yield self.weight
        for model in self._plan.order:
            yield from map(self.of, self._plan.lines[model])
            if model not in self._plan.bases:
                self.forget(model)

    def forget(self, model: str) -> None:
        """Drop what was computed for a model whose lines are not needed any more."""
        self._batches.pop(model, None)
        self._memo = {key: line for key, line in self._memo.items() if key[0] != model}


class _Reduction:
    """The sums, peaks, samples and rows of one block."""

    def __init__(self, block: Block, plan: Plan, origins: Sequence[float]) -> None:
        self.block, self.plan, self.origins = block, plan, origins
        self.live: Mask | None = None if block.weight is None else block.weight > 0.0
        self.moments: BlockMoments | None = None
        self.grouped: dict[str, BlockGroups] = {}
        self.wholes = list(empty_wholes(plan))
        self.peaks: dict[tuple[str, int], PeaksByGroup] = {}
        self.replicates: dict[str, Replicates] = {}
        self.series = self.firsts = NOTHING
        self.worst: dict[tuple[tuple[str | None, str], str], WorstRows] = {}
        self.unlike: set[Couple] = set()

    def evaluate(self) -> list[Array]:
        """Reduce every model's losses; return the lines of numbers that are to be written out."""
        rows = [NO_ROWS] * self.plan.lines_out
        for name in (*self.plan.slicings, *self.plan.clusterings):
            self._reduce_groups(name)
        self._reduce_rows(rows)
        return rows

    def _lines(self, slicing: str, order: Rows | None = None) -> _Lines:
        """Return the lines about the origin of the target, or about that of each row's slice."""
        origin = self.origins[0] if self.origins else 0.0
        return _Lines(self.block, self.plan, self.block.origins.get(slicing, origin), self.origins, order)

    def _reduce_rows(self, rows: list[Array]) -> None:
        """Reduce the rows as they come: sums, peaks, samples, and the numbers of each row, which `rows` takes."""
        block, plan = self.block, self.plan
        live = block.rows if self.live is None else int(np.count_nonzero(self.live))
        self.moments = BlockMoments(plan.pairs_as_read, block.addresses, live, plan.cubed_as_read, block.runs)
        lines, by_row, written = self._lines(""), list[Array](), set[Quantity]()
        stop = int(np.searchsorted(block.addresses, FIRST))
        firsts = dict.fromkeys(plan.firsts if stop else (), NO_ROWS)
        if plan.weighted:
            self.moments.add(lines.weight)
            by_row.append(lines.weight)
        for model in plan.order:
            for quantity in plan.lines[model]:
                place = plan.place(quantity)
                is_read = place in plan.as_read
                line = lines.of(quantity) if is_read or place in firsts else NO_ROWS
                if place in firsts:
                    firsts[place] = line[:stop].copy()
                if is_read:
                    self.moments.add(line, spare=quantity.less is not None)
                    by_row += [line] if plan.keeps_lines else []
                    if quantity in plan.rows_out and not plan.weighted:
                        rows[plan.rows_out.index(quantity)] = line
                        written.add(quantity)
                else:
                    self.moments.skip(next(iter(self.grouped.values())))
            for place, (owner, terms, kind) in enumerate(plan.wholes):
                if owner == model:
                    self._keep(place, kind, np.stack([term.rows(lines.batch(model)) for term in terms]))
            if plan.lines_out:
                self._write(model, lines.batch(model), rows, written)
            if model not in plan.bases and not plan.worst:  # its derived quantities are needed no more
                lines.forget(model)
        if firsts:
            self._keep_firsts(stop, [lines.weight[:stop]] if plan.weighted else [], list(firsts.values()))
        self._watch()
        if plan.design is not None:
            self._compare(plan.design, lines, by_row)
        for base, model in plan.rivals if plan.worst else ():
            for question in plan.questions:
                self._worst(base, model, question, lines)

    def _keep_firsts(self, stop: int, weight: list[Array], lines: list[Array]) -> None:
        """Keep the lines of the first rows of all, those of positive weight."""
        codes, addresses = (codes[:stop] for codes in self._codes()), self.block.addresses[:stop].astype(np.float64)
        self.firsts = Sample.of(self._of_live(np.stack([*weight, *lines, *codes, addresses])))

    def _of_live(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values of the first rows that have a positive weight."""
        return values if self.live is None else np.take(values, np.flatnonzero(self.live[: values.shape[-1]]), axis=-1)

    def _reduce_groups(self, name: str) -> None:
        """Sum the lines by group of a slicing, or of clusters within one."""
        block, plan = self.block, self.plan
        pairs, cubed = (plan.pairs, plan.cubed) if name in plan.slicings else ((), ())
        groups = BlockGroups(pairs, block.groups[name], block.addresses, self.live, cubed, block.runs)
        lines = self._lines(plan.clusterings.get(name, name), groups.order)
        for line in lines.all():
            groups.add(line)
        self.grouped[name] = groups

    def _keep(self, place: int, kind: str, values: Array) -> None:
        """Make a peak or a sample of the rows of positive weight; codes of groups ride along as last lines."""
        block, plan = self.block, self.plan
        if kind == "peak":
            line = self._of_live(values[0])
            self.wholes[place] = Peak.of(line)
            for name in plan.slicings:
                self.peaks[name, place] = PeaksByGroup.of(line, self._of_live(block.groups[name]))
        else:
            lines = [*values, np.ones(block.rows) if block.weight is None else block.weight, *self._codes()]
            if block.units is not None:
                lines += [(block.units >> np.uint64(32)).astype(np.float64)]
                lines += [(block.units & np.uint64(0xFFFFFFFF)).astype(np.float64)]
            self.wholes[place] = Sample.of(self._of_live(np.stack(lines)))

    def _codes(self) -> list[Array]:
        return [self.block.groups[name].astype(np.float64) for name in self.plan.sample_groups]

    def _write(self, model: str, batch: Batch, rows: list[Array], written: Set[Quantity]) -> None:
        """Fill in a model's lines of what is written out: its per-row losses, but those there are, and gradients."""
        plan = self.plan
        for i, quantity in enumerate(plan.rows_out):
            if quantity.model == model and quantity not in written:
                rows[i] = quantity.term.rows(batch)
        start = len(plan.rows_out)
        for gradient in plan.gradients_out:
            if gradient.model == model:
                question = gradient.question
                shaped = batch if question.output is None else batch.output(question.output)
                by_role = slopes(question.loss, shaped, question.form.name)
                rows[start : start + gradient.width] = np.concatenate([by_role[role] for role, _ in gradient.widths])
            start += gradient.width

    def _watch(self) -> None:
        """Note the couples whose predictions differ in some row."""
        models, activations = self.block.models, self.plan.activations
        for base, candidate in self.plan.watched:
            if base == TARGET:
                same = _is_target(models[candidate])
            else:
                same = activations[base] == activations[candidate] and _alike(models[base], models[candidate])
            if not same:
                self.unlike.add((base, candidate))

    def _compare(self, design: Design, lines: _Lines, by_row: Sequence[Array]) -> None:
        """Keep what comparisons need beside sums: replicates, and rows in time."""
        block, plan = self.block, self.plan
        if plan.resamples and by_row:
            assert block.units is not None
            for name in ("", *plan.slicings):
                values = np.stack([*self._lines(name).all()] if name else by_row)
                codes = block.groups[name] if name else np.zeros(block.rows, dtype=np.int64)
                self.replicates[name] = Replicates(len(values), plan.resamples)
                self.replicates[name].take(values, block.units, codes, design.seed)
        if plan.times is not None:
            self.series = Sample.of(np.stack([*by_row, *self._codes(), block.addresses.astype(np.float64)]))

    def _worst(self, base: str | None, model: str, question: Question, lines: _Lines) -> None:
        """Choose the rows of the block where a model loses most, or most against another one; never where it wins."""
        term, direction = question.row, question.loss.direction
        if term is None:
            return
        rivals = [model] if base is None else [model, base]
        values = [term.rows(lines.batch(rival)) for rival in rivals]
        size = [np.abs(value) if direction == "zero" else -value if direction == "max" else value for value in values]
        excess = size[0]
        if base is not None:
            excess = np.where(size[0] > size[1], size[0] - size[1], -np.inf)
        if self.live is not None:
            excess = np.where(self.live, excess, -np.inf)
        roles = {} if question.form.decided else shown_roles(self.block, rivals[::-1])  # codes say nothing
        facts = np.stack([*values[::-1], *roles.values()])
        addresses = self.block.addresses
        self.worst[(base, model), question.label] = WorstRows.of(
            self.plan.worst, tuple(roles), excess, addresses, facts
        )

    def state(self, breaches: Mapping[Check, Breach]) -> RunState:
        """Return the state of the block."""
        block, plan = self.block, self.plan
        return RunState(
            read=block.read,
            dropped=block.dropped,
            moments=RunState.empty(plan).moments if self.moments is None else self.moments.state(),
            wholes=tuple(self.wholes),
            breaches=breaches,
            missing=block.missing,
            faults=block.faults,
            grouped={name: groups.state() for name, groups in self.grouped.items()},
            peaks=self.peaks,
            replicates=self.replicates,
            series=self.series,
            firsts=self.firsts,
            worst=self.worst,
            unlike=frozenset(self.unlike),
            digest=block.digest,
            digest_kept=block.digest_kept,
            stopped=None if block.stopped is None else (block.stop, block.stopped),
            gaps=block.gaps,
        )


def _alike(base: Mapping[str, NDArray[Any]], candidate: Mapping[str, NDArray[Any]]) -> bool:
    """Whether two models produced the same in every row of a block; the first rows mostly tell."""
    return all(
        np.array_equal(values[..., :FEW], candidate[role][..., :FEW]) and np.array_equal(values, candidate[role])
        for role, values in base.items()
        if role != "target"
    )


def _is_target(roles: Mapping[str, NDArray[Any]]) -> bool:
    """Whether the predictions of a model are the target in every row of a block."""
    target, pred = roles.get("target"), roles.get("pred")
    if target is None or pred is None or target.size != pred.size:
        return False
    target, pred = np.ravel(target), np.ravel(pred)
    return np.array_equal(target[:FEW], pred[:FEW]) and np.array_equal(target, pred)


def shown_roles(block: Block, models: Sequence[str]) -> dict[str, Array]:
    """Return what is shown of a row: its target and the predictions of models, where each is one number."""
    roles = {"target": block.models[models[0]].get("target")}
    roles |= {model: block.models[model].get("pred") for model in models}
    return {
        name: values[0]
        for name, values in roles.items()
        if values is not None and values.ndim == 2 and len(values) == 1
    }
