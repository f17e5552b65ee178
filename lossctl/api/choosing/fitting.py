"""Fitting: which losses can be computed on the data of a case, and why the others cannot, from their declarations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from lossctl.api.choosing.case import Case
from lossctl.core.breach import breach, judged
from lossctl.core.domain import REAL, Domain
from lossctl.core.form import OPTIONAL, Form
from lossctl.core.loss import Loss
from lossctl.core.state import NEVER
from lossctl.profile.columns import pred_domains, target_domains
from lossctl.profile.roles import Asked
from lossctl.results.advice import Ground, Misfit

LACKS: Final = "needs columns that are not given: "
TAKES: Final = "takes other columns: "
EITHER: Final = np.array([[0.0, 1.0]])  # what two labels become


def asked_domains(losses: Iterable[Loss], widths: Mapping[str, int]) -> tuple[Asked, ...]:
    """Return what the rows of each role must be held against, so that every loss can be judged."""
    found: dict[Asked, None] = {}
    for role, width in widths.items():
        named = target_domains(width) if role == "target" else pred_domains(width) if role == "pred" else {}
        found.update(dict.fromkeys((role, domain) for domain in (REAL, *named.values())))
        if role in ("target", "pred"):
            found.update(dict.fromkeys((role, domain) for domain in target_domains(width).values()))
    for loss in losses:
        for form in loss.forms:
            given = {role: width for role, width in widths.items() if role in form.roles}
            if form.fits(given):
                found.update(dict.fromkeys((role, form.roles[role]) for role in given))
    return tuple(found)


def judge(loss: Loss, case: Case, activation: str) -> str:
    """Return why a loss cannot be computed on the data under an activation, or nothing."""
    waived = {"pred"} if set(case.widths) == {"target"} else set()
    lacking = [role for role in loss.roles if role not in {*case.widths, *OPTIONAL, *waived}]
    if lacking:
        return f"{LACKS}{', '.join(lacking)}"
    form = loss.form_for({role: case.widths[role] for role in loss.roles if role in case.widths}, case.wish)
    if form is None:
        return TAKES + ", or ".join(form.layout() for form in loss.forms)
    if "pred" in case.widths and "pred" in form.roles:
        allowed = form.roles["pred"].activations()
        if activation not in allowed:
            return f"does not take the output of {activation} as pred, which must be {form.roles['pred']}"
    return next(
        filter(None, (_outside(role, form, case, activation) for role in form.roles if role in case.widths)), ""
    )


def _outside(role: str, form: Form, case: Case, activation: str) -> str:
    domain = form.roles[role]
    if role == "target" and (case.text or case.coded):
        return _labelled(domain, form, case)
    found = case.portrait.outside(role, judged(domain, role, activation))
    if found.first == NEVER:
        return ""
    if found.clash <= found.row:
        return f"{role} mixes labels -1 and 0"
    rows = f"{found.count} row{'' if found.count == 1 else 's'}"
    return f"{role} must be {_words(domain)}: {rows} outside, the first row {found.row + 1}"


def _words(domain: Domain) -> str:
    text = str(domain)
    return f"in {text}" if text[:1] in "[({" else text


def _labelled(domain: Domain, form: Form, case: Case) -> str:
    """Judge labels: class codes fit losses that read such, two labels of text become 0 and 1."""
    if form.labels:
        return ""
    two = len(case.labels) == 2 and breach(domain, EITHER, np.arange(2)).first == NEVER
    return "" if case.text and two else "target holds class labels, not numbers"


def sorted_out(losses: Mapping[str, Loss], case: Case, activation: str) -> tuple[tuple[str, ...], tuple[Misfit, ...]]:
    """Return the losses that fit, and the others by the reason why not."""
    fits: list[str] = []
    reasons: dict[str, list[str]] = {}
    for name, loss in losses.items():
        reason = judge(loss, case, activation)
        if reason:
            reasons.setdefault(reason, []).append(name)
        else:
            fits.append(name)
    misfits = (Misfit(_ground(reason), reason, tuple(names)) for reason, names in reasons.items())
    return tuple(fits), tuple(sorted(misfits, key=lambda misfit: misfit.ground, reverse=True))


def _ground(reason: str) -> Ground:
    return "columns" if reason.startswith((LACKS, TAKES)) else "values"
