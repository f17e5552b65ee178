"""`losses choose`: what is seen, and the losses that a practitioner would take for it."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import lossctl as package
from lossctl import registry
from lossctl.api import choose_rules as thresholds
from lossctl.api.choose_rules import KINDS, OUTPUTS, Facts
from lossctl.output.advice import to_table
from lossctl.output.text import Style
from lossctl.profile.numbers import Distribution, Sketch
from lossctl.profile.rows import RowsProfile
from lossctl.results.advice import Advice, Finding, Threshold
from tests.conftest import ROOT, Lossctl

pytestmark = pytest.mark.deep

Write = Callable[[str, str | bytes], Path]
rng = np.random.default_rng(5)
SAMPLES: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "diabetes": (
        ("diabetes.csv", "-t", "progression", "-p", "linear"),
        "positive",
        ("mse", "huber:delta=73.8"),
    ),
    "breast cancer": (("breast_cancer.csv", "-t", "diagnosis", "-p", "logistic"), "binary", ("bce", "brier")),
    "breast cancer, label given": (
        ("breast_cancer.csv", "-t", "diagnosis", "--positive-label", "malignant", "-p", "forest"),
        "binary",
        ("bce", "brier"),
    ),
    "wine": (("wine.csv", "-t", "cultivar", "-p", "forest=forest_*"), "classes", ("cce", "brier")),
    "digits": (("digits.parquet", "-t", "digit", "-p", "mlp=mlp_*"), "classes", ("cce", "brier")),
    "doctor visits": (("doctor_visits.parquet", "-t", "visits", "-p", "boosted"), "counts", ("poisson", "mae")),
    "coins, boxes": (("coins_boxes.csv", "-t", "target_*", "-p", "otsu_*"), "boxes", ("iou", "giou")),
    "coins, masks": (
        ("coins_otsu.npy", "--targets", "sample_data/coins_target.npy", "-p", "coins_otsu"),
        "masks",
        ("dice", "iou_mask"),
    ),
    "digits, pairs": (
        ("digits_pairs.parquet", "-t", "different", "--role", "left=pca_left", "--role", "right=pca_right"),
        "pairs",
        ("contrastive",),
    ),
    "digits, scores of pairs": (
        ("digits_pairs.parquet", "-t", "same", "-p", "lda_score"),
        "binary",
        ("triplet_score",),
    ),
    "digits, triplets": (
        (
            "digits_triplets.parquet",
            "--role",
            "anchor=lda_anchor",
            "--role",
            "positive=lda_positive",
            "--role",
            "negative=lda_negative",
        ),
        "triplets",
        ("triplet",),
    ),
    "gan": (("gan.csv", "-t", "real", "-p", "small"), "binary", ("bce", "brier")),
}


def look(target: object, pred: object = None, **more: Any) -> package.Advice:
    data = {"y": np.asarray(target)} | ({} if pred is None else {"p": np.asarray(pred)})
    return package.choose(data, target="y", pred=None if pred is None else "p", **more)


def seen(advice: Advice, name: str, about: str = "") -> Finding:
    [found] = [found for found in advice.findings if found.name == name and about in found.about]
    return found


def said(advice: Advice) -> dict[str, str]:
    return {caution.loss: caution.why for caution in advice.cautions}


# the sample data -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_data_gets_what_a_practitioner_would_take(lossctl: Lossctl, name: str) -> None:
    (file, *options), kind, specs = SAMPLES[name]
    outcome = lossctl("losses", "choose", f"sample_data/{file}", *options, "-f", "json")
    assert outcome.code == 0, outcome.err
    document = outcome.json
    assert document["kind"] == kind
    assert tuple(pick["spec"] for pick in document["recommendations"] if pick["rank"] != "also") == specs
    [advice] = document["advice"]
    words = shlex.split(advice)
    assert words[:2] == ["lossctl", "eval"]
    ended = lossctl(*words[1:], "-f", "json")  # as it is printed
    assert ended.code == 0, ended.err
    assert [cell["loss"] for cell in ended.json["results"]] == list(specs)
    assert all(cell["status"] == "ok" for cell in ended.json["results"])


def test_samples_cover_the_data_sets() -> None:
    used = {options[0] for options, _, _ in SAMPLES.values()}
    files = {path.name for path in (ROOT / "sample_data").iterdir() if path.suffix in (".csv", ".parquet", ".npy")}
    assert files - used == {"coins_target.npy", "coins_canny.npy"}


def test_raw_outputs_are_a_finding_that_stands_in_the_command(lossctl: Lossctl) -> None:
    advice = package.choose(ROOT / "sample_data/digits.parquet", target="digit", pred="mlp=mlp_*")
    assert (advice.output, advice.activation) == ("linear (logits)", "softmax")
    assert "--activation softmax" in str(advice.command)
    text = lossctl("losses", "choose", "sample_data/digits.parquet", "-t", "digit", "-p", "mlp=mlp_*").out
    assert "linear (logits) is likely, not certain" in text


def test_a_gan_is_told_from_a_yes_no_question_by_words_alone() -> None:
    advice = package.choose(ROOT / "sample_data/gan.csv", target="real", pred="large")
    also = {pick.loss for pick in advice.picks if pick.rank == "also"}
    assert {"gan_discriminator", "gan_generator_nonsaturating"} <= also


# regression ----------------------------------------------------------------------------------------------------------


def test_a_normal_residual_takes_mse_with_huber_behind_it() -> None:
    truth = rng.normal(0.0, 5.0, 4000)
    advice = look(truth, truth + rng.normal(0.0, 2.0, 4000))
    assert advice.kind == "real"
    assert [pick.loss for pick in advice.picks[:2]] == ["mse", "huber"]
    delta = float(advice.specs[1].partition("=")[2])
    assert delta == pytest.approx(1.345 * 2.0, rel=0.06)
    assert seen(advice, "outlier share").value == pytest.approx(0.0027, abs=0.002)


def test_heavy_tails_take_mae_and_a_huber_on_the_scale_of_the_residuals() -> None:
    truth = rng.normal(0.0, 5.0, 4000)
    residual = rng.standard_t(1.5, 4000)
    advice = look(truth, truth + residual)
    apart = np.abs(residual - np.median(residual))
    mad = float(np.median(apart))
    assert [pick.loss for pick in advice.picks[:2]] == ["mae", "huber"]
    assert float(advice.specs[1].partition("=")[2]) == pytest.approx(1.345 * 1.4826 * mad, rel=0.006)
    share = float(np.mean(apart > 3.0 * 1.4826 * mad))
    found = seen(advice, "outlier share")
    assert found.value == pytest.approx(share, rel=0.02)
    assert found.threshold is thresholds.OUTLIERS
    assert "outliers" in said(advice)["mse"]


def test_one_row_that_decides_the_squares_is_enough() -> None:
    truth = rng.normal(0.0, 1.0, 200)
    residual = rng.normal(0.0, 1.0, 200)
    residual[7] = 1e6
    advice = look(truth, truth + residual)
    assert advice.picks[0].loss == "mae"
    assert "one row has" in advice.picks[0].why
    assert seen(advice, "share of the largest square").value == pytest.approx(1.0, abs=1e-6)


def test_orders_of_magnitude_take_msle() -> None:
    truth = np.exp(rng.normal(0.0, 2.5, 3000))
    advice = look(truth, truth * np.exp(rng.normal(0.0, 0.3, 3000)))
    low, high = np.quantile(truth, [0.01, 0.99])
    assert advice.picks[0].loss == "msle"
    assert seen(advice, "99% / 1% quantile").value == pytest.approx(high / low, rel=0.1)
    assert "mape" in said(advice)


def test_zero_inflated_targets_are_no_counts() -> None:
    truth = np.where(rng.random(2000) < 0.6, 0.0, rng.gamma(2.0, 50.0, 2000))
    advice = look(truth, np.full(2000, 40.0) + rng.random(2000))
    assert advice.kind == "zero-inflated"
    assert advice.picks[0].loss == ("tweedie_deviance" if "tweedie_deviance" in registry.losses() else "mse")
    assert "the median is 0" in said(advice)["mae"]
    assert any("mape" in misfit.losses and "without 0" in misfit.reason for misfit in advice.misfits)


def test_predictions_that_are_no_rates_leave_counts_to_mse() -> None:
    truth = rng.poisson(2.0, 500).astype(float)
    advice = look(truth, truth - 1.0)
    assert (advice.kind, advice.picks[0].loss) == ("counts", "mse")
    [misfit] = [misfit for misfit in advice.misfits if "poisson" in misfit.losses]
    assert misfit.reason.startswith("pred must be in (0, ∞)")


@pytest.mark.parametrize(("spread", "over"), [(0.0, False), (1.0, True)])
def test_dispersion_is_about_the_predictions(spread: float, over: bool) -> None:
    rate = np.exp(rng.normal(1.0, 0.5, 20_000))
    truth = rng.poisson(rate * np.exp(rng.normal(0.0, spread, 20_000) - spread**2 / 2)).astype(float)
    found = seen(look(truth, rate), "dispersion about the predictions")
    expected = float(np.mean((truth - rate) ** 2 / rate))
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert (expected >= 2.0) == over
    assert found.meaning.startswith("more than Poisson" if over else "as Poisson")


def test_large_whole_numbers_are_measurements() -> None:
    assert look(rng.integers(100, 300, 400)).kind == "positive"
    assert look(rng.integers(0, 9, 400)).kind == "counts"


def test_predictions_that_cannot_reach_the_target_are_told() -> None:
    assert look(rng.normal(50.0, 9.0, 90), rng.random(90)).output == "sigmoid or tanh"


# labels --------------------------------------------------------------------------------------------------------------


def labels(share: float, rows: int = 1000) -> np.ndarray[Any, Any]:
    return (np.arange(rows) < share * rows).astype(float)


@pytest.mark.parametrize(
    ("name", "pred", "output", "specs"),
    [
        ("probabilities", lambda y: 0.1 + 0.8 * y, "sigmoid", ("bce", "brier")),
        ("logits", lambda y: 6.0 * y - 3.0, "linear (logits)", ("bce", "brier")),
        ("tanh", lambda y: 1.6 * y - 0.8, "tanh", ("squared_hinge", "hinge")),
        ("distances", lambda y: 3.0 - 2.0 * y, "one-sided scores", ("triplet_score",)),
        ("decisions", lambda y: 1.0 - y, "decisions", ("zero_one",)),
        ("sure and wrong", lambda y: np.where(np.arange(1000) == 3, 0.0, 0.2 + 0.6 * y), "sigmoid", ("brier",)),
    ],
)
def test_binary_predictions_of_any_range(name: str, pred: Any, output: str, specs: tuple[str, ...]) -> None:
    y = labels(0.4)
    advice = look(y, pred(y))
    assert (advice.kind, advice.output, advice.specs[: len(specs)]) == ("binary", output, specs), name
    assert advice.activation == ("sigmoid" if name == "logits" else "none")
    if name == "sure and wrong":
        assert "1 row is sure and wrong" in said(advice)["bce"]


@pytest.mark.parametrize("signs", [False, True])
def test_a_rare_class_adds_focal_and_warns_of_accuracy(signs: bool) -> None:
    y = labels(0.03)
    advice = look(2.0 * y - 1.0 if signs else y, 0.05 + 0.5 * y)
    assert [pick.loss for pick in advice.picks[:3]] == ["bce", "brier", "focal"]
    assert "3% of the rows" in said(advice)["zero_one"]
    assert seen(advice, "smallest class x classes").value == pytest.approx(0.06)


def test_text_labels_take_the_one_with_the_higher_predictions(write: Write, lossctl: Lossctl) -> None:
    rows = [f"{'spam' if i % 3 else 'ham'},{0.2 + 0.01 * (i % 40) if i % 3 else 0.7}" for i in range(60)]
    path = write("mail.csv", "kind,p\n" + "\n".join(rows) + "\n")
    advice = package.choose(path, target="kind", pred="p")
    assert seen(advice, "likely positive label").value == "ham"
    assert "--positive-label ham" in str(advice.command)
    assert lossctl(*shlex.split(str(advice.command))[1:]).code == 0
    level = write("level.csv", "kind,p\n" + "spam,0.5\nham,0.5\n" * 20)
    tied = package.choose(level, target="kind", pred="p")
    assert tied.command is None
    assert "--positive-label" in tied.warnings[-1]


def test_outputs_of_several_classes() -> None:
    codes = rng.integers(0, 4, 500)
    raw = rng.normal(0.0, 2.0, (500, 4)) + 3.0 * np.eye(4)[codes]
    soft = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    for pred, output, activation, first in (
        (raw, "linear (logits)", "softmax", "cce"),
        (soft, "softmax", "none", "cce"),
        (np.round(soft, 4), "softmax", "none", None),
        (np.log(soft), "log-softmax", "softmax", "cce"),
        (1.0 / (1.0 + np.exp(-raw)), "independent sigmoids", "none", "hinge"),
        (np.tanh(raw), "tanh", "none", "hinge"),
        (np.eye(4)[codes], "decisions", "none", "zero_one"),
    ):
        advice = look(codes, pred)
        assert (advice.kind, advice.output, advice.activation) == ("classes", output, activation)
        if first is not None:
            assert advice.specs[0] == first
    one_hot = look(np.eye(4)[codes], soft)
    assert (one_hot.kind, one_hot.specs) == ("one-hot", ("cce", "brier"))
    assert look(soft, soft[:, ::-1]).kind == "soft"


def test_a_command_says_the_task_where_columns_alone_would_not(write: Write, lossctl: Lossctl) -> None:
    rows = ["1,0,0.7,0.3", "0,1,0.4,0.6", "1,0,1.0,0.0", "0,1,1,0"] * 10
    path = write("rows.csv", "t_a,t_b,p_a,p_b\n" + "\n".join(rows) + "\n")
    advice = package.choose(path, target="t_*", pred="p_*")
    assert (advice.kind, advice.specs[0]) == ("one-hot", "brier")
    assert lossctl(*shlex.split(str(advice.command))[1:]).code == 0


def test_masks_labels_and_boxes_are_told_by_their_columns() -> None:
    few = (rng.random((200, 6)) < 0.3).astype(float)
    multilabel = look(few, np.clip(few * 0.6 + 0.2, 0.0, 1.0))
    assert (multilabel.kind, multilabel.specs) == ("multilabel", ("bce", "mse"))
    many = (rng.random((50, 100)) < 0.04).astype(float)
    masks = look(many, np.clip(many * 0.6 + 0.2, 0.0, 1.0))
    assert (masks.kind, masks.specs) == ("masks", ("dice", "iou_mask"))
    corner = rng.random((60, 2)) * 10.0
    boxes = np.concatenate([corner, corner + 1.0], axis=1)
    assert look(boxes, boxes + 0.1).specs == ("iou", "giou")
    apart = look(boxes, boxes + 5.0)
    assert apart.specs == ("giou", "iou")
    assert seen(apart, "rows without overlap").value == 60
    assert look(boxes, boxes[:, [2, 3, 0, 1]]).specs[0] == "mae"


def test_pairs_whose_labels_mean_the_same_are_turned_round(write: Write, lossctl: Lossctl) -> None:
    rows = [f"{i % 2},{i},{i + (20 if i % 2 == 0 else 1)}" for i in range(40)]
    path = write("pairs.csv", "same,a,b\n" + "\n".join(rows) + "\n")
    advice = package.choose(path, target="same", roles=["left=a", "right=b"])
    assert advice.specs == ("contrastive:margin=20",)
    assert "the command reads 0 as 1" in advice.warnings[-1]
    ended = lossctl(*shlex.split(str(advice.command))[1:], "-f", "value")
    assert ended.values == [pytest.approx(0.5)]  # the near ones are at 1, the others at the margin


# data that gives no ground -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "pred"),
    [
        ([3.0] * 40, list(np.arange(40.0))),
        ([0.0] * 40, [0.1] * 40),
        ([1] * 40, np.full((40, 3), 1.0 / 3.0)),
        (["a"] * 40, [0.3] * 40),
        (["a"] * 40, None),
        (np.ones((40, 70)), np.zeros((40, 70))),
    ],
)
def test_a_constant_target_is_told_and_nothing_recommended(target: Any, pred: Any) -> None:
    advice = look(target, pred)
    assert (advice.kind, advice.picks, advice.command) == ("constant", (), None)
    assert "in every row" in advice.warnings[0]
    assert json.loads(advice.to_json())["recommendations"] == []
    assert "warning" in to_table(advice, Style())


@pytest.mark.parametrize(
    ("text", "options", "code", "words"),
    [
        ("", (), 3, ""),
        ("y,p\n", (), 3, "no rows"),
        ("y,p\n,1\n,2\n", (), 3, "row 1, column 'y': the value is missing"),
        ("y,p\n,1\n,2\n", ("--missing", "drop"), 3, "every one of the 2 rows has a missing value"),
        ("y,p\n1,nan\n2,2\n", (), 3, "row 1, column 'p': the value is NaN"),
        ("y,p\n1,1\n2,inf\n", (), 3, "row 2, column 'p': a value is infinite"),
        ("y,p\n1,1\n-inf,1\n", (), 3, "row 2, column 'y': a value is infinite"),
        ("y,p\n1,1\n2,x\n", (), 3, "row 2"),
        ("y,p\n1,1\n2\n", (), 3, "row 2"),
        ("y,q\n1,1\n2,1\n", (), 3, "there is no column 'p'"),
        ("y,p\na,1\nb,1\nc,1\n", ("--positive-label", "a"), 3, "third label"),
        ("y,p\na,1\na,2\n", ("--positive-label", "z"), 3, "no row holds the positive label"),
        ("y,p\n1,1\n2,1\n", ("--classes", "a,b"), 2, "--classes"),
        ("y,p\n1,1\n2,1\n", ("--role", "left=y"), 2, "--role"),
        ("y,p\n1,1\n2,1\n", ("--missing", "guess"), 2, "error or drop"),
        ("y,p\n1,1\n2,1\n", ("-f", "csv"), 2, "unknown format"),
        ("y,p\n" + "".join(f"w{i},1\n" for i in range(1100)), (), 3, "more than 1000 different values"),
    ],
)
def test_bad_data_is_one_line(
    lossctl: Lossctl, write: Write, text: str, options: tuple[str, ...], code: int, words: str
) -> None:
    outcome = lossctl("losses", "choose", write("d.csv", text), "-t", "y", "-p", "p", *options)
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.count("\n") == 1
    assert words in outcome.err


def test_rows_that_are_left_out_are_counted(lossctl: Lossctl, write: Write) -> None:
    path = write("d.csv", "y,p\n" + "1.5,1\n,2\n-3,nan\n" * 20)
    document = lossctl("losses", "choose", path, "-t", "y", "-p", "p", "--missing", "drop", "-f", "json").json
    assert (document["data"]["rows"], document["data"]["used"]) == (60, 20)
    other = lossctl("losses", "choose", path, "-t", "y", "--missing", "drop", "-f", "json").json
    assert other["data"]["used"] == 40


def test_without_predictions_the_target_alone_is_advised_on_and_no_command_given() -> None:
    for name, target, kind, first in (
        ("diabetes.csv", "progression", "positive", "mse"),
        ("breast_cancer.csv", "diagnosis", "binary", "bce"),
        ("wine.csv", "cultivar", "classes", "cce"),
        ("doctor_visits.parquet", "visits", "counts", "poisson"),
        ("coins_boxes.csv", "target_*", "boxes", "iou"),
    ):
        advice = package.choose(ROOT / "sample_data" / name, target=target)
        assert (advice.kind, advice.specs[0], advice.command) == (kind, first, None)
        assert "-p adds" in advice.warnings[-1]
    digits = package.choose(ROOT / "sample_data/digits.parquet", target="digit")
    assert "class labels" in seen(digits, "different values").meaning


def test_more_labels_than_columns_is_said(lossctl: Lossctl, write: Write) -> None:
    path = write("d.csv", "y,p\n" + "a,0.1\nb,0.2\nc,0.3\n" * 20)
    outcome = lossctl("losses", "choose", path, "-t", "y", "-p", "p")
    assert outcome.code == 0
    assert "one prediction column for each class is needed" in " ".join(outcome.out.split())
    assert "lossctl eval" not in outcome.out


def test_arguments_that_do_not_fit_are_refused() -> None:
    data = {"y": [1.0, 2.0], "p": [1.0, 2.0], "q": [1.0, 2.0]}
    with pytest.raises(package.UsageError, match="2 target columns and 3 pred columns"):
        package.choose({"y": np.ones((3, 2)), "p": np.ones((3, 3))}, target="y", pred="p")
    with pytest.raises(package.UsageError, match="one is looked at"):
        package.choose([ROOT / "sample_data/wine.csv"] * 2, target="cultivar")
    with pytest.raises(package.UsageError, match="leave -p out"):
        package.choose(data, target="y", pred="p", roles=["left=p", "right=q"])
    with pytest.raises(package.UsageError, match="triplets have no target"):
        package.choose(data, target="y", roles=["anchor=p", "positive=q", "negative=y"])
    with pytest.raises(package.UsageError, match="pred: "):
        package.choose(data, target="y", pred=["p", "q"])  # type: ignore[arg-type]  # several models
    with pytest.raises(package.UsageError, match="--threads 0"):
        package.choose(data, target="y", threads=0)


def drawn(draw: np.random.Generator, rows: int) -> dict[str, np.ndarray[Any, Any]]:
    """Draw a target and predictions of some kind, extremes among them."""
    width = int(draw.choice([1, 1, 3]))
    targets: list[Callable[[], Any]] = [
        lambda: draw.normal(0.0, 1.0, rows),
        lambda: draw.poisson(2.0, rows),
        lambda: draw.integers(0, 2, rows),
        lambda: 2 * draw.integers(0, 2, rows) - 1,
        lambda: draw.random(rows),
        lambda: draw.uniform(-1.0, 1.0, rows) * 1.7e308,
        lambda: draw.normal(0.0, 1.0, rows) * 1e-310,
        lambda: np.array(["a", "b"])[draw.integers(0, 2, rows)],
    ]
    preds: list[Callable[[], Any]] = [
        lambda: draw.normal(0.0, 1.0, (rows, width)),
        lambda: draw.random((rows, width)),
        lambda: draw.integers(0, 2, (rows, width)),
        lambda: draw.dirichlet(np.ones(max(width, 2)), rows)[:, :width],
        lambda: -draw.random((rows, width)),
        lambda: draw.uniform(-1.0, 1.0, (rows, width)) * 1.7e308,
    ]
    target = draw.integers(0, width, rows) if width > 1 else targets[draw.integers(len(targets))]()
    pred = preds[draw.integers(len(preds))]()
    return {"y": target} | {f"p_{place}": pred[:, place] for place in range(width)}


@pytest.mark.parametrize("seed", range(40))
def test_any_command_runs_as_it_is_printed(seed: int, write: Write, lossctl: Lossctl) -> None:
    draw = np.random.default_rng(seed)
    columns = drawn(draw, int(draw.choice([2, 40])))
    lines = [",".join(map(str, row)) for row in zip(*(x.tolist() for x in columns.values()), strict=True)]
    path = write("d.csv", "\n".join([",".join(columns), *lines, ""]))
    advice = package.choose(path, target="y", pred="p_*")
    assert "NaN" not in advice.to_json()
    assert bool(advice.command) or bool(advice.warnings)
    assert bool(advice.command) <= bool(advice.picks)
    if advice.command is not None:
        outcome = lossctl(*shlex.split(advice.command)[1:])
        assert outcome.code == 0, f"{advice.command}\n{outcome.err}"


# the rules and their thresholds --------------------------------------------------------------------------------------


def test_every_rule_names_a_loss_that_is_there() -> None:
    known = registry.losses()
    constant = Facts(RowsProfile(), {}, {}, text=True)
    for name, kind in KINDS.items():
        for rule in kind.rules:
            assert rule.loss in known, f"{name}: {rule.loss}"
            assert known[rule.loss].optimises or rule.rank == "avoid", rule.loss
            facts = re.findall(r"{%?(\w+)", rule.why) + [word.removeprefix("not ") for word in rule.when]
            assert all(hasattr(constant, fact) or fact in OUTPUTS for fact in facts), rule
            assert rule.why
        assert kind.words
        assert bool(kind.rules) is (name != "constant")
    assert KINDS["constant"].task is None


def test_every_threshold_has_a_reason() -> None:
    found = [value for value in vars(thresholds).values() if isinstance(value, Threshold)]
    assert len(found) > 12
    assert all(len(threshold.why) > 20 and threshold.value > 0.0 for threshold in found)


def test_every_loss_fits_or_has_a_reason_not_to() -> None:
    for pred in ("linear", None):
        advice = package.choose(ROOT / "sample_data/diabetes.csv", target="progression", pred=pred)
        others = [loss for misfit in advice.misfits for loss in misfit.losses]
        assert sorted([*advice.fits, *others]) == sorted(registry.losses())
        assert {pick.loss for pick in advice.picks} <= set(advice.fits)


def test_losses_that_fit_can_be_computed_and_others_not() -> None:
    data = {"y": np.arange(-3.0, 37.0), "p": np.arange(-4.0, 36.0)}
    advice = package.choose(data, target="y", pred="p")
    for name, loss in registry.losses().items():
        if set(loss.roles) == {"target", "pred"}:
            if name in advice.fits:
                assert package.evaluate(data, target="y", pred="p", losses=name).cells
            else:
                with pytest.raises(package.LossctlError):
                    package.evaluate(data, target="y", pred="p", losses=name)


# one pass, the same in any order -------------------------------------------------------------------------------------


def test_sketches_are_near_and_merge_to_the_same() -> None:
    values = np.concatenate([rng.normal(1e6, 3.0, 5000), rng.standard_cauchy(500), [0.0, -0.0, 1e308, -1e308, 5e-324]])
    whole = Sketch.of(values, 1e6)
    parts = [Sketch.of(piece, 1e6) for piece in np.array_split(rng.permutation(values), 7)]
    merged = parts[0]
    for part in parts[1:]:
        merged = part.merge(merged)
    np.testing.assert_array_equal(merged.bins, whole.bins)
    np.testing.assert_array_equal(merged.counts, whole.counts)
    for q in (0.05, 0.5, 0.95):
        exact = float(np.quantile(values, q, method="inverted_cdf"))
        assert whole.quantile(q) == pytest.approx(exact, abs=0.001 * abs(exact - 1e6) + 1e-9)
    assert Sketch.of(np.empty(0), 0.0).quantile(0.5) is None


def test_lines_have_the_moments_of_their_numbers() -> None:
    values = rng.gamma(2.0, 3.0, 3000) + 1e7
    first, second = values[:1000][np.newaxis], values[1000:][np.newaxis]
    line = Distribution.about(0.0, first).merge(Distribution.about(0.0, second))
    centred = values - values.mean()
    assert line.mean == pytest.approx(values.mean(), rel=1e-15)
    assert line.variance == pytest.approx(values.var(), rel=1e-9)
    assert line.skewness == pytest.approx(float(np.mean(centred**3)) / values.std() ** 3, rel=1e-6)
    assert Distribution.about(0.0, np.full((1, 5), 2.5)).skewness is None
    assert Distribution.about(0.0, np.array([[1e300, -1e300, 1e308]])).variance is None


def test_threads_and_containers_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    rows = 150_000
    truth = np.round(rng.gamma(2.0, 30.0, rows), 3)
    columns = {"y": truth, "p": np.round(truth + rng.standard_t(3, rows), 3)}
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    pq.write_table(table, tmp_path / "d.parquet", row_group_size=7_919)
    with (tmp_path / "d.csv").open("w") as file:
        file.write("y,p\n")
        file.writelines(f"{y!r},{p!r}\n" for y, p in zip(columns["y"].tolist(), columns["p"].tolist(), strict=True))
    found = set()
    for name in ("d.parquet", "d.csv"):
        for threads in (1, 2, 5):
            document = json.loads(package.choose(tmp_path / name, target="y", pred="p", threads=threads).to_json())
            document.pop("data")
            document.pop("advice")
            found.add(json.dumps(document))
    assert len(found) == 1
    assert json.loads(found.pop())["findings"]


# what is printed -----------------------------------------------------------------------------------------------------


def test_json_fits_the_schema_and_has_every_field_in_it(lossctl: Lossctl) -> None:
    schema = json.loads((ROOT / "lossctl/output/report.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    for (file, *options), _, _ in SAMPLES.values():
        document = lossctl("losses", "choose", f"sample_data/{file}", *options, "-f", "json").json
        check.validate(document)
        choice = schema["$defs"]["choice"]
        assert set(document) == {*schema["required"], *choice["required"]}
    assert not check.is_valid({**document, "kind": "odd"})
    assert not check.is_valid({**document, "command": "eval"})


def test_python_and_the_command_line_say_the_same(lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    (file, *options), _, _ = SAMPLES["diabetes"]
    out = lossctl("losses", "choose", f"sample_data/{file}", *options, "-f", "json").out
    advice = package.choose(f"sample_data/{file}", target="progression", pred="linear")
    assert isinstance(advice, package.Advice)
    assert advice.to_json() == out


@pytest.mark.parametrize("width", [60, 80, 120, 200, None])
@pytest.mark.parametrize("name", ["diabetes", "digits", "coins, masks"])
def test_tables_fit_and_show_each_number_beside_its_threshold(
    name: str, width: int | None, lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file, *options), _, _ = SAMPLES[name]
    monkeypatch.setattr("lossctl.cli.console.is_terminal", lambda stream: width is not None and stream is sys.stdout)
    monkeypatch.setattr("lossctl.cli.console.width", lambda: width)
    text = lossctl("losses", "choose", f"sample_data/{file}", *options, "--color", "never").out
    lines = text.splitlines()
    command = lines[-1]
    assert command.startswith("lossctl eval ")
    assert "…" not in text
    if width is not None:
        assert max(map(len, lines[:-1])) <= width
    flat = " ".join(text.split())
    if name == "diabetes":
        assert re.search(r"skewness:? +0\.50996 +(\(threshold )?2\b", flat)
        assert re.search(r"outlier share:? +0% +(\(threshold )?1%", flat)
    assert re.search(r"first +(mse|cce|dice) \(the ", flat)


def test_a_table_says_where_nothing_is_a_robust_alternative(lossctl: Lossctl) -> None:
    (file, *options), _, _ = SAMPLES["digits, triplets"]
    lines = lossctl("losses", "choose", f"sample_data/{file}", *options).out.splitlines()
    [place] = [place for place, line in enumerate(lines) if line.startswith("first")]
    assert lines[place + 1] == "robust      no loss is a robust alternative for such data"
    assert any(re.fullmatch(r"fit +\d+ loss(es)? can be computed: triplet.*", line) for line in lines)


def test_verbose_says_why_each_threshold_is_where_it_is(lossctl: Lossctl) -> None:
    (file, *options), _, _ = SAMPLES["diabetes"]
    err = lossctl("losses", "choose", f"sample_data/{file}", *options, "-v").err
    assert f"threshold 100 on {thresholds.MAGNITUDES.name}: {thresholds.MAGNITUDES.why}" in err
    assert "rows/s" in err


def test_hostile_names_and_labels_do_nothing(lossctl: Lossctl, write: Write) -> None:
    rows = "".join(f"{'::error::x' if i % 2 else 'b'},0.{i % 10}\n" for i in range(60))
    path = write("h.csv", f'"t\x1b[31m","p\u202e"\n{rows}')
    outcome = lossctl("losses", "choose", path, "-t", "t\x1b[31m", "-p", "p\u202e")
    assert outcome.code == 0, outcome.err
    assert "\x1b" not in outcome.out
    assert "\u202e" not in outcome.out
    assert not re.search(r"^\s*::", outcome.out, re.MULTILINE)


def test_advice_is_written_to_files_too(lossctl: Lossctl, tmp_path: Path) -> None:
    (file, *options), _, _ = SAMPLES["wine"]
    out = tmp_path / "advice.json"
    assert lossctl("losses", "choose", f"sample_data/{file}", *options, "-o", out).code == 0
    assert json.loads(out.read_text("utf-8"))["command"] == "losses choose"


def test_standard_input_is_read_once(write: Write, lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("d.csv", "y,p\n" + "".join(f"{i}.5,{i}.25\n" for i in range(40)))
    with path.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        outcome = lossctl("losses", "choose", "-", "-t", "y", "-p", "p", "-f", "json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["advice"][0].startswith("lossctl eval - -t y -p p -l ")
