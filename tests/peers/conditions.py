"""Conditions: what the note of a claim says of the inputs that it holds for, in words that are executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from tests.peers.adapter import SINGLE, Rows
from tests.peers.inputs import Input

FLOAT32: Final = "float32"
SMALL: Final = 1e-4
SMALL_RATE: Final = 1e-3
NEAR: Final = 1e-5
MOST_SCORE: Final = 80.0
MOST_LOGIT: Final = 10.0


def _zero_vector(rows: Rows) -> bool:
    return any(bool((rows.table(role) == 0.0).all(axis=1).any()) for role in rows.roles)


def _flat(rows: Rows) -> bool:
    spread = np.sum((rows.target - np.mean(rows.target, axis=0)) ** 2, axis=0)
    return bool((spread < SMALL).any() or (np.sum((rows.pred - rows.target) ** 2, axis=0) < SMALL).any())


def _distinct(rows: Rows) -> bool:
    """Whether no two scores of a list are equal; without lists those of a row are one."""
    lists = [one.line("pred") for one in rows.sets()] if "query" in rows.roles else list(rows.table("pred"))
    return all(len(np.unique(scores)) == len(scores) for scores in lists)


ONLY: Final[Mapping[str, Callable[[Rows], bool]]] = {
    "of one output": lambda rows: all(rows.table(role).shape[1] == 1 for role in rows.roles),
    "of flags": lambda rows: rows.form.name == "binary",
    "of classes": lambda rows: rows.form.name == "multiclass",
    "of two columns": lambda rows: rows.table("pred").shape[1] == 2,
    "without tied times": lambda rows: all(len(np.unique(one.target)) == one.count for one in rows.sets()),
    "of sets with negatives": lambda rows: all(len(np.unique(one["label"])) > 1 for one in rows.sets()),
    "without tied scores": _distinct,
    "of certain targets": lambda rows: rows.certain,
}
EXCEPT: Final[Mapping[str, Callable[[Rows], bool]]] = {
    "where a vector is zero": _zero_vector,
    "where there are two columns": lambda rows: rows.table("pred").shape[1] == 2,
    "where p = 0": lambda rows: bool((rows.pred == 0.0).any()),
    "where the targets sum to 0": lambda rows: float(np.sum(rows.target)) == 0.0,
    "where p or q = 0": lambda rows: bool((np.isneginf(rows.log_pred) | np.isneginf(rows.log_shares)).any()),
    "where s·f is below -709": lambda rows: bool((rows.signs * rows.pred < -709.0).any()),
    "where p is near q": lambda rows: bool((np.abs(rows.pred - rows.target) < NEAR * rows.pred).any()),
    "where a rate is below 1e-3": lambda rows: bool((rows.pred < SMALL_RATE).any()),
    "beyond 700 scales": lambda rows: bool((np.abs(rows.pred - rows.target) > 700.0 * rows["scale"]).any()),
    "where a score is beyond 80": lambda rows: any(
        bool((np.abs(rows[role]) > MOST_SCORE).any()) for role in rows.roles if role in ("pred", "left", "right")
    ),
    "where a logit is -inf": lambda rows: bool(np.isneginf(rows.pred).any()),
    "where a time is 0": lambda rows: bool((rows.target == 0.0).any()),
    "where a logit is beyond 10": lambda rows: bool((np.abs(rows.logits) > MOST_LOGIT).any()),
    "where a box is smaller than 1e-3": lambda rows: bool((np.abs(rows.pred) < SMALL_RATE).all()),
    "where a box has no area": lambda rows: bool((rows.pred[:, :2] == rows.pred[:, 2:]).any()),
    "where a sum of squares is below 1e-4": _flat,
}


def held(note: str, one: Input) -> bool:
    """Whether a claim speaks of an input."""
    only = all(condition(one.rows) for words, condition in ONLY.items() if words in note)
    return only and not any(condition(one.rows) for words, condition in EXCEPT.items() if words in note)


def tolerance(note: str, own: float) -> float:
    """The relative difference that a claim allows, beside its adapter's own."""
    return max(own, SINGLE) if FLOAT32 in note else own
