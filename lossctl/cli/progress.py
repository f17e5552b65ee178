"""Progress: rows read so far, on standard error when that is a terminal and the work takes a while."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

DELAY = 1.0  # seconds before anything is shown


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """Give a function that takes the rows of each block, or None where nothing is to be shown."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    bar = _Bar()
    try:
        yield bar.advance
    finally:
        bar.stop()


class _Bar:
    """A rich progress line that appears after a delay and vanishes at the end."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.rows = 0
        self.live: object = None

    def advance(self, rows: int) -> None:
        self.rows += rows
        spent = time.monotonic() - self.start
        if spent < DELAY:
            return
        from rich.progress import BarColumn, Progress, TextColumn

        if self.live is None:
            from rich.console import Console

            self.live = Progress(
                BarColumn(bar_width=20, pulse_style="cyan"),
                TextColumn("{task.description}"),
                console=Console(stderr=True, markup=False),
                transient=True,
            )
            self.live.start()
            self.task = self.live.add_task("", total=None)
        assert isinstance(self.live, Progress)
        self.live.update(self.task, description=f"{self.rows:,} rows, {self.rows / spent:,.0f} rows/s")

    def stop(self) -> None:
        if self.live is not None:
            self.live.stop()  # type: ignore[attr-defined]  # a rich Progress, imported only when shown
