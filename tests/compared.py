"""What tests of comparisons share: drawn data, and differences by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy import stats

import lossctl
from lossctl import Report
from lossctl.results.comparison import Comparison
from tests.warm import once

Values = NDArray[Any]
Data = Mapping[str, Values]


def report(data: object, losses: object = "mse", **question: Any) -> Report:
    """Compare models a and b unless the question says otherwise."""
    return lossctl.compare(data, **{"target": "y", "pred": ["a", "b"], "losses": losses, **question})


def differences(data: object, losses: object = "mse", **question: Any) -> list[Comparison]:
    return list(report(data, losses, **question).comparisons)


def difference(data: object, loss: str = "mse", **question: Any) -> Comparison:
    """Return the one difference of one loss over all rows."""
    (found,) = differences(data, loss, **question)
    return found


def rows_of(loss: str, data: Data, model: str) -> Values:
    return lossctl.get(loss).each(target=data["y"], pred=data[model])


def apart(loss: str, data: Data, base: str = "a", own: str = "b") -> Values:
    """Return the difference of two models in every row."""
    return rows_of(loss, data, own) - rows_of(loss, data, base)


def stored_frame(frame: pd.DataFrame, factory: pytest.TempPathFactory, name: str) -> dict[str, str]:
    """Write a frame, once for all workers, as a CSV file and as Parquet files with row groups of two sizes."""
    paths = {"csv": "rows.csv", "parquet 9973": "rows-9973.parquet", "parquet 65536": "rows-65536.parquet"}

    def fill(folder: Path) -> None:
        frame.to_csv(folder / paths["csv"], index=False)
        table = pa.Table.from_pandas(frame, preserve_index=False)
        for rows in (9_973, 65_536):
            pq.write_table(table, folder / paths[f"parquet {rows}"], row_group_size=rows)

    folder = once(factory, name, fill)
    return {container: str(folder / path) for container, path in paths.items()}


def part(data: Data, keep: Values) -> dict[str, Values]:
    return {name: column[keep] for name, column in data.items()}


def drawn(shape: str, n: int, seed: int, offset: float = 0.0) -> dict[str, Values]:
    """Draw a target and two predictions, three slices, clusters of unlike sizes and weights, some of them zero."""
    rng = np.random.default_rng([seed, n])
    target = rng.normal(3.0, 2.0, n) + offset
    shared = rng.normal(0.0, 1.0, n)
    noise: Callable[[], Values] = {
        "normal": lambda: rng.normal(0.1, 1.0, n),
        "heavy": lambda: rng.standard_t(4, n),
        "skewed": lambda: rng.lognormal(0.0, 0.7, n),
        "scales": lambda: rng.normal(0.0, 1.0, n) * 10.0 ** rng.integers(-2, 2, n),
    }[shape]
    weight = rng.gamma(2.0, 1.0, n)
    weight[5::7] = 0.0
    return {
        "y": target,
        "a": target + shared + noise(),
        "b": target + 0.9 * shared + noise(),
        "c": target - 0.5 * shared + noise(),
        "w": weight,
        "g": np.array(["east", "south", "west"])[rng.integers(0, 3, n)],
        "user": np.sort(rng.integers(0, max(n // 8, 2), n) ** 2 // max(n // 8, 2)),
    }


def flagged(n: int, seed: int) -> dict[str, Values]:
    """Draw a binary target and three models' probabilities."""
    rng = np.random.default_rng([seed, n])
    score = rng.normal(0.0, 1.5, n)
    found = {"y": (rng.random(n) < 1.0 / (1.0 + np.exp(-score))).astype(float)}
    for model in "abc":
        found[model] = np.clip(1.0 / (1.0 + np.exp(-score - rng.normal(0.0, 0.7, n))), 1e-6, 1.0 - 1e-6)
    return {**found, "w": rng.gamma(2.0, 1.0, n), "g": np.array(["u", "v"])[rng.integers(0, 2, n)]}


def degrees(weight: Values) -> int:
    """Return the degrees of freedom of rows that are worth (Σw)²/Σw² of one weight (Kish 1965)."""
    return round(float(np.sum(weight) ** 2 / np.sum(weight**2))) - 1


UNDER: Final = {"rmse": "mse", "r2": "mse", "wape": "mae"}  # the one mean by which a loss ranks models


def held(
    found: Comparison,
    value: float,
    stderr: float,
    freedom: float | None,
    *,
    of_zero: float | None = None,
    level: float = 0.95,
    rel: float = 1e-12,
    p: bool = True,
) -> None:
    """Hold a difference to its value and standard error, and to the interval and p-value of their law.

    The standard error is held to `rel`; the difference too, or to the last digit of the values that it is one of; the
    interval to as much as its width and place allow; p-values to 1e-9, as they magnify. of_zero: the standard error if
    the truth is zero, of which p-values are, and the end towards zero until it is there.
    """
    of_zero = stderr if of_zero is None else of_zero
    size = max(abs(found.value), abs(found.baseline_value))
    assert found.difference == pytest.approx(value, rel=rel, abs=4e-16 * size)
    assert found.relative == pytest.approx(value / abs(found.baseline_value), rel=rel, abs=4e-16)
    assert found.stderr == pytest.approx(stderr, rel=rel)
    law = stats.norm if freedom is None else stats.t(freedom)
    quantile = float(law.ppf(0.5 + 0.5 * level))
    reach, near = quantile * stderr, abs(value) - quantile * of_zero
    near *= abs(value) / (near + reach) if near > 0.0 else 1.0
    ends = sorted((math.copysign(near, near * value), value + math.copysign(reach, value)))
    assert found.interval is not None
    assert found.level == level
    expected_p = 2.0 * float(law.sf(abs(value) / of_zero))
    if found.method == "skew-t":  # never narrower, never surer
        assert found.interval[0] <= ends[0] + 1e-11 * (reach + abs(value))
        assert found.interval[1] >= ends[1] - 1e-11 * (reach + abs(value))
        assert found.p is not None
        assert not p or found.p >= expected_p * (1.0 - 1e-9)
        return
    assert found.interval == pytest.approx(tuple(ends), abs=1e-11 * (reach + abs(value)))
    assert found.method == ("normal" if freedom is None else "t")
    if p:
        assert found.p == pytest.approx(expected_p, rel=1e-9, abs=1e-300)


