"""Engines beyond one machine: shares are tasks of Ray or Spark, whose states are merged in the order of the rows."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from shutil import which
from socket import create_connection
from typing import Any, Final, NamedTuple
from zlib import compress, decompress

from lossctl import errors
from lossctl.api.query import Opened, Query
from lossctl.api.shares import (
    Command,
    Cut,
    RecordedRows,
    Share,
    Shared,
    State,
    check_same_files,
    check_versions,
    plan_digest,
    run_state,
    versions,
)
from lossctl.engine.plan import Plan
from lossctl.engine.reduce import RunState
from lossctl.engine.run import Progress
from lossctl.engine.states import packed, unpacked
from lossctl.errors import DataError, LossctlError, UsageError, printable
from lossctl.files import descriptor_silenced, explained
from lossctl.io.blocks import BlockReader
from lossctl.io.machine import usable_cores

TASK_ROWS: Final = 1 << 21  # of a task, some seconds' worth
MOST_TASKS: Final = 10_000
ROUNDS: Final = 2  # tasks for each processor at least, so that none waits long for the last
ANSWERING: Final = 10.0  # seconds in which a cluster takes a connection
TRIES: Final = 4  # of a task whose worker died


class Task(NamedTuple):
    """One share of a command; it may be computed again. folder: in which paths are to be found. run: tells runs apart.

    What a worker has opened stays open for its next task of the run: a lake has more files than a task reads.
    """

    command: Command
    folder: str
    shares: int
    run: bytes

    def compute(self, place: int) -> bytes:
        """Return the state of a share, or the error that it ends with, as bytes."""
        with suppress(OSError):
            os.chdir(self.folder)
        share = Share(self.command, place, self.shares, threads=1, inputs=_opened.get(self.run))
        try:
            self.command.run(engine=share)
        except Shared:
            _opened.clear()
            _opened[self.run] = share.inputs
            return compress(packed(share.header), 1)  # of a lake, the names of many files
        except LossctlError as error:
            return compress(packed({**versions(), "error": [type(error).__name__, str(error)]}), 1)
        raise AssertionError(place)  # a share ends with one of the two


_opened: dict[bytes, Opened | None] = {}  # the inputs of the run whose task this process computed last

Submit = Callable[[Task], Iterator[tuple[int, bytes]]]  # yields places and their states, in any order


class Cluster(Cut):
    """Has shares computed by the tasks of an engine.

    processors: how many it has. submit: computes all tasks.
    """

    def __init__(self, command: Command, processors: Callable[[], int], submit: Submit) -> None:
        self.command, self.processors, self.submit = command, processors, submit

    def state(
        self, query: Query, reader: BlockReader, plan: Plan, origins: Sequence[float], progress: Progress
    ) -> RunState:
        """Have all shares computed, and merge their states in order as far as they have arrived."""
        assert self.block is not None
        count = self.tasks(reader)
        digest = plan_digest(plan, reader, origins, self.block, count)
        state, waiting, records = RunState.empty(plan), dict[int, State](), list[Mapping[str, Any]]()
        first: State | None = None
        arrivals = self.submit(Task(self.command, os.getcwd(), count, os.urandom(8)))
        try:
            for place, content in arrivals:
                waiting[place] = arrival = checked_state(f"task {place}/{count}", content, digest, first)
                first = first or arrival
                while len(records) + 1 in waiting:
                    arrived = waiting.pop(len(records) + 1)
                    state = state.merge(run_state(arrived, reader, plan))
                    records.append({name: arrived.header[name] for name in ("rows", "words", "unpaired", "absent")})
                    progress(arrived.header["state"]["counts"][0])
        finally:
            if hasattr(arrivals, "close"):
                arrivals.close()  # which ends what is still at work
        reader.rows = RecordedRows(reader.rows, records)
        if complaint := reader.third_label():
            raise DataError(complaint)
        return state

    def tasks(self, reader: BlockReader) -> int:
        """Return into how many tasks the rows are cut: a few for each processor, and none of too many rows."""
        processors = self.processors()
        rows = [table.rows for table in reader.tables]
        if reader.rows.key or None in rows:  # each reads all keys, or counts the lines of all
            return processors
        return max(1, min(MOST_TASKS, max(ROUNDS * processors, -(-(rows[0] or 0) // TASK_ROWS))))


def checked_state(label: str, content: bytes, digest: str, first: State | None) -> State:
    """Return what a task has computed; raise its error, or one that says that it was about something else.

    first: another state of the run.
    """
    content = decompress(content)
    header = unpacked(content)
    if "error" in header:
        name, text = header["error"]
        raise getattr(errors, name)(text)
    state = State.of(label, content)
    check_versions([state])
    if first is not None:
        check_same_files(first, state)
    if header["plan"] != digest:
        raise DataError(
            f"share {state.place}/{state.shares}: the worker has read other data than lies here; the paths "
            "must hold the same files everywhere, and files must not change while they are read"
        )
    return state


def missing_extra(engine: str) -> UsageError:
    """Return the error for an engine that is not installed."""
    return UsageError(f"--engine {engine}: it is not installed here; pip install 'lossctl[{engine}]'")


def check_answers(engine: str, address: str | None) -> None:
    """Raise DataError, at once, where nothing answers at HOST:PORT: an engine tries for minutes."""
    match = re.fullmatch(r"(?:\w+://)?([^/:;]+):(\d+)/?(?:;.*)?", address or "")
    if match:
        try:
            create_connection((match[1], int(match[2])), ANSWERING).close()
        except OSError as error:
            raise DataError(
                f"--engine {engine}: nothing answers at {printable(match[0])}: {explained(error)}; --engine-address "
                "names a cluster that runs"
            ) from None


# Ray -----------------------------------------------------------------------------------------------------------------


def ray_cluster(command: Command, address: str | None) -> Cluster:
    """Return Ray as an engine: a cluster of this machine, or that at an address."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before it is imported
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or it warns of what it will do one day
    try:
        import ray
    except ImportError:
        raise missing_extra("ray") from None

    def start() -> int:
        quiet = {"logging_level": "ERROR", "log_to_driver": False, "configure_logging": True}
        alone = {"include_dashboard": False} if address is None else {}
        ray._private.worker._worker_logs_enabled = False  # a worker that dies is told of at length, and does not matter
        check_answers("ray", address)
        try:
            with descriptor_silenced(2):  # to which it writes of every try
                ray.init(address=address or "local", **quiet, **alone)
        except Exception as error:  # of any kind: one that has timed out is a bare Exception
            where = f"at {printable(address)}" if address else "on this machine"
            token = "; where it asks for a token, Ray takes that from RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
            raise DataError(
                f"--engine ray: there is no cluster {where}: {_line(error)}; --engine-address names one that runs"
                f"{token if address else ''}"
            ) from None
        return max(1, int(ray.cluster_resources().get("CPU", 1)))

    def submit(task: Task) -> Iterator[tuple[int, bytes]]:
        remote = ray.remote(max_retries=TRIES - 1, num_cpus=1)(Task.compute)
        places: dict[Any, int] = {remote.remote(task, place): place for place in range(1, task.shares + 1)}
        try:
            while places:
                [state], _ = ray.wait([*places], num_returns=1)
                place = places.pop(state)
                try:
                    yield place, ray.get(state)
                except ray.exceptions.RayError as error:
                    logs = (
                        os.path.join(ray._private.worker._global_node.get_session_dir_path(), "logs")
                        if address is None
                        else ""
                    )
                    raise DataError(
                        f"--engine ray: share {place}/{task.shares} failed {TRIES} times: {_line(error)}"
                        + (f"; its logs are in {logs}" if logs else "; `ray logs` shows why")
                    ) from None
        finally:
            for reference in places:
                with suppress(Exception):  # it may have ended meanwhile
                    ray.cancel(reference, force=True)
            ray.shutdown()

    return Cluster(command, start, submit)


