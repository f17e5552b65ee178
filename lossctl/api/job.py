"""Job: the decisions between the columns and the plan, and the data error of a pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from lossctl import registry
from lossctl.api.multicolumn import (
    LabelSets,
    are_quantiles,
    check_box_order,
    frame_of,
    has_fractions,
    label_sets,
    levels_of,
)
from lossctl.api.options import Names
from lossctl.api.query import Query, as_list
from lossctl.core.block import Block, Breach
from lossctl.core.domain import (
    ONE_HOT,
    RANGES,
    SIMPLEX,
    UNIT,
    Box,
    ClassCodes,
    Domain,
    Flag,
    Interval,
    Mark,
    Probability,
    as_number,
    hole_fault,
    way_of_list,
)
from lossctl.core.form import DECIDED, EVENT, FORM_OF, OPTIONAL, READINGS, Form, Reading, form_wish
from lossctl.core.loss import Loss, Term, admits, column_readings, fitted, fixes, misfit, unfit
from lossctl.core.naming import are_classes, counterpart, may_be_classes, split_labels
from lossctl.core.state import NEVER, means
from lossctl.engine.plan import Check, Plan, Question
from lossctl.engine.reduce import RunState
from lossctl.errors import DataError, UsageError, listed, near, printable
from lossctl.io.blocks import USUALLY_IGNORED, BlockReader, TargetRule, TwoLabels, check_single
from lossctl.io.select import (
    TARGET_NAMES,
    Selection,
    Slot,
    assignments,
    classes_of,
    first_numbers,
    first_words,
    pair_outputs,
)
from lossctl.io.table import Kind, Numbers, Table
from lossctl.losses.regression import crossing, reached
from lossctl.numerics.activation import APPLY
from lossctl.numerics.array import Array
from lossctl.results.report import TargetReading, Task

USUAL: Final = {
    "regression": ("mse", "rmse", "mae", "mbe", "huber", "r2"),
    "binary": ("bce", "brier", "focal", "zero_one"),
    "multiclass": ("cce", "brier", "focal", "zero_one"),
    "multilabel": ("bce", "focal"),
    "quantile": ("quantile",),
    "boxes": ("iou", "giou", "diou", "ciou"),
    "masks": ("dice", "iou_mask", "bce"),
}
# of predictions that are classes
OF_CLASSES: Final = {**USUAL, "binary": ("zero_one", "mcc_loss"), "multiclass": ("zero_one",)}
FEW_CLASSES: Final = 20  # labels of numbers that are recognised unasked
RENORMALIZE: Final = "renormalize"  # the activation of class probabilities whose rows do not sum to 1
WORDS: Final[Mapping[Reading, str]] = {"classes": "a row over as many classes", "flags": "a yes or no in each"}
CLASS_ROWS: Final = "every row of target and predictions sums to 1"
NO_CLASS_ROWS: Final = "rows of target or predictions do not sum to 1"
BOX_FRAMES: Final = ("xyxy", "xywh")
WHITE: Final = 255.0  # in a mask of bytes
TWO_GREYS: Final = ((0.0, 1.0), (0.0, WHITE))
GREYS: Final = Interval(low=0.0, high=WHITE, low_closed=True, high_closed=True)
SHOWN: Final = 4  # values of a row in a message
LONGEST_SHOWN: Final = 40  # characters of a text there


class Job:
    """What is decided between the columns and the plan: activations, classes, task, and the form of every loss.

    activations: by model. widths: role -> number of columns. outputs: the names of several outputs. task: None until
    `questions`, where only values can tell. rule: how the target column is read. reading: as what all losses read the
    target, from `questions` on.
    """

    def __init__(self, query: Query, tables: Sequence[Table], selection: Selection) -> None:
        """Decide everything that the columns alone can tell."""
        options, target = query.options, selection.target
        positive, classes = options["positive_label"], options["classes"]
        self._query, self._tables, self._selection = query, tables, selection
        self._soft = False  # whether the target holds probabilities of classes
        self.activations = self._activations(options["activation"])
        self.outputs = pair_outputs(selection)
        self.widths = self._widths()
        of_events = any(EVENT in loss.roles for _, loss in query.losses)
        text = classes if isinstance(classes, str) or classes is None else ",".join(map(str, classes))
        event = self._event_labels(positive, text) if of_events else None
        positive, text = (None, None) if event is not None else (positive, text)
        if positive is not None and target is not None and self.widths.get("pred", 1) == 1:
            check_single(tables, target)
        width = self.widths.get("pred", 1)
        self._sets = label_sets(tables, target, width, options["task"]) if width > 1 else None
        if self._sets is not None:
            self.widths["target"] = self.widths["pred"]
        self._decided = self._predicts_classes(options["task"], positive, text)
        several = target is None or self.widths["target"] > 1
        self._label_models = [] if positive is None or target is None or several else self._models_of_labels(target)
        self._only_classes = self._decided or len(self._label_models) == len(selection.models)  # are predicted by all
        self.task = self._task(options["task"], positive)
        self.reading: TargetReading | None = None
        self._columns_are, self._why = self._settled_form()
        self._fits = [] if self.task is None and not query.losses else self._fitted_losses()
        readings = {form.reading(self.widths.get("target", 1)) for _, _, form in self._fits}
        if "labels" in readings and len(readings) > 1:
            mixed = listed([loss.name for _, loss in self._losses()])
            raise UsageError(f"{mixed}: some of these read the target as class labels and some as numbers; ask apart")
        if self._sets is not None:
            self.rule = self._sets_rule(self._sets, text)
        elif "labels" in readings and self.widths["pred"] == 1:
            self.rule = self._decided_rule(positive, text)
        else:
            self.rule = self._class_rule(positive, text) if "labels" in readings else self._plain_rule(positive, text)
        self.rule = self.rule._replace(event=event)

    def _activations(self, activation: Names | Mapping[str, str]) -> dict[str, str]:
        """Return the activation of each model."""
        models = self._selection.models
        texts = (
            [f"{model}={name}" for model, name in activation.items()]
            if isinstance(activation, Mapping)
            else as_list(activation)
        )
        by_model = assignments(texts, models, "--activation") if texts else {}
        for name in by_model.values():
            if name not in RANGES:
                raise UsageError(f"--activation {name}: one of {listed(list(RANGES))}{near(name, list(RANGES))}")
        if texts and not self._preds:
            raise UsageError("--activation speaks of prediction columns; the losses asked for take none")
        activations = {model: by_model.get(model, "none") for model in models}
        for model, name in activations.items() if self._query.options["renormalize"] else ():
            if name not in ("none", RENORMALIZE):
                raise UsageError(f"--renormalize: model {printable(model)!r} has --activation {name}; give one of them")
            activations[model] = RENORMALIZE
        return activations

    def _widths(self) -> dict[str, int]:
        """Return role -> number of columns; all models must agree."""
        selection, widths = self._selection, dict[str, int]()
        if selection.target is not None:
            widths["target"] = width_of(self._tables, selection.target, of_numbers=True)
        for model in selection.models:
            for role, slot in selection.slots[model].items():
                width = width_of(self._tables, slot, of_numbers=role == "pred")
                if widths.setdefault(role, width) != width:
                    first = selection.models[0]
                    counts = f"{widths[role]} column{'s' * (widths[role] > 1)} for {printable(first)!r}, {width}"
                    raise UsageError(
                        f"{role} has {counts} for {printable(model)!r}; models of one command have as many: ask apart"
                        + self._may_be_the_targets(selection.models)
                    )
        return widths

    def _may_be_the_targets(self, models: Sequence[str]) -> str:
        """Say how a file that is called as the truth usually is, and was taken for a model's, becomes the truth."""
        place = next((place for place, model in enumerate(models) if model.lower() in TARGET_NAMES), None)
        if place is None or len(self._tables) != len(models):
            return ""
        return f"; --targets {printable(self._tables[place].label)} makes that file the truth"

    def _has_axes(self) -> bool:
        """Whether each row of the target is an array of several axes, as the pixels of a mask are."""
        slot = self._selection.target
        return slot is not None and self._tables[slot.table].shape(slot.columns[0]).axes > 1

    def _target_kind(self) -> str:
        return self._kind(self._selection.target) if self._selection.target else "number"

    def _kind(self, slot: Slot) -> str:
        """Return what a column, or the first of several, holds."""
        return self._tables[slot.table].shape(slot.columns[0]).kind

    @property
    def _preds(self) -> dict[str, Slot]:
        """The prediction columns of the models that have some."""
        return {model: roles["pred"] for model, roles in self._selection.slots.items() if "pred" in roles}

    # predictions that are classes ----------------------------------------------------------------------------------

    def _models_of_labels(self, target: Slot) -> list[str]:
        """Return the models that predict the labels of a target of two: text, booleans, or no probabilities."""
        kinds = ("text", "boolean") if self._target_kind() == "boolean" else ("text",)
        models = [model for model, slot in self._preds.items() if self._kind(slot) in kinds]
        labels = None if self._target_kind() == "text" else first_numbers(self._tables, target)
        if labels is None or not may_be_classes(labels):
            return models
        for model, slot in self._preds.items():
            pred = first_numbers(self._tables, slot) if model not in models else None
            if pred is not None and are_classes(labels, pred) and not UNIT.admits(pred[np.newaxis]):
                models.append(model)
        return models

    def _predicts_classes(self, task: str | None, positive: str | None, classes: str | None) -> bool:
        """Whether predictions are classes, as of one label in each row, rather than numbers or probabilities.

        Text is, and whole numbers where the target holds others than 0 and 1: these may be probabilities.
        """
        target, losses = self._selection.target, self._query.losses
        contrary = task not in (None, "multiclass") or positive is not None or set(self.activations.values()) - {"none"}
        if target is None or self.widths["target"] != 1 or self.widths.get("pred") != 1 or contrary:
            return False
        if losses and not any(form.decided for _, loss in losses for form in loss.forms):
            return False
        if task == "multiclass" or "text" in map(self._kind, self._preds.values()):
            return True
        if self._target_kind() == "text":
            return False
        labels = first_numbers(self._tables, target)
        if labels is not None and classes is None and not may_be_classes(labels):
            return False
        preds = [first_numbers(self._tables, roles["pred"]) for roles in self._selection.slots.values()]
        if labels is None:  # there is text after numbers
            return all(pred is None for pred in preds)
        if not all(pred is not None and are_classes(labels, pred) for pred in preds):
            return False
        if losses or classes is not None:
            return True
        few = len(np.unique(labels)) <= min(FEW_CLASSES, len(labels) - 1)
        return few and all(pred is not None and np.isin(pred, labels).all() for pred in preds)

    # the task ----------------------------------------------------------------------------------------------------

    def _task(self, name: str | None, positive: str | None) -> Task | None:
        """Return the task by the options and columns; None where losses say it, or values have to."""
        if name is not None:
            return Task(name, False, "--task")
        if self._query.losses:
            return None
        if self._decided:
            return Task("multiclass", True, "predictions are classes")
        if self.widths.get("pred", 1) >= 2:
            return self._task_of_columns(self.widths["pred"])
        if positive is not None:
            return Task("binary", True, "--positive-label")
        if self._target_kind() == "text":
            raise UsageError(
                f"the target is text: say --task binary with --positive-label {self._two_labels()}, or --task "
                "multiclass with one prediction column per class, or name losses with -l"
            )
        return None

    def _two_labels(self) -> str:
        """Name the two labels of the target, as far as its first rows have just two."""
        return "LABEL" if self._selection.target is None else self._labels_of(self._selection.target)

    def _of_any_class(self) -> str:
        """Name how the losses asked for take predicted classes, where a parameter makes them."""
        specs = [
            other.spec
            for _, loss in self._query.losses
            for param in loss.params
            for other in (loss.bind(**{param.name: value}) for value in param.alternatives(loss.args[param.name]))
            if not any(form.decided for form in loss.forms) and any(form.decided for form in other.forms)
        ]
        return f"; {' or '.join(specs)} takes predicted classes" if specs else ""

    def _labels_of(self, slot: Slot) -> str:
        """Name the two labels of a column, as far as its first rows have just two."""
        words = first_words(self._tables, Slot(slot.table, slot.columns[:1]))
        return " or ".join(sorted(map(printable, words))) if len(words) == 2 else "LABEL"

    def _task_of_columns(self, width: int) -> Task | None:
        """Return the task of several prediction columns; None where values have to tell."""
        target, outputs = self._selection.target, self.widths.get("target", 1)
        if target is None or {"softmax", RENORMALIZE} & set(self.activations.values()):
            return Task("multiclass", True, f"{width} prediction columns")
        if self._sets is not None:
            return Task("multilabel", True, "several labels in each row of the target")
        frame = frame_of(target.columns)
        if outputs == width:
            self._check_box_order()
        if outputs == width and frame is not None:
            return Task("boxes", True, f"columns named as boxes, {frame}")
        if outputs == width:
            return None
        if outputs == 1 and are_quantiles(self._tables, self._selection):
            return Task("quantile", True, f"{width} columns named by quantiles")
        if outputs == 1 and self._query.options["classes"] is None and has_fractions(self._tables, target):
            raise UsageError(
                f"the target {printable(target.columns[0])!r} holds numbers that are no labels, beside {width} "
                "predictions in a row: of quantiles -l quantile takes a q for each, as quantile:q=0.1/0.5/0.9"
            )
        return Task("multiclass", True, f"{width} prediction columns")

    def task_of(self, first: Block) -> Task:
        """Return the kind of problem, by the first rows where losses are named and nothing else says it."""
        if self.task is not None:
            return self.task
        width = self.widths.get("pred", 1)
        return (self._task_of_columns(width) if width > 1 else None) or self._task_of_values(first)

    def _task_of_values(self, block: Block) -> Task:
        """Tell tasks apart by the first block: rows that sum to 1, a 0/1 target and predictions within [0, 1]."""
        width, preds = self.widths.get("target", 1), self._natural_preds(block)
        targets = [roles["target"] for roles in block.models.values()]
        flags, shares = all(map(_are_flags, targets)), all(map(UNIT.admits, preds))
        if width > 1:
            if self._are_class_rows(block):
                self._soft = not flags
                return Task("multiclass", True, CLASS_ROWS)
            if flags and shares:
                if self._has_axes():
                    return Task("masks", True, "arrays of 0 and 1 in each row of the target")
                return Task("multilabel", True, f"{width} target columns of 0 and 1, and predictions within [0, 1]")
            self._ask_about_masks(block)
            if flags:
                return Task("regression", True, f"predictions outside [0, 1], though {width} target columns are 0/1")
            self._tell_of_boxes(block)
            return Task("regression", True, f"{width} target columns of numbers")
        kind = "boolean" if self._target_kind() == "boolean" else "0/1"
        if kind == "0/1" and not flags:
            if shares and all(np.isin(target, (1.0, 2.0)).all() and 2.0 in target for target in targets):
                raise UsageError(
                    "the target holds 1 and 2, and predictions lie within [0, 1]: --positive-label 2 if these are two "
                    "labels, --task regression if they are numbers"
                )
            return Task("regression", True, "a target of numbers")
        if all(map(_are_flags, preds)):
            self._only_classes = True
            return Task("binary", True, f"a {kind} target and predictions of 0 and 1, which are classes")
        if shares:
            return Task("binary", True, f"a {kind} target and predictions within [0, 1]")
        return Task("regression", True, "predictions outside [0, 1], though the target is 0/1")

    def _ask_about_masks(self, block: Block) -> None:
        """Raise UsageError for arrays of two numbers, as masks are, or of two and one of what is not known.

        Where the predictions are not those of masks, but may be bytes of some, a note says so.
        """
        values = set(_few_values(next(iter(block.models.values()))["target"], 3))
        pair = next((pair for pair in TWO_GREYS if len(values) == 3 and values.issuperset(pair)), tuple(sorted(values)))
        void = next(iter(values.difference(pair)), None)
        if len(pair) != 2 or (void is not None and pair == (0.0, 1.0) and f"{void:g}" not in USUALLY_IGNORED):
            return
        if void is None and not self._has_axes() and pair != (0.0, WHITE):
            return
        assert self._selection.target is not None
        where = self._tables[self._selection.target.table].label
        *firsts, last = (f"{value:g}" for value in sorted(values))
        words = f"{where}: arrays of {', '.join(firsts)} and {last} in each row of the target"
        task = "masks" if self._has_axes() or WHITE in values else "multilabel"
        way = f"--task {task}" if void is None else " ".join(f"-l {name}:ignore_class={void:g}" for name in USUAL[task])
        way += "" if pair == (0.0, 1.0) else f" --positive-label {pair[1]:g}"
        noun = "masks" if task == "masks" else "labels"
        numbers = "--task regression if they are numbers"
        preds = self._natural_preds(block)
        if all(np.isin(pred, pair).all() or UNIT.admits(pred) for pred in preds):
            raise UsageError(f"{words}: {way} if these are {noun}, {numbers}")
        if all(GREYS.admits(pred) and (pair[1] == WHITE or (pred == np.rint(pred)).all()) for pred in preds):
            self._query.tell(
                f"{words}, and predictions up to 255: if these are {noun}, divide the predictions by 255 and add {way}"
            )

    def _tell_of_boxes(self, block: Block) -> None:
        """Note how four columns of target and predictions are read as boxes, where all rows may be some."""
        if self.widths["target"] != 4 or self.widths["pred"] != 4:
            return
        boxes = [roles[role] for roles in block.models.values() for role in ("target", "pred")]
        assert self._selection.target is not None
        unnamed = len(self._selection.target.columns) == 1
        frame = next((name for name in BOX_FRAMES if all(Box(frame=name, solid=True).admits(x) for x in boxes)), None)
        if frame == "xyxy":
            self._query.tell("every row is a box by its corners x1, y1, x2, y2: --task boxes takes them as such")
        elif frame is not None and unnamed:
            self._query.tell("if these are boxes x, y, width, height: -l iou:frame=xywh takes them as such")

    # the losses --------------------------------------------------------------------------------------------------

    def _losses(self) -> list[tuple[str, Loss]]:
        """Return the losses with their labels: of the command, or the usual ones of the task that fit the columns."""
        if self._query.losses:
            return self._query.losses
        task = "regression" if self.task is None else self.task.name
        frame = None if self._selection.target is None else frame_of(self._selection.target.columns)
        framed = f":frame={frame}" if task == "boxes" and frame not in (None, "xyxy") else ""
        names = (OF_CLASSES if self._only_classes else USUAL)[task]
        forms = [(loss, loss.form_for(self.widths, self._wish())) for loss in _usual(names, framed)]
        fitting = [loss for loss, form in forms if form and not (self._soft and form.roles["target"] == ONE_HOT)]
        return [(loss.spec, loss) for loss in fitting or _usual(names, framed)[:1]]

    def candidates(self) -> list[tuple[str, Loss]]:
        """Return the losses that may be computed; while the task is open, those of all that it may be."""
        tasks = ("regression", "binary") if self.task is None and not self._query.losses else ()
        usual = [(name, registry.loss_of(name)) for task in tasks for name in USUAL[task]]
        return usual or self._losses()

    def _wish(self) -> str | None:
        if self._decided:
            return DECIDED
        wish = form_wish(self._query.options["task"], self.activations.values())
        if wish is None and self.task is not None and not self._query.losses:
            wish = form_wish(self.task.name, ())
        return wish or self._columns_are

    # as what several target columns are read -----------------------------------------------------------------------

    def _settled_form(self) -> tuple[str | None, str]:
        """Return the form of several target columns, as losses that know one alone settle it for all, and their reason.

        Raises UsageError where they do not agree, with each other or with the task.
        """
        width, task = self.widths.get("target", 1), self._query.options["task"]
        if width == 1 or self._query.options["per_output"]:
            return None, ""
        only: dict[Reading, str] = {}
        for _, loss in self._query.losses:
            readings = column_readings(loss, self.widths, self.activations.values())
            if len(readings) == 1:
                only.setdefault(readings.pop(), loss.name)
        texts = [f"{name} reads {WORDS[reading]}" for reading, name in only.items()]
        if len(only) > 1:
            raise UsageError(f"the {width} target columns: {', '.join(texts)}; ask apart")
        for reading, name in only.items():
            if task is not None and form_wish(task, ()) in set(FORM_OF.values()) - {FORM_OF[reading]}:
                raise UsageError(f"--task {task}: of {width} target columns {texts[0]}; ask apart")
            return FORM_OF[reading], f"as {name} takes them"
        return None, "--task" if task is not None else "--activation"

    def _settle_columns(self, first: Block) -> None:
        """Let the first block tell as what several target columns are read, where the losses leave it open."""
        if self.widths.get("target", 1) == 1 or self._query.options["per_output"]:
            return
        activations = self.activations.values()
        open_losses = [
            loss for _, loss in self._query.losses if len(column_readings(loss, self.widths, activations)) > 1
        ]
        if not open_losses or not first.rows:
            return
        advice = ""
        if self._wish() is None:
            rows = self._are_class_rows(first)
            self._columns_are, self._why = ("multiclass", CLASS_ROWS) if rows else ("binary", NO_CLASS_ROWS)
            self._fits = self._fitted_losses()
            advice = f"; --task {'multilabel' if rows else 'multiclass'} says otherwise"
        if self._query.options["task"] is None:
            words = WORDS["classes" if self._wish() == "multiclass" else "flags"]
            self._query.tell(f"target: {self.widths['target']} columns are read as {words} ({self._why}){advice}")

    def _tell_of_complements(self) -> None:
        """Note the columns that are, by name and values, probabilities of a no where those of a yes are taken."""
        positive, target = self.rule.positive, self._selection.target
        binary = any(form.name == "binary" and isinstance(form.roles["pred"], Probability) for _, _, form in self._fits)
        if not binary or target is None or self.widths["target"] != 1:
            return
        pairs = [("0", "1"), ("False", "True"), ("false", "true"), ("-1", "1")]
        if positive is not None:
            pairs = [(word, positive) for word in first_words(self._tables, target) if word != positive]
        for roles in self._selection.slots.values():
            slot = roles["pred"]
            [name], table = slot.columns[:1], self._tables[slot.table]
            for no, yes in pairs:
                sibling = counterpart(name, no, yes)
                if sibling in table.names:
                    numbers = [first_numbers(self._tables, Slot(slot.table, (column,))) for column in (name, sibling)]
                    first, second = (values if values is not None else np.empty(0) for values in numbers)
                    if len(first) == len(second) > 0 and SIMPLEX.admits(np.stack([first, second])):
                        names = [printable(column) for column in (name, sibling)]
                        self._query.tell(f"{names[0]}: taken as the probability of {yes}, which by name is {names[1]}")

    def _are_class_rows(self, block: Block) -> bool:
        """Whether every row of the target and the predictions sums to 1."""
        tolerance = self._query.options["sum_tolerance"]
        rows = SIMPLEX if tolerance is None else replace(SIMPLEX, tolerance=tolerance)
        return all(
            map(rows.admits, [*(roles["target"] for roles in block.models.values()), *self._natural_preds(block)])
        )

    def _natural_preds(self, block: Block) -> list[Array]:
        """Return the predictions of every model after its activation."""
        with np.errstate(all="ignore"):
            return [APPLY[self.activations[model]](roles["pred"]) for model, roles in block.models.items()]

    def _target_reading(self) -> TargetReading | None:
        """Return as reading the losses read the target."""
        width = self.widths.get("target", 1)
        readings = {form.reading(width) for _, _, form in self._fits}
        reading = next((name for name in READINGS if name in readings), None)
        if reading == "labels":
            if self.rule.decided:
                return TargetReading(reading, not self.rule.classes_by, "predictions are classes")
            by = {"option": "--classes", "names": "the names of the columns", "position": "the order of the columns"}
            classes = sorted(self.rule.classes) if self.rule.classes_by == "names" else self.rule.classes
            return TargetReading(reading, self.rule.classes_by != "option", by[self.rule.classes_by], tuple(classes))
        if reading is None or reading == "numbers":
            return reading and TargetReading(reading, False, "the losses take numbers")
        why = self.task.why if self.task is not None else self._why
        return TargetReading(reading, not why.startswith("--"), why)

    # the losses as the columns take them ---------------------------------------------------------------------------

    def _fitted_losses(self) -> list[tuple[str, Loss, Form]]:
        """Return the losses as the columns take them, with their labels and forms."""
        return [(label, *self._fitted(loss)) for label, loss in self._losses()]

    def _fitted(self, loss: Loss) -> tuple[Loss, Form]:
        """Return a loss as the columns take it, and its form."""
        widths = {role: self.widths[role] for role in loss.roles if role in self.widths}
        single = self._query.options["per_output"] and widths.get("pred", 1) > 1
        loss = loss if single else self._of_columns(loss)
        self._check_frame(loss)
        fit = fitted(loss, dict.fromkeys(widths, 1) if single else widths, self._wish())
        if single and (fit is None or not fit[1].outputs or len({widths[role] for role in widths} - {1}) > 1):
            raise UsageError(f"--per-output: the columns of {loss.spec} are not outputs of their own; ask it apart")
        if fit is None:
            raise UsageError(misfit(loss, widths) + self._without_name(loss))
        tolerance = self._query.options["sum_tolerance"]
        if tolerance is not None:
            fit = fit[0], fit[1].within(tolerance)
        for activation in dict.fromkeys(self.activations.values()):
            if fault := unfit(loss, fit[1], activation):
                raise UsageError(f"{fault}{self._alternatives(activation)}")
        return fit

    def _of_columns(self, loss: Loss) -> Loss:
        """Return a loss of quantiles with those that the columns are named by; other losses as they are."""
        if loss.name == "interval_score":
            return self._of_bounds(loss)
        if not loss.of_quantiles or self.widths.get("target") != 1:
            return loss
        if self.widths.get("pred", 1) == 1:
            self._tell_of_levels(loss)
            return loss
        levels = self._levels(loss)
        if levels is None:
            raise UsageError(
                f"{loss.spec}: {self.widths['pred']} columns for one target are quantiles; q=0.1/0.5/0.9 says which, "
                "in the order of the columns"
            )
        return loss.bind(q=levels)

    def _tell_of_levels(self, loss: Loss) -> None:
        """Note the columns that are named by another quantile than that of a loss whose q is its default."""
        for roles in self._selection.slots.values() if loss.spec == loss.name else ():
            [name] = roles["pred"].columns
            levels = levels_of([name])
            if levels is not None and levels[0] != loss.args["q"]:
                column, q, default = printable(name), levels[0], loss.args["q"]
                self._query.tell(
                    f"{column}: {loss.name} takes q={default:g}; {loss.name}:q={q:g} is that of the column's name"
                )

    def _levels(self, loss: Loss) -> tuple[float, ...] | None:
        """Return the quantile of each column, from the loss or the names of the columns; None where neither has it."""
        levels = {levels_of(roles["pred"].columns) for roles in self._selection.slots.values()}
        q = loss.args["q"]
        if isinstance(q, tuple):
            if levels - {None, q}:
                raise UsageError(f"{loss.spec}: the columns are named by other quantiles; leave q out to go by names")
            return q
        named = next(iter(levels))
        if named is None or len(levels) > 1:
            return None
        if q != 0.5:
            raise UsageError(f"{loss.spec}: the columns are named by quantiles of their own; leave q out")
        self._query.tell(f"{loss.name}: q={'/'.join(f'{level:g}' for level in named)}, as the columns are named")
        return named

    def _of_bounds(self, loss: Loss) -> Loss:
        """Return the score of an interval with the share outside of it that the names of the bounds say."""
        levels = {levels_of(roles["pred"].columns) for roles in self._selection.slots.values()}
        bounds = next(iter(levels)) if len(levels) == 1 else None
        if bounds is None or len(bounds) != 2:
            return loss
        low, high = bounds
        if low > high:
            raise UsageError(
                f"{loss.spec}: the lower bound comes first, but the columns are named {low:g} and {high:g}"
            )
        alpha = round(low + (1.0 - high), 12)
        if loss.spec == loss.name:
            self._query.tell(f"{loss.name}: alpha={alpha:g}, as the columns are named")
        elif loss.args["alpha"] != alpha:
            raise UsageError(f"{loss.spec}: the columns are named by alpha={alpha:g}; leave alpha out to go by names")
        return loss.bind(alpha=alpha)

    def _check_box_order(self) -> None:
        """Raise UsageError where the target's columns, or a model's, are those of boxes in another order."""
        for slot in [*filter(None, [self._selection.target]), *self._preds.values()]:
            check_box_order(slot.columns)

    def _check_frame(self, loss: Loss) -> None:
        """Note where columns of boxes are named as another frame than that of a loss."""
        target = self._selection.target
        if "frame" in loss.args:
            self._check_box_order()
        frame = None if target is None or len(target.columns) == 1 else frame_of(target.columns)
        if frame is not None and loss.args.get("frame", frame) != frame:
            self._query.tell(
                f"{loss.spec} reads boxes as {loss.args['frame']}, but the columns are named as {frame}; "
                f"{loss.bind(frame=frame).spec} reads them so"
            )

    def _without_name(self, loss: Loss) -> str:
        """Say how columns become models, where the loss takes one column and they were given as one model."""
        alone = loss.form_for({role: 1 for role in loss.roles if role in self.widths}, self._wish())
        slot = next(iter(self._preds.values()), None)
        if alone is None or slot is None or len(slot.columns) < 2 or self.widths.get("target", 1) > 1:
            return ""
        if len({pred.table for pred in self._preds.values()}) > 1:
            return (
                f"; of several files each is a model, of which -p names one column, as -p {printable(slot.columns[0])}"
            )
        target = self._selection.target
        if target is not None and self._kind(target) == "text":
            return ""  # a model of one column would not fit either
        return f"; each column is a model with {' '.join(f'-p {printable(name)}' for name in slot.columns)}"

    def _alternatives(self, activation: str) -> str:
        """Name the losses that the columns and the activation do fit."""
        fitting = []
        for loss in registry.losses().values():
            if set(loss.roles) - OPTIONAL <= set(self.widths) and "pred" in loss.roles:
                widths = {role: self.widths[role] for role in loss.roles if role in self.widths}
                form = loss.form_for(widths, self._wish())
                if form is not None and not unfit(loss, form, activation):
                    fitting.append(loss.name)
        return f"; losses that fit --activation {activation} here: {listed(fitting, 8)}" if fitting else ""

    @property
    def outputs_have_rows(self) -> bool:
        """Whether there are several outputs of numbers, of each of which a row may have a value or not."""
        return self.widths.get("pred", 1) > 1 and self.rule.kind is Kind.NUMBER and self.rule.positive is None

    def questions(self, first: Block) -> list[Question]:
        """Settle the task by the first block where the columns did not, and return what is computed.

        Of no rows nothing is concluded: they end in an error, whatever is computed. Rows of zero weight say nothing.
        """
        if first.weight is not None and first.counts:
            first = first.take(first.weight > 0.0)
        has_rows = first.rows > 0
        if not self._query.losses:
            if self.task is None and has_rows:
                self.task = self._task_of_values(first)
            if self.task is not None and self.task.inferred:
                self._query.tell(f"task: {self.task.name} ({self.task.why}); --task or -l says otherwise")
            self._fits = self._fits or self._fitted_losses()
        self._settle_columns(first)
        if has_rows:
            self._tell_of_complements()
        self.reading = self._target_reading()
        if (
            has_rows
            and self.rule.classes_by == "position"
            and not any(defect.kind == "label" for defect in first.faults)
        ):
            classes = listed(list(self.rule.classes or self.rule.sets), 4)
            self._query.tell(f"classes: {classes}, by the order of the columns; --classes says otherwise")
        outputs = self.widths.get("pred", 1) if self._query.options["per_output"] else 1
        names = self.outputs or [str(place + 1) for place in range(outputs)]
        questions: list[Question] = []
        for label, loss, form in self._fits:
            if outputs == 1:
                questions.append(Question(label, loss, form))
            else:
                each = self._each_output(loss, outputs)
                questions += [Question(f"{label}[{name}]", each[n], form, n, name) for n, name in enumerate(names)]
        if self._query.options["decompose"]:
            questions = self._decomposed(questions)
        labels = [question.label for question in questions]
        if len(set(labels)) != len(labels):
            twice = next(label for label in labels if labels.count(label) > 1)
            raise UsageError(f"loss {twice!r} is asked for twice; label one, as in again={twice}")
        return questions

    def _decomposed(self, questions: Sequence[Question]) -> list[Question]:
        """Return the losses with the components of those that have some, and note why others have none."""
        from lossctl.losses.decomposition import decomposed, obstacle

        obstacles: dict[str, list[str]] = {}
        every: list[Question] = []
        for question in questions:
            every.append(question)
            widths = [] if question.output is not None else [self.widths.get(role, 1) for role in question.loss.roles]
            if fault := obstacle(question.loss, question.form, max(widths, default=1)):
                obstacles.setdefault(fault, []).append(question.label)
                continue
            every += [
                question._replace(label=f"{question.label}[{name}]", loss=component, component=name)
                for name, component in decomposed(question.loss, question.form).items()
            ]
        faults = "; ".join(f"{listed(labels)}: {fault}" for fault, labels in obstacles.items())
        if len(every) == len(questions):
            names = [loss.name for loss in registry.losses().values() if loss.functional]
            raise UsageError(f"--decompose: {faults}; losses that have components: {listed(names, 20)}")
        if faults:
            self._query.tell(f"--decompose: no components of {faults}")
        return every

    def _each_output(self, loss: Loss, outputs: int) -> list[Loss]:
        """Return the loss of each output; of columns that are quantiles each has its own."""
        if self.widths.get("target") == 1 and loss.of_quantiles:
            levels = self._levels(loss)
            if levels is not None:
                return [loss.bind(q=level) for level in levels]
        return [loss] * outputs

    def asides(self) -> tuple[Term, ...]:
        """Return the terms beside the loss of quantile columns: rows that cross, and targets at or below each."""
        for _, loss, form in self._fits if self.widths.get("pred", 1) > 1 else ():
            if loss.of_quantiles and isinstance(loss.args["q"], tuple):
                columns = range(len(loss.args["q"]))
                crosses = Term(crossing, (("q", loss.args["q"]),), form.name)
                return (crosses, *(Term(reached, (), form.name, column) for column in columns))
        return ()

    def tell_quantiles(self, state: RunState, plan: Plan) -> Iterator[str]:
        """Note the coverage of quantile columns; yield a warning where they cross."""
        if not plan.asides or not state.moments.rows:
            return
        levels = next(loss.args["q"] for _, loss, _ in self._fits if loss.of_quantiles)
        for model in plan.models:
            share, *coverage = means(state.moments, plan.places(model, plan.asides), plan.weighted)
            pairs = ", ".join(f"{level:g} {part:.4g}" for level, part in zip(levels, coverage, strict=True))
            crosses = "" if share else "quantiles never cross; "
            self._query.tell(f"{printable(model)}: {crosses}share of targets at or below each: {pairs}")
            if share:
                yield f"{printable(model)}: quantiles cross in {100.0 * share:.4g}% of the rows"

    # the target --------------------------------------------------------------------------------------------------

    def _decided_rule(self, positive: str | None, classes: str | None) -> TargetRule:
        """Return how a target of class labels is read where the predictions are labels too."""
        if positive is not None:
            raise UsageError("--positive-label and ignore_class exclude each other: one is of two classes, one of any")
        models, ignored = frozenset(self._selection.models), self._ignored()
        if classes is None:
            return TargetRule(classes=ignored, decided=models, open=True)
        return TargetRule(classes=split_labels(classes), classes_by="option", ignored=ignored, decided=models)

    def _ignored(self) -> tuple[str, ...]:
        """Return the labels that losses ignore."""
        return tuple(dict.fromkeys(label for _, loss, _ in self._fits for label in loss.ignored))

    def _class_rule(self, positive: str | None, classes: str | None) -> TargetRule:
        """Return how a target of class labels is read."""
        if positive is not None:
            raise UsageError("--positive-label is for one prediction column; classes are told by --classes")
        ignored = self._ignored()
        classes_of_columns = classes_of(self._tables, self._selection, self.widths["pred"], classes, ignored)
        labels, codes = classes_of_columns.labels, ClassCodes(classes_of_columns.labels)
        strange = tuple(label for label in ignored if codes.of([label])[0] < 0)
        for label in strange:
            for name, loss, _ in self._fits:
                if label not in loss.ignored:
                    raise UsageError(
                        f"ignore_class={printable(label)} is none of the classes {listed(list(labels))}, and {name} "
                        "does not ignore it; give it to every loss, or ask apart"
                    )
        ignoring = self._fits[0][1].name if all("ignore_class" in loss.args for _, loss, _ in self._fits) else ""
        return TargetRule(classes=labels, classes_by=classes_of_columns.by, ignored=strange, ignoring=ignoring)

    def _sets_rule(self, sets: LabelSets, classes: str | None) -> TargetRule:
        """Return how a target of several labels in each row is read."""
        named = classes_of(self._tables, self._selection, self.widths["pred"], classes, labels_of_target=sets.labels)
        return TargetRule(sets=named.labels, classes_by=named.by, between=sets.between)

    def _event_labels(self, positive: str | None, classes: str | None) -> TwoLabels | None:
        """Return the labels of events by --positive-label, which speaks of them where a loss takes them.

        Raises UsageError for text that no option explains.
        """
        slot = next(roles[EVENT] for roles in self._selection.slots.values())
        if positive is not None:
            check_single(self._tables, slot)
            negative = (
                None if classes is None else _other_label(split_labels(classes), positive, f"--classes {classes}")
            )
            return TwoLabels(positive, negative)
        table, [name] = self._tables[slot.table], slot.columns[:1]
        if table.shape(name).kind == "text":
            raise UsageError(
                f"{table.label}: the event {printable(name)!r} holds text; --positive-label {self._labels_of(slot)} "
                "says which label means that it was observed"
            )
        return None

    def _plain_rule(self, positive: str | None, classes: str | None) -> TargetRule:
        """Return how a target of numbers or of two labels is read."""
        target = self._selection.target
        domains = [form.roles["target"] for _, loss, form in self._fits if "target" in loss.roles]
        flags = any(isinstance(domain, Flag | Mark) for domain in domains)
        negative = None
        if classes is not None:
            if domains and not flags:
                raise UsageError("--classes names the classes of the target; here no loss reads labels")
            negative = _other_label(split_labels(classes), positive, f"--classes {classes}")
        if target is None:
            if positive is not None:
                raise UsageError("--positive-label: the losses asked for take no target")
            return TargetRule()
        arrays = positive is not None and len(target.columns) == 1 and self.widths["target"] > 1
        if arrays:
            numbers = [None if label is None else as_number(label) for label in (positive, negative or "0")]
            if None in numbers or numbers[0] == numbers[1]:
                raise UsageError(
                    f"--positive-label {positive}: the target holds arrays of numbers, of which this is one and 0, or "
                    "what --classes says, the other"
                )
        for name, _, form in self._fits if positive is not None and self.widths["target"] == 1 else ():
            domain = form.roles.get("target")
            if domain is not None and not domain.admits(np.array([[0.0, 1.0]])):
                raise UsageError(
                    f"--positive-label {positive}: makes the target 1 and 0, and {name} needs it in {domain}"
                )
        if positive is None and (flags or not self._query.losses) and self._target_kind() == "text":
            raise UsageError(
                f"{self._tables[target.table].label}: the target {printable(target.columns[0])!r} holds text; "
                f"--positive-label {self._two_labels()} says which label is 1{self._of_any_class()}"
            )
        return TargetRule(
            positive=positive,
            negative=negative,
            decided=frozenset(self._label_models),
            arrays=arrays,
            ignored=self._ignored_flags(positive),
        )

    def _ignored_flags(self, positive: str | None) -> tuple[str, ...]:
        """Return the labels of binary targets that do not count; raise UsageError where these cannot be recognised."""
        ignored = self._ignored()
        if ignored and (fault := hole_fault(ignored, positive)):
            raise UsageError(fault)
        if None in map(as_number, ignored):
            for name, loss, _ in self._fits:
                if strange := [label for label in ignored if label not in loss.ignored]:
                    raise UsageError(
                        f"{name} does not ignore {printable(strange[0])!r}; give ignore_class to every loss, or ask "
                        "apart"
                    )
        return ignored if positive is not None else ()


