"""Heap: memory that was freed is kept for the next array, where the C library lets a process ask for that."""

from __future__ import annotations

import ctypes
from typing import Final

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt
KEPT: Final = 1 << 28  # bytes at the end of a heap that stay with the process
LARGEST: Final = 1 << 25  # arrays up to this size come from the heap


def keep_freed_memory() -> None:
    """Let arrays of a block reuse the memory of those before: fresh pages cost more than the arithmetic on them."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library: nothing to ask, and nothing lost but time
        return
    mallopt(TRIM_THRESHOLD, KEPT)
    mallopt(MMAP_THRESHOLD, LARGEST)
