"""Between two checkouts: does every command print the same bytes, end with the same code and write the same files?

`python -m tests.between OLD NEW` runs in both the commands of OLD's README and help, those listed here, and
`losses show` of each of OLD's losses: as they stand, and with `-f json`. Help pages are not compared. One interpreter
runs both; the sample data are OLD's.

What must differ is left out: the clock is pinned by SOURCE_DATE_EPOCH, each checkout's own version number is shown
as VERSION, and the line of `-v` that says where time went as TIMES. `--only TEXT` takes the commands that hold TEXT.

A command without pipes runs in a process forked from one that has imported the package, one with pipes in a shell.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.transcript import ONCE, commands, environment

MOST_LINES = 40  # of a difference
SHELL = re.compile(r"[|&;<>$*?~`\n]|^\w+=")  # what a shell makes something of
FORMAT = re.compile(r" (-f|--format)[ =]\w+")
TIMES = re.compile(r"^lossctl: [\d.]+ s, .*$", re.MULTILINE)
VERBS = ("eval", "compare", "check", "diff", "validate", "losses list", "losses show", "losses choose")

DIABETES = "sample_data/diabetes.csv -t progression -p linear"
CANCER = "sample_data/breast_cancer.csv -t diagnosis --positive-label malignant -p logistic -p forest"
WINE = "sample_data/wine.csv -t cultivar -p 'logistic=logistic_*' -p 'forest=forest_*'"
DIGITS = "sample_data/digits.parquet -t digit -p 'softmax=softmax_*' -p 'mlp=mlp_*' --activation softmax"
VISITS = "sample_data/doctor_visits.parquet -t visits -p poisson -p boosted"
BUILT_IN = [
    f"lossctl eval {DIABETES} -l rmse -o main.json -o main.csv -o main.md",
    f"lossctl eval {DIABETES} -l rmse -l mae --by age_band -o candidate.json",
    *(f"lossctl eval {DIABETES} -p forest -l mse -l p90=quantile:q=0.9 --by age_band -f {form}" for form in
      ("table", "long", "csv", "jsonl", "md", "value")),
    *(f"lossctl compare {DIABETES} -p forest -l mae -f {form}" for form in ("csv", "jsonl", "md", "value")),
    *(f"lossctl check {DIABETES} --max rmse=55 --min r2=0.9 -f {form}" for form in
      ("csv", "jsonl", "md", "junit", "github", "value")),
    f"lossctl check {DIABETES} --max rmse=55 --min r2=0.9 -o check.md -o check.xml",
    "lossctl diff main.json candidate.json -f csv",
    "lossctl diff main.json candidate.json -f md",
    "lossctl losses list -f md",
    f"lossctl eval {DIABETES} -l mse -v",
    f"lossctl eval {DIABETES} -l mse --no-ci --digits 12 --color always",
    f"lossctl eval {DIABETES} -l mae --rows-out rows.csv --with-grad",
    *(f"lossctl {verb} {data}" for data in (CANCER, WINE, DIGITS, VISITS) for verb in ("eval", "compare", "validate")),
    f"lossctl losses choose {VISITS.replace(' -p poisson', '')}",
    f"lossctl losses choose {CANCER.replace(' -p logistic', '')}",
    "lossctl losses choose sample_data/wine.csv -t cultivar -p 'forest=forest_*'",
    f"lossctl compare {DIABETES} -p forest -l mae --ci-method bootstrap --seed 1 --resamples 200",
    "lossctl check --config ci.toml",
    "lossctl check --config ci.toml --show-config",
    f"LOSSCTL_DIGITS=3 lossctl eval {DIABETES} -l mse",
    f"lossctl eval {DIABETES} -l no_such_loss",
    f"lossctl eval {DIABETES} --digits 99",
    f"lossctl eval {DIABETES} --no-such-option",
    f"lossctl eval {DIABETES} -l huber:delta=-1",
    f"lossctl eval {DIABETES} --max-memory 1 -l medae",
    f"lossctl eval {DIABETES} --max-memory much",
    f"lossctl eval {DIABETES} -t progression",
    "lossctl eval missing.csv -t y -p p",
    "lossctl eval sample_data/diabetes.csv -t progression -p nobody",
    "lossctl check sample_data/diabetes.csv -t progression -p linear --baseline missing.json --max-regression rmse=1%",
    "lossctl losses show no_such_loss",
    "lossctl no_such_command",
    "lossctl --version",
    "lossctl",
]  # fmt: skip
CONFIGURATION = """files = ["sample_data/diabetes.csv"]
target = "progression"
pred = ["linear"]
digits = 4

