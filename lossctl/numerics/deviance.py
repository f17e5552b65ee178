"""Positive means and what is observed of them, to the last places: likelihoods and deviances of counts and sizes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np

from lossctl.numerics.activation import sigmoid
from lossctl.numerics.array import Array, polynomial
from lossctl.numerics.double import Pair, add, product, split, subtract, two_product, two_sum

STEPS: Final = 128  # table points of ln c, c = i/128, so that |r| < 2^-7.5 is left for the series
FIRST, LAST, END = 90, 182, 257  # of quotients in [√½, √2], and of significands in [1, 2]
COARSE: Final = 2.0**42
LN2_HIGH: Final = float.fromhex("0x1.62e42fefa38p-1")  # 42 bits: its multiples by an exponent are exact
LN2_LOW: Final = float.fromhex("0x1.ef35793c7673p-45")
SERIES: Final = (1 / 9, -1 / 8, 1 / 7, -1 / 6, 1 / 5, -1 / 4, 1 / 3)  # of ln(1 + r), from r⁹ down to r³
TINY: Final = 2.0**-24
ROOT_TWO: Final = float(np.sqrt(2.0))
ROOT_HALF: Final = float(np.sqrt(0.5))


@cache
def _table() -> Pair:
    """ln(i/128) for FIRST <= i < END, as pairs."""
    wide = Context(prec=50)
    exact = [wide.ln(wide.divide(Decimal(i), Decimal(STEPS))) for i in range(FIRST, END)]
    high = [float(value) for value in exact]
    low = [float(value - Decimal(part)) for value, part in zip(exact, high, strict=True)]
    return np.array(high), np.array(low)


def log_ratio(a: Array, b: Array | None = None) -> Pair:
    """ln(a/b) of positive numbers, right to about 2^-68 of itself however near a and b are and however far; b: or 1."""
    (top, rise), (bottom, fall) = np.frexp(a), (None, 1) if b is None else np.frexp(b)
    quotient = 2.0 * top if bottom is None else top / bottom
    turn = (quotient >= ROOT_TWO).astype(np.int32) - (quotient < ROOT_HALF)
    top, exponent = np.ldexp(top, -turn), rise - fall + turn
    place = np.clip(np.rint(np.ldexp(quotient, 7 - turn)).astype(np.int32), FIRST, LAST - 1)
    step = place / STEPS
    ratio, beneath = _above_step(2.0 * top, step) if bottom is None else _above_steps(top, bottom, step)
    square, error = two_product(ratio, ratio)
    low = beneath * (1.0 - ratio) - 0.5 * error + polynomial(ratio, SERIES) * ratio * square
    high_table, low_table = _table()
    high, lost = two_sum(exponent * LN2_HIGH, high_table[place - FIRST])
    low += exponent * LN2_LOW + low_table[place - FIRST] + lost
    for term in (ratio, -0.5 * square):
        high, lost = two_sum(high, term)
        low += lost
    return two_sum(high, low)


@cache
def _coarse_table() -> Pair:
    """The same with high parts that are multiples of 2^-42, to which multiples of LN2_HIGH are added exactly."""
    high, low = _table()
    coarse = np.rint(high * COARSE) / COARSE
    return coarse, (high - coarse) + low


def log_near(a: Array) -> Pair:
    """ln a, right to about 2^-60 whatever its size: a third of the work of `log_ratio`."""
    top, exponent = np.frexp(a)
    significand = 2.0 * top
    place = (STEPS * significand + 0.5).astype(np.int32)
    step = place / STEPS
    high_table, low_table = _coarse_table()
    low = np.log1p((significand - step) / step)
    low += exponent * LN2_LOW - LN2_LOW + np.take(low_table, place - FIRST, mode="clip")
    return (exponent - 1) * LN2_HIGH + np.take(high_table, place - FIRST, mode="clip"), low


def _above_step(top: Array, step: Array) -> Pair:
    """top / step - 1 as a pair; step has few bits, so that its products with halves are exact."""
    above = top - step
    ratio = above / step
    high, low = split(ratio)
    return ratio, ((above - high * step) - low * step) / step


def _above_steps(top: Array, bottom: Array, step: Array) -> Pair:
    """top / (step bottom) - 1 as a pair."""
    upper, lower = (step * half for half in split(bottom))
    above, beneath = two_sum(top - upper, -lower)
    base = upper + lower
    below = lower - (base - upper)
    ratio = above / base
    shadow, error = two_product(ratio, base)
    return ratio, (((above - shadow) - error) + beneath - ratio * below) / base


def log_of(a: Pair) -> Pair:
    """ln of a positive pair."""
    return add(log_ratio(a[0]), (a[1] / a[0], np.zeros_like(a[0])))


def exp_of(a: Pair) -> Pair:
    """e to a pair, as right as NumPy's exponential is."""
    near = np.exp(a[0])
    return near, np.where(np.isfinite(near), near * a[1], 0.0)


