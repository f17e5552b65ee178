"""Values that other libraries return, reached from ours by the arithmetic that their conventions ask for.

The rows carry the numbers of a list of 88 values that were computed in float64 with torch, keras, optax, scikit-learn,
torchmetrics and others and noted to 12 digits. `then` leads from our number to theirs, and `why` says what differs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

import lossctl
from lossctl.registry import losses

Given = Mapping[str, Any]
LISTED = range(1, 89)
LATER = (20, 21, 22, 26, 27, 28, 29, 43, 44, 50, 51, 52, 53, 65, 66, 67, 75, 76, 80, 82, 88)


def same(value: float) -> float:
    """Their number is ours."""
    return value


@dataclass(frozen=True)
class Row:
    """One published value: its number in the list (0: from a library's documentation), our call, their number."""

    number: int
    spec: str
    given: Given
    expected: float
    source: str
    then: Callable[[float], float] = same
    why: str = ""


RESIDUALS = {"target": [3, -0.5, 2, 7], "pred": [2.5, 0, 2, 8]}
POSITIVES = {"target": [3, 5, 2.5, 7], "pred": [2.5, 5, 4, 8]}
COUNTS = {"target": [0, 1, 2, 5], "pred": [0.5, 1, 3, 4]}
PROBABILITIES = {"target": [0, 1, 1, 0], "pred": [0.1, 0.8, 0.4, 0.35]}
LOGITS = {"target": [0, 1, 1, 0], "pred": [-3, 0, 2, 1], "activation": "sigmoid"}
SCORES = {"target": [-1, 1, 1, -1], "pred": [-3, 0, 2, 1]}
CLASS_SCORES = {"target": [0, 2, 2], "pred": [[2, 1, 0.1], [0.5, 2.5, 0.3], [1, 0.2, 3]]}
CLASS_LOGITS = {**CLASS_SCORES, "activation": "softmax"}
P, Q = [0.36, 0.48, 0.16], [1 / 3, 1 / 3, 1 / 3]
MIDDLE = [(p + q) / 2 for p, q in zip(P, Q, strict=True)]
PAIRS: Given = {"target": [0, 1, 1], "left": [[0, 0], [1, 1], [2, 0]], "right": [[0, 1], [4, 5], [2, 0.5]]}
TORCH_EPS = 1e-6
NUDGED_PAIRS = {**PAIRS, "left": [[x + TORCH_EPS for x in point] for point in PAIRS["left"]]}
TRIPLETS: Given = {"anchor": [[0, 0], [1, 0]], "positive": [[1, 0], [1, 2]], "negative": [[1.5, 0], [4, 4]]}
NUDGED_TRIPLETS = {**TRIPLETS, "anchor": [[x + TORCH_EPS for x in point] for point in TRIPLETS["anchor"]]}
NEAR_TRIPLETS = {**TRIPLETS, "negative": [[1.05, 0], [4, 4]]}
SCORE_PAIRS = {"target": [1, 1, 0, 0, 0], "pred": [2, 0.5, -1, 0, 1]}
BOXES = {"target": [[1, 1, 3, 5]], "pred": [[0, 0, 4, 2]]}
MASKS = {"target": [[1, 0, 1, 1, 0]], "pred": [[0.9, 0.2, 0.6, 0.4, 0.1]]}
GAN = {"target": [1, 1, 0, 0], "pred": [0.9, 0.6, 0.2, 0.4]}
BOX_SOURCE = "formula, eps=0; torchvision to 3e-9"
SMOOTH = "1e-6"


def mask(found: list[int], truth: list[int]) -> Given:
    return {"target": [truth], "pred": [found]}


def stirling(y: float) -> float:
    """Stirling's approximation of ln y!."""
    return y * math.log(y) - y + 0.5 * math.log(2 * math.pi * y)


ROWS = (
    Row(1, "mse", RESIDUALS, 0.375, "scikit-learn, torch"),
    Row(2, "rmse", RESIDUALS, 0.612372435696, "scikit-learn"),
    Row(3, "mae", RESIDUALS, 0.5, "scikit-learn, torch"),
    Row(4, "mbe", RESIDUALS, -0.25, "numpy"),
    Row(4, "mbe", RESIDUALS, 0.25, "permetrics", lambda x: -x, "pred - target"),
    Row(5, "mape", RESIDUALS, 0.327380952381, "scikit-learn"),
    Row(6, "median_absolute_error", RESIDUALS, 0.5, "scikit-learn"),
    Row(7, "max_error", RESIDUALS, 1, "scikit-learn"),
    Row(8, "huber:delta=1", RESIDUALS, 0.1875, "torch"),
    Row(9, "huber:delta=0.5", RESIDUALS, 0.15625, "torch"),
    Row(10, "smooth_l1:beta=0.5", RESIDUALS, 0.3125, "torch"),
    Row(11, "log_cosh", RESIDUALS, 0.1685024611, "optax, torchmetrics"),
    Row(12, "quantile:q=0.9", RESIDUALS, 0.15, "scikit-learn"),
    Row(13, "quantile:q=0.1", RESIDUALS, 0.35, "scikit-learn"),
    Row(14, "mse", {**RESIDUALS, "weight": [1, 2, 0, 3]}, 0.625, "scikit-learn, torch"),
    Row(
        15,
        "mse",
        {**RESIDUALS, "weight": [1, 2, 0, 3]},
        0.9375,
        "keras",
        lambda x: x * 6 / 4,
        "Σwl over the 4 rows instead of over Σw = 6",
    ),
    Row(16, "msle", POSITIVES, 0.0397301229846, "scikit-learn, torchmetrics"),
    Row(17, "rmsle", POSITIVES, 0.199324165581, "scikit-learn"),
    Row(18, "smape", POSITIVES, 0.194172494172, "torchmetrics"),
    Row(19, "wape", POSITIVES, 0.171428571429, "torchmetrics"),
    Row(23, "poisson", COUNTS, -0.157174095734, "torch eps=0"),
    Row(24, "poisson:full=true", COUNTS, 1.2129856351, "exact"),
    Row(
        25,
        "poisson",
        COUNTS,
        1.19848928832,
        "torch full=True",
        lambda x: x + (stirling(2) + stirling(5)) / 4,
        "Stirling's approximation of ln y!, left out for counts of 0 and 1",
    ),
    Row(30, "bce", PROBABILITIES, 0.418894428735, "scikit-learn, torch"),
    Row(31, "brier", PROBABILITIES, 0.133125, "scikit-learn"),
    Row(
        32,
        "brier",
        PROBABILITIES,
        0.26625,
        "scikit-learn scale_by_half=False, permetrics",
        lambda x: 2 * x,
        "the sum over the columns p and 1 - p",
    ),
    Row(33, "focal", PROBABILITIES, 0.0981537294763, "torchvision alpha=-1, optax, keras, smp, MONAI"),
    Row(34, "focal:alpha=0.25", PROBABILITIES, 0.0312664964163, "torchvision, optax, keras apply_class_balancing"),
    Row(
        35,
        "bce",
        {**PROBABILITIES, "target": [0.05, 0.95, 0.95, 0.05]},
        0.466358091719,
        "keras label_smoothing=0.1",
        why="smoothed labels are soft targets, 0.9 y + 0.05",
    ),
    Row(36, "bce", LOGITS, 0.545481057674, "torch"),
    Row(
        37,
        "bce",
        {**LOGITS, "weight": [1, 3, 3, 1]},
        0.955518653475,
        "torch pos_weight=3",
        lambda x: x * 8 / 4,
        "weight 3 on the positive rows, over the 4 rows instead of over Σw = 8",
    ),
    Row(38, "bce", {"target": [0, 1], "pred": [800, -800], "activation": "sigmoid"}, 800, "torch"),
    Row(39, "hinge", SCORES, 0.75, "scikit-learn"),
    Row(40, "squared_hinge", SCORES, 1.25, "keras"),
    Row(41, "squared_hinge", SCORES, 5, "the sum over rows", lambda x: 4 * x, "a sum instead of a mean of 4 rows"),
    Row(
        42,
        "bce",
        {**SCORES, "activation": "sigmoid"},
        0.545481057674,
        "torch SoftMarginLoss",
        why="the logistic loss of ±1 is cross-entropy from logits",
    ),
    Row(45, "cce", CLASS_LOGITS, 1.00539457136, "torch"),
    Row(
        46,
        "cce",
        {**CLASS_LOGITS, "weight": [1, 3, 3]},
        1.17349872996,
        "torch weight=[1, 2, 3]",
        why="class weights are row weights by the row's label; torch divides by Σw too",
    ),
    Row(
        47,
        "cce",
        {**CLASS_LOGITS, "target": [[14 / 15, 1 / 30, 1 / 30], [1 / 30, 1 / 30, 14 / 15], [1 / 30, 1 / 30, 14 / 15]]},
        1.06428346025,
        "torch, keras label_smoothing=0.1",
        why="smoothed labels are soft rows, 0.9 q + 0.1/3",
    ),
    Row(48, "focal", CLASS_LOGITS, 0.687374464264, "keras alpha=1"),
    Row(49, "hinge", CLASS_SCORES, 1.06666666667, "scikit-learn, optax"),
    Row(54, "brier", CLASS_LOGITS, 0.570961375232, "scikit-learn"),
    Row(55, "kl", {"target": [P], "pred": [Q]}, 0.0852996013184, "torch batchmean, optax"),
    Row(
        56,
        "kl",
        {"target": [P], "pred": [Q]},
        0.0284332004395,
        "torch reduction=mean",
        lambda x: x / 3,
        "the mean over rows and the 3 classes",
    ),
    Row(
        57,
        "kl",
        {"target": [P, Q], "pred": [MIDDLE, MIDDLE]},
        0.0224598604297,
        "torchmetrics Jensen-Shannon",
        why="the mean of the divergences of both rows from their middle",
    ),
    Row(58, "contrastive", PAIRS, 0.416666666667, "the article's code with eps=0"),
    Row(59, "contrastive", PAIRS, 0.208333333333, "Hadsell et al.", lambda x: x / 2, "a factor 1/2 on both terms"),
    Row(
        60,
        "contrastive",
        NUDGED_PAIRS,
        0.416666333334,
        "torch pairwise_distance",
        why="torch adds 1e-6 to every coordinate of the difference",
    ),
    Row(61, "triplet", TRIPLETS, 0.25, "torch eps=0"),
    Row(62, "triplet", NUDGED_TRIPLETS, 0.25, "torch", why="torch adds 1e-6 to every coordinate of the difference"),
    Row(
        63,
        "triplet:margin=0.2,squared=true",
        NEAR_TRIPLETS,
        0.0975,
        "FaceNet",
        lambda x: 2 * x,
        "a sum instead of a mean of 2 triplets",
    ),
    Row(64, "triplet_score", SCORE_PAIRS, 0.35639071608, "Dong & Shen, formula"),
    Row(68, "iou", BOXES, 0.857142857143, BOX_SOURCE),
    Row(69, "iou_log", BOXES, 1.94591014906, BOX_SOURCE),
    Row(70, "giou", BOXES, 1.15714285714, BOX_SOURCE),
    Row(71, "diou", BOXES, 0.954703832753, BOX_SOURCE),
    Row(72, "ciou", BOXES, 0.982183222603, BOX_SOURCE),
    Row(73, "dice", MASKS, 0.269230769231, "smp, MONAI, optax"),
    Row(74, "iou_mask", MASKS, 0.424242424242, "smp, MONAI"),
    Row(77, "gan_discriminator", GAN, 0.675077657252, "formula"),
    Row(78, "gan_generator", GAN, -0.36698458754, "formula"),
    Row(79, "gan_generator_nonsaturating", GAN, 1.26286432215, "formula"),
    Row(
        81,
        "bce",
        {"target": [[1, 0, 0, 1]], "pred": [[0.1, 0.2, 0.4, 0.8]], "activation": "sigmoid"},
        0.681662861951,
        "torch MultiLabelSoftMarginLoss",
        why="multilabel cross-entropy from logits",
    ),
    Row(
        83,
        "zero_one",
        {"target": [0, 1, 2, 1], "pred": [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]]},
        0.25,
        "scikit-learn hamming_loss",
        why="predicted labels as rows of certainty",
    ),
    *(
        row
        for number, found, truth, overlap, score in (
            (84, [1, 0, 0, 0], [1, 1, 1, 1], 0.2500001875, 0),
            (85, [1, 1, 1, 0], [1, 1, 1, 1], 0.7500000625, 0.6),
            (86, [0, 0, 0, 0], [0, 0, 0, 0], 1, 1),
            (87, [1, 1, 0, 0], [0, 0, 1, 1], 2.499999375e-07, 0),
        )
        for row in (
            Row(
                number,
                f"iou_mask:smooth={SMOOTH}",
                mask(found, truth),
                overlap,
                "the article's code in float64",
                lambda x: 1 - x,
                "the score, 1 - the loss",
            ),
            Row(number, f"iou_mask_score:smooth={SMOOTH}", mask(found, truth), score, "the article's code in float64"),
        )
    ),
    Row(0, "r2", RESIDUALS, 1 - 1.5 / 29.1875, "scikit-learn, documentation of r2_score: 0.948..."),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number}-{row.spec}")
