"""`.npz` archives: named arrays are columns, as in memory; nothing in them is unpickled, unpacked whole or believed."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lossctl as package
from lossctl.errors import DataError, ExitCode
from lossctl.io import table as table_module
from lossctl.io.open import open_table
from tests.conftest import Lossctl
from tests.warm import forked

pytestmark = pytest.mark.deep

Write = Callable[[str, str | bytes], Path]
ROWS = 70_001  # more than one block
MSE: dict[str, Any] = {"target": "y", "pred": "p", "losses": "mse"}
SAVE: dict[str, Callable[..., None]] = {"stored": np.savez, "deflated": np.savez_compressed}


def refusal(path: Path, **question: Any) -> str:
    with pytest.raises(DataError) as refused:
        package.evaluate(str(path), **{**MSE, **question})
    text = str(refused.value)
    assert "\n" not in text
    assert text.isprintable()
    return text.replace(f"{path.parent}/", "")


@pytest.fixture(scope="module")
def arrays() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    target = rng.normal(0.0, 10.0, ROWS)
    return {
        "y": target,
        "a": target + rng.normal(size=ROWS),
        "b": (target + rng.normal(size=ROWS)).astype(np.float32),
        "w": rng.integers(1, 5, ROWS).astype(">i2"),
        "region": np.array(["north", "süd", "1.0"])[rng.integers(0, 3, ROWS)],
        "year": rng.integers(2019, 2022, ROWS),
        "flag": rng.random(ROWS) < 0.5,
        "day": np.datetime64("2026-01-01") + rng.integers(0, 3, ROWS),
        "probs": rng.dirichlet([1.0, 2.0, 3.0], ROWS),
        "class": rng.integers(0, 3, ROWS),
        "cube": rng.random((ROWS, 2, 3)) < 0.5,
    }


QUESTIONS: dict[str, dict[str, Any]] = {
    "regression": {
        "target": "y",
        "pred": ["a", "b"],
        "weight": "w",
        "by": ["region", "region,year", "day", "flag"],
        "losses": ["mse", "max_error"],
    },
    "classes": {"target": "class", "pred": "probs", "losses": "cce"},
    "labels": {"target": "flag", "pred": "w", "activation": "sigmoid", "losses": "bce"},
    "masks": {"target": "cube", "pred": "cube", "losses": "iou_mask"},
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_arrays_are_columns_as_in_memory(tmp_path: Path, arrays: Mapping[str, Any], question: str) -> None:
    wanted = package.evaluate(dict(arrays), **QUESTIONS[question])
    for (way, save), order in product(SAVE.items(), ("C", "F")):
        path = tmp_path / f"{way}-{order}.npz"
        save(path, **{name: np.asarray(array, order=order) for name, array in arrays.items()})
        for threads in (1, 3) if order == "F" else (2,):
            found = package.evaluate(str(path), **QUESTIONS[question], threads=threads)
            assert found.cells == wanted.cells, path.name
            assert [source.data for source in found.inputs] == [source.data for source in wanted.inputs], path.name


def test_fortran_order_of_several_indices_is_row_by_row_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    cube = {name: np.asfortranarray(rng.random((70_000, 2, 3, 2)) < 0.5) for name in ("y", "p")}
    np.savez(tmp_path / "f.npz", **cube)  # type: ignore[arg-type]  # NumPy types what follows the arrays, too
    found = package.evaluate(str(tmp_path / "f.npz"), target="y", pred="p", losses="iou_mask", ci=None)
    assert found.cells == package.evaluate(cube, target="y", pred="p", losses="iou_mask", ci=None).cells


def test_the_same_rows_give_the_same_bits_as_in_text(tmp_path: Path, arrays: Mapping[str, Any]) -> None:
    columns: dict[str, Any] = {name: arrays[name] for name in ("y", "a", "w", "region", "year")}
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    np.savez_compressed(
        tmp_path / "t.npz",
        **columns,
    )
    question: dict[str, Any] = {
        "target": "y",
        "pred": "a",
        "weight": "w",
        "by": "region,year",
        "losses": ["mse", "mae"],
    }
    found, wanted = (package.evaluate(str(tmp_path / name), **question) for name in ("t.npz", "t.csv"))
    assert found.cells == wanted.cells
    assert found.inputs[0].data == wanted.inputs[0].data


def test_rows_are_paired_by_key(tmp_path: Path, arrays: Mapping[str, Any]) -> None:
    order = np.random.default_rng(5).permutation(ROWS)
    for name, keys in (("number", np.arange(ROWS)), ("text", np.array([f"k{i}" for i in range(ROWS)]))):
        np.savez(tmp_path / "y.npz", id=keys, y=arrays["y"])
        np.savez_compressed(tmp_path / "p.npz", id=keys[order], p=arrays["a"][order])
        found = package.evaluate(str(tmp_path / "p.npz"), targets=str(tmp_path / "y.npz"), id="id", **MSE)
        wanted = package.evaluate({"y": arrays["y"], "p": arrays["a"]}, **MSE)
        assert found.cells[0].value == pytest.approx(wanted.cells[0].value, rel=1e-14), name


def test_every_command_and_standard_input(lossctl: Lossctl, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    path = tmp_path / "r.npz"
    y = rng.normal(size=60)
    np.savez(path, y=y, a=y + 0.1 * rng.normal(size=60), b=y + 0.3 * rng.normal(size=60), g=np.array(["u", "v"] * 30))
    both = ("-t", "y", "-p", "a", "-p", "b", "-l", "mae", "--by", "g")
    assert lossctl("eval", path, *both).code == 0
    assert lossctl("compare", path, *both, "-f", "json").json["comparisons"]
    assert lossctl("check", path, *both, "--max", "mae=0.0001").code == ExitCode.GATE
    assert lossctl("check", path, *both, "--max", "mae=9").code == 0
    found = lossctl("validate", path, *both, "-f", "json")
    assert found.code == 0
    [table] = found.json["inputs"]
    assert (table["format"], table["rows"]) == ("npz", 60)
    assert [(column["name"], column["kind"]) for column in table["columns"]] == [
        ("y", "number"),
        ("a", "number"),
        ("b", "number"),
        ("g", "text"),
    ]
    piped = forked("-m", "lossctl", "eval", "-", *both, "-f", "value", "-q", piped=path.read_bytes())
    assert piped.code == 0
    assert piped.out == lossctl("eval", path, *both, "-f", "value", "-q").out


def test_parts_and_models_are_named_without_the_ending(lossctl: Lossctl, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    for part in (1, 2, 10):
        np.savez(parts / f"part-{part}.npz", y=np.full(3, float(part)), p=np.zeros(3))
    assert package.evaluate(str(parts), **MSE).cells[0].value == (1 + 4 + 100) / 3
    for name in ("one", "two"):
        np.savez(tmp_path / f"{name}.npz", y=np.ones(3), p=np.zeros(3))
    outcome = lossctl(
        "eval", tmp_path / "one.npz", tmp_path / "two.npz", "-t", "y", "-p", "p", "-l", "mse", "-f", "json"
    )
    assert [cell["model"] for cell in outcome.json["results"]] == ["one", "two"]


def test_a_path_in_an_archive_names_a_column(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{"y": np.ones(3), "model/p": np.zeros(3)})  # type: ignore[arg-type]
    assert package.evaluate(str(tmp_path / "a.npz"), target="y", pred="model/p", losses="mse").cells[0].value == 1.0


def test_memory_is_that_of_blocks(tmp_path: Path) -> None:
    script = (
        "import re, sys, lossctl; lossctl.evaluate(sys.argv[1], target='y', pred='p', losses='mse', threads=1); "
        "print(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])"
    )
    peaks = []
    for rows in (300_000, 4_000_000):
        path = tmp_path / f"{rows}.npz"
        np.savez_compressed(path, y=np.arange(rows) % 7.0, p=np.zeros(rows))
        ended = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
        peaks.append(int(ended.stdout))
    assert peaks[1] < peaks[0] + 20_000  # KiB; each array has 31,000 of them


# what is refused -------------------------------------------------------------------------------------------------


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


GOOD = npy(np.arange(6.0))


def archive(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


class Bomb:
    """What must never be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (99,)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (npy(np.array([1.0, Bomb()], dtype=object), allow_pickle=True), ["array 'p'", "objects are never unpickled"]),
        (npy(np.zeros(2, dtype=[("a", "O")]), allow_pickle=True), ["array 'p'", "objects are never unpickled"]),
        (npy(np.array(5.0)), ["array 'p': holds a single value"]),
        (npy(np.arange(5.0)), ["the arrays differ in length: 'y' has 6, 'p' has 5"]),
        (GOOD[:-1], ["array 'p'", "(6,) float64"]),
        (GOOD + b"x", ["array 'p'", "(6,) float64"]),
        (GOOD.replace(b"(6,)", b"(7,)"), ["array 'p'", "(7,) float64"]),
        (GOOD.replace(b"(6,), ", b"(-6,),"), ["array 'p'"]),
        (GOOD.replace(b"<f8", b"<f3"), ["array 'p': not a readable .npy file"]),
        (GOOD.replace(b"(6,)", b"(6;)"), ["array 'p': not a readable .npy file"]),
        (GOOD[:9], ["array 'p': not a readable .npy file"]),
        (b"", ["array 'p': not a readable .npy file"]),
        (b"cos\nsystem\n(S'exit 99'\ntR.", ["array 'p': not a readable .npy file"]),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31) + b" " * 50_000, ["array 'p': not a readable .npy file"]),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65_535, ["array 'p': not a readable .npy file"]),
    ],
)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_array_that_cannot_be_read(write: Write, content: bytes, says: list[str], method: int) -> None:
    found = refusal(write("a.npz", archive({"y.npy": GOOD, "p.npy": content}, method)))
    for text in ["a.npz: ", *says]:
        assert text in found


