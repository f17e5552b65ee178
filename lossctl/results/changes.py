"""Changes: what became of a value from one report to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lossctl.core.loss import Direction

Became = Literal["better", "worse", "same", "undefined", "added", "removed", "other loss"]


@dataclass(frozen=True)
class Change:
    """One loss of one model over all rows or one slice, in two reports.

    change: new - old (of absolute values where the direction is `zero`), share: the same as a share of |old|; None
    where one of them is no number. became: `other loss` where the parameters differ, so that neither is better.
    """

    model: str
    loss: str
    slice: Mapping[str, str]
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


@dataclass(frozen=True)
class Side:
    """Where one of two reports was read, and what it was made of."""

    path: str
    version: str
    schema_version: int
    reduction: str
    data: tuple[str, ...]


@dataclass(frozen=True)
class Changes:
    """All changes from one report to another, and why the two may not be comparable."""

    old: Side
    new: Side
    changes: tuple[Change, ...]
    version: str
    warnings: tuple[str, ...] = ()
