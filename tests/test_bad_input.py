"""Bad input is refused: the right exit code, nothing on standard output, one line on the fault, no file left."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import os
import pickle
import re
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

import lossctl as package
from lossctl.errors import DataError, ExitCode
from lossctl.io.source import Source
from tests.conftest import Lossctl

USAGE, DATA = ExitCode.USAGE, ExitCode.DATA
Refused = Callable[..., str]
Write = Callable[[str, str | bytes], Path]
START = "lossctl: error: "
OLD = b"an older result\n"
ROWS = 150_000  # of a long file: several blocks of rows, and of bytes
BLOCK = 65_536

REGRESSION = "y,p\n1,1.5\n2,2.5\n3,2\n4,4\n5,6\n6,6\n"
BINARY = "y,p\n0,0.1\n1,0.9\n0,0.3\n1,0.8\n0,0.2\n1,0.7\n"
CLASSES = "y,p_a,p_b,p_c\na,0.5,0.3,0.2\nb,0.1,0.8,0.1\nc,0.2,0.2,0.6\na,0.9,0.1,0\n"
ON_P = ("-t", "y", "-p", "p")
MSE = (*ON_P, "-l", "mse")
BCE = (*ON_P, "-l", "bce")
CCE = ("-t", "y", "-p", "p_*", "-l", "cce")


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder with its content, temporary ones too."""
    return {
        str(path): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if not path.is_fifo()
    }


def error_line(err: str) -> str:
    """Return the one line that standard error must consist of, without what every error begins with."""
    assert err.startswith(START), err
    assert err.endswith("\n"), err
    assert err.count("\n") == 1, err
    assert err[:-1].isprintable(), ascii(err)
    assert "Traceback" not in err
    assert "internal error" not in err
    return err[len(START) : -1]


@pytest.fixture
def refused(lossctl: Lossctl, tmp_path: Path) -> Refused:
    """Run `lossctl eval` with outputs of every kind; hold what every refusal has in common; return its line."""

    def check(
        *arguments: object,
        code: ExitCode,
        says: Sequence[str] = (),
        row: int | None = None,
        count: int | None = None,
        once: bool = False,
    ) -> str:
        results = tmp_path / "results"
        results.mkdir(exist_ok=True)
        (results / "old.json").write_bytes(OLD)
        (results / "old.parquet").write_bytes(OLD)
        outputs = ["-o", results / "old.json", "-o", f"md:{results / 'new'}"]
        lines = set()
        for form, rows_out in [("json", "old.parquet"), ("table", "new.csv")][: 1 if once else 2]:
            before = tree(tmp_path)
            form_of = () if "-f" in arguments else ("-f", form)
            outcome = lossctl("eval", "-q", *form_of, *outputs, "--rows-out", results / rows_out, *arguments)
            assert outcome.out == ""
            assert outcome.code == code, outcome.err
            assert tree(tmp_path) == before
            lines.add(error_line(outcome.err).replace(f"{tmp_path}/", ""))
        assert len(lines) == 1, lines
        line = lines.pop()
        for text in says:
            assert text in line, line
        if row is not None:
            assert re.findall(r"\brow (\d+)", line) == [str(row)], line
        if count is not None:
            assert re.search(rf"\b{count}\b", line), line
        return line

    return check


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


# the question ----------------------------------------------------------------------------------------------------


def test_a_misspelt_loss_is_told_apart_from_its_neighbour(refused: Refused, write: Write) -> None:
    says = ["unknown loss 'hubr'", "did you mean 'huber'?", "lossctl losses list"]
    refused(write("a.csv", REGRESSION), *ON_P, "-l", "hubr", code=USAGE, says=says)


def test_a_loss_like_no_other_gets_the_pointer_to_the_list_alone(refused: Refused, write: Write) -> None:
    line = refused(
        write("a.csv", REGRESSION), *ON_P, "-l", "xyzzy", code=USAGE, says=["'xyzzy'", "lossctl losses list"]
    )
    assert "did you mean" not in line


@pytest.mark.parametrize(
    ("option", "given"),
    [("-t", "tuth"), ("-p", "gues"), ("-w", "wieght"), ("--by", "regoin"), ("--by", "region,yaer"), ("--id", "cdoe")],
)
def test_an_unknown_column_names_its_nearest_and_all_there_are(
    refused: Refused, write: Write, option: str, given: str
) -> None:
    columns = ["truth", "guess", "weight", "region", "year", "code"]
    path = write("a.csv", ",".join(columns) + "\n1,2,1,north,1999,x1\n2,2,1,south,1999,x2\n")
    options = {"-t": "truth", "-p": "guess", "-l": "mse"} | {option: given}
    missing = given.split(",")[-1]
    meant = {"tuth": "truth", "gues": "guess", "wieght": "weight", "regoin": "region", "yaer": "year", "cdoe": "code"}
    line = refused(path, *itertools.chain(*options.items()), code=DATA, says=["a.csv", f"'{missing}'", *columns])
    assert f"did you mean '{meant[missing]}'?" in line


def test_a_glob_that_matches_nothing_is_refused(refused: Refused, write: Write) -> None:
    says = ["a.csv", "'q_*'", "p_a", "p_b", "p_c"]
    refused(write("a.csv", CLASSES), "-t", "y", "-p", "q_*", "-l", "cce", code=DATA, says=says)


def test_an_unknown_column_of_a_role_names_its_nearest(refused: Refused, write: Write) -> None:
    path = write("a.csv", "anchor,posit,negat\n1,2,3\n")
    roles = ("--role", "anchor=anchr", "--role", "positive=posit", "--role", "negative=negat")
    refused(path, *roles, "-l", "triplet", code=DATA, says=["a.csv", "'anchr'", "did you mean 'anchor'?", "negat"])


def test_an_unknown_column_is_looked_for_in_the_targets_file(refused: Refused, write: Write) -> None:
    truth = write("truth.csv", "truth\n1\n2\n")
    path = write("a.csv", "p\n1\n2\n")
    refused(path, "--targets", truth, "-t", "trut", "-l", "mse", code=DATA, says=["truth.csv", "'trut'", "'truth'"])


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("huber:delta=-1", ["huber", "delta=-1", "(0, "]),
        ("huber:delta=0", ["huber", "delta=0", "(0, "]),
        ("huber:delta=nan", ["huber", "delta=nan", "(0, "]),
        ("huber:delta=inf", ["huber", "delta=inf", "(0, "]),
        ("quantile:q=1.5", ["quantile", "q=1.5", "0", "1"]),
        ("quantile:q=half", ["quantile", "q=half", "a number in"]),
        ("huber:delta=", ["huber", "delta=", "a number in"]),
        ("poisson:full=2", ["poisson", "full=2", "true or false"]),
        ("huber:detla=2", ["huber", "'detla'", "did you mean 'delta'?"]),
        ("mse:delta=2", ["mse", "'delta'", "none"]),
        ("huber:", ["'huber:'", "PARAMETER=VALUE", "huber:delta=2"]),
        ("huber:2", ["'huber:2'", "'2'", "PARAMETER=VALUE", "huber:delta=2"]),
        ("huber:=2", ["'huber:=2'", "PARAMETER=VALUE"]),
        ("huber:delta=1,", ["'huber:delta=1,'", "PARAMETER=VALUE"]),
        ("huber:delta=1,delta=2", ["delta", "twice"]),
        ("huber:delta=1,DELTA=1", ["delta", "twice"]),
        ("=mse", ["'=mse'", "label", "empty"]),
        ("best=", ["''", "lossctl losses list"]),
        ("", ["''", "lossctl losses list"]),
    ],
)
def test_a_spec_that_is_none_says_what_is_allowed(refused: Refused, write: Write, spec: str, says: list[str]) -> None:
    refused(write("a.csv", REGRESSION), *ON_P, "-l", spec, code=USAGE, says=says)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--ci", "0.9", "--no-ci"], ["--ci", "--no-ci"]),
        (["--ci", "95"], ["95", "0.95"]),
        (["--ci", "0"], ["0", "0.95"]),
        (["--ci", "nan"], ["nan", "0.95"]),
        (["-p", "p"], ["'p'", "NAME="]),
        (["-p", "y=p", "-p", "y=y"], ["'y'", "NAME="]),
        (["--classes", "a,b"], ["--classes"]),
        (["-l", "rmse", "--reduction", "sum"], ["--reduction sum", "rmse", "mse"]),
        (["-l", "max_error", "--reduction", "sum"], ["--reduction sum", "max_error", "mse"]),
        (["-l", "mse"], ["'mse'", "twice", "again=mse"]),
        (["-l", "MSE"], ["'mse'", "twice", "again=mse"]),
        (["-l", "same=mae", "-l", "same=rmse"], ["'same'", "twice"]),
        (["-f", "jsn"], ["'jsn'", "did you mean 'json'?", "table", "jsonl"]),
        (["--task", "regresion"], ["'regresion'", "did you mean 'regression'?", "multilabel"]),
        (["--missing", "skip"], ["'skip'", "error", "drop"]),
        (["--reduction", "median"], ["'median'", "mean", "sum"]),
        (["--color", "blue"], ["blue", "auto", "always", "never"]),
        (["-d", ";;"], ["-d", "';;'", "character"]),
        (["-d", ""], ["-d", "''", "character"]),
        (["-d", "§"], ["-d", "§"]),
        (["-d", '"'], ["-d", '"']),
        (["-d", "\n"], ["-d", "\\n"]),
        (["-d", "\r"], ["-d", "\\r"]),
        (["--role", "left=p"], ["left"]),
        (["--role", "left"], ["'left'", "ROLE=COLUMNS"]),
        (["-w", "y,p"], ["-w", "y,p"]),
        (["-p", "q=p,p"], ["'p,p'", "twice"]),
        (["-p", "=p"], ["'=p'", "empty"]),
    ],
)
def test_options_that_are_wrong_or_contradict_each_other(
    refused: Refused, write: Write, options: list[str], says: list[str]
) -> None:
    refused(write("a.csv", REGRESSION), *MSE, *options, code=USAGE, says=says)


