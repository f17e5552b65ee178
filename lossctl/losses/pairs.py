"""Losses of pairs: by their distance, their angle, or which of two scores is the higher one."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, derived, flag, sign
from lossctl.core.domain import NON_NEGATIVE, Interval
from lossctl.core.loss import differs, loss, same
from lossctl.losses import cosine
from lossctl.losses.forms import COMPARISONS, DIRECTIONS, PAIR_DISTANCES
from lossctl.numerics.activation import sigmoid
from lossctl.numerics.array import Array
from lossctl.numerics.double import soft_difference, three_terms

COSINES = Interval(low=-1.0, high=1.0, low_closed=True, high_closed=True)


def _hinge_embedding_gradient(batch: Batch, *, margin: float) -> Array:
    return np.where(flag(batch) > 0.0, 1.0, -(batch.pred < margin).astype(np.float64))


@loss(
    forms=(PAIR_DISTANCES,),
    gradient=_hinge_embedding_gradient,
    subgradient="0 where the margin is just kept",
    formula="mean of d where y = 1, max(0, margin - d) where y = -1",
    unit="distance",
    source="PyTorch, nn.HingeEmbeddingLoss",
    use="Pairs of which only a distance is known: 1 says that they belong together.",
    avoid="Embeddings are at hand: contrastive, whose target says 1 for a different pair.",
    elsewhere=(same("torch", "nn.HingeEmbeddingLoss", note="targets 1 and -1"),),
)
def hinge_embedding(
    batch: Batch, *, margin: Annotated[float, NON_NEGATIVE, "distance beyond which a different pair is fine"] = 1.0
) -> Array:
    """Hinge loss of a pair's distance: itself for a same pair, what it lacks to the margin for a different one."""
    return np.where(flag(batch) > 0.0, batch.pred, np.maximum(margin - batch.pred, 0.0))


@derived
def similarity(batch: Batch) -> Array:
    """Cosine of left and right."""
    return cosine.similarity(batch["left"], batch["right"])


def _cosine_embedding_gradient(batch: Batch, *, margin: float) -> dict[str, Array]:
    left, right = batch["left"], batch["right"]
    weight = np.where(flag(batch)[0] > 0.0, -1.0, (similarity(batch) > margin).astype(np.float64))
    return {
        "left": weight * cosine.similarity_slope(right, left),
        "right": weight * cosine.similarity_slope(left, right),
    }


@loss(
    forms=(DIRECTIONS,),
    gradient=_cosine_embedding_gradient,
    subgradient="0 where the cosine just is the margin, and for zero vectors",
    formula="mean of 1 - cos(left, right) where y = 1, max(0, cos(left, right) - margin) where y = -1",
    unit="1",
    source="PyTorch, nn.CosineEmbeddingLoss",
    use="Pairs of embeddings whose length means nothing, as of texts: 1 says that they belong together.",
    avoid="Lengths matter: contrastive, whose target says 1 for a different pair.",
    elsewhere=(
        differs("torch", "nn.CosineEmbeddingLoss", "adds 1e-12 to squared norms; two zero vectors have the cosine 0"),
    ),
)
def cosine_embedding(
    batch: Batch, *, margin: Annotated[float, COSINES, "cosine below which a different pair is fine"] = 0.0
) -> Array:
    """Cosine loss of pairs of embeddings, in the roles left and right.

    Exact for vectors that are nearly parallel, tiny or huge. A zero vector has the cosine 0 with any other, 1 with
    another zero vector. Where a different pair's cosine nearly is the margin, it is right to 4 units in the last place
    of the margin.
    """
    apart = cosine.distance(batch["left"], batch["right"])
    return np.where(flag(batch)[0] > 0.0, apart, np.maximum(similarity(batch) - margin, 0.0))


def _margin_ranking_gradient(batch: Batch, *, margin: float) -> dict[str, Array]:
    active = margin_ranking.parts[0](batch, margin=margin) > 0.0
    return {"left": -sign(batch) * active, "right": sign(batch) * active}


@loss(
    forms=(COMPARISONS,),
    gradient=_margin_ranking_gradient,
    subgradient="0 where the margin is just kept",
    formula="mean of max(0, -y (left - right) + margin), y = +1 where left should be higher, -1 where right should",
    unit="that of the scores",
    source="Herbrich, Graepel & Obermayer 1999, doi:10.1049/cp:19991091",
    use="Learning to rank from comparisons of two items.",
    avoid="Probabilities that one item wins are wanted: ranknet.",
    elsewhere=(same("torch", "nn.MarginRankingLoss"),),
)
def margin_ranking(
    batch: Batch, *, margin: Annotated[float, NON_NEGATIVE, "by how much the higher score must lead"] = 0.0
) -> Array:
    """Margin ranking loss of two scores, in the roles left and right."""
    y = sign(batch)
    return np.maximum(three_terms(-y * batch["left"], y * batch["right"], margin), 0.0)


def _ranknet_gradient(batch: Batch) -> dict[str, Array]:
    y = sign(batch)
    pressure = y * sigmoid(-y * (batch["left"] - batch["right"]))
    return {"left": -pressure, "right": pressure}


@loss(
    forms=(COMPARISONS,),
    gradient=_ranknet_gradient,
    formula="mean of ln(1 + e^(-y (left - right))), y = +1 where left should be higher, -1 where right should",
    unit="nats",
    aliases=("pairwise_logistic",),
    source="Burges et al. 2005, doi:10.1145/1102351.1102363",
    use="Learning to rank from comparisons: the difference of the scores is the logit that left wins.",
    avoid="Whole lists with relevances are at hand: listnet, ndcg.",
    elsewhere=(same("the paper", "pair cost, without ties"),),
)
def ranknet(batch: Batch) -> Array:
    """Logistic loss of the difference of two scores, in the roles left and right."""
    y = sign(batch)
    return soft_difference(y * batch["right"], y * batch["left"])
