"""Rows for libraries of boosted trees: a model without trees has a score of its own in each row, the prediction."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.peers.adapter import Rows, need


def column(rows: Rows) -> Any:
    """The target of one column, class numbers or numbers."""
    target = rows.labels if rows.form.name == "multiclass" else rows.line("target")
    return np.maximum(target, 0.0) if rows.form.name == "binary" else target


def line(rows: Rows) -> Any:
    """The prediction of one column."""
    return rows.line("pred")


def by_class(rows: Rows) -> Any:
    """The logarithms of the probabilities of the classes, all of them finite."""
    need(rows.form.name == "multiclass" and bool((rows.pred > 0.0).all()))
    return np.log(rows.pred)


def sizes(rows: Rows) -> list[int]:
    """How many rows each query has."""
    return [one.count for one in rows.sets()]
