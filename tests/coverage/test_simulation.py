"""The simulation itself: its truths against large samples, and one small run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tests.coverage.__main__ import HEADS, WIDTHS, cases, cells, line, parsed
from tests.coverage.samples import SCORES, Case, Draw, clusters_of, truth
from tests.coverage.trial import parts_of, run, value_of

pytestmark = pytest.mark.deep

Values = NDArray[Any]


def pooled(case: Case, model: str) -> tuple[float, float]:
    """Return a model's loss over many samples taken together, and its standard error from the samples."""
    columns = Draw(case, np.random.default_rng(1), 300).columns()
    flat = {name: values.reshape(1, -1) for name, values in columns.items()}
    if case.loss == "median_absolute_error":
        by_sample = np.median(np.abs(columns[model] - columns["y"]), axis=1)
        whole = float(np.median(np.abs(flat[model] - flat["y"])))
    else:
        by_sample = value_of(case, parts_of(case, columns, model).mean(axis=2))
        parts = parts_of(case, columns, model).mean(axis=(1, 2))
        whole = float(value_of(case, parts))
    return whole, float(stats.sem(by_sample))


@pytest.mark.parametrize("case", [case for case in cases() if case.rows == 1_000 and case.loss not in SCORES], ids=str)
def test_truths_are_those_of_large_samples(case: Case) -> None:
    first, second = pooled(case, "a"), pooled(case, "b")
    if not case.rival:
        assert first[0] == pytest.approx(truth(case), abs=5.0 * first[1])
    assert first[0] == pytest.approx(second[0], abs=5.0 * math.hypot(first[1], second[1]))


@pytest.mark.parametrize("rows", [30, 100, 1_000])
def test_clusters_are_of_unlike_sizes(rows: int) -> None:
    clusters = clusters_of(rows)
    assert len(clusters) == rows
    assert len(np.unique(clusters)) == clusters[-1] + 1
    assert set(np.bincount(clusters)) >= {1, 3, 5, 7, 9}


def test_a_case_is_counted_the_same_in_every_run() -> None:
    for case in (Case("mse", "t5", 30, "clustered"), Case("bce", "confident", 30, rival="timid")):
        found = run(case, 20)
        assert found == run(case, 20)
        assert found.difference.of == found.verdicts.of == 20
        assert found.level.of == (0 if case.rival else 20)
        assert found.verdicts.hits <= found.significant.hits
        assert len(line(cells(found))) == len(line([text for part in HEADS for text in part])) == sum(WIDTHS)


def test_the_command_line_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert parsed(["--samples", "7", "--only", "mse"]).samples == 7
    with pytest.raises(SystemExit):
        parsed(["--samples", "1"])
    assert "--samples is at least 2" in capsys.readouterr().err
