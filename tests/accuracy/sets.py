"""Sets of embeddings by loops over every pair; survival by loops over every risk set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.accuracy import Exact, Real, Row, mp

Vector = list[Real]
RNG = np.random.default_rng(34)


def cosine(a: Vector, b: Vector) -> Real:
    norms = mp.fdot(a, a) * mp.fdot(b, b)
    return mp.fdot(a, b) / mp.sqrt(norms) if norms else mp.mpf(0)


def sets_of(query: Sequence[int]) -> list[list[int]]:
    return [[i for i, q in enumerate(query) if q == name] for name in dict.fromkeys(query)]


def over_anchors(cost: Callable[[list[Real], list[Real]], list[Real]]) -> Callable[..., Real]:
    """Average the costs of all anchors of a set, then over sets."""

    def exact(label: Sequence[int], pred: Sequence[Sequence[float]], query: Sequence[int]) -> Real:
        means = []
        for unit in sets_of(query):
            costs: list[Real] = []
            rows = {i: [*map(mp.mpf, pred[i])] for i in unit}
            for i in unit:
                by = {j: cosine(rows[i], rows[j]) for j in unit if j != i}
                costs += cost(
                    [c for j, c in by.items() if label[j] == label[i]],
                    [c for j, c in by.items() if label[j] != label[i]],
                )
            means.append(sum(costs) / len(costs))
        return sum(means) / len(means)

    return exact


def scaled(function: Callable[..., Real], factor: float) -> Callable[..., tuple[Real, Real]]:
    """Digits relative to the value times what cosines are multiplied by."""

    def exact(**columns: Any) -> tuple[Real, Real]:
        with mp.workdps(60):
            value = function(**columns)
        return value, value * mp.mpf(factor)

    return exact


def nt_xent(t: float) -> Callable[..., Real]:
    def cost(alike: list[Real], others: list[Real]) -> list[Real]:
        return [mp.log1p(sum(mp.exp((n - p) / mp.mpf(t)) for n in others)) for p in alike]

    return over_anchors(cost)


def supcon(t: float) -> Callable[..., Real]:
    def cost(alike: list[Real], others: list[Real]) -> list[Real]:
        whole = sum(mp.exp(c / mp.mpf(t)) for c in [*alike, *others])
        return [-sum(p / mp.mpf(t) - mp.log(whole) for p in alike) / len(alike)] if alike else []

    return over_anchors(cost)


def circle(gamma: float, m: float) -> Callable[..., Real]:
    def cost(alike: list[Real], others: list[Real]) -> list[Real]:
        margin = mp.mpf(m)
        near = sum(mp.exp(-gamma * max(1 + margin - p, mp.mpf(0)) * (p - 1 + margin)) for p in alike)
        far = sum(mp.exp(gamma * max(n + margin, mp.mpf(0)) * (n - margin)) for n in others)
        return [mp.log1p(near * far)] if alike and others else []

    return over_anchors(cost)


def multi_similarity(alpha: float, beta: float, base: float) -> Callable[..., Real]:
    def cost(alike: list[Real], others: list[Real]) -> list[Real]:
        near = mp.log1p(sum(mp.exp(-alpha * (p - mp.mpf(base))) for p in alike)) / alpha
        return [near + mp.log1p(sum(mp.exp(beta * (n - mp.mpf(base))) for n in others)) / beta]

    return over_anchors(cost)


def n_pairs(anchor: Sequence[Sequence[float]], positive: Sequence[Sequence[float]], query: Sequence[int]) -> Any:
    means, largest = [], mp.mpf(1)
    with mp.workdps(60):
        for unit in sets_of(query):
            table = [[mp.fdot(anchor[i], positive[j]) for j in unit] for i in unit]
            largest = max([largest, *(abs(x) for line in table for x in line)])
            costs = [
                mp.log1p(sum(mp.exp(x - line[i]) for j, x in enumerate(line) if j != i)) for i, line in enumerate(table)
            ]
            means.append(sum(costs) / len(costs))
        value = sum(means) / len(means)
    return value, value * largest


def cox(ties: str) -> Callable[..., Real]:
    def exact(target: Sequence[float], event: Sequence[float], pred: Sequence[float], query: Sequence[int]) -> Real:
        total, count = mp.mpf(0), 0
        for unit in sets_of(query):
            for i in (i for i in unit if event[i] == 1):
                dead = [j for j in unit if target[j] == target[i] and event[j] == 1]
                out = mp.mpf(dead.index(i)) / len(dead) if ties == "efron" else mp.mpf(0)
                others = [j for j in unit if target[j] >= target[i] and j != i]
                rivals = sum((1 - out * (j in dead)) * mp.exp(mp.mpf(pred[j]) - mp.mpf(pred[i])) for j in others)
                total += mp.log1p(rivals - out)
                count += 1
        return total / count

    return exact


def embeddings(size: float, labels: Sequence[int], spread: float = 1.0) -> list[Row]:
    centres = RNG.normal(size=(8, 4))
    points = size * (centres[list(labels)] + spread * RNG.normal(size=(len(labels), 4)))
    return [
        {"label": label, "pred": tuple(point), "query": place // 10}
        for place, (label, point) in enumerate(zip(labels, points.tolist(), strict=True))
    ]


def subjects(times: Sequence[float], size: float) -> list[Row]:
    risks = size * RNG.normal(size=len(times))
    return [
        {"target": time, "event": float(RNG.random() < 0.7), "pred": risk, "query": place % 2}
        for place, (time, risk) in enumerate(zip(times, risks.tolist(), strict=True))
    ]


LABELS = [0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 0, 0, 0, 1, 1, 2, 3, 3, 3, 3]
DATA = [
    embeddings(1.0, LABELS),
    embeddings(1e99, LABELS),
    embeddings(1e-99, LABELS),
    embeddings(1e200, LABELS),
    embeddings(1.0, LABELS, 0.01),
    [*embeddings(1.0, [0, 0, 1, 1]), {"label": 1, "pred": (0.0, 0.0, 0.0, 0.0), "query": 0}],
]
ALL_PAIRED = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
TIMES = [RNG.permutation(30).astype(float) + 1.0, RNG.integers(1, 6, 30).astype(float), np.ones(6)]
FUNCTIONS = (
    ("nt_xent", nt_xent(0.07), 1 / 0.07),
    ("nt_xent:temperature=0.5", nt_xent(0.5), 2.0),
    ("supcon", supcon(0.1), 10.0),
    ("circle", circle(80.0, 0.4), 80.0 * 1.4),
    ("circle:gamma=1,margin=0", circle(1.0, 0.0), 1.0),
    ("multi_similarity", multi_similarity(2.0, 50.0, 0.5), 50.0),
)
PAIRED = [
    [
        {"anchor": tuple(a), "positive": tuple(p), "query": place // 5}
        for place, (a, p) in enumerate(zip(*(size * RNG.normal(size=(2, 10, 4))).tolist(), strict=True))
    ]
    for size in (1e-9, 1.0, 5.0)
]
CASES = (
    *(Exact(spec, data, scaled(exact, factor), whole=True) for spec, exact, factor in FUNCTIONS for data in DATA),
    Exact("supcon", embeddings(1.0, ALL_PAIRED, 0.01), scaled(supcon(0.1), 10.0), whole=True),
    *(Exact("n_pairs", data, n_pairs, whole=True) for data in PAIRED),
    *(
        Exact(f"cox:ties={ties}", subjects(times.tolist(), size), cox(ties), whole=True)
        for ties in ("breslow", "efron")
        for times in TIMES
        for size in (1e-9, 1.0, 30.0, 700.0)
    ),
)