def width_of(tables: Sequence[Table], slot: Slot, *, of_numbers: bool = False) -> int:
    """Return how many columns a role has, lists and arrays counted by their length.

    of_numbers: whether a list that stands as text, and is not read as one, is an error.
    """
    table = tables[slot.table]
    shapes = [table.shape(name) for name in slot.columns]
    for name in [name for name, shape in zip(slot.columns, shapes, strict=True) if of_numbers and shape.kind == "text"]:
        words = first_words(tables, Slot(slot.table, (name,)))
        if words and (way := way_of_list(words[0])):
            shown = printable(words[0][:LONGEST_SHOWN])
            raise DataError(f"{table.label}: column {printable(name)!r} holds {shown!r}{way}")
    if len(shapes) > 1 and any(shape.width != 1 for shape in shapes):
        raise UsageError(
            f"{slot.named()}: some of these columns hold lists; give one list, or several columns of numbers"
        )
    width = sum(shape.width for shape in shapes)
    if not width:
        raise DataError(f"{table.label}: column {slot.named()} holds vectors of no length")
    return width


def _usual(names: Sequence[str], framed: str) -> list[Loss]:
    """Return losses by their names, in a frame of boxes."""
    return [registry.loss_of(f"{name}{framed}") for name in names]


def _other_label(labels: Sequence[str], positive: str | None, option: str) -> str:
    """Return the one of two labels that is not positive."""
    if positive is None:
        raise UsageError(f"{option}: --positive-label {labels[-1]} says of which label the prediction speaks")
    codes = ClassCodes(labels).of([positive])
    if len(labels) != 2 or codes[0] < 0:
        raise UsageError(f"{option}: with --positive-label {positive}, that and the other label are needed")
    return labels[1 - codes[0]]


