"""Gradients: those of scikit-learn, with respect to raw outputs too, and as they are written beside per-row losses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn._loss import loss as theirs

import lossctl
from lossctl.errors import UsageError
from tests.conftest import Lossctl

RNG = np.random.default_rng(6)
N = 400
Y = RNG.normal(0.0, 2.0, N)
RAW = RNG.normal(0.0, 1.5, N)
COUNT = RNG.poisson(2.0, N).astype(float)
POSITIVE = RNG.lognormal(0.0, 1.0, N)
YES = RNG.integers(0, 2, N).astype(float)
LABEL = RNG.integers(0, 4, N)
RAW4 = RNG.normal(0.0, 2.0, (N, 4))

# our spec, what the raw outputs are, the target, their loss and what theirs is times ours
SAME: tuple[tuple[str, str | None, Any, Callable[[], Any], float], ...] = (
    ("mse", None, Y, theirs.HalfSquaredError, 0.5),
    ("mae", None, Y, theirs.AbsoluteError, 1.0),
    ("quantile:q=0.8", None, Y, lambda: theirs.PinballLoss(quantile=0.8), 1.0),
    ("huber:delta=0.7", None, Y, lambda: theirs.HuberLoss(delta=0.7), 1.0),
    ("poisson", "exp", COUNT, theirs.HalfPoissonLoss, 1.0),
    ("gamma_deviance", "exp", POSITIVE, theirs.HalfGammaLoss, 0.5),
    ("tweedie_deviance:power=1.5", "exp", POSITIVE, lambda: theirs.HalfTweedieLoss(power=1.5), 0.5),
    ("bce", "sigmoid", YES, theirs.HalfBinomialLoss, 1.0),
    ("cce", "softmax", LABEL, lambda: theirs.HalfMultinomialLoss(n_classes=4), 1.0),
)


@pytest.mark.parametrize(("spec", "activation", "target", "make", "factor"), SAME, ids=[case[0] for case in SAME])
def test_gradients_are_those_of_scikit_learn(
    spec: str, activation: str | None, target: Any, make: Callable[[], Any], factor: float
) -> None:
    raw = RAW4 if activation == "softmax" else RAW
    ours = lossctl.get(spec).grad(target=target, pred=raw, activation=activation)
    expected = make().gradient(y_true=np.asarray(target, dtype=float), raw_prediction=np.ascontiguousarray(raw))
    assert np.asarray(ours) * factor == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("size", [40.0, 800.0, 1e4])
def test_gradients_by_extreme_logits_are_exact(size: float) -> None:
    bce = lossctl.get("bce")
    found = bce.grad(target=[1.0, 0.0, 1.0, 0.0], pred=[-size, size, size, -size], activation="sigmoid")
    small = np.exp(-size)
    assert np.asarray(found).tolist() == pytest.approx([-1.0, 1.0, -small, small], rel=1e-15, abs=0)
    found = lossctl.get("cce").grad(target=[0, 1], pred=[[-size, 0.0], [-size, 0.0]], activation="softmax")
    assert np.asarray(found).ravel().tolist() == pytest.approx([-1.0, 1.0, small, -small], rel=1e-15, abs=0)


def test_gradients_are_written_beside_the_rows(tmp_path: Path) -> None:
    data = pd.DataFrame({"y": YES, "a": RAW, "b": -RAW, "w": np.arange(N) % 3})
    path = str(tmp_path / "rows.parquet")
    asked = {"target": "y", "pred": ["a", "b"], "activation": "sigmoid", "losses": ["bce", "zero_one"]}
    notes: list[str] = []
    lossctl.evaluate(data, **asked, weight="w", rows_out=path, with_grad=True, note=notes.append)  # type: ignore[arg-type]
    rows = pq.read_table(path)
    assert rows.column_names == ["row", "a.bce", "b.bce", "a.zero_one", "b.zero_one", "a.bce.grad.a", "b.bce.grad.b"]
    for model in ("a", "b"):
        own = lossctl.get("bce").grad(target=data["y"], pred=data[model], activation="sigmoid")
        assert rows[f"{model}.bce.grad.{model}"].to_pylist() == np.asarray(own).tolist()
    assert notes == [f"{path}: without a gradient: zero_one"]


def test_gradients_of_several_columns_are_named_by_them(lossctl: Lossctl, write: Callable[..., Path]) -> None:
    file = write("c.csv", "y,p_a,p_b\na,0.25,0.75\nb,0.5,0.5\n")
    lossctl("eval", file, "-t", "y", "-p", "p_*", "-l", "cce", "--rows-out", file.with_name("rows.csv"), "--with-grad")
    assert file.with_name("rows.csv").read_text() == (
        '"row","p.cce","p.cce.grad.p_a","p.cce.grad.p_b"\n1,1.3862943611198906,-4,0\n2,0.6931471805599453,0,-2\n'
    )


@pytest.mark.parametrize(
    ("losses", "extra", "message"),
    [
        (["mse"], {}, "--with-grad writes gradients beside the per-row losses: give --rows-out FILE too"),
        (["zero_one"], {"rows_out": "rows.csv"}, "--with-grad: no gradient: zero_one"),
    ],
)
def test_gradients_that_cannot_be_are_refused(
    losses: list[str], extra: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refusal:
        lossctl.evaluate({"y": YES, "p": YES}, target="y", pred="p", losses=losses, with_grad=True, **extra)
    assert str(refusal.value) == message
    assert list(tmp_path.iterdir()) == []
