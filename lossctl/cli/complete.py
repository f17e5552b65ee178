"""Completion: what a shell offers for the word at the cursor: losses and their parameters, columns of the files.

Every function here that Typer calls takes the word as far as it is typed, and returns whole words that begin so. None
raises, prints, or reads more of a file than its head.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import wraps
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from lossctl.api.options import COMMAND_LINE, Switch, options_of
from lossctl.errors import ExitCode

if TYPE_CHECKING:
    from lossctl.core.loss import Loss
    from lossctl.core.param import Param


VARIABLE: Final = "_LOSSCTL_COMPLETE"
JOINTS: Final = r"[:=@]+"  # where bash splits a word; these characters are words of their own
SPECIAL: Final = r"([^\w@%+=:,./-])"  # characters that bash interprets outside quotes


def answer(application: Callable[[], object]) -> int:
    """Let Typer answer a shell, without a word about what goes wrong; bash gets words as it parts them."""
    adapt = _mend_words() if os.environ[VARIABLE] == "complete_bash" else None
    offers, code = StringIO(), 0
    try:
        with redirect_stdout(offers), redirect_stderr(StringIO()):
            application()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except Exception:
        return ExitCode.BUG
    text = offers.getvalue()
    if adapt is not None:
        text = "".join(f"{adapt(line)}\n" for line in text.splitlines() if line)
    sys.stdout.write(text)
    return code


def _mend_words() -> Callable[[str], str]:
    """Put words together that bash parted at `:`, `=` and `@`, up to that at the cursor, in the environment.

    Returns what makes of an offered word the text that takes the place of the piece at the cursor.
    """
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
    ahead = last if re.fullmatch(JOINTS, last[-1]) else last[:-1]
    if ahead and ahead[-1] == "@":  # which is part of what is replaced, as if it began the name of a host
        ahead = ahead[:-1]
    before = (split("".join(ahead)) or [""])[-1]
    if before.startswith("--"):  # Typer's answers are about the value alone
        before = before.partition("=")[2]
    quoted = last[-1][:1] in ("'", '"')

    def adapt(word: str) -> str:
        word = word.removeprefix(before)
        return word if quoted else re.sub(SPECIAL, r"\\\1", word)

    return adapt


def _belongs(piece: str, word: Sequence[str]) -> bool:
    """Whether a piece continues a word: a joint does, but for one after an option, and what follows a joint."""
    if re.fullmatch(JOINTS, word[-1]):
        return len(word) > 1 and bool(piece)
    return bool(re.fullmatch(JOINTS, piece)) and not (word[0].startswith("-") and not word[0].startswith("--"))


def split(text: str) -> list[str]:
    """Part a line as a shell does; what is left open at its end is taken as it is."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:
        words.append(lexer.token)
    return words


def line() -> list[str]:
    """Return the words before that at the cursor, without the program."""
    if os.environ.get(VARIABLE) == "complete_bash":
        words = os.environ.get("COMP_WORDS", "")
        return split(words)[1 : int(os.environ.get("COMP_CWORD", "0"))]
    text = os.environ.get("_TYPER_COMPLETE_ARGS", "")
    words_before = split(text)[1:]
    return words_before if text.endswith(" ") else words_before[:-1]


Complete = Callable[[str], list[str]]


# what is offered ---------------------------------------------------------------------------------------------


def silent(function: Complete) -> Complete:
    """Offer nothing where a function fails: a shell has no place for an error."""

    @wraps(function)
    def offer(incomplete: str) -> list[str]:
        try:
            return function(incomplete)
        except Exception:
            return []

    return offer


def one_of(words: Iterable[str]) -> Complete:
    """Offer these words."""
    choices = tuple(words)

    def choice(incomplete: str) -> list[str]:
        return [word for word in choices if word.startswith(incomplete)]

    return choice


@silent
def losses(incomplete: str) -> list[str]:
    """Offer losses, also after a label, and after a colon their parameters and values."""
    label, equals, labelled = incomplete.partition("=")
    lead, spec = (label + equals, labelled) if equals and ":" not in label else ("", incomplete)
    name, colon, parameters = spec.partition(":")
    if colon:
        return [f"{lead}{name}:{text}" for text in _parameters(name, parameters)]
    names = _names(name)
    if len(names) == 1 and _loss(names[0]).params:  # two offers keep a shell from going on to the next word
        names.append(f"{names[0]}:")
    return [lead + text for text in names]


@silent
def rules(incomplete: str) -> list[str]:
    """Offer the losses of rules such as LOSS=VALUE."""
    names = [] if "=" in incomplete else _names(incomplete)
    return [*names, f"{names[0]}="] if len(names) == 1 else names


@silent
def columns(incomplete: str) -> list[str]:
    """Offer columns of the files on the line, also after a comma."""
    before, comma, start = incomplete.rpartition(",")
    return [before + comma + name for name in _columns() if name.startswith(start)]


