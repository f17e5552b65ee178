"""`lossctl eval` on small files of every kind: what each option does, against numbers worked out by hand."""

from __future__ import annotations

import bz2
import gzip
import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Lossctl

Write = Callable[[str, str | bytes], Path]
ROWS = "y,a,b,g,w\n1,1.5,1,north,1\n2,2,4,south,3\n4,3,4,north,0\n"


@pytest.fixture
def rows(write: Write) -> Path:
    return write("rows.csv", ROWS)


def values(lossctl: Lossctl, *arguments: object) -> list[float]:
    outcome = lossctl("eval", *arguments, "-q", "-f", "value")
    assert outcome.code == 0, outcome.err
    assert outcome.err == ""
    return outcome.values


def test_several_predictions_in_one_file(lossctl: Lossctl, rows: Path) -> None:
    assert values(lossctl, rows, "-t", "y", "-p", "a", "-p", "b", "-l", "mse") == [1.25 / 3, 4 / 3]


def test_several_files_are_several_models(lossctl: Lossctl, write: Write) -> None:
    one = write("one.csv", "y,p\n1,1\n2,3\n")
    two = write("two.csv", "y,p\n1,2\n2,2\n")
    command = ("eval", one, f"best={two}", "-t", "y", "-p", "p", "-l", "mse", "-l", "mae", "-f", "json")
    document = lossctl(*command).json
    assert [cell["model"] for cell in document["results"]] == ["one", "best"] * 2
    assert [source["path"] for source in document["inputs"]] == [str(one), str(two)]
    assert [cell["value"] for cell in document["results"]] == [0.5] * 4


def test_models_are_named_by_the_shortest_unique_path(lossctl: Lossctl, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "p.csv").write_text("y,p\n1,1\n")
    found = lossctl("eval", tmp_path / "a/p.csv", tmp_path / "b/p.csv", "-t", "y", "-p", "p", "-l", "mse", "-f", "json")
    assert [cell["model"] for cell in found.json["results"]] == ["a/p", "b/p"]


def test_equals_signs_in_paths_and_columns_are_no_names(lossctl: Lossctl, write: Write) -> None:
    path = write("lr=0.1.csv", "y,p=q\n1,2\n")
    assert lossctl("eval", path, "-t", "y", "-p", "p=q", "-l", "mse", "-f", "json").json["results"][0]["model"] == "p=q"
    assert values(lossctl, path, "-t", "y", "-p", "m=p=q", "-l", "mse") == [1.0]


def test_targets_in_a_file_of_their_own(lossctl: Lossctl, write: Write) -> None:
    truth = write("truth.csv", "y\n1\n2\n")
    one, two = write("one.csv", "p\n1\n3\n"), write("two.csv", "p\n0\n2\n")
    assert values(lossctl, one, two, "--targets", truth, "-l", "mae") == [0.5, 0.5]


def test_rows_are_paired_by_key(lossctl: Lossctl, write: Write) -> None:
    truth = write("truth.csv", "key,y\nb,2\na,1\nc,3\n")
    one = write("one.csv", "key,p\na,1\nb,2\nc,5\n")
    two = write("two.csv", "key,p\nc,3\nb,2\na,3\n")
    common = ("--targets", truth, "-t", "y", "-p", "p", "-l", "mse")
    assert values(lossctl, one, two, *common, "--id", "key") == [4 / 3, 4 / 3]
    by_order = lossctl("eval", one, two, *common)
    assert by_order.code == 3
    assert "column 'key' is another one in" in by_order.err
    assert "--id key pairs rows by it" in by_order.err


def test_per_row_losses_of_paired_rows_bear_the_rows_of_the_first_file(lossctl: Lossctl, write: Write) -> None:
    truth = write("truth.csv", "key,y\na,1\nb,2\nc,3\n")
    one = write("one.csv", "key,p\nc,5\na,1\nb,3\n")
    rows = one.parent / "rows.csv"
    values(lossctl, one, "--targets", truth, "-t", "y", "-p", "p", "-l", "mae", "--id", "key", "--rows-out", rows)
    found = dict(line.split(",") for line in rows.read_text().split()[1:])
    assert {row: float(loss) for row, loss in found.items()} == {"1": 2.0, "2": 0.0, "3": 1.0}