def test_several_files_take_one_prediction_each(refused: Refused, write: Write) -> None:
    files = write("a.csv", "y,p,q\n1,2,3\n"), write("b.csv", "y,p,q\n1,2,3\n")
    refused(*files, "-t", "y", "-p", "p", "-p", "q", "-l", "mse", code=USAGE, says=["several files", "-p"])
    refused(*files, "-t", "y", "-p", "m=p", "-l", "mse", code=USAGE, says=["m=p", "NAME=PATH"])


def test_two_files_of_one_name_are_told_to_take_another(refused: Refused, write: Write) -> None:
    one, two = write("a.csv", REGRESSION), write("b.csv", REGRESSION)
    refused(f"m={one}", f"m={two}", *MSE, code=USAGE, says=["'m'", "NAME="])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--positive-label", "a"], ["--positive-label", "--classes"]),
        (["--positive-label", "a", "--classes", "a,b,c"], ["--positive-label", "--classes"]),
        (["--classes", "a,b"], ["--classes", "2", "3"]),
        (["--classes", "a,b,a"], ["--classes a,b,a", "twice"]),
        (["-l", "mse"], ["mse"]),
    ],
)
def test_options_that_class_labels_do_not_go_with(
    refused: Refused, write: Write, options: list[str], says: list[str]
) -> None:
    refused(write("a.csv", CLASSES), *CCE, *options, code=USAGE, says=says)


def test_a_target_of_text_asks_for_the_label_that_is_one(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,p\nyes,0.9\nno,0.2\n")
    refused(path, *BCE, code=USAGE, says=["a.csv", "'y'", "--positive-label"])
    refused(path, *ON_P, code=USAGE, says=["text", "--task", "--positive-label", "-l"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["eval", "FILE", *MSE, "--nonsense"], ["--nonsense"]),
        (["eval", "FILE", *MSE, "--ci", "high"], ["--ci"]),
        (["eval", "FILE", *MSE, "--digits", "99"], ["--digits", "17"]),
        (["eval", "FILE", "-t"], ["-t"]),
        (["eval"], ["FILE"]),
        (["evl", "FILE"], ["evl", "eval"]),
        (["losses", "show", "hubr"], ["'hubr'", "'huber'"]),
        (["losses", "show", "huber", "-f", "xml"], ["xml", "json"]),
        (["losses", "list", "-f", "xml"], ["xml", "json"]),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_one_line_too(
    lossctl: Lossctl, write: Write, arguments: list[str], says: list[str]
) -> None:
    path = write("a.csv", REGRESSION)
    outcome = lossctl(*(path if argument == "FILE" else argument for argument in arguments))
    assert outcome.code == USAGE
    assert outcome.out == ""
    line = error_line(outcome.err)
    for text in says:
        assert text in line


# shapes and activations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-t", "a", "-p", "m=b,c", "-l", "bce"], ["bce", "2 columns", "1"]),
        (["-t", "a", "-p", "b", "-l", "cce"], ["cce", "1 column"]),
        (["-t", "a,b", "-p", "m=c,d", "-l", "max_error"], ["max_error", "2 columns", "1 column"]),
        (["-t", "a,b,c", "-p", "m=a,b", "-l", "mse"], ["mse", "3 columns", "2 columns"]),
        (["-t", "a", "-p", "b", "-l", "iou"], ["iou", "4 columns", "1 column"]),
        (["-t", "a,b,c,d", "-p", "m=a,b", "-l", "iou"], ["iou", "4 columns", "2 columns"]),
        (["-t", "a", "-p", "b", "-l", "kl"], ["kl", "1 column"]),
        (["--role", "anchor=a,b", "--role", "positive=c", "--role", "negative=d", "-l", "triplet"], ["triplet", "2"]),
        (["-t", "a", "-p", "b", "-p", "m=c,d", "-l", "mse"], ["'b'", "'m'", "1", "2"]),
        (["-t", "a", "-l", "contrastive", "--role", "left=b"], ["right", "--role right="]),
    ],
)
def test_widths_that_do_not_match_a_loss(refused: Refused, write: Write, options: list[str], says: list[str]) -> None:
    refused(write("a.csv", "a,b,c,d\n0,0.5,0.25,1\n1,0.5,0.75,2\n"), *options, code=USAGE, says=says)


LABELLED = ("-t", "y", "-p", "p_*")


@pytest.mark.parametrize(
    ("options", "loss", "activation", "fits"),
    [
        *(
            (LABELLED, loss, act, "softmax")
            for loss in ("cce", "focal", "brier")
            for act in ("tanh", "relu", "sigmoid")
        ),
        *((ON_P, loss, "tanh", "sigmoid") for loss in ("bce", "focal", "brier", "zero_one")),
        *((ON_P, loss, act, "tanh") for loss in ("hinge", "squared_hinge") for act in ("sigmoid", "softmax")),
        *((LABELLED, "hinge", act, "tanh") for act in ("sigmoid", "softmax")),
    ],
)
def test_an_activation_that_cannot_feed_a_loss(
    refused: Refused, write: Write, options: tuple[str, ...], loss: str, activation: str, fits: str
) -> None:
    path = write("a.csv", BINARY if options == ON_P else CLASSES)
    says = [loss, f"--activation {activation}", fits]
    refused(path, *options, "-l", loss, "--activation", activation, code=USAGE, says=says)


def test_a_refused_activation_names_the_losses_that_it_does_fit(refused: Refused, write: Write) -> None:
    path = write("a.csv", BINARY)
    line = refused(path, *BCE, "--activation", "tanh", code=USAGE)
    assert {"mse", "mae", "huber"} <= set(re.findall(r"\w+", line.partition("losses that fit")[2]))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--activation", "sigmod"], ["sigmod", "did you mean 'sigmoid'?", "none", "softplus"]),
        (["--activation", "p=sigmod"], ["sigmod", "did you mean 'sigmoid'?"]),
        (["--activation", "q=sigmoid"], ["'q'", "the models are p"]),
        (["--activation", "sigmoid", "--activation", "none"], ["twice", "MODEL=VALUE"]),
    ],
)
def test_an_activation_that_is_none(refused: Refused, write: Write, options: list[str], says: list[str]) -> None:
    refused(write("a.csv", BINARY), *BCE, *options, code=USAGE, says=says)


# files -----------------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there(refused: Refused, write: Write, tmp_path: Path) -> None:
    good = write("good.csv", REGRESSION)
    missing = tmp_path / "missing.csv"
    refused(missing, *MSE, code=DATA, says=["missing.csv", "no such file"])
    refused(good, missing, *MSE, code=DATA, says=["missing.csv", "no such file"])
    refused(good, "--targets", missing, *MSE, code=DATA, says=["missing.csv", "no such file"])
    refused(f"name={missing}", *MSE, code=DATA, says=["missing.csv", "no such file"])


class Hanging(Exception):
    """What a wait of seconds is turned into; no OSError, which the reading side would explain."""


