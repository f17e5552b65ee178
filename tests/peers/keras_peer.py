"""Keras on JAX: the classes of `keras.losses` and `keras.metrics`, given float64; the means it takes are float32."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import SINGLE, Adapter, Rows, need
from tests.peers.optax_peer import jnp

os.environ["KERAS_BACKEND"] = "jax"
keras: Any = import_module("keras")
keras.config.set_floatx("float64")
Pair = Callable[[Rows], tuple[Any, Any]]


def loss(name: str, pair: Pair) -> Adapter:
    """A class of `keras.losses`, called with (y_true, y_pred); weights where it is told to divide by them."""

    def call(rows: Rows, **words: Any) -> Any:
        need(rows.weight is None or words.get("reduction") == "mean_with_sample_weight")
        made = getattr(keras.losses, name)(**{"dtype": "float64", **words})
        return made(*map(jnp.asarray, pair(rows)), sample_weight=rows.weight)

    return Adapter(call, weighted=True, tolerance=SINGLE)


def metric(name: str, pair: Pair, *, weighted: bool = False) -> Adapter:
    """A class of `keras.metrics`."""

    def call(rows: Rows, **words: Any) -> Any:
        made = getattr(keras.metrics, name)(**{"dtype": "float64", **words})
        made.update_state(*map(jnp.asarray, pair(rows)), sample_weight=rows.weight)
        return made.result()

    return Adapter(call, weighted=weighted, tolerance=SINGLE)


def tables(rows: Rows) -> tuple[Any, Any]:
    """Both as (n, k)."""
    return rows.table("target"), rows.table("pred")


def flags(rows: Rows) -> tuple[Any, Any]:
    """Targets 0, 1 or between."""
    return rows.chances.reshape(rows.count, -1), rows.table("pred")


def signs(rows: Rows) -> tuple[Any, Any]:
    """Targets -1 and 1; class numbers as rows of 0 and 1."""
    return rows.shares if rows.form.labels else rows.signs.reshape(rows.count, -1), rows.table("pred")


def shares(rows: Rows) -> tuple[Any, Any]:
    """Targets as rows of shares."""
    return rows.shares, rows.pred


def labels(rows: Rows) -> tuple[Any, Any]:
    """Targets as class numbers."""
    return rows.labels, rows.pred


def masks(rows: Rows) -> tuple[Any, Any]:
    """Images of one line and one channel."""
    return rows.table("target")[:, np.newaxis, :, np.newaxis], rows.table("pred")[:, np.newaxis, :, np.newaxis]


def _circle(rows: Rows, **words: Any) -> Any:
    made = keras.losses.Circle(**{"dtype": "float64", **words})
    return np.mean([float(made(one.line("label"), one.table("pred"))) for one in rows.sets()])


REGRESSION = (
    "MeanSquaredError",
    "MeanAbsoluteError",
    "MeanSquaredLogarithmicError",
    "MeanAbsolutePercentageError",
    "Huber",
    "LogCosh",
    "Poisson",
    "CosineSimilarity",
)
ADAPTERS = {
    **{name: loss(name, tables) for name in REGRESSION},
    **{name: loss(name, flags) for name in ("BinaryCrossentropy", "BinaryFocalCrossentropy")},
    **{name: loss(name, signs) for name in ("Hinge", "SquaredHinge")},
    **{
        name: loss(name, shares)
        for name in ("CategoricalCrossentropy", "CategoricalFocalCrossentropy", "CategoricalHinge", "KLDivergence")
    },
    **{name: loss(name, labels) for name in ("SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy")},
    **{name: loss(name, masks) for name in ("Dice", "Tversky")},
    "RootMeanSquaredError": metric("RootMeanSquaredError", tables, weighted=True),
    "Circle": Adapter(_circle, tolerance=SINGLE),
    "BinaryAccuracy": metric("BinaryAccuracy", flags, weighted=True),
    "SparseTopKCategoricalAccuracy": metric("SparseTopKCategoricalAccuracy", labels, weighted=True),
    "BinaryIoU": metric("BinaryIoU", tables),
    "R2Score": metric("R2Score", tables, weighted=True),
    "PearsonCorrelation": metric("PearsonCorrelation", tables),
    "ConcordanceCorrelation": metric("ConcordanceCorrelation", tables),
}
