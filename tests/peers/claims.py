"""Claims: those of the declarations, and what comes of trying one on every input."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from itertools import islice
from typing import Any

import numpy as np

from lossctl.core.domain import Whole
from lossctl.core.loss import Loss, Peer
from lossctl.elsewhere import OTHER_DEFAULT
from lossctl.errors import LossctlError
from lossctl.registry import loss_of, losses
from tests.peers.adapter import CANCELLED, DOUBLE, SINGLE, Adapter, NotTaken, Rows
from tests.peers.conditions import held, tolerance
from tests.peers.expression import NotAnExpression, called, parsed, symbols, value
from tests.peers.inputs import LESS, SEEDS, Input, bindings, inputs

LIBRARIES: Mapping[str, str] = {  # as claims write them -> the module here
    "torch": "torch_peer",
    "keras": "keras_peer",
    "optax": "optax_peer",
    "scikit-learn": "sklearn_peer",
    "torchmetrics": "torchmetrics_peer",
    "torchvision": "torchvision_peer",
    "permetrics": "permetrics_peer",
    "scipy": "scipy_peer",
    "XGBoost": "xgboost_peer",
    "LightGBM": "lightgbm_peer",
    "CatBoost": "catboost_peer",
    "MONAI": "monai_peer",
    "segmentation-models-pytorch": "smp_peer",
    "pytorch-metric-learning": "metric_learning_peer",
    "lifelines": "lifelines_peer",
    "pycox": "pycox_peer",
    "torchsurv": "torchsurv_peer",
}
DEFAULTED = re.compile(r"\w+=(?!True|False|None)[A-Za-z_]\w*(, )?")
FEW = 3
ROUNDING = {
    DOUBLE: 1e-14,
    SINGLE: 4e-7,
    CANCELLED: 4e-7,
}  # by tolerance, absolute: what is left where a library's own terms cancel


@dataclass(frozen=True)
class Claim:
    """What a declaration says of a function of a library."""

    loss: Loss
    peer: Peer

    @property
    def ours(self) -> Loss:
        """The loss whose number is compared: that of the spec, or the one that declares the claim."""
        return loss_of(self.peer.spec) if self.peer.spec else self.loss

    def __str__(self) -> str:
        return f"{self.loss.name}/{self.peer.library}: {self.peer.name}"


@dataclass(frozen=True)
class Difference:
    """Two numbers of one input."""

    ours: float
    theirs: float
    where: str

    @property
    def size(self) -> float:
        """Relative to the larger number, but for what is only rounding; infinite beside what is none."""
        if self.ours == self.theirs:
            return 0.0
        if not (math.isfinite(self.ours) and math.isfinite(self.theirs)):
            return math.inf
        gap = abs(self.ours - self.theirs)
        return gap if gap < ROUNDING[DOUBLE] else gap / max(abs(self.ours), abs(self.theirs))


@dataclass(frozen=True)
class Verdict:
    """What came of a claim: numbers compared, those that agree, the worst difference, and what is wrong with it.

    refused: edges that the library does not take. edges: whether no more than edges differ. skipped: the package that
    is not installed here.
    """

    claim: Claim
    cases: int = 0
    agree: int = 0
    worst: Difference | None = None
    refused: int = 0
    edges: bool = False
    fault: str = ""
    skipped: str = ""


@cache
def adapters(library: str) -> Mapping[str, Adapter]:
    """The adapters of a library by the name of the function."""
    found: Mapping[str, Adapter] = import_module(f"tests.peers.{LIBRARIES[library]}").ADAPTERS
    return found


@cache
def absent(library: str) -> str:
    """The package that a library needs and that is not installed, or nothing."""
    try:
        adapters(library)
    except ModuleNotFoundError as error:
        return error.name or library
    return ""


def adapter(library: str, function: str) -> Adapter:
    """The adapter of a function, by its dotted name or the last of its names; raise KeyError where there is none."""
    table, parts = adapters(library), function.split(".")
    tails = (".".join(parts[place:]) for place in range(len(parts)))
    return table[next((tail for tail in tails if tail in table), function)]


def claims() -> list[Claim]:
    """Every claim that can be executed."""
    found = (Claim(loss, peer) for loss in losses().values() for peer in loss.elsewhere)
    return [claim for claim in found if claim.peer.library in LIBRARIES]


def chosen(only: list[str]) -> list[Claim]:
    """The claims asked for as LOSS/LIBRARY, LOSS/ or /LIBRARY; all without a word."""
    pairs = [word.partition("/")[::2] for word in only]
    return [
        claim
        for claim in claims()
        if not pairs
        or any(loss in ("", claim.loss.name) and library in ("", claim.peer.library) for loss, library in pairs)
    ]


def unused() -> Iterator[str]:
    """Adapters that no claim names."""
    for library in LIBRARIES:
        if absent(library):
            continue
        claimed = {name for claim in claims() if claim.peer.library == library for name in _names(claim)}
        wanted = [adapter(library, name) for name in claimed if _adapted(library, name)]
        yield from (f"{library}: {name}" for name, one in adapters(library).items() if one not in wanted)


def _adapted(library: str, function: str) -> bool:
    try:
        return bool(adapter(library, function))
    except KeyError:
        return False


def _names(claim: Claim) -> set[str]:
    try:
        return called(claim.peer.name)
    except NotAnExpression:
        return set()


def tried(claim: Claim, seeds: int = SEEDS) -> Verdict:
    """Compare both numbers on every input."""
    library = claim.peer.library
    if package := absent(library):
        return Verdict(claim, skipped=package)
    try:
        missing = {name for name in called(claim.peer.name) if not _adapted(library, name)}
        bound = bindings(claim.ours, symbols(claim.peer.name))
    except NotAnExpression as fault:
        return Verdict(claim, fault=str(fault))
    if missing:
        return Verdict(claim, fault=f"no adapter for {', '.join(sorted(missing))}")
    used = [adapter(library, name) for name in called(claim.peer.name)]
    weighted = all(one.weighted for one in used)
    single = any(one.single for one in used)
    found: list[tuple[Difference, bool, bool]] = []
    refused = 0
    for ours in bound:
        for one in inputs(ours, claim.peer.activation, seeds if ours is bound[0] else seeds // LESS):
            if single:
                one = replace(one, rows=one.rows.in_single)
            if not held(claim.peer.note, one) or (one.rows.weight is not None and not weighted):
                continue
            try:
                if (pair := compared(claim, ours, one)) is not None:
                    found.append((*pair, one.edge))
            except NotTaken:
                pass
            except Exception as fault:  # whatever a library raises where it refuses an input
                if not one.edge:
                    return Verdict(claim, fault=f"{one.origin}: {type(fault).__name__}: {str(fault)[:300]}")
                refused += 1
    cases, agree = len(found), sum(same for _, same, _ in found)
    wrong = [difference for difference, same, _ in found if not same] or [difference for difference, _, _ in found]
    worst = max(wrong, key=lambda difference: difference.size, default=None)
    edges = all(same or edge for _, same, edge in found)
    wrong_claim = _fault(claim, cases, agree, worst) or _default_fault(claim, bound[0], single)
    return Verdict(claim, cases, agree, worst, refused, edges, wrong_claim)


def _default_fault(claim: Claim, ours: Loss, single: bool) -> str:
    """Say so where a claim leaves parameters open that the library sets otherwise by default."""
    open_words = symbols(claim.peer.name)
    if not open_words or not claim.peer.same or OTHER_DEFAULT in claim.peer.note:
        return ""
    plain = replace(claim, peer=claim.peer._replace(name=DEFAULTED.sub("", claim.peer.name)))
    for one in islice(inputs(ours, claim.peer.activation, 1), FEW):
        try:
            pair = compared(plain, ours, replace(one, rows=one.rows.in_single) if single else one)
        except Exception:  # the library wants the parameter, or refuses the input
            return ""
        if pair is not None and not pair[1] and held(claim.peer.note, one) and one.rows.weight is None:
            return f"by default it is another number, in {one.origin}: ours {pair[0].ours!r}, theirs {pair[0].theirs!r}"
    return ""


def _fault(claim: Claim, cases: int, agree: int, worst: Difference | None) -> str:
    if not cases:
        return "no input suits both sides"
    if claim.peer.differs:
        return "" if agree < cases else f"it differs nowhere, in {cases} inputs"
    if agree == cases or worst is None:
        return ""
    return f"{cases - agree} of {cases} inputs differ, as {worst.where}: ours {worst.ours!r}, theirs {worst.theirs!r}"


def compared(claim: Claim, ours: Loss, one: Input) -> tuple[Difference, bool] | None:
    """Return both numbers and whether they agree; None where ours is not defined."""
    mine = _number(claim.peer, ours, one.rows)
    if mine is None:
        return None
    table = {name: adapter(claim.peer.library, name) for name in called(claim.peer.name)}
    theirs = value(parsed(claim.peer.name), lambda name, words: table[name](one.rows, words), arguments(ours))
    allowed = max(one.tolerance for one in table.values())
    difference = Difference(mine, theirs, f"{one.origin}" + ("" if not ours.args else f", {ours.full_spec}"))
    return difference, agreed(difference, tolerance(claim.peer.note, allowed), _typical(claim.peer, ours, one.rows))


def arguments(ours: Loss) -> dict[str, Any]:
    """The parameters as a library takes them: whole numbers are int."""
    whole = {param.name for param in ours.params if isinstance(param.domain, Whole)}
    return {name: int(x) if name in whole and x is not None else x for name, x in ours.args.items()}


def agreed(difference: Difference, tolerance: float, typical: float) -> bool:
    """Whether two numbers are the same, relative to the larger or to a typical row, or but for rounding."""
    a, b = difference.ours, difference.theirs
    if a == b:
        return True
    if not (math.isfinite(a) and math.isfinite(b)):
        return False
    return abs(a - b) <= max(tolerance * max(abs(a), abs(b), typical), ROUNDING[tolerance])


def _given(peer: Peer, rows: Rows) -> dict[str, Any]:
    return {**rows.roles, "activation": peer.activation, "task": rows.form.name}


def _number(peer: Peer, ours: Loss, rows: Rows) -> float | None:
    """Our number, None where it is not defined: for no such rows, or for no width of theirs."""
    try:
        number = ours(weight=rows.weight, **_given(peer, rows))
    except LossctlError:
        return None
    if math.isnan(number):
        return None
    if peer.reduction == "sum":
        count = len(np.unique(rows["query"])) if ours.over_sets and "query" in rows.roles else rows.count
        number *= count if rows.weight is None else float(np.sum(rows.weight))
    return peer.factor * number


def _typical(peer: Peer, ours: Loss, rows: Rows) -> float:
    """The size of a row's loss, of which signed rows may leave little in the mean."""
    if ours.row is None:  # a score has no more digits than its best, 1
        return abs(peer.factor) if ours.best == 1.0 else 0.0
    sizes = np.abs(ours.each(**_given(peer, rows)))
    typical = abs(peer.factor) * float(np.mean(sizes))
    return typical * (rows.count if peer.reduction == "sum" else 1.0) if math.isfinite(typical) else 0.0
