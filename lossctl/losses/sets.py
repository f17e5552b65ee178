"""Losses of sets of embeddings: rows of equal label belong together, rows of equal query are one set (batch).

Every row is an anchor in turn and is held against all others of its set. The pairs are visited in stripes, so memory
grows with the rows of a set, time with their square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import Annotated, Any, Final

import numpy as np

from lossctl.core.batch import Batch
from lossctl.core.domain import CODES, NON_NEGATIVE, POSITIVE, REAL, Interval
from lossctl.core.form import Form, along
from lossctl.core.loss import Loss
from lossctl.core.sets import set_loss, sizes, spans
from lossctl.numerics.array import Array, Mask
from lossctl.numerics.lengths import near_one, norm
from lossctl.numerics.segments import log_one_plus, times

PAIRS_AT_ONCE: Final = 1 << 20  # 8 MiB
COSINES = Interval(low=-1.0, high=1.0, low_closed=True, high_closed=True)
TURNS: Final = (0.0, 0.5, 1.0, 2.0)
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
            return _over_anchors(batch, partial(function, **args))

        return set_loss(forms=(EMBEDDINGS,), **facts)(means)

    return made


def _over_anchors(batch: Batch, cost: Callable[[Array, Mask, Mask], Array]) -> Array:
    """Average the costs of each set; NaN where there is none."""
    vectors, labels = _unit(batch.pred), batch["label"][0]
    means = np.full(len(sizes(batch)), np.nan)
    for place, span in enumerate(spans(batch)):
        total, count = 0.0, 0
        for rows, cosines in _products(vectors[span], vectors[span]):
            alike = labels[span][rows, np.newaxis] == labels[span]
            different = ~alike
            at = np.arange(len(cosines))
            alike[at, at + rows.start] = False
            costs = cost(cosines, alike, different)
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
        optax                    losses.ntxent
        pytorch-metric-learning  NTXentLoss
        MONAI                    ContrastiveLoss  = nt_xent:temperature=0.5  # rows i and i + n have one label
        SimCLR                   NT-Xent          = nt_xent:temperature=0.5  # two rows of each label
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
        pytorch-metric-learning  SupConLoss
        the authors' code        SupConLoss  ≠ times temperature/0.07
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
        keras                    losses.Circle  ≠ takes rows for unit vectors, whether they are or not; float32
        pytorch-metric-learning  CircleLoss
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
        tensorflow-addons        npairs_loss  ≠ takes the matrix of products; pairs may share a class
        pytorch-metric-learning  NPairsLoss   ≠ unit vectors, and a pair drawn from each class
    """
    anchors, positives = _rows(batch["anchor"]), _rows(batch["positive"])
    means = np.full(len(sizes(batch)), np.nan)
    for place, span in enumerate(spans(batch)):
        total, count = 0.0, len(anchors[span])
        for rows, products in _products(anchors[span], positives[span]):
            paired: Mask = np.arange(rows.start, rows.start + len(products))[:, np.newaxis] == np.arange(count)
            total += float(np.add.reduce(log_one_plus(_log_sum(products, ~paired), products[paired])))
        means[place] = total / max(count, 1)
    return means
