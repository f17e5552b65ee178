"""States keep one law: whatever the order and the tree of the merges, the same state comes out, and it is right."""

from __future__ import annotations

import math
import pickle
import sys
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from lossctl.core.grouped import GroupedMoments, GroupView, PeaksByGroup
from lossctl.core.resample import Replicates, copies
from lossctl.core.state import (
    NEVER,
    BlockMoments,
    Moments,
    Odd,
    Pairs,
    Peak,
    Sample,
    fraction,
    moments_of,
    rounded,
    square_fraction,
    units,
)
from lossctl.engine.reduce import WorstRows

pytestmark = pytest.mark.deep

Values = NDArray[Any]
PAIRS: Pairs = ((0, 0), (0, 1), (1, 1), (2, 2))
BLOCK = 65_536
MOST = sys.float_info.max
LEAST = 5e-324
few = settings(derandomize=True, max_examples=50, deadline=None)
finite = st.floats(allow_nan=False, allow_infinity=False)


def moments(values: Values, pairs: Pairs = PAIRS, start: int = 0) -> Moments:
    """Reduce one block, of rows that begin at `start`; `values` stay as they are."""
    with np.errstate(all="ignore"):
        return moments_of(np.array(values, dtype=float), pairs, np.arange(start, start + values.shape[1]))


def grouped(values: Values, codes: Values, pairs: Pairs = PAIRS, start: int = 0) -> GroupedMoments:
    """Reduce one block by group."""
    addresses = np.arange(start, start + values.shape[1])
    with np.errstate(all="ignore"):
        return GroupedMoments.of(np.array(values, dtype=float), pairs, codes, addresses)


def in_order(states: Sequence[Any]) -> Any:
    """Merge states one after the other."""
    whole = states[0]
    for state in states[1:]:
        whole = whole.merge(state)
    return whole


def in_disorder(states: Sequence[Any], rng: np.random.Generator) -> Any:
    """Merge states along a random tree, each time two of those that are left, in either order."""
    left = list(states)
    while len(left) > 1:
        i, j = rng.choice(len(left), 2, replace=False).tolist()
        left = [state for k, state in enumerate(left) if k not in (i, j)] + [left[i].merge(left[j])]
    return left[0]


def scaled(line: Values) -> list[int]:
    """Floats as whole numbers of 2^-1100: exact, whatever they are."""
    return [n * ((1 << 1100) // d) for n, d in map(float.as_integer_ratio, line.tolist())]


def exact_sum(line: Values) -> Fraction:
    return Fraction(sum(scaled(line)), 1 << 1100)


def exact_covariance(a: Values, b: Values) -> Fraction:
    """Unbiased covariance of two lines of floats, without any rounding."""
    x, y, n = scaled(a), scaled(b), len(a)
    products = sum(p * q for p, q in zip(x, y, strict=True))
    return Fraction(n * products - sum(x) * sum(y), n * (n - 1) << 2200)


def covariance(view: Moments | GroupView, i: int, j: int) -> Fraction:
    """Unbiased covariance of two quantities, read from a state."""
    product, n = view.product(i, j), view.rows
    assert product is not None
    return (n * product - view.total(i) * view.total(j)) / (n * (n - 1))


def off(found: Fraction, true: Fraction, scale: Fraction | None = None) -> float:
    """Relative error, of `scale` where the true value itself may cancel."""
    return float(abs(found - true) / (scale or abs(true)))


# exact sums ------------------------------------------------------------------------------------------------------


@few
@given(finite)
def test_a_float_is_a_whole_number_of_units(x: float) -> None:
    assert isinstance(units(x), int)
    assert fraction(units(x)) == Fraction(x)
    assert rounded(fraction(units(x))) == x


@pytest.mark.parametrize("x", [0.0, LEAST, -LEAST, 2.3e-308, 1.0, -0.1, 1e16, 1e308, MOST, -MOST])
def test_floats_at_the_ends_of_the_range_are_exact(x: float) -> None:
    assert fraction(units(x)) == Fraction(x)
    assert square_fraction(units(x) * units(0.1)) == Fraction(x) * Fraction(0.1)


def test_one_unit_is_the_smallest_float() -> None:
    assert units(LEAST) == 1
    assert units(1.0) == 1 << 1074


@few
@given(finite, finite)
def test_products_have_a_scale_of_their_own(x: float, y: float) -> None:
    assert square_fraction(units(x) * units(y)) == Fraction(x) * Fraction(y)


@few
@given(st.lists(st.floats(min_value=-1e300, max_value=1e300), max_size=60))
def test_sums_are_rounded_once(values: list[float]) -> None:
    assert rounded(fraction(sum(map(units, values)))) == math.fsum(values)


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([1e16, 1.0, -1e16] * 1000, 1000.0),
        ([1e308, 1e308, -1e308], 1e308),  # the way leads out of the range of float64, the end does not
        ([1e308, 1.0, -1e308, LEAST], 1.0),
        ([1e308, LEAST, -1e308], LEAST),
        ([LEAST] * 7, 7 * LEAST),
        ([0.1] * 10, 1.0),
        ([2.0**53, 1.0], 2.0**53),  # halfway: to the even one
        ([2.0**53, 1.0, LEAST], 2.0**53 + 2.0),
        ([], 0.0),
    ],
    ids=str,
)
def test_hard_sums(values: list[float], total: float) -> None:
    assert rounded(fraction(sum(map(units, values)))) == total
    assert rounded(fraction(sum(map(units, reversed(values))))) == total


