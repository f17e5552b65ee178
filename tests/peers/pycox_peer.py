"""pycox: its Cox loss, in float64; it knows no strata, so the events of each are counted by hand."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import Adapter, Rows, need
from tests.peers.torch_peer import tensor

losses: Any = import_module("pycox.models.loss")


def _cox(rows: Rows, **words: Any) -> Any:
    made = losses.CoxPHLoss() if not words else lambda *columns: losses.cox_ph_loss(*columns, **words)
    strata = [(one, (one.line("event") > 0.0) * 1.0) for one in rows.sets() if (one.line("event") > 0.0).any()]
    need(bool(strata))
    costs = [float(made(tensor(one.line("pred")), tensor(one.line("target")), tensor(event))) for one, event in strata]
    return np.average(costs, weights=[np.sum(event) for _, event in strata])


ADAPTERS = {"CoxPHLoss": Adapter(_cox), "cox_ph_loss": Adapter(_cox)}
