"""`lossctl check`: rules of every kind, baselines of every kind, and what is saved, printed and advised."""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossctl.api.check import check
from lossctl.errors import BaselineError, UsageError
from lossctl.gate import judge as judge_module
from lossctl.gate.judge import Terms, judge
from lossctl.gate.rules import Tolerance, limit_rule, regression_rule
from tests.conftest import Lossctl, resealed

Write = Callable[[str, str | bytes], Path]
# errors: a 1 1 1 1, b 2 2 0 0; by slice x: a 1, b 2; y: a 1, b 0
ROWS = "y,a,b,g\n0,1,2,x\n0,-1,2,x\n0,1,0,y\n0,-1,0,y\n"
ONE = ("-t", "y", "-p", "a", "--min-slice", "1")


@pytest.fixture
def rows(write: Write) -> Path:
    return write("rows.csv", ROWS)


def statuses(outcome: Any) -> dict[str, str]:
    return {found["id"]: found["status"] for found in outcome.json["checks"]}


def saved(lossctl: Lossctl, path: Path, rows: Path, *more: object) -> Path:
    outcome = lossctl("check", rows, *more, "--save-baseline", path, "-f", "value")
    assert (outcome.code, outcome.out) == (0, "saved\n"), outcome.err
    return path


class Pipe:
    """Standard input with some bytes in it."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BufferedReader(io.BytesIO(content))

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("rules", "code", "found"),
    [
        (["--max", "mae=1"], 0, {"mae.max": "pass"}),
        (["--max", "mae=0.999"], 1, {"mae.max": "fail"}),
        (["--min", "r2=-1e9"], 1, {"r2.min": "undefined"}),
        (["--max", "mae=1", "--max", "mse=0.5"], 1, {"mae.max": "pass", "mse.max": "fail"}),
        (["--max", "mae=1", "--max", "mae=0.5"], 1, {"mae.max": "pass", "mae.max#2": "fail"}),
        (["--max", "huber:delta=1=0.5"], 0, {"huber.max": "pass"}),
        (["--max", "huber:delta=2=0.4"], 1, {"huber:delta=2.max": "fail"}),
        (["--max", "MAE=1", "--max", "mean-squared-error=1"], 0, {"mae.max": "pass", "mse.max": "pass"}),
        (["-l", "q=quantile:q=0.9", "--max", "q=0.5"], 0, {"q.max": "pass"}),
        (["-l", "q=quantile:q=0.9", "--max", "pinball:q=0.9=0.4"], 1, {"q.max": "fail"}),
        (["--max", "q=quantile:q=0.9=0.5"], 0, {"q.max": "pass"}),
    ],
)
def test_limits_over_all_rows(lossctl: Lossctl, rows: Path, rules: list[str], code: int, found: dict[str, str]) -> None:
    outcome = lossctl("check", rows, *ONE, *rules, "-f", "json")
    assert (outcome.code, statuses(outcome)) == (code, found), outcome.err


def test_a_score_has_a_least_value_and_a_bias_a_largest_size(lossctl: Lossctl, write: Write) -> None:
    path = write("p.csv", "y,p\n0,1\n1,2\n2,3\n3,4\n")
    common = ("check", path, "-t", "y", "-p", "p")
    assert lossctl(*common, "--min", "r2=0.19").code == 0
    assert lossctl(*common, "--min", "r2=0.21").code == 1
    found = lossctl(*common, "--max", "mbe=0.5", "-f", "json").json["checks"][0]
    assert (found["status"], found["value"], found["limit"], found["margin"]) == ("fail", -1.0, 0.5, -0.5)
    assert lossctl(*common, "--max", "mbe=1").code == 0


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (["--max", "r2=0.5"], "--min r2=LIMIT"),
        (["--min", "mae=0.5"], "--max mae=LIMIT"),
        (["--min", "mbe=0.5"], "--max mbe=LIMIT"),
        (["--max", "mbe=-0.5"], "absolute value"),
        (["--max-slice", "mae=0.5"], "--by"),
        (["--max-regression", "mae=1%"], "--baseline"),
        (["--max", "mae=1", "--baseline", "a"], "no rule compares"),
        (["--max", "mae=1", "--decide", "noninferior"], "no rule compares"),
        (["--max", "mae=1", "--baseline-optional"], "--baseline"),
        (["--max", "maee=1"], "did you mean 'mae'"),
        (["--max", "huber:delta=1"], "--max huber:delta=1: "),
        (["--baseline", "", "--max-regression", "mae=1%"], "--baseline"),
        (["--baseline", "-", "--max-regression", "mae=1%"], "standard input is for the candidate"),
    ],
)
def test_rules_that_make_no_sense_are_refused(lossctl: Lossctl, rows: Path, rule: list[str], words: str) -> None:
    outcome = lossctl("check", rows, *ONE, *rule)
    assert (outcome.code, outcome.out) == (2, "")
    assert words in outcome.err
    assert outcome.err.count("\n") == 1


def test_slices_have_limits_of_their_own(lossctl: Lossctl, rows: Path) -> None:
    command = ("check", rows, "-t", "y", "-p", "b", "--by", "g", "--max-slice", "mae=1", "-f", "json")
    assert statuses(lossctl(*command, "--min-slice", "2")) == {"mae.max-slice@g=x": "fail", "mae.max-slice@g=y": "pass"}
    outcome = lossctl(*command)
    assert (outcome.code, outcome.json["verdict"]) == (1, "inconclusive")
    assert set(statuses(outcome).values()) == {"insufficient"}


def test_slices_too_small_to_judge_do_not_block_unless_asked(lossctl: Lossctl, write: Write) -> None:
    path = write("s.csv", "y,p,g\n" + "0,1,big\n" * 3 + "0,9,small\n")
    command = (
        "check",
        path,
        "-t",
        "y",
        "-p",
        "p",
        "--by",
        "g",
        "--max-slice",
        "mae=1",
        "--min-slice",
        "3",
        "-f",
        "json",
    )
    assert [(lossctl(*command, *more).code) for more in ((), ("--on-insufficient", "fail"))] == [0, 1]
    outcome = lossctl(*command)
    assert statuses(outcome) == {"mae.max-slice@g=big": "pass", "mae.max-slice@g=small": "insufficient"}
    assert outcome.json["verdict"] == "pass"
    assert lossctl(*command, "--on-insufficient", "fail").json["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("tolerance", "code"),
    [("0", 1), ("0.09", 1), ("0.11", 0), ("9%", 1), ("11%", 0), ("9%,0.11", 0), ("0.05,11%", 0), ("9%,0.05", 1)],
)
def test_a_regression_is_more_than_the_tolerance(lossctl: Lossctl, write: Write, tolerance: str, code: int) -> None:
    path = write("p.csv", "y,a,b\n0,1,1.1\n0,1,1.1\n")
    command = ("check", path, "-t", "y", "-p", "a", "-p", "b", "--max-regression", f"mae={tolerance}")
    assert lossctl(*command, "--baseline", "a").code == code
    assert lossctl(*command, "--baseline", "b").code == 0


def test_a_regression_of_a_score_is_a_fall(lossctl: Lossctl, write: Write) -> None:
    path = write("p.csv", "y,a,b\n0,0,1\n1,1,1\n2,2,2\n")
    command = ("check", path, "-t", "y", "-p", "a", "-p", "b", "--max-regression", "r2=50%", "-f", "json")
    worse = lossctl(*command, "--baseline", "a").json["checks"][0]
    assert (worse["status"], worse["baseline"], worse["value"], worse["limit"]) == ("pass", 1.0, 0.5, 0.5)
    assert lossctl(*command, "--max-regression", "r2=49%", "--baseline", "a").code == 1
    assert lossctl(*command, "--baseline", "b").code == 0


def test_regressions_are_judged_in_every_slice(lossctl: Lossctl, rows: Path) -> None:
    command = ("check", rows, "-t", "y", "-p", "a", "-p", "b", "--by", "g", "--min-slice", "1", "-f", "json")
    outcome = lossctl(*command, "--baseline", "a", "--max-regression", "mae=50%")
    assert statuses(outcome) == {
        "mae.max-regression": "pass",
        "mae.max-regression@g=x": "fail",
        "mae.max-regression@g=y": "pass",
    }
    found = next(entry for entry in outcome.json["checks"] if entry["slice"] == {"g": "x"})
    assert (found["baseline"], found["value"], found["limit"], found["change"], found["change_pct"]) == (
        1,
        2,
        1.5,
        1,
        100,
    )
    assert found["margin"] == -0.5
    assert found["n"] == 2


def test_several_candidates_are_told_apart(lossctl: Lossctl, rows: Path) -> None:
    command = ("check", rows, "-t", "y", "-p", "a", "-p", "b", "-p", "c=b", "--max-regression", "mse=0.5", "-f", "json")
    assert statuses(lossctl(*command, "--baseline", "a")) == {
        "b:mse.max-regression": "fail",
        "c:mse.max-regression": "fail",
    }


def test_a_saved_baseline_holds_other_predictions_of_the_same_data(
    lossctl: Lossctl, rows: Path, tmp_path: Path
) -> None:
    base = saved(lossctl, tmp_path / "base.json", rows, "-t", "y", "-p", "a", "-l", "mae")
    command = ("check", rows, "-t", "y", "-p", "b", "--baseline", base, "-f", "json")
    assert lossctl(*command, "--max-regression", "mae=0").code == 0
    copy = tmp_path / "elsewhere.csv"
    copy.write_text(ROWS.replace(",2,", ",5,"))
    outcome = lossctl(
        "check", copy, "-t", "y", "-p", "b", "--baseline", base, "--max-regression", "mae=10%", "-f", "json"
    )
    assert (outcome.code, statuses(outcome)) == (1, {"mae.max-regression": "fail"})
    assert outcome.json["checks"][0]["baseline"] == 1.0
    assert [entry["model"] for entry in outcome.json["results"]] == ["b"]


def test_a_report_of_eval_is_a_baseline_too_by_label_or_by_spec(lossctl: Lossctl, rows: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.json"
    assert lossctl("eval", rows, "-t", "y", "-p", "a", "-l", "mine=huber:delta=2", "-o", base).code == 0
    command = ("check", rows, "-t", "y", "-p", "b", "--baseline", base)
    assert lossctl(*command, "--max-regression", "huber:delta=2=400%").code == 0
    assert lossctl(*command, "-l", "mine=huber:delta=2", "--max-regression", "mine=400%").code == 0


def test_a_baseline_of_several_models_is_matched_by_name(lossctl: Lossctl, rows: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.json"
    both = ("-t", "y", "-p", "a", "-p", "b")
    assert lossctl("eval", rows, *both, "-l", "mse", "-o", base).code == 0
    common = ("check", rows, "--baseline", base, "--max-regression", "mse=0")
    assert lossctl(*common, *both).code == 0
    assert lossctl(*common, "-t", "y", "-p", "b").code == 0
    other = lossctl(*common, "-t", "y", "-p", "new=b")
    assert (other.code, other.out) == (4, "")
    assert "has no model 'new'; it has a, b" in other.err
    chosen = ("check", rows, "-t", "y", "-p", "new=b", "--baseline", f"a={base}", "-f", "json")
    outcome = lossctl(*chosen, "--max-regression", "mse=0.5")
    assert (outcome.code, outcome.json["checks"][0]["baseline"]) == (1, 1.0)
    assert (
        lossctl("check", rows, "-t", "y", "-p", "b", "--baseline", f"c={base}", "--max-regression", "mse=0").code == 4
    )


def test_predictions_are_a_baseline_under_a_name(lossctl: Lossctl, write: Write) -> None:
    new = write("new.csv", "id,y,p\n1,0,1\n2,0,1\n3,0,4\n")
    old = write("old.csv", "id,y,p\n3,0,1\n2,0,1\n1,0,1\n")
    common = ("check", new, "-t", "y", "-p", "p", "--id", "id", "--max-regression", "mae=10%", "-f", "json")
    for text, name in ((old, "baseline"), (f"main={old}", "main")):
        outcome = lossctl(*common, "--baseline", text)
        assert outcome.code == 1
        assert [entry["model"] for entry in outcome.json["inputs"]] == ["new", name]
        assert [entry["model"] for entry in outcome.json["checks"]] == ["new"]
        assert f"--baseline {name} --worst 20" in outcome.json["advice"][0]
    refused = lossctl("check", new, "-t", "y", "-p", "p", "-p", "id", "--baseline", old, "--max-regression", "mae=0")
    assert refused.code == 2
    assert "give one -p" in refused.err


def test_saving_keeps_the_candidates_alone_and_needs_a_pass(lossctl: Lossctl, rows: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    common = ("check", rows, "-t", "y", "-p", "a", "-p", "b", "--baseline", "a", "--save-baseline", path)
    failed = lossctl(*common, "--max-regression", "mse=0")
    assert failed.code == 1
    assert not path.exists()
    assert "not saved, as the verdict is fail" in failed.err
    assert lossctl(*common, "--max-regression", "mse=1000%").code == 0
    document = json.loads(path.read_text())
    assert (document["command"], document["verdict"], document["checks"]) == ("eval", None, [])
    assert {entry["model"] for entry in document["results"]} == {"b"}
    assert [entry["model"] for entry in document["inputs"]] == ["b"]
    assert lossctl("check", rows, "-t", "y", "-p", "b", "--baseline", path, "--max-regression", "mse=0").code == 0


def test_a_failed_gate_never_moves_its_own_baseline(lossctl: Lossctl, rows: Path, tmp_path: Path) -> None:
    base = saved(lossctl, tmp_path / "base.json", rows, "-t", "y", "-p", "a", "-l", "mse")
    before = base.read_bytes()
    command = ("check", rows, "-t", "y", "-p", "b", "--baseline", base, "--max-regression", "mse=1%")
    for more in ((), ("--exit-zero",)):
        assert lossctl(*command, "--save-baseline", base, *more).code == int(not more)
        assert base.read_bytes() == before
    accepted = shlex.split(lossctl(*command, "-f", "json").json["advice"][1])
    assert accepted[:2] == ["lossctl", "check"]
    assert lossctl(*accepted[1:]).code == 0
    assert base.read_bytes() != before
    assert lossctl(*command).code == 0


def test_saving_is_atomic_and_never_over_an_input(lossctl: Lossctl, rows: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(ROWS)
    for path in (rows, other):
        command = ("check", rows, "-t", "y", "-p", "a", "--baseline", other, "--max-regression", "mae=0")
        outcome = lossctl(*command, "--save-baseline", path)
        assert outcome.code == 2
        assert path.read_text() == ROWS
    lost = lossctl("check", rows, *ONE, "--save-baseline", tmp_path / "none" / "b.json")
    assert lost.code == 3
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["other.csv", "rows.csv"]


def test_a_report_is_checked_as_it_is(lossctl: Lossctl, rows: Path, tmp_path: Path) -> None:
    report, base = tmp_path / "r.json", tmp_path / "b.json"
    losses = ("-l", "mae", "-l", "q=quantile:q=0.9", "--by", "g")
    assert lossctl("eval", rows, "-t", "y", "-p", "b", *losses, "-o", report).code == 0
    assert lossctl("eval", rows, "-t", "y", "-p", "a", *losses, "-o", base).code == 0
    common = ("check", report, "--min-slice", "2", "-f", "json")
    assert statuses(lossctl(*common, "--max", "q=0.3", "--max-slice", "mae=1")) == {
        "q.max": "pass",
        "mae.max-slice@g=x": "fail",
        "mae.max-slice@g=y": "pass",
    }
    against = lossctl(*common, "--baseline", base, "--max-regression", "mae=1%")
    assert set(statuses(against)) == {"mae.max-regression", "mae.max-regression@g=x", "mae.max-regression@g=y"}
    assert against.json["advice"] == [
        shlex.join(["lossctl", "diff", str(base), str(report)]),
        shlex.join(["lossctl", "check", str(report), "--save-baseline", str(base)]),
    ]
    assert lossctl(*shlex.split(against.json["advice"][0])[1:]).code == 0
    absent = lossctl(*common, "--by", "h", "--max", "rmse=1", "--max-slice", "mae=1")
    assert absent.code == 1
    assert statuses(absent) == {"rmse.max": "missing", "mae.max-slice@h=*": "missing"}
    for more in (("-t", "y"), ("-l", "mae"), ("--id", "g"), ("--missing", "drop")):
        refused = lossctl("check", report, "--max", "mae=1", *more)
        assert refused.code == 2
        assert f"{more[0]}: " in refused.err
    assert lossctl("check", report, rows, "--max", "mae=1").code == 2
    assert lossctl("check", report, "--baseline", rows, "--max-regression", "mae=1").code == 2


def test_a_saved_report_that_becomes_the_baseline_says_who_made_it(
    lossctl: Lossctl, rows: Path, tmp_path: Path
) -> None:
    report, base = tmp_path / "r.json", tmp_path / "b.json"
    lossctl("eval", rows, "-t", "y", "-p", "a", "-p", "b", "-l", "mae", "-o", report)
    document = json.loads(report.read_text())
    document |= {"created": "2020-01-01T00:00:00Z", "environment": {"numpy": "9.9.9", "cpu": []}}
    report.write_text(resealed(document))
    assert lossctl("check", report, "--save-baseline", base).code == 0
    assert json.loads(base.read_text()) == json.loads(resealed({**document, "warnings": []}))
    command = ("check", report, "--baseline", "a", "--max-regression", "mae=0", "--save-baseline", base)
    assert lossctl(*command).code == 0
    assert [entry["model"] for entry in json.loads(base.read_text())["results"]] == ["b"]


def test_reports_and_tables_on_standard_input_are_told_apart(
    lossctl: Lossctl, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = lossctl("eval", rows, "-t", "y", "-p", "a", "-l", "mae", "-f", "json").out
    for content, options, code in (
        (report.encode(), (), 0),
        (b"\xef\xbb\xbf \n" + report.encode(), (), 0),
        (ROWS.encode(), ("-t", "y", "-p", "a"), 0),
        (report.encode()[:-20], (), 3),
        (b"", ("-t", "y", "-p", "a"), 3),
    ):
        monkeypatch.setattr(sys, "stdin", Pipe(content))
        outcome = lossctl("check", "-", *options, "--max", "mae=1")
        assert outcome.code == code, outcome.err
    monkeypatch.setattr(sys, "stdin", Pipe(report.encode()))
    assert lossctl("check", "-", "--max", "mae=0.5").code == 1


def test_a_missing_baseline_may_be_optional(lossctl: Lossctl, rows: Path, tmp_path: Path) -> None:
    path = tmp_path / "main.json"
    common = ("check", rows, *ONE, "--baseline", path, "--max-regression", "mae=1%")
    missing = lossctl(*common)
    assert (missing.code, missing.out) == (4, "")
    assert missing.err.count("\n") == 1
    creates = missing.err.partition("`")[2].partition("`")[0]
    optional = lossctl(*common, "--baseline-optional", "--max", "mae=1", "-f", "json")
    assert (optional.code, optional.json["verdict"]) == (0, "pass")
    assert statuses(optional) == {"mae.max": "pass", "mae.max-regression": "skipped"}
    assert "warning: --baseline" in optional.err
    alone = lossctl(*common, "--baseline-optional", "--save-baseline", path, "-f", "json")
    assert (alone.code, alone.json["verdict"]) == (0, "inconclusive")
    assert not path.exists()
    assert lossctl(*shlex.split(creates)[1:]).code == 0
    assert lossctl(*common).code == 0
    path.write_text("{")
    assert lossctl(*common, "--baseline-optional").code == 4


@pytest.mark.parametrize("data", ["file", "pipe"])
def test_a_baseline_that_is_neither_file_nor_model(
    lossctl: Lossctl, rows: Path, monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    monkeypatch.setattr(sys, "stdin", Pipe(ROWS.encode()))
    where = rows if data == "file" else "-"
    command = ("check", where, "-t", "y", "-p", "modela=a", "-p", "b", "--max-regression", "mae=0")
    outcome = lossctl(*command, "--baseline", "model")
    assert (outcome.code, outcome.out) == (4, "")
    assert "no such file, and the models are modela, b (did you mean 'modela'?)" in outcome.err


def test_a_column_that_is_no_model_yet_becomes_one_as_is_said(lossctl: Lossctl, rows: Path) -> None:
    """Saving a baseline of that name would compare the candidate with itself."""
    command = ("check", rows, "-t", "y", "-p", "a", "--max-regression", "mae=0", "--baseline", "b")
    outcome = lossctl(*command)
    assert outcome.code == 4
    assert outcome.err.endswith("and the models are a; -p b makes the column of this name one\n")
    (judged,) = lossctl(*command, "-p", "b", "-f", "json").json["checks"]
    assert judged["model"] == "a"
    assert (
        judged["baseline"]
        == lossctl("eval", rows, "-t", "y", "-p", "b", "-l", "mae", "-f", "json").json["results"][0]["value"]
    )


def test_a_baseline_of_other_rows_is_refused(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    """A model that is silent where it is hard must not be judged by the easy rows alone."""
    rows = write("m.csv", "y,a,b,c\n0,1,,1\n0,1,1,\n0,1,1,1\n")
    common = ("check", rows, "-t", "y", "--missing", "drop", "--max-regression", "mae=9")
    base = saved(lossctl, tmp_path / "base.json", rows, "-t", "y", "-p", "a", "-l", "mae")
    fewer = lossctl(*common, "-p", "b", "--baseline", base)
    assert (fewer.code, fewer.out) == (4, "")
    assert "b has 2 of 3 rows without a missing value, and the baseline 3" in fewer.err
    base = saved(lossctl, tmp_path / "c.json", rows, "-t", "y", "-p", "c", "-l", "mae", "--missing", "drop")
    assert lossctl(*common, "-p", "b", "--baseline", base).code == 4, "as many rows, but other ones"
    outcome = lossctl(*common, "-p", "c", "--baseline", base, "-f", "json")
    assert (outcome.code, statuses(outcome)) == (1, {"mae.max-regression": "pass", "max-dropped": "fail"})
    assert lossctl(*common, "-p", "c", "--baseline", base, "--max-dropped", "1").code == 0


def test_a_name_of_a_model_and_of_a_file_is_ambiguous(
    lossctl: Lossctl, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = write("m.csv", "y,old,new\n0,1,2\n0,1,2\n")
    saved(lossctl, tmp_path / "old", rows, "-t", "y", "-p", "z=new", "-l", "mae")
    monkeypatch.chdir(tmp_path)
    common = ("check", rows, "-t", "y", "-p", "old", "-p", "new", "--max-regression", "mae=1%", "--baseline")
    refused = lossctl(*common, "old")
    assert refused.code == 2
    assert "is a model, and a file, too; write ./old for the file" in refused.err
    (tmp_path / "old").unlink()
    assert lossctl(*common, "old").code == 1
    assert lossctl(*common, "odl", "--baseline-optional").code == 4, "a name that is no path names no file"
    assert lossctl(*common, "odl.json", "--baseline-optional").code == 0
    (link := tmp_path / "lost.json").symlink_to("nowhere.json")
    assert lossctl(*common, link, "--baseline-optional").code == 4, "a link that leads nowhere once led to a baseline"


def test_accepting_keeps_the_losses_of_the_old_baseline(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    rows = write("m.csv", "y,a,b\n0,1,2\n2,1,0\n")
    base = saved(lossctl, tmp_path / "base.json", rows, "-t", "y", "-p", "a", "-l", "mae", "-l", "p90=quantile:q=0.9")
    stopped = lossctl("check", rows, "-t", "y", "-p", "b", "--baseline", base, "--max-regression", "mae=1%")
    accept = stopped.out.partition("accept: ")[2].splitlines()[0]
    assert "-l p90=quantile:q=0.9" in accept
    assert lossctl(*shlex.split(accept)[1:]).code == 0
    assert [cell["loss"] for cell in json.loads(base.read_text())["results"]] == ["mae", "p90"]


def test_rounding_between_machines_is_no_regression(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    rows = write("m.csv", "y,a\n0,1\n0,3\n")
    base = saved(lossctl, tmp_path / "base.json", rows, "-t", "y", "-p", "a", "-l", "mae")
    common = ("check", rows, "-t", "y", "-p", "a", "--baseline", base, "--max-regression", "mae=0")
    for value, code in ((2.0 * (1 - 1e-13), 0), (2.0 * (1 - 1e-11), 1)):
        document = json.loads(base.read_text())
        document["results"][0]["value"] = value
        base.write_text(resealed(document))
        assert lossctl(*common).code == code


def test_everything_printed_names_rule_limit_margin_and_place(lossctl: Lossctl, rows: Path, tmp_path: Path) -> None:
    base = saved(lossctl, tmp_path / "base.json", rows, "-t", "y", "-p", "a", "-l", "mae", "--by", "g")
    command = ("check", rows, "-t", "y", "-p", "b", "--by", "g", "--baseline", base, "--min-slice", "2")
    lines = lossctl(*command, "--max-regression", "mae=2%", "--max", "mae=5").out.splitlines()
    assert lines[0] == f"lossctl check: FAIL  1 of 4 checks failed  (candidate: b; baseline: {base})"
    assert " ".join(lines[4].split()) == "fail mae max-regression 2% 2.0000 1.0200 1.0000 +1.000 (+100.0%) 2 g=x"
    assert [line.split()[0] for line in lines[4:8]] == ["fail", "pass", "pass", "pass"]
    common = ["-t", "y", "-p", "b", "--by", "g", "-l", "mae"]
    assert lines[-2:] == [
        f"next: {shlex.join(['lossctl', 'eval', str(rows), *common, '-f', 'long'])}",
        f"accept: {shlex.join(['lossctl', 'check', str(rows), *common, '--save-baseline', str(base)])}",
    ]
    assert "next:" not in lossctl(*command, "--max", "mae=5", "--max-regression", "mae=100%").out
    for line in lines[-2:]:
        assert lossctl(*shlex.split(line.partition(": ")[2])[1:]).code == 0


def test_the_next_command_of_a_model_is_a_comparison_that_runs(lossctl: Lossctl, rows: Path) -> None:
    command = ("check", rows, "-t", "y", "-p", "a", "-p", "b", "--baseline", "a", "--max-regression", "mse=0")
    outcome = lossctl(*command)
    line = next(line for line in outcome.out.splitlines() if line.startswith("next: "))
    words = shlex.split(line.removeprefix("next: "))
    assert words[:2] == ["lossctl", "compare"]
    assert words[-4:] == ["--baseline", "a", "--worst", "20"]
    assert lossctl(*words[1:]).code == 0


@pytest.fixture
def noisy(write: Write) -> Path:
    """Rows on which `worse` errs by 0.5 more than `base`, and `alike` by a hair."""
    rng = np.random.default_rng(4)
    errors = rng.normal(size=(400, 3)) * [1.0, 0.1, 0.1]
    lines = [f"0,{1 + abs(a)},{1.5 + abs(a) + b},{1 + abs(a) + c / 10},{i % 2}" for i, (a, b, c) in enumerate(errors)]
    return write("noisy.csv", "y,base,worse,alike,g\n" + "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("model", "tolerance", "decide", "code", "status"),
    [
        ("worse", "0", "significant", 1, "fail"),
        ("worse", "0.4", "significant", 1, "fail"),
        ("worse", "0.5", "significant", 0, "pass"),
        ("worse", "10%", "significant", 1, "fail"),
        ("worse", "60%", "noninferior", 0, "pass"),
        ("worse", "0.5", "noninferior", 1, "insufficient"),
        ("worse", "0.4", "noninferior", 1, "fail"),
        ("worse", "0.4,60%", "noninferior", 0, "pass"),
        ("worse", "0.4,60%", "significant", 0, "pass"),
        ("alike", "0", "significant", 0, "pass"),
        ("alike", "0", "noninferior", 1, "insufficient"),
        ("alike", "1%", "noninferior", 0, "pass"),
        ("base2=base", "0", "noninferior", 0, "pass"),
        ("alike", "1%", "equivalent", 0, "pass"),
        ("alike", "0", "equivalent", 1, "insufficient"),
        ("worse", "60%", "equivalent", 0, "pass"),
        ("worse", "0.4", "equivalent", 1, "fail"),
    ],
)
@pytest.mark.parametrize("loss", ["mae", "huber"])
def test_regressions_may_be_decided_by_statistics(
    lossctl: Lossctl, noisy: Path, loss: str, model: str, tolerance: str, decide: str, code: int, status: str
) -> None:
    common = ("check", noisy, "-t", "y", "-p", "base", "-p", model, "--baseline", "base", "-f", "json")
    outcome = lossctl(*common, "--max-regression", f"{loss}={tolerance}", "--decide", decide)
    found = outcome.json["checks"][0]
    assert (outcome.code, found["status"]) == (code, status), found
    assert outcome.json["study"]["assumption"] == "iid rows"


def test_the_interval_of_a_decision_is_that_of_compare(lossctl: Lossctl, noisy: Path, write: Write) -> None:
    models = ("-t", "y", "-p", "base", "-p", "worse", "--baseline", "base", "--by", "g", "-f", "json")
    compared = lossctl("compare", noisy, *models, "-l", "mae", "-l", "rmse").json["comparisons"]
    expected = {(entry["loss"], *entry["slice"].values()): entry["ci"] for entry in compared}
    rules = ("--max-regression", "mae=0.1", "--max-regression", "rmse=5%")
    checks = lossctl("check", noisy, *models, *rules, "--decide", "noninferior").json["checks"]
    assert {(entry["loss"], *entry["slice"].values()): pytest.approx(entry["ci"]) for entry in checks} == expected
    level = write(
        "level.toml", '[[check]]\nloss = "mae"\nmax-regression = 0.1\ndecide = "noninferior"\nconfidence = 0.8\n'
    )
    narrow = lossctl("check", noisy, *models, "--config", level).json["checks"][0]
    assert expected["mae",][0] < narrow["ci"][0] < narrow["ci"][1] < expected["mae",][1]
    assert "(80%)" in narrow["message"]


def test_statistics_take_a_file_of_predictions_and_refuse_reports(
    lossctl: Lossctl, noisy: Path, tmp_path: Path
) -> None:
    command = ("check", noisy, "-t", "y", "-p", "worse", "--max-regression", "mae=0", "--decide", "significant")
    other = tmp_path / "main.csv"
    other.write_text(noisy.read_text().replace("worse", "old").replace("base", "worse"))
    assert lossctl(*command, "--baseline", other).code == 1
    base = saved(lossctl, tmp_path / "base.json", noisy, "-t", "y", "-p", "base", "-l", "mae")
    refused = lossctl(*command, "--baseline", base)
    assert (refused.code, refused.out) == (2, "")
    assert "give the baseline's predictions" in refused.err
    optional = lossctl(*command, "--baseline", tmp_path / "none.json", "--baseline-optional", "-f", "json")
    assert statuses(optional) == {"mae.max-regression": "skipped"}
    report = tmp_path / "both.json"
    assert lossctl("eval", noisy, "-t", "y", "-p", "base", "-p", "worse", "-l", "mae", "-o", report).code == 0
    judged = ("check", report, "--baseline", "base", "--max-regression", "mae=0")
    assert lossctl(*judged).code == 1
    assert lossctl(*judged, "--decide", "significant").code == 2


CONFIG = """
files = ["rows.csv"]
target = "y"
preds = ["b"]
min-slice = 1

