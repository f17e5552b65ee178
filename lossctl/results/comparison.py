"""What `compare`, `check` and `--worst` add to values: differences, rows, checks. A plain `eval` does not read this."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

from lossctl.core.loss import Direction
from lossctl.results.document import Entry, Place, Slice

Outcome = Literal["better", "worse", "equivalent", "undecided"]
Status = Literal["pass", "fail", "warn", "insufficient", "missing", "undefined", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One candidate against one baseline: one loss over all rows or one slice.

    `difference` is candidate - baseline, of absolute values where the direction is `zero`; `relative` is its share
    of |baseline value|. `p` is two-sided, `adjusted` the same after the corrections for many comparisons. `verdict`
    follows from `adjusted`; where it is undecided, or there is no interval, `reason` may say why. `detectable` is
    the difference that these rows find with power 0.8, `needed` the rows that the effect in question would take.
    """

    KEYS: ClassVar = (
        "baseline candidate loss spec slice n=rows clusters baseline_value value delta=difference delta_pct stderr "
        "ci=interval ci_level=level ci_method=method p p_adjusted=adjusted skew detectable needed verdict reason "
        "direction unit"
    )

    baseline: str
    candidate: str
    loss: str
    spec: str
    slice: Slice
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

    @property
    def delta_pct(self) -> float | None:
        """The difference in percent of |baseline value|."""
        return percent(self.relative)


@dataclass(frozen=True)
class WorstRow:
    """A row where a candidate loses most against the baseline, or without one a model on its own.

    `row` is 1-based, of the baseline's table or the model's. key, slice: the words of the key columns (and of a target
    that holds labels, and predicted labels by their model) and of those that tell slices, by column.
    """

    KEYS: ClassVar = "baseline candidate loss row key slice baseline_value value delta=difference roles"

    baseline: str | None
    candidate: str
    loss: str
    row: int
    baseline_value: float | None
    value: float
    difference: float | None
    roles: Mapping[str, float] = field(default_factory=dict)
    key: Mapping[str, str] = field(default_factory=dict)
    slice: Mapping[str, str] = field(default_factory=dict)


class BestSet(NamedTuple):
    """The model confidence set of one loss over all rows or one slice: model -> p-value, and the models in it."""

    loss: str
    slice: Slice
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


@dataclass(frozen=True, kw_only=True)
class Check:
    """One rule judged for one model, over all rows or one slice.

    id: `LOSS.KIND`, with `@COLUMN=VALUE` for a slice. kind: max, min, max-slice, max-regression, or max-dropped, which
    is of rows and not of a loss. `limit` is what the value must not cross, `margin` how far it is on the good side of
    it (negative: crossed), `change` value - baseline (of absolute values where the direction is `zero`),
    `change_share` its share of |baseline|. `interval` is that of the change, for statistical decisions. `rule` words
    the rule, `message` the outcome. effective: how many rows of equal weight those of a weighted value are worth.
    critical: whether the rule names the slice as one that must hold. blocks: whether the check stops what comes next.
    beyond: whether a value is worse than is allowed where the contrary must be shown, and neither is. number: the place
    of its rule among all. note: the part of the message that is shown even where numbers speak for
    themselves.
    """

    KEYS: ClassVar = (
        "id model loss spec slice kind rule status level value limit margin baseline change change_pct n=rows "
        "n_effective=effective ci=interval message critical blocks"
    )

    id: str
    model: str
    loss: str
    spec: str
    slice: Slice
    kind: str
    rule: str
    status: Status
    level: Literal["error", "warn"] = "error"
    value: float | None
    limit: float | None
    margin: float | None
    baseline: float | None = None
    change: float | None = None
    change_share: float | None = None
    rows: int
    interval: tuple[float, float] | None = None
    message: str
    critical: bool = False
    blocks: bool = False
    effective: float | None = None
    beyond: bool = False
    number: int = 0
    note: str = ""

    @property
    def change_pct(self) -> float | None:
        """The change in percent of |baseline|."""
        return percent(self.change_share)


def percent(share: float | None) -> float | None:
    """Return a share in percent."""
    return None if share is None else 100.0 * share


# saved ones ----------------------------------------------------------------------------------------------------------


def comparison_of(entry: Entry, values: Mapping[Place, float]) -> Comparison:
    """Return a comparison; values: of the cells, as JSON has no infinity."""
    loss, items = entry.read("loss", str), tuple(entry.read("slice", Mapping[str, str]).items())
    base, value = (values.get((entry.read(key, str), loss, items), math.nan) for key in ("baseline", "candidate"))
    size = [abs(x) for x in (base, value)] if entry.value("direction") == "zero" else [base, value]
    difference = entry.read("delta", float | None)
    difference = size[1] - size[0] if difference is None else difference
    share = None if entry.value("delta_pct") is None or not base else difference / abs(base)
    return entry.instance(Comparison, baseline_value=base, value=value, difference=difference, relative=share)


def worst_row_of(entry: Entry) -> WorstRow:
    """Return a row; reports of earlier versions have neither its key nor its slice."""
    return entry.instance(WorstRow, **{name: {} for name in ("key", "slice") if name not in entry.values})


def check_of(entry: Entry) -> Check:
    """Return a check."""
    change, base = entry.read("change", float | None), entry.read("baseline", float | None)
    share = None if entry.value("change_pct") is None or not base or change is None else change / abs(base)
    return entry.instance(Check, change_share=share)
