"""The table of claims, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.peers.claims import Verdict

HEADS = ("loss", "library", "their name", "our spec", "cases", "agree", "worst difference", "verdict")
NUMBERS = range(4, 7)


def cells(verdict: Verdict) -> list[str]:
    """One line of the table."""
    peer, worst = verdict.claim.peer, verdict.worst
    said = "same" if not peer.differs else "differs at the edges" if verdict.edges else "differs"
    ours = peer.words(verdict.claim.loss.name).partition(" = ")[2] if not peer.differs else verdict.claim.loss.name
    spec = ours.partition(" (")[0]
    return [
        verdict.claim.loss.name,
        peer.library,
        peer.name,
        spec,
        str(verdict.cases),
        str(verdict.agree),
        "-" if worst is None else f"{worst.size:.1e}",
        f"skipped: {verdict.skipped} is not installed" if verdict.skipped else "NOT TRUE" if verdict.fault else said,
    ]


def table(verdicts: Sequence[Verdict], form: str) -> str:
    """All lines as text or Markdown, and a line of sums."""
    lines = [list(HEADS), *map(cells, verdicts)]
    wrong = sum(bool(verdict.fault) for verdict in verdicts)
    absent = sorted({verdict.skipped for verdict in verdicts if verdict.skipped})
    skipped = (
        f"; {sum(bool(verdict.skipped) for verdict in verdicts)} skipped: no {', '.join(absent)}" if absent else ""
    )
    sums = f"{len(verdicts)} claims, {sum(verdict.cases for verdict in verdicts)} cases; {wrong} not true{skipped}"
    if form == "md":
        rule = ["---:" if place in NUMBERS else "---" for place in range(len(HEADS))]
        shown = [f"| {' | '.join(cell.replace('|', '¦') for cell in line)} |" for line in [lines[0], rule, *lines[1:]]]
        return "\n".join([*shown, "", sums])
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEADS))]
    shown = [
        "  ".join(
            cell.rjust(width) if place in NUMBERS else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*shown, "", sums])


def complaints(verdicts: Iterable[Verdict]) -> list[str]:
    """What is wrong, a line for each claim."""
    return [f"{verdict.claim}: {verdict.fault}" for verdict in verdicts if verdict.fault]


def idle(names: Iterable[str]) -> list[str]:
    """Adapters for which there is no claim."""
    return [f"no claim names the adapter of {name}" for name in names]
