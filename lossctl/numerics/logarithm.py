"""Logarithms and exponentials as pairs (high, low) of about 68 bits, for differences that would lose digits."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal
from functools import cache
from typing import Final

import numpy as np

from lossctl.numerics.activation import sigmoid
from lossctl.numerics.array import Array, polynomial
from lossctl.numerics.double import Pair, add, split, subtract, two_product, two_sum

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
