"""States as bytes: a documented format without code in it, and the state of a run in it and back.

A file is the line `lossctl state 1`, the length of a header (8 bytes, little-endian), the header, arrays one behind
the other, each padded to 8 bytes, and 32 bytes of BLAKE2b of all before. The header is JSON: `arrays` lists the type
(f8, i8, u8 or b1) and the shape of each array, and `state` holds the values, in which `{"$array": k}` is the k-th
array, `{"$int": "-ff"}` a whole number beyond 2^53 in hexadecimal, `{"$float": "inf"}` a number that JSON lacks, and
`{"$map": [[key, value], ...]}` a mapping whose keys are no plain texts. Sums count units of 2^-1074, sums of products
of 2^-2148 and of cubes of 2^-3222, so that they add without rounding. What each value must be, `STATE` says here and
`HEADER` in `api/shares.py`, to which a file is held before anything is made of it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any, Final, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from lossctl.core.block import Breach, Defect, Gaps
from lossctl.core.grouped import GroupedMoments, PeaksByGroup
from lossctl.core.resample import Replicates
from lossctl.core.state import Odd, Peak, Sample
from lossctl.engine.plan import Plan
from lossctl.engine.reduce import NOTHING, WEIGHT, RunState, WorstRows
from lossctl.errors import DataError

MAGIC: Final = b"lossctl state 1\n"
LENGTH: Final = 8  # bytes of the header's length, and to which arrays are padded
SEAL: Final = 32  # bytes of the checksum
TYPES: Final = {"f8": np.dtype("<f8"), "i8": np.dtype("<i8"), "u8": np.dtype("<u8"), "b1": np.dtype("?")}
MOST_EXACT: Final = 1 << 53  # whole numbers up to which every reader of JSON is exact
START: Final = len(MAGIC) + LENGTH  # of the header
UNREADABLE: Final = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError)
DAMAGED: Final = "is damaged, or not written by lossctl; compute this share anew"

# values as bytes -----------------------------------------------------------------------------------------------------


def packed(value: object) -> bytes:
    """Return plain values and arrays as the bytes of a file."""
    arrays: list[NDArray[Any]] = []
    places: dict[int, int] = {}  # by identity: models share a target

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            if id(value) not in places:
                places[id(value)] = len(arrays)
                arrays.append(value)
            return {"$array": places[id(value)]}
        if isinstance(value, bool | str) or value is None:
            return value
        if isinstance(value, int):
            return value if abs(value) < MOST_EXACT else {"$int": f"{value:x}"}
        if isinstance(value, float):
            return value if math.isfinite(value) else {"$float": repr(value)}
        if isinstance(value, Mapping):
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: plain(entry) for key, entry in value.items()}
            return {"$map": [[plain(key), plain(entry)] for key, entry in value.items()]}
        assert isinstance(value, Iterable), value
        return [plain(entry) for entry in value]

    state = plain(value)
    contiguous = [np.ascontiguousarray(array, TYPES[name_of(array)]) for array in arrays]
    listing = [[name_of(array), list(array.shape)] for array in contiguous]
    header = json.dumps({"arrays": listing, "state": state}, allow_nan=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % LENGTH)
    pieces = [MAGIC, len(header).to_bytes(LENGTH, "little"), header]
    for array in contiguous:
        pieces += [array.tobytes(), bytes(-array.nbytes % LENGTH)]
    content = b"".join(pieces)
    return content + blake2b(content, digest_size=SEAL).digest()


def name_of(array: NDArray[Any]) -> str:
    """Return the name of an array's type in the format."""
    return f"{array.dtype.kind}{array.dtype.itemsize}"


