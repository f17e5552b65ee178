"""torchvision, also where its compiled operators are of another build than torch: losses of boxes use none of them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

ABSENT = ("nms", "qnms")  # operators about which it registers more when it is imported, compiled or not
_kept: list[Any] = []  # what a torch library defines lasts as long as the library object


def loaded() -> Any:
    """Import its operators; torchmetrics imports it too, so this comes first."""
    torch = import_module("torch")
    try:
        return import_module("torchvision.ops")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ABSENT:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)
        return import_module("torchvision.ops")
