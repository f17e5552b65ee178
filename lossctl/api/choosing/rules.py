"""The rules by kind of data: which losses a practitioner would take, and which not. The first that holds is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lossctl.api.choosing.outputs import DECISIONS, ONE_SIDED, SIGMOIDS, TANH
from lossctl.api.choosing.rule import Rule, Trap, delta, margin, percent, power, rarest, sure, tail

BY_DISTANCE: Final = "outliers count by their distance alone"
HUBER: Final = Rule(
    "robust",
    "huber",
    "delta is 1.345 x 1.4826 x MAD of the residuals, which keeps 95% of the efficiency of mse",
    lambda seen: seen.case.delta is not None,
    delta,
)
USUAL: Final = (
    Rule("first", "mae", lambda seen: f"{tail(seen)}: a mean of squares would be about these", lambda s: s.case.heavy),
    Rule("first", "mse", "no outliers that would decide a mean of squares", lambda seen: not seen.case.heavy),
    HUBER,
    Rule("robust", "mae", BY_DISTANCE, lambda seen: not seen.case.heavy),
    Rule("robust", "log_cosh", BY_DISTANCE, lambda seen: seen.case.heavy),
    Rule("also", "quantile", "where a bound or a service level is wanted, as quantile:q=0.9"),
    Rule("also", "mbe", "beside another loss, where the direction of errors matters"),
)
BY_COUNT: Final = (
    Rule("robust", "mae", BY_DISTANCE, lambda seen: not seen.case.median_is_zero),
    HUBER,
    Rule("also", "wape", "a share of all targets, which zeros and tiny targets do not spoil"),
)
REGRESSION_TRAPS: Final = (
    Trap("mape", "tiny targets outweigh all others in it", lambda seen: seen.case.has_tiny),
    Trap(
        "smape",
        lambda seen: f"a target of 0 costs 2 whatever is predicted: {percent(seen.case.zeros)} of the rows",
        lambda seen: seen.case.kind in ("counts", "zero-inflated") and seen.case.zeros > 0.0,
    ),
    Trap("mse", lambda seen: f"{tail(seen)}: they would decide it", lambda seen: seen.case.heavy),
    Trap("mae", "the median is 0: predicting 0 serves it best", lambda seen: seen.case.median_is_zero),
)
DECIDED: Final = Rule(
    "first", "zero_one", "decisions are right or wrong, no more", lambda seen: seen.output == DECISIONS
)
REPORTED: Final = Rule(
    "also", "zero_one", "to report how often the decision is wrong", lambda seen: not seen.case.imbalanced
)
NOISY: Final = Rule("also", "gce", "where labels may be wrong", lambda seen: seen.probable)
RARE: Final = Rule(
    "also",
    "focal",
    "a rare class: rows that are right already count little",
    lambda seen: seen.case.imbalanced and seen.finite,
)
ACCURACY: Final = Trap("zero_one", rarest, lambda seen: seen.case.imbalanced and seen.output != DECISIONS)


def _proper(name: str, why: str) -> tuple[Rule | Trap, ...]:
    """Return the rules for probabilities, whose cross-entropy has one name for two classes and one for several."""
    return (
        DECIDED,
        Rule("first", name, why, lambda seen: seen.finite),
        Rule("first", "brier", "proper, and bounded where cross-entropy is not finite", lambda seen: seen.probable),
        Rule(
            "robust",
            "brier",
            "proper, and bounded: one row that is sure and wrong decides nothing",
            lambda s: s.probable,
        ),
        RARE,
        REPORTED,
        NOISY,
        ACCURACY,
        Trap(name, sure, lambda seen: bool(seen.case.sure_and_wrong)),
    )


RULES: Final[Mapping[str, tuple[Rule | Trap, ...]]] = {
    "real": (*USUAL, *REGRESSION_TRAPS),
    "non-negative": (*USUAL, *BY_COUNT, *REGRESSION_TRAPS),
    "positive": (
        Rule(
            "first",
            "msle",
            lambda seen: f"the target spans a factor of {seen.case.magnitudes:.3g}: errors should count by their ratio",
            lambda seen: seen.case.wide,
        ),
        *USUAL,
        Rule("also", "gamma_deviance", "where the mean is wanted and errors grow with it", lambda s: s.case.wide),
        *BY_COUNT,
        *REGRESSION_TRAPS,
        Trap("mse", "the largest targets would decide it", lambda seen: seen.case.wide and not seen.case.heavy),
    ),
    "proportion": (
        *USUAL,
        Rule("also", "bce", "shares are probabilities of a yes: proper for their mean", lambda seen: seen.finite),
        *REGRESSION_TRAPS,
    ),
    "zero-inflated": (
        Rule(
            "first",
            "tweedie_deviance",
            lambda seen: f"{percent(seen.case.zeros)} exact zeros beside positive numbers",
            params=power,
        ),
        Rule("first", "mse", "zeros and large numbers both add to a mean"),
        *BY_COUNT,
        *REGRESSION_TRAPS,
    ),
    "counts": (
        Rule("first", "poisson", "counts: their variance grows with their mean"),
        Rule("first", "mse", "predictions are not all above 0, so they are no rates: mse asks for the mean, too"),
        Rule("also", "poisson_deviance", "ranks as poisson does, with 0 for perfect"),
        Rule(
            "also",
            "tweedie_deviance",
            lambda seen: f"a dispersion of {seen.case.dispersion:.3g}, where Poisson has 1",
            lambda seen: seen.case.overdispersed,
            power,
        ),
        *BY_COUNT,
        *REGRESSION_TRAPS,
    ),
    "binary": (
        Rule("first", "squared_hinge", "scores of either sign: the sign is the decision", lambda s: s.output == TANH),
        Rule("robust", "hinge", "wrong rows count by their distance alone", lambda seen: seen.output == TANH),
        Rule("first", "triplet_score", "only the order of such scores is left", lambda seen: seen.output == ONE_SIDED),
        *_proper("bce", "a yes/no question: the probability is wanted"),
        Rule("also", "hinge", "where only the decision matters, of scores", lambda seen: seen.output is None),
        Rule("also", "gan_discriminator", "if 1 is a real row, 0 a generated one, and p is D(x)", lambda s: s.finite),
        Rule("also", "gan_generator_nonsaturating", "the same, for the generator", lambda seen: seen.finite),
    ),
    "classes": (
        Rule(
            "first",
            "hinge",
            "scores without a distribution: the largest decides",
            lambda s: s.output in (TANH, SIGMOIDS),
        ),
        *_proper("cce", "one of several classes is right: their probabilities are wanted"),
    ),
    "one-hot": _proper("cce", "one of several classes is right: their probabilities are wanted"),
    "soft": (
        *_proper("cce", "the target is a distribution over classes"),
        Rule("also", "kl", "cce less the entropy of the target: 0 is perfect"),
    ),
    "multilabel": (
        Rule("first", "bce", "several labels may be right at once: a probability for each", lambda seen: seen.finite),
        Rule("first", "mse", "on probabilities the Brier score of each label: proper, and bounded"),
        Rule("robust", "mse", "on probabilities the Brier score of each label: proper, and bounded"),
        RARE,
        Trap("bce", sure, lambda seen: bool(seen.case.sure_and_wrong)),
    ),
    "masks": (
        Rule("first", "dice", "hard masks: overlap is what they tell", lambda seen: seen.output == DECISIONS),
        Rule(
            "first",
            "dice",
            lambda seen: (
                f"a small foreground, {percent(seen.case.ones)} of the pixels: the background counts for nothing"
            ),
            lambda seen: seen.case.small_foreground,
        ),
        Rule("first", "bce", "calibrated probabilities of pixels", lambda seen: seen.finite),
        Rule("first", "dice", "bounded, where cross-entropy is not finite"),
        Rule("robust", "dice", "bounded: a mask that is wholly missed costs 1"),
        Rule("robust", "iou_mask", "bounded: a mask that is wholly missed costs 1; stricter than dice on poor ones"),
        Rule(
            "also", "iou_mask_score", "to report hard masks by thresholds of overlap", lambda s: s.output == DECISIONS
        ),
        Trap("bce", sure, lambda seen: bool(seen.case.sure_and_wrong)),
    ),
    "boxes": (
        Rule(
            "first",
            "giou",
            lambda seen: f"{seen.disjoint} boxes do not meet: 1 - IoU is flat there",
            lambda s: s.disjoint > 0,
        ),
        Rule("first", "iou", "the box as a whole, whatever its size; every pair overlaps"),
        Rule("first", "mae", "the predictions are no boxes x1 <= x2, y1 <= y2: coordinates can be compared"),
        Rule("robust", "iou", "bounded: a box that is wholly missed costs 1, however far it is"),
        Rule("robust", "giou", "bounded by 2, and it tells how far apart boxes are that do not meet"),
        Rule("also", "ciou", "for training: distance and shape speed it up"),
        Trap("iou_log", "it is infinite for boxes that do not meet", lambda seen: seen.disjoint > 0),
        Trap("mse", "it compares coordinates, so large boxes decide it"),
    ),
    "pairs": (Rule("first", "contrastive", "pairs that are the same or different", params=margin),),
    "triplets": (Rule("first", "triplet", "an anchor with what is like it and what is not", params=margin),),
}
