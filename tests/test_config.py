"""Settings: command line over environment over file over default; a configuration that is wrong is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from hypothesis import given, settings, strategies as st

from lossctl.api.options import (
    COMMAND_LINE,
    INPUTS,
    REQUIRED,
    CheckOptions,
    CompareOptions,
    Display,
    Files,
    Intervals,
    NoIntervals,
    Option,
    RuleTable,
    Text,
    VerdictOptions,
    options_of,
    rule_keys,
)
from lossctl.cli import config
from lossctl.cli.app import command
from lossctl.cli.config import Settings, load, resolve, show_config
from lossctl.cli.console import Outputs, outcome
from lossctl.errors import OutputError, UsageError
from lossctl.gate.rules import Tolerance
from tests import configschema
from tests.conftest import ROOT, Lossctl

SHIPPED = ROOT / "lossctl/cli/config.schema.json"
EXAMPLE = """
[tool.lossctl]
target = "y_true"
losses = ["rmse", "mae", "p90=quantile:q=0.9"]
missing = "error"
min-slice = 30

[[tool.lossctl.check]]
loss = "rmse"
max = 0.35                 # absolute ceiling ("min" for scores)
max-regression = "2%"      # or 0.01, or ["2%", 0.01] = both must be exceeded
by = ["region"]            # apply to every slice as well as overall
level = "error"            # error | warn

[[tool.lossctl.check]]
loss = "p90"
max-regression = 0.02
decide = "noninferior"     # point (default) | significant | noninferior
confidence = 0.95
"""


PAIR = [Option("One.", word.upper(), default=REQUIRED, positional=True).called(word, Text()) for word in ("old", "new")]
seen: list[Settings] = []  # what the bodies of the probes were given
probe = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
BOTH = (Files, *INPUTS, Intervals, NoIntervals, Display)


@probe.command("check")
@command("Probe of check.", ("table", "json"), CheckOptions, VerdictOptions, *BOTH)
def probe_check(settings: Settings) -> None:
    seen.append(settings)
    if settings["show_config"]:
        print(show_config(settings), end="")


@probe.command("compare")
@command("Probe of compare.", ("table", "json"), CompareOptions, *BOTH)
def probe_compare(settings: Settings) -> None:
    seen.append(settings)


@probe.command("diff")
@command("Probe of a command without a configuration.", ("table",), *PAIR, Display, configured=False)
def probe_diff(settings: Settings) -> None:
    print(settings["old"], settings["new"], settings["digits"])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a repository of its own, with data and a clean environment."""
    for name in [name for name in os.environ if name.startswith("LOSSCTL_")]:
        monkeypatch.delenv(name)
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    (root / "p.csv").write_text("y,a,b,g\n1,1,2,u\n2,2,2,v\n4,3,2,v\n")
    monkeypatch.chdir(root)
    seen.clear()
    return root


def run(*arguments: object) -> int:
    return int(probe([str(argument) for argument in arguments], prog_name="lossctl", standalone_mode=False) or 0)