@pytest.fixture
def at_once() -> Iterator[None]:
    """Turn a wait of seconds into a failure."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise Hanging

    old = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 2.0)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, old)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("kind", ["dangling link", "loop", "below a file", "long name", "pipe", "device"])
def test_a_path_that_leads_to_no_file(refused: Refused, write: Write, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd.csv"
    if kind == "dangling link":
        path.symlink_to(tmp_path / "gone.csv")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "below a file":
        path = write("odd.csv", REGRESSION) / "below.csv"
    elif kind == "long name":
        path = tmp_path / ("odd" * 100)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = Path("/dev/zero")
    refused(path, *MSE, code=DATA, says=["zero" if kind == "device" else "odd"])


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([], ["parts", "no files"]),
        ([".hidden.csv", "_SUCCESS"], ["parts", "no files"]),
        (["year/a.csv"], ["parts", "folder"]),
    ],
)
def test_a_folder_without_parts(refused: Refused, tmp_path: Path, files: list[str], says: list[str]) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(REGRESSION)
    refused(folder, *MSE, code=DATA, says=says)


def test_parts_are_named_one_by_one(refused: Refused, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "part-2.csv").write_text("y,p\n1,2\n")
    (folder / "part-10.csv").write_text("y,p\n1,2\n1,two\n")
    refused(folder, *MSE, code=DATA, says=["parts/part-10.csv", "column 'p'", "'two'"], row=2)
    (folder / "part-10.csv").write_text("y,p\n1,2\n1,\n")
    refused(folder, *MSE, code=DATA, says=["parts/part-10.csv", "column 'p'", "missing"], row=2)
    (folder / "part-10.csv").write_text("y,q\n1,2\n")
    refused(folder, *MSE, code=DATA, says=["part-10.csv", "part-2.csv", "'p'", "'q'"])


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0), bz2.compress(b"")]
)
def test_an_empty_file(refused: Refused, write: Write, content: bytes) -> None:
    refused(write("a.csv", content), *MSE, code=DATA, says=["a.csv", "empty"])


@pytest.mark.parametrize("content", ["y,p", "y,p\n", "y,p\r\n", "\ufeffy,p\n"])
@pytest.mark.parametrize("options", [MSE, ON_P, (*MSE, "--missing", "drop"), (*MSE, "--id", "y")])
def test_a_header_alone(refused: Refused, write: Write, content: str, options: tuple[str, ...]) -> None:
    refused(write("a.csv", content), *options, code=DATA, says=["a.csv", "no rows"])


@pytest.mark.parametrize("options", [MSE, ON_P, (*MSE, "--missing", "drop")])
def test_no_rows_in_other_containers(refused: Refused, tmp_path: Path, options: tuple[str, ...]) -> None:
    empty = parquet(tmp_path / "a.parquet", {"y": np.empty(0), "p": np.empty(0)})
    refused(empty, *options, code=DATA, says=["a.parquet", "no rows"])
    np.save(tmp_path / "a.npy", np.empty((0, 1)))
    refused(tmp_path / "a.npy", "-t", "a", "-p", "m=a", "-l", "mse", code=DATA, says=["a.npy", "no rows"])


@pytest.mark.parametrize(
    ("content", "row", "counts"),
    [
        ("y,p\n1,2\n3\n4,5\n", 2, (1, 2)),
        ("y,p\n1,2\n3,4,5\n4,5\n", 2, (3, 2)),
        ("y,p\n1,2,3\n", 1, (3, 2)),
        ("y,p\n1,2\n3,4,\n", 2, (3, 2)),
        ("y,p\r\n1,2\r\n3\r\n", 2, (1, 2)),
        ('y,p,"note\nof two lines"\n1,2,"a\nb"\n3,4,"c\n\nd"\n5,6\n', 3, (2, 3)),
        ("y,p\n1,2\n3\n4,5,6\n7,abc\n", 2, (1, 2)),
        ("y,p,q\n1,2,3\n1,2\n1,2,3\n1,2,3,4\n", 2, (2, 3)),
    ],
)
def test_a_row_of_too_few_or_too_many_fields(
    refused: Refused, write: Write, content: str, row: int, counts: tuple[int, int]
) -> None:
    line = refused(write("a.csv", content), *MSE, code=DATA, says=["a.csv"], row=row)
    found = [int(number) for number in re.findall(r"\d+", line.partition(f"row {row}")[2])]
    assert found == list(counts)


@pytest.mark.parametrize("line", [b"caf\xe9,0.2,0.2", b"\xff,1,0,0,0"])
def test_a_ragged_row_that_is_not_utf8(refused: Refused, write: Write, line: bytes) -> None:
    path = write("a.csv", CLASSES.encode() + line + b"\na,0.5,0.3,0.2\n")
    refused(path, *CCE, code=DATA, says=["a.csv", f"{line.count(b',') + 1} fields", "4"], row=5)


@pytest.mark.parametrize("row", [1, BLOCK, BLOCK + 1, 100_001, ROWS])
@pytest.mark.parametrize(("line", "count"), [("a,1,0,0.5", 4), ("a,1,0,0.5,x,x", 6)])
def test_a_ragged_row_far_down(refused: Refused, write: Write, row: int, line: str, count: int) -> None:
    path = long_csv(write, {row: line})
    refused(path, *BCE, code=DATA, says=["long.csv", f"{count} fields", "5"], row=row, once=True)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("abc", "'abc'"),
        ("1_000", "'1_000'"),
        ("12:30", "'12:30'"),
        ("1.5.2", "'1.5.2'"),
        ("0x10", "'0x10'"),
        ("1e", "'1e'"),
        ("-", "'-'"),
        ("?", "'?'"),
        ("true", "'true'"),
        ("２", "'２'"),
        ('"1,5"', "'1,5'"),
        ('"a ""b"""', "'a \"b\"'"),
        ("$5", "'$5'"),
        ("\x1b[31m5", r"\x1b[31m5"),
        ("x" * 1000, "x" * 20),
    ],
)
@pytest.mark.parametrize("column", ["y", "p", "w"])
def test_text_in_a_column_of_numbers(refused: Refused, write: Write, cell: str, shown: str, column: str) -> None:
    cells = {"y": "1", "p": "2", "w": "3"} | {column: cell}
    path = write("a.csv", "y,p,w\n1,2,1\n1,2,1\n" + ",".join(cells.values()) + "\n1,2,1\n1,zzz,1\n")
    refused(path, *MSE, "-w", "w", code=DATA, says=["a.csv", f"column '{column}'", shown], row=3)


@pytest.mark.parametrize(
    "cell", ["+5", " 7 ", "1e400", "-1e400", "1e-400", "infinity", "Inf", "-inf", "NaN", "1E5", ".5", "5.", "nan(2)"]
)
def test_an_odd_number_is_read_or_named_with_its_row(lossctl: Lossctl, write: Write, cell: str) -> None:
    outcome = lossctl("eval", write("a.csv", f"y,p\n1,2\n1,{cell}\n"), *MSE, "-q", "-f", "value")
    if outcome.code == ExitCode.OK:
        assert outcome.values == [(1.0 + (float(cell) - 1.0) ** 2) / 2.0]
    else:
        assert outcome.code == DATA
        assert outcome.out == ""
        assert "row 2, column 'p'" in error_line(outcome.err)


@pytest.mark.parametrize("row", [BLOCK, BLOCK + 1, 100_001, ROWS])
def test_text_far_down(refused: Refused, write: Write, row: int) -> None:
    path = long_csv(write, {row: "a,1,0,high,x", ROWS: "a,1,0,low,x"} | {row: "a,1,0,high,x"})
    refused(path, *BCE, code=DATA, says=["long.csv", "column 'p'", "'high'"], row=row, once=True)


