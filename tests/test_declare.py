"""How a loss is declared: what its docstring states, what depends on parameters, slopes that follow from values."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pytest

from lossctl.core import statistic
from lossctl.core.batch import Batch, abs_residual, residual
from lossctl.core.declare import Recipe, complement, described, loss, recipe, sample
from lossctl.core.domain import POSITIVE
from lossctl.core.loss import Peer
from lossctl.core.statistic import MEAN, RATIO, ROOT, Statistic, one_less, root_of
from lossctl.losses.forms import regression
from lossctl.numerics.array import Array
from lossctl.plugin import Reading, combine, loss as plugged

FORMS, ONE_OUTPUT = (regression(),), (regression(one=True),)
TEXT = """Size of the error.

    Free text, whose
    lines stay
        as they are unless indented.

    Formula: mean of |r|,
        r = pred - target
    Unit: target
    Use: Always.
    Avoid: Never.
    Source: Boscovich 1757
    Also: size, distance
    Elsewhere:
        torch  nn.L1Loss
        keras  MeanAbsoluteError
            # its means are
            float32
    """


def test_a_docstring_states_the_facts() -> None:
    facts = described("size", TEXT)
    assert (facts["summary"], facts["doc"]) == (
        "Size of the error.",
        "Free text, whose\nlines stay as they are unless indented.",
    )
    assert (facts["formula"], facts["aliases"]) == ("mean of |r|, r = pred - target", ("size", "distance"))
    assert facts["elsewhere"] == (
        Peer("torch", "nn.L1Loss"),
        Peer("keras", "MeanAbsoluteError", note="its means are float32"),
    )


def test_a_line_that_belongs_to_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="size: 'Or not' belongs to no head"):
        described("size", "Size.\n\nUse: Always.\nOr not")


def test_plain_docstrings_have_no_heads() -> None:
    assert described("size", "Size.\n\nUse: it.", plain=True) == {"summary": "Size.", "doc": "Use: it."}


FACTS: dict[str, Any] = dict.fromkeys(("formula", "unit", "source", "use", "avoid"), "-")


@loss(forms=lambda scale: FORMS if scale <= 1.0 else ONE_OUTPUT, **FACTS)
def size(batch: Batch, *, scale: Annotated[float, POSITIVE, "factor"] = 1.0) -> Array:
    """Size of the error."""
    return scale * abs_residual(batch)


@recipe(like=size, formula="-")
def mean_or_root(scale: float) -> Recipe:
    """One of two statistics."""
    return Recipe((abs_residual,), MEAN if scale == 1.0 else ROOT)


def test_what_depends_on_parameters_follows_them_there_and_back() -> None:
    wider = size.bind(scale=2.0)
    assert (size.forms, wider.forms) == (FORMS, ONE_OUTPUT)
    assert wider.bind(scale=1.0).forms == size.forms
    assert mean_or_root.params == size.params
    assert mean_or_root.bind(scale=2.0).statistic is ROOT
    assert mean_or_root.bind(scale=2.0).bind(scale=1.0).statistic is MEAN
    assert mean_or_root.bind(scale=2.0)(target=[0.0], pred=[4.0]) == 2.0


def test_the_complement_of_a_recipe() -> None:
    assert complement(Recipe((residual,), MEAN)).statistic is one_less(MEAN)
    whole = complement(sample(residual, value=lambda ordered: 0.25)).whole
    assert whole is not None
    assert whole(np.zeros((2, 3))) == 0.75


FUNCTIONS = (
    lambda m: m[0] * m[1] - 2.0 * m[2] / m[0] + m[1] ** 3,
    lambda m: np.sqrt(m[0]) + np.exp(-m[1]) * np.log(m[2]) + np.log1p(m[0]) * np.expm1(m[1]),
    lambda m: np.maximum(m[0], m[1]) + np.minimum(m[1], 0.0) + np.clip(m[2], 0.0, 1.0) + np.square(np.abs(m[1])),
    lambda m: np.where(m[0] > m[1], m[2] * m[0], m[1]),
    lambda m: np.add.reduce(np.abs(np.stack(m))[1:] * m[0], axis=0) + np.maximum.reduce(np.stack(m), axis=0),
    lambda m: 2.0 ** m[0] + m[1] ** m[2],
)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", [(), (4,)])
def test_derived_slopes_are_the_limits_of_differences(function: Any, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    at = tuple(np.float64(x) if shape == () else x for x in rng.uniform(0.2, 3.0, (3, *shape)))
    for i, slope in enumerate(statistic.slopes(function, at)):
        up, down = ((*at[:i], at[i] + step, *at[i + 1 :]) for step in (1e-6, -1e-6))
        np.testing.assert_allclose(slope, (function(up) - function(down)) / 2e-6, rtol=1e-8, atol=1e-8)


def test_a_function_without_a_rule_is_refused_and_a_constant_is_flat() -> None:
    with pytest.raises(TypeError):
        statistic.slopes(lambda m: np.sin(m[0]), (1.0,))
    assert statistic.slopes(lambda m: 3.0, (1.0, 2.0)) == (0.0, 0.0)


def test_statistics_of_statistics() -> None:
    m = (np.float64(1.0), np.float64(4.0))
    assert (one_less(RATIO).value(m), root_of(RATIO).value(m)) == (0.75, 0.5)
    assert one_less(RATIO).slope(m) == (-0.25, 0.0625)
    assert root_of(RATIO).slope(m) == (0.25, -0.0625)
    assert Statistic("twice", lambda m: 2.0 * m[0]).slope(m[:1]) == (2.0,)


def test_a_plug_in_may_leave_the_slope_out() -> None:
    twice = Reading("twice", lambda m: 2.0 * m[0])
    declared = combine("twice", parts=(abs_residual,), forms=FORMS, reading=twice, summary="-", doc="", **FACTS)
    assert declared(target=[0.0], pred=[3.0]) == 6.0
    assert twice.slope((np.float64(3.0),)) == (2.0,)


def test_a_plug_in_may_state_facts_in_the_docstring() -> None:
    @plugged(forms=FORMS)
    def error(batch: Batch) -> Array:
        """Size.

        Formula: |r|
        Unit: target
        Use: Always.
        Avoid: Never.
        Source: none
        """
        return abs_residual(batch)

    assert (error.formula, error.unit, error.doc) == ("|r|", "target", "")
