"""The report: finished cells, where their rows came from, and ways out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lossctl import __version__
from lossctl.api.job import Job
from lossctl.core.report import Evaluation, Input
from lossctl.engine.finish import Settings, cells
from lossctl.engine.plan import Plan
from lossctl.engine.tally import Tally
from lossctl.errors import printable
from lossctl.io.blocks import BlockReader

if TYPE_CHECKING:
    import pandas as pd


class Report(Evaluation):
    """The result of `evaluate`: `cells`, `inputs`, `task`, `warnings`, and ways out."""

    def to_frame(self) -> pd.DataFrame:
        """Return one row per model, loss and slice as a pandas frame, at full precision."""
        import pandas as pd

        from lossctl.output.records import flat, record

        return pd.DataFrame([flat(record(cell)) for cell in self.cells])

    def to_json(self) -> str:
        """Return the JSON envelope that `lossctl eval -f json` prints."""
        from lossctl.output.envelope import to_json

        return to_json(self, "eval")


def made_report(
    tally: Tally,
    plan: Plan,
    reader: BlockReader,
    job: Job,
    level: float | None,
    reduction: str,
    weight: str | None,
) -> Report:
    """Finish the cells and say where they came from."""
    digest = reader.digest(tally.read, tally.digest)
    dropped = _dropped(tally, reader)
    used = tally.moments.rows if plan.quantities else tally.read - tally.dropped
    drop = ",".join(f"{count}({name})" for name, count in dropped.items()) or "0"
    signed = "|".join(
        [
            f"drop:{drop}",
            f"w:{printable(weight) if weight else 'none'}",
            f"agg:{reduction}",
            f"ci:{f't{level * 100:g}' if level else 'none'}",
            f"data:{digest}",
            f"v:{__version__}",
        ]
    )

    def where(model: str, row: int) -> str:
        slots = reader.selection.slots[model]
        table = next(iter(slots.values())).table if slots else 0
        return reader.where(table, row)

    made = cells(
        tally, plan, {name: reader.labels(name) for name in plan.slicings}, Settings(level, reduction, signed, where)
    )
    inputs = tuple(
        Input(model, reader.tables[_table(reader, model)].label, digest, tally.read, used, dropped)
        for model in plan.models
    )
    return Report(tuple(made), inputs, job.task, reduction, level, __version__, tuple(_warnings(tally)))


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