def test_numbers_that_a_float_cannot_hold(refused: Refused, tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", {"y": pa.array([1, 2**53 + 1], pa.int64()), "p": [1.0, 2.0]})
    refused(path, *MSE, code=DATA, says=["a.parquet", "column 'y'", "float64"])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (pa.array(["1", "2"]), ["text"]),
        (pa.array([0, 1], pa.date32()), ["date32"]),
        (pa.array([0, 1], pa.timestamp("ms")), ["timestamp"]),
        (pa.array([b"1", b"2"]), ["binary"]),
        (pa.array([{"a": 1}, {"a": 2}]), ["struct"]),
        (pa.array([[1.0, 2.0], [1.0]]), ["lengths"]),
        (pa.array([[1.0, None], [1.0, 2.0]]), ["null"]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_a_column_that_holds_no_numbers(refused: Refused, tmp_path: Path, values: Any, says: list[str]) -> None:
    path = parquet(tmp_path / "a.parquet", {"y": [1.0, 2.0], "p": values})
    refused(path, *MSE, code=DATA, says=["a.parquet", "column 'p'", *says])


# missing values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["y", "p", "w", "g"])
@pytest.mark.parametrize("cell", ["", "NA", "nan"])
def test_a_missing_value_in_csv(refused: Refused, write: Write, column: str, cell: str) -> None:
    if column == "g":
        cell = ""
    cells = {"y": "1", "p": "2", "w": "3", "g": "x"} | {column: cell}
    bad = ",".join(cells.values())
    path = write("a.csv", f"y,p,w,g\n1,2,1,x\n{bad}\n1,2,1,x\n{bad}\n{bad}\n")
    says = ["a.csv", f"column '{column}'", "NaN" if cell == "nan" else "missing", "--missing drop"]
    refused(path, *MSE, "-w", "w", "--by", "g", code=DATA, says=says, row=2, count=3)


@pytest.mark.parametrize("column", ["y", "p", "w"])
@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_missing_value_in_parquet(refused: Refused, tmp_path: Path, column: str, value: float | None) -> None:
    columns = {name: pa.array([1.0, value if name == column else 1.0, 1.0]) for name in "ypw"}
    path = parquet(tmp_path / "a.parquet", columns)
    says = ["a.parquet", f"column '{column}'", "missing" if value is None else "NaN", "--missing drop"]
    refused(path, *MSE, "-w", "w", code=DATA, says=says, row=2)


@pytest.mark.parametrize("cell", ["", None])
def test_a_missing_label(refused: Refused, write: Write, tmp_path: Path, cell: str | None) -> None:
    if cell == "":
        path = write("a.csv", CLASSES.replace("\nc,", "\n,"))
    else:
        columns = {"y": ["a", "b", cell], "p_a": [0.5, 0.5, 0.5], "p_b": [0.5, 0.5, 0.5]}
        path = parquet(tmp_path / "a.parquet", columns)
    refused(path, *CCE, code=DATA, says=[path.name, "column 'y'", "missing", "--missing drop"], row=3)


def test_the_first_missing_value_of_all_columns_is_named(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,p\n1,2\n1,2\n1,\n,2\n,2\n")
    refused(path, *MSE, code=DATA, says=["a.csv", "column 'p'", "missing"], row=3)


def test_an_empty_line_is_a_row_without_values(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,p\n1,2\n\n3,4\n")
    refused(path, *MSE, code=DATA, says=["a.csv"], row=2)


@pytest.mark.parametrize("row", [BLOCK, BLOCK + 1, ROWS])
def test_a_missing_value_far_down(refused: Refused, write: Write, row: int) -> None:
    path = long_csv(write, {row: "a,1,0,,x"})
    refused(path, *BCE, code=DATA, says=["long.csv", "column 'p'", "--missing drop"], row=row, once=True)


def test_nothing_left_after_dropping_is_no_number(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,p\n1,\n,2\nnan,nan\n")
    refused(path, *MSE, "--missing", "drop", code=DATA, says=["a.csv", "every one of the 3 rows", "missing"])


# values outside a domain -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        ("y,p\n1,0.5\n0,-2.5\n1,3\n", BCE, ["bce", "column 'p'", "-2.5", "[0, 1]", "--activation sigmoid"]),
        ("y,p\n1,0.5\n0,1.2\n1,3\n", (*ON_P, "-l", "brier"), ["brier", "'p'", "1.2", "[0, 1]", "--activation sigmoid"]),
        (
            "y,p_a,p_b\na,0.5,0.5\nb,2,-1\nb,0.5,0.6\n",
            CCE,
            ["cce", "'p_a', 'p_b'", "2, -1", "sum to 1", "--activation softmax"],
        ),
        (
            "y_a,y_b,p_a,p_b\n0.5,0.5,0.5,0.5\n0.5,0.6,0.5,0.5\n1,1,0.5,0.5\n",
            ("-t", "y_*", "-p", "p_*", "-l", "kl"),
            ["kl", "'y_a', 'y_b'", "0.5, 0.6", "sum to 1"],
        ),
        ("y,p\n1,1\n2,0\n3,-1\n", (*ON_P, "-l", "poisson"), ["poisson", "'p'", "= 0", "(0, "]),
        ("y,p\n1,1\n-2,1\n-2,1\n", (*ON_P, "-l", "poisson"), ["poisson", "'y'", "-2", "[0, "]),
        ("y,p\n1,1\n-2,1\n-2,1\n", (*ON_P, "-l", "msle"), ["msle", "'y'", "-2", "(-1, "]),
        ("y,p\n1,1\n0,1\n0,1\n", (*ON_P, "-l", "mape"), ["mape", "'y'", "= 0", "0"]),
        ("y,p\n1,1\n2,1\n3,1\n", (*ON_P, "-l", "hinge"), ["hinge", "'y'", "= 2", "{-1, +1}"]),
        ("y,p\n1,0.5\n1.5,1\n3,1\n", BCE, ["bce", "'y'", "1.5", "{0, 1}", "[0, 1]"]),
        ("y,p\n1,0.5\n0.5,1\n0.5,1\n", (*ON_P, "-l", "zero_one"), ["zero_one", "'y'", "0.5", "{0, 1}"]),
        (
            "a,b,c,d,e,f,g,h\n0,0,1,1,0,0,1,1\n0,0,1,1,3,3,2,2\n0,0,1,1,3,3,2,2\n",
            ("-t", "a,b,c,d", "-p", "m=e,f,g,h", "-l", "iou"),
            ["iou", "'e', 'f', 'g', 'h'", "3, 3, 2, 2", "x1", "cxcywh"],
        ),
        (
            "a,b,c,d\n0,1,0,1\n0,0.5,0,1\n0,0.5,0,1\n",
            ("-t", "a,b", "-p", "m=c,d", "-l", "dice"),
            ["dice", "'a', 'b'", "0, 0.5", "{0, 1}"],
        ),
    ],
)
def test_a_value_outside_a_losss_domain(
    refused: Refused, write: Write, content: str, options: tuple[str, ...], says: list[str]
) -> None:
    refused(write("a.csv", content), *options, code=DATA, says=["a.csv", *says], row=2, count=2)


@pytest.mark.parametrize("row", [BLOCK, BLOCK + 1, ROWS])
def test_a_value_outside_the_domain_far_down(refused: Refused, write: Write, row: int) -> None:
    path = long_csv(write, {row: "a,1,0,7,x"})
    refused(path, *BCE, code=DATA, says=["long.csv", "column 'p' = 7", "--activation sigmoid"], row=row, once=True)


def test_every_loss_is_judged_though_another_one_would_do(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,p\n1,0.5\n0,1.2\n")
    refused(path, *ON_P, "-l", "mse", "-l", "bce", code=DATA, says=["bce", "column 'p'"], row=2)


@pytest.mark.parametrize("column", ["y", "p"])
@pytest.mark.parametrize(
    ("loss", "cell"),
    [("mse", "inf"), ("mse", "-inf"), ("r2", "Infinity"), ("max_error", "inf"), ("median_absolute_error", "inf")],
)
def test_an_infinite_input(refused: Refused, write: Write, cell: str, column: str, loss: str) -> None:
    bad = f"{cell},1" if column == "y" else f"1,{cell}"
    path = write("a.csv", f"y,p\n1,2\n{bad}\n2,4\n{bad}\n")
    shown = "-inf" if cell == "-inf" else "inf"
    says = ["a.csv", f"column '{column}' = {shown}", loss]
    refused(path, *ON_P, "-l", loss, "-l", "mae", code=DATA, says=says, row=2, count=2)


@pytest.mark.parametrize("activation", ["sigmoid", "none"])
def test_an_infinite_logit_is_no_number_either(refused: Refused, write: Write, activation: str) -> None:
    path = write("a.csv", "y,p\n1,0.5\n0,-inf\n")
    refused(path, *BCE, "--activation", activation, code=DATA, says=["a.csv", "column 'p' = -inf"], row=2)


@pytest.mark.parametrize("loss", ["bce", "hinge", "zero_one", "gan_discriminator", "triplet_score"])
@pytest.mark.parametrize("labels", [[1, -1, 1, 0, 0], [0, 1, 0, -1, -1], [0, -1, -1, 0, 1]])
def test_labels_of_both_conventions_are_not_mixed(refused: Refused, write: Write, loss: str, labels: list[int]) -> None:
    path = write("a.csv", "y,p\n" + "".join(f"{label},0.5\n" for label in labels))
    row = max(labels.index(0), labels.index(-1)) + 1
    says = ["a.csv", "column 'y'", f"= {labels[row - 1]}", "{0, 1}", "{-1, +1}"]
    refused(path, *ON_P, "-l", loss, "-l", "x=bce", code=DATA, says=says, row=row)


@pytest.mark.parametrize(("early", "late"), [(-1, 0), (0, -1)])
def test_labels_of_both_conventions_in_different_blocks(tmp_path: Path, early: int, late: int) -> None:
    target = np.where(np.arange(ROWS) % 2, 1, early)
    target[140_001:] = np.where(target[140_001:] == 1, 1, late)
    path = parquet(tmp_path / "a.parquet", {"y": target.astype(float), "p": np.full(ROWS, 0.5)})
    for threads in (1, 2, 7):
        with pytest.raises(DataError, match=r"row 140003, column 'y' = .*-1 and 0"):
            package.evaluate(path, target="y", pred="p", losses="bce", threads=threads)


# labels ----------------------------------------------------------------------------------------------------------


def test_a_label_that_is_no_class(refused: Refused, write: Write) -> None:
    path = write("a.csv", CLASSES + "d,0.2,0.2,0.6\na,0.2,0.2,0.6\nD,0.2,0.2,0.6\n")
    refused(path, *CCE, code=DATA, says=["a.csv", "column 'y'", "'d'", "a, b, c", "--classes"], row=5, count=2)


@pytest.mark.parametrize("label", ["3", "-1", "0.5", "one"])
def test_a_number_that_is_no_class(refused: Refused, write: Write, label: str) -> None:
    path = write("a.csv", f"y,p_0,p_1\n0,0.5,0.5\n1.0,0.5,0.5\n{label},0.5,0.5\n")
    refused(path, *CCE, code=DATA, says=["a.csv", "column 'y'", f"'{label}'", "0, 1", "--classes"], row=3)


def test_a_label_that_is_not_among_the_given_classes(refused: Refused, write: Write) -> None:
    path = write("a.csv", CLASSES)
    refused(path, *CCE, "--classes", "a,b,x", code=DATA, says=["a.csv", "'c'", "a, b, x"], row=3)


def test_a_third_label(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,p\nyes,0.9\nno,0.1\nyes,0.8\nmaybe,0.5\nperhaps,0.4\n")
    says = ["a.csv", "column 'y'", "'maybe'", "--positive-label yes"]
    refused(path, *BCE, "--positive-label", "yes", code=DATA, says=says, row=4, count=2)


def test_a_misspelt_positive_label(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,p\nyes,0.9\nno,0.1\nyes,0.8\n")
    refused(path, *BCE, "--positive-label", "yse", code=DATA, says=["a.csv", "column 'y'", "'no'", "yse"], row=2)


def test_a_label_far_down(refused: Refused, write: Write) -> None:
    path = long_csv(write, {140_000: "c,1,0,0.5,x"})
    options = ("-t", "label", "-p", "p", "-l", "bce", "--positive-label", "b")
    refused(path, *options, code=DATA, says=["long.csv", "column 'label'", "'c'"], row=140_000, once=True)


# several files ---------------------------------------------------------------------------------------------------


def test_row_counts_that_differ(refused: Refused, write: Write) -> None:
    one, two = write("one.csv", "y,p\n1,1\n2,2\n3,3\n"), write("two.csv", "y,p\n1,1\n2,2\n3,3\n4,4\n5,5\n")
    for files in ((one, two), (two, one), (one, "--targets", two)):
        refused(*files, *MSE, code=DATA, says=["one.csv has 3", "two.csv has 5", "--id"])


def test_row_counts_that_differ_by_blocks(refused: Refused, write: Write) -> None:
    one, two = long_csv(write, {}, "one.csv", BLOCK), long_csv(write, {}, "two.csv")
    for files in ((one, two), (two, one)):
        says = [f"one.csv has {BLOCK}", f"two.csv has {ROWS}", "--id"]
        refused(*files, *BCE, code=DATA, says=says, once=True)


def test_a_file_without_rows_among_others(refused: Refused, write: Write) -> None:
    good, empty = write("good.csv", REGRESSION), write("empty.csv", "y,p\n")
    for files in ((good, empty), (empty, good)):
        refused(*files, *MSE, code=DATA, says=["empty.csv"])


def test_targets_that_differ(refused: Refused, write: Write) -> None:
    one = write("one.csv", "y,p\n1,1\n2,2\n3,3\n4,4\n")
    two = write("two.csv", "y,p\n1,1\n2,2\n7,3\n8,4\n")
    refused(one, two, *MSE, code=DATA, says=["one.csv", "two.csv", "target", "--id"], row=3, count=2)
    refused(one, "--targets", two, *MSE, code=DATA, says=["one.csv", "two.csv", "target"], row=3, count=2)


def test_targets_of_text_that_differ(refused: Refused, write: Write) -> None:
    one, two = write("one.csv", CLASSES), write("two.csv", CLASSES.replace("\nc,", "\na,"))
    refused(one, two, *CCE, code=DATA, says=["one.csv", "two.csv", "target", "--id"], row=3)


def test_the_file_at_fault_is_the_one_named(refused: Refused, write: Write) -> None:
    one, two = write("one.csv", REGRESSION), write("two.csv", REGRESSION.replace("2.5", "oops"))
    line = refused(one, two, *MSE, code=DATA, says=["two.csv", "column 'p'", "'oops'"], row=2)
    assert "one.csv" not in line


def test_keys_that_stand_twice(refused: Refused, write: Write) -> None:
    one = write("one.csv", "k,y,p\na,1,1\nb,2,2\nc,3,3\n")
    two = write("two.csv", "k,y,p\na,1,1\nb,2,2\na,3,3\nb,4,4\nc,1,1\n")
    for files in ((one, two), (two, one), (two,)):
        says = ["two.csv", "column 'k'", "2 keys", "more than once", "a, b"]
        refused(*files, *MSE, "--id", "k", code=DATA, says=says)


def test_keys_that_are_missing_or_left_over(refused: Refused, write: Write) -> None:
    one = write("one.csv", "k,y,p\n" + "".join(f"a{i},1,1\n" for i in range(9)))
    two = write("two.csv", "k,y,p\n" + "".join(f"a{i},1,1\n" for i in range(4, 11)))
    says = ["one.csv", "two.csv", "column 'k'", "4 ", "missing", "a0, a1, a2, ...", "2 not in it", "a9, a10"]
    refused(one, two, *MSE, "--id", "k", code=DATA, says=says)
    three = write("three.csv", "k,y,p\n" + "".join(f"a{i},1,1\n" for i in range(8)))
    refused(one, three, *MSE, "--id", "k", code=DATA, says=["three.csv", "1 of ", "missing", "(a8)"])
    refused(three, one, *MSE, "--id", "k", code=DATA, says=["one.csv", "1 not in it", "(a8)"])


def test_a_key_that_is_empty(refused: Refused, write: Write) -> None:
    path = write("a.csv", "k,y,p\na,1,1\n,2,2\nc,3,3\n,4,4\n")
    refused(path, *MSE, "--id", "k", code=DATA, says=["a.csv", "column 'k'", "empty"], row=2, count=2)


def test_rows_paired_by_key_are_named_as_they_stand_in_their_file(refused: Refused, write: Write) -> None:
    one = write("one.csv", "k,y,p\na,1,1\nb,2,2\nc,3,3\n")
    two = write("two.csv", "k,y,p\nc,3,3\nb,2,inf\na,1,1\n")
    refused(one, two, *MSE, "--id", "k", code=DATA, says=["two.csv", "column 'p' = inf"], row=2)
    two = write("two.csv", "k,y,p\nc,3,\nb,2,2\na,1,1\n")
    refused(one, two, *MSE, "--id", "k", code=DATA, says=["two.csv", "column 'p'", "missing"], row=1)


# weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("-1", ["= -1", "[0, "]),
        ("-0.5", ["= -0.5", "[0, "]),
        ("inf", ["= inf", "[0, "]),
        ("nan", ["NaN", "--missing drop"]),
        ("", ["missing", "--missing drop"]),
        ("heavy", ["'heavy'", "not a number"]),
    ],
)
def test_a_weight_that_is_none(refused: Refused, write: Write, cell: str, says: list[str]) -> None:
    path = write("a.csv", f"y,p,w\n1,2,1\n1,2,0\n1,2,{cell}\n1,2,1\n")
    refused(path, *MSE, "-w", "w", code=DATA, says=["a.csv", "column 'w'", *says], row=3)


@pytest.mark.parametrize("loss", ["mse", "rmse", "max_error", "median_absolute_error"])
def test_weights_that_are_all_zero(refused: Refused, write: Write, loss: str) -> None:
    path = write("a.csv", "y,p,w\n1,2,0\n1,2,0\n")
    options = (*ON_P, "-w", "w", "-l", loss, "-l", "mae")
    refused(path, *options, code=DATA, says=["a.csv", "'w'", "every weight", "zero"])


def test_weights_that_are_all_zero_in_the_targets_file(refused: Refused, write: Write) -> None:
    truth = write("truth.csv", "y,w\n1,0\n2,0\n")
    path = write("a.csv", "p\n1\n2\n")
    line = refused(
        path, "--targets", truth, "-t", "y", "-w", "w", "-l", "mse", code=DATA, says=["every weight", "zero"]
    )
    assert "truth.csv" in line


# names, text and separators --------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["y,p,p", "y,p,y,p", "y,p,other,other"])
def test_a_header_that_names_a_column_twice(refused: Refused, write: Write, header: str) -> None:
    fields = header.split(",")
    path = write("a.csv", header + "\n" + ",".join("1" for _ in fields) + "\n")
    twice = sorted({name for name in fields if fields.count(name) > 1})
    refused(path, *MSE, code=DATA, says=["a.csv", "more than once", *(f"'{name}'" for name in twice)])


def test_a_parquet_file_that_names_a_column_twice(refused: Refused, tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1.0, 2.0])] * 3, names=["y", "p", "p"])
    pq.write_table(table, tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", *MSE, code=DATA, says=["a.parquet", "'p'", "more than once"])


def test_a_label_that_is_not_utf8(refused: Refused, write: Write) -> None:
    path = write("a.csv", CLASSES.encode() + b"caf\xe9,0.2,0.2,0.6\n")
    refused(path, *CCE, code=DATA, says=["a.csv", "column 'y'", r"caf\xe9", "not UTF-8"], row=5)


def test_a_slice_far_down_that_is_not_utf8(refused: Refused, write: Write) -> None:
    lines = [line.encode() for line in long_lines()]
    lines[140_000] = b"caf\xe9,1,0,0.5,x"
    path = write("long.csv", b"\n".join(lines))
    says = ["long.csv", "column 'label'", r"caf\xe9", "not UTF-8"]
    refused(path, *BCE, "--by", "label", code=DATA, says=says, row=140_000, once=True)


def test_a_number_that_is_not_utf8(refused: Refused, write: Write) -> None:
    path = write("a.csv", b"y,p\n1,2\n1,2\xa0\n")
    refused(path, *MSE, code=DATA, says=["a.csv", "column 'p'", r"2\xa0", "not UTF-8"], row=2)


def test_a_header_that_is_not_utf8(refused: Refused, write: Write) -> None:
    path = write("a.csv", b"y,p,caf\xe9\n1,2,3\n")
    refused(path, *MSE, code=DATA, says=["a.csv", "header", "not UTF-8"])


@pytest.mark.parametrize("dictionary", [False, True])
@pytest.mark.parametrize("options", [CCE, (*CCE[2:], "-t", "p_a,p_b", "--by", "y"), (*CCE, "--id", "y")])
def test_parquet_text_that_is_not_utf8(
    refused: Refused, tmp_path: Path, options: tuple[str, ...], dictionary: bool
) -> None:
    words = pa.array([b"a", b"b", b"caf\xe9"])
    labels = pa.Array.from_buffers(pa.string(), 3, words.buffers())
    path = parquet(tmp_path / "a.parquet", {"y": labels, "p_a": [0.5] * 3, "p_b": [0.5] * 3}, use_dictionary=dictionary)
    refused(path, *options, code=DATA, says=["a.parquet", "column 'y'", "UTF-8"])


@pytest.mark.parametrize("name", [b"\xff\xfe\xfd\xfc", b"caf\xe9"])
def test_a_parquet_column_whose_name_is_not_utf8(refused: Refused, write: Write, name: bytes) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"y": [1.0, 2.0], "p": [1.0, 2.0], "name": [1.0, 2.0]}), file, store_schema=False)
    path = write("a.parquet", file.getvalue().replace(b"name", name))
    refused(path, *MSE, code=DATA, says=["a.parquet"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_text_of_wide_characters(refused: Refused, write: Write, encoding: str) -> None:
    refused(write("a.csv", REGRESSION.encode(encoding)), *MSE, code=DATA, says=["a.csv"])


@pytest.mark.parametrize(("delimiter", "flag"), [(";", "-d ';'"), ("\t", r"-d $'\t'"), ("|", "-d '|'")])
def test_a_file_of_another_separator(
    refused: Refused, lossctl: Lossctl, write: Write, delimiter: str, flag: str
) -> None:
    path = write("a.csv", REGRESSION.replace(",", delimiter))
    refused(path, *MSE, code=DATA, says=["a.csv", "one column", flag])
    expected = lossctl("eval", write("b.csv", REGRESSION), *MSE, "-f", "value")
    read = lossctl("eval", path, *MSE, "-d", delimiter, "-f", "value")
    assert (read.code, read.out) == (ExitCode.OK, expected.out)


# damaged and foreign files ---------------------------------------------------------------------------------------


@cache
def sound_parquet() -> bytes:
    """A Parquet file of two row groups, without compression or dictionaries: its pages' ends are plain numbers."""
    rng = np.random.default_rng(1)
    fields = [pa.field(name, pa.float64(), nullable=False) for name in "yp"]
    table = pa.table([rng.random(2000), rng.random(2000)], schema=pa.schema(fields))
    file = io.BytesIO()
    options: dict[str, Any] = {"use_dictionary": False, "compression": "none", "write_page_checksum": True}
    pq.write_table(table, file, row_group_size=1000, **options)
    return file.getvalue()


@pytest.mark.parametrize("left", [3, 4, 8, 12, 500, 0.5, -1, -4, -8, -20, -200])
def test_a_parquet_file_cut_short(refused: Refused, write: Write, left: float) -> None:
    whole = sound_parquet()
    content = whole[: int(left * len(whole)) if isinstance(left, float) else left]
    refused(write("a.parquet", content), *MSE, code=DATA, says=["a.parquet", "Parquet"])


@pytest.mark.parametrize("hole", [slice(1000, 1100), slice(5000, 20_000), slice(4, 60)])
@pytest.mark.parametrize("filled", [False, True])
def test_a_parquet_file_with_a_hole_in_the_middle(refused: Refused, write: Write, hole: slice, filled: bool) -> None:
    content = bytearray(sound_parquet())
    content[hole] = bytes(hole.stop - hole.start) if filled else b""
    refused(write("a.parquet", bytes(content)), *MSE, code=DATA, says=["a.parquet"])


def test_a_parquet_footer_that_counts_its_rows_in_two_ways(refused: Refused, write: Write) -> None:
    """A footer bears no checksum; the rows of the whole and of the groups must agree."""
    whole = sound_parquet()
    found = 0
    for place in range(len(whole) - 8 - pq.read_metadata(io.BytesIO(whole)).serialized_size, len(whole) - 8):
        content = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        with suppress(pa.ArrowException, OSError):
            metadata = pq.read_metadata(io.BytesIO(content))
            rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
            if metadata.num_columns == 2 and 0 < sum(rows) != metadata.num_rows == 2000:
                found += 1
                refused(write("a.parquet", content), *MSE, code=DATA, says=["a.parquet"], once=True)
    assert found


@pytest.mark.parametrize("group", [0, 1])
@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.9999])
@pytest.mark.parametrize("bit", [0, 6])
def test_a_flipped_bit_in_a_parquet_page(
    refused: Refused, write: Write, group: int, column: int, place: float, bit: int
) -> None:
    content = bytearray(sound_parquet())
    chunk = pq.read_metadata(io.BytesIO(content)).row_group(group).column(column)
    end = chunk.data_page_offset + chunk.total_compressed_size
    content[end - 8000 + int(8000 * place)] ^= 1 << bit
    refused(write("a.parquet", bytes(content)), *MSE, code=DATA, says=["a.parquet", "damaged"], once=True)


