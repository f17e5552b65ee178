"""scikit-learn: the functions of `sklearn.metrics`, which take weights of rows."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import Adapter, Rows, need

metrics: Any = import_module("sklearn.metrics")
Pair = Callable[[Rows], tuple[Any, Any]]


def of(name: str, pair: Pair) -> Adapter:
    """A function called with (y_true, y_pred)."""

    def call(rows: Rows, **words: Any) -> Any:
        weight = {} if rows.weight is None else {"sample_weight": rows.weight}
        return getattr(metrics, name)(*pair(rows), **weight, **words)

    return Adapter(call, weighted=True)


def both(rows: Rows) -> tuple[Any, Any]:
    """Both as they are."""
    return rows.target, rows.pred


def one(rows: Rows) -> tuple[Any, Any]:
    """Both of one column."""
    return rows.line("target"), rows.line("pred")


def observed(rows: Rows) -> Any:
    """Flags or class numbers of one column."""
    return rows.labels if rows.form.name == "multiclass" else rows.flags.reshape(-1)


def known(rows: Rows) -> Any:
    """All labels that there are, seen or not."""
    return np.arange(rows.pred.shape[1] if rows.form.name == "multiclass" else 2)


def probabilities(name: str) -> Adapter:
    """A function of labels and the probabilities given to them."""

    def call(rows: Rows, **words: Any) -> Any:
        given = rows.pred if rows.form.name == "multiclass" else rows.line("pred")
        function = getattr(metrics, name)
        return function(observed(rows), given, sample_weight=rows.weight, labels=known(rows), **words)

    return Adapter(call, weighted=True)


def decisions(rows: Rows) -> tuple[Any, Any]:
    """What was observed and what is decided: the largest column, or more than one half."""
    if rows.form.name == "decided":
        return rows.target.astype(np.int64), rows.pred.astype(np.int64)
    if rows.form.name == "multiclass":
        return rows.labels, np.argmax(rows.pred, axis=1)
    return rows.flags, (rows.pred > 0.5).astype(int)


def answers(rows: Rows) -> tuple[Any, Any]:
    """What was observed and what is decided, of one answer in each row or of several labels."""
    if rows.form.decided:
        return rows.line("target"), rows.line("pred")
    observed, answer = decisions(rows)
    return (observed, answer) if observed.ndim == 1 or observed.shape[1] > 1 else (observed[:, 0], answer[:, 0])


def one_answer(rows: Rows) -> tuple[Any, Any]:
    """The same of one answer in each row."""
    pair = answers(rows)
    need(np.ndim(pair[0]) == 1)
    return pair


def _f1(rows: Rows, **words: Any) -> Any:
    pair = masks(rows) if rows.form.name == "masks" else one_answer(rows)
    weight = {} if rows.weight is None else {"sample_weight": rows.weight}
    return metrics.f1_score(*pair, **weight, **words)


def areas(name: str) -> Adapter:
    """A function of flags, or of classes held against all others, and their scores."""

    def call(rows: Rows, **words: Any) -> Any:
        classes = rows.form.name == "multiclass"
        flags = np.eye(rows.pred.shape[1])[rows.labels] if classes else rows.flags
        need(bool((flags.reshape(rows.count, -1).any(axis=0)).all()))
        return getattr(metrics, name)(flags, rows.pred, sample_weight=rows.weight, **words)

    return Adapter(call, weighted=True)


def _top_k(rows: Rows, **words: Any) -> Any:
    need(rows.pred.shape[1] > 2 and words["k"] < rows.pred.shape[1])
    need(all(len(set(row)) == len(row) for row in rows.pred.tolist()))
    words = {**words, "k": int(words["k"])}
    return metrics.top_k_accuracy_score(rows.labels, rows.pred, labels=known(rows), sample_weight=rows.weight, **words)


def _ranked_labels(rows: Rows) -> Any:
    rows.unweighted()
    return np.mean(
        [
            metrics.label_ranking_average_precision_score(
                (one.line("target") > 0.0)[np.newaxis].astype(int), one.line("pred")[np.newaxis]
            )
            for one in rows.sets()
        ]
    )


def masks(rows: Rows) -> tuple[Any, Any]:
    """Two masks of pixels that are 0 or 1."""
    need(rows.table("target").shape[1] > 1 and bool(np.isin(rows.pred, (0.0, 1.0)).all()))
    return rows.flags, rows.pred.astype(int)


def masks_or_events(rows: Rows) -> tuple[Any, Any]:
    """Two masks, or whether something happened and was predicted: values from 0.5 on."""
    if rows.form.name != "regression":
        return masks(rows)
    happened, predicted = rows.line("target") >= 0.5, rows.line("pred") >= 0.5
    need(bool((happened | predicted).any()))
    return happened, predicted


def _hinge(rows: Rows, **words: Any) -> Any:
    if rows.form.name != "multiclass":
        need(len(np.unique(rows.line("target"))) == 2)
        return metrics.hinge_loss(rows.signs.reshape(-1), rows.line("pred"), sample_weight=rows.weight, **words)
    need(rows.pred.shape[1] > 2)
    return metrics.hinge_loss(rows.labels, rows.pred, labels=known(rows), sample_weight=rows.weight, **words)


def label_tables(rows: Rows) -> tuple[Any, Any]:
    """Several yes/no labels of a row, and their scores."""
    need(rows.table("target").shape[1] > 1)
    return rows.flags, rows.pred


def _ndcg(rows: Rows, **words: Any) -> Any:
    rows.unweighted()
    return np.mean(
        [
            metrics.ndcg_score(one.line("target")[np.newaxis], one.line("pred")[np.newaxis], **words)
            for one in rows.sets()
        ]
    )


def _paired_cosine(rows: Rows) -> Any:
    distances = import_module("sklearn.metrics.pairwise").paired_cosine_distances
    return np.average(distances(rows.table("target"), rows.table("pred")), weights=rows.weight)


ANY_WIDTH = (
    "mean_squared_error",
    "root_mean_squared_error",
    "mean_absolute_error",
    "mean_squared_log_error",
    "root_mean_squared_log_error",
    "mean_absolute_percentage_error",
    "mean_pinball_loss",
    "median_absolute_error",
    "r2_score",
    "explained_variance_score",
)
ONE_COLUMN = (
    "mean_poisson_deviance",
    "mean_gamma_deviance",
    "mean_tweedie_deviance",
    "d2_pinball_score",
    "d2_absolute_error_score",
    "d2_tweedie_score",
)
ADAPTERS = {
    **{name: of(name, both) for name in ANY_WIDTH},
    **{name: of(name, one) for name in ONE_COLUMN},
    "max_error": Adapter(lambda rows, **words: metrics.max_error(*one(rows), **words)),
    **{name: probabilities(name) for name in ("log_loss", "brier_score_loss", "d2_log_loss_score", "d2_brier_score")},
    **{name: of(name, decisions) for name in ("zero_one_loss", "hamming_loss")},
    "hinge_loss": Adapter(_hinge, weighted=True),
    **{name: of(name, label_tables) for name in ("label_ranking_loss", "coverage_error")},
    "jaccard_score": of("jaccard_score", masks_or_events),
    "f1_score": Adapter(_f1, weighted=True),
    "accuracy_score": of("accuracy_score", answers),
    **{
        name: of(name, one_answer)
        for name in (
            "balanced_accuracy_score",
            "precision_score",
            "recall_score",
            "cohen_kappa_score",
            "matthews_corrcoef",
        )
    },
    **{name: areas(name) for name in ("roc_auc_score", "average_precision_score")},
    "top_k_accuracy_score": Adapter(_top_k, weighted=True),
    "label_ranking_average_precision_score": Adapter(_ranked_labels),
    "ndcg_score": Adapter(_ndcg),
    "paired_cosine_distances": Adapter(_paired_cosine, weighted=True),
}
