"""Standard output, standard error, files: what a command writes there, how errors end it, and what shows its work."""

from __future__ import annotations

import gc
import os
import shutil
import stat
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TextIO

import typer

from lossctl.api.options import ALL_FORMATS, SUFFIXES
from lossctl.errors import SHORTAGE, ExitCode, LossctlError, OutputError, UsageError, is_shortage, listed, near
from lossctl.interrupts import say_at_end, watch_long_calls
from lossctl.io.machine import address_space
from lossctl.version import __version__

if TYPE_CHECKING:
    from lossctl.api.report import Gallery
    from lossctl.cli.config import Settings
    from lossctl.engine.run import Watch
    from lossctl.output.text import Style
    from lossctl.results.report import Cell, Input, Report

# standard output and standard error --------------------------------------------------------------------------


class ReaderGone(LossctlError):
    """The process that read standard output went away."""

    code = ExitCode.READER_GONE


COLLECTED: Final = 10_000  # objects after which cycles are sought: of many columns nearly all stay
PATIENCE: Final = 0.25  # seconds in which the reader of a pipe may read what is written


def emit(text: str | Iterator[str]) -> None:
    """Write a text, or its pieces, to standard output and flush.

    A full disk is noticed here, and a reader that leaves before it has read all, as `head -1` does: so the first line
    goes ahead of the others, which a pipe might take together with it.
    """
    pieces = iter([text] if isinstance(text, str) else text)
    first, line_end, others = next(pieces, "").partition("\n")
    _put(first + line_end, flush=True)
    reads = _await_reader()
    for piece in chain([others], pieces):
        _put(piece)
    _put("", flush=True)
    if reads:
        _await_reader()


def _put(text: str, *, flush: bool = False) -> None:
    if sys.stdout is None:
        raise OutputError("standard output is closed")
    try:
        if text:
            sys.stdout.write(text)
        if flush:
            sys.stdout.flush()
    except OSError as error:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # or the interpreter would flush the failed stream at exit
        if isinstance(error, BrokenPipeError):
            raise ReaderGone("the reader of standard output went away") from None
        raise OutputError(f"standard output: {error.strerror}") from None
    except ValueError:  # Python's word for a stream that was closed under it
        raise OutputError("standard output is closed") from None


def _await_reader() -> bool:
    """Wait until the pipe that standard output may be is empty; return whether its reader reads, or there is no pipe.

    Raises
    ------
    ReaderGone
        The reader left something unread.
    """
    ending = time.monotonic() + PATIENCE
    try:
        pipe = sys.stdout.fileno()
        if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
            return True
        from fcntl import ioctl
        from select import POLLERR, poll
        from termios import FIONREAD

        ends = poll()
        ends.register(pipe, POLLERR)
        while int.from_bytes(ioctl(pipe, FIONREAD, bytes(4)), sys.byteorder):
            if ends.poll(0):
                raise ReaderGone("the reader of standard output went away")
            if time.monotonic() > ending:
                return False
            time.sleep(0.0001)
    except (OSError, ValueError, ImportError):  # a system without such pipes, or a stream that is none of it
        pass
    return True


ERROR: Final = "error:"
KINDS: Final = {ERROR: "1;31", "warning:": "1;33"}  # how a line begins, and the colour of that


class Messages:
    """How standard error is written; like that, it is the process's own."""

    color = "auto"


def say(text: str) -> None:
    """Write one line for people to standard error; a lost line there never changes the outcome.

    On a terminal it is wrapped, but for an error, whose advice is copied, and its kind has a colour.
    """
    from lossctl.output.text import inert_line, wrap

    line = f"lossctl: {inert_line(text)}"
    kind = next((kind for kind in KINDS if text.startswith(kind)), "")
    try:
        if kind != ERROR and is_terminal(sys.stderr):
            line = wrap(line, shutil.get_terminal_size().columns, then="  ")
        if kind and wants_color(Messages.color, sys.stderr):
            line = line.replace(kind, f"\x1b[{KINDS[kind]}m{kind}\x1b[0m", 1)
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return


