"""Samples of two models whose true losses are known: normal and heavy-tailed errors, weights, clusters, two classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

import lossctl

Values = NDArray[Any]
Columns = Mapping[str, Values]
IN_SET: Final = 5  # rows; those of a sample fill whole sets
SHARED: Final = math.sqrt(0.5)  # of what one normal variable shares with another: models of a row, rows of a cluster
SPREAD: Final = 2.0  # of the target of a regression
BLUNDERS: Final = {"blunders": 0.02, "blunders 1 %": 0.01}  # share of rows
WHOLE: Final = 1.5 * math.sqrt(2.0)  # spread of errors that are rounded
BLUNDER: Final = 7.0  # times as large an error
NODES, MASS = np.polynomial.hermite_e.hermegauss(120)
MASS = MASS / MASS.sum()


@dataclass(frozen=True)
class Case:
    """What is estimated, from what kind of rows.

    option: nothing, `weighted`, `clustered` or `sets`. errors: how those of the second model are drawn. rival: how
    those of the first one are, where it is of another kind; both then have the same true loss.
    """

    loss: str
    errors: str
    rows: int
    option: str = ""
    rival: str = ""

    @property
    def words(self) -> str:
        """The value in words."""
        return f"{self.loss}, {self.option}" if self.option else self.loss

    @property
    def data(self) -> str:
        """The rows in words."""
        return f"{self.errors} against {self.rival}" if self.rival else self.errors


def clusters_of(rows: int) -> Values:
    """Assign rows to clusters of 1 to 9 rows, 5 on average."""
    return np.repeat(np.arange(rows), np.resize([1, 3, 5, 7, 9], rows))[:rows]


class Draw:
    """Draws (samples, rows) arrays for one case."""

    def __init__(self, case: Case, rng: np.random.Generator, samples: int) -> None:
        self.case, self.rng, self.shape = case, rng, (samples, case.rows)
        self.clusters = clusters_of(case.rows) if case.option == "clustered" else None

    def by_unit(self, draw: Callable[[tuple[int, int]], Values]) -> Values:
        """Draw one value for each row, or for each cluster where there are any."""
        if self.clusters is None:
            return draw(self.shape)
        return draw((self.shape[0], int(self.clusters[-1]) + 1))[:, self.clusters]

    def normal(self) -> Values:
        """Draw standard normal values; half of the variance is of the cluster where there are any."""
        rows = self.rng.standard_normal(self.shape)
        return rows if self.clusters is None else SHARED * rows + SHARED * self.by_unit(self.rng.standard_normal)

    def columns(self) -> Columns:
        """Draw targets, both models' predictions, which rows are rare, and weights or clusters if the case has them."""
        found = self._two_classes() if self.case.errors in OFFSETS else self._regression()
        if self.case.option == "weighted":
            found["w"] = np.exp(self.rng.standard_normal(self.shape))
        if self.case.option == "sets":
            found["q"] = np.arange(np.prod(self.shape)).reshape(self.shape) // IN_SET
        if self.clusters is not None:
            found["c"] = np.broadcast_to(self.clusters, self.shape)
        return found

    def _regression(self) -> dict[str, Values]:
        case, shared = self.case, self.normal()
        latent = [SHARED * shared + SHARED * self.normal() for _ in range(2)]
        chi = self.by_unit(lambda shape: self.rng.chisquare(5, shape) / 5.0)
        sign = np.where(self.rng.random(self.shape) < 0.5, 1.0, -1.0)
        blunder = self.rng.random(self.shape) < BLUNDERS.get(case.errors, 0.0)
        shaped: Mapping[str, Callable[[Values], Values]] = {
            "normal": lambda z: z,
            "t5": lambda z: z / np.sqrt(chi),
            "lognormal": lambda z: sign * np.exp(0.5 * z),  # its square is lognormal(0, 1)
            "whole numbers": lambda z: np.round(WHOLE * z),
            **{kind: lambda z: z * np.where(blunder, BLUNDER, 1.0) for kind in BLUNDERS},
        }
        first = shaped[case.rival or case.errors](latent[0]) * scale_of(case)
        target = SPREAD * self.normal()
        if case.errors == "whole numbers":
            target = np.round(target)
        found = {"y": target, "a": target + first, "b": target + shaped[case.errors](latent[1])}
        return {**found, "rare": blunder} if case.errors in BLUNDERS else found

    def _two_classes(self) -> dict[str, Values]:
        score = OFFSETS[self.case.errors] + 1.5 * self.rng.standard_normal(self.shape)
        label = (self.rng.random(self.shape) < special.expit(score)).astype(float)
        found = {"y": label, **({"rare": label == 1.0} if OFFSETS[self.case.errors] else {})}
        for model, kind in (("a", self.case.rival or self.case.errors), ("b", self.case.errors)):
            noise = 0.7 * self.rng.standard_normal(self.shape)
            found[model] = special.expit(factor_of(kind) * (score + noise))
        return found


