"""What accuracy cases of probabilities share: hard logits and rows, and exact probabilities."""

from __future__ import annotations

from collections.abc import Sequence

from tests.accuracy import Exact, Real, Row, both_signs, grid, mp

CASES: tuple[Exact, ...] = ()  # they are where the losses are
LOGITS = [0.0, *both_signs([1e4, 800.0, 36.0, 17.3, 2.5, 0.3, 1e-9])]
CHANCES = [5e-324, 1e-310, 1e-300, 1e-9, 0.1, 0.3, 0.5, 0.9, 1.0 - 1e-9, 1.0 - 2.0**-53]
LOGIT_ROWS = [
    (0.0, 1e4, -1e4),
    (1e4, 1e4, 0.0),
    (0.0, 36.0, -36.0),
    (1e-9, -1e-9, 0.0),
    (36.0, 1e-9, -1e-9),
    (-36.0, 1e-9, -1e-9),
    (1e4, 1e-9, -36.0),
    (2.0, 1.0, 0.1),
]
CHANCE_ROWS = [
    (0.2, 0.3, 0.5),
    (1e-300, 1e-9, 1.0 - 1e-9),
    (1.0, 0.0, 5e-324),
    (0.6, 0.4 - 1e-12, 1e-12),
    (1.0 - 2.0**-53, 2.0**-54, 2.0**-54),
    (1 / 3, 1 / 3, 1 / 3),
]
BINARY_LOGITS = grid(target=[0.0, 1.0, 0.3], pred=LOGITS)
BINARY_CHANCES = grid(target=[0.0, 1.0, 0.3], pred=CHANCES)
CERTAIN_CHANCES = grid(target=[0.0, 1.0], pred=CHANCES)
CLASS_LOGITS = grid(target=[0, 1, 2], pred=LOGIT_ROWS)
CLASS_CHANCES = grid(target=[0, 1, 2], pred=CHANCE_ROWS)
SOFT_LOGITS: list[Row] = grid(target=[(0.2, 0.3, 0.5), (0.0, 1.0, 0.0), (0.5, 0.5, 0.0)], pred=LOGIT_ROWS)


def odds(label: int, z: Sequence[Real]) -> Real:
    """What all other classes have against one."""
    return sum(mp.exp(x - z[label]) for place, x in enumerate(z) if place != label)


def softmax(z: Sequence[Real]) -> list[Real]:
    """Exact probabilities of the classes."""
    return [1 / (1 + odds(label, z)) for label in range(len(z))]


def log(x: Real) -> Real:
    """ln, of which 0 has -∞."""
    return mp.log(x) if x else -mp.inf


def times(weight: Real, value: Real) -> Real:
    """A product in which nothing of infinity is nothing."""
    return weight * value if weight else mp.mpf(0)
