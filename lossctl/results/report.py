"""Report: the finished cells of an evaluation, with everything that changes their numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lossctl.core.loss import Direction

Outcome = Literal["better", "worse", "undecided"]
Status = Literal["pass", "fail", "warn", "insufficient", "missing", "undefined", "skipped"]
Verdict = Literal["pass", "fail", "inconclusive"]


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
    """Where one model's rows came from, how many there were, and the digest of what they are judged by.

    `kept` is the digest of which of them were used, told apart by key or by their order.
    """

    model: str
    path: str
    data: str
    rows: int
    used: int
    kept: str
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """The kind of problem, whether it was worked out, and from what."""

    name: str
    inferred: bool
    why: str


@dataclass(frozen=True)
class Comparison:
    """One candidate against one baseline: one loss over all rows or one slice.

    `difference` is candidate - baseline, of absolute values where the direction is `zero`; `relative` is its share
    of |baseline value|. `p` is two-sided, `adjusted` the same after the corrections for many comparisons. `verdict`
    follows from `adjusted`; where it is undecided, or there is no interval, `reason` may say why. `detectable` is
    the difference that these rows find with power 0.8, `needed` the rows that the asked effect would take.
    """

    baseline: str
    candidate: str
    loss: str
    spec: str
    slice: Mapping[str, str]
    rows: int
    clusters: int | None
    baseline_value: float
    value: float
    difference: float
    relative: float | None
    stderr: float | None
    interval: tuple[float, float] | None
    level: float | None
    method: str | None
    p: float | None
    adjusted: float | None
    skew: float | None
    verdict: Outcome
    reason: str | None
    direction: Direction
    unit: str
    detectable: float | None = None
    needed: int | None = None


@dataclass(frozen=True)
class WorstRow:
    """A row where a candidate loses most against the baseline; `row` is 1-based, of the baseline's table."""

    baseline: str
    candidate: str
    loss: str
    row: int
    baseline_value: float
    value: float
    difference: float
    roles: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class BestSet:
    """The model confidence set of one loss over all rows or one slice: model -> p-value, and the models kept."""

    loss: str
    slice: Mapping[str, str]
    level: float
    p: Mapping[str, float]
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """How models were compared: everything besides the data that the comparisons depend on."""

    baseline: str
    all_pairs: bool
    assumption: str
    method: str
    correction: str
    level: float | None
    resamples: int | None = None
    seed: int | None = None
    effect: str | None = None


@dataclass(frozen=True)
class Check:
    """One rule judged for one model, over all rows or one slice.

    id: `LOSS.KIND`, with `@COLUMN=VALUE` for a slice. kind: max, min, max-slice or max-regression. `limit` is what
    the value must not cross, `margin` how far it is on the good side of it (negative: crossed), `change` value -
    baseline (of absolute values where the direction is `zero`), `change_share` its share of |baseline|. `interval`
    is that of the change, for statistical decisions. `rule` words the rule, `message` what came of it.
    """

    id: str
    model: str
    loss: str
    spec: str
    slice: Mapping[str, str]
    kind: str
    rule: str
    status: Status
    level: Literal["error", "warn"]
    value: float | None
    limit: float | None
    margin: float | None
    baseline: float | None
    change: float | None
    change_share: float | None
    rows: int
    interval: tuple[float, float] | None
    message: str


@dataclass(frozen=True)
class Evaluation:
    """All cells, model by model within loss within slice, with inputs, task and warnings.

    A comparison adds `study`, `comparisons`, `worst` and `best_sets`; a check adds `checks`, `verdict` and, in
    `advice`, the commands to run next. plugins: package and version of each plug-in that a loss is from.
    """

    cells: tuple[Cell, ...]
    inputs: tuple[Input, ...]
    task: Task | None
    reduction: str
    level: float | None
    version: str
    warnings: tuple[str, ...] = ()
    study: Study | None = None
    comparisons: tuple[Comparison, ...] = ()
    worst: tuple[WorstRow, ...] = ()
    best_sets: tuple[BestSet, ...] = ()
    checks: tuple[Check, ...] = ()
    verdict: Verdict | None = None
    advice: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()

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