def test_a_shared_key_column_that_is_not_used_is_mentioned(lossctl: Lossctl, write: Write) -> None:
    one, two = write("one.csv", "id,y,p\n1,1,1\n"), write("two.csv", "id,y,p\n1,1,1\n")
    assert "--id id pairs by key" in lossctl("eval", one, two, "-t", "y", "-p", "p", "-l", "mse").err


def test_usual_names_are_taken_and_said(lossctl: Lossctl, write: Write) -> None:
    path = write("p.csv", "y_true,y_pred,other\n1,2,0\n")
    outcome = lossctl("eval", path, "-l", "mse", "-f", "value")
    assert outcome.out == "1.0\n"
    assert "-t y_true" in outcome.err
    assert "-p y_pred" in outcome.err


def test_weights(lossctl: Lossctl, rows: Path) -> None:
    assert values(lossctl, rows, "-t", "y", "-p", "b", "-w", "w", "-l", "mse") == [3.0]
    cell = lossctl("eval", rows, "-t", "y", "-p", "b", "-w", "w", "-l", "mse", "-f", "json").json["results"][0]
    assert (cell["n"], cell["weight_sum"]) == (3, 4.0)


def test_slices_and_crossed_slices(lossctl: Lossctl, write: Write) -> None:
    path = write("s.csv", "y,p,g,h\n0,1,10,x\n0,2,9,x\n0,3,10,y\n0,4,9,x\n")
    command = ("eval", path, "-t", "y", "-p", "p", "-l", "mae", "--by", "g", "--by", "g,h", "-f", "json")
    found = [(cell["slice"], cell["n"], cell["value"]) for cell in lossctl(*command).json["results"]]
    assert found == [
        ({}, 4, 2.5),
        ({"g": "9"}, 2, 3.0),
        ({"g": "10"}, 2, 2.0),
        ({"g": "9", "h": "x"}, 2, 3.0),
        ({"g": "10", "h": "x"}, 1, 1.0),
        ({"g": "10", "h": "y"}, 1, 3.0),
    ]


def test_medians_and_maxima_by_slice(lossctl: Lossctl, write: Write) -> None:
    path = write("s.csv", "y,p,g\n0,1,a\n0,5,a\n0,2,b\n0,3,a\n")
    losses = ("-l", "median_absolute_error", "-l", "max_error")
    assert values(lossctl, path, "-t", "y", "-p", "p", *losses, "--by", "g") == [2.5, 5.0, 3.0, 5.0, 2.0, 2.0]


def test_a_column_may_be_target_and_slice(lossctl: Lossctl, write: Write) -> None:
    path = write("s.csv", "y,p\n0,1\n1,1\n0,3\n")
    assert values(lossctl, path, "-t", "y", "-p", "p", "-l", "mae", "--by", "y") == [4 / 3, 2.0, 0.0]


def test_reduction_sum(lossctl: Lossctl, rows: Path) -> None:
    assert values(lossctl, rows, "-t", "y", "-p", "a", "-l", "mse", "--reduction", "sum") == [1.25]
    assert values(lossctl, rows, "-t", "y", "-p", "b", "-w", "w", "-l", "mse", "--reduction", "sum") == [12.0]


def test_labels_and_specs(lossctl: Lossctl, rows: Path) -> None:
    command = ("eval", rows, "-t", "y", "-p", "a", "-l", "P90=Pinball:Q=0.9", "-l", "mean-squared-error", "-f", "json")
    cells = lossctl(*command).json["results"]
    assert [(cell["loss"], cell["spec"]) for cell in cells] == [("P90", "quantile:q=0.9"), ("mse", "mse")]
    assert "quantile:q=0.9|n:3|" in cells[0]["signature"]


