"""`python -m tests.coverage` from the root of the repository; `make coverage`."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from lossctl.io.machine import usable_cores
from tests.coverage.claims import TABLE
from tests.coverage.samples import AREAS, DECISIONS, LISTS, ORDERS, SCORES, Case
from tests.coverage.trial import Found, Share, run

ROWS = (30, 100, 300, 1_000)
PLAIN = ("mse", "mae", "rmse", "r2", "median_absolute_error")
HEADS = (
    ("value", "rows drawn from", "n"),
    ("level", "below", "small", "few"),
    ("difference", "2 SE", "verdicts"),
)
WIDTHS = (24, 30, 4, 7, 7, 7, 7, 12, 10, 10)
NAMED = sum(WIDTHS[:3])  # characters that tell a case


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make coverage", description="Measure how often intervals hold the truth.")
    parser.add_argument(
        "--samples", type=int, metavar="N", help="of each case [default: 6000; of scores, which are slow, 1500]"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="cases that have it in their words")
    parser.add_argument(
        "--write", action="store_true", help="write the cases into tests/coverage/table.txt, which the pages speak of"
    )
    parser.add_argument("--processes", type=int, default=usable_cores(), help="[default: all]")
    options = parser.parse_args(arguments)
    if (options.samples or 2) < 2 or options.processes < 1:
        parser.error("--samples is at least 2, --processes at least 1")
    return options


def cases() -> Iterator[Case]:
    """All cases, in the order of the table."""
    blunders = ("blunders", "blunders 1 %")
    for loss in PLAIN:
        median = loss == "median_absolute_error"
        kinds: tuple[str, ...] = ("normal", "t5", "lognormal")
        kinds += ("whole numbers",) if median else () if loss == "mae" else blunders
        yield from (Case(loss, errors, n) for errors in kinds for n in ROWS)
        rivals = () if median else ("t5", "lognormal") if loss == "mae" else ("t5", "lognormal", *blunders)
        yield from (Case(loss, errors, n, rival="normal") for errors in rivals for n in ROWS)
    for option in ("weighted", "clustered"):
        yield from (Case("mse", errors, n, option) for errors in ("normal", "t5", "lognormal") for n in ROWS)
    classes = ("balanced", "rare", "1 % positive", "confident")
    yield from (Case("bce", errors, n) for errors in classes for n in ROWS)
    yield from (Case("bce", "confident", n, rival="timid") for n in ROWS)
    yield from (Case("ece", errors, n) for errors in ("balanced", "confident") for n in ROWS[1:])
    for score in (*AREAS, *DECISIONS):
        yield from (Case(score, errors, n) for errors in ("balanced", "rare") for n in ROWS)
    yield from (Case("roc_auc", "balanced", n, "weighted") for n in ROWS)
    agreement = (*ORDERS, "concordance")
    yield from (Case(score, errors, n) for score in agreement for errors in ("normal", "t5") for n in ROWS)
    yield from (Case(score, "balanced", n, "sets") for score in LISTS for n in ROWS)


def samples_of(case: Case) -> int:
    """Return of how many samples a rate is right enough: to 0.6 % at 95 %, to 0.3 % where they cost little."""
    return 1_500 if case.loss in SCORES else 6_000


def measured(case: Case, samples: int | None) -> Found:
    """Run a case, with as many samples as it needs where no number is given."""
    return run(case, samples or samples_of(case))


def cells(found: Found) -> list[str]:
    """The columns of one case."""
    return [
        found.case.words,
        found.case.data,
        str(found.case.rows),
        *map(percent, (found.level, found.below, found.small, found.few)),
        *map(percent, (found.difference, found.significant, found.verdicts)),
    ]


def percent(share: Share) -> str:
    return "-" if share.percent is None else f"{share.percent:.1f}"


def line(texts: Sequence[str]) -> str:
    return "".join(
        text.ljust(width) if place < 2 else text.rjust(width)
        for place, (text, width) in enumerate(zip(texts, WIDTHS, strict=True))
    )


def main() -> int:
    """Run all cases and print their table."""
    options = parsed()
    asked = [case for case in cases() if options.only in f"{case.words} {case.data} {case.rows}"]
    if not asked:
        raise SystemExit(f"no case has {options.only!r} in its words")
    start = time.perf_counter()
    counts = sorted({options.samples or samples_of(case) for case in asked})
    errors = " to ".join(f"{100.0 * math.sqrt(0.95 * 0.05 / count):.1f}" for count in counts)
    print(
        f"Intervals of nominally 95 % that hold the truth, and false verdicts of two models with the same true loss,"
        f"\nin % of {' to '.join(map(str, counts))} samples. Monte Carlo error of a rate near 95 or 5 %: +-{errors}."
        "\n  level, difference  intervals of lossctl about one model's loss, about the difference of two"
        "\n  below              level intervals that end below the truth (2.5 would be fair)"
        "\n  small, few         samples whose level interval lossctl warns of, and those with one to four rare rows"
        "\n  2 SE, verdicts     false verdicts by two standard errors, and by lossctl\n"
    )
    heads = line([text for part in HEADS for text in part])
    print(heads, flush=True)
    rows = {text[:NAMED]: text for text in TABLE.read_text(encoding="utf-8").splitlines()[1:]}
    with ProcessPoolExecutor(options.processes) as pool:
        for found in pool.map(partial(measured, samples=options.samples), asked):
            row = line(cells(found))
            print(row, flush=True)
            rows[row[:NAMED]] = row
    if options.write:
        table = [rows[line(cells(Found(case)))[:NAMED]] for case in cases()]
        TABLE.write_text("\n".join([heads, *table]) + "\n", encoding="utf-8")
    print(f"\n{len(asked)} cases in {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
