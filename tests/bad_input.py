"""What tests of bad input share: small files, and how a refusal is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from lossctl.errors import ExitCode

USAGE, DATA = ExitCode.USAGE, ExitCode.DATA
Write = Callable[[str, str | bytes], Path]
ROWS = 150_000  # of a long file: several blocks of rows, and of bytes
BLOCK = 65_536
REGRESSION = "y,p\n1,1.5\n2,2.5\n3,2\n4,4\n5,6\n6,6\n"
CLASSES = "y,p_a,p_b,p_c\na,0.5,0.3,0.2\nb,0.1,0.8,0.1\nc,0.2,0.2,0.6\na,0.9,0.1,0\n"
ON_P = ("-t", "y", "-p", "p")
MSE = (*ON_P, "-l", "mse")
BCE = (*ON_P, "-l", "bce")
CCE = ("-t", "y", "-p", "p_*", "-l", "cce")


@cache
def long_lines() -> tuple[str, ...]:
    """Header and rows of a long CSV file of one label, a number, a 0/1 target, a probability and ballast."""
    ballast = "x" * 60
    return ("label,v,y,p,ballast", *(f"{'ab'[i % 2]},{i},{i % 2},0.{1 + i % 9},{ballast}" for i in range(ROWS)))


def long_csv(write: Write, changes: dict[int, str], name: str = "long.csv", rows: int = ROWS) -> Path:
    """Write a long CSV file with some of its rows (from 1) changed."""
    lines = list(long_lines()[: rows + 1])
    for row, line in changes.items():
        lines[row] = line
    return write(name, "\n".join(lines) + "\n")


def parquet(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    """Write a Parquet file with page checksums."""
    pq.write_table(pa.table(columns), path, write_page_checksum=True, **options)
    return path
