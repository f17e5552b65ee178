"""Inputs of a claim: random rows of every form that the loss takes, and the edges of their domains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossctl.core.domain import Box, Interval, Mark, Probability
from lossctl.core.form import Form
from lossctl.core.loss import Loss
from lossctl.core.param import Param, PerColumn
from lossctl.testing.cases import Case, Columns, extremes, hard, rows_of, sample, truth, widths
from tests.peers.adapter import Rows

SIZES = (8, 32, 96)  # few, since some libraries compile anew for every shape
SEEDS = 60  # over the widths of a form, and less where a parameter that is left open has another value
LESS = 5
LOGITS = (1e4, 745.0, 40.0, 0.0, -40.0, -745.0, -1e4)
SCALES = (1e-6, 1e6)
CLOSE = 1e-7  # of a prediction to its target
MOST = 24  # edge rows that are tried each for itself
SETS = 4
MOST_RELEVANT = 4.0
MASKS = 40
CHANCES = (1e-12, 1.0 - 1e-12, 1e-5, 0.5)


@dataclass(frozen=True)
class Input:
    """Rows for both sides, and where they come from."""

    rows: Rows
    origin: str
    edge: bool


def inputs(loss: Loss, activation: str, seeds: int) -> Iterator[Input]:
    """Yield all inputs of a loss."""
    for form in loss.forms:
        if activation != "none" and activation not in form.roles["pred"].activations():
            continue
        for width in widths(form):
            yield from _random(form, width, activation, max(seeds // len(widths(form)), 1))
            yield from _edges(loss, form, width, activation)


def bindings(loss: Loss, names: set[str]) -> list[Loss]:
    """Return the loss, and where parameters are left open, others of them."""
    rng = np.random.default_rng(5)
    free = [param for param in loss.params if param.name in names]
    return [loss, *(loss.bind(**{param.name: _drawn(param, rng) for param in free}) for _ in range(3) if free)]


def _drawn(param: Param, rng: np.random.Generator) -> object:
    domain = param.domain.each if isinstance(param.domain, PerColumn) else param.domain
    if domain is None:
        return bool(rng.integers(2))
    if not isinstance(domain, Interval):
        raise TypeError(f"parameter {param.name} cannot be left open in a claim")
    return float(domain.sample(rng, 1, 1)[0, 0])


def _random(form: Form, width: int, activation: str, seeds: int) -> Iterator[Input]:
    for seed in range(seeds):
        rng = np.random.default_rng([seed, width])
        drawn = [sample(form, width, rng, wild=seed % 2 == 1) for _ in range(3)]
        whole = {role: np.concatenate([one[role] for one in drawn], axis=-1) for role in drawn[0]}
        if activation != "none":
            whole["pred"] = rng.normal(0.0, 3.0, whole["pred"].shape)
        columns = hard(form, whole) if seed % 4 < 2 else whole
        for size in SIZES:
            part = _in_sets(rows_of(columns, slice(size)))
            origin = f"{size} rows of seed {seed}, width {width}"
            yield Input(_rows(form, activation, part), origin, edge=False)
            weight = np.where(rng.random(size) < 0.1, 0.0, rng.lognormal(0.0, 1.0, size))
            if "query" not in form.roles:
                yield Input(_rows(form, activation, part, weight), origin + ", weighted", edge=False)


def _edges(loss: Loss, form: Form, width: int, activation: str) -> Iterator[Input]:
    case = Case(loss, form, width, 3)
    ordinary = _in_sets(case.data())
    few = rows_of(ordinary, slice(4))
    if activation != "none":
        for name, columns in _logits(form, ordinary):
            yield Input(_rows(form, activation, columns), name, edge=True)
        if activation == "softmax":
            pred = np.where(np.arange(len(ordinary["pred"]))[:, np.newaxis] == 0, -np.inf, ordinary["pred"])
            for columns in (ordinary, hard(form, ordinary)):
                yield Input(_rows(form, activation, {**columns, "pred": pred}), "a raw output of -inf", edge=True)
        return
    if isinstance(form.roles.get("target"), Mark) and isinstance(form.roles.get("pred"), Probability):
        for seed in range(MASKS):
            columns = sample(form, width, np.random.default_rng([9, seed]), wild=False)
            columns["pred"] = np.rint(columns["pred"])
            yield Input(_rows(form, activation, columns), f"hard masks of seed {seed}, width {width}", edge=True)
    for name, columns in _changed(form, width, ordinary):
        if _fits(form, columns):
            yield Input(_rows(form, activation, columns), f"{name}, width {width}", edge=True)
    ends = None if "query" in form.roles else extremes(case)
    if ends is None:
        return
    yield Input(_rows(form, activation, ends), f"every end of the domains, width {width}", edge=True)
    count = next(iter(ends.values())).shape[-1]
    for row in np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(int)).tolist():
        own = rows_of(ends, slice(row, row + 1))
        columns = {role: np.concatenate([own[role], few[role]], axis=-1) for role in own}
        yield Input(_rows(form, activation, columns), f"end {row} of the domains, width {width}", edge=True)


def _in_sets(columns: Columns) -> Columns:
    """Rows in sets of equal size, so that there are few shapes."""
    if "query" not in columns:
        return columns
    rows = columns["query"].shape[-1]
    return {**columns, "query": np.repeat(np.arange(float(SETS)), rows // SETS)[np.newaxis]}


def _logits(form: Form, ordinary: Columns) -> Iterator[tuple[str, Columns]]:
    for place, z in enumerate(LOGITS):
        pred = np.where(np.arange(ordinary["pred"].size).reshape(ordinary["pred"].shape) % 2 == 0, z, 0.3)
        for columns in (ordinary, hard(form, ordinary)):
            yield f"raw outputs {z:g} and 0.3", {**columns, "pred": pred}
            yield f"raw outputs {z:g}, all equal", {**columns, "pred": np.full_like(pred, LOGITS[place])}


def _changed(form: Form, width: int, ordinary: Columns) -> Iterator[tuple[str, Columns]]:
    """Ordinary rows made extreme; not all of them stay in their domains."""
    yield "one row", rows_of(ordinary, slice(1))
    yield "certain rows", hard(form, ordinary)
    if (perfect := truth(form, width, 3)) is not None:
        yield "perfect predictions", perfect
    numbers = [role for role, domain in form.roles.items() if isinstance(domain, Interval | Box)]
    for scale in SCALES:
        yield f"everything times {scale:g}", {r: x * scale if r in numbers else x for r, x in ordinary.items()}
        for role in numbers:
            yield f"{role} times {scale:g}", {**ordinary, role: ordinary[role] * scale}
    for role in numbers:
        yield f"{role} 0", {**ordinary, role: np.zeros_like(ordinary[role])}
        yield f"{role} all the same", {**ordinary, role: ordinary[role][..., :1] + np.zeros_like(ordinary[role])}
    target = ordinary.get("target")
    if "label" in ordinary:
        count = ordinary["label"].shape[-1] // SETS
        yield "two rows of each label", {**ordinary, "label": np.tile(np.arange(count) // 2, SETS)[np.newaxis] * 1.0}
        yield "one label", {**ordinary, "label": np.zeros_like(ordinary["label"])}
    if target is not None and "query" in form.roles and "target" in numbers:
        yield "whole targets", {**ordinary, "target": np.minimum(np.rint(target), MOST_RELEVANT)}
    for role, x in ordinary.items():
        domain = form.roles[role]
        if isinstance(domain, Probability):
            chances = np.resize(CHANCES, x.size).reshape(x.shape)
            yield "probabilities near 0 and 1", {**hard(form, ordinary), role: chances}
        if target is not None and role != "target" and role in numbers and x.shape == target.shape:
            noise = np.random.default_rng(7).normal(0.0, CLOSE, x.shape)
            yield f"{role} close to target", {**ordinary, role: target + noise}
            yield f"{role} equal to target", {**ordinary, role: target.astype(np.float64)}
    if target is not None and not form.labels:
        for end in (0.0, 1.0):
            yield f"every target {end:g}", {**ordinary, "target": np.full_like(target, end)}


def _fits(form: Form, columns: Columns) -> bool:
    return not any(
        domain.outside(columns[role]).any()
        for role, domain in form.roles.items()
        if role in columns and role != "query"
    )


def _rows(form: Form, activation: str, columns: Columns, weight: Any = None) -> Rows:
    roles = {role: np.array(x[0] if len(x) == 1 and x.ndim == 2 else x.T, order="C") for role, x in columns.items()}
    return Rows(form, roles, weight, activation)
