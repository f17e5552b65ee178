"""Commands: what to type next, as one line of a shell, from the arguments of a call."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from lossctl.api.inputs import as_list
from lossctl.core.report import Check

OPTIONS: Final = {
    "targets": "--targets",
    "target": "-t",
    "pred": "-p",
    "id": "--id",
    "roles": "--role",
    "weight": "-w",
    "activation": "--activation",
    "positive_label": "--positive-label",
    "classes": "--classes",
    "task": "--task",
    "missing": "--missing",
    "delimiter": "-d",
    "by": "--by",
    "losses": "-l",
}


def paths_of(data: object) -> list[str] | None:
    """Return the `[NAME=]PATH` texts of inputs that are files, None for data in memory."""
    if isinstance(data, str | os.PathLike):
        return [os.fspath(data)]
    if isinstance(data, Mapping) and data and all(isinstance(path, str | os.PathLike) for path in data.values()):
        return [f"{name}={os.fspath(path)}" for name, path in data.items()]
    if isinstance(data, Sequence) and data and all(isinstance(path, str | os.PathLike) for path in data):
        return [os.fspath(path) for path in data]
    return None


def spoken(options: Mapping[str, object]) -> list[str]:
    """Return the options, named as for `evaluate`, that say something, as they are written on a command line."""
    return [
        option
        for name, option in OPTIONS.items()
        if as_list(options.get(name)) and (name, options[name]) != ("missing", "error")  # type: ignore[arg-type]
    ]


def command(verb: str, files: Iterable[str], options: Mapping[str, object], *more: str) -> str:
    """Return `lossctl VERB FILE... OPTIONS` quoted for a shell; options are named as for `evaluate`."""
    words = ["lossctl", verb, *files]
    said = spoken(options)
    for name, option in OPTIONS.items():
        if option in said:
            for text in as_list(options[name]):  # type: ignore[arg-type]  # what evaluate takes
                words += [option, text]
    if options.get("per_output"):
        words.append("--per-output")
    return shlex.join([*words, *more])


def troubled(checks: Sequence[Check]) -> list[str]:
    """Return the losses, as -l takes them, of the rules that did not pass."""
    specs = {check.loss: check.spec for check in checks if check.status not in ("pass", "skipped")}
    found = {
        spec if label == spec or label.startswith(f"{spec}[") else f"{label}={spec}": 0 for label, spec in specs.items()
    }
    return list(found)
