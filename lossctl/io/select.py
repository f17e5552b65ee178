"""Selection: which column of which table plays which role, for which model, and which class each column is."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from lossctl.core.domain import ClassCodes
from lossctl.core.form import CODED, GIVEN, OPTIONAL, QUERY
from lossctl.core.naming import Classes, labels_of, listed_classes, namings, output_names, readings
from lossctl.errors import DataError, UsageError, listed, near, printable
from lossctl.io.table import FIRST, Column, Kind, Numbers, Table, Texts, Vocabulary, decoded
from lossctl.numerics.array import Array

if TYPE_CHECKING:
    from lossctl.io.bins import Bins

TARGET_NAMES: Final = ("y", "y_true", "target", "actual", "label", "truth")
PRED_NAMES: Final = ("pred", "y_pred", "yhat", "prediction", "forecast", "proba", "score")
MOST_WAYS: Final = 4  # columns that a message offers
KEY_NAMES: Final = ("id", "row_id", "key", "uid", "uuid")
WITHIN: Final = "\0"  # ends the name of groups by cluster: no column has it
SET: Final = "set"
NUMBER: Final = r"(?i)\s*[-+]?[\d.]+(e[-+]?\d+)?\s*"
TEXT_SUFFIXES: Final = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson")
OUTPUT_SUFFIXES: Final = (".gz", ".bz2", ".zst", *TEXT_SUFFIXES, ".parquet", ".npy", ".npz", ".feather", ".arrow")


class Request(NamedTuple):
    """What the options say of columns and roles, as written.

    preds: texts, or pairs of a model's name and its columns. has_targets_file: whether the last table holds targets
    alone. key: columns that are never chosen unasked, as they tell rows apart.
    """

    target: str | None = None
    preds: tuple[str | tuple[str, str | tuple[str, ...]], ...] = ()
    roles: tuple[str, ...] = ()
    weight: str | None = None
    by: tuple[str, ...] = ()
    has_targets_file: bool = False
    cluster: str | None = None
    time: str | None = None
    key: tuple[str, ...] = ()


class Slot(NamedTuple):
    """Columns of one table (by its place) that together play one role; one that tells slices may have bins."""

    table: int
    columns: tuple[str, ...]
    bins: Bins | None = None

    def named(self) -> str:
        """Name the columns for a message."""
        names = [repr(printable(name)) for name in self.columns]
        return ", ".join(names) if len(names) <= 4 else f"{names[0]} to {names[-1]} ({len(names)} in all)"


class Selection:
    """Models, and role by role the columns that they use.

    by: the slots of each slicing. clusters: groups by cluster, within each slicing of `by` too; times: groups by time;
    both have names that no slicing has. patterns: model -> its prediction columns as written; target_pattern: the
    target's. notes: what was decided without being asked.
    """

    def __init__(self, models: list[str], slots: dict[str, dict[str, Slot]], target: Slot | None = None) -> None:
        self.models, self.slots, self.target = models, slots, target
        self.weight: Slot | None = None
        self.by: dict[str, tuple[Slot, ...]] = {}
        self.clusters: dict[str, tuple[Slot, ...]] = {}
        self.times: dict[str, tuple[Slot, ...]] = {}
        self.patterns: dict[str, str] = {}
        self.target_pattern: str | None = None
        self.notes: list[str] = []

    @cached_property
    def groupings(self) -> dict[str, tuple[Slot, ...]]:
        """The columns of all groups: slices, clusters and times."""
        return {**self.by, **self.clusters, **self.times}


def select(tables: Sequence[Table], names: Sequence[str | None], request: Request, needed: set[str]) -> Selection:
    """Resolve every option to columns.

    Parameters
    ----------
    tables, names
        The model files in order, then the targets file if any; the names that the model files were given.
    request
        The options.
    needed
        The roles that the losses take.
    """
    return _Selector(tables, names, request, needed).selection


def predicts_target(tables: Sequence[Table], selection: Selection, model: str) -> bool:
    """Whether the prediction of a model is the column of the target, of the same table or file."""
    slot, target = selection.slots[model].get("pred"), selection.target
    if slot is None or target is None or set(slot.columns).isdisjoint(target.columns):
        return False
    paths = tables[slot.table].label, tables[target.table].label
    return slot.table == target.table or (all(map(os.path.exists, paths)) and os.path.samefile(*paths))


class _Selector:
    """Fills in a selection, option by option."""

    def __init__(
        self, tables: Sequence[Table], names: Sequence[str | None], request: Request, needed: set[str]
    ) -> None:
        self.tables, self.names, self.request, self.needed = tables, names, request, needed
        self.files = range(len(tables) - int(request.has_targets_file))
        self.place = len(tables) - 1 if request.has_targets_file else 0  # of the table with the target and all groups
        self.base = tables[self.place]
        selection = self.selection = Selection([], {})
        if request.preds and "pred" not in needed:
            raise UsageError(f"-p {request.preds[0]}: the losses asked for take no prediction column, {self._but()}")
        if "pred" in needed:
            self._predictions()
        self._extra_roles()
        if len(set(selection.models)) != len(selection.models):
            twice = next(name for name in selection.models if selection.models.count(name) > 1)
            raise UsageError(f"two models are called {printable(twice)!r}; name them with NAME=")
        if "target" in needed:
            text = request.target or self._default(self.base, TARGET_NAMES, "-t", self._preds(), bool(request.preds))
            selection.target, selection.target_pattern = Slot(self.place, find(self.base, text)), text
            perfect = [model for model, roles in selection.slots.items() if roles.get("pred") == selection.target]
            way = f"; a file of the truth alone goes to --targets {self.base.label}" if len(self.files) > 1 else ""
            selection.notes += [
                f"{model}: its prediction is the target itself, which is perfect{way}" for model in perfect
            ]
        elif request.target is not None:
            raise UsageError(f"-t {request.target}: the losses asked for take no target, {self._but()}")
        if request.weight is not None:
            selection.weight = self._one_column(request.weight, "-w")
        for text in request.by:
            slots = self._slicing(text)
            labels = [slot.columns[0] + (f":{slot.bins.text}" if slot.bins else "") for slot in slots]
            selection.by[",".join(labels)] = slots
        if request.cluster is not None:
            cluster = self._one_column(request.cluster, "--cluster")
            slicings = [("", ()), *selection.by.items()]
            selection.clusters = {f"{slicing}{WITHIN}": (*slots, cluster) for slicing, slots in slicings}
        if request.time is not None:
            selection.times = {f"{WITHIN}time": (self._one_column(request.time, "--time"),)}
        selection.notes += [
            f"{table.label}: {listed([printable(name) for name in table.skipped], 5)}: no part, as names with . or _ "
            "before them are none"
            for table in tables
            if table.skipped
        ]
        selection.notes = list(dict.fromkeys(selection.notes))

    def _slicing(self, text: str) -> tuple[Slot, ...]:
        """Return the columns of a slicing, with the bins that stand after a colon."""
        words: list[str] = []
        for word in [] if text in self.base.names else text.split(","):
            if words and ":edges=" in words[-1] and word not in self.base.names and re.fullmatch(NUMBER, word):
                words[-1] += f"/{word}"
            else:
                words.append(word)
        binned = {}
        for word in words:
            column, _, bins = word.rpartition(":")
            if column in self.base.names and word not in self.base.names:
                from lossctl.io.bins import bins_of

                binned[word] = Slot(self.place, find(self.base, (column,)), bins_of(bins, f"--by {word}"))
        if not binned:
            return tuple(Slot(self.place, (column,)) for column in find(self.base, text))
        return tuple(chain.from_iterable([binned[word]] if word in binned else self._slicing(word) for word in words))

    def _default(
        self, table: Table, candidates: Sequence[str], option: str, others: Sequence[str], others_given: bool
    ) -> str:
        """Return the only column but for keys and others, or that of a usual name; UsageError for none or several.

        others: columns of the other role. others_given: whether an option says so; else one that is left is not taken
        if it might be one of them.
        """
        values = [name for name in table.names if name not in self.request.key]
        if len(values) == 1:
            return values[0]
        values = [name for name in values if name not in others]
        present = usual(candidates, values)
        doubtful = not others_given and bool(usual((*TARGET_NAMES, *PRED_NAMES), values))
        if len(values) == 1 and not present and not doubtful:
            self.selection.notes.append(f"{option} {values[0]} (the only column without a role)")
            return values[0]
        if len(present) != 1:
            names = listed([printable(name) for name in table.names])
            several = f"; {listed(list(map(printable, present)))} are usual names" if present else ""
            ways = " or ".join(f"{option} {shlex.quote(printable(name))}" for name in (present or values)[:MOST_WAYS])
            way = f" ({ways})" if ways and len(present or values) <= MOST_WAYS else ""
            raise UsageError(f"{table.label}: say which column is meant with {option}{way}; it has {names}{several}")
        self.selection.notes.append(f"{option} {present[0]} (a usual name, as none was given)")
        return present[0]

    def _target_beside(self, table: Table) -> list[str]:
        """Return the target's column, by the option or by a usual name; an empty list without one."""
        if self.request.target is not None:
            return [self.request.target]
        present = usual(TARGET_NAMES, [name for name in table.names if name not in self.request.key])
        return present if len(present) == 1 else []

    def _preds(self) -> list[str]:
        """Return the columns beside the target that models use."""
        slots = [slot for roles in self.selection.slots.values() for slot in roles.values()]
        return [name for slot in slots if slot.table == self.place for name in slot.columns]

    def _but(self) -> str:
        return f"but {listed(sorted(self.needed))}"

    def _one_column(self, text: str, option: str) -> Slot:
        columns = find(self.base, text)
        if len(columns) != 1:
            raise UsageError(f"{option} {text} names {len(columns)} columns; one is needed")
        return Slot(self.place, columns)

    def _predictions(self) -> None:
        """Fill in the models and their `pred` columns."""
        preds, several = self.request.preds, len(self.files) > 1
        if several and len(preds) > 1:
            raise UsageError(
                "several files and several -p: give one file with several -p, or several files with one -p; if the "
                "files are parts of one table, add --concat"
            )
        for i in self.files:
            table = self.tables[i]
            by_file = several or (not preds and len(table.names) == 1)
            target = [] if preds else [name for name in self._target_beside(table) if name in table.names]
            texts = preds or (self._default(table, PRED_NAMES, "-p", target, self.request.target is not None),)
            for text in texts:
                name, pattern = split_name(text, table.names) if isinstance(text, str) else text
                if several and name is not None:
                    raise UsageError(f"-p {text}: with several files the names are given to the files, as NAME=PATH")
                columns = find(table, pattern, self._of_other_roles(i))
                pattern = pattern if isinstance(pattern, str) else ",".join(pattern)
                name = self.names[i] if len(texts) == 1 and self.names[i] else name
                if name is None:
                    name = stems([t.label for t in self.tables])[i] if by_file else model_name(pattern, table, columns)
                self.selection.models.append(name)
                self.selection.slots[name] = {"pred": Slot(i, columns)}
                self.selection.patterns[name] = pattern

    def _of_other_roles(self, place: int) -> set[str]:
        """Return the columns of a table that options give to other roles: a pattern does not mean them."""
        request = self.request
        if place != self.place:
            return set(request.key)
        slices = [word for text in request.by for word in (text, *(word.partition(":")[0] for word in text.split(",")))]
        names = [*request.key, request.weight, *slices, request.cluster, request.time]
        names += self._target_beside(self.base) if "target" in self.needed else []
        return {name for name in names if name is not None}

    def _extra_roles(self) -> None:
        """Fill in the roles given by --role, and the models that only they name.

        Roles that the data give, as `query`, stand beside the target and are the same for all models.
        """
        extra = sorted(self.needed - {"target", "pred"})
        entries = [role_entry(text, extra) for text in self.request.roles]
        if not extra:
            return
        selection = self.selection
        if not selection.models:
            labels = stems([self.tables[i].label for i in self.files])
            by_files = [self.names[i] or label for i, label in zip(self.files, labels, strict=True)]
            selection.models = list(dict.fromkeys(model for model, _, _ in entries if model)) or by_files
            selection.slots = {model: {} for model in selection.models}
        for model, role, text in sorted(entries, key=lambda entry: entry[0] is not None):
            if model is not None and model not in selection.slots:
                raise UsageError(
                    f"--role {model}:{role}: no model {model!r}; the models are {listed(selection.models)}"
                )
            for place, name in enumerate(selection.models):
                if model in (None, name):
                    if role in CODED:
                        self._one_column(text, f"--role {role}")
                    i = self._table_of(role, place)
                    selection.slots[name][role] = Slot(i, find(self.tables[i], text))
        for place, name in enumerate(selection.models):
            for role in extra:
                if role in selection.slots[name] or role in OPTIONAL:
                    continue
                i = self._table_of(role, place)
                present = usual([role], self.tables[i].names)
                if len(present) != 1:
                    raise UsageError(f"model {name!r} lacks the role {role!r}: add --role {role}=COLUMNS")
                selection.notes.append(f"--role {role}={present[0]} (its own name, as none was given)")
                selection.slots[name][role] = Slot(i, find(self.tables[i], present[0]))

    def _table_of(self, role: str, model: int) -> int:
        """Return which table has the columns of a role for a model, the n-th."""
        return self.place if role in GIVEN else self.files[model if len(self.files) > 1 else 0]


