"""Rules: the kinds of data, and for each the losses that a practitioner would take for it, and those not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, cast

from lossctl.results.advice import Rank

# A kind of data has a name, the task that it is for `evaluate` (- is none), and words; names that begin with * are of
# rules that several kinds share. A rule is a rank, a loss with the parameter that it sets, by the fact of that name if
# not to a value, the facts on which it rests (- is none), and the reason: {fact} is that fact in words, {%fact} in
# percent. Of the ranks first and robust the first rule that holds is taken, of `also` each; of `avoid` each whose loss
# is not taken.
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
real            regression  real numbers
    *usual
    *traps
non-negative    regression  non-negative numbers
    *usual
    *by_count
    *traps
positive        regression  positive numbers
    first  msle  wide  the target spans a factor of {magnitudes:.3g}: errors should count by their ratio
    *usual
    also    gamma_deviance     wide             where the mean is wanted and errors grow with it
    *by_count
    *traps
    avoid   mse                wide, not heavy  the largest targets would decide it
proportion      regression  numbers in [0, 1]
    *usual
    also    bce                finite           shares are probabilities of a yes: proper for their mean
    *traps
zero-inflated   regression  non-negative numbers, many of them exactly 0
    first   tweedie_deviance:power=1.5  -       {%zeros} exact zeros beside positive numbers
    first   mse                -                zeros and large numbers both add to a mean
    *by_count
    *traps
counts          regression  counts
    first   poisson            -                counts: their variance grows with their mean
    first  mse  -  predictions are not all above 0, so they are no rates: mse asks for the mean, too
    also    poisson_deviance   -                ranks as poisson does, with 0 for perfect
    also    tweedie_deviance:power=1.5  overdispersed  a dispersion of {dispersion:.3g}, where Poisson has 1
    *by_count
    *traps
binary          binary      one of two labels
    first   squared_hinge      tanh             scores of either sign: the sign is the decision
    robust  hinge              tanh             wrong rows count by their distance alone
    first   triplet_score      one_sided        only the order of such scores is left
    first   bce                finite           a yes/no question: the probability is wanted
    *proper
    avoid   bce                sure_and_wrong   {sure}
    also    hinge              not output       where only the decision matters, of scores
    also    gan_discriminator  finite           if 1 is a real row, 0 a generated one, and p is D(x)
    also    gan_generator_nonsaturating  finite  the same, for the generator
classes         multiclass  one of {k} class labels
    first   hinge              tanh             scores without a distribution: the largest decides
    first   hinge              sigmoids         scores without a distribution: the largest decides
    *classes
decisions       multiclass  one of {k} class labels, and predictions that are classes
    first   zero_one           -                decisions are right or wrong, no more
one-hot         multiclass  one-hot rows of {k} classes
    *classes
soft            multiclass  rows of {k} class probabilities
    first   cce                finite           the target is a distribution over classes
    *classes
    also    kl                 -                cce less the entropy of the target: 0 is perfect
multilabel      multilabel  {k} yes/no labels in each row
    first   bce                finite           several labels may be right at once: a probability for each
    first   mse                -                on probabilities the Brier score of each label: proper, and bounded
    robust  mse                -                on probabilities the Brier score of each label: proper, and bounded
    also    focal              imbalanced, finite  a rare class: rows that are right already count little
    avoid   bce                sure_and_wrong   {sure}
masks           -           masks of {k} pixels
    first   dice               decisions        hard masks: overlap is what they tell
    first  dice  small_foreground  a small foreground, {%ones} of the pixels: the background counts for nothing
    first   bce                finite           calibrated probabilities of pixels
    first   dice               -                bounded, where cross-entropy is not finite
    robust  dice               -                bounded: a mask that is wholly missed costs 1
    robust  iou_mask  -  bounded: a mask that is wholly missed costs 1; stricter than dice on poor ones
    also    iou_mask_score     decisions        to report hard masks by thresholds of overlap
    avoid   bce                sure_and_wrong   {sure}
boxes           -           boxes x1, y1, x2, y2
    first   giou               disjoint         {disjoint} boxes do not meet: 1 - IoU is flat there
    first   iou                -                the box as a whole, whatever its size; every pair overlaps
    first  mae  -  the predictions are no boxes x1 <= x2, y1 <= y2: coordinates can be compared
    robust  iou                -                bounded: a box that is wholly missed costs 1, however far it is
    robust  giou               -                bounded by 2, and it tells how far apart boxes are that do not meet
    also    ciou               -                for training: distance and shape speed it up
    avoid   iou_log            disjoint         it is infinite for boxes that do not meet
    avoid   mse                -                it compares coordinates, so large boxes decide it
pairs           -           pairs of embeddings with a yes/no label
    first   contrastive:margin  -               pairs that are the same or different
triplets        -           triplets of embeddings
    first   triplet:margin     -                an anchor with what is like it and what is not
constant        -           the same in every row
"""


class Rule(NamedTuple):
    """A rule about a loss; `when` are the facts on which it rests."""

    rank: Rank | Literal["avoid"]
    loss: str
    parameter: str
    when: tuple[str, ...]
    why: str = ""


class Kind(NamedTuple):
    """A kind of data in words, with its task and rules."""

    words: str = ""
    task: str | None = None
    rules: tuple[Rule, ...] = ()


def kinds_of(table: str) -> Mapping[str, Kind]:
    """Parse a table of kinds and rules."""
    kinds: dict[str, Kind] = {}
    rules: list[Rule] = []
    for line in filter(None, table.splitlines()):
        cells = re.split("  +", line.strip(), maxsplit=3)
        if not line.startswith(" "):
            name, task, words = (*cells, "-", "")[:3]
            kinds[name], rules = Kind(words, None if task == "-" else task), []
        elif line.startswith(" " * 8):
            rules[-1] = rules[-1]._replace(why=line.strip())
        elif line.strip() in kinds:
            rules += kinds[line.strip()].rules
        else:
            loss, _, parameter = cells[1].partition(":")
            when = tuple(cells[2].split(", ")) if cells[2] != "-" else ()
            rules.append(Rule(cast(Rank, cells[0]), loss, parameter, when, *cells[3:]))
        kinds[name] = kinds[name]._replace(rules=tuple(rules))
    return {name: kind for name, kind in kinds.items() if not name.startswith("*")}


KINDS: Final = kinds_of(TABLE)
