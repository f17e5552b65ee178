"""The question that a function of the Python interface is asked: its arguments in plain form, and its inputs opened."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

from lossctl import registry
from lossctl.api.multicolumn import models_apart, together_by_name
from lossctl.api.options import (
    INPUTS,
    LEVEL,
    EvaluateOptions,
    Inputs,
    Losses,
    Names,
    Switch,
    Text,
    TextFiles,
    options_of,
)
from lossctl.core.batch import keep_freed_memory
from lossctl.core.form import checked_task
from lossctl.engine.run import Progress, unwatched
from lossctl.errors import DataError, LossctlError, UsageError, listed, printable
from lossctl.io.memory import ARROW_PROTOCOL, TARGETS, from_memory
from lossctl.io.open import as_one, files_below, open_table, table_of
from lossctl.io.select import Request, Selection, select, split_name, stems
from lossctl.io.source import Dialect, spooled
from lossctl.io.table import Table, share_read
from lossctl.results.report import DataSource

if TYPE_CHECKING:
    from lossctl.core.block import Block
    from lossctl.engine.plan import Plan
    from lossctl.engine.reduce import RunState
    from lossctl.engine.run import Progress
    from lossctl.io.blocks import BlockReader
    from lossctl.results.comparison import Check


def silent(text: str) -> None:
    """Take no note."""


DEFAULTS: Final[Mapping[str, object]] = {
    **dict.fromkeys(EvaluateOptions.__annotations__),
    **{option.name: option.default for option in options_of(EvaluateOptions)},
    "ci": LEVEL,
    "note": silent,
    "watch": unwatched,
}
OF_ROWS: Final = {option.name for option in options_of(*INPUTS)} - {"losses", "by"}  # what says how rows are read


def stamps(entries: Iterable[object]) -> dict[str, tuple[int, ...]]:
    """Return device, inode, size and times of the inputs that are files or folders, and of all files below these."""
    files: dict[str, tuple[int, ...]] = {}
    for text in (os.fspath(entry) for entry in entries if isinstance(entry, str | os.PathLike)):
        for path in {text, text.partition("=")[2]}:
            with suppress(OSError, ValueError, DataError):
                parts = sorted(files_below(path)) if os.path.isdir(path) else ()
                paths = path, *(os.path.join(path, part) for part in parts)
                files[path] = tuple(
                    number
                    for entry in map(os.stat, paths)
                    for number in (entry.st_dev, entry.st_ino, entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns)
                )
    return files


class Query:
    """What is read, what is computed, and who is notified; `evaluate` says what each option means.

    options: all options of `evaluate`, in plain form. losses: the labels and losses of `options["losses"]`.
    """

    def __init__(self, data: object, arguments: Mapping[str, object]) -> None:
        """Check arguments, by name, those of `evaluate` among them."""
        options: dict[str, Any] = {name: arguments.get(name, value) for name, value in DEFAULTS.items()}
        options["note"] = options["note"] or silent
        self.options: EvaluateOptions = options  # type: ignore[assignment]  # their types are checked
        if options["with_grad"] and options["rows_out"] is None:
            raise UsageError("--with-grad writes gradients beside the per-row losses: give --rows-out FILE too")
        self.losses = registry.all_labelled(as_list(self.options["losses"]))
        if isinstance(data, Iterator) and not is_stream(data) and not hasattr(data, ARROW_PROTOCOL[0]):
            data = list(data)  # of paths, frames or records; it can be read but once
        self.data = data
        checked_task(self.options["task"])

    def opened(self) -> Opened:
        """Open the inputs."""
        options = self.options
        if options["engine"] is not None:
            return options["engine"].opened(self)
        return self.opened_here()

    def opened_here(self) -> Opened:
        """Open the inputs in this process."""
        options = self.options
        check_words(self.data, options)
        texts = [*as_list(options["target"]), *as_list(options["pred"])]
        columns = {name for text in texts for name in text.split(",")}
        if not options["id"]:
            check_order(self.data, options["targets"], columns | {str(options["weight"])})
        opened = open_inputs(self.data, options["targets"], Dialect.of(options), options["concat"], columns)
        tell_extent(options["progress"], opened.tables, by_key=bool(options["id"]))
        return opened

    @property
    def source(self) -> DataSource | None:
        """The data, the options and the files by which its rows can be read again; None for what is read but once."""
        targets = self.options["targets"]
        entries = [*(self.data if isinstance(self.data, list | tuple) else [self.data]), targets]
        if any(is_stream(entry) or isinstance(entry, Iterator) for entry in entries):
            return None
        if any(isinstance(entry, str) and entry.rpartition("=")[2] == "-" for entry in entries):
            return None
        return self.data, {name: value for name, value in self.options.items() if name in OF_ROWS}, stamps(entries)

    def tell(self, text: str) -> None:
        """Say what was chosen without being asked."""
        note = self.options["note"]
        assert note is not None
        note(text)

    def selection(
        self, tables: Sequence[Table], names: Sequence[str | None], units: tuple[str | None, str | None] = (None, None)
    ) -> Selection:
        """Resolve every option to columns of the opened tables; `units` tell clusters and times."""
        options = self.options
        request = Request(
            ",".join(as_list(options["target"])) or None,
            tuple(model_columns(options["pred"])),
            tuple(as_list(options["roles"])),
            options["weight"],
            tuple(as_list(options["by"])),
            options["targets"] is not None,
            *units,
            tuple(",".join(as_list(options["id"])).split(",")),
        )
        losses = [loss for _, loss in self.losses]
        roles = {role for loss in losses for role in loss.roles} or {"target", "pred"}  # those of the usual losses
        for text in request.roles:
            check_role(text, roles)
        selection = select(tables, names, request, roles)
        if len(tables) - int(request.has_targets_file) > 1 or not {"target", "pred"} <= roles:
            return selection
        slots = [roles["pred"] for roles in selection.slots.values()]
        if len(slots) == len(slots[0].columns) == 1:
            return selection
        preds: list[str | tuple[str, str | tuple[str, ...]]] = []
        notes: list[str] = []
        unnamed = [isinstance(text, str) and split_name(text, tables[0].names)[0] is None for text in request.preds]
        for entry, model, has_no_name in zip(request.preds, selection.models, unnamed, strict=False):
            columns = selection.slots[model]["pred"].columns
            if has_no_name and names[0] is None and models_apart(tables, selection, model, losses, options):
                preds += [(column, (column,)) for column in columns]
                numbers = tables[0].shape(columns[0]).width == 1
                one = f"; -p {shlex.quote(f'NAME={entry}')} makes them the columns of one" if numbers else ""
                notes.append(f"-p {entry}: {len(columns)} models{one}")
            else:
                preds.append(entry)
        if not notes and all(unnamed) and (why := together_by_name(tables, selection, losses, options)):
            columns = tuple(slot.columns[0] for slot in slots)
            name = ",".join(columns)
            preds = [(name, columns)]
            notes.append(f"-p {name}: the columns of one model, {why}; NAME=COLUMN makes each a model of its own")
        if notes:
            selection = select(tables, names, request._replace(preds=tuple(preds)), roles)
            selection.notes[:0] = notes
        return selection


def check_role(text: str, roles: Set[str]) -> None:
    """Raise UsageError for a role of `[MODEL:]ROLE=COLUMNS` that other losses take than those asked for."""
    owner, equals, _ = text.partition("=")
    role = owner.rpartition(":")[2]
    unasked = equals and role not in roles
    takers = [loss.name for loss in registry.losses().values() if role in loss.roles] if unasked else []
    if takers:
        raise UsageError(
            f"--role {text}: no loss asked for takes the role {role!r}; -l asks for one that does: {listed(takers)}"
        )


def model_columns(value: Names | Mapping[str, str | Sequence[str]]) -> list[str | tuple[str, str | tuple[str, ...]]]:
    """Bring predictions into one list: texts to be parsed, and pairs of a model's name and its columns."""
    if isinstance(value, Mapping):
        return [(name, columns if isinstance(columns, str) else tuple(columns)) for name, columns in value.items()]
    return list(as_list(value))


