"""The layouts of data that the families share, each with the handful of rows that shows a loss's shape."""

from __future__ import annotations

import math
from dataclasses import replace

from lossctl.core import form
from lossctl.core.domain import (
    FLAG,
    LABELS,
    LOG_SIMPLEX,
    MASK,
    ONE_CLASS,
    ONE_HOT,
    PRED_BOX,
    PROBABILITY,
    REAL,
    SCORE,
    SIMPLEX,
    SOFT_FLAG,
    TARGET_BOX,
    Domain,
)
from lossctl.core.form import Against, Curve, Form, along


def of_kinds(kinds: tuple[str, ...], xs: tuple[float, ...]) -> list[str]:
    """Name the points `xs` of rows of several kinds."""
    return [f"{kind} {x:g}" for kind in kinds for x in xs]


def line(axis: str, xs: tuple[float, ...], target: float, against: Against = "error") -> Curve:
    """Show a loss along predictions `xs` at one fixed target."""
    return along(axis, xs, True, against=against, target=target, pred=xs)


RESIDUALS = (-10.0, -3.0, -1.0, -0.5, -0.1, 0.0, 0.1, 0.5, 1.0, 3.0, 10.0)
PROBABILITIES = (0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999)
SCORES = (-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0)
COMPLEMENTS = tuple(1.0 - p for p in PROBABILITIES)


def regression(target: Domain = REAL, pred: Domain = REAL, curve: Curve | None = None, one: bool = False) -> Form:
    """Real targets and predictions; `one` allows a single output only."""
    roles = {"target": target.wide(1) if one else target, "pred": pred.wide(1) if one else pred}
    return Form("regression", roles, curve or line("pred, target 0", RESIDUALS, 0.0), outputs=True)


def relative(target: Domain, pred: Domain = REAL) -> Form:
    """Targets whose scale matters, shown at target 10."""
    curve = line("pred, target 10", (1.0, 5.0, 8.0, 9.0, 10.0, 11.0, 12.0, 15.0, 20.0, 100.0), 10.0)
    return regression(target, pred, curve)


COUNT_CURVE = line("pred (rate), target 3", (0.1, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 30.0), 3.0)
BINARY_CURVE = line("pred (p), target 1", PROBABILITIES, 1.0, "probability")
CLASS_CURVE = along(
    "p of the observed class, K = 2",
    PROBABILITIES,
    True,
    against="probability",
    target=0.0,
    pred=[PROBABILITIES, COMPLEMENTS],
)
ROWS_CURVE = along(
    "p of class 0, target row (0.7, 0.3)", PROBABILITIES, True, target=[0.7, 0.3], pred=[PROBABILITIES, COMPLEMENTS]
)
MARGIN_CURVE = line("pred (score), target +1", SCORES, 1.0, "margin")
CLASS_SCORE_CURVE = along(
    "score of the observed class, the other at 0", SCORES, True, against="margin", target=0.0, pred=[SCORES, 0.0]
)

BINARY = Form("binary", {"target": SOFT_FLAG, "pred": PROBABILITY}, BINARY_CURVE, outputs=True)
BINARY_ONE = Form("binary", {"target": SOFT_FLAG.wide(1), "pred": PROBABILITY.wide(1)}, BINARY_CURVE)
DECISION = Form("binary", {"target": FLAG.wide(1), "pred": PROBABILITY.wide(1)}, BINARY_CURVE)
DECIDED = Form(
    form.DECIDED,
    {"target": ONE_CLASS, "pred": ONE_CLASS},
    along("predicted class, the observed one is 0", ("0", "1"), target=0.0, pred=(0.0, 1.0)),
)
CLASSES = Form("multiclass", {"target": LABELS, "pred": SIMPLEX}, CLASS_CURVE)
CLASS_ROWS = Form("multiclass", {"target": SIMPLEX, "pred": SIMPLEX}, ROWS_CURVE)
ONE_HOT_ROWS = Form("multiclass", {"target": ONE_HOT, "pred": SIMPLEX}, replace(CLASS_CURVE, straight=False))
MARGIN = Form("binary", {"target": FLAG, "pred": SCORE}, MARGIN_CURVE, outputs=True)
CLASS_SCORES = Form("multiclass", {"target": LABELS, "pred": SCORE}, CLASS_SCORE_CURVE)


def in_logs(form: Form, *roles: str) -> Form:
    """Return a form of probabilities whose roles hold their logarithms."""
    columns = {
        role: tuple(tuple(map(math.log, column)) for column in values) if role in roles else values
        for role, values in form.curve.roles.items()
    }
    domains = {role: LOG_SIMPLEX if role in roles else domain for role, domain in form.roles.items()}
    return replace(form, roles=domains, curve=replace(form.curve, roles=columns, straight=False))


SHIFTS = (0.0, 0.25, 0.5, 1.0, 1.5, 1.9, 3.0, 6.0)
BOXES = Form(
    "boxes",
    {"target": TARGET_BOX, "pred": PRED_BOX},
    along(
        "shift to the right of a 2 x 2 box",
        SHIFTS,
        True,
        target=[0.0, 0.0, 2.0, 2.0],
        pred=[SHIFTS, 0.0, [2.0 + x for x in SHIFTS], 2.0],
    ),
)
MASKS = Form(
    "masks",
    {"target": MASK, "pred": PROBABILITY},
    along(
        "pixels found of 8, and one too many",
        range(9),
        target=[float(pixel < 8) for pixel in range(9)],
        pred=[[float(pixel < n or pixel == 8) for n in range(9)] for pixel in range(9)],
    ),
)
DISTANCES = (0.0, 0.25, 0.5, 1.0, 2.0)
PAIRS = Form(
    "pairs",
    {"target": FLAG.wide(1), "left": REAL, "right": REAL},
    along(
        "distance of the pair",
        of_kinds(("same", "different"), DISTANCES),
        target=(0.0,) * 5 + (1.0,) * 5,
        left=DISTANCES * 2,
        right=0.0,
    ),
)
FAR = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
TRIPLETS = Form(
    "triplets",
    {"anchor": REAL, "positive": REAL, "negative": REAL},
    along("distance of the negative, the positive at 1", FAR, True, anchor=0.0, positive=1.0, negative=FAR),
)
SCORE_PAIRS = Form("scores", {"target": FLAG.wide(1), "pred": SCORE.wide(1)}, line("score, no pair", (0.0,), 1.0, ""))


def adversarial(pred: Domain, axis: str, xs: tuple[float, ...]) -> Form:
    """Real and generated rows, and what a discriminator says of each."""
    curve = along(axis, of_kinds(("real", "generated"), xs), target=(1.0,) * 5 + (0.0,) * 5, pred=xs * 2)
    return Form("adversarial", {"target": FLAG.wide(1), "pred": pred.wide(1)}, curve)


ADVERSARIAL = adversarial(PROBABILITY, "D(x) of one row", (0.01, 0.1, 0.5, 0.9, 0.99))
CRITIC = adversarial(REAL, "score of one row", (-3.0, -1.0, 0.0, 1.0, 3.0))
