"""`plot`: figures of predictions, from one pass over the rows or from the cells of a report.

What rows say is counted block by block in states that merge (`core.counts`), beside the pass of `evaluate`: so a plot
reads, decides and refuses what `evaluate` does, and has its values for a caption.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from itertools import chain
from math import floor, frexp, isfinite, ldexp, nan, sqrt
from operator import add
from threading import Lock
from typing import Any, Final, NamedTuple, Self, Unpack

import numpy as np

from lossctl.api.compare import compared
from lossctl.api.evaluate import answer
from lossctl.api.job import Job
from lossctl.api.options import ARGUMENTS, LEVEL, PLOTS, InputOptions, PlotOptions, marks, with_arguments
from lossctl.api.query import Query, as_list, paths_of, silent, spoken, stamps
from lossctl.core.batch import BLOCK, Batch, flag
from lossctl.core.block import Block
from lossctl.core.counts import WIDE, Counts, GridCounts, Ints, keys_of
from lossctl.core.domain import OpenCodes, as_number
from lossctl.core.state import FINITE, SHIFT, Moments, ratio
from lossctl.core.statistic import MEAN
from lossctl.errors import DataError, UsageError, listed, near, printable
from lossctl.io.blocks import BlockReader
from lossctl.io.reports import looks_like_report, read_report
from lossctl.io.select import first_words
from lossctl.losses.decision import decided
from lossctl.numerics.array import Array, lower_quantiles
from lossctl.results.comparison import Check, Comparison
from lossctl.results.figure import HUGE, LARGEST, Axis, Figure, Layer, Panel
from lossctl.results.report import Cell, Report, SavedReport, lists_by
from lossctl.stats.estimate import estimate
from lossctl.stats.student import normal_quantile

LEAST_BINS: Final = 12
MOST_BINS: Final = 48  # of a histogram, and cells along a side of a scatter plot
TAIL: Final = 0.01  # share of rows at each end that does not say how wide an axis is
ROOM: Final = 0.5  # of the extent of the others, up to which an axis reaches for them
PAIRS: Final = 1 << 16  # cells of two numbers
POINTS: Final = 2000  # rows from which on cells are drawn
CURVE: Final = 200  # points of a curve
SCORE_BINS: Final = 32  # of probabilities: a power of two, so that edges are those of cells
SHOWN_CLASSES: Final = 10  # or outputs, of each model
MOST_CLASSES: Final = 40  # of a confusion matrix
MOST_SLICES: Final = 40
PERCENT: Final = 100.0
MOST_EXPONENT: Final = 1000
MOST_WAITING: Final = 64  # states of a block each
WAITING: Final = 4  # times as many cells as a state has may wait to be merged
CLASSIFICATION: Final = ("binary", "multiclass", "multilabel", "masks")

State = tuple[str, str]  # model, and which of its states: an output, a class, or ""
Part = tuple[str, Ints, Array | None]  # the name of a state, keys, lines


@dataclass
class Rows:
    """What one pass over the rows has counted for a plot, and what is known of the rows.

    bins, widths, per_class, level, per_output: options of `plot`. task, activations: as `evaluate` has them. outputs:
    the names of several columns of predictions, else "".
    """

    kind: RowKind
    bins: int = 10
    widths: bool = False
    per_class: bool = False
    level: float = LEVEL
    per_output: bool = False
    models: tuple[str, ...] = ()
    task: str = ""
    weighted: bool = False
    outputs: Sequence[str] = ()
    activations: Mapping[str, str] = field(default_factory=dict)
    reader: BlockReader | None = None
    _parts: dict[State, list[Counts]] = field(default_factory=dict)
    _merging: Lock = field(default_factory=Lock)

    def begin(self, job: Job, reader: BlockReader, first: Block) -> Callable[[Block], Block]:
        """Judge whether the data fits the plot; return what takes the blocks."""
        if not self.learn(job, reader, first):
            fitting = [kind.name for kind in ROW_KINDS if kind.need.fits(self, first)]
            task = f"the task here is {self.task} ({job.task_of(first).why})"
            raise UsageError(
                f"plot {self.kind.name}: {self.kind.need.text}, and {task}"
                + (f"; plots of it: {listed(fitting, 8)}" if fitting else "; no plot of rows fits it")
            )
        if self.per_class and len(self.outputs) == 1:
            raise UsageError("--per-class: there is one column of predictions; leave it out")
        if self.widths and self.task == "regression":
            raise UsageError("--widths: is for probabilities; bins of amounts have as many rows each")
        return self.see

    def learn(self, job: Job, reader: BlockReader, first: Block) -> bool:
        """Take what is known before the rows are counted; return whether the data fits the plot."""
        self.models, self.task, self.reader = tuple(first.models), job.task_of(first).name, reader
        self.weighted, self.activations = first.weight is not None, job.activations
        wide = job.widths.get("pred", 1)
        self.outputs = job.outputs or ([str(place + 1) for place in range(wide)] if wide > 1 else [""])
        return self.kind.need.fits(self, first)

    def see(self, block: Block) -> Block:
        """Count the rows of a block that have weight, as many at a time as stay in the cache."""
        live = np.arange(block.rows) if block.weight is None else np.flatnonzero(block.weight > 0.0)
        for start in range(0, len(live), BLOCK):
            places = live[start : start + BLOCK]
            rows = slice(start, start + len(places)) if block.weight is None else places
            weight = None if block.weight is None else block.weight[rows]
            for model, roles in block.models.items():
                arrays = {role: np.ascontiguousarray(values[..., rows]) for role, values in roles.items()}
                batch = Batch(arrays, activation=self.activations[model])
                with np.errstate(all="ignore"):
                    for name, keys, lines in self.kind.count(self, batch, weight):
                        self._add((model, name), keys, lines)
        return block

    def _add(self, place: State, keys: Ints, lines: Array | None) -> None:
        parts = self._parts.setdefault(place, [])
        counts = self.kind.state.of(keys, lines, most=self.kind.most, drop=parts[0].drop if parts else 0)
        with self._merging:
            parts.append(counts)
            if len(parts) > MOST_WAITING or sum(part.cells for part in parts) > WAITING * self.kind.most:
                parts[:] = [parts[0].merge(*parts[1:])]

    @cached_property
    def states(self) -> dict[State, Counts]:
        """What has been counted in the end."""
        return {place: parts[0].merge(*parts[1:]) for place, parts in self._parts.items()}

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels of the class codes, outputs where targets are rows over them; of two, the yes is the last."""
        assert self.reader is not None
        rule = self.reader.rule
        if self.task == "binary" and rule.positive is not None:
            assert self.reader.selection.target is not None
            words = [
                word for word in first_words(self.reader.tables, self.reader.selection.target) if word != rule.positive
            ]
            return (rule.negative or (words[0] if len(words) == 1 else "others"), rule.positive)
        if self.task == "binary":
            return ("0", "1")
        if self.task == "multiclass" and isinstance(self.reader.codes, OpenCodes):
            return self.reader.codes.labels
        return (rule.classes if self.task == "multiclass" else ()) or tuple(self.outputs)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The outputs or classes that are shown, the most frequent classes."""
        names = list(dict.fromkeys(name for _, name in self.states))
        if self.task != "multiclass" or len(names) <= SHOWN_CLASSES:
            return tuple(names[:SHOWN_CLASSES])
        outcome = -4 if self.weighted else -2  # among the lines of a state
        rows = {name: float(self.states[self.models[0], name].totals(outcome).sum()) for name in names}
        frequent = sorted(names, key=lambda name: -rows[name])[:SHOWN_CLASSES]
        return tuple(name for name in names if name in frequent)

    def series(self) -> dict[str, Counts]:
        """Return the states by the names that a legend has."""
        places = [(model, name) for model in self.models for name in self.names]
        return {
            f"{model}[{name}]" if len(self.names) > 1 else model: self.states[model, name] for model, name in places
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not shown."""
        left_out = len({name for _, name in self.states}) - len(self.names)
        return (f"{left_out} more classes or outputs are not shown",) if left_out else ()

    def masses(self, counts: Counts) -> Array:
        """Return the rows, or the weight, of each cell."""
        return counts.totals(0) if self.weighted else counts.rows.astype(np.float64)

    @property
    def noun(self) -> str:
        return "weight" if self.weighted else "rows"

    def figure(
        self, *panels: Panel, sentence: str = "", notes: Iterable[str] = (), series: Iterable[str] | None = None
    ) -> Figure:
        """Return the figure of these rows. series: what the legend has, by default the names of the states."""
        title = f"{self.kind.title} of {listed(list(self.models), 4)}"
        series = self.series() if series is None else series
        values = tuple(chain.from_iterable(layer.value for panel in panels for layer in panel.layers))
        scaled = tuple(replace(panel, among=values) for panel in panels) if values else panels  # one legend for all
        return Figure(self.kind.name, title, scaled, tuple(series), sentence, (*notes, *self.notes))


