"""Calls that fail: `strace` lets the n-th call on a file return an error, for n = 1, 2, ... until none fails."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from lossctl.api.shares import State
from tests.faults import Case, Ending, Verdict, contents, ending, judged
from tests.faults.inputs import MSE, ROWS, make

STRACE: Final = shutil.which("strace")
CALLS: Final = ("openat", "newfstatat", "fstat", "read", "pread64", "lseek", "close", "mmap", "ioctl")
WRITES: Final = ("write", "pwrite64", "fsync", "rename", "fchmod", "ftruncate", "unlink", "openat", "close", "lseek")
GROUP: Final = "7 calls that fail"
MOST: Final = 60  # calls of a kind that are let fail
INJECTED: Final = "(INJECTED)"
UNFINISHED: Final = "<unfinished ...>"
BASELINE: Final = "lossctl check rows.csv -t y -p p --baseline {} --max-regression mse=2% -f value"
REPORT: Final = "lossctl eval rows.csv -t y -p p -l mse -f json > report.json; "
TWO_REPORTS: Final = REPORT + "cp report.json later.json; "
STATES: Final = "for i in 1 2; do lossctl eval rows.csv -t y -p p -l mse --shard $i/2 --state-out $i.state; done; "
PLAIN_CALLS: Final = ("openat", "newfstatat", "read", "pread64", "lseek", "close")


class Fault(NamedTuple):
    """A command, the file on which calls fail, and the calls.

    says: what an error names. marks: for a file without a name that can be told before, how lines of a trace tell it.
    """

    name: str
    prepare: str
    command: str
    file: str
    calls: tuple[str, ...] = CALLS
    error: str = "EIO"
    says: str = ""
    marks: str = ""


READS: Final = [
    *(
        Fault(f"eval {file}", "", f"lossctl eval {file} {MSE}", file)
        for file in ("rows.csv", "rows.csv.gz", "rows.jsonl", "rows.parquet", "rows.arrow", "rows.npz", "packed.npz")
    ),
    Fault("eval of an array", "", "lossctl eval pred.npy --targets target.npy -p pred -l mse -f value", "pred.npy"),
    Fault("eval of a part", "", f"lossctl eval parts {MSE}", "parts/part-1.csv", says="parts"),
    Fault("eval of a folder", "", f"lossctl eval parts {MSE}", "parts"),
    Fault("join", "", "lossctl eval rows.csv b=preds.csv -t y -p p --id k -l mse -f value", "preds.csv"),
    Fault("standard input", "", f"lossctl eval - {MSE} < rows.csv", "rows.csv", says="standard input"),
    Fault("validate", "", "lossctl validate rows.csv -t y -p p -f json", "rows.csv"),
    Fault("validate of Parquet", "", "lossctl validate rows.parquet -t y -p p -f json", "rows.parquet"),
    Fault("validate of an archive", "", "lossctl validate rows.npz -t y -p p -f json", "rows.npz"),
    Fault("report", "", "lossctl report rows.csv -t y -p p -l mse", "rows.csv", PLAIN_CALLS),
    Fault("merge", STATES, "lossctl merge 1.state 2.state -f value", "2.state", PLAIN_CALLS),
    Fault("history", TWO_REPORTS, "lossctl plot history report.json later.json -f json", "later.json", PLAIN_CALLS),
    Fault("choose", "", "lossctl losses choose rows.csv -t y -f json", "rows.csv"),
    Fault("--config", "", "lossctl eval rows.csv --config settings.toml", "settings.toml"),
    Fault("lossctl.toml", "cp settings.toml lossctl.toml; ", "lossctl eval rows.csv", "lossctl.toml"),
    Fault("a report as baseline", REPORT, BASELINE.format("report.json"), "report.json"),
    Fault("an optional baseline", REPORT, BASELINE.format("report.json") + " --baseline-optional", "report.json"),
    Fault("predictions as baseline", "cp rows.csv other.csv; ", BASELINE.format("other.csv"), "other.csv"),
    Fault("diff", REPORT + "cp report.json later.json; ", "lossctl diff report.json later.json -f csv", "later.json"),
    Fault("check of a report", REPORT, "lossctl check report.json --max mse=100 -f value", "report.json"),
    Fault(
        "class weights",
        "",
        "lossctl eval classes.csv -t y -p 'p_*' -l cce:class_weight=@weights.json -f value",
        "weights.json",
    ),
]
# of the temporary file beside an output, and of their folder
BESIDE: Final = r'\.lossctl-|"[^"]*/faults-[^/"]*"|\(\d+<[^>]*/faults-[^/>]*>'
SPOOL: Final = r"tmp/#\d+|lossctl-spool"
OUTPUTS: Final = [
    Fault(name, prepare, command, file, WRITES, error, file, marks)
    for error in ("ENOSPC", "EDQUOT")
    for name, prepare, command, file, marks in (
        ("-o", "", f"lossctl eval rows.csv {MSE} -o json:out.json", "out.json", BESIDE),
        (
            "-o over a file",
            "cp old.txt out.json; ",
            f"lossctl eval rows.csv {MSE} -o json:out.json",
            "out.json",
            BESIDE,
        ),
        ("--rows-out", "", f"lossctl eval rows.csv {MSE} --threads 1 --rows-out out.parquet", "out.parquet", BESIDE),
        ("--rows-out of CSV", "", f"lossctl eval rows.csv {MSE} --threads 1 --rows-out out.csv", "out.csv", BESIDE),
        (
            "--save-baseline",
            "",
            "lossctl check rows.csv -t y -p p --max mse=99 --save-baseline out.json -f value",
            "out.json",
            BESIDE,
        ),
        ("a page", "", "lossctl eval rows.csv -t y -p p -l mse -f value -o html:out.html", "out.html", BESIDE),
        (
            "--state-out",
            "",
            "lossctl eval rows.csv -t y -p p -l mse --shard 1/2 --state-out out.state",
            "out.state",
            BESIDE,
        ),
        ("spooled standard input", "", f"lossctl eval - {MSE} < rows.csv", "standard input", SPOOL),
    )
]


def traced(fault: Fault, options: str, folder: Path, python: str) -> tuple[Ending, list[str]]:
    """Run a command under `strace` with some options; return its end, and the lines of the trace."""
    log = folder / "trace"
    command = fault.command.replace("lossctl", f"strace --seccomp-bpf -f -q -y -o {log} {options} lossctl", 1)
    end = ending(fault.prepare + command, folder, limit=30, python=python)
    text = log.read_text(errors="replace") if log.exists() else ""
    log.unlink(missing_ok=True)
    return end, joined(text)


def joined(trace: str) -> list[str]:
    """Return the lines of a trace, the two of a call that another thread's line parts as one."""
    lines: list[str] = []
    parts: dict[str, str] = {}  # thread -> the first part of its call
    for line in trace.splitlines():
        thread, _, text = line.partition(" ")
        if text.endswith(UNFINISHED):
            parts[thread] = line.removesuffix(UNFINISHED)
        else:
            lines.append(parts.pop(thread, "") + line)
    return lines


