"""Robust and asymmetric losses of the residual."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.accuracy import Exact, Real, Row, around, both_signs, grid, mp

SIZES = [5e-324, 1e-300, 1e-160, 1e-20, 1e-9, 1e-6, 1e-3, 0.1, 0.7, *around(1.0), 1.3, 2.0, 3.0, 20.0, 1e5, 1e154]
HUGE = [1e200, 1e300]
MODERATE = [1e-160, 1e-20, 1e-9, 1e-6, 1e-3, 0.1, 0.7, *around(1.0), 1.3, 2.0, 3.7, 6.5, 20.0, 37.0]
INEXACT = [(0.1, 0.3), (1.7, -2.9), (1e9, 1e9 + 0.3), (-3.3, 1e-17), (0.1, 0.1 + 1e-12), (2.0, 2.0)]
DIGITS = 700


def rows(sizes: list[float]) -> list[Row]:
    """Residuals of both signs at target 0, and rows whose difference is rounded."""
    return [*grid(target=[0.0], pred=both_signs(sizes)), *({"target": t, "pred": p} for t, p in INEXACT)]


def knees(width: float) -> list[Row]:
    """Residuals around a width, and far from it."""
    near = [*around(width), width / 3, width * 0.99, width * 1.01, width * 3, width * 1e-9, width * 1e9]
    return grid(target=[0.0], pred=both_signs(near))


def of_residual(function: Callable[..., Real], **params: float) -> Callable[..., Real]:
    """The exact value of a row by a function of its residual."""

    def exact(target: float, pred: float) -> Real:
        with mp.workdps(DIGITS):
            found = function(mp.mpf(pred) - mp.mpf(target), **{name: mp.mpf(x) for name, x in params.items()})
            return +found

    return exact


def pseudo_huber(r: Real, delta: Real) -> Real:
    return delta**2 * (mp.sqrt(1 + (r / delta) ** 2) - 1)


def tukey(r: Real, c: Real) -> Real:
    return c**2 / 6 * (1 - (1 - (r / c) ** 2) ** 3) if abs(r) <= c else c**2 / 6


def cauchy(r: Real, c: Real) -> Real:
    return mp.log1p((r / c) ** 2 / 2)


def geman_mcclure(r: Real, c: Real) -> Real:
    q = (r / c) ** 2
    return 2 * q / (q + 4)


def welsch(r: Real, c: Real) -> Real:
    return -mp.expm1(-((r / c) ** 2) / 2)


def barron(r: Real, alpha: Real, c: Real) -> Real:
    q = (r / c) ** 2
    if alpha == 2:
        return q / 2
    if alpha == 0:
        return mp.log1p(q / 2)
    b = abs(alpha - 2)
    return b / alpha * mp.expm1(alpha / 2 * mp.log1p(q / b))


def wing(r: Real, w: Real, epsilon: Real) -> Real:
    if abs(r) < w:
        return w * mp.log1p(abs(r) / epsilon)
    return abs(r) - w + w * mp.log1p(w / epsilon)


def linex(r: Real, a: Real) -> Real:
    return mp.expm1(a * r) - a * r


def expectile(r: Real, tau: Real) -> Real:
    return (1 - tau if r > 0 else tau) * r**2


def quantile_huber(r: Real, q: Real, delta: Real) -> Real:
    size = abs(r)
    inner = r**2 / 2 if size <= delta else delta * (size - delta / 2)
    return (1 - q if r > 0 else q) * inner / delta


def insensitive(r: Real, epsilon: Real) -> Real:
    return max(abs(r) - epsilon, mp.mpf(0))


def tube(epsilon: float) -> list[Row]:
    """Residuals about a tolerance, exact ones and rounded ones."""
    off = [{"target": t, "pred": t + epsilon * (1 + s)} for t in (0.3, -7.1, 1e4) for s in (1e-3, 1e-6, 1e-9, -1e-9)]
    return knees(epsilon) + off


def half(r: Real) -> Real:
    return r**2 / 2


def power_mean(p: float) -> Callable[..., Real]:
    def exact(target: list[float], pred: list[float]) -> Any:
        total = sum(abs(mp.mpf(a) - mp.mpf(b)) ** mp.mpf(p) for a, b in zip(target, pred, strict=True))
        return (total / len(target)) ** (1 / mp.mpf(p))

    return exact


ALPHAS = [2.0, 0.0, 1.0, 0.5, -0.5, -2.0, -7.3, 1e-9, -1e-9, 1e-300, 5e-324, 1.999999, 2.0000001, -1e6, -1e15, -1e300]
STEEP = [2.5, 3.0, 4.0, 8.0]
CASES: tuple[Exact, ...] = (
    Exact("half_squared_error", rows(SIZES), of_residual(half)),
    *(
        Exact(f"pseudo_huber:delta={d!r}", rows([*SIZES, *HUGE]), of_residual(pseudo_huber, delta=d))
        for d in (1.0, 0.1, 1.345, 1e3, 1e-3)
    ),
    *(Exact(f"tukey_biweight:c={c!r}", [*rows(SIZES), *knees(c)], of_residual(tukey, c=c)) for c in (4.685, 0.3, 1.0)),
    *(Exact(f"cauchy:c={c!r}", rows([*SIZES, *HUGE]), of_residual(cauchy, c=c)) for c in (1.0, 0.3, 2.385)),
    *(Exact(f"geman_mcclure:c={c!r}", rows([*SIZES, *HUGE]), of_residual(geman_mcclure, c=c)) for c in (1.0, 0.3)),
    *(Exact(f"welsch:c={c!r}", rows([*SIZES, *HUGE]), of_residual(welsch, c=c)) for c in (1.0, 0.3, 2.985)),
    *(
        Exact(f"barron:alpha={a!r},c={c!r}", rows([*SIZES, *HUGE]), of_residual(barron, alpha=a, c=c))
        for a in ALPHAS
        for c in (1.0, 0.3)
    ),
    *(
        Exact(f"barron:alpha={a!r},c={c!r}", rows(MODERATE), of_residual(barron, alpha=a, c=c))
        for a in STEEP
        for c in (1.0, 0.3)
    ),
    *(
        Exact(f"wing:w={w!r},epsilon={e!r}", [*rows([*SIZES, *HUGE]), *knees(w)], of_residual(wing, w=w, epsilon=e))
        for w, e in ((10.0, 2.0), (5.0, 0.5), (0.3, 7.0))
    ),
    *(
        Exact(
            f"linex:a={a!r}",
            rows([*MODERATE, 0.999, 1.999, 2.001, 3.333, 300.7, 700.0, 709.7 / abs(a), 1e5]),
            of_residual(linex, a=a),
        )
        for a in (1.0, -1.0, 0.3, -2.7, 1e-9, 1e3)
    ),
    *(Exact(f"expectile:tau={t!r}", rows(SIZES), of_residual(expectile, tau=t)) for t in (0.5, 0.9, 0.01, 1.0)),
    *(
        Exact(
            f"quantile_huber:q={q!r},delta={d!r}", [*rows(SIZES), *knees(d)], of_residual(quantile_huber, q=q, delta=d)
        )
        for q, d in ((0.5, 1.0), (0.9, 0.3), (0.05, 1.345))
    ),
    *(
        Exact(f"epsilon_insensitive:epsilon={e!r}", tube(e or 1.0), of_residual(insensitive, epsilon=e))
        for e in (0.1, 0.0, 2.3)
    ),
    *(
        Exact(
            f"squared_epsilon_insensitive:epsilon={e!r}",
            tube(e or 1.0),
            of_residual(lambda r, epsilon: insensitive(r, epsilon) ** 2, epsilon=e),
        )
        for e in (0.1, 0.0, 2.3)
    ),
    *(Exact(f"minkowski:p={p!r}", rows(MODERATE), power_mean(p), whole=True) for p in (1.0, 2.0, 1.5, 3.0, 20.0)),
)
