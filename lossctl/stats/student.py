"""How a studentised value, one over its standard error, is distributed: Student's t, and where few rows decide.

Quantiles and tails of Student's t and of the normal law stand here without SciPy. Then the correction for skewness, of
intervals and p-values of means and of functions of means.

A statistic moves with each row by its influence z. With s = Σz³/(Σz²)^1.5, the skewness over the root of the rows, and
the curvature of the statistic the studentised value has, to second order, the quantiles of q + a q² + b (Hall 1992,
chapter 3). So has a gamma variable of N + ½, N = 1/(3a)², which is right of counts of rare rows too (mid-P limits of
a Poisson law), where Hall's cubic is not even monotone. Rare rows of unlike size are fewer than they seem, and the
largest of them are likely in no sample: s grows with what the kurtosis is above that of rows of one size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, lru_cache
from statistics import NormalDist
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from lossctl.core.statistic import Statistic
from lossctl.numerics.array import Array, Mask

EXPAND_FROM: Final = 2_000  # degrees of freedom from which the expansion below is right to 1e-15
TINY: Final = 1e-300
SMALL_STEP: Final = 1e-8  # relative, after which Newton's next step would be rounding
MOST_STEPS: Final = 100
ROUNDING: Final = 1e-15

LEAST: Final = 0.15  # of 3a or 2b, below which Student's t is right enough
UNLIKE: Final = 15_000.0  # growth of s by the cubed kurtosis of rows of unlike size, by simulation (`make coverage`)
WEIGHED: Final = 0.5  # of that growth, of rows whose weights are told by degrees of freedom
GROWN: Final = (6.0, 4.0)  # the most by which s grows: of one statistic, and of a difference, in which it cancels
RISE: Final = 100.0  # rows by each of which that of a difference may grow by one more: few tell nothing of tails
STEP: Final = 1e-3  # of the spread, over which slopes are differentiated
BENT: Final = 0.5  # the most by which curvature counts
MANY: Final = 12  # quantities beyond which curvature is left out
SMALLEST: Final = 1e-4  # of 3a, so that N stays in range
INFORMATIVE: Final = 5  # rows
APART: Final = 115.0  # times the variance of the rest and the cube root of the rows: how far fewer rows than these are
BULK: Final = 0.8  # share of the variance that they then make up at least
NEARLY: Final = 0.95  # share of the variance that they make up however far they are
SHARE: Final = 0.01  # of the variance, below which a row is none of these

# Student's t and the normal law ---------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def t_quantile(level: float, freedom: int) -> float:
    """Return t with P(|T| <= t) = level for T with `freedom` >= 1 degrees of freedom.

    Newton's method finds it to a few units in the last place; bisection then settles the last digits, evaluating the
    probability only where rounding could decide.
    """
    z = normal_quantile(level)
    start = _expanded(z, freedom)
    if freedom >= EXPAND_FROM:
        return start
    near, margin = _newton(z, start, level, freedom)

    def is_below(t: float) -> bool:
        return _inside(t, freedom) < level if abs(t - near) <= margin else t < near

    low, high = 0.0, max(4.0 * z, 10.0)
    while is_below(high):
        high *= 2.0
    while (middle := 0.5 * (low + high)) not in (low, high):
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return middle


def _newton(least: float, start: float, level: float, freedom: int) -> tuple[float, float]:
    """Return the quantile, which is at least `least`, and a bound of the error that rounding leaves in it.

    The probability is concave in t > 0, so that a step from below the quantile never leads past it.
    """
    half = 0.5 * (freedom + 1)
    top = 2.0 * math.exp(math.lgamma(half) - math.lgamma(half - 0.5)) / math.sqrt(math.pi * freedom)
    t = start
    for _ in range(MOST_STEPS):
        density = top * math.exp(-half * math.log1p(t / freedom * t))
        step = (level - _inside(t, freedom)) / density
        t = max(t + step, least)
        if abs(step) <= SMALL_STEP * t:
            break
    return t, ROUNDING * (t + (freedom + 10) / density)


def t_tail(t: float, freedom: int) -> float:
    """Return P(|T| >= |t|) for T with `freedom` >= 1 degrees of freedom."""
    t = abs(t)
    if freedom >= EXPAND_FROM:
        return normal_tail(_as_normal(t, freedom))
    x, y = freedom / (freedom + t * t), t * t / (freedom + t * t)
    return 1.0 if y == 0.0 else _beta(0.5 * freedom, 0.5, x, y)


def normal_tail(z: float) -> float:
    """Return P(|Z| >= |z|) for a standard normal Z."""
    return math.erfc(abs(z) / math.sqrt(2.0))


def normal_quantile(level: float) -> float:
    """Return z with P(|Z| <= z) = level for a standard normal Z."""
    return normal_score(1.0 - level)


def normal_score(p: float) -> float:
    """Return z with P(|Z| >= z) = p for a standard normal Z."""
    return -NormalDist().inv_cdf(0.5 * p)


def _as_normal(t: float, freedom: int) -> float:
    """Return the normal deviate whose tail is that of t (Hill 1970, algorithm 395)."""
    a = freedom - 0.5
    b = 48.0 * a * a
    y = a * math.log1p(t / freedom * t)
    return math.sqrt(y) * (
        1.0 + (y + 3.0 + ((((-0.4 * y - 3.3) * y - 24.0) * y - 85.5) / (0.8 * y * y + 100.0 + b))) / b
    )


def _expanded(z: float, freedom: int) -> float:
    """Cornish-Fisher expansion about the normal quantile (Abramowitz & Stegun 26.7.5)."""
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))


def _inside(t: float, freedom: int) -> float:
    """P(|T| <= t), as the regularised incomplete beta function at t²/(freedom + t²)."""
    x, y = freedom / (freedom + t * t), t * t / (freedom + t * t)
    return 0.0 if y == 0.0 else _beta(0.5, 0.5 * freedom, y, x)


def _beta(a: float, b: float, x: float, y: float) -> float:
    """Regularised incomplete beta function I_x(a, b), with y = 1 - x."""
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, y) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Continued fraction of the incomplete beta function (Lentz's method)."""
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, 500):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _away(1.0 + step * d)
            c = _away(1.0 + step / c)
            value *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return value


