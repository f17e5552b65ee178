"""The machine: the processors and the memory that this process may use, limits of its control groups included."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def usable_cores(root: Path = ROOT) -> int:
    """Return how many processors this process may use, at least one."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [*_quotas(root)]
    return max(1, min(count, *(math.ceil(quota) for quota in quotas)) if quotas else count)


def free_memory(root: Path = ROOT) -> int | None:
    """Return how many bytes this process can still take without swapping, None where nothing tells."""
    limits = [*_limits(root)]
    lines = _text(root / "proc/meminfo").splitlines()
    limits += [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
    return max(0, min(limits)) if limits else None


def _groups(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield version and folder of each control group that this process is in, its parents too."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(",") if controllers else [""]:
            top = root / "sys/fs/cgroup" / name
            folder = top / path.lstrip("/")
            while True:
                yield name, folder
                if folder == top or top not in folder.parents:
                    break
                folder = folder.parent


def _quotas(root: Path) -> Iterator[float]:
    for name, folder in _groups(root):
        if name == "":
            quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
        elif name == "cpu":
            quota, period = _text(folder / "cpu.cfs_quota_us").strip(), _text(folder / "cpu.cfs_period_us").strip()
        else:
            continue
        if quota.isdecimal() and period.isdecimal() and int(period):
            yield int(quota) / int(period)


def _limits(root: Path) -> Iterator[int]:
    files = {"": ("memory.max", "memory.current"), "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes")}
    for name, folder in _groups(root):
        if name in files:
            most, now = (_text(folder / file).strip() for file in files[name])
            if most.isdecimal() and now.isdecimal():
                yield int(most) - int(now)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
