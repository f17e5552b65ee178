"""Resources: the cores and the memory that a process may use, what is said of time, and what is refused in time."""

from __future__ import annotations

import gc
import itertools
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lossctl as package
from lossctl.api.evaluate import as_bytes
from lossctl.cli import console
from lossctl.cli.console import Stopwatch
from lossctl.core.batch import BLOCK, Batch
from lossctl.core.block import Block
from lossctl.core.state import Sample
from lossctl.errors import DataError, UsageError
from lossctl.io.machine import free_memory, usable_cores
from tests.conftest import Lossctl

pytestmark = pytest.mark.deep

CORES = len(os.sched_getaffinity(0))
GIB = 1 << 30


def machine(root: Path, files: dict[str, str]) -> Path:
    """Write the files in which a system tells what a process may use."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, CORES),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, CORES),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "100000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "50000 100000\n"}, 1),  # of a parent
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/x\n",
                "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
            },
            1,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu:/x\n",
                "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
            },
            CORES,
        ),
    ],
)
def test_limits_of_control_groups_count(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    assert usable_cores(machine(tmp_path, files)) == cores


def test_a_quota_of_more_cores_than_there_are_gives_those_there_are(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "99900000 100000\n"}
    assert usable_cores(machine(tmp_path, files)) == CORES


def test_free_memory_is_the_least_of_what_bounds_it(tmp_path: Path) -> None:
    assert free_memory(tmp_path) is None
    files = {"proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\n"}
    assert free_memory(machine(tmp_path, files)) == 8_000_000 << 10
    files = {
        "proc/self/cgroup": "0::/a\n",
        "sys/fs/cgroup/a/memory.max": f"{3 * GIB}\n",
        "sys/fs/cgroup/a/memory.current": f"{GIB}\n",
    }
    assert free_memory(machine(tmp_path, files)) == 2 * GIB


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("500M", 500 << 20),
        ("2G", 2 * GIB),
        ("1.5gb", GIB * 3 // 2),
        ("64 MiB".replace(" ", ""), 64 << 20),
        ("1k", 1024),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert as_bytes(text) == size


@pytest.mark.parametrize("text", ["", "abc", "0", "-1", "1X", "G", "1e3", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--max-memory"):
        as_bytes(text)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"y": rng.normal(size=200_000), "p": rng.normal(size=200_000)}), path)
    return path


def test_losses_that_keep_all_values_are_refused_before_they_take_more_than_allowed(
    lossctl: Lossctl, rows: Path
) -> None:
    need = 200_000 * Sample.bytes_per_row(2)
    asked = ["eval", rows, "-t", "y", "-p", "p", "-l", "median_absolute_error", "-l", "mse", "-f", "value"]
    assert lossctl(*asked, "--max-memory", need).code == 0
    refused = lossctl(*asked, "--max-memory", need - 1)
    assert (refused.code, refused.out) == (3, "")
    assert "median_absolute_error: every value is kept" in refused.err
    assert "12.21 MiB for 200000 rows" in refused.err
    assert lossctl("eval", rows, "-t", "y", "-p", "p", "-l", "mse", "--max-memory", "1").code == 0


def test_where_rows_cannot_be_counted_before_they_are_refused_on_the_way(lossctl: Lossctl, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("y,p\n" + "1.5,2.5\n" * 200_000)
    refused = lossctl("eval", path, "-t", "y", "-p", "p", "-l", "median_absolute_error", "--max-memory", "5M")
    assert (refused.code, refused.out) == (3, "")
    assert "rows so far" in refused.err
    with pytest.raises(DataError, match=r"9.537e-05 MiB --max-memory allows"):
        package.evaluate(str(path), target="y", pred="p", losses="median_absolute_error", max_memory=100)


def bounded(mebibytes: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in so much address space, as under `ulimit -v`."""
    command = (
        f"ulimit -c 0; ulimit -v {mebibytes << 10}; exec {shlex.join(map(str, [sys.executable, '-m', 'lossctl']))}"
    )
    asked = ["sh", "-c", f'{command} "$@"', "sh", *map(str, arguments)]
    return subprocess.run(asked, capture_output=True, text=True, check=False)


