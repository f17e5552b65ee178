"""Which label each prediction column is: by its name, however it was chosen and in any order, else by its place."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lossctl as package
from lossctl.core.domain import label
from lossctl.core.naming import namings
from lossctl.errors import DataError, UsageError
from tests.bad_input import DATA, USAGE, Write
from tests.conftest import Lossctl, Refused

pytestmark = pytest.mark.deep

ROWS = 12
KINDS: dict[str, list[Any]] = {
    "text": ["setosa", "versicolor", "virginica"],
    "words that end alike": ["spam", "not_spam", "spam_or_not"],
    "int": [0, 1, 2],
    "int from 1": [1, 2, 3, 4, 5],
    "int of two digits": [9, 10, 11, 100],
    "float": [0.5, 1.0, 1.5],
    "bool": [False, True],
    "sign": [-1, 1],
}
STYLES = ("{}", "p_{}", "{}_prob", "prob.{}", "P({})", "m 1 {} out of 9")
CONTAINERS = ("csv", "jsonl", "parquet", "frame", "dict", "arrow")
ARRAYS = ("npy", "npz", "array", "lists in parquet", "lists in jsonl")


@dataclass(frozen=True)
class Case:
    """Columns with a name for each label, in some order, and every way to choose them."""

    style: str
    labels: tuple[Any, ...]

    @property
    def columns(self) -> list[str]:
        return [self.style.format(label) for label in self.labels]

    def choices(self) -> Iterator[Any]:
        """Yield the columns as a list, by patterns, under a name, and one by one."""
        names = self.columns
        yield ",".join(names)
        yield f"model={','.join(reversed(names))}"
        yield {"model": tuple(names)}
        begin, end = self.style.split("{}")
        if begin or end:
            yield f"{begin.replace('[', '?')}*{end}"
            yield f"m={begin}*{end}"
        if all(len(str(label)) == 1 for label in self.labels) and begin:
            yield f"{begin}?{end}"


def cases(kind: str) -> Iterator[Case]:
    labels = KINDS[kind]
    mixed = [*labels[1::2], *labels[::2]]
    for style, order in zip(STYLES, itertools.cycle([labels[::-1], mixed, labels])):
        yield Case(style, tuple(order))


def data_of(kind: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the place of each row's label, and probabilities by label."""
    rng = np.random.default_rng(len(kind))
    p = rng.dirichlet(np.ones(len(KINDS[kind])), ROWS)
    return np.r_[np.arange(len(KINDS[kind])), rng.integers(0, len(KINDS[kind]), ROWS)][:ROWS], p


def stored(container: str, folder: Path, columns: Mapping[str, Any]) -> Any:
    """Return a table in a container: a path, or an object."""
    path = folder / f"a.{container}"
    match container:
        case "csv":
            rows = zip(*columns.values(), strict=True)
            lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
            path.write_text("\n".join(lines) + "\n")
        case "jsonl":
            rows = zip(*(np.asarray(values).tolist() for values in columns.values()), strict=True)
            path.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
        case "parquet":
            pq.write_table(pa.table({name: np.asarray(values).tolist() for name, values in columns.items()}), path)
        case "frame":
            return pd.DataFrame(columns)
        case "arrow":
            return pa.table({name: np.asarray(values).tolist() for name, values in columns.items()})
        case _:
            return dict(columns)
    return path


def value(data: Any, **options: Any) -> list[float]:
    report = package.evaluate(data, target="y", ci=None, losses=["cce", "zero_one"], threads=1, **options)
    return [cell.value for cell in report.cells]


def expected(places: np.ndarray[Any, Any], p: np.ndarray[Any, Any]) -> list[float]:
    """The same with NumPy alone."""
    return [-float(np.mean(np.log(p[np.arange(ROWS), places]))), float(np.mean(p.argmax(axis=1) != places))]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_column_is_the_label_it_is_named_by(tmp_path: Path, kind: str, container: str) -> None:
    places, p = data_of(kind)
    right = pytest.approx(expected(places, p), rel=1e-14)
    for case in cases(kind):
        of_label = dict(zip(KINDS[kind], p.T, strict=True))
        columns = {name: of_label[label] for name, label in zip(case.columns, case.labels, strict=True)}
        data = stored(container, tmp_path, {"y": [KINDS[kind][place] for place in places], **columns})
        for choice in case.choices():
            notes: list[str] = []
            assert value(data, pred=choice, note=notes.append) == right, (case, choice)
            assert not notes, (case, choice)


