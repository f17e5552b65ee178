"""Figures of predictions: their numbers are those of NumPy, scikit-learn and the engine, whatever the rows come in."""

from __future__ import annotations

import io
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix

import lossctl
from lossctl.core.counts import Counts, GridCounts, floats_of, keys_of
from lossctl.output.plot import shade_edges
from lossctl.results.figure import Figure, Layer
from tests.conftest import Lossctl

RNG = np.random.default_rng(17)
ROWS = 5000
TARGET = RNG.gamma(2.0, 30.0, ROWS)
NUMBERS = pd.DataFrame(
    {
        "y": TARGET,
        "a": TARGET + RNG.standard_t(3.0, ROWS) * 5.0,
        "b": np.abs(TARGET * RNG.normal(1.0, 0.2, ROWS)),
        "w": RNG.integers(0, 4, ROWS).astype(np.float64) / 2.0,
    }
)
PROBABILITY = RNG.beta(0.6, 0.9, ROWS)
FLAGS = pd.DataFrame(
    {
        "y": (RNG.random(ROWS) < PROBABILITY**1.2).astype(np.float64),
        "p": PROBABILITY,
        "q": np.round(PROBABILITY, 1),
        "w": NUMBERS["w"],
    }
)
CLASSES = RNG.dirichlet((0.7, 0.5, 0.9), ROWS)
LABELS = pd.DataFrame({f"p_{name}": CLASSES[:, code] for code, name in enumerate("abc")})
LABELS["y"] = np.array(["a", "b", "c"])[np.minimum((CLASSES.cumsum(axis=1) < RNG.random((ROWS, 1))).sum(axis=1), 2)]
ROW_PLOTS = ("residuals", "scatter", "rec", "bias", "calibration", "lift")


def layers(figure: Figure, mark: str, panel: int = 0) -> list[Layer]:
    return [layer for layer in figure.panels[panel].layers if layer.mark == mark]


def of_numbers(kind: str, **options: Any) -> Figure:
    return lossctl.plot(kind, NUMBERS, target="y", pred=["a", "b"], **options)


# states ----------------------------------------------------------------------------------------------------------


@pytest.mark.deep
@pytest.mark.parametrize("kind", [Counts, GridCounts])
@pytest.mark.parametrize("scale", [1.0, 1e-320, 1e290])
def test_counts_merge_in_any_order_to_the_same_bits(kind: type[Counts], scale: float) -> None:
    values, weights = scale * RNG.standard_cauchy((2, 30_000)), RNG.random(30_000) ** 60

    def state(order: np.ndarray, size: int, most: int) -> Counts:
        merged: Counts | None = None
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            counts = kind.of(keys_of(values[:, rows]), weights[np.newaxis, rows], most=most)
            merged = counts if merged is None else counts.merge(merged)
        assert merged is not None
        return merged

    first = state(np.arange(30_000), 30_000, 1000)
    second = state(RNG.permutation(30_000), 777, 1000)
    assert first.cells <= 1000
    assert (first.drop, first.units(0)) == (second.drop, second.units(0))
    assert np.array_equal(first.keys, second.keys)
    assert np.array_equal(first.rows, second.rows)
    assert sum(first.units(0)) / 2**1074 == math.fsum(weights)


def test_few_different_numbers_stay_what_they_are() -> None:
    values = np.array([3.5, -0.0, 0.0, -1e300, 5e-324, 3.5, -7.25])
    counts = Counts.of(keys_of(values)[np.newaxis])
    assert counts.low_edges().tolist() == sorted(set(values.tolist()))
    assert counts.rows.tolist() == [1, 1, 2, 1, 2]
    assert np.array_equal(floats_of(keys_of(values)), values)


def test_counts_between_multiples_of_a_power_of_two_are_those_of_numpy() -> None:
    values = RNG.standard_normal(200_000) * 10.0
    counts = Counts.of(keys_of(values)[np.newaxis], most=4000)
    edges = np.arange(-160, 161) * 0.25
    assert counts.bits >= 7
    assert counts.drop > 40
    between = np.histogram(counts.low_edges(), edges, weights=counts.rows)[0]
    assert np.array_equal(between, np.histogram(values, edges)[0])


