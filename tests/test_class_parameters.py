"""Parameters of the losses of classes against plain NumPy: rows of an ignored label, and smoothed targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lossctl
from lossctl.errors import UsageError
from tests.conftest import Lossctl

Values = NDArray[Any]
RNG = np.random.default_rng(13)
N, K, E = 500, 4, 0.2
SHARES = RNG.dirichlet(np.ones(K), N)
LABELS = RNG.integers(0, K, N)
SOFT = RNG.dirichlet(np.ones(K), N)
PROB = RNG.random(N)
FLAGS = RNG.integers(0, 2, N).astype(float)
WEIGHTS = RNG.uniform(0.1, 3.0, N)
WINE = ("sample_data/wine.csv", "-t", "cultivar", "-p", "forest=forest_*")


def one_hot(y: Values) -> Values:
    return np.eye(K)[y]


def calibration(y: Values, p: Values, w: Values) -> dict[str, float]:
    """The errors of ten bins of confidence."""
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    bins = np.ceil(confidence * 10)
    gaps = np.array([np.abs(np.sum((w * (right - confidence))[bins == place])) for place in range(1, 11)])
    size = np.array([w[bins == place].sum() for place in range(1, 11)])
    gaps, size = gaps[size > 0], size[size > 0]
    return {
        "ece": gaps.sum() / size.sum(),
        "mce": (gaps / size).max(),
        "rmsce": np.sqrt(np.sum(gaps**2 / size) / size.sum()),
    }


def average(rows: Callable[[Values, Values], Values]) -> Callable[[Values, Values, Values], float]:
    return lambda y, p, w: float(np.average(rows(y, p), weights=w))


def observed(y: Values, p: Values) -> Values:
    return p[np.arange(len(y)), y]


OF_LABELS: dict[str, Callable[[Values, Values, Values], float]] = {
    "zero_one": average(lambda y, p: p.argmax(axis=1) != y),
    "hamming": average(lambda y, p: p.argmax(axis=1) != y),
    "brier": average(lambda y, p: np.sum((p - one_hot(y)) ** 2, axis=1)),
    "cce": average(lambda y, p: -np.log(observed(y, p))),
    "focal": average(lambda y, p: -((1 - observed(y, p)) ** 2) * np.log(observed(y, p))),
    "poly1": average(lambda y, p: -np.log(observed(y, p)) + 2 * (1 - observed(y, p))),
    "gce": average(lambda y, p: (1 - observed(y, p) ** 0.7) / 0.7),
    "symmetric_ce": average(lambda y, p: -0.1 * np.log(observed(y, p)) + 4.0 * (1 - observed(y, p))),
    "perplexity": lambda y, p, w: float(np.exp(np.average(-np.log(observed(y, p)), weights=w))),
    "ece:n_bins=10": lambda y, p, w: calibration(y, p, w)["ece"],
    "mce:n_bins=10": lambda y, p, w: calibration(y, p, w)["mce"],
    "rmsce:n_bins=10": lambda y, p, w: calibration(y, p, w)["rmsce"],
}


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("label", ["2", "-100"], ids=["class", "no-class"])
@pytest.mark.parametrize("spec", OF_LABELS)
def test_rows_of_an_ignored_label_do_not_count(spec: str, label: str, weighted: bool) -> None:
    codes = LABELS if label == "2" else np.where(RNG.random(N) < 0.3, -100, LABELS)
    counts = codes != int(label)
    w = WEIGHTS if weighted else np.ones(N)
    loss = lossctl.get(spec).bind(ignore_class=label)
    value = loss(target=codes, pred=SHARES, weight=w if weighted else None)
    assert value == pytest.approx(OF_LABELS[spec](codes[counts], SHARES[counts], w[counts]), rel=1e-12)
    if loss.row is not None:
        rows = lossctl.get(spec).each(target=codes[counts], pred=SHARES[counts])
        assert loss.each(target=codes, pred=SHARES)[counts].tolist() == rows.tolist()
        assert not loss.each(target=codes, pred=SHARES)[~counts].any()
    if loss.gradient is not None:
        slopes = np.asarray(loss.grad(target=codes, pred=SHARES))
        rest = np.asarray(lossctl.get(spec).grad(target=codes[counts], pred=SHARES[counts]))
        assert slopes[counts].tolist() == rest.tolist()
        assert not slopes[~counts].any()


SMOOTH = {
    "brier": lambda q, p: np.sum((p - q) ** 2, axis=1),
    "cce": lambda q, p: -np.sum(q * np.log(p), axis=1),
    "poly1": lambda q, p: np.sum(q * (2 * (1 - p) - np.log(p)), axis=1),
    "gce": lambda q, p: np.sum(q * (1 - p**0.7) / 0.7, axis=1),
    "symmetric_ce": lambda q, p: -np.sum(0.1 * q * np.log(p) + p * np.maximum(np.log(q), -4), axis=1),
}


@pytest.mark.parametrize("target", [LABELS, SOFT], ids=["labels", "rows"])
@pytest.mark.parametrize("spec", SMOOTH)
def test_smoothed_targets_have_a_share_of_every_class(spec: str, target: Values) -> None:
    rows = (1 - E) * (one_hot(target) if target.ndim == 1 else target) + E / K
    loss = lossctl.get(spec).bind(label_smoothing=E)
    assert loss.best is None
    assert loss.each(target=target, pred=SHARES) == pytest.approx(SMOOTH[spec](rows, SHARES), rel=1e-12)


@pytest.mark.parametrize("target", [FLAGS, PROB[::-1]], ids=["flags", "soft"])
def test_smoothed_binary_targets_are_drawn_to_a_half(target: Values) -> None:
    loss = lossctl.get("brier").bind(label_smoothing=E)
    assert loss.each(target=target, pred=PROB) == pytest.approx((PROB - (1 - E) * target - E / 2) ** 2, rel=1e-12)


def test_one_command_ignores_a_label_in_every_loss(lossctl: Lossctl) -> None:
    specs = [part for name in ("cce", "zero_one", "brier", "ece") for part in ("-l", f"{name}:ignore_class=class_1")]
    cells = lossctl("eval", *WINE, *specs, "-f", "json").json["results"]
    assert [cell["status"] for cell in cells] == ["ok"] * 4
    assert all(cell["ci"] for cell in cells if cell["value"])


def test_an_ignored_word_beside_a_threshold_needs_to_know_which_label_is_a_yes() -> None:
    loss = lossctl.get("zero_one:threshold=0.3,ignore_class=a")
    with pytest.raises(UsageError, match="ignore_class=a is no number; --positive-label LABEL says which"):
        loss(target=FLAGS, pred=PROB)


@pytest.mark.parametrize("spec", ["brier", "zero_one:threshold=0.5", "ece:n_bins=15", "poly1:epsilon=2", "gce:q=0.7"])
def test_parameters_that_came_later_leave_signatures_as_they_were(spec: str) -> None:
    assert lossctl.get(spec).full_spec == spec
    assert lossctl.get(spec).bind(ignore_class="a").full_spec.endswith("ignore_class=a")
