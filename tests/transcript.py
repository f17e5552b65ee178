"""Transcripts: run every `$ command` of a Markdown file's console blocks and put its real output in place.

`python -m tests.transcript FILE...` rewrites files; the tests compare.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.warm import ROOT, forked

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
STEP = re.compile(r"^\$ (.+(?:\\\n.+)*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
SHELL = re.compile(r"[|&;<>$*?~`\n]")  # what a shell makes something of
ONCE = ("make ", "git clone", "cd ", "pip ", "python3 -m venv")  # set-up: shown, and run by whoever sets up


def environment() -> dict[str, str]:
    """Pin what the outputs depend on: no colour, a fixed clock, this interpreter's commands first."""
    plain = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return plain | {"PATH": path, "SOURCE_DATE_EPOCH": "1795478400", "PYTHONIOENCODING": "utf-8"}


@contextmanager
def place() -> Iterator[Path]:
    """Give a folder with the sample data in it, which takes what commands write."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sample_data").symlink_to(ROOT / "sample_data")
        yield folder


def run(command: str, folder: Path) -> str:
    """Run one command as a shell would; stdout and stderr as they come, the exit code if it is not 0."""
    if command.startswith("lossctl ") and not SHELL.search(re.sub("'[^']*'", "", command)):
        process = forked("-m", *shlex.split(command), cwd=folder, environment=environment(), mixed=True)
        return process.out + (f"[exit {process.code}]\n" if process.code else "")
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return ended.stdout + (f"[exit {ended.returncode}]\n" if ended.returncode else "")


def replay(text: str) -> str:
    """Return a Markdown text with the real output under each command."""

    with place() as folder:

        def step(found: re.Match[str]) -> str:
            command = found[1]
            return found[0] if command.startswith(ONCE) else f"$ {command}\n{run(command, folder)}"

        return BLOCK.sub(lambda block: "```console\n" + STEP.sub(step, block[1]) + "```", text)


def commands(text: str) -> list[str]:
    """Return every command of a Markdown text."""
    return [step[1] for block in BLOCK.finditer(text) for step in STEP.finditer(block[1])]


if __name__ == "__main__":
    for name in sys.argv[1:]:
        file = Path(name)
        file.write_text(replay(file.read_text("utf-8")), "utf-8")
