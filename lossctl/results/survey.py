"""Survey: what a data report says of tables, columns, roles, keys and slices. Rows are counted from 1."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, NamedTuple

from lossctl.results.document import PublicResult, Slice
from lossctl.results.report import Input, Task

MOST_WORDS: Final = 1000  # different values of a column that are counted
MOST_SLICES: Final = 100_000  # slices that are counted
ColumnKind = Literal["number", "boolean", "text", "other"]


@dataclass(frozen=True)
class OddCells:
    """Cells of a column that are no number: how many (None: not counted), the first one's row and its text."""

    KEYS: ClassVar = "cells=count first_row=row text"

    count: int | None
    row: int
    text: str

    def merge(self, other: OddCells) -> OddCells:
        """Return the cells of both."""
        first = min(self, other, key=lambda cells: cells.row)
        count = None if self.count is None or other.count is None else self.count + other.count
        return OddCells(count, first.row, first.text)


class ValueCount(NamedTuple):
    """A value of a column, and the rows that have it (None: not counted)."""

    value: str
    rows: int | None


@dataclass(frozen=True)
class ColumnSurvey:
    """One column. `null`, `empty` and `nan` are rows without a value, `odd` cells that are no number.

    `width` is the length of the vectors of a column of lists. `minimum`, `maximum` and `mean` are of the finite
    numbers, None where there are none. `distinct` counts the different values, None for more than are counted;
    `frequent` holds the most frequent of these (the first ones where `distinct` is None, with None for a count).
    `whole` says that every finite number is one, `ascending` that each is above the one before. `odd` is there for
    columns that should hold numbers, `fault` says why they cannot be read as such though their type promises some.
    """

    KEYS: ClassVar = (
        "name kind width roles rows missing null empty nan first_missing plus_infinite minus_infinite minimum maximum "
        "mean zeros whole ascending distinct distinct_limit frequent not_numbers=odd fault"
    )
    distinct_limit: ClassVar[int] = MOST_WORDS

    name: str
    kind: ColumnKind
    width: int
    rows: int
    null: int
    empty: int
    nan: int
    first_missing: int | None
    plus_infinite: int
    minus_infinite: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    zeros: int | None
    whole: bool | None
    ascending: bool | None
    distinct: int | None
    frequent: tuple[ValueCount, ...]
    odd: OddCells | None
    fault: str | None
    roles: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """The rows without a value, whatever stands in its place."""
        return self.null + self.empty + self.nan

    @property
    def values(self) -> int:
        """The rows with a value."""
        return self.rows - self.missing

    @property
    def constant(self) -> bool:
        """Whether several rows have a value, and all the same."""
        return self.values > 1 and self.distinct == 1


