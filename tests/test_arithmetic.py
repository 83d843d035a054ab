"""The integer rules against exact arithmetic on Python's unbounded integers and fractions."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lstm.arithmetic import fixed, gemmlowp, interpolated, native

int16s = st.integers(-(1 << 15), (1 << 15) - 1)
int32s = st.integers(-(1 << 31), (1 << 31) - 1)
gates = st.integers(0, 32756)
cells = st.integers(-native.CELL_LIMIT, native.CELL_LIMIT - 1)


def half_away(x: Fraction) -> int:
    """Nearest integer, ties away from zero."""
    return floor(x + Fraction(1, 2)) if x >= 0 else -floor(-x + Fraction(1, 2))


@given(int32s, st.integers(0, 31))
def test_rounding_divide_by_pot_rounds_ties_away_from_zero(x: int, exponent: int) -> None:
    """It is the exact quotient rounded half away from zero."""
    assert int(fixed.rounding_divide_by_pot(x, exponent)) == half_away(Fraction(x, 1 << exponent))


@given(int32s, int32s)
def test_doubling_high_mul_rounds_half_up_and_saturates_once(a: int, b: int) -> None:
    """It is 2ab / 2**32 rounded half up; only the square of the lowest int32 saturates."""
    exact = floor(Fraction(2 * a * b, 1 << 32) + Fraction(1, 2))
    assert int(fixed.doubling_high_mul32(a, b)) == min(exact, (1 << 31) - 1)


@pytest.mark.parametrize("b", [-32768, -32767, -1, 0, 1, 12345, 32767])
def test_doubling_high_mul16_agrees_with_its_definition_on_every_int16(b: int) -> None:
    """Signed nudge and truncating division, as gemmlowp defines it, for all 65,536 first operands."""
    a = gemmlowp.ALL_INT16
    nudged = a * b + np.where(a * b >= 0, 1 << 14, 1 - (1 << 14))
    truncated = np.sign(nudged) * (np.abs(nudged) >> 15)
    expected = np.where((a == -32768) & (b == -32768), 32767, truncated)
    np.testing.assert_array_equal(fixed.doubling_high_mul16(a, b), expected)


@given(st.floats(2.0**-30, 100.0))
def test_a_quantised_multiplier_is_within_half_a_unit_of_its_last_bit(real: float) -> None:
    """Mantissas have 31 bits, so the relative error is at most 2**-31."""
    mantissa, shift = fixed.quantise_multiplier(real)
    assert (1 << 30) <= mantissa < (1 << 31)
    assert abs(Fraction(mantissa) * Fraction(2) ** (shift - 31) / Fraction(real) - 1) <= Fraction(1, 1 << 31)


@given(st.integers(-(1 << 20), 1 << 20), st.floats(1e-6, 8.0))
def test_multiplying_by_a_quantised_multiplier_is_right_to_one_unit(x: int, real: float) -> None:
    """Two roundings of at most one half each."""
    got = int(fixed.multiply_by_quantised_multiplier(x, fixed.quantise_multiplier(real)))
    assert abs(got - Fraction(x) * Fraction(real)) <= Fraction(1001, 1000)


def test_gemmlowp_sigmoid_and_tanh_are_close_to_the_functions() -> None:
    """6.4 and 12 units of 2**-15 are what the fixed-point polynomials leave; more would be a slip in transcription."""
    v = gemmlowp.ALL_INT16
    sigmoid = 32768 / (1 + np.exp(-v / 4096))
    assert np.abs(gemmlowp.sigmoid_table() - sigmoid).max() < 6.5
    for integer_bits in range(7):
        tanh = 32768 * np.tanh(v / 2.0 ** (15 - integer_bits))
        assert np.abs(gemmlowp.tanh_table(integer_bits) - tanh).max() < 12.5


def test_interpolated_sigmoid_and_tanh_are_close_to_the_functions() -> None:
    """1 and 2.4 units of 2**-15 are what 256 entries leave."""
    v = gemmlowp.ALL_INT16
    assert np.abs(interpolated.sigmoid_table() - 32768 / (1 + np.exp(-v / 4096))).max() < 1.6
    for exponent in range(-15, -8):
        tanh = 32768 * np.tanh(v * 2.0**exponent)
        assert np.abs(interpolated.tanh_table(exponent) - tanh).max() < 3.0


def test_native_sigmoid_segments_are_the_published_integers() -> None:
    """Kernels ship these integers; a change of libm or NumPy must not change them unseen."""
    base, slope = native.sigmoid_segments()
    digest = hashlib.sha256(np.concatenate([base, slope]).astype("<i4").tobytes()).hexdigest()
    assert digest[:16] == "a50131e02692883d"


def test_native_sigmoid_stays_within_q15_without_a_clamp() -> None:
    """The table never reaches 32768 and never falls, so kernels need no min or max."""
    table = native.sigmoid_table()
    assert table.min() >= 0
    assert table.max() == 32756
    assert (np.diff(table) >= 0).all()


def test_native_sigmoid_has_no_bias_in_any_segment() -> None:
    """A recurrent network integrates bias: each segment's mean error stays below one unit of 2**-15."""
    v = gemmlowp.ALL_INT16
    error = native.sigmoid_table() - 32768 / (1 + np.exp(-v / 4096))
    assert np.abs(error.reshape(128, 512).mean(axis=1)).max() < 1.0


