"""Functions of the margin of one score."""

from __future__ import annotations

from collections.abc import Callable

from tests.accuracy import Exact, Real, around, both_signs, grid, mp

TANGENT = 0.5463024898437905
SIZES = [
    5e-324,
    1e-300,
    1e-160,
    1e-17,
    1e-9,
    0.3,
    TANGENT,
    0.75,
    *around(1.0),
    1.5,
    2.5,
    17.3,
    36.0,
    350.0,
    800.0,
    1e4,
    1e150,
]
SCORES = [0.0, *both_signs(SIZES), *around(TANGENT), 1.557, 1.61]
ROWS = grid(target=[-1.0, 1.0], pred=SCORES)


def of(function: Callable[[Real], Real], digits: int = 400) -> Callable[..., Real]:
    """The exact loss of a row by its margin."""

    def exact(target: float, pred: float) -> Real:
        with mp.workdps(digits):
            return function(mp.mpf(target) * mp.mpf(pred))

    return exact


def modified_huber(m: Real) -> Real:
    return max(mp.mpf(0), 1 - m) ** 2 if m >= -1 else -4 * m


def smoothed_hinge(m: Real) -> Real:
    return mp.mpf(1) / 2 - m if m <= 0 else (1 - m) ** 2 / 2 if m < 1 else mp.mpf(0)


def sparsemax(m: Real) -> Real:
    return mp.mpf(0) if m >= 1 else -m if m <= -1 else (1 - m) ** 2 / 4


MARGINS = [row for row in ROWS if abs(row["pred"]) < 1e4]
CASES = (
    Exact("hinge", ROWS, of(lambda m: max(mp.mpf(0), 1 - m))),
    Exact("hinge:margin=0.3", ROWS, of(lambda m: max(mp.mpf(0), mp.mpf(0.3) - m))),
    Exact("squared_hinge", ROWS, of(lambda m: max(mp.mpf(0), 1 - m) ** 2)),
    Exact("squared_hinge:margin=2.5", ROWS, of(lambda m: max(mp.mpf(0), mp.mpf(2.5) - m) ** 2)),
    Exact("soft_margin", grid(target=[0.0, 1.0], pred=SCORES), lambda target, pred: softplus(pred, target)),
    Exact("exponential", ROWS, of(lambda m: mp.exp(-m))),
    Exact("perceptron", ROWS, of(lambda m: max(mp.mpf(0), -m))),
    Exact("modified_huber", ROWS, of(modified_huber)),
    Exact("smoothed_hinge", ROWS, of(smoothed_hinge)),
    Exact("savage", ROWS, of(lambda m: 1 / (1 + mp.exp(m)) ** 2)),
    Exact("tangent", ROWS, of(lambda m: (2 * mp.atan(m) - 1) ** 2)),
    Exact("sparsemax_binary", ROWS, of(sparsemax)),
)


def softplus(z: float, target: float) -> Real:
    with mp.workdps(400):
        return mp.log1p(mp.exp(mp.mpf(-z if target else z)))
