"""Divergences and distances of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np

from tests.accuracy import Exact, Real, Row, grid, mp
from tests.accuracy.probability import LOGIT_ROWS, log, softmax, times

Rows = Sequence[Real]


def kl(q: Rows, p: Rows) -> Real:
    """Σ q ln(q/p)."""
    return sum(times(a, log(a) - log(b)) for a, b in zip(q, p, strict=True))


def jeffreys(q: Rows, p: Rows) -> Real:
    """Σ (p - q) ln(p/q)."""
    return sum(times(b - a, log(b) - log(a)) for a, b in zip(q, p, strict=True))


def js(q: Rows, p: Rows) -> Real:
    """Mean divergence from the middle."""
    middle = [(a + b) / 2 for a, b in zip(q, p, strict=True)]
    return (kl(q, middle) + kl(p, middle)) / 2


def hellinger(q: Rows, p: Rows) -> Real:
    """½ Σ (√p - √q)²."""
    return sum((mp.sqrt(a) - mp.sqrt(b)) ** 2 for a, b in zip(q, p, strict=True)) / 2


def total_variation(q: Rows, p: Rows) -> Real:
    """½ Σ |p - q|."""
    return sum(abs(a - b) for a, b in zip(q, p, strict=True)) / 2


def chi2(q: Rows, p: Rows) -> Real:
    """Σ (p - q)²/q."""
    return sum(((b - a) ** 2 / a if a else (mp.inf if b else mp.mpf(0))) for a, b in zip(q, p, strict=True))


def bhattacharyya(q: Rows, p: Rows) -> Real:
    """-ln Σ √(p q)."""
    return -log(sum(mp.sqrt(a * b) for a, b in zip(q, p, strict=True)))


def gaps(q: Rows, p: Rows) -> list[Real]:
    """Running sums of p - q but the last."""
    return list(accumulate(b - a for a, b in zip(q, p, strict=True)))[:-1]


def emd_squared(q: Rows, p: Rows) -> Real:
    """Σ of squared running sums."""
    return sum(gap**2 for gap in gaps(q, p))


def wasserstein1(q: Rows, p: Rows) -> Real:
    """Σ of running sums' sizes."""
    return sum(abs(gap) for gap in gaps(q, p))


def generalized_kl(q: Rows, p: Rows) -> Real:
    """Σ q ln(q/p) - q + p."""
    return kl(q, p) - sum(q) + sum(p)


def itakura_saito(q: Rows, p: Rows) -> Real:
    """Σ q/p - ln(q/p) - 1."""
    return sum(a / b - log(a) + log(b) - 1 for a, b in zip(q, p, strict=True))


Divergence = Callable[[Rows, Rows], Real]


def exact(divergence: Divergence) -> Callable[..., Real]:
    """Of rows as they are."""
    return lambda target, pred: divergence(target, pred)


def swapped(divergence: Divergence) -> Divergence:
    """With prediction and target exchanged."""
    return lambda q, p: divergence(p, q)


def from_logits(divergence: Divergence, scale: Callable[[Rows, Rows], Real]) -> Callable[..., tuple[Real, Real]]:
    """Of the softmax of a row, and the term whose digits it keeps."""
    return lambda target, pred: (divergence(target, softmax(pred)), scale(target, softmax(pred)))


def from_logs(divergence: Divergence) -> Callable[..., Real]:
    """Of a row whose logarithms are predicted."""
    return lambda target, pred: divergence(target, [mp.exp(z) for z in pred])


def log_targets(target: Rows, pred: Rows) -> tuple[Real, Real]:
    """Σ e^a (a - b), and its largest term."""
    terms = [times(mp.exp(a), a - b) for a, b in zip(target, pred, strict=True)]
    return sum(terms), max(map(abs, terms))


def apart(q: Rows, p: Rows) -> Real:
    """Σ |p - q|."""
    return 2 * total_variation(q, p)


def most(q: Rows, p: Rows) -> Real:
    """The largest probability."""
    return max(p)


def steepest(q: Rows, p: Rows) -> Real:
    """The largest |p - q|/q."""
    return max(abs(b - a) / a for a, b in zip(q, p, strict=True))


def widest(q: Rows, p: Rows) -> Real:
    """The largest probability times the largest running gap."""
    return max(p) * max(abs(gap) for gap in gaps(q, p))


def near(gap: float) -> Row:
    """Rows that sum to 1 exactly and differ by about `gap`."""
    return {"target": [0.25, 0.375, 0.375], "pred": [0.25 + gap, 0.375 - 0.75 * gap, 0.375 - 0.25 * gap]}


def drawn(classes: int, count: int) -> list[Row]:
    """Rows of all distances, in binary fractions that sum to 1 exactly."""
    rng = np.random.default_rng(classes)
    rows: list[Row] = []
    for _ in range(count):
        pair = {}
        for role in ("target", "pred"):
            cuts = np.sort(rng.choice(np.arange(1, 2**20), classes - 1, replace=False)) / 2**20
            pair[role] = np.diff(np.concatenate([[0.0], cuts, [1.0]])).tolist()
        rows.append(pair)
    return rows


