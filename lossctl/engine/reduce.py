"""Reduce: one block to a tally. A pure function of the block and the plan."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch
from lossctl.core.block import Block, Defect
from lossctl.core.breach import Breach, breach
from lossctl.core.domain import NON_NEGATIVE
from lossctl.core.fingerprint import MODULUS
from lossctl.core.grouped import BlockGroups, GroupedMoments, PeaksByGroup
from lossctl.core.loss import Term, is_about_origin, slopes, weighted
from lossctl.core.resample import Replicates
from lossctl.core.state import NEVER, BlockMoments, Moments, Peak, Sample
from lossctl.engine.plan import Check, Couple, Plan, Question
from lossctl.errors import DataError
from lossctl.numerics.array import Array, Mask


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
        keep = np.flatnonzero(excess > 0.0)
        if len(keep) > most:
            least = np.partition(excess[keep], len(keep) - most)[len(keep) - most]
            keep = keep[excess[keep] >= least]
        return cls._chosen(most, names, excess[keep], addresses[keep], facts[:, keep])

    @classmethod
    def _chosen(
        cls, most: int, names: tuple[str, ...], excess: Array, addresses: NDArray[np.int64], facts: Array
    ) -> Self:
        order = np.lexsort((addresses, -excess))[:most]
        return cls(most, names, excess[order], addresses[order], facts[:, order])

    def merge(self, other: WorstRows) -> WorstRows:
        """Choose among the rows of both."""
        return self._chosen(
            self.most,
            self.names,
            np.concatenate([self.excess, other.excess]),
            np.concatenate([self.addresses, other.addresses]),
            np.concatenate([self.facts, other.facts], axis=1),
        )


Breaches = Mapping[Defect, Breach]
NONE = PeaksByGroup()
NOTHING = Sample()
Key = TypeVar("Key", bound=Hashable)
Merges = TypeVar("Merges", GroupedMoments, Replicates, WorstRows)


@dataclass(frozen=True)
class RunState:
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
    def empty(cls, plan: Plan) -> RunState:
        """Return the tally of no rows."""
        width = len(plan.quantities) + int(plan.weighted)
        moments = Moments.empty(width, plan.pairs, plan.cubed)
        return cls(0, 0, moments, tuple(empty_whole(kind) for _, _, kind in plan.wholes))

    def merge(self, later: RunState) -> RunState:
        """Return the tally of both; `later` holds later rows (which only the grouped sums care about)."""
        return RunState(
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


FEW: Final = 64
WEIGHT = Check("", "weight", NON_NEGATIVE, "-w")


def reduce_block(block: Block, plan: Plan, origins: Sequence[float]) -> tuple[RunState, Array]:
    """Judge and reduce one block; return its tally and its per-row losses for the output, if asked for."""
    breaches = _breaches(block, plan) if block.rows else {}
    reduction = _Reduction(block, plan, origins)
    rows = np.empty((plan.lines_out, 0))
    with np.errstate(all="ignore"):
        if block.rows and all(found.first == NEVER for found in breaches.values()):
            rows = reduction.evaluate()
        return reduction.tally(breaches), rows


class _Reduction:
    """The sums, peaks, samples and rows of one block, filled model by model."""

    def __init__(self, block: Block, plan: Plan, origins: Sequence[float]) -> None:
        self.block, self.plan, self.origins = block, plan, origins
        self.live = None if block.weight is None else block.weight > 0.0
        self.batches: dict[str, Batch] = {}
        self.moments: BlockMoments | None = None
        self.grouped: dict[str, BlockGroups] = {}
        self.wholes: list[Peak | Sample] = [empty_whole(kind) for _, _, kind in plan.wholes]
        self.peaks: dict[str, list[PeaksByGroup]] = {}
        self.held: dict[tuple[str, str, Term], Array] = {}
        self.lines: dict[str, list[Array]] = {name: [] for name in ("", *(plan.slicings if plan.resamples else ()))}
        self.replicates: dict[str, Replicates] = {}
        self.kept = NOTHING
        self.worst: dict[tuple[Couple, str], WorstRows] = {}
        self.unlike: set[Couple] = set()

    def evaluate(self) -> Array:
        """Reduce every model's losses; return the per-row losses that are to be written out."""
        block, plan = self.block, self.plan
        live = block.rows if self.live is None else int(np.count_nonzero(self.live))
        self.moments = BlockMoments(plan.pairs, block.addresses, live, plan.cubed)
        self.grouped = {
            name: BlockGroups(plan.pairs, block.groups[name], block.addresses, self.live, plan.cubed)
            for name in plan.slicings
        } | {name: BlockGroups((), block.groups[name], block.addresses, self.live) for name in plan.clusterings}
        self.peaks = {name: [PeaksByGroup()] * len(plan.wholes) for name in plan.slicings}
        if block.weight is not None:
            self._take(block.weight)
            for group in self.grouped.values():
                group.add(block.weight)
            for name in self.lines:
                if name:
                    self.lines[name].append(block.weight)
        rows = np.empty((plan.lines_out, block.rows))
        for model in plan.order:
            batch = self._batch(model, self.origins[0] if self.origins else 0.0)
            self.batches[model] = batch
            self._sums(model)
            for place, (owner, terms, kind) in enumerate(plan.wholes):
                if owner == model:
                    self._whole(place, kind, np.stack([term.rows(batch) for term in terms]))
            self._rows(model, batch, rows)
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

    def _rows(self, model: str, batch: Batch, rows: Array) -> None:
        """Fill in a model's lines of what is written out: its per-row losses, then their gradients."""
        plan = self.plan
        for line, quantity in zip(rows, plan.rows_out, strict=False):
            if quantity.model == model:
                line[:] = quantity.term.rows(batch)
        place = len(plan.rows_out)
        for slope in plan.slopes_out:
            stop = place + sum(width for _, width in slope.widths)
            if slope.model == model:
                question = slope.question
                shaped = batch if question.output is None else batch.output(question.output)
                found = slopes(question.loss, shaped, question.form.name)
                rows[place:stop] = np.concatenate([found[role] for role, _ in slope.widths])
            place = stop

    def _take(self, line: Array, spare: bool = False) -> None:
        assert self.moments is not None
        kept = bool(self.plan.resamples) or self.plan.times is not None
        self.moments.add(line, spare and not kept)
        if kept:
            self.lines[""].append(line)

    def _sums(self, model: str) -> None:
        """Sum a model's lines, and what they are above those of the models before."""
        parents = {name: name for name in self.plan.slicings} | dict(self.plan.clusterings)
        for quantity in self.plan.lines[model]:
            line = partial(self._line, model, quantity.term, quantity.less)
            self._take(line(""), quantity.less is not None)
            for name, group in self.grouped.items():
                group.add(line(parents[name]))
            for name in self.lines if self.plan.resamples else ():
                if name:
                    self.lines[name].append(line(name))
        if model not in self.plan.bases:
            self.held = {key: values for key, values in self.held.items() if key[0] != model}

    def _line(self, model: str, term: Term, less: str | None, slicing: str) -> Array:
        """Return a term's weighted line; what depends on an origin is taken about that of each row's slice."""
        if less is not None:
            return self._line(model, term, None, slicing) - self._line(less, term, None, slicing)
        if slicing not in self.block.origins or not is_about_origin(term.part):
            slicing = ""
        if (model, slicing, term) in self.held:
            return self.held[model, slicing, term]
        batch = self.batches[model]
        if slicing:
            batch = self._batch(model, self.block.origins[slicing])
        line = weighted(term.rows(batch), self.block.weight)
        if self.plan.bases or self.grouped:
            self.held[model, slicing, term] = line
        return line

    def _whole(self, place: int, kind: str, values: Array) -> None:
        """Make a peak or a sample of the rows of positive weight; codes of groups ride along as last lines."""
        block, plan = self.block, self.plan
        weight = np.ones(block.rows) if block.weight is None else block.weight
        keep: Mask = weight > 0.0
        if kind == "peak":
            self.wholes[place] = Peak.of(values[0][keep])
            for name in plan.slicings:
                self.peaks[name][place] = PeaksByGroup.of(values[0][keep], block.groups[name][keep])
        else:
            riders = [block.groups[name].astype(np.float64) for name in plan.sample_groups]
            if block.units is not None:
                riders += [(block.units >> np.uint64(32)).astype(np.float64)]
                riders += [(block.units & np.uint64(0xFFFFFFFF)).astype(np.float64)]
            self.wholes[place] = Sample.of(np.ascontiguousarray(np.stack([*values, weight, *riders])[:, keep]))

    def _compare(self) -> None:
        """Keep what comparisons need beside sums: replicates, rows in time, the worst rows, and whether any differ."""
        block, plan, design = self.block, self.plan, self.plan.design
        assert design is not None
        if plan.resamples and self.lines[""]:
            assert block.units is not None
            for name, lines in self.lines.items():
                codes = block.groups[name] if name else np.zeros(block.rows, dtype=np.int64)
                found = self.replicates[name] = Replicates(len(lines), plan.resamples)
                found.take(np.stack(lines), block.units, codes, design.seed)
        if plan.times is not None:
            riders = [block.groups[name].astype(np.float64) for name in plan.sample_groups]
            self.kept = Sample.of(np.stack([*self.lines[""], *riders, block.addresses.astype(np.float64)]))
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
        base, own = (term.rows(self.batches[model]) for model in couple)
        if loss.direction == "zero":
            excess = np.abs(own) - np.abs(base)
        else:
            excess = own - base if loss.direction == "min" else base - own
        if self.live is not None:
            excess = np.where(self.live, excess, 0.0)
        roles = shown_roles(self.block, couple)
        facts = np.stack([base, own, *roles.values()])
        self.worst[couple, question.label] = WorstRows.of(most, tuple(roles), excess, self.block.addresses, facts)

    def tally(self, breaches: Mapping[Check, Breach]) -> RunState:
        """Return all that was found."""
        block = self.block
        empty = RunState.empty(self.plan)
        return RunState(
            block.read,
            block.dropped,
            empty.moments if self.moments is None else self.moments.state(),
            tuple(self.wholes),
            breaches,
            block.missing,
            block.faults,
            {name: group.state() for name, group in self.grouped.items()},
            {name: tuple(peaks) for name, peaks in self.peaks.items()},
            self.replicates,
            self.kept,
            self.worst,
            frozenset(self.unlike),
            block.digest,
            block.used,
            None if block.stopped is None else (block.stop, block.stopped),
        )


