"""What is kept as a baseline: the envelope of an evaluation alone, of chosen models, whoever made it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from lossctl.output.envelope import as_text, envelope
from lossctl.results.report import Cell, Evaluation, best_models


def kept(report: Evaluation, models: Collection[str], made: Mapping[str, Any] | None = None) -> str:
    """Return the values of some models of a report, without what was concluded, as the JSON text of an evaluation.

    `made` is the document that the report was read from, which says when, where and by what it was made.
    """
    contests: dict[tuple[object, ...], list[Cell]] = {}
    for cell in report.cells:
        contests.setdefault((cell.loss, *cell.slice.items()), []).append(cell)
    cells: dict[int, Cell] = {}
    for rivals in contests.values():
        own = [cell for cell in rivals if cell.model in models]
        best = best_models(own) if any(cell.best for cell in rivals) else set()  # some losses rank no models
        cells |= {id(cell): replace(cell, best=cell.model in best) for cell in own}
    bare = Evaluation(
        tuple(cells[id(cell)] for cell in report.cells if cell.model in models),
        tuple(source for source in report.inputs if source.model in models),
        report.task,
        report.reduction,
        report.level,
        report.version,
    )
    document = envelope(bare, "eval")
    kept_of = {} if made is None else {name: made[name] for name in ("tool", "created", "environment") if name in made}
    return as_text({**document, **kept_of})
