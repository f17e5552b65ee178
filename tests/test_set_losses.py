"""Losses of sets against scikit-learn, statsmodels and plain loops, on sets that lie scattered in the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn import metrics
from statsmodels.duration.hazard_regression import PHReg

import lossctl
from lossctl.errors import DataError, UsageError
from lossctl.losses import metric
from lossctl.results.report import Units

Values = NDArray[Any]
RNG = np.random.default_rng(36)
ROWS, LISTS = 600, 30
QUERY = RNG.permutation(np.repeat(np.arange(LISTS), ROWS // LISTS))
GRADE, SCORE = RNG.integers(0, 4, ROWS), RNG.normal(size=ROWS)
ROUGH = RNG.integers(0, 5, ROWS).astype(float)
LABEL, VECTORS = RNG.integers(0, 5, ROWS), RNG.normal(size=(ROWS, 6))
TIME, EVENT, RISK = RNG.exponential(size=ROWS), RNG.integers(0, 2, ROWS), RNG.normal(size=ROWS)
MONTH = np.ceil(4.0 * TIME)
WEIGHT = RNG.integers(0, 3, LISTS).astype(float)


def over_lists(value: Callable[[Values], float], weight: Values | None = None) -> float:
    """Average a number of each list."""
    return float(np.average([value(np.equal(QUERY, name)) for name in range(LISTS)], weights=weight))


@pytest.mark.parametrize("score", [SCORE, ROUGH], ids=["scores", "tied scores"])
@pytest.mark.parametrize("k", [None, 1, 5, 100])
def test_ndcg_is_that_of_scikit_learn(score: Values, k: int | None) -> None:
    def value(rows: Values) -> float:
        return float(metrics.ndcg_score([GRADE[rows]], [score[rows]], k=k))

    spec = "" if k is None else f":k={k}"
    for weight in (None, WEIGHT):
        given: dict[str, Any] = {} if weight is None else {"weight": weight[QUERY]}
        ours = lossctl.get(f"ndcg{spec}")(target=GRADE, pred=score, query=QUERY, **given)
        assert ours == pytest.approx(over_lists(value, weight), rel=1e-13)
        lost = lossctl.get(f"one_minus_ndcg{spec}")(target=GRADE, pred=score, query=QUERY, **given)
        assert lost == pytest.approx(1 - ours, rel=1e-12)


def test_a_list_without_relevant_items_counts_as_asked() -> None:
    given: dict[str, Any] = {"target": [0, 0, 1, 0], "pred": [1, 2, 2, 1], "query": ["a", "a", "b", "b"]}
    assert np.isnan(lossctl.get("ndcg")(**given))
    assert lossctl.get("ndcg:empty=0")(**given) == 0.5
    assert lossctl.get("ndcg:empty=1")(**given) == 1.0
    assert lossctl.get("one_minus_ndcg:empty=0")(**given) == 0.5
    assert lossctl.get("listnet")(**given) == pytest.approx(np.log1p(np.exp(-1)) / 2, rel=1e-15)


def test_exponential_gain_is_linear_gain_of_it() -> None:
    given: dict[str, Any] = {"pred": SCORE, "query": QUERY}
    ours = lossctl.get("ndcg:gain=exponential")(target=GRADE, **given)
    assert ours == pytest.approx(lossctl.get("ndcg")(target=2.0**GRADE - 1, **given), rel=1e-14)


@pytest.mark.parametrize("ties", ["breslow", "efron"])
@pytest.mark.parametrize("time", [TIME, MONTH], ids=["times", "tied times"])
@pytest.mark.parametrize("strata", [None, QUERY % 3], ids=["one stratum", "strata"])
def test_cox_is_that_of_statsmodels(ties: str, time: Values, strata: Values | None) -> None:
    model = PHReg(time, RISK[:, np.newaxis], status=EVENT, ties=ties, strata=strata)
    given: dict[str, Any] = {} if strata is None else {"query": strata}
    ours = lossctl.get(f"cox:ties={ties}")(target=time, event=EVENT, pred=RISK, **given)
    assert ours == pytest.approx(-model.loglike(np.ones(1)) / EVENT.sum(), rel=1e-12)


def test_cox_without_an_event_is_undefined() -> None:
    assert np.isnan(lossctl.get("cox")(target=[1, 2], event=[0, 0], pred=[0, 1]))


CODINGS: dict[str, tuple[Any, Any]] = {
    "as in R": (1, 2),
    "words": ("alive", "dead"),
    "words of R": ("FALSE", "TRUE"),
    "signs of -1": (-1, 1),
    "booleans": (False, True),
    "fractions": (0.5, 1.5),
}


@pytest.mark.parametrize("container", ["csv", "jsonl", "parquet", "npz", "frame"])
@pytest.mark.parametrize("coding", CODINGS)
def test_events_may_be_any_two_labels(coding: str, container: str, tmp_path: Path) -> None:
    labels = np.array(CODINGS[coding])
    frame = pd.DataFrame({"t": TIME, "status": labels[EVENT], "s": RISK})
    path = tmp_path / f"f.{container}"
    data: Any = path
    if container == "csv":
        frame.to_csv(path, index=False)
    elif container == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif container == "parquet":
        frame.to_parquet(path)
    elif container == "npz":
        np.savez(path, t=TIME, status=labels[EVENT], s=RISK)
    else:
        data = frame
    asked: dict[str, Any] = {"target": "t", "pred": "s", "roles": "event=status", "losses": "cox"}
    expected = lossctl.get("cox")(target=TIME, event=EVENT, pred=RISK)
    positive = str(labels[1]) if coding != "booleans" else "true"
    found = lossctl.evaluate(data, **asked, positive_label=positive)
    assert found.cells[0].value == pytest.approx(expected, rel=1e-12)
    assert lossctl.validate(data, **asked, positive_label=positive).problems == ()
    by_call = lossctl.get("cox")(target=TIME, event=labels[EVENT], pred=RISK, positive_label=labels[1])
    assert by_call == pytest.approx(expected, rel=1e-13)


def test_events_of_other_labels_name_the_option() -> None:
    data = {"t": TIME, "s": RISK, "event": EVENT + 1}
    asked: dict[str, Any] = {"target": "t", "pred": "s", "losses": "cox"}
    with pytest.raises(DataError, match="of other labels --positive-label 2 says which"):
        lossctl.evaluate(data, **asked)
    words = data | {"event": np.array(["alive", "dead"])[EVENT]}
    with pytest.raises(UsageError, match="holds text; --positive-label alive or dead says which"):
        lossctl.evaluate(words, **asked)
    with pytest.raises(UsageError, match="positive_label= says which of two labels is 1"):
        lossctl.get("cox")(target=TIME, event=words["event"], pred=RISK)
    with pytest.raises(DataError, match="a third label"):
        lossctl.evaluate(
            words | {"event": np.array(["alive", "dead", "lost"])[GRADE % 3]}, **asked, positive_label="dead"
        )
    with pytest.raises(DataError, match="no row holds the positive label 'dead'; it holds 'alive'"):
        lossctl.evaluate(words | {"event": ["alive"] * ROWS}, **asked, positive_label="dead")
    none = lossctl.evaluate(words | {"event": ["alive"] * ROWS}, **asked, positive_label="dead", classes="alive,dead")
    assert none.cells[0].status == "undefined"


def loops(cost: Callable[[Values, Values, Values], list[float]]) -> float:
    """Average over sets the mean of what each anchor costs."""
    unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)

    def value(rows: Values) -> float:
        cosines, labels = unit[rows] @ unit[rows].T, LABEL[rows]
        costs: list[float] = []
        for i in range(len(labels)):
            own = labels == labels[i]
            own[i] = False
            costs += cost(cosines[i], own, labels != labels[i])
        return float(np.mean(costs))

    return over_lists(value)


def nt_xent(c: Values, own: Values, others: Values) -> list[float]:
    return [float(np.log1p(np.exp((c[others] - p) / 0.5).sum())) for p in c[own]]


def supcon(c: Values, own: Values, others: Values) -> list[float]:
    return [float(np.log(np.exp(c[own | others] / 0.5).sum()) - c[own].mean() / 0.5)] if own.any() else []


def circle(c: Values, own: Values, others: Values) -> list[float]:
    p, n = c[own], c[others]
    near = np.exp(-2 * np.clip(1.4 - p, 0, None) * (p - 0.6)).sum()
    far = np.exp(2 * np.clip(n + 0.4, 0, None) * (n - 0.4)).sum()
    return [float(np.log1p(near * far))] if own.any() and others.any() else []


def multi_similarity(c: Values, own: Values, others: Values) -> list[float]:
    near, far = np.exp(-2 * (c[own] - 0.5)).sum(), np.exp(5 * (c[others] - 0.5)).sum()
    return [float(np.log1p(near) / 2 + np.log1p(far) / 5)]


@pytest.mark.parametrize(
    ("spec", "cost"),
    [
        ("nt_xent:temperature=0.5", nt_xent),
        ("supcon:temperature=0.5", supcon),
        ("circle:gamma=2", circle),
        ("multi_similarity:beta=5", multi_similarity),
    ],
)
def test_sets_of_embeddings_are_sums_over_pairs(
    spec: str, cost: Callable[..., list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"label": LABEL.astype(str), "pred": VECTORS, "query": QUERY}
    ours = lossctl.get(spec)(**given)
    assert ours == pytest.approx(loops(cost), rel=1e-12)
    monkeypatch.setattr(metric, "PAIRS_AT_ONCE", 50)  # stripes of two rows
    assert lossctl.get(spec)(**given) == pytest.approx(ours, rel=1e-14)


def test_without_query_all_rows_are_one_set() -> None:
    for spec, given in (
        ("nt_xent", {"label": LABEL, "pred": VECTORS}),
        ("n_pairs", {"anchor": VECTORS, "positive": VECTORS[::-1]}),
        ("listmle", {"target": GRADE, "pred": SCORE}),
        ("generalized_dice", {"target": LABEL, "pred": RNG.dirichlet(np.ones(5), ROWS)}),
    ):
        one: dict[str, Any] = {**given, "query": np.zeros(ROWS)}
        assert lossctl.get(spec)(**given) == lossctl.get(spec)(**one)


def test_an_anchor_alone_with_its_label_has_no_pair() -> None:
    assert np.isnan(lossctl.get("nt_xent")(label=["a", "b"], pred=[[1.0, 0.0], [0.0, 1.0]]))
    with pytest.raises(DataError, match="rows of one set have the weights"):
        lossctl.get("nt_xent")(label=["a", "a"], pred=[[1.0], [2.0]], weight=[1.0, 2.0])


def test_a_box_is_one_in_every_frame() -> None:
    corner, sides = RNG.uniform(0, 4, (2, 50, 2)), RNG.uniform(0.5, 4, (2, 50, 2))
    frames = {
        "xyxy": np.concatenate([corner, corner + sides], axis=2),
        "xywh": np.concatenate([corner, sides], axis=2),
        "cxcywh": np.concatenate([corner + sides / 2, sides], axis=2),
    }
    for name in ("iou", "iou_log", "alpha_iou", "giou", "diou", "ciou", "eiou"):
        rows = {
            frame: lossctl.get(f"{name}:frame={frame}").each(target=target, pred=pred)
            for frame, (target, pred) in frames.items()
        }
        assert rows["xywh"] == pytest.approx(rows["xyxy"], rel=1e-13)
        assert rows["cxcywh"] == pytest.approx(rows["xyxy"], rel=1e-13)


def test_huge_and_tiny_boxes_have_the_loss_of_ordinary_ones() -> None:
    target, pred = np.array([[0.0, 1.0, 3.0, 5.0]]), np.array([[1.0, 0.0, 4.0, 2.0]])
    for name in ("iou", "iou_log", "alpha_iou", "giou", "diou", "ciou", "eiou"):
        loss = lossctl.get(name)
        slope = loss.grad(target=target, pred=pred)
        for power in (-332, 332):  # from 1e-100 to 1e100
            grown: dict[str, Any] = {"target": np.ldexp(target, power), "pred": np.ldexp(pred, power)}
            assert loss(**grown) == loss(target=target, pred=pred)
            assert np.array_equal(np.ldexp(np.asarray(loss.grad(**grown)), power), np.asarray(slope))


def test_boxes_without_an_area_in_the_float_range_have_no_loss() -> None:
    target, pred = np.array([[0.0, 1.0, 3.0, 5.0]]), np.array([[1.0, 0.0, 4.0, 2.0]])
    for name in ("iou", "iou_log", "alpha_iou", "giou", "diou", "ciou", "eiou"):
        for power in (-900, 900):
            grown: dict[str, Any] = {"target": np.ldexp(target, power), "pred": np.ldexp(pred, power)}
            assert np.isnan(lossctl.get(name)(**grown))
            assert np.isnan(np.asarray(lossctl.get(name).grad(**grown))).all()


def test_masks_over_a_set_have_no_row_and_no_slope() -> None:
    whole = lossctl.get("dice:over=set")
    assert whole.row is None
    assert whole.gradient is None
    assert whole.bind(over="row").row is lossctl.get("dice").row
    given: dict[str, Any] = {"target": [[1, 0], [1, 1]], "pred": [[1, 1], [0, 0]]}
    assert whole(**given) == 0.6
    assert lossctl.get("dice")(**given) == pytest.approx((1 / 3 + 1) / 2, rel=1e-15)
    assert lossctl.get("dice:over=set,smooth=0.5")(**given) == 3 / 6


def test_rows_that_nobody_parted_are_said_to_be_one_set() -> None:
    data = {"q": [1, 1, 2, 2], "y": [1, 0, 0, 1], "p": [0.5, 0.6, 0.1, 0.9]}
    asked: tuple[tuple[str, str | None, bool], ...] = (
        ("ndcg", None, True),
        ("ndcg", "query=q", False),
        ("mae", None, False),
    )
    for loss, roles, expected in asked:
        warnings = lossctl.evaluate(data, target="y", pred="p", losses=loss, roles=roles).warnings
        text = "ndcg: all rows are one set; --role query=COLUMN says which belong together"
        assert (text in warnings) is expected


def test_sets_are_counted_by_the_name_of_their_column() -> None:
    data: dict[str, list[float]] = {"user": [1, 1, 2, 2, 3], "y": [1, 0, 0, 1, 1], "p": [0.5, 0.6, 0.1, 0.9, 0.3]}
    data["q"] = data["p"][::-1]
    for role in ("query=user", "set=user"):
        report = lossctl.evaluate(data, target="y", pred="p", losses=["mae", "ndcg"], roles=role)
        assert report.units == Units("user", 3)
        assert str(report).startswith("5 rows · 3 users\n")
    clusters = lossctl.compare(data, target="y", pred=["p", "q"], losses="mae", cluster="user")
    assert clusters.units == Units("user", 3)
    assert lossctl.evaluate(data, target="y", pred="p", losses="mae").units is None
    assert lossctl.evaluate(data, target="y", pred="p", losses="ndcg", roles="set=user", ci=None).units is None


def test_sets_that_are_alike_show_no_spread() -> None:
    n = 30
    data = {"y": np.arange(n) % 5 == 4, "p": np.arange(n) % 5 / 7.0, "q": np.arange(n) // 5, "c": np.arange(n) // 10}
    for by in ([], ["c"]):
        for cell in lossctl.evaluate(data, target="y", pred="p", losses="mrr", by=by, roles={"query": "q"}).cells:
            assert (cell.value, cell.stderr, cell.interval) == (1.0, 0.0, None)
            assert cell.interval_reason == "the rows show no spread"
