"""Batch: one block of rows of one model, and the quantities that several losses derive from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossctl.core.domain import corners
from lossctl.numerics import activation as act
from lossctl.numerics.array import Array

FRAMES = {"boxes_xywh": "xywh", "boxes_cxcywh": "cxcywh"}  # forms whose columns are turned into corners first
BLOCK = 65_536  # rows at fixed addresses that are summed together, so that sums do not depend on how rows arrive
MOST_BLOCKS = 4  # that are worked on at a time
KEPT: Final = (1 << 25) - (1 << 13)  # bytes: the largest array that tells glibc anything, its page of bookkeeping off
BLOCK_BYTES = 1 << 23  # that the columns of a block take at most, where it is longer than one BLOCK


def block_rows(width: int | None) -> int:
    """Return how many rows of `width` columns are worked on at a time: one to four BLOCKs."""
    blocks = 1 if width is None else BLOCK_BYTES // (8 * BLOCK * max(width, 1))
    return BLOCK * max(1, min(MOST_BLOCKS, blocks))


def keep_freed_memory() -> None:
    """Free a large array, of which nobody touches a page: glibc then keeps as much of what is freed later.

    Arrays of a block so reuse the memory of those before; fresh pages cost more than the arithmetic on them. It is what
    comes of any array of this size that a program frees, and where that is settled otherwise (mallopt), it stays so.
    """
    np.empty(KEPT, dtype=np.uint8)


Memo = dict[Callable[["Batch"], NDArray[Any]], NDArray[Any]]


class Trend(NamedTuple):
    """About how predictions go with targets: near the line intercept + slope x target, and `gap` above the target."""

    gap: float = 0.0
    slope: float = 1.0
    intercept: float = 0.0

    def at(self, target: Any) -> Any:
        """Return about what is predicted where the target has a value."""
        return self.intercept + self.slope * target


NO_TREND: Final = Trend()


class Batch:
    """Read-only arrays by role for one block of rows and one model.

    Every role is a (width, rows) float64 array, one contiguous line per column; class labels are a (rows,)
    array of integer codes. `target` and `pred` are the usual roles, `pred` on its natural scale (the declared
    activation applied); `raw` is the column as it was read. `origin` is the value about which variances of the
    target are taken, one for all rows or (rows,) of them.
    trend: about how the predictions go with the target, for variances of the prediction; the same for all rows.
    origins: these values for each of several target columns. classes: the labels of the class codes, in order.
    of_target: what is derived from the target alone, for batches that share it.
    """

    __slots__ = (
        "_memo",
        "_of_target",
        "_related",
        "activation",
        "classes",
        "form",
        "origin",
        "origins",
        "roles",
        "rows",
        "trend",
    )

    def __init__(
        self,
        roles: Mapping[str, NDArray[Any]],
        *,
        form: str = "",
        activation: str = "none",
        origin: float | Array = 0.0,
        origins: Sequence[float] = (),
        trend: Trend = NO_TREND,
        classes: Sequence[str] = (),
        of_target: Memo | None = None,
    ) -> None:
        self.roles = roles
        self.form = form
        self.activation = activation
        self.origin = origin
        self.origins = origins
        self.trend = trend
        self.classes = classes
        self._related: dict[str | int, Batch] = {}
        self.rows = next(iter(roles.values())).shape[-1]
        self._memo: Memo = {}
        self._of_target: Memo = {} if of_target is None else of_target
        for values in roles.values():
            values.flags.writeable = False

    def as_form(self, form: str) -> Batch:
        """Return the same rows for a loss of another form; derived quantities are shared."""
        if form in FRAMES:
            if form not in self._related:
                # far from the origin, corners lose digits
                place = np.concatenate([self.target[:2], np.zeros_like(self.target[2:])])
                boxes = {"target": self.target - place, "pred": self.pred - place}
                roles = {role: corners(box, FRAMES[form]) for role, box in boxes.items()}
                self._related[form] = Batch(roles, form="boxes")
            return self._related[form]
        if form == self.form:
            return self
        if form not in self._related:
            batch = self._related[form] = copy(self)
            batch.form = form
            batch._related = {}  # sharing what is related would keep both alive until a cycle is found
        return self._related[form]

    def related(self, name: str, make: Callable[[Batch], Batch]) -> Batch:
        """Return `make(self)`, computed once per batch."""
        if name not in self._related:
            self._related[name] = make(self)
        return self._related[name]

    def output(self, place: int) -> Batch:
        """Return the same rows with one of several outputs alone."""
        if place not in self._related:
            roles = {role: x[place : place + 1] if len(x) > 1 else x for role, x in self.roles.items()}
            origin = self.origins[place] if 0 < place < len(self.origins) else self.origin
            self._related[place] = Batch(
                roles, form=self.form, activation=self.activation, origin=origin, trend=self.trend
            )
        return self._related[place]

    def __getitem__(self, role: str) -> NDArray[Any]:
        return self.roles[role]

    @property
    def target(self) -> NDArray[Any]:
        """The target: (width, rows), or (rows,) codes where the form has class labels."""
        return self.roles["target"]

    @property
    def raw(self) -> Array:
        """The prediction columns as read, (width, rows)."""
        return self.roles["pred"]

    @property
    def pred(self) -> Array:
        """The prediction on its natural scale, (width, rows)."""
        return natural(self)

    def memo(self, function: Callable[[Batch], NDArray[Any]], of_target: bool = False) -> NDArray[Any]:
        """Return `function(self)`, computed once per batch, or once for all that share the target."""
        memo = self._of_target if of_target else self._memo
        if function not in memo:
            values = function(self)
            values.flags.writeable = False
            memo[function] = values
        return memo[function]


def of_target(function: Callable[[Batch], NDArray[Any]]) -> Callable[[Batch], NDArray[Any]]:
    """Make a derived quantity that depends on the target alone, so that models share it, and its sums."""
    return derived(function, of_target=True)


def derived(function: Callable[[Batch], NDArray[Any]], of_target: bool = False) -> Callable[[Batch], NDArray[Any]]:
    """Make a quantity that is computed once per batch and shared by every loss that names it."""

    def once(batch: Batch) -> NDArray[Any]:
        return batch.memo(function, of_target)

    once.__name__, once.__doc__, once.__module__ = function.__name__, function.__doc__, function.__module__
    once.of_target = of_target  # type: ignore[attr-defined]  # functions take attributes
    return once


@derived
def natural(batch: Batch) -> Array:
    """The activation applied to the raw outputs."""
    if batch.activation == "softmax":
        return act.softmax_of(below_top(batch)[1])
    return (batch.raw if batch.activation == "none" else act.APPLY[batch.activation](batch.raw)).view()


@derived
def below_top(batch: Batch) -> Array:
    """What is left of logits below the largest one of their row, and e to that."""
    return act.below_top(batch.raw)


@derived
def residual(batch: Batch) -> Array:
    """Signed error, r = pred - target, in the target's unit."""
    return batch.pred - batch.target


