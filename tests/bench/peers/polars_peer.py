"""Polars: lazy expressions on the streaming engine; its threads are set by POLARS_MAX_THREADS."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl  # type: ignore[import-not-found]

from tests.bench.peers import VARIANCE, answer, task

COLUMNS = [f"p_{index}" for index in range(10)]
TABLE = {"id": pl.Int64, "y": pl.Float64, "a": pl.Float64, "word": pl.String}

Rows = dict[str, Any]
"""The expression of each loss's rows; of a variance alone, under its name."""


def residual(model: str, suffix: str = "") -> Any:
    return pl.col(f"{model}{suffix}") - pl.col(f"y{suffix}")


def regression(r: Any) -> Rows:
    return {
        "mse": r * r,
        "mae": r.abs(),
        "mbe": -r,
        "huber": pl.when(r.abs() <= 1).then(0.5 * r * r).otherwise(r.abs() - 0.5),
        "rmse": r * r,
        "log_cosh": r.abs() + (-2 * r.abs()).exp().log1p(),
    }


def two(r: Any) -> Rows:
    return {"mse": r * r, "mae": r.abs()}


READINGS: dict[str, Callable[[Any], Any]] = {
    "rmse": lambda mean: mean.sqrt(),
    "log_cosh": lambda mean: mean - math.log(2),
}
"""What is read from a mean, where that is not the mean."""


def values(model: str, rows: Rows, variances: bool, weight: Any = None) -> Iterator[Any]:
    """Every loss of a model, and their variances if these are wanted; what they share the optimiser computes once."""
    for loss, row in rows.items():
        mean = row.mean() if weight is None else (weight * row).sum() / weight.sum()
        yield READINGS.get(loss, lambda mean: mean)(mean).alias(f"{model}.{loss}")
        if variances and loss == "zero_one":  # the variance of what is 0 or 1 follows from its mean
            yield (mean * (1 - mean) * pl.len() / (pl.len() - 1)).alias(f"{model}.{loss}{VARIANCE}")
        elif variances and loss != "rmse":  # that of a root follows from that of its square
            yield row.var().alias(f"{model}.{loss}{VARIANCE}")


def residuals(frame: Any, models: str, variances: bool, *, suffix: str = "", weight: str | None = None) -> Any:
    """All rows' losses; residuals as columns of their own are faster here than within every expression."""
    columns = [residual(model, suffix).alias(model) for model in models]
    by = None if weight is None else pl.col(weight)
    parts = [values(model, regression(pl.col(model)), variances, by) for model in models]
    return frame.select(*columns, *([] if weight is None else [weight])).select(v for part in parts for v in part)


def grouped(
    frame: Any, by: str, models: str, variances: bool, formulas: Callable[[Any], Rows] = regression, weight: Any = None
) -> Any:
    """The losses by group; here the residuals are faster within the expressions."""
    parts = [values(model, formulas(residual(model)), variances, weight) for model in models]
    return frame.group_by(by).agg(v for part in parts for v in part)


def binary(frame: Any, variances: bool) -> Any:
    """From the probability given to what was observed: p of a 1, 1 - p of a 0."""
    results: list[Any] = []
    for model in "ab":
        q = pl.col(model)
        log, square = q.log(), (1 - q) * (1 - q)
        rows = {"bce": -log, "focal": -(square * log), "brier": square, "zero_one": q < 0.5}
        results += values(model, rows, variances)
    return frame.select((pl.col(model) - (1 - pl.col("y"))).abs() for model in "ab").select(results)


def multiclass(frame: Any, variances: bool) -> Any:
    """From the probability given to the label, the sum of squares and the largest."""
    first, *others = map(pl.col, COLUMNS)
    squares = first * first
    for other in others:
        squares += other * other
    columns = frame.select(
        q=pl.concat_arr(COLUMNS).arr.get(pl.col("label")), squares=squares, largest=pl.max_horizontal(COLUMNS)
    )
    q = pl.col("q")
    rows = {
        "cce": -q.log(),
        "brier": pl.col("squares") - 2 * q + 1,
        "focal": -((1 - q) * (1 - q) * q.log()),
        "zero_one": q < pl.col("largest"),
    }
    return columns.select(values("softmax", rows, variances))


def query(form: str, files: list[str], variances: bool) -> list[Any]:
    """The whole work, a frame for each slicing."""
    parquet, weight = pl.scan_parquet, pl.col("weight")
    match form:
        case "regression":
            return [residuals(parquet(files[0]), "abc", variances)]
        case "grouped":
            return [grouped(parquet(files[0]), "store", "abc", variances)]
        case "customers":
            return [grouped(parquet(files[0]), "customer", "a", variances, two)]
        case "weighted":
            return [residuals(parquet(files[0]), "ab", variances, weight="weight")]
        case "weighted grouped":
            return [grouped(parquet(files[0]), "store", "ab", variances, weight=weight)]
        case "gaps":
            complete = parquet(files[0]).drop_nulls(["y_gaps", "a_gaps", "b_gaps"])
            return [residuals(complete, "ab", variances, suffix="_gaps")]
        case "two slicings":
            return [grouped(parquet(files[0]), by, "ab", variances) for by in ("store", "word")]
        case "files":
            target, *models = map(parquet, files)
            columns = [frame.select(pl.col("pred").alias(model)) for model, frame in zip("abc", models, strict=True)]
            return [residuals(pl.concat([target, *columns], how="horizontal"), "abc", variances)]
        case "csv":
            return [residuals(pl.scan_csv(files[0], schema=TABLE), "a", variances)]
        case "jsonl":
            return [residuals(pl.scan_ndjson(files[0], schema=TABLE), "a", variances)]
        case "joined":
            target, predictions = map(parquet, files)
            joined = target.join(predictions, on="id").select(a=residual("pred"))
            return [joined.select(values("a", two(pl.col("a")), variances))]
        case "binary":
            return [binary(parquet(files[0]), variances)]
        case "multiclass":
            return [multiclass(parquet(files[0]), variances)]
    raise ValueError(form)


def main() -> None:
    form, variances, _, files = task()
    results: dict[str, Any] = {}
    for frame in pl.collect_all(query(form, files, variances), engine="streaming"):
        columns = frame.to_dict(as_series=False)
        by = next(iter(columns))
        groups = None if "." in by else list(map(str, columns.pop(by)))
        for name, column in columns.items():
            if groups is None:
                results[name] = column[0]
            else:
                results.setdefault(name, {}).update(zip(groups, column, strict=True))
    answer(results)


if __name__ == "__main__":
    main()
