"""What the pages say of intervals: from `table.txt`, which `make coverage ARGS="--write"` makes."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from tests.coverage.samples import DECISIONS, IN_SET

TABLE: Final = Path(__file__).with_name("table.txt")
INFORMATIVE: Final = 5  # rows, below which no interval is right
# of informative rows: of rare ones, by how alike their losses z are, (Σz)²/Σz² (Kish); a squared blunder counts a third
SHARES: Final = {"blunders": 0.02 / 3.0, "blunders 1 %": 0.01 / 3.0, "rare": 0.034, "1 % positive": 0.009}
CALLED: Final = 0.008  # share of rare rows that are called positive, which decide what is counted of decisions
COLUMNS: Final = (24, 30)  # widths: the value, what rows are drawn from


class Line(NamedTuple):
    """One case: in percent, how often intervals of value and difference hold, warnings come, verdicts are false."""

    value: str
    data: str
    rows: int
    level: float | None
    small: float | None
    few: float | None
    difference: float | None
    verdicts: float

    @property
    def informative(self) -> float:
        """How many informative rows are to be expected."""
        if self.value in DECISIONS and self.data == "rare":
            return self.rows * CALLED
        if self.value.endswith(", sets"):
            return self.rows / IN_SET
        return self.rows * SHARES.get(self.data.partition(" against")[0], 1.0)


def lines() -> list[Line]:
    """Read the table."""
    cases = []
    first, second = COLUMNS
    for text in TABLE.read_text(encoding="utf-8").splitlines():
        value, data, numbers = (
            text[:first].strip(),
            text[first : first + second].strip(),
            text[first + second :].split(),
        )
        if len(numbers) != 8 or not numbers[0].isdigit():
            continue
        level, _, small, few, difference, _, verdicts = (None if n == "-" else float(n) for n in numbers[1:])
        cases.append(Line(value, data, int(numbers[0]), level, small, few, difference, verdicts or 0.0))
    return cases


def claims() -> str:
    """Say how often intervals hold and verdicts are false, and name the cases that are worse."""
    good = [case for case in lines() if case.informative >= INFORMATIVE]
    scarce = [case for case in lines() if case.informative < INFORMATIVE]
    levels = sorted(case.level for case in good if case.level is not None)
    differences = sorted(case.difference for case in good if case.difference is not None)
    false = [case.verdicts for case in good]
    within = sum(93.0 <= share <= 97.0 for share in [*levels, *differences])
    low = [case for case in good if min(case.level or 100.0, case.difference or 100.0) < 92.5]
    names = "; ".join(
        f"{case.value} of {case.data}, {case.rows} rows: {_percent(case.level)} and {_percent(case.difference)}"
        for case in low
    )
    worst = min((case.level for case in scarce if case.level is not None), default=100.0)
    few = sorted(case.few for case in scarce if case.few is not None)
    plain = [case for case in good if case.data not in SHARES and not case.value.endswith(", clustered")]
    warned = sorted(case.small for case in plain if case.small is not None)
    return (
        f"Of {len(good)} cases (1,500 to 6,000 samples each: +-0.6 to 0.3 %) "
        f"in which five informative rows or more are to be expected (rare rows of unlike losses "
        f"count for fewer: a blunder's square for a third), 95 % intervals of values hold the truth in "
        f"{levels[0]:.0f} to {levels[-1]:.0f} % of the samples, those of differences in {differences[0]:.0f} to "
        f"{differences[-1]:.0f} %; {within} of {len(levels) + len(differences)} are within 93 to 97 %. "
        f"A difference is shown that is none in at most {max(false):.0f} % (median "
        f"{sorted(false)[len(false) // 2]:.0f} %). With fewer informative rows intervals of values hold it in down to "
        f"{worst:.0f} %, and a difference is shown that is none in up to "
        f"{max(case.verdicts for case in scarce):.0f} %: rare rows that are in no sample cannot be guessed.\n\n"
        f"Of samples with one to four rare rows {few[0]:.0f} to {few[-1]:.0f} % are warned of, as some of these rows "
        f"are no larger than others; of {len(warned)} cases without any {sum(share <= 5.0 for share in warned)} are "
        f"warned of in at most 5 % of the samples, and none in more than {warned[-1]:.0f} %.\n\n"
        f"Below 92.5 % (value and difference) are: {names or 'none'}."
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0f} %"


def table() -> str:
    """Return the cases as Markdown."""
    heads = ["value", "rows drawn from", "n", "value holds", "difference holds", "false verdicts", "warned of"]
    rows = [
        [
            case.value,
            case.data,
            str(case.rows),
            *("-" if share is None else f"{share:.1f}" for share in (case.level, case.difference, case.verdicts)),
            "-" if case.small is None else f"{case.small:.1f}",
        ]
        for case in lines()
    ]
    return "\n".join(
        ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads), *("| " + " | ".join(row) + " |" for row in rows)]
    )
