"""Several prediction columns beside one target: models, classes or quantiles, by their names and the first rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from lossctl.core.batch import BLOCK
from lossctl.core.domain import as_number
from lossctl.core.loss import Loss
from lossctl.core.naming import names_of, readings
from lossctl.errors import DataError, UsageError, printable
from lossctl.io.select import Selection, Slot, first_words
from lossctl.io.table import BETWEEN, Kind, Numbers, Table, decoded
from lossctl.numerics.array import Array

TASKS_OF_ONE_COLUMN: Final = ("regression", "binary")
SEPARATORS: Final = ("|", ";", ",")
NEAR_ONE: Final = 0.05  # by how much probabilities of classes that were rounded miss their sum
DECIMAL: Final = r"(?:^|.*[^0-9.])(0?\.[0-9]+)"
OF_LEVEL: Final = r"(?i)(?:^|.*[^a-z])(?:q|p|quantile|quant|pct|percentile|perc|tau|alpha|level)[-_. ]?"
LEVEL: Final = OF_LEVEL + r"([0-9]{2,4})"
POINT: Final = OF_LEVEL + r"(0[-_][0-9]+|[0-9]{1,2}(?:\.[0-9]+)?)"
PERCENT: Final = r"(?:^|.*[^0-9.])([0-9]{1,2}(?:\.[0-9]+)?) ?%"
BOUND: Final = r"(?i)(?:^|.*[^a-z])(lo|hi)[-_. ]?([0-9]{1,2}(?:\.[0-9]+)?)"
BOX: Final = 4  # columns of a box
ENDS: Final = {  # how the columns of boxes end, by the frame
    "xyxy": "x1 y1 x2 y2, x0 y0 x1 y1, xmin ymin xmax ymax, x_min y_min x_max y_max, left top right bottom",
    "xywh": "x y w h, x y width height, left top width height, x1 y1 w h, x0 y0 w h, xmin ymin w h, x_min y_min w h, "
    "left top w h, xmin ymin width height, x_min y_min width height",
    "cxcywh": "cx cy width height, cx cy w h, xc yc w h, x_center y_center width height, xcenter ycenter width height",
}
FRAMES: Final = {tuple(ends.split()): frame for frame, texts in ENDS.items() for ends in texts.split(", ")}


# what names say ------------------------------------------------------------------------------------------------------


def levels_of(columns: Sequence[str]) -> tuple[float, ...] | None:
    """Return the quantiles that columns are named by (q05, p_0.5, 95%, lo-90), None where they are not.

    >>> levels_of(["q05", "q50", "q95"])
    (0.05, 0.5, 0.95)
    """
    decimals = [float(text) for text in _ends(DECIMAL, columns)]
    percents = [_percent(text) for text in _ends(PERCENT, columns)]
    for levels in (decimals, percents, _digits(columns), _points(columns), _bounds(columns)):
        if levels and len(set(levels)) == len(columns) and all(0.0 < level < 1.0 for level in levels):
            return tuple(levels)
    return None


def _ends(pattern: str, columns: Iterable[str]) -> list[str]:
    """Return what the group of a pattern matches in each column's name; nothing unless all names match."""
    matches = [re.fullmatch(pattern, name.strip()) for name in columns]
    return [match[1] for match in matches if match] if all(matches) else []


def _percent(text: str) -> float:
    """Read a percentage as the float nearest to its share, which a division by 100 may miss."""
    return float(f"{float(text)}e-2")


def _digits(columns: Sequence[str]) -> list[float]:
    """Read digits after a word for quantile: q05 or q025 are what stands behind the point."""
    digits = _ends(LEVEL, columns)
    alike = len(set(map(len, digits))) == 1
    return [float(f"0.{text}") for text in digits] if alike else []


def _points(columns: Sequence[str]) -> list[float]:
    """Read percentiles of which some have a point, P2.5 or P97.5, and quantiles whose point is a sign, q0_1."""
    texts = _ends(POINT, columns)
    if texts and all(text.startswith(("0_", "0-")) for text in texts):
        return [float(f"0.{text[2:]}") for text in texts]
    percents = any("." in text for text in texts) and not any(text.startswith("0") or "_" in text for text in texts)
    return [_percent(text) for text in texts] if percents else []


def _bounds(columns: Sequence[str]) -> list[float]:
    """Read the bounds of central intervals, lo-90 and hi-90; a column without one is the median."""
    levels = []
    for name in columns:
        match = re.fullmatch(BOUND, name)
        share = float(match[2]) / 100.0 if match else 0.0
        levels.append(round(0.5 * (1.0 - share if match is None or match[1].lower() == "lo" else 1.0 + share), 12))
    return levels if any(level != 0.5 for level in levels) else []


def _are_bounds(columns: Sequence[str]) -> bool:
    """Whether two columns are a lower and an upper bound by their names."""
    pairs = (("lower", "upper"), ("low", "high"), ("lo", "hi"), ("lb", "ub"))
    return len(columns) == 2 and any(all(map(_ends_with, columns, pair)) for pair in pairs)


