"""Rules: which losses can be computed on some data, which a practitioner would take for it, and which not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple, cast

import numpy as np

from lossctl.api.choose_facts import Facts
from lossctl.core.block import RAW, breach, judged
from lossctl.core.domain import Domain
from lossctl.core.form import OPTIONAL, Form
from lossctl.core.loss import Loss
from lossctl.core.state import NEVER
from lossctl.profile.roles import role_domains
from lossctl.results.advice import Caution, Ground, Misfit, Pick, Rank

# By kind of data; names that begin with * are of rules that several kinds share. A rule is a rank, a loss with the
# parameter that it sets, by the fact of that name if not to a value, the facts on which it rests (- is none), and the
# reason: {fact} is that fact in words, {%fact} in percent. Of the ranks first and robust the first rule that holds is
# taken, of `also` each; of `avoid` each whose loss is not taken.
TABLE: Final = """
*usual
    first   mae                heavy            {tail}: a mean of squares would be about these
    first   mse                not heavy        no outliers that would decide a mean of squares
    robust  huber:delta  delta  delta is 1.345 x 1.4826 x MAD of the residuals, which keeps 95% of the efficiency of mse
    robust  mae                not heavy        outliers count by their distance alone
    robust  log_cosh           heavy            outliers count by their distance alone
    also    quantile           -                where a bound or a service level is wanted, as quantile:q=0.9
    also    mbe                -                beside another loss, where the direction of errors matters
*by_count
    robust  mae                not median_is_zero  outliers count by their distance alone
    robust  huber:delta  delta  delta is 1.345 x 1.4826 x MAD of the residuals, which keeps 95% of the efficiency of mse
    also    wape               -                a share of all targets, which zeros and tiny targets do not spoil
*traps
    avoid   mape               has_tiny         tiny targets outweigh all others in it
    avoid   smape              costly_zeros     a target of 0 costs 2 whatever is predicted: {%zeros} of the rows
    avoid   mse                heavy            {tail}: they would decide it
    avoid   mae                median_is_zero   the median is 0: predicting 0 serves it best
*proper
    first   zero_one           decisions        decisions are right or wrong, no more
    first   brier              probable         proper, and bounded where cross-entropy is not finite
    robust  brier              probable         proper, and bounded: one row that is sure and wrong decides nothing
    also    focal              imbalanced, finite  a rare class: rows that are right already count little
    also    zero_one           not imbalanced   to report how often the decision is wrong
    also    gce                probable         where labels may be wrong
    avoid   zero_one           imbalanced, not decisions  {rarest}
*classes
    first   cce                finite           one of several classes is right: their probabilities are wanted
    *proper
    avoid   cce                sure_and_wrong   {sure}
real
    *usual
    *traps
non-negative
    *usual
    *by_count
    *traps
positive
    first  msle  wide  the target spans a factor of {magnitudes:.3g}: errors should count by their ratio
    *usual
    also    gamma_deviance     wide             where the mean is wanted and errors grow with it
    *by_count
    *traps
    avoid   mse                wide, not heavy  the largest targets would decide it
proportion
    *usual
    also    bce                finite           shares are probabilities of a yes: proper for their mean
    *traps
zero-inflated
    first   tweedie_deviance:power=1.5  -       {%zeros} exact zeros beside positive numbers
    first   mse                -                zeros and large numbers both add to a mean
    *by_count
    *traps
counts
    first   poisson            -                counts: their variance grows with their mean
    first  mse  -  predictions are not all above 0, so they are no rates: mse asks for the mean, too
    also    poisson_deviance   -                ranks as poisson does, with 0 for perfect
    also    tweedie_deviance:power=1.5  overdispersed  a dispersion of {dispersion:.3g}, where Poisson has 1
    *by_count
    *traps
binary
    first   squared_hinge      tanh             scores of either sign: the sign is the decision
    robust  hinge              tanh             wrong rows count by their distance alone
    first   triplet_score      one_sided        only the order of such scores is left
    first   bce                finite           a yes/no question: the probability is wanted
    *proper
    avoid   bce                sure_and_wrong   {sure}
    also    hinge              not output       where only the decision matters, of scores
    also    gan_discriminator  finite           if 1 is a real row, 0 a generated one, and p is D(x)
    also    gan_generator_nonsaturating  finite  the same, for the generator
classes
    first   hinge              tanh             scores without a distribution: the largest decides
    first   hinge              sigmoids         scores without a distribution: the largest decides
    *classes
one-hot
    *classes
soft
    first   cce                finite           the target is a distribution over classes
    *classes
    also    kl                 -                cce less the entropy of the target: 0 is perfect
multilabel
    first   bce                finite           several labels may be right at once: a probability for each
    first   mse                -                on probabilities the Brier score of each label: proper, and bounded
    robust  mse                -                on probabilities the Brier score of each label: proper, and bounded
    also    focal              imbalanced, finite  a rare class: rows that are right already count little
    avoid   bce                sure_and_wrong   {sure}
masks
    first   dice               decisions        hard masks: overlap is what they tell
    first  dice  small_foreground  a small foreground, {%ones} of the pixels: the background counts for nothing
    first   bce                finite           calibrated probabilities of pixels
    first   dice               -                bounded, where cross-entropy is not finite
    robust  dice               -                bounded: a mask that is wholly missed costs 1
    robust  iou_mask  -  bounded: a mask that is wholly missed costs 1; stricter than dice on poor ones
    also    iou_mask_score     decisions        to report hard masks by thresholds of overlap
    avoid   bce                sure_and_wrong   {sure}
