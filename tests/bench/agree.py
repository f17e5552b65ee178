"""Holds every peer to the values of lossctl: `python -m tests.bench.agree READER=NAME=FILE...`, lossctl's first.

Runs in a process of its own: reports of many groups are large, and the process that measures must stay small.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

TOLERANCE = 1e-9
VARIANCE = "+var"
SHOWN = 20


class Value(NamedTuple):
    """What a value is of; the group is empty unless the workload slices. A variance is of LOSS+var."""

    model: str
    loss: str
    group: str = ""


Values = dict[Value, float]


def lossctl_values(text: str) -> Values:
    """The values of `lossctl eval -f json`: those of the slices if there are any, else those of all rows.

    Of a loss that is a mean of rows the squared standard error times the rows is the variance.
    """
    values: Values = {}
    for result in json.loads(text)["results"]:
        model, loss, group = result["model"], result["loss"], " ".join(map(str, result["slice"].values()))
        values[Value(model, loss, group)] = math.nan if result["value"] is None else result["value"]
        if loss != "rmse" and result["stderr"] is not None:
            values[Value(model, loss + VARIANCE, group)] = result["stderr"] ** 2 * result["n"]
    slices = {key: value for key, value in values.items() if key.group}
    return slices or values


def peer_values(text: str) -> Values:
    """The values of a peer: {model: {loss: value}} or {model: {loss: {group: value}}}."""
    values: Values = {}
    for model, losses in json.loads(text).items():
        for loss, value in losses.items():
            groups = value.items() if isinstance(value, dict) else [("", value)]
            # a group of one row has no variance
            values.update({Value(model, loss, group): number for group, number in groups if number is not None})
    return values


def differences(expected: Values, actual: Values) -> Iterator[tuple[Value, float | None, float | None]]:
    """The values that differ by more than the tolerance, or that one of the two does not have.

    Variances are no concern of a peer that has none.
    """
    variances = any(key.loss.endswith(VARIANCE) for key in actual)
    for key in sorted(expected.keys() | actual.keys()):
        if key.loss.endswith(VARIANCE) and not variances:
            continue
        mine, its = expected.get(key), actual.get(key)
        if mine is None or its is None or not abs(mine - its) <= TOLERANCE * max(abs(mine), abs(its)):
            yield key, mine, its


READERS: dict[str, Callable[[str], Values]] = {"lossctl": lossctl_values, "peer": peer_values}


def main() -> int:
    """Print a table of what differs and return 1, or say nothing and return 0."""
    (subject, expected), *others = (
        (name, READERS[reader](Path(path).read_text()))
        for reader, name, path in (word.split("=", 2) for word in sys.argv[1:])
    )
    lines = [
        f"{name:10} {key.model:8} {key.loss:12} {key.group:12} {mine!s:24} {its!s:24}"
        for name, actual in others
        for key, mine, its in differences(expected, actual)
    ]
    if not lines:
        return 0
    print(f"{'contestant':10} {'model':8} {'loss':12} {'group':12} {subject:24} {'contestant':24}", file=sys.stderr)
    print(*lines[:SHOWN], sep="\n", file=sys.stderr)
    if len(lines) > SHOWN:
        print(f"and {len(lines) - SHOWN:,} more", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
