"""Reduce: one block to a tally. A pure function of the block and the plan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch
from lossctl.core.block import Block
from lossctl.core.check import Breach, breach
from lossctl.core.domain import NON_NEGATIVE, Array, Mask
from lossctl.core.grouped import BlockGroups, PeaksByGroup
from lossctl.core.loss import Term, is_about_origin
from lossctl.core.reduction import BlockMoments
from lossctl.core.state import NEVER, Peak, Sample
from lossctl.core.tally import lines
from lossctl.engine.plan import Check, Plan
from lossctl.engine.tally import Tally, empty_whole

WEIGHT = Check("", "weight", NON_NEGATIVE, "-w")


def reduce_block(block: Block, plan: Plan, origin: float) -> tuple[Tally, Array]:
    """Judge and reduce one block; return its tally and its per-row losses for the output, if asked for."""
    breaches = _breaches(block, plan) if block.rows else {}
    reduction = _Reduction(block, plan)
    rows = np.empty((len(plan.rows_out), 0))
    with np.errstate(all="ignore"):
        if block.rows and all(found.first == NEVER for found in breaches.values()):
            rows = reduction.evaluate(origin)
        return reduction.tally(breaches), rows


class _Reduction:
    """The sums, peaks and samples of one block, filled model by model."""

    def __init__(self, block: Block, plan: Plan) -> None:
        self.block, self.plan = block, plan
        self.live = None if block.weight is None else block.weight > 0.0
        self.moments: BlockMoments | None = None
        self.grouped: dict[str, BlockGroups] = {}
        self.wholes: list[Peak | Sample] = [empty_whole(kind) for _, _, kind in plan.wholes]
        self.peaks: dict[str, list[PeaksByGroup]] = {}

    def evaluate(self, origin: float) -> Array:
        """Reduce every model's losses; return the per-row losses that are to be written out."""
        block, plan = self.block, self.plan
        live = block.rows if self.live is None else int(np.count_nonzero(self.live))
        self.moments = BlockMoments(plan.pairs, block.addresses, live)
        self.grouped = {
            name: BlockGroups(plan.pairs, codes, block.addresses, self.live) for name, codes in block.groups.items()
        }
        self.peaks = {name: [PeaksByGroup()] * len(plan.wholes) for name in block.groups}
        if block.weight is not None:
            self.moments.add(block.weight)
            for group in self.grouped.values():
                group.add(block.weight)
        rows = np.empty((len(plan.rows_out), block.rows))
        for model in plan.models:
            batch = Batch(block.models[model], activation=plan.activations[model], origin=origin)
            self._sums(model, batch)
            for place, (owner, terms, kind) in enumerate(plan.wholes):
                if owner == model:
                    self._whole(place, kind, np.stack([term.rows(batch) for term in terms]))
            for line, (owner, term) in zip(rows, plan.rows_out, strict=True):
                if owner == model:
                    line[:] = term.rows(batch)
        return rows

    def _sums(self, model: str, batch: Batch) -> None:
        assert self.moments is not None
        terms = self.plan.terms(model)
        for term, line in zip(terms, lines(batch, terms, self.block.weight), strict=True):
            self.moments.add(line)
            for name, group in self.grouped.items():
                group.add(self._about_own_origin(model, term, name) if self._has_origin(term, name) else line)

    def _has_origin(self, term: Term, slicing: str) -> bool:
        return slicing in self.block.origins and is_about_origin(term.part)

    def _about_own_origin(self, model: str, term: Term, slicing: str) -> Array:
        """Evaluate a term about the origin of each row's slice."""
        block = self.block
        batch = Batch(block.models[model], activation=self.plan.activations[model], origin=block.origins[slicing])
        return next(lines(batch, [term], block.weight))

    def _whole(self, place: int, kind: str, values: Array) -> None:
        """Make a peak or a sample of the rows of positive weight; codes of groups ride along as last lines."""
        block = self.block
        weight = np.ones(block.rows) if block.weight is None else block.weight
        keep: Mask = weight > 0.0
        if kind == "peak":
            self.wholes[place] = Peak.of(values[0][keep])
            for name, codes in block.groups.items():
                self.peaks[name][place] = PeaksByGroup.of(values[0][keep], codes[keep])
        else:
            codes_too = [codes.astype(np.float64) for codes in block.groups.values()]
            self.wholes[place] = Sample.of(np.ascontiguousarray(np.stack([*values, weight, *codes_too])[:, keep]))

    def tally(self, breaches: Mapping[Check, Breach]) -> Tally:
        """Return all that was found."""
        block = self.block
        empty = Tally.empty(self.plan)
        return Tally(
            block.read,
            block.dropped,
            empty.moments if self.moments is None else self.moments.state(),
            tuple(self.wholes),
            breaches,
            block.missing,
            block.faults,
            {name: group.state() for name, group in self.grouped.items()},
            {name: tuple(peaks) for name, peaks in self.peaks.items()},
            block.digest,
            None if block.stopped is None else (block.stop, block.stopped),
        )


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
