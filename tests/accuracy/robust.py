"""Robust and asymmetric losses of the residual."""

from __future__ import annotations

from collections.abc import Callable

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
    return lambda target, pred: function(pred - target, **{name: mp.mpf(x) for name, x in params.items()})


def case(spec: str, data: list[Row], function: Callable[..., Real], **params: float) -> Exact:
    """A case whose parameters stand in its name."""
    written = ",".join(f"{name}={x!r}" for name, x in params.items())
    return Exact(f"{spec}:{written}" if params else spec, data, of_residual(function, **params), digits=DIGITS)


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


def power_mean(p: float) -> Callable[..., Real]:
    def exact(target: list[Real], pred: list[Real]) -> Real:
        total = sum(abs(a - b) ** mp.mpf(p) for a, b in zip(target, pred, strict=True))
        return (total / len(target)) ** (1 / mp.mpf(p))

    return exact


ALPHAS = [2.0, 0.0, 1.0, 0.5, -0.5, -2.0, -7.3, 1e-9, -1e-9, 1e-300, 5e-324, 1.999999, 2.0000001, -1e6, -1e15, -1e300]
STEEP = [2.5, 3.0, 4.0, 8.0]
WIDE = rows([*SIZES, *HUGE])
WINGS = ((10.0, 2.0), (5.0, 0.5), (0.3, 7.0))
BENDS = [*MODERATE, 0.999, 1.999, 2.001, 3.333, 300.7, 700.0, 1e5]
CASES: tuple[Exact, ...] = (
    case("half_squared_error", rows(SIZES), lambda r: r**2 / 2),
    *(case("pseudo_huber", WIDE, pseudo_huber, delta=d) for d in (1.0, 0.1, 1.345, 1e3, 1e-3)),
    *(case("tukey_biweight", [*rows(SIZES), *knees(c)], tukey, c=c) for c in (4.685, 0.3, 1.0)),
    *(case("cauchy", WIDE, cauchy, c=c) for c in (1.0, 0.3, 2.385)),
    *(case("geman_mcclure", WIDE, geman_mcclure, c=c) for c in (1.0, 0.3)),
    *(case("welsch", WIDE, welsch, c=c) for c in (1.0, 0.3, 2.985)),
    *(case("barron", WIDE, barron, alpha=a, c=c) for a in ALPHAS for c in (1.0, 0.3)),
    *(case("barron", rows(MODERATE), barron, alpha=a, c=c) for a in STEEP for c in (1.0, 0.3)),
    *(case("wing", [*WIDE, *knees(w)], wing, w=w, epsilon=e) for w, e in WINGS),
    *(case("linex", rows([*BENDS, 709.7 / abs(a)]), linex, a=a) for a in (1.0, -1.0, 0.3, -2.7, 1e-9, 1e3)),
    *(case("expectile", rows(SIZES), expectile, tau=t) for t in (0.5, 0.9, 0.01, 1.0)),
    *(
        case("quantile_huber", [*rows(SIZES), *knees(d)], quantile_huber, q=q, delta=d)
        for q, d in ((0.5, 1.0), (0.9, 0.3), (0.05, 1.345))
    ),
    *(
        case(
            f"{prefix}epsilon_insensitive",
            tube(e or 1.0),
            lambda r, epsilon, p=p: insensitive(r, epsilon) ** p,
            epsilon=e,
        )
        for prefix, p in (("", 1), ("squared_", 2))
        for e in (0.1, 0.0, 2.3)
    ),
    *(Exact(f"minkowski:p={p!r}", rows(MODERATE), power_mean(p), whole=True) for p in (1.0, 2.0, 1.5, 3.0, 20.0)),
)
