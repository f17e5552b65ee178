"""The same rows give the same bits: whatever the container, the row groups, the threads or the order of arrival."""

from __future__ import annotations

import csv
import gzip
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

import lossctl
from lossctl import Report, registry
from lossctl.core.block import Block, Breach, Defect, Pending, ready
from lossctl.core.state import Sample
from lossctl.engine import run as engine
from lossctl.engine.plan import Plan, Question
from lossctl.engine.reduce import RunState, reduce_block
from tests.warm import once

pytestmark = pytest.mark.deep

Columns = Mapping[str, NDArray[Any]]
N = 150_001  # two blocks of 65,536 rows and a ragged one
ROW_GROUPS = (7_919, 65_536, 1_000)


@dataclass(frozen=True)
class Job:
    """Rows, and the question that is asked of them."""

    columns: Columns
    question: Mapping[str, Any]


def regression() -> Job:
    rng = np.random.default_rng(1)
    target = 50.0 + rng.normal(0.0, 10.0, N)
    weight = rng.uniform(0.0, 2.0, N)
    weight[::101] = 0.0
    return Job(
        {
            "y": target,
            "a": target + rng.standard_t(3, N),
            "b": target + rng.normal(0.3, 1.0, N) * 10.0 ** rng.integers(-3, 2, N),
            "w": weight,
            "region": np.array(["north", "süd", "east, far", 'the "west"'])[rng.integers(0, 4, N)],
            "year": rng.integers(2019, 2022, N),
        },
        {
            "target": "y",
            "pred": ["a", "b"],
            "weight": "w",
            "by": ["region", "region,year"],
            "losses": ["mse", "rmse", "mae", "huber", "r2", "wape", "max_error"],
        },
    )


def median() -> Job:
    rng = np.random.default_rng(8)
    target = rng.normal(0.0, 1.0, N)
    return Job(
        {
            "y": target,
            "pred": target + rng.laplace(0.0, 1.0, N),
            "w": rng.integers(0, 3, N).astype(float),
            "half": np.where(np.arange(N) < N // 2, "first", "second"),
        },
        {"target": "y", "weight": "w", "by": "half", "losses": ["median_absolute_error", "mae"]},
    )


def binary() -> Job:
    rng = np.random.default_rng(2)
    score = rng.normal(0.0, 2.0, N)
    return Job(
        {
            "label": (rng.random(N) < 1.0 / (1.0 + np.exp(-score))).astype(np.int64),
            "sure": 1.0 / (1.0 + np.exp(-score)),
            "unsure": rng.uniform(0.2, 0.8, N),
            "sex": np.array(["f", "m"])[rng.integers(0, 2, N)],
        },
        {
            "target": "label",
            "pred": ["sure", "unsure"],
            "by": "sex",
            "losses": ["bce", "brier", "focal", "zero_one", "gan_discriminator"],
        },
    )


def multiclass() -> Job:
    rng = np.random.default_rng(3)
    classes = ["setosa", "versicolor", "virginica"]
    shares = rng.dirichlet([1.0, 2.0, 1.5], N)
    return Job(
        {
            "kind": np.array(classes)[rng.integers(0, 3, N)],
            **{f"p_{name}": np.ascontiguousarray(shares[:, place]) for place, name in enumerate(classes)},
            "half": np.where(np.arange(N) < N // 2, "first", "second"),
        },
        {"target": "kind", "pred": "p_*", "by": "half", "losses": ["cce", "brier", "zero_one"]},
    )


JOBS = {"regression": regression, "median": median, "binary": binary, "multiclass": multiclass}


# containers ------------------------------------------------------------------------------------------------------


def fields(column: NDArray[Any]) -> list[str]:
    """Write a column so that every number is read back as the same float; missing ones are empty."""
    return ["" if x is None or x != x else x if isinstance(x, str) else repr(x) for x in column.tolist()]


def csv_lines(columns: Columns) -> list[str]:
    class Lines(list[str]):
        write = list.append

    lines = Lines()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*map(fields, columns.values()), strict=True))
    return lines


def arrow(columns: Columns) -> pa.Table:
    """Make an Arrow table in which missing numbers are null."""
    return pa.table({name: pa.array(column, from_pandas=True) for name, column in columns.items()})


