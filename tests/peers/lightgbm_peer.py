"""LightGBM: its metrics of a model without trees, whose score of each row is the prediction; labels are float32."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import SINGLE, Adapter, Rows, need
from tests.peers.boosters import by_class, column, line, sizes

lightgbm: Any = import_module("lightgbm")
QUIET = {"verbose": -1}


def evaluated(name: str, label: Any, score: Any, weight: Any, group: Any = None, **words: Any) -> float:
    """The metric of these scores."""
    features = np.zeros((len(label), 1))
    made = lightgbm.Dataset(features, label=label, weight=weight, init_score=score, group=group, params=QUIET)
    booster = lightgbm.Booster({"objective": "none", "metric": name, **QUIET, **words}, made)
    return float(booster.eval_train()[0][2])


def metric(name: str) -> Adapter:
    """A metric of one column of predictions."""

    def call(rows: Rows, **words: Any) -> float:
        return evaluated(name, column(rows), line(rows), rows.weight, **words)

    return Adapter(call, weighted=True, tolerance=SINGLE, single=True)


def classes(name: str) -> Adapter:
    """A metric of the probabilities of classes."""

    def call(rows: Rows) -> float:
        words = {"objective": "multiclass", "num_class": rows.pred.shape[1]}
        return evaluated(name, column(rows), by_class(rows).T.ravel(), rows.weight, **words)

    return Adapter(call, weighted=True, tolerance=SINGLE, single=True)


def _ndcg(rows: Rows) -> float:
    need(bool((rows.target == np.rint(rows.target)).all()))
    most = max(sizes(rows))
    return evaluated("ndcg", rows.line("target"), line(rows), None, sizes(rows), ndcg_eval_at=[most])


COLUMNS = (
    *("l2", "l1", "rmse", "quantile", "mape", "huber", "poisson", "gamma", "gamma_deviance", "tweedie", "r2"),
    *("binary_logloss", "binary_error", "cross_entropy", "auc"),
)


def _map(rows: Rows) -> float:
    need(bool(np.isin(rows.target, (0.0, 1.0)).all()))
    return evaluated("map", rows.line("target"), line(rows), None, sizes(rows), eval_at=[max(sizes(rows))])


def _kullback_leibler(rows: Rows) -> float:
    """Of the second of two columns."""
    return evaluated("kullback_leibler", rows.shares[:, 1], rows.pred[:, 1], rows.weight)


def _by_weight(rows: Rows) -> float:
    """A loss in which a weight is an exposure."""
    rows.unweighted()
    return evaluated("cross_entropy_lambda", column(rows), line(rows), None)


ADAPTERS = {
    **{name: metric(name) for name in COLUMNS},
    **{name: classes(name) for name in ("multi_logloss", "multi_error")},
    "kullback_leibler": Adapter(_kullback_leibler, weighted=True, tolerance=SINGLE, single=True),
    "cross_entropy_lambda": Adapter(_by_weight, tolerance=SINGLE, single=True),
    "map": Adapter(_map, tolerance=SINGLE, single=True),
    "ndcg": Adapter(_ndcg, tolerance=SINGLE, single=True),
}
