"""`check`: rules and a baseline to a verdict. The command line calls it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lossctl import __version__
from lossctl.api.arguments import checked_types
from lossctl.api.baseline import Match, Reference, absence, held_by, losses_of, referred
from lossctl.api.commands import troubled
from lossctl.api.demands import Demands
from lossctl.api.inputs import Names, as_list
from lossctl.api.job import Note
from lossctl.api.query import only_known
from lossctl.api.report import ROUGH, Report
from lossctl.api.trial import Trial, trial
from lossctl.core.report import Cell, Check
from lossctl.errors import UsageError
from lossctl.gate.cases import Place, lay_out
from lossctl.gate.judge import MIN_SLICE, Terms, judge
from lossctl.gate.rules import Kind, Table, decision
from lossctl.gate.verdict import OnInsufficient, conclude
from lossctl.io.atomic import check_writable, write_text
from lossctl.io.columns import split_name


@dataclass(frozen=True)
class Checked(Report):
    """The result of `check`: an evaluation with `checks`, `verdict` and `advice`.

    candidates: the models that were judged. baseline: what they were held against, if anything. blocks: whether the
    verdict is to stop what comes next.
    """

    candidates: tuple[str, ...] = ()
    baseline: str | None = None
    blocks: bool = False

    def to_json(self) -> str:
        from lossctl.output.envelope import to_json

        return to_json(self, "check")


def check(
    data: object,
    *,
    max: Names = None,  # noqa: A002  # the option's own name
    min: Names = None,  # noqa: A002  # the option's own name
    max_slice: Names = None,
    max_regression: Names = None,
    rules: Sequence[Table] = (),
    baseline: str | None = None,
    decide: str = "point",
    cluster: str | None = None,
    time: str | None = None,
    horizon: int = 1,
    min_slice: int = MIN_SLICE,
    on_insufficient: OnInsufficient | None = None,
    baseline_optional: bool = False,
    save_baseline: str | None = None,
    configured: bool = False,
    by: Names = None,
    note: Note | None = None,
    **inputs: Any,
) -> Checked:
    """Judge models by rules, and against a baseline; every rule is judged, and nothing passes for want of a number.

    Parameters
    ----------
    data
        What `evaluate` takes, or the path of one saved report (`-` for one on standard input).
    max, min, max_slice
        `LOSS=LIMIT`: over all rows a loss is at most this, a score at least; the same of every slice.
    max_regression
        `LOSS=TOLERANCE`, as `2%`, `0.01` or `2%,0.01`: how much worse than the baseline it may be, over all rows and
        in each slice.
    rules
        Tables of rules, as those of a configuration file.
    baseline
        A saved report, a file or folder of predictions, or the name of a model.
    decide
        point, significant (a regression must be proven) or noninferior (that there is none must be proven).
    cluster, time, horizon
        How rows depend on each other, for statistical decisions, as `compare` takes them.
    min_slice
        The rows that a slice needs to be judged.
    on_insufficient
        warn: what could not be decided never blocks; fail: every slice that could not be decided does.
    baseline_optional
        A baseline that does not exist leaves its rules out, with a warning.
    save_baseline
        Where to save the candidates' report, unless a rule stands against it.
    configured
        Whether settings of a configuration file are in force, which printed commands must then do without.
    by, note, inputs
        As `evaluate` takes them.

    Returns
    -------
    Checked
        The report with checks and verdict.

    Raises
    ------
    UsageError
        The rules are wrong, or there is nothing to check.
    DataError
        The data cannot be judged.
    BaselineError
        The baseline is missing, unreadable, or of other data, parameters or another schema.

    Examples
    --------
    >>> import lossctl
    >>> data = {"y": [1.0, 2.0, 3.0], "p": [1.5, 2.0, 2.5]}
    >>> report = lossctl.check(data, target="y", pred="p", max="mae=0.3")
    >>> report.verdict, report.checks[0].message
    ('fail', '0.333333 is above 0.3, by 0.0333333')
    """
    only_known(check, inputs)
    note = note or (lambda text: None)
    kinds: dict[Kind, Names] = {"max": max, "min": min, "max-slice": max_slice, "max-regression": max_regression}
    limits = checked_types({key_of(kind): texts for kind, texts in kinds.items()})
    plain = checked_types(
        {
            "baseline": baseline,
            "save_baseline": save_baseline,
            "decide": decide,
            "cluster": cluster,
            "time": time,
            "horizon": horizon,
            "min_slice": min_slice,
            "baseline_optional": baseline_optional,
        }
    )
    baseline, save_baseline, min_slice = plain["baseline"], plain["save_baseline"], plain["min_slice"]
    demands = Demands.read(
        [(kind, text) for kind in kinds if kind != "max-regression" for text in as_list(limits[key_of(kind)])],
        as_list(limits["max_regression"]),
        rules,
        decision(decide),
    )
    if min_slice < 0:
        raise UsageError(f"--min-slice {min_slice}: a number of rows >= 0 is needed")
    if on_insufficient not in (None, "warn", "fail"):
        raise UsageError(f"--on-insufficient {on_insufficient}: warn or fail")
    _consider(demands, baseline, save_baseline, decide, baseline_optional)
    tried = trial(data, demands, as_list(by), inputs, note)
    reference = referred(baseline) if baseline is not None and demands else None
    statistical = next((bound.rule for bound in tried.bounds if bound.rule.decide != "point"), None)
    if reference is not None and reference.kind == "report" and statistical is not None:
        raise UsageError(
            f"{statistical.origin}: decide {statistical.decide} asks for rows, and the baseline {reference.label} is "
            "a report, of values only; give the baseline's predictions, or decide by point"
        )
    if save_baseline is not None:
        _writable(save_baseline, tried.files, reference)
    more = ["--no-config"] if configured else []
    accept = None
    if reference is not None and reference.kind != "predictions":
        accept = tried.accepts(reference.path or reference.text, losses_of(reference), *more)
    absent = absence(reference, tried.models, accept, baseline_optional)
    reference = None if absent else reference
    if statistical is None and (cluster is not None or time is not None):
        note("--cluster and --time have no say here: no rule is decided by statistics (--decide)")
    rows = None
    if statistical is not None and reference is not None:
        rows = {"cluster": cluster, "time": time, "horizon": horizon}
    found, evidence = tried.run(reference, rows)
    absent = absent or absence(reference, lambda: found.models, accept, baseline_optional)
    reference = None if absent else reference
    if reference is not None and reference.kind != "model" and reference.text in found.models:
        raise UsageError(
            f"--baseline {reference.text}: is a model, and a file, too; write ./{reference.text} for the file, or name "
            "the model otherwise with -p NAME=COLUMNS"
        )
    candidates = [
        model for model in found.models if reference is None or reference.kind == "report" or model != reference.name
    ]
    if not candidates:
        raise UsageError(f"--baseline {baseline}: is the only model, so there is no candidate")
    warnings = [text for text in found.warnings if not text.startswith(ROUGH)]  # no interval of a value decides
    warnings += [*tried.remarks, *([absent] if absent else [])]
    held: Mapping[Place, Cell] = {}
    if reference is not None and reference.kind == "report":
        match = Match(reference, found, accept)
        match.same_rows(candidates)
        held = match.cells([bound for bound in tried.bounds if bound.rule.compares], candidates, tried.given)
    elif reference is not None:
        held = held_by(reference.name, found, tried.bounds, candidates)
    cases = lay_out(tried.bounds, candidates, found.cells, held, tried.given)
    checks = judge(cases, Terms(min_slice, "there is no baseline" if absent else None, len(candidates) > 1, evidence))
    judged = conclude(checks, on_insufficient)
    verdict = judged.verdict if demands else None
    if save_baseline is not None:
        if verdict in (None, "pass"):
            write_text(save_baseline, tried.kept(found, candidates))
            note(f"baseline saved to {save_baseline}")
        else:
            warnings.append(f"{save_baseline}: the baseline is not saved, as the verdict is {verdict}")
    return Checked(
        found.cells,
        found.inputs,
        found.task,
        found.reduction,
        found.level,
        __version__,
        tuple(warnings),
        study=found.study,
        comparisons=found.comparisons,
        checks=tuple(checks),
        verdict=verdict,
        advice=_advice(tried, reference, checks, accept, more, rows) if verdict not in (None, "pass") else (),
        candidates=tuple(candidates),
        baseline=reference.label if reference is not None else None,
        blocks=judged.blocks and verdict is not None,
    )


def key_of(kind: Kind) -> str:
    """Return the argument that takes the rules of a kind."""
    return kind.replace("-", "_")


def _consider(
    demands: Demands, baseline: str | None, save_baseline: str | None, decide: str, baseline_optional: bool
) -> None:
    """Raise UsageError for demands that say nothing, or that lack what they compare with."""
    if baseline_optional and baseline is None:
        raise UsageError("--baseline-optional: there is no --baseline that it could speak of")
    rules = [*demands.of_file, *demands.of_command]
    if not rules and save_baseline is None:
        raise UsageError(
            "nothing to check: give a rule such as --max rmse=0.35, or --baseline main.json --max-regression rmse=2%, "
            "or [[check]] tables in a configuration file"
        )
    compared = [rule for rule in rules if rule.compares]
    if compared and baseline is None:
        raise UsageError(f"{compared[0].origin}: compares with a baseline; say which with --baseline")
    if rules and not compared:
        for option, given in (
            (f"--baseline {baseline}", baseline is not None),
            (f"--decide {decide}", decide != "point"),
        ):
            if given:
                raise UsageError(
                    f"{option}: no rule compares with a baseline; add one such as --max-regression rmse=2%"
                )


def _writable(path: str, files: Sequence[str] | None, reference: Reference | None) -> None:
    """Raise early if the baseline cannot be saved, or would be saved over what is read as data."""
    reads = [piece for file in files or [] for piece in (file, split_name(file)[1])]
    check_writable(path, [*reads, *([reference.path] if reference and reference.kind == "predictions" else [])])


def _row_options(rows: Mapping[str, Any] | None) -> list[str]:
    """Write how rows depend on each other as options of `compare`."""
    given = {
        name: value for name, value in (rows or {}).items() if value is not None and (name, value) != ("horizon", 1)
    }
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]


def _advice(
    tried: Trial,
    reference: Reference | None,
    checks: Sequence[Check],
    accept: str | None,
    more: Sequence[str],
    rows: Mapping[str, Any] | None,
) -> tuple[str, ...]:
    """Return the commands that show more, and that accept the new values."""
    found = [tried.looks(reference, troubled(checks), *more, *_row_options(rows))]
    regressed = any(check.kind == "max-regression" and check.status not in ("pass", "skipped") for check in checks)
    if regressed and reference is not None and reference.kind == "report":
        found.append(accept)
    return tuple(text for text in found if text is not None)
