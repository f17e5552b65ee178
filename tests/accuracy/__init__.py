"""How far every loss is from the exact value, in units of its last place: the cases, family by family.

The promise: within 4 units in the last place of the exact value where magnitudes are 0 or within 1e-100 to 1e100,
probabilities 0 or from 1e-300, and logits within ±1e4. Beyond, a loss is as near, or infinite, undefined or 0 where the
exact value is next to nothing: never a plausible wrong number. Where a docstring says so, the units are those of a
larger term.

A module of this package has `CASES`: each is a spec, hard rows of its domain, and the exact value of a row by mpmath.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import mpmath
import numpy as np

import lossctl
from lossctl.core.domain import Flag, Interval, Simplex

mp = mpmath.mp.clone()
mp.dps = 50
ULPS = 4.0
MAGNITUDES, PROBABILITIES, LOGITS = (1e-100, 1e100), (1e-300, 1.0), (0.0, 1e4)
Real = Any  # an mpmath number
Row = Mapping[str, Any]  # role -> a number, or the numbers of its columns


@dataclass(frozen=True)
class Exact:
    """One spec, rows to try, and the exact loss of a row, called with the row's roles as numbers of mpmath.

    exact: returns the value, or (value, scale) where only digits relative to a larger term can be had: the loss's
    docstring says why. ulps: the bound. whole: the rows are one data set, `exact` is called with lists by role, and
    the value is that of the whole (for losses without a per-row value). digits: with how many it computes.
    """

    spec: str
    rows: Sequence[Row]
    exact: Callable[..., Any]
    activation: str = "none"
    ulps: float = ULPS
    whole: bool = False
    digits: int = 50

    @property
    def name(self) -> str:
        """The loss that is tried."""
        return lossctl.get(self.spec).name

    def promised(self, row: Row) -> bool:
        """Whether all numbers of a row are of a size for which the promise holds."""
        return all(self._promised(role, values) for role, values in row.items())

    def _promised(self, role: str, values: Any) -> bool:
        if np.asarray(values).dtype.kind != "f":
            return True
        loss = lossctl.get(self.spec)
        domains = [form.roles[role] for form in loss.forms if role in form.roles]
        if self.activation != "none" and role in loss.pred_roles:
            least, most = LOGITS
        elif any(isinstance(x, Simplex | Flag) or (isinstance(x, Interval) and x.high <= 1.0) for x in domains):
            least, most = PROBABILITIES
        else:
            least, most = MAGNITUDES
        size = np.abs(values)
        return bool(((size == 0.0) | ((size >= least) & (size <= most))).all())

    def __str__(self) -> str:
        return self.spec if self.activation == "none" else f"{self.spec} --activation {self.activation}"


@dataclass(frozen=True)
class Miss:
    """A row, what was computed, what is exact, and the distance in units of the last place."""

    row: Row
    ours: float
    exact: str
    ulps: float


def real(x: Any) -> Any:
    """Return floats, alone or in sequences, as exact numbers of mpmath; all else as it is."""
    if isinstance(x, Sequence):
        return [real(value) for value in x]
    return mp.mpf(x) if isinstance(x, float) else x


def columns(rows: Sequence[Row]) -> dict[str, Any]:
    """Gather rows by role."""
    return {role: np.array([row[role] for row in rows]) for role in rows[0]}


def distances(case: Exact) -> Iterator[Miss]:
    """Yield how far each row (or the whole) is from the exact value; 0 where beyond the promise it says nothing."""
    loss, roles = lossctl.get(case.spec), columns(case.rows)
    activation = None if case.activation == "none" else case.activation
    rows: Sequence[Row] = [{role: x.tolist() for role, x in roles.items()}] if case.whole else case.rows
    values = [loss(activation=activation, **roles)] if case.whole else loss.each(activation=activation, **roles)
    for row, value in zip(rows, values, strict=True):
        with mp.workdps(case.digits):
            ours, truth = float(value), case.exact(**{role: real(x) for role, x in row.items()})
        exact, scale = truth if isinstance(truth, tuple) else (truth, truth)
        off = ulps(ours, exact, scale)
        silent = not math.isfinite(ours) or (ours == 0.0 and abs(exact) < MAGNITUDES[0])
        yield Miss(row, ours, mp.nstr(mp.mpf(exact), 20), 0.0 if silent and not case.promised(row) else off)


def ulps(ours: float, exact: Real, scale: Real) -> float:
    """Return the distance from the exact value in units of the last place of it, or of a larger `scale`."""
    with mp.workdps(400):
        nearest, size = float(mp.mpf(exact)), float(max(abs(mp.mpf(scale)), abs(mp.mpf(exact))))
        if not math.isfinite(ours) or not math.isfinite(nearest):
            return 0.0 if ours == nearest else math.inf
        return float(abs(mp.mpf(ours) - exact) / mp.mpf(math.ulp(size)))


def worst(case: Exact) -> Miss:
    """Return the row that is furthest off."""
    return max(distances(case), key=lambda miss: miss.ulps if miss.ulps == miss.ulps else math.inf)


def families() -> dict[str, tuple[Exact, ...]]:
    """Return the cases by module."""
    names = sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("__"))
    return {name: import_module(f"{__name__}.{name}").CASES for name in names}


def grid(**choices: Sequence[Any]) -> list[Row]:
    """Return every combination of the roles' values."""
    rows: list[dict[str, Any]] = [{}]
    for role, values in choices.items():
        rows = [{**row, role: value} for row in rows for value in values]
    return list(rows)


def both_signs(values: Sequence[float]) -> list[float]:
    """Return the values with either sign."""
    return [sign * value for value in values for sign in (1.0, -1.0)]


def around(x: float) -> list[float]:
    """Return a number and its two neighbours."""
    return [math.nextafter(x, -math.inf), x, math.nextafter(x, math.inf)]