def unpacked(content: bytes) -> Any:
    """Return the values of a state; raise DataError for one that is not whole, or none, without trusting it."""
    if not content.startswith(MAGIC):
        other = content.startswith(MAGIC[:-2])
        raise DataError("is a state of another format than this lossctl writes" if other else "is no state of lossctl")
    body, seal = content[:-SEAL], content[-SEAL:]
    if len(content) < START + SEAL or blake2b(body, digest_size=SEAL).digest() != seal:
        raise DataError("is cut off or damaged: its checksum is wrong; copy it again, or compute this share anew")
    try:
        header, listing, end = _header(body)
        if end + sum(size for *_, size in listing) != len(body):
            raise DataError(DAMAGED)
        arrays: list[NDArray[Any]] = []
        for kind, shape, size in listing:
            arrays.append(np.frombuffer(body, kind, math.prod(shape), end).reshape(shape))
            end += size
        return _unpacked(header["state"], arrays)
    except UNREADABLE:
        raise DataError(DAMAGED) from None


def _header(content: bytes) -> tuple[Any, list[tuple[np.dtype[Any], tuple[int, ...], int]], int]:
    """Return the header, the type, shape and bytes of each array, and where they begin."""
    end = START + int.from_bytes(content[len(MAGIC) : START], "little")
    header = json.loads(content[START:end])
    listing = [(TYPES[name], tuple(shape)) for name, shape in header["arrays"]]
    if not all(isinstance(count, int) and count >= 0 for _, shape in listing for count in shape):
        raise ValueError
    sizes = [kind.itemsize * math.prod(shape) for kind, shape in listing]
    return header, [(*entry, size + -size % LENGTH) for entry, size in zip(listing, sizes, strict=True)], end


def parted(content: bytes) -> list[bytes]:
    """Part states that stand one behind the other; what is none is the rest."""
    states = list[bytes]()
    while content or not states:
        size = len(content)
        if content.find(MAGIC, 1) > 0:
            with suppress(*UNREADABLE):
                _, listing, end = _header(content)
                size = end + sum(size for *_, size in listing) + SEAL
        states.append(content[:size])
        content = content[size:]
    return states