def _few_values(values: Array, count: int) -> list[float]:
    """Return the different values in order; of more than `count`, the least count + 1."""
    few: list[float] = []
    for line in values:
        few = sorted({*few, *np.unique(line).tolist()})[: count + 1]
        if len(few) > count:
            break
    return few


def _are_flags(values: Array) -> bool:
    return bool(((values == 0.0) | (values == 1.0)).all())


# what is wrong with the data -------------------------------------------------------------------------------------


def raise_data_error(state: RunState, reader: BlockReader, plan: Plan, missing: str) -> None:
    """Raise DataError for what `raise_row_error` does, or for what is wrong with all rows together."""
    raise_row_error(state, reader, plan, missing)
    if state.read == state.dropped:
        raise DataError(f"{reader.tables[0].label}: every one of the {state.read} rows has a missing value")
    if complaint := reader.never():
        raise DataError(complaint)
    weight = reader.selection.weight
    if weight is not None and state.moments.rows and state.moments.total_units(0) == 0:
        label = reader.tables[weight.table].label
        raise DataError(f"{label}: column {weight.named()}: every weight is zero, so there is no number")


def raise_row_error(state: RunState, reader: BlockReader, plan: Plan, missing: str) -> None:
    """Raise DataError for an input that changed, or for the earliest row that is wrong or could not be read."""
    for table in reader.tables:
        table.unchanged()  # rows that went missing with their file are not what is wrong
    faults: list[tuple[int, Callable[[], str]]] = []
    place = ("", *plan.models).index
    for defects in (state.missing if missing == "error" else {}, state.faults):
        faults += [
            (NEVER if defect.kind == "key" else rows.row, partial(reader.explain, defect, rows))  # what else is wrong
            for defect, rows in sorted(defects.items())  # tells more than the usual name of a key
        ]
    faults += [
        (rows.first, partial(_outside, reader, plan, check, rows))
        for check, rows in sorted(state.breaches.items(), key=lambda entry: (place(entry[0].model), str(entry[0])))
        if rows.first != NEVER
    ]
    row, wording = min(faults, key=lambda fault: fault[0], default=(NEVER, None))
    if state.stopped is not None and state.stopped[0] <= row:
        raise state.stopped[1]
    if wording is not None:
        raise DataError(wording())