CONTAINERS = {
    "csv": "rows.csv",
    "csv.gz": "packed.csv.gz",
    **{f"parquet {rows}": f"groups-{rows}.parquet" for rows in ROW_GROUPS},
    "csv parts": "csv",
    "parquet parts": "parquet",
}


def write_containers(columns: Columns, folder: Path) -> None:
    """Write the same rows in many ways; parts are of unlike sizes, and 10 comes after 2."""
    (header, *lines), table = csv_lines(columns), arrow(columns)
    text = "".join([header, *lines])
    (folder / CONTAINERS["csv"]).write_text(text, encoding="utf-8")
    (folder / CONTAINERS["csv.gz"]).write_bytes(gzip.compress(text.encode(), compresslevel=1))
    for rows in ROW_GROUPS:
        pq.write_table(table, folder / CONTAINERS[f"parquet {rows}"], row_group_size=rows)
    for kind in ("csv", "parquet"):
        (folder / kind).mkdir()
    for part, (start, stop) in zip((1, 2, 10), pairwise([0, 40_000, 40_007, len(lines)]), strict=True):
        (folder / "csv" / f"part-{part}.csv").write_text("".join([header, *lines[start:stop]]), encoding="utf-8")
        pq.write_table(table.slice(start, stop - start), folder / "parquet" / f"part-{part}.parquet")


MEMORY: dict[str, Callable[[Columns], Any]] = {
    "dict": dict,
    "pandas": lambda columns: pd.DataFrame(dict(columns)),
    "arrow": arrow,
}


@dataclass(frozen=True)
class Bench:
    """One job's rows, the folder of them in every container, and its report from a dict of arrays in one thread."""

    job: Job
    folder: Path
    report: Report


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    job = JOBS[request.param]()
    report = lossctl.evaluate(dict(job.columns), **job.question, threads=1)
    return Bench(job, once(tmp_path_factory, request.param, partial(write_containers, job.columns)), report)


def same(found: Report, expected: Report) -> None:
    """Hold every cell, its standard error, interval and signature, and the digest of the data, to the last bit."""
    assert [found_input.data for found_input in found.inputs] == [wanted.data for wanted in expected.inputs]
    for cell, wanted in zip(found.cells, expected.cells, strict=True):
        assert (cell.model, cell.loss, dict(cell.slice)) == (wanted.model, wanted.loss, dict(wanted.slice))
        assert (cell.value, cell.stderr, cell.interval) == (wanted.value, wanted.stderr, wanted.interval), cell.loss
        assert cell == wanted


WAYS = [
    *((container, 2) for container in (*CONTAINERS, *MEMORY)),
    *((container, threads) for container in ("csv", "parquet 7919", "dict") for threads in (1, 7)),
]


@pytest.mark.parametrize(
    ("bench", "container", "threads"),
    [  # every way for two jobs of the four, every job in every second way; the others run with `make slow`
        pytest.param(job, *way, marks=[pytest.mark.slow] if (i + k) % 2 else [])
        for i, job in enumerate(JOBS)
        for k, way in enumerate(WAYS)
    ],
    indirect=["bench"],
)
def test_containers_and_threads_leave_no_trace(bench: Bench, container: str, threads: int) -> None:
    columns = bench.job.columns
    data = MEMORY[container](columns) if container in MEMORY else str(bench.folder / CONTAINERS[container])
    same(lossctl.evaluate(data, **bench.job.question, threads=threads), bench.report)


@pytest.mark.parametrize("bench", JOBS, indirect=True)
def test_the_bench_can_tell_rows_apart(bench: Bench) -> None:
    cells = bench.report.cells
    assert len({cell.value for cell in cells}) > 0.9 * len(cells)
    assert all(cell.status == "ok" and cell.value != 0.0 for cell in cells)
    assert all(cell.interval is not None for cell in cells if cell.loss not in ("median_absolute_error", "max_error"))
    assert {cell.rows for cell in cells if not cell.slice} == {N}
    assert all(0 < cell.rows < N for cell in cells if cell.slice)


