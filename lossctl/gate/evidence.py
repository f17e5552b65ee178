"""Evidence: what a statistical decision asks of whoever has seen the rows of candidate and baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Evidence(Protocol):
    """Paired confidence bounds of how much worse a candidate is than the baseline, in the loss's own direction."""

    def bounds(
        self, model: str, loss: str, chosen: Mapping[str, str], tolerance: float, relative: bool, level: float
    ) -> tuple[float, float] | str:
        """Return the interval of (worsening - tolerance), or the reason why there is no evidence.

        The worsening of a `min` loss is candidate - baseline, of a `max` score baseline - candidate, of a `zero` loss
        the difference of absolute values. `relative`: the tolerance is a share of |baseline|, and the interval that
        of a linear contrast. `level` is the confidence of the two-sided interval. No rows, one row, or no spread is
        a reason, never an interval of no width, unless the predictions are the same in every row. `chosen` is the
        slice, empty for all rows.
        """

    def guarded(self, model: str, loss: str, chosen: Mapping[str, str]) -> str | None:
        """Return why these rows cannot support a `pass` (a skewed small sample), None where they can."""
