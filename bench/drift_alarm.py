"""Whether the monitor's drift alarm is right: silent where nothing changed, and how soon it finds what did.

    python bench/drift_alarm.py

The reference is the training part, the stream the test part four times over: as it lies in the file, speaker by speaker
or activity by activity, and with its recordings shuffled. All channels are looked at after every 504 steps.

The first table counts channels that raised an alarm though nothing changed, by rule: the usual limit of the population
stability index in a window of 1,000 to 2,000 samples; Kolmogorov's critical value for as many samples as there are;
both together; and the monitor's, which divides samples by the channel's memory. The second changes every channel of the
shuffled stream, and counts how many are found, and after how many samples in the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
from machine import machine
from numpy.typing import NDArray
from sets import SETS

from edge_lstm.monitor.drift import CHANGED, FEWEST, Drift, Reference, references
from edge_lstm.monitor.monitor import BLOCK
from edge_lstm_calibration import drift_table

Array = NDArray[Any]

NAMES = ("japanese_vowels", "har", "fsdd")
TIMES = 4

RULES: dict[str, tuple[bool, Callable[[dict[str, Any]], bool]]] = {
    "PSI": (False, lambda row: row["samples"] >= FEWEST and row["psi"] >= CHANGED),
    "KS": (False, lambda row: row["samples"] >= FEWEST and row["ks"] > row["ks_limit"]),
    "both": (False, lambda row: row["verdict"] not in ("learning", "steady")),
    "monitor": (True, lambda row: row["verdict"] not in ("learning", "steady")),
}
"""Name → whether samples are divided by their memory, and what is an alarm."""

CHANGES: dict[str, Callable[[Array], Array]] = {
    "mean + 0.25 σ": lambda x: x + 0.25 * x.std(),
    "mean + 0.5 σ": lambda x: x + 0.5 * x.std(),
    "mean + 1 σ": lambda x: x + x.std(),
    "gain × 0.5": lambda x: x.mean() + 0.5 * (x - x.mean()),
    "gain × 1.5": lambda x: x.mean() + 1.5 * (x - x.mean()),
    "gain × 2": lambda x: x.mean() + 2 * (x - x.mean()),
    "stuck": lambda x: np.full_like(x, x[0]),
}


def main() -> None:
    print(f"{machine()}\n\nChannels with a false alarm, as it lies / shuffled\n")
    print(f"{'set':16} channels  samples   memory      " + "".join(f"{rule:>14}" for rule in RULES))
    loaded = {name: load(name) for name in NAMES}
    for name, (found, test) in loaded.items():
        memories = sorted(reference.memory for reference in found)
        streams = (np.concatenate(test * TIMES), shuffled(test))
        cells = [[len(alarms(found, stream, rule)) for stream in streams] for rule in RULES]
        figures = "".join(f"{a:>9} /{b:3}" + " " for a, b in cells)
        print(
            f"{name:16} {len(found):8} {len(streams[0]):8} {memories[0]:6.0f}..{memories[-1]:<5.0f} {figures}".rstrip()
        )
    print("\nChanged channels found by the monitor, and after how many samples in the middle\n")
    print(f"{'set':16} " + "".join(f"{change:>18}" for change in CHANGES))
    for name, (found, test) in loaded.items():
        stream = shuffled(test)
        print(f"{name:16} " + "".join(f"{delay(found, stream, change):>18}" for change in CHANGES.values()))


def load(name: str) -> tuple[tuple[Reference, ...], list[Array]]:
    """The references an export would write, and the recordings (T, C) of the test part."""
    _, _, parts = SETS[name]()
    train, test = ([np.asarray(r.series) for r in part.recordings] for part in (parts.train, parts.test))
    return references(drift_table(train), [""] * train[0].shape[1]), test


def shuffled(recordings: Sequence[Array]) -> Array:
    rng = np.random.default_rng(0)
    return np.concatenate([recordings[k] for _ in range(TIMES) for k in rng.permutation(len(recordings))])


def alarms(found: Sequence[Reference], stream: Array, rule: str) -> dict[str, int]:
    """Channel → samples until its first alarm."""
    divided, alarmed = RULES[rule]
    names = [str(k) for k in range(len(found))]
    drift = Drift(names, found if divided else [replace(reference, memory=1.0) for reference in found])
    first: dict[str, int] = {}
    for start in range(0, len(stream), BLOCK):
        block = stream[start : start + BLOCK].astype(np.float64)
        drift.add(block)
        for name, row in drift.to_json().items():
            if alarmed(row):
                first.setdefault(name, start + len(block))
    return first


def delay(found: Sequence[Reference], stream: Array, change: Callable[[Array], Array]) -> str:
    """How many channels were found, and after how many samples in the middle."""
    changed = np.column_stack([change(column) for column in stream.astype(np.float64).T])
    after = alarms(found, changed, "monitor").values()
    return f"{len(after)} of {len(found)}" + (f", {median(after):,.0f}" if after else "")


if __name__ == "__main__":
    main()
