"""Advice: what was seen in the data, which losses fit it, and which of these are recommended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from lossctl.results.document import PublicResult, environment, text

Rank = Literal["first", "robust", "also"]
Unit = Literal["", "share", "near"]  # near: a quantile of a sketch, off by at most 0.1 %
Ground = Literal["columns", "values"]


@dataclass(frozen=True)
class Threshold:
    """A number at which advice changes: a convention of lossctl's own, and the reason for it."""

    KEYS: ClassVar = "name value why"

    name: str
    value: float
    why: str
    unit: Unit = ""


@dataclass(frozen=True)
class Finding:
    """One thing seen in the data, with the threshold that it was held against and what follows from it.

    about: target, prediction, residual, pairs, ... value: None where it does not exist, as a spread of no numbers.
    """

    KEYS: ClassVar = "about name value approximate threshold=limit meaning"

    about: str
    name: str
    value: float | int | str | None
    meaning: str = ""
    threshold: Threshold | None = None
    unit: Unit = ""

    @property
    def approximate(self) -> bool:
        return self.unit == "near"

    @property
    def limit(self) -> float | None:
        """The value of the threshold."""
        return None if self.threshold is None else self.threshold.value


@dataclass(frozen=True)
class Pick:
    """A recommended loss: what it optimises, why it is recommended here, and its own word on when to use it."""

    rank: Rank
    loss: str
    spec: str
    optimises: str
    why: str
    use: str


@dataclass(frozen=True)
class Caution:
    """A loss that can be computed on the data and should not be used: why not here, and its own word on when not."""

    loss: str
    why: str
    avoid: str


@dataclass(frozen=True)
class Misfit:
    """Losses that cannot be computed on the data, for one reason: other columns are needed, or other values in them."""

    ground: Ground
    reason: str
    losses: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Advice(PublicResult):
    """The result of `choose`: which loss to choose for some data.

    path: the input. rows: those read, of which `used` were looked at. kind: what the target is, `task` what that makes
    of the problem. output: what the predictions look like the output of; `activation` is what they still need for the
    recommended losses. picks: none where the data gives no ground for any, which `warnings` explain. command: computes
    the first loss and the robust alternative; None without predictions, or for data in memory.
    """

    KEYS: ClassVar = (
        "environment data kind what problem=task output activation findings thresholds recommendations=picks cautions "
        "fits misfits advice=commands warnings"
    )

    COMMAND: ClassVar = "losses choose"
    RENDER: ClassVar = "output.advice"

    path: str
    rows: int
    used: int
    target: tuple[str, ...]
    pred: tuple[str, ...]
    kind: str
    what: str
    task: str | None
    output: str | None
    activation: str
    findings: tuple[Finding, ...]
    picks: tuple[Pick, ...]
    cautions: tuple[Caution, ...]
    fits: tuple[str, ...]
    misfits: tuple[Misfit, ...]
    command: str | None
    warnings: tuple[str, ...]
    version: str

    @property
    def short(self) -> str:
        return f"{' or '.join(self.specs) or 'no loss'} for {self.path}, {self.rows} rows"

    @property
    def specs(self) -> tuple[str, ...]:
        """The first loss and the robust alternative, as `evaluate` takes them."""
        return tuple(pick.spec for pick in self.picks if pick.rank != "also")

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """The thresholds that findings were held against, each once."""
        return tuple(dict.fromkeys(finding.threshold for finding in self.findings if finding.threshold is not None))

    @property
    def commands(self) -> tuple[str, ...]:
        """The command, if there is one."""
        return () if self.command is None else (self.command,)

    @property
    def environment(self) -> dict[str, Any]:
        return environment()

    @property
    def data(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("path", "rows", "used", "target", "pred")}

    def to_json(self) -> str:
        """Return the JSON document that `lossctl losses choose -f json` prints, a line for each field."""
        return text(self.document())