@pytest.mark.parametrize("compression", ["snappy", "zstd", "gzip"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_flipped_bit_in_a_compressed_parquet_page(
    lossctl: Lossctl, tmp_path: Path, compression: str, version: str
) -> None:
    values = np.random.default_rng(2).integers(0, 50, 5000) / 7.0
    options = {"compression": compression, "data_page_version": version}
    path = parquet(tmp_path / "a.parquet", {"y": values, "p": values[::-1]}, **options)
    whole = path.read_bytes()
    sound = lossctl("eval", path, *MSE, "-f", "value").values
    chunk = pq.read_metadata(path).row_group(0).column(1)
    start = chunk.dictionary_page_offset
    for place in range(start + 40, start + chunk.total_compressed_size, 397):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        outcome = lossctl("eval", path, *MSE, "-f", "value", "-q")
        if outcome.code == ExitCode.OK:  # only what no value depends on, such as the statistics in a page's head
            assert outcome.values == sound
        else:
            assert (outcome.code, outcome.out) == (DATA, "")
            assert "a.parquet" in error_line(outcome.err)


@cache
def packed(text: bytes, suffix: str) -> bytes:
    """Compress by the suffix of a file name."""
    if suffix == "gz":
        return gzip.compress(text, mtime=0)
    if suffix == "bz2":
        return bz2.compress(text)
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(text)
    return bytes(sink.getvalue())


@cache
def some_text(rows: int) -> bytes:
    """A CSV file of numbers that do not compress well."""
    numbers = np.random.default_rng(3).random((rows, 2)).tolist()
    return b"y,p\n" + "".join(f"{y!r},{p!r}\n" for y, p in numbers).encode()


@pytest.mark.parametrize("suffix", ["gz", "bz2", "zst"])
@pytest.mark.parametrize("rows", [6, 40_000])
@pytest.mark.parametrize("cut", [-1, -5, -9, 0.5, 12])
def test_a_compressed_file_cut_short(refused: Refused, write: Write, suffix: str, rows: int, cut: float) -> None:
    whole = packed(some_text(rows), suffix)
    content = whole[: int(cut * len(whole)) if isinstance(cut, float) else cut]
    line = refused(write(f"a.csv.{suffix}", content), *MSE, code=DATA, says=[f"a.csv.{suffix}"], once=rows > 10)
    assert "cut short" in line or "corrupted" in line


@pytest.mark.parametrize(("suffix", "place"), [("gz", -8), ("gz", -4), ("gz", 40), ("bz2", 40), ("bz2", -6)])
@pytest.mark.parametrize("rows", [6, 40_000])
def test_a_compressed_file_that_is_corrupted(
    refused: Refused, write: Write, suffix: str, place: int, rows: int
) -> None:
    content = bytearray(packed(some_text(rows), suffix))
    content[place] ^= 0x55
    refused(write(f"a.csv.{suffix}", bytes(content)), *MSE, code=DATA, says=[f"a.csv.{suffix}"], once=rows > 10)


@pytest.mark.parametrize("place", [13, 20, -1])
def test_a_zstandard_file_that_its_checksum_belies(
    refused: Refused, lossctl: Lossctl, write: Write, place: int
) -> None:
    content = bytearray.fromhex("28b52ffd0458810000792c700a302c302e310a312c302e390aae2dd659")  # as `zstd` writes it
    sound = lossctl("eval", write("a.csv.zst", bytes(content)), *MSE, "-f", "value")
    assert sound.values == pytest.approx([0.01])
    content[place] ^= 1
    refused(write("a.csv.zst", bytes(content)), *MSE, code=DATA, says=["a.csv.zst"])


@pytest.mark.parametrize("suffix", ["gz", "bz2", "zst"])
def test_compressed_members_are_read_to_the_last(lossctl: Lossctl, write: Write, suffix: str) -> None:
    text = some_text(1000)
    half = text.index(b"\n", len(text) // 2) + 1
    whole = lossctl("eval", write("a.csv", text), *MSE, "-f", "value")
    path = write(f"b.csv.{suffix}", packed(text[:half], suffix) + packed(text[half:], suffix))
    outcome = lossctl("eval", path, *MSE, "-f", "value")
    assert (outcome.code, outcome.out) == (ExitCode.OK, whole.out), outcome.err


@pytest.mark.parametrize("suffix", ["gz", "bz2", "zst"])
def test_garbage_behind_compressed_text(refused: Refused, write: Write, suffix: str) -> None:
    content = packed(some_text(6), suffix) + b"garbage behind the end"
    refused(write(f"a.csv.{suffix}", content), *MSE, code=DATA, says=[f"a.csv.{suffix}"])


def arrow_file() -> bytes:
    """An Arrow IPC file."""
    sink = pa.BufferOutputStream()
    table = pa.table({"y": [1.0], "p": [1.0]})
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def zip_file() -> bytes:
    """A zip archive of one CSV file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", REGRESSION)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.parquet", REGRESSION.encode(), ["not a Parquet file"]),
        ("a.PARQUET", REGRESSION.encode(), ["not a Parquet file"]),
        ("a.parquet", b"PAR1" + REGRESSION.encode() + b"PAR1", ["Parquet"]),
        ("a.csv.xz", b"\xfd7zXZ\x00\x00\x04", ["xz", "CSV", "Parquet"]),
        ("a.zip", zip_file(), ["zip", "CSV", "Parquet"]),
        ("a.csv", zip_file(), ["zip", "CSV", "Parquet"]),
        ("a.npz", zip_file(), ["zip", "CSV", "Parquet"]),
        ("a.arrow", arrow_file(), ["Arrow", "CSV", "Parquet"]),
        ("a.pkl", pickle.dumps({"y": list(range(100))}, 4), ["pickle", "CSV", "Parquet"]),
        ("a.pkl", pickle.dumps({"y": list(range(100))}, 5), ["pickle", "CSV", "Parquet"]),
        ("a.csv", bytes(100), ["no CSV"]),
    ],
)
def test_a_file_of_another_kind(refused: Refused, write: Write, name: str, content: bytes, says: list[str]) -> None:
    refused(write(name, content), *MSE, code=DATA, says=[name, *says])


def npy(array: np.ndarray[Any, Any], **options: Any) -> bytes:
    """The bytes of a .npy file."""
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


class Bomb:
    """What must never be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (99,)


SOUND_NPY = npy(np.arange(24.0).reshape(6, 4))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (npy(np.array([1.0, "two", None, Bomb()], dtype=object), allow_pickle=True), ["object", "never unpickled"]),
        (npy(np.array(["1", "2"])), ["numbers are needed"]),
        (npy(np.array([1 + 2j])), ["complex", "numbers are needed"]),
        (npy(np.array(["2020-01-01"], dtype="M8[D]")), ["datetime64", "numbers are needed"]),
        (npy(np.zeros(3, dtype=[("a", "f8"), ("b", "f8")])), ["numbers are needed"]),
        (npy(np.array(5.0)), ["single value"]),
        (SOUND_NPY[:-1], ["(6, 4)"]),
        (SOUND_NPY[:-100], ["(6, 4)"]),
        (SOUND_NPY + b"behind", ["(6, 4)"]),
        (SOUND_NPY[:100], [" .npy"]),
        (SOUND_NPY[:9], [" .npy"]),
        (SOUND_NPY[:7], [" .npy"]),
        (SOUND_NPY.replace(b"(6, 4)", b"(6,-4)"), []),
        (SOUND_NPY.replace(b"(6, 4)", b"(9**9)"), [" .npy"]),
        (SOUND_NPY.replace(b"(6, 4), }", b"(999999999, 4)}"), []),
        (SOUND_NPY.replace(b"<f8", b"<f3"), [" .npy"]),
        (SOUND_NPY.replace(b"(6, 4)", b"(6, 4 "), [" .npy"]),
        (SOUND_NPY.replace(b"(6, 4)", b"(6; 4)"), [" .npy"]),
        (SOUND_NPY.replace(b"\x93NUMPY", b"\x92NUMPY"), [" .npy"]),
        (SOUND_NPY.replace(b"\x93NUMPY\x01", b"\x93NUMPY\x09"), [" .npy"]),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65_535, [" .npy"]),
    ],
)
def test_an_array_file_that_cannot_be_read(refused: Refused, write: Write, content: bytes, says: list[str]) -> None:
    refused(write("a.npy", content), "-t", "a", "-p", "m=a", "-l", "mse", code=DATA, says=["a.npy", *says])


