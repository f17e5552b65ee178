"""Runs whole processes and measures them.

A child's peak memory counts from the size of the process that started it, so this process imports nothing large:
data are made, files are read and values are computed by children only.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MAXRSS_PER_MIB = 1024 if sys.platform == "linux" else 1024 * 1024  # macOS counts bytes
SCRATCH = Path(".bench")
"""Environment, data and results; under the root of the repository, which is the working directory."""

SHOWN_LINES = 40
"""Of what a failed process said last."""


class Failed(Exception):
    """A process that had to succeed did not."""


@dataclass(frozen=True)
class Run:
    """What one process took."""

    wall: float
    cpu: float
    peak: float
    """MiB"""


def run(command: tuple[str, ...], output: Path, environment: Mapping[str, str]) -> Run:
    """Run a command from start to end with its standard output in a file."""
    output.parent.mkdir(parents=True, exist_ok=True)
    errors = output.with_suffix(".stderr")
    create = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(output), create, 0o644),
        (os.POSIX_SPAWN_OPEN, 2, str(errors), create, 0o644),
    ]
    start = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ | environment, file_actions=actions)
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        said = "\n".join(errors.read_text(errors="replace").splitlines()[-SHOWN_LINES:])
        raise Failed(f"{' '.join(command)}\nended with {code}\n{said}".rstrip())
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / MAXRSS_PER_MIB)


def say(text: str) -> None:
    """Tell of progress, beside the results on standard output."""
    print(text, file=sys.stderr, flush=True)
