"""Polars: lazy expressions on the streaming engine; its threads are set by POLARS_MAX_THREADS."""

from __future__ import annotations

import math
from typing import Any

import polars as pl  # type: ignore[import-not-found]

from tests.bench.peers import answer, task

COLUMNS = [f"p_{index}" for index in range(10)]
CSV = {"id": pl.Int64, "y": pl.Float64, "a": pl.Float64, "word": pl.String}


def residual(model: str) -> Any:
    return pl.col(model) - pl.col("y")


def regression(model: str, r: Any) -> list[Any]:
    """The losses of a model's residual; what they share the optimiser computes once."""
    values = {
        "mse": (r * r).mean(),
        "mae": r.abs().mean(),
        "mbe": -r.mean(),
        "huber": pl.when(r.abs() <= 1).then(0.5 * r * r).otherwise(r.abs() - 0.5).mean(),
        "rmse": (r * r).mean().sqrt(),
        "log_cosh": (r.abs() + (-2 * r.abs()).exp().log1p()).mean() - math.log(2),
    }
    return [value.alias(f"{model}.{loss}") for loss, value in values.items()]


def residuals(frame: Any, models: str) -> Any:
    """All rows' losses; residuals as columns of their own are faster here than within every expression."""
    values = [value for model in models for value in regression(model, pl.col(model))]
    return frame.select(residual(model).alias(model) for model in models).select(values)


def grouped(frame: Any) -> Any:
    """The losses by group; here the residuals are faster within the expressions."""
    return frame.group_by("store").agg(value for model in "abc" for value in regression(model, residual(model)))


def binary(frame: Any) -> Any:
    """From the probability given to what was observed: p of a 1, 1 - p of a 0."""
    values = []
    for model in "ab":
        q = pl.col(model)
        log, square = q.log(), (1 - q) * (1 - q)
        losses = {
            "bce": -log.mean(),
            "focal": -(square * log).mean(),
            "brier": square.mean(),
            "zero_one": (q < 0.5).mean(),
        }
        values += [value.alias(f"{model}.{loss}") for loss, value in losses.items()]
    return frame.select((pl.col(model) - (1 - pl.col("y"))).abs() for model in "ab").select(values)


def multiclass(frame: Any) -> Any:
    """From the probability given to the label, the sum of squares and the largest."""
    first, *others = map(pl.col, COLUMNS)
    squares = first * first
    for other in others:
        squares += other * other
    rows = frame.select(
        q=pl.concat_arr(COLUMNS).arr.get(pl.col("label")), squares=squares, largest=pl.max_horizontal(COLUMNS)
    )
    q = pl.col("q")
    losses = {
        "cce": -q.log().mean(),
        "brier": (pl.col("squares") - 2 * q).mean() + 1,
        "focal": -((1 - q) * (1 - q) * q.log()).mean(),
        "zero_one": (q < pl.col("largest")).mean(),
    }
    return rows.select(value.alias(f"softmax.{loss}") for loss, value in losses.items())


def query(form: str, files: list[str]) -> Any:
    """The whole work."""
    match form:
        case "regression":
            return residuals(pl.scan_parquet(files[0]), "abc")
        case "grouped":
            return grouped(pl.scan_parquet(files[0]))
        case "files":
            target, *models = map(pl.scan_parquet, files)
            columns = [frame.select(pl.col("pred").alias(model)) for model, frame in zip("abc", models, strict=True)]
            return residuals(pl.concat([target, *columns], how="horizontal"), "abc")
        case "csv":
            return residuals(pl.scan_csv(files[0], schema=CSV), "a")
        case "joined":
            target, predictions = map(pl.scan_parquet, files)
            r = pl.col("r")
            joined = target.join(predictions, on="id").select(r=residual("pred"))
            return joined.select((r * r).mean().alias("a.mse"), r.abs().mean().alias("a.mae"))
        case "binary":
            return binary(pl.scan_parquet(files[0]))
        case "multiclass":
            return multiclass(pl.scan_parquet(files[0]))
    raise ValueError(form)


def main() -> None:
    form, _, files = task()
    columns = query(form, files).collect(engine="streaming").to_dict(as_series=False)
    if stores := columns.pop("store", None):
        answer({name: dict(zip(stores, column, strict=True)) for name, column in columns.items()})
    else:
        answer({name: column[0] for name, column in columns.items()})


if __name__ == "__main__":
    main()