def frame_of(columns: Sequence[str]) -> str | None:
    """Return the frame of boxes whose four columns end as x, y, w, h or the like; None where they do not.

    >>> frame_of(["t_x1", "t_y1", "t_x2", "t_y2"])
    'xyxy'
    """
    if len(columns) != BOX:
        return None
    return next((frame for words, frame in FRAMES.items() if all(map(_ends_with, columns, words))), None)


def check_box_order(columns: Sequence[str]) -> None:
    """Raise UsageError for columns that are named as those of boxes, in another order than boxes have."""
    if len(columns) != BOX or frame_of(columns) is not None:
        return
    for words in FRAMES:
        places = [[column for column in columns if _ends_with(column, word)] for word in words]
        if all(len(place) == 1 for place in places):
            order = ",".join(place[0] for place in places)
            raise UsageError(f"columns {','.join(columns)} are those of boxes in another order; name them as {order}")


def _ends_with(name: str, word: str) -> bool:
    return re.fullmatch(rf"(?:.*[^a-z0-9])?{word}", name, re.IGNORECASE) is not None


# models or classes ---------------------------------------------------------------------------------------------------


def models_apart(
    tables: Sequence[Table], selection: Selection, model: str, losses: Sequence[Loss], options: Mapping[str, object]
) -> bool:
    """Whether the columns of a model that was given no name are a model each, beside a target of one column.

    They are where no loss takes them together, and where the target holds no labels of classes. options: as those of
    `evaluate`. Raises UsageError where they may be either.
    """
    slot, target = selection.slots[model]["pred"], selection.target
    if target is None or len(slot.columns) < 2:
        return False
    widths = [tables[slot.table].shape(name).width for name in slot.columns]
    if max(widths) > 1:
        return min(widths) > 1
    if len(target.columns) > 1 or _width(tables, target) > 1:
        return False
    if label_sets(tables, target, len(slot.columns), options["task"]) is not None:
        return False
    alone = [loss.form_for({"target": 1, "pred": 1}) is not None for loss in losses]
    if options["task"] is not None or options["positive_label"] is not None:
        return options["task"] in (None, *TASKS_OF_ONE_COLUMN) and all(alone)
    if options["classes"] is not None or options["renormalize"] or "softmax" in str(options["activation"]):
        return False
    if any(loss.of_quantiles and loss.spec == loss.name for loss in losses) and _are_bounds(slot.columns):
        names = ",".join(map(printable, slot.columns))
        raise UsageError(
            f"-p {names}: bounds by their names, of which quantile has to know q: -l quantile:q=0.05/0.95 with "
            f"-p interval={names} if they are these; {' '.join(f'-p {name}' for name in names.split(','))} takes q=0.5 "
            "for each"
        )
    kinds = {tables[slot.table].shape(name).kind for name in slot.columns}
    if kinds == {"text"}:  # classes that were predicted
        return True
    levels = levels_of(slot.columns)
    together = [fits_together(loss, len(slot.columns), levels is not None) for loss in losses]
    strange = next((loss.name for loss in losses if not fits_together(loss, len(slot.columns), True)), None)
    if levels is not None and strange is not None and any(loss.of_quantiles for loss in losses):
        raise UsageError(
            f"the columns {names_of(slot.columns)} are named by quantiles, which {strange} does not take together: ask "
            "-l quantile apart, or name the columns one by one with -p"
        )
    if (losses and not all(together)) or not all(alone):
        return all(alone)
    if levels is not None and (losses or tables[target.table].shape(target.columns[0]).kind == "number"):
        return False
    return _no_classes(tables, slot, target, selection.patterns.get(model, ""))


def together_by_name(
    tables: Sequence[Table], selection: Selection, losses: Sequence[Loss], options: Mapping[str, object]
) -> str:
    """Say as what models of one column each, without names of their own, are those of one; nothing if they are not.

    They are quantiles by their names where the quantile loss is asked for, and classes where no loss takes one column.
    """
    slots, target, task = [roles["pred"] for roles in selection.slots.values()], selection.target, options["task"]
    if target is None or len(slots) < 2 or any(len(slot.columns) != 1 for slot in (target, *slots)):
        return ""
    if options["positive_label"] is not None or options["classes"] is not None:
        return ""
    columns = tuple(slot.columns[0] for slot in slots)
    kind = tables[target.table].shape(target.columns[0]).kind
    plain = bool(losses) and all(loss.of_quantiles and loss.spec == loss.name for loss in losses)
    quantiles = plain and task in (None, "quantile") and kind == "number" and levels_of(columns) is not None
    alone = any(loss.form_for({"target": 1, "pred": 1}) is not None for loss in losses) or not losses
    fitting = all(fits_together(loss, len(columns), False) for loss in losses)
    classes = task in (None, "multiclass") and fitting and (kind == "text" or not alone)
    if not (quantiles or classes) or any(_width(tables, slot) != 1 for slot in (target, *slots)):
        return ""
    if {tables[slot.table].shape(slot.columns[0]).kind for slot in slots} != {"number"}:
        return ""
    if quantiles:
        return "quantiles, as they are named"
    words = first_words(tables, target)
    return "classes, as labels of the target name them" if words and readings(columns, "", words) else ""


