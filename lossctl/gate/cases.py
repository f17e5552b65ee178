"""Cases: every rule with every candidate, over all rows and every slice that the rule applies to."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lossctl.core.report import Cell
from lossctl.gate.rules import Bound

Items = tuple[tuple[str, str], ...]  # a slice
Place = tuple[str, str, Items]  # model, loss, slice
Part = Mapping[Items, Cell]  # the cells of one model and loss


@dataclass(frozen=True)
class Case:
    """One rule for one model, over all rows or one slice, with the cells that it is judged by, where they exist.

    absent: why there is no cell of the candidate.
    """

    bound: Bound
    model: str
    slice: Mapping[str, str]
    cell: Cell | None
    baseline: Cell | None = None
    absent: str = ""


def place(model: str, loss: str, chosen: Mapping[str, str]) -> Place:
    """Return what tells the cells of a report apart."""
    return model, loss, tuple(chosen.items())


def lay_out(
    bounds: Sequence[Bound],
    models: Sequence[str],
    cells: Sequence[Cell],
    baseline: Mapping[Place, Cell],
    given: Sequence[str],
) -> list[Case]:
    """Return the cases of all rules.

    cells: of the candidates. baseline: the cell that each cell of a candidate is held against. given: the slicings
    of --by. What a rule names and the cells lack becomes a case without a cell.
    """
    found: list[Case] = []
    for bound in bounds:
        for model in models:
            own = {tuple(cell.slice.items()): cell for cell in cells if (cell.model, cell.loss) == (model, bound.label)}
            held = {items: cell for (who, loss, items), cell in baseline.items() if (who, loss) == (model, bound.label)}
            for chosen, absent in _slices(bound, own, held, given):
                items = tuple(chosen.items())
                found.append(Case(bound, model, chosen, own.get(items), held.get(items), absent))
    return found


def _slices(bound: Bound, own: Part, held: Part, given: Sequence[str]) -> Iterator[tuple[Mapping[str, str], str]]:
    """Yield the slices that a rule applies to, and what to say of each that turns out to have no value."""
    if not own:
        yield {}, f"{bound.label} is not among what was evaluated"
        return
    if bound.rule.whole:
        yield {}, "there is no value over all rows"
    # a slice that only the baseline has is one that went missing
    known = {items: cell.slice for items, cell in {**own, **held}.items() if items}
    slicings = list(dict.fromkeys(tuple(chosen) for chosen in known.values()))
    seen: set[Items] = set()
    asked = bound.rule.slicings(given)
    if not asked and not bound.rule.whole:
        yield {"*": "*"}, "nothing was evaluated by slices"
    for text in asked:
        columns = slicings_of(text, slicings)
        if not columns:
            yield {text: "*"}, f"nothing was evaluated by {text}"
        for items, chosen in known.items():
            if tuple(chosen) in columns and items not in seen:
                seen.add(items)
                yield chosen, "the baseline has this slice, the candidate has not"


def slicings_of(text: str, slicings: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the slicings, as tuples of columns, that a text of --by means: a column, `a,b`, or a glob."""
    pieces = tuple(text.split(","))
    exact = [columns for columns in slicings if columns in ((text,), pieces)]
    return exact or [
        columns
        for columns in slicings
        if all(any(fnmatch.fnmatchcase(column, piece) for piece in pieces) for column in columns)
        and all(any(fnmatch.fnmatchcase(column, piece) for column in columns) for piece in pieces)
    ]
