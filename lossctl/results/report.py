"""The report of `evaluate`, `compare` and `check`: its cells, inputs and conclusions, its JSON and its frames."""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from lossctl.core.domain import label as label_of
from lossctl.core.form import Reading
from lossctl.core.loss import Direction, merit
from lossctl.errors import DataError, UsageError, listed, near, printable
from lossctl.files import path_of
from lossctl.numerics.array import Array, Mask
from lossctl.results.document import (
    ENCODE,
    QUOTE,
    SCHEMA_VERSION,
    SEAL,
    Entries,
    Entry,
    NullWord,
    Place,
    PublicResult,
    Seal,
    Slice,
    above,
    environment,
    flat,
    head,
    parse,
    pieces,
    record,
    text,
)

if TYPE_CHECKING:
    import pandas as pd

    from lossctl.results.comparison import BestSet, Check, Comparison, Study, WorstRow
    from lossctl.results.figure import Figure

CommandName = Literal["eval", "compare", "check"]
TEXTS: Final[Mapping[CommandName, str]] = {  # where a report of each command is made text
    "eval": "output.report",
    "compare": "output.comparison",
    "check": "output.checks",
}
Truth = Literal["none", "rows", "column"]
DataSource = tuple[object, Mapping[str, Any], Mapping[str, tuple[int, ...]]]
CellStatus = Literal["ok", "infinite", "undefined", "empty"]
Verdict = Literal["pass", "fail", "inconclusive"]
Result = TypeVar("Result")
Key = TypeVar("Key", bound=Hashable)
SAME: Final = 1e-12  # share of two values by which they may differ and be the same
MOST_SIGNED: Final = 80  # characters of the classes in a signature; more are told by their digest
MOST_SHOWN: Final = 1000  # cells that a console is filled with
ORIGIN: Final = ("tool", "created", "environment")  # the keys that say by what and when a document was made


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One loss of one model over all rows or one slice.

    `value` may be infinite or NaN; `status` says so and `reason` says why. `interval_reason` says why there is no
    interval. `best` marks the best model of its loss and slice. weighted_rows: how many rows have weight, where rows
    have weights. effective: how many rows of equal weight they are worth (Kish).
    """

    KEYS: ClassVar = (
        "model loss spec slice n=rows weight_sum value stderr ci=interval ci_level=level ci_method=method "
        "ci_reason=interval_reason direction unit best status reason signature n_weighted=weighted_rows "
        "n_effective=effective"
    )

    model: str
    loss: str
    spec: str
    slice: Slice
    rows: int
    weight_sum: float | None
    value: float
    stderr: float | None
    interval: tuple[float, float] | None
    level: float | None
    method: str | None
    interval_reason: str | None
    direction: Direction
    unit: str
    status: CellStatus
    reason: str | None
    signature: str
    best: bool = False
    weighted_rows: int | None = None
    effective: float | None = None

    @property
    def finite(self) -> float | None:
        """The value, or None where a strict format has no number for it."""
        return self.value if math.isfinite(self.value) else None

    @property
    def merit(self) -> float:
        """A number that is lower for a better value, in the loss's own direction."""
        return merit(self.value, self.direction)

    @property
    def rounding(self) -> float:
        """What other machines, slices or orders of the rows may change of the value.

        A bias is rounded by the size of its rows, which cancel in it, and a score, which is what a loss lacks to 1, by
        that of 1.
        """
        rows = (self.stderr or 0.0) * math.sqrt(self.rows) if self.direction == "zero" else 0.0
        return SAME * max(abs(self.value), rows, 1.0 if self.direction == "max" else 0.0)

    @property
    def place(self) -> Place:
        """What tells the cell from the others of a report."""
        return self.model, self.loss, tuple(self.slice.items())

    @property
    def parameters(self) -> str:
        """The loss with all its parameters: how a signature begins."""
        return self.signature.partition("|")[0]


# cells as they are computed: for each slicing its slices, for each loss and model arrays of what differs --------------

CHUNK: Final = 4096  # slices whose JSON is made at a time
FEW: Final = 100_000  # cells that are kept once they are made


