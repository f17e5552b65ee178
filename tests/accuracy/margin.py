"""Functions of the margin of one score, margins of several classes, and of several labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tests.accuracy import Exact, Real, Row, around, both_signs, grid, mp

TANGENT = 0.5463024898437905
SIZES = [
    1e-100,
    1e-17,
    1e-9,
    0.3,
    TANGENT,
    0.75,
    *around(1.0),
    1.5,
    2.5,
    17.3,
    36.0,
    350.0,
    800.0,
    1e4,
    1e100,
]
SCORES = [0.0, *both_signs(SIZES), *around(TANGENT), 1.557, 1.61]
ROWS = grid(target=[-1.0, 1.0], pred=SCORES)


def of(function: Callable[[Real], Real], digits: int = 400) -> Callable[..., Real]:
    """The exact loss of a row by its margin."""

    def exact(target: float, pred: float) -> Real:
        with mp.workdps(digits):
            return function(mp.mpf(target) * mp.mpf(pred))

    return exact


def modified_huber(m: Real) -> Real:
    return max(mp.mpf(0), 1 - m) ** 2 if m >= -1 else -4 * m


def smoothed_hinge(m: Real) -> Real:
    return mp.mpf(1) / 2 - m if m <= 0 else (1 - m) ** 2 / 2 if m < 1 else mp.mpf(0)


def sparsemax(m: Real) -> Real:
    return mp.mpf(0) if m >= 1 else -m if m <= -1 else (1 - m) ** 2 / 4


def softplus(z: float, target: float) -> Real:
    with mp.workdps(400):
        return mp.log1p(mp.exp(mp.mpf(-z if target else z)))


RNG = np.random.default_rng(11)
SCORE_ROWS: list[Sequence[float]] = [
    (0.0, 0.0, 0.0),
    (1.0, 0.0, 2.0**-53),
    (0.1, 1.1000000001, 0.1),
    (0.1, 1.1, -1e-17),
    (1e16, 1e16 + 2.0, 1e16),
    (1e100, -1e100, 1e-100),
    (1e-100, 0.0, -1e-100),
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

    def exact(target: int, pred: Sequence[float]) -> Real:
        with mp.workdps(500):
            return function(target, [mp.mpf(x) for x in pred])

    return exact


def of_flags(function: Flags) -> Callable[..., Real]:
    """The exact loss of a row by the scores of its true and of its false labels."""

    def exact(target: Sequence[int], pred: Sequence[float]) -> Real:
        with mp.workdps(500):
            x = [mp.mpf(value) for value in pred]
            true = [value for value, flag in zip(x, target, strict=True) if flag]
            return function(true, [value for value, flag in zip(x, target, strict=True) if not flag])

    return exact


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


CASES = (
    Exact("hinge", ROWS, of(lambda m: max(mp.mpf(0), 1 - m))),
    Exact("hinge:margin=0.3", ROWS, of(lambda m: max(mp.mpf(0), mp.mpf(0.3) - m))),
    Exact("squared_hinge", ROWS, of(lambda m: max(mp.mpf(0), 1 - m) ** 2)),
    Exact("squared_hinge:margin=2.5", ROWS, of(lambda m: max(mp.mpf(0), mp.mpf(2.5) - m) ** 2)),
    Exact("soft_margin", grid(target=[0.0, 1.0], pred=SCORES), lambda target, pred: softplus(pred, target)),
    Exact("exponential", ROWS, of(lambda m: mp.exp(-m))),
    Exact("perceptron", ROWS, of(lambda m: max(mp.mpf(0), -m))),
    Exact("modified_huber", ROWS, of(modified_huber)),
    Exact("smoothed_hinge", ROWS, of(smoothed_hinge)),
    Exact("savage", ROWS, of(lambda m: 1 / (1 + mp.exp(m)) ** 2)),
    Exact("tangent", ROWS, of(lambda m: (2 * mp.atan(m) - 1) ** 2)),
    Exact("sparsemax_binary", ROWS, of(sparsemax)),
    Exact("hinge", LABELLED, of_label(lambda y, f: miss(1, f[y], max(rivals(y, f))))),
    Exact("hinge:floor=true,margin=0.5", LABELLED, of_label(lambda y, f: miss(0.5, f[y], max(0, *rivals(y, f))))),
    Exact("multi_margin", LABELLED, of_label(multi_margin(1, 1.0))),
    Exact("multi_margin:p=2,margin=0.3,class_weight=0.1/2/3", LABELLED, of_label(multi_margin(2, 0.3, (0.1, 2, 3)))),
    Exact(
        "one_vs_all_hinge",
        LABELLED,
        of_label(lambda y, f: sum(max(mp.mpf(0), 1 - (x if j == y else -x)) for j, x in enumerate(f)) / len(f)),
    ),
    Exact("multiclass_perceptron", LABELLED, of_label(lambda y, f: max(f) - f[y])),
    Exact("sparsemax_multiclass", LABELLED, of_label(sparsemax_classes)),
    Exact("multilabel_margin", FLAGGED, of_flags(lambda t, n: sum(miss(1, a, b) for a in t for b in n) / mp.mpf(3))),
    Exact("label_ranking_loss", FLAGGED, of_flags(ranking)),
    Exact(
        "coverage_error",
        FLAGGED,
        of_flags(lambda t, n: mp.mpf(sum(x >= min(t) for x in t + n) if t else 0)),
    ),
)
