"""`choose`: which losses fit some data, and which of these to take. The command line calls it too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, get_args

import numpy as np

from lossctl import registry
from lossctl.api.choose_rules import FEW_ROWS, KINDS, MAY_BE_LABELS, Facts, LossRule
from lossctl.api.evaluate import look_ahead, row_source
from lossctl.api.job import width_of
from lossctl.api.multicolumn import are_quantiles, models_apart
from lossctl.api.options import Names, with_arguments
from lossctl.api.query import Query, as_list, command, open_inputs, paths_of, tell_extent
from lossctl.core.block import RAW, Block, Breach, breach, judged
from lossctl.core.domain import REAL, Domain, as_number
from lossctl.core.form import OPTIONAL, Form, form_wish
from lossctl.core.loss import Loss
from lossctl.core.state import NEVER
from lossctl.engine.run import Progress, Watch, in_any_order, unwatched
from lossctl.errors import DataError, UsageError, printable
from lossctl.io.blocks import BlockReader, TargetRule, check_single
from lossctl.io.machine import usable_cores
from lossctl.io.select import Request, classes_of, pair_outputs, select
from lossctl.io.source import Dialect
from lossctl.profile.roles import role_domains
from lossctl.profile.rows import LabelProfile, RowProfiler, RowsProfile, middles
from lossctl.results.advice import Advice, Caution, Ground, Misfit, Pick, Rank
from lossctl.results.survey import MOST_WORDS
from lossctl.version import __version__

EMBEDDINGS: Final = ({"left", "right"}, {"anchor", "positive", "negative"})
LABELS: Final = "labels"  # the slicing as which a target of text is read
PREDICTED: Final = "predicted"  # the one as which predictions of text are
NO_MODEL: Final = "target"  # the name of a model that predicts nothing


@with_arguments
def choose(
    arguments: dict[str, Any],
    data: object,
    *,
    target: Names = None,
    pred: str | None = None,
    targets: object = None,
    concat: bool = False,
    id: Names = None,  # noqa: A002  # the option's own name
    id_missing: str = "error",
    roles: Names | Mapping[str, str] = None,
    positive_label: str | None = None,
    classes: str | Sequence[str] | None = None,
    missing: str = "error",
    delimiter: str | None = None,
    no_header: bool = False,
    comment: str | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    null: Names = None,
    quote: str = '"',
    escape: str | None = None,
    bad_rows: str = "error",
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
    target, targets, concat, id, id_missing, roles, positive_label, classes, missing, threads, progress
        As `evaluate` takes them, like the options of text files (`delimiter` to `bad_rows`); roles are `left` and
        `right`, or `anchor`, `positive` and `negative`.
    watch
        As `evaluate` takes it.

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
    query = Query(data, {**arguments, "pred": None})
    if pred is not None and not isinstance(pred, str):
        raise UsageError(f"pred: {pred!r} is not allowed; the name of one column, or a text such as 'p_*', or None")
    columns = Columns(query, pred)
    profile = columns.profile()
    facts, losses = columns.facts(profile), registry.losses()
    fits, misfits = sort_losses(losses, facts)
    picks, cautions = advise(facts, {name: losses[name] for name in fits})
    text, lack = columns.command(facts, [pick.spec for pick in picks if pick.rank != "also"])
    return Advice(
        path=columns.label,
        rows=profile.read,
        used=profile.rows,
        target=columns.target,
        pred=columns.pred,
        kind=facts.kind,
        what=facts.words,
        task=facts.task,
        output=None if facts.output is None else facts.output.name,
        activation=facts.activation,
        findings=facts.findings,
        picks=picks,
        cautions=cautions,
        fits=fits,
        misfits=misfits,
        command=text,
        warnings=(*_warnings(facts, picks), *([lack] if lack else [])),
        version=__version__,
    )


class Columns:
    """One input, opened, with the columns that play a role."""

    def __init__(self, query: Query, pred: str | None) -> None:
        self.data = query.data
        self.options: dict[str, Any] = {**query.options, "pred": pred}
        targets, target = self.options["targets"], self.options["target"]
        self.tables, names, _ = open_inputs(self.data, targets, Dialect.of(self.options), self.options["concat"])
        tell_extent(self.options["progress"], self.tables, by_key=bool(self.options["id"]))
        inputs = len(self.tables) - (targets is not None)
        if inputs != 1:
            raise UsageError(
                f"{inputs} inputs are given; one is looked at, with --targets beside it; parts of one go with --concat"
            )
        self.label = self.tables[0].label
        roles, preds = tuple(as_list(self.options["roles"])), () if pred is None else (pred,)
        request = Request(target, preds, roles, has_targets_file=targets is not None)
        self.selection = select(self.tables, names, request, _roles_read(roles, pred, target))
        pair_outputs(self.selection)
        slot = self.selection.target
        self.target = () if slot is None else slot.columns
        if not self.selection.models:  # blocks go by model
            self.selection.models, self.selection.slots = [NO_MODEL], {NO_MODEL: {}}
        [self.model] = self.selection.models
        self.slots = {**self.selection.slots[self.model], **({} if slot is None else {"target": slot})}
        self.pred = tuple(name for role, slot in self.slots.items() if role != "target" for name in slot.columns)
        self.widths = {role: width_of(self.tables, slot) for role, slot in self.slots.items()}
        rows = row_source(query, self.tables, self.options["threads"] or usable_cores())
        missing = self.options["missing"]
        self.reader = BlockReader(self.tables, rows, self.selection, self._rule(), missing, short=True)

    def _rule(self) -> TargetRule:
        """Decide how the target is read: as class codes, as one label against another, as text, or as numbers."""
        slot, positive, classes = self.selection.target, self.options["positive_label"], self.options["classes"]
        several = self.widths.get("pred", 1) > 1 and self.widths.get("target") == 1
        if classes is not None and not several:
            raise UsageError("--classes names the classes of several prediction columns beside one column of labels")
        if slot is None:
            if positive is not None:
                raise UsageError("--positive-label: triplets have no target")
            return TargetRule()
        if positive is not None and (several or len(slot.columns) > 1):
            raise UsageError("--positive-label is for one target column and one prediction column")
        if positive is not None and self.widths["target"] > 1 and as_number(positive) is not None:
            return TargetRule(positive=positive, arrays=True)
        if positive is not None or several:
            check_single(self.tables, slot)
        pred = self.slots.get("pred")
        labels = pred is not None and self.tables[pred.table].shape(pred.columns[0]).kind == "text"
        if positive is not None:
            return TargetRule(positive=positive, decided=frozenset([self.model] if labels else []))
        if labels and pred is not None and self.widths["pred"] == self.widths["target"] == 1:
            self.selection.by, self.selection.target = {LABELS: (slot,), PREDICTED: (pred,)}, None
            self.selection.slots[self.model] = {}
            return TargetRule()
        quantiles = several and are_quantiles(self.tables, self.selection)
        if several and (models_apart(self.tables, self.selection, self.model, (), self.options) or quantiles):
            first = printable(self.pred[0])
            hint = ", named as quantiles: their loss is quantile; else" if quantiles else ":"
            raise UsageError(
                f"{len(self.pred)} prediction columns beside a target of numbers{hint} one is looked at, -p {first}"
            )
        if several:
            text = classes if isinstance(classes, str) or classes is None else ",".join(map(str, classes))
            classes_of_columns = classes_of(self.tables, self.selection, self.widths["pred"], text)
            return TargetRule(classes=classes_of_columns.labels, classes_by=classes_of_columns.by)
        if "pred" in self.widths and self.widths["pred"] != self.widths["target"]:
            columns = " and ".join(f"{self.widths[role]} {role} columns" for role in ("target", "pred"))
            raise UsageError(f"{columns}: a loss takes as many of one as of the other, or one column of labels")
        if len(slot.columns) == 1 and self.tables[slot.table].shape(slot.columns[0]).kind == "text":
            if "left" in self.widths:
                raise UsageError(f"the target {slot.named()} holds text; --positive-label LABEL says which label is 1")
            self.selection.by, self.selection.target = {LABELS: (slot,)}, None
        return TargetRule()

    def profile(self) -> RowsProfile:
        """Read every row once; raise DataError for the first one that cannot be used, or if there is none."""
        threads = self.options["threads"] or usable_cores()
        feeds = self.reader.feeds(threads)
        first = look_ahead(feeds)
        if first is None:
            raise DataError(f"{self.label}: there are no rows below the header")
        domains = domains_of(registry.losses().values(), self.widths)
        profile_block = RowProfiler(self.model, domains, middles(first.models.get(self.model, {})))

        def profile(block: Block) -> RowsProfile:
            part = profile_block(block)
            if LABELS in self.selection.by and len(self.reader.labels(LABELS)) > MOST_WORDS:
                raise DataError(
                    f"{self.label}: the target {self.slots['target'].named()} holds text with more than {MOST_WORDS} "
                    "different values, which is neither numbers nor labels; -t names another column"
                )
            return part

        merged = in_any_order(feeds, profile, threads, self.options["watch"], self.options["progress"]) or RowsProfile()
        self._raise_problems(merged)
        return merged

    def _raise_problems(self, profile: RowsProfile) -> None:
        """Raise DataError for an input that changed, or for the first row that cannot be used."""
        for table in self.tables:
            table.unchanged()
        defects = {**(profile.missing if self.options["missing"] == "error" else {}), **profile.faults}
        problems = [(breach.row, self.reader.explain(defect, breach)) for defect, breach in defects.items()]
        for role, state in profile.roles.items():
            if state.rows and not state.holds(REAL):
                problems.append((state.outside(REAL).row, self._infinite(role, state.outside(REAL))))
        row, text = min(problems, default=(NEVER, ""))
        if profile.stopped is not None and profile.stopped[0] <= row:
            raise profile.stopped[1]
        if not profile.rows:
            text = text or f"{self.label}: every one of the {profile.read} rows has a missing value"
        if text := text or self.reader.never_positive():
            raise DataError(text)

    def _infinite(self, role: str, breach: Breach) -> str:
        slot = self.slots[role]
        rows = f" ({breach.rows} such rows)" if breach.rows > 1 else ""
        columns = f"column{'s' if len(slot.columns) > 1 else ''} {slot.named()}"
        return (
            f"{self.reader.where(slot.table, breach.row)}, {columns}: a value is infinite{rows}; losses take finite "
            "numbers, so correct it or leave the row out"
        )

    def facts(self, profile: RowsProfile) -> Facts:
        """Return what the profile says, with the labels by name; those of text by their number of rows."""
        coded, text = bool(self.reader.rule.classes), LABELS in self.selection.by
        words: Sequence[str] = self.reader.rule.classes
        if text:
            words = [word for (word,) in self.reader.labels(LABELS)]
        elif not coded and profile.labels:
            words = ("-1" if profile.numbers["target"].low < 0.0 else "0", "1")
        labels = {word: profile.labels.get(code, LabelProfile()) for code, word in enumerate(words)}
        if text:
            present = [(word, label) for word, label in labels.items() if label.rows]
            labels = dict(sorted(present, key=lambda entry: (-entry[1].rows, entry[0])))
        return Facts(profile, self.widths, labels, text, coded, PREDICTED in self.selection.by)

    def command(self, facts: Facts, specs: Sequence[str]) -> tuple[str | None, str]:
        """Return the command that computes losses; without one, possibly why not."""
        files, targets = paths_of(self.data), self.options["targets"]
        if not specs or files is None or (targets is not None and paths_of(targets) is None):
            return None, ""
        if set(facts.widths) == {"target"}:
            return None, "no predictions are named: -p adds their range and the residuals, and a command to run"
        positive = self.options["positive_label"] or ("0" if facts.inverted else facts.positive)
        if facts.text and positive is None and not facts.decided:
            return None, "no label has the higher predictions: --positive-label LABEL says which one is 1"
        unsaid = form_wish(None, {facts.activation})  # what `eval` goes by where no task is said
        losses = map(registry.loss_of, specs)
        ambiguous = any(facts.form_of(loss, unsaid) != facts.form_of(loss, facts.wish) for loss in losses)
        options = {
            **self.options,
            "target": self.selection.target_pattern,
            "positive_label": positive,
            "activation": None if facts.activation == "none" else facts.activation,
            "task": facts.task if ambiguous else None,
            "losses": specs,
        }
        return command("eval", files, options), ""


def _roles_read(roles: Sequence[str], pred: str | None, target: str | None) -> set[str]:
    """Return the roles that are read: embeddings, or a target with or without predictions."""
    names = {text.partition("=")[0].rpartition(":")[2] for text in roles}
    if not names:
        return {"target"} | ({"pred"} if pred is not None else set())
    if names not in EMBEDDINGS:
        sets = " or ".join(",".join(sorted(embeddings)) for embeddings in EMBEDDINGS)
        raise UsageError(f"--role: {','.join(sorted(names))} is no set of embeddings; {sets} is one")
    if pred is not None:
        raise UsageError(f"-p {pred}: embeddings are named by --role, and they are what is predicted; leave -p out")
    if "anchor" in names and target is not None:
        raise UsageError(f"-t {target}: triplets have no target; leave -t out")
    return names | ({"target"} if "left" in names else set())


def _warnings(facts: Facts, picks: Sequence[Pick]) -> Iterator[str]:
    """Yield what keeps advice from being given, or makes it rough."""
    target = facts.target
    if facts.kind == "constant":
        label = next((printable(word) for word, label in facts.labels.items() if label.rows), "")
        value = label if target is None else f"{target.low:g}"
        yield f"the target is {value} in every row: nothing tells one loss from another, so none is recommended"
        return
    if not picks:
        columns = f"{facts.widths['pred']} prediction column" if "pred" in facts.widths else "such"
        more = "; one prediction column for each class is needed" if facts.kind == "classes" else ""
        yield f"no loss is recommended for {facts.words} and {columns}{more}"
    if facts.profile.rows < FEW_ROWS.value:
        yield f"only {facts.profile.rows} rows: of fewer than {FEW_ROWS.value:g}, shares and scales are rough"
    if facts.task == "regression" and target is not None and len(facts.profile.target.counts or ()) == 2:
        low, high = f"{target.low:g}", f"{target.high:g}"
        yield f"the target holds {low} and {high} alone: if these are labels, --positive-label {high} says so"
    if facts.widths.get("target", 1) > 1 and target is not None and (target.low, target.high) == (0.0, 255.0):
        yield "the target goes from 0 to 255: if these are masks, --positive-label 255 says so"
    if (
        facts.task == "regression"
        and facts.may_be_decided
        and len(facts.profile.target.counts or ()) <= MAY_BE_LABELS.value
    ):
        yield "target and predictions are few whole numbers: if these are classes, -l zero_one counts the wrong ones"
    if facts.inverted:
        yield "pairs labelled 1 are nearer than the others, but 1 means different: the command reads 0 as 1"


# which losses to take ------------------------------------------------------------------------------------------------


def advise(facts: Facts, losses: Mapping[str, Loss]) -> tuple[tuple[Pick, ...], tuple[Caution, ...]]:
    """Return the first of the losses that fit, a robust alternative and others, and those that should be avoided."""
    rules = [rule for rule in KINDS[facts.kind].rules if rule.loss in losses and _holds(rule, facts)]
    picks: dict[str, Pick] = {}
    for rank in get_args(Rank):
        for rule in rules:
            if rule.rank != rank or rule.loss in picks:
                continue
            loss, why = _bound(losses[rule.loss], rule.parameter, facts), rule.why.format_map(facts)
            picks[rule.loss] = Pick(rank, loss.name, loss.spec, loss.optimises, why, loss.use)
            if rank != "also":
                break
        if not picks:
            break
    cautions: dict[str, Caution] = {}
    for rule in rules:
        if rule.rank == "avoid" and rule.loss not in picks:
            cautions.setdefault(rule.loss, Caution(rule.loss, rule.why.format_map(facts), losses[rule.loss].avoid))
    return tuple(picks.values()), tuple(cautions.values())


def _holds(rule: LossRule, facts: Facts) -> bool:
    """Whether the data has all the facts on which a rule rests."""
    return all(bool(facts[word.removeprefix("not ")]) is not word.startswith("not ") for word in rule.when)


def _bound(loss: Loss, parameter: str, facts: Facts) -> Loss:
    """Return a loss with the parameter that a rule sets."""
    name, _, value = parameter.partition("=")
    number = None if not name else float(value) if value else facts[name]
    return loss if number is None else loss.bind(**{name: number})


# which losses can be computed, by their declarations -----------------------------------------------------------------

TWO_LABELS: Final = np.array([[0.0, 1.0]])  # what two labels become


def domains_of(losses: Iterable[Loss], widths: Mapping[str, int]) -> dict[str, tuple[Domain, ...]]:
    """Return what the rows of each role must be held against, so that facts are known and every loss can be judged."""
    domains: dict[str, dict[Domain, None]] = {}
    for role, width in widths.items():
        more = role_domains("target", width) if role == "pred" else {}
        domains[role] = dict.fromkeys((*role_domains(role, width).values(), *more.values()))
    for loss in losses:
        for form in loss.forms:
            columns = {role: width for role, width in widths.items() if role in form.roles}
            if form.fits(columns):
                for role in columns:
                    domains[role][form.roles[role]] = None
    if "pred" in domains:
        domains["pred"] |= dict.fromkeys(RAW.values())
    return {role: tuple(several) for role, several in domains.items()}


def misfit(loss: Loss, facts: Facts) -> tuple[Ground, str] | None:
    """Return why a loss cannot be computed on the data, None if it can."""
    waived = {"pred"} if set(facts.widths) == {"target"} else set()
    lacking = [role for role in loss.roles if role not in {*facts.widths, *OPTIONAL, *waived}]
    if lacking:
        return "columns", f"needs columns that are not given: {', '.join(lacking)}"
    decided = any(form.decided and form.fits(facts.widths) for form in loss.forms)
    if facts.decided:
        return None if decided else ("values", "predictions are classes, not numbers")
    form = facts.form_of(loss, facts.wish)
    if form is None:
        return "columns", "takes other columns: " + ", or ".join(form.layout() for form in loss.forms)
    domain = form.roles["pred"] if "pred" in form.roles and "pred" in facts.widths else None
    if domain is not None and facts.activation not in domain.activations():
        return "values", f"does not take the output of {facts.activation} as pred, which must be {domain}"
    faults = (_outside(role, form, facts) for role in form.roles if role in facts.widths)
    fault = next(filter(None, faults), None)
    return None if fault is None or (decided and facts.may_be_decided) else ("values", fault)


def _outside(role: str, form: Form, facts: Facts) -> str | None:
    """Say how the rows of a role are outside the domain that a form has for it."""
    domain = form.roles[role]
    if role == "target" and (facts.text or facts.coded):  # class codes, or two labels of text that become 0 and 1
        two = facts.text and len(facts.labels) == 2 and breach(domain, TWO_LABELS, np.arange(2)).first == NEVER
        return None if form.labels or two else "target holds class labels, not numbers"
    outside = facts.profile.roles[role].outside(judged(domain, role, facts.activation))
    if outside.first == NEVER:
        return None
    if outside.clash <= outside.row:
        return f"{role} mixes labels -1 and 0"
    rows = f"{outside.rows} row{'' if outside.rows == 1 else 's'}"
    words = f"in {domain}" if str(domain)[:1] in ("[", "(", "{") else str(domain)
    return f"{role} must be {words}: {rows} outside, the first row {outside.row + 1}"


def sort_losses(losses: Mapping[str, Loss], facts: Facts) -> tuple[tuple[str, ...], tuple[Misfit, ...]]:
    """Return the losses that fit, and the others by the reason why not."""
    fits: list[str] = []
    reasons: dict[tuple[Ground, str], list[str]] = {}
    for name, loss in losses.items():
        reason = misfit(loss, facts)
        (fits if reason is None else reasons.setdefault(reason, [])).append(name)
    misfits = [Misfit(*reason, tuple(names)) for reason, names in reasons.items()]
    return tuple(fits), tuple(sorted(misfits, key=lambda misfit: misfit.ground, reverse=True))
