"""Reduce: one block of rows to a mergeable state. A pure function of the block and the plan."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch
from lossctl.core.block import MODULUS, Block, Breach, Defect, breach
from lossctl.core.domain import NON_NEGATIVE
from lossctl.core.grouped import BlockGroups, GroupedMoments, PeaksByGroup
from lossctl.core.loss import Term, is_about_origin, slopes, weighted
from lossctl.core.resample import Replicates
from lossctl.core.state import NEVER, BlockMoments, Moments, Peak, Sample
from lossctl.engine.plan import Check, Couple, Plan, Question
from lossctl.errors import DataError
from lossctl.numerics.array import Array, Mask

WEIGHT: Final = Check("", "weight", NON_NEGATIVE, "-w")
FEW: Final = 64  # rows of which most differ where any do
NOTHING: Final = Sample()

# the state -------------------------------------------------------------------------------------------------------


class Mergeable(Protocol):
    """A state, of which that of the rows of two can be made."""

    def merge(self, later: Self, /) -> Self:
        """Return the state of the rows of two."""


Key = TypeVar("Key", bound=Hashable)
State = TypeVar("State", bound=Mergeable)


def merged(states: Mapping[Key, State], later: Mapping[Key, State]) -> dict[Key, State]:
    """Merge states key by key."""
    return {**states, **later, **{key: states[key].merge(later[key]) for key in states.keys() & later.keys()}}


@dataclass(frozen=True)
class WorstRows:
    """At most `most` rows of the largest excess, the first of equal ones; (names, rows) `facts` of them."""

    most: int
    names: tuple[str, ...]
    excess: Array
    addresses: NDArray[np.int64]
    facts: Array

    @classmethod
    def of(cls, most: int, names: tuple[str, ...], excess: Array, addresses: NDArray[np.int64], facts: Array) -> Self:
        """Choose among the rows of a block; a NaN is no excess, and rows that lose nothing are left out."""
        rows = np.flatnonzero(excess > 0.0)
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


@dataclass(frozen=True, kw_only=True)
class RunState:
    """Counts of rows, exact sums, peaks and samples, breaches, and sums and peaks by group of each slicing.

    The last lines of a sample's pieces are the group codes, one line for each slicing in order. grouped and
    replicates go by the name of a grouping, "" being all rows; peaks by it and the place in `wholes`. series: the
    lines of all quantities, the codes of the slicings and the times, and the address, row by row. worst: by couple of
    models and label of a loss. unlike: the couples whose predictions differ anywhere. digest: the fingerprint of the
    rows read, used: of those that are kept. stopped: the first row that could not be read, and why.
    """

    read: int
    dropped: int
    moments: Moments
    wholes: tuple[Peak | Sample, ...]
    breaches: Mapping[Check, Breach] = field(default_factory=dict)
    missing: Mapping[Defect, Breach] = field(default_factory=dict)
    faults: Mapping[Defect, Breach] = field(default_factory=dict)
    grouped: Mapping[str, GroupedMoments] = field(default_factory=dict)
    peaks: Mapping[tuple[str, int], PeaksByGroup] = field(default_factory=dict)
    replicates: Mapping[str, Replicates] = field(default_factory=dict)
    series: Sample = NOTHING
    worst: Mapping[tuple[Couple, str], WorstRows] = field(default_factory=dict)
    unlike: frozenset[Couple] = frozenset()
    digest: int = 0
    used: int = 0
    stopped: tuple[int, DataError] | None = None

    @classmethod
    def empty(cls, plan: Plan) -> RunState:
        """Return the state of no rows."""
        moments = Moments.empty(len(plan.quantities) + int(plan.weighted), plan.pairs, plan.cubed)
        return cls(read=0, dropped=0, moments=moments, wholes=empty_wholes(plan))

    def merge(self, later: RunState) -> RunState:
        """Return the state of the rows of two; `later` holds later rows (which only the grouped sums care about)."""
        return RunState(
            read=self.read + later.read,
            dropped=self.dropped + later.dropped,
            moments=self.moments.merge(later.moments),
            wholes=tuple(a.merge(b) for a, b in zip(self.wholes, later.wholes, strict=True)),  # type: ignore[arg-type]  # kinds never mix
            breaches=merged(self.breaches, later.breaches),
            missing=merged(self.missing, later.missing),
            faults=merged(self.faults, later.faults),
            grouped=merged(self.grouped, later.grouped),
            peaks=merged(self.peaks, later.peaks),
            replicates=merged(self.replicates, later.replicates),
            series=self.series.merge(later.series),
            worst=merged(self.worst, later.worst),
            unlike=self.unlike | later.unlike,
            digest=(self.digest + later.digest) % MODULUS,
            used=(self.used + later.used) % MODULUS,
            stopped=min(filter(None, (self.stopped, later.stopped)), key=lambda stop: stop[0], default=None),
        )


def empty_wholes(plan: Plan) -> tuple[Peak | Sample, ...]:
    """Return the peaks and samples of no rows."""
    return tuple(Peak() if kind == "peak" else Sample() for _, _, kind in plan.wholes)


# the reduction ---------------------------------------------------------------------------------------------------


def reduce_block(block: Block, plan: Plan, origins: Sequence[float]) -> tuple[RunState, Array]:
    """Judge and reduce one block; return its state and the lines of numbers that are written for each row."""
    breaches = _breaches(block, plan) if block.rows else {}
    reduction = _Reduction(block, plan, origins)
    rows = np.empty((plan.lines_out, 0))
    with np.errstate(all="ignore"):
        if block.rows and all(finding.first == NEVER for finding in breaches.values()):
            rows = reduction.evaluate()
        return reduction.state(breaches), rows


def _breaches(block: Block, plan: Plan) -> dict[Check, Breach]:
    """Find the rows outside the domains; roles shared by all models are judged once."""
    values = {check: block.models[check.model or plan.models[0]][check.role] for check in plan.checks}
    if block.weight is not None:
        values[WEIGHT] = block.weight[np.newaxis]
    breaches = {check: breach(check.domain, values[check], block.addresses) for check in values}
    # one side of a flag is kept even where nothing is wrong: the other side may come in another block
    return {check: finding for check, finding in breaches.items() if finding != Breach()}


class _Reduction:
    """The sums, peaks, samples and rows of one block, filled model by model."""

    def __init__(self, block: Block, plan: Plan, origins: Sequence[float]) -> None:
        self.block, self.plan, self.origins = block, plan, origins
        self.live: Mask | None = None if block.weight is None else block.weight > 0.0
        self.batches: dict[str, Batch] = {}
        self.moments: BlockMoments | None = None
        self.grouped: dict[str, BlockGroups] = {}
        self.wholes = list(empty_wholes(plan))
        self.peaks: dict[tuple[str, int], PeaksByGroup] = {}
        self.computed: dict[tuple[str, str, Term], Array] = {}  # weighted lines that are needed once more
        # the lines of all rows, and about each slicing's origins, where more than their sums is needed
        self.lines: dict[str, list[Array]] = {"": []} if plan.resamples or plan.times is not None else {}
        self.lines |= {name: [] for name in plan.slicings} if plan.resamples else {}
        self.replicates: dict[str, Replicates] = {}
        self.series = NOTHING
        self.worst: dict[tuple[Couple, str], WorstRows] = {}
        self.unlike: set[Couple] = set()

    def evaluate(self) -> Array:
        """Reduce every model's losses; return the (lines, rows) numbers that are to be written out."""
        block, plan = self.block, self.plan
        live = block.rows if self.live is None else int(np.count_nonzero(self.live))
        self.moments = BlockMoments(plan.pairs, block.addresses, live, plan.cubed)
        for name in (*plan.slicings, *plan.clusterings):
            pairs, cubed = (plan.pairs, plan.cubed) if name in plan.slicings else ((), ())
            self.grouped[name] = BlockGroups(pairs, block.groups[name], block.addresses, self.live, cubed)
        if block.weight is not None:
            weight = block.weight
            self._add(lambda slicing: weight)
        rows = np.empty((plan.lines_out, block.rows))
        for model in plan.order:
            batch = self.batches[model] = self._batch(model, self.origins[0] if self.origins else 0.0)
            for quantity in plan.lines[model]:
                self._add(partial(self._line, model, quantity.term, quantity.less), quantity.less is not None)
            if model not in plan.bases:
                self.computed = {key: line for key, line in self.computed.items() if key[0] != model}
            for place, (owner, terms, kind) in enumerate(plan.wholes):
                if owner == model:
                    self._keep(place, kind, np.stack([term.rows(batch) for term in terms]))
            if plan.lines_out:
                self._write(model, batch, rows)
            if plan.design is None or not plan.design.worst:  # its derived quantities are needed no more
                del self.batches[model]
        if plan.design is not None:
            self._compare()
        return rows

    def _batch(self, model: str, origin: float | Array) -> Batch:
        plan = self.plan
        return Batch(
            self.block.models[model],
            activation=plan.activations[model],
            origin=origin,
            origins=self.origins,
            gap=plan.gap,
            classes=plan.classes,
        )

    def _add(self, line: Callable[[str], Array], spare: bool = False) -> None:
        """Sum a line, which is made for all rows ("") or about the origins of a slicing; see `BlockMoments.add`."""
        assert self.moments is not None
        values = line("")
        self.moments.add(values, spare and not self.lines)
        for name, groups in self.grouped.items():
            groups.add(line(self.plan.clusterings.get(name, name)))
        for name, lines in self.lines.items():
            lines.append(line(name) if name else values)

    def _line(self, model: str, term: Term, less: str | None, slicing: str) -> Array:
        """Return a term's weighted line; what depends on an origin is taken about that of each row's slice."""
        if less is not None:
            return self._line(model, term, None, slicing) - self._line(less, term, None, slicing)
        if slicing not in self.block.origins or not is_about_origin(term.part):
            slicing = ""
        if (model, slicing, term) in self.computed:
            return self.computed[model, slicing, term]
        batch = self._batch(model, self.block.origins[slicing]) if slicing else self.batches[model]
        line = weighted(term.rows(batch), self.block.weight)
        if self.plan.bases or self.grouped:
            self.computed[model, slicing, term] = line
        return line

    def _keep(self, place: int, kind: str, values: Array) -> None:
        """Make a peak or a sample of the rows of positive weight; codes of groups ride along as last lines."""
        block, plan = self.block, self.plan
        weight = np.ones(block.rows) if block.weight is None else block.weight
        live: Mask = weight > 0.0
        if kind == "peak":
            self.wholes[place] = Peak.of(values[0][live])
            for name in plan.slicings:
                self.peaks[name, place] = PeaksByGroup.of(values[0][live], block.groups[name][live])
        else:
            lines = [*values, weight, *self._codes()]
            if block.units is not None:
                lines += [(block.units >> np.uint64(32)).astype(np.float64)]
                lines += [(block.units & np.uint64(0xFFFFFFFF)).astype(np.float64)]
            self.wholes[place] = Sample.of(np.ascontiguousarray(np.stack(lines)[:, live]))

    def _codes(self) -> list[Array]:
        return [self.block.groups[name].astype(np.float64) for name in self.plan.sample_groups]

    def _write(self, model: str, batch: Batch, rows: Array) -> None:
        """Fill in a model's lines of what is written out: its per-row losses, then their gradients."""
        plan = self.plan
        for line, quantity in zip(rows, plan.rows_out, strict=False):
            if quantity.model == model:
                line[:] = quantity.term.rows(batch)
        start = len(plan.rows_out)
        for gradient in plan.gradients_out:
            if gradient.model == model:
                question = gradient.question
                shaped = batch if question.output is None else batch.output(question.output)
                by_role = slopes(question.loss, shaped, question.form.name)
                rows[start : start + gradient.width] = np.concatenate([by_role[role] for role, _ in gradient.widths])
            start += gradient.width

    def _compare(self) -> None:
        """Keep what comparisons need beside sums: replicates, rows in time, the worst rows, and whether any differ."""
        block, plan, design = self.block, self.plan, self.plan.design
        assert design is not None
        if plan.resamples and self.lines[""]:
            assert block.units is not None
            for name, lines in self.lines.items():
                codes = block.groups[name] if name else np.zeros(block.rows, dtype=np.int64)
                self.replicates[name] = Replicates(len(lines), plan.resamples)
                self.replicates[name].take(np.stack(lines), block.units, codes, design.seed)
        if plan.times is not None:
            self.series = Sample.of(np.stack([*self.lines[""], *self._codes(), block.addresses.astype(np.float64)]))
        for couple in design.pairs:
            same_scale = plan.activations[couple[0]] == plan.activations[couple[1]]
            if not (same_scale and _alike(*(block.models[model] for model in couple))):
                self.unlike.add(couple)
            for question in plan.questions if design.worst else ():
                self._worst(couple, question, design.worst)

    def _worst(self, couple: Couple, question: Question, most: int) -> None:
        """Choose the rows of the block where the candidate loses most."""
        loss, term = question.loss, question.row
        if term is None:
            return
        base, candidate = (term.rows(self.batches[model]) for model in couple)
        if loss.direction == "zero":
            excess = np.abs(candidate) - np.abs(base)
        else:
            excess = candidate - base if loss.direction == "min" else base - candidate
        if self.live is not None:
            excess = np.where(self.live, excess, 0.0)
        roles = {} if question.form.decided else shown_roles(self.block, couple)  # codes say nothing
        facts = np.stack([base, candidate, *roles.values()])
        self.worst[couple, question.label] = WorstRows.of(most, tuple(roles), excess, self.block.addresses, facts)

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
            worst=self.worst,
            unlike=frozenset(self.unlike),
            digest=block.digest,
            used=block.digest_kept,
            stopped=None if block.stopped is None else (block.stop, block.stopped),
        )


def _alike(base: Mapping[str, NDArray[Any]], candidate: Mapping[str, NDArray[Any]]) -> bool:
    """Whether two models produced the same in every row of a block; the first rows mostly tell."""
    return all(
        np.array_equal(values[..., :FEW], candidate[role][..., :FEW]) and np.array_equal(values, candidate[role])
        for role, values in base.items()
        if role != "target"
    )


def shown_roles(block: Block, couple: Couple) -> dict[str, Array]:
    """Return what is shown of a row: its target and the predictions of two models, where each is one number."""
    base, candidate = (block.models[model] for model in couple)
    roles = {"target": base.get("target"), couple[0]: base.get("pred"), couple[1]: candidate.get("pred")}
    return {
        name: values[0]
        for name, values in roles.items()
        if values is not None and values.ndim == 2 and len(values) == 1
    }
