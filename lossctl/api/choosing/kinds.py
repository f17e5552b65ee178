"""Kinds: what a target is, by its columns and then by the range of its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lossctl.api.choosing.thresholds import COUNT_MEDIAN, MASK_WIDTH, ZEROS
from lossctl.core.domain import MASK, NON_NEGATIVE, ONE_HOT, POSITIVE, SIMPLEX, TARGET_BOX, UNIT
from lossctl.profile.columns import BOX_WIDTH
from lossctl.profile.numbers import NumberSummary
from lossctl.profile.roles import LabelState, Portrait

FLAGS: Final = (frozenset({0.0, 1.0}), frozenset({-1.0, 1.0}))
WHAT: Final = {
    "triplets": "triplets of embeddings",
    "pairs": "pairs of embeddings with a yes/no label",
    "binary": "one of two labels",
    "classes": "one of {k} class labels",
    "one-hot": "one-hot rows of {k} classes",
    "soft": "rows of {k} class probabilities",
    "multilabel": "{k} yes/no labels in each row",
    "masks": "masks of {k} pixels",
    "boxes": "boxes x1, y1, x2, y2",
    "counts": "counts",
    "proportion": "numbers in [0, 1]",
    "zero-inflated": "non-negative numbers, many of them exactly 0",
    "positive": "positive numbers",
    "non-negative": "non-negative numbers",
    "real": "real numbers",
    "constant": "the same in every row",
}
TASKS: Final = {
    "binary": "binary",
    "classes": "multiclass",
    "one-hot": "multiclass",
    "soft": "multiclass",
    "multilabel": "multilabel",
    **dict.fromkeys(("counts", "proportion", "zero-inflated", "positive", "non-negative", "real"), "regression"),
}
CLASSED: Final = ("classes", "one-hot", "soft")
YES_NO: Final = ("binary", "multilabel", "masks")


def kind_of(
    portrait: Portrait, widths: Mapping[str, int], labels: Mapping[str, LabelState], *, named: bool, coded: bool
) -> str:
    """Name the kind of data.

    named: whether the target is labels, not numbers. coded: whether there is a prediction column for each of them.
    """
    if "anchor" in widths:
        return "triplets"
    target = portrait.lines.get("target")
    there = sum(state.rows > 0 for state in labels.values())
    if (named and there < 2) or (target is not None and target.constant):
        return "constant"
    if "left" in widths:
        return "pairs"
    if coded:
        return "classes"
    if target is None:
        return "binary" if there == 2 else "classes"
    return _of_columns(portrait, widths["target"], target) if widths["target"] > 1 else _of_numbers(portrait, target)


def _of_columns(portrait: Portrait, width: int, target: NumberSummary) -> str:
    if portrait.holds("target", ONE_HOT):
        return "one-hot"
    if portrait.holds("target", SIMPLEX):
        return "soft"
    if portrait.holds("target", MASK):
        return "masks" if width >= MASK_WIDTH.value else "multilabel"
    if width == BOX_WIDTH and portrait.holds("target", TARGET_BOX):
        return "boxes"
    return _of_numbers(portrait, target)


def _of_numbers(portrait: Portrait, target: NumberSummary) -> str:
    if target.values in FLAGS:
        return "binary"
    if target.whole and target.low >= 0.0 and (target.sketch.quantile(0.5) or 0.0) <= COUNT_MEDIAN.value:
        return "counts"
    if portrait.holds("target", UNIT):
        return "proportion"
    if portrait.holds("target", POSITIVE):
        return "positive"
    if portrait.holds("target", NON_NEGATIVE):
        return "zero-inflated" if target.zeros / target.count >= ZEROS.value else "non-negative"
    return "real"