@pytest.mark.skipif(platform.system() != "Linux", reason="other systems bound no address space")
@pytest.mark.parametrize(("mebibytes", "codes"), [(300, {3}), (383, {3}), (400, {0, 3}), (500, {0, 3}), (900, {0})])
@pytest.mark.parametrize("command", ["eval", "compare"])
def test_little_address_space_gives_numbers_or_one_line(
    rows: Path, command: str, mebibytes: int, codes: set[int]
) -> None:
    options = ["-p", "m=y", "--ci-method", "bootstrap", "--resamples", "100"] if command == "compare" else []
    done = bounded(mebibytes, command, rows, "-t", "y", "-p", "p", *options, "-l", "mae", "-q")
    assert done.returncode in codes, done.stderr
    assert done.stderr.count("\n") == (done.returncode == 3)
    if done.returncode == 3:
        assert "not enough memory" in done.stderr


GIVES_UP = """
import ctypes, threading
from lossctl import interrupts
interrupts.watch_aborts(3, "not enough memory")
with interrupts.undisturbed() as names:
    names.add({path!r})
threading.Thread(target={call}).start()
threading.Event().wait()
"""


@pytest.mark.skipif(platform.system() != "Linux", reason="other systems bound no address space")
@pytest.mark.parametrize("call", ["ctypes.CDLL(None).abort", "lambda: ctypes.string_at(0)"])
def test_where_a_library_gives_up_without_memory_the_process_ends_with_a_line_and_its_files(
    tmp_path: Path, call: str
) -> None:
    (tmp_path / "temporary").touch()
    script = GIVES_UP.format(path=str(tmp_path / "temporary"), call=call)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1), done.stderr
    assert "not enough memory" in done.stderr
    assert not [*tmp_path.iterdir()]


def test_what_no_function_of_c_says_is_a_shortage_only_where_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    error = SystemError("returned NULL without setting an exception")
    for bound, code in ((None, 70), (GIB, 3)):
        monkeypatch.setattr(console, "address_space", lambda bound=bound: bound)
        assert console.outcome(error)[0] == code


def test_what_is_bounded_is_no_free_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossctl.io.machine.address_space", lambda: GIB)
    files = {"proc/meminfo": "MemAvailable:    8000000 kB\n", "proc/self/statm": "1000 1 1 1 0 1 0\n"}
    assert free_memory(machine(tmp_path, files)) == GIB - 1000 * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr("lossctl.io.machine.address_space", lambda: GIB - 1)
    assert usable_cores() == 1


def test_show_says_what_a_loss_keeps(lossctl: Lossctl) -> None:
    assert (
        "up to 16 bytes per row and model (1 of a label or flag, none of weights that are alike), at most 64 at the end"
        in " ".join(lossctl("losses", "show", "median_absolute_error").out.split())
    )
    assert lossctl("losses", "show", "mse", "-f", "json").json["memory"].startswith("constant")


@pytest.mark.parametrize("threads", ["0", "-1", "x", "1.5", "1000"])
def test_a_number_of_threads_that_is_none_is_a_usage_error(lossctl: Lossctl, rows: Path, threads: str) -> None:
    assert lossctl("eval", rows, "-t", "y", "-p", "p", "--threads", threads).code == 2


def test_verbose_says_where_the_time_went(lossctl: Lossctl, rows: Path) -> None:
    said = lossctl("eval", rows, "-t", "y", "-p", "p", "-l", "mse", "-v", "--threads", "2").err
    line = next(line for line in said.splitlines() if "over 2 threads" in line)
    assert re.search(
        r"[\d,]+ rows/s; over 2 threads: read .* s, decode .* s, compute .* s, merge .* s; most of it:", line
    )
    assert "pair" not in line


