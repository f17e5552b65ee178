"""Losses of the residual."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.accuracy import Exact, Real, Row, around, both_signs, grid, mp
from tests.accuracy.robust import SIZES, of_residual, rows

LARGEST = [1e300, 1.7e308]
LOG_COSH = [1e-300, 1e-160, 1e-20, 1e-9, 1e-6, 0.1, 0.5, *around(1.0), 1.0000001, 2.0, 20.0, 700.0, 1e5, 1e300]


def log_cosh(target: float, pred: float) -> Real:
    with mp.workdps(1300):  # so that nothing is left of the cancellation, even at 1e-300
        r = abs(mp.mpf(pred) - mp.mpf(target))
        return r + mp.log((1 + mp.exp(-2 * r)) / 2)


def huber(r: Real, delta: Real) -> Real:
    size = abs(r)
    return size**2 / 2 if size <= delta else delta * (size - delta / 2)


def knees(width: float) -> list[Row]:
    return grid(target=[0.0], pred=both_signs([*around(width), width / 2, width * 2, width * 1e-9, width * 1e9]))


def root_mean_square(target: Sequence[float], pred: Sequence[float]) -> Real:
    return mp.sqrt(sum((mp.mpf(p) - mp.mpf(t)) ** 2 for t, p in zip(target, pred, strict=True)) / len(target))


def sizes(target: Sequence[float], pred: Sequence[float]) -> list[Real]:
    return sorted(abs(mp.mpf(p) - mp.mpf(t)) for t, p in zip(target, pred, strict=True))


def median(target: Sequence[float], pred: Sequence[float]) -> Real:
    ordered, middle = sizes(target, pred), len(target) // 2
    return ordered[middle] if len(target) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def data(rows_: Sequence[tuple[float, float]]) -> list[Row]:
    return [{"target": t, "pred": p} for t, p in rows_]


UNLIKE = data([(0.1, 0.3), (1e9, 1e9 + 0.7), (-3.7, 1e-9), (2.5, 2.5), (1e-3, -1e-3)])
WHOLE: tuple[tuple[str, Callable[..., Real]], ...] = (
    ("rmse", root_mean_square),
    ("max_error", lambda target, pred: sizes(target, pred)[-1]),
    ("median_absolute_error", median),
)
WIDTHS = (1.0, 0.1, 1.345, 1e-3, 3.0)
CASES: tuple[Exact, ...] = (
    Exact("mse", rows(SIZES), of_residual(lambda r: r**2)),
    Exact("mae", rows([*SIZES, *LARGEST]), of_residual(abs)),
    Exact("mbe", rows([*SIZES, *LARGEST]), of_residual(lambda r: -r)),
    *(Exact(f"huber:delta={d!r}", knees(d), of_residual(huber, delta=d)) for d in (*WIDTHS, 1e150, 1e-150)),
    *(
        Exact(
            f"smooth_l1:beta={b!r}",
            [*knees(b), *grid(target=[0.0], pred=[1e159, 1e-159])],
            of_residual(lambda r, beta: huber(r, beta) / beta, beta=b),
        )
        for b in (*WIDTHS, 1e150, 1e-150)
    ),
    Exact("log_cosh", grid(target=[0.0], pred=both_signs(LOG_COSH)), log_cosh),
    *(
        Exact(
            f"quantile:q={q!r}",
            rows([*SIZES, *LARGEST]),
            of_residual(lambda r, q: max((1 - q) * r, -q * r), q=q),
        )
        for q in (0.5, 0.9, 0.01, 0.0, 1.0)
    ),
    *(Exact(name, found, exact, whole=True) for name, exact in WHOLE for found in (UNLIKE, UNLIKE[:4])),
)
