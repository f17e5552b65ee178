"""The steps that the README shows for CI systems, run as the shell scripts they are, and one gate from end to end."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from lossctl import __version__
from lossctl.io.open import BINARY_SUFFIXES, JSON_SUFFIXES
from lossctl.io.select import OUTPUT_SUFFIXES
from tests.conftest import ROOT
from tests.transcript import environment
from tests.warm import forked

pytestmark = pytest.mark.deep

README = (ROOT / "lossctl/gate/README.md").read_text("utf-8")
ACTION = (ROOT / ".github/actions/check/action.yml").read_text("utf-8")
HOOK = (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")
INSTALL = re.compile(r"^(pip|python3 -m pip) install .*\n?", re.MULTILINE)  # lossctl is installed where tests run


def fenced(language: str, marker: str) -> str:
    """Return the one code block of a language that holds a marker."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    (found,) = (block for block in blocks if marker in block)
    return str(found)


def block_scalars(text: str, key: str) -> list[str]:
    """Return the scripts that YAML holds as `key: |`, or on one line."""
    found = []
    for match in re.finditer(rf"^( *)(?:- )?{key}: (.*)\n", text, re.MULTILINE):
        if match[2] == "|":
            rest = text[match.end() :]
            lines = re.match(rf"(?:(?:{match[1]}  +.*)?\n)+", rest)
            assert lines is not None
            found.append(textwrap.dedent(lines[0]))
        else:
            found.append(match[2] + "\n")
    return found


