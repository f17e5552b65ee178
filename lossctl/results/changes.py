"""Changes: what became of a value from one report to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from lossctl.core.loss import Direction
from lossctl.results.comparison import percent
from lossctl.results.document import PublicResult, Slice

Became = Literal["better", "worse", "same", "undefined", "added", "removed", "other loss"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One loss of one model over all rows or one slice, in two reports.

    change: new - old (of absolute values where the direction is `zero`), share: the same as a share of |old|; None
    where one of them is no number. became: `other loss` where the parameters differ, so that neither is better.
    """

    KEYS: ClassVar = (
        "model loss slice old_spec new_spec old new change change_pct became old_n=old_rows new_n=new_rows direction "
        "reason"
    )

    model: str
    loss: str
    slice: Slice
    old_spec: str | None
    new_spec: str | None
    old: float | None
    new: float | None
    old_rows: int | None
    new_rows: int | None
    change: float | None
    share: float | None
    became: Became
    direction: Direction
    reason: str | None

    @property
    def change_pct(self) -> float | None:
        """The change in percent of |old|."""
        return percent(self.share)


@dataclass(frozen=True)
class Side:
    """Where one of two reports was read, and what it was made of."""

    path: str
    version: str
    schema_version: int
    reduction: str
    data: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Changes(PublicResult):
    """All changes from one report to another, and why the two may not be comparable."""

    KEYS: ClassVar = "old new changes warnings"

    COMMAND: ClassVar = "diff"
    RENDER: ClassVar = "output.changes"

    old: Side
    new: Side
    changes: tuple[Change, ...]
    version: str
    warnings: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        became = [change.became for change in self.changes]
        counts = ", ".join(f"{became.count(word)} {word}" for word in dict.fromkeys(became)) or "none"
        return f"{counts}, from {self.old.path} to {self.new.path}"