def role_entry(text: str, roles: Sequence[str]) -> tuple[str | None, str, str]:
    """Split `[MODEL:]ROLE=COLUMNS` into model, role and columns; raise UsageError for a role that no loss takes.

    `set` is another word for the role of sets.
    """
    owner, equals, columns = text.partition("=")
    model, colon, role = owner.rpartition(":")
    if role == SET and SET not in roles:
        role = QUERY
    if not equals or not columns or not role:
        raise UsageError(f"--role {text!r} is not [MODEL:]ROLE=COLUMNS, as in anchor=a_*")
    if role not in roles:
        allowed = f"they take {listed(list(roles))}" if roles else "they take none"
        raise UsageError(
            f"--role {text}: no loss asked for takes the role {role!r}; {allowed}{near(role, list(roles))}"
        )
    if colon and role in GIVEN:
        raise UsageError(f"--role {text}: {role} is the same for all models; write --role {role}={columns}")
    return model if colon else None, role, columns


# columns of one table -------------------------------------------------------------------------------------------------


def find(table: Table, text: str | tuple[str, ...], of_other_roles: Collection[str] = ()) -> tuple[str, ...]:
    """Resolve `a`, `a,b,c`, `p_*` or columns named one by one; raise DataError for what a table does not have.

    of_other_roles: columns that a pattern leaves out.
    """
    names = list(table.names)
    if text in names:
        table.place(str(text))
        return (str(text),)
    if isinstance(text, str) and (members := [name for name in names if name.startswith(f"{text}.")]):
        for name in members:
            table.place(name)
        return tuple(members)  # of a frame, or of a record, that is a column
    columns: list[str] = []
    for word in text.split(",") if isinstance(text, str) else text:
        piece = word if word in names or not isinstance(text, str) else word.strip()
        if piece in names:
            table.place(piece)
            columns.append(piece)
        elif isinstance(text, str) and any(mark in piece for mark in "*?["):
            matching = [name for name in names if fnmatch.fnmatchcase(name, piece) and name not in of_other_roles]
            if not matching:
                raise DataError(unknown_column(table, piece, "no column matches"))
            for name in matching:
                table.place(name)
            columns.extend(matching)
            table.watch(piece)
        else:
            raise DataError(unknown_column(table, piece, "there is no column"))
    if isinstance(text, str) and len(set(columns)) != len(columns):
        raise UsageError(f"{text!r} names a column of {table.label} twice")
    return tuple(columns)


