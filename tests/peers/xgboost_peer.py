"""XGBoost: its metrics of a model without trees, whose margin of each row is the prediction; it keeps float32."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import CANCELLED, SINGLE, Adapter, Rows, need
from tests.peers.boosters import by_class, column, line, sizes

xgboost: Any = import_module("xgboost")


def evaluated(name: str, label: Any, margin: Any, weight: Any, group: Any = None, **words: Any) -> float:
    """The metric of these margins."""
    features = np.zeros((len(label), 1))
    matrix = xgboost.DMatrix(features, label=label, weight=weight, base_margin=margin, group=group)
    given = {"eval_metric": name, "disable_default_eval_metric": 1, "base_score": 0.5, "verbosity": 0, **words}
    return float(xgboost.train(given, matrix, 0).eval_set([(matrix, "rows")]).rpartition(":")[2])


def metric(name: str) -> Adapter:
    """A metric of one column of predictions."""

    def call(rows: Rows, at: float | None = None, **words: Any) -> float:
        full = name if at is None else f"{name}@{at:g}"
        return evaluated(full, column(rows), line(rows), rows.weight, **{"objective": "reg:squarederror", **words})

    return Adapter(call, weighted=True, tolerance=SINGLE, single=True)


def _quantile(rows: Rows, **words: Any) -> float:
    objective = {"objective": "reg:quantileerror", **words}
    return evaluated("quantile", column(rows), line(rows), rows.weight, **objective)


def classes(name: str) -> Adapter:
    """A metric of the probabilities of classes."""

    def call(rows: Rows) -> float:
        objective = {"objective": "multi:softprob", "num_class": rows.pred.shape[1]}
        return evaluated(name, column(rows), by_class(rows), rows.weight, **objective)

    return Adapter(call, weighted=True, tolerance=SINGLE, single=True)


def _ndcg(rows: Rows) -> float:
    need(bool((rows.target == np.rint(rows.target)).all()))
    return evaluated("ndcg", rows.line("target"), line(rows), None, sizes(rows), objective="rank:ndcg")


def _cox(rows: Rows) -> float:
    strata = [one for one in rows.sets() if (one.line("event") > 0.0).any()]
    need(bool(strata))
    times = [np.where(one.line("event") > 0.0, one.line("target"), -one.line("target")) for one in strata]
    pairs = zip(times, map(line, strata), strict=True)
    costs = [evaluated("cox-nloglik", time, score, None, objective="survival:cox") for time, score in pairs]
    return float(np.average(costs, weights=[np.sum(one.line("event") > 0.0) for one in strata]))


COLUMNS = ("rmse", "mae", "mape", "mphe", "rmsle", "logloss", "error", "auc")
ADAPTERS = {
    **{name: metric(name) for name in COLUMNS},
    **{name.replace("-", "_"): metric(name) for name in ("poisson-nloglik", "gamma-deviance", "gamma-nloglik")},
    "tweedie_nloglik": Adapter(
        lambda rows, tweedie_variance_power: metric(f"tweedie-nloglik@{tweedie_variance_power}").call(rows),
        weighted=True,
        tolerance=SINGLE,
        single=True,
    ),
    "quantile": Adapter(_quantile, weighted=True, tolerance=SINGLE, single=True),
    **{name: classes(name) for name in ("mlogloss", "merror")},
    "ndcg": Adapter(_ndcg, tolerance=SINGLE, single=True),
    "cox_nloglik": Adapter(_cox, tolerance=CANCELLED, single=True),
}
