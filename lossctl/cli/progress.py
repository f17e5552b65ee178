"""Progress: rows done so far, on standard error, where the work takes a while."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lossctl.cli.terminal import say

DELAY = 1.0  # seconds before anything is shown


@contextmanager
def progress(wanted: bool | None, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """Give a function that takes the rows of each block, or None where nothing is to be shown.

    Where it is not said, progress is shown on a terminal unless notes are silenced. Elsewhere it is plain lines.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()
    if sys.stderr is None or not (terminal and not quiet if wanted is None else wanted):
        yield None
        return
    shown = _Bar() if terminal else _Lines()
    try:
        yield shown.advance
    finally:
        shown.stop()


def so_far(rows: int, spent: float) -> str:
    """Word how many rows are done, and how fast."""
    return f"{rows:,} rows, {rows / spent:,.0f} rows/s"


class _Lines:
    """A line every now and then, for a log."""

    def __init__(self) -> None:
        self.start = self.last = time.monotonic()
        self.rows = 0

    def advance(self, rows: int) -> None:
        self.rows += rows
        now = time.monotonic()
        if now - self.last >= DELAY:
            self.last = now
            say(so_far(self.rows, now - self.start))

    def stop(self) -> None:
        """Leave nothing open."""


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
        self.live.update(self.task, description=so_far(self.rows, spent))

    def stop(self) -> None:
        if self.live is not None:
            self.live.stop()  # type: ignore[attr-defined]  # a rich Progress, imported only when shown