def test_there_are_at_least_1000_combinations() -> None:
    count = sum(len(list(case.choices())) for kind in KINDS for case in cases(kind)) * len(CONTAINERS)
    assert count >= 1000


# arrays: nothing but the place tells ----------------------------------------------------------------------------------


def array_options(container: str, folder: Path, labels: Any, p: np.ndarray[Any, Any]) -> tuple[Any, dict[str, Any]]:
    """Return data without names of columns, and the options that choose them."""
    match container:
        case "npy":
            np.save(folder / "y.npy", labels)
            np.save(folder / "p.npy", p)
            return folder / "p.npy", {"targets": folder / "y.npy"}
        case "npz":
            np.savez(folder / "a.npz", y=labels, p=p)
            return folder / "a.npz", {"pred": "p"}
        case "array":
            return {"y": labels, "p": p}, {"pred": "p"}
        case _:
            kind = container.rpartition(" ")[2]
            return stored(kind, folder, {"y": labels, "p": p}), {"pred": "p"}


@pytest.mark.parametrize("container", ARRAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_arrays_go_by_their_place_with_a_note_or_ask_for_the_classes(tmp_path: Path, kind: str, container: str) -> None:
    places, p = data_of(kind)
    right = pytest.approx(expected(places, p), rel=1e-14)
    data, options = array_options(container, tmp_path, np.array(KINDS[kind])[places], p)
    notes: list[str] = []
    if kind in ("int", "bool"):
        assert value(data, **options, note=notes.append) == right
        [note] = [note for note in notes if note.startswith("classes: ")]
        assert note == f"classes: {', '.join(map(str, KINDS[kind])).lower()}, by the order of the columns; " + (
            "--classes says otherwise"
        )
        return
    with pytest.raises(DataError, match="by the order of the columns; --classes") as error:
        value(data, **options, note=notes.append)
    assert not any(note.startswith("classes: ") for note in notes)
    advice = re.search(r"--classes[ =](\S+)", str(error.value))
    assert advice is not None
    given = shlex.split(advice[1])[0]
    assert given == ",".join(map(label, sorted(KINDS[kind])))  # the order that scikit-learn has
    if KINDS[kind] == sorted(KINDS[kind]):
        assert value(data, **options, classes=given) == right
    assert value(data, **options, classes=KINDS[kind]) == right


# several outputs: columns of target and predictions belong together by their names ------------------------------------


@pytest.mark.parametrize(
    ("target", "pred"),
    [
        ("a,b", "b_hat,a_hat"),
        ("t.a,t.b", "p.b,p.a"),
        ("y1,y2", "p2,p1"),
        ("t_a,t_b", "p_b,p_a"),
        ("a true,b true", "b pred,a pred"),
        ("true_*", "p_*"),
    ],
)
@pytest.mark.parametrize("loss", ["mae", "cce"])
def test_outputs_are_paired_by_name(lossctl: Lossctl, write: Write, target: str, pred: str, loss: str) -> None:
    truth = ["true_a", "true_b"] if "*" in target else target.split(",")
    guesses = ["p_b", "p_a"] if "*" in pred else pred.split(",")
    path = write("a.csv", ",".join([*truth, *guesses]) + "\n1,0,0.1,0.9\n0,1,0.8,0.2\n")
    ran = lossctl(
        "eval", path, "-t", target, "-p", f"m={pred.rpartition('=')[2]}", "-l", loss, "--no-ci", "-f", "value"
    )
    assert ran.values == [pytest.approx(0.15 if loss == "mae" else -np.log([0.9, 0.8]).mean())]


# one column of two ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "labels", "options"),
    [
        (("p_0", "p_1"), (0, 1), ()),
        (("0", "1"), (0, 1), ()),
        (("False", "True"), (False, True), ()),
        (("prob.no", "prob.yes"), ("no", "yes"), ("--positive-label", "yes")),
    ],
)
def test_a_probability_of_a_no_that_is_taken_as_one_of_a_yes_is_told(
    lossctl: Lossctl, write: Write, names: tuple[str, str], labels: tuple[Any, Any], options: tuple[str, ...]
) -> None:
    no, yes = names
    path = write("a.csv", f"y,{no},{yes}\n{labels[0]},0.9,0.1\n{labels[1]},0.2,0.8\n")
    asked = ("eval", path, "-t", "y", "-l", "bce", "--no-ci", *options)
    word = options[-1] if options else str(labels[1])
    assert f"{no}: taken as the probability of {word}, which by name is {yes}" in lossctl(*asked, "-p", no).err
    assert "by name" not in lossctl(*asked, "-p", yes).err


