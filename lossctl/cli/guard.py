"""Guard: errors to one line on standard error and an exit code; no traceback unless asked for."""

from __future__ import annotations

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
    except ReaderGone as error:
        raise typer.Exit(error.code) from None
    except LossctlError as error:
        if debug:
            raise
        say(f"error: {error}")
        raise typer.Exit(error.code) from None
    except MemoryError:
        say("error: not enough memory")
        raise typer.Exit(ExitCode.DATA) from None
    except typer.Exit:
        raise
    except Exception as error:
        if debug:
            raise
        say(
            f"internal error in lossctl {__version__}: {type(error).__name__}: {error}; this is a bug, "
            "please report it with the output of the same command with --debug"
        )
        raise typer.Exit(ExitCode.BUG) from None
