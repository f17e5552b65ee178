"""Registry: the losses by name, collected from their modules and from plug-ins; specs to losses and back.

Plug-ins are loaded where a name is not built in, and to list all; a built-in name is never theirs.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from importlib import import_module
from string import punctuation
from typing import TYPE_CHECKING, NamedTuple

from lossctl.core.loss import Loss
from lossctl.core.param import GUARDS, Choice, Param, typed_in, written_label
from lossctl.errors import DataError, UsageError, listed, printable
from lossctl.files import exists, explained, is_file, read_file

if TYPE_CHECKING:
    from lossctl.elsewhere import Names
    from lossctl.plugins import Origin


FAMILIES: dict[str, tuple[str, ...]] = {  # family -> the modules of lossctl.losses that declare it
    "regression": ("regression", "robust"),
    "relative": ("relative",),
    "fit": ("fit",),
    "count": ("count",),
    "distribution": ("distribution",),
    "classification": ("classification", "decision"),
    "divergence": ("divergence",),
    "margin": ("margin",),
    "boxes": ("boxes",),
    "masks": ("masks",),
    "metric": ("metric",),
    "ranking": ("listwise",),
    "survival": ("survival",),
    "score": ("score", "rank"),
    "adversarial": ("adversarial",),
}
COMMON = ("regression", "classification", "decision")  # searched first: the usual losses of a task
SHORTEST_BEGINNING = 4  # letters of an unknown name with which names begin that are suggested
MARKS = f" {punctuation}".replace("(", "").replace(")", "")
OUTPUT = re.compile(r"\s*\[.*\]\s*$")  # what --per-output adds to a loss's name
LOOKALIKES = str.maketrans(  # small letters of Cyrillic, Greek and others, and dashes -> what they look like in names
    "асԁеһіјӏорԛѕтухԝкмнвпгαεηικνορτυχωıɑɡᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ‐‑‒–—−",
    "acdehijlopqstyxwkmhbnraenikvoptuxwiagabcdefghijklmnoprstuvwyz______",
)
ALLOWED = "LOSSCTL_PLUGINS"  # packages or entry points that may be loaded; set and empty: none


def fold(name: str) -> str:
    """Names are matched without regard to case, `-` being `_` and a square a 2."""
    return name.strip().casefold().replace("-", "_").replace("^2", "2").replace("²", "2")


@cache
def declared(module: str) -> dict[str, Loss]:
    """Return the losses of one module of `lossctl.losses` by name."""
    family = next(family for family, modules in FAMILIES.items() if module in modules)
    values = vars(import_module(f"lossctl.losses.{module}")).values()
    return {value.name: replace(value, family=family) for value in values if isinstance(value, Loss)}


@cache
def spelled(module: str) -> dict[str, Loss]:
    """Return the losses of one module by every folded name and alias."""
    return {fold(name): loss for loss in declared(module).values() for name in (loss.name, *loss.aliases)}


@cache
def losses() -> dict[str, Loss]:
    """Return every built-in loss by canonical name, in order of family."""
    return {
        name: loss for modules in FAMILIES.values() for module in modules for name, loss in declared(module).items()
    }


@cache
def names() -> dict[str, str]:
    """Return folded name or alias -> canonical name of the built-in losses; raise ValueError where two claim one."""
    claimed: dict[str, str] = {}
    for loss in losses().values():
        for name in (loss.name, *loss.aliases):
            if claimed.setdefault(fold(name), loss.name) != loss.name:
                raise ValueError(f"both {claimed[fold(name)]} and {loss.name} are called {name}")
    return claimed


@lru_cache(maxsize=1024)
def built_in(key: str) -> Loss | None:
    """Return the built-in loss of a folded name or alias; no more modules are imported than it takes to find it."""
    every = (module for modules in FAMILIES.values() for module in modules)
    return next((spelled(module)[key] for module in dict.fromkeys((*COMMON, *every)) if key in spelled(module)), None)


class Plugged(NamedTuple):
    """What plug-ins add: losses and names as those built in, the names that are refused and why, and all faults."""

    losses: Mapping[str, Loss]
    names: Mapping[str, str]
    refused: Mapping[str, str]
    faults: tuple[str, ...]


def plugged() -> Plugged:
    """Load the plug-ins that LOSSCTL_PLUGINS allows, once, and return what they add."""
    return _plugged(os.environ.get(ALLOWED))


@cache
def _plugged(allowed: str | None) -> Plugged:
    from lossctl import plugins  # looking for packages takes time that most runs need not spend

    loaded, faults = plugins.load(allowed, losses())
    faults += [plugin.fault for plugin in loaded if plugin.fault]
    claims: dict[str, list[tuple[Origin | None, Loss]]] = {
        name: [(None, losses()[loss])] for name, loss in names().items()
    }
    for plugin in loaded:
        for loss in plugin.losses:
            for name in dict.fromkeys(map(fold, (loss.name, *loss.aliases))):
                namesake = same_elsewhere(name)  # the loss that has this name without the plug-in
                claims.setdefault(name, [(None, namesake)] if namesake else []).append((plugin.origin, loss))
    refused: dict[str, str] = {}
    for name, claimants in claims.items():
        if len(claimants) > 1:
            owners = [f"{loss.name} of {origin or plugins.own_release()}" for origin, loss in claimants]
            fault = f"{name!r} is a name of {' and of '.join(owners)}; {_remedy(claimants)}"
            refused.update({fold(loss.name): fault for origin, loss in claimants if origin is not None})
            refused[name] = fault
    sound = {loss.name: loss for plugin in loaded for loss in plugin.losses if fold(loss.name) not in refused}
    return Plugged(
        sound,
        {fold(name): loss.name for loss in sound.values() for name in (loss.name, *loss.aliases)},
        refused,
        (*faults, *dict.fromkeys(refused.values())),
    )


def _remedy(claimants: list[tuple[Origin | None, Loss]]) -> str:
    """Say what comes of a name that several losses claim."""
    packages = {origin.package for origin, _ in claimants if origin is not None}
    if any(origin is None for origin, _ in claimants):
        return "the built-in loss stays, and the other is left out until its author renames it"
    if len(packages) == 1:
        return "both are left out until their author renames one"
    return f"both are left out; uninstall one, or name the other in {ALLOWED}"


def loss_named(name: str, typed: Mapping[str, str] | None = None) -> Loss:
    """Return the loss of a name or alias, from a plug-in if it is not built in; raise UsageError if there is none.

    typed: the arguments behind the name, which are told how to be typed here.
    """
    key = fold(name)
    loss = built_in(key)
    if loss is not None:
        return loss
    more = plugged()
    if key in more.names:
        return more.losses[more.names[key]]
    if (same := same_elsewhere(name)) is not None:
        return same
    if key in more.refused:
        raise UsageError(f"loss {name!r}: {more.refused[key]}")
    if advice := elsewhere().advice(name, typed or {}):
        raise UsageError(f"unknown loss {name!r}; {advice}")
    from lossctl.elsewhere import HUMP, joined, misspelt

    several = [piece for piece in re.split(r"[\s;|+&]+", name) if piece]
    if len(several) > 1 and all(map(is_known, several)):
        raise UsageError(f"unknown loss {name!r}; several are separated by commas: -l {','.join(several)}")
    slip = misspelt(name, [*names(), *more.names])
    words, word = set(fold(HUMP.sub("_", name)).split("_")), joined(name)
    longer = [
        full
        for full in losses()
        if (len(words) > 1 and words <= set(full.split("_")))
        or (len(word) >= SHORTEST_BEGINNING and full.replace("_", "").startswith(word))
    ]
    slip = slip or (f"; {listed(longer)} have these words" if longer else "")
    raise UsageError(
        f"unknown loss {name!r}{slip}; `lossctl losses list` lists all, such as "
        f"{listed([*losses(), *more.losses], 8)}" + "".join(f"; {fault}" for fault in more.faults)
    )


@cache
def elsewhere() -> Names:
    """Return what the losses claim of the names of other libraries."""
    from lossctl.elsewhere import Names

    return Names(losses().values())


def _arguments_elsewhere(loss: Loss) -> dict[str, str]:
    from lossctl.elsewhere import arguments

    return arguments(loss)


def same_elsewhere(name: str) -> Loss | None:
    """Return the loss that another library calls so, or that is written so there: `MSELoss`, `MeanSquaredError`."""
    canonical = elsewhere().loss(name)
    return None if canonical is None else losses()[canonical]


def loss_of(spec: str) -> Loss:
    """Return the loss that a spec such as `huber:delta=2` names; raise UsageError for one that is none.

    >>> loss_of("huber:delta=2").spec, loss_of("huber(delta=2)").spec, loss_of("huber@2").spec
    ('huber:delta=2', 'huber:delta=2', 'huber:delta=2')
    """
    name, colon, arguments = split_name(written(spec))
    pieces = typed_in(arguments) if colon else []
    loss = loss_named(name, dict(pieces))
    if not colon:
        return loss
    params = {param.name: param for param in loss.params}
    args: dict[str, object] = {}
    for place, (word, text) in enumerate(pieces):
        key = fold(word)
        is_value = not key and fold(text) not in {*params, ""} and not text.startswith("=")
        first = principal(loss, text) if place == 0 and is_value else None
        if first is not None:
            key = first.name
        elif not key:
            takes = f"; {loss.name} takes {listed(list(params))}" if params else f"; {loss.name} takes none"
            raise UsageError(f"loss {spec!r}: {text!r} is not PARAMETER=VALUE, as in huber:delta=2{takes}")
        if key not in params:
            key = _arguments_elsewhere(loss).get(key, key)
        if key not in params and (advice := elsewhere().of_arguments(name, dict(pieces), word)):
            raise UsageError(f"loss {spec!r}: {loss.name} has no parameter {word!r}; {advice}")
        if key in args:
            raise UsageError(f"loss {spec!r}: {key} is given twice")
        args[key] = params[key].parse(text, loss.name) if key in params else text
    return loss.bind(**args)


def principal(loss: Loss, text: str) -> Param | None:
    """Return the parameter that a value without a name is: the first, unless it only guards a division or logarithm.

    Of a score of decisions a number is the threshold; a whole one would be how many items of a list count.
    """
    first = next(iter(loss.params), None)
    if first is not None and isinstance(first.domain, Choice) and re.fullmatch(NUMBER, text.strip()):
        first = next((param for param in loss.params if param.name == "threshold"), first)
        if float(text) >= 1.0 and (advice := elsewhere().advice(f"{loss.name}at")):
            raise UsageError(f"loss {loss.name}@{text}: {advice}; a threshold is below 1")
    return None if first is None or first.name in GUARDS else first


NUMBER = r"[0-9]*\.?[0-9]+(e-?[0-9]+)?"


CALLED = re.compile(
    r"(?P<before>(?:^|,)\s*(?:[^=:,()]+=\s*)?)(?P<name>[\w.-]+)\s*"
    r"(?:\((?P<words>(?:[^()]|\([^()]*\))*)\)|@(?P<value>[^,:=()@]+))(?=\s*(?:,|$))"
)


TOP = re.compile(r"(?:(?<=^)|(?<=[,=]))\s*top[_-]?([1-9][0-9]*)(?:[_-]?acc(?:uracy)?)?\s*(?=,|$)", re.IGNORECASE)


def written(text: str) -> str:
    """Write specs as people type them in the one way: `huber(delta=2)` and `ndcg@10` as `huber:delta=2`, `ndcg:10`.

    `top5` and `top_5_accuracy` are `top_k_accuracy:k=5`.
    """
    return CALLED.sub(_written_call, TOP.sub(r"top_k_accuracy:k=\1", text))


def _written_call(match: re.Match[str]) -> str:
    words = (match["words"] or match["value"] or "").strip()
    words = re.sub(r"=\s*(['\"])([^'\"]*)\1", r"=\2", words)  # texts and lists of Python, and XGBoost's `ndcg@5-`
    words = re.sub(r"[\[{]([^\]}]*)[\]}]", lambda values: _with_slashes(values[1]), words)
    words = re.sub(r"^(\d+)-$", r"\1,empty=0", words)
    if match.start() and not leads_somewhere(match["name"]):  # a label of a class may look like a call
        return match[0]
    return f"{match['before']}{match['name']}" + (f":{words}" if words else "")


def _with_slashes(values: str) -> str:
    """Write `'a': 1, 'b': 2` or `1, 2` as a spec does."""
    return "/".join(re.sub(r"['\"]|(?<=:)\s+", "", piece.strip()) for piece in values.split(","))


def split_name(spec: str) -> tuple[str, str, str]:
    """Split a spec at the colon behind the name; names of XGBoost have one of their own, as `reg:squarederror`."""
    if re.fullmatch(r"[a-z]+:[a-z]+", spec.strip().casefold()) and elsewhere().advice(spec):
        return spec, "", ""
    return spec.partition(":")


def leads_somewhere(name: str) -> bool:
    """Whether a loss has the name, or another library knows it."""
    return is_known(name) or bool(elsewhere().advice(name))


def labelled(spec: str) -> tuple[str, Loss]:
    """Split `p90=quantile:q=0.9` into its label and loss; without a label, the loss's own spec is one."""
    spec = written(spec)
    label, equals, spec_of = spec.partition("=")
    if equals and ":" not in label:
        if not label.strip():
            raise UsageError(f"loss {spec!r}: the label before = is empty")
        loss = loss_of(spec_of)
        if other := _misleads(label.strip(), loss):  # a rule on that loss would judge this one
            raise UsageError(f"loss {spec!r}: {printable(label.strip())} is {other}; take a label that is no loss")
        return label.strip(), loss
    loss = loss_of(spec)
    return loss.spec, loss