def test_models_that_are_numbered_are_no_complements(lossctl: Lossctl, write: Write) -> None:
    path = write("a.csv", "y,m0,m1\n0,0.2,0.1\n1,0.7,0.8\n")
    assert "by name" not in lossctl("eval", path, "-t", "y", "-p", "m0", "-p", "m1", "-l", "bce", "--no-ci").err


# patterns and spellings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["?", "[0-9]", "*", "m=?"])
def test_a_pattern_leaves_out_the_columns_of_other_roles(lossctl: Lossctl, write: Write, pattern: str) -> None:
    path = write("a.csv", "y,w,g,2,1\n1,1,a,0.1,0.9\n2,3,b,0.8,0.2\n")
    asked = ("eval", path, "-t", "y", "-w", "w", "--by", "g", "-p", pattern, "-l", "cce", "--no-ci", "-f", "value")
    assert lossctl(*asked).values[0] == pytest.approx(-(np.log(0.9) + 3 * np.log(0.8)) / 4)


def test_columns_of_a_frame_may_be_numbers() -> None:
    frame = pd.DataFrame([[0.1, 0.9], [0.8, 0.2]], columns=[2, 1]).assign(y=[1, 2])
    right = pytest.approx(-np.log([0.9, 0.8]).mean())
    pred: Any = {"m": [1, 2]}
    assert package.evaluate(frame, target="y", pred=pred, losses="cce").cells[0].value == right


@pytest.mark.parametrize("columns", ["p_very_good,p_bad", "Very.Good,Bad", "VERY GOOD,BAD"])
def test_case_and_signs_do_not_hide_a_label(lossctl: Lossctl, write: Write, columns: str) -> None:
    path = write("a.csv", f"y,{columns}\nvery good,0.9,0.1\nbad,0.2,0.8\n")
    ran = lossctl("eval", path, "-t", "y", "-p", f"m={columns}", "-l", "cce", "--no-ci", "-f", "value", "-q")
    assert ran.values == [pytest.approx(-np.log([0.9, 0.8]).mean())]


# where names and labels do not agree ----------------------------------------------------------------------------------


def test_names_that_are_no_labels_leave_the_place_with_a_note(lossctl: Lossctl, write: Write) -> None:
    path = write("a.csv", "y,negative,positive\n0,0.9,0.1\n1,0.2,0.8\n")
    ran = lossctl("eval", path, "-t", "y", "-p", "m=negative,positive", "-l", "cce", "--no-ci", "-f", "value")
    assert ran.values == [pytest.approx(-np.log([0.9, 0.8]).mean())]
    assert "classes: 0, 1, by the order of the columns; --classes says otherwise" in ran.err


