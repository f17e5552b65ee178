"""Every loss keeps every promise, and the suite that says so finds each kind of broken one."""

# NumPy's ufuncs return Any, which the losses below pass on
# mypy: disable-error-code=no-any-return

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lossctl import registry
from lossctl.core.batch import Batch, flag, residual
from lossctl.core.domain import POSITIVE, UNIT, Flag, Interval
from lossctl.core.form import Form
from lossctl.core.loss import Loss
from lossctl.core.statistic import MEAN, ROOT, Statistic
from lossctl.errors import DataError
from lossctl.losses.forms import BINARY, CLASSES, MARGIN, line, regression
from lossctl.numerics.array import Array
from lossctl.plugin import combine, loss
from lossctl.testing import LAWS, NUMBERS, REFUSALS, Case, Violation, check, check_setting, settings, widths
from lossctl.testing.cases import extremes
from lossctl.testing.laws import (
    declaration_is_complete,
    row_order_is_free,
    strangers_are_refused,
    weights_repeat_rows,
    zero_weight_is_absence,
)

FACTS: dict[str, Any] = {
    "formula": "as written",
    "unit": "1",
    "source": "this test",
    "use": "Testing.",
    "avoid": "Anything else.",
}
REGRESSION = (regression(),)
Scale = Annotated[float, POSITIVE, "residual at which the loss is ln 2"]
Level = Annotated[float, UNIT, "the quantile asked for"]


@pytest.mark.deep
@pytest.mark.parametrize("sound", registry.losses().values(), ids=str)
def test_every_loss_keeps_its_promises(sound: Loss) -> None:
    """Those of how data may be spelt at the defaults and with all parameters drawn at once."""
    declaration_is_complete(sound)
    default, *others = settings(sound, seed=0)
    check_setting(default, (*LAWS, *REFUSALS))
    for setting in others:
        check_setting(setting, LAWS if setting is others[-1] else NUMBERS)


@pytest.mark.slow
@pytest.mark.parametrize("sound", registry.losses().values(), ids=str)
def test_every_loss_keeps_its_promises_at_every_setting(sound: Loss) -> None:
    check(sound)


# sound losses of others ------------------------------------------------------------------------------------------


def _cauchy_gradient(batch: Batch, *, scale: float) -> Array:
    return 2.0 * residual(batch) / (scale**2 + np.square(residual(batch)))


@loss(forms=REGRESSION, gradient=_cauchy_gradient, **FACTS)
def cauchy(batch: Batch, *, scale: Scale = 1.0) -> Array:
    """Logarithm of one plus the squared residual."""
    return np.log1p(np.square(residual(batch) / scale))


def _gaussian_gradient(batch: Batch) -> dict[str, Array]:
    r, scale = residual(batch), batch["scale"]
    return {"pred": r / np.square(scale), "scale": (1.0 - np.square(r / scale)) / scale}


GAUSSIAN = Form(
    "gaussian",
    {"target": regression().roles["target"], "pred": regression().roles["pred"], "scale": POSITIVE},
    line("pred, target 0, scale 1", (-1.0, 0.0, 1.0), 0.0),
)
GAUSSIAN = replace(GAUSSIAN, curve=replace(GAUSSIAN.curve, roles={**GAUSSIAN.curve.roles, "scale": ((1.0,) * 3,)}))


@loss(forms=(GAUSSIAN,), gradient=_gaussian_gradient, best=None, **FACTS)
def gaussian(batch: Batch) -> Array:
    """Negative log-likelihood of a normal target, with a scale for each row."""
    return np.log(batch["scale"]) + 0.5 * np.square(residual(batch) / batch["scale"])


