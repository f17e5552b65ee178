"""Shares: a run cut into shares of its rows, each of which leaves a state, and the states merged into the run's report.

A state holds what the plan was made of, as far as it was read from the data, so that merging needs no data and makes
the same plan by the same code.
"""

from __future__ import annotations

import os
import re
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from glob import glob
from hashlib import blake2b
from itertools import chain
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossctl.api.check import check
from lossctl.api.compare import compare
from lossctl.api.evaluate import evaluate, look_ahead
from lossctl.api.job import raise_row_error, row_at, slot_of
from lossctl.api.options import (
    ARGUMENTS,
    Hooks,
    Resources,
    RuleTable,
    marks,
    plain_tables as rule_tables,
    rule_keys,
    rule_table,
)
from lossctl.api.query import Engine, Opened, Query, as_list, paths_of
from lossctl.core.block import Block, Breach, Defect, Pending, ready
from lossctl.core.state import NEVER
from lossctl.engine.plan import Plan
from lossctl.engine.reduce import RunState
from lossctl.engine.run import Progress, run
from lossctl.engine.states import (
    DAMAGED,
    DEFECT,
    MAGIC,
    STATE,
    OneOf,
    fits,
    packed,
    parted,
    plain_state,
    state_of,
    unpacked,
)
from lossctl.errors import DataError, ExitCode, LossctlError, UsageError, listed, printable
from lossctl.files import explained, is_folder, path_of, read_file, read_text, standard_input
from lossctl.io.atomic import check_writable, write_bytes
from lossctl.io.blocks import BlockReader
from lossctl.io.by_position import ByPosition
from lossctl.io.machine import usable_cores
from lossctl.io.select import key_columns, split_name
from lossctl.io.table import FIRST as FIRST_ROWS, Column, Kind, Numbers, Piece, Shape, Table, Texts
from lossctl.registry import with_tables
from lossctl.results.document import environment
from lossctl.results.report import Report
from lossctl.version import __version__

COMMANDS: Final[Mapping[str, Callable[..., Report]]] = {"eval": evaluate, "compare": compare, "check": check}
BY_ITSELF: Final = ("rows_out", "with_grad", "save_baseline")
HOOKS: Final = ("save_baseline", *marks(Hooks), *marks(Resources))  # do not change what a share computes
RULES: Final = ("max", "min", "max_slice", "max_regression", "rules")
MOST_SHARES: Final = 100_000
COMPARED: Final = 1 << 30  # bytes of all files that each share digests, evenly spread, beside texts, which it reads
NO: Final = type(None)
HEADER: Final = {
    **dict.fromkeys(("lossctl", "numpy", "command", "plan"), str),
    "cpu": [str],
    "shard": (int, int),
    "contents": [(str, str)],
    "inputs": [str],
    "arguments": {str: object},
    "state": STATE,
    "codebook": {
        "vocabularies": [(int, str, [str | None])],
        "combinations": {str: [[str | None]]},
        "bins": [[[str | None]]],
    },
    "rows": [(int, int, int)],
    "shown": [(int, int, "f8:1")],
    "words": [(int, int, {str: str})],
    "unpaired": [(int, int)],
    "absent": [(int, int, int)],
    "places": [[(int, str)]],
}
COLUMN: Final = OneOf([("f8:2", OneOf([NO, "b1:1"]), bool), ("i8:1", [str])])
FIRST: Final = {  # what the first share has besides: the answers of tables, and what the plan is made of
    "tables": [
        {
            **dict.fromkeys(("label", "doubt"), str),
            "skipped": [str],
            "names": [str],
            **dict.fromkeys(("is_text", "cuts"), bool),
            "format": str | None,
            "rows": int | None,
            "shapes": {str: (str, int, int, bool)},
            "words": {str: bool},
            "readings": [(str, str, [COLUMN], str | None)],
        }
    ],
    "names": [str | None],
    "paths": [str],
    "block": {
        **dict.fromkeys(("start", "read"), int),
        "addresses": "i8:1",
        "weight": OneOf([NO, "f8:1"]),
        "models": {str: {str: np.ndarray}},
        "faults": [DEFECT],
    },
}
ANSWERS: Final = ("format", "is_text", "names", "doubt", "rows", "cuts")  # what a table says of itself


class Shared(LossctlError):
    """A share is computed and written: there is nothing to finish."""

    code = ExitCode.OK


# tables that are asked, and tables that answer as they did ---------------------------------------------------


