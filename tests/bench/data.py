"""Writes one data set of the benchmark, a chunk at a time: `python -m tests.bench.data NAME ROWS PATH`.

Runs in a process of its own: the process that measures must stay small (see `measure`).
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

SEED = 20_240_601
ROW_GROUP = 1_048_576  # what pyarrow.parquet.write_table takes by default
STORES = 1_000
CLASSES = 10
GAPS = 0.01
WORDS = ("apple", "bread", "coffee", "dates", "eggs", "flour", "grapes", "honey")
MODELS = {"a": (0.5, 0.02), "b": (0.9, -0.05), "c": (1.6, 0.01)}
"""Scale and bias of each regression model's noise: residuals on both sides of the Huber loss's corner."""

Array = np.ndarray[Any, np.dtype[Any]]
Chunks = Iterator[dict[str, Any]]


class Streams(dict[str, np.random.Generator]):
    """A generator of its own for each name, so that a column's values do not depend on how it is cut into chunks."""

    def __missing__(self, name: str) -> np.random.Generator:
        self[name] = np.random.default_rng([SEED, zlib.crc32(name.encode())])
        return self[name]


def sizes(rows: int, chunk: int) -> Iterator[tuple[int, int]]:
    """The first row and the number of rows of each chunk."""
    for start in range(0, rows, chunk):
        yield start, min(chunk, rows - start)


def prediction(model: str, target: Array, streams: Streams) -> Array:
    """A regression model's predictions: the target, noise and a bias."""
    scale, bias = MODELS[model]
    return target + (bias + scale * streams[f"noise {model}"].standard_normal(len(target)))


def growth(rows: int) -> Chunks:
    """The target and three models."""
    streams = Streams()
    for _, size in sizes(rows, ROW_GROUP):
        target = streams["target"].standard_normal(size)
        yield {"y": target} | {model: prediction(model, target, streams) for model in MODELS}


def regression(rows: int) -> Chunks:
    """The same with what else real files hold: an identifier that nobody asks for, and a group."""
    streams = Streams()
    stores = pa.array([f"store_{number:04}" for number in range(STORES)])
    start = 0
    for columns in growth(rows):
        size = len(columns["y"])
        codes = streams["store"].integers(0, STORES, size).astype(np.int16)
        store = pa.DictionaryArray.from_arrays(pa.array(codes), stores)
        yield {"id": np.arange(start, start + size), "store": store} | columns
        start += size


def survey(rows: int) -> Chunks:
    """A regression table with weights, two columns to slice by, and a copy of its numbers with gaps."""
    streams = Streams()
    stores = pa.array([f"store_{number:04}" for number in range(STORES)])
    for _, size in sizes(rows, ROW_GROUP):
        target = streams["target"].standard_normal(size)
        store = pa.array(streams["store"].integers(0, STORES, size).astype(np.int16))
        word = pa.array(streams["word"].integers(0, len(WORDS), size).astype(np.int8))
        columns = {"y": target, "a": prediction("a", target, streams), "b": prediction("b", target, streams)}
        yield {
            **columns,
            "weight": streams["weight"].gamma(2.0, size=size),
            "store": pa.DictionaryArray.from_arrays(store, stores),
            "word": pa.DictionaryArray.from_arrays(word, pa.array(WORDS)),
            **{
                f"{name}_gaps": pa.array(column, mask=streams[f"gaps {name}"].random(size) < GAPS)
                for name, column in columns.items()
            },
        }


