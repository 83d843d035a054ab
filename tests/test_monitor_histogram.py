"""Latencies in buckets, deadlines and arrivals: exact where they say so, within the stated bound elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lstm.monitor.histogram import PER_OCTAVE, TimeHistogram
from edge_lstm.monitor.timing import Arrivals, Deadlines

BOUND = 2 ** (1 / (2 * PER_OCTAVE)) * (1 + 1e-12)
"""Half a bucket, and the rounding of float64."""

TIMES = st.lists(st.integers(1_001, 16_000_000_000), min_size=1, max_size=300).map(lambda t: np.array(t, np.int64))
ANY_TIMES = st.lists(st.integers(0, 60_000_000_000), min_size=1, max_size=300).map(lambda t: np.array(t, np.int64))


@given(TIMES, st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_within_half_a_bucket_of_the_exact_one(times, share):
    """By a factor of 2^(1/32), whatever the distribution."""
    exact = np.quantile(times, share, method="inverted_cdf")
    assert exact / BOUND <= TimeHistogram.of(times).quantile_ns(share) <= exact * BOUND


@given(ANY_TIMES)
def test_count_sum_and_extremes_are_exact(times):
    """Also of times beyond the buckets."""
    seen = TimeHistogram.of(times)
    assert (seen.count, seen.total_ns, seen.lowest_ns, seen.highest_ns) == (
        len(times),
        times.sum(),
        times.min(),
        times.max(),
    )
    assert times.min() <= seen.quantile_ns(0.5) <= times.max()


@given(ANY_TIMES)
def test_cumulative_counts_are_exact_at_their_bounds(times):
    """As Prometheus means them: less or equal."""
    bounds = TimeHistogram.of(times).cumulative()
    assert [count for _, count in bounds] == [int((times <= round(bound * 1e9)).sum()) for bound, _ in bounds]


def test_a_time_on_a_bound_is_not_above_it():
    """The case that rounding would get wrong."""
    times = 1000 * 2 ** np.arange(25, dtype=np.int64)
    assert [count for _, count in TimeHistogram.of(times).cumulative()] == list(range(1, 26))


@given(ANY_TIMES, ANY_TIMES)
def test_histograms_add_up(first, second):
    """Blocks in any cut give the same figures."""
    whole, parts = TimeHistogram.of(np.concatenate([first, second])), TimeHistogram()
    parts.add(TimeHistogram.of(first))
    parts.add(TimeHistogram.of(second))
    assert parts.summary_us() == whole.summary_us()
    assert np.array_equal(parts.counts, whole.counts)


def test_nothing_counted_has_no_figures():
    """None, not 0: no latency is known."""
    assert set(TimeHistogram().summary_us().values()) == {0, None}


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.lists(st.integers(1, 60), max_size=5))
def test_missed_deadlines_and_their_longest_run_are_exact(late, cuts):
    """Counted one by one, however the steps are cut into blocks."""
    times = np.where(late, 11, 10).astype(np.int64)
    deadlines = Deadlines(10.0)
    for block in np.split(times, sorted({cut for cut in cuts if cut < len(times)})):
        deadlines.add(block)
    runs = "".join("x" if each else " " for each in late).split()
    assert (deadlines.missed, deadlines.longest_run) == (sum(late), max(map(len, runs), default=0))


def test_without_a_deadline_none_is_missed():
    """A model without a rate has none."""
    deadlines = Deadlines(None)
    deadlines.add(np.array([10**12], np.int64))
    assert deadlines.missed == 0


def test_rate_and_jitter_are_those_of_the_gaps():
    """Gaps of 9 and 11 ms of a sensor of 100 Hz: 100 Hz, 1 ms of jitter; in blocks as at once."""
    times = np.cumsum([0] + [9_000_000, 11_000_000] * 50).astype(np.int64)
    for blocks in ([times], np.split(times, [1, 2, 40])):
        arrivals = Arrivals(10_000_000.0)
        for block in blocks:
            arrivals.add(block)
        assert arrivals.to_json() == {"rate_hz": 100.0, "jitter_us": 1000.0, "longest_gap_us": 11000.0}


def test_a_steady_sensor_of_another_rate_has_jitter_against_the_models():
    """A wrong rate is an error of every gap; without a model's rate it is none."""
    times = 20_000_000 * np.arange(50)
    for period, jitter in ((10_000_000.0, 10_000.0), (None, 0.0)):
        arrivals = Arrivals(period)
        arrivals.add(times)
        assert arrivals.to_json()["jitter_us"] == pytest.approx(jitter, abs=0.1)


def test_the_gap_between_two_intervals_belongs_to_the_second():
    """No gap is lost when an interval ends."""
    first = Arrivals(None)
    first.add(np.array([0, 10], np.int64))
    second = first.after()
    second.add(np.array([50], np.int64))
    assert (first.gaps, second.gaps, second.longest_ns) == (1, 1, 40)