def _unpacked(value: Any, arrays: Sequence[NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return [_unpacked(entry, arrays) for entry in value]
    if not isinstance(value, dict):
        return value
    for tag, content in value.items() if len(value) == 1 else ():
        match tag:
            case "$array":
                return arrays[content]
            case "$int":
                return int(content, 16)
            case "$float":
                return float(content)
            case "$map":
                return {_unpacked(key, arrays): _unpacked(entry, arrays) for key, entry in content}
    return {key: _unpacked(entry, arrays) for key, entry in value.items()}


# what each value must be ---------------------------------------------------------------------------------------------


class OneOf(NamedTuple):
    """Forms of which a value has one."""

    forms: Sequence[Any]


def fits(value: Any, form: Any) -> bool:
    """Whether a value is of a form.

    That is a type, or several; [form] for a list; (form, form) for one of so many entries; {str: form} for a mapping;
    {"name": form} for one of these keys; "f8:2" for an array of a type and so many axes; object for anything.
    """
    match form:
        case str():
            return isinstance(value, np.ndarray) and f"{name_of(value)}:{value.ndim}" == form
        case OneOf(forms):
            return any(fits(value, form) for form in forms)
        case [entry_form] if isinstance(form, list):
            return isinstance(value, list) and all(fits(entry, entry_form) for entry in value)
        case tuple():
            return isinstance(value, list) and len(value) == len(form) and all(map(fits, value, form))
        case dict():
            if not isinstance(value, dict) or (str not in form and value.keys() != form.keys()):
                return False
            return all(
                isinstance(key, str) and fits(entry, form.get(key, form.get(str))) for key, entry in value.items()
            )
    return form is object or type(value) in (get_args(form) or (form,))  # so that True is no whole number


BREACH: Final = (int, int, int, int)
DEFECT: Final = (int, str, str, *BREACH)
SAMPLE: Final = ["f8:2"]
TOTALS: Final = [int | None]
STATE: Final = {
    "counts": (int,) * 6,
    **dict.fromkeys(("sums", "products", "cubes"), TOTALS),
    "odd": [(int, int, int, int)],
    "wholes": [OneOf([(int, float), SAMPLE])],
    "series": SAMPLE,
    "firsts": SAMPLE,
    "breaches": [(int, *BREACH)],
    "missing": [DEFECT],
    "faults": [DEFECT],
    "grouped": {str: ("i8:2", *["f8:2"] * 6, [(int, "i8:2")])},
    "peaks": [(str, int, "i8:2", "f8:1")],
    "replicates": {str: [(int, "f8:2", "f8:2")]},
    "worst": [(str | None, str, str, [str], "f8:1", "i8:1", "f8:2")],
    "unlike": [(str, str)],
    "stopped": OneOf([type(None), (int, str)]),
    "gaps": ({str: int}, [(str, str, int)], [(str, int, int)]),
}

# the state of a run as plain values ----------------------------------------------------------------------------------


def plain_state(state: RunState, plan: Plan) -> dict[str, Any]:
    """Return a state as plain values; what is named by the plan goes by its place there."""
    moments = state.moments
    return {
        "counts": [state.read, state.dropped, moments.rows, moments.live, state.digest, state.digest_kept],
        "sums": moments.sums,
        "products": moments.products,
        "cubes": moments.cubes,
        "odd": [list(odd) for odd in moments.odd],
        "wholes": [
            _of_sample(entry) if isinstance(entry, Sample) else [entry.rows, entry.top] for entry in state.wholes
        ],
        "series": _of_sample(state.series),
        "firsts": _of_sample(state.firsts),
        "breaches": [
            [-1 if check == WEIGHT else plan.checks.index(check), *breach] for check, breach in state.breaches.items()
        ],
        "missing": [[*defect, *breach] for defect, breach in state.missing.items()],
        "faults": [[*defect, *breach] for defect, breach in state.faults.items()],
        "grouped": {name: _of_groups(groups) for name, groups in state.grouped.items()},
        "peaks": [
            [
                name,
                place,
                np.array([(code, rows) for code, (rows, _) in peaks.tops.items()], np.int64).reshape(-1, 2),
                np.array([top for _, top in peaks.tops.values()]),
            ]
            for (name, place), peaks in state.peaks.items()
        ],
        "replicates": {
            name: [[code, *sums] for code, sums in replicates.sums.items()]
            for name, replicates in state.replicates.items()
        },
        "worst": [
            [base, model, label, rows.names, rows.excess, rows.addresses, rows.facts]
            for ((base, model), label), rows in state.worst.items()
        ],
        "unlike": sorted(state.unlike),
        "stopped": None if state.stopped is None else [state.stopped[0], str(state.stopped[1])],
        "gaps": [
            dict(state.gaps.models),
            [[*couple, count] for couple, count in state.gaps.alone.items()],
            [[*place, count] for place, count in state.gaps.slices.items()],
        ],
    }


def _of_sample(sample: Sample) -> Any:
    return [sample.unordered()] if sample.pieces else []


def _of_groups(groups: GroupedMoments) -> list[Any]:
    counts = np.stack([groups.codes, groups.rows, groups.live])
    return [counts, *groups.sums, *groups.products, *groups.cubes, [[i, odd] for i, odd in groups.odd.items()]]


Codes = Mapping[str, NDArray[np.int64]]  # grouping -> the code that each code becomes


def state_of(plain: Mapping[str, Any], plan: Plan, codes: Codes) -> RunState:
    """Return a state from its plain values, with other group codes; raise DataError where it does not fit the plan."""
    try:
        return _state_of(plain, plan, codes)
    except UNREADABLE:
        raise DataError(DAMAGED) from None


def _state_of(plain: Mapping[str, Any], plan: Plan, codes: Codes) -> RunState:
    read, dropped, rows, live, digest, digest_kept = plain["counts"]
    empty = RunState.empty(plan)
    sums, products, cubes = (tuple(plain[name]) for name in ("sums", "products", "cubes"))
    shapes = [len(empty.moments.sums), len(empty.moments.products), len(empty.moments.cubes), len(empty.wholes)]
    if [*map(len, (sums, products, cubes, plain["wholes"]))] != shapes or len(plain["odd"]) != shapes[0]:
        raise ValueError
    odd = tuple(Odd(*entry) for entry in plain["odd"])
    riders = [codes[name] for name in plan.sample_groups]
    wholes = [
        Peak(*entry) if kind == "peak" else _sample(entry, riders, len(terms) + 1)
        for (_, terms, kind), entry in zip(plan.wholes, plain["wholes"], strict=True)
    ]
    lines = len(plan.quantities) + int(plan.weighted)
    models, alone, slices = plain["gaps"]
    return RunState(
        read=read,
        dropped=dropped,
        moments=empty.moments._replace(rows=rows, live=live, sums=sums, products=products, cubes=cubes, odd=odd),
        wholes=tuple(wholes),
        breaches={WEIGHT if i < 0 else plan.checks[i]: Breach(*breach) for i, *breach in plain["breaches"]},
        missing={Defect(*entry[:3]): Breach(*entry[3:]) for entry in plain["missing"]},
        faults={Defect(*entry[:3]): Breach(*entry[3:]) for entry in plain["faults"]},
        grouped={name: _groups(name, entry, plan, codes[name]) for name, entry in plain["grouped"].items()},
        peaks={
            (name, place): PeaksByGroup(
                {
                    int(codes[name][code]): (count, top)
                    for (code, count), top in zip(counts.tolist(), tops.tolist(), strict=True)
                }
            )
            for name, place, counts, tops in plain["peaks"]
        },
        replicates={
            name: _replicates(lines, plan.resamples, entry, codes.get(name))
            for name, entry in plain["replicates"].items()
        },
        series=_sample(plain["series"], riders, lines),
        firsts=_sample(plain["firsts"], riders, len(plan.firsts) + int(plan.weighted)),
        worst={
            ((base, model), label): WorstRows(plan.worst, tuple(names), excess, addresses, facts)
            for base, model, label, names, excess, addresses, facts in plain["worst"]
        },
        unlike=frozenset((base, model) for base, model in plain["unlike"]),
        digest=digest,
        digest_kept=digest_kept,
        stopped=None if plain["stopped"] is None else (plain["stopped"][0], DataError(plain["stopped"][1])),
        gaps=Gaps(
            Counter(models),
            Counter({(model, other): count for model, other, count in alone}),
            Counter({(name, int(codes[name][code]) if code >= 0 else code): count for name, code, count in slices}),
        ),
    )


def _sample(pieces: Sequence[NDArray[Any]], riders: Sequence[NDArray[np.int64]], first: int) -> Sample:
    """Return a sample whose lines of group codes begin at line `first`."""
    if not pieces:
        return NOTHING
    [lines] = pieces
    lines = lines.copy()
    for place, codes in enumerate(riders, first):
        lines[place] = codes[lines[place].astype(np.int64)]
    return Sample.of(lines)


def _groups(name: str, plain: Sequence[Any], plan: Plan, codes: NDArray[np.int64]) -> GroupedMoments:
    """Return grouped moments with other codes, which ascend."""
    counts, *arrays, odd = plain
    pairs, cubed = (plan.pairs, plan.cubed) if name in plan.slicings else ((), ())
    new = codes[counts[0]]
    order = np.argsort(new)
    sums, products, cubes = (
        (high[:, order], low[:, order]) for high, low in zip(arrays[::2], arrays[1::2], strict=True)
    )
    lines = len(plan.quantities) + int(plan.weighted)
    if [len(pair[0]) for pair in (sums, products, cubes)] != [lines, len(pairs), len(cubed)]:
        raise ValueError
    return GroupedMoments(
        pairs=pairs,
        codes=new[order],
        rows=counts[1][order],
        live=counts[2][order],
        sums=sums,
        products=products,
        odd={i: record[:, order] for i, record in odd},
        cubed=cubed,
        cubes=cubes,
    )


def _replicates(lines: int, resamples: int, plain: Sequence[Any], codes: NDArray[np.int64] | None) -> Replicates:
    """Return bootstrap sums with other codes; None: the one of all rows stays."""
    replicates = Replicates(lines, resamples)
    replicates.sums = {code if codes is None else int(codes[code]): (high, low) for code, high, low in plain}
    return replicates
