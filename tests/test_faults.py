"""A sample of the fault matrix of `make faults`: what is no file, outputs and streams that fail, interrupts, calls."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM
from threading import enumerate as enumerate_threads
from typing import Any

import pytest

import lossctl as package
from tests.faults import contents, ending, judged
from tests.faults.cases import single
from tests.faults.injected import OUTPUTS, READS, STRACE, answer, places, struck
from tests.faults.inputs import make
from tests.faults.interrupts import Shot, fired, make_large

pytestmark = pytest.mark.deep

CASES = {f"{case.group}: {case.name}": case for case in single()}
SAMPLE = (
    "4 inputs that are no files: pipe without a writer: diff, new",
    "4 inputs that are no files: socket: eval",
    "4 inputs that are no files: eval < /dev/zero",
    "4 inputs that are no files: diff <(cat /dev/zero)",
    "4 inputs that are no files: merge - < /dev/zero",
    "4 pipes that work: diff <(cat)",
    "4 outputs that are refused: -o: a pipe that nobody reads",
    "4 outputs that are refused: --save-baseline: a pipe that is read",
    "4 outputs that are refused: --save-baseline: a loop of links",
    "4 outputs that are refused: --save-baseline -",
    "4 outputs that are refused: the report on standard input",
    "5 standard output full or closed: eval -h > /dev/full",
    "5 standard output full or closed: --version >&-",
    "5 standard output full or closed: eval >&-",
    "5 standard output full or closed: eval -o /dev/stdout >&-",
    "5 standard output full or closed: merge > /dev/full",
    "5 standard error full or closed: a gate that fails 2> /dev/full",
    "5 a reader that leaves: losses show mse -f json | head -1",
    "7 limits and signals: little address space: a page",
    "5 a reader that leaves: a gate that fails | head -1",
)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_fault_is_met(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    make(tmp_path)
    inputs = contents(tmp_path)
    printed = ending(case.like, tmp_path).out if case.like else None
    verdict = judged(case, ending(case.script, tmp_path), tmp_path, inputs, printed)
    assert not verdict.why, verdict


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    make_large(folder)
    return folder


@pytest.mark.parametrize(
    "shot",
    [
        Shot("help", False, 1, SIGINT, 2, 0.12),
        Shot("eval", True, 2, SIGHUP, 1, 0.6),
        Shot("long bootstrap", False, 1, SIGINT, 1, 1.5),
        Shot("join", False, 2, SIGINT, 2, 0.8),
        Shot("rows", True, 2, SIGTERM, 2, 0.7),
    ],
    ids=lambda shot: shot.name,
)
def test_an_interrupt_ends_the_command_at_once(large: Path, shot: Shot) -> None:
    verdict = fired(shot, large, length=1.0, soon=3.0)
    assert not verdict.why, verdict


FAULTS = {fault.name: fault for fault in [*OUTPUTS, *READS]}


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize(
    ("name", "call", "place", "kind"),
    [
        ("lossctl.toml", "newfstatat", 1, "refused"),
        ("eval rows.csv.gz", "read", 2, "refused"),
        ("validate", "lseek", 4, "refused"),  # of a trial
        ("validate of an archive", "lseek", 2, "refused"),  # where Python opens it, and keeps that to itself
        ("validate of an archive", "lseek", 5, "refused"),  # where zipfile looks for the end
        ("--rows-out", "write", 0, "refused"),
        ("-o over a file", "rename", -1, "refused"),
        ("-o over a file", "close", -1, "right"),
    ],
)
def test_a_call_that_fails(name: str, call: str, place: int, kind: str) -> None:
    fault = FAULTS[name]
    number = places(fault, call, sys.executable)[place] if fault.marks else place
    printed = answer(fault, sys.executable) if kind == "right" else ""
    verdict = struck(fault, call, number, printed, sys.executable)
    assert verdict is not None
    assert verdict.kind == kind, verdict
    assert not verdict.why, verdict


@contextmanager
def interrupted(phase: str) -> Iterator[None]:
    """Ctrl-C comes while the first state is merged."""
    if phase == "merge":
        raise KeyboardInterrupt
    yield


@pytest.mark.parametrize("by", [None, "g"])  # states are merged in any order, or in that of the rows
def test_interrupts_of_a_function_never_wait_for_its_threads(large: Path, by: str | None) -> None:
    options: Any = {"target": "y", "pred": "p", "losses": "mse", "by": by, "threads": 2}
    with pytest.raises(KeyboardInterrupt):
        package.evaluate(large / "big.parquet", **options, watch=interrupted)
    assert not [thread.name for thread in enumerate_threads() if thread.name.startswith("lossctl_")]
