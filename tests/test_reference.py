"""Values that other libraries return, reached from ours by the arithmetic that their conventions ask for.

The rows carry the numbers of a list of 88 values that were computed in float64 with torch, keras, optax, scikit-learn,
torchmetrics and others and noted to 12 digits. `then` leads from our number to theirs, and `why` says what differs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

import lossctl
from lossctl.registry import losses

Given = Mapping[str, Any]
LISTED = range(1, 89)
LATER = (88,)


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
LOG_P, LOG_Q = ([math.log(p) for p in row] for row in (P, Q))
DECIDED = {"target": [0, 1, 2, 1], "pred": [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]]}
ANSWERED = {"target": [0, 1, 0, 0, 1, 0], "pred": [0, 1, 0, 0, 0, 1]}
THREE_CLASSES = {"target": [0, 1, 2, 0, 1, 2], "pred": [0, 2, 1, 0, 0, 1]}
RATERS = {
    "target": ["negative", "positive", "negative", "neutral", "positive"],
    "pred": ["negative", "positive", "negative", "neutral", "negative"],
}
TOP_TWO = {"target": [0, 1, 2, 2], "pred": [[0.5, 0.2, 0.2], [0.3, 0.4, 0.2], [0.2, 0.4, 0.3], [0.7, 0.2, 0.1]]}
SCORED = {"target": [0, 0, 1, 1], "pred": [0.1, 0.4, 0.35, 0.8]}
RETRIEVED = {
    "query": [0, 0, 0, 1, 1, 1, 1],
    "pred": [0.2, 0.3, 0.5, 0.1, 0.3, 0.5, 0.2],
    "target": [0, 0, 1, 0, 1, 0, 1],
}
SKLEARN = "scikit-learn, documentation of "
CONFIDENT = {"target": [0, 0, 1, 1, 1], "pred": [0.25, 0.25, 0.55, 0.75, 0.75]}
CERTAIN = {"target": [[1, 0, 0]], "pred": [[0.25, 0.75, 0]]}
TORCHMETRICS_BINS = "torchmetrics, documentation of binary_calibration_error"
PAIRS: Given = {"target": [0, 1, 1], "left": [[0, 0], [1, 1], [2, 0]], "right": [[0, 1], [4, 5], [2, 0.5]]}
TORCH_EPS = 1e-6
NUDGED_PAIRS = {**PAIRS, "left": [[x + TORCH_EPS for x in point] for point in PAIRS["left"]]}
TRIPLETS: Given = {"anchor": [[0, 0], [1, 0]], "positive": [[1, 0], [1, 2]], "negative": [[1.5, 0], [4, 4]]}
NUDGED_TRIPLETS = {**TRIPLETS, "anchor": [[x + TORCH_EPS for x in point] for point in TRIPLETS["anchor"]]}
NEAR_TRIPLETS = {**TRIPLETS, "negative": [[1.05, 0], [4, 4]]}
SCORE_PAIRS = {"target": [1, 1, 0, 0, 0], "pred": [2, 0.5, -1, 0, 1]}
BOXES = {"target": [[1, 1, 3, 5]], "pred": [[0, 0, 4, 2]]}
MASKS = {"target": [[1, 0, 1, 1, 0]], "pred": [[0.9, 0.2, 0.6, 0.4, 0.1]]}
SPREADS = {"target": [1, 2], "pred": [1.5, 1], "scale": [0.5, 2]}
ENSEMBLES = {"target": [2.5, 0], "pred": [[1, 2, 3], [-1, 0.5, 2]]}
LABEL_SCORES = {"target": [[1, 0, 0], [0, 0, 1]], "pred": [[0.75, 0.5, 1], [1, 0.2, 0.1]]}
GAN = {"target": [1, 1, 0, 0], "pred": [0.9, 0.6, 0.2, 0.4]}
PIXELS = [-math.log(p) for p in (0.9, 0.8, 0.6, 0.4, 0.9)]  # what the pixels of MASKS are
CRITIC = {"target": [1, 1, 0, 0], "pred": [2, 0.5, -1, 0.25]}
ALIKE = {"label": [0, 0, 1, 1], "pred": [[0.08969027], [1.6291292], [0.8622629], [0.13612625]]}
UPRIGHT = {"label": [0, 0, 1, 1], "pred": [[1, 0], [2, 0], [0, 3], [0, 1]]}
LIST = {"target": [1, 0.5, 0], "pred": [1, 2, 3]}
LSE = math.log(math.exp(1) + math.exp(2) + math.exp(3))
TIED_LIST = {"target": [10, 0, 0, 1, 5], "pred": [1, 0, 0, 0, 1]}
BOX_SOURCE = "formula, eps=0; torchvision to 3e-9"
SMOOTH = "1e-6"


VECTORS = {"target": [[1, 2, 3]], "pred": [[2, 1, 0]]}
RAIN = {"target": [0.4, 0.2, 0.8, 0.6], "pred": [0.2, 0.7, 0.9, 0.3]}
INSURED: Given = {"target": [0.5, 1, 2.5, 7], "pred": [1, 1, 5, 3.5]}
BY_HAND = "by hand, from the formula"
MOST = 2 / 3  # of tukey_biweight with c = 2
# the residuals are -1/2, 1/2, 0, 1, their squares sum to 1.5; those of the target about its mean to 29.1875
OF_RESIDUALS = (
    ("half_squared_error", 0.1875),
    ("pseudo_huber", (2 * math.sqrt(1.25) + math.sqrt(2) - 3) / 4),
    ("barron", (2 * math.sqrt(1.25) + math.sqrt(2) - 3) / 4),
    ("tukey_biweight:c=2", MOST * (3 - 2 * (15 / 16) ** 3 - (3 / 4) ** 3) / 4),
    ("cauchy", (2 * math.log(1.125) + math.log(1.5)) / 4),
    ("geman_mcclure", (1 / 4.25 + 2 / 5) / 4),
    ("welsch", (3 - 2 * math.exp(-1 / 8) - math.exp(-1 / 2)) / 4),
    ("wing:w=5,epsilon=0.5", (10 * math.log(2) + 5 * math.log(3)) / 4),
    ("linex", (math.exp(-0.5) + math.exp(0.5) + math.e - 4) / 4),
    ("expectile:tau=0.9", 0.0875),
    ("quantile_huber:q=0.9,delta=0.5", 0.08125),
    ("epsilon_insensitive", 0.425),
    ("squared_epsilon_insensitive", 0.2825),
    ("minkowski:p=3", 0.3125 ** (1 / 3)),
    ("mpe", (1 / 6 + 1 - 1 / 7) / 4),
    ("maape", (math.atan(1 / 6) + math.pi / 4 + math.atan(1 / 7)) / 4),
    ("mape:eps=1", (0.5 / 3 + 0.5 + 1 / 7) / 4),
    ("coefficient_of_residual_mass", -1 / 11.5),
    ("rse", 1.5 / 29.1875),
    ("rrse", math.sqrt(1.5 / 29.1875)),
    ("nrmse:by=std", math.sqrt(1.5 / 29.1875)),
    ("nrmse:by=range", math.sqrt(0.375) / 7.5),
    ("nrmse:by=l2", math.sqrt(1.5 / 62.25)),
    ("nrmse:by=iqr", math.sqrt(0.375) / 4.25),
    ("explained_variance", 1 - 1.25 / 29.1875),
    ("one_minus_explained_variance", 1.25 / 29.1875),
    ("rae", 2 / 8.5),
    ("residual_standard_error", math.sqrt(0.75)),
    ("residual_gini", 3 / 8),
    ("pearson", 31.5625 / math.sqrt(29.1875 * 35.1875)),
    ("one_minus_pearson", 1 - 31.5625 / math.sqrt(29.1875 * 35.1875)),
    ("concordance", 63.125 / 64.625),
    ("one_minus_concordance", 1.5 / 64.625),
    ("d2_absolute", 1 - 2 / 8.5),
    ("one_minus_d2_absolute", 2 / 8.5),
    ("mase", 0.5 * 3 / 11),
)


def insured(power: int) -> float:
    """Poisson or gamma deviance of INSURED over that of its mean."""

    def deviance(y: float, mu: float) -> float:
        return y * math.log(y / mu) - y + mu if power == 1 else math.log(mu / y) + y / mu - 1

    pairs = zip(INSURED["target"], INSURED["pred"], strict=True)
    return sum(deviance(y, mu) for y, mu in pairs) / sum(deviance(y, 2.75) for y in INSURED["target"])


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
    Row(20, "nrmse", POSITIVES, 0.21380899353, "torchmetrics"),
    Row(23, "poisson", COUNTS, -0.157174095734, "torch eps=0"),
    Row(21, "gamma_deviance", POSITIVES, 0.0606067325382, "scikit-learn"),
    Row(22, "tweedie_deviance:power=1.5", POSITIVES, 0.113924387649, "scikit-learn"),
    Row(24, "poisson:full=true", COUNTS, 1.2129856351, "exact"),
    Row(26, "poisson_deviance", COUNTS, 0.402393770177, "scikit-learn"),
    Row(27, "gaussian_nll", SPREADS, 0.25, "torch"),
    Row(28, "gaussian_nll:full=true", SPREADS, 1.1689385332, "torch"),
    Row(29, "crps_ensemble", ENSEMBLES, 0.444444444444, "torchmetrics"),
    Row(0, "crps_ensemble:fair=true", {"target": [0.5], "pred": [[0, 1]]}, 0, "by hand: 1/2 - 1/2 of a distance of 1"),
    Row(0, "crps_ensemble:fair=true", ENSEMBLES, 1 / 6, "by hand: (5/6 + 7/6)/2 - (8/12 + 12/12)/2"),
    Row(
        0,
        "crps_gaussian",
        {"target": [0, 0], "pred": [0, 1.5], "scale": [2, 2]},
        (0.467389954510218 + 0.896288504393101) / 2,
        "by mpmath: σ = 2 at w = 0 and 3/4",
    ),
    Row(
        0,
        "laplace_nll",
        SPREADS,
        (1 + math.log(4) + 0.5) / 2,
        "by hand: ln 1 + 0.5/0.5 and ln 4 + 1/2",
    ),
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
    Row(35, "bce:label_smoothing=0.1", PROBABILITIES, 0.466358091719, "keras"),
    Row(36, "bce", LOGITS, 0.545481057674, "torch"),
    Row(37, "bce:pos_weight=3", LOGITS, 0.955518653475, "torch"),
    Row(38, "bce", {"target": [0, 1], "pred": [800, -800], "activation": "sigmoid"}, 800, "torch"),
    Row(39, "hinge", SCORES, 0.75, "scikit-learn"),
    Row(40, "squared_hinge", SCORES, 1.25, "keras"),
    Row(41, "squared_hinge", SCORES, 5, "the sum over rows", lambda x: 4 * x, "a sum instead of a mean of 4 rows"),
    Row(42, "soft_margin", SCORES, 0.545481057674, "torch SoftMarginLoss"),
    Row(43, "exponential", SCORES, 0.975851045016, "numpy"),
    Row(44, "perceptron", SCORES, 0.25, "optax"),
    Row(0, "modified_huber", SCORES, 1.25, "by hand: 0, 1, 0 and (1 + 1)² or 4 alike"),
    Row(0, "modified_huber", {"target": [-1, 1], "pred": [3, 0.5]}, 6.125, "by hand: 12 and 1/4"),
    Row(0, "smoothed_hinge", SCORES, 0.5, "by hand: 0, 1/2, 0, 3/2"),
    Row(0, "savage", {"target": [1, -1], "pred": [0, math.log(3)]}, 0.40625, "by hand: 1/4 and (3/4)²"),
    Row(0, "tangent", {"target": [-1], "pred": [1]}, (math.pi / 2 + 1) ** 2, "by hand"),
    Row(0, "sparsemax_binary", SCORES, 0.3125, "by hand: 0, 1/4, 0, 1"),
    Row(45, "cce", CLASS_LOGITS, 1.00539457136, "torch"),
    Row(46, "cce:class_weight=1/2/3", CLASS_LOGITS, 1.17349872996, "torch"),
    Row(47, "cce:label_smoothing=0.1", CLASS_LOGITS, 1.06428346025, "torch, keras"),
    Row(52, "gce:q=0.7", CLASS_LOGITS, 0.565346697719, "keras"),
    Row(53, "poly1:epsilon=2", CLASS_LOGITS, 1.94943646765, "optax"),
    Row(48, "focal", CLASS_LOGITS, 0.687374464264, "keras alpha=1"),
    Row(49, "hinge", CLASS_SCORES, 1.06666666667, "scikit-learn, optax"),
    Row(0, "hinge:floor=true", {"target": [0], "pred": [[-0.5, -3]]}, 1.5, "keras CategoricalHinge, permetrics"),
    Row(50, "multi_margin", CLASS_SCORES, 0.488888888889, "torch"),
    Row(51, "multi_margin:p=2", CLASS_SCORES, 1.29777777778, "torch"),
    Row(0, "one_vs_all_hinge", CLASS_SCORES, 12 / 9, "by hand: 3.1, 5.7 and 3.2 over 3 each"),
    Row(0, "multiclass_perceptron", CLASS_SCORES, 2.2 / 3, "by hand: 0, 2.2 and 0"),
    Row(0, "sparsemax_multiclass", {"target": [0], "pred": [[0.5, 0, -3]]}, 0.0625, "by hand: shares 3/4 and 1/4"),
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
    Row(57, "js", {"target": [P], "pred": [Q]}, 0.0224598604297, "torchmetrics"),
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
    Row(61, "triplet_distance", {"near": [1, 2], "far": [1.5, 5]}, 0.25, "torch, of the distances of 61"),
    Row(
        65,
        "cosine_embedding",
        {"target": [1, -1], "left": [[1, 2, 3], [1, 0, 0]], "right": [[2, 1, 0], [1, 1, 0]]},
        0.614507668726,
        "torch",
    ),
    Row(66, "margin_ranking:margin=0.5", {"target": [1, 1], "left": [1, 2], "right": [2, 1]}, 0.75, "torch"),
    Row(67, "hinge_embedding", {"target": [1, -1, -1], "pred": [0.3, 0.4, 2]}, 0.3, "torch"),
    Row(68, "iou", BOXES, 0.857142857143, BOX_SOURCE),
    Row(69, "iou_log", BOXES, 1.94591014906, BOX_SOURCE),
    Row(70, "giou", BOXES, 1.15714285714, BOX_SOURCE),
    Row(71, "diou", BOXES, 0.954703832753, BOX_SOURCE),
    Row(72, "ciou", BOXES, 0.982183222603, BOX_SOURCE),
    Row(73, "dice", MASKS, 0.269230769231, "smp, MONAI, optax"),
    Row(74, "iou_mask", MASKS, 0.424242424242, "smp, MONAI"),
    Row(75, "tversky:alpha=0.3,beta=0.7", MASKS, 0.311594202899, "smp, MONAI, the paper"),
    Row(76, "dice:squared=true", MASKS, 0.132420091324, "MONAI squared_pred"),
    Row(77, "gan_value", GAN, -0.675077657252, "formula"),
    Row(77, "gan_discriminator", GAN, 0.675077657252, "formula"),
    Row(78, "gan_generator", GAN, -0.36698458754, "formula"),
    Row(79, "gan_generator_nonsaturating", GAN, 1.26286432215, "formula"),
    Row(80, "multilabel_margin", {"target": [[1, 0, 0, 1]], "pred": [[0.1, 0.2, 0.4, 0.8]]}, 0.85, "torch"),
    Row(
        81,
        "soft_margin",
        {"target": [[1, 0, 0, 1]], "pred": [[0.1, 0.2, 0.4, 0.8]]},
        0.681662861951,
        "torch MultiLabelSoftMarginLoss",
    ),
    Row(82, "label_ranking_loss", LABEL_SCORES, 0.75, "scikit-learn"),
    Row(0, "coverage_error", LABEL_SCORES, 2.5, "scikit-learn, documentation of coverage_error"),
    Row(83, "hamming", DECIDED, 0.25, "scikit-learn"),
    Row(0, "zero_one", DECIDED, 0.25, "scikit-learn, of the same labels"),
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
    Row(0, "nll", {"target": [1], "pred": [LOG_P]}, -math.log(0.48), "by hand"),
    Row(0, "perplexity", {"target": [0, 1], "pred": [[0.25, 0.75], [0.5, 0.5]]}, math.sqrt(8), "by hand: of 4 and 2"),
    Row(0, "perplexity", {"target": [2], "pred": [[0.25] * 4]}, 4, "the number of classes, of a guess"),
    Row(
        0,
        "symmetric_ce",
        {"target": [0], "pred": [[0.5, 0.5]]},
        0.1 * math.log(2) + 2,
        "by hand: 1/10 of ln 2, and 4 times the other half",
    ),
    Row(
        0,
        "asymmetric",
        {"target": [1, 0, 0], "pred": [0.5, 0.55, 0.04]},
        (1 + 1 / 16) * math.log(2) / 3,
        "by hand: ln 2, (1/2)^4 ln 2, and nothing below the margin",
    ),
    Row(0, "emd_squared", {"target": [2], "pred": [[0.2, 0.3, 0.5]]}, 0.29, "by hand: 0.2² + 0.5²"),
    Row(
        0,
        "mcc_loss",
        {"target": [1, 1, 1, -1], "pred": [1, 0, 1, 1]},
        4 / 3,
        "scikit-learn, documentation of matthews_corrcoef: 1 - -0.33...",
    ),
    Row(0, "ece:n_bins=2", CONFIDENT, 0.29, TORCHMETRICS_BINS),
    Row(0, "mce:n_bins=2", CONFIDENT, 0.95 / 3, TORCHMETRICS_BINS + ": 0.3167"),
    Row(0, "rmsce:n_bins=2", CONFIDENT, math.sqrt(0.025 + 0.2 * 0.95**2 / 3), TORCHMETRICS_BINS + ": 0.2918"),
    Row(0, "kl_log_targets", {"target": [LOG_P], "pred": [LOG_Q]}, 0.0852996013184, "torch log_target=True, as of kl"),
    Row(0, "reverse_kl", {"target": [Q], "pred": [P]}, 0.0852996013184, "kl with the rows exchanged"),
    Row(0, "jeffreys", {"target": [[0.25, 0.75]], "pred": [[0.75, 0.25]]}, math.log(3), "by hand"),
    Row(0, "hellinger", {"target": [[1, 0]], "pred": [[0.5, 0.5]]}, 1 - math.sqrt(0.5), "by hand"),
    Row(0, "total_variation", {"target": [P], "pred": [Q]}, 0.84 - 2 / 3, "by hand"),
    Row(0, "chi2", {"target": [Q], "pred": [P]}, 0.1568, "by hand: 3 Σ p² - 1"),
    Row(0, "bhattacharyya", CERTAIN, math.log(2), "by hand: the overlap is √(1/4)"),
    Row(0, "wasserstein1", {"target": [[1, 0, 0]], "pred": [[0, 0.5, 0.5]]}, 1.5, "by hand: halves moved 1 and 2 bins"),
    Row(0, "generalized_kl", {"target": [[2, 0]], "pred": [[1, 3]]}, 2 * math.log(2) + 2, "by hand"),
    Row(0, "itakura_saito", {"target": [[2, 3]], "pred": [[1, 3]]}, 1 - math.log(2), "by hand"),
    Row(0, "eiou", BOXES, 0.954703832753 + 4 / 16 + 4 / 25, "diou of 71 and the formula: sides 4, 2 for 2, 4 in 4 x 5"),
    Row(0, "alpha_iou", BOXES, 1 - 1 / 7**3, "formula, IoU = 1/7"),
    Row(0, "giou", {"target": [[0, 0, 1, 1]], "pred": [[-1, -1, 1, 1]]}, 0.75, "torchvision, tests of its loss"),
    Row(0, "ciou", {"target": [[1, 1, 2, 2]], "pred": [[-1, -1, 1, 1]]}, 1.25, "torchvision, tests of its loss"),
    Row(0, "focal_tversky", MASKS, 0.311594202899 ** (3 / 4), "the loss of 75 to the power 3/4"),
    Row(0, "dice_ce", MASKS, 0.269230769231 + sum(PIXELS) / 5, "73 and the mean cross-entropy of the pixels"),
    Row(
        0,
        "dice_focal",
        MASKS,
        0.269230769231 + sum((1 - math.exp(-x)) ** 2 * x for x in PIXELS) / 5,
        "73 and the mean focal loss of the pixels",
    ),
    Row(
        0,
        "generalized_dice",
        {"target": [0, 0, 0, 1], "pred": [[0.8, 0.2], [0.6, 0.4], [1, 0], [0.5, 0.5]]},
        11 / 24.8,
        "formula with weights 1/9 and 1: 1 - 2(2.4/9 + 0.5)/(5.9/9 + 2.1)",
    ),
    Row(0, "lsgan_discriminator", CRITIC, 0.578125, "formula"),
    Row(0, "lsgan_generator", CRITIC, 1.140625, "formula"),
    Row(0, "wgan_critic", CRITIC, -1.625, "formula"),
    Row(0, "wgan_generator", CRITIC, 0.375, "formula"),
    Row(0, "hinge_gan_discriminator", CRITIC, 0.875, "formula"),
    Row(0, "hinge_gan_generator", CRITIC, 0.375, "formula"),
    Row(0, "soft_triplet", TRIPLETS, (math.log1p(math.exp(-0.5)) + math.log1p(math.exp(-3))) / 2, "formula"),
    Row(
        0,
        "ranknet",
        {"target": [1, -1], "left": [1, 0], "right": [0, 3]},
        (math.log1p(math.exp(-1)) + math.log1p(math.exp(-3))) / 2,
        "formula",
    ),
    Row(0, "nt_xent", ALIKE, math.log(3), "optax, documentation of ntxent: 1.0986123"),
    Row(0, "supcon", ALIKE, math.log(3), "formula, all cosines 1"),
    Row(
        0,
        "n_pairs",
        {"anchor": [[1, 0], [0, 2]], "positive": [[3, 0], [0, 1]]},
        (math.log1p(math.exp(-3)) + math.log1p(math.exp(-2))) / 2,
        "formula",
    ),
    Row(0, "circle", UPRIGHT, math.log1p(2 * math.exp(-25.6)), "formula, cosines 1 and 0"),
    Row(0, "multi_similarity", UPRIGHT, math.log1p(math.exp(-1)) / 2 + math.log1p(2 * math.exp(-25)) / 50, "formula"),
    Row(0, "listnet", LIST, 1.5 * LSE - 2, "formula, Σ y (ln Σ e^s - s)"),
    Row(0, "listmle", LIST, (LSE - 1) + (math.log(math.exp(2) + math.exp(3)) - 2), "formula"),
    Row(0, "ndcg:k=1", TIED_LIST, 0.75, "scikit-learn, documentation of ndcg_score"),
    Row(0, "one_minus_ndcg:k=1", TIED_LIST, 0.25, "scikit-learn, documentation of ndcg_score"),
    Row(0, "cox", {"target": [1, 2, 3], "event": [1, 1, 1], "pred": [0, 0, 0]}, math.log(6) / 3, "formula"),
    Row(
        0,
        "cox:ties=efron",
        {"target": [1, 1, 2], "event": [1, 1, 0], "pred": [0, 0, 0]},
        (math.log(3) + math.log(2)) / 2,
        "formula",
    ),
    Row(0, "r2", RESIDUALS, 1 - 1.5 / 29.1875, "scikit-learn, documentation of r2_score: 0.948..."),
    *(Row(0, spec, RESIDUALS, expected, BY_HAND) for spec, expected in OF_RESIDUALS),
    Row(0, "cosine_distance", VECTORS, 1 - 4 / math.sqrt(70), BY_HAND),
    Row(0, "cosine_similarity", VECTORS, 4 / math.sqrt(70), BY_HAND),
    Row(0, "critical_success_index", RAIN, 1 / 3, "torchmetrics, documentation of critical_success_index: 0.3333"),
    Row(0, "one_minus_critical_success_index", RAIN, 2 / 3, BY_HAND),
    Row(0, "d2_tweedie", INSURED, 2 / 7, "scikit-learn, documentation of d2_tweedie_score: 0.285..."),
    Row(0, "d2_tweedie:power=1", INSURED, 1 - insured(1), "scikit-learn, documentation of d2_tweedie_score: 0.487..."),
    Row(0, "d2_tweedie:power=2", INSURED, 1 - insured(2), "scikit-learn, documentation of d2_tweedie_score: 0.630..."),
    Row(0, "one_minus_d2_tweedie:power=2", INSURED, insured(2), BY_HAND),
    Row(0, "d2_pinball:q=0.9", {"target": [1, 2, 3], "pred": [1, 3, 3]}, 1 - 0.1 / 0.3, BY_HAND),
    Row(0, "one_minus_d2_pinball", {"target": [1, 2, 3], "pred": [1, 3, 3]}, 0.5, "scikit-learn, documentation"),
    Row(0, "d2_log_loss", PROBABILITIES, 1 - 0.418894428735 / math.log(2), "value 30 over ln 2"),
    Row(0, "one_minus_d2_log_loss", PROBABILITIES, 0.418894428735 / math.log(2), "value 30 over ln 2"),
    Row(0, "d2_brier", PROBABILITIES, 1 - 0.133125 / 0.25, "value 31 over 1/4"),
    Row(0, "one_minus_d2_brier", PROBABILITIES, 0.133125 / 0.25, "value 31 over 1/4"),
    # scores
    Row(0, "accuracy", DECIDED, 0.75, "scikit-learn, of the same labels"),
    Row(0, "accuracy", {"target": [0, 1, 2, 3], "pred": [0, 2, 1, 3]}, 0.5, SKLEARN + "accuracy_score"),
    Row(0, "balanced_accuracy", ANSWERED, 0.625, SKLEARN + "balanced_accuracy_score"),
    Row(0, "precision:average=macro,zero_division=0", THREE_CLASSES, 2 / 9, SKLEARN + "precision_score: 0.22"),
    Row(0, "precision:average=micro", THREE_CLASSES, 1 / 3, SKLEARN + "precision_score: 0.33"),
    Row(0, "recall:average=macro", THREE_CLASSES, 1 / 3, SKLEARN + "recall_score: 0.33"),
    Row(0, "f1:average=macro", THREE_CLASSES, 4 / 15, SKLEARN + "f1_score: 0.267"),
    Row(0, "f1:average=weighted", THREE_CLASSES, 4 / 15, SKLEARN + "f1_score: 0.267"),
    Row(0, "mcc", {"target": [1, 1, 1, -1], "pred": [1, 0, 1, 1]}, -1 / 3, SKLEARN + "matthews_corrcoef: -0.33"),
    Row(0, "kappa", RATERS, 0.6875, SKLEARN + "cohen_kappa_score: 0.6875"),
    Row(0, "top_k_accuracy", TOP_TWO, 0.75, SKLEARN + "top_k_accuracy_score"),
    Row(0, "roc_auc", SCORED, 0.75, SKLEARN + "roc_auc_score, of other numbers of one order"),
    Row(0, "average_precision", SCORED, 5 / 6, SKLEARN + "average_precision_score: 0.83"),
    Row(0, "spearman", {"target": [1, 2, 3, 4, 5], "pred": [5, 6, 7, 8, 7]}, 0.82078268166812329, "SciPy, spearmanr"),
    Row(
        0, "kendall", {"target": [12, 2, 1, 12, 2], "pred": [1, 4, 7, 1, 0]}, -0.47140452079103173, "SciPy, kendalltau"
    ),
    Row(0, "c_index", {"target": [1, 2, 3], "event": [1, 0, 1], "pred": [1, 2, 0]}, 0.5, "by hand: of two pairs one"),
    Row(
        0, "c_index:events=false", {"target": [1, 2, 3], "pred": [1, 1, 0]}, 1 / 6, "by hand: of three pairs half a one"
    ),
    Row(0, "mrr", RETRIEVED, 0.75, "torchmetrics, documentation of RetrievalMRR"),
    Row(0, "map", RETRIEVED, 19 / 24, "torchmetrics, documentation of RetrievalMAP: 0.7917"),
    Row(0, "interval_score:alpha=0.2", {"target": [0, 3], "pred": [[-1, 1], [0, 2]]}, 7, "by hand: 2 and 2 + 10"),
    Row(
        0, "wis:q=0.1/0.5/0.9", {"target": [3], "pred": [[0, 1, 2]]}, 4.4 / 3, "by hand: twice the mean of 0.3, 1, 0.9"
    ),
    Row(0, "coverage", {"target": [0, 3], "pred": [[-1, 1], [0, 2]]}, 0.5, "by hand"),
    Row(
        0,
        "psnr:data_range=3",
        {"target": [[3, 2], [1, 0]], "pred": [[0, 1], [2, 3]]},
        2.5527250510330606,
        "torchmetrics, documentation of PeakSignalNoiseRatio: 2.5527",
    ),
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


def without_reference(rows: Sequence[Row]) -> list[str]:
    """Return the losses for which no row has a number."""
    return sorted(set(losses()) - {lossctl.get(row.spec).name for row in rows})


def test_every_loss_has_a_published_value() -> None:
    assert without_reference(ROWS) == []


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