@dataclass(frozen=True)
class TableSurvey:
    """One input. `fault` says what made rows after the first `rows` unreadable, or the whole of it.

    left_out: the bad rows that `--bad-rows drop` leaves out, beside `rows`.
    """

    KEYS: ClassVar = "path=label format rows complete fault columns left_out"

    label: str
    format: str | None
    rows: int
    columns: tuple[ColumnSurvey, ...]
    fault: str | None = None
    left_out: int = 0

    @property
    def complete(self) -> bool:
        """Whether all rows could be read."""
        return self.fault is None

    def column(self, name: str) -> ColumnSurvey | None:
        """Return a column by its name, None where it was not surveyed."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True)
class Fit:
    """How the rows of a role lie in one domain: how many are outside, and the first of them."""

    KEYS: ClassVar = "domain holds rows_outside=outside first_row=first"

    domain: str
    outside: int
    first: int | None

    @property
    def holds(self) -> bool:
        return self.outside == 0


@dataclass(frozen=True)
class RoleSurvey:
    """The columns of one role, and the domains that their `rows` complete rows are in or not.

    model: whose columns these are, None for what all models share. `rows` is None where they do not hold numbers,
    and there is no domain for none. `activation` is what is applied to them later; they are judged as they were read.
    """

    KEYS: ClassVar = "role model path=input columns width rows activation domains=fits"

    role: str
    model: str | None
    input: str
    columns: tuple[str, ...]
    width: int
    rows: int | None
    fits: tuple[Fit, ...]
    activation: str = "none"


@dataclass(frozen=True)
class Keys:
    """The keys of one input: rows without one, and keys that stand more than once, with some of these."""

    KEYS: ClassVar = "path=input rows missing first_missing repeated repeated_examples"

    input: str
    rows: int
    missing: int
    first_missing: int | None
    repeated: int
    repeated_examples: tuple[str, ...]


@dataclass(frozen=True)
class Unpaired:
    """Keys that only one of two inputs holds, with some of these."""

    first: str
    second: str
    only_first: int
    only_first_examples: tuple[str, ...]
    only_second: int
    only_second_examples: tuple[str, ...]


@dataclass(frozen=True)
class Pairing:
    """How rows of several inputs belong together: by the key `column`, or by their position where that is None.

    `alike` are columns that look like a key where none is named; `fault` is what kept keys from being read.
    """

    KEYS: ClassVar = "by column keys unpaired alike fault"

    column: str | None
    keys: tuple[Keys, ...] = ()
    unpaired: tuple[Unpaired, ...] = ()
    alike: tuple[str, ...] = ()
    fault: str | None = None

    @property
    def by(self) -> str:
        return "position" if self.column is None else "key"

    @property
    def possible(self) -> bool:
        """Whether every key was found once in every input."""
        once = all(not keys.missing and not keys.repeated for keys in self.keys)
        return self.fault is None and once and not any(pair.only_first or pair.only_second for pair in self.unpaired)


@dataclass(frozen=True)
class Agreement:
    """How many of the paired rows have another target in a second input, the first such row of the first input.

    `fault` is what kept (further) rows from being paired; `rows` is how many were.
    """

    first: str
    second: str
    columns: tuple[str, ...]
    rows: int
    differ: int
    first_row: int | None
    fault: str | None = None


class SliceRows(NamedTuple):
    """A slice, and its number of rows."""

    slice: Slice
    rows: int


@dataclass(frozen=True)
class SliceSurvey:
    """One slicing: how many slices there are (None: more than are counted) and the smallest and the largest one.

    `missing` are rows without a value in one of the columns.
    """

    columns: tuple[str, ...]
    slices: int | None
    smallest: SliceRows | None
    largest: SliceRows | None
    missing: int


@dataclass(frozen=True, repr=False)
class Survey(PublicResult):
    """The result of `validate`: what the inputs hold, and whether `eval` would work on them.

    `problems` begins with what `eval` says, word for word; others in role columns follow. `task` and `losses` are what
    eval would compute, `used` where its rows come from if it works. `notes` say what was chosen without being asked.
    """

    KEYS: ClassVar = (
        "verdict task losses inputs=tables models=used roles pairing agreements slices problems warnings notes"
    )

    COMMAND: ClassVar = "validate"
    RENDER: ClassVar = "output.survey"

    tables: tuple[TableSurvey, ...]
    roles: tuple[RoleSurvey, ...]
    pairing: Pairing | None
    agreements: tuple[Agreement, ...]
    slices: tuple[SliceSurvey, ...]
    task: Task | None
    losses: tuple[str, ...]
    used: tuple[Input, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    version: str
    error: Exception | None = field(default=None, compare=False)

    @property
    def works(self) -> bool:
        """Whether `eval` with the same options works."""
        return self.error is None

    @property
    def short(self) -> str:
        outcome = "works" if self.works else f"fails: {self.problems[0]}"
        return f"{', '.join(table.label for table in self.tables)} {outcome}"

    @property
    def verdict(self) -> str:
        """`pass` where `eval` works, else `fail`."""
        return "pass" if self.works else "fail"
