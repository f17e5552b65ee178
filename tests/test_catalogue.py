"""The catalogue: every name that was promised, and what it costs to add one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest

import lossctl as package
from lossctl import registry
from lossctl.core.batch import Batch, abs_residual, residual
from lossctl.core.domain import POSITIVE
from lossctl.losses.forms import regression
from lossctl.numerics.array import Array
from lossctl.output.catalogue import listing
from lossctl.output.text import Style
from lossctl.plugin import loss
from lossctl.testing import check
from tests.conftest import ROOT, Lossctl
from tests.test_reference import ROWS, Row, without_reference

NAMES = (ROOT / "tests" / "loss_names.txt").read_text("utf-8").split()
DIABETES = "sample_data/diabetes.csv"


def test_the_losses_are_those_of_the_list(lossctl: Lossctl) -> None:
    assert sorted(registry.losses()) == NAMES
    assert lossctl("losses", "list").out.splitlines()[-1].startswith(f"{len(NAMES)} losses;")


def test_the_list_is_a_page_of_names_by_family(lossctl: Lossctl) -> None:
    lines = lossctl("losses", "list").out.splitlines()
    assert len(lines) <= 70
    assert max(map(len, lines)) <= 80
    assert next(line for line in lines if line.startswith("boxes ")).split(None, 1)[1] == (
        "iou, iou_log, alpha_iou, giou, diou, ciou, eiou"
    )


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (["--family", "boxes"], ["iou", "iou_log", "alpha_iou", "giou", "diou", "ciou", "eiou"]),
        (["--task", "triplets"], ["triplet", "soft_triplet"]),
        (["--task", "boxes", "--search", "giou CONVERGES"], ["iou", "diou"]),
        (["--search", "smoothl1loss"], ["smooth_l1"]),  # what torch calls it
        (["--search", "auc"], ["roc_auc", "average_precision"]),  # not cauchy
        (["--search", "no such words"], []),
    ],
)
def test_the_list_has_the_losses_that_fit_all_conditions(
    conditions: list[str], expected: list[str], lossctl: Lossctl
) -> None:
    entries = lossctl("losses", "list", *conditions, "-f", "json").json["losses"]
    names = [entry["name"] for entry in entries]
    assert set(expected) == set(names)
    table = lossctl("losses", "list", *conditions).out
    for entry in entries:
        assert entry["name"] in table
        assert entry["summary"] in " ".join(table.split())
    assert all(len(line) <= 200 for line in table.splitlines())
    assert (table == "no loss fits; `lossctl losses list` has all\n") == (not expected)


@pytest.mark.parametrize(("option", "word", "hint"), [("--family", "mask", "masks"), ("--task", "binray", "binary")])
def test_a_family_or_task_that_is_none_is_refused(option: str, word: str, hint: str, lossctl: Lossctl) -> None:
    ended = lossctl("losses", "list", option, word)
    assert ended.code == 2
    assert f"{option} {word}: one of" in ended.err
    assert f"did you mean '{hint}'?" in ended.err


def _root_gradient(batch: Batch, *, offset: float) -> Array:
    return 0.5 * np.sign(residual(batch)) / np.sqrt(abs_residual(batch) + offset)


@loss(
    forms=(regression(),),
    gradient=_root_gradient,
    subgradient="0 at r = 0",
    formula="mean of √(|r| + offset) - √offset",
    unit="√target",
    aliases=("root_gap",),
    source="this test",
    use="To show what a loss costs.",
    avoid="Anything else.",
)
def root_error(batch: Batch, *, offset: Annotated[float, POSITIVE, "rounds the corner"] = 1.0) -> Array:
    """Root of the absolute error, rounded at zero."""
    size = abs_residual(batch)
    return size / (np.sqrt(size + offset) + np.sqrt(offset))


REFERENCE = Row(0, "root_error", {"target": [0.0, 0.0], "pred": [3.0, -8.0]}, 1.5, "by hand: (√4 - 1 + √9 - 1)/2")


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The declaration above stands in a module of the catalogue, as if it had been written there."""
    module = import_module("lossctl.losses.regression")
    monkeypatch.setattr(module, "root_error", root_error, raising=False)
    caches = (registry.declared, registry.spelled, registry.losses, registry.names)
    for cache in caches:
        cache.cache_clear()
    yield
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


@pytest.mark.usefixtures("declared")
def test_a_new_loss_costs_one_declaration_and_one_reference_row(
    lossctl: Lossctl, write: Callable[..., Path], tmp_path: Path
) -> None:
    assert without_reference(ROWS) == ["root_error"]
    assert without_reference((*ROWS, REFERENCE)) == []
    assert package.get("root_gap")(**REFERENCE.given) == pytest.approx(REFERENCE.expected, rel=1e-15)
    check(package.get("root_error"))

    shown = lossctl("losses", "list").out
    assert "root_error" in shown
    assert f"{len(NAMES) + 1} losses;" in shown
    text = lossctl("losses", "show", "root_error:offset=4").out
    for words in ("√(|r| + offset)", "offset = 4 (default 1)", "rounds the corner", "To show what a loss costs."):
        assert words in text
    assert "| `root_error` |" in listing(list(registry.losses().values()), "md", Style())

    options = [DIABETES, "-t", "progression", "-p", "linear", "-p", "forest", "-l", "root_error:offset=2"]
    assert "root_error:offset=2" in lossctl("eval", *options).out
    assert "root_error:offset=2|n:" in lossctl("eval", *options, "-f", "json").out
    assert json.loads(lossctl("compare", *options, "-f", "json").out)["comparisons"][0]["loss"] == "root_error:offset=2"
    assert lossctl("check", *options[:5], "--max", "root_error:offset=2=0.1").code == 1
    rows = tmp_path / "rows.csv"
    assert lossctl("eval", *options, "--rows-out", rows, "--with-grad").code == 0
    assert "linear.root_error:offset=2.grad.linear" in rows.read_text().splitlines()[0]
    refused = lossctl("eval", *options[:5], "-l", "root_eror")
    assert "did you mean 'root_error'?" in refused.err
    refused = lossctl("eval", *options[:5], "-l", "root_error:offset=0")
    assert "offset=0.0 is not allowed; it takes a number in (0, ∞)" in refused.err