def _of_table(name: str) -> Any:
    """Return a property of a table that is answered by another, `table`."""
    return property(lambda table: getattr(table.table, name))


class Witness(Table):
    """A table that takes note of what is asked of it while a plan is made."""

    def __init__(self, table: Table) -> None:
        self.table, self.label, self.skipped = table, table.label, table.skipped
        self.listens = True
        self.shapes: dict[str, Shape] = {}
        self.words: dict[str, bool] = {}
        self.readings: dict[tuple[str, str], tuple[list[Column], str | None]] = {}

    format, is_text, names, doubt, rows, cuts, sources, places = map(_of_table, (*ANSWERS, "sources", "places"))

    def shape(self, name: str) -> Shape:
        self.shapes[name] = self.table.shape(name)
        return self.shapes[name]

    def keeps_words(self, name: str) -> bool:
        self.words[name] = self.table.keeps_words(name)
        return self.words[name]

    def row_width(self, columns: Collection[str]) -> int | None:
        return self.table.row_width(columns)

    def row(self, columns: Mapping[str, Kind], row: int) -> Piece | None:
        return self.table.row(columns, row)

    def where(self, row: int) -> str:
        return self.table.where(row)

    def watch(self, pattern: str) -> None:
        self.table.watch(pattern)

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        stream = self.table.read(columns, start, stop)
        return self._noted(columns, stream) if self.listens else stream

    def _noted(self, columns: Mapping[str, Kind], stream: Iterator[Pending[Piece]]) -> Iterator[Pending[Piece]]:
        """Keep the first rows of what is read."""
        pieces: list[Piece] = []
        fault = None
        try:
            for pending in stream:
                piece = pending.make()
                fault = piece.stopped
                pieces.append(piece)
                yield ready(piece)
        except DataError as error:
            fault = error
            raise
        finally:
            for name, kind in columns.items() if Kind.KEY not in columns.values() else ():  # no plan reads keys
                values = [piece[name].cut(slice(0, FIRST_ROWS)) for piece in pieces if name in piece.columns]
                if len(values) >= len(self.readings.get((name, kind.value), ((), None))[0]):
                    self.readings[name, kind.value] = values, None if fault is None else str(fault)

    def plain(self) -> dict[str, Any]:
        """Return all answers as plain values."""
        return {
            "label": self.label,
            "skipped": list(self.skipped),
            **{name: getattr(self, name) for name in ANSWERS if name != "cuts"},
            "cuts": self.cuts is not None,
            "shapes": {name: [*shape] for name, shape in self.shapes.items()},
            "words": self.words,
            "readings": [
                [name, kind, [_plain_column(column) for column in columns], fault]
                for (name, kind), (columns, fault) in self.readings.items()
            ],
        }


def _plain_column(column: Column) -> list[Any]:
    if isinstance(column, Numbers):
        return [column.values, column.null, column.integers]
    assert isinstance(column, Texts)
    present, codes = np.unique(column.codes, return_inverse=True)
    codes = codes - int(len(present) > 0 and present[0] < 0)
    return [codes, [column.words[code] for code in present.tolist() if code >= 0]]


class Replay(Table):
    """A table that answers as another did while a plan was made; what has not been asked then is not known."""

    def __init__(
        self, plain: Mapping[str, Any], places: Sequence[tuple[int, str]], rows_shown: Mapping[int, NDArray[Any]]
    ) -> None:
        self.label, self.skipped, self.rows_shown = plain["label"], plain["skipped"], rows_shown
        facts = {name: plain[name] for name in ANSWERS}
        facts |= {"names": tuple(plain["names"]), "cuts": [0] if plain["cuts"] else None}
        self.table, self._plain = SimpleNamespace(**facts), plain
        self._places = [(int(start), str(label)) for start, label in places]
        self._readings = {(name, kind): (pieces, fault) for name, kind, pieces, fault in plain["readings"]}

    format, is_text, names, doubt, rows, cuts = map(_of_table, ANSWERS)

    def shape(self, name: str) -> Shape:
        return Shape(*self._plain["shapes"][name])

    def keeps_words(self, name: str) -> bool:
        return self._plain["words"].get(name, False)

    def where(self, row: int) -> str:
        start, label = max((place for place in self._places if place[0] <= row), default=(0, self.label))
        return f"{label}: row {row - start + 1}"

    def row(self, columns: Mapping[str, Kind], row: int) -> Piece | None:
        values = self.rows_shown.get(row)
        if values is None:
            return None
        lines = [values] if len(columns) == 1 else np.split(values, len(columns))
        return Piece({name: Numbers(line[:, np.newaxis]) for name, line in zip(columns, lines, strict=True)})

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        entries = {name: self._readings[name, kind.value] for name, kind in columns.items()}
        for values in zip(*(pieces for pieces, _ in entries.values()), strict=True):
            pairs = zip(columns.items(), values, strict=True)
            yield ready(Piece({name: _column(kind, value) for (name, kind), value in pairs}))
        for _, fault in entries.values():
            if fault is not None:
                raise DataError(fault)


