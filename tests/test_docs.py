"""What the documentation says is what happens: every command is run, every output is the real one."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lossctl.cli import (
    check as check_command,
    choose as choose_command,
    compare as compare_command,
    diff as diff_command,
    eval as eval_command,
    losses as losses_command,
    plot as plot_command,
    validate as validate_command,
)
from lossctl.cli.app import INTRO
from lossctl.registry import losses
from tests import transcript
from tests.conftest import ROOT, Lossctl
from tests.picture import picture

pytestmark = pytest.mark.deep

PAGES = sorted([ROOT / "README.md", *ROOT.glob("lossctl/*/README.md"), ROOT / ".github/CONTRIBUTING.md"])
LINK = re.compile(r"(?:\]\(|^\[[^\]]+\]: )([^)#\s]+)", re.MULTILINE)
HELPS = {
    "eval": eval_command.HELP,
    "compare": compare_command.HELP,
    "check": check_command.HELP,
    "validate": validate_command.HELP,
    "diff": diff_command.HELP,
    "losses list": losses_command.LIST_HELP,
    "losses show": losses_command.SHOW_HELP,
    "losses choose": choose_command.HELP,
    "intro": INTRO,
    **{f"plot {kind}": plot_command.help_of(kind) for kind in plot_command.KINDS},
}


def examples(text: str) -> list[str]:
    verbs = "eval|compare|check|validate|diff|losses|plot"
    return re.findall(rf"^  (lossctl (?:{verbs}) .*[^ ])$", text, re.MULTILINE)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_shows_real_output(page: Path) -> None:
    text = page.read_text("utf-8")
    assert transcript.replay(text) == text, "run `make golden` and look at the difference"


def test_the_readme_shows_every_command() -> None:
    commands = " ".join(transcript.commands((ROOT / "README.md").read_text("utf-8")))
    for verb in ("eval", "compare", "check", "losses show"):
        assert f"lossctl {verb} " in commands


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files(page: Path) -> None:
    """The top page is shown by package indexes too, so its links are absolute; in rooms they are relative."""
    home = project()["urls"]["Homepage"]
    for link in LINK.findall(page.read_text("utf-8")):
        if page.parent == ROOT or link.startswith(home):
            place = re.fullmatch(rf"{home}/(?:blob|raw)/main/(.+)", link)
            assert place, f"{link} is no file of {home}"
            assert (ROOT / place[1]).exists(), link
        elif not link.startswith("https://"):
            assert (page.parent / link).exists(), link


def test_every_address_is_of_one_project() -> None:
    urls = project()["urls"]
    assert all(url.startswith(urls["Homepage"]) for url in urls.values())
    assert "OWNER" not in "".join(page.read_text("utf-8") for page in PAGES)


def test_the_picture_is_of_the_output() -> None:
    assert picture() == (ROOT / ".github/compare.svg").read_text("utf-8"), "run `make golden`"


@pytest.mark.parametrize("name", HELPS)
def test_examples_in_the_help_run(name: str) -> None:
    found = [command for command in examples(HELPS[name]) if "  " not in command]
    assert found
    with transcript.place() as folder:
        for model in ("main", "candidate") if any(".json" in command for command in found) else ():
            shown = "lossctl eval sample_data/diabetes.csv -t progression -p linear -l rmse"
            transcript.run(f"{shown} -o {model}.json", folder)
        for command in found:
            output = transcript.run(command, folder)
            assert output
            assert "[exit" not in output, f"{command}\n{output}"


def test_a_wrong_output_is_noticed() -> None:
    text = "```console\n$ lossctl -V\nlossctl 9\n```\n"
    assert transcript.replay(text) != text
    assert transcript.replay(transcript.replay(text)) == transcript.replay(text)


@pytest.mark.parametrize(
    "command",
    [
        ["eval"],
        ["compare"],
        ["check"],
        ["validate"],
        ["diff"],
        ["losses", "list"],
        ["losses", "show"],
        ["losses", "choose"],
        ["plot", "loss"],
        ["plot", "calibration"],
        ["plot", "slices"],
        ["plot", "history"],
    ],
)
def test_every_option_has_help_and_every_command_an_example(lossctl: Lossctl, command: list[str]) -> None:
    outcome = lossctl(*command, "-h")
    assert outcome.code == 0
    assert "Examples:" in outcome.out
    options = re.split(r"^(?:Input|Output):$", outcome.out, maxsplit=1, flags=re.MULTILINE)[1]
    assert "-h, --help" in options
    for line in re.findall(r"^  (-.*)$", options, re.MULTILINE):
        words = re.split(r"  +", line, maxsplit=1)
        assert len(words) == 2 or f"{line}\n                     " in options, f"no help: {line}"


def test_help_has_sections_as_wide_as_the_terminal(lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (60, 80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        text = lossctl("compare", "-h").out
        assert re.findall(r"^(\w+):$", text, re.MULTILINE) == ["Input", "Losses", "Statistics", "Output", "Run"]
        options = text.partition("\nInput:")[2]
        longest = max(map(len, options.splitlines()))
        assert longest <= columns
        assert longest > min(columns, 100) - 20


def test_each_command_is_said_in_a_line_of_a_narrow_terminal(lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert "..." not in lossctl("-h").out.partition("\nCommands:")[2]


def test_the_version_comes_with_those_that_the_bits_depend_on(lossctl: Lossctl) -> None:
    plain = lossctl("--version").out
    for arguments in (["-v", "--version"], ["--version", "-v"], ["-vV"]):
        text = lossctl(*arguments).out
        assert text.startswith(plain)
        assert [line.split()[0] for line in text.splitlines()] == [
            "lossctl",
            "Python",
            "numpy",
            "pyarrow",
            "pandas",
            "CPU",
        ]
    assert (lossctl("-v").code, lossctl("-v", "eval").code) == (2, 2)


def test_the_list_has_every_loss(lossctl: Lossctl) -> None:
    listing = lossctl("losses", "list").out
    catalogue = (ROOT / "lossctl/losses/README.md").read_text("utf-8")
    document = lossctl("losses", "list", "-f", "json").json
    names = [entry["name"] for entry in document["losses"]]
    assert names == list(losses())
    for name in names:
        assert re.search(rf"\b{name}\b", listing)
        assert f"| `{name}` |" in catalogue


@pytest.mark.parametrize("name", losses())
def test_show_tells_everything(lossctl: Lossctl, name: str) -> None:
    loss = losses()[name]
    text = " ".join(lossctl("losses", "show", name).out.split())
    unit = f"a pure number{loss.unit[1:]}" if loss.unit.startswith("1") else f"in {loss.unit}"
    peers = [peer.name for peer in loss.elsewhere]
    for part in (loss.summary, loss.formula, loss.use, loss.avoid, loss.source, unit, *peers):
        assert " ".join(part.split()) in text
    for param in loss.params:
        assert param.help in text
        assert str(param.domain or "true or false") in text
    facts = lossctl("losses", "show", name, "-f", "json").json
    assert facts["name"] == name
    assert facts["gradient"] == (loss.gradient is not None)


def test_show_takes_parameters_and_refuses_unknown_losses(lossctl: Lossctl) -> None:
    assert lossctl("losses", "show", "Huber:Delta=2").out.startswith("huber:delta=2\n")
    refused = lossctl("losses", "show", "hubber")
    assert (refused.code, refused.out) == (2, "")
    assert "did you mean 'huber'" in refused.err


def test_the_shipped_schema_is_a_schema_and_fits(lossctl: Lossctl) -> None:
    schema = json.loads((ROOT / "lossctl/output/report.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    base = ["eval", "sample_data/diabetes.csv", "-t", "progression", "-f", "json"]
    for extra in (
        ["-p", "linear", "-p", "forest"],
        ["-p", "linear", "--by", "age_band", "-w", "row"],
        ["-p", "linear", "-l", "median_absolute_error", "-l", "max_error", "--no-ci"],
        ["-p", "linear", "-l", "mse", "--reduction", "sum", "--ci", "0.9"],
    ):
        document = lossctl(*base, *extra).json
        check.validate(document)
    fields = [*schema["properties"], *schema["$defs"]["result"]["properties"]]
    assert {*document, *document["results"][0]} <= set(fields), "a field is not described"
    broken = {**document, "results": [{**document["results"][0], "value": None}]}
    assert not check.is_valid(broken)


def named(page: Path) -> list[tuple[str, str]]:
    """Return what a page names of the code: modules, each with the dotted attributes behind it."""
    rooms = "|".join(folder.name for folder in (ROOT / "lossctl").iterdir() if folder.is_dir())
    names = re.findall(rf"`(?:lossctl\.)?((?:{rooms})\.[a-z_]+|registry)((?:\.\w+)+)[`(]", page.read_text("utf-8"))
    return [(module, attributes) for module, attributes in names if attributes != ".py"]


def test_the_walks_name_functions() -> None:
    assert len(named(ROOT / ".github/CONTRIBUTING.md")) > 20


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_names_is_there(page: Path) -> None:
    for module, attributes in named(page):
        assert attrgetter(attributes[1:])(import_module(f"lossctl.{module}")), f"{module}{attributes}"
    files = re.findall(r"`((?:[a-z]+/)?[a-z_]+\.py)`", page.read_text("utf-8"))
    for name in {*files} - {"lossctl_stock.py"}:  # which a reader writes
        folders = (page.parent, ROOT, ROOT / "lossctl", ROOT / "tests")
        assert any((folder / name).exists() for folder in folders), name
