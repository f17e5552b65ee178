"""Any bytes, against the strict readers of Python's csv and json: what is read is what they read, or it is refused.

`make test` tries some hundred files; `make fuzz` tries LOSSCTL_FUZZ of each kind (200,000 unless given) and keeps what
failed in `.hypothesis/`, to try it first the next time. What failed once stands among the SEEDS below.
"""

from __future__ import annotations

import codecs
import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from lossctl.errors import DataError
from lossctl.io import records
from lossctl.io.csv import CsvTable
from lossctl.io.jsonl import JsonTable
from lossctl.io.source import BLANKS, NONE, STANDARD, Dialect, Source
from tests.corpora.oracle import Verdict, judged

pytestmark = pytest.mark.deep

NIGHTLY = int(os.environ.get("LOSSCTL_FUZZ", "0"))
FUZZ = settings(
    max_examples=NIGHTLY or 200,
    derandomize=not NIGHTLY,
    deadline=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if NIGHTLY else [])],
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class File:
    """A file and how it is read: its text, what that is wrapped in, and the sizes by which the reader cuts it."""

    text: bytes
    dialect: Dialect = STANDARD
    encoding: str = "utf-8"
    packed: bool = False
    step: int = 1 << 20
    block: int = 1 << 16

    def write(self, path: Path) -> None:
        raw = self.text
        if self.encoding != "utf-8":
            mark = {"utf-8-sig": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
            codec = "utf-8" if self.encoding == "utf-8-sig" else self.encoding
            raw = mark[self.encoding] + raw.decode("utf-8", "replace").encode(codec)
        path.write_bytes(gzip.compress(raw, 1) if self.packed else raw)


CSV_PIECES = (
    *("x", "y1", "1", "2.5", "-3e2", "1,5", "0x1", "1_0", "NA", "", "true", "nan", "12345678901234567890"),
    *(",", ",", ",", ",", ";", "\t", "|", " ", "  ", '"', '"', '""', "'", "\\", "\\\\", "#", "# "),
    *("\n", "\n", "\n", "\r\n", "\r", "\n\n", " \n", "\0", "é", "\ud7ff", "\u2028", "\x0b", "\x1c", "sep=;\n"),
    *('"x"', '"x,"', '"x\ny"', "1,2,3\n", "x,y,z\n", '"a\r\nb",x,y\n', "4;5;6\n", '"1","2","3"\n', "'1','x,y',2\n"),
    *("a,b,c\n", "1 2 3\n", '1,5" x,2\n', '1,"5\\" x",2\n', '1,""x",2\n', "# note\n", '#"\n', '1,"x,2\n'),
)
DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from([None, None, None, ",", ";", "\t", "|", " ", BLANKS]),
    quote=st.sampled_from(['"', '"', '"', "'", NONE]),
    escape=st.sampled_from([None, None, None, "\\"]),
    comment=st.sampled_from([None, None, "#", "# "]),
    decimal=st.sampled_from([".", ".", ".", "_"]),
    bad_rows=st.sampled_from(["error", "error", "drop"]),
)
CSV_FILES = st.builds(
    File,
    text=st.one_of(
        st.lists(st.sampled_from(CSV_PIECES), max_size=25).map(lambda pieces: "".join(pieces).encode()),
        st.lists(st.one_of(st.sampled_from(CSV_PIECES).map(str.encode), st.binary(max_size=3)), max_size=12).map(
            b"".join
        ),
    ),
    dialect=DIALECTS,
    encoding=st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"]),
    packed=st.booleans(),
    step=st.sampled_from([3, 16, 64, 1 << 20]),
    block=st.sampled_from([1, 2, 5, 1 << 16]),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.fixture(autouse=True)
def sizes() -> Iterator[None]:
    """Put the sizes that files cut back to what they were."""
    sizes = {name: vars(records)[name] for name in ("STEP", "BLOCK")}
    yield
    vars(records).update(sizes)


def verdict(file: File, kind: type[CsvTable] | type[JsonTable], path: Path) -> Verdict:
    """Write a file, read it cut as it says, and judge it."""
    vars(records).update(STEP=file.step, BLOCK=file.block)
    file.write(path)
    try:
        return judged(kind(Source(str(path)), file.dialect), file.dialect)
    except DataError as error:
        return Verdict("refused", str(error))


@FUZZ
@given(file=CSV_FILES, header=st.booleans())
def test_csv_is_read_as_the_strict_reader_reads_it(path: Path, file: File, header: bool) -> None:
    if header:
        delimiter = {None: ",", BLANKS: " "}.get(file.dialect.delimiter, file.dialect.delimiter)
        file = replace(file, text=str(delimiter).join("abc").encode() + b"\n" + file.text)
    outcome = verdict(file, CsvTable, path)
    assert outcome.outcome != "wrong", outcome.why


VALUES = st.recursive(
    st.sampled_from(
        [None, True, False, 0, 1, -1, 2**53, 2**53 + 1, 10**400, 0.5, -0.0, 1e300, "x", "", "1.5", "NA", "inf", "true"]
    )
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=2),
    max_leaves=4,
)
MEMBERS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", "a", "b", "é", "a.b"]), VALUES), max_size=4)
JSON_PIECES = st.sampled_from(
    [
        *(
            '{"a": 1}',
            '{"a": 1, "a": 2}',
            '{"a": NaN}',
            '{"a": -Infinity}',
            '{"a": 1e999}',
            '{"a": 12345678901234567890}',
        ),
        *(
            '{"a": "\\ud800"}',
            '{"a": 01}',
            '{"a": 1.}',
            '{"a": .5}',
            '{"a": +1}',
            '{"a": 1}{"a": 2}',
            '{"a": 1},',
            "{'a': 1}",
        ),
        *(
            '{"a": ' + "[" * 2000 + "]" * 2000 + "}",
            '{"a": tru}',
            "[",
            "]",
            ",",
            "{",
            "}",
            "null",
            "1",
            '"x"',
            "",
            " ",
            "\r",
            "\0",
        ),
        *(
            '{"a": "x\ty"}',
            '{"a": 1} # note',
            '{"b": 2}',
            '{"\\u0061": 3}',
            '{"a": {"b": 1}}',
            '{"a": 1, "b": "x"}',
            "\ufeff",
        ),
    ]
)
LINES = st.one_of(
    MEMBERS.map(
        lambda pairs: "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs) + "}"
    ),
    JSON_PIECES,
    st.text(st.sampled_from('{}[]",:ab019.eE+-\\ \t'), max_size=12),
)
JSON_FILES = st.builds(
    File,
    text=st.one_of(
        st.lists(LINES, min_size=1, max_size=10).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")),
        st.lists(LINES, min_size=1, max_size=6).map(
            lambda lines: ("[" + ",\n".join(lines) + "]").encode("utf-8", "surrogatepass")
        ),
        st.lists(st.binary(max_size=2) | LINES.map(lambda line: line.encode("utf-8", "surrogatepass")), max_size=6).map(
            b"\n".join
        ),
    ),
    dialect=st.builds(Dialect, bad_rows=st.sampled_from(["error", "error", "drop"])),
    encoding=st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16-le"]),
    packed=st.booleans(),
    step=st.sampled_from([3, 16, 64, 1 << 20]),
    block=st.sampled_from([1, 2, 1 << 16]),
)


@FUZZ
@given(file=JSON_FILES)
def test_json_is_read_as_the_strict_reader_reads_it(path: Path, file: File) -> None:
    outcome = verdict(file, JsonTable, path)
    assert outcome.outcome != "wrong", outcome.why


SEEDS = (
    File(b"a,b,c\n\xef\xbb\xbf\n"),  # a byte order mark where a piece begins
    File(b"a,b,c\n\xef\xbb\xbf1,2,3\n", block=1, step=3),
    File(b"a b c\n1 2 \\", Dialect(delimiter=" ", escape="\\", bad_rows="drop")),  # an escape at the end of the file
    File(b'1,"5\\" x",2\n'),  # text behind a closing quote in the header
    File(b'a,b,c\n1,""x",2\n1,2,3\n'),
)


@pytest.mark.parametrize("file", SEEDS, ids=lambda file: repr(file.text))
@pytest.mark.parametrize("bad_rows", ["error", "drop"])
def test_what_failed_once(path: Path, file: File, bad_rows: str) -> None:
    outcome = verdict(replace(file, dialect=replace(file.dialect, bad_rows=bad_rows)), CsvTable, path)
    assert outcome.outcome != "wrong", outcome.why
