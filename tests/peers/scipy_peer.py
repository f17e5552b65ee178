"""SciPy: its functions of rows, vectors or samples, in float64; what they return by row or element is averaged."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import Adapter, Rows

special: Any = import_module("scipy.special")
stats: Any = import_module("scipy.stats")
distance: Any = import_module("scipy.spatial.distance")
optimize: Any = import_module("scipy.optimize")


def residuals(function: Callable[..., Any]) -> Adapter:
    """A function of a residual."""
    return Adapter(lambda rows, **words: function(rows.pred - rows.target, **words))


def vectors(function: Callable[..., Any]) -> Adapter:
    """A function of two vectors, the rows of a table."""

    def call(rows: Rows, **words: Any) -> Any:
        return [function(*pair, **words) for pair in zip(rows.table("target"), rows.table("pred"), strict=True)]

    return Adapter(call)


def rows_of_shares(function: Callable[..., Any]) -> Adapter:
    """A function of a true row of probabilities and a predicted one."""

    def call(rows: Rows, **words: Any) -> Any:
        return [function(*pair, **words) for pair in zip(rows.shares, rows.pred, strict=True)]

    return Adapter(call)


def _places(true: Any, pred: Any) -> Any:
    places = np.arange(len(true))
    return stats.wasserstein_distance(places, places, true, pred)


def _columns(function: Callable[..., Any]) -> Adapter:
    """A function of two columns."""
    return Adapter(lambda rows, **words: function(rows.line("target"), rows.line("pred"), **words))


def _log_density(law: str) -> Adapter:
    return Adapter(lambda rows: getattr(stats, law).logpdf(rows.target, rows.pred, rows["scale"]))


def _least_squares(rows: Rows, loss: str) -> Any:
    start = np.zeros(1)
    residual = (rows.pred - rows.target).ravel()
    solved = optimize.least_squares(lambda x: residual + 0.0 * x[0], start, loss=loss, max_nfev=1)
    return solved.cost / residual.size


ADAPTERS = {
    "huber": residuals(lambda r, delta: special.huber(delta, r)),
    "pseudo_huber": residuals(lambda r, delta: special.pseudo_huber(delta, r)),
    "norm.logpdf": _log_density("norm"),
    "laplace.logpdf": _log_density("laplace"),
    "pearsonr": _columns(lambda target, pred: stats.pearsonr(target, pred).statistic),
    "spearmanr": _columns(lambda target, pred: stats.spearmanr(target, pred).statistic),
    "kendalltau": _columns(lambda target, pred: stats.kendalltau(target, pred).statistic),
    "correlation": _columns(distance.correlation),
    "cosine": vectors(distance.cosine),
    "entropy": rows_of_shares(stats.entropy),
    "rel_entr": rows_of_shares(lambda true, pred: np.sum(special.rel_entr(true, pred))),
    "kl_div": Adapter(lambda rows: np.sum(special.kl_div(rows.table("target"), rows.table("pred")), axis=1)),
    "jensenshannon": rows_of_shares(distance.jensenshannon),
    "wasserstein_distance": rows_of_shares(_places),
    "least_squares": Adapter(_least_squares),
}