def terminal_style(color: str, digits: int = 5) -> Style:
    """Return how standard output is written, by what it is; color: auto, always or never."""
    from lossctl.output.text import Style

    return Style(width(), wants_color(color, sys.stdout), ascii_only(), digits)


def width() -> int | None:
    """Return the width of the terminal, None if standard output is none."""
    return shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal."""
    return stream is not None and stream.isatty()


def wants_color(choice: str, stream: TextIO | None) -> bool:
    """Decide whether a stream gets colour."""
    if choice not in ("auto", "always", "never"):
        raise UsageError(f"--color {choice}: auto, always or never")
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal(stream)


def ascii_only() -> bool:
    """Whether standard output cannot take the signs that tables are drawn with."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        "─·∞".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return True
    return False


# outputs: where a command's result goes, checked before any work and written after it -----------------------

MANY_SLICES: Final = 1000
FOR_PEOPLE: Final = ("table", "long", "md", "text")
WITHOUT_INTERVALS: Final = ("table", "md", "html", "latex", "value")  # formats of eval
SUMMARY: Final = "GITHUB_STEP_SUMMARY"  # names a file that steps of a job append to

Content = str | bytes | Iterator[str]
Render = Callable[[str, "Style"], Content]


class Outputs(NamedTuple):
    """The format and style of standard output, and the files besides it."""

    form: str
    style: Style
    files: tuple[tuple[str, str], ...]

    @classmethod
    def prepare(cls, settings: Settings, formats: Sequence[str], besides: Sequence[str] = ()) -> Outputs:
        """Check everything that a command with these formats is to write, before any work; no input is overwritten.

        besides: formats of files alone.

        Raises
        ------
        UsageError, OutputError
            A format is unknown, or a path cannot or must not be written.
        """
        from lossctl.io.atomic import check_rows_path, check_writable

        form = checked_format(settings["format"], formats)
        style = terminal_style(settings["color"], settings.get("digits", 5))
        if "top" in settings:
            style = style._replace(sort=settings["sort"], top=settings["top"])
        files = tuple(destination(text, (*formats, *besides)) for text in settings["output"])
        inputs = settings.inputs()
        paths = [path for _, path in files] + settings.paths("write", besides="output")
        if settings.get("rows_out") is not None:  # before a pipe is opened
            check_rows_path(settings["rows_out"])
        for path in paths:
            check_writable(path, inputs)
            if _is_standard_output(path):
                raise UsageError(f"{path}: is standard output, which has the format of -f")
        for path in filter(_is_standard_output, inputs):
            raise UsageError(f"{path}: is an input, and standard output goes there too")
        if len(set(map(os.path.realpath, paths))) != len(paths):
            raise UsageError(f"two outputs go to one file: {', '.join(paths)}")
        return cls(form, style, files)

    def gallery(self, settings: Settings) -> Gallery | None:
        """Return what counts the plots of a page, where one is among the files."""
        if all(form != "html" for form, _ in self.files):
            return None
        from lossctl.api.report import Gallery
        from lossctl.output.vega import need_libraries

        need_libraries()
        return Gallery.of(settings.arguments)

    def save(self, render: Render) -> None:
        """Write the files of -o, each completely or not at all; they have nothing of the terminal's style."""
        for form, path in self.files:
            _write(path, _rendered(render, form, self.style._replace(width=None, color=False, ascii=False)))

    def show(self, render: Render) -> None:
        """Write standard output."""
        content = _rendered(render, self.form, self.style)
        emit(content.decode() if isinstance(content, bytes) else content)


def replace_output(text: str, formats: Sequence[str], inputs: Sequence[str], render: Callable[[str], str]) -> None:
    """Write one `[FMT:]PATH` of -o that is no input; raise LossctlError where that cannot be."""
    from lossctl.io.atomic import check_writable

    form, path = destination(text, formats)
    check_writable(path, inputs)
    if not _is_standard_output(path):
        _write(path, render(form))


