"""The terminal: what goes to standard output and error, how wide and how coloured it may be."""

from __future__ import annotations

import errno
import os
import shutil
import sys

from lossctl.errors import ExitCode, LossctlError, OutputError, UsageError
from lossctl.output.escape import inert_line


class ReaderGone(LossctlError):
    """The process that read standard output went away."""

    code = ExitCode.READER_GONE


def emit(text: str) -> None:
    """Write to standard output and flush, so that a full disk or a closed pipe is noticed here."""
    if sys.stdout is None:
        raise OutputError("standard output is closed")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        raise ReaderGone("the reader of standard output went away") from None
    except OSError as error:
        _forget_stdout()
        if error.errno == errno.EPIPE:
            raise ReaderGone("the reader of standard output went away") from None
        raise OutputError(f"standard output: {error.strerror}") from None
    except ValueError:  # Python's word for a stream that was closed under it
        raise OutputError("standard output is closed") from None


def _forget_stdout() -> None:
    """Keep the interpreter from flushing the failed stream once more at exit."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # stands in for standard output to the end


def say(text: str) -> None:
    """Write one line for people to standard error; a lost line there never changes the outcome."""
    try:
        sys.stderr.write(f"lossctl: {inert_line(text)}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return


def wants_color(choice: str) -> bool:
    """Decide whether standard output gets colour."""
    if choice not in ("auto", "always", "never"):
        raise UsageError(f"--color {choice}: auto, always or never")
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal()


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def width() -> int | None:
    """Return the width of the terminal, None if standard output is none."""
    return shutil.get_terminal_size().columns if is_terminal() else None


def ascii_only() -> bool:
    """Whether standard output cannot take the signs that tables are drawn with."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        "─·∞".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return True
    return False