def _away(x: float) -> float:
    """Keep a denominator away from zero."""
    return x if abs(x) > TINY else TINY


# skewness -------------------------------------------------------------------------------------------------------------


class Influence:
    """By how much each row moves a statistic, by group.

    lines: (k, rows) quantities, times the weight where there is one. codes: (rows,) groups.
    """

    def __init__(
        self, statistic: Statistic, lines: Array, weight: Array | None, codes: NDArray[np.int64], groups: int
    ) -> None:
        self.statistic, self.weight, self.codes, self.groups = statistic, weight, codes, groups
        self.counts = (
            np.bincount(codes, minlength=groups).astype(np.float64) if groups > 1 else np.full(1, len(codes) * 1.0)
        )
        with np.errstate(all="ignore"):
            self.units = self.counts  # rows, or sets, whose masses may be unlike (Kish 1965)
            if statistic.mass is not None:
                masses = lines[statistic.mass]
                self.units = self.sums(masses) ** 2 / self.sums(masses**2)
            sums = self.counts if weight is None else self.sums(weight)
            mean = sums / self.counts
            self.centre = tuple(self.sums(line) / sums for line in lines)
            self.slopes = self._slopes(self.centre)
            base = 1.0 if weight is None else weight
            share = self.by_row(1.0 / mean)
            plain = weight is None
            self.moves = [
                line - self.by_row(m) if plain else (line - base * self.by_row(m)) * share
                for line, m in zip(lines, self.centre, strict=True)
            ]
            self.pieces: list[Array] = []  # what each quantity adds to the influence
            if statistic.name != "mean":
                self.pieces = [self.by_row(slope) * move for slope, move in zip(self.slopes, self.moves, strict=True)]
            self.values = sum(self.pieces, np.zeros(len(codes))) if self.pieces else self.moves[0]
            self.weight_moves = None if weight is None else weight * share - 1.0
            self.freedom = np.full(groups, np.nan)
            if weight is not None:
                squares = np.square(weight)
                degrees = np.fmin(self.sums(squares) ** 2 / self.sums(squares**2), self.counts - 1.0)
                self.freedom = np.rint(np.fmax(degrees, 1.0))

    def sums(self, values: Array) -> Array:
        """Sum (rows,) values by group."""
        if self.groups == 1:
            return np.add.reduce(values, keepdims=True)
        return np.bincount(self.codes, values, self.groups).astype(np.float64, copy=False)

    def by_row(self, values: Array) -> Array:
        """Return (groups,) values for each row."""
        return values if self.groups == 1 else values[self.codes]

    def means(self, values: Array) -> Array:
        """Return the means of (rows,) values by group."""
        return self.sums(values) / self.counts

    def _slopes(self, centre: Sequence[Array]) -> list[Array]:
        """Return the slopes of the statistic at points, which are (points,) means of each quantity."""
        return [slope + np.zeros(len(centre[0])) for slope in self.statistic.slope(tuple(centre))]

    @cached_property
    def is_bent(self) -> bool:
        """Whether the statistic has a curvature that counts."""
        return self.statistic.name != "mean" and len(self.moves) <= MANY

    @cached_property
    def _spreads(self) -> list[Array]:
        return [np.sqrt(self.means(move**2)) for move in self.moves]

    def curve(self, values: Array) -> tuple[Array, Array]:
        """Return second derivatives: along the covariances with (rows,) values, and the mean of those of all rows.

        The second is twice the bias of the statistic, times the rows.
        """
        bend, drift = np.zeros(self.groups), np.zeros(self.groups)
        if self.is_bent:
            along = [self.means(move * values) for move in self.moves]
            covariances = [[self.means(move * side) for side in self.moves] for move in self.moves]
            turns = self._turns([along, *covariances])
            bend = bend + sum(part * turn for part, turn in zip(along, turns[0], strict=True))
            drift = drift + sum(turn[place] for place, turn in enumerate(turns[1:]))
        if self.weight_moves is not None:
            bend = bend - 2.0 * self.means(self.values * values) * self.means(self.weight_moves * values)
            drift = drift - 2.0 * self.means(self.values * self.weight_moves)
        return bend, drift

    def _turns(self, directions: Sequence[Sequence[Array]]) -> list[list[Array]]:
        """Return the derivatives of the slopes along each direction, whose points are taken all at once."""
        parts = [np.stack(part) for part in zip(*directions, strict=True)]
        length = np.zeros_like(parts[0])
        for part, spread in zip(parts, self._spreads, strict=True):
            length = np.fmax(length, np.abs(part) / spread)
        step = np.where(length > 0.0, STEP / length, 1.0)
        points = [
            np.concatenate([m + step * part, m - step * part]).ravel()
            for m, part in zip(self.centre, parts, strict=True)
        ]
        slopes = [slope.reshape(2, *step.shape) for slope in self._slopes(points)]
        turns = [(ahead - behind) / (2.0 * step) for ahead, behind in slopes]
        return [[turn[place] for turn in turns] for place in range(len(directions))]