def sharpened(near: Array, logarithm: Pair, log: Callable[[Array], Pair] = log_ratio) -> Pair:
    """The pair whose logarithm is given, from a float not far from it; log: by what function of it."""
    normal = (near >= np.finfo(np.float64).tiny) & np.isfinite(near)
    gap = subtract(logarithm, log(np.where(normal, near, 1.0)))
    return near, np.where(normal, near * gap[0], 0.0)


def exponential(z: Array) -> Pair:
    """e^z."""
    return sharpened(np.exp(z), (z, np.zeros_like(z)))


def softplus_pair(z: Array) -> Pair:
    """ln(1 + e^z)."""
    high, low = exponential(-np.abs(z))
    total, lost = two_sum(np.ones_like(high), high)
    far = log_of((total, lost + low))
    near = (high, low - 0.5 * high**2 + high**3 / 3.0)
    small = high < TINY
    return add(
        (np.maximum(z, 0.0), np.zeros_like(z)), (np.where(small, near[0], far[0]), np.where(small, near[1], far[1]))
    )


def log_softplus_pair(z: Array) -> Pair:
    """ln ln(1 + e^z)."""
    low = z < -60.0
    inside = log_of(softplus_pair(np.where(low, 0.0, z)))
    return np.where(low, z, inside[0]), np.where(low, -0.5 * np.exp(np.minimum(z, 0.0)), inside[1])


def sigmoid_pair(z: Array) -> Pair:
    """1/(1 + e^-z)."""
    return sharpened(sigmoid(z), log_sigmoid_pair(z))


def log_sigmoid_pair(z: Array) -> Pair:
    """-ln(1 + e^-z)."""
    high, low = softplus_pair(-z)
    return -high, -low


NEAR: Final = 3.0  # up to this spread of its nodes, the series of a divided difference is summed
FACTORIALS: Final = (1.0 / np.cumprod(np.arange(2.0, 33.0))[:0:-1]).tolist()  # 1/32! ... 1/3!
ODD: Final = [1.0 / (2 * n + 3) for n in range(27, -1, -1)]  # of artanh(w)/w - 1 by w², from the last to 1/3
STIRLING: Final = [1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12]
STIRLING_FROM: Final = 10.0
HALF_LOG_TAU: Final = 0.91893853320467274
ONE_LESS_EULER: Final = 0.42278433509846713
# fmt: off
ZETA: Final = [  # (-1)^k (ζ(k) - 1) / k for k = 26 ... 2
    5.731367241678862e-10, -1.1921401405860912e-09, 2.4836745438024785e-09, -5.183475041970047e-09,
    1.0838659214896955e-08, -2.2711094608943164e-08, 4.7698101693639804e-08, -1.0043224823968099e-07,
    2.1207184805554665e-07, -4.492469198764566e-07, 9.55141213040742e-07, -2.039215753801366e-06,
    4.374866789907488e-06, -9.439488275268397e-06, 2.050721277567069e-05, -4.492623673813314e-05,
    9.945751278180853e-05, -0.00022315475845357939, 0.0005096695247430425, -0.001192753911703261,
    0.0028905103307415234, -0.007385551028673986, 0.020580808427784546, -0.0673523010531981,
    0.3224670334241132,
]
# fmt: on

