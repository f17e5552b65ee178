"""Pairs and triplets: coinciding, tiny, huge and nearly parallel vectors, distances near the margin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.accuracy import Exact, Real, Row, around, both_signs, grid, mp

RNG = np.random.default_rng(33)
Scaled = tuple[Real, Real]  # a value, and the size of its largest term


def length(a: Any, b: Any, p: float = 2.0) -> Real:
    return sum(abs(x - y) ** p for x, y in zip(a, b, strict=True)) ** (1 / mp.mpf(p))


def positive_part(*terms: Real) -> Scaled:
    return max(sum(terms), mp.mpf(0)), max(map(abs, terms))


def contrastive(target: Real, left: Any, right: Any) -> Any:
    d = length(left, right)
    short, size = positive_part(mp.mpf(1), -d)
    return (short**2, size * short) if target == 1 else d * d


def triplet(margin: float = 1.0, p: float = 2.0, swap: bool = False, power: int = 1) -> Callable[..., Scaled]:
    def exact(anchor: Any, positive: Any, negative: Any) -> Scaled:
        far = length(anchor, negative, p)
        far = min(far, length(positive, negative, p)) if swap else far
        return positive_part(length(anchor, positive, p) ** power, -(far**power), mp.mpf(margin))

    return exact


def soft_triplet(anchor: Any, positive: Any, negative: Any) -> Real:
    return mp.log1p(mp.exp(length(anchor, positive) - length(anchor, negative)))


def triplet_score(target: Sequence[int], pred: Sequence[Real]) -> Real:
    good, bad = ([v for y, v in zip(target, pred, strict=True) if y == kind] for kind in (1, 0))
    return sum(mp.log1p(mp.exp(n - p)) for p in good for n in bad) / (len(good) * len(bad))


def cosine_embedding(margin: float) -> Callable[..., Any]:
    def exact(target: Real, left: Any, right: Any) -> Any:
        norms = mp.fdot(left, left) * mp.fdot(right, right)
        cosine = mp.fdot(left, right) / mp.sqrt(norms) if norms else mp.mpf(left == right)
        return 1 - cosine if target == 1 else positive_part(cosine, -mp.mpf(margin))

    return exact


def vectors(size: float, rows: int = 30, width: int = 5) -> list[tuple[float, ...]]:
    return [tuple(row) for row in (size * RNG.normal(size=(rows, width))).tolist()]


def trios(size: float) -> list[Row]:
    roles = "anchor", "positive", "negative"
    return [dict(zip(roles, rows, strict=True)) for rows in zip(*(vectors(size) for _ in roles), strict=True)]


def pairs(targets: Sequence[float], lefts: Sequence[Any], rights: Sequence[Any]) -> list[Row]:
    both = zip(lefts, rights, strict=True)
    return [{"target": target, "left": left, "right": right} for left, right in both for target in targets]


LEFT = vectors(1.0, 40)
BENT = [
    tuple(x * scale * (1.0 + gap * sign) for x, sign in zip(row, RNG.choice([-1.0, 1.0], 5), strict=True))
    for row, gap, scale in zip(LEFT, 10.0 ** RNG.uniform(-17, -1, 40), 10.0 ** RNG.uniform(-3, 3, 40), strict=True)
]
PLANE = [
    ((1e100, 2e99), (2e99, 1e100)),
    ((1e-200, 2e-200), (2e200, 1e200)),
    ((1.0, 0.0), (0.0, 1.0)),
    ((1.0, 2.0), (0.0, 0.0)),
    ((2.0**53, 2.0**53 - 1.0), (2.0**53 - 1.0, 2.0**53 - 2.0)),
    ((1.0, 1e-9), (1.0, -1e-9)),
    ((1.0, 1e-9), (-1e-9, 1.0 + 1e-9)),
]
ANGLES = [pairs([1.0, -1.0], *x) for x in ((LEFT * 2, BENT + vectors(1.0, 40)), zip(*PLANE, strict=True))]
SIZES = (1e-310, 1e-160, 1e-99, 1e-9, 0.3, 1.0, 1e9, 1e99, 1e160)
APART = [row for size in SIZES for row in pairs([0.0, 1.0], vectors(size, 10), vectors(size, 10))]
SCORES = [0.0, *both_signs([1e-9, 0.3, 1.0, 17.3, 36.0, 700.0, 1e4, 1e16, 1e300])]
COMPARED = grid(target=[1.0, -1.0], left=SCORES, right=SCORES)
SOME = grid(target=[1.0, -1.0], left=SCORES, right=[0.0, 0.3, -17.3, 700.0, -1e4, 1e16, -1e300])
NEAR, FAR = [0.0, *around(1.0), 0.3, 1e-9, 1e9, 1e300], [0.0, *around(1.0), *around(2.0), 0.1, 1e9, 1e300]
TRIPLETS = (
    ("triplet", triplet(), (1e-170, 1e-99, 1.0, 1e99, 1e170)),
    ("triplet:margin=0", triplet(0.0), (1e-170, 1e-99, 1.0, 1e99, 1e170)),
    ("triplet:p=1,swap=true", triplet(p=1.0, swap=True), (1e-170, 1e-99, 1.0, 1e99, 1e170)),
    ("triplet:p=3", triplet(p=3.0), (1e-99, 1.0, 1e99, 1e170)),
    ("triplet:squared=true", triplet(power=2), (1e-99, 1e-9, 1.0, 1e9, 1e99)),
    ("soft_triplet", soft_triplet, (1e-99, 1e-9, 1.0, 30.0, 100.0)),
)
DIGITS = 450  # so that differences of 1e200 and 1e-200 are exact
CASES = (
    Exact("contrastive", APART, contrastive, digits=DIGITS),
    *(
        Exact(spec, trios(size), function, digits=60 if "p=3" in spec else DIGITS)
        for spec, function, sizes in TRIPLETS
        for size in sizes
    ),
    Exact(
        "triplet_distance", grid(near=NEAR, far=FAR), lambda near, far: max(near - far + 1, mp.mpf(0)), digits=DIGITS
    ),
    *(
        Exact("triplet_score", [{"target": n % 2, "pred": z} for n, z in enumerate(scores)], triplet_score, whole=True)
        for scores in ([2.0, 0.5, -1.0, 0.1, 30.0, -12.7, 1e-9], [700.3 * (n % 2) + 0.1 * n for n in range(10)])
    ),
    Exact(
        "hinge_embedding",
        grid(target=[1.0, -1.0], pred=[0.0, 5e-324, 0.3, *around(1.0), 1e9, 1e300]),
        lambda target, pred: pred if target == 1 else max(1 - pred, mp.mpf(0)),
        digits=DIGITS,
    ),
    *(
        Exact(f"cosine_embedding:margin={margin}", rows, cosine_embedding(margin), digits=DIGITS)
        for margin in (0.0, 0.5, -0.5)
        for rows in ANGLES
    ),
    *(
        Exact(
            f"margin_ranking:margin={margin}",
            COMPARED,
            lambda target, left, right, m=margin: max(target * (right - left) + mp.mpf(m), mp.mpf(0)),
            digits=DIGITS,
        )
        for margin in (0.0, 1.0, 0.3)
    ),
    Exact("ranknet", SOME, lambda target, left, right: mp.log1p(mp.exp(target * (right - left))), digits=60),
)
