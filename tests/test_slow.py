"""What takes minutes: `make slow`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow
MEASURED = """
import json, sys
from lossctl.__main__ import run
code = run(sys.argv[1:])
# getrusage would count what the parent held before it started this process
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"code": code, "peak": peak}))
"""


def measured(*arguments: object) -> tuple[list[str], int]:
    """Run the command line in a fresh process; return what it printed and its peak memory in KiB."""
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    *lines, last = ended.stdout.splitlines()
    outcome = json.loads(last)
    assert outcome["code"] == 0, ended.stderr
    return lines, outcome["peak"]


@pytest.mark.parametrize("container", ["parquet", "csv"])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, container: str) -> None:
    peaks = []
    for rows in (500_000, 5_000_000):
        rng = np.random.default_rng(0)
        target = rng.normal(size=rows)
        table = pa.table({"y": target, "a": target + rng.normal(size=rows), "b": 0.9 * target})
        path = tmp_path / f"{rows}.{container}"
        if container == "parquet":
            pq.write_table(table, path)
        else:
            arrow_csv.write_csv(table, path)
        losses = [piece for name in ("mse", "mae", "huber", "rmse", "log_cosh", "r2") for piece in ("-l", name)]
        _, peak = measured("eval", path, "-t", "y", "-p", "a", "-p", "b", *losses, "-f", "value", "-q")
        peaks.append(peak)
    assert peaks[1] <= 1.3 * peaks[0], peaks


def test_all_pairs_of_1e5_positive_and_1e5_negative_scores_in_bounded_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=64)
    flags = np.repeat([0.0, 1.0], 100_000)
    codes = rng.integers(0, len(values), len(flags))
    path = tmp_path / "scores.parquet"
    pq.write_table(pa.table({"y": flags, "s": values[codes]}), path)
    lines, peak = measured("eval", path, "-t", "y", "-p", "s", "-l", "triplet_score", "-f", "value", "-q")
    negative, positive = (np.bincount(codes[flags == flag], minlength=len(values)) for flag in (0.0, 1.0))
    pairs = np.logaddexp(0.0, values[np.newaxis, :] - values[:, np.newaxis])
    expected = np.sum(pairs * np.outer(positive, negative)) / 1e10
    assert float(lines[0]) == pytest.approx(expected, rel=1e-12)
    assert peak < 400 * 1024, f"{peak} KiB; all pairs at once would be 80 GB"
