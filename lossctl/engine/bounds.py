"""Bounds: how much worse a candidate may be than the baseline, for decisions that rest on the rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lossctl.core.report import Cell
from lossctl.engine.differences import ALIKE, NO_MAXIMUM, ROUNDING, Difference, Differences, orientation
from lossctl.engine.part import Part
from lossctl.engine.plan import Couple, Question
from lossctl.stats.contrast import Contrast, combined
from lossctl.stats.estimate import Why
from lossctl.stats.student import normal_quantile

NO_SHARE = "a share of a quantile has no interval; give an absolute tolerance"


class Weighed:
    """Paired confidence bounds of the candidates of one comparison, as the gate asks for them."""

    def __init__(self, differences: Differences, parts: Sequence[Part], cells: Sequence[Cell]) -> None:
        self._differences = differences
        self._parts = {tuple(part.chosen.items()): part for part in parts}
        self._questions = {question.label: question for question in differences.plan.questions}
        self._cells = {(tuple(cell.slice.items()), cell.loss, cell.model): cell for cell in cells}
        self._found: dict[tuple[str, str, tuple[tuple[str, str], ...]], Difference] = {}

    def bounds(
        self, model: str, loss: str, chosen: Mapping[str, str], tolerance: float, relative: bool, level: float
    ) -> tuple[float, float] | str:
        """Return the interval of (worsening - tolerance), or the reason why there is no evidence.

        A relative tolerance is a share r of |baseline|, and the interval that of a linear contrast: of squares for a
        root of a mean, B² - (1 + r)² A², whose sign decides as that of B - (1 + r) A would.
        """
        part, question = self._parts[tuple(chosen.items())], self._questions[loss]
        couple = self._differences.design.baseline, model
        cells = self._of(part, question)
        found = self._difference(part, question, model)
        worse = self._differences.apart(part, question, couple, cells) * (
            -1.0 if question.loss.direction == "max" else 1.0
        )
        size = tolerance * (abs(cells[couple[0]].value) if relative else 1.0)
        if found.why == ALIKE:
            return -size, -size
        if found.why is not None:
            return found.why
        if question.loss.keeps == "sample":
            if relative and tolerance:
                return NO_SHARE
            reach = normal_quantile(level) * (found.stderr or 0.0)
            return worse - size - reach, worse - size + reach
        if question.loss.keeps == "peak" or question.loss.reading.interval == "none":
            return NO_MAXIMUM
        if question.loss.direction == "zero":
            return self._of_sizes(part, question, couple, cells, tolerance, relative, level)
        base = cells[couple[0]].value
        sign = -1.0 if question.loss.direction == "max" else 1.0
        share = math.copysign(tolerance, base) if relative else 0.0
        if relative and question.loss.reading.name == "root of a mean":
            return self._of_squares(part, question, couple, cells, tolerance, level)
        contrast = self._differences.contrast(part, question, couple, -sign - share, sign)
        return self._about(part, question, contrast, worse - size, _largest(cells, couple), level)

    def guarded(self, model: str, loss: str, chosen: Mapping[str, str]) -> str | None:
        """Return why these rows cannot support a `pass`, None where they can."""
        part, question = self._parts[tuple(chosen.items())], self._questions[loss]
        return self._difference(part, question, model).guard

    def _of(self, part: Part, question: Question) -> dict[str, Cell]:
        words = tuple(part.chosen.items())
        return {model: self._cells[words, question.label, model] for model in self._differences.plan.models}

    def _difference(self, part: Part, question: Question, model: str) -> Difference:
        """Return the difference of a candidate from the baseline, each family worked out once."""
        words = tuple(part.chosen.items())
        if (model, question.label, words) not in self._found:
            family = self._differences.family(part, question, self._of(part, question))
            for (_, candidate), found in zip(self._differences.design.pairs, family.found, strict=True):
                self._found[candidate, question.label, words] = found
        return self._found[model, question.label, words]

    def _about(
        self,
        part: Part,
        question: Question,
        contrast: Contrast | str,
        value: float,
        size: float,
        level: float,
    ) -> tuple[float, float] | str:
        """Return the interval of one contrast about its value, which is made of values of some size."""
        if isinstance(contrast, str):
            return contrast
        spread = self._differences.assumptions.of(part, question).spread([contrast], 1)
        if isinstance(spread, str):
            return spread
        stderr = float(spread.stderrs[0])
        if stderr * math.sqrt(spread.units) <= ROUNDING * size:
            return Why.NO_SPREAD.words
        reach = spread.quantile(level) * stderr
        return value - reach, value + reach

    def _of_squares(
        self,
        part: Part,
        question: Question,
        couple: Couple,
        cells: Mapping[str, Cell],
        tolerance: float,
        level: float,
    ) -> tuple[float, float] | str:
        """Return the interval of B² - (1 + r)² A², the difference of the means under the roots."""
        plan, (base, own) = self._differences.plan, couple
        times = (1.0 + tolerance) ** 2
        columns = plan.indexes(own, question, base), plan.indexes(base, question)
        contrast = combined((columns[0], [1.0]), (columns[1], [1.0 - times]))
        value = cells[own].value ** 2 - times * cells[base].value ** 2
        return self._about(part, question, contrast, value, _largest(cells, couple) ** 2, level)

    def _of_sizes(
        self,
        part: Part,
        question: Question,
        couple: Couple,
        cells: Mapping[str, Cell],
        tolerance: float,
        relative: bool,
        level: float,
    ) -> tuple[float, float] | str:
        """Return bounds of |B| - (1 + r)|A| - t, whatever the signs: |B| is the larger of B and -B, as |A| is."""
        base, own = couple
        times = 1.0 + tolerance if relative else 1.0
        size = 0.0 if relative else tolerance
        a, b = cells[base].value, cells[own].value
        sides = orientation("zero", a), orientation("zero", b)
        ends: list[tuple[float, float]] = []
        for of_base, of_own in ((1.0, sides[1]), (-1.0, sides[1]), (sides[0], 1.0), (sides[0], -1.0)):
            contrast = self._differences.contrast(part, question, couple, -times * of_base, of_own)
            found = self._about(
                part, question, contrast, of_own * b - times * of_base * a - size, _largest(cells, couple), level
            )
            if isinstance(found, str):
                return found
            ends.append(found)
        return min(ends[0][0], ends[1][0]), max(ends[2][1], ends[3][1])


def _largest(cells: Mapping[str, Cell], couple: Couple) -> float:
    return max(abs(cells[model].value) for model in couple)
