"""Labels: one spelling for each, wherever it comes from; and labels to class codes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

WHOLE: Final = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0")
BOOLEAN: Final = {"true": "true", "True": "true", "TRUE": "true", "false": "false", "False": "false", "FALSE": "false"}


def label(value: object) -> str:
    """Write a label in one way for every container: true for True, 1 for 1.0; other text stays as it is."""
    text = str(value)
    match = WHOLE.fullmatch(text)
    if match:
        return "0" if match[1] == "-0" else match[1]
    return BOOLEAN.get(text, text)


class ClassCodes:
    """Labels to class codes; labels that are numbers compare by value (1, 1.0 and 01 are one class)."""

    def __init__(self, classes: Sequence[object]) -> None:
        self.classes = tuple(map(label, classes))
        self._texts = {text: code for code, text in enumerate(self.classes)}
        values = {value: code for text, code in self._texts.items() if (value := as_number(text)) is not None}
        self._values: Mapping[float, int] = values if len(values) == len(self.classes) else {}

    def and_ignored(self, labels: Sequence[str]) -> ClassCodes:
        """Return the same codes, and further ones for labels that are no class and do not count."""
        unknown = [label(text) for text in labels if self.of([text])[0] < 0]
        return ClassCodes([*self.classes, *unknown]) if unknown else self

    def of(self, words: Sequence[object]) -> NDArray[np.int64]:
        """Return the code of every word and, for the null code -1, a last -1; unknown words are -2."""
        return np.array([*map(self._code, words), -1], dtype=np.int64)

    def _code(self, word: object) -> int:
        text = label(word)
        if text in self._texts:
            return self._texts[text]
        value = as_number(text)
        return -2 if value is None else self._values.get(value, -2)


def as_number(text: str) -> float | None:
    """Return the value of a label that is a number."""
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None
