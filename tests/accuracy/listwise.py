"""Lists by loops over every item: scores of any size, ties, perfect and hopeless orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.accuracy import Exact, Real, Row, mp
from tests.accuracy.sets import sets_of

RNG = np.random.default_rng(35)
List = Callable[[list[Real], list[Real]], Real]


def over_lists(cost: List) -> Callable[..., Real]:
    def exact(target: list[Real], pred: list[Real], query: Sequence[int]) -> Real:
        lists = sets_of(query)
        return sum(cost(*([x[i] for i in members] for x in (target, pred))) for members in lists) / len(lists)

    return exact


def cost_of_share(place: int, s: list[Real]) -> Real:
    """-ln of an item's share of e^s."""
    return mp.log1p(sum(mp.exp(x - s[place]) for j, x in enumerate(s) if j != place))


def listnet(y: list[Real], s: list[Real]) -> Real:
    return sum(a * cost_of_share(place, s) for place, a in enumerate(y) if a)


def listnet_softmax(y: list[Real], s: list[Real]) -> Real:
    return listnet([mp.exp(-cost_of_share(place, y)) for place in range(len(y))], s)


def listmle(y: list[Real], s: list[Real]) -> Real:
    total = mp.mpf(0)
    for place, (a, b) in enumerate(zip(y, s, strict=True)):
        lower = [t for j, (x, t) in enumerate(zip(y, s, strict=True)) if x <= a and j != place]
        total += cost_of_share(0, [b, *lower])
    return total


GAINS: dict[str, Callable[[Real], Real]] = {"linear": lambda y: y, "exponential": lambda y: mp.mpf(2) ** y - 1}


def ndcg(gain: Callable[[Real], Real], k: int = 100) -> List:
    """Average over all orders of items with equal scores, by what each place of a tie is worth on average."""

    def discount(place: int) -> Real:
        return mp.log(2) / mp.log(place + 2) if place < k else mp.mpf(0)

    def cost(y: list[Real], s: list[Real]) -> Real:
        best = sum(gain(x) * discount(place) for place, x in enumerate(sorted(y, reverse=True)))
        total, place = mp.mpf(0), 0
        for score in sorted(set(s), reverse=True):
            tied = [gain(a) for a, b in zip(y, s, strict=True) if b == score]
            total += sum(tied) / len(tied) * sum(discount(place + i) for i in range(len(tied)))
            place += len(tied)
        return total / best

    return cost


def rows(y: Any, s: Any, size: int = 10) -> list[Row]:
    pairs = zip(np.asarray(y, dtype=float).tolist(), np.asarray(s, dtype=float).tolist(), strict=True)
    return [{"target": a, "pred": b, "query": place // size} for place, (a, b) in enumerate(pairs)]


Y = RNG.permuted(np.arange(40.0).reshape(4, 10), axis=1).reshape(-1)
GRADES = RNG.integers(0, 4, 40)
GRADES[::10] = 3
SHARES = RNG.lognormal(size=40)
SCORED = [rows(Y, size * RNG.normal(size=40)) for size in (1e-9, 1.0, 30.0, 700.0, 1e4)]
GRADED = [rows(GRADES, size * RNG.normal(size=40)) for size in (1.0, 30.0, 1e4)]
ONE = [rows(np.arange(40) % 10 == 3, 100.0 * (np.arange(40) % 10 == 3) + RNG.normal(size=40))]
TIED = rows(GRADES, RNG.integers(0, 3, 40))
NEAR = rows(SHARES, SHARES + 1e-3 * RNG.normal(size=40))
RANKED = [
    rows(GRADES, RNG.normal(size=40)),
    TIED,
    NEAR,
    rows(SHARES, SHARES),
    rows(SHARES, -SHARES),
    rows(1e300 * SHARES, SHARES + RNG.normal(size=40)),
    rows(1e-300 * SHARES, SHARES + RNG.normal(size=40)),
]
LARGE = [*RANKED[:5], rows(100.0 * SHARES, SHARES + RNG.normal(size=40)), rows(1e-9 * SHARES, RNG.normal(size=40))]
NDCG = (
    ("", ndcg(GAINS["linear"]), RANKED),
    (":k=3", ndcg(GAINS["linear"], 3), RANKED),
    (":gain=exponential", ndcg(GAINS["exponential"]), LARGE),
    (":gain=exponential,k=5", ndcg(GAINS["exponential"], 5), LARGE),
)
SETS = (
    ("listnet", listnet, (*SCORED[:4], *GRADED, *ONE)),
    ("listnet:truth=softmax", listnet_softmax, (*GRADED, *ONE)),
    ("listmle", listmle, (*SCORED, *GRADED)),
    *((f"ndcg{params}", cost, data) for params, cost, data in NDCG),
    *((f"one_minus_ndcg{params}", lambda y, s, of=cost: 1 - of(y, s), data) for params, cost, data in NDCG),
)
CASES = tuple(
    Exact(spec, data, over_lists(cost), whole=True, digits=400 if "ndcg" in spec else 60)
    for spec, cost, several in SETS
    for data in several
)
