"""Shares of a run, computed anywhere and merged in any order, are the run to the byte, or an error says what to do."""

from __future__ import annotations

import gzip
import io
import os
import re
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import permutations
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import lossctl
from lossctl import DataError, spark
from lossctl.api.clusters import Cluster, check_answers
from lossctl.api.shares import COMMANDS, Command, State, merged
from lossctl.engine.states import SEAL, packed, parted, unpacked
from lossctl.results.report import Report
from tests.conftest import ROOT, Lossctl

ROWS = 140_003  # two blocks of 65,536 rows and a ragged one
SAMPLE = "sample_data/diabetes.csv"


def bare(report: Report) -> str:
    """Return the JSON of a report but for when it was made."""
    return re.sub(r'"(created|seal)": "[^"]*"', "", report.to_json())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    rng = np.random.default_rng(5)
    y = rng.normal(10.0, 3.0, ROWS)
    late = np.where(np.arange(ROWS) < 100_000, "old", "new")  # a slice that the first share does not know
    frame = pd.DataFrame(
        {
            "id": rng.permutation(ROWS),
            "y": y,
            "a": y + rng.normal(0.0, 1.0, ROWS),
            "b": y + rng.standard_t(3, ROWS),
            "c": y * 1.01,
            "w": rng.integers(0, 4, ROWS).astype(float),
            "group": rng.choice(["x", "y", "z"], ROWS),
            "late": late,
            "user": rng.integers(0, 500, ROWS),
            "t": np.arange(ROWS),
            "label": np.where(rng.random(ROWS) < 0.3, "yes", "no"),
            "p": rng.random(ROWS),
        }
    )
    frame.to_parquet(folder / "data.parquet", index=False, row_group_size=65_536)
    (folder / "parts").mkdir()
    for place, (start, stop) in enumerate([(0, 50_001), (50_001, 131_072), (131_072, ROWS)]):
        frame[start:stop].to_parquet(folder / "parts" / f"part-{place}.parquet", index=False, row_group_size=30_000)
    frame[["y", "a", "group"]].to_csv(folder / "data.csv", index=False)
    frame[["y", "a", "group"]][::-1].to_json(folder / "data.jsonl", orient="records", lines=True)
    frame.sample(frac=1, random_state=1)[["id", "a"]].rename(columns={"a": "pred"}).to_parquet(folder / "m1.parquet")
    frame.sample(frac=1, random_state=2)[["id", "b"]].rename(columns={"b": "pred"}).to_parquet(folder / "m2.parquet")
    frame[["id", "y", "group", "w"]].to_parquet(folder / "truth.parquet")
    return folder


def shares(folder: Path, command: str, data: Any, count: int, **options: Any) -> list[str]:
    """Compute all shares; return their states."""
    states = [str(folder / f"{place}.state") for place in range(1, count + 1)]
    for place, state in enumerate(states, 1):
        lossctl.share(command, data, shard=f"{place}/{count}", state_out=state, **options)
    return states


CASES: list[tuple[str, Any, int, dict[str, Any]]] = [
    ("eval", "data.parquet", 3, {"pred": ["a", "b"], "by": ["group", "late"], "weight": "w"}),  # r2 is about an origin
    ("eval", "parts", 2, {"pred": ["a", "b"], "by": "group,late", "losses": ["mae", "rmse"]}),
    ("eval", "data.csv", 3, {"pred": "a", "by": "group"}),
    ("eval", "data.jsonl", 2, {"pred": "a", "by": "group"}),
    ("eval", "data.parquet", 2, {"pred": "a", "by": "group", "losses": ["medae", "max_error", "quantile:q=0.9"]}),
    ("eval", "data.parquet", 3, {"pred": "a", "by": "user:width=100", "losses": "mse", "worst": 3, "id": "id"}),
    ("eval", "data.parquet", 2, {"pred": "a", "losses": "mse", "decompose": True}),
    (
        "eval",
        "data.parquet",
        3,
        {"target": "label", "positive_label": "yes", "pred": "p", "losses": ["bce", "auc"], "worst": 2},
    ),
    ("compare", "data.parquet", 7, {"pred": ["a", "b", "c"], "by": "late", "weight": "w", "all_pairs": True}),
    ("compare", "data.parquet", 3, {"pred": ["a", "b"], "losses": "mae", "cluster": "user", "worst": 2}),
    ("compare", "data.parquet", 2, {"pred": ["a", "b"], "losses": "mae", "time": "t"}),
    (
        "compare",
        "data.parquet",
        2,
        {"pred": ["a", "b"], "losses": "mae", "ci_method": "bootstrap", "resamples": 100, "by": "late"},
    ),
    ("check", "data.parquet", 3, {"pred": ["a", "b"], "max": "mae=0.9", "max_slice": "mse=1.1", "by": "late"}),
    (
        "check",
        "data.parquet",
        2,
        {"pred": ["a", "b"], "baseline": "b", "max_regression": "mae=1%", "decide": "noninferior"},
    ),
    (
        "compare",
        ["m1.parquet", "m2.parquet"],
        3,
        {"targets": "truth.parquet", "id": "id", "pred": "pred", "by": "group", "weight": "w", "worst": 2},
    ),
    (
        "check",
        "m1.parquet",
        2,
        {"targets": "truth.parquet", "id": "id", "pred": "pred", "baseline": "m2.parquet", "max_regression": "mae=1%"},
    ),
]


