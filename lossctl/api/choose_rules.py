"""Rules: which losses can be computed on some data, which a practitioner would take for it, and which not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from lossctl.api.choose_facts import DECISIONS, ONE_SIDED, SIGMOIDS, TANH, Facts, percent
from lossctl.core.breach import breach, judged
from lossctl.core.domain import Domain
from lossctl.core.form import OPTIONAL, Form
from lossctl.core.loss import Loss
from lossctl.core.state import NEVER
from lossctl.profile.roles import role_domains
from lossctl.results.advice import Caution, Ground, Misfit, Pick, Rank

Why = str | Callable[[Facts], str]


@dataclass(frozen=True)
class Rule:
    """A loss to take at a rank, or to avoid, where `when` holds; `params` sets its parameters from the facts."""

    rank: Rank | Literal["avoid"]
    loss: str
    why: Why
    when: Callable[[Facts], bool] = lambda facts: True
    params: Callable[[Facts], Mapping[str, float]] = lambda facts: {}


def _tail(facts: Facts) -> str:
    if facts.dominated:
        return f"one row has {percent(facts.dominance)} of the squared errors"
    about = "residuals" if facts.errors is not None and facts.errors[0] == "residual" else "targets"
    return f"{percent(facts.outlier_share)} of the {about} are outliers"


def _sure(facts: Facts) -> str:
    count = facts.sure_and_wrong
    return f"it is infinite: {count} row{' is' if count == 1 else 's are'} sure and wrong"


def _rarest(facts: Facts) -> str:
    share = f": the rarest has {percent(facts.smallest[1])} of the rows" if facts.smallest is not None else ""
    return f"always naming the commoner classes looks good{share}"


def _delta(facts: Facts) -> Mapping[str, float]:
    return {"delta": facts.delta} if facts.delta is not None else {}


def _margin(facts: Facts) -> Mapping[str, float]:
    return {} if not facts.distance or facts.near_one else {"margin": float(f"{facts.distance:.2g}")}


def _power(facts: Facts) -> Mapping[str, float]:
    return {"power": 1.5}  # between Poisson and gamma


# by kind of data: of each rank, the first rule that holds is taken, and all of `also` --------------------------------

BY_DISTANCE: Final = "outliers count by their distance alone"
HUBER: Final = Rule(
    "robust",
    "huber",
    "delta is 1.345 x 1.4826 x MAD of the residuals, which keeps 95% of the efficiency of mse",
    lambda facts: facts.delta is not None,
    _delta,
)
USUAL: Final = (
    Rule("first", "mae", lambda f: f"{_tail(f)}: a mean of squares would be about these", lambda facts: facts.heavy),
    Rule("first", "mse", "no outliers that would decide a mean of squares", lambda facts: not facts.heavy),
    HUBER,
    Rule("robust", "mae", BY_DISTANCE, lambda facts: not facts.heavy),
    Rule("robust", "log_cosh", BY_DISTANCE, lambda facts: facts.heavy),
    Rule("also", "quantile", "where a bound or a service level is wanted, as quantile:q=0.9"),
    Rule("also", "mbe", "beside another loss, where the direction of errors matters"),
)
BY_COUNT: Final = (
    Rule("robust", "mae", BY_DISTANCE, lambda facts: not facts.median_is_zero),
    HUBER,
    Rule("also", "wape", "a share of all targets, which zeros and tiny targets do not spoil"),
)
REGRESSION_TRAPS: Final = (
    Rule("avoid", "mape", "tiny targets outweigh all others in it", lambda facts: facts.has_tiny),
    Rule(
        "avoid",
        "smape",
        lambda facts: f"a target of 0 costs 2 whatever is predicted: {percent(facts.zeros)} of the rows",
        lambda facts: facts.kind in ("counts", "zero-inflated") and facts.zeros > 0.0,
    ),
    Rule("avoid", "mse", lambda facts: f"{_tail(facts)}: they would decide it", lambda facts: facts.heavy),
    Rule("avoid", "mae", "the median is 0: predicting 0 serves it best", lambda facts: facts.median_is_zero),
)
RARE: Final = Rule(
    "also",
    "focal",
    "a rare class: rows that are right already count little",
    lambda facts: facts.imbalanced and facts.finite,
)
WRONG_BCE: Final = Rule("avoid", "bce", _sure, lambda facts: bool(facts.sure_and_wrong))


def _proper(name: str, why: str) -> tuple[Rule, ...]:
    """Return the rules for probabilities, whose cross-entropy has one name for two classes and one for several."""
    bounded = "proper, and bounded: one row that is sure and wrong decides nothing"
    return (
        Rule("first", "zero_one", "decisions are right or wrong, no more", lambda facts: facts.output == DECISIONS),
        Rule("first", name, why, lambda facts: facts.finite),
        Rule("first", "brier", "proper, and bounded where cross-entropy is not finite", lambda facts: facts.probable),
        Rule("robust", "brier", bounded, lambda facts: facts.probable),
        RARE,
        Rule("also", "zero_one", "to report how often the decision is wrong", lambda facts: not facts.imbalanced),
        Rule("also", "gce", "where labels may be wrong", lambda facts: facts.probable),
        Rule("avoid", "zero_one", _rarest, lambda facts: facts.imbalanced and facts.output != DECISIONS),
        Rule("avoid", name, _sure, lambda facts: bool(facts.sure_and_wrong)),
    )


RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "real": (*USUAL, *REGRESSION_TRAPS),
    "non-negative": (*USUAL, *BY_COUNT, *REGRESSION_TRAPS),
    "positive": (
        Rule(
            "first",
            "msle",
            lambda facts: f"the target spans a factor of {facts.magnitudes:.3g}: errors should count by their ratio",
            lambda facts: facts.wide,
        ),
        *USUAL,
        Rule("also", "gamma_deviance", "where the mean is wanted and errors grow with it", lambda facts: facts.wide),
        *BY_COUNT,
        *REGRESSION_TRAPS,
        Rule("avoid", "mse", "the largest targets would decide it", lambda facts: facts.wide and not facts.heavy),
    ),
    "proportion": (
        *USUAL,
        Rule("also", "bce", "shares are probabilities of a yes: proper for their mean", lambda facts: facts.finite),
        *REGRESSION_TRAPS,
    ),
    "zero-inflated": (
        Rule(
            "first",
            "tweedie_deviance",
            lambda facts: f"{percent(facts.zeros)} exact zeros beside positive numbers",
            params=_power,
        ),
        Rule("first", "mse", "zeros and large numbers both add to a mean"),
        *BY_COUNT,
        *REGRESSION_TRAPS,
    ),
    "counts": (
        Rule("first", "poisson", "counts: their variance grows with their mean"),
        Rule("first", "mse", "predictions are not all above 0, so they are no rates: mse asks for the mean, too"),
        Rule("also", "poisson_deviance", "ranks as poisson does, with 0 for perfect"),
        Rule(
            "also",
            "tweedie_deviance",
            lambda facts: f"a dispersion of {facts.dispersion:.3g}, where Poisson has 1",
            lambda facts: facts.overdispersed,
            _power,
        ),
        *BY_COUNT,
        *REGRESSION_TRAPS,
    ),
    "binary": (
        Rule("first", "squared_hinge", "scores of either sign: the sign is the decision", lambda f: f.output == TANH),
        Rule("robust", "hinge", "wrong rows count by their distance alone", lambda facts: facts.output == TANH),
        Rule("first", "triplet_score", "only the order of such scores is left", lambda f: f.output == ONE_SIDED),
        *_proper("bce", "a yes/no question: the probability is wanted"),
        Rule("also", "hinge", "where only the decision matters, of scores", lambda facts: facts.output is None),
        Rule("also", "gan_discriminator", "if 1 is a real row, 0 a generated one, and p is D(x)", lambda f: f.finite),
        Rule("also", "gan_generator_nonsaturating", "the same, for the generator", lambda facts: facts.finite),
    ),
    "classes": (
        Rule(
            "first",
            "hinge",
            "scores without a distribution: the largest decides",
            lambda facts: facts.output in (TANH, SIGMOIDS),
        ),
        *_proper("cce", "one of several classes is right: their probabilities are wanted"),
    ),
    "one-hot": _proper("cce", "one of several classes is right: their probabilities are wanted"),
    "soft": (
        *_proper("cce", "the target is a distribution over classes"),
        Rule("also", "kl", "cce less the entropy of the target: 0 is perfect"),
    ),
    "multilabel": (
        Rule("first", "bce", "several labels may be right at once: a probability for each", lambda facts: facts.finite),
        Rule("first", "mse", "on probabilities the Brier score of each label: proper, and bounded"),
        Rule("robust", "mse", "on probabilities the Brier score of each label: proper, and bounded"),
        RARE,
        WRONG_BCE,
    ),
    "masks": (
        Rule("first", "dice", "hard masks: overlap is what they tell", lambda facts: facts.output == DECISIONS),
        Rule(
            "first",
            "dice",
            lambda facts: f"a small foreground, {percent(facts.ones)} of the pixels: the background counts for nothing",
            lambda facts: facts.small_foreground,
        ),
        Rule("first", "bce", "calibrated probabilities of pixels", lambda facts: facts.finite),
        Rule("first", "dice", "bounded, where cross-entropy is not finite"),
        Rule("robust", "dice", "bounded: a mask that is wholly missed costs 1"),
        Rule("robust", "iou_mask", "bounded: a mask that is wholly missed costs 1; stricter than dice on poor ones"),
        Rule(
            "also", "iou_mask_score", "to report hard masks by thresholds of overlap", lambda f: f.output == DECISIONS
        ),
        WRONG_BCE,
    ),
    "boxes": (
        Rule(
            "first",
            "giou",
            lambda facts: f"{facts.disjoint} boxes do not meet: 1 - IoU is flat there",
            lambda facts: facts.disjoint > 0,
        ),
        Rule("first", "iou", "the box as a whole, whatever its size; every pair overlaps"),
        Rule("first", "mae", "the predictions are no boxes x1 <= x2, y1 <= y2: coordinates can be compared"),
        Rule("robust", "iou", "bounded: a box that is wholly missed costs 1, however far it is"),
        Rule("robust", "giou", "bounded by 2, and it tells how far apart boxes are that do not meet"),
        Rule("also", "ciou", "for training: distance and shape speed it up"),
        Rule("avoid", "iou_log", "it is infinite for boxes that do not meet", lambda facts: facts.disjoint > 0),
        Rule("avoid", "mse", "it compares coordinates, so large boxes decide it"),
    ),
    "pairs": (Rule("first", "contrastive", "pairs that are the same or different", params=_margin),),
    "triplets": (Rule("first", "triplet", "an anchor with what is like it and what is not", params=_margin),),
}


def advise(facts: Facts, losses: Mapping[str, Loss]) -> tuple[tuple[Pick, ...], tuple[Caution, ...]]:
    """Return the first loss, a robust alternative and others, and those that can be computed and should be avoided."""
    rules = [
        rule
        for rule in RULES.get(facts.kind, ())
        if rule.loss in losses and rule.when(facts) and not misfit(losses[rule.loss], facts)
    ]
    picks: dict[str, Pick] = {}
    ranks: tuple[Rank, ...] = ("first", "robust", "also")
    for rank in ranks:
        for rule in rules:
            if rule.rank != rank or rule.loss in picks:
                continue
            loss = losses[rule.loss].bind(**rule.params(facts))
            picks[rule.loss] = Pick(rank, loss.name, loss.spec, loss.optimises, _said(rule, facts), loss.use)
            if rank != "also":
                break
        if not picks:
            break
    cautions: dict[str, Caution] = {}
    for rule in rules:
        if rule.rank == "avoid" and rule.loss not in picks:
            cautions.setdefault(rule.loss, Caution(rule.loss, _said(rule, facts), losses[rule.loss].avoid))
    return tuple(picks.values()), tuple(cautions.values())


def _said(rule: Rule, facts: Facts) -> str:
    return rule.why if isinstance(rule.why, str) else rule.why(facts)


# which losses can be computed, by their declarations -----------------------------------------------------------------

TWO_LABELS: Final = np.array([[0.0, 1.0]])  # what two labels become


def domains_of(losses: Iterable[Loss], widths: Mapping[str, int]) -> dict[str, tuple[Domain, ...]]:
    """Return what the rows of each role must be held against, so that facts are known and every loss can be judged."""
    domains: dict[str, dict[Domain, None]] = {}
    for role, width in widths.items():
        both = role_domains("target", width) if role == "pred" else {}
        domains[role] = dict.fromkeys((*role_domains(role, width).values(), *both.values()))
    for loss in losses:
        for form in loss.forms:
            columns = {role: width for role, width in widths.items() if role in form.roles}
            if form.fits(columns):
                for role in columns:
                    domains[role][form.roles[role]] = None
    return {role: tuple(several) for role, several in domains.items()}


def misfit(loss: Loss, facts: Facts) -> tuple[Ground, str] | None:
    """Return why a loss cannot be computed on the data, None if it can."""
    widths = {role: facts.widths[role] for role in loss.roles if role in facts.widths}
    waived = {"pred"} if set(facts.widths) == {"target"} else set()
    lacking = [role for role in loss.roles if role not in {*widths, *OPTIONAL, *waived}]
    if lacking:
        return "columns", f"needs columns that are not given: {', '.join(lacking)}"
    form = loss.form_for(widths, facts.wish)
    if form is None:
        return "columns", "takes other columns: " + ", or ".join(form.layout() for form in loss.forms)
    domain = form.roles["pred"] if "pred" in form.roles and "pred" in facts.widths else None
    if domain is not None and facts.activation not in domain.activations():
        return "values", f"does not take the output of {facts.activation} as pred, which must be {domain}"
    faults = (_outside(role, form, facts) for role in form.roles if role in facts.widths)
    fault = next(filter(None, faults), None)
    return None if fault is None else ("values", fault)


def _outside(role: str, form: Form, facts: Facts) -> str | None:
    """Say how the rows of a role are outside the domain that a form has for it."""
    domain = form.roles[role]
    if role == "target" and (facts.text or facts.coded):  # class codes, or two labels of text that become 0 and 1
        two = facts.text and len(facts.labels) == 2 and breach(domain, TWO_LABELS, np.arange(2)).first == NEVER
        return None if form.labels or two else "target holds class labels, not numbers"
    outside = facts.profile.roles[role].outside(judged(domain, role, facts.activation))
    if outside.first == NEVER:
        return None
    if outside.clash <= outside.row:
        return f"{role} mixes labels -1 and 0"
    rows = f"{outside.count} row{'' if outside.count == 1 else 's'}"
    words = f"in {domain}" if str(domain)[:1] in ("[", "(", "{") else str(domain)
    return f"{role} must be {words}: {rows} outside, the first row {outside.row + 1}"


def sort_losses(losses: Mapping[str, Loss], facts: Facts) -> tuple[tuple[str, ...], tuple[Misfit, ...]]:
    """Return the losses that fit, and the others by the reason why not."""
    fits: list[str] = []
    reasons: dict[tuple[Ground, str], list[str]] = {}
    for name, loss in losses.items():
        reason = misfit(loss, facts)
        (fits if reason is None else reasons.setdefault(reason, [])).append(name)
    misfits = [Misfit(*reason, tuple(names)) for reason, names in reasons.items()]
    return tuple(fits), tuple(sorted(misfits, key=lambda misfit: misfit.ground, reverse=True))
