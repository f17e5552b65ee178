"""Task: regression, binary, multiclass or multilabel, and the losses that go with each."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lossctl.core.block import Block
from lossctl.core.report import Task
from lossctl.errors import UsageError
from lossctl.numerics.activation import APPLY

USUAL: Final = {
    "regression": ("mse", "rmse", "mae", "mbe", "huber", "r2"),
    "binary": ("bce", "brier", "focal", "zero_one"),
    "multiclass": ("cce", "brier", "focal", "zero_one"),
    "multilabel": ("bce", "focal"),
}


def static_task(given: str | None, pred_width: int, target_kind: str, positive: str | None) -> Task | None:
    """Work out the task from the columns alone; None where values have to tell regression from binary."""
    if given is not None:
        return Task(given, False, "--task")
    if pred_width >= 2:
        return Task("multiclass", True, f"{pred_width} prediction columns")
    if positive is not None:
        return Task("binary", True, "--positive-label")
    if target_kind == "text":
        raise UsageError(
            "the target is text: say --task binary with --positive-label LABEL, or --task multiclass with one "
            "prediction column per class, or name losses with -l"
        )
    return None


def task_of_values(block: Block, activations: dict[str, str], boolean: bool) -> Task:
    """Tell binary from regression by the first block: a 0/1 target and predictions within [0, 1]."""
    flags = boolean or all(_within(roles["target"], {0.0, 1.0}) for roles in block.models.values())
    probabilities = all(_unit(roles["pred"], activations[model]) for model, roles in block.models.items())
    if flags and probabilities:
        kind = "boolean" if boolean else "0/1"
        return Task("binary", True, f"a {kind} target and predictions within [0, 1]")
    if not flags:
        return Task("regression", True, "a target of numbers")
    return Task("regression", True, "predictions outside [0, 1], though the target is 0/1")


def _within(values: NDArray[np.float64], allowed: set[float]) -> bool:
    return bool(np.logical_or.reduce([values == value for value in allowed]).all())


def _unit(values: NDArray[np.float64], activation: str) -> bool:
    with np.errstate(all="ignore"):
        natural = APPLY[activation](values)
    return bool(((natural >= 0.0) & (natural <= 1.0)).all())
