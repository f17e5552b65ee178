"""`lossctl diff`: two saved reports side by side, and what makes them hard to compare."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossctl import evaluate
from lossctl.api.diff import diff
from lossctl.errors import DataError, UsageError
from tests.conftest import Lossctl, resealed
from tests.test_check import Pipe
from tests.test_ci_outputs import obeyed

Write = Callable[[str, str | bytes], Path]
ROWS = "y,a,b,g\n0,1,2,x\n0,-1,-2,x\n0,1,0,y\n4,3,4,y\n"


@pytest.fixture
def make(lossctl: Lossctl, write: Write) -> Callable[..., Path]:
    rows = write("rows.csv", ROWS)

    def made(name: str, *options: object) -> Path:
        path = rows.parent / f"{name}.json"
        assert lossctl("eval", rows, "-t", "y", *options, "-o", path, "-f", "value").code == 0
        return path

    return made


def changes(outcome: Any) -> dict[tuple[str, str, str], tuple[object, ...]]:
    return {
        (entry["model"], entry["loss"], ",".join(entry["slice"].values())): (
            entry["old"],
            entry["new"],
            entry["change"],
            entry["change_pct"],
            entry["became"],
        )
        for entry in outcome.json["changes"]
    }


def test_values_changes_and_directions(lossctl: Lossctl, make: Callable[..., Path]) -> None:
    losses = ("-l", "mae", "-l", "r2", "-l", "mbe", "--by", "g")
    old, new = make("old", "-p", "m=a", *losses), make("new", "-p", "m=b", *losses)
    outcome = lossctl("diff", old, new, "-f", "json")
    assert (outcome.code, outcome.err) == (0, "")
    found = changes(outcome)
    assert found["m", "mae", ""] == (1.0, 1.0, 0.0, 0.0, "same")
    assert found["m", "mae", "x"] == (1.0, 2.0, 1.0, 100.0, "worse")
    assert found["m", "mae", "y"] == (1.0, 0.0, -1.0, -100.0, "better")
    assert found["m", "r2", ""][-1] == "worse"
    assert found["m", "r2", "y"] == (0.75, 1.0, 0.25, 100 * (0.25 / 0.75), "better")
    assert found["m", "r2", "x"] == (None, None, None, None, "undefined")
    assert found["m", "mbe", ""] == (0.0, 0.0, 0.0, None, "same")
    assert outcome.json["command"] == "diff"
    assert outcome.json["old"]["path"] == str(old)
    assert outcome.json["old"]["data"] == outcome.json["new"]["data"]


def test_a_bias_is_better_nearer_to_0(lossctl: Lossctl, write: Write, make: Callable[..., Path]) -> None:
    old = make("old", "-p", "m=a", "-l", "mbe")
    document = json.loads(old.read_text())
    document["results"][0]["value"] = -2.0
    old.write_text(resealed(document))
    new = old.with_name("new.json")
    document["results"][0]["value"] = 1.0
    new.write_text(resealed(document))
    assert changes(lossctl("diff", old, new, "-f", "json"))["m", "mbe", ""] == (-2.0, 1.0, -1.0, -50.0, "better")


def test_a_last_bit_makes_nothing_better_or_worse() -> None:
    """The total of slices and that of all rows may be rounded differently, which says nothing of a model."""
    draw = np.random.default_rng(3)
    differences = 0
    for rows in range(3, 120):
        residuals = draw.normal(size=rows)  # and the same less their mean, which cancel but for rounding
        data = {"y": residuals, "p": 0.0 * residuals, "q": 0.0 * residuals + residuals.mean(), "g": np.arange(rows) % 4}
        options: dict[str, Any] = {"target": "y", "pred": ["p", "q"], "losses": ["mae", "mse", "mbe", "r2"]}
        plain, sliced = (evaluate(data, by=by, **options) for by in (None, "g"))
        entries = [entry for entry in diff(plain, sliced).changes if not entry.slice]
        assert {entry.became for entry in entries} == {"same"}
        differences += sum(entry.change != 0.0 for entry in entries)
    assert differences, "nothing was put to the test"


def test_entries_of_one_report_alone_are_listed(lossctl: Lossctl, make: Callable[..., Path]) -> None:
    old = make("old", "-p", "a", "-p", "b", "-l", "mae")
    new = make("new", "-p", "b", "-p", "c=a", "-l", "mae", "-l", "mse")
    found = changes(lossctl("diff", old, new, "-f", "json"))
    assert {place[:2]: values[-1] for place, values in found.items()} == {
        ("b", "mae"): "same",
        ("b", "mse"): "added",
        ("c", "mae"): "added",
        ("c", "mse"): "added",
        ("a", "mae"): "removed",
    }
    assert found["a", "mae", ""][:3] == (1.0, None, None)


def test_single_models_and_labels_of_one_loss_belong_together(lossctl: Lossctl, make: Callable[..., Path]) -> None:
    old = make("old", "-p", "a", "-l", "mine=huber:delta=2")
    new = make("new", "-p", "b", "-l", "yours=huber:delta=2")
    outcome = lossctl("diff", old, new, "-f", "json")
    assert list(changes(outcome)) == [("b", "yours", "")]
    assert "the model is called 'a'" in outcome.err


def test_what_makes_reports_hard_to_compare_is_said_and_shown(
    lossctl: Lossctl, write: Write, make: Callable[..., Path]
) -> None:
    old = make("old", "-p", "m=a", "-l", "h=huber:delta=1", "-l", "mae")
    new = make("new", "-p", "m=b", "-l", "h=huber:delta=2", "-l", "mae", "--reduction", "sum", "--by", "g")
    document = json.loads(new.read_text())
    new.write_text(json.dumps(document | {"schema_version": 2}))
    outcome = lossctl("diff", old, new, "-f", "json")
    assert outcome.code == 0
    assert len(outcome.json["warnings"]) == 4
    for words in ("schemas differ: version 1 and 2", "the data differ", "reductions differ: mean and sum", "delta=2"):
        assert any(words in text for text in outcome.json["warnings"])
        assert words in outcome.err
    found = changes(outcome)
    assert found["m", "h", ""][-1] == "other loss"
    assert found["m", "mae", ""][:2] == (1.0, 4.0)
    assert lossctl("diff", old, new, "-q").err == ""


def test_other_rows_used_are_said(lossctl: Lossctl, write: Write) -> None:
    rows = write("m.csv", "y,a,b\n0,1,\n0,1,1\n")
    paths = []
    for name in ("a", "b"):
        path = rows.parent / f"{name}.json"
        command = ("eval", rows, "-t", "y", "-p", f"m={name}", "-l", "mae", "--missing", "drop", "-o", path)
        assert lossctl(*command, "-f", "value").code == 0
        paths.append(path)
    assert "rows used differ: 2 and 1" in lossctl("diff", *paths).err


def test_every_format_has_the_same_values(lossctl: Lossctl, make: Callable[..., Path], tmp_path: Path) -> None:
    old, new = make("old", "-p", "m=a", "-l", "mse", "--by", "g"), make("new", "-p", "m=b", "-l", "mse", "--by", "g")
    values = [(entry[0], entry[1]) for entry in changes(lossctl("diff", old, new, "-f", "json")).values()]
    rows = list(csv.DictReader(io.StringIO(lossctl("diff", old, new, "-f", "csv").out)))
    assert [(float(row["old"]), float(row["new"])) for row in rows] == values
    assert [row["slice.g"] for row in rows] == ["", "x", "y"]
    for form in ("table", "md"):
        text = lossctl("diff", old, new, "-f", form).out
        assert text.count("worse") == 2
        assert "4.0000" in text
        assert "+3.000 (+300.0%)" in text
    lines = lossctl("diff", old, new).out.splitlines()
    assert lines[:2] == [f"old: {old}", f"new: {new}"]
    written = tmp_path / "d.md"
    assert lossctl("diff", old, new, "-o", written).code == 0
    assert written.read_text() == lossctl("diff", old, new, "-f", "md").out
    assert lossctl("diff", old, new, "-o", f"md:{old}").code == 2


def test_a_report_may_come_from_standard_input(
    lossctl: Lossctl, make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make("old", "-p", "m=a", "-l", "mse"), make("new", "-p", "m=b", "-l", "mse")
    monkeypatch.setattr(sys, "stdin", Pipe(new.read_bytes()))
    piped = lossctl("diff", old, "-", "-f", "csv")
    assert piped.out == lossctl("diff", old, new, "-f", "csv").out
    assert lossctl("diff", "-", "-").code == 2
    with pytest.raises(UsageError):
        diff("-", "-")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "a,b\n1,2\n"])
def test_an_unreadable_report_is_an_error(
    lossctl: Lossctl, make: Callable[..., Path], write: Write, content: str
) -> None:
    bad, good = write("bad.json", content), make("good", "-p", "a", "-l", "mae")
    for pair in ((bad, good), (good, bad), (good, bad.with_name("none.json"))):
        outcome = lossctl("diff", *pair)
        assert (outcome.code, outcome.out) == (3, "")
        assert outcome.err.count("\n") == 1


def test_a_report_that_was_cut_off_says_at_which_line(make: Callable[..., Path]) -> None:
    path = make("cut", "-p", "a", "-l", "mae")
    content = path.read_text()
    path.write_text(content[: content.index('"mae"') + 3])
    with pytest.raises(DataError, match=r"is no JSON: unterminated string starting at line \d+$"):
        diff(path, path)


def test_usage(lossctl: Lossctl, make: Callable[..., Path]) -> None:
    path = make("one", "-p", "a", "-l", "mae")
    assert lossctl("diff", path).code == 2
    assert lossctl("diff", path, path, "-f", "junit").code == 2
    assert lossctl("diff", path, path).code == 0


def test_narrow_terminals_and_hostile_names(lossctl: Lossctl, write: Write) -> None:
    name = "::error::x##[group]\x1b[31m"
    rows = write("h.csv", f'y,"{name}",g\n1,2,{name}\n2,2,{name}\n')
    path = rows.parent / "h.json"
    assert lossctl("eval", rows, "-t", "y", "-p", name, "-l", "mse", "--by", "g", "-o", path, "-f", "value").code == 0
    for form in ("table", "md"):
        text = lossctl("diff", path, path, "-f", form).out
        assert not obeyed(text)
        assert "\x1b" not in text
    from lossctl.output.changes import to_table
    from lossctl.output.text import Style

    narrow = to_table(diff(path, path), Style(width=20))
    assert "  old 0.50000\n  new 0.50000\n  change 0" in narrow
    assert not obeyed(narrow)
    assert to_table(diff(path, path), Style(ascii=True)).isascii()
