"""Losses of lists: rows of equal query are the items of one list, each with a relevance and a score."""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np

from lossctl.core.batch import Batch, derived
from lossctl.core.declare import set_loss, set_of, starts
from lossctl.core.domain import AT_LEAST_ONE_WHOLE, CODES, NON_NEGATIVE, SCORE, UNIT
from lossctl.core.form import RANKED, Form, along
from lossctl.core.param import Choice
from lossctl.numerics.array import Array
from lossctl.numerics.segments import after, before, groups, joined, log_one_plus, running, terms

PLACES: Final = (-2.0, -1.0, 0.0, 0.5, 1.0, 2.0)
LISTS = Form(
    RANKED,
    {"target": NON_NEGATIVE.wide(1), "pred": SCORE.wide(1), "query": CODES},
    along(
        "score of the relevant item, the others at 0 and 1",
        PLACES,
        target=(1.0, 0.0, 0.0) * len(PLACES),
        pred=[[score for x in PLACES for score in (x, 0.0, 1.0)]],
        query=[[place for place in range(len(PLACES)) for _ in range(3)]],
    ),
)
LN2: Final = float(np.log(2.0))


def _cost_of_share(batch: Batch, scores: Array) -> Array:
    """-ln of each item's share of e^score within its list, without cancellation where one item has nearly all."""
    of_row, first, shares = set_of(batch), starts(batch), terms(scores)
    last = np.append(first[1:], batch.rows) - 1
    return log_one_plus(joined(before(shares, first[of_row]), after(shares, last[of_row])), scores)


@set_loss(forms=(LISTS,), best=None)
def listnet(
    batch: Batch,
    *,
    truth: Annotated[
        str, Choice(("relevance", "softmax")), "what the scores' softmax is held against: relevances or their softmax"
    ] = "relevance",
) -> Array:
    """Softmax cross-entropy of whole lists.

    Relevances are not made to sum to 1: a list counts as much as it has relevance. A list without relevant items is 0.
    Each item's logarithm is right to a few units in the last place for scores of any size.

    Formula: mean over lists of -Σ_i y_i ln(e^s_i / Σ_j e^s_j), y = relevance (or its softmax), s = score
    Unit: nats times relevance
    Use: Learning to rank whole lists, above all those with one or few relevant items.
    Avoid: The order at the top is to be reported: ndcg.
    Source: Cao et al. 2007, doi:10.1145/1273496.1273513; Bruch et al. 2019, doi:10.1145/3341981.3344221
    Also: ranking_softmax, listwise_softmax
    Elsewhere:
        optax      losses.ranking_softmax_loss  # one list for each row of its arrays
        the paper  ListNet, top one             = listnet:truth=softmax
        CatBoost   QuerySoftMax                 ≠ targets are divided by the sum of all
    """
    y, cost = batch.target[0], _cost_of_share(batch, batch.pred[0])
    weight = np.exp(-_cost_of_share(batch, y)) if truth == "softmax" else y
    return np.add.reduceat(np.where(weight == 0.0, 0.0, weight * cost), starts(batch))


@set_loss(forms=(LISTS,), best=None)
def listmle(batch: Batch) -> Array:
    """Negative log-likelihood of the true order of each list under the Plackett-Luce model.

    The next item is drawn from those of equal or lower relevance, so the order of tied items does not matter (as
    Breslow's rule for tied events; libraries that break ties at random differ). Each item's logarithm is right to a few
    units in the last place for scores of any size.

    Formula: mean over lists of Σ_i ln Σ_{j: y_j <= y_i} e^(s_j - s_i), y = relevance, s = score
    Unit: nats
    Use: Learning the whole order of a list, not its top alone.
    Avoid: Relevances with many ties: their order says nothing (listnet).
    Source: Xia et al. 2008, doi:10.1145/1390156.1390306
    Also: plackett_luce
    Elsewhere:
        the paper  ListMLE  # without ties
    """
    order = np.lexsort((batch.target[0], set_of(batch)))
    y, s, of_row = batch.target[0][order], batch.pred[0][order], set_of(batch)[order]
    tied = groups(of_row, y)[1]
    rivals = joined(before(terms(s), starts(batch)[of_row]), after(terms(s), tied))
    return np.add.reduceat(log_one_plus(rivals, s), starts(batch))


# ------------------------------------------------------------------------------------------------------------ NDCG

K = Annotated[float | None, AT_LEAST_ONE_WHOLE, "how many items at the top count; off: all"]
Gain = Annotated[str, Choice(("linear", "exponential")), "what an item of relevance y is worth: y or 2^y - 1"]
NO_RELEVANT: Final = "a list without relevant items has none; empty=0 says what it counts as"
Empty = Annotated[float | None, UNIT, "NDCG of a list without relevant items; off: it has none"]