@pytest.mark.parametrize(
    ("header", "labels", "choice", "advice"),
    [
        ("p1,p2,p3", "012", "p1,p2,p3", "0,1,2"),
        ("p_0,p_1,p_2", "123", "p_*", "1,2,3"),
        ("1,2,3", "012", "1,2,3", "0,1,2"),
        ("10,20,30", "012", "10,20,30", "0,1,2"),
        ("x0,y1,z2", "123", "x0,y1,z2", "1,2,3"),
        ("p_neg,p_neu,p_pos", "abc", "p_*", "a,b,c"),
    ],
)
def test_names_that_contradict_the_labels_are_an_error_with_the_classes_to_give(
    refused: Refused, lossctl: Lossctl, write: Write, header: str, labels: str, choice: str, advice: str
) -> None:
    rows = [f"{label},0.2,0.3,0.5" for label in labels]
    path = write("a.csv", "\n".join([f"y,{header}", *rows]) + "\n")
    asked = (path, "-t", "y", "-p", f"m={choice}", "-l", "cce")
    refused(*asked, code=DATA, says=["label", f"--classes {advice} says which labels the columns"])
    ran = lossctl("eval", *asked, "--classes", advice, "--no-ci", "-f", "value")
    assert ran.values == [pytest.approx(-np.log([0.2, 0.3, 0.5]).mean())]