# regression ------------------------------------------------------------------------------------------------------


def test_a_histogram_of_residuals_is_that_of_numpy_with_its_edges() -> None:
    bars = layers(of_numbers("residuals"), "bar")
    assert [layer.series for layer in bars] == ["a", "b"]
    for layer in bars:
        residuals = NUMBERS[layer.series] - NUMBERS["y"]
        edges = np.array([*layer.x, layer.x2[-1]])
        assert np.allclose(layer.y2, 100.0 * np.histogram(residuals, edges)[0] / ROWS, rtol=1e-14)


def test_extreme_residuals_are_counted_and_do_not_widen_the_axis() -> None:
    rows = NUMBERS.assign(a=NUMBERS["a"].where(NUMBERS.index > 2, 1e12))
    figure = lossctl.plot("residuals", rows, target="y", pred=["a", "b"])
    plain = of_numbers("residuals")
    assert figure.panels[0].x.domain == plain.panels[0].x.domain
    assert any(note.startswith("beyond the axis, rows of a: ") and " above " in note for note in figure.notes)


def test_the_share_within_an_error_is_exact() -> None:
    for layer in layers(of_numbers("rec"), "line"):
        errors = np.abs(NUMBERS[layer.series].to_numpy() - TARGET)
        shares = [100.0 * np.count_nonzero(errors <= error) / ROWS for error in layer.x]
        assert np.allclose(layer.y, shares, rtol=1e-14)


def test_a_model_without_errors_has_a_curve_and_a_bar_between_others() -> None:
    rows = NUMBERS.assign(a=NUMBERS["y"])
    [bar] = layers(lossctl.plot("residuals", rows, target="y", pred="a"), "bar")
    assert bar.y2 == (0.0, 100.0, 0.0)
    perfect, fair = layers(lossctl.plot("rec", rows, target="y", pred=["a", "b"]), "line")
    assert (perfect.x[:2], perfect.y[-2:], perfect.x[-1]) == ((0.0, 0.0), (100.0, 100.0), fair.x[-1])


@pytest.mark.parametrize("kind", ["residuals", "scatter", "rec", "bias", "models"])
def test_numbers_at_the_end_of_what_there_is_have_a_picture(kind: str) -> None:
    far = np.where(TARGET > 0.0, 1.7e308, -1.7e308)
    figure = lossctl.plot(kind, {"y": far, "a": -far, "b": TARGET}, target="y", pred=["a", "b"])
    assert max(map(len, str(figure).splitlines())) <= 80


def test_points_are_rows_and_cells_are_counts_of_them() -> None:
    few = NUMBERS[:300]
    [points] = layers(lossctl.plot("scatter", few, target="y", pred="a"), "point")
    assert set(zip(points.x, points.y, strict=True)) <= set(zip(few["a"], few["y"], strict=True))
    [cells] = layers(of_numbers("scatter"), "cell")
    edges = np.arange(cells.x[0], max(cells.x2) + 1.0, cells.x2[0] - cells.x[0])
    assert len(edges) > 10
    step = cells.x2[0] - cells.x[0]
    for x, y, rows in list(zip(cells.x, cells.y, cells.value, strict=True))[::20]:
        inside = NUMBERS["a"].between(x, x + step, "left") & NUMBERS["y"].between(y, y + step, "left")
        assert rows == inside.sum()


