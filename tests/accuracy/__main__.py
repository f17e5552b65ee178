"""Print the worst error of every loss against mpmath: `make accuracy`."""

from __future__ import annotations

import sys

from lossctl.registry import losses
from tests.accuracy import families, worst


def main() -> int:
    """Print one line for each case; return 1 where a bound is broken or a loss has no case."""
    failed, seen = 0, set()
    print(f"{'loss':<58} {'rows':>5} {'worst, ulp':>11} {'bound':>7}")
    for cases in families().values():
        for case in cases:
            found = worst(case)
            seen.add(case.name)
            broken = not found.ulps <= case.ulps
            failed += broken
            mark = f"  MISSED at {dict(found.row)}: {found.ours!r} is not {found.exact}" if broken else ""
            print(f"{case!s:<58.58} {len(case.rows):>5} {found.ulps:>11.2f} {case.ulps:>7g}{mark}")
    missing = sorted(set(losses()) - seen)
    print(
        f"{len(seen)} losses, {failed} bounds broken" + (f"; without a case: {', '.join(missing)}" if missing else "")
    )
    return int(bool(failed or missing))


if __name__ == "__main__":
    sys.exit(main())
