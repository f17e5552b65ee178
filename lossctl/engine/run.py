"""Run: blocks to one tally, in threads; NumPy releases the interpreter lock inside its loops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch
from lossctl.core.block import Block
from lossctl.core.check import Breach, breach
from lossctl.core.domain import NON_NEGATIVE, Array, Mask
from lossctl.core.grouped import GroupedMoments, PeaksByGroup
from lossctl.core.loss import is_about_origin
from lossctl.core.state import NEVER, Moments, Peak, Sample
from lossctl.core.tally import quantities
from lossctl.engine.plan import Check, Plan
from lossctl.engine.tally import Tally
from lossctl.errors import DataError

WEIGHT = Check("", "weight", NON_NEGATIVE, "-w")
RowSink = Callable[[Block, Array], None]
Progress = Callable[[int], None]


def run(
    blocks: Iterable[Block],
    plan: Plan,
    *,
    origin: float = 0.0,
    threads: int = 1,
    sink: RowSink | None = None,
    progress: Progress | None = None,
) -> tuple[Tally, DataError | None]:
    """Reduce all blocks. A DataError of the reading side comes back beside what was found before it.

    `sink` takes each block's per-row losses, (losses, rows), in row order.
    """
    total = Tally.empty(plan)
    errors: list[DataError] = []
    for block, tally, rows in _results(_until_error(blocks, errors), plan, origin, threads):
        total = total.merge(tally)
        if sink is not None:
            sink(block, rows)
        if progress is not None:
            progress(block.read)
    return total, errors[0] if errors else None


def _until_error(blocks: Iterable[Block], errors: list[DataError]) -> Iterator[Block]:
    try:
        yield from blocks
    except DataError as error:
        errors.append(error)


def _results(blocks: Iterator[Block], plan: Plan, origin: float, threads: int) -> Iterator[tuple[Block, Tally, Array]]:
    """Reduce blocks and yield the results in row order, with a few blocks under way at a time."""
    if threads == 1:
        for block in blocks:
            yield block, *reduce_block(block, plan, origin)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="lossctl") as pool:
        waiting: deque[tuple[Block, Future[tuple[Tally, Array]]]] = deque()
        for block in blocks:
            waiting.append((block, pool.submit(reduce_block, block, plan, origin)))
            if len(waiting) > 2 * threads:
                done, future = waiting.popleft()
                yield done, *future.result()
        for done, future in waiting:
            yield done, *future.result()


def reduce_block(block: Block, plan: Plan, origin: float) -> tuple[Tally, Array]:
    """Judge and reduce one block; return its tally and its per-row losses for the output, if asked for."""
    breaches = _breaches(block, plan) if block.rows else {}
    empty = replace(
        Tally.empty(plan),
        read=block.read,
        dropped=block.dropped,
        breaches=breaches,
        missing=block.missing,
        faults=block.faults,
    )
    if not block.rows or any(found.first != NEVER for found in breaches.values()):
        return empty, np.empty((len(plan.rows_out), 0))
    with np.errstate(all="ignore"):
        batches = {
            model: Batch(block.models[model], activation=plan.activations[model], origin=origin)
            for model in plan.models
        }
        values = quantities([(batches[model], term) for model, term in plan.quantities], block.weight, block.rows)
        live = None if block.weight is None else block.weight > 0.0
        grouped = {
            name: GroupedMoments.of(
                _about_own_origins(values, plan, block, name), plan.pairs, codes, block.addresses, live
            )
            for name, codes in block.groups.items()
        }
        wholes = [(kind, np.stack([term.rows(batches[model]) for term in terms])) for model, terms, kind in plan.wholes]
        rows = np.empty((len(plan.rows_out), block.rows))
        for line, (model, term) in zip(rows, plan.rows_out, strict=True):
            line[:] = term.rows(batches[model])
        tally = replace(
            empty,
            moments=Moments.of(values, plan.pairs, block.addresses, None if live is None else int(live.sum())),
            wholes=tuple(_whole(kind, lines, block) for kind, lines in wholes),
            grouped=grouped,
            peaks={
                name: tuple(_peaks(kind, lines, codes, block) for kind, lines in wholes)
                for name, codes in block.groups.items()
            },
        )
    return tally, rows


def _about_own_origins(values: Array, plan: Plan, block: Block, slicing: str) -> Array:
    """Copy the quantities for a slicing, those about an origin taken about the origin of each row's slice."""
    copied = values.copy()
    if slicing not in block.origins:
        return copied
    lead = int(plan.weighted)
    for place, (model, term) in enumerate(plan.quantities):
        if is_about_origin(term.part):
            batch = Batch(block.models[model], activation=plan.activations[model], origin=block.origins[slicing])
            copied[lead + place] = quantities([(batch, term)], block.weight, block.rows)[lead]
    return copied


def _breaches(block: Block, plan: Plan) -> dict[Check, Breach]:
    """Find the rows outside the domains; roles shared by all models are judged once."""
    found = {
        check: breach(check.domain, block.models[check.model or plan.models[0]][check.role], block.addresses)
        for check in plan.checks
    }
    if block.weight is not None:
        found[WEIGHT] = breach(NON_NEGATIVE, block.weight[np.newaxis], block.addresses)
    # one side of a flag is kept even where nothing is wrong: the other side may come in another block
    return {check: finding for check, finding in found.items() if finding != Breach()}


def _weighty(block: Block) -> tuple[Array, Mask]:
    weight = np.ones(block.rows) if block.weight is None else block.weight
    return weight, weight > 0.0


def _whole(kind: str, lines: Array, block: Block) -> Peak | Sample:
    """Make a peak or a sample of the rows of positive weight; codes of groups ride along as last lines."""
    weight, keep = _weighty(block)
    if kind == "peak":
        return Peak.of(lines[0][keep])
    codes = [line.astype(np.float64) for line in block.groups.values()]
    return Sample.of(np.ascontiguousarray(np.stack([*lines, weight, *codes])[:, keep]))


def _peaks(kind: str, lines: Array, codes: NDArray[np.int64], block: Block) -> PeaksByGroup:
    keep = _weighty(block)[1]
    return PeaksByGroup.of(lines[0][keep], codes[keep]) if kind == "peak" else PeaksByGroup()
