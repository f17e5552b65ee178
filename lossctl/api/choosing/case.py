"""Case: what kind of data a portrait shows, and the facts that rules about losses ask for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from lossctl.api.choosing.kinds import TASKS, WHAT, kind_of
from lossctl.api.choosing.thresholds import (
    DOMINANT,
    FEW_OUTLIERS,
    FEW_ROWS,
    FOREGROUND,
    HALF_ZEROS,
    HUBER_95,
    IMBALANCE,
    MAGNITUDES,
    NORMAL_MAD,
    OUTLIER_SCALES,
    OUTLIERS,
    OVERDISPERSED,
    TINY,
)
from lossctl.core.form import form_wish
from lossctl.profile.numbers import NumberSummary
from lossctl.profile.roles import LabelState, Portrait

FLAGS: Final = (frozenset({0.0, 1.0}), frozenset({-1.0, 1.0}))
SHARP: Final = 3  # significant digits of a suggested parameter: the sketch that it comes from has no more


@dataclass(frozen=True)
class Case:
    """A portrait, with what its columns are.

    widths: columns by role. labels: the rows of each label, where the target is labels; of two, the second is 1 unless
    they are `text`. coded: whether there is a prediction column for each label, in their order.
    """

    portrait: Portrait
    widths: Mapping[str, int]
    labels: Mapping[str, LabelState]
    text: bool = False
    coded: bool = False

    def line(self, name: str) -> NumberSummary | None:
        """Return a line of numbers, if there is one of every row."""
        return self.portrait.lines.get(name)

    # the target --------------------------------------------------------------------------------------------------

    @cached_property
    def kind(self) -> str:
        """The kind of data."""
        return kind_of(self.portrait, self.widths, self.labels, named=self.text or self.coded, coded=self.coded)

    @property
    def what(self) -> str:
        """Say what the target is."""
        classes = self.widths.get("target", 1) if self.widths.get("target", 1) > 1 else len(self.labels)
        several = self.widths.get("target", 1) > 1 and self.task == "regression"
        return WHAT[self.kind].format(k=classes) + (f" in {classes} columns" if several else "")

    @property
    def task(self) -> str | None:
        """The task as `evaluate` takes it; None where it has none for such data."""
        return TASKS.get(self.kind)

    @property
    def wish(self) -> str | None:
        """The form to take of a loss that has two for such columns."""
        return form_wish(self.task, ())

    @property
    def zeros(self) -> float:
        """The share of targets that are exactly 0."""
        target = self.line("target")
        return target.zeros / target.count if target is not None and target.count else 0.0

    @property
    def median_is_zero(self) -> bool:
        """Whether at least half of the targets are 0."""
        return self.zeros >= HALF_ZEROS.value

    @cached_property
    def magnitudes(self) -> float | None:
        """The ratio of the 99 % and the 1 % quantile of a positive target."""
        target = self.line("target")
        if target is None or target.low <= 0.0:
            return None
        low, high = (target.sizes.quantile(q) for q in (0.01, 0.99))
        return high / low if low and high and low > 0.0 else None

    @property
    def wide(self) -> bool:
        """Whether the target spans orders of magnitude."""
        return self.magnitudes is not None and self.magnitudes >= MAGNITUDES.value

    @cached_property
    def tiny(self) -> float | None:
        """The 1 % quantile of a positive target over its median."""
        target = self.line("target")
        if target is None or target.low <= 0.0:
            return None
        low, middle = (target.sizes.quantile(q) for q in (0.01, 0.5))
        return low / middle if low is not None and middle else None

    @property
    def has_tiny(self) -> bool:
        """Whether some targets are tiny beside the others."""
        return self.tiny is not None and self.tiny < TINY.value

    @property
    def dispersion(self) -> float | None:
        """The variance over the mean: of the target, or about the predictions where these are rates."""
        pred, target = self.line("pred"), self.line("target")
        if target is None or not target.mean:
            return None
        if pred is not None and pred.low > 0.0 and "chi square" in self.portrait.sums:
            return self.portrait.average("chi square")
        return None if target.variance is None else target.variance / target.mean

    @property
    def overdispersed(self) -> bool:
        """Whether counts vary more than those of a Poisson law."""
        return self.dispersion is not None and self.dispersion >= OVERDISPERSED.value

    @property
    def rates(self) -> bool:
        """Whether the dispersion is about the predictions."""
        pred = self.line("pred")
        return pred is not None and pred.low > 0.0 and "chi square" in self.portrait.sums

    # classes -----------------------------------------------------------------------------------------------------

    @property
    def smallest(self) -> tuple[str, float] | None:
        """The rarest label that occurs, and its share of the rows."""
        there = {word: state.rows for word, state in self.labels.items() if state.rows}
        if len(there) < 2:
            return None
        word = min(there, key=lambda name: (there[name], name))
        return word, there[word] / sum(there.values())

    @property
    def balance(self) -> float | None:
        """The share of the rarest label, as a part of an even share."""
        there = [state for state in self.labels.values() if state.rows]
        return None if self.smallest is None else self.smallest[1] * len(there)

    @property
    def imbalanced(self) -> bool:
        """Whether a label is rare."""
        if self.kind == "multilabel":
            ones = self.ones
            return ones is not None and 2.0 * min(ones, 1.0 - ones) < IMBALANCE.value
        return self.balance is not None and self.balance < IMBALANCE.value

    @property
    def ones(self) -> float | None:
        """The share of ones in 0/1 columns."""
        target = self.line("target")
        return None if target is None or not target.count else 1.0 - target.zeros / target.count

    @property
    def small_foreground(self) -> bool:
        """Whether few columns of a row are 1."""
        return self.ones is not None and self.ones < FOREGROUND.value

    @property
    def sure_and_wrong(self) -> int:
        """The rows where what was observed has the probability 0."""
        if self.coded:
            return sum(state.zeros for state in self.labels.values())
        if self.text:
            states = list(self.labels.items())
            if len(states) != 2 or self.positive is None:
                return 0
            return sum(state.zeros if word == self.positive else state.ones for word, state in states)
        return self.portrait.counts.get("sure and wrong", 0)

    @property
    def positive(self) -> str | None:
        """Of two labels of text, the one whose rows have the higher predictions; None where nothing tells."""
        if not self.text or len(self.labels) != 2 or "pred" not in self.widths:
            return None
        (one, first), (other, second) = self.labels.items()
        return None if first.mean == second.mean else one if first.mean > second.mean else other

    # the predictions ---------------------------------------------------------------------------------------------

    def off_one(self, name: str) -> float | None:
        """Return how far sums of rows are from 1 at most; None where not every row has one."""
        line = self.line(name)
        if line is None or line.count < self.portrait.rows:
            return None
        return max(abs(line.low - 1.0), abs(line.high - 1.0))

    # the residuals -----------------------------------------------------------------------------------------------

    @property
    def errors(self) -> tuple[str, NumberSummary] | None:
        """What a regression loss sums: residuals, or without predictions the target about its median."""
        if self.task != "regression":
            return None
        for name in ("residual", "target"):
            line = self.line(name)
            if line is not None and line.count:
                return name, line
        return None

    @cached_property
    def scale(self) -> float | None:
        """The robust standard deviation of the errors; None where it is 0 or there are none."""
        found = self.errors and self.errors[1].sketch.deviation()
        return NORMAL_MAD * found if found else None

    @cached_property
    def outliers(self) -> int | None:
        """The errors beyond three robust standard deviations; None without these."""
        if self.errors is None or self.scale is None:
            return None
        return self.errors[1].sketch.beyond(OUTLIER_SCALES * self.scale)

    @property
    def outlier_share(self) -> float | None:
        """The share of such errors."""
        return None if self.outliers is None or self.errors is None else self.outliers / self.errors[1].count

    @property
    def dominance(self) -> float | None:
        """The share of the largest squared residual in all of them."""
        residual = self.line("residual")
        return None if residual is None or self.task != "regression" else residual.dominance

    @property
    def tailed(self) -> bool:
        """Whether there are more outliers than a normal law has."""
        return (self.outliers or 0) >= FEW_OUTLIERS and (self.outlier_share or 0.0) >= OUTLIERS.value

    @property
    def dominated(self) -> bool:
        """Whether one residual counts for more than all others together; among few rows one often does."""
        return self.portrait.rows >= FEW_ROWS.value and (self.dominance or 0.0) >= DOMINANT.value

    @property
    def heavy(self) -> bool:
        """Whether outliers would decide a mean of squares."""
        return self.tailed or self.dominated

    @property
    def delta(self) -> float | None:
        """The corner of huber that keeps 95 % of the efficiency of mse, from the scale of the residuals."""
        if self.scale is None or self.errors is None or self.errors[0] != "residual":
            return None
        found = float(f"{HUBER_95 * self.scale:.{SHARP}g}")
        return found if 0.0 < found < math.inf else None

    # embeddings --------------------------------------------------------------------------------------------------

    @property
    def apart(self) -> float | None:
        """The mean distance of what differs: pairs labelled 1, or anchors and negatives."""
        if self.kind == "triplets":
            line = self.line("distance anchor negative")
            return None if line is None else line.mean
        distances = self.pair_distances
        return None if distances is None else max(distances)

    @property
    def pair_distances(self) -> tuple[float, float] | None:
        """The mean distances of the pairs labelled 0 and of those labelled 1."""
        found = list(self.labels.values())
        return None if self.kind != "pairs" or len(found) != 2 else (found[0].mean, found[1].mean)

    @property
    def inverted(self) -> bool:
        """Whether pairs labelled 1 are the nearer ones, though 1 is to mean different."""
        return self.pair_distances is not None and self.pair_distances[1] < self.pair_distances[0]