def test_published_value(row: Row) -> None:
    ours = lossctl.get(row.spec)(**row.given)
    assert row.then(ours) == pytest.approx(row.expected, rel=1e-9, abs=0), f"{row.source}: {row.why}"


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.then is not same], ids=lambda row: f"{row.number}-{row.spec}"
)
def test_convention_matters(row: Row) -> None:
    ours = lossctl.get(row.spec)(**row.given)
    assert row.why
    assert ours != pytest.approx(row.expected, rel=1e-3, abs=0)


def test_every_number_is_used_or_kept_for_later() -> None:
    used = {row.number for row in ROWS} - {0}
    assert used.isdisjoint(LATER)
    assert sorted(used | set(LATER)) == list(LISTED)


def test_every_loss_has_a_published_value() -> None:
    assert {lossctl.get(row.spec).name for row in ROWS} == set(losses())


# what ln 0 is elsewhere: the eps that reproduces it, for one row that is entirely wrong
FLOORS = (
    ("torch: ln p is at least -100", 3.720075976020836e-44, 100.0),
    ("keras: p in [1e-7, 1 - 1e-7]", 1e-7, 16.118095651),
    ("keras: p = 1 for an observed 0, where float32 rounds 1 - 1e-7", 2.0**-23, 15.9423851),
    ("scikit-learn in float64: eps of the type", 2.220446049250313e-16, 36.043653389),
    ("scikit-learn in float32", 2.0**-23, 15.9423851),
    ("scikit-learn in float16", 2.0**-10, 6.9314718),
)
WRONG: tuple[tuple[str, Given], ...] = (
    ("bce", {"target": [1], "pred": [0.0]}),
    ("bce", {"target": [0], "pred": [1.0]}),
    ("cce", {"target": [0], "pred": [[0.0, 1.0]]}),
    ("cce", {"target": [[0.0, 1.0]], "pred": [[1.0, 0.0]]}),
)


@pytest.mark.parametrize(("name", "given"), WRONG)
@pytest.mark.parametrize(("rule", "eps", "expected"), FLOORS, ids=[rule for rule, _, _ in FLOORS])
def test_eps_reproduces_the_floor_of_a_library(name: str, given: Given, rule: str, eps: float, expected: float) -> None:
    assert lossctl.get(f"{name}:eps={eps!r}")(**given) == pytest.approx(expected, rel=1e-8, abs=0), rule


@pytest.mark.parametrize(("name", "given"), WRONG)
def test_without_eps_it_is_infinite(name: str, given: Given) -> None:
    assert lossctl.get(name)(**given) == math.inf
