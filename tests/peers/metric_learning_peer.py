"""pytorch-metric-learning: its losses of a set of embeddings with labels, in float64; several sets are averaged."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import DOUBLE, Adapter, Rows
from tests.peers.torch_peer import tensor

losses: Any = import_module("pytorch_metric_learning.losses")


def of(name: str) -> Adapter:
    """A loss of embeddings and labels."""

    def call(rows: Rows, **words: Any) -> Any:
        made = getattr(losses, name)(**words)
        sets = [(tensor(one.table("pred")), tensor(one.line("label").astype(np.int64))) for one in rows.sets()]
        return [float(made(*one)) for one in sets]

    return Adapter(call, tolerance=DOUBLE)


def _triplets(rows: Rows, **words: Any) -> Any:
    made = losses.TripletMarginLoss(**words)
    roles = [rows.table(role) for role in ("anchor", "positive", "negative")]
    labels = np.arange(rows.count)
    triples = tuple(tensor(labels + rows.count * place) for place in range(3))
    return made(tensor(np.concatenate(roles)), tensor(np.zeros(3 * rows.count, np.int64)), triples)


def _contrastive(rows: Rows, **words: Any) -> Any:
    made = losses.ContrastiveLoss(**words)
    left, right, alike = rows.table("left"), rows.table("right"), rows.flags.reshape(-1) == 0
    first, second = tensor(np.arange(rows.count)), tensor(np.arange(rows.count) + rows.count)
    same = tensor(alike)
    pairs = (first[same], second[same], first[~same], second[~same])
    return made(tensor(np.concatenate([left, right])), tensor(np.zeros(2 * rows.count, np.int64)), pairs)


def _n_pairs(rows: Rows) -> Any:
    made, values = losses.NPairsLoss(), []
    for one in rows.sets():
        labels = np.tile(np.arange(one.count), 2)
        embedded = np.concatenate([one.table("anchor"), one.table("positive")])
        values.append(float(made(tensor(embedded), tensor(labels))))
    return values


ADAPTERS = {
    **{name: of(name) for name in ("NTXentLoss", "SupConLoss", "CircleLoss", "MultiSimilarityLoss")},
    "NPairsLoss": Adapter(_n_pairs),
    "TripletMarginLoss": Adapter(_triplets),
    "ContrastiveLoss": Adapter(_contrastive),
}