@pytest.mark.parametrize("weight", [None, "w"])
def test_mean_residuals_and_their_intervals_are_those_of_the_engine_by_the_same_bins(weight: str | None) -> None:
    rows = NUMBERS if weight is None else NUMBERS[NUMBERS["w"] > 0.0]
    figure = lossctl.plot("bias", rows, target="y", pred="a", weight=weight)
    [points], [intervals] = layers(figure, "point"), layers(figure, "interval")
    report = lossctl.evaluate(rows, target="y", pred="a", losses="mbe", by="a:quantiles=10", weight=weight)
    cells = [cell for cell in report if cell.slice]
    assert list(points.size) == [cell.rows for cell in cells]
    assert np.allclose(points.y, [-cell.value for cell in cells], rtol=1e-12)  # mbe is true - predicted
    plain = [cell for cell in cells if cell.method == "t"]
    assert len(plain) >= 5
    for cell in plain:
        place = cells.index(cell)
        assert cell.interval is not None
        assert (intervals.y[place], intervals.y2[place]) == pytest.approx(
            [-end for end in cell.interval[::-1]],
            rel=1e-9 if weight is None else 5e-3,  # the engine counts unlike weights as fewer rows
        )


# classification --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_calibration_is_that_of_scikit_learn(strategy: str) -> None:
    figure = lossctl.plot("calibration", FLAGS, target="y", pred="p", widths=strategy == "uniform")
    [points] = layers(figure, "point")
    true, predicted = calibration_curve(FLAGS["y"], FLAGS["p"], n_bins=10, strategy=strategy)
    assert np.allclose(points.x, predicted, rtol=1e-3 if strategy == "quantile" else 1e-14)
    assert np.allclose(points.y, true, rtol=1e-2 if strategy == "quantile" else 1e-14)


def test_the_share_of_a_bin_has_the_interval_of_wilson() -> None:
    from statsmodels.stats.proportion import proportion_confint

    [points] = layers(figure := lossctl.plot("calibration", FLAGS, target="y", pred="p"), "point")
    [intervals] = layers(figure, "interval")
    sizes, means = np.array(points.size), np.array(points.y)
    low, high = proportion_confint(sizes * means, sizes, method="wilson")
    assert np.allclose(intervals.y, low)
    assert np.allclose(intervals.y2, high)


def test_classes_are_calibrated_by_their_largest_probability_or_each_for_itself() -> None:
    options: dict[str, Any] = {"target": "y", "pred": "m=p_*", "widths": True}
    [points] = layers(lossctl.plot("calibration", LABELS, **options), "point")
    right = (np.array(["a", "b", "c"])[CLASSES.argmax(axis=1)] == LABELS["y"]).astype(float)
    true, predicted = calibration_curve(right, CLASSES.max(axis=1), n_bins=10)
    assert np.allclose(points.x, predicted, rtol=1e-14)
    assert np.allclose(points.y, true, rtol=1e-14)
    each = layers(lossctl.plot("calibration", LABELS, per_class=True, **options), "point")
    assert [layer.series for layer in each] == ["m[a]", "m[b]", "m[c]"]
    true, predicted = calibration_curve((LABELS["y"] == "b").astype(float), CLASSES[:, 1], n_bins=10)
    assert np.allclose(each[1].y, true, rtol=1e-14)


def test_means_of_amounts_are_calibrated_too() -> None:
    [points] = layers(lossctl.plot("calibration", NUMBERS, target="y", pred="b"), "point")
    bins = pd.qcut(NUMBERS["b"], 10, labels=False)
    assert np.allclose(points.x, NUMBERS["b"].groupby(bins).mean(), rtol=1e-12)
    assert np.allclose(points.y, NUMBERS["y"].groupby(bins).mean(), rtol=1e-12)


def test_scores_are_histograms_by_class() -> None:
    for layer, flag in zip(layers(lossctl.plot("scores", FLAGS, target="y", pred="p"), "bar"), (0, 1), strict=True):
        counts = np.histogram(FLAGS["p"][FLAGS["y"] == flag], np.linspace(0.0, 1.0, 33))[0]
        assert np.allclose(layer.y2, 100.0 * counts / counts.sum(), rtol=1e-14)


def test_gains_go_from_the_largest_prediction_on() -> None:
    [line] = [layer for layer in layers(lossctl.plot("lift", FLAGS, target="y", pred="q"), "line") if layer.series]
    for share, gain in zip(line.x, line.y, strict=True):
        rows = FLAGS.sort_values("q", ascending=False)[: round(share / 100.0 * ROWS)]
        assert gain == pytest.approx(100.0 * rows["y"].sum() / FLAGS["y"].sum())
    assert len(line.x) == 12


