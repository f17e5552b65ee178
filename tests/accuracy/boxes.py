"""Boxes: near-equal, far apart, thin, tiny and huge ones, in every frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tests.accuracy import Exact, Real, Row, mp

Numbers = Sequence[float]
DIGITS, ORDINARY = 700, 100  # so that differences of 1e300 and 1e-300 are exact, and those of like sizes


def corners(box: Numbers, frame: str) -> list[Real]:
    a, b, c, d = (mp.mpf(x) for x in box)
    if frame == "xyxy":
        return [a, b, c, d]
    if frame == "xywh":
        return [a, b, a + c, b + d]
    return [a - c / 2, b - d / 2, a + c / 2, b + d / 2]


class Pair:
    """Areas and lengths of two boxes."""

    def __init__(self, target: Numbers, pred: Numbers, frame: str) -> None:
        t, p = corners(target, frame), corners(pred, frame)
        self.sides = [(t[2] - t[0], t[3] - t[1]), (p[2] - p[0], p[3] - p[1])]
        width, height = (min(t[2 + i], p[2 + i]) - max(t[i], p[i]) for i in (0, 1))
        self.shared = width * height if width > 0 and height > 0 else mp.mpf(0)
        self.union = sum(w * h for w, h in self.sides) - self.shared
        self.hull = [max(t[2 + i], p[2 + i]) - min(t[i], p[i]) for i in (0, 1)]
        gaps = [(p[i] + p[2 + i] - t[i] - t[2 + i]) / 2 for i in (0, 1)]
        self.iou = self.shared / self.union
        self.distance = sum(x * x for x in gaps) / sum(x * x for x in self.hull)


def exact_iou(pair: Pair) -> Real:
    return 1 - pair.iou


def exact_iou_log(pair: Pair) -> Real:
    return -mp.log(pair.iou) if pair.iou else mp.inf


def exact_alpha_iou(pair: Pair) -> Real:
    return 1 - pair.iou**3


def exact_giou(pair: Pair) -> Real:
    hull = pair.hull[0] * pair.hull[1]
    return 1 - pair.iou + (hull - pair.union) / hull


def exact_diou(pair: Pair) -> Real:
    return 1 - pair.iou + pair.distance


def exact_ciou(pair: Pair) -> Real:
    (w, h), (width, height) = pair.sides
    v = 4 / mp.pi**2 * (mp.atan2(w, h) - mp.atan2(width, height)) ** 2
    return exact_diou(pair) + (v * v / (1 - pair.iou + v) if v else 0)


def exact_eiou(pair: Pair) -> Real:
    gaps = [pair.sides[1][i] - pair.sides[0][i] for i in (0, 1)]
    return exact_diou(pair) + sum((gap / side) ** 2 for gap, side in zip(gaps, pair.hull, strict=True))


def rows(pairs: Sequence[tuple[Numbers, Numbers]]) -> list[Row]:
    return [{"target": tuple(target), "pred": tuple(pred)} for target, pred in pairs]


UNIT = (0.0, 0.0, 1.0, 1.0)
PAIRS = [
    ((1.0, 1.0, 3.0, 5.0), (0.0, 0.0, 4.0, 2.0)),
    (UNIT, (0.0, 0.0, 1e-9, 1e-9)),
    ((0.1, 0.2, 1.3, 2.7), (0.1, 0.2, 1.3, 2.7)),
    (UNIT, (0.0, 0.0, 1.0, 1.0 + 1e-9)),
    (UNIT, (0.0, 0.0, 1.0, 1.0 + 2.0**-52)),
    (UNIT, (1e-9, 0.0, 1.0, 1.0)),
    (UNIT, (1e-9, 1e-9, 1.0 + 1e-9, 1.0 + 1e-9)),
    (UNIT, (1e-9, -1e-9, 1.0 + 1e-9, 1.0 - 1e-9)),
    ((10.0, 20.0, 110.0, 220.0), (10.0, 20.0, 110.0, 220.000001)),
    ((0.0, 0.0, 3.0, 3.0), (0.0, 0.0, 3.0, 3.03)),
    ((0.0, 0.0, 1e-9, 1e9), (0.0, 0.0, 1e-9, 1.001e9)),
    ((1e9, 1e9, 1e9 + 1.0, 1e9 + 1.0), (1e9, 1e9, 1e9 + 1.0, 1e9 + 1.25)),
    ((0.0, 4.0, 10.0, 6.0), (4.0, 0.0, 6.0, 10.0)),
    (UNIT, (2.0, 3.0, 4.0, 4.5)),
    (UNIT, (1.0, 0.0, 2.0, 1.0)),
    (UNIT, (0.5, 0.5, 0.5, 0.5)),
    (UNIT, (0.2, 0.3, 0.2, 0.9)),
    ((0.0, 0.0, 1e160, 2e160), (1e159, 0.0, 1.1e160, 1.9e160)),
    ((0.0, 0.0, 1e-200, 2e-200), (1e-201, 0.0, 1.1e-200, 1.9e-200)),
    ((0.0, 0.0, 1e-200, 2e200), (1e-201, 0.0, 1.1e-200, 1.9e200)),
    ((-1.7e308, -1.7e308, 1.7e308, 1.7e308), (-1e308, -1.7e308, 1.7e308, 1e308)),
    ((0.0, 0.0, 5e-324, 5e-324), (0.0, 0.0, 1e-323, 1.5e-323)),
    ((0.0, 0.0, 1e200, 1e-200), (0.0, 0.0, 1e-200, 1e200)),
    ((0.0, 0.0, 1e300, 1e300), (1e299, 1e299, 1e299 + 1e285, 1e299 + 1e285)),
    ((0.0, 0.0, 1e-300, 1e-300), (0.0, 0.0, 1e300, 1e300)),
]
RNG = np.random.default_rng(31)
START, SIDES = RNG.uniform(-1.0, 4.0, (2, 300, 2)), RNG.lognormal(0.0, 1.0, (2, 300, 2))
ANY = np.concatenate([START, START + SIDES], axis=2)
NEAR = ANY[0] + RNG.normal(0.0, 1.0, (300, 4)) * 10.0 ** RNG.uniform(-12, -2, (300, 1)) * np.tile(SIDES[0], 2)
WIDE = np.concatenate([START, SIDES], axis=2)
ALL = rows(
    [*PAIRS, *zip(ANY[0].tolist(), ANY[1].tolist(), strict=True), *zip(ANY[0].tolist(), NEAR.tolist(), strict=True)]
)
FAR_OFF = [((1e6, 2e6, 0.1, 0.3), (1e6 + 2.0**-5, 2e6, 0.11, 0.29)), ((0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 0.3, 0.4))]
SIDED = rows([*FAR_OFF, *zip(WIDE[0].tolist(), WIDE[1].tolist(), strict=True)])
FUNCTIONS: dict[str, Callable[[Pair], Real]] = {
    "iou": exact_iou,
    "iou_log": exact_iou_log,
    "alpha_iou": exact_alpha_iou,
    "giou": exact_giou,
    "diou": exact_diou,
    "ciou": exact_ciou,
    "eiou": exact_eiou,
}


def exact(function: Callable[[Pair], Real], frame: str) -> Callable[..., Real]:
    def of_row(target: Numbers, pred: Numbers) -> Real:
        alike = all(x == 0.0 or 1e-20 < abs(x) < 1e20 for x in (*target, *pred))
        with mp.workdps(ORDINARY if alike else DIGITS):
            return function(Pair(target, pred, frame))

    return of_row


CASES = tuple(
    Exact(name if frame == "xyxy" else f"{name}:frame={frame}", data, exact(function, frame))
    for name, function in FUNCTIONS.items()
    for frame, data in (("xyxy", ALL), ("xywh", SIDED), ("cxcywh", SIDED))
)
