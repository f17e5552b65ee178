"""Query: everything that is asked of the data, as `evaluate` and `compare` take it, in one form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import TypedDict

from lossctl import registry
from lossctl.api.arguments import KINDS, checked_types
from lossctl.api.inputs import Losses, Names, as_list, named, needed_roles
from lossctl.api.job import Note
from lossctl.core.form import checked_task
from lossctl.core.loss import Loss
from lossctl.engine.run import Progress, Watch, unwatched
from lossctl.errors import UsageError, near, printable
from lossctl.io.column import Table
from lossctl.io.columns import Request, Selection, select
from lossctl.specs import with_tables

LEVEL = 0.95
MOST_THREADS = 256


class InputOptions(TypedDict, total=False):
    """The arguments of `evaluate` that say what is read and which losses are wanted."""

    target: str | None
    pred: Names | Mapping[str, str | Sequence[str]]
    losses: Losses
    weight: str | None
    by: Names
    activation: Names | Mapping[str, str]
    targets: object
    id: str | None
    roles: Names | Mapping[str, str]
    positive_label: str | None
    classes: str | Sequence[str] | None
    task: str | None
    per_output: bool
    ci: float | None
    missing: str
    delimiter: str | None
    threads: int | None
    max_memory: str | int | None
    progress: Progress | None
    note: Note | None
    watch: Watch


def only_known(function: Callable[..., object], options: Mapping[str, object]) -> None:
    """Raise UsageError for a keyword that is neither the function's own nor one of `InputOptions`."""
    own = [name for name, found in signature(function).parameters.items() if found.kind is found.KEYWORD_ONLY]
    known = [*own, *InputOptions.__annotations__]
    for name in options:
        if name not in known:
            where = f"{function.__name__}() has no argument {printable(name)!r}"
            raise UsageError(f"{where}{near(name, known)}; help(lossctl.{function.__name__}) says what it takes")


def silent(text: str) -> None:
    """Take no note."""


@dataclass(frozen=True)
class Query:
    """What is read, what is computed, and who is told meanwhile; `evaluate` says what each field means."""

    data: object
    target: str | None = None
    pred: Names | Mapping[str, str | Sequence[str]] = None
    losses: Losses = None
    weight: str | None = None
    by: Names = None
    activation: Names | Mapping[str, str] = None
    targets: object = None
    id: str | None = None
    roles: Names | Mapping[str, str] = None
    positive_label: str | None = None
    classes: str | Sequence[str] | None = None
    task: str | None = None
    reduction: str = "mean"
    ci: float | None = LEVEL
    missing: str = "error"
    delimiter: str | None = None
    rows_out: str | None = None
    threads: int | None = None
    max_memory: str | int | None = None
    progress: Progress | None = None
    note: Note | None = None
    watch: Watch = unwatched
    per_output: bool = False
    with_grad: bool = False
    asked: list[tuple[str, Loss]] = field(init=False)

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in self.__dataclass_fields__ if name in KINDS}
        for name, value in checked_types(given).items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "note", self.note or silent)
        if self.reduction not in ("mean", "sum"):
            raise UsageError(f"reduction {self.reduction!r} is unknown; mean or sum")
        if self.missing not in ("error", "drop"):
            raise UsageError(f"missing {self.missing!r} is unknown; error or drop")
        if self.ci is not None and not 0.0 < self.ci < 1.0:
            raise UsageError(f"a confidence level of {self.ci:g} is not allowed; it lies between 0 and 1, as 0.95")
        if self.threads is not None and not 1 <= self.threads <= MOST_THREADS:
            raise UsageError(f"--threads {self.threads} is not allowed; from 1 to {MOST_THREADS}")
        if self.with_grad and self.rows_out is None:
            raise UsageError("--with-grad writes gradients beside the per-row losses: give --rows-out FILE too")
        object.__setattr__(self, "asked", [registry.labelled(spec) for spec in with_tables(as_list(self.losses))])
        checked_task(self.task)

    def tell(self, text: str) -> None:
        """Say what was chosen without being asked."""
        assert self.note is not None
        self.note(text)

    def chosen(
        self, tables: Sequence[Table], names: Sequence[str | None], units: tuple[str | None, str | None] = (None, None)
    ) -> Selection:
        """Resolve every option to columns of the opened tables; `units` tell clusters and times."""
        request = Request(
            self.target,
            tuple(named(self.pred)),
            tuple(as_list(self.roles)),
            self.weight,
            tuple(as_list(self.by)),
            self.targets is not None,
            *units,
        )
        return select(tables, names, request, needed_roles([loss for _, loss in self.asked]))
