"""Options that one command alone has; options.py has those that commands share."""

from typing import Annotated, Final, Literal, NamedTuple

import typer

from lossctl.cli import complete
from lossctl.cli.declare import ONCE, InFile, NotInFile
from lossctl.cli.values import Range

RULE: Final = NotInFile("rules are tables there: [[check]] with loss and limit", accumulates=True)
DISARMS: Final = NotInFile("it would disarm the check without a trace on its command line")
WRITES: Final = NotInFile("what is written besides reports is said on the command line")


class EvalOptions(NamedTuple):
    """What `eval` alone has."""

    reduction: Annotated[
        Literal["mean", "sum"],
        typer.Option("--reduction", metavar="mean|sum", help="Mean over rows, or their sum."),
    ] = "mean"
    rows_out: Annotated[
        str | None,
        typer.Option("--rows-out", metavar="FILE", help="Per-row losses to a .parquet or .csv file."),
        WRITES,
    ] = None
    with_grad: Annotated[
        bool,
        typer.Option("--with-grad", help="Beside the per-row losses also their gradients by the prediction columns."),
        WRITES,
    ] = False


class CompareOptions(NamedTuple):
    """How models are compared."""

    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline", metavar="NAME", help="The model that the others are compared with [default: the first]."
        ),
        NotInFile("there it is the baseline of check"),
    ] = None
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Compare every two models, and name those that may be the best.")
    ] = False
    ci_method: Annotated[
        Literal["auto", "normal", "t", "bootstrap"],
        typer.Option(
            "--ci-method",
            metavar="auto|normal|t|bootstrap",
            help="How intervals are made; auto: by what fits the loss.",
        ),
    ] = "auto"
    resamples: Annotated[
        int,
        typer.Option("--resamples", metavar="N", help="Resamples of the bootstrap."),
        Range(100, 100_000),
    ] = 1000
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Seed of the bootstrap, recorded."), Range(0, 2**63 - 1)
    ] = 12345
    power: Annotated[
        str | None,
        typer.Option("--power", metavar="EFFECT", help="The rows that it takes to find this difference, 0.01 or 2%."),
    ] = None
    worst: Annotated[
        int,
        typer.Option("--worst", metavar="N", help="List the rows where a candidate loses most."),
        Range(0, 100_000),
    ] = 0


class Dependence(NamedTuple):
    """How rows depend on each other, for statistics."""

    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            autocompletion=complete.columns,
            metavar="COL",
            help="Rows of one value here are not independent: users, series.",
        ),
    ] = None
    time: Annotated[
        str | None,
        typer.Option(
            "--time",
            autocompletion=complete.columns,
            metavar="COL",
            help="Rows are a series in the order of this column (Diebold-Mariano).",
        ),
    ] = None
    horizon: Annotated[
        int,
        typer.Option("--horizon", metavar="H", help="Steps ahead that the predictions of --time were made."),
        Range(1, 1_000_000),
    ] = 1


class CheckOptions(NamedTuple):
    """What is demanded, and what happens with the verdict."""

    max: Annotated[
        tuple[str, ...],
        typer.Option(
            "--max",
            autocompletion=complete.rules,
            metavar="LOSS=VALUE",
            help="The loss over all rows is at most this; repeat.",
        ),
        RULE,
    ] = ()
    min: Annotated[
        tuple[str, ...],
        typer.Option(
            "--min",
            autocompletion=complete.rules,
            metavar="LOSS=VALUE",
            help="The score (r2, ...) over all rows is at least this; repeat.",
        ),
        RULE,
    ] = ()
    max_slice: Annotated[
        tuple[str, ...],
        typer.Option(
            "--max-slice",
            autocompletion=complete.rules,
            metavar="LOSS=VALUE",
            help="The loss of every slice of --by is at most this; for a score: at least; repeat.",
        ),
        RULE,
    ] = ()
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline", metavar="BASE", help="A saved report, predictions, or a model of the files, to compare with."
        ),
        InFile(command="check", path="name"),
    ] = None
    max_regression: Annotated[
        tuple[str, ...],
        typer.Option(
            "--max-regression",
            autocompletion=complete.rules,
            metavar="LOSS=TOL",
            help="At most this much worse than the baseline, over all rows and in every slice: 2%, 0.01, or 2%,0.01 "
            "(both must be exceeded to fail); repeat.",
        ),
        RULE,
    ] = ()
    decide: Annotated[
        Literal["point", "significant", "noninferior"],
        typer.Option(
            "--decide",
            metavar="point|significant|noninferior",
            help="A regression is: a worse value; one proven worse; one not proven within the tolerance.",
        ),
    ] = "point"
    min_slice: Annotated[
        int,
        typer.Option("--min-slice", metavar="N", help="Slices of fewer rows are insufficient evidence."),
        Range(0, 2**53),
    ] = 30
    on_insufficient: Annotated[
        Literal["warn", "fail"] | None,
        typer.Option(
            "--on-insufficient",
            metavar="warn|fail",
            help="Insufficient evidence never blocks, or always does [default: it does over all rows].",
        ),
    ] = None
    baseline_optional: Annotated[
        bool, typer.Option("--baseline-optional", help="A baseline file that does not exist is a warning."), DISARMS
    ] = False
    save_baseline: Annotated[
        str | None,
        typer.Option("--save-baseline", metavar="FILE", help="Save the report as a baseline, unless a rule fails."),
        WRITES,
    ] = None
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 where rules fail; errors keep their codes."), DISARMS
    ] = False
    show_config: Annotated[
        bool,
        typer.Option("--show-config", help="Print every value and rule, and where it comes from; read no data."),
        ONCE,
    ] = False
