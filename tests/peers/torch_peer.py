"""torch: the modules of `torch.nn`, in float64."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from tests.peers.adapter import Adapter, Rows, need

torch: Any = import_module("torch")
TENSORS = ("weight", "pos_weight")


def tensor(x: Any) -> Any:
    """An array as a tensor of the same type."""
    return torch.from_numpy(np.ascontiguousarray(x))


def made(name: str, arguments: dict[str, Any]) -> Any:
    """One of the modules, weights turned into tensors."""
    return getattr(torch.nn, name)(
        **{key: tensor(np.array(x, float)) if key in TENSORS and x is not None else x for key, x in arguments.items()}
    )


def of(name: str, *arguments: Callable[[Rows], Any]) -> Adapter:
    """The module called with these quantities of the rows."""
    return Adapter(lambda rows, **words: made(name, words)(*(tensor(argument(rows)) for argument in arguments)))


def pred(rows: Rows) -> Any:
    """The prediction as it is."""
    return rows.pred


def logits(rows: Rows) -> Any:
    """The raw outputs."""
    return rows.logits


def target(rows: Rows) -> Any:
    """The target as it is."""
    return rows.target


def classes(rows: Rows) -> Any:
    """Class numbers, or rows of shares."""
    need(rows.form.name != "binary")
    return rows.target.astype(np.int64) if rows.form.labels else rows.target


def table(rows: Rows) -> Any:
    """The prediction as (n, k)."""
    return rows.table("pred")


def true_places(rows: Rows) -> Any:
    """The numbers of the true labels of each row, then -1."""
    flags = rows.flags.reshape(rows.count, -1)
    return np.array([[*np.flatnonzero(row), *[-1] * int(np.sum(row == 0))] for row in flags], dtype=np.int64)


def log_pred(rows: Rows) -> Any:
    """ln p."""
    return rows.log_pred


def _cosine(rows: Rows, **words: Any) -> Any:
    pairs = "left" in rows.roles
    roles, marks = (("left", "right"), rows.signs) if pairs else (("pred", "target"), np.ones(rows.count))
    return made("CosineEmbeddingLoss", words)(*(tensor(rows.table(role)) for role in roles), tensor(marks.reshape(-1)))


def _divergence(rows: Rows, **words: Any) -> Any:
    observed = rows.log_shares if words.get("log_target") else rows.shares
    return made("KLDivLoss", words)(tensor(log_pred(rows)), tensor(observed))


def _nll(rows: Rows, **words: Any) -> Any:
    return made("NLLLoss", words)(tensor(log_pred(rows)), tensor(rows.labels))


def _poisson(rows: Rows, **words: Any) -> Any:
    return made("PoissonNLLLoss", words)(tensor(rows.pred), tensor(rows.target))


def _triplets(name: str) -> Adapter:
    return of(name, *(lambda rows, role=role: rows.table(role) for role in ("anchor", "positive", "negative")))


def _given_distances(rows: Rows, **words: Any) -> Any:
    loss = torch.nn.TripletMarginWithDistanceLoss(distance_function=lambda anchor, other: other, **words)
    return loss(*(tensor(x) for x in (np.zeros(rows.count), rows.line("near"), rows.line("far"))))


ADAPTERS = {
    **{name: of(name, pred, target) for name in ("MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss")},
    "BCELoss": of("BCELoss", pred, lambda rows: rows.chances),
    "BCEWithLogitsLoss": of("BCEWithLogitsLoss", logits, lambda rows: rows.chances),
    "PoissonNLLLoss": Adapter(_poisson),
    "CrossEntropyLoss": of("CrossEntropyLoss", logits, classes),
    "NLLLoss": Adapter(_nll),
    "KLDivLoss": Adapter(_divergence),
    "MultiMarginLoss": of("MultiMarginLoss", pred, lambda rows: rows.labels),
    "SoftMarginLoss": of("SoftMarginLoss", pred, lambda rows: rows.signs),
    "MultiLabelMarginLoss": of("MultiLabelMarginLoss", table, true_places),
    "MultiLabelSoftMarginLoss": of(
        "MultiLabelSoftMarginLoss", table, lambda rows: rows.flags.reshape(rows.count, -1).astype(float)
    ),
    "HingeEmbeddingLoss": of("HingeEmbeddingLoss", pred, lambda rows: rows.signs),
    "CosineEmbeddingLoss": Adapter(_cosine),
    "CosineSimilarity": of("CosineSimilarity", lambda rows: rows.table("target"), table),
    "MarginRankingLoss": of(
        "MarginRankingLoss", lambda rows: rows["left"], lambda rows: rows["right"], lambda rows: rows.signs
    ),
    "TripletMarginLoss": _triplets("TripletMarginLoss"),
    "TripletMarginWithDistanceLoss": Adapter(_given_distances),
    "GaussianNLLLoss": of("GaussianNLLLoss", pred, target, lambda rows: rows["scale"]),
}
