"""Entry point: run the application and end the process with its exit code."""

from __future__ import annotations

import gc
import os
import sys

from lossctl import interrupts


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    from lossctl.errors import SHORTAGE, ExitCode, is_shortage

    try:
        import typer

        from lossctl.cli import complete
        from lossctl.cli.app import application
        from lossctl.cli.console import outcome, say
    except Exception as error:  # an installation that is broken must not look like a gate that failed
        if is_shortage(error):
            sys.stderr.write(f"lossctl: error: {SHORTAGE}\n")
            return ExitCode.DATA
        sys.stderr.write(f"lossctl: cannot start: {type(error).__name__}: {error}; install lossctl anew\n")
        return ExitCode.BUG
    if sys.argv[1:] if arguments is None else arguments:  # no shell that asks gives any: a check would pass unread
        os.environ.pop(complete.VARIABLE, None)
    if os.environ.get(complete.VARIABLE, "").startswith("complete_"):  # a shell asks what a word may become
        return complete.answer(lambda: application()(arguments, prog_name="lossctl", standalone_mode=False))
    try:
        return int(application()(arguments, prog_name="lossctl", standalone_mode=False) or ExitCode.OK)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.OK if end.code is None else ExitCode.USAGE
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except Exception as error:
        code, message = outcome(error)
        if message:
            say(message)
        return code


def main() -> None:
    """Run, flush, and leave at once: Arrow's threads may otherwise hang an interpreter that winds down."""
    interrupts.watch()  # before anything else is imported: a signal until then is the process's own death

    from lossctl.errors import SHORTAGE, ExitCode
    from lossctl.files import hold_standard_descriptors
    from lossctl.io.machine import LEAST_ADDRESS_SPACE, address_space, spare_address_space

    if os.name == "posix":
        hold_standard_descriptors()
    gc.disable()  # until there is work to do: the search for cycles goes through all that is imported
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the threads are lossctl's: idle ones of NumPy's would spin
    if (limit := address_space()) is not None:
        if limit < LEAST_ADDRESS_SPACE:
            more = f"ulimit -v allows {limit >> 20} MiB of address space, and {LEAST_ADDRESS_SPACE >> 20} are needed"
            sys.stderr.write(f"lossctl: error: {SHORTAGE}: {more}\n")
            interrupts.leave(ExitCode.DATA)
        spare_address_space()
        interrupts.watch_aborts(ExitCode.DATA, f"lossctl: error: {SHORTAGE}: a library gave up")
    code = run()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        code = code or ExitCode.DATA
    interrupts.leave(code)


if __name__ == "__main__":
    main()