@pytest.mark.parametrize(
    ("x", "near"),
    [
        (Fraction(MOST), MOST),
        (Fraction(MOST) + Fraction(2) ** 970 - 1, MOST),
        (Fraction(MOST) + Fraction(2) ** 970, math.inf),
        (-Fraction(MOST) * 2, -math.inf),
        (Fraction(10) ** 400, math.inf),
        (Fraction(1, 2**1075), 0.0),
        (Fraction(3, 2**1076), LEAST),
        (-Fraction(3, 2**1075), -2 * LEAST),
        (Fraction(1, 3), 1 / 3),
    ],
    ids=range(9),
)
def test_rounding_is_to_the_nearest_float(x: Fraction, near: float) -> None:
    assert rounded(x) == near


# moments ---------------------------------------------------------------------------------------------------------


def ragged_blocks() -> list[Moments]:
    """Blocks of many sizes; some hold values that are not finite, one a product out of range."""
    rng = np.random.default_rng(1)
    blocks, start = [], 0
    for place, rows in enumerate([1000, 0, 1, 2, 777, 0, 4096, 1, 3, 50, 2048]):
        values = rng.normal(1e8, 3.0, (3, rows)) * rng.lognormal(0.0, 5.0, rows)
        values[2] -= 1e8
        if place == 4:
            values[1, [5, 700]] = np.inf, np.nan
        if place == 6:
            values[1, 4000] = -np.inf
        if place == 9:
            values[2, :2] = 1e200, -1e200
        blocks.append(moments(values, start=start))
        start += rows
    return blocks


@pytest.mark.parametrize("seed", range(20))
def test_any_tree_of_merges_gives_the_same_moments(seed: int) -> None:
    blocks = ragged_blocks()
    whole, other = in_order(blocks), in_disorder(blocks, np.random.default_rng(seed))
    assert other == whole
    assert other.rows == 7978
    assert other.odd[1] == Odd(plus=1, minus=1, nan=1, row=1008)
    assert other.odd[0] == other.odd[2] == Odd()
    assert other.products[3] is None
    assert None not in other.products[:3]


anything = st.one_of(finite, st.sampled_from([math.inf, -math.inf, math.nan, 0.0, -0.0, LEAST, MOST, -MOST]))


@few
@given(
    st.lists(st.tuples(anything, anything), min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=4),
    st.randoms(use_true_random=False),
)
def test_any_order_of_any_blocks_gives_the_same_moments(
    rows: list[tuple[float, float]], cuts: list[int], random: Any
) -> None:
    values = np.array(rows).T
    ends = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    blocks = [moments(values[:, a:b], ((0, 0), (0, 1), (1, 1)), a) for a, b in pairwise(ends)]
    whole = in_order(blocks)
    for order in permutations(blocks) if len(blocks) < 4 else [random.sample(blocks, len(blocks)) for _ in range(5)]:
        assert in_order(order) == whole
    assert whole.rows == len(rows)
    for line, odd in zip(values, whole.odd, strict=True):
        assert odd.plus == np.count_nonzero(line == np.inf)
        assert odd.minus == np.count_nonzero(line == -np.inf)
        assert odd.nan == np.count_nonzero(np.isnan(line))
        assert odd.row == (NEVER if np.isfinite(line).all() else np.argmin(np.isfinite(line)))


def test_no_rows_are_the_identity() -> None:
    state = moments(np.random.default_rng(2).normal(size=(3, 10)))
    empty = Moments.empty(3, PAIRS)
    assert moments(np.empty((3, 0))) == empty
    assert empty.merge(state) == state.merge(empty) == state
    assert empty.merge(empty) == empty
    assert empty.rows == 0


@few
@given(finite, finite)
def test_one_row_is_held_exactly(x: float, y: float) -> None:
    state = moments(np.array([[x], [y]]), ((0, 0), (0, 1), (1, 1)))
    assert (state.total(0), state.total(1)) == (Fraction(x), Fraction(y))
    assert state.product(0, 1) == state.product(1, 0) == Fraction(x) * Fraction(y)
    assert state.product(0, 0) == Fraction(x) ** 2


def test_merging_leaves_its_operands_alone() -> None:
    a, b = (moments(np.random.default_rng(seed).normal(size=(3, 20))) for seed in (3, 4))
    before = pickle.dumps((a, b))
    a.merge(b)
    assert pickle.dumps((a, b)) == before


