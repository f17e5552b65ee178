"""What all tests share: the command line run in this process, and small files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lossctl.__main__ import run
from lossctl.errors import ExitCode
from lossctl.results.document import SEAL, Seal

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output through a strict parser: NaN and infinities are refused."""

        def refuse(word: str) -> None:
            raise ValueError(f"{word} is no JSON")

        return json.loads(self.out, parse_constant=refuse)

    @property
    def values(self) -> list[float]:
        """The output of -f value."""
        return [float(line) for line in self.out.splitlines()]


def resealed(document: dict[str, Any]) -> str:
    """Return a report that was changed with a seal that fits, as if lossctl had written it so."""
    return json.dumps({**document, SEAL: Seal.of(document)})


Lossctl = Callable[..., Outcome]


@pytest.fixture
def lossctl(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lossctl:
    """Run the command line in this process, from the repository's root."""
    monkeypatch.chdir(ROOT)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def command(*arguments: object) -> Outcome:
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(int(code), captured.out, captured.err)

    return command


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a small file into the test's own folder and return its path."""

    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


Refused = Callable[..., str]
START = "lossctl: error: "
OLD = b"an older result\n"


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder with its content, temporary ones too."""
    return {
        str(path): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if not path.is_fifo()
    }


def error_line(err: str) -> str:
    """Return the one line that standard error must consist of, without what every error begins with."""
    assert err.startswith(START), err
    assert err.endswith("\n"), err
    assert err.count("\n") == 1, err
    assert err[:-1].isprintable(), ascii(err)
    assert "Traceback" not in err
    assert "internal error" not in err
    return err[len(START) : -1]


@pytest.fixture
def refused(lossctl: Lossctl, tmp_path: Path) -> Refused:
    """Run `lossctl eval` with outputs of every kind; hold what every refusal has in common; return its line."""

    def check(
        *arguments: object,
        code: ExitCode,
        says: Sequence[str] = (),
        row: int | None = None,
        count: int | None = None,
        once: bool = False,
    ) -> str:
        results = tmp_path / "results"
        results.mkdir(exist_ok=True)
        (results / "old.json").write_bytes(OLD)
        (results / "old.parquet").write_bytes(OLD)
        outputs = ["-o", results / "old.json", "-o", f"md:{results / 'new'}"]
        lines = set()
        for form, rows_out in [("json", "old.parquet"), ("table", "new.csv")][: 1 if once else 2]:
            before = tree(tmp_path)
            form_of = () if "-f" in arguments else ("-f", form)
            outcome = lossctl("eval", "-q", *form_of, *outputs, "--rows-out", results / rows_out, *arguments)
            assert outcome.out == ""
            assert outcome.code == code, outcome.err
            assert tree(tmp_path) == before
            lines.add(error_line(outcome.err).replace(f"{tmp_path}/", ""))
        assert len(lines) == 1, lines
        line = lines.pop()
        for text in says:
            assert text in line, line
        if row is not None:
            assert re.findall(r"\brow (\d+)", line) == [str(row)], line
        if count is not None:
            assert re.search(rf"\b{count}\b", line), line
        return line

    return check
