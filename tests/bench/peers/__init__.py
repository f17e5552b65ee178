"""The same losses as experts of other tools write them: `python -m tests.bench.peers.X_peer FORM THREADS FILE...`.

A FORM that ends in +var has the variance of every mean computed as well.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

VARIANCE = "+var"


class Task(NamedTuple):
    """The form of the data, whether variances are wanted, the number of threads, and files, that of targets first."""

    form: str
    variances: bool
    threads: int
    files: list[str]


def task() -> Task:
    """What the command line asks for."""
    form, threads, *files = sys.argv[1:]
    return Task(form.removesuffix(VARIANCE), form.endswith(VARIANCE), int(threads), files)


def answer(values: Mapping[str, Any]) -> None:
    """Print values that are named model.loss, each a number or {group: number}, as {model: {loss: value}}.

    A variance is named model.loss+var.
    """
    models: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        model, _, loss = name.partition(".")
        models.setdefault(model, {})[loss] = value
    print(json.dumps(models))