def test_missing_rows_are_dropped_for_every_model_and_counted(lossctl: Lossctl, write: Write) -> None:
    path = write("m.csv", "y,a,b\n1,1,\n2,nan,2\nNA,3,3\n4,6,5\n5,6,7\n")
    command = ("eval", path, "-t", "y", "-p", "a", "-p", "b", "-l", "mae", "--missing", "drop")
    outcome = lossctl(*command, "-f", "json")
    document = outcome.json
    assert [cell["value"] for cell in document["results"]] == [1.5, 1.5]
    source = document["inputs"][0]
    assert (source["rows"], source["used"]) == (5, 2)
    assert source["dropped"] == {"a:nan": 1, "b:null": 1, "y:null": 1}
    assert document["warnings"][0] == "3 of 5 rows left out for a missing value"
    assert "3 of 5 rows left out" in outcome.err
    assert "2 rows used, 3 left out" in lossctl(*command).out


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass", "multilabel"])
def test_the_task_may_be_given(lossctl: Lossctl, write: Write, task: str) -> None:
    several = task in ("multiclass", "multilabel")
    path = write("t.csv", "y_0,y_1,p_0,p_1\n1,0,0.75,0.25\n0,1,0.5,0.5\n")
    columns = ("-t", "y_*", "-p", "p_*") if several else ("-t", "y_0", "-p", "p_0")
    document = lossctl("eval", path, *columns, "--task", task, "-f", "json").json
    assert document["task"] == {"name": task, "inferred": False, "why": "--task"}
    losses = list(dict.fromkeys(cell["loss"] for cell in document["results"]))
    assert (
        losses
        == {
            "regression": ["mse", "rmse", "mae", "mbe", "huber", "r2"],
            "binary": ["bce", "brier", "focal", "zero_one"],
            "multiclass": ["cce", "brier", "focal", "zero_one"],
            "multilabel": ["bce", "focal"],
        }[task]
    )


@pytest.mark.parametrize(
    ("content", "task"),
    [
        ("y,p\n0,0.2\n1,0.9\n", "binary"),
        ("y,p\ntrue,0.2\nFalse,0.9\n", "binary"),
        ("y,p\n0,0.2\n1,1.9\n", "regression"),
        ("y,p\n0,0.2\n2,0.9\n", "regression"),
    ],
)
def test_the_task_is_worked_out_and_said(lossctl: Lossctl, write: Write, content: str, task: str) -> None:
    outcome = lossctl("eval", write("t.csv", content), "-t", "y", "-p", "p", "-f", "json")
    assert outcome.json["task"]["name"] == task
    assert outcome.json["task"]["inferred"]
    assert outcome.err.startswith(f"lossctl: task: {task} (")
    assert outcome.err.count("task: ") == 1


def test_a_text_target_asks_for_the_task(lossctl: Lossctl, write: Write) -> None:
    outcome = lossctl("eval", write("t.csv", "y,p\nyes,0.2\nno,0.9\n"), "-t", "y", "-p", "p")
    assert (outcome.code, outcome.out) == (2, "")
    assert "--task" in outcome.err


BINARY = [0.5, 0.5, 0.75]


@pytest.mark.parametrize("labels", ["0 1 1", "-1 1 1", "-1 +1 +1", "false true true", "FALSE TRUE TRUE", "0.0 1.0 1"])
def test_binary_labels_in_every_spelling(lossctl: Lossctl, write: Write, labels: str) -> None:
    content = "y,p\n" + "".join(f"{label},{p}\n" for label, p in zip(labels.split(), BINARY, strict=True))
    assert values(lossctl, write("b.csv", content), "-t", "y", "-p", "p", "-l", "bce") == pytest.approx(
        [-(2 * np.log(0.5) + np.log(0.75)) / 3]
    )


def test_soft_binary_targets(lossctl: Lossctl, write: Write) -> None:
    path = write("b.csv", "y,p\n0.25,0.5\n1,0.5\n")
    assert values(lossctl, path, "-t", "y", "-p", "p", "-l", "bce") == pytest.approx([np.log(2)])


def test_a_positive_label(lossctl: Lossctl, write: Write) -> None:
    path = write("b.csv", "y,p\nspam,0.9\nham,0.1\nspam,0.6\n")
    assert values(lossctl, path, "-t", "y", "-p", "p", "--positive-label", "spam", "-l", "zero_one") == [0.0]
    assert values(lossctl, path, "-t", "y", "-p", "p", "--positive-label", "ham", "-l", "zero_one") == [1.0]
    numeric = write("n.csv", "y,p\n2,0.9\n1,0.1\n")
    assert values(lossctl, numeric, "-t", "y", "-p", "p", "--positive-label", "2.0", "-l", "zero_one") == [0.0]


