"""Mismatch: keys that do not pair, counted over whole tables and shown by a few examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from lossctl.core.fingerprint import Hashes
from lossctl.core.labels import label
from lossctl.errors import DataError, printable
from lossctl.io.column import Kind, Table, Texts, keys_of
from lossctl.io.instep import InStep

EXAMPLES: Final = 3


def mismatch(tables: Sequence[Table], key: str, hashes: Sequence[Hashes]) -> DataError:
    """Say which keys stand twice, or else which are not in all tables, from the hashes of each table's keys."""
    column = f"column {printable(key)!r}"
    ordered = [np.sort(keys) for keys in hashes]
    for table, keys in zip(tables, ordered, strict=True):
        again = np.unique(keys[1:][keys[1:] == keys[:-1]])
        if len(again):
            shown = examples(table, key, again)
            return DataError(f"{table.label}: {column}: {len(again)} keys stand more than once ({shown})")
    for table, keys in zip(tables[1:], ordered[1:], strict=True):
        missing = np.setdiff1d(ordered[0], keys, assume_unique=True)
        extra = np.setdiff1d(keys, ordered[0], assume_unique=True)
        faults = [
            f"{len(found)} {kind} ({examples(owner, key, found)})"
            for kind, owner, found in (
                (f"of {tables[0].label} missing", tables[0], missing),
                ("not in it", table, extra),
            )
            if len(found)
        ]
        if faults:
            return DataError(f"{table.label}: {column}: keys differ: " + ", ".join(faults))
    return DataError(f"{column}: two keys have one hash of 64 bits; rename one of them")


def examples(table: Table, key: str, hashes: Hashes) -> str:
    """Show a few of some keys, in the order of their rows."""
    return ", ".join(words_of(table, key, hashes)) + (", ..." if len(hashes) > EXAMPLES else "")


def words_of(table: Table, key: str, hashes: Hashes) -> list[str]:
    """Return the first few of some keys, in the order of their rows."""
    words: list[str] = []
    for rows in InStep([table]).feeds([(0, {key: Kind.KEY}), (0, {key: Kind.TEXT})], 1)[0]:
        (_, keys), (_, texts) = rows.decoded()[1]
        text = texts[key]
        assert isinstance(text, Texts)
        for row in np.flatnonzero(np.isin(keys_of(keys, key).hashes, hashes)).tolist():
            word = printable(label(text.words[int(text.codes[row])]))
            if word not in words:
                words.append(word)
        if len(words) > EXAMPLES:
            break
    return words[:EXAMPLES]
