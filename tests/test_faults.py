"""A sample of the fault matrix of `make faults`: what is no file, outputs and streams that fail, interrupts, calls."""

from __future__ import annotations

from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM

import pytest

from tests.faults import contents, ending, judged
from tests.faults.cases import single
from tests.faults.inputs import make
from tests.faults.interrupts import Shot, fired, make_large

pytestmark = pytest.mark.deep

CASES = {f"{case.group}: {case.name}": case for case in single()}
SAMPLE = (
    "4 inputs that are no files: pipe without a writer: diff, new",
    "4 inputs that are no files: socket: eval",
    "4 pipes that work: diff <(cat)",
    "4 outputs that are refused: --save-baseline: a loop of links",
    "4 outputs that are refused: --save-baseline -",
    "4 outputs that are refused: the report on standard input",
    "5 standard output full or closed: eval -h > /dev/full",
    "5 standard output full or closed: --version >&-",
    "5 standard error full or closed: a gate that fails 2> /dev/full",
    "5 a reader that leaves: losses show mse -f json | head -1",
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
