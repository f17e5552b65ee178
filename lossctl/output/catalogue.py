"""The catalogue: the list of losses, and everything about one, from their declarations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from lossctl.core.form import DECIDED, TASKS, form_wish
from lossctl.core.loss import Loss, Peer
from lossctl.core.state import Sample
from lossctl.errors import UsageError, listed, near, printable
from lossctl.output.text import (
    WIDEST,
    Column,
    Style,
    Table,
    counted,
    labelled_lines,
    markdown,
    markdown_table,
    once,
    text_columns,
    wrap,
)

LABEL: Final = 12  # characters before the text of `show`
GAP: Final = 2  # blanks behind the name of a family
LISTED: Final = 200  # columns of a list where there is no terminal
PAGE: Final = 80  # columns of a page of names, or a picture, where there is no terminal


def matching(losses: Sequence[Loss], family: str | None, task: str | None, search: str | None) -> list[Loss]:
    """Return the losses of a family or plug-in, of a task, and with words that begin like those of a search."""
    homes = list(dict.fromkeys(home(loss) for loss in losses))
    layouts = sorted({*TASKS, *(form.name for loss in losses for form in loss.forms)} - {DECIDED})
    for option, word, words in (("--family", family, homes), ("--task", task, layouts)):
        if word is not None and word not in words:
            raise UsageError(f"{option} {printable(word)}: one of {listed(words, len(words))}{near(word, words)}")
    forms, words_of_search = {task, form_wish(task, ())}, (search or "").casefold().split()
    return [
        loss
        for loss in losses
        if family in (None, home(loss))
        and (task is None or forms & {form.name for form in loss.forms})
        and all(re.search(rf"(?<![^\W\d_]){re.escape(word)}", _said_of(loss)) for word in words_of_search)
    ]


def _said_of(loss: Loss) -> str:
    """Return all words of a declaration, among them what other libraries call the loss."""
    peers = (f"{peer.library} {peer.name}" for peer in loss.elsewhere)
    words = _of(loss, "summary formula use avoid source").values()
    return " ".join((loss.name, *loss.aliases, home(loss), *peers, *words)).casefold()


def listing(losses: Sequence[Loss], form: str, style: Style) -> str:
    """Return losses by family, as their names alone or a line for each, as JSON, or as the README's Markdown table."""
    if form == "json":
        return json.dumps({"losses": [facts(loss) for loss in losses]}, indent=2, allow_nan=False) + "\n"
    if form == "md":
        rows = [
            [f"`{loss.name}`", markdown(loss.summary.rstrip(".")), markdown(loss.formula), loss.direction, home(loss)]
            for loss in losses
        ]
        return markdown_table(text_columns(["loss", "what it is", "formula", "better", "family"]), rows)
    end = f"\n{counted(len(losses), 'loss', 'es')}; `lossctl losses show NAME` explains one\n"
    if form == "names":
        entries = [(family, ", ".join(loss.name for loss in members)) for family, members in groupby(losses, home)]
        indent = max(len(family) for family, _ in entries) + GAP
        return style.encode("\n".join([*labelled_lines(entries, indent, min(style.width or PAGE, WIDEST)), end]))
    if not losses:
        return "no loss fits; `lossctl losses list` has all\n"
    table = Table(style, [Column("family"), Column("loss"), Column("parameters", rank=1), Column("what it is")])
    for family, loss in zip(once(map(home, losses)), losses, strict=True):
        params = ", ".join(f"{param.name}={param.write(param.default)}" for param in loss.params)
        table.add(family, loss.name, params, loss.summary)
    return style.encode(table.narrow().text(style.width or LISTED) + end)


def description(loss: Loss, form: str, style: Style) -> str:
    """Return everything about one loss, as text or as JSON."""
    if form == "json":
        return json.dumps(facts(loss), indent=2, allow_nan=False) + "\n"
    width = min(style.width or WIDEST, WIDEST)
    lines = [loss.spec, wrap(loss.summary, width), "", wrap(loss.formula, width, "  ", "  "), ""]
    lines += [wrap(" ".join(loss.doc.split()), width), ""] if loss.doc else []
    lines += labelled_lines(_entries(loss), LABEL, width)
    text = "\n".join(lines) + "\n"
    if loss.row is not None and len(loss.forms[0].curve.points) > 1:
        from lossctl.output.curves import figure_of  # here, as a list draws nothing
        from lossctl.output.plot import picture

        text += "\n" + picture(
            figure_of({loss.spec: loss}, loss.spec, grad=True), style._replace(width=min(style.width or PAGE, WIDEST))
        )
    return style.encode(text)