def key_columns(tables: Sequence[Table], texts: Sequence[str]) -> tuple[str, ...]:
    """Resolve `a`, `a,b` or names to the columns of a key; raise DataError for one that a table lacks."""
    columns: list[str] = []
    for text in texts:
        columns += [text] if all(text in table.names for table in tables) else text.split(",")
    for table in tables:
        for column in columns:
            if column not in table.names:
                raise DataError(unknown_column(table, column, "--id: there is no column"))
            table.place(column)
    if len(set(columns)) != len(columns):
        raise UsageError(f"--id {','.join(columns)} names a column twice")
    return tuple(columns)


def unknown_column(table: Table, piece: str, problem: str) -> str:
    """Say that a table has no such column, which one may be meant, and which it has."""
    names = [printable(name) for name in table.names]
    return f"{table.label}: {problem} {printable(piece)!r}{near(piece, names)}; it has {listed(names)}{table.doubt}"


def usual(candidates: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the names that are usual ones, or else those that are but for case, `_`, `-`, points and blanks.

    >>> usual(["y_true", "y"], ["Y_True", "P"])
    ['Y_True']
    """
    exact = [name for name in candidates if name in names]
    keys = set(map(_plain, candidates))
    return exact or [name for name in names if _plain(name) in keys]


def _plain(name: str) -> str:
    return re.sub(r"[-_.\s]", "", name).casefold()


# names of models ------------------------------------------------------------------------------------------------------


def split_name(text: str, columns: Sequence[str] = ()) -> tuple[str | None, str]:
    """Split `NAME=VALUE` at the first `=`, unless the whole is an existing file or column or NAME has a `/`."""
    name, equals, value = text.partition("=")
    if not equals or "/" in name or text in columns or os.path.exists(text):
        return None, text
    if not name:
        raise UsageError(f"{text!r}: the name before = is empty")
    return name, value


def stems(paths: Sequence[str]) -> list[str]:
    """Name files by their shortest unique path ends without suffixes."""
    split = [path.rstrip("/").split("/") if path != "-" else ["stdin"] for path in paths]
    for pieces in split:
        last = pieces[-1]
        while last.lower().endswith(OUTPUT_SUFFIXES):
            last = last[: last.rindex(".")]
        pieces[-1] = last or pieces[-1]
    for depth in range(1, max(map(len, split), default=1) + 1):
        names = ["/".join(pieces[-depth:]) for pieces in split]
        if len(set(names)) == len(names):
            return names
    return ["/".join(pieces) for pieces in split]


def model_name(pattern: str, table: Table, columns: Sequence[str]) -> str:
    """Name a model by its column; a glob by what stands before its star."""
    if pattern not in table.names and len(columns) == 1 and "*" not in pattern:
        return columns[0]
    glob = "*" in pattern and pattern not in table.names
    return (pattern.split("*")[0].rstrip("_.-") if glob else "") or pattern


def assignments(texts: Sequence[str], models: Sequence[str], option: str) -> Mapping[str, str]:
    """Resolve `[MODEL=]VALUE` texts to a value for each model; later ones win for the models they name."""
    values: dict[str, str] = {}
    for text in texts:
        model, equals, value = text.rpartition("=")
        if equals and model not in models:
            raise UsageError(f"{option} {text}: no model {model!r}; the models are {listed(list(models))}")
        if not equals and any(model in values for model in models):
            raise UsageError(f"{option} {text}: given twice; write MODEL=VALUE to tell models apart")
        values |= {model: value} if equals else dict.fromkeys(models, value)
    return values


# classes and outputs, by the labels that the target holds ------------------------------------------------------------


def pair_outputs(selection: Selection) -> tuple[str, ...] | None:
    """Put every model's (and the target's) columns into one order of names; return the names, if there are any.

    Raises UsageError where globs name different outputs: columns would be paired wrongly by position.
    """
    slots = {model: roles["pred"] for model, roles in selection.slots.items() if "pred" in roles}
    owners: list[tuple[str | None, Slot, str]] = [
        (model, slot, selection.patterns.get(model, "")) for model, slot in slots.items()
    ]
    if selection.target is not None:
        owners.append((None, selection.target, selection.target_pattern or ""))
    owners = [(owner, slot, pattern) for owner, slot, pattern in owners if len(slot.columns) > 1]
    order: tuple[str, ...] | None = None
    for owner, slot, pattern in owners:
        first, first_slot, first_pattern = owners[0]
        columns = _in_order_of(first_slot.columns, first_pattern, slot.columns, pattern)
        if columns is not None and owner is None:
            selection.target = slot._replace(columns=columns)
        elif columns is not None and owner is not None:
            selection.slots[owner]["pred"] = slot._replace(columns=columns)
        names = output_names(pattern, columns or slot.columns)
        if names is not None and order is not None and columns is None and len(names) == len(order) and "*" in pattern:
            raise UsageError(
                f"{owner or 'target'!r} and {first or 'target'!r} name different outputs: {listed(sorted(names))} and "
                f"{listed(sorted(order))}"
            )
        order = order or names
    return order


def _in_order_of(
    first: Sequence[str], first_pattern: str, columns: Sequence[str], pattern: str
) -> tuple[str, ...] | None:
    """Return columns in the order of the first ones that bear the same names; None where they bear others."""
    by_names = {frozenset(names): dict(zip(names, columns, strict=True)) for names in namings(columns, pattern)[::-1]}
    for names in namings(first, first_pattern):
        if by_name := by_names.get(frozenset(names)):
            return tuple(by_name[name] for name in names)
    return None


def _first_rows(tables: Sequence[Table], slot: Slot, kind: Kind) -> Iterator[Column]:
    """Yield the first rows of a column, in pieces."""
    rows, [name] = 0, slot.columns
    for piece in decoded(tables[slot.table].read({name: kind})):
        yield piece[name].cut(slice(0, FIRST - rows))
        rows += piece.rows
        if rows >= FIRST:
            return


def first_words(tables: Sequence[Table], slot: Slot, kind: Kind = Kind.TEXT) -> list[str]:
    """Return the labels in the first rows of a column; what cannot be read ends them, as a pass over it will say."""
    vocabulary = Vocabulary(partial(tables[slot.table].keeps_words, slot.columns[0]))
    with suppress(DataError):
        for column in _first_rows(tables, slot, kind):
            assert isinstance(column, Texts)
            vocabulary.codes(column)
    return vocabulary.words


def first_numbers(tables: Sequence[Table], slot: Slot) -> Array | None:
    """Return the numbers in the first rows of a column, without missing ones; None where there is not one per row."""
    pieces = [np.empty((1, 0))]
    try:
        for column in _first_rows(tables, slot, Kind.NUMBER):
            assert isinstance(column, Numbers)
            if len(column.values) != 1:  # texts in lists may be numbers, too
                return None
            pieces.append(column.values)
    except DataError:
        return None
    values = np.concatenate(pieces, axis=1)[0]
    return values[~np.isnan(values)]


def classes_of(
    tables: Sequence[Table],
    selection: Selection,
    width: int,
    text: str | None,
    ignored: Sequence[str] = (),
    labels_of_target: Sequence[str] | None = None,
) -> Classes:
    """Decide which label each of `width` prediction columns is; put those of every model into one order.

    text: --classes. ignored: labels that need not be classes. labels_of_target: in place of the first words of the
    target. Raises UsageError where names and labels do not agree.
    """
    preds = {model: (roles["pred"], selection.patterns.get(model, "")) for model, roles in selection.slots.items()}
    if text is not None:
        labels = listed_classes(text, width)
        for slot, pattern in preds.values():
            orders = readings(slot.columns, pattern, labels)
            if orders and tuple(range(width)) not in orders:
                raise UsageError(
                    f"--classes {text}: the columns {slot.named()} are other labels by their names, in another order; "
                    "leave --classes out, and each column is the label that it is named by"
                )
        return Classes(labels, "option")
    assert selection.target is not None
    strange = ClassCodes(ignored)
    words = first_words(tables, selection.target) if labels_of_target is None else labels_of_target
    words = [word for word in words if strange.of([word])[0] < 0]
    by_model = {model: labels_of(slot.columns, pattern, words, width) for model, (slot, pattern) in preds.items()}
    classes = next((c for c in by_model.values() if c.by == "position"), next(iter(by_model.values())))
    order = ClassCodes(classes.labels)
    for model, (slot, _) in preds.items():
        places = order.of(by_model[model].labels)[:-1].tolist()
        if sorted(places) != list(range(width)):
            raise UsageError(
                f"{next(iter(preds))!r} and {model!r} name different classes: {listed(list(classes.labels))} and "
                f"{listed(list(by_model[model].labels))}; --classes LABEL,... names those of every model"
            )
        if by_model[model].by == "names":
            columns = dict(zip(places, slot.columns, strict=True))
            columns_in_order = tuple(columns[place] for place in range(width))
            selection.slots[model]["pred"] = slot._replace(columns=columns_in_order)
    return classes
