"""Stopwatch: where the time of all threads went, and with -v what else there is to say of a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from lossctl.cli.terminal import say

if TYPE_CHECKING:
    from lossctl.core.report import Evaluation


class Stopwatch:
    """Adds up, over all threads, the seconds of each phase.

    Files are read and decoded in one call: what of it the processor did counts as decoding, the rest as waiting for
    bytes.
    """

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._spent = {"pair": 0.0, "read": 0.0, "decode": 0.0, "compute": 0.0, "merge": 0.0}
        self._lock = Lock()

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Time what is done meanwhile."""
        wall, worked = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            wall, worked = time.perf_counter() - wall, time.thread_time() - worked
            with self._lock:
                if phase == "read":
                    self._spent["read"] += max(wall - worked, 0.0)
                    self._spent["decode"] += worked
                else:
                    self._spent[phase] += wall

    def report(self, rows: int, threads: int) -> str:
        """Say in one line where the time went."""
        wall = time.perf_counter() - self._begun
        shown = {phase: spent for phase, spent in self._spent.items() if spent or phase != "pair"}
        parts = ", ".join(f"{phase} {spent:.2f} s" for phase, spent in shown.items())
        most = max(shown, key=lambda phase: shown[phase])
        each = "1 thread" if threads == 1 else f"{threads} threads"
        return f"{wall:.2f} s, {rows / wall:,.0f} rows/s; over {each}: {parts}; most of it: {most}"


def say_more(report: Evaluation, watch: Stopwatch, threads: int) -> None:
    """Say where the rows came from, how long it took, and every signature."""
    for source in report.inputs:
        say(f"{source.model}: {source.path}, {source.rows} rows, {source.used} used, data {source.data}")
    say(watch.report(max((source.rows for source in report.inputs), default=0), threads))
    for cell in report.cells:
        say(f"{cell.model}: {cell.signature}")