def _write(path: str, content: Content) -> None:
    """Write a file whole or not at all; to the summary that the steps of a job share, append a text."""
    from lossctl.io.atomic import append_text, write_bytes, write_text

    if isinstance(content, bytes):
        write_bytes(path, [content])
    else:
        (append_text if _is_summary(path) else write_text)(path, content)


def _is_summary(path: str) -> bool:
    """Whether a path is the file that the steps of a job append to."""
    summary = os.environ.get(SUMMARY)
    return bool(summary) and os.path.realpath(path) == os.path.realpath(str(summary))


def _is_standard_output(path: str) -> bool:
    """Whether a path is the file to which standard output goes: replacing it would lose what is printed."""
    from lossctl.files import is_same

    with suppress(OSError):
        return is_same(path, os.fstat(1))
    return False


def _rendered(render: Render, form: str, style: Style) -> Content:
    """Return the text of one format; in what people read, no line gives orders to the CI system that logs it."""
    from lossctl.output.text import inert_text

    content = render(form, style)
    if form not in FOR_PEOPLE or isinstance(content, bytes):
        return content
    return inert_text(content if isinstance(content, str) else "".join(content))


def checked_format(name: str, formats: Sequence[str]) -> str:
    """Return a format's name; raise UsageError for one that the command does not have."""
    if name not in formats:
        raise UsageError(f"unknown format {name!r}; one of {listed(list(formats))}{near(name, list(formats))}")
    return name


def destination(text: str, formats: Sequence[str]) -> tuple[str, str]:
    """Split `[FMT:]PATH` into format and path; without a format, the path's ending tells."""
    name, colon, path = text.partition(":")
    if colon and name in ALL_FORMATS:
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


# errors ------------------------------------------------------------------------------------------------------


def ended(error: Exception, *, debug: bool) -> typer.Exit:
    """Say what went wrong, and return what ends the run with its exit code."""
    if debug:
        with suppress(OSError, ValueError, AttributeError):  # as all that is said, it may be lost
            traceback.print_exception(error)
    code, message = outcome(error)
    if message:
        say(message)
    return typer.Exit(code)