def test_confusion_is_that_of_scikit_learn() -> None:
    figure = lossctl.plot("confusion", LABELS, target="y", pred="m=p_*")
    [cells] = layers(figure, "cell")
    answer = np.array(["a", "b", "c"])[CLASSES.argmax(axis=1)]
    assert figure.panels[0].y.categories == ("a", "b", "c")
    assert np.array_equal(np.reshape(cells.value, (3, 3)), confusion_matrix(LABELS["y"], answer))
    decided = lossctl.plot("confusion", LABELS.assign(answer=answer), target="y", pred="answer")
    assert layers(decided, "cell")[0].value == cells.value
    [binary] = layers(lossctl.plot("confusion", FLAGS, target="y", pred="p"), "cell")
    assert np.array_equal(np.reshape(binary.value, (2, 2)), confusion_matrix(FLAGS["y"], FLAGS["p"] > 0.5))


def test_classes_of_targets_that_are_rows_over_them_are_named_as_the_predictions() -> None:
    flags = {f"t_{name}": (LABELS["y"] == name) * 1 for name in "abc"}
    rows = LABELS.assign(**flags)
    for kind in ("confusion", "lift", "calibration"):
        by_class = kind == "calibration"
        of_labels, of_rows = (
            lossctl.plot(kind, rows, target=target, pred="m=p_*", task="multiclass", per_class=by_class)
            for target in ("y", "t_*")
        )
        assert of_rows.panels == of_labels.panels, kind
        assert of_rows.sentence == of_labels.sentence, kind


def test_colours_of_several_models_are_one_scale() -> None:
    figure = lossctl.plot("confusion", FLAGS, target="y", pred=["p", "q"])
    edges = [shade_edges(panel) for panel in figure.panels]
    assert edges[0] == edges[1]
    assert max(edges[0]) == max(layers(figure, "cell")[0].value + layers(figure, "cell", 1)[0].value)


def test_values_without_intervals_are_not_said_to_have_some() -> None:
    times = {"t": [1.0, 2.0, 3.0], "event": [1, 0, 1], "a": [0.5, 0.1, -1.0]}
    risks = lossctl.evaluate(times, target="t", pred="a", roles={"event": "event"}, losses=["cox"])
    assert risks.plot("models").notes == ()
    assert lossctl.evaluate(NUMBERS, target="y", pred="a", losses=["mae"]).plot("models").notes == ("95% intervals",)


def test_a_pure_number_is_no_unit_of_an_axis() -> None:
    figure = lossctl.evaluate(FLAGS, target="y", pred=["p", "q"], losses=["roc_auc"]).plot("models")
    assert figure.panels[0].x.heading == "roc_auc"
    assert str(figure).count("between 0 and 1") == 0


# the same figure -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plots")
    NUMBERS.to_csv(folder / "rows.csv", index=False)
    NUMBERS.to_parquet(folder / "rows.parquet", row_group_size=700)
    return folder


@pytest.mark.parametrize("kind", ROW_PLOTS)
@pytest.mark.parametrize("weight", [None, "w"])
def test_a_figure_is_the_same_of_any_container_order_and_number_of_threads(
    kind: str, weight: str | None, files: Path
) -> None:
    options: dict[str, Any] = {"target": "y", "pred": ["b"], "weight": weight}
    figure = lossctl.plot(kind, NUMBERS, **options)
    assert figure == lossctl.plot(kind, files / "rows.csv", **options)
    assert figure == lossctl.plot(kind, files / "rows.parquet", threads=2, **options)
    assert figure == lossctl.plot(kind, NUMBERS.sample(frac=1.0, random_state=1), **options)


