"""What all tests share: the command line run in this process, and small files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lossctl.__main__ import run

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