class Slicing(NamedTuple):
    """The slices of one slicing in their order, each with its words and rows; of all rows, one slice without words."""

    columns: tuple[str, ...]
    words: Sequence[tuple[str, ...]]
    rows: NDArray[np.int64]
    weight_sums: Array | None
    weighted_rows: NDArray[np.int64] | None = None
    effective: Array | None = None

    def counts(self, place: int) -> tuple[int | None, float | None]:
        """Return how many rows of a slice have weight, and how many of equal weight they are worth, where known."""
        effective = math.nan if self.effective is None else float(self.effective[place])
        rows = None if self.weighted_rows is None else int(self.weighted_rows[place])
        return rows, effective if math.isfinite(effective) else None

    def slice(self, place: int) -> Slice:
        """Return the words of a slice by their column."""
        return dict(zip(self.columns, self.words[place], strict=True))

    def pieces(self, places: range) -> tuple[list[str], list[str]]:
        """Return what the JSON of a cell has of some slices: before its value, and after the signature's rows."""
        span = slice(places.start, places.stop)
        weights = ["null"] * len(places)
        if self.weight_sums is not None:
            sums = self.weight_sums[span].tolist()
            weights = [repr(weight) if math.isfinite(weight) else "null" for weight in sums]
        fields, signed = [[""] * len(places)], [[""] * len(places)]
        if self.columns:
            words = list(zip(*self.words[span], strict=True))
            columns = [list(map(QUOTE, column)) for column in words]
            entries = [_or_null(column, texts) for column, texts in zip(words, columns, strict=True)]
            names = [(QUOTE(name), QUOTE(f"|{name}=")[1:-1]) for name in self.columns]
            fields = [[f"{key}: {word}" for word in column] for (key, _), column in zip(names, entries, strict=True)]
            signed = [[mark + word[1:-1] for word in column] for (_, mark), column in zip(names, columns, strict=True)]
        begins = [
            f', "slice": {{{", ".join(slice_)}}}, "n": {rows}, "weight_sum": {weight}, "value": '
            for rows, weight, *slice_ in zip(self.rows[span].tolist(), weights, *fields, strict=True)
        ]
        end = '", "n_weighted": {}, "n_effective": {}}}'
        counts = [end.format("null", "null")] * len(places)
        if self.weighted_rows is not None:
            counts = [end.format(*map(ENCODE, self.counts(place))) for place in places]
        return begins, ["".join(words) for words in zip(*signed, counts, strict=True)]


class CellColumn(NamedTuple):
    """The cells of one loss of one model over the slices of a slicing.

    `shared` are the fields that all have, `signature` what stands in all of theirs before and after the rows. `kinds`
    are places among `outcomes`: the method of an interval, and why there is none. Numbers that are None are NaN.
    `troubles` are the status and reason of cells that are not ok.
    """

    shared: Mapping[str, Any]
    level: float | None
    signature: tuple[str, str]
    values: Array
    stderrs: Array
    ends: tuple[Array, Array]
    kinds: NDArray[np.int64]
    outcomes: Sequence[tuple[str | None, str | None]]
    best: Mask
    troubles: Mapping[int, tuple[CellStatus, str]]

    def cell(self, slicing: Slicing, place: int) -> Cell:
        """Return the cell of one slice."""
        method, why = self.outcomes[self.kinds[place]]
        status: CellStatus = "ok"
        reason: str | None = None
        if place in self.troubles:
            status, reason = self.troubles[place]
        stderr, rows = float(self.stderrs[place]), int(slicing.rows[place])
        before, after = self.signature
        slice_ = slicing.slice(place)
        weighted_rows, effective = slicing.counts(place)
        return Cell(
            **self.shared,
            slice=slice_,
            rows=rows,
            weight_sum=None if slicing.weight_sums is None else float(slicing.weight_sums[place]),
            value=float(self.values[place]),
            stderr=None if math.isnan(stderr) else stderr,
            interval=None if method is None else (float(self.ends[0][place]), float(self.ends[1][place])),
            level=None if method is None else self.level,
            method=method,
            interval_reason=why,
            status=status,
            reason=reason,
            signature=f"{before}{rows}{after}{_signed_slice(slice_.items())}",
            best=bool(self.best[place]),
            weighted_rows=weighted_rows,
            effective=effective,
        )

    def lines(self, slicing: Slicing, places: range, begins: Sequence[str], ends: Sequence[str]) -> list[str]:
        """Return the JSON of the cells of some slices, as `record` has it, from pieces that are joined once.

        begins, ends: those of the slices.
        """
        rows = slice(places.start, places.stop)
        head = ENCODE({key: self.shared[key] for key in ("model", "loss", "spec")})[:-1]
        signed = ENCODE(self.signature[1])[1:-1]
        tails = [self._tail(method, why, best) for method, why in self.outcomes for best in (False, True)]
        kinds = (2 * self.kinds[rows] + self.best[rows]).tolist()
        numbers = zip(*(line[rows].tolist() for line in (self.values, self.stderrs, *self.ends)), strict=True)
        lines = [
            f'{head}{begin}{value!r}, "stderr": {stderr!r}, "ci": [{low!r}, {high!r}]{tails[kind]}{count}{signed}{end}'
            if stderr == stderr and low == low  # no NaN
            else f'{head}{begin}{value!r}, "stderr": {"null" if stderr != stderr else repr(stderr)}, "ci": '
            f"{'null' if low != low else f'[{low!r}, {high!r}]'}{tails[kind]}{count}{signed}{end}"
            for begin, end, count, kind, (value, stderr, low, high) in zip(
                begins, ends, slicing.rows[rows].tolist(), kinds, numbers, strict=True
            )
        ]
        for place in self.troubles.keys() & set(places) if self.troubles else ():
            lines[place - places.start] = ENCODE(record(self.cell(slicing, place)))
        return lines

    def _tail(self, method: str | None, why: str | None, best: bool) -> str:
        """Return what stands between the interval and the rows in the signature."""
        fields = {
            "ci_level": None if method is None else self.level,
            "ci_method": method,
            "ci_reason": why,
            "direction": self.shared["direction"],
            "unit": self.shared["unit"],
            "best": best,
            "status": "ok",
            "reason": None,
            "signature": self.signature[0],
        }
        return f", {ENCODE(fields)[1:-2]}"


