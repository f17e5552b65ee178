"""Losses of the residual."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.accuracy import Exact, Real, Row, around, both_signs, grid, mp
from tests.accuracy.robust import SIZES, case, rows

LARGEST = [1e300, 1.7e308]
LOG_COSH = [1e-300, 1e-160, 1e-20, 1e-9, 1e-6, 0.1, 0.5, *around(1.0), 1.0000001, 2.0, 20.0, 700.0, 1e5, 1e300]


def log_cosh(target: Real, pred: Real) -> Real:
    r = abs(pred - target)
    return r + mp.log((1 + mp.exp(-2 * r)) / 2)


def huber(r: Real, delta: Real) -> Real:
    size = abs(r)
    return size**2 / 2 if size <= delta else delta * (size - delta / 2)


def knees(width: float) -> list[Row]:
    return grid(target=[0.0], pred=both_signs([*around(width), width / 2, width * 2, width * 1e-9, width * 1e9]))


def sizes(target: Sequence[Real], pred: Sequence[Real]) -> list[Real]:
    return sorted(abs(p - t) for t, p in zip(target, pred, strict=True))


def median(target: Sequence[Real], pred: Sequence[Real]) -> Real:
    ordered, middle = sizes(target, pred), len(target) // 2
    return (ordered[middle] + ordered[-1 - middle]) / 2


def data(pairs: Sequence[tuple[float, float]]) -> list[Row]:
    return [{"target": t, "pred": p} for t, p in pairs]


UNLIKE = data([(0.1, 0.3), (1e9, 1e9 + 0.7), (-3.7, 1e-9), (2.5, 2.5), (1e-3, -1e-3)])
WHOLE: tuple[tuple[str, Callable[..., Real]], ...] = (
    ("rmse", lambda target, pred: mp.sqrt(sum(x**2 for x in sizes(target, pred)) / len(target))),
    ("max_error", lambda target, pred: sizes(target, pred)[-1]),
    ("median_absolute_error", median),
)
WIDTHS = (1.0, 0.1, 1.345, 1e-3, 3.0, 1e150, 1e-150)
WIDE = rows([*SIZES, *LARGEST])
CASES: tuple[Exact, ...] = (
    case("mse", rows(SIZES), lambda r: r**2),
    case("mae", WIDE, abs),
    case("mbe", WIDE, lambda r: -r),
    *(case("huber", knees(d), huber, delta=d) for d in WIDTHS),
    *(
        case(
            "smooth_l1",
            [*knees(b), *grid(target=[0.0], pred=[1e159, 1e-159])],
            lambda r, beta: huber(r, beta) / beta,
            beta=b,
        )
        for b in WIDTHS
    ),
    Exact("log_cosh", grid(target=[0.0], pred=both_signs(LOG_COSH)), log_cosh, digits=1300),  # 1e-300 cancels
    *(case("quantile", WIDE, lambda r, q: max((1 - q) * r, -q * r), q=q) for q in (0.5, 0.9, 0.01, 0.0, 1.0)),
    *(Exact(name, rows, exact, whole=True) for name, exact in WHOLE for rows in (UNLIKE, UNLIKE[:4])),
)
