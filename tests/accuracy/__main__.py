"""Print the worst error of every loss against mpmath: `make accuracy`, or `python -m tests.accuracy FAMILY...`."""

from __future__ import annotations

import sys

from lossctl.registry import losses
from tests.accuracy import families, worst


def main(only: list[str]) -> int:
    """Print one line for each case; return 1 where a bound is broken or a loss has no case."""
    broken, tried = 0, set()
    print(f"{'loss':<58} {'rows':>5} {'worst, ulp':>11} {'bound':>7}")
    for case in (case for family, cases in families().items() if not only or family in only for case in cases):
        miss = worst(case)
        tried.add(case.name)
        within = miss.ulps <= case.ulps
        broken += not within
        mark = "" if within else f"  MISSED at {dict(miss.row)}: {miss.ours!r} is not {miss.exact}"
        print(f"{case!s:<58.58} {len(case.rows):>5} {miss.ulps:>11.2f} {case.ulps:>7g}{mark}")
    missing = [] if only else sorted(set(losses()) - tried)
    print(f"{len(tried)} losses, {broken} bounds broken" + "; without a case: " * bool(missing) + ", ".join(missing))
    return int(bool(broken or missing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