def test_an_array_file_of_an_old_python_is_read_without_ado(lossctl: Lossctl, write: Write) -> None:
    path = write("a.npy", SOUND_NPY.replace(b"(6, 4), }", b"(6L, 4L)}"))
    outcome = lossctl("eval", path, "-t", "a", "-p", "m=a", "-l", "mse", "-f", "value", "-q")
    assert (outcome.code, outcome.out, outcome.err) == (ExitCode.OK, "0.0\n", "")


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "= inf")])
def test_a_value_in_an_array_that_is_none(refused: Refused, tmp_path: Path, value: float, word: str) -> None:
    values = np.arange(float(ROWS))
    np.save(tmp_path / "truth.npy", values)
    values[140_000] = value
    np.save(tmp_path / "guess.npy", values)
    options = ("--targets", tmp_path / "truth.npy", "-l", "mse")
    refused(tmp_path / "guess.npy", *options, code=DATA, says=["guess.npy", "column 'guess'", word], row=140_001)


def test_arrays_of_other_shapes_do_not_go_together(refused: Refused, tmp_path: Path) -> None:
    np.save(tmp_path / "truth.npy", np.zeros((5, 2, 2)))
    np.save(tmp_path / "guess.npy", np.zeros((5, 2)))
    np.save(tmp_path / "short.npy", np.zeros((4, 2, 2)))
    options = ("--targets", tmp_path / "truth.npy", "-l", "mse")
    refused(tmp_path / "guess.npy", *options, code=USAGE, says=["mse", "4 columns", "2 columns"])
    refused(tmp_path / "short.npy", *options, code=DATA, says=["truth.npy has 5", "short.npy has 4"])


