"""Adapters: how a library's function is called on our roles; one module of this package for each library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.domain import LogSimplex, Probability, Simplex
from lossctl.core.form import Form

Numbers = NDArray[Any]
DOUBLE = 1e-9
SINGLE = 4e-6
CANCELLED = 2e-5  # of single precision, in differences of larger terms


class NotTaken(Exception):
    """These rows are none that the function takes: soft targets, several outputs, weights."""


@dataclass(frozen=True)
class Rows:
    """One input as the library sees it: arrays by role, (n,) or (n, k); weight (n,) or None.

    activation: what the loss is told of `pred`; without one a probability has its logit.
    """

    form: Form
    roles: Mapping[str, Numbers]
    weight: Numbers | None = None
    activation: str = "none"

    def __getitem__(self, role: str) -> Numbers:
        return self.roles[role]

    @property
    def target(self) -> Numbers:
        return self.roles["target"]

    @property
    def pred(self) -> Numbers:
        return self.roles["pred"]

    @property
    def logged(self) -> bool:
        """Whether the rows are logarithms of probabilities already."""
        return isinstance(self.form.roles["pred"], LogSimplex)

    @property
    def log_pred(self) -> Numbers:
        """ln p."""
        return self.pred if self.logged else np.log(self.pred)

    @property
    def log_shares(self) -> Numbers:
        """ln q."""
        return self.target if self.logged else np.log(self.shares)

    @property
    def logits(self) -> Numbers:
        """The raw outputs, for functions that take nothing else."""
        domain = self.form.roles["pred"]
        if self.activation != "none" or not isinstance(domain, Probability | Simplex):
            return self.pred
        with np.errstate(divide="ignore"):
            log = np.log(self.pred)
            return log if isinstance(domain, Simplex) else log - np.log1p(-self.pred)

    @property
    def count(self) -> int:
        return len(next(iter(self.roles.values())))

    def table(self, role: str) -> Numbers:
        """A role as (n, k), also where k is 1."""
        return self.roles[role].reshape(self.count, -1)

    def line(self, role: str) -> Numbers:
        """A role of one column as (n,)."""
        need(self.table(role).shape[1] == 1)
        return self.roles[role].reshape(-1)

    @property
    def labels(self) -> Numbers:
        """The target as class numbers, for functions that take nothing else."""
        if self.form.labels:
            return self.target.astype(np.int64)
        need(self.form.name != "binary" and self.target.ndim == 2 and bool(np.isin(self.target, (0.0, 1.0)).all()))
        return np.argmax(self.target, axis=1)

    @property
    def shares(self) -> Numbers:
        """The target as a row of probabilities."""
        need(self.form.name != "binary")
        return np.eye(self.pred.shape[1])[self.target] if self.form.labels else self.target

    @property
    def chances(self) -> Numbers:
        """The target as 0, 1 or between."""
        need(self.form.name != "multiclass")
        return np.maximum(self.target, 0.0)

    @property
    def flags(self) -> Numbers:
        """The target as whole numbers 0 and 1."""
        need(self.certain and self.form.name != "multiclass")
        return np.maximum(self.target, 0.0).astype(np.int64)

    @property
    def certain(self) -> bool:
        """Whether no target is between 0 and 1."""
        return bool(np.isin(self.target, (-1.0, 0.0, 1.0)).all())

    @property
    def signs(self) -> Numbers:
        """The target as -1.0 and 1.0."""
        return 2.0 * self.flags - 1.0

    @property
    def in_single(self) -> Rows:
        """The rows with every number in float32."""
        roles = {role: x.astype(np.float32).astype(x.dtype) for role, x in self.roles.items()}
        return replace(self, roles=roles)

    def unweighted(self) -> None:
        """Say that the function has no weights of rows."""
        need(self.weight is None)

    def sets(self) -> Iterator[Rows]:
        """The rows of equal `query`, set by set."""
        query = self.roles["query"]
        for one in np.unique(query):
            own = query == one
            roles = {role: x[own] for role, x in self.roles.items() if role != "query"}
            yield Rows(self.form, roles, None if self.weight is None else self.weight[own], self.activation)


@dataclass(frozen=True)
class Adapter:
    """How one function is called: `call(rows, **arguments)`; several numbers are averaged.

    weighted: whether it takes weights of rows. tolerance: of its own arithmetic, relative. single: whether it keeps
    what it is given in float32, so that both sides are given that.
    """

    call: Callable[..., Any]
    weighted: bool = False
    tolerance: float = DOUBLE
    single: bool = False

    def __call__(self, rows: Rows, arguments: Mapping[str, Any]) -> float:
        if not self.weighted:
            rows.unweighted()
        return float(np.mean(np.asarray(self.call(rows, **arguments), dtype=np.float64)))


def need(held: bool) -> None:
    """Raise NotTaken unless the rows are of the kind that the function takes."""
    if not held:
        raise NotTaken