class Shape:
    """How a studentised value is distributed, by group: (groups,) a and b, 0 where Student's t is right enough.

    skew: of a row's influence. informative: whether five rows or more decide. freedom: degrees of Student's t that the
    weights of rows leave (Satterthwaite 1946), NaN where these count alike.
    """

    def __init__(self, a: Array, b: Array, skew: Array, informative: Mask, freedom: Array) -> None:
        self.a, self.b, self.skew, self.informative, self.freedom = a, b, skew, informative, freedom

    @classmethod
    def of_mean(cls, skew: float, units: int) -> Self:
        """Return the shape of one mean of which only the skewness of the rows is known."""
        s = skew / math.sqrt(units)
        s = s if abs(s) > LEAST else 0.0  # NaN is not
        a, b = np.array([s / 3.0]), np.array([s / 6.0])
        return cls(a, b, np.array([skew]), np.ones(1, dtype=bool), np.full(1, np.nan))

    @classmethod
    def of(cls, shapes: Sequence[Shape]) -> Self:
        """Return shapes of one group each as one."""
        lines = [(shape.a, shape.b, shape.skew, shape.informative, shape.freedom) for shape in shapes]
        return cls(*(np.concatenate(line) for line in zip(*lines, strict=True)))

    def at(self, places: NDArray[np.int64]) -> Shape:
        """Return the shapes of some groups, without a correction for those without a row."""
        if len(self.a) == len(places) == 1 and places[0] == 0:
            return self
        inside = (places >= 0) & (places < len(self.a))
        lines: list[Any] = [self.a, self.b, self.skew, self.informative, self.freedom]
        if not inside.all():
            places = np.where(inside, places, len(self.a))
            lines = [
                np.append(line, absent) for line, absent in zip(lines, (0.0, 0.0, np.nan, True, np.nan), strict=True)
            ]
        return Shape(*(line[places] for line in lines))

    @cached_property
    def matters(self) -> Mask:
        """Where Student's t is not right enough."""
        return (self.a != 0.0) | (self.b != 0.0)

    @cached_property
    def _gamma(self) -> tuple[Array, Array, Array]:
        """s, N and what is added to the quantiles of the gamma variable."""
        s = np.fmax(np.abs(3.0 * self.a), SMALLEST)
        return s, 1.0 / s**2, self.b - 0.5 * self.a

    def ends(self, quantile: Array) -> tuple[Array, Array]:
        """Return the ends of intervals of a value, in standard errors about it."""
        if not self.matters.any():
            return -quantile, quantile
        s, rare, shift = self._gamma
        far, near = (sign * s * (_gamma_quantile(rare + 0.5, sign * quantile) - rare) for sign in (1.0, -1.0))
        right = self.a >= 0.0
        low, high = np.where(right, -near, -far) + shift, np.where(right, far, near) + shift
        return np.where(self.matters, low, -quantile), np.where(self.matters, high, quantile)

    def reach(self, quantile: float, inner: bool = False) -> tuple[float, float]:
        """Return the ends of one interval, the wider of Student's t and the corrected one; inner: the narrower."""
        low, high = (float(end[0]) for end in self.ends(np.array([quantile])))
        narrow, wide = (max, min) if inner else (min, max)
        return narrow(low, -quantile), wide(high, quantile)

    def size(self, score: float) -> float:
        """Return the size of one score, or the smaller one that the correction for skewness gives."""
        return min(abs(score), float(self.quantile(np.array([score]))[0]))

    def quantile(self, score: Array) -> Array:
        """Return the quantile at which an interval ends at zero, of values in standard errors."""
        if not self.matters.any():
            return np.abs(score)
        s, rare, shift = self._gamma
        sign = np.where(score < 0.0, -1.0, 1.0)
        reach = np.abs(score) + sign * shift
        near = self.a * sign >= 0.0
        times = np.where(near, rare - reach / s, rare + reach / s)
        place = _gamma_score(rare + 0.5, times)
        return np.where(self.matters, np.fmax(np.where(near, -place, place), 0.0), np.abs(score))


