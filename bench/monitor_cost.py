"""What a monitor adds to a step, beside the step itself and tflite-runtime's, in one run.

    python bench/monitor_cost.py [--quick]

The contestants take turns over one recording, round after round, and a round is one cycle of the monitor: three blocks
counted, one look at the state. Figures are medians of the rounds in processor time of the whole process; what the
monitor adds is the median of the differences within a round, which met the same computer. ``a line`` is a sample as
``edge-lstm stream`` takes it, from a line of text to one. A report costs once an interval, whatever the rate.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from machine import machine
from random_models import random_float, smooth
from step_time import each, tflite_steps

from edge_lstm.compiler import compile_shared
from edge_lstm.monitor import Monitor
from edge_lstm.monitor.monitor import LOOK
from edge_lstm.runtimes.c_library import CLibrary
from edge_lstm.streaming import LoadedModel, Stream
from edge_lstm.streaming.facts import Facts
from edge_lstm.streaming.live import LiveStream, Setup
from edge_lstm_calibration import calibrate, drift_table, quantise_native
from edge_lstm_export.c_source import host_sources

SHAPES = ((3, 32), (8, 16), (8, 32), (12, 32), (40, 64))
"""(channels, units)."""

OUTPUTS, STEPS, ROUNDS = 6, LOOK, 101

MOST = 2.0
"""µs a step that a monitor may add at up to 12 channels."""


class Loaded:
    """What a monitor asks of a bundle, for a model that is in none."""

    def __init__(self, model: Any, drift: dict[str, Any]) -> None:
        self.name, self.manifest, self._model = "bench", {"drift": drift}, model

    def model(self, _arithmetic: str) -> Any:
        return self._model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 21 if parser.parse_args().quick else ROUNDS
    print(f"{machine()}\nµs of processor time a step, and a report; medians of {rounds} rounds of {STEPS} steps\n")
    print("channels units  tflite-runtime  Stream.push     adds  of tflite   a line     adds  of a line   a report")
    missed = []
    for channels, units in SHAPES:
        base, push, added, line, to_line, report = race(channels, units, rounds)
        print(
            f"{channels:8} {units:5} {base:15.2f} {push:12.2f} {added:8.2f} {100 * added / base:8.1f} % "
            f"{line:8.2f} {to_line:8.2f} {100 * to_line / line:8.1f} % {report:10.0f}",
            flush=True,
        )
        if channels <= 12 and added > MOST:
            missed.append(f"{added:.2f} µs at {channels} channels")
    print(
        "\n" + (f"More than {MOST:g} µs: {'; '.join(missed)}" if missed else f"At most {MOST:g} µs up to 12 channels.")
    )


def race(channels: int, units: int, rounds: int) -> tuple[float, ...]:
    """µs: a step of tflite-runtime; a push and what a monitor adds to it; a line and what it adds to it; a report."""
    model = random_float(channels, [units], OUTPUTS)
    samples = smooth(channels, STEPS)
    calibration = calibrate(model, [samples])
    native = quantise_native(model, calibration)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.so"
        file.write_bytes(compile_shared(host_sources(native)))
        library = CLibrary(file)
    stream = LoadedModel(native, library, "native", "bench").stream()
    monitor = Monitor(stream, Loaded(native, drift_table([samples])), deadline_ms=1.0)  # type: ignore[arg-type]
    tflite, rows = tflite_steps(model, calibration, samples), samples.tolist()
    text = "".join(",".join(map(repr, row)) + "\n" for row in rows).encode()
    clock = time.perf_counter_ns

    def watched(sample: Any) -> None:
        arrived = clock()
        stream.push(sample)
        monitor.took(sample, arrived)
        monitor.settle()

    contestants = {
        "tflite": tflite,
        "push": lambda: each(stream.push, rows),
        "watched": lambda: each(watched, rows),
        "lines": lambda: take(stream, text, None),
        "watched lines": lambda: take(stream, text, monitor),
        "report": lambda: monitor.report(restart=True),
    }
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, run in contestants.items():
            began = time.process_time()
            run()
            times[name].append((time.process_time() - began) * 1e6)
    base, push, _, line, _, report = (median(taken[1:]) for taken in times.values())
    added, to_line = (
        median(a - b for a, b in zip(times[watching][1:], times[plain][1:], strict=True))
        for watching, plain in (("watched", "push"), ("watched lines", "lines"))
    )
    return base / STEPS, push / STEPS, added / STEPS, line / STEPS, to_line / STEPS, report


def take(stream: Stream, text: bytes, monitor: Monitor | None) -> None:
    """What ``edge-lstm stream`` does with each line, but for writing the prediction."""
    sys.stdin = io.TextIOWrapper(io.BytesIO(text))
    live = LiveStream(stream, Facts(), Setup())
    live.monitor = monitor
    for reading in live.readings():
        made = live.take(reading)
        if made is not None:
            made.to_text()
        live.remember()


if __name__ == "__main__":
    main()
