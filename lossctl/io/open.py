"""Open an input: a path, a folder of parts or `-` to a table, whose format the first bytes tell."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from glob import glob
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from lossctl.core.block import Pending
from lossctl.core.domain import exact_number, label
from lossctl.errors import DataError, printable
from lossctl.files import explained, is_folder, local_path, status
from lossctl.io.source import STANDARD, Dialect, Source, spooled_stdin
from lossctl.io.table import Column, Kind, Piece, Shape, Table, Texts, decoded

STORED: Final = r"(s3|gs|abfss?|hdfs)://"  # addresses that are read through pyarrow.fs
AT_ONCE: Final = 16  # objects that are opened at the same time
NO_WORD: Final = "__HIVE_DEFAULT_PARTITION__"  # what Hive calls the folder of the rows without a key
JSON_SUFFIXES: Final = (".jsonl", ".ndjson", ".json")
BINARY_SUFFIXES: Final = (  # with the format and its first bytes
    (".parquet", "Parquet", "PAR1"),
    (".npy", ".npy", r"\x93NUMPY"),
    (".npz", ".npz", "PK"),
    (".feather", "Feather", "ARROW1"),
    (".arrow", "Arrow", "ARROW1"),
)


def _shell(text: str, suffix: str = "", quote: Callable[[str], str] = shlex.quote) -> Callable[[Source], str]:
    """Return a function that makes the command to convert a file. text: with `{file}`, and `{out}` of this suffix."""

    def way(source: Source) -> str:
        file = source.path if source.label == printable(source.path) else "FILE"
        return printable(text.format(file=quote(file), out=quote(str(Path(file).with_suffix(suffix)))))

    return way


def _python(imports: str, text: str, suffix: str) -> Callable[[Source], str]:
    """Return a function that makes the line of Python to convert a file."""
    code = _shell(f"import {imports}; {text}", suffix, repr)
    return lambda source: f"convert it: {shlex.join(['python', '-c', code(source)])}"


def _of_pandas(reader: str) -> Callable[[Source], str]:
    return _python("pandas", f"pandas.{reader}({{file}}).to_parquet({{out}})", ".parquet")


IMAGE: Final = _python("numpy, PIL.Image", "numpy.save({out}, numpy.asarray(PIL.Image.open({file}))[None])", ".npy")
EXCEL: Final = _python("pandas", "pandas.read_excel({file}).to_csv({out}, index=False)", ".csv")
TENSOR: Final = _python("numpy, torch", "numpy.save({out}, torch.load({file}, map_location='cpu').numpy())", ".npy")
MATLAB: Final = "numpy.savez({out}, **{{k: v for k, v in scipy.io.loadmat({file}).items() if k[0] != '_'}})"
FOREIGN: Final = tuple(  # first bytes -> what they tell, and how the file becomes one that is read
    (re.compile(pattern, re.DOTALL), kind, way)
    for pattern, kind, way in (
        (rb"PK\x03\x04.{26}(\[Content_Types\]|_rels/|xl/|docProps/)", "an Excel workbook", EXCEL),
        (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis", "an OpenDocument sheet", EXCEL),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook", EXCEL),
        (rb"PK\x03\x04.{26}[^/]{0,64}/data\.pkl", "a file of torch", TENSOR),
        (
            rb"SQLite format 3\x00",
            "an SQLite database",
            _shell("convert its table t: sqlite3 -header -csv {file} 'SELECT * FROM t' > {out}", ".csv"),
        ),
        (
            rb".{8}DUCK.{0,8}?\0",
            "a DuckDB database",
            _shell("convert its table t: duckdb -csv {file} 'SELECT * FROM t' > {out}", ".csv"),
        ),
        (rb"ORC.{0,200}?[\0-\x08]", "ORC", _of_pandas("read_orc")),
        (rb"FEA1.{0,200}?[\0-\x08]", "Feather of version 1", _of_pandas("read_feather")),
        (rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|BM.{4}\0\0\0\0|II\*\0|MM\0\*|RIFF.{4}WEBP", "an image", IMAGE),
        (
            rb"\x89HDF|MATLAB 7\.3 MAT-file",
            "HDF5",
            _python("h5py, numpy", "numpy.savez({out}, **{{k: v[:] for k, v in h5py.File({file}).items()}})", ".npz"),
        ),
        (rb"MATLAB 5\.0 MAT-file", "a MATLAB file", _python("numpy, scipy.io", MATLAB, ".npz")),
        (
            rb".{4}\0{4}\{ *\"",
            "a file of safetensors",
            _python("numpy, safetensors.numpy", "numpy.savez({out}, **safetensors.numpy.load_file({file}))", ".npz"),
        ),
        (rb"<stata_dta>|[\x71-\x73]\x02\x01\0", "a Stata file", _of_pandas("read_stata")),
        (rb"\0{12}\xc2\xea\x81\x60", "a SAS file", _of_pandas("read_sas")),
        (rb"\$FL[23]@\(#\)", "an SPSS file", _of_pandas("read_spss")),
        (rb"Obj\x01", "Avro", _python("polars", "polars.read_avro({file}).write_parquet({out})", ".parquet")),
        (rb"\x80[\x02-\x05]", "pickle", _of_pandas("read_pickle")),
        (rb"\xfd7zXZ\0", "xz", _shell("unpack it: xz -dk {file}")),
        (rb"\x04\x22\x4d\x18", "lz4", _shell("unpack it: lz4 -d {file} {out}")),
        (rb"7z\xbc\xaf\x27\x1c", "7z", _shell("unpack it: 7z x {file}")),
        (rb".{257}ustar[\0 ]", "tar", _shell("unpack it: tar -xf {file}")),
        (rb"%PDF-\d", "PDF", _shell("export its table as CSV")),
        (rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype html|html)", "a web page", _shell("download the file itself")),
        (rb"version https://git-lfs", "a pointer of Git LFS", _shell("fetch the file itself: git lfs pull")),
    )
)


def open_table(path: str, dialect: Dialect = STANDARD) -> Table:
    """Open one input: a file of any readable format, a folder of parts, or `-` for standard input."""
    if path == "-":
        return table_of(spooled_stdin(), dialect)
    path = local_path(path)
    try:
        entry = status(path)
        if entry is not None and stat.S_ISDIR(entry.st_mode):
            return folder_of_parts(path, dialect)
    except OSError as error:
        raise DataError(f"{printable(str(error.filename or path))}: {explained(error)}") from None
    if entry is None:
        path = os.path.expanduser(path)
        how = f", as by curl -LO {shlex.quote(printable(path))}" if path.startswith("http") else ""
        if re.match(STORED, path):
            return stored_table(path, dialect)
        if re.match(r"[a-z][a-z0-9+.-]*://", path):
            raise DataError(
                f"{printable(path)}: is an address, and local files are read, and those of s3://, gs://, abfs://, "
                f"hdfs:// and file://: fetch it first{how}"
            )
        if os.path.islink(path):
            raise DataError(f"{printable(path)}: is a link to {printable(os.readlink(path))}, where there is nothing")
        if (matching := glob(path)) and not os.path.exists(path):
            raise DataError(
                f"{printable(path)}: is a pattern of {len(matching)} files, which a shell expands; in Python give "
                "glob.glob() of it"
            )
    return table_of(Source(path), dialect)


def as_one(parts: Sequence[Table]) -> Table:
    """Return parts of one table, in this order, as that table."""
    return parts[0] if len(parts) == 1 else PartsTable(f"{parts[0].label} and {len(parts) - 1} more", parts, "")


def folder_of_parts(path: str, dialect: Dialect) -> Table:
    """Open a folder of parts, which may lie in folders below it, in the natural order of their names."""
    parts = Parts.of(printable(path), files_below(path))
    tables = [open_table(os.path.join(path, part), dialect) for part in parts.paths]
    table = PartsTable(printable(path), tables, "folder of ", parts.keys)
    table.skipped = parts.skipped
    return table


def stored_table(address: str, dialect: Dialect) -> Table:
    """Open an object in a store, or a folder of parts there."""
    from concurrent.futures import ThreadPoolExecutor

    from lossctl.io.stores import located, source_of

    place = located(address)
    files = place.files()
    if files is None:
        return table_of(source_of(place), dialect)
    parts = Parts.of(printable(place.address), files)

    def opened(path: str) -> tuple[Table, Sequence[str]]:
        table = table_of(source_of(place.part(path)), dialect)
        return table, table.names  # for which it may have to be read

    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            tables = [table for table, _ in pool.map(opened, parts.paths)]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    table = PartsTable(printable(place.address), tables, "folder of ", parts.keys)
    table.skipped = parts.skipped
    return table


def files_below(path: str, above: str = "", outer: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the files below a folder by their paths from there; what is hidden is not looked into."""
    place = os.path.realpath(path)
    if place in outer:
        raise DataError(f"{printable(path)}: is a link to a folder in which it lies")
    for name in os.listdir(path):
        below = os.path.join(path, name)
        if not is_folder(below) or is_hidden(name, folder=True):
            yield above + name
        else:
            yield from files_below(below, f"{above}{name}/", outer | {place})


