"""Plan: the distinct quantities that one pass has to reduce for all losses, models and comparisons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, combinations
from typing import Literal, NamedTuple

from lossctl.core.batch import BLOCK, NO_TREND, Trend
from lossctl.core.block import judged
from lossctl.core.domain import Domain
from lossctl.core.form import CODED, GIVEN, Form
from lossctl.core.loss import Loss, Term

Method = Literal["auto", "normal", "t", "bootstrap"]
Couple = tuple[str, str]  # baseline, candidate
Whole = tuple[str, tuple[Term, ...], str]  # model, terms, "peak" or "sample": what needs more than sums
RESAMPLES = 1000
SEED = 12345
TARGET = ""  # in a couple of models: the target, as if a model predicted it
LINEAR = ("mean", "root of a mean")  # statistics of one mean
FIRST = BLOCK  # input rows of which the lines are kept, so that the influence of each is there


# what is asked ---------------------------------------------------------------------------------------------------


class Question(NamedTuple):
    """One loss under its label, with the form that the data takes.

    output: the one of several outputs whose loss it is, by its place and its name. component: which one of a
    decomposition the value is, "" for the loss itself.
    """

    label: str
    loss: Loss
    form: Form
    output: int | None = None
    output_name: str = ""
    component: str = ""

    @property
    def terms(self) -> tuple[Term, ...]:
        """The quantities whose means the loss is a statistic of."""
        return self.loss.terms(self.form.name, self.output)

    @property
    def row(self) -> Term | None:
        """The per-row loss, if there is one."""
        return None if self.loss.row is None else self.loss.term(self.loss.row, self.form.name, self.output)

    @property
    def has_gradient(self) -> bool:
        """Whether the rows' losses have a gradient."""
        return self.loss.row is not None and self.loss.gradient is not None

    @property
    def has_shape(self) -> bool:
        """Whether the influence of rows on the value tells how skewed its law is."""
        return self.loss.keeps == "moments" and self.loss.statistic.interval != "none"

    @property
    def one_mean(self) -> bool:
        """Whether models are ranked by one mean, the value itself or under a root."""
        return self.loss.keeps == "moments" and self.loss.statistic.name in LINEAR


class Effect(NamedTuple):
    """A difference of interest: an amount in the loss's own unit, or a share of |baseline value|."""

    amount: float
    relative: bool
    text: str


class Design(NamedTuple):
    """Which models are compared, and what is assumed of their rows.

    pairs: (baseline, candidate) couples, those against the one baseline first. cluster: the column whose values tell
    rows that belong together. time: the column that orders rows of one series, forecast `horizon` steps ahead.
    relative: whether bounds of differences from a multiple of the baseline's value are needed.
    """

    baseline: str
    pairs: tuple[Couple, ...]
    method: Method = "auto"
    level: float | None = 0.95
    resamples: int = RESAMPLES
    seed: int = SEED
    cluster: str | None = None
    time: str | None = None
    horizon: int = 1
    effect: Effect | None = None
    margin: Effect | None = None
    relative: bool = False
    all_pairs: bool = False

    @property
    def independent(self) -> bool:
        """Whether rows are independent."""
        return self.cluster is None and self.time is None

    @property
    def assumption(self) -> str:
        """What is assumed of the rows, in a word."""
        if self.cluster is not None:
            return f"clusters: {self.cluster}"
        return "iid rows" if self.time is None else f"series, h={self.horizon}"

    @property
    def candidates(self) -> tuple[str, ...]:
        """The models that are compared with the one baseline."""
        return tuple(candidate for baseline, candidate in self.pairs if baseline == self.baseline)


def couples(models: tuple[str, ...], baseline: str, all_pairs: bool) -> tuple[Couple, ...]:
    """Return the couples to compare: every model with the baseline, and with `all_pairs` every two candidates."""
    candidates = tuple(model for model in models if model != baseline)
    against = tuple((baseline, model) for model in candidates)
    return against + tuple(combinations(candidates, 2)) if all_pairs else against


# what is computed ------------------------------------------------------------------------------------------------


class Quantity(NamedTuple):
    """One line of a block: a term of a model; with `less` what it is above the same term of another model."""

    model: str
    term: Term
    less: str | None = None


class Gradient(NamedTuple):
    """The gradient of a loss of a model by the columns of its roles, and how many columns these are."""

    model: str
    question: Question
    widths: tuple[tuple[str, int], ...]

    @property
    def width(self) -> int:
        """The number of lines."""
        return sum(width for _, width in self.widths)


class Check(NamedTuple):
    """A domain that one role of one model (or of all, where it is shared) must be in, for the sake of a loss."""

    model: str
    role: str
    domain: Domain
    loss: str


