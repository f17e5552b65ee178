"""Cells are held as arrays: what is asked for one by one is what the JSON of all says at once."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.results.document import ENCODE, record
from lossctl.results.report import Report

ROWS = 600
RNG = np.random.default_rng(12)
TARGET = RNG.standard_normal(ROWS)
SHOP = [f"shop {number % 90}" for number in range(ROWS - 30)] + [f'alone "{number}" é' for number in range(30)]
FRAME: dict[str, Any] = {
    "y": TARGET,
    "a": TARGET + RNG.standard_normal(ROWS),
    "b": np.where(np.arange(ROWS) % 90 == 7, TARGET, TARGET + 1.0),  # one shop without an error
    "c": np.where(np.arange(ROWS) == 3, 1e200, TARGET - 0.5),  # a square out of range
    "weight": np.where(np.arange(ROWS) % 90 == 5, 0.0, RNG.random(ROWS)),  # one shop without weight
    "shop": SHOP,
    "day": np.arange(ROWS) % 3,
}
QUESTIONS: dict[str, dict[str, Any]] = {
    "means": {"losses": ["mse", "mae", "rmse", "mbe"]},
    "weights": {"losses": ["mse", "mae"], "weight": "weight"},
    "sums": {"losses": ["mae"], "reduction": "sum"},
    "no intervals": {"losses": ["mse", "r2"], "ci": None},
    "all values": {"losses": ["median_absolute_error", "max_error", "r2", "mape"]},
    "outputs": {"losses": ["mse"], "pred": ["m=a,b"], "target": "y,c", "per_output": True},
}


def question(name: str) -> Report:
    asked = {"target": "y", "pred": ["a", "b", "c"], "by": ["shop", "shop,day", "day"], **QUESTIONS[name]}
    return lossctl.evaluate(FRAME, **asked)


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_json_of_all_cells_is_that_of_each(name: str) -> None:
    report = question(name)
    lines = [ENCODE(record(cell)) for cell in report.cells]
    assert len(lines) == len(report.cells) > 300
    document = report.to_json()
    assert [line.strip().removesuffix(",") for line in document.splitlines() if '"signature"' in line] == lines
    assert json.loads(document)["results"] == [json.loads(line) for line in lines] == report.document()["results"]
    entries = [json.loads(line) for line in report.to_jsonl().splitlines()]
    assert [entry for entry in entries if entry["kind"] == "result"] == [
        {"kind": "result", **json.loads(line)} for line in lines
    ]


def test_slices_of_every_kind_are_among_them() -> None:
    cells = [cell for name in QUESTIONS for cell in question(name).cells]
    assert {cell.status for cell in cells} >= {"ok", "infinite", "undefined", "empty"}
    assert {cell.method for cell in cells} >= {"t", "log-t", "order", None}
    reasons = {cell.interval_reason for cell in cells}
    assert reasons >= {None, "not asked for", "one row has no spread", "the rows show no spread"}
    assert any(cell.best for cell in cells)


def test_cells_are_a_sequence() -> None:
    report = question("means")
    every = tuple(report.cells)
    assert (report.cells[0], report.cells[-1], report.cells[5:9]) == (every[0], every[-1], every[5:9])
    assert report.cells == every
    assert report.cells != every[1:]
    with pytest.raises(IndexError):
        report.cells[len(every)]
    assert pickle.loads(pickle.dumps(report)) == report


@pytest.mark.deep
def test_many_cells_are_not_kept() -> None:
    rows = 60_000
    data = {"y": np.zeros(rows), "p": np.arange(rows) % 7, "g": np.arange(rows) // 2}
    report = lossctl.evaluate(data, target="y", pred="p", losses=["mse", "mae", "rmse", "mbe"], by="g")
    first, last = report.cells[4], report.cells[-1]
    assert len(report.cells) == 4 * (rows // 2 + 1)
    assert (first.slice, first.loss, first.value) == ({"g": "0"}, "mse", 0.5)
    assert (last.slice, last.loss, last.rows) == ({"g": str(rows // 2 - 1)}, "mbe", 2)
    assert report.cells[4] is not first
    assert sum(1 for _ in report.cells) == len(report.cells) == report.to_json().count('"signature"')