@pytest.mark.parametrize(
    "name",
    [
        "/p.npy",
        "../p.npy",
        "a/../p.npy",
        "./p.npy",
        "a//p.npy",
        "a\\p.npy",
        ".npy",
        "...npy",
        "a/.npy",
        "p.npy/",
        "C:\\p.npy",
    ],
)
def test_names_that_are_no_names_of_arrays(write: Write, name: str) -> None:
    found = refusal(write("a.npz", archive({"y.npy": GOOD, name: GOOD if not name.endswith("/") else b""})))
    assert found.startswith("a.npz: array ")
    assert "name" in found or "no .npy array" in found


def test_a_name_of_control_characters_is_shown_as_escapes(write: Write) -> None:
    assert r"no column 'p'" in (found := refusal(write("a.npz", archive({"y.npy": GOOD, "p\x1b[2J\u202e.npy": GOOD}))))
    assert r"p\x1b[2J\u202e" in found
    cut = archive({"y.npy": GOOD, "pxq.npy": GOOD}).replace(b"pxq.npy", b"p\0q.npy")
    assert "a name that is no path" in refusal(write("a.npz", cut))


def test_archives_of_other_things(write: Write) -> None:
    assert "zip is not read" in refusal(write("a.npz", archive({"a.csv": b"y,p\n1,2\n"})))
    assert "not a .npz file" in refusal(write("a.npz", "y,p\n1,2\n"))
    for kind in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        content = archive({"y.npy": GOOD, "p.npy": GOOD}, kind)
        assert "by another method than deflate" in refusal(write("a.npz", content))


