"""A file as it stands. Source: known by its first bytes, unchanged while it is read. Dialect: how its text is written.

What a dialect has to say are separators, quotes, comments, the form of numbers, and marks of missing values.
"""

from __future__ import annotations

import os
import re
import stat
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import chain, combinations
from pathlib import Path
from typing import IO, Any, Final, NamedTuple
from zlib import crc32

import pyarrow as pa

from lossctl.core.domain import way_of_list
from lossctl.errors import DataError, UsageError, printable
from lossctl.files import drop_spool, explained, failing, open_file, spool_file, standard_input, status
from lossctl.numerics.array import is_inexact

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


# how the text of a file is written ------------------------------------------------------------------------------------

NULLS: Final = ("", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "none", "<NA>")
TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
BLANKS: Final = "blanks"  # the delimiter that is any number of spaces and tabs
NONE: Final = "none"  # the quote of a file in which quotes mean nothing
POINT: Final = "."
EXPONENT: Final = r"(?:[eE][+-]?[0-9]+)?"
WORDS: Final = r"(?i:inf|infinity|nan)"
LONGEST_MARK: Final = 8  # characters of a mark of a missing value that a message offers
SHOWN: Final = 40  # characters of a field that a message shows
PAIRS: Final = ((",", "."), (".", ","), (".", " "), (",", " "), (".", "'"))  # decimal and thousands, as people write


class Content(NamedTuple):
    """What a field holds: boolean, number or text; of a vector that is written as text how many numbers, else 0."""

    kind: str
    entries: int = 0

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return self.entries or 1


@dataclass(frozen=True)
class Dialect:
    """What the options say of text files; each field is the option of its name.

    delimiter: None for a comma, or a tab where the file is called .tsv; `blanks` for runs of spaces and tabs. quote:
    `none` where quotes mean nothing. comment: what begins a line that is none. null: fields that are missing, as well
    as those of `NULLS`. bad_rows: whether rows that cannot be told apart into fields are an `error`, or to `drop`.
    """

    delimiter: str | None = None
    quote: str = '"'
    escape: str | None = None
    comment: str | None = None
    decimal: str = POINT
    thousands: str | None = None
    null: tuple[str, ...] = ()
    no_header: bool = False
    bad_rows: str = "error"

    def __post_init__(self) -> None:
        """Refuse marks that no file can have, or that mean two things."""
        if self.bad_rows not in ("error", "drop"):
            raise UsageError(f"--bad-rows {self.bad_rows}: error or drop")
        for flag, mark, word, barred in (
            ("-d", self.delimiter, BLANKS, '"\r\n'),
            ("--quote", self.quote, NONE, "\r\n"),
            ("--escape", self.escape, None, "\r\n"),
        ):
            if mark is not None and mark != word and (len(mark) != 1 or not mark.isascii() or mark in barred):
                but = f", or {word!r}" if word else ""
                raise UsageError(f"{flag} {mark!r}: one ASCII character is needed{but}, and no {_spelled(barred)}")
        numbers = ("--decimal", self.decimal), ("--thousands", self.thousands)
        for flag, mark in numbers:
            if mark is not None and (len(mark) != 1 or mark.isalnum() or mark in "+-\r\n"):
                raise UsageError(f"{flag} {mark!r}: one character is needed, such as ','")
        if self.comment is not None and (not self.comment.strip() or set(self.comment) & set("\r\n")):
            raise UsageError(f"--comment {self.comment!r}: what begins a comment is needed, such as '#'")
        for flag, mark in (("--quote", self.quote), ("--escape", self.escape)):
            if mark not in (None, NONE) and (mark.isalnum() or mark in ("+", "-", POINT, self.decimal)):
                raise UsageError(f"{flag} {mark!r}: numbers and words are written with it, so it marks nothing")
        marks = [
            ("-d", self.delimiter or ","),
            ("--quote", self.quote),
            ("--escape", self.escape),
            ("--comment", self.comment),
        ]
        for (flag, mark), (other_flag, other) in (*combinations(marks, 2), numbers):
            if mark is not None and mark == other:
                raise UsageError(f"{flag} and {other_flag} are both {mark!r}; each needs a character of its own")
        if self.comment is not None and self._begins_row(self.comment):
            raise UsageError(f"--comment {self.comment!r}: rows may begin so, too; a mark such as '#' is needed")

    def _begins_row(self, text: str) -> bool:
        """Whether a row may begin so: with a number, a word, or a first field that is empty."""
        head = text.lstrip(" \t" if self.quote == NONE else f" \t{self.quote}")
        number_or_word = rf"[+-]?(?:$|[^\W_]|[.{re.escape(self.decimal)}])"
        return head.startswith(self.delimiter or ",") or re.match(number_or_word, head) is not None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Dialect:
        """Return the dialect that options say, by name."""
        named = {field.name: options[field.name] for field in fields(cls) if options.get(field.name) is not None}
        named["delimiter"] = "\t" if named.get("delimiter") == r"\t" else named.get("delimiter")
        null = named.get("null", ())
        marks = (null,) if isinstance(null, str) else tuple(map(str, null))
        named["null"] = tuple(dict.fromkeys(chain.from_iterable(map(_spellings, marks))))
        return cls(**named)

    # numbers ---------------------------------------------------------------------------------------------------------

    @cached_property
    def number(self) -> str:
        """The pattern of a number, between blanks, for Python's `re` and for Arrow's."""
        point = re.escape(self.decimal)
        digits = "[0-9]+"
        if self.thousands is not None:
            digits = rf"(?:[0-9]{{1,3}}(?:{re.escape(self.thousands)}[0-9]{{3}})+|[0-9]+)"
        return rf"[ \t]*[+-]?(?:(?:{digits}(?:{point}[0-9]*)?|{point}[0-9]+){EXPONENT}|{WORDS})[ \t]*"

    @cached_property
    def _number(self) -> re.Pattern[str]:
        return re.compile(self.number)

    @property
    def plain_numbers(self) -> bool:
        """Whether numbers are written as Python writes them."""
        return self.decimal == POINT and self.thousands is None

    @cached_property
    def nulls(self) -> frozenset[str]:
        """The fields that are missing among numbers; see `is_null` for numbers written in another way."""
        return frozenset((*NULLS, *self.null))

    @cached_property
    def null_numbers(self) -> tuple[float, ...]:
        """The marks of missing values that are numbers: among numbers -999 is also -999.0, as for pandas."""
        return tuple(float(self.plain(mark)) for mark in self.null if self.kind_of(mark) == "number")

    def is_null(self, text: str) -> bool:
        """Whether a field is missing among numbers."""
        if text in self.nulls or not self.null_numbers:
            return text in self.nulls
        return self.kind_of(text) == "number" and float(self.plain(text)) in self.null_numbers

    def content(self, text: str) -> Content:
        """Say what the first field of a column that is not missing holds."""
        entries = len(written_entries(text))
        return Content("number", entries) if entries else Content(self.kind_of(text))

    def kind_of(self, text: str) -> str:
        """Say what a field that is not missing holds: boolean, number or text."""
        return "boolean" if text in TRUE + FALSE else "number" if self._number.fullmatch(text) else "text"

    def as_number(self, text: str) -> float:
        """Read a number, a boolean or a missing field."""
        if self.is_null(text):
            return float("nan")
        if text in TRUE + FALSE:
            return float(text in TRUE)
        return float(self.plain(text))

    def plain(self, text: str) -> str:
        """Write a number as Python does."""
        return text.replace(self.thousands or "", "").replace(self.decimal, POINT) if not self.plain_numbers else text

    def number_fault(self, text: str, boolean: bool = False, advise: bool = True) -> str:
        """Say what is wrong with a field among numbers, or among booleans, and which option reads it; or nothing."""
        kind = "boolean" if boolean else "number"
        if self.is_null(text):
            return ""
        if self.kind_of(text) == kind:
            return "" if boolean else inexact(self.plain(text))
        needed = "true or false, as the rows before it" if boolean else "a number"
        way = way_of_list(text) or (self._advice(text) if advise and not boolean else "")
        return f"{text[:SHOWN]!r} is not {needed}{way}"

    def _advice(self, text: str) -> str:
        """Name the options with which a field would be a number, or missing."""
        ways: dict[str, None] = {}
        for decimal, thousands in PAIRS:
            for other in (Dialect(decimal=decimal), Dialect(decimal=decimal, thousands=thousands)):
                flags = [] if decimal == POINT else [f"--decimal {decimal}"]
                flags += [] if other.thousands is None else [f"--thousands {_quoted(other.thousands)}"]
                if flags and other.kind_of(text) == "number" and (other.thousands is None or thousands in text):
                    ways[f"{' '.join(flags)} reads it as {other.as_number(text):.15g}"] = None
        if ways:
            return "; " + ", ".join(ways)
        short = text.strip() and len(text) <= LONGEST_MARK and text.isprintable() and not re.search("[0-9]", text)
        return f"; if it marks a missing value, add --null {_quoted(text)}" if short else ""


