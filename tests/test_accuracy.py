"""Every loss is exact to the last places of a row's value, or its docstring says why it cannot be."""

from __future__ import annotations

import pytest

from lossctl.registry import losses
from tests.accuracy import ULPS, Exact, distances, families

pytestmark = pytest.mark.deep

CASES = [case for cases in families().values() for case in cases]


@pytest.mark.parametrize("case", CASES, ids=[f"{place}-{case}" for place, case in enumerate(CASES)])
def test_row_to_the_last_places(case: Exact) -> None:
    assert [miss for miss in distances(case) if not miss.ulps <= case.ulps] == []


def test_every_loss_is_held_to_exact_values() -> None:
    assert sorted(set(losses()) - {case.name for case in CASES}) == []


def test_looser_bounds_are_stated_where_people_read_them() -> None:
    loose = {case.name for case in CASES if case.ulps > ULPS}
    assert [name for name in sorted(loose) if "last place" not in losses()[name].doc] == []


def test_beyond_the_promise_a_number_is_right_or_says_nothing() -> None:
    rows = [{"target": (0.0, 0.0, size, size), "pred": (0.0, 0.0, size, size / 2)} for size in (1.0, 1e160)]
    assert [miss.ulps for miss in distances(Exact("iou", rows, lambda target, pred: 0.5))] == [0.0, 0.0]
    wide = [{"target": 0.0, "pred": x} for x in (1e99, 1e101)]
    assert [miss.ulps > ULPS for miss in distances(Exact("mae", wide, lambda target, pred: 1.0))] == [True, True]
