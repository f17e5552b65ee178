"""Plan: losses x models to the distinct quantities that one pass has to reduce."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lossctl.core.check import judged
from lossctl.core.domain import Domain
from lossctl.core.form import Form
from lossctl.core.loss import Loss, Term
from lossctl.core.state import Pairs

Quantity = tuple[str, Term]  # model, term
Whole = tuple[str, tuple[Term, ...], str]  # model, terms, "peak" or "sample"


@dataclass(frozen=True)
class Question:
    """One loss as it was asked for, with its label and the form that the data takes."""

    label: str
    loss: Loss
    form: Form


@dataclass(frozen=True)
class Check:
    """A domain that one role of one model (or of all, where it is shared) must be in, for the sake of a loss."""

    model: str
    role: str
    domain: Domain
    loss: str


@dataclass(frozen=True)
class Plan:
    """What one pass computes. Quantity indexes count the weight, if there is one, as 0."""

    models: tuple[str, ...]
    questions: tuple[Question, ...]
    activations: Mapping[str, str]
    weighted: bool
    slicings: tuple[str, ...]
    quantities: tuple[Quantity, ...]
    wholes: tuple[Whole, ...]
    pairs: Pairs
    checks: tuple[Check, ...]
    rows_out: tuple[Quantity, ...]

    @cached_property
    def _indexes(self) -> dict[tuple[str, str], tuple[int, ...]]:
        lead = int(self.weighted)
        places = {quantity: lead + place for place, quantity in enumerate(self.quantities)}
        return {
            (model, question.label): tuple(places[model, term] for term in question.loss.terms(question.form.name))
            for question in self.questions
            if question.loss.keeps == "moments"
            for model in self.models
        }

    def terms(self, model: str) -> list[Term]:
        """Return the terms of a model; those of all models, one after the other, are the quantities."""
        return [term for owner, term in self.quantities if owner == model]

    def indexes(self, model: str, question: Question) -> tuple[int, ...]:
        """Return the quantities that a loss of a model reads."""
        return self._indexes[model, question.label]

    def whole(self, model: str, question: Question) -> int:
        """Return the place of the peak or sample that a loss of a model reads."""
        return self.wholes.index((model, question.loss.terms(question.form.name), question.loss.keeps))


def make_plan(
    models: Sequence[str],
    questions: Sequence[Question],
    activations: Mapping[str, str],
    *,
    weighted: bool = False,
    slicings: Sequence[str] = (),
    intervals: bool = True,
    rows_out: bool = False,
) -> Plan:
    """Gather the distinct terms of all losses and models, and the pairs whose co-moments an interval needs."""
    quantities: dict[Quantity, int] = {}
    wholes: dict[Whole, None] = {}
    pairs: dict[tuple[int, int], None] = {}
    checks: dict[tuple[str, str, Domain], str] = {}
    rows: dict[Quantity, None] = {}
    lead = int(weighted)
    for model in models:  # one after the other, so that what a model's losses share stays in the cache
        for question in questions:
            loss, form = question.loss, question.form
            terms = loss.terms(form.name)
            if loss.keeps == "moments":
                mine = [lead + quantities.setdefault((model, term), len(quantities)) for term in terms]
                if intervals:
                    mine = sorted({*range(lead), *mine})
                    pairs.update({(i, j): None for i in mine for j in mine if i <= j})
            else:
                wholes[model, terms, loss.keeps] = None
            for role, domain in form.roles.items():
                owner = "" if role == "target" else model
                checks.setdefault((owner, role, judged(domain, role, activations[model])), loss.spec)
    if rows_out:
        asked = [question for question in questions if question.loss.row is not None]
        rows = {(model, q.loss.term(q.loss.row, q.form.name)): None for q in asked for model in models if q.loss.row}
    return Plan(
        tuple(models),
        tuple(questions),
        activations,
        weighted,
        tuple(slicings),
        tuple(quantities),
        tuple(wholes),
        tuple(pairs),
        tuple(Check(model, role, domain, loss) for (model, role, domain), loss in checks.items()),
        tuple(rows),
    )