def test_weights_count_rows_more_than_once() -> None:
    twice = NUMBERS.loc[NUMBERS.index.repeat((2.0 * NUMBERS["w"]).astype(int))]
    for kind in ("residuals", "rec", "lift"):
        weighted = lossctl.plot(kind, NUMBERS, target="y", pred="b", weight="w")
        repeated = lossctl.plot(kind, twice, target="y", pred="b")
        for one, other in zip(weighted.panels[0].layers, repeated.panels[0].layers, strict=True):
            assert np.allclose(one.x, other.x, rtol=1e-12)
            assert np.allclose(one.y, other.y, rtol=1e-12)
            assert np.allclose(one.y2, other.y2, rtol=1e-12)


# what is refused, and what is odd --------------------------------------------------------------------------------


def test_rows_are_left_out_and_refused_as_by_eval() -> None:
    lacking = NUMBERS.assign(a=NUMBERS["a"].where(NUMBERS.index > 2))
    with pytest.raises(lossctl.DataError, match="--missing drop"):
        lossctl.plot("rec", lacking, target="y", pred="a")
    figure = lossctl.plot("rec", lacking, target="y", pred="a", missing="drop")
    assert "3 of 5000 rows left out for a missing value" in figure.notes
    assert figure.panels == lossctl.plot("rec", NUMBERS[3:], target="y", pred="a").panels
    with pytest.raises(lossctl.DataError, match="needs pred in "):
        lossctl.plot("rec", NUMBERS.assign(a=np.inf), target="y", pred="a")
    odd_flags = FLAGS.assign(p=FLAGS["p"].where(FLAGS.index < 4000, np.inf))
    odd_classes = LABELS.assign(p_b=LABELS["p_b"].where(LABELS.index < 4000, -1e300))
    for kind in ("calibration", "scores", "lift", "confusion"):
        with pytest.raises(lossctl.DataError, match=r"needs pred in (probabilities|.0, 1.)"):
            lossctl.plot(kind, odd_flags, target="y", pred="p", task="binary")
        with pytest.raises(lossctl.DataError, match=r"needs pred in (probabilities|.0, 1.)"):
            lossctl.plot(kind, odd_classes, target="y", pred="m=p_*")


def test_many_classes_are_those_of_most_rows() -> None:
    classes = RNG.dirichlet(np.arange(1.0, 31.0), 2000)
    rows = pd.DataFrame(classes, columns=[f"p_{code}" for code in range(30)]).assign(y=classes.argmax(axis=1))
    figure = lossctl.plot("lift", rows, target="y", pred="m=p_*")
    frequent = rows["y"].value_counts().index[:10]
    assert set(figure.series) == {f"m[{code}]" for code in frequent}
    assert "20 more classes or outputs are not shown" in figure.notes
    weighted = lossctl.plot("lift", rows.assign(w=2.0), target="y", pred="m=p_*", weight="w")
    assert weighted.series == figure.series


@pytest.mark.parametrize("kind", ROW_PLOTS)
def test_constant_predictions_and_a_single_row_have_a_figure(kind: str) -> None:
    for rows in (NUMBERS[:1], NUMBERS.assign(b=3.0), NUMBERS.assign(b=NUMBERS["y"]), NUMBERS.assign(b=0.0, y=0.0)):
        figure = lossctl.plot(kind, rows, target="y", pred="b", task="regression")
        assert figure.panels[0].layers


@pytest.mark.parametrize("kind", ["residuals", "scatter", "rec", "bias"])
@pytest.mark.parametrize("numbers", [(1e308, -1e308, 0.0), (5e-324, 0.0, 1e-300), (1e16, 1e16 + 2.0, 1e16 + 4.0)])
def test_numbers_of_any_size_have_a_figure(kind: str, numbers: tuple[float, ...]) -> None:
    data = {"y": np.array(numbers), "p": np.array(numbers[::-1])}
    figure = lossctl.plot(kind, data, target="y", pred="p", task="regression")
    ends = [end for panel in figure.panels for axis in (panel.x, panel.y) if axis.domain for end in axis.domain]
    assert all(map(math.isfinite, ends))