# standard input --------------------------------------------------------------------------------------------------


class Stdin:
    """A standard input of given bytes, or a terminal."""

    def __init__(self, content: bytes, terminal: bool = False) -> None:
        self.buffer = io.BytesIO(content)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", ["empty"]),
        (b"y,p\n1,two\n", ["row 1", "column 'p'", "'two'"]),
        (gzip.compress(b"y,p\n1,2\n", mtime=0)[:-4], ["cut short"]),
        (sound_parquet()[:-4], ["Parquet"]),
    ],
)
def test_standard_input_is_named(
    lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch, content: bytes, says: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(content))
    outcome = lossctl("eval", "-", *MSE, "-q")
    assert (outcome.code, outcome.out) == (DATA, "")
    for text in ["standard input", *says]:
        assert text in error_line(outcome.err)


def test_standard_input_that_is_no_pipe(lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch) -> None:
    for stdin in (Stdin(b"", terminal=True), None):
        monkeypatch.setattr(sys, "stdin", stdin)
        outcome = lossctl("eval", "-", *MSE, "-q")
        assert (outcome.code, outcome.out) == (USAGE, "")
        assert "standard input" in error_line(outcome.err)


def test_standard_input_is_read_once(refused: Refused) -> None:
    refused("-", "-", *MSE, code=USAGE, says=["standard input", "once"])


# a file that changes ---------------------------------------------------------------------------------------------


def appended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"1,0.5\n")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [appended, cut, replaced, removed])
@pytest.mark.parametrize("container", ["csv", "csv.gz", "parquet", "npy"])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, container: str, change: Callable[[Path], None]) -> None:
    path, results = tmp_path / f"a.{container}", tmp_path / "results"
    values = np.random.default_rng(4).random((400_000, 2))
    if container == "parquet":
        parquet(path, {"y": values[:, 0], "p": values[:, 1]}, row_group_size=50_000)
    elif container == "npy":
        np.save(path, values[:, 1])
        parquet(tmp_path / "truth.parquet", {"y": values[:, 0]})
    else:
        lines = b"y,p\n" + b"0.123456789012345,0.987654321012345\n" * 400_000
        path.write_bytes(gzip.compress(lines, 1) if container == "csv.gz" else lines)
    results.mkdir()
    seen: list[int] = []

    def progress(rows: int) -> None:
        if not seen:
            change(path)
        seen.append(rows)

    pred = "a" if container == "npy" else "p"
    with pytest.raises(DataError, match=rf"a\.{container}: the file changed while it was read; run again"):
        package.evaluate(
            path,
            target="y",
            pred=f"m={pred}",
            losses="mse",
            threads=1,
            progress=progress,
            rows_out=str(results / "rows.parquet"),
            targets=tmp_path / "truth.parquet" if container == "npy" else None,
        )
    assert seen
    assert list(results.iterdir()) == []


@pytest.mark.parametrize("container", ["csv", "parquet"])
def test_a_change_under_the_command_line(
    refused: Refused, write: Write, monkeypatch: pytest.MonkeyPatch, container: str
) -> None:
    path = write(f"a.{container}", REGRESSION.encode() if container == "csv" else sound_parquet())
    ticks = itertools.count(1)
    look = Source.unchanged

    def unchanged(source: Source) -> None:
        os.utime(source.path, ns=(0, next(ticks)))
        look(source)

    monkeypatch.setattr(Source, "unchanged", unchanged)
    refused(path, *MSE, code=DATA, says=[path.name, "changed while it was read"])
    refused(path, *MSE, "--id", "y", code=DATA, says=[path.name, "changed while it was read"])


# outputs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-o", "--rows-out"])
@pytest.mark.parametrize("content", [REGRESSION, "y,p\n1,oops\n"])  # told before the data are looked at
def test_an_output_that_cannot_be_written(
    lossctl: Lossctl, write: Write, tmp_path: Path, option: str, content: str
) -> None:
    path = write("a.csv", content)
    folder = tmp_path / "results.csv"
    folder.mkdir()
    before = tree(tmp_path)
    cases = [
        (tmp_path / "nowhere" / "b.csv", DATA, "there is no folder"),
        (folder, DATA, "is a folder"),
        (path / "b.csv", DATA, "there is no folder"),
    ]
    for output, code, text in cases:
        outcome = lossctl("eval", path, *MSE, "-q", option, output)
        assert (outcome.code, outcome.out) == (code, ""), outcome.err
        line = error_line(outcome.err)
        assert str(output) in line
        assert text in line
        assert tree(tmp_path) == before


@pytest.mark.parametrize("option", ["-o", "--rows-out"])
@pytest.mark.parametrize(
    "way", ["itself", "detour", "symbolic link", "hard link", "named", "targets", "part of a folder"]
)
def test_an_output_onto_an_input(lossctl: Lossctl, write: Write, tmp_path: Path, option: str, way: str) -> None:
    path = output = write("a.csv", REGRESSION)
    inputs: list[object] = [path]
    if way == "detour":
        output = tmp_path / ".." / tmp_path.name / "a.csv"
    elif way == "symbolic link":
        output = tmp_path / "link.csv"
        output.symlink_to(path)
    elif way == "hard link":
        output = tmp_path / "link.csv"
        output.hardlink_to(path)
    elif way == "named":
        inputs = [f"m={path}"]
    elif way == "targets":
        inputs = [write("b.csv", REGRESSION), "--targets", path]
    elif way == "part of a folder":
        folder = tmp_path / "parts"
        folder.mkdir()
        output = path.rename(folder / "a.csv")
        inputs = [folder]
    before = tree(tmp_path)
    outcome = lossctl("eval", *inputs, *MSE, "-q", option, output)
    assert tree(tmp_path) == before
    assert (outcome.code, outcome.out) == (USAGE, ""), outcome.err
    line = error_line(outcome.err)
    assert str(output) in line
    assert "input" in line


def test_an_input_onto_which_no_output_may_go_is_known_in_python_too(write: Write, tmp_path: Path) -> None:
    path = write("a.csv", REGRESSION)
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    with pytest.raises(package.UsageError, match="is an input"):
        package.evaluate(path, target="y", pred="p", losses="mse", rows_out=str(link))
    assert path.read_text() == REGRESSION


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--rows-out", "rows.txt"], USAGE, ["rows.txt", ".parquet", ".csv"]),
        (["--rows-out", "rows"], USAGE, ["rows", ".parquet", ".csv"]),
        (["-o", "report"], USAGE, ["report", ".json", "json:"]),
        (["-o", "xml:report"], USAGE, ["xml:report", ".json", "json:"]),
        (["-o", "json:"], USAGE, ["json:"]),
        (["-o", "a.json", "-o", "a.json"], USAGE, ["a.json", "two outputs"]),
        (["-o", "a.json", "-o", "md:./a.json"], USAGE, ["a.json", "two outputs"]),
        (["-o", "a.csv", "--rows-out", "a.csv"], USAGE, ["a.csv", "two outputs"]),
        (["-o", "json:/dev/full"], DATA, ["/dev/full", "No space left on device"]),
        (["-l", "rmse", "--rows-out", "rows.csv"], USAGE, ["rows.csv", "no per-row value: rmse"]),
    ],
)
def test_an_output_that_is_asked_for_wrongly(
    lossctl: Lossctl,
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    code: ExitCode,
    says: list[str],
) -> None:
    path = write("data.csv", REGRESSION)
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path)
    losses = [] if "-l" in options else ["-l", "mse"]
    outcome = lossctl("eval", path, *ON_P, *losses, "-q", *options)
    assert (outcome.code, outcome.out) == (code, ""), outcome.err
    for text in says:
        assert text in error_line(outcome.err)
    assert tree(tmp_path) == before


