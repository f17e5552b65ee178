"""torchmetrics: the functions of `torchmetrics.functional`, given float64."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import DOUBLE, SINGLE, Adapter, Rows, need
from tests.peers.torch_peer import tensor
from tests.peers.vision import loaded

loaded()
ROOMS = tuple(
    import_module(f"torchmetrics.functional{room}")
    for room in ("", ".regression", ".classification", ".segmentation", ".detection", ".retrieval", ".text")
)
Pair = Callable[[Rows], tuple[Any, Any]]


def function(name: str) -> Any:
    """Find a function in the package or in one of its parts."""
    return next(getattr(room, name) for room in ROOMS if hasattr(room, name))


def of(name: str, pair: Pair, tolerance: float = DOUBLE) -> Adapter:
    """A function called with (preds, target)."""

    def call(rows: Rows, **words: Any) -> Any:
        return function(name)(*map(tensor, pair(rows)), **words)

    return Adapter(call, tolerance=tolerance)


def both(rows: Rows) -> tuple[Any, Any]:
    """Both as they are."""
    return rows.pred, rows.target


def one(rows: Rows) -> tuple[Any, Any]:
    """Both of one column."""
    return rows.line("pred"), rows.line("target")


def tables(rows: Rows) -> tuple[Any, Any]:
    """Both as (n, k)."""
    return rows.table("pred"), rows.table("target")


def divergence(name: str) -> Any:
    """A function whose first argument is the true row, of probabilities or their logarithms."""

    def call(rows: Rows, **words: Any) -> Any:
        pair = (rows.log_shares, rows.log_pred) if words.get("log_prob") else (rows.shares, rows.pred)
        return function(name)(*map(tensor, pair), **words)

    return call


def flags(rows: Rows) -> tuple[Any, Any]:
    """Targets 0 and 1."""
    return rows.pred, rows.flags


def label_tables(name: str) -> Adapter:
    """A function of several yes/no labels of a row and their scores."""

    def call(rows: Rows, **words: Any) -> Any:
        count = rows.table("pred").shape[1]
        need(count > 1)
        return function(name)(tensor(rows.pred), tensor(rows.flags), num_labels=count, **words)

    return Adapter(call)


def by_task(name: str) -> Adapter:
    """A function that is told the task, and the number of classes; it adds up in float32."""

    def call(rows: Rows, **words: Any) -> Any:
        need(rows.form.name != "decided")
        if rows.form.name == "multiclass":
            count = rows.pred.shape[1]
            words = {"task": "multiclass", "num_classes": count, **words}
            return function(name)(tensor(rows.pred), tensor(rows.labels), **words)
        words = {"task": "binary", **words}
        return function(name)(tensor(rows.pred), tensor(rows.flags), **words)

    return Adapter(call, tolerance=SINGLE)


def _multiclass_hinge(rows: Rows, **words: Any) -> Any:
    found = function("multiclass_hinge_loss")(
        tensor(rows.pred), tensor(rows.labels), num_classes=rows.pred.shape[1], **words
    )
    return found.mean()


def _hinge(rows: Rows, **words: Any) -> Any:
    return function("binary_hinge_loss")(tensor(rows.pred.reshape(-1)), tensor(rows.flags.reshape(-1)), **words)


def _perplexity(rows: Rows, **words: Any) -> Any:
    return function("perplexity")(tensor(rows.pred[np.newaxis]), tensor(rows.labels[np.newaxis]), **words)


def _crps(rows: Rows, **words: Any) -> Any:
    return function("continuous_ranked_probability_score")(
        tensor(rows.table("pred")), tensor(rows.line("target")), **words
    )


def _ndcg(rows: Rows, **words: Any) -> Any:
    lists = [
        function("retrieval_normalized_dcg")(tensor(one.line("pred")), tensor(one.line("target")), **words)
        for one in rows.sets()
    ]
    return np.mean([float(number) for number in lists])


def _by_list(name: str) -> Adapter:
    """A score of one list whose targets are yes or no."""

    def call(rows: Rows, **words: Any) -> Any:
        return [
            float(function(name)(tensor(one.line("pred")), tensor(one.line("target") > 0.0), **words))
            for one in rows.sets()
        ]

    return Adapter(call, tolerance=SINGLE)


def _masks(name: str) -> Adapter:
    """A score of masks of one class."""

    def call(rows: Rows, **words: Any) -> Any:
        need(bool(np.isin(rows.pred, (0.0, 1.0)).all()))
        images = (x.astype(np.int64)[:, np.newaxis, np.newaxis, :] for x in tables(rows))
        return function(name)(*map(tensor, images), num_classes=1, **words).mean()

    return Adapter(call, tolerance=SINGLE)


def _class_masks(rows: Rows, **words: Any) -> Any:
    decided = np.eye(rows.pred.shape[1], dtype=np.int64)[np.argmax(rows.pred, axis=1)]
    images = (x.astype(np.int64).T[np.newaxis, :, np.newaxis, :] for x in (decided, rows.shares))
    return function("generalized_dice_score")(*map(tensor, images), num_classes=rows.pred.shape[1], **words)


def _boxes(name: str) -> Adapter:
    """A score of all pairs of boxes, of which the diagonal is ours."""

    def call(rows: Rows, **words: Any) -> Any:
        pair = (tensor(rows.pred), tensor(rows.target))
        return function(name)(*pair, aggregate=False, **words).diagonal().mean()

    return Adapter(call)


def _answers(name: str) -> Adapter:
    """A function of one yes-or-no column and its probabilities."""
    return of(name, lambda rows: (rows.line("pred"), rows.flags.reshape(-1)))


REGRESSION = (
    "mean_squared_error",
    "mean_absolute_error",
    "mean_squared_log_error",
    "mean_absolute_percentage_error",
    "symmetric_mean_absolute_percentage_error",
    "weighted_mean_absolute_percentage_error",
    "tweedie_deviance_score",
    "minkowski_distance",
)
ONE_COLUMN = (
    "log_cosh_error",
    "normalized_root_mean_squared_error",
    "relative_squared_error",
    "r2_score",
    "explained_variance",
    "pearson_corrcoef",
    "concordance_corrcoef",
)
ADAPTERS = {
    **{name: of(name, both) for name in REGRESSION},
    **{name: _answers(name) for name in ("binary_precision", "binary_recall", "binary_f1_score")},
    **{name: of(name, one, SINGLE) for name in ("spearman_corrcoef", "kendall_rank_corrcoef")},
    "peak_signal_noise_ratio": of("peak_signal_noise_ratio", both, SINGLE),
    "total_variation": Adapter(lambda rows: function("total_variation")(tensor(rows.table("pred"))[None, None])),
    **{name: of(name, one) for name in ONE_COLUMN},
    "critical_success_index": of("critical_success_index", both, SINGLE),
    "cosine_similarity": of("cosine_similarity", tables),
    **{name: Adapter(divergence(name)) for name in ("kl_divergence", "jensen_shannon_divergence")},
    "continuous_ranked_probability_score": Adapter(_crps),
    "perplexity": Adapter(_perplexity),
    "binary_hinge_loss": Adapter(_hinge),
    "multiclass_hinge_loss": Adapter(_multiclass_hinge),
    **{name: by_task(name) for name in ("accuracy", "hamming_distance", "calibration_error", "jaccard_index")},
    **{name: label_tables(name) for name in ("multilabel_ranking_loss", "multilabel_coverage_error")},
    "retrieval_normalized_dcg": Adapter(_ndcg),
    **{name: _by_list(name) for name in ("retrieval_reciprocal_rank", "retrieval_average_precision")},
    "dice_score": _masks("dice_score"),
    "generalized_dice_score": Adapter(_class_masks, tolerance=SINGLE),
    **{
        name: _boxes(name)
        for name in (
            "intersection_over_union",
            "generalized_intersection_over_union",
            "distance_intersection_over_union",
            "complete_intersection_over_union",
        )
    },
}
