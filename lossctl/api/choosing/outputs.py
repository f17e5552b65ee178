"""Outputs: what the range of predictions says of the layer that they come from. A finding, never applied unsaid."""

from __future__ import annotations

from typing import Final, NamedTuple

from lossctl.api.choosing.case import Case
from lossctl.api.choosing.kinds import CLASSED, YES_NO
from lossctl.api.choosing.thresholds import ROUNDED_SUM, ROW_SUM
from lossctl.core.domain import MASK, ONE_HOT, UNIT
from lossctl.profile.columns import Values
from lossctl.profile.numbers import NumberSummary

SIGNS: Final = Values(allowed=(-1.0, 1.0))


class Output(NamedTuple):
    """What predictions look like the output of, what they still need before a loss reads them, and why."""

    name: str
    needs: str
    meaning: str


SOFTMAX: Final = Output("softmax", "none", "class probabilities")
SIGMOID: Final = Output("sigmoid", "none", "probabilities")
DECISIONS: Final = Output("decisions", "none", "only 0 and 1, or -1 and 1: no probabilities")
SIGMOIDS: Final = Output("independent sigmoids", "none", "rows do not sum to 1: no distribution over the classes")
LOG_SOFTMAX: Final = Output("log-softmax", "softmax", "all <= 0, exp sums to 1: softmax gives the probabilities back")
TANH: Final = Output("tanh", "none", "in [-1, 1] and of either sign: scores, no probabilities")
CLASS_LOGITS: Final = Output("linear (logits)", "softmax", "no probabilities; logits of the classes need a softmax")
LOGITS: Final = Output("linear (logits)", "sigmoid", "no probabilities; logits of a yes need a sigmoid")
ONE_SIDED: Final = Output("one-sided scores", "none", "no probabilities, all on one side of 0: their order is left")
POSITIVE: Final = Output("exp, softplus or linear", "none", "all positive, as rates are")
RELU: Final = Output("relu or linear", "none", "never negative, with exact zeros, which have no logarithm")
LINEAR: Final = Output("linear", "none", "of any sign: no rates, no probabilities")
SQUASHED: Final = Output("sigmoid or tanh", "none", "in [-1, 1], and the target is not: such a model cannot reach it")
PROBABLE: Final = (SOFTMAX, SIGMOID, LOG_SOFTMAX, CLASS_LOGITS, LOGITS)


def output_of(case: Case) -> Output | None:
    """Tell by the range of the predictions, and the sums of their rows, what they look like; None without any."""
    pred, target = case.line("pred"), case.line("target")
    if pred is None or case.kind in ("boxes", "constant"):
        return None
    if case.kind in CLASSED and case.widths["pred"] > 1:
        return _of_classes(case, pred)
    if case.kind in (*YES_NO, "classes"):
        return _of_answers(case, pred)
    if case.kind == "proportion":
        return SIGMOID if case.portrait.holds("pred", UNIT) else LINEAR
    if target is not None and pred.low >= -1.0 and pred.high <= 1.0 and not (target.low >= -1.0 and target.high <= 1.0):
        return SQUASHED
    return POSITIVE if pred.low > 0.0 else RELU if pred.low == 0.0 else LINEAR


def _of_classes(case: Case, pred: NumberSummary) -> Output:
    if case.portrait.holds("pred", UNIT):
        if case.portrait.holds("pred", ONE_HOT):
            return DECISIONS
        off = case.off_one("row sum")
        return SOFTMAX if off is not None and off <= ROUNDED_SUM.value else SIGMOIDS
    off = case.off_one("row sum of exp")
    if pred.high <= 0.0 and off is not None and off <= ROW_SUM.value:
        return LOG_SOFTMAX
    return TANH if pred.low >= -1.0 and pred.high <= 1.0 else CLASS_LOGITS


def _of_answers(case: Case, pred: NumberSummary) -> Output:
    if case.portrait.holds("pred", MASK) or case.portrait.holds("pred", SIGNS):
        return DECISIONS
    if case.portrait.holds("pred", UNIT):
        return SIGMOID
    if pred.low < 0.0 < pred.high:
        return TANH if pred.low >= -1.0 and pred.high <= 1.0 else LOGITS
    return ONE_SIDED