def undecided(found: Comparison, why: str) -> None:
    """Hold a comparison to no verdict and no interval, for a reason."""
    assert (found.verdict, found.interval, found.p, found.adjusted) == ("undecided", None, None, None)
    assert (found.level, found.method) == (None, None)
    assert found.reason == why


def quantities(loss: str, y: Values, p: Values) -> list[Values]:
    """Return the per-row quantities that a loss is a function of the means of."""
    if loss in ("mse", "rmse"):
        return [(p - y) ** 2]
    if loss == "mae":
        return [np.abs(p - y)]
    if loss == "r2":
        centred = y - y.mean()
        return [(p - y) ** 2, centred, centred**2]
    if loss == "wape":
        return [np.abs(p - y), np.abs(y)]
    assert loss == "gan_discriminator"
    real, generated = y == 1.0, y == 0.0
    return [np.where(real, -np.log(p), 0.0), real * 1.0, np.where(generated, -np.log1p(-p), 0.0), generated * 1.0]


def value_and_slopes(loss: str, m: Sequence[float]) -> tuple[float, list[float]]:
    """Return the function of means and its derivatives."""
    if loss in ("mse", "mae"):
        return m[0], [1.0]
    if loss == "rmse":
        return math.sqrt(m[0]), [0.5 / math.sqrt(m[0])]
    if loss == "r2":
        spread = m[2] - m[1] ** 2
        return 1.0 - m[0] / spread, [-1.0 / spread, -2.0 * m[0] * m[1] / spread**2, m[0] / spread**2]
    if loss == "wape":
        return m[0] / m[1], [1.0 / m[1], -m[0] / m[1] ** 2]
    return m[0] / m[1] + m[2] / m[3], [1.0 / m[1], -m[0] / m[1] ** 2, 1.0 / m[3], -m[2] / m[3] ** 2]


def delta(loss: str, data: Data, weight: Values | None = None, base: str = "a", own: str = "b") -> tuple[float, float]:
    """Return a difference and its standard error, from the covariance of both models' quantities and the weight."""
    y, n = data["y"], len(data["y"])
    w = np.ones(n) if weight is None else weight
    lines, gradient, total = [w], [0.0], 0.0
    for model, sign in ((own, 1.0), (base, -1.0)):
        mine = quantities(loss, y, data[model])
        m = [float(np.mean(w * line) / np.mean(w)) for line in mine]
        value, slopes = value_and_slopes(loss, m)
        total += sign * value
        lines += [w * line for line in mine]
        gradient += [sign * slope / float(w.mean()) for slope in slopes]
        gradient[0] -= sign * float(np.dot(slopes, m)) / float(w.mean())
    g = np.array(gradient)
    return total, math.sqrt(float(g @ np.cov(np.stack(lines)) @ g) / n)


def scores(loss: str, data: Data, weight: Values, base: str = "a", own: str = "b") -> Values:
    """Return what each row adds to a difference, about its mean: its own slope of the value, times the weight."""
    if loss in ("mse", "mae"):
        rows = apart(loss, data, base, own)
        return weight * (rows - np.average(rows, weights=weight))
    found = np.zeros(len(weight))
    for model, sign in ((own, 1.0), (base, -1.0)):
        mine = quantities(loss, data["y"], data[model])
        m = [float(np.average(line, weights=weight)) for line in mine]
        for slope, line, mean in zip(value_and_slopes(loss, m)[1], mine, m, strict=True):
            found += sign * slope * weight * (line - mean)
    return found


def by_cluster(rows: Values, clusters: Values) -> Values:
    return np.array([rows[clusters == cluster].sum() for cluster in np.unique(clusters)])


def cr3(rows: Values, weight: Values, clusters: Values) -> float:
    """Root of (G-1)/G Σ (e_g / (W - W_g))²."""
    left = weight.sum() - by_cluster(weight, clusters)
    g = len(left)
    return math.sqrt((g - 1) / g * float(np.sum((by_cluster(rows, clusters) / left) ** 2)))


def numbers_of(found: Report) -> list[object]:
    """Return everything of a report that a number or a verdict depends on."""
    return [
        *((c.model, c.loss, c.slice, c.value, c.stderr, c.interval, c.signature) for c in found.cells),
        *found.comparisons,
        *found.best_sets,
        found.study,
    ]


def skewed(n: int, value: float) -> dict[str, Values]:
    """Make n differences, of which one is large: their skewness is (n-2)/√(n-1)."""
    return {"y": np.zeros(n), "a": np.full(n, 5.0), "b": 5.0 - value * (1.0 + np.eye(1, n)[0])}
