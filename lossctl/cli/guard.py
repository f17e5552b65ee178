"""Guard: errors to one line on standard error and an exit code; a traceback before it where asked for."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from lossctl import __version__
from lossctl.cli.terminal import ReaderGone, say
from lossctl.errors import ExitCode, LossctlError


@contextmanager
def guarded(debug: bool) -> Iterator[None]:
    """Turn what goes wrong inside into a message and typer.Exit."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        if debug:
            traceback.print_exc()
        code, message = outcome(error)
        if message:
            say(message)
        raise typer.Exit(code) from None


def outcome(error: Exception) -> tuple[ExitCode, str]:
    """Return the exit code and the line for people that an exception becomes."""
    if isinstance(error, ReaderGone):
        return error.code, ""
    if isinstance(error, LossctlError):
        return error.code, f"error: {error}"
    if hasattr(error, "format_message"):  # Typer's own word on the command line; its classes are not public
        path = getattr(getattr(error, "ctx", None), "command_path", "lossctl")
        return ExitCode.USAGE, f"error: {error.format_message().rstrip('.')}; `{path} -h` explains"
    if isinstance(error, MemoryError):
        return ExitCode.DATA, "error: not enough memory"
    return ExitCode.BUG, (
        f"internal error in lossctl {__version__}: {type(error).__name__}: {error}; this is a bug, "
        "please report it with the output of the same command with --debug"
    )
