"""Cross-entropy, Brier score and their relatives; decisions, correlation and calibration of whole sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    reals,
    sigmoid,
    softmax,
    softplus,
    times,
)

Scores = tuple[Real, Real]


def of_chance(p: float) -> tuple[Scores, Scores]:
    """(p, -ln p) of a no and of a yes."""
    with mp.workdps(400):
        yes = mp.mpf(p)
        return (1 - yes, -log(1 - yes)), (yes, -log(yes))


def of_logit(z: float) -> tuple[Scores, Scores]:
    """(p, -ln p) of a no and of a yes."""
    return (sigmoid(-z), softplus(z)), (sigmoid(z), softplus(-z))


def binary(
    outcomes: Callable[[float], tuple[Scores, Scores]],
    cost: Callable[[Real, Real], Real] = lambda other, surprise: surprise,
    smoothing: float = 0.0,
    yes: float = 1.0,
    no: float = 1.0,
) -> Callable[..., Real]:
    """A loss of binary outcomes from `cost(1 - p, -ln p)`."""

    def exact(target: float, pred: float) -> Real:
        (p0, s0), (p1, s1) = outcomes(pred)
        y = mp.mpf(target) * (1 - mp.mpf(smoothing)) + mp.mpf(smoothing) / 2
        return times(mp.mpf(yes) * y, cost(p0, s1)) + times(mp.mpf(no) * (1 - y), cost(p1, s0))

    return exact


def focal_cost(other: Real, surprise: Real) -> Real:
    """(1 - p)² (-ln p)."""
    return times(other**2, surprise)


def asymmetric(outcomes: Callable[[float], tuple[Scores, Scores]], clip: float) -> Callable[..., Real]:
    """gamma_pos = 0, gamma_neg = 4."""

    def exact(target: float, pred: float) -> Real:
        with mp.workdps(400):
            (_, s0), (p1, s1) = outcomes(pred)
            m = max(p1 - mp.mpf(clip), mp.mpf(0))
            y = mp.mpf(target)
            return times(y, s1) + times((1 - y) * m**4, -log(1 - m) if clip else s0)

    return exact


def cross(target: int | Sequence[float], surprises: Sequence[Real]) -> Real:
    """Σ q s."""
    if isinstance(target, int):
        return surprises[target]
    return sum(times(mp.mpf(q), s) for q, s in zip(target, surprises, strict=True))


def surprises_of_logits(z: Sequence[float]) -> list[Real]:
    """-ln of the softmax."""
    return [mp.log1p(odds(label, z)) for label in range(len(z))]


def cce_logits(target: int | Sequence[float], pred: Sequence[float]) -> Real:
    """From logits."""
    return cross(target, surprises_of_logits(pred))


def cce_chances(target: int | Sequence[float], pred: Sequence[float]) -> Real:
    """From probabilities."""
    return cross(target, [-log(mp.mpf(p)) for p in pred])


def smoothed(target: int, pred: Sequence[float]) -> Real:
    """label_smoothing=0.1."""
    e, s = mp.mpf(0.1), surprises_of_logits(pred)
    return (1 - e) * s[target] + e * sum(s) / len(s)


def focal_logits(target: int | Sequence[float], pred: Sequence[float]) -> Real:
    """From logits."""
    against = [odds(label, pred) for label in range(len(pred))]
    return cross(target, [(o / (1 + o)) ** 2 * mp.log1p(o) for o in against])


def focal_chances(target: int, pred: Sequence[float]) -> Real:
    """From probabilities."""
    return focal_cost(1 - mp.mpf(pred[target]), -log(mp.mpf(pred[target])))


def brier_logits(target: int, pred: Sequence[float]) -> Real:
    """From logits."""
    others = [mp.exp(mp.mpf(x) - mp.mpf(pred[target])) for place, x in enumerate(pred) if place != target]
    whole = 1 + sum(others)
    return (sum(others) / whole) ** 2 + sum((x / whole) ** 2 for x in others)


def brier_chances(target: int, pred: Sequence[float]) -> Real:
    """From probabilities."""
    with mp.workdps(700):
        return sum((mp.mpf(p) - (place == target)) ** 2 for place, p in enumerate(pred))


def brier_binary(outcomes: Callable[[float], tuple[Scores, Scores]]) -> Callable[..., Real]:
    """(p - y)², y certain."""

    def exact(target: float, pred: float) -> Real:
        (p0, _), (p1, _) = outcomes(pred)
        return (p0 if target == 1.0 else p1) ** 2

    return exact


def wrong_class(target: int, pred: Sequence[float]) -> Real:
    """Whether another class has the largest column, the first of equal ones."""
    return mp.mpf(pred.index(max(pred)) != target)


def wrong_flag(target: float, pred: float) -> Real:
    """Whether p > 1/2 says otherwise."""
    return mp.mpf((pred > 0.5) != (target == 1.0))


def soft_brier(target: float, pred: float) -> Real:
    """(p - y)²."""
    return (mp.mpf(pred) - mp.mpf(target)) ** 2


UNLIKE = grid(target=[0, 1, 2], pred=[(-1e4, 36.0, 1e-9), (0.1, 36.0, 0.2)])


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


LOG_ROWS = [(-1e4, -1e-100, -800.0), (-0.6931471805599453, -0.6931471805599453, -1e100)]
RIGHT = [{"target": float(row % 2), "pred": 1e-9 if row % 2 == 0 else 1.0 - 1e-10 * row} for row in range(20)]
MIXED = [{"target": float(row % 3 == 0), "pred": (row * 37 % 100) / 100.0} for row in range(60)]
AGAINST = [{"target": float(row % 3 == 0), "pred": 0.9 - 0.8 * (row % 3 == 0) - row * 1e-3} for row in range(30)]
WHOLE_LOGITS = [row for row in CLASS_LOGITS if max(map(abs, row["pred"])) < 40.0]
CASES = (
    Exact("bce", BINARY_LOGITS, binary(of_logit), "sigmoid"),
    Exact("bce", BINARY_CHANCES, binary(of_chance)),
    Exact("bce:pos_weight=3", BINARY_LOGITS, binary(of_logit, yes=3.0), "sigmoid"),
    Exact("bce:class_weight=0.5/2", BINARY_LOGITS, binary(of_logit, yes=2.0, no=0.5), "sigmoid"),
    Exact("bce:label_smoothing=0.1", BINARY_LOGITS, binary(of_logit, smoothing=0.1), "sigmoid"),
    Exact("focal", BINARY_LOGITS, binary(of_logit, focal_cost), "sigmoid"),
    Exact("focal", CERTAIN_CHANCES, binary(of_chance, focal_cost)),
    Exact("focal:alpha=0.25", BINARY_LOGITS, binary(of_logit, focal_cost, yes=0.25, no=0.75), "sigmoid"),
    Exact("asymmetric", grid(target=[0.0, 1.0], pred=CHANCES), asymmetric(of_chance, 0.05)),
    Exact("asymmetric:clip=0", BINARY_LOGITS, asymmetric(of_logit, 0.0), "sigmoid", ulps=6.0),
    Exact("brier", grid(target=[0.0, 1.0], pred=LOGITS), brier_binary(of_logit), "sigmoid"),
    Exact("brier", CERTAIN_CHANCES, brier_binary(of_chance)),
    Exact("brier", grid(target=[0.3, 0.5], pred=[0.1, 0.3, 0.5, 0.9]), soft_brier),
    Exact("cce", CLASS_LOGITS + UNLIKE, cce_logits, "softmax"),
    Exact("cce", SOFT_LOGITS, cce_logits, "softmax"),
    Exact("cce", CLASS_CHANCES, cce_chances),
    Exact("cce:label_smoothing=0.1", CLASS_LOGITS, smoothed, "softmax"),
    Exact("focal", CLASS_LOGITS + UNLIKE, focal_logits, "softmax"),
    Exact("focal", CLASS_CHANCES, focal_chances),
    Exact("brier", CLASS_LOGITS + UNLIKE, brier_logits, "softmax"),
    Exact("brier", CLASS_CHANCES, brier_chances),
    Exact("zero_one", CLASS_LOGITS, wrong_class, "softmax"),
    Exact("zero_one", CERTAIN_CHANCES, wrong_flag),
    Exact("hamming", CERTAIN_CHANCES, wrong_flag),
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