Count = Callable[[Rows, Batch, Array | None], Iterator[Part]]


class Need(NamedTuple):
    """What a plot needs of the data in words, and whether data has it, by its first rows."""

    text: str
    fits: Callable[[Rows, Block], bool]


@dataclass(frozen=True)
class RowKind:
    """A plot of rows: which data it fits, how rows are counted, and the figure that the counts make.

    title: without the models. most: cells of a state.
    """

    name: str
    title: str
    need: Need
    count: Count
    figure: Callable[[Rows], Figure]
    most: int = 1 << 15
    state: type[Counts] = Counts


# how rows are counted --------------------------------------------------------------------------------------------


def _outputs(rows: Rows, weight: Array | None, *columns: Array) -> Iterator[tuple[str, Array | None, list[Array]]]:
    """Yield (width, rows) columns as lines: each output for itself where that is asked for, else all of them as one."""
    if rows.per_class or rows.per_output:
        for name, lines in zip(rows.outputs, zip(*columns, strict=True), strict=True):
            yield name, weight, list(lines)
    else:
        wide = None if weight is None else np.tile(weight, len(columns[0]))
        yield "", wide, [np.ravel(lines) for lines in columns]


def _lines(weight: Array | None, *columns: Array) -> Array | None:
    """Return what is summed by cell for weighted means of columns, and for the interval of that of the last one."""
    if weight is None:
        return np.stack([*columns, np.square(columns[-1])]) if columns else None
    lines = [weight, *(weight * column for column in columns)]
    products = [weight * weight, weight * lines[-1], np.square(lines[-1])] if columns else []
    return np.stack([*lines, *products])


def _truth(batch: Batch) -> Ints:
    """Return the class codes of rows."""
    if batch.target.ndim == 1 or len(batch.target) == 1:
        return np.ravel(batch.target).astype(np.int64)
    return np.argmax(batch.target, axis=0)


def _outcomes(rows: Rows, batch: Batch, weight: Array | None) -> Iterator[tuple[str, Array | None, list[Array]]]:
    """Yield what is predicted in each row and what came of it, by class where that is asked for."""
    if rows.task != "multiclass":
        yield from _outputs(rows, weight, batch.pred, batch.target if rows.task == "regression" else flag(batch))
        return
    truth = _truth(batch)
    if rows.per_class or rows.kind.name == "lift":
        for code, name in enumerate(rows.classes):
            yield name, weight, [batch.pred[code], (truth == code).astype(np.float64)]
    else:
        right = np.argmax(batch.raw, axis=0) == truth
        yield "", weight, [np.maximum.reduce(batch.pred, axis=0), right.astype(np.float64)]


def count_by(
    number: Callable[[Array, Array], Array], sums: Callable[[Array, Array], Sequence[Array]] = lambda pred, outcome: ()
) -> Count:
    """Return what counts rows by a number, or a pair, of what is predicted and what came of it, with sums of columns.

    A cell has its smaller end: counts by a negative number are of what is largest first, up to a number and with it.
    """

    def count(rows: Rows, batch: Batch, weight: Array | None) -> Iterator[Part]:
        for name, mass, [pred, outcome] in _outcomes(rows, batch, weight):
            yield name, np.atleast_2d(keys_of(number(pred, outcome))), _lines(mass, *sums(pred, outcome))

    return count


def count_outcomes(rows: Rows, batch: Batch, weight: Array | None) -> Iterator[Part]:
    """Count rows by what is predicted, with the sums of both; bins of one width are those of scikit-learn."""
    edges = np.linspace(0.0, 1.0, rows.bins + 1)[1:-1]
    for name, mass, [pred, outcome] in _outcomes(rows, batch, weight):
        keys = np.searchsorted(edges, pred) if rows.widths else keys_of(pred)
        yield name, keys[np.newaxis], _lines(mass, pred, outcome)