def is_hidden(name: str, *, folder: bool) -> bool:
    """Whether a file or folder is no part of a table by its name, for Spark too: `_SUCCESS` is none, `_key=1` one."""
    return name.startswith(".") or (name.startswith("_") and not (folder and "=" in name))


class Parts(NamedTuple):
    """The files of a table by their paths from its folder, in order, and the keys that the folders of each tell.

    skipped: the files and folders that are no parts.
    """

    paths: Sequence[str]
    keys: Sequence[Mapping[str, str | None]]
    skipped: Sequence[str]

    @classmethod
    def of(cls, label: str, files: Iterable[str]) -> Parts:
        """Arrange files; raise DataError where they do not lie equally deep, under the same keys."""
        paths, skipped = list[str](), set[str]()
        for file in files:
            names = file.split("/")
            depths = (depth for depth, name in enumerate(names, 1) if is_hidden(name, folder=depth < len(names)))
            if depth := next(depths, 0):
                skipped.add("/".join(names[:depth]))
            else:
                paths.append(file)
        if not paths:
            raise DataError(f"{label}: the folder holds no files")
        paths.sort(key=lambda path: [*map(natural, path.split("/"))])
        levels = [_levels(label, path) for path in paths]
        for path, level in zip(paths, levels, strict=True):
            if [key for key, _ in level] != [key for key, _ in levels[0]]:
                raise DataError(
                    f"{label}/{printable(path)}: does not lie as {printable(paths[0])} does; the parts of a table lie "
                    "equally deep, in folders of the same keys"
                )
        keys = [{key: word for key, word in level if key} for level in levels]
        return cls(paths, keys, sorted(skipped))


