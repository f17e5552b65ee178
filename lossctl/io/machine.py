"""The machine: the processors and the memory that this process may use, limits of its control groups included."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
LEAST_ADDRESS_SPACE = 384 << 20  # bytes: NumPy and Arrow take 300 MB of it before they do anything
FEW_THREADS = 1 << 30  # bytes of address space below which there is one thread
FRUGAL = {"ARROW_DEFAULT_MEMORY_POOL": "system", "ARROW_IO_THREADS": "1", "OMP_NUM_THREADS": "1"}
M_ARENA_MAX = -8  # of the C library: how many heaps threads may have
ATTRIBUTES = 256  # bytes, at least, of what describes a thread
STACK = 2 << 20  # bytes of a thread's stack
PRODUCT = 64  # rows of a matrix that OpenBLAS takes its buffer for


def usable_cores(root: Path = ROOT) -> int:
    """Return how many processors this process may use, at least one; one where there is little address space."""
    if (address_space() or FEW_THREADS) < FEW_THREADS:
        return 1
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [*_quotas(root)]
    return max(1, min(count, *(math.ceil(quota) for quota in quotas)) if quotas else count)


def address_space() -> int | None:
    """Return how many bytes of address space `ulimit -v` leaves this process, None where nothing bounds it."""
    try:
        import resource
    except ImportError:  # a system without such limits
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def spare_address_space() -> None:
    """Reserve no more address space than is used; to be called, where it is bounded, before Arrow is imported.

    Arrow's pools, and the C library's heap and stack for each thread, reserve what they never use. OpenBLAS ends the
    process where it finds no room for its buffer, so that is taken first.
    """
    for name, setting in FRUGAL.items():
        os.environ.setdefault(name, setting)
    import ctypes

    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_ARENA_MAX, 1)
    if hasattr(library, "pthread_setattr_default_np"):
        attributes = ctypes.create_string_buffer(ATTRIBUTES)
        library.pthread_attr_init(attributes)
        library.pthread_attr_setstacksize(attributes, ctypes.c_size_t(STACK))
        library.pthread_setattr_default_np(attributes)
    import numpy as np

    square = np.ones((PRODUCT, PRODUCT))
    np.dot(square, square)


def free_memory(root: Path = ROOT) -> int | None:
    """Return how many bytes this process can still take without swapping, None where nothing tells."""
    limits = [*_limits(root)]
    if (limit := address_space()) is not None and (pages := _text(root / "proc/self/statm").split()):
        limits.append(limit - int(pages[0]) * os.sysconf("SC_PAGE_SIZE"))
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