def test_columns_that_labels_name_in_two_ways(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,1_2,2_1\n1,0.9,0.1\n2,0.2,0.8\n")
    says = ["named in two ways", "--classes 1,2"]
    refused(path, "-t", "y", "-p", "m=1_2,2_1", "-l", "cce", code=USAGE, says=says)


def test_a_pattern_that_misses_a_class(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,setosa,versicolor,virginica\nsetosa,0.8,0.1,0.1\nvirginica,0.1,0.1,0.8\n")
    says = ["label 'setosa' is no class", "the classes are versicolor, virginica"]
    refused(path, "-t", "y", "-p", "m=v*", "-l", "cce", code=DATA, says=says)


def test_classes_in_another_order_than_the_names_are_an_error(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,cat,dog\ncat,0.9,0.1\ndog,0.2,0.8\n")
    asked = (path, "-t", "y", "-p", "m=cat,dog", "-l", "cce", "--classes", "dog,cat")
    refused(*asked, code=USAGE, says=["--classes dog,cat", "leave --classes out"])


def test_models_whose_columns_stand_in_other_orders_are_paired_by_name(lossctl: Lossctl, write: Write) -> None:
    path = write("a.csv", "y,cat,dog,1_dog,1_cat\ncat,0.9,0.1,0.1,0.9\ndog,0.2,0.8,0.8,0.2\n")
    models = ("-p", "m=dog,cat", "-p", "n=1_dog,1_cat")
    ran = lossctl("eval", path, "-t", "y", *models, "-l", "cce", "--no-ci", "-f", "value")
    assert ran.values == [pytest.approx(-np.log([0.9, 0.8]).mean())] * 2


def test_models_that_name_other_classes(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,cat,dog,eel,fox\ncat,0.9,0.1,0.1,0.9\ncat,0.2,0.8,0.8,0.2\n")
    asked = (path, "-t", "y", "-p", "m=cat,dog", "-p", "n=eel,fox", "-l", "cce")
    refused(*asked, code=USAGE, says=["'m' and 'n' name different classes", "cat, dog", "eel, fox", "--classes"])


def test_a_rare_class_is_known_by_its_column(lossctl: Lossctl, write: Write) -> None:
    """A label that is in no row of the first block has its column all the same."""
    lines = ["y,p_b,p_c,p_a", *["a,0.2,0.3,0.5"] * 70_000, "c,0.1,0.6,0.3"]
    path = write("a.csv", "\n".join(lines) + "\n")
    ran = lossctl("eval", path, "-t", "y", "-p", "m=p_b,p_c,p_a", "-l", "cce", "--no-ci", "-f", "value")
    assert ran.values == [pytest.approx((70_000 * -np.log(0.5) - np.log(0.6)) / 70_001, rel=1e-12)]


@pytest.mark.parametrize(
    ("columns", "likeliest"),
    [
        (["p_1", "p_2"], ("1", "2")),
        (["p10", "p11"], ("10", "11")),
        (["1_prob", "2_prob"], ("1", "2")),
        (["probCat", "probDog"], ("Cat", "Dog")),
        (["x.a.y", "x.b.y"], ("a", "b")),
        (["spam_prob", "not_spam_prob"], ("spam", "not_spam")),
        (["a", "b"], ("a", "b")),
    ],
)
def test_what_columns_are_called(columns: list[str], likeliest: tuple[str, ...]) -> None:
    assert likeliest in namings(columns, ",".join(columns))
    assert namings(columns, ",".join(columns))[0] == likeliest or "spam" in likeliest


# whole arrays in Python -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_of_arrays_reads_the_names_of_a_frame(kind: str) -> None:
    places, p = data_of(kind)
    loss, right = package.get("cce"), pytest.approx(expected(places, p)[0], rel=1e-14)
    target = np.array(KINDS[kind])[places]
    for case in cases(kind):
        frame = pd.DataFrame(p, columns=[case.style.format(label) for label in KINDS[kind]])[case.columns]
        assert loss(target=target, pred=frame) == right
    assert loss(target=target, pred=p, classes=KINDS[kind]) == right
    if kind in ("int", "bool"):
        assert loss(target=target, pred=p) == right
    else:
        with pytest.raises((DataError, UsageError), match="is no class"):
            loss(target=target, pred=p)


def test_a_label_that_is_no_class_names_the_parameter_that_leaves_its_rows_out() -> None:
    data = {"y": [0, 1, 255, -1], "p_0": [0.5, 0.2, 0.3, 0.3], "p_1": [0.5, 0.8, 0.7, 0.7]}
    spec = "cce"
    for word in ("255", "-1"):
        with pytest.raises(DataError, match=rf"label '{word}' is no class") as caught:
            package.evaluate(data, target="y", pred={"m": ["p_0", "p_1"]}, losses=spec)
        advice = re.search(r", -l (\S+) leaves them out$", str(caught.value))
        assert advice is not None
        spec = advice[1]
    value = package.evaluate(data, target="y", pred={"m": ["p_0", "p_1"]}, losses=spec).cells[0].value
    assert value == pytest.approx(-(np.log(0.5) + np.log(0.8)) / 2)
    arrays = {"y": [0, 1, 5], "p": np.full((3, 2), 0.5)}
    with pytest.raises(DataError, match=r"label '5' is no class") as caught:
        package.evaluate(arrays, target="y", pred="p", losses="cce")
    assert "ignore_class" not in str(caught.value)


@pytest.mark.parametrize("pattern", ["cls{}", "{}prob"])
@pytest.mark.parametrize("labels", [("b", "c", "a"), ("concat", "bobcat", "cat"), ("red wine", "rose", "white")])
def test_the_classes_to_give_stand_in_the_order_of_columns_that_bear_them(
    pattern: str, labels: tuple[str, ...]
) -> None:
    shares = np.array([[0.2, 0.3, 0.5], [0.1, 0.7, 0.2], [0.6, 0.3, 0.1]])
    columns = [pattern.format(word) for word in labels]
    data = {"y": list(labels), **dict(zip(columns, shares.T, strict=True))}
    with pytest.raises(DataError, match="is no class") as caught:
        package.evaluate(data, target="y", pred={"m": columns}, losses="cce")
    advice = re.search(r"--classes (.+) says which", str(caught.value))
    assert advice is not None
    [classes] = shlex.split(advice[1])
    report = package.evaluate(data, target="y", pred={"m": columns}, losses="cce", classes=classes)
    assert report.cells[0].value == pytest.approx(-np.log([0.2, 0.7, 0.1]).mean())


def test_two_spellings_of_one_number_are_no_two_classes(tmp_path: Path) -> None:
    shares = {"1.10": [0.6, 0.2, 0.1], "1.1": [0.3, 0.7, 0.1], "2.0": [0.1, 0.1, 0.8]}
    pd.DataFrame({"y": ["1.10", "1.1", "2.0"], **shares}).to_csv(tmp_path / "v.csv", index=False)
    with pytest.raises(UsageError, match=r"columns 1\.10 and 1\.1 are one number.* as v1\.10 and v1\.1"):
        package.evaluate(str(tmp_path / "v.csv"), target="y", pred={"m": list(shares)}, losses="cce")
    named = {f"v{name}": column for name, column in shares.items()}
    data = {"y": ["v1.10", "v1.1", "v2.0"], **named}
    value = package.evaluate(data, target="y", pred={"m": list(named)}, losses="cce").cells[0].value
    assert value == pytest.approx(-np.log([0.6, 0.7, 0.8]).mean())
