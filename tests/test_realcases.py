"""Situations of public bug reports, run as they were typed: each gives the right value, or a refusal that helps.

`realcases/cases.tsv` has a line for each: the folder with its files, the command, the right value, and what a refusal
must name (one of the words; where there is none, a refusal is no answer).
"""

from __future__ import annotations

import csv
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from lossctl.errors import ExitCode
from tests.conftest import Lossctl, error_line

FOLDER = Path(__file__).parent / "realcases"
REFUSALS = (ExitCode.USAGE, ExitCode.DATA)


@dataclass(frozen=True)
class Case:
    """One line of the table; value and names are empty where only a refusal, or only a value, is right."""

    folder: str
    command: str
    value: str
    names: str

    def __str__(self) -> str:
        return f"{self.folder} {self.command}"


def cases() -> list[Case]:
    with (FOLDER / "cases.tsv").open(encoding="utf-8", newline="") as file:
        _, *lines = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    return [Case(*line) for line in lines]


@pytest.mark.parametrize("case", cases(), ids=str)
def test_a_real_case_has_its_right_value(lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    monkeypatch.chdir(FOLDER / case.folder)
    outcome = lossctl(*shlex.split(case.command), "-f", "value", "-q")
    if outcome.code == ExitCode.OK and case.value:
        assert outcome.values == pytest.approx([float(case.value)], rel=1e-6)
        return
    assert case.names, outcome
    assert outcome.code in REFUSALS, outcome
    assert any(name in error_line(outcome.err) for name in case.names.split("|")), outcome
