"""`choose`: which losses fit some data, and which of these to take. The command line calls it too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lossctl import registry
from lossctl.api.choosing.advice import cautions, picks
from lossctl.api.choosing.case import Case
from lossctl.api.choosing.fitting import sorted_out
from lossctl.api.choosing.outputs import output_of
from lossctl.api.choosing.rule import Seen
from lossctl.api.choosing.sights import sights
from lossctl.api.choosing.sitter import Sitter
from lossctl.api.choosing.thresholds import FEW_ROWS
from lossctl.api.options import MOST_THREADS, Names, checked_types, command, paths_of
from lossctl.core.form import form_wish
from lossctl.engine.run import Progress, Watch, unwatched
from lossctl.errors import UsageError, printable
from lossctl.io.machine import usable_cores
from lossctl.results.advice import Advice, Pick
from lossctl.version import __version__


def choose(
    data: object,
    *,
    target: str | None = None,
    pred: str | None = None,
    targets: object = None,
    roles: Names | Mapping[str, str] = None,
    positive_label: str | None = None,
    classes: str | Sequence[str] | None = None,
    missing: str = "error",
    delimiter: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    watch: Watch = unwatched,
) -> Advice:
    """Look at the data in one pass, and say which losses fit it, which do not, and which to take.

    Parameters
    ----------
    data
        One input, of any kind that `evaluate` takes.
    pred
        The prediction columns of one model; without any, the advice rests on the target alone.
    target, targets, roles, positive_label, classes, missing, delimiter, threads, progress, watch
        As `evaluate` takes them; roles are `left` and `right`, or `anchor`, `positive` and `negative`.

    Returns
    -------
    Advice
        The findings with their thresholds, the recommended losses, and a command that computes them.

    Raises
    ------
    UsageError
        Columns that do not go together, options that do not fit.
    DataError
        The data cannot be read, is missing or infinite, or holds no row.

    Examples
    --------
    >>> import lossctl
    >>> data = {"visits": [0, 2, 1, 0, 5, 1, 0, 3], "rate": [0.5, 1.9, 1.2, 0.4, 3.1, 1.0, 0.7, 2.2]}
    >>> advice = lossctl.choose(data, target="visits", pred="rate")
    >>> advice.kind, advice.specs
    ('counts', ('poisson', 'mae'))
    """
    plain = checked_types(
        {
            "target": target,
            "roles": roles,
            "positive_label": positive_label,
            "classes": classes,
            "missing": missing,
            "delimiter": delimiter,
            "threads": threads,
        }
    )
    if plain["missing"] not in ("error", "drop"):
        raise UsageError(f"missing {missing!r} is unknown; error or drop")
    if plain["threads"] is not None and not 1 <= plain["threads"] <= MOST_THREADS:
        raise UsageError(f"--threads {plain['threads']} is not allowed; from 1 to {MOST_THREADS}")
    if pred is not None and not isinstance(pred, str):
        raise UsageError(f"pred: {pred!r} is not allowed; the name of one column, or a text such as 'p_*', or None")
    asked = {**plain, "data": data, "targets": targets, "pred": pred}
    sitter = Sitter(asked)
    found = sitter.portray(plain["threads"] or usable_cores(), progress, watch)
    case = sitter.case(found.portrait)
    seen = Seen(case, output_of(case))
    losses = registry.losses()
    chosen = picks(seen, losses)
    fits, misfits = sorted_out(losses, case, seen.needs)
    text, lack = _command(seen, chosen, sitter, asked)
    return Advice(
        path=sitter.label,
        rows=found.read,
        used=found.portrait.rows,
        target=sitter.target,
        pred=sitter.pred,
        kind=case.kind,
        what=case.what,
        task=case.task,
        output=None if seen.output is None else seen.output.name,
        activation=seen.needs,
        findings=sights(case, seen.output),
        picks=chosen,
        cautions=cautions(seen, losses, chosen),
        fits=fits,
        misfits=misfits,
        command=text,
        warnings=(*_warnings(case, chosen), *([lack] if lack else [])),
        version=__version__,
    )


def _warnings(case: Case, chosen: Sequence[Pick]) -> Iterator[str]:
    """Yield what keeps advice from being given, or makes it rough."""
    target = case.line("target")
    if case.kind == "constant":
        seen = next((printable(word) for word, state in case.labels.items() if state.rows), "")
        value = f"{target.low:g}" if target is not None and target.count else seen
        yield f"the target is {value} in every row: nothing tells one loss from another, so none is recommended"
        return
    if not chosen:
        columns = f"{case.widths['pred']} prediction column" if "pred" in case.widths else "such"
        more = "; one prediction column for each class is needed" if case.kind == "classes" else ""
        yield f"no loss is recommended for {case.what} and {columns}{more}"
    if case.portrait.rows < FEW_ROWS.value:
        yield f"only {case.portrait.rows} rows: of fewer than {FEW_ROWS.value:g}, shares and scales are rough"
    if case.task == "regression" and target is not None and target.values is not None and len(target.values) == 2:
        low, high = (f"{value:g}" for value in sorted(target.values))
        yield f"the target holds {low} and {high} alone: if these are labels, --positive-label {high} says so"
    if case.inverted:
        yield "pairs labelled 1 are nearer than the others, but 1 means different: the command reads 0 as 1"


def _command(seen: Seen, chosen: Sequence[Pick], sitter: Sitter, asked: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the command that computes the first loss and the robust alternative; without one, possibly why not."""
    case = seen.case
    specs = [pick.spec for pick in chosen if pick.rank != "also"]
    files = paths_of(asked["data"])
    if not specs or files is None or (asked["targets"] is not None and paths_of(asked["targets"]) is None):
        return None, ""
    if set(case.widths) == {"target"}:
        return None, "no predictions are named: -p adds their range and the residuals, and a command to run"
    positive = asked["positive_label"] or ("0" if case.inverted else case.positive)
    if case.text and positive is None:
        return None, "no label has the higher predictions: --positive-label LABEL says which one is 1"
    options = {
        **asked,
        "target": sitter.chosen.patterns.get("target"),
        "positive_label": positive,
        "activation": None if seen.needs == "none" else seen.needs,
        "task": case.task if _takes_task(case, specs, seen.needs) else None,
        "losses": specs,
    }
    return command("eval", files, options), ""


def _takes_task(case: Case, specs: Sequence[str], activation: str) -> bool:
    """Whether a loss would read the columns in another form if the task were left to be told by them."""
    for loss in map(registry.loss_of, specs):
        widths = {role: case.widths[role] for role in loss.roles if role in case.widths}
        if loss.form_for(widths, form_wish(None, {activation})) != loss.form_for(widths, case.wish):
            return True
    return False
