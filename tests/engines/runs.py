"""What is run by `make engines`: data, commands, and the processes of one with their memory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HOME: Final = Path(".engines/data")
FILES: Final = 16
LOSSCTL: Final = str(Path(sys.executable).parent / "lossctl")
QUIET: Final = {"RAY_USAGE_STATS_ENABLED": "0", "SPARK_LOCAL_IP": "127.0.0.1"}
TICKS: Final = os.sysconf("SC_CLK_TCK")
TIMES: Final = re.compile(r'"(created|seal)": "[^"]*"')


def parts(rows: int) -> Path:
    """Return the folder of a table of so many rows in 16 files of Parquet, which is written once."""
    folder = HOME / str(rows) / "data"
    if folder.exists():
        return folder
    rng = np.random.default_rng(18)
    share = -(-rows // FILES)
    unfinished = emptied(HOME / str(rows) / "unfinished")
    for place in range(FILES):
        y = rng.normal(10.0, 3.0, share)
        columns = {
            "y": y,
            "a": y + rng.normal(0.0, 1.0, share),
            "b": y + rng.standard_t(3, share),
            "c": y * 1.01,
            "w": rng.integers(0, 4, share).astype(float),
            "region": pa.array(rng.choice(["north", "east", "south", "west"], share)).dictionary_encode(),
        }
        pq.write_table(pa.table(columns), unfinished / f"part-{place:04}.parquet", row_group_size=1 << 18)
    return unfinished.rename(folder)


def emptied(folder: Path) -> Path:
    """Make a folder, or make it anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def linked(folder: Path, times: int) -> Path:
    """Return a folder that holds the files of another so many times, without a copy of one."""
    target = folder.with_name(f"{folder.name}-{times}")
    target.mkdir(exist_ok=True)
    for turn in range(times):
        for path in folder.iterdir():
            link = target / f"{turn:03}-{path.name}"
            if not link.exists():
                os.link(path, link)
    return target


def keyed(rows: int) -> Path:
    """Return the folder of a truth and of two models that share its key, each in another order; it is written once."""
    folder = HOME / str(rows) / "keyed"
    if folder.exists():
        return folder
    unfinished = emptied(HOME / str(rows) / "unfinished")
    rng = np.random.default_rng(18)
    y, key = rng.normal(10.0, 3.0, rows), rng.permutation(rows)
    pq.write_table(pa.table({"id": key, "y": y}), unfinished / "truth.parquet")
    for name in ("m1", "m2"):
        order = rng.permutation(rows)
        columns = {"id": key[order], "pred": y[order] + rng.normal(0.0, 1.0, rows)}
        pq.write_table(pa.table(columns), unfinished / f"{name}.parquet")
    return unfinished.rename(folder)


def clear(rows: Sequence[int]) -> None:
    """Remove the data of other sizes, and what an interrupted run has left."""
    for folder in HOME.glob("*"):
        if folder.name not in map(str, rows):
            shutil.rmtree(folder, ignore_errors=True)


# processes -----------------------------------------------------------------------------------------------------------


class Process(NamedTuple):
    """A process below a command: its command line, the most memory it has taken, in MiB, and its CPU seconds."""

    line: str
    peak: float
    cpu: float


def below(root: int) -> dict[int, Process]:
    """Return a process and those below it, by their numbers."""
    parents, processes = dict[int, int](), dict[int, Process]()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            status = dict(line.split(":\t", 1) for line in (path / "status").read_text().splitlines())
            ticks = (path / "stat").read_text().rpartition(")")[2].split()[11:13]
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        parents[int(path.name)] = int(status["PPid"])
        peak = int(status.get("VmHWM", "0 kB").split()[0]) / 1024
        processes[int(path.name)] = Process(line, peak, sum(map(int, ticks)) / TICKS)
    family = {root}
    while more := {number for number, parent in parents.items() if parent in family} - family:
        family |= more
    return {number: process for number, process in processes.items() if number in family}


def together(family: Sequence[int]) -> float:
    """Return the memory of processes in MiB, of which what is shared counts once."""
    sizes = []
    for number in family:
        try:
            text = Path(f"/proc/{number}/smaps_rollup").read_text("ascii")
        except OSError:
            continue
        sizes += [int(size) / 1024 for size in re.findall(r"^Pss: +(\d+)", text, re.MULTILINE)]
    return sum(sizes)


class Ended(NamedTuple):
    """A command that has ended: its output but for times, and its seconds."""

    text: str
    seconds: float


def run(words: Sequence[str], watch: Callable[[int], object] | None = None, every: float = 0.05) -> Ended:
    """Run a command; watch: called with its number again and again meanwhile."""
    start = time.monotonic()
    environment = {**os.environ, **QUIET}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    over = Event()

    def look() -> None:
        while watch is not None and not over.wait(every):
            watch(process.pid)

    watcher = Thread(target=look)
    watcher.start()
    out, err = process.communicate()
    over.set()
    watcher.join()
    if process.returncode not in (0, 1) or err.strip():
        raise SystemExit(f"{' '.join(words)}\n  ended with {process.returncode}: {err[-2000:]}")
    return Ended(TIMES.sub("", out), time.monotonic() - start)