STANDARD: Final = Dialect()
SHORTEST_INEXACT: Final = 16  # characters of 2^53 + 1
WHOLE: Final = re.compile(r"[ \t]*[+-]?[0-9]+[ \t]*")

GAP: Final = r"[ \t\r\n]*"
ENTRY: Final = rf"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+){EXPONENT}|{WORDS})"
VECTOR: Final = rf"{GAP}\[{GAP}{ENTRY}(?:(?:{GAP},{GAP}{ENTRY})*|(?:[ \t\r\n]+{ENTRY})*){GAP}\]{GAP}"


def written_entries(text: str) -> list[str]:
    """Return the numbers of a vector written as text, as JSON or NumPy write one; nothing where it is none."""
    return text.strip(" \t\r\n[]").replace(",", " ").split() if "[" in text and re.fullmatch(VECTOR, text) else []


def vector_fault(text: str, width: int) -> str:
    """Say what is wrong with a text among vectors of some width, or nothing."""
    numbers = written_entries(text)
    if not numbers:
        return f"{text[:SHOWN]!r} is not a list of numbers, as [0.1, 0.9] in the rows before it{way_of_list(text)}"
    if len(numbers) != width:
        return f"has lists of different lengths: {width} and {len(numbers)}"
    return next(filter(None, map(inexact, numbers)), "")


def inexact(text: str) -> str:
    """Say that a whole number is beyond what a float64 holds exactly; nothing where it is not."""
    if len(text) < SHORTEST_INEXACT or not WHOLE.fullmatch(text) or not is_inexact(int(text)):
        return ""
    return inexact_number(text.strip())


def inexact_number(digits: object) -> str:
    """Word that a whole number is not held exactly by a float64."""
    return (
        f"{str(digits)[:SHOWN]} is a whole number beyond 2^53 that a float64 cannot hold exactly; take a common offset "
        "off all columns, or store it as a float if it may be rounded"
    )


def _spellings(mark: str) -> Iterator[str]:
    """Yield a mark of missing values and, if it is a whole number, the ways in which pandas takes it for a text."""
    yield mark
    with suppress(ValueError, OverflowError):
        if (number := float(mark)).is_integer():
            yield from (f"{number:.0f}", f"{number:.1f}")


def _quoted(mark: str) -> str:
    """Write a mark as a shell takes it."""
    import shlex

    return shlex.quote(mark)


def _spelled(marks: str) -> str:
    return "quote or line end" if '"' in marks else "line end"