def as_list(value: Losses | Mapping[str, str | Sequence[str]]) -> list[str]:
    """Bring one text, several, or a mapping from names to texts or columns into the form of repeated options."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [f"{name}={','.join(as_list(columns))}" for name, columns in value.items()]
    if isinstance(value, str) or not isinstance(value, Collection):  # a frame's columns may be numbers
        return [str(value)]
    return list(map(str, value))


# inputs ------------------------------------------------------------------------------------------------------


class Engine(Protocol):
    """What opens the inputs of a query and reduces their rows, in place of the threads of this process."""

    def opened(self, query: Query) -> Opened:
        """Open the inputs."""

    def refusal(self, rows_out: str | None, sets: bool) -> str:
        """Say why it does not take a query that writes rows, is about sets, or goes over the rows for each output."""

    def baseline(self, path: str) -> bool:
        """Whether a path of --baseline is known to hold predictions."""
        return False

    def first(self, reader: BlockReader) -> Block | None:
        """Return the first block with a row that counts (else with any), of which the plan is made."""

    def state(
        self, query: Query, reader: BlockReader, plan: Plan, origins: Sequence[float], progress: Progress
    ) -> RunState:
        """Reduce all rows."""


class Opened(NamedTuple):
    """Inputs that have been opened: their tables, the targets' one last, the names given to them, and their paths."""

    tables: list[Table]
    names: list[str | None]
    paths: list[str]


