"""What the losses share that compare a model with the best constant."""

from __future__ import annotations

from typing import Any

from lossctl.core.loss import Loss, combine

SOURCE = "Hastie, Tibshirani & Wainwright 2015, Statistical Learning with Sparsity, eq. 3.11"
NULL = "A score: 1 is perfect, 0 is as good as the best constant, and it has no lower end."
KEPT = "It keeps two numbers per row in memory."


def pair(name: str, *, score: dict[str, Any], left: dict[str, Any], **facts: Any) -> tuple[Loss, Loss]:
    """Declare D² and 1 - D² by what they share and what they do not."""
    common = {"unit": "1", "source": SOURCE, **facts}
    best = {"best": 1.0, "direction": "max"}
    return combine(name, **{**common, **best, **score}), combine(f"one_minus_{name}", **{**common, **left})
