"""Spill: rows of 64-bit words parted by the first bits of a hash, in a temporary file once there are many."""

from __future__ import annotations

import os
import tempfile
import weakref
from dataclasses import dataclass
from threading import Lock
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from lossctl.core.fingerprint import Hashes
from lossctl.errors import DataError

Words = NDArray[np.uint64]  # (lines, rows); line 0 is the hash, the last one the check if there is one

BUCKET_BITS: Final = 8
BUCKETS: Final = 1 << BUCKET_BITS
RUN_ROWS: Final = 1 << 19  # rows that are parted together
HELD_BYTES: Final = 1 << 26  # bytes that stay in memory before any go to the file
WORD_BYTES: Final = 8


def bucket_of(hashes: Hashes, bits: int) -> NDArray[np.int64]:
    """Return the first bits of each hash as a number."""
    return (hashes >> np.uint64(64 - bits)).astype(np.int64) if bits else np.zeros(len(hashes), dtype=np.int64)


@dataclass(frozen=True)
class Run:
    """Some rows, in the order of their buckets; `ends[b]` counts the rows of buckets up to b. In memory or a file."""

    ends: NDArray[np.int64]
    words: Words | None
    offset: int
    lines: int
    checked: bool

    @property
    def rows(self) -> int:
        return int(self.ends[-1])


class Spill:
    """The rows of one table; several threads may add to it."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._file: IO[bytes] | None = None
        self._held = 0
        self._end = 0
        self._lock = Lock()

    def add(self, words: Words, checked: bool) -> None:
        """Take rows, part them, and keep them or write them out; `checked` says that the last line is a check."""
        buckets = bucket_of(words[0], BUCKET_BITS).astype(np.uint8)
        order = np.argsort(buckets, kind="stable")  # a radix sort
        ends = np.cumsum(np.bincount(buckets, minlength=BUCKETS))
        parted = np.take(words, order, axis=1)
        with self._lock:
            if self._held + parted.nbytes <= HELD_BYTES:
                self._held += parted.nbytes
                self._runs.append(Run(ends, parted, 0, len(parted), checked))
                return
            if self._file is None:
                self._file = self._opened()
            offset = self._end
            self._end += parted.nbytes
            self._runs.append(Run(ends, None, offset, len(parted), checked))
        self._write(parted, offset)

    def _opened(self) -> IO[bytes]:
        try:
            file = tempfile.TemporaryFile(prefix="lossctl-join-")  # noqa: SIM115  # goes with the rows
        except OSError as error:
            raise _no_room(str(error.strerror or error)) from None
        weakref.finalize(self, file.close)
        return file

    def _write(self, parted: Words, offset: int) -> None:
        assert self._file is not None
        view = parted.data.cast("B")
        try:
            while view:
                written = os.pwrite(self._file.fileno(), view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            raise _no_room(f"{tempfile.gettempdir()}: {error.strerror}") from None

    @property
    def rows(self) -> int:
        return sum(run.rows for run in self._runs)

    def counts(self) -> NDArray[np.int64]:
        """Return the rows of each bucket."""
        return np.sum([np.diff(run.ends, prepend=0) for run in self._runs], axis=0, initial=0) + np.zeros(BUCKETS, int)

    def read(self, first: int, stop: int) -> tuple[Words, Words]:
        """Return the (lines, rows) words and the (rows,) checks of buckets first to stop, in no particular order."""
        parts = [self._part(run, first, stop) for run in self._runs]
        checks = [
            part[-1] if run.checked else np.zeros(part.shape[1], np.uint64)
            for run, part in zip(self._runs, parts, strict=True)
        ]
        words = [part[:-1] if run.checked else part for run, part in zip(self._runs, parts, strict=True)]
        if not words:
            return np.empty((1, 0), np.uint64), np.empty(0, np.uint64)
        return np.concatenate(words, axis=1), np.concatenate(checks)

    def _part(self, run: Run, first: int, stop: int) -> Words:
        begin, end = int(run.ends[first - 1]) if first else 0, int(run.ends[stop - 1])
        if run.words is not None:
            return run.words[:, begin:end]
        assert self._file is not None
        part = np.empty((run.lines, end - begin), dtype=np.uint64)
        for line in range(run.lines):
            offset = run.offset + (line * run.rows + begin) * WORD_BYTES
            os.preadv(self._file.fileno(), [memoryview(part[line]).cast("B")], offset)
        return part


def _no_room(why: str) -> DataError:
    return DataError(
        f"{why}: the join by --id keeps its rows in temporary files; set TMPDIR to a folder with more room"
    )
