"""Advice: the losses to take for a case, and those to keep from, by the rules for its kind of data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from lossctl.api.choosing.fitting import judge
from lossctl.api.choosing.rule import Rule, Says, Seen, Trap
from lossctl.api.choosing.rules import RULES
from lossctl.core.loss import Loss
from lossctl.results.advice import Caution, Pick, Rank

RANKS: Final[tuple[Rank, ...]] = ("first", "robust", "also")
OPTIMISES: Final[Mapping[str, str]] = {
    "mse": "the conditional mean",
    "mae": "the conditional median",
    "huber": "between mean and median",
    "log_cosh": "between mean and median",
    "msle": "the mean of ln(1 + target)",
    "gamma_deviance": "the conditional mean",
    "tweedie_deviance": "the conditional mean",
    "poisson": "the conditional mean, a rate",
    "poisson_deviance": "the conditional mean, a rate",
    "quantile": "the conditional q-quantile",
    "mbe": "no prediction: it detects bias",
    "wape": "the conditional median",
    "bce": "the probability of a yes",
    "cce": "the probabilities of the classes",
    "kl": "the probabilities of the classes",
    "brier": "the probabilities",
    "focal": "the decision on hard rows",
    "gce": "the most likely class",
    "zero_one": "the decision",
    "hinge": "the decision",
    "squared_hinge": "the decision",
    "triplet_score": "the order of scores",
    "gan_discriminator": "the probability of a real row",
    "gan_generator_nonsaturating": "what passes as real",
    "iou": "the overlap of boxes",
    "giou": "the overlap of boxes",
    "ciou": "the overlap of boxes",
    "dice": "the overlap of masks",
    "iou_mask": "the overlap of masks",
    "iou_mask_score": "the overlap of masks",
    "contrastive": "distances of pairs",
    "triplet": "the order of distances",
}


def picks(seen: Seen, losses: Mapping[str, Loss]) -> tuple[Pick, ...]:
    """Return the first loss, a robust alternative, and others; of a rank the first whose rule holds and loss fits."""
    found: dict[str, Pick] = {}
    for rank in RANKS:
        for rule in _rules(seen, rank):
            if rule.loss in found or not _computes(rule, seen, losses):
                continue
            loss = losses[rule.loss].bind(**rule.params(seen))
            found[rule.loss] = Pick(rank, loss.name, loss.spec, OPTIMISES[loss.name], _said(rule.why, seen), loss.use)
            if rank != "also":
                break
        if rank == "first" and not found:
            return ()
    return tuple(found.values())


def _rules(seen: Seen, rank: Rank) -> Iterator[Rule]:
    for rule in RULES.get(seen.case.kind, ()):
        if isinstance(rule, Rule) and rule.rank == rank:
            yield rule


def cautions(seen: Seen, losses: Mapping[str, Loss], chosen: Sequence[Pick]) -> tuple[Caution, ...]:
    """Return the losses that can be computed and should not be taken."""
    found: dict[str, Caution] = {}
    taken = {pick.loss for pick in chosen}
    for rule in RULES.get(seen.case.kind, ()):
        if isinstance(rule, Trap) and rule.loss not in {*taken, *found} and _computes(rule, seen, losses):
            found[rule.loss] = Caution(rule.loss, _said(rule.why, seen), losses[rule.loss].avoid)
    return tuple(found.values())


def _computes(rule: Rule | Trap, seen: Seen, losses: Mapping[str, Loss]) -> bool:
    """Whether a rule holds, and its loss is there and can be computed on the data."""
    return rule.loss in losses and rule.when(seen) and not judge(losses[rule.loss], seen.case, seen.needs)


def _said(why: Says, seen: Seen) -> str:
    return why if isinstance(why, str) else why(seen)
