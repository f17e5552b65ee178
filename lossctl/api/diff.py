"""`diff`: what changed from one saved report to another, without any data."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence

from lossctl.errors import UsageError, listed, printable
from lossctl.files import path_of
from lossctl.io.reports import read_report
from lossctl.results.changes import Became, Change, Changes, Side
from lossctl.results.document import Place
from lossctl.results.report import Cell, Report, SavedReport
from lossctl.version import __version__


def diff(old: str | os.PathLike[str] | Report, new: str | os.PathLike[str] | Report) -> Changes:
    """Compare two saved reports.

    Parameters
    ----------
    old, new
        Reports, or paths of reports that lossctl wrote as JSON; one of them may be `-` for standard input.

    Returns
    -------
    Changes
        All entries of both, and warnings about what makes them hard to compare.

    Raises
    ------
    DataError
        A report cannot be read.
    """
    sources = [
        source if isinstance(source, Report) else path_of(source, name) for name, source in (("old", old), ("new", new))
    ]
    if all(source == "-" for source in sources):
        raise UsageError("- (standard input) can be read once only")
    before, after = (read_report(source, any_schema=True) for source in sources)
    renamed = _renamed(before.report, after.report)
    new_cells = {cell.place: cell for cell in after.report.cells}
    old_cells = _old_cells(before.report, renamed, new_cells)
    places = dict.fromkeys([*new_cells, *old_cells])
    changes = tuple(_change(place, old_cells.get(place), new_cells.get(place)) for place in places)
    warnings = tuple(_warnings(before, after, renamed, changes))
    return Changes(_side(before), _side(after), changes, __version__, warnings)


def _renamed(old: Report, new: Report) -> Mapping[str, str]:
    """Return what the old models are called now: where each report has one model, those two belong together."""
    return {old.models[0]: new.models[0]} if len(old.models) == len(new.models) == 1 else {}


def _old_cells(old: Report, renamed: Mapping[str, str], new_cells: Mapping[Place, Cell]) -> dict[Place, Cell]:
    """Return the old cells by the places that they have now, losses that only their labels tell apart among them."""
    labels = {(place[0], place[2], cell.parameters): place[1] for place, cell in new_cells.items()}
    in_place = {(renamed.get(cell.model, cell.model), *cell.place[1:]): cell for cell in old.cells}
    cells: dict[Place, Cell] = {}
    for place, cell in in_place.items():
        model, loss, items = place
        now = model, labels.get((model, items, cell.parameters), loss), items
        cells[place if place in new_cells or now in in_place else now] = cell
    return cells


def _change(place: Place, old: Cell | None, new: Cell | None) -> Change:
    model, loss, items = place
    change = share = reason = None
    became: Became = "added" if old is None else "removed"
    if old is not None and new is not None:
        became = _became(old, new)
        if math.isfinite(old.value) and math.isfinite(new.value):
            zero = new.direction == "zero"
            change = abs(new.value) - abs(old.value) if zero else new.value - old.value
            share = change / abs(old.value) if old.value else None
        reasons = (("old", old.reason), ("new", new.reason))
        reason = "; ".join(f"{name}: {text}" for name, text in reasons if text) or None
    cell = new or old
    assert cell is not None
    return Change(
        model=model,
        loss=loss,
        slice=dict(items),
        old_spec=None if old is None else old.spec,
        new_spec=None if new is None else new.spec,
        old=None if old is None else old.finite,
        new=None if new is None else new.finite,
        old_rows=None if old is None else old.rows,
        new_rows=None if new is None else new.rows,
        change=change,
        share=share,
        became=became,
        direction=cell.direction,
        reason=reason,
    )


def _became(old: Cell, new: Cell) -> Became:
    if old.parameters != new.parameters or old.direction != new.direction:
        return "other loss"
    if not (math.isfinite(old.value) and math.isfinite(new.value)):
        return "undefined"
    if abs(new.merit - old.merit) <= old.rounding:
        return "same"
    return "better" if new.merit < old.merit else "worse"


def _side(saved: SavedReport) -> Side:
    report = saved.report
    return Side(saved.label, report.version, saved.schema_version, report.reduction, tuple(saved.digests))


def _warnings(
    before: SavedReport, after: SavedReport, renamed: Mapping[str, str], changes: Sequence[Change]
) -> Iterator[str]:
    """Yield what makes the values of two reports hard to compare."""
    old, new = before.report, after.report
    for name, now in renamed.items():
        if name != now:
            yield f"the model is called {printable(name)!r} in {before.label}, {printable(now)!r} in {after.label}"
    if before.schema_version != after.schema_version:
        yield f"schemas differ: version {before.schema_version} and {after.schema_version}"
    if before.digests != after.digests:
        yield (
            f"the data differ: digest {listed(before.digests)} and {listed(after.digests)}; a digest covers the row "
            "count and the values of target, weight, key and slices"
        )
    if old.reduction != new.reduction:
        yield f"reductions differ: {old.reduction} and {new.reduction}"
    different = {change.loss: change for change in changes if change.became == "other loss"}
    for loss, change in different.items():
        yield f"{printable(loss)}: parameters differ: {change.old_spec} and {change.new_spec}"
    rows = [change for change in changes if not change.slice and change.old_rows != change.new_rows]
    if before.digests == after.digests and any(change.old_rows and change.new_rows for change in rows):
        yield f"rows used differ: {rows[0].old_rows} and {rows[0].new_rows}, others were left out for a missing value"
