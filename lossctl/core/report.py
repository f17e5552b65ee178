"""Report: the finished cells of an evaluation, with everything that changes their numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lossctl.core.loss import Direction


@dataclass(frozen=True)
class Cell:
    """One loss of one model over all rows or one slice.

    `value` may be infinite or NaN; `status` says so (ok, infinite, undefined, empty) and `reason` says why.
    `interval_reason` says why there is no interval. `best` marks the best model of its loss and slice.
    """

    model: str
    loss: str
    spec: str
    slice: Mapping[str, str]
    rows: int
    weight_sum: float | None
    value: float
    stderr: float | None
    interval: tuple[float, float] | None
    level: float | None
    method: str | None
    interval_reason: str | None
    direction: Direction
    unit: str
    status: str
    reason: str | None
    signature: str
    best: bool = False

    @property
    def finite(self) -> float | None:
        """The value, or None where a strict format has no number for it."""
        return self.value if math.isfinite(self.value) else None


@dataclass(frozen=True)
class Input:
    """Where one model's rows came from, how many there were, and the digest of what they are judged by."""

    model: str
    path: str
    data: str
    rows: int
    used: int
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """The kind of problem, whether it was worked out, and from what."""

    name: str
    inferred: bool
    why: str


@dataclass(frozen=True)
class Evaluation:
    """All cells, model by model within loss within slice, with inputs, task and warnings."""

    cells: tuple[Cell, ...]
    inputs: tuple[Input, ...]
    task: Task | None
    reduction: str
    level: float | None
    version: str
    warnings: tuple[str, ...] = ()

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(cell.model for cell in self.cells))

    @property
    def losses(self) -> list[str]:
        return list(dict.fromkeys(cell.loss for cell in self.cells))

    def slicings(self) -> list[tuple[list[str], list[Cell]]]:
        """Return the cells of the whole data, then of each slicing, with the slicing's columns."""
        found: dict[tuple[str, ...], list[Cell]] = {}
        for cell in self.cells:
            found.setdefault(tuple(cell.slice), []).append(cell)
        return [(list(columns), cells) for columns, cells in found.items()]


def merit(cell: Cell) -> float:
    """Return a number that is lower for a better value, in the loss's own direction."""
    return {"min": cell.value, "max": -cell.value, "zero": abs(cell.value)}[cell.direction]


def best_models(cells: Sequence[Cell]) -> set[str]:
    """Return the models with the best value among cells of one loss and slice; none if there is no contest."""
    rated = {cell.model: merit(cell) for cell in cells if not math.isnan(cell.value)}
    if len(cells) < 2 or not rated:
        return set()
    top = min(rated.values())
    return {model for model, value in rated.items() if value == top and math.isfinite(value)}
