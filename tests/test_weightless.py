"""Rows of zero weight count as if they stood there zero times, whatever they hold but missing values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lossctl as package
from lossctl import registry
from lossctl.core.form import CODED, Form
from lossctl.core.loss import Loss
from lossctl.errors import DataError
from tests.conftest import Lossctl

ROWS, IDLE = 40, 4  # and how many at the end have no weight
JUNK = (-7.5, 255.0, 0.0, np.inf)
WEIGHT = np.concatenate([np.ones(ROWS - IDLE), np.zeros(IDLE)])
Arrays = dict[str, Any]


def rows_of(form: Form) -> Arrays:
    """Draw rows inside of the domains of a form, in sets of four."""
    rng = np.random.default_rng(1)
    shared = max(form.fewest, 1 if form.fits(dict.fromkeys(form.roles, 1)) else 3)
    columns: Arrays = {}
    for role, domain in form.roles.items():
        if role in CODED:
            columns[role] = np.repeat(np.arange(ROWS // 4), 4)
        elif role == "target" and form.labels:
            columns[role] = rng.integers(0, max(shared, 2), ROWS)
        else:
            columns[role] = domain.sample(rng, domain.width or (2 if role in form.free else shared), ROWS)
    return columns


def by_row(columns: Arrays) -> Arrays:
    return {role: x[0] if len(x) == 1 else x.T if x.ndim == 2 else x for role, x in columns.items()}


@pytest.mark.parametrize("loss", registry.losses().values(), ids=str)
def test_what_stands_in_rows_of_no_weight_does_not_matter(loss: Loss) -> None:
    for form in loss.forms:
        if form.decided:
            continue
        columns, options = rows_of(form), dict[str, Any](task=form.name)
        if form.labels:
            options["classes"] = list(range(len(columns["pred"])))
        rest = {role: x[..., :-IDLE] for role, x in columns.items()}
        expected = loss(**by_row(rest), weight=WEIGHT[:-IDLE], **options)
        for role, domain in form.roles.items():
            for junk in JUNK if role not in CODED and not (role == "target" and form.labels) else ():
                values = columns[role].copy()
                values[:, -IDLE:] = junk
                if domain.outside(values)[-IDLE:].all():
                    found = loss(**by_row(columns | {role: values}), weight=WEIGHT, **options)
                    assert found == pytest.approx(expected, rel=1e-9, nan_ok=True), (form.name, role, junk)


FRAME = pd.DataFrame(
    {"y": [1.0, 2.0, -5.0, 4.0], "p": [2.0, 3.0, -7.0, 5.0], "w": [1.0, 1.0, 0.0, 2.0], "g": list("abab")}
)
LOSSES = ["msle", "mae", "poisson", "gamma_deviance", "mape", "median_absolute_error"]
OPTIONS: dict[str, Any] = {"target": "y", "pred": "p", "weight": "w"}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl", "npz"])
def test_in_every_container(tmp_path: Path, suffix: str, threads: int) -> None:
    frame = pd.concat([FRAME] * 5000, ignore_index=True)
    path = tmp_path / f"a.{suffix}"
    if suffix == "npz":
        np.savez(path, y=frame.y, p=frame.p, w=frame.w, g=frame.g.to_numpy().astype("U1"))
    else:
        write: Any = {"csv": frame.to_csv, "parquet": frame.to_parquet, "jsonl": frame.to_json}[suffix]
        write(path, **({"orient": "records", "lines": True} if suffix == "jsonl" else {"index": False}))
    found = package.evaluate(path, **OPTIONS, losses=LOSSES, by="g", threads=threads)
    expected = package.evaluate(frame[frame.w > 0.0], **OPTIONS, losses=LOSSES, by="g")
    assert [cell.value for cell in found.cells] == pytest.approx([cell.value for cell in expected.cells], rel=1e-14)
    assert found.cells[0].rows == len(frame)


def test_of_such_rows_nothing_is_written_or_concluded(lossctl: Lossctl, tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    asked = (tmp_path / "a.csv", "-t", "y", "-p", "p", "-w", "w", "-l", "msle", "-l", "mae")
    assert lossctl("eval", *asked, "--rows-out", tmp_path / "r.csv", "--with-grad").code == 0
    rows = pd.read_csv(tmp_path / "r.csv")
    assert np.isnan(rows["p.msle"][2])
    assert np.isnan(rows["p.msle.grad.p"][2])
    assert rows["p.mae"].tolist() == [1.0, 1.0, 2.0, 1.0]
    assert lossctl("check", *asked, "--max", "msle=1").code == 0
    assert lossctl("validate", *asked).code == 0
    flags = {"y": [1.0, 0.0, 9.0], "p": [0.5, 0.3, 7.0], "w": [1.0, 1.0, 0.0]}
    report = package.evaluate(flags, **OPTIONS)
    assert report.task is not None
    assert report.task.name == "binary"


def test_missing_values_are_told_there_too() -> None:
    data = {"y": [1.0, np.nan], "p": [1.0, 2.0], "w": [1.0, 0.0]}
    with pytest.raises(DataError, match="--missing drop"):
        package.evaluate(data, **OPTIONS, losses="mae")
    with pytest.raises(DataError, match="nan"):
        package.get("mae")(data["y"], data["p"], weight=data["w"])