def _or_null(words: Sequence[str], texts: list[str]) -> list[str]:
    """Return the JSON of words; null for a `NullWord`."""
    if NullWord not in set(map(type, words)):
        return texts
    return ["null" if type(word) is NullWord else text for word, text in zip(words, texts, strict=True)]


def _are_words(slice_: Slice, words: Mapping[str, str | None]) -> bool:
    """Whether a slice has these words; None is that of rows that have none."""
    return slice_.keys() == words.keys() and all(
        type(word) is NullWord if words[column] is None else word == words[column] for column, word in slice_.items()
    )


def _signed_slice(words: Iterable[tuple[str, str]]) -> str:
    """Return how a slice stands in a signature."""
    return "".join(f"|{column}={word}" for column, word in words)


class Cells(Sequence[Cell]):
    """The cells of a report, made of arrays when they are asked for: there may be millions."""

    def __init__(self, tables: Sequence[tuple[Slicing, Sequence[CellColumn]]]) -> None:
        self._tables = tables

    @classmethod
    def joined(cls, parts: Sequence[Cells]) -> Cells:
        """Return the cells of several reports with the same slicings, slicing by slicing."""
        return cls([table for tables in zip(*(part._tables for part in parts), strict=True) for table in tables])

    def lines(self) -> Iterator[list[str]]:
        """Yield the JSON of the cells, as `record` has it, some at a time."""
        for slicing, columns in self._tables:
            for start in range(0, len(slicing.words), CHUNK):
                places = range(start, min(start + CHUNK, len(slicing.words)))
                begins, ends = slicing.pieces(places)
                lines = (column.lines(slicing, places, begins, ends) for column in columns)
                yield list(chain.from_iterable(zip(*lines, strict=True)))

    @property
    def slices(self) -> int:
        """The number of all slices."""
        return sum(len(slicing.words) for slicing, _ in self._tables if slicing.columns)

    def firsts(self) -> list[Cell]:
        """Return the first cell of every slicing."""
        return [columns[0].cell(slicing, 0) for slicing, columns in self._tables if columns]

    @cached_property
    def _few(self) -> tuple[Cell, ...]:
        return tuple(self._made())

    def _made(self) -> Iterator[Cell]:
        for slicing, columns in self._tables:
            for place in range(len(slicing.words)):
                for column in columns:
                    yield column.cell(slicing, place)

    def __len__(self) -> int:
        return sum(len(slicing.words) * len(columns) for slicing, columns in self._tables)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._few) if len(self) <= FEW else self._made()

    @overload
    def __getitem__(self, place: int) -> Cell: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Cell, ...]: ...
    def __getitem__(self, place: int | slice) -> Cell | tuple[Cell, ...]:
        if isinstance(place, slice):
            return tuple(self[each] for each in range(*place.indices(len(self))))
        if len(self) <= FEW:
            return self._few[place]
        offset = place + len(self) if place < 0 else place
        for slicing, columns in self._tables:
            size = len(slicing.words) * len(columns)
            if 0 <= offset < size:
                return columns[offset % len(columns)].cell(slicing, offset // len(columns))
            offset -= size
        raise IndexError(place)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(operator.eq, self, other))

    def __repr__(self) -> str:
        return repr(tuple(self))


