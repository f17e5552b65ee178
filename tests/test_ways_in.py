"""Data as people hold them in Python: what speaks Arrow's C interface, records, file objects, tensors, estimators."""

from __future__ import annotations

import copy
import csv
import gzip
import io
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_multilabel_classification
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

import lossctl
from lossctl.results.report import Report

ROWS = 70_000  # more than a block
OPTIONS: dict[str, Any] = {"target": "y", "pred": "p", "losses": ["mse", "r2"], "by": "g"}
NUMBERS = np.random.default_rng(0).normal(size=(2, ROWS))
FRAME = pd.DataFrame({"y": NUMBERS[0], "p": NUMBERS[1], "g": np.where(NUMBERS[0] > 0, "up", "down")})
TABLE = pa.Table.from_pandas(FRAME)


class Stream:
    """A frame of some library, of which no more is known than that it speaks Arrow."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class Batch:
    """A record batch of some library."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch = batch

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return self.batch.__arrow_c_array__(requested_schema)


class Tensor:
    """A tensor as that of torch: it is no array until it takes part in no gradient, and lies in main memory."""

    def __init__(self, values: Any, dtype: str = "torch.float64", ready: tuple[str, ...] = ()) -> None:
        self.values, self.dtype, self.ready = np.asarray(values), dtype, ready

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def detach(self) -> Tensor:
        return Tensor(self.values, self.dtype, (*self.ready, "detach"))

    def cpu(self) -> Tensor:
        return Tensor(self.values, self.dtype, (*self.ready, "cpu"))

    def float(self) -> Tensor:
        return Tensor(self.values, "torch.float32", self.ready)

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray[Any, Any]:
        if self.ready != ("detach", "cpu"):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values