def test_what_nobody_asks_for_does_not_matter(lossctl: Lossctl, write: Write) -> None:
    others = {
        "classes.npy": npy(np.array(["a", "b"])),
        "epoch.npy": npy(np.array(3)),
        "history.npy": npy(np.arange(10.0)),
        "meta.npy": npy(np.array([{"x": Bomb()}], dtype=object), allow_pickle=True),
        "torn.npy": GOOD[:-1],
        "README.txt": b"x",
    }
    labels = {"y.npy": npy(np.array(["a", "b", "a"])), "p.npy": npy(np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]))}
    days = {"day.npy": npy(np.array(["2026-01-01", "2026-01-02", "2026-01-01"], "datetime64[D]"))}
    path = write("a.npz", archive({**others, **labels, **days}))
    options = ("-t", "y", "-p", "p", "-l", "cce", "--classes", "a,b")
    value = -np.log([0.9, 0.8, 0.7]).mean()
    assert lossctl("eval", path, *options, "-f", "value").values == pytest.approx([value], rel=1e-15)
    sliced = lossctl("eval", path, *options, "--by", "day", "-f", "json").json["results"]
    assert [cell["slice"] for cell in sliced] == [{}, {"day": "2026-01-01"}, {"day": "2026-01-02"}]
    survey = lossctl("validate", path, *options, "-f", "json")
    assert survey.code == 0
    assert survey.json["inputs"][0]["rows"] == 3
    for name, text in (("history", "differ in length: 'history' has 10"), ("epoch", "a single value"), ("meta", "obj")):
        assert text in lossctl("eval", path, "-t", name, "-p", "p", "-l", "cce", "--classes", "a,b").err


def test_names_that_stand_twice(write: Write) -> None:
    twice = archive({"y.npy": GOOD, "p.npy": GOOD}).replace(b"p.npy", b"y.npy")
    assert "it holds 'y.npy' more than once" in refusal(write("a.npz", twice))


def directory(content: bytes, name: bytes, **fields: int) -> bytes:
    """Change fields of a member in the archive's directory."""
    places = {"flags": (8, "<H"), "packed": (20, "<I"), "size": (24, "<I"), "offset": (42, "<I")}
    changed = bytearray(content)
    start = content.index(b"PK\x01\x02")
    while changed[start + 46 : start + 46 + len(name)] != name:
        start = content.index(b"PK\x01\x02", start + 1)
    for field, value in fields.items():
        place, form = places[field]
        struct.pack_into(form, changed, start + place, value)
    return bytes(changed)


