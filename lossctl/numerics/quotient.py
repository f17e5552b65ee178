"""Probabilities against each other, to the last places however near two rows are and however far."""

from __future__ import annotations

import numpy as np

from lossctl.numerics.array import Array, by_piece, polynomial
from lossctl.numerics.double import Pair, add, two_product, two_sum

NEAR = 0.6  # of a relative gap; nearer, a polynomial loses less than what cancels without it
# fmt: off
ARTANH = [  # (artanh(s)/s - 1)/s² by s², to 4e-18 for |s| <= 0.6
    0.8365140275534093, -1.6818796540087393, 1.8081449624204127, -1.110836302928593, 0.5416686703423251,
    -0.11909004771253859, 0.08021070951880817, 0.04134922661404938, 0.05342190152200959, 0.05875072481358289,
    0.06667146795832087, 0.07692285771862571, 0.09090909748548215, 0.11111111099176817, 0.1428571428582797,
    0.19999999999999574, 1 / 3,
]
JS_NEAR = 0.7
JS_SERIES = [  # [(1 + s) ln(1 + s) + (1 - s) ln(1 - s)]/s² by s², to 4e-18 for |s| <= 0.7
    0.26621321855226804, -0.9503878063755827, 1.626583036864732, -1.7153781577349017, 1.2498385611535268,
    -0.6538180162639413, 0.2606370951596788, -0.07288075991947161, 0.021636338850903526, 0.0022851801087657507,
    0.006922486516259576, 0.0082960680228278, 0.010991615109484914, 0.015151387964437641, 0.02222222633358938,
    0.035714285633476034, 0.06666666666750334, 0.16666666666666324, 1.0,
]
# fmt: on
TINY = float(np.finfo(np.float64).tiny)


def expected(weight: Array | float, values: Array | float) -> Array:
    """weight x values, where a weight of 0 is 0 even against an infinity."""
    product: Array = np.multiply(weight, values)
    if np.isnan(np.minimum.reduce(product, axis=None, initial=0.0)):
        return np.where(weight == 0.0, 0.0, product)
    return product


def per_probability(elasticity: Array | float, p: Array) -> Array:
    """elasticity / p, where nothing of nothing is nothing."""
    return np.where(elasticity == 0.0, 0.0, elasticity / p)


def relative_gap(q: Array, p: Array) -> Array:
    """(p - q)/(p + q), rounded about once; 0 where both are 0."""
    (gap, lost), (total, beneath) = two_sum(p, -q), two_sum(p, q)
    divisor = np.where(total > 0.0, total, 1.0)
    s = gap / divisor
    return s + (lost - s * beneath) / divisor


def log_quotient(p: Array, q: Array) -> Array:
    """ln(p/q) of probabilities, to the last places however near the two are and however far."""
    s = relative_gap(q, p)
    square = np.square(s)
    values = 2.0 * s * (1.0 + square * polynomial(square, ARTANH))  # 2 artanh s
    far = ~((np.abs(s) < NEAR) & (q > 0.0))
    if far.any():
        values[far] = _log_of_far(p[far], q[far])
    return values


def _log_of_far(p: Array, q: Array) -> Array:
    """ln(p/q) where the quotient is far from 1, with what its rounding takes away."""
    ratio = p / q
    product, error = two_product(ratio, q)
    lost = ((p - product) - error) / p
    sound = (ratio > TINY) & (ratio < np.inf) & np.isfinite(lost)
    return np.where(sound, np.log(ratio) + np.where(sound, lost, 0.0), np.log(p) - np.log(q))


def excess(q: Array, p: Array) -> Array:
    """q ln(q/p) - q + p of each column, never negative: what divergences are sums of, without cancellation."""
    return by_piece(_excess, q, p)


def _excess(q: Array, p: Array) -> Array:
    gap, lost = two_sum(p, -q)
    s = relative_gap(q, p)
    square = np.square(s)
    values = s * (gap - 2.0 * q * square * polynomial(square, ARTANH))
    far = np.abs(s) >= NEAR
    if far.any():
        q, p = q[far], p[far]
        values[far] = np.where(q == 0.0, p, (gap[far] - expected(q, _log_of_far(p, q))) + lost[far])
    return values


def sum_of_difference(a: Array, b: Array) -> Array:
    """Σ a - Σ b over the columns, as if summed exactly and rounded once."""
    total: Pair = (np.zeros(a.shape[1]), np.zeros(a.shape[1]))
    for x, y in zip(a, b, strict=True):
        total = add(total, two_sum(x, -y))
    return total[0] + total[1]


def twice_js(q: Array, p: Array) -> Array:
    """q ln(q/m) + p ln(p/m) of each column, m = (q + p)/2, which is p ln(1 + s) + q ln(1 - s)."""
    s = relative_gap(q, p)
    square = np.square(s)
    values = 0.5 * (p - q) * s * polynomial(square, JS_SERIES)
    far = np.abs(s) >= JS_NEAR
    if far.any():
        p, q, gap = p[far], q[far], s[far]
        more, less = (np.log(2.0 * x / (p + q)) for x in (p, q))  # 1 + s may be rounded to 0
        upper, lower = np.where(gap < 0.0, more, np.log1p(gap)), np.where(gap > 0.0, less, np.log1p(-gap))
        values[far] = expected(p, upper) + expected(q, lower)
    return values