def count_scores(rows: Rows, batch: Batch, weight: Array | None) -> Iterator[Part]:
    """Count rows by class and bin of what is predicted for the yes, or for the class that is taken as the answer."""
    if rows.task == "multiclass" and rows.per_class:
        truth = _truth(batch)
        parts = [("", weight, [np.take_along_axis(batch.pred, truth[np.newaxis], axis=0)[0], truth])]
    else:
        parts = list(_outcomes(rows, batch, weight))
    for name, mass, [pred, group] in parts:
        places = np.minimum(np.floor(pred * SCORE_BINS), SCORE_BINS - 1)
        yield name, np.stack([group, places]).astype(np.int64), _lines(mass)


def count_confusion(rows: Rows, batch: Batch, weight: Array | None) -> Iterator[Part]:
    """Count rows by true and predicted class."""
    if rows.task == "binary":
        truth, answer = (np.ravel(lines).astype(np.int64) for lines in (flag(batch), decided(batch, 0.5)))
    else:
        truth = _truth(batch)
        answer = np.ravel(batch.raw).astype(np.int64) if len(batch.raw) == 1 else np.argmax(batch.raw, axis=0)
    yield "", np.stack([truth, answer]), _lines(weight)


# what the counts say ---------------------------------------------------------------------------------------------


def _window(lines: Collection[tuple[Array, Array]]) -> tuple[float, float]:
    """Return an extent that holds all but extreme ones of several lines of ascending values with their masses."""
    inner = [lower_quantiles(values, masses, [TAIL, 1.0 - TAIL]).tolist() for values, masses in lines]
    outer = [(float(values[0]), float(values[-1])) for values, _ in lines]
    low, high = min(ends[0] for ends in inner), max(ends[1] for ends in inner)
    least, most = min(ends[0] for ends in outer), max(ends[1] for ends in outer)
    low, high, least, most = (min(max(end, -HUGE), HUGE) for end in (low, high, least, most))
    room = ROOM * (high - low)
    return max(least, low - room), min(most, high + room)


def _edges(lines: Collection[tuple[Array, Array]], states: Collection[Counts]) -> Array:
    """Return multiples of a power of two around such an extent, not too many for the rows, that are edges of states."""
    low, high = _window(lines)
    bits, rows = min(counts.bits for counts in states), max(int(counts.rows.sum()) for counts in states)
    extent = high - low or max(abs(low), 1.0) / 4.0
    exponent = frexp(extent / min(max(4.0 * rows ** (1.0 / 3.0), LEAST_BINS), MOST_BINS))[1]
    exponent = max(exponent, -MOST_EXPONENT)
    while max(abs(low), abs(high)) / ldexp(1.0, exponent) >= ldexp(1.0, bits):
        exponent += 1
    step = max(ldexp(1.0, exponent), *(counts.step for counts in states))
    return np.arange(floor(low / step), floor(high / step) + 2, dtype=np.float64) * step


def _binned(values: Array, masses: Array, edges: Array) -> tuple[Array, float, float]:
    """Add masses up by bin [edge, next edge); return them, and what lies below and above all bins."""
    places = np.searchsorted(edges, values, side="right")
    sums = np.bincount(places, masses, len(edges) + 1).astype(np.float64)
    return sums[1:-1], float(sums[0]), float(sums[-1])


