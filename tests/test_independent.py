"""Our numbers against references that share no code with them: scikit-learn, SciPy, exact fractions and 50 digits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special
from scipy.spatial import distance
from sklearn import metrics

import lossctl

Given = Mapping[str, Any]
Values = NDArray[Any]
Weights = Values | None
N = 1000
RNG = np.random.default_rng(20_251)
WEIGHTS = RNG.uniform(0.1, 3.0, N)
WEIGHTS[::97] = 0.0


def mean(rows: Values, w: Weights) -> float:
    """Mean of per-row values."""
    return float(np.average(rows, weights=w))


# ---------------------------------------------------------------------------------------- aggregates, random data

Y = RNG.normal(1.0, 3.0, N)
F = Y + RNG.standard_t(3, N)
Y3 = RNG.normal(0.0, 2.0, (N, 3))
F3 = Y3 + RNG.normal(0.0, 1.0, (N, 3))
POSITIVE, ESTIMATE = RNG.lognormal(1.0, 1.5, N), RNG.lognormal(1.0, 1.5, N)
POSITIVE3, ESTIMATE3 = RNG.lognormal(0.0, 1.0, (N, 3)), RNG.lognormal(0.0, 1.0, (N, 3))
RATE = RNG.lognormal(1.0, 0.8, N)
COUNT = RNG.poisson(RATE).astype(float)
LOG_RATE = RNG.normal(0.0, 1.5, N)
YES = RNG.integers(0, 2, N)
SIGN = 2 * YES - 1
SOFT = RNG.random(N)
Z = RNG.normal(0.0, 4.0, N)
PROB = special.expit(RNG.normal(0.0, 2.0, N))
YES4, Z4 = RNG.integers(0, 2, (N, 4)), RNG.normal(0.0, 3.0, (N, 4))
LABEL = RNG.integers(0, 5, N)
ONE_HOT = np.eye(5)[LABEL]
LOGITS = RNG.normal(0.0, 3.0, (N, 5))
SHARES = RNG.dirichlet(np.full(5, 0.7), N)
TRUE_SHARES = RNG.dirichlet(np.full(5, 0.7), N)
TRUE_SHARES[::50] = np.eye(5)[0]

REGRESSION = {"target": Y, "pred": F}
REGRESSION3 = {"target": Y3, "pred": F3}
MAGNITUDES = {"target": POSITIVE, "pred": ESTIMATE}
MAGNITUDES3 = {"target": POSITIVE3, "pred": ESTIMATE3}
BINARY = {"target": YES, "pred": PROB}
BINARY_LOGITS = {"target": YES, "pred": Z, "activation": "sigmoid"}
MULTILABEL_LOGITS = {"target": YES4, "pred": Z4, "activation": "sigmoid"}
CLASSES = {"target": LABEL, "pred": SHARES}
CLASS_LOGITS = {"target": LABEL, "pred": LOGITS, "activation": "softmax"}
ROW_LOGITS = {"target": TRUE_SHARES, "pred": LOGITS, "activation": "softmax"}
ROWS = {"target": TRUE_SHARES, "pred": SHARES}


def log_cosh(r: Values) -> Values:
    return np.asarray(special.logsumexp(np.stack([r, -r]), axis=0)) - math.log(2.0)


def observed(columns: Values) -> Values:
    return np.asarray(columns[np.arange(N), LABEL])


def focal(log_p: Values, gamma: float) -> Values:
    """Focal loss of what was observed, from its logarithm."""
    return np.asarray(-((-np.expm1(log_p)) ** gamma) * log_p)


def brier_by_class(p: Values, w: Weights) -> float:
    return math.fsum(metrics.brier_score_loss(c == LABEL, p[:, c], sample_weight=w) for c in range(p.shape[1]))


Case = tuple[str, Given, Callable[[Weights], float]]
CASES: tuple[Case, ...] = (
    ("mse", REGRESSION, lambda w: metrics.mean_squared_error(Y, F, sample_weight=w)),
    ("mse", REGRESSION3, lambda w: metrics.mean_squared_error(Y3, F3, sample_weight=w)),
    ("rmse", REGRESSION, lambda w: metrics.root_mean_squared_error(Y, F, sample_weight=w)),
    ("rmse", REGRESSION3, lambda w: math.sqrt(metrics.mean_squared_error(Y3, F3, sample_weight=w))),
    ("mae", REGRESSION, lambda w: metrics.mean_absolute_error(Y, F, sample_weight=w)),
    ("mae", REGRESSION3, lambda w: metrics.mean_absolute_error(Y3, F3, sample_weight=w)),
    ("mbe", REGRESSION, lambda w: mean(Y, w) - mean(F, w)),
    ("huber:delta=1.5", REGRESSION, lambda w: mean(special.huber(1.5, F - Y), w)),
    ("smooth_l1:beta=0.3", REGRESSION3, lambda w: mean(special.huber(0.3, F3 - Y3).mean(axis=1) / 0.3, w)),
    ("log_cosh", REGRESSION, lambda w: mean(log_cosh(F - Y), w)),
    ("quantile:q=0.9", REGRESSION, lambda w: metrics.mean_pinball_loss(Y, F, sample_weight=w, alpha=0.9)),
    ("quantile:q=0.05", REGRESSION3, lambda w: metrics.mean_pinball_loss(Y3, F3, sample_weight=w, alpha=0.05)),
    ("r2", REGRESSION, lambda w: metrics.r2_score(Y, F, sample_weight=w)),
    ("median_absolute_error", REGRESSION, lambda w: metrics.median_absolute_error(Y, F, sample_weight=w)),
    (
        "max_error",
        REGRESSION,
        lambda w: metrics.max_error(Y, F) if w is None else metrics.max_error(Y[w > 0], F[w > 0]),
    ),
    ("msle", MAGNITUDES, lambda w: metrics.mean_squared_log_error(POSITIVE, ESTIMATE, sample_weight=w)),
    ("msle", MAGNITUDES3, lambda w: metrics.mean_squared_log_error(POSITIVE3, ESTIMATE3, sample_weight=w)),
    ("rmsle", MAGNITUDES, lambda w: metrics.root_mean_squared_log_error(POSITIVE, ESTIMATE, sample_weight=w)),
    ("mape", REGRESSION, lambda w: metrics.mean_absolute_percentage_error(Y, F, sample_weight=w)),
    (
        "smape",
        REGRESSION,
        lambda w: 2 * distance.canberra(Y, F, np.ones(N) if w is None else w) / (N if w is None else w.sum()),
    ),
    ("wape", REGRESSION, lambda w: distance.cityblock(Y, F, w) / distance.cityblock(Y, np.zeros(N), w)),
    ("poisson", {"target": COUNT, "pred": RATE}, lambda w: mean(RATE - special.xlogy(COUNT, RATE), w)),
    (
        "poisson:full=true",
        {"target": COUNT, "pred": RATE},
        lambda w: mean(RATE - special.xlogy(COUNT, RATE) + special.gammaln(COUNT + 1), w),
    ),
    (
        "poisson",
        {"target": COUNT, "pred": LOG_RATE, "activation": "exp"},
        lambda w: mean(np.exp(LOG_RATE) - COUNT * LOG_RATE, w),
    ),
    (
        "poisson",
        {"target": COUNT, "pred": LOG_RATE, "activation": "softplus"},
        lambda w: mean(-special.log_expit(-LOG_RATE) - special.xlogy(COUNT, -special.log_expit(-LOG_RATE)), w),
    ),
    ("bce", BINARY, lambda w: metrics.log_loss(YES, PROB, sample_weight=w)),
    (
        "bce",
        {"target": SOFT, "pred": PROB},
        lambda w: mean(-special.xlogy(SOFT, PROB) - special.xlog1py(1 - SOFT, -PROB), w),
    ),
    ("bce", BINARY_LOGITS, lambda w: mean(-special.log_expit(SIGN * Z), w)),
    ("bce", {**BINARY_LOGITS, "target": SIGN}, lambda w: mean(-special.log_expit(SIGN * Z), w)),
    ("bce", MULTILABEL_LOGITS, lambda w: mean(-special.log_expit((2 * YES4 - 1) * Z4).mean(axis=1), w)),
    ("cce", CLASSES, lambda w: metrics.log_loss(LABEL, SHARES, sample_weight=w)),
    ("cce", CLASS_LOGITS, lambda w: mean(-observed(special.log_softmax(LOGITS, axis=1)), w)),
    ("cce", {**CLASS_LOGITS, "target": ONE_HOT}, lambda w: mean(-observed(special.log_softmax(LOGITS, axis=1)), w)),
    ("cce", ROWS, lambda w: mean(-special.xlogy(TRUE_SHARES, SHARES).sum(axis=1), w)),
    ("cce", ROW_LOGITS, lambda w: mean(-(TRUE_SHARES * special.log_softmax(LOGITS, axis=1)).sum(axis=1), w)),
    ("focal:gamma=1.5", BINARY, lambda w: mean(focal(np.log(np.where(YES == 1, PROB, 1 - PROB)), 1.5), w)),
    (
        "focal:alpha=0.25",
        BINARY_LOGITS,
        lambda w: mean(np.where(YES == 1, 0.25, 0.75) * focal(special.log_expit(SIGN * Z), 2), w),
    ),
    ("focal", MULTILABEL_LOGITS, lambda w: mean(focal(special.log_expit((2 * YES4 - 1) * Z4), 2).mean(axis=1), w)),
    ("focal:gamma=0.5", CLASSES, lambda w: mean(focal(np.log(observed(SHARES)), 0.5), w)),
    ("focal", CLASS_LOGITS, lambda w: mean(focal(observed(special.log_softmax(LOGITS, axis=1)), 2), w)),
    ("brier", BINARY, lambda w: metrics.brier_score_loss(YES, PROB, sample_weight=w)),
    ("brier", BINARY_LOGITS, lambda w: metrics.brier_score_loss(YES, special.expit(Z), sample_weight=w)),
    ("brier", CLASSES, lambda w: brier_by_class(SHARES, w)),
    ("brier", CLASS_LOGITS, lambda w: brier_by_class(special.softmax(LOGITS, axis=1), w)),
    ("zero_one", BINARY, lambda w: metrics.zero_one_loss(YES, PROB > 0.5, sample_weight=w)),
    (
        "zero_one:threshold=0.8",
        BINARY_LOGITS,
        lambda w: metrics.zero_one_loss(YES, special.expit(Z) > 0.8, sample_weight=w),
    ),
    ("zero_one", CLASSES, lambda w: metrics.zero_one_loss(LABEL, SHARES.argmax(axis=1), sample_weight=w)),
    (
        "zero_one",
        {**CLASSES, "target": ONE_HOT},
        lambda w: metrics.zero_one_loss(LABEL, SHARES.argmax(axis=1), sample_weight=w),
    ),
    ("kl", ROWS, lambda w: mean(special.rel_entr(TRUE_SHARES, SHARES).sum(axis=1), w)),
    ("kl", ROW_LOGITS, lambda w: mean(special.rel_entr(TRUE_SHARES, special.softmax(LOGITS, axis=1)).sum(axis=1), w)),
    ("hinge", {"target": SIGN, "pred": Z}, lambda w: metrics.hinge_loss(SIGN, Z, sample_weight=w)),
    ("hinge", {"target": YES, "pred": Z}, lambda w: metrics.hinge_loss(YES, Z, sample_weight=w)),
    (
        "hinge",
        {"target": LABEL, "pred": LOGITS},
        lambda w: metrics.hinge_loss(LABEL, LOGITS, labels=np.arange(5), sample_weight=w),
    ),
    ("hinge", {"target": YES4, "pred": Z4}, lambda w: mean(np.clip(1 - (2 * YES4 - 1) * Z4, 0, None).mean(axis=1), w)),
    ("squared_hinge", {"target": SIGN, "pred": Z}, lambda w: mean(np.where(SIGN * Z < 1, (1 - SIGN * Z) ** 2, 0), w)),
)

# boxes with corners on a grid of cells, so that areas can be counted
GRID = 12
CORNER = RNG.integers(0, GRID - 1, (2, N, 2))
BOXES = np.concatenate([CORNER, RNG.integers(CORNER + 1, GRID + 1)], axis=2)
BOX_ROWS = {"target": BOXES[0], "pred": BOXES[1]}


def cells(boxes: Values) -> Values:
    """Which cells of the grid each box covers, (rows, GRID, GRID)."""
    at = np.arange(GRID)
    x1, y1, x2, y2 = boxes.T[:, :, np.newaxis]
    across, down = (at >= x1) & (at < x2), (at >= y1) & (at < y2)
    return np.asarray(across[:, :, np.newaxis] & down[:, np.newaxis, :])


COVERED = cells(BOXES[0]), cells(BOXES[1])
SHARED = np.count_nonzero(COVERED[0] & COVERED[1], axis=(1, 2))
UNION = np.count_nonzero(COVERED[0] | COVERED[1], axis=(1, 2))
HULL = np.concatenate([BOXES[..., :2].min(axis=0), BOXES[..., 2:].max(axis=0)], axis=1)
AROUND = np.count_nonzero(cells(HULL), axis=(1, 2))
MISSED = 1 - SHARED / UNION
MEETS = SHARED > 0


def centre_term(row: int) -> float:
    """Squared distance of the centres over the squared diagonal of the hull."""
    (a, b), hull = BOXES[:, row].tolist(), HULL[row].tolist()
    centres = [((x1 + x2) / 2, (y1 + y2) / 2) for x1, y1, x2, y2 in (a, b)]
    return (math.dist(*centres) / math.dist(hull[:2], hull[2:])) ** 2


def shape_term(row: int) -> float:
    """The aspect term of ciou."""
    angles = [math.atan((x2 - x1) / (y2 - y1)) for x1, y1, x2, y2 in BOXES[:, row].tolist()]
    v = (2 / math.pi * (angles[0] - angles[1])) ** 2
    return v * v / (MISSED[row] + v) if v else 0.0


CENTRES = np.array([centre_term(row) for row in range(N)])
SHAPES = np.array([shape_term(row) for row in range(N)])
MEETING = {role: boxes[MEETS] for role, boxes in BOX_ROWS.items()}

MASK, FOUND = RNG.integers(0, 2, (2, N, 20))
MASK[::60], FOUND[::30] = 0, 0
MASK_ROWS = {"target": MASK, "pred": FOUND}
SOFT_FOUND = RNG.random((N, 20))


def soft_share(double: int, smooth: float) -> Values:
    """Overlap of soft masks pixel by pixel: of the union, or twice it of the sum."""
    both = np.array([math.fsum(y) + math.fsum(p) for y, p in zip(MASK, SOFT_FOUND, strict=True)])
    shared = np.einsum("ij,ij->i", MASK, SOFT_FOUND)
    return np.asarray((double * shared + smooth) / (both - (2 - double) * shared + smooth))


def thresholds_passed(row: int) -> float:
    """Share of the overlap thresholds that a hard mask exceeds, in fractions."""
    union = int((MASK[row] | FOUND[row]).sum())
    overlap = Fraction(int((MASK[row] & FOUND[row]).sum()), union) if union else Fraction(1)
    return sum(overlap > Fraction(t, 100) for t in range(50, 100, 5)) / 10


PASSED = np.array([thresholds_passed(row) for row in range(N)])

LEFT, RIGHT, THIRD = RNG.normal(0.0, 0.5, (3, N, 6))
PAIR_DISTANCE = np.array([distance.euclidean(a, b) for a, b in zip(LEFT, RIGHT, strict=True)])
PAIRS = {"target": YES, "left": LEFT, "right": RIGHT}
TRIPLETS = {"anchor": LEFT, "positive": RIGHT, "negative": THIRD}


def triplet(measure: Callable[..., float], margin: float, swap: bool = False, **args: float) -> Values:
    rows = []
    for a, p, n in zip(LEFT, RIGHT, THIRD, strict=True):
        far = measure(a, n, **args)
        rows.append(max(0.0, measure(a, p, **args) - (min(far, measure(p, n, **args)) if swap else far) + margin))
    return np.array(rows)


def score_pairs(w: Weights) -> float:
    """Every positive score against every negative one."""
    weights, yes = np.ones(N) if w is None else w, YES == 1
    cost = -special.log_expit(Z[yes][:, np.newaxis] - Z[~yes])
    return float(np.average(cost, weights=np.outer(weights[yes], weights[~yes])))


def half(flag: int, truth: int, w: Weights) -> float:
    """Log loss of the rows of one flag, as if `truth` had been observed in all of them."""
    rows = flag == YES
    told = np.full(np.count_nonzero(rows), truth)
    return float(metrics.log_loss(told, PROB[rows], labels=[0, 1], sample_weight=None if w is None else w[rows]))


CASES += (
    ("iou", BOX_ROWS, lambda w: mean(MISSED, w)),
    ("iou_log", MEETING, lambda w: mean(np.log(UNION[MEETS] / SHARED[MEETS]), w)),
    ("giou", BOX_ROWS, lambda w: mean(MISSED + 1 - UNION / AROUND, w)),
    ("diou", BOX_ROWS, lambda w: mean(MISSED + CENTRES, w)),
    ("ciou", BOX_ROWS, lambda w: mean(MISSED + CENTRES + SHAPES, w)),
    (
        "iou_mask",
        MASK_ROWS,
        lambda w: 1 - metrics.jaccard_score(MASK, FOUND, average="samples", sample_weight=w, zero_division=1.0),
    ),
    (
        "dice",
        MASK_ROWS,
        lambda w: 1 - metrics.f1_score(MASK, FOUND, average="samples", sample_weight=w, zero_division=1.0),
    ),
    ("iou_mask:smooth=0.5", {"target": MASK, "pred": SOFT_FOUND}, lambda w: mean(1 - soft_share(1, 0.5), w)),
    ("dice:smooth=2", {"target": MASK, "pred": SOFT_FOUND}, lambda w: mean(1 - soft_share(2, 2.0), w)),
    ("iou_mask_score", MASK_ROWS, lambda w: mean(PASSED, w)),
    (
        "contrastive:margin=2",
        PAIRS,
        lambda w: mean(np.where(YES == 1, np.clip(2 - PAIR_DISTANCE, 0, None), PAIR_DISTANCE) ** 2, w),
    ),
    ("triplet", TRIPLETS, lambda w: mean(triplet(distance.euclidean, 1.0), w)),
    ("triplet:p=1,margin=0.5", TRIPLETS, lambda w: mean(triplet(distance.cityblock, 0.5), w)),
    ("triplet:p=3,swap=true", TRIPLETS, lambda w: mean(triplet(distance.minkowski, 1.0, swap=True, p=3), w)),
    ("triplet:squared=true,margin=0.2", TRIPLETS, lambda w: mean(triplet(distance.sqeuclidean, 0.2), w)),
    ("triplet_score", {"target": YES, "pred": Z}, score_pairs),
    ("gan_discriminator", BINARY, lambda w: half(1, 1, w) + half(0, 0, w)),
    ("gan_generator", BINARY, lambda w: -half(0, 0, w)),
    ("gan_generator_nonsaturating", BINARY, lambda w: half(0, 1, w)),
)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(("spec", "given", "reference"), CASES, ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)])
def test_aggregate(spec: str, given: Given, reference: Callable[[Weights], float], weighted: bool) -> None:
    if not weighted:
        assert lossctl.get(spec)(**given) == pytest.approx(reference(None), rel=1e-12, abs=0)
        return
    weight = WEIGHTS[MEETS] if spec == "iou_log" else WEIGHTS
    ours = lossctl.get(spec)(**given, weight=weight)
    assert ours == pytest.approx(reference(weight), rel=1e-12, abs=0)
    if spec != "max_error":
        assert ours != lossctl.get(spec)(**given)


def test_weights_of_a_median_are_repeats() -> None:
    weight = np.random.default_rng(8).integers(0, 4, N)
    weight[:2] = 1
    for rows in (N, N - 1, 10, 7, 2):
        repeated = np.repeat(np.abs(F - Y)[:rows], weight[:rows])
        ours = lossctl.get("median_absolute_error")(target=Y[:rows], pred=F[:rows], weight=weight[:rows])
        assert ours == pytest.approx(np.median(repeated), rel=1e-15, abs=0)


def test_means_over_many_blocks_are_rounded_once() -> None:
    rng = np.random.default_rng(9)
    target = rng.normal(0.0, 1.0, 200_000) * 10.0 ** rng.integers(-12, 12, 200_000)
    assert lossctl.get("mae")(target=target, pred=np.zeros(target.size)) == pytest.approx(
        math.fsum(np.abs(target)) / target.size, rel=4e-16, abs=0
    )


def test_r2_keeps_its_digits_at_an_offset() -> None:
    rng = np.random.default_rng(10)
    target = 1e9 + rng.normal(0.0, 1.0, N)
    pred = target + rng.normal(0.0, 0.5, N)
    t = [Fraction(x) for x in target.tolist()]
    centre = sum(t) / N
    rest = sum((Fraction(p) - y) ** 2 for p, y in zip(pred.tolist(), t, strict=True))
    exact = 1 - rest / sum((y - centre) ** 2 for y in t)
    assert lossctl.get("r2")(target=target, pred=pred) == pytest.approx(float(exact), rel=1e-12, abs=0)


# ------------------------------------------------------------------------------------ single rows, hard points

mp = mpmath.mp.clone()
mp.dps = 50
ULPS = 4.0
Real = Any  # an mpmath number
Exact = Callable[..., Real]


def ulps(ours: float, exact: Real) -> float:
    """Distance from the exact value in units of its last place."""
    nearest = float(exact)
    if not math.isfinite(ours) or not math.isfinite(nearest):
        return 0.0 if ours == nearest else math.inf
    return float(abs(mp.mpf(ours) - exact) / mp.mpf(math.ulp(nearest)))


def rows_of(
    spec: str, exact: Exact, rows: Sequence[Sequence[Any]], activation: str = "none"
) -> list[tuple[Sequence[Any], float, Real]]:
    """Evaluate (target, pred) rows: what was asked, our value, the exact one."""
    target, pred = ([row[role] for row in rows] for role in (0, 1))
    found = lossctl.get(spec).each(target=target, pred=pred, activation=activation)
    return list(zip(rows, found.tolist(), (exact(*row) for row in rows), strict=True))


def grid(targets: Sequence[Any], preds: Sequence[Any]) -> list[tuple[Any, Any]]:
    return [(target, pred) for target in targets for pred in preds]


def both_signs(values: Sequence[float]) -> list[float]:
    return [sign * value for value in values for sign in (1.0, -1.0)]


def around(x: float) -> list[float]:
    """A number and its two neighbours."""
    return [math.nextafter(x, -math.inf), x, math.nextafter(x, math.inf)]


def exact_log_cosh(target: float, pred: float) -> Real:
    with mp.workdps(1300):  # so that nothing is left of the cancellation, even at 1e-300
        r = abs(mp.mpf(pred) - mp.mpf(target))
        return r + mp.log((1 + mp.exp(-2 * r)) / 2)


def exact_msle(target: float, pred: float) -> Real:
    with mp.workdps(700):
        return mp.log((1 + mp.mpf(pred)) / (1 + mp.mpf(target))) ** 2


def exact_softplus(z: float) -> Real:
    return mp.log1p(mp.exp(mp.mpf(z)))


def exact_sigmoid(z: float) -> Real:
    return 1 / (1 + mp.exp(-mp.mpf(z)))


def exact_bce_logit(target: float, z: float) -> Real:
    y = mp.mpf(target)
    return y * exact_softplus(-z) + (1 - y) * exact_softplus(z)


def exact_focal_logit(target: float, z: float) -> Real:
    y = mp.mpf(target)
    return y * exact_sigmoid(-z) ** 2 * exact_softplus(-z) + (1 - y) * exact_sigmoid(z) ** 2 * exact_softplus(z)


def exact_bce(target: float, p: float) -> Real:
    y, p = mp.mpf(target), mp.mpf(p)
    return -(y * mp.log(p) + (1 - y) * mp.log1p(-p))


def exact_focal(target: float, p: float) -> Real:
    p_t = mp.mpf(p) if target == 1.0 else 1 - mp.mpf(p)
    return -((1 - p_t) ** 2) * mp.log(p_t)


def exact_brier_logit(target: float, z: float) -> Real:
    return exact_sigmoid(-z if target == 1.0 else z) ** 2


def rivals(label: int, z: Sequence[float]) -> list[Real]:
    """Odds of the other classes against the observed one."""
    return [mp.exp(mp.mpf(x) - mp.mpf(z[label])) for j, x in enumerate(z) if j != label]


def exact_cce(label: int, z: Sequence[float]) -> Real:
    return mp.log1p(sum(rivals(label, z)))


def exact_focal_softmax(label: int, z: Sequence[float]) -> Real:
    odds = sum(rivals(label, z))
    return (odds / (1 + odds)) ** 2 * mp.log1p(odds)


def exact_brier_softmax(label: int, z: Sequence[float]) -> Real:
    odds = rivals(label, z)
    whole = 1 + sum(odds)
    return (sum(odds) / whole) ** 2 + sum((x / whole) ** 2 for x in odds)


def exact_poisson_exp(target: float, z: float) -> Real:
    return mp.exp(mp.mpf(z)) - mp.mpf(target) * mp.mpf(z)


def exact_poisson_full(target: float, z: float) -> Real:
    return exact_poisson_exp(target, z) + mp.loggamma(mp.mpf(target) + 1)


def exact_poisson_softplus(target: float, z: float) -> Real:
    rate = exact_softplus(z)
    return rate - mp.mpf(target) * mp.log(rate)


def exact_smape(target: float, pred: float) -> Real:
    t, p = mp.mpf(target), mp.mpf(pred)
    return 2 * abs(t - p) / (abs(t) + abs(p)) if t or p else mp.mpf(0)


def exact_kl(target: Sequence[float], pred: Sequence[float]) -> Real:
    pairs = zip(target, pred, strict=True)
    return sum((mp.mpf(q) * (mp.log(mp.mpf(q)) - mp.log(mp.mpf(p))) for q, p in pairs), mp.mpf(0))


def exact_kl_softmax(target: Sequence[float], z: Sequence[float]) -> Real:
    cross = sum((mp.mpf(q) * exact_cce(label, z) for label, q in enumerate(target)), mp.mpf(0))
    return cross + sum((mp.mpf(q) * mp.log(mp.mpf(q)) for q in target), mp.mpf(0))


def exact_counts(target: Sequence[float], pred: Sequence[float]) -> tuple[Real, Real]:
    """Shared pixels and the sum of both masks."""
    y, p = [mp.mpf(x) for x in target], [mp.mpf(x) for x in pred]
    return sum(a * b for a, b in zip(y, p, strict=True)), sum(y) + sum(p)


def exact_iou_mask(target: Sequence[float], pred: Sequence[float]) -> Real:
    shared, both = exact_counts(target, pred)
    return (both - 2 * shared) / (both - shared)


def exact_dice(target: Sequence[float], pred: Sequence[float]) -> Real:
    shared, both = exact_counts(target, pred)
    return (both - 2 * shared) / both


def exact_huber(delta: float) -> Exact:
    def exact(target: float, pred: float) -> Real:
        r, d = abs(mp.mpf(pred) - mp.mpf(target)), mp.mpf(delta)
        return r * r / 2 if r <= d else d * (r - d / 2)

    return exact


def exact_smooth_l1(beta: float) -> Exact:
    return lambda target, pred: exact_huber(beta)(target, pred) / mp.mpf(beta)


def exact_areas(target: Sequence[float], pred: Sequence[float]) -> tuple[Real, Real]:
    """Intersection and union."""
    t, p = [mp.mpf(x) for x in target], [mp.mpf(x) for x in pred]
    shared = (min(t[2], p[2]) - max(t[0], p[0])) * (min(t[3], p[3]) - max(t[1], p[1]))
    return shared, (t[2] - t[0]) * (t[3] - t[1]) + (p[2] - p[0]) * (p[3] - p[1]) - shared


def exact_iou(target: Sequence[float], pred: Sequence[float]) -> Real:
    shared, union = exact_areas(target, pred)
    return (union - shared) / union


def exact_iou_log(target: Sequence[float], pred: Sequence[float]) -> Real:
    shared, union = exact_areas(target, pred)
    return mp.log1p((union - shared) / shared)


def knees(width: float) -> list[tuple[float, float]]:
    return grid([0.0], both_signs([*around(width), width / 2, width * 2, width * 1e-9, width * 1e9]))


RESIDUALS = [1e-300, 1e-160, 1e-20, 1e-9, 1e-6, 0.1, 0.5, *around(1.0), 1.0000001, 2.0, 20.0, 700.0, 1e5, 1e300]
MSLE_NEAR = [
    *[(1.0, x) for x in around(1.0)],
    *[(1e6, x) for x in around(1e6)],
    *[(1e-20, x) for x in around(1e-20)],
    (0.1, 0.1 + 1e-12),
    (-0.5, -0.5000001),
    (math.nextafter(-1.0, 0.0), -1.0 + 2.0**-53 + 2.0**-66),
    (1e-20, 3e-20),
    (1e-20, -1e-20),
    (0.0, 1e-20),
    (3.0, 2.0),
    (100.0, 140.0),
]
MSLE_FAR = [
    (1e-20, 1.0),
    (1e-300, 1e300),
    (1e300, 1e-300),
    (-0.999999, 1e10),
    (math.nextafter(-1.0, 0.0), 1e300),
    (1e10, math.nextafter(-1.0, 0.0)),
    (1e8, 1e7),
]
MSLE_LARGE = [
    (math.nextafter(-1.0, 0.0), -1.0 + 2.0**-52),
    (7.0, 2.0),
    (100.0, 200.0),
    (1e15, 4e15),
    (1e300, 2e300),
    (2e300, 1e300),
]
SIGMOID_LOGITS = [0.0, *both_signs([1e4, 800.0, 36.0, 17.3, 2.5, 0.3, 1e-9])]
PROBABILITIES = [5e-324, 1e-300, 1e-9, 0.1, 0.5, 0.9, 1.0 - 1e-9, math.nextafter(1.0, 0.0)]
SOFTMAX_LOGITS = [
    (0.0, 1e4, -1e4),
    (1e4, 1e4, 0.0),
    (0.0, 36.0, -36.0),
    (1e-9, -1e-9, 0.0),
    (36.0, 1e-9, -1e-9),
    (-36.0, 1e-9, -1e-9),
    (1e4, 1e-9, -36.0),
    (2.0, 1.0, 0.1),
]
UNLIKE_LOGITS = [(-1e4, 36.0, 1e-9), (0.1, 36.0, 0.2)]
LOG_RATES = [-800.0, -745.0, -700.0, -100.0, -36.0, *around(-30.0), -20.0, -1.0, -1e-9, 0.0, 1e-9, 0.5, 20.0, 700.0]
BOXES_FAR = [((1.0, 1.0, 3.0, 5.0), (0.0, 0.0, 4.0, 2.0)), ((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 1e-9, 1e-9))]
BOXES_EQUAL = [((0.1, 0.2, 1.3, 2.7), (0.1, 0.2, 1.3, 2.7))]
BOXES_NEAR = [
    ((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0 + 1e-9)),
    ((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0 + 2.0**-52)),
    ((0.0, 0.0, 1.0, 1.0), (1e-9, 0.0, 1.0, 1.0)),
    ((10.0, 20.0, 110.0, 220.0), (10.0, 20.0, 110.0, 220.000001)),
    ((0.0, 0.0, 3.0, 3.0), (0.0, 0.0, 3.0, 3.03)),
    ((0.0, 0.0, 1e-9, 1e9), (0.0, 0.0, 1e-9, 1.001e9)),
]

Hard = tuple[str, str, Exact, Sequence[Sequence[Any]]]
HARD: tuple[Hard, ...] = (
    ("log_cosh", "none", exact_log_cosh, grid([0.0], both_signs(RESIDUALS))),
    ("msle", "none", exact_msle, MSLE_NEAR + MSLE_FAR),
    ("bce", "sigmoid", exact_bce_logit, grid([0.0, 1.0, 0.3], SIGMOID_LOGITS)),
    ("focal", "sigmoid", exact_focal_logit, grid([0.0, 1.0, 0.3], SIGMOID_LOGITS)),
    ("brier", "sigmoid", exact_brier_logit, grid([0.0, 1.0], SIGMOID_LOGITS)),
    ("bce", "none", exact_bce, grid([0.0, 1.0, 0.3], PROBABILITIES)),
    ("focal", "none", exact_focal, grid([0.0, 1.0], PROBABILITIES)),
    ("cce", "softmax", exact_cce, grid([0, 1, 2], SOFTMAX_LOGITS)),
    ("focal", "softmax", exact_focal_softmax, grid([0, 1, 2], SOFTMAX_LOGITS)),
    ("brier", "softmax", exact_brier_softmax, grid([0, 1, 2], SOFTMAX_LOGITS)),
    ("poisson", "exp", exact_poisson_exp, grid([0.0, 1.0, 3.0, 1e6], LOG_RATES)),
    ("poisson:full=true", "exp", exact_poisson_full, grid([0.0, 1.0, 2.0, 50.0, 1e6], LOG_RATES)),
    ("poisson", "softplus", exact_poisson_softplus, grid([0.0, 1.0, 3.0, 1e6], LOG_RATES)),
    (
        "smape",
        "none",
        exact_smape,
        [
            *[(1.0, x) for x in around(1.0)],
            (0.0, 0.0),
            (0.0, -0.0),
            (0.0, 1e-300),
            (0.1, 0.3),
            (-3.0, 7.0),
            (1e300, 1e-300),
            (1.7e308, 1e308),
            (1e-310, 3e-310),
        ],
    ),
    *((f"huber:delta={d!r}", "none", exact_huber(d), knees(d)) for d in (1.0, 0.1, 1.345, 1e-3, 3.0, 1e150, 1e-150)),
    *((f"smooth_l1:beta={b!r}", "none", exact_smooth_l1(b), knees(b)) for b in (1.0, 0.1, 1.345, 1e-3, 3.0)),
    ("iou_log", "none", exact_iou_log, BOXES_FAR + BOXES_EQUAL),
    ("iou", "none", exact_iou, BOXES_FAR + BOXES_EQUAL),
)


@pytest.mark.parametrize(
    ("spec", "activation", "exact", "rows"), HARD, ids=[f"{spec}-{activation}" for spec, activation, _, _ in HARD]
)
def test_row_to_the_last_places(spec: str, activation: str, exact: Exact, rows: Sequence[Sequence[Any]]) -> None:
    found = rows_of(spec, exact, rows, activation)
    assert [(row, ours, mp.nstr(true, 20)) for row, ours, true in found if not ulps(ours, true) <= ULPS] == []


# where terms of opposite sign nearly cancel, digits are lost: (relative, absolute) says how many are left
LAST = 2.0**-52
SHARES_NEAR = [
    ([0.25, 0.375, 0.375], [0.25 + gap, 0.375 - 0.75 * gap, 0.375 - 0.25 * gap]) for gap in (1e-3, 1e-6, 1e-9, 1e-12)
]
MASKS_NEAR = [([1.0, 0.0, 1.0, 1.0], [1.0 - gap, gap, 1.0, 1.0 - gap / 3]) for gap in (1e-3, 1e-9, 1e-15)]
COARSE: tuple[tuple[*Hard, float, float], ...] = (
    ("msle", "none", exact_msle, MSLE_LARGE, 4 * LAST, 0.0),
    ("cce", "softmax", exact_cce, grid([0, 1, 2], UNLIKE_LOGITS), 4 * LAST, 0.0),
    ("focal", "softmax", exact_focal_softmax, grid([0, 1, 2], UNLIKE_LOGITS), 4 * LAST, 0.0),
    ("brier", "softmax", exact_brier_softmax, grid([0, 1, 2], UNLIKE_LOGITS), 4 * LAST, 0.0),
    ("poisson", "exp", exact_poisson_exp, [(3.0, 0.6190612867359451), (3.0, 1.0)], 0.0, 3 * LAST),
    ("poisson", "softplus", exact_poisson_softplus, [(1e6, 0.5413248546)], 0.0, 1e6 * LAST),
    ("kl", "none", exact_kl, SHARES_NEAR, 0.0, 1e-3 * LAST),
    ("kl", "softmax", exact_kl_softmax, [([0.5, 0.5], [1e-6, 0.0]), ([0.25, 0.75], [0.0, 1.0])], 0.0, LAST),
    ("iou", "none", exact_iou, BOXES_NEAR, 4 * LAST, 0.0),
    ("iou_log", "none", exact_iou_log, BOXES_NEAR, 4 * LAST, 0.0),
    ("iou_mask", "none", exact_iou_mask, MASKS_NEAR, 4 * LAST, 0.0),
    ("dice", "none", exact_dice, MASKS_NEAR, 4 * LAST, 0.0),
)


@pytest.mark.parametrize(
    ("spec", "activation", "exact", "rows", "relative", "absolute"),
    COARSE,
    ids=[f"{case[0]}-{case[1]}" for case in COARSE],
)
def test_row_where_terms_cancel(
    spec: str, activation: str, exact: Exact, rows: Sequence[Sequence[Any]], relative: float, absolute: float
) -> None:
    for row, ours, true in rows_of(spec, exact, rows, activation):
        off = float(abs(mp.mpf(ours) - true))
        assert off <= max(relative * abs(float(true)), absolute), f"{row}: {ours!r} is not {mp.nstr(true, 20)}"


EXTREME = (
    ("smape", {"target": [5e-324], "pred": [0.0]}, 2.0),
    ("smape", {"target": [5e-324], "pred": [-5e-324]}, 2.0),
    ("smape", {"target": [1e-323], "pred": [5e-324]}, 2 / 3),
    ("smape", {"target": [1.7e308], "pred": [-1.7e308]}, 2.0),
    ("smooth_l1:beta=1e150", {"target": [0.0], "pred": [1e159]}, 1e159 - 0.5e150),
    ("smooth_l1:beta=1e-150", {"target": [0.0], "pred": [1e-159]}, 0.5e-168),
    ("triplet:margin=0", {"anchor": [[0.0, 0.0]], "positive": [[3e170, 4e170]], "negative": [[0.0, 1e170]]}, 4e170),
    ("triplet:margin=0", {"anchor": [[0.0, 0.0]], "positive": [[3e-170, 4e-170]], "negative": [[0.0, 0.0]]}, 5e-170),
    ("triplet:margin=0,p=3", {"anchor": [[0.0]], "positive": [[3e110]], "negative": [[1e110]]}, 2e110),
)


@pytest.mark.parametrize(
    ("spec", "given", "expected"), EXTREME, ids=[f"{i}-{case[0]}" for i, case in enumerate(EXTREME)]
)
def test_finite_values_survive_extreme_sizes(spec: str, given: Given, expected: float) -> None:
    assert lossctl.get(spec)(**given) == pytest.approx(expected, rel=1e-14, abs=0)
