"""Losses of embeddings and scores: pairs and triplets by distances and angles, pairs of scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from typing import Annotated, Any, Final

import numpy as np

from lossctl.core.batch import Batch, derived, flag, sign
from lossctl.core.declare import Recipe, loss, recipe, sample, set_loss, sizes, spans
from lossctl.core.domain import AT_LEAST_ONE, CODES, FLAG, NON_NEGATIVE, POSITIVE, REAL, Interval
from lossctl.core.form import Form, along
from lossctl.core.loss import Loss
from lossctl.core.state import fraction, rounded, units
from lossctl.losses.forms import PAIRS, SCORE_PAIRS, SCORES, TRIPLETS
from lossctl.numerics.activation import sigmoid
from lossctl.numerics.array import Array, Mask
from lossctl.numerics.double import column_sum, soft_difference, soft_gap, subtract, three_terms
from lossctl.numerics.lengths import cosine, cosine_slope, distance, near_one, norm, norm_slope, one_minus_cosine
from lossctl.numerics.segments import log_one_plus, times

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
        the paper  contrastive loss        = 0.5 x contrastive
        tensorflow-addons  ContrastiveLoss         ≠ 1 means same there, and it takes the distance
        pytorch-metric-learning  ContrastiveLoss         ≠ not squared, on unit vectors, mean of non-zero terms
        torch tutorials  by nn.PairwiseDistance  ≠ adds 1e-6 to every coordinate of a difference
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
        torch    nn.TripletMarginLoss        ≠ adds 1e-6 to every coordinate of a difference
        optax    losses.triplet_margin_loss  ≠ adds 1e-6 under the root, and takes no |x| for odd norms
        FaceNet  triplet loss                = triplet:margin=0.2,squared=true --reduction sum  # unit vectors
        tensorflow-addons  TripletSemiHardLoss         ≠ mines triplets within the batch; its L2 is squared
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
    return sample(lambda batch: flag(batch)[0], lambda batch: batch.pred[0], value=_mean_over_pairs)


@loss(
    forms=(PAIR_DISTANCES,),
    gradient=lambda batch, margin: np.where(flag(batch) > 0.0, 1.0, -(batch.pred < margin).astype(np.float64)),
)
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
        CatBoost   PairLogit | PairLogitPairwise  # of its pairs; off where a score is beyond 80
        XGBoost objective  rank:pairwise                  ≠ it draws pairs within each query
    """
    y = sign(batch)
    return soft_difference(y * batch["right"], y * batch["left"])


PAIRS_AT_ONCE: Final = 1 << 20  # 8 MiB
EMBEDDINGS = Form(
    "embeddings",
    {"label": CODES, "pred": REAL, "query": CODES},
    along(
        "positive (1, x) of the anchor (1, 0), negative (0, 1)",
        TURNS,
        label=(0.0, 0.0, 1.0) * len(TURNS),
        pred=[(1.0, 1.0, 0.0) * len(TURNS), [entry for x in TURNS for entry in (0.0, x, 1.0)]],
        query=[[place for place in range(len(TURNS)) for _ in range(3)]],
    ),
)
EMBEDDED_PAIRS = Form(
    "embedded pairs",
    {"anchor": REAL, "positive": REAL, "query": CODES},
    along(
        "anchors (1, 0), (0, 1), positives (1, x), (0, 1)",
        TURNS,
        anchor=[(1.0, 0.0) * len(TURNS), (0.0, 1.0) * len(TURNS)],
        positive=[(1.0, 0.0) * len(TURNS), [entry for x in TURNS for entry in (x, 1.0)]],
        query=[[place for place in range(len(TURNS)) for _ in range(2)]],
    ),
)
Temperature = Annotated[float, POSITIVE, "what cosines are divided by"]


def _rows(columns: Array) -> Array:
    """Return embeddings as one contiguous line each."""
    return np.ascontiguousarray(columns.T)


def _unit(columns: Array) -> Array:
    """Return embeddings as lines of length 1; a zero vector stays."""
    scaled, _ = near_one(columns)
    size = norm(scaled, 2.0)
    return _rows(scaled / np.where(size == 0.0, 1.0, size))


