"""pandas and scikit-learn: the script that people write today."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import (
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    root_mean_squared_error,
    zero_one_loss,
)

from tests.bench.peers import answer, task

CLASSES = range(10)


def huber(r: Any) -> Any:
    return np.where(np.abs(r) <= 1, 0.5 * r**2, np.abs(r) - 0.5)


def log_cosh(r: Any) -> Any:
    return np.abs(r) + np.log1p(np.exp(-2 * np.abs(r))) - np.log(2)


def focal(q: Any) -> Any:
    return -((1 - q) ** 2) * np.log(q)


def regression(frame: pd.DataFrame, models: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for model in models:
        y, p = frame["y"].to_numpy(), frame[model].to_numpy()
        values |= {
            f"{model}.mse": mean_squared_error(y, p),
            f"{model}.mae": mean_absolute_error(y, p),
            f"{model}.mbe": np.mean(y - p),
            f"{model}.huber": np.mean(huber(p - y)),
            f"{model}.rmse": root_mean_squared_error(y, p),
            f"{model}.log_cosh": np.mean(log_cosh(p - y)),
        }
    return values


def grouped(frame: pd.DataFrame) -> dict[str, Any]:
    """Per row and then the means of each group: scikit-learn's functions would be called 1,000 times each."""
    values: dict[str, Any] = {}
    for model in "abc":
        r = frame[model] - frame["y"]
        rows = {"mse": r**2, "mae": r.abs(), "mbe": -r, "huber": huber(r), "log_cosh": log_cosh(r)}
        means = pd.DataFrame(rows).groupby(frame["store"], observed=True).mean()
        means["rmse"] = np.sqrt(means["mse"])
        values |= {f"{model}.{loss}": means[loss].to_dict() for loss in means}
    return values


def binary(frame: pd.DataFrame) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for model in "ab":
        y, p = frame["y"].to_numpy(), frame[model].to_numpy()
        values |= {
            f"{model}.bce": log_loss(y, p),
            f"{model}.focal": np.mean(focal(np.where(y == 1, p, 1 - p))),
            f"{model}.brier": brier_score_loss(y, p),
            f"{model}.zero_one": zero_one_loss(y, p > 0.5),
        }
    return values


def multiclass(frame: pd.DataFrame) -> dict[str, Any]:
    y, p = frame["label"].to_numpy(), frame[[f"p_{index}" for index in CLASSES]].to_numpy()
    return {
        "softmax.cce": log_loss(y, p, labels=CLASSES),
        "softmax.brier": brier_score_loss(y, p, labels=CLASSES, scale_by_half=False),
        "softmax.focal": np.mean(focal(p[np.arange(len(y)), y])),
        "softmax.zero_one": zero_one_loss(y, p.argmax(axis=1)),
    }


def two(frame: pd.DataFrame) -> dict[str, Any]:
    """mse and mae of one model."""
    return {"a.mse": mean_squared_error(frame["y"], frame["a"]), "a.mae": mean_absolute_error(frame["y"], frame["a"])}


def values(form: str, files: list[str]) -> dict[str, Any]:
    """The whole work."""
    match form:
        case "regression":
            return regression(pd.read_parquet(files[0], columns=["y", "a", "b", "c"]), "abc")
        case "grouped":
            return grouped(pd.read_parquet(files[0], columns=["store", "y", "a", "b", "c"]))
        case "files":
            target, *models = map(pd.read_parquet, files)
            columns = [frame["pred"].rename(model) for model, frame in zip("abc", models, strict=True)]
            return regression(pd.concat([target, *columns], axis=1), "abc")
        case "csv":
            return regression(pd.read_csv(files[0], usecols=["y", "a"]), "a")
        case "jsonl":
            return regression(pd.read_json(files[0], lines=True), "a")
        case "npz":
            with np.load(files[0]) as arrays:
                return regression(pd.DataFrame({name: arrays[name] for name in ("y", "a")}), "a")
        case "small":
            return two(pd.read_csv(files[0], usecols=["y", "a"]))
        case "joined":
            target, predictions = map(pd.read_parquet, files)
            return two(target.merge(predictions.rename(columns={"pred": "a"}), on="id"))
        case "binary":
            return binary(pd.read_parquet(files[0], columns=["y", "a", "b"]))
        case "multiclass":
            return multiclass(pd.read_parquet(files[0]))
    raise ValueError(form)


def main() -> None:
    form, _, _, files = task()
    answer({name: value if isinstance(value, dict) else float(value) for name, value in values(form, files).items()})


if __name__ == "__main__":
    main()
