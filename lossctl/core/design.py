"""Design: how models are compared, as it was asked for, with defaults filled in."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

Method = Literal["auto", "normal", "t", "bootstrap"]
RESAMPLES = 1000
SEED = 12345


@dataclass(frozen=True)
class Effect:
    """A difference of interest: an amount in the loss's own unit, or a share of |baseline value|."""

    amount: float
    relative: bool
    text: str


@dataclass(frozen=True)
class Design:
    """Which models are compared, and what is assumed of their rows.

    pairs: (baseline, candidate) couples, those against the one baseline first. cluster: the column whose values tell
    rows that belong together. time: the column that orders rows of one series, forecast `horizon` steps ahead.
    relative: whether differences from a multiple of the baseline's value will be asked for.
    """

    baseline: str
    pairs: tuple[tuple[str, str], ...]
    method: Method = "auto"
    level: float | None = 0.95
    resamples: int = RESAMPLES
    seed: int = SEED
    cluster: str | None = None
    time: str | None = None
    horizon: int = 1
    effect: Effect | None = None
    worst: int = 0
    relative: bool = False
    all_pairs: bool = False

    @property
    def assumption(self) -> str:
        """What is assumed of the rows, in a word."""
        if self.cluster is not None:
            return f"clusters: {self.cluster}"
        return "iid rows" if self.time is None else f"series, h={self.horizon}"

    @property
    def candidates(self) -> tuple[str, ...]:
        """The models that are compared with the one baseline."""
        return tuple(candidate for baseline, candidate in self.pairs if baseline == self.baseline)


def couples(models: tuple[str, ...], baseline: str, all_pairs: bool) -> tuple[tuple[str, str], ...]:
    """Return the couples to compare: every model with the baseline, and if asked for all others with each other."""
    others = tuple(model for model in models if model != baseline)
    found = tuple((baseline, model) for model in others)
    return found + tuple(combinations(others, 2)) if all_pairs else found
