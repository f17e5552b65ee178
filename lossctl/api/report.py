"""The report: finished cells, where their rows came from, and ways out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lossctl import __version__
from lossctl.api.job import Job
from lossctl.api.query import Query
from lossctl.core.design import Design
from lossctl.core.report import Cell, Evaluation, Input, Study, WorstRow
from lossctl.engine.assume import Assumptions, sets_counted
from lossctl.engine.bounds import Weighed
from lossctl.engine.compare import compare
from lossctl.engine.differences import Differences
from lossctl.engine.finish import LARGE_SHARE, Finish, Settings, is_rough, parts
from lossctl.engine.part import Part
from lossctl.engine.plan import Plan, Question
from lossctl.engine.samples import Samples
from lossctl.engine.tally import Tally
from lossctl.errors import DataError, UsageError, listed, near, printable
from lossctl.io.blocks import BlockReader
from lossctl.io.times import ranks
from lossctl.stats.cluster import FEW

if TYPE_CHECKING:
    import pandas as pd


ROUGH = (
    f"intervals may be too narrow, as there are fewer than {FEW} rows or a standard error is more than "
    f"{LARGE_SHARE:.0%} of the value"
)


class Report(Evaluation):
    """The result of `evaluate`: `cells`, `inputs`, `task`, `warnings`, and ways out."""

    def to_frame(self, of: str = "cells") -> pd.DataFrame:
        """Return a pandas frame at full precision: one row per model, loss and slice.

        of: `cells`, or `comparisons` or `checks` for one row for each of these; without any, the frame is empty.
        """
        from lossctl.output.records import check_record, comparison_record, flat, record

        records = {
            "cells": map(record, self.cells),
            "comparisons": map(comparison_record, self.comparisons),
            "checks": map(check_record, self.checks),
        }
        known = list(records)
        if of not in known:
            raise UsageError(f"to_frame: no frame of {of!r}{near(str(of), known)}; one of {listed(known)}")
        import pandas as pd

        return pd.DataFrame([flat(entry) for entry in records[of]])

    def to_json(self) -> str:
        """Return the JSON envelope that `lossctl eval -f json` prints, for a comparison that of `lossctl compare`."""
        from lossctl.output.envelope import to_json

        return to_json(self, "eval" if self.study is None else "compare")

    def _repr_html_(self) -> str:
        """Return tables for a notebook, with the numbers that a terminal shows."""
        from lossctl.output.html import to_html
        from lossctl.output.style import Style

        return to_html(self, Style())


def made_report(tally: Tally, plan: Plan, reader: BlockReader, job: Job, query: Query) -> tuple[Report, Weighed | None]:
    """Finish the cells, compare the models if that was asked, and say where all of it came from.

    With a comparison comes what further bounds can be asked of.
    """
    digest = reader.digest(tally.read, tally.digest)
    dropped = _dropped(tally, reader)
    used = tally.moments.rows if plan.quantities else tally.read - tally.dropped
    kept = reader.digest(used, tally.used)
    drop = ",".join(f"{count}({name})" for name, count in dropped.items()) or "0"
    signed = "|".join(
        [
            f"drop:{drop}",
            f"w:{printable(query.weight) if query.weight else 'none'}",
            f"agg:{query.reduction}",
            *_signed(query.ci, plan.design),
            f"data:{digest}",
            f"v:{__version__}",
        ]
    )

    def where(model: str, row: int) -> str:
        return reader.where(_table(reader, model), row)

    labels = {name: reader.labels(name) for name in (*plan.slicings, *plan.clusterings)}
    samples = Samples(tally)
    assumptions = None
    if plan.design is not None:
        order = np.empty(0, dtype=np.int64) if plan.times is None else _time_order(tally, plan, reader)
        assumptions = Assumptions(tally, plan, plan.design, labels, order, samples)
    finish = Finish(tally, plan, Settings(query.ci, query.reduction, signed, where), samples, assumptions)
    pieces = list(parts(tally, plan, labels))
    made = tuple(chain.from_iterable(map(finish.cells, pieces)))
    inputs = tuple(
        Input(model, reader.tables[_table(reader, model)].label, digest, tally.read, used, kept, dropped)
        for model in plan.models
    )
    warnings = (*_warnings(tally), *_rough(pieces, plan, made, assumptions))
    report = Report(made, inputs, job.task, query.reduction, query.ci, __version__, warnings, plugins=_plugins(plan))
    if assumptions is None:
        return report, None
    design, differences = assumptions.design, Differences(tally, plan, assumptions)
    found = compare(differences, pieces, made)
    resampled = design.method == "bootstrap"
    study = Study(
        design.baseline,
        design.all_pairs,
        design.assumption,
        "none" if design.level is None else design.method,
        found.correction,
        design.level,
        design.resamples if resampled else None,
        design.seed if resampled or found.drawn else None,
        None if design.effect is None else design.effect.text,
    )
    whole = replace(
        report,
        study=study,
        comparisons=found.comparisons,
        best_sets=found.best_sets,
        worst=tuple(_worst(tally, plan, reader)),
        warnings=(*warnings, *found.warnings),
    )
    return whole, Weighed(differences, pieces, made)


def _plugins(plan: Plan) -> tuple[str, ...]:
    """Return package and version of each plug-in that a loss is from."""
    return tuple(dict.fromkeys(question.loss.origin for question in plan.questions if question.loss.origin))


def _rough(pieces: Sequence[Part], plan: Plan, made: Sequence[Cell], assumptions: Assumptions | None) -> Iterator[str]:
    """Warn of intervals that are likely too narrow."""
    questions = {question.label: question for question in plan.questions}
    by_slice = {tuple(part.chosen.items()): part for part in pieces}

    def units(cell: Cell, question: Question) -> int:
        part = by_slice[tuple(cell.slice.items())]
        if assumptions is not None:
            return assumptions.units(part, question)
        sets = sets_counted(plan, part, question)
        return part.view.live if sets is None else round(sets)

    asked = ((cell, questions[cell.loss]) for cell in made if cell.interval is not None)
    found = [cell for cell, question in asked if is_rough(cell, question, units(cell, question))]
    if found:
        places = (
            f"{cell.loss} of {cell.model}" + "".join(f", {column} {word}" for column, word in cell.slice.items())
            for cell in found
        )
        yield f"{ROUGH}: {listed(list(map(printable, places)), 4)}"


def _signed(level: float | None, design: Design | None) -> list[str]:
    """Word what decides the intervals, for the signature."""
    if level is None:
        return ["ci:none"]
    if design is None:
        return [f"ci:t{level * 100:g}"]
    law = {"auto": "t", "bootstrap": "bs"}.get(design.method, design.method)
    words = [f"ci:{law}{level * 100:g}"]
    if design.cluster is not None or design.time is not None:
        words.append(f"rows:{printable(design.assumption)}")
    if design.method == "bootstrap":
        words += [f"bs:{design.resamples}", f"seed:{design.seed}"]
    return words


def _time_order(tally: Tally, plan: Plan, reader: BlockReader) -> NDArray[np.int64]:
    """Return the places of all times in their order; raise DataError where two rows have one time."""
    assert plan.times is not None
    slot = reader.selection.times[plan.times][0]
    column = printable(slot.columns[0])
    words = [word for (word,) in reader.labels(plan.times)]
    kept = [piece[-2:] for piece in tally.kept.pieces]
    codes, addresses = np.concatenate(kept, axis=1).astype(np.int64) if kept else np.empty((2, 0), dtype=np.int64)
    order = np.argsort(addresses)
    codes, addresses = codes[order], addresses[order]
    present, first = np.unique(codes, return_index=True)
    if len(present) < len(codes):
        again = np.setdiff1d(np.arange(len(codes)), first)
        row, word = int(addresses[again[0]]), words[codes[again[0]]]
        raise DataError(
            f"{reader.where(slot.table, row)}, column {column!r}: the time {printable(word)!r} stands in a row before; "
            f"a series has one row for each ({len(again)} such row{'s' * (len(again) > 1)})"
        )
    places = np.zeros(len(words), dtype=np.int64)
    places[codes] = ranks(
        [words[code] for code in codes],
        lambda place: f"{reader.where(slot.table, int(addresses[place]))}, column {column!r}",
    )
    return places


def _worst(tally: Tally, plan: Plan, reader: BlockReader) -> Iterator[WorstRow]:
    """Return the rows where candidates lose most, couple by couple within each loss."""
    assert plan.design is not None
    for question in plan.questions:
        for couple in plan.design.pairs:
            found = tally.worst.get((couple, question.label))
            if found is None:
                continue
            table = _table(reader, couple[0])
            for place, address in enumerate(found.addresses.tolist()):
                base, own, *roles = found.facts[:, place].tolist()
                yield WorstRow(
                    *couple,
                    question.label,
                    reader.row_of(table, address) + 1,
                    base,
                    own,
                    abs(own) - abs(base) if question.loss.direction == "zero" else own - base,
                    dict(zip(found.names, roles, strict=True)),
                )


def _table(reader: BlockReader, model: str) -> int:
    slots = reader.selection.slots[model]
    return next(iter(slots.values())).table if slots else 0


def _dropped(tally: Tally, reader: BlockReader) -> dict[str, int]:
    """Count dropped rows by column and kind of missing value; a row may count more than once."""
    found: dict[str, int] = {}
    several = len(reader.tables) > 1
    for name, breach in sorted(tally.missing.items()):
        place, column, kind = name.split("\0")
        label = f"{reader.tables[int(place)].label}:" if several else ""
        found[f"{label}{column}:{kind}"] = found.get(f"{label}{column}:{kind}", 0) + breach.count
    return found


def _warnings(tally: Tally) -> Iterator[str]:
    if tally.dropped:
        yield f"{tally.dropped} of {tally.read} rows left out for a missing value"
