"""Stopwatch: where the time of all threads went, so that users see what limits them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


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
