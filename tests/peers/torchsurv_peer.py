"""torchsurv: its Cox loss, which keeps float32."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import SINGLE, Adapter, Rows
from tests.peers.torch_peer import tensor
from tests.peers.vision import loaded

loaded()
cox: Any = import_module("torchsurv.loss.cox")


def _likelihood(rows: Rows, **words: Any) -> Any:
    pred, time = (tensor(rows.line(role).astype(np.float32)) for role in ("pred", "target"))
    strata = tensor(rows.line("query").astype(np.int64))
    return cox.neg_partial_log_likelihood(pred, tensor(rows.line("event") > 0.0), time, strata=strata, **words)


ADAPTERS = {"neg_partial_log_likelihood": Adapter(_likelihood, tolerance=SINGLE, single=True)}
