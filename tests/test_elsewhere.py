"""Names of other libraries: each is the loss that computes their number, or says what gives it, or why nothing does."""

from __future__ import annotations

from contextlib import suppress

import pytest
from sklearn.metrics import get_scorer_names

from lossctl import registry
from lossctl.elsewhere import EXACT, NOT_HERE, joined
from lossctl.errors import UsageError
from lossctl.registry import elsewhere, loss_of, losses, misspelt
from tests.peers.names import LIBRARIES, answer, read

NAMES = read()


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_name_of_a_library_has_an_answer(library: str) -> None:
    answers = {name: answer(name).kind for where, name in NAMES if where == library}
    assert len(answers) > 30
    assert [name for name, kind in answers.items() if kind == "unknown"] == []


@pytest.mark.parametrize(("library", "name"), NAMES)
def test_a_name_is_a_loss_only_where_the_claims_of_it_say_so(library: str, name: str) -> None:
    said = answer(name)
    if said.kind == "alias":
        leads = [lead for lead in elsewhere().leads(name) if lead.peer.library in EXACT]
        spelled = joined(name) in {joined(known) for known in registry.names()}
        assert spelled or {lead.peer.same for lead in leads} == {True}
        assert {lead.loss.name for lead in leads if lead.same} <= {said.text}


# where the name of a loss here is another number there, the claim says how it differs, or by which factor or parameter
def test_names_that_two_libraries_give_to_two_numbers_are_told() -> None:
    for name in ("tweedie", "categorical_hinge", "log_loss", "cross_entropy", "CosineSimilarity", "TotalVariation"):
        with pytest.raises(UsageError):
            loss_of(name)


def test_what_has_a_loss_or_a_claim_is_not_said_to_be_missing() -> None:
    missing = {name for names in NOT_HERE.values() for name in names.split()}
    assert {name for name in missing if elsewhere().leads(name)} == set()
    assert missing & {joined(name) for name in registry.names()} == set()


SCORES = ("auc", "AUC", "roc_auc", "precision", "recall", "f1", "accuracy", "acc", "mcc", "map", "mrr", "kappa", "psnr")


def test_no_scorer_of_scikit_learn_is_a_loss() -> None:
    wrong = []
    for name in get_scorer_names():
        with suppress(UsageError):
            wrong += [name] * (loss_of(name).direction != "max")
    assert wrong == []


def test_no_alias_is_what_another_library_calls_one_less_it() -> None:
    aliases = [alias for loss in losses().values() for alias in loss.aliases]
    leads = {alias: elsewhere().leads(alias) for alias in aliases}
    assert {alias for alias in aliases if leads[alias] and all(lead.sign for lead in leads[alias])} == set()


OVERLAPS = ("jaccard", "Jaccard", "jaccard_score", "sorensen_dice", "dice_coef", "dsc", "miou", "tversky_index")


@pytest.mark.parametrize("name", [*OVERLAPS, "emd", "jensen_shannon"])  # a score, a distance or its square
def test_what_may_be_another_number_is_no_alias(name: str) -> None:
    with pytest.raises(UsageError, match=r"1 - |wasserstein1|near js") as refusal:
        loss_of(name)
    assert "did you mean" not in str(refusal.value)


def test_what_is_one_less_a_loss_is_said_to_be_that() -> None:
    with pytest.raises(UsageError, match="it is critical_success_index for regression data, 1 - iou_mask for masks"):
        loss_of("jaccard")


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_a_score(name: str) -> None:
    assert loss_of(name).direction == "max"


@pytest.mark.parametrize(
    "name", ["fbeta_score", "specificity", "ks", "gini", "pr_auc", "dcg", "err", "logauc", "hit_rate"]
)
def test_a_score_that_is_not_here_is_no_slip_of_a_loss(name: str) -> None:
    with pytest.raises(UsageError) as refusal:
        loss_of(name)
    assert "did you mean" not in str(refusal.value)
    assert any(score in str(refusal.value) for score in ("roc_auc", "ndcg", "precision"))


@pytest.mark.parametrize(
    ("word", "name"),
    [("hubr", "huber"), ("mea", "mae"), ("rsme", "rmse"), ("quantil", "quantile"), ("logcohs", "logcosh")],
)
def test_a_slip_is_told(word: str, name: str) -> None:
    assert misspelt(word, registry.names()) == f" (did you mean {name!r}?)"


@pytest.mark.parametrize("word", ["d2", "loss", "score", "error2", "cost", "bleu", "fid", "poison_ivy"])
def test_another_word_is_no_slip(word: str) -> None:
    assert misspelt(word, [name for name in registry.names() if len(name) > 3]) == ""


def test_what_a_claim_gives_for_a_number_can_be_typed() -> None:
    for loss in losses().values():
        for peer in loss.elsewhere:
            if not peer.differs:
                assert loss_of(peer.spec or loss.name)
