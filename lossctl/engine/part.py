"""Part: all rows, or those of one slice, in what the end of a pass asks of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lossctl.core.state import View


class Group(NamedTuple):
    """Where a slice stands: the place of its slicing among all, the slicing's name, and its code there."""

    place: int
    name: str
    code: int


@dataclass(frozen=True)
class Part:
    """All rows, or those of one slice: its words, its sums, and their column among those of its slicing."""

    chosen: Mapping[str, str]
    view: View
    group: Group | None = None
    column: int | None = None

    @property
    def slicing(self) -> str:
        """The name of the slicing, "" for all rows."""
        return "" if self.group is None else self.group.name
