"""Scores: the numbers of scikit-learn and SciPy for every task, their standard errors, and what has none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics

import lossctl as package
from lossctl import Report
from lossctl.engine.finish import Samples
from tests.conftest import Lossctl

Values = NDArray[Any]
AVERAGES = ("macro", "weighted", "micro")
RATES = {"precision": metrics.precision_score, "recall": metrics.recall_score, "f1": metrics.f1_score}
SEEDS = range(6)


def score(spec: str, target: Any, pred: Any, weight: Any = None, **more: Any) -> float:
    return package.get(spec)(target, pred, weight=weight, **more)


def weights(rng: np.random.Generator, rows: int) -> tuple[Values | None, Values]:
    return None, rng.gamma(1.0, 1.0, rows) * (rng.random(rows) < 0.9)


def same(value: float) -> Any:
    return pytest.approx(value, rel=1e-11, abs=1e-13, nan_ok=True)


# the numbers of other libraries ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_two_classes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pred = np.round(rng.random(int(rng.integers(20, 200))), 1 + seed % 3)
    target = (rng.random(pred.size) < 0.2 + 0.6 * pred).astype(int)
    answer = (pred > 0.5).astype(int)
    for weight in weights(rng, pred.size):
        words = {"sample_weight": weight}
        assert score("roc_auc", target, pred, weight) == same(metrics.roc_auc_score(target, pred, **words))
        assert score("ap", target, pred, weight) == same(metrics.average_precision_score(target, pred, **words))
        for values in (pred, answer, answer.astype(bool)):
            assert score("accuracy", target, values, weight) == same(metrics.accuracy_score(target, answer, **words))
            assert score("mcc", target, values, weight) == same(metrics.matthews_corrcoef(target, answer, **words))
            assert score("kappa", target, values, weight) == same(metrics.cohen_kappa_score(target, answer, **words))
            expected = metrics.balanced_accuracy_score(target, answer, **words)
            assert score("balanced_accuracy", target, values, weight) == same(expected)
            for name, function in RATES.items():
                for average in ("binary", *AVERAGES):
                    spec = f"{name}:average={average}"
                    assert score(spec, target, values, weight) == same(
                        function(target, answer, average=average, **words)
                    )


@pytest.mark.parametrize("seed", SEEDS)
def test_several_classes_as_columns_and_as_answers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes, rows = 3 + seed % 3, int(rng.integers(40, 200))
    pred = rng.multinomial(100, rng.dirichlet(np.ones(classes), rows)) / 100.0
    target = np.array([rng.choice(classes, p=0.5 * p / p.sum() + 0.5 / classes) for p in pred])
    target[:classes] = np.arange(classes)
    answer, words = pred.argmax(axis=1), np.array(["ant", "bee", "cat", "dog", "elk"])
    for weight in weights(rng, rows):
        of = {"sample_weight": weight}
        expected = {
            "accuracy": metrics.accuracy_score(target, answer, **of),
            "mcc": metrics.matthews_corrcoef(target, answer, **of),
            "kappa": metrics.cohen_kappa_score(target, answer, **of),
            **{
                f"{name}:average={average},zero_division=0": function(
                    target, answer, average=average, zero_division=0.0, **of
                )
                for name, function in RATES.items()
                for average in AVERAGES
            },
        }
        if weight is None:
            expected["balanced_accuracy"] = metrics.balanced_accuracy_score(target, answer)
        for spec, value in expected.items():
            assert score(spec, target, pred, weight) == same(value), spec
            assert score(spec, words[target], words[answer], weight) == same(value), spec
            assert score(spec, np.eye(classes)[target], pred, weight) == same(value), spec
        for average in AVERAGES:
            ap = metrics.average_precision_score(np.eye(classes)[target], pred, average=average, **of)
            assert score(f"average_precision:average={average}", target, pred, weight) == same(ap)
            auc = metrics.roc_auc_score(np.eye(classes)[target], pred, average=average, **of)
            assert score(f"roc_auc:average={average}", target, pred, weight) == same(auc)
        for k in (1, 2):
            shift = 1e-9 * np.arange(classes)[::-1]  # of equal columns scikit-learn takes the last
            top = metrics.top_k_accuracy_score(target, pred + shift, k=k, labels=np.arange(classes), **of)
            assert score(f"top_k_accuracy:k={k}", target, pred, weight) == same(top)
    for average in ("macro", "weighted"):
        probabilities = pred / pred.sum(axis=1, keepdims=True)
        ovo = metrics.roc_auc_score(target, probabilities, average=average, multi_class="ovo")
        assert score(f"roc_auc:average={average},multi_class=ovo", target, probabilities) == same(ovo)


@pytest.mark.parametrize("seed", SEEDS)
def test_several_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = (rng.random((80, 3)) < 0.4).astype(int)
    pred = np.clip(np.round(0.3 * target + 0.7 * rng.random((80, 3)), 2), 0.0, 1.0)
    answer = (pred > 0.5).astype(int)
    for weight in weights(rng, 80):
        of = {"sample_weight": weight}
        for average in AVERAGES:
            expected = {
                f"roc_auc:average={average}": metrics.roc_auc_score(target, pred, average=average, **of),
                f"ap:average={average}": metrics.average_precision_score(target, pred, average=average, **of),
                **{f"{name}:average={average}": f(target, answer, average=average, **of) for name, f in RATES.items()},
            }
            for spec, value in expected.items():
                assert score(spec, target, pred, weight, task="multilabel") == same(value), spec
        subset = metrics.accuracy_score(target, answer, **of)
        assert score("accuracy", target, pred, weight, task="multilabel") == same(subset)


@pytest.mark.parametrize("seed", SEEDS)
def test_correlations_of_ranks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = np.round(rng.normal(size=150), seed % 3)
    pred = np.round(target + rng.normal(size=150), 1)
    assert score("spearman", target, pred) == same(stats.spearmanr(target, pred).statistic)
    assert score("kendall", target, pred) == same(stats.kendalltau(target, pred).statistic)
    assert score("spearman", target, np.exp(pred)) == score("spearman", target, pred)
    assert score("c_index:events=false", target > 0.0, pred) == same(score("roc_auc", target > 0.0, pred))


@pytest.mark.parametrize("seed", SEEDS)
def test_concordance_of_subjects_by_every_pair(seed: int) -> None:
    rng = np.random.default_rng(seed)
    time, risk = np.round(rng.exponential(size=(2, 60)), 1)
    event = (rng.random(60) < 0.6).astype(float)
    for weight in (np.ones(60), rng.gamma(1.0, 1.0, 60)):
        later = (time[:, None] < time) | ((time[:, None] == time) & (event == 0.0))
        pairs = weight[:, None] * weight * later * event[:, None]
        good = (risk[:, None] > risk) + 0.5 * (risk[:, None] == risk)
        value = package.get("c_index")(target=time, event=event, pred=risk, weight=weight)
        assert value == same(float((pairs * good).sum() / pairs.sum()))


@pytest.mark.parametrize("seed", SEEDS)
def test_lists(seed: int) -> None:
    rng = np.random.default_rng(seed)
    query = np.repeat(np.arange(12), 6)
    target, pred = (rng.random(72) < 0.4).astype(int), np.round(rng.random(72), 1)
    target[::6] = 1
    lists = list(zip(target.reshape(12, 6), pred.reshape(12, 6), strict=True))
    expected = np.mean([metrics.average_precision_score(y, s) for y, s in lists])
    assert score("map", target, pred, query=query) == same(float(expected))
    shuffled = rng.permutation(72)
    assert score("map", target[shuffled], pred[shuffled], query=query[shuffled]) == same(float(expected))
    distinct = np.argsort(rng.random((12, 6))).astype(float)
    places = [
        1 + int(np.flatnonzero(y[np.argsort(-s)])[0]) for y, s in zip(target.reshape(12, 6), distinct, strict=True)
    ]
    assert score("mrr", target, distinct.ravel(), query=query) == same(float(np.mean(1.0 / np.array(places))))
    top = np.mean([1.0 / place if place <= 2 else 0.0 for place in places])
    assert score("mrr:k=2", target, distinct.ravel(), query=query) == same(float(top))


def test_a_perfect_order_is_one_whatever_ties_it_has() -> None:
    target = [1, 1, 1, 0, 0, 1, 0]
    for spec in ("mrr", "map", "mrr:k=1", "map:k=2", "roc_auc", "ap"):
        assert score(spec, target, target) == 1.0


def test_intervals_and_images_are_scored_as_numpy_does() -> None:
    rng = np.random.default_rng(4)
    target, low, weight = rng.random(40), rng.random(40) - 0.3, rng.integers(0, 3, 40).astype(float)
    high = low + rng.random(40)
    missed = np.maximum(low - target, 0.0) + np.maximum(target - high, 0.0)
    expected = np.average(high - low + 2.0 / 0.2 * missed, weights=weight)
    assert score("interval_score:alpha=0.2", target, np.stack([low, high], axis=1), weight) == same(expected)
    noise = np.average((low - target) ** 2, weights=weight)
    assert score("psnr:data_range=2", target, low, weight) == same(10.0 * np.log10(4.0 / noise))


def test_weighted_interval_score_is_that_of_its_intervals() -> None:
    rng = np.random.default_rng(3)
    target, pred = rng.normal(size=50), np.sort(rng.normal(size=(50, 5)), axis=1)
    wide, narrow = (score(f"interval_score:alpha={a}", target, pred[:, c]) for a, c in ((0.1, [0, 4]), (0.5, [1, 3])))
    middle = score("mae", target, pred[:, 2])
    value = score("wis:q=0.05/0.25/0.5/0.75/0.95", target, pred)
    assert value == same((0.5 * middle + 0.05 * wide + 0.25 * narrow) / 2.5)
    assert score("coverage", target, pred[:, [0, 4]]) == np.mean((pred[:, 0] <= target) & (target <= pred[:, 4]))


@pytest.mark.deep
@pytest.mark.parametrize("rows", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_many_rows_with_ties(rows: int) -> None:
    rng = np.random.default_rng(0)
    pred = np.round(rng.random(rows), 4)
    target = (rng.random(pred.size) < pred).astype(int)
    value = pred + rng.normal(size=pred.size)
    assert score("roc_auc", target, pred) == same(metrics.roc_auc_score(target, pred))
    assert score("ap", target, pred) == same(metrics.average_precision_score(target, pred))
    assert score("mcc", target, pred) == same(metrics.matthews_corrcoef(target, pred > 0.5))
    assert score("f1", target, pred) == same(metrics.f1_score(target, pred > 0.5))
    assert score("spearman", value, pred) == same(stats.spearmanr(value, pred).statistic)
    assert score("kendall", value, pred) == same(stats.kendalltau(value, pred).statistic)


# what has no number ----------------------------------------------------------------------------------------------

NOTHING = {"y": [0, 0, 0], "p": [0.1, 0.2, 0.3]}


@pytest.mark.parametrize(
    "spec", ["roc_auc", "average_precision", "precision", "recall", "f1", "mcc", "kappa", "balanced_accuracy"]
)
def test_what_is_not_defined_has_a_reason_and_counts_as_is_said(spec: str) -> None:
    [cell] = package.evaluate(NOTHING, target="y", pred="p", losses=spec).cells
    assert (cell.status, np.isnan(cell.value)) == ("undefined", True)
    assert cell.reason is not None
    assert "zero_division=" in cell.reason
    [cell] = package.evaluate(NOTHING, target="y", pred="p", losses=f"{spec}:zero_division=0").cells
    assert (cell.status, cell.value) == ("ok", 0.0)


def test_a_class_that_is_never_answered_is_told() -> None:
    target, answer = ["a", "b", "c", "c"], ["a", "a", "c", "c"]
    assert np.isnan(score("precision:average=macro", target, answer))
    assert score("precision:average=macro,zero_division=0", target, answer) == pytest.approx(0.5)
    assert score("precision:average=macro,zero_division=1", target, answer) == pytest.approx(2.5 / 3.0)
    assert score("f1:average=macro", target, answer) == pytest.approx((2.0 / 3.0 + 0.0 + 1.0) / 3.0)


def test_what_takes_several_classes_is_named(lossctl: Lossctl) -> None:
    words = ("-t", "cultivar", "-p", "forest=forest_*")
    ended = lossctl("eval", "sample_data/wine.csv", *words, "-l", "f1")
    assert ended.code == 2
    assert "f1:average=macro or f1:average=weighted or f1:average=micro takes these" in ended.err
    assert lossctl("eval", "sample_data/wine.csv", *words, "-l", "f1:average=macro").code == 0


def test_what_takes_predicted_classes_is_named() -> None:
    data = {"y": ["ant", "bee", "cat"], "p": ["ant", "bee", "bee"]}
    with pytest.raises(package.UsageError, match=r"f1:average=macro .* takes predicted classes"):
        package.evaluate(data, target="y", pred="p", losses="f1")
    assert package.evaluate(data, target="y", pred="p", losses="f1:average=micro").cells[0].value == 2.0 / 3.0
    yes = {"y": ["no", "yes", "yes"], "p": ["no", "yes", "no"]}
    assert package.evaluate(yes, target="y", pred="p", losses="f1", positive_label="yes").cells[0].value == 2.0 / 3.0


def test_no_score_is_offered_for_another() -> None:
    with pytest.raises(package.DataError, match="--activation sigmoid") as refusal:
        package.evaluate({"y": [0, 1, 1], "p": [0.5, 2.0, -3.0]}, target="y", pred="p", losses="f1")
    assert "of its kind" not in str(refusal.value)


# standard errors, comparisons, gates -----------------------------------------------------------------------------


def delong(target: Values, *scores: Values) -> tuple[Values, Values]:
    """Areas and their covariance as in the paper, from placement values by every pair."""
    yes, no = target == 1, target == 0
    kernels = [(s[yes][:, None] > s[no]) + 0.5 * (s[yes][:, None] == s[no]) for s in scores]
    of_yes, of_no = (np.array([kernel.mean(axis=axis) for kernel in kernels]) for axis in (1, 0))
    covariance = np.atleast_2d(np.cov(of_yes)) / yes.sum() + np.atleast_2d(np.cov(of_no)) / no.sum()
    return np.array([kernel.mean() for kernel in kernels]), covariance


def two_models(rows: int = 300) -> dict[str, Values]:
    rng = np.random.default_rng(5)
    y = (rng.random(rows) < 0.4).astype(int)
    shared = rng.normal(size=rows)
    a, b = (1.0 / (1.0 + np.exp(-np.round(y + shared + size * rng.normal(size=rows), 1))) for size in (1.0, 0.7))
    clusters = np.repeat(np.arange(rows), 5)[:rows]
    return {"y": y, "a": a, "b": b, "w": rng.gamma(2.0, 1.0, rows), "c": clusters, "t": np.arange(rows)}


def test_the_standard_error_of_an_area_is_that_of_delong() -> None:
    data = two_models()
    areas, covariance = delong(data["y"], data["a"], data["b"])
    report = package.compare(data, target="y", pred=["a", "b"], losses="roc_auc")
    cells = report.cells
    assert [cell.value for cell in cells] == pytest.approx(areas.tolist(), rel=1e-12)
    assert [cell.stderr for cell in cells] == pytest.approx(np.sqrt(np.diagonal(covariance)).tolist(), rel=1e-12)
    [comparison] = report.comparisons
    assert comparison.difference == pytest.approx(areas[1] - areas[0], rel=1e-12)
    variance = covariance[0, 0] + covariance[1, 1] - 2.0 * covariance[0, 1]
    assert comparison.stderr == pytest.approx(np.sqrt(variance), rel=1e-12)


def stderrs(report: Report) -> list[float | None]:
    return [cell.stderr for cell in report.cells] + [comparison.stderr for comparison in report.comparisons]


TWO_ANSWERS = {"y": [1, 1, 1, 0, 1, 0, 1, 1], "many": [1, 0, 1, 1, 0, 0, 1, 1], "few": [0, 0, 0, 1, 1, 0, 0, 0]}
SHARES = ("f1", "precision", "recall", "accuracy", "zero_one", "balanced_accuracy", "csi")


@pytest.mark.parametrize("pred", ["many", "few"])
@pytest.mark.parametrize("spec", [*SHARES, "mcc", "kappa"])
def test_an_interval_of_few_answers_ends_within_the_score(spec: str, pred: str) -> None:
    [cell] = package.evaluate(TWO_ANSWERS, target="y", pred=pred, losses=spec).cells
    slices = package.evaluate({**TWO_ANSWERS, "g": ["a"] * 8}, target="y", pred=pred, losses=spec, by="g").cells
    assert cell.interval is not None
    assert cell.method in ("logit-t", "logit-skew-t", "skew-t")
    assert (-1.0 if spec in ("mcc", "kappa") else 0.0) < cell.interval[0] < cell.value < cell.interval[1] < 1.0
    assert slices[1].interval == pytest.approx(cell.interval, rel=1e-12)


@pytest.mark.parametrize(
    ("spec", "low"), [("roc_auc", 0.0), ("ap", 0.0), ("kendall", -1.0), ("c_index:events=false", 0.0)]
)
def test_an_interval_ends_within_the_score(spec: str, low: float) -> None:
    data = {"y": [0, 0, 0, 0, 0, 1, 1, 1, 1, 1], "p": [1.0, 2.0, 3.0, 4.0, 6.0, 5.0, 7.0, 8.0, 9.0, 10.0]}
    [cell] = package.evaluate(data, target="y", pred="p", losses=spec).cells
    assert cell.interval is not None
    assert cell.stderr is not None
    assert cell.method == "logit-t"
    assert low < cell.interval[0] < cell.value < cell.interval[1] < 1.0
    logits = [stats.logistic.ppf((x - low) / (1.0 - low)) for x in (cell.value, *cell.interval)]
    reach = stats.t(9).ppf(0.975) * cell.stderr * (1.0 - low) / ((cell.value - low) * (1.0 - cell.value))
    assert [logits[0] - logits[1], logits[2] - logits[0]] == pytest.approx([reach, reach], rel=1e-9)
    [cell] = package.evaluate({"y": [0, 1, 1], "p": [0.0, 1.0, 2.0]}, target="y", pred="p", losses="roc_auc").cells
    assert (cell.value, cell.interval) == (1.0, None)


SPECS = (
    "roc_auc",
    "average_precision",
    "spearman",
    "kendall",
    "f1",
    "f1:average=macro",
    "mcc",
    "kappa",
    "accuracy",
    "balanced_accuracy",
    "c_index:events=false",
)


WITH = ({"weight": "w"}, {"cluster": "c"}, {"cluster": "c", "weight": "w"})


@pytest.mark.deep
@pytest.mark.parametrize(
    ("spec", "options"),
    [
        *((spec, {}) for spec in SPECS),
        *(
            pytest.param(spec, options, marks=[pytest.mark.slow] if (i + k) % 3 else [])
            for i, spec in enumerate(SPECS)
            for k, options in enumerate(WITH)
        ),
    ],
    ids=str,
)
def test_errors_and_differences_are_those_of_the_bootstrap(spec: str, options: dict[str, Any]) -> None:
    """They agree to the error of a two hundred resamples."""
    data = two_models(400)
    plain = package.compare(data, target="y", pred=["a", "b"], losses=spec, **options)
    resampled = package.compare(
        data, target="y", pred=["a", "b"], losses=spec, ci_method="bootstrap", resamples=200, **options
    )
    assert stderrs(plain) == pytest.approx(stderrs(resampled), rel=0.25)


def test_a_series_has_an_error_of_its_own() -> None:
    data = two_models()
    for spec in ("roc_auc", "mcc"):
        plain = package.compare(data, target="y", pred=["a", "b"], losses=spec).comparisons[0]
        in_time = package.compare(data, target="y", pred=["a", "b"], losses=spec, time="t").comparisons[0]
        assert in_time.stderr == pytest.approx(plain.stderr, rel=0.3)
        assert in_time.stderr != plain.stderr


def test_influences_of_classes_are_those_of_two_classes() -> None:
    """As columns of yes and no the table is one of sums, as two classes it is a sample."""
    data = two_models()
    words = {name: np.where(data[name] > 0.5, "yes", "no") for name in ("y", "a", "b")}
    for spec in ("mcc", "kappa", "balanced_accuracy", "f1:average=macro", "precision:average=weighted"):
        binary = package.compare(data, target="y", pred=["a", "b"], losses=spec)
        classes = package.compare(words, target="y", pred=["a", "b"], losses=spec)
        assert stderrs(binary) == pytest.approx(stderrs(classes), rel=1e-9)
        for ours, other in zip(binary.cells, classes.cells, strict=True):
            assert ours.value == pytest.approx(other.value, rel=1e-12)


def test_slices_are_their_rows() -> None:
    data = two_models()
    data["g"] = data["t"] % 3
    for spec in ("roc_auc", "spearman", "f1:average=macro", "mcc"):
        report = package.evaluate(data, target="y", pred="a", losses=spec, by="g")
        for cell in report.cells[1:]:
            rows = data["g"] == int(cell.slice["g"])
            alone = package.evaluate({k: v[rows] for k, v in data.items()}, target="y", pred="a", losses=spec).cells[0]
            assert (cell.value, cell.stderr) == pytest.approx((alone.value, alone.stderr), rel=1e-12)


@pytest.mark.parametrize("decide", ["point", "significant", "noninferior"])
def test_a_gate_knows_that_more_is_better(decide: str, lossctl: Lossctl, tmp_path: Path) -> None:
    data = two_models(2000)
    noise = np.random.default_rng(1).random(2000)
    lines = [f"{y},{a},{0.5 * a + 0.5 * z}" for y, a, z in zip(data["y"], data["a"], noise, strict=True)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["y,a,bad", *lines]) + "\n")
    words = ("check", str(path), "-t", "y", "--max-regression", "roc_auc=1%", "--decide", decide)
    assert lossctl(*words, "-p", "a", "-p", "bad", "--baseline", "a").code == 1
    assert lossctl(*words, "-p", "bad", "-p", "a", "--baseline", "bad").code == 0


def test_the_order_of_rows_and_threads_leave_no_trace(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    y, p, w = rng.integers(0, 3, 100_000), rng.integers(0, 3, 100_000), rng.random(100_000)
    data = {"y": np.array(["a", "b", "c"])[y], "p": np.array(["a", "b", "c"])[p], "w": w}
    order = rng.permutation(100_000)
    other = {name: values[order] for name, values in data.items()}
    for spec in ("mcc", "f1:average=macro"):
        results = [
            package.evaluate(rows, target="y", pred="p", losses=spec, weight="w", threads=threads).cells[0]
            for rows, threads in ((data, 1), (data, 2), (other, 2))
        ]
        assert len({(cell.value, cell.stderr) for cell in results}) == 1


# columns by their names ------------------------------------------------------------------------------------------


def test_bounds_that_are_named_say_what_they_leave_out(lossctl: Lossctl, tmp_path: Path) -> None:
    path = tmp_path / "bounds.csv"
    path.write_text("y,lo-80,hi-80\n1,0,2\n3,1,2.5\n")
    ended = lossctl(
        "eval", str(path), "-t", "y", "-p", "m=lo-80,hi-80", "-l", "interval_score", "-l", "coverage", "-f", "json"
    )
    values = {cell["loss"]: cell["value"] for cell in json.loads(ended.out)["results"]}
    assert values == {"interval_score": pytest.approx((2.0 + 1.5 + 5.0) / 2.0), "coverage": 0.5}
    assert "alpha=0.2, as the columns are named" in ended.err
    ended = lossctl("eval", str(path), "-t", "y", "-p", "m=lo-80,hi-80", "-l", "interval_score:alpha=0.3")
    assert ended.code == 2
    assert "leave alpha out" in ended.err


# of many rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [63, 64, 65, 129, 1_500])
@pytest.mark.parametrize("digits", [0, 1, 9])
def test_pairs_of_many_rows(rows: int, digits: int) -> None:
    rng = np.random.default_rng(rows)
    target = np.round(rng.normal(size=rows), digits)
    pred = np.round(target + rng.normal(size=rows), digits)
    assert score("kendall", target, pred) == same(stats.kendalltau(target, pred)[0])
    weight = rng.integers(1, 4, rows)
    repeated = np.repeat(target, weight), np.repeat(pred, weight)
    x, y = (np.sign(line[:, np.newaxis] - line) for line in (target, pred))
    both = np.outer(weight, weight)
    expected = np.sum(both * x * y) / np.sqrt(np.sum(both * x**2) * np.sum(both * y**2))
    assert score("kendall", target, pred, weight) == same(expected)
    comparable = np.sum(both * (x > 0.0))
    expected = np.sum(both * (x > 0.0) * (0.5 + 0.5 * y)) / comparable
    assert score("c_index:events=false", target, pred, weight) == same(expected)
    assert score("spearman", target, pred, weight) == same(stats.spearmanr(*repeated)[0])


def test_a_class_that_is_neither_observed_nor_an_answer_has_no_say() -> None:
    observed, answers = ["b", "c", "d"], np.eye(5)[[1, 2, 3]]
    for average in ("macro", "weighted", "micro"):
        spec = f"f1:average={average},zero_division=0"
        assert score(spec, observed, answers, classes=["a", "b", "c", "d", "e"]) == 1.0


# laws ------------------------------------------------------------------------------------------------------------

ORDERS = ("roc_auc", "average_precision", "spearman", "kendall", "c_index:events=false")


@pytest.mark.parametrize("spec", ORDERS)
def test_only_the_order_of_predictions_counts(spec: str) -> None:
    rng = np.random.default_rng(5)
    pred = np.round(rng.normal(size=300), 1)
    target = (pred + rng.normal(size=300) > 0.0).astype(float)
    weight = rng.gamma(1.0, 1.0, 300)
    for rising in (np.exp, np.arctan, lambda x: 8.0 * x - 3.0, lambda x: x**3 + x):
        assert score(spec, target, rising(pred), weight) == score(spec, target, pred, weight)


@pytest.mark.parametrize(("spec", "sum_of_both"), [("roc_auc", 1.0), ("spearman", 0.0), ("kendall", 0.0)])
def test_the_reverse_order_has_the_opposite_score(spec: str, sum_of_both: float) -> None:
    rng = np.random.default_rng(6)
    pred = np.round(rng.normal(size=300), 1)
    target = (pred + rng.normal(size=300) > 0.0).astype(float)
    assert score(spec, target, pred) + score(spec, target, -pred) == same(sum_of_both)
    assert score(spec, target, target) == 1.0
    assert score(spec, target, -target) == same(sum_of_both - 1.0)


@pytest.mark.parametrize("spec", ["spearman", "kendall"])
def test_neither_line_of_a_correlation_is_first(spec: str) -> None:
    x, y = np.round(np.random.default_rng(7).normal(size=(2, 300)), 1)
    assert score(spec, x, y) == same(score(spec, y, x))


@pytest.mark.parametrize("spec", ["mcc", "kappa", "accuracy", "f1:average=micro", "f1:average=macro"])
def test_neither_rater_is_first(spec: str) -> None:
    rng = np.random.default_rng(8)
    first = rng.integers(0, 4, 300)
    second = np.where(rng.random(300) < 0.6, first, rng.integers(0, 4, 300))
    names = np.array(["a", "b", "c", "d"])
    assert score(spec, names[first], names[second]) == same(score(spec, names[second], names[first]))


@pytest.mark.parametrize("by", [None, "g"])
def test_a_comparison_takes_the_influences_of_a_model_once(by: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(16)
    y = rng.random(200) < 0.5
    data = {
        "y": y.astype(int),
        "p": y + rng.normal(size=200),
        "q": y + rng.normal(size=200),
        "g": rng.integers(0, 2, 200),
    }
    calls: list[tuple[str, Any]] = []
    influenced = Samples.influenced

    def counted(samples: Samples, model: str, question: Any, scope: Any) -> Any:
        calls.append((model, scope.words))
        return influenced(samples, model, question, scope)

    monkeypatch.setattr(Samples, "influenced", counted)
    report = package.compare(data, target="y", pred=["p", "q"], losses="roc_auc", by=by)
    assert all(comparison.interval is not None for comparison in report.comparisons)
    assert len(calls) == len(set(calls)) == len(report.cells)


def test_a_class_of_one_row_has_an_area_without_an_interval() -> None:
    data = {"y": [1, 0, 0, 0], "p": [0.25, 0.1, 0.2, 0.3]}
    (cell,) = package.evaluate(data, target="y", pred="p", losses="roc_auc").cells
    assert cell.value == pytest.approx(2 / 3)
    assert (cell.interval, cell.interval_reason) == (None, "a class of one row has no spread")


@pytest.mark.parametrize("score", ["kappa", "mcc", "balanced_accuracy", "zero_one"])
def test_rows_of_several_labels_lead_to_what_takes_them(score: str) -> None:
    data = {"t_a": [1, 0, 1], "t_b": [1, 1, 0], "s_a": [0.9, 0.2, 0.6], "s_b": [0.7, 0.6, 0.1]}
    with pytest.raises(
        package.DataError, match=f"--task multilabel says so, with -l accuracy or hamming in place of {score}"
    ):
        package.evaluate(data, target="t_*", pred="m=s_*", losses=score)
    assert [cell.value for cell in package.evaluate(data, target="t_*", pred="m=s_*", losses="accuracy,hamming")] == [
        1,
        0,
    ]
