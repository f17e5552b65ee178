"""segmentation-models-pytorch: the modules of its `losses`, in float64, given raw outputs of images of one line."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import Adapter, Rows, need
from tests.peers.torch_peer import tensor
from tests.peers.vision import loaded

loaded()
losses: Any = import_module("segmentation_models_pytorch.losses")
functions: Any = import_module("segmentation_models_pytorch.losses._functional")


def masks(name: str) -> Adapter:
    """A module of masks of one class."""

    def call(rows: Rows, **words: Any) -> Any:
        need(rows.table("target").shape[1] > 1)
        logits, target = rows.logits.reshape(rows.count, 1, 1, -1), rows.table("target")[:, np.newaxis, np.newaxis, :]
        return getattr(losses, name)(**words)(tensor(logits), tensor(target.astype(np.float64)))

    return Adapter(call)


def _focal(rows: Rows, **words: Any) -> Any:
    return losses.FocalLoss(**words)(tensor(rows.logits), tensor(rows.chances * 1.0))


def _correlation(rows: Rows) -> Any:
    return losses.MCCLoss()(tensor(rows.pred.reshape(1, 1, -1)), tensor(rows.chances.reshape(1, 1, -1) * 1.0))


def _soft_bce(rows: Rows, **words: Any) -> Any:
    return losses.SoftBCEWithLogitsLoss(**words)(tensor(rows.logits), tensor(rows.chances * 1.0))


ADAPTERS = {
    **{name: masks(name) for name in ("DiceLoss", "JaccardLoss", "TverskyLoss")},
    "FocalLoss": Adapter(_focal),
    "MCCLoss": Adapter(_correlation),
    "SoftBCEWithLogitsLoss": Adapter(_soft_bce),
    "wing_loss": Adapter(lambda rows, **words: functions.wing_loss(tensor(rows.pred), tensor(rows.target), **words)),
}
