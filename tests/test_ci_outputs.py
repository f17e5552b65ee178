"""What CI systems read: JUnit, workflow commands, job summaries, and logs that data cannot give orders."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from hypothesis import given, strategies as st

from lossctl.output import checks as outputs
from lossctl.output.checks import ORDER, command_data, command_property, legal, to_github, to_junit, worst_first
from lossctl.output.text import Style, inert_line, inert_text
from lossctl.results.comparison import Check
from lossctl.results.report import Input, Report
from tests.conftest import ROOT, Lossctl

Write = Callable[[str, str | bytes], Path]
JUNIT = xmlschema.XMLSchema(str(ROOT / "tests/junit.xsd"))
HOSTILE = "::error::x##[group]\x1b[31m\n::set-output name=a::b%,:|`<b>\ud800\u202e\x00&"
PASSED = Check(
    id="mae.max",
    model="m",
    loss="mae",
    spec="mae",
    slice={},
    kind="max",
    rule="mae max 1",
    status="pass",
    level="error",
    value=0.5,
    limit=1.0,
    margin=0.5,
    baseline=None,
    change=None,
    change_share=None,
    rows=100,
    interval=None,
    message="0.5 is at most 1",
)


def report(
    *checks: Check, advice: tuple[str, ...] = (), verdict: str | None = "fail", baseline: str | None = None
) -> Report:
    return Report(
        (),
        (Input("m", "p.csv", "0" * 16, 1, 1, "0" * 16),),
        None,
        "mean",
        None,
        "0.1.0",
        ("a warning",),
        checks=checks,
        verdict=verdict,  # type: ignore[arg-type]
        advice=advice,
        baseline=baseline,
    )


def failed(number: int = 0, **facts: Any) -> Check:
    return replace(
        PASSED, **{"id": f"mae.max{number}", "status": "fail", "blocks": True, "value": 2.0, "margin": -1.0, **facts}
    )


@pytest.fixture
def broken(lossctl: Lossctl, write: Write) -> Callable[..., Any]:
    """Run a check of one failing rule, two slices and a warning."""
    path = write("p.csv", "y,p,g\n" + "0,1,x\n" * 30 + "0,2,y\n" * 3)
    config = write("lossctl.toml", '[[check]]\nloss = "mse"\nmax = 0.5\nlevel = "warn"\n')
    command = ("check", path, "-t", "y", "-p", "p", "--by", "g", "--config", config, "-q")
    return lambda *more: lossctl(*command, "--max", "mae=0.5", "--max-slice", "mae=1", "--max", "huber=9", *more)


# JUnit ----------------------------------------------------------------------------------------------------------------


def test_junit_has_a_case_for_every_rule_and_slice(broken: Callable[..., Any]) -> None:
    outcome = broken("-f", "junit")
    assert outcome.code == 1
    JUNIT.validate(outcome.out)
    suite = ElementTree.fromstring(outcome.out)[0]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    cases = {case.get("name"): [child.tag for child in case] for case in suite.iter("testcase")}
    assert cases == {
        "mse.max": [],
        "mae.max": ["failure"],
        "huber.max": [],
        "mae.max-slice@g=x": [],
        "mae.max-slice@g=y": ["skipped"],
    }
    failure = suite.find(".//failure")
    assert failure is not None
    assert failure.get("type") == "fail"
    assert "above 0.5" in (failure.get("message") or "")
    assert "limit: 0.5" in (failure.text or "")
    assert "mse.max" in (suite.findtext("system-err") or "")


@pytest.mark.parametrize("status", ORDER)
def test_junit_tells_what_broke_from_what_was_not_decided(status: str) -> None:
    for blocks in (False, True):
        text = to_junit(report(replace(PASSED, status=status, blocks=blocks)))  # type: ignore[arg-type]
        JUNIT.validate(text)
        tags = [child.tag for case in ElementTree.fromstring(text).iter("testcase") for child in case]
        open_ = status in ("insufficient", "skipped")
        assert tags == (["failure"] if blocks else ["skipped"] if open_ else [])


@given(st.text(alphabet=st.characters(), max_size=30))
def test_no_text_breaks_junit(text: str) -> None:
    check = failed(model=text, id=text, message=text, slice={text: text}, rule=text)
    made = to_junit(report(check, replace(check, status="skipped", blocks=False), advice=(text,)))
    JUNIT.validate(made)
    assert made.encode()
    root = ElementTree.fromstring(made)
    assert root[0].find("testcase").get("name") == legal(text)  # type: ignore[union-attr]


def test_junit_of_nothing_judged_is_valid(lossctl: Lossctl, tmp_path: Path) -> None:
    command = ("check", "sample_data/diabetes.csv", "-t", "progression", "-p", "linear", "-f", "junit")
    out = lossctl(*command, "--save-baseline", tmp_path / "b.json").out
    JUNIT.validate(out)
    assert ElementTree.fromstring(out)[0].get("tests") == "0"


# workflow commands ----------------------------------------------------------------------------------------------------

COMMAND = re.compile(r"^::(error|warning|notice) title=([^:,\r\n]*)::([^\r\n]*)$")


def decoded(text: str) -> str:
    for code, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, char)
    return text


def test_annotations_come_worst_first_and_end_with_the_verdict(broken: Callable[..., Any]) -> None:
    outcome = broken("-f", "github")
    assert outcome.code == 1
    found = [COMMAND.fullmatch(line) for line in outcome.out.splitlines()]
    assert all(found)
    kinds = [(match[1], decoded(match[2]).removeprefix("lossctl check: ")) for match in found if match]
    assert kinds == [
        ("error", "mae.max fail"),
        ("warning", "mse.max warn"),
        ("warning", "mae.max-slice@g=y insufficient"),
        ("notice", "lossctl check"),
    ]
    assert outcome.out.splitlines()[-1].partition("::")[2].endswith("(candidate: p)")


def test_at_most_ten_annotations(lossctl: Lossctl) -> None:
    checks = [failed(number, margin=-float(number), limit=1.0) for number in range(25)]
    lines = to_github(report(*checks)).splitlines()
    assert len(lines) == 11
    assert [f"mae.max{number} " in line for number, line in zip(range(24, 14, -1), lines, strict=False)] == [True] * 10
    assert lines[-1].startswith("::notice title=lossctl check::fail")
    assert lines[-1].endswith("16 more are not shown here")


def test_the_toolkits_escapes() -> None:
    assert command_data("a%b\r\nc:d,e") == "a%25b%0D%0Ac:d,e"
    assert command_property("a%b\r\nc:d,e") == "a%25b%0D%0Ac%3Ad%2Ce"


@given(st.text(max_size=30))
def test_no_text_ends_or_makes_a_workflow_command(text: str) -> None:
    made = to_github(report(failed(model=text, id=text, message=text, rule=text), advice=(text,), baseline=text))
    lines = made.split("\n")
    assert len(lines) == 4
    assert lines[-1] == ""
    assert all(COMMAND.fullmatch(line) for line in lines[:-1])
    if text.isprintable():
        title = COMMAND.fullmatch(lines[0])
        assert title is not None
        assert decoded(title[2]) == f"lossctl check: {text} fail"


# job summaries --------------------------------------------------------------------------------------------------------


def test_markdown_says_why(broken: Callable[..., Any]) -> None:
    lines = broken("-f", "md").out.splitlines()
    assert lines[0] == ("**lossctl check: FAIL** 1 of 5 checks failed, 1 warned, 1 insufficient (candidate: p)")
    assert lines[4].startswith("| **fail** | mae max 0.5 | 1.0909 | 0.50000 |")
    assert [line.split(" | ")[0].strip("| *") for line in lines[4:9]] == [
        "fail",
        "warn",
        "insufficient",
        "pass",
        "pass",
    ]
    assert lines[-1].startswith("next: `lossctl eval ")


def test_a_summary_is_never_too_large_and_cut_by_whole_rows() -> None:
    checks = [failed(number, model="é" * 100, slice={"g": f"{number}"}) for number in range(8000)]
    text = outputs.to_markdown(report(*checks, PASSED, advice=("lossctl compare",)), 5)
    assert 1_000_000 < len(text.encode()) <= 1 << 20
    rows = [line for line in text.splitlines() if line.startswith("| **fail**")]
    assert all(line.endswith(" |") and line.count(" | ") == 7 for line in rows)
    left = re.search(r"^(\d+) more of 8001 checks are left out here\.$", text, re.MULTILINE)
    assert left is not None
    assert len(rows) + int(left[1]) == 8001
    assert text.endswith("next: `lossctl compare`\n")
    tiny = outputs.to_markdown(report(failed(model="é" * 2000), failed(1), baseline="x" * 5000), 5, most=600)
    assert len(tiny.encode()) <= 600
    assert tiny.startswith("**lossctl check: FAIL**")


def test_the_job_summary_is_appended_and_every_other_file_replaced(
    broken: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary, other = tmp_path / "summary.md", tmp_path / "other.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    for path in (summary, other):
        path.write_text("before\n")
    for _ in range(2):
        assert broken("-o", f"md:{summary}", "-o", f"md:{other}").code == 1
    assert summary.read_text().startswith("before\n")
    assert summary.read_text().count("**lossctl check: FAIL**") == 2
    assert other.read_text().count("**lossctl check: FAIL**") == 1
    assert "before" not in other.read_text()


def test_code_of_a_summary_cannot_be_left() -> None:
    text = outputs.to_markdown(report(failed(), advice=("lossctl eval 'a`b``c'",)), 5)
    assert text.endswith("next: ``` lossctl eval 'a`b``c' ```\n")


# machine formats ------------------------------------------------------------------------------------------------------


def test_json_fits_its_schema_and_the_issues_example(broken: Callable[..., Any]) -> None:
    schema = json.loads((ROOT / "lossctl/output/report.schema.json").read_text("utf-8"))
    document = broken("-f", "json").json
    jsonschema.Draft202012Validator(schema).validate(document)
    assert (document["command"], document["verdict"]) == ("check", "fail")
    assert document["checks"][1] == {
        "id": "mae.max",
        "model": "p",
        "loss": "mae",
        "spec": "mae",
        "slice": {},
        "kind": "max",
        "rule": "mae max 0.5",
        "status": "fail",
        "level": "error",
        "value": 36 / 33,
        "limit": 0.5,
        "margin": 0.5 - 36 / 33,
        "baseline": None,
        "change": None,
        "change_pct": None,
        "n": 33,
        "ci": None,
        "message": "1.09091 is above 0.5, by 0.590909",
        "n_effective": None,
        "critical": False,
        "blocks": True,
    }


def test_every_format_tells_the_same(broken: Callable[..., Any]) -> None:
    document = broken("-f", "json").json
    statuses = [(check["id"], check["status"], check["value"]) for check in document["checks"]]
    rows = list(csv.DictReader(io.StringIO(broken("-f", "csv").out)))
    assert [(row["id"], row["status"], float(row["value"])) for row in rows] == statuses
    assert rows[-1]["slice.g"] in "xy"
    lines = [json.loads(line) for line in broken("-f", "jsonl").out.splitlines()]
    assert [(line["id"], line["status"], line["value"]) for line in lines if line["kind"] == "check"] == statuses
    assert broken("-f", "value").out == "fail\n"


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "md", "junit", "github", "value", "table"])
def test_files_hold_what_standard_output_would(
    broken: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795478400")
    path = tmp_path / "out"
    if form == "table":
        path = path.with_suffix(".txt")
    assert broken("-f", "value", "-o", path if form == "table" else f"{form}:{path}").out == "fail\n"
    assert path.read_text() == broken("-f", form).out
    ends = {"junit": ".xml", "md": ".md", "json": ".json", "jsonl": ".jsonl", "csv": ".csv"}
    if form in ends:
        named = tmp_path / f"named{ends[form]}"
        assert broken("-f", "value", "-o", named).code == 1
        assert named.read_text() == path.read_text()


# tables ---------------------------------------------------------------------------------------------------------------


def wide() -> Report:
    facts = {"baseline": 0.123456789, "change": 0.0123456, "change_share": 0.1, "slice": {"region": "north-north-east"}}
    return report(
        failed(1, **facts),
        replace(PASSED, status="insufficient", message="3 rows, 30 are needed (--min-slice)"),
        PASSED,
    )


@pytest.mark.parametrize("width", [None, 40, 60, 80, 200])
def test_no_number_is_cut_at_any_width(width: int | None) -> None:
    text = outputs.to_table(replace(wide(), baseline="base.json"), Style(width=width))
    assert "…" not in text
    for number in ("2.0000", "1.0000", "0.12346", "+0.01235 (+10.0%)"):
        assert re.search(rf"(^|\s){re.escape(number)}(,|\s|$)", text, re.MULTILINE), number
    if width is not None:
        assert max(map(len, text.splitlines())) <= max(width, 46)
    assert ("status   " in text) == (width in (None, 200))


def test_numbers_that_differ_look_different() -> None:
    close = failed(value=0.3500001, limit=0.35)
    assert "0.3500001" in outputs.to_table(report(close), Style())
    assert "0.3500001" in outputs.to_markdown(report(close), 5)


def test_colour_only_adds_to_the_word() -> None:
    for width in (None, 60):
        plain = outputs.to_table(wide(), Style(width=width))
        colored = outputs.to_table(wide(), Style(width=width, color=True))
        assert "\x1b[1;31m" in colored
        bare = re.sub(r"\x1b\[[0-9;]*m", "", colored)
        assert [line.rstrip() for line in bare.splitlines()] == plain.splitlines()


def test_ascii_terminals_get_ascii() -> None:
    assert outputs.to_table(report(failed(model="π"), baseline="π.json"), Style(ascii=True)).isascii()


def test_the_worst_comes_first() -> None:
    checks = [
        PASSED,
        replace(PASSED, id="tight", margin=0.001),
        failed(1, margin=-0.1),
        failed(2, margin=-5.0),
        *(replace(PASSED, id=status, status=status) for status in ORDER if status not in ("fail", "pass")),
    ]
    assert [check.id for check in worst_first(checks)] == [
        "mae.max2",
        "mae.max1",
        *(status for status in ORDER if status not in ("fail", "pass")),
        "tight",
        "mae.max",
    ]


# logs -----------------------------------------------------------------------------------------------------------------


def obeyed(text: str) -> list[str]:
    """Return the lines that a CI runner would take for commands: `::` first after blanks, or `##[` anywhere."""
    return [line for line in re.split(r"\r\n|\r|\n", text) if line.strip().startswith("::") or "##[" in line]


@given(st.text(alphabet=":#[]e \t\r\n\u2028\x85", max_size=12))
def test_no_line_of_the_data_is_a_command(text: str) -> None:
    assert not obeyed(inert_line(text))
    assert not obeyed(inert_text(text.replace("\r", "")))


@pytest.mark.parametrize("form", ["table", "md", "value"])
def test_hostile_names_do_nothing_in_a_log(form: str) -> None:
    check = failed(model=HOSTILE, slice={HOSTILE: HOSTILE}, message=HOSTILE, rule=HOSTILE)
    found = report(
        check, replace(check, status="undefined", model="m"), advice=(f"lossctl eval {HOSTILE}",), baseline=HOSTILE
    )
    for width in (None, 400):
        text = outputs.render(found, form, Style(width=width))
        assert not obeyed(text)
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert text.encode()


def test_hostile_names_do_nothing_in_the_tables_of_eval(lossctl: Lossctl, write: Write) -> None:
    name = "::error::x##[group]"
    path = write("h.csv", f"y,{name},g\n1,2,{name}\n2,2,{name}\n")
    for form in ("table", "long", "md"):
        outcome = lossctl("eval", path, "-t", "y", "-p", name, "-l", "mse", "--by", "g", "-f", form)
        assert outcome.code == 0
        assert not obeyed(outcome.out)
    for command, form in itertools.product(("compare", "validate"), ("table", "md")):
        outcome = lossctl(command, path, "-t", "y", "-p", name, "-p", "::=y", "--by", "g", "-f", form)
        assert outcome.code == 0, outcome.err
        assert not obeyed(outcome.out)
    refused = lossctl("eval", path, "-t", "##[error]", "-p", name)
    assert refused.code == 3
    assert not obeyed(refused.err)
    checked = lossctl("check", path, "-t", "y", "-p", name, "--by", "g", "--max", "mse=0", "--max-slice", "mse=0")
    assert checked.code == 1
    assert not obeyed(checked.out)
