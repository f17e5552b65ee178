"""Source: one local file, known by its first bytes, unchanged while it is read, and its text in chunks of lines."""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa

from lossctl.core.batch import BLOCK
from lossctl.errors import DataError, UsageError, printable
from lossctl.numerics.array import Mask

MAGIC: Final = (
    (b"PAR1", "parquet"),
    (b"\x93NUMPY", "npy"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"ARROW1", "Arrow file"),
    (b"\xff\xff\xff\xff", "Arrow stream"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # without members
)
COMPRESSED: Final = ("gzip", "bz2", "zstd")
# a CSV header may begin with {, too
JSON_START: Final = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\{[ \t\r\n]*(?:[\"}]|\Z)")
SNIFFED: Final = 4096  # bytes in which the first that is no blank must stand
STEP: Final = 1 << 20  # bytes read at a time
LONGEST: Final = 1 << 25  # bytes that a chunk may have, whatever the number of its rows
NEWLINE, RETURN, QUOTE = b'\n\r"'


class Source:
    """A local file: its label for messages, its first bytes and the format they tell, and its identity when opened.

    `stem` is its name in lower case, without the suffix of a compression.
    """

    def __init__(self, path: str, label: str | None = None) -> None:
        self.path = path
        self.label = label or printable(path)
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe or a device might never end
                raise DataError(f"{self.label}: not a regular file; a stream is read as - from standard input")
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                start = file.read(SNIFFED)
        except OSError as error:
            raise DataError(f"{self.label}: {explained(error)}") from None
        self.start = start
        self.stamp = _stamp(status)
        self.size = status.st_size
        text = "jsonl" if JSON_START.match(start) else "csv"
        self.format = next((name for magic, name in MAGIC if start.startswith(magic)), text)
        self.compressed = self.format in COMPRESSED
        self.stem = re.sub(r"\.(gz|bz2|zst)$", "", Path(path).name.lower())

    def file(self) -> pa.NativeFile:
        """Open the file for Arrow: never as a URI, never memory-mapped, never as a Python object."""
        try:
            os.fsencode(self.path).decode("utf-8")
        except UnicodeDecodeError:  # Arrow takes UTF-8 paths only; the descriptor has a plain name
            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                return pa.OSFile(f"/proc/self/fd/{descriptor}")
            finally:
                os.close(descriptor)
        return pa.OSFile(os.path.abspath(self.path))

    def stream(self, start: int = 0) -> pa.NativeFile:
        """Open the file as a stream of its decompressed bytes, from byte `start` of these on."""
        file = self.file()
        if not self.compressed:
            file.seek(start)
            return file
        stream = pa.CompressedInputStream(file, self.format)
        while start and (skipped := len(stream.read(min(start, STEP)))):
            start -= skipped
        return stream

    def chunks(self, start: int, delimiter: str | None) -> Iterator[Chunk | Unsafe]:
        """Cut the decompressed text, from byte `start` on, into chunks of whole lines; see `chunks`."""
        with self.stream(start) as stream:
            yield from chunks(stream, delimiter, ahead=self.compressed)

    @property
    def holds_json(self) -> bool:
        """Whether the text, decompressed if it is compressed, begins as a JSON object does."""
        if not self.compressed:
            return self.format == "jsonl"
        try:
            with self.stream() as stream:
                return JSON_START.match(stream.read(SNIFFED)) is not None
        except OSError:  # whoever reads it says what is wrong
            return False

    def unchanged(self) -> None:
        """Raise DataError if the file is no longer the one that was opened."""
        try:
            stamp = _stamp(os.stat(self.path))
        except OSError:
            stamp = None
        if stamp != self.stamp:
            raise DataError(f"{self.label}: the file changed while it was read; run again on a file at rest")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Raise DataError, in one line, for what the operating system or Arrow cannot read."""
        try:
            yield
        except OSError as error:
            self.unchanged()
            raise DataError(f"{self.label}: {explained(error)}") from None


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def explained(error: OSError) -> str:
    """Word an operating system or Arrow error in one line."""
    text = error.strerror or str(error).splitlines()[0]
    if "Truncated compressed stream" in text:
        return "the compressed file is cut short"
    if "inflate failed" in text or "decompress" in text.lower():
        return f"the compressed file is corrupted ({text})"
    return text[0].lower() + text[1:] if text else type(error).__name__


def spooled_stdin() -> Source:
    """Copy standard input to a temporary file that goes with the process, and watch that."""
    if sys.stdin is None:
        raise UsageError("- reads standard input, but it is closed")
    if sys.stdin.isatty():
        raise UsageError("- reads standard input, but it is a terminal; pipe a file into lossctl")
    return spooled(sys.stdin.buffer, "standard input")


def spooled(stream: IO[Any], label: str, name: str = "") -> Source:
    """Copy what a stream of bytes or text still holds to a temporary file that goes with the process, and watch that.

    name: the file that the stream is of, whose suffix may tell its format.
    """
    suffix = "".join(Path(name).suffixes[-2:])
    handle, path = tempfile.mkstemp(prefix="lossctl-spool-", suffix=suffix if suffix.isascii() else "")
    try:
        with open(handle, "wb") as spool:
            while part := stream.read(STEP):
                spool.write(part.encode() if isinstance(part, str) else part)
        source = Source(path, label)
    except BaseException:
        os.unlink(path)
        raise
    weakref.finalize(source, os.unlink, path)
    return source


# text in chunks, so that several threads can parse it ----------------------------------------------------------------


@dataclass(frozen=True)
class Chunk:
    """Whole lines: their bytes, their number, and where in the file's text they begin."""

    text: bytes
    rows: int
    offset: int


@dataclass(frozen=True)
class Unsafe:
    """Where text begins whose line ends need not end rows: a reader must follow its quotes."""

    offset: int


def chunks(stream: pa.NativeFile, delimiter: str | None, ahead: bool) -> Iterator[Chunk | Unsafe]:
    """Cut a stream of text, from where it stands, into chunks of BLOCK lines; the last one is shorter.

    Without a delimiter every line end ends a row, as in JSON lines. `ahead` lets another thread read (and so
    decompress) the next bytes meanwhile.
    """
    steps = _read_ahead(stream) if ahead else iter(lambda: stream.read(STEP), b"")
    waiting: list[bytes] = []
    lines, size, offset = 0, 0, 0
    for step in steps:
        waiting.append(step)
        lines, size = lines + _lines(step), size + len(step)
        while lines >= BLOCK or (size >= LONGEST and lines):
            text, rows = b"".join(waiting), min(lines, BLOCK)
            end = _place(_at(text, NEWLINE), rows) + 1
            chunk = Chunk(text[:end], rows, offset)
            if not _safe(chunk.text, delimiter):
                yield Unsafe(offset)
                return
            yield chunk
            waiting, lines, size, offset = [text[end:]], lines - rows, size - end, offset + end
        if size >= LONGEST:  # no line end in all this: a reader says what is wrong, and nothing more is kept
            yield Unsafe(offset)
            return
    text = b"".join(waiting)
    if not _safe(text, delimiter):
        yield Unsafe(offset)
    elif text:
        yield Chunk(text, lines + (not text.endswith(b"\n")), offset)


def _read_ahead(stream: pa.NativeFile) -> Iterator[bytes]:
    with ThreadPoolExecutor(1, thread_name_prefix="lossctl-unpack") as pool:
        coming = pool.submit(stream.read, STEP)
        while step := coming.result():
            coming = pool.submit(stream.read, STEP)
            yield step


def _at(text: bytes, byte: int) -> Mask:
    """Return where a byte stands in a text."""
    return np.frombuffer(text, dtype=np.uint8) == byte


def _lines(text: bytes) -> int:
    return int(np.count_nonzero(_at(text, NEWLINE)))


def _place(marks: Mask, n: int) -> int:
    """Return the place of the n-th mark, by halving: counting marks is far quicker than listing them."""
    low, high = 0, len(marks)
    while high - low > 1:
        middle = (low + high) // 2
        count = int(np.count_nonzero(marks[low:middle]))
        if count >= n:
            high = middle
        else:
            n, low = n - count, middle
    return low


def _safe(text: bytes, delimiter: str | None) -> bool:
    """Whether every line end of a text ends a row: no lone carriage return, no line end between quotes."""
    if delimiter is None:
        return True
    if RETURN in text and not _returns_end_lines(text):
        return False
    return QUOTE not in text or _quotes_hold_no_line_end(text, ord(delimiter))


def _returns_end_lines(text: bytes) -> bool:
    return bool((_at(text, RETURN)[:-1] <= _at(text, NEWLINE)[1:]).all()) and not text.endswith(b"\r")


def _quotes_hold_no_line_end(text: bytes, delimiter: int) -> bool:
    """Whether quotes open at the start of a field, close at its end, and do so within their line."""
    codes = np.frombuffer(text, dtype=np.uint8)
    quotes = np.flatnonzero(codes == QUOTE)
    if len(quotes) % 2:
        return False
    before = np.concatenate([[NEWLINE], codes[:-1]])
    after = np.concatenate([codes[1:], [NEWLINE]])
    opening, closing = quotes[::2], quotes[1::2]
    # a doubled quote closes and opens again: the field goes on
    ends = (delimiter, NEWLINE, RETURN, QUOTE)
    opens, closes = np.isin(before[opening], ends), np.isin(after[closing], ends)
    line_ends = np.flatnonzero(codes == NEWLINE)
    return bool(opens.all() and closes.all() and not (np.searchsorted(quotes, line_ends) % 2).any())