def test_an_option_that_says_nothing_of_a_plot_is_refused() -> None:
    for kind, option in (("rec", {"bins": 5}), ("bias", {"widths": True}), ("lift", {"per_class": True})):
        with pytest.raises(lossctl.UsageError, match="says nothing of it; leave it out"):
            lossctl.plot(kind, NUMBERS, target="y", pred="a", **option)
    with pytest.raises(lossctl.UsageError, match="--per-class: there is one column"):
        lossctl.plot("calibration", FLAGS, target="y", pred="p", per_class=True)
    with pytest.raises(lossctl.UsageError, match="--widths: is for probabilities"):
        lossctl.plot("calibration", NUMBERS, target="y", pred="b", widths=True)
    with pytest.raises(lossctl.UsageError, match="--loss of losses"):
        lossctl.plot("rec", NUMBERS, target="y", pred="b", losses="mae")


def test_each_of_several_outputs_is_a_series_where_that_is_asked_for() -> None:
    data = {"y1": [1.0, 2.0], "y2": [5.0, 1.0], "p1": [1.5, 2.0], "p2": [5.0, 3.0]}
    options: dict[str, Any] = {"target": "y1,y2", "pred": "m=p1,p2"}
    [together] = layers(lossctl.plot("rec", data, **options), "line")
    assert together.x == (0.0, 0.0, 0.0, 0.5, 0.5, 2.0, 2.0, 2.0)  # a step at each error, for there are none between
    assert together.y == (0.0, 0.0, 50.0, 50.0, 75.0, 75.0, 100.0, 100.0)
    each = layers(lossctl.plot("rec", data, per_output=True, **options), "line")
    assert [(line.series, line.x) for line in each] == [
        ("m[1]", (0.0, 0.0, 0.0, 0.5, 0.5, 2.0)),
        ("m[2]", (0.0, 0.0, 0.0, 2.0, 2.0, 2.0)),
    ]


def test_a_class_without_rows_is_shown_as_one() -> None:
    figure = lossctl.plot("confusion", LABELS[LABELS["y"] != "c"], target="y", pred="m=p_*")
    assert np.reshape(layers(figure, "cell")[0].value, (3, 3))[2].tolist() == [0.0, 0.0, 0.0]


def test_a_plot_of_other_data_names_those_that_fit() -> None:
    with pytest.raises(lossctl.UsageError, match=r"the task here is regression .*residuals, scatter, rec, bias$"):
        lossctl.plot("scores", NUMBERS, target="y", pred="a")
    with pytest.raises(lossctl.UsageError, match=r"it is of numbers, .*calibration, scores, lift, confusion$"):
        lossctl.plot("bias", FLAGS, target="y", pred="p")
    with pytest.raises(lossctl.UsageError, match="did you mean 'calibration'"):
        lossctl.plot("calibratoin", FLAGS, target="y", pred="p")


# reports ---------------------------------------------------------------------------------------------------------


