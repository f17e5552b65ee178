"""Inputs: what a caller may pass as data, columns and names, in one form."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lossctl.core.loss import Loss
from lossctl.errors import UsageError
from lossctl.io.column import Table
from lossctl.io.columns import split_name, stems
from lossctl.io.memory import from_memory
from lossctl.io.tables import open_table

Names = str | Sequence[str] | None
Losses = Names | Loss | Sequence[str | Loss] | Mapping[str, str | Loss]


@dataclass(frozen=True)
class Opened:
    """Inputs that have been opened: their tables, the targets' one last, the names given to them, and their paths."""

    tables: list[Table]
    names: list[str | None]
    paths: list[str]


def named(value: Names | Mapping[str, str | Sequence[str]]) -> list[str | tuple[str, str | tuple[str, ...]]]:
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


def needed_roles(losses: Sequence[Loss]) -> set[str]:
    """Return the roles that the losses read; without losses, those of the usual ones."""
    return {role for loss in losses for role in loss.roles} if losses else {"target", "pred"}


def open_inputs(
    data: object, targets: object, delimiter: str | None
) -> tuple[list[Table], list[str | None], list[str]]:
    """Open the model tables and, last, the targets table; return them with given names and paths."""
    if isinstance(data, Opened):
        return data.tables, data.names, data.paths
    split: list[tuple[str | None, str]] | None = None
    if isinstance(data, str | os.PathLike):
        split = [split_name(os.fspath(data))]
    elif isinstance(data, Mapping) and data and all(isinstance(path, str | os.PathLike) for path in data.values()):
        split = [(str(name), os.fspath(path)) for name, path in data.items()]
    elif isinstance(data, Sequence) and data and all(isinstance(path, str | os.PathLike) for path in data):
        split = [split_name(os.fspath(path)) for path in data]
    target_path = os.fspath(targets) if isinstance(targets, str | os.PathLike) else None
    names: list[str | None] = [None]
    paths: list[str] = []
    if split is None:
        tables = [from_memory(data)]
    else:
        names, paths = [name for name, _ in split], [path for _, path in split]
        if [*paths, target_path].count("-") > 1:
            raise UsageError("- (standard input) can be read once only")
        tables = [open_table(path, delimiter) for path in paths]
        if len(tables) > 1:
            names = [given or stem for given, stem in zip(names, stems(paths), strict=True)]
    if targets is not None:
        if target_path is not None:
            paths.append(target_path)
            tables.append(open_table(target_path, delimiter))
        else:
            tables.append(from_memory(targets, "targets"))
        names = [*names, None]
    return tables, names, paths