def test_the_digest_tells_other_targets_weights_slices_and_row_counts() -> None:
    job = regression()
    question = {**job.question, "losses": "mae", "by": "region"}
    columns = {name: column[:1000].copy() for name, column in job.columns.items()}

    def digest(**changed: NDArray[Any]) -> str:
        return lossctl.evaluate({**columns, **changed}, **question).inputs[0].data

    def with_other(name: str, value: object) -> NDArray[Any]:
        column = columns[name].copy()
        column[500] = value
        return column

    found = [digest(), *(digest(**{name: with_other(name, 7.0)}) for name in ("y", "w"))]
    found.append(digest(region=with_other("region", "north" if columns["region"][500] != "north" else "süd")))
    found.append(lossctl.evaluate({name: column[:-1] for name, column in columns.items()}, **question).inputs[0].data)
    assert len(set(found)) == len(found)
    assert digest(a=with_other("a", 7.0), b=with_other("b", 7.0)) == found[0]  # predictions are not judged by


@pytest.mark.parametrize("bench", ["regression", "multiclass"], indirect=True)
def test_parts_in_another_order_are_other_rows(bench: Bench, tmp_path: Path) -> None:
    columns = bench.job.columns
    for part, (start, stop) in zip((10, 1, 2), pairwise([0, 40_000, 40_007, N]), strict=True):
        table = arrow({name: column[start:stop] for name, column in columns.items()})
        pq.write_table(table, tmp_path / f"part-{part}.parquet")
    other = lossctl.evaluate(str(tmp_path), **bench.job.question)
    assert other.inputs[0].data != bench.report.inputs[0].data
    whole = {(cell.model, cell.loss): cell.value for cell in bench.report.cells if not cell.slice}
    for cell in other.cells:
        if not cell.slice:
            assert cell.value == pytest.approx(whole[cell.model, cell.loss], rel=1e-12)


# alignment by key ------------------------------------------------------------------------------------------------

JOINED = 70_001
JOIN_LOSSES = ["mse", "rmse", "r2", "wape", "median_absolute_error", "max_error"]


@pytest.fixture(scope="module")
def keyed() -> dict[str, Columns]:
    """Targets and two models' predictions by key; all in the same order of rows, which is not that of the keys."""
    rng = np.random.default_rng(4)
    ids = np.array([f"row {key}" for key in rng.permutation(JOINED)])
    target = rng.normal(100.0, 5.0, JOINED)
    truth = {
        "id": ids,
        "y": target,
        "w": rng.uniform(0.1, 2.0, JOINED),
        "g": np.array(["a", "b"])[rng.integers(0, 2, JOINED)],
    }
    return {
        "truth": truth,
        "one": {"id": ids, "pred": target + rng.normal(0.0, 1.0, JOINED)},
        "two": {"id": ids, "pred": target + rng.standard_t(4, JOINED)},
    }


def shuffled(columns: Columns, seed: int) -> Columns:
    order = np.random.default_rng(seed).permutation(JOINED)
    return {name: column[order] for name, column in columns.items()}


def join(keyed: Mapping[str, Columns], folder: Path, seeds: Mapping[str, int], key: str | None = "id") -> Report:
    """Evaluate the models' files against the targets' file, some of them shuffled first."""
    paths = {}
    for name, columns in keyed.items():
        rows = shuffled(columns, seeds[name]) if name in seeds else columns
        paths[name] = folder / f"{name}.parquet"
        pq.write_table(pa.table(dict(rows)), paths[name], row_group_size=10_007)
    return lossctl.evaluate(
        {name: str(path) for name, path in paths.items() if name != "truth"},
        targets=str(paths["truth"]),
        target="y",
        pred="pred",
        weight="w",
        by="g",
        id=key,
        losses=JOIN_LOSSES,
    )


def test_joined_rows_leave_no_trace_of_their_order(keyed: Mapping[str, Columns], tmp_path: Path) -> None:
    first = join(keyed, tmp_path, {})
    for seeds in ({"one": 1}, {"two": 2}, {"one": 3, "two": 4}, {"truth": 5}, {"truth": 6, "one": 7, "two": 8}):
        same(join(keyed, tmp_path, seeds), first)


