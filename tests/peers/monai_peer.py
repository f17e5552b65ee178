"""MONAI: the modules of `monai.losses`, in float64; a row is an image of one line, its columns are pixels."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import SINGLE, Adapter, Rows, need
from tests.peers.torch_peer import tensor
from tests.peers.vision import loaded

loaded()
losses: Any = import_module("monai.losses")


def images(x: Any) -> Any:
    """Rows of pixels as images of one channel and one line."""
    return tensor(x[:, np.newaxis, np.newaxis, :])


def masks(name: str) -> Adapter:
    """A module of masks, given raw outputs."""

    def call(rows: Rows, **words: Any) -> Any:
        need(rows.table("target").shape[1] > 1)
        logits = rows.logits.reshape(rows.count, -1)
        return getattr(losses, name)(**words)(images(logits), images(rows.table("target").astype(np.float64)))

    return Adapter(call)


def _classes(rows: Rows, **words: Any) -> Any:
    made = losses.GeneralizedDiceLoss(**words)
    return [
        float(made(tensor(one.logits.T[np.newaxis]), tensor(one.labels[np.newaxis, np.newaxis]))) for one in rows.sets()
    ]


def _focal(rows: Rows, **words: Any) -> Any:
    if rows.form.name == "multiclass":
        return losses.FocalLoss(**words)(tensor(rows.logits), tensor(rows.shares))
    return losses.FocalLoss(**words)(tensor(rows.logits.reshape(-1, 1)), tensor(rows.chances.reshape(-1, 1) * 1.0))


def _pairs(rows: Rows, **words: Any) -> Any:
    values = []
    for one in rows.sets():
        labels, first = np.unique(one.line("label"), return_index=True)
        need(bool((np.unique(one.line("label"), return_counts=True)[1] == 2).all()))
        second = [int(np.flatnonzero(one.line("label") == label)[1]) for label in labels]
        pred = one.table("pred")
        values.append(float(losses.ContrastiveLoss(**words)(tensor(pred[first]), tensor(pred[second]))))
    return values


def _boxes(rows: Rows, **words: Any) -> Any:
    return losses.BoxGIoULoss(**words)(tensor(rows.pred), tensor(rows.target))


def _adversarial(rows: Rows, for_discriminator: bool, **words: Any) -> Any:
    """The discriminator's loss of real rows and of generated ones, added; the generator's of generated ones."""
    made, flags = losses.PatchAdversarialLoss(**words), rows.flags.reshape(-1)
    kinds = (False, True) if for_discriminator else (False,)
    need(all((flags == real).any() for real in kinds))
    scores = [tensor(rows.logits.reshape(-1, 1)[flags == real]) for real in kinds]
    pairs = zip(scores, kinds, strict=True)
    return sum(float(made(score, real or not for_discriminator, for_discriminator)) for score, real in pairs)


MASKS = ("DiceLoss", "TverskyLoss", "DiceCELoss", "DiceFocalLoss")
ADAPTERS = {
    **{name: masks(name) for name in MASKS},
    "GeneralizedDiceLoss": Adapter(_classes, tolerance=SINGLE),
    "FocalLoss": Adapter(_focal),
    "ContrastiveLoss": Adapter(_pairs, tolerance=SINGLE),
    "BoxGIoULoss": Adapter(_boxes, tolerance=SINGLE),
    "PatchAdversarialLoss": Adapter(_adversarial),
}
