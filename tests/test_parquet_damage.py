"""Parquet files that contradict themselves: footers, page headers and schemas that no checksum protects."""

from __future__ import annotations

import base64
import copy
import io
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest

import lossctl as package
from lossctl.errors import DataError
from tests.bad_input import DATA, MSE, Write
from tests.conftest import Lossctl, Refused
from tests.warm import forked

pytestmark = pytest.mark.deep

# Thrift's compact protocol, both ways: a struct is {number: [type, value]}, a list [type of entries, entries] ---------

TRUE, FALSE, BYTE, I32, I64, BINARY, LIST, STRUCT = 1, 2, 3, 5, 6, 8, 9, 12
Struct = dict[int, list[Any]]


def read_number(data: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (data[place] & 127) << shift
        place, shift = place + 1, shift + 7
        if data[place - 1] < 128:
            return number, place


def read(wire: int, data: bytes, place: int) -> tuple[Any, int]:
    if wire in (TRUE, FALSE):
        return wire == TRUE, place
    if wire == BYTE:
        return data[place], place + 1
    if wire == STRUCT:
        return read_struct(data, place)
    if wire == LIST:
        count, kind, place = data[place] >> 4, data[place] & 15, place + 1
        count, place = read_number(data, place) if count == 15 else (count, place)
        entries = []
        for _ in range(count):
            entry, place = (data[place] == TRUE, place + 1) if kind in (TRUE, FALSE) else read(kind, data, place)
            entries.append(entry)
        return [kind, entries], place
    number, place = read_number(data, place)
    return (data[place : place + number], place + number) if wire == BINARY else (number >> 1 ^ -(number & 1), place)


def read_struct(data: bytes, place: int) -> tuple[Struct, int]:
    members: Struct = {}
    number = 0
    while head := data[place]:
        number += head >> 4
        value, place = read(head & 15, data, place + 1)
        members[number] = [head & 15, value]
    return members, place + 1


def number_bytes(number: int) -> bytes:
    return bytes([number & 127 | 128]) + number_bytes(number >> 7) if number > 127 else bytes([number])


def as_bytes(wire: int, value: Any) -> bytes:
    if wire in (TRUE, FALSE):
        return b""
    if wire == BYTE:
        return bytes([value])
    if wire == BINARY:
        return number_bytes(len(value)) + value
    if wire == LIST:
        kind, entries = value
        head = (
            bytes([len(entries) << 4 | kind]) if len(entries) < 15 else bytes([240 | kind]) + number_bytes(len(entries))
        )
        return head + b"".join(as_bytes(kind, entry) for entry in entries)
    if wire == STRUCT:
        return struct_bytes(value)
    return number_bytes((value << 1) ^ (value >> 63))


def struct_bytes(members: Struct) -> bytes:
    data, before = b"", 0
    for number, (wire, value) in sorted(members.items()):
        kind = (TRUE if value else FALSE) if wire in (TRUE, FALSE) else wire
        assert number - before < 16
        data, before = data + bytes([number - before << 4 | kind]) + as_bytes(wire, value), number
    return data + b"\0"


class Parts:
    """A Parquet file in parts: its footer, and the pages of each chunk as [header, bytes]."""

    def __init__(self, content: bytes) -> None:
        size = int.from_bytes(content[-8:-4], "little")
        self.footer, _ = read_struct(content, len(content) - 8 - size)
        self.pages: list[list[list[Any]]] = []
        for chunk in (chunk for group in self.groups for chunk in group[1][1][1]):
            facts, pages = chunk[3][1], list[list[Any]]()
            place = min(facts[number][1] for number in (9, 11) if number in facts)
            end = place + facts[7][1]
            while place < end:
                header, place = read_struct(content, place)
                pages.append([header, content[place : place + header[3][1]]])
                place += header[3][1]
            self.pages.append(pages)

    @property
    def groups(self) -> list[Struct]:
        groups: list[Struct] = self.footer[4][1][1]
        return groups

    def chunk(self, place: int) -> Struct:
        """The footer's facts of a chunk: 1 type, 2 encodings, 3 path, 4 codec, 5 values, 6 and 7 sizes, 9 offset."""
        chunks = [chunk for group in self.groups for chunk in group[1][1][1]]
        facts: Struct = chunks[place][3][1]
        return facts

    def page(self, page: int = 0) -> Struct:
        """The counts in the header of a data page of the second chunk: 1 values, 2 encoding (in version 2: nulls)."""
        header = self.pages[1][page][0]
        counts: Struct = header[5 if 5 in header else 8][1]
        return counts

    def content(self, change: Callable[[Parts], object] | None = None) -> bytes:
        """The file, with offsets and sizes as the pages are; `change` is made to the footer after these are set."""
        data = b"PAR1"
        for place, pages in enumerate(self.pages):
            packed = [struct_bytes(header) + page for header, page in pages]
            heads = sum(len(both) - len(page) for both, (_, page) in zip(packed, pages, strict=True))
            facts, dictionary = self.chunk(place), pages[0][0][1][1] == 2
            if dictionary:
                facts[11] = [I64, len(data)]
            facts[9] = [I64, len(data) + dictionary * len(packed[0])]
            facts[6] = [I64, heads + sum(header[2][1] for header, _ in pages)]
            facts[7] = [I64, sum(map(len, packed))]
            data += b"".join(packed)
        if change is not None:
            change(self)
        footer = struct_bytes(self.footer)
        return data + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@cache
def sound(version: str = "1.0", dictionary: bool = False, nullable: bool = False, compression: str = "none") -> bytes:
    """A file of two row groups of several pages, whose pages have checksums."""
    rng = np.random.default_rng(1)
    fields = [pa.field(name, pa.float64(), nullable=nullable) for name in "yp"]
    table = pa.table([rng.random(3000), rng.random(3000)], schema=pa.schema(fields))
    file = io.BytesIO()
    pq.write_table(
        table,
        file,
        row_group_size=1500,
        use_dictionary=dictionary,
        compression=compression,
        write_page_checksum=True,
        data_page_version=version,
        data_page_size=4000,
    )
    return file.getvalue()


OPTIONS: Final[dict[str, Any]] = {"target": "y", "pred": "p", "losses": "mse", "ci": None}
KINDS: Final[list[dict[str, Any]]] = [
    {},
    {"version": "2.0"},
    {"nullable": True},
    {"version": "2.0", "nullable": True, "compression": "zstd"},
    {"dictionary": True},
    {"dictionary": True, "version": "2.0", "nullable": True},
]


def value(path: Path) -> float:
    return package.evaluate(path, **OPTIONS).value()


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_is_taken_apart_and_put_together_is_the_same(write: Write, kind: dict[str, Any]) -> None:
    whole = sound(**kind)
    assert value(write("a.parquet", Parts(whole).content())) == value(write("b.parquet", whole))


# footers --------------------------------------------------------------------------------------------------------------


def put(chunk: int, number: int, change: Callable[[Any], Any]) -> Callable[[Parts], None]:
    """Change one fact of a chunk."""

    def changed(parts: Parts) -> None:
        fact = parts.chunk(chunk)[number]
        fact[1] = change(fact[1])

    return changed


def rows_of_groups(*changes: int, chunks: bool = False) -> Callable[[Parts], None]:
    """Let row groups have more or fewer rows, as the file then has; chunks: their chunks too."""

    def changed(parts: Parts) -> None:
        for place, (group, more) in enumerate(zip(parts.groups, changes, strict=True)):
            group[3][1] += more
            for chunk in (2 * place, 2 * place + 1) if chunks else ():
                parts.chunk(chunk)[5][1] += more
        parts.footer[3][1] += sum(changes)

    return changed


def in_schema(element: int, number: int, entry: Any) -> Callable[[Parts], None]:
    """Change what the schema says of an element: 1 type, 3 repetition, 4 name, 5 members."""

    def changed(parts: Parts) -> None:
        parts.footer[2][1][1][element][number][1] = entry

    return changed


def one_more_column(parts: Parts) -> None:
    chunks = parts.groups[0][1][1][1]
    chunks.append(chunks[0])


def names_in_another_order(parts: Parts) -> None:
    _, first, second = parts.footer[2][1][1]
    first[4], second[4] = second[4], first[4]


def first_group_twice(parts: Parts) -> None:
    parts.groups[1] = copy.deepcopy(parts.groups[0])


def with_a_key(parts: Parts) -> None:
    parts.groups[0][1][1][1][1][8] = [STRUCT, {2: [STRUCT, {1: [LIST, [BINARY, [b"p"]]], 2: [BINARY, b"k"]}]}]


def in_another_file(parts: Parts) -> None:
    parts.groups[0][1][1][1][1][1] = [BINARY, b"b.parquet"]


FOOTERS: Final[dict[str, tuple[Callable[[Parts], None], str]]] = {
    "fewer values": (put(1, 5, lambda count: count - 1), "column 'p': the footer counts its values in two ways"),
    "more values": (put(1, 5, lambda count: count + 1), "column 'p': the footer counts its values in two ways"),
    "values below 0": (put(1, 5, lambda count: -count), "column 'p': the footer counts its values in two ways"),
    "another type": (put(1, 1, lambda kind: 2), "column 'p': schema and row groups describe it in two ways"),
    "another name": (put(1, 3, lambda path: [BINARY, [b"y"]]), "column 'p': schema and row groups describe it in two"),
    "no name": (put(1, 3, lambda path: [BINARY, []]), "column 'p': schema and row groups describe it in two ways"),
    "the pages of y": (lambda parts: put(1, 9, lambda at: parts.chunk(0)[9][1])(parts), "columns overlap"),
    "the pages of another group": (lambda parts: put(1, 9, lambda at: parts.chunk(3)[9][1])(parts), "columns overlap"),
    "a page later": (put(1, 9, lambda at: at + 8234), "columns overlap"),
    "too long": (put(1, 7, lambda size: size + 100), "columns overlap"),
    "too short": (put(3, 7, lambda size: size - 4000), "column 'p': footer and pages count its values in two ways"),
    "of no length": (put(1, 7, lambda size: 0), "column 'p': footer and pages count its values in two ways"),
    "of a length below 0": (put(1, 7, lambda size: -1), "columns overlap"),
    "unpacked below 0": (put(1, 6, lambda size: -1), "column 'p': the footer counts its values in two ways"),
    "before the file": (put(0, 9, lambda at: -4), "a column lies outside of the file"),
    "behind the file": (put(3, 9, lambda at: 1 << 50), "a column lies outside of the file"),
    "a group twice": (first_group_twice, "columns overlap"),
    "fewer rows": (rows_of_groups(-10, 0), "column 'y': the footer counts its values in two ways"),
    "fewer rows and values": (rows_of_groups(-10, 0, chunks=True), "column 'y': footer and pages count its values in"),
    "more rows": (rows_of_groups(10, 0), "column 'y': the footer counts its values in two ways"),
    "rows of the other group": (rows_of_groups(-10, 10), "column 'y': the footer counts its values in two ways"),
    "rows and values of the other group": (rows_of_groups(-10, 10, chunks=True), "footer and pages count its values"),
    "rows below 0": (rows_of_groups(-1505, 0), "its footer counts its rows in two ways"),
    "more columns than the schema": (one_more_column, "a row group of other columns than its schema"),
    "names in another order": (names_in_another_order, "schema and row groups describe it in two ways"),
    "a schema of another type": (in_schema(2, 1, 1), "column 'p': schema and row groups describe it in two ways"),
    "a repetition that there is not": (in_schema(2, 3, 7), "its schema is no tree"),
    "more members than there are": (in_schema(0, 5, 3), "its footer is none that Parquet knows"),
    "fewer members than there are": (in_schema(0, 5, 1), "its schema is no tree"),
    "members below 0": (in_schema(0, 5, -3), "its schema is no tree"),
    "a key": (with_a_key, "column 'p' is encrypted, which is not read; write the file again without encryption"),
    "another file": (in_another_file, "column 'p' lies in another file, which is not read"),
}


@pytest.mark.parametrize("name", FOOTERS)
def test_a_footer_that_contradicts_itself(refused: Refused, write: Write, name: str) -> None:
    change, says = FOOTERS[name]
    content = Parts(sound()).content(change)
    refused(write("a.parquet", content), *MSE, code=DATA, says=["a.parquet", says], once=True)


def test_what_is_wrong_with_a_column_does_not_matter_where_it_is_not_read(write: Write) -> None:
    path = write("a.parquet", Parts(sound()).content(with_a_key))
    assert package.evaluate(path, target="y", pred="m=y", losses="mse").value() == 0.0
    survey = package.validate(path, target="y", pred="m=y")
    assert survey.works
    assert any("column 'p' is encrypted" in warning for warning in survey.warnings)


# pages ----------------------------------------------------------------------------------------------------------------


def of_page(number: int, more: int) -> Callable[[Parts], object]:
    def change(parts: Parts) -> None:
        parts.page(-1)[number][1] += more

    return change


PAGES: Final[dict[str, tuple[Callable[[Parts], object], dict[str, Any]]]] = {
    "more values": (of_page(1, 1), {}),
    "more values in a dictionary": (of_page(1, 1), {"dictionary": True}),
    "fewer values": (of_page(1, -1), {}),
    "another encoding": (of_page(2, 9), {}),
    "another encoding in version 2": (of_page(4, 9), {"version": "2.0"}),
    "nulls where none may be": (of_page(2, 1), {"version": "2.0"}),
    "fewer rows than values": (of_page(3, -1), {"version": "2.0", "nullable": True}),
    "levels where none may be": (of_page(5, 8), {"version": "2.0"}),
    "the last page twice": (lambda parts: parts.pages[1].append(parts.pages[1][-1]), {}),
    "the last page lost": (lambda parts: parts.pages[1].pop(), {}),
    "the first page lost": (lambda parts: parts.pages[1].pop(0), {}),
    "a size of its own": (lambda parts: parts.pages[1][-1][0].update({2: [I32, 8]}), {}),
    "a size below 0": (lambda parts: parts.pages[1][-1][0].update({2: [I32, -8]}), {"compression": "zstd"}),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_contradicts_the_footer(refused: Refused, write: Write, name: str) -> None:
    change, kind = PAGES[name]
    parts = Parts(sound(**kind))
    change(parts)
    path = write("a.parquet", parts.content())
    refused(path, *MSE, code=DATA, says=["a.parquet: the file is damaged: column 'p'"], once=True)


def test_any_byte_of_a_footer_or_a_page_header_may_be_wrong(write: Write) -> None:
    """What no checksum protects gives the number of the sound file, or one line."""
    rng = random.Random(0)
    outcomes = set[str]()
    for kind in KINDS:
        whole = sound(**kind)
        expected = value(write("a.parquet", whole))
        places = [*range(len(whole) - 8 - int.from_bytes(whole[-8:-4], "little"), len(whole))]
        for pages in Parts(whole).pages:
            for header, packed in pages:
                head = whole.index(struct_bytes(header) + packed)
                places += range(head, head + len(struct_bytes(header)))
        for place in rng.sample(places, 60):
            damaged = bytearray(whole)
            damaged[place] = rng.choice([0, 255, damaged[place] ^ 1 << rng.randrange(8), rng.randrange(256)])
            try:
                assert value(write("a.parquet", bytes(damaged))) == expected
            except package.LossctlError:
                outcomes.add("refused")
            else:
                outcomes.add("right")
    assert outcomes == {"right", "refused"}


# encryption -----------------------------------------------------------------------------------------------------------


class Keys(encryption.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    """A service that keeps no key secret."""

    def __init__(self, configuration: object) -> None:
        super().__init__()

    def wrap_key(self, key: bytes, name: str) -> bytes:
        return base64.b64encode(key)

    def unwrap_key(self, wrapped: bytes, name: str) -> bytes:
        return base64.b64decode(wrapped)


@pytest.mark.parametrize("command", ["eval", "compare", "check", "validate"])
@pytest.mark.parametrize("plain_footer", [True, False])
def test_encrypted_columns_are_refused_and_end_no_process(tmp_path: Path, command: str, plain_footer: bool) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"y": [1.0, 2.0], "p": [1.0, 3.0], "q": [1.0, 2.0]})
    properties = encryption.CryptoFactory(Keys).file_encryption_properties(
        encryption.KmsConnectionConfig(),
        encryption.EncryptionConfiguration(footer_key="f", column_keys={"c": ["p"]}, plaintext_footer=plain_footer),
    )
    with pq.ParquetWriter(path, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    rule = ["--max", "mse=9"] if command == "check" else ["-l", "mse"]
    ended = forked("-m", "lossctl", command, str(path), "-t", "y", "-p", "p", "-p", "q", *rule, "-q")
    assert ended.code == 3, ended.err
    thing = "column 'p'" if plain_footer else "its footer"
    assert f"a.parquet: {thing} is encrypted, which is not read; write the file again without" in ended.out + ended.err
    if plain_footer:
        assert package.evaluate(path, target="y", pred="q", losses="mse").value() == 0.0


# lists as others write them -------------------------------------------------------------------------------------------


def vectors(rows: list[Any], depth: int = 1) -> Parts:
    """A file of one column of lists without nulls, in which every list is a group of its own."""
    kind = pa.string() if isinstance(rows[0][0], str) else pa.float64()
    for _ in range(depth):
        kind = pa.list_(pa.field("element", kind, nullable=False))
    table = pa.table([pa.array(rows, kind)], schema=pa.schema([pa.field("p", kind, nullable=False)]))
    file = io.BytesIO()
    pq.write_table(table, file, store_schema=False, use_dictionary=False, compression="none")
    return Parts(file.getvalue())


def repeated(*names: bytes) -> Callable[[Parts], None]:
    """Let the schema have a repeated element for each list, without groups around it, as early writers did."""

    def change(parts: Parts) -> None:
        root, *_, leaf = parts.footer[2][1][1]
        lists = [{3: [I32, 2], 4: [BINARY, name], 5: [I32, 1], 6: [I32, 3]} for name in names[:-1]]
        parts.footer[2][1][1] = [root, *lists, {**leaf, 3: [I32, 2], 4: [BINARY, names[-1]]}]
        parts.chunk(0)[3][1] = [BINARY, [*names]]

    return change


def old_list(parts: Parts) -> None:
    """A list whose repeated element is another list."""
    root, outer, *_, leaf = parts.footer[2][1][1]
    inner = {3: [I32, 2], 4: [BINARY, b"array"], 5: [I32, 1], 6: [I32, 3]}
    parts.footer[2][1][1] = [root, outer, inner, {**leaf, 3: [I32, 2], 4: [BINARY, b"array"]}]
    parts.chunk(0)[3][1] = [BINARY, [b"p", b"array", b"array"]]


def test_lists_without_groups_of_their_own_are_vectors(write: Write) -> None:
    rows = [[1.0, 2.0], [3.0, 4.0]]
    for content in (
        vectors(rows).content(repeated(b"p")),
        vectors([[row] for row in rows], 2).content(old_list),
    ):
        path = write("a.parquet", content)
        assert package.evaluate(path, target="p", pred="m=p", losses="mse").value() == 0.0
        with pytest.raises(DataError, match="column 'p' holds lists; one value per row is needed"):
            package.evaluate(path, target="p", pred="m=p", losses="mse", by="p")


@pytest.mark.parametrize("change", [repeated(b"p"), None])
def test_lists_of_texts_that_are_numbers_are_no_classes(
    lossctl: Lossctl, write: Write, change: Callable[[Parts], None] | None
) -> None:
    path = write("a.parquet", vectors([["1", "2"], ["2", "3"]]).content(change))
    for command in (["eval"], ["validate"], ["losses", "choose"], ["eval", "-l", "mse"]):
        assert lossctl(*command, path, "-t", "p", "-p", "m=p").code in (0, 2, 3)


# texts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "PLAIN"])
def test_texts_are_read_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"y": [1.0, 2.0, 3.0], "p": [2.0, 4.0, 3.0], "s": ["a", "b", "a"]})
    pq.write_table(table, path, use_dictionary=False, column_encoding={"s": encoding})
    report = package.evaluate(str(path), target="y", pred="p", losses="mae", by="s")
    assert [(dict(cell.slice), cell.value) for cell in report.cells[1:]] == [({"s": "a"}, 0.5), ({"s": "b"}, 2.0)]


def test_a_value_that_is_not_in_its_dictionary_is_damage(tmp_path: Path) -> None:
    n = 3000
    columns = {"y": np.arange(n) + 0.0, "p": np.arange(n) + 1.0, "s": [("a", "bb", "ccc")[k * 7 % 3] for k in range(n)]}
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns), path, compression="none", row_group_size=1000)
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(2)
    data = bytearray(path.read_bytes())
    data[chunk.dictionary_page_offset + chunk.total_compressed_size - 8] = 255
    path.write_bytes(data)
    questions: tuple[dict[str, Any], ...] = (
        {"target": "y", "pred": "p", "losses": "mae", "by": "s"},
        {"target": "s", "pred": "s", "losses": "zero_one"},
    )
    for question in questions:
        with pytest.raises(DataError, match="the file is damaged"):
            package.evaluate(str(path), **question)
