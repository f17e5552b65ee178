"""One process, shares by xargs, Ray and Spark: how long each starts and runs, and what memory it takes."""

from __future__ import annotations

import os
import shlex
import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from tests.engines.runs import FILES, HOME, LOSSCTL, below, emptied, linked, parts, run, together

CORES: Final = len(os.sched_getaffinity(0))
SHARES: Final = 2 * CORES
TINY: Final = 1_600  # rows whose time is that of a start
TIMES: Final = 5  # so many times the rows, by links to the same files
MANY: Final = 1_600  # files
FAR: Final = (10**9, 10**10)  # rows that are projected
QUESTION: Final = "-t y -p a -p b -l mse -l mae -w w --by region -q"
WAYS: Final = {
    "one process": "{lossctl} eval {data} {question} -f json",
    "shares, xargs -P": (
        "seq {shares} | xargs -P {cores} -I PLACE {lossctl} eval {data} {question} --threads 1 "
        "--shard PLACE/{shares} --state-out {states}/PLACE.state && {lossctl} merge {states} -q -f json"
    ),
    "Ray": "{lossctl} eval {data} {question} -f json --engine ray",
    "Spark": "{lossctl} eval {data} {question} -f json --engine spark",
}


class Cost(NamedTuple):
    """What one run took: seconds, those of all processors, and MiB of the driver, of the largest worker, of all."""

    seconds: float
    cpu: float
    driver: float
    worker: float
    memory: float


def is_worker(line: str) -> bool:
    """Whether a process computes a share: one of the shell's, of Ray's, or of Spark's."""
    return line.startswith("ray::") or " --shard " in line or "pyspark.daemon" in line or "pyspark/daemon" in line


def cost(way: str, data: Path) -> tuple[str, Cost]:
    """Run a way of computing; return its output and what it took."""
    states = emptied(HOME / "states")
    text = WAYS[way].format(
        lossctl=LOSSCTL, data=data, question=QUESTION, shares=SHARES, cores=CORES, states=shlex.quote(str(states))
    )
    peaks, spent = {"driver": 0.0, "worker": 0.0, "memory": 0.0}, dict[int, float]()

    def look(root: int) -> None:
        family = below(root)
        for number, process in family.items():
            spent[number] = process.cpu
            role = "worker" if is_worker(process.line) else "driver" if "bin/lossctl" in process.line else ""
            if role:
                peaks[role] = max(peaks[role], process.peak)
        peaks["memory"] = max(peaks["memory"], together([*family]))

    ended = run(["bash", "-c", text], look, 0.1)
    return ended.text, Cost(ended.seconds, sum(spent.values()), **peaks)


def rounds_of(sizes: Mapping[int, Path], rounds: int) -> dict[tuple[str, int], Cost]:
    """Run all ways in turns; return the median cost of each with each number of rows. All must print the same."""
    costs = defaultdict[tuple[str, int], list[Cost]](list)
    for turn in range(rounds):
        for rows, data in sizes.items():
            texts = {}
            for way in WAYS:
                if way == "Spark" and shutil.which("java") is None:
                    continue
                texts[way], spent = cost(way, data)
                costs[way, rows].append(spent)
                print(f"  round {turn + 1}, {rows} rows, {way}: {spent.seconds:.1f} s", flush=True)
            if len(set(texts.values())) > 1:
                raise SystemExit(f"{rows} rows: some bytes differ")
    return {key: Cost(*map(median, zip(*entries, strict=True))) for key, entries in costs.items()}


def duration(seconds: float) -> str:
    """Write seconds in the unit that people would use."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def table(rows: int, rounds: int) -> None:
    """Measure, and print the table, the projection, and what limits."""
    few, many = parts(rows), rows * TIMES
    sizes = {TINY: parts(TINY), rows: few, many: linked(few, TIMES)}
    costs = rounds_of(sizes, rounds)
    ways = [way for way in WAYS if (way, TINY) in costs]
    print(f"\nmedians of {rounds} rounds in turns, {CORES} processors; {FILES} files, and the same {TIMES} times\n")
    heads = ["", "start", f"{rows:,} rows", "CPU", f"{many:,} rows", "CPU", "driver MiB", "worker MiB", "all MiB"]
    heads += [f"{far:.0e} rows".replace("e+", "e") for far in FAR]
    print("| " + " | ".join(heads) + " |\n|" + "---|" + "---:|" * (len(heads) - 1))
    for way in ways:
        start, small, large = (costs[way, size] for size in sizes)
        slope = max(large.seconds - small.seconds, 0.0) / (many - rows)
        cells = [way, duration(start.seconds)]
        for spent in (small, large):
            cells += [duration(max(spent.seconds - start.seconds, 0.0)), duration(spent.cpu)]
        cells += [f"{max(small[i], large[i]):.0f}" for i in (2, 3, 4)]
        cells += [duration(large.seconds + slope * (far - many)) if slope else "too few rows" for far in FAR]
        print("| " + " | ".join(cells) + " |")
    print("\nrun times are without the start; the last columns go on with the slope between the two sizes, on as many")
    print(
        f"processors. Of {many:,} rows on, processors that are busy, and rows a second and processor beyond the start:"
    )
    for way in ways:
        start, small, large = (costs[way, size] for size in sizes)
        more, wait = large.cpu - small.cpu, large.seconds - small.seconds
        speed = "too few rows to tell"
        if min(more, wait) > 0:
            speed = f"{more / CORES / wait:4.0%} busy, {(many - rows) / more / 1e6:5.1f} million rows/s"
        print(f"  {way:18} {speed}, CPU of a start {start.cpu:.1f} s")
    for way in ("one process", "shares, xargs -P"):
        _, spent = cost(way, linked(sizes[TINY], MANY // FILES))
        opens = (spent.cpu - costs[way, TINY].cpu) / (MANY - FILES)
        print(f"  {way:18} {1000 * opens:.2f} ms CPU for each file more{f', in {SHARES} shares' * ('sh' in way)}")