def test_sizes_that_cannot_be(write: Write) -> None:
    stored = archive({"y.npy": GOOD, "p.npy": GOOD})
    packed = archive({"y.npy": GOOD, "p.npy": GOOD}, zipfile.ZIP_DEFLATED)
    assert "it claims 3000000000 bytes in" in refusal(write("a.npz", directory(packed, b"p.npy", size=3_000_000_000)))
    assert "it claims 1000 bytes in" in refusal(write("a.npz", directory(stored, b"p.npy", size=1000)))
    assert "overlaps" in refusal(write("a.npz", directory(stored, b"p.npy", offset=0)))
    assert "overlaps" in refusal(write("a.npz", directory(stored, b"y.npy", packed=len(GOOD) + 40)))
    assert "encrypted" in refusal(write("a.npz", directory(stored, b"p.npy", flags=1)))
    assert "a.npz: " in refusal(write("a.npz", directory(packed, b"p.npy", size=len(GOOD) + 8)))


def test_an_archive_that_claims_far_too_much(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    content = archive({"y.npy": npy(np.zeros(100_000)), "p.npy": npy(np.zeros(100_000))}, zipfile.ZIP_DEFLATED)
    path = write("a.npz", content)
    assert package.evaluate(str(path), **MSE).cells[0].value == 0.0
    monkeypatch.setattr(table_module, "BOMB_SIZE", 1 << 20)
    monkeypatch.setattr(table_module, "BOMB_RATIO", 100)
    assert f"it claims 1 MiB of data in a file of {len(content)} bytes; that is not read" in refusal(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_no_damage_gives_a_number(write: Write, method: int) -> None:
    rng = np.random.default_rng(8)
    content = archive({"y.npy": npy(rng.normal(size=200)), "p.npy": npy(rng.normal(size=(200, 1)))}, method)
    sound = package.evaluate(str(write("a.npz", content)), **MSE).cells
    for place in rng.integers(4, len(content), 150).tolist():
        broken = bytearray(content)
        broken[place] ^= 1 << int(rng.integers(0, 8))
        said, found = "", sound  # a time, or a flag, says nothing of the data
        try:
            found = package.evaluate(str(write("b.npz", bytes(broken))), **MSE).cells
        except DataError as error:
            said = str(error)
        assert found == sound
        assert said.isprintable()
    for length in rng.integers(4, len(content), 40).tolist():
        assert refusal(write("b.npz", content[:length])).startswith("b.npz: ")


def test_kinds_that_do_not_fit_a_role(write: Write) -> None:
    words = npy(np.array(["a", "b", "c", "d", "e", "f"]))
    assert "row 1, column 'p': 'a' is not a number" in refusal(write("a.npz", archive({"y.npy": GOOD, "p.npy": words})))
    pairs = npy(np.zeros((6, 2)))
    path = write("a.npz", archive({"y.npy": GOOD, "p.npy": GOOD, "g.npy": pairs}))
    assert "column 'g' holds lists; one value per row is needed" in refusal(path, by="g")
    assert "complex" in refusal(write("a.npz", archive({"y.npy": GOOD, "p.npy": npy(np.zeros(6, complex))})))


def test_a_missing_value_is_named(write: Write) -> None:
    path = write("a.npz", archive({"y.npy": GOOD, "p.npy": npy(np.array([1.0, 2.0, np.nan, 4.0, 5.0, 6.0]))}))
    assert "a.npz: row 3, column 'p': the value is NaN" in refusal(path)


def test_no_rows_and_no_arrays(write: Write) -> None:
    assert "no rows" in refusal(write("a.npz", archive({"y.npy": npy(np.zeros(0)), "p.npy": npy(np.zeros(0))})))
    assert "a.npz: the archive is empty" in refusal(write("a.npz", archive({})))


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, y=np.zeros(ROWS), p=np.zeros(ROWS))

    def change(_: int) -> None:
        os.utime(path, (1, 1))

    with pytest.raises(DataError, match="the file changed while it was read"):
        package.evaluate(str(path), **MSE, progress=change, threads=1)


def test_columns_may_be_looked_up_without_reading(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", y=np.zeros((9, 2, 3)), m=np.zeros(9, bool), s=np.array(["x"] * 9))
    table = open_table(str(tmp_path / "a.npz"))
    assert (table.names, table.rows) == (("y", "m", "s"), 9)
    assert [(table.shape(name).kind, table.shape(name).width) for name in table.names] == [
        ("number", 6),
        ("boolean", 1),
        ("text", 1),
    ]