@dataclass(frozen=True)
class Input:
    """Where one model's rows came from, how many there were, and the digest of what they are judged by.

    `kept` is the digest of which of them were used, told apart by key or by their order. missing: the rows in which the
    model's own value is missing. lacks: other model -> the rows that this one leaves out and that one has. unpaired:
    the keys that not all inputs have. truth: whether the prediction is the target in all rows, or its column.
    """

    model: str
    path: str
    data: str
    rows: int
    used: int
    kept: str
    dropped: Mapping[str, int] = field(default_factory=dict)
    missing: int = 0
    lacks: Mapping[str, int] = field(default_factory=dict)
    unpaired: int = 0
    truth: Truth = "none"

    @property
    def left_out(self) -> int:
        """The rows that were left out, those of keys that not all inputs have among them."""
        return self.rows - self.used + self.unpaired


class LeftOut(NamedTuple):
    """How many rows of a slice were left out for a missing value."""

    slice: Slice
    rows: int


class First(NamedTuple):
    """A value of the first of a line of baselines, each saved beside the one before, or a better one since."""

    model: str
    loss: str
    slice: Slice
    value: float


@dataclass(frozen=True)
class Units:
    """What is taken as independent where that is no row: the column that tells such units, and how many there are."""

    column: str
    count: int


class Task(NamedTuple):
    """The kind of problem, whether it was worked out, and from what."""

    name: str
    inferred: bool
    why: str


class TargetReading(NamedTuple):
    """As what all losses of a command read the target, whether it was worked out, and from what.

    target: one class label in each row (labels), a row over the classes (classes), a yes or no in each column (flags),
    or numbers. classes: the labels, sorted where the columns' names tell them, else in the order of the columns.
    """

    target: Reading
    inferred: bool
    why: str
    classes: tuple[str, ...] | None = None

    @property
    def signed(self) -> str:
        """What a signature says of it; nothing of numbers, which are what they are."""
        if self.target == "numbers":
            return ""
        labels = ",".join(map(printable, self.classes or ()))
        if len(labels) > MOST_SIGNED:
            labels = f"{len(self.classes or ())} with digest {blake2b(labels.encode(), digest_size=8).hexdigest()}"
        return f"target:{self.target}{labels and ' '}{labels}"