def _entries(loss: Loss) -> Iterator[tuple[str, str]]:
    """Yield the labelled facts."""
    if loss.origin:
        yield "plug-in", loss.origin
    if loss.aliases:
        yield "also", ", ".join(loss.aliases)
    for param in loss.params:
        value, default = param.write(loss.args[param.name]), param.write(param.default)
        was = f" (default {default})" if value != default else ""
        yield "parameters", f"{param.name} = {value}{was}, {param.allowed}: {param.help}"
    for form in loss.forms:
        domains = "; ".join(f"{role}: {domain}" for role, domain in form.roles.items())
        yield "data", f"{form.layout()} ({domains})"
    if names := activations(loss):
        yield "activations", ", ".join(names)
    best = "" if loss.best is None else f", best {loss.best:g}"
    better = {"min": "lower is better", "max": "higher is better", "zero": "nearer to 0 is better"}[loss.direction]
    unit = f"a pure number{loss.unit[1:]}" if loss.unit[:1] == "1" else f"in {loss.unit}"
    yield "value", f"{unit}; {better if loss.ranks else 'does not rank models'}{best}"
    if loss.functional:
        of = "means" if loss.functional == "mean" else "lower quantiles" if "q" in loss.args else "lower medians"
        yield "components", f"miscalibration, discrimination, uncertainty by --decompose, from isotonic {of}"
    yield "use", loss.use
    yield "avoid", loss.avoid
    for peer in loss.elsewhere:
        yield "elsewhere", f"{peer.library}: {peer.words(loss.name)}"
    if loss.subgradient:
        yield "subgradient", loss.subgradient
    if loss.keeps == "sample":
        yield "memory", memory(loss)
    yield "source", loss.source


def _of(subject: object, names: str) -> dict[str, Any]:
    """Return the attributes that `names` lists, by name."""
    return {name: getattr(subject, name) for name in names.split()}


def facts(loss: Loss) -> dict[str, Any]:
    """Return a declaration as plain values."""
    return {
        **_of(loss, "name spec"),
        "aliases": list(loss.aliases),
        "family": loss.family,
        "plugin": loss.origin or None,
        **_of(loss, "summary doc formula"),
        "parameters": [
            {"name": param.name, "value": loss.args[param.name], **_of(param, "default allowed help")}
            for param in loss.params
        ],
        "forms": [
            {
                "name": form.name,
                "roles": {role: str(domain) for role, domain in form.roles.items()},
                "layout": form.layout(),
            }
            for form in loss.forms
        ],
        "activations": activations(loss),
        **_of(loss, "unit best direction"),
        "ranks_models": loss.ranks,
        "per_row": loss.row is not None,
        "gradient": loss.gradient is not None,
        "subgradient": loss.subgradient or None,
        "memory": memory(loss),
        **_of(loss, "use avoid"),
        "elsewhere": [claim(peer, loss) for peer in loss.elsewhere],
        "source": loss.source,
    }


def claim(peer: Peer, loss: Loss) -> dict[str, Any]:
    """Return a claim of another library's function as plain values; spec is None where its number differs from ours."""
    return {
        **_of(peer, "library name"),
        "also": list(peer.also),
        "spec": None if peer.differs else peer.spec or loss.name,
        **_of(peer, "activation reduction factor"),
        "differs": peer.differs or None,
        "note": peer.note or None,
    }


def home(loss: Loss) -> str:
    """Return where a loss is declared: the family of a built-in one, package and version of a plug-in."""
    return loss.origin or loss.family


def activations(loss: Loss) -> list[str]:
    """Return the activations that can feed the loss in any of its forms."""
    domains = [form.roles["pred"] for form in loss.forms if "pred" in form.roles]
    return sorted({name for domain in domains for name in domain.activations()})


def memory(loss: Loss) -> str:
    """Say what a loss keeps in memory."""
    if loss.keeps != "sample":
        return "constant, whatever the number of rows"
    lines = len(loss.parts) + 1
    most = Sample.bytes_per_row(lines, loss.influence is not None)
    return (
        f"it keeps every value: up to {8 * lines} bytes per row and model (1 of a label or flag, none of weights that "
        f"are alike), at most {most} at the end; "
        "eval refuses before that exceeds --max-memory"
    )
