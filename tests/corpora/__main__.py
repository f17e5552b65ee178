"""Judge every text file of downloaded corpora: right, rest, refused, wrong, crash or hang.

    LOSSCTL_CORPORA=~/corpora make corpora

Each file is read in a process of its own, by default and with --bad-rows drop, and compared with Python's strict
readers (`oracle`); files of other formats are read to their end. Without a folder the generated kinds are judged.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from lossctl.errors import DataError, UsageError
from lossctl.io.csv import CsvTable
from lossctl.io.jsonl import JsonTable
from lossctl.io.open import open_table
from lossctl.io.source import STANDARD
from lossctl.io.table import Kind, decoded
from tests.corpora.oracle import Verdict, judged
from tests.corpora.pollutions import polluted_files

SECONDS: Final = 60  # after which a file counts as a hang
OUTCOMES: Final = ("right", "rest", "refused", "wrong", "crash", "hang")
WAYS: Final = ("error", "drop")


def verdict(path: Path, way: str) -> Verdict:
    """Read a file and judge it."""
    dialect = replace(STANDARD, bad_rows=way)
    try:
        table = open_table(str(path), dialect)
        if isinstance(table, CsvTable | JsonTable):
            return judged(table, dialect)
        for name in table.names:
            for _ in decoded(table.read({name: Kind.CELL})):
                pass
    except (DataError, UsageError) as error:
        return Verdict("refused", str(error))
    return Verdict("right")


def _report(path: Path, way: str, answer: Connection) -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # closed with the process
    answer.send(tuple(verdict(path, way)))


def outcome(path: Path, way: str) -> tuple[str, str]:
    """Judge a file in another process, which may end by itself or never."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(path, way, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(SECONDS):
            return "hang", f"more than {SECONDS} s"
        name, why, _ = receiver.recv()
    except EOFError:
        process.join()
        return "crash", f"exit code {process.exitcode}"
    finally:
        process.kill()
        process.join()
    return str(name), str(why)


def corpus(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files below a folder, each with the folder of the corpus it is of."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(folder).parts[0], path


def main(folder: Path) -> int:
    """Print the table, and what is wrong; return 1 if anything is."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    faults: list[str] = []
    for name, path in corpus(folder):
        for way in WAYS:
            result, why = outcome(path, way)
            counts.setdefault((name, way), Counter())[result] += 1
            if result in ("wrong", "crash", "hang"):
                faults.append(f"{result}: {path} (--bad-rows {way}): {why}")
    width = max((len(name) for name, _ in counts), default=0)
    print(f"{'corpus':{width}}  bad rows  files  " + "  ".join(f"{name:>7}" for name in OUTCOMES))
    for (name, way), count in counts.items():
        cells = "  ".join(f"{count[result]:7}" for result in OUTCOMES)
        print(f"{name:{width}}  {way:8}  {sum(count.values()):5}  {cells}")
    print(*faults, sep="\n")
    return int(bool(faults))


if __name__ == "__main__":
    if place := os.environ.get("LOSSCTL_CORPORA", ""):
        sys.exit(main(Path(place).expanduser()))
    with tempfile.TemporaryDirectory() as temporary:
        kinds = Path(temporary) / "generated"
        kinds.mkdir()
        for number, file in enumerate(polluted_files()):
            (kinds / f"{number}.csv").write_bytes(file.content)
        sys.exit(main(Path(temporary)))