def test_joined_rows_give_the_numbers_of_rows_aligned_before(keyed: Mapping[str, Columns], tmp_path: Path) -> None:
    joined, aligned = join(keyed, tmp_path, {"truth": 1, "one": 2, "two": 3}), join(keyed, tmp_path, {}, key=None)
    for cell, wanted in zip(joined.cells, aligned.cells, strict=True):
        assert (cell.model, cell.loss, cell.slice, cell.rows) == (
            wanted.model,
            wanted.loss,
            wanted.slice,
            wanted.rows,
        )
        assert cell.value == pytest.approx(wanted.value, rel=1e-12)
        if wanted.stderr is not None:
            assert cell.stderr == pytest.approx(wanted.stderr, rel=1e-12)
            assert cell.interval == pytest.approx(wanted.interval, rel=1e-12)
    assert joined.inputs[0].data != aligned.inputs[0].data  # the keys are among what the digest covers


def test_rows_of_another_order_are_not_paired_by_it(keyed: Mapping[str, Columns], tmp_path: Path) -> None:
    assert join(keyed, tmp_path, {"one": 1}, key="id").cells[0].value > 0.0
    with pytest.raises(lossctl.DataError, match=r"column 'id' is another one in .*--id id pairs rows by it"):
        join(keyed, tmp_path, {"one": 1}, key=None)


# missing values --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gaps:
    """Rows with holes, the rows that have none, and the question."""

    columns: Columns
    complete: NDArray[np.bool_]
    question: Mapping[str, Any]


@pytest.fixture(scope="module")
def gaps() -> Gaps:
    rng = np.random.default_rng(5)
    job = regression()
    columns = {name: column.copy() for name, column in job.columns.items() if name != "year"}
    lost = np.zeros(N, dtype=bool)
    for name in ("y", "a", "b", "w"):
        holes = rng.random(N) < 0.01
        holes[[0, 65_535, 65_536]] = True  # the ends of blocks, where a shift would show
        columns[name][holes] = np.nan
        lost |= holes
    losses = ["mse", "mae", "r2", "wape", "max_error"]
    return Gaps(columns, ~lost, {**job.question, "by": "region", "missing": "drop", "losses": losses})


def test_dropped_rows_leave_every_model_and_no_other_trace(gaps: Gaps) -> None:
    found = lossctl.evaluate(dict(gaps.columns), **gaps.question)
    kept = {name: column[gaps.complete] for name, column in gaps.columns.items()}
    wanted = lossctl.evaluate(kept, **gaps.question)
    assert found.inputs[0].rows == N
    assert found.inputs[0].used == wanted.inputs[0].rows == int(gaps.complete.sum())
    for cell, other in zip(found.cells, wanted.cells, strict=True):
        assert (cell.model, cell.loss, cell.slice, cell.rows) == (other.model, other.loss, other.slice, other.rows)
        assert cell.value == pytest.approx(other.value, rel=1e-12)
        if other.stderr is not None:
            assert cell.stderr == pytest.approx(other.stderr, rel=1e-12)
            assert cell.interval == pytest.approx(other.interval, rel=1e-12)


def test_a_hole_in_one_model_drops_the_row_for_the_other(gaps: Gaps) -> None:
    both = lossctl.evaluate(dict(gaps.columns), **{**gaps.question, "losses": "mae", "by": None})
    alone = {name: column for name, column in gaps.columns.items() if name != "b"}
    one = lossctl.evaluate(alone, **{**gaps.question, "losses": "mae", "by": None, "pred": "a"})
    assert both.cells[0].rows == both.cells[1].rows == int(gaps.complete.sum())
    assert both.cells[0].value != one.cells[0].value


def test_containers_leave_no_trace_in_rows_with_holes(gaps: Gaps, tmp_path: Path) -> None:
    write_containers(gaps.columns, tmp_path)
    first = lossctl.evaluate(str(tmp_path / "rows.csv"), **gaps.question, threads=1)
    assert first.cells[0].rows == int(gaps.complete.sum())
    for path in CONTAINERS.values():
        same(lossctl.evaluate(str(tmp_path / path), **gaps.question, threads=2), first)
    # in a dict a missing number is NaN, which the signature tells from null; the numbers are the same
    memory = lossctl.evaluate(dict(gaps.columns), **gaps.question)
    assert memory.inputs[0].data == first.inputs[0].data
    assert [replace(cell, signature="") for cell in memory.cells] == [
        replace(cell, signature="") for cell in first.cells
    ]