def _products(a: Array, b: Array) -> Iterator[tuple[slice, Array]]:
    """Yield the inner products of some lines of a with all of b, a stripe at a time."""
    step = max(1, PAIRS_AT_ONCE // max(len(b), 1))
    for top in range(0, len(a), step):
        yield slice(top, top + step), np.einsum("ik,jk->ij", a[top : top + step], b)


def anchor_loss(**facts: Any) -> Callable[[Callable[..., Array]], Loss]:
    """Declare the mean of what anchors cost within each set.

    The function gets the cosines of some anchors with all rows of their set, (anchors, rows), and two masks: rows of
    the same label but the anchor itself, and rows of a different one. It returns the costs of those that count.
    """

    def made(function: Callable[..., Array]) -> Loss:
        @wraps(function)
        def means(batch: Batch, **args: Any) -> Array:
            vectors, labels = _unit(batch.pred), batch["label"][0]

            def costs(cosines: Array, rows: slice, span: slice) -> Array:
                alike = labels[span][rows, np.newaxis] == labels[span]
                different = ~alike
                at = np.arange(len(cosines))
                alike[at, at + rows.start] = False
                return function(cosines, alike, different, **args)

            return _set_means(batch, vectors, vectors, costs)

        return set_loss(forms=(EMBEDDINGS,), undefined="a set has no such pairs of rows", **facts)(means)

    return made


def _set_means(batch: Batch, a: Array, b: Array, costs_of: Callable[[Array, slice, slice], Array]) -> Array:
    """Return the mean cost of each set, NaN where there is none.

    costs_of: (inner products of some rows of `a` with all of `b` in a set, these rows, the set) -> costs.
    """
    means = np.full(len(sizes(batch)), np.nan)
    for place, span in enumerate(spans(batch)):
        total, count = 0.0, 0
        for rows, products in _products(a[span], b[span]):
            costs = costs_of(products, rows, span)
            total, count = total + float(np.add.reduce(costs)), count + len(costs)
        if count:
            means[place] = total / count
    return means


def _log_sum(x: Array, among: Mask) -> Array:
    """Σ e^x over some entries of each line, as (2, lines): the largest x, and the sum relative to it."""
    top = np.maximum.reduce(np.where(among, x, -np.inf), axis=1)
    share = np.where(among, np.exp(x - np.where(np.isfinite(top), top, 0.0)[:, np.newaxis]), 0.0)
    return np.stack([top, np.add.reduce(share, axis=1)])


@anchor_loss()
def nt_xent(cosines: Array, alike: Mask, different: Mask, *, temperature: Temperature = 0.07) -> Array:
    """Normalised temperature-scaled cross-entropy of embeddings (InfoNCE).

    The mean over all ordered pairs of rows with one label in a set, then over sets. An anchor alone with its label does
    not count; a set without two rows of one label has no value. Cosines are rounded before they are divided by the
    temperature: right to 4 units in the last place of the loss over the temperature.

    Formula: mean over positive pairs of -ln(e^(c_ip/τ) / (e^(c_ip/τ) + Σ_{negatives k of i} e^(c_ik/τ))), c = cosine
    Unit: nats
    Use: Contrastive learning: two views of one thing have one label, all else in the batch is negative.
    Avoid: More than two rows share a label and all should count at once: supcon.
    Source: van den Oord et al. 2018, arXiv:1807.03748; Chen et al. 2020 (SimCLR), arXiv:2002.05709
    Also: info_nce, ntxent
    Elsewhere:
        optax   losses.ntxent
        pytorch-metric-learning  NTXentLoss
        MONAI   ContrastiveLoss  = nt_xent:temperature=0.5  # rows i and i + n have one label
        SimCLR  NT-Xent          = nt_xent:temperature=0.5  # two rows of each label
    """
    x = cosines / temperature
    anchor, positive = np.nonzero(alike)
    return log_one_plus(_log_sum(x, different)[:, anchor], x[anchor, positive])


@anchor_loss(best=None)
def supcon(cosines: Array, alike: Mask, different: Mask, *, temperature: Temperature = 0.1) -> Array:
    """Supervised contrastive loss of embeddings.

    The mean over the rows of a set that are not alone with their label, then over sets; a set without any has no value.
    With |P| positives an anchor costs at least ln |P|. Cosines are rounded before they are divided by the temperature:
    right to 4 units in the last place of the loss over the temperature.

    Formula: mean over anchors of -1/|P| Σ_{positives p} ln(e^(c_ip/τ) / Σ_{k other than i} e^(c_ik/τ)), c = cosine
    Unit: nats
    Use: Contrastive learning with class labels: all rows of one class are positives of each other.
    Avoid: Two views of one thing, no classes: nt_xent.
    Source: Khosla et al. 2020, arXiv:2004.11362
    Also: supervised_contrastive
    Elsewhere:
        pytorch-metric-learning  SupConLoss  # of sets with negatives, else 0
        the authors' code  SupConLoss  ≠ times temperature/0.07
    """
    x, number = cosines / temperature, np.add.reduce(alike, axis=1)
    top, total = _log_sum(x, alike | different)
    gap = np.add.reduce(np.where(alike, top[:, np.newaxis] - x, 0.0), axis=1)
    single = log_one_plus(_log_sum(x, different), np.add.reduce(np.where(alike, x, 0.0), axis=1))
    costs = np.where(number == 1, single, gap / np.maximum(number, 1) + np.log(total))
    return costs[number > 0]


@anchor_loss()
def circle(
    cosines: Array,
    alike: Mask,
    different: Mask,
    *,
    gamma: Annotated[float, POSITIVE, "scale"] = 80.0,
    margin: Annotated[
        float, NON_NEGATIVE, "how far from 1 and 0 cosines of the same and of other labels may stay"
    ] = 0.4,
) -> Array:
    """Circle loss of embeddings.

    The mean over the rows of a set that have positives and negatives, then over sets; a set without any has no value.
    Cosines are rounded before they are scaled: right to 4 units in the last place of the loss times gamma (1 + margin).

    Formula: mean over anchors of ln(1 + Σ_p e^(-γ α_p (c_p - 1 + m)) Σ_n e^(γ α_n (c_n - m))), c = cosine, α_p = max(0,
        1 + m - c_p), α_n = max(0, c_n + m)
    Unit: nats
    Use: Metric learning where pairs that are far from right should pull harder than others.
    Avoid: Cosines mean nothing, as where lengths count: contrastive, triplet.
    Source: Sun et al. 2020, arXiv:2002.10857
    Elsewhere:
        keras  losses.Circle  ≠ takes rows for unit vectors, whether they are or not; float32
        pytorch-metric-learning  CircleLoss     # of sets with negatives, else 0
    """
    pull = -gamma * np.maximum(1.0 + margin - cosines, 0.0) * (cosines - (1.0 - margin))
    push = gamma * np.maximum(cosines + margin, 0.0) * (cosines - margin)
    counts = np.logical_or.reduce(alike, axis=1) & np.logical_or.reduce(different, axis=1)
    near, far = _log_sum(pull, alike)[:, counts], _log_sum(push, different)[:, counts]
    return log_one_plus(times(far, near[1]), -near[0])


@anchor_loss()
def multi_similarity(
    cosines: Array,
    alike: Mask,
    different: Mask,
    *,
    alpha: Annotated[float, POSITIVE, "steepness for positives"] = 2.0,
    beta: Annotated[float, POSITIVE, "steepness for negatives"] = 50.0,
    base: Annotated[float, COSINES, "cosine that divides positives from negatives, λ in the paper"] = 0.5,
) -> Array:
    """Multi-similarity loss of embeddings, of all pairs (the paper mines some).

    The mean over the rows of a set, then over sets. Cosines are rounded before they are scaled: right to 4 units in
    the last place of the loss times the larger of alpha and beta.

    Formula: mean over anchors of 1/α ln(1 + Σ_p e^(-α (c_p - base))) + 1/β ln(1 + Σ_n e^(β (c_n - base))), c = cosine
    Unit: nats
    Use: Metric learning where a pair should count by its own cosine and by those of the anchor's other pairs.
    Avoid: Few parameters are wanted: nt_xent.
    Source: Wang et al. 2019, arXiv:1904.06627
    Elsewhere:
        pytorch-metric-learning  MultiSimilarityLoss  # without a miner
    """
    zero = np.zeros(len(cosines))
    near = log_one_plus(_log_sum(-alpha * (cosines - base), alike), zero) / alpha
    far = log_one_plus(_log_sum(beta * (cosines - base), different), zero) / beta
    return near + far


@set_loss(forms=(EMBEDDED_PAIRS,))
def n_pairs(batch: Batch) -> Array:
    """Multi-class N-pair loss: each row is a pair of embeddings, in the roles anchor and positive.

    The mean over the pairs of a set, then over sets, without the paper's penalty on lengths. Products are rounded
    before they are compared: right to 4 units in the last place of the loss times the largest product.

    Formula: mean over rows i of ln(1 + Σ_{j other than i} e^(a_i·p_j - a_i·p_i)), a = anchor, p = positive
    Unit: nats
    Use: Batches of one pair from each class: the positives of the other pairs are the negatives.
    Avoid: Lengths of embeddings mean nothing, or classes have more than two rows: nt_xent, supcon.
    Source: Sohn 2016, Improved Deep Metric Learning with Multi-class N-pair Loss Objective (NeurIPS)
    Also: npairs, multi_class_n_pair
    Elsewhere:
        tensorflow-addons  npairs_loss  ≠ takes the matrix of products; pairs may share a class
        pytorch-metric-learning  NPairsLoss   ≠ unit vectors, and a pair drawn from each class
    """

    def costs(products: Array, rows: slice, span: slice) -> Array:
        paired = np.eye(len(products), products.shape[1], rows.start, dtype=bool)
        return log_one_plus(_log_sum(products, ~paired), products[paired])

    return _set_means(batch, _rows(batch["anchor"]), _rows(batch["positive"]), costs)