def open_inputs(
    data: object, targets: object, dialect: Dialect, concat: bool = False, columns: Set[str] = frozenset()
) -> Opened:
    """Open the model tables, whose files are parts of one by `concat`, and, last, the targets table.

    columns: those that are asked for, which tell a mapping of frames from one of columns.
    """
    if isinstance(data, Opened):
        return data
    keep_freed_memory()  # before any block is read
    inputs = _files(data)
    files = [*(inputs or []), (None, targets)]
    paths = [os.fspath(file) for _, file in files if isinstance(file, str | os.PathLike)]
    if paths.count("-") > 1:
        raise UsageError("- (standard input) can be read once only")
    names: list[str | None] = [None]
    frames = _frames(data, columns)
    if inputs is None and frames:
        tables = [from_memory(frame, name) for name, frame in frames]
        names = [None if concat and isinstance(data, Sequence) else name for name, _ in frames]  # parts have none
        files = [*frames, (None, targets)]
    elif inputs is None:
        if concat:
            raise UsageError("concat makes one table of files; give several, or data that are one table")
        tables = [from_memory(data)]
    else:
        tables = [open_file(file, dialect, "data") for _, file in inputs]
        names = [name for name, _ in inputs]
    if concat and isinstance(data, Sequence) and len({id(frame) for _, frame in frames}) < len(frames):
        raise UsageError("concat: a frame is given twice, and its rows would count twice")
    if concat:
        part_names, names = names, list(dict.fromkeys(names))
        models = [[place for place, model in enumerate(part_names) if model == name] for name in names]
        tables = [as_one([tables[place] for place in places]) for places in models]
        files = [files[places[0]] for places in models]
    if len(tables) > 1 and not frames:
        labels = [table.label if is_stream(file) else file for (_, file), table in zip(files, tables, strict=False)]
        names = [name or stem for name, stem in zip(names, stems(labels), strict=True)]
    if targets is not None:
        is_file = isinstance(targets, str | os.PathLike) or is_stream(targets)
        tables.append(open_file(targets, dialect, TARGETS) if is_file else from_memory(targets, TARGETS))
        names = [*names, None]
    if dialect.null and not any(table.is_text for table in tables):
        table = tables[0]
        if table.format is None:
            raise UsageError("null is for text files; in memory None, NaN and NA are missing")
        raise UsageError(
            f"{table.label}: --null is for text files, and this is {table.format}; null and NaN are missing"
        )
    return Opened(tables, names, paths)