def test_a_block_of_holes_alone_shifts_nothing() -> None:
    rng = np.random.default_rng(6)
    target = rng.normal(1e8, 1.0, 140_000)
    columns = {"y": target, "p": target + rng.normal(0.0, 0.5, len(target))}
    columns["p"][:66_000] = np.nan  # the whole first block, and a little of the second
    question: Mapping[str, Any] = {
        "target": "y",
        "pred": "p",
        "missing": "drop",
        "losses": ["mse", "r2", "median_absolute_error", "max_error"],
    }
    found = lossctl.evaluate(columns, **question)
    wanted = lossctl.evaluate({name: column[66_000:] for name, column in columns.items()}, **question)
    for cell, other in zip(found.cells, wanted.cells, strict=True):
        assert cell.rows == 74_000
        assert cell.value == pytest.approx(other.value, rel=1e-12), cell.loss
        if other.stderr is not None:
            assert cell.stderr == pytest.approx(other.stderr, rel=1e-12), cell.loss


def test_every_nan_is_the_same_to_the_digest(tmp_path: Path) -> None:
    target = np.array([1.0, 2.0, np.nan, 4.0, np.nan])
    other = np.copysign(target, [1.0, 1.0, -1.0, 1.0, -1.0])  # as 0/0 yields them
    assert target.tobytes() != other.tobytes()
    pred = np.arange(5.0)
    (tmp_path / "nan.csv").write_text("y,p\n1.0,0.0\n2.0,1.0\nnan,2.0\n4.0,3.0\nNaN,4.0\n")
    pq.write_table(pa.table({"y": other, "p": pred}), tmp_path / "nan.parquet")
    found = {
        lossctl.evaluate(data, target="y", pred="p", losses="mae", missing="drop").inputs[0].data
        for data in (
            {"y": target, "p": pred},
            {"y": other, "p": pred},
            str(tmp_path / "nan.csv"),
            str(tmp_path / "nan.parquet"),
        )
    }
    assert len(found) == 1


# the engine ------------------------------------------------------------------------------------------------------


def plan_and_blocks() -> tuple[Plan, list[Block]]:
    """Blocks of unlike sizes; the third holds an infinite loss, and the fifth a finding."""
    losses = ["bce", "brier", "gan_discriminator", "roc_like=triplet_score", "zero_one"]
    questions = []
    for text in losses:
        label, loss = registry.labelled(text)
        form = loss.form_for({"target": 1, "pred": 1}, "binary")
        assert form is not None
        questions.append(Question(label, loss, form))
    regress = registry.loss_of("max_error")
    form = regress.form_for({"target": 1, "pred": 1}, "regression")
    assert form is not None
    questions.append(Question("max_error", regress, form))
    models = ["one", "two"]
    plan = Plan(models, questions, dict.fromkeys(models, "none"), weighted=True, slicings=["g"])
    rng = np.random.default_rng(7)
    blocks, start = [], 0
    for place, rows in enumerate([5000, 1, 3000, 17, 4096, 700]):
        preds = {model: rng.uniform(0.01, 0.99, (1, rows)) for model in models}
        target = rng.integers(0, 2, (1, rows)).astype(float)
        if place == 2:
            preds["one"][0, 1234], target[0, 1234] = 0.0, 1.0
        blocks.append(
            Block(
                start,
                rows,
                np.arange(start, start + rows),
                {model: {"target": target, "pred": pred} for model, pred in preds.items()},
                weight=rng.uniform(0.0, 3.0, rows),
                groups={"g": rng.integers(0, 5, rows)},
                missing={Defect(0, "p", "null"): Breach(1, start + 1)} if place in (0, 4) else {},
                dropped=place,
            )
        )
        start += rows
    bad = {model: {**roles, "pred": np.full((1, 3), 1.5)} for model, roles in blocks[1].models.items()}
    target = np.ones((1, 3))
    blocks.append(
        Block(
            start,
            3,
            np.arange(start, start + 3),
            {model: {"target": target, "pred": roles["pred"]} for model, roles in bad.items()},
            weight=np.ones(3),
            groups={"g": np.zeros(3, dtype=np.int64)},
        )
    )
    return plan, blocks