UNKNOWN: Final = Shape.of_mean(math.nan, 1)  # of rows that are not all at hand: Student's t


def _gamma_quantile(shape: Array, normal: Array) -> Array:
    """Return quantiles of gamma variables from those of the normal law (Wilson & Hilferty 1931)."""
    return shape * (1.0 - 1.0 / (9.0 * shape) + normal / (3.0 * np.sqrt(shape))) ** 3


def _gamma_score(shape: Array, value: Array) -> Array:
    """Return the normal quantiles of gamma variables."""
    return 3.0 * np.sqrt(shape) * (np.cbrt(value / shape) - 1.0 + 1.0 / (9.0 * shape))


def shape_of(terms: Sequence[tuple[float, Influence]], units: Array) -> Shape:
    """Return the shape of a sum of statistics of the same rows, each times a number.

    units: (groups,) on how many rows the statistics rest. Where there are influences of some of them only the shape is
    that of Student's t, whichever rows these are.
    """
    one = terms[0][1]
    with np.errstate(all="ignore"):
        values = terms[0][0] * one.values
        for times, influence in terms[1:]:
            values += times * influence.values
        top = float(np.maximum.reduce(np.abs(values), initial=0.0))
        top = top if top > 0.0 else 1.0  # NaN where a group has no number
        values /= top
        scaled = values
        squares = scaled**2
        square, fourth = one.sums(squares), one.sums(squares**2)
        rows, complete = one.counts, one.counts >= units
        s = one.sums(squares * scaled) / square**1.5
        unlike = np.fmax(fourth / square**2 - s**2 - 1.0 / one.units, 0.0)
        bend, drift, sd = np.zeros(one.groups), np.zeros(one.groups), np.sqrt(square / rows)
        bent = [(times, term) for times, term in terms if term.is_bent or term.weight_moves is not None]
        for times, influence in bent:
            curves = influence.curve(scaled)
            bend, drift = (total + times * part / top for total, part in zip((bend, drift), curves, strict=True))
        if bent:
            bend = _bounded(bend / (sd**3 * np.sqrt(rows)))
            drift = _bounded(drift / (sd * np.sqrt(rows)))
        growth = 1.0 + UNLIKE * (1.0 if one.weight_moves is None else WEIGHED) * unlike**3
        most = GROWN[0] if len(terms) == 1 else np.fmin(GROWN[1], 1.0 + one.units / RISE)
        grown = np.fmin(growth, most) * s
        a = (2.0 * grown + 3.0 * bend) / 6.0
        b = (grown + 3.0 * bend) / 6.0 - 0.5 * drift
        skewed = np.fmax(3.0 * np.abs(a), 2.0 * np.abs(b)) > LEAST
    a, b = (np.where(skewed & complete & np.isfinite(a + b), line, 0.0) for line in (a, b))
    few = _few(values, square, fourth, one.codes, one.weight)
    for piece in one.pieces if len(terms) == 1 else ():  # a quantity that few rows decide, and that decides the value
        centred = piece * (terms[0][0] / top)
        of_piece, of_rest = (one.sums(part**2) for part in (centred, values - centred))
        counts = (of_piece >= BULK * square) & (of_rest <= square)
        if counts.any():
            few |= counts & _few(centred, of_piece, one.sums(centred**4), one.codes, one.weight)
    return Shape(a, b, s * np.sqrt(rows), ~few | ~complete, np.where(complete, one.freedom, np.nan))


