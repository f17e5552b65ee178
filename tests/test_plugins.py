"""Plug-ins: a sample package really installed, the README's one too, and everything that may be wrong with one.

Whatever concerns a plug-in runs in a process of its own, where it is found as any installed package is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import lossctl as package
from lossctl.errors import ExitCode
from lossctl.plugins import aside
from tests.conftest import ROOT
from tests.warm import Ended, forked, once

pytestmark = pytest.mark.deep

SAMPLE = ROOT / "tests" / "plugin"
DATA = ("sample_data/diabetes.csv", "-t", "progression", "-p", "linear", "-p", "forest")
README = (ROOT / "lossctl/losses/README.md").read_text("utf-8")


def plain(path: Path | str, environment: dict[str, str]) -> dict[str, str]:
    """The variables of a process that finds a folder of installed packages."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("LOSSCTL_")}
    return kept | {"PYTHONPATH": str(path), **environment}


def started(path: Path | str, *arguments: str, cwd: Path = ROOT, **environment: str) -> Ended:
    """Start this interpreter, with a folder of installed packages."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=plain(path, environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def python(path: Path | str, *arguments: str, cwd: Path = ROOT, **environment: str) -> Ended:
    """Run what this interpreter would, where what lossctl imports is there already."""
    return forked(*arguments, cwd=cwd, environment=plain(path, environment))


def lossctl(path: Path | str, *arguments: str, cwd: Path = ROOT, **environment: str) -> Ended:
    return python(path, "-m", "lossctl", *arguments, cwd=cwd, **environment)


def installed(source: Path, target: Path) -> Path:
    """Install a package as a user would, without asking an index."""
    options = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet")
    ended = started("", "-m", "pip", "install", *options, "--target", str(target), str(source))
    assert ended.code == 0, ended.err
    return target


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample plug-in, installed."""

    def make(folder: Path) -> None:
        shutil.copytree(SAMPLE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
        installed(folder / "source", folder / "installed")

    return once(tmp_path_factory, "sample", make) / "installed"


# what a plug-in's losses can do ------------------------------------------------------------------------------


def test_it_is_listed_with_its_origin(sample: Path) -> None:
    names = ["stock_cost", "root_stock_cost", "kept_error", "hit_rate"]
    table = started(sample, "-m", "lossctl", "losses", "list")
    assert (table.code, table.err) == (0, "")
    assert re.search(rf"^lossctl-sample 1\.2\.0 +{', '.join(names)}$", table.out, re.MULTILINE)
    family = started(sample, "-m", "lossctl", "losses", "list", "--family", "lossctl-sample 1.2.0")
    assert re.search(r"^lossctl-sample 1\.2\.0 +stock_cost +under=3, over=1 ", family.out, re.MULTILINE)
    entries = json.loads(lossctl(sample, "losses", "list", "-f", "json").out)["losses"]
    plugged = [entry for entry in entries if entry["plugin"] is not None]
    assert [entry["name"] for entry in plugged] == names
    assert {(entry["plugin"], entry["family"]) for entry in plugged} == {("lossctl-sample 1.2.0", "lossctl-sample")}
    assert f"{len(entries)} losses;" in table.out
    lines = lossctl(sample, "losses", "list", "-f", "md").out.splitlines()
    assert [line for line in lines if "| `hit_rate` |" in line and line.endswith("| max | lossctl-sample 1.2.0 |")]


def test_it_is_shown(sample: Path) -> None:
    shown = lossctl(sample, "losses", "show", "newsboy-cost:under=2")
    assert shown.code == 0
    assert shown.out.startswith("stock_cost:under=2\nCost of what is missing and of what is left over.\n")
    assert "\nplug-in     lossctl-sample 1.2.0\n" in shown.out
    assert "\nstock_cost:under=2 against the error\n" in shown.out


def test_it_is_evaluated_and_the_report_says_whose_it_is(sample: Path) -> None:
    specs = ("-l", "stock_cost:under=1", "-l", "mae", "-l", "big=root_stock_cost", "-l", "kept_error", "-l", "hit_rate")
    ended = lossctl(sample, "eval", *DATA, *specs, "-f", "json")
    assert (ended.code, ended.err) == (0, "")
    document = json.loads(ended.out)
    jsonschema.validate(document, json.loads((ROOT / "lossctl/output/report.schema.json").read_text("utf-8")))
    assert document["tool"]["plugins"] == [{"name": "lossctl-sample", "version": "1.2.0"}]
    cells = {(cell["model"], cell["loss"]): cell for cell in document["results"]}
    for model in ("linear", "forest"):
        mae = cells[model, "mae"]
        for name in ("stock_cost:under=1", "kept_error"):
            assert cells[model, name]["value"] == pytest.approx(mae["value"], rel=1e-14)
        assert cells[model, "stock_cost:under=1"]["stderr"] == pytest.approx(mae["stderr"], rel=1e-12)
        assert cells[model, "stock_cost:under=1"]["signature"].startswith("stock_cost:under=1,over=1|n:148|")
        assert cells[model, "stock_cost:under=1"]["signature"].endswith("|plugin:lossctl-sample 1.2.0")
        assert "plugin" not in mae["signature"]
        assert cells[model, "big"]["ci_method"] is not None
    assert sum(cell["best"] for cell in document["results"]) == 5


def test_a_report_without_plugins_names_none() -> None:
    ended = lossctl("", "eval", *DATA, "-l", "mae", "-f", "json")
    assert json.loads(ended.out)["tool"]["plugins"] == []


def test_it_is_compared_and_judged(sample: Path, tmp_path: Path) -> None:
    compared = lossctl(sample, "compare", *DATA, "-l", "stock_cost", "--by", "age_band", "--worst", "2", "-f", "json")
    assert compared.code == 0, compared.err
    document = json.loads(compared.out)
    assert document["comparisons"][0]["spec"] == "stock_cost"
    assert len(document["comparisons"]) == 3
    assert len(document["worst"]) == 2
    report = tmp_path / "base.json"
    base = DATA[:5]
    assert lossctl(sample, "eval", *base, "-l", "stock_cost", "-f", "json", "-o", str(report)).code == 0
    held = ("check", *base, "--baseline", str(report), "--max-regression", "stock_cost=0", "--max", "stock_cost=89")
    assert lossctl(sample, *held).code == ExitCode.OK
    assert lossctl(sample, "check", *base, "--max", "stock_cost=88").code == ExitCode.GATE
    assert lossctl(sample, "check", str(report), "--max", "stock_cost=88").code == ExitCode.GATE


def test_its_row_values_are_written(sample: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    ended = lossctl(sample, "eval", *DATA[:5], "-l", "stock_cost", "--rows-out", str(path))
    assert ended.code == 0, ended.err
    lines = path.read_text().splitlines()
    assert (lines[0], len(lines)) == ('"row","linear.stock_cost"', 149)


def test_python_has_it_too(sample: Path) -> None:
    script = (
        "import lossctl, json\n"
        "cost = lossctl.get('stock_cost:over=2')\n"
        "data = dict(target=[0.0, 0.0, 0.0], pred=[-1.0, 0.0, 4.0])\n"
        "print(json.dumps([cost(**data), cost.each(**data).tolist(), cost.grad(**data).tolist(), cost.origin]))\n"
    )
    ended = python(sample, "-c", script)
    assert json.loads(ended.out) == [11 / 3, [3.0, 0.0, 8.0], [-3.0, 0.0, 2.0], "lossctl-sample 1.2.0"], ended.err


def test_the_conformance_suite_takes_it(sample: Path) -> None:
    script = (
        "import lossctl, sys\nfrom lossctl.testing import check\nfor name in sys.argv[1:]: check(lossctl.get(name))"
    )
    ended = python(sample, "-c", script, "stock_cost", "root_stock_cost", "kept_error", "hit_rate")
    assert (ended.code, ended.out) == (0, ""), ended.err


def test_a_near_miss_is_told(sample: Path) -> None:
    ended = lossctl(sample, "eval", *DATA, "-l", "stok_cost")
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert "unknown loss 'stok_cost' (did you mean 'stock_cost'?)" in ended.err


def test_built_in_names_load_no_plugin(sample: Path) -> None:
    script = (
        "import sys; from lossctl.__main__ import run; code = run(sys.argv[1:]); "
        "print(sorted({'lossctl.plugins', 'lossctl_sample'} & set(sys.modules))); sys.exit(code)"
    )
    for arguments, loaded in (
        (["eval", *DATA, "-l", "mae", "-l", "p90=quantile:q=0.9", "-q"], "[]"),
        (["losses", "show", "huber"], "[]"),
        (["--help"], "[]"),
        (["losses", "show", "stock_cost"], "['lossctl.plugins', 'lossctl_sample']"),
    ):
        ended = python(sample, "-c", script, *arguments)
        assert ended.out.splitlines()[-1] == loaded, (arguments, ended.err)


# which plug-ins may be loaded --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "names"),
    [
        ("", []),
        (" ,", []),
        ("sample", ["stock_cost", "root_stock_cost", "kept_error"]),
        ("single", ["hit_rate"]),
        ("LOSSCTL.Sample", ["stock_cost", "root_stock_cost", "kept_error", "hit_rate"]),
        ("single, sample", ["stock_cost", "root_stock_cost", "kept_error", "hit_rate"]),
    ],
)
def test_the_environment_says_which(sample: Path, allowed: str, names: list[str]) -> None:
    ended = lossctl(sample, "losses", "list", "-f", "json", LOSSCTL_PLUGINS=allowed)
    assert (ended.code, ended.err) == (0, "")
    assert [entry["name"] for entry in json.loads(ended.out)["losses"] if entry["plugin"]] == names
    shown = lossctl(sample, "losses", "show", "stock_cost", LOSSCTL_PLUGINS=allowed)
    assert shown.code == (ExitCode.OK if "stock_cost" in names else ExitCode.USAGE)


def test_a_name_that_is_no_plugin_is_told(sample: Path) -> None:
    ended = lossctl(sample, "losses", "list", LOSSCTL_PLUGINS="sample,smaple")
    assert (ended.code, len(ended.lines)) == (0, 1)
    assert "LOSSCTL_PLUGINS: 'smaple' is no installed plug-in; installed: lossctl-sample" in ended.err


def test_the_variable_is_taken_for_no_option(sample: Path) -> None:
    assert lossctl(sample, "eval", *DATA, "-l", "mae", LOSSCTL_PLUGINS="").err == ""


def test_what_lies_in_the_working_directory_is_not_installed(tmp_path: Path) -> None:
    write_plugin(tmp_path, "evil", "raise SystemExit('loaded')")
    for arguments in (["losses", "list"], ["losses", "show", "evil_loss"]):
        ended = started("", "-m", "lossctl", *arguments, cwd=tmp_path)
        assert "evil" not in ended.out + ended.err.replace("'evil_loss'", "")
        assert "evil" in lossctl(tmp_path, *arguments).err  # as it does where it is on the path


# what may be wrong with one ----------------------------------------------------------------------------------

HEAD = """
import numpy as np
from lossctl.plugin import *
FACTS = dict(forms=(regression(),), formula="f", unit="1", source="s", use="u", avoid="a")
"""
GOOD = """
@loss(**FACTS)
def good(batch: Batch) -> Array:
    "A sound loss."
    return abs_residual(batch)
"""


def write_plugin(folder: Path, name: str, code: str, version: str = "1.0", value: str = "") -> Path:
    """Write an installed package by hand: a module, and the metadata that names it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}_module.py").write_text(code)
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[lossctl.losses]\n{name} = {value or f'{name}_module'}\n")
    return folder


BROKEN = {
    "import error": ("import nowhere_at_all", "", "No module named 'nowhere_at_all' (bad_module.py, line 1)"),
    "syntax error": ("def (:", "", "SyntaxError: invalid syntax"),
    "raises": (
        "x = 1\nraise RuntimeError('no\\n\\x1b[31mway')",
        "",
        "RuntimeError: no \\x1b[31mway (bad_module.py, line 2)",
    ),
    "ends": ("import sys\nsys.exit(0)", "", "it calls sys.exit (bad_module.py, line 2)"),
    "prints": (HEAD + GOOD + "print('hello', 'world')", "", "it prints 'hello world' to standard output"),
    "no losses": ("x = 1", "", "bad_module declares no loss"),
    "only those of lossctl": (
        "import lossctl\nfrom lossctl.losses.regression import mse\nmae = lossctl.get('mae')",
        "",
        "bad_module declares no loss",
    ),
    "no module": (HEAD, "bad_module:FACTS", "the entry point names a dict; a module of losses, or one loss, is due"),
    "no attribute": (HEAD, "bad_module:nothing", "AttributeError"),
    "no value": (HEAD, "not a module!", "cannot be used"),
    "a fact is missing": (HEAD + GOOD.replace("**FACTS", "forms=()"), "", "missing 5 required positional arguments"),
    "an unknown fact": (
        HEAD + GOOD.replace("**FACTS", "**FACTS, colour=1"),
        "",
        "unexpected keyword argument 'colour'",
    ),
    "a bad name": (HEAD + GOOD.replace("good", "Good"), "", "loss 'Good': a name is a small letter and then"),
    "a bad alias": (HEAD + GOOD.replace("**FACTS", "**FACTS, aliases='ok'"), "", "aliases is 'ok', and a tuple"),
    "a bad direction": (HEAD + GOOD.replace("**FACTS", "**FACTS, direction='low'"), "", "direction is 'low'; min, max"),
    "no text": (
        HEAD + GOOD.replace("**FACTS", "**(FACTS | {'use': 3})"),
        "",
        "loss 'good': use is 3, and a text is due",
    ),
    "no forms": (HEAD + GOOD.replace("**FACTS", "**(FACTS | {'forms': ()})"), "", "forms is (), and a tuple of forms"),
    "a parameter without a domain": (
        HEAD + GOOD.replace("batch: Batch", "batch: Batch, *, a: float = 1.0"),
        "",
        "(bad_module.py, line 6)",
    ),
    "all names nothing": (HEAD + GOOD + "__all__ = ['gone']", "", "has no attribute 'gone'"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_one_clear_line(tmp_path: Path, kind: str) -> None:
    code, value, says = BROKEN[kind]
    write_plugin(tmp_path, "bad", code, "2.1", value)
    write_plugin(tmp_path, "fine", HEAD + GOOD.replace("good", "fine_one"))
    listed = lossctl(tmp_path, "losses", "list", "-f", "json")
    assert listed.code == 0
    assert len(listed.lines) == 1
    assert "plug-in bad (bad 2.1) cannot be used" in listed.err
    assert says in listed.err
    entries = {entry["name"]: entry["plugin"] for entry in json.loads(listed.out)["losses"]}
    assert entries["mse"] is None
    assert entries["fine_one"] == "fine 1.0"
    assert "good" not in entries
    asked = lossctl(tmp_path, "eval", *DATA, "-l", "good", "-f", "json")
    assert (asked.code, asked.out, len(asked.lines)) == (ExitCode.USAGE, "", 1)
    assert "unknown loss 'good'" in asked.err
    assert says in asked.err
    assert lossctl(tmp_path, "eval", *DATA, "-l", "fine_one", "-f", "value").code == 0


@pytest.mark.parametrize("noise", ["import os; os.write(1, b'noise')", "import sys; sys.__stdout__.write('noise')"])
def test_noise_past_python_stays_out_of_the_results(tmp_path: Path, noise: str) -> None:
    write_plugin(tmp_path, "loud", HEAD + GOOD + noise)
    ended = lossctl(tmp_path, "eval", *DATA, "-l", "good", "-f", "json")
    assert ended.code == 0, ended.err
    assert "noise" in ended.err
    assert len(json.loads(ended.out)["results"]) == 2


def test_a_damaged_list_of_entry_points(tmp_path: Path) -> None:
    write_plugin(tmp_path, "torn", HEAD)
    (tmp_path / "torn-1.0.dist-info" / "entry_points.txt").write_text("[lossctl.losses]\nno value here\n")
    ended = lossctl(tmp_path, "losses", "list")
    assert (ended.code, len(ended.lines)) == (0, 1)
    assert "(torn 1.0) cannot be used" in ended.err


def test_a_package_without_a_name(tmp_path: Path) -> None:
    write_plugin(tmp_path, "nameless", "raise ValueError('bad')")
    (tmp_path / "nameless-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\n")
    ended = lossctl(tmp_path, "losses", "list")
    assert (ended.code, len(ended.lines)) == (0, 1)
    assert "plug-in nameless (? ?) cannot be used: ValueError: bad" in ended.err


def test_of_two_versions_the_first_on_the_path_counts(tmp_path: Path) -> None:
    first = write_plugin(tmp_path / "first", "twice", HEAD + GOOD, "2.0")
    second = write_plugin(tmp_path / "second", "twice", HEAD + GOOD, "1.0")
    for path, version in (((first, second), "2.0"), ((second, first), "1.0")):
        ended = lossctl(os.pathsep.join(map(str, path)), "losses", "list", "-f", "json")
        plugged = [entry["plugin"] for entry in json.loads(ended.out)["losses"] if entry["plugin"]]
        assert (plugged, ended.err) == ([f"twice {version}"], "")


def test_what_a_module_imports_is_not_its_own(tmp_path: Path) -> None:
    write_plugin(tmp_path, "one", HEAD + GOOD)
    derived = "other = good.then('other', ROOT)\n"
    write_plugin(tmp_path, "two", HEAD + "from one_module import good\n" + derived + "__all__ = ['other']\n")
    entries = json.loads(lossctl(tmp_path, "losses", "list", "-f", "json").out)["losses"]
    plugged = {entry["name"]: entry["plugin"] for entry in entries if entry["plugin"]}
    assert plugged == {"good": "one 1.0", "other": "two 1.0"}


# names that several claim ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mse", "l2", "alias"])
def test_a_built_in_name_is_not_taken(tmp_path: Path, name: str) -> None:
    aliases = [alias for loss in package_losses() for alias in loss.aliases]
    taken = aliases[0] if name == "alias" else name
    code = GOOD.replace("**FACTS", f"**FACTS, aliases=({taken!r},)") if name == "alias" else GOOD.replace("good", name)
    write_plugin(tmp_path, "thief", HEAD + code + GOOD.replace("good", "rest"), "3.0")
    listed = lossctl(tmp_path, "losses", "list", "-f", "json")
    assert (listed.code, len(listed.lines)) == (0, 1)
    assert f"{taken!r} is a name of " in listed.err
    assert f"of lossctl {package.__version__} and of " in listed.err
    assert "of plug-in thief (thief 3.0); the built-in loss stays" in listed.err
    entries = [entry["name"] for entry in json.loads(listed.out)["losses"] if entry["plugin"]]
    assert entries == ["rest"]
    value = lossctl(tmp_path, "eval", *DATA, "-l", taken, "-f", "value")
    assert value.out == lossctl("", "eval", *DATA, "-l", taken, "-f", "value").out


def package_losses():
    from lossctl import registry

    return registry.losses().values()


def test_two_plugins_with_one_name(tmp_path: Path) -> None:
    write_plugin(tmp_path, "left", HEAD + GOOD + GOOD.replace("good", "left_only"), "1.0")
    renamed = GOOD.replace("good", "better").replace("**FACTS", "**FACTS, aliases=('good',)")
    write_plugin(tmp_path, "right", HEAD + renamed, "2.0")
    says = "'good' is a name of good of plug-in left (left 1.0) and of better of plug-in right (right 2.0)"
    listed = lossctl(tmp_path, "losses", "list", "-f", "json")
    assert (listed.code, len(listed.lines)) == (0, 1)
    assert says in listed.err
    assert [entry["name"] for entry in json.loads(listed.out)["losses"] if entry["plugin"]] == ["left_only"]
    for name in ("good", "GOOD", "better"):
        ended = lossctl(tmp_path, "losses", "show", name)
        assert (ended.code, ended.out, len(ended.lines)) == (ExitCode.USAGE, "", 1)
        assert says in ended.err
    assert lossctl(tmp_path, "losses", "show", "left_only").code == 0
    assert lossctl(tmp_path, "losses", "show", "good", LOSSCTL_PLUGINS="left").code == 0
    assert lossctl(tmp_path, "losses", "show", "good", LOSSCTL_PLUGINS="right").out.startswith("better\n")


# what may go wrong while it works ----------------------------------------------------------------------------

AT_WORK = {
    "raises": ("raise KeyError('gone')", "KeyError: 'gone' (bad_module.py, line 9)"),
    "ends": ("import sys; sys.exit(3)", "it calls sys.exit (bad_module.py, line 9)"),
    "too few": ("return abs_residual(batch)[0, 1:]", "it gives the shape (147,) for 148 rows; (rows,) or"),
    "one number": ("return np.float64(1.0)", "it gives the shape () for 148 rows"),
    "turned": ("return abs_residual(batch).T", "it gives the shape (148, 1) for 148 rows"),
    "text": ("return np.full(batch.rows, 'a')", "real numbers are due"),
    "complex": ("return abs_residual(batch) + 1j", "it gives ndarray of complex128, and real numbers are due"),
    "nothing": ("return None", "it gives NoneType of object, and real numbers are due"),
    "writes into its data": (
        "batch.pred[0] = 1.0; return batch.pred",
        "ValueError: assignment destination is read-only",
    ),
}


@pytest.mark.parametrize("kind", AT_WORK)
def test_a_fault_at_work_is_one_line_and_a_code_of_its_own(tmp_path: Path, kind: str) -> None:
    body, says = AT_WORK[kind]
    write_plugin(tmp_path, "bad", HEAD + "\n" + GOOD.strip().replace("return abs_residual(batch)", body), "2.1")
    for command in ("eval", "compare"):
        ended = lossctl(tmp_path, command, *DATA, "-l", "mae", "-l", "good", "-f", "json", "--threads", "2")
        assert (ended.code, ended.out, len(ended.lines)) == (ExitCode.BUG, "", 1), ended.err
        assert ended.err.startswith("lossctl: error: loss good of plug-in bad (bad 2.1) fails: ")
        assert says in ended.err
    assert lossctl(tmp_path, "eval", *DATA, "-l", "mae", "-f", "value").code == 0
    debugged = lossctl(tmp_path, "eval", *DATA, "-l", "good", "--debug")
    assert "Traceback" in debugged.err


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (
            "gradient=lambda batch: np.zeros(7)",
            "its gradient by pred has the shape (7,); (columns, rows) = (1, ",
        ),
        ("gradient=lambda batch: {'left': 0.0}", "its gradient is by 'left'; the loss is a function of pred"),
        ("gradient=lambda batch: 1 / 0", "ZeroDivisionError: division by zero (bad_module.py, line "),
    ],
)
def test_a_faulty_gradient(tmp_path: Path, facts: str, says: str) -> None:
    write_plugin(tmp_path, "bad", HEAD + GOOD.replace("**FACTS", f"**FACTS, {facts}"))
    ended = lossctl(tmp_path, "losses", "show", "good")
    assert (ended.code, ended.out, len(ended.lines)) == (ExitCode.BUG, "", 1)
    assert says in ended.err
    assert lossctl(tmp_path, "eval", *DATA, "-l", "good").code == 0


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ("reading=Reading('r', lambda m: m[1], lambda m: (1.0,))", "IndexError"),
        (
            "reading=Reading('r', lambda m: [1.0, 2.0], lambda m: (1.0,))",
            "its reading gives the shape (2,) for means of ()",
        ),
        ("reading=Reading('r', lambda m: m[0], lambda m: (1.0, 2.0))", "its reading has 2 slopes for 1 means"),
        ("keeps='sample', whole=lambda ordered: ordered", "it gives the shape (2, 148), and one number is due"),
        ("keeps='sample', whole=lambda ordered: 'x'", "it gives str of <U1, and real numbers are due"),
    ],
)
def test_a_faulty_reading(tmp_path: Path, facts: str, says: str) -> None:
    declaration = f"good = combine('good', parts=(abs_residual,), summary='S.', doc='', {facts}, **FACTS)"
    write_plugin(tmp_path, "bad", HEAD + declaration.replace("regression()", "regression(one=True)"))
    ended = lossctl(tmp_path, "eval", *DATA, "-l", "good", "-f", "json")
    assert (ended.code, ended.out, len(ended.lines)) == (ExitCode.BUG, "", 1), ended.err
    assert "loss good of plug-in bad (bad 1.0) fails: " in ended.err
    assert says in ended.err


@pytest.mark.parametrize(
    "noise", ["print('noise')", "import os; os.write(1, b'noise')", "import os; os.system('echo noise')"]
)
def test_what_it_prints_at_work_is_no_result(tmp_path: Path, noise: str) -> None:
    body = f"{noise}; return abs_residual(batch)"
    write_plugin(tmp_path, "loud", HEAD + GOOD.replace("return abs_residual(batch)", body))
    ended = lossctl(tmp_path, "eval", *DATA, "-l", "good", "-f", "json", "--threads", "2")
    assert ended.code == 0
    assert "noise" in ended.err
    assert "noise" not in ended.out
    assert len(json.loads(ended.out)["results"]) == 2


def test_what_is_not_a_number_is_judged_as_any(tmp_path: Path) -> None:
    write_plugin(
        tmp_path, "bad", HEAD + GOOD.replace("return abs_residual(batch)", "return abs_residual(batch) * np.nan")
    )
    ended = lossctl(tmp_path, "eval", *DATA, "-l", "good", "-f", "json")
    assert ended.code == 0
    assert {(cell["value"], cell["status"]) for cell in json.loads(ended.out)["results"]} == {(None, "undefined")}
    assert lossctl(tmp_path, "check", *DATA, "--max", "good=1").code == ExitCode.GATE


def test_standard_output_comes_back_whatever_order_threads_leave_in() -> None:
    before = sys.stdout
    outer, inner = aside(), aside()
    outer.__enter__()
    inner.__enter__()
    assert sys.stdout is sys.stderr
    outer.__exit__(None, None, None)
    assert sys.stdout is sys.stderr
    inner.__exit__(None, None, None)
    assert sys.stdout is before


def test_parameters_that_change_a_loss_keep_its_guard(tmp_path: Path) -> None:
    code = HEAD + (
        "from typing import Annotated\n"
        "def broken(batch: Batch) -> Array:\n    raise KeyError('varied')\n"
        "@loss(variant=lambda args: {'parts': (broken,), 'row': broken} if args['bad'] else {}, **FACTS)\n"
        "def good(batch: Batch, *, bad: Annotated[bool, None, 'fail'] = False) -> Array:\n"
        "    'A loss of two kinds.'\n    return abs_residual(batch)\n"
    )
    write_plugin(tmp_path, "two", code)
    assert lossctl(tmp_path, "eval", *DATA, "-l", "good", "-f", "value").code == 0
    ended = lossctl(tmp_path, "eval", *DATA, "-l", "good:bad=true")
    assert (ended.code, len(ended.lines)) == (ExitCode.BUG, 1)
    assert "loss good of plug-in two (two 1.0) fails: KeyError: 'varied'" in ended.err


# what is public ----------------------------------------------------------------------------------------------


def test_what_authors_import_is_there() -> None:
    import lossctl.plugin as public

    assert all(hasattr(public, name) for name in public.__all__)
    names = {"loss", "combine", "Batch", "residual", "abs_residual", "flag", "sign", "derived", "regression"}
    assert names | {"MEAN", "ROOT", "RATIO", "Reading", "Form", "Curve", "REAL", "POSITIVE"} <= set(public.__all__)


def block(language: str) -> str:
    section = README.partition("\n## Add a loss\n")[2].partition("\n## ")[0]
    found = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    [text] = [text for text in found if not text.startswith(">>>")]
    return text


def test_the_example_of_the_readme_is_a_plugin(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "pyproject.toml").write_text(block("toml"))
    (source / "lossctl_stock.py").write_text(block("python"))
    path = installed(source, tmp_path / "installed")
    shown = lossctl(path, "losses", "show", "stock")
    assert (shown.code, shown.err) == (0, "")
    ended = lossctl(path, "eval", *DATA, "-l", "stock:under=1", "-l", "mae", "-f", "value")
    assert (ended.code, ended.err) == (0, "")
    values = np.array(ended.out.split(), dtype=float)
    assert sorted(values[:2]) == pytest.approx(sorted(values[2:])) or values[0::2] == pytest.approx(values[1::2])
    checked = python(path, "-c", "import lossctl; from lossctl.testing import check; check(lossctl.get('stock'))")
    assert (checked.code, checked.out) == (0, ""), checked.err