def test_a_pair_of_blocks_that_was_pickled_merges_the_same() -> None:
    blocks = ragged_blocks()
    assert [pickle.loads(pickle.dumps(block)) for block in blocks] == blocks
    assert in_order(pickle.loads(pickle.dumps(blocks))) == in_order(blocks)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.normal(0.0, 1.0, n),
        lambda rng, n: rng.normal(1e8, 1.0, n),
        lambda rng, n: rng.lognormal(0.0, 10.0, n),
        lambda rng, n: rng.standard_cauchy(n),
        lambda rng, n: np.full(n, 0.1),
        lambda rng, n: rng.random(n) * 1e-310,
        lambda rng, n: rng.random(n) * 1e308,
    ],
    ids=["normal", "offset", "heavy", "cauchy", "constant", "subnormal", "huge"],
)
def test_sums_are_right_to_the_last_digit(draw: Any) -> None:
    values = draw(np.random.default_rng(5), 3 * BLOCK - 17)
    whole = in_order([moments(values[np.newaxis, k : k + BLOCK], (), k) for k in range(0, len(values), BLOCK)])
    true = rounded(exact_sum(values) / len(values))
    assert abs(rounded(whole.total(0) / whole.rows) - true) <= math.ulp(true)
    if abs(values).max() < 1e300:  # fsum itself leaves the range on the way
        assert abs(rounded(whole.total(0)) - math.fsum(values)) <= math.ulp(math.fsum(values))


@pytest.mark.parametrize("offset", [0.0, 1e8, -1e12])
def test_co_moments_are_right_at_an_offset(offset: float) -> None:
    rng = np.random.default_rng(6)
    n = BLOCK + 34_464
    a = offset + rng.normal(0.0, 1.0, n)
    values = np.stack([a, 0.5 * (a - offset) + rng.standard_t(5, n) + offset])
    pairs: Pairs = ((0, 0), (0, 1), (1, 1))
    whole = in_order([moments(values[:, k : k + BLOCK], pairs, k) for k in range(0, n, BLOCK)])
    for i, j in pairs:
        assert off(covariance(whole, i, j), exact_covariance(values[i], values[j])) < 1e-12


@pytest.mark.parametrize("worst", [np.inf, -np.inf, np.nan])
def test_a_value_that_is_not_finite_touches_its_own_part_only(worst: float) -> None:
    values = np.random.default_rng(7).normal(size=(3, 500))
    clean, zeroed = moments(values), values.copy()
    zeroed[1, [17, 400]] = 0.0
    values[1, [17, 400]] = worst
    state = moments(values, start=1000)
    assert state.sums[0] == clean.sums[0]
    assert state.sums[2] == clean.sums[2]
    assert (state.products[0], state.products[3]) == (clean.products[0], clean.products[3])
    assert (state.odd[0], state.odd[2]) == (Odd(), Odd())
    assert state.odd[1].values == 2
    assert state.odd[1].row == 1017
    np.testing.assert_equal(state.odd[1].value, worst)
    assert state.sums == moments(zeroed).sums


@pytest.mark.parametrize(
    ("odd", "value"),
    [
        (Odd(plus=2, row=4), math.inf),
        (Odd(minus=1, row=4), -math.inf),
        (Odd(plus=1, minus=1, row=4), math.nan),
        (Odd(nan=1, plus=3, row=4), math.nan),
    ],
)
def test_infinities_that_contradict_have_no_sum(odd: Odd, value: float) -> None:
    np.testing.assert_equal(odd.value, value)
    assert odd
    assert not Odd()
    assert odd.merge(Odd()) == Odd().merge(odd) == odd
    assert odd.merge(Odd(plus=1, row=2)).row == 2


def test_a_product_out_of_range_is_none_and_stays_so() -> None:
    values = np.array([[1e200, -1e200, 0.0], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
    state = moments(values)
    assert state.product(0, 0) is None
    assert state.product(1, 1) == 14
    assert state.total(0) == 0
    assert not any(state.odd)
    later = moments(np.ones((3, 5)))
    assert later.merge(state).product(0, 0) is state.merge(later).product(0, 0) is None
    assert state.merge(later).product(1, 1) == 19


def test_a_sum_out_of_range_is_an_infinity_and_its_mean_is_not() -> None:
    values = np.full((1, 9), MOST)
    whole = moments(values, ()).merge(moments(values, ()))
    assert whole.total(0) == 18 * Fraction(MOST)
    assert rounded(whole.total(0)) == math.inf
    assert rounded(whole.total(0) / whole.rows) == MOST
    assert rounded(moments(-values, ()).total(0)) == -math.inf


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 10, 97, 1000])
def test_values_at_the_end_of_the_range_have_a_mean(rows: int) -> None:
    values = np.full((1, rows), MOST)
    values[0, 1::3] *= -1.0
    state = moments(values, ())
    assert not state.odd[0]
    assert off(state.total(0), exact_sum(values[0]), rows * Fraction(MOST)) < 1e-15


# moments by group ------------------------------------------------------------------------------------------------


def by_group(values: Values, codes: Values, size: int = BLOCK) -> GroupedMoments:
    n = values.shape[1]
    blocks = [grouped(values[:, k : k + size], codes[k : k + size], start=k) for k in range(0, n, size)]
    whole: GroupedMoments = in_order(blocks)
    return whole