def are_quantiles(tables: Sequence[Table], selection: Selection) -> bool:
    """Whether the columns of every model are named by quantiles of a target of numbers, and not by its labels."""
    target = selection.target
    if target is None or tables[target.table].shape(target.columns[0]).kind != "number":
        return False
    if any(levels_of(roles["pred"].columns) is None for roles in selection.slots.values()):
        return False
    words = first_words(tables, target)
    patterns = selection.patterns
    return not any(
        readings(roles["pred"].columns, patterns.get(model, ""), words) for model, roles in selection.slots.items()
    )


class LabelSets(NamedTuple):
    """What separates the labels in a text of several (nothing in a list), and those of the first rows."""

    between: str
    labels: tuple[str, ...]


def label_sets(tables: Sequence[Table], target: Slot | None, width: int, task: object) -> LabelSets | None:
    """Return how a target column holds several labels in each row; width: of several predictions, one per label.

    They are lists, or texts such as `a|b`; None where a target is none of these.
    """
    if target is None or len(target.columns) > 1 or task not in (None, "multilabel"):
        return None
    shape = tables[target.table].shape(target.columns[0])
    lists = shape.kind == "labels" or (
        task == "multilabel" and shape.kind == "number" and shape.width not in (1, width)
    )
    if not lists and shape.kind not in ("text", "number"):
        return None
    words = first_words(tables, target, Kind.LABELS if lists else Kind.TEXT) if lists or shape.width == 1 else []
    between = next((mark for mark in SEPARATORS if any(mark in word for word in words)), BETWEEN)
    if not lists and not (
        words and (task == "multilabel" or (between == BETWEEN and any(BETWEEN in word for word in words)))
    ):
        return None
    pieces = (piece.strip() for word in words for piece in word.split(BETWEEN if lists else between))
    return LabelSets("" if lists else between, tuple(dict.fromkeys(piece for piece in pieces if piece)))


def has_fractions(tables: Sequence[Table], target: Slot) -> bool:
    """Whether the first rows of a target of numbers hold some that are not whole."""
    if tables[target.table].shape(target.columns[0]).kind != "number":
        return False
    numbers = map(as_number, first_words(tables, target))
    return any(number is not None and not number.is_integer() for number in numbers)


def fits_together(loss: Loss, width: int, are_quantiles: bool) -> bool:
    """Whether a loss takes several columns together beside a target of one."""
    if loss.of_quantiles and are_quantiles:
        return True
    return loss.form_for({"target": 1, "pred": width}) is not None


def _width(tables: Sequence[Table], slot: Slot) -> int:
    return sum(tables[slot.table].shape(name).width for name in slot.columns)


def _no_classes(tables: Sequence[Table], slot: Slot, target: Slot, pattern: str) -> bool:
    """Whether the first rows of the target hold no labels of classes that columns may be; UsageError if unclear."""
    words = first_words(tables, target)
    rows = first_numbers(tables[slot.table], slot.columns)
    if not words or rows is None or readings(slot.columns, pattern, words):
        return False
    shares = bool(((rows >= 0.0) & (rows <= 1.0)).all())
    if shares and (np.abs(np.add.reduce(rows, axis=0) - 1.0) <= NEAR_ONE).all():
        return False
    numbers = [as_number(word) for word in words]
    values = {number for number in numbers if number is not None}
    if len(values) < len(words):  # text
        return len(words) == 2
    width = len(slot.columns)
    places = values <= set(range(width)) or values <= set(range(1, width + 1))
    if not places or (shares and values <= {0.0, 1.0}):
        return True
    if max(values) - min(values) < width - 1 and len(values) < width:
        return True
    columns = names_of(slot.columns)
    raise UsageError(
        f"-p {','.join(map(printable, slot.columns))}: the target holds whole numbers below {width + 1}, so {columns} "
        f"may be {width} models (--task regression) or the {width} classes of one (--task multiclass)"
    )


def first_numbers(table: Table, columns: Sequence[str]) -> Array | None:
    """Return the numbers of the complete rows in the first block of columns, (columns, rows); None if there are none.

    What cannot be read ends them, as a pass over it will say.
    """
    pieces: list[Array] = []
    try:
        for piece in decoded(table.read(dict.fromkeys(columns, Kind.NUMBER))):
            pieces.append(np.concatenate([piece.column(name, Numbers).values for name in columns]))
            if sum(rows.shape[1] for rows in pieces) >= BLOCK:
                break
    except DataError:
        pass
    rows = np.concatenate(pieces, axis=1) if pieces else np.empty((len(columns), 0))
    rows = rows[:, ~np.isnan(rows).any(axis=0)]
    return rows if rows.shape[1] else None