def test_class_labels_by_glob_suffix_list_and_position(lossctl: Lossctl, write: Write) -> None:
    body = "dog,0.25,0.75\ncat,0.5,0.5\n"
    expected = pytest.approx([-(np.log(0.75) + np.log(0.5)) / 2])
    path = write("c.csv", "y,p_cat,p_dog\n" + body)
    assert values(lossctl, path, "-t", "y", "-p", "p_*", "-l", "cce") == expected
    assert values(lossctl, path, "-t", "y", "-p", "p_dog,p_cat", "-l", "cce") == expected
    plain = write("d.csv", "y,one,two\n" + body)
    assert values(lossctl, plain, "-t", "y", "-p", "one,two", "--classes", "cat,dog", "-l", "cce") == expected
    codes = write("e.csv", "y,one,two\n" + body.replace("dog", "1").replace("cat", "0.0"))
    assert values(lossctl, codes, "-t", "y", "-p", "one,two", "-l", "cce") == expected


def test_models_with_classes_in_another_order_are_paired_by_name(lossctl: Lossctl, write: Write) -> None:
    path = write("c.csv", "y,a_cat,a_dog,b_dog,b_cat\ndog,0.25,0.75,0.75,0.25\ncat,0.5,0.5,0.5,0.5\n")
    first, second = values(lossctl, path, "-t", "y", "-p", "a_*", "-p", "b_*", "-l", "cce")
    assert first == second


def test_a_model_may_be_called_target(lossctl: Lossctl, write: Write) -> None:
    path = write("m.csv", "y,p_0,p_1\n0,0.9,0.1\n1,0.3,0.7\n0,0.6,0.4\n")
    named, plain = (values(lossctl, path, "-t", "y", "-p", f"{name}=p_*", "-l", "cce") for name in ("target", "m"))
    assert named == plain


def test_soft_rows_are_paired_by_name(lossctl: Lossctl, write: Write) -> None:
    path = write("c.csv", "q_b,q_a,p_a,p_b\n0.25,0.75,0.75,0.25\n")
    assert values(lossctl, path, "-t", "q_*", "-p", "p_*", "-l", "kl") == [0.0]


def test_multilabel_and_crammer_singer(lossctl: Lossctl, write: Write) -> None:
    path = write("m.csv", "t_a,t_b,f_a,f_b,label\n1,0,0.5,-2,a\n0,1,0.25,3,b\n")
    assert values(lossctl, path, "-t", "t_*", "-p", "f_*", "-l", "hinge") == [(0.5 + 0 + 1.25 + 0) / 4]
    assert values(lossctl, path, "-t", "label", "-p", "f_*", "-l", "hinge") == [0.0]


def test_focal_of_square_shapes_is_of_classes_where_rows_sum_to_1_unless_told(lossctl: Lossctl, write: Write) -> None:
    path = write("f.csv", "t_a,t_b,p_a,p_b\n1,0,0.5,0.5\n")
    columns = ("-t", "t_*", "-p", "p_*", "-l", "focal")
    multilabel = 0.25 * np.log(2)
    assert values(lossctl, path, *columns) == pytest.approx([multilabel])
    assert values(lossctl, path, *columns, "--task", "multiclass") == pytest.approx([multilabel])
    path = write("g.csv", "t_a,t_b,p_a,p_b\n1,0,0.75,0.25\n")
    assert values(lossctl, path, *columns) == pytest.approx([-(0.0625 * np.log(0.75))])
    uneven = write("h.csv", "t_a,t_b,t_c,p_a,p_b,p_c\n1,0,0,0.5,0.25,0.25\n")
    many = values(lossctl, uneven, *columns, "--task", "multilabel")
    one = values(lossctl, uneven, *columns, "--task", "multiclass")
    assert values(lossctl, uneven, *columns) == one
    assert one == pytest.approx([0.25 * np.log(2)])
    assert many == pytest.approx([-(0.25 * np.log(0.5) + 2 * 0.0625 * np.log(0.75)) / 3])


def test_activations_for_all_and_for_one_model(lossctl: Lossctl, write: Write) -> None:
    path = write("z.csv", "y,z,p\n1,1e4,1\n0,-1e4,0\n1,-1e4,0.5\n")
    found = values(lossctl, path, "-t", "y", "-p", "z", "-p", "p", "--activation", "z=sigmoid", "-l", "bce")
    assert found == [1e4 / 3, pytest.approx(np.log(2) / 3)]


