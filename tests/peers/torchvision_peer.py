"""torchvision: the functions of `torchvision.ops`, in float64."""

from __future__ import annotations

from typing import Any

from tests.peers.adapter import Adapter, Rows
from tests.peers.torch_peer import tensor, torch
from tests.peers.vision import loaded

ops: Any = loaded()


def box_loss(name: str) -> Adapter:
    """A loss of boxes that are paired row by row; what it returns by row is averaged."""

    def call(rows: Rows, **words: Any) -> Any:
        return getattr(ops, name)(tensor(rows.pred), tensor(rows.target), **words).mean()

    return Adapter(call)


def _box_iou(rows: Rows, **words: Any) -> Any:
    """The score of all pairs of boxes, of which the diagonal is ours."""
    return torch.diagonal(ops.box_iou(tensor(rows.pred), tensor(rows.target), **words))


def _focal(rows: Rows, **words: Any) -> Any:
    return ops.sigmoid_focal_loss(tensor(rows.logits), tensor(rows.chances), **words).mean()


ADAPTERS = {
    **{name: box_loss(name) for name in ("generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss")},
    "box_iou": Adapter(_box_iou),
    "sigmoid_focal_loss": Adapter(_focal),
}
