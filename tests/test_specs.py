"""Specs: parameters of every kind are read, written back and refused alike, on the command line and in Python."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.errors import DataError, LossctlError, UsageError
from lossctl.registry import labelled, split_specs
from tests.conftest import Lossctl

Write = Callable[[str, str | bytes], Path]
LABELS = (
    "cat",
    "a,b",
    "a:b",
    "a/b",
    "a=b",
    "a%b",
    "@a",
    " lead",
    "tail ",
    "in side",
    "off",
    "OFF",
    "é",
    "猫",
    "two\nlines",
)
WINE = ["sample_data/wine.csv", "-t", "cultivar", "-p", "forest=forest_*"]
LOGITS = np.random.default_rng(0).normal(0.0, 1.0, (20, 4))
CODES = np.random.default_rng(1).integers(0, 4, 20)


@pytest.mark.parametrize("label", LABELS, ids=ascii)
def test_labels_in_a_spec_are_read_back(label: str) -> None:
    for given in ({"ignore_class": label}, {"class_weight": {label: 2.5, "z": 0.0}}):
        loss = lossctl.get("cce").bind(**given)
        assert lossctl.get(loss.spec).args == loss.args
        assert lossctl.get(f"p={loss.spec}".partition("=")[2]).args == loss.args


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.json", '{"class_0": 1, "class_1": 2, "class_2": 4}'),
        ("w.json", "[1, 2, 4]"),
        ("w.csv", "label,weight\nclass_1,2\nclass_2,4\n"),
        ("w.csv", "class_1,2\r\n\r\nclass_2,4"),
    ],
)
def test_class_weights_come_from_files(lossctl: Lossctl, write: Write, name: str, content: str) -> None:
    file = write(name, content)
    inline = lossctl("eval", *WINE, "-l", "cce:class_weight=1/2/4", "-f", "value").values
    spec = f"cce:class_weight=@{file}"
    assert lossctl("eval", *WINE, "-l", spec, "-f", "value").values == inline
    assert lossctl("check", *WINE, "-l", spec, "-l", f"w={spec}", "--max", "w=1").code == 0
    assert lossctl("losses", "show", spec).code == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"a": null}', "a: null is no weight"),
        ('{"a": true}', "a: true is no weight"),
        ('{"a": -1}', "a: -1 is no weight"),
        ('{"a": NaN}', "a: NaN is no weight"),
        ('{"a": 1, "a": 2}', "a label stands twice"),
        ('{"\\ud800": 1}', "is no weight"),
        ("{", "no JSON"),
        ("", "it is empty"),
        ("a,1\na,2\n", "line 2"),
        ('"a"x,2\n', "no CSV"),
        ("a\n", "line 1"),
    ],
)
def test_files_of_weights_that_are_none_are_refused(lossctl: Lossctl, write: Write, content: str, says: str) -> None:
    file = write("w", content)
    outcome = lossctl("eval", *WINE, "-l", f"cce:class_weight=@{file}")
    assert (outcome.code, outcome.out) == (2, "")
    assert f"class weights @{file}" in outcome.err
    assert says in outcome.err
    assert outcome.err.count("\n") == 1


def test_weights_are_not_read_from_a_pipe(lossctl: Lossctl, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/null", tmp_path / "nothing"):
        assert lossctl("eval", *WINE, "-l", f"cce:class_weight=@{path}").code == 2


@pytest.mark.parametrize(
    ("typed", "spec"),
    [
        ("huber(delta=2)", "huber:delta=2"),
        ("huber( delta = 2 )", "huber:delta=2"),
        ("huber(2)", "huber:delta=2"),
        ("huber:2", "huber:delta=2"),
        ("Huber@2", "huber:delta=2"),
        ("mse()", "mse"),
        ("quantile:alpha=0.9", "quantile:q=0.9"),
        ("quantile:tau=0.9", "quantile:q=0.9"),
        ("quantile(0.1/0.9)", "quantile:q=0.1/0.9"),
        ("pinball@0.9", "quantile:q=0.9"),
        ("ndcg@10", "ndcg:k=10"),
        ("top5", "top_k_accuracy:k=5"),
        ("Top_5_accuracy", "top_k_accuracy:k=5"),
        ("precision@0.3", "precision:threshold=0.3"),
        ("f1:macro", "f1:average=macro"),
        ("ndcg@10,gain=exponential", "ndcg:k=10,gain=exponential"),
        ("tweedie_deviance@1.7", "tweedie_deviance:power=1.7"),
        ("cce(class_weight=cat:2/dog:1)", "cce:class_weight=cat:2/dog:1"),
        ("cce:ignore_class=a(b)", "cce:ignore_class=a(b)"),
        ("MSELoss", "mse"),
        ("torch.nn.L1Loss", "mae"),
        ("nn.HuberLoss(delta=2)", "huber:delta=2"),
        ("MeanSquaredError", "mse"),
        ("l2", "mse"),
    ],
)
def test_a_spec_is_read_as_people_type_it(typed: str, spec: str) -> None:
    assert lossctl.get(typed).spec == spec
    data = {"y": [1.0], "p": [2.0]}
    if spec.startswith(("huber", "mse", "mae")):
        labels = [
            cell.loss for cell in lossctl.evaluate(data, target="y", pred="p", losses=f"r2,{typed},l={typed}").cells
        ]
        assert labels == ["r2", spec, "l"]
    assert [loss.spec for _, loss in map(labelled, split_specs([f"mae,{typed}"]))][-1] == spec


NOT_GIVEN: tuple[tuple[Callable[[], Any], type[LossctlError]], ...] = (
    (lambda: lossctl.get("huber").bind(delta=10**400), UsageError),
    (lambda: lossctl.get("huber:delta=1_000"), UsageError),
    (lambda: lossctl.get("huber:delta=٣"), UsageError),
    (lambda: lossctl.get("bce").bind(class_weight=np.array(1.0)), UsageError),
    (lambda: lossctl.get("cce").bind(ignore_class="\ud800"), UsageError),
    (lambda: lossctl.get(None), UsageError),  # type: ignore[arg-type]
    (lambda: lossctl.get("mae")(target=[1.0], pred=[1.0], activation=1), UsageError),  # type: ignore[arg-type]
    (lambda: lossctl.get("mae")(target=np.zeros((2, 0)), pred=np.zeros((2, 0))), UsageError),
    (lambda: lossctl.get("mae").grad(target=[], pred=[]), DataError),
    (lambda: lossctl.get("nt_xent")(label=[None, "a", "b", "b"], pred=np.eye(4)), DataError),
    (lambda: lossctl.get("zero_one:threshold=0.3")(target=[0], pred=[[0.5, 0.5]]), UsageError),
    (lambda: lossctl.evaluate({"y": [1.0], "p": [1.0]}, target="y", pred="p", losses={"a=b": "mae"}), UsageError),
    (lambda: lossctl.get("cce:class_weight=1/2")(target=[0], pred=[[0.2, 0.3, 0.5]]), UsageError),
    (lambda: lossctl.get("cce:class_weight=cat:2")(target=[0], pred=[[0.5, 0.5]]), UsageError),
)


@pytest.mark.parametrize(("call", "error"), NOT_GIVEN, ids=map(str, range(len(NOT_GIVEN))))
def test_what_is_not_given_rightly_is_refused(call: Callable[[], Any], error: type[LossctlError]) -> None:
    with pytest.raises(error):
        call()


# torch.nn.functional.cross_entropy(..., label_smoothing=0.2, ignore_index=1, weight=...) is the mean below
@pytest.mark.parametrize("weights", [None, [0.5, 3.0, 1.5, 2.0]])
def test_an_ignored_class_stays_in_the_smoothed_targets_of_others(weights: list[float] | None) -> None:
    w = np.ones(4) if weights is None else np.array(weights)
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
    smooth = 0.8 * np.eye(4)[CODES] + 0.05
    kept = CODES != 1
    due = -(smooth * w * log_p).sum(axis=1)[kept].sum() / w[CODES[kept]].sum()
    loss = lossctl.get("cce").bind(label_smoothing=0.2, ignore_class="1", class_weight=weights)
    given: dict[str, Any] = {"target": CODES, "pred": LOGITS, "activation": "softmax"}
    assert loss(**given) == pytest.approx(due, rel=1e-12)
    slopes = np.asarray(loss.grad(**given))
    assert not slopes[CODES == 1].any()
    assert slopes[kept].all()


def test_an_ignored_label_that_is_nowhere_is_told(lossctl: Lossctl) -> None:
    outcome = lossctl("eval", *WINE, "-l", "cce:ignore_class=class_9")
    assert "ignore_class=class_9: no row has this label, and it is no class" in outcome.err
    assert "no row" not in lossctl("eval", *WINE, "-l", "cce:ignore_class=class_1").err


def test_a_largest_bin_has_no_interval() -> None:
    rng = np.random.default_rng(2)
    data = {"y": rng.integers(0, 2, 300), "a": rng.random(300), "b": rng.random(300)}
    found = lossctl.compare(data, target="y", pred=["a", "b"], losses="mce")
    assert {cell.interval for cell in found.cells} == {None}
    assert found.comparisons[0].reason == "a maximum has no interval"
    assert lossctl.compare(data, target="y", pred=["a", "b"], losses="mce", ci_method="bootstrap").comparisons[0].p


@pytest.mark.parametrize(
    ("spec", "given", "expected"),
    [
        ("pseudo_huber:delta=1e308", {"target": [0.0, 0.0], "pred": [1.0, 2.0]}, 1.25),
        ("msle", {"target": [1.0], "pred": [1e4], "activation": "exp"}, (1e4 - np.log(2.0)) ** 2),
    ],
)
def test_ends_of_the_range_have_their_number(spec: str, given: dict[str, Any], expected: float) -> None:
    assert lossctl.get(spec)(**given) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("logit", [700.0, 710.5, 745.0, 1e4])
def test_gradients_of_certain_logits_are_numbers(logit: float) -> None:
    for spec in ("asymmetric", "focal:gamma=0", "focal", "bce"):
        found = lossctl.get(spec).grad(target=[1.0, 0.0], pred=[logit, -logit], activation="sigmoid")
        assert np.isfinite(np.asarray(found)).all()
    assert not np.any(np.asarray(lossctl.get("mape").grad(target=[1e-310], pred=[-0.5], activation="relu")))


@pytest.mark.parametrize("spec", ["precision@10", "recall:5", "precision(1)"])
def test_a_number_of_items_is_no_threshold(spec: str) -> None:
    with pytest.raises(UsageError, match="ndcg, map and mrr are near; a threshold is below 1"):
        lossctl.get(spec)