@contextmanager
def guarded(debug: bool) -> Iterator[None]:
    """End the run in this way for what goes wrong inside."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        raise ended(error, debug=debug) from None


def outcome(error: Exception) -> tuple[ExitCode, str]:
    """Return the exit code and the line for people that an exception becomes."""
    if isinstance(error, ReaderGone):
        return error.code, ""
    if isinstance(error, LossctlError):
        return error.code, f"error: {error}" if error.code else ""
    if hasattr(error, "format_message"):  # Typer's own word on the command line; its classes are not public
        path = getattr(getattr(error, "ctx", None), "command_path", "lossctl")
        return ExitCode.USAGE, f"error: {error.format_message().rstrip('.')}; `{path} -h` explains"
    # what a function in C returns without memory may not even be an exception
    if is_shortage(error) or (isinstance(error, SystemError) and address_space() is not None):
        return ExitCode.DATA, f"error: {SHORTAGE}; fewer rows at a time, as with --threads 1, or a higher limit may do"
    return ExitCode.BUG, (
        f"internal error in lossctl {__version__}: {type(error).__name__}: {error}; this is a bug, "
        "please report it with the output of the same command with --debug"
    )


# work --------------------------------------------------------------------------------------------------------

DELAY = 1.0  # seconds before progress is shown


class Work(NamedTuple):
    """What a command does meanwhile: the functions that are called, as `lossctl.api` takes them, and the stopwatch."""

    hooks: Mapping[str, Any]
    watch: Stopwatch


@contextmanager
def at_work(settings: Settings) -> Iterator[Work]:
    """Show progress while the work is done, and time its phases where they will be printed; plug-ins cannot print."""
    from lossctl.engine.run import unwatched
    from lossctl.files import descriptor_aside

    watch_long_calls()
    gc.freeze()  # what was imported stays, and need not be searched for cycles
    gc.set_threshold(COLLECTED)
    gc.enable()
    stopwatch = Stopwatch()
    with descriptor_aside(), progress(settings["progress"], settings["quiet"]) as advance:
        note = None if settings["quiet"] else say
        watch: Watch = stopwatch if settings.get("verbose") else unwatched
        yield Work({"progress": advance, "note": note, "watch": watch}, stopwatch)


WRITTEN: Final = ("output", "save_baseline", "format", "digits", "sort", "top")  # what merging shares writes, and how


def elsewhere(settings: Settings, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return as a keyword what reduces the rows in place of this process, where the options ask for it."""
    shard, path = settings["shard"], settings["state_out"]
    if shard is None and path is None and settings["engine"] == "threads":
        if settings["engine_address"] is not None:
            raise UsageError("--engine-address: is that of an engine: add --engine ray or --engine spark")
        return {}
    from lossctl.api.shares import Command, FileShare

    rest = {name: value for name, value in arguments.items() if name != "data"}
    command = Command.of(settings.command, arguments["data"], rest)
    if settings["engine"] != "threads":
        if shard is not None or path is not None:
            raise UsageError(
                f"--shard and --engine {settings['engine']} contradict each other: an engine cuts by itself"
            )
        from lossctl.api.clusters import ENGINES

        return {"engine": ENGINES[settings["engine"]](command, settings["engine_address"])}
    if shard is None or path is None:
        lone, other = ("--shard", "--state-out FILE") if path is None else ("--state-out", "--shard I/N")
        raise UsageError(f"{lone}: a share is computed with both: add {other}")
    for option in settings.options:
        value, is_file, flag = settings[option.name], option.path == "write", option.short or option.long
        is_typed = settings.sources[option.name].level.words == "command line"
        if option.name in WRITTEN and (value if is_file else is_typed):
            raise UsageError(
                f"{flag}: a share leaves a state; `lossctl merge STATE... {flag} {'FILE' if is_file else value}` "
                "writes what comes of all"
            )
    return {"engine": FileShare(command, shard, path, threads=settings["threads"])}


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
        """Return one line on where the time went."""
        wall = time.perf_counter() - self._begun
        phases = {phase: spent for phase, spent in self._spent.items() if spent or phase != "pair"}
        parts = ", ".join(f"{phase} {spent:.2f} s" for phase, spent in phases.items())
        longest = max(phases, key=lambda phase: phases[phase])
        over = "1 thread" if threads == 1 else f"{threads} threads"
        return f"{wall:.2f} s, {rows / wall:,.0f} rows/s; over {over}: {parts}; most of it: {longest}"


def warn(settings: Settings, warnings: Sequence[str]) -> None:
    """Say what to beware of, unless it is not wanted."""
    for text in () if settings["quiet"] else warnings:
        say(f"warning: {text}")


def computed(
    function: Callable[..., Report], settings: Settings, outputs: Outputs, arguments: Mapping[str, Any] | None = None
) -> tuple[Report, Stopwatch, Gallery | None]:
    """Return the report that a function of the Python interface makes, where time went, and the plots of a page.

    arguments: those of the settings, if they are not given.
    """
    gallery = outputs.gallery(settings)
    arguments = settings.arguments if arguments is None else arguments
    with at_work(settings) as work:
        hooks = {**work.hooks, **elsewhere(settings, arguments), **(gallery.hooks if gallery else {})}
        return function(**{**arguments, **hooks}), work.watch, gallery


def show(
    settings: Settings, outputs: Outputs, report: Report, watch: Stopwatch, gallery: Gallery | None = None
) -> None:
    """Write a report to the files of -o and to standard output, and its notes to standard error.

    An HTML file is the page, which always lists the worst rows.
    """
    for text in () if settings["quiet"] else notes(report, settings):
        say(text)
    shown = report if gallery is None or settings["worst"] else replace(report, worst=())

    def content(form: str, style: Style) -> Content:
        if form != "html":
            return shown.render(form, style)
        from lossctl.api.report import page_of
        from lossctl.output.html import page_text

        return page_text((page_of if gallery is None else gallery.page)(report, settings.typed()), style)

    outputs.save(content)
    say_more(settings, watch, report.inputs, report.cells)
    outputs.show(shown.render)


