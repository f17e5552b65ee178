"""CatBoost: the metrics of `catboost.utils.eval_metric`, which takes raw outputs; labels are float32."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import SINGLE, Adapter, Rows, need
from tests.peers.boosters import by_class, column, line

utils: Any = import_module("catboost.utils")


def evaluated(name: str, label: Any, score: Any, weight: Any, group: Any = None, **words: Any) -> float:
    """The metric of these raw outputs."""
    full = name + (":" + ";".join(f"{word}={value}" for word, value in words.items()) if words else "")
    return float(utils.eval_metric(label, score, full, weight=weight, group_id=group)[0])


def metric(name: str, *, weighted: bool = True) -> Adapter:
    """A metric of one column of raw outputs, or of the raw outputs of several labels."""

    def call(rows: Rows, **words: Any) -> float:
        return evaluated(name, column(rows), line(rows), rows.weight, **words)

    return Adapter(call, weighted=weighted, tolerance=SINGLE, single=True)


def by_outcome(name: str) -> Adapter:
    """A metric of raw outputs of yes/no labels or of classes."""

    def call(rows: Rows, **words: Any) -> float:
        need(rows.form.name != "decided")
        if rows.form.name == "multiclass":
            need(len(np.unique(rows.labels)) == rows.pred.shape[1])
            score = rows.pred if name == "HingeLoss" or rows.activation != "none" else by_class(rows)
        else:
            score = rows.pred.reshape(-1) if name == "HingeLoss" else rows.logits.reshape(-1)
            need(rows.table("pred").shape[1] == 1)
        return evaluated(name, column(rows), score, rows.weight, **words)

    return Adapter(call, weighted=True, tolerance=SINGLE, single=True)


def _several(name: str) -> Adapter:
    """A metric of several outputs."""

    def call(rows: Rows) -> float:
        need(rows.table("pred").shape[1] > 1)
        return evaluated(name, rows.table("target"), rows.table("pred"), rows.weight)

    return Adapter(call, weighted=True, tolerance=SINGLE, single=True)


def _queries(name: str) -> Adapter:
    """A metric of the rows of queries."""

    def call(rows: Rows, **words: Any) -> float:
        group = rows["query"].astype(np.int64)
        return evaluated(name, rows.line("target"), line(rows), None, group, **words)

    return Adapter(call, tolerance=SINGLE, single=True)


def _pairs(rows: Rows) -> float:
    """A row is a pair: the winner is left where the target is 1."""
    left = rows.flags.reshape(-1) == 1
    places = np.arange(rows.count)
    pairs = np.stack([np.where(left, places, places + rows.count), np.where(left, places + rows.count, places)], axis=1)
    score = np.concatenate([rows["left"], rows["right"]])
    group = np.zeros(2 * rows.count, np.int64)
    return float(utils.eval_metric(np.zeros(2 * rows.count), score, "PairLogit", group_id=group, pairs=pairs)[0])


def _cox(rows: Rows) -> float:
    strata = [(one.line("event"), one.line("target"), line(one)) for one in rows.sets()]
    costs = [evaluated("Cox", np.where(event > 0.0, time, -time), score, None) for event, time, score in strata]
    return float(np.sum(costs))


COLUMNS = (
    *("RMSE", "MAE", "Huber", "LogCosh", "Quantile", "LogLinQuantile", "Expectile", "Lq"),
    *("MSLE", "MAPE", "SMAPE", "R2", "Poisson", "Tweedie"),
)
OUTCOMES = (
    *("Logloss", "CrossEntropy", "BrierScore", "Focal", "MultiClass", "MultiClassOneVsAll"),
    *("HingeLoss", "ZeroOneLoss", "HammingLoss", "Accuracy", "BalancedErrorRate", "MCC", "Kappa", "AUC"),
)
ADAPTERS = {
    **{name: metric(name) for name in COLUMNS},
    "MedianAbsoluteError": metric("MedianAbsoluteError", weighted=False),
    **{name: by_outcome(name) for name in OUTCOMES},
    "PairLogit": Adapter(_pairs, tolerance=SINGLE, single=True),
    "Cox": Adapter(_cox, tolerance=SINGLE, single=True),
    "MultiRMSE": _several("MultiRMSE"),
    **{name: _queries(name) for name in ("NDCG", "QuerySoftMax")},
}
