"""Compare: differences, corrected for their number, to comparisons with verdicts, and the models that may be best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lossctl.core.design import Design
from lossctl.core.report import BestSet, Cell, Comparison, Outcome, merit
from lossctl.engine.differences import ALIKE, Difference, Differences, Family
from lossctl.engine.part import Part
from lossctl.engine.plan import Couple, Plan
from lossctl.errors import listed
from lossctl.numerics.array import Array
from lossctl.stats import cluster, multiple, series
from lossctl.stats.series import Series, autocorrelation
from lossctl.stats.student import normal_quantile

POWER: Final = 0.8


@dataclass(frozen=True)
class Compared:
    """All comparisons of one run, the model confidence sets, the correction in words, and what to beware of.

    drawn: whether random numbers had a part in them.
    """

    comparisons: tuple[Comparison, ...]
    best_sets: tuple[BestSet, ...]
    correction: str
    drawn: bool
    warnings: tuple[str, ...]


def compare(maker: Differences, parts: Sequence[Part], cells: Sequence[Cell]) -> Compared:
    """Compare all couples; `cells` are those of the parts, in order."""
    design, plan = maker.design, maker.plan
    by_place = {(tuple(cell.slice.items()), cell.loss, cell.model): cell for cell in cells}
    families, rows = [], []
    for part in parts:
        for question in plan.questions:
            mine = {m: by_place[tuple(part.chosen.items()), question.label, m] for m in plan.models}
            families.append(maker.family(part, question, mine))
            rows.append(mine)
    found = [
        _comparison(maker, family, difference, couple, mine, p)
        for family, mine, adjusted in zip(families, rows, adjusted_p(families, design), strict=True)
        for couple, difference, p in zip(design.pairs, family.found, adjusted, strict=True)
    ]
    asked = zip(families, rows, strict=True) if design.all_pairs else ()
    sets = [best_set(family, mine, plan, design) for family, mine in asked]
    return Compared(
        tuple(found),
        tuple(each for each in sets if each is not None),
        correction(design, families),
        design.level is not None and len(design.pairs) > 1,
        tuple(_warnings(maker, families, rows)),
    )


def correction(design: Design, families: Sequence[Family]) -> str:
    """Name how p-values are adjusted."""
    tested = [family for family in families if any(found.p is not None for found in family.found)]
    words = []
    if len(design.pairs) > 1 and tested:
        apart = dict.fromkeys(family.question.label for family in tested if not _joined(family, design))
        words.append(f"max-T over {len(design.pairs)} {'couples of models' if design.all_pairs else 'models'}")
        words[0] += f" (Bonferroni for {listed(list(apart))})" if apart else ""
    if len(tested) > 1:
        words.append(f"Holm over {len(tested)} losses and slices")
    return ", ".join(words) or "none"


def _joined(family: Family, design: Design) -> bool:
    """Whether the differences of a family have a joint law."""
    return covariance(family, design) is not None and family.question.loss.direction != "zero"


def _comparison(
    maker: Differences, family: Family, found: Difference, couple: Couple, cells: Mapping[str, Cell], p: float | None
) -> Comparison:
    design = maker.design
    base, own = (cells[model] for model in couple)
    apart = maker.apart(family.part, family.question, couple, cells)
    size = abs(base.value)
    significant = p is not None and design.level is not None and p <= 1.0 - design.level
    outcome: Outcome = "undecided"
    if significant and found.guard is None:
        outcome = "better" if (apart < 0.0) == (own.direction != "max") else "worse"
    detectable, needed = None, None
    if found.stderr and design.level is not None and design.effect is not None:
        detectable = (normal_quantile(design.level) + normal_quantile(2.0 * POWER - 1.0)) * found.stderr
        effect = design.effect.amount * (size if design.effect.relative else 1.0)
        times = detectable / effect if effect > 0.0 else math.inf
        rows = family.part.view.live * times * times  # a power would raise where a product is infinite
        needed = math.ceil(rows) if math.isfinite(rows) else None
    return Comparison(
        baseline=couple[0],
        candidate=couple[1],
        loss=own.loss,
        spec=own.spec,
        slice=own.slice,
        rows=own.rows,
        clusters=found.units if design.cluster is not None else None,
        baseline_value=base.value,
        value=own.value,
        difference=apart,
        relative=apart / size if size > 0.0 and math.isfinite(apart) else None,
        stderr=found.stderr,
        interval=found.interval,
        level=design.level if found.interval else None,
        method=found.method,
        p=found.p,
        adjusted=p,
        skew=found.skew,
        verdict=outcome,
        reason=found.why or (found.guard if significant else _at_floor(design, found)),
        direction=own.direction,
        unit=own.unit,
        detectable=detectable,
        needed=needed,
    )


def _at_floor(design: Design, found: Difference) -> str | None:
    """Say that the resamples are too few, where none of them contradicts a difference that is not shown."""
    if found.method != "bootstrap" or found.p is None or found.p > 2.0 / (design.resamples + 1):
        return None
    return f"{design.resamples} resamples show no p-value below {found.p:.2g}; take more (--resamples)"


def adjusted_p(families: Sequence[Family], design: Design) -> list[list[float | None]]:
    """Adjust p-values by max-T within families and by Holm across them."""
    within = [_within(family, design) for family in families]
    result: list[list[float | None]] = []
    for family, values in zip(families, multiple.holm(within), strict=True):
        left = iter(values)
        result.append([None if found.p is None else next(left) for found in family.found])
    return result


def _within(family: Family, design: Design) -> list[float]:
    """Adjust p-values within one loss and part; by Bonferroni where there is no joint law."""
    tested = [(couple, found) for couple, found in zip(design.pairs, family.found, strict=True) if found.p is not None]
    p = [found.p for _, found in tested if found.p is not None]
    joint = covariance(family, design)
    if len(p) < 2:
        return p
    if joint is None or family.spread is None or not _joined(family, design):
        return [min(len(p) * own, 1.0) for own in p]
    models, whole = joint
    rows = np.zeros((len(tested), len(models)))
    for row, ((base, own), _) in zip(rows, tested, strict=True):
        row[models.index(own)], row[models.index(base)] = 1.0, -1.0
    among = rows @ whole @ rows.T
    length = np.sqrt(np.maximum(np.diagonal(among), np.finfo(float).tiny))
    correlation = np.clip(among / np.outer(length, length), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    scores = [found.score for _, found in tested]
    return multiple.max_t(scores, family.spread.freedom, p, correlation, design.seed)


def covariance(family: Family, design: Design) -> tuple[list[str], Array] | None:
    """Return all models, the baseline first, and the covariance of their differences from it.

    In units of the largest standard error, so that it stays in the float range; None where a model has no spread.
    """
    against = [
        (couple[1], found)
        for couple, found in zip(design.pairs, family.found, strict=True)
        if couple[0] == design.baseline
    ]
    tested = [place + 1 for place, (_, found) in enumerate(against) if found.p is not None]
    if family.spread is None or any(found.p is None and found.why != ALIKE for _, found in against):
        return None
    stderrs = family.spread.stderrs[: len(tested)]
    scale = stderrs / np.max(stderrs, initial=0.0)
    whole = np.zeros((len(against) + 1, len(against) + 1))
    whole[np.ix_(tested, tested)] = family.spread.correlation * np.outer(scale, scale)
    return [design.baseline, *(model for model, _ in against)], whole


def best_set(family: Family, cells: Mapping[str, Cell], plan: Plan, design: Design) -> BestSet | None:
    """Return the model confidence set of one loss over one part, None where some model has no spread."""
    joint = covariance(family, design)
    if joint is None or design.level is None or family.spread is None:
        return None
    models, whole = joint
    top = float(np.max(family.spread.stderrs[: len(family.spread.correlation)]))
    costs = [(merit(cells[model]) - merit(cells[models[0]])) / top for model in models]
    p, kept = multiple.best_set(costs, whole, design.level, design.seed)
    by_model = dict(zip(models, p, strict=True))
    return BestSet(
        family.question.label,
        family.part.chosen,
        design.level,
        {model: by_model[model] for model in plan.models},
        tuple(model for model in plan.models if models.index(model) in kept),
    )


def _warnings(maker: Differences, families: Sequence[Family], rows: Sequence[Mapping[str, Cell]]) -> list[str]:
    """Say what makes intervals too narrow: few clusters, or rows in time that follow each other closely."""
    design = maker.design
    counted = [found.units for family in families for found in family.found if found.units is not None]
    few = counted if design.cluster is not None else []
    if few and min(few) < cluster.FEW:
        return [f"as few as {min(few)} clusters: below {cluster.FEW} intervals are somewhat too narrow"]
    if design.time is None or design.horizon > 1 or design.level is None:
        return []
    for family, cells in zip(families, rows, strict=True):
        if family.part.group is None and family.question.loss.keeps == "moments" and family.spread is not None:
            for couple, found in zip(design.pairs, family.found, strict=True):
                contrast = maker.between(family.part, family.question, couple, cells) if found.p is not None else ""
                inference = maker.assumptions.of(family.part, family.question)
                if isinstance(contrast, str) or not isinstance(inference, Series):
                    continue
                shared = autocorrelation(inference.scores([contrast])[0])
                if shared > max(series.CORRELATED, 2.0 / math.sqrt(family.part.view.live)):
                    return [
                        f"differences follow each other closely ({family.question.label} of {couple[1]}: correlation "
                        f"{shared:.2f} with the row before), so p-values are too small; is the horizon longer than 1?"
                    ]
    return []
