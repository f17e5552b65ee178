"""Interrupts at random moments: every command, from files and standard input, by every signal, once and twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from lossctl.api.shares import State
from lossctl.errors import DataError
from tests.faults import Verdict

ROWS: Final = 300_000
SOON: Final = 1.0  # seconds from the signal to the end
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
COMMANDS: Final = {
    "eval": "eval big.csv -t y -p p -l mse -l mae -o json:out.json",
    "eval of Parquet": "eval big.parquet -t y -p p -o json:out.json",
    "medians": "eval big.parquet -t y -p p -l median_absolute_error -l mse",
    "eval by slice": "eval big.parquet -t y -p p -l mse --by g",
    "bootstrap": "compare big.parquet -t y -p p -p q -l mse --ci-method bootstrap",
    "long bootstrap": "compare big.parquet -t y -p p -p q -l rmse -l mae --ci-method bootstrap --resamples 4000",
    "join": "compare big.parquet b=other.csv -t y -p p --id k -l mse",
    "rows": "eval big.csv -t y -p p -l mse --rows-out out.parquet",
    "rows as CSV": "eval big.parquet -t y -p p -l mse --rows-out out.csv",
    "check": "check big.csv -t y -p p --max mse=1e9 --save-baseline out.json",
    "validate": "validate big.csv -t y -p p",
    "choose": "losses choose big.csv -t y -p p",
    "plot": "plot residuals big.csv -t y -p p",
    "plot of slices": "plot slices big.parquet -t y -p p -p q -l mse --by g",
    "picture": "plot residuals big.parquet -t y -p p -o out.svg",
    "history": "plot history report.json later.json -o out.svg",
    "report": "report big.parquet -t y -p p -p q -l mse --by g -o out.html",
    "page": "eval big.csv -t y -p p -l mse -o html:out.html",
    "page of a report": "report report.json -o out.html",
    "share": "eval big.csv -t y -p p -l mse -l median_absolute_error --shard 1/2 --state-out out.state",
    "merge": "merge 1.state 2.state -o json:out.json",
    "list": "losses list",
    "help": "eval -h",
}
UNTHREADED: Final = ("help", "history", "list", "merge", "page of a report")  # which have no --threads
ENDS: Final = {"out.html": b"</html>\n", "out.svg": b"</svg>\n"}
STREAMED: Final = ("eval", "rows", "check", "validate")  # from standard input, too


class Shot(NamedTuple):
    """One run that is interrupted: the command, its threads, the signal, how often it comes, and when."""

    name: str
    streamed: bool
    threads: int
    number: signal.Signals
    times: int
    moment: float  # of the time that the run takes


def make_large(folder: Path, python: str = sys.executable) -> None:
    """Write inputs that take a while, and states and reports of them."""
    rng = np.random.default_rng(1)
    rows = np.arange(ROWS)
    target = rng.normal(size=ROWS)
    pred, other = target + rng.normal(size=ROWS), target + rng.normal(size=ROWS)
    table = pa.table({"k": rows, "g": rows % 9, "y": target, "p": pred, "q": other})
    pq.write_table(table, folder / "big.parquet")
    arrow_csv.write_csv(table, folder / "big.csv")
    arrow_csv.write_csv(table.take(rng.permutation(ROWS)), folder / "other.csv")
    (folder / "out.json").write_text("old\n")
    (folder / "tmp").mkdir()
    run = [
        str(Path(python).parent / "lossctl"),
        "eval",
        "big.parquet",
        "-t",
        "y",
        "-p",
        "p",
        "-l",
        "median_absolute_error",
    ]
    outputs = [["--shard", f"{share}/2", "--state-out", f"{share}.state"] for share in (1, 2)]
    for output in (*outputs, ["-o", "json:report.json", "-o", "json:later.json"]):
        subprocess.run([*run, *output], cwd=folder, check=True, capture_output=True)


def shots(count: int, seed: int) -> list[Shot]:
    """Draw shots at all commands in turn."""
    draw = random.Random(seed)
    names = [(name, streamed) for name in COMMANDS for streamed in (False, True) if not streamed or name in STREAMED]
    return [
        Shot(*names[i % len(names)], draw.choice((1, 2)), draw.choice(SIGNALS), draw.choice((1, 2)), draw.random())
        for i in range(count)
    ]


def words(shot: Shot, python: str) -> list[str]:
    """Return the command line of a shot."""
    arguments = COMMANDS[shot.name].split()
    if shot.streamed:
        arguments[1] = "-"
    if shot.name not in UNTHREADED:
        arguments += ["--threads", str(shot.threads)]
    return [str(Path(python).parent / "lossctl"), *arguments]


def begun(shot: Shot, folder: Path, python: str) -> subprocess.Popen[bytes]:
    """Start a run."""
    source = (folder / "big.csv").open("rb") if shot.streamed else subprocess.DEVNULL
    try:
        return subprocess.Popen(
            words(shot, python),
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder / "tmp")},
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    finally:
        if not isinstance(source, int):
            source.close()


def fired(shot: Shot, folder: Path, length: float, python: str = sys.executable, soon: float = SOON) -> Verdict:
    """Interrupt a run that takes `length` seconds, and class its end, which must come soon."""
    process = begun(shot, folder, python)
    started = time.monotonic()
    time.sleep(shot.moment * length)
    at = time.monotonic()
    for _ in range(shot.times):
        if process.poll() is None:
            process.send_signal(shot.number)
            time.sleep(0.003 if shot.moment > 0.5 else 0.0)
    try:
        _, err = process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Verdict("hang", f"{shot}")
    seconds = time.monotonic() - at
    text = err.decode(errors="replace")
    if process.returncode == -shot.number and at - started < startup(python):
        return Verdict("right")  # before the interpreter heeds anything
    if "Traceback" in text and at - started < startup(python):
        return Verdict("right")
    if "Traceback" in text or "internal error" in text or process.returncode < 0 or process.returncode == 70:
        last = text.strip().splitlines()[-1:] or [""]
        return Verdict("crash", f"code {process.returncode} at {at - started:.3f} s: {last[0]} {shot}")
    if seconds > soon:
        return Verdict("hang", f"{seconds:.2f} s to end {shot}")
    remnants = [path.name for path in [*folder.glob(".lossctl-*"), *(folder / "tmp").iterdir()]]
    for path in [*folder.glob(".lossctl-*"), *(folder / "tmp").iterdir()]:
        path.unlink()
    if remnants:
        return Verdict("wrong", f"{remnants} left behind {shot}")
    if process.returncode not in (128 + shot.number, 0):
        return Verdict("wrong", f"code {process.returncode}: {text.strip()} {shot}")
    if process.returncode == 0 and seconds > soon / 2:  # else it was at its end when the signal came
        return Verdict("wrong", f"code 0, {seconds:.2f} s after the signal {shot}")
    written = folder / "out.json"
    if not (written.read_bytes() == b"old\n" or written.read_bytes().endswith(b"}\n")):
        return Verdict("wrong", f"half of {written.name} {shot}")
    (folder / "out.json").write_text("old\n")
    for name, end in ENDS.items():
        path = folder / name
        if path.exists() and not path.read_bytes().endswith(end):
            return Verdict("wrong", f"half of {name} {shot}")
        path.unlink(missing_ok=True)
    state = folder / "out.state"
    if state.exists():
        try:
            State.read(str(state))
        except DataError:
            return Verdict("wrong", f"half of {state.name} {shot}")
        state.unlink()
    for name in ("out.parquet", "out.csv"):
        path = folder / name
        if path.exists():
            try:
                rows = (
                    pq.ParquetFile(path).metadata.num_rows if name.endswith("t") else path.read_bytes().count(b"\n") - 1
                )
            except pa.ArrowInvalid:
                rows = -1
            path.unlink()
            if rows != ROWS:
                return Verdict("wrong", f"{rows} rows in {name} {shot}")
    return Verdict("right")


_startups: dict[str, float] = {}


def startup(python: str) -> float:
    """Return the seconds until Python itself has begun, at most."""
    if python not in _startups:
        seconds = []
        for _ in range(5):
            begun_at = time.monotonic()
            subprocess.run([python, "-c", "import signal, threading"], check=True)
            seconds.append(time.monotonic() - begun_at)
        _startups[python] = sorted(seconds)[-1] * 1.2
    return _startups[python]


def length(shot: Shot, folder: Path, python: str) -> float:
    """Return the seconds that a run takes when left alone."""
    started = time.monotonic()
    process = begun(shot, folder, python)
    process.communicate(timeout=60)
    assert process.returncode == 0, (shot, process.returncode)
    for name in ("out.parquet", "out.csv", "out.state", *ENDS):
        (folder / name).unlink(missing_ok=True)
    (folder / "out.json").write_text("old\n")
    return time.monotonic() - started