def _outside(reader: BlockReader, plan: Plan, check: Check, breach: Breach) -> str:
    """Word a row outside a domain: where, what, what is allowed, how many, and the likely fix."""
    slot = slot_of(reader, plan, check)
    row = row_at(reader.tables[slot.table], slot, reader.rows.row_of(slot.table, breach.first))
    columns = "columns" if len(slot.columns) > 1 else "column"
    where = f"{reader.where(slot.table, breach.first)}, {columns} {slot.named()} = {_shown(check.domain, row)}"
    if breach.clash <= breach.row:
        return f"{where}: labels -1 and 0 (or a probability) are mixed; use {{0, 1}} or {{-1, +1}} throughout"
    count = f" ({breach.rows} such rows)" if breach.rows > 1 else ""
    if check.role == "weight":
        return f"{where}{count}: weights must be in {check.domain}"
    question = next(question for question in plan.questions if question.loss.spec == check.loss)
    activation = plan.activations.get(check.model, "none")
    fix = fixes(question.loss, question.form, check.role, row, activation)
    rule = reader.rule
    if check.role == "target" and rule.arrays:
        labels = f"{rule.negative or 0} and {rule.positive}"
        return f"{where}{count}: by --positive-label the target holds {labels} alone; --classes says otherwise"
    fix += _kin(question, check.role, row, activation)
    return f"{where}{count}: {check.loss} needs {check.role} in {check.domain}{fix}"