class Exported:
    """An array of some library, of which no more is known than that it speaks DLPack."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values, dtype=float)

    def __dlpack__(self, **options: Any) -> object:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.values.__dlpack_device__()


def numbers(report: Report) -> list[tuple[float, float | None, str]]:
    return [(cell.value, cell.stderr, cell.signature) for cell in report.cells]


@contextmanager
def closing(source: Any) -> Iterator[Any]:
    """Close what can be closed."""
    try:
        yield source
    finally:
        getattr(source, "close", int)()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ways")
    FRAME.to_parquet(folder / "f.parquet")
    FRAME.to_csv(folder / "f.csv", index=False)
    FRAME.to_csv(folder / "f.tsv", index=False, sep="\t")
    FRAME.to_json(folder / "f.jsonl", orient="records", lines=True, double_precision=15)
    return folder


WAYS: dict[str, Callable[[Path], object]] = {
    "stream": lambda folder: Stream(TABLE),
    "array": lambda folder: Batch(pa.RecordBatch.from_pandas(FRAME)),
    "record batch": lambda folder: pa.RecordBatch.from_pandas(FRAME),
    "reader": lambda folder: TABLE.to_reader(),
    "dataset": lambda folder: pa.dataset.dataset(folder / "f.parquet"),
    "records": lambda folder: FRAME.to_dict("records"),
    "structured array": lambda folder: FRAME.to_records(index=False),
    "columns of Arrow": lambda folder: {name: TABLE[name] for name in TABLE.column_names},
    "tensors": lambda folder: {"y": Tensor(FRAME["y"]), "p": Tensor(FRAME["p"]), "g": FRAME["g"]},
    "exported": lambda folder: {"y": Exported(FRAME["y"]), "p": Exported(FRAME["p"]), "g": FRAME["g"]},
    "binary file": lambda folder: open(folder / "f.parquet", "rb"),  # noqa: SIM115
    "text file": lambda folder: open(folder / "f.csv", encoding="utf-8"),  # noqa: SIM115
    "file whose name tells": lambda folder: open(folder / "f.tsv", encoding="utf-8"),  # noqa: SIM115
    "text in memory": lambda folder: io.StringIO((folder / "f.csv").read_text()),
    "bytes in memory": lambda folder: io.BytesIO(gzip.compress((folder / "f.csv").read_bytes())),
}


@pytest.mark.deep
@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_gives_the_same_bits(way: str, folder: Path) -> None:
    with closing(WAYS[way](folder)) as source:
        assert numbers(lossctl.evaluate(source, **OPTIONS)) == numbers(lossctl.evaluate(FRAME, **OPTIONS))


@pytest.mark.parametrize("library", ["polars", "duckdb", "ibis"])
def test_frames_of_other_libraries(library: str) -> None:
    module = pytest.importorskip(library)
    if library == "polars":
        frames = [module.from_arrow(TABLE), module.from_arrow(TABLE).lazy()]
    else:
        frames = [module.connect().from_arrow(TABLE)] if library == "duckdb" else [module.memtable(FRAME)]
    for frame in frames:
        assert numbers(lossctl.evaluate(frame, **OPTIONS)) == numbers(lossctl.evaluate(FRAME, **OPTIONS))


@pytest.mark.parametrize("make", [lambda: TABLE.to_reader(), lambda: io.StringIO(FRAME[:99].to_csv(index=False))])
def test_what_can_be_read_but_once_will_do_for_every_command(make: Callable[[], object]) -> None:
    two: dict[str, Any] = {"target": "y", "pred": ["p", "y"], "losses": "mae"}
    assert lossctl.compare(make(), **two).models == ["p", "y"]
    assert lossctl.check(make(), **two, max="mae=9", allow_same=True).verdict == "pass"
    assert lossctl.validate(make(), **two).works
    assert lossctl.choose(make(), target="y", pred="p").target == ("y",)
    assert lossctl.evaluate({"p": FRAME["p"][:99]}, targets=FRAME[["y"]][:99], target="y", pred="p").models == ["p"]


def test_targets_and_several_models_may_be_file_objects() -> None:
    texts = [io.StringIO("p\n1\n2\n"), io.StringIO("p\n1\n4\n")]
    report = lossctl.evaluate(
        {"a": texts[0], "b": texts[1]}, targets=io.StringIO("y\n1\n2\n"), target="y", losses="mae"
    )
    assert [(cell.model, cell.value) for cell in report.cells] == [("a", 0.0), ("b", 1.0)]


def test_records_may_lack_keys_and_hold_records() -> None:
    records = [{"y": 1, "m": {"p": 1.5}}, {"y": 2, "m": {"p": 2.0}, "note": "late"}, {"m": {"p": 9.0}}]
    with pytest.raises(lossctl.DataError, match=r"^data: row 3, column 'y': the value is NaN"):
        lossctl.evaluate(records, target="y", pred="m.p", losses="mae")
    assert lossctl.evaluate(records, target="y", pred="m.p", losses="mae", missing="drop").cells[0].value == 0.25


def test_columns_that_nobody_asked_for_may_be_anything() -> None:
    data = {"y": [1.0, 2.0], "p": [1.0, 4.0], "name": "run 3", "names": ["a", "b", "c"], "config": None}
    assert lossctl.evaluate(data, target="y", pred="p", losses="mae").cells[0].value == 1.0
    with pytest.raises(lossctl.DataError, match=r"differ in length: .*'names': 3"):
        lossctl.evaluate(data, target="y", pred="p", losses="mae", by="names")
    twice = pd.DataFrame([[1.0, 2.0, 5.0, 6.0]], columns=["y", "p", "x", "x"])
    for frame in (twice, pa.Table.from_arrays([pa.array(twice.iloc[:, i]) for i in range(4)], list(twice.columns))):
        assert lossctl.evaluate(frame, target="y", pred="p", losses="mae").cells[0].value == 1.0
        with pytest.raises(lossctl.DataError, match="it names 'x' more than once"):
            lossctl.evaluate(frame, target="y", pred="x", losses="mae")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (3, "a value of type int is not allowed; a pandas or Polars frame, .* a file object or paths$"),
        ([], "it is empty; give a pandas or Polars frame"),
        (iter([]), "it is empty; give a pandas or Polars frame"),
        (np.zeros((3, 2)), r"of type ndarray .* name the columns of an array, as in \{\"y\": array\[:, 0\]"),
        (pd.Series([1.0]), r"the Series is no table of columns; \{\"y\": TARGET"),
        (np.zeros(3), r"the ndarray is no table of columns; \{\"y\": TARGET"),
        (TABLE["y"], "the ChunkedArray is no table of columns"),
        (pyarrow.dataset.dataset(TABLE).scanner(), r"type Scanner is not allowed; .*\.to_reader\(\) makes one"),
    ],
)
def test_what_is_no_table_is_refused_with_a_way_on(data: object, words: str) -> None:
    with pytest.raises(lossctl.LossctlError, match=f"^data: .*{words}") as caught:
        lossctl.evaluate(data, **OPTIONS)
    assert "\n" not in str(caught.value)


def test_iterators_are_read_as_the_lists_they_make(tmp_path: Path) -> None:
    for part in range(3):
        pd.DataFrame({"y": [1.0 * part, 2.0], "p": [0.0, 3.0]}).to_csv(tmp_path / f"{part}.csv", index=False)
    paths = sorted(tmp_path.glob("*.csv"))
    columns: dict[str, Any] = {"target": "y", "pred": "p"}
    made: list[Callable[[], Any]] = [lambda: paths, lambda: [pd.read_csv(path) for path in paths]]
    for make in made:
        expected = lossctl.evaluate(make(), concat=True, losses="mae", **columns).cells[0]
        assert (expected.rows, expected.value) == (6, 1.0)
        assert lossctl.evaluate(iter(make()), concat=True, losses="mae", **columns).cells[0] == expected
        assert lossctl.check(iter(make()), concat=True, max="mae=1", **columns).verdict == "pass"
        assert lossctl.validate(iter(make()), concat=True, **columns).problems == ()
        with pytest.raises(lossctl.DataError, match=r"the target is another one .* add --concat"):
            lossctl.evaluate(iter(make()), losses="mae", **columns)


@pytest.mark.parametrize("index", [[2, 1, 0], list("cba"), pd.MultiIndex.from_tuples([(1, "b"), (1, "a"), (0, "a")])])
def test_indexes_in_another_order_are_refused(index: Any) -> None:
    target = pd.Series([1.0, 2.0, 3.0], index=index, name="y")
    pred = pd.Series([1.0, 2.0, 3.0], index=index[::-1], name="p")
    options: dict[str, Any] = {"target": "y", "pred": "p", "losses": "mae"}
    ways = r"another order.*\.reindex\(.*\.index\).*reset_index\(drop=True\)"
    with pytest.raises(lossctl.DataError, match=f"^p: .*{ways}"):
        lossctl.evaluate({"y": target, "p": pred}, **options)
    for targets in (target, target.to_frame()):
        with pytest.raises(lossctl.DataError, match=f"^targets: .*{ways}"):
            lossctl.evaluate(pred.to_frame(), targets=targets, **options)
    for ends in (target.reset_index(drop=True), pred.reset_index(drop=True)), (target, pred.reindex(index)):
        cell = lossctl.evaluate({"y": ends[0], "p": ends[1], "x": pred}, **options).cells[0]
        assert cell.value == abs(ends[0].to_numpy() - ends[1].to_numpy()).mean()
    assert lossctl.evaluate({"y": target, "p": pred.to_numpy()}, **options).cells[0].value == 0.0
    elsewhere = pred.set_axis([7, 8, 9])  # as predictions of a part of the rows are
    assert lossctl.evaluate({"y": target, "p": elsewhere}, **options).cells[0].value == 0.0
    keyed = (pred.to_frame().assign(k=[1, 2, 3]), target.to_frame().assign(k=[1, 2, 3]))
    assert lossctl.evaluate(keyed[0], targets=keyed[1], id="k", **options).cells[0].value == 0.0


def test_a_closed_file_is_refused() -> None:
    stream = io.StringIO("y,p\n1,2\n")
    stream.close()
    with pytest.raises(
        lossctl.UsageError, match=r"^data: the file object cannot be read: I/O operation on closed file"
    ):
        lossctl.evaluate(stream, **OPTIONS)


# a loss as a function --------------------------------------------------------------------------------------------


def test_a_loss_takes_arrays_in_the_order_of_its_roles_and_by_the_names_of_others() -> None:
    rmse, target, pred = lossctl.get("rmse"), [1.0, 2.0, 3.0], [1.0, 4.0, 3.0]
    expected = rmse(target=target, pred=pred)
    assert rmse(target, pred) == rmse(y_true=target, y_pred=pred) == rmse(target, y_pred=pred) == expected
    assert rmse(target, pred, sample_weight=[1, 0, 1]) == rmse(target, pred, weight=[1, 0, 1]) == 0.0
    assert lossctl.get("triplet")([[0.0]], [[1.0]], [[3.0]]) == 0.0
    mae = lossctl.get("mae")
    assert mae.each(target, pred).tolist() == [0.0, 2.0, 0.0]
    assert mae.grad(target, y_pred=pred).tolist() == [0.0, 1.0, 0.0]  # type: ignore[union-attr]
    with pytest.raises(lossctl.UsageError, match=r"^rmse takes 2 arrays, target, pred; not 3"):
        rmse(target, pred, target)
    with pytest.raises(lossctl.UsageError, match=r"^rmse: target is given twice, once as y_true="):
        rmse(target, pred, y_true=target)


@pytest.mark.parametrize(
    "wrap",
    [
        Tensor,
        lambda x: Tensor(x, "torch.bfloat16"),
        Exported,
        lambda x: pd.Series(x, dtype="Float64"),
        pa.array,
        lambda x: pa.chunked_array([x]),
        lambda x: [Decimal(str(value)) for value in x],
        lambda x: sparse.csr_array(np.asarray(x)[:, np.newaxis]),
        tuple,
    ],
)
def test_arrays_of_any_library(wrap: Callable[[Any], Any]) -> None:
    target, pred = [0.0, 1.0, 2.0], [0.5, 0.5, 2.0]
    assert lossctl.get("mse")(wrap(target), wrap(pred)) == lossctl.get("mse")(target, pred)


@pytest.mark.parametrize("library", ["torch", "jax.numpy"])
def test_tensors_of_other_libraries(library: str) -> None:
    module = pytest.importorskip(library)
    for dtype in (module.float32, module.bfloat16):
        pred = module.ones(3, dtype=dtype)
        pred = pred.requires_grad_() if library == "torch" else pred
        assert lossctl.get("mse")([0.0, 1.0, 2.0], pred) == 2 / 3


def test_what_a_tensor_says_is_passed_on() -> None:
    class Remote:
        shape = (2,)

        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray[Any, Any]:
            raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    with pytest.raises(lossctl.UsageError, match=r"pred is no array of numbers or labels: Implicit .* use `.get"):
        lossctl.get("mse")([0.0, 1.0], Remote())
    with pytest.raises(lossctl.DataError, match=r"target\[1\] = nan"):
        lossctl.get("mse")([0.0, None], [0.0, 1.0])


def test_two_labels_are_told_by_the_positive_one() -> None:
    bce, pred = lossctl.get("bce"), [0.9, 0.2]
    for labels, positive in ((["bad", "good"], "bad"), ([2, 1], 2), ([2.0, 1.0], "2"), ([True, False], True)):
        assert bce(labels, pred, positive_label=positive) == bce([1, 0], pred)
    with pytest.raises(lossctl.DataError, match="positive_label='c': a, b are 2 others; one is allowed"):
        bce(["a", "b"], pred, positive_label="c")
    with pytest.raises(lossctl.DataError, match="positive_label='c': no row has this label; they have 'a'"):
        bce(["a", "a"], pred, positive_label="c")


def test_losses_are_pickled_and_copied() -> None:
    huber = lossctl.get("huber:delta=2")
    assert pickle.loads(pickle.dumps(huber)) == copy.deepcopy(huber) == huber


# scorers of scikit-learn -------------------------------------------------------------------------------------------

BAYES = GaussianNB()
CANCER, IRIS = (
    (X[::3, :4] / X.std(axis=0)[:4], y[::3])
    for X, y in (load(return_X_y=True) for load in (load_breast_cancer, load_iris))
)


@pytest.mark.parametrize(
    ("estimator", "data", "spec", "theirs"),
    [
        (Ridge(), load_diabetes(return_X_y=True), "rmse", "neg_root_mean_squared_error"),
        (Ridge(), load_diabetes(return_X_y=True), "r2", "r2"),
        (BAYES, CANCER, "bce", "neg_log_loss"),
        (BAYES, CANCER, "cce", "neg_log_loss"),
        (BAYES, CANCER, "brier", "neg_brier_score"),
        (BAYES, IRIS, "cce", "neg_log_loss"),
        (BAYES, IRIS, "nll", "neg_log_loss"),
    ],
)
def test_a_scorer_gives_the_values_of_theirs(estimator: Any, data: Any, spec: str, theirs: str) -> None:
    X, y = data
    labels = [y, np.array(["one", "two", "three"])[y]] if estimator is BAYES and theirs != "neg_brier_score" else [y]
    for target in labels:
        values = cross_val_score(estimator, X, target, scoring=lossctl.get(spec).scorer(), cv=3)
        np.testing.assert_allclose(values, cross_val_score(estimator, X, target, scoring=theirs, cv=3), rtol=1e-12)


def test_a_scorer_takes_decisions_scores_several_labels_and_weights() -> None:
    X, y = CANCER
    svc, zero_one = LinearSVC().fit(X, y), lossctl.get("zero_one").scorer("predict")
    assert zero_one(svc, X, y) + 1 == pytest.approx(svc.score(X, y))
    scores = svc.decision_function(X)
    assert lossctl.get("hinge").scorer()(svc, X, y) == -lossctl.get("hinge")(y, scores)
    for label, sign in ((0, -1.0), (1, 1.0)):
        score = lossctl.get("hinge").scorer(positive_label=label)(svc, X, y)
        assert score == -lossctl.get("hinge")(y == label, sign * scores)
    weight, fitted = np.arange(len(y), dtype=float), LogisticRegression().fit(X, y)
    score = lossctl.get("bce").scorer(activation="sigmoid")(fitted, X, y, sample_weight=weight)
    assert score == pytest.approx(-lossctl.get("bce")(y, fitted.predict_proba(X)[:, 1], weight=weight))
    X, y = make_multilabel_classification(random_state=0)
    several = MultiOutputClassifier(BAYES).fit(X, y)
    pred = np.stack([shares[:, 1] for shares in several.predict_proba(X)], axis=1)
    assert lossctl.get("bce").scorer()(several, X, y) == -lossctl.get("bce")(y, pred)
    with pytest.raises(lossctl.UsageError, match="bce: LinearSVC has no predict_proba; response= may name another"):
        lossctl.get("bce").scorer()(svc, *CANCER)
    with pytest.raises(lossctl.UsageError, match="response 'proba' is unknown; one of auto, predict, predict_proba"):
        lossctl.get("bce").scorer("proba")  # type: ignore[arg-type]


def test_a_search_over_parameters_copies_and_sends_scorers() -> None:
    X, y = IRIS
    search = GridSearchCV(BAYES, {"var_smoothing": [1e-9, 100.0]}, scoring=lossctl.get("cce").scorer(), cv=3)
    assert pickle.loads(pickle.dumps(clone(search))).fit(X, y).best_params_ == {"var_smoothing": 1e-9}


# what people try first -------------------------------------------------------------------------------------------


def test_targets_may_be_a_series_or_an_array() -> None:
    pred, truth = {"p": [1.0, 2.0, 3.0]}, np.array([1.0, 2.0, 6.0])
    for targets in (truth, pd.Series(truth), pd.Series(truth, name="price"), Tensor(truth)):
        assert lossctl.evaluate(pred, targets=targets, pred="p", losses="mae").value() == 1.0
    report = lossctl.evaluate(pred, targets=pd.Series(truth, name="price"), target="price", pred="p", losses="mae")
    assert report.value() == 1.0


def test_the_target_may_be_a_list_of_columns() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "p": [1.0, 3.0], "q": [3.0, 4.0]})
    options: dict[str, Any] = {"pred": {"m": ["p", "q"]}, "losses": "mae"}
    expected = lossctl.evaluate(frame, target="a,b", **options)
    assert numbers(lossctl.evaluate(frame, target=["a", "b"], **options)) == numbers(expected)
    assert lossctl.validate(frame, target=["a", "b"], **options).works


def test_a_role_is_found_by_its_own_name() -> None:
    data: dict[str, Any] = {"anchor": [[0.0, 0.0]], "positive": [[1.0, 0.0]], "negative": [[0.0, 1.5]]}
    notes: list[str] = []
    assert lossctl.evaluate(data, losses="triplet", note=notes.append).value() == lossctl.get("triplet")(**data)
    assert "--role anchor=anchor (its own name, as none was given)" in notes


def test_frames_of_any_types_of_pandas() -> None:
    frame = pd.DataFrame({"y": [1.0, 0.0, 2.0], "p": [1.0, 0.0, 5.0]})
    for other in (
        frame.astype(pd.SparseDtype(float)),
        frame.astype("float32"),
        frame.convert_dtypes(),
        frame.convert_dtypes(dtype_backend="pyarrow"),
        frame.astype(object),
        frame.set_index(pd.Index(["a", "b", "c"])),
    ):
        assert lossctl.evaluate(other, target="y", pred="p", losses="mae").value() == 1.0


def test_arrays_by_position_are_shown_the_way() -> None:
    evaluate: Any = lossctl.evaluate
    with pytest.raises(TypeError, match=r"evaluate\(\) takes one argument without a name.*get\('mse'\)\(y, p\)$"):
        evaluate([1.0], [2.0])


@pytest.mark.parametrize(
    ("spec", "shapes", "words"),
    [
        ("bce", [(5,), (5, 2)], r"take the positive one's: pred\[:, 1\]$"),
        ("ndcg", [(5, 3), (5, 3)], r"take ravel\(\) of both, and query=np.repeat\(np.arange\(5\), 3\)$"),
    ],
)
def test_arrays_as_other_libraries_take_them(spec: str, shapes: list[tuple[int, ...]], words: str) -> None:
    with pytest.raises(lossctl.UsageError, match=words):
        lossctl.get(spec)(*map(np.zeros, shapes))


def test_a_row_of_many_values_is_told_in_one_line() -> None:
    with pytest.raises(lossctl.DataError, match=r"^target\[0\] = \[0 0 255 0 0 0 0 0 \.\.\.\] is outside") as caught:
        lossctl.get("dice")(np.array([[0, 0, 255] + [0] * 97]), np.zeros((1, 100)))
    assert "\n" not in str(caught.value)


def test_reports_are_checked_and_compared_as_they_are() -> None:
    data = {"y": [1.0, 2.0], "p": [1.0, 4.0], "q": [1.0, 2.5]}
    old, new = (lossctl.evaluate(data, target="y", pred={"m": name}, losses="mae") for name in ("p", "q"))
    assert lossctl.check(new, max="mae=0.5").verdict == "pass"
    failed = lossctl.check(old, max="mae=0.5")
    assert (failed.verdict, failed.advice) == ("fail", ())
    assert [change.became for change in lossctl.diff(old, new).changes] == ["better"]
    with pytest.raises(lossctl.UsageError, match="the data is a saved report, for which data and losses are settled"):
        lossctl.check(old, max="mae=0.5", target="y")


def test_a_report_prints_its_tables() -> None:
    report = lossctl.evaluate({"y": [1.0, 2.0], "p": [1.0, 4.0]}, target="y", pred="p", losses="mae")
    assert repr(report) == "<lossctl.Report: eval, model p and loss mae, 1 value>"
    assert str(report).splitlines()[-1].split() == ["p", "1.0000"]


def test_several_frames_are_several_models() -> None:
    one, two = FRAME[["y", "p"]][:50], FRAME[["y"]][:50].assign(p=FRAME["y"])
    for frames, names in (([one, two], ["1", "2"]), ({"a": one, "b": two}, ["a", "b"]), ([TABLE, TABLE], ["1", "2"])):
        assert lossctl.evaluate(frames, target="y", pred="p", losses="mae").models == names
    report = lossctl.compare({"a": one, "b": two}, target="y", pred="p", losses="mae")
    assert report.value("mae", "b") == 0.0 < report.value("mae", "a")
    columns = {"y": one, "p": one * 2}  # columns of several places, as they are asked for
    assert lossctl.evaluate(columns, target="y", pred="p", losses="mae").models == ["p"]


def test_rows_may_come_from_an_iterator() -> None:
    rows = [{"y": 1.0, "p": 1.0}, {"y": 2.0, "p": 4.0}]
    text = io.StringIO("y,p\n1,1\n2,4\n")
    for data in (iter(rows), (row for row in rows), csv.DictReader(text), pd.DataFrame(rows).itertuples(index=False)):
        assert lossctl.evaluate(data, target="y", pred="p", losses="mae").value() == 1.0
    columns = {"y": {"a": 1.0, "b": 2.0}.values(), "p": map(float, "14")}
    assert lossctl.evaluate(columns, target="y", pred="p", losses="mae").value() == 1.0
    assert lossctl.get("mae")({"a": 1.0, "b": 2.0}.values(), map(float, "14")) == 1.0


def test_intervals_and_periods_are_slices_as_they_are_written() -> None:
    frame = pd.DataFrame({"y": [1.0, 2.0, 3.0], "p": [1.0, 3.0, 5.0]})
    frame["cut"], frame["month"] = pd.cut(frame["y"], [0, 1, 3]), pd.period_range("2024-01", periods=3, freq="M")
    values = {name: lossctl.evaluate(frame, target="y", pred="p", losses="mae", by=name) for name in ("cut", "month")}
    assert [cell.slice["cut"] for cell in values["cut"] if cell.slice] == ["(0, 1]", "(1, 3]"]
    assert [cell.slice["month"] for cell in values["month"] if cell.slice] == ["2024-01", "2024-02", "2024-03"]


def test_what_is_no_file_here_is_told_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("y,p\n1,2\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert lossctl.evaluate("~/a.csv", target="y", pred="p", losses="mae").value() == 1.0
    for path, words in (
        ("https://example.org/a.csv", r"is an address, .* curl -LO https://example.org/a.csv$"),
        ("ftp://host/a.parquet", "is an address, and local files are read, .*: fetch it first$"),
        (
            str(tmp_path / "*.csv"),
            r"is a pattern of 1 files, which a shell expands; in Python give glob.glob\(\) of it",
        ),
    ):
        with pytest.raises(lossctl.DataError, match=words):
            lossctl.evaluate(path, target="y", pred="p")
    with pytest.raises(lossctl.DataError, match=r"its index, id, is no column: reset_index\(\) makes it one"):
        lossctl.evaluate(pd.DataFrame({"y": [1], "p": [1]}, pd.Index([1], name="id")), target="y", pred="p", id="id")
    (tmp_path / "a.bin").write_bytes(b"\xff\xfe\xfa")
    with (
        open(tmp_path / "a.bin", encoding="utf-8") as text,
        pytest.raises(lossctl.UsageError, match=r"a.bin: is no text: open the file in mode 'rb'"),
    ):
        lossctl.evaluate(text, target="y", pred="p")


@pytest.mark.parametrize("names", [[2, 0, 1], ["2", "0", "1"], ["p_2", "p_0", "p_1"]])
@pytest.mark.parametrize("make", [lambda frame: frame, pa.Table.from_pandas], ids=["pandas", "arrow"])
def test_a_frame_that_is_a_column_keeps_the_names_of_its_columns(names: list[Any], make: Any) -> None:
    rng = np.random.default_rng(5)
    shares, labels = rng.dirichlet(np.ones(3), 20), rng.integers(0, 3, 20)
    frame = pd.DataFrame(shares, columns=names)
    right = -np.log([shares[row, [2, 0, 1].index(label)] for row, label in enumerate(labels)]).mean()
    data = {"y": labels, "pred": make(frame)}
    for pred in ("pred", {"m": "pred"}):
        report = lossctl.evaluate(data, target="y", pred=pred, losses="cce")
        assert report.cells[0].value == pytest.approx(right, rel=1e-14)
    by_place = lossctl.evaluate({"y": labels, "pred": pd.DataFrame(shares)}, target="y", pred="pred", losses="cce")
    assert by_place.cells[0].value == pytest.approx(-np.log(shares[np.arange(20), labels]).mean(), rel=1e-14)


def test_frames_that_are_columns_meet_by_the_names_of_their_columns() -> None:
    data = {
        "y": pd.DataFrame({"lat": [1.0, 2.0], "lon": [3.0, 4.0]}),
        "p": pd.DataFrame({"lon": [3.5, 4.5], "lat": [1.0, 2.0]}),
    }
    assert lossctl.evaluate(data, target="y", pred="p", losses="mae").cells[0].value == 0.25


@pytest.mark.parametrize(
    ("values", "slices"),
    [
        (["a", np.nan, "b"], ["(missing)", "a", "b"]),
        ([1, "a", 2.0], ["1", "2", "a"]),
        ([True, None, "a"], ["(missing)", "a", "true"]),
        ([Decimal("0.5"), 0.25, "a"], ["0.25", "0.5", "a"]),
    ],
)
def test_values_of_several_kinds_are_labels_alike_in_lists_arrays_and_frames(values: list[Any], slices: Any) -> None:
    rows = {"y": [1.0, 2.0, 3.0], "p": [1.5, 2.0, 3.0]}
    objects = pd.Series(values, dtype=object)
    for column in (values, tuple(values), np.array(values, dtype=object), objects):
        for data in ({**rows, "g": column}, pd.DataFrame({**rows, "g": objects})):
            report = lossctl.evaluate(data, target="y", pred="p", losses="mae", by="g")
            assert sorted(str(cell.slice["g"]) for cell in report if cell.slice) == slices


def test_numbers_of_several_kinds_are_numbers_alike() -> None:
    for values in ([1.5, "2.5", None], [Decimal("1.5"), 2.5, None], [10**20, 0.5, None]):
        data = {"y": [1.0, 2.0, 3.0], "p": values}
        frame = pd.DataFrame({**data, "p": pd.Series(values, dtype=object)})
        first, second = (
            lossctl.evaluate(rows, target="y", pred="p", losses="mae", missing="drop") for rows in (data, frame)
        )
        assert first.value() == second.value()


def test_numbers_among_marks_of_missing_values_are_a_target_of_numbers() -> None:
    for mark in ("", "NA"):
        data = {"y": [1, mark, 0], "p": [0.1, 0.2, 0.3]}
        for rows in (data, pd.DataFrame(data)):
            report = lossctl.evaluate(rows, target="y", pred="p", losses="brier", missing="drop")
            assert report.value() == pytest.approx((0.81 + 0.09) / 2)


@pytest.mark.parametrize("labels", [["a", "b", "c"], np.array(["2024", "2025", "2026"], "M8[Y]"), [True, True, False]])
def test_what_a_mask_hides_is_missing_whatever_its_type(labels: Any) -> None:
    values = np.ma.array(labels, mask=[False, True, False])
    report = lossctl.evaluate(
        {"y": [1.0, 2.0, 3.0], "p": [1.5, 2.0, 3.0], "g": values}, target="y", pred="p", losses="mae", by="g"
    )
    assert report.cell(slice={"g": "(missing)"}).value == 0.0
    with pytest.raises(lossctl.DataError, match=r"row 2, column 'y': the value is (missing|NaN)"):
        lossctl.evaluate({"y": values, "p": values.data}, target="y", pred="p", losses="zero_one")


@pytest.mark.parametrize(
    "call",
    [
        lossctl.evaluate,
        lambda path: lossctl.evaluate([f"a={path}", "b.csv"]),
        lambda path: lossctl.evaluate({"p": [1.0]}, targets=path, pred="p"),
        lambda path: lossctl.diff(path, path),
        lossctl.merge,
        lambda path: lossctl.plot("history", [path, path]),
        lossctl.Report.load,
    ],
)
def test_what_no_path_can_be_is_refused(call: Callable[[Any], object]) -> None:
    with pytest.raises(lossctl.DataError, match="is no path: embedded null byte"):
        call("a\0b")


@pytest.mark.parametrize("value", [None, 5, b"a.json"])
def test_what_is_no_path_is_refused(value: Any) -> None:
    for call in (lossctl.merge, lossctl.Report.load, lambda entry: lossctl.diff(entry, entry)):
        with pytest.raises(lossctl.UsageError, match=r": a value of type \w+ is not allowed"):
            call(value)


def test_every_result_is_a_table_where_it_is_printed_and_a_short_line_in_a_console() -> None:
    data = {"y": [1.0, 2.0, 3.0], "p": [1.0, 4.0, 3.5]}
    report = lossctl.evaluate(data, target="y", pred="p", losses="mae")
    checked = lossctl.check(report, max="mae=0.5")
    results = {
        "<lossctl.Report: check, model p and loss mae, 1 value, fail>": (checked, "lossctl check: FAIL"),
        "<lossctl.Survey: data works>": (lossctl.validate(data, target="y", pred="p"), "data · 3 rows"),
        "<lossctl.Survey: data fails: data: say which": (
            lossctl.validate({**data, "q": data["p"]}, target="y"),
            "data",
        ),
        "<lossctl.Advice: ": (lossctl.choose(data, target="y", pred="p"), "data · 3 rows"),
        "<lossctl.Changes: 1 same, from report to report>": (lossctl.diff(report, report), "old: report"),
        "<Figure models: Values of p": (report.plot("models"), "Values of p"),
        "<lossctl.Loss: huber:delta=2>": (lossctl.get("huber:delta=2"), "huber:delta=2"),
    }
    for line, (result, start) in results.items():
        assert repr(result).startswith(line)
        assert "\n" not in repr(result)
        assert len(repr(result)) < 200
        assert str(result).startswith(start)
