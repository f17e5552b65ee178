"""Sets of embeddings by loops over every pair; survival by loops over every risk set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.accuracy import Exact, Real, Row, mp

RNG = np.random.default_rng(34)
Cosines = list[Real]


def cosine(a: list[Real], b: list[Real]) -> Real:
    norms = mp.fdot(a, a) * mp.fdot(b, b)
    return mp.fdot(a, b) / mp.sqrt(norms) if norms else mp.mpf(0)


def sets_of(query: Sequence[int]) -> list[list[int]]:
    return [[i for i, q in enumerate(query) if q == name] for name in dict.fromkeys(query)]


def mean(values: Sequence[Real]) -> Real:
    return sum(values) / len(values)


def over_anchors(cost: Callable[[Cosines, Cosines], list[Real]], factor: float) -> Callable[..., tuple[Real, Real]]:
    """Average the costs of all anchors of a set, then over sets; digits are relative to `factor` times the value."""

    def exact(label: Sequence[int], pred: Sequence[list[Real]], query: Sequence[int]) -> tuple[Real, Real]:
        means = []
        for members in sets_of(query):
            costs: list[Real] = []
            for i in members:
                by = {j: cosine(pred[i], pred[j]) for j in members if j != i}
                alike = [c for j, c in by.items() if label[j] == label[i]]
                costs += cost(alike, [c for j, c in by.items() if label[j] != label[i]])
            means.append(mean(costs))
        return mean(means), mean(means) * mp.mpf(factor)

    return exact


def nt_xent(t: float) -> Callable[..., Any]:
    def cost(alike: Cosines, different: Cosines) -> list[Real]:
        return [mp.log1p(sum(mp.exp((n - p) / mp.mpf(t)) for n in different)) for p in alike]

    return over_anchors(cost, 1 / t)


def supcon(t: float) -> Callable[..., Any]:
    def cost(alike: Cosines, different: Cosines) -> list[Real]:
        total = mp.log(sum(mp.exp(c / mp.mpf(t)) for c in [*alike, *different]))
        return [mean([total - p / mp.mpf(t) for p in alike])] if alike else []

    return over_anchors(cost, 1 / t)


def circle(gamma: float, m: float) -> Callable[..., Any]:
    def cost(alike: Cosines, different: Cosines) -> list[Real]:
        margin = mp.mpf(m)
        near = sum(mp.exp(-gamma * max(1 + margin - p, mp.mpf(0)) * (p - 1 + margin)) for p in alike)
        far = sum(mp.exp(gamma * max(n + margin, mp.mpf(0)) * (n - margin)) for n in different)
        return [mp.log1p(near * far)] if alike and different else []

    return over_anchors(cost, gamma * (1.0 + m))


def multi_similarity(alpha: float, beta: float, base: float) -> Callable[..., Any]:
    def cost(alike: Cosines, different: Cosines) -> list[Real]:
        near = mp.log1p(sum(mp.exp(-alpha * (p - mp.mpf(base))) for p in alike)) / alpha
        return [near + mp.log1p(sum(mp.exp(beta * (n - mp.mpf(base))) for n in different)) / beta]

    return over_anchors(cost, max(alpha, beta))


def n_pairs(anchor: Sequence[list[Real]], positive: Sequence[list[Real]], query: Sequence[int]) -> Any:
    means, largest = [], mp.mpf(1)
    for members in sets_of(query):
        table = [[mp.fdot(anchor[i], positive[j]) for j in members] for i in members]
        largest = max([largest, *(abs(x) for line in table for x in line)])
        means.append(mean([mp.log(sum(mp.exp(x - line[i]) for x in line)) for i, line in enumerate(table)]))
    return mean(means), mean(means) * largest


def cox(ties: str) -> Callable[..., Real]:
    def exact(target: Sequence[float], event: Sequence[float], pred: Sequence[float], query: Sequence[int]) -> Real:
        total, count = mp.mpf(0), 0
        for members in sets_of(query):
            for i in (i for i in members if event[i] == 1):
                dead = [j for j in members if target[j] == target[i] and event[j] == 1]
                out = mp.mpf(dead.index(i)) / len(dead) if ties == "efron" else mp.mpf(0)
                others = [j for j in members if target[j] >= target[i] and j != i]
                rivals = sum((1 - out * (j in dead)) * mp.exp(pred[j] - pred[i]) for j in others)
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
    ("nt_xent", nt_xent(0.07)),
    ("nt_xent:temperature=0.5", nt_xent(0.5)),
    ("supcon", supcon(0.1)),
    ("circle", circle(80.0, 0.4)),
    ("circle:gamma=1,margin=0", circle(1.0, 0.0)),
    ("multi_similarity", multi_similarity(2.0, 50.0, 0.5)),
)
PAIRED = [
    [
        {"anchor": tuple(a), "positive": tuple(p), "query": place // 5}
        for place, (a, p) in enumerate(zip(*(size * RNG.normal(size=(2, 10, 4))).tolist(), strict=True))
    ]
    for size in (1e-9, 1.0, 5.0)
]
CASES = (
    *(Exact(spec, data, exact, whole=True) for spec, exact in FUNCTIONS for data in DATA),
    Exact("supcon", embeddings(1.0, ALL_PAIRED, 0.01), supcon(0.1), whole=True),
    *(Exact("n_pairs", data, n_pairs, whole=True) for data in PAIRED),
    *(
        Exact(f"cox:ties={ties}", subjects(times.tolist(), size), cox(ties), whole=True)
        for ties in ("breslow", "efron")
        for times in TIMES
        for size in (1e-9, 1.0, 30.0, 700.0)
    ),
)
