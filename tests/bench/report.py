"""What was measured, as text for people and as JSON."""

from __future__ import annotations

import json
import os
import platform
import resource
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.measure import MAXRSS_PER_MIB, Run
from tests.bench.workloads import PEERS, Runs, Workload, best_peer

PACKAGES = ("lossctl", "numpy", "pyarrow", "duckdb", "polars", "scikit-learn", "pandas")


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_model() -> str:
    """The name that the processor gives itself."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def surroundings() -> dict[str, Any]:
    """Where and with what was measured."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": cpu_model(),
            "cores": usable_cores(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "os": platform.platform(),
        },
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }


def medians(runs: list[Run]) -> dict[str, float]:
    """Over the rounds, each for itself."""
    return {
        "wall_s": median(run.wall for run in runs),
        "cpu_s": median(run.cpu for run in runs),
        "peak_mib": median(run.peak for run in runs),
    }


def record(workload: Workload, runs: Runs) -> dict[str, Any]:
    """One workload's part of the JSON: raw measurements, figures and goals."""
    figures = workload.figures(workload.contestants, runs)
    return {
        "workload": workload.key,
        "title": workload.title,
        "files": [{"path": str(file), "rows": file.rows, "bytes": file.path.stat().st_size} for file in workload.files],
        "contestants": {
            contestant.name: {
                "command": [Path(contestant.command[0]).name, *contestant.command[1:]],
                "median": medians(runs[contestant.name]),
                "wall_s": [run.wall for run in runs[contestant.name]],
                "cpu_s": [run.cpu for run in runs[contestant.name]],
                "peak_mib": [run.peak for run in runs[contestant.name]],
            }
            for contestant in workload.contestants
        },
        "peaks_begin_at_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_PER_MIB,
        "best_peers": {figure: best_peer(workload.contestants, runs, peer) for figure, peer in PEERS.items()},
        "figures": figures,
        "goals": [
            {
                "figure": goal.figure,
                "goal": goal.limit_text,
                "value": figures.get(goal.figure),
                "met": goal.met(figures),
            }
            for goal in workload.goals
        ],
    }


def heading(found: Mapping[str, Any]) -> str:
    """Machine and versions in two lines."""
    machine = found["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['os']}\n{versions}\n"


def table(part: Mapping[str, Any]) -> str:
    """One workload: medians of every contestant, the first one's times over theirs, other figures, goals."""
    contestants, figures = part["contestants"], part["figures"]
    subject = next(iter(contestants))
    over = {name: [f"{time} / {name}" for time in ("wall", "cpu")] for name in contestants}
    over = {name: ratios for name, ratios in over.items() if ratios[0] in figures}
    width = max(map(len, contestants))
    lines = [
        f"{part['workload']}  {part['title']}; medians of {len(contestants[subject]['wall_s'])} rounds",
        f"    {'':{width}}   wall s    cpu s   peak MiB" + (f"   {subject} / it: wall, cpu" if over else ""),
    ]
    for name, contestant in contestants.items():
        middle = contestant["median"]
        ratio = "   " + " ".join(f"{figures[figure]:.2f}" for figure in over[name]) if name in over else ""
        lines.append(
            f"    {name:{width}} {middle['wall_s']:8.3f} {middle['cpu_s']:8.3f} {middle['peak_mib']:10.1f}{ratio}"
        )
    goals = {goal["figure"]: goal for goal in part["goals"]}
    words = {True: "met", False: "missed", None: "not measured"}
    tabled = {figure for ratios in over.values() for figure in ratios}
    for figure in [*goals, *(figure for figure in figures if figure not in {*goals, *tabled})]:
        value = figures.get(figure)
        shown = "-" if value is None else f"{value:.0f}" if figure.startswith(("peak MiB", "µs")) else f"{value:.3f}"
        name = f"{figure}, {part['best_peers'][figure]}" if figure in part["best_peers"] else figure
        goal = f"   goal {goals[figure]['goal']}: {words[goals[figure]['met']]}" if figure in goals else ""
        lines.append(f"    {name}: {shown}{goal}")
    return "\n".join(lines) + "\n"


def save(path: Path, result: Mapping[str, Any]) -> None:
    """Write the JSON, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    partial.replace(path)