def shell(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a CI system runs a step."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", INSTALL.sub("", script)],
        cwd=folder,
        env=environment() | {"GITHUB_STEP_SUMMARY": str(folder / "summary.md")} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with predictions, the baseline of the linear model, and an old summary."""
    shutil.copy(ROOT / "sample_data/diabetes.csv", tmp_path / "predictions.csv")
    (tmp_path / "summary.md").write_text("# before\n")
    words = "check predictions.csv -t progression -p linear -l rmse --save-baseline main.json"
    ended = forked("-m", "lossctl", *words.split(), cwd=tmp_path, environment=environment())
    assert ended.code == 0, ended.err
    return tmp_path


def test_the_github_step_of_the_readme(project: Path) -> None:
    (script,) = (text for text in block_scalars(fenced("yaml", "runs-on"), "run") if "lossctl check" in text)
    step = shell(script, project)
    assert step.returncode == 0, step.stderr
    assert step.stdout.startswith("::notice")
    assert (project / "summary.md").read_text().startswith("# before\n")
    assert "rmse" in (project / "summary.md").read_text()
    assert ET.parse(project / "lossctl.xml").getroot().tag == "testsuites"
    strict = shell(script.replace("rmse=5%", "rmse=2%"), project)
    assert strict.returncode == 1
    assert strict.stdout.startswith("::error ")


def test_the_gitlab_step_of_the_readme(project: Path) -> None:
    lines = re.findall(r"^    - (.*)$", fenced("yaml", "artifacts"), re.MULTILINE)
    script = "".join(f"{line}\n" for line in lines)
    assert shell(script, project).returncode == 0
    assert ET.parse(project / "lossctl.xml").getroot().tag == "testsuites"
    assert shell(script.replace("rmse=5%", "rmse=2%"), project).returncode == 1


def test_the_make_rule_of_the_readme(project: Path) -> None:
    (project / "Makefile").write_text(fenced("make", "gate:"))
    assert shell("make --silent gate", project).returncode == 0
    (project / "Makefile").write_text(fenced("make", "gate:").replace("rmse=5%", "rmse=2%"))
    assert shell("make --silent gate", project).returncode == 2


def test_the_configuration_of_the_readme(project: Path) -> None:
    (project / "lossctl.toml").write_text(fenced("toml", "[[check]]"))
    refused = shell("lossctl check", project)
    assert refused.returncode == 4, "the baseline has neither slices nor the other losses"
    made = shell(
        "lossctl check predictions.csv --no-config -t progression -p linear -l rmse -l mae -l p90=quantile:q=0.9 "
        "--by age_band --save-baseline main.json",
        project,
    )
    assert made.returncode == 0, made.stderr
    judged = shell("lossctl check -f json", project)
    checks = json.loads(judged.stdout)["checks"]
    assert {check["loss"] for check in checks} == {"rmse", "p90"}
    assert {check["level"] for check in checks if check["loss"] == "p90"} == {"warn"}
    assert judged.returncode == (1 if any(check["status"] == "fail" for check in checks) else 0)


def test_the_action(project: Path) -> None:
    install, script = block_scalars(ACTION, "run")
    assert install == 'python3 -m pip install --quiet "$GITHUB_ACTION_PATH/../../.."\n'
    assert (ROOT / ".github/actions/check/../../../pyproject.toml").is_file()
    arguments = "predictions.csv\n-t\nprogression\n\n-p\nforest\n--max=rmse=60\n"
    step = shell(script, project, ACTION_ARGUMENTS=arguments, ACTION_JUNIT="out.xml")
    assert step.returncode == 0, step.stderr
    assert "rmse" in (project / "summary.md").read_text()
    assert (project / "out.xml").is_file()
    odd = shell(
        script, project, ACTION_ARGUMENTS="$(touch hacked)\n; touch hacked\n--max=rmse=1\n", ACTION_JUNIT="o.xml"
    )
    assert odd.returncode == 3
    assert not (project / "hacked").exists()
    for name in re.findall(r"inputs\.(\w+)", ACTION):
        assert f"\n  {name}:\n" in ACTION, "an input that is used is declared"


def test_the_hook_runs_what_it_says(project: Path) -> None:
    entry = re.search(r"entry: (.*)", HOOK)
    assert entry is not None
    assert "pass_filenames: false" in HOOK
    assert shell(entry[1], project).returncode == 2, "without files and rules there is nothing to check"
    (project / "lossctl.toml").write_text(
        'files = "predictions.csv"\ntarget = "progression"\npred = ["linear"]\n[[check]]\nloss = "rmse"\nmax = 55\n'
    )
    assert shell(entry[1], project).returncode == 0
    pattern = re.search(r"files: (.*)", HOOK)
    assert pattern is not None
    for suffix in {
        *OUTPUT_SUFFIXES,
        *JSON_SUFFIXES,
        *(kind[0] for kind in BINARY_SUFFIXES),
        ".csv.gz",
        ".toml",
        ".CSV",
        ".gz",
        "",
    }:
        assert re.search(pattern[1], f"runs/a{suffix}"), suffix
    assert re.search(pattern[1], "pyproject.toml")
    assert not re.search(pattern[1], "train.py")


def test_a_worse_model_is_stopped_until_it_is_accepted(project: Path) -> None:
    """Model B is worse than A: stopped with the reason; new predictions on the same data are judged by the baseline."""
    gate = "lossctl check {file} -t progression -p {model} --baseline main.json --max-regression rmse=2%"
    outputs = " -o junit:report.xml -o md:report.md"
    assert shell(gate.format(file="predictions.csv", model="linear") + outputs, project).returncode == 0

    stopped = shell(gate.format(file="predictions.csv", model="forest") + outputs, project)
    assert stopped.returncode == 1
    assert "FAIL" in stopped.stdout
    assert re.search(
        r"\| \*\*fail\*\* \| rmse max-regression 2% \| 55\.2\d+ \| 54\.1\d+ \|", (project / "report.md").read_text()
    )
    suite = ET.parse(project / "report.xml").getroot()
    failures = suite.findall(".//failure")
    assert len(failures) == 1
    assert "2.15" in (failures[0].get("message") or "")

    rows = (project / "predictions.csv").read_text().splitlines()
    header = rows[0].split(",")
    linear = header.index("linear")
    improved = [rows[0]]
    for line in rows[1:]:
        cells = line.split(",")
        truth = float(cells[header.index("progression")])
        cells[linear] = repr(0.9 * float(cells[linear]) + 0.1 * truth)
        improved.append(",".join(cells))
    (project / "new.csv").write_text("\n".join(improved) + "\n")
    better = shell(gate.format(file="new.csv", model="linear") + " -f json", project)
    assert better.returncode == 0, better.stderr
    assert json.loads(better.stdout)["checks"][0]["change"] < 0

    accept = next(line for line in stopped.stdout.splitlines() if line.startswith("accept: "))
    accepted = shell(accept.removeprefix("accept: "), project)
    assert accepted.returncode == 0, accepted.stderr
    again = shell(gate.format(file="predictions.csv", model="forest"), project)
    assert again.returncode == 0
    saved = json.loads((project / "main.json").read_text())
    assert saved["tool"]["version"] == __version__
    assert [result["model"] for result in saved["results"]] == ["forest"]