def test_verbose_counts_the_pairing_of_a_join(lossctl: Lossctl, tmp_path: Path) -> None:
    for name, ids in (("y", [2, 1]), ("p", [1, 2])):
        pq.write_table(pa.table({"id": ids, name: [1.0, 2.0]}), tmp_path / f"{name}.parquet")
    said = lossctl(
        "eval", tmp_path / "p.parquet", "--targets", tmp_path / "y.parquet", "--id", "id", "-t", "y", "-p", "p", "-v"
    ).err
    assert "pair 0." in said


def test_a_stopwatch_tells_waiting_from_work() -> None:
    watch = Stopwatch()
    with watch("compute"):
        sum(range(1000))
    said = watch.report(1_000, 1)
    assert "over 1 thread: read 0.00 s" in said
    assert said.endswith("most of it: compute")


def test_progress_can_be_asked_for_in_a_log_and_silenced(
    lossctl: Lossctl, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["eval", rows, "-t", "y", "-p", "p", "-l", "mse", "-f", "value"]
    clock = itertools.count(0.0, 2.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    shown = lossctl(*asked, "--progress")
    assert re.search(r"[\d,]+ rows, [\d,]+ rows/s", shown.err)
    assert len(shown.out.splitlines()) == 1
    assert "rows/s" not in lossctl(*asked).err
    assert "rows/s" not in lossctl(*asked, "--no-progress").err


# the Python interface: as fast as the command, without settings of the process -----------------------------------

SMALL = {"y": np.arange(500.0), "p": np.arange(500.0)[::-1].copy()}


def test_data_of_one_block_start_no_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a thread was started")

    monkeypatch.setattr("concurrent.futures.ThreadPoolExecutor", refuse)
    monkeypatch.setattr("lossctl.api.evaluate.usable_cores", refuse)
    file = tmp_path / "small.csv"
    file.write_text("y,p\n1,1\n2,2\n")
    for data in (SMALL, pa.table(SMALL), str(file)):
        assert package.evaluate(data, target="y", pred="p", losses="mbe").value() == 0.0


@pytest.mark.parametrize(
    ("evaluate", "most"),
    [
        (lambda: package.evaluate(SMALL, target="y", pred="p", losses="mse"), 2500),
        (lambda: package.get("mse")(SMALL["y"], SMALL["p"]), 560),
    ],
)
def test_a_few_rows_take_few_calls(evaluate: Callable[[], object], most: int) -> None:
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    evaluate()
    sys.setprofile(count)
    try:
        evaluate()
    finally:
        sys.setprofile(None)
    assert calls < most


def test_no_block_waits_for_a_search_for_cycles() -> None:
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        package.evaluate(SMALL, target="y", pred="p", losses=["mse", "huber", "r2"])
        package.get("huber")(SMALL["y"], SMALL["p"])
        gappy = {"y": [1.0, np.nan, 3.0], "p": [1.0, 2.0, 4.0], "g": ["a", "b", "b"]}
        package.evaluate(gappy, target="y", pred="p", losses=["mse", "r2"], missing="drop", by=["g"])
        gc.collect()
        kept = [entry for entry in gc.garbage if isinstance(entry, Batch | Block | np.ndarray)]
        assert kept == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


FAULTS = """
import resource, sys, lossctl
ask = lambda: lossctl.evaluate(sys.argv[1], target="y", pred="p", losses=["mse", "huber"], threads=1)
ask()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
ask()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep freed memory by other rules")
def test_arrays_of_a_block_reuse_the_memory_of_those_before(tmp_path: Path) -> None:
    rows = 10 * BLOCK
    pq.write_table(pa.table({"y": np.arange(rows, dtype=float), "p": np.ones(rows)}), tmp_path / "a.parquet")
    done = subprocess.run([sys.executable, "-c", FAULTS, tmp_path / "a.parquet"], capture_output=True, check=True)
    assert int(done.stdout) < 1500  # of 4 KiB; an array of a block that is faulted in anew has 128 a block