def _misleads(label: str, loss: Loss) -> str:
    """Say which other loss, here or in another library, has a label for its name; nothing where none has."""
    if not label.isascii():  # wide, invisible, accented or foreign letters are read as a loss's name
        from unicodedata import combining, normalize

        letters = (letter for letter in normalize("NFKD", label).casefold() if letter.isprintable())
        label = "".join(letter for letter in letters if not combining(letter)).translate(LOOKALIKES)
    label = OUTPUT.sub("", label).strip(MARKS)  # marks around a name make no other name of it
    label = label[1:-1] if label[:1] == "(" and label[-1:] == ")" else label
    name = bare_name(label)
    namesake = built_in(fold(name)) or same_elsewhere(name)  # no plug-in is loaded for a label
    if namesake is None:
        meant = elsewhere().meant(name)
        return "" if not meant or loss.name in meant else "a name of another loss"
    if namesake.name != loss.name:
        return "another loss"
    try:
        plain = loss_of(label)
    except UsageError:  # what follows the name is no parameter
        return ""
    return "" if plain.full_spec == loss.full_spec else f"{plain.full_spec}, and this is {loss.full_spec}"


def all_labelled(texts: Iterable[str]) -> list[tuple[str, Loss]]:
    """Return the labels and losses of texts, which may hold several each, and `@FILE` for weights of classes."""
    return [labelled(spec) for spec in split_specs(with_tables(texts))]


