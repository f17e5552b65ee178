"""Forms: the shapes of data that a loss accepts, as roles with their domains, and a curve to show each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from lossctl.core.domain import Domain, Labels, Simplex
from lossctl.errors import UsageError, listed, near

TASKS = ("regression", "binary", "multiclass", "multilabel")
Values = Mapping[str, tuple[tuple[float, ...], ...]]


@dataclass(frozen=True)
class Curve:
    """A handful of rows that show what a loss does: `points` along `axis`, and the roles' columns there."""

    axis: str
    points: tuple[str, ...]
    roles: Values

    def __hash__(self) -> int:
        return hash((self.axis, self.points))


@dataclass(frozen=True)
class Form:
    """One way to lay out the data of a loss: role -> Domain.

    Roles whose domain names no width share one width, whatever it is. Class labels are one column beside
    K >= 2 prediction columns.
    """

    name: str
    roles: Mapping[str, Domain] = field(hash=False)
    curve: Curve

    def __post_init__(self) -> None:
        object.__setattr__(self, "roles", MappingProxyType(dict(self.roles)))

    def __reduce__(self) -> tuple[type[Form], tuple[object, ...]]:
        return Form, (self.name, dict(self.roles), self.curve)

    @property
    def labels(self) -> bool:
        """Whether the target is one class label per row."""
        return isinstance(self.roles.get("target"), Labels)

    def fits(self, widths: Mapping[str, int]) -> bool:
        """Return whether columns of these widths (role -> count) can take this form."""
        shared = {widths[role] for role, domain in self.roles.items() if domain.width is None and role in widths}
        named = all(domain.width in (None, widths[role]) for role, domain in self.roles.items() if role in widths)
        several = self.labels or any(isinstance(domain, Simplex) for domain in self.roles.values())
        return named and len(shared) <= 1 and (not several or min(shared, default=2) >= 2)

    def layout(self) -> str:
        """Say in words which columns each role takes."""
        words = []
        for role, domain in self.roles.items():
            classes = self.labels or isinstance(domain, Simplex)
            width = domain.width or ("K" if classes else "k")
            words.append(f"{role}: {width} column{'' if width == 1 else 's'}")
        return ", ".join(words)


def checked_task(name: str | None) -> str | None:
    """Return the task as given; raise UsageError for one that is none."""
    if name is not None and name not in TASKS:
        raise UsageError(f"unknown task {name!r}; one of {listed(list(TASKS))}{near(name, list(TASKS))}")
    return name


def form_wish(task: str | None, activations: Collection[str]) -> str | None:
    """Return the form to take where columns fit two: softmax says that the columns are classes of one row."""
    if task is None:
        return "multiclass" if "softmax" in activations else None
    return "binary" if task == "multilabel" else task
