"""The catalogue: the list of losses, and everything about one, from their declarations."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from lossctl.core.form import Curve, Form
from lossctl.core.loss import Loss, Peer
from lossctl.core.param import Label, PerClass
from lossctl.core.state import Sample
from lossctl.errors import UsageError
from lossctl.numerics.array import Array
from lossctl.output.delimited import markdown_table
from lossctl.output.escape import markdown
from lossctl.output.numbers import shown
from lossctl.output.sparkline import finer, sparklines
from lossctl.output.style import Style
from lossctl.output.table import natural_width, new_table, rendered

LABEL = 12  # characters before the text of `show`
WIDEST = 100  # columns to which running text is wrapped


def memory(loss: Loss) -> str:
    """Say what a loss keeps in memory."""
    if loss.keeps != "sample":
        return "constant, whatever the number of rows"
    lines = len(loss.parts) + 1
    return (
        f"it keeps every value: {8 * lines} bytes per row and model, at most {Sample.bytes_per_row(lines)} at the end; "
        "eval refuses before that exceeds --max-memory"
    )


def facts(loss: Loss) -> dict[str, Any]:
    """Return a declaration as plain values."""
    return {
        "name": loss.name,
        "spec": loss.spec,
        "aliases": list(loss.aliases),
        "family": loss.family,
        "plugin": loss.origin or None,
        "summary": loss.summary,
        "doc": loss.doc,
        "formula": loss.formula,
        "parameters": [
            {
                "name": param.name,
                "value": loss.args[param.name],
                "default": param.default,
                "allowed": param.allowed,
                "help": param.help,
            }
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
        "unit": loss.unit,
        "best": loss.best,
        "direction": loss.direction,
        "ranks_models": loss.ranks,
        "per_row": loss.row is not None,
        "gradient": loss.gradient is not None,
        "subgradient": loss.subgradient or None,
        "memory": memory(loss),
        "use": loss.use,
        "avoid": loss.avoid,
        "elsewhere": [claim(peer, loss) for peer in loss.elsewhere],
        "source": loss.source,
    }


def claim(peer: Peer, loss: Loss) -> dict[str, Any]:
    """Return what is said of another library's function; without a spec no number of ours is always the same."""
    return {
        "library": peer.library,
        "name": peer.name,
        "spec": None if peer.differs else peer.spec or loss.name,
        "activation": peer.activation,
        "reduction": peer.reduction,
        "factor": peer.factor,
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


def listing(losses: Sequence[Loss], form: str, style: Style) -> str:
    """Return all losses as a table by family, as JSON, or as the Markdown table of the README."""
    if form == "json":
        return json.dumps({"losses": [facts(loss) for loss in losses]}, indent=2, allow_nan=False) + "\n"
    if form == "md":
        rows = [
            [f"`{loss.name}`", markdown(loss.summary.rstrip(".")), markdown(loss.formula), loss.direction, home(loss)]
            for loss in losses
        ]
        return markdown_table(["loss", "what it is", "formula", "better", "family"], rows, 5)
    if form != "table":
        raise UsageError(f"unknown format {form!r}; table, json or md")
    table = _families(losses, style, with_params=True)
    if style.width is not None and natural_width(table, style) > style.width:
        table = _families(losses, style, with_params=False)
    text = rendered(table, style, style.width) + f"\n{len(losses)} losses; `lossctl losses show NAME` explains one\n"
    return plain(text, style)


def _families(losses: Sequence[Loss], style: Style, *, with_params: bool) -> Table:
    """Tabulate the losses by family; the summary may wrap."""
    table = new_table(style, ("family", "loss", "parameters")[: 2 + with_params])
    table.add_column(Text("what it is"), no_wrap=False)
    last = ""
    for loss in losses:
        family = home(loss) if home(loss) != last else ""
        params = ", ".join(f"{param.name}={param.write(param.default)}" for param in loss.params)
        table.add_row(*map(Text, [family, loss.name, params][: 2 + with_params]), Text(loss.summary))
        last = home(loss)
    return table


def description(loss: Loss, form: str, style: Style) -> str:
    """Return everything about one loss, as text or as JSON."""
    if form == "json":
        return json.dumps(facts(loss), indent=2, allow_nan=False) + "\n"
    if form != "table":
        raise UsageError(f"unknown format {form!r}; table or json")
    width = min(style.width or WIDEST, WIDEST)
    lines = [loss.spec, filled(loss.summary, width), ""]
    lines += [filled(loss.formula, width, "  ", "  "), ""]
    if loss.doc:
        lines += [filled(" ".join(loss.doc.split()), width), ""]
    for label, text in _entries(loss):
        lines.append(filled(text, width, label.ljust(LABEL), " " * LABEL))
    text = "\n".join(lines) + "\n"
    shape = _of_any_classes(loss)
    for kind in shape.forms if shape.row is not None else ():
        drawn = tabulated(shape, replace(kind, curve=finer(kind)))
        text += "\n" + sparklines(drawn, tabulated(shape, kind), style) + rendered(_curve(shape, kind, style), style)
    return plain(text, style)


def _of_any_classes(loss: Loss) -> Loss:
    """Return the loss without what speaks of certain classes: its curve has classes of its own."""
    of_classes = [param for param in loss.params if isinstance(param.domain, PerClass | Label)]
    return loss.bind(
        **{param.name: param.default for param in of_classes if isinstance(loss.args[param.name], tuple | str)}
    )


def filled(text: str, width: int, first: str = "", rest: str = "") -> str:
    """Wrap running text between words."""
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False, break_long_words=False
    )


