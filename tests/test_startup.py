"""Starting is cheap: what a command does not need is not imported. Each case runs in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.deep

HEAVY = {"numpy", "pandas", "pyarrow", "pydantic", "rich"}


def loaded(*arguments: str) -> set[str]:
    """Return the modules that a command has imported when it ends."""
    script = (
        "import sys; from lossctl.__main__ import run; code = run(sys.argv[1:]); "
        "print('\\n#', *sorted(sys.modules)); sys.exit(code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(ended.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["eval", "--help"], ["losses", "list", "-h"]])
def test_help_needs_nothing_heavy(arguments: list[str]) -> None:
    assert not loaded(*arguments) & HEAVY


def test_importing_the_package_needs_nothing_heavy() -> None:
    script = "import sys, lossctl; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(ended.stdout.split()) & (HEAVY | {"typer"})


def test_listing_needs_no_reader() -> None:
    assert not loaded("losses", "list") & {"pandas", "pyarrow", "pydantic"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample_data/diabetes.csv", "-t", "progression", "-p", "linear"],
        ["sample_data/breast_cancer.csv", "-t", "diagnosis", "--positive-label", "malignant", "-p", "forest"],
        ["sample_data/wine.csv", "-t", "cultivar", "-p", "forest_*"],
        ["sample_data/digits.parquet", "-t", "digit", "-p", "mlp_*", "--activation", "softmax"],
        ["sample_data/diabetes.csv", "-t", "progression", "-p", "linear", "--by", "age_band", "--id", "row"],
    ],
)
def test_eval_needs_no_frames_nor_file_systems_nor_other_commands(arguments: list[str]) -> None:
    others = {"lossctl.cli.check", "lossctl.cli.compare", "lossctl.cli.losses", "lossctl.engine.paired"}
    assert not loaded("eval", *arguments) & {"pandas", "pyarrow.dataset", "pyarrow.fs", "ssl", "pydantic", *others}
