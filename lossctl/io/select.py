"""Roles to columns: which column of which table plays which part, for which model."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lossctl.core.form import CODED, GIVEN, OPTIONAL
from lossctl.errors import DataError, UsageError, listed, near, printable
from lossctl.io.table import Table

TARGET_NAMES = ("y_true", "target", "label")
PRED_NAMES = ("y_pred", "pred", "prediction")
WITHIN = "\0"  # ends the name of groups by cluster: no column has it
TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson")
OUTPUT_SUFFIXES = (".gz", ".bz2", ".zst", *TEXT_SUFFIXES, ".parquet", ".npy", ".npz")


@dataclass(frozen=True)
class Slot:
    """Columns of one table that together play one role."""

    table: int
    columns: tuple[str, ...]

    def named(self) -> str:
        """Name the columns for a message."""
        names = [repr(printable(name)) for name in self.columns]
        return ", ".join(names) if len(names) <= 4 else f"{names[0]} to {names[-1]} ({len(names)} in all)"


@dataclass(frozen=True)
class Request:
    """What was asked for, as written: the options that say which columns play which role."""

    target: str | None = None
    preds: tuple[str | tuple[str, str | tuple[str, ...]], ...] = ()
    roles: tuple[str, ...] = ()
    weight: str | None = None
    by: tuple[str, ...] = ()
    has_targets_file: bool = False
    cluster: str | None = None
    time: str | None = None


@dataclass
class Selection:
    """Models, and role by role the columns that they use. `notes` say what was chosen without being asked.

    clusters: groups by cluster, within each slicing of `by` too; times: groups by time. Both have names that no
    slicing has.
    """

    models: list[str]
    slots: dict[str, dict[str, Slot]]
    target: Slot | None = None
    weight: Slot | None = None
    by: dict[str, tuple[Slot, ...]] = field(default_factory=dict)
    clusters: dict[str, tuple[Slot, ...]] = field(default_factory=dict)
    times: dict[str, tuple[Slot, ...]] = field(default_factory=dict)
    patterns: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def groupings(self) -> dict[str, tuple[Slot, ...]]:
        """The columns of all groups: slices, clusters and times."""
        return {**self.by, **self.clusters, **self.times}


def split_name(text: str, taken: Sequence[str] = ()) -> tuple[str | None, str]:
    """Split `NAME=REST` at the first `=`, unless the whole is an existing file or column or NAME has a `/`."""
    name, equals, rest = text.partition("=")
    if not equals or "/" in name or text in taken or os.path.exists(text):
        return None, text
    if not name:
        raise UsageError(f"{text!r}: the name before = is empty")
    return name, rest


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


def find(table: Table, text: str) -> tuple[str, ...]:
    """Resolve `a`, `a,b,c` or `p_*` to columns of a table; raise DataError for what it does not have."""
    names = list(table.names)
    if text in names:
        return (text,)
    found: list[str] = []
    for piece in text.split(","):
        if piece in names:
            found.append(piece)
        elif any(mark in piece for mark in "*?["):
            matching = [name for name in names if fnmatch.fnmatchcase(name, piece)]
            if not matching:
                raise DataError(unknown_column(table, piece, "no column matches"))
            found.extend(matching)
            table.watch(piece)
        else:
            raise DataError(unknown_column(table, piece, "there is no column"))
    if len(set(found)) != len(found):
        raise UsageError(f"{text!r} names a column of {table.label} twice")
    return tuple(found)


def exactly(table: Table, columns: Sequence[str]) -> tuple[str, ...]:
    """Return columns that are named one by one; raise DataError for one that a table does not have."""
    for name in columns:
        if name not in table.names:
            raise DataError(unknown_column(table, name, "there is no column"))
    return tuple(columns)


def unknown_column(table: Table, piece: str, problem: str) -> str:
    """Say that a table has no such column, which one may be meant, and which it has."""
    names = [printable(name) for name in table.names]
    return f"{table.label}: {problem} {printable(piece)!r}{near(piece, names)}; it has {listed(names)}"


def default_column(table: Table, candidates: Sequence[str], option: str, notes: list[str]) -> str:
    """Take the only column, or the one that bears a usual name; raise UsageError if there is none or several."""
    if len(table.names) == 1:
        return table.names[0]
    present = [name for name in candidates if name in table.names]
    if len(present) != 1:
        names = listed([printable(name) for name in table.names])
        raise UsageError(f"{table.label}: say which column is meant with {option}; it has {names}")
    notes.append(f"{option} {present[0]} (a usual name, as none was given)")
    return present[0]


def select(tables: Sequence[Table], names: Sequence[str | None], request: Request, needed: set[str]) -> Selection:
    """Resolve every option to columns. Tables are the model files in order, then the targets file if any."""
    files = list(range(len(tables) - int(request.has_targets_file)))
    base = len(tables) - 1 if request.has_targets_file else 0
    chosen = Selection([], {})
    for text in request.preds:
        if "pred" not in needed:
            raise UsageError(f"-p {text}: the losses asked for take no prediction column, but {_roles(needed)}")
    if "pred" in needed:
        _predictions(tables, names, request, files, chosen)
    _extra_roles(tables, names, request, files, chosen, needed)
    if len(set(chosen.models)) != len(chosen.models):
        twice = next(name for name in chosen.models if chosen.models.count(name) > 1)
        raise UsageError(f"two models are called {printable(twice)!r}; name them with NAME=")
    if "target" in needed:
        text = request.target or default_column(tables[base], TARGET_NAMES, "-t", chosen.notes)
        chosen.target = Slot(base, find(tables[base], text))
        chosen.patterns["target"] = text
    elif request.target is not None:
        raise UsageError(f"-t {request.target}: the losses asked for take no target, but {_roles(needed)}")
    if request.weight is not None:
        chosen.weight = Slot(base, find(tables[base], request.weight))
        if len(chosen.weight.columns) != 1:
            raise UsageError(f"-w {request.weight} names {len(chosen.weight.columns)} columns; one is needed")
    for text in request.by:
        columns = find(tables[base], text)
        chosen.by[",".join(columns)] = tuple(Slot(base, (column,)) for column in columns)
    if request.cluster is not None:
        own = Slot(base, _one_column(tables[base], request.cluster, "--cluster"))
        chosen.clusters = {f"{slicing}{WITHIN}": (*slots, own) for slicing, slots in [("", ()), *chosen.by.items()]}
    if request.time is not None:
        chosen.times = {f"{WITHIN}time": (Slot(base, _one_column(tables[base], request.time, "--time")),)}
    return chosen


def _one_column(table: Table, text: str, option: str) -> tuple[str, ...]:
    columns = find(table, text)
    if len(columns) != 1:
        raise UsageError(f"{option} {text} names {len(columns)} columns; one is needed")
    return columns


def _roles(needed: set[str]) -> str:
    return listed(sorted(needed))


def _predictions(
    tables: Sequence[Table], names: Sequence[str | None], request: Request, files: list[int], chosen: Selection
) -> None:
    """Fill in the models and their `pred` columns."""
    preds = request.preds
    if len(files) > 1 and len(preds) > 1:
        raise UsageError("several files and several -p: give one file with several -p, or several files with one -p")
    for i in files:
        table = tables[i]
        own = not preds and len(table.names) == 1
        texts = preds or (default_column(table, PRED_NAMES, "-p", chosen.notes),)
        for text in texts:
            given, columns = split_name(text, table.names) if isinstance(text, str) else text
            if len(files) > 1 and given is not None:
                raise UsageError(f"-p {text}: with several files the names are given to the files, as NAME=PATH")
            found = find(table, columns) if isinstance(columns, str) else exactly(table, columns)
            columns = columns if isinstance(columns, str) else ",".join(columns)
            name = names[i] if len(texts) == 1 and names[i] else given
            if name is None:
                name = stems([t.label for t in tables])[i] if len(files) > 1 or own else _model_name(columns, table)
            chosen.models.append(name)
            chosen.slots[name] = {"pred": Slot(i, found)}
            chosen.patterns[name] = columns


def _model_name(columns: str, table: Table) -> str:
    """Name a model by its column; a glob by what stands before its star."""
    glob = "*" in columns and columns not in table.names
    return (columns.split("*")[0].rstrip("_.-") if glob else "") or columns


def _extra_roles(
    tables: Sequence[Table],
    names: Sequence[str | None],
    request: Request,
    files: list[int],
    chosen: Selection,
    needed: set[str],
) -> None:
    """Fill in the roles given by --role, and the models that only they name.

    Roles that the data give, as `query`, stand beside the target and are the same for all models.
    """
    extra = sorted(needed - {"target", "pred"})
    base = len(tables) - 1 if request.has_targets_file else 0
    parsed: list[tuple[str | None, str, str]] = []
    for text in request.roles:
        left, equals, columns = text.partition("=")
        model, colon, role = left.rpartition(":")
        if not equals or not columns or not role:
            raise UsageError(f"--role {text!r} is not [MODEL:]ROLE=COLUMNS, as in anchor=a_*")
        if role not in extra:
            known = f"they take {listed(extra)}" if extra else "they take none"
            raise UsageError(f"--role {text}: no loss asked for takes the role {role!r}; {known}{near(role, extra)}")
        parsed.append((model if colon else None, role, columns))
        if colon and role in GIVEN:
            raise UsageError(f"--role {text}: {role} is the same for all models; write --role {role}={columns}")
    if not extra:
        return
    if not chosen.models:
        labels = stems([tables[i].label for i in files])
        by_files: list[str] = [names[i] or label for i, label in zip(files, labels, strict=True)]
        chosen.models = list(dict.fromkeys(model for model, _, _ in parsed if model)) or by_files
        chosen.slots = {model: {} for model in chosen.models}
    for owner, role, columns in sorted(parsed, key=lambda entry: entry[0] is not None):
        if owner is not None and owner not in chosen.slots:
            raise UsageError(f"--role {owner}:{role}: no model {owner!r}; the models are {listed(chosen.models)}")
        for name in [owner] if owner else chosen.models:
            if role in CODED:
                _one_column(tables[base], columns, f"--role {role}")
            place = base if role in GIVEN else files[chosen.models.index(name)] if len(files) > 1 else files[0]
            chosen.slots[name][role] = Slot(place, find(tables[place], columns))
    for name in chosen.models:
        for role in extra:
            if role not in chosen.slots[name] and role not in OPTIONAL:
                raise UsageError(f"model {name!r} lacks the role {role!r}: add --role {role}=COLUMNS")


def assignments(texts: Sequence[str], models: Sequence[str], option: str) -> Mapping[str, str]:
    """Resolve `[MODEL=]VALUE` texts to a value for each model; later ones win for the models they name."""
    found: dict[str, str] = {}
    for text in texts:
        model, equals, value = text.rpartition("=")
        if equals and model not in models:
            raise UsageError(f"{option} {text}: no model {model!r}; the models are {listed(list(models))}")
        if not equals and any(model in found for model in models):
            raise UsageError(f"{option} {text}: given twice; write MODEL=VALUE to tell models apart")
        found |= {model: value} if equals else dict.fromkeys(models, value)
    return found


def output_names(pattern: str, columns: Sequence[str]) -> tuple[str, ...] | None:
    """Name the columns of a role by class or output; None where only their position tells."""
    if len(columns) < 2:
        return None
    found: list[str] = []
    if pattern.count("*") == 1 and not set("?[,") & set(pattern):
        prefix, suffix = pattern.split("*")
        found = [name[len(prefix) : len(name) - len(suffix)] for name in columns]
    elif all("_" in name for name in columns):
        found = [name.rpartition("_")[2] for name in columns]
    return tuple(found) if found and len(set(found)) == len(found) and all(found) else None


def pair_outputs(chosen: Selection) -> tuple[str, ...] | None:
    """Put every model's (and the target's) columns into one order of names; return the names, if there are any.

    Raises UsageError where globs name different outputs: columns would be paired wrongly by position.
    """
    entries: dict[str, tuple[Slot, tuple[str, ...] | None]] = {}
    for model in chosen.models:
        slot = chosen.slots[model].get("pred")
        if slot is not None and model in chosen.patterns:
            entries[model] = slot, output_names(chosen.patterns[model], slot.columns)
    if chosen.target is not None and len(chosen.target.columns) > 1:
        entries["target"] = chosen.target, output_names(chosen.patterns["target"], chosen.target.columns)
    named = {who: names for who, (_, names) in entries.items() if names is not None}
    if not named:
        return None
    first, order = next(iter(named.items()))
    for who, names in named.items():
        slot = entries[who][0]
        if len(names) == len(order) and set(names) != set(order) and "*" in chosen.patterns[who]:
            raise UsageError(
                f"{who!r} and {first!r} name different outputs: {listed(sorted(names))} and {listed(sorted(order))}"
            )
        if set(names) == set(order):
            place = dict(zip(names, slot.columns, strict=True))
            paired = replace(slot, columns=tuple(place[name] for name in order))
            if who == "target":
                chosen.target = paired
            else:
                chosen.slots[who]["pred"] = paired
    return order


def classes_for(width: int, names: Sequence[str] | None, given: str | None) -> tuple[str, ...]:
    """Return the class labels of K = width prediction columns, in their order."""
    if given is not None:
        classes = tuple(label.strip() for label in given.split(","))
        if len(set(classes)) != len(classes):
            raise UsageError(f"--classes {given}: a class is named twice")
        if len(classes) != width:
            raise UsageError(f"--classes names {len(classes)} classes, but the prediction has {width} columns")
        return classes
    if names is not None and len(names) == width:
        return tuple(names)
    return tuple(str(code) for code in range(width))
