"""What is claimed of other libraries: complete, and written so that `make peers` can execute it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lossctl.core.declare import peer_of
from lossctl.core.loss import Loss, Peer, unfit
from lossctl.registry import loss_of, losses
from tests.peers import claims as running
from tests.peers.adapter import Adapter, NotTaken, Rows
from tests.peers.claims import LIBRARIES, Claim, agreed, tried
from tests.peers.conditions import EXCEPT, ONLY
from tests.peers.expression import NotAnExpression, called, parsed, symbols, value

CLAIMS = [Claim(loss, peer) for loss in losses().values() for peer in loss.elsewhere]

# which library has which loss as a function or class of its own, not as a score or by a detour
DIRECT = """
mse                           torch keras optax scikit-learn torchmetrics permetrics
half_squared_error            optax
rmse                          scikit-learn torchmetrics permetrics
mae                           torch keras scikit-learn torchmetrics permetrics
mbe                           permetrics
median_absolute_error         scikit-learn permetrics
max_error                     scikit-learn permetrics
msle                          keras scikit-learn torchmetrics permetrics
rmsle                         scikit-learn
mape                          keras scikit-learn torchmetrics permetrics
mpe                           permetrics
smape                         torchmetrics permetrics
wape                          torchmetrics
maape                         permetrics
mase                          permetrics
huber                         torch keras optax
smooth_l1                     torch
log_cosh                      keras optax torchmetrics
quantile                      scikit-learn
poisson                       torch keras
poisson_deviance              scikit-learn torchmetrics
gamma_deviance                scikit-learn torchmetrics
tweedie_deviance              scikit-learn torchmetrics
gaussian_nll                  torch
crps_ensemble                 torchmetrics
minkowski                     torchmetrics
nrmse                         torchmetrics permetrics
rse                           torchmetrics
rrse                          permetrics
residual_standard_error       permetrics
coefficient_of_residual_mass  permetrics
residual_gini                 permetrics
rae                           permetrics
cosine_distance               torch keras optax
bce                           torch keras optax scikit-learn permetrics
cce                           torch keras optax scikit-learn permetrics
nll                           torch
perplexity                    torchmetrics
focal                         keras optax
hinge                         keras optax scikit-learn permetrics
squared_hinge                 keras
multi_margin                  torch
soft_margin                   torch
multilabel_margin             torch
multilabel_soft_margin        torch
perceptron                    optax
multiclass_perceptron         optax
sparsemax_binary              optax
sparsemax_multiclass          optax
poly1                         optax
gce                           keras
brier                         scikit-learn permetrics
zero_one                      scikit-learn
hamming                       scikit-learn torchmetrics permetrics
label_ranking_loss            scikit-learn torchmetrics
coverage_error                scikit-learn torchmetrics
ece                           torchmetrics
kl                            torch keras optax torchmetrics permetrics
kl_log_targets                torch optax torchmetrics
generalized_kl                optax
js                            torchmetrics permetrics
hinge_embedding               torch
cosine_embedding              torch
margin_ranking                torch
triplet                       torch optax
nt_xent                       optax
circle                        keras
listnet                       optax
dice                          keras optax
generalized_dice              optax
tversky                       keras optax
"""
PAIRS = [(words[0], library) for words in map(str.split, DIRECT.split("\n")) for library in words[1:]]


@pytest.mark.parametrize(("name", "library"), PAIRS)
def test_every_library_that_has_a_loss_is_named_there(name: str, library: str) -> None:
    assert library in [peer.library for peer in loss_of(name).elsewhere]


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_a_claim_is_a_spec_with_what_it_takes(claim: Claim) -> None:
    peer, ours = claim.peer, claim.ours
    assert math.isfinite(peer.factor)
    assert peer.factor != 0.0
    assert peer.reduction == "mean" or ours.row is not None
    assert any(not unfit(ours, form, peer.activation) for form in ours.forms)
    assert not (peer.differs and (peer.spec or peer.note or peer.factor != 1.0 or peer.activation != "none"))


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.peer.library in LIBRARIES], ids=str)
def test_a_claim_can_be_executed(claim: Claim) -> None:
    assert called(claim.peer.name)
    assert symbols(claim.peer.name) <= {param.name for param in claim.ours.params}


def test_no_claim_is_made_twice() -> None:
    keys = [(claim.loss.name, claim.peer.library, claim.peer.name) for claim in CLAIMS]
    assert sorted(key for key in set(keys) if keys.count(key) > 1) == []


@pytest.mark.parametrize(
    ("name", "number", "calls"),
    [
        ("f", 3.0, [("f", {})]),
        ("nn.f(a=1, b='x')", 3.0, [("nn.f", {"a": 1, "b": "x"})]),
        ("1 - f(a=delta)", -2.0, [("f", {"a": 2.5})]),
        ("sqrt(2 * f + f(a=-1.5))", 3.0, [("f", {}), ("f", {"a": -1.5})]),
    ],
)
def test_a_name_is_an_expression(name: str, number: float, calls: list[tuple[str, dict[str, Any]]]) -> None:
    seen = []

    def call(function: str, words: dict[str, Any]) -> float:
        seen.append((function, words))
        return 3.0

    assert value(parsed(name), call, {"delta": 2.5}) == number
    assert seen == calls


@pytest.mark.parametrize("name", ["f: the same", "f(1)", "f(a=b)", "f[0]", "'f'", "f(a=g())"])
def test_what_is_no_such_expression_is_refused(name: str) -> None:
    with pytest.raises(NotAnExpression):
        value(parsed(name), lambda function, words: 0.0, {"delta": 1.0})


@pytest.mark.parametrize(
    ("ours", "theirs", "typical", "same_number"),
    [
        (1.0, 1.0 + 1e-10, 0.0, True),
        (1.0, 1.0 + 1e-8, 0.0, False),
        (1e-12, 2e-12, 1.0, True),
        (1e-12, 2e-12, 0.0, False),
        (0.0, 1e-15, 0.0, True),
        (0.0, 1e-3, 0.0, False),
        (math.inf, math.inf, 0.0, True),
        (math.inf, 100.0, 0.0, False),
        (1.0, math.nan, 0.0, False),
    ],
)
def test_numbers_agree_to_nine_digits(ours: float, theirs: float, typical: float, same_number: bool) -> None:
    assert agreed(running.Difference(ours, theirs, ""), 1e-9, typical) == same_number


def squares(rows: Rows, offset: float = 0.0) -> Any:
    return np.mean((rows.pred - rows.target) ** 2) + offset


def clamped(rows: Rows) -> Any:
    return np.mean(np.minimum((rows.pred - rows.target) ** 2, 1e6))


def lonely(rows: Rows) -> Any:
    return np.mean((rows.table("pred") - rows.table("target"))[:, 0] ** 2)


def picky(rows: Rows) -> Any:
    raise NotTaken


def broken(rows: Rows) -> Any:
    raise TypeError("it takes no such array")


FAKES: Mapping[str, Callable[..., Any]] = {
    function.__name__: function for function in (squares, clamped, lonely, picky, broken)
}


@pytest.mark.parametrize(
    ("peer", "fault"),
    [
        (Peer("torch", "squares"), ""),
        (Peer("torch", "2 * squares", factor=2.0), ""),
        (Peer("torch", "squares", factor=2.0), "differ, as"),
        (Peer("torch", "squares(offset=1e-3)"), "differ, as"),
        (Peer("torch", "clamped"), "differ, as"),
        (Peer("torch", "lonely"), "differ, as"),
        (Peer("torch", "lonely", note="of one output"), ""),
        (Peer("torch", "clamped", differs="no square is above a million"), ""),
        (Peer("torch", "squares", differs="it is another one"), "it differs nowhere"),
        (Peer("torch", "picky"), "no input suits both sides"),
        (Peer("torch", "broken"), "TypeError: it takes no such array"),
        (Peer("torch", "nn.Absent"), "no adapter for nn.Absent"),
        (Peer("torch", "squares: the same"), "is no expression"),
    ],
    ids=str,
)
def test_what_is_not_true_is_found(monkeypatch: pytest.MonkeyPatch, peer: Peer, fault: str) -> None:
    table = {name: Adapter(function) for name, function in FAKES.items()}
    monkeypatch.setattr(running, "adapters", lambda library: table)
    verdict = tried(Claim(replace(loss_of("mse"), elsewhere=(peer,)), peer))
    assert (fault in verdict.fault) if fault else verdict.fault == ""
    if verdict.cases:
        assert verdict.cases >= 100


def test_a_parameter_left_open_is_tried_at_several_values(monkeypatch: pytest.MonkeyPatch) -> None:
    def right_at_the_default(rows: Rows, delta: float) -> Any:
        return loss_of("huber")(target=rows.target, pred=rows.pred)

    monkeypatch.setattr(running, "adapters", lambda library: {"Huber": Adapter(right_at_the_default)})
    loss: Loss = loss_of("huber")
    assert tried(Claim(loss, Peer("torch", "Huber(delta=1)"))).fault == ""
    assert "differ, as" in tried(Claim(loss, Peer("torch", "Huber(delta=delta)"))).fault


@pytest.mark.parametrize("words", [*ONLY, *EXCEPT])
def test_every_condition_is_used(words: str) -> None:
    assert any(words in claim.peer.note for claim in CLAIMS)


def test_a_claim_is_a_line_of_columns() -> None:
    assert peer_of("torch  nn.MSELoss", "mse") == Peer("torch", "nn.MSELoss")
    assert peer_of("optax   l2_loss   = 0.5 x mse  # half", "mse") == Peer("optax", "l2_loss", factor=0.5, note="half")
    assert peer_of("a b  f(x, y)  ≠ it = no sum", "mse") == Peer("a b", "f(x, y)", differs="it = no sum")
    options = "s  g  = bce:eps=1e-7 --activation sigmoid --reduction sum"
    assert peer_of(options, "mse") == Peer("s", "g", "bce:eps=1e-7", "sigmoid", "sum")
    with pytest.raises(ValueError, match="is no claim"):
        peer_of("torch nn.MSELoss", "mse")
