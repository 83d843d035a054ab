"""Drift of the inputs: silent on data like the training's, right about what changed, and slow to judge."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge_lstm.errors import BundleError
from edge_lstm.monitor.drift import ENOUGH, Drift, Window, references
from edge_lstm.pipeline import prepare
from edge_lstm.project import load_project
from edge_lstm_calibration import drift_table

EXAMPLE = Path(__file__).parents[1] / "examples" / "japanese_vowels"
BLOCK = 504


def table_of(series):
    """Of one recording."""
    return drift_table([np.asarray(series)])


def watching(table):
    names = [f"c{k}" for k in range(len(table["channels"]))]
    return Drift(names, references(table, names))


def verdicts(drift):
    return {name: row["verdict"] for name, row in drift.to_json().items()}


def alarms(table, stream):
    """Channel → the step it was first told at and what was told, looking after every block."""
    drift, told = watching(table), {}
    for start in range(0, len(stream), BLOCK):
        drift.add(stream[start : start + BLOCK])
        for name, verdict in verdicts(drift).items():
            if verdict not in ("learning", "steady"):
                told.setdefault(name, (start + BLOCK, verdict))
    return told


# What the bundle says


def test_the_shares_are_those_of_the_recordings_and_nearly_equal():
    """Ten bins of a tenth, counted against the edges as written."""
    values = np.random.default_rng(0).normal(20, 3, (5000, 2)).astype(np.float32)
    for row, column in zip(table_of(values)["channels"], values.T, strict=True):
        bins = np.searchsorted(row["edges"], column, side="right")
        assert row["shares"] == pytest.approx(np.bincount(bins) / 5000, abs=5e-6)  # written with five digits
        assert row["shares"] == pytest.approx([0.1] * 10, abs=1e-3)  # edges are cut to few digits


def test_a_sensors_quantum_never_lies_on_an_edge():
    """The same readings as float32 and as decimal text fall into the same bins."""
    readings = np.round(np.random.default_rng(1).normal(0, 0.5, (3000, 1)), 1)
    table = table_of(readings.astype(np.float32))
    edges = np.array(table["channels"][0]["edges"])
    assert np.array_equal(np.searchsorted(edges, readings), np.searchsorted(edges, readings.astype(np.float32)))
    assert len(edges) > 5
    assert np.abs(readings - edges).min() > 0.01


def test_a_constant_channel_that_moves_is_told():
    """It has one value, and everything else is beside it; float32 of the same value is not."""
    table = table_of(np.full((500, 1), 0.1))
    assert table["channels"][0]["shares"] == [0.0, 1.0, 0.0]
    same, moved = watching(table), watching(table)
    same.add(np.full((2000, 1), np.float64(np.float32(0.1))))
    moved.add(np.random.default_rng(0).normal(0.2, 0.01, (2000, 1)))
    assert verdicts(same) == {"c0": "steady"}
    assert verdicts(moved) == {"c0": "changed"}


def test_memory_is_about_1_for_noise_and_grows_with_what_lasts():
    """Values that are each repeated 20 times tell as much as one of 20."""
    noise = np.random.default_rng(2).normal(0, 1, (20_000, 1))
    alone, repeated = (table_of(v)["channels"][0]["memory"] for v in (noise, np.repeat(noise[:1000], 20, axis=0)))
    # Four blocks say how much means scatter within a factor of 2.4 in 19 of 20 cases; the largest of many is taken.
    assert 1 <= alone < 4
    assert 20 <= repeated < 80


def test_a_loudness_that_lasts_is_memory_too():
    """Noise that is loud for 500 steps and quiet for 500: levels say nothing, their size does."""
    loud = np.repeat(np.random.default_rng(3).uniform(0.1, 5, 40), 500)
    noise = np.random.default_rng(4).normal(0, 1, 20_000) * loud
    assert table_of(noise[:, None])["channels"][0]["memory"] > 50  # levels alone give less than 4


def test_the_longest_run_of_equal_values_is_kept():
    """Of 3, 3, 3 and 5, 5: three."""
    assert table_of(np.array([[1.0], [3], [3], [3], [5], [5]]))["channels"][0]["still"] == 3


def test_the_table_of_twelve_channels_is_small():
    """Under 4 KB in the manifest."""
    values = np.random.default_rng(0).normal(101_325, 40, (5000, 12))
    assert len(json.dumps(table_of(values))) < 4096


@pytest.mark.parametrize(
    "broken",
    [
        [],
        {"steps": 10},
        {"steps": 10, "channels": [{"edges": [2, 1], "shares": [0.3, 0.3, 0.4], "memory": 1, "still": 1}]},
        {"steps": 10, "channels": [{"edges": [1, 2], "shares": [0.3, 0.7], "memory": 1, "still": 1}]},
        {"steps": 10, "channels": [{"edges": [1], "shares": [0.3, 0.7], "memory": 0, "still": 1}]},
        {"steps": 10, "channels": [{"edges": [1], "shares": [0.3, 0.7], "memory": "x", "still": 1}]},
        {"steps": 10, "channels": []},
    ],
)
def test_a_changed_table_is_refused(broken):
    """One line, the next move in it."""
    with pytest.raises(BundleError, match=r"table 'drift' was changed .*export the bundle again"):
        references(broken, ["ax"])


# Counting


def test_blocks_in_any_cut_count_the_same():
    """Windows roll where they are full; what is in them is what came last."""
    values = np.random.default_rng(5).normal(0, 1, (2900, 3))
    found = references(table_of(values), "abc")
    window, by_one = Window(found), Window(found)
    for block in np.split(values, [3, 400, 900, 1000, 1700, 2000, 2899]):
        window.add(block)
    for value in values:
        by_one.add(value[None])
    assert np.array_equal(window.run, by_one.run)
    assert np.array_equal(window.counts, by_one.counts)
    for k, reference in enumerate(found):
        bins = np.searchsorted(reference.edges, values[:, k], side="right")
        assert window.run[k].tolist() == np.bincount(bins, minlength=10).tolist()
        assert window.counts[k].tolist() == np.bincount(bins[1000:], minlength=10).tolist()


def test_channels_of_different_bins_are_counted_beside_each_other():
    """A switch has two values, a sensor many."""
    rng = np.random.default_rng(6)
    values = np.column_stack([rng.integers(0, 2, 3000), rng.normal(0, 1, 3000), np.ones(3000)])
    drift = watching(table_of(values))
    drift.add(values)
    assert verdicts(drift) == {"c0": "steady", "c1": "steady", "c2": "steady"}
    assert [len(live) for live, _ in drift.shares().values()] == [2, 10, 3]
    assert all(sum(live) == pytest.approx(1) for live, _ in drift.shares().values())


def test_equal_values_are_counted_over_blocks():
    """The run of the newest value, channel by channel."""
    window = Window(references(table_of(np.arange(20.0).reshape(10, 2)), "ab"))
    for block in ([[1, 1], [2, 2]], [[2, 3]], [[2, 3], [2, 3]], [[5, 3]]):
        window.add(np.array(block, float))
    assert window.equal.tolist() == [1, 4]
    window.add(np.array([[5.0, 4], [5, 4]]))
    assert window.equal.tolist() == [3, 2]


# Verdicts, on a data set of the repository: calibrated on the training part, streamed from the test part


@pytest.fixture(scope="module")
def vowels():
    """(table of the training part, utterances (T, 12) of the test part, speaker by speaker)."""
    prepared = prepare(load_project(EXAMPLE))
    train, test = ([r.series for r in part.recordings] for part in (prepared.parts.train, prepared.judged()))
    return drift_table(train), test


def shuffled(utterances, seed, times=1):
    rng = np.random.default_rng(seed)
    return np.concatenate([utterances[k] for _ in range(times) for k in rng.permutation(len(utterances))])


def test_data_like_the_trainings_raises_no_alarm(vowels):
    """Utterances that training never saw, speaker by speaker and mixed: no channel, at no block."""
    table, test = vowels
    assert alarms(table, np.concatenate(test * 4)) == {}
    for seed in range(4):
        assert alarms(table, shuffled(test, seed, times=4)) == {}


def test_all_channels_are_steady_in_the_end(vowels):
    """Long enough, every one of them is judged."""
    table, test = vowels
    drift = watching(table)
    drift.add(shuffled(test, 0, times=4))
    assert set(verdicts(drift).values()) == {"steady"}


CHANGES = {
    "mean": lambda x: x + x.std(),
    "gain": lambda x: x.mean() + 2 * (x - x.mean()),
    "half the gain": lambda x: x.mean() + (x - x.mean()) / 2,
    "unit": lambda x: 1000 * x,
    "sign": lambda x: x + 2 * abs(x.mean()),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("channel", [0, 5, 10])
def test_a_channel_that_changed_is_named_and_no_other(vowels, change, channel):
    """A shifted mean, another gain, another unit; of the channels with the longest and with short memory."""
    table, test = vowels
    stream = shuffled(test, 1, times=4)
    stream[:, channel] = CHANGES[change](stream[:, channel])
    found = alarms(table, stream)
    assert list(found) == [f"c{channel}"]
    assert found[f"c{channel}"][1] in ("drifting", "changed")


def test_a_stuck_channel_is_named_within_a_block(vowels):
    """At a value that the training data held, too."""
    table, test = vowels
    stream = shuffled(test, 2).astype(np.float64)
    stream[BLOCK:, 7] = stream[BLOCK, 7]
    assert alarms(table, stream)["c7"] == (2 * BLOCK, "stuck")


def test_a_change_in_the_middle_is_found_and_a_repaired_channel_is_steady_again(vowels):
    """The verdict is of a window, not of the whole run."""
    table, test = vowels
    drift, good = watching(table), shuffled(test, 3, times=4)
    bad = good.copy()
    bad[:, 10] += 3 * bad[:, 10].std()
    told = []
    for part in (good, bad, good):
        drift.add(part)
        told.append(verdicts(drift)["c10"])
    assert told == ["steady", "changed", "steady"]


def test_nothing_is_judged_before_enough_samples_were_seen(vowels):
    """Fifty times the memory: before that, the first speaker alone would be an alarm in most channels."""
    table, test = vowels
    for name, row in zip([f"c{k}" for k in range(12)], table["channels"], strict=True):
        stream, needed = np.concatenate(test), int(np.ceil(ENOUGH * row["memory"]))
        drift = watching(table)
        drift.add(stream[: min(needed, len(stream)) - 1])
        assert verdicts(drift)[name] == "learning"
        assert drift.to_json()[name]["needed"] == needed
