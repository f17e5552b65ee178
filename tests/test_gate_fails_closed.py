"""Nothing passes for want of a number: every way in which a gate was ever seen to fail open, and what must happen."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from lossctl import check, compare, evaluate
from lossctl.api.options import RuleTable
from lossctl.core.loss import Direction
from lossctl.engine.paired import PairedBounds
from lossctl.errors import DataError, UsageError
from lossctl.gate.judge import RuleCase, Terms, conclude, judge, lay_out
from lossctl.gate.rules import Bound, Decide, Level, Rule, RuleKind, Tolerance, limit_rule, regression_rule
from lossctl.registry import labelled
from lossctl.results.comparison import Check
from lossctl.results.report import Cell, Report
from tests.conftest import Lossctl, Outcome, resealed
from tests.test_output import shell
from tests.warm import forked

pytestmark = pytest.mark.deep

Write = Callable[[str, str | bytes], Path]
ROWS = "y,p,q,g\n" + "0,1,2,x\n0,-1,-2,x\n" * 20 + "0,1,1,y\n0,-1,-1,y\n" * 20
ONE = ("-t", "y", "-p", "p")
WAYS: Mapping[str, Direction] = {"mae": "min", "r2": "max"}
FORMATS = ("table", "json", "jsonl", "csv", "md", "junit", "github", "value")


@pytest.fixture
def rows(write: Write) -> Path:
    return write("rows.csv", ROWS)


@pytest.fixture
def base(lossctl: Lossctl, rows: Path) -> Path:
    path = rows.parent / "base.json"
    assert lossctl("check", rows, *ONE, "-l", "mae", "-l", "huber", "-l", "r2", "--save-baseline", path, "-q").code == 0
    return path


def refused(outcome: Outcome, code: int, words: str) -> None:
    """Hold that a command ended with a code, one line that says why, and no output."""
    assert (outcome.code, outcome.out) == (code, ""), outcome
    error = [line for line in outcome.err.splitlines() if line.startswith("lossctl: error: ")]
    assert len(error) == 1, outcome.err
    assert words in error[0]


# values ---------------------------------------------------------------------------------------------------------------


def test_a_value_that_is_no_number_fails(lossctl: Lossctl, write: Write) -> None:
    path = write("c.csv", "y,p\n3,1\n3,2\n")
    for limit in ("-1e300", "0"):
        outcome = lossctl("check", path, *ONE, "--min", f"r2={limit}", "-f", "json")
        assert (outcome.code, outcome.json["verdict"]) == (1, "fail")
        assert outcome.json["checks"][0]["status"] == "undefined"
        assert "the target is constant" in outcome.json["checks"][0]["message"]


def test_an_infinite_value_fails(lossctl: Lossctl, write: Write) -> None:
    path = write("p.csv", "y,p,q\n1,0,0.5\n0,0.5,0.5\n")
    outcome = lossctl("check", path, *ONE, "--max", "bce=1e300", "-f", "json")
    assert (outcome.code, outcome.json["checks"][0]["status"]) == (1, "undefined")
    assert "infinite" in outcome.json["checks"][0]["message"]
    against = ("check", path, "-t", "y", "-p", "p", "-p", "q", "--max-regression", "bce=1000%", "-f", "json")
    for baseline in ("p", "q"):
        outcome = lossctl(*against, "--baseline", baseline)
        assert (outcome.code, outcome.json["checks"][0]["status"]) == (1, "undefined")


def test_an_infinite_score_does_not_pass_for_a_good_one() -> None:
    for direction, value in itertools.product(("min", "max", "zero"), (math.inf, -math.inf, math.nan)):
        kind: RuleKind = "min" if direction == "max" else "max"
        rule = Rule("loss", kind, "0", "test", limit=0.0)
        case = RuleCase(Bound(rule, "loss", "loss", direction), "m", {}, cell(value, direction))  # type: ignore[arg-type]
        assert judge([case], Terms())[0].status == "undefined"


def test_a_missing_value_in_a_row_is_an_error_and_no_verdict(lossctl: Lossctl, write: Write) -> None:
    path = write("m.csv", "y,p\n0,1\n0,NaN\n")
    refused(lossctl("check", path, *ONE, "--max", "mae=5"), 3, "row 2")


# data -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["", "y,p\n", "y,p\n,\n"])
def test_empty_data_is_an_error(lossctl: Lossctl, write: Write, content: str) -> None:
    path = write("e.csv", content)
    outcome = lossctl("check", path, *ONE, "--missing", "drop", "--max", "mae=5")
    assert (outcome.code, outcome.out) == (3, "")


def test_an_empty_slice_does_not_pass(lossctl: Lossctl, write: Write) -> None:
    path = write("s.csv", "y,p,g\n0,1,x\n0,,y\n")
    drop = ("--missing", "drop", "--max-dropped", "1")
    common = ("check", path, *ONE, *drop, "--by", "g", "--max-slice", "mae=5", "-f", "json")
    found = lossctl(*common, "--min-slice", "1").json["checks"][:2]
    assert [(entry["slice"]["g"], entry["status"], entry["n"]) for entry in found] == [
        ("x", "pass", 1),
        ("y", "undefined", 0),
    ]
    outcome = lossctl(*common, "--min-slice", "0")
    assert outcome.code == 1
    assert [entry["status"] for entry in outcome.json["checks"]] == ["pass", "undefined", "pass"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("-t", "nope", "-p", "p", "--max", "mae=5"), 3, "'nope'"),
        (("-t", "y", "-p", "nope", "--max", "mae=5"), 3, "'nope'"),
        ((*ONE, "--by", "nope", "--max-slice", "mae=5"), 3, "'nope'"),
        ((*ONE, "--max", "nope=5"), 2, "unknown loss 'nope'"),
        ((*ONE, "-l", "nope", "--max", "mae=5"), 2, "unknown loss 'nope'"),
        ((*ONE, "--baseline", "nope", "--max-regression", "mae=5"), 4, "no such file"),
    ],
)
def test_a_missing_column_loss_model_or_baseline(
    lossctl: Lossctl, rows: Path, options: tuple[str, ...], code: int, words: str
) -> None:
    refused(lossctl("check", rows, *options), code, words)


def test_a_missing_file_is_an_error(lossctl: Lossctl, tmp_path: Path) -> None:
    for name in ("none.csv", "none.json"):
        refused(lossctl("check", tmp_path / name, "--max", "mae=5"), 3, "no such file")


def test_a_loss_or_slicing_that_a_report_lacks_fails(lossctl: Lossctl, base: Path) -> None:
    outcome = lossctl("check", base, "--max", "rmse=1e9", "--by", "g", "--max-slice", "mae=1e9", "-f", "json")
    assert (outcome.code, outcome.json["verdict"]) == (1, "fail")
    assert [entry["status"] for entry in outcome.json["checks"]] == ["missing", "missing"]
    outcome = lossctl("check", base, "--max-slice", "mae=1e9", "-f", "json")
    assert (outcome.code, [entry["status"] for entry in outcome.json["checks"]]) == (1, ["missing"])


def test_a_slice_that_went_missing_fails() -> None:
    rule = regression_rule("loss=100%")
    slices = [cell(1.0, rows=99, chosen={"g": name}) for name in ("x", "y")]
    held = {old.place: old for old in slices}
    cases = lay_out([Bound(rule, "loss", "loss", "min")], ["m"], [cell(1.0), cell(1.0, chosen={"g": "x"})], held, ["g"])
    found = {check.id: check.status for check in judge(cases, Terms(min_slice=1))}
    assert found["loss.max-regression@g=y"] == "missing"


# thresholds -----------------------------------------------------------------------------------------------------------

NO_LIMITS = (
    "nan",
    "NaN",
    "inf",
    "-inf",
    "Infinity",
    "1e999",
    "0x10",
    "1_0",
    "",
    " 1",
    "1 ",
    "1,0",
    "one",
    "1e",
    "--1",
    "٣",
)


@pytest.mark.parametrize("number", NO_LIMITS)
@pytest.mark.parametrize("option", ["--max", "--max-slice"])
def test_a_limit_that_is_no_finite_number(lossctl: Lossctl, rows: Path, option: str, number: str) -> None:
    refused(lossctl("check", rows, *ONE, "--by", "g", option, f"mae={number}"), 2, f"{option} mae=")


@pytest.mark.parametrize("text", [*NO_LIMITS, "-1", "-1%", "-0", "nan%", "%", "1%%", "1%,2%", "1,2", "1%,", "1%,nan"])
def test_a_tolerance_that_is_no_finite_number_from_0_up(lossctl: Lossctl, rows: Path, base: Path, text: str) -> None:
    if text == "1,0":
        text = "1,0,"
    command = ("check", rows, *ONE, "--baseline", base, "--max-regression", f"mae={text}")
    refused(lossctl(*command), 2, "--max-regression mae=")


@pytest.mark.parametrize("text", ["mae", "=1", "", "mae>1"])
def test_a_rule_without_loss_or_limit(lossctl: Lossctl, rows: Path, text: str) -> None:
    refused(lossctl("check", rows, *ONE, "--max", text), 2, "LOSS=VALUE")


@pytest.mark.parametrize("limit", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("key", ["max", "max-regression", "confidence"])
def test_a_limit_of_the_file_that_is_no_finite_number(lossctl: Lossctl, rows: Path, key: str, limit: str) -> None:
    (rows.parent / "c.toml").write_text(f'[[check]]\nloss = "mae"\nmax-slice = 9\n{key} = {limit}\n')
    command = ("check", rows, *ONE, "--config", rows.parent / "c.toml", "--baseline", "p", "--max", "mae=5")
    refused(lossctl(*command), 2, key)


@given(st.text(max_size=12))
def test_no_text_makes_a_limit_that_is_not_finite(text: str) -> None:
    try:
        found = limit_rule("max", f"mae={text}")
    except UsageError:
        return
    assert math.isfinite(found.limit)


@given(st.text(alphabet="0123456789.,%-+enaif ", max_size=10))
def test_no_text_makes_a_tolerance_that_disarms(text: str) -> None:
    try:
        found = regression_rule(f"mae={text}").tolerance
    except UsageError:
        return
    for part in (found.percent, found.absolute):
        assert part is None or (math.isfinite(part) and part >= 0.0)
    assert found != Tolerance()


# baselines ------------------------------------------------------------------------------------------------------------


def edited(base: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    document = json.loads(base.read_text())
    change(document)
    base.write_text(resealed(document))
    return base


def against(lossctl: Lossctl, rows: Path, base: Path, *more: object) -> Outcome:
    return lossctl("check", rows, *ONE, "--baseline", base, "--max-regression", "mae=1000%", "-q", *more)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ('{"a":', "no JSON"),
        ("[]", "no lossctl report"),
        ("{}", "no lossctl report"),
        ('{"results": []}', "no lossctl report"),
        ('{"tool": {"name": "other"}}', "no lossctl report"),
        ('{"schema_version": NaN}', "NaN"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"kind": "input"}\n{"kind": "result"}\n', "-f json"),
        ("[" * 100_000, "deeply"),
        ('{"a": ' + "9" * 5000 + "}", "JSON"),
        (b'{"a": "\xff"}', "UTF-8"),
    ],
    ids=range(12),
)
def test_a_baseline_that_cannot_be_read(
    lossctl: Lossctl, rows: Path, write: Write, content: str | bytes, words: str
) -> None:
    refused(against(lossctl, rows, write("bad.json", content)), 4, words)
    refused(lossctl("check", write("bad.json", content), "--max", "mae=9"), 3, words)


def test_a_baseline_that_lacks_or_garbles_any_field(lossctl: Lossctl, rows: Path, base: Path) -> None:
    text = base.read_text()
    document = json.loads(text)
    for name in ("schema_version", "tool", "reduction", "inputs", "results", "task"):
        broken = {key: value for key, value in document.items() if key != name}
        base.write_text(json.dumps(broken))
        refused(against(lossctl, rows, base), 4, "base.json")
    for part in ("inputs", "results"):
        first, *others = document[part]
        values: list[object] = [[], "x" * 99, -1, 1e400, True]
        for name in first:
            for value in values:
                if json.dumps(first[name]) != json.dumps(value):
                    broken = {**document, part: [{**first, name: value}, *others]}
                    base.write_text(json.dumps(broken).replace("Infinity", "1e999"))
                    assert against(lossctl, rows, base).code in (0, 4), (name, value)
            broken = {**document, part: [{key: entry for key, entry in first.items() if key != name}, *others]}
            base.write_text(json.dumps(broken))
            refused(against(lossctl, rows, base), 4, name)
    base.write_text(text)
    assert against(lossctl, rows, base).code == 0


def test_a_value_of_the_baseline_that_is_not_what_its_status_says(lossctl: Lossctl, rows: Path, base: Path) -> None:
    text = base.read_text()
    for field, value in (("value", None), ("value", True), ("value", "1"), ("status", "undefined"), ("status", "fine")):
        document = json.loads(text)
        document["results"][0][field] = value
        base.write_text(json.dumps(document))
        refused(against(lossctl, rows, base), 4, "results[0]")


def test_a_report_that_says_a_thing_twice(lossctl: Lossctl, rows: Path, base: Path) -> None:
    edited(base, lambda document: document.update(results=[*document["results"], *document["results"]]))
    refused(against(lossctl, rows, base), 4, "once")


def test_a_baseline_of_other_data(lossctl: Lossctl, rows: Path, base: Path, write: Write) -> None:
    for content in (ROWS.replace("0,1,2,x", "0.5,1,2,x", 1), ROWS + "0,1,2,x\n"):
        refused(against(lossctl, write("other.csv", content), base), 4, "digest")
    refused(against(lossctl, rows, base, "--by", "g"), 4, "--by")
    refused(against(lossctl, rows, base, "-w", "q"), 3, "weights")
    assert against(lossctl, write("other.csv", ROWS.replace(",1,2,", ",1.5,2,")), base).code == 0


def test_a_baseline_of_other_loss_parameters(lossctl: Lossctl, rows: Path, base: Path) -> None:
    command = ("check", rows, *ONE, "--baseline", base, "--max-regression", "huber=1000%", "-q")
    assert lossctl(*command).code == 0
    refused(lossctl(*command, "--max-regression", "rmse=1%"), 4, "has no rmse; it has mae, huber, r2")
    edited(base, lambda document: document["results"][1].update(signature="huber:delta=2|"))
    refused(lossctl(*command), 4, "huber:delta=2 there, huber:delta=1 here")


def test_a_baseline_of_another_schema(lossctl: Lossctl, rows: Path, base: Path) -> None:
    edited(base, lambda document: document.update(schema_version=2))
    refused(against(lossctl, rows, base), 4, "schema_version is 2")
    refused(lossctl("check", base, "--max", "mae=9"), 3, "schema_version is 2")


def test_a_baseline_of_another_reduction(lossctl: Lossctl, rows: Path, base: Path) -> None:
    assert lossctl("eval", rows, *ONE, "-l", "mae", "--reduction", "sum", "-o", base, "-f", "value").code == 0
    refused(against(lossctl, rows, base), 4, "--reduction sum")


def test_a_baseline_of_other_models(lossctl: Lossctl, rows: Path, base: Path) -> None:
    assert lossctl("eval", rows, "-t", "y", "-p", "a=p", "-p", "b=q", "-l", "mae", "-o", base, "-f", "value").code == 0
    refused(against(lossctl, rows, base), 4, "has no model 'p'")


def test_a_slice_that_the_baseline_lacks(lossctl: Lossctl, rows: Path, base: Path) -> None:
    command = ("check", rows, *ONE, "--by", "g", "-l", "mae")
    assert lossctl(*command, "--save-baseline", base).code == 0
    judged = ("--baseline", base, "--max-regression", "mae=1%")
    assert lossctl(*command, *judged).code == 0
    edited(base, lambda document: document["results"].pop())
    refused(lossctl(*command, *judged), 4, "has no mae of g=y")


def test_a_null_in_the_baseline_fails(lossctl: Lossctl, rows: Path, base: Path) -> None:
    command = ("check", rows, *ONE, "--baseline", base, "--max-regression", "r2=1e300", "-f", "json")
    outcome = lossctl(*command)
    assert (outcome.code, outcome.json["checks"][0]["status"]) == (1, "undefined")
    null = {"value": None, "status": "undefined", "reason": "for the test", "stderr": None, "ci": None}
    edited(base, lambda document: document["results"][0].update(null))
    outcome = against(lossctl, rows, base, "-f", "json")
    assert (outcome.code, outcome.json["checks"][0]["status"]) == (1, "undefined")
    assert "for the test" in outcome.json["checks"][0]["message"]


def test_a_percentage_of_a_baseline_of_0(lossctl: Lossctl, write: Write) -> None:
    path = write("z.csv", "y,p,q\n0,0,0\n1,1,1.001\n")
    command = ("check", path, "-t", "y", "-p", "p", "-p", "q", "--baseline", "p", "-f", "json", "--max-regression")
    outcome = lossctl(*command, "mae=1000%")
    assert (outcome.code, outcome.json["checks"][0]["status"]) == (1, "undefined")
    assert "absolute tolerance" in outcome.json["checks"][0]["message"]
    for tolerance, code in (("0", 1), ("0.01", 0), ("2%,0.01", 0)):
        assert lossctl(*command, f"mae={tolerance}").code == code


def test_statistics_are_refused_of_a_saved_baseline(lossctl: Lossctl, rows: Path, base: Path) -> None:
    for decide in ("significant", "noninferior"):
        refused(against(lossctl, rows, base, "--decide", decide), 2, "predictions")


# rules as a whole -----------------------------------------------------------------------------------------------------


def test_no_rules_at_all(lossctl: Lossctl, rows: Path) -> None:
    refused(lossctl("check", rows, *ONE), 2, "nothing to check")
    refused(lossctl("check", rows, *ONE, "--baseline", "p"), 2, "nothing to check")
    refused(lossctl("check", rows, *ONE, "--exit-zero"), 2, "nothing to check")


def test_every_repeated_rule_counts(lossctl: Lossctl, rows: Path) -> None:
    command = ("check", rows, *ONE)
    for rules in (("mae=0.5", "mae=5"), ("mae=5", "mae=0.5"), ("mae=5", "mse=0.5"), ("mse=0.5", "mae=5")):
        outcome = lossctl(*command, *(piece for rule in rules for piece in ("--max", rule)), "-f", "json")
        assert outcome.code == 1
        assert sorted(entry["status"] for entry in outcome.json["checks"]) == ["fail", "pass"]


@pytest.mark.parametrize(
    "content", ["[[check]", 'losses = ["mae"', "[[check]]\nlos = 1\n", '[[check]]\nloss = "mae"\n']
)
def test_a_configuration_that_cannot_be_understood(lossctl: Lossctl, rows: Path, content: str) -> None:
    (rows.parent / "lossctl.toml").write_text(content)
    command = ("check", rows, *ONE, "--max", "mae=5", "--config", rows.parent / "lossctl.toml")
    refused(lossctl(*command), 2, "lossctl.toml")


def test_what_cannot_be_decided_blocks_unless_told_otherwise(lossctl: Lossctl, rows: Path) -> None:
    command = ("check", rows, *ONE, "--by", "g", "--min-slice", "1000", "--max-slice", "mae=5")
    for more, code in (((), 1), (("--on-insufficient", "fail"), 1), (("--on-insufficient", "warn"), 0)):
        outcome = lossctl(*command, *more, "-f", "value")
        assert (outcome.code, outcome.out) == (code, "inconclusive\n")


def test_make_turns_every_failure_into_one_code_so_none_is_soft(rows: Path) -> None:
    makefile = rows.parent / "Makefile"
    for limit, passes in (("mae=5", True), ("mae=nan", False)):
        makefile.write_text(f"check:\n\t@lossctl check {rows} -t y -p p --max {limit} -q -f value\n")
        ended = shell(f"make -s -f {makefile} check")
        assert (ended.returncode == 0) == passes


# the exit code --------------------------------------------------------------------------------------------------------


def ends(rows: Path, base: Path) -> Mapping[int, tuple[object, ...]]:
    common = ("check", rows, *ONE, "-q")
    return {
        0: (*common, "--max", "mae=5"),
        1: (*common, "--max", "mae=0.5"),
        2: (*common, "--max", "mae=nan"),
        3: ("check", rows, "-q", "-t", "nope", "-p", "p", "--max", "mae=5"),
        4: (*common, "--baseline", f"{base}.none", "--max-regression", "mae=5"),
    }


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("code", range(5))
def test_no_format_changes_the_exit_code(
    lossctl: Lossctl, rows: Path, base: Path, tmp_path: Path, code: int, form: str
) -> None:
    command = ends(rows, base)[code]
    outcome = lossctl(*command, "-f", form)
    assert outcome.code == code, outcome.err
    assert bool(outcome.out) == (code < 2)
    written = tmp_path / "out"
    if form != "table":
        assert lossctl(*command, "-o", f"{form}:{written}").code == code
        assert written.exists()
    assert lossctl(*command, "-f", form, "--exit-zero").code == (code if code > 1 else 0)


def test_the_exit_code_of_the_process_is_the_verdict(rows: Path, base: Path) -> None:
    for code, command in ends(rows, base).items():
        assert forked("-m", "lossctl", *map(str, command)).code == code


def test_exit_zero_reports_as_it_is(lossctl: Lossctl, rows: Path) -> None:
    command = ("check", rows, *ONE, "--max", "mae=0.5")
    assert lossctl(*command, "--exit-zero").out == lossctl(*command).out
    assert lossctl(*command, "--exit-zero", "-f", "value").out == "fail\n"


# the judge alone ------------------------------------------------------------------------------------------------------


def cell(value: float, direction: Direction = "min", rows: int = 100, chosen: Mapping[str, str] | None = None) -> Cell:
    return Cell(
        model="m",
        loss="loss",
        spec="loss",
        slice=chosen or {},
        rows=rows,
        weight_sum=None,
        value=value,
        stderr=None,
        interval=None,
        level=None,
        method=None,
        interval_reason="not asked for",
        direction=direction,
        unit="1",
        status="ok",
        reason=None,
        signature="loss|",
        best=False,
    )


class Witness(PairedBounds):
    """Evidence with bounds that are given: (low, high) of the worsening, before any tolerance."""

    def __init__(self, low: float, high: float, guard: str | None = None, why: str | None = None) -> None:
        self.low, self.high, self.guard, self.why = low, high, guard, why
        self.levels: list[float] = []

    def bounds(
        self,
        model: str,
        loss: str,
        of_slice: Mapping[str, str],
        tolerance: float,
        relative: bool,
        level: float,
        inner: bool = False,
    ) -> tuple[float, float] | str:
        self.levels.append(level)
        if self.why is not None:
            return self.why
        return self.low - tolerance, self.high - tolerance

    def too_few(self, model: str, loss: str, of_slice: Mapping[str, str]) -> str | None:
        return None

    def guarded(
        self, model: str, loss: str, of_slice: Mapping[str, str], contrasts: Sequence[tuple[float, bool]], level: float
    ) -> str | None:
        return self.guard


def cases() -> list[RuleCase]:
    """One passing case of every kind, direction, level and decision, over all rows and a slice."""
    found = []
    kinds: list[tuple[RuleKind, Direction]] = [
        ("max", "min"),
        ("max", "zero"),
        ("min", "max"),
        ("max-slice", "min"),
        ("max-slice", "max"),
        ("max-slice", "zero"),
        ("max-regression", "min"),
        ("max-regression", "max"),
        ("max-regression", "zero"),
    ]
    levels: list[Level] = ["error", "warn"]
    decisions: list[Decide] = ["point", "significant", "noninferior", "equivalent"]
    tolerances = [Tolerance(50.0), Tolerance(absolute=0.5), Tolerance(50.0, 0.5)]
    for (kind, direction), level, chosen in itertools.product(kinds, levels, ({}, {"g": "x"})):
        value = -1.0 if direction == "zero" else 1.0
        if kind != "max-regression":
            rule = Rule("loss", kind, "1", "test", limit=1.0, level=level)
            found.append(RuleCase(Bound(rule, "loss", "loss", direction), "m", chosen, cell(value, direction)))
            continue
        for decide, tolerance in itertools.product(decisions, tolerances):
            rule = Rule("loss", kind, "50%", "test", tolerance=tolerance, level=level, decide=decide)
            bound = Bound(rule, "loss", "loss", direction)
            found.append(RuleCase(bound, "m", chosen, cell(value, direction), cell(1.0, direction)))
    return found


def test_every_kind_of_rule_can_pass() -> None:
    found = judge(cases(), Terms(evidence=Witness(-0.3, 0.3)))
    assert {check.status for check in found} == {"pass"}
    assert conclude(found).verdict == "pass"
    assert len({check.id for check in found}) == len(found)


def without(case: RuleCase, what: str, number: float) -> RuleCase | None:
    """Put a number in the place of the value, limit, tolerance or baseline of a case, where it has that."""
    rule = case.bound.rule
    if what == "value" and case.cell is not None:
        return replace(case, cell=replace(case.cell, value=number))
    if what == "baseline" and case.baseline is not None:
        return replace(case, baseline=replace(case.baseline, value=number))
    if what == "limit" and rule.kind != "max-regression":
        return replace(case, bound=case.bound._replace(rule=rule._replace(limit=number)))
    if what in ("percent", "absolute") and getattr(rule.tolerance, what) is not None:
        tolerance = rule.tolerance._replace(**{what: number})
        return replace(case, bound=case.bound._replace(rule=rule._replace(tolerance=tolerance)))
    return None


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("what", ["value", "baseline", "limit", "percent", "absolute"])
def test_no_number_that_is_none_ever_passes(what: str, number: float) -> None:
    mutated = 0
    for case in cases():
        try:
            changed = without(case, what, number)
        except UsageError:  # a rule that refuses the number is not there to pass
            continue
        if changed is None:
            continue
        mutated += 1
        found = judge([changed], Terms(evidence=Witness(-0.3, 0.3)))
        assert found[0].status not in ("pass", "insufficient"), (changed, found)
        judged = conclude(found)
        assert judged.blocks == (case.bound.rule.level == "error")
        assert judged.verdict == ("fail" if judged.blocks else "pass")
    assert mutated


@pytest.mark.parametrize("part", ["cell", "baseline"])
def test_nothing_passes_without_its_cell(part: str) -> None:
    for case in cases():
        if part == "baseline" and case.bound.rule.kind != "max-regression":
            continue
        changed = replace(case, cell=None) if part == "cell" else replace(case, baseline=None)
        found = judge([changed], Terms(evidence=Witness(-0.3, 0.3)))
        assert found[0].status == ("missing" if case.bound.rule.level == "error" else "warn")


@pytest.mark.parametrize("bounds", [(math.nan, math.nan), (math.nan, 0.1), (-0.1, math.nan), (-math.inf, math.inf)])
def test_no_interval_without_ends_ever_passes(bounds: tuple[float, float]) -> None:
    for case in cases():
        if case.bound.rule.decide != "point":
            found = judge([case], Terms(evidence=Witness(*bounds)))
            assert found[0].status == "insufficient"
            assert conclude(found).blocks == (case.bound.rule.level == "error")


def test_no_evidence_is_no_pass() -> None:
    for case in cases():
        if case.bound.rule.decide != "point":
            for evidence in (None, Witness(-1, 1, why="no spread"), Witness(-0.3, 0.6, guard="skewed")):
                assert judge([case], Terms(evidence=evidence))[0].status == "insufficient"


@pytest.mark.parametrize(
    ("decide", "bounds", "status"),
    [
        ("significant", (-1.0, 2.0), "pass"),
        ("significant", (0.4, 2.0), "pass"),
        ("significant", (0.6, 2.0), "fail"),
        ("noninferior", (-1.0, 0.4), "pass"),
        ("noninferior", (-1.0, 0.6), "insufficient"),
        ("noninferior", (0.4, 0.6), "insufficient"),
        ("noninferior", (0.6, 0.7), "fail"),
        ("equivalent", (-0.4, 0.4), "pass"),
        ("equivalent", (-0.6, 0.4), "insufficient"),
        ("equivalent", (-0.4, 0.6), "insufficient"),
        ("equivalent", (0.6, 0.7), "fail"),
        ("equivalent", (-0.7, -0.6), "fail"),
    ],
)
def test_statistical_decisions(decide: Decide, bounds: tuple[float, float], status: str) -> None:
    rule = Rule("loss", "max-regression", "0.5", "test", tolerance=Tolerance(absolute=0.5), decide=decide)
    for direction in ("min", "max", "zero"):
        case = RuleCase(Bound(rule, "loss", "loss", direction), "m", {}, cell(1.0), cell(1.0))
        found = judge([case], Terms(evidence=Witness(*bounds)))[0]
        assert found.status == status
        assert found.interval == (bounds if direction != "max" else (-bounds[1], -bounds[0]))


def test_with_two_tolerances_both_must_be_exceeded() -> None:
    both = Tolerance(10.0, 0.5)
    for decide, bounds, status in (
        ("significant", (0.2, 0.3), "pass"),
        ("significant", (0.6, 0.7), "fail"),
        ("noninferior", (0.2, 0.4), "pass"),
        ("noninferior", (0.2, 0.6), "insufficient"),
    ):
        rule = Rule("loss", "max-regression", "10%,0.5", "test", tolerance=both, decide=decide)  # type: ignore[arg-type]
        case = RuleCase(Bound(rule, "loss", "loss", "min"), "m", {}, cell(1.0), cell(1.0))
        assert judge([case], Terms(evidence=Witness(*bounds)))[0].status == status


def test_a_significant_rule_is_as_strict_beside_others_as_alone() -> None:
    rule = Rule("loss", "max-regression", "0.5", "test", tolerance=Tolerance(absolute=0.5), decide="significant")
    case = RuleCase(Bound(rule, "loss", "loss", "min"), "m", {}, cell(1.0), cell(1.0))
    witness = Witness(0.6, 0.7)
    assert {check.status for check in judge([case] * 20, Terms(evidence=witness))} == {"fail"}
    assert set(witness.levels) == {0.95}


def test_an_infinite_value_of_a_small_slice_fails(lossctl: Lossctl, write: Write) -> None:
    path = write("s.csv", "y,p,g\n" + "1,0.9,big\n" * 40 + "1,0,small\n" * 2)
    common = (
        "check",
        path,
        "-t",
        "y",
        "-p",
        "p",
        "--task",
        "binary",
        "--by",
        "g",
        "--max-slice",
        "bce=1",
        "-f",
        "json",
    )
    outcome = lossctl(*common)
    assert outcome.code == 1
    assert {entry["slice"]["g"]: entry["status"] for entry in outcome.json["checks"]} == {
        "big": "pass",
        "small": "undefined",
    }


def test_a_label_that_is_another_loss_is_refused(lossctl: Lossctl, rows: Path) -> None:
    for label in ("rmse=mae", "RMSE=mae", "l1=mse"):
        refused = lossctl("check", rows, *ONE, "-l", label, "--max", "rmse=1")
        assert (refused.code, refused.out) == (2, ""), label
        assert "is another loss" in refused.err
    assert lossctl("check", rows, *ONE, "-l", "mae=mae", "--max", "mae=9").code == 0


def test_an_option_given_twice_is_refused(lossctl: Lossctl, rows: Path) -> None:
    refused = lossctl("check", rows, *ONE, "--max", "mae=9", "--baseline", "a.json", "--baseline", "b.json")
    assert refused.code == 2
    assert "--baseline is given 2 times, as a.json, b.json" in refused.err


def verdicts(*found: tuple[str, str, dict[str, str]]) -> list[Check]:
    return [
        Check(
            id=f"loss.max{number}",
            model="m",
            loss="loss",
            spec="loss",
            slice=chosen,
            kind="max",
            rule="loss max 1",
            status=status,  # type: ignore[arg-type]
            level=level,  # type: ignore[arg-type]
            value=None,
            limit=None,
            margin=None,
            baseline=None,
            change=None,
            change_share=None,
            rows=0,
            interval=None,
            message="",
        )
        for number, (status, level, chosen) in enumerate(found)
    ]


G, H = {"g": "x"}, {"g": "y"}


@pytest.mark.parametrize(
    ("found", "default", "warn", "fail"),
    [
        ([("pass", "error", {})], ("pass", False), ("pass", False), ("pass", False)),
        ([("fail", "error", G), ("pass", "error", {})], ("fail", True), ("fail", True), ("fail", True)),
        ([("undefined", "error", {})], ("fail", True), ("fail", True), ("fail", True)),
        ([("missing", "error", {})], ("fail", True), ("fail", True), ("fail", True)),
        ([("warn", "warn", {})], ("pass", False), ("pass", False), ("pass", False)),
        ([("insufficient", "warn", {})], ("pass", False), ("pass", False), ("pass", False)),
        (
            [("insufficient", "error", {})],
            ("inconclusive", True),
            ("inconclusive", False),
            ("inconclusive", True),
        ),
        (
            [("pass", "error", {}), ("insufficient", "error", G), ("insufficient", "error", H)],
            ("inconclusive", True),
            ("inconclusive", False),
            ("inconclusive", True),
        ),
        (
            [("pass", "error", {}), ("insufficient", "error", G), ("pass", "error", H)],
            ("pass", False),
            ("pass", False),
            ("inconclusive", True),
        ),
        ([("skipped", "error", {})], ("inconclusive", False), ("inconclusive", False), ("inconclusive", False)),
        ([("skipped", "error", {}), ("pass", "error", {})], ("pass", False), ("pass", False), ("pass", False)),
    ],
)
def test_verdicts(
    found: list[tuple[str, str, dict[str, str]]],
    default: tuple[str, bool],
    warn: tuple[str, bool],
    fail: tuple[str, bool],
) -> None:
    checks = verdicts(*found)
    for how, expected in ((None, default), ("warn", warn), ("fail", fail)):
        judged = conclude(checks, how)  # type: ignore[arg-type]
        assert (judged.verdict, judged.blocks) == expected


# what a candidate can do ----------------------------------------------------------------------------------------------


def statuses(report: Report) -> dict[str, str]:
    return {check.id: check.status for check in report.checks}


def table(**columns: object) -> dict[str, Any]:
    return {name: np.asarray(values) for name, values in columns.items()}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("command", ["check", "eval", "validate"])
def test_rows_that_an_open_quote_swallows(lossctl: Lossctl, write: Write, command: str, suffix: str) -> None:
    text = b'y,p,note\n1,1,ok\n2,2,"ok\n3,9,ok\n4,9,ok\n'
    path = write(f"q.csv{suffix}", gzip.compress(text) if suffix else text)
    rule = ("--max", "mae=5") if command == "check" else ("-l", "mae")
    outcome = lossctl(command, path, *ONE, *rule)
    assert outcome.code == 3
    assert "row 2: a quote opens a field and is never closed" in outcome.err + outcome.out
    assert lossctl("check", path, *ONE, *rule, "--bad-rows", "drop").code != 0


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("strict", [False, True])
def test_rows_between_two_odd_quotes_are_warned_of(lossctl: Lossctl, write: Write, strict: bool, suffix: str) -> None:
    lines = [f"{row},{row},ok\r\n" for row in range(300)]
    lines[50], lines[250] = '1,1,"ok\r\n', '1,9,ok"\r\n'
    lines[10] = '1,1,o"k\r\n' if strict else lines[10]  # a quote for which records are read one by one
    text = f"y,p,note\r\n{''.join(lines)}".encode()
    path = write(f"q.csv{suffix}", gzip.compress(text) if suffix else text)
    outcome = lossctl("check", path, *ONE, "--allow-same", "--max", "mae=5", "-f", "json")
    assert outcome.json["checks"][0]["n"] == 100
    assert any("row 51: a field between quotes spans 201 lines" in text for text in outcome.json["warnings"])


@pytest.mark.parametrize("way", ["file", "link", "frame"])
def test_a_part_does_not_count_twice(lossctl: Lossctl, tmp_path: Path, rows: Path, way: str) -> None:
    if way == "frame":
        frame = pd.read_csv(rows)
        with pytest.raises(UsageError, match="twice"):
            evaluate([frame, frame], target="y", pred="p", losses="mae", concat=True)
        return
    (tmp_path / "d").mkdir()
    for name in ("1.csv", "2.csv"):
        (tmp_path / "d" / name).symlink_to(rows)
    files = (tmp_path / "d",) if way == "link" else (rows, tmp_path / "d" / ".." / rows.name, "--concat")
    refused(lossctl("check", *files, *ONE, "--max", "mae=5"), 3, "twice")


@pytest.mark.parametrize("way", ["folder", "concat"])
@pytest.mark.parametrize(("suffix", "bad"), [("csv", "2,9,9"), ("jsonl", "no")])
def test_bad_rows_of_parts_count_as_left_out(lossctl: Lossctl, tmp_path: Path, way: str, suffix: str, bad: str) -> None:
    (tmp_path / "d").mkdir()
    good = ["y,p", "1,2", "3,3", bad] if suffix == "csv" else ['{"y": 1, "p": 2}', '{"y": 3, "p": 3}', bad]
    files = [tmp_path / "d" / f"{part}.{suffix}" for part in "ab"]
    for file in files:
        file.write_text("\n".join(good))
    data = (tmp_path / "d",) if way == "folder" else (*files, "--concat")
    outcome = lossctl("check", *data, *ONE, "--max", "mae=5", "--bad-rows", "drop", "-f", "json")
    dropped = [entry for entry in outcome.json["checks"] if entry["kind"] == "max-dropped"]
    assert (outcome.code, [(entry["status"], entry["value"]) for entry in dropped]) == (1, [("fail", 2.0)])
    assert sum("1 bad row left out" in text for text in outcome.json["warnings"]) == 2


def joined(form: str) -> bytes:
    """A good table and a bad one behind it, as `cat` joins two files; a library reads one of them and says nothing."""
    content = b""
    for p in (0.1, 9.0) if form == "stream" else (9.0, 0.1):
        data, part = {"y": np.zeros(50), "p": np.full(50, p)}, io.BytesIO()
        if form == "npz":
            np.savez(part, **data)  # type: ignore[arg-type]  # columns by name
        else:
            arrow = pa.table(data)
            with (pa.ipc.new_stream if form == "stream" else pa.ipc.new_file)(part, arrow.schema) as writer:
                writer.write_table(arrow, max_chunksize=20)
        content += part.getvalue()
    return content


@pytest.mark.parametrize(("form", "words"), [("stream", "goes on"), ("file", "goes on"), ("npz", "begins after")])
def test_rows_of_files_that_were_joined(lossctl: Lossctl, write: Write, form: str, words: str) -> None:
    path = write("d.npz" if form == "npz" else "d.arrow", joined(form))
    refused(lossctl("check", path, *ONE, "--max", "mae=5"), 3, words)


def silent(rows: int) -> dict[str, Any]:
    """A candidate that says nothing in the rows that it gets wrong, beside a baseline that says something."""
    p = np.where(np.arange(100) < 100 - rows, 0.1 + 0.01 * (np.arange(100) % 5), np.nan)
    return table(y=np.zeros(100), p=p, q=np.full(100, 0.2), g=np.where(np.arange(100) < 60, "x", "y"))


@pytest.mark.parametrize("decide", ["point", "significant", "noninferior"])
def test_a_candidate_does_not_choose_its_rows(decide: str) -> None:
    options: dict[str, Any] = {"target": "y", "pred": ["p", "q"], "baseline": "q", "max_regression": "mae=5%"}
    options |= {"missing": "drop", "decide": decide}
    report = check(silent(20), **options)
    assert (report.verdict, statuses(report)["max-dropped"]) == ("fail", "fail")
    report = check(silent(20), max_dropped="20%", **options)
    assert (report.verdict, report.blocks) == ("inconclusive", True)
    assert "20 rows that the baseline predicts the candidate alone leaves out" in report.checks[0].message
    assert report.inputs[0].missing == 20
    report = check(silent(0), **options)
    assert (report.verdict, statuses(report)) == ("pass", {"mae.max-regression": "pass"})


def test_rows_that_the_baseline_or_the_target_lacks_are_nobodys_choice() -> None:
    data = silent(0)
    data["q"] = np.where(np.arange(100) < 90, 0.2, np.nan)
    data["y"] = np.where(np.arange(100) < 5, np.nan, 0.0)
    options: dict[str, Any] = {"target": "y", "pred": ["p", "q"], "baseline": "q", "max_regression": "mae=5%"}
    report = check(data, missing="drop", max_dropped=15, **options)
    assert (report.verdict, [source.left_out for source in report.inputs]) == ("pass", [15, 15])


def test_a_key_that_the_candidate_lacks_is_a_row_that_it_leaves_out(lossctl: Lossctl, write: Write) -> None:
    base = write("base.csv", "id,y,p\n" + "".join(f"{i},0,{1 + i % 2}\n" for i in range(40)))
    candidate = write("c.csv", "id,y,p\n" + "".join(f"{i},0,1\n" for i in range(30)))
    command = ("check", candidate, *ONE, "--id", "id", "--id-missing", "drop", "--baseline", f"b={base}")
    outcome = lossctl(*command, "--max-regression", "mae=5%", "-f", "json")
    assert (outcome.code, [entry["status"] for entry in outcome.json["checks"]]) == (1, ["insufficient", "fail"])
    for most, verdict in (("10", "inconclusive"), ("25%", "inconclusive"), ("9", "fail"), ("24%", "fail")):
        outcome = lossctl(*command, "--max-regression", "mae=5%", "--max-dropped", most, "-f", "json")
        assert (outcome.code, outcome.json["verdict"]) == (1, verdict)
        assert outcome.json["checks"][1]["n"] == 40


@pytest.mark.parametrize(
    ("limit", "verdict"), [(None, "fail"), (19, "fail"), ("19%", "fail"), (20, "pass"), ("20%", "pass")]
)
def test_what_may_be_left_out_is_a_rule_of_its_own(limit: str | int | None, verdict: str) -> None:
    report = check(silent(20), target="y", pred="p", missing="drop", max="mae=1", max_dropped=limit)
    assert report.verdict == verdict
    assert [entry.kind for entry in report.checks] == ["max", "max-dropped"]
    evaluated = evaluate(silent(20), target="y", pred="p", missing="drop", losses="mae")
    assert check(evaluated, max="mae=1", max_dropped=limit).verdict == verdict
    for wrong in ("-1", "1.5", "nan", "101%", "", "1e3"):
        with pytest.raises(UsageError, match="--max-dropped"):
            check(silent(20), target="y", pred="p", max="mae=1", max_dropped=wrong)


def test_a_slice_whose_weights_are_all_zero_is_not_too_small_but_undefined() -> None:
    data = {**silent(0), "w": np.where(silent(0)["g"] == "y", 0.0, 1.0)}
    report = check(data, target="y", pred="p", weight="w", by="g", max_slice="mae=1")
    assert (report.verdict, statuses(report)["mae.max-slice@g=y"]) == ("fail", "undefined")


def test_a_slice_is_as_large_as_before_rows_were_left_out() -> None:
    data = silent(20)
    data["p"] = np.where(data["g"] == "y", np.where(np.isnan(data["p"]), np.nan, 9.0), 0.1)
    options: dict[str, Any] = {"target": "y", "pred": "p", "missing": "drop", "by": "g", "max_slice": "mae=1"}
    report = check(data, max_dropped=20, **options)
    assert statuses(report)["mae.max-slice@g=y"] == "fail"
    evaluated = evaluate(data, target="y", pred="p", missing="drop", losses="mae", by="g")
    assert statuses(check(evaluated, max_dropped=20, max_slice="mae=1"))["mae.max-slice@g=y"] == "fail"


# files that contradict each other -------------------------------------------------------------------------------------

FIRST = {"y": [1, 2, 3], "p": [1, 2, 3], "w": [1, 1, 1], "g": ["a", "b", "a"], "u": ["s", "s", "t"], "id": [1, 2, 3]}


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize(
    ("column", "values", "options"),
    [
        ("w", [1, 5, 1], {"weight": "w"}),
        ("g", ["a", "b", "b"], {"by": "g"}),
        ("g", ["a", None, "a"], {"by": "g"}),
        ("u", ["s", "t", "t"], {"by": "g,u"}),
        ("id", [2, 1, 3], {}),
        ("w", [1, 5, 1], {"weight": "w", "id": "id"}),
        ("g", ["b", "b", "a"], {"by": "g", "id": "id"}),
    ],
)
def test_files_agree_row_by_row(
    tmp_path: Path, suffix: str, column: str, values: list[Any], options: dict[str, Any]
) -> None:
    def file(name: str, **columns: object) -> str:
        frame = pd.DataFrame({**FIRST, **columns})
        path = tmp_path / f"{name}.{suffix}"
        if suffix == "csv":
            frame.to_csv(path, index=False)
        elif suffix == "parquet":
            frame.to_parquet(path)
        else:
            frame.to_json(path, orient="records", lines=True)
        return str(path)

    one, same, other = file("one"), file("same"), file("other", **{column: values})
    asked: dict[str, Any] = {"target": "y", "losses": "mae", **options}
    assert compare([one, same], pred="p", **asked).models == ["one", "same"]
    truth: dict[str, Any] = {"targets": one}
    for data, more in (([one, other], {}), ([other], truth)):
        with pytest.raises(DataError, match=rf"column '{column}' is another one in .*(other|one)\.{suffix}"):
            evaluate(data, pred="p", **asked, **more)


def test_clusters_and_sets_agree_too(tmp_path: Path) -> None:
    pd.DataFrame(FIRST).to_csv(tmp_path / "one.csv", index=False)
    pd.DataFrame({**FIRST, "u": ["s", "t", "t"]}).to_csv(tmp_path / "two.csv", index=False)
    files = [str(tmp_path / "one.csv"), str(tmp_path / "two.csv")]
    with pytest.raises(DataError, match="row 2: column 'u' is another one in"):
        compare(files, target="y", pred="p", losses="mae", cluster="u")
    with pytest.raises(DataError, match="row 2: column 'u' is another one in"):
        evaluate(files, target="y", pred="p", losses="ndcg", roles="query=u")


# what stands beside the command line ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("EXIT_ZERO", "1"),
        ("SHOW_CONFIG", "1"),
        ("QUIET", "1"),
        ("ON_INSUFFICIENT", "warn"),
        ("MIN_SLICE", "100000"),
        ("MIN_ROWS", "0"),
        ("MAX_DROPPED", "100%"),
        ("ALLOW_SAME", "1"),
        ("BASELINE_OPTIONAL", "1"),
        ("NO_CONFIG", "1"),
        ("DECIDE", "significant"),
        ("SLICE_TOLERANCE", "900%"),
        ("CRITICAL_SLICE", "g=x"),
        ("SAVE_BASELINE", "saved.json"),
        ("COMMENT", "0"),
        ("NULL", "2"),
        ("MISSING", "drop"),
        ("WEIGHT", "p"),
        ("TARGET", "p"),
        ("PRED", "y"),
        ("TARGETS", "nowhere.csv"),
        ("LOSS", "mae=mbe"),
        ("BASELINE", "q"),
        ("CLUSTER", "g"),
        ("TIME", "p"),
        ("HORIZON", "20"),
        ("MIN_SLICE", "7"),
        ("MAX", "mae=900"),
    ],
)
def test_the_environment_does_not_disarm(
    lossctl: Lossctl, rows: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    (rows.parent / "lossctl.toml").write_text('[[check]]\nloss = "mae"\nmax = 0.5\n')
    command = ("check", "rows.csv", *ONE, "-p", "q", "--baseline", "p", "--by", "g", "--max-regression", "mae=1%")
    monkeypatch.chdir(rows.parent)
    without = lossctl(*command, "-f", "json")
    monkeypatch.setenv(f"LOSSCTL_{variable}", value)
    outcome = lossctl(*command, "-f", "json")
    assert (outcome.code, outcome.json["verdict"]) == (without.code, without.json["verdict"]) == (1, "fail")
    assert {entry["id"] for entry in outcome.json["checks"] if entry["blocks"]} >= {
        entry["id"] for entry in without.json["checks"] if entry["blocks"]
    }
    assert not (rows.parent / "saved.json").exists()
    if variable != "MAX":
        assert f"LOSSCTL_{variable} is not heard by a check" in outcome.err


@pytest.mark.parametrize("instruction", ["complete_bash", "source_bash", "complete_zsh"])
def test_a_check_is_no_question_for_completions(
    lossctl: Lossctl, rows: Path, monkeypatch: pytest.MonkeyPatch, instruction: str
) -> None:
    monkeypatch.setenv("_LOSSCTL_COMPLETE", instruction)
    outcome = lossctl("check", rows, *ONE, "--max", "mae=0.5")
    assert (outcome.code, "FAIL" in outcome.out) == (1, True)


@pytest.fixture
def shares(lossctl: Lossctl, rows: Path) -> list[Path]:
    """The states of a check that fails."""
    states = [rows.parent / f"{place}.state" for place in (1, 2)]
    for place, state in enumerate(states, 1):
        share = ("--shard", f"{place}/2", "--state-out", state)
        assert lossctl("check", rows, *ONE, "--max", "mae=0.5", *share).code == 0
    return states


def test_the_environment_disarms_no_merge(
    lossctl: Lossctl, shares: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOSSCTL_EXIT_ZERO", "1")
    outcome = lossctl("merge", *shares)
    assert outcome.code == 1
    assert "LOSSCTL_EXIT_ZERO is not heard" in outcome.err
    assert lossctl("merge", *shares, "--exit-zero").code == 0


@pytest.mark.parametrize("wrong", ["share", "option", "value"])
def test_no_old_green_file_stays_after_a_merge(
    lossctl: Lossctl, shares: list[Path], tmp_path: Path, wrong: str
) -> None:
    output = ("-o", f"junit:{tmp_path / 'out.xml'}")
    assert lossctl("merge", *shares, "--max", "mae=5", *output).code == 0
    words = {"share": (), "option": (shares[1], "--no-such-option"), "value": (shares[1], "--max", "mae=nan")}[wrong]
    assert lossctl("merge", shares[0], *words, *output).code != 0
    assert "<error" in (tmp_path / "out.xml").read_text()


@pytest.mark.parametrize(
    "option",
    [
        ("--min-slice", "20"),
        ("--min-rows", "20"),
        ("--on-insufficient", "fail"),
        ("--max-dropped", "0"),
        ("--allow-same",),
        ("--slice-tolerance", "300%"),
        ("--critical-slice", "g=x"),
        ("--decide", "point"),
    ],
)
@pytest.mark.parametrize(("tolerance", "code"), [("1%", 1), ("200%", 0)])
def test_what_a_merge_is_told_beside_rules_leaves_the_rules_of_the_shares(
    lossctl: Lossctl, rows: Path, option: tuple[str, ...], tolerance: str, code: int
) -> None:
    states = [rows.parent / f"{place}.state" for place in (1, 2)]
    rule = ("-p", "q", "--baseline", "p", "--max-regression", f"mae={tolerance}", "--by", "g")
    for place, state in enumerate(states, 1):
        assert lossctl("check", rows, *ONE, *rule, "--shard", f"{place}/2", "--state-out", state).code == 0
    saved = rows.parent / "saved.json"
    outcome = lossctl("merge", *states, *option, "--save-baseline", saved)
    assert (outcome.code, saved.exists()) == (code, code == 0), outcome.err


def test_an_error_of_a_merge_leaves_the_reports_of_other_commands(lossctl: Lossctl, rows: Path) -> None:
    state, report = rows.parent / "1.state", rows.parent / "r.json"
    report.write_text("older")
    assert lossctl("eval", rows, *ONE, "-l", "mae", "--shard", "1/2", "--state-out", state).code == 0
    assert lossctl("merge", state, "-o", report).code == 3
    assert report.read_text() == "older"


def test_a_file_may_be_stricter_than_a_variable(lossctl: Lossctl, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (rows.parent / "lossctl.toml").write_text('losses = "e=mae"\nmin-slice = 2\ndecide = "noninferior"\n')
    monkeypatch.chdir(rows.parent)
    for variable, value in (("MIN_SLICE", "30"), ("DECIDE", "point"), ("LOSS", "e=mbe"), ("DIGITS", "3")):
        monkeypatch.setenv(f"LOSSCTL_{variable}", value)
    shown = lossctl("check", *ONE, "--show-config", "-f", "json").json["settings"]
    values = {entry["option"]: entry["value"] for entry in shown}
    options = ("--min-slice", "--decide", "--loss", "--digits")
    assert [values[name] for name in options] == [2, "noninferior", ["e=mae"], 3]


def test_another_configuration_is_named_on_the_command_line(
    lossctl: Lossctl, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rows.parent / "weak.toml").write_text("")
    monkeypatch.setenv("LOSSCTL_CONFIG", str(rows.parent / "weak.toml"))
    refused(lossctl("check", rows, *ONE, "--max", "mae=5"), 2, "LOSSCTL_CONFIG")


@pytest.mark.parametrize(
    "line",
    [
        'on-insufficient = "warn"',
        "min-slice = 31",
        "min-rows = 29",
        "min-rows = 31",
        'max-dropped = "5%"',
        'decide = "significant"',
        "allow-same = true",
        "exit-zero = true",
        "baseline-optional = true",
        "show-config = true",
        "quiet = true",
        'slice-tolerance = "9%"',
        'critical-slice = "g=x"',
    ],
)
def test_a_file_does_not_disarm(lossctl: Lossctl, rows: Path, line: str) -> None:
    (rows.parent / "c.toml").write_text(line + "\n")
    refused(lossctl("check", rows, *ONE, "--max", "mae=5", "--config", rows.parent / "c.toml"), 2, "is not allowed")


def test_a_report_does_not_stand_in_for_the_predictions_of_a_file(
    lossctl: Lossctl, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(rows.parent)
    rules = '[[check]]\nloss = "e"\nmax = 0.5\n'
    Path("c.toml").write_text('files = ["d.csv"]\ntarget = "y"\npred = ["p"]\nlosses = ["e=mae"]\n' + rules)
    Path("d.csv").write_text(ROWS)
    assert lossctl("check", "--config", "c.toml").code == 1
    assert lossctl("eval", rows, *ONE, "-l", "e=mbe", "-o", "json:d.csv", "-q").code == 0
    refused(lossctl("check", "--config", "c.toml"), 2, "says target, pred of its files, and d.csv is a saved report")
    refused(lossctl("check", "d.csv", "--config", "c.toml"), 3, "under the name of a table")
    Path("d.csv").rename("d.json")
    says = "d.json: its e is mbe, and that of the configuration is mae"
    refused(lossctl("check", "d.json", "--config", "c.toml"), 2, says)
    assert lossctl("eval", rows, *ONE, "-l", "e=mae", "-o", "r.json", "-q").code == 0
    assert lossctl("check", "r.json", "--config", "c.toml").code == 1
    Path("c.toml").write_text('files = ["r.json"]\nlosses = ["e=mae"]\n' + rules.replace("0.5", "5"))
    assert lossctl("check", "--config", "c.toml").code == 0
    Path("c.toml").write_text('files = ["r.json"]\nlosses = ["e=mbe"]\n' + rules.replace("0.5", "5"))
    refused(lossctl("check", "--config", "c.toml", "--save-baseline", "s.json"), 2, "its e is mae")
    assert not Path("s.json").exists()


@pytest.mark.parametrize("form", FORMATS)
def test_the_report_of_a_failed_check_is_a_baseline_that_is_warned_of(lossctl: Lossctl, rows: Path, form: str) -> None:
    failed = rows.parent / "failed.json"
    assert lossctl("check", rows, *ONE, "--max", "mae=0.1", "-o", failed).code == 1
    outcome = lossctl("check", rows, *ONE, "--baseline", failed, "--max-regression", "mae=1%", "-f", form)
    assert outcome.code == 0
    assert "the baseline is the report of a failed check" in (outcome.out if form != "value" else outcome.err)
    assert "failed.json: the baseline is the report of a failed check" in outcome.err


@pytest.mark.parametrize("options", [("-w", "w"), ("--by", "w"), ("--cluster", "w"), ("--time", "t"), ("--by", "y,w")])
def test_the_candidate_alone_does_not_weigh_or_part_the_rows(
    lossctl: Lossctl, write: Write, options: tuple[str, str]
) -> None:
    ids = np.arange(60)
    truth = pd.DataFrame({"id": ids, "y": ids % 2, "w": 1 + ids % 3, "t": ids})
    old = truth.assign(p=0.5)
    new = write("new.csv", old.to_csv(index=False))
    base = write("base.csv", old.drop(columns=["w", "t"]).to_csv(index=False))
    full = write("full.csv", old.to_csv(index=False))
    targets = write("truth.csv", truth.to_csv(index=False))
    command = ("check", new, *ONE, "--id", "id", "--max-regression", "mae=1%", "--decide", "significant", *options)
    refused(lossctl(*command, "--baseline", base), 2, "base.csv: does not hold column")
    for outcome in (lossctl(*command, "--baseline", full), lossctl(*command, "--baseline", base, "--targets", targets)):
        assert outcome.code in (0, 1), outcome.err


def test_a_candidate_without_a_key_of_the_truth_is_an_error(lossctl: Lossctl, write: Write) -> None:
    truth = write("truth.csv", "id,y\n" + "".join(f"{i},{i}\n" for i in range(40)))
    for text in ("id,p\n", "id,p\n77,1\n"):
        candidate = write("c.csv", text)
        command = ("check", candidate, *ONE, "--targets", truth, "--id", "id", "--max", "mae=1")
        refused(lossctl(*command, "--id-missing", "drop"), 3, "none of its keys is in")
        refused(lossctl(*command), 3, "truth.csv")


@pytest.mark.parametrize("loss", ["mae", "ndcg", "r2"])
def test_the_candidate_alone_does_not_say_what_is_true(lossctl: Lossctl, write: Write, loss: str) -> None:
    ids = np.arange(60)
    truth = pd.DataFrame({"id": ids, "y": ids % 3, "q": ids // 6})
    old = write("old.csv", pd.DataFrame({"id": ids, "p": (ids % 5) / 2}).to_csv(index=False))
    forged = write("new.csv", pd.DataFrame({"id": ids, "y": ids % 4, "q": ids // 6, "p": ids % 4}).to_csv(index=False))
    guess = write("guess.csv", pd.DataFrame({"id": ids, "p": ids % 4}).to_csv(index=False))
    query = ("--role", "query=q") if loss == "ndcg" else ()
    command = ("-t", "y", "-p", "p", *query, "--id", "id", "--max-regression", f"{loss}=1%", "--baseline", old)
    refused(lossctl("check", forged, *command), 2, "old.csv: does not hold column 'y'")
    targets = write("truth.csv", truth.to_csv(index=False))
    refused(lossctl("check", forged, *command, "--targets", targets), 3, "truth.csv")
    outcome = lossctl("check", guess, *command, "--targets", targets)
    assert outcome.code in (0, 1), outcome.err


def test_rules_of_python_are_dicts_as_in_the_file() -> None:
    data = {"y": np.zeros(40), "p": np.ones(40), "g": np.repeat(["a", "b"], 20)}

    def judged(*rules: dict[str, object], **options: Any) -> str | None:
        return check(data, target="y", pred="p", rules=rules, **options).verdict

    assert judged({"loss": "mae", "max": 0.9}) == "fail"
    assert judged({"loss": "mae", "max": 1}) == "pass"
    assert judged({"loss": "mae", "max_slice": 0.9, "by": ("g",)}, min_slice=1) == "fail"
    assert judged({"loss": "mae", "max-slice": 0.9, "by": "g", "level": "warn"}, min_slice=1) == "pass"
    wrong: tuple[tuple[dict[str, object], str], ...] = (
        ({"loss": "mae", "max": 1, "confidense": 0.9}, "rules 1: unknown key .confidense. .did you mean .confidence"),
        ({"max": 1}, "there is no loss"),
        ({"loss": "mae"}, "there is no limit"),
        ({"loss": "mae", "max": "1"}, "rules 1: max"),
        ({"loss": "mae", "max": math.nan}, "rules 1: max"),
    )
    for rule, words in wrong:
        with pytest.raises(UsageError, match=words):
            judged(rule)
    with pytest.raises(UsageError, match="a list of tables"):
        check(data, target="y", pred="p", rules={"loss": "mae", "max": 1})  # type: ignore[arg-type]


def test_files_of_a_folder_that_are_no_parts_are_named(lossctl: Lossctl, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("y,p\n1,2\n2,2\n")
    for name in ("_b.csv", ".b.csv"):
        (tmp_path / name).write_text("y,p\n3,99\n")
    outcome = lossctl("check", tmp_path, *ONE, "--max", "mae=1")
    assert outcome.code == 0
    assert ".b.csv, _b.csv: no part" in outcome.err


# models that are what they are judged by ------------------------------------------------------------------------------


def test_the_target_is_no_prediction(lossctl: Lossctl, rows: Path, write: Write) -> None:
    command = ("check", rows, "-t", "y", "--max", "mae=1")
    for more in (("-p", "y"), ("-p", "perfect=y"), ("--targets", rows, "-p", "y")):
        refused(lossctl(*command, *more), 2, "--allow-same")
        assert lossctl(*command, *more, "--allow-same").code == 0
    saved = write("r.json", lossctl("eval", rows, "-t", "y", "-p", "y", "-l", "mae", "-f", "json").out)
    refused(lossctl("check", saved, "--max", "mae=1"), 2, "--allow-same")
    outcome = lossctl("check", saved, "--max", "mae=1", "--allow-same")
    assert outcome.code == 0
    assert "y: its prediction is the target in every row" in outcome.err
    with pytest.raises(UsageError, match="--allow-same"):
        check(evaluate(rows, target="y", pred="y", losses="mae"), max="mae=1")
    copy = table(y=np.arange(50.0), p=np.arange(50.0))
    assert check(evaluate(copy, target="y", pred="p", losses="mae"), max="mae=1").warnings != ()
    report = check(copy, target="y", pred="p", max="mae=1")
    assert (report.verdict, report.warnings) == ("pass", ("p: its prediction is the target in every row",))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("decide", ["point", "noninferior"])
def test_a_candidate_that_is_the_baseline_is_said_to_be(
    lossctl: Lossctl, rows: Path, write: Write, form: str, decide: str
) -> None:
    copy = write("copy.csv", ROWS)
    for command in (
        ("check", rows, *ONE, "--baseline", f"b={copy}"),
        ("check", rows, *ONE, "-p", "q=p", "--baseline", "p"),
    ):
        outcome = lossctl(*command, "--max-regression", "mae=1%", "--decide", decide, "-f", form)
        assert outcome.code == 0
        said = outcome.out if form != "value" else outcome.err
        assert "the predictions are those of the baseline in every row" in said


def test_a_saved_baseline_with_every_value_is_said_to_be(lossctl: Lossctl, rows: Path, base: Path) -> None:
    assert "every value is that of the baseline" in against(lossctl, rows, base).out


@pytest.mark.parametrize("spec", ["huber=huber:delta=0.01", "HUBER=huber:delta=0.01", "pinball=quantile:q=0.9"])
def test_a_built_in_name_is_no_label_of_other_parameters(lossctl: Lossctl, rows: Path, spec: str) -> None:
    refused(lossctl("check", rows, *ONE, "-l", spec, "--max", "huber=1"), 2, "take a label that is no loss")
    (rows.parent / "c.toml").write_text(f'losses = ["{spec}"]\n')
    config = ("--config", rows.parent / "c.toml")
    refused(lossctl("check", rows, *ONE, "--max", "huber=1", *config), 2, "take a label that is no loss")
    assert lossctl("check", rows, *ONE, "-l", "huber=huber:delta=1", "--max", "huber=9").code == 0


@pytest.mark.parametrize(
    "spec",
    [
        *("L1Loss=mbe", "MSELoss=mbe", "nn.L1Loss=mbe", "l2=mbe", "huber@2=mae", "huber@2=huber", "ndcg@10=ndcg"),
        *("binary_error=mbe", "log_loss=mbe", "ce=mbe", "neg_mean_absolute_error=mbe", "mae@eu=mbe"),
        *("\uff4d\uff41\uff45=mbe", "ma\u200be=mbe", "rms\u0435=mae", "\u0435\u0441\u0435=mae", "rms\u00e9=mae"),
        *("RMS\u0395=mae", "log\u2013cosh=mae", "\u1d0d\u1d00\u1d07=mbe"),
        *(
            "mae[1]=mbe",
            "mae [p]=mbe",
            "'mae'=mbe",
            "(mae)=mbe",
            "mae(x)=mbe",
            "mae.=mbe",
            "mae*=mbe",
            "huber[1]=huber:delta=2",
        ),
    ],
)
def test_a_name_of_another_loss_is_no_label(spec: str) -> None:
    with pytest.raises(UsageError, match="take a label that is no loss"):
        labelled(spec)


@pytest.mark.parametrize(
    "spec",
    [
        *(
            "p90=quantile:q=0.9",
            "e=mae",
            "tail=mae",
            "error=mae",
            "total=mae",
            "err=rmse",
            "MAE=mae",
            "L1Loss=mae",
            "mae[1]=mae",
            "*=mae",
        ),
        *(
            "ce=cce",
            "huber@2=huber:delta=2",
            "ndcg@10=ndcg:k=10",
            "ndcg(10)=ndcg:k=10",
            "log_loss=bce",
            "mae@eu=mae",
            "a@b=mae",
        ),
    ],
)
def test_other_names_are_labels(spec: str) -> None:
    assert labelled(spec)[0] == spec.partition("=")[0]


# slices ---------------------------------------------------------------------------------------------------------------


def test_a_rule_is_undecided_in_each_slicing_by_itself() -> None:
    data = table(y=np.zeros(80), p=np.ones(80), g=np.repeat(["x", "y"], 40), h=np.repeat(np.arange(16), 5))
    options: dict[str, Any] = {"target": "y", "pred": "p", "max_slice": "mae=2"}
    assert check(data, by="g", **options).verdict == "pass"
    report = check(data, by=["g", "h"], **options)
    assert (report.verdict, report.blocks) == ("inconclusive", True)
    assert {entry.id for entry in report.checks if entry.blocks} == {f"mae.max-slice@h={h}" for h in range(16)}


def test_rows_without_weight_do_not_make_a_slice_large_enough() -> None:
    weights = np.tile([1.0, 0.0], 40)
    data = table(y=np.zeros(80), p=np.ones(80), g=np.repeat(["x", "y"], 40), w=weights)
    options: dict[str, Any] = {"target": "y", "weight": "w", "by": "g"}
    report = check(data, pred="p", max_slice="mae=2", **options)
    assert report.verdict == "inconclusive"
    assert report.checks[0].message == "20 rows with weight, worth 20 of equal weight, 30 are needed (--min-slice)"
    evaluated = evaluate(data, target="y", pred="p", losses="mae", weight="w", by="g")
    assert check(evaluated, max_slice="mae=2").verdict == "inconclusive"
    data["w"] = np.concatenate([[1e6], np.ones(79)])
    [found, *_] = check(data, pred="p", max="mae=2", **options).checks
    assert (found.status, round(found.effective or 0, 3)) == ("pass", 1.0)


def twenty(tolerance: float = 0.0) -> dict[str, Any]:
    """Twenty slices of 40 rows; the candidate is as good as the baseline, but for one slice where it is worse."""
    noise = np.random.default_rng(0).normal(size=(2, 800))
    slices = np.repeat(np.arange(20), 40)
    worse = np.where(slices == 7, tolerance, 0.0)
    return table(y=np.zeros(800), p=1 + 0.3 * noise[0], q=1 + 0.3 * noise[1] + worse, g=slices.astype(str))


AGAINST: dict[str, Any] = {"target": "y", "pred": ["p", "q"], "baseline": "p", "by": "g", "max_regression": "mae=2%"}


def test_twenty_slices_do_not_block_an_equally_good_model() -> None:
    report = check(twenty(), decide="significant", **AGAINST)
    assert report.verdict == "pass"
    worded = [entry for entry in report.checks if entry.message.startswith("worse by")]
    assert len(worded) > 15
    for entry in worded:
        assert ("Holm over 20 slices" in entry.message) == bool(entry.slice), "all rows are judged alone"
    broken = check(twenty(0.5), decide="significant", **AGAINST)
    assert [entry.id for entry in broken.checks if entry.blocks] == ["mae.max-regression@g=7"]


def test_a_decision_by_point_says_how_many_slices_chance_would_fail() -> None:
    report = check(twenty(), **AGAINST)
    [warning] = [text for text in report.warnings if "decided by point in 20 slices" in text]
    assert "by chance" in warning
    assert "--decide significant" in warning
    assert not any("by point" in text for text in check(twenty(), slice_tolerance="90%", **AGAINST).warnings)


def test_slices_have_tolerances_of_their_own() -> None:
    assert check(twenty(), **AGAINST).verdict == "fail"
    assert check(twenty(), slice_tolerance="50%", **AGAINST).verdict == "pass"
    assert check(twenty(), slice_tolerance="mae=50%", **AGAINST).verdict == "pass"
    report = check(twenty(0.9), slice_tolerance="50%", **AGAINST)
    assert [entry.id for entry in report.checks if entry.blocks and entry.slice] == ["mae.max-regression@g=7"]
    rule = RuleTable("mae", max_regression=Tolerance(50.0), tolerances={"g=7": Tolerance(1.0)})
    options = {name: value for name, value in AGAINST.items() if name != "max_regression"}
    report = check(twenty(0.2), rules=[rule], **options)
    assert [entry.rule for entry in report.checks if entry.blocks] == ["mae max-regression 1%"]
    for wrong in ("rmse=5%", "nope=5%", "-1%", "nan", ""):
        with pytest.raises(UsageError):
            check(twenty(), slice_tolerance=wrong, **AGAINST)


def test_a_critical_slice_must_be_decided_and_hold_and_others_only_warn() -> None:
    report = check(twenty(0.9), critical_slice="g=7", **{**AGAINST, "max_regression": "mae=10%"})
    assert [entry.id for entry in report.checks if entry.blocks] == ["mae.max-regression@g=7"]
    assert check(twenty(0.9), critical_slice="g=3", **{**AGAINST, "max_regression": "mae=30%"}).verdict == "pass"
    report = check(twenty(), critical_slice="g=21", **{**AGAINST, "max_regression": "mae=90%"})
    assert (report.verdict, statuses(report)["mae.max-regression@g=21"]) == ("fail", "missing")
    options = {**AGAINST, "max_regression": "mae=90%"}
    report = check(twenty(), critical_slice="g=7", min_slice=41, **options)
    assert (report.verdict, report.blocks) == ("inconclusive", True)


def test_zero_against_zero_is_no_regression(lossctl: Lossctl) -> None:
    data = table(
        y=np.tile([0.0, 1.0], 40), p=np.tile([0.1, 0.9], 40), q=np.tile([0.2, 0.8], 40), g=np.repeat(["x", "y"], 40)
    )
    for decide, tolerance in itertools.product(("point", "significant", "noninferior"), ("0", "0%", "2%", "2%,0.01")):
        report = check(
            data,
            target="y",
            pred=["p", "q"],
            task="binary",
            baseline="p",
            by="g",
            max_regression=f"zero_one={tolerance}",
            decide=decide,
        )
        assert (report.verdict, {entry.status for entry in report.checks}) == ("pass", {"pass"})


@pytest.mark.parametrize("decide", ["point", "significant", "noninferior"])
@pytest.mark.parametrize("tolerance", ["5%", "0", "5%,0.1"])
def test_what_is_better_than_a_baseline_of_0_is_no_regression(decide: Decide, tolerance: str) -> None:
    """A share of 0 is nothing that a worse value could be compared with; a better one needs no comparison."""
    truth = np.arange(100) % 2
    wrong, right = np.where(truth == 1, 0.1, 0.9), np.where(truth == 1, 0.9, 0.1)
    right[:3] = wrong[:3]
    options: dict[str, Any] = {"target": "y", "max_regression": f"accuracy={tolerance}", "decide": decide, "by": "g"}
    data = {"y": truth, "old": wrong, "new": right, "g": np.repeat(["u", "v"], 50)}
    assert check(data, pred=["old", "new"], baseline="old", **options).verdict == "pass"
    assert check(data, pred=["old", "new"], baseline="new", **options).verdict == "fail"


def test_a_last_bit_is_no_regression() -> None:
    """Sums by slices and of all rows may differ in it, as may machines."""
    report = evaluate({"y": [0.0, 1.0] * 9, "p": [0.1] * 18}, target="y", pred="p", losses=["mae", "r2"], ci=None)
    loss, score = (Bound(regression_rule(f"{name}=0"), name, name, way) for name, way in WAYS.items())
    for bound, start, value, status in [
        (loss, 0.3, 0.1 + 0.2, "pass"),
        (loss, 0.3, 0.3 * (1 + 1e-11), "fail"),
        (loss, 0.0, 1e-300, "fail"),
        (score, 0.0, -2e-16, "pass"),  # a score is what a loss lacks to 1
        (score, 0.0, -1e-11, "fail"),
    ]:
        cell = report.cell(bound.label)
        case = RuleCase(bound, "p", {}, replace(cell, value=value), replace(cell, value=start))
        [verdict] = judge([case], Terms())
        assert verdict.status == status, (value, start)
        assert ("is the same as the baseline's" in verdict.message) == (status == "pass")


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("loss", ["one_minus_pearson", "one_minus_concordance"])
def test_a_constant_is_undefined_whatever_its_weights_round_to(loss: str, weight: str | None) -> None:
    draw = np.random.default_rng(7)
    group = np.arange(200) % 5
    pred, varied = draw.normal(size=5)[group], draw.normal(size=200)
    truth = varied if loss == "one_minus_pearson" else pred + 0.0
    data = {"y": truth, "p": pred, "g": group, "w": draw.gamma(1.0, size=200)}
    report = check(data, target="y", pred="p", weight=weight, by="g", max_slice=f"{loss}=2")
    assert [entry.status for entry in report.checks] == ["undefined"] * 5
    for score in ("pearson", "spearman", "kendall"):
        options: dict[str, Any] = {"target": "y", "pred": "p", "losses": score, "weight": weight}
        cells = evaluate({**data, "y": varied}, by="g", **options)
        assert [cell.status for cell in cells if cell.slice] == ["undefined"] * 5
        assert math.isnan(evaluate({**data, "y": varied, "p": np.full(200, 0.7)}, **options).value())


@pytest.mark.parametrize("decide", ["significant", "noninferior"])
def test_few_rows_decide_nothing_by_statistics(decide: str) -> None:
    few = {name: values[:29] for name, values in twenty().items()}
    options: dict[str, Any] = {"target": "y", "pred": ["p", "q"], "baseline": "p", "max_regression": "mae=900%"}
    report = check(few, decide=decide, **options)
    assert (report.verdict, report.checks[0].message) == ("inconclusive", "29 rows, 30 are needed (--min-rows)")
    assert check(few, decide=decide, min_rows=20, **options).verdict == "pass"
    assert check(few, **options).verdict == "pass"
    assert check(few, min_rows=30, **options).verdict == "inconclusive"


# baselines that are not what they seem --------------------------------------------------------------------------------


def test_predictions_in_an_unknown_order_are_no_baseline(lossctl: Lossctl, rows: Path, write: Write) -> None:
    other = write("other.csv", "p\n" + "9\n" * 80)
    refused(lossctl("check", rows, *ONE, "--baseline", other, "--max-regression", "mae=1%"), 2, "--id COLUMN")
    with_target = write("with.csv", ROWS)
    assert lossctl("check", rows, *ONE, "--baseline", with_target, "--max-regression", "mae=1%").code == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["results"][0].update(value=9.0),
        lambda document: document["results"][0].update(n=1),
        lambda document: document["results"][0].update(direction="max"),
        lambda document: document["inputs"][0].update(used=1),
        lambda document: document["tool"].update(version="0.2.0"),
        lambda document: document.update(warnings=["all is well"]),
        lambda document: document.pop("seal"),
        lambda document: document.update(seal="0" * 16),
    ],
)
def test_a_report_that_a_hand_changed(lossctl: Lossctl, rows: Path, base: Path, change: Callable[..., object]) -> None:
    document = json.loads(base.read_text())
    base.write_text(json.dumps(document, indent=3))
    assert against(lossctl, rows, base).code == 0, "its layout says nothing"
    change(document)
    base.write_text(json.dumps(document))
    refused(against(lossctl, rows, base), 4, "edited by hand")
    refused(lossctl("check", base, "--max", "mae=9"), 3, "edited by hand")


def test_the_version_that_wrote_a_report(lossctl: Lossctl, rows: Path, base: Path) -> None:
    edited(base, lambda document: document["tool"].update(version="1.0.0"))
    refused(against(lossctl, rows, base), 4, "another major version")
    refused(lossctl("check", base, "--max", "mae=9"), 3, "another major version")
    edited(base, lambda document: document["tool"].update(version="0.9.7"))
    outcome = lossctl("check", rows, *ONE, "--baseline", base, "--max-regression", "mae=1%")
    assert outcome.code == 0
    assert "was written by lossctl 0.9.7" in outcome.err


def test_a_line_of_baselines_does_not_drift(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    base, values = tmp_path / "base.json", []
    command = ("--baseline", base, "--max-regression", "mae=2%", "--save-baseline", base, "-q")
    for step in range(6):
        rows = write("r.csv", "y,p\n" + f"0,{1.015**step!r}\n" * 40)
        outcome = lossctl(
            "check", rows, *ONE, *(command if step else ("-l", "mae", "--save-baseline", base)), "-f", "json"
        )
        values.append(json.loads(base.read_text())["results"][0]["value"])
        assert outcome.code == (0 if step < 2 else 1 if step > 2 else outcome.code)
    assert max(values) <= 1.02
    assert json.loads(base.read_text())["first"] == [{"model": "p", "loss": "mae", "slice": {}, "value": 1.0}]
    better = write("r.csv", "y,p\n" + "0,0.5\n" * 40)
    assert lossctl("check", better, *ONE, *command).code == 0
    assert json.loads(base.read_text())["first"][0]["value"] == 0.5, "no less is asked of what comes after a better one"


# reports of the outcome -----------------------------------------------------------------------------------------------


def test_what_blocks_is_a_failure_in_every_report(lossctl: Lossctl, rows: Path) -> None:
    undecided = ("check", rows, *ONE, "--by", "g", "--min-slice", "1000", "--max-slice", "mae=5")
    for more, failures in (((), 2), (("--on-insufficient", "warn"), 0)):
        suite = ElementTree.fromstring(lossctl(*undecided, *more, "-f", "junit").out)[0]
        assert (suite.get("failures"), len(suite.findall(".//failure"))) == (str(failures), failures)
        assert lossctl(*undecided, *more, "-f", "github").out.count("::error ") == failures


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("broken", ["rule", "option", "value", "data", "baseline", "flag"])
def test_no_old_green_file_stays(lossctl: Lossctl, rows: Path, tmp_path: Path, form: str, broken: str) -> None:
    path = tmp_path / ("out.txt" if form == "table" else "out")
    output = ("-o", path if form == "table" else f"{form}:{path}")
    common = ("check", rows, "-p", "p", "--max", "mae=5")
    assert lossctl(*common, "-t", "y", *output).code == 0
    green = path.read_text()
    wrong, code = {
        "rule": (("-t", "y", "--max", "mae=nan"), 2),
        "option": (("-t", "y", "--no-such-option"), 2),
        "value": (("-t", "y", "--threads", "none"), 2),
        "data": (("-t", "nope"), 3),
        "baseline": (("-t", "y", "--baseline", "none.json", "--max-regression", "mae=1%"), 4),
        "flag": (("-t", "y", "--decide", "maybe"), 2),
    }[broken]
    outcome = lossctl(*common, *wrong, *output)
    assert (outcome.code, outcome.out) == (code, "")
    text = path.read_text()
    assert text != green
    assert "error" in text.lower()
    assert "pass" not in text.lower().replace("lossctl.check", "")


@pytest.mark.parametrize("place", ["file", "environment"])
@pytest.mark.parametrize("broken", ["key", "rule", "value", "option"])
def test_no_old_green_file_stays_whose_name_was_not_typed(
    lossctl: Lossctl, rows: Path, monkeypatch: pytest.MonkeyPatch, place: str, broken: str
) -> None:
    monkeypatch.chdir(rows.parent)
    path, config = rows.parent / "out.xml", rows.parent / "lossctl.toml"
    common, named = ("check", rows, *ONE, "--max", "mae=5"), 'output = ["junit:out.xml"]\n'
    if place == "environment":
        monkeypatch.setenv("LOSSCTL_OUTPUT", "junit:out.xml")
        named = ""
    config.write_text(named)
    assert lossctl(*common).code == 0
    assert "<error" not in path.read_text()
    more = {"key": "no-such-key = 1\n", "rule": '[[check]]\nloss = "mae"\nmax = "x"\n', "value": "threads = -1\n"}
    config.write_text(named + more.get(broken, ""))
    assert lossctl(*common, *(["--no-such-option"] if broken == "option" else [])).code == 2
    assert "<error" in path.read_text()


def test_an_error_is_written_over_no_input(lossctl: Lossctl, rows: Path, base: Path) -> None:
    before = base.read_text()
    rule = ("--max-regression", "mae=1%")
    assert lossctl("check", rows, *ONE, "--baseline", base, *rule, "-o", base).code == 2
    assert lossctl("check", rows, *ONE, "--baseline", base, *rule, "-o", base, "--no-such-option").code == 2
    assert lossctl("check", rows, *ONE, "--max", "mae=nan", "-o", f"csv:{rows}").code == 2
    assert (base.read_text(), rows.read_text()) == (before, ROWS)


@pytest.mark.parametrize("name", ["lossctl.toml", "pyproject.toml", "x.toml"])
@pytest.mark.parametrize("content", ["", "digits = \n", "nope = 1\n"])
def test_an_error_is_written_over_no_configuration(
    lossctl: Lossctl, rows: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    monkeypatch.chdir(rows.parent)
    text = ("[tool.lossctl]\n" if name == "pyproject.toml" else "") + content
    (rows.parent / name).write_text(text)
    config = ("--config", name) if name == "x.toml" else ()
    for words in (("--max", "mae=5"), ("--max", "mae=nan"), ("--max", "mae=5", "--no-such-option")):
        assert lossctl("check", rows, *ONE, *config, *words, "-o", f"junit:{name}").code == 2
        assert (rows.parent / name).read_text() == text


# decisions that hold in every row, or rest on next to nothing --------------------------------------------------------


@pytest.mark.parametrize("loss", ["zero_one", "accuracy", "f1", "mcc", "roc_auc"])
@pytest.mark.parametrize("decide", ["significant", "noninferior", "equivalent"])
def test_other_probabilities_of_the_same_decisions_are_no_regression(loss: str, decide: str) -> None:
    rng = np.random.default_rng(151)
    y = rng.integers(0, 2, 400)
    base = np.clip(0.5 + 0.3 * (2 * y - 1) + rng.normal(0.0, 0.3, 400), 0.01, 0.99)
    data = {"y": y, "base": base, "new": 0.5 + 0.9 * (base - 0.5)}
    rule: dict[str, Any] = {"max_regression": f"{loss}=0.05", "decide": decide}
    report = check(data, target="y", pred=["new", "base"], baseline="base", **rule)
    assert report.verdict == "pass"


@pytest.mark.parametrize("loss", ["rmse", "rmsle", "mae", "mse"])
@pytest.mark.parametrize("decide", ["noninferior", "equivalent"])
def test_no_unit_of_the_target_shows_what_another_does_not(loss: str, decide: Decide) -> None:
    """What of a value is rounding is in the unit of the loss, as is what it is held against."""
    rng = np.random.default_rng(158)
    base = np.abs(rng.normal(size=300))
    new = rng.permutation(base)
    for scale in (1.0, 1e-12, 1e-15):
        data = {"y": np.zeros(300), "base": scale * base, "new": scale * new}
        rule: dict[str, Any] = {"max_regression": f"{loss}=2%", "decide": decide, "baseline": "base"}
        report = check(data, target="y", pred=["new", "base"], **rule)
        assert report.verdict == "inconclusive", (scale, report.checks[0].message)


@pytest.mark.parametrize("loss", ["nrmse", "mae", "rmse", "wape"])
def test_no_spread_of_rows_makes_a_regression_rounding(loss: str) -> None:
    """Errors over a mean near 0, as of standardised targets, spread without end, and yet they cancel in nothing."""
    rng = np.random.default_rng(160)
    y, noise = rng.normal(size=300), rng.normal(size=300)
    y = (y - y.mean()) / y.std() + 1e-12
    data = {"y": y, "base": y + 0.1 * noise, "new": y + 0.15 * noise}
    report = check(data, target="y", pred=["new", "base"], baseline="base", max_regression=f"{loss}=0")
    assert report.verdict == "fail", report.checks[0].message


@pytest.mark.parametrize("loss", ["pearson", "one_minus_pearson"])
@pytest.mark.parametrize("weight", [None, "w"])
def test_predictions_that_are_a_multiple_of_others_correlate_alike(loss: str, weight: str | None) -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        y = rng.lognormal(size=100)
        base = y + 0.1 * rng.normal(size=100)
        data = {"y": y, "base": base, "new": base * rng.uniform(0.97, 1.03) + 0.01, "w": rng.random(100)}
        options: dict[str, Any] = {"target": "y", "pred": ["base", "new"], "weight": weight, "baseline": "base"}
        for decide in ("point", "significant", "noninferior", "equivalent"):
            report = check(data, max_regression=f"{loss}=1e-9", decide=decide, **options)
            assert report.verdict == "pass", report.checks[0].message
        assert check(data, max_regression=f"{loss}=0", decide="significant", **options).verdict != "fail"
        [difference] = compare(data, losses=loss, **options).comparisons
        assert abs(difference.difference) < 1e-14
        assert difference.verdict not in ("better", "worse")


@pytest.mark.parametrize(("base", "new", "tolerance"), [(1.0, 1.02, "2%"), (0.7, 0.77, "10%"), (0.3, 0.309, "0.009")])
def test_what_is_at_the_tolerance_passes_under_every_decision(base: float, new: float, tolerance: str) -> None:
    data = {"y": np.zeros(40), "base": np.full(40, base), "new": np.full(40, new), "worse": np.full(40, new + 1e-9)}
    for loss, decide in itertools.product(("mae", "rmse"), ("point", "significant", "noninferior")):
        rule: dict[str, Any] = {"max_regression": f"{loss}={tolerance}", "decide": decide, "baseline": "base"}
        assert check(data, target="y", pred=["new", "base"], **rule).verdict == "pass"
        assert check(data, target="y", pred=["worse", "base"], **rule).verdict == "fail"


def test_rows_that_differ_alike_are_decided() -> None:
    y = np.random.default_rng(152).normal(size=60)
    data = {"y": y, "base": y + 2.0, "worse": y + 2.5, "better": y + 1.0}
    for model, verdict in (("worse", "fail"), ("better", "pass")):
        for decide in ("significant", "noninferior"):
            report = check(
                data, target="y", pred=[model, "base"], baseline="base", max_regression="mae=1%", decide=decide
            )
            assert report.verdict == verdict


@pytest.mark.parametrize("loss", ["rmsle", "msle", "smape", "mpe", "one_minus_pearson", "rse"])
def test_the_last_bit_of_predictions_is_no_evidence(loss: str) -> None:
    rng = np.random.default_rng(155)
    y = np.exp(rng.normal(2.0, 0.5, 400))
    base = y * np.clip(1.0 + 0.15 * rng.normal(size=400), 0.1, None)
    data = {"y": y, "base": base, "new": np.where(np.arange(400) == 7, np.nextafter(base, 0.0), base)}
    for decide in ("significant", "noninferior", "equivalent"):
        report = check(
            data, target="y", pred=["new", "base"], baseline="base", max_regression=f"{loss}=1%", decide=decide
        )
        assert report.verdict == "pass", (decide, report.checks[0].message)


@pytest.mark.parametrize("loss", ["critical_success_index", "accuracy", "mcc", "label_ranking_loss"])
def test_shares_without_a_row_that_differs_are_as_certain_as_the_rows_are_many(loss: str) -> None:
    y = np.arange(400) % 2
    columns = {"y": y, "base": 0.2 + 0.6 * y, "new": 0.3 + 0.4 * y}
    columns["base"][0] = columns["new"][0] = 0.5
    widths = 2 if loss == "label_ranking_loss" else 1
    data = {f"{name}{place}": np.abs(place - line) for name, line in columns.items() for place in range(widths)}
    rule: dict[str, Any] = {"max_regression": f"{loss}=0.02", "decide": "noninferior", "baseline": "base"}
    for rows, verdict in ((400, "pass"), (40, "inconclusive")):
        part = {name: line[:rows] for name, line in data.items()}
        report = check(part, target="y*", pred=["new=new*", "base=base*"], **rule)
        assert report.verdict == verdict, report.checks[0].message


@pytest.mark.parametrize("times", [0.3, 1.0, 3.0])
def test_a_median_is_decided_under_a_tolerance_in_percent(times: float) -> None:
    rng = np.random.default_rng(156)
    y, noise = rng.normal(size=400), rng.normal(size=400)
    data = {"y": y, "base": y + noise, "new": y + times * (noise + 1e-3 * rng.normal(size=400))}
    rule = {"max_regression": "median_absolute_error=20%"}
    for decide in ("significant", "noninferior"):
        report = check(data, target="y", pred=["new", "base"], baseline="base", **rule, decide=decide)  # type: ignore[arg-type]
        assert report.verdict == ("fail" if times > 1.0 else "pass"), report.checks[0].message


@pytest.mark.parametrize("decide", ["point", "significant"])
def test_a_rule_on_a_loss_of_several_outputs_holds_for_each(lossctl: Lossctl, tmp_path: Path, decide: str) -> None:
    rng = np.random.default_rng(157)
    y = rng.normal(size=(200, 2))
    base, better, mixed = (y + rng.normal(size=(200, 2)) * scale for scale in (1.0, 0.5, [0.5, 2.0]))
    columns = {"y": y, "base": base, "better": better, "mixed": mixed}
    data = {f"{name}{place}": values[:, place] for name, values in columns.items() for place in range(2)}
    options: dict[str, Any] = {"target": "y0,y1", "per_output": True, "max_regression": "mae=1%"}
    for model, code in (("better", False), ("mixed", True)):
        pred = [f"new={model}0,{model}1", "base=base0,base1"]
        report = check(data, pred=pred, baseline="base", decide=decide, **options)
        assert (report.blocks, len(report.checks)) == (code, 2)
    pd.DataFrame(data).to_csv(tmp_path / "d.csv", index=False)
    common = ("check", tmp_path / "d.csv", "-t", "y0,y1", "--per-output")
    assert lossctl(*common, "-p", "base0,base1", "-l", "mae", "--save-baseline", tmp_path / "b.json").code == 0
    saved = ("--baseline", tmp_path / "b.json", "--max-regression", "mae=1%")
    assert lossctl(*common, "-p", "better0,better1", *saved).code == 0
    assert lossctl(*common, "-p", "mixed0,mixed1", *saved).code == 1


def test_rounding_is_no_significant_regression() -> None:
    rng = np.random.default_rng(153)
    y = rng.integers(0, 2, 300)
    p = np.clip(0.5 + 0.3 * (2 * y - 1) + rng.normal(0.0, 0.1, 300), 0.01, 0.99)
    data = {"y": y, "base": p, "new": np.where(y == 1, p - 1e-14, p + 1e-14)}
    for loss in ("bce", "brier"):
        report = check(
            data, target="y", pred=["new", "base"], baseline="base", max_regression=f"{loss}=0", decide="significant"
        )
        assert report.verdict == "pass"


@pytest.mark.parametrize(("option", "says"), [("cluster", "3 clusters, 10 are needed"), ("time", "10000 are needed")])
def test_a_few_clusters_or_spans_decide_nothing(option: str, says: str) -> None:
    rng = np.random.default_rng(154)
    y = rng.normal(size=200)
    data = {"y": y, "base": y + rng.normal(size=200), "bad": y + 1.5 * rng.normal(size=200)}
    data |= {"cluster": np.minimum(np.arange(200.0), 2.0), "time": np.arange(200.0)}
    more: dict[str, Any] = {"cluster": "cluster"} if option == "cluster" else {"time": "time", "horizon": 1000}
    report = check(
        data,
        target="y",
        pred=["bad", "base"],
        baseline="base",
        max_regression="mae=1%",
        decide="significant",
        **more,
    )
    assert report.verdict == "inconclusive"
    assert says in report.checks[0].message


# configuration files


def test_no_file_hides_the_rules_of_another_beside_it(
    lossctl: Lossctl, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(rows.parent)
    Path("lossctl.toml").write_text("digits = 3\n")
    command = ("check", rows, *ONE, "--max", "rmse=9")
    for text, code in (
        ("[tool.other]\n", 0),
        ("[tool.lossctl]\ndigits = 4\n", 0),
        ('[[tool.lossctl.check]]\nloss = "mae"\nmax = 0.1\n', 2),
    ):
        Path("pyproject.toml").write_text(text)
        outcome = lossctl(*command)
        assert outcome.code == code, outcome.err
        assert ("hides the rules of pyproject.toml" in outcome.err) == (code == 2)
        assert lossctl(*command, "--config", "lossctl.toml").code == 0
        assert lossctl("eval", rows, *ONE, "-l", "mae").code == 0


# what a configuration file says of data that the command line tells ------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('positive-label = "0"', "positive-label = 0"),
        ('activation = ["none"]\nweight = "w"', "activation = none; weight = w"),
        ('missing = "drop"\nthousands = ","', "missing = drop; thousands = ,"),
        ('cluster = "g"', "cluster = g"),
    ],
)
@pytest.mark.parametrize("form", ["md", "junit", "github", "json", "html"])
def test_every_output_names_what_a_file_says_of_data_that_the_command_line_tells(
    tmp_path: Path, lossctl: Any, content: str, words: str, form: str
) -> None:
    y = np.arange(60) % 2
    frame = pd.DataFrame({"y": y, "p": 0.2 + 0.6 * y, "w": 1.0, "g": np.arange(60)})
    frame.to_csv(tmp_path / "d.csv", index=False)
    config = tmp_path / "c.toml"
    config.write_text(content + "\n")
    told = lossctl("check", tmp_path / "d.csv", "-t", "y", "-p", "p", "--max", "bce=9", "--config", config, "-f", form)
    assert told.code == 0
    assert words in told.out
    assert "has a say in what the command line gives" in told.out
    config.write_text(content + '\ntarget = "y"\npred = ["p"]\n')
    told = lossctl("check", tmp_path / "d.csv", "--max", "bce=9", "--config", config, "-f", form)
    assert (told.code, "has a say" in told.out) == (0, False)


# what a configuration file says of rules that the command line names -----------------------------------------------


@pytest.fixture
def sliced(write: Write) -> Path:
    """Predictions p that are better than q, but bad in 40 of 400 rows, slice b of g, by four of them."""
    y = np.random.default_rng(3).normal(size=400)
    place = np.arange(400)
    small = place >= 360
    q = y + np.random.default_rng(4).normal(size=400)
    p = np.where(small, q + np.where(place % 10 == 0, 8.0, 0.0) * np.sign(q - y), y + 0.9 * (q - y))
    frame = pd.DataFrame({"y": y, "p": p, "q": q, "g": np.where(small, "b", "a"), "h": place // 10 % 4})
    return write("sliced.csv", frame.to_csv(index=False))


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        ('max-regression = "900%"', ("-p", "q", "--baseline", "q", "--max-regression", "mae=50%")),
        ("max-slice = 900", ("--max-slice", "mae=1.2")),
    ],
)
@pytest.mark.parametrize("by", ['"h"', '["g", "h"]', '"h:width=2"'])
def test_a_rule_holds_in_the_slices_of_the_command_line_whatever_slices_a_file_names(
    lossctl: Lossctl, sliced: Path, rule: str, options: tuple[str, ...], by: str
) -> None:
    config = sliced.parent / "by.toml"
    config.write_text(f'[[check]]\nloss = "mae"\n{rule}\nby = {by}\n')
    outcome = lossctl("check", sliced, *ONE, *options, "--by", "g", "--config", config, "-f", "json")
    slices = [entry["slice"] for entry in outcome.json["checks"] if entry["blocks"]]
    assert (outcome.code, slices) == (1, [{"g": "b"}])
    assert any("h" in "".join(entry["slice"]) for entry in outcome.json["checks"])  # and in those of the file


@pytest.mark.parametrize(
    ("rule", "options", "slices"),
    [
        ('max-regression = "50%"', ("-p", "q", "--baseline", "q"), [{"g": "b"}]),
        ("max-slice = 1.2", (), [{"g": "b"}]),
        ("max = 1.2", (), []),
    ],
)
def test_slices_of_the_command_line_are_those_of_the_rules_of_a_file_too(
    lossctl: Lossctl, sliced: Path, rule: str, options: tuple[str, ...], slices: list[dict[str, str]]
) -> None:
    config = sliced.parent / "own.toml"
    for by in ("", 'by = ["h"]\n'):
        config.write_text(f'[[check]]\nloss = "mae"\n{rule}\n{by}')
        outcome = lossctl("check", sliced, *ONE, *options, "--by", "g", "--config", config, "-f", "json")
        assert [entry["slice"] for entry in outcome.json["checks"] if entry["blocks"]] == slices


def test_slices_that_a_file_adds_take_no_power_from_those_of_the_command_line() -> None:
    place, noise = np.arange(1200), np.random.default_rng(5).normal(size=1200)
    q = np.random.default_rng(6).normal(size=1200)
    p = q + np.sign(q) * np.where(place % 2, 0.0, np.abs(0.1 * noise + 0.02))
    data = {"y": np.zeros(1200), "p": p, "q": q, "g": place % 2, "h": place // 40}
    table = {"loss": "mae", "max-regression": "900%", "by": ["h"]}
    options: dict[str, Any] = {"target": "y", "pred": ["p", "q"], "baseline": "q", "by": "g", "decide": "significant"}
    reports = [check(data, max_regression="mae=0%", rules=rules, **options) for rules in ([], [table])]
    alone, beside = ([entry for entry in report.checks if "h" not in entry.slice] for report in reports)
    assert [replace(entry, number=0) for entry in alone] == [replace(entry, number=0) for entry in beside]
    assert {name: "Holm over 2 slices" in entry.message for entry in beside for name in entry.slice} == {"g": True}


@pytest.mark.parametrize("decide", ["noninferior", "equivalent"])
def test_what_must_be_shown_passes_in_no_slice_that_fails_by_point(lossctl: Lossctl, sliced: Path, decide: str) -> None:
    config = sliced.parent / "decide.toml"
    config.write_text(f'decide = "{decide}"\n')
    options = ("-p", "q", "--baseline", "q", "--max-regression", "mae=20%", "--by", "g", "--min-slice", "5")
    for more in (("--decide", decide, "--no-config"), ("--config", config)):
        outcome = lossctl("check", sliced, *ONE, *options, *more, "-f", "json")
        blocking = [entry for entry in outcome.json["checks"] if entry["blocks"]]
        assert (outcome.code, outcome.json["verdict"], len(blocking)) == (1, "inconclusive", 1), outcome.err
        assert (blocking[0]["slice"], blocking[0]["status"]) == ({"g": "b"}, "insufficient")
        assert "its value is worse than is allowed" in blocking[0]["message"]
    refused(
        lossctl("check", sliced, *ONE, *options, "--on-insufficient", "warn", "--config", config),
        2,
        f"say --decide {decide} on the command line",
    )


def test_a_small_slice_that_fails_by_point_passes_under_no_stricter_decision() -> None:
    place = np.arange(400)
    q = np.where(place % 2, 1.0, -1.0)
    data = {"y": np.zeros(400), "p": np.where(place < 390, q, q * 3), "q": q, "g": np.where(place < 390, "a", "b")}
    options: dict[str, Any] = {"target": "y", "pred": ["p", "q"], "baseline": "q", "by": "g", "min_slice": 5}
    for decide, verdict in (("point", "fail"), ("noninferior", "inconclusive"), ("equivalent", "inconclusive")):
        report = check(data, max_regression="mae=20%,0.01", decide=decide, max="mae=9", **options)
        [small] = [entry for entry in report.checks if entry.slice.get("g") == "b"]
        assert (report.verdict, report.blocks, small.blocks) == (verdict, True, True), small
    assert check(data, max_regression="mae=900%", decide="noninferior", **options).verdict == "pass"


@pytest.mark.parametrize("confidence", [0.9999999999999999, 0.9991, 0.49, 1e-300])
def test_no_confidence_makes_a_rule_decide_nothing(
    lossctl: Lossctl, rows: Path, monkeypatch: pytest.MonkeyPatch, confidence: float
) -> None:
    rule = {"loss": "mae", "max-regression": "2%", "decide": "significant", "confidence": confidence}
    for name, table in (("lossctl.toml", "[[check]]"), ("pyproject.toml", "[[tool.lossctl.check]]")):
        config = rows.parent / "config" / name
        config.parent.mkdir(exist_ok=True)
        config.write_text(table + "\n" + "".join(f"{key} = {value!r}\n" for key, value in rule.items()))
        refused(
            lossctl("check", rows, *ONE, "-p", "q", "--baseline", "p", "--config", config),
            2,
            "a number from 0.5 to 0.999",
        )
    with pytest.raises(UsageError, match=r"confidence = .*: a number from 0\.5 to 0\.999"):
        check({"y": [0.0], "p": [1.0], "q": [1.0]}, target="y", pred=["p", "q"], baseline="p", rules=[rule])


@pytest.mark.parametrize("name", ["p.csv", "p.TSV", "p.parquet", "p.npz", "p.jsonl", "p.txt"])
def test_a_report_does_not_pass_by_the_name_of_a_table(lossctl: Lossctl, base: Path, name: str) -> None:
    path = base.rename(base.parent / name)
    refused(lossctl("check", path, "--max", "mae=5"), 3, "is a saved report under the name of a table")
    assert lossctl("check", path.rename(base), "--max", "mae=5").code == 0


# baselines by name ------------------------------------------------------------------------------------------------


def test_a_file_of_the_name_of_a_model_is_said_to_be_one(
    lossctl: Lossctl, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(rows.parent)
    for name in ("q", "best.csv", "best"):
        Path(name).write_bytes(rows.read_bytes())
    rule = ("--max-regression", "mae=1%")
    columns = ("rows.csv", *ONE, "-p", "q", "--baseline", "q")
    refused(lossctl("check", *columns, *rule), 2, "is a model, and a file, too")
    files = ("rows.csv", "best.csv", *ONE, "--baseline", "best")
    refused(lossctl("check", *files, *rule), 2, "is a model, and a file, too")
    assert lossctl("check", "rows.csv", "-t", "y", "-p", "q", "-p", "old=p", "--baseline", "old", *rule).code == 1


def test_no_report_is_advised_where_rows_must_decide(lossctl: Lossctl, rows: Path) -> None:
    command = ("check", rows, *ONE, "--baseline", rows.parent / "none.json", "--max-regression", "mae=1%")
    refused(lossctl(*command), 4, "--save-baseline")
    outcome = lossctl(*command, "--decide", "significant")
    refused(outcome, 4, "there is no such file")
    assert "--save-baseline" not in outcome.err


def test_a_key_that_the_truth_lacks_is_no_row_that_a_candidate_leaves_out(lossctl: Lossctl, write: Write) -> None:
    truth = write("truth.csv", "id,y\n" + "".join(f"{i},0\n" for i in range(40)))
    base = write("base.csv", "id,p\n" + "".join(f"{i},{1 + i % 2}\n" for i in range(50)))
    options = ("-t", "y", "-p", "p", "--targets", truth, "--id", "id", "--id-missing", "drop", "--max-dropped", "10")
    for count, status in ((40, "pass"), (39, "insufficient")):
        candidate = write("c.csv", "id,p\n" + "".join(f"{i},1\n" for i in range(count)))
        command = ("check", candidate, *options, "--baseline", f"b={base}", "--max-regression", "mae=5%")
        assert lossctl(*command, "-f", "json").json["checks"][0]["status"] == status
