"""Faults of the machine: cases, what ends each, and the classes of endings that `make faults` counts.

A case is a bash script, run in a folder of its own that holds the same small inputs for all. It is *right* if it ends
as without the fault, *refused* if one line says why and names the file, *wrong* if a number, a code or a file is not
what it must be, and else a *crash* or a *hang*.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple

Class = Literal["right", "refused", "wrong", "crash", "hang"]
LIMIT: Final = 10.0  # seconds until a case hangs
CREATED: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\dZ)?")
ERROR: Final = "lossctl: error: "


class Case(NamedTuple):
    """A fault, and what it must come to.

    codes: the exit codes that will do. says: what the error line must name, empty where none is due. like: a script
    without the fault that prints what this one must print. within: seconds that it may take.
    """

    group: str
    name: str
    script: str
    codes: tuple[int, ...]
    says: str = ""
    like: str = ""
    within: float = LIMIT


class Ending(NamedTuple):
    """How a script ended: its exit code, None where it had to be killed, what it printed, and the seconds it took."""

    code: int | None
    out: str
    err: str
    seconds: float


class Verdict(NamedTuple):
    """The class of an ending, and why it is not what it must be, empty where it is."""

    kind: Class
    why: str = ""


def ending(script: str, folder: Path, limit: float = LIMIT, python: str = sys.executable) -> Ending:
    """Run a bash script in a folder, with the `lossctl` of a Python on the path."""
    spools = folder / "tmp"
    spools.mkdir(exist_ok=True)
    path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "TMPDIR": str(spools)}
    environment.pop("PYTHONPATH", None)
    begun = time.monotonic()
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=limit)
        code: int | None = process.returncode
    except subprocess.TimeoutExpired:
        code = None
    seconds = time.monotonic() - begun
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what the script left in the background
    if code is None:
        out, err = process.communicate()
    return Ending(code, out, err, seconds)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the regular files of a folder, without the links, by name."""
    return {
        entry.name: entry.read_bytes()
        for entry in sorted(folder.iterdir())
        if entry.is_file() and not entry.is_symlink() and os.access(entry, os.R_OK)
    }


def judged(case: Case, end: Ending, folder: Path, inputs: Mapping[str, bytes], answer: str | None = None) -> Verdict:
    """Class an ending. inputs: the files as they were. answer: what the case must print, where it must be right."""
    if end.code is None:
        return Verdict("hang", f"after {end.seconds:.1f} s")
    if (
        "Traceback" in end.err
        or "internal error" in end.err
        or end.code == 70
        or end.code < 0
        or 132 <= end.code <= 139
    ):
        return Verdict("crash", f"code {end.code}: {end.err.strip().splitlines()[-1] if end.err.strip() else ''}")
    if end.seconds > case.within:
        return Verdict("hang", f"{end.seconds:.1f} s, {case.within} s are allowed")
    remnants = [path.name for path in [*folder.glob(".lossctl-*"), *(folder / "tmp").iterdir()]]
    if remnants:
        return Verdict("wrong", f"{', '.join(remnants)} left behind")
    changed = [name for name, content in contents(folder).items() if name in inputs and content != inputs[name]]
    if changed:
        return Verdict("wrong", f"{', '.join(changed)} changed")
    if end.code not in case.codes:
        last = end.err.strip().splitlines()[-1] if end.err.strip() else "nothing said"
        return Verdict("wrong", f"code {end.code}, not {' or '.join(map(str, case.codes))}: {last}")
    errors = [line for line in end.err.splitlines() if line.startswith(ERROR)]
    if case.says and end.code in (2, 3, 4):
        if len(errors) != 1 or case.says not in errors[0]:
            return Verdict("wrong", f"no line that names {case.says!r}: {errors or end.err!r}")
        return Verdict("refused")
    if answer is not None and CREATED.sub("", end.out) != CREATED.sub("", answer):
        return Verdict("wrong", f"printed {end.out[:60]!r}, not {answer[:60]!r}")
    return Verdict("right")
