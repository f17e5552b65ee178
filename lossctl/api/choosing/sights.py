"""Sights: the findings that a report of advice lists, each number beside its threshold and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator

from lossctl.api.choosing import thresholds as at
from lossctl.api.choosing.case import Case
from lossctl.api.choosing.kinds import CLASSED
from lossctl.api.choosing.outputs import DECISIONS, LOG_SOFTMAX, SIGMOID, SOFTMAX, Output
from lossctl.errors import printable
from lossctl.profile.numbers import NumberSummary
from lossctl.results.advice import Finding

FEW = 3  # labels that are named


def sights(case: Case, output: Output | None) -> tuple[Finding, ...]:
    """Return everything that was seen of the target, the predictions and what lies between them."""
    return (*_target(case), *_labels(case), *_predictions(case, output), *_errors(case), *_embeddings(case))


def _ends(line: NumberSummary) -> str:
    return f"{line.low:.6g} to {line.high:.6g}"


def _target(case: Case) -> Iterator[Finding]:
    target = case.line("target")
    if target is None or not target.count:
        return
    yield Finding("target", "range", _ends(target), "whole numbers" if target.whole else "")
    if case.kind == "constant":
        return
    if case.task == "regression":
        yield from _numbers(case, target)
    elif case.kind in ("multilabel", "masks"):
        masks = case.kind == "masks"
        yield Finding(
            "target",
            "share of ones",
            case.ones,
            ("a small foreground" if case.small_foreground else "no small foreground") if masks else "",
            at.FOREGROUND if masks else None,
            "share",
        )
        size = "masks" if masks else "labels"
        yield Finding("target", "columns", case.widths["target"], f"0/1 columns, read as {size}", at.MASK_WIDTH)


def _numbers(case: Case, target: NumberSummary) -> Iterator[Finding]:
    median = target.sketch.quantile(0.5)
    if target.whole and target.low >= 0.0:
        counts = case.kind == "counts"
        yield Finding("target", "median", median, "counts" if counts else "measurements", at.COUNT_MEDIAN, "near")
    else:
        yield Finding("target", "median", median, unit="near")
    yield Finding("target", "mean", target.mean)
    zeros = at.HALF_ZEROS if case.kind == "counts" else at.ZEROS
    if case.kind == "counts":
        meaning = "the median is 0" if case.median_is_zero else "the median is above 0"
    else:
        meaning = "zero-inflated" if case.kind == "zero-inflated" else "no second kind of row"
    if target.low >= 0.0:
        yield Finding("target", "share of zeros", case.zeros, meaning, zeros, "share")
    else:
        yield Finding("target", "share of zeros", case.zeros, "", None, "share")
    if case.kind == "counts" and case.dispersion is not None:
        meaning = (
            "more than Poisson: its mean stays right, its likelihood does not"
            if case.overdispersed
            else "as Poisson has"
        )
        name = "dispersion about the predictions" if case.rates else "variance / mean"
        yield Finding("target", name, case.dispersion, meaning, at.OVERDISPERSED)
    skew = target.skewness
    if skew is not None:
        long = abs(skew) >= at.SKEWED.value
        meaning = "a long tail: mean and median are far apart" if long else "mean and median are near"
        yield Finding("target", "skewness", skew, meaning, at.SKEWED)
    if case.magnitudes is not None:
        meaning = "spans orders of magnitude" if case.wide else "of one order of magnitude or two"
        yield Finding("target", "99% / 1% quantile", case.magnitudes, meaning, at.MAGNITUDES, "near")
    if case.tiny is not None:
        meaning = "tiny targets: shares of these mean little" if case.has_tiny else "no tiny targets"
        yield Finding("target", "1% quantile / median", case.tiny, meaning, at.TINY, "near")
    if target.whole and target.values is not None and case.widths["target"] == 1:
        few = len(target.values) <= at.MAY_BE_LABELS.value
        meaning = "may be class labels: -p with a column per class says so" if few else "no labels"
        yield Finding("target", "different values", len(target.values), meaning, at.MAY_BE_LABELS)


def _labels(case: Case) -> Iterator[Finding]:
    if not case.labels or case.task not in ("binary", "multiclass"):
        return
    named = [f"{printable(word)} ({state.rows})" for word, state in case.labels.items()]
    more = f", {len(named) - FEW} others" if len(named) > FEW else ""
    yield Finding("target", "labels", len(named), ", ".join(named[:FEW]) + more)
    if case.smallest is not None and case.balance is not None:
        word, share = case.smallest
        yield Finding("target", "smallest class", share, f"label {printable(word)}", None, "share")
        meaning = "imbalanced" if case.imbalanced else "balanced enough"
        yield Finding("target", "smallest class x classes", case.balance, meaning, at.IMBALANCE)
    never = [printable(word) for word, state in case.labels.items() if not state.rows]
    if never:
        yield Finding("target", "classes without a row", len(never), ", ".join(never[:FEW]))


def _predictions(case: Case, output: Output | None) -> Iterator[Finding]:
    pred = case.line("pred")
    if pred is None:
        return
    yield Finding("prediction", "range", _ends(pred))
    if case.kind == "boxes":
        apart = case.portrait.counts.get("disjoint", 0)
        meaning = "1 - IoU has no slope there" if apart else "every pair overlaps"
        yield Finding("prediction", "rows without overlap", apart, meaning)
    if output is None:
        return
    if case.kind in CLASSED and case.widths["pred"] > 1:
        yield from _row_sums(case, output)
    yield Finding("prediction", "likely output of", output.name, output.meaning)
    if case.task in ("binary", "multiclass", "multilabel") and output in (SOFTMAX, SIGMOID, DECISIONS):
        wrong = case.sure_and_wrong
        meaning = "cross-entropy is infinite there" if wrong else "cross-entropy is finite"
        yield Finding("prediction", "rows sure and wrong", wrong, meaning)
    if case.positive is not None:
        state = case.labels[case.positive]
        meaning = f"predictions are higher there, {state.mean:.3g} on average"
        yield Finding("prediction", "likely positive label", printable(case.positive), meaning)


def _row_sums(case: Case, output: Output) -> Iterator[Finding]:
    name = "row sum of exp" if output is LOG_SOFTMAX else "row sum"
    off = case.off_one(name)
    exact = off is not None and off <= at.ROW_SUM.value
    threshold = at.ROUNDED_SUM if output is SOFTMAX and not exact else at.ROW_SUM
    held = off is not None and off <= threshold.value
    yield Finding("prediction", f"|{name} - 1|", off, "sums to 1" if held else "does not sum to 1", threshold)


def _errors(case: Case) -> Iterator[Finding]:
    if case.errors is None or case.kind == "constant":
        return
    about, line = case.errors
    if about == "residual":
        yield Finding(about, "median", line.sketch.quantile(0.5), "prediction - target", unit="near")
    if case.scale is None:
        yield Finding(about, "robust scale", 0.0, "at least half of the values are the same")
    else:
        yield Finding(
            about, "robust scale", case.scale, "1.4826 x MAD, the standard deviation of a normal law", unit="near"
        )
        rows = case.outliers or 0
        meaning = f"{rows} beyond 3 scales: {'heavy tails' if case.tailed else 'no heavy tails'}"
        yield Finding(about, "outlier share", case.outlier_share, meaning, at.OUTLIERS, "share")
    if case.dominance is not None:
        meaning = "one row decides the mean of squares" if case.dominated else "no row decides the mean of squares"
        yield Finding(about, "share of the largest square", case.dominance, meaning, at.DOMINANT, "share")


def _embeddings(case: Case) -> Iterator[Finding]:
    distances = case.pair_distances
    if distances is not None:
        yield Finding("pairs", "mean distance, label 0", distances[0], "same")
        meaning = "nearer than label 0, so that 1 looks like same" if case.inverted else "different, and farther"
        yield Finding("pairs", "mean distance, label 1", distances[1], meaning)
    if case.kind == "triplets":
        for role in ("positive", "negative"):
            line = case.line(f"distance anchor {role}")
            if line is not None:
                yield Finding("triplets", f"mean distance, {role}", line.mean)
        share = case.portrait.counts.get("in order", 0) / case.portrait.rows
        yield Finding("triplets", "negative farther than positive", share, "", None, "share")
    if case.apart:
        meaning = "the default margin of 1 is on this scale" if near_one(case.apart) else "takes a margin of this scale"
        yield Finding(case.kind, "mean distance of what differs / 1", case.apart, meaning, at.MARGIN)


def near_one(distance: float) -> bool:
    """Whether a margin of 1 is on the scale of distances."""
    return 1.0 / at.MARGIN.value <= distance <= at.MARGIN.value