class Plan:
    """What one pass computes.

    models: in the order of the output; `order` is that of the reduction, the baseline first. quantities: all lines of
    a block, `lines` the same by model. Their indexes count the weight, if there is one, as 0. pairs, cubed: the
    indexes whose products and cubes are summed, for intervals. wholes: what needs the largest or every value.
    checks: the domains of the roles. rows_out, gradients_out: what is written for each row, in `lines_out` lines.
    bases: the models above which others are taken. clusterings: the name of groups by cluster -> the slicing within
    which they are taken, "" for all rows. times: the name of groups by time, where the lines of all rows are kept.
    sample_groups: the groupings whose codes ride with every kept row. resamples: the number of bootstrap replicates.
    in_order: whether blocks must be merged in the order of their rows. classes: the labels of the class codes.
    as_read: the indexes of the lines that are summed over all rows as they come; pairs_as_read, cubed_as_read: those
    of their products and cubes. keeps_lines: whether more than the sums of lines is needed. firsts: the indexes of the
    lines that are kept of the first rows. trend: see Batch.
    asides: terms whose means are told beside the losses. worst: how many of the rows are kept where the second of
    two `rivals` loses most against the first, or alone where that is None. watched: the couples of which it is told
    whether predictions differ, TARGET in the place of a model standing for the target.
    """

    def __init__(
        self,
        models: Sequence[str],
        questions: Sequence[Question],
        activations: Mapping[str, str],
        *,
        weighted: bool = False,
        slicings: Sequence[str] = (),
        intervals: bool = True,
        rows_out: bool = False,
        gradient_widths: Mapping[str, int] | None = None,
        worst: int = 0,
        design: Design | None = None,
        clusterings: Mapping[str, str] | None = None,
        times: str | None = None,
        classes: tuple[str, ...] = (),
        trend: Trend = NO_TREND,
        asides: Sequence[Term] = (),
        watched: Sequence[Couple] = (),
    ) -> None:
        self.models, self.questions, self.activations = tuple(models), tuple(questions), activations
        self.weighted, self.slicings, self.design = weighted, tuple(slicings), design
        self.clusterings, self.times, self.classes, self.trend = clusterings or {}, times, classes, trend
        pairs = () if design is None else design.pairs
        self.watched = tuple(dict.fromkeys((*((TARGET, model) for model in models), *pairs, *watched)))
        self.order = self.models
        if design is not None:
            self.order = (design.baseline, *(model for model in models if model != design.baseline))
        clusters = [name for name, parent in self.clusterings.items() if not parent]
        self.sample_groups = (*self.slicings, *clusters, *([] if times is None else [times]))
        self.resamples = design.resamples if design is not None and design.method == "bootstrap" else 0
        self.in_order = bool(self.slicings or self.clusterings or self.resamples)

        self._places: dict[Quantity, int] = {}
        self._indexes: dict[tuple[str, str], tuple[int, ...]] = {}
        self._differences: dict[tuple[Couple, str], dict[int, int]] = {}
        self._pairs: dict[tuple[int, int], None] = {}
        self._cubed: dict[int, None] = {}
        for model in self.order:  # one by one, so that what a model's losses share stays in the cache
            for question in questions:
                if question.loss.keeps == "moments":
                    self._plan(model, question, intervals)
            for term in asides:
                self._place(model, term)
        self.quantities = tuple(self._places)
        self.pairs, self.cubed = tuple(self._pairs), tuple(self._cubed)
        self.lines = {model: tuple(line for line in self.quantities if line.model == model) for model in models}
        self.worst = worst
        alone = [(None, model) for model in models]
        self.rivals: Sequence[tuple[str | None, str]] = alone if design is None else design.pairs
        shaped = [question for question in questions if question.has_shape and intervals]
        lines = dict.fromkeys(i for q in shaped for model in models for i in self._indexes[model, q.label])
        self.firsts = () if self.times is not None or self.clusterings else tuple(lines)
        self.keeps_lines = bool(self.resamples or times is not None)
        self.asides = asides
        self.as_read = self._as_read()
        self.pairs_as_read = tuple(pair for pair in self.pairs if self.as_read.issuperset(pair))
        self.cubed_as_read = tuple(i for i in self.cubed if i in self.as_read)
        self.bases = frozenset(quantity.less for quantity in self.quantities if quantity.less is not None)
        self.wholes = tuple(
            dict.fromkeys(
                (model, question.terms, question.loss.keeps)
                for model in models
                for question in questions
                if question.loss.keeps != "moments"
            )
        )
        self.checks = tuple(self._checks())
        per_row = [q.row for q in questions if q.row is not None] if rows_out else ()
        self.rows_out = tuple(dict.fromkeys(Quantity(model, row) for row in per_row for model in models))
        self.gradients_out = tuple(self._gradients(gradient_widths)) if gradient_widths else ()
        self.lines_out = len(self.rows_out) + sum(gradient.width for gradient in self.gradients_out)

    def indexes(self, model: str, question: Question) -> tuple[int, ...]:
        """Return the quantities of a loss of a model."""
        return self._indexes[model, question.label]

    def differences(self, couple: Couple, question: Question) -> Mapping[int, int]:
        """Return what the quantities of the second model are above those of the first, by place among them.

        Those of the target alone are the same and have none.
        """
        return self._differences[couple, question.label]

    def place(self, quantity: Quantity) -> int:
        """Return the index of a quantity."""
        return self._places[quantity]

    def places(self, model: str, terms: Sequence[Term]) -> tuple[int, ...]:
        """Return the quantities of terms of a model."""
        return tuple(self._places[self._quantity(model, term)] for term in terms)

    def whole_place(self, model: str, question: Question) -> int:
        """Return the place of the peak or sample of a loss of a model."""
        return self.wholes.index((model, question.terms, question.loss.keeps))

    def _as_read(self) -> frozenset[int]:
        """Return the indexes of the lines that are summed over the rows as they come.

        Those of all groups give the sums of all rows, but for what is taken about an origin: each slice has its own.
        """
        lead = range(int(self.weighted))
        if self.keeps_lines or not self.slicings:
            return frozenset((*lead, *self._places.values()))
        about_origin = {question.label for question in self.questions if question.loss.needs_origin}
        lines = [*self._indexes.items(), *((key, line.values()) for key, line in self._differences.items())]
        indexes = [line for (_, label), line in lines if label in about_origin]
        return frozenset(chain(lead, *indexes, *(self.places(model, self.asides) for model in self.models)))

    def _plan(self, model: str, question: Question, intervals: bool) -> None:
        """Plan the terms of a loss of a model, and their differences from those of the models before."""
        indexes = self._indexes[model, question.label] = tuple(self._place(model, term) for term in question.terms)
        if intervals:
            self._multiply(indexes, indexes)
        for couple in self.design.pairs if self.design is not None else ():
            if couple[1] == model:
                terms = {place: term for place, term in enumerate(question.terms) if not term.of_target}
                differences = {place: self._place(model, term, couple[0]) for place, term in terms.items()}
                self._differences[couple, question.label] = differences
                if intervals:
                    self._multiply_differences(question, tuple(differences.values()), couple[0])

    def _quantity(self, model: str, term: Term, less: str | None = None) -> Quantity:
        """Return the line of a term of a model; what depends on the target alone is the first one's."""
        return Quantity(self.order[0] if term.of_target else model, term, less)

    def _place(self, model: str, term: Term, less: str | None = None) -> int:
        lead = int(self.weighted)
        return self._places.setdefault(self._quantity(model, term, less), lead + len(self._places))

    def _multiply(self, first: Sequence[int], second: Sequence[int]) -> None:
        """Plan the products of two sets of quantities, and of each with the weight."""
        lead = range(int(self.weighted))
        for i in {*lead, *first, *second}:
            for j in {*lead, *second}:
                self._pairs[min(i, j), max(i, j)] = None

    def _multiply_differences(self, question: Question, differences: Sequence[int], base: str) -> None:
        """Plan the products for the spread of a difference, and its correlation with others from the same baseline."""
        assert self.design is not None
        self._multiply(differences, differences)
        straight = question.loss.statistic.name == "mean" and question.loss.direction != "zero"
        if not straight or self.design.relative:
            self._multiply(self.indexes(base, question), differences)
        if base == self.design.baseline:
            for candidate in self.design.candidates:
                if lines := self._differences.get(((base, candidate), question.label)):
                    self._multiply(tuple(lines.values()), differences)
        if question.one_mean:
            self._cubed.update(dict.fromkeys(differences))

    def _checks(self) -> Iterator[Check]:
        """Yield the domains of the roles; those shared by all models once."""
        losses: dict[tuple[str, str, Domain], str] = {}
        for model in self.order:
            for question in self.questions:
                for role, domain in question.form.roles.items():
                    if role not in CODED:  # of a code any value will do
                        owner = "" if role in GIVEN else model
                        raw = judged(domain, role, self.activations[model])
                        losses.setdefault((owner, role, raw), question.loss.spec)
        return (Check(*check, loss) for check, loss in losses.items())

    def _gradients(self, widths: Mapping[str, int]) -> Iterator[Gradient]:
        """Yield the gradients that are written out."""
        for question in self.questions:
            if question.has_gradient:
                roles = [role for role in question.loss.pred_roles if role in widths]
                for model in self.models:
                    alone = question.output is not None
                    yield Gradient(model, question, tuple((role, 1 if alone else widths[role]) for role in roles))