@pytest.mark.parametrize(
    ("groups", "size"),
    [(1, 16), (1, BLOCK), (3, 1000), (3, BLOCK), (1000, 4096), (1000, BLOCK)],
)
@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_groups_agree_with_moments_of_their_rows(groups: int, size: int, offset: float) -> None:
    rng = np.random.default_rng(groups)
    n = min(70_000, 60 * size)
    values = offset + rng.normal(0.0, 1.0, (3, n)) * [[1.0], [2.0], [30.0]]
    values[1] += values[0] - offset
    codes = rng.integers(0, groups, n) * 7 + 3
    whole = by_group(values, codes, size)
    assert whole.codes.tolist() == sorted(set(codes.tolist()))
    assert whole.rows.sum() == n
    for g in range(0, len(whole.codes), 1 + groups // 40):
        mine = values[:, codes == whole.codes[g]]
        view, alone = whole.view(g), moments(mine)
        assert view.rows == mine.shape[1]
        for i in range(3):
            assert off(view.total(i), alone.total(i), exact_sum(np.abs(mine[i]))) < 1e-15
        for i, j in PAIRS:  # within a block, rows of a group are added one after another
            scale = exact_covariance(mine[i], mine[i]) if i == j else None
            size_of_product = Fraction(float(np.sqrt(np.var(mine[i]) * np.var(mine[j]))))
            assert off(covariance(view, i, j), covariance(alone, i, j), scale or size_of_product) < 2e-14


@pytest.mark.parametrize("seed", range(5))
def test_sums_by_group_are_exact_in_any_order_while_blocks_are_alike(seed: int) -> None:
    """A pair holds 106 bits: no sum of a block loses one while none is below 2^-40 of the whole."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0.0, 1.0, (3, 3000)) * np.exp2(rng.uniform(-8.0, 8.0, (3, 3000)))
    codes = rng.integers(0, 7, 3000)
    blocks = [grouped(values[:, at : at + 100], codes[at : at + 100], start=at) for at in range(0, 3000, 100)]
    whole: GroupedMoments = in_order(blocks)
    for _ in range(5):
        parts: list[GroupedMoments] = [blocks[place] for place in rng.permutation(len(blocks))]
        while len(parts) > 1:
            place = int(rng.integers(len(parts) - 1))
            parts[place : place + 2] = [parts[place].merge(parts[place + 1])]
        for sums, others in ((whole.sums, parts[0].sums), (whole.products, parts[0].products)):
            assert all(map(np.array_equal, sums, others))


def test_groups_that_come_and_go_are_counted_where_they_stand() -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(1e8, 1.0, (3, 4000))
    codes = np.repeat([5, 2, 9, 0], 1000)  # no block of a thousand rows holds two groups
    whole = by_group(values, codes, 1000)
    assert whole.codes.tolist() == [0, 2, 5, 9]
    for g, code in enumerate(whole.codes.tolist()):
        alone = grouped(values[:, codes == code], codes[codes == code]).view(0)
        view = whole.view(g)
        assert view.rows == 1000
        assert [view.total(i) for i in range(3)] == [alone.total(i) for i in range(3)]
        assert [view.product(i, j) for i, j in PAIRS] == [alone.product(i, j) for i, j in PAIRS]


def test_a_group_of_one_row_is_held_exactly() -> None:
    values = np.array([[0.1, 1e8 + 0.1, 3.0], [0.7, -1e-9, 2.0], [1.0, 1e5, -7.0]])
    whole = grouped(values, np.array([4, 1, 9]))
    for g, place in enumerate([1, 0, 2]):
        view, row = whole.view(g), [Fraction(x) for x in values[:, place].tolist()]
        assert view.rows == 1
        assert [view.total(i) for i in range(3)] == row
        assert [view.product(i, j) for i, j in PAIRS] == [row[i] * row[j] for i, j in PAIRS]


def test_a_sum_of_a_group_beyond_the_range_is_no_number_and_never_zero() -> None:
    whole = grouped(np.full((3, 3), 1.5e308), np.array([0, 0, 1]))
    assert not any(math.isfinite(odd.value) for odd in whole.view(0).odd)
    assert not any(whole.view(1).odd)


@pytest.mark.parametrize("size", [1e300, 1e303])
def test_groups_of_huge_values_have_the_sums_that_all_rows_have(size: float) -> None:
    values = np.full((3, 6), size) * [[1.0], [0.5], [0.25]]
    codes = np.array([0, 1, 0, 1, 0, 2])
    whole = grouped(values, codes)
    for g in range(3):
        view, alone = whole.view(g), moments(values[:, codes == g])
        for i in range(3):
            assert off(view.total(i), alone.total(i)) < 1e-15


def test_a_value_that_is_not_finite_touches_its_own_part_of_its_own_group_only() -> None:
    rng = np.random.default_rng(9)
    values, codes = rng.normal(size=(3, 600)), rng.integers(0, 3, 600)
    clean = grouped(values, codes)
    first = int(np.flatnonzero(codes == 1)[4])
    last = int(np.flatnonzero(codes == 1)[-1])
    values[1, first], values[1, last] = np.inf, np.nan
    whole = grouped(values, codes, start=50).merge(grouped(values[:, :0], codes[:0]))
    for g in range(3):
        view, before = whole.view(g), clean.view(g)
        assert [bool(odd) for odd in view.odd] == [False, g == 1, False]
        for i in range(3):
            assert (g, i) == (1, 1) or view.total(i) == before.total(i)
        for i, j in PAIRS:
            assert (g == 1 and 1 in (i, j)) or view.product(i, j) == before.product(i, j)
    assert whole.view(1).odd[1] == Odd(plus=1, nan=1, row=50 + first)
    later = clean.merge(grouped(values, codes, start=600)).merge(grouped(values, codes, start=1200))
    assert later.view(1).odd[1] == Odd(plus=2, nan=2, row=600 + first)
    assert not any(later.view(0).odd)


def test_a_product_out_of_range_is_none_in_its_group_only() -> None:
    values = np.array([[1e200, -1e200, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 1.0]])
    whole = grouped(values, np.array([0, 0, 1, 1]))
    assert whole.view(0).product(0, 0) is None
    assert whole.view(0).product(1, 1) == 5
    assert whole.view(1).product(0, 0) == 5
    assert whole.view(0).total(0) == 0


def test_merging_groups_leaves_its_operands_alone() -> None:
    values, codes = np.random.default_rng(10).normal(size=(3, 40)), np.arange(40) % 4
    a, b = grouped(values, codes), grouped(values, codes + 2)
    before = pickle.dumps((a, b))
    merged = a.merge(b)
    assert pickle.dumps((a, b)) == before
    again = pickle.loads(pickle.dumps(a)).merge(pickle.loads(pickle.dumps(b)))
    assert pickle.dumps(again.sums) == pickle.dumps(merged.sums)
    assert again.rows.tolist() == merged.rows.tolist()
    assert merged.codes.tolist() == [0, 1, 2, 3, 4, 5]
    assert merged.rows.tolist() == [10, 10, 20, 20, 10, 10]


# peaks and samples -----------------------------------------------------------------------------------------------


@few
@given(
    st.lists(st.lists(st.floats(allow_nan=False), max_size=5), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_peaks_merge_in_any_order(blocks: list[list[float]], random: Any) -> None:
    peaks = [Peak.of(np.array(block)) for block in blocks]
    flat = [value for block in blocks for value in block]
    whole = Peak(len(flat), max(flat, default=-math.inf))
    for _ in range(5):
        assert in_order(random.sample(peaks, len(peaks))) == whole
        assert in_order([Peak(), *random.sample(peaks, len(peaks)), Peak()]) == whole
    assert pickle.loads(pickle.dumps(whole)) == whole


def test_a_peak_that_is_not_a_number_is_none_in_any_order() -> None:
    strange, plain = Peak.of(np.array([1.0, np.nan])), Peak.of(np.array([2.0]))
    assert math.isnan(strange.top)
    assert math.isnan(strange.merge(plain).top)
    assert math.isnan(plain.merge(strange).top)


def test_a_peak_of_a_group_that_is_not_a_number_is_none_in_any_order() -> None:
    with np.errstate(invalid="ignore"):
        strange = PeaksByGroup.of(np.array([1.0, np.nan]), np.array([3, 3]))
    plain = PeaksByGroup.of(np.array([2.0]), np.array([3]))
    assert math.isnan(strange.tops[3][1])
    assert math.isnan(strange.merge(plain).tops[3][1])
    assert math.isnan(plain.merge(strange).tops[3][1])


@pytest.mark.parametrize("seed", range(20))
def test_peaks_by_group_merge_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(11)
    values, codes = rng.standard_cauchy(500), rng.integers(0, 9, 500)
    codes[:50] = 20  # a group that only the first block holds
    values[400], codes[400] = np.inf, 4
    blocks = [PeaksByGroup.of(values[k : k + 50], codes[k : k + 50]) for k in range(0, 500, 50)]
    whole = in_disorder([PeaksByGroup(), *blocks, PeaksByGroup()], np.random.default_rng(seed))
    true = {code: (int((codes == code).sum()), float(values[codes == code].max())) for code in set(codes.tolist())}
    assert dict(whole.tops) == true
    assert whole.tops[4][1] == math.inf


@pytest.mark.parametrize("seed", range(20))
def test_samples_forget_the_order_of_their_pieces(seed: int) -> None:
    rng = np.random.default_rng(12)
    values = rng.integers(0, 4, (3, 300)).astype(float)  # ties in every line, down to equal columns
    values[0, [3, 150]], values[0, 77] = np.inf, np.nan
    blocks = [Sample.of(values[:, k : k + 40]) for k in range(0, 300, 40)]
    whole = in_disorder([Sample(), *blocks, Sample.of(np.empty((3, 0)))], np.random.default_rng(seed))
    assert whole.rows == 300
    ordered = whole.ordered()
    np.testing.assert_array_equal(ordered, in_order(blocks).ordered())
    assert ordered.flags.c_contiguous
    columns = sorted(column for column in values.T.tolist() if column[0] == column[0])
    assert ordered[:, :299].T.tolist() == columns
    assert np.isnan(ordered[0, 299])
    assert pickle.loads(pickle.dumps(whole)).rows == 300


@pytest.mark.parametrize(
    ("values", "size"),
    [([1.0, 0.0], 1), ([0.1, 0.5], 8), ([0.5, 3e4], 4), ([-0.0, 1.0], 4), ([np.nan, np.inf], 4), ([1e300, 1.0], 8)],
)
def test_samples_keep_the_bits_in_the_smallest_type(values: list[float], size: int) -> None:
    lines = np.stack([np.tile(values, 40), np.ones(80)])
    sample = Sample.of(lines)
    assert sample.unordered().tobytes() == lines.tobytes()
    ((line, weight),) = sample.pieces
    assert (line.itemsize, weight.strides) == (size, (0,))


# cubes ------------------------------------------------------------------------------------------------------------

CUBED = (0, 2)


def cubed(values: Values, start: int = 0) -> Moments:
    """Reduce one block with the cubes of two of its quantities."""
    block = BlockMoments(PAIRS, np.arange(start, start + values.shape[1]), cubed=CUBED)
    with np.errstate(all="ignore"):
        for line in np.array(values, dtype=float):
            block.add(line)
        return block.state()


def cubed_groups(values: Values, codes: Values, start: int = 0) -> GroupedMoments:
    addresses = np.arange(start, start + values.shape[1])
    with np.errstate(all="ignore"):
        return GroupedMoments.of(np.array(values, dtype=float), PAIRS, codes, addresses, cubed=CUBED)


def exact_cubes(line: Values) -> Fraction:
    """Sum of the cubes of floats, without any rounding."""
    return Fraction(sum(n**3 for n in scaled(line)), 1 << 3300)


def exact_third(line: Values) -> Fraction:
    """Sum of the cubes of what floats are above their mean, without any rounding."""
    x, n = scaled(line), len(line)
    total, cube = sum(x), n**3
    return Fraction(sum((n * value - total) ** 3 for value in x), cube << 3300)


def third(view: Moments | GroupView, i: int) -> Fraction:
    """The same from a state."""
    n, total, square, cube = view.rows, view.total(i), view.product(i, i), view.cube_units(i)
    assert square is not None
    assert cube is not None
    return Fraction(cube, 1 << 3222) - 3 * total * square / n + 2 * total**3 / n**2


def ragged(values: Values, sizes: Sequence[int]) -> list[tuple[Values, int]]:
    """Cut columns into blocks of these sizes, with their starts."""
    ends = np.cumsum([0, *sizes])
    assert ends[-1] == values.shape[1]
    return [(values[:, start:stop], int(start)) for start, stop in pairwise(ends)]


SIZES = [700, 0, 1, 2, 1_300, 1, 400]


@pytest.mark.parametrize("seed", range(20))
def test_any_tree_of_merges_gives_the_same_cubes(seed: int) -> None:
    rng = np.random.default_rng(20)
    values = rng.normal(1e6, 3.0, (3, sum(SIZES))) * rng.lognormal(0.0, 3.0, sum(SIZES))
    blocks = [cubed(block, start) for block, start in ragged(values, SIZES)]
    whole = in_disorder([*blocks, Moments.empty(3, PAIRS, CUBED)], np.random.default_rng(seed))
    assert whole == in_order(blocks)
    assert pickle.loads(pickle.dumps(whole)) == whole
    for i in CUBED:
        cube = whole.cube_units(i)
        assert cube is not None
        assert off(Fraction(cube, 1 << 3222), exact_cubes(values[i])) < 1e-14


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, -1e9])
@pytest.mark.parametrize("spread", [1.0, 1e-6])
def test_third_moments_are_right_at_an_offset(offset: float, spread: float) -> None:
    rng = np.random.default_rng(21)
    n, block = 9_000, 4_096
    values = offset + spread * np.stack([rng.lognormal(0.0, 0.5, n), np.zeros(n), rng.exponential(size=n)])
    codes = rng.integers(0, 3, n)
    whole = in_order([cubed(values[:, k : k + block], k) for k in range(0, n, block)])
    by_group = in_order([cubed_groups(values[:, k : k + block], codes[k : k + block], k) for k in range(0, n, block)])
    carried = Fraction(2) ** 98  # pairs of floats have 106 digits: an offset takes some of those of every cube
    for i in CUBED:
        assert off(third(whole, i), exact_third(values[i])) < 1e-9
        for g in range(3):
            mine = values[i][codes == g]
            true, most = exact_third(mine), Fraction(float(np.abs(mine).max())) ** 3 * len(mine)
            assert off(third(by_group.view(g), i), true, abs(true) / 10**9 + most / carried) < 1.0
            if abs(offset) <= 1e7 * spread:
                assert off(third(by_group.view(g), i), true) < 1e-9


@few
@given(finite)
def test_the_cube_of_one_row_is_exact_or_out_of_range(x: float) -> None:
    cube = cubed(np.array([[x], [1.0], [1.0]])).cube_units(0)
    assert cube == units(x) ** 3


def test_cubes_out_of_range_are_none_and_stay_so() -> None:
    values = np.array([[1e120, -2e120, 1.0, 0.0], [1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 2.0]])
    state = cubed(values)
    assert state.cube_units(0) is None
    assert state.cube_units(2) == units(11.0) * units(1.0) ** 2
    later = cubed(np.ones((3, 5)))
    assert later.merge(state).cube_units(0) is state.merge(later).cube_units(0) is None
    by_group = cubed_groups(values, np.array([0, 0, 1, 1]))
    assert by_group.view(0).cube_units(0) is None
    assert by_group.view(1).cube_units(0) == units(1.0) ** 3
    assert by_group.view(1).cube_units(2) == units(9.0) * units(1.0) ** 2


@pytest.mark.parametrize("worst", [np.inf, np.nan])
def test_a_value_that_is_not_finite_leaves_the_cubes_of_others_alone(worst: float) -> None:
    values = np.random.default_rng(22).normal(size=(3, 500))
    codes = np.arange(500) % 3
    clean, clean_groups, zeroed = cubed(values), cubed_groups(values, codes), values.copy()
    zeroed[0, [17, 400]], values[0, [17, 400]] = 0.0, worst
    state, groups = cubed(values), cubed_groups(values, codes)
    assert state.cube_units(2) == clean.cube_units(2)
    assert state.cubes == cubed(zeroed).cubes
    for g in range(3):
        assert groups.view(g).cube_units(2) == clean_groups.view(g).cube_units(2)
        assert groups.view(g).cube_units(0) == cubed_groups(zeroed, codes).view(g).cube_units(0)


def test_cubes_of_groups_are_those_of_their_rows_alone() -> None:
    rng = np.random.default_rng(23)
    values, codes = rng.normal(5.0, 2.0, (3, sum(SIZES))), rng.integers(0, 6, sum(SIZES))
    codes[codes == 4] = 40
    blocks = [cubed_groups(b, codes[start : start + b.shape[1]], start) for b, start in ragged(values, SIZES)]
    whole = in_order(blocks)
    halves = in_order(blocks[:3]).merge(in_order(blocks[3:]))
    for g, code in enumerate(whole.codes.tolist()):
        alone, view = cubed(values[:, codes == code]), whole.view(g)
        for i in CUBED:
            found, true, other = view.cube_units(i), alone.cube_units(i), halves.view(g).cube_units(i)
            assert found is not None
            assert true is not None
            assert other is not None
            assert off(Fraction(found), Fraction(true)) < 1e-14
            assert off(Fraction(other), Fraction(found)) < 1e-28
    assert pickle.loads(pickle.dumps(whole)).view(2).cube_units(0) == whole.view(2).cube_units(0)


def test_rows_of_one_value_have_no_third_moment() -> None:
    values = np.full((3, 1000), 0.1)
    assert third(cubed(values), 0) == 0
    assert abs(third(cubed_groups(values, np.arange(1000) % 2).view(1), 0)) < 1e-30


# lines that may be overwritten --------------------------------------------------------------------------------------


@pytest.mark.parametrize("middle", [0.0, 0.1, 5.0, 1e6])
def test_a_spare_line_has_the_moments_of_one_that_is_kept(middle: float) -> None:
    values = np.random.default_rng(24).normal(middle, 1.0, (3, 5_000))
    kept = cubed(values)
    spare = BlockMoments(PAIRS, np.arange(5_000), cubed=CUBED)
    for line in values.copy():
        spare.add(line, spare=True)
    found = spare.state()
    for i, j in PAIRS:
        assert off(covariance(found, i, j), covariance(kept, i, j), Fraction(1)) < 1e-13
    for i in CUBED:
        assert off(third(found, i), third(kept, i), Fraction(5_000)) < 1e-12
    for i in range(3):
        assert off(found.total(i), kept.total(i), Fraction(5_000)) < 1e-13


# the worst rows -----------------------------------------------------------------------------------------------------


def excesses(seed: int) -> tuple[Values, Values]:
    """Draw excesses with ties, some of them infinite or undefined, and their addresses."""
    rng = np.random.default_rng(seed)
    excess = rng.integers(-3, 6, sum(SIZES)).astype(float)
    excess[[3, 900]], excess[1_200], excess[[7, 1_900]] = np.inf, -np.inf, np.nan
    return excess, np.arange(sum(SIZES)) * 2 + 5


def chosen(found: WorstRows) -> list[tuple[float, int, float]]:
    return list(zip(found.excess.tolist(), found.addresses.tolist(), found.facts[0].tolist(), strict=True))


@pytest.mark.parametrize("most", [1, 5, 600, 10_000])
@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_blocks_chooses_the_same_worst_rows(most: int, seed: int) -> None:
    excess, addresses = excesses(seed)
    facts = np.stack([excess * 10.0, np.arange(len(excess))])
    blocks = [
        WorstRows.of(most, ("ten", "place"), e[0], addresses[s : s + e.shape[1]], facts[:, s : s + e.shape[1]])
        for e, s in ragged(excess[np.newaxis], SIZES)
    ]
    places = sorted((k for k in range(len(excess)) if excess[k] > -np.inf), key=lambda k: (-excess[k], k))[:most]
    wanted = [(float(excess[k]), int(addresses[k]), float(excess[k]) * 10.0) for k in places]
    assert chosen(in_order(blocks)) == wanted
    for tree in range(5):
        found = in_disorder(blocks, np.random.default_rng(tree))
        assert chosen(found) == wanted
        assert found.names == ("ten", "place")
        assert found.facts[1].tolist() == [float(k) for k in places]
        assert chosen(pickle.loads(pickle.dumps(found))) == wanted


def test_rows_that_are_not_to_be_chosen_are_not_among_the_worst() -> None:
    values, addresses = np.array([np.nan, -np.inf, np.nan, -np.inf]), np.arange(4)
    found = WorstRows.of(3, (), values, addresses, np.empty((0, 4)))
    assert len(found.excess) == 0
    assert len(found.merge(found).excess) == 0


# bootstrap sums -----------------------------------------------------------------------------------------------------


def replicates(lines: Values, units_of: Values, codes: Values, resamples: int = 7) -> Replicates:
    found = Replicates(len(lines), resamples)
    found.take(lines, units_of, codes, 3)
    return found


def together(found: Replicates, code: int) -> list[list[Fraction]]:
    """Return the sums of a group exactly, as fractions."""
    high, low = found.sums[code]
    return [
        [Fraction(a) + Fraction(b) for a, b in zip(x, y, strict=True)]
        for x, y in zip(high.tolist(), low.tolist(), strict=True)
    ]


def weighted_sum(times: Values, line: Values) -> Fraction:
    """Sum floats that count several times, without any rounding."""
    return Fraction(sum(int(k) * x for k, x in zip(times.tolist(), scaled(line), strict=True)), 1 << 1100)


@pytest.mark.parametrize("seed", range(5))
def test_bootstrap_sums_of_blocks_are_those_of_all_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = sum(SIZES)
    lines = rng.normal(1e3, 1.0, (2, n)) * rng.lognormal(0.0, 2.0, n)
    ids, codes = rng.integers(0, 1 << 63, n).astype(np.uint64), rng.integers(0, 3, n)
    codes[700:710] = 9
    blocks = [
        replicates(block, ids[start : start + block.shape[1]], codes[start : start + block.shape[1]])
        for block, start in ragged(lines, SIZES)
    ]
    whole, by_blocks, halves = (
        replicates(lines, ids, codes),
        in_order(blocks),
        in_order(blocks[:2]).merge(in_order(blocks[2:])),
    )
    assert set(whole.sums) == set(by_blocks.sums) == set(halves.sums) == {0, 1, 2, 9}
    drawn = np.concatenate([found for _, found in copies(ids, 3, 7)])
    for code in whole.sums:
        mine = codes == code
        sums = [together(state, code) for state in (whole, by_blocks, halves)]
        for b in range(7):
            for i, line in enumerate([*lines, np.ones(n)]):
                true = weighted_sum(drawn[b, mine], line[mine])
                lost = Fraction(float(np.abs(line).max())) * int(drawn[b].sum()) / 2**64
                assert all(abs(found[b][i] - true) <= lost for found in sums)
            assert {found[b][-1] for found in sums} == {int(drawn[b, mine].sum())}


def test_bootstrap_sums_of_one_block_do_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(25)
    lines, ids, codes = (
        rng.standard_t(3, (3, 5_000)),
        rng.integers(0, 1 << 63, 5_000).astype(np.uint64),
        np.arange(5_000) % 4,
    )
    whole = replicates(lines, ids, codes)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(5_000)
        other = replicates(np.ascontiguousarray(lines[:, order]), ids[order], codes[order])
        for code in range(4):
            assert [x.tolist() for x in other.sums[code]] == [x.tolist() for x in whole.sums[code]]


def test_merging_bootstrap_sums_leaves_its_operands_alone() -> None:
    rng = np.random.default_rng(26)
    ids = np.arange(40, dtype=np.uint64)
    a, b = (replicates(rng.normal(size=(2, 40)), ids + np.uint64(40 * k), np.arange(40) % 3 + k) for k in range(2))
    before = pickle.dumps((a, b))
    merged = a.merge(b)
    assert pickle.dumps((a, b)) == before
    assert set(merged.sums) == {0, 1, 2, 3}
    again = pickle.loads(pickle.dumps(a)).merge(pickle.loads(pickle.dumps(b)))
    assert all(np.array_equal(again.sums[code], merged.sums[code]) for code in range(4))
    empty = Replicates(2, 7)
    for found in (a.merge(empty), empty.merge(a)):
        assert all(np.array_equal(found.sums[code], a.sums[code]) for code in a.sums)


def test_values_that_are_not_finite_are_left_out_of_bootstrap_sums() -> None:
    lines = np.array([[1.0, np.inf, 3.0], [np.nan, 2.0, -np.inf]])
    ids, codes = np.arange(3, dtype=np.uint64), np.zeros(3, dtype=np.int64)
    zeroed = replicates(np.where(np.isfinite(lines), lines, 0.0), ids, codes)
    assert np.array_equal(replicates(lines, ids, codes).sums[0], zeroed.sums[0])


@pytest.mark.parametrize("scale", [1e-300, 1e-310, 1e300, 1.0])
def test_bootstrap_sums_are_right_at_the_ends_of_the_range(scale: float) -> None:
    rng = np.random.default_rng(27)
    lines, ids = rng.random((1, 300)) * scale, np.arange(300, dtype=np.uint64)
    found = replicates(lines, ids, np.zeros(300, dtype=np.int64))
    drawn = np.concatenate([part for _, part in copies(ids, 3, 7)])
    for b in range(7):
        true = math.fsum((drawn[b] * lines[0]).tolist())
        assert float(found.sums[0][0][b, 0]) == pytest.approx(true, rel=1e-15, abs=300 * LEAST)
