"""Whole sets: blocks cut anew so that no set of rows is split; memory grows with the largest set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.core.block import Block
from lossctl.core.form import QUERY
from lossctl.errors import DataError
from lossctl.numerics.array import Mask


class WholeSets:
    """Holds back the rows of the set that may go on in the next block.

    constant: the names of groups that rows of a set must share. fault: makes the error for a row.
    """

    def __init__(self, constant: Sequence[str], fault: Callable[[int, str, int], DataError]) -> None:
        self._constant, self._fault = constant, fault
        self._held: list[Block] = []
        self._closed = np.zeros(0, dtype=bool)

    def blocks(self, stream: Iterator[Block]) -> Iterator[Block]:
        """Yield blocks of whole sets; every block that comes in is accounted for in one that goes out."""
        for block in stream:
            codes = query_of(block)
            first = 0 if not block.rows else int(np.flatnonzero(np.diff(codes, prepend=codes[0] + 1))[-1])
            goes_on = bool(self._held and block.rows and codes[0] == query_of(self._held[0])[0])
            if not block.rows or (goes_on and first == 0):
                self._held += [bare(block)] if block.rows else []
                yield self._checked(replace(cut(block, 0, 0), **facts(block)))
            else:
                done = self._checked(joined([*self._held, cut(block, 0, first)]))
                self._held = [bare(cut(block, first, block.rows))]
                yield replace(done, **facts(block))
        if self._held:
            yield self._checked(replace(joined(self._held), start=self._held[-1].stop))
            self._held = []

    def _checked(self, block: Block) -> Block:
        """Return a block as it is; raise DataError where a set comes back, or its rows do not agree."""
        if not block.rows:
            return block
        codes = query_of(block)
        starts = np.flatnonzero(np.diff(codes, prepend=codes[0] + 1))
        opened = codes[starts].astype(np.int64)
        grown = np.zeros(max(int(opened.max()) + 1 - len(self._closed), 0), dtype=bool)
        self._closed = np.concatenate([self._closed, grown])
        _, once = np.unique(opened, return_index=True)
        again = self._closed[opened]
        again[np.setdiff1d(np.arange(len(opened)), once)] = True
        if again.any():
            place = int(np.argmax(again))
            raise self._fault(int(block.addresses[starts[place]]), "again", int(opened[place]))
        self._closed[opened] = True
        inner = np.ones(block.rows, dtype=bool)
        inner[starts] = False
        lines: dict[str, NDArray[Any]] = {name: block.groups[name] for name in self._constant}
        if block.weight is not None:
            lines["weight"] = block.weight
        for name, line in lines.items():
            differs: Mask = inner & (np.diff(line, prepend=line[:1]) != 0)
            if differs.any():
                row = int(np.argmax(differs))
                raise self._fault(int(block.addresses[row]), name, int(codes[row]))
        return block


def query_of(block: Block) -> NDArray[Any]:
    """Return the set codes of a block's rows; one set where no role tells."""
    roles = next(iter(block.models.values()), {})
    return roles[QUERY][0] if QUERY in roles else np.zeros(block.rows)


def facts(block: Block) -> dict[str, Any]:
    """Return what a block says of all rows that were read, kept or not."""
    return {
        "start": block.start,
        "read": block.read,
        "missing": block.missing,
        "dropped": block.dropped,
        "faults": block.faults,
        "digest": block.digest,
        "used": block.used,
        "stopped": block.stopped,
    }


def bare(block: Block) -> Block:
    """Return a block's rows without what is said of all rows read."""
    return replace(block, start=block.stop, read=0, missing={}, dropped=0, faults={}, digest=0, used=0, stopped=None)


def cut(block: Block, start: int, stop: int) -> Block:
    """Return some of a block's kept rows."""
    return _with(block, lambda values: values[..., start:stop])


def joined(blocks: Sequence[Block]) -> Block:
    """Return the rows of several blocks as one; arrays that models share stay shared."""
    if len(blocks) == 1:
        return blocks[0]
    last = blocks[-1]
    made: dict[int, NDArray[Any]] = {}

    def gather(pick: Callable[[Block], NDArray[Any]]) -> NDArray[Any]:
        pieces = [pick(block) for block in blocks]
        if id(pieces[-1]) not in made:
            made[id(pieces[-1])] = np.ascontiguousarray(np.concatenate(pieces, axis=-1))
        return made[id(pieces[-1])]

    return replace(
        last,
        addresses=gather(lambda block: block.addresses),
        models={model: {role: gather(_role(model, role)) for role in roles} for model, roles in last.models.items()},
        weight=None if last.weight is None else gather(_weight),
        groups={name: gather(_entry("groups", name)) for name in last.groups},
        origins={name: gather(_entry("origins", name)) for name in last.origins},
        units=None if last.units is None else gather(_units),
    )


def _role(model: str, role: str) -> Callable[[Block], NDArray[Any]]:
    return lambda block: block.models[model][role]


def _entry(kind: str, name: str) -> Callable[[Block], NDArray[Any]]:
    return lambda block: getattr(block, kind)[name]


def _weight(block: Block) -> NDArray[Any]:
    assert block.weight is not None
    return block.weight


def _units(block: Block) -> NDArray[Any]:
    assert block.units is not None
    return block.units


def _with(block: Block, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Block:
    made: dict[int, NDArray[Any]] = {}

    def changed(values: NDArray[Any]) -> NDArray[Any]:
        if id(values) not in made:
            made[id(values)] = np.ascontiguousarray(change(values))
        return made[id(values)]

    def each(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {name: changed(values) for name, values in arrays.items()}

    return replace(
        block,
        addresses=changed(block.addresses),
        models={model: each(roles) for model, roles in block.models.items()},
        weight=None if block.weight is None else changed(block.weight),
        groups=each(block.groups),
        origins=each(block.origins),
        units=None if block.units is None else changed(block.units),
    )
