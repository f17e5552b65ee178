"""Sitter: the columns of one input as they are chosen and read for a portrait, and what one pass over them finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from lossctl import registry
from lossctl.api.choosing.case import Case
from lossctl.api.choosing.fitting import asked_domains
from lossctl.api.evaluate import look_ahead
from lossctl.api.options import as_list, open_inputs
from lossctl.core.block import Block, Defect, Pending
from lossctl.core.breach import Breach
from lossctl.core.domain import REAL
from lossctl.core.state import NEVER
from lossctl.engine.reduce import merged
from lossctl.engine.run import Progress, Watch
from lossctl.errors import DataError, UsageError
from lossctl.io.blocks import BlockReader, TargetRule, check_single, width_of
from lossctl.io.by_position import ByPosition
from lossctl.io.select import Request, Selection, classes_for, pair_outputs, select
from lossctl.io.table import Table
from lossctl.profile.roles import LabelState, Portrait, Sitting, first_middles
from lossctl.profile.scan import in_order
from lossctl.results.survey import MOST_WORDS

EMBEDDINGS: Final = (frozenset({"left", "right"}), frozenset({"anchor", "positive", "negative"}))
WORDS: Final = "labels"  # the name of the slicing as which a target of text is read
ALONE: Final = "target"  # the name of a model that predicts nothing


@dataclass
class Found:
    """What one pass has found; blocks may be added in any order."""

    portrait: Portrait = field(default_factory=lambda: Portrait(0))
    read: int = 0
    missing: Mapping[Defect, Breach] = field(default_factory=dict)
    faults: Mapping[Defect, Breach] = field(default_factory=dict)
    stopped: tuple[int, DataError] | None = None

    def add(self, block: Block, portrait: Portrait) -> None:
        """Take one block."""
        self.portrait = self.portrait.merge(portrait)
        self.read += block.read
        self.missing, self.faults = merged(self.missing, block.missing), merged(self.faults, block.faults)
        if block.stopped is not None and (self.stopped is None or block.stop < self.stopped[0]):
            self.stopped = block.stop, block.stopped


class Sitter:
    """One input, opened, with the columns that play a part.

    Parameters
    ----------
    asked
        The arguments of `choose`, checked.
    """

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self.tables, names, _ = open_inputs(asked["data"], asked["targets"], asked["delimiter"])
        beside = asked["targets"] is not None
        if len(self.tables) - beside != 1:
            raise UsageError(
                f"{len(self.tables) - beside} inputs are given; one is looked at, with --targets beside it"
            )
        roles = tuple(as_list(asked["roles"]))
        needed = _needed(roles, asked["pred"], asked["target"])
        request = Request(
            asked["target"], () if asked["pred"] is None else (asked["pred"],), roles, has_targets_file=beside
        )
        self.chosen = select(self.tables, names, request, needed)
        order = pair_outputs(self.chosen)
        self.widths = {
            role: width_of(self.tables, slot) for slots in self.chosen.slots.values() for role, slot in slots.items()
        }
        self.target = () if self.chosen.target is None else self.chosen.target.columns
        if self.chosen.target is not None:
            self.widths["target"] = width_of(self.tables, self.chosen.target)
        if not self.chosen.models:  # blocks go by model
            self.chosen.models, self.chosen.slots = [ALONE], {ALONE: {}}
        [self.model] = self.chosen.models
        self.pred = tuple(name for slot in self.chosen.slots[self.model].values() for name in slot.columns)
        rule = _rule(self.tables, self.chosen, self.widths, order, asked["positive_label"], asked["classes"])
        self.missing = asked["missing"]
        self.reader = BlockReader(self.tables, ByPosition(self.tables), self.chosen, rule, self.missing)

    @property
    def label(self) -> str:
        """The name of the input, for messages."""
        return self.tables[0].label

    def portray(self, threads: int, progress: Progress | None, watch: Watch) -> Found:
        """Read every row once; raise DataError for the first one that cannot be used, or if there is none."""
        feeds = self.reader.feeds(threads)
        first = look_ahead(feeds)
        if first is None:
            raise DataError(f"{self.label}: there are no rows below the header")
        sitting = Sitting(
            asked_domains(registry.losses().values(), self.widths),
            first_middles(first.models.get(self.model, {})),
            bool(self.reader.rule.classes),
        )
        found, lock = Found(), Lock()

        def take(pending: Pending[Block]) -> None:
            with watch("decode"):
                block = pending.make()
            with watch("compute"):
                made = sitting.portray(block.models.get(self.model, {}), block.addresses, block.groups.get(WORDS))
            with lock, watch("merge"):
                found.add(block, made)
                self._check_words()
                if progress is not None:
                    progress(block.read)

        def take_all(feed: Iterator[Pending[Block]]) -> None:
            for pending in timed(feed, watch):
                take(pending)

        done = (
            in_order(timed(feeds[0], watch), take, threads) if len(feeds) == 1 else in_order(feeds, take_all, threads)
        )
        for _ in done:
            pass
        self._judge(found)
        return found

    def _check_words(self) -> None:
        if WORDS in self.chosen.by and len(self.reader.labels(WORDS)) > MOST_WORDS:
            raise DataError(
                f"{self.label}: the target {self.chosen.by[WORDS][0].named()} holds text with more than {MOST_WORDS} "
                "different values, which is neither numbers nor labels; -t names another column"
            )

    def _judge(self, found: Found) -> None:
        wrong: list[tuple[int, str]] = []
        for defects in (found.missing if self.missing == "error" else {}, found.faults):
            wrong += [(breach.row, self.reader.explain(defect, breach)) for defect, breach in defects.items()]
        wrong += [
            (breach.row, self._infinite(role, breach))
            for (role, domain), breach in found.portrait.breaches.items()
            if domain == REAL and breach.row != NEVER
        ]
        row, text = min(wrong, default=(NEVER, ""))
        if found.stopped is not None and found.stopped[0] <= row:
            raise found.stopped[1]
        if text:
            raise DataError(text)
        if not found.portrait.rows:
            raise DataError(f"{self.label}: every one of the {found.read} rows has a missing value")
        if complaint := self.reader.never_positive():
            raise DataError(complaint)

    def _infinite(self, role: str, breach: Breach) -> str:
        slot = self.chosen.target if role == "target" else self.chosen.slots[self.model][role]
        assert slot is not None
        such = f" ({breach.count} such rows)" if breach.count > 1 else ""
        where = (
            f"{self.reader.where(slot.table, breach.row)}, column{'s' if len(slot.columns) > 1 else ''} {slot.named()}"
        )
        return f"{where}: a value is infinite{such}; losses take finite numbers, so correct it or leave the row out"

    def case(self, portrait: Portrait) -> Case:
        """Return what the portrait shows, with the labels by name; those of text by their number of rows."""
        coded, text = bool(self.reader.rule.classes), WORDS in self.chosen.by
        words: Sequence[str] = self.reader.rule.classes
        if text:
            words = [word for (word,) in self.reader.labels(WORDS)]
        elif not coded and portrait.labels:
            words = ("-1" if portrait.lines["target"].low < 0.0 else "0", "1")
        labels = {word: portrait.labels.get(code, LabelState()) for code, word in enumerate(words)}
        if text:
            there = [(word, state) for word, state in labels.items() if state.rows]
            labels = dict(sorted(there, key=lambda entry: (-entry[1].rows, entry[0])))
        return Case(portrait, self.widths, labels, text, coded)


def timed(feed: Iterator[Pending[Block]], watch: Watch) -> Iterator[Pending[Block]]:
    """Give what a feed gives, and time how long it takes to."""
    while True:
        with watch("read"):
            block = next(feed, None)
        if block is None:
            return
        yield block


def _needed(roles: Sequence[str], pred: str | None, target: str | None) -> set[str]:
    """Return the roles that are read: embeddings, or a target with or without predictions."""
    named = frozenset(text.partition("=")[0].rpartition(":")[2] for text in roles)
    if not named:
        return {"target"} | ({"pred"} if pred is not None else set())
    if named not in EMBEDDINGS:
        sets = " or ".join(",".join(sorted(known)) for known in EMBEDDINGS)
        raise UsageError(f"--role: {','.join(sorted(named))} is no set of embeddings; {sets} is one")
    if pred is not None:
        raise UsageError(f"-p {pred}: embeddings are named by --role, and they are what is predicted; leave -p out")
    if "anchor" in named and target is not None:
        raise UsageError(f"-t {target}: triplets have no target; leave -t out")
    return set(named) | ({"target"} if "left" in named else set())


def _rule(
    tables: Sequence[Table],
    chosen: Selection,
    widths: Mapping[str, int],
    order: Sequence[str] | None,
    positive: str | None,
    classes: str | Sequence[str] | None,
) -> TargetRule:
    """Decide how the target is read: as class codes, as one label against another, as text, or as numbers."""
    slot = chosen.target
    several = widths.get("pred", 1) > 1 and widths.get("target") == 1
    if classes is not None and not several:
        raise UsageError("--classes names the classes of several prediction columns beside one column of labels")
    if slot is None:
        if positive is not None:
            raise UsageError("--positive-label: triplets have no target")
        return TargetRule()
    if positive is not None:
        if several or len(slot.columns) > 1:
            raise UsageError("--positive-label is for one target column and one prediction column")
        check_single(tables, slot)
        return TargetRule(positive=positive)
    if several:
        check_single(tables, slot)
        given = classes if isinstance(classes, str) or classes is None else ",".join(map(str, classes))
        return TargetRule(classes=classes_for(widths["pred"], order, given))
    if "pred" in widths and widths["pred"] != widths["target"]:
        found = " and ".join(f"{widths[role]} {role} columns" for role in ("target", "pred"))
        raise UsageError(f"{found}: a loss takes as many of one as of the other, or one column of labels")
    if len(slot.columns) == 1 and tables[slot.table].shape(slot.columns[0]).kind == "text":
        if "left" in widths:
            raise UsageError(f"the target {slot.named()} holds text; --positive-label LABEL says which label is 1")
        chosen.by, chosen.target = {WORDS: (slot,)}, None
    return TargetRule()
