"""Our numbers against references that share no code with them: scikit-learn, SciPy and exact fractions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats
from scipy.spatial import distance
from sklearn import metrics
from sklearn.metrics.pairwise import paired_cosine_distances

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

SPREAD = {"target": Y, "pred": F, "scale": RATE}
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
SWAPPED = {"target": SHARES, "pred": TRUE_SHARES}
MORE_SHARES = np.random.default_rng(5).dirichlet(np.full(5, 0.7), N)
SHIFTED = np.maximum(PROB - 0.1, 0.0)
BINS = range(5)


def log_cosh(r: Values) -> Values:
    return np.asarray(special.logsumexp(np.stack([r, -r]), axis=0)) - math.log(2.0)


def observed(columns: Values) -> Values:
    return np.asarray(columns[np.arange(N), LABEL])


def focal(log_p: Values, gamma: float) -> Values:
    """Focal loss of what was observed, from its logarithm."""
    return np.asarray(-((-np.expm1(log_p)) ** gamma) * log_p)


def d2_tweedie(power: float, w: Weights) -> float:
    return float(metrics.d2_tweedie_score(POSITIVE, ESTIMATE, sample_weight=w, power=power))


def correlation(w: Weights) -> float:
    """Pearson's correlation of weighted rows."""
    spread = np.cov(Y, F, aweights=w)
    return float(spread[0, 1] / math.sqrt(spread[0, 0] * spread[1, 1]))


def brier_by_class(p: Values, w: Weights) -> float:
    return math.fsum(metrics.brier_score_loss(c == LABEL, p[:, c], sample_weight=w) for c in range(p.shape[1]))


def weston_watkins(p: int, weights: Values) -> Values:
    missed = np.clip(1 + LOGITS - observed(LOGITS)[:, np.newaxis], 0, None) ** p * (1 - ONE_HOT)
    return np.asarray(weights[LABEL] * missed.mean(axis=1))


def normal_score() -> Values:
    """E|X - y| - E|X - X'|/2 of normal X and X'."""
    w = (Y - F) / RATE
    distance_to = w * special.erf(w / math.sqrt(2)) + 2 * stats.norm.pdf(w)
    return np.asarray(RATE * (distance_to - 1 / math.sqrt(math.pi)))


def ensemble_score(pairs: int) -> Values:
    """E|X - y| - E|X - X'|/2 of members, by their energy distances."""
    members = F[:, np.newaxis] + LOGITS
    spread = np.abs(members[:, :, np.newaxis] - members[:, np.newaxis, :]).sum(axis=(1, 2))
    return np.asarray(np.abs(members - Y[:, np.newaxis]).mean(axis=1) - spread / (2 * pairs))