def test_a_forest_has_the_differences_of_compare_worst_first(tmp_path: Path) -> None:
    rows = NUMBERS.assign(g=np.repeat(list("uvwxy"), ROWS // 5))
    options: dict[str, Any] = {"target": "y", "pred": ["a", "b"], "losses": "mae", "by": "g"}
    figure = lossctl.plot("slices", rows, **options)
    report = lossctl.compare(rows, **options)
    [points], [intervals] = layers(figure, "point"), layers(figure, "interval")
    by_slice = {found.slice["g"]: found for found in report.comparisons if found.slice}
    order = [name[0] for name in figure.panels[0].y.categories]
    assert figure.panels[0].y.label == "g"
    assert list(points.x) == [by_slice[name].difference for name in order] == sorted(points.x, reverse=True)
    assert [*zip(intervals.x, intervals.x2, strict=True)] == [by_slice[name].interval for name in order]
    assert report.plot("slices") == figure
    report.save(tmp_path / "report.json")
    assert lossctl.plot("slices", tmp_path / "report.json").panels == figure.panels


def test_long_intervals_are_cut_and_only_the_baseline_is_compared_with() -> None:
    rows = NUMBERS.assign(g=np.where(NUMBERS.index < 4, "few", NUMBERS.index % 7), c=NUMBERS["y"] * 1.1)
    rows.loc[:3, "b"] = [1e3, -1e3, 2e3, 0.0]
    report = lossctl.compare(rows, target="y", pred=["a", "b", "c"], losses="mae", by="g", all_pairs=True)
    figure = report.plot("slices")
    points = layers(figure, "point")
    assert [layer.series for layer in points] == ["b", "c"]
    assert all(len(layer.x) == 8 for layer in points)
    ends = [end for layer in layers(figure, "interval") for end in (*layer.x, *layer.x2)]
    domain = figure.panels[0].x.domain
    assert domain is not None
    assert max(ends) > domain[1] > max(at for layer in points for at in layer.x)


def test_models_have_their_values_and_differences() -> None:
    report = lossctl.compare(NUMBERS, target="y", pred=["a", "b"], losses=["mae", "rmse"])
    figure = report.plot("models")
    assert [panel.x.label for panel in figure.panels] == [
        "mae",
        "mae: difference to a",
        "rmse",
        "rmse: difference to a",
    ]
    values = [at for layer in layers(figure, "point") for at in layer.x]
    assert values == [report.value("mae", "a"), report.value("mae", "b")]
    with pytest.raises(lossctl.UsageError, match="-t: the data is a saved report, for which it is settled"):
        lossctl.plot("models", report, target="y")


def test_history_goes_by_time_and_breaks_where_the_data_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = []
    for day, rows in enumerate((NUMBERS, NUMBERS, NUMBERS[:2000])):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(86_400 * (day + 1)))
        paths.append(tmp_path / f"{3 - day}.json")
        lossctl.check(rows, target="y", pred="a", max="mae=4").save(paths[-1])
    figure = lossctl.plot("history", paths[::-1], losses="mae")
    [line] = [layer for layer in layers(figure, "line") if layer.series == "a"]
    assert line.x == (0.0, 1.0, 1.5, 2.0)
    assert np.isnan(line.y[2])
    assert figure.sentence == "the data changes once, where lines are broken"
    assert line.y[0] == line.y[1] == lossctl.Report.load(paths[0]).value("mae")
    assert layers(figure, "rule")[0].y == (4.0,)


# the command line ------------------------------------------------------------------------------------------------


def test_the_figure_is_drawn_in_the_terminal_or_written_as_data(lossctl: Lossctl, files: Path, tmp_path: Path) -> None:
    words = ["plot", "residuals", str(files / "rows.csv"), "-t", "y", "-p", "a"]
    picture = lossctl(*words)
    assert picture.out.startswith("Residuals of a\n")
    document = json.loads(lossctl(*words, "-f", "json").out)
    assert (document["kind"], document["series"]) == ("residuals", ["a"])
    written = lossctl(*words, "-o", str(tmp_path / "figure.json"))
    assert written.out == ""
    assert json.loads((tmp_path / "figure.json").read_text())["panels"] == document["panels"]


def test_a_report_draws_its_rows_again() -> None:
    report = lossctl.evaluate(NUMBERS, target="y", pred=["a", "b"], losses="mae")
    assert report.plot("rec") == lossctl.plot("rec", NUMBERS, target="y", pred=["a", "b"])
    compared = lossctl.compare(NUMBERS, target="y", pred=["a", "b"], losses="mae", cluster=None)
    assert compared.plot("residuals") == lossctl.plot("residuals", NUMBERS, target="y", pred=["a", "b"])
    flags = lossctl.check(FLAGS, target="y", pred="p", max="brier=1")
    assert flags.plot("calibration") == lossctl.plot("calibration", FLAGS, target="y", pred="p")
    for lone in (pickle.loads(pickle.dumps(report)), lossctl.evaluate(io.StringIO("y,p\n1,2\n2,3\n"))):
        with pytest.raises(lossctl.UsageError, match=r"a report has no rows; give `lossctl plot rec FILE ...`"):
            lone.plot("rec")
    assert pickle.loads(pickle.dumps(report)) == report
