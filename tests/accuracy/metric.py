"""Pairs and triplets: coinciding, tiny, huge and nearly parallel vectors, distances near the margin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.accuracy import Exact, Real, Row, around, both_signs, grid, mp

Numbers = Sequence[float]
RNG = np.random.default_rng(33)


def digits(function: Callable[..., Any], number: int = 450) -> Callable[..., Any]:
    def exact(**row: Any) -> Any:
        with mp.workdps(number):
            return function(**{role: vector(x) for role, x in row.items()})

    return exact


def vector(x: Any) -> Any:
    return [mp.mpf(entry) for entry in x] if isinstance(x, Sequence) else mp.mpf(x)


def length(a: Any, b: Any, p: float = 2.0) -> Real:
    return sum(abs(x - y) ** p for x, y in zip(a, b, strict=True)) ** (1 / mp.mpf(p))


def positive_part(*terms: Real) -> tuple[Real, Real]:
    """max(0, the sum), and its largest term."""
    return max(sum(terms), mp.mpf(0)), max(map(abs, terms))


def contrastive(target: Real, left: Any, right: Any) -> Any:
    d = length(left, right)
    if target != 1:
        return d * d
    short, size = positive_part(mp.mpf(1), -d)
    return short**2, size * short


def triplet(margin: float, p: float = 2.0, swap: bool = False) -> Callable[..., Any]:
    def exact(anchor: Any, positive: Any, negative: Any) -> Any:
        far = length(anchor, negative, p)
        far = min(far, length(positive, negative, p)) if swap else far
        return positive_part(length(anchor, positive, p), -far, mp.mpf(margin))

    return exact


def triplet_squared(anchor: Any, positive: Any, negative: Any) -> Any:
    return positive_part(length(anchor, positive) ** 2, -(length(anchor, negative) ** 2), mp.mpf(1))


def soft_triplet(anchor: Any, positive: Any, negative: Any) -> Real:
    return mp.log1p(mp.exp(length(anchor, positive) - length(anchor, negative)))


def triplet_distance(near: Real, far: Real) -> Real:
    return max(near - far + 1, mp.mpf(0))


def triplet_score(target: Numbers, pred: Numbers) -> Real:
    good = [mp.mpf(v) for y, v in zip(target, pred, strict=True) if y == 1]
    bad = [mp.mpf(v) for y, v in zip(target, pred, strict=True) if y != 1]
    return sum(mp.log1p(mp.exp(n - p)) for p in good for n in bad) / (len(good) * len(bad))


def hinge_embedding(target: Real, pred: Real) -> Real:
    return pred if target == 1 else max(1 - pred, mp.mpf(0))


def cosine_of(left: Any, right: Any) -> Real:
    norms = mp.fdot(left, left) * mp.fdot(right, right)
    return mp.fdot(left, right) / mp.sqrt(norms) if norms else mp.mpf(left == right)


def cosine_embedding(margin: float) -> Callable[..., Any]:
    def exact(target: Real, left: Any, right: Any) -> Any:
        cosine = cosine_of(left, right)
        return 1 - cosine if target == 1 else positive_part(cosine, -mp.mpf(margin))

    return exact


def margin_ranking(margin: float) -> Callable[..., Real]:
    return lambda target, left, right: max(-target * (left - right) + mp.mpf(margin), mp.mpf(0))


def ranknet(target: Real, left: Real, right: Real) -> Real:
    return mp.log1p(mp.exp(-target * (left - right)))


def vectors(size: float, rows: int = 30, width: int = 5) -> list[tuple[float, ...]]:
    return [tuple(row) for row in (size * RNG.normal(size=(rows, width))).tolist()]


def trios(size: float) -> list[Row]:
    return [
        {"anchor": a, "positive": p, "negative": n}
        for a, p, n in zip(vectors(size), vectors(size), vectors(size), strict=True)
    ]


LEFT = vectors(1.0, 40)
BENT = [
    tuple(x * scale * (1.0 + gap * sign) for x, sign in zip(row, RNG.choice([-1.0, 1.0], 5), strict=True))
    for row, gap, scale in zip(LEFT, 10.0 ** RNG.uniform(-17, -1, 40), 10.0 ** RNG.uniform(-3, 3, 40), strict=True)
]
ANGLES: list[Row] = [
    {"target": target, "left": left, "right": right}
    for target in (1.0, -1.0)
    for left, right in [
        *zip(LEFT, BENT, strict=True),
        *zip(LEFT, vectors(1.0, 40), strict=True),
        ((1e100, 2e99), (2e99, 1e100)),
        ((1e-200, 2e-200), (2e200, 1e200)),
        ((1.0, 0.0), (0.0, 1.0)),
        ((1.0, 2.0), (0.0, 0.0)),
        ((2.0**53, 2.0**53 - 1.0), (2.0**53 - 1.0, 2.0**53 - 2.0)),
        ((1.0, 1e-9), (1.0, -1e-9)),
        ((1.0, 1e-9), (-1e-9, 1.0 + 1e-9)),
    ]
]
PAIRS: list[Row] = [
    {"target": target, "left": left, "right": right}
    for target in (0.0, 1.0)
    for size in (1e-310, 1e-160, 1e-99, 1e-9, 0.3, 1.0, 1e9, 1e99, 1e160)
    for left, right in zip(vectors(size, 10), vectors(size, 10), strict=True)
]
SCORES = [0.0, *both_signs([1e-9, 0.3, 1.0, 17.3, 36.0, 700.0, 1e4, 1e16, 1e300])]
RIGHT = [0.0, 0.3, -17.3, 700.0, -1e4, 1e16, -1e300]
COMPARED = grid(target=[1.0, -1.0], left=SCORES, right=SCORES)
CASES = (
    Exact("contrastive", PAIRS, digits(contrastive)),
    *(
        Exact(spec, trios(size), digits(function, 60 if "p=3" in spec else 450))
        for spec, function in (
            ("triplet", triplet(1.0)),
            ("triplet:margin=0", triplet(0.0)),
            ("triplet:p=1,swap=true", triplet(1.0, 1.0, swap=True)),
            ("triplet:p=3", triplet(1.0, 3.0)),
        )
        for size in (1e-170, 1e-99, 1.0, 1e99, 1e170)
    ),
    *(Exact("triplet:squared=true", trios(size), digits(triplet_squared)) for size in (1e-99, 1e-9, 1.0, 1e9, 1e99)),
    *(Exact("soft_triplet", trios(size), digits(soft_triplet)) for size in (1e-99, 1e-9, 1.0, 30.0, 100.0)),
    Exact(
        "triplet_distance",
        grid(near=[0.0, *around(1.0), 0.3, 1e-9, 1e9, 1e300], far=[0.0, *around(1.0), *around(2.0), 0.1, 1e9, 1e300]),
        digits(triplet_distance),
    ),
    *(
        Exact(
            "triplet_score",
            [{"target": place % 2, "pred": z} for place, z in enumerate(scores)],
            triplet_score,
            whole=True,
        )
        for scores in ([2.0, 0.5, -1.0, 0.1, 30.0, -12.7, 1e-9], [700.3 * (n % 2) + 0.1 * n for n in range(10)])
    ),
    Exact(
        "hinge_embedding",
        grid(target=[1.0, -1.0], pred=[0.0, 5e-324, 0.3, *around(1.0), 1e9, 1e300]),
        digits(hinge_embedding),
    ),
    *(
        Exact(f"cosine_embedding:margin={margin}", rows, digits(cosine_embedding(margin)))
        for margin in (0.0, 0.5, -0.5)
        for rows in ([row for row in ANGLES if len(row["left"]) == width] for width in (2, 5))
    ),
    *(Exact(f"margin_ranking:margin={m}", COMPARED, digits(margin_ranking(m))) for m in (0.0, 1.0, 0.3)),
    Exact("ranknet", grid(target=[1.0, -1.0], left=SCORES, right=RIGHT), digits(ranknet, 60)),
)
