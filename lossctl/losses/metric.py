"""Losses of embeddings and scores: pairs and triplets by distances and angles, pairs of scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, derived, flag, sign
from lossctl.core.declare import Recipe, loss, recipe, sample
from lossctl.core.domain import AT_LEAST_ONE, FLAG, NON_NEGATIVE, POSITIVE, REAL, Interval
from lossctl.core.form import Form, along
from lossctl.losses.forms import PAIRS, SCORE_PAIRS, SCORES, TRIPLETS
from lossctl.numerics.activation import sigmoid
from lossctl.numerics.array import Array
from lossctl.numerics.double import column_sum, soft_difference, soft_gap, subtract, three_terms
from lossctl.numerics.exact import fraction, rounded, units
from lossctl.numerics.lengths import cosine, cosine_slope, distance, norm, norm_slope, one_minus_cosine

Margin = Annotated[float, NON_NEGATIVE, "by how much the negative must be further away"]
COSINES = Interval(low=-1.0, high=1.0, low_closed=True, high_closed=True)
PAIR, TRIPLET = PAIRS.curve, TRIPLETS.curve
SAME = tuple(tuple(1.0 - flag for flag in column) for column in PAIR.roles["target"])  # 1 for a same pair
PAIR_DISTANCES = Form(
    "distance",
    {"target": FLAG.wide(1), "pred": NON_NEGATIVE.wide(1)},
    replace(PAIR, roles={"target": SAME, "pred": PAIR.roles["left"]}),
)
GIVEN_DISTANCES = Form(
    "distances",
    {"near": NON_NEGATIVE.wide(1), "far": NON_NEGATIVE.wide(1)},
    replace(TRIPLET, roles={"near": TRIPLET.roles["positive"], "far": TRIPLET.roles["negative"]}),
)
TURNS = (0.0, 0.5, 1.0, 2.0)
DIRECTIONS = Form(
    "directions",
    {"target": FLAG.wide(1), "left": REAL, "right": REAL},
    along(
        "right = (1, x), left = (1, 0)",
        [f"{kind} x = {x:g}" for kind in ("same", "different") for x in TURNS],
        target=(1.0,) * 4 + (0.0,) * 4,
        left=[1.0, 0.0],
        right=[1.0, TURNS * 2],
    ),
    least=2,
)
COMPARISONS = Form(
    "comparisons",
    {"target": FLAG.wide(1), "left": REAL.wide(1), "right": REAL.wide(1)},
    along("score on the left, 0 on the right, target +1", SCORES, True, target=1.0, left=SCORES, right=0.0),
)


@derived
def pair_distance(batch: Batch) -> Array:
    """Euclidean distance of left and right."""
    return norm(batch["left"] - batch["right"], 2.0)


def _contrastive_gradient(batch: Batch, *, margin: float) -> dict[str, Array]:
    different, d = flag(batch)[0], pair_distance(batch)
    gap = batch["left"] - batch["right"]
    push = np.where(d == 0.0, 0.0, np.maximum(margin - d, 0.0) / d)
    slope = 2.0 * gap * ((1.0 - different) - different * push)
    return {"left": slope, "right": -slope}


@loss(forms=(PAIRS,), gradient=_contrastive_gradient)
def contrastive(
    batch: Batch, *, margin: Annotated[float, POSITIVE, "distance beyond which a different pair is fine"] = 1.0
) -> Array:
    """Contrastive loss of pairs of embeddings, in the roles left and right.

    The target says 1 (or +1) for a different pair, 0 (or -1) for a same one. Plain Euclidean distance, no 1/2.
    Where a distance nearly is the margin, their difference is right to 4 units in the last place of the margin.

    Formula: mean of (1 - y) d² + y max(0, margin - d)², d = ‖left - right‖₂, y = 1 means different
    Unit: distance²
    Optimises: distances of pairs
    Use: Learning a distance from pairs, as for faces or signatures: same pairs are pulled together, different ones
        pushed apart up to the margin.
    Avoid: Labels that say 1 = same: turn them around first. Ranking within one query: triplet.
    Source: Hadsell, Chopra & LeCun 2006, doi:10.1109/CVPR.2006.100
    Subgradient: 0 where a different pair coincides
    Elsewhere:
        the paper                contrastive loss        = 0.5 x contrastive
        tensorflow-addons        ContrastiveLoss         ≠ 1 means same there, and it takes the distance
        pytorch-metric-learning  ContrastiveLoss         ≠ not squared, on unit vectors, mean of non-zero terms
        torch tutorials          by nn.PairwiseDistance  ≠ adds 1e-6 to every coordinate of a difference
    """
    push = np.maximum(margin - pair_distance(batch), 0.0)
    return np.where(flag(batch)[0] > 0.0, np.square(push), column_sum(np.square(batch["left"] - batch["right"])))


def _gaps(batch: Batch) -> tuple[Array, Array, Array]:
    """Differences anchor-positive, anchor-negative, positive-negative."""
    return (
        batch["anchor"] - batch["positive"],
        batch["anchor"] - batch["negative"],
        batch["positive"] - batch["negative"],
    )


def _distance(gap: Array, p: float, squared: bool) -> Array:
    d = norm(gap, p)
    return np.square(d) if squared else d


def _distance_slope(gap: Array, p: float, squared: bool) -> Array:
    return norm_slope(gap, p) * (2.0 * norm(gap, p) if squared else 1.0)


def _triplet_gradient(batch: Batch, *, margin: float, p: float, swap: bool, squared: bool) -> dict[str, Array]:
    positive, negative, across = _gaps(batch)
    active = (triplet.parts[0](batch, margin=margin, p=p, swap=swap, squared=squared) > 0.0).astype(np.float64)
    swapped = active * (norm(across, p) < norm(negative, p)) if swap else np.zeros_like(active)
    pull = active * _distance_slope(positive, p, squared)
    push = (active - swapped) * _distance_slope(negative, p, squared)
    cross = swapped * _distance_slope(across, p, squared)
    return {"anchor": pull - push, "positive": -pull - cross, "negative": push + cross}


@loss(forms=(TRIPLETS,), gradient=_triplet_gradient)
def triplet(
    batch: Batch,
    *,
    margin: Margin = 1.0,
    p: Annotated[float, AT_LEAST_ONE, "order of the norm"] = 2.0,
    swap: Annotated[bool, None, "take the positive's distance to the negative where it is the shorter one"] = False,
    squared: Annotated[bool, None, "compare squared distances"] = False,
) -> Array:
    """Triplet margin loss of embeddings, in the roles anchor, positive and negative.

    Where distances and margin nearly cancel, it is right to 4 units in the last place of the largest of them.

    Formula: mean of max(0, d(anchor, positive) - d(anchor, negative) + margin)
    Unit: distance (distance² if squared)
    Optimises: the order of distances
    Use: Learning an order: the positive should be nearer to the anchor than the negative, by a margin.
    Avoid: Only scores are at hand, no embeddings: triplet_score, which some introductions call triplet loss.
    Source: Schroff et al. 2015 (FaceNet), arXiv:1503.03832; swap: Balntas et al. 2016, doi:10.5244/C.30.119
    Subgradient: 0 where the margin is just kept and where two points coincide; the anchor's distance of equal ones
    Also: triplet_margin
    Elsewhere:
        torch                    nn.TripletMarginLoss        ≠ adds 1e-6 to every coordinate of a difference
        optax                    losses.triplet_margin_loss  ≠ adds 1e-6 under the root, and takes no |x| for odd norms
        FaceNet                  triplet loss  = triplet:margin=0.2,squared=true --reduction sum  # unit vectors
        tensorflow-addons        TripletSemiHardLoss         ≠ mines triplets within the batch; its L2 is squared
        pytorch-metric-learning  TripletMarginLoss           ≠ unit vectors, margin 0.05, mean of non-zero terms
    """
    positive, negative, across = (_distance(gap, p, squared) for gap in _gaps(batch))
    far = np.minimum(negative, across) if swap else negative
    return np.maximum(three_terms(positive, -far, margin), 0.0)


def _soft_triplet_gradient(batch: Batch) -> dict[str, Array]:
    positive, negative, _ = _gaps(batch)
    near, far = norm(positive, 2.0), norm(negative, 2.0)
    pressure = sigmoid(near - far)
    pull, push = pressure * norm_slope(positive, 2.0), pressure * norm_slope(negative, 2.0)
    return {"anchor": pull - push, "positive": -pull, "negative": push}


@loss(forms=(TRIPLETS,), gradient=_soft_triplet_gradient)
def soft_triplet(batch: Batch) -> Array:
    """Soft-margin triplet loss of embeddings, in the roles anchor, positive and negative.

    Formula: mean of ln(1 + e^(d(anchor, positive) - d(anchor, negative))), d = Euclidean distance
    Unit: nats
    Use: As triplet, without a margin to choose: triplets that are in order still pull, less and less.
    Avoid: Embeddings of free scale: larger vectors make it smaller.
    Source: Hermans, Beyer & Leibe 2017, arXiv:1703.07737
    Subgradient: 0 where two points coincide
    Also: soft_margin_triplet
    Elsewhere:
        pytorch-metric-learning  TripletMarginLoss(smooth_loss=True)  ≠ unit vectors, with a margin
    """
    near, far = distance(batch["anchor"], batch["positive"]), distance(batch["anchor"], batch["negative"])
    return soft_gap(*subtract(near, far))


def _triplet_distance_gradient(batch: Batch, *, margin: float) -> dict[str, Array]:
    active = (triplet_distance.parts[0](batch, margin=margin) > 0.0).astype(np.float64)
    return {"near": active, "far": -active}


@loss(forms=(GIVEN_DISTANCES,), gradient=_triplet_distance_gradient)
def triplet_distance(batch: Batch, *, margin: Margin = 1.0) -> Array:
    """Triplet margin loss of given distances, in the roles near (to the positive) and far (to the negative).

    Formula: mean of max(0, near - far + margin)
    Unit: distance
    Use: Triplets by a distance of your own: give the distances to the positive (near) and the negative (far).
    Avoid: Embeddings are at hand and the distance is a norm: triplet.
    Source: Schroff et al. 2015 (FaceNet), arXiv:1503.03832
    Subgradient: 0 where the margin is just kept
    Elsewhere:
        torch  nn.TripletMarginWithDistanceLoss  # of its two distances
    """
    return np.maximum(three_terms(batch["near"], -batch["far"], margin), 0.0)


def score(batch: Batch) -> Array:
    """The score column."""
    return batch.pred[0]


def is_positive(batch: Batch) -> Array:
    """1 for a positive row, 0 for a negative one."""
    return flag(batch)[0]


TILE = (64, 16_384)  # pairs held at once, 8 MiB; the whole set of pairs never is


def _mean_over_pairs(ordered: Array) -> float:
    """Mean of softplus(negative - positive) over all pairs; weights multiply. (3, rows): flag, score, weight."""
    split = int(np.searchsorted(ordered[0], 0.5))
    (_, negative, negative_weight), (_, positive, positive_weight) = ordered[:, :split], ordered[:, split:]
    if not len(negative) or not len(positive):
        return float("nan")
    total = 0
    for top in range(0, len(positive), TILE[0]):
        rows = slice(top, top + TILE[0])
        for start in range(0, len(negative), TILE[1]):
            columns = slice(start, start + TILE[1])
            tile = soft_difference(negative[columns], positive[rows, np.newaxis]) * negative_weight[columns]
            sums = np.add.reduce(tile, axis=1) * positive_weight[rows]
            if not np.isfinite(sums).all():
                return float("inf")
            total += sum(map(units, sums.tolist()))
    mass = sum(map(units, negative_weight.tolist())) * sum(map(units, positive_weight.tolist()))
    return rounded(fraction(total) / (fraction(1) * fraction(mass)))


@recipe(forms=(SCORE_PAIRS,))
def triplet_score() -> Recipe:
    """Mean over all pairs of a positive and a negative score of -ln of the probability that the positive wins.

    What some introductions call triplet loss; no large library has it. Exact over all M x N pairs, in time
    M x N and memory M + N: it keeps the scores and visits the pairs in tiles. Undefined
    without at least one row of each kind.

    Formula: 1/(M N) Σ_i Σ_j ln(1 + e^(v_j - v_i)), v_i the M positive and v_j the N negative scores
    Unit: nats
    Optimises: the order of scores
    Use: Tracking with a Siamese network, or any search where every positive score should beat every negative one.
    Avoid: Embeddings are at hand and only some triplets matter: triplet.
    Source: Dong & Shen 2018, doi:10.1007/978-3-030-01261-8_28
    Elsewhere:
        the paper  triplet loss of score pairs
    """
    return sample(is_positive, score, value=_mean_over_pairs)


def _hinge_embedding_gradient(batch: Batch, *, margin: float) -> Array:
    return np.where(flag(batch) > 0.0, 1.0, -(batch.pred < margin).astype(np.float64))


@loss(forms=(PAIR_DISTANCES,), gradient=_hinge_embedding_gradient)
def hinge_embedding(
    batch: Batch, *, margin: Annotated[float, NON_NEGATIVE, "distance beyond which a different pair is fine"] = 1.0
) -> Array:
    """Hinge loss of a pair's distance: itself for a same pair, what it lacks to the margin for a different one.

    Formula: mean of d where y = 1, max(0, margin - d) where y = -1
    Unit: distance
    Use: Pairs of which only a distance is known: 1 says that they belong together.
    Avoid: Embeddings are at hand: contrastive, whose target says 1 for a different pair.
    Source: PyTorch, nn.HingeEmbeddingLoss
    Subgradient: 0 where the margin is just kept
    Elsewhere:
        torch  nn.HingeEmbeddingLoss  # targets 1 and -1
    """
    return np.where(flag(batch) > 0.0, batch.pred, np.maximum(margin - batch.pred, 0.0))


@derived
def similarity(batch: Batch) -> Array:
    """Cosine of left and right."""
    return cosine(batch["left"], batch["right"])


def _cosine_embedding_gradient(batch: Batch, *, margin: float) -> dict[str, Array]:
    a, b = batch["left"], batch["right"]
    weight = np.where(flag(batch)[0] > 0.0, -1.0, (similarity(batch) > margin).astype(np.float64))
    return {"left": weight * cosine_slope(b, a), "right": weight * cosine_slope(a, b)}


@loss(forms=(DIRECTIONS,), gradient=_cosine_embedding_gradient)
def cosine_embedding(
    batch: Batch, *, margin: Annotated[float, COSINES, "cosine below which a different pair is fine"] = 0.0
) -> Array:
    """Cosine loss of pairs of embeddings, in the roles left and right.

    Exact for vectors that are nearly parallel, tiny or huge. A zero vector has the cosine 0 with any other, 1 with
    another zero vector. Where a different pair's cosine nearly is the margin, it is right to 4 units in the last place
    of the margin.

    Formula: mean of 1 - cos(left, right) where y = 1, max(0, cos(left, right) - margin) where y = -1
    Unit: 1
    Use: Pairs of embeddings whose length means nothing, as of texts: 1 says that they belong together.
    Avoid: Lengths matter: contrastive, whose target says 1 for a different pair.
    Source: PyTorch, nn.CosineEmbeddingLoss
    Subgradient: 0 where the cosine just is the margin, and for zero vectors
    Elsewhere:
        torch  nn.CosineEmbeddingLoss  ≠ adds 1e-12 to squared norms; two zero vectors have the cosine 0
    """
    pull = one_minus_cosine(batch["left"], batch["right"])
    return np.where(flag(batch)[0] > 0.0, pull, np.maximum(similarity(batch) - margin, 0.0))


def _margin_ranking_gradient(batch: Batch, *, margin: float) -> dict[str, Array]:
    active = margin_ranking.parts[0](batch, margin=margin) > 0.0
    return {"left": -sign(batch) * active, "right": sign(batch) * active}


@loss(forms=(COMPARISONS,), gradient=_margin_ranking_gradient)
def margin_ranking(
    batch: Batch, *, margin: Annotated[float, NON_NEGATIVE, "by how much the higher score must lead"] = 0.0
) -> Array:
    """Margin ranking loss of two scores, in the roles left and right.

    Formula: mean of max(0, -y (left - right) + margin), y = +1 where left should be higher, -1 where right should
    Unit: that of the scores
    Use: Learning to rank from comparisons of two items.
    Avoid: Probabilities that one item wins are wanted: ranknet.
    Source: Herbrich, Graepel & Obermayer 1999, doi:10.1049/cp:19991091
    Subgradient: 0 where the margin is just kept
    Elsewhere:
        torch  nn.MarginRankingLoss
    """
    y = sign(batch)
    return np.maximum(three_terms(-y * batch["left"], y * batch["right"], margin), 0.0)


def _ranknet_gradient(batch: Batch) -> dict[str, Array]:
    y = sign(batch)
    pressure = y * sigmoid(-y * (batch["left"] - batch["right"]))
    return {"left": -pressure, "right": pressure}


@loss(forms=(COMPARISONS,), gradient=_ranknet_gradient)
def ranknet(batch: Batch) -> Array:
    """Logistic loss of the difference of two scores, in the roles left and right.

    Formula: mean of ln(1 + e^(-y (left - right))), y = +1 where left should be higher, -1 where right should
    Unit: nats
    Use: Learning to rank from comparisons: the difference of the scores is the logit that left wins.
    Avoid: Whole lists with relevances are at hand: listnet, ndcg.
    Source: Burges et al. 2005, doi:10.1145/1102351.1102363
    Also: pairwise_logistic
    Elsewhere:
        the paper  pair cost, without ties
    """
    y = sign(batch)
    return soft_difference(y * batch["right"], y * batch["left"])