def _equal_counts(counts: Counts, bins: int) -> Counts:
    """Return groups of cells of about as many rows, (quantile, next quantile] as those of `--by COL:quantiles`."""
    before = np.cumsum(counts.rows) - counts.rows
    return counts.grouped(before * bins // int(counts.rows.sum()))


class Bin(NamedTuple):
    """Rows of about the same prediction: means of what is predicted and of what comes of it, and its interval."""

    rows: int
    pred: float
    mean: float
    interval: tuple[float, float] | None


def _bins(rows: Rows, groups: Counts, flags: bool = False) -> list[Bin]:
    """Summarise groups of cells. flags: whether what comes of it is yes or no, whose share has Wilson's interval."""
    level, lead = rows.level, int(rows.weighted)
    lines = [groups.units(line) for line in range(len(groups.sums))]
    pairs = ((0, 0), (0, 1), (1, 1)) if rows.weighted else ((0, 0),)
    bins = []
    for place, count in enumerate(groups.rows.tolist()):
        sums = [line[place] for line in lines]
        base = sums[0] if rows.weighted else count << SHIFT
        pred, mean = (ratio(total, base) for total in sums[lead : lead + 2])
        if flags:
            effective = ratio(base * base, sums[3] << SHIFT) if rows.weighted else count
            interval: tuple[float, float] | None = wilson(mean, effective, level)
        else:
            means = (sums[0], sums[2]) if rows.weighted else (sums[1],)
            products = tuple(None if groups.lost else total << SHIFT for total in sums[lead + 2 :])
            moments = Moments(pairs, count, count, means, products, (FINITE,) * len(means))
            interval = estimate(MEAN, moments, [lead], weighted=rows.weighted, level=level).interval
        bins.append(Bin(count, pred, mean, interval))
    return bins


def wilson(share: float, rows: float, level: float) -> tuple[float, float]:
    """Return the interval of a share of so many rows (Wilson 1927)."""
    z = normal_quantile(level)
    centre, reach = share + z * z / (2.0 * rows), z * sqrt(share * (1.0 - share) / rows + (z / (2.0 * rows)) ** 2)
    return max((centre - reach) / (1.0 + z * z / rows), 0.0), min((centre + reach) / (1.0 + z * z / rows), 1.0)


# the figures -----------------------------------------------------------------------------------------------------


def _share_axis(rows: Rows) -> Axis:
    return Axis(f"share of the {rows.noun}", "%")


def _bars(edges: Array, heights: Array, series: str = "") -> Layer:
    """Return the bars of a histogram."""
    return Layer.of("bar", edges[:-1], (), edges[1:], heights, series=series)


def draw_residuals(rows: Rows) -> Figure:
    """Draw one histogram for each model, over the same bins."""
    series = rows.series()
    lines = {name: (counts.low_edges(), rows.masses(counts)) for name, counts in series.items()}
    edges = _edges(lines.values(), series.values())
    if len(edges) == 2:  # all residuals are in one bin, which needs others beside it to be told as one
        edges = np.array([2.0 * edges[0] - edges[1], *edges, 2.0 * edges[1] - edges[0]])
    layers, words = [Layer("rule", x=(0.0,))], []
    notes: list[str] = []
    for name, (values, masses) in lines.items():
        heights, below, above = _binned(values, masses, edges)
        total = below + float(heights.sum()) + above
        layers.append(_bars(edges, PERCENT * heights / total, name))
        notes += _beyond(rows, name, {f"below {edges[0]:g}": below, f"above {edges[-1]:g}": above})
        first, middle, last = lower_quantiles(values, masses, [0.05, 0.5, 0.95]).tolist()
        words.append(f"{name} {first:.4g} to {last:.4g}, median {middle:.4g}")
    x = Axis("predicted - true", domain=(edges[0], edges[-1]))
    sentence = f"Nine of ten residuals are within: {'; '.join(words)}."
    return rows.figure(Panel(x, _share_axis(rows), tuple(layers)), sentence=sentence, notes=notes)


def _beyond(rows: Rows, name: str, masses: Mapping[str, float]) -> Iterator[str]:
    """Yield a note on what lies beyond an axis."""
    texts = [f"{mass:.15g} {where}".rstrip() for where, mass in masses.items() if mass]
    if texts:
        yield f"beyond the axis, {rows.noun} of {name}: {', '.join(texts)}"


def draw_errors(rows: Rows) -> Figure:
    """Draw the share of rows within an error as a curve for each model, which is exact at all of its points."""
    series = rows.series()
    lines = {name: (0.0 - counts.low_edges()[::-1], rows.masses(counts)[::-1]) for name, counts in series.items()}
    high = _window(lines.values())[1]
    layers, words = [], []
    notes: list[str] = []
    for name, (errors, masses) in lines.items():
        reached = np.cumsum(masses)
        shares = reached / reached[-1]
        places = np.flatnonzero(errors <= high)
        if len(places):
            places = np.unique(np.searchsorted(shares, np.linspace(0.0, shares[places[-1]], CURVE)))
        xs, ys = errors[places], PERCENT * np.append(0.0, shares[places])
        if len(places) == np.count_nonzero(errors <= high):  # all errors are drawn: there are none between them
            xs, ys = np.repeat(xs, 2), np.repeat(ys, 2)
        else:
            ys = np.append(ys, ys[-1])
        layers.append(Layer.of("line", (0.0, *xs, high or 1.0), ys, series=name))
        notes += _beyond(rows, name, {f"above {high:.4g}": float(masses[errors > high].sum())})
        half, most = lower_quantiles(errors, masses, [0.5, 0.9]).tolist()
        words.append(f"{name} {half:.4g} and {most:.4g}")
    x = Axis("error, |predicted - true|", domain=(0.0, high or 1.0))
    y = Axis(f"share of the {rows.noun} within the error", "%", domain=(0.0, PERCENT))
    sentence = f"The errors within which half and nine tenths of the {rows.noun} are: {'; '.join(words)}."
    return rows.figure(Panel(x, y, tuple(layers)), sentence=sentence, notes=notes)


def draw_pairs(rows: Rows) -> Figure:
    """Draw the true value above what is predicted: each row as a point, or many rows as cells."""
    series = rows.series()
    sides = [
        (values[order], rows.masses(counts)[order])
        for counts in series.values()
        for values in (counts.low_edges(0), counts.low_edges(1))
        for order in [np.argsort(values, kind="stable")]
    ]
    edges = _edges(sides, series.values())
    step, domain = float(edges[1] - edges[0]), (float(edges[0]), float(edges[-1]))
    panels = []
    notes: list[str] = []
    for name, counts in series.items():
        x, y, masses = counts.low_edges(0), counts.low_edges(1), rows.masses(counts)
        inside = (np.minimum(x, y) >= edges[0]) & (np.maximum(x, y) < edges[-1])
        notes += _beyond(rows, name, {"": float(masses[~inside].sum())})
        x, y, masses = x[inside], y[inside], masses[inside]
        if counts.rows.sum() <= POINTS:
            marks = Layer.of("point", x, y, size=masses if (masses != 1.0).any() else (), series=name)
        else:
            places = np.floor(x / step) * (1 << 20) + np.floor(y / step)
            cells, place = np.unique(places, return_inverse=True)
            columns, lines = np.divmod(cells + (1 << 19), 1 << 20)
            x, y = columns * step, (lines - (1 << 19)) * step
            marks = Layer.of("cell", x, y, x + step, y + step, value=np.bincount(place, masses), series=name)
        panels.append(
            Panel(
                Axis("predicted", domain=domain),
                Axis("true", domain=domain),
                (marks, Layer("line", domain, domain)),
                name if len(series) > 1 else "",
                value=rows.noun,
            )
        )
    return rows.figure(*panels, notes=notes)


def draw_bias(rows: Rows) -> Figure:
    """Draw the mean residual over rows of about the same prediction."""
    layers, words = [Layer("rule", y=(0.0,))], []
    for name, counts in rows.series().items():
        bins = _bins(rows, _equal_counts(counts, rows.bins))
        layers += _means(bins, name)
        clear = [entry for entry in bins if entry.interval and not entry.interval[0] <= 0.0 <= entry.interval[1]]
        words.append(f"{name} {len(clear)} of {len(bins)}")
    panel = Panel(Axis("mean prediction of the bin"), Axis("mean of predicted - true"), tuple(layers))
    sentence = f"Bins whose mean residual is clearly not 0: {', '.join(words)}."
    return rows.figure(panel, sentence=sentence, notes=[_about_bins(rows)])


def _about_bins(rows: Rows) -> str:
    how = "of equal width" if rows.widths else "of about as many rows each"
    return f"bins {how}, with {PERCENT * rows.level:g}% intervals"


def _means(bins: Sequence[Bin], series: str) -> list[Layer]:
    """Return the means of bins above their mean predictions: intervals, a line, and points."""
    texts = [f"{entry.rows} rows: predicted {entry.pred:.4g}, mean {entry.mean:.4g}" for entry in bins]
    points = [entry.pred for entry in bins], [entry.mean for entry in bins]
    return [
        _intervals([(entry.pred, entry.interval) for entry in bins], series),
        Layer.of("line", *points, series=series),
        Layer.of("point", *points, size=[entry.rows for entry in bins], series=series, texts=texts),
    ]


def _intervals(ends: Iterable[tuple[float, tuple[float, float] | None]], series: str) -> Layer:
    """Return upright intervals by their places, where there are some."""
    places = [(place, *interval) for place, interval in ends if interval is not None]
    x, low, high = list(zip(*places, strict=True)) or [()] * 3
    return Layer.of("interval", x, low, x, high, series=series)


def draw_outcomes(rows: Rows) -> Figure:
    """Draw what comes of rows against what is predicted for them, and below how often that is predicted."""
    flags, series, widths = rows.task != "regression", rows.series(), rows.widths
    layers, bars, words = [], [], []
    if flags:
        edges = np.linspace(0.0, 1.0, (rows.bins if widths else SCORE_BINS) + 1)
    else:
        edges = _edges([(counts.low_edges(), rows.masses(counts)) for counts in series.values()], series.values())
    for name, counts in series.items():
        groups = counts if widths else _equal_counts(counts, rows.bins)
        bins, masses = _bins(rows, groups, flags), rows.masses(counts)
        layers += _means(bins, name)
        if widths:
            heights = np.bincount(counts.keys[0], masses, rows.bins).astype(np.float64)
        else:
            heights, _, above = _binned(counts.low_edges(), masses, edges)
            heights[-1] += above if flags else 0.0
        bars.append(_bars(edges, PERCENT * heights / masses.sum(), name))
        sizes = rows.masses(groups)
        gaps = sizes * np.abs([entry.mean - entry.pred for entry in bins])
        words.append(f"{name} {float(gaps.sum() / sizes.sum()):.4g}")
    places = [at for layer in layers for at in (*layer.x, float(edges[0]), float(edges[-1]))]
    ends, room = (min(places), max(places)), 0.02 * (max(places) - min(places))  # for points at the ends
    domain, diagonal = (ends[0] - room, ends[1] + room), Layer("line", ends, ends)
    outcome = "share of the right" if rows.task == "multiclass" and not rows.per_class else "share of the yes"
    x, y = Axis("mean prediction of the bin", domain=domain), Axis("mean of the truth")
    return rows.figure(
        Panel(x, Axis(outcome, domain=domain) if flags else y, (diagonal, *layers)),
        Panel(Axis("prediction", domain=domain), _share_axis(rows), tuple(bars), share=0.4),
        sentence=f"Mean gap between what is predicted and what comes: {', '.join(words)}.",
        notes=[f"{_about_bins(rows)}{' (Wilson)' if flags else ''}"],
    )


def draw_scores(rows: Rows) -> Figure:
    """Draw for each model the histograms of what is predicted by class."""
    top = rows.task == "multiclass" and not rows.per_class
    classes = ("wrong", "right") if top else rows.classes if rows.task == "multiclass" else rows.classes[-2:]
    if rows.task in ("multilabel", "masks"):
        classes = ("no", "yes")
    edges, panels = np.linspace(0.0, 1.0, SCORE_BINS + 1), []
    for name, counts in rows.series().items():
        layers = []
        for code, group in enumerate(classes):
            cells = counts.keys[0] == code
            heights = np.bincount(counts.keys[1][cells], rows.masses(counts)[cells], SCORE_BINS)
            if heights.any():
                layers.append(_bars(edges, PERCENT * heights / heights.sum(), group))
        label = "largest probability" if top else "probability of the class" if rows.per_class else "probability"
        label += f" of {classes[-1]}" if rows.task == "binary" else ""
        x, y = Axis(label, domain=(0.0, 1.0)), Axis(f"share of the {rows.noun} of a class", "%")
        panels.append(Panel(x, y, tuple(layers), name if len(rows.series()) > 1 else ""))
    return rows.figure(*panels, series=classes)


def draw_gains(rows: Rows) -> Figure:
    """Draw which share of the yes, or of the amounts, is among the rows of the largest predictions."""
    gains, lifts, words = [Layer("line", (0.0, PERCENT), (0.0, PERCENT))], [Layer("rule", y=(1.0,))], []
    for name, counts in rows.series().items():
        masses, outcomes = rows.masses(counts), counts.totals(int(rows.weighted))
        if not outcomes.sum() > 0.0:
            continue
        x, y = (np.cumsum(line) / line.sum() for line in (masses, outcomes))
        words.append(f"{name} {PERCENT * float(np.interp(0.1, [0.0, *x], [0.0, *y])):.3g}%")
        places = np.unique(np.searchsorted(x, np.linspace(0.0, 1.0, CURVE)).clip(max=len(x) - 1))
        x, y = x[places], y[places]
        gains.append(Layer.of("line", [0.0, *(PERCENT * x)], [0.0, *(PERCENT * y)], series=name))
        lifts.append(Layer.of("line", PERCENT * x, y / x, series=name))
    x_axis = Axis(f"share of the {rows.noun}, largest predictions first", "%", domain=(0.0, PERCENT))
    of = "amounts" if rows.task == "regression" else "yes"
    return rows.figure(
        Panel(x_axis, Axis(f"share of the {of}", "%", domain=(0.0, PERCENT)), tuple(gains)),
        Panel(x_axis, Axis("times as many as in all"), tuple(lifts), share=0.6),
        sentence=f"The tenth with the largest predictions has of the {of}: {', '.join(words)}." if words else "",
    )


def draw_confusion(rows: Rows) -> Figure:
    """Draw how often each class is taken for each: classes that are true from the top, predicted ones from the left."""
    tables = {name: _table(rows, counts) for name, counts in rows.series().items()}
    present = reduce(add, (table.sum(axis=0) + table.sum(axis=1) for table in tables.values()))
    order = [code for code in _in_order(rows.classes) if code < len(present)]
    frequent = set(sorted(order, key=lambda code: -present[code])[:MOST_CLASSES])
    order = [code for code in order if code in frequent]
    names = tuple(rows.classes[code] for code in order)
    panels, words = [], []
    for name, table in tables.items():
        true = table.sum(axis=1)
        places = [(y, x) for y in range(len(order)) for x in range(len(order))]
        values = [float(table[order[y], order[x]]) for y, x in places]
        texts = [
            f"{value:.15g} of {true[order[y]]:.15g} {rows.noun}"
            + (f" ({PERCENT * value / true[order[y]]:.3g}%)" if true[order[y]] else "")
            for (y, x), value in zip(places, values, strict=True)
        ]
        ys, xs = np.array(places, dtype=np.float64).T
        cells = Layer.of("cell", xs - 0.5, ys - 0.5, xs + 0.5, ys + 0.5, value=values, texts=texts)
        x, y = Axis("predicted", categories=names), Axis("true", categories=names)
        panels.append(Panel(x, y, (cells,), name if len(tables) > 1 else "", value=rows.noun))
        words.append(f"{name} {PERCENT * float(np.trace(table)) / float(table.sum()):.4g}%")
    hidden = len(rows.classes) - len(order)
    return rows.figure(
        *panels,
        sentence=f"Share of the {rows.noun} that are right: {', '.join(words)}.",
        notes=[f"{hidden} more classes of fewer rows are not shown"] * (hidden > 0),
        series=(),
    )


def _table(rows: Rows, counts: Counts) -> Array:
    """Return the (classes, classes) masses of true and predicted codes."""
    size = len(rows.classes)
    table = np.zeros((size, size))
    table[counts.keys[0], counts.keys[1]] = rows.masses(counts)
    return table


def _in_order(classes: Sequence[str]) -> list[int]:
    """Return the codes of classes in the order in which they are shown, which that of the rows does not change."""
    numbers = [as_number(name) for name in classes]
    keys: Sequence[Any] = classes if None in numbers else numbers
    return sorted(range(len(classes)), key=keys.__getitem__)


# which plots there are -------------------------------------------------------------------------------------------


def _has_probabilities(rows: Rows, first: Block) -> bool:
    assert rows.reader is not None
    return rows.task in CLASSIFICATION and not rows.reader.rule.decided


def _has_means(rows: Rows, first: Block) -> bool:
    """Whether predictions are probabilities, or of amounts: nothing in the first rows is below 0."""
    if rows.task != "regression":
        return _has_probabilities(rows, first)
    arrays = [array for roles in first.models.values() for array in (roles["target"], roles["pred"])]
    return all(float(array.min(initial=0.0)) >= 0.0 for array in arrays)


NUMBERS: Final = Need("it is of numbers", lambda rows, first: rows.task == "regression")
PROBABILITIES: Final = Need("it is of probabilities of classes", _has_probabilities)
MEANS: Final = Need(f"{PROBABILITIES.text}, or of amounts, none below 0", _has_means)
CLASSES: Final = Need("it is of classes", lambda rows, first: rows.task in ("binary", "multiclass"))
SUMS: Final = 1 << 13  # cells with sums
RESIDUAL: Final = count_by(lambda pred, true: pred - true)
PAIR: Final = count_by(lambda *pair: np.stack(pair))
ERROR: Final = count_by(lambda pred, true: -np.abs(pred - true))
BIAS: Final = count_by(lambda pred, true: pred, lambda pred, true: (pred, pred - true))
GAIN: Final = count_by(lambda pred, outcome: -pred, lambda pred, outcome: (outcome,))
ROW_KINDS: Final = (
    RowKind("residuals", "Residuals", NUMBERS, RESIDUAL, draw_residuals),
    RowKind("scatter", "True values against predictions", NUMBERS, PAIR, draw_pairs, PAIRS, GridCounts),
    RowKind("rec", "Errors", NUMBERS, ERROR, draw_errors),
    RowKind("bias", "Mean residuals by prediction", NUMBERS, BIAS, draw_bias, SUMS),
    RowKind("calibration", "Calibration", MEANS, count_outcomes, draw_outcomes, SUMS),
    RowKind("scores", "Predictions by class", PROBABILITIES, count_scores, draw_scores, WIDE),
    RowKind("lift", "Cumulative gains and lift", MEANS, GAIN, draw_gains, SUMS),
    RowKind("confusion", "True and predicted classes", CLASSES, count_confusion, draw_confusion, WIDE),
)
OF_REPORT: Final = ("slices", "models")
KINDS: Final = [*(kind.name for kind in ROW_KINDS), *OF_REPORT, "history"]


@with_arguments
def plot(
    arguments: dict[str, Any],
    kind: str,
    data: object,
    *,
    baseline: str | None = None,
    bins: int = 10,
    widths: bool = False,
    per_class: bool = False,
    **options: Unpack[InputOptions],
) -> Figure:
    """Draw a figure of predictions in one pass over the data.

    Parameters
    ----------
    kind
        Of numbers `residuals` (a histogram), `scatter` (true values against predictions), `rec` (the share of rows
        within an error) and `bias` (mean residuals by prediction); of probabilities `calibration`, `scores`
        (histograms by class) and `lift`, the first and the last also of amounts; of classes `confusion`; of losses
        `slices` and `models`, and of saved reports `history`.
    data, **options
        As `evaluate` takes them; `losses` and `by` for `slices` and `models` alone, which take a report, too. Of
        `history` the reports, or their paths.
    baseline
        Of `slices` and `models`: the model that others are compared with; by default the first.
    bins, widths
        Of `bias` and `calibration`: how many bins, of about as many rows each, or of equal width.
    per_class
        Of `calibration` and `scores`: each of several classes or labels for itself; numbers go by `per_output`.

    Returns
    -------
    Figure
        Its data, which `save` writes as a picture.

    Raises
    ------
    UsageError, DataError
        As `evaluate`, or the plot is of other data.

    Examples
    --------
    >>> import lossctl
    >>> data = {"y": [1.0, 2.0, 3.0], "a": [1.5, 2.0, 2.5]}
    >>> lossctl.plot("rec", data, target="y", pred="a").sentence
    'The errors within which half and nine tenths of the rows are: a 0.5 and 0.5.'
    """
    if kind not in KINDS:
        raise UsageError(f"plot {printable(str(kind))}: no such plot{near(str(kind), KINDS)}; {listed(KINDS, 20)}")
    losses = as_list(arguments.get("losses"))
    if kind == "history":
        return _history(data, losses)
    if (saved := as_report(data)) is not None:
        if flags := spoken({name: value for name, value in arguments.items() if name != "losses"}):
            raise UsageError(f"plot {kind}: {', '.join(flags)}: the data is a saved report, for which it is settled")
        return of_report(saved, kind, losses)
    if kind in OF_REPORT:
        query = Query(data, arguments)
        if kind == "slices" and not query.options["by"]:
            raise UsageError("plot slices: --by COLUMN says which slices")
        report = compared(query, baseline)
        return of_report(report, kind, report.losses if query.losses else ())
    for name in ("losses", "by"):
        if arguments.get(name):
            raise UsageError(
                f"plot {kind}: is of rows, and {ARGUMENTS[name].label} of losses; leave it out, or plot models"
            )
    row_kind = next(entry for entry in ROW_KINDS if entry.name == kind)
    for name in marks(PlotOptions):
        if name not in PLOTS.get(kind, ()) and arguments[name] != ARGUMENTS[name].default:
            raise UsageError(f"plot {kind}: {ARGUMENTS[name].label} says nothing of it; leave it out")
    note = arguments.get("note") or silent
    level = arguments.get("ci", LEVEL)
    level = LEVEL if level is None else level
    rows = Rows(row_kind, bins, widths, per_class, level, bool(arguments.get("per_output")))
    hooks = {"note": lambda text: note(text.replace("--task or -l says", "--task says")), "observe": rows.begin}
    report, _ = answer(Query(data, {**arguments, **hooks, "ci": None}))
    figure = row_kind.figure(rows)
    return replace(figure, notes=(*figure.notes, *report.warnings))


def of_report(report: Report, kind: str, losses: Sequence[str] = ()) -> Figure:
    """Draw a figure of the values of a report, of some losses by their labels or specs, or of all."""
    if kind not in OF_REPORT:
        if kind in KINDS and report.source is not None and kind != "history" and not losses:
            data, options, files = report.source
            if changed := [path for path, stamp in files.items() if stamps([path]).get(path) != stamp]:
                raise DataError(
                    f"{printable(changed[0])}: the file changed after the report was made; evaluate it anew"
                )
            return plot(kind, data, **options)
        if kind in KINDS:
            raise UsageError(
                f"plot {kind}: a report has no rows; give `lossctl plot {kind} FILE ...`, or lossctl.plot({kind!r}, "
                "data, ...), the data that it is of"
            )
        raise UsageError(f"plot {printable(kind)}: a report has {listed(list(OF_REPORT))}{near(kind, list(OF_REPORT))}")
    labels = _labels(report, losses)
    if kind == "models":
        return _models(report, labels)
    figure = _slices(report, labels if losses else labels[:1])
    more = f"of {labels[0]} alone; -l draws other losses: {listed(labels[1:])}"
    return figure if losses or len(labels) < 2 else replace(figure, notes=(*figure.notes, more))


# figures of reports ----------------------------------------------------------------------------------------------


def as_report(data: object) -> Report | None:
    """Return data that is a saved report, by itself or by its path."""
    if isinstance(data, Report):
        return data
    paths = paths_of(data)
    alone = paths is not None and len(paths) == 1 and looks_like_report(paths[0])
    return read_report(paths[0]).restored() if paths and alone else None


def _labels(report: Report, losses: Sequence[str]) -> list[str]:
    """Return the labels of losses that a report has."""
    if not losses:
        return report.losses
    specs = {cell.spec: cell.loss for cell in report.cells} | {loss: loss for loss in report.losses}
    for loss in losses:
        if loss not in specs:
            raise UsageError(f"-l {loss}: no such loss{near(loss, list(specs))}; there are {listed(report.losses)}")
    return [specs[loss] for loss in losses]


class ForestRow(NamedTuple):
    """A line of a forest: a value of a series with its interval at a place, and what it says."""

    place: int
    series: str
    value: float
    interval: tuple[float, float] | None
    rows: int
    text: str

    @classmethod
    def of(cls, row: Cell | Comparison, place: int = 0) -> Self:
        """Return the line of a value, or of a difference."""
        if isinstance(row, Cell):
            return cls(place, row.model, row.value, row.interval, row.rows, _summary(row.value, row))
        text = f"{_summary(row.difference, row)}, {row.verdict}"
        return cls(place, row.candidate, row.difference, row.interval, row.rows, text)


def _summary(value: float, row: Cell | Comparison) -> str:
    ends = "" if row.interval is None else f" [{row.interval[0]:.4g}, {row.interval[1]:.4g}]"
    return f"{value:.4g}{ends}, {row.rows} rows"


def _forest(
    entries: Sequence[ForestRow],
    series: Sequence[str],
    names: Sequence[str],
    x: Axis,
    zero: bool = False,
    sized: bool = True,
) -> Panel:
    """Draw values with their intervals beside names; long intervals are cut by the axis."""
    entries = [entry for entry in entries if isfinite(entry.value)]
    layers = [Layer("rule", x=(0.0,))] if zero else []
    crowded = len(entries) > len({entry.place for entry in entries})
    for number, name in enumerate(series):
        lines = [entry for entry in entries if entry.series == name]
        shift = 0.6 * ((number + 0.5) / len(series) - 0.5) if crowded else 0.0
        upright = _intervals([(entry.place + shift, entry.interval) for entry in lines], name)
        layers.append(replace(upright, x=upright.y, y=upright.x, x2=upright.y2, y2=upright.x))
        points = [entry.value for entry in lines], [entry.place + shift for entry in lines]
        sizes, texts = [entry.rows for entry in lines if sized], [entry.text for entry in lines]
        layers.append(Layer.of("point", *points, size=sizes, series=name, texts=texts))
    domain = _cut([entry.value for entry in entries] + [0.0] * zero, [e.interval for e in entries if e.interval])
    return Panel(replace(x, domain=domain), Axis("", categories=tuple(names)), tuple(layers))


def _cut(values: Sequence[float], intervals: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Return the extent of an axis that has all values, and of intervals what is not much longer than most are."""
    if not values:
        return None
    reach = 2.0 * float(np.median([high - low for low, high in intervals])) if intervals else 0.0
    low = max(min([*values, *(low for low, _ in intervals)]), min(values) - reach)
    high = min(max([*values, *(high for _, high in intervals)]), max(values) + reach)
    room = 0.04 * (high - low) or abs(high) / 8.0 or 1.0
    return max(low - room, -LARGEST), min(high + room, LARGEST)


def _unit(report: Report, loss: str) -> str:
    return next(cell.unit for cell in report.cells if cell.loss == loss)


def _slices(report: Report, losses: Sequence[str]) -> Figure:
    """Draw the differences from the baseline, or else the values, in each slice."""
    compared = bool(_against(report))
    of_slices: list[Comparison | Cell] = [row for row in (_against(report) or report.cells) if row.slice]
    lines = [row for row in of_slices if row.loss in losses]
    if not lines:
        raise UsageError("plot slices: the report has no slices; --by COLUMN makes them")
    series = list(dict.fromkeys(ForestRow.of(row).series for row in lines))
    panels, notes, words = [], [], []
    for loss, rows in lists_by(lambda row: row.loss, lines).items():
        by_slice = lists_by(lambda row: tuple(row.slice.items()), rows)
        first = {key: ForestRow.of(alike[0]) for key, alike in by_slice.items()}
        sign = -1.0 if rows[0].direction == "max" else 1.0
        order = sorted(by_slice, key=lambda key: (not isfinite(first[key].value), -sign * first[key].value))
        if len(order) > MOST_SLICES:
            notes.append(f"{len(order) - MOST_SLICES} of {len(order)} slices, the best of {loss}, are not shown")
        keys = order[:MOST_SLICES]
        columns = {tuple(column for column, _ in key) for key in keys}
        alone = ", ".join(next(iter(columns))) if len(columns) == 1 else ""  # names the axis, not every slice
        texts = (", ".join(word if alone else f"{column}={word}" for column, word in key) for key in keys)
        names = [f"{text} ({first[key].rows:,})" for key, text in zip(keys, texts, strict=True)]
        entries = [ForestRow.of(row, place) for place, key in enumerate(keys) for row in by_slice[key]]
        x = Axis(_heading(rows[0]), _unit(report, loss))
        panel = _forest(entries, series, names, x, zero=compared)
        panels.append(replace(panel, y=replace(panel.y, label=alone)))
        if compared:
            verdicts = [row.verdict for row in rows if isinstance(row, Comparison)]
            counts = verdicts.count("worse"), verdicts.count("better"), len(verdicts)
            words.append("{} is worse in {} and better in {} of {} slices".format(loss, *counts))
    title = f"{'Differences' if compared else 'Values'} by slice of {listed(series)}"
    return Figure("slices", title, tuple(panels), tuple(series), "; ".join(words), (*_level(report), *notes))


def _models(report: Report, losses: Sequence[str]) -> Figure:
    """Draw the values of all models over all rows, and below what they are above the baseline."""
    models, panels, verdicts = report.models, [], dict[tuple[str, str], list[str]]()
    for loss in losses:
        cells = [cell for cell in report.cells if cell.loss == loss and not cell.slice]
        differences = [row for row in _against(report) if row.loss == loss and not row.slice]
        tables: list[Sequence[Cell | Comparison]] = [cells, differences]
        for rows in filter(None, tables):
            entries = [ForestRow.of(row, place) for place, row in enumerate(rows)]
            x, names = Axis(_heading(rows[0]), _unit(report, loss)), [entry.series for entry in entries]
            panels.append(_forest(entries, models, names, x, zero=rows is differences, sized=False))
        for row in differences:
            verdicts.setdefault((row.candidate, row.verdict), []).append(loss)
    words = [f"{model}: {verdict} on {listed(of)}" for (model, verdict), of in verdicts.items()]
    title, series = f"Values of {listed(models)}", models if len(models) > 1 else []
    return Figure("models", title, tuple(panels), tuple(series), "; ".join(words[:6]), _level(report))


def _against(report: Report) -> list[Comparison]:
    """Return the comparisons with the one baseline."""
    return [row for row in report.comparisons if report.study and row.baseline == report.study.baseline]


def _heading(row: Cell | Comparison) -> str:
    return row.loss if isinstance(row, Cell) else f"{row.loss}: difference to {row.baseline}"


def _level(report: Report) -> tuple[str, ...]:
    rows: Iterator[Cell | Comparison] = chain(report.cells, report.comparisons)
    if report.level is None or not any(row.interval for row in rows):
        return ()
    return (f"{PERCENT * report.level:g}% intervals",)


def _history(data: object, losses: Sequence[str]) -> Figure:
    """Draw the values of saved reports in the order of their making."""
    reports: Any = [data] if isinstance(data, Report) else data
    if not (isinstance(reports, list | tuple) and all(isinstance(entry, Report) for entry in reports)):
        reports = paths_of(data)
    if not reports:
        raise UsageError("plot history: takes saved reports, REPORT.json ..., or a list of reports")
    saved = [read_report(entry) for entry in reports]
    saved.sort(key=lambda entry: str(entry.document.get("created", "")))
    labels = list(dict.fromkeys(loss for entry in saved for loss in entry.report.losses))
    for loss in losses:
        if loss not in labels:
            raise UsageError(f"-l {loss}: no report has this loss{near(loss, labels)}; there are {listed(labels)}")
    models = list(dict.fromkeys(model for entry in saved for model in entry.report.models))
    dates = tuple(
        str(entry.document.get("created", place + 1))[:16].replace("T", " ") for place, entry in enumerate(saved)
    )
    breaks = [place for place in range(1, len(saved)) if saved[place].digests != saved[place - 1].digests]
    limits = [check for check in saved[-1].restored().checks if check.kind in ("max", "min") and not check.slice]
    panels = [_line_of_time(saved, loss, models, dates, breaks, limits) for loss in losses or labels]
    times = "once" if len(breaks) == 1 else f"{len(breaks)} times"
    changed = f"the data changes {times}, where lines are broken" if breaks else "all are of the same data"
    texts = dict.fromkeys(f"{row.kind} {row.limit:g} of {row.loss}" for row in limits if row.limit is not None)
    notes = (f"limits of the last check: {listed(list(texts))}",) if texts else ()
    title = f"Values of {len(saved)} report{'s' * (len(saved) > 1)}"
    return Figure("history", title, tuple(panels), tuple(models), changed, notes)


def _line_of_time(
    saved: Sequence[SavedReport],
    loss: str,
    models: Sequence[str],
    dates: tuple[str, ...],
    breaks: Sequence[int],
    limits: Sequence[Check],
) -> Panel:
    """Draw one loss: a line for each model, and the limits of the last check."""
    heights = dict.fromkeys(row.limit for row in limits if row.limit is not None and row.loss == loss)
    layers = [Layer.of("rule", y=heights)] if heights else []
    unit = ""
    for model in models:
        cells = {
            place: cell
            for place, entry in enumerate(saved)
            for cell in entry.report.cells
            if (cell.model, cell.loss) == (model, loss) and not cell.slice and isfinite(cell.value)
        }
        unit = next((cell.unit for cell in cells.values()), unit)
        values = {float(place): cells[place].value if place in cells else nan for place in range(len(saved))}
        line = sorted((values | {place - 0.5: nan for place in breaks}).items())
        points = list(cells), [cell.value for cell in cells.values()]
        texts = [f"{dates[place]}: {_summary(cell.value, cell)}" for place, cell in cells.items()]
        layers.append(_intervals([(place, cell.interval) for place, cell in cells.items()], model))
        layers.append(Layer.of("line", *zip(*line, strict=True), series=model))
        layers.append(Layer.of("point", *points, series=model, texts=texts))
    return Panel(Axis("", categories=dates), Axis(loss, unit), tuple(layers))
