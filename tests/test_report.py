"""A report in Python: its values by name, its frames and files, and the same report read back."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

import lossctl
from lossctl.__main__ import run
from lossctl.results.document import MANY, Seal
from tests.conftest import ROOT, resealed

DIABETES = ROOT / "sample_data/diabetes.csv"
OPTIONS: dict[str, Any] = {"target": "progression", "pred": ["linear", "forest"], "losses": ["mae", "huber:delta=20"]}
INFINITE: dict[str, Any] = {"y": [1, 0], "p": [0.0, 0.5], "q": [0.5, 0.5]}


@pytest.fixture(scope="module")
def report() -> lossctl.Report:
    return lossctl.evaluate(DIABETES, **OPTIONS, by="age_band")


def test_values_are_had_by_name(report: lossctl.Report) -> None:
    cells = {(cell.loss, cell.model, *cell.slice.values()): cell for cell in report}
    assert len(cells) == len(report) == 12
    assert report["mae", "linear"] is report[0] is cells["mae", "linear"]
    assert report.value("huber:delta=20", "forest") == cells["huber:delta=20", "forest"].value
    young = {"age_band": "under 50"}
    assert report["mae", "forest", young] is report.cell("mae", "forest", young) is cells["mae", "forest", "under 50"]
    single = lossctl.evaluate(DIABETES, target="progression", pred="linear", losses="mae", by="age_band")
    assert single.value() == single.value("mae") == single["mae"].value == report.value("mae", "linear")
    assert single.value(slice=young) == report.value("mae", "linear", young)
    flags = lossctl.evaluate({"y": [1, 2], "p": [1, 3], "g": [True, False]}, target="y", pred="p", losses="mae", by="g")
    assert flags.value(slice={"g": True}) == 0.0


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (("mea", "linear"), r"no loss 'mea' \(did you mean 'mae'\?\); there are mae, huber:delta=20"),
        (("mae", "lienar"), r"no model 'lienar' \(did you mean 'linear'\?\)"),
        ("mae", r"which model\? There are linear, forest"),
        ((), r"which loss\? There are mae, huber:delta=20"),
        (("mae", "linear", {"age_band": "x"}), "no slice .*; there are age_band=50 and over, age_band=under 50"),
        (("mae", "linear", "x"), "a loss, a model and a slice such as"),
    ],
)
def test_a_name_that_is_none_is_told_from_those_there_are(report: lossctl.Report, key: Any, words: str) -> None:
    with pytest.raises(lossctl.UsageError, match=words):
        _ = report[key]


def test_trackers_get_flat_names(report: lossctl.Report) -> None:
    values = report.to_dict()
    assert values["linear/mae"] == report.value("mae", "linear")
    assert (
        values["forest/huber:delta_20/age_band:under 50"]
        == report["huber:delta=20", "forest", {"age_band": "under 50"}].value
    )
    assert len(values) == len(report)
    assert lossctl.evaluate({"y": [1.0], "p": [3.0]}, target="y", pred="p", losses="mae").to_dict() == {"mae": 2.0}
    twins = lossctl.evaluate({"y": [1.0], "a=b": [3.0], "a+b": [3.0]}, target="y", pred=["a=b", "a+b"], losses="mae")
    with pytest.raises(lossctl.UsageError, match="two values would have one name"):
        twins.to_dict()


def test_markdown_is_what_the_command_prints(report: lossctl.Report, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-t", "progression", "-p", "linear", "-p", "forest", "-l", "mae", "-l", "huber:delta=20"]
    run(["eval", str(DIABETES), *words, "--by", "age_band", "-f", "md"])
    assert report.to_markdown() == capsys.readouterr().out
    run(["compare", str(DIABETES), *words, "-f", "md"])
    assert lossctl.compare(DIABETES, **OPTIONS).to_markdown() == capsys.readouterr().out


def test_polars_where_it_is_installed(report: lossctl.Report, monkeypatch: pytest.MonkeyPatch) -> None:
    class Polars:
        @staticmethod
        def DataFrame(lines: Any, infer_schema_length: None) -> Any:
            return lines

    monkeypatch.setitem(sys.modules, "polars", Polars)
    assert [line["value"] for line in report.to_polars()] == [cell.value for cell in report]
    with pytest.raises(lossctl.UsageError, match=r"^to_polars: no frame of 'x'"):
        report.to_polars("x")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(lossctl.UsageError, match=r"^to_polars: Polars is not installed; pip install polars"):
        report.to_polars()


REPORTS: dict[str, Any] = {
    "eval": lambda: lossctl.evaluate(DIABETES, **OPTIONS, by="age_band"),
    "compare": lambda: lossctl.compare(DIABETES, **OPTIONS, by="age_band", worst=2, all_pairs=True, power="2%"),
    "check": lambda: lossctl.check(DIABETES, **OPTIONS, max=["mae=43"], by="age_band"),
    "check of a baseline": lambda: lossctl.check(DIABETES, **OPTIONS, baseline="linear", max_regression="mae=1%"),
    "infinite": lambda: lossctl.evaluate(INFINITE, target="y", pred=["p", "q"], losses=["bce", "r2"]),
    "infinitely worse": lambda: lossctl.compare(INFINITE, target="y", pred=["q", "p"], losses="bce"),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_saved_report_is_read_back_as_it_was(name: str, tmp_path: Path) -> None:
    report, path = REPORTS[name](), tmp_path / "report.json"
    report.save(path)
    restored = lossctl.Report.load(path)
    written, again = json.loads(report.to_json()), json.loads(restored.to_json())
    assert {**written, "created": ""} == {**again, "created": ""}
    assert restored.to_markdown() == report.to_markdown()
    assert [cell.value for cell in restored if not math.isnan(cell.value)] == [
        cell.value for cell in report if not math.isnan(cell.value)
    ]
    if "infinit" not in name:  # a NaN is not the same as itself
        assert restored == report


@pytest.mark.parametrize("name", ["eval", "compare", "check"])
def test_the_suffix_tells_the_format(name: str, tmp_path: Path) -> None:
    report = REPORTS[name]()
    files = {suffix: tmp_path / f"report{suffix}" for suffix in (".json", ".jsonl", ".csv", ".md", ".txt", ".HTML")}
    for path in files.values():
        report.save(path)
    assert json.loads(files[".json"].read_text())["command"] == name
    assert files[".jsonl"].read_text() == report.to_jsonl()
    assert files[".md"].read_text() == report.to_markdown()
    assert files[".HTML"].read_text() == report._repr_html_()
    assert files[".csv"].read_text().startswith("id," if name == "check" else "baseline," if name == "compare" else "m")
    with pytest.raises(lossctl.UsageError, match=r"^save .*x.parquet: the format is not known by the name .*to_frame"):
        report.save(tmp_path / "x.parquet")
    with pytest.raises(lossctl.OutputError, match="there is no folder"):
        report.save(tmp_path / "none" / "x.json")
    if name == "check":
        report.save(tmp_path / "x.xml")
        assert "<testsuite" in (tmp_path / "x.xml").read_text()
    else:
        with pytest.raises(lossctl.UsageError, match="not known"):
            report.save(tmp_path / "x.xml")


def test_what_is_no_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": 1}')
    with pytest.raises(lossctl.DataError, match="is JSON, but no lossctl report"):
        lossctl.Report.load(tmp_path / "x.json")
    with pytest.raises(lossctl.DataError, match="no such file"):
        lossctl.Report.load(tmp_path / "y.json")
    document = json.loads(REPORTS["compare"]().to_json())
    document["comparisons"][0]["verdict"] = "perhaps"
    (tmp_path / "z.json").write_text(resealed(document))
    with pytest.raises(lossctl.DataError, match=r'comparisons\[0\].verdict is "perhaps", and one of better, worse'):
        lossctl.Report.load(tmp_path / "z.json")


def test_the_seal_of_many_values_is_that_of_the_document() -> None:
    groups = 2 * MANY + 9  # values by thousands, of which the last few come alone
    values = [float(group % 7) for group in range(groups)]
    data = {"y": values, "p": [0.0] * groups, "g": [str(group) for group in range(groups)]}
    document = json.loads(lossctl.evaluate(data, target="y", pred="p", losses="mae", by="g").to_json())
    assert document["seal"] == Seal.of(document)
    for place in (1, MANY + 2, groups):
        edited = [*document["results"]]
        edited[place] = {**edited[place], "value": 8.0}
        assert document["seal"] != Seal.of({**document, "results": edited})
