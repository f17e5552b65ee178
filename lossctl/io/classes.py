"""Classes and outputs of all models: their columns put into one order, by the labels that the target holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from lossctl.core.domain import ClassCodes
from lossctl.core.naming import Classes, labels_of, listed_classes, namings, output_names, readings
from lossctl.errors import DataError, UsageError, listed
from lossctl.io.select import Selection, Slot
from lossctl.io.table import FIRST, Column, Kind, Numbers, Table, Texts, Vocabulary, decoded
from lossctl.numerics.array import Array


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
            selection.target = replace(slot, columns=columns)
        elif columns is not None and owner is not None:
            selection.slots[owner]["pred"] = replace(slot, columns=columns)
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
            selection.slots[model]["pred"] = replace(slot, columns=columns_in_order)
    return classes