@pytest.mark.parametrize("sound", [cauchy, cauchy.bind(scale=0.1), gaussian], ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_sound_loss_from_elsewhere_passes(sound: Loss, seed: int) -> None:
    check(sound, seed)


# broken ones -----------------------------------------------------------------------------------------------------


def declare(function: Any, **facts: Any) -> Loss:
    """Declare a loss with the facts above."""
    return loss(**{"forms": REGRESSION, "best": None, **FACTS, **facts})(function)


def _quantile_gradient_of_the_median(batch: Batch, *, q: float) -> Array:
    return 0.5 * np.sign(residual(batch))


def right_at_the_default_only(batch: Batch, *, q: Level = 0.5) -> Array:
    """Quantile loss whose gradient is that of the median."""
    return np.maximum((1.0 - q) * residual(batch), -q * residual(batch))


def squared(batch: Batch) -> Array:
    """Squared residual."""
    return np.square(residual(batch))


def absolute(batch: Batch) -> Array:
    """Absolute residual."""
    return np.abs(residual(batch))


def grows_with_the_batch(batch: Batch) -> Array:
    """Squared residual times the rows that happen to come together."""
    return np.square(residual(batch)) * batch.rows


def about_the_mean_of_the_batch(batch: Batch) -> Array:
    """Squared distance of the residual from its mean over the batch."""
    return np.square(residual(batch) - np.add.reduce(residual(batch), axis=1) / max(batch.rows, 1))


def looks_at_its_neighbour(batch: Batch) -> Array:
    """Squared difference to the row before."""
    return np.square(np.diff(residual(batch), prepend=0.0))


def broadcasts(batch: Batch) -> Array:
    """Squared difference of every prediction to every target."""
    return np.square(batch.pred.T - batch.target)


def nan_where_it_is_certain(batch: Batch) -> Array:
    """Binary cross-entropy with 0 times ln 0."""
    y = flag(batch)
    return -y * np.log(batch.pred) - (1.0 - y) * np.log1p(-batch.pred)


def writes_to_its_input(batch: Batch) -> Array:
    """Squared residual that moves the predictions of its caller."""
    r = np.square(residual(batch))
    batch.raw.flags.writeable = True
    batch.raw[:, :1] += 1.0
    return r


def only_zero_and_one(batch: Batch) -> Array:
    """Brier score that forgets that flags may be -1."""
    return np.square(batch.pred - batch.target)


def forgets_the_activation(batch: Batch) -> Array:
    """Brier score of the columns as they were read."""
    return np.square(batch.raw - flag(batch))


def divides_by_the_target(batch: Batch) -> Array:
    """Percentage error; 0/0 where the target may be 0."""
    return np.abs(residual(batch)) / np.abs(batch.target)


def undefined_below(batch: Batch) -> Array:
    """Squared difference of square roots, on a domain with negative numbers."""
    return np.square(np.sqrt(batch.pred) - np.sqrt(np.abs(batch.target)))


def _slope_of_one_sum(batch: Batch) -> Array:
    return np.add.reduce(2.0 * residual(batch), axis=0)


def _slope_without_columns(batch: Batch) -> Array:
    return np.mean(2.0 * residual(batch), axis=0)


def _beyond_the_kink(batch: Batch) -> Array:
    return np.where(residual(batch) == 0.0, 2.0, np.sign(residual(batch)))


def _nan_at_the_kink(batch: Batch) -> Array:
    return residual(batch) / np.abs(residual(batch))


def _mean_of_all(ordered: Array) -> float:
    return float(np.mean(ordered[0]))


def _weighted_mean(ordered: Array) -> float:
    return float(np.sum(ordered[0] * ordered[1]) / np.sum(ordered[1]))


HALF_ROOT = Statistic("root", ROOT.value, MEAN.slope)
SAMPLE: dict[str, Any] = {**FACTS, "forms": (regression(one=True),), "summary": "A sample.", "doc": "", "best": None}
TO_NINE = regression(Interval(low=0.0, high=9.0), curve=line("pred, target 1", (0.0, 1.0, 2.0), 1.0))
FROM_ZERO = regression(Interval(low=0.0, high=9.0, low_closed=True), curve=TO_NINE.curve)
OFF_THE_DOMAIN = regression(POSITIVE, curve=line("pred, target -1", (1.0, 2.0), -1.0))


def raises(batch: Batch) -> Array:
    """Not a loss."""
    raise ZeroDivisionError(batch.form)


BROKEN = {
    "gradient at other parameters": (
        declare(right_at_the_default_only, gradient=_quantile_gradient_of_the_median),
        r":q=0 \(form regression, .* the slope of each row's loss: by pred, column 0, at target",
    ),
    "gradient sums the outputs": (declare(squared, gradient=_slope_of_one_sum), "width 3.*slope of each row's loss"),
    "gradient averages the outputs": (declare(squared, gradient=_slope_without_columns), "width 3.*slope of each row"),
    "gradient outside a kink": (declare(absolute, gradient=_beyond_the_kink), "it is 2; the slope is -1 below and 1"),
    "gradient of NaN": (declare(absolute, gradient=_nan_at_the_kink), "it is nan; the slope is -1 below and 1 above"),
    "merge depends on the batch": (declare(grows_with_the_batch), "merging the parts gives"),
    "merge centred on the batch": (declare(about_the_mean_of_the_batch), "merging the parts gives"),
    "rows depend on the order": (declare(looks_at_its_neighbour), "merging the parts gives"),
    "rows are broadcast": (declare(broadcasts), "form regression.* width 1.*broken promise"),
    "NaN at an end": (
        declare(nan_where_it_is_certain, forms=(BINARY,)),
        r" \(form binary.*closed ends .* NaN: the loss is NaN at target \[0.0\], pred \[0.0\]",
    ),
    "NaN at an ordinary row": (declare(undefined_below), "data away from the ends .*: NaN at target"),
    "best too low": (declare(squared, best=-1.0), "a perfect prediction has 0.0, best is -1.0"),
    "best too high": (declare(squared, best=1.0), "is better than best = 1.0"),
    "best of a score": (declare(squared, best=0.0, direction="max"), "is better than best = 0.0"),
    "truth is not the best": (declare(only_zero_and_one, best=0.0, forms=(MARGIN,)), "a perfect prediction has"),
    "input is modified": (declare(writes_to_its_input), "the arrays of the caller stay as they are: pred is modified"),
    "weights are ignored": (
        combine("unweighted", parts=(absolute,), keeps="sample", whole=_mean_of_all, **SAMPLE),
        "an integer weight is that many equal rows: weight",
    ),
    "flags are 0 and 1 only": (declare(only_zero_and_one, forms=(BINARY,)), "flags written -1 and .1"),
    "activation is forgotten": (declare(forgets_the_activation, forms=(BINARY,)), "sigmoid gives .* instead of"),
    "slope of the reading": (declare(squared).then("root", HALF_ROOT), "slope of the reading .*: by mean 0 it is 1, "),
    "value is another mean": (replace(declare(squared), row=absolute), "the mean of the row losses"),
    "curve off the domain": (
        declare(squared, forms=(OFF_THE_DOMAIN,)),
        r"curve is data .* DataError: target\[0\] = -1",
    ),
    "form is never reached": (
        declare(squared, forms=(regression(one=True), regression())),
        "width 1.*read as this form: columns",
    ),
    "no formula": (declare(squared, formula=" "), ": broken promise: .*formula is empty"),
    "no summary": (replace(declare(squared), summary=""), "summary is empty"),
    "loss raises": (declare(raises, forms=(CLASSES,)), "form multiclass, .* width 2.*raised ZeroDivisionError: multi"),
}


@pytest.mark.parametrize(("broken", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_loss_is_found(broken: Loss, words: str) -> None:
    with pytest.raises(AssertionError, match=rf"(?s)^{broken.name}.*{words}"):
        check(broken)


def test_the_broken_ones_are_sound_but_for_what_is_broken() -> None:
    """A toy that fails for another reason would prove nothing: these are the same losses, mended."""
    check(declare(squared, gradient=lambda batch: 2.0 * residual(batch), best=0.0))
    check(declare(absolute, gradient=lambda batch: np.sign(residual(batch)), best=0.0))
    check(combine("weighted", parts=(absolute,), keeps="sample", whole=_weighted_mean, **SAMPLE))
    check(declare(squared).then("root", ROOT))


def test_only_a_closed_end_finds_what_is_wrong_there() -> None:
    check(declare(divides_by_the_target, forms=(TO_NINE,)))
    with pytest.raises(AssertionError, match=r"closed ends .*: the loss is NaN at target \[0.0\]"):
        check(declare(divides_by_the_target, forms=(FROM_ZERO,)))


class Anything(Interval):
    """A domain that takes what it does not understand."""

    def outside(self, x: Array) -> NDArray[np.bool_]:
        return np.zeros(x.shape[-1], dtype=bool)

    def admits(self, x: Array) -> bool:
        return True


def _rows(ordered: Array) -> float:
    return float(ordered.shape[1])


@pytest.mark.parametrize(
    ("law", "broken", "words"),
    [
        (row_order_is_free, declare(looks_at_its_neighbour), "another order of rows gives"),
        (strangers_are_refused, declare(squared, forms=(regression(Anything()),)), "target nan is accepted, DataError"),
        (
            weights_repeat_rows,
            combine("counted", parts=(absolute,), keeps="sample", whole=_rows, **SAMPLE),
            "gives 1[0-9].0 instead of",
        ),
        (zero_weight_is_absence, declare(about_the_mean_of_the_batch), "adding rows of zero weight gives"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_law_finds_what_breaks_it(law: Callable[[Case], None], broken: Loss, words: str) -> None:
    """Laws that come late in the suite, seen alone: an earlier one might find the same fault."""
    with pytest.raises(Violation, match=words):
        law(Case(broken, broken.forms[0], 1, 0))


# what the suite covers -------------------------------------------------------------------------------------------


def test_settings_reach_every_parameter() -> None:
    """Each parameter is changed alone; ends, switches and `off` are among the values."""
    specs = [setting.spec for setting in settings(registry.loss_of("triplet"), 0)]
    assert specs[0] == "triplet"
    assert {"triplet:margin=0", "triplet:p=1", "triplet:swap=true", "triplet:squared=true"} <= set(specs)
    alphas = {setting.args["alpha"] for setting in settings(registry.loss_of("focal:alpha=0.25"), 0)}
    assert {None, 0.0, 0.25, 1.0} <= alphas
    assert len(alphas) > 4


def test_every_law_meets_a_loss_of_each_form() -> None:
    """Forms of all losses are visited, at one column and at several where both are possible."""
    forms = {(form.name, form.labels): widths(form) for found in registry.losses().values() for form in found.forms}
    assert forms[("multiclass", True)] == (2, 3)
    assert forms[("boxes", False)] == (4,)
    assert forms[("masks", False)] == (1, 3)
    assert len({law.__name__ for law in (*LAWS, *REFUSALS)}) == len(LAWS) + len(REFUSALS)


@pytest.mark.parametrize("found", registry.losses().values(), ids=str)
def test_laws_are_not_vacuous(found: Loss) -> None:
    """On ordinary data the numbers are finite and differ: equality of infinities would prove nothing."""
    for form in found.forms:
        case = Case(found, form, widths(form)[-1], 0)
        numbers = case.numbers(case.data())
        assert np.isfinite(case.value(case.data()))
        assert np.isfinite(numbers).all()
        assert found.row is None or len(set(numbers.tolist())) > 1


def test_weights_of_a_median_are_rows_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    median = registry.loss_of("median_absolute_error")
    for rows in (1, 2, 3, 10, 31):
        target, pred = rng.normal(size=(2, rows))
        weight = rng.integers(0, 4, rows)
        weight[0] += 1
        repeated = median(target=np.repeat(target, weight), pred=np.repeat(pred, weight))
        assert median(target=target, pred=pred, weight=weight) == repeated
        assert repeated == np.median(np.repeat(np.abs(pred - target), weight))


@pytest.mark.deep
@pytest.mark.parametrize("sound", [loss for loss in registry.losses().values() if loss.params], ids=str)
def test_every_parameter_changes_the_number(sound: Loss) -> None:
    def numbers(setting: Loss) -> list[float]:
        found: list[float] = []
        for form in setting.forms:
            for width in widths(form):
                case = Case(setting, form, width, 0)
                tried = [case.data(), case.data(wild=True), extremes(case) or case.data()]
                if isinstance(form.roles.get("target"), Interval):
                    tried.append({**case.data(), "target": np.zeros_like(case.data()["target"])})
                if isinstance(form.roles.get("target"), Flag) and "pred" in form.roles:  # one class and one answer
                    tried.append({**case.data(), **{r: 0.0 * case.data()[r] for r in ("target", "pred")}})
                for columns in tried:
                    try:
                        found += [*case.numbers(columns), case.value(columns)]
                    except DataError:  # values that some parameters allow and others do not
                        found.append(float("nan"))
        return found

    plain = numbers(sound)
    for param in sound.params:
        alone = (sound.bind(**{param.name: other.args[param.name]}) for other in settings(sound, 0))
        others = (numbers(setting) for setting in alone if setting.args != sound.args)
        changed = any(not np.array_equal(found, plain, equal_nan=True) for found in others)
        assert changed, f"{param.name} changes nothing"