def test_roles_shared_and_by_model(lossctl: Lossctl, write: Write) -> None:
    path = write("r.csv", "d,a_x,a_y,b_x,b_y,c_x,c_y\n0,0,0,3,4,0,1\n")
    shared = ("--role", "left=a_*")
    own = ("--role", "far:right=b_*", "--role", "near:right=c_*")
    assert values(lossctl, path, "-t", "d", *shared, *own, "-l", "contrastive") == [25.0, 1.0]


# containers -------------------------------------------------------------------------------------------------


def test_compressed_tab_separated_and_other_delimiters(lossctl: Lossctl, write: Write) -> None:
    text = ROWS.encode()
    files = [
        write("r.csv.gz", gzip.compress(text[:20]) + gzip.compress(text[20:])),
        write("gz_by_content.csv", gzip.compress(text)),
        write("r.csv.bz2", bz2.compress(text)),
        write("r.csv.zst", pa.compress(text, codec="zstd", asbytes=True)),
        write("r.tsv", text.replace(b",", b"\t")),
        write("r.tsv.gz", gzip.compress(text.replace(b",", b"\t"))),
        write("bom.csv", b"\xef\xbb\xbf" + text),
        write("crlf.csv", text.replace(b"\n", b"\r\n")),
        write("no_end.csv", text.rstrip(b"\n")),
    ]
    for path in files:
        assert values(lossctl, path, "-t", "y", "-p", "a", "-l", "mse") == [1.25 / 3], path
    semicolon = write("r2.csv", text.replace(b",", b";"))
    assert values(lossctl, semicolon, "-t", "y", "-p", "a", "-l", "mse", "-d", ";") == [1.25 / 3]


def test_quoted_fields_with_newlines_and_commas(lossctl: Lossctl, write: Write) -> None:
    path = write("q.csv", 'note,"y",p\n"a,\nb",1,2\n"""x""","3",3\n')
    assert values(lossctl, path, "-t", "y", "-p", "p", "-l", "mse") == [0.5]


@pytest.mark.parametrize("text", ["+1", " 1 ", "1.", "1e0", "10E-1", '"1"'])
def test_numbers_as_people_write_them(lossctl: Lossctl, write: Write, text: str) -> None:
    assert values(lossctl, write("n.csv", f"y,p\n{text},1\n"), "-t", "y", "-p", "p", "-l", "mse") == [0.0]


def test_every_number_is_read_exactly(lossctl: Lossctl, write: Write) -> None:
    numbers = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, 2.2250738585072011e-308, 123456789.123456789]
    for number in numbers:
        path = write("x.csv", f"y,p\n0,{number!r}\n")
        assert values(lossctl, path, "-t", "y", "-p", "p", "-l", "mae") == [number]


@pytest.mark.parametrize(
    "kind",
    [pa.int8(), pa.uint8(), pa.int64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.decimal128(21, 2)],
)
def test_parquet_numbers_of_every_type(lossctl: Lossctl, tmp_path: Path, kind: pa.DataType) -> None:
    column = pa.array([1, 0, 1]).cast(kind) if kind == pa.bool_() else pa.array([1, 0, 1], pa.int64()).cast(kind)
    pq.write_table(pa.table({"y": column, "p": pa.array([0.0, 1.0, 1.0])}), tmp_path / "t.parquet")
    assert values(lossctl, tmp_path / "t.parquet", "-t", "y", "-p", "p", "-l", "mbe") == [0.0]


def test_parquet_dictionaries_lists_and_a_folder_of_parts(lossctl: Lossctl, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, label in ((10, "b"), (2, "a"), (1, "b")):
        table = pa.table(
            {
                "y": pa.array([label]).dictionary_encode(),
                "p": pa.array([[0.25, 0.75]], pa.list_(pa.float64())),
                "q": pa.array([[0.25, 0.75]], pa.list_(pa.float32(), 2)),
            }
        )
        pq.write_table(table, folder / f"part-{number}.parquet")
    expected = pytest.approx([-(2 * np.log(0.75) + np.log(0.25)) / 3])
    for column in ("p", "q"):
        assert values(lossctl, folder, "-t", "y", "-p", column, "--classes", "a,b", "-l", "cce") == expected
    rows = tmp_path / "rows.csv"
    lossctl("eval", folder, "-t", "y", "-p", "p", "--classes", "a,b", "-l", "zero_one", "--rows-out", rows)
    assert [line.split(",")[1] for line in rows.read_text().split()[1:]] == ["0", "1", "0"]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "bool", ">f8"])
