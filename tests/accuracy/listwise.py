"""Lists by loops over every item: scores of any size, ties, perfect and hopeless orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.accuracy import Exact, Real, Row, mp
from tests.accuracy.sets import sets_of

RNG = np.random.default_rng(35)
List = Callable[[list[Real], list[Real]], Real]


def over_lists(cost: List, digits: int = 60) -> Callable[..., Real]:
    def exact(target: Sequence[float], pred: Sequence[float], query: Sequence[int]) -> Real:
        with mp.workdps(digits):
            units = sets_of(query)
            return sum(cost(*([mp.mpf(x[i]) for i in unit] for x in (target, pred))) for unit in units) / len(units)

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


def linear(y: Real) -> Real:
    return y


def exponential(y: Real) -> Real:
    return mp.mpf(2) ** y - 1


def ndcg(gain: Callable[[Real], Real], k: int | None = None) -> List:
    """Average over all orders of items with equal scores, by what each place of a tie is worth on average."""

    def discount(place: int) -> Real:
        return 1 / (mp.log(place + 2) / mp.log(2)) if k is None or place < k else mp.mpf(0)

    def cost(y: list[Real], s: list[Real]) -> Real:
        best = sum(gain(x) * discount(place) for place, x in enumerate(sorted(y, reverse=True)))
        found, place = mp.mpf(0), 0
        for score in sorted(set(s), reverse=True):
            tied = [gain(a) for a, b in zip(y, s, strict=True) if b == score]
            found += sum(tied) / len(tied) * sum(discount(place + i) for i in range(len(tied)))
            place += len(tied)
        return found / best

    return cost


def less(cost: List) -> List:
    return lambda y, s: 1 - cost(y, s)


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
CASES = (
    *(Exact("listnet", data, over_lists(listnet), whole=True) for data in (*SCORED[:4], *GRADED, *ONE)),
    *(Exact("listnet:truth=softmax", data, over_lists(listnet_softmax), whole=True) for data in (*GRADED, *ONE)),
    *(Exact("listmle", data, over_lists(listmle), whole=True) for data in (*SCORED, *GRADED)),
    *(
        Exact(spec, data, over_lists(form(ndcg(gain, k)), 400), whole=True)
        for name, form in (("ndcg", lambda cost: cost), ("one_minus_ndcg", less))
        for spec, gain, k, given in (
            (name, linear, None, RANKED),
            (f"{name}:k=3", linear, 3, RANKED),
            (f"{name}:gain=exponential", exponential, None, LARGE),
            (f"{name}:gain=exponential,k=5", exponential, 5, LARGE),
        )
        for data in given
    ),
)
