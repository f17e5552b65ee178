"""Declare a loss: a decorated function, whose docstring holds the facts that people read.

    @loss(forms=FORM, gradient=_huber_gradient)
    def huber(batch: Batch, *, delta: Annotated[float, POSITIVE, "|r| at which growth turns linear"] = 1.0) -> Array:
        '''Squared error near zero, absolute error in the tails.

        Continuous with its slope at |r| = delta; as delta grows it becomes mse/2.

        Formula: mean of r²/2 if |r| ≤ delta, else delta·(|r| - delta/2)
        Unit: target²
        Use: The best of mse and mae: smooth near zero, and outliers pull only linearly.
        Avoid: The size that separates noise from outliers is unknown: delta is in the target's unit, so tune it.
        Source: Huber 1964, doi:10.1214/aoms/1177703732
        Also: huber_loss
        Elsewhere:
            torch   nn.HuberLoss(delta=delta)
            keras   Huber(delta=delta)          # float32 throughout
        '''

The first line is the summary, the text up to the first head the doc. A line that is indented deeper than the one it
belongs to continues it. `Optimises` says in a few words what the best predictions are; it is needed of the losses that
`choose` recommends. `Elsewhere` is a table of claims, one a line, its columns two blanks or more apart:

    torch        nn.MSELoss                                               the same number
    optax        l2_loss                = 0.5 x mse                       half of it
    keras        MeanSquaredError       # float32 throughout           a note
    torch        nn.BCEWithLogitsLoss   = bce --activation sigmoid        with a spec and options
    permetrics   CEL                    ≠ it floors p at 1e-10            not the same, and why
    LightGBM     l2 | regression_l2                                       two names of one function

`@loss` takes a per-row quantity, of which the loss is the mean; `@recipe` takes a function of the parameters that
returns a `Recipe`: several parts and the statistic of their means, a peak, or a whole sample. A family with more in
common makes its own decorator of `declare`. The facts named in `VARYING` may be functions of parameters that they
name: `forms=lambda eps: ANY_TARGET if eps > 0.0 else PERCENTAGE`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, wraps
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossctl.core.batch import Batch, derived
from lossctl.core.form import QUERY, Form
from lossctl.core.loss import Loss, Part, Peer, Resolve, arguments_for
from lossctl.core.param import Param, Value, params_of
from lossctl.core.statistic import MEAN, SET_MEAN, Statistic, one_less
from lossctl.numerics.array import Array

HEADS: Final = ("Formula", "Unit", "Optimises", "Use", "Avoid", "Source", "Subgradient", "Also", "Elsewhere")
HEAD: Final = re.compile(rf"({'|'.join(HEADS)}):(?: (.*))?")
INDENT: Final = 4  # of a line of `Elsewhere`
MARKS: Final = ("= ", "≠ ", "# ")  # a line that begins with one continues a claim by a column
CLAIM: Final = re.compile(
    r"(?P<library>\S.*?) {2,}(?P<name>\S.*?)"
    r"(?: {2,}= (?P<ours>.+?))?(?: {2,}≠ (?P<differs>.+?))?(?: {2,}# (?P<note>.+))?"
)
OURS: Final = re.compile(
    r"(?:(?P<factor>\S+) x )?(?P<spec>\S+?)(?: --activation (?P<activation>\S+))?(?: --reduction (?P<reduction>\S+))?"
)
VARYING: Final = ("forms", "parts", "statistic", "best")
SHARED: Final = ("forms", "unit", "source", "use", "avoid", "undefined")


class Recipe(NamedTuple):
    """What a loss computes, by the names of the fields of a `Loss`."""

    parts: tuple[Part, ...]
    statistic: Statistic = MEAN
    keeps: Literal["moments", "peak", "sample"] = "moments"
    whole: Callable[..., float] | None = None
    quantile: float | None = None
    influence: Callable[..., tuple[float, Array]] | None = None
    bounds: tuple[float, float] | None = None
    by_form: Callable[[Form, int], Recipe] | None = None


RESOLVED: Final = ("forms", "best", "row", "gradient", "raw_gradient", "functional", *Recipe._fields)


def sample(*parts: Part, value: Callable[..., float], undefined: str = "", **facts: Any) -> Recipe:
    """Return the recipe of a function of all values; `undefined` says when there is no value. facts: more fields."""
    statistic = replace(MEAN, name="statistic of all values", undefined=undefined) if undefined else MEAN
    return Recipe(parts, statistic, "sample", value, **facts)


def peak(part: Part) -> Recipe:
    """Return the recipe of the largest value."""
    return Recipe((part,), keeps="peak")


def complement(recipe: Recipe) -> Recipe:
    """Return 1 less what a recipe makes: the score to a loss."""
    value = recipe.whole
    if value is None:
        return recipe._replace(statistic=one_less(recipe.statistic))

    @wraps(value)
    def difference(ordered: Array, **args: Any) -> float:
        return 1.0 - value(ordered, **args)

    return recipe._replace(whole=difference)


def loss(**facts: Any) -> Callable[[Part], Loss]:
    """Declare the mean of `function(batch, *, params) -> per-row values` as a loss.

    The function returns (rows,) values, or (width, rows) values that are averaged over the columns. gradient: the
    slope of each row's loss by the prediction, a dict by role where there are several.
    """
    return lambda function: declare(function, row=function, **facts)


def recipe(**facts: Any) -> Callable[[Callable[..., Recipe]], Loss]:
    """Declare a loss by `function(*, params) -> Recipe`."""

    def made(function: Callable[..., Recipe]) -> Loss:
        return declare(function, resolve=lambda args: call(function, args)._asdict(), **facts)

    return made


def score(**facts: Any) -> Callable[[Callable[..., Recipe]], Loss]:
    """Declare a loss by its recipe whose value is the better the larger it is, 1 at best."""
    return recipe(best=1.0, direction="max", **facts)


def declare(
    function: Callable[..., Any],
    *,
    params: tuple[Param, ...] | None = None,
    resolve: Resolve | None = None,
    like: Loss | None = None,
    note: str = "",
    later: tuple[str, ...] = (),
    **facts: Any,
) -> Loss:
    """Return the loss that a function, its docstring and further facts declare, with its parameters at their defaults.

    params: in place of those of the function. resolve: the fields of `RESOLVED` that depend on parameters, from their
    values; those that it does not return are as declared. like: a loss of the same parameters, forms, unit, source,
    use and avoid, where these are not stated. note: what a family adds to the doc of every loss. later: parameters
    that the loss got after the first release, which signatures name where they are set. Without stated parts the row
    function is the only part.
    """
    varying = {name: facts.pop(name) for name in VARYING if callable(facts.get(name))}
    shared = {} if like is None else {name: getattr(like, name) for name in SHARED}
    facts = {**shared, **described(function.__name__, function.__doc__ or "", plain="formula" in facts), **facts}
    if params is None:
        params = params_of(function) if like is None else like.params
    params = tuple(param._replace(signed=False) if param.name in later else param for param in params)
    unstated = {"forms": (), "parts": (facts["row"],) if "row" in facts else ()}
    doc = f"{facts['doc']}\n{note}".strip()
    made = Loss(name=function.__name__, params=params, **{**unstated, **facts, "doc": doc})
    if not varying:
        return resolving(made, resolve)

    def changes(args: Mapping[str, Any]) -> Mapping[str, Any]:
        fields = {name: call(choose, args) for name, choose in varying.items()}
        return {**fields, **(resolve(args) if resolve else {})}

    return resolving(made, changes)


def resolving(made: Loss, changes: Resolve | None) -> Loss:
    """Return a loss whose fields of `RESOLVED` change with its parameters, with these at their defaults."""
    if changes is None:
        return made.bind()
    declared = {name: getattr(made, name) for name in RESOLVED}

    @lru_cache(maxsize=256)  # the same functions for the same values, so that equal losses share their parts
    def fields(args: tuple[tuple[str, Value], ...]) -> Mapping[str, Any]:
        return {**declared, **changes(dict(args))}

    return replace(made, resolve=lambda args: fields(tuple(args.items()))).bind()


def call(function: Callable[..., Any], args: Mapping[str, Any]) -> Any:
    """Call a function with the parameters that it names."""
    return function(**arguments_for(function, args))


def described(name: str, docstring: str, plain: bool = False) -> dict[str, Any]:
    """Return the facts that a docstring states; of a plain one, which has no heads, summary and doc alone.

    Raises ValueError for a line that belongs to nothing.
    """
    summary, *lines = inspect.cleandoc(docstring).splitlines() or [""]
    if plain:
        return {"summary": summary, "doc": "\n".join(lines).strip()}
    doc: list[str] = []
    heads: dict[str, list[str]] = {}
    text = doc
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if match := HEAD.fullmatch(line):
            text = heads[match[1]] = [match[2]] if match[2] else []
        elif text is doc and not depth:
            doc.append(line)
        elif text is heads.get("Elsewhere") and depth == INDENT:
            text.append(line.strip())
        elif depth and text:
            column = text is heads.get("Elsewhere") and line.lstrip().startswith(MARKS)
            text[-1] += ("  " if column else " ") + line.strip()
        elif line:
            raise ValueError(f"{name}: {line!r} belongs to no head")
    texts = {head.lower(): " ".join(entries) for head, entries in heads.items() if head not in ("Also", "Elsewhere")}
    return {
        "summary": summary,
        "doc": "\n".join(doc).strip(),
        "aliases": tuple(alias.strip() for alias in " ".join(heads.get("Also", [])).split(",") if alias.strip()),
        "elsewhere": tuple(peer_of(line, name) for line in heads.get("Elsewhere", [])),
        **texts,
    }


def peer_of(line: str, loss: str) -> Peer:
    """Read one line of `Elsewhere`; raise ValueError where it is no claim."""
    columns = CLAIM.fullmatch(line)
    ours = OURS.fullmatch(columns["ours"] or loss) if columns else None
    if columns is None or ours is None:
        raise ValueError(f"{loss}: {line!r} is no claim of another library")
    name, *also = columns["name"].split(" | ")
    return Peer(
        library=columns["library"],
        name=name,
        spec="" if ours["spec"] == loss else ours["spec"],
        activation=ours["activation"] or "none",
        reduction=ours["reduction"] or "mean",
        factor=float(ours["factor"] or 1.0),
        differs=columns["differs"] or "",
        note=columns["note"] or "",
        also=tuple(also),
    )


# losses of sets: rows that stand together, such as the answers to one query ----------------------------------------
#
# A loss of sets is the mean over sets of a number per set. The number stands at the set's first row and 0 at the
# others, beside a mark of the first rows, so that sums, slices, weights and replicates of rows hold it as any other.


@derived
def starts(batch: Batch) -> NDArray[Any]:
    """Return where each set begins: rows of equal `query` stand together; without that role all rows are one set."""
    query = batch.roles.get(QUERY)
    if query is None:
        return np.zeros(min(batch.rows, 1), dtype=np.int64)
    return np.flatnonzero(np.concatenate([np.ones(min(batch.rows, 1), dtype=bool), query[0, 1:] != query[0, :-1]]))


@derived
def sizes(batch: Batch) -> NDArray[Any]:
    """Return how many rows each set has."""
    return np.diff(starts(batch), append=batch.rows)


@derived
def set_of(batch: Batch) -> NDArray[Any]:
    """Return the number of the set that each row belongs to."""
    return np.repeat(np.arange(len(starts(batch))), sizes(batch))


def spans(batch: Batch) -> Iterator[slice]:
    """Yield the rows of each set."""
    ends = [*starts(batch).tolist(), batch.rows]
    return (slice(*pair) for pair in pairwise(ends))


def at_first_rows(function: Part) -> Part:
    """Turn a function that returns one number per set, (sets,), into a part that has it at the sets' first rows."""

    @wraps(function)
    def part(batch: Batch, **args: Any) -> Array:
        line = np.zeros(batch.rows)
        line[starts(batch)] = function(batch, **args)
        return line

    return part


first_of_set: Final = at_first_rows(lambda batch: np.ones(1))


def set_loss(**facts: Any) -> Callable[[Part], Loss]:
    """Declare the mean over sets of `function(batch, *, params) -> (sets,)` as a loss; see `starts` and `spans`.

    Every form has the role `query`. A set for which the loss is not defined is NaN. There is no per-row value.
    """

    def made(function: Part) -> Loss:
        return declare(function, parts=(at_first_rows(function), first_of_set), statistic=SET_MEAN, **facts)

    return made
