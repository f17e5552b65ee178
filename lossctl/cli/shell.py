"""Shell: how bash, zsh, fish and PowerShell ask what a word may become, and how they want to be answered."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Final, NamedTuple

from lossctl.errors import ExitCode

VARIABLE: Final = "_LOSSCTL_COMPLETE"
JOINTS: Final = re.compile(r"[:=@]+")  # what bash parts words at, and puts between them as words
SPECIAL: Final = re.compile(r"([^\w@%+=:,./-])")  # what means something to bash where it stands without quotes


def is_asked() -> bool:
    """Whether a shell asks what a word may become."""
    return os.environ.get(VARIABLE, "").startswith("complete_")


def answer(application: Callable[[], object]) -> int:
    """Let Typer answer a shell, without a word about what goes wrong; bash gets words as it parts them."""
    parted = _mend_words() if os.environ[VARIABLE] == "complete_bash" else None
    offered, code = StringIO(), 0
    try:
        with redirect_stdout(offered), redirect_stderr(StringIO()):
            application()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except Exception:
        return ExitCode.BUG
    text = offered.getvalue()
    if parted is not None:
        text = "".join(f"{parted.rest(line)}\n" for line in text.splitlines() if line)
    sys.stdout.write(text)
    return code


class Parted(NamedTuple):
    """The word at the cursor as bash has it: what stands before the piece that it replaces, and an open quote."""

    before: str = ""
    quote: bool = False

    def rest(self, word: str) -> str:
        """Return what takes the place of the piece at the cursor."""
        word = word.removeprefix(self.before)
        return word if self.quote else SPECIAL.sub(r"\\\1", word)


def _mend_words() -> Parted:
    """Put words together that bash parted at `:`, `=` and `@`, up to that at the cursor, in the environment."""
    text, cursor = os.environ.get("COMP_WORDS", ""), os.environ.get("COMP_CWORD", "")
    pieces = text.split("\n" if "\n" in text else " ")
    at = int(cursor) if cursor.isdecimal() else len(pieces)
    words: list[list[str]] = []
    for piece in [*pieces[: at + 1], *[""] * (at + 1 - len(pieces))]:
        if words and _belongs(piece, words[-1]):
            words[-1].append(piece)
        else:
            words.append([piece])
    os.environ["COMP_WORDS"] = "\n".join("".join(word) for word in words)
    os.environ["COMP_CWORD"] = str(len(words) - 1)
    last = words[-1]
    kept = last if JOINTS.fullmatch(last[-1]) else last[:-1]
    if kept and kept[-1] == "@":  # which is part of what is replaced, as if it began the name of a host
        kept = kept[:-1]
    before = (split("".join(kept)) or [""])[-1]
    if before.startswith("--"):  # Typer's answers are about the value alone
        before = before.partition("=")[2]
    return Parted(before, last[-1][:1] in ("'", '"'))


def _belongs(piece: str, word: Sequence[str]) -> bool:
    """Whether a piece continues a word: a joint does, but for one after an option, and what follows a joint."""
    if JOINTS.fullmatch(word[-1]):
        return len(word) > 1 and bool(piece)
    return bool(JOINTS.fullmatch(piece)) and not (word[0].startswith("-") and not word[0].startswith("--"))


def split(text: str) -> list[str]:
    """Part a line as a shell does; what is left open at its end is taken as it is."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    found: list[str] = []
    try:
        found.extend(lexer)
    except ValueError:
        found.append(lexer.token)
    return found


def line() -> list[str]:
    """Return the words before that at the cursor, without the program."""
    if os.environ.get(VARIABLE) == "complete_bash":
        words = os.environ.get("COMP_WORDS", "")
        return split(words)[1 : int(os.environ.get("COMP_CWORD", "0"))]
    text = os.environ.get("_TYPER_COMPLETE_ARGS", "")
    words_before = split(text)[1:]
    return words_before if text.endswith(" ") else words_before[:-1]
