"""`make engines`: the same bytes from one process, shares in any order, Ray and Spark; stores; and what each costs.

One worker of Ray and one executor of Spark are killed in the middle. `--rows N` for fewer than 20 million rows, names
of parts (eval, compare, check, join, stores, table) for some of them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from tests.engines.runs import FILES, HOME, LOSSCTL, Ended, below, clear, keyed, parts, run
from tests.engines.table import TINY, table

SHARES = 7
FLAGS = {
    "eval": ["eval", "{data}", "-t", "y", "-p", "a", "-p", "b", "-l", "mse", "-l", "mae", "--by", "region", "-w", "w"],
    "compare": ["compare", "{data}", "-t", "y", "-p", "a", "-p", "b", "-p", "c", "-l", "mae", "-l", "rmse"],
    "check": ["check", "{data}", "-t", "y", "-p", "a", "-p", "b", "--max", "mae=0.9", "--by", "region"],
    "join": ["eval", "{m1}", "{m2}", "--targets", "{truth}", "--id", "id", "-t", "y", "-p", "pred", "-l", "mae"],
}

PARTS = [*FLAGS, "stores", "table"]


def command(case: str, rows: int, *more: str) -> list[str]:
    """Return the command line of a case."""
    files = {name: keyed(rows) / f"{name}.parquet" for name in ("m1", "m2", "truth")} if case == "join" else {}
    places = {"data": parts(rows), **files}
    return [LOSSCTL, *(word.format(**places) for word in FLAGS[case]), "-q", *more]


def shares(case: str, rows: int) -> Iterator[tuple[str, Ended]]:
    """Compute shares, and merge them in three orders."""
    folder = HOME / "states"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    states = [str(folder / f"{place}.state") for place in range(1, SHARES + 1)]
    spent = 0.0
    for place, state in enumerate(states, 1):
        spent += run(command(case, rows, "--shard", f"{place}/{SHARES}", "--state-out", state)).seconds
    for seed in range(3):
        random.Random(seed).shuffle(states)
        ended = run([LOSSCTL, "merge", *states, "-f", "json", "-q"])
        yield f"{SHARES} shares, order {seed + 1}", ended._replace(seconds=spent + ended.seconds)


def run_killing(words: list[str], is_victim: Callable[[str], bool]) -> tuple[Ended, int]:
    """Run a command, and kill the first of the processes below it that is a victim; return how many were killed."""
    killed = list[int]()

    def hunt(root: int) -> None:
        victims = [number for number, process in below(root).items() if is_victim(process.line)]
        if victims and not killed:
            time.sleep(0.3)
            os.kill(victims[0], signal.SIGKILL)
            killed.append(victims[0])

    return run(words, hunt), len(killed)


def is_ray_task(line: str) -> bool:
    """Whether a process is a worker of Ray at one of our tasks."""
    return line.startswith("ray::") and "compute" in line


def is_executor(line: str) -> bool:
    """Whether a process is an executor of Spark."""
    return "CoarseGrainedExecutorBackend" in line


def judge(case: str, rows: int) -> bool:
    """Run a case every way; print what came of each."""
    once = run(command(case, rows, "--threads", "1", "-f", "json"))
    print(f"{case:8} one process, 1 thread        {once.seconds:7.1f} s   {len(once.text)} bytes", flush=True)
    right = True

    def told(way: str, ended: Ended, killed: int | None = None) -> None:
        nonlocal right
        same = ended.text == once.text
        right &= same and killed != 0
        verdict = "same bytes" if same else "OTHER BYTES"
        more = "" if killed is None else ", one killed" if killed else ", NONE KILLED"
        print(f"{case:8} {way:29}{ended.seconds:7.1f} s   {verdict}{more}", flush=True)

    told("one process, 2 threads", run(command(case, rows, "--threads", "2", "-f", "json")))
    for way, ended in shares(case, rows):
        told(way, ended)
    told("Ray, 2 workers", *run_killing(command(case, rows, "--engine", "ray", "-f", "json"), is_ray_task))
    if shutil.which("java") is None:
        print(f"{case:8} Spark: there is no java here: apt-get install openjdk-17-jre-headless")
        return False
    words = command(case, rows, "--engine", "spark", "--engine-address", "local-cluster[2,1,1024]", "-f", "json")
    told("Spark, 2 executors", *run_killing(words, is_executor))
    return right


def main() -> None:
    """Make the data, and run the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="of the table")
    options = parser.parse_args()
    if strange := {*options.parts} - {*PARTS}:
        parser.error(f"{', '.join(strange)}: the parts are {', '.join(PARTS)}")
    clear([options.rows, options.rows // 4, TINY])
    print(json.dumps({"rows": options.rows, "files": FILES, "processors": os.cpu_count()}), flush=True)
    right = True
    for part in options.parts:
        if part in FLAGS:
            right &= judge(part, options.rows // 4 if part == "join" else options.rows)
        elif part == "stores":
            subprocess.run([sys.executable, "-m", "tests.engines.stores"], check=True)
        else:
            table(options.rows, options.rounds)
    if not right:
        raise SystemExit("some bytes differ, or nothing was killed")
    print("the same bytes every way")


if __name__ == "__main__":
    main()
