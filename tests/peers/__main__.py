"""`python -m tests.peers` from the root of the repository, in the environment of `make peers`."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence

from tests.peers import report
from tests.peers.claims import LIBRARIES, Verdict, chosen, tried, unused
from tests.peers.inputs import SEEDS


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make peers", description="Execute what is claimed of other libraries.")
    parser.add_argument(
        "--only", default="", metavar="LOSS/LIBRARY,...", help="claims; LOSS/ and /LIBRARY are all of one"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of random rows for each form, fewer for less time")
    parser.add_argument("--format", choices=("text", "md"), default="text", help="of the table")
    return parser.parse_args(arguments)


def main() -> int:
    """Try the claims, print the table and what is wrong."""
    options = parsed()
    warnings.simplefilter("ignore")  # of libraries about what they make of extreme inputs
    only = [word for word in options.only.split(",") if word]
    claims = chosen(only)
    if not claims:
        print(f"no claim {options.only}; the libraries are {', '.join(LIBRARIES)}", file=sys.stderr)
        return 2
    verdicts: list[Verdict] = []
    for claim in claims:
        verdicts.append(tried(claim, options.seeds))
        if sys.stderr.isatty():
            print(f"{len(verdicts)} of {len(claims)}: {claim}", file=sys.stderr)
    print(report.table(verdicts, options.format))
    complaints = report.complaints(verdicts) + ([] if only else report.idle(unused()))
    print(*complaints, sep="\n", end="\n" if complaints else "", file=sys.stderr)
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
