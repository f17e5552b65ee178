"""Source: one local file, known by its first bytes, unchanged while it is read."""

from __future__ import annotations

import os
import re
import stat
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Final
from zlib import crc32

import pyarrow as pa

from lossctl.errors import DataError, printable
from lossctl.files import drop_spool, explained, failing, open_file, spool_file, standard_input, status

PARQUET, ENCRYPTED_PARQUET = b"PAR1", b"PARE"
MAGIC: Final = (
    (PARQUET, "parquet"),
    (ENCRYPTED_PARQUET, "parquet"),
    (b"\x93NUMPY", "npy"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"ARROW1", "Arrow file"),
    (b"\xff\xff\xff\xff", "Arrow stream"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # without members
)
MARKS: Final = (  # with which text of wide characters begins
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
COMPRESSED: Final = ("gzip", "bz2", "zstd")
# a CSV header may begin with {, too
JSON_START: Final = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*(?:\[[ \t\r\n]*)?\{[ \t\r\n]*(?:[\"}]|\Z)")
SNIFFED: Final = 4096  # bytes in which the first that is no blank must stand
# what Arrow says of the machine without a number; its other errors that have none are of contents
FAILURES: Final = ("lseek failed", "error stat()ing file", "error closing file")
STEP: Final = 1 << 20  # bytes read at a time
WINDOW: Final = 1 << 18  # bytes of a file that are compared together


class Source:
    """A local file: its label for messages, its first bytes and the format they tell, and its identity when opened.

    `stem` is its name in lower case, without the suffix of a compression. name: that of a file which has none itself.
    """

    buffer_bytes = 1 << 16  # read at a time from each column of Parquet: what a page takes stays in the cache
    tail = WINDOW  # bytes at the end, which in most formats say what is before
    digests = False  # whether rows of text are digested while they are read
    digest = ""  # that of the last reading of all rows

    def __init__(self, path: str, label: str | None = None, name: str | None = None) -> None:
        self.path = path
        self.label = label or printable(path)
        try:
            entry = status(path)
            if entry is not None and not stat.S_ISREG(entry.st_mode):
                raise DataError(f"{self.label}: not a regular file; a stream is read as - from standard input")
            with open_file(path) as file:
                entry = os.fstat(file.fileno())
                start = file.read(SNIFFED)
        except OSError as error:
            raise DataError(f"{self.label}: {explained(error)}") from None
        self._identify(start, entry.st_size, _stamp(entry), name or path)

    def _identify(self, start: bytes, size: int, stamp: tuple[Any, ...], name: str) -> None:
        self.start = start
        self.failure = ""
        self._file: pa.NativeFile | None = None
        self.stamp = stamp
        self.size = size
        self.format = next((form for magic, form in MAGIC if start.startswith(magic)), "text")
        self.compressed = self.format in COMPRESSED
        self.stem = re.sub(r"\.(gz|bz2|zst)$", "", Path(name).name.lower())

    def file(self) -> pa.NativeFile:
        """Open the file for Arrow: never as a URI, never memory-mapped, never as a Python object."""
        try:
            os.fsencode(self.path).decode("utf-8")
        except UnicodeDecodeError:  # Arrow takes UTF-8 paths only; the descriptor has a plain name
            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                file = pa.OSFile(f"/proc/self/fd/{descriptor}")
            finally:
                os.close(descriptor)
        else:
            file = pa.OSFile(os.path.abspath(self.path))
        self.unchanged()
        self._file = file
        return file

    @property
    def position(self) -> int:
        """How many bytes of the file Arrow has read since it was opened the last time."""
        return 0 if self._file is None else self.size if self._file.closed else self._file.tell()

    def open(self) -> IO[bytes]:
        """Open the file to be read by Python."""
        file = open_file(self.path)
        self.unchanged()
        return file

    def stream(self, start: int = 0) -> pa.NativeFile:
        """Open the file as a stream of its text in UTF-8, decompressed, from byte `start` of that on."""
        stream = self._decompressed()
        if self.encoding is not None:
            stream = pa.transcoding_input_stream(stream, self.encoding, "utf-8")
        elif not self.compressed:
            stream.seek(start)
            return stream
        while start and (skipped := len(stream.read(min(start, STEP)))):
            start -= skipped
        return stream

    def head(self, size: int, start: int = 0) -> bytes:
        """Return the first bytes of the text, from a byte on."""
        with self.reading(), self.stream(start) as stream:
            return bytes(stream.read(size))

    def rows(self, start: int) -> Any:
        """Open the file as a stream of its text, of which the rows begin at byte `start`."""
        stream = self.stream(start)
        return Digesting(self, stream) if self.digests and not self.digest else stream

    def content(self, stride: int) -> str:
        """Return a digest of the content: where text has been read, of its rows, else of the file.

        stride: of a file, which of its windows count, as of each second one. Its end counts as well.
        """
        with self.reading():
            return self.digest or digest_of_file(self.path, self.stamp, self.tail, stride)

    def _decompressed(self) -> pa.NativeFile:
        return pa.CompressedInputStream(self.file(), self.format) if self.compressed else self.file()

    @cached_property
    def encoding(self) -> str | None:
        """The encoding of a text that its first bytes mark, None where they mark none or UTF-8."""
        with self._decompressed() as stream:
            start = stream.read(max(len(mark) for mark, _ in MARKS))
        return next((encoding for mark, encoding in MARKS if start.startswith(mark)), None)

    @property
    def holds_json(self) -> bool:
        """Whether the text, decompressed if it is compressed, begins as a JSON object or a list of them does."""
        try:
            with self.stream() as stream:
                return JSON_START.match(stream.read(SNIFFED)) is not None
        except UnicodeDecodeError:  # whoever reads it says what is wrong
            return False
        except OSError as error:
            self.unchanged(error)
            return False  # as above

    def unchanged(self, error: Exception | None = None) -> None:
        """Raise DataError if the file is no longer the one that was opened, or has been written to.

        error: what reading came upon. If the machine failed, as a disk does, that is raised, and whenever this is asked
        again: the reader that came upon it may only have tried.

        Asked whenever it is opened and after the last row is read, so that all that was read is of one file: whoever
        puts another one in its place and takes it back, or restores the time of the last change, changes the `ctime`.
        """
        self._compare(self._now(), error)

    def _compare(self, stamp: tuple[Any, ...] | None, error: Exception | None = None) -> None:
        if stamp != self.stamp:
            self.failure = "the file changed while it was read; run again on a file at rest"
        else:
            self.failure = self._failed(error) or self.failure
        if self.failure:
            raise DataError(f"{self.label}: {self.failure}")

    def _now(self) -> tuple[Any, ...] | None:
        """Return inode, size and times of the file as it is now; None where it is gone."""
        try:
            return _stamp(os.stat(self.path))
        except OSError:
            return None

    def _failed(self, error: Exception | None) -> str:
        """Return what the operating system reports of an error; "" for an error of the data."""
        if isinstance(error, OSError) and (error.errno is not None or str(error).startswith(FAILURES)):
            return explained(error)
        return ""

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Raise DataError, in one line, for what the operating system or Arrow cannot read."""
        try:
            yield
        except UnicodeDecodeError as error:
            raise DataError(f"{self.label}: it begins as {error.encoding} text, but is none: {error.reason}") from None
        except OSError as error:
            self.unchanged(error)
            raise DataError(f"{self.label}: {explained(error)}") from None


class Digesting:
    """A stream of text that leaves the digest of what has been read with its source, once it is at its end."""

    def __init__(self, source: Source, stream: pa.NativeFile) -> None:
        self.source, self.stream, self.sums = source, stream, Sums()

    def __enter__(self) -> Digesting:
        return self

    def __exit__(self, *error: object) -> None:
        self.stream.close()

    def read(self, size: int) -> bytes:
        """Read the next bytes."""
        text: bytes = self.stream.read(size)
        self.sums.add(text)
        if not text:
            self.source.digest = self.sums.digest
        return text


class Sums:
    """Checksums of bytes, window by window, which tell what has come to differ, not what somebody has forged."""

    def __init__(self) -> None:
        self._digest, self._size = blake2b(digest_size=8), 0

    def add(self, data: bytes) -> None:
        """Take in the next bytes."""
        self._digest.update(crc32(data).to_bytes(4, "little"))
        self._size += len(data)

    @property
    def digest(self) -> str:
        """The digest of all bytes."""
        return f"{self._size:x}-{self._digest.hexdigest()}"


@lru_cache(1 << 14)
def digest_of_file(path: str, stamp: object, tail: int, stride: int) -> str:
    """Return the digest of a file at rest, which a worker may be asked for again and again; see `Source.content`."""
    sums = Sums()
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        for place in range(0, size, WINDOW * stride):
            file.seek(place)
            sums.add(file.read(WINDOW))
        if stride > 1:
            file.seek(max(size - tail, 0))
            sums.add(file.read())
    return f"{size:x}-{sums.digest}"


def _stamp(entry: os.stat_result) -> tuple[int, ...]:
    return entry.st_dev, entry.st_ino, entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns


def spooled_stdin() -> Source:
    """Copy standard input to a temporary file that goes with the process, and watch that."""
    return spooled(standard_input(), "standard input")


def spooled(stream: IO[Any], label: str, name: str = "") -> Source:
    """Copy what a stream of bytes or text still holds to a temporary file that goes with the process, and watch that.

    name: the file that the stream is of, whose suffix may tell its format.
    """
    import tempfile

    with failing(label, "cannot be kept for reading: "):
        spool, path = spool_file("lossctl-spool-")
    try:
        start = b""
        while True:
            with failing(label):
                part = stream.read(STEP)
            if not part:
                break
            data = part.encode() if isinstance(part, str) else part
            start = start or data[:SNIFFED]
            view = memoryview(data)
            with failing(label, f"cannot be kept in {tempfile.gettempdir()}: "):
                while view:
                    view = view[spool.write(view) :]
            if _is_noise(start):  # and may have no end, as /dev/zero
                raise DataError(f"{label}: is no text and no file of data: it begins as {start[:4]!r}")
        source = Source(path, label, name or "stdin")
    except BaseException:
        drop_spool(spool, path)
        raise
    weakref.finalize(source, drop_spool, spool, path)
    return source


def _is_noise(start: bytes) -> bool:
    """Whether bytes begin neither a file of a format that is known nor a text."""
    if b"\0" not in start or start.startswith(tuple(magic for magic, _ in (*MAGIC, *MARKS))):
        return False
    try:
        start[:-3].decode()  # the last character may be cut
    except UnicodeDecodeError:
        return True
    return start.startswith(b"\0")
