"""Rules: what one is, what it may ask about, and how it words its reasons in the numbers of the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lossctl.api.choosing.case import Case
from lossctl.api.choosing.outputs import PROBABLE, Output
from lossctl.api.choosing.sights import near_one
from lossctl.results.advice import Rank


class Seen(NamedTuple):
    """What rules ask about: the case, and what its predictions look like."""

    case: Case
    output: Output | None

    @property
    def needs(self) -> str:
        """The activation that the predictions still need."""
        return "none" if self.output is None else self.output.needs

    @property
    def probable(self) -> bool:
        """Whether probabilities are there or can be had, or nothing is known of the predictions."""
        return self.output is None or self.output in PROBABLE

    @property
    def finite(self) -> bool:
        """Whether their cross-entropy is finite, too."""
        return self.probable and not self.case.sure_and_wrong

    @property
    def disjoint(self) -> int:
        """The boxes that do not meet those of the target."""
        return self.case.portrait.counts.get("disjoint", 0)


Asks = Callable[[Seen], bool]
Says = str | Callable[[Seen], str]


def always(seen: Seen) -> bool:
    """Hold for any data."""
    return True


@dataclass(frozen=True)
class Rule:
    """A loss to take at a rank where `when` holds; `why` says so in the numbers of the case, `params` sets them."""

    rank: Rank
    loss: str
    why: Says
    when: Asks = always
    params: Callable[[Seen], Mapping[str, float]] = lambda seen: {}


@dataclass(frozen=True)
class Trap:
    """A loss that can be computed and should not be taken where `when` holds."""

    loss: str
    why: Says
    when: Asks = always


def percent(value: float | None) -> str:
    """Write a share in percent."""
    return f"{100.0 * (value or 0.0):.3g}%"


def tail(seen: Seen) -> str:
    """Say what makes the tails heavy."""
    case = seen.case
    if case.dominated:
        return f"one row has {percent(case.dominance)} of the squared errors"
    about = "residuals" if case.errors is not None and case.errors[0] == "residual" else "targets"
    return f"{percent(case.outlier_share)} of the {about} are outliers"


def sure(seen: Seen) -> str:
    """Say why cross-entropy is infinite."""
    count = seen.case.sure_and_wrong
    return f"it is infinite: {count} row{' is' if count == 1 else 's are'} sure and wrong"


def rarest(seen: Seen) -> str:
    """Say why accuracy misleads."""
    smallest = seen.case.smallest
    share = f": the rarest has {percent(smallest[1])} of the rows" if smallest is not None else ""
    return f"always naming the commoner classes looks good{share}"


def delta(seen: Seen) -> Mapping[str, float]:
    """Set the corner of huber from the scale of the residuals."""
    return {"delta": seen.case.delta} if seen.case.delta is not None else {}


def margin(seen: Seen) -> Mapping[str, float]:
    """Set the margin on the scale of the distances, where 1 is not."""
    apart = seen.case.apart
    return {} if not apart or near_one(apart) else {"margin": float(f"{apart:.2g}")}


def power(seen: Seen) -> Mapping[str, float]:
    """Set the power of a law between Poisson and gamma."""
    return {"power": 1.5}