def split_specs(texts: Iterable[str]) -> list[str]:
    """Split specs at the commas that begin another loss, as in `mae,rmse` and `huber:delta=2,p90=quantile:q=0.9`."""
    specs: list[str] = []
    for text in texts:
        first, *pieces = written(text).split(",")
        specs.append(first)
        for piece in pieces:
            if _begins_a_loss(specs[-1], piece):
                specs.append(piece)
            else:
                specs[-1] += f",{piece}"
    return specs


def _begins_a_loss(spec: str, piece: str) -> bool:
    """Whether a piece behind a comma is another loss, not a parameter of the one before it."""
    before = spec.rpartition("=")[2] if ":" not in spec else spec.partition(":")[0].rpartition("=")[2]
    if ":" not in spec:
        return "=" not in piece or (is_known(before) and is_known(bare_name(piece)))  # else a label has a comma
    key, equals, _ = piece.partition("=")
    if equals and is_known(before):
        loss = loss_named(before)
        if fold(key) in {*_arguments_elsewhere(loss), *(param.name for param in loss.params)}:
            return False
    return leads_somewhere(bare_name(piece))


def bare_name(spec: str) -> str:
    """Return the name of the loss in a spec, without a label and parameters."""
    spec = written(spec)
    label, equals, spec_of = spec.partition("=")
    return split_name(spec_of if equals and ":" not in label else spec)[0]


