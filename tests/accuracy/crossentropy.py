"""Relatives of cross-entropy, and values of whole sets: correlation of decisions, calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.accuracy import Exact, Real, grid, mp
from tests.accuracy.classification import cce_logits, cross
from tests.accuracy.probability import CLASS_CHANCES, CLASS_LOGITS, SOFT_LOGITS, log, odds, reals, softmax, times


def nll(target: int, pred: Sequence[float]) -> Real:
    """-ln p_y as it stands."""
    return -mp.mpf(pred[target])


def perplexity(target: list[int], pred: list[list[float]]) -> Real:
    """e to the mean, from logits; the scale is as many times that as the mean is large."""
    mean = sum(cce_logits(y, z) for y, z in zip(target, pred, strict=True)) / len(target)
    return mp.exp(mean), mp.exp(mean) * max(mean, 1)


def scores(cost: Callable[[Real, Real, Real], Real]) -> Callable[..., Real]:
    """A loss of class logits from `cost(p, 1 - p, -ln p)`."""

    def exact(target: int | Sequence[float], pred: Sequence[float]) -> Real:
        against = [odds(label, pred) for label in range(len(pred))]
        return cross(target, [cost(1 / (1 + o), o / (1 + o), mp.log1p(o)) for o in against])

    return exact


def chance_scores(cost: Callable[[Real, Real, Real], Real]) -> Callable[..., Real]:
    """A loss of class probabilities from `cost(p, 1 - p, -ln p)`."""

    def exact(target: int, pred: Sequence[float]) -> Real:
        with mp.workdps(400):
            p = mp.mpf(pred[target])
            return cost(p, 1 - p, -log(p))

    return exact


def poly1(epsilon: float) -> Callable[[Real, Real, Real], Real]:
    """-ln p + ε (1 - p), with digits enough for -ln p - (1 - p)."""

    def cost(p: Real, other: Real, surprise: Real) -> Real:
        with mp.workdps(120):
            return surprise + mp.mpf(epsilon) * other

    return cost


def poly1_whole(epsilon: float) -> Callable[..., Real]:
    """The same, the logits' odds in many digits."""

    def exact(target: int | Sequence[float], pred: Sequence[float]) -> Real:
        with mp.workdps(120):
            return scores(poly1(epsilon))(target, pred)

    return exact


def gce(q: float) -> Callable[[Real, Real, Real], Real]:
    """(1 - p^q)/q."""
    return lambda p, other, surprise: -mp.expm1(-mp.mpf(q) * surprise) / mp.mpf(q)


def symmetric_ce(target: int | Sequence[float], pred: Sequence[float]) -> Real:
    """alpha = 0.1, beta = 1, A = -4."""
    q = [mp.mpf(place == target) for place in range(len(pred))] if isinstance(target, int) else reals(target)
    told = [-max(log(x), mp.mpf(-4)) for x in q]
    forward = sum(times(x, mp.log1p(odds(label, pred))) for label, x in enumerate(q))
    return mp.mpf(0.1) * forward + sum(p * s for p, s in zip(softmax(pred), told, strict=True))


def mcc_loss(target: list[float], pred: list[float]) -> Real:
    """1 - MCC of soft counts."""
    with mp.workdps(400):
        y, p = reals(target), reals(pred)
        pairs = list(zip(y, p, strict=True))
        tp, fp = sum(a * b for a, b in pairs), sum((1 - a) * b for a, b in pairs)
        fn, tn = sum(a * (1 - b) for a, b in pairs), sum((1 - a) * (1 - b) for a, b in pairs)
        return 1 - (tp * tn - fp * fn) / mp.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))


def gaps(target: list[float], pred: list[float], n_bins: int) -> list[tuple[Real, int]]:
    """Σ (y - p) and the count of every bin that has rows."""
    found: dict[int, tuple[Real, int]] = {}
    for y, p in zip(target, pred, strict=True):
        place = next(b for b in range(n_bins) if b == n_bins - 1 or p <= (b + 1) / n_bins)
        gap, count = found.get(place, (mp.mpf(0), 0))
        found[place] = gap + mp.mpf(y) - mp.mpf(p), count + 1
    return list(found.values())


def ece(target: list[float], pred: list[float]) -> Real:
    """15 bins."""
    return sum(abs(gap) for gap, _ in gaps(target, pred, 15)) / len(pred)


def mce(target: list[float], pred: list[float]) -> Real:
    """15 bins."""
    return max(abs(gap) / count for gap, count in gaps(target, pred, 15))


def rmsce(target: list[float], pred: list[float]) -> Real:
    """15 bins."""
    return mp.sqrt(sum(gap**2 / count for gap, count in gaps(target, pred, 15)) / len(pred))


LOG_ROWS = [(-1e4, -1e-300, -800.0), (-0.6931471805599453, -0.6931471805599453, -1e308)]
RIGHT = [{"target": float(row % 2), "pred": 1e-9 if row % 2 == 0 else 1.0 - 1e-10 * row} for row in range(20)]
MIXED = [{"target": float(row % 3 == 0), "pred": (row * 37 % 100) / 100.0} for row in range(60)]
AGAINST = [{"target": float(row % 3 == 0), "pred": 0.9 - 0.8 * (row % 3 == 0) - row * 1e-3} for row in range(30)]
WHOLE_LOGITS = [row for row in CLASS_LOGITS if max(map(abs, row["pred"])) < 40.0]
CASES = (
    Exact("nll", grid(target=[0, 1, 2], pred=LOG_ROWS), nll),
    Exact("perplexity", WHOLE_LOGITS, perplexity, "softmax", whole=True),
    *(
        Exact(f"poly1:epsilon={epsilon}", rows, poly1_whole(epsilon), "softmax")
        for epsilon in (2.0, 0.0, -0.5, -1.0)
        for rows in (CLASS_LOGITS, SOFT_LOGITS)
    ),
    *(Exact(f"poly1:epsilon={epsilon}", CLASS_CHANCES, chance_scores(poly1(epsilon))) for epsilon in (2.0, -1.0)),
    *(Exact(f"gce:q={q}", CLASS_LOGITS, scores(gce(q)), "softmax") for q in (0.7, 1.0, 0.5)),
    Exact("gce", CLASS_CHANCES, chance_scores(gce(0.7))),
    Exact("gce", SOFT_LOGITS, scores(gce(0.7)), "softmax"),
    Exact("symmetric_ce", CLASS_LOGITS, symmetric_ce, "softmax"),
    Exact("symmetric_ce", SOFT_LOGITS, symmetric_ce, "softmax"),
    *(Exact("mcc_loss", rows, mcc_loss, whole=True, ulps=8.0) for rows in (RIGHT, MIXED, AGAINST)),
    *(Exact("ece", rows, ece, whole=True) for rows in (MIXED, RIGHT)),
    *(Exact("mce", rows, mce, whole=True) for rows in (MIXED, AGAINST)),
    *(Exact("rmsce", rows, rmsce, whole=True) for rows in (MIXED, AGAINST)),
)