MOMENTS: Final[Mapping[str, Mapping[str, float]]] = {
    "normal": {"mse": 1.0, "mae": math.sqrt(2.0 / math.pi), "median": float(stats.norm.ppf(0.75))},
    "t5": {"mse": 5.0 / 3.0, "mae": float(stats.t(5).expect(np.abs)), "median": float(stats.t(5).ppf(0.75))},
    "lognormal": {"mse": math.exp(0.5), "mae": math.exp(0.125), "median": 1.0},
    "whole numbers": {"median": 1.0},  # 52 % of the errors are -1, 0 or 1
    **{kind: {"mse": 1.0 - share + share * BLUNDER**2} for kind, share in BLUNDERS.items()},
}
OFFSETS: Final = {"balanced": 0.0, "rare": -4.0, "1 % positive": -5.6, "confident": 0.0}


def scale_of(case: Case) -> float:
    """Return by how much a rival's errors are stretched so that both models have the same loss."""
    if not case.rival:
        return 1.0
    kind = "mae" if case.loss == "mae" else "mse"
    share = MOMENTS[case.errors][kind] / MOMENTS[case.rival][kind]
    return share if kind == "mae" else math.sqrt(share)


def expected_bce(factor: float, offset: float) -> float:
    """Integrate the log loss of sigmoid(factor (score + noise)) over both."""
    score = offset + 1.5 * NODES[:, np.newaxis]
    logit = factor * (score + 0.7 * NODES)
    true = special.expit(score)
    costs = true * np.logaddexp(0.0, -logit) + (1.0 - true) * np.logaddexp(0.0, logit)
    return float(MASS @ costs @ MASS)


def factor_of(kind: str) -> float:
    """Return by how much a kind of model stretches its logits; a timid one has the loss of a confident one."""
    if kind != "timid":
        return {"balanced": 1.0, "rare": 1.0, "1 % positive": 1.0, "confident": CONFIDENT}[kind]
    return TIMID


TIMID: Final = 0.2
CONFIDENT: Final = float(
    optimize.brentq(lambda factor: expected_bce(factor, 0.0) - expected_bce(TIMID, 0.0), 1.0, 20.0)
)


DECISIONS: Final = ("f1", "mcc", "kappa", "balanced_accuracy")
AREAS: Final = ("roc_auc", "average_precision")
ORDERS: Final = ("spearman", "kendall", "c_index:events=false")
LISTS: Final = ("ndcg:empty=0", "mrr:empty=0", "map:empty=0")
SCORES: Final = ("ece", "concordance", *DECISIONS, *AREAS, *ORDERS, *LISTS)
MANY: Final = 1_000_000  # rows whose score is as good as the true one beside intervals of a thousand


@cache
def by_many_rows(case: Case) -> float:
    """Return a score of very many rows."""
    columns = Draw(case, np.random.default_rng(16), 1).columns()
    sets = {"query": columns["q"][0]} if "q" in columns else {}
    return float(lossctl.get(case.loss)(columns["y"][0], columns["a"][0], **sets))


def truth(case: Case) -> float:
    """Return the true loss of the first model of a case without a rival."""
    if case.loss in SCORES:
        return by_many_rows(replace(case, rows=MANY, option="sets" if case.option == "sets" else "", rival=""))
    if case.loss == "bce":
        return expected_bce(factor_of(case.errors), OFFSETS[case.errors])
    moments = MOMENTS[case.errors]
    return {
        "mse": lambda: moments["mse"],
        "rmse": lambda: math.sqrt(moments["mse"]),
        "r2": lambda: 1.0 - moments["mse"] / SPREAD**2,
        "mae": lambda: moments["mae"],
        "median_absolute_error": lambda: moments["median"],
    }[case.loss]()