def _column(kind: Kind, plain: Sequence[Any]) -> Column:
    if kind is Kind.NUMBER:
        return Numbers(*plain)
    codes, words = plain
    return Texts(codes, tuple(words))


class RecordedRows(ByPosition):
    """How rows belong together, as the shares told it."""

    def __init__(self, rows: ByPosition, states: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(rows.tables, rows.key)
        self.advice = rows.advice
        self._rows = {(table, address): row for state in states for table, address, row in state["rows"]}
        self._words = {(table, address): words for state in states for table, address, words in state["words"]}
        self._unpaired = Counter[int]()
        self._absent = Counter[tuple[int, int]]()
        for state in states:
            self._unpaired.update(dict(state["unpaired"]))
            self._absent.update({(table, other): count for table, other, count in state["absent"]})

    def unpaired(self) -> Mapping[int, int]:
        return self._unpaired

    def absent_keys(self) -> Counter[tuple[int, int]]:
        return self._absent

    def row_of(self, table: int, address: int) -> int:
        return self._rows.get((table, address), address)

    def words_at(self, table: int, columns: Sequence[str], addresses: Collection[int]) -> dict[int, dict[str, str]]:
        words = {address: self._words.get((table, address), {}) for address in addresses}
        return {address: {name: row[name] for name in columns if name in row} for address, row in words.items()}


# a share -----------------------------------------------------------------------------------------------------


class Command(NamedTuple):
    """What is run: `eval`, `compare` or `check`, and its arguments."""

    name: str
    data: list[str]
    arguments: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, data: object, arguments: Mapping[str, Any]) -> Command:
        """Return a command in plain form; raise UsageError for data that a share elsewhere would not find."""
        files = paths_of(data)
        targets = arguments.get("targets")
        if files is None or not isinstance(targets, str | os.PathLike | None):
            raise UsageError("shares are of files, given by their paths: data in memory is in one place alone")
        if "-" in [split_name(file)[1] for file in files] or targets == "-":
            raise UsageError("-: shares read their rows again, and standard input can be read once; give a file")
        plain = {key: value for key, value in arguments.items() if key not in HOOKS}
        if plain.get("losses"):
            losses = plain["losses"]
            if not isinstance(losses, Mapping):
                plain["losses"] = with_tables([losses] if isinstance(losses, str) else map(str, losses))
        plain["rules"] = [_plain_rule(rule) for rule in rule_tables(plain.get("rules", ()))]
        options = {key: value for key, value in plain.items() if value not in (None, (), []) and value is not False}
        return cls(name, files, options)

    def run(self, **more: Any) -> Report:
        """Run it."""
        rules = [rule_table(origin, table) for origin, table in self.arguments.get("rules", ())]
        arguments = {**self.arguments, **({"rules": rules} if rules else {}), **more}
        return COMMANDS[self.name](self.data, **arguments)


def _plain_rule(rule: RuleTable) -> list[Any]:
    """Return a rule as the table of a file has it, with where it stands."""
    keys = {option.name: key for key, option in rule_keys().items()}
    values = {keys[name]: value for name, value in rule._asdict().items() if name in keys and value not in (None, ())}
    return [rule.origin, {key: _plain_tolerance(value) for key, value in values.items()}]


def _plain_tolerance(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain_tolerance(entry) for name, entry in value.items()}
    if not hasattr(value, "percent"):
        return list(value) if isinstance(value, tuple) else value
    parts = [f"{value.percent!r}%"] if value.percent is not None else []
    parts += [] if value.absolute is None else [value.absolute]
    return parts[0] if len(parts) == 1 else parts


