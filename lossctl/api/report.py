"""`report`: one page of values, differences, pictures and rows, from one pass over the rows or from a saved report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self, Unpack

from lossctl.api.compare import compared
from lossctl.api.job import Job
from lossctl.api.options import LEVEL, LISTED, InputOptions, with_arguments
from lossctl.api.plot import ROW_KINDS, Rows, as_report, of_report
from lossctl.api.query import Query, spoken
from lossctl.core.block import Block
from lossctl.errors import UsageError, listed
from lossctl.io.blocks import BlockReader
from lossctl.results.page import Page
from lossctl.results.report import Report

DRAWN: Final = 2  # losses of which values are drawn
PANELS: Final = {"regression": ("residuals", "bias", "rec")}  # of other tasks those of COMMON_PANELS that fit
COMMON_PANELS: Final = ("calibration", "scores", "lift", "confusion")


@dataclass
class Gallery:
    """The plots of rows that fit some data, counted in the pass that computes its report."""

    level: float = LEVEL
    per_output: bool = False
    worst: int = LISTED
    _plots: list[Rows] = field(default_factory=list)

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """Return what counts for the arguments of a command."""
        level = arguments.get("ci", LEVEL)
        worst = arguments.get("worst") or LISTED
        return cls(LEVEL if level is None else level, bool(arguments.get("per_output")), worst)

    @property
    def hooks(self) -> dict[str, Any]:
        """What a command takes to count the plots and list the rows of its page."""
        return {"observe": self.begin, "worst": self.worst}

    def begin(self, job: Job, reader: BlockReader, first: Block) -> Callable[[Block], Block]:
        """Choose the plots by the task and the first rows; return what takes the blocks."""
        if not all({"target", "pred"} <= roles.keys() for roles in first.models.values()):
            return lambda block: block  # embeddings have no such plots
        task = job.task_of(first)
        names = PANELS.get(task.name, COMMON_PANELS)
        level, by_output = self.level, self.per_output
        plots = [Rows(kind, level=level, per_output=by_output) for kind in ROW_KINDS if kind.name in names]
        self._plots = [rows for rows in plots if rows.learn(job, reader, first)]

        def see(block: Block) -> Block:
            for rows in self._plots:
                rows.see(block)
            return block

        return see

    def page(self, report: Report, command: str = "") -> Page:
        """Return the page of a report of these rows."""
        figures = [rows.kind.figure(rows) for rows in self._plots]
        return replace(page_of(report, command), panels=tuple(figures))


def page_of(report: Report, command: str = "") -> Page:
    """Return the page of a report, without what needs rows."""
    slicings = [columns for columns, _ in report.slicings() if columns]
    losses = report.losses
    forests = [of_report(_of_slicing(report, columns), "slices", losses[:1]) for columns in slicings]
    models = of_report(report, "models", losses[:DRAWN])
    if len(losses) > DRAWN:
        models = replace(models, notes=(*models.notes, f"the tables also have {listed(losses[DRAWN:])}"))
    return Page(report, models, forests=tuple(forests), command=command)


def _of_slicing(report: Report, columns: Sequence[str]) -> Report:
    """Return the cells and comparisons of one slicing."""
    cells = [cell for cell in report.cells if tuple(cell.slice) == tuple(columns)]
    comparisons = tuple(row for row in report.comparisons if tuple(row.slice) == tuple(columns))
    return replace(report, cells=cells, comparisons=comparisons)


@with_arguments
def report(
    arguments: dict[str, Any],
    data: object,
    *,
    baseline: str | None = None,
    worst: int = LISTED,
    command: str = "",
    **options: Unpack[InputOptions],
) -> Page:
    """Make a page of values, differences, pictures and rows in one pass over the data, or of a saved report.

    Parameters
    ----------
    data, **options
        As `evaluate` takes them; or a report, or the path of a saved one, whose page lacks what needs rows.
    baseline
        The model that others are compared with; by default the first.
    worst
        How many of the rows to list where a candidate, or the one model, loses most.
    command
        What the page says it was made by.

    Returns
    -------
    Page
        Which `save` writes as one HTML file.

    Raises
    ------
    UsageError, DataError
        As `compare` and `evaluate`.

    Examples
    --------
    >>> import lossctl
    >>> data = {"y": [1.0, 2.0, 3.0], "a": [1.5, 2.0, 2.5], "b": [1.0, 2.1, 3.2]}
    >>> page = lossctl.report(data, target="y", pred=["a", "b"], losses="mae")
    >>> [figure.kind for figure in page.panels]
    ['residuals', 'rec', 'bias']
    """
    saved = as_report(data)
    if saved is not None:
        extra = {"--baseline": baseline is not None, "--worst": worst != LISTED}
        if flags := [*spoken(arguments), *(flag for flag, typed in extra.items() if typed)]:
            raise UsageError(f"{', '.join(flags)}: a saved report is shown, for which data and losses are settled")
        return page_of(saved, command)
    gallery = Gallery.of(arguments)
    query = Query(data, {**arguments, "observe": gallery.begin})
    return gallery.page(compared(query, baseline), command)
