"""Samples: every value that a statistic of all values needs, sorted once, and once more by group."""

from __future__ import annotations

import math

import numpy as np

from lossctl.core.state import Sample
from lossctl.engine.part import Group
from lossctl.engine.plan import Question
from lossctl.engine.tally import Tally
from lossctl.numerics.array import Array


class Samples:
    """The samples of a tally, each sorted once, and once more by group for each slicing."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._sorted: dict[tuple[int, int | None], Array] = {}

    def value(self, question: Question, place: int, group: Group | None) -> float:
        """Evaluate a statistic of all values, over all rows or those of one group."""
        loss = question.loss
        assert loss.whole is not None
        rows = self.rows(question, place, group)
        with np.errstate(all="ignore"):
            lines = np.ascontiguousarray(rows[: len(loss.parts) + 1])
            return loss.whole(lines, **loss.args) if rows.size else math.nan

    def rows(self, question: Question, place: int, group: Group | None) -> Array:
        """Return the sorted lines of all rows or those of one group: values, weights, and what rides along."""
        if group is None:
            return self._ordered(place, None)
        line = len(question.loss.parts) + 1 + group.place
        by_code = self._ordered(place, line)
        return by_code[:, slice(*np.searchsorted(by_code[line], (group.code, group.code + 1)))]

    def aligned(self, question: Question, places: tuple[int, int], group: Group | None) -> tuple[Array, Array]:
        """Return the lines of two models, row by row as they were read."""
        found = []
        for place in places:
            whole = self._tally.wholes[place]
            assert isinstance(whole, Sample)
            rows = np.concatenate(whole.pieces, axis=1)
            if group is not None:
                rows = rows[:, rows[len(question.loss.parts) + 1 + group.place] == group.code]
            found.append(rows)
        return found[0], found[1]

    def _ordered(self, place: int, line: int | None) -> Array:
        if (place, line) not in self._sorted:
            if line is None:
                whole = self._tally.wholes[place]
                assert isinstance(whole, Sample)
                found = whole.ordered()
            else:
                rows = self._ordered(place, None)
                found = rows[:, np.argsort(rows[line], kind="stable")]
            self._sorted[place, line] = found
        return self._sorted[place, line]
