"""Names of other libraries: each is the loss that computes their number, or says what gives it, or why nothing does."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from sklearn.metrics import get_scorer_names

from lossctl import registry
from lossctl.elsewhere import EXACT, MEANT, NOT_HERE, joined, misspelt
from lossctl.errors import UsageError
from lossctl.registry import elsewhere, loss_of, losses
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
    [("hubr", "huber"), ("mea", "mae"), ("rsme", "rmse"), ("quantil", "quantile"), ("logcohs", "log_cosh")],
)
def test_a_slip_is_told(word: str, name: str) -> None:
    assert misspelt(word, registry.names()) == f" (did you mean {name!r}?)"


@pytest.mark.parametrize("word", ["d2", "loss", "score", "error2", "cost", "bleu", "fid", "poison_ivy"])
def test_another_word_is_no_slip(word: str) -> None:
    assert misspelt(word, [name for name in registry.names() if len(name) > 3]) == ""


@pytest.mark.parametrize(
    "name",  # all are a letter or two from a loss
    [
        *("mspe", "nmse", "sse", "rmsse", "ace", "r", "l0", "mean_error", "mrae", "ape", "lse"),
        *("mn_log_loss", "mnLogLoss", "MedianAbsoluteScaledError", "d_index", "roc_aunp", "01loss"),
    ],
)
def test_an_abbreviation_or_another_part_is_no_slip(name: str) -> None:
    with pytest.raises(UsageError) as refusal:
        loss_of(name)
    assert "did you mean" not in str(refusal.value)


ARGUMENTS = {  # what is typed -> what the suggestion says
    "FocalLoss(alpha=.25,gamma=3)": "MONAI: FocalLoss = focal:alpha=.25,gamma=3 --activation sigmoid",
    "focal_loss(3)": "MONAI: FocalLoss = focal:gamma=3 --activation sigmoid",
    "error@0.7": "XGBoost: error = zero_one:threshold=0.7",
    "reg:quantileerror": "XGBoost objective: reg:quantileerror(quantile_alpha=q) = quantile",
    "mean_tweedie_deviance(power=2)": "= tweedie_deviance:power=2",
    "CrossEntropyLoss(label_smoothing=0.1)": "= cce:label_smoothing=0.1 --activation softmax",
    "nn.CrossEntropyLoss(weight=[1,2,3])": "= cce:class_weight=1/2/3,ignore_class=-100 --activation softmax",
    "KLDivLoss(reduction='batchmean',log_target=True)": "= kl_log_targets",
    "torchvision.ops.sigmoid_focal_loss(alpha=0.5)": "torchvision: sigmoid_focal_loss = focal:alpha=0.5 --activation",
    "torchvision.ops.sigmoid_focal_loss": "torchvision: sigmoid_focal_loss(alpha=0.25) = focal:alpha=0.25 --activation",
    "optax.sigmoid_focal_loss(gamma=1)": "optax: sigmoid_focal_loss(gamma=gamma) = focal:gamma=1 --activation sigmoid",
    "SparseTopKCategoricalAccuracy": "= top_k_accuracy:k=5 (5 by default",
    "TopKCategoricalAccuracy(k=3)": "= top_k_accuracy:k=3 (5 by default",
    "CategoricalGeneralizedCrossEntropy": "= gce:q=0.5 (0.5 by default",
    "mean_squared_error(squared=False)": "mean_squared_error(squared=False) = rmse",
    "Quantile:alpha=0.9;delta=0": "= quantile:q=0.9",
    "MSELoss(reduction='sum')": "mse has no parameter 'reduction'; --reduction mean or sum",
    "BinaryCrossentropy(from_logits=True)": "its from_logits: --activation sigmoid, or softmax of classes",
    "mae_loss": "did you mean 'mae'?",
    "HingeGAN": "unknown loss 'HingeGAN'; hinge_gan_discriminator, hinge_gan_generator have these words",
    "hingegan": "unknown loss 'hingegan'; hinge_gan_discriminator, hinge_gan_generator have these words",
    "huber mae": "unknown loss 'huber mae'; several are separated by commas: -l huber,mae",
    "gan_hinge": "unknown loss 'gan_hinge'; hinge_gan_discriminator, hinge_gan_generator have these words",
    "RMSELoss": "did you mean 'rmse'?",
    "GIoULoss": "did you mean 'giou'?",
    "TripletLoss(margin=0.5)": "did you mean 'triplet:margin=0.5'?",
    "macro_f1": "did you mean 'f1:average=macro'?",
    "MulticlassF1Score": "did you mean 'f1:average=macro'?",
    "MulticlassF1Score(average='micro')": "did you mean 'f1:average=micro'?",
    "BinaryAUROC": "did you mean 'roc_auc'?",
    "MulticlassAccuracy": "it is balanced_accuracy",
    "MultilabelAccuracy": "it is 1 - hamming",
    "ndcg_at_10": "did you mean 'ndcg:k=10'?",
    "brier_score_loss": "scikit-learn: brier_score_loss = brier (half of it where there are two columns)",
    "binary_accuracy": "metrics.BinaryAccuracy = accuracy (of flags; of one output, of several it is 1 - hamming",
}


@pytest.mark.parametrize("spec", ARGUMENTS)
def test_what_is_said_to_a_name_has_its_arguments(spec: str) -> None:
    with pytest.raises(UsageError) as refusal:
        loss_of(spec)
    assert ARGUMENTS[spec] in str(refusal.value)


@pytest.mark.parametrize("name", ["f1_loss", "accuracy_loss", "iou_metric", "dice_measure"])
def test_one_less_a_score_is_not_the_score(name: str) -> None:
    with pytest.raises(UsageError) as refusal:
        loss_of(name)
    assert "did you mean" not in str(refusal.value)


SPELLED = {
    "f1(average='macro')": "f1:average=macro",
    'f1_score(average="weighted")': "f1:average=weighted",
    "keras.losses.Huber(delta=2)": "huber:delta=2",
    "NDCG:top=10": "ndcg:k=10",
    "ndcg@10-": "ndcg:k=10,empty=0",
    "Focal:focal_alpha=0.5;focal_gamma=3": "focal:gamma=3,alpha=0.5",
    "nll_loss(class_weight=[1, 2, 3])": "nll:class_weight=1/2/3",
    "cce(class_weight={'a': 1, 'b': 2})": "cce:class_weight=a:1/b:2",
    "NLLLoss": "nll",
    "R²": "r2",
    "r^2": "r2",
    "KLD": "kl",
    "quantile_loss:0.9": "quantile:q=0.9",
    "absolute_error": "mae",
}


@pytest.mark.parametrize("text", SPELLED)
def test_a_spec_may_be_spelled_as_elsewhere(text: str) -> None:
    assert loss_of(text) == loss_of(SPELLED[text])


def test_what_a_name_may_mean_can_be_typed() -> None:
    specs = [spec for reason in MEANT for spec in re.findall(r"it is (?:[12] [-x] )?([a-z]\w+(?::[^ ,]+)?)", reason)]
    assert len(specs) > 20
    for spec in specs:
        assert loss_of(spec.replace("WEIGHT", "2"))


def test_what_a_claim_gives_for_a_number_can_be_typed() -> None:
    for loss in losses().values():
        for peer in loss.elsewhere:
            if not peer.differs:
                assert loss_of(peer.spec or loss.name)