@derived
def abs_residual(batch: Batch) -> Array:
    """Size of the error, |r|."""
    return np.abs(residual(batch))


@of_target
def flag(batch: Batch) -> Array:
    """The binary target as a probability: labels {-1, +1} become {0, 1}, others stay."""
    return np.maximum(batch.target, 0.0)


@of_target
def sign(batch: Batch) -> Array:
    """The binary target as s = -1 or +1."""
    return 2.0 * (flag(batch) > 0.0).astype(np.float64) - 1.0


@derived
def other_prob(batch: Batch) -> Array:
    """1 - p, without cancellation where the raw output is known."""
    if batch.activation == "sigmoid":
        return act.sigmoid(-batch.raw)
    if batch.activation == "softmax":
        return act.one_minus_softmax_of(below_top(batch)[1])
    if batch.activation == "renormalize":
        return act.sum_of_others(batch.raw) / np.add.reduce(batch.raw, axis=0)
    return 1.0 - batch.pred


@derived
def log_prob(batch: Batch) -> Array:
    """ln p; exact for logits of any size where the raw output is known."""
    if batch.activation == "sigmoid":
        return -act.softplus(-batch.raw)
    if batch.activation == "softmax":
        return act.log_softmax_of(*below_top(batch))
    return np.log(batch.pred)


@derived
def log_other_prob(batch: Batch) -> Array:
    """ln(1 - p) per column."""
    if batch.activation == "sigmoid":
        return -act.softplus(batch.raw)
    if batch.activation in ("softmax", "renormalize"):
        return np.log(other_prob(batch))
    return np.log1p(-batch.pred)


@derived
def log_rate(batch: Batch) -> Array:
    """ln μ of a positive prediction."""
    if batch.activation == "exp":
        return batch.raw.view()
    if batch.activation == "softplus":
        return act.log_softplus(batch.raw)
    return log_prob(batch) if batch.activation == "sigmoid" else np.log(batch.pred)
