"""`diff`: what changed from one saved report to another, without any data."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping

from lossctl.errors import UsageError, listed, printable
from lossctl.io.reports import read_report
from lossctl.results.changes import Became, Change, Changes, Side
from lossctl.results.report import Cell, Place, Report, SavedReport
from lossctl.version import __version__


def diff(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> Changes:
    """Compare two saved reports.

    Parameters
    ----------
    old, new
        Paths of reports that lossctl wrote as JSON; one of them may be `-` for standard input.

    Returns
    -------
    Changes
        All entries of both, and warnings about what makes them hard to compare.

    Raises
    ------
    DataError
        A report cannot be read.
    """
    paths = os.fspath(old), os.fspath(new)
    if paths == ("-", "-"):
        raise UsageError("- (standard input) can be read once only")
    before, after = (read_report(path, any_schema=True) for path in paths)
    renamed = _renamed(before.report, after.report)
    left = {_place(cell, renamed): cell for cell in before.report.cells}
    right = {_place(cell, {}): cell for cell in after.report.cells}
    left = _by_parameters(left, right)
    changes = [_change(place, left.get(place), right.get(place)) for place in dict.fromkeys([*right, *left])]
    return Changes(
        _side(before), _side(after), tuple(changes), __version__, tuple(_warnings(before, after, renamed, changes))
    )


def _renamed(old: Report, new: Report) -> Mapping[str, str]:
    """Return what the old models are called now: where each report has one model, those two belong together."""
    pair = old.models, new.models
    return {old.models[0]: new.models[0]} if all(len(models) == 1 for models in pair) else {}


def _place(cell: Cell, renamed: Mapping[str, str]) -> Place:
    return renamed.get(cell.model, cell.model), cell.loss, tuple(cell.slice.items())


def _by_parameters(left: Mapping[Place, Cell], right: Mapping[Place, Cell]) -> dict[Place, Cell]:
    """Give losses that only their labels tell apart the labels that they have now."""
    labels = {(place[0], place[2], cell.parameters): place[1] for place, cell in right.items()}
    found: dict[Place, Cell] = {}
    for place, cell in left.items():
        label = labels.get((place[0], place[2], cell.parameters), place[1])
        now = (place[0], label, place[2])
        found[place if place in right or now in left else now] = cell
    return found


def _change(place: Place, old: Cell | None, new: Cell | None) -> Change:
    known = new or old
    assert known is not None
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
    return Change(
        model=place[0],
        loss=place[1],
        slice=dict(place[2]),
        old_spec=old.spec if old is not None else None,
        new_spec=new.spec if new is not None else None,
        old=old.finite if old is not None else None,
        new=new.finite if new is not None else None,
        old_rows=old.rows if old is not None else None,
        new_rows=new.rows if new is not None else None,
        change=change,
        share=share,
        became=became,
        direction=known.direction,
        reason=reason,
    )


def _became(old: Cell, new: Cell) -> Became:
    if old.parameters != new.parameters or old.direction != new.direction:
        return "other loss"
    if not (math.isfinite(old.value) and math.isfinite(new.value)):
        return "undefined"
    if new.merit == old.merit:
        return "same"
    return "better" if new.merit < old.merit else "worse"


def _side(saved: SavedReport) -> Side:
    report = saved.report
    return Side(saved.label, report.version, saved.schema_version, report.reduction, tuple(saved.digests))


def _warnings(
    before: SavedReport, after: SavedReport, renamed: Mapping[str, str], changes: list[Change]
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
    apart = {change.loss: change for change in changes if change.became == "other loss"}
    for loss, change in apart.items():
        yield f"{printable(loss)}: parameters differ: {change.old_spec} and {change.new_spec}"
    rows = [change for change in changes if not change.slice and change.old_rows != change.new_rows]
    if rows and before.digests == after.digests and any(c.old_rows and c.new_rows for c in rows):
        yield f"rows used differ: {rows[0].old_rows} and {rows[0].new_rows}, others were left out for a missing value"
