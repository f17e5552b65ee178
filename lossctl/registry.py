"""Registry: the losses by name, collected from their modules; specs to losses and back."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from types import ModuleType

from lossctl.core.loss import Loss
from lossctl.errors import UsageError, listed, near
from lossctl.losses import adversarial, boxes, classification, count, margin, masks, metric, regression, relative

FAMILIES: tuple[ModuleType, ...] = (
    regression,
    relative,
    count,
    classification,
    margin,
    boxes,
    masks,
    metric,
    adversarial,
)


def fold(name: str) -> str:
    """Names are matched without regard to case, `-` being `_`."""
    return name.strip().casefold().replace("-", "_")


@cache
def losses() -> dict[str, Loss]:
    """Return every loss by canonical name, in order of family."""
    found: dict[str, Loss] = {}
    for module in FAMILIES:
        family = module.__name__.rpartition(".")[2]
        for value in vars(module).values():
            if isinstance(value, Loss):
                found[value.name] = replace(value, family=family)
    return found


@cache
def names() -> dict[str, str]:
    """Return folded name or alias -> canonical name; raise ValueError where two losses claim one."""
    claimed: dict[str, str] = {}
    for loss in losses().values():
        for name in (loss.name, *loss.aliases):
            if claimed.setdefault(fold(name), loss.name) != loss.name:
                raise ValueError(f"both {claimed[fold(name)]} and {loss.name} are called {name}")
    return claimed


def get(spec: str) -> Loss:
    """Return the loss that a spec such as `huber:delta=2` names; raise UsageError for one that is none.

    >>> get("huber:delta=2").spec
    'huber:delta=2'
    """
    name, colon, rest = spec.partition(":")
    known = names()
    if fold(name) not in known:
        raise UsageError(
            f"unknown loss {name!r}{near(fold(name), list(known))}; `lossctl losses list` lists all, "
            f"such as {listed(list(losses()), 8)}"
        )
    loss = losses()[known[fold(name)]]
    if not colon:
        return loss
    params = {param.name: param for param in loss.params}
    args: dict[str, object] = {}
    for piece in rest.split(","):
        key, equals, text = piece.partition("=")
        key = fold(key)
        if not equals or not key:
            raise UsageError(f"loss {spec!r}: {piece!r} is not PARAMETER=VALUE, as in huber:delta=2")
        if key in args:
            raise UsageError(f"loss {spec!r}: {key} is given twice")
        args[key] = params[key].parse(text, loss.name) if key in params else text
    return loss.bind(**args)


def labelled(spec: str) -> tuple[str, Loss]:
    """Split `p90=quantile:q=0.9` into its label and loss; without a label, the loss's own spec is one."""
    label, equals, rest = spec.partition("=")
    if equals and ":" not in label:
        if not label.strip():
            raise UsageError(f"loss {spec!r}: the label before = is empty")
        loss = get(rest)
        if names().get(fold(label), loss.name) != loss.name:  # or a rule on that loss would judge this one
            raise UsageError(f"loss {spec!r}: {label.strip()} is another loss; take a label that is none")
        return label.strip(), loss
    loss = get(spec)
    return loss.spec, loss