[[check]]
loss = "mae"
max = 0.5
by = ["g"]

[[check]]
loss = "mse"
max = 0.1
level = "warn"

[[check]]
loss = "r2"
max-regression = ["2%", 0.01]
"""


@pytest.fixture
def project(rows: Path, lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch) -> Path:
    (rows.parent / "lossctl.toml").write_text(CONFIG.replace("preds", "pred"))
    monkeypatch.chdir(rows.parent)
    return rows.parent


def test_rules_of_a_file_accumulate_and_the_command_line_wins(lossctl: Lossctl, project: Path) -> None:
    refused = lossctl("check")
    assert refused.code == 2
    assert "[[check]] 3: compares with a baseline" in refused.err
    (project / "lossctl.toml").write_text(CONFIG.partition('[[check]]\nloss = "r2"')[0].replace("preds", "pred"))
    outcome = lossctl("check", "-f", "json")
    assert outcome.code == 1
    assert statuses(outcome) == {"mae.max": "fail", "mae.max@g=x": "fail", "mae.max@g=y": "pass", "mse.max": "warn"}
    both = lossctl("check", "--max", "mae=5", "--max", "huber=5", "-f", "json")
    assert both.code == 0
    assert statuses(both) == {
        "mse.max": "warn",
        "mae.max": "pass",
        "mae.max@g=x": "pass",
        "mae.max@g=y": "pass",
        "huber.max": "pass",
    }
    assert any("--max mae=5 takes the place of mae max 0.5" in text for text in both.json["warnings"])
    assert "--max mae=5 takes the place of mae max 0.5" in both.err


def test_a_file_of_settings_says_nothing_of_a_report(
    lossctl: Lossctl, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "lossctl.toml").write_text('target = "y"\nmissing = "drop"\n[[check]]\nloss = "mae"\nmax = 1\n')
    report = lossctl("eval", "rows.csv", "-p", "a", "-l", "mae", "-f", "json").out
    monkeypatch.setattr(sys, "stdin", Pipe(report.encode()))
    assert lossctl("check", "-").code == 0
    monkeypatch.setattr(sys, "stdin", Pipe(report.encode()))
    assert lossctl("check", "-", "-t", "y").code == 2


def test_accepting_leaves_the_rules_of_the_file_aside(lossctl: Lossctl, project: Path) -> None:
    (project / "lossctl.toml").write_text(
        'files = "rows.csv"\ntarget = "y"\npred = "a"\nbaseline = "main.json"\n'
        '[[check]]\nloss = "mse"\nmax-regression = 0\n'
    )
    missing = lossctl("check")
    assert missing.code == 4
    creates = shlex.split(missing.err.partition("`")[2].partition("`")[0])
    assert creates[-1] == "--no-config"
    assert lossctl(*creates[1:]).code == 0
    assert lossctl("check").code == 0
    assert lossctl("check", "-p", "b").code == 1


def test_show_config_reads_no_data(lossctl: Lossctl, project: Path) -> None:
    (project / "rows.csv").unlink()
    outcome = lossctl("check", "--show-config", "--max", "mae=5")
    assert outcome.code == 0
    assert "mae" in outcome.out


def test_quiet_and_verbose_change_standard_error_alone(lossctl: Lossctl, rows: Path) -> None:
    command = ("check", rows, *ONE, "--max", "mae=5")
    assert lossctl(*command, "-q").err == ""
    loud = lossctl(*command, "-v")
    assert "signature" not in loud.err or loud.code == 0
    assert "mae|n:4" in loud.err
    assert loud.out == lossctl(*command, "-q").out


def test_check_is_a_function(rows: Path) -> None:
    report = check(str(rows), target="y", pred="a", max=["mae=0.5"], min_slice=1)
    assert (report.verdict, report.blocks, report.candidates) == ("fail", True, ("a",))
    assert json.loads(report.to_json())["command"] == "check"
    frames = {"y": [0.0, 0.0], "a": [1.0, 1.0], "b": [2.0, 2.0]}
    report = check(frames, target="y", pred=["a", "b"], baseline="a", max_regression="mae=50%")
    assert (report.verdict, report.advice) == ("fail", ())
    with pytest.raises(BaselineError, match="no such file"):
        check(frames, target="y", pred=["a", "b"], baseline="c", max_regression="mae=50%")
    with pytest.raises(UsageError, match="must be files"):
        check(frames, target="y", pred="a", baseline=str(rows), max_regression="mae=50%")
    with pytest.raises(UsageError, match="only model"):
        check(frames, target="y", pred="a", baseline="a", max_regression="mae=50%")
    with pytest.raises(UsageError, match="--min-slice -1"):
        check(frames, target="y", pred="a", max="mae=1", min_slice=-1)
    with pytest.raises(UsageError, match="--on-insufficient"):
        check(frames, target="y", pred="a", max="mae=1", on_insufficient="maybe")  # type: ignore[arg-type]


def test_tolerances_and_texts() -> None:
    assert Tolerance(2.0, 0.01).of(-10.0) == 0.2
    assert Tolerance(2.0, 0.5).of(10.0) == 0.5
    rule = regression_rule("huber:delta=1=2%,0.01")
    assert (rule.loss, rule.tolerance) == ("huber:delta=1", Tolerance(2.0, 0.01))
    assert limit_rule("max", "a=b=c=.5e1").limit == 5.0


def test_no_check_is_no_verdict() -> None:
    assert judge([], Terms()) == []
    assert judge_module.conclude([]).blocks


def test_the_reader_going_away_keeps_a_failed_gate(rows: Path) -> None:
    from tests.test_output import shell

    common = f"lossctl check {rows} -t y -p a -f json --max"
    for limit, codes in (("mae=0.5", {"1"}), ("mae=5", {"0", "141"})):
        ended = shell(f"set -o pipefail; ({common} {limit}; echo $? >&2) | true")
        assert ended.stderr.split()[-1] in codes
    assert os.path.exists(rows)


def test_a_statistical_decision_needs_intervals() -> None:
    data = {"y": [0.0, 1.0, 2.0], "a": [0.5, 1.0, 2.0], "b": [1.0, 1.0, 3.0]}
    with pytest.raises(UsageError, match="None leaves out the intervals"):
        check(data, target="y", pred=["a", "b"], baseline="a", max_regression="mae=1", decide="significant", ci=None)