def customers(rows: int) -> Chunks:
    """One model and a key of many values: five rows of each, spread over the file."""
    streams = Streams()
    for _, size in sizes(rows, ROW_GROUP):
        target = streams["target"].standard_normal(size)
        yield {
            "customer": streams["customer"].integers(0, rows // 5, size),
            "y": target,
            "a": prediction("a", target, streams),
        }


def target_alone(rows: int) -> Chunks:
    """The target of `regression` in a file of its own."""
    streams = Streams()
    for _, size in sizes(rows, ROW_GROUP):
        yield {"y": streams["target"].standard_normal(size)}


def model_alone(model: str, row_group: int) -> Callable[[int], Chunks]:
    """One model of `regression` in a file of its own, in row groups of its own size."""

    def chunks(rows: int) -> Chunks:
        streams = Streams()
        for _, size in sizes(rows, row_group):
            yield {"pred": prediction(model, streams["target"].standard_normal(size), streams)}

    return chunks


def sigmoid(logit: Array) -> Array:
    """Probabilities, and none of exactly one half: whether that is a yes is a matter of taste."""
    probability = 1 / (1 + np.exp(-logit))
    probability[probability == 0.5] = np.nextafter(0.5, 1)
    return probability


def binary(rows: int) -> Chunks:
    """0/1 observed with the probability of a logit, that one model blurs and the other flattens."""
    streams = Streams()
    for _, size in sizes(rows, ROW_GROUP):
        logit = 1.5 * streams["logit"].standard_normal(size)
        yield {
            "y": (streams["observed"].random(size) < sigmoid(logit)).astype(np.int8),
            "a": sigmoid(logit + 0.5 * streams["blur a"].standard_normal(size)),
            "b": sigmoid(0.6 * logit + 0.2 * streams["blur b"].standard_normal(size)),
        }


def multiclass(rows: int) -> Chunks:
    """Softmax of random logits, and a label drawn from nearly these probabilities."""
    streams = Streams()
    for _, size in sizes(rows, ROW_GROUP):
        logits = 1.5 * streams["logits"].standard_normal((size, CLASSES))
        label = np.argmax(logits + streams["label"].gumbel(size=(size, CLASSES)), axis=1)
        weights = np.exp(logits + 0.3 * streams["blur"].standard_normal((size, CLASSES)))
        probabilities = weights / weights.sum(axis=1, keepdims=True)
        yield {"label": label} | {f"p_{index}": probabilities[:, index].copy() for index in range(CLASSES)}


def table(rows: int) -> Chunks:
    """A regression table with one model and a column of text, for CSV and JSON lines."""
    streams = Streams()
    for start, size in sizes(rows, ROW_GROUP):
        target = streams["target"].standard_normal(size)
        word = pa.array(WORDS).take(pa.array(streams["word"].integers(0, len(WORDS), size)))
        yield {
            "id": np.arange(start, start + size),
            "y": target,
            "a": prediction("a", target, streams),
            "word": word,
        }


def keys(index: Array) -> Array:
    """Distinct 64-bit keys spread over the whole range: the finaliser of SplitMix64, a bijection."""
    mixed = index.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))).view(np.int64)


def keyed(column: str) -> Callable[[int], Chunks]:
    """The target or the predictions under keys, in an order of their own."""

    def chunks(rows: int) -> Chunks:
        streams = Streams()
        target = streams["target"].standard_normal(rows)
        values = target if column == "y" else prediction("a", target, streams)
        order = streams[f"order {column}"].permutation(rows)
        for start, size in sizes(rows, ROW_GROUP):
            here = order[start : start + size]
            yield {"id": keys(here), column: values[here]}

    return chunks


DATA_SETS: dict[str, Callable[[int], Chunks]] = {
    "growth": growth,
    "regression": regression,
    "survey": survey,
    "customers": customers,
    "target": target_alone,
    "model_a": model_alone("a", 122_880),  # DuckDB's row groups
    "model_b": model_alone("b", 262_144),  # Polars'
    "model_c": model_alone("c", 500_000),
    "binary": binary,
    "multiclass": multiclass,
    "table": table,
    "keyed_target": keyed("y"),
    "keyed_pred": keyed("pred"),
}


def write_parquet(chunks: Iterator[pa.Table], path: Path) -> None:
    """With pyarrow's defaults, a row group for each chunk."""
    first = next(chunks)
    with pq.ParquetWriter(path, first.schema) as writer:
        for chunk in itertools.chain([first], chunks):
            writer.write_table(chunk, row_group_size=ROW_GROUP)


def write_csv(chunks: Iterator[pa.Table], path: Path) -> None:
    """The shortest digits that read back the same, nothing quoted."""
    options = pa.csv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as file:
        for number, chunk in enumerate(chunks):
            if number == 0:
                file.write((",".join(chunk.column_names) + "\n").encode())
            pa.csv.write_csv(chunk, file, options)


def write_jsonl(chunks: Iterator[pa.Table], path: Path) -> None:
    """An object a line, its keys always in the same order."""
    with path.open("w") as file:
        for chunk in chunks:
            file.writelines(json.dumps(row) + "\n" for row in chunk.to_pylist())


def write_npz(chunks: Iterator[pa.Table], path: Path) -> None:
    """An array of each column, not compressed."""
    whole = pa.concat_tables(chunks)
    with path.open("wb") as file:
        np.savez(file, **{name: whole.column(name).to_numpy() for name in whole.column_names})


WRITERS = {".parquet": write_parquet, ".csv": write_csv, ".jsonl": write_jsonl, ".npz": write_npz}


def main() -> None:
    """Write under a temporary name and rename: what bears the name is whole."""
    name, rows, path = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    chunks = (pa.table(columns) for columns in DATA_SETS[name](rows))
    try:
        WRITERS[path.suffix](chunks, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
