"""What is measured: each workload's files, contestants and goals."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from tests.bench.measure import SCRATCH, Run

REGRESSION = ("mse", "mae", "mbe", "huber", "rmse", "log_cosh")
BINARY = ("bce", "focal", "brier", "zero_one")
MULTICLASS = ("cce", "brier", "focal", "zero_one")
TWO = ("mse", "mae")
ONE_PROBABILITY = """
mse rmse mae mbe huber smooth_l1 log_cosh quantile median_absolute_error max_error half_squared_error pseudo_huber
tukey_biweight cauchy geman_mcclure welsch barron wing epsilon_insensitive squared_epsilon_insensitive minkowski
linex expectile quantile_huber msle rmsle maape smape wape coefficient_of_residual_mass mase r2 rse rrse
one_minus_explained_variance explained_variance nrmse rae residual_standard_error residual_gini pearson
one_minus_pearson one_minus_concordance concordance critical_success_index one_minus_critical_success_index
d2_absolute one_minus_d2_absolute d2_pinball one_minus_d2_pinball d2_tweedie one_minus_d2_tweedie d2_log_loss
one_minus_d2_log_loss d2_brier one_minus_d2_brier poisson poisson_deviance tweedie_deviance bce brier focal
asymmetric zero_one hamming mcc_loss ece mce rmsce generalized_kl hinge squared_hinge soft_margin exponential
perceptron modified_huber smoothed_hinge savage tangent sparsemax_binary multilabel_margin label_ranking_loss
coverage_error iou_mask iou_mask_score dice tversky focal_tversky dice_ce dice_focal hinge_embedding listnet listmle
ndcg one_minus_ndcg gan_discriminator gan_value gan_generator gan_generator_nonsaturating lsgan_discriminator
lsgan_generator wgan_critic wgan_generator hinge_gan_discriminator hinge_gan_generator
"""
MANY = (*ONE_PROBABILITY.split(), *(f"quantile:q={number}e-3" for number in range(1, 54)))
"""Every loss that reads 0/1 and one probability, and quantile losses of several levels."""

FEW_ROWS = 500
TIMES = 1_000
"""Evaluations of the small file in one process."""
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
    peer: str = ""
    """What it computes as a peer: MEANS, or VARIANCES as well; the best of each kind gets a figure."""
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


MEANS, VARIANCES = "means", "means and variances"
PEERS = {f"wall / best peer of {work}": work for work in (MEANS, VARIANCES)}
"""The figures that hold lossctl to the fastest peer, and what these peers compute."""


def best_peer(contestants: Sequence[Contestant], runs: Runs, work: str) -> str | None:
    """The peer of the least median wall time, where there are several."""
    peers = [contestant.name for contestant in contestants if contestant.peer == work]
    return min(peers, key=lambda name: median(run.wall for run in runs[name])) if len(peers) > 1 else None


def ratios(contestants: Sequence[Contestant], runs: Runs) -> Figures:
    """The first one's wall and CPU time over every other's, by the median over rounds, and its peak memory."""
    subject, *others = contestants
    figures = {
        "wall s": median(run.wall for run in runs[subject.name]),
        "peak MiB": median(run.peak for run in runs[subject.name]),
    }
    for other in others:
        rounds = list(zip(runs[subject.name], runs[other.name], strict=True))
        figures[f"wall / {other.name}"] = median(mine.wall / its.wall for mine, its in rounds)
        figures[f"cpu / {other.name}"] = median(mine.cpu / its.cpu for mine, its in rounds)
    for figure, work in PEERS.items():
        if best := best_peer(contestants, runs, work):
            figures[figure] = figures[f"wall / {best}"]
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
    """One of the scripts in `peers`, its libraries held to the same number of threads; NAME+var has variances too."""
    pools = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    library, plus, variances = name.partition("+")
    script = f"tests.bench.peers.{library}_peer"
    return Contestant(
        name,
        (sys.executable, "-m", script, f"{form}{plus}{variances}", str(threads), *map(str, files)),
        reader=None if name == "scan" else "peer",
        peer="" if name == "scan" else VARIANCES if plus else MEANS,
        environment=dict.fromkeys(pools, str(threads)),
    )


def races(rows: int, threads: int) -> list[Workload]:
    """lossctl against every peer and the bare scan on the same files."""
    models = "-t y -p a -p b -p c"

    def goals(means: float, variances: float | None = None, script: float | None = None) -> tuple[Goal, ...]:
        limits = zip([*PEERS, "wall / script"], (means, variances, script), strict=True)
        return tuple(Goal(figure, limit) for figure, limit in limits if limit is not None)

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
        names = ("duckdb", "polars", "duckdb+var", "polars+var", "script", "scan")
        peers = (peer(name, form, threads, files) for name in names)
        subject = evaluation("lossctl", threads, arguments or files, options, losses)
        title = f"{title}; {files[0].rows:,} rows, {len(losses)} losses"
        return Workload(key, title, files, (subject, *peers), goals)

    regression = DataSet("regression", rows)
    target, *alone = (DataSet(name, rows) for name in ("target", "model_a", "model_b", "model_c"))
    keyed_target, keyed_pred = (DataSet(name, rows // 2) for name in ("keyed_target", "keyed_pred"))
    return [
        race(
            "A1",
            "regression, 3 models, one Parquet file",
            "regression",
            (regression,),
            models,
            REGRESSION,
            goals(0.8, 0.5),
        ),
        race(
            "A2",
            "regression, 3 models, a Parquet file for each and for the target",
            "files",
            (target, *alone),
            f"--targets {target} -t y -p pred",
            REGRESSION,
            goals(0.9, 0.5),
            arguments=[f"{name}={file}" for name, file in zip("abc", alone, strict=True)],
        ),
        race(
            "B", "binary, 2 models", "binary", (DataSet("binary", rows),), "-t y -p a -p b", BINARY, goals(1.15, 0.65)
        ),
        race(
            "C",
            "multiclass, 10 probabilities",
            "multiclass",
            (DataSet("multiclass", rows // 5),),
            "-t label -p softmax=p_*",
            MULTICLASS,
            goals(1.0, 0.8),
        ),
        race("D", "A1 by 1,000 groups", "grouped", (regression,), f"{models} --by store", REGRESSION, goals(1.2, 0.9)),
        race(
            "E",
            "regression, 1 model, CSV",
            "csv",
            (DataSet("table", rows // 4, "csv"),),
            "-t y -p a",
            REGRESSION,
            goals(1.1, 1.1),
        ),
        race(
            "F",
            "regression, 1 model, target joined by key",
            "joined",
            (keyed_target, keyed_pred),
            f"--targets {keyed_target} --id id -t y -p pred",
            TWO,
            (*goals(1.0, 1.0), Goal("peak MiB", 600)),
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
        evaluation("lossctl", threads, [few], "-t y -p a", TWO),
        peer("script", "small", threads, [few]),
    )
    return [
        Workload("G1", "start-up: the version", (), version, (Goal("wall / import typer", 1.5),), QUICK_ROUNDS),
        Workload(
            "G2", "start-up: the list of losses", (), listing, (Goal(f"wall / {listing[1].name}", 1.5),), QUICK_ROUNDS
        ),
        Workload(
            "G3",
            f"start-up: 2 losses of {FEW_ROWS} rows of CSV",
            (few,),
            small,
            (Goal("wall / script", 0.2),),
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
        evaluation(f"{FEW_ROWS} rows of CSV", threads, [few], "-t y -p a", TWO),
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

    goals = (Goal("peak 5N / N/10", 1.15), Goal("peak MiB", 250), Goal("exponent N/10 to 5N", 1.03))
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


def additions(rows: int, threads: int) -> list[Workload]:
    """What weights, gaps, slicings and the output of rows cost beside the same run without."""
    file = DataSet("survey", rows // 2)
    title = f"{{}}, 2 models; {file.rows:,} rows, {len(REGRESSION)} losses"
    models = "-t y -p a -p b"
    gaps = "-t y_gaps -p a=a_gaps -p b=b_gaps --missing drop"
    cases = (
        ("W1", "weights", f"{models} -w weight", models, "weighted", 1.3),
        (
            "W2",
            "weights by 1,000 groups",
            f"{models} -w weight --by store",
            f"{models} --by store",
            "weighted grouped",
            1.3,
        ),
        ("M", "rows with missing values dropped", gaps, models, "gaps", 1.3),
        ("S", "two slicings", f"{models} --by store --by word", models, "two slicings", None),
        (
            "R",
            "the losses of every row written",
            f"{models} --rows-out {SCRATCH / 'out' / 'rows.parquet'}",
            models,
            "",
            1 / 0.6,
        ),
    )
    return [
        Workload(
            key,
            title.format(words),
            (file,),
            (
                evaluation("lossctl", threads, [file], options, REGRESSION),
                replace(evaluation("without", threads, [file], plain, REGRESSION), reader=None),
                *(peer(name, form, threads, [file]) for name in ("duckdb", "polars") if form),
            ),
            () if limit is None else (Goal("wall / without", limit),),
        )
        for key, words, options, plain, form, limit in cases
    ]


def containers(rows: int, threads: int) -> list[Workload]:
    """JSON lines and NumPy archives, against pandas reading the same."""
    goals = (Goal("wall / script", 1.0),)

    def race(key: str, words: str, file: DataSet, peers: Sequence[str]) -> Workload:
        subject = evaluation("lossctl", threads, [file], "-t y -p a", REGRESSION)
        others = (peer(name, file.suffix, threads, [file]) for name in peers)
        title = f"regression, 1 model, {words}; {file.rows:,} rows, {len(REGRESSION)} losses"
        return Workload(key, title, (file,), (subject, *others), goals)

    return [
        race("J", "JSON lines", DataSet("table", rows // 20, "jsonl"), ("duckdb", "polars", "script")),
        race("N", "NumPy arrays (.npz)", DataSet("growth", rows // 2, "npz"), ("script",)),
    ]


def many(rows: int, threads: int) -> list[Workload]:
    """Many groups, and many losses."""
    customers, losses = DataSet("customers", rows // 4), DataSet("binary", rows // 200)
    command = "-t y -p a --by customer"
    return [
        Workload(
            "K",
            f"1 model by {customers.rows // 5:,} groups; {customers.rows:,} rows, {len(TWO)} losses",
            (customers,),
            (
                evaluation("lossctl", threads, [customers], command, TWO),
                *(peer(name, "customers", threads, [customers]) for name in ("duckdb", "polars", "duckdb+var")),
            ),
            (Goal("wall s", 15), Goal("peak MiB", 1024)),
        ),
        Workload(
            "L",
            f"{len(MANY)} losses at once, 1 model; {losses.rows:,} rows",
            (losses,),
            (
                evaluation("lossctl", threads, [losses], "-t y -p a", MANY),
                replace(evaluation("1 loss", threads, [losses], "-t y -p a", ["mse"]), reader=None),
            ),
        ),
    ]


def small_files() -> list[Workload]:
    """One small evaluation after another from Python, against scikit-learn's functions."""
    few = DataSet("table", FEW_ROWS, "csv")
    script = str(Path(__file__).parent / "peers" / "loop.py")

    def loop(key: str, words: str, subject: str, rival: str) -> Workload:
        contestants = [
            Contestant(f"{name} x {times:,}", (sys.executable, script, name, str(times), str(few)), reader="peer")
            for times in (TIMES, 1)
            for name in (subject, rival)
        ]

        def figures(_: Sequence[Contestant], runs: Runs) -> Figures:
            cpu = {name: median(run.cpu for run in of) for name, of in runs.items()}
            each = {
                name: (cpu[f"{name} x {TIMES:,}"] - cpu[f"{name} x 1"]) / (TIMES - 1)
                for name in (subject, rival)
                if f"{name} x {TIMES:,}" in cpu and f"{name} x 1" in cpu
            }
            microseconds = {f"µs of CPU each, {name}": 1e6 * seconds for name, seconds in each.items()}
            return microseconds | ({f"{subject} / {rival}": each[subject] / each[rival]} if len(each) > 1 else {})

        title = f"from Python: {TIMES:,} times 2 losses of {words}"
        return Workload(key, title, (few,), tuple(contestants), figures=figures)

    return [
        loop("P1", f"a CSV file of {FEW_ROWS} rows", "lossctl_files", "sklearn_files"),
        loop("P2", f"arrays of {FEW_ROWS} rows, evaluated", "lossctl_arrays", "sklearn_functions"),
        loop("P3", f"arrays of {FEW_ROWS} rows, by the losses as functions", "lossctl_functions", "sklearn_functions"),
    ]


def workloads(rows: int, threads: int) -> list[Workload]:
    """All of them."""
    return [
        *races(rows, threads),
        *additions(rows, threads),
        *containers(rows, threads),
        *many(rows, threads),
        *small_files(),
        *startups(threads),
        growth(rows, threads),
        threads_compared(rows),
        compared(rows, threads),
    ]
