"""`make engines`: the same bytes of JSON from one process, from shares in any order, from Ray and from Spark.

One worker of Ray and one executor of Spark are killed in the middle. `--rows N` for fewer than 20 million rows, names
of cases (eval, compare, check, join) for some of them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HOME = Path(".engines/data")
FILES = 16
LOSSCTL = str(Path(sys.executable).parent / "lossctl")
SHARES = 7
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "SPARK_LOCAL_IP": "127.0.0.1"}
FLAGS = {
    "eval": ["eval", "{data}", "-t", "y", "-p", "a", "-p", "b", "-l", "mse", "-l", "mae", "--by", "region", "-w", "w"],
    "compare": ["compare", "{data}", "-t", "y", "-p", "a", "-p", "b", "-p", "c", "-l", "mae", "-l", "rmse"],
    "check": ["check", "{data}", "-t", "y", "-p", "a", "-p", "b", "--max", "mae=0.9", "--by", "region"],
    "join": ["eval", "{m1}", "{m2}", "--targets", "{truth}", "--id", "id", "-t", "y", "-p", "pred", "-l", "mae"],
}


def write_data(rows: int) -> None:
    """Write the tables: 16 files of Parquet, and three in other orders that share a key, of a quarter of the rows."""
    done = HOME / f"{rows}.done"
    if done.exists():
        return
    shutil.rmtree(HOME, ignore_errors=True)
    (HOME / "data").mkdir(parents=True)
    rng = np.random.default_rng(18)
    share = -(-rows // FILES)
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
        pq.write_table(pa.table(columns), HOME / "data" / f"part-{place:02}.parquet", row_group_size=1 << 18)
    keyed = rows // 4
    y = rng.normal(10.0, 3.0, keyed)
    key = rng.permutation(keyed)
    pq.write_table(pa.table({"id": key, "y": y}), HOME / "truth.parquet")
    for name in ("m1", "m2"):
        order = rng.permutation(keyed)
        columns = {"id": key[order], "pred": y[order] + rng.normal(0.0, 1.0, keyed)}
        pq.write_table(pa.table(columns), HOME / f"{name}.parquet")
    done.touch()


def command(case: str, *more: str) -> list[str]:
    """Return the command line of a case."""
    places = {"data": HOME / "data", **{name: HOME / f"{name}.parquet" for name in ("m1", "m2", "truth")}}
    return [LOSSCTL, *(word.format(**places) for word in FLAGS[case]), "-q", *more]


def run(words: list[str], codes: tuple[int, ...] = (0, 1)) -> tuple[str, float]:
    """Run a command; return its JSON but for times, and its seconds."""
    start = time.monotonic()
    ended = subprocess.run(words, env={**os.environ, **QUIET}, capture_output=True, text=True, check=False)
    if ended.returncode not in codes or ended.stderr.strip():
        raise SystemExit(f"{' '.join(words)}\n  ended with {ended.returncode}: {ended.stderr[-2000:]}")
    return re.sub(r'"(created|seal)": "[^"]*"', "", ended.stdout), time.monotonic() - start


def shares(case: str) -> Iterator[tuple[str, str, float]]:
    """Compute shares, and merge them in three orders."""
    folder = HOME / "states"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    states = [str(folder / f"{place}.state") for place in range(1, SHARES + 1)]
    spent = 0.0
    for place, state in enumerate(states, 1):
        spent += run(command(case, "--shard", f"{place}/{SHARES}", "--state-out", state))[1]
    for seed in range(3):
        random.Random(seed).shuffle(states)
        text, seconds = run([LOSSCTL, "merge", *states, "-f", "json", "-q"])
        yield f"{SHARES} shares, order {seed + 1}", text, spent + seconds


def processes() -> dict[int, tuple[int, str]]:
    """Return the parent and the command line of all processes."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            status = (path / "stat").read_text()
            words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        found[int(path.name)] = int(status.rpartition(")")[2].split()[1]), words
    return found


def descendants(root: int) -> dict[int, str]:
    """Return the command lines of the processes below one."""
    table, below = processes(), {root}
    while more := {pid for pid, (parent, _) in table.items() if parent in below} - below:
        below |= more
    return {pid: table[pid][1] for pid in below - {root}}


def run_killing(words: list[str], victim: Callable[[str], bool]) -> tuple[str, float, int]:
    """Run a command, and kill the first of the processes below it that is a victim; return how many were killed."""
    start = time.monotonic()
    environment = {**os.environ, **QUIET}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    killed, over = list[int](), Event()

    def hunt() -> None:
        while not over.wait(0.05) and not killed:
            for pid, line in descendants(process.pid).items():
                if victim(line):
                    time.sleep(0.3)
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    return

    hunter = Thread(target=hunt)
    hunter.start()
    out, err = process.communicate()
    over.set()
    hunter.join()
    if process.returncode not in (0, 1) or err.strip():
        raise SystemExit(f"{' '.join(words)}\n  ended with {process.returncode}: {err[-2000:]}")
    return re.sub(r'"(created|seal)": "[^"]*"', "", out), time.monotonic() - start, len(killed)


def is_ray_task(line: str) -> bool:
    """Whether a process is a worker of Ray at one of our tasks."""
    return line.startswith("ray::") and "compute" in line


def is_executor(line: str) -> bool:
    """Whether a process is an executor of Spark."""
    return "CoarseGrainedExecutorBackend" in line


def judge(case: str) -> bool:
    """Run a case every way; print what came of each."""
    once, seconds = run(command(case, "--threads", "1", "-f", "json"))
    print(f"{case:8} one process, 1 thread        {seconds:7.1f} s   {len(once)} bytes", flush=True)
    right = True

    def told(way: str, text: str, seconds: float, killed: int | None = None) -> None:
        nonlocal right
        same = text == once and killed != 0
        right &= same
        verdict = "same bytes" if text == once else "OTHER BYTES"
        more = "" if killed is None else ", one killed" if killed else ", NONE KILLED"
        print(f"{case:8} {way:29}{seconds:7.1f} s   {verdict}{more}", flush=True)

    told("one process, 2 threads", *run(command(case, "--threads", "2", "-f", "json")))
    for way, text, seconds in shares(case):
        told(way, text, seconds)
    told("Ray, 2 workers", *run_killing(command(case, "--engine", "ray", "-f", "json"), is_ray_task))
    if shutil.which("java") is None:
        print(f"{case:8} Spark: there is no java here: apt-get install openjdk-17-jre-headless")
        return right
    master = "local-cluster[2,1,1024]"
    words = command(case, "--engine", "spark", "--engine-address", master, "-f", "json")
    told("Spark, 2 executors", *run_killing(words, is_executor))
    return right


def main() -> None:
    """Make the data, and judge the cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=[*FLAGS])
    parser.add_argument("--rows", type=int, default=20_000_000)
    options = parser.parse_args()
    write_data(options.rows)
    print(json.dumps({"rows": options.rows, "files": FILES, "processors": os.cpu_count()}), flush=True)
    verdicts = [judge(case) for case in options.cases]
    if not all(verdicts):
        raise SystemExit("some bytes differ")
    print("the same bytes every way")


if __name__ == "__main__":
    main()