def calibration(w: Weights) -> tuple[float, float, float]:
    """ECE, MCE and RMSCE in ten bins."""
    place, weights = np.ceil(PROB * 10).astype(int), np.ones(N) if w is None else w
    mass = np.bincount(place, weights)
    gap = np.abs(np.bincount(place, weights * (YES - PROB)))
    each = gap[mass > 0] / mass[mass > 0]
    squared = math.fsum(np.square(each) * mass[mass > 0]) / mass.sum()
    return float(gap.sum() / mass.sum()), float(each.max()), math.sqrt(squared)


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
    ("rse", REGRESSION, lambda w: 1 - metrics.r2_score(Y, F, sample_weight=w)),
    ("rrse", REGRESSION, lambda w: math.sqrt(1 - metrics.r2_score(Y, F, sample_weight=w))),
    ("nrmse:by=std", REGRESSION, lambda w: math.sqrt(1 - metrics.r2_score(Y, F, sample_weight=w))),
    ("nrmse", REGRESSION, lambda w: metrics.root_mean_squared_error(Y, F, sample_weight=w) / mean(Y, w)),
    ("explained_variance", REGRESSION, lambda w: metrics.explained_variance_score(Y, F, sample_weight=w)),
    (
        "one_minus_explained_variance",
        REGRESSION,
        lambda w: 1 - metrics.explained_variance_score(Y, F, sample_weight=w),
    ),
    ("d2_absolute", REGRESSION, lambda w: metrics.d2_absolute_error_score(Y, F, sample_weight=w)),
    ("one_minus_d2_absolute", REGRESSION, lambda w: 1 - metrics.d2_absolute_error_score(Y, F, sample_weight=w)),
    ("d2_pinball:q=0.9", REGRESSION, lambda w: metrics.d2_pinball_score(Y, F, sample_weight=w, alpha=0.9)),
    (
        "one_minus_d2_pinball:q=0.2",
        REGRESSION,
        lambda w: 1 - metrics.d2_pinball_score(Y, F, sample_weight=w, alpha=0.2),
    ),
    ("d2_tweedie", REGRESSION, lambda w: metrics.d2_tweedie_score(Y, F, sample_weight=w)),
    *((f"d2_tweedie:power={p}", MAGNITUDES, partial(d2_tweedie, p)) for p in (-1.5, 1, 1.3, 2, 2.7)),
    ("one_minus_d2_tweedie:power=1", MAGNITUDES, lambda w: 1 - d2_tweedie(1, w)),
    ("d2_log_loss", BINARY, lambda w: metrics.d2_log_loss_score(YES, y_proba=PROB, sample_weight=w)),
    ("d2_log_loss", CLASSES, lambda w: metrics.d2_log_loss_score(LABEL, y_proba=SHARES, sample_weight=w)),
    ("one_minus_d2_log_loss", CLASSES, lambda w: 1 - metrics.d2_log_loss_score(LABEL, y_proba=SHARES, sample_weight=w)),
    ("d2_brier", BINARY, lambda w: metrics.d2_brier_score(YES, PROB, sample_weight=w)),
    ("d2_brier", CLASSES, lambda w: metrics.d2_brier_score(LABEL, SHARES, sample_weight=w)),
    ("one_minus_d2_brier", BINARY, lambda w: 1 - metrics.d2_brier_score(YES, PROB, sample_weight=w)),
    ("pearson", REGRESSION, lambda w: correlation(w)),
    ("one_minus_pearson", REGRESSION, lambda w: float(distance.correlation(Y, F, w))),
    ("cosine_distance", REGRESSION3, lambda w: mean(paired_cosine_distances(Y3, F3), w)),
    ("cosine_similarity", REGRESSION3, lambda w: 1 - mean(paired_cosine_distances(Y3, F3), w)),
    ("pseudo_huber:delta=0.7", REGRESSION3, lambda w: mean(special.pseudo_huber(0.7, F3 - Y3).mean(axis=1), w)),
    (
        "minkowski:p=3",
        REGRESSION,
        lambda w: float(distance.minkowski(Y, F, 3, w) / (N if w is None else w.sum()) ** (1 / 3)),
    ),
    ("mape:eps=0.5", REGRESSION, lambda w: mean(np.abs(F - Y) / np.clip(np.abs(Y), 0.5, None), w)),
    ("maape", REGRESSION, lambda w: mean(np.arctan(np.abs((F - Y) / Y)), w)),
    ("mpe", REGRESSION, lambda w: mean((Y - F) / Y, w)),
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
    (
        "poisson_deviance",
        {"target": COUNT, "pred": RATE},
        lambda w: metrics.mean_poisson_deviance(COUNT, RATE, sample_weight=w),
    ),
    ("gamma_deviance", MAGNITUDES, lambda w: metrics.mean_gamma_deviance(POSITIVE, ESTIMATE, sample_weight=w)),
    *(
        (
            f"tweedie_deviance:power={power!r}",
            {"target": target, "pred": RATE},
            lambda w, power=power, target=target: metrics.mean_tweedie_deviance(
                target, RATE, sample_weight=w, power=power
            ),
        )
        for power, target in ((-1.5, Y), (0.0, Y), (1.0, COUNT), (1.5, COUNT), (2.0, POSITIVE), (3.0, POSITIVE))
    ),
    (
        "gaussian_nll:full=true,scale_is=deviation",
        SPREAD,
        lambda w: mean(-stats.norm.logpdf(Y, F, RATE), w),
    ),
    ("laplace_nll", SPREAD, lambda w: mean(-stats.laplace.logpdf(Y, F, RATE), w)),
    ("crps_gaussian", SPREAD, lambda w: mean(normal_score(), w)),
    ("crps_ensemble", {"target": Y, "pred": F[:, np.newaxis] + LOGITS}, lambda w: mean(ensemble_score(25), w)),
    (
        "crps_ensemble:fair=true",
        {"target": Y, "pred": F[:, np.newaxis] + LOGITS},
        lambda w: mean(ensemble_score(20), w),
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
    ("hamming", BINARY, lambda w: metrics.hamming_loss(YES, PROB > 0.5, sample_weight=w)),
    (
        "hamming",
        {"target": YES4, "pred": special.expit(Z4)},
        lambda w: metrics.hamming_loss(YES4, Z4 > 0, sample_weight=w),
    ),
    (
        "mcc_loss",
        {"target": YES, "pred": PROB > 0.5},
        lambda w: 1 - metrics.matthews_corrcoef(YES, PROB > 0.5, sample_weight=w),
    ),
    ("bce:pos_weight=3", BINARY_LOGITS, lambda w: mean(-special.log_expit(SIGN * Z) * np.where(YES == 1, 3, 1), w)),
    (
        "bce:class_weight=1/3",
        BINARY_LOGITS,
        lambda w: metrics.log_loss(YES, special.expit(Z), sample_weight=(1 + 2 * YES) * (1 if w is None else w)),
    ),
    (
        "cce:class_weight=1/2/3/4/5",
        CLASSES,
        lambda w: metrics.log_loss(LABEL, SHARES, sample_weight=(1.0 + LABEL) * (1 if w is None else w)),
    ),
    (
        "cce:ignore_class=2",
        CLASSES,
        lambda w: metrics.log_loss(LABEL, SHARES, sample_weight=(LABEL != 2) * (1 if w is None else w)),
    ),
    (
        "nll:ignore_class=2",
        {"target": LABEL, "pred": special.log_softmax(LOGITS, axis=1)},
        lambda w: mean(-observed(special.log_softmax(LOGITS, axis=1))[LABEL != 2], w if w is None else w[LABEL != 2]),
    ),
    ("perplexity", CLASS_LOGITS, lambda w: math.exp(mean(-observed(special.log_softmax(LOGITS, axis=1)), w))),
    ("poly1:epsilon=1.5", CLASSES, lambda w: mean(1.5 * (1 - observed(SHARES)) - np.log(observed(SHARES)), w)),
    ("gce:q=0.4", CLASSES, lambda w: mean(-special.boxcox(observed(SHARES), 0.4), w)),
    (
        "symmetric_ce",
        CLASSES,
        lambda w: mean(-0.1 * np.log(observed(SHARES)) + 4.0 * (SHARES.sum(axis=1) - observed(SHARES)), w),
    ),
    (
        "asymmetric:clip=0.1",
        BINARY,
        lambda w: mean(np.where(YES == 1, -np.log(PROB), -(SHIFTED**4) * np.log1p(-SHIFTED)), w),
    ),
    ("ece:n_bins=10", BINARY, lambda w: calibration(w)[0]),
    ("mce:n_bins=10", BINARY, lambda w: calibration(w)[1]),
    ("rmsce:n_bins=10", BINARY, lambda w: calibration(w)[2]),
    (
        "kl_log_targets",
        {"target": np.log(MORE_SHARES), "pred": np.log(SHARES)},
        lambda w: mean(special.rel_entr(MORE_SHARES, SHARES).sum(axis=1), w),
    ),
    ("reverse_kl", SWAPPED, lambda w: mean(special.rel_entr(TRUE_SHARES, SHARES).sum(axis=1), w)),
    (
        "jeffreys",
        {"target": SHARES, "pred": MORE_SHARES},
        lambda w: mean((special.rel_entr(SHARES, MORE_SHARES) + special.rel_entr(MORE_SHARES, SHARES)).sum(axis=1), w),
    ),
    ("js", ROWS, lambda w: mean(distance.jensenshannon(TRUE_SHARES, SHARES, axis=1) ** 2, w)),
    ("hellinger", ROWS, lambda w: mean(np.square(np.sqrt(TRUE_SHARES) - np.sqrt(SHARES)).sum(axis=1) / 2, w)),
    ("total_variation", ROWS, lambda w: mean(np.abs(TRUE_SHARES - SHARES).sum(axis=1) / 2, w)),
    ("chi2", SWAPPED, lambda w: mean(stats.chisquare(TRUE_SHARES, SHARES, axis=1, sum_check=False).statistic, w)),
    ("bhattacharyya", ROWS, lambda w: mean(-np.log(np.sqrt(TRUE_SHARES * SHARES).sum(axis=1)), w)),
    (
        "wasserstein1",
        ROWS,
        lambda w: mean(
            np.array(
                [stats.wasserstein_distance(range(5), range(5), *row) for row in zip(SHARES, TRUE_SHARES, strict=True)]
            ),
            w,
        ),
    ),
    ("emd_squared", ROWS, lambda w: mean(np.square(np.cumsum(TRUE_SHARES - SHARES, axis=1)).sum(axis=1), w)),
    ("emd_squared", CLASSES, lambda w: mean(np.square(np.cumsum(ONE_HOT - SHARES, axis=1)).sum(axis=1), w)),
    ("generalized_kl", MAGNITUDES3, lambda w: mean(special.kl_div(POSITIVE3, ESTIMATE3).sum(axis=1), w)),
    (
        "itakura_saito",
        MAGNITUDES3,
        lambda w: mean(
            np.array([metrics.mean_gamma_deviance(t, p) * 1.5 for t, p in zip(POSITIVE3, ESTIMATE3, strict=True)]), w
        ),
    ),
    ("hinge", {"target": SIGN, "pred": Z}, lambda w: metrics.hinge_loss(SIGN, Z, sample_weight=w)),
    ("hinge", {"target": YES, "pred": Z}, lambda w: metrics.hinge_loss(YES, Z, sample_weight=w)),
    (
        "hinge",
        {"target": LABEL, "pred": LOGITS},
        lambda w: metrics.hinge_loss(LABEL, LOGITS, labels=np.arange(5), sample_weight=w),
    ),
    ("hinge", {"target": YES4, "pred": Z4}, lambda w: mean(np.clip(1 - (2 * YES4 - 1) * Z4, 0, None).mean(axis=1), w)),
    ("squared_hinge", {"target": SIGN, "pred": Z}, lambda w: mean(np.where(SIGN * Z < 1, (1 - SIGN * Z) ** 2, 0), w)),
    (
        "squared_hinge:margin=2.5",
        {"target": YES4, "pred": Z4},
        lambda w: mean((np.clip(2.5 - (2 * YES4 - 1) * Z4, 0, None) ** 2).mean(axis=1), w),
    ),
    ("hinge:margin=0.5", {"target": SIGN, "pred": Z}, lambda w: 0.5 * metrics.hinge_loss(SIGN, 2 * Z, sample_weight=w)),
    (
        "hinge:floor=true",
        {"target": LABEL, "pred": LOGITS},
        lambda w: mean(np.clip(1 + np.max((1 - ONE_HOT) * LOGITS, axis=1) - observed(LOGITS), 0, None), w),
    ),
    ("soft_margin", {"target": SIGN, "pred": Z}, lambda w: metrics.log_loss(YES, special.expit(Z), sample_weight=w)),
    ("exponential", {"target": SIGN, "pred": Z / 4}, lambda w: mean(np.exp(-SIGN * Z / 4), w)),
    ("savage", {"target": YES, "pred": Z}, lambda w: metrics.brier_score_loss(YES, special.expit(Z), sample_weight=w)),
    (
        "sparsemax_multiclass",
        {"target": YES, "pred": np.stack([-Z, Z], axis=1) / 4},
        lambda w: lossctl.get("sparsemax_binary")(target=YES, pred=Z / 2, weight=w),
    ),
    ("multi_margin", {"target": LABEL, "pred": LOGITS}, lambda w: mean(weston_watkins(1, np.ones(5)), w)),
    (
        "multi_margin:p=2,class_weight=1/2/0.5/1/3",
        {"target": LABEL, "pred": LOGITS},
        lambda w: mean(weston_watkins(2, np.array([1, 2, 0.5, 1, 3])), w),
    ),
    (
        "one_vs_all_hinge",
        {"target": LABEL, "pred": LOGITS},
        lambda w: math.fsum(metrics.hinge_loss(c == LABEL, LOGITS[:, c], sample_weight=w) for c in range(5)) / 5,
    ),
    (
        "label_ranking_loss",
        {"target": YES4, "pred": Z4},
        lambda w: metrics.label_ranking_loss(YES4, Z4, sample_weight=w),
    ),
    (
        "label_ranking_loss",
        {"target": YES4, "pred": np.rint(Z4)},
        lambda w: metrics.label_ranking_loss(YES4, np.rint(Z4), sample_weight=w),
    ),
    (
        "coverage_error",
        {"target": YES4, "pred": np.rint(Z4)},
        lambda w: metrics.coverage_error(YES4, np.rint(Z4), sample_weight=w),
    ),
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


def pooled_masks(w: Weights) -> tuple[Values, Values, dict[str, Weights]]:
    """All pixels as one mask, a pixel with the weight of its row."""
    return MASK.ravel(), FOUND.ravel(), {"sample_weight": None if w is None else np.repeat(w, MASK.shape[1])}


PASSED = np.array([thresholds_passed(row) for row in range(N)])

LEFT, RIGHT, THIRD = RNG.normal(0.0, 0.5, (3, N, 6))
PAIR_DISTANCE = np.array([distance.euclidean(a, b) for a, b in zip(LEFT, RIGHT, strict=True)])
ANGLE = np.array([distance.cosine(a, b) for a, b in zip(LEFT, RIGHT, strict=True)])
THIRD_DISTANCE = np.array([distance.euclidean(a, b) for a, b in zip(LEFT, THIRD, strict=True)])
PAIRS = {"target": YES, "left": LEFT, "right": RIGHT}
TRIPLETS = {"anchor": LEFT, "positive": RIGHT, "negative": THIRD}


def triplet(measure: Callable[..., float], margin: float, swap: bool = False, **args: float) -> Values:
    rows = []
    for a, p, n in zip(LEFT, RIGHT, THIRD, strict=True):
        far = measure(a, n, **args)
        rows.append(max(0.0, measure(a, p, **args) - (min(far, measure(p, n, **args)) if swap else far) + margin))
    return np.array(rows)


def hinged_distance() -> Values:
    """Distances of same pairs, what those of different ones lack to 1."""
    return np.where(YES == 1, PAIR_DISTANCE, np.clip(1 - PAIR_DISTANCE, 0, None))


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
    ("iou_mask:over=set", MASK_ROWS, lambda w: 1 - metrics.jaccard_score(*pooled_masks(w)[:2], **pooled_masks(w)[2])),
    ("dice:over=set", MASK_ROWS, lambda w: 1 - metrics.f1_score(*pooled_masks(w)[:2], **pooled_masks(w)[2])),
    ("tversky:over=set", MASK_ROWS, lambda w: 1 - metrics.f1_score(*pooled_masks(w)[:2], **pooled_masks(w)[2])),
    ("cosine_embedding:margin=0.2", PAIRS, lambda w: mean(np.where(YES == 1, ANGLE, np.clip(0.8 - ANGLE, 0, None)), w)),
    ("hinge_embedding", {"target": YES, "pred": PAIR_DISTANCE}, lambda w: mean(hinged_distance(), w)),
    (
        "margin_ranking:margin=0.5",
        {"target": SIGN, "left": Y, "right": F},
        lambda w: metrics.hinge_loss(SIGN, 2 * (Y - F), sample_weight=w) / 2,
    ),
    ("ranknet", {"target": SIGN, "left": Y, "right": F}, lambda w: mean(-special.log_expit(SIGN * (Y - F)), w)),
    ("soft_triplet", TRIPLETS, lambda w: mean(np.logaddexp(0, PAIR_DISTANCE - THIRD_DISTANCE), w)),
    (
        "triplet_distance",
        {"near": PAIR_DISTANCE, "far": THIRD_DISTANCE},
        lambda w: mean(np.clip(PAIR_DISTANCE - THIRD_DISTANCE + 1, 0, None), w),
    ),
    ("gan_value", BINARY, lambda w: -half(1, 1, w) - half(0, 0, w)),
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


def squares(values: Sequence[Fraction]) -> Fraction:
    return sum((value * value for value in values), Fraction(0))


def centred(values: Sequence[Fraction]) -> list[Fraction]:
    middle = sum(values, Fraction(0)) / len(values)
    return [value - middle for value in values]


def unexplained(t: list[Fraction], p: list[Fraction], bias: bool) -> float:
    rest = [Fraction(a - b) for a, b in zip(t, p, strict=True)]
    return float(squares(rest if bias else centred(rest)) / squares(centred(t)))


def cosine(a: list[Fraction], b: list[Fraction]) -> float:
    return float(sum(x * y for x, y in zip(a, b, strict=True))) / math.sqrt(squares(a) * squares(b))


OFFSET = 10**9
RATIOS: tuple[tuple[str, int, Callable[[list[Fraction], list[Fraction]], float]], ...] = (
    ("r2", OFFSET, lambda t, p: 1 - unexplained(t, p, bias=True)),
    ("rse", OFFSET, lambda t, p: unexplained(t, p, bias=True)),
    *(
        (name, -3 * OFFSET, function)
        for name, function in (  # an offset of its own for the prediction
            ("explained_variance", lambda t, p: 1 - unexplained(t, p, bias=False)),
            ("one_minus_explained_variance", lambda t, p: unexplained(t, p, bias=False)),
            ("pearson", lambda t, p: cosine(centred(t), centred(p))),
            ("one_minus_pearson", lambda t, p: 1 - cosine(centred(t), centred(p))),
        )
    ),
)


@pytest.mark.parametrize(("spec", "offset", "exact"), RATIOS, ids=[row[0] for row in RATIOS])
def test_ratios_keep_their_digits_at_an_offset(
    spec: str, offset: int, exact: Callable[[list[Fraction], list[Fraction]], float]
) -> None:
    rng = np.random.default_rng(10)
    base = rng.normal(0.0, 1.0, N)
    target, pred = OFFSET + base, offset + base + rng.normal(0.0, 0.5, N)
    t, p = ([Fraction(x) for x in line.tolist()] for line in (target, pred))
    assert lossctl.get(spec)(target=target, pred=pred) == pytest.approx(exact(t, p), rel=1e-12, abs=0)


# ------------------------------------------------------------------------------------ single rows, extreme sizes

EXTREME = (
    ("triplet:margin=0", {"anchor": [[0.0, 0.0]], "positive": [[3e170, 4e170]], "negative": [[0.0, 1e170]]}, 4e170),
    ("triplet:margin=0", {"anchor": [[0.0, 0.0]], "positive": [[3e-170, 4e-170]], "negative": [[0.0, 0.0]]}, 5e-170),
    ("triplet:margin=0,p=3", {"anchor": [[0.0]], "positive": [[3e110]], "negative": [[1e110]]}, 2e110),
)


@pytest.mark.parametrize(
    ("spec", "given", "expected"), EXTREME, ids=[f"{i}-{case[0]}" for i, case in enumerate(EXTREME)]
)
def test_finite_values_survive_extreme_sizes(spec: str, given: Given, expected: float) -> None:
    assert lossctl.get(spec)(**given) == pytest.approx(expected, rel=1e-14, abs=0)