def _gains(batch: Batch, gain: str) -> Array:
    """What each item is worth, up to a power of two per list, so that nothing overflows."""
    y = batch.target[0]
    top = np.maximum.reduceat(y, starts(batch))[set_of(batch)]
    if gain == "linear":
        return np.ldexp(y, -np.frexp(top)[1])
    small = np.exp2(-top) * np.expm1(y * LN2)
    return np.where(y < 1.0, small, np.exp2(y - top) - np.exp2(-top))


@derived
def place(batch: Batch) -> Array:
    """Place of each row of the block within its list, from 0."""
    return (np.arange(batch.rows) - starts(batch)[set_of(batch)]).astype(np.float64)


def _sorted_gains(batch: Batch, gain: str) -> tuple[Array, Array]:
    """Gains by place: in the order of the scores, averaged over ties, and in the best order."""
    of_row, gains = set_of(batch), _gains(batch, gain)
    best = gains[np.lexsort((-gains, of_row))]
    order = np.lexsort((-gains, -batch.pred[0], of_row))
    first, last = groups(of_row[order], batch.pred[0][order])
    total = running(np.add, gains[order], first)[last]
    return np.where(first == last, gains[order], total / (last - first + 1)), best


def _discounts(batch: Batch, k: float | None) -> Array:
    """1/log2(2 + place) of the first k places, 0 beyond."""
    discounts = LN2 / np.log(2.0 + place(batch))
    return discounts if k is None else np.where(place(batch) < k, discounts, 0.0)


def _steps(batch: Batch, k: float | None) -> Array:
    """How much less the next place counts."""
    log_place = np.log(2.0 + place(batch))
    step = LN2 * np.log1p(1.0 / (2.0 + place(batch))) / (log_place * np.log(3.0 + place(batch)))
    if k is None:
        return step
    return np.where(place(batch) < k - 1.0, step, _discounts(batch, k))


def defined(value: Array, ideal: Array, empty: float | None) -> Array:
    """Replace the value of a list without relevant items."""
    return np.where(ideal > 0.0, value, np.nan if empty is None else empty)


@set_loss(forms=(LISTS,), best=1.0, direction="max", undefined=NO_RELEVANT)
def ndcg(batch: Batch, *, k: K = None, gain: Gain = "linear", empty: Empty = None) -> Array:
    """Normalised discounted cumulative gain; higher is better.

    Items of equal score share the mean of their gains, as in scikit-learn. A list without relevant items has no NDCG,
    which leaves the whole undefined, unless `empty` says what it counts as: 0 in scikit-learn and torchmetrics.

    Formula: mean over lists of DCG/IDCG, DCG = Σ_r gain(y of the item at place r)/log2(1 + r), IDCG = that of the best
        order
    Unit: 1 (between 0 and 1)
    Use: To report rankings of graded relevance, the top counting most.
    Avoid: Training: it has no slope (listnet, listmle).
    Source: Järvelin & Kekäläinen 2002, doi:10.1145/582415.582418
    Elsewhere:
        scikit-learn  ndcg_score                                = ndcg:empty=0  # one list for each row of its arrays
        torchmetrics  retrieval_normalized_dcg                  = ndcg:empty=0  # one list; float32
        LightGBM      ndcg | lambdarank | rank_xendcg | xendcg  = ndcg:gain=exponential,empty=1  # without tied scores
        CatBoost      NDCG                                      # without tied scores
        XGBoost       ndcg                                      = ndcg:gain=exponential,empty=1
            # without tied scores; float32
        XGBoost objective  rank:ndcg                                 = ndcg:gain=exponential  # trains by its pairs
    """
    gains, best = _sorted_gains(batch, gain)
    dcg, ideal = (np.add.reduceat(line * _discounts(batch, k), starts(batch)) for line in (gains, best))
    return defined(dcg / ideal, ideal, empty)


@set_loss(like=ndcg)
def one_minus_ndcg(batch: Batch, *, k: float | None, gain: str, empty: float | None) -> Array:
    """One minus the normalised discounted cumulative gain, without cancellation where it is small.

    `empty` is the NDCG of a list without relevant items: empty=0 makes it lose 1, as one minus scikit-learn's score.

    Formula: mean over lists of 1 - DCG/IDCG
    Use: As ndcg, where a loss is asked for: lower is better.
    Also: ndcg_loss
    Elsewhere:
        scikit-learn  1 - ndcg_score                = one_minus_ndcg:empty=0  # one list for each row of its arrays
        torchmetrics  1 - retrieval_normalized_dcg  = one_minus_ndcg:empty=0  # one list; float32
    """
    gains, best = _sorted_gains(batch, gain)
    ideal = np.add.reduceat(best * _discounts(batch, k), starts(batch))
    ahead = np.maximum(running(np.add, best - gains, starts(batch)[set_of(batch)]), 0.0)
    lost = np.add.reduceat(ahead * _steps(batch, k), starts(batch)) / ideal
    return defined(lost, ideal, None if empty is None else 1.0 - empty)