def tell_extent(progress: Progress | None, tables: Sequence[Table], *, by_key: bool = False) -> None:
    """Let a progress function that has `expect`, as a bar, know which share of the work so many rows are.

    by_key: whether rows are paired by a key, so that text is read to its end before the first row is done.
    """
    expect = getattr(progress, "expect", None)
    if expect is not None and not (by_key and any(table.rows is None for table in tables)):
        expect(partial(share_read, tables))


def check_order(data: object, targets: object, columns: Set[str]) -> None:
    """Raise DataError where pandas would pair rows otherwise than by their order: indexes of one set in two orders."""
    parts = {str(name): part for name, part in data.items()} if isinstance(data, Mapping) else {"data": data}
    parts = {name: part for name, part in parts.items() if name in columns or part is data} | {TARGETS: targets}
    series = {name: part for name, part in parts.items() if type(part).__module__.split(".")[0] == "pandas"}
    indexes = {name: cast(Any, part).index for name, part in series.items() if hasattr(part, "index")}
    for (one, index), (name, other) in combinations(indexes.items(), 2):
        alike = len(index) == len(other) and index.nlevels == other.nlevels
        if alike and not index.equals(other) and index.isin(other).all() and other.isin(index).all():
            raise DataError(
                f"{name}: its index holds the labels of that of {one} in another order, and rows are paired by their "
                f"order: {name}.reindex({one}.index) goes by the labels, reset_index(drop=True) of both by the order"
            )


def check_words(data: object, options: EvaluateOptions) -> None:
    """Raise UsageError where an input is a column or a loss: the second value after -p or -l, which take one."""
    if isinstance(data, Sequence) and len(data) == 1:
        return
    entries = [(name, file) for name, file in _files(data) or [] if isinstance(file, str) and file != "-"]
    words = [file if name is None else f"{name}={file}" for name, file in entries if not os.path.exists(file)]
    words = [text for word in words if (text := word.strip(", "))]
    files = [file for _, file in entries if os.path.exists(file)]
    if not words or not files:
        return
    columns = list(open_table(files[0], Dialect.of(options)).names)
    for word in words:
        name = printable(word)
        texts = {"-p": as_list(options["pred"]) if word in columns else [], "-l": as_list(options["losses"])}
        for option, values in texts.items():
            if values and (option == "-p" or registry.is_known(registry.bare_name(word))):
                noun = f"column of {files[0]}" if option == "-p" else "loss"
                values = [value.strip(", ") for value in (values[-1], *words) if value.strip(", ")]
                list_of_values = shlex.quote(",".join(map(printable, values)))
                raise UsageError(
                    f"{name}: no such file; it is a {noun}, and {option} takes one value: {option} {list_of_values}"
                )


def open_file(file: Any, dialect: Dialect, label: str) -> Table:
    """Open a path, or a file object, which is read to its end. label: what a nameless one is called."""
    if not is_stream(file):
        return open_table(os.fspath(file), dialect)
    name = getattr(file, "name", None)
    name = name if isinstance(name, str) else ""
    try:
        return table_of(spooled(file, printable(name) or label, name), dialect)
    except UnicodeDecodeError:
        raise UsageError(f"{printable(name) or label}: is no text: open the file in mode 'rb'") from None
    except ValueError as error:
        if isinstance(error, LossctlError):
            raise
        raise UsageError(f"{printable(name) or label}: the file object cannot be read: {error}") from None


def is_frame(data: object) -> bool:
    """Whether an input is a frame of some library: rows in columns that have names."""
    return hasattr(data, "shape") and hasattr(data, "columns")


def is_stream(data: object) -> bool:
    """Whether an input is a file object, of bytes or of text; a frame would look for columns of these names."""
    if is_frame(data):
        return False
    return callable(getattr(data, "read", None)) and callable(getattr(data, "readline", None))


