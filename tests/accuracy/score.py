"""Scores by loops over every row and every pair: ties, unbalanced classes, orders that are perfect or hopeless."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tests.accuracy import Exact, Real, Row, mp
from tests.accuracy.listwise import over_lists

RNG = np.random.default_rng(16)
Reals = list[Real]


def rows(target: ArrayLike, pred: ArrayLike, **more: ArrayLike) -> list[Row]:
    columns = {role: np.asarray(x).tolist() for role, x in {"target": target, "pred": pred, **more}.items()}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


# answers ---------------------------------------------------------------------------------------------------------

YES = (RNG.random(40) < 0.3).astype(float)
CHANCES = np.round(np.clip(0.4 * YES + 0.6 * RNG.random(40), 0.0, 1.0), 2)
ANSWERS = rows(YES, CHANCES)
RARE = rows([1.0, *[0.0] * 199], [0.9, *[0.6] * 2, *[0.1] * 197])
CLASSES = rows(RNG.integers(0, 3, 30), RNG.dirichlet(np.ones(3), 30))

Pairs = list[tuple[int, int]]
Count = Callable[[Pairs], Real]


def answered(count: Count) -> Callable[..., Real]:
    """Of the observed and the answered class of each row."""

    def exact(target: Sequence[Any], pred: Sequence[Any]) -> Real:
        answers = [int(p > 0.5) if np.ndim(p) == 0 else max(range(len(p)), key=lambda k: (p[k], -k)) for p in pred]
        return count([(int(t), a) for t, a in zip(target, answers, strict=True)])

    return exact


def accuracy(pairs: Pairs) -> Real:
    return mp.mpf(sum(t == a for t, a in pairs)) / len(pairs)


def precision(pairs: Pairs, label: int = 1) -> Real:
    return mp.mpf(pairs.count((label, label))) / sum(a == label for _, a in pairs)


def recall(pairs: Pairs, label: int = 1) -> Real:
    return precision([(a, t) for t, a in pairs], label)


def f1(pairs: Pairs, label: int = 1) -> Real:
    p, r = precision(pairs, label), recall(pairs, label)
    return 2 * p * r / (p + r)


def macro(rate: Callable[[Pairs, int], Real]) -> Count:
    return lambda pairs: sum(rate(pairs, label) for label in {t for t, _ in pairs}) / len({t for t, _ in pairs})


def kappa(pairs: Pairs) -> Real:
    n = len(pairs)
    truth, answer = Counter(t for t, _ in pairs), Counter(a for _, a in pairs)
    chance = mp.mpf(sum(truth[label] * answer[label] for label in truth)) / n**2
    return (accuracy(pairs) - chance) / (1 - chance)


def mcc(pairs: Pairs) -> Real:
    n = len(pairs)
    truth, answer = Counter(t for t, _ in pairs), Counter(a for _, a in pairs)
    both = mp.mpf(n * sum(t == a for t, a in pairs) - sum(truth[label] * answer[label] for label in truth))
    spreads = [n**2 - sum(count**2 for count in counts.values()) for counts in (truth, answer)]
    return both / mp.sqrt(mp.mpf(spreads[0]) * spreads[1])


def top_two(target: int, pred: Sequence[Real]) -> Real:
    return mp.mpf(sum((x, -k) > (pred[target], -target) for k, x in enumerate(pred)) < 2)


# orders ----------------------------------------------------------------------------------------------------------

SCORES = np.round(YES + RNG.normal(size=40), 1)
TIED = rows(YES, np.rint(SCORES))
VALUES = rows(np.rint(2.0 * RNG.normal(size=25)), np.rint(2.0 * RNG.normal(size=25)))
SIZES = rows(np.exp(RNG.normal(0.0, 60.0, 25)), np.exp(RNG.normal(0.0, 60.0, 25)))
TIMES = np.round(RNG.exponential(size=30), 1) + 0.1
SUBJECTS = rows(TIMES, np.round(RNG.normal(size=30), 1), event=(RNG.random(30) < 0.6).astype(float))


def half(a: Real, b: Real) -> Real:
    return mp.mpf(1 if a > b else 0 if a < b else 0.5)


def auc(target: Reals, pred: Reals) -> Real:
    yes, no = ([s for y, s in zip(target, pred, strict=True) if y == flag] for flag in (1, 0))
    return sum(half(a, b) for a in yes for b in no) / (len(yes) * len(no))


def average_precision(target: Reals, pred: Reals) -> Real:
    total = mp.mpf(0)
    for y, s in zip(target, pred, strict=True):
        reached = [x for x, t in zip(target, pred, strict=True) if t >= s]
        total += y * sum(reached) / len(reached)
    return total / sum(target)


def correlation(a: Reals, b: Reals) -> Real:
    x, y = ([value - sum(line) / len(line) for value in line] for line in (a, b))
    return mp.fdot(x, y) / mp.sqrt(mp.fdot(x, x) * mp.fdot(y, y))


def spearman(target: Reals, pred: Reals) -> Real:
    ranks = ([sum(half(a, b) for b in line) for a in line] for line in (target, pred))
    return correlation(*ranks)


def kendall(target: Reals, pred: Reals) -> Real:
    signs = ([2 * half(a, b) - 1 for a in line for b in line] for line in (target, pred))
    a, b = signs
    return mp.fdot(a, b) / mp.sqrt(mp.fdot(a, a) * mp.fdot(b, b))


def c_index(target: Reals, event: Reals, pred: Reals) -> Real:
    places = range(len(target))
    pairs = [
        (i, j)
        for i in places
        for j in places
        if event[i] and (target[i] < target[j] or (target[i] == target[j] and not event[j]))
    ]
    return sum(half(pred[i], pred[j]) for i, j in pairs) / len(pairs)


def in_order(target: Reals, pred: Reals) -> Real:
    return c_index([-y for y in target], [1] * len(target), pred)


LISTS = rows((RNG.random(24) < 0.4).astype(float), RNG.integers(0, 5, 24) * 1.0, query=np.repeat(range(4), 6))
LISTS = [{**row, "target": 1.0} if place % 6 == 0 else row for place, row in enumerate(LISTS)]


def first_place(y: Reals, s: Reals) -> Real:
    best = max(b for a, b in zip(y, s, strict=True) if a)
    return 1 / mp.mpf(1 + sum(b >= best and not a for a, b in zip(y, s, strict=True)))


# intervals and images --------------------------------------------------------------------------------------------

BOUNDS: list[Row] = [
    {"target": y, "pred": bounds}
    for y in (-2.0, 0.0, 0.3, 1.0, 5e99, -1e-90)
    for bounds in ((-1.0, 1.0), (0.3, 0.3), (-1e-90, 1e-100), (2.0, 7e99))
]
PIXELS = rows(RNG.random(12), RNG.random(12))


def interval_score(target: Real, pred: Sequence[Real]) -> tuple[Real, Real]:
    low, high = pred
    alpha = mp.mpf(0.1)
    value = high - low + 2 / alpha * (max(low - target, 0) + max(target - high, 0))
    return value, max(abs(value), abs(low), abs(high), abs(target))


CASES = (
    *(Exact("accuracy", x, lambda target, pred: answered(accuracy)([target], [pred])) for x in (ANSWERS, CLASSES)),
    *(Exact("precision", x, answered(precision), whole=True) for x in (ANSWERS, RARE)),
    *(Exact("recall", x, answered(recall), whole=True) for x in (ANSWERS, RARE)),
    *(Exact("f1", x, answered(f1), whole=True) for x in (ANSWERS, RARE)),
    *(Exact("f1:average=macro", x, answered(macro(f1)), whole=True) for x in (ANSWERS, CLASSES)),
    *(Exact("f1:average=micro", x, answered(accuracy), whole=True) for x in (ANSWERS, CLASSES)),
    *(Exact("balanced_accuracy", x, answered(macro(recall)), whole=True) for x in (ANSWERS, RARE, CLASSES)),
    *(Exact("mcc", x, answered(mcc), whole=True) for x in (ANSWERS, RARE, CLASSES)),
    *(Exact("kappa", x, answered(kappa), whole=True) for x in (ANSWERS, RARE, CLASSES)),
    Exact("top_k_accuracy", CLASSES, top_two),
    *(Exact("roc_auc", x, auc, whole=True) for x in (rows(YES, SCORES), TIED, RARE)),
    *(Exact("average_precision", x, average_precision, whole=True) for x in (rows(YES, SCORES), TIED, RARE)),
    *(Exact("spearman", x, spearman, whole=True) for x in (VALUES, SIZES)),
    *(Exact("kendall", x, kendall, whole=True) for x in (VALUES, SIZES)),
    *(Exact("c_index:events=false", x, in_order, whole=True) for x in (VALUES, SIZES)),
    Exact("c_index", SUBJECTS, c_index, whole=True),
    Exact("mrr", LISTS, over_lists(first_place), whole=True),
    Exact("map", LISTS, over_lists(average_precision), whole=True),
    Exact("interval_score", BOUNDS, interval_score),
    Exact("coverage", BOUNDS, lambda target, pred: mp.mpf(pred[0] <= target <= pred[1])),
    Exact(
        "wis:q=0.25",
        rows([0.0, 1.0, -3e99, 2e-90], [1.0, 1e-90, 4.0, 2e-90]),
        lambda target, pred: 2 * max((target - pred) / 4, (pred - target) * 3 / 4),
    ),
    Exact(
        "psnr:data_range=255",
        PIXELS,
        lambda target, pred: (
            10 * mp.log10(mp.mpf(255) ** 2 * len(target) / sum((p - t) ** 2 for t, p in zip(target, pred, strict=True)))
        ),
        whole=True,
    ),
)
