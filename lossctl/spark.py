"""lossctl on DataFrames of Spark: states are computed where the partitions are, and merged here.

>>> from lossctl import spark  # doctest: +SKIP
>>> spark.evaluate(df, target="y", pred="p", losses=["mae"])  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lossctl.api.clusters import require_spark, spark_errors
from lossctl.api.query import Opened, Query
from lossctl.api.shares import (
    COMMANDS,
    FIRST as FIRST_SHARE,
    HOOKS,
    Command,
    Merge,
    Replay,
    Share,
    Shared,
    State,
    check_versions,
)
from lossctl.core.batch import BLOCK
from lossctl.core.block import Pending
from lossctl.engine.plan import Plan
from lossctl.engine.reduce import RunState
from lossctl.engine.run import Progress, run
from lossctl.engine.states import packed
from lossctl.errors import UsageError
from lossctl.io.blocks import BlockReader
from lossctl.io.by_position import EVERYTHING, ByPosition, Columns, Rows, Share as Addresses
from lossctl.io.memory import from_memory
from lossctl.io.table import Table
from lossctl.results.report import Report

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FIRST: Final = 8192  # rows of which the plan is made
CHUNK: Final = 16 * BLOCK  # rows of a partition that are in memory together
PARTITION: Final = 36  # bits of an address below the number of its partition
LABEL: Final = "DataFrame"
ELSEWHERE: Final = {  # what a DataFrame has in another way
    "worst": "rows of a DataFrame have no number; order by the loss of a row instead",
    "rows_out": "add a column with a pandas_udf of lossctl.get(...) instead",
    "id": "join in Spark, and give what comes of it",
    "targets": "join in Spark, and give what comes of it",
    "concat": "union in Spark, and give what comes of it",
}


def evaluate(df: DataFrame, **options: Any) -> Report:
    """Evaluate losses of the columns of a DataFrame, as `lossctl.evaluate` does of a file.

    Parameters
    ----------
    df
        A DataFrame of Spark, classic or Connect. It is read once; of its first rows the plan is made.
    **options
        As `lossctl.evaluate` takes them, but for what is about files.

    Returns
    -------
    Report
        Its rows have no order: where one is named, by its partition and place there.

    Raises
    ------
    UsageError
        The question is wrong, or Spark is not installed.
    DataError
        The data cannot answer, or a task failed every time.
    """
    return _answer("eval", df, options)


def compare(df: DataFrame, **options: Any) -> Report:
    """Compare models in the columns of a DataFrame, as `lossctl.compare` does of a file; see `evaluate`."""
    return _answer("compare", df, options)


def _answer(name: str, df: DataFrame, options: Mapping[str, Any]) -> Report:
    require_spark()
    if not hasattr(df, "mapInArrow"):
        raise UsageError("lossctl.spark takes a DataFrame of Spark; lossctl.evaluate takes others")
    for option, way in ELSEWHERE.items():
        if options.get(option):
            raise UsageError(f"{option}: {way}")
    hooks = {key: options[key] for key in ("note",) if key in options}
    plain = {key: value for key, value in options.items() if value is not None and key not in HOOKS}
    with spark_errors():
        first = df.limit(FIRST).toArrow()
    task = PartitionTask(Command(name, [], plain), first)
    plan = task.header(first, 0)  # what is wrong with the question is told before any work
    with spark_errors():
        rows = df.mapInArrow(partial(states_of_partition, task), "address bigint, state binary").collect()
    rows = sorted(rows, key=lambda row: row["address"])
    states = [State.of(f"partition {row['address'] >> PARTITION}", bytes(row["state"])) for row in rows]
    check_versions(states)
    engine = Merge(states, plan, PartitionedReplay)
    return COMMANDS[name](None, **plain, **hooks, engine=engine)


class PartitionedReplay(Replay):
    """Answers as the first rows did; says of a row in which partition it is."""

    def where(self, row: int) -> str:
        return f"{self.label}: partition {row >> PARTITION}, row {(row & (1 << PARTITION) - 1) + 1}"


class PartitionTask(NamedTuple):
    """A command on a DataFrame, with the first rows, of which every task makes the same plan."""

    command: Command
    first: Any

    def header(self, rows: Any, address: int) -> dict[str, Any]:
        """Return the state of some rows, an Arrow table, the first of which has an address."""
        share = RowsShare(self.command, self.first, rows, address)
        with suppress(Shared):
            COMMANDS[self.command.name](None, **self.command.arguments, engine=share)
        return share.header


def states_of_partition(task: PartitionTask, batches: Iterator[Any]) -> Iterator[Any]:
    """Compute the states of a partition in an executor, one for each chunk of its rows."""
    import pyarrow as pa
    from pyspark import TaskContext

    context = TaskContext.get()
    address = (0 if context is None else context.partitionId()) << PARTITION
    for rows in chunks(batches):
        header = task.header(rows, address)
        content = packed({name: value for name, value in header.items() if name not in FIRST_SHARE})
        columns = [pa.array([address], pa.int64()), pa.array([content], pa.binary())]
        yield pa.RecordBatch.from_arrays(columns, ["address", "state"])
        address += CHUNK


def chunks(batches: Iterator[Any]) -> Iterator[Any]:
    """Join record batches to Arrow tables of CHUNK rows; the last is shorter."""
    import pyarrow as pa

    waiting, count = list[Any](), 0
    for batch in batches:
        start = 0
        while count + batch.num_rows - start >= CHUNK:
            stop = start + CHUNK - count
            yield pa.Table.from_batches([*waiting, batch.slice(start, stop - start)])
            waiting, count, start = [], 0, stop
        if start < batch.num_rows:
            waiting.append(batch.slice(start))
            count += batch.num_rows - start
    if waiting:
        yield pa.Table.from_batches(waiting)


def table_of(rows: Any) -> Table:
    """Return an Arrow table as one that is called as a DataFrame is."""
    table = from_memory(rows)
    table.label = LABEL
    return table


class RowsShare(Share):
    """Makes the plan of the first rows, and reduces others."""

    def __init__(self, command: Command, first: Any, rows: Any, address: int) -> None:
        super().__init__(command, 1, 1, threads=1, inputs=Opened([table_of(first)], [None], []))
        self.rows, self.address = rows, address

    def state(
        self, query: Query, reader: BlockReader, plan: Plan, origins: Sequence[float], progress: Progress
    ) -> RunState:
        """Reduce the rows."""
        reader.rows = RowsFrom(table_of(self.rows), self.address)
        state = run(reader.feeds(1), plan, origins=origins, progress=progress)
        self.finish(query, reader, plan, origins, state)
        raise Shared


class RowsFrom(ByPosition):
    """Rows of a table at addresses from one on."""

    def __init__(self, table: Table, address: int) -> None:
        super().__init__([table])
        self.address = address

    def feeds(
        self, columns: Columns, parts: int, *, short: bool = False, share: Addresses = EVERYTHING
    ) -> list[Iterator[Pending[Rows]]]:
        """Return one stream of all rows."""

        def moved(rows: Rows) -> Rows:
            return rows._replace(start=rows.start + self.address)

        return [(pending.then(moved) for pending in feed) for feed in super().feeds(columns, 1, short=short)]
