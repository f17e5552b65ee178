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

    def __init__(self, target: Numbers, pred: Numbers, activation: Callable[[float], tuple[Real, Real]]) -> None:
        self.pixels = [(y, *activation(x)) for y, x in zip(target, pred, strict=True)]  # y, p, 1 - p
        self.shared = sum((p for y, p, _ in self.pixels if y), mp.mpf(0))
        self.fp = sum((p for y, p, _ in self.pixels if not y), mp.mpf(0))
        self.fn = sum((other for y, _, other in self.pixels if y), mp.mpf(0))
        self.empty = not self.shared + self.fp + self.fn


def over(part: Real, whole: Real) -> Real:
    return part / whole if whole else mp.mpf(0)


def iou_mask(c: Counts, smooth: float = 0.0) -> Real:
    return over(c.fp + c.fn, c.shared + c.fp + c.fn + smooth)


def dice(c: Counts, smooth: float = 0.0) -> Real:
    return over(c.fp + c.fn, 2 * c.shared + c.fp + c.fn + smooth)


def dice_squared(c: Counts) -> Real:
    squares = sum(y * y + p * p for y, p, _ in c.pixels)
    return over(squares - 2 * c.shared, squares)


def tversky(c: Counts, alpha: float = 0.5, beta: float = 0.5) -> Real:
    missed = mp.mpf(alpha) * c.fp + mp.mpf(beta) * c.fn
    return over(missed, c.shared + missed)


def focal_tversky(c: Counts) -> Real:
    return tversky(c, 0.3, 0.7) ** (1 / mp.mpf(4.0 / 3.0))


def score(c: Counts) -> Real:
    union = c.shared + c.fp + c.fn
    return sum(c.shared > mp.mpf(k) / 20 * union for k in range(10, 20)) / mp.mpf(10) if union else mp.mpf(1)


def pixels(c: Counts, gamma: float) -> Real:
    """Mean focal loss of the pixels; cross-entropy at gamma = 0."""
    told = [(p, other) if y else (other, p) for y, p, other in c.pixels]
    costs = [-(other**gamma) * (mp.log1p(-other) if other < 0.1 else mp.log(q)) if q else mp.inf for q, other in told]
    return sum(costs) / len(costs)


def dice_ce(c: Counts) -> Real:
    return dice(c) + pixels(c, 0.0)


def dice_focal(c: Counts) -> Real:
    return dice(c) + pixels(c, 2.0)


def natural(p: float) -> tuple[Real, Real]:
    return mp.mpf(p), 1 - mp.mpf(p)


def sigmoid(z: float) -> tuple[Real, Real]:
    return 1 / (1 + mp.exp(-mp.mpf(z))), 1 / (1 + mp.exp(mp.mpf(z)))


def each(function: Callable[[Counts], Real], activation: Callable[[float], tuple[Real, Real]]) -> Callable[..., Real]:
    def of_row(target: Numbers, pred: Numbers) -> Real:
        with mp.workdps(50 if activation is sigmoid else 340):
            return function(Counts(target, pred, activation))

    return of_row


def whole(function: Callable[[Counts], Real]) -> Callable[..., Real]:
    def of_set(target: Sequence[Numbers], pred: Sequence[Numbers]) -> Real:
        with mp.workdps(340):
            return function(Counts([*chain(*target)], [*chain(*pred)], natural))

    return of_set


def generalized(power: int) -> Callable[..., Real]:
    def of_set(target: Sequence[int], pred: Sequence[Numbers], query: Sequence[int]) -> Real:
        values = []
        for image in sorted(set(query)):
            at = [i for i, q in enumerate(query) if q == image]
            true = [sum(target[i] == c for i in at) for c in range(3)]
            predicted = [sum(mp.mpf(pred[i][c]) for i in at) for c in range(3)]
            shared = [sum((mp.mpf(pred[i][c]) for i in at if target[i] == c), mp.mpf(0)) for c in range(3)]
            weights = [mp.mpf(1) / y**power if y else None for y in true]
            most = max(w for w in weights if w is not None)
            weights = [most if w is None else w for w in weights]
            over_all = sum(w * (p + y) for w, p, y in zip(weights, predicted, true, strict=True))
            values.append(1 - 2 * sum(w * s for w, s in zip(weights, shared, strict=True)) / over_all)
        return sum(values) / len(values)

    return of_set


SOFT = (RNG.integers(0, 16, (40, 2)) / 16.0 / 2.0).tolist()  # sixteenths, so that each row sums to 1 exactly
PIXELS = [
    {"target": int(label), "pred": (a, b, 1.0 - a - b), "query": place // 10}
    for place, (label, (a, b)) in enumerate(zip([*RNG.integers(0, 3, 30), *([0] * 10)], SOFT, strict=True))
]
SURE = [{**row, "pred": tuple(float(c == row["target"]) for c in range(3))} for row in PIXELS]
FUNCTIONS: dict[str, Callable[[Counts], Real]] = {
    "iou_mask": iou_mask,
    "iou_mask:smooth=1": lambda c: iou_mask(c, 1.0),
    "iou_mask_score": score,
    "dice": dice,
    "dice:smooth=2": lambda c: dice(c, 2.0),
    "dice:squared=true": dice_squared,
    "tversky": tversky,
    "tversky:alpha=0.1,beta=3": lambda c: tversky(c, 0.1, 3.0),
    "focal_tversky": focal_tversky,
    "dice_ce": dice_ce,
    "dice_focal": dice_focal,
}
BY_LOGITS = ("iou_mask", "dice", "tversky", "focal_tversky", "dice_ce", "dice_focal")
WHOLE = ("iou_mask", "iou_mask_score", "dice", "dice:squared=true", "tversky", "focal_tversky")
CASES = (
    *(Exact(spec, rows(data), each(function, natural)) for spec, function in FUNCTIONS.items() for data in (FEW, MANY)),
    *(
        Exact(
            spec, rows(data[:80] if "focal_t" in spec else data), each(FUNCTIONS[spec], sigmoid), activation="sigmoid"
        )
        for spec in BY_LOGITS
        for data in (LOGITS, CERTAIN)
    ),
    *(
        Exact(f"{spec}{',' if ':' in spec else ':'}over=set", rows(data), whole(FUNCTIONS[spec]), whole=True)
        for spec in WHOLE
        for data in (FEW, NEAR, MANY)
    ),
    *(
        Exact(f"generalized_dice:weights={name}", data, generalized(power), whole=True)
        for name, power in (("square", 2), ("simple", 1), ("uniform", 0))
        for data in (PIXELS, SURE)
    ),
)
