"""Losses of series, whose rows stand in the order of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, abs_residual
from lossctl.core.domain import CODES, REAL, Whole
from lossctl.core.form import QUERY, Curve, Form
from lossctl.core.sets import set_loss, spans
from lossctl.numerics.array import Array


@dataclass(frozen=True)
class Season(Whole):
    """Numbers of rows from one season to the next; samples are short, as are series of a few rows."""

    low: float = 1.0

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        return rng.integers(1, 4, (width, rows)).astype(np.float64)


TIMES = tuple(range(6))
SERIES = Form(
    "series",
    {"target": REAL.wide(1), "pred": REAL.wide(1), QUERY: CODES},
    Curve(
        "rows of one series",
        tuple(f"t = {t}" for t in TIMES),
        {
            "target": (tuple(float(t % 3) for t in TIMES),),
            "pred": (tuple(float(t % 2) for t in TIMES),),
            QUERY: ((0.0,) * len(TIMES),),
        },
    ),
)


@set_loss(forms=(SERIES,), ordered=True)
def mase(batch: Batch, *, m: Annotated[float, Season(), "rows from one season to the next; 1 for none"] = 1.0) -> Array:
    """Mean absolute scaled error of series.

    The order of rows matters: they must stand in the order of time, each series by itself; `--role query=COL` says
    which series a row belongs to, without it all rows are one. The scale is the mean absolute change over m rows of
    the evaluated series itself. A series of m rows or fewer, or one that does not change, has no scale: its value,
    and so the mean, is not defined.

    Formula: mean over series of mean |r| / mean |target(t) - target(t - m)|
    Unit: 1
    Use: Forecasts of series of different size and unit: below 1 is better than repeating the value m rows before.
    Avoid: Rows in no order of time; series that hardly move. The scale is that of these rows, not of training data.
    Source: Hyndman & Koehler 2006, doi:10.1016/j.ijforecast.2006.03.001
    Also: mean_absolute_scaled_error
    Elsewhere:
        permetrics  MASE(m=m)  # of one output; where the scale is 0 it returns 1e10
    """
    return np.array([_scaled(batch.target[0, rows], abs_residual(batch)[0, rows], int(m)) for rows in spans(batch)])


def _scaled(target: Array, size: Array, m: int) -> float:
    """Mean error of one series over its mean change, NaN without one."""
    change = np.abs(target[m:] - target[:-m])
    scale = float(np.add.reduce(change)) / len(change) if len(change) else 0.0
    return float(np.add.reduce(size)) / len(size) / scale if scale > 0.0 else float("nan")