NEAR: list[Row] = [near(gap) for gap in (0.1, 1e-3, 1e-6, 1e-9, 1e-12)]
FAR: list[Row] = [
    {"target": [0.25, 0.5, 0.25], "pred": [0.5, 0.25, 0.25]},
    {"target": [0.5, 0.25, 0.25], "pred": [2.0**-1000, 1.0, 2.0**-60]},
    {"target": [2.0**-1000, 1.0, 2.0**-60], "pred": [0.25, 0.25, 0.5]},
    {"target": [1.0, 0.0, 0.0], "pred": [0.5, 0.25, 0.25]},
    {"target": [0.5, 0.25, 0.25], "pred": [1.0, 0.0, 0.0]},
    {"target": [1.0, 0.0, 0.0], "pred": [1.0, 0.0, 0.0]},
    {"target": [1.0, 0.0, 0.0], "pred": [0.0, 0.0, 1.0]},
    {"target": [0.5, 0.5, 0.0], "pred": [0.5, 0.5, 0.0]},
]
ROWS = [*NEAR, *FAR, *drawn(3, 60)]
WIDE = drawn(10, 20)
LABELLED: list[Row] = grid(
    target=[0, 2], pred=[(0.25, 0.5, 0.25), (2.0**-60, 1.0 - 2.0**-50, 2.0**-50), (0.0, 0.0, 1.0)]
)
LOGIT_TARGETS: list[Row] = [
    *grid(target=[(0.25, 0.5, 0.25), (0.125, 0.125, 0.75)], pred=LOGIT_ROWS),
    {"target": [0.25, 0.25, 0.5], "pred": [1e-6, 0.0, 0.6931471805599453]},
    {"target": [0.25, 0.25, 0.5], "pred": [1e-12, 0.0, 0.6931471805599453]},
]
AMOUNTS: list[Row] = [
    {"target": [3.0, 1e100], "pred": [3.0 + 1e-9, 1e99]},
    {"target": [1e-100, 5.0], "pred": [2e-100, 5.0 + 1e-12]},
    {"target": [1e9, 2.0], "pred": [1e9 + 1.0, 2.0]},
    {"target": [0.1, 0.3], "pred": [7.0, 0.001]},
    {"target": [5e-324, 1.0], "pred": [1.0, 1e-9]},
    {"target": [3.0, 1e300], "pred": [3.0 + 1e-9, 1e299]},
    {"target": [1e-300, 5.0], "pred": [2e-300, 5.0 + 1e-12]},
    {"target": [1e-310, 5.0], "pred": [2.1e-310, 5.0 + 1e-12]},
    {"target": [1e308, 5.0], "pred": [1.1e308, 5.0 + 1e-12]},
]
EMPTY: list[Row] = [{"target": [0.0, 2.0], "pred": [0.5, 1.0]}, {"target": [0.0, 0.0], "pred": [0.0, 3.0]}]
RAW: list[Row] = grid(target=[(3.0, 0.5), (1e9, 1e-9)], pred=[(1.0, -0.5), (20.0, -30.0), (-700.0, 0.0), (1e-9, 3.0)])
LOGS: list[Row] = [
    {"target": np.log(row["target"]).tolist(), "pred": np.log(row["pred"]).tolist()} for row in [*NEAR, *drawn(3, 20)]
]


def one_hot(target: int, pred: Rows) -> list[Real]:
    """The row of a label."""
    return [mp.mpf(place == target) for place in range(len(pred))]


DIVERGENCES: dict[str, tuple[Divergence, Callable[[Rows, Rows], Real]]] = {
    "kl": (kl, apart),
    "reverse_kl": (swapped(kl), apart),
    "jeffreys": (jeffreys, apart),
    "js": (js, apart),
    "hellinger": (hellinger, apart),
    "total_variation": (total_variation, most),
    "chi2": (chi2, steepest),
    "bhattacharyya": (bhattacharyya, apart),
    "emd_squared": (emd_squared, widest),
    "wasserstein1": (wasserstein1, most),
}
CASES = (
    *(
        Exact(name, rows, exact(divergence), digits=700)
        for rows in (ROWS, WIDE)
        for name, (divergence, _) in DIVERGENCES.items()
    ),
    *(
        Exact(name, LOGIT_TARGETS, from_logits(divergence, scale), "softmax", digits=60)
        for name, (divergence, scale) in DIVERGENCES.items()
    ),
    Exact("emd_squared", LABELLED, lambda target, pred: emd_squared(one_hot(target, pred), pred), digits=700),
    Exact(
        "emd_squared",
        grid(target=[0, 1, 2], pred=LOGIT_ROWS),
        lambda target, pred: emd_squared(one_hot(target, pred), softmax(pred)),
        "softmax",
        digits=400,  # of gaps whose squares are above the least float
    ),
    Exact("kl_log_targets", LOGS, log_targets),
    Exact("generalized_kl", AMOUNTS + EMPTY, exact(generalized_kl), digits=700),
    Exact("generalized_kl", RAW, from_logs(generalized_kl), "exp", digits=200),
    Exact("itakura_saito", AMOUNTS, exact(itakura_saito), digits=700),
    Exact("itakura_saito", RAW, from_logs(itakura_saito), "exp", digits=200),
)
