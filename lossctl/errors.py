"""What can go wrong, as one tree: catch `LossctlError` for all of it, or a branch for a family."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Why the process ended; no code means a soft pass."""

    OK = 0  # the command did its job
    GATE = 1  # a check was evaluated and failed
    USAGE = 2  # the command line or the configuration is wrong
    DATA = 3  # an input cannot be read or judged, or an output cannot be written
    BASELINE = 4  # a baseline is missing, unreadable or of other data
    BUG = 70  # a fault of lossctl, or of a plug-in
    INTERRUPTED = 130  # Ctrl-C
    READER_GONE = 141  # the reader of standard output went away


class LossctlError(Exception):
    """Base of every error that lossctl raises on purpose; its text is one line for a person."""

    code = ExitCode.BUG


class UsageError(LossctlError, ValueError):
    """The question is wrong: an unknown loss, a parameter out of range, options that do not fit."""

    code = ExitCode.USAGE
    outputs: tuple[str, ...] = ()  # of a configuration that is wrong in something else


class DataError(LossctlError, ValueError):
    """The data cannot answer: unreadable, misaligned, outside a loss's domain."""

    code = ExitCode.DATA


class BaselineError(LossctlError, ValueError):
    """A baseline is missing, unreadable, or of other data, parameters or another schema."""

    code = ExitCode.BASELINE


class PluginError(LossctlError, RuntimeError):
    """A plug-in failed while it was at work; the fault is neither in lossctl nor in the data."""

    code = ExitCode.BUG


class OutputError(LossctlError, OSError):
    """A result could not be written."""

    code = ExitCode.DATA


SHORTAGE = "not enough memory"
SHORTAGES = (  # how others word it, beside MemoryError
    "can't start new thread",  # Python
    "Failed to launch worker thread",  # Arrow
    "failed to map segment",  # a library that is imported
    "cannot allocate memory",  # the system
)


def is_shortage(error: BaseException) -> bool:
    """Whether an exception says that there is not enough memory, or address space for another thread or library."""
    return isinstance(error, MemoryError) or any(words.lower() in str(error).lower() for words in SHORTAGES)


def near(word: str, names: list[str]) -> str:
    """Return ` (did you mean 'x'?)` for the closest of `names`, or nothing."""
    from difflib import get_close_matches

    folded = {name.casefold(): name for name in names}
    matches = get_close_matches(word.casefold(), list(folded), n=5, cutoff=0.6)
    # letters in another order are a likelier slip than other letters
    matches.sort(key=lambda name: sorted(name) != sorted(word.casefold()))
    return f" (did you mean {folded[matches[0]]!r}?)" if matches else ""


def listed(names: list[str], most: int = 12, count: int | None = None) -> str:
    """Join names for an error text, counting those that do not fit. count: of all, where `names` are the first."""
    shown, count = names[:most], len(names) if count is None else count
    return ", ".join(shown) + (f", ... ({count} in all)" if count > len(shown) else "")


def first_line(error: BaseException) -> str:
    """Return the first line of what another library says, or the kind of its error."""
    return printable(str(error).strip().partition("\n")[0]) or type(error).__name__


def printable(text: str) -> str:
    r"""Show control characters, bidirectional marks and undecodable bytes as escapes such as `\x1b`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