def plain(text: str, style: Style) -> str:
    """Escape what an ASCII terminal cannot show."""
    return text.encode("ascii", "backslashreplace").decode() if style.ascii else text


def _entries(loss: Loss) -> Iterator[tuple[str, str]]:
    """Yield the labelled facts."""
    if loss.origin:
        yield "plug-in", loss.origin
    if loss.aliases:
        yield "also", ", ".join(loss.aliases)
    label = "parameters"
    for param in loss.params:
        value, default = param.write(loss.args[param.name]), param.write(param.default)
        was = f" (default {default})" if value != default else ""
        yield label, f"{param.name} = {value}{was}, {param.allowed}: {param.help}"
        label = ""
    label = "data"
    for form in loss.forms:
        domains = "; ".join(f"{role}: {domain}" for role, domain in form.roles.items())
        yield label, f"{form.layout()} ({domains})"
        label = ""
    if found := activations(loss):
        yield "activations", ", ".join(found)
    best = "" if loss.best is None else f", best {loss.best:g}"
    better = {"min": "lower is better", "max": "higher is better", "zero": "nearer to 0 is better"}[loss.direction]
    unit = f"a pure number{loss.unit[1:]}" if loss.unit[:1] == "1" else f"in {loss.unit}"
    yield "value", f"{unit}; {better if loss.ranks else 'does not rank models'}{best}"
    yield "use", loss.use
    yield "avoid", loss.avoid
    label = "elsewhere"
    for peer in loss.elsewhere:
        yield label, f"{peer.library}: {peer.words(loss.name)}"
        label = ""
    if loss.subgradient:
        yield "subgradient", loss.subgradient
    if loss.keeps == "sample":
        yield "memory", memory(loss)
    yield "source", loss.source


def _curve(loss: Loss, form: Form, style: Style) -> Table:
    """Tabulate the loss and its gradient along the form's curve."""
    curve = form.curve
    values, slopes = tabulated(loss, form)
    heads = [curve.axis, "loss", *(f"∂/∂{name}" for name in slopes)]
    table = new_table(style, heads[:1], heads[1:])
    for place, point in enumerate(curve.points):
        numbers = [values[place], *(slope[place] for slope in slopes.values())]
        table.add_row(Text(point), *(Text(shown(float(number), style.digits)) for number in numbers))
    return table


def tabulated(loss: Loss, form: Form) -> tuple[Array, dict[str, Array]]:
    """Return the row losses along a form's curve, and the gradients by the first column of each role."""
    roles = arrays(form, form.curve)
    values = loss.each(task=form.name, **roles)
    if loss.gradient is None:
        return values, {}
    found = loss.grad(task=form.name, **roles)
    slopes = found if isinstance(found, dict) else {"pred": found}
    return values, {role: slope.reshape(len(slope), -1)[:, 0] for role, slope in slopes.items()}


def arrays(form: Form, curve: Curve) -> dict[str, Any]:
    """Return the curve's rows as arrays by role, class labels as integers."""
    found: dict[str, Any] = {}
    for role, columns in curve.roles.items():
        values = np.array(columns).T
        label = role == "target" and form.labels
        found[role] = values[:, 0].astype(np.int64) if label else values
    return found
