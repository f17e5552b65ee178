"""The bare scan: what pyarrow needs to decode the columns on the same threads, and nothing else."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

from tests.bench.peers import task

NEEDED = {
    "regression": [["y", "a", "b", "c"]],
    "grouped": [["store", "y", "a", "b", "c"]],
    "files": [["y"], ["pred"], ["pred"], ["pred"]],
    "joined": [["id", "y"], ["id", "pred"]],
    "binary": [["y", "a", "b"]],
    "multiclass": [["label", *(f"p_{index}" for index in range(10))]],
    "csv": [["y", "a"]],
}
"""The columns of each file."""


def scan_parquet(files: list[str], needed: list[list[str]], threads: int) -> None:
    """Decode row groups, each thread the next; whole ones of a mapped file are faster than batches of a read one."""
    from pyarrow.parquet import ParquetFile

    turn = itertools.count()  # `next` on it is one step under the interpreter's lock

    def work(_: int) -> None:
        opened = [ParquetFile(file, memory_map=True) for file in files]
        groups = [
            (file, index, columns)
            for file, columns in zip(opened, needed, strict=True)
            for index in range(file.num_row_groups)
        ]
        while (mine := next(turn)) < len(groups):
            file, index, columns = groups[mine]
            file.read_row_group(index, columns=columns, use_threads=False)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))


def scan_csv(file: str, columns: list[str]) -> None:
    """Parse the columns; Arrow's streaming reader would use one thread only."""
    import pyarrow
    from pyarrow import csv

    types = dict.fromkeys(columns, pyarrow.float64())
    csv.read_csv(file, convert_options=csv.ConvertOptions(include_columns=columns, column_types=types))


def main() -> None:
    form, _, threads, files = task()
    if form == "csv":
        scan_csv(files[0], NEEDED[form][0])
    else:
        scan_parquet(files, NEEDED[form], threads)


if __name__ == "__main__":
    main()