def notes(report: Report, settings: Settings) -> Iterator[str]:
    """Yield what to know of a report in the format of standard output."""
    from lossctl.api.evaluate import ROUGH

    form = settings["format"]
    if report.slices > MANY_SLICES and report.command != "check" and form in FOR_PEOPLE and not settings["top"]:
        yield f"{report.slices} slices: --top 20 --sort worst shows the worst of them, -f csv writes all for a program"
    shows_intervals = report.command != "eval" or form not in WITHOUT_INTERVALS
    yield from (f"warning: {text}" for text in report.warnings if shows_intervals or not text.startswith(ROUGH))


def say_more(
    settings: Settings,
    watch: Stopwatch,
    inputs: Sequence[Input] = (),
    cells: Sequence[Cell] = (),
    rows: int | None = None,
) -> None:
    """Say with -v where the rows came from, how long it took, and every signature.

    rows: how many were read, if the inputs do not say it.
    """
    if not settings["verbose"]:
        return
    from lossctl.io.machine import usable_cores

    for source in inputs:
        say(f"{source.model}: {source.path}, {source.rows} rows, {source.used} used, data {source.data}")
    rows = max((source.rows for source in inputs), default=0) if rows is None else rows
    say(watch.report(rows, settings.get("threads") or usable_cores()))
    for cell in cells:
        say(f"{cell.model}: {cell.signature}")


@contextmanager
def progress(choice: bool | None, quiet: bool) -> Iterator[ProgressLines | None]:
    """Give what takes the rows of each block, or None where nothing is to be shown.

    Without a choice, progress is shown on a terminal unless notes are silenced. Elsewhere it is plain lines.
    """
    terminal = is_terminal(sys.stderr)
    if sys.stderr is None or not (terminal and not quiet if choice is None else choice):
        yield None
        return
    display = ProgressBar() if terminal else ProgressLines()
    try:
        yield display
    finally:
        display.stop()


def clock(seconds: float) -> str:
    """Write a time as minutes and seconds, or as hours, too."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


class ProgressLines:
    """A line every now and then, for a log."""

    def __init__(self) -> None:
        self.start = self.last = time.monotonic()
        self.rows = 0
        self._share_of: Callable[[int], float | None] = lambda rows: None

    def expect(self, share_of: Callable[[int], float | None]) -> None:
        """Take the function from rows to their share of all work, which returns None where that is unknown."""
        self._share_of = share_of

    def __call__(self, rows: int) -> None:
        """Count the rows of a block, and show them where it is time."""
        self.rows += rows
        now = time.monotonic()
        if now - self.last >= DELAY:
            self.last = now
            share, seconds = self._share_of(self.rows), now - self.start
            text = f"{self.rows:,} rows, {self.rows / seconds:,.0f} rows/s"
            if share:
                text = f"{100.0 * share:.0f}%, {text}, {clock(seconds / share - seconds)} left"
            self.show(text, share)

    def show(self, text: str, share: float | None) -> None:
        """Print how far the work is."""
        say(text)

    def stop(self) -> None:
        """Leave nothing open."""


class ProgressBar(ProgressLines):
    """A rich progress line that appears after a delay and vanishes at the end."""

    bar: Any = None  # a rich Progress, imported only when shown

    def show(self, text: str, share: float | None) -> None:
        self.last = self.start  # after the delay, every block moves it
        if self.bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            self.bar = Progress(
                BarColumn(bar_width=20),
                TextColumn("{task.description}"),
                console=Console(stderr=True, markup=False),
                transient=True,
            )
            say_at_end("\r\x1b[2K\x1b[?25h")  # as it would: without its line, and with the cursor that it hides
            self.bar.start()
            self.task = self.bar.add_task("", total=1.0)
        self.bar.update(self.task, description=text, completed=share or 0.0)

    def stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            say_at_end("")
