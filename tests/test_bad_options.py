"""Questions that are wrong: one line, nothing printed or written, exit code 2; outputs that cannot be written."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

import lossctl as package
from lossctl.errors import ExitCode
from tests.bad_input import BCE, CCE, CLASSES, DATA, MSE, ON_P, REGRESSION, USAGE, Write
from tests.conftest import OLD, Lossctl, Refused, error_line, tree

BINARY = "y,p\n0,0.1\n1,0.9\n0,0.3\n1,0.8\n0,0.2\n1,0.7\n"

# the question ---------------------------------------------------------------------------------------------------------


def test_a_misspelt_loss_is_told_apart_from_its_neighbour(refused: Refused, write: Write) -> None:
    says = ["unknown loss 'hubr'", "did you mean 'huber'?", "lossctl losses list"]
    refused(write("a.csv", REGRESSION), *ON_P, "-l", "hubr", code=USAGE, says=says)


def test_a_loss_like_no_other_gets_the_pointer_to_the_list_alone(refused: Refused, write: Write) -> None:
    line = refused(
        write("a.csv", REGRESSION), *ON_P, "-l", "xyzzy", code=USAGE, says=["'xyzzy'", "lossctl losses list"]
    )
    assert "did you mean" not in line


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("log_loss", ["bce for binary data, cce for multiclass data", "scikit-learn: log_loss = bce:eps=2.2"]),
        ("logloss", ["bce for binary data, cce for multiclass data"]),
        ("cross_entropy", ["bce for binary data, cce for multiclass data", "torch: F.cross_entropy = cce --activ"]),
        ("BCELoss", ["torch: nn.BCELoss = bce:eps=3.72"]),
        ("BCEWithLogitsLoss", ["torch: nn.BCEWithLogitsLoss = bce --activation sigmoid"]),
        ("F.binary_cross_entropy_with_logits", ["bce --activation sigmoid"]),
        ("KLDivLoss", ["torch: nn.KLDivLoss(reduction='batchmean') = kl (of ln p; its default mean divides by K"]),
        ("sparse_categorical_crossentropy", ["keras: SparseCategoricalCrossentropy = cce:eps=1e-7"]),
        ("CategoricalHinge", ["keras: CategoricalHinge = hinge:floor=true"]),
        ("MeanAbsolutePercentageError", ["keras: MeanAbsolutePercentageError = 100 x mape:eps=1e-7"]),
        ("softmax_cross_entropy_with_integer_labels", ["= cce --activation softmax"]),
        ("binary_logloss", ["LightGBM: binary_logloss = bce:eps=1e-15"]),
        ("reg:squarederror", ["XGBoost objective: reg:squarederror = 0.5 x mse (its metric is rmse)"]),
        ("multi:softprob", ["XGBoost objective: multi:softprob = cce --activation softmax"]),
        ("tweedie-nloglik@1.5", ["none here gives its number; near tweedie_deviance"]),
        ("neg_mean_squared_error", ["a scorer that is -1 times this: scikit-learn: mean_squared_error = mse"]),
        ("neg_log_likelihood", ["bce or cce of labels", "gaussian_nll"]),
        ("bleu_score", ["it is a score of texts"]),
    ],
)
def test_a_name_of_another_library_leads_to_the_loss(
    refused: Refused, write: Write, name: str, says: list[str]
) -> None:
    assert "did you mean" not in refused(write("a.csv", REGRESSION), *ON_P, "-l", name, code=USAGE, says=says)


@pytest.mark.parametrize(
    ("option", "given"),
    [("-t", "tuth"), ("-p", "gues"), ("-w", "wieght"), ("--by", "regoin"), ("--by", "region,yaer"), ("--id", "cdoe")],
)
def test_an_unknown_column_names_its_nearest_and_all_there_are(
    refused: Refused, write: Write, option: str, given: str
) -> None:
    columns = ["truth", "guess", "weight", "region", "year", "code"]
    path = write("a.csv", ",".join(columns) + "\n1,2,1,north,1999,x1\n2,2,1,south,1999,x2\n")
    options = {"-t": "truth", "-p": "guess", "-l": "mse"} | {option: given}
    missing = given.split(",")[-1]
    meant = {"tuth": "truth", "gues": "guess", "wieght": "weight", "regoin": "region", "yaer": "year", "cdoe": "code"}
    line = refused(path, *itertools.chain(*options.items()), code=DATA, says=["a.csv", f"'{missing}'", *columns])
    assert f"did you mean '{meant[missing]}'?" in line


def test_a_role_of_losses_that_nobody_asked_for_leads_to_them(refused: Refused, write: Write) -> None:
    path = write("a.csv", "q,y,p,e\n1,1,1,1\n1,2,2,0\n")
    losses: tuple[tuple[str, ...], ...] = ((), ("-l", "mae"))
    for role, takers in {"query=q": ["-l", "ndcg", "mase"], "event=e": ["-l", "cox"], "m:event=e": ["cox"]}.items():
        for asked in losses:
            refused(path, *ON_P, *asked, "--role", role, code=USAGE, says=[role, "no loss asked for", *takers])
    refused(path, *ON_P, "-l", "cox", "--role", "evnt=e", code=USAGE, says=["did you mean 'event'?"])


def test_a_glob_that_matches_nothing_is_refused(refused: Refused, write: Write) -> None:
    says = ["a.csv", "'q_*'", "p_a", "p_b", "p_c"]
    refused(write("a.csv", CLASSES), "-t", "y", "-p", "q_*", "-l", "cce", code=DATA, says=says)


def test_an_unknown_column_of_a_role_names_its_nearest(refused: Refused, write: Write) -> None:
    path = write("a.csv", "anchor,posit,negat\n1,2,3\n")
    roles = ("--role", "anchor=anchr", "--role", "positive=posit", "--role", "negative=negat")
    refused(path, *roles, "-l", "triplet", code=DATA, says=["a.csv", "'anchr'", "did you mean 'anchor'?", "negat"])


def test_an_unknown_column_is_looked_for_in_the_targets_file(refused: Refused, write: Write) -> None:
    truth = write("truth.csv", "truth\n1\n2\n")
    path = write("a.csv", "p\n1\n2\n")
    refused(path, "--targets", truth, "-t", "trut", "-l", "mse", code=DATA, says=["truth.csv", "'trut'", "'truth'"])


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("huber:delta=-1", ["huber", "delta=-1", "(0, "]),
        ("huber:delta=0", ["huber", "delta=0", "(0, "]),
        ("huber:delta=nan", ["huber", "delta=nan", "(0, "]),
        ("huber:delta=inf", ["huber", "delta=inf", "(0, "]),
        ("quantile:q=1.5", ["quantile", "q=1.5", "0", "1"]),
        ("quantile:q=half", ["quantile", "q=half", "a number in"]),
        ("huber:delta=", ["huber", "delta=", "a number in"]),
        ("poisson:full=2", ["poisson", "full=2", "true or false"]),
        ("huber:detla=2", ["huber", "'detla'", "did you mean 'delta'?"]),
        ("mse:delta=2", ["mse", "'delta'", "none"]),
        ("huber:", ["'huber:'", "PARAMETER=VALUE", "huber:delta=2"]),
        ("bce:2", ["'bce:2'", "'2'", "PARAMETER=VALUE", "huber:delta=2", "bce takes eps, pos_weight"]),
        ("mse:2", ["'mse:2'", "'2'", "PARAMETER=VALUE", "mse takes none"]),
        ("huber:=2", ["'huber:=2'", "PARAMETER=VALUE"]),
        ("huber:delta=1,", ["'huber:delta=1,'", "PARAMETER=VALUE"]),
        ("huber:delta=1,delta=2", ["delta", "twice"]),
        ("huber:delta=1,DELTA=1", ["delta", "twice"]),
        ("=mse", ["'=mse'", "label", "empty"]),
        ("best=", ["''", "lossctl losses list"]),
        ("", ["''", "lossctl losses list"]),
    ],
)
def test_a_spec_that_is_none_says_what_is_allowed(refused: Refused, write: Write, spec: str, says: list[str]) -> None:
    refused(write("a.csv", REGRESSION), *ON_P, "-l", spec, code=USAGE, says=says)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--ci", "0.9", "--no-ci"], ["--ci", "--no-ci"]),
        (["--ci", "95"], ["95", "0.95"]),
        (["--ci", "0"], ["0", "0.95"]),
        (["--ci", "nan"], ["nan", "0.95"]),
        (["-p", "p"], ["'p'", "NAME="]),
        (["-p", "y=p", "-p", "y=y"], ["'y'", "NAME="]),
        (["--classes", "a,b"], ["--classes"]),
        (["-l", "rmse", "--reduction", "sum"], ["--reduction sum", "rmse", "mse"]),
        (["-l", "max_error", "--reduction", "sum"], ["--reduction sum", "max_error", "mse"]),
        (["-l", "mse"], ["'mse'", "twice", "again=mse"]),
        (["-l", "MSE"], ["'mse'", "twice", "again=mse"]),
        (["-l", "same=mae", "-l", "same=rmse"], ["'same'", "twice"]),
        (["-f", "jsn"], ["'jsn'", "did you mean 'json'?", "table", "jsonl"]),
        (["--task", "regresion"], ["'regresion'", "did you mean 'regression'?", "multilabel"]),
        (["--missing", "skip"], ["'skip'", "error", "drop"]),
        (["--reduction", "median"], ["'median'", "mean", "sum"]),
        (["--color", "blue"], ["blue", "auto", "always", "never"]),
        (["-d", ";;"], ["-d", "';;'", "character"]),
        (["-d", ""], ["-d", "''", "character"]),
        (["-d", "§"], ["-d", "§"]),
        (["-d", '"'], ["-d", '"']),
        (["-d", "\n"], ["-d", "\\n"]),
        (["-d", "\r"], ["-d", "\\r"]),
        (["--role", "left=p"], ["left"]),
        (["--role", "left"], ["'left'", "ROLE=COLUMNS"]),
        (["-w", "y,p"], ["-w", "y,p"]),
        (["-p", "q=p,p"], ["'p,p'", "twice"]),
        (["-p", "=p"], ["'=p'", "empty"]),
    ],
)
def test_options_that_are_wrong_or_contradict_each_other(
    refused: Refused, write: Write, options: list[str], says: list[str]
) -> None:
    refused(write("a.csv", REGRESSION), *MSE, *options, code=USAGE, says=says)


def test_several_files_take_one_prediction_each(refused: Refused, write: Write) -> None:
    files = write("a.csv", "y,p,q\n1,2,3\n"), write("b.csv", "y,p,q\n1,2,3\n")
    refused(*files, "-t", "y", "-p", "p", "-p", "q", "-l", "mse", code=USAGE, says=["several files", "-p"])
    refused(*files, "-t", "y", "-p", "m=p", "-l", "mse", code=USAGE, says=["m=p", "NAME=PATH"])


def test_two_files_of_one_name_are_told_to_take_another(refused: Refused, write: Write) -> None:
    one, two = write("a.csv", REGRESSION), write("b.csv", REGRESSION)
    refused(f"m={one}", f"m={two}", *MSE, code=USAGE, says=["'m'", "NAME="])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--positive-label", "a"], ["--positive-label", "--classes"]),
        (["--positive-label", "a", "--classes", "a,b,c"], ["--positive-label", "--classes"]),
        (["--classes", "a,b"], ["--classes", "2", "3"]),
        (["--classes", "a,b,a"], ["--classes a,b,a", "twice"]),
        (["-l", "mse"], ["mse"]),
    ],
)
def test_options_that_class_labels_do_not_go_with(
    refused: Refused, write: Write, options: list[str], says: list[str]
) -> None:
    refused(write("a.csv", CLASSES), *CCE, *options, code=USAGE, says=says)


def test_a_target_of_text_asks_for_the_label_that_is_one(refused: Refused, write: Write) -> None:
    path = write("a.csv", "y,p\nyes,0.9\nno,0.2\n")
    refused(path, *BCE, code=USAGE, says=["a.csv", "'y'", "--positive-label"])
    refused(path, *ON_P, code=USAGE, says=["text", "--task", "--positive-label", "-l"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["eval", "FILE", *MSE, "--nonsense"], ["--nonsense"]),
        (["eval", "FILE", *MSE, "--ci", "high"], ["--ci"]),
        (["eval", "FILE", *MSE, "--digits", "99"], ["--digits", "17"]),
        (["eval", "FILE", "-t"], ["-t"]),
        (["eval"], ["FILE"]),
        (["evl", "FILE"], ["evl", "eval"]),
        (["losses", "show", "hubr"], ["'hubr'", "'huber'"]),
        (["losses", "show", "huber", "-f", "xml"], ["xml", "json"]),
        (["losses", "list", "-f", "xml"], ["xml", "json"]),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_one_line_too(
    lossctl: Lossctl, write: Write, arguments: list[str], says: list[str]
) -> None:
    path = write("a.csv", REGRESSION)
    outcome = lossctl(*(path if argument == "FILE" else argument for argument in arguments))
    assert outcome.code == USAGE
    assert outcome.out == ""
    line = error_line(outcome.err)
    for text in says:
        assert text in line


# shapes and activations -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-t", "a", "-p", "m=b,c", "-l", "bce"], ["bce", "2 columns", "1"]),
        (["-t", "a", "-p", "b", "-l", "cce"], ["cce", "1 column"]),
        (["-t", "a,b", "-p", "m=c,d", "-l", "max_error"], ["max_error", "2 columns", "1 column"]),
        (["-t", "a,b,c", "-p", "m=a,b", "-l", "mse"], ["mse", "3 columns", "2 columns"]),
        (["-t", "a", "-p", "b", "-l", "iou"], ["iou", "4 columns", "1 column"]),
        (["-t", "a,b,c,d", "-p", "m=a,b", "-l", "iou"], ["iou", "4 columns", "2 columns"]),
        (["-t", "a", "-p", "b", "-l", "kl"], ["kl", "1 column"]),
        (["--role", "anchor=a,b", "--role", "positive=c", "--role", "negative=d", "-l", "triplet"], ["triplet", "2"]),
        (["-t", "a", "-p", "b", "-p", "m=c,d", "-l", "mse"], ["'b'", "'m'", "1", "2"]),
        (["-t", "a", "-l", "contrastive", "--role", "left=b"], ["right", "--role right="]),
    ],
)
def test_widths_that_do_not_match_a_loss(refused: Refused, write: Write, options: list[str], says: list[str]) -> None:
    refused(write("a.csv", "a,b,c,d\n0,0.5,0.25,1\n1,0.5,0.75,2\n"), *options, code=USAGE, says=says)


LABELLED = ("-t", "y", "-p", "p_*")


@pytest.mark.parametrize(
    ("options", "loss", "activation", "fits"),
    [
        *(
            (LABELLED, loss, act, "softmax")
            for loss in ("cce", "focal", "brier")
            for act in ("tanh", "relu", "sigmoid")
        ),
        *((ON_P, loss, "tanh", "sigmoid") for loss in ("bce", "focal", "brier", "zero_one")),
        *((ON_P, loss, act, "tanh") for loss in ("hinge", "squared_hinge") for act in ("sigmoid", "softmax")),
        *((LABELLED, "hinge", act, "tanh") for act in ("sigmoid", "softmax")),
    ],
)
def test_an_activation_that_cannot_feed_a_loss(
    refused: Refused, write: Write, options: tuple[str, ...], loss: str, activation: str, fits: str
) -> None:
    path = write("a.csv", BINARY if options == ON_P else CLASSES)
    says = [loss, f"--activation {activation}", fits]
    refused(path, *options, "-l", loss, "--activation", activation, code=USAGE, says=says)


def test_a_refused_activation_names_the_losses_that_it_does_fit(refused: Refused, write: Write) -> None:
    path = write("a.csv", BINARY)
    line = refused(path, *BCE, "--activation", "tanh", code=USAGE)
    assert {"mse", "mae", "huber"} <= set(re.findall(r"\w+", line.partition("losses that fit")[2]))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--activation", "sigmod"], ["sigmod", "did you mean 'sigmoid'?", "none", "softplus"]),
        (["--activation", "p=sigmod"], ["sigmod", "did you mean 'sigmoid'?"]),
        (["--activation", "q=sigmoid"], ["'q'", "the models are p"]),
        (["--activation", "sigmoid", "--activation", "none"], ["twice", "MODEL=VALUE"]),
    ],
)
def test_an_activation_that_is_none(refused: Refused, write: Write, options: list[str], says: list[str]) -> None:
    refused(write("a.csv", BINARY), *BCE, *options, code=USAGE, says=says)


# outputs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-o", "--rows-out"])
@pytest.mark.parametrize("content", [REGRESSION, "y,p\n1,oops\n"])  # told before the data are looked at
def test_an_output_that_cannot_be_written(
    lossctl: Lossctl, write: Write, tmp_path: Path, option: str, content: str
) -> None:
    path = write("a.csv", content)
    folder = tmp_path / "results.csv"
    folder.mkdir()
    before = tree(tmp_path)
    cases = [
        (tmp_path / "nowhere" / "b.csv", DATA, "there is no folder"),
        (folder, DATA, "is a folder"),
        (path / "b.csv", DATA, "there is no folder"),
    ]
    for output, code, text in cases:
        outcome = lossctl("eval", path, *MSE, "-q", option, output)
        assert (outcome.code, outcome.out) == (code, ""), outcome.err
        line = error_line(outcome.err)
        assert str(output) in line
        assert text in line
        assert tree(tmp_path) == before


@pytest.mark.parametrize("option", ["-o", "--rows-out"])
@pytest.mark.parametrize(
    "way", ["itself", "detour", "symbolic link", "hard link", "named", "targets", "part of a folder"]
)
def test_an_output_onto_an_input(lossctl: Lossctl, write: Write, tmp_path: Path, option: str, way: str) -> None:
    path = output = write("a.csv", REGRESSION)
    inputs: list[object] = [path]
    if way == "detour":
        output = tmp_path / ".." / tmp_path.name / "a.csv"
    elif way == "symbolic link":
        output = tmp_path / "link.csv"
        output.symlink_to(path)
    elif way == "hard link":
        output = tmp_path / "link.csv"
        output.hardlink_to(path)
    elif way == "named":
        inputs = [f"m={path}"]
    elif way == "targets":
        inputs = [write("b.csv", REGRESSION), "--targets", path]
    elif way == "part of a folder":
        folder = tmp_path / "parts"
        folder.mkdir()
        output = path.rename(folder / "a.csv")
        inputs = [folder]
    before = tree(tmp_path)
    outcome = lossctl("eval", *inputs, *MSE, "-q", option, output)
    assert tree(tmp_path) == before
    assert (outcome.code, outcome.out) == (USAGE, ""), outcome.err
    line = error_line(outcome.err)
    assert str(output) in line
    assert "input" in line


def test_an_input_onto_which_no_output_may_go_is_known_in_python_too(write: Write, tmp_path: Path) -> None:
    path = write("a.csv", REGRESSION)
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    with pytest.raises(package.UsageError, match="is an input"):
        package.evaluate(path, target="y", pred="p", losses="mse", rows_out=str(link))
    assert path.read_text() == REGRESSION


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--rows-out", "rows.txt"], USAGE, ["rows.txt", ".parquet", ".csv"]),
        (["--rows-out", "rows"], USAGE, ["rows", ".parquet", ".csv"]),
        (["--rows-out", ""], USAGE, ["an output needs a name"]),
        (["-o", "report"], USAGE, ["report", ".json", "json:"]),
        (["-o", "xml:report"], USAGE, ["xml:report", ".json", "json:"]),
        (["-o", "json:"], USAGE, ["json:"]),
        (["-o", "a.json", "-o", "a.json"], USAGE, ["a.json", "two outputs"]),
        (["-o", "a.json", "-o", "md:./a.json"], USAGE, ["a.json", "two outputs"]),
        (["-o", "a.csv", "--rows-out", "a.csv"], USAGE, ["a.csv", "two outputs"]),
        (["-o", "json:/dev/full"], DATA, ["/dev/full", "No space left on device"]),
        (["-l", "rmse", "--rows-out", "rows.csv"], USAGE, ["rows.csv", "no per-row value: rmse"]),
    ],
)
def test_an_output_that_is_asked_for_wrongly(
    lossctl: Lossctl,
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    code: ExitCode,
    says: list[str],
) -> None:
    path = write("data.csv", REGRESSION)
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path)
    losses = [] if "-l" in options else ["-l", "mse"]
    outcome = lossctl("eval", path, *ON_P, *losses, "-q", *options)
    assert (outcome.code, outcome.out) == (code, ""), outcome.err
    for text in says:
        assert text in error_line(outcome.err)
    assert tree(tmp_path) == before


def test_the_ending_of_the_rows_is_checked_before_the_data(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    path = write("a.csv", "y,p\n1,oops\n")
    outcome = lossctl("eval", path, *MSE, "-q", "--rows-out", tmp_path / "rows.txt")
    assert (outcome.code, outcome.out) == (USAGE, ""), outcome.err
    assert ".parquet" in error_line(outcome.err)


def test_a_second_run_replaces_what_the_first_one_wrote(lossctl: Lossctl, write: Write, tmp_path: Path) -> None:
    """The refusals above leave an old file alone; a run that succeeds does not."""
    old = write("old.json", OLD)
    assert lossctl("eval", write("a.csv", REGRESSION), *MSE, "-q", "-o", old).code == ExitCode.OK
    assert old.read_bytes() != OLD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "old.json"]


def test_a_pinned_time_that_is_none(lossctl: Lossctl, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "99999999999999")
    outcome = lossctl("eval", write("a.csv", REGRESSION), *MSE, "-f", "json", "-q")
    assert (outcome.code, outcome.out) == (USAGE, "")
    assert error_line(outcome.err).startswith("SOURCE_DATE_EPOCH '99999999999999': ")
