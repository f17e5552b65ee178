"""Boxes: the domain of axis-parallel boxes in their frames, and the corners of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lossctl.core.interval import Array, Domain, Mask

CORNERS: Final = {  # the corners x1, y1, x2, y2 from the four columns of a box
    "xyxy": np.eye(4),
    "xywh": np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]]),
    "cxcywh": np.array([[1.0, 0, -0.5, 0], [0, 1, 0, -0.5], [1, 0, 0.5, 0], [0, 1, 0, 0.5]]),
}


def corners(box: Array, frame: str) -> Array:
    """Return the corners x1, y1, x2, y2 of boxes (4, rows) in a frame: xyxy, xywh or cxcywh."""
    if frame == "xyxy":
        return box
    half = 0.5 * box[2:]
    start = box[:2] if frame == "xywh" else box[:2] - half
    return np.concatenate([start, box[:2] + (box[2:] if frame == "xywh" else half)])


@dataclass(frozen=True)
class Box(Domain):
    """An axis-parallel box in a frame (corners; or corner or centre, width and height); `solid` asks for an area."""

    width: int | None = 4
    solid: bool = False
    frame: str = "xyxy"
    hint: str = "the loss's parameter `frame` says what the columns are: xyxy, xywh or cxcywh"

    def outside(self, x: Array) -> Mask:
        finite = np.logical_and.reduce(np.isfinite(x), axis=0)
        if self.frame != "xyxy":
            sides = x[2:] > 0.0 if self.solid else x[2:] >= 0.0
            return ~(finite & sides[0] & sides[1])
        ordered = (x[0] < x[2]) & (x[1] < x[3]) if self.solid else (x[0] <= x[2]) & (x[1] <= x[3])
        return ~(finite & ordered)

    def sample(self, rng: np.random.Generator, width: int, rows: int) -> Array:
        corner, sides = rng.uniform(0.0, 4.0, (2, rows)), rng.uniform(0.5, 4.0, (2, rows))
        start = corner + 0.5 * sides if self.frame == "cxcywh" else corner
        return np.concatenate([start, corner + sides if self.frame == "xyxy" else sides])

    def activations(self) -> frozenset[str]:
        monotone = {
            "none",
            "sigmoid",
            "relu",
            "exp",
            "softplus",
        }  # they keep the order of corners, and sides at least 0
        return frozenset(monotone if self.frame == "xyxy" else {"none"})

    def __str__(self) -> str:
        less = "<" if self.solid else "<="
        if self.frame != "xyxy":
            return f"finite {self.frame} with 0 {less} w and 0 {less} h"
        return f"finite x1 {less} x2 and y1 {less} y2"
