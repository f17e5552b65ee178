"""Margins of several classes, and of several labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tests.accuracy import Exact, Real, Row, grid, mp

RNG = np.random.default_rng(11)
SCORES: list[Sequence[float]] = [
    (0.0, 0.0, 0.0),
    (1.0, 0.0, 2.0**-53),
    (0.1, 1.1000000001, 0.1),
    (0.1, 1.1, -1e-17),
    (1e16, 1e16 + 2.0, 1e16),
    (1e300, -1e300, 5e-324),
    (1e-300, 0.0, -1e-300),
    (36.0, 1e-9, -1e4),
    (0.3, -0.7, -0.7 + 2.0**-53),
    (5.0, 4.0 + 2.0**-50, 4.0),
    (-2.0, -2.5, 7.25),
    *(tuple(row) for row in RNG.normal(0.0, 1.0, (60, 3)).tolist()),
    *(tuple(row) for row in RNG.normal(0.0, 0.2, (60, 3)).tolist()),
]
LABELLED = grid(target=[0, 1, 2], pred=SCORES)
FLAGGED: list[Row] = grid(target=[(0, 0, 0), (1, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 1)], pred=SCORES)
Labels = Callable[[int, list[Real]], Real]
Flags = Callable[[list[Real], list[Real]], Real]


def of(function: Labels) -> Callable[..., Real]:
    """The exact loss of a row by its label and scores."""

    def exact(target: int, pred: Sequence[float]) -> Real:
        with mp.workdps(1300):
            return function(target, [mp.mpf(x) for x in pred])

    return exact


def of_flags(function: Flags) -> Callable[..., Real]:
    """The exact loss of a row by the scores of its true and of its false labels."""

    def exact(target: Sequence[int], pred: Sequence[float]) -> Real:
        with mp.workdps(1300):
            x = [mp.mpf(value) for value in pred]
            true = [value for value, flag in zip(x, target, strict=True) if flag]
            return function(true, [value for value, flag in zip(x, target, strict=True) if not flag])

    return exact


def rivals(y: int, f: list[Real]) -> list[Real]:
    return [x for j, x in enumerate(f) if j != y]


def miss(margin: Real, f: Real, rival: Real) -> Real:
    return max(mp.mpf(0), mp.mpf(margin) - f + rival)


def sparsemax(y: int, f: list[Real]) -> Real:
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
    Exact("hinge", LABELLED, of(lambda y, f: miss(1, f[y], max(rivals(y, f))))),
    Exact("hinge:floor=true,margin=0.5", LABELLED, of(lambda y, f: miss(0.5, f[y], max(0, *rivals(y, f))))),
    Exact("multi_margin", LABELLED, of(multi_margin(1, 1.0))),
    Exact("multi_margin:p=2,margin=0.3,class_weight=0.1/2/3", LABELLED, of(multi_margin(2, 0.3, (0.1, 2.0, 3.0)))),
    Exact(
        "one_vs_all_hinge",
        LABELLED,
        of(lambda y, f: sum(max(mp.mpf(0), 1 - (x if j == y else -x)) for j, x in enumerate(f)) / len(f)),
    ),
    Exact("multiclass_perceptron", LABELLED, of(lambda y, f: max(f) - f[y])),
    Exact("sparsemax_multiclass", LABELLED, of(sparsemax)),
    Exact("multilabel_margin", FLAGGED, of_flags(lambda t, n: sum(miss(1, a, b) for a in t for b in n) / mp.mpf(3))),
    Exact("label_ranking_loss", FLAGGED, of_flags(ranking)),
    Exact(
        "coverage_error",
        FLAGGED,
        of_flags(lambda t, n: mp.mpf(sum(x >= min(t) for x in t + n) if t else 0)),
    ),
)