def _levels(label: str, path: str) -> list[tuple[str, str | None]]:
    """Return the key and the word of each folder of a path, as of `region=eu`; no key where it tells none."""
    from urllib.parse import unquote

    levels = list[tuple[str, str | None]]()
    for name in path.split("/")[:-1]:
        key, equals, word = name.partition("=")
        try:
            key, word = unquote(key, errors="strict"), unquote(word, errors="strict")
            (key + word).encode()
        except UnicodeError:
            raise DataError(f"{label}/{printable(path)}: {printable(name)!r} tells no UTF-8 text") from None
        levels.append((key, None if word in ("", NO_WORD) else word) if equals and key else ("", None))
    keys = [key for key, _ in levels if key]
    if len(set(keys)) < len(keys):
        raise DataError(f"{label}/{printable(path)}: its folders tell a key twice; rename one of them")
    return levels


def table_of(source: Source, dialect: Dialect) -> Table:
    """Return a file as a table of its format; raise DataError for one of another kind, with the way to convert it."""
    for pattern, kind, way in FOREIGN:
        if pattern.match(source.start):
            raise DataError(f"{source.label}: {kind} is not read; {way(source)}")
    if source.format == "parquet":
        from lossctl.io.parquet import ParquetTable

        return ParquetTable(source)
    if source.format == "npy":
        from lossctl.io.npy import NpyTable

        return NpyTable(source)
    if source.format == "zip":
        from lossctl.io.npy import NpzTable

        return NpzTable(source)
    if source.format.startswith("Arrow"):
        from lossctl.io.ipc import IpcTable

        return IpcTable(source)
    plain = source.format == "text"
    assert plain or source.compressed
    for suffix, kind, begins in BINARY_SUFFIXES:
        if plain and source.stem.endswith(suffix):
            raise DataError(f"{source.label}: not a {kind} file: it does not begin with {begins}")
    if source.stem.endswith(JSON_SUFFIXES) or source.holds_json:
        from lossctl.io.jsonl import JsonTable

        return JsonTable(source, dialect)
    from lossctl.io.csv import CsvTable

    return CsvTable(source, dialect)


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts part-2 before part-10."""
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", name)]


class PartsTable(Table):
    """Parts that are read as one table; `kind` says before their formats what they make together.

    keys: for each part the words, None for a missing one, of columns that have one word in it.
    """

    def __init__(
        self, label: str, parts: Sequence[Table], kind: str, keys: Sequence[Mapping[str, str | None]] = ()
    ) -> None:
        self.label = label
        self.parts = parts
        self.kind = kind
        self.keys = keys or [{}] * len(parts)
        self._agreeing = set[tuple[int, str]]()
        paths = set[str]()
        for source in self.sources:
            if (path := os.path.realpath(source.path)) in paths:
                raise DataError(f"{source.label}: is a part of {label} twice, and its rows would count twice")
            paths.add(path)
        for part in self.parts[1:]:
            if odd := sorted((set(part.names) ^ set(self.parts[0].names)) - set(self.keys[0])):
                raise DataError(f"{part.label}: its columns differ from those of {self.parts[0].label}: {odd}")
        self._starts: list[int] = []
        if all(part.rows is not None for part in self.parts):
            self._starts = list(accumulate((part.rows or 0 for part in self.parts[:-1]), initial=0))

    @property
    def format(self) -> str:
        formats = dict.fromkeys(part.format or "" for part in self.parts)
        return f"{self.kind}{len(self.parts)} {'/'.join(formats)} file{'s' if len(self.parts) > 1 else ''}"

    @property
    def is_text(self) -> bool:
        return any(part.is_text for part in self.parts)

    @property
    def names(self) -> tuple[str, ...]:
        names = self.parts[0].names
        return (*names, *(key for key in self.keys[0] if key not in names))

    def watch(self, pattern: str) -> None:
        """Let parts in which columns may come late know a pattern by which columns were chosen."""
        for part in self.parts:
            part.watch(pattern)

    @property
    def rows(self) -> int | None:
        counts = [part.rows for part in self.parts]
        return None if any(count is None for count in counts) else sum(count or 0 for count in counts)

    @property
    def bytes_read(self) -> tuple[int, int] | None:
        sizes = [part.bytes_read for part in self.parts]
        counts, totals = zip(*(size or (0, 0) for size in sizes), strict=True)
        return None if None in sizes else (sum(counts), sum(totals))

    def shape(self, name: str) -> Shape:
        if name not in self.keys[0]:
            return self.parts[0].shape(name)
        kinds = {STANDARD.kind_of(word) for keys in self.keys if (word := keys[name]) is not None}
        return Shape(kinds.pop() if len(kinds) == 1 else "text", written=True)

    @property
    def sources(self) -> list[Source]:
        return [source for part in self.parts for source in part.sources]

    @property
    def remarks(self) -> list[str]:
        return [remark for part in self.parts for remark in part.remarks]

    @property
    def bad_rows(self) -> Mapping[str, Sequence[int]]:
        rows: dict[str, list[int]] = {}
        for part in self.parts:
            for kind, bad in part.bad_rows.items():
                rows.setdefault(kind, []).extend(bad)
        return rows

    @property
    def places(self) -> list[tuple[int, str]]:
        parts = zip(self._starts, self.parts, strict=False)
        return [(start + row, label) for start, part in parts for row, label in part.places]

    def where(self, row: int) -> str:
        place = max((i for i, start in enumerate(self._starts) if start <= row), default=0)
        return self.parts[place].where(row - (self._starts[place] if self._starts else 0))

    @property
    def cuts(self) -> list[int] | None:
        cuts = [part.cuts for part in self.parts]
        if self.rows is None or any(inside is None for inside in cuts):
            return None
        return [start + cut for start, inside in zip(self._starts, cuts, strict=True) for cut in inside or ()]

    def read(self, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None) -> Iterator[Pending[Piece]]:
        if self.cuts is None:
            yield from self._read_all(columns)
            return
        for place, (part, first) in enumerate(zip(self.parts, self._starts, strict=True)):
            begin, end = max(start - first, 0), part.rows or 0
            end = end if stop is None else min(end, stop - first)
            if begin < end:
                yield from self._read_part(place, columns, begin, end)

    def _read_all(self, columns: Mapping[str, Kind]) -> Iterator[Pending[Piece]]:
        row = 0
        self._starts = []
        for place in range(len(self.parts)):
            self._starts.append(row)
            for piece in self._read_part(place, columns):
                row += piece.rows
                yield piece

    def _read_part(
        self, place: int, columns: Mapping[str, Kind], start: int = 0, stop: int | None = None
    ) -> Iterator[Pending[Piece]]:
        part, keys = self.parts[place], self.keys[place]
        if keys.keys().isdisjoint(columns):
            return part.read(columns, start, stop)
        words = {name: self._word(place, name, kind) for name, kind in columns.items() if name in keys}
        in_file = {name: kind for name, kind in columns.items() if name not in keys}
        if not in_file:  # rows are those of any column
            singles = (name for name in part.names if part.names.count(name) == 1)
            in_file = {next(singles, part.names[0]): Kind.CELL}

        def with_words(piece: Piece) -> Piece:
            fresh = {name: word.repeated(piece.rows) for name, word in words.items()}
            return Piece({name: fresh.get(name) or piece[name] for name in columns}, piece.stopped)

        return (pending.then(with_words) for pending in part.read(in_file, start, stop))

    def _word(self, place: int, name: str, kind: Kind) -> Column:
        """Return the one row of a key's column in a part, in which a column of that name must say the same."""
        from lossctl.io import arrow

        part, word = self.parts[place], self.keys[place][name]
        if name in part.names and (place, name) not in self._agreeing:
            row = 0
            for piece in decoded(part.read({name: Kind.TEXT})):
                column = piece.column(name, Texts)
                for code in np.unique(column.codes).tolist():
                    text = column.words[code] if code >= 0 else None
                    if not _alike(text, word):
                        row += int(np.argmax(column.codes == code))
                        raise DataError(
                            f"{part.where(row)}, column {printable(name)!r}: {printable(str(text))!r}, where its "
                            f"folder says {printable(str(word))!r}; rename the one or the other"
                        )
                row += piece.rows
            self._agreeing.add((place, name))
        with part.naming(name):
            return arrow.column(arrow.text_array([word]), kind)


def _alike(text: str | None, word: str | None) -> bool:
    """Whether a column and the name of a folder hold the same, as 5 and 05."""
    if text is None or word is None:
        return text is word
    return label(text) == label(word) or (exact_number(text) is not None and exact_number(text) == exact_number(word))