def resolved(*arguments: object) -> Settings:
    assert run(*arguments) == 0
    return seen[-1]


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Return the one line that a usage error prints."""
    before = len(seen)
    assert run(*arguments) == 2
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if line.startswith("lossctl: error: ")]
    assert len(lines) == 1
    assert "Traceback" not in said.err
    assert said.out == ""
    assert len(seen) == before, "the body ran"
    return lines[0].removeprefix("lossctl: error: ")


KINDS = [  # option, default; (file, value); (environment, value); (command line, value)
    ("target", None, ('target = "a"', "a"), ("b", "b"), (["-t", "c"], "c")),
    ("by", (), ('by = ["a", "b c"]', ("a", "b c")), ("c d,e", ("c", "d,e")), (["--by", "f g"], ("f g",))),
    (
        "losses",
        (),
        ('losses = "mae"', ("mae",)),
        ("mse  huber:delta=2", ("mse", "huber:delta=2")),
        (["-l", "r2"], ("r2",)),
    ),
    ("missing", "error", ('missing = "drop"', "drop"), ("error", "error"), (["--missing", "drop"], "drop")),
    ("min_slice", 30, ("min-slice = 7", 7), ("8", 8), (["--min-slice", "9"], 9)),
    ("threads", None, ("threads = 2", 2), ("3", 3), (["--threads", "1"], 1)),
    ("ci", None, ("ci = 0.5", 0.5), ("0.6", 0.6), (["--ci", ".7"], 0.7)),
    ("no_ci", False, ("no-ci = true", True), ("false", False), (["--no-ci"], True)),
    (
        "on_insufficient",
        None,
        ('on-insufficient = "fail"', "fail"),
        ("fail", "fail"),
        (["--on-insufficient", "warn"], "warn"),
    ),
    ("baseline", None, ('baseline = "main.json"', "main.json"), ("b.json", "b.json"), (["--baseline", "c"], "c")),
    (
        "output",
        (),
        ('output = "md:r/x"', ("md:r/x",)),
        ("a.md b.md", ("a.md", "b.md")),
        (["-o", "c d.md"], ("c d.md",)),
    ),
]


@pytest.mark.parametrize(("name", "default", "file", "environment", "line"), KINDS, ids=[kind[0] for kind in KINDS])
def test_each_level_holds_over_those_below(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str, default: Any, file: Any, environment: Any, line: Any
) -> None:
    option = next(option for option in options_of(*COMMAND_LINE) if option.name == name)
    found = resolved("check", "p.csv")
    assert (found[name], found.sources[name].origin) == (default, "default")
    (project / "lossctl.toml").write_text(file[0])
    found = resolved("check", "p.csv")
    assert (found[name], found.sources[name].origin) == (file[1], "lossctl.toml")
    monkeypatch.setenv(option.variable, environment[0])
    found = resolved("check", "p.csv")
    heard = (environment[1], f"environment {option.variable}") if option.heard else (file[1], "lossctl.toml")
    assert (found[name], found.sources[name].origin) == heard
    assert [entry.name for entry in found.unheard] == ([] if option.heard else [name])
    found = resolved("check", "p.csv", *line[0])
    assert (found[name], found.sources[name].origin) == (line[1], "command line")


def test_a_value_that_equals_the_default_still_holds(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "lossctl.toml").write_text('missing = "drop"')
    assert resolved("check", "p.csv", "--missing", "error")["missing"] == "error"
    monkeypatch.setenv("LOSSCTL_MISSING", "error")
    assert resolved("compare", "p.csv").sources["missing"].origin == "environment LOSSCTL_MISSING"


def test_switches_of_two_sides(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolved("check", "p.csv")["progress"] is None
    monkeypatch.setenv("LOSSCTL_PROGRESS", "0")
    assert resolved("check", "p.csv")["progress"] is False
    assert resolved("check", "p.csv", "--progress")["progress"] is True
    monkeypatch.setenv("LOSSCTL_QUIET", "TRUE")
    assert resolved("compare", "p.csv")["quiet"] is True


def test_an_empty_variable_is_as_none(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("TARGET", ""), ("LOSS", "  "), ("MIN_SLICE", ""), ("NO_CI", "")):
        monkeypatch.setenv(f"LOSSCTL_{name}", text)
    found = resolved("check", "p.csv")
    assert {found.sources[name].origin for name in ("target", "losses", "min_slice", "no_ci")} == {"default"}
    monkeypatch.setenv("LOSSCTL_DELIMITER", " ")
    assert resolved("compare", "p.csv")["delimiter"] == " "


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("MISSING", "skip", ["'skip'", "error or drop"]),
        ("MIN_SLICE", "-1", ["'-1'", "at least 0", "from 0"]),
        ("MIN_SLICE", "3.5", ["'3.5'", "whole number"]),
        ("MIN_SLICE", "1_0", ["'1_0'", "whole number"]),
        ("MIN_SLICE", "٣", ["whole number"]),
        ("DIGITS", "18", ["'18'", "from 1 to 17"]),
        ("CI", "nan", ["'nan'", "between 0 and 1", "0.95"]),
        ("CI", "1", ["'1'", "between 0 and 1"]),
        ("CI", "1e999", ["between 0 and 1"]),
        ("NO_CI", "yes", ["'yes'", "true or false"]),
        ("NO_CONFIG", "2", ["'2'", "true or false"]),
        ("DECIDE", "maybe", ["'maybe'", "point, significant, noninferior or equivalent"]),
        ("THREADS", "9" * 5000, ["whole number", "..."]),
        ("CONFIG", "nowhere.toml", ["--config"]),
    ],
)
def test_bad_variables_are_named(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str,
    says: list[str],
) -> None:
    monkeypatch.setenv(f"LOSSCTL_{name}", text)
    line = refused(capsys, "check", "p.csv")
    assert line.startswith(f"LOSSCTL_{name}")
    assert any(words in line for words in says)
    assert len(line) < 250


def test_slips_in_the_environment_are_warned_of(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOSSCTL_LOSES", "mae")
    monkeypatch.setenv("LOSSCTL_VERSION", "0.1.0")
    resolved("check", "p.csv")
    said = capsys.readouterr().err
    assert said == (
        "lossctl: warning: the environment variable LOSSCTL_LOSES is no option of lossctl "
        "(did you mean 'LOSSCTL_LOSS'?)\n"
    )
    resolved("check", "p.csv", "-q")
    assert capsys.readouterr().err == ""


def test_contradictions_are_settled_by_level(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--ci and --no-ci contradict" in refused(capsys, "check", "p.csv", "--ci", "0.9", "--no-ci")
    (project / "lossctl.toml").write_text("no-ci = true")
    found = resolved("check", "p.csv", "--ci", "0.9")
    assert (found["ci"], found["no_ci"], found.arguments["ci"]) == (0.9, False, 0.9)
    monkeypatch.setenv("LOSSCTL_CI", "0.8")
    assert resolved("compare", "p.csv").arguments["ci"] == 0.8
    assert resolved("compare", "p.csv", "--no-ci").arguments["ci"] is None
    (project / "lossctl.toml").write_text("ci = 0.5")
    monkeypatch.delenv("LOSSCTL_CI")
    monkeypatch.setenv("LOSSCTL_NO_CI", "0")
    assert resolved("compare", "p.csv").arguments["ci"] == 0.5
    monkeypatch.setenv("LOSSCTL_CI", "0.8")
    monkeypatch.setenv("LOSSCTL_NO_CI", "1")
    assert "in the environment" in refused(capsys, "compare", "p.csv")
    (project / "lossctl.toml").write_text("ci = 0.5\nno-ci = true")
    assert "lossctl.toml: ci and no-ci contradict" in refused(capsys, "check", "p.csv", "--ci", "0.9")
    assert "--config and --no-config" in refused(capsys, "check", "p.csv", "--config", "lossctl.toml", "--no-config")


def test_rules_accumulate_over_the_levels(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "lossctl.toml").write_text('[[check]]\nloss = "mae"\nmax = 3\n')
    monkeypatch.setenv("LOSSCTL_MAX", "mse=1 rmse=2")
    found = resolved("check", "p.csv", "--max", "mae=2", "--max", "r=3", "--max-slice", "huber:delta=1=0.5")
    assert found["max"] == ("mse=1", "rmse=2", "mae=2", "r=3")
    assert found.rule_texts == (
        ("max", "mse=1", "environment LOSSCTL_MAX"),
        ("max", "rmse=2", "environment LOSSCTL_MAX"),
        ("max", "mae=2", "command line"),
        ("max", "r=3", "command line"),
        ("max-slice", "huber:delta=1=0.5", "command line"),
    )
    assert [(rule.loss, rule.max) for rule in found.rules] == [("mae", 3.0), ("mse", 1.0), ("rmse", 2.0)]
    assert found.typed_rules["max"] == ("mae=2", "r=3")


def test_the_file_is_searched_upward_to_the_repositorys_root(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = project / "a" / "b"
    inner.mkdir(parents=True)
    (project.parent / "lossctl.toml").write_text('target = "outside"')
    monkeypatch.chdir(inner)
    assert resolved("check", "x")["target"] is None
    (project / "pyproject.toml").write_text('[tool.lossctl]\ntarget = "root"')
    assert resolved("check", "x").sources["target"].origin == "../../pyproject.toml"
    (project / "a" / "pyproject.toml").write_text('[tool.other]\ntarget = "passed over"')
    assert resolved("check", "x")["target"] == "root"
    (project / "a" / "lossctl.toml").write_text('target = "a"')
    assert resolved("check", "x")["target"] == "a"
    (inner / "pyproject.toml").write_text('[tool.lossctl]\ntarget = "b"')
    assert resolved("check", "x")["target"] == "b"
    (inner / "lossctl.toml").write_text("digits = 3")
    found = resolved("check", "x")
    assert (found["target"], found["digits"]) == (None, 3)
    assert resolved("check", "x", "--no-config")["digits"] == 5
    monkeypatch.setenv("LOSSCTL_NO_CONFIG", "1")
    assert resolved("compare", "x").file is None
    assert resolved("check", "x", "--config", project / "pyproject.toml")["target"] == "root"
    monkeypatch.setenv("LOSSCTL_NO_CONFIG", "0")
    monkeypatch.setenv("LOSSCTL_CONFIG", "../lossctl.toml")
    assert resolved("compare", "x")["target"] == "a"


def test_without_a_repository_the_search_goes_on(project: Path) -> None:
    (project / ".git").rmdir()
    (project.parent / "lossctl.toml").write_text('target = "outside"')
    assert resolved("check", "x").sources["target"].origin == "../lossctl.toml"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("target = \n", "line 1"),
        ("target = ", "end of document"),
        ("a = 1\na = 2\n", "line 2"),
        ("[[check]]\nloss = 'a'\n[check]\n", "line 3"),
        ("x = " + "[" * 5000, "nested too deeply"),
        ("x = " + "9" * 5000, "no TOML"),
    ],
)
@pytest.mark.parametrize("name", ["lossctl.toml", "pyproject.toml"])
def test_what_cannot_be_parsed_is_an_error_wherever_it_is_found(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, text: str, says: str
) -> None:
    (project / name).write_text(text)
    (project / "a").mkdir()
    monkeypatch.chdir(project / "a")
    line = refused(capsys, "check", "p.csv")
    assert line.startswith(f"../{name}: ")
    assert says in line
    assert "Traceback" not in line
    assert resolved("check", "p.csv", "--no-config")


def test_files_that_are_none(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "lossctl.toml").write_bytes(b'target = "a"\nid = "\xff"')
    assert refused(capsys, "check", "p.csv") == "lossctl.toml: line 2 is not UTF-8"
    (project / "lossctl.toml").write_bytes(b"#" * (config.LARGEST + 1))
    assert "is longer than" in refused(capsys, "check", "p.csv")
    (project / "lossctl.toml").unlink()
    (project / "lossctl.toml").symlink_to("nowhere")
    assert "no regular file" in refused(capsys, "check", "p.csv")
    (project / "lossctl.toml").unlink()
    os.mkfifo(project / "lossctl.toml")
    assert "no regular file" in refused(capsys, "check", "p.csv")
    assert refused(capsys, "check", "p.csv", "--config", "c.toml") == "--config c.toml: there is no such file"
    assert refused(capsys, "check", "p.csv", "--config", ".") == "--config .: is no file"
    (project / "pyproject.toml").write_text("[tool.ruff]\n")
    assert "there is no [tool.lossctl]" in refused(capsys, "check", "p.csv", "--config", "pyproject.toml")


WRONG = [  # a document of lossctl.toml, and what its error names
    ("target = 3", ["target = 3", "a text"]),
    ('target = ""', ['target = ""', "a text"]),
    ('target = "a\\u0000b"', ["target", "a text"]),
    ("target = ['a']", ["target = [", "a text"]),
    ("by = 3", ["by = 3", "a list of texts"]),
    ("by = []", ["by = []", "a list of texts"]),
    ('by = ["a", 3]', ["by = ", "a list of texts"]),
    ('losses = [["mae"]]', ["losses", "a list of texts"]),
    ('missing = "skip"', ['missing = "skip"', "error or drop"]),
    ("missing = true", ["missing = true", "error or drop"]),
    ('no-ci = "true"', ['no-ci = "true"', "true or false"]),
    ("no-ci = 1", ["no-ci = 1", "true or false"]),
    ("min-slice = -1", ["min-slice = -1", "from 0 to"]),
    ("min-slice = 1.5", ["min-slice = 1.5", "whole number"]),
    ("min-slice = true", ["min-slice = true", "whole number"]),
    ("min-slice = 1" + "0" * 400, ["min-slice = a huge number", "whole number"]),
    ("resamples = -1" + "0" * 400, ["resamples = a huge number", "whole number"]),
    ("k" * 5000 + " = 1", ["unknown key 'kkk", "..."]),
    ('"\\u001b[31m" = 1', ["unknown key '\\x1b[31m'"]),
    ('min-slice = "30"', ['min-slice = "30"', "whole number"]),
    ("digits = 18", ["digits = 18", "from 1 to 17"]),
    ("ci = 0", ["ci = 0", "between 0 and 1"]),
    ("ci = 1.0", ["ci = 1.0", "between 0 and 1"]),
    ("ci = false", ["ci = false", "a number between"]),
    ("ci = 1979-05-27", ["ci = 1979-05-27", "a number between"]),
    ("ci = 0.9\nno-ci = true", ["ci and no-ci contradict"]),
    ('tagret = "a"', ["unknown key 'tagret'", "did you mean 'target'"]),
    ('loss = "mae"', ["unknown key 'loss'", "did you mean 'losses'"]),
    ("min_slice = 3", ["unknown key 'min_slice'", "did you mean 'min-slice'"]),
    ("Target = 'a'", ["unknown key 'Target'", "did you mean 'target'"]),
    ("xyzzy = 1", ["unknown key 'xyzzy'", "allowed are files, target"]),
    ("[eval]\nby = 'a'", ["unknown key 'eval'"]),
    ("[tool.lossctl]\nby = 'a'", ["unknown key 'tool'", "at the top"]),
    ("exit-zero = true", ["exit-zero", "disarm"]),
    ("baseline-optional = true", ["baseline-optional", "disarm"]),
    ('save-baseline = "b.json"', ["save-baseline", "on the command line"]),
    ('rows-out = "r.csv"', ["rows-out", "on the command line"]),
    ("show-config = true", ["show-config", "one run"]),
    ('config = "c.toml"', ["config", "one run"]),
    ("no-config = true", ["no-config", "one run"]),
    ("debug = true", ["debug", "terminal"]),
    ("quiet = true", ["quiet", "terminal"]),
    ("verbose = true", ["verbose", "terminal"]),
    ("progress = true", ["progress", "terminal"]),
    ('color = "never"', ["color", "terminal"]),
    ("[eval]\nlosses = 'mae'", ["unknown key 'eval'", "no tables of commands: keys stand at the top"]),
    ('max = ["rmse=1"]', ["max", '[[check]] with loss = "rmse" and max = 55, or min']),
    ('max-regression = "rmse=2%"', ["max-regression", "[[check]]"]),
    ('output = "/tmp/x.md"', ["output", "inside the folder"]),
    ('output = "md:/tmp/x"', ["output", "inside the folder"]),
    ('output = "../x.md"', ["output", "inside the folder"]),
    ('output = "md:../x"', ["output", "inside the folder"]),
    ('output = "a:/../../x.md"', ["output", "inside the folder"]),
    ('output = ["x.md", "json:a/../../x"]', ["output", "inside the folder"]),
    ('output = "a/.."', ["output", "inside the folder"]),
    ('output = "a\\n/../../x.md"', ["output", "inside the folder"]),
    ("output = ''", ["output"]),
    ("check = 3", ["[[check]] = 3", "rules are tables"]),
    ("[check]\nloss = 'mae'\nmax = 1", ["rules are tables"]),
    ("check = [3]", ["rules are tables"]),
    ("[[check]]\nmax = 3", ["[[check]] 1: there is no loss"]),
    ("[[check]]\nloss = 3\nmax = 3", ["[[check]] 1: loss = 3", "a text"]),
    ("[[check]]\nloss = 'mae'", ["[[check]] 1: there is no limit", "max-regression"]),
    ("[[check]]\nloss = 'mae'\nmax = 1\n[[check]]\nloss = 'mae'\nmux = 3", ["[[check]] 2: unknown key 'mux'", "'max'"]),
    ("[[check]]\nloss = 'mae'\nmax_slice = 3", ["unknown key 'max_slice'", "'max-slice'"]),
    ("[[check]]\nloss = 'mae'\nmax = '3'", ['max = "3"', "a number"]),
    ("[[check]]\nloss = 'mae'\nmax = true", ["max = true", "a number"]),
    ("[[check]]\nloss = 'mae'\nmax = 1" + "0" * 400, ["max = a huge number", "a number"]),
    ("[[check]]\nloss = 'mae'\nmin = [1]", ["min = [1]", "a number"]),
    ("[[check]]\nloss = 'mae'\nmax-regression = '2 %'", ["max-regression", '"2%"']),
    ("[[check]]\nloss = 'mae'\nmax-regression = '-2%'", ["max-regression", '"2%"']),
    ("[[check]]\nloss = 'mae'\nmax-regression = '0.01'", ["max-regression", '"2%"']),
    ("[[check]]\nloss = 'mae'\nmax-regression = -0.01", ["max-regression", "at least 0"]),
    ("[[check]]\nloss = 'mae'\nmax-regression = false", ["max-regression", "at least 0"]),
    ("[[check]]\nloss = 'mae'\nmax-regression = []", ["max-regression", "list of both"]),
    ("[[check]]\nloss = 'mae'\nmax-regression = ['2%']", ["max-regression", "list of both"]),
    ("[[check]]\nloss = 'mae'\nmax-regression = ['2%', '3%']", ["max-regression", "list of both"]),
    ("[[check]]\nloss = 'mae'\nmax-regression = ['2%', 1, 1]", ["max-regression", "list of both"]),
    ("[[check]]\nloss = 'mae'\nmax = 1\nby = [1]", ["by = [1]", "a list of texts"]),
    ("[[check]]\nloss = 'mae'\nmax = 1\nlevel = 'info'", ["level", "error or warn"]),
    (
        "[[check]]\nloss = 'mae'\nmax-regression = 1\ndecide = 'no'",
        ["decide", "point, significant, noninferior or equivalent"],
    ),
    ("[[check]]\nloss = 'mae'\nmax-regression = 1\nconfidence = 95", ["confidence = 95", "from 0.5 to 0.999"]),
    ("[[check]]\nloss = 'mae'\nmax = 1\ndecide = 'point'", ["decide", "max-regression"]),
    ("[[check]]\nloss = 'mae'\nmax = 1\nconfidence = 0.9", ["confidence", "max-regression"]),
]
NOT_JSON = [  # TOML has these, JSON does not
    ("ci = nan", ["ci = nan", "between 0 and 1"]),
    ("ci = inf", ["ci = inf", "between 0 and 1"]),
    ("[[check]]\nloss = 'mae'\nmax = nan", ["max = nan", "a number"]),
    ("[[check]]\nloss = 'mae'\nmax = -inf", ["max = -inf", "a number"]),
    ("[[check]]\nloss = 'mae'\nmax-slice = inf", ["max-slice = inf", "a number"]),
    ("[[check]]\nloss = 'mae'\nmax-regression = nan", ["max-regression = nan", "at least 0"]),
    ("[[check]]\nloss = 'mae'\nmax-regression = ['2%', inf]", ["max-regression", "at least 0"]),
]
RIGHT = [
    "",
    "files = 'p.csv'",
    'files = ["a=p.csv", "b=q.parquet", "-"]\ntargets = "truth.csv"\nid = "row"',
    'pred = ["a", "b=c,d"]\nrole = ["left=x", "m:right=y"]\nactivation = "softmax"\nclasses = "a,b"',
    'weight = "w"\npositive-label = "yes"\ntask = "binary"\ndelimiter = "\\t"\nmax-memory = "2G"\nthreads = 4',
    'reduction = "sum"\nci = 0.9\nno-ci = false\ndigits = 3\nformat = "md"',
    "no-ci = true",
    'output = ["r.md", "junit:ci/report.xml", "json:..x/a..b/...", "a:b:c.md"]',
    "all-pairs = true\nci-method = 'bootstrap'\nresamples = 500\nseed = 0\ncluster = 'u'\ntime = 't'\nhorizon = 3",
    "power = '2%'\nworst = 5\nmin-slice = 30.0",
    "baseline = 'main.json'\ndecide = 'noninferior'\nmin-slice = 0\non-insufficient = 'fail'",
    "check = []",
    "[[check]]\nloss = 'huber:delta=1'\nmax = 1e-3\nmin = -4\nmax-slice = 0\nby = 'region,year'\nlevel = 'warn'",
    "[[check]]\nloss = 'mae'\nmax-regression = 0",
    "[[check]]\nloss = 'mae'\nmax-regression = '.5%'",
    "[[check]]\nloss = 'mae'\nmax-regression = ['2%', 0.01]\ndecide = 'significant'\nconfidence = 0.9",
    "[[check]]\nloss = 'mae'\nmax-regression = [0.01, '2.5%']",
    EXAMPLE.replace("tool.lossctl.", "").replace("[tool.lossctl]", ""),
]


@pytest.mark.deep
@pytest.mark.parametrize(("text", "says"), WRONG + NOT_JSON, ids=lambda part: repr(part)[:60])
def test_a_wrong_file_names_file_key_and_what_is_allowed(
    project: Path, capsys: pytest.CaptureFixture[str], text: str, says: list[str]
) -> None:
    (project / "lossctl.toml").write_text(text)
    for verb in ("check", "compare"):  # what one command does not use must be right, too
        line = refused(capsys, verb, "p.csv", "-t", "y")
        assert line.startswith("lossctl.toml: ")
        assert all(words in line for words in says), line
        assert len(line) < 700


def test_errors_of_pyproject_name_the_table(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = project / "pyproject.toml"
    for text, line in (
        ("[tool.lossctl]\ntarget = 3", "pyproject.toml: [tool.lossctl] target = 3: a text is needed"),
        ("[tool.lossctl]\ntagret = 3", "pyproject.toml: [tool.lossctl] unknown key 'tagret' (did you mean 'target'?)"),
        ("[tool]\nlossctl = 3", "pyproject.toml: tool.lossctl = 3: a table is needed, [tool.lossctl]"),
        (
            "[[tool.lossctl.check]]\nloss = 'mae'\nmax = nan",
            "pyproject.toml: [[tool.lossctl.check]] 1: max = nan: a number is needed",
        ),
    ):
        file.write_text(text)
        assert refused(capsys, "check", "p.csv") == line


def loads(project: Path, text: str) -> bool:
    file = project / "lossctl.toml"
    file.write_text(text)
    try:
        return load(str(file)) is not None
    except UsageError:
        return False


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    shipped = json.loads(SHIPPED.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(shipped)
    return jsonschema.Draft202012Validator(shipped)


def test_the_shipped_schema_is_the_one_of_the_declarations(validator: jsonschema.Draft202012Validator) -> None:
    assert SHIPPED.read_text("utf-8") == configschema.text(), "run `make golden`"
    for key, described in validator.schema["properties"].items():  # type: ignore[index]
        assert described["description"], key


@pytest.mark.parametrize("text", [text for text, _ in WRONG], ids=lambda text: repr(text)[:60])
def test_loader_and_schema_refuse_alike(project: Path, validator: jsonschema.Draft202012Validator, text: str) -> None:
    assert not validator.is_valid(tomllib.loads(text))
    assert not loads(project, text)


@pytest.mark.parametrize("text", RIGHT, ids=lambda text: repr(text)[:60])
def test_loader_and_schema_accept_alike(project: Path, validator: jsonschema.Draft202012Validator, text: str) -> None:
    validator.validate(tomllib.loads(text))
    assert loads(project, text)


def test_the_configuration_of_the_readme_is_right(project: Path, validator: jsonschema.Draft202012Validator) -> None:
    blocks = re.findall(
        r"^```toml\n(.*?)^```$", (ROOT / "lossctl/gate/README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    shown = [text for text in blocks if "[build-system]" not in text]  # that is a package's
    assert shown
    for text in shown:
        validator.validate(tomllib.loads(text))
        assert loads(project, text)


KEYS = sorted({*config.keys(), *config.refused(), "chekc", "loss"})
PARTS = st.one_of(
    st.booleans(),
    st.integers(-3, 300),
    st.floats(-2, 2, allow_nan=False),
    st.sampled_from(["", "a", "error", "sum", "auto", "2%", "md:x", "../x", "/x", "point", "warn", "a/../b"]),
)
VALUES = st.one_of(PARTS, st.lists(PARTS, max_size=3))
RULES = st.dictionaries(st.sampled_from([*sorted(rule_keys()), "mx"]), VALUES, max_size=4)
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3)


SCHEMA = jsonschema.Draft202012Validator(configschema.schema())


@settings(deadline=None)
@given(DOCUMENTS, st.lists(RULES, max_size=2))
def test_loader_and_schema_agree_on_any_document(document: dict[str, Any], rules: list[dict[str, Any]]) -> None:
    whole = {**document, "check": rules} if rules else document
    try:
        config.checked(whole, "lossctl.toml")
        accepted = True
    except UsageError:
        accepted = False
    assert accepted == SCHEMA.is_valid(whole), list(SCHEMA.iter_errors(whole))


def test_every_option_has_a_key_or_a_reason_and_a_variable_of_its_own() -> None:
    options = options_of(*COMMAND_LINE)
    assert {option.key for option in options} == {*config.keys(), *config.refused()}
    by_variable: dict[str, set[str]] = {}
    for option in options:
        by_variable.setdefault(option.variable, set()).add(option.name)
    assert all(len(names) == 1 for names in by_variable.values())


def test_keys_of_other_commands_are_passed_over(project: Path) -> None:
    (project / "lossctl.toml").write_text(
        "baseline = 'main.json'\nformat = 'json'\noutput = 'r.md'\nresamples = 500\nreduction = 'sum'\ndigits = 3"
    )
    compared = resolved("compare", "p.csv")
    assert (compared["baseline"], compared["resamples"]) == (None, 500)
    assert (compared["format"], compared["output"], compared["digits"]) == ("table", (), 3)
    checked = resolved("check", "p.csv")
    assert (checked["baseline"], checked["format"], checked["output"]) == (
        "main.json",
        "json",
        ("r.md",),
    )


def test_rules_of_the_file(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        EXAMPLE + "[[tool.lossctl.check]]\nloss = 'r2'\nmin = 0\nmax-slice = 1\nmax-regression = [1, '2.5%']\n"
        "level = 'warn'\nby = 'a,b'\n"
    )
    origin = "pyproject.toml: [[tool.lossctl.check]]"
    assert resolved("check", "p.csv").rules == (
        RuleTable("rmse", 0.35, None, None, Tolerance(percent=2.0), ("region",), "error", None, None, f"{origin} 1"),
        RuleTable("p90", None, None, None, Tolerance(absolute=0.02), (), "error", "noninferior", 0.95, f"{origin} 2"),
        RuleTable("r2", None, 0.0, 1.0, Tolerance(2.5, 1.0), ("a,b",), "warn", None, None, f"{origin} 3"),
    )
    assert resolved("check", "p.csv")["losses"] == ("rmse", "mae", "p90=quantile:q=0.9")


def test_paths_of_the_file_are_below_its_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "a=b.csv").write_text("")
    (project / "runs").mkdir()
    (project / "inner").mkdir()
    text = """
        files = ["p.csv", "m=runs/q.csv", "a=b.csv", "-", "m=-", "/data/x.csv", "runs", "m=/data/x.csv"]
        targets = "truth.csv"
        baseline = "main.json"
        output = ["ci/r.json", "junit:report.xml"]
    """
    (project / "lossctl.toml").write_text(text)
    found = resolved("check")
    assert found["data"][:3] == ("p.csv", "m=runs/q.csv", "a=b.csv")
    monkeypatch.chdir(project / "inner")
    found = resolved("check")
    assert found["data"] == (
        "../p.csv",
        "m=../runs/q.csv",
        "../a=b.csv",
        "-",
        "m=-",
        "/data/x.csv",
        "../runs",
        "m=/data/x.csv",
    )
    assert (found["targets"], found["baseline"]) == ("../truth.csv", "../main.json")
    assert found["output"] == ("../ci/r.json", "junit:../report.xml")
    for name, path in (("base", "base"), ("runs", "../runs"), ("base=x.csv", "base=../x.csv"), ("x/y", "../x/y")):
        (project / "lossctl.toml").write_text(f"baseline = {name!r}")
        assert resolved("check", "p.csv")["baseline"] == path, "a model's name stays"


def test_outputs_of_the_file_cannot_leave_its_folder_by_a_link(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "lossctl.toml").write_text('output = "link/r.md"')
    (project / "link").symlink_to(project.parent)
    assert "inside the folder of the file" in refused(capsys, "check", "p.csv")
    (project / "link").unlink()
    (project / "real").mkdir()
    (project / "link").symlink_to("real")
    assert resolved("check", "p.csv")["output"] == ("link/r.md",)


def test_a_note_says_what_holds_besides_the_command_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    resolved("check", "p.csv")
    assert capsys.readouterr().err == ""
    (project / "lossctl.toml").write_text("[[check]]\nloss = 'mae'\nmax = 1")
    resolved("check", "p.csv")
    assert capsys.readouterr().err == "lossctl: settings from lossctl.toml\n"
    resolved("compare", "p.csv")
    assert capsys.readouterr().err == "", "rules are for check"
    (project / "lossctl.toml").write_text("digits = 3")
    resolved("check", "p.csv", "--digits", "4")
    assert capsys.readouterr().err == "", "nothing of the file holds"
    monkeypatch.setenv("LOSSCTL_LOSS", "mae")
    monkeypatch.setenv("LOSSCTL_COLOR", "never")
    resolved("compare", "p.csv")
    assert capsys.readouterr().err == "lossctl: settings from lossctl.toml, LOSSCTL_LOSS\n"
    resolved("compare", "p.csv", "-q")
    assert capsys.readouterr().err == ""


def test_data_must_be_named_somewhere(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, "check", "-t", "y")
    assert line.startswith("no FILE is given")
    assert "`files`" in line
    assert "`lossctl check -h`" in line
    assert run("check", "--show-config") == 0
    (project / "lossctl.toml").write_text('files = "p.csv"')
    assert resolved("check")["data"] == ("p.csv",)
    assert resolved("check", "q.csv")["data"] == ("q.csv",)


def test_shown_configuration(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "lossctl.toml").write_text(
        'target = "y\\u001b[31m"\nlosses = ["mae", "rmse"]\n[[check]]\nloss = "mae"\nmax = 3\n'
        'max-regression = ["2%", 0.01]\nby = ["g"]\nlevel = "warn"\ndecide = "significant"\nconfidence = 0.9'
    )
    monkeypatch.setenv("LOSSCTL_THREADS", "2")
    monkeypatch.setenv("LOSSCTL_MIN", "r2=0.5")
    command_line = ("check", "--show-config", "--max", "rmse=1", "--ci", "0.9", "-q")
    assert run(*command_line) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    for words in (
        ["--target", "y\\x1b[31m", "lossctl.toml"],
        ["--loss", "mae", "rmse", "lossctl.toml"],
        ["--threads", "2", "environment", "LOSSCTL_THREADS"],
        ["--ci", "0.9", "command", "line"],
        ["--digits", "5", "default"],
        ["--weight", "-", "default"],
        ["--max", "mae=3.0", "by", "g,", "level", "warn", "lossctl.toml:", "[[check]]", "1"],
        [
            "--max-regression",
            "mae=2.0%,0.01",
            "by",
            "g,",
            "decide",
            "significant,",
            "confidence",
            "0.9,",
            "level",
            "warn",
            "lossctl.toml:",
            "[[check]]",
            "1",
        ],
        ["--max", "rmse=1", "command", "line"],
        ["--min", "r2=0.5", "environment", "LOSSCTL_MIN"],
    ):
        assert words in lines, words
    assert "\x1b" not in out
    shown = {line[0] for line in lines if line and line[0].startswith("--")}
    assert {option.label for option in seen[-1].options if not option.positional} <= shown

    def strict(word: str) -> None:
        raise ValueError(word)

    assert run(*command_line, "-f", "json") == 0
    document = json.loads(capsys.readouterr().out, parse_constant=strict)
    assert list(document) == ["schema_version", "tool", "command", "file", "settings", "rules"]
    assert (document["command"], document["file"]) == ("check", "lossctl.toml")
    values = {entry["option"]: entry for entry in document["settings"]}
    assert values["--loss"] == {
        "option": "--loss",
        "value": ["mae", "rmse"],
        "level": "file",
        "origin": "lossctl.toml",
    }
    assert [values[name]["level"] for name in ("--ci", "--threads", "--digits")] == [
        "command line",
        "environment",
        "default",
    ]
    assert values["--ci"]["value"] == 0.9
    assert [(rule["kind"], rule["text"], rule["origin"]) for rule in document["rules"]] == [
        ("max", "mae=3.0", "lossctl.toml: [[check]] 1"),
        ("max-regression", "mae=2.0%,0.01", "lossctl.toml: [[check]] 1"),
        ("max", "rmse=1", "command line"),
        ("min", "r2=0.5", "environment LOSSCTL_MIN"),
    ]
    assert "table or json" in refused_format(capsys, *command_line, "-f", "md")
    assert "leave -o out" in refused_format(capsys, *command_line, "-o", "r.md")
    (project / "lossctl.toml").write_text('format = "md"\noutput = "r.md"')
    assert run(*command_line) == 0
    assert capsys.readouterr().out.startswith("option ")


def refused_format(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert run(*arguments) == 2
    return capsys.readouterr().err


def test_positionals_that_a_command_needs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "lossctl.toml").write_text("digits = 3")
    assert run("diff", "old", "new") == 0
    assert capsys.readouterr().out == "old new 5\n"
    with pytest.raises(Exception, match="new") as caught:
        run("diff", "old")
    assert outcome(caught.value)[0] == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--digits", "0"], "--digits '0': a whole number from 1 to 17 is needed"),
        (["--min-slice", "many"], "--min-slice 'many': a whole number from 0 to"),
        (["--missing", "skip"], "--missing 'skip': error or drop is needed"),
        (["--ci", "inf"], "--ci 'inf': a number between 0 and 1, such as 0.95 is needed"),
        (["--decide", "\x1b"], "--decide '\\x1b': point, significant, noninferior or equivalent is needed"),
    ],
)
def test_bad_values_of_the_command_line_are_named(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert refused(capsys, "check", "p.csv", *arguments).startswith(says)


def prepared(*outputs: str, formats: tuple[str, ...] = ("table", "json", "md", "junit"), **typed: Any) -> Outputs:
    options = options_of(Files, CheckOptions, Display)
    return Outputs.prepare(resolve("check", options, {"output": list(outputs), **typed}, {}), formats)


def test_outputs_are_checked_first_and_written_in_their_format(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = prepared("r.json", "md:r", "report.xml", "r.txt")
    assert list(project.glob("r*")) == []
    outputs.save(lambda form, style: f"{form} {style.width} {style.color}\n")
    outputs.show(lambda form, style: f"{form}!\n")
    assert capsys.readouterr().out == "table!\n"
    texts = {path.name: path.read_text().split()[0] for path in project.glob("r*")}
    assert texts == {"r.json": "json", "r": "md", "report.xml": "junit", "r.txt": "table"}
    for wrong, says in (
        ("junit:r.xml", "unknown format 'junit'"),
        ("r.xml", "not known by the name"),
        ("json:", "is empty"),
        ("json:-", "standard output"),
    ):
        with pytest.raises(UsageError, match=says):
            prepared(wrong, formats=("table", "json"))
    with pytest.raises(UsageError, match="two outputs go to one file"):
        prepared("r.json", "md:./r.json")
    with pytest.raises(UsageError, match="two outputs go to one file"):
        prepared("r.json", save_baseline="r.json")
    with pytest.raises(UsageError, match="is an input too"):
        prepared("md:p.csv", data=["m=p.csv"])
    with pytest.raises(OutputError, match="there is no folder"):
        prepared(save_baseline="nowhere/b.json")
    with pytest.raises(UsageError, match="unknown format 'csv'"):
        prepared(format="csv", formats=("table", "json"))


def test_the_summary_of_a_job_is_appended_to(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = project / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    for _ in range(2):
        prepared(f"md:{summary}", "md:other").save(lambda form, style: "# x\n")
    assert summary.read_text() == "# x\n\n# x\n"
    assert (project / "other").read_text() == "# x\n"


def test_eval_takes_everything_from_the_file(lossctl: Lossctl, project: Path) -> None:
    (project / "lossctl.toml").write_text(
        'files = "p.csv"\ntarget = "y"\npred = ["a", "b"]\nlosses = ["mae"]\nno-ci = true\ndigits = 3\n'
    )
    outcome = lossctl("eval")
    assert (outcome.code, outcome.err) == (0, "lossctl: settings from lossctl.toml\n")
    assert "0.333*" in outcome.out
    assert lossctl("eval", "-f", "value", "-q").values == [1 / 3, 1.0]
    assert lossctl("eval", "-q", "-f", "json").json["results"][0]["stderr"] is None
    again = lossctl("eval", "-l", "mse", "-p", "a", "--ci", "0.9", "-f", "json").json["results"]
    assert [(cell["model"], cell["loss"], cell["ci_level"]) for cell in again] == [("a", "mse", 0.9)]
    bare = lossctl("eval", "--no-config")
    assert (bare.code, bare.out) == (2, "")
    assert "no FILE is given" in bare.err


def test_eval_in_a_folder_below(lossctl: Lossctl, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "pyproject.toml").write_text('[tool.lossctl]\nfiles = "p.csv"\ntarget = "y"\npred = "a"\n')
    (project / "inner").mkdir()
    monkeypatch.chdir(project / "inner")
    monkeypatch.setenv("LOSSCTL_LOSS", "mse mae")
    outcome = lossctl("eval", "-f", "jsonl")
    assert outcome.err.startswith("lossctl: settings from ../pyproject.toml, LOSSCTL_LOSS\n")
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert lines[0]["path"] == "../p.csv"
    assert [line["value"] for line in lines[1:]] == [1 / 3, 1 / 3]


def test_eval_refuses_a_wrong_file_before_it_writes(lossctl: Lossctl, project: Path) -> None:
    (project / "lossctl.toml").write_text("min-slice = 'x'")
    outcome = lossctl("eval", "p.csv", "-t", "y", "-p", "a", "-o", "r.json")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("lossctl: error: lossctl.toml: min-slice")
    assert not (project / "r.json").exists()


def test_a_working_directory_that_is_gone(project: Path) -> None:
    gone = project / "gone"
    gone.mkdir()
    script = "import os, sys; os.rmdir(os.getcwd()); from lossctl.__main__ import run; sys.exit(run(sys.argv[1:]))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for extra, code, says in (([], 2, "working directory"), (["--no-config"], 0, "")):
        gone.mkdir(exist_ok=True)
        ended = subprocess.run(
            [sys.executable, "-c", script, "eval", str(project / "p.csv"), "-t", "y", "-p", "a", "-l", "mae", *extra],
            cwd=gone,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == code, ended.stderr
        assert says in ended.stderr