def read_shard(text: str) -> tuple[int, int]:
    """Read `I/N`: share I, from 1, of N."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip())
    place, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= place <= count <= MOST_SHARES:
        raise UsageError(f"--shard {printable(text)}: share I of N is needed, from 1 on, as 3/40")
    return place, count


class Cut(Engine):
    """An engine whose rows are cut into shares, each of which makes its plan of the same first block."""

    block: Block | None = None

    def opened(self, query: Query) -> Opened:
        """Open the inputs; raise UsageError where a share would not know which rows are its own."""
        if query.options["bad_rows"] == "drop":
            raise UsageError(
                "--bad-rows drop: a share does not know which rows before its own are left out; leave them out first, "
                "or run without shares"
            )
        return query.opened_here()

    def refusal(self, rows_out: str | None, sets: bool) -> str:
        if rows_out is not None:
            return f"--rows-out {rows_out}: shares leave sums, and rows are written by one run: leave it out"
        if sets:
            return "losses over sets of rows cannot be cut into shares: a set may stand on both sides of a cut"
        return "--per-output with --missing drop goes over the rows once for each output; ask for one at a time with -p"

    def first(self, reader: BlockReader) -> Block | None:
        """Read the first block; raise UsageError where what a row counts for depends on rows of other shares."""
        slots = [slot for slots in reader.selection.by.values() for slot in slots]
        if quantiles := [slot for slot in slots if slot.bins and slot.bins.quantiles]:
            column = printable(quantiles[0].columns[0])
            raise UsageError(
                f"--by {column}:quantiles: is cut at values of all rows, of which a share has some; give the edges: "
                f"--by {column}:edges=A/B/C"
            )
        self.block = look_ahead(reader.feeds(1))
        return self.block


class Share(Cut):
    """Computes one share; a row that is wrong is part of its state. inputs: opened before."""

    def __init__(
        self, command: Command, place: int, count: int, *, threads: int | None = None, inputs: Opened | None = None
    ) -> None:
        self.command, self.place, self.count, self.threads = command, place, count, threads
        self.inputs = inputs
        self.tables: list[Witness] = []
        self.header: dict[str, Any] = {}

    def opened(self, query: Query) -> Opened:
        """Open the inputs, which are asked for their answers too."""
        if self.inputs is None:
            self.inputs = super().opened(query)
        if not self.tables:
            self.tables = [Witness(table) for table in self.inputs.tables]
            for source in (source for table in self.tables for source in table.sources):
                source.digests = self.count > 1
        return self.inputs._replace(tables=[*self.tables])

    def first(self, reader: BlockReader) -> Block | None:
        """Read the first block, after which tables answer without being noted."""
        block = super().first(reader)
        for table in self.tables:
            table.listens = False
        return block

    def state(
        self, query: Query, reader: BlockReader, plan: Plan, origins: Sequence[float], progress: Progress
    ) -> RunState:
        """Reduce the rows of the share; the state ends the command."""
        threads = self.threads or usable_cores()
        samples = plan.keeps_lines or any(kind != "peak" for *_, kind in plan.wholes)
        ordered = plan.in_order or samples  # so that the bytes of the state do not depend on the threads
        feeds = reader.feeds(1 if ordered else threads, reader.shares(self.count)[self.place - 1])
        watch = query.options["watch"]
        state = run(feeds, plan, origins=origins, threads=threads, progress=progress, watch=watch, ordered=ordered)
        self.finish(query, reader, plan, origins, state)
        raise Shared

    def finish(self, query: Query, reader: BlockReader, plan: Plan, origins: Sequence[float], state: RunState) -> None:
        """Make the header and the values of the state."""
        assert self.block is not None
        contents = contents_of(reader.tables) if self.count > 1 else []
        for table in reader.tables:
            table.unchanged()
        digest = plan_digest(plan, reader, origins, self.block, self.count)
        self.header = {
            **versions(),
            "command": self.command.name,
            "shard": [self.place, self.count],
            "plan": digest,
            "contents": contents,
            "inputs": self.command.data,
            "arguments": self.command.arguments,
            "state": plain_state(state, plan),
            **recorded(reader, plan, state, query),
            "places": [table.places for table in reader.tables],
        }
        if self.place == 1:
            assert self.inputs is not None
            self.header |= {
                "tables": [table.plain() for table in self.tables],
                "names": self.inputs.names,
                "paths": self.inputs.paths,
                "block": _plain_block(self.block),
            }


class FileShare(Share):
    """A share whose state goes to a file; a row that is wrong is an error at once."""

    def __init__(self, command: Command, shard: str, path: str, *, threads: int | None = None) -> None:
        super().__init__(command, *read_shard(shard), threads=threads)
        self.path = path

    def opened(self, query: Query) -> Opened:
        """Open the inputs; see that the state goes over none."""
        opened = super().opened(query)
        check_writable(self.path, opened.paths)
        return opened

    def finish(self, query: Query, reader: BlockReader, plan: Plan, origins: Sequence[float], state: RunState) -> None:
        """Write the state, whole or not at all."""
        try:
            raise_row_error(state, reader, plan, query.options["missing"])
        except DataError as error:  # which counts the rows of this share
            raise DataError(
                str(error).replace(" such rows)", f" such rows in share {self.place}/{self.count})")
            ) from None
        super().finish(query, reader, plan, origins, state)
        write_bytes(self.path, [packed(self.header)])


def versions() -> dict[str, Any]:
    """Return what states must share to be merged to the same bits."""
    numerical = environment()
    return {"lossctl": __version__, "numpy": numerical["numpy"], "cpu": numerical["cpu"]}


def contents_of(tables: Sequence[Table]) -> list[tuple[str, str]]:
    """Return the digest of the content of each file, which tells whether shares have read the same."""
    sources = [source for table in tables for source in table.sources]
    for table in tables:
        if table.rows is None and not all(source.digest for source in table.sources):  # rows behind those of the share
            single = next(name for name in table.names if table.names.count(name) == 1)
            deque(table.read({single: Kind.CELL}), 0)
    stride = max(1, -(-sum(source.size for source in sources) // COMPARED))
    return [(source.label, source.content(stride)) for source in sources]


def plan_digest(plan: Plan, reader: BlockReader, origins: Sequence[float], first: Block, count: int) -> str:
    """Return a digest of what is computed, on which data, and of how it is cut."""
    questions = [
        (q.label, q.loss.full_spec, q.form.name, q.output, q.component, q.loss.statistic.name) for q in plan.questions
    ]
    design = None if plan.design is None else plan.design._asdict() | {"level": None, "effect": None, "margin": None}
    selection = reader.selection
    words = [
        count,
        questions,
        [*plan.order],
        sorted(plan.activations.items()),
        plan.weighted,
        plan.pairs,
        plan.cubed,
        len(plan.quantities),
        plan.slicings,
        sorted(plan.clusterings.items()),
        plan.times,
        plan.worst,
        plan.watched,
        sorted(design.items()) if design else None,
        [value.hex() for value in (*origins, *map(float, plan.trend))],
        selection.target,
        sorted(selection.slots.items()),
        selection.weight,
        plan.classes,
        [(table.label, table.rows, table.names) for table in reader.tables],
        _first_digest(first),
    ]
    return blake2b(repr(words).encode(), digest_size=16).hexdigest()


def _first_digest(first: Block) -> str:
    """Return a digest of the values of the block that plans are made of."""
    digest = blake2b(digest_size=16)
    for roles in first.models.values():
        for values in roles.values():
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def recorded(reader: BlockReader, plan: Plan, state: RunState, query: Query) -> dict[str, Any]:
    """Return what merging cannot read again: the words of codes, and words of the rows that messages name."""
    worst = {address for rows in state.worst.values() for address in rows.addresses.tolist()}
    odd = {odd.row for odd in state.moments.odd}
    odd |= {row for groups in state.grouped.values() for record in groups.odd.values() for row in record[-1].tolist()}
    breaches = [*state.breaches.values(), *state.missing.values(), *state.faults.values()]
    sides = {row for breach in breaches for row in (breach.row, breach.first_side, breach.second_side)}
    places = sorted((worst | odd | sides) - {NEVER})
    tables = range(len(reader.tables))
    shown = [
        [slot.table, row, row_at(reader.tables[slot.table], slot, row)]
        for check, breach in state.breaches.items()
        if (reader.rule.kind if check.role == "target" else reader.rule.kind_of(check.model, check.role)) is Kind.NUMBER
        for slot in [slot_of(reader, plan, check)]
        for row in {
            reader.rows.row_of(slot.table, side) for side in (breach.first_side, breach.second_side) if side != NEVER
        }
    ]
    rows = {(table, address): reader.rows.row_of(table, address) for table in tables for address in places}
    return {
        "codebook": reader.codebook(),
        "rows": [[*place, row] for place, row in rows.items() if row != place[1]],
        "shown": shown,
        "words": [
            [table, address, words]
            for table in tables
            for address, words in reader.rows.words_at(table, _word_columns(reader, table, query), worst).items()
        ],
        "unpaired": [[*entry] for entry in reader.rows.unpaired().items()],
        "absent": [[*couple, count] for couple, count in reader.rows.absent_keys().items()],
    }


def _word_columns(reader: BlockReader, table: int, query: Query) -> list[str]:
    """Return the columns whose words stand beside single rows of a report: keys, slices and labels."""
    slots = [*chain.from_iterable(reader.selection.by.values()), *reader.label_slots(reader.selection.models).values()]
    columns = [*key_columns(reader.tables, as_list(query.options["id"]))]
    return [*dict.fromkeys([*columns, *(slot.columns[0] for slot in slots if slot.table == table)])]


def _plain_block(block: Block) -> dict[str, Any]:
    """Return what a plan is made of."""
    return {
        "start": block.start,
        "read": block.read,
        "addresses": block.addresses,
        "weight": block.weight,
        "models": {model: dict(roles) for model, roles in block.models.items()},
        "faults": [[*defect, *breach] for defect, breach in block.faults.items()],
    }


def _block(plain: Mapping[str, Any]) -> Block:
    faults = {Defect(*entry[:3]): Breach(*entry[3:]) for entry in plain["faults"]}
    names = ("start", "read", "addresses", "weight", "models")
    return Block(**{name: plain[name] for name in names}, faults=faults)


# shares merged -----------------------------------------------------------------------------------------------


class State(NamedTuple):
    """The state of a share as a file has it."""

    label: str
    header: Mapping[str, Any]

    @classmethod
    def read(cls, path: str) -> list[State]:
        """Read a file, those of a folder, or standard input (`-`), in which states may stand one behind the other.

        Raises DataError for what is no whole state of this lossctl.
        """
        label = "standard input" if path == "-" else printable(path)
        try:
            if is_folder(path):
                names = sorted(name for name in os.listdir(path) if not name.startswith("."))
                if not names:
                    raise DataError(f"{label}: the folder holds no files")
                return [state for name in names for state in cls.read(os.path.join(path, name))]
            content = read_text(standard_input(), magic=MAGIC) if path == "-" else read_file(path, magic=MAGIC)
        except OSError as error:
            advice = "; a shell expands a pattern that is not in quotes" if glob(path) else ""
            raise DataError(f"{label}: {explained(error)}{advice}") from None
        contents = parted(content)
        return [
            cls.of(f"{label}, state {place}" if len(contents) > 1 else label, content)
            for place, content in enumerate(contents, 1)
        ]

    @classmethod
    def of(cls, label: str, content: bytes) -> State:
        """Read the bytes of a file."""
        try:
            header = unpacked(content)
        except DataError as error:
            raise DataError(f"{label}: {error}") from None
        state = cls(label, header)
        if (
            not fits(header, HEADER | (FIRST if isinstance(header, dict) and "tables" in header else {}))
            or header["command"] not in COMMANDS
            or not 1 <= state.place <= state.shares <= MOST_SHARES
        ):
            raise DataError(f"{label}: {DAMAGED}")
        return state

    @property
    def place(self) -> int:
        """Which share it is, from 1."""
        return self.header["shard"][0]

    @property
    def shares(self) -> int:
        """How many shares there are."""
        return self.header["shard"][1]


def merge(
    states: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    note: Callable[[str], None] | None = None,
    **rules: Any,
) -> Report:
    """Merge the states of all shares of a run into its report, to the bits of one run.

    Parameters
    ----------
    states
        The files that `--state-out` wrote, of every share, in any order, or a folder of them.
    note
        A function that takes a line about what was chosen unasked.
    **rules
        For shares of a check: its rules, as `check` takes them, in place of those of the shares; and what else decides
        (`min_slice`, `slice_tolerance`, ...), whose place each option takes by itself.

    Returns
    -------
    Report
        As the command would have returned it.

    Raises
    ------
    DataError
        A state is damaged, missing, there twice, or of another run or version.
    """
    paths = states if isinstance(states, Iterable) and not isinstance(states, str) else [states]
    return merged([state for path in paths for state in State.read(path_of(path, "states"))], note, rules)


def merged(states: Sequence[State], note: Callable[[str], None] | None, rules: Mapping[str, Any]) -> Report:
    """Merge states; see `merge`."""
    if not states:
        raise UsageError("there is no state to merge: give the files that --state-out wrote")
    states = sorted(states, key=lambda state: state.place)
    try:
        warnings = check_states(states)
        header = states[0].header
        if rules and header["command"] != "check":
            options = ", ".join(f"--{rule}" for rule in rules).replace("_", "-")
            raise UsageError(
                f"{options}: rules are for shares of `lossctl check`, and these are of `{header['command']}`"
            )
        check_arguments(states[0])
        replaced = {*RULES, "slice_tolerance", "critical_slice"} if rules.keys() & {*RULES} else set()
        arguments = {key: value for key, value in header["arguments"].items() if key not in replaced}
        command = Command(header["command"], header["inputs"], {**arguments, **rules})
        try:
            report = command.run(engine=Merge(states), note=note)
        except UsageError as error:  # the shares have passed what was asked of them
            raise error if rules else DataError(f"{states[0].label}: {DAMAGED}") from error
    except LossctlError:
        raise
    except (
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
        ArithmeticError,
        AssertionError,
        StopIteration,
    ) as error:
        # a state that comes from anywhere may hold anything under a checksum that fits
        labels = listed([state.label for state in states])
        raise DataError(
            f"{labels}: one of these states is damaged, or not written by lossctl; compute the shares anew, and if "
            "that does not help, report what --debug shows"
        ) from error
    return replace(report, warnings=(*report.warnings, *warnings))


def check_arguments(state: State) -> None:
    """Raise DataError where a state, which may come from anywhere, asks for what merging must not do by itself.

    That is to write a file, or to read one as weights: those of a share stand in its losses.
    """
    arguments, losses = state.header["arguments"], state.header["arguments"].get("losses", [])
    strange = arguments.keys() - {*ARGUMENTS, "targets", "rules"}
    if strange or not arguments.keys().isdisjoint(BY_ITSELF) or re.search(r"=\s*@", repr(losses)):
        raise DataError(f"{state.label}: {DAMAGED}")


def check_versions(states: Sequence[State]) -> None:
    """Raise DataError for a state that was computed by other versions than are here."""
    release = versions()
    for state in states:
        for name in ("lossctl", "numpy"):
            version = state.header.get(name)
            if version != release[name]:
                raise DataError(
                    f"{state.label}: was computed with {name} {printable(str(version))}, and here is {release[name]}: "
                    "the last bits may differ; compute and merge all shares with the same versions"
                )


def check_states(states: Sequence[State]) -> list[str]:
    """Raise DataError unless states, in their order, are all shares of one run; return what to beware of."""
    check_versions(states)
    first = states[0]
    for state in states[1:]:
        check_same_run(first, state)
    places = Counter(state.place for state in states)
    if twice := [place for place, times in places.items() if times > 1]:
        labels = listed([state.label for state in states if state.place == twice[0]])
        raise DataError(f"share {twice[0]}/{first.shares} is there {places[twice[0]]} times: {labels}; leave one out")
    if gaps := [place for place in range(1, first.shares + 1) if place not in places]:
        missing = listed([f"{place}/{first.shares}" for place in gaps], 6)
        raise DataError(
            f"share{'s' * (len(gaps) > 1)} {missing} of {first.shares} missing: run the same command with "
            f"--shard {gaps[0]}/{first.shares} --state-out FILE, and merge that, too"
        )
    if len({tuple(state.header["cpu"]) for state in states}) > 1:
        return ["shares were computed on processors of different kinds: the last bits may differ from those of one run"]
    return []


def check_same_run(first: State, state: State) -> None:
    """Raise DataError unless two states are of one command, cut alike, on the same data."""
    headers = first.header, state.header
    counts, commands, plans = ([header[name] for header in headers] for name in ("shard", "command", "plan"))
    arguments = [{**header["arguments"], "FILE": header["inputs"]} for header in headers]
    names = sorted({*arguments[0], *arguments[1]})
    unlike = [name for name in names if arguments[0].get(name) != arguments[1].get(name)]
    if counts[0][1] != counts[1][1]:
        difference = f"cut into {counts[1][1]} shares, not {counts[0][1]}"
    elif commands[0] != commands[1]:
        difference = f"`lossctl {commands[1]}`, not `lossctl {commands[0]}`"
    elif unlike:
        difference = f"other values of {listed(unlike)}"
    else:
        check_same_files(first, state)
        difference = "the data are others" if plans[0] != plans[1] else ""
    if difference:
        raise DataError(
            f"{state.label}: is of another run than {first.label}: {difference}; merge shares of one command on the "
            "same data"
        )


def check_same_files(first: State, state: State) -> None:
    """Raise DataError for a file that two shares have not read alike."""
    digests = [dict(entry.header["contents"]) for entry in (first, state)]
    for file in sorted({*digests[0], *digests[1]}):
        if digests[0].get(file) != digests[1].get(file):
            shares = [f"share {entry.place}/{entry.shares} ({entry.label})" for entry in (first, state)]
            difference = (
                f"{shares[1]} has read other bytes than {shares[0]}: it changed between them, or copies of it differ"
                if file in digests[0] and file in digests[1]
                else f"{shares[file in digests[1]]} has read it, and {shares[file in digests[0]]} has not"
            )
            raise DataError(
                f"{file}: {difference}; compute the shares anew that did not read what is meant, from files at rest"
            )


class Merge:
    """Answers a command by the states of its shares, in their order. plan: the state that holds what it is made of."""

    def __init__(
        self, states: Sequence[State], plan: Mapping[str, Any] | None = None, replay: type[Replay] | None = None
    ) -> None:
        self.states, header = states, states[0].header if plan is None else plan
        self.digest, self.shares = header["plan"], header["shard"][1]
        places = [max(entries, key=len) for entries in zip(*(s.header["places"] for s in states), strict=True)]
        shown = [entry for state in states for entry in state.header["shown"]]
        tables = [
            (replay or Replay)(plain, entries, {row: values for table, row, values in shown if table == place})
            for place, (plain, entries) in enumerate(zip(header["tables"], places, strict=True))
        ]
        self.inputs = Opened([*tables], header["names"], header["paths"])
        self.block = _block(header["block"])

    def opened(self, query: Query) -> Opened:
        """Return tables that answer as the inputs did."""
        return self.inputs

    def refusal(self, rows_out: str | None, sets: bool) -> str:
        return "shares are of no such command"

    def baseline(self, path: str) -> bool:
        """Whether a path was an input."""
        return path in self.inputs.paths

    def first(self, reader: BlockReader) -> Block | None:
        """Return the block of which the shares made their plan."""
        reader.rows = RecordedRows(reader.rows, [state.header for state in self.states])
        return self.block

    def state(
        self, query: Query, reader: BlockReader, plan: Plan, origins: Sequence[float], progress: Progress
    ) -> RunState:
        """Merge the states."""
        if plan_digest(plan, reader, origins, self.block, self.shares) != self.digest:
            raise UsageError(
                "what the rules ask for is not what the shares computed: give them to the shares, too, as "
                "`lossctl check ... --shard I/N`"
            )
        merged = RunState.empty(plan)
        for state in self.states:
            later = run_state(state, reader, plan)
            progress(later.read)
            merged = merged.merge(later)
        if complaint := reader.third_label():
            raise DataError(complaint)
        return merged


def run_state(state: State, reader: BlockReader, plan: Plan) -> RunState:
    """Return the state of a share's rows, with the codes that words have in a reader."""
    try:
        codes = reader.translated(state.header["codebook"])
    except (TypeError, ValueError, KeyError, IndexError):
        raise DataError(f"{state.label}: {DAMAGED}") from None
    try:
        return state_of(state.header["state"], plan, codes)
    except DataError as error:
        raise DataError(f"{state.label}: {error}") from None