def is_known(name: str) -> bool:
    """Whether a loss has the name."""
    return built_in(fold(name)) is not None or fold(name) in plugged().names or same_elsewhere(name) is not None


TABLE = r"([:,]\s*(?:class_weight|alpha)\s*=)@([^,]+)"
LARGEST = 1 << 20  # bytes; a table of class weights is small


def get(spec: str) -> Loss:
    """Return the loss that a spec such as `huber:delta=2` names; raise UsageError for one that is none.

    >>> import lossctl
    >>> lossctl.get("huber:delta=2").spec
    'huber:delta=2'
    """
    if not isinstance(spec, str):
        raise UsageError(f"a loss is named by a text such as 'huber:delta=2', not by a {type(spec).__name__}")
    return loss_of(with_tables([spec])[0])


def table_files(specs: Iterable[str]) -> list[str]:
    """Return every `@FILE` of some specs."""
    return [match[2].strip() for spec in specs for match in re.finditer(TABLE, spec)]


def with_tables(specs: Iterable[str]) -> list[str]:
    """Put the numbers of a file in place of `@FILE`: a JSON object or list, or CSV lines `label,weight`."""
    return [re.sub(TABLE, lambda match: match[1] + _written(match[2].strip()), written(spec)) for spec in specs]


def _written(path: str) -> str:
    """Return a table of weights by class as a spec writes it."""
    where = f"class weights @{printable(path)}"
    try:
        if exists(path) and not is_file(path):
            raise ValueError(f"not a regular file; {EXPECTED}")
        content = read_file(path, LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"larger than {LARGEST >> 20} MiB")
        text = content.decode("utf-8-sig")
        table = _json(text) if text.lstrip()[:1] in ("{", "[") else _csv(text)
        if not table:
            raise ValueError(f"it is empty; {EXPECTED}")
        if isinstance(table, list):
            return "/".join(repr(_number(f"number {place + 1}", value)) for place, value in enumerate(table))
        return "/".join(f"{written_label(label)}:{_number(label, value)!r}" for label, value in table.items())
    except UsageError:
        raise
    except UnicodeDecodeError:
        raise UsageError(f"{where}: it is no text in UTF-8") from None
    except FileNotFoundError as error:
        raise UsageError(f"{where}: {error.strerror}") from None
    except OSError as error:
        raise DataError(f"{where}: {explained(error)}") from None
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