@silent
def predictions(incomplete: str) -> list[str]:
    """Offer columns, also after the name of a model."""
    name, equals, texts = incomplete.partition("=")
    return [name + equals + text for text in columns(texts)] if equals else columns(incomplete)


@silent
def roles(incomplete: str) -> list[str]:
    """Offer roles that losses have beside target and pred, and columns for them; MODEL: may come first."""
    name, equals, texts = incomplete.partition("=")
    if equals:
        return [name + equals + text for text in columns(texts)]
    model, colon, start = name.rpartition(":")
    names = dict.fromkeys(role for loss in _catalogue().values() for role in loss.roles)
    offers = [f"{model}{colon}{role}=" for role in names if role.startswith(start) and role not in ("target", "pred")]
    return [*offers, *(offers[0] + column for column in columns(""))] if len(offers) == 1 else offers


@silent
def activations(incomplete: str) -> list[str]:
    """Offer activations, also after the name of a model."""
    from lossctl.core.domain import RANGES

    model, equals, start = incomplete.rpartition("=")
    return [model + equals + name for name in RANGES if name.startswith(start)]


@silent
def tasks(incomplete: str) -> list[str]:
    """Offer tasks."""
    from lossctl.core.form import TASKS

    return one_of(TASKS)(incomplete)


@silent
def families(incomplete: str) -> list[str]:
    """Offer families of losses."""
    from lossctl.registry import FAMILIES

    return one_of(FAMILIES)(incomplete)


# where it comes from -----------------------------------------------------------------------------------------


def _catalogue() -> dict[str, Loss]:
    from lossctl import registry

    return {**registry.losses(), **registry.plugged().losses}


def _loss(name: str) -> Loss:
    from lossctl import registry

    return registry.loss_named(name)


def _names(start: str) -> list[str]:
    """Return the losses whose names begin so; if there are none, such aliases."""
    catalogue = _catalogue()
    aliases = (alias for loss in catalogue.values() for alias in loss.aliases)
    return [name for name in catalogue if name.startswith(start)] or [
        name for name in aliases if name.startswith(start)
    ]


def _parameters(loss: str, typed: str) -> list[str]:
    """Return how the parameters of a loss may go on: names that are not yet there, or values."""
    before, comma, piece = typed.rpartition(",")
    present = {text.partition("=")[0] for text in before.split(",")}
    name, equals, start = piece.partition("=")
    params = [param for param in _loss(loss).params if param.name not in present]
    if equals:
        offers = [f"{name}={word}" for param in params if param.name == name for word in _values(param, start)]
    else:
        params = [param for param in params if param.name.startswith(name)]
        offers = [f"{param.name}=" for param in params]
        if len(params) == 1:
            offers += [f"{params[0].name}={word}" for word in _values(params[0], "")]
    return [before + comma + text for text in offers]


def _values(param: Param, start: str) -> list[str]:
    """Return the words that a parameter may be, or its default."""
    from lossctl.core.param import Choice

    words = ["true", "false"] if param.domain is None else []
    if isinstance(param.domain, Choice):
        words = list(param.domain.options)
    words += ["off"] if param.optional else []
    return [word for word in dict.fromkeys([*words, param.write(param.default)]) if word.startswith(start)]


def _columns() -> list[str]:
    """Return the columns of the files on the line that can be typed."""
    from lossctl.io.open import Parts, files_below, open_table

    names: dict[str, None] = {}
    from lossctl.io.source import Dialect

    paths, values = _files(line())
    dialect = Dialect.of(values)
    for path in paths:
        if os.path.isdir(path):  # the parts of a folder are alike
            parts = Parts.of(path, files_below(path))
            names.update(dict.fromkeys(parts.keys[0]))
            path = os.path.join(path, parts.paths[0])
        if os.path.isfile(path):
            names.update(dict.fromkeys(open_table(path, dialect).names))
    return [name for name in names if name.isprintable()]


def _files(words: Sequence[str]) -> tuple[list[str], dict[str, object]]:
    """Return the files among the words of a command, and the values of options."""
    options = [
        option for option in options_of(*COMMAND_LINE) if not (option.positional or isinstance(option.kind, Switch))
    ]
    flags = {flag: option.name for option in options for flag in (option.short, option.long) if flag}
    paths: list[str] = []
    values: dict[str, Any] = {"no_header": "--no-header" in words}
    words_left = iter(words[1:])
    for word in words_left:
        flag, equals, value = word.partition("=")
        if word in flags:
            values[flags[word]] = next(words_left, "")
        elif equals and flag in flags:
            values[flags[flag]] = value
        elif not word.startswith("-"):
            paths.append(word)
    paths += [values["targets"]] if "targets" in values else []
    return [_path(text) for text in paths], values


def _path(text: str) -> str:
    """Return the path of [NAME=]PATH."""
    name, equals, path = text.partition("=")
    return os.path.expanduser(path if equals and "/" not in name and not os.path.exists(text) else text)