def share(
    command: str,
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    shard: str,
    state_out: str | os.PathLike[str],
    **options: Any,
) -> None:
    """Compute one share of a run, and write its state for `merge`.

    Parameters
    ----------
    command
        `eval`, `compare` or `check`: whose report `merge` makes.
    data
        Files, which every share reads from the same paths.
    shard
        `I/N`, share I (from 1) of N.
    state_out
        The file of the state.
    **options
        As `evaluate`, `compare` or `check` take them.

    Raises
    ------
    UsageError
        The question is wrong, or cannot be cut into shares.
    DataError
        A row of the share is wrong.

    Examples
    --------
    >>> import lossctl, numpy, tempfile, os
    >>> folder = tempfile.mkdtemp()
    >>> numpy.savez(folder + "/data.npz", y=[1.0, 2.0, 3.0], p=[1.5, 2.0, 2.5])
    >>> states = [f"{folder}/{place}.state" for place in (1, 2)]
    >>> for place, state in enumerate(states, 1):
    ...     lossctl.share("eval", folder + "/data.npz", shard=f"{place}/2", state_out=state, target="y", pred="p")
    >>> round(lossctl.merge(states).cells[0].value, 6)
    0.166667
    """
    if command not in COMMANDS:
        raise UsageError(f"command {printable(str(command))}: {listed(list(COMMANDS))} can be cut into shares")
    work = Command.of(command, data, options)
    hooks = {name: options[name] for name in HOOKS if name in options}
    with suppress(Shared):
        work.run(**hooks, engine=FileShare(work, shard, os.fspath(state_out), threads=options.get("threads")))
