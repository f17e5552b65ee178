"""lifelines: the log-likelihood of a Cox model with one column, the log-risk, at the coefficient 1."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import Adapter, Rows, need

pandas: Any = import_module("pandas")
lifelines: Any = import_module("lifelines")


def _log_likelihood(rows: Rows) -> Any:
    frame = pandas.DataFrame({role: rows.line(role) for role in ("pred", "target", "event", "query")})
    frame["event"] = frame["event"] > 0.0
    spread = float(frame["pred"].std(ddof=1))
    need(bool(frame["event"].any()) and spread > 0.0)
    fitter = lifelines.CoxPHFitter(strata="query")
    try:
        fitter.fit(frame, "target", "event", initial_point=np.array([spread]), fit_options={"max_steps": 0})
    except lifelines.exceptions.ConvergenceError:  # it inverts a matrix of slopes that no step is taken by
        need(False)
    return fitter.log_likelihood_


def _concordance(rows: Rows) -> Any:
    columns = (rows.line("target"), rows.line("pred"), rows.line("event") > 0.0)
    return lifelines.utils.concordance_index(*columns)


ADAPTERS = {"concordance_index": Adapter(_concordance), "log_likelihood_": Adapter(_log_likelihood)}
