"""Escapes: text of the data that is shown to people or put into other languages does nothing there."""

from __future__ import annotations

from lossctl.errors import printable


def markdown(text: str) -> str:
    """Escape what Markdown tables and HTML would take for their own."""
    safe = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace("\\", "\\\\")
    return "".join(f"\\{char}" if char in "|`*_[]" else char for char in safe)


def inert_line(text: str) -> str:
    r"""Show a text such that a CI log that it stands in takes no line of it for a command of its own.

    A line that begins with `::`, after blanks, and `##[` anywhere in it, are commands to some runners.

    >>> inert_line("::error::x")
    '\\x3a:error::x'
    """
    return _unheard(printable(text))


def inert_text(text: str) -> str:
    """Do the same for each line of a text that was laid out before, where it is too late to escape names one by one."""
    return "\n".join(map(_unheard, text.split("\n")))


def _unheard(line: str) -> str:
    safe = line.replace("##[", "##\\x5b")
    start = len(safe) - len(safe.lstrip())
    return f"{safe[:start]}\\x3a{safe[start + 1 :]}" if safe.startswith("::", start) else safe


def command_data(text: str) -> str:
    """Escape the data of a workflow command by the rules of GitHub's toolkit."""
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def command_property(text: str) -> str:
    """Escape a property of a workflow command, which a colon or comma would end."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")