@dataclass(frozen=True, repr=False)
class Report(PublicResult):
    """The result of `evaluate`, `compare` and `check`.

    `cells` are the values, model by model within loss within slice; `inputs` say where rows came from. plugins: package
    and version of each plug-in that a loss is from. A comparison adds `study`, `comparisons`, `worst` and `best_sets`;
    a check adds `checks`, `verdict`, and in `advice` the commands to run next. candidates: the models that were
    checked; baseline: what they were compared with, if anything; blocks: whether the verdict stops what comes next.
    left_out: rows of slices that were left out. first: of a saved baseline, the values of the first of its line.
    alike: couples of models with the same predictions in every row, where that is known. source: the data, the
    options, and how its files were, by which its rows can be read again.
    """

    KEYS: ClassVar = (
        "task reading reduction inputs units results=cells study comparisons best_sets worst checks verdict advice "
        "warnings left_out first"
    )

    cells: Sequence[Cell]
    inputs: tuple[Input, ...]
    task: Task | None
    reduction: str
    level: float | None
    version: str
    warnings: tuple[str, ...] = ()
    study: Study | None = None
    comparisons: tuple[Comparison, ...] = ()
    worst: tuple[WorstRow, ...] = ()
    best_sets: tuple[BestSet, ...] = ()
    checks: tuple[Check, ...] = ()
    verdict: Verdict | None = None
    advice: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    command: CommandName = "eval"
    candidates: tuple[str, ...] = ()
    baseline: str | None = None
    blocks: bool = False
    reading: TargetReading | None = None
    units: Units | None = None
    left_out: tuple[LeftOut, ...] = ()
    first: tuple[First, ...] = ()
    alike: frozenset[tuple[str, str]] = frozenset()
    source: DataSource | None = field(default=None, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: not the data."""
        return {**self.__dict__, "source": None}

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(cell.model for cell in self.cells))

    @property
    def losses(self) -> list[str]:
        return list(dict.fromkeys(cell.loss for cell in self.cells))

    def __str__(self) -> str:
        """Return the tables that a terminal shows; of very many values none."""
        if len(self.cells) > MOST_SHOWN:
            return f"{len(self.cells)} values, which to_frame() has"
        return self._text("table").rstrip("\n")

    @property
    def short(self) -> str:
        names = " and ".join(_counted(names, noun) for names, noun in ((self.models, "model"), (self.losses, "loss")))
        verdict = "" if self.verdict is None else f", {self.verdict}"
        return f"{self.command}, {names}, {len(self.cells)} value{'s' * (len(self.cells) != 1)}{verdict}"

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)

    def __len__(self) -> int:
        return len(self.cells)

    def __bool__(self) -> bool:
        return True  # a report without a value is one, too

    def __getitem__(self, key: int | str | tuple[str | Mapping[str, object], ...]) -> Cell:
        """Return a cell by its place, or by what tells it from the others: `report["mae", "linear", {"sex": "f"}]`."""
        if isinstance(key, int):
            return self.cells[key]
        words = key if isinstance(key, tuple) else (key,)
        loss, model, *more = [word for word in words if isinstance(word, str)] + [None, None]
        slices = [dict(word) for word in words if isinstance(word, Mapping)]
        if any(more) or len(slices) > 1:
            raise UsageError(f"report[{key!r}]: a loss, a model and a slice such as {{'sex': 'f'}}, as far as needed")
        return self.cell(loss, model, slices[0] if slices else None)

    def cell(
        self,
        loss: str | None = None,
        model: str | None = None,
        slice: Mapping[str, object] | None = None,  # noqa: A002
    ) -> Cell:
        """Return the one cell of a loss, a model and a slice; what is the same for all cells need not be said.

        loss: as it is labelled, or its spec. slice: column -> value; without it, over all rows.
        """
        words = {str(column): None if value is None else label_of(value) for column, value in (slice or {}).items()}
        cells = [cell for cell in self.cells if _are_words(cell.slice, words)]
        if not cells:
            values = listed([", ".join(f"{column}={word}" for column, word in c.slice.items()) for c in self._slices()])
            raise UsageError(f"no slice {words}; there are {values}" if values else f"no slice {words}; there is none")
        for name, word, names_of in (
            ("loss", loss, lambda cell: (cell.loss, cell.spec, cell.parameters)),
            ("model", model, lambda cell: (cell.model,)),
        ):
            names = list(dict.fromkeys(names_of(cell)[0] for cell in cells))
            if word is None and len(names) > 1:
                raise UsageError(f"which {name}? There are {listed(names)}")
            matching = [cell for cell in cells if word is None or word in names_of(cell)]
            if not matching:
                raise UsageError(f"no {name} {word!r}{near(str(word), names)}; there are {listed(names)}")
            cells = matching
        if len(cells) > 1:
            raise UsageError(f"{loss!r} is several losses: say one of {listed([cell.loss for cell in cells])}")
        return cells[0]

    def _slices(self) -> list[Cell]:
        """Return a cell of each slice."""
        return [cells[0] for key, cells in lists_by(lambda cell: cell.place[2], self.cells).items() if key]

    def value(
        self,
        loss: str | None = None,
        model: str | None = None,
        slice: Mapping[str, object] | None = None,  # noqa: A002
    ) -> float:
        """Return the value of a loss, of a model and over a slice, as far as there are several.

        >>> import lossctl
        >>> report = lossctl.evaluate({"y": [1.0, 2.0], "p": [1.5, 2.0]}, target="y", pred="p", losses=["mae", "mse"])
        >>> report.value("mae")
        0.25
        """
        return self.cell(loss, model, slice).value

    @property
    def slices(self) -> int:
        """The number of all slices."""
        if isinstance(self.cells, Cells):
            return self.cells.slices
        return len({tuple(cell.slice.items()) for cell in self.cells if cell.slice})

    def slicings(self) -> list[tuple[list[str], list[Cell]]]:
        """Return the cells of the whole data, then of each slicing, with the slicing's columns."""
        slicings = lists_by(lambda cell: tuple(cell.slice), self.cells)
        return [(list(columns), cells) for columns, cells in slicings.items()]

    def to_frame(self, of: str = "cells") -> pd.DataFrame:
        """Return a pandas frame at full precision: one row per model, loss and slice.

        of: `cells`, or `comparisons` or `checks` for one row for each of these; without any, the frame is empty.
        """
        import pandas as pd

        return pd.DataFrame(self._lines(of, "to_frame"))

    def _lines(self, of: str, method: str) -> list[dict[str, Any]]:
        """Return the lines of a frame."""
        names = ["cells", "comparisons", "checks"]
        if of not in names:
            raise UsageError(f"{method}: no frame of {of!r}{near(str(of), names)}; one of {listed(names)}")
        return [flat(result, strict=of != "cells") for result in getattr(self, of)]

    def to_polars(self, of: str = "cells") -> Any:
        """Return a Polars frame at full precision; see `to_frame`."""
        try:
            polars = import_module("polars")
        except ImportError:
            raise UsageError("to_polars: Polars is not installed; pip install polars, or take to_frame()") from None
        return polars.DataFrame(self._lines(of, "to_polars"), infer_schema_length=None)

    def to_dict(self) -> dict[str, float]:
        """Return every value by a name such as `linear/mae` or `linear/mae/sex:f`, as trackers of experiments log them.

        A single model is not named. Characters that MLflow refuses in a name become `_`; raises UsageError where two
        names become one.
        """
        several = len(self.models) > 1
        values: dict[str, float] = {}
        for cell in self.cells:
            pieces = [cell.model] * several + [cell.loss, *(f"{column}:{word}" for column, word in cell.slice.items())]
            values[re.sub(r"[^\w\-. :/]", "_", "/".join(pieces))] = cell.value
        if len(values) < len(self.cells):
            raise UsageError("to_dict: two values would have one name; label losses and models with letters and digits")
        return values

    def to_markdown(self, digits: int = 5) -> str:
        """Return the tables in Markdown that `-f md` prints."""
        return self._text("md", digits=digits)

    def render(self, form: str, style: Any) -> str | Iterator[str]:
        """Return the text of a format, in a style of `output.text`, or its pieces where it may be too large for one."""
        if form in ("json", "jsonl"):
            return self.json_pieces() if form == "json" else self.jsonl_pieces()
        content: str | Iterator[str]
        if form == "html":
            content = above("output.html").to_html(self, style)
        elif form == "latex":
            content = above("output.markup").to_latex(self, style)
        elif form == "md" and self.command != "check":
            content = above("output.markup").to_markdown(self, style)
        else:
            content = above(TEXTS[self.command]).render(self, form, style)
        return content

    def _text(self, form: str, **style: Any) -> str:
        return "".join(self.render(form, above("output.text").Style(**style)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report to a file, whole or not at all; its suffix tells the format, as with `-o`, or .html."""
        name, options, atomic = path_of(path, "path"), above("api.options"), above("io.atomic")
        others = {*options.FIGURES, *([] if self.command == "check" else ["junit"])} - {"html"}
        endings = {suffix: form for suffix, form in options.SUFFIXES.items() if form not in others}
        suffix = next((suffix for suffix in endings if name.lower().endswith(suffix)), None)
        if suffix is None:
            raise UsageError(
                f"save {printable(name)}: the format is not known by the name ({', '.join(endings)}); "
                "for others there is to_frame()"
            )
        atomic.check_writable(name, ())
        atomic.write_text(name, self._text(endings[suffix]))

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Report:
        """Read a report that was saved as JSON; raise DataError for a file that is none."""
        report: Report = above("io.reports").read_report(path_of(path, "path")).restored()
        return report

    def plot(self, kind: str, losses: str | Sequence[str] = ()) -> Figure:
        """Draw its values, as `models` or `slices`, of some losses or all; or its rows, as `lossctl.plot` does.

        Rows are read once more, which takes that the report was computed here, and not of a stream.
        """
        figure: Figure = above("api.plot").of_report(self, kind, [losses] if isinstance(losses, str) else losses)
        return figure

    def to_json(self) -> str:
        """Return the JSON document that `lossctl eval -f json`, `compare` or `check` prints."""
        return "".join(self.json_pieces())

    def json_pieces(self) -> Iterator[str]:
        """Yield the JSON document in pieces, as it may not fit into memory."""
        begin = head(self.command, self.version, self.plugins)
        results = Entries(self._cell_lines())
        document = {**begin, "environment": environment(), **record(replace(self, cells=())), "results": results}
        return pieces(document, sealed=True)

    def to_jsonl(self) -> str:
        """Return inputs, cells and conclusions as one JSON object per line, told apart by `kind`."""
        return "".join(self.jsonl_pieces())

    def jsonl_pieces(self) -> Iterator[str]:
        """Yield these lines in pieces."""
        lists: tuple[tuple[str, Sequence[object]], ...] = (
            ("comparison", self.comparisons),
            ("best_set", self.best_sets),
            ("worst", self.worst),
        )
        yield from (_json_line({"kind": "input", **record(source)}) for source in self.inputs)
        for lines in self._cell_lines():
            yield "".join(f'{{"kind": "result", {line[1:]}\n' for line in lines)
        yield from (_json_line({"kind": kind, **record(result)}) for kind, results in lists for result in results)
        for check in self.checks:  # a check has a kind of its own: max, min, ...
            values = record(check)
            yield _json_line({"kind": "check", "rule_kind": values.pop("kind"), **values})
        if self.verdict is not None:
            yield _json_line({"kind": "verdict", "verdict": self.verdict, "advice": list(self.advice)})

    def examples(self) -> Sequence[Cell]:
        """Return cells that have between them all columns of slices."""
        return self.cells.firsts() if isinstance(self.cells, Cells) else self.cells

    def _cell_lines(self) -> Iterator[list[str]]:
        """Yield the JSON of the cells, some at a time."""
        if isinstance(self.cells, Cells):
            return self.cells.lines()
        return ([ENCODE(record(cell))] for cell in self.cells)

    def document(self) -> dict[str, Any]:
        """Return the JSON document as plain values."""
        begin = head(self.command, self.version, self.plugins)
        return {**begin, "environment": environment(), **record(replace(self, cells=tuple(self.cells)))}

    def _repr_html_(self) -> str:
        """Return tables for a notebook, with the numbers that a terminal shows."""
        return str(above("output.html").to_html(self))

    def of_models(self, models: Collection[str]) -> Report:
        """Return the values of some models as a report of `eval`, without conclusions; the best are marked anew."""
        cells: dict[Place, Cell] = {}
        for rivals in lists_by(lambda cell: cell.place[1:], self.cells).values():
            contenders = [cell for cell in rivals if cell.model in models]
            best = best_models(contenders) if any(cell.best for cell in rivals) else set()  # some losses rank no models
            cells |= {cell.place: replace(cell, best=cell.model in best) for cell in contenders}
        return Report(
            tuple(cells[cell.place] for cell in self.cells if cell.model in models),
            tuple(source for source in self.inputs if source.model in models),
            self.task,
            self.reduction,
            self.level,
            self.version,
            reading=self.reading,
            left_out=self.left_out,
        )


def _json_line(values: Mapping[str, Any]) -> str:
    return ENCODE(values) + "\n"


def _counted(names: Sequence[str], noun: str) -> str:
    """Return one name, or how many there are."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{noun} {printable(names[0])}" if len(names) == 1 else f"{len(names)} {plural}"


def lists_by(key: Callable[[Result], Key], results: Iterable[Result]) -> dict[Key, list[Result]]:
    """Return the results of each key, in the order in which the keys first come."""
    lists: dict[Key, list[Result]] = {}
    for result in results:
        lists.setdefault(key(result), []).append(result)
    return lists


def place_of(slice_: Slice) -> str:
    """Name a slice in brackets, to be put behind a loss or model, so that lists of such names have one reading."""
    words = ", ".join(f"{column} {word}" for column, word in slice_.items())
    return f" ({words})" if words else ""


def best_models(cells: Sequence[Cell]) -> set[str]:
    """Return the models with the best value among cells of one loss and slice; none if there is no contest."""
    merits = {cell.model: cell.merit for cell in cells if not math.isnan(cell.value)}
    if len(cells) < 2 or not merits:
        return set()
    top = min(merits.values())
    return {model for model, value in merits.items() if value == top and math.isfinite(value)}


# saved reports -------------------------------------------------------------------------------------------------------


class SavedReport(NamedTuple):
    """A report of an earlier run: its values, the JSON document they stand in, and where that was read."""

    label: str
    report: Report
    document: Mapping[str, Any]
    schema_version: int

    @property
    def digests(self) -> list[str]:
        """The digests of the data of its models, each once."""
        return list(dict.fromkeys(source.data for source in self.report.inputs))

    def restored(self) -> Report:
        """Return the report with all that it says: comparisons, checks and their verdict, too."""
        from lossctl.results.comparison import BestSet, Study, check_of, comparison_of, worst_row_of

        top = Entry(self.document, self.label)
        study = top.optional("study", Study)
        checks = tuple(check_of(entry) for entry in top.entries("checks")) if "checks" in self.document else ()
        verdict = top.read("verdict", Verdict) if self.document.get("verdict") is not None else None
        judged = list(dict.fromkeys(check.model for check in checks))
        values = {cell.place: cell.value for cell in self.report.cells}
        return replace(
            self.report,
            warnings=top.read("warnings", tuple[str, ...]),
            study=study,
            level=self.report.level if study is None else study.level,
            comparisons=tuple(comparison_of(entry, values) for entry in top.entries("comparisons")),
            worst=tuple(worst_row_of(entry) for entry in top.entries("worst")),
            best_sets=tuple(entry.instance(BestSet) for entry in top.entries("best_sets")),
            checks=checks,
            verdict=verdict,
            advice=top.read("advice", tuple[str, ...]),
            plugins=tuple(f"{entry.read('name', str)} {entry.read('version', str)}" for entry in self._plugins(top)),
            command=top.read("command", CommandName),
            candidates=tuple(judged),
            baseline=next((model for model in self.report.models if judged and model not in judged), None),
            blocks=verdict not in (None, "pass"),
        )

    def _plugins(self, top: Entry) -> list[Entry]:
        return top.entry("tool").entries("plugins") if "plugins" in top.entry("tool").values else []

    def of_models(self, models: Collection[str], first: tuple[First, ...] = ()) -> str:
        """Return the JSON document of some models' values, which says when, where and by what they were made.

        first: the values of the first of its line of baselines.
        """
        origin = {key: self.document[key] for key in ORIGIN if key in self.document}
        report = replace(self.report.of_models(models), first=first)
        return text({**report.document(), **origin}, sealed=True)


def saved_report(content: bytes, label: str, *, any_schema: bool = False) -> SavedReport:
    """Read a report; raise DataError for one that is damaged, of another tool or (unless allowed) schema.

    Only values are read, with inputs, task and reduction: no comparisons or checks.
    """
    document = parse(content, label)
    top = Entry(document, label)
    tool = document.get("tool")
    if not isinstance(tool, dict) or tool.get("name") != "lossctl":
        raise DataError(f"{label}: is JSON, but no lossctl report; `lossctl eval ... -o {label}` writes one")
    schema = top.read("schema_version", int)
    if schema != SCHEMA_VERSION and not any_schema:
        raise DataError(
            f"{label}: schema_version is {schema}, and this lossctl reads {SCHEMA_VERSION}; write the report anew"
        )
    if schema == SCHEMA_VERSION:
        top.read("command", CommandName)  # the result of another command is no report that lacks something
    report = _report(top)
    if schema == SCHEMA_VERSION and document.get(SEAL) != Seal.of(document):
        raise DataError(
            f"{label}: was edited by hand, as its values are not those of its seal; write the report anew"
            if SEAL in document
            else f"{label}: has no seal: it was edited by hand, or an older lossctl wrote it; write the report anew"
        )
    return SavedReport(label, report, document, schema)


def _report(top: Entry) -> Report:
    inputs = tuple(entry.instance(Input) for entry in top.entries("inputs"))
    cells = tuple(_cell(entry) for entry in top.entries("results"))
    if not inputs or not cells:
        raise top.wrong("results" if inputs else "inputs", [], "at least one entry")
    places = [cell.place for cell in cells]
    if len(set(places)) != len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise top.wrong("results", list(twice), "each model, loss and slice once")
    if unknown := {cell.model for cell in cells} - {source.model for source in inputs}:
        raise top.wrong("inputs", sorted(source.model for source in inputs), f"an entry for {sorted(unknown)[0]!r}")
    return Report(
        cells,
        inputs,
        None if top.value("task") is None else top.entry("task").instance(Task),
        top.read("reduction", Literal["mean", "sum"]),
        next((cell.level for cell in cells if cell.level is not None), None),
        top.entry("tool").read("version", str),
        reading=top.optional("reading", TargetReading),
        units=top.optional("units", Units),
        left_out=tuple(entry.instance(LeftOut) for entry in top.entries("left_out")),
        first=tuple(entry.instance(First) for entry in top.entries("first")),
    )


def _cell(entry: Entry) -> Cell:
    status, value = entry.read("status", CellStatus), entry.read("value", float | None)
    if (status == "ok") != (value is not None):
        raise entry.wrong("value", value, f"{'a number' if status == 'ok' else 'null'} (the status is {status})")
    if value is None:
        negative = (entry.read("reason", str | None) or "").startswith("-")
        value = (-math.inf if negative else math.inf) if status == "infinite" else math.nan
    return entry.instance(Cell, value=value)
