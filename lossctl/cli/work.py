"""Work: what every command does around its own: memory kept, progress shown, phases timed, and said at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypedDict

from lossctl.cli.options import Display
from lossctl.cli.progress import progress
from lossctl.cli.stopwatch import Stopwatch
from lossctl.cli.terminal import say

if TYPE_CHECKING:
    from lossctl.api.job import Note
    from lossctl.core.report import Evaluation
    from lossctl.engine.run import Progress, Watch


class Hooks(TypedDict):
    """Who is told while the work is done, as `lossctl.api` takes it."""

    progress: Progress | None
    note: Note | None
    watch: Watch


@contextmanager
def at_work(display: Display, watch: Stopwatch) -> Iterator[Hooks]:
    """Show progress while the work is done, and time its phases where they will be told; plug-ins cannot print."""
    from lossctl.cli.heap import keep_freed_memory
    from lossctl.core.foreign import descriptor_aside
    from lossctl.engine.run import unwatched

    keep_freed_memory()
    with descriptor_aside(), progress(display.progress, display.quiet) as advance:
        yield {
            "progress": advance,
            "note": None if display.quiet else say,
            "watch": watch if display.verbose else unwatched,
        }


def warn(display: Display, warnings: Sequence[str]) -> None:
    """Say what to beware of, unless it is not wanted."""
    for text in () if display.quiet else warnings:
        say(f"warning: {text}")


def say_more(display: Display, report: Evaluation, watch: Stopwatch, threads: int | None) -> None:
    """With -v, say where the rows came from, how long it took, and every signature."""
    if not display.verbose:
        return
    from lossctl.io.machine import usable_cores

    for source in report.inputs:
        say(f"{source.model}: {source.path}, {source.rows} rows, {source.used} used, data {source.data}")
    say(watch.report(max((source.rows for source in report.inputs), default=0), threads or usable_cores()))
    for cell in report.cells:
        say(f"{cell.model}: {cell.signature}")