def few_decide(influences: Array) -> bool:
    """Whether fewer than five of the (rows,) influences on a value make up nearly all of its variance."""
    values = influences - np.mean(influences)
    total, fourth = (np.add.reduce(values**power, keepdims=True) for power in (2, 4))
    return bool(_few(values, total, fourth, np.zeros(len(values), dtype=np.int64))[0])


def _bounded(values: Array) -> Array:
    """Bound the terms of curvature; 0 where slopes are not finite."""
    return np.clip(np.where(np.isfinite(values), values, 0.0), -BENT, BENT)


def _few(values: Array, totals: Array, fourths: Array, codes: NDArray[np.int64], weight: Array | None = None) -> Mask:
    """Whether fewer than five rows of a group are far from the rest, whatever their weights, and make up the variance.

    values: of mean zero, with the weights in them; totals, fourths: the (groups,) sums of their powers.
    """
    most = INFORMATIVE - 1
    suspect = fourths >= (BULK * totals) ** 2 / most  # so they are at least where few rows make up so much
    if not suspect.any():
        return suspect
    squares = values**2
    rows = np.flatnonzero(suspect[codes] & (squares > SHARE * totals[codes]))
    rows = rows[np.lexsort((-squares[rows], codes[rows]))]
    groups = codes[rows]
    first = rows[np.arange(len(rows)) - np.searchsorted(groups, groups) < most]
    if weight is not None:
        values = np.divide(values, weight, out=np.zeros_like(values), where=weight > 0.0)
    powers = np.ones_like(values), values, values**2
    count, sums, sums_of_squares = (np.bincount(codes, line, len(totals)) for line in powers)
    far_count, far_sums, far_squares = (np.bincount(codes[first], line[first], len(totals)) for line in powers)
    with np.errstate(all="ignore"):
        mean = (sums - far_sums) / (count - far_count)  # of the rest
        spread = (sums_of_squares - far_squares) / (count - far_count) - mean**2
        far = far_squares - 2.0 * mean * far_sums + far_count * mean**2
        tops = np.bincount(codes[first], squares[first], len(totals))
        near = (far < most * APART * np.cbrt(count) * spread) & (tops < NEARLY * totals)
        few: Mask = suspect & (totals > 0.0) & ~near
    return few
