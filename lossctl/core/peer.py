"""Peer: what a loss is called in another library, and how that library's number is had here.

A claim is one line of the table `Elsewhere:` in a loss's docstring, its columns two blanks or more apart:

    torch        nn.MSELoss                                               the same number
    optax        l2_loss                = 0.5 x mse                       half of it
    keras        MeanSquaredError       # its means are float32           a note
    torch        nn.BCEWithLogitsLoss   = bce --activation sigmoid        with a spec and options
    permetrics   CEL                    ≠ it floors p at 1e-10            not the same, and why
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LINE: Final = re.compile(
    r"(?P<library>\S.*?) {2,}(?P<name>\S.*?)"
    r"(?: {2,}= (?P<ours>.+?))?(?: {2,}≠ (?P<differs>.+?))?(?: {2,}# (?P<note>.+))?"
)
OURS: Final = re.compile(
    r"(?:(?P<factor>\S+) x )?(?P<spec>\S+?)(?: --activation (?P<activation>\S+))?(?: --reduction (?P<reduction>\S+))?"
)


@dataclass(frozen=True)
class Peer:
    """One library's name for a loss, and how its number is had here; `differs` says why it is not.

    library: as it is installed (torch, keras, optax, scikit-learn, torchmetrics, torchvision, permetrics) or another
    source. name: as the library writes it, with the arguments that matter: `PoissonNLLLoss(full=True)`. spec: "" for
    the loss itself. activation: what the columns must be declared to be. reduction: mean or sum over the rows. factor:
    their number is this many times ours. note: what else is to be known, as that it computes in float32.
    """

    library: str
    name: str
    spec: str = ""
    activation: str = "none"
    reduction: str = "mean"
    factor: float = 1.0
    differs: str = ""
    note: str = ""

    def words(self, loss: str) -> str:
        """Say it in one line; `loss` is the name of the loss that the claim is about."""
        if self.differs:
            return f"{self.name} differs: {self.differs}"
        times = "" if self.factor == 1.0 else f"{self.factor:g} x "
        options = "" if self.activation == "none" else f" --activation {self.activation}"
        options += "" if self.reduction == "mean" else f" --reduction {self.reduction}"
        note = f" ({self.note})" if self.note else ""
        return f"{self.name} = {times}{self.spec or loss}{options}{note}"


def peer_of(line: str, loss: str) -> Peer:
    """Read one line of the table of a loss; raise ValueError where it is none."""
    columns = LINE.fullmatch(line)
    ours = OURS.fullmatch(columns["ours"] or loss) if columns else None
    if columns is None or ours is None:
        raise ValueError(f"{loss}: {line!r} is no claim of another library")
    return Peer(
        library=columns["library"],
        name=columns["name"],
        spec="" if ours["spec"] == loss else ours["spec"],
        activation=ours["activation"] or "none",
        reduction=ours["reduction"] or "mean",
        factor=float(ours["factor"] or 1.0),
        differs=columns["differs"] or "",
        note=columns["note"] or "",
    )
