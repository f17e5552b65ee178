"""Masks: nearly right, empty, of many pixels, and of logits of any size; several classes in one image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np

from tests.accuracy import Exact, Real, Row, mp

Numbers = Sequence[float]
RNG = np.random.default_rng(32)
NEAR = [([1.0, 0.0, 1.0, 1.0], [1.0 - gap, gap, 1.0, 1.0 - gap / 3]) for gap in (1e-3, 1e-9, 1e-15)]
FEW = [
    *NEAR,
    ([1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0]),
    ([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]),
    ([0.0, 0.0, 0.0, 0.0], [1e-300, 0.0, 0.0, 5e-324]),
    ([1.0, 1.0, 0.0, 0.0], [1e-300, 1e-9, 1e-20, 0.3]),
    ([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.5, 0.1]),
    *((RNG.integers(0, 2, 4).astype(float).tolist(), RNG.random(4).tolist()) for _ in range(200)),
]
MANY = [(RNG.integers(0, 2, 784).astype(float).tolist(), RNG.beta(0.3, 0.3, 784).tolist()) for _ in range(10)]
LOGITS = [
    (RNG.integers(0, 2, 5).astype(float).tolist(), (RNG.normal(0.0, size, 5)).tolist())
    for size in (1e-9, 1.0, 30.0, 700.0, 1e4)
    for _ in range(20)
]
CERTAIN = [(y, ((np.array(y) * 2 - 1) * np.abs(z)).tolist()) for y, z in LOGITS]


def rows(pairs: Sequence[tuple[Numbers, Numbers]]) -> list[Row]:
    return [{"target": tuple(y), "pred": tuple(p)} for y, p in pairs]


class Counts:
    """What a mask shares with another, in exact numbers."""

    def __init__(self, target: Sequence[Real], pred: Sequence[Real], logits: bool) -> None:
        both = [(1 / (1 + mp.exp(-z)), 1 / (1 + mp.exp(z))) if logits else (z, 1 - z) for z in pred]
        self.pixels = [(y, *pixel) for y, pixel in zip(target, both, strict=True)]  # y, p, 1 - p
        self.shared = sum((p for y, p, _ in self.pixels if y), mp.mpf(0))
        self.fp = sum((p for y, p, _ in self.pixels if not y), mp.mpf(0))
        self.fn = sum((miss for y, _, miss in self.pixels if y), mp.mpf(0))


def over(part: Real, total: Real) -> Real:
    return part / total if total else mp.mpf(0)


def tversky(c: Counts, alpha: float = 0.5, beta: float = 0.5, smooth: float = 0.0) -> Real:
    missed = mp.mpf(alpha) * c.fp + mp.mpf(beta) * c.fn
    return over(missed, c.shared + missed + smooth)


def iou_mask(c: Counts) -> Real:
    return tversky(c, 1.0, 1.0)


def dice_squared(c: Counts) -> Real:
    squares = sum(y * y + p * p for y, p, _ in c.pixels)
    return over(squares - 2 * c.shared, squares)


def focal_tversky(c: Counts) -> Real:
    return tversky(c, 0.3, 0.7) ** (1 / mp.mpf(4.0 / 3.0))


def score(c: Counts) -> Real:
    union = c.shared + c.fp + c.fn
    return sum(c.shared > mp.mpf(k) / 20 * union for k in range(10, 20)) / mp.mpf(10) if union else mp.mpf(1)


def dice_and_pixels(gamma: float) -> Callable[[Counts], Real]:
    """Dice loss plus the mean focal loss of the pixels; cross-entropy at gamma = 0."""

    def exact(c: Counts) -> Real:
        truth = [(p, miss) if y else (miss, p) for y, p, miss in c.pixels]
        costs = [-(miss**gamma) * (mp.log1p(-miss) if miss < 0.1 else mp.log(q)) if q else mp.inf for q, miss in truth]
        return tversky(c) + sum(costs) / len(costs)

    return exact


def of_each(function: Callable[[Counts], Real], logits: bool = False) -> Callable[..., Real]:
    return lambda target, pred: function(Counts(target, pred, logits))


def of_set(function: Callable[[Counts], Real]) -> Callable[..., Real]:
    """The loss of all rows as one mask."""
    return lambda target, pred: function(Counts([*chain(*target)], [*chain(*pred)], False))


def generalized(power: int) -> Callable[..., Real]:
    def exact(target: Sequence[int], pred: Sequence[Sequence[Real]], query: Sequence[int]) -> Real:
        values = []
        for image in sorted(set(query)):
            at = [i for i, q in enumerate(query) if q == image]
            true = [sum(target[i] == c for i in at) for c in range(3)]
            shared = [sum(pred[i][c] for i in at if target[i] == c) for c in range(3)]
            sizes = [y + sum(pred[i][c] for i in at) for c, y in enumerate(true)]
            largest = max(mp.mpf(1) / y**power for y in true if y)
            weights = [mp.mpf(1) / y**power if y else largest for y in true]
            values.append(1 - 2 * mp.fdot(weights, shared) / mp.fdot(weights, sizes))
        return sum(values) / len(values)

    return exact


SOFT = (RNG.integers(0, 16, (40, 2)) / 16.0 / 2.0).tolist()  # sixteenths, so that each row sums to 1 exactly
PIXELS = [
    {"target": int(label), "pred": (a, b, 1.0 - a - b), "query": place // 10}
    for place, (label, (a, b)) in enumerate(zip([*RNG.integers(0, 3, 30), *([0] * 10)], SOFT, strict=True))
]
SURE = [{**row, "pred": tuple(float(c == row["target"]) for c in range(3))} for row in PIXELS]
FUNCTIONS: dict[str, Callable[[Counts], Real]] = {
    "iou_mask": iou_mask,
    "iou_mask:smooth=1": lambda c: tversky(c, 1.0, 1.0, 1.0),
    "iou_mask_score": score,
    "dice": tversky,
    "dice:smooth=2": lambda c: tversky(c, smooth=1.0),
    "dice:squared=true": dice_squared,
    "tversky": tversky,
    "tversky:alpha=0.1,beta=3": lambda c: tversky(c, 0.1, 3.0),
    "focal_tversky": focal_tversky,
    "dice_ce": dice_and_pixels(0.0),
    "dice_focal": dice_and_pixels(2.0),
}
BY_LOGITS = ("iou_mask", "dice", "tversky", "focal_tversky", "dice_ce", "dice_focal")
WHOLE = ("iou_mask", "iou_mask_score", "dice", "dice:squared=true", "tversky", "focal_tversky")
CASES = (
    *(
        Exact(spec, rows(data), of_each(function), digits=340)
        for spec, function in FUNCTIONS.items()
        for data in (FEW, MANY)
    ),
    *(
        Exact(spec, rows(data), of_each(FUNCTIONS[spec], logits=True), activation="sigmoid")
        for spec in BY_LOGITS
        for data in ((LOGITS[:80], CERTAIN[:80]) if spec == "focal_tversky" else (LOGITS, CERTAIN))
    ),
    *(
        Exact(f"{spec}{',' if ':' in spec else ':'}over=set", rows(data), of_set(function), whole=True, digits=340)
        for spec, function in FUNCTIONS.items()
        if spec in WHOLE
        for data in (FEW, NEAR, MANY)
    ),
    *(
        Exact(f"generalized_dice:weights={name}", data, generalized(power), whole=True)
        for name, power in (("square", 2), ("simple", 1), ("uniform", 0))
        for data in (PIXELS, SURE)
    ),
)