def paths_of(data: object) -> list[str] | None:
    """Return the `[NAME=]PATH` texts of inputs that are files by name, None for data in memory and file objects."""
    inputs = _files(data)
    if inputs is None or not all(isinstance(file, str) for _, file in inputs):
        return None
    return [file if name is None else f"{name}={file}" for name, file in inputs]


def _files(data: object) -> list[tuple[str | None, Any]] | None:
    """Return the inputs that are files, by path or as file objects, with their names; None for data in memory."""
    if isinstance(data, str | os.PathLike) or is_stream(data):
        entries: list[tuple[str | None, Any]] = [(None, data)]
    elif isinstance(data, Mapping):
        entries = [(str(name), file) for name, file in data.items()]
    else:
        entries = [(None, file) for file in data] if isinstance(data, Sequence) else []
    if not entries or not all(isinstance(file, str | os.PathLike) or is_stream(file) for _, file in entries):
        return None
    plain = [(name, os.fspath(file) if isinstance(file, os.PathLike) else file) for name, file in entries]
    return [split_name(file) if name is None and isinstance(file, str) else (name, file) for name, file in plain]


def _frames(data: object, columns: Set[str]) -> list[tuple[str, Any]]:
    """Return the frames, each of a model, that a list or a mapping by name holds; none where it holds anything else.

    columns: those that are asked for; a mapping that has one is of columns, whose values may have several places.
    """
    if isinstance(data, str | bytes) or not isinstance(data, Mapping | Sequence):
        return []
    if isinstance(data, Mapping) and (not columns or not columns.isdisjoint(map(str, data))):
        return []
    names = list(map(str, data)) if isinstance(data, Mapping) else [str(place + 1) for place in range(len(data))]
    frames = list(data.values() if isinstance(data, Mapping) else data)
    return list(zip(names, frames, strict=True)) if frames and all(map(is_frame, frames)) else []


# commands to type next ---------------------------------------------------------------------------------------

LATE: Final = ("by", "losses")  # written behind the others


def _written(options: Mapping[str, object]) -> list[tuple[str, list[str]]]:
    """Return flags and texts of the options, named as for `evaluate`, that say something and change a number."""
    inputs = [option for option in options_of(Inputs, TextFiles) if not isinstance(option.kind, Switch)]
    inputs.sort(key=lambda option: (option.name in LATE, option.name != "targets"))
    texts = {option: as_list(cast(Losses, options.get(option.name))) for option in inputs}
    texts |= {option: [",".join(texts[option])] for option in inputs if isinstance(option.kind, Text) and texts[option]}
    return [
        (option.short or option.long, texts[option])
        for option in inputs
        if texts[option] and texts[option] != as_list(cast(Losses, option.default))
    ]


def spoken(options: Mapping[str, object]) -> list[str]:
    """Return the options, named as for `evaluate`, that say something, as they are written on a command line."""
    return [flag for flag, _ in _written(options)]


def command(verb: str, files: Iterable[str], options: Mapping[str, object], *more: str) -> str:
    """Return `lossctl VERB FILE... OPTIONS` quoted for a shell; options are named as for `evaluate`."""
    words = ["lossctl", verb, *files]
    words += [word for flag, texts in _written(options) for text in texts for word in (flag, text)]
    words += [
        option.long for option in options_of(*INPUTS) if isinstance(option.kind, Switch) and options.get(option.name)
    ]
    return shlex.join([*words, *more])


def troubled(checks: Sequence[Check]) -> list[str]:
    """Return the losses, as -l takes them, of the rules that did not pass."""
    specs = {check.loss: check.spec for check in checks if check.loss and check.status not in ("pass", "skipped")}
    texts = {
        spec if label == spec or label.startswith(f"{spec}[") else f"{label}={spec}": 0 for label, spec in specs.items()
    }
    return list(texts)
