"""Losses of sets: whole sets whatever the blocks, one number per set, statistics over sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

import lossctl
from lossctl.core.batch import BLOCK
from lossctl.errors import DataError, UsageError
from tests.conftest import Lossctl

pytestmark = pytest.mark.deep

Write = Callable[[str, str | bytes], Path]
RNG = np.random.default_rng(8)
SETS = 9_000
SIZES = RNG.integers(2, 40, SETS)
QUERY = np.repeat(np.arange(SETS), SIZES)
N = len(QUERY)
SCORE = RNG.normal(0.0, 1.0, N)
GRADE = RNG.integers(0, 4, N).astype(float)
GRADE[np.r_[0, np.cumsum(SIZES)[:-1]]] = 3.0  # every set has a relevant row
FRAME = pd.DataFrame(
    {
        "query": np.char.add("q", QUERY.astype(str)),
        "grade": GRADE,
        "a": SCORE + 0.3 * GRADE,
        "b": SCORE + 0.35 * GRADE,
        "w": 1.0 + QUERY % 3,
        "kind": np.where(QUERY % 2, "odd", "even"),
    }
)
ASKED: dict[str, Any] = {"target": "grade", "pred": ["a", "b"], "losses": ["ndcg"], "roles": {"query": "query"}}
ENDS = np.cumsum(SIZES)


def each_set(model: str) -> np.ndarray:
    """The score of each set, from its definition; scores are all different."""
    grades, scores = FRAME["grade"].to_numpy(), FRAME[model].to_numpy()
    discounts = 1.0 / np.log2(np.arange(SIZES.max()) + 2.0)
    found = []
    for start, stop in zip(ENDS - SIZES, ENDS, strict=True):
        own, places = grades[start:stop], discounts[: stop - start]
        found.append(own[np.argsort(-scores[start:stop])] @ places / (np.sort(own)[::-1] @ places))
    return np.array(found)


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    return {model: each_set(model) for model in ("a", "b")}


def test_sets_are_whole_across_blocks(expected: dict[str, np.ndarray]) -> None:
    assert N > 2 * BLOCK
    for threads in (1, 2):
        report = lossctl.evaluate(FRAME, **ASKED, threads=threads)
        for cell in report.cells:
            scores = expected[cell.model]
            assert cell.rows == N
            assert cell.value == pytest.approx(scores.mean(), rel=1e-12)
            assert cell.stderr == pytest.approx(scores.std(ddof=1) / np.sqrt(SETS), rel=1e-9)


def test_sets_weigh_and_slice_as_rows_do(expected: dict[str, np.ndarray]) -> None:
    weights, odd = 1.0 + np.arange(SETS) % 3, np.arange(SETS) % 2 == 1
    report = lossctl.evaluate(FRAME, **ASKED, weight="w", by="kind")
    by_place = {(cell.model, cell.slice.get("kind")): cell.value for cell in report.cells}
    for model, scores in expected.items():
        for kind, keep in ((None, odd | ~odd), ("odd", odd), ("even", ~odd)):
            due = np.average(scores[keep], weights=weights[keep])
            assert by_place[model, kind] == pytest.approx(due, rel=1e-12)


def test_containers_and_digest_agree(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "a.parquet", row_group_size=777)
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    found = [lossctl.evaluate(str(tmp_path / name), **ASKED) for name in ("a.parquet", "a.csv")]
    assert found[0].cells == found[1].cells == lossctl.evaluate(FRAME, **ASKED).cells
    moved = FRAME.assign(query=np.roll(FRAME["query"], 1))
    other = lossctl.evaluate(moved.sort_values("query", kind="stable"), **ASKED)
    assert other.cells[0].signature != found[0].cells[0].signature


def test_comparisons_rest_on_sets(expected: dict[str, np.ndarray]) -> None:
    gaps = expected["b"] - expected["a"]
    for method, tolerance in (("t", 1e-9), ("bootstrap", 0.1)):
        report = lossctl.compare(FRAME, **ASKED, ci_method=method)
        found = report.comparisons[0]
        assert found.difference == pytest.approx(gaps.mean(), rel=1e-9)
        assert found.stderr == pytest.approx(gaps.std(ddof=1) / np.sqrt(SETS), rel=tolerance)


def test_few_sets_of_many_rows_are_few(expected: dict[str, np.ndarray]) -> None:
    few = FRAME.iloc[: ENDS[9]]
    report = lossctl.evaluate(few, **ASKED)
    scores = expected["a"][:10]
    theirs = [metrics.ndcg_score([rows["grade"]], [rows["a"]]) for _, rows in few.groupby("query", sort=False)]
    assert scores == pytest.approx(theirs, rel=1e-12)
    assert report.cells[0].stderr == pytest.approx(scores.std(ddof=1) / np.sqrt(10), rel=1e-9)
    assert any("too narrow" in text for text in report.warnings)
    one = lossctl.evaluate(FRAME.iloc[: ENDS[0]], **ASKED).cells[0]
    assert (one.interval, one.interval_reason) == (None, "one set has no spread")


@pytest.mark.parametrize("units", [{"time": "t"}, {"cluster": "c"}, {"time": "t", "ci_method": "normal"}])
@pytest.mark.parametrize(("loss", "others"), [("ndcg", {"roles": "query=query"}), ("mase", {})])
def test_one_set_has_no_spread_whatever_its_rows_are(units: dict[str, Any], loss: str, others: dict[str, Any]) -> None:
    """What each row has of its set differs from the mean by rounding alone, which would make any difference certain."""
    few = FRAME.iloc[: ENDS[0]]
    rows = few.assign(t=np.arange(len(few)), c="all" if loss == "ndcg" else np.arange(len(few)) % 3)
    report = lossctl.compare(rows, target="grade", pred=["a", "b"], losses=loss, **others, **units)
    (found,) = report.comparisons
    assert (found.p, found.interval, found.verdict) == (None, None, "undecided")
    assert found.reason == "one set has no spread"


def test_sets_of_several_rows_are_no_steps_of_a_series() -> None:
    """Lags of the cube root of the number of rows end within a long set, whose rows count as if they were many sets."""
    (found,) = lossctl.compare(FRAME.assign(t=np.arange(len(FRAME))), **ASKED, time="t").comparisons
    assert (found.p, found.interval, found.verdict) == (None, None, "undecided")
    assert str(found.reason).startswith("--time says how rows follow each other, and the loss is of sets")
    rules = {"baseline": "a", "max_regression": "ndcg=1%", "decide": "significant"}
    judged = lossctl.check(FRAME.assign(t=np.arange(len(FRAME))), **ASKED, **rules, time="t")  # type: ignore[arg-type]
    assert (judged.verdict, judged.checks[0].message) == ("inconclusive", found.reason)


def test_a_cluster_holds_whole_sets() -> None:
    with pytest.raises(DataError, match="row 2: query 'query' 'q0' has another c than the row before"):
        lossctl.compare(FRAME.iloc[:300].assign(c=np.arange(300) % 2), **ASKED, cluster="c")
    assert lossctl.compare(FRAME.iloc[:300], **ASKED, cluster="query").comparisons[0].p is not None


def test_without_a_query_the_file_is_one_set() -> None:
    few = FRAME.iloc[:300]
    report = lossctl.evaluate(few, target="grade", pred="a", losses="ndcg")
    due = metrics.ndcg_score([few["grade"]], [few["a"]])
    assert report.cells[0].value == pytest.approx(due, rel=1e-12)


def test_missing_rows_leave_their_set(expected: dict[str, np.ndarray]) -> None:
    holes = FRAME.iloc[: ENDS[99]].copy()
    holes.loc[holes.index[5], "a"] = np.nan
    report = lossctl.evaluate(holes, **{**ASKED, "pred": "a"}, missing="drop")
    kept = lossctl.evaluate(holes.dropna(), **{**ASKED, "pred": "a"})
    assert report.cells[0].value == kept.cells[0].value
    with pytest.raises(DataError, match="row 6"):
        lossctl.evaluate(holes, **{**ASKED, "pred": "a"})


@pytest.mark.parametrize(
    ("rows", "change", "extra", "message"),
    [
        ([0, 1, 200, 2], {}, {}, "row 4: query 'query' 'q0' comes back after other sets"),
        ([0, 1, 2], {"w": [1.0, 1.0, 2.0]}, {"weight": "w"}, "row 3: query 'query' 'q0' has another weight than the"),
        ([0, 1, 2], {"kind": ["x", "y", "y"]}, {"by": "kind"}, "row 2: query 'query' 'q0' has another kind than the"),
    ],
)
def test_sets_that_do_not_hold_together_are_refused(
    rows: list[int], change: dict[str, Any], extra: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        lossctl.evaluate(FRAME.iloc[rows].assign(**change), **ASKED, **extra)


def test_a_set_may_not_come_back_in_a_later_block() -> None:
    torn = pd.concat([FRAME.iloc[: ENDS[99]], FRAME.iloc[ENDS[99] : BLOCK + 5000], FRAME.iloc[:1]])
    with pytest.raises(DataError, match="'q0' comes back after other sets; rows of a set must stand together"):
        lossctl.evaluate(torn, **ASKED)


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ("a:query=query", "query is the same for all models; write --role query=query"),
        ("query=query,kind", "--role query query,kind names 2 columns; one is needed"),
        ("quer=query", "no loss asked for takes the role 'quer'"),
    ],
)
def test_queries_that_cannot_be_are_refused(roles: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        lossctl.evaluate(FRAME, target="grade", pred="a", losses="ndcg", roles=roles)


def test_from_python_sets_need_not_stand_together() -> None:
    few = FRAME.iloc[: ENDS[49]]
    shuffled = few.sample(frac=1.0, random_state=1)
    loss = lossctl.get("ndcg")
    values = [loss(target=rows["grade"], pred=rows["a"], query=rows["query"]) for rows in (few, shuffled)]
    assert values[0] == pytest.approx(values[1], rel=1e-12)
    with pytest.raises(DataError, match="rows of one set have the weights"):
        loss(target=few["grade"], pred=few["a"], query=few["query"], weight=np.arange(1.0, len(few) + 1.0))
    with pytest.raises(UsageError, match="has no per-row value"):
        loss.each(target=few["grade"], pred=few["a"], query=few["query"])


def test_the_command_line_takes_sets(lossctl: Lossctl, write: Write) -> None:
    file = write("r.csv", "query,grade,score\nx,1,0.1\nx,0,0.9\ny,0,0.2\ny,1,0.7\n")
    options = [file, "-t", "grade", "-p", "score", "--role", "query=query"]
    second = 1.0 / np.log2(3.0)
    assert lossctl("eval", *options, "-l", "ndcg", "-f", "value").values == pytest.approx([(second + 1.0) / 2.0])
    assert lossctl("check", *options, "--min", "ndcg=0.9").code == 1
    assert lossctl("check", *options, "--min", "ndcg=0.8").code == 0