EXPECTED = 'expected {"cat": 1, "dog": 2}, [1, 2], or lines cat,1'


def _json(text: str) -> dict[str, object] | list[object]:
    twice = []

    def distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
        twice.append(len(dict(pairs)) != len(pairs))
        return dict(pairs)

    try:
        table = json.loads(text, object_pairs_hook=distinct)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON ({error}); {EXPECTED}") from None
    if any(twice):
        raise ValueError("a label stands twice")
    return table if isinstance(table, dict | list) else []


def _csv(text: str) -> dict[str, object]:
    table: dict[str, object] = {}
    try:
        lines = list(csv.reader(text.splitlines(), strict=True))
    except csv.Error as error:
        raise ValueError(f"no CSV ({error}); {EXPECTED}") from None
    for place, line in enumerate(lines):
        if not line or (place == 0 and [cell.strip() for cell in line] == ["label", "weight"]):
            continue
        if len(line) != 2 or line[0].strip() in table:
            raise ValueError(f"line {place + 1}: {EXPECTED}, each label once")
        table[line[0].strip()] = line[1]
    return table


def _number(where: str, value: object) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        weight = float(value)
        where.encode()
        if not 0.0 <= weight < math.inf:
            raise ValueError
    except (ValueError, OverflowError):
        shown = printable(value) if isinstance(value, str) else json.dumps(value)[:40]
        raise ValueError(f"{printable(where)}: {shown} is no weight, a finite number >= 0") from None
    return weight
