"""Entry point: run the application and end the process with its exit code."""

from __future__ import annotations

import os
import sys

from lossctl.errors import ExitCode, LossctlError


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    from lossctl.cli.app import app
    from lossctl.cli.terminal import ReaderGone, say

    try:
        app(arguments, prog_name="lossctl")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.OK if end.code is None else ExitCode.USAGE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except ReaderGone as error:
        return error.code
    except LossctlError as error:
        say(f"error: {error}")
        return error.code
    return ExitCode.OK


def main() -> None:
    """Run, flush, and leave at once: Arrow's threads may otherwise hang an interpreter that winds down."""
    code = run()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            code = code or ExitCode.DATA
    os._exit(code)


if __name__ == "__main__":
    main()