def trees(tallies: list[RunState], count: int) -> Iterator[RunState]:
    """Merge in random orders, along random trees."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        left = list(tallies)
        while len(left) > 1:
            i, j = rng.choice(len(left), 2, replace=False).tolist()
            left = [tally for k, tally in enumerate(left) if k not in (i, j)] + [left[i].merge(left[j])]
        yield left[0]


def test_tallies_of_blocks_merge_in_any_order() -> None:
    plan, blocks = plan_and_blocks()
    tallies = [reduce_block(block, plan, ())[0] for block in blocks]
    whole = RunState.empty(plan)
    for tally in tallies:
        whole = whole.merge(tally)
    assert whole.moments.rows == 12_814  # the block with the finding is left out
    assert any(whole.moments.odd)
    assert whole.breaches
    for other in trees([RunState.empty(plan), *tallies, RunState.empty(plan)], 20):
        assert other.moments == whole.moments
        assert (other.read, other.dropped) == (12_817, 15)
        assert other.breaches == whole.breaches
        assert other.missing == whole.missing == {Defect(0, "p", "null"): Breach(2, 1)}
        assert other.peaks == whole.peaks
        for mine, wanted in zip(other.wholes, whole.wholes, strict=True):
            if isinstance(mine, Sample) and isinstance(wanted, Sample):
                np.testing.assert_array_equal(mine.ordered(), wanted.ordered())
            else:
                assert mine == wanted
        assert [other.grouped["g"].codes.tolist(), other.grouped["g"].rows.tolist()] == [
            whole.grouped["g"].codes.tolist(),
            whole.grouped["g"].rows.tolist(),
        ]


def feed(blocks: Sequence[Block]) -> Iterator[Pending[Block]]:
    """Blocks that are made already."""
    return map(ready, blocks)


@pytest.mark.parametrize("threads", [2, 7])
def test_blocks_that_finish_in_another_order_leave_no_trace(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, blocks = plan_and_blocks()
    blocks = blocks[:-1]
    wanted = engine.run([feed(blocks)], plan, threads=1)

    def slow_at_first(block: Block, plan: Plan, origin: Sequence[float]) -> Any:
        time.sleep(0.15 if block.start == 0 else 0.05 if block.start == 5000 else 0.0)
        return reduce_block(block, plan, origin)

    monkeypatch.setattr(engine, "reduce_block", slow_at_first)
    found = engine.run([feed(blocks)], plan, threads=threads)
    assert found.moments == wanted.moments
    mine, theirs = found.grouped["g"], wanted.grouped["g"]
    assert mine.rows.tolist() == theirs.rows.tolist()
    for pair, other in ((mine.sums, theirs.sums), (mine.products, theirs.products)):
        assert [half.tobytes() for half in pair] == [half.tobytes() for half in other]
    assert found.peaks == wanted.peaks


def test_blocks_behind_a_slow_one_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, (block, *_) = plan_and_blocks()
    monkeypatch.setattr(engine, "AHEAD", 3)
    taken, most = [], []
    release = Event()

    def stream() -> Iterator[Pending[Block]]:
        for number in range(40):
            taken.append(number)
            yield Pending(block.rows, partial(block._replace, start=number))

    def held_up(block: Block, plan: Plan, origin: Sequence[float]) -> Any:
        if block.start == 0:
            release.wait(1.0)
            most.append(max(taken))
        return reduce_block(block, plan, origin)

    monkeypatch.setattr(engine, "reduce_block", held_up)
    found = engine.run([stream()], plan, threads=3)
    assert found.read == 40 * block.read
    assert most[0] <= 3 + 3  # as far ahead as is allowed, and one block under way in each thread


def test_what_fails_in_one_thread_ends_them_all() -> None:
    plan, (block, *_) = plan_and_blocks()

    def broken() -> Block:
        raise TypeError("a bug")

    def stream() -> Iterator[Pending[Block]]:
        for number in count():
            yield Pending(block.rows, partial(block._replace, start=number) if number != 9 else broken)

    with pytest.raises(TypeError, match="bug"):
        engine.run([stream()], plan, threads=3)
