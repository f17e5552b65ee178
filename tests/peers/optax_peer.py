"""Optax: the functions of `optax.losses`, in float64; what it returns by row or element is averaged."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import Adapter, Rows

jax: Any = import_module("jax")
jax.config.update("jax_enable_x64", True)
optax: Any = import_module("optax")
jnp: Any = import_module("jax.numpy")
Quantity = Callable[[Rows], Any]


def of(name: str, *quantities: Quantity) -> Adapter:
    """A function of `optax.losses`, called with these quantities of the rows."""

    def call(rows: Rows, **words: Any) -> Any:
        function = getattr(optax.losses, name)
        return jnp.mean(function(*(jnp.asarray(quantity(rows)) for quantity in quantities), **words))

    return Adapter(call)


def pred(rows: Rows) -> Any:
    """The prediction as it is."""
    return rows.pred


def images(rows: Rows) -> Any:
    """Masks as images of one line and one channel."""
    return rows.table("target")[:, :, np.newaxis]


def image_logits(rows: Rows) -> Any:
    """The raw outputs as such images."""
    return rows.logits.reshape(rows.count, -1, 1)


def table(rows: Rows) -> Any:
    """The prediction as (n, k)."""
    return rows.table("pred")


def logits(rows: Rows) -> Any:
    """The raw outputs."""
    return rows.logits


def target(rows: Rows) -> Any:
    """The target as it is."""
    return rows.target


def flags(rows: Rows) -> Any:
    """Targets 0, 1 or between."""
    return rows.chances


def signs(rows: Rows) -> Any:
    """Targets -1 and 1."""
    return rows.signs


def hard(rows: Rows) -> Any:
    """Targets 0 and 1, whole numbers."""
    return rows.flags


def shares(rows: Rows) -> Any:
    """Targets as rows of shares."""
    return rows.shares


def labels(rows: Rows) -> Any:
    """Targets as class numbers."""
    return rows.labels


def log_pred(rows: Rows) -> Any:
    """ln p."""
    return rows.log_pred


def log_shares(rows: Rows) -> Any:
    """ln q."""
    return rows.log_shares


def _ranking(rows: Rows, **words: Any) -> Any:
    lists = [
        optax.losses.ranking_softmax_loss(jnp.asarray(one.line("pred")), jnp.asarray(one.line("target")), **words)
        for one in rows.sets()
    ]
    return np.mean([float(number) for number in lists])


def _ntxent(rows: Rows, **words: Any) -> Any:
    sets = [(jnp.asarray(one.table("pred")), jnp.asarray(one.line("label").astype(int))) for one in rows.sets()]
    return np.mean([float(optax.losses.ntxent(*one, **words)) for one in sets])


def _generalized_dice(rows: Rows, **words: Any) -> Any:
    pair = (jnp.asarray(rows.logits), jnp.asarray(rows.shares))
    return optax.losses.multiclass_generalized_dice_loss(*pair, **words)


ADAPTERS = {
    "multiclass_generalized_dice_loss": Adapter(_generalized_dice),
    **{name: of(name, pred, target) for name in ("squared_error", "l2_loss", "huber_loss", "log_cosh")},
    "cosine_distance": of("cosine_distance", table, lambda rows: rows.table("target")),
    "sigmoid_binary_cross_entropy": of("sigmoid_binary_cross_entropy", logits, flags),
    "sigmoid_focal_loss": of("sigmoid_focal_loss", logits, flags),
    **{name: of(name, logits, shares) for name in ("softmax_cross_entropy", "safe_softmax_cross_entropy")},
    "softmax_cross_entropy_with_integer_labels": of("softmax_cross_entropy_with_integer_labels", logits, labels),
    "poly_loss_cross_entropy": of("poly_loss_cross_entropy", logits, shares),
    **{name: of(name, pred, signs) for name in ("hinge_loss", "perceptron_loss")},
    "sparsemax_loss": of("sparsemax_loss", pred, hard),
    **{
        name: of(name, pred, labels)
        for name in ("multiclass_hinge_loss", "multiclass_perceptron_loss", "multiclass_sparsemax_loss")
    },
    "kl_divergence": of("kl_divergence", log_pred, shares),
    "generalized_kl_divergence": of(
        "generalized_kl_divergence", lambda rows: np.log(rows.table("pred")), lambda rows: rows.table("target")
    ),
    "kl_divergence_with_log_targets": of("kl_divergence_with_log_targets", log_pred, log_shares),
    "triplet_margin_loss": of(
        "triplet_margin_loss",
        *(lambda rows, role=role: rows.table(role) for role in ("anchor", "positive", "negative")),
    ),
    "ntxent": Adapter(_ntxent),
    "ranking_softmax_loss": Adapter(_ranking),
    **{name: of(name, image_logits, images) for name in ("binary_dice_loss", "dice_loss")},
}