boxes
    first   giou               disjoint         {disjoint} boxes do not meet: 1 - IoU is flat there
    first   iou                -                the box as a whole, whatever its size; every pair overlaps
    first  mae  -  the predictions are no boxes x1 <= x2, y1 <= y2: coordinates can be compared
    robust  iou                -                bounded: a box that is wholly missed costs 1, however far it is
    robust  giou               -                bounded by 2, and it tells how far apart boxes are that do not meet
    also    ciou               -                for training: distance and shape speed it up
    avoid   iou_log            disjoint         it is infinite for boxes that do not meet
    avoid   mse                -                it compares coordinates, so large boxes decide it
pairs
    first   contrastive:margin  -               pairs that are the same or different
triplets
    first   triplet:margin     -                an anchor with what is like it and what is not
"""


class Rule(NamedTuple):
    """A line of the table."""

    rank: Rank | Literal["avoid"]
    loss: str
    parameter: str
    when: str
    why: str = ""

    def holds(self, facts: Facts) -> bool:
        """Whether the data has all the facts on which the rule rests."""
        words = self.when.split(", ") if self.when != "-" else []
        return all(bool(facts[word.removeprefix("not ")]) is not word.startswith("not ") for word in words)

    def bound(self, loss: Loss, facts: Facts) -> Loss:
        """Return the loss with the parameter that the rule sets."""
        name, _, value = self.parameter.partition("=")
        number = None if not name else float(value) if value else facts[name]
        return loss if number is None else loss.bind(**{name: number})


def rules_of(table: str) -> dict[str, tuple[Rule, ...]]:
    """Parse a table of rules."""
    sections: dict[str, list[Rule]] = {}
    for line in filter(None, table.splitlines()):
        cells = re.split("  +", line.strip(), maxsplit=3)
        if not line.startswith(" "):
            rules = sections[line] = []
        elif line.startswith(" " * 8):
            rules[-1] = rules[-1]._replace(why=line.strip())
        elif line.strip() in sections:
            rules += sections[line.strip()]
        else:
            loss, _, parameter = cells[1].partition(":")
            rules.append(Rule(cast(Rank, cells[0]), loss, parameter, *cells[2:]))
    return {kind: tuple(rules) for kind, rules in sections.items() if not kind.startswith("*")}


RULES: Final = rules_of(TABLE)


def advise(facts: Facts, losses: Mapping[str, Loss]) -> tuple[tuple[Pick, ...], tuple[Caution, ...]]:
    """Return the first loss, a robust alternative and others, and those that can be computed and should be avoided."""
    rules = [
        rule
        for rule in RULES.get(facts.kind, ())
        if rule.loss in losses and rule.holds(facts) and not misfit(losses[rule.loss], facts)
    ]
    picks: dict[str, Pick] = {}
    ranks: tuple[Rank, ...] = ("first", "robust", "also")
    for rank in ranks:
        for rule in rules:
            if rule.rank != rank or rule.loss in picks:
                continue
            loss, why = rule.bound(losses[rule.loss], facts), rule.why.format_map(facts)
            picks[rule.loss] = Pick(rank, loss.name, loss.spec, loss.optimises, why, loss.use)
            if rank != "also":
                break
        if not picks:
            break
    cautions: dict[str, Caution] = {}
    for rule in rules:
        if rule.rank == "avoid" and rule.loss not in picks:
            cautions.setdefault(rule.loss, Caution(rule.loss, rule.why.format_map(facts), losses[rule.loss].avoid))
    return tuple(picks.values()), tuple(cautions.values())


# which losses can be computed, by their declarations -----------------------------------------------------------------

TWO_LABELS: Final = np.array([[0.0, 1.0]])  # what two labels become


def domains_of(losses: Iterable[Loss], widths: Mapping[str, int]) -> dict[str, tuple[Domain, ...]]:
    """Return what the rows of each role must be held against, so that facts are known and every loss can be judged."""
    domains: dict[str, dict[Domain, None]] = {}
    for role, width in widths.items():
        more = role_domains("target", width) if role == "pred" else {}
        domains[role] = dict.fromkeys((*role_domains(role, width).values(), *more.values()))
    for loss in losses:
        for form in loss.forms:
            columns = {role: width for role, width in widths.items() if role in form.roles}
            if form.fits(columns):
                for role in columns:
                    domains[role][form.roles[role]] = None
    if "pred" in domains:
        domains["pred"] |= dict.fromkeys(RAW.values())
    return {role: tuple(several) for role, several in domains.items()}


def misfit(loss: Loss, facts: Facts) -> tuple[Ground, str] | None:
    """Return why a loss cannot be computed on the data, None if it can."""
    waived = {"pred"} if set(facts.widths) == {"target"} else set()
    lacking = [role for role in loss.roles if role not in {*facts.widths, *OPTIONAL, *waived}]
    if lacking:
        return "columns", f"needs columns that are not given: {', '.join(lacking)}"
    form = facts.form_of(loss, facts.wish)
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