NEAR_MEAN: Final[dict[str, Callable[[Array], Pair]]] = {  # with their logarithms: to about 2^-60
    "none": lambda z: (z, np.zeros_like(z)),
    "exp": lambda z: sharpened(np.exp(z), (z, np.zeros_like(z)), log_near),
    "softplus": softplus_pair,
    "sigmoid": sigmoid_pair,
}
LOG_MEAN: Final[dict[str, Callable[[Array], Pair]]] = {
    "none": log_ratio,
    "exp": lambda z: (z, np.zeros_like(z)),
    "softplus": log_softplus_pair,
    "sigmoid": log_sigmoid_pair,
}


# likelihood of a count -------------------------------------------------------------------------------------------


def signed_nll(y: Array, raw: Array, *, activation: str) -> Array:
    """μ - y ln μ where the two nearly cancel."""
    log_mean = log_near(raw) if activation == "none" else LOG_MEAN[activation](raw)
    mean, gain = NEAR_MEAN[activation](raw), product(log_mean, (y, np.zeros_like(y)))
    high, lost = two_sum(mean[0], -gain[0])
    return high + (lost + (mean[1] - gain[1]))


def full_nll(y: Array, raw: Array, mean: Array, short: Array, *, activation: str) -> Array:
    """μ - y ln μ + ln Γ(y + 1) without its large terms: half a deviance, and ln y! less its own y ln y - y.

    short: μ - y ln μ, which serves while y is small.
    """
    values = short + log_gamma_one_more(np.minimum(y, 0.5))
    large = y >= 0.5
    if large.any():
        count = y[large]
        half = 0.5 * deviance(count, raw[large], mean[large], activation=activation, power=1.0)
        distinct, place = np.unique(count, return_inverse=True)
        values[large] = half + (0.5 * np.log(count) + HALF_LOG_TAU + stirling_error(distinct)[place])
    return values


def log_gamma_one_more(y: Array) -> Array:
    """ln Γ(1 + y) for y in [0, 1/2], by its series about 2."""
    return y * (ONE_LESS_EULER + y * polynomial(y, ZETA)) - np.log1p(y)


def stirling_error(y: Array) -> Array:
    """ln Γ(y + 1) - [(y + 1/2) ln y - y + ln(2π)/2], for y >= 1/2: a sum of positive terms."""
    y, total = y.copy(), np.zeros_like(y)
    while (low := y < STIRLING_FROM).any():
        square = np.square(1.0 / (2.0 * y[low] + 1.0))
        total[low] += square * polynomial(square, ODD)
        y[low] += 1.0
    return total + polynomial(np.square(1.0 / y), STIRLING) / y


# deviances -------------------------------------------------------------------------------------------------------


