"""Forms: the shapes of data that a loss accepts, as roles with their domains, and a curve to show each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal

import numpy as np

from lossctl.core.domain import Decision, Domain, Flag, Labels, LogSimplex, Mark, Simplex
from lossctl.errors import UsageError, listed, near

TASKS = ("regression", "binary", "multiclass", "multilabel", "quantile", "boxes", "masks")
EVENT: Final = "event"  # the role that says whether what a time is of has happened
QUERY = "query"  # the role that says which set a row belongs to; without it all rows are one set
RANKED: Final = "lists"  # the form of losses of rankings, which of one set of all rows seldom mean something
OPTIONAL = frozenset({QUERY})
CODED = frozenset({QUERY, "label"})  # roles of which only equality counts
GIVEN = frozenset({"target", EVENT, *CODED})  # roles that no model produces
Values = Mapping[str, tuple[tuple[float, ...], ...]]
# a target is one class label in each row, a row over the classes, a yes or no in each column, or numbers
Reading = Literal["labels", "classes", "flags", "numbers"]
DECIDED: Final = "decided"  # the form of losses whose predictions are classes
READINGS: Final[tuple[Reading, ...]] = ("labels", "classes", "flags", "numbers")  # what says most comes first
FORM_OF: Final[Mapping[Reading, str]] = {"classes": "multiclass", "flags": "binary"}  # of several target columns


Against = Literal["", "error", "margin", "probability"]


@dataclass(frozen=True)
class Curve:
    """A handful of rows that show what a loss does: `points` along `axis`, and the roles' columns there.

    straight: whether every column is a straight line along an axis of ascending numbers, so that there is a row at each
    of its places, within the domains; not so where rows belong together, or the target is another label. against: what
    the axis is to losses that are drawn into one picture: the error is `pred` less the target, the margin the score of
    the true class above that of the other, the probability that of the true class.
    """

    axis: str
    points: tuple[str, ...]
    roles: Values
    straight: bool = False
    against: Against = ""

    def __hash__(self) -> int:
        return hash((self.axis, self.points))

    def at(self, places: Sequence[float]) -> Curve:
        """Return a straight curve with its points at other numbers of its axis."""
        low, high = float(self.points[0]), float(self.points[-1])
        steps = np.asarray(places, dtype=np.float64) - low
        roles = {
            role: tuple(
                tuple((column[0] + steps * ((column[-1] - column[0]) / (high - low))).tolist()) for column in columns
            )
            for role, columns in self.roles.items()
        }
        return replace(self, points=tuple(f"{place:g}" for place in places), roles=roles)


Column = float | Sequence[float]  # a number stands in every row


def along(
    axis: str,
    points: Sequence[float | str],
    straight: bool = False,
    *,
    against: Against = "",
    **roles: Column | Sequence[Column],
) -> Curve:
    """Return the curve of rows at some points; a role is a number or a tuple, its column, or a list of columns."""

    def column(x: Column) -> tuple[float, ...]:
        return tuple(map(float, x)) if isinstance(x, Sequence) else (float(x),) * len(points)

    columns = {role: tuple(map(column, x if isinstance(x, list) else [x])) for role, x in roles.items()}
    return Curve(axis, tuple(x if isinstance(x, str) else f"{x:g}" for x in points), columns, straight, against)


@dataclass(frozen=True)
class Form:
    """One way to lay out the data of a loss: role -> Domain.

    Roles whose domain names no width share one width, whatever it is; those of `free` have widths of their own. Class
    labels are one column beside K >= 2 prediction columns. outputs: whether each column is an output of its own, whose
    loss means something by itself. least: the fewest columns of the shared width.
    """

    name: str
    roles: Mapping[str, Domain] = field(hash=False)
    curve: Curve
    outputs: bool = False
    free: frozenset[str] = frozenset()
    least: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "roles", MappingProxyType(dict(self.roles)))

    def __reduce__(self) -> tuple[type[Form], tuple[object, ...]]:
        return Form, (self.name, dict(self.roles), self.curve, self.outputs, self.free, self.least)

    def within(self, tolerance: float) -> Form:
        """Return the form with rows of probabilities that may miss a sum of 1 by a tolerance."""
        roles = {
            role: replace(domain, tolerance=tolerance) if isinstance(domain, Simplex | LogSimplex) else domain
            for role, domain in self.roles.items()
        }
        return replace(self, roles=roles)

    @property
    def labels(self) -> bool:
        """Whether the target is one class label per row."""
        return isinstance(self.roles.get("target"), Labels)

    @property
    def decided(self) -> bool:
        """Whether predictions are classes, as the target is."""
        return isinstance(self.roles.get("pred"), Decision)

    def reading(self, width: int) -> Reading | None:
        """Return how a target of `width` columns is read; None where the loss takes no target."""
        domain = self.roles.get("target")
        if domain is None:
            return None
        if self.labels or self.decided:
            return "labels"
        if width > 1 and (isinstance(domain, Simplex | LogSimplex) or (isinstance(domain, Mark) and domain.one_hot)):
            return "classes"
        return "flags" if width > 1 and isinstance(domain, Flag | Mark) else "numbers"

    @property
    def fewest(self) -> int:
        """The fewest columns of the roles that share a width: classes are at least two."""
        classes = self.labels or any(isinstance(domain, Simplex | LogSimplex) for domain in self.roles.values())
        return 2 if classes else self.least

    def fits(self, widths: Mapping[str, int]) -> bool:
        """Return whether columns of these widths (role -> count) can take this form."""
        shared = {
            widths[role]
            for role, domain in self.roles.items()
            if domain.width is None and role in widths and role not in self.free
        }
        named = all(domain.width in (None, widths[role]) for role, domain in self.roles.items() if role in widths)
        return named and len(shared) <= 1 and min(shared, default=self.fewest) >= self.fewest

    def layout(self) -> str:
        """Say in words which columns each role takes."""
        words = []
        for role, domain in self.roles.items():
            classes = self.labels or isinstance(domain, Simplex | LogSimplex)
            several = f"at least {self.least}" if self.least > 1 else "k"
            width = domain.width or ("m" if role in self.free else "K" if classes else several)
            optional = " (optional)" if role in OPTIONAL else ""
            words.append(f"{role}: {width} column{'' if width == 1 else 's'}{optional}")
        return ", ".join(words)


def checked_task(name: str | None) -> str | None:
    """Return the task as given; raise UsageError for one that is none."""
    if name is not None and name not in TASKS:
        raise UsageError(f"unknown task {name!r}; one of {listed(list(TASKS))}{near(name, list(TASKS))}")
    return name


def form_wish(task: str | None, activations: Collection[str]) -> str | None:
    """Return the form to take where columns fit two; softmax and renormalize say that columns are classes of a row."""
    if task is None:
        return "multiclass" if {"softmax", "renormalize"} & set(activations) else None
    return "binary" if task == "multilabel" else task
