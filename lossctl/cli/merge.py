"""`lossctl merge`: the states of all shares of a run into what the run would have written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Final

from lossctl.api.options import CheckOptions, Display, SliceTables, States, VerdictOptions, options_of
from lossctl.cli.app import command
from lossctl.cli.config import Level, Settings
from lossctl.cli.console import Outputs, at_work
from lossctl.errors import LossctlError

FORMATS: Final = ("table", "long", "json", "jsonl", "csv", "md", "junit", "github", "value")
HELP = """Merge the states of all shares of a run. The result is what one run would have written, to the last bit.

\b
Examples:
  lossctl eval sample_data/diabetes.csv -t progression -p linear --shard 1/2 --state-out 1.state
  lossctl eval sample_data/diabetes.csv -t progression -p linear --shard 2/2 --state-out 2.state
  lossctl merge 1.state 2.state -f json
  cat *.state | lossctl merge -

The shares of `lossctl eval`, `compare` or `check` are computed wherever there is a scheduler, in any order, and again
where one failed; states need no data beside them and are merged in any order. A folder is all of its files, - standard
input. Formats and exit codes are those of the command. For shares of a check, rules given here take the place of
those of the shares.

Exit codes: those of the command; 3 also for a state that is damaged, missing, there twice, of another run, or of
another version.
"""
EXIT_ZERO: Final = next(option for option in options_of(VerdictOptions) if option.name == "exit_zero")


def replace_outputs(error: Exception, outputs: Sequence[str], reads: Sequence[str]) -> None:
    """Put an error in the place of older reports, as `check` does, unless the states are of another command."""
    from lossctl.api.shares import State
    from lossctl.cli.check import replace_outputs as replace

    commands = set()
    for path in reads:
        with suppress(LossctlError):  # it may be what the error is about
            commands |= {state.header["command"] for state in State.read(path)} if path != "-" else set()
    if commands <= {"check"}:
        replace(error, outputs, reads)


@command(HELP, FORMATS, States, Display, SliceTables, CheckOptions, EXIT_ZERO, configured=False, failed=replace_outputs)
def merge_files(settings: Settings) -> None:
    """Merge, and write what came of it."""
    from lossctl.api.shares import State, merged

    names = [option.name for option in options_of(CheckOptions)]
    rules = {name: settings[name] for name in names if settings.sources[name].level is Level.COMMAND_LINE}
    states = [state for path in settings["states"] for state in State.read(path)]
    home = import_module(f"lossctl.cli.{states[0].header['command'] if states else 'eval'}")
    outputs = Outputs.prepare(settings, home.FORMATS)
    with at_work(settings) as work:
        report = merged(states, work.hooks["note"], rules)
    home.show(settings, outputs, report, work.watch)
