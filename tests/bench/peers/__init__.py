"""The same losses as experts of other tools write them: `python -m tests.bench.peers.X_peer FORM THREADS FILE...`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any


def task() -> tuple[str, int, list[str]]:
    """The form of the data, the number of threads and the files, the one with the targets first."""
    form, threads, *files = sys.argv[1:]
    return form, int(threads), files


def answer(values: Mapping[str, Any]) -> None:
    """Print values that are named model.loss, each a number or {group: number}, as {model: {loss: value}}."""
    models: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        model, _, loss = name.partition(".")
        models.setdefault(model, {})[loss] = value
    print(json.dumps(models))
