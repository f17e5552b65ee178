"""`python -m tests.bench` from the root of the repository, in the environment of `make bench`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench import measure, report
from tests.bench.measure import SCRATCH, Failed, say
from tests.bench.workloads import DataSet, Runs, Workload, workloads

ROOT = Path(__file__).parents[2]
RESULT = SCRATCH / "result.json"


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure lossctl against its peers.")
    parser.add_argument("--rows", type=int, default=20_000_000, metavar="N", help="rows of the largest race")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds, after one to warm up")
    parser.add_argument("--threads", type=int, default=report.usable_cores(), help="of each contestant [default: all]")
    parser.add_argument("keys", nargs="*", metavar="WORKLOAD", help="which ones [default: all]; A is A1 and A2")
    parser.add_argument("--only", default="", metavar="NAME,...", help="contestants beside the first of a workload")
    parser.add_argument("--before", metavar="PATH", help="another lossctl (.../bin/lossctl), to take part in turn")
    parser.add_argument("--no-growth", action="store_true", help="leave out H, which needs a file of 5N rows")
    options = parser.parse_args(arguments)
    if options.rows < 1000 or options.rounds < 1 or options.threads < 1:
        parser.error("--rows is at least 1000, --rounds and --threads at least 1")
    return options


def chosen(options: argparse.Namespace) -> list[Workload]:
    """The workloads asked for, with the contestants asked for."""
    prefixes = tuple(key.upper() for key in options.keys) or ("",)
    every = workloads(options.rows, options.threads)
    unknown = [prefix for prefix in prefixes if not any(workload.key.startswith(prefix) for workload in every)]
    if unknown:
        raise SystemExit(f"no workload {', '.join(unknown)}; there are {', '.join(workload.key for workload in every)}")
    selection = [
        workload
        for workload in every
        if workload.key.startswith(prefixes) and not (options.no_growth and workload.key == "H")
    ]
    if options.only:
        selection = [with_contestants(workload, options.only.split(",")) for workload in selection]
    if options.before:
        selection = [with_before(workload, options.before) for workload in selection]
    return selection


def with_contestants(workload: Workload, names: Sequence[str]) -> Workload:
    """A workload without the contestants of other names, but for its first."""
    first, *others = workload.contestants
    return replace(workload, contestants=(first, *(one for one in others if one.name in names)))


def with_before(workload: Workload, path: str) -> Workload:
    """A workload whose first contestant runs once more, by another lossctl."""
    first, *others = workload.contestants
    mine, its = Path(sys.executable).parent, Path(path).absolute().parent
    executable = its / Path(first.command[0]).relative_to(mine)
    before = replace(first, name="before", command=(str(executable), *first.command[1:]))
    return replace(workload, contestants=(first, before, *others))


def ensure(file: DataSet) -> None:
    """Make a data set unless it is there; its name says all that it depends on, but for the code of `data`."""
    if not file.path.exists():
        say(f"making {file}")
        file.path.parent.mkdir(parents=True, exist_ok=True)
        command = (sys.executable, "-m", "tests.bench.data", file.name, str(file.rows), str(file))
        measure.run(command, SCRATCH / "out" / "data.stdout", {})


def take_turns(workload: Workload, rounds: int) -> Runs:
    """Run all contestants in turn, each round beginning with another; the first round only warms up."""
    runs: Runs = {contestant.name: [] for contestant in workload.contestants}
    turns = [(SCRATCH / "out" / f"{workload.key}-{i}.stdout", one) for i, one in enumerate(workload.contestants)]
    for number in range(rounds + 1):
        line = f"{workload.key} " + (f"round {number} of {rounds}" if number else "warm-up")
        first = number % len(turns)
        for output, contestant in turns[first:] + turns[:first]:
            run = measure.run(contestant.command, output, contestant.environment)
            line += f"; {contestant.name} {run.wall:.3f} s"
            if number:
                runs[contestant.name].append(run)
        say(line)
        if sum(contestant.reader is not None for contestant in workload.contestants) > 1:
            answers = [f"{one.reader}={one.name}={output}" for output, one in turns if one.reader]
            measure.run((sys.executable, "-m", "tests.bench.agree", *answers), SCRATCH / "out" / "agree.stdout", {})
    return runs


def main() -> int:
    """Measure, print each workload as it ends, and keep what there is so far in the result."""
    options = parsed()
    os.chdir(ROOT)
    result: dict[str, Any] = report.surroundings() | {"options": vars(options), "workloads": []}
    print(report.heading(result), flush=True)
    try:
        for workload in chosen(options):
            for file in workload.files:
                ensure(file)
            runs = take_turns(workload, max(options.rounds, workload.least_rounds))
            part = report.record(workload, runs)
            result["workloads"].append(part)
            report.save(RESULT, result)
            print(report.table(part), flush=True)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
