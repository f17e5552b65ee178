"""`compare`: what the differences between models on the same rows are worth."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Unpack

from lossctl.api.evaluate import Inspect, answer
from lossctl.api.options import CompareOptions, Dependence, InputOptions, options_of, with_arguments
from lossctl.api.query import Query
from lossctl.engine.paired import PairedBounds
from lossctl.engine.plan import RESAMPLES, SEED, Design, Effect, couples
from lossctl.errors import BaselineError, UsageError, listed, near
from lossctl.results.report import Report

DEFAULTS: Final[Mapping[str, Any]] = {option.name: option.default for option in options_of(CompareOptions, Dependence)}
EFFECT = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?(%?)")


@with_arguments
def compare(
    arguments: dict[str, Any],
    data: object,
    *,
    baseline: str | None = None,
    all_pairs: bool = False,
    ci_method: str = "auto",
    resamples: int = RESAMPLES,
    seed: int = SEED,
    cluster: str | None = None,
    time: str | None = None,
    horizon: int = 1,
    power: str | float | None = None,
    equivalent: str | float | None = None,
    worst: int = 0,
    **options: Unpack[InputOptions],
) -> Report:
    """Compare models with a baseline: paired differences, intervals, p-values and verdicts, in the same pass.

    Parameters
    ----------
    data, **options
        As `evaluate` takes them; at least two models.
    baseline
        The model that others are compared with; by default the first.
    all_pairs
        Whether all couples are compared, and the set of models that may be best is worked out.
    ci_method
        `auto` (closed forms from sums: Student's t for means, the delta method for functions of means, order
        statistics for quantiles), `t` (the same), `normal`, or `bootstrap`.
    resamples, seed
        Of the bootstrap; the seed also draws the law of the largest of several differences.
    cluster
        A column whose values tell which rows belong together: rows of one user, series or document.
    time, horizon
        A column that orders the rows of one series, each forecast `horizon` steps ahead.
    power
        A difference of interest, `0.5` or `2%` of the baseline: the report says which difference these rows could
        have found, and how many rows this one would need.
    equivalent
        The largest difference that makes no difference, `0.5` or `2%` of the baseline: a verdict is `equivalent` where
        the whole interval lies within it, on both sides.
    worst
        How many of the rows to list where a candidate loses most, with their keys and slices.

    Returns
    -------
    Report
        With `comparisons`, `study`, `worst` and `best_sets` beside the cells.

    Raises
    ------
    UsageError
        The question is wrong: an unknown model or loss, options that do not fit.
    DataError
        The data cannot answer.

    Examples
    --------
    >>> import lossctl
    >>> data = {"y": [1.0, 2.0, 3.0, 4.0], "a": [1.5, 2.0, 2.5, 4.5], "b": [1.0, 2.1, 3.2, 4.0]}
    >>> report = lossctl.compare(data, target="y", pred=["a", "b"], losses="mae")
    >>> [(found.candidate, round(found.difference, 3), found.verdict) for found in report.comparisons]
    [('b', -0.3, 'undecided')]
    """
    query = Query(data, arguments)
    report, _ = answer(query, design_maker(query, arguments), (arguments["cluster"], arguments["time"]))
    return report


def compared(query: Query, baseline: str | None) -> Report:
    """Answer a query; where there are several models, or a baseline is named, with their differences."""
    make = design_maker(query, {"baseline": baseline})
    report, _ = answer(query, lambda models: make(models) if len(models) > 1 or baseline is not None else None)
    return report


def weigh(
    data: object,
    baseline: str,
    *,
    cluster: str | None = None,
    time: str | None = None,
    horizon: int = 1,
    inspect: Inspect | None = None,
    **options: Unpack[InputOptions],
) -> tuple[Report, PairedBounds]:
    """Compare models with a baseline as `compare` does; return what bounds can be asked of, too. inspect: of `answer`.

    Raises BaselineError where there is no such model.
    """
    query = Query(data, options)
    if query.options["ci"] is None:
        raise UsageError("ci: None leaves out the intervals that a statistical decision (--decide) rests on")
    design = design_maker(query, {"cluster": cluster, "time": time, "horizon": horizon}, relative=True)

    def make(models: tuple[str, ...]) -> Design:
        if baseline not in models:
            raise BaselineError(f"--baseline {baseline}: no such file or model; the models are {listed(list(models))}")
        return design(models)._replace(baseline=baseline, pairs=couples(models, baseline, False))

    report, weighed = answer(query, make, (cluster, time), inspect)
    assert weighed is not None
    return report, weighed


def design_maker(
    query: Query, arguments: Mapping[str, Any], *, relative: bool = False
) -> Callable[[tuple[str, ...]], Design]:
    """Check how models are to be compared; what names them is known only once the inputs are open.

    arguments: by name, those of `compare` among them; where one is left out, its default holds. relative: of `Design`.
    """
    options = {name: arguments.get(name, default) for name, default in DEFAULTS.items()}
    baseline, power, equivalent, method = map(options.pop, ("baseline", "power", "equivalent", "ci_method"))
    cluster, time, horizon = options["cluster"], options["time"], options["horizon"]
    if cluster is not None and time is not None:
        raise UsageError("--cluster and --time contradict each other: rows are taken as clusters, or as one series")
    if time is not None and method == "bootstrap":
        raise UsageError("--ci-method bootstrap resamples rows one by one, and --time says that they follow each other")
    if horizon > 1 and time is None:
        raise UsageError(f"--horizon {horizon} speaks of a series; --time COL says what orders it")
    effect = None if power is None else as_effect(power)
    margin = None if equivalent is None else as_effect(equivalent, "--equivalent")
    level = query.options["ci"]
    if level is None and (effect is not None or margin is not None or method != "auto" or cluster or time):
        raise UsageError("--no-ci leaves out what --power, --equivalent, --ci-method, --cluster and --time speak of")

    def make(models: tuple[str, ...]) -> Design:
        first = models[0] if baseline is None else baseline
        if first not in models:
            raise UsageError(
                f"--baseline {first}: no such model{near(first, list(models))}; there are {listed(list(models))}"
            )
        if len(models) < 2:
            raise UsageError(
                f"there is one model, {first!r}; a comparison takes two: name another with -p, or give its file"
            )
        pairs = couples(models, first, options["all_pairs"])
        return Design(
            **options,
            baseline=first,
            pairs=pairs,
            method=method,
            level=level,
            effect=effect,
            margin=margin,
            relative=relative,
        )

    return make


def as_effect(power: str | float, option: str = "--power") -> Effect:
    """Read a difference of interest: an amount, or a percentage of the baseline."""
    text = f"{power:g}" if isinstance(power, float | int) else power.strip()
    match = EFFECT.fullmatch(text)
    amount = float(f"{match[1]}{match[2] or ''}") if match else 0.0
    if match is None or not 0.0 < amount < float("inf"):
        raise UsageError(f"{option} {text}: a difference above zero is needed, as 0.5 or 2%")
    return Effect(amount / 100.0 if match[3] else amount, bool(match[3]), text)