def _alike(left: Mapping[str, NDArray[Any]], right: Mapping[str, NDArray[Any]]) -> bool:
    """Whether two models produced the same in every row of a block; the first rows mostly tell."""
    return all(
        np.array_equal(values[..., :FEW], right[role][..., :FEW]) and np.array_equal(values, right[role])
        for role, values in left.items()
        if role != "target"
    )


def shown_roles(block: Block, couple: Couple) -> dict[str, Array]:
    """Return what is shown of a row: its target and both predictions, where each is one number."""
    found: dict[str, Array] = {}
    base, own = (block.models[model] for model in couple)
    for name, roles, role in (("target", base, "target"), (couple[0], base, "pred"), (couple[1], own, "pred")):
        values = roles.get(role)
        if values is not None and values.ndim == 2 and len(values) == 1:
            found[name] = values[0]
    return found


def _breaches(block: Block, plan: Plan) -> dict[Check, Breach]:
    """Find the rows outside the domains; roles shared by all models are judged once."""
    found = {check: breach(check.domain, values_of(block, plan, check), block.addresses) for check in plan.checks}
    if block.weight is not None:
        found[WEIGHT] = breach(NON_NEGATIVE, block.weight[np.newaxis], block.addresses)
    # one side of a flag is kept even where nothing is wrong: the other side may come in another block
    return {check: finding for check, finding in found.items() if finding != Breach()}


def values_of(block: Block, plan: Plan, check: Check) -> NDArray[np.float64]:
    """Return the values that a check judges."""
    return block.models[check.model or plan.models[0]][check.role]
