"""Losses of survival: rows are subjects with a time, an event or its absence, and a predicted risk."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import Annotated

import numpy as np

from lossctl.core.batch import Batch, derived
from lossctl.core.declare import Recipe, at_first_rows, recipe, set_of, starts
from lossctl.core.domain import CODES, FLAG, NON_NEGATIVE, REAL
from lossctl.core.form import Form, along
from lossctl.core.loss import Part
from lossctl.core.param import Choice
from lossctl.core.statistic import RATIO
from lossctl.numerics.array import Array
from lossctl.numerics.segments import after, before, groups, joined, log_one_plus, terms, times

RISKS = (-2.0, -1.0, 0.0, 1.0, 2.0)
SURVIVAL = Form(
    "survival",
    {"target": NON_NEGATIVE.wide(1), "event": FLAG.wide(1), "pred": REAL.wide(1), "query": CODES},
    along(
        "risk of the first to have the event, the others at 0 and 1",
        RISKS,
        target=(1.0, 2.0, 3.0) * len(RISKS),
        event=(1.0, 1.0, 0.0) * len(RISKS),
        pred=[[risk for x in RISKS for risk in (x, 0.0, 1.0)]],
        query=[[stratum for stratum in range(len(RISKS)) for _ in range(3)]],
    ),
)
PER_EVENT = replace(RATIO, name="mean over events", undefined="there is no event", mass=1)


@derived
def had_event(batch: Batch) -> Array:
    """1 for a subject with an event, 0 for one that was censored."""
    return np.maximum(batch["event"][0], 0.0)


def _cost(batch: Batch, ties: str) -> Array:
    """-ln of the share of each event in the risk of all that were at risk at its time; 0 for censored rows."""
    order = np.lexsort((-had_event(batch), -batch.target[0], set_of(batch)))  # late ones first, events before others
    time, risk, stratum = batch.target[0][order], batch.pred[0][order], set_of(batch)[order]
    event, risks = had_event(batch)[order], terms(batch.pred[0][order])
    begin, end = groups(stratum, time)
    later = before(risks, starts(batch)[stratum])
    if ties == "breslow":
        return np.where(event > 0.0, log_one_plus(joined(later, after(risks, end)), risk), 0.0)
    first, last = groups(stratum, time, event)
    counting = 1.0 - (np.arange(batch.rows) - first) / (last - first + 1.0)  # share of the tied events' risk
    tied = joined(before(risks, first), after(risks, last))
    censored = after(np.where(event > 0.0, [[-np.inf], [0.0]], risks), end)
    rivals = joined(times(tied, counting), joined(later[:, begin], censored))
    return np.where(event > 0.0, np.log(counting) + log_one_plus(times(rivals, 1.0 / counting), risk), 0.0)


def in_all(quantity: Part) -> Part:
    """Return the part that has the sum of a quantity over each stratum in the first row of that."""
    return at_first_rows(wraps(quantity)(lambda batch, **args: np.add.reduceat(quantity(batch, **args), starts(batch))))


@recipe(forms=(SURVIVAL,), best=None)
def cox(
    *, ties: Annotated[str, Choice(("breslow", "efron")), "what is done with events at the same time"] = "breslow"
) -> Recipe:
    """Negative log partial likelihood of Cox's proportional hazards model, per event.

    A subject with an event is held against all that were at risk at its time: whose time is not earlier, events
    and censored ones, within its stratum if `query` names one. The mean is over all events of all strata, as in
    torchsurv and pycox; lifelines prints the sum, with ties=efron and the other sign. Strata without events do not
    count. Undefined without events. Subjects with events at one time: Breslow's rule lets each compete with all of
    them, Efron's takes the others out one by one.

    Formula: 1/(number of events) Σ_{i with event} ln Σ_{j: t_j >= t_i} e^(s_j - s_i), s = log-risk
    Unit: nats
    Use: Predicted risks, where only their order and ratios matter and many subjects have had no event yet.
    Avoid: Times themselves are predicted.
    Source: Cox 1972, doi:10.1111/j.2517-6161.1972.tb00899.x; Breslow 1974; Efron 1977
    Also: cox_ph, neg_partial_log_likelihood
    Elsewhere:
        torchsurv    cox.neg_partial_log_likelihood  = cox:ties=efron  # without tied times, which count once; float32
        pycox        CoxPHLoss                       ≠ adds 1e-7 inside the logarithm; tied times as they stand
        pycox        cox_ph_loss(eps=0)              # without tied times
        lifelines    CoxPHFitter.log_likelihood_     ≠ the sum over events, ties=efron, with the other sign
        statsmodels  PHReg.loglike                   ≠ the sum over events, with the other sign
        XGBoost      cox-nloglik | survival:cox      # of margins; NaN where a time is 0, or where a score is beyond 80
        CatBoost     Cox                             ≠ the sum over events
    """
    return Recipe((in_all(_cost), in_all(had_event)), PER_EVENT)
