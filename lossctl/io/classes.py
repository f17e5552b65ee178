"""Class names: from --classes, from what `*` matched, from the text after the last `_`, else by position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lossctl.errors import UsageError, listed
from lossctl.io.columns import Selection, Slot


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