def test_npy_arrays_are_rows_of_flattened_vectors(lossctl: Lossctl, tmp_path: Path, order: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (70_000, 2, 3))
    guess = rng.integers(0, 2, (70_000, 2, 3))
    np.save(tmp_path / "truth.npy", np.asarray(truth, order="C" if order == "F" else "F").astype(dtype))
    np.save(tmp_path / "guess.npy", np.array(guess, dtype=dtype, order="F" if order == "F" else "C"))
    found = values(lossctl, tmp_path / "guess.npy", "--targets", tmp_path / "truth.npy", "-l", "mse", "-l", "iou_mask")
    both, either = (truth & guess).sum((1, 2)), (truth | guess).sum((1, 2))
    assert found[0] == pytest.approx(np.mean(truth != guess), rel=1e-15)
    assert found[1] == pytest.approx(np.mean(np.where(either == 0, 0.0, 1 - both / np.maximum(either, 1))), rel=1e-12)


class Pipe(io.TextIOWrapper):
    """Standard input that is no terminal."""

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize("container", ["csv", "gz", "parquet"])
def test_standard_input(
    lossctl: Lossctl, monkeypatch: pytest.MonkeyPatch, rows: Path, container: str, tmp_path: Path
) -> None:
    content = rows.read_bytes()
    if container == "gz":
        content = gzip.compress(content)
    if container == "parquet":
        pq.write_table(pa.table({"y": [1.0, 2.0, 4.0], "a": [1.5, 2.0, 3.0]}), tmp_path / "s.parquet")
        content = (tmp_path / "s.parquet").read_bytes()
    monkeypatch.setattr(sys, "stdin", Pipe(io.BytesIO(content)))
    assert values(lossctl, "-", "-t", "y", "-p", "a", "-l", "mse") == [1.25 / 3]


def test_verbose_says_where_numbers_come_from(lossctl: Lossctl, rows: Path) -> None:
    err = lossctl("eval", rows, "-t", "y", "-p", "a", "-l", "mse", "-v").err
    assert f"a: {rows}, 3 rows, 3 used, data " in err
    assert "a: mse|n:3|drop:0|w:none|agg:mean|ci:t95|data:" in err


def test_options_work_after_positionals_and_debug_shows_the_traceback(lossctl: Lossctl, rows: Path) -> None:
    assert lossctl("eval", "-t", "y", "-l", "mse", "-p", "a", rows).code == 0
    outcome = lossctl("eval", rows, "-t", "y", "-p", "a", "-l", "nope", "--debug")
    assert outcome.code == 2
    assert outcome.err.startswith("Traceback")
    assert outcome.err.splitlines()[-1].startswith("lossctl: error: unknown loss 'nope'")


def test_the_digest_is_of_the_truth_and_not_of_predictions(lossctl: Lossctl, write: Write) -> None:
    def digest(content: str, *extra: object) -> str:
        document = lossctl(
            "eval", write("d.csv", content), "-t", "y", "-p", "p", "-l", "mse", "-f", "json", *extra
        ).json
        return str(document["inputs"][0]["data"])

    base = digest("y,p,w,g\n1,2,1,a\n2,3,1,b\n")
    assert digest("y,p,w,g\n1,7,5,c\n2,8,1,c\n") == base
    assert digest("p,y,w,g\n2,1.0,1,a\n3,2e0,1,b\n") == base
    assert digest("y,p,w,g\n1,2,1,a\n3,3,1,b\n") != base
    assert digest("y,p,w,g\n1,2,1,a\n2,3,1,b\n", "-w", "w") != base
    assert digest("y,p,w,g\n1,2,1,a\n2,3,1,b\n", "--by", "g") != digest("y,p,w,g\n1,2,1,a\n2,3,1,a\n", "--by", "g")
