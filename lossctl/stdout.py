"""Standard output kept for data: what plug-ins and libraries in C print while lossctl works goes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def descriptor_aside() -> Iterator[None]:
    """Turn the descriptor of standard output to standard error, for what libraries in C and child processes write."""
    flush()
    try:
        stdout = os.dup(1)
    except OSError:  # it is closed
        yield
        return
    try:
        with suppress(OSError):  # there is no standard error
            os.dup2(2, 1)
        yield
    finally:
        flush()
        os.dup2(stdout, 1)
        os.close(stdout)


def flush() -> None:
    """Write out what Python still buffers for standard output."""
    with suppress(OSError, ValueError, AttributeError):
        sys.__stdout__.flush()  # type: ignore[union-attr]  # None where there is none
