"""Source: one local file under watch: opened by us, known by its first bytes, unchanged while it is read."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Final

import pyarrow as pa

from lossctl.errors import DataError, UsageError, printable

MAGIC: Final = (
    (b"PAR1", "parquet"),
    (b"\x93NUMPY", "npy"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"ARROW1", "Arrow IPC"),
    (b"\xfd7zXZ", "xz"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # without members
    *((bytes((0x80, protocol)), "pickle") for protocol in range(2, 6)),
)
FORMATS: Final = "CSV, TSV, JSON lines, Parquet, .npy or .npz"
COMPRESSED: Final = ("gzip", "bz2", "zstd")
JSON_START: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\{[ \t\r\n]*(?:[\"}]|\Z)"
)  # a header may begin with {, too
SNIFFED: Final = 4096  # bytes in which the first that is no blank must stand
SPOOL_STEP = 1 << 20


class Source:
    """A local file: its label for messages, its format by magic bytes, and its identity when first seen."""

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
            raise DataError(f"{self.label}: {self.explained(error)}") from None
        self.stamp = _stamp(status)
        self.size = status.st_size
        text = "jsonl" if JSON_START.match(start) else "csv"
        self.format = next((name for magic, name in MAGIC if start.startswith(magic)), text)

    @property
    def stem(self) -> str:
        """The file name without the suffix of a compression, in lower case."""
        return re.sub(r"\.(gz|bz2|zst)$", "", Path(self.path).name.lower())

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
        if self.format not in COMPRESSED:
            file.seek(start)
            return file
        stream = pa.CompressedInputStream(file, self.format)
        while start and (skipped := len(stream.read(min(start, SPOOL_STEP)))):
            start -= skipped
        return stream

    @property
    def holds_json(self) -> bool:
        """Whether the text, decompressed if it is compressed, begins as a JSON object does."""
        if self.format not in COMPRESSED:
            return self.format == "jsonl"
        try:
            with self.stream() as stream:
                return JSON_START.match(stream.read(SNIFFED)) is not None
        except OSError:  # whoever reads it says what is wrong
            return False

    def unchanged(self) -> None:
        """Raise DataError if the file is no longer the one that was opened."""
        try:
            now = _stamp(os.stat(self.path))
        except OSError:
            now = None
        if now != self.stamp:
            raise DataError(f"{self.label}: the file changed while it was read; run again on a file at rest")

    def explained(self, error: OSError) -> str:
        """Word an operating system or Arrow error in one line."""
        text = error.strerror or str(error).splitlines()[0]
        if "Truncated compressed stream" in text:
            return "the compressed file is cut short"
        if "inflate failed" in text or "decompress" in text.lower():
            return f"the compressed file is corrupted ({text})"
        return text[0].lower() + text[1:] if text else type(error).__name__


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def spooled_stdin() -> Source:
    """Copy standard input to a temporary file that goes with the process, and watch that."""
    if sys.stdin is None:
        raise UsageError("- reads standard input, but it is closed")
    if sys.stdin.isatty():
        raise UsageError("- reads standard input, but it is a terminal; pipe a file into lossctl")
    handle, path = tempfile.mkstemp(prefix="lossctl-stdin-")
    try:
        with open(handle, "wb") as spool:
            shutil.copyfileobj(sys.stdin.buffer, spool, SPOOL_STEP)
        source = Source(path, "standard input")
    except BaseException:
        os.unlink(path)
        raise
    weakref.finalize(source, os.unlink, path)
    return source