@given(gates, cells, gates, st.integers(-32768, 32744))
def test_native_cell_update_is_exact_in_32_bits(f: int, c: int, i: int, g: int) -> None:
    """The split product equals the exact one, so no kernel needs 64 bits."""
    exact = (((f * c) >> 16) + ((i * g) >> 8)) << 1
    clamped = max(-native.CELL_LIMIT, min(native.CELL_LIMIT - 1, exact))
    arrays = (np.array([v], np.int32) for v in (f, c, i, g))
    assert int(native.update_cell(*arrays)[0]) == clamped


@pytest.mark.parametrize("bits", range(7, 13))
def test_native_hidden_state_needs_a_clamp_only_in_int8(bits: int) -> None:
    """The largest product of an output gate and a squashed cell stays within ±2**bits; w8a8 saturates it to int8."""
    o = np.full(2, native.sigmoid_table().max(), np.int32)
    t = np.array([native.tanh_table().min(), native.tanh_table().max()], np.int32)
    low, high = native.update_hidden(o, t, bits, narrow=False)
    assert -(1 << bits) <= low
    assert high <= 1 << bits
    assert native.update_hidden(o, t, bits, narrow=True).tolist() == [-128, 127]


@given(st.floats(1e-7, 1e3))
def test_a_rounded_up_multiplier_is_the_next_of_eight_bits(real: float) -> None:
    """m * 2**-s is not below the number, and m - 1 would be."""
    m, s = (int(v[()]) for v in native.round_multiplier_up(real))
    assert 128 <= m <= 255
    step = Fraction(2) ** -s
    slack = 1 + Fraction(1, 10**9)  # a number that is already representable may lie a rounding error above it
    assert m * step * slack >= Fraction(real)
    assert (m - 1) * step < Fraction(real) or m == 128


@given(st.integers(-(1 << 23) + 1, (1 << 23) - 1), st.integers(128, 255), st.integers(1, 26))
def test_requantise_is_a_floor_division_within_32_bits(accumulator: int, m: int, s: int) -> None:
    """``m·acc`` never leaves int32 below the accumulator limit."""
    got = native.requantise(np.array([accumulator]), np.array([m], np.int32), np.array([s], np.int32))
    assert int(got[0]) == (m * accumulator) >> s


def test_rules_accept_arrays_of_multipliers() -> None:
    """A row of multipliers gives what each gives alone."""
    pairs = [fixed.quantise_multiplier(v) for v in (0.3, 1.7, 1e-4, 5.0)]
    mantissa, shift = np.array(pairs).T
    x = np.array([-12345, 6789, 1 << 20, -77])
    together = fixed.multiply_by_quantised_multiplier(x, (mantissa, shift))
    alone = [int(fixed.multiply_by_quantised_multiplier(v, p)) for v, p in zip(x, pairs, strict=True)]
    assert together.tolist() == alone
