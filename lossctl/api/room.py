"""Room: losses that keep every value are refused before they take more memory than there is."""

from __future__ import annotations

import re
from decimal import Decimal

from lossctl.core.state import Sample
from lossctl.engine.plan import Plan
from lossctl.engine.run import Progress
from lossctl.errors import DataError, UsageError, listed
from lossctl.io.machine import free_memory

UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


def as_bytes(size: str | int) -> int:
    """Read a size: a number of bytes, or with K, M, G or T (powers of 1024)."""
    if isinstance(size, int):
        if size < 1:
            raise UsageError(f"--max-memory {size}: at least one byte is needed")
        return size
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kmgt]?)(?:i?b)?", size.strip().lower())
    if found is None or not Decimal(found[1]):
        raise UsageError(f"--max-memory {size}: a size is needed, as 500M or 2G")
    return int(Decimal(found[1]) * (1 << UNITS[found[2]]))


class Room:
    """How many rows there is room for, where a loss keeps them all; counts the rows that come."""

    def __init__(self, plan: Plan, size: str | int | None, progress: Progress | None) -> None:
        self._progress = progress
        self._rows = 0
        self._given = size
        riders = len(plan.sample_groups) + (2 if plan.resamples else 0)
        lines = [len(terms) + 1 + riders for _, terms, kind in plan.wholes if kind == "sample"]
        lines += [] if plan.times is None else [len(plan.quantities) + int(plan.weighted) + riders + 1]
        self._each = Sample.bytes_per_row(sum(lines))
        self._bytes = free_memory() if size is None else as_bytes(size)
        everything = plan.times is not None
        self._losses = list(dict.fromkeys(q.label for q in plan.questions if everything or q.loss.keeps == "sample"))

    def check(self, rows: int) -> None:
        """Raise DataError if the samples of that many rows would not fit."""
        if self._bytes is None or rows * self._each <= self._bytes:
            return
        limit = "are free" if self._given is None else "--max-memory allows"
        raise DataError(
            f"{listed(self._losses)}: every value is kept, which takes {self._each} bytes a row at the end: "
            f"{_mebibytes(rows * self._each)} for {rows} rows{'' if not self._rows else ' so far'}, and "
            f"{_mebibytes(self._bytes)} {limit}; leave such losses out, take fewer rows, or raise --max-memory"
        )

    def __call__(self, rows: int) -> None:
        """Take the rows of a block that is done."""
        self._rows += rows
        self.check(self._rows)
        if self._progress is not None:
            self._progress(rows)


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.4g} MiB"
