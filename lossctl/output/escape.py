"""Escapes: text of the data that is shown to people or put into other languages does nothing there."""

from __future__ import annotations

from lossctl.errors import printable


def markdown(text: str) -> str:
    """Escape what Markdown tables and HTML would take for their own."""
    safe = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace("\\", "\\\\")
    return "".join(f"\\{char}" if char in "|`*_[]" else char for char in safe)