@pytest.mark.deep
@pytest.mark.parametrize(("command", "data", "count", "options"), CASES)
def test_shares_in_any_order_are_one_run(
    folder: Path, command: str, data: Any, count: int, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    options = {"target": "y", **options}
    states = shares(folder, command, data, count, **options)
    once = bare(COMMANDS[command](data, **options))
    orders = [states[::-1], states[1:] + states[:1], *permutations(states[:2])]
    assert {bare(lossctl.merge([*order, *states[2:]] if len(order) == 2 else order)) for order in orders} == {once}


def test_the_bytes_of_a_state_do_not_depend_on_the_threads(folder: Path, tmp_path: Path) -> None:
    """Losses that keep all values keep them in the order of the rows."""
    options: dict[str, Any] = {"target": "y", "pred": ["a", "b"], "losses": ["medae", "mae"], "shard": "1/1"}
    contents = set()
    for place, threads in enumerate((1, 2, 2, 3)):
        path = tmp_path / f"{place}.state"
        lossctl.share("eval", folder / "data.parquet", threads=threads, state_out=path, **options)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_a_state_goes_into_a_pipe_and_does_not_replace_it(lossctl: Lossctl, tmp_path: Path, state: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    contents: list[bytes] = []
    reader = Thread(target=lambda: contents.append(pipe.read_bytes()), daemon=True)
    reader.start()
    flags = ("-t", "progression", "-p", "linear", "--max", "rmse=50", "--shard", "1/1", "--state-out", pipe, "-q")
    assert lossctl("check", SAMPLE, *flags).code == 0
    reader.join(20)
    assert contents == [state.read_bytes()]
    assert pipe.is_fifo()


def test_merging_needs_no_data(lossctl: Lossctl, tmp_path: Path) -> None:
    copy = tmp_path / "data.csv"
    copy.write_bytes(Path(SAMPLE).read_bytes())
    flags = (copy, "-t", "progression", "-p", "linear", "-p", "forest", "--by", "age_band", "-q")
    once = lossctl("eval", *flags, "-f", "csv")
    for place in (1, 2):
        assert lossctl("eval", *flags, "--shard", f"{place}/2", "--state-out", tmp_path / f"{place}.state").code == 0
    copy.unlink()
    merged = lossctl("merge", tmp_path / "2.state", tmp_path / "1.state", "-f", "csv", "-q")
    assert (merged.code, merged.out) == (0, once.out)


@pytest.fixture
def state(lossctl: Lossctl, tmp_path: Path) -> Path:
    """The state of the only share of a check."""
    path = tmp_path / "1.state"
    flags = ("-t", "progression", "-p", "linear", "--max", "rmse=50", "--shard", "1/1", "--state-out", path, "-q")
    assert lossctl("check", SAMPLE, *flags).code == 0
    return path


def test_a_check_is_judged_when_its_shares_are_merged(lossctl: Lossctl, state: Path) -> None:
    assert lossctl("merge", state, "-q").code == 1
    assert lossctl("merge", state, "-q", "--exit-zero").code == 0
    assert lossctl("merge", state, "-q", "--max", "rmse=60").code == 0  # another rule on the same loss
    other = lossctl("merge", state, "-q", "--max", "mae=60")
    assert (other.code, "give them to the shares" in other.err) == (2, True)


def test_states_that_do_not_belong_together_are_refused(lossctl: Lossctl, tmp_path: Path) -> None:
    def share(place: str, *more: str) -> Path:
        path = tmp_path / f"{place.replace('/', 'of')}{'-'.join(more)}.state"
        flags = ("-t", "progression", "-p", "linear", "-q", "--shard", place, "--state-out", path, *more)
        assert lossctl("eval", SAMPLE, *flags).code == 0
        return path

    first, second, third = (share(f"{place}/3") for place in (1, 2, 3))
    for states, words in (
        ((first, third), "share 2/3 of 3 missing: run the same command with --shard 2/3"),
        ((first, second, third, second), "share 2/3 is there 2 times"),
        ((first, share("2/2")), "cut into 2 shares, not 3"),
        ((first, second, share("3/3", "-l", "mae")), "other values of losses"),
        ((first, second, share("3/3", "--ci", "0.9")), "other values of ci"),
        ((), "no state"),
    ):
        refusal = lossctl("merge", *states)
        assert refusal.code in (2, 3)
        assert words in refusal.err
        assert refusal.out == ""


# the same data: identity by content, as shares may be computed where copies of the files lie --------------------


def columns(rows: int = ROWS) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    y = rng.normal(0.0, 1.0, rows)
    return {"y": y, "a": y + rng.normal(0.0, 1.0, rows)}


def swapped(values: np.ndarray) -> np.ndarray:
    """Exchange some values in the second and in the last third: their number, sum and extremes stay."""
    values = values.copy()
    for place in (len(values) // 3, len(values) - 20):
        values[[place, place + 7]] = values[[place + 7, place]]
    return values


def as_text(table: dict[str, Any], form: str) -> bytes:
    return "".join(form % pair for pair in zip(table["y"], table["a"], strict=True)).encode()


WRITERS: dict[str, Callable[[Path, dict[str, Any]], object]] = {
    "csv": lambda path, table: path.write_bytes(b"y,a\n" + as_text(table, "%+.6f,%+.6f\n")),
    "csv.gz": lambda path, table: path.write_bytes(gzip.compress(b"y,a\n" + as_text(table, "%+.6f,%+.6f\n"), 1)),
    "jsonl": lambda path, table: path.write_bytes(as_text(table, '{"y": %.6f, "a": %.6f}\n')),
    "npz": lambda path, table: np.savez(path, **table),
    "npy": lambda path, table: np.save(path, table["a"]),
    "feather": lambda path, table: feather.write_feather(pa.table(table), path, compression="uncompressed"),
    "parquet": lambda path, table: pq.write_table(
        pa.table(table), path, row_group_size=30_000, compression="none", use_dictionary=False
    ),
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_shares_of_a_file_that_changed_between_them_are_refused(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = columns(70_000)
    path = Path(f"data.{suffix}")
    WRITERS[suffix](path, table)
    options: dict[str, Any] = {"target": "y", "pred": "a", "losses": "mae"}
    if suffix == "npy":
        np.save("truth.npy", table["y"])
        options = {"targets": "truth.npy", "losses": "mae"}
    states = shares(tmp_path, "eval", str(path), 2, **options)
    path.rename("copy")
    path.write_bytes(Path("copy").read_bytes())  # another file at another time, and the same content
    lossctl.share("eval", path, shard="2/2", state_out=states[1], **options)
    assert bare(lossctl.merge(states)) == bare(lossctl.evaluate(path, **options))
    WRITERS[suffix](path, {**table, "a": swapped(table["a"])})
    lossctl.share("eval", path, shard="2/2", state_out=states[1], **options)
    words = rf"^data.{suffix}: share 2/2 \(.*2.state\) has read other bytes than share 1/2 \(.*1.state\): it changed"
    with pytest.raises(DataError, match=words):
        lossctl.merge(states)


def test_of_very_large_files_parts_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossctl.api.shares.COMPARED", 1 << 19)
    path = tmp_path / "data.parquet"
    table = columns()
    WRITERS["parquet"](path, table)
    size = path.stat().st_size
    states = shares(tmp_path, "eval", path, 2, target="y", pred="a", losses="mae")
    WRITERS["parquet"](path, {**table, "a": np.concatenate([part[::-1] for part in np.split(table["a"], [30_000])])})
    assert path.stat().st_size == size
    lossctl.share("eval", path, shard="2/2", state_out=states[1], target="y", pred="a", losses="mae")
    with pytest.raises(DataError, match="has read other bytes than share 1/2"):
        lossctl.merge(states)


def test_every_file_of_a_command_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets by key and by position, predictions as a baseline, parts of a folder that come and go."""
    monkeypatch.chdir(tmp_path)
    table = columns(20_000)
    order = np.random.default_rng(1).permutation(20_000)
    frame = pd.DataFrame({"id": np.arange(20_000), **table})
    frame.to_csv("m.csv", index=False)
    for part in (1, 2):
        (tmp_path / f"lake/part={part}").mkdir(parents=True)
    frame.to_parquet("lake/part=1/0.parquet")
    changes: list[tuple[str, Any, dict[str, Any], str, Callable[[], object]]] = [
        ("eval", "m.csv", {"targets": "truth.csv"}, "truth.csv", lambda: None),
        ("eval", "m.csv", {"targets": "truth.csv", "id": "id"}, "truth.csv", lambda: None),
        ("check", "m.csv", {"baseline": "truth.csv", "max_regression": "mae=1%"}, "truth.csv", lambda: None),
        (
            "eval",
            "lake",
            {},
            "lake/part=2/0.parquet: .* has read it, and share 1/2 .* has not",
            lambda: frame.to_parquet("lake/part=2/0.parquet"),
        ),
        (
            "eval",
            "lake",
            {},
            "lake/part=2/0.parquet: share 1/2 .* has read it, and share 2/2 .* has not",
            lambda: (tmp_path / "lake/part=2/0.parquet").unlink(),
        ),
    ]
    for command, data, more, words, change in changes:
        truth = frame.iloc[order] if "id" in more else frame
        truth.to_csv("truth.csv", index=False)
        options = {"target": "y", "pred": "a", "losses": "mae", **more}
        states = shares(tmp_path, command, data, 2, **options)
        lossctl.merge(states)
        truth.assign(a=truth.a.where(truth.id != 15_000, truth.a.round(3)), y=truth.y).to_csv("truth.csv", index=False)
        change()
        lossctl.share(command, data, shard="2/2", state_out=states[1], **options)
        with pytest.raises(DataError, match=words):
            lossctl.merge(states)


@pytest.mark.parametrize("is_here", [True, False])
def test_a_file_that_changes_between_tasks_of_an_engine_is_an_error(is_here: bool, tmp_path: Path) -> None:
    """A worker keeps open what it has opened, so that it sees the change; others have read other bytes."""
    table = columns(70_000)
    path = tmp_path / "data.csv"
    WRITERS["csv"](path, table)
    command = Command.of("eval", str(path), {"target": "y", "pred": "a", "losses": "mae"})

    def submit(task: Any) -> Iterator[tuple[int, bytes]]:
        yield 1, task.compute(1)
        WRITERS["csv"](path, {**table, "a": swapped(table["a"])})
        yield 2, (task if is_here else task._replace(run=b"of another machine")).compute(2)

    words = "the file changed while it was read" if is_here else r"share 2/2 .* has read other bytes than share 1/2"
    with pytest.raises(DataError, match=f"data.csv: {words}"):
        command.run(engine=Cluster(command, lambda: 2, submit))


def test_states_come_by_standard_input_and_in_folders(
    lossctl: Lossctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def piped(content: bytes) -> str:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return "-"

    states = shares(tmp_path, "eval", SAMPLE, 2, target="progression", pred="linear", losses="mae")
    contents = b"".join(Path(state).read_bytes() for state in states[::-1])
    assert [len(content) for content in parted(contents)] == [Path(state).stat().st_size for state in states[::-1]]
    once = lossctl("merge", *states, "-f", "json").out
    times = re.compile(r'"(created|seal)": "[^"]*"')
    for argument in (tmp_path, piped(contents)):
        merged = lossctl("merge", argument, "-f", "json")
        assert (merged.code, times.sub("", merged.out)) == (0, times.sub("", once))
    (tmp_path / "empty").mkdir()
    for argument, words in (
        (tmp_path / "empty", "the folder holds no files"),
        (tmp_path / "*.state", "a shell expands a pattern that is not in quotes"),
        (SAMPLE, "is no state of lossctl"),
    ):
        refusal = lossctl("merge", argument)
        assert (refusal.code, refusal.out, words in refusal.err) == (3, "", True)
    assert "standard input, state 2: is cut off" in lossctl("merge", piped(contents[:-1])).err


def test_a_share_counts_its_rows_and_says_so(tmp_path: Path) -> None:
    table = columns()
    table["a"][[90_000, 100_000, 139_000]] = np.nan
    table["a"][5] = np.nan
    np.savez(tmp_path / "data.npz", **table)
    options: dict[str, Any] = {"target": "y", "pred": "a", "losses": "mae", "state_out": tmp_path / "x.state"}
    with pytest.raises(DataError, match=r"row 90001, column 'a': the value is NaN \(3 such rows in share 2/2\)"):
        lossctl.share("eval", tmp_path / "data.npz", shard="2/2", **options)


def test_states_of_other_versions_are_refused(lossctl: Lossctl, state: Path) -> None:
    header = unpacked(state.read_bytes())
    for name in ("lossctl", "numpy"):
        state.write_bytes(packed({**header, name: "0.0.1"}))
        refusal = lossctl("merge", state)
        assert refusal.code == 3
        assert f"computed with {name} 0.0.1" in refusal.err


def test_other_processors_are_told_of(lossctl: Lossctl, tmp_path: Path) -> None:
    states = shares(tmp_path, "eval", SAMPLE, 2, target="progression", pred="linear", losses="mae")
    second = Path(states[1])
    second.write_bytes(packed({**unpacked(second.read_bytes()), "cpu": ["OTHER"]}))
    merged = lossctl("merge", *states)
    assert merged.code == 0
    assert "processors of different kinds: the last bits may differ" in merged.err


def test_damaged_states_are_refused_whatever_the_damage(lossctl: Lossctl, state: Path) -> None:
    content = state.read_bytes()
    rng = np.random.default_rng(3)
    damaged = [content[:size] for size in rng.integers(0, len(content), 30).tolist()]
    places = rng.integers(0, len(content), 30).tolist()
    damaged += [content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :] for place in places]
    for text in (*damaged, b"", b"lossctl state 2\n" + content[16:], content + b"x", b"\x80\x04pickle"):
        with pytest.raises(DataError, match=r"is no state|of another format|cut off or damaged"):
            unpacked(text)
    state.write_bytes(content[:-1])
    refusal = lossctl("merge", state)
    assert refusal.code == 3
    assert "cut off or damaged" in refusal.err


def test_a_forged_state_takes_no_memory_and_runs_nothing(lossctl: Lossctl, state: Path, tmp_path: Path) -> None:
    """With a checksum that fits: sizes are held to the file, and values to the plan."""
    header = unpacked(state.read_bytes())

    def forged(text: bytes) -> bytes:
        body = b"lossctl state 1\n" + len(text).to_bytes(8, "little") + text
        return body + blake2b(body, digest_size=SEAL).digest()

    claims = (
        b'{"arrays":[["f8",[1000000000000]]],"state":{}}',
        b'{"arrays":[["f8",[-1]]],"state":{}}',
        b'{"arrays":[["O8",[1]]],"state":{}}',
        b'{"arrays":[],"state":{"$array":7}}',
        b"[" * 100_000,
        b'{"arrays":[],"state":{"shard":[1,1]}}',
        b"\xff",
    )
    states = [forged(text) for text in claims]
    values = header["state"]
    changes: tuple[dict[str, Any], ...] = (
        {"sums": values["sums"][1:]},
        {"sums": ["x" for _ in values["sums"]]},
        {"counts": [1]},
        {"breaches": [[99, 1, 2, 3, 4]]},
        {"grouped": {"group": []}},
        {"wholes": [[1, 2]]},
    )
    states += [packed({**header, "state": {**values, **change}}) for change in changes]
    asked: tuple[dict[str, Any], ...] = (
        {"save_baseline": str(tmp_path / "written.json")},
        {"rows_out": str(tmp_path / "written.csv")},
        {"losses": [f"cce:class_weight=@{ROOT / 'pyproject.toml'}"]},
        {"nothing": 1},
    )
    states += [packed({**header, "arguments": {**header["arguments"], **more}}) for more in asked]
    for name in ("tables", "block", "arguments", "codebook", "inputs", "places", "plan", "cpu"):
        states.append(packed({key: value for key, value in header.items() if key != name}))
        states.append(packed({**header, name: 7}))
    table, *_ = header["tables"]
    parts: tuple[dict[str, Any], ...] = (
        {"state": {**values, "counts": [None, *values["counts"][1:]]}},
        {"cpu": [{}]},
        {"rows": [[0, 1]]},
        {"words": [[[1], 2, 3]]},
        {"tables": [{**table, "shapes": 3}]},
        {"tables": [{**table, "names": [7]}]},
        {"tables": [{**table, "rows": []}]},
        {"block": {**header["block"], "models": {"linear": 1}}},
    )
    states += [packed({**header, **part}) for part in parts]
    for content in states:
        state.write_bytes(content)
        refusal = lossctl("merge", state)
        assert refusal.code == 3, refusal.err
        assert refusal.out == ""
    assert [path.name for path in tmp_path.iterdir()] == [state.name]


def alterations(value: Any, most: int = 2) -> Iterator[Any]:
    """Yield a value with one part of it, in any depth, replaced by something else; of lists the ends."""
    others: tuple[Any, ...] = (
        None,
        True,
        -1,
        2**70,
        1.5,
        "x",
        [],
        [[]],
        {"x": 1},
        np.zeros(3),
        np.zeros((2, 2), np.int64),
    )
    for other in others:
        if repr(other) != repr(value):
            yield other
    if isinstance(value, np.ndarray):
        yield from (value[..., :0], value[:1], value.reshape(-1), value[None], value.astype(bool))
    if isinstance(value, list):
        yield from (value[:-1], value[::-1], value + value)
        for place in {0, *range(len(value) - most + 1, len(value))} & {*range(len(value))}:
            yield from ([*value[:place], other, *value[place + 1 :]] for other in alterations(value[place]))
    if isinstance(value, dict):
        for name in value:
            yield {key: entry for key, entry in value.items() if key != name}
            yield from ({**value, name: other} for other in alterations(value[name]))


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            "eval",
            {"pred": ["linear", "forest"], "by": ["age_band", "age_band,linear:width=100"], "losses": ["medae", "mse"]},
        ),
        ("compare", {"pred": ["linear", "forest"], "losses": "mae", "by": "linear:width=100", "worst": 2}),
    ],
)
def test_a_state_with_other_values_under_a_checksum_that_fits_is_data_at_most(
    tmp_path: Path, command: str, options: dict[str, Any]
) -> None:
    """Whatever is altered, in any depth: an error of the data, or a report of the values that stand there."""
    path, *_ = shares(tmp_path, command, SAMPLE, 1, target="progression", **options)
    header = unpacked(Path(path).read_bytes())
    outcomes = Counter[str]()
    for place, altered in enumerate(alterations(header)):
        if place % 7:  # others are tried in their place now and then
            continue
        try:
            report = merged([State.of("forged", packed(altered))], None, {})
        except DataError:
            outcomes["refused"] += 1
        else:
            report.to_json()
            outcomes["report"] += 1
    assert outcomes["refused"] > 5 * outcomes["report"] > 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--shard", "1/2"), "add --state-out FILE"),
        (("--state-out", "x.state"), "add --shard I/N"),
        (("--shard", "3/2", "--state-out", "x.state"), "from 1 on, as 3/40"),
        (("--shard", "0/2", "--state-out", "x.state"), "from 1 on, as 3/40"),
        (("--shard", "x", "--state-out", "x.state"), "from 1 on, as 3/40"),
        (("--shard", "1/2", "--state-out", SAMPLE), "is an input too"),
        (("--shard", "1/2", "--state-out", "nowhere/x.state"), "there is no folder"),
        (("--shard", "1/2", "--state-out", "x.state", "-o", "x.json"), "`lossctl merge STATE... -o FILE` writes"),
        (("--shard", "1/2", "--state-out", "x.state", "-f", "json"), "`lossctl merge STATE... -f json` writes"),
        (("--shard", "1/2", "--state-out", "x.state", "--digits", "3"), "`lossctl merge STATE... --digits 3` writes"),
        (("--shard", "1/2", "--state-out", "x.state", "--rows-out", "x.csv"), "rows are written by one run"),
        (("--shard", "1/2", "--state-out", "x.state", "--by", "forest:quantiles=4"), "give the edges"),
        (("--shard", "1/2", "--state-out", "x.state", "--bad-rows", "drop"), "which rows before its own are left out"),
        (("--shard", "1/2", "--state-out", "x.state", "-l", "ndcg"), "a set may stand on both sides of a cut"),
    ],
)
def test_what_cannot_be_cut_is_refused_before_any_work(
    lossctl: Lossctl, flags: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    flags = tuple(str(tmp_path / flag) if flag.startswith(("x.", "nowhere")) else flag for flag in flags)
    refusal = lossctl("eval", SAMPLE, "-t", "progression", "-p", "linear", *flags)
    assert refusal.code in (2, 3)
    assert words in refusal.err
    assert list(tmp_path.iterdir()) == []


def test_data_in_memory_cannot_be_cut() -> None:
    with pytest.raises(lossctl.UsageError, match="data in memory is in one place"):
        Command.of("eval", {"y": [1.0], "p": [1.0]}, {})
    with pytest.raises(lossctl.UsageError, match="standard input can be read once"):
        Command.of("eval", "-", {})


def test_a_share_names_the_row_of_the_file(lossctl: Lossctl, tmp_path: Path) -> None:
    y = np.ones(140_000)
    y[100_000] = np.nan
    np.savez(tmp_path / "data.npz", y=y, p=np.ones(140_000))
    flags = (tmp_path / "data.npz", "-t", "y", "-p", "p", "-l", "mae")
    once = lossctl("eval", *flags)
    assert "row 100001" in once.err
    share = lossctl("eval", *flags, "--shard", "2/2", "--state-out", tmp_path / "2.state")
    assert (share.code, share.err) == (3, once.err)
    assert not (tmp_path / "2.state").exists()
    assert lossctl("eval", *flags, "--shard", "1/2", "--state-out", tmp_path / "1.state").code == 0


def test_what_is_wrong_with_all_shares_together_is_found_when_they_are_merged(lossctl: Lossctl, tmp_path: Path) -> None:
    y = np.where(np.arange(140_000) < 100_000, 1.0, 0.0)
    y[120_000] = -1.0
    np.savez(tmp_path / "data.npz", y=y, p=np.full(140_000, 0.5), w=np.where(np.arange(140_000) < 70_000, 0.0, 1.0))
    flags = (tmp_path / "data.npz", "-t", "y", "-p", "p", "-l", "bce")
    once = lossctl("eval", *flags)
    for place in (1, 2, 3):
        share = lossctl("eval", *flags, "--shard", f"{place}/3", "--state-out", tmp_path / f"{place}.state")
        if share.code:
            assert share.err == once.err
            break
    else:
        merged = lossctl("merge", *(tmp_path / f"{place}.state" for place in (1, 2, 3)))
        assert (merged.code, merged.err) == (once.code, once.err)


# schedulers: what the page shows is run, a scheduler being a loop that sets its variable ----------------------

PAGE = (ROOT / "lossctl/engine/README.md").read_text("utf-8")
ONCE = ("eval", SAMPLE, "-t", "progression", "-p", "linear", "-p", "forest", "--by", "age_band", "-f", "csv", "-q")


def scripts(fence: str, word: str) -> list[str]:
    """Return the commands of the block of a page that holds a word: itself, or those that stand in YAML."""
    block = next(
        text for text in re.findall(rf"^```{fence}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE) if word in text
    )
    if fence == "bash":
        return [block]
    blocks = re.findall(r"^( *)- (?:run: )?\|\n((?:\1 +.*\n)+)", block, re.MULTILINE)
    lines = re.findall(r"^ *- run: (lossctl .*)$", block, re.MULTILINE)
    return [textwrap.dedent(text) for _, text in blocks] + lines


def run(script: str, folder: Path, **variables: object) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **{name: str(value) for name, value in variables.items()}}
    command = ["bash", "-ec", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    return tmp_path


@pytest.mark.deep
@pytest.mark.parametrize(
    ("fence", "variable", "indexes"),
    [("bash", "SLURM_ARRAY_TASK_ID", range(1, 4)), ("yaml", "JOB_COMPLETION_INDEX", range(3))],
)
def test_an_array_of_jobs(lossctl: Lossctl, work: Path, fence: str, variable: str, indexes: range) -> None:
    [script] = scripts(fence, variable)
    for index in reversed(indexes):
        share = run(script, work, **{variable: index})
        assert share.returncode == 0, share.stderr
    merged = lossctl("merge", *(work / "states").glob("*.state"), "-f", "csv", "-q")
    assert (merged.code, merged.out) == (0, lossctl(*ONCE).out)


@pytest.mark.deep
def test_a_matrix_of_jobs(lossctl: Lossctl, work: Path) -> None:
    share, verdict = scripts("yaml", "matrix")
    for index in (2, 1):
        ended = run(share.replace("${{ matrix.shard }}", str(index)), work)
        assert ended.returncode == 0, ended.stderr
    ended = run(verdict, work)
    once = lossctl("check", SAMPLE, "-t", "progression", "-p", "linear", "--max", "rmse=60", "-f", "github")
    assert (ended.returncode, ended.stdout) == (once.code, once.out)


# engines: what is said where there is none; `make engines` runs them ------------------------------------------


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--engine", "ray"), "pip install 'lossctl[ray]'"),
        (("--engine", "spark"), "pip install 'lossctl[spark]'"),
        (("--engine", "dask"), "threads, ray or spark"),
        (("--engine-address", "auto"), "add --engine ray or --engine spark"),
        (("--engine", "ray", "--shard", "1/2", "--state-out", "x.state"), "contradict each other"),
    ],
)
def test_an_engine_that_is_not_there_is_named_in_one_line(
    lossctl: Lossctl, flags: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    refusal = lossctl("eval", SAMPLE, "-t", "progression", "-p", "linear", *flags)
    assert (refusal.code, refusal.out) == (2, "")
    assert words in refusal.err
    assert len(refusal.err.splitlines()) == 1


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "ray://127.0.0.1:1", "spark://127.0.0.1:1", "sc://127.0.0.1:1/;x=y"]
)
def test_an_address_at_which_nothing_answers_is_told_at_once(address: str) -> None:
    with pytest.raises(DataError, match=f"nothing answers at {address}: connection refused; --engine-address names"):
        check_answers("ray", address)


@pytest.mark.deep
def test_tasks_that_arrive_in_any_order_are_one_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine is a function that has tasks computed, as often as it takes, and yields what comes of them."""
    monkeypatch.chdir(folder)
    options: dict[str, Any] = {"target": "y", "pred": ["a", "b"], "by": "late", "weight": "w", "losses": ["mse", "r2"]}
    command = Command.of("eval", "data.parquet", options)
    engine = Cluster(command, lambda: 2, lambda task: ((place, task.compute(place)) for place in (3, 1, 4, 2)))
    assert bare(command.run(engine=engine)) == bare(lossctl.evaluate("data.parquet", **options))


def test_the_error_of_tasks_is_that_of_one_run(tmp_path: Path) -> None:
    y = np.ones(300_000)
    y[[70_000, 290_000]] = np.nan
    np.savez(tmp_path / "data.npz", y=y, p=np.ones(300_000))
    command = Command.of("eval", str(tmp_path / "data.npz"), {"target": "y", "pred": "p", "losses": "mae"})
    engine = Cluster(command, lambda: 2, lambda task: ((place, task.compute(place)) for place in (4, 3, 2, 1)))
    with pytest.raises(DataError, match=re.escape("row 70001, column 'y': the value is NaN (2 such rows)")):
        command.run(engine=engine)


# frames of Spark: partitions without an order ----------------------------------------------------------------


class Frame:
    """What `lossctl.spark` asks of a DataFrame, over partitions in memory."""

    def __init__(self, partitions: list[pa.Table], context: SimpleNamespace) -> None:
        self.partitions, self.context = partitions, context

    def limit(self, rows: int) -> Frame:
        return Frame([pa.concat_tables(self.partitions)[:rows]], self.context)

    def toArrow(self) -> pa.Table:
        return pa.concat_tables(self.partitions)

    def mapInArrow(self, function: Callable[[Iterator[Any]], Iterator[Any]], schema: str) -> Frame:
        mapped = []
        for place, table in enumerate(self.partitions):
            self.context.partitionId = lambda place=place: place
            mapped += [pa.Table.from_batches([batch]) for batch in function(iter(table.to_batches(10_000)))]
        return Frame(mapped[::-1], self.context)  # they may end in any order

    def collect(self) -> list[dict[str, Any]]:
        return self.toArrow().to_pylist()


@pytest.fixture
def frame(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Frame:
    context = SimpleNamespace()
    module = SimpleNamespace(TaskContext=SimpleNamespace(get=lambda: context))
    monkeypatch.setitem(sys.modules, "pyspark", module)
    monkeypatch.setattr(spark, "require_spark", lambda: None)
    table = pq.read_table(folder / "data.parquet")
    return Frame([table[:30_000], table[30_000:30_000], table[30_000:]], context)


def test_a_frame_of_spark_has_the_numbers_of_its_rows(frame: Frame) -> None:
    options: dict[str, Any] = {"target": "y", "pred": ["a", "b"], "by": ["late", "group"], "weight": "w"}
    table = frame.toArrow()
    for here, there in ((lossctl.evaluate, spark.evaluate), (lossctl.compare, spark.compare)):
        once, apart = here(table, **options), there(cast(Any, frame), **options)
        for cell, other in zip(once.cells, apart.cells, strict=True):
            assert (cell.place, cell.rows) == (other.place, other.rows)
            assert other.value == pytest.approx(cell.value, rel=1e-13)
            assert other.stderr == pytest.approx(cell.stderr, rel=1e-12)


def test_a_row_of_a_frame_is_named_by_its_partition(frame: Frame) -> None:
    table = frame.partitions[2]
    values = table["a"].to_numpy().copy()
    values[70_000] = np.nan
    frame.partitions[2] = table.set_column(table.schema.get_field_index("a"), "a", pa.array(values))
    with pytest.raises(DataError, match="DataFrame: partition 2, row 70001, column 'a': the value is NaN"):
        spark.evaluate(cast(Any, frame), target="y", pred="a", losses="mae")


def test_what_a_frame_has_in_another_way_is_refused(frame: Frame) -> None:
    for options, words in (
        ({"worst": 3}, "have no number"),
        ({"id": "id"}, "join in Spark"),
        ({"pred": "nothing"}, "there is no column 'nothing'"),
        ({"by": "y:quantiles=3"}, "give the edges"),
    ):
        with pytest.raises(lossctl.LossctlError, match=words):
            spark.evaluate(cast(Any, frame), **{"target": "y", "pred": "a", **options})
    with pytest.raises(lossctl.UsageError, match="takes a DataFrame of Spark"):
        spark.evaluate(cast(Any, frame.toArrow()), target="y", pred="a")


@pytest.mark.deep
@pytest.mark.parametrize("scale", ["offset", "tails", "orders"])
def test_groups_of_values_of_any_size_agree_to_the_last_bit(
    scale: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums by group are pairs of floats; merged in the order of the rows they lose nothing that is seen."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    y = rng.normal(0.0, 1.0, 200_000)
    y = {"offset": 1e6 + y, "tails": y * np.exp(rng.normal(0.0, 12.0, 200_000)), "orders": y * 10.0 ** (60.0 * y)}[
        scale
    ]
    np.savez(
        "data.npz", y=y, p=y + rng.standard_t(1, 200_000), g=rng.integers(0, 2_000, 200_000), w=rng.random(200_000)
    )
    options: dict[str, Any] = {"target": "y", "pred": "p", "by": "g", "losses": ["mse", "mbe", "r2"], "weight": "w"}
    states = shares(tmp_path, "eval", "data.npz", 3, **options)
    assert bare(lossctl.merge(states[::-1])) == bare(lossctl.evaluate("data.npz", **options))