def test_the_ending_of_the_rows_is_checked_before_the_data(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    path = write("a.csv", "y,p\n1,oops\n")
    outcome = lossctl("eval", path, *MSE, "-q", "--rows-out", tmp_path / "rows.txt")
    assert (outcome.code, outcome.out) == (USAGE, ""), outcome.err
    assert ".parquet" in error_line(outcome.err)


def test_a_second_run_replaces_what_the_first_one_wrote(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    """The refusals above leave an old file alone; a run that succeeds does not."""
    old = write("old.json", OLD)
    assert lossctl("eval", write("a.csv", REGRESSION), *MSE, "-q", "-o", old).code == ExitCode.OK
    assert old.read_bytes() != OLD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "old.json"]


# the first bad row, for any number of threads --------------------------------------------------------------------

MANY = 200_000
BAD = {
    "text": ("a,0.5,oops", r"column 'p_b': 'oops' is not a number"),
    "domain": ("a,0.5,0.75", r"columns 'p_a', 'p_b' = 0\.5, 0\.75"),
    "missing": ("a,,0.5", r"column 'p_a': the value is missing"),
    "label": ("z,0.5,0.5", r"column 'y': label 'z' is no class"),
    "fields": ("a,0.5", r"2 fields"),
}


@cache
def many_lines(ballast: int) -> tuple[str, ...]:
    """Rows of two classes; `ballast` characters more in each decide how many rows a block of bytes holds."""
    more = "0" * ballast
    return tuple(f"{'ab'[i % 2]},0.{i % 8 + 1}{more},0.{9 - i % 8}{more}" for i in range(MANY))


def first_fault(path: Path, threads: int) -> str:
    """Return the message of an evaluation that must fail."""
    with pytest.raises(DataError) as caught:
        package.evaluate(path, target="y", pred="p_*", losses=["cce", "zero_one"], threads=threads)
    return str(caught.value)


EARLY, LATE = (3_000, 3_001, 70_000, 140_000, 199_000), (100_001, 100_002, 131_072, 131_073, MANY)


@pytest.mark.parametrize(
    ("first", "ballast", "rows"), [*((kind, 0, EARLY) for kind in BAD), ("domain", 20, LATE), ("text", 20, LATE)]
)
def test_the_row_named_is_the_first_one(write: Write, first: str, ballast: int, rows: tuple[int, ...]) -> None:
    lines = ["y,p_a,p_b", *many_lines(ballast)]
    start = list(BAD).index(first)
    for place, row in enumerate(rows):
        lines[row] = list(BAD.values())[(start + place) % len(BAD)][0]
    path = write("a.csv", "\n".join(lines) + "\n")
    messages = {first_fault(path, threads) for threads in (1, 2, 7)}
    assert len(messages) == 1, messages
    message = messages.pop()
    assert re.search(rf"a\.csv: row {rows[0]}\b", message), message
    assert re.search(BAD[first][1], message), message


@pytest.mark.parametrize("first", ["domain", "missing", "label"])
def test_the_row_named_is_the_first_one_in_parquet(tmp_path: Path, first: str) -> None:
    labels, shares = np.where(np.arange(MANY) % 2, "b", "a").astype(object), np.full((2, MANY), 0.5)
    kinds = ["domain", "missing", "label"]
    start = kinds.index(first)
    for place, row in enumerate((65_536, 65_537, 131_072, 199_999)):
        kind = kinds[(start + place) % len(kinds)]
        if kind == "label":
            labels[row] = "z"
        else:
            shares[0, row] = 0.75 if kind == "domain" else np.nan
    path = parquet(tmp_path / "a.parquet", {"y": labels, "p_a": shares[0], "p_b": shares[1]}, row_group_size=70_000)
    messages = {first_fault(path, threads) for threads in (1, 2, 7)}
    assert len(messages) == 1, messages
    assert "a.parquet: row 65537," in messages.pop()


# an infinite loss is a finding, not a fault ----------------------------------------------------------------------


@pytest.mark.parametrize("row", [2, 100_001])
def test_an_infinite_loss_is_no_bad_input(lossctl: Lossctl, tmp_path: Path, row: int) -> None:
    target, guess = np.ones(ROWS), np.full(ROWS, 0.5)
    guess[[row - 1, ROWS - 1]] = 0.0
    path = parquet(tmp_path / "a.parquet", {"y": target, "p": guess})
    outcome = lossctl("eval", path, *ON_P, "-l", "bce", "-l", "brier", "-f", "json")
    assert outcome.code == ExitCode.OK
    infinite, finite = outcome.json["results"]
    assert (infinite["value"], infinite["status"], infinite["stderr"], infinite["ci"]) == (None, "infinite", None, None)
    assert re.search(rf"2 rows.*row {row}\b", infinite["reason"])
    assert (finite["status"], finite["reason"]) == ("ok", None)
    assert finite["value"] == pytest.approx((0.25 * (ROWS - 2) + 2.0) / ROWS)


def test_an_infinite_loss_in_other_formats(lossctl: Lossctl, write: Write) -> None:
    path = write("a.csv", "y,p\n1,0.5\n1,0\n")
    assert lossctl("eval", path, *BCE, "-f", "value").out == "inf\n"
    for form in ("table", "long"):
        outcome = lossctl("eval", path, *BCE, "-f", form)
        assert outcome.code == ExitCode.OK
        assert "inf" in outcome.out
        assert "row 2" in outcome.out


def test_an_undefined_loss_is_no_bad_input(lossctl: Lossctl, write: Write) -> None:
    outcome = lossctl("eval", write("a.csv", "y,p\n1,2\n1,3\n"), *ON_P, "-l", "r2", "-f", "json")
    assert outcome.code == ExitCode.OK
    (cell,) = outcome.json["results"]
    assert (cell["value"], cell["status"]) == (None, "undefined")
    assert "constant" in cell["reason"]


# columns of labels that hold none ------------------------------------------------------------------------------------

EMPTY: dict[str, Any] = {
    "a.csv": b"y,p,q,g\n1,2,1,\n3,4,3,\n5,7,4,\n",
    "a.parquet": {"y": [1, 3, 5], "p": [2, 4, 7], "q": [1, 3, 4], "g": pa.nulls(3)},
}


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("losses", [(), ("-l", "mse"), ("-l", "mae")])
def test_a_column_of_slices_that_is_empty_throughout(
    refused: Refused, lossctl: Lossctl, tmp_path: Path, name: str, losses: tuple[str, ...]
) -> None:
    path, content = tmp_path / name, EMPTY[name]
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        pq.write_table(pa.table(content), path)
    asked = (path, *ON_P, *losses, "--by", "g")
    refused(*asked, code=DATA, says=["row 1, column 'g': the value is missing (3 such rows)"])
    refused(*asked, "--missing", "drop", code=DATA, says=["every one of the 3 rows has a missing value"])
    ran = lossctl("validate", path, *ON_P, "--by", "g")
    assert ran.code == DATA
    assert "row 1, column 'g': the value is missing" in ran.out
    assert "internal error" not in ran.err


NESTED: dict[str, Any] = {
    "lists": pa.array([[1, 2], [3, 4], [5, 6]]),
    "lists of one": pa.array([[1], [3], [5]]),
    "lists of a fixed length": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int64(), 2)),
    "structs": pa.array([{"a": 1}, {"a": 2}, {"a": 3}]),
    "maps": pa.array([[("a", 1)], [("b", 2)], [("c", 3)]], pa.map_(pa.string(), pa.int64())),
}
NESTED_ARRAYS = {"lists": np.ones((3, 2)), "text": np.array([["a", "b"]] * 3)}
USES: dict[str, tuple[str, dict[str, Any]]] = {
    "by": ("evaluate", {"by": ["g"]}),
    "by of a comparison": ("compare", {"by": ["g"]}),
    "cluster": ("compare", {"cluster": "g"}),
    "time": ("compare", {"time": "g"}),
    "target": ("evaluate", {"target": "g", "positive_label": "a", "losses": ["bce"]}),
    "key": ("evaluate", {"id": "g"}),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", [*NESTED, *(f"array of {kind}" for kind in NESTED_ARRAYS)])
def test_several_values_per_row_are_no_label(tmp_path: Path, kind: str, use: str) -> None:
    columns = {"y": np.array([1.0, 3, 5]), "p": np.array([0.2, 0.4, 0.7]), "q": np.array([0.1, 0.3, 0.4])}
    held = NESTED.get(kind)
    what = kind.split()[0] if held is not None else "lists"
    command, options = USES[use]
    inputs: list[Any] = []
    if held is None:
        inputs.append({**columns, "g": NESTED_ARRAYS[kind.removeprefix("array of ")]})
    else:
        table = pa.table({**columns, "g": held})
        pq.write_table(table, tmp_path / "a.parquet")
        inputs += [table, tmp_path / "a.parquet"]
    for data in inputs:
        asked = {"target": "y", "pred": ["p"] if command == "evaluate" else ["p", "q"], "losses": ["mse"], **options}
        asked |= {"targets": data} if use == "key" else {}
        with pytest.raises(DataError, match=f"column 'g' holds {what}; one value per row is needed"):
            getattr(package, command)(data, **asked)


@pytest.mark.parametrize("kind", NESTED)
def test_several_values_per_row_are_no_slice_on_the_command_line(
    refused: Refused, lossctl: Lossctl, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"y": [1, 3, 5], "p": [2, 4, 7], "q": [1, 3, 4], "g": NESTED[kind]}), path)
    says = f"column 'g' holds {kind.split()[0]}; one value per row is needed"
    refused(path, *ON_P, "--by", "g", code=DATA, says=[says])
    ran = lossctl("validate", path, *ON_P, "--by", "g")
    assert ran.code == DATA
    assert says in ran.out
    assert "internal error" not in ran.err


def test_an_array_file_of_several_values_per_row_is_no_label(refused: Refused, tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", np.ones((3, 2)))
    np.save(tmp_path / "p.npy", np.full(3, 0.5))
    asked = ("--targets", tmp_path / "y.npy", "--positive-label", "1", "-l", "bce")
    refused(tmp_path / "p.npy", *asked, code=DATA, says=["holds lists; one value per row is needed"])


def test_a_type_that_has_no_text_is_no_label() -> None:
    held = pa.array([(1, 2, 3)] * 2, pa.month_day_nano_interval())
    table = pa.table({"y": [1.0, 3], "p": [2.0, 4], "g": held})
    with pytest.raises(DataError, match="column 'g' holds month_day_nano_interval values; numbers, text or dates"):
        package.evaluate(table, target="y", pred="p", losses=["mse"], by=["g"])


def test_bytes_are_one_label_in_every_container(tmp_path: Path) -> None:
    table = pa.table({"y": [1.0, 3], "p": [2.0, 4], "g": pa.array([b"a", b"b"])})
    bad = pa.table({"y": [1.0, 3], "p": [2.0, 4], "g": pa.array([b"a", b"\xff"])})
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(bad, tmp_path / "b.parquet")
    asked: dict[str, Any] = {"target": "y", "pred": "p", "losses": ["mse"], "by": ["g"]}
    for data in (table, tmp_path / "a.parquet"):
        assert [cell.slice.get("g") for cell in package.evaluate(data, **asked).cells] == [None, "a", "b"]
    for data in (bad, tmp_path / "b.parquet"):
        with pytest.raises(DataError, match=r"column 'g' holds b'\\xff', which is not UTF-8 text"):
            package.evaluate(data, **asked)