def places(fault: Fault, call: str, python: str) -> list[int]:
    """Return which calls of a kind concern the output, whose temporary file has a name that nobody can tell before."""
    with made() as folder:
        _, lines = traced(fault, f"-e trace={call}", folder, python)
    calls = [line for line in lines if re.search(rf"\b{call}\(", line)]
    return [place for place, line in enumerate(calls, 1) if re.search(fault.marks, line)]


@contextmanager
def made() -> Iterator[Path]:
    """Give a folder with the inputs."""
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        make(Path(name))
        yield Path(name)


def answer(fault: Fault, python: str) -> str:
    """Return what a command prints when no call fails."""
    with made() as folder:
        plain = ending(fault.prepare + fault.command, folder, python=python)
    assert plain.code == 0, plain
    return plain.out


def struck(fault: Fault, call: str, place: int, printed: str, python: str) -> Verdict | None:
    """Let the n-th call of a kind fail, and class the end; None where there is none that concerns the file."""
    with made() as folder:
        error = fault.error if call in ("write", "pwrite64") else "EIO"
        limits = "" if fault.marks else f"-P {folder}/{fault.file} -P {fault.file}"  # as each is written in a call
        inputs = contents(folder)
        options = f"-e trace={call} {limits} -e inject={call}:error={error}:when={place}"
        end, lines = traced(fault, options, folder, python)
        hits = [line for line in lines if INJECTED in line]
        if not hits or not all(re.search(fault.marks, hit) for hit in hits):  # each thread counts its own calls
            return None
        case = Case(GROUP, fault.name, fault.command, (0, 2, 3, 4), fault.says or fault.file)
        verdict = judged(case, end, folder, inputs, printed)
        halves = [path.name for path in folder.glob("out.*") if not whole(path)]
        if halves and not verdict.why:
            return Verdict("wrong", f"half of {halves[0]}, code {end.code}")
        return verdict


def runs(fault: Fault, python: str) -> Iterator[tuple[str, Verdict]]:
    """Let the first call on a file fail, then the second, and so on until there is none."""
    printed = answer(fault, python)
    for call in fault.calls:
        for place in places(fault, call, python) if fault.marks else range(1, MOST):
            verdict = struck(fault, call, place, printed, python)
            if verdict is not None:
                yield f"{fault.name}: {call} {place}", verdict
            elif not fault.marks:
                break


def whole(path: Path) -> bool:
    """Whether an output is all that it should be, or what stood there before."""
    content = path.read_bytes()
    if path.suffix == ".html":
        return content.endswith(b"</html>\n")
    if path.suffix == ".state":
        return bool(State.read(str(path)))
    if path.suffix == ".parquet":
        return content[-4:] == b"PAR1"
    rows = content.count(b"\n") == ROWS + 1 if path.suffix == ".csv" else content.endswith(b"}\n")
    return rows or content == b"an older result\n"
