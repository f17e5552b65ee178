"""Options that commands share, each declared once."""

from __future__ import annotations

from typing import Annotated

import typer

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE", help="Prediction tables: [NAME=]PATH (CSV, TSV, Parquet, .npy, folder) or -."),
]
Target = Annotated[
    str | None,
    typer.Option("-t", "--target", metavar="COLS", help="Column(s) of the truth [default: y_true, target or label]."),
]
Preds = Annotated[
    list[str] | None,
    typer.Option(
        "-p", "--pred", metavar="[NAME=]COLS", help="A model's prediction: column, a,b,c or glob p_*; repeat."
    ),
]
Targets = Annotated[str | None, typer.Option("--targets", metavar="FILE", help="File that holds the truth.")]
Key = Annotated[str | None, typer.Option("--id", metavar="COL", help="Pair rows of several files by this key.")]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="[MODEL:]ROLE=COLS", help="Further columns: left, right, anchor, positive, ..."),
]
Weight = Annotated[str | None, typer.Option("-w", "--weight", metavar="COL", help="Column of row weights.")]
By = Annotated[
    list[str] | None, typer.Option("--by", metavar="COL", help="Also per value of this column; a,b crosses; repeat.")
]
Activation = Annotated[
    list[str] | None,
    typer.Option(
        "--activation",
        metavar="[MODEL=]ACT",
        help="Predictions are raw outputs of: none, sigmoid, softmax, tanh, exp, softplus, relu.",
    ),
]
PositiveLabel = Annotated[
    str | None, typer.Option("--positive-label", metavar="LABEL", help="Which label counts as 1.")
]
Classes = Annotated[
    str | None, typer.Option("--classes", metavar="A,B,...", help="Class labels of the prediction columns, in order.")
]
TaskName = Annotated[
    str | None, typer.Option("--task", metavar="TASK", help="regression, binary, multiclass or multilabel.")
]
Losses = Annotated[
    list[str] | None,
    typer.Option("-l", "--loss", metavar="SPEC", help="huber:delta=2, p90=quantile:q=0.9; repeat; default: by task."),
]
Reduction = Annotated[str, typer.Option("--reduction", metavar="mean|sum", help="Mean over rows, or their sum.")]
Level = Annotated[str | None, typer.Option("--ci", metavar="LEVEL", help="Level of intervals [default: 0.95].")]
NoIntervals = Annotated[bool, typer.Option("--no-ci", help="Neither intervals nor standard errors.")]
Missing = Annotated[
    str, typer.Option("--missing", metavar="error|drop", help="A missing value is an error, or drops its row.")
]
Delimiter = Annotated[
    str | None,
    typer.Option("-d", "--delimiter", metavar="CHAR", help="Field separator [default: comma; tab for .tsv]."),
]
Format = Annotated[
    str, typer.Option("-f", "--format", metavar="FORMAT", help="table, long, csv, json, jsonl, md or value.")
]
Outputs = Annotated[
    list[str] | None,
    typer.Option("-o", "--output", metavar="[FMT:]PATH", help="Also write to a file, whole or not at all; repeat."),
]
RowsOut = Annotated[
    str | None, typer.Option("--rows-out", metavar="FILE", help="Per-row losses to a .parquet or .csv file.")
]
Digits = Annotated[int, typer.Option("--digits", min=1, max=17, metavar="N", help="Significant digits in tables.")]
Threads = Annotated[int | None, typer.Option("--threads", metavar="N", help="Threads [default: all cores it may use].")]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        "--max-memory", metavar="SIZE", help="For losses that keep all values: 500M, 2G [default: what is free]."
    ),
]
ShowProgress = Annotated[
    bool | None, typer.Option("--progress/--no-progress", help="Rows done so far [default: on a terminal].")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No notes on standard error.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Signatures, inputs and where time went, on standard error.")
]
Color = Annotated[str, typer.Option("--color", metavar="auto|always|never", help="Colour in tables.")]
Debug = Annotated[bool, typer.Option("--debug", help="A traceback for errors.")]
