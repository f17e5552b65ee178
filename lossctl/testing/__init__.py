"""The conformance suite: `check(loss)` holds a loss to everything that its declaration promises.

It is for authors of plug-ins, and our own losses pass it too. A `Case` is a loss with bound parameters, one of its
forms and a width; a law is a function of a case whose docstring says what holds. Data are drawn from the form's
domains, parameters from theirs, so that a new loss needs no new test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lossctl.core.loss import Loss
from lossctl.testing.cases import Case as Case, Violation as Violation, settings as settings, widths as widths
from lossctl.testing.laws import (
    NUMBERS as NUMBERS,
    REFUSALS as REFUSALS,
    SPELLINGS as SPELLINGS,
    Law,
    declaration_is_complete,
    spec_names_the_loss,
)

LAWS = (*NUMBERS, *SPELLINGS)


def check(loss: Loss, seed: int = 0) -> None:
    """Raise AssertionError, naming the loss, the form and the law, where a loss breaks what it promises.

    Checked at the given parameters, at the ends of each parameter's domain and at values drawn from it with `seed`.

    >>> import lossctl
    >>> from lossctl.testing import check
    >>> check(lossctl.get("huber"))
    """
    _hold(declaration_is_complete, loss, loss.spec)
    for setting in settings(loss, seed):
        check_setting(setting, (*LAWS, *REFUSALS) if setting is loss else LAWS, seed)


def check_setting(loss: Loss, laws: Sequence[Law], seed: int = 0) -> None:
    """Raise AssertionError where a loss at its parameters breaks one of some laws."""
    _hold(spec_names_the_loss, loss, loss.full_spec)
    for form in loss.forms:
        for width in widths(form):
            case = Case(loss, form, width, seed)
            for law in laws:
                _hold(law, case, str(case))


def _hold(law: Callable[[Any], None], subject: object, title: str) -> None:
    """Run one law; whatever it raises becomes an AssertionError with the law in words."""
    try:
        law(subject)
    except Exception as error:
        is_violation = isinstance(error, Violation)
        fault = str(error) if is_violation else f"raised {type(error).__name__}: {error}"
        words = (law.__doc__ or law.__name__).removeprefix("Check that ").rstrip(".")
        raise AssertionError(f"{title}: broken promise: {words}: {fault}") from None if is_violation else error
