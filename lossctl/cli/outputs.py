"""Outputs: where a command's result goes, checked before any work and written after it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from lossctl.api.options import FORMATS, Display
from lossctl.cli import console
from lossctl.cli.config import Settings
from lossctl.errors import UsageError, listed, near
from lossctl.io.atomic import append_text, check_writable, write_text
from lossctl.output.text import Style, inert_text

if TYPE_CHECKING:
    from lossctl.results.report import Report

SUFFIXES: Final = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".md": "md",
    ".txt": "table",
    ".xml": "junit",
}
FOR_PEOPLE: Final = ("table", "long", "md")
SUMMARY: Final = "GITHUB_STEP_SUMMARY"  # names a file that steps of a job append to

Render = Callable[[str, Style], str]


class Outputs(NamedTuple):
    """The format and style of standard output, and the files besides it."""

    form: str
    style: Style
    files: tuple[tuple[str, str], ...]

    @classmethod
    def prepare(cls, settings: Settings, formats: Sequence[str]) -> Outputs:
        """Check everything that a command with these formats is to write, before any work; no input is overwritten.

        Raises
        ------
        UsageError, OutputError
            A format is unknown, or a path cannot or must not be written.
        """
        display = settings.of(Display)
        form = checked_format(display["format"], formats)
        style = Style(console.width(), console.wants_color(display["color"]), console.ascii_only(), display["digits"])
        files = tuple(destination(text, formats) for text in display["output"])
        inputs = [piece for text in settings.paths("read") for piece in (text, text.partition("=")[2]) if piece]
        paths = [path for _, path in files] + settings.paths("write", besides="output")
        for path in paths:
            check_writable(path, inputs)
            if _is_standard_output(path):
                raise UsageError(f"{path}: is standard output, which has the format of -f")
        if len(set(map(os.path.realpath, paths))) != len(paths):
            raise UsageError(f"two outputs go to one file: {', '.join(paths)}")
        return cls(form, style, files)

    def save(self, render: Render) -> None:
        """Write the files of -o, each completely or not at all; they have nothing of the terminal's style."""
        for form, path in self.files:
            text = _rendered(render, form, Style(digits=self.style.digits))
            (append_text if _is_summary(path) else write_text)(path, text)

    def show(self, render: Render) -> None:
        """Write standard output."""
        console.emit(_rendered(render, self.form, self.style))


def _is_summary(path: str) -> bool:
    """Whether a path is the file that the steps of a job append to."""
    summary = os.environ.get(SUMMARY)
    return bool(summary) and os.path.realpath(path) == os.path.realpath(str(summary))


def _is_standard_output(path: str) -> bool:
    """Whether a path is the file to which standard output goes: replacing it would lose what is printed."""
    try:
        output, file = os.fstat(1), os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(output.st_mode) and os.path.samestat(output, file)


def _rendered(render: Render, form: str, style: Style) -> str:
    """Return the text of one format; in what people read, no line gives orders to the CI system that logs it."""
    text = render(form, style)
    return inert_text(text) if form in FOR_PEOPLE else text


def checked_format(name: str, formats: Sequence[str]) -> str:
    """Return a format's name; raise UsageError for one that the command does not have."""
    if name not in formats:
        raise UsageError(f"unknown format {name!r}; one of {listed(list(formats))}{near(name, list(formats))}")
    return name


def destination(text: str, formats: Sequence[str]) -> tuple[str, str]:
    """Split `[FMT:]PATH` into format and path; without a format, the path's ending tells."""
    name, colon, path = text.partition(":")
    if colon and name in FORMATS:
        checked_format(name, formats)
        if not path:
            raise UsageError(f"-o {text}: the path after the colon is empty")
        if path == "-":
            raise UsageError(f"-o {text}: -o writes files; standard output has the format of -f")
        return name, path
    endings = {suffix: form for suffix, form in SUFFIXES.items() if form in formats}
    for suffix, form in endings.items():
        if text.lower().endswith(suffix):
            return form, text
    raise UsageError(
        f"-o {text}: the format is not known by the name ({', '.join(endings)}); write FORMAT:PATH, as in json:out"
    )


def warn(settings: Settings, warnings: Sequence[str]) -> None:
    """Say what to beware of, unless it is not wanted."""
    for text in () if settings["quiet"] else warnings:
        console.say(f"warning: {text}")


def say_more(settings: Settings, report: Report, watch: console.Stopwatch) -> None:
    """With -v, say where the rows came from, how long it took, and every signature."""
    if not settings["verbose"]:
        return
    from lossctl.io.machine import usable_cores

    for source in report.inputs:
        console.say(f"{source.model}: {source.path}, {source.rows} rows, {source.used} used, data {source.data}")
    rows = max((source.rows for source in report.inputs), default=0)
    console.say(watch.report(rows, settings["threads"] or usable_cores()))
    for cell in report.cells:
        console.say(f"{cell.model}: {cell.signature}")
