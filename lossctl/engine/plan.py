"""Plan: losses x models to the distinct quantities that one pass has to reduce."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Literal

from lossctl.core.breach import judged
from lossctl.core.domain import Domain
from lossctl.core.form import CODED, GIVEN, Form
from lossctl.core.loss import Loss, Term
from lossctl.core.state import Pairs

Method = Literal["auto", "normal", "t", "bootstrap"]
RESAMPLES = 1000
SEED = 12345


@dataclass(frozen=True)
class Effect:
    """A difference of interest: an amount in the loss's own unit, or a share of |baseline value|."""

    amount: float
    relative: bool
    text: str


@dataclass(frozen=True)
class Design:
    """Which models are compared, and what is assumed of their rows.

    pairs: (baseline, candidate) couples, those against the one baseline first. cluster: the column whose values tell
    rows that belong together. time: the column that orders rows of one series, forecast `horizon` steps ahead.
    relative: whether differences from a multiple of the baseline's value will be asked for.
    """

    baseline: str
    pairs: tuple[tuple[str, str], ...]
    method: Method = "auto"
    level: float | None = 0.95
    resamples: int = RESAMPLES
    seed: int = SEED
    cluster: str | None = None
    time: str | None = None
    horizon: int = 1
    effect: Effect | None = None
    worst: int = 0
    relative: bool = False
    all_pairs: bool = False

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


def couples(models: tuple[str, ...], baseline: str, all_pairs: bool) -> tuple[tuple[str, str], ...]:
    """Return the couples to compare: every model with the baseline, and if asked for all others with each other."""
    others = tuple(model for model in models if model != baseline)
    found = tuple((baseline, model) for model in others)
    return found + tuple(combinations(others, 2)) if all_pairs else found


Couple = tuple[str, str]  # baseline, candidate
Whole = tuple[str, tuple[Term, ...], str]  # model, terms, "peak" or "sample"
LINEAR = ("mean", "root of a mean")  # readings of one mean


@dataclass(frozen=True)
class Quantity:
    """One line of a block: a term of a model; with `less` what it is above the same term of another model."""

    model: str
    term: Term
    less: str | None = None


@dataclass(frozen=True)
class Question:
    """One loss as it was asked for, with its label and the form that the data takes.

    output: the one of several outputs that it is asked of, by its place and its name.
    """

    label: str
    loss: Loss
    form: Form
    output: int | None = None
    output_name: str = ""

    @property
    def terms(self) -> tuple[Term, ...]:
        """The quantities that the loss reads."""
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
    def one_mean(self) -> bool:
        """Whether models are ranked by one mean, the value itself or under a root."""
        return self.loss.keeps == "moments" and self.loss.reading.name in LINEAR


@dataclass(frozen=True)
class Slope:
    """The gradient of a loss of a model by the columns of its roles, and how many columns these are."""

    model: str
    question: Question
    widths: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Check:
    """A domain that one role of one model (or of all, where it is shared) must be in, for the sake of a loss."""

    model: str
    role: str
    domain: Domain
    loss: str


@dataclass(frozen=True)
class Plan:
    """What one pass computes. Quantity indexes count the weight, if there is one, as 0.

    models: in the order of the output. clusterings: the name of groups by cluster -> the slicing within which they
    are taken, "" for all rows. times: the name of groups by time, where the lines of all rows are kept in its order.
    classes: the labels of the class codes. gap: see Batch.
    """

    models: tuple[str, ...]
    questions: tuple[Question, ...]
    activations: Mapping[str, str]
    weighted: bool
    slicings: tuple[str, ...]
    quantities: tuple[Quantity, ...]
    wholes: tuple[Whole, ...]
    pairs: Pairs
    cubed: tuple[int, ...]
    checks: tuple[Check, ...]
    rows_out: tuple[Quantity, ...]
    slopes_out: tuple[Slope, ...] = ()
    design: Design | None = None
    clusterings: Mapping[str, str] = field(default_factory=dict)
    times: str | None = None
    classes: tuple[str, ...] = ()
    gap: float = 0.0

    @cached_property
    def places(self) -> Mapping[Quantity, int]:
        """The index of each quantity."""
        lead = int(self.weighted)
        return {quantity: lead + place for place, quantity in enumerate(self.quantities)}

    @cached_property
    def _indexes(self) -> Mapping[tuple[str, str, str | None], tuple[int, ...]]:
        couples = self.design.pairs if self.design is not None else ()
        asked = [*((model, None) for model in self.models), *((candidate, base) for base, candidate in couples)]
        return {
            (model, question.label, less): tuple(self.places[Quantity(model, term, less)] for term in question.terms)
            for question in self.questions
            if question.loss.keeps == "moments"
            for model, less in asked
        }

    @property
    def lines_out(self) -> int:
        """How many numbers are written out for each row."""
        return len(self.rows_out) + sum(width for slope in self.slopes_out for _, width in slope.widths)

    @property
    def order(self) -> tuple[str, ...]:
        """The models in the order in which they are reduced: the baseline first, so that others can be taken off."""
        return reduced_in(self.models, self.design)

    @cached_property
    def lines(self) -> Mapping[str, tuple[Quantity, ...]]:
        """The quantities of each model; those of all models in `order`, one after the other, are the quantities."""
        return {
            model: tuple(quantity for quantity in self.quantities if quantity.model == model) for model in self.models
        }

    @cached_property
    def bases(self) -> frozenset[str]:
        """The models above which others are taken."""
        return frozenset(quantity.less for quantity in self.quantities if quantity.less is not None)

    def indexes(self, model: str, question: Question, less: str | None = None) -> tuple[int, ...]:
        """Return the quantities that a loss of a model reads, or what they are above those of another model."""
        return self._indexes[model, question.label, less]

    def whole(self, model: str, question: Question) -> int:
        """Return the place of the peak or sample that a loss of a model reads."""
        return self.wholes.index((model, question.terms, question.loss.keeps))

    @property
    def sample_groups(self) -> tuple[str, ...]:
        """The groupings whose codes ride with every kept row: the slicings, then the times."""
        return self.slicings if self.times is None else (*self.slicings, self.times)

    @property
    def in_order(self) -> bool:
        """Whether blocks must be merged in the order of their rows."""
        return bool(self.slicings or self.clusterings or self.resamples)

    @property
    def resamples(self) -> int:
        """How many bootstrap replicates are summed, 0 for none."""
        return self.design.resamples if self.design is not None and self.design.method == "bootstrap" else 0


