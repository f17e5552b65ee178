"""Functions of the margin of one score, margins of several classes, and of several labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tests.accuracy import Exact, Real, Row, around, both_signs, grid, mp

TANGENT = 0.5463024898437905
SIZES = [5e-324, 1e-160, 1e-100, 1e-17, 1e-9, 0.3, TANGENT, 0.75, *around(1.0), 1.5, 2.5, 17.3, 36.0, 350.0, 800.0]
SCORES = [0.0, *both_signs([*SIZES, 1e4, 1e100, 1e150, 1e300]), *around(TANGENT), 1.557, 1.61]
ROWS = grid(target=[-1.0, 1.0], pred=SCORES)


def modified_huber(m: Real) -> Real:
    return max(mp.mpf(0), 1 - m) ** 2 if m >= -1 else -4 * m


def smoothed_hinge(m: Real) -> Real:
    return mp.mpf(1) / 2 - m if m <= 0 else (1 - m) ** 2 / 2 if m < 1 else mp.mpf(0)


def sparsemax(m: Real) -> Real:
    return mp.mpf(0) if m >= 1 else -m if m <= -1 else (1 - m) ** 2 / 4


RNG = np.random.default_rng(11)
SCORE_ROWS: list[Sequence[float]] = [
    (0.0, 0.0, 0.0),
    (1.0, 0.0, 2.0**-53),
    (0.1, 1.1000000001, 0.1),
    (0.1, 1.1, -1e-17),
    (1e16, 1e16 + 2.0, 1e16),
    (1e100, -1e100, 1e-100),
    (1e-100, 0.0, -1e-100),
    (1e300, -1e300, 5e-324),
    (36.0, 1e-9, -1e4),
    (0.3, -0.7, -0.7 + 2.0**-53),
    (5.0, 4.0 + 2.0**-50, 4.0),
    (-2.0, -2.5, 7.25),
    *(tuple(row) for row in RNG.normal(0.0, 1.0, (60, 3)).tolist()),
    *(tuple(row) for row in RNG.normal(0.0, 0.2, (60, 3)).tolist()),
]
LABELLED = grid(target=[0, 1, 2], pred=SCORE_ROWS)
FLAGGED: list[Row] = grid(target=[(0, 0, 0), (1, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 1)], pred=SCORE_ROWS)
Labels = Callable[[int, list[Real]], Real]
Flags = Callable[[list[Real], list[Real]], Real]


def of_label(function: Labels) -> Callable[..., Real]:
    """The exact loss of a row by its label and scores."""
    return lambda target, pred: function(target, pred)


def of_flags(function: Flags) -> Callable[..., Real]:
    """The exact loss of a row by the scores of its true and of its false labels."""
    return lambda target, pred: function(
        *([x for x, y in zip(pred, target, strict=True) if y == kind] for kind in (1, 0))
    )


def rivals(y: int, f: list[Real]) -> list[Real]:
    return [x for j, x in enumerate(f) if j != y]


def miss(margin: Real, f: Real, rival: Real) -> Real:
    return max(mp.mpf(0), mp.mpf(margin) - f + rival)


def sparsemax_classes(y: int, f: list[Real]) -> Real:
    ordered = sorted(f, reverse=True)
    size = max(k for k in range(1, len(f) + 1) if 1 + k * ordered[k - 1] > sum(ordered[:k]))
    threshold = (sum(ordered[:size]) - 1) / size
    return -f[y] + sum(x**2 - threshold**2 for x in ordered[:size]) / 2 + mp.mpf(1) / 2


def multi_margin(p: int, margin: float, weights: Sequence[float] = (1.0, 1.0, 1.0)) -> Labels:
    return lambda y, f: mp.mpf(weights[y]) * sum(miss(margin, f[y], x) ** p for x in rivals(y, f)) / len(f)


def ranking(true: list[Real], false: list[Real]) -> Real:
    pairs = len(true) * len(false)
    return mp.mpf(sum(a <= b for a in true for b in false)) / pairs if pairs else mp.mpf(0)


MARGINS: dict[str, Callable[[Real], Real]] = {
    "hinge": lambda m: max(mp.mpf(0), 1 - m),
    "hinge:margin=0.3": lambda m: max(mp.mpf(0), mp.mpf(0.3) - m),
    "squared_hinge": lambda m: max(mp.mpf(0), 1 - m) ** 2,
    "squared_hinge:margin=2.5": lambda m: max(mp.mpf(0), mp.mpf(2.5) - m) ** 2,
    "exponential": lambda m: mp.exp(-m),
    "perceptron": lambda m: max(mp.mpf(0), -m),
    "modified_huber": modified_huber,
    "smoothed_hinge": smoothed_hinge,
    "savage": lambda m: 1 / (1 + mp.exp(m)) ** 2,
    "tangent": lambda m: (2 * mp.atan(m) - 1) ** 2,
    "sparsemax_binary": sparsemax,
}
LABELS: dict[str, Labels] = {
    "hinge": lambda y, f: miss(1, f[y], max(rivals(y, f))),
    "hinge:floor=true,margin=0.5": lambda y, f: miss(0.5, f[y], max(0, *rivals(y, f))),
    "multi_margin": multi_margin(1, 1.0),
    "multi_margin:p=2,margin=0.3,class_weight=0.1/2/3": multi_margin(2, 0.3, (0.1, 2, 3)),
    "one_vs_all_hinge": lambda y, f: sum(max(mp.mpf(0), 1 - (x if j == y else -x)) for j, x in enumerate(f)) / len(f),
    "multiclass_perceptron": lambda y, f: max(f) - f[y],
    "sparsemax_multiclass": sparsemax_classes,
}
FLAGS: dict[str, Flags] = {
    "multilabel_margin": lambda true, false: sum(miss(1, a, b) for a in true for b in false) / mp.mpf(3),
    "label_ranking_loss": ranking,
    "coverage_error": lambda true, false: mp.mpf(sum(x >= min(true) for x in true + false) if true else 0),
}
CASES = (
    *(Exact(spec, ROWS, lambda target, pred, f=f: f(target * pred), digits=700) for spec, f in MARGINS.items()),
    Exact(
        "soft_margin",
        grid(target=[0.0, 1.0], pred=SCORES),
        lambda target, pred: mp.log1p(mp.exp(-pred if target else pred)),
        digits=400,
    ),
    *(Exact(spec, LABELLED, of_label(function), digits=700) for spec, function in LABELS.items()),
    *(Exact(spec, FLAGGED, of_flags(function), digits=700) for spec, function in FLAGS.items()),
)
