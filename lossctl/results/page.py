"""A page: a report with its pictures, which `output` writes as one HTML file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module

from lossctl.results.figure import Figure
from lossctl.results.report import Report


@dataclass(frozen=True, repr=False)
class Page:
    """What `lossctl report` writes.

    models: the values of all models with their intervals, and differences. panels: the plots of rows that fit the task.
    forests: one for each slicing. command: what made it, as it was typed.
    """

    report: Report
    models: Figure | None = None
    panels: tuple[Figure, ...] = ()
    forests: tuple[Figure, ...] = ()
    command: str = ""

    def __str__(self) -> str:
        """Return the tables of the report."""
        return str(self.report)

    def __repr__(self) -> str:
        """Return a short line."""
        figures = (self.models is not None) + len(self.panels) + len(self.forests)
        return f"<Page of {self.report!r} with {figures} figures>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file, whole or not at all; it needs `pip install 'lossctl[plot]'`."""
        import_module("lossctl.output.html").save_page(self, path)
