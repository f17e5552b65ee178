"""Conditions: what the note of a claim says of the inputs that it holds for, in words that are executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from tests.peers.adapter import SINGLE, Rows
from tests.peers.inputs import Input

FLOAT32: Final = "float32"
SMALL: Final = 1e-4


def _zero_vector(rows: Rows) -> bool:
    return any(bool((rows.table(role) == 0.0).all(axis=1).any()) for role in rows.roles)


def _flat(rows: Rows) -> bool:
    spread = np.sum((rows.target - np.mean(rows.target, axis=0)) ** 2, axis=0)
    return bool((spread < SMALL).any() or (np.sum((rows.pred - rows.target) ** 2, axis=0) < SMALL).any())


ONLY: Final[Mapping[str, Callable[[Rows], bool]]] = {
    "of one output": lambda rows: all(rows.table(role).shape[1] == 1 for role in rows.roles),
    "of flags": lambda rows: rows.form.name == "binary",
    "of certain targets": lambda rows: rows.certain,
}
EXCEPT: Final[Mapping[str, Callable[[Rows], bool]]] = {
    "where a vector is zero": _zero_vector,
    "where p = 0": lambda rows: bool((rows.pred == 0.0).any()),
    "where the targets sum to 0": lambda rows: float(np.sum(rows.target)) == 0.0,
    "where p or q = 0": lambda rows: bool((np.isneginf(rows.log_pred) | np.isneginf(rows.log_shares)).any()),
    "where s·f is below -709": lambda rows: bool((rows.signs * rows.pred < -709.0).any()),
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