def reduced_in(models: Sequence[str], design: Design | None) -> tuple[str, ...]:
    """Return the models with the baseline first."""
    if design is None:
        return tuple(models)
    return (design.baseline, *(model for model in models if model != design.baseline))


def make_plan(
    models: Sequence[str],
    questions: Sequence[Question],
    activations: Mapping[str, str],
    *,
    weighted: bool = False,
    slicings: Sequence[str] = (),
    intervals: bool = True,
    rows_out: bool = False,
    slope_widths: Mapping[str, int] | None = None,
    design: Design | None = None,
    clusterings: Mapping[str, str] | None = None,
    times: str | None = None,
    classes: tuple[str, ...] = (),
    gap: float = 0.0,
) -> Plan:
    """Gather the distinct terms of all losses and models, and the pairs whose co-moments an interval needs."""
    gathered = _Gathered(weighted, design)
    checks: dict[tuple[str, str, Domain], str] = {}
    wholes: dict[Whole, None] = {}
    for model in reduced_in(models, design):  # one by one, so that what a model's losses share stays in the cache
        for question in questions:
            if question.loss.keeps == "moments":
                gathered.take(model, question, intervals)
            for role, domain in question.form.roles.items():
                if role in CODED:  # any value will do
                    continue
                owner = "" if role in GIVEN else model
                checks.setdefault((owner, role, judged(domain, role, activations[model])), question.loss.spec)
    for model in models:
        for question in questions:
            if question.loss.keeps != "moments":
                wholes[model, question.terms, question.loss.keeps] = None
    rows: dict[Quantity, None] = {}
    if rows_out:
        rows = {Quantity(m, q.row): None for q in questions for m in models if q.row is not None}
    return Plan(
        tuple(models),
        tuple(questions),
        activations,
        weighted,
        tuple(slicings),
        tuple(gathered.quantities),
        tuple(wholes),
        tuple(gathered.pairs),
        tuple(gathered.cubed),
        tuple(Check(model, role, domain, loss) for (model, role, domain), loss in checks.items()),
        tuple(rows),
        tuple(_slopes(models, questions, slope_widths or {})),
        design,
        clusterings or {},
        times,
        classes,
        gap,
    )


def _slopes(models: Sequence[str], questions: Sequence[Question], widths: Mapping[str, int]) -> Iterator[Slope]:
    """Yield the gradients that are written out; without widths none are."""
    for question in questions if widths else ():
        if question.has_gradient:
            roles = [role for role in question.loss.pred_roles if role in widths]
            for model in models:
                alone = question.output is not None
                yield Slope(model, question, tuple((role, 1 if alone else widths[role]) for role in roles))


class _Gathered:
    """The quantities of a plan in the making, with the products and cubes that are asked of them."""

    def __init__(self, weighted: bool, design: Design | None) -> None:
        self.lead = int(weighted)
        self.design = design
        self.quantities: dict[Quantity, int] = {}
        self.pairs: dict[tuple[int, int], None] = {}
        self.cubed: dict[int, None] = {}

    def take(self, model: str, question: Question, intervals: bool) -> None:
        """Take the terms of a loss of a model, and their differences from those of the models before."""
        mine = self._places(model, question, None)
        if intervals:
            self._products(mine, mine)
        if self.design is None:
            return
        for base, candidate in self.design.pairs:
            if candidate == model:
                apart = self._places(model, question, base)
                if intervals:
                    self._apart(question, apart, base)

    def _apart(self, question: Question, apart: list[int], base: str) -> None:
        """Ask for what the spread of a difference needs, and its correlation with others from the same baseline."""
        assert self.design is not None
        self._products(apart, apart)
        straight = question.loss.reading.name == "mean" and question.loss.direction != "zero"
        if not straight or self.design.relative:
            self._products(self._places(base, question, None), apart)
        if base == self.design.baseline:
            for other in self.design.candidates:
                if Quantity(other, question.terms[0], base) in self.quantities:
                    self._products(self._places(other, question, base), apart)
        if question.one_mean:
            self.cubed.update(dict.fromkeys(apart))

    def _places(self, model: str, question: Question, less: str | None) -> list[int]:
        made = (Quantity(model, term, less) for term in question.terms)
        return [self.lead + self.quantities.setdefault(quantity, len(self.quantities)) for quantity in made]

    def _products(self, left: list[int], right: list[int]) -> None:
        """Ask for the products of two sets of quantities, and for each with the weight."""
        lead = range(self.lead)
        for i in {*lead, *left, *right}:
            for j in {*lead, *right}:
                self.pairs[min(i, j), max(i, j)] = None
