"""`make faults`: run the matrix, and say case by case what is not as it must be.

ARGS: `--only WORD` for the cases whose group or name has it, `-v` for a line each, `--python PATH` for another
installation, `--shots N` interrupts by `--seed N`, `--patience N` times the seconds that a case may take where the
machine has other work.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final, get_args

from tests.faults import LIMIT, Case, Class, Verdict, contents, ending, judged
from tests.faults.cases import single
from tests.faults.injected import GROUP as CALLS, OUTPUTS, READS, STRACE, runs
from tests.faults.inputs import make
from tests.faults.interrupts import SOON, fired, length, make_large, shots

GROUP: Final = "6 interrupts"
LONGEST: Final = 6.0  # seconds of a run in which it is interrupted
Job = tuple[str, str, Callable[[], Verdict]]


@cache
def answer(script: str, python: str) -> str:
    """Return what a script prints without a fault."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        make(Path(folder))
        return ending(script, Path(folder), python=python).out


def verdict(case: Case, python: str, patience: float) -> Verdict:
    """Run a case in a folder of its own."""
    case = case._replace(within=case.within * patience)
    printed = answer(case.like, python) if case.like else None
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        make(folder)
        inputs = contents(folder)
        return judged(case, ending(case.script, folder, LIMIT * patience, python), folder, inputs, printed)


def jobs(options: argparse.Namespace) -> Iterator[Job]:
    """Yield group, name and run of every case."""
    for case in single():
        yield case.group, case.name, lambda case=case: verdict(case, options.python, options.patience)  # type: ignore[misc]


def calls(options: argparse.Namespace) -> Iterator[tuple[str, str, Verdict]]:
    """Let calls fail, or say that it cannot be done."""
    asked = [fault for fault in [*READS, *OUTPUTS] if options.only in f"{CALLS} {fault.name}"]
    if asked and STRACE is None:
        print("strace is not installed: no call is let fail")
        return
    with ThreadPoolExecutor(options.workers) as pool:
        for ends in pool.map(lambda fault: [*runs(fault, options.python)], asked):
            yield from ((CALLS, name, end) for name, end in ends)


def interrupts(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, str, Verdict]]:
    """Fire the shots, one after the other: they share a folder, and other work would slow them down."""
    make_large(folder, options.python)
    lengths: dict[str, float] = {}
    for shot in shots(options.shots, options.seed):
        name = f"{shot.name} -" if shot.streamed else shot.name
        if options.only not in f"{GROUP} {name}":
            continue
        if name not in lengths:
            lengths[name] = min(length(shot, folder, options.python), LONGEST)
        yield GROUP, name, fired(shot, folder, lengths[name], options.python, SOON * options.patience)


def show(results: Iterable[tuple[str, str, Verdict]], verbose: bool) -> int:
    """Print what is wrong, then the counts by class; return the exit code."""
    counts: dict[str, Counter[Class]] = {}
    for group, name, (kind, why) in results:
        counts.setdefault(group, Counter())[kind] += 1
        if why or verbose:
            print(f"{group} | {name} | {kind}{': ' if why else ''}{why}", flush=True)
    classes = get_args(Class)
    print("\n" + "  ".join(["group".ljust(40), *(kind.rjust(8) for kind in classes)]))
    for group, count in sorted(counts.items()):
        print("  ".join([group.ljust(40), *(str(count[kind]).rjust(8) for kind in classes)]))
    return int(any(count[kind] for count in counts.values() for kind in ("wrong", "crash", "hang")))


def main() -> int:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--patience", type=float, default=1.0)
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--shots", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    asked = [job for job in jobs(options) if options.only in f"{job[0]} {job[1]}"]
    with ThreadPoolExecutor(options.workers) as pool:
        results = zip(asked, pool.map(lambda job: job[2](), asked), strict=True)
        ends = ((group, name, result) for (group, name, _), result in results)
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            return show(chain(ends, calls(options), interrupts(options, Path(folder))), options.verbose)


if __name__ == "__main__":
    sys.exit(main())