def _line(error: Exception) -> str:
    """Return the first line of an engine's error, or its kind."""
    text = str(error).strip().partition("\n")[0]
    return printable(f"{type(error).__name__}: {text}" if text else type(error).__name__)


# Spark ---------------------------------------------------------------------------------------------------------------


def spark_cluster(command: Command, address: str | None) -> Cluster:
    """Return Spark as an engine: on this machine, a master, or with `sc://` a server of Spark Connect."""
    sessions: list[Any] = []

    def start() -> int:
        check_answers("spark", address)
        sessions.append(spark_session(address))
        if address is not None and address.startswith("sc://"):
            return int(sessions[0].conf.get("spark.default.parallelism", str(usable_cores())))
        return max(1, sessions[0].sparkContext.defaultParallelism)

    def submit(task: Task) -> Iterator[tuple[int, bytes]]:
        [session] = sessions
        places = session.range(1, task.shares + 1, 1, task.shares)
        try:
            with spark_errors():
                rows = places.mapInArrow(partial(computed_in_arrow, task), "place bigint, state binary").collect()
            yield from ((row["place"], bytes(row["state"])) for row in rows)
        finally:
            session.stop()

    require_spark()
    return Cluster(command, start, submit)


def require_spark() -> None:
    """Raise UsageError where PySpark or Java is missing."""
    if find_spec("pyspark") is None:
        raise missing_extra("spark")
    if which("java") is None and not os.environ.get("JAVA_HOME"):
        raise UsageError(
            "--engine spark: there is no java here; Spark 4 runs on Java 17, as of openjdk-17-jre-headless"
        )


def spark_session(address: str | None) -> Any:
    """Start Spark on this machine, or find it at an address; what it logs is left to its own settings."""
    warnings.filterwarnings("ignore", category=FutureWarning, message="PySpark does not yet")
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("lossctl")
    if address is not None and address.startswith("sc://"):
        return builder.remote(address).getOrCreate()
    quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "OFF"}
    for name, value in quiet.items():
        builder = builder.config(name, value)
    with spark_errors(), descriptor_silenced(2):  # which the Java process inherits, and would fill with its own start
        return builder.master(address or f"local[{usable_cores()},{TRIES}]").getOrCreate()


@contextmanager
def spark_errors() -> Iterator[None]:
    """Raise DataError, in one line, for what Spark could not do."""
    try:
        yield
    except (LossctlError, KeyboardInterrupt):
        raise
    except Exception as error:  # of Py4J, of gRPC, or of Spark itself
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        cause = next((line for line in lines if "Error" in line or "Exception" in line or "Lost" in line), "")
        line = printable(cause or type(error).__name__)
        raise DataError(
            f"--engine spark: a task failed {TRIES} times, or Spark did: {line}; the log of its executor says more"
        ) from None


def computed_in_arrow(task: Task, batches: Iterator[Any]) -> Iterator[Any]:
    """Compute tasks in an executor: the places of shares come as record batches, and go with their states."""
    import pyarrow as pa

    for batch in batches:
        for place in batch.column(0).to_pylist():
            states = pa.array([task.compute(place)], pa.binary())
            yield pa.RecordBatch.from_arrays([pa.array([place], pa.int64()), states], ["place", "state"])


ENGINES: Final[Mapping[str, Callable[[Command, str | None], Cluster]]] = {"ray": ray_cluster, "spark": spark_cluster}
