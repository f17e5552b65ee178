"""Several outputs: each apart, or the mean over them, also of losses that are not one mean of rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

import lossctl
from lossctl.errors import UsageError
from tests.conftest import Lossctl

Write = Callable[[str, str | bytes], Path]
RNG = np.random.default_rng(7)
N = 500
Y = RNG.normal(0.0, 2.0, (N, 3)) + np.array([0.0, 1e6, -50.0])
P = Y + RNG.normal(0.0, 1.0, (N, 3))
W = RNG.uniform(0.0, 2.0, N)
FRAME = pd.DataFrame(
    {f"{kind}_{name}": x[:, j] for kind, x in (("y", Y), ("p", P)) for j, name in enumerate("abc")}
).assign(w=W, s=np.where(np.arange(N) % 3, "x", "z"))
ASKED = {"target": "y_*", "pred": "p_*"}


@pytest.mark.parametrize(
    ("spec", "theirs"),
    [
        ("r2", metrics.r2_score),
        ("mae", metrics.mean_absolute_error),
        ("mse", metrics.mean_squared_error),
        ("rmse", metrics.root_mean_squared_error),
        ("median_absolute_error", metrics.median_absolute_error),
        ("explained_variance", metrics.explained_variance_score),
    ],
)
@pytest.mark.parametrize("weight", [None, "w"])
def test_each_output_apart(spec: str, theirs: Callable[..., object], weight: str | None) -> None:
    report = lossctl.evaluate(FRAME, **ASKED, losses=spec, per_output=True, weight=weight)  # type: ignore[arg-type]
    expected = theirs(Y, P, multioutput="raw_values", sample_weight=None if weight is None else W)
    assert [cell.loss for cell in report.cells] == [f"{spec}[a]", f"{spec}[b]", f"{spec}[c]"]
    assert [cell.value for cell in report.cells] == pytest.approx(expected, rel=1e-9)
    assert len({cell.signature for cell in report.cells}) == 3


def test_an_output_apart_is_what_it_is_alone() -> None:
    several = lossctl.evaluate(FRAME, **ASKED, losses=["r2", "huber"], per_output=True, by="s")  # type: ignore[arg-type]
    for name in "abc":
        alone = lossctl.evaluate(FRAME, target=f"y_{name}", pred=f"p_{name}", losses=["r2", "huber"], by="s")
        for cell, own in zip((c for c in several.cells if c.loss.endswith(f"[{name}]")), alone.cells, strict=True):
            assert cell.value == pytest.approx(own.value, rel=1e-9)
            assert cell.interval == pytest.approx(own.interval, rel=1e-6)


@pytest.mark.parametrize("weight", [None, W])
def test_a_loss_of_one_output_is_a_mean_over_several(weight: np.ndarray | None) -> None:
    ours = lossctl.get("r2")(target=Y, pred=P, weight=weight)
    assert ours == pytest.approx(metrics.r2_score(Y, P, sample_weight=weight), rel=1e-9)
    report = lossctl.evaluate(FRAME, **ASKED, losses="r2", weight=None if weight is None else "w")  # type: ignore[arg-type]
    assert report.cells[0].value == ours
    apart = lossctl.evaluate(FRAME, **ASKED, losses="r2", per_output=True)  # type: ignore[arg-type]
    if weight is None:
        assert ours == pytest.approx(np.mean([cell.value for cell in apart.cells]), rel=1e-12)


def test_the_spread_of_a_mean_over_outputs_is_that_of_the_jackknife() -> None:
    y, p = Y[:60], P[:60]
    report = lossctl.evaluate({"y": y, "p": p}, target="y", pred="p", losses="r2")
    kept = ~np.eye(60, dtype=bool)
    without = np.array([metrics.r2_score(y[keep], p[keep]) for keep in kept])
    jackknife = np.sqrt(59 / 60 * np.sum((without - without.mean()) ** 2))
    assert report.cells[0].stderr == pytest.approx(jackknife, rel=0.2)


def test_a_gate_may_be_on_one_output(lossctl: Lossctl, write: Write) -> None:
    file = write("m.csv", "y_a,y_b,p_a,p_b\n1,2,1,4\n2,3,2,6\n")
    options = [file, "-t", "y_*", "-p", "p_*", "-l", "mae", "--per-output", "-f", "json"]
    assert lossctl("check", *options, "--max", "mae[a]=0.1").code == 0
    failed = lossctl("check", *options, "--max", "mae[b]=0.1")
    assert failed.code == 1
    assert [result["loss"] for result in json.loads(failed.out)["results"]] == ["mae[a]", "mae[b]"]


@pytest.mark.parametrize(
    ("losses", "per_output", "message"),
    [
        ("cce", True, "the columns of cce are not outputs of their own"),
        ("cosine_distance", True, "the columns of cosine_distance are not outputs of their own"),
        ("median_absolute_error", False, "it takes target: 1 column, pred: 1 column"),
    ],
)
def test_what_has_no_outputs_is_refused(losses: str, per_output: bool, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        lossctl.evaluate(FRAME, **ASKED, losses=losses, per_output=per_output)  # type: ignore[arg-type]


@pytest.mark.parametrize("vectors", [False, True])
def test_each_output_counts_its_own_rows(tmp_path: Path, vectors: bool) -> None:
    nan = float("nan")
    y = np.array([[1.0, 2.0, nan], [2.0, nan, 4.0], [3.0, 4.0, 5.0], [nan, 4.0, nan]])
    p = np.array([[1.5, 2.0, 3.0], [2.0, 3.0, 5.0], [3.5, 5.0, 5.5], [4.0, 4.5, nan]])
    group = ["a", "b", "a", "b"]
    data: dict[str, Any] = {"y": y, "p": p, "g": group}
    if not vectors:
        data = {f"{name}_{place}": values[:, place] for name, values in (("y", y), ("p", p)) for place in range(3)}
        data["g"] = group
    names = ("y", "p") if vectors else ("y_*", "p_*")
    options: dict[str, Any] = {"target": names[0], "pred": names[1], "losses": ["mae", "mse"], "missing": "drop"}
    report = lossctl.evaluate(data, per_output=True, by="g", **options)
    for place, output in enumerate(("1", "2", "3") if vectors else ("0", "1", "2")):
        present = ~np.isnan(y[:, place]) & ~np.isnan(p[:, place])
        for loss, values in (("mae", np.abs(y - p)), ("mse", (y - p) ** 2)):
            for label, rows in ((None, present), ("a", present & (np.array(group) == "a"))):
                [cell] = [c for c in report.cells if c.loss == f"{loss}[{output}]" and c.slice.get("g") == label]
                assert cell.rows == rows.sum()
                assert cell.value == pytest.approx(values[rows, place].mean(), rel=1e-15)
    assert report.inputs[0].used == 3
