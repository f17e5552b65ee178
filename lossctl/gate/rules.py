"""Rules: what must hold of a loss, read from texts such as `rmse=0.35` and `rmse=2%,0.01`, and the losses they name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from lossctl.errors import UsageError

if TYPE_CHECKING:
    from lossctl.core.loss import Direction

RuleKind = Literal["max", "min", "max-slice", "max-regression"]
Decide = Literal["point", "significant", "noninferior", "equivalent"]
Level = Literal["error", "warn"]

KINDS: Final[tuple[RuleKind, ...]] = ("max", "min", "max-slice", "max-regression")
OF_REGRESSIONS: Final = ("decide", "confidence", "slice-tolerance", "tolerances")  # keys that go with max-regression
CONFIDENCE: Final = 0.95
ANY_TOLERANCE: Final = "0.01, 2% or 2%,0.01"
DROPPED: Final = r"([0-9]{1,15})|([0-9]{1,15}(?:\.[0-9]{1,15})?)%"
NUMBER: Final = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"


class Tolerance(NamedTuple):
    """How much worse than the baseline a value may be: in percent of |baseline|, absolutely, or beyond both at once."""

    percent: float | None = None
    absolute: float | None = None

    @property
    def contrasts(self) -> list[tuple[float, bool]]:
        """The parts as (tolerance, relative)."""
        parts = ((None if self.percent is None else self.percent / 100.0, True), (self.absolute, False))
        return [(part, relative) for part, relative in parts if part is not None]

    def of(self, baseline: float) -> float:
        """Return the amount that is tolerated for a baseline value; NaN if a part of it is not finite."""
        parts = [part * abs(baseline) if relative else part for part, relative in self.contrasts]
        return max(parts) if parts and all(map(math.isfinite, parts)) else math.nan

    @property
    def text(self) -> str:
        """The tolerance as it is written on a command line."""
        signs = zip(self, ("%", ""), strict=True)
        return ",".join(f"{repr(part).removesuffix('.0')}{sign}" for part, sign in signs if part is not None)


NO_TOLERANCE: Final = Tolerance()


def slice_name(items: Mapping[str, str]) -> str:
    """Return a slice as rules name it: `region=EU`, or `region=EU,age=old`."""
    return ",".join(f"{column}={word}" for column, word in items.items())


class Rule(NamedTuple):
    """What must hold of one loss.

    loss, text: as written. limit: of max, min and max-slice. tolerance: of max-regression. by: the slicings that the
    rule also applies to; None for what its kind says, which is those of --by, and none for max and min. inherited:
    those of a rule whose place it takes. origin: where the rule stands, for messages. slice_tolerance: that of slices,
    None for the same. tolerances: those of single slices by name. critical: the slices that must be decided and hold;
    where there are any, the rule only warns of others.
    """

    loss: str
    kind: RuleKind
    text: str
    origin: str
    limit: float = math.nan
    tolerance: Tolerance = NO_TOLERANCE
    by: tuple[str, ...] | None = None
    inherited: tuple[str, ...] = ()
    level: Level = "error"
    decide: Decide = "point"
    confidence: float = CONFIDENCE
    slice_tolerance: Tolerance | None = None
    tolerances: Mapping[str, Tolerance] = {}
    critical: tuple[str, ...] = ()

    @property
    def compares(self) -> bool:
        """Whether the rule compares with a baseline."""
        return self.kind == "max-regression"

    @property
    def all_rows(self) -> bool:
        """Whether the rule applies to all rows."""
        return self.kind != "max-slice"

    def slicings(self, by: Sequence[str]) -> Sequence[str]:
        """Return the slicings that the rule applies to. by: the slicings of --by."""
        stated = self.by if self.by is not None else by if self.kind in ("max-slice", "max-regression") else ()
        return tuple(dict.fromkeys((*stated, *self.inherited)))

    def within(self, items: Mapping[str, str]) -> Rule:
        """Return what the rule is in one slice: with the tolerance that holds there, and whether it blocks."""
        name = slice_name(items)
        level: Level = "warn" if self.critical and name not in self.critical else self.level
        tolerance = self.tolerances.get(name)
        if tolerance is None and name not in self.critical:
            tolerance = self.slice_tolerance
        if tolerance is None or not self.compares:
            return self._replace(level=level)
        return self._replace(level=level, tolerance=tolerance, text=tolerance.text)


class Dropped(NamedTuple):
    """The rule that of all rows at most this many may be left out, or this share of them."""

    text: str = "0"
    most: int = 0
    share: float | None = None

    def limit(self, rows: int) -> float:
        """Return how many of some rows may be left out."""
        return self.most if self.share is None else self.share * rows


class Bound(NamedTuple):
    """A rule with the loss that it speaks of: its label in the evaluation, its spec and its direction."""

    rule: Rule
    label: str
    spec: str
    direction: Direction

    @property
    def words(self) -> str:
        """The rule as a person reads it."""
        return f"{self.label} {self.rule.kind} {self.rule.text}"


def bind_rule(rule: Rule, label: str, spec: str, direction: Direction) -> Bound:
    """Return a rule with the loss that it speaks of; raise UsageError where it says nothing of such a loss."""
    if (rule.kind, direction) == ("max", "max"):
        raise UsageError(f"{rule.origin}: {label} is a score, higher is better; say --min {label}=LIMIT")
    if rule.kind == "min" and direction != "max":
        raise UsageError(f"{rule.origin}: {label} is a loss, lower is better; say --max {label}=LIMIT")
    if direction == "zero" and rule.limit < 0:
        raise UsageError(
            f"{rule.origin}: {label} is judged by its absolute value, which {rule.text} can never bound; "
            "a limit >= 0 is needed"
        )
    return Bound(rule, label, spec, direction)


# reading rules -------------------------------------------------------------------------------------------------------


def limit_rule(kind: RuleKind, text: str) -> Rule:
    """Read `LOSS=NUMBER`, an argument of --max, --min or --max-slice."""
    origin = f"--{kind} {text}"
    loss, number = _split(text, origin, "0.35")
    return Rule(loss, kind, number, origin, limit=_number(number, origin, "0.35"))


def regression_rule(text: str, decide: Decide = "point") -> Rule:
    """Read `LOSS=TOLERANCE`, an argument of --max-regression: `2%`, `0.01` or `2%,0.01`."""
    origin = f"--max-regression {text}"
    loss, written = _split(text, origin, "2%")
    return Rule(loss, "max-regression", written, origin, tolerance=tolerance(written, origin), decide=decide)


def slice_tolerance(text: str) -> tuple[str, Tolerance]:
    """Read `[LOSS=]TOLERANCE`, an argument of --slice-tolerance, as the loss (empty for all) and the tolerance."""
    origin = f"--slice-tolerance {text}"
    loss, written = _split(text, origin, "5%") if "=" in text else ("", text)
    return loss, tolerance(written, origin)


def dropped_rule(text: str) -> Dropped:
    """Read an argument of --max-dropped: `5` rows, or `2%` of them."""
    match = re.fullmatch(DROPPED, text.strip())
    share = float(match[2]) / 100.0 if match is not None and match[2] is not None else None
    if match is None or (share is not None and share > 1.0):
        raise UsageError(f"--max-dropped {text!r}: a number of rows, or a percentage such as 2%, is needed")
    return Dropped(text.strip(), int(match[1] or 0), share)


def tolerance(text: str, origin: str) -> Tolerance:
    """Read `2%`, `0.01` or `2%,0.01`. origin: what stands in messages."""
    parts: dict[str, float] = {}
    for piece in text.split(","):
        name = "percent" if piece.endswith("%") else "absolute"
        value = _number(piece.removesuffix("%"), origin, ANY_TOLERANCE)
        if value < 0 or piece.startswith("-"):
            raise UsageError(f"{origin}: a tolerance says how much worse is allowed, and {piece} is below 0")
        if name in parts:
            raise UsageError(f"{origin}: two tolerances of one kind; at most one percentage and one amount, as 2%,0.01")
        parts[name] = value
    return Tolerance(**parts)


def _split(text: str, origin: str, example: str) -> tuple[str, str]:
    """Split at the last `=`, since a loss may have parameters: `huber:delta=1=0.5`."""
    loss, equals, value = text.rpartition("=")
    if not equals or not loss.strip():
        raise UsageError(f"{origin}: is not LOSS=VALUE, as in rmse={example}")
    return loss.strip(), value


def _number(text: str, origin: str, example: str) -> float:
    if re.fullmatch(NUMBER, text) is None:
        raise UsageError(f"{origin}: {text!r} is not a finite decimal number such as {example}")
    value = float(text)
    if not math.isfinite(value):
        raise UsageError(f"{origin}: a limit must be a finite number, and this is {value}")
    return value


def merged(of_file: Sequence[Bound], of_command: Sequence[Bound]) -> tuple[list[Bound], list[str]]:
    """Join the rules of both; where both rule on one loss in one way, the command line wins and a note says so.

    What wins holds in the slices of the rule whose place it takes, beside its own.
    """
    winners = {(bound.label, bound.rule.kind): bound.rule for bound in of_command}
    bounds, notes = [], []
    slices: dict[tuple[str, str], tuple[str, ...]] = {}
    for bound in of_file:
        key = bound.label, bound.rule.kind
        winner = winners.get(key)
        if winner is None:
            bounds.append(bound)
            continue
        notes.append(f"{winner.origin} takes the place of {bound.words} of {bound.rule.origin}")
        if bound.rule.by is not None:
            slices[key] = tuple(dict.fromkeys((*slices.get(key, ()), *bound.rule.by)))
    of_command = [
        bound._replace(rule=bound.rule._replace(inherited=slices.get((bound.label, bound.rule.kind), ())))
        for bound in of_command
    ]
    return [*bounds, *of_command], notes
