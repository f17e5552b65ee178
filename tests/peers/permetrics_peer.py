"""permetrics: the methods of its two classes; what it returns by column is averaged."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import Adapter, Rows, need
from tests.peers.sklearn_peer import decisions

permetrics: Any = import_module("permetrics")


def regression(name: str) -> Adapter:
    """A method of RegressionMetric."""

    def call(rows: Rows, **words: Any) -> Any:
        made = permetrics.RegressionMetric(rows.target, rows.pred)
        return np.mean(getattr(made, name)(**words))

    return Adapter(call)


def _scaled(rows: Rows, **words: Any) -> Any:
    series = [permetrics.RegressionMetric(one.line("target"), one.line("pred")).MASE(**words) for one in rows.sets()]
    return np.mean(series)


def decided(name: str) -> Adapter:
    """A method of ClassificationMetric, given class numbers and what is decided."""

    def call(rows: Rows, **words: Any) -> Any:
        observed, given = decisions(rows)
        return getattr(permetrics.ClassificationMetric(observed.reshape(-1), given.reshape(-1)), name)(**words)

    return Adapter(call)


def classification(name: str, soft: bool) -> Adapter:
    """A method of ClassificationMetric, given class numbers, or rows of shares, and a column for each class."""

    def call(rows: Rows, **words: Any) -> Any:
        if rows.form.name == "multiclass":
            observed, given = rows.shares if soft else rows.labels, rows.pred
        else:
            observed, given = rows.flags.reshape(-1), np.stack([1.0 - rows.line("pred"), rows.line("pred")], axis=1)
        seen = np.argmax(observed, axis=1) if observed.ndim == 2 else observed
        need(len(np.unique(seen)) == given.shape[1])  # it refuses a table with a class that is not seen
        return getattr(permetrics.ClassificationMetric(observed, given), name)(**words)

    return Adapter(call)


REGRESSION = (
    *("MSE", "RMSE", "MAE", "MBE", "MedAE", "ME", "MSLE", "MAPE", "MRE", "MPE", "SMAPE", "SMAPE_NP", "SMAPE_S"),
    *(
        "SMAPE_S_P",
        "MAAPE",
        "NRMSE",
        "RRSE",
        "RSE",
        "CRM",
        "RGINI",
        "RAE",
        "R2",
        "NSE",
        "COD",
        "VAF",
        "EVS",
        "PCC",
        "JSD",
    ),
)
CLASSIFICATION = {"CEL": True, "HGL": False, "BSL": False, "KLDL": True}
DECIDED = ["AS", "HML", "JSI"]
ADAPTERS = {
    **{name: regression(name) for name in REGRESSION},
    "MASE": Adapter(_scaled),
    **{name: classification(name, soft) for name, soft in CLASSIFICATION.items()},
    **{name: decided(name) for name in DECIDED},
}
