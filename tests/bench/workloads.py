"""What is measured: each workload's files, contestants and goals."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.bench.measure import SCRATCH, Run

REGRESSION = ("mse", "mae", "mbe", "huber", "rmse", "log_cosh")
BINARY = ("bce", "focal", "brier", "zero_one")
MULTICLASS = ("cce", "brier", "focal", "zero_one")
FEW_ROWS = 500
QUICK_ROUNDS = 15
"""Rounds of what ends within a second, at least."""

Figures = dict[str, float]
Runs = dict[str, list[Run]]


@dataclass(frozen=True)
class DataSet:
    """A file that `data` writes, named by what it holds and how many rows, so that other sizes leave it in peace."""

    name: str
    rows: int
    suffix: str = "parquet"

    @property
    def path(self) -> Path:
        return SCRATCH / "data" / f"{self.name}-{self.rows}.{self.suffix}"

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class Contestant:
    """A command to be measured."""

    name: str
    command: tuple[str, ...]
    reader: str | None = None
    """Which of the readers of `agree` finds the values in its output; None: there are none."""
    peer: bool = False
    """It does the same work, so that it may be the best peer."""
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Goal:
    """A limit of one of the workload's figures. Goals are reported, they fail nothing."""

    figure: str
    limit: float
    at_least: bool = False

    def met(self, figures: Figures) -> bool | None:
        """Whether; None if the figure could not be had."""
        value = figures.get(self.figure)
        return None if value is None else value >= self.limit if self.at_least else value <= self.limit

    @property
    def limit_text(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


def best_peer(contestants: Sequence[Contestant], runs: Runs) -> str | None:
    """The peer of the least median wall time, where there are several."""
    peers = [contestant.name for contestant in contestants if contestant.peer]
    return min(peers, key=lambda name: median(run.wall for run in runs[name])) if len(peers) > 1 else None


def ratios(contestants: Sequence[Contestant], runs: Runs) -> Figures:
    """The first one's wall time over every other's, by the median over rounds, and its peak memory."""
    subject, *others = contestants
    figures = {"peak MiB": median(run.peak for run in runs[subject.name])}
    for other in others:
        rounds = zip(runs[subject.name], runs[other.name], strict=True)
        figures[f"wall / {other.name}"] = median(mine.wall / its.wall for mine, its in rounds)
    if best := best_peer(contestants, runs):
        figures["wall / best peer"] = figures[f"wall / {best}"]
    return figures


@dataclass(frozen=True)
class Workload:
    """Contestants that take turns; the first is the one that the figures are about."""

    key: str
    title: str
    files: tuple[DataSet, ...]
    contestants: tuple[Contestant, ...]
    goals: tuple[Goal, ...] = ()
    least_rounds: int = 1
    figures: Callable[[Sequence[Contestant], Runs], Figures] = ratios


def evaluation(
    name: str, threads: int, files: Sequence[object], options: str, losses: Sequence[str], verb: str = "eval"
) -> Contestant:
    """The lossctl that is installed beside this Python, as its user runs it."""
    executable = str(Path(sys.executable).with_name("lossctl"))
    chosen = [word for loss in losses for word in ("-l", loss)]
    command = (executable, verb, *map(str, files), *options.split(), *chosen, "-f", "json", "--threads", str(threads))
    return Contestant(name, command, reader="lossctl")


def peer(name: str, form: str, threads: int, files: Sequence[DataSet]) -> Contestant:
    """One of the scripts in `peers`, its libraries held to the same number of threads."""
    pools = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return Contestant(
        name,
        (sys.executable, "-m", f"tests.bench.peers.{name}_peer", form, str(threads), *map(str, files)),
        reader=None if name == "scan" else "peer",
        peer=name != "scan",
        environment=dict.fromkeys(pools, str(threads)),
    )


def races(rows: int, threads: int) -> list[Workload]:
    """lossctl against every peer and the bare scan on the same files."""
    fast = (Goal("wall / best peer", 0.8), Goal("wall / scan", 1.8))
    level = (Goal("wall / best peer", 1.0),)
    models = "-t y -p a -p b -p c"

    def race(
        key: str,
        title: str,
        form: str,
        files: tuple[DataSet, ...],
        options: str,
        losses: Sequence[str],
        goals: tuple[Goal, ...],
        arguments: Sequence[object] = (),
    ) -> Workload:
        peers = (peer(name, form, threads, files) for name in ("duckdb", "polars", "script", "scan"))
        subject = evaluation("lossctl", threads, arguments or files, options, losses)
        title = f"{title}; {files[0].rows:,} rows, {len(losses)} losses"
        return Workload(key, title, files, (subject, *peers), goals)

    regression = DataSet("regression", rows)
    target, *alone = (DataSet(name, rows) for name in ("target", "model_a", "model_b", "model_c"))
    keyed_target, keyed_pred = (DataSet(name, rows // 2) for name in ("keyed_target", "keyed_pred"))
    return [
        race("A1", "regression, 3 models, one Parquet file", "regression", (regression,), models, REGRESSION, fast),
        race(
            "A2",
            "regression, 3 models, a Parquet file for each and for the target",
            "files",
            (target, *alone),
            f"--targets {target} -t y -p pred",
            REGRESSION,
            fast,
            arguments=[f"{name}={file}" for name, file in zip("abc", alone, strict=True)],
        ),
        race("B", "binary, 2 models", "binary", (DataSet("binary", rows),), "-t y -p a -p b", BINARY, fast),
        race(
            "C",
            "multiclass, 10 probabilities",
            "multiclass",
            (DataSet("multiclass", rows // 5),),
            "-t label -p softmax=p_*",
            MULTICLASS,
            fast,
        ),
        race("D", "A1 by 1,000 groups", "grouped", (regression,), f"{models} --by store", REGRESSION, level),
        race(
            "E",
            "regression, 1 model, CSV",
            "csv",
            (DataSet("table", rows // 4, "csv"),),
            "-t y -p a",
            REGRESSION,
            level,
        ),
        race(
            "F",
            "regression, 1 model, target joined by key",
            "joined",
            (keyed_target, keyed_pred),
            f"--targets {keyed_target} --id id -t y -p pred",
            ("mse", "mae"),
            (*level, Goal("peak MiB", 600)),
            arguments=[f"a={keyed_pred}"],
        ),
    ]


def startups(threads: int) -> list[Workload]:
    """What it takes to begin, against the least that must be imported, and against the script."""
    few = DataSet("table", FEW_ROWS, "csv")
    lossctl = str(Path(sys.executable).with_name("lossctl"))

    def imports(modules: str) -> Contestant:
        return Contestant(f"import {modules}", (sys.executable, "-c", f"import {modules}"))

    version = (Contestant("lossctl --version", (lossctl, "--version")), imports("typer"))
    listing = (Contestant("lossctl losses list", (lossctl, "losses", "list")), imports("typer, rich.table, numpy"))
    small = (
        evaluation("lossctl", threads, [few], "-t y -p a", ("mse", "mae")),
        peer("script", "small", threads, [few]),
    )
    return [
        Workload("G1", "start-up: the version", (), version, (Goal("wall / import typer", 1.5),), QUICK_ROUNDS),
        Workload("G2", "start-up: the list of losses", (), listing, (), QUICK_ROUNDS),
        Workload(
            "G3",
            f"start-up: 2 losses of {FEW_ROWS} rows of CSV",
            (few,),
            small,
            (Goal("wall / script", 0.35),),
            QUICK_ROUNDS,
        ),
    ]


def growth(rows: int, threads: int) -> Workload:
    """A1 at three sizes: time in proportion to the rows, memory none the more."""
    few = DataSet("table", FEW_ROWS, "csv")
    sizes = {
        "N/10": DataSet("growth", rows // 10),
        "N": DataSet("regression", rows),
        "5N": DataSet("growth", 5 * rows),
    }
    names = {label: f"{label} = {file.rows:,}" for label, file in sizes.items()}
    contestants = (
        evaluation(f"{FEW_ROWS} rows of CSV", threads, [few], "-t y -p a", ("mse", "mae")),
        *(
            evaluation(names[label], threads, [file], "-t y -p a -p b -p c", REGRESSION)
            for label, file in sizes.items()
        ),
    )

    def figures(contestants: Sequence[Contestant], runs: Runs) -> Figures:
        wall = {name: median(run.wall for run in of) for name, of in runs.items()}
        peak = {label: median(run.peak for run in runs[name]) for label, name in names.items()}
        figures = {"peak MiB": max(peak.values()), "peak 5N / N/10": peak["5N"] / peak["N/10"]}
        for smaller, larger in (("N/10", "N"), ("N", "5N"), ("N/10", "5N")):
            grown = math.log(sizes[larger].rows / sizes[smaller].rows)
            for label, base in (("", wall[contestants[0].name]), (", start-up included", 0.0)):
                below, above = wall[names[smaller]] - base, wall[names[larger]] - base
                if below > 0 and above > 0:  # a few thousand rows may take less than the noise of starting
                    figures[f"exponent {smaller} to {larger}{label}"] = math.log(above / below) / grown
        return figures

    goals = (Goal("peak 5N / N/10", 1.15), Goal("peak MiB", 300), Goal("exponent N/10 to 5N", 1.03))
    files = (few, *sizes.values())
    return Workload(
        "H", f"growth: A1 at {rows // 10:,} to {5 * rows:,} rows", files, contestants, goals, figures=figures
    )


def threads_compared(rows: int) -> Workload:
    """A1 on one thread and on two."""
    file = DataSet("regression", rows)
    one, two = (
        evaluation(f"{count} thread{'s' * (count > 1)}", count, [file], "-t y -p a -p b -p c", REGRESSION)
        for count in (1, 2)
    )
    return Workload(
        "T", "threads: A1 on one and on two", (file,), (one, two), (Goal("wall / 2 threads", 1.7, at_least=True),)
    )


def compared(rows: int, threads: int) -> Workload:
    """What paired differences, their intervals and verdicts cost beside the values."""
    file, losses = DataSet("regression", rows), ("mse", "mae", "huber", "log_cosh")
    contestants = tuple(
        evaluation(verb, threads, [file], "-t y -p a -p b -p c", losses, verb) for verb in ("compare", "eval")
    )
    title = f"comparison, 3 models; {rows:,} rows, {len(losses)} losses"
    return Workload("V", title, (file,), contestants, (Goal("wall / eval", 1.3),))


def workloads(rows: int, threads: int) -> list[Workload]:
    """All of them."""
    return [
        *races(rows, threads),
        *startups(threads),
        growth(rows, threads),
        threads_compared(rows),
        compared(rows, threads),
    ]
