"""Cross-entropy, Brier score and their relatives; decisions, correlation and calibration of whole sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.accuracy import Exact, Real, grid, mp
from tests.accuracy.probability import (
    BINARY_CHANCES,
    BINARY_LOGITS,
    CERTAIN_CHANCES,
    CHANCES,
    CLASS_CHANCES,
    CLASS_LOGITS,
    LOGITS,
    SOFT_LOGITS,
    log,
    odds,
    times,
)

Reals = list[Real]
Cost = Callable[[Real, Real, Real], Real]  # of (p, 1 - p, -ln p), p the probability of what is observed


def outcomes(pred: Any, logits: bool) -> list[tuple[Real, Real, Real]]:
    """(p, 1 - p, -ln p) of each class, or of a no and a yes."""
    if not logits:
        chances = pred if isinstance(pred, list) else [1 - pred, pred]
        return [(p, 1 - p, -log(p)) for p in chances]
    against = [odds(c, pred) for c in range(len(pred))] if isinstance(pred, list) else [mp.exp(pred), mp.exp(-pred)]
    return [(1 / (1 + o), o / (1 + o), mp.log1p(o)) for o in against]


def shares(target: Any, classes: int) -> Reals:
    """The target as a share of each class."""
    if isinstance(target, list):
        return target
    return [mp.mpf(c == target) for c in range(classes)] if isinstance(target, int) else [1 - target, target]


def mean_cost(
    *costs: Cost, logits: bool = False, smoothing: float = 0.0, weights: Sequence[float] = ()
) -> Callable[..., Real]:
    """Mean of a cost over what may be observed; of several costs one for each class."""

    def exact(target: Any, pred: Any) -> Real:
        rows = outcomes(pred, logits)
        total, e = mp.mpf(0), mp.mpf(smoothing)
        for c, (q, outcome) in enumerate(zip(shares(target, len(rows)), rows, strict=True)):
            weight = ((1 - e) * q + e / len(rows)) * (mp.mpf(weights[c]) if weights else 1)
            total += times(weight, costs[c % len(costs)](*outcome)) if weight else 0
        return total

    return exact


def surprise(p: Real, other: Real, surprise: Real) -> Real:
    return surprise


def focal(p: Real, other: Real, surprise: Real) -> Real:
    return times(other**2, surprise)


def squared(p: Real, other: Real, surprise: Real) -> Real:
    return other**2


def asymmetric(clip: float) -> tuple[Cost, Cost]:
    """gamma_pos = 0, gamma_neg = 4: the costs of a no and of a yes."""

    def no(p: Real, other: Real, surprise: Real) -> Real:
        m = max(other - mp.mpf(clip), mp.mpf(0))
        return times(m**4, -log(1 - m) if clip else surprise)

    return no, surprise


def poly1(epsilon: float) -> Cost:
    return lambda p, other, surprise: surprise + mp.mpf(epsilon) * other


def gce(q: float) -> Cost:
    return lambda p, other, surprise: -mp.expm1(-mp.mpf(q) * surprise) / mp.mpf(q)


def brier(logits: bool) -> Callable[..., Real]:
    """Σ (p - y)² over the classes."""

    def exact(target: int, pred: Reals) -> Real:
        return sum((other if c == target else p) ** 2 for c, (p, other, _) in enumerate(outcomes(pred, logits)))

    return exact


def symmetric_ce(target: int | Reals, pred: Reals) -> Real:
    """alpha = 0.1, beta = 1, A = -4."""
    q, rows = shares(target, len(pred)), outcomes(pred, logits=True)
    return sum(mp.mpf(0.1) * times(x, s) - p * max(log(x), mp.mpf(-4)) for x, (p, _, s) in zip(q, rows, strict=True))


def wrong_class(target: int, pred: Reals) -> Real:
    """Whether another class has the largest column, the first of equal ones."""
    return mp.mpf(pred.index(max(pred)) != target)


def wrong_flag(target: Real, pred: Real) -> Real:
    """Whether p > 1/2 says otherwise."""
    return mp.mpf((pred > 0.5) != (target == 1))


def perplexity(target: list[int], pred: list[Reals]) -> Real:
    """e to the mean, from logits; the scale is as many times that as the mean is large."""
    mean = sum(map(mean_cost(surprise, logits=True), target, pred)) / len(target)
    return mp.exp(mean), mp.exp(mean) * max(mean, 1)


def mcc_loss(target: Reals, pred: Reals) -> Real:
    """1 - MCC of soft counts."""
    no, other = [1 - y for y in target], [1 - p for p in pred]
    tp, fp, fn, tn = (mp.fdot(y, p) for p in (pred, other) for y in (target, no))
    return 1 - (tp * tn - fp * fn) / mp.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))


def bins(target: Reals, pred: Reals, count: int = 15) -> list[tuple[Real, int]]:
    """|Σ (y - p)| and the rows of every bin that has some."""
    gaps: dict[int, Reals] = {}
    for y, p in zip(target, pred, strict=True):
        place = next(b for b in range(count) if b == count - 1 or p <= (b + 1) / count)
        gaps.setdefault(place, []).append(y - p)
    return [(abs(sum(members)), len(members)) for members in gaps.values()]


CALIBRATION: dict[str, Callable[[Reals, Reals], Real]] = {
    "ece": lambda target, pred: sum(gap for gap, _ in bins(target, pred)) / len(pred),
    "mce": lambda target, pred: max(gap / count for gap, count in bins(target, pred)),
    "rmsce": lambda target, pred: mp.sqrt(sum(gap**2 / count for gap, count in bins(target, pred)) / len(pred)),
}
UNLIKE = grid(target=[0, 1, 2], pred=[(-1e4, 36.0, 1e-9), (0.1, 36.0, 0.2)])
LOG_ROWS = [(-1e4, -1e-100, -800.0), (-0.6931471805599453, -0.6931471805599453, -1e100)]
RIGHT = [{"target": float(row % 2), "pred": 1e-9 if row % 2 == 0 else 1.0 - 1e-10 * row} for row in range(20)]
MIXED = [{"target": float(row % 3 == 0), "pred": (row * 37 % 100) / 100.0} for row in range(60)]
AGAINST = [{"target": float(row % 3 == 0), "pred": 0.9 - 0.8 * (row % 3 == 0) - row * 1e-3} for row in range(30)]
WHOLE_LOGITS = [row for row in CLASS_LOGITS if max(map(abs, row["pred"])) < 40.0]
CERTAIN_LOGITS = grid(target=[0.0, 1.0], pred=LOGITS)
SIGMOID: tuple[tuple[str, Any, Callable[..., Real]], ...] = (
    ("bce", BINARY_LOGITS, mean_cost(surprise, logits=True)),
    ("bce:pos_weight=3", BINARY_LOGITS, mean_cost(surprise, logits=True, weights=(1.0, 3.0))),
    ("bce:class_weight=0.5/2", BINARY_LOGITS, mean_cost(surprise, logits=True, weights=(0.5, 2.0))),
    ("bce:label_smoothing=0.1", BINARY_LOGITS, mean_cost(surprise, logits=True, smoothing=0.1)),
    ("focal", BINARY_LOGITS, mean_cost(focal, logits=True)),
    ("focal:alpha=0.25", BINARY_LOGITS, mean_cost(focal, logits=True, weights=(0.75, 0.25))),
    ("brier", CERTAIN_LOGITS, mean_cost(squared, logits=True)),
)
SOFTMAX: tuple[tuple[str, Any, Callable[..., Real]], ...] = (
    ("cce", CLASS_LOGITS + UNLIKE, mean_cost(surprise, logits=True)),
    ("cce", SOFT_LOGITS, mean_cost(surprise, logits=True)),
    ("cce:label_smoothing=0.1", CLASS_LOGITS, mean_cost(surprise, logits=True, smoothing=0.1)),
    ("focal", CLASS_LOGITS + UNLIKE, mean_cost(focal, logits=True)),
    ("brier", CLASS_LOGITS + UNLIKE, brier(logits=True)),
    ("zero_one", CLASS_LOGITS, wrong_class),
    *((f"gce:q={q}", CLASS_LOGITS, mean_cost(gce(q), logits=True)) for q in (0.7, 1.0, 0.5)),
    ("gce", SOFT_LOGITS, mean_cost(gce(0.7), logits=True)),
    *(
        (f"poly1:epsilon={epsilon}", rows, mean_cost(poly1(epsilon), logits=True))
        for epsilon in (2.0, 0.0, -0.5, -1.0)
        for rows in (CLASS_LOGITS, SOFT_LOGITS)
    ),
    ("symmetric_ce", CLASS_LOGITS, symmetric_ce),
    ("symmetric_ce", SOFT_LOGITS, symmetric_ce),
)
NATURAL: tuple[tuple[str, Any, Callable[..., Real]], ...] = (
    ("bce", BINARY_CHANCES, mean_cost(surprise)),
    ("focal", CERTAIN_CHANCES, mean_cost(focal)),
    ("asymmetric", grid(target=[0.0, 1.0], pred=CHANCES), mean_cost(*asymmetric(0.05))),
    ("brier", CERTAIN_CHANCES, mean_cost(squared)),
    ("brier", grid(target=[0.3, 0.5], pred=[0.1, 0.3, 0.5, 0.9]), lambda target, pred: (pred - target) ** 2),
    ("cce", CLASS_CHANCES, mean_cost(surprise)),
    ("focal", CLASS_CHANCES, mean_cost(focal)),
    ("brier", CLASS_CHANCES, brier(logits=False)),
    ("zero_one", CERTAIN_CHANCES, wrong_flag),
    ("hamming", CERTAIN_CHANCES, wrong_flag),
    ("nll", grid(target=[0, 1, 2], pred=LOG_ROWS), lambda target, pred: -pred[target]),
    *((f"poly1:epsilon={epsilon}", CLASS_CHANCES, mean_cost(poly1(epsilon))) for epsilon in (2.0, -1.0)),
    ("gce", CLASS_CHANCES, mean_cost(gce(0.7))),
)
CASES = (
    *(Exact(spec, rows, exact, "sigmoid", digits=400) for spec, rows, exact in SIGMOID),
    Exact("asymmetric:clip=0", BINARY_LOGITS, mean_cost(*asymmetric(0.0), logits=True), "sigmoid", ulps=6.0),
    *(Exact(spec, rows, exact, "softmax", digits=120) for spec, rows, exact in SOFTMAX),
    *(Exact(spec, rows, exact, digits=700) for spec, rows, exact in NATURAL),
    Exact("perplexity", WHOLE_LOGITS, perplexity, "softmax", whole=True),
    *(Exact("mcc_loss", rows, mcc_loss, whole=True, ulps=8.0, digits=400) for rows in (RIGHT, MIXED, AGAINST)),
    *(
        Exact(name, rows, exact, whole=True)
        for name, exact in CALIBRATION.items()
        for rows in (MIXED, RIGHT if name == "ece" else AGAINST)
    ),
)