def deviance(y: Array, raw: Array, mean: Array, *, activation: str, power: float) -> Array:
    """Tweedie deviance of y from the mean μ: 2 [y^(2-p)/((1-p)(2-p)) - y μ^(1-p)/(1-p) + μ^(2-p)/(2-p)].

    With L = ln(y/μ) and b = 2 - p it is 2 μ^b L² times the second divided difference of e^x at 0, L and b L, which is
    positive throughout: nothing cancels where y is near μ, nor where p is near 1 or 2. raw: what the activation makes
    the mean of.
    """
    less_1, less_2 = (two_sum(np.full(1, base), np.full(1, -power)) for base in (1.0, 2.0))
    log_mean = LOG_MEAN[activation](raw) if activation != "none" or power not in (1.0, 2.0) else None
    gap = log_ratio(y, mean) if log_mean is None or activation == "none" else subtract(log_ratio(y), log_mean)
    nodes = sorted([(0.0, 0.0), (1.0, 0.0), (2.0 - power, (2.0 - (2.0 - power)) - power)])
    steps = [(upper[0] - lower[0]) + (upper[1] - lower[1]) for lower, upper in pairwise(nodes)]
    up, size = gap[0] > 0.0, (np.abs(gap[0]), np.copysign(1.0, gap[0]) * gap[1])
    near = (steps[0] + steps[1]) * size[0] < NEAR
    least = up == near  # the node whose power stands before the bracket
    node = np.where(least, nodes[0][0], nodes[2][0]), np.where(least, nodes[0][1], nodes[2][1])
    first, second = np.where(up, steps[0], steps[1]), np.where(up, steps[1], steps[0])
    bracket = np.empty_like(y), np.empty_like(y)
    for rows, method in ((near, _by_series), (~near, _by_difference)):
        if rows.any():
            bracket[0][rows], bracket[1][rows] = method(first[rows], second[rows], (size[0][rows], size[1][rows]))
    high, low = product(bracket, _power(less_2, node, y, mean, log_mean, gap))
    values = 2.0 * (high + low)
    nothing = y <= 0.0
    return np.where(nothing, _of_nothing(y, mean, log_mean, less_1, less_2), values) if nothing.any() else values


def _by_series(first: Array, second: Array, size: Pair) -> Pair:
    """size² exp[0, u, u + w], u and w being steps of that size: a double Horner scheme of positive terms."""
    u, v = first * size[0], (first + second) * size[0]
    inner, outer = np.zeros_like(u), np.zeros_like(u)
    for factor in FACTORIALS:
        inner *= v
        inner += factor
        outer *= u
        outer += inner
    inner *= v
    outer *= u
    return product(product(size, size), two_sum(np.full_like(u, 0.5), inner + outer))


def _by_difference(first: Array, second: Array, size: Pair) -> Pair:
    """size² exp[-(u + w), -w, 0] for large u + w, of differences that lose little there."""
    u, w = first * size[0], second * size[0]
    gain = np.where(second == 0.0, size[0], -np.expm1(-w) / second)
    loss = np.exp(-w) * np.where(first == 0.0, size[0], -np.expm1(-u) / first)
    high, low = two_sum(gain, -loss)
    return high / (first + second), low / (first + second)


def _power(less_2: Pair, node: Pair, y: Array, mean: Array, log_mean: Pair | None, gap: Pair) -> Pair:
    """μ^(2-p) e^(node L): a power of μ, of y, or of both."""
    if log_mean is not None:
        return exp_of(add(product(less_2, log_mean), product(node, gap)))
    if less_2[0][0] == 1.0:
        return np.where(node[0] == 0.0, mean, y), np.zeros_like(y)
    return exp_of((node[0] * gap[0], node[0] * gap[1]))


def _of_nothing(y: Array, mean: Array, log_mean: Pair | None, less_1: Pair, less_2: Pair) -> Array:
    """Deviance of y <= 0, whose own power is 0."""
    if log_mean is None or not less_1[0].any():
        return 2.0 * mean
    high, low = exp_of(product(less_2, log_mean))
    values = 2.0 * (high + low) / less_2[0]
    if not (less_1[0] > 1.0).all():
        return values
    high, low = exp_of(product(less_1, log_mean))
    return values - 2.0 * y * (high + low) / less_1[0]


LOG_SLOPE: Final[dict[str, Callable[[Array], Array]]] = {  # ln dμ/dz
    "exp": lambda z: z,
    "softplus": lambda z: -np.logaddexp(0.0, -z),
    "sigmoid": lambda z: -np.logaddexp(0.0, z) - np.logaddexp(0.0, -z),
}
