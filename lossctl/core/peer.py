"""Peers: what other libraries call a loss, and the spec that returns their number, as claims that can be executed."""

from __future__ import annotations

from dataclasses import dataclass


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

    def words(self, own: str) -> str:
        """Say it in one line; `own` is the name of the loss that the claim is about."""
        if self.differs:
            return f"{self.name} differs: {self.differs}"
        times = "" if self.factor == 1.0 else f"{self.factor:g} x "
        options = "" if self.activation == "none" else f" --activation {self.activation}"
        options += "" if self.reduction == "mean" else f" --reduction {self.reduction}"
        note = f" ({self.note})" if self.note else ""
        return f"{self.name} = {times}{self.spec or own}{options}{note}"


def same(
    library: str,
    name: str,
    spec: str = "",
    *,
    activation: str = "none",
    reduction: str = "mean",
    factor: float = 1.0,
    note: str = "",
) -> Peer:
    """Claim that a library's function returns `factor` times the number of `spec` (the loss itself if empty)."""
    return Peer(library, name, spec, activation, reduction, factor, "", note)


def differs(library: str, name: str, why: str) -> Peer:
    """Claim that no spec returns a library's number on every input, and say why."""
    return Peer(library, name, differs=why)
