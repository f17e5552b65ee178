"""Blocks: columns of the tables to arrays by role, and these to blocks at fixed addresses without unusable rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import BLOCK
from lossctl.core.block import (
    NO_GAPS,
    Block,
    Breach,
    Defect,
    Gaps,
    Hashes,
    Pending,
    bits,
    fingerprint,
    ready,
    text_hashes,
)
from lossctl.core.domain import ClassCodes, Extent, OpenCodes, hole
from lossctl.core.form import CODED, EVENT, GIVEN, QUERY
from lossctl.core.naming import classes_to_give, misread
from lossctl.errors import DataError, listed, printable
from lossctl.io.by_position import EVERYTHING, ByPosition, Columns, Rows, Share
from lossctl.io.select import KEY_NAMES, WITHIN, Selection, Slot, first_words
from lossctl.io.table import BETWEEN, NOT_SINGLE, Keys, Kind, Numbering, Numbers, Table, Texts, Vocabulary, decoded
from lossctl.numerics.array import Array, Mask
from lossctl.results.document import NullWord

if TYPE_CHECKING:
    from lossctl.io.bins import Bins

Missing = Literal["error", "drop"]
USUALLY_IGNORED: Final = ("-1", "255", "-100")  # noise, pixels and tokens without a class
A_TIME: Final = "dates or times as 2026-11-21 or 2026-11-21T09:30:00"
PAIR_BITS: Final = 32  # of a combination of two codes in one number


class TwoLabels(NamedTuple):
    """The label that counts as 1 in a column of two, and the other one where it is declared."""

    positive: str
    negative: str | None = None


class TargetRule(NamedTuple):
    """How the target is read: as numbers, as class labels, as sets of labels, or as one label against all else.

    classes_by: what says which column each class is: --classes (option), names or position. ignored: labels that need
    not be classes, since no loss counts their rows; their codes come after the classes'.
    negative: the other label, where it is declared; else it is the first other one that comes. decided: the models
    whose predictions are labels too. open: whether labels beside `classes` are classes as they come.
    arrays: whether `positive` and `negative` are numbers, in each place of a row that is an array.
    sets: the labels of which each row holds several, a column for each; `between` separates them in a text, and is
    empty where rows are lists. ignoring: a loss that can leave out rows of labels that are no classes, as all do.
    event: the labels of the role `event`, where it holds others than 0 and 1.
    """

    classes: tuple[str, ...] = ()
    classes_by: str = ""
    ignored: tuple[str, ...] = ()
    positive: str | None = None
    negative: str | None = None
    decided: frozenset[str] = frozenset()
    open: bool = False
    arrays: bool = False
    sets: tuple[str, ...] = ()
    between: str = ""
    ignoring: str = ""
    event: TwoLabels | None = None

    @property
    def kind(self) -> Kind:
        if self.sets and not self.between:
            return Kind.LABELS
        labels = self.classes or self.sets or self.decided or (self.positive is not None and not self.arrays)
        return Kind.TEXT if labels else Kind.NUMBER

    def kind_of(self, model: str | None, role: str) -> Kind:
        """Return as what the column of another role is read."""
        labels = self.event is not None if role == EVENT else role == "pred" and model in self.decided
        return Kind.TEXT if labels else Kind.NUMBER

    @property
    def two_labels(self) -> TwoLabels | None:
        """The labels of a target of two."""
        return None if self.positive is None else TwoLabels(self.positive, self.negative)

    def members(self, word: str) -> list[str]:
        """Return the labels of a set as it is written."""
        return [text for piece in word.split(self.between or BETWEEN) if (text := piece.strip())]


class BlockReader:
    """Streams several tables as blocks.

    Parameters
    ----------
    tables, rows
        The tables, and how their rows belong together.
    selection, rule
        Which columns play which role, and how the target is read.
    missing
        Whether rows with a missing value count as dropped.
    needs_origins, needs_units
        Whether blocks have the middle target of each row's group, and the hashes of what is resampled as one.
    whole_sets
        Whether a block must hold all rows of a set (role `query`).
    short
        Whether blocks are of one BLOCK, as what is added up block by block asks for.
    null_slices
        Whether rows without a slice form one of their own; else a value is missing there.
    output
        The place of the one of several outputs whose values must be there; it stands for the others, too.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        rows: ByPosition,
        selection: Selection,
        rule: TargetRule,
        missing: Missing = "error",
        *,
        needs_origins: bool = False,
        needs_units: bool = False,
        whole_sets: bool = False,
        short: bool = False,
        null_slices: bool = False,
        output: int | None = None,
    ) -> None:
        self.tables = tables
        self.output = output
        self.selection = selection
        self.rule = rule
        self.missing = missing
        self.rows = rows
        self._needs_units = needs_units
        self._whole_sets = whole_sets
        self._short = short or whole_sets or needs_units
        self._vocabularies: dict[tuple[int, str], Vocabulary] = {}
        self._groupings = selection.groupings
        self._combinations: dict[str, Combinations] = {name: Combinations() for name in self._groupings}
        self._origins = {name: np.empty(0) for name in selection.by} if needs_origins else {}
        self._earlier: Iterator[Pending[Block]] | None = None  # before a share, read where a group's first rows are
        roles = next(iter(selection.slots.values()), {})
        self._coded = [roles[role] for role in sorted(CODED) if role in roles]
        self._event = roles.get(EVENT)
        self._other_targets = targets_beside(tables, selection)
        self.copies = list(copies_beside(tables, selection, () if rows.key else KEY_NAMES))
        self.null_slices = self._columns_of_slices_alone() if null_slices else frozenset()
        self.null_slices |= {(copy.other, copy.column, copy.kind) for copy in self.copies}
        binned = [slot for slot in chain.from_iterable(selection.by.values()) if slot.bins]
        for slot in binned:
            check_single(tables, slot)
        self.bins = {slot: settled(tables[slot.table], slot.columns[0], slot.bins) for slot in binned if slot.bins}
        self.bin_words = {slot: Combinations() for slot in binned}
        self._columns = self._needed_columns()

    @cached_property
    def codes(self) -> ClassCodes | OpenCodes:
        """The codes of the target's classes, and of labels that do not count."""
        if not self.rule.open:
            return self._closed_codes
        return OpenCodes(self.rule.classes, by_value=not self._label_words)

    @cached_property
    def positive_codes(self) -> ClassCodes:
        """Code 0 for the positive label, others for labels of the same number that are words of their own."""
        return self._one_label(self.selection.target, self.rule.two_labels)

    @cached_property
    def event_codes(self) -> ClassCodes:
        """Code 0 for the label of an event."""
        return self._one_label(self._event, self.rule.event)

    def _one_label(self, slot: Slot | None, two: TwoLabels | None) -> ClassCodes:
        assert slot is not None
        assert two is not None
        columns = [Slot(slot.table, (name,)) for name in slot.columns]
        words = dict.fromkeys(word for column in columns for word in first_words(self.tables, column))
        alike = [word for word in words if word != two.positive and _is_among(two.positive, [word])]
        return ClassCodes((two.positive, *alike) if two.positive in words else (two.positive,))

    @cached_property
    def _closed_codes(self) -> ClassCodes:
        return ClassCodes(self.rule.classes).and_ignored(self.rule.ignored)

    @cached_property
    def _class_hashes(self) -> Hashes:
        return np.append(text_hashes(self._closed_codes.classes), np.uint64(0))

    # which columns are read ------------------------------------------------------------------------------------------

    def check_width(self, table: int, name: str, column: Numbers) -> None:
        """Raise DataError where all lists of a piece are of another length than those of the first one."""
        width = self._widths[table, name]
        if len(column.values) != width and (column.null is None or not column.null.all()):
            with self.tables[table].naming(name):
                raise DataError(f"has lists of different lengths: {width} and {len(column.values)}")

    @cached_property
    def _widths(self) -> dict[tuple[int, str], int]:
        numbers = [
            (table, name) for table, kinds in self._columns for name, kind in kinds.items() if kind is Kind.NUMBER
        ]
        return {(table, name): self.tables[table].shape(name).width for table, name in numbers}

    def line_of(self, table: int, name: str) -> int | None:
        """Return which line of a column belongs to the output: -1 for none, None without --per-output."""
        if self.output is None:
            return None
        return self._lines_of_output.get((table, name))

    @cached_property
    def _lines_of_output(self) -> dict[tuple[int, str], int]:
        """Return which line counts of each column of an output."""
        assert self.output is not None
        lines: dict[tuple[int, str], int] = {}
        for slot, _, _ in self._readings():
            if len(slot.columns) > 1:
                for place, name in enumerate(slot.columns):
                    lines[slot.table, name] = max(lines.get((slot.table, name), -1), 0 if place == self.output else -1)
            elif self.tables[slot.table].shape(slot.columns[0]).width > 1:
                lines[slot.table, slot.columns[0]] = self.output
        return lines

    def _readings(self) -> Iterator[tuple[Slot, Kind, bool]]:
        """Yield the slots of all roles, the kind that each is read as, and whether it makes slices."""
        selection = self.selection
        for model, roles in selection.slots.items():
            for role, slot in roles.items():
                if role not in CODED:
                    yield slot, self.rule.kind_of(model, role), False
        if selection.weight is not None:
            yield selection.weight, Kind.NUMBER, False
        if selection.target is not None:
            for slot in (selection.target, *self._other_targets.values()):
                yield slot, self.rule.kind, False
        for slot in chain.from_iterable(selection.by.values()):
            yield slot, kind_of_slices(slot), True
        for slots in (*selection.clusters.values(), *selection.times.values()):
            yield slots[-1], Kind.TEXT, False
        for slot in self._coded:
            yield slot, Kind.TEXT, False

    def _columns_of_slices_alone(self) -> frozenset[tuple[int, str, Kind]]:
        """Return the columns, by table and kind, that make slices and have no other role."""
        columns: dict[bool, set[tuple[int, str, Kind]]] = {True: set(), False: set()}
        for slot, kind, tells_slices in self._readings():
            columns[tells_slices] |= {(slot.table, column, kind) for column in slot.columns}
        return frozenset(columns[True] - columns[False])

    def _needed_columns(self) -> Columns:
        """Return the columns by table; a column that is needed as numbers and as text is read twice."""
        first: list[dict[str, Kind]] = [{} for _ in self.tables]
        second: list[dict[str, Kind]] = [{} for _ in self.tables]
        keys: list[dict[str, Kind]] = [{} for _ in self.tables]
        for slot in self._coded:
            check_single(self.tables, slot)
        needs = [(slot, kind) for slot, kind, _ in self._readings()]
        for copy in self.copies:
            if copy.kind is Kind.KEY:
                keys[copy.table][copy.column] = keys[copy.other][copy.column] = Kind.KEY
            else:
                needs.append((Slot(copy.other, (copy.column,)), copy.kind))
        for slot, kind in needs:
            for column in slot.columns:
                if first[slot.table].setdefault(column, kind) is not kind:
                    second[slot.table][column] = kind
        columns = (*enumerate(first), *enumerate(second), *enumerate(keys))
        return [(table, kinds) for table, kinds in columns if kinds]

    # blocks ----------------------------------------------------------------------------------------------------------

    @property
    def in_order(self) -> bool:
        """Whether what a block is depends on the rows before it: a group's origin, which label is the third."""
        labels = self.rule.positive is not None or self.rule.event is not None
        return bool(self._origins) or labels or self._whole_sets

    def feeds(self, parts: int, share: Share = EVERYTHING) -> list[Iterator[Pending[Block]]]:
        """Return at most `parts` streams of blocks that have all rows of a share between them, each in row order."""
        if self._origins and share[0]:
            self._earlier = self._feed(self.rows.feeds(self._columns, 1, short=True, share=(0, share[0]))[0])
        streams = self.rows.feeds(self._columns, 1 if self.in_order else parts, short=self._short, share=share)
        return [self._feed(rows) for rows in streams]

    def shares(self, count: int) -> list[Share]:
        """Cut all rows into so many shares."""
        return self.rows.shares(self._columns, count)

    def _feed(self, stream: Iterator[Pending[Rows]]) -> Iterator[Pending[Block]]:
        pending = (rows.then(self._block) for rows in stream)
        if not self.in_order:
            return pending
        blocks = (block.make() for block in pending)
        if not self._whole_sets:
            return map(ready, blocks)
        told_apart = QUERY in next(iter(self.selection.slots.values()))
        constant = [*self.selection.by, *(name for name in self.selection.clusters if name == WITHIN and told_apart)]
        return map(ready, whole_sets(blocks, constant, self._set_fault))

    def _block(self, rows: Rows) -> Block:
        """Make the block of some rows: arrays by role, their fingerprint, and of all that the usable rows."""
        arrays = RoleArrays(self, rows)
        if not rows.rows:
            return Block(rows.start, 0, arrays.addresses, {}, stopped=rows.stopped)
        selection = self.selection
        models: dict[str, Mapping[str, NDArray[Any]]] = {
            model: {role: arrays.role(model, role, slot) for role, slot in roles.items()}
            for model, roles in selection.slots.items()
        }
        columns: list[Hashes] = [self._word_hashes(arrays, slot) for slot in self._coded]
        columns += [] if self._event is None else arrays.bits(arrays.event(self._event))
        if selection.target is not None:
            target = arrays.target(selection.target)
            if self.rule.open:
                columns.append(self._word_hashes(arrays, selection.target))
            else:
                columns += arrays.bits(target) if target.ndim == 2 else [self._class_hashes[target]]
            for slot in self._other_targets.values():
                arrays.compare(target, slot)
            models = {model: {"target": target, **roles} for model, roles in models.items()}
        weight = None if selection.weight is None else arrays.numbers(selection.weight)[0]
        columns += [] if weight is None else [bits(weight)]
        groups = {name: arrays.groups(slots, self._combinations[name]) for name, slots in self._groupings.items()}
        for slot in chain.from_iterable(selection.by.values()):
            of_numbers = kind_of_slices(slot) is Kind.NUMBER
            columns += arrays.bits(arrays.numbers(slot)) if of_numbers else [self._word_hashes(arrays, slot)]
        for copy in self.copies:
            arrays.compare_copy(copy)
        unusable = arrays.unusable
        some_unusable = bool(unusable.any())
        hashes = rows.hashes()
        units = None
        if self._needs_units:
            clusters = selection.clusters.get(WITHIN)
            units = hashes.copy() if clusters is None else self._word_hashes(arrays, clusters[0])
        block = Block(
            start=rows.start,
            read=rows.rows,
            addresses=arrays.addresses,
            models=models,
            weight=weight,
            groups=groups,
            origins=self._block_origins(models, groups, ~unusable & (True if weight is None else weight > 0.0)),
            missing=arrays.missing,
            dropped=int(np.count_nonzero(unusable)) if self.missing == "drop" else 0,
            faults=arrays.faults,
            digest_kept=int(np.add.reduce(hashes[~unusable] if some_unusable else hashes)),
            digest=fingerprint(hashes, columns),  # overwrites the hashes
            units=units,
            stopped=rows.stopped,
            extents=arrays.extents,
            gaps=self._gaps(arrays, groups) if some_unusable else NO_GAPS,
        )
        return block.take(~unusable) if some_unusable else block

    def _gaps(self, arrays: RoleArrays, groups: Mapping[str, NDArray[np.int64]]) -> Gaps:
        """Tell whose values are missing in the rows that are not kept, and in which slices these are."""
        shared = arrays.holes.keys() - set().union(*self._columns_of_models.values())
        rows = np.flatnonzero(arrays.unusable)
        *lacks, lacks_shared = (
            arrays.lacking(columns)[rows] for columns in (*self._columns_of_models.values(), shared)
        )
        lacking = np.array(lacks, dtype=bool).reshape(len(lacks), len(rows))  # of no model where targets alone are read
        alone = (lacking & ~lacks_shared).astype(np.float64) @ (~lacking).T.astype(np.float64)
        models = list(self._columns_of_models)
        slices: Counter[tuple[str, int]] = Counter()
        for name in self.selection.by:
            codes, counts = np.unique(groups[name][rows], return_counts=True)
            slices.update({(name, code): count for code, count in zip(codes.tolist(), counts.tolist(), strict=True)})
        return Gaps(
            Counter(dict(zip(models, lacking.sum(axis=1).tolist(), strict=True))),
            Counter({(models[i], models[j]): int(alone[i, j]) for i, j in np.argwhere(alone).tolist()}),
            slices,
        )

    @cached_property
    def _columns_of_models(self) -> dict[str, set[tuple[int, str]]]:
        """The columns of each model, by table, that it does not share with others by their role."""
        return {
            model: {
                (slot.table, column) for role, slot in roles.items() if role not in GIVEN for column in slot.columns
            }
            for model, roles in self.selection.slots.items()
        }

    def _word_hashes(self, arrays: RoleArrays, slot: Slot) -> Hashes:
        return self.vocabulary(slot).hashes(arrays.texts(slot))

    def _block_origins(
        self,
        models: Mapping[str, Mapping[str, NDArray[Any]]],
        groups: Mapping[str, NDArray[np.int64]],
        counts: Mask,
    ) -> dict[str, Array]:
        """Return the middle target among the first rows that count of each row's group, for variances about it."""
        origins: dict[str, Array] = {}
        for name in self._origins:
            codes, target = groups[name], next(iter(models.values()))["target"][0]
            middles = self._middles(name, codes)
            earlier, self._earlier = self._earlier, None
            while earlier is not None and (counts & np.isnan(middles[codes])).any():
                earlier = None if next(earlier, None) is None else earlier  # whose blocks, when made, leave origins
                middles = self._middles(name, codes)
            self._earlier = earlier
            rows = np.flatnonzero(counts & np.isnan(middles[codes]))
            _, first, place = np.unique(codes[rows], return_index=True, return_inverse=True)
            rows = rows[rows // BLOCK == rows[first][place] // BLOCK]  # whatever the length of the block
            rows = rows[np.lexsort((target[rows], codes[rows]))]
            present, starts, sizes = np.unique(codes[rows], return_index=True, return_counts=True)
            middles[present] = target[rows[starts + (sizes - 1) // 2]]
            origins[name] = middles[codes] if len(middles) else np.full(len(codes), np.nan)
        return origins

    def _middles(self, name: str, codes: NDArray[np.int64]) -> Array:
        """Return the origins of all groups, with room for some codes."""
        new = np.full(max(int(codes.max()) + 1 - len(self._origins[name]), 0), np.nan)
        self._origins[name] = np.concatenate([self._origins[name], new])
        return self._origins[name]

    def vocabulary(self, slot: Slot) -> Vocabulary:
        """Return the words of a text column, shared by all blocks."""
        place = slot.table, slot.columns[0]
        return self._vocabularies.setdefault(place, Vocabulary(partial(self._keeps_words, *place)))

    def _keeps_words(self, table: int, name: str) -> bool:
        """Whether numbers in a column are words; in one that is compared with others, whether they are in any."""
        return self._label_words if (table, name) in self._label_columns else self.tables[table].keeps_words(name)

    @cached_property
    def _label_columns(self) -> list[tuple[int, str]]:
        """The columns of the target and of predicted labels, by table, where predictions are labels."""
        slots = [roles["pred"] for model, roles in self.selection.slots.items() if model in self.rule.decided]
        slots += [] if self.selection.target is None or not slots else [self.selection.target]
        return [(slot.table, name) for slot in slots for name in slot.columns]

    @cached_property
    def _label_words(self) -> bool:
        return any(self.tables[table].keeps_words(name) for table, name in self._label_columns)

    # codes and words, which shares of one run tell each other ------------------------------------------------------

    def codebook(self) -> dict[str, Any]:
        """Return the words of all codes in their order, as plain values."""
        return {
            "vocabularies": [[*place, vocabulary.labels] for place, vocabulary in self._vocabularies.items()],
            "combinations": {name: combinations.labels for name, combinations in self._combinations.items()},
            "bins": [words.labels for words in self.bin_words.values()],
        }

    def translated(self, codebook: Mapping[str, Any]) -> dict[str, NDArray[np.int64]]:
        """Take in the words of another reader of the same columns; return by grouping what its group codes are here."""
        codes = {}
        for table, name, labels in codebook["vocabularies"]:
            words = [label for label in labels if label is not None]
            vocabulary = self.vocabulary(Slot(table, (name,)))
            present = np.array([label is not None for label in labels], dtype=bool)
            codes[table, name] = np.empty(len(labels), dtype=np.int64)
            codes[table, name][present] = vocabulary.codes(Texts(np.arange(len(words)), words))
            if len(words) < len(labels):
                codes[table, name][~present] = vocabulary.null()
        of_bins = {
            slot: words.codes_of([*map(tuple, labels)])
            for (slot, words), labels in zip(self.bin_words.items(), codebook["bins"], strict=True)
        }
        groups = {}
        for name, slots in self._groupings.items():
            slot = slots[0]
            if len(slots) > 1:
                groups[name] = self._combinations[name].codes_of([*map(tuple, codebook["combinations"][name])])
            else:
                groups[name] = of_bins[slot] if slot in of_bins else codes[slot.table, slot.columns[0]]
        return groups

    def _positives(self) -> Iterator[tuple[str, TwoLabels, list[str]]]:
        """Yield columns of two labels of which one is declared: where they are, the rule, and the words in them."""
        columns = [] if self.rule.arrays else [(self.selection.target, self.rule.two_labels)]
        for slot, two in (*columns, (self._event, self.rule.event)):
            if slot is not None and two is not None and two.negative is None:
                words = [word for name in slot.columns for word in self.vocabulary(Slot(slot.table, (name,))).words]
                # sorted, as threads meet them in any order
                yield f"{self.tables[slot.table].label}: column {slot.named()}", two, sorted(words)

    def third_label(self) -> str:
        """Say that shares have more than two labels between them; nothing where they have not."""
        for where, two, words in self._positives():
            others = [word for word in words if not _is_among(word, [two.positive, *self.rule.ignored])]
            if len(others) > 1:
                return (
                    f"{where}: beside the positive label {printable(two.positive)!r} it holds "
                    f"{listed([repr(printable(word)) for word in others])}; "
                    f"--classes {printable(others[0])},{printable(two.positive)} declares the two that there are"
                )
        return ""

    # what is said of the rows ----------------------------------------------------------------------------------------

    def labels(self, name: str) -> list[tuple[str, ...]]:
        """Return the values of a slicing, in the order of its group codes."""
        slots = self._groupings[name]
        columns = [self.slice_labels(slot) for slot in slots]
        labels = self._combinations[name].labels if len(slots) > 1 else [(word,) for word in columns[0]]
        if not any(None in words for words in columns):
            return cast(list[tuple[str, ...]], labels)
        missing = [NullWord.beside(words) for words in columns]
        return [
            tuple(none if word is None else word for word, none in zip(row, missing, strict=True)) for row in labels
        ]

    def slice_labels(self, slot: Slot) -> list[str | None]:
        """Return the words of a column that tells slices, by code; None for what has no word."""
        if slot in self.bin_words:
            return [word for (word,) in self.bin_words[slot].labels]
        return self.vocabulary(slot).labels

    def label_slots(self, models: Iterable[str]) -> dict[str, Slot]:
        """Return the slots whose labels a loss gets as codes: by the target's column, and by model."""
        target = self.selection.target
        slots = {model: self.selection.slots[model]["pred"] for model in models if model in self.rule.decided}
        labels = target is not None and self.rule.kind is Kind.TEXT and len(target.columns) == 1
        return {target.columns[0]: target, **slots} if target is not None and labels else slots

    def where(self, table: int, address: int) -> str:
        """Say where the row at an address stands in a table."""
        return self.tables[table].where(self.rows.row_of(table, address))

    def explain(self, defect: Defect, breach: Breach) -> str:
        """Word what makes rows unusable: the first one and how many."""
        table, column, kind = defect
        count = f" ({breach.rows} such rows)" if breach.rows > 1 or not column else ""
        if kind in ("key", "differs"):
            copies = (copy.table for copy in self.copies if (copy.other, copy.column) == (table, column))
            target = self.selection.target
            first = next(copies) if column or target is None else target.table
            advice = self.rows.advice
            if kind == "key":
                by_key = f"--id {printable(column)} pairs rows by it"
                advice = advice.replace("if rows belong together by a key, add --id COLUMN", by_key)
            name = f"column {printable(column)!r}" if column else "the target"
            where = f"{self.where(first, breach.row)}: {name}"
            return f"{where} is another one in {self.tables[table].label}{count}{advice}"
        where = self.where(table, breach.row)
        if kind not in ("time", "label"):
            of_sets = self.rule.between if Slot(table, (column,)) == self.selection.target else ""
            empty = f"; a row of no labels is written {of_sets}" if of_sets else ""
            return missing_value(where, column, kind, breach.rows) + empty
        of_event = self.rule.event is not None and Slot(table, (column,)) == self._event
        kind_of_column = Kind.TEXT if of_event or kind == "time" else self.rule.kind
        piece = self.tables[table].row({column: kind_of_column}, self.rows.row_of(table, breach.row))
        text = "" if piece is None else piece.column(column, Texts).word(0)
        if kind == "time":
            needs = f"--by {printable(column)}:... needs {A_TIME}"
            return f"{where}, column {printable(column)!r}: {printable(text)!r} is no time{count}; {needs}"
        where = f"{where}, column {printable(column)!r}: label {printable(text)!r}"
        if self.rule.sets:
            members, codes = self.rule.members(text), ClassCodes(self.rule.sets)
            strange = next((label for label in members if codes.of([label])[0] < 0), text)
            where = f"{self.where(table, breach.row)}, column {printable(column)!r}: label {printable(strange)!r}"
            return f"{where} is none of {listed(list(map(printable, self.rule.sets)))}{count}; --classes names others"
        two = self.rule.event if of_event else self.rule.two_labels
        if two is not None and two.negative is not None:
            labels = ",".join(printable(label) for label in (two.negative, two.positive))
            return f"{where} is a third label{count}; --classes {labels} declares the two that there are"
        if two is not None:
            return f"{where} is a third label{count}; --positive-label {two.positive} allows one other"
        classes = listed(list(map(printable, self.rule.classes)))
        if self.rule.decided:
            return f"{where} is no class{count}; --classes names {classes} alone"
        means = {"names": ", as the columns are named", "position": ", by the order of the columns"}
        return (
            f"{where} is no class{count}; the classes are {classes}{means.get(self.rule.classes_by, '')}; "
            f"{self._classes_to_give(text)}{self._ignoring(text)}"
        )

    def _ignoring(self, label: str) -> str:
        """Say how losses leave out the rows of a label, as of pixels or tokens without a class."""
        rule = self.rule
        if not rule.ignoring or label not in USUALLY_IGNORED[rule.classes_by == "position" :]:
            return ""
        labels = "/".join(map(printable, (*rule.ignored, label)))
        return f"; if such rows do not count, -l {rule.ignoring}:ignore_class={labels} leaves them out"

    def _classes_to_give(self, label: str) -> str:
        """Say how --classes names the classes among which a label is."""
        assert self.selection.target is not None
        words = first_words(self.tables, self.selection.target)
        strange = ClassCodes(self.rule.ignored)
        words = [word for word in dict.fromkeys([*words, label]) if strange.of([word])[0] < 0]
        columns = next(roles["pred"].columns for roles in self.selection.slots.values())
        return classes_to_give(words, len(self.rule.classes), columns)

    def never(self) -> str:
        """Say which label stands in no row, or which predictions cannot be right; nothing where all is well."""
        return self.never_positive() or self._never_right()

    def _never_right(self) -> str:
        """Return the error of the first model whose predictions cannot be right, or are no classes; else ""."""
        target = self.selection.target
        if target is None or not self.rule.open:
            return ""
        labels = sorted(self.vocabulary(target).words)  # as threads meet them in any order
        for model in self.selection.models:
            slot = self.selection.slots[model]["pred"]
            if fault := misread(labels, sorted(self.vocabulary(slot).words)):
                return f"{self.tables[slot.table].label}: column {slot.named()}: {fault}"
        return ""

    def never_positive(self) -> str:
        """Say that the positive label stands in no row; nothing where it does."""
        for where, two, words in self._positives():
            if not _is_among(two.positive, words):
                examples = ", ".join(repr(printable(word)) for word in words[:3])
                labels = ",".join(printable(word) for word in (*words, two.positive))
                declared = f"; if there is none, --classes {labels} declares both labels" if len(words) == 1 else ""
                return (
                    f"{where}: no row holds the positive label {printable(two.positive)!r}; it holds "
                    f"{examples}{declared}"
                )
        return ""

    def never_ignored(self) -> list[str]:
        """Return the labels that are ignored, no class, and in no row."""
        slot = self.selection.target
        if slot is None or not self.rule.ignored or self.rule.arrays:
            return []
        words = self.vocabulary(slot).words
        return [label for label in self.rule.ignored if not _is_among(label, words)]

    def _set_fault(self, address: int, column: str | None, code: int) -> DataError:
        """Word that a set of rows comes back, or that its rows do not share the value of a column."""
        roles = next(iter(self.selection.slots.values()))
        if column == WITHIN:
            column = self.selection.clusters[WITHIN][0].columns[0]
        if QUERY not in roles:
            return DataError(
                f"{column} differs within the file, which is one set: --role {QUERY}=COLUMN tells sets apart"
            )
        slot = roles[QUERY]
        word = printable(self.vocabulary(slot).words[code])
        place = f"{self.where(slot.table, address)}: {QUERY} {slot.named()} {word!r}"
        if column is None:
            return DataError(f"{place} comes back after other sets; rows of a set must stand together: sort by it")
        return DataError(f"{place} has another {printable(column)} than the row before; it must be one within a set")


def two_labels(values: Array, rule: TargetRule) -> Array:
    """Return arrays of two numbers as 0 and 1; any other number as one that no loss takes, NaN as it is."""
    positive, negative = float(rule.positive or 0), float(rule.negative or 0)
    ignored = [float(label) for label in rule.ignored]
    other = np.where(np.isnan(values) | np.isin(values, ignored), values, np.inf)
    return np.where(values == positive, 1.0, np.where(values == negative, 0.0, other))


def _is_among(label: str, words: Sequence[str]) -> bool:
    return bool((ClassCodes((label,)).of(words)[:-1] == 0).any())


def missing_value(where: str, column: str, kind: str, count: int) -> str:
    """Word rows of a column without a value: null or NaN, the first one and how many."""
    value = "NaN" if kind == "nan" else "missing"
    more = f" ({count} such rows)" if count > 1 else ""
    return (
        f"{where}, column {printable(column)!r}: the value is {value}{more}; "
        "--missing drop leaves such rows out for every model"
    )


class RoleArrays:
    """The columns of one block as arrays by role, and the rows that are unusable."""

    def __init__(self, reader: BlockReader, rows: Rows) -> None:
        self._reader = reader
        self.addresses = np.arange(rows.start, rows.start + rows.rows)
        self.missing: dict[Defect, Breach] = {}
        self.faults: dict[Defect, Breach] = {}
        self.unusable: Mask = np.zeros(rows.rows, dtype=bool)
        self.holes: dict[tuple[int, str], Mask] = {}  # by table and column
        self._values: dict[tuple[int, str], Numbers] = {}
        self.extents: dict[int, Extent] = {}  # of number columns, by identity
        self._codes: dict[tuple[int, str], NDArray[np.int64]] = {}
        self._keys: dict[tuple[int, str], Keys] = {}
        self._shared: dict[tuple[Slot, Kind], Array] = {}
        self._predicted: dict[Slot, Array] = {}
        for table, piece in rows.pieces:
            for name, column in piece.columns.items():
                if isinstance(column, Texts):
                    vocabulary = reader.vocabulary(Slot(table, (name,)))
                    codes = vocabulary.codes(column)
                    if (table, name, Kind.TEXT) in reader.null_slices:
                        if codes.min(initial=0) < 0:
                            codes = np.where(codes < 0, vocabulary.null(), codes)
                    else:
                        self._note(self.missing, Defect(table, name, "null"), codes < 0)
                    self._codes[table, name] = codes
                elif isinstance(column, Numbers):
                    reader.check_width(table, name, column)
                    line = reader.line_of(table, name)
                    if line is not None:
                        if line < 0:  # of another output
                            continue
                        column = Numbers(np.repeat(column.values[line : line + 1], len(column.values), 0), column.null)
                    self._values[table, name] = column
                    if (table, name, Kind.NUMBER) not in reader.null_slices:
                        self._note_missing(table, name, column)
                elif isinstance(column, Keys):
                    self._keys[table, name] = column

    def _note_missing(self, table: int, name: str, column: Numbers) -> None:
        if column.null is not None or column.extent.low != column.extent.low:
            null = column.null if column.null is not None else np.zeros(len(self.addresses), dtype=bool)
            holes = np.logical_or.reduce(np.isnan(column.values), axis=0)
            self._note(self.missing, Defect(table, name, "null"), null)
            self._note(self.missing, Defect(table, name, "nan"), holes & ~null)

    def _note(self, defects: dict[Defect, Breach], defect: Defect, rows: Mask) -> None:
        """Record unusable rows, once per column and kind."""
        if defect not in defects and rows.any():
            defects[defect] = Breach(int(np.count_nonzero(rows)), int(self.addresses[np.argmax(rows)]))
            self.unusable |= rows
            self.holes[defect[:2]] = rows | self.holes.get(defect[:2], False)

    def lacking(self, columns: Collection[tuple[int, str]]) -> Mask:
        """Return the rows in which any of some columns, by table, has no value."""
        lines = [rows for place, rows in self.holes.items() if place in columns]
        return np.logical_or.reduce(lines) if lines else np.zeros(len(self.addresses), dtype=bool)

    def texts(self, slot: Slot) -> NDArray[np.int64]:
        """Return the (rows,) codes of a text column, -1 where it is null."""
        return self._codes[slot.table, slot.columns[0]]

    def numbers(self, slot: Slot) -> Array:
        """Return the (width, rows) values of number columns, one array however many models share it."""
        if (slot, Kind.NUMBER) not in self._shared:
            names, output = slot.columns, self._reader.output
            if output is not None and len(names) > 1:
                names = (names[output],) * len(names)
            columns = [self._values[slot.table, name] for name in names]
            lines = [column.values for column in columns]
            values = self._shared[slot, Kind.NUMBER] = lines[0] if len(lines) == 1 else np.concatenate(lines)
            low, high, integers = zip(*(column.extent for column in columns), strict=True)
            self.extents[id(values)] = Extent(float(np.min(low)), float(np.max(high)), all(integers))
        return self._shared[slot, Kind.NUMBER]

    def bits(self, lines: Array) -> list[Hashes]:
        """Return the bits of number columns."""
        extent = self.extents.get(id(lines))
        return [bits(line, numbers=extent is not None and extent.low == extent.low) for line in lines]

    def codes(self, slot: Slot) -> Array:
        """Return the codes (1, rows) of a column of which only equality counts, one array for all its roles."""
        if (slot, Kind.TEXT) not in self._shared:
            self._shared[slot, Kind.TEXT] = self.texts(slot).astype(np.float64)[np.newaxis]
        return self._shared[slot, Kind.TEXT]

    def target(self, slot: Slot) -> NDArray[Any]:
        """Return the target as the rule says: numbers (width, rows), class codes (rows,), or 0/1 (width, rows)."""
        rule = self._reader.rule
        if rule.kind is Kind.NUMBER:
            return self.numbers(slot) if rule.positive is None else two_labels(self.numbers(slot), rule)
        if rule.sets:
            return self._sets(slot)
        columns = [self._labels(Slot(slot.table, (name,))) for name in slot.columns]
        return columns[0] if len(columns) == 1 else np.concatenate(columns)

    def role(self, model: str, role: str, slot: Slot) -> Array:
        """Return what a model has in a role: numbers, or the codes of labels, as (width, rows).

        Masks that are written as those of the target are 0 and 1.
        """
        if role in CODED:
            return self.codes(slot)
        if role == EVENT:
            return self.event(slot)
        rule = self._reader.rule
        if role == "pred" and model in rule.decided:
            if slot not in self._predicted:
                self._predicted[slot] = self._labels(slot)
            return self._predicted[slot]
        values = self.numbers(slot)
        if role != "pred" or not rule.arrays or 0.0 <= float(rule.positive or 0) <= 1.0:
            return values
        flags = two_labels(values, rule)
        return np.where(np.isinf(flags).any(axis=0), values, flags)

    def event(self, slot: Slot) -> Array:
        """Return whether events were observed, (1, rows), one array however many models share it."""
        two = self._reader.rule.event
        if two is None:
            return self.numbers(slot)
        if (slot, Kind.TEXT) not in self._shared:
            self._shared[slot, Kind.TEXT] = self._flags(slot, self._reader.event_codes, two.negative)
        return self._shared[slot, Kind.TEXT]

    def _sets(self, slot: Slot) -> Array:
        """Return the labels of each row as 0 and 1, (labels, rows); NaN where the row is null."""
        codes, rule = self.texts(slot), self._reader.rule
        words, labels = self._reader.vocabulary(slot).words, ClassCodes(rule.sets)
        present, places = np.unique(codes, return_inverse=True)
        table, strange = np.zeros((len(rule.sets), len(present))), np.zeros(len(present), dtype=bool)
        for place, code in enumerate(present.tolist()):
            members = labels.of(rule.members(words[code]) if code >= 0 else [])[:-1]
            strange[place] = (members < 0).any()
            table[members[members >= 0], place] = 1.0
        table[:, present < 0] = np.nan
        self._note(self.faults, Defect(slot.table, slot.columns[0], "label"), strange[places])
        return np.ascontiguousarray(table[:, places])

    def _labels(self, slot: Slot) -> NDArray[Any]:
        """Return labels as class codes, (rows,) or where predictions have them too (1, rows), or as 0/1 (1, rows)."""
        rule = self._reader.rule
        if rule.positive is not None:
            return self._flags(slot, self._reader.positive_codes, rule.negative, rule.ignored)
        codes = self.texts(slot)
        classes = self._reader.codes.of(self._reader.vocabulary(slot).words)[codes]
        self._note(self.faults, Defect(slot.table, slot.columns[0], "label"), classes == -2)
        return classes.astype(np.float64)[np.newaxis] if rule.decided else classes

    def _flags(self, slot: Slot, codes_of: ClassCodes, negative: str | None, ignored: tuple[str, ...] = ()) -> Array:
        """Return 1 for the label of code 0 and 0 for the other, (1, rows); what is ignored as a number of its own."""
        codes = self.texts(slot)
        words = self._reader.vocabulary(slot).words
        defect = Defect(slot.table, slot.columns[0], "label")
        positive = codes_of.of(words) == 0
        values = positive.astype(np.float64)
        of_ignored = ClassCodes(ignored).of(words)
        holes = of_ignored >= 0
        values[holes] = np.array([*map(hole, ignored)])[of_ignored[holes]] if ignored else 0.0
        negatives = np.flatnonzero(~(positive | holes)[:-1])
        if negative is not None:
            none = ~positive & ~holes & (ClassCodes((negative,)).of(words) != 0)
            none[-1] = False  # the null code
            self._note(self.faults, defect, none[codes])
        elif len(negatives) > 1:  # a third label is a typo or another task, never silently "not positive"
            self._note(self.faults, defect, np.isin(codes, negatives[1:]))
        return np.where(codes < 0, np.nan, values[codes])[np.newaxis]

    def compare(self, target: NDArray[Any], slot: Slot) -> None:
        """Record rows at which another table has another target."""
        other_target = self.target(slot)
        differs = (target != other_target) & ~((target != target) & (other_target != other_target))
        rows = differs if differs.ndim == 1 else differs.any(axis=0)
        self._note(self.faults, Defect(slot.table, "", "differs"), rows)

    def compare_copy(self, copy: CopyBeside) -> None:
        """Record rows at which the copy of a column holds another value, or one of the two has none."""
        places = (copy.table, copy.column), (copy.other, copy.column)
        if copy.kind is Kind.NUMBER:
            first, second = (self._values[place].values for place in places)
            rows = ((first != second) & ~((first != first) & (second != second))).any(axis=0)
        elif copy.kind is Kind.TEXT:
            words = [self._reader.vocabulary(Slot(t, (c,))).hashes(self._codes[t, c]) for t, c in places]
            rows = words[0] != words[1]
        else:
            keys = [self._keys[place] for place in places]
            nulls = [np.zeros(key.rows, dtype=bool) if key.null is None else key.null for key in keys]
            rows = np.where(nulls[0] | nulls[1], nulls[0] != nulls[1], keys[0].hashes != keys[1].hashes)
        self._note(self.faults, Defect(copy.other, copy.column, "key" if copy.kind is Kind.KEY else "differs"), rows)

    def groups(self, slots: Sequence[Slot], combinations: Combinations) -> NDArray[np.int64]:
        """Return the codes of a slicing: those of a column or of combinations; -1 where a word is missing."""
        columns = [
            self._binned(slot, bins) if (bins := self._reader.bins.get(slot)) else self.texts(slot) for slot in slots
        ]
        pairs = columns[0]
        if len(columns) == 1:
            return pairs
        for codes in columns[1:]:
            pairs = np.unique((pairs << PAIR_BITS) | (codes + 1), return_inverse=True)[1]
        _, rows = np.unique(pairs, return_index=True)
        words = [self._reader.slice_labels(slot) for slot in slots]
        complete = np.logical_and.reduce([codes[rows] >= 0 for codes in columns])
        numbers = np.full(len(rows), -1, dtype=np.int64)
        combined = zip(*(codes[rows[complete]].tolist() for codes in columns), strict=True)
        numbers[complete] = combinations.codes_of(
            [tuple(texts[code] for texts, code in zip(words, row, strict=True)) for row in combined]
        )
        return numbers[pairs]

    def _binned(self, slot: Slot, bins: Bins) -> NDArray[np.int64]:
        """Return the codes of the bins in which the values of a column are; -1 where one is missing."""
        from lossctl.io.bins import NO_PLACE

        column = slot.table, slot.columns[0]
        places = bins.places(self.numbers(slot)[0]) if bins.of_numbers else self.texts(slot)
        present, rows = np.unique(places, return_inverse=True)
        words: list[str | None]
        if bins.of_numbers:
            words = [None if place == NO_PLACE else bins.word(place) for place in present.tolist()]
        else:
            labels = self._reader.vocabulary(slot).labels
            times = [None if code < 0 else labels[code] for code in present.tolist()]
            words = [None if time is None else bins.word_of_time(time) for time in times]
            strange = np.array([word is None and time is not None for word, time in zip(words, times, strict=True)])
            self._note(self.faults, Defect(*column, "time"), strange[rows])
        null_slice = (*column, kind_of_slices(slot)) in self._reader.null_slices
        codes = np.full(len(words), -1, dtype=np.int64)
        in_slices = [place for place, word in enumerate(words) if word is not None or null_slice]
        codes[in_slices] = self._reader.bin_words[slot].codes_of([(words[place],) for place in in_slices])
        return codes[rows]


Combinations = Numbering[tuple[str | None, ...]]


def whole_sets(
    stream: Iterator[Block], constant: Sequence[str], fault: Callable[[int, str | None, int], DataError]
) -> Iterator[Block]:
    """Move the rows of a set that may go on in the next block into that; counts and the like stay with their block.

    constant: the names of groups that rows of a set must share. fault: makes the error for a row: of a set that comes
    back, or of a column (also the weight) whose value changes within a set.
    """
    closed = set[int]()

    def checked(block: Block) -> Block:
        if not block.rows:
            return block
        codes = query_of(block)
        starts = np.flatnonzero(np.diff(codes, prepend=codes[0] + 1))
        for start, code in zip(starts.tolist(), codes[starts].astype(np.int64).tolist(), strict=True):
            if code in closed:
                raise fault(int(block.addresses[start]), None, code)
            closed.add(code)
        inner = np.ones(block.rows, dtype=bool)
        inner[starts] = False
        values_by_name: dict[str, NDArray[Any]] = {name: block.groups[name] for name in constant}
        if block.weight is not None:
            values_by_name["weight"] = block.weight
        for name, values in values_by_name.items():
            differs: Mask = inner & (np.diff(values, prepend=values[:1]) != 0)
            if differs.any():
                row = int(np.argmax(differs))
                raise fault(int(block.addresses[row]), name, int(codes[row]))
        return block

    waiting: list[Block] = []  # rows of one set
    for block in stream:
        if not block.rows:
            yield block
            continue
        codes = query_of(block)
        last = int(np.flatnonzero(np.diff(codes, prepend=codes[0] + 1))[-1])  # where the last set begins
        if waiting and last == 0 and codes[0] == query_of(waiting[0])[0]:
            waiting.append(without_facts(block))
            yield block.take(slice(0, 0))
        else:
            complete = Block.joined([*waiting, block.take(slice(0, last))])
            waiting = [without_facts(block.take(slice(last, None)))]
            yield checked(complete)
    if waiting:
        yield checked(Block.joined(waiting))


def query_of(block: Block) -> NDArray[Any]:
    """Return the set codes of a block's rows; one set where no role tells."""
    roles = next(iter(block.models.values()), {})
    return roles[QUERY][0] if QUERY in roles else np.zeros(block.rows)


def without_facts(block: Block) -> Block:
    """Return the rows of a block without what concerns all rows read."""
    return block._replace(
        start=block.stop,
        read=0,
        missing={},
        dropped=0,
        faults={},
        digest=0,
        digest_kept=0,
        stopped=None,
        gaps=NO_GAPS,
    )


def targets_beside(tables: Sequence[Table], selection: Selection) -> dict[int, Slot]:
    """Return other tables that hold the target: it must be the same there, or the rows do not belong together.

    A column that plays a role there, as the predictions of a submission do, is no target, whatever its name.
    """
    target = selection.target
    if target is None:
        return {}
    slots = [slot for roles in selection.slots.values() for slot in roles.values()]
    other_roles = {(slot.table, column) for slot in slots for column in slot.columns}
    return {
        place: Slot(place, target.columns)
        for place, table in enumerate(tables)
        if place != target.table
        and set(target.columns) <= set(table.names)
        and not any((place, column) in other_roles for column in target.columns)
    }


class CopyBeside(NamedTuple):
    """A column of one table that another holds, too, by their places, and as what both are read."""

    table: int
    other: int
    column: str
    kind: Kind


def copies_beside(tables: Sequence[Table], selection: Selection, keys: Sequence[str]) -> Iterator[CopyBeside]:
    """Yield columns that other tables hold, too: they must be the same there, or the rows do not belong together.

    They tell weights, slices, clusters, times, sets or events; or rows, by the usual `keys`. A column that plays a role
    of its own in the other table is no copy.
    """
    roles = next(iter(selection.slots.values()), {})
    slots = [(slot, kind_of_slices(slot)) for slot in chain.from_iterable(selection.groupings.values())]
    slots += [(roles[role], Kind.TEXT) for role in sorted(CODED | {EVENT}) if role in roles]
    slots += [] if selection.weight is None else [(selection.weight, Kind.NUMBER)]
    columns = dict.fromkeys((slot.table, column, kind) for slot, kind in slots for column in slot.columns)
    columns |= dict.fromkeys((0, column, Kind.KEY) for column in keys if len(tables) > 1 and column in tables[0].names)
    columns_of_models = {
        (slot.table, c) for by_role in selection.slots.values() for slot in by_role.values() for c in slot.columns
    }
    for table, column, kind in columns:
        for other in range(len(tables)):
            if other != table and column in tables[other].names and (other, column) not in columns_of_models:
                yield CopyBeside(table, other, column, kind)


def kind_of_slices(slot: Slot) -> Kind:
    """Return the kind that a column of slices is read as."""
    return Kind.NUMBER if slot.bins is not None and slot.bins.of_numbers else Kind.TEXT


def settled(table: Table, column: str, bins: Bins) -> Bins:
    """Return bins with the edges that they take from the data, all of whose values are read for that."""
    if not bins.quantiles:
        return bins
    pieces = [piece.column(column, Numbers).values[0] for piece in decoded(table.read({column: Kind.NUMBER}))]
    return bins.settled(np.concatenate(pieces) if pieces else np.empty(0))


def check_single(tables: Sequence[Table], slot: Slot) -> None:
    """Raise DataError where a column that is read as labels holds several values per row."""
    for name in slot.columns:
        if tables[slot.table].shape(name).width != 1:
            raise DataError(f"{tables[slot.table].label}: column {printable(name)!r} {NOT_SINGLE}")
