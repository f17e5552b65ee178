"""Outputs: where a command's result goes, checked before any work and written after it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from lossctl.cli.options import FORMATS, Display
from lossctl.cli.terminal import ascii_only, emit, wants_color, width
from lossctl.errors import UsageError, listed, near
from lossctl.io.atomic import append_text, check_writable, write_text
from lossctl.output.escape import inert_text
from lossctl.output.style import Style

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
    def prepare(
        cls, display: Display, formats: Sequence[str], reads: Iterable[str] = (), writes: Iterable[str | None] = ()
    ) -> Outputs:
        """Check everything that is to be written, before any work.

        Parameters
        ----------
        display
            What the user wants.
        formats
            The formats of this command.
        reads
            Inputs, as paths or `NAME=PATH`: none is overwritten.
        writes
            Further files that the command writes itself.

        Raises
        ------
        UsageError, OutputError
            A format is unknown, or a path cannot or must not be written.
        """
        form = checked_format(display.format, formats)
        style = Style(width(), wants_color(display.color), ascii_only(), display.digits)
        files = tuple(destination(text, formats) for text in display.output)
        inputs = [piece for text in reads for piece in (text, text.partition("=")[2]) if piece]
        paths = [path for _, path in files] + [path for path in writes if path is not None]
        for path in paths:
            check_writable(path, inputs)
            if _is_output_file(path):
                raise UsageError(f"{path}: is standard output, which has the format of -f")
        if len(set(map(os.path.realpath, paths))) != len(paths):
            raise UsageError(f"two outputs go to one file: {', '.join(paths)}")
        return cls(form, style, files)

    def save(self, render: Render) -> None:
        """Write the files of -o, each whole or not at all; what it says of the terminal's style is left out."""
        for form, path in self.files:
            text = _printed(render, form, Style(digits=self.style.digits))
            (append_text if _is_summary(path) else write_text)(path, text)

    def show(self, render: Render) -> None:
        """Write standard output."""
        emit(_printed(render, self.form, self.style))


def _is_summary(path: str) -> bool:
    """Whether a path is the file that the steps of a job append to."""
    summary = os.environ.get(SUMMARY)
    return bool(summary) and os.path.realpath(path) == os.path.realpath(str(summary))


def _is_output_file(path: str) -> bool:
    """Whether a path is the file to which standard output goes: replacing it would lose what is printed."""
    try:
        own, other = os.fstat(1), os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(own.st_mode) and os.path.samestat(own, other)


def _printed(render: Render, form: str, style: Style) -> str:
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
    endings = {suffix: found for suffix, found in SUFFIXES.items() if found in formats}
    for suffix, found in endings.items():
        if text.lower().endswith(suffix):
            return found, text
    raise UsageError(
        f"-o {text}: the format is not known by the name ({', '.join(endings)}); write FORMAT:PATH, as in json:out"
    )