[[check]]
loss = "rmse"
max = 55

[[check]]
loss = "r2"
min = 0.9
"""

SERVER = """
import gc, importlib, json, os, pkgutil, sys
import lossctl
from contextlib import redirect_stdout
from io import StringIO
from lossctl.__main__ import main, run
for module in pkgutil.walk_packages(lossctl.__path__, "lossctl."):
    if not module.name.endswith((".__main__", ".plugins")):
        importlib.import_module(module.name)
for name in ("pyarrow.csv", "pyarrow.json", "pyarrow.parquet"):
    importlib.import_module(name)
with redirect_stdout(StringIO()):
    assert run(["losses", "show", "mse"]) == 0  # which loads what the command line itself takes
gc.collect()
gc.freeze()  # or every child would copy what its first collection of garbage looks at
print(json.dumps([lossctl.__file__, lossctl.__version__]), flush=True)
for line in sys.stdin:
    child = os.fork()
    if not child:
        for number, name in enumerate([os.devnull, "../out", "../err"]):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(name, flags), number)
        sys.stdin, sys.argv = os.fdopen(0), ["lossctl", *json.loads(line)]
        main()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Ended(NamedTuple):
    """What a command printed, and its exit code."""

    out: str
    err: str
    code: str


class Checkout:
    """A checkout, the folder in which its commands run, and the process from which they are forked."""

    def __init__(self, root: Path, folder: Path, stack: ExitStack) -> None:
        self.work = folder / "work"
        (folder / "bin").mkdir()
        script = folder / "bin" / "lossctl"
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m lossctl "$@"\n', "utf-8")
        script.chmod(0o755)
        plain = {key: text for key, text in environment().items() if "LOSSCTL" not in key}
        path = f"{folder / 'bin'}{os.pathsep}{plain['PATH']}"
        self.environment = {**plain, "PATH": path, "PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}
        command = [sys.executable, "-c", SERVER]
        pipe = subprocess.PIPE
        self._server = stack.enter_context(
            subprocess.Popen(command, cwd=self.work, env=self.environment, stdin=pipe, stdout=pipe, encoding="utf-8")
        )
        assert self._server.stdin is not None
        stack.callback(self._server.stdin.close)
        file, self.version = json.loads(self._answer())
        assert Path(file).is_relative_to(root), f"{file} is not of {root}"

    def _answer(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline()

    def run(self, command: str) -> Ended:
        """Run a command as a shell would."""
        out, err = self.work.parent / "out", self.work.parent / "err"
        if SHELL.search(re.sub("'[^']*'", "", command)):
            with out.open("wb") as stdout, err.open("wb") as stderr:
                ended = subprocess.run(
                    ["bash", "-c", command],
                    cwd=self.work,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    check=False,
                )
            code = str(ended.returncode)
        else:
            assert self._server.stdin is not None
            self._server.stdin.write(json.dumps(shlex.split(command)[1:]) + "\n")
            self._server.stdin.flush()
            code = self._answer().strip()
        return Ended(self.text(out), self.text(err), f"exit {code}\n")

    def text(self, file: Path) -> str:
        """Return what a file holds, without what must differ between checkouts."""
        text = file.read_bytes().decode("utf-8", "backslashreplace").replace(self.version, "VERSION")
        return TIMES.sub("lossctl: TIMES", text)

    def files(self) -> dict[str, str]:
        """Return what the commands have written."""
        return {file.name: self.text(file) for file in self.work.iterdir() if file.is_file()}


@contextmanager
def checkouts(old: Path, new: Path) -> Iterator[tuple[Checkout, Checkout]]:
    """Give both checkouts, ready to run commands."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        pair = []
        for side, root in (("old", old), ("new", new)):
            work = Path(name) / side / "work"
            work.mkdir(parents=True)
            (work / "sample_data").symlink_to(old / "sample_data")
            (work / "ci.toml").write_text(CONFIGURATION, "utf-8")
            pair.append(Checkout(root, work.parent, stack))
        yield pair[0], pair[1]


def as_json(command: str) -> str:
    """Return a command with `-f json`; of a pipe, its last step."""
    head, name, tail = command.rpartition("lossctl ")
    return head + name + (FORMAT.sub(" -f json", tail) if FORMAT.search(tail) else f"{tail} -f json")


def selection(old: Path, checkout: Checkout) -> list[str]:
    """Return every command that is compared, once."""
    readme = [command for command in commands((old / "README.md").read_text("utf-8")) if not command.startswith(ONCE)]
    pages = [checkout.run(f"lossctl {verb} -h").out for verb in VERBS]
    examples = [line for page in pages for line in re.findall(r"^ +(lossctl [a-z]+ .*\S) *$", page, re.MULTILINE)]
    listing = json.loads(checkout.run("lossctl losses list -f json").out)
    shows = [f"lossctl losses show {loss['name']}" for loss in listing["losses"]]
    printed = [*BUILT_IN, *readme, *(line for line in examples if line.split()[1] in " ".join(VERBS).split()), *shows]
    return list(dict.fromkeys(form for command in printed for form in (command, as_json(command))))


def difference(old: Iterable[str], new: Iterable[str], parts: Iterable[str]) -> list[str]:
    """Return the lines in which the texts differ, no more than `MOST_LINES`."""
    lines: list[str] = []
    for before, after, part in zip(old, new, parts, strict=True):
        if before != after:
            texts = before.splitlines(), after.splitlines()
            lines += difflib.unified_diff(*texts, f"old {part}", f"new {part}", lineterm="", n=1)
            lines += [] if texts[0] != texts[1] else [f"{part}: ends of lines differ"]
    more = len(lines) - MOST_LINES
    return [*lines[:MOST_LINES], f"... {more} lines more"] if more > 0 else lines


def compare(old: Path, new: Path, only: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command, or file that they have written, and the lines in which the checkouts differ."""
    with checkouts(old, new) as (before, after):
        for command in selection(old, before):
            if only in command:
                yield command, difference(before.run(command), after.run(command), Ended._fields)
        files = before.files(), after.files()
        for name in sorted(files[0].keys() | files[1].keys()):
            texts = [written.get(name, "not written\n") for written in files]
            yield f"file {name}", difference(texts[:1], texts[1:], [name])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.between", description="Compare what two checkouts print.")
    parser.add_argument("old", type=Path, help="a folder with a checkout")
    parser.add_argument("new", type=Path, help="another")
    parser.add_argument("--only", default="", metavar="TEXT", help="commands that hold TEXT")
    parser.add_argument("-q", "--quiet", action="store_true", help="leave out what is the same")
    arguments = parser.parse_args()
    total = differ = 0
    for name, lines in compare(arguments.old.resolve(), arguments.new.resolve(), arguments.only):
        total += 1
        differ += bool(lines)
        if lines or not arguments.quiet:
            print(f"{'differs' if lines else 'same':9}{name}", *(f"    {line}" for line in lines), sep="\n", flush=True)
    print(f"{total} compared, {differ} differ")
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