def _kin(question: Question, role: str, row: Array, activation: str) -> str:
    """Name losses of the same family that admit a row, where a loss has bounds of its own."""
    if not isinstance(question.form.roles[role], Interval) or question.loss.direction == "max":  # no score is another
        return ""
    names = [
        loss.name
        for loss in registry.losses().values()
        if (loss.family, loss.roles) == (question.loss.family, question.loss.roles)
        and admits(loss, role, row[:, np.newaxis], activation)
    ]
    return f"; of its kind {listed(names, 3)} admit it" if names and activation == "none" else ""


def slot_of(reader: BlockReader, plan: Plan, check: Check) -> Slot:
    """Return the columns that a domain is about."""
    slot = {"target": reader.selection.target, "weight": reader.selection.weight}.get(check.role)
    return slot or reader.selection.slots[check.model or plan.models[0]][check.role]


def row_at(table: Table, slot: Slot, row: int) -> Array:
    """Read one row again, for a message; NaN where that cannot be done."""
    piece = table.row(dict.fromkeys(slot.columns, Kind.NUMBER), row)
    if piece is None:
        return np.full(len(slot.columns), np.nan)
    return np.concatenate([piece.column(name, Numbers).values[:, 0] for name in slot.columns])


def _shown(domain: Domain, row: Array) -> str:
    """Write the values of a row, of a wide one those from the first on that is outside by itself."""
    each = domain.wide(1)
    wide = len(row) > SHOWN
    begin = next((place for place, x in enumerate(row) if not each.admits(np.array([[x]]))), 0) if wide else 0
    begin = min(begin, len(row) - SHOWN) if wide else 0
    values = [f"{value:.10g}" for value in row[begin : begin + SHOWN].tolist()]
    return ", ".join(["..."] * (begin > 0) + values + ["..."] * (begin + SHOWN < len(row)))
